# SPDX-License-Identifier: MIT
"""Waiting for something to be true, with a deadline. Tests never sleep and hope."""

import time


def wait_for(condition, timeout=10.0, what=None):
    """Returns the first true result of `condition()`; AssertionError after `timeout` seconds."""
    deadline = time.monotonic() + timeout
    pause = 0.001
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {timeout} s in vain for {what or condition}")
        time.sleep(pause)
        pause = min(pause * 2, 0.05)


def spin(process, seconds):
    """Waits a moment that is too short to sleep for."""
    until = time.monotonic() + seconds
    while time.monotonic() < until and process.poll() is None:
        pass
