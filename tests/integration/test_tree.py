# SPDX-License-Identifier: MIT
"""All that a command has started can be found, killed and waited for: --timeout, --kill-tree, --wait-all.
Not here: the command itself (test_timeout.py), what a supervisor that is killed leaves
(test_nothing_left.py)."""

import os
import signal
import subprocess
import time

import pytest

from lib import proc
from lib.brood import (BROOD, FINDING, HAS_FREEZER, HAS_V2, KINDS, PROGRAM, WAYS, Box, end, read,
                       remove, write)
from lib.failure import assert_failed
from lib.held import Held, child_of, is_watchdog, watchdog_of
from lib.poll import wait_for

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root"),
    pytest.mark.skipif(not os.path.exists(PROGRAM), reason=f"there is no program {PROGRAM}"),
]

CANT = "cgroups: none can be made for the command's tree"
SECOND = 1.0
LIMIT = 0.8  # the brood has to be there by then
AT_ONCE = ["--timeout", str(LIMIT), "--grace", "0"]


@pytest.fixture(scope="module")
def box(sandbox_program, rootfs):
    made = Box(sandbox_program, rootfs)
    yield made
    made.stop()


@pytest.fixture(params=WAYS)
def way(request, conjoin, box):
    with WAYS[request.param](conjoin, box) as made:
        yield made


@pytest.fixture(params=FINDING)
def finding(request, conjoin, box):
    """One of those by which all can be found."""
    with WAYS[request.param](conjoin, box) as made:
        yield made


@pytest.fixture
def bystanders(conjoin, box):
    """Whoever isn't the command's: another command in the same cgroups, one that it left behind, a process
    of the host. They have to live on."""
    mine = subprocess.Popen(["sleep", "1000"], start_new_session=True)
    with Held(conjoin, box) as other:
        before = box.members()
        assert conjoin.exec(box, BROOD, "daemon", "end").returncode == 0
        left = box.members() - before
        assert len(left) == 1
        yield {mine.pid, other.pid, box.pid, *left}
        assert all(map(proc.alive, (mine.pid, other.pid, box.pid, *left)))
        end(left)
    mine.kill()
    mine.wait()


def timed(run, *args, **more):
    begin = time.monotonic()
    done = run(*args, **more)
    return done, time.monotonic() - begin


def assert_told_once(done, whole):
    assert done.stderr.count(CANT) == (0 if whole else 1), done.stderr
    assert len(done.stderr.splitlines()) <= 1


# --- time is up ---


@pytest.mark.parametrize("kind", KINDS)
def test_time_ends_all_that_can_be_found_and_nobody_else(way, kind, box, bystanders):
    before = box.members()
    done, took = timed(way.exec, box, BROOD, kind, options=AT_ONCE)
    assert (done.returncode, done.stdout) == (124, "ready\n")
    assert took < LIMIT + SECOND
    assert_told_once(done, way.whole)
    left = box.members() - before
    if kind == "daemon" and not way.whole:
        assert len(left) == 1, "what has left the session can't be told from others"
        end(left)
    else:
        assert left == set()
    assert bystanders <= {*box.members(), *proc.pids()}
    wait_for(lambda: box.trees() == set(), what="the cgroup to be gone")


def test_a_brood_of_all_kinds_is_gone_within_a_second(finding, box, bystanders):
    before = box.members()
    done, took = timed(finding.exec, box, BROOD, *(KINDS * 8), options=AT_ONCE)
    assert (done.returncode, done.stdout, done.stderr) == (124, "ready\n", "")
    assert took < LIMIT + SECOND and box.members() == before


def test_a_fork_bomb_in_a_cgroup_of_its_own(conjoin, box, bystanders):
    before = box.members()
    done, took = timed(conjoin.exec, box, BROOD, "bomb", options=[
        "--cgroup", "own", "--pids-limit", "60", *AT_ONCE])
    assert done.returncode == 124
    assert took < LIMIT + SECOND and box.members() == before


@pytest.fixture
def few(box):
    """No more than sixty processes in the box."""
    folder = next(path for key, path in box.cgroup_dirs().items() if "pids" in key.split(","))
    write(os.path.join(folder, "pids.max"), 60)
    yield os.path.join(folder, "pids.current")
    write(os.path.join(folder, "pids.max"), "max")


@pytest.mark.skipif(not any("pids" in m["options"] for m in proc.cgroup_mounts()),
                    reason="the pids controller isn't one of v1's")
def test_a_fork_bomb_within_the_containers_own_limit(finding, box, few, bystanders):
    before = box.members()
    process = finding.conjoin.popen("exec", *finding.options, "--timeout", "1", "--grace", "0",
                                    box.pid, BROOD, "bomb", stdout=subprocess.DEVNULL)
    try:
        wait_for(lambda: int(read(few)) >= 55, what="the bomb to go off")
        assert process.wait(1 + 2 * SECOND) == 124
        assert box.members() == before
    finally:
        process.kill()
        process.wait()


