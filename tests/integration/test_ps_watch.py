# SPDX-License-Identifier: MIT
"""conjoin ps --watch: on a terminal, and elsewhere. Not here: what is listed (test_ps.py)."""

import json
import os
import signal
import subprocess
import time

import pexpect
import pytest

from lib.listing import row_of
from lib.program import clean_env

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


def test_watching_a_terminal_refreshes_in_place(conjoin, sandbox):
    box = sandbox()
    environment = {**clean_env(), "TERM": "xterm"}
    child = pexpect.spawn(conjoin.path, ["ps", "--watch", "0.1", "-o", "pid,name"],
                          env=environment, dimensions=(24, 80), timeout=20, encoding="utf-8")
    try:
        child.expect_exact("\x1b[?1049h\x1b[?25l")
        for _ in range(3):
            child.expect_exact("\x1b[HPID")
            child.expect(rf"\r\n{box.pid} +sandbox-init\x1b\[K")
        box.stop()
        begin = time.monotonic()
        while str(box.pid) in shown(child):
            assert time.monotonic() - begin < 20
        child.sendintr()
        child.expect_exact("\x1b[?25h\x1b[?1049l")
        child.expect(pexpect.EOF)
        child.close()
        assert (child.exitstatus, child.signalstatus) == (0, None)
    finally:
        child.close(force=True)


def shown(child):
    """The next whole screen."""
    child.expect_exact("\x1b[H")
    child.expect_exact("\x1b[J")
    return child.before


def test_watching_keeps_within_the_window(conjoin, sandbox):
    sandbox()
    sandbox()
    child = pexpect.spawn(conjoin.path, ["ps", "--watch", "0.1"], dimensions=(2, 20), timeout=20,
                          env={**clean_env(), "TERM": "xterm"}, encoding="utf-8")
    try:
        for _ in range(2):
            lines = shown(child).replace("\x1b[K", "").split("\r\n")
            assert len(lines) == 2 and max(map(len, lines)) <= 20
        child.kill(signal.SIGTERM)
        child.expect_exact("\x1b[?25h\x1b[?1049l")
        child.expect(pexpect.EOF)
    finally:
        child.close(force=True)


def test_watching_elsewhere_prints_one_after_the_other(conjoin, sandbox):
    box = sandbox()
    process = conjoin.popen("ps", "--watch", "0.1", "--json", "sandbox-*", stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE)
    text = b""
    while text.count(b"]\n\n") < 2:
        more = os.read(process.stdout.fileno(), 65536)
        assert more, process.communicate()
        text += more
    process.send_signal(signal.SIGINT)
    rest, errors = process.communicate(timeout=20)
    assert process.returncode == 0 and errors.count(b"\n") <= 1
    assert b"\x1b" not in text + rest
    for one in (text + rest).decode().split("]\n\n")[:2]:
        row_of(json.loads(one + "]"), box.pid)
