# SPDX-License-Identifier: MIT
"""Cgroups that were killed before (cgroup.kill), by whoever: Linux 6.14 and later kill whom a process of such a one makes in
another. Not here: killing by conjoin (test_tree.py)."""

import os

import pytest

from lib import proc
from lib.brood import HAS_V2, Box, remove
from lib.poll import wait_for

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root"),
    pytest.mark.skipif(not HAS_V2, reason="no v2 hierarchy is mounted"),
]

OPTIONS = [[], ["--cgroup", "own", "--pids-limit", "50"], ["--kill-tree"], ["--cgroup", "keep"],
           ["--timeout", "20"]]


@pytest.fixture(scope="module")
def box(sandbox_program, rootfs):
    made = Box(sandbox_program, rootfs)
    yield made
    made.stop()


@pytest.fixture
def killed():
    """A cgroup of ours."""
    folder = os.path.join(proc.cgroup_directory("", proc.cgroups("self")[""]), f"conjoin-test-{os.getpid()}-killed")
    os.mkdir(folder)
    kill(folder)
    yield folder
    assert remove(folder)


def kill(folder):
    if not os.path.exists(os.path.join(folder, "cgroup.kill")):
        pytest.skip("this kernel has no cgroup.kill")
    for _ in range(3):
        write(folder, "cgroup.kill", "1")


def write(folder, name, text):
    with open(os.path.join(folder, name), "w", encoding="ascii") as f:
        f.write(text)


@pytest.mark.parametrize("options", OPTIONS, ids=" ".join)
def test_a_caller_in_one(conjoin, box, killed, options):
    done = conjoin.exec(box, "sh", "-c", "cat /proc/self/cgroup; exit 7", options=options,
                        preexec_fn=lambda: write(killed, "cgroup.procs", "0"))
    assert (done.returncode, done.stderr) == (7, "")


@pytest.mark.parametrize("options", OPTIONS, ids=" ".join)
def test_a_target_in_one(conjoin, box, options):
    """One more below the container's own, in which nobody was when it was killed."""
    folder = os.path.join(box.cgroup_dirs()[""], "killed")
    os.mkdir(folder)
    inside = conjoin.popen("exec", box.pid, "sleep", "1000")
    try:
        kill(folder)
        target = wait_for(lambda: sleeper(box))
        write(folder, "cgroup.procs", str(target))
        done = conjoin.exec(target, "sh", "-c", "exit 7", options=options)
        assert (done.returncode, done.stderr) == (7, "")
    finally:
        inside.kill()
        inside.wait()
        wait_for(lambda: remove(folder))


def sleeper(box):
    return next((pid for pid in box.members() if proc.read(pid, "comm") == b"sleep\n"), None)