def test_another_signal_than_sigterm(conjoin, box):
    script = "trap 'echo got; exit 3' USR1; while :; do sleep 0.01; done"
    for name in ("USR1", "sigusr1", str(int(signal.SIGUSR1))):
        done = conjoin.exec(box, "sh", "-c", script, options=["--timeout", "0.2", "--signal", name])
        assert (done.returncode, done.stdout) == (124, "got\n"), name


def test_a_signal_that_is_none_is_named(conjoin, box):
    for name in ("", "0", "TERMINATE", "99", "-1"):
        done = conjoin.exec(box, "true", options=["--timeout", "1", "--signal", name])
        assert_failed(done, 125, f'"{name}"')
    assert_failed(conjoin.exec(box, "true", options=["--signal", "HUP"]), 125, "--timeout")


# --- the command has ended ---


def test_what_a_command_leaves_stays(conjoin, box):
    before = box.members()
    assert conjoin.exec(box, BROOD, "daemon", "orphan", "end").returncode == 0
    left = box.members() - before
    assert len(left) == 2
    end(left)


@pytest.mark.parametrize("kind", KINDS)
def test_unless_the_tree_is_to_be_killed(way, kind, box, bystanders):
    before = box.members()
    done = way.exec(box, "sh", "-c", f"{BROOD} {kind} end; exit 7", options=["--kill-tree"])
    assert done.returncode == 7
    assert_told_once(done, way.whole)
    left = box.members() - before
    assert len(left) == (1 if kind == "daemon" and not way.whole else 0)
    end(left)


