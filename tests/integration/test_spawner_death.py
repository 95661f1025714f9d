# SPDX-License-Identifier: MIT
"""A caller of cj_spawn() is killed at any moment: no command, cgroup or watchdog is left. Not here: its end in order
(test_spawner.py)."""

import os
import random

import pytest

from lib import proc
from lib.fixtures import need_root
from lib.leaks import orphans
from lib.poll import spin, wait_for
from lib.spawning import NAMES, Spawning, way_of

MOMENTS = {"v2": 60, "v1": 30, "none": 30}
STORM = {
    True: "sleep 1000 & (setsid sleep 1000 &) exec sleep 0.00$(($$ % 10))",
    False: "sleep 1000 & exec sleep 0.00$(($$ % 10))",
}


@pytest.fixture(autouse=True)
def as_root():
    need_root()


@pytest.fixture(params=NAMES)
def way(request):
    with way_of(request.param) as way:
        yield way


def assert_nothing_left(way):
    wait_for(lambda: not orphans(), what="end of everybody")
    wait_for(lambda: not way.place.parents() and not way.place.members(), what="end of cgroups")


def die_in_between(way, *options):
    caller = way.start(*options)
    caller.send("storm", "sh", "-c", STORM[way.whole])
    spin(caller.process, random.uniform(0, 0.02))
    caller.kill()
    caller.process.wait()
    assert_nothing_left(way)
    caller.close()
    way.callers.remove(caller)


def test_killed_at_any_moment_it_leaves_nothing(way):
    for _ in range(MOMENTS[way.name]):
        die_in_between(way)


def test_killed_with_threads_it_leaves_nothing(way):
    """Without a parent death signal: only the watchdog is there."""
    for _ in range(10):
        die_in_between(way, "--thread")


def test_killed_while_it_begins_it_leaves_nothing(way):
    for i in range(20):
        caller = Spawning(way.place, before=way.before, wait=False)
        way.callers.append(caller)
        spin(caller.process, i * 0.0005)
        caller.kill()
        caller.process.wait()
        assert_nothing_left(way)


@pytest.mark.parametrize("name", [name for name in NAMES if name != "none"])
def test_killed_with_limits_it_leaves_nothing(name):
    with way_of(name) as way:
        for _ in range(10):
            die_in_between(way, "--pids", "50")


def test_with_its_watchdog_killed_as_well_the_next_one_removes_what_is_left(way, scratch):
    caller = way.start()
    path = os.path.join(scratch, "daemon")
    child, pid = caller.spawn("sh", "-c", f"setsid sh -c 'echo $$ > {path}; exec sleep 1000' & exec sleep 1000")
    wait_for(lambda: os.path.exists(path) and os.path.getsize(path))
    with open(path, encoding="ascii") as f:
        daemon = int(f.read())
    watchdog = next(p for p in proc.children(caller.pid) if proc.read(p, "comm") == b"conjoin-watch\n")
    os.kill(watchdog, 9)
    caller.kill()
    caller.process.wait()
    wait_for(lambda: not proc.alive(pid))  # by the parent death signal
    assert proc.alive(daemon)
    before = way.place.parents()
    assert len(before) == way.whole
    os.kill(daemon, 9)
    wait_for(lambda: not proc.alive(daemon))
    other = way.start()
    assert not set(before) & set(way.place.parents())
    assert other.run("true") == "exit 0"
