# SPDX-License-Identifier: MIT
"""Bad input, and what it gets: the right exit status, one line that names step, object and reason,
and nothing left behind. Not here: the grammar of TARGET (test_target.py), commands that can't be
executed (test_exit.py), targets that end meanwhile (test_races.py)."""

import ctypes
import os
import resource
import signal
import subprocess
import threading

import pytest

from lib import proc
from lib.failure import assert_failed
from lib.poll import wait_for
from lib.sandbox import Sandbox

OURS, NOT_FOUND = 125, 127
PATH_MAX = 4096
root_only = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


@pytest.fixture(scope="module")
def box(sandbox_program, rootfs):
    box = Sandbox(sandbox_program, rootfs)
    yield box
    box.stop()


@pytest.fixture
def plain():
    """A process in all of our own namespaces."""
    one = subprocess.Popen(["sleep", "1000"], cwd="/", stdin=subprocess.DEVNULL)
    wait_for(lambda: proc.read(one.pid, "cmdline").startswith(b"sleep"))
    yield one
    one.kill()
    one.wait()


def in_mounts(script, *args, **more):
    """Runs a shell script in a mount namespace of its own."""
    return subprocess.run(
        ["unshare", "-m", "sh", "-ec", script, *map(str, args)], capture_output=True, text=True,
        timeout=30, check=False, stdin=subprocess.DEVNULL, **more,
    )


def test_no_such_process(conjoin):
    with subprocess.Popen(["true"]) as gone:
        pass
    for target in (gone.pid, f"pid:{gone.pid}", f"{gone.pid}:1", f"{gone.pid}:s1"):
        assert_failed(conjoin.exec(target, "true"), OURS, f"process {gone.pid}", "No such process")


def test_a_zombie_has_ended(conjoin):
    zombie = subprocess.Popen(["true"])
    wait_for(lambda: proc.stat_fields(zombie.pid)[0] == "Z")
    try:
        assert_failed(conjoin.exec(zombie.pid, "true"), OURS, str(zombie.pid), "No such process")
    finally:
        zombie.wait()


def test_a_zombie_whose_other_threads_live_is_no_target_that_hangs_us(conjoin):
    code = ("import threading,ctypes,sys;threading.Thread(target=sys.stdin.read).start();"
            "print(flush=True);ctypes.CDLL(None).pthread_exit(None)")
    with subprocess.Popen(["/usr/bin/python3", "-c", code], stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE) as leaderless:
        leaderless.stdout.readline()
        wait_for(lambda: proc.stat_fields(leaderless.pid)[0] == "Z")
        done = conjoin.exec(leaderless.pid, "true", timeout=20)
        assert_failed(done, OURS, str(leaderless.pid))
        leaderless.kill()


def kernel_thread():
    """PF_KTHREAD in the flags."""
    for pid in sorted(proc.pids()):
        try:
            if int(proc.stat_fields(pid)[6]) & 0x200000:
                return pid
        except OSError:
            pass
    return pytest.skip("no kernel thread can be seen here")


def test_a_kernel_thread_is_no_target(conjoin):
    pid = kernel_thread()
    assert_failed(conjoin.exec(pid, "true"), OURS, str(pid), "kernel thread")
    for command in ("inspect", "pids", "wait"):
        assert_failed(conjoin.run(command, pid), 1, str(pid), "kernel thread")


def test_a_thread_is_no_target(conjoin):
    started, end = threading.Event(), threading.Event()
    thread = threading.Thread(target=lambda: (started.set(), end.wait()))
    thread.start()
    started.wait()
    try:
        tid = thread.native_id
        done = conjoin.exec(tid, "true")
    finally:
        end.set()
        thread.join()
    assert_failed(done, OURS, f"process {tid}", "thread")


def test_a_target_in_our_own_namespaces_works(conjoin, plain):
    done = conjoin.exec(plain.pid, "sh", "-c", "readlink /proc/self/ns/mnt; exit 7")
    assert (done.returncode, done.stderr) == (7, "")
    assert done.stdout.strip() == os.readlink("/proc/self/ns/mnt")


