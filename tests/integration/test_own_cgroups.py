# SPDX-License-Identifier: MIT
"""--cgroup own: a fresh cgroup with limits that limit, outside of the target's, gone afterwards.
Not here: the target's cgroups (test_cgroups.py)."""

import os
import signal

import pytest

from lib import proc
from lib.held import Held
from lib.poll import wait_for
from lib.sandbox import Sandbox

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")

MIB = 1 << 20
OWN = ["--cgroup", "own"]
V1 = {word for m in proc.cgroup_mounts() if m["type"] == "cgroup" for word in m["options"]}


@pytest.fixture(scope="module")
def box(sandbox_program, rootfs):
    made = Sandbox(sandbox_program, rootfs, caps="docker")
    yield made
    made.stop()


def read(folder, name):
    with open(os.path.join(folder, name), encoding="ascii") as f:
        return f.read().strip()


def limit_of(command, controller):
    """(directory, text of the limit) of the cgroup that the command itself is in."""
    files = {"memory": ("memory.limit_in_bytes", "memory.max"),
             "cpu": ("cpu.cfs_quota_us", "cpu.max"), "pids": ("pids.max", "pids.max")}
    version = 0 if controller in V1 else 1
    folder = command.cgroup_dirs()[next((
        names for names in command.cgroup_dirs() if controller in names.split(",")), "")]
    return folder, read(folder, files[controller][version]).split()[0]


def own_folders():
    """Everything that any run has made below conjoin/, of ours or of others."""
    found = set()
    for mount in proc.cgroup_mounts():
        base = os.path.join(mount["point"], "conjoin")
        try:
            found |= {entry.path for entry in os.scandir(base) if entry.is_dir()}
        except OSError:
            pass
    return found


def test_an_own_cgroup_is_outside_of_the_targets_and_limits_are_set(conjoin, box):
    options = [*OWN, "--memory", "48m", "--cpus", "0.5", "--pids-limit", "17"]
    with Held(conjoin, box, options) as command:
        cgroups, ours, theirs = command.cgroups(), proc.cgroups(), box.cgroups()
        for controllers, path in cgroups.items():
            if path != ours[controllers]:
                assert "/conjoin/" in path
            assert path != theirs[controllers] or path == ours[controllers]
        folders = {name: limit_of(command, name) for name in ("memory", "cpu", "pids")}
        assert folders["memory"][1] == str(48 * MIB)
        assert folders["cpu"][1] == "50000"
        assert folders["pids"][1] == "17"
        assert all("/conjoin/" in folder for folder, _ in folders.values())
        supervisor = proc.cgroups(command.supervisor)
        assert supervisor == ours
        assert command.end()[0] == 0
    assert not any(os.path.exists(folder) for folder, _ in folders.values())


def test_only_hierarchies_that_a_limit_needs_get_one(conjoin, box):
    with Held(conjoin, box, [*OWN, "--pids-limit", "5"]) as command:
        ours = proc.cgroups()
        made = {key for key, path in command.cgroups().items() if path != ours[key]}
        assert made <= {"pids", ""} and made


def test_without_limits_it_has_one_to_be_killed_by(conjoin, box):
    with Held(conjoin, box, OWN) as command:
        path = command.cgroups().get("")
        assert path is None or path.startswith("/conjoin/")


def test_too_much_memory_ends_the_command_and_not_the_target(conjoin, box):
    done = conjoin.exec(box, "tail", "/dev/zero", options=[*OWN, "--memory", "16m"])
    assert done.returncode == 128 + signal.SIGKILL
    assert box.alive()
    done = conjoin.exec(box, "dd", "if=/dev/zero", "of=/dev/null", "bs=4M", "count=1",
                        options=[*OWN, "--memory", "16m"])
    assert done.returncode == 0


def test_a_fork_bomb_ends_at_the_limit(conjoin, sandbox):
    """The command is the first of eight, so seven more can be made; six, if the stage, which was in the
    cgroup as well, hasn't been reaped by then."""
    box = sandbox(caps="docker")
    script = ("i=0; while [ $i -lt 50 ]; do sleep 1000 </dev/null >/dev/null 2>&1 & "
              "i=$((i+1)); echo $i; done")
    done = conjoin.exec(box, "sh", "-c", script, options=[*OWN, "--pids-limit", "8"])
    assert done.stdout.split()[-1] in ("6", "7")
    assert done.returncode != 0
    assert "fork" in done.stderr
    folders = {os.path.join(folder) for folder in own_folders() if holds(folder, box)}
    assert folders  # the seven live on, and what they are in with them
    box.stop()
    assert conjoin.exec("self", "true", options=[*OWN, "--pids-limit", "8"]).returncode == 0
    wait_for(lambda: removed_by_the_next(conjoin, folders))