def waiting(way, box, *command, options=()):
    return way.conjoin.popen("exec", *way.options, "--wait-all", *options, box.pid, *command,
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def test_all_are_waited_for(finding, box):
    before = box.members()
    process = waiting(finding, box, "sh", "-c", f"{BROOD} daemon child end; exit 7")
    try:
        wait_for(lambda: box.members() - before and command_is_gone(process.pid))
        left = box.members() - before
        assert len(left) == 2
        assert process.poll() is None
        end([left.pop()])
        assert process.poll() is None
        end(left)
        assert (process.wait(10), process.stderr.read()) == (7, b"")
    finally:
        process.kill()
        process.communicate()


def test_only_the_session_is_waited_for_where_nothing_else_can_be_found(conjoin, box):
    with WAYS["hidden"](conjoin, box) as way:
        before = box.members()
        done = way.exec(box, BROOD, "daemon", "end", options=["--wait-all"])
        assert done.returncode == 0
        assert_told_once(done, False)
        end(box.members() - before)


TRAPPING = """
sh -c 'trap "exit 0" USR1; : >/trapping; while :; do sleep 0.01; done' </dev/null >/dev/null 2>&1 &
while [ ! -e /trapping ]; do sleep 0.01; done; rm /trapping; echo on; exit 5"""


def test_signals_reach_those_who_are_waited_for(way, box):
    before = box.members()
    process = waiting(way, box, "sh", "-c", TRAPPING)
    try:
        assert process.stdout.readline() == b"on\n"
        wait_for(lambda: command_is_gone(process.pid), what="the end of the command")
        process.send_signal(signal.SIGUSR1)
        assert process.wait(10) == 5
        assert box.members() == before
    finally:
        process.kill()
        process.communicate()


def command_is_gone(supervisor):
    """Has it waited for the command?"""
    with open(f"/proc/{supervisor}/task/{supervisor}/children", encoding="ascii") as f:
        return all(map(is_watchdog, f.read().split()))


def test_killed_while_it_waits_for_them_it_ends_those_of_the_session(conjoin, box):
    """Without a cgroup: the command itself has ended by then."""
    before = box.members()
    with WAYS["hidden"](conjoin, box) as way:
        process = waiting(way, box, "sh", "-c", f"{BROOD} child end; exit 3")
        wait_for(lambda: len(box.members() - before) == 1 and not [
            pid for pid in box.members() - before if proc.read(pid, "comm") == b"sh\n"])
        process.kill()
        process.communicate()
        wait_for(lambda: box.members() == before, what="the end of whom it has waited for")


@pytest.mark.parametrize("kind", ["child", "deaf", "daemon"])
def test_time_counts_for_those_who_are_waited_for(finding, kind, box):
    before = box.members()
    done, took = timed(finding.exec, box, BROOD, kind, "end", options=["--wait-all", *AT_ONCE])
    assert done.returncode == 124 and LIMIT <= took < LIMIT + SECOND
    assert box.members() == before


def test_those_who_are_waited_for_have_their_grace(conjoin, box):
    script = TRAPPING.replace("USR1", "TERM").replace('"exit 0"', '"sleep 0.2; : >/told; exit 0"')
    done = conjoin.exec(box, "sh", "-c", script,
                        options=["--wait-all", "--timeout", str(LIMIT), "--grace", "8"])
    assert done.returncode == 124
    assert conjoin.exec(box, "rm", "/told").returncode == 0


# --- which cgroup ---


def test_the_cgroup_is_a_child_of_the_targets_without_controllers(finding, conjoin, box):
    before = {name: read_all(folder) for name, folder in box.cgroup_dirs().items()}
    with Held(conjoin, box, ["--timeout", "1h"]) as command:
        theirs, found = box.cgroups(), command.cgroups()
        other = [name for name in theirs if theirs[name] != found[name]]
        assert other == [finding.hierarchy]
        top, _, name = found[other[0]].rpartition("/")
        assert top == theirs[other[0]] and name.startswith("conjoin-")
        assert proc.cgroups(command.supervisor) == proc.cgroups()
        after = {name: read_all(folder) for name, folder in box.cgroup_dirs().items()}
        assert after == before
        assert command.end()[0] == 0
    assert box.trees() == set()


def read_all(folder):
    """What says which controllers are on, and which limits there are."""
    found = {}
    for name in sorted(os.listdir(folder)):
        if name.endswith((".subtree_control", ".controllers", ".max", ".type", "_in_bytes")):
            if "usage" not in name and "failcnt" not in name:
                try:
                    found[name] = read(os.path.join(folder, name))
                except OSError:
                    pass  # only to be written
    return found


@pytest.mark.skipif(not HAS_V2, reason="no v2 hierarchy is mounted")
def test_a_threaded_target_has_another_way(conjoin, sandbox_program, rootfs):
    box = Box(sandbox_program, rootfs)
    folder = box.cgroup_dirs()[""]
    leaf = os.path.join(folder, "conjoin-threaded")
    os.mkdir(leaf)
    try:
        write(os.path.join(leaf, "cgroup.type"), "threaded")
        write(os.path.join(leaf, "cgroup.procs"), box.pid)
        before = box.members()
        done = conjoin.exec(box, BROOD, "daemon", options=AT_ONCE)
        assert done.returncode == 124
        assert_told_once(done, HAS_FREEZER)
        assert HAS_FREEZER == (box.members() == before)
    finally:
        write(os.path.join(folder, "cgroup.procs"), box.pid)
        wait_for(lambda: remove(leaf))
        box.stop()


def test_a_command_in_our_own_cgroups_has_one_there(conjoin):
    process = conjoin.popen("exec", "--timeout", "1h", "self", "cat", stdin=subprocess.PIPE)
    try:
        wait_for(lambda: "/conjoin-" in read(f"/proc/{child_of(process.pid)}/cgroup"))
    finally:
        process.stdin.close()
        assert process.wait(10) == 0


# --- commands that play with their cgroup: as root of a container whose cgroupfs takes writes ---


@pytest.fixture
def held(finding, conjoin, box):
    """A limited command; its cgroup's directory."""
    command = Held(conjoin, box, ["--kill-tree"])
    yield command, next(iter(box.trees()))
    command.process.kill()
    command.process.communicate()


def daemon_in(conjoin, box, command):
    """Somebody of the command's tree, who isn't of its session: moved in here as it were by the command."""
    before = box.members()
    assert conjoin.exec(box, BROOD, "daemon", "end").returncode == 0
    pid, = box.members() - before
    return pid


def test_one_that_moves_itself_out_is_killed_as_its_sessions(finding, conjoin, box):
    before = box.members()
    with Held(conjoin, box, ["--kill-tree"], command=[
            "sh", "-c", "sleep 1000 </dev/null >/dev/null 2>&1 & exec cat"]) as command:
        pid, = box.members() - before - {command.pid}
        folder = next(iter(box.trees()))
        write(os.path.join(os.path.dirname(folder), "cgroup.procs"), pid)
        assert str(pid) not in read(f"{folder}/cgroup.procs").split()
        assert command.end() == (0, "")
    assert box.members() == before


def test_cgroups_below_its_own_are_emptied_and_removed(held, conjoin, box):
    command, folder = held
    pid = daemon_in(conjoin, box, command)
    deep = os.path.join(folder, "a/b/c")
    os.makedirs(deep)
    os.makedirs(os.path.join(folder, "d"))
    write(os.path.join(deep, "cgroup.procs"), pid)
    assert command.end()[0] == 0
    assert not proc.alive(pid)
    assert box.trees() == set()


def test_cgroups_without_number_dont_hold_us_up(held, box):
    command, folder = held
    made = [os.path.join(folder, *["x"] * 40), *(os.path.join(folder, f"y{i}") for i in range(300))]
    for path in made:
        os.makedirs(path)
    begin = time.monotonic()
    assert command.end()[0] == 0
    assert time.monotonic() - begin < 5
    for tree in box.trees():  # deeper than we go
        for parent, names, _ in os.walk(tree, topdown=False):
            for name in names:
                remove(os.path.join(parent, name))
        remove(tree)
    assert box.trees() == set()


def freeze(folder, pid=None):
    """The cgroup; or, with `pid`, that process in one below."""
    if pid:
        folder = os.path.join(folder, "below")
        os.mkdir(folder)
        write(os.path.join(folder, "cgroup.procs"), pid)
    state = os.path.join(folder, "freezer.state")
    if os.path.exists(state):
        write(state, "FROZEN")
        wait_for(lambda: read(state).strip() == "FROZEN")
    else:
        write(os.path.join(folder, "cgroup.freeze"), 1)
        wait_for(lambda: "frozen 1" in read(os.path.join(folder, "cgroup.events")))


@pytest.mark.parametrize("below", [False, True], ids=["its own", "one below"])
def test_one_that_freezes_itself_is_ended_by_time(finding, conjoin, box, below):
    before = box.members()
    process = conjoin.popen("exec", *AT_ONCE, box.pid, "sleep", "1000")
    try:
        folder = wait_for(lambda: next(iter(box.trees()), None))
        pid = wait_for(lambda: next(iter(box.members() - before), None))
        wait_for(lambda: proc.read(pid, "comm") == b"sleep\n")
        freeze(folder, pid if below else None)
        assert process.wait(LIMIT + 2 * SECOND) == 124
        assert box.members() == before and box.trees() == set()
    finally:
        process.kill()
        process.wait()


MANY = 12


def test_those_that_are_frozen_while_they_start_are_ended_by_time(finding, conjoin, box):
    """Before execve, or right after it: some of them are caught there."""
    started = [conjoin.popen("exec", *AT_ONCE, box.pid, "sleep", "1000", stderr=subprocess.DEVNULL)
               for _ in range(MANY)]
    try:
        caught = set()
        while any(process.poll() is None for process in started):
            for folder in box.trees() - caught:
                caught |= freeze_first(folder, len(caught) % 2 == 0)
        assert [process.wait() for process in started] == [124] * MANY
        assert len(caught) > MANY / 2 and box.trees() == set()
    finally:
        for process in started:
            process.kill()
            process.wait()


def freeze_first(folder, stage):
    """The first process there, which is the stage for a moment, or whoever isn't. Where it was, if there was one."""
    try:
        for pid in read(f"{folder}/cgroup.procs").split():
            if stage or proc.namespaces(pid)["pid"] != proc.namespaces("self")["pid"]:
                freeze(folder, pid)
                return {folder}
    except OSError:
        pass  # it has just ended
    return set()


# --- runtimes ---


@pytest.mark.parametrize("runtime", ["runc", "crun"])
def test_a_container_can_be_deleted_while_our_cgroup_is_there(request, conjoin, runtime):
    container = request.getfixturevalue(runtime)()
    folders = container.cgroup_dirs()
    command = Held(conjoin, container, ["--timeout", "1h"])
    assert "/conjoin-" in command.read("cgroup")
    container.call("delete", "--force", container.name)
    assert command.process.wait(20) == 128 + signal.SIGKILL
    command.end()
    own = [path for path in folders.values() if container.name in path]
    assert own
    wait_for(lambda: not any(map(os.path.exists, own)), what=f"end of {own}")


def test_the_watchdogs_end_ends_nobody_else(finding, conjoin, box):
    with Held(conjoin, box, ["--timeout", "1h"]) as command:
        watchdog = watchdog_of(command.supervisor)
        os.kill(watchdog, signal.SIGKILL)
        wait_for(lambda: not proc.alive(watchdog))
        assert proc.alive(command.pid) and proc.alive(command.supervisor)
        assert command.end() == (0, "")
    assert box.trees() == set()


def test_an_ordinary_user_is_told_that_none_can_be_made(conjoin, sandbox, unprivileged):
    """In a container of his own, where he may neither make cgroups."""
    box = sandbox(user=65534, caps="docker", no_cgroup=True)
    begin = time.monotonic()
    done = unprivileged([conjoin.path, "exec", *AT_ONCE, box.pid, "sh", "-c",
                         "trap '' TERM; sleep 1000 & sleep 1000"])
    assert (done.returncode, done.stdout) == (124, "")
    assert_told_once(done, False)
    assert time.monotonic() - begin < LIMIT + 2 * SECOND
    wait_for(lambda: not any(sleeps_in(box, pid) for pid in proc.pids()))


def sleeps_in(box, pid):
    try:
        return (proc.namespaces(pid).get("pid") == box.ns()["pid"] and proc.alive(pid)
                and b"1000" in proc.read(pid, "cmdline"))
    except OSError:
        return False
