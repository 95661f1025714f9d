# SPDX-License-Identifier: MIT
"""A hostile container sees nothing of the host in what enters it, and gets nothing out of it.
ATTACK_ROUNDS=10000 is the full form. Not here: attacks on the one that stays outside
(test_attack_supervisor.py), targets that change while they are entered (test_attack_swap.py)."""

import hashlib
import os
import shutil
import signal
import struct

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


@pytest.fixture
def group_signals():
    """The signals that reached our process group: those that we start are in it at first."""
    seen = []
    before = signal.signal(signal.SIGWINCH, lambda number, frame: seen.append(number))
    yield seen
    signal.signal(signal.SIGWINCH, before)


def test_nothing_of_the_host_is_seen_or_got_by_a_tracer(arena, group_signals):
    box = arena.container("look", "trace", caps="docker,sys_ptrace")
    assert quiet(storm(arena, box, ROUNDS)) == []
    found, caught, traced = stop_attack(box)
    assert found == []
    assert caught > ROUNDS / 50 and traced > ROUNDS / 50
    assert group_signals == []


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
        arena.enter(box.pid, "echo", "ran", options=["--seccomp", "copy"]), FEW // 2,
        threads=1)
    assert [result for result in results if result[:2] != RAN[:2]] == []
    found, _, traced = stop_attack(box)
    assert found == []
    assert traced > 0


def digest(path):
    with open(path, "rb") as f:
        content = hashlib.sha256(f.read()).hexdigest()
    return content, os.stat(path).st_mtime_ns, os.stat(path).st_mode


def elf_with_interpreter(path):
    """An ELF program that does nothing but ask for an interpreter: elf(5)."""
    machine = {"x86_64": 62, "aarch64": 183}[os.uname().machine]
    name = path.encode() + b"\0"
    base, at = 0x400000, 64 + 2 * 56
    size = at + len(name)
    header = b"\x7fELF\2\1\1" + bytes(9) + struct.pack(
        "<HHIQQQIHHHHHH", 2, machine, 1, base + at, 64, 0, 0, 64, 56, 2, 64, 0, 0)
    interpreter = struct.pack("<IIQQQQQQ", 3, 4, at, base + at, base + at, len(name), len(name), 1)
    load = struct.pack("<IIQQQQQQ", 1, 5, 0, base, base, size, size, 0x1000)
    return header + interpreter + load + name


SELF = {
    "a script": b"#!/proc/self/exe\n",
    "a script with an argument": b"#!/proc/self/exe --help\n",
    "an interpreter": elf_with_interpreter("/proc/self/exe"),
    "a link": None,
}


def put(path, content):
    if os.path.lexists(path):
        os.unlink(path)
    if content is None:
        os.symlink("/proc/self/exe", path)
        return
    with open(path, "wb") as f:
        f.write(content)
    os.chmod(path, 0o755)


# as it may end: our usage, or a crash of what isn't meant to be an interpreter
ENDS = {0, 1, 125, 126, 127, 128 + signal.SIGSEGV, 128 + signal.SIGKILL}
ROOTS = {
    "ptrace": {"caps": "docker,sys_ptrace"},
    "all capabilities": {"caps": "all"},
    "user namespace": {"namespaces": "all", "caps": "all"},
}


@pytest.mark.parametrize("how", SELF)
@pytest.mark.parametrize("root", ROOTS)
def test_our_program_cant_be_written_to_when_the_command_is_our_program(arena, how, root):
    put(os.path.join(arena.rootfs, "srv/self"), SELF[how])
    box = arena.container("exe", **ROOTS[root])
    before = digest(arena.conjoin)
    results = arena.storm(arena.enter(box.pid, "/srv/self"), FEW)
    found, caught, _ = stop_attack(box)
    assert found == []
    # what an interpreter has mapped is shown to nobody without privileges over the host
    assert caught > 0 or (root, how) == ("user namespace", "an interpreter")
    assert {status for status, _, _ in results} <= ENDS
    assert digest(arena.conjoin) == before


def test_the_program_itself_as_the_command_cant_be_written_to(arena):
    box = arena.container("exe", caps="all")
    before = digest(arena.conjoin)
    arena.storm(arena.enter(box.pid, "/proc/self/exe"), FEW)
    assert stop_attack(box)[0] == []
    assert digest(arena.conjoin) == before


# --- that the attacks can find something ---


def test_self_check_a_process_born_inside_too_early_is_seen(arena):
    box = arena.container("look", caps="docker,sys_ptrace")
    arena.storm([program("naive"), str(box.pid), "echo", "ran"], 50)
    found, caught, _ = stop_attack(box)
    assert caught > 0
    for what in ("root leads to the host's root", "cwd leads to a directory of the host",
                 "environ holds the caller's secret", "ns/mnt isn't the container's",
                 "a process has capabilities beyond the target's: CapPrm"):
        assert what in found
    assert any("is a file from outside" in line for line in found)
    assert any(line.startswith("fd/") and "directory of the host" in line for line in found)


def test_self_check_a_tracer_gets_the_host_by_a_process_born_too_early(arena, group_signals):
    box = arena.container("trace", caps="docker,sys_ptrace")
    arena.storm([program("naive"), str(box.pid), "echo", "ran"], 50)
    found, _, traced = stop_attack(box)
    assert traced > 0
    assert "a traced process can open a file of the host" in found
    assert group_signals


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
