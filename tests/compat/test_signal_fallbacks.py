# SPDX-License-Identifier: MIT
"""Signals to a group in the foreground of a pty, on a kernel that can't signal a group by its leader's pidfd. Not
here: what that group is (tests/integration/test_signals.py)."""

import signal
import subprocess

import pytest

from lib import proc
from lib.fixtures import need_root
from lib.poll import wait_for
from lib.sandbox import Sandbox
from test_fallbacks import Denied

GROUP = 1 << 2  # PIDFD_SIGNAL_PROCESS_GROUP
SCRIPT = """set -m; sh -c 'trap "echo job; exit 35" USR1; echo ready; while :; do read x; done';
echo ended $?; exit 36"""


@pytest.fixture(scope="module", autouse=True)
def as_root():
    need_root()


@pytest.fixture(scope="module")
def box(sandbox_program, rootfs):
    box = Sandbox(sandbox_program, rootfs)
    yield box
    box.stop()


def test_each_of_the_group_gets_it(conjoin, box):
    denied = Denied(conjoin, f"pidfd_send_signal[3]={GROUP}:EINVAL")
    running = denied.popen("exec", "-t", box.pid, "sh", "-c", SCRIPT, stdin=subprocess.PIPE,
                           stdout=subprocess.PIPE)
    try:
        assert running.stdout.readline().strip() == b"ready"
        wait_for(lambda: proc.read(running.pid, "comm") == b"conjoin\n")
        running.send_signal(signal.SIGUSR1)
        assert running.stdout.readline().strip() == b"job"
        assert running.stdout.readline().strip() == b"ended 35"
        assert running.wait(15) == 36
    finally:
        running.kill()
        running.communicate()
