# SPDX-License-Identifier: MIT
"""A process whose number was another's before. Not here: who has to notice."""

import contextlib
import subprocess
import time

import pytest

from lib.program import clean_env

SECONDS = 20


@contextlib.contextmanager
def process_with_pid(pid):
    """`sleep` as that number. It takes some luck, as others use this machine."""
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        try:
            with open("/proc/sys/kernel/ns_last_pid", "w", encoding="ascii") as f:
                f.write(str(pid - 1))
        except OSError as error:
            pytest.skip(f"the next PID can't be chosen: {error}")
        child = subprocess.Popen(["sleep", "1000"], env=clean_env(), stdin=subprocess.DEVNULL)
        if child.pid == pid:
            break
        child.kill()
        child.wait()
    else:
        pytest.skip(f"no process with the number {pid} could be had")
    try:
        yield child
    finally:
        child.kill()
        child.wait()
