# SPDX-License-Identifier: MIT
"""The cgroups of cj_spawn()'s commands: who is in which slot, who is found by it and killed, limits. Not here: the
caller's death (test_spawner_death.py)."""

import os
import subprocess

import pytest

from lib import proc
from lib.brood import HAS_V2, write
from lib.fixtures import need_root
from lib.poll import wait_for
from lib.spawning import NAMES, way_of

FINDING = [name for name in NAMES if name != "none"]
UID = 4321
# It ends, and leaves a daemon in a session of its own.
DAEMON = "setsid sh -c 'echo $$ > {0}.new; mv {0}.new {0}; exec sleep 1000' & {1}"


@pytest.fixture(autouse=True)
def as_root():
    need_root()


@pytest.fixture(params=NAMES)
def way(request):
    with way_of(request.param) as way:
        yield way


@pytest.fixture(params=FINDING)
def finding(request):
    with way_of(request.param) as way:
        yield way


def slot_of(caller, pid):
    """Its number, or None."""
    for name, folder in caller.place.slots().items():
        try:
            with open(os.path.join(folder, "cgroup.procs"), encoding="ascii") as f:
                if str(pid) in f.read().split():
                    return name
        except OSError:
            pass  # a threaded one
    return None


def daemon_of(path):
    def look():
        try:
            with open(path, encoding="ascii") as f:
                return int(f.read())
        except FileNotFoundError:
            return 0
    return wait_for(look, what=path)


def test_a_command_has_a_tree_where_there_are_cgroups(way):
    caller = way.start()
    child, pid = caller.spawn("sleep", "1000")
    assert caller.order("tree", child) == ("1" if way.whole else "0")
    assert (slot_of(caller, pid) is not None) == way.whole
    assert caller.order("kill", child) == "ok"
    assert caller.finish(child) == "signal 9"
    warnings = caller.end()
    assert ("none can be made for commands" in warnings) == (not way.whole)
    assert warnings.count("\n") <= 1
    assert caller.place.parents() == []


def test_a_daemon_dies_with_its_command(finding, scratch):
    caller = finding.start()
    path = os.path.join(scratch, "daemon")
    child, pid = caller.spawn("sh", "-c", DAEMON.format(path, "exec sleep 1000"))
    daemon = daemon_of(path)
    assert caller.order("settle", child) == "0"  # nobody has ended
    assert caller.order("kill", child) == "ok"
    assert caller.order("wait", child) == "signal 9"
    caller.settled(child)
    assert not proc.alive(pid) and not proc.alive(daemon)
    assert caller.order("free", child) == "ok"


def test_one_that_outlives_its_command_is_told_and_can_be_killed(finding, scratch):
    caller = finding.start()
    path = os.path.join(scratch, "daemon")
    child, _ = caller.spawn("sh", "-c", DAEMON.format(path, "exit 3"))
    daemon = daemon_of(path)
    assert caller.order("wait", child) == "exit 3"
    assert caller.order("settle", child) == "0"
    assert caller.order("kill", child) == "ok"
    caller.settled(child)
    assert not proc.alive(daemon)
    assert caller.order("free", child) == "ok"


def test_of_the_session_nobody_outlives_a_kill_without_cgroups(scratch):
    with way_of("none") as way:
        caller = way.start()
        path = os.path.join(scratch, "member")
        child, _ = caller.spawn(
            "sh", "-c", DAEMON.format(path, "exit 0").replace("setsid sh", "sh"))
        member = daemon_of(path)
        assert caller.order("wait", child) == "exit 0"
        assert caller.order("settle", child) == "0"
        assert caller.order("kill", child) == "ok"
        caller.settled(child)
        assert not proc.alive(member)


