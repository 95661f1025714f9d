# SPDX-License-Identifier: MIT
"""What is passed on between the caller's terminals and the command: its ends, and readers that don't
read or go away. Not here: which of 0, 1 and 2 are relayed at all (test_terminal.py)."""

import os
import signal
import subprocess

import pytest

from lib.poll import wait_for
from lib.sandbox import Sandbox

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
