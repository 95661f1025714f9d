# SPDX-License-Identifier: MIT
"""Detached commands, wait and --rootfs on a kernel that lacks a call: as test_fallbacks.py."""

import os
import signal
import subprocess

import pytest
from test_fallbacks import Denied

from lib import proc
from lib.detached import Detached, detach, reap_all, subreaper  # noqa: F401
from lib.failure import assert_failed
from lib.fixtures import need_root
from lib.poll import wait_for
from lib.sandbox import Sandbox

NO_INFO = "ioctl[1]=0xc040ff0b:ENOTTY"  # PIDFD_GET_INFO
LIMITED = ["--cgroup", "own", "--memory", "64m"]


@pytest.fixture(scope="module", autouse=True)
def as_root():
    need_root()


@pytest.fixture(scope="module")
def box(sandbox_program, rootfs):
    """In our own user namespace: its root could write to our program."""
    box = Sandbox(sandbox_program, rootfs, namespaces="all,-user")
    yield box
    box.stop()


def end(command, number):
    """Ends it, and what is seen of a zombie can be seen."""
    os.kill(command.pid, number)
    wait_for(lambda: proc.stat_fields(command.pid)[0] == "Z")


def waiting(denied, command):
    process = denied.popen("wait", command.handle, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    wait_for(lambda: proc.read(process.pid, "syscall").split()[0] in (b"7", b"271", b"73"))
    return process


def test_without_the_kernels_word_a_zombie_tells_how_it_failed(conjoin, box, detach):
    command = detach(box, "sleep", "1000")
    process = waiting(Denied(conjoin, NO_INFO), command)
    end(command, signal.SIGTERM)
    assert process.communicate(timeout=20) == (b"", b"")
    assert process.returncode == 128 + signal.SIGTERM


def test_without_the_kernels_word_a_zombies_0_may_be_another_threads(conjoin, box, detach):
    command = detach(box, "sh", "-c", "trap 'exit 0' TERM; while :; do sleep 0.01; done")
    process = waiting(Denied(conjoin, NO_INFO), command)
    end(command, signal.SIGTERM)
    assert b"it has ended, status unknown" in process.communicate(timeout=20)[1]
    assert process.returncode == 1


@pytest.mark.parametrize("options", [[], LIMITED], ids=["alone", "with one who stays"])
@pytest.mark.parametrize("rules", [["memfd_create=ENOSYS"], ["clone3=ENOSYS"]], ids=str)
def test_detaching_has_its_fall_backs(conjoin, box, subreaper, rules, options):
    """Without memory to execute from we seal ourselves: started again, we detach all the same."""
    done = Denied(conjoin, *rules).exec(box, "sleep", "1000", options=["-d", *options])
    assert (done.returncode, done.stderr) == (0, "")
    command = Detached(done.stdout)
    assert proc.read(command.pid, "cmdline") == b"sleep\x001000\0"
    os.kill(command.pid, signal.SIGKILL)
    wait_for(lambda: (reap_all({box.supervisor}), command.has_ended())[1])


@pytest.mark.parametrize("options", [[], LIMITED], ids=["alone", "with one who stays"])
def test_a_start_that_cant_be_names_its_step(conjoin, box, options):
    done = Denied(conjoin, "close_range=ENOSYS").exec(box, "true", options=["-d", *options])
    assert_failed(done, 125, "close the caller's files")
    assert done.stdout == ""


def test_rootfs_without_openat2_is_a_named_failure_and_the_hint_is_left_out(conjoin, box):
    denied = Denied(conjoin, "openat2=ENOSYS")
    done = denied.exec(box, "/bin/nope", options=["-r"])
    assert_failed(done, 125, "look for /bin/nope beneath the target's root", "not implemented")
    assert_failed(denied.exec(box, "/bin/nope"), 127, "execute /bin/nope")
