# SPDX-License-Identifier: MIT
"""Which cgroups a command is in, and what happens when one can't be joined. Not here: cgroups of
our own and their limits (test_own_cgroups.py)."""

import os
import re
import subprocess
import threading
import time

import pytest

from lib import proc
from lib.held import Held
from lib.poll import wait_for
from lib.program import TIMEOUT, clean_env
from lib.sandbox import Sandbox

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")

MOUNTS = proc.cgroup_mounts()
HAS_V2 = any(mount["type"] == "cgroup2" for mount in MOUNTS)
FREEZERS = ["v1"] * any("freezer" in mount["options"] for mount in MOUNTS) + ["v2"] * HAS_V2
SHORT = 1.0


@pytest.fixture(scope="module")
def box(sandbox_program, rootfs):
    made = Sandbox(sandbox_program, rootfs, caps="docker")
    yield made
    made.stop()


def write(path, text):
    with open(path, "w", encoding="ascii") as f:
        f.write(text)


def read(path):
    with open(path, encoding="ascii") as f:
        return f.read()


def members(folder):
    return {int(pid) for pid in read(os.path.join(folder, "cgroup.procs")).split()}


def elsewhere(conjoin, script, *args):
    """Runs `conjoin ARGS…` in a mount namespace of its own, after `script` was at work there."""
    return subprocess.run(
        ["unshare", "-m", "sh", "-ec", script + '\nexec "$@"', "sh", conjoin.path,
         *map(str, args)], stdin=subprocess.DEVNULL, capture_output=True, text=True,
        timeout=TIMEOUT, check=False, env=clean_env(),
    )


def assert_names_the_cgroup(done, name):
    assert (done.returncode, done.stdout) == (125, "")
    message, hint = (done.stderr.splitlines() + [""])[:2]
    assert re.search(f"^conjoin: exec .*: join {name or '.*'} cgroup /", message), message
    assert hint.startswith("hint: ") and "--cgroup keep" in hint


# --- which ---


def test_the_command_is_in_every_cgroup_of_the_target(conjoin, box):
    with Held(conjoin, box) as command:
        assert command.cgroups() == box.cgroups()
        folders = box.cgroup_dirs()
        assert len(folders) >= len({m["point"] for m in MOUNTS} & set(folders.values()))
        for folder in folders.values():
            assert {box.pid, command.pid} <= members(folder)
        if "memory" in folders and "pids" in folders:  # the sandbox sees to that
            assert box.cgroups()["memory"] != box.cgroups()["pids"]


def test_kept_cgroups_are_ours(conjoin, box):
    with Held(conjoin, box, ["--cgroup", "keep"]) as command:
        assert command.cgroups() == proc.cgroups()
    with Held(conjoin, box, ["--skip", "cgroups"]) as command:
        assert command.cgroups() == proc.cgroups()


def test_trying_joins_all_when_all_can_be_joined(conjoin, box):
    with Held(conjoin, box, ["--cgroup", "try"]) as command:
        assert command.cgroups() == box.cgroups()
        assert command.end() == (0, "")


@pytest.mark.parametrize("mode", ["", "Target", "none", "target,keep"])
def test_a_mode_that_is_none_is_refused(conjoin, box, mode):
    done = conjoin.exec(box, "true", options=["--cgroup", mode])
    assert done.returncode == 125
    assert f'cgroup "{mode}" (there are: target keep own try)' in done.stderr


def test_a_target_deeper_than_its_container_is_followed_to_its_leaf(conjoin, box):
    with Held(conjoin, box) as deep:
        leaves = [os.path.join(folder, "conjoin-deep") for folder in box.cgroup_dirs().values()
                  if "cpuset" not in folder]
        try:
            for leaf in leaves:
                os.mkdir(leaf)
                write(os.path.join(leaf, "cgroup.procs"), str(deep.pid))
            with Held(conjoin, deep) as command:
                assert command.cgroups() == deep.cgroups() != box.cgroups()
        finally:
            deep.end()
            for leaf in leaves:
                wait_for(lambda: remove(leaf))


def remove(folder):
    """True when it's gone: a process that has ended holds it for a moment."""
    try:
        os.rmdir(folder)
    except OSError:
        return False
    return True


def test_hierarchies_that_we_are_in_are_left_alone(conjoin, sandbox):
    """Not even looked for: here there's nothing of them to be seen."""
    box = sandbox(no_cgroup=True, caps="docker")
    done = elsewhere(conjoin, "mount -t tmpfs tmpfs /sys/fs/cgroup", "exec", box.pid, "echo", "x")
    assert (done.returncode, done.stdout, done.stderr) == (0, "x\n", "")
    assert "where we already are" in conjoin.exec(box, "x", options=["--dry-run"]).stdout


