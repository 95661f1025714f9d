# SPDX-License-Identifier: MIT
"""Who survives a command, in which cgroup; and cgroups that runs which were killed have left: what the next one
removes, and what it doesn't. Not here: the end of those who don't survive (test_tree.py)."""

import os
import re
import signal
import subprocess

import pytest

from lib import proc
from lib.brood import BROOD, FINDING, PROGRAM, WAYS, Box, end, remove, write
from lib.held import Held, watchdog_of
from lib.poll import wait_for

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root"),
    pytest.mark.skipif(not os.path.exists(PROGRAM), reason=f"there is no program {PROGRAM}"),
]

NAME = re.compile(r"conjoin-(\d+:s?\d+)\.(\d+)\.([0-9a-f]+)")
PF_EXITING = 0x4
MINUTE = 60 << 32  # in the units of a name's time


@pytest.fixture(scope="module")
def box(sandbox_program, rootfs):
    made = Box(sandbox_program, rootfs)
    yield made
    made.stop()


@pytest.fixture(params=FINDING)
def finding(request, conjoin, box):
    """A way by which all that a command has started can be found."""
    with WAYS[request.param](conjoin, box) as made:
        yield made


# --- who survives ---


LIMITS = [[], ["--timeout", "1h"]]


@pytest.mark.parametrize("limit", LIMITS, ids=["", "limited"])
def test_what_a_command_leaves_is_where_it_would_be_without_us(finding, box, limit):
    before = box.members()
    done = finding.exec(box, "sh", "-c", f"{BROOD} daemon orphan end; exit 7", options=limit)
    left = box.members() - before
    try:
        assert done.returncode == 7 and done.stderr == "" and len(left) == 2
        assert [proc.cgroups(pid) for pid in left] == [box.cgroups()] * 2
        assert box.trees() == set()
    finally:
        end(left)


def cgroups_of_living(pid):
    """Of who is on its way out v1 says that it's in the root: then None."""
    try:
        found = proc.cgroups(pid)
        return None if int(proc.stat_fields(pid)[6]) & PF_EXITING else found
    except OSError:
        return None


def test_those_who_make_more_of_them_all_the_time_are_moved_too(finding, box):
    """Or stay where they are, with their cgroup: never some here and some there without it."""
    script = "while :; do true & true & wait; done >/dev/null 2>&1 & exit 7"
    before = box.members()
    done = finding.exec(box, "sh", "-c", script, options=["--timeout", "1h"])
    pids = [pid for pid in box.members() - before if comm(pid) == b"sh\n"]
    try:
        assert done.returncode == 7 and pids
        assert {tuple(found.items()) for found in map(cgroups_of_living, pids) if found} == {
            tuple(box.cgroups().items())}
        assert box.trees() == set()
    finally:
        wait_for(lambda: not killed(box, before), what="end of them all")


def comm(pid):
    try:
        return proc.read(pid, "comm")
    except OSError:
        return None


def killed(box, before):
    left = box.members() - before
    end(left)
    return left


def test_limits_stay_with_whom_they_are_for(conjoin, box):
    before = box.members()
    limited = ["--cgroup", "own", "--pids-limit", "20", "--timeout", "1h"]
    assert conjoin.exec(box, BROOD, "daemon", "end", options=limited).returncode == 0
    pid, = box.members() - before
    pids = next(path for key, path in proc.cgroups(pid).items() if "pids" in key.split(",") or key == "")
    end([pid])
    assert "/conjoin/" in pids
    wait_for(lambda: conjoin.exec(box, "true", options=limited).returncode == 0 and not os.path.exists(
        proc.cgroup_directory("pids", pids) or "/nowhere"), what="the next one to remove it")


def test_survivors_keep_the_cgroups_that_they_made(finding, conjoin, box):
    command = Held(conjoin, box, ["--timeout", "1h"])
    folder = next(iter(box.trees()))
    before = box.members()
    assert conjoin.exec(box, BROOD, "daemon", "end").returncode == 0
    pid, = box.members() - before  # moved in here as it were by the command
    for name in ("theirs", "empty"):
        os.mkdir(os.path.join(folder, name))
    write(os.path.join(folder, "theirs/cgroup.procs"), pid)
    assert command.end()[0] == 0
    assert proc.alive(pid) and os.path.isdir(os.path.join(folder, "empty"))
    assert conjoin.exec(box, "true", options=["--kill-tree"]).returncode == 0
    assert proc.alive(pid) and os.path.isdir(os.path.join(folder, "empty"))
    end([pid])
    wait_for(lambda: conjoin.exec(box, "true", options=["--kill-tree"]).returncode == 0
             and box.trees() == set(), what="the next one to remove them")


# --- what is left of runs that were killed ---


