# SPDX-License-Identifier: MIT
"""What can stand for TARGET, and where options end. Not here: targets that can't be entered
(test_bad_input.py) and those that end meanwhile (test_races.py)."""

import os
import shutil
import subprocess

import pytest

from lib import proc
from lib.failure import assert_failed
from lib.fake_docker import Numbered
from lib.poll import wait_for
from lib.program import Conjoin
from lib.sandbox import Sandbox

OURS = 125
ABOVE_ALL = 1 << 22  # PID_MAX_LIMIT
NAME = f"box-{os.getpid()}"  # somebody else may run the same tests
TWIN = f"twin-{os.getpid()}"


@pytest.fixture(scope="module")
def box(sandbox_program, rootfs):
    box = Sandbox(sandbox_program, rootfs, comm=NAME, hostname="the-target",
                  namespaces="all,-user")
    yield box
    box.stop()


@pytest.fixture
def twins():
    """Two processes with one name, in one cgroup: ours."""
    made = [
        subprocess.Popen(["/bin/sh", "-c", f"printf {TWIN} >/proc/$$/comm; read x"],
                         stdin=subprocess.PIPE)
        for _ in range(2)
    ]
    for one in made:
        wait_for(lambda: proc.read(one.pid, "comm") == f"{TWIN}\n".encode())
    yield [one.pid for one in made]
    for one in made:
        one.communicate(b"\n")


def hostname(conjoin, target):
    done = conjoin.exec(target, "hostname")
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.strip()


def test_a_bare_number_is_a_pid(conjoin, box):
    assert hostname(conjoin, box.pid) == "the-target"
    assert hostname(conjoin, f"pid:{box.pid}") == "the-target"


def test_a_handle_is_pid_and_inode_or_pid_and_start_time(conjoin, box):
    start = f"{box.pid}:s{proc.start_time(box.pid)}"
    for handle in filter(None, (box.handle, start)):
        assert hostname(conjoin, handle) == "the-target"
        assert hostname(conjoin, f"pid:{handle}") == "the-target"


def test_a_handle_that_doesnt_match_is_another_process(conjoin, box):
    inode = int(box.handle.partition(":")[2]) if box.handle else 1
    for handle in (f"{box.pid}:{inode + 1}", f"{box.pid}:s{proc.start_time(box.pid) + 1}",
                   f"{box.pid}:s0", f"{os.getpid()}:{inode}"):
        done = conjoin.exec(handle, "touch", "/ran")
        assert_failed(done, OURS, handle, "number is another's now", "No such process")
    assert not os.path.exists(f"/proc/{box.pid}/root/ran")


NOT_A_PROCESS = [
    "{pid}:", "{pid}:s", "{pid}:x", "{pid}:-1", "{pid}:12x", "{pid}:s1:2", "{pid}:s-1", "{pid}: 1",
    "pid:{pid}:", "{pid}:99999999999999999999999", "{pid} ", " {pid}", "+{pid}", "{pid}.0",
    "0x{pid}", "{pid}abc", "pid:{pid}abc", "pid:", "pid: {pid}", "pid:-1", "0", "pid:0", "pid:self",
    "00000000000000000000", "4294967297", "18446744073709551617", "-{pid}", ":{pid}", ":", "::",
]


def test_what_only_looks_like_a_process_is_refused(conjoin, box):
    for text in NOT_A_PROCESS:
        assert_failed(conjoin.run("exec", "--", text.format(pid=box.pid), "true"), OURS)


def test_a_number_above_all_pids_is_nobody(conjoin):
    for number in (ABOVE_ALL - 1, ABOVE_ALL, ABOVE_ALL + 1, 2**31 - 1, 2**31, 2**63, 10**30):
        assert_failed(conjoin.exec(number, "true"), OURS, f"exec {number}:")


def test_self_is_the_caller(conjoin):
    done = conjoin.exec("self", "readlink", "/proc/self/ns/pid", "/proc/self/ns/mnt")
    ours = proc.namespaces()
    assert done.stdout.split() == [f"pid:[{ours['pid']}]", f"mnt:[{ours['mnt']}]"]


def test_a_pidfile_names_the_process_whose_number_it_holds(conjoin, box, scratch):
    path = os.path.join(scratch, "pid")
    for text in ("{}", "{}\n", "{}\r\n", "{} \n", "{}\nsecond line\n"):
        with open(path, "w", encoding="ascii") as f:
            f.write(text.format(box.pid))
        assert hostname(conjoin, f"pidfile:{path}") == "the-target"


