# SPDX-License-Identifier: MIT
"""Commands that conjoin has detached. The test process is the subreaper that inherits them, so that
their end is the test's to see and to reap. Not here: commands that somebody stays with (held.py)."""

import ctypes
import os
import re
import signal

import pytest

from lib import proc
from lib.poll import wait_for
from lib.sandbox import Container

LINE = re.compile(r"((\d+):(s?\d+)) (\d+)\n")
SUBREAPER = 36  # PR_SET_CHILD_SUBREAPER
libc = ctypes.CDLL(None, use_errno=True)


class Detached(Container):
    """What one line of `exec -d` says."""

    def __init__(self, line):
        match = LINE.fullmatch(line)
        assert match, line
        self.line, self.handle, self.pid, self.inside = line, match[1], int(match[2]), int(match[4])
        self.status = None

    def reap(self):
        """Waits for its end; the status as subprocess has it: 0 … 255, or -signal."""
        if self.status is None:
            self.status = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        return self.status

    def has_ended(self):
        return self.status is not None or not self.alive()

    def parent(self):
        return int(proc.stat_fields(self.pid)[1])

    def end(self):
        if self.status is not None:
            return
        try:
            os.kill(self.pid, signal.SIGKILL)
            if self.parent() == os.getpid():
                self.reap()
        except (ProcessLookupError, FileNotFoundError, ChildProcessError):
            self.status = "gone"
        wait_for(self.has_ended, what=f"end of {self.line}")


def reap_all(known=()):
    """Reaps what has ended of what we have inherited; not who is somebody's to wait for."""
    with open(f"/proc/self/task/{os.getpid()}/children", encoding="ascii") as f:
        for pid in map(int, f.read().split()):
            if pid not in known and not proc.alive(pid):
                try:
                    os.waitpid(pid, os.WNOHANG)
                except ChildProcessError:
                    pass


@pytest.fixture
def subreaper():
    assert libc.prctl(SUBREAPER, 1, 0, 0, 0) == 0
    yield
    assert libc.prctl(SUBREAPER, 0, 0, 0, 0) == 0


@pytest.fixture
def detach(conjoin, subreaper):
    """detach(target, *command, options=[…]): a Detached, which is ended after the test."""
    made = []

    def start(target, *command, options=(), **more):
        done = conjoin.exec(target, *command, options=["-d", *options], **more)
        assert (done.returncode, done.stderr) == (0, "")
        made.append(Detached(done.stdout))
        return made[-1]

    yield start
    for one in made:
        one.end()


def everybody_in(box):
    """Whoever is in its pid namespace, but for its first process: [pid]."""
    return [pid for pid in proc.in_pid_namespace_of(box.pid, dead=True) if pid != box.pid]


def our_processes(conjoin):
    """Whoever runs conjoin's file, or its stage, and comes from us."""
    mark = f"CONJOIN_TEST_RUN={os.getpid()}".encode()
    found = []
    for pid in proc.pids():
        try:
            if os.path.realpath(f"/proc/{pid}/exe") == os.path.realpath(conjoin.path):
                if mark in proc.environ(pid):
                    found.append(pid)
        except OSError:
            pass
    return found