def test_what_both_leave_is_removed_by_the_next(finding, conjoin, box):
    command = Held(conjoin, box, ["--timeout", "1h"])
    os.kill(watchdog_of(command.supervisor), signal.SIGKILL)
    os.kill(command.supervisor, signal.SIGKILL)
    command.end()
    wait_for(lambda: not proc.alive(command.pid))
    assert len(box.trees()) == 1
    wait_for(lambda: conjoin.exec(box, "true", options=["--timeout", "1h"]).returncode == 0
             and box.trees() == set())


def test_one_whose_maker_lives_stays(finding, conjoin, box):
    """Empty for now: its command isn't in there yet, or has just moved out."""
    with Held(conjoin, box, ["--kill-tree"]) as command:
        folder, = box.trees()
        write(os.path.join(os.path.dirname(folder), "cgroup.procs"), command.pid)
        assert conjoin.exec(box, "true", options=["--kill-tree"]).returncode == 0
        assert box.trees() == {folder}


def fake(box, hierarchy, maker, pidns, time):
    folder = box.cgroup_dirs()[hierarchy]
    path = os.path.join(folder, f"conjoin-{maker}.{pidns}.{time:x}")
    os.mkdir(path)
    return path


def name_of_ours(conjoin, box):
    """(maker, pid namespace, time) as conjoin names one now, whose maker has ended afterwards."""
    with Held(conjoin, box, ["--kill-tree"]):
        folder, = box.trees()
        maker, pidns, time = NAME.fullmatch(os.path.basename(folder)).groups()
    return maker, int(pidns), int(time, 16)


@pytest.mark.parametrize("ours, age, goes", [
    (True, 0, True), (False, 0, False), (False, 2 * MINUTE, True), (False, -2 * MINUTE, False)])
def test_which_of_them_are_left_overs(finding, conjoin, box, ours, age, goes):
    """A maker's number means nothing in another pid namespace: there it's one only when it's old."""
    maker, pidns, time = name_of_ours(conjoin, box)
    assert pidns == os.stat("/proc/self/ns/pid").st_ino
    if time < 3 * MINUTE:
        pytest.skip("this machine runs for less than three minutes")
    path = fake(box, finding.hierarchy, maker, pidns if ours else pidns + 1, time - age)
    try:
        assert conjoin.exec(box, "true", options=["--kill-tree"]).returncode == 0
        assert os.path.exists(path) != goes
    finally:
        remove(path)


@pytest.mark.parametrize("name", [
    "conjoin-1:1.1", "conjoin-", "conjoin-x.y.z", "conjoin-1:1.{ns}.", "conjoin-1:1.{ns}.1.1", "conjoin-1:1.{ns}.0x1 ",
    "conjoin-" + "9" * 200, "conjoin-web"])
def test_names_that_others_have_chosen_are_theirs(conjoin, box, name):
    pidns = os.stat("/proc/self/ns/pid").st_ino + 1
    path = os.path.join(next(iter(box.cgroup_dirs().values())), name.format(ns=pidns))
    os.mkdir(path)
    try:
        assert conjoin.exec(box, "true", options=["--kill-tree"]).returncode == 0
        assert os.path.isdir(path)
    finally:
        remove(path)


def test_two_pid_namespaces_dont_take_each_others(conjoin, box):
    """Both see the same cgroups, and none of the other's processes."""
    rounds = 100
    one = f'for i in $(seq {rounds}); do "$0" exec --kill-tree --cgroup own self true || exit; done'
    started = [subprocess.Popen([*before, "sh", "-c", one, conjoin.path], stderr=subprocess.PIPE, text=True)
               for before in ([], ["unshare", "-pf", "--mount-proc"])]
    done = [(process.communicate(timeout=120)[1], process.returncode) for process in started]
    assert done == [("", 0)] * 2


def test_leftovers_without_number_dont_hold_us_up(finding, conjoin, box):
    """A container can make names like these, each with more levels than anybody goes down."""
    maker, pidns, time = name_of_ours(conjoin, box)
    tops = []
    try:
        for i in range(300):
            path = fake(box, finding.hierarchy, maker, pidns, time + i + 1)
            tops.append(path)
            for _ in range(40):
                path = os.path.join(path, "x")
                os.mkdir(path)
        took = wait_for_one(conjoin, box)
        assert took < 1, "all of them have one limit"
        for top in tops[:30]:
            for i in range(1000):
                os.mkdir(os.path.join(top, f"flat{i}"))
        assert wait_for_one(conjoin, box) < 1
    finally:
        for top in tops:
            for folder, _, _ in os.walk(top, topdown=False):
                remove(folder)


def wait_for_one(conjoin, box):
    begin = os.times().elapsed
    assert conjoin.exec(box, "true", options=["--kill-tree"]).returncode == 0
    return os.times().elapsed - begin