def test_a_child_of_cj_launch_is_killed_and_settles_likewise(finding, scratch):
    caller = finding.start()
    target = subprocess.Popen(["sleep", "1000"], preexec_fn=finding.place.enter)
    before = set(finding.place.parents())
    path = os.path.join(scratch, "daemon")
    answer = caller.order("launch", target.pid, "sh", "-c", DAEMON.format(path, "exec sleep 1000"))
    child, pid = answer.split()
    daemon = daemon_of(path)
    assert caller.order("tree", child) == "1"
    assert len(set(finding.place.parents()) - before) == 1
    assert caller.order("settle", child) == "0"
    assert caller.order("kill", child) == "ok"
    assert caller.order("wait", child) == "signal 9"
    caller.settled(child)
    assert not proc.alive(int(pid)) and not proc.alive(daemon)
    assert set(finding.place.parents()) == before
    assert caller.order("free", child) == "ok"
    target.kill()
    target.wait()


def test_what_a_command_has_left_stays_when_it_is_freed_and_gives_its_slot_back(finding, scratch):
    caller = finding.start()
    path = os.path.join(scratch, "daemon")
    child, _ = caller.spawn("sh", "-c", DAEMON.format(path, "exit 0"))
    daemon = daemon_of(path)
    assert caller.order("wait", child) == "exit 0"
    assert caller.order("free", child) == "ok"
    assert proc.alive(daemon)
    assert slot_of(caller, daemon) is None
    assert daemon in caller.place.members()  # in the cgroup above, where it would be without
    assert caller.run("true") == "exit 0"
    assert len(caller.place.slots()) == 1
    os.kill(daemon, 9)
    wait_for(lambda: not proc.alive(daemon))


def test_freeing_a_command_that_was_killed_kills_the_rest(finding, scratch):
    caller = finding.start()
    path = os.path.join(scratch, "daemon")
    child, _ = caller.spawn("sh", "-c", DAEMON.format(path, "exec sleep 1000"))
    daemon = daemon_of(path)
    assert caller.order("kill", child) == "ok"
    assert caller.order("free", child) == "ok"
    wait_for(lambda: not proc.alive(daemon))


def test_freeing_one_that_runs_kills_its_daemon_as_well(finding, scratch):
    caller = finding.start()
    path = os.path.join(scratch, "daemon")
    child, pid = caller.spawn("sh", "-c", DAEMON.format(path, "exec sleep 1000"))
    daemon = daemon_of(path)
    assert caller.order("free", child) == "ok"
    assert not proc.alive(pid)
    wait_for(lambda: not proc.alive(daemon))


def test_slots_are_never_shared_and_are_used_again(finding):
    caller = finding.start()
    for _ in range(2):
        started = [caller.spawn("sleep", "1000") for _ in range(20)]
        slots = [slot_of(caller, pid) for _, pid in started]
        assert None not in slots and len(set(slots)) == 20
        assert len(caller.place.slots()) == 20
        for child, _ in started:
            caller.order("kill", child)
            assert caller.finish(child) == "signal 9"


def test_a_slot_in_which_somebody_has_made_cgroups_isnt_used_again(finding):
    caller = finding.start()
    child, pid = caller.spawn("sleep", "1000")
    slot = slot_of(caller, pid)
    below = os.path.join(caller.place.slots()[slot], "below")
    os.mkdir(below)
    caller.order("signal", child, 15)
    assert caller.finish(child) == "signal 15"
    assert not os.path.exists(below)
    child, pid = caller.spawn("sleep", "1000")
    assert slot_of(caller, pid) not in (None, slot)
    caller.order("kill", child)
    caller.finish(child)


def test_who_lives_in_a_cgroup_of_its_own_below_keeps_the_slot(finding, scratch):
    caller = finding.start()
    path = os.path.join(scratch, "daemon")
    child, _ = caller.spawn("sh", "-c", DAEMON.format(path, "exec sleep 1000"))
    daemon = daemon_of(path)
    slot = slot_of(caller, daemon)
    folder = caller.place.slots()[slot]
    os.mkdir(os.path.join(folder, "below"))
    write(os.path.join(folder, "below/cgroup.procs"), daemon)
    caller.order("signal", child, 9)
    assert caller.order("wait", child) == "signal 9"
    assert caller.order("free", child) == "ok"
    assert proc.alive(daemon)
    for _ in range(3):
        other, pid = caller.spawn("sleep", "1000")
        assert slot_of(caller, pid) not in (None, slot)
        caller.order("kill", other)
        caller.finish(other)
    os.kill(daemon, 9)
    wait_for(lambda: not proc.alive(daemon))
    assert caller.run("true") == "exit 0"
    assert caller.run("true") == "exit 0"
    assert not os.path.exists(os.path.join(folder, "below"))