def test_a_pidfile_without_a_pid_is_refused(conjoin, scratch):
    path = os.path.join(scratch, "pid")
    for content in (b"", b"\n", b"x", b"12x", b"-1", b"0", b"\0", b"1" * 100, b"99999999999",
                    b"\x1b[2J", b"1" * 99999):
        with open(path, "wb") as f:
            f.write(content)
        assert_failed(conjoin.exec(f"pidfile:{path}", "true"), OURS, "pidfile", path, "find a PID")


def test_a_pidfile_that_cant_be_read_is_refused_at_once(conjoin, scratch):
    fifo = os.path.join(scratch, "fifo")
    os.mkfifo(fifo)
    for path, reason in ((fifo, ""), (scratch, "Is a directory"), ("/dev/zero", ""),
                         (os.path.join(scratch, "none"), "No such file"), ("", "No such file")):
        done = conjoin.exec(f"pidfile:{path}", "true", timeout=10)
        assert_failed(done, OURS, "pidfile", path, reason)


def test_a_pidfile_of_a_process_that_has_ended_says_so(conjoin, scratch):
    with subprocess.Popen(["true"]) as ended:
        pass
    path = os.path.join(scratch, "pid")
    with open(path, "w", encoding="ascii") as f:
        f.write(str(ended.pid))
    assert_failed(conjoin.exec(f"pidfile:{path}", "true"), OURS, str(ended.pid), "No such process")


def test_a_name_of_one_process_names_it(conjoin, box):
    assert hostname(conjoin, f"comm:{NAME}") == "the-target"


def test_a_long_name_is_compared_as_far_as_the_kernel_keeps_it(conjoin, sandbox):
    name = f"{os.getpid():08d}-longer-than-it"
    box = sandbox(comm=name, hostname="long")
    assert box.status()["Name"] == name[:15]
    assert hostname(conjoin, f"comm:{name}") == "long"
    assert hostname(conjoin, f"comm:{name[:15]}") == "long"


def test_several_of_a_name_are_an_error_that_lists_them(conjoin, twins):
    done = conjoin.exec(f"comm:{TWIN}", "true")
    assert_failed(done, OURS, "several", *map(str, twins), "More than one match", hint="PID")


def test_nobody_of_that_name_is_an_error(conjoin):
    for name in ("conjoin-no-such", "", NAME[:-1] + "x", "a/b", "%s%n"):
        assert_failed(conjoin.exec(f"comm:{name}", "true"), OURS, name)


def test_conjoin_itself_is_never_meant_by_its_name(conjoin, scratch):
    """By a name that nobody else has."""
    renamed = Conjoin(shutil.copy(conjoin.path, os.path.join(scratch, f"cj-{os.getpid()}")))
    name = os.path.basename(renamed.path)
    assert_failed(renamed.exec(f"comm:{name}", "true"), OURS, "No such process")


def test_a_cgroup_names_its_only_process_by_directory_or_by_path(conjoin, box):
    for controllers, directory in box.cgroup_dirs().items():
        assert hostname(conjoin, f"cgroup:{directory}") == "the-target"
        assert hostname(conjoin, f"cgroup:{box.cgroups()[controllers]}") == "the-target"


def test_several_in_a_cgroup_are_an_error_that_lists_them(conjoin, box):
    with conjoin.popen("exec", box.pid, "sh", "-c", "echo; exec cat", stdin=subprocess.PIPE,
                       stdout=subprocess.PIPE) as second:
        second.stdout.readline()
        done = conjoin.exec("cgroup:" + next(iter(box.cgroup_dirs().values())), "true")
        second.communicate()
    assert_failed(done, OURS, "several", str(box.pid), "More than one match", hint="PID")


def test_a_cgroup_without_processes_or_none_at_all_is_an_error(conjoin, box, scratch):
    directory = next(iter(box.cgroup_dirs().values()))
    empty = os.path.join(directory, "empty")
    os.mkdir(empty)
    try:
        for path in (empty, "/no/such/cgroup", scratch, "/etc/passwd", "relative", "", ".."):
            assert_failed(conjoin.exec(f"cgroup:{path}", "true"), OURS, path)
    finally:
        os.rmdir(empty)


def test_an_unknown_scheme_is_an_error_that_tells_those_there_are(conjoin):
    for text in ("nosuch:web", "PID:1", "pid :1", ":web", "http://x", "pidfil:/x"):
        done = conjoin.exec(text, "true")
        assert_failed(done, OURS, text, "scheme is unknown", hint="pidfile:")


def test_a_bare_word_that_nobody_knows_is_an_error(conjoin):
    for text in ("web", "selfish", "Self", "123abc", "a" * 5000, "%s%n%x", "."):
        assert_failed(conjoin.exec(text, "true"), OURS, "which is no PID; asked:"
                      if len(text) < 100 else "find", hint="conjoin ps")


