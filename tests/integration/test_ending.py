# SPDX-License-Identifier: MIT
"""Why a command ended that was killed: with its target, for want of memory, paused; and --exit-as. Not here: the
statuses themselves (test_exit.py), what is told of them to programs (test_status.py)."""

import os
import resource
import signal
import subprocess
import time

import pytest

from lib import proc
from lib.failure import assert_failed
from lib.given import Watched, events, full_pipe, has_run_for_a_while, stderr_is_full
from lib.held import child_of
from lib.leaks import trees_of
from lib.poll import wait_for
from lib.sandbox import Sandbox

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")

OURS, TIMED_OUT = 125, 124
KILLED = 128 + signal.SIGKILL
HOG = "dd if=/dev/zero of=/dev/null bs=256M count=1"
# so that what the counter said before has been read
LATE_HOG = "read x; exec " + HOG


@pytest.fixture
def box(sandbox):
    return sandbox(caps="docker")


def memory_of(box):
    """(directory, name of the limit, its file of counts)"""
    folders = box.cgroup_dirs()
    v1 = next((path for key, path in folders.items() if "memory" in key.split(",")), None)
    if v1:
        return v1, "memory.limit_in_bytes", "memory.oom_control"
    return folders[""], "memory.max", "memory.events.local"


def limit_memory(box, size="48M"):
    folder, name, counts = memory_of(box)
    if not os.path.exists(os.path.join(folder, name)):
        pytest.skip("no memory controller")
    with open(os.path.join(folder, name), "w", encoding="ascii") as f:
        f.write(size)
    return os.path.join(folder, counts)


def kills(counts):
    with open(counts, encoding="ascii") as f:
        return int(dict(line.split() for line in f.read().splitlines())["oom_kill"])


def test_a_target_that_ends_is_the_reason(conjoin, box):
    watched = Watched(conjoin, box.pid, "sleep", "1000")
    os.kill(box.pid, signal.SIGKILL)
    status, err, event = watched.end()
    assert status == KILLED and event["signal"] == "KILL" and event["oom"] is False
    assert event["reason"] == "the target has ended, and the command with it"
    assert err == f"conjoin: exec {box.pid}: warning: {event['reason']}\n"


def test_a_sigkill_of_somebody_elses_has_no_reason(conjoin, box):
    watched = Watched(conjoin, box.pid, "sleep", "1000")
    os.kill(watched.pid, signal.SIGKILL)
    status, err, event = watched.end()
    assert (status, err, event["reason"], event["oom"]) == (KILLED, "", None, False)


def test_want_of_memory_is_the_reason(conjoin, box):
    counts = limit_memory(box)
    status, err, event = Watched(conjoin, box.pid, "sh", "-c", "exec " + HOG).end()
    assert kills(counts) == 1
    assert status == KILLED and event["oom"] is True and "want of memory" in event["reason"]
    assert err.splitlines()[-1] == f"conjoin: exec {box.pid}: warning: {event['reason']}"


def test_what_the_kernel_killed_before_isnt_counted(conjoin, box):
    counts = limit_memory(box)
    conjoin.exec(box, "sh", "-c", HOG)
    assert kills(counts) == 1
    watched = Watched(conjoin, box.pid, "sleep", "1000")
    os.kill(watched.pid, signal.SIGKILL)
    status, err, event = watched.end()
    assert (status, err, event["reason"], event["oom"]) == (KILLED, "", None, False)


def test_a_child_of_the_command_that_was_killed_for_it_is_told_to_programs(conjoin, box):
    limit_memory(box)
    status, _, event = Watched(conjoin, box.pid, "sh", "-c", HOG + "; exit 3").end()
    assert (status, event["oom"], event["reason"]) == (3, True, None)


def test_without_status_fd_it_is_known_of_commands_that_last(conjoin, box):
    limit_memory(box)
    process = conjoin.popen("exec", box.pid, "sh", "-c", LATE_HOG, stdin=subprocess.PIPE,
                            stderr=subprocess.PIPE, text=True)
    wait_for(has_run_for_a_while(process))
    _, err = process.communicate("\n", timeout=30)
    assert process.returncode == KILLED
    line = err.splitlines()[-1]
    assert "warning: the kernel has killed the command for want of memory" in line


