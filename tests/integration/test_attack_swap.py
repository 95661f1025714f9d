# SPDX-License-Identifier: MIT
"""Targets that aren't what they seem: their root, directory, namespaces, program or privileges
change while they are entered. Whatever comes of it, the command is never on the host and never has
more than its target. Not here: made up files (test_attack_places.py)."""

import os

import pytest

from lib import proc
from lib.attack import ROUNDS, arena, hosts  # noqa: F401

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
FEW = max(ROUNDS // 10, 50)
OURS = 125
SWAPS = ["root", "cwd", "mounts", "namespaces", "program", "users", "lives"]


def target_of(box):
    """The changing process: the only child of the container's first."""
    try:
        words = proc.read(box.pid, f"task/{box.pid}/children").split()
    except FileNotFoundError:
        words = []
    return int(words[0]) if words else box.pid


def hosts_namespaces(kinds):
    return [os.readlink(f"/proc/self/ns/{kind}") for kind in kinds]


def inspect(arena, box, kinds, options=()):
    """The command line: enter whoever is the target now, and have the command look at itself."""
    caps = proc.status(box.pid)["CapBnd"]
    words = ["/bin/attacker", "--inspect", "--marker", arena.marker, caps]
    return lambda: arena.enter(target_of(box), *words, *hosts_namespaces(kinds), options=options)


@pytest.mark.parametrize("user", [0, 1000])
@pytest.mark.parametrize("swap", SWAPS)
def test_a_target_that_changes_meanwhile_leads_nowhere_else(arena, swap, user):
    if swap in ("root", "mounts", "namespaces") and user:
        return  # takes privileges
    caps = "docker,sys_admin" if user == 0 else "none"
    box = arena.start(["/bin/attacker", "--swap", swap], namespaces="all,-user", uid=user,
                      gid=user, caps=caps)
    kinds = ["mnt", "pid", "ipc", "uts", "net", "cgroup", "user"]
    results = arena.storm(inspect(arena, box, kinds), FEW)
    assert [out for _, out, _ in results if b"inspected" not in out and out] == []
    assert [err for _, _, err in results if b"FINDING" in err] == []
    assert {status for status, _, _ in results} <= {0, OURS, 126, 127, 137}
    assert [(status, err) for status, out, err in results if status == 0 and not out] == []


def test_self_check_inspection_finds_a_command_on_the_host(arena):
    words = [os.path.join(arena.rootfs, "bin/attacker"), "--inspect", "--marker", arena.marker]
    status, out, err = arena.once([*words, "0", *hosts_namespaces(["mnt", "user"])])
    assert (status, out) == (0, b"inspected\n")
    for what in (b"is in the host's mnt", b"beyond the target's", b"sees the host's root",
                 b"the command's cwd leads to a directory of the host"):
        assert what in err
