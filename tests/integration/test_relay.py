# SPDX-License-Identifier: MIT
"""What is passed on between the caller's terminals and the command: its ends, and readers that don't
read or go away. Not here: which of 0, 1 and 2 are relayed at all (test_terminal.py)."""

import os
import platform
import select
import signal
import socket
import subprocess
import time
import tty

import pytest

from lib.poll import wait_for
from lib.program import without_leaks
from lib.sandbox import Sandbox
from lib.terminal import PIPE, TTY, Terminal, command_of
from lib.trace import Tracer

PATIENCE = 20


@pytest.fixture(scope="module", name="box")
def make_box(sandbox_program, rootfs):
    box = Sandbox(sandbox_program, rootfs)
    yield box
    box.stop()


def command(conjoin, box, *words, options=()):
    return [conjoin.path, "exec", *options, str(box.pid), *words]


def test_a_command_whose_reader_has_gone_is_hung_up(conjoin, box):
    with subprocess.Popen(
        command(conjoin, box, "yes", options=["-t"]),
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
    ) as process:
        assert process.stdout.readline() == b"y\r\n"
        process.stdout.close()
        assert process.wait(PATIENCE) == 128 + signal.SIGHUP


@pytest.mark.parametrize("text", [b"", b"a line\n", b"half a line"])
def test_the_end_of_stdin_is_the_end_on_a_pty_as_well(conjoin, box, text):
    done = subprocess.run(
        command(conjoin, box, "sh", "-c", "stty -echo; echo ready; cat", options=["-t"]),
        input=text, capture_output=True, timeout=PATIENCE, check=False,
    )
    assert done.returncode == 0
    assert done.stdout.split(b"ready\r\n")[-1].replace(b"\r\n", b"\n").endswith(text)


def test_output_that_is_lost_is_told(conjoin, box):
    with open("/dev/full", "w", encoding="ascii") as full:
        done = subprocess.run(
            command(conjoin, box, "echo", "much", options=["-t"]), stdin=subprocess.DEVNULL,
            stdout=full, stderr=subprocess.PIPE, text=True, timeout=PATIENCE, check=False,
        )
    assert "output was lost: No space left on device" in done.stderr


def is_full(slave):
    """Would a write to the terminal wait? Asked by a description of our own."""
    fd = os.open(os.ttyname(slave), os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY)
    try:
        os.write(fd, b"x")
        return False
    except BlockingIOError:
        return True
    finally:
        os.close(fd)


@pytest.mark.parametrize("option", ["-t", "-T"])
def test_a_terminal_that_nobody_reads_doesnt_keep_signals_out(conjoin, box, option):
    master, slave = os.openpty()
    try:
        with subprocess.Popen(
            command(conjoin, box, "yes", options=[option]), stdin=slave, stdout=slave, stderr=slave,
        ) as process:
            wait_for(lambda: is_full(slave), PATIENCE)
            process.send_signal(signal.SIGTERM)
            # the second one: what is left of the output needn't be passed on
            wait_for(lambda: again(process), PATIENCE)
    finally:
        os.close(slave)
        os.close(master)


def again(process):
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
    return process.poll() is not None


CLOSED = """exec 0<&- 1>&- 2>&-
while [ ! -e /go ]; do sleep 0.01; done
rm /go; echo "hello again" >/dev/tty; read x </dev/tty; echo "got $x" >/dev/tty"""


def test_a_command_that_closes_its_terminal_for_a_while_can_open_it_again(conjoin, box):
    terminal = Terminal(conjoin)
    try:
        terminal.start("-t", box.pid, "sh", "-c", "stty -echo; echo ready; " + CLOSED)
        terminal.read_until(b"ready")
        command = command_of(terminal.running.pid)
        wait_for(lambda: not os.listdir(f"/proc/{command}/fd"))
        assert conjoin.exec(box, "touch", "/go").returncode == 0
        terminal.read_until(b"hello again")
        terminal.type(b"keys\r")
        terminal.read_until(b"got keys")
        assert terminal.wait() == 0
    finally:
        terminal.close()


@pytest.mark.skipif(platform.machine() != "x86_64", reason="poll(2) is another call there")
@pytest.mark.parametrize("kind", ["pipe", "terminal", "socket"])
def test_others_who_read_the_same_input_dont_make_us_wait(conjoin, box, kind):
    """What poll(2) has promised us somebody else has taken: time is kept all the same."""
    ours, theirs = {"pipe": os.pipe, "terminal": os.openpty, "socket": pair}[kind]()
    reader, writer = (theirs, ours) if kind == "terminal" else (ours, theirs)
    if kind == "terminal":
        tty.setraw(reader)
    others = [subprocess.Popen(["cat"], stdin=reader, stdout=subprocess.DEVNULL) for _ in range(3)]
    slow = ["strace", "-o", "/dev/null", "-e", "trace=poll", "-e", "inject=poll:delay_exit=5000"]
    process = subprocess.Popen(
        slow + command(conjoin, box, "sleep", "1000", options=["-t", "--timeout", "1", "--grace", "1"]),
        stdin=reader, stdout=subprocess.DEVNULL, env=without_leaks())
    try:
        begin = time.monotonic()
        while time.monotonic() < begin + 0.7:
            os.write(writer, b"x")
            wait_for(lambda: not select.select([reader], [], [], 0)[0])
        assert process.wait(PATIENCE) == 124
    finally:
        for one in [process, *others]:
            one.kill()
            one.wait()
        os.close(reader)
        os.close(writer)


def pair():
    return [end.detach() for end in socket.socketpair()]


FLOWING = """setsid yes & echo ready; read x
head -c 30000 /dev/zero | tr '\\0' x
exit 3"""
SLOW = 0.3  # seconds; the limit is two


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_a_tracer_that_is_slow_costs_neither_the_status_nor_output(conjoin, box):
    """However much flows while it keeps the command's end from us: another process writes all the time."""
    terminal = Terminal(conjoin)
    try:
        terminal.start("-T", box.pid, "sh", "-c", FLOWING, fds=(PIPE, TTY, TTY))
        terminal.read_until(b"ready")
        with Tracer(command_of(terminal.running.pid)) as tracer:
            terminal.running.stdin.write(b"\n")
            terminal.running.stdin.flush()
            read_for(terminal, lambda: not tracer.goes_on())
            begin, before = time.monotonic(), len(terminal.seen)
            read_for(terminal, lambda: time.monotonic() > begin + SLOW)
            assert terminal.running.poll() is None and len(terminal.seen) > before + 1000
            tracer.let_go()
        assert terminal.wait() == 3
        assert terminal.seen.count(b"x") == 30000
    finally:
        terminal.close()


def read_for(terminal, condition):
    """Reads what the terminal shows, all the time, until that is so."""
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, condition
        terminal.read()