def test_of_one_that_was_quick_no_more_is_said_than_is_known(conjoin, box):
    counts = limit_memory(box)
    for _ in range(5):
        done = conjoin.exec(box, "sh", "-c", "exec " + HOG)
        assert done.returncode == KILLED and "for want of memory" in done.stderr
    before = kills(counts)
    done = conjoin.exec(box, "sh", "-c", "kill -9 $$")
    assert done.returncode == KILLED and kills(counts) == before
    assert "perhaps" in done.stderr or done.stderr == ""


def test_in_a_fresh_cgroup_it_is_sure(conjoin, box):
    if not os.path.exists(os.path.join(*memory_of(box)[:2])):
        pytest.skip("no memory controller")
    done = conjoin.exec(box, "sh", "-c", "exec " + HOG,
                        options=["--cgroup", "own", "--memory", "32m"])
    assert done.returncode == KILLED
    assert "the kernel has killed the command for want of memory" in done.stderr.splitlines()[-1]
    done = conjoin.exec(box, "sh", "-c", "kill -9 $$", options=["--cgroup", "own", "--memory", "32m"])
    assert (done.returncode, done.stderr) == (KILLED, "")


class Freezer:
    """The box's, of one of the two versions; thawed in the end."""

    def __init__(self, box, version):
        folders = box.cgroup_dirs()
        self.version = version
        self.folder = folders.get("freezer" if version == "v1" else "")
        if not self.folder:
            pytest.skip(f"no freezer of {version}")

    def write(self, frozen):
        name, words = {"v1": ("freezer.state", ("THAWED", "FROZEN")),
                       "v2": ("cgroup.freeze", ("0", "1"))}[self.version]
        with open(os.path.join(self.folder, name), "w", encoding="ascii") as f:
            f.write(words[frozen])
        wait_for(lambda: self.is_frozen() == frozen)

    def is_frozen(self):
        name, word = {"v1": ("freezer.state", "FROZEN"), "v2": ("cgroup.events", "frozen 1")}[self.version]
        with open(os.path.join(self.folder, name), encoding="ascii") as f:
            return word in f.read()

    def __enter__(self):
        self.write(True)

    def __exit__(self, *_):
        self.write(False)


VERSIONS = sorted({"v2" if mount["type"] == "cgroup2" else "v1" for mount in proc.cgroup_mounts()})


@pytest.mark.parametrize("version", VERSIONS)
def test_a_signal_to_a_paused_command_says_that_it_is(conjoin, box, version):
    process = conjoin.popen("exec", box.pid, "sleep", "1000", stderr=subprocess.PIPE, text=True)
    wait_for(has_run_for_a_while(process))
    with Freezer(box, version):
        process.terminate()
        assert "the target is paused" in process.stderr.readline()
        process.send_signal(signal.SIGUSR1)  # said once
        assert process.poll() is None
    _, err = process.communicate(timeout=30)
    assert process.returncode in (128 + signal.SIGTERM, 128 + signal.SIGUSR1) and err == ""


def test_a_pause_is_seen_at_once_where_the_kernel_tells(conjoin, box):
    process = conjoin.popen("exec", box.pid, "sleep", "1000", stderr=subprocess.PIPE, text=True)
    try:
        wait_for(has_run_for_a_while(process))
        freezer = Freezer(box, "v2")
        for number in range(3):
            with freezer:
                if number == 0:
                    assert "the target is paused" in process.stderr.readline()
    finally:
        process.terminate()
    assert process.communicate(timeout=30)[1] == ""


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("options", [["--timeout", "0.5", "--grace", "0.2"],
                                     ["--timeout", "0.5", "--signal", "KILL", "--grace", "0.2"],
                                     ["--timeout", "0.5", "--grace", "0.2", "-t"]])
