# SPDX-License-Identifier: MIT
"""--preserve-fds: files of the caller under the same numbers, and nothing else of his. Not here: 0, 1 and 2
(test_stdio.py), that others don't get in (test_inheritance.py)."""

import os
import pty
import select
import socket

import pytest

from lib.detached import Detached, reap_all, subreaper  # noqa: F401
from lib.failure import assert_failed
from lib.given import run_with, start_with
from lib.poll import wait_for
from lib.sandbox import Sandbox

OURS = 125
WAYS = {"as it is": [], "own cgroup": ["--cgroup", "own"], "with a pty": ["-t"],
        "a limit below them": ["--rlimit", "nofile=3"]}


@pytest.fixture(scope="module")
def box(sandbox_program, rootfs):
    made = Sandbox(sandbox_program, rootfs, caps="docker")
    yield made
    made.stop()


@pytest.fixture
def files():
    """A pipe, a socket, a file in memory: our ends, and what is handed over as {3: …, 4: …, 5: …}."""
    reader, writer = os.pipe()
    ours, theirs = socket.socketpair()
    memory = os.memfd_create("words")
    os.write(memory, b"of the caller\n")
    os.lseek(memory, 0, os.SEEK_SET)
    yield reader, ours, {3: writer, 4: theirs.fileno(), 5: memory}
    for fd in (reader, writer, memory):
        try:
            os.close(fd)
        except OSError:
            pass
    ours.close()
    theirs.close()


def identity(path):
    found = os.stat(path)
    return found.st_dev, found.st_ino


def opened(pid):
    found = {}
    for name in os.listdir(f"/proc/{pid}/fd"):
        try:
            found[int(name)] = identity(f"/proc/{pid}/fd/{name}")
        except FileNotFoundError:
            pass  # just closed
    return found


def only(pid, *numbers):
    """What it has open, when shells and loaders have closed theirs."""
    wait_for(lambda: sorted(opened(pid)) == list(numbers), what=f"{pid} to have no more than that")
    return opened(pid)


def test_data_goes_through_a_pipe_a_socket_and_a_file_in_memory(conjoin, box, files):
    reader, ours, handed = files
    ours.sendall(b"question\n")
    script = "read word <&4; echo answer to $word >&4; cat <&5 >&3; echo more >&5"
    done = run_with(conjoin, handed, "exec", "--preserve-fds", 3, box.pid, "sh", "-c", script)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert os.read(reader, 100) == b"of the caller\n"
    assert ours.recv(100) == b"answer to question\n"
    assert os.pread(handed[5], 100, 0) == b"of the caller\nmore\n"


@pytest.mark.parametrize("verb, options", [
    *(("exec", options) for options in WAYS.values()),
    ("debug", []), ("debug", ["-t"]), ("debug", ["--view", "target"])])
def test_they_have_the_same_numbers_and_nothing_else_is_there(conjoin, box, files, verb, options,
                                                              scratch):
    if os.geteuid() != 0 and (verb == "debug" or "own" in options):
        pytest.skip("needs root")
    _, _, handed = files
    path = os.path.join(scratch, "pid")
    extra = os.open("/etc/passwd", os.O_RDONLY)
    # 6 and 9 are the caller's as well, and weren't asked for
    process = start_with(conjoin, {**handed, 6: extra, 9: extra}, verb, *options, "--pid-file", path,
                         "--preserve-fds", 3, box.pid, "sleep", "1000")
    try:
        wait_for(lambda: os.path.exists(path) or process.poll() is not None)
        with open(path, encoding="ascii") as f:
            pid = int(f.read())
        found = only(pid, 0, 1, 2, 3, 4, 5)
        for number, fd in handed.items():
            assert found[number] == identity(f"/proc/self/fd/{fd}")
            with open(f"/proc/{pid}/fdinfo/{number}", encoding="ascii") as f:
                flags = int(f.read().split("flags:")[1].split()[0], 8)
            assert not flags & os.O_CLOEXEC
    finally:
        os.close(extra)
        process.terminate()
        process.communicate()


