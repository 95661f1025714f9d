# SPDX-License-Identifier: MIT
"""Commands of cj_spawn() on a kernel that lacks a call: each test takes calls away with deny.py, and nothing may be
different. Not here: what commands are given and found by (tests/integration/test_spawner*.py)."""

import os
import sys

import pytest

from lib import proc
from lib.brood import HAS_V2
from lib.fixtures import need_root
from lib.poll import wait_for
from lib.spawning import NAMES, has_only_three_files, way_of

DENY = os.path.join(os.path.dirname(os.path.abspath(__file__)), "deny.py")
CLONE_VM, CLONE_VFORK, CLONE_FILES, CLONE_PIDFD = 0x100, 0x4000, 0x400, 0x1000
SHARED = CLONE_VM | CLONE_VFORK | CLONE_FILES | CLONE_PIDFD
UNSHARE = 2
RULES = [
    ["clone3=ENOSYS"],
    ["clone3=EPERM"],
    ["clone3=ENOSYS", f"clone[0]={SHARED:#x}:EINVAL"],  # as emulators do
    ["clone3=EPERM", f"clone[0]={SHARED:#x}:EPERM"],
    [f"close_range[2]={UNSHARE}:EINVAL"],
    ["close_range=ENOSYS"],
    ["close_range=EPERM", "clone3=ENOSYS", f"clone[0]={SHARED:#x}:EINVAL"],
]


@pytest.fixture(autouse=True)
def as_root():
    need_root()


@pytest.fixture(params=NAMES)
def way(request):
    with way_of(request.param) as way:
        yield way


def denied(way, rules, *options, **more):
    way.before = [*way.before, sys.executable, DENY, *rules, "--"]
    return way.start(*options, **more)


@pytest.mark.parametrize("rules", RULES, ids=" ".join)
def test_commands_are_as_ever_without(rules, way, scratch):
    stray = os.open("/etc/passwd", os.O_RDONLY)
    caller = denied(way, rules, "--deaf", pass_fds=[stray])
    files = caller.files()
    child, pid = caller.spawn("sleep", "1000")
    assert has_only_three_files(pid)
    status = proc.status(pid)
    assert [int(status[key], 16) for key in ("SigBlk", "SigIgn", "SigCgt")] == [0, 0, 0]
    assert proc.stat_fields(pid)[3] == str(pid)
    assert caller.order("tree", child) == str(int(way.whole))
    assert caller.order("kill", child) == "ok"
    assert caller.finish(child) == "signal 9"
    assert caller.order("spawn", "no-such-command") == \
        "error ENOENT 127 execute no-such-command"
    assert caller.order("spawn", "/etc/passwd") == "error EACCES 126 execute /etc/passwd"
    assert caller.run("sh", "-c", "exit 5") == "exit 5"
    assert caller.order("rounds", 20, "true") == "done"
    assert caller.files() == files
    os.close(stray)


@pytest.mark.parametrize("rules", RULES, ids=" ".join)
def test_a_killed_caller_leaves_nothing_without(rules, way):
    caller = denied(way, rules)
    _, pid = caller.spawn("sleep", "1000")
    caller.kill()
    wait_for(lambda: not proc.alive(pid), what="end of the command")
    wait_for(lambda: not way.place.parents(), what="end of cgroups")


@pytest.mark.skipif(not HAS_V2, reason="cgroup v2")
@pytest.mark.parametrize("rules", RULES[:4], ids=" ".join)
def test_limits_hold_without(rules):
    with way_of("v2") as way:
        caller = denied(way, rules, "--pids", "20")
        child, pid = caller.spawn("sleep", "1000")
        assert any("/conjoin/" in path for path in proc.cgroups(pid).values())
        assert caller.order("kill", child) == "ok"
        assert caller.finish(child) == "signal 9"
