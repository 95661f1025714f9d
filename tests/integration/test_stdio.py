# SPDX-License-Identifier: MIT
"""Pipes, files and sockets on 0 to 2 are handed over, not proxied. Not here: terminals
(test_terminal.py)."""

import hashlib
import os
import random
import resource
import signal
import socket
import subprocess
from functools import partial

import pytest

from lib import proc
from lib.failure import assert_failed
from lib.poll import wait_for
from lib.sandbox import Sandbox

OURS = 125
MIB = 1 << 20


@pytest.fixture(scope="module")
def box(sandbox_program, rootfs):
    box = Sandbox(sandbox_program, rootfs)
    yield box
    box.stop()


def child_of(supervisor):
    """The command, seen from here."""
    def find():
        path = f"/proc/{supervisor}/task/{supervisor}/children"
        with open(path, encoding="ascii") as f:
            found = f.read().split()
        return [int(pid) for pid in found if program(pid) == "busybox"]
    return wait_for(find, what="the command")[0]


def program(pid):
    try:
        return os.path.basename(os.readlink(f"/proc/{pid}/exe"))
    except OSError:
        return ""


def inode(fd):
    found = os.stat(fd)
    return found.st_dev, found.st_ino


def fds_of(pid):
    return {int(fd): os.stat(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")}


def test_pipes_files_and_sockets_inside_are_the_callers_own(conjoin, box, scratch):
    reading, writing = os.pipe()
    ours, theirs = socket.socketpair()
    with open(os.path.join(scratch, "file"), "wb") as file:
        running = conjoin.popen("exec", box.pid, "cat", stdin=reading, stdout=theirs, stderr=file)
        child = child_of(running.pid)
        wait_for(lambda: program(child) == "busybox")
        inside = fds_of(child)
        for number, fd in enumerate((reading, theirs.fileno(), file.fileno())):
            assert (inside[number].st_dev, inside[number].st_ino) == inode(fd)
        os.write(writing, b"through\0\xff")
        assert ours.recv(100) == b"through\0\xff"
        for fd in (reading, writing):
            os.close(fd)
        assert running.wait(10) == 0
    ours.close()
    theirs.close()


def test_the_command_gets_0_to_2_and_nothing_else(conjoin, box):
    stray = [os.open(path, os.O_RDONLY | os.O_DIRECTORY) for path in ("/", "/proc", "/etc")]
    high = os.dup2(stray[0], 200)
    running = conjoin.popen("exec", box.pid, "cat", stdin=subprocess.PIPE,
                            stdout=subprocess.DEVNULL, pass_fds=[*stray, high])
    try:
        assert sorted(fds_of(child_of(running.pid))) == [0, 1, 2]
    finally:
        running.communicate(timeout=10)
        for fd in [*stray, high]:
            os.close(fd)


def test_64_mib_go_through_pipes_unchanged(conjoin, box, scratch):
    path = os.path.join(scratch, "data")
    block = random.Random(4711).randbytes(MIB)
    wanted = hashlib.sha256()
    with open(path, "wb") as f:
        for number in range(64):
            data = number.to_bytes(4, "big") + block[4:]
            f.write(data)
            wanted.update(data)
    found, size = hashlib.sha256(), 0
    with subprocess.Popen(["cat", path], stdout=subprocess.PIPE) as source:
        with conjoin.popen("exec", box.pid, "cat", stdin=source.stdout,
                           stdout=subprocess.PIPE) as running:
            source.stdout.close()
            while data := running.stdout.read(MIB):
                found.update(data)
                size += len(data)
        assert running.returncode == 0
    assert (size, found.digest()) == (64 * MIB, wanted.digest())


def test_a_files_offset_is_shared_and_what_isnt_read_stays(conjoin, box, scratch):
    path = os.path.join(scratch, "lines")
    with open(path, "wb") as f:
        f.write(b"one\ntwo\nthree\n")
    with open(path, "rb", buffering=0) as f:
        for wanted in ("one\n", "two\n", "three\n"):
            assert conjoin.exec(box, "sh", "-c", "read a; echo $a", stdin=f).stdout == wanted


def test_output_to_a_file_that_is_appended_to_is_appended(conjoin, box, scratch):
    path = os.path.join(scratch, "log")
    for word in ("a", "b"):
        with open(path, "ab") as f:
            assert conjoin.exec(box, "echo", word, stdout=f).returncode == 0
    with open(path, "rb") as f:
        assert f.read() == b"a\nb\n"


def test_stdout_and_stderr_stay_apart(conjoin, box):
    done = conjoin.exec(box, "sh", "-c", "echo out; echo err >&2")
    assert (done.stdout, done.stderr) == ("out\n", "err\n")


def test_a_background_process_that_holds_stdout_doesnt_keep_us(conjoin, box):
    reading, writing = os.pipe()
    running = conjoin.popen("exec", box.pid, "sh", "-c", "sleep 1000 & echo $!; exit 3",
                            stdout=writing, stderr=writing)
    os.close(writing)
    try:
        assert running.wait(10) == 3
        inside = os.read(reading, 100).decode().strip()
    finally:
        os.close(reading)
    assert conjoin.exec(box, "kill", "-9", inside).returncode == 0


def test_the_end_of_stdin_arrives(conjoin, box):
    assert conjoin.exec(box, "wc", "-c", input="x" * 100000).stdout.strip() == "100000"
    assert conjoin.exec(box, "cat", stdin=subprocess.DEVNULL).stdout == ""


def test_no_stdin_is_dev_null_and_leaves_the_callers_alone(conjoin, box):
    reading, writing = os.pipe()
    os.write(writing, b"kept")
    os.close(writing)
    done = conjoin.exec(box, "cat", options=["--no-stdin"], stdin=reading)
    assert (done.returncode, done.stdout) == (0, "")
    assert os.read(reading, 100) == b"kept"
    os.close(reading)


def test_a_reader_that_goes_away_ends_the_command_by_sigpipe(conjoin, box):
    running = conjoin.popen("exec", box.pid, "yes", stdout=subprocess.PIPE)
    assert running.stdout.read(2) == b"y\n"
    running.stdout.close()
    assert running.wait(10) == 128 + signal.SIGPIPE


@pytest.mark.parametrize("caller", ["trap '' PIPE", "trap '' CHLD", "trap '' PIPE CHLD HUP INT"])
def test_ignored_signals_of_the_caller_dont_get_in(conjoin, box, caller):
    script = f'{caller}; exec "$0" exec {box.pid} sh -c "grep SigIgn /proc/self/status; exit 7"'
    done = subprocess.run(["/bin/sh", "-c", script, conjoin.path], capture_output=True, text=True,
                          timeout=20, check=False)
    assert (done.returncode, done.stdout.split()) == (7, ["SigIgn:", "0" * 16]), done


def test_blocked_signals_of_the_caller_dont_get_in(conjoin, box):
    everything = set(range(1, 65)) - {signal.SIGKILL, signal.SIGSTOP, 32, 33}
    done = conjoin.exec(
        box, "grep", "SigBlk", "/proc/self/status",
        preexec_fn=lambda: signal.pthread_sigmask(signal.SIG_BLOCK, everything),
    )
    assert (done.returncode, done.stdout.split()) == (0, ["SigBlk:", "0" * 16])


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&-", "<&- 2>&-", "<&- >&- 2>&-"])
def test_the_command_runs_with_closed_stdio(conjoin, box, closed):
    script = f'exec "$0" exec {box.pid} sh -c "cat; echo x; echo y >&2; exit 7" {closed}'
    done = subprocess.run(["/bin/sh", "-c", script, conjoin.path], capture_output=True, text=True,
                          timeout=20, check=False, stdin=subprocess.DEVNULL)
    outputs = ("" if " >" in f" {closed}" else "x\n", "" if "2>" in closed else "y\n")
    assert (done.returncode, done.stdout, done.stderr) == (7, *outputs)


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&-", "<&- >&- 2>&-"])
def test_a_closed_stdio_is_dev_null_inside(conjoin, box, closed):
    script = f'exec "$0" exec {box.pid} cat {closed}'
    before = {0: "<&-", 1: ">&-", 2: "2>&-"}
    with subprocess.Popen(["/bin/sh", "-c", script, conjoin.path], stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE) as running:
        if "<" not in closed:
            child = child_of(running.pid)
            inside = fds_of(child)
            null = os.stat("/dev/null").st_rdev
            assert sorted(inside) == [0, 1, 2]
            for number, text in before.items():
                if text in closed.split():
                    assert inside[number].st_rdev == null
        running.communicate(timeout=10)
    assert running.returncode == 0


def test_a_full_stdout_is_the_commands_business(conjoin, box):
    with open("/dev/full", "wb") as full:
        done = conjoin.exec(box, "echo", "x", stdout=full)
        assert done.returncode == 1 and "No space left" in done.stderr


@pytest.mark.parametrize("args", [["--help"], ["exec", "--help"], ["--version"],
                                  ["exec", "--dry-run", "self", "true"],
                                  ["exec", "--dry-run", "--json", "self", "true"]])
def test_our_own_output_that_cant_be_written_is_a_failure(conjoin, args):
    with open("/dev/full", "wb") as full:
        assert_failed(conjoin.run(*args, stdout=full), OURS, "No space left on device")
    reading, writing = os.pipe()
    os.close(reading)
    try:
        assert_failed(conjoin.run(*args, stdout=writing), OURS, "Broken pipe")
    finally:
        os.close(writing)


def test_with_hardly_any_files_it_fails_and_says_so(conjoin, box):
    for limit in range(3, 11):
        done = conjoin.exec(
            box, "true", timeout=20,
            preexec_fn=partial(resource.setrlimit, resource.RLIMIT_NOFILE, (limit, limit)),
        )
        assert_failed(done, OURS, "Too many open files")


def test_the_fewest_files_that_are_enough_are_enough_for_the_command(conjoin, box):
    limit = 64
    done = conjoin.exec(
        box, "sh", "-c", "ulimit -n; exit 7",
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit)),
    )
    assert done.returncode == 7, done  # a hard limit above ours is clamped, or allowed inside


def test_a_supervisor_that_relays_nothing_uses_no_processor(conjoin, box):
    running = conjoin.popen("exec", box.pid, "cat", stdin=subprocess.PIPE,
                            stdout=subprocess.DEVNULL)
    child_of(running.pid)
    wait_for(lambda: proc.stat_fields(running.pid)[0] == "S")
    ticks = proc.stat_fields(running.pid)[11:13]
    for _ in range(100):
        running.stdin.write(b"x" * 65536)
    running.stdin.flush()
    assert proc.stat_fields(running.pid)[11:13] == ticks
    running.communicate(timeout=10)
