# SPDX-License-Identifier: MIT
"""conjoin wait and conjoin kill: by handle, so that nobody else is waited for or hit, and the exit
status is what the kernel tells. Not here: making such commands (test_detach.py)."""

import ctypes
import fcntl
import os
import signal
import struct
import subprocess
import time

import pytest

from lib import proc
from lib.detached import detach, subreaper  # noqa: F401
from lib.failure import assert_failed
from lib.poll import wait_for
from lib.sandbox import Sandbox

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")

TROUBLE, USAGE, TIMEOUT = 1, 2, 124
NOBODY = 65534
GET_INFO, INFO_EXIT = 0xC040FF0B, 8


@pytest.fixture(scope="module")
def box(sandbox_program, rootfs):
    made = Sandbox(sandbox_program, rootfs, caps="docker")
    yield made
    made.stop()


@pytest.fixture(scope="module")
def kernel_tells():
    """PIDFD_INFO_EXIT: asked of a child that was reaped."""
    pid = os.fork()
    if pid == 0:
        os._exit(7)
    pidfd = os.pidfd_open(pid)
    os.waitpid(pid, 0)
    info = bytearray(struct.pack("Q56x", INFO_EXIT))
    try:
        fcntl.ioctl(pidfd, GET_INFO, info)
    except OSError:
        return False
    finally:
        os.close(pidfd)
    return bool(struct.unpack_from("Q", info)[0] & INFO_EXIT)


class Waiting:
    """A `conjoin wait` that has come to wait."""

    def __init__(self, conjoin, *args, **more):
        self.process = conjoin.popen("wait", *args, stdout=subprocess.PIPE,
                                     stderr=subprocess.PIPE, **more)
        wait_for(lambda: self.process.poll() is not None or self.waits(), what="conjoin wait")

    def waits(self):
        """In poll(2), with nothing left to do."""
        try:
            return int(proc.read(self.process.pid, "syscall").split()[0]) in (7, 271, 73)
        except (ValueError, OSError):
            return False

    def result(self):
        out, err = self.process.communicate(timeout=20)
        assert out == b""
        return self.process.returncode, err.decode()


def go(box):
    """Lets the commands end that wait for that."""
    with open(f"/proc/{box.pid}/root/tmp/go", "wb"):
        pass


@pytest.fixture
def held(sandbox, detach):
    """held(script): a command that runs `script` once let_go() is called, and that in a container
    without a user namespace, whose files are the test's to write."""
    box = sandbox(namespaces="all,-user", caps="docker")
    box.hold = lambda script, **more: detach(
        box, "sh", "-c", f"while [ ! -e /tmp/go ]; do sleep 0.01; done; {script}", **more)
    box.go = lambda: go(box)
    return box


ENDS = {"exit 0": 0, "exit 7": 7, "exit 255": 255, "kill -TERM $$": 143, "kill -KILL $$": 137,
        "ulimit -c 0; kill -SEGV $$": 139, "kill -64 $$": 192}


@pytest.mark.parametrize("end", ENDS)
def test_the_status_is_the_commands_seen_while_its_a_zombie(conjoin, held, end):
    command = held.hold(end)
    waiting = Waiting(conjoin, command.handle)
    held.go()
    assert waiting.result() == (ENDS[end], "")
    assert proc.stat_fields(command.pid)[0] == "Z"
    command.reap()


@pytest.mark.parametrize("end", ENDS)
def test_the_status_is_the_commands_seen_when_it_was_reaped(conjoin, held, end, kernel_tells):
    """Who may not trace a process isn't told by its zombie."""
    command = held.hold(end)
    waiting = Waiting(conjoin, command.handle, user=NOBODY)
    held.go()
    wait_for(lambda: proc.stat_fields(command.pid)[0] == "Z")
    assert waiting.process.poll() is None or not kernel_tells
    command.reap()
    status, err = waiting.result()
    if kernel_tells:
        assert (status, err) == (ENDS[end], "")
    else:
        assert status == TROUBLE and "status unknown" in err


def test_a_status_that_nobody_tells_is_said_to_be_unknown(conjoin, held):
    command = held.hold("exit 7")
    waiting = Waiting(conjoin, command.handle, user=NOBODY)
    held.go()
    # nobody reaps it
    assert waiting.result() == (
        TROUBLE, f"conjoin: wait {command.handle}: it has ended, status unknown\n")
    command.reap()


def test_of_several_all_are_waited_for_and_the_last_counts(conjoin, held):
    commands = [held.hold(f"exit {status}") for status in (3, 4, 5)]
    handles = [command.handle for command in commands]
    waiting = Waiting(conjoin, *handles)
    again = Waiting(conjoin, *reversed(handles))
    os.kill(commands[2].pid, signal.SIGKILL)
    commands[2].reap()
    assert waiting.process.poll() is None  # two still run
    held.go()
    assert waiting.result()[0] in (128 + signal.SIGKILL, TROUBLE)
    assert again.result() == (3, "")
    for command in commands[:2]:
        command.reap()


def test_a_process_that_is_gone_is_an_error(conjoin, box, detach):
    command = detach(box, "true")
    command.reap()
    for target in (command.handle, f"pid:{command.pid}"):
        done = conjoin.run("wait", target)
        assert_failed(done, TROUBLE, f"wait {target}", "No such process", hint="it has ended")


def test_a_handle_of_another_process_isnt_waited_for(conjoin, box, detach):
    command = detach(box, "sleep", "1000")
    number = command.handle.partition(":")[2]
    false = f"{command.pid}:{int(number.lstrip('s')) + 1}"
    assert_failed(conjoin.run("wait", false), TROUBLE, "No such process")
    assert_failed(conjoin.run("kill", "-s", "KILL", false), TROUBLE, "No such process")
    assert command.alive()


