# SPDX-License-Identifier: MIT
"""--status-fd and --pid-file: what programs are told of a command. Not here: why a command was killed
(test_ending.py)."""

import fcntl
import json
import os
import signal
import socket
import stat
import subprocess
import time

import pytest

from lib import proc
from lib.failure import assert_failed
from lib.given import events, has_run_for_a_while, run_with, start_with
from lib.poll import wait_for
from lib.sandbox import Sandbox

OURS = 125
FIELDS = {
    "started": {"event", "pid", "inside", "handle", "cgroup", "tree"},
    "exited": {"event", "status", "code", "signal", "core", "timed_out", "oom", "reason", "rusage"},
    "error": {"event", "step", "status", "errno", "text", "hint"},
}
USAGE = {"user_usec", "system_usec", "maxrss_kib", "minor_faults", "major_faults", "in_blocks",
         "out_blocks", "voluntary_switches", "involuntary_switches"}


@pytest.fixture(scope="module")
def box(sandbox_program, rootfs):
    made = Sandbox(sandbox_program, rootfs, caps="docker")
    yield made
    made.stop()


class Watch:
    """A run whose status goes into a pipe."""

    def __init__(self, conjoin, *args, **more):
        reader, writer = os.pipe()
        self.pipe = os.fdopen(reader, encoding="utf-8")
        self.process = start_with(conjoin, {7: writer}, args[0], "--status-fd", 7, *args[1:], **more)
        os.close(writer)

    def next(self):
        line = self.pipe.readline()
        assert line.endswith("\n"), f"{line!r} {self.process.poll()}"
        return json.loads(line)

    def end(self):
        """(status, stdout, stderr, the events that are left): the pipe's end has come, too."""
        rest = events(self.pipe.read())
        out, err = self.process.communicate(timeout=60)
        self.pipe.close()
        return self.process.returncode, out, err, rest


def watched(conjoin, *args, **more):
    """(status, stderr, events) of a whole run, which are what the manual says they are."""
    status, _, err, found = Watch(conjoin, *args, **more).end()
    for event in found:
        assert set(event) == FIELDS[event["event"]]
    kinds = [event["event"] for event in found]
    assert kinds in (["started", "exited"], ["error"], ["started", "error"])
    return status, err, found


def test_started_says_who_the_command_is(conjoin, box):
    watch = Watch(conjoin, "exec", box.pid, "sleep", "1000")
    try:
        event = watch.next()
        pid = event["pid"]
        wait_for(lambda: proc.read(pid, "cmdline") == b"sleep\x001000\0")
        pidfd = os.pidfd_open(pid)
        inode = os.fstat(pidfd).st_ino
        os.close(pidfd)
        assert event["handle"] in (f"{pid}:{inode}", f"{pid}:s{proc.start_time(pid)}")
        assert event["inside"] == int(proc.status(pid)["NSpid"].split()[-1])
        assert event["cgroup"] == proc.cgroups(pid)
        assert event["tree"] is False
        assert watch.process.poll() is None
    finally:
        os.kill(pid, signal.SIGTERM)
    status, _, _, rest = watch.end()
    assert status == 128 + signal.SIGTERM and [one["event"] for one in rest] == ["exited"]


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
@pytest.mark.parametrize("options", [["--timeout", "1h"], ["--kill-tree"], ["--wait-all"],
                                     ["--cgroup", "own"]])
def test_started_says_whether_all_that_it_starts_can_be_found(conjoin, box, options):
    _, _, (started, _) = watched(conjoin, "exec", *options, box.pid, "true")
    assert started["tree"] is True


def test_exited_has_the_code_or_the_signal(conjoin, box):
    for code in (0, 7, 124, 255):
        status, err, (_, event) = watched(conjoin, "exec", box.pid, "sh", "-c", f"exit {code}")
        assert (status, err) == (code, "")
        assert (event["code"], event["signal"], event["status"]) == (code, None, code)
        assert not event["core"] and not event["timed_out"] and not event["oom"]
        assert event["reason"] is None
    for name, number in (("TERM", 15), ("KILL", 9), ("RTMIN+3", signal.SIGRTMIN + 3)):
        status, err, (_, event) = watched(conjoin, "exec", box.pid, "sh", "-c", f"kill -{number} $$")
        assert (status, err) == (128 + number, "")
        assert (event["code"], event["signal"], event["status"]) == (None, name, 128 + number)


@pytest.mark.skipif(open("/proc/sys/kernel/core_pattern", encoding="utf-8").read().startswith("|"),
                    reason="cores go to a program here")
def test_exited_says_whether_a_core_was_dumped(conjoin, sandbox):
    box = sandbox(rlimit="core=1000000000:1000000000")
    for limit, dumped in (("0", False), ("unlimited", True)):
        script = f"ulimit -S -c {limit}; cd /tmp; kill -SEGV $$"
        _, _, (_, event) = watched(conjoin, "exec", box.pid, "sh", "-c", script)
        there = os.listdir(f"/proc/{box.pid}/root/tmp")
        assert event["core"] is dumped and bool(there) is dumped