def test_one_hierarchy_that_we_are_in_is_left_alone(conjoin, box):
    """A caller in the target's own pids cgroup, that has no way to write there."""
    folder = box.cgroup_dirs()["pids"]
    script = f"echo $$ > {folder}/cgroup.procs; mount -o bind,ro {folder} {folder}"
    done = elsewhere(conjoin, script, "exec", box.pid, "cat", "/proc/self/cgroup")
    assert done.returncode == 0, done.stderr
    inside = conjoin.exec(box, "cat", "/proc/1/cgroup").stdout
    assert done.stdout == inside


@pytest.fixture
def nowhere(box, scratch):
    """The target is in a cgroup of a hierarchy that isn't mounted anywhere any more."""
    name = f"name=conjoin-test-{os.getpid()}"
    point = os.path.join(scratch, "point")
    os.mkdir(point)

    def run(script):  # in a mount namespace of its own, so nobody else ever sees the mount
        mount = f"mount -t cgroup -o none,{name} cgroup {point}; {script}; umount {point}"
        subprocess.run(["unshare", "-m", "sh", "-ec", mount], check=True)

    def gone():
        """It goes a moment after its last mount, if no cgroup that has ended still counts."""
        if name in proc.cgroups():
            run(":")
        return name not in proc.cgroups()

    run(f"mkdir {point}/conjoin-test; echo {box.pid} > {point}/conjoin-test/cgroup.procs")
    yield name
    run(f"echo {box.pid} > {point}/cgroup.procs; rmdir {point}/conjoin-test")
    wait_for(gone, what="end of the hierarchy")


def test_a_hierarchy_that_is_mounted_nowhere_is_skipped_with_a_warning(conjoin, box, nowhere):
    assert box.cgroups()[nowhere] == "/conjoin-test"
    with Held(conjoin, box) as command:
        theirs, found = box.cgroups(), command.cgroups()
        assert found.pop(nowhere) == "/" != theirs.pop(nowhere)
        assert found == theirs
        status, told = command.end()
        assert status == 0
        assert told.count("\n") == 1 and "warning" in told and nowhere in told
    assert "mounted nowhere" in conjoin.exec(box, "x", options=["--dry-run"]).stdout


# --- what can't be joined ---

POINT = next((m["point"] for m in MOUNTS if "memory" in m["options"]), None)
UNIFIED = next((m["point"] for m in MOUNTS if m["type"] == "cgroup2"), None)
COVER = f"mount -t tmpfs tmpfs {POINT}"
HIDE = {
    "another file system over the hierarchy": (COVER, "memory"),
    "another one over v2": (f"mount -t tmpfs tmpfs {UNIFIED}", "unified"),
    "another one over all of them": ("mount -t tmpfs tmpfs /sys/fs/cgroup", ""),
    "a hierarchy that takes no writes": (f"mount -o remount,bind,ro {POINT}", "memory"),
}


@pytest.mark.parametrize("how", list(HIDE))
def test_a_cgroup_out_of_reach_is_an_error_that_names_it(conjoin, box, how):
    script, name = HIDE[how]
    done = elsewhere(conjoin, script, "exec", box.pid, "echo", "ran")
    assert_names_the_cgroup(done, name)
    done = elsewhere(conjoin, script, "exec", "--cgroup", "keep", box.pid, "echo", "ran")
    assert (done.returncode, done.stdout, done.stderr) == (0, "ran\n", "")


def test_a_fake_that_takes_writes_is_not_believed(conjoin, box):
    folder = box.cgroup_dirs()["memory"]
    script = f"mount -t tmpfs tmpfs {POINT}; mkdir -p {folder}; touch {folder}/cgroup.procs"
    assert_names_the_cgroup(elsewhere(conjoin, script, "exec", box.pid, "true"), "memory")


def test_trying_goes_on_without_it_after_one_warning(conjoin, box):
    done = elsewhere(conjoin, COVER, "exec", "--cgroup", "try", box.pid, "cat",
                     "/proc/self/cgroup")
    assert done.returncode == 0
    assert len(done.stderr.splitlines()) == 1 and "memory" in done.stderr
    inside = proc.parse_cgroup(done.stdout)
    init = proc.parse_cgroup(conjoin.exec(box, "cat", "/proc/1/cgroup").stdout)
    assert inside.pop("memory") != init.pop("memory")
    assert inside == init


def test_a_part_of_a_hierarchy_mounted_over_it_does_not_mislead(conjoin, box):
    """There the target's path names another cgroup, into which nobody wants to go."""
    path = box.cgroups()["pids"]
    point = next(m["point"] for m in MOUNTS if "pids" in m["options"])
    other = f"{point}/conjoin-test-{os.getpid()}-other"
    script = f"mount --bind {other} {point}"
    os.makedirs(other + path)
    try:
        done = elsewhere(conjoin, script, "exec", box.pid, "cat", "/proc/self/cgroup")
        if done.returncode == 0:
            init = conjoin.exec(box, "cat", "/proc/1/cgroup").stdout
            assert proc.parse_cgroup(done.stdout)["pids"] == proc.parse_cgroup(init)["pids"]
        else:
            assert_names_the_cgroup(done, "pids")
    finally:
        while path.strip("/"):
            wait_for(lambda: remove(other + path))
            path = os.path.dirname(path)
        os.rmdir(other)