@pytest.mark.parametrize("which", ["slot", "parent"])
def test_a_slot_that_somebody_has_frozen_is_thawed(finding, which):
    """A command that is born there would never run, and keep the caller with it."""
    caller = finding.start()
    assert caller.run("true") == "exit 0"
    folder = caller.place.slots()["1"] if which == "slot" else caller.place.parents()[0]
    if finding.name == "v2":
        write(os.path.join(folder, "cgroup.freeze"), 1)
    else:
        write(os.path.join(folder, "freezer.state"), "FROZEN")
    try:
        assert caller.run("true") == "exit 0"
    finally:
        caller.kill()


def test_a_command_that_is_frozen_can_be_killed(finding):
    caller = finding.start()
    child, pid = caller.spawn("sleep", "1000")
    folder = caller.place.slots()[slot_of(caller, pid)]
    if finding.name == "v2":
        write(os.path.join(folder, "cgroup.freeze"), 1)
    else:
        write(os.path.join(folder, "freezer.state"), "FROZEN")
    caller.order("kill", child)
    assert caller.finish(child) == "signal 9"
    assert caller.run("true") == "exit 0"


def test_a_slot_that_somebody_removes_is_made_anew(finding):
    caller = finding.start()
    assert caller.run("true") == "exit 0"
    os.rmdir(caller.place.slots()["1"])
    child, pid = caller.spawn("sleep", "1000")
    assert slot_of(caller, pid) is not None
    caller.order("kill", child)
    caller.finish(child)


@pytest.mark.skipif(not HAS_V2, reason="cgroup v2")
def test_a_slot_that_somebody_else_has_killed_isnt_used_again():
    """Linux 6.14 and later: whoever is born in one that was killed more often than the caller's own is killed."""
    with way_of("v2") as way:
        caller = way.start()
        child, pid = caller.spawn("sleep", "1000")
        write(os.path.join(caller.place.slots()[slot_of(caller, pid)], "cgroup.kill"), 1)
        assert caller.finish(child) == "signal 9"
        assert caller.run("true") == "exit 0"


@pytest.mark.skipif(not HAS_V2, reason="cgroup v2")
def test_a_caller_whose_own_cgroup_was_killed_before_it_came_there():
    with way_of("v2") as way:
        write(os.path.join(way.place.folders["v2"], "cgroup.kill"), 1)
        caller = way.start()
        child, pid = caller.spawn("sh", "-c", "exec sleep 1000")
        assert slot_of(caller, pid) is not None
        caller.order("kill", child)
        assert caller.finish(child) == "signal 9"
        assert caller.run("true") == "exit 0"
        other = way.start("--pids", "10")
        assert other.run("true") == "exit 0"


@pytest.mark.skipif(not HAS_V2, reason="cgroup v2")
def test_where_no_slot_can_be_made_commands_go_without():
    with way_of("v2") as way:
        write(os.path.join(way.place.folders["v2"], "cgroup.max.descendants"), 1)
        caller = way.start()
        assert caller.run("sh", "-c", "exit 4") == "exit 4"
        assert caller.run("sh", "-c", "exit 5") == "exit 5"
        assert caller.end().count("none can be made for commands (Resource temporarily") == 1


def delegate(folder, procs):
    os.chown(folder, UID, UID)
    os.chown(os.path.join(folder, "cgroup.procs"), UID if procs else 0, 0)