def test_exited_has_what_it_used(conjoin, box):
    script = "i=0; while [ $i -lt 300000 ]; do i=$((i + 1)); done; dd if=/dev/zero of=/dev/null bs=64M count=1"
    _, _, (_, event) = watched(conjoin, "exec", box.pid, "sh", "-c", script)
    assert set(event["rusage"]) == USAGE
    assert event["rusage"]["user_usec"] + event["rusage"]["system_usec"] > 50_000
    assert event["rusage"]["maxrss_kib"] > 64 * 1024
    _, _, (_, idle) = watched(conjoin, "exec", box.pid, "true")
    assert idle["rusage"]["maxrss_kib"] < 32 * 1024


def test_a_time_limit_is_told(conjoin, box):
    status, _, (_, event) = watched(conjoin, "exec", "--timeout", "0.2", box.pid, "sleep", "1000")
    assert status == 124
    assert event["timed_out"] and event["signal"] == "TERM" and event["status"] == 124


def test_a_failure_has_its_step_and_its_errno(conjoin, box, scratch):
    cases = (
        (["nope"], 127, "start", "ENOENT", "execute nope"),
        (["/etc"], 126, "start", "EISDIR", "/etc"),
    )
    for command, code, step, errno, text in cases:
        status, err, (event,) = watched(conjoin, "exec", box.pid, *command)
        assert status == event["status"] == code and text in err
        assert (event["step"], event["errno"]) == (step, errno) and text in event["text"]
    _, err, (event,) = watched(conjoin, "exec", "pid:4194304", "true")
    assert (event["step"], event["errno"], event["status"]) == ("target", "ESRCH", OURS)
    assert event["text"] in err
    _, _, (event,) = watched(conjoin, "exec", "--skip", "nonsense", box.pid, "true")
    assert (event["step"], event["errno"]) == ("plan", "EINVAL")
    _, _, (event,) = watched(conjoin, "exec", "--env-file", "/nope", box.pid, "true")
    assert (event["step"], event["errno"]) == ("open", "ENOENT")
    _, _, (event,) = watched(conjoin, "exec", "-w", "/nope", box.pid, "true")
    assert (event["step"], event["errno"]) == ("start", "ENOENT")


def test_hostile_words_are_one_line_of_json(conjoin, box):
    _, _, (event,) = watched(conjoin, "exec", box.pid, "no\n\x1b[2J\"pe\xe4".encode("latin-1"))
    assert "execute no" in event["text"]


@pytest.mark.parametrize("kind", [socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_SEQPACKET])
def test_a_line_is_one_write(conjoin, box, kind):
    ours, theirs = socket.socketpair(socket.AF_UNIX, kind)
    with ours, theirs:
        done = run_with(conjoin, {3: theirs.fileno()}, "exec", "--status-fd", 3, box.pid, "true")
        assert (done.returncode, done.stderr) == (0, "")
        if kind != socket.SOCK_STREAM:
            lines = [ours.recv(65536), ours.recv(65536)]
            assert all(line.count(b"\n") == 1 and line.endswith(b"\n") for line in lines)
            assert [json.loads(line)["event"] for line in lines] == ["started", "exited"]
        else:
            assert len(events(ours.recv(65536).decode())) == 2


def test_into_a_file_as_well(conjoin, box, scratch):
    with open(os.path.join(scratch, "status"), "w+b") as f:
        f.write(b"before\n")
        f.flush()
        assert run_with(conjoin, {3: f.fileno()}, "exec", "--status-fd", 3, box.pid,
                        "true").returncode == 0
        f.seek(0)
        first, *rest = f.read().decode().splitlines()
    assert first == "before" and [json.loads(line)["event"] for line in rest] == ["started", "exited"]


def fill(fd):
    os.set_blocking(fd, False)
    try:
        while True:
            os.write(fd, b"x" * 4096)
    except BlockingIOError:
        os.set_blocking(fd, True)


def stuffed(kind):
    """(reader, writer) of something that takes no more."""
    if kind == "pipe":
        reader, writer = os.pipe()
    else:
        reader, writer = (one.detach() for one in socket.socketpair())
    fill(writer)
    return reader, writer


@pytest.mark.parametrize("kind", ["pipe", "socket"])
def test_a_reader_that_doesnt_read_holds_nobody_up(conjoin, box, kind):
    reader, writer = stuffed(kind)
    try:
        begin = time.monotonic()
        done = run_with(conjoin, {3: writer}, "exec", "--status-fd", 3, box.pid, "sh", "-c", "exit 7")
        assert done.returncode == 7 and time.monotonic() - begin < 10
        warnings = done.stderr.splitlines()
        assert len(warnings) == 2 and "started" in warnings[0] and "exited" in warnings[1]
        # the description is also the caller's, who hasn't asked for this
        assert not fcntl.fcntl(writer, fcntl.F_GETFL) & os.O_NONBLOCK
    finally:
        os.close(reader)
        os.close(writer)


