# SPDX-License-Identifier: MIT
"""A hostile container sees nothing of the host in what enters it, and gets nothing out of it.
ATTACK_ROUNDS=10000 is the full form. Not here: attacks on the supervisor (test_attack_supervisor.py),
targets that change while they are entered (test_attack_swap.py)."""

import hashlib
import os
import shutil

import pytest

from lib.attack import ROUNDS, arena, hosts, program, stop_attack  # noqa: F401

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
FEW = max(ROUNDS // 10, 50)
RAN = (0, b"ran\n", b"")

# what a hostile container may be like: none has more than these
VARIANTS = {
    "ptrace": {"caps": "docker,sys_ptrace"},
    "all capabilities": {"caps": "all"},
    "docker": {"caps": "docker"},
    "user namespace": {"namespaces": "all", "caps": "all"},
    "ordinary user": {"uid": 1000, "gid": 1000, "caps": "none"},
    "no_new_privs": {"caps": "docker,sys_ptrace", "no_new_privs": True},
}


def quiet(results):
    """Those that didn't just run and say so."""
    return [result for result in results if result != RAN]


def storm(arena, box, rounds, options=()):
    return arena.storm(arena.enter(box.pid, "echo", "ran", options=options), rounds)


def test_nothing_of_the_host_is_seen_or_got_by_a_tracer(arena):
    box = arena.container("look", "trace", caps="docker,sys_ptrace")
    assert quiet(storm(arena, box, ROUNDS)) == []
    found, caught, traced = stop_attack(box)
    assert found == []
    assert caught > ROUNDS / 50 and traced > ROUNDS / 50


@pytest.mark.parametrize("variant", VARIANTS)
def test_nothing_of_the_host_is_seen_in_a_container_with(arena, variant):
    box = arena.container("look", "exe", **VARIANTS[variant])
    assert quiet(storm(arena, box, FEW)) == []
    assert stop_attack(box)[0] == []


@pytest.mark.parametrize("no_new_privs", [False, True])
def test_a_tracer_gets_no_process_without_the_targets_filter(arena, no_new_privs):
    box = arena.container("look", "trace", caps="docker,sys_ptrace", confined=True,
                          seccomp="deny:reboot", no_new_privs=no_new_privs)
    results = arena.storm(
        arena.enter(box.pid, "echo", "ran", options=["--seccomp", "copy"]), FEW, threads=1)
    assert [result for result in results if result[:2] != RAN[:2]] == []
    found, _, traced = stop_attack(box)
    assert found == []
    assert traced > 0


def digest(path):
    with open(path, "rb") as f:
        return hashlib.sha256(f.read()).hexdigest(), os.stat(path).st_mtime_ns, os.stat(path).st_mode


SELF_SCRIPTS = {
    "a script": "#!/proc/self/exe\n",
    "a script with an argument": "#!/proc/self/exe --help\n",
}


@pytest.mark.parametrize("how", [*SELF_SCRIPTS, "a link", "itself"])
@pytest.mark.parametrize("caps", ["docker,sys_ptrace", "all"])
def test_our_program_cant_be_written_to_when_the_command_is_our_program(arena, how, caps):
    box = arena.container("exe", "look", caps=caps)
    path = "/tmp/self"
    outside = f"/proc/{box.pid}/root{path}"
    if how in SELF_SCRIPTS:
        with open(outside, "w", encoding="ascii") as f:
            f.write(SELF_SCRIPTS[how])
        os.chmod(outside, 0o755)
    elif how == "a link":
        os.symlink("/proc/self/exe", outside)
    else:
        path = "/proc/self/exe"
    before = digest(arena.conjoin)
    results = arena.storm(arena.enter(box.pid, path), FEW)
    found, caught, _ = stop_attack(box)
    assert found == []
    assert caught > 0
    assert {status for status, _, _ in results} <= {0, 125, 126}
    assert digest(arena.conjoin) == before


# --- that the attacks can find something ---


def test_self_check_a_process_born_inside_too_early_is_seen(arena):
    box = arena.container("look", caps="docker,sys_ptrace")
    arena.storm([program("naive"), str(box.pid), "echo", "ran"], 50)
    found, caught, _ = stop_attack(box)
    assert caught > 0
    for what in ("root leads to the host's root", "cwd leads to a directory of the host",
                 "environ holds the caller's secret", "ns/mnt isn't the container's",
                 "a process has capabilities beyond the target's: CapPrm",
                 "a process is in the caller's session or process group"):
        assert what in found
    assert any("is a file from outside" in line for line in found)
    assert any(line.startswith("fd/") and "directory of the host" in line for line in found)


def test_self_check_a_tracer_gets_the_hosts_files_from_a_process_born_too_early(arena):
    box = arena.container("trace", caps="docker,sys_ptrace")
    arena.storm([program("naive"), str(box.pid), "echo", "ran"], 50)
    found, _, traced = stop_attack(box)
    assert traced > 0
    assert "a traced process can open a file of the host" in found


def test_self_check_a_program_on_a_writable_mount_can_be_written_to(arena):
    box = arena.container("exe", caps="docker,sys_ptrace")
    copy = os.path.join(arena.folder, "naive")
    shutil.copy(program("naive"), copy)
    arena.storm([copy, str(box.pid), "/proc/self/exe"], 50)
    assert "the executable can be opened for writing" in stop_attack(box)[0]


@pytest.mark.skipif(not shutil.which("nsenter"), reason="nsenter isn't installed")
def test_self_check_nsenter_shows_what_it_was_started_with(arena):
    box = arena.container("look", caps="docker,sys_ptrace")
    copy = os.path.join(arena.folder, "nsenter")
    shutil.copy(shutil.which("nsenter"), copy)
    arena.storm([copy, "-a", "-t", str(box.pid), "echo", "ran"], 50)
    found = stop_attack(box)[0]
    assert "environ holds the caller's secret" in found
    assert any(line.startswith("fd/") for line in found)