def holds(folder, box):
    try:
        pids = read(folder, "cgroup.procs").split()
        return any(proc.namespaces(pid)["pid"] == box.ns()["pid"] for pid in pids)
    except OSError:
        return False


def removed_by_the_next(conjoin, folders):
    conjoin.exec("self", "true", options=[*OWN, "--pids-limit", "8", "--memory", "64m"])
    return not any(map(os.path.exists, folders))


def test_the_processor_is_shared_out(conjoin, box):
    with Held(conjoin, box, [*OWN, "--cpus", "0.05"], command=[
            "sh", "-c", "read x; echo $x; while :; do :; done"]) as command:
        folder, _ = limit_of(command, "cpu")
        wait_for(lambda: "nr_throttled 0" not in read(folder, "cpu.stat"))
        os.kill(command.pid, signal.SIGKILL)
        assert command.process.wait(10) == 128 + signal.SIGKILL


SIZES = {"65536k": 64, "1g": 1024, "0.5g": 512, "67108864": 64, "64M": 64, "64MiB": 64}


def test_sizes_are_written_as_people_write_them(conjoin, box):
    for text, mebibytes in SIZES.items():
        done = conjoin.exec(box, "true", options=[*OWN, "--memory", text, "--dry-run"])
        assert done.returncode == 0, done.stderr
        assert f"={mebibytes * MIB}\n" in done.stdout, text


BAD = [("--memory", "0"), ("--memory", "-1"), ("--memory", "64x"), ("--memory", ""),
       ("--memory", "99999999999999999999g"), ("--cpus", "0"), ("--cpus", "-1"),
       ("--cpus", "1,5"), ("--cpus", "nan"), ("--cpus", "0.001"), ("--pids-limit", "0"),
       ("--pids-limit", "x"), ("--pids-limit", "1.5")]


def test_a_limit_that_is_none_is_refused(conjoin, box):
    for option, value in BAD:
        done = conjoin.exec(box, "true", options=[*OWN, option, value])
        assert (done.returncode, done.stdout) == (125, ""), (option, value)
        assert f'"{value}"' in done.stderr


def test_limits_are_only_for_own_cgroups(conjoin, box):
    for mode in ([], ["--cgroup", "keep"], ["--cgroup", "target"], ["--cgroup", "try"]):
        done = conjoin.exec(box, "true", options=[*mode, "--memory", "64m"])
        assert done.returncode == 125
        assert "hint: --cgroup own" in done.stderr


def test_a_command_that_never_ran_leaves_no_cgroup(conjoin, box):
    before = own_folders()
    options = [*OWN, "--memory", "64m", "--pids-limit", "5"]
    assert conjoin.exec(box, "no-such-command", options=options).returncode == 127
    assert conjoin.exec(box, "true", options=[*options, "-w", "/nowhere"]).returncode == 125
    wait_for(lambda: not own_folders() - before)


def test_a_limit_too_small_to_start_in_is_told(conjoin, box):
    """One page of memory, one process: whatever happens, it's told and nothing is left."""
    for options in (["--memory", "4k"], ["--pids-limit", "1"]):
        done = conjoin.exec(box, "true", options=[*OWN, *options])
        assert done.returncode in (0, 125, 128 + signal.SIGKILL)
        assert done.returncode != 125 or done.stderr.startswith("conjoin: exec ")


def test_what_a_killed_supervisor_left_is_removed_by_the_next(conjoin, box):
    options = [*OWN, "--memory", "64m"]
    command = Held(conjoin, box, options)
    folder, _ = limit_of(command, "memory")
    assert os.path.isdir(folder)
    os.kill(command.supervisor, signal.SIGKILL)
    command.end()
    wait_for(lambda: not proc.alive(command.pid))
    assert os.path.isdir(folder)

    def next_one():
        assert conjoin.exec(box, "true", options=options).returncode == 0
        return not os.path.exists(folder)

    wait_for(next_one)


def test_the_next_leaves_alone_what_lives(conjoin, box):
    options = [*OWN, "--memory", "64m"]
    with Held(conjoin, box, options) as command:
        folder, _ = limit_of(command, "memory")
        assert conjoin.exec(box, "true", options=options).returncode == 0
        assert os.path.isdir(folder)
        assert limit_of(command, "memory") == (folder, str(64 * MIB))


def test_many_at_once_do_not_get_in_each_others_way(conjoin, box):
    options = [*OWN, "--memory", "64m", "--pids-limit", "9"]
    started = [conjoin.popen("exec", *options, box.pid, "true") for _ in range(24)]
    assert [one.wait(30) for one in started] == [0] * len(started)
