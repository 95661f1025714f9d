# SPDX-License-Identifier: MIT
"""exec --detach: the command goes on, nothing of ours stays, and who inherits it reaps it. Not here:
waiting for it and signals to it (test_wait_kill.py)."""

import os
import pty
import signal
import stat
import subprocess
import threading
import time

import pytest

from lib import proc
from lib.attack import arena, hosts, stop_attack  # noqa: F401
from lib.detached import (Detached, detach, everybody_in, our_processes, reap_all,  # noqa: F401
                          subreaper)
from lib.failure import assert_failed
from lib.held import differences, portrait
from lib.leaks import program_of
from lib.poll import wait_for
from lib.sandbox import Sandbox

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")

OURS, NOT_FOUND, NOT_EXECUTABLE = 125, 127, 126
STORMS = 5  # at most
LAUNCHES = int(os.environ.get("ATTACK_ROUNDS", "500"))
LIMITED = ["--cgroup", "own", "--memory", "64m"]
MODES = {"alone": [], "with one who stays": LIMITED}


@pytest.fixture(scope="module")
def box(sandbox_program, rootfs):
    """No user namespace of its own: what the test writes into its root belongs to its root."""
    made = Sandbox(sandbox_program, rootfs, namespaces="all,-user", caps="docker")
    yield made
    made.stop()


@pytest.fixture
def put(box):
    """put(path, content): a file inside, taken away afterwards."""
    made = []

    def write(path, content=b"", mode=0o755):
        outside = f"/proc/{box.pid}/root{path}"
        with open(outside, "wb") as f:
            f.write(content)
        os.chmod(outside, mode)
        made.append(outside)
        return path

    yield write
    for path in made:
        os.unlink(path)


def test_it_says_who_the_command_is_and_ends(box, detach, conjoin):
    command = detach(box, "sleep", "1000")
    pidfd = os.pidfd_open(command.pid)
    inode = os.fstat(pidfd).st_ino
    os.close(pidfd)
    assert command.handle in (f"{command.pid}:{inode}",
                              f"{command.pid}:s{proc.start_time(command.pid)}")
    assert command.inside == int(proc.status(command.pid)["NSpid"].split()[-1])
    assert proc.read(command.pid, "cmdline") == b"sleep\x001000\0"
    assert our_processes(conjoin) == []
    assert command.parent() == os.getpid()


def test_it_is_what_the_target_is(box, detach):
    command = detach(box, "sleep", "1000")
    assert differences(portrait(box.pid), portrait(command.pid)) == {}


def test_it_has_a_session_of_its_own_no_terminal_and_no_files(box, detach):
    command = detach(box, "sleep", "1000")
    fields = proc.stat_fields(command.pid)
    assert (int(fields[2]), int(fields[3]), int(fields[4])) == (command.pid, command.pid, 0)
    fds = f"/proc/{command.pid}/fd"
    assert sorted(os.listdir(fds)) == ["0", "1", "2"]
    for fd in "012":
        found = os.stat(os.path.join(fds, fd))
        assert stat.S_ISCHR(found.st_mode) and found.st_rdev == os.makedev(1, 3)


def null_of(pid):
    return os.stat(f"/proc/{pid}/root/dev/null")


def test_its_null_device_is_the_containers_own_where_it_has_one(runc, detach):
    """Who has the host's open may change its mode."""
    box = runc()
    command = detach(box, "sleep", "1000")
    for fd in "012":
        found = os.stat(f"/proc/{command.pid}/fd/{fd}")
        assert (found.st_dev, found.st_ino) == (null_of(box.pid).st_dev, null_of(box.pid).st_ino)
        assert (found.st_dev, found.st_ino) != (null_of("self").st_dev, null_of("self").st_ino)


@pytest.mark.parametrize("trick", ["missing", "file", "link", "fifo", "zero"])
def test_a_false_null_device_isnt_taken(runc, detach, trick):
    box = runc()
    null = f"/proc/{box.pid}/root/dev/null"
    os.unlink(null)
    if trick == "file":
        with open(null, "wb") as f:
            f.write(b"false")
    elif trick == "link":
        os.symlink("/dev/zero", null)
    elif trick == "fifo":
        os.mkfifo(null)
    elif trick == "zero":
        os.mknod(null, 0o666 | stat.S_IFCHR, os.makedev(1, 5))
    command = detach(box, "sleep", "1000")
    for fd in "012":
        found = os.stat(f"/proc/{command.pid}/fd/{fd}")
        assert stat.S_ISCHR(found.st_mode) and found.st_rdev == os.makedev(1, 3)