@root_only
def test_a_paused_target_is_refused_at_once(conjoin, sandbox):
    box = sandbox()
    box.freeze()
    try:
        done = conjoin.exec(box, "true", timeout=10)
    finally:
        box.thaw()
    assert_failed(done, OURS, "paused", "busy")


def test_a_cwd_that_is_gone_is_an_error_with_a_way_out(conjoin, scratch):
    gone = os.path.join(scratch, "gone")
    os.mkdir(gone)
    with subprocess.Popen(["sleep", "1000"], cwd=gone) as target:
        os.rmdir(gone)
        try:
            assert_failed(conjoin.exec(target.pid, "true"), OURS, "gone", "No such file",
                          hint="-w /")
            assert conjoin.exec(target.pid, "pwd", options=["-w", "/"]).stdout == "/\n"
        finally:
            target.kill()


def test_a_cwd_that_isnt_one_is_an_error(conjoin, box):
    for cwd, reason in (("/nope", "No such file"), ("/etc/passwd", "Not a directory"),
                        ("", "cwd \"\"")):
        done = conjoin.exec(box, "true", options=["-w", cwd])
        assert_failed(done, OURS, reason, *([f"change directory to {cwd}"] if cwd else []))
    for root in ("/nope", "/etc/passwd"):
        assert_failed(conjoin.exec(box, "true", options=["--root", root]), OURS, "root", root)