def test_timeout_is_124_and_the_command_goes_on(conjoin, box, detach):
    command = detach(box, "sleep", "1000")
    for timeout in ("0", "0.2"):
        begin = time.monotonic()
        done = conjoin.run("wait", "--timeout", timeout, command.handle, "self")
        assert_failed(done, TIMEOUT, command.handle, "timed out")
        assert float(timeout) <= time.monotonic() - begin < float(timeout) + 5
    assert command.alive()
    command.end()


def test_wait_that_is_used_wrongly_is_2(conjoin):
    for args in ([], ["--timeout", "x", "self"], ["--timeout", "-1", "self"], ["--nope", "self"],
                 ["--timeout"], ["--timeout", "99999999999999999999", "self"]):
        assert_failed(conjoin.run("wait", *args), USAGE, hint="wait --help")


@pytest.mark.parametrize("word,number", [
    (None, 15), ("TERM", 15), ("SIGTERM", 15), ("term", 15), ("sigHup", 1), ("9", 9), ("USR1", 10),
    ("RTMIN", signal.SIGRTMIN), ("RTMIN+3", signal.SIGRTMIN + 3), ("SIGRTMAX", signal.SIGRTMAX),
    ("RTMAX-2", signal.SIGRTMAX - 2), ("64", 64),
])
def test_kill_sends_the_signal_that_is_named(conjoin, box, detach, word, number):
    command = detach(box, "sleep", "1000")
    options = ["-s", word] if word else []
    done = conjoin.run("kill", *options, command.handle)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert command.reap() == -number


def test_kill_hits_each_of_several_and_names_who_is_gone(conjoin, box, detach):
    commands = [detach(box, "sleep", "1000") for _ in range(3)]
    os.kill(commands[1].pid, signal.SIGKILL)
    commands[1].reap()
    done = conjoin.run("kill", "--signal=USR1", *(command.handle for command in commands))
    assert_failed(done, TROUBLE, commands[1].handle, "No such process")
    assert [command.reap() for command in commands] == [-10, -9, -10]


def test_kill_0_only_asks(conjoin, box, detach):
    command = detach(box, "sleep", "1000")
    assert conjoin.run("kill", "-s", "0", command.handle).returncode == 0
    assert command.alive()
    command.end()
    assert conjoin.run("kill", "-s", "0", command.handle).returncode == TROUBLE


def test_kill_by_a_bare_number_is_refused_and_nobody_is_hit(conjoin, box, detach):
    commands = [detach(box, "sleep", "1000") for _ in range(2)]
    done = conjoin.run("kill", commands[0].handle, commands[1].pid)
    assert_failed(done, USAGE, str(commands[1].pid), f"pid:{commands[1].pid}")
    assert all(command.alive() for command in commands)
    assert conjoin.run("kill", f"pid:{commands[1].pid}").returncode == 0
    assert commands[1].reap() == -signal.SIGTERM


def test_kill_without_the_right_says_so(conjoin, box, detach):
    command = detach(box, "sleep", "1000")
    done = conjoin.run("kill", command.handle, user=NOBODY)
    assert_failed(done, TROUBLE, command.handle, "send signal 15", "not permitted")
    assert command.alive()


def test_kill_lists_what_the_c_library_knows(conjoin):
    done = conjoin.run("kill", "-l")
    listed = dict(line.split() for line in done.stdout.splitlines())
    strsignal = {str(int(number)): number.name for number in signal.valid_signals()
                 if isinstance(number, signal.Signals) and number < 32}
    assert {number: "SIG" + name for number, name in listed.items() if int(number) < 32} == {
        number: name.replace("SIGPOLL", "SIGIO") for number, name in strsignal.items()} | {
            "29": "SIGPOLL" if listed["29"] == "POLL" else "SIGIO", "16": "SIGSTKFLT"}
    assert listed["64"] == f"RTMIN+{signal.SIGRTMAX - signal.SIGRTMIN}"


def test_every_name_that_is_listed_is_taken(conjoin, box, detach):
    command = detach(box, "sleep", "1000")
    for line in conjoin.run("kill", "--list").stdout.splitlines():
        number, name = line.split()
        done = conjoin.run("kill", "-s", name, "pid:999999")  # nobody
        assert done.returncode == TROUBLE, name
    command.end()


def test_kill_that_is_used_wrongly_is_2(conjoin):
    for args in ([], ["-s", "NOPE", "self"], ["-s", "65", "self"], ["-s", "-1", "self"],
                 ["-s", "", "self"], ["-s", "SIG", "self"], ["-s", "9x", "self"], ["-s"],
                 ["-s", "RTMIN+99", "self"], ["-s", "RTMIN-1", "self"], ["-l", "self"], ["-9"]):
        assert_failed(conjoin.run("kill", *args), USAGE, hint="kill --help")


@pytest.mark.parametrize("runtime", ["runc", "crun"])
def test_in_containers_of_real_runtimes(request, conjoin, detach, runtime):
    box = request.getfixturevalue(runtime)()
    command = detach(box, "sleep", "1000")
    waiting = Waiting(conjoin, command.handle)
    assert conjoin.run("kill", "-s", "INT", command.handle).returncode == 0
    assert waiting.result() == (128 + signal.SIGINT, "")
    command.reap()


def test_the_status_of_one_that_has_ended_already(conjoin, held):
    command = held.hold("exit 7")
    held.go()
    wait_for(lambda: proc.stat_fields(command.pid)[0] == "Z")
    done = conjoin.run("wait", command.handle)
    assert (done.returncode, done.stderr) == (7, "")
    command.reap()