def test_an_id_is_found_in_cgroups_where_no_engine_knows_it(conjoin, sandbox):
    """As ps shows it."""
    with Numbered(sandbox(hostname="numbered"), 1) as one, Numbered(sandbox(), 2) as other:
        for ref in (one.id, one.id[:16]):
            done = conjoin.exec(ref, "hostname")
            assert (done.returncode, done.stdout.strip()) == (0, "numbered"), done.stderr
        assert_failed(conjoin.exec(one.id[:12], "true"), OURS, one.id[:12], other.id[:12], "several")
        assert_failed(conjoin.exec("docker:" + one.id, "true"), OURS, one.id)
        assert_failed(conjoin.exec("f" * 64, "true"), OURS, "which is no PID; asked:")


def test_an_empty_target_is_an_error(conjoin):
    assert_failed(conjoin.exec("", "true"), OURS, "no target")


def test_without_a_target_it_is_an_error_of_usage(conjoin):
    for args in ([], ["--"], ["-v"]):
        assert_failed(conjoin.run("exec", *args), OURS, "TARGET is missing", hint="--help")


def test_options_stop_at_target(conjoin, box):
    done = conjoin.exec(box, "echo", "-n", "--help", "-v", "--", "-t", "--dry-run")
    assert (done.returncode, done.stdout) == (0, "--help -v -- -t --dry-run")
    listing = conjoin.exec(box, "ls", "-la", "/etc/passwd").stdout
    assert listing.startswith("-rw") and listing.endswith("/etc/passwd\n")


def test_options_after_target_are_an_error_of_usage_that_says_so(conjoin, box):
    for command in (["-it", "sh"], ["-u", "0", "id"], ["--user=0", "id"], ["-"], ["---"]):
        assert_failed(conjoin.exec(box, *command), OURS, "options go before TARGET", command[0])


def test_two_dashes_after_target_are_allowed_and_end_nothing_else(conjoin, box):
    assert conjoin.exec(box, "--", "echo", "a").stdout == "a\n"
    assert conjoin.exec(box, "--", "echo", "--", "a").stdout == "-- a\n"
    assert conjoin.exec(box, "--", input="echo shell").stdout == "shell\n"


def test_a_command_that_begins_with_a_dash_can_be_run_after_two(conjoin, box):
    tool = f"/proc/{box.pid}/root/bin/-tool"
    os.symlink("busybox", f"/proc/{box.pid}/root/bin/--dashes")
    with open(tool, "w", encoding="ascii") as f:
        f.write("#!/bin/sh\nexit 42\n")
    os.chmod(tool, 0o755)
    assert conjoin.exec(box, "--", "-tool").returncode == 42
    assert_failed(conjoin.exec(box, "--", "--"), 127, "execute --")


def test_two_dashes_before_target_end_the_options(conjoin, box):
    assert conjoin.run("exec", "--", box.pid, "echo", "a").stdout == "a\n"


def test_arguments_arrive_byte_by_byte_as_they_are(conjoin, box):
    words = [b"", b" ", b"a b", b"*", b"$HOME", b"'", b'"', b"\\", b"\n", b"\xff\xfe", b"\x01",
             b"--"]
    script = 'for a; do printf "%s|" "$a"; done'
    done = conjoin.exec(box, "sh", "-c", script, "sh", *words, text=False)
    assert done.stdout == b"".join(word + b"|" for word in words)


@pytest.mark.parametrize("option", ["--nope", "--users=x", "-Z", "-1", "--=x", "--dry-run=yes"])
def test_an_option_that_isnt_one_is_an_error_of_usage(conjoin, option):
    assert_failed(conjoin.run("exec", option, "self", "true"), OURS, option[:2], hint="--help")


@pytest.mark.parametrize("option", ["-u", "-w", "-e", "--root", "--cgroup", "--skip", "--rlimit"])
def test_an_option_without_its_argument_is_an_error_of_usage(conjoin, option):
    assert_failed(conjoin.run("exec", option), OURS, option, "needs an argument", hint="--help")


def test_an_unknown_command_of_ours_is_an_error_of_usage(conjoin):
    assert_failed(conjoin.run("exce", "1", "true"), OURS, "exce", hint="--help")
    assert_failed(conjoin.run(), OURS, hint="--help")


def test_help_and_version_go_to_stdout_and_are_no_failure(conjoin):
    for args in (["--help"], ["-h"], ["exec", "--help"], ["exec", "-h"], ["exec", "-v", "--help"]):
        done = conjoin.run(*args)
        assert (done.returncode, done.stderr) == (0, "") and done.stdout.startswith("Usage: ")
    done = conjoin.run("--version")
    assert (done.returncode, done.stderr) == (0, "") and done.stdout.startswith("conjoin ")