@pytest.mark.parametrize("options", MODES.values(), ids=MODES)
def test_the_callers_pipes_end_although_the_command_goes_on(box, conjoin, options, subreaper):
    reader, writer = os.pipe()
    os.set_inheritable(writer, True)
    done = conjoin.exec(box, "sleep", "1000", options=["-d", *options], input="of the caller",
                        close_fds=False)  # communicate() has come to the end of stdout, stderr
    os.close(writer)
    command = Detached(done.stdout)
    try:
        assert os.read(reader, 1) == b""
        assert not command.has_ended()
    finally:
        os.close(reader)
        command.end()
        wait_for(lambda: not our_processes(conjoin))
        reap_all({box.supervisor})


@pytest.mark.parametrize("options", MODES.values(), ids=MODES)
def test_it_survives_the_end_of_our_session(box, conjoin, options, scratch, subreaper):
    log = os.path.join(scratch, "line")
    pid, master = pty.fork()
    if pid == 0:
        with open(log, "w", encoding="ascii") as f:
            subprocess.run([conjoin.path, "exec", "-d", *options, str(box.pid), "sleep", "1000"],
                           stdout=f, check=False)
        signal.pause()
    wait_for(lambda: os.path.exists(log) and os.path.getsize(log))
    with open(log, encoding="ascii") as f:
        command = Detached(f.read())
    try:
        os.close(master)  # a hang-up
        os.waitpid(pid, 0)
        supervisor = command.parent()
        assert supervisor == os.getpid() or program_of(supervisor) == os.path.basename(conjoin.path)
        assert not command.has_ended()
        ignored = int(proc.parse_status(proc.read(command.pid, "status").decode())["SigIgn"], 16)
        assert ignored == 0
    finally:
        command.end()
        wait_for(lambda: not our_processes(conjoin))
        reap_all({box.supervisor})


@pytest.mark.parametrize("options", MODES.values(), ids=MODES)
def test_errors_before_the_command_runs_reach_the_caller(box, conjoin, put, options):
    options = ["-d", *options]
    for command, status in (("nope", NOT_FOUND), (put("/tmp/plain", mode=0o644), NOT_EXECUTABLE)):
        done = conjoin.exec(box, command, options=options)
        assert_failed(done, status, f"execute {command}")
        assert done.stdout == ""
    done = conjoin.exec(box, "true", options=[*options, "-w", "/nope"])
    assert_failed(done, OURS, "change directory to /nope")
    assert done.stdout == ""
    assert_failed(conjoin.exec("999999999999", "true", options=options), OURS)
    assert everybody_in(box) == [] and our_processes(conjoin) == []


def test_what_it_writes_is_added_to_the_log(box, detach, scratch):
    log = os.path.join(scratch, "log")
    for _ in range(2):
        detach(box, "sh", "-c", "read x; echo got:$x; echo error >&2",
               options=["--log", log]).reap()
    with open(log, encoding="ascii") as f:
        assert f.read() == "got:\nerror\n" * 2
    assert stat.S_IMODE(os.stat(log).st_mode) == 0o600
    os.chmod(log, 0o644)  # one that is there keeps its mode
    command = detach(box, "sleep", "1000", options=["--log", log])
    assert stat.S_IMODE(os.stat(log).st_mode) == 0o644
    for fd in "12":
        assert os.path.samefile(f"/proc/{command.pid}/fd/{fd}", log)
    with open(f"/proc/{command.pid}/fdinfo/1", encoding="ascii") as f:
        flags = int(f.read().split("flags:")[1].split()[0], 8)
    assert flags & os.O_APPEND and not flags & os.O_NONBLOCK


def test_a_log_that_cant_be_is_told_and_nothing_runs(box, conjoin, scratch):
    fifo, folder = os.path.join(scratch, "fifo"), os.path.join(scratch, "nope/log")
    os.mkfifo(fifo)
    master, slave = pty.openpty()
    for path, reason in ((fifo, "No such device"), (folder, "No such file"),
                         (scratch, "Is a directory"), (os.ttyname(slave), "a terminal")):
        done = conjoin.exec(box, "touch", "/tmp/ran", options=["-d", "--log", path])
        assert_failed(done, OURS, f"open log {path}", reason)
    os.close(master)
    os.close(slave)
    assert not os.path.exists(f"/proc/{box.pid}/root/tmp/ran")


def test_the_pid_file_has_the_pid_as_it_is_here(box, detach, scratch):
    path = os.path.join(scratch, "pid")
    for _ in range(2):  # it replaces the one before
        before = os.stat(path).st_ino if os.path.exists(path) else None
        command = detach(box, "sleep", "1000", options=["--pid-file", path])
        with open(path, encoding="ascii") as f:
            assert f.read() == f"{command.pid}\n"
        assert os.stat(path).st_ino != before
    assert os.listdir(scratch) == ["pid"]
    relative = detach(box, "sleep", "1000", options=["--pid-file", "here"], cwd=scratch)
    with open(os.path.join(scratch, "here"), encoding="ascii") as f:
        assert int(f.read()) == relative.pid