@pytest.mark.skipif(not HAS_V2, reason="cgroup v2")
@pytest.mark.parametrize("procs", [True, False])
def test_an_ordinary_user_has_slots_where_the_cgroup_was_delegated(procs):
    """Without its cgroup.procs nobody may be put below: CLONE_INTO_CGROUP is refused."""
    with way_of("v2") as way:
        delegate(way.place.folders["v2"], procs)
        caller = way.start(user=UID)
        child, pid = caller.spawn("sleep", "1000")
        assert (slot_of(caller, pid) is not None) == procs
        assert caller.order("tree", child) == str(int(procs))
        caller.order("kill", child)
        assert caller.finish(child) == "signal 9"
        assert ("none can be made for commands (Permission denied)" in caller.end()) != procs


# --- limits ---


def limited(*options):
    return pytest.param(options, id=" ".join(options))


@pytest.mark.parametrize("options", [
    limited("--memory", "bogus"), limited("--cpus", "0"), limited("--pids", "0"),
])
def test_a_limit_that_isnt_one_is_refused_at_once(options):
    with way_of(NAMES[0]) as way:
        caller = way.start(*options)
        assert caller.first.startswith("error EINVAL 0 "), caller.first


@pytest.fixture
def plain():
    with way_of(NAMES[0]) as way:
        yield way


def own_cgroups(pid):
    return {path for path in proc.cgroups(pid).values() if "/conjoin/" in path}


def test_memory_is_limited_for_each_command_with_its_tree(plain):
    caller = plain.start("--memory", "24m")
    assert caller.first == "ready"
    hog = "print(len(bytearray(100 << 20)))"
    assert caller.run("/usr/bin/python3", "-c", hog) == "signal 9"
    assert caller.run("sh", "-c", f"/usr/bin/python3 -c '{hog}' || exit 5") in ("exit 5", "signal 9")
    assert caller.run("true") == "exit 0"
    first, one = caller.spawn("sleep", "1000")
    second, two = caller.spawn("sleep", "1000")
    assert own_cgroups(one) and not own_cgroups(one) & own_cgroups(two)
    for child in first, second:
        caller.order("kill", child)
        assert caller.finish(child) == "signal 9"
    assert caller.end() == ""


def test_the_number_of_processes_is_limited(plain, scratch):
    caller = plain.start("--pids", "5")
    out = os.path.join(scratch, "out")
    caller.order("out", out)
    loop = "for i in 1 2 3 4 5 6 7 8; do sleep 1000 & done; echo $i"
    child, pid = caller.spawn("bash", "-c", loop)
    wait_for(lambda: "fork" in read(out), what="a fork that fails")
    caller.order("kill", child)
    assert caller.finish(child) == "signal 9"
    assert not proc.alive(pid)
    assert caller.run("true") == "exit 0"


def test_processors_are_limited(plain):
    caller = plain.start("--cpus", "0.5")
    child, pid = caller.spawn("sleep", "1000")
    folders = [proc.cgroup_directory(key, path) for key, path in proc.cgroups(pid).items()
               if "/conjoin/" in path]
    told = [read(os.path.join(folder, name)).strip() for folder in folders
            for name in ("cpu.max", "cpu.cfs_quota_us") if os.path.exists(os.path.join(folder, name))]
    assert any(text in ("50000 100000", "50000") for text in told), told
    caller.order("kill", child)
    caller.finish(child)


def test_a_daemon_dies_with_its_limited_command_and_the_cgroups_go(plain, scratch):
    caller = plain.start("--pids", "20")
    path = os.path.join(scratch, "daemon")
    child, pid = caller.spawn("sh", "-c", DAEMON.format(path, "exec sleep 1000"))
    daemon = daemon_of(path)
    folders = [proc.cgroup_directory(key, path) for key, path in proc.cgroups(pid).items()
               if "/conjoin/" in path]
    assert folders and all(map(os.path.exists, folders))
    caller.order("kill", child)
    assert caller.order("wait", child) == "signal 9"
    caller.settled(child)
    assert not proc.alive(daemon)
    assert not any(map(os.path.exists, folders))
    assert caller.order("free", child) == "ok"


def read(path):
    with open(path, encoding="utf-8") as f:
        return f.read()