@pytest.mark.parametrize("length", [PATH_MAX - 1, PATH_MAX, PATH_MAX + 1, 100000])
def test_long_paths_are_refused_in_one_line(conjoin, box, length):
    path = "/" + "x/" * (length // 2)
    path = path[:length]
    assert conjoin.exec(box, path).returncode in (126, NOT_FOUND)
    for args in (["exec", "-w", path, box.pid, "true"], ["exec", "--root", path, box.pid, "true"],
                 ["exec", f"pidfile:{path}", "true"], ["exec", f"cgroup:{path}", "true"],
                 ["exec", "--env-file", path, box.pid, "true"],
                 ["exec", "--seccomp", path, box.pid, "true"], ["exec", path, "true"],
                 ["exec", "-u", path, box.pid, "true"], ["exec", "--skip", path, box.pid, "true"],
                 ["exec", "--" + path, box.pid, "true"]):
        line = assert_failed(conjoin.run(*args), OURS)
        assert len(line) < 4000 + length


def test_paths_as_long_as_they_may_be_work(conjoin, box):
    """4,095 bytes and the NUL."""
    path = "/" * (PATH_MAX - 1 - len("bin/true")) + "bin/true"
    assert len(path) == PATH_MAX - 1
    assert conjoin.exec(box, path).returncode == 0
    cwd = "/" * (PATH_MAX - 1 - len("etc")) + "etc"
    assert conjoin.exec(box, "pwd", options=["-w", cwd]).stdout == "/etc\n"
    assert conjoin.exec(box, "true", options=["-w", "/" + cwd]).returncode == OURS


def test_100_000_arguments_arrive(conjoin, box):
    words = [str(number) for number in range(100000)]
    done = conjoin.exec(box, "sh", "-c", 'echo $# $1 ${100000}', "sh", *words)
    assert (done.returncode, done.stdout) == (0, "100000 0 99999\n")


def test_an_argument_of_128_kib_arrives(conjoin, box):
    """MAX_ARG_STRLEN, its NUL included."""
    word = "x" * (32 * 4096 - 1)
    done = conjoin.exec(box, "sh", "-c", "echo ${#1}", "sh", word)
    assert (done.returncode, done.stdout) == (0, f"{len(word)}\n")


def test_arguments_that_dont_fit_with_the_targets_environment_are_126(conjoin, sandbox):
    box = sandbox(env=[f"V{number}=" + "x" * 100000 for number in range(15)])
    words = ["y" * 100000] * 8
    done = conjoin.exec(box, "true", *words)
    assert_failed(done, 126, "execute", "Argument list too long")


def environ_inside(conjoin, box):
    done = conjoin.exec(box, "/bin/cat", "/proc/self/environ", text=False)
    assert done.returncode == 0, done
    return done.stdout


@pytest.mark.parametrize("raw", [
    b"", b"A=1\0", b"NOEQUALS\0A=1\0", b"=\0", b"=x\0", b"A=1\0A=2\0", b"\xff\xfe=\x01\n\0",
    b"\0\0\0A=1\0\0", b"A\0", b"A=B=C\0",
], ids=repr)
def test_odd_environments_arrive_as_they_are(conjoin, sandbox, scratch, raw):
    path = os.path.join(scratch, "environ")
    with open(path, "wb") as f:
        f.write(raw)
    box = sandbox(env_file=path)
    assert environ_inside(conjoin, box) == box.read("environ", text=False)


def test_an_environment_of_2_mib_arrives_whole(conjoin, sandbox, scratch):
    path = os.path.join(scratch, "environ")
    with open(path, "wb") as f:
        for number in range(16):
            f.write(b"V%02d=" % number + b"x" * (131072 - 6) + b"\0")
    old = resource.getrlimit(resource.RLIMIT_STACK)
    resource.setrlimit(resource.RLIMIT_STACK, (64 << 20, old[1]))  # a quarter is for arguments
    try:
        box = sandbox(env_file=path)
        inside = environ_inside(conjoin, box)
    finally:
        resource.setrlimit(resource.RLIMIT_STACK, old)
    assert len(inside) >= 2 << 20 - 20 and inside == box.read("environ", text=False)


def test_a_target_that_overwrote_its_environment_gives_bytes_of_its_own(conjoin, plain):
    """setproctitle's way, and prctl(PR_SET_MM): no NUL at the end, garbage, a hole."""
    code = (
        "import ctypes,sys,re;stat=open('/proc/self/stat').read().rpartition(')')[2].split();"
        "start,end=int(stat[47]),int(stat[48]);ctypes.memset(start,120,end-start);"
        "print(end-start,flush=True);sys.stdin.read()"
    )
    with subprocess.Popen(["/usr/bin/python3", "-c", code], stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE) as target:
        size = int(target.stdout.readline())
        done = conjoin.exec(target.pid, "/bin/cat", "/proc/self/environ", text=False)
        assert done.returncode == 0 and done.stdout.rstrip(b"\0") == b"x" * size
        target.communicate()


BAD_VALUES = [
    ("--cgroup", "nope"), ("--namespaces", "nope"), ("--namespaces", ""), ("--skip", "nope"),
    ("--skip", ""), ("--umask", "8"), ("--umask", "-1"), ("--umask", "01000"), ("--nice", "20"),
    ("--nice", "x"), ("--nice", ""), ("--oom-score-adj", "1001"), ("--rlimit", "nope=1"),
    ("--rlimit", "nofile"), ("--rlimit", "nofile=5:1"), ("--rlimit", "nofile=-1"), ("-u", ""),
    ("-u", "nobody-such"), ("-u", "0:nobody-such"), ("-u", "-1"), ("-u", "4294967295"),
    ("-u", "99999999999"), ("-u", ":"), ("--cap-add", "nope"), ("--cap-drop", "CAP_"),
    ("--no-new-privs", "maybe"), ("--seccomp", "/nope"), ("--seccomp", "/etc/passwd"),
    ("--scheduler", "nope"), ("--scheduler", "fifo:0"), ("--ioprio", "best-effort:9"),
    ("--affinity", "x"), ("--affinity", "9999"), ("--personality", "x"), ("--timer-slack", "-1"),
    ("--core-filter", "x"), ("-e", ""), ("-e", "=x"), ("--env-file", "/nope"), ("--memory", "x"),
    ("--cpus", "0"), ("--pids-limit", "-1"),
]


def test_an_option_with_a_bad_value_is_refused_and_nothing_runs(conjoin, box):
    for option, value in BAD_VALUES:
        assert_failed(conjoin.exec(box, "touch", "/ran", options=[option, value]), OURS)
        assert not os.path.exists(f"/proc/{box.pid}/root/ran"), option


def test_memory_without_a_cgroup_of_our_own_isnt_silently_ignored(conjoin, box):
    for options in (["--memory", "64m"], ["--cpus", "1"], ["--pids-limit", "10"]):
        assert_failed(conjoin.exec(box, "true", options=options), OURS, hint="--cgroup own")


@root_only
def test_without_any_privileges_the_missing_one_is_named(conjoin, unprivileged, box, sandbox):
    done = unprivileged([conjoin.path, "exec", box.pid, "true"])
    assert_failed(done, OURS, "Permission denied", hint="CAP_SYS_PTRACE")
    own = sandbox(namespaces="uts,net", caps="none", uid=65534, gid=65534, no_cgroup=True)
    done = unprivileged([conjoin.path, "exec", "--skip", "timer-slack", own.pid, "true"])
    assert_failed(done, OURS, "join", "namespace", hint="CAP_SYS_ADMIN")


@root_only
def test_an_ordinary_user_runs_beside_a_process_of_his_own(conjoin, unprivileged):
    nobody = 65534
    with subprocess.Popen(["sleep", "1000"], user=nobody, group=nobody, extra_groups=[],
                          cwd="/") as target:
        try:
            done = unprivileged([conjoin.path, "exec", target.pid, "id", "-u"])
        finally:
            target.kill()
    assert (done.returncode, done.stdout) == (0, f"{nobody}\n"), done


@root_only
def test_a_target_hidden_from_an_ordinary_user_doesnt_exist_for_him(conjoin, box):
    script = 'mount -t proc -o hidepid=2 proc /proc; exec setpriv --reuid 65534 --regid 65534 ' \
             '--clear-groups "$0" exec "$1" true'
    done = in_mounts(script, conjoin.path, box.pid)
    assert done.returncode == OURS, done
    assert_failed(done, OURS, str(box.pid))


@root_only
def test_a_proc_that_isnt_one_is_found_out(conjoin, box):
    script = ('mount -t tmpfs tmpfs /proc; mkdir -p /proc/$1/ns /proc/thread-self /proc/self; '
              'echo 1 >/proc/$1/status; exec "$0" exec "$1" true')
    done = in_mounts(script, conjoin.path, box.pid)
    assert_failed(done, OURS, "isn't procfs")


@root_only
def test_a_proc_of_another_pid_namespace_never_mixes_two_processes(conjoin):
    """Numbers there are other processes': pidfd and directory would be about different ones."""
    script = "sleep 1000 & \"$0\" exec $! id -u; status=$?; kill $!; exit $status"
    done = subprocess.run(["unshare", "-pf", "sh", "-c", script, conjoin.path], capture_output=True,
                          text=True, timeout=30, check=False)
    assert_failed(done, OURS, "another pid namespace")


def test_without_a_proc_it_says_so(conjoin, box):
    done = in_mounts('mount -t tmpfs tmpfs /proc; exec "$0" exec "$1" true', conjoin.path, box.pid)
    assert_failed(done, OURS, "/proc")


@root_only
def test_the_proc_of_another_pid_namespace_isnt_taken_for_ours(conjoin, box, sandbox):
    """The numbers in it are others' numbers: nobody's process may be taken for another's."""
    script = ('nsenter --pid=/proc/$1/ns/pid mount -t proc proc /proc; '
              'exec "$0" exec 1 touch /was-here')
    done = in_mounts(script, conjoin.path, box.pid)
    assert_failed(done, OURS)
    assert not os.path.exists("/was-here")
    assert not os.path.exists(f"/proc/{box.pid}/root/was-here")


def test_a_target_that_is_being_traced_is_entered_all_the_same(conjoin, sandbox):
    box = sandbox()
    libc = ctypes.CDLL(None, use_errno=True)
    seize, detach = 0x4206, 17
    if libc.ptrace(seize, box.pid, 0, 0) != 0:
        pytest.skip("no right to trace")
    try:
        assert conjoin.exec(box, "sh", "-c", "exit 7").returncode == 7
    finally:
        os.kill(box.pid, signal.SIGSTOP)
        os.waitpid(box.pid, 0x40000000)
        libc.ptrace(detach, box.pid, 0, signal.SIGCONT)
        os.kill(box.pid, signal.SIGCONT)


def test_a_stopped_target_is_entered_all_the_same(conjoin, sandbox):
    box = sandbox()
    os.kill(box.pid, signal.SIGSTOP)
    try:
        wait_for(lambda: box.status()["State"].startswith("T"))
        assert conjoin.exec(box, "sh", "-c", "exit 7").returncode == 7
    finally:
        os.kill(box.pid, signal.SIGCONT)
