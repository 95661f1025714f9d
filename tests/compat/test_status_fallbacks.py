# SPDX-License-Identifier: MIT
"""--status-fd and --preserve-fds on a kernel that lacks a call: as test_fallbacks.py."""

import os

import pytest
from test_fallbacks import Denied

from lib.fixtures import need_root
from lib.given import events, run_with
from lib.sandbox import Sandbox


@pytest.fixture(scope="module")
def box(sandbox_program, rootfs):
    """In our own user namespace: its root could write to our program."""
    need_root()
    box = Sandbox(sandbox_program, rootfs, namespaces="all,-user")
    yield box
    box.stop()


@pytest.mark.parametrize("rules", [["memfd_create=ENOSYS"], []])
def test_files_that_are_handed_over_outlive_our_sealing(conjoin, box, rules):
    """A copy of the caller as the stage, after an execve of our own."""
    reader, writer = os.pipe()
    status_r, status_w = os.pipe()
    try:
        done = run_with(Denied(conjoin, *rules), {3: writer, 9: status_w}, "exec", "--preserve-fds", 1,
                        "--status-fd", 9, box.pid, "sh", "-c", "echo words >&3; ls /proc/$$/fd; true")
        os.close(status_w)
        assert (done.returncode, done.stdout.split()) == (0, ["0", "1", "2", "3"])
        assert os.read(reader, 100) == b"words\n"
        assert [one["event"] for one in events(os.read(status_r, 65536).decode())] == [
            "started", "exited"]
    finally:
        for fd in (reader, writer, status_r):
            os.close(fd)
