# SPDX-License-Identifier: MIT
"""What a test left behind: processes, mounts, cgroups. Other people use this machine as well, so
what is surely theirs isn't counted."""

import os
import re

from lib import proc
from lib.poll import wait_for

# where engines that others run keep their mounts
FOREIGN = ("/var/lib/docker", "/var/lib/containers", "/var/lib/containerd", "/run/docker",
           "/run/containerd", "/run/containers", "/run/netns", "/run/user", "/run/libpod")
# who made it: conjoin-test-PID-…, conjoin-sandbox-PID-…, conjoin_test_PID_… (a slice's name has no dashes)
MAKER = re.compile(r"conjoin[-_][a-z]+[-_](\d+)[-_]")
FOLDER = re.compile(r"/(?:conjoin-test-|cj)(\d+)-")  # of lib.fixtures, and of an engine's place
OWN = re.compile(r"(\d+):s?\d+\.\d+\.[0-9a-f]+")  # what a conjoin makes below conjoin/
TREE = re.compile(r"conjoin-\d+:")  # and below the cgroup of a container
DEADLINE = 10
KTHREAD = 0x200000  # PF_KTHREAD in field 9 of stat: such a one has no environment


def program_of(pid):
    try:
        return os.path.basename(os.readlink(f"/proc/{pid}/exe").removesuffix(" (deleted)"))
    except OSError:
        return ""


def living():
    """{pid: fields of its stat} of all that there are."""
    found = {}
    for pid in proc.pids():
        try:
            fields = proc.stat_fields(pid)
        except (FileNotFoundError, ProcessLookupError):
            continue
        if fields[0] not in "ZX":
            found[pid] = fields
    return found


def descendants(everybody=None):
    """Our children, theirs, and so on."""
    parents = {pid: int(fields[1]) for pid, fields in (everybody or living()).items()}
    found, grown = {os.getpid()}, True
    while grown:
        more = {pid for pid, parent in parents.items() if parent in found} - found
        grown = bool(more)
        found |= more
    return found - {os.getpid()}


def orphans(everybody=None):
    """Processes of ours whose parent has left them: they carry the mark of this test run."""
    mark = f"CONJOIN_TEST_RUN={os.getpid()}".encode()
    found = set()
    for pid, fields in (everybody or living()).items():
        try:
            if pid != os.getpid() and not int(fields[6]) & KTHREAD and mark in proc.environ(pid):
                found.add(pid)
        except OSError:
            pass  # gone, or not ours to read
    return found


def processes():
    everybody = living()
    return {(pid, int(everybody[pid][19])): f"process {pid} ({program_of(pid)})"
            for pid in descendants(everybody) | orphans(everybody)}


def comes_from_us(pid):
    """As in descendants(), without a look at everybody."""
    while pid > 1 and pid != os.getpid():
        try:
            pid = int(proc.stat_fields(pid)[1])
        except (FileNotFoundError, ProcessLookupError):
            return False
    return pid > 1


def mounts():
    return {
        (m["id"], m["point"]): f"mount of {m['type']} on {m['point']}"
        for m in proc.mounts() if not m["point"].startswith(FOREIGN) and not in_others(m["point"])
    }


def in_others(path):
    """Within a folder of another run of tests, which looks for what is left there itself."""
    maker = FOLDER.search(path)
    return bool(maker) and is_others(int(maker[1]))


def is_foreign(path):
    """Made by a process that lives and has nothing to do with us."""
    name = os.path.basename(path)
    if name == "conjoin":
        inside = own_cgroups(path)
        return bool(inside) and all(map(made_by_others, inside))
    maker = MAKER.match(name)
    return bool(maker) and is_others(int(maker[1]))


def is_others(pid):
    return proc.alive(pid) and not comes_from_us(pid)


def own_cgroups(base):
    try:
        return [os.path.join(base, name) for name in os.listdir(base) if OWN.fullmatch(name)]
    except OSError:
        return []


def trees_of(pid):
    """The cgroups of commands below those that a process is in."""
    folders = [proc.cgroup_directory(key, name) for key, name in proc.cgroups(pid).items()]
    return {os.path.join(folder, name) for folder in folders if folder
            for name in os.listdir(folder) if TREE.match(name)}


def members(path):
    try:
        with open(os.path.join(path, "cgroup.procs"), encoding="ascii") as f:
            return set(map(int, f.read().split()))
    except OSError:
        return set()  # it has just gone


def made_by_others(path):
    """By a conjoin of somebody else's; one that was killed may have left a command there."""
    if is_others(int(OWN.fullmatch(os.path.basename(path))[1])):
        return True
    inside = members(path)
    return bool(inside) and not inside & (descendants() | orphans())


def stale_cgroups():
    """Those below conjoin/ that nobody is in and nobody will remove: who made them has ended."""
    return {
        path
        for mount in proc.cgroup_mounts() for path in own_cgroups(mount["point"] + "/conjoin")
        if not proc.alive(int(OWN.fullmatch(os.path.basename(path))[1])) and not members(path)
    }


def cgroups():
    found = {}
    for mount in proc.cgroup_mounts():
        for folder, names, _ in os.walk(mount["point"]):
            for name in list(names):
                if name.startswith("conjoin"):
                    names.remove(name)  # one line for the whole tree
                    path = os.path.join(folder, name)
                    if not is_foreign(path):
                        found[path] = f"cgroup {path}"
    return found


class Snapshot:
    """What is there now; leaks() is what has come since and doesn't go."""

    KINDS = (processes, mounts, cgroups)

    def __init__(self):
        self.before = [kind() for kind in self.KINDS]

    def new(self):
        found = []
        for kind, before in zip(self.KINDS, self.before):
            found += [text for key, text in kind().items() if key not in before]
        return found

    def leaks(self, timeout=DEADLINE):
        """What was killed needs a moment to go."""
        try:
            wait_for(lambda: not self.new(), timeout)
        except AssertionError:
            return self.new()
        return []