@pytest.mark.parametrize("options", MODES.values(), ids=MODES)
def test_a_pid_file_that_cant_be_written_ends_the_command(box, conjoin, scratch, options, subreaper):
    os.mkdir(os.path.join(scratch, "taken"))
    for name, reason in (("taken", "Is a directory"), ("nope/pid", "No such file"),
                         ("taken/", "Is a directory")):
        path = os.path.join(scratch, name)
        done = conjoin.exec(box, "sleep", "1000", options=["-d", *options, "--pid-file", path])
        assert_failed(done, OURS, "write PID file", path, reason)
        assert done.stdout == ""
        wait_for(lambda: everybody_in(box) == [])
    assert os.listdir(scratch) == ["taken"] and os.listdir(os.path.join(scratch, "taken")) == []
    wait_for(lambda: our_processes(conjoin) == [])


@pytest.mark.parametrize("options", MODES.values(), ids=MODES)
def test_what_cant_be_said_doesnt_run(box, conjoin, scratch, options, subreaper):
    path = os.path.join(scratch, "pid")
    with open("/dev/full", "wb") as full:
        done = conjoin.exec(box, "sleep", "1000", stdout=full,
                            options=["-d", *options, "--pid-file", path])
    assert_failed(done, OURS, "write to stdout", "No space left")
    wait_for(lambda: everybody_in(box) == [])
    assert os.listdir(scratch) == []


def test_options_that_dont_go_together_are_usage(box, conjoin):
    for options in (["-d", "-t"], ["-d", "-i"], ["-d", "-it"], ["--log", "/dev/null"],
                    ["-d", "--json"]):
        assert_failed(conjoin.exec(box, "true", options=options), OURS, hint="exec --help")
    plan = conjoin.exec(box, "true", options=["-d", "--dry-run", "--log", "/nope/log"])
    assert plan.returncode == 0 and "execute" in plan.stdout


def test_a_command_that_ended_is_a_zombie_until_its_heir_reaps_it(box, detach):
    command = detach(box, "true")
    wait_for(lambda: proc.stat_fields(command.pid)[0] == "Z")
    assert command.parent() == os.getpid()
    assert command.reap() == 0
    assert not os.path.exists(f"/proc/{command.pid}")
    assert box.alive()


def wait_in_thread(box):
    ended = threading.Event()
    threading.Thread(target=lambda: (box.wait(60), ended.set()), daemon=True).start()
    return ended


def test_an_unreaped_command_holds_up_the_containers_end_and_a_reaped_one_doesnt(sandbox, detach):
    box = sandbox(caps="docker")
    command = detach(box, "true")
    wait_for(lambda: proc.stat_fields(command.pid)[0] == "Z")
    ended = wait_in_thread(box)
    os.kill(box.pid, signal.SIGKILL)
    # the kernel waits in zap_pid_ns_processes() for who has been left in the namespace
    wait_for(lambda: proc.status(box.pid)["State"][0] in "DSZ" and
             b"zap_pid_ns" in proc.read(box.pid, "stack"), what="init at its end")
    assert not ended.is_set()
    command.reap()
    assert ended.wait(20)


def test_the_end_of_the_container_ends_the_command_and_isnt_held_up(sandbox, detach):
    box = sandbox(caps="docker")
    command = detach(box, "sh", "-c", "trap '' TERM HUP; sleep 1000 & wait")
    ended = wait_in_thread(box)
    os.kill(box.pid, signal.SIGKILL)
    assert command.reap() == -signal.SIGKILL
    assert ended.wait(20)


def test_two_hundred_leave_nothing_but_themselves(box, conjoin, subreaper):
    fds = set(os.listdir("/proc/self/fd"))
    commands = [Detached(conjoin.exec(box, "sleep", "1000", options=["-d"]).stdout)
                for _ in range(200)]
    assert set(os.listdir("/proc/self/fd")) == fds
    assert our_processes(conjoin) == []
    assert sorted(everybody_in(box)) == sorted(command.pid for command in commands)
    assert len({command.handle for command in commands}) == 200
    for command in commands:
        command.end()
    assert everybody_in(box) == []