def drain(fd):
    os.set_blocking(fd, False)
    try:
        while os.read(fd, 65536):
            pass
    except BlockingIOError:
        os.set_blocking(fd, True)


def test_a_reader_that_comes_late_misses_lines_and_not_halves(conjoin, box):
    reader, writer = stuffed("pipe")
    process = start_with(conjoin, {3: writer}, "exec", "--status-fd", 3, box.pid, "sh", "-c",
                         "read x", stdin=subprocess.PIPE)
    os.close(writer)
    assert "started" in process.stderr.readline()
    drain(reader)
    process.communicate("\n", timeout=60)
    with os.fdopen(reader, encoding="utf-8") as pipe:
        (event,) = events(pipe.read())
    assert event["event"] == "exited"


@pytest.mark.parametrize("kind", ["pipe", "socket"])
def test_a_reader_that_has_gone_changes_nothing(conjoin, box, kind):
    reader, writer = os.pipe() if kind == "pipe" else (one.detach() for one in socket.socketpair())
    os.close(reader)
    try:
        done = run_with(conjoin, {3: writer}, "exec", "--status-fd", 3, box.pid, "sh", "-c", "exit 7")
        assert done.returncode == 7 and "Broken pipe" in done.stderr
    finally:
        os.close(writer)


@pytest.mark.parametrize("verb", ["exec", "debug"])
def test_it_never_gets_inside_and_ends_with_us(conjoin, box, verb):
    if verb == "debug" and os.geteuid() != 0:
        pytest.skip("needs root")
    watch = Watch(conjoin, verb, box.pid, "sh", "-c", "sleep 1000 & exec sleep 1000")
    command = watch.next()["pid"]
    try:
        wait_for(lambda: sorted(os.listdir(f"/proc/{command}/fd")) == ["0", "1", "2"])
        wait_for(has_run_for_a_while(watch.process))
        watch.process.kill()  # the watchdog holds nothing of it either
        assert watch.pipe.read() == ""
    finally:
        watch.process.kill()
        watch.end()


def test_what_it_cant_be_is_usage(conjoin, box):
    null = os.open("/dev/null", os.O_RDONLY)
    path = os.open("/dev/null", os.O_PATH)
    writable = os.open("/dev/null", os.O_WRONLY)
    try:
        for text in ("0", "1", "2", "-1", "x", "", "3x"):
            done = run_with(conjoin, {}, "exec", "--status-fd", text, box.pid, "true")
            assert_failed(done, OURS, f'"{text}"')
        for number, word in ((3, "writing"), (4, "writing"), (5, "isn't open")):
            done = run_with(conjoin, {3: null, 4: path}, "exec", "--status-fd", number, box.pid, "true")
            assert_failed(done, OURS, f"--status-fd {number}", word)
        for option in ("--detach", "--dry-run"):
            done = run_with(conjoin, {3: writable}, "exec", "--status-fd", 3, option, box.pid, "true")
            assert_failed(done, OURS, option, "--status-fd")
    finally:
        for fd in (null, path, writable):
            os.close(fd)


def test_the_pid_file_is_there_as_long_as_the_command(conjoin, box, scratch):
    path = os.path.join(scratch, "pid")
    process = conjoin.popen("exec", "--pid-file", path, box.pid, "sleep", "1000",
                            stderr=subprocess.PIPE)
    wait_for(lambda: os.path.exists(path))
    with open(path, encoding="ascii") as f:
        pid = int(f.read())
    assert stat.S_IMODE(os.stat(path).st_mode) & 0o022 == 0
    wait_for(lambda: proc.read(pid, "cmdline") == b"sleep\x001000\0")
    process.terminate()
    assert process.communicate()[1] == b""
    assert os.listdir(scratch) == []


def test_a_pid_file_that_somebody_has_replaced_stays(conjoin, box, scratch):
    path = os.path.join(scratch, "pid")
    process = conjoin.popen("exec", "--pid-file", path, box.pid, "sleep", "1000")
    wait_for(lambda: os.path.exists(path))
    with open(path + ".new", "w", encoding="ascii") as f:
        f.write("theirs\n")
    os.rename(path + ".new", path)
    process.terminate()
    process.wait(30)
    with open(path, encoding="ascii") as f:
        assert f.read() == "theirs\n"


def test_a_pid_file_that_cant_be_written_ends_the_command(conjoin, box, scratch):
    done = conjoin.exec(box, "touch", "/tmp/ran", options=["--pid-file", scratch])
    assert_failed(done, OURS, "write PID file")
    assert not os.path.exists(f"/proc/{box.pid}/root/tmp/ran")
    path = os.path.join(scratch, "pid")
    status, _, (event,) = watched(conjoin, "exec", "--pid-file", path + "/x", box.pid, "true")
    assert status == OURS and event["errno"] == "ENOENT"