def test_with_detach_as_well(conjoin, box, files, subreaper):
    if os.geteuid() != 0:
        pytest.skip("needs root")
    reader, _, handed = files
    for options in ([], ["--cgroup", "own"]):
        done = run_with(conjoin, handed, "exec", "-d", *options, "--preserve-fds", 3, box.pid,
                        "sh", "-c", "echo here >&3; exec sleep 1000")
        command = Detached(done.stdout)
        try:
            assert select.select([reader], [], [], 10)[0] and os.read(reader, 100) == b"here\n"
            only(command.pid, 0, 1, 2, 3, 4, 5)
        finally:
            command.end()
            wait_for(lambda: (reap_all({box.supervisor}), not command.alive())[1])


def test_who_reads_sees_the_end_when_the_command_closes_it(conjoin, box, files):
    """We have a copy ourselves, and the command goes on."""
    reader, _, handed = files
    process = start_with(conjoin, {3: handed[3]}, "exec", "--preserve-fds", 1, box.pid,
                         "sh", "-c", "exec 3>&-; exec sleep 1000")
    try:
        os.close(handed[3])
        os.set_blocking(reader, False)

        def ended():
            try:
                return os.read(reader, 1) == b""
            except BlockingIOError:
                return False

        wait_for(ended)
        assert process.poll() is None
    finally:
        process.terminate()
        process.communicate()


def test_one_that_isnt_open_is_named(conjoin, box, files):
    _, _, handed = files
    del handed[4]
    done = run_with(conjoin, handed, "exec", "--preserve-fds", 3, box.pid, "true")
    assert_failed(done, OURS, "--preserve-fds 3", "fd 4")
    for text in ("", "x", "-1", "1x", "99999999999"):
        done = run_with(conjoin, {}, "exec", "--preserve-fds", text, box.pid, "true")
        assert_failed(done, OURS, f'"{text}"')
    done = run_with(conjoin, {}, "exec", "--preserve-fds", 2147483000, box.pid, "true")
    assert_failed(done, OURS, "fd 3")


def test_none_is_as_without_it(conjoin, box):
    done = run_with(conjoin, {}, "exec", "--preserve-fds", 0, box.pid, "ls", "/proc/self/fd")
    assert done.stdout.split()[:3] == ["0", "1", "2"] and len(done.stdout.split()) == 4


@pytest.mark.parametrize("how", ["slave", "master", "path", "hung up"])
def test_a_terminal_is_refused(conjoin, box, how):
    """Also by ways that isatty(3) doesn't know: opened anew by /proc/self/fd it would be one."""
    master, slave = pty.openpty()
    path = os.open(os.ttyname(slave), os.O_PATH)
    if how == "hung up":
        os.close(master)
    fd = {"slave": slave, "master": master, "path": path, "hung up": slave}[how]
    try:
        done = run_with(conjoin, {3: fd}, "exec", "--preserve-fds", 1, box.pid, "true")
        assert_failed(done, OURS, "fd 3", "terminal")
    finally:
        for one in (slave, path, *([] if how == "hung up" else [master])):
            os.close(one)


class Limited:
    """The program under a limit of open files."""

    def __init__(self, limit, conjoin):
        self.before = ["prlimit", f"--nofile={limit}:{limit}", conjoin.path]


def test_a_caller_with_room_for_few_files_is_told_and_nothing_hangs(conjoin, box, files):
    _, _, handed = files
    for limit in range(6, 64):
        argv = ["exec", "--preserve-fds", 3, box.pid, "ls", "/proc/self/fd"]
        done = run_with(Limited(limit, conjoin), handed, *argv)
        if done.returncode == 0:
            assert done.stdout.split()[:6] == list("012345")
            return
        if done.returncode != 127 or "shared libraries" not in done.stderr:  # ld.so's, not ours
            assert_failed(done, OURS, "Too many open files")
    raise AssertionError("it never ran")


def test_status_fd_cant_be_one_of_them(conjoin, box, files):
    _, _, handed = files
    done = run_with(conjoin, handed, "exec", "--preserve-fds", 3, "--status-fd", 5, box.pid, "true")
    assert_failed(done, OURS, "--status-fd 5", "--preserve-fds 3")


def test_proc_shows_them_from_inside(conjoin, box, files):
    _, _, handed = files
    done = run_with(conjoin, handed, "exec", "--preserve-fds", 3, box.pid, "sh", "-c",
                    "readlink /proc/$$/fd/3; readlink /proc/$$/fd/4; readlink /proc/$$/fd/5")
    assert done.stdout.splitlines() == [
        os.readlink(f"/proc/self/fd/{fd}") for fd in handed.values()]