def test_a_time_limit_of_a_paused_command_is_kept(conjoin, box, options, version, scratch):
    with open(os.path.join(scratch, "errors"), "w+", encoding="utf-8") as errors:
        # not a pipe: a command that stays would keep it open
        watched = Watched(conjoin, *options, box.pid, "sleep", "1000", stdout=errors, stderr=errors)
        begin = time.monotonic()
        with Freezer(box, version):
            assert watched.process.wait(30) == TIMED_OUT
            assert time.monotonic() - begin < 10
            (event,) = events(watched.pipe.read())
            errors.seek(0)
            assert event["timed_out"] and "the target is paused" in errors.read()
            if version == "v1":  # it has SIGKILL, and sees it later
                assert "paused" in event["reason"]
                assert event["signal"] == "KILL" and event["rusage"] is None
                assert proc.alive(watched.pid)
            else:
                assert not proc.alive(watched.pid) and event["reason"] is None
        wait_for(lambda: not proc.alive(watched.pid), what="the command to be gone")
    watched.pipe.close()
    # its cgroup goes with the next run
    assert conjoin.exec(box, "true", options=["--kill-tree"]).returncode == 0


@pytest.fixture
def talkative(conjoin, box):
    """talkative(options): a command that has filled the pipe on its stderr, which is ours as well."""
    made = []

    def start(*options):
        made.append(conjoin.popen("exec", *options, box.pid, "sh", "-c", "trap '' USR1; exec yes >&2",
                                  stderr=subprocess.PIPE))
        wait_for(has_run_for_a_while(made[0]))
        wait_for(lambda: stderr_is_full(made[0]))
        return made[0]

    yield start
    made[0].kill()
    made[0].communicate()


def removed_by_the_next(conjoin, box):
    assert conjoin.exec(box, "true", options=["--kill-tree"]).returncode == 0
    return not trees_of(box.pid)


@pytest.mark.parametrize("version", VERSIONS)
def test_time_is_kept_though_nobody_reads_that_the_target_is_paused(talkative, conjoin, box, version):
    process = talkative("--timeout", "1", "--grace", "0.2")
    command = child_of(process.pid)
    with Freezer(box, version):
        assert process.wait(15) == TIMED_OUT
    wait_for(lambda: not proc.alive(command), what="the command to be gone")
    wait_for(lambda: removed_by_the_next(conjoin, box), what="its cgroup to be removed")


@pytest.mark.parametrize("version", VERSIONS)
def test_signals_are_heard_though_nobody_reads_that_the_target_is_paused(talkative, box, version):
    process = talkative()
    with Freezer(box, version):
        for _ in range(2):  # when we take the second one we're done with the first
            process.send_signal(signal.SIGUSR1)
            wait_for(lambda: int(proc.status(process.pid)["ShdPnd"], 16) == 0, what="the signal to be taken")
    process.terminate()
    assert process.wait(15) == 128 + signal.SIGTERM


def test_we_end_though_nobody_reads_why_the_command_did(conjoin, box):
    """What has filled the pipe is somebody else's."""
    reader, writer = full_pipe()
    process = conjoin.popen("exec", box.pid, "sleep", "1000", stderr=writer)
    try:
        wait_for(has_run_for_a_while(process))
        os.kill(box.pid, signal.SIGKILL)
        assert process.wait(15) == KILLED
    finally:
        process.kill()
        process.wait()
        os.close(reader)
        os.close(writer)


def test_an_error_that_nobody_reads_doesnt_hold_us_up(conjoin, box):
    """The status has to say it, then."""
    reader, writer = full_pipe()
    process = conjoin.popen("exec", box.pid, "there-is-no-such-command", stderr=writer)
    try:
        assert process.wait(10) == 127
    finally:
        process.kill()
        process.wait()
        os.close(reader)
        os.close(writer)