@pytest.fixture
def threaded(sandbox):
    """A target in a threaded cgroup."""
    if not HAS_V2:
        pytest.skip("no v2 hierarchy is mounted")
    box = sandbox(caps="docker")
    folder = box.cgroup_dirs()[""]
    leaf = os.path.join(folder, "conjoin-threaded")
    os.mkdir(leaf)
    write(os.path.join(leaf, "cgroup.type"), "threaded")
    write(os.path.join(leaf, "cgroup.procs"), str(box.pid))
    yield box
    write(os.path.join(folder, "cgroup.procs"), str(box.pid))
    wait_for(lambda: remove(leaf))


def test_a_threaded_cgroup_is_joined(conjoin, threaded):
    with Held(conjoin, threaded) as command:
        assert command.cgroups() == threaded.cgroups()


def test_a_real_time_caller_enters_a_container_that_has_no_such_budget(conjoin, box):
    """The cpu cgroup takes no real-time process there: the command isn't one, nor is the target."""
    def real_time():
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(3))

    done = conjoin.exec(box, "true", preexec_fn=real_time)
    if done.returncode != 0:
        assert_names_the_cgroup(done, "cpu")


# --- paused targets ---


def freezer_file(box, version):
    folders = box.cgroup_dirs()
    if version == "v2":
        return os.path.join(folders[""], "cgroup.freeze"), "1", "0"
    return os.path.join(folders["freezer"], "freezer.state"), "FROZEN", "THAWED"


def is_frozen(path):
    if path.endswith("freezer.state"):
        return read(path).strip() == "FROZEN"
    return "frozen 1" in read(os.path.join(os.path.dirname(path), "cgroup.events"))


@pytest.fixture(params=FREEZERS)
def freezer(request, box):
    path, on, off = freezer_file(box, request.param)
    yield path, on, off
    write(path, off)
    wait_for(lambda: not is_frozen(path))


@pytest.mark.parametrize("mode", ["target", "keep", "try", "own"])
def test_a_paused_target_is_refused_at_once(conjoin, box, freezer, mode):
    path, on, _ = freezer
    write(path, on)
    wait_for(lambda: is_frozen(path))
    began = time.monotonic()
    done = conjoin.exec(box, "true", options=["--cgroup", mode])
    assert time.monotonic() - began < SHORT
    assert (done.returncode, done.stdout) == (125, "")
    assert "paused" in done.stderr and "hint: " in done.stderr


def test_a_pause_of_a_cgroup_above_counts_as_well(conjoin, box, freezer):
    path, on, _ = freezer
    leaf = os.path.join(os.path.dirname(path), "conjoin-below")
    with Held(conjoin, box) as deep:
        os.mkdir(leaf)
        try:
            write(os.path.join(leaf, "cgroup.procs"), str(deep.pid))
            write(path, on)
            wait_for(lambda: is_frozen(path))
            done = conjoin.exec(deep, "true")
            assert done.returncode == 125 and "paused" in done.stderr
        finally:
            write(path, freezer[2])
            deep.end()
            wait_for(lambda: remove(leaf))


def test_a_pause_while_the_command_starts_never_hangs(conjoin, box, freezer):
    """Paused and resumed as fast as it goes: each start works, or says why not, and soon."""
    path, on, off = freezer
    stop = threading.Event()

    def pester():
        while not stop.is_set():
            write(path, on)
            write(path, off)

    thread = threading.Thread(target=pester)
    thread.start()
    try:
        for _ in range(40):
            done = conjoin.exec(box, "true", timeout=20)
            assert done.returncode in (0, 125)
            assert done.returncode == 0 or "paused" in done.stderr
    finally:
        stop.set()
        thread.join()


def test_a_pause_that_stays_ends_the_start_and_leaves_nothing(conjoin, box, freezer):
    """At each moment of a start. Once the command itself runs it waits, as all in there does."""
    path, on, off = freezer
    for step in range(30):
        started = conjoin.popen("exec", box.pid, "true", stderr=subprocess.PIPE)
        pause = time.monotonic() + step * 0.0001
        while time.monotonic() < pause:
            pass
        write(path, on)
        wait_for(lambda: started.poll() is not None or runs_in(started.pid, "true"), 10,
                 "end of the start")
        write(path, off)
        _, stderr = started.communicate(timeout=10)
        assert started.returncode in (0, 125)
        assert started.returncode == 0 or b"paused" in stderr
    assert members(os.path.dirname(path)) == {box.pid}


def runs_in(supervisor, comm):
    """Has the command come as far as execve?"""
    try:
        children = read(f"/proc/{supervisor}/task/{supervisor}/children").split()
        return any(read(f"/proc/{child}/comm").strip() == comm for child in children)
    except (FileNotFoundError, ProcessLookupError):
        return False