class Stayed:
    """A limited command and the one of us who stays with it."""

    def __init__(self, conjoin, box, detach, **more):
        self.command = detach(box, "sleep", "1000", options=LIMITED, **more)
        self.pid = self.command.parent()
        paths = self.command.cgroup_dirs()
        self.folders = [path for path in paths.values() if "/conjoin/" in path]

    def is_gone(self):
        reap_all()
        return not proc.alive(self.pid)


def test_one_stays_with_a_command_that_has_a_cgroup_of_its_own(box, conjoin, detach):
    stayed = Stayed(conjoin, box, detach)
    fields = proc.stat_fields(stayed.pid)
    assert program_of(stayed.pid) == os.path.basename(conjoin.path)
    assert int(fields[1]) == os.getpid() and int(fields[3]) == stayed.pid and fields[4] == "0"
    assert (proc.namespaces(stayed.pid), proc.cgroups(stayed.pid)) == (
        proc.namespaces(), proc.cgroups())
    assert os.readlink(f"/proc/{stayed.pid}/cwd") == "/"
    assert {os.readlink(f"/proc/{stayed.pid}/fd/{fd}") for fd in "012"} == {"/dev/null"}
    assert stayed.folders
    os.kill(stayed.command.pid, signal.SIGTERM)
    wait_for(stayed.is_gone)
    assert [path for path in stayed.folders if os.path.exists(path)] == []


def test_signals_to_the_one_who_stays_reach_the_command_and_its_death_ends_it(
        box, conjoin, detach):
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGKILL):
        stayed = Stayed(conjoin, box, detach)
        os.kill(stayed.pid, number)
        wait_for(stayed.is_gone)
        wait_for(stayed.command.has_ended)
        reap_all()
    conjoin.exec(box, "true", options=LIMITED)  # removes what was left


def test_the_log_is_the_commands_alone(box, conjoin, detach, scratch):
    log = os.path.join(scratch, "log")
    command = detach(box, "sleep", "1000", options=[*LIMITED, "--log", log])
    fds = f"/proc/{command.parent()}/fd"
    assert log not in [os.readlink(os.path.join(fds, fd)) for fd in os.listdir(fds)]
    assert os.path.samefile(f"/proc/{command.pid}/fd/1", log)


def test_an_ordinary_user_detaches_in_a_container_of_his_own(sandbox, detach):
    box = sandbox(user=4321, map_self=True)
    command = detach(box, "sleep", "1000", user=4321)
    assert differences(portrait(box.pid), portrait(command.pid)) == {}
    assert command.parent() == os.getpid()


@pytest.mark.parametrize("runtime", ["runc", "crun"])
def test_containers_of_real_runtimes(request, detach, conjoin, runtime):
    box = request.getfixturevalue(runtime)()
    commands = [detach(box, "sleep", "1000"), detach(box, "sh", "-c", "exit 3")]
    assert commands[1].reap() == 3
    assert differences(portrait(box.pid), portrait(commands[0].pid)) == {}
    # as the runtime itself sees it
    listed = box.exec("ps", "-o", "pid,args").stdout
    assert f"{commands[0].inside} sleep 1000" in " ".join(listed.split())
    os.kill(box.pid, signal.SIGKILL)
    assert commands[0].reap() == -signal.SIGKILL
    wait_for(lambda: not box.alive())


def test_a_tracer_sees_nothing_of_the_host_while_many_are_detached(arena, subreaper):
    caught = 0
    for _ in range(STORMS):
        box = arena.container("look", "trace", caps="docker,sys_ptrace")
        results = arena.storm(arena.enter(box.pid, "true", options=["-d"]), LAUNCHES)
        for status, out, err in results:
            assert (status, err) == (0, b"")
            Detached(out.decode()).reap()
        found, more, _ = stop_attack(box)
        assert found == []
        caught += more
        if caught > LAUNCHES / 100:  # how many it sees in time is up to the machine
            return
    pytest.fail(f"the tracer saw only {caught} of {STORMS * LAUNCHES}")


def test_a_pid_file_takes_the_place_of_nothing_but_a_file(box, conjoin, scratch, subreaper):
    os.symlink("elsewhere", os.path.join(scratch, "link"))
    os.mkfifo(os.path.join(scratch, "fifo"))
    for path in (os.path.join(scratch, name) for name in ("link", "fifo")):
        done = conjoin.exec(box, "sleep", "1000", options=["-d", "--pid-file", path])
        assert_failed(done, OURS, "no regular file")
    assert sorted(os.listdir(scratch)) == ["fifo", "link"]


def test_with_stdout_closed_nothing_runs(box, conjoin, subreaper):
    done = conjoin.exec(box, "sleep", "1000", options=["-d"], preexec_fn=lambda: os.close(1))
    assert_failed(done, OURS, "write to stdout")
    assert everybody_in(box) == []