@pytest.mark.parametrize("runtime", ["runc", "crun"])
def test_containers_of_runtimes(conjoin, runtime, request):
    make = request.getfixturevalue(runtime)
    box = make()
    watched = Watched(conjoin, box.pid, "sleep", "1000")
    wait_for(has_run_for_a_while(watched.process))
    box.call("pause", box.name)
    watched.process.terminate()
    assert "the target is paused" in watched.process.stderr.readline()
    box.call("resume", box.name)
    assert watched.end()[0] == 128 + signal.SIGTERM
    watched = Watched(conjoin, box.pid, "sleep", "1000")
    box.call("kill", box.name, "KILL")
    status, err, event = watched.end()
    assert status == KILLED and "the target has ended" in err
    assert event["reason"] == "the target has ended, and the command with it"


def test_a_container_of_a_runtime_without_memory(conjoin, runc):
    box = runc(lambda config: config["linux"].__setitem__(
        "resources", {"memory": {"limit": 48 << 20}}))
    status, _, event = Watched(conjoin, box.pid, "sh", "-c", "exec " + HOG).end()
    assert status == KILLED and event["oom"] and "want of memory" in event["reason"]


ENDING = [name for name in
          "HUP INT QUIT ILL ABRT BUS FPE KILL USR1 SEGV USR2 PIPE ALRM TERM XCPU SYS".split()]


@pytest.mark.parametrize("name", [*ENDING, "RTMIN", "RTMAX"])
def test_with_exit_as_we_die_of_the_commands_signal(conjoin, box, name, scratch):
    number = getattr(signal, "SIG" + name)
    unlimited = (resource.getrlimit(resource.RLIMIT_CORE)[1],) * 2
    watched = Watched(conjoin, "--exit-as", "signal", "--rlimit", "core=0", box.pid, "sleep", "1000",
                      cwd=scratch, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CORE, unlimited))
    os.kill(watched.pid, number)
    status, err, event = watched.end()
    assert (status, err, event["status"]) == (-number, "", 128 + number)
    assert os.listdir(scratch) == []  # no core of ours


def test_we_die_of_it_though_it_was_ignored_and_blocked(conjoin, box):
    def before():
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])

    done = conjoin.run("exec", "--exit-as", "signal", box.pid, "sh", "-c", "kill $$",
                       preexec_fn=before)
    assert done.returncode == -signal.SIGTERM


def test_exit_as_says_nothing_of_other_ends(conjoin, box):
    for kind in ("signal", "code"):
        done = conjoin.exec(box, "sh", "-c", "exit 143", options=["--exit-as", kind])
        assert done.returncode == 143
        done = conjoin.exec(box, "nope", options=["--exit-as", kind])
        assert done.returncode == 127
        done = conjoin.exec(box, "sleep", "100", options=["--exit-as", kind, "--timeout", "0.2"])
        assert done.returncode == TIMED_OUT
    done = conjoin.exec(box, "sh", "-c", "kill $$", options=["--exit-as", "code"])
    assert done.returncode == 143


def test_everything_is_in_order_before_we_die_of_it(conjoin, box, scratch):
    path = os.path.join(scratch, "pid")
    done = conjoin.exec(box, "sh", "-c", "kill -9 $$", options=[
        "--exit-as", "signal", "--pid-file", path, "--cgroup", "own", "--kill-tree"])
    assert done.returncode == -signal.SIGKILL and os.listdir(scratch) == []
    for mount in proc.cgroup_mounts():
        assert not os.path.exists(os.path.join(mount["point"], "conjoin"))


def test_exit_as_what_isnt_there(conjoin, box):
    assert_failed(conjoin.exec(box, "true", options=["--exit-as", "x"]), OURS, '"x"')
    assert_failed(conjoin.exec(box, "true", options=["-d", "--exit-as", "signal"]), OURS, "--detach")


def test_under_another_user_it_is_the_same(sandbox_program, rootfs, conjoin):
    """Nothing of all that is a reason to fail where cgroups can't be read."""
    box = Sandbox(sandbox_program, rootfs, user=65534)
    try:
        done = conjoin.exec(box, "sh", "-c", "kill -9 $$", user=65534,
                            options=["--cgroup", "keep"])
        assert done.returncode == KILLED and "the target" not in done.stderr
    finally:
        box.stop()
