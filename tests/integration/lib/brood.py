# SPDX-License-Identifier: MIT
"""A container with tests/lib/brood in it, a command that makes processes of every kind; and ways in which
a command's tree can be found, or can't. Not here: judging what became of them."""

import os
import shutil
from contextlib import contextmanager

from lib import proc
from lib.attack import program
from lib.host import Host
from lib.poll import wait_for
from lib.sandbox import Sandbox

PROGRAM = program("brood")
BROOD = "/brood"
HAS_V2 = any(m["type"] == "cgroup2" for m in proc.cgroup_mounts())
HAS_FREEZER = any("freezer" in m["options"] for m in proc.cgroup_mounts() if m["type"] == "cgroup")
KINDS = ["child", "deaf", "group", "orphan", "stopped", "headless", "daemon"]


class Box(Sandbox):
    """Without a user namespace of its own: what the test writes into its root belongs to its root."""

    def __init__(self, program, rootfs, **more):
        super().__init__(program, rootfs, **{"namespaces": "all,-user", "caps": "docker", **more})
        if os.path.exists(PROGRAM):
            shutil.copy(PROGRAM, f"/proc/{self.pid}/root{BROOD}")

    def members(self):
        """Who lives in its pid namespace, as the host numbers them."""
        return proc.in_pid_namespace_of(self.pid)

    def trees(self):
        """The cgroups that are there for commands' trees, wherever the box has cgroups."""
        return {os.path.join(folder, name) for folder in self.cgroup_dirs().values()
                for name in os.listdir(folder) if name.startswith("conjoin-")
                and not name.startswith("conjoin-sandbox-")}

    def limit(self, file, text):
        """Writes into a file of its v2 cgroup."""
        write(os.path.join(self.cgroup_dirs()[""], file), text)


class Way:
    """How a tree is found: `conjoin` with `options`; by a cgroup of `hierarchy`, as /proc/PID/cgroup calls it.
    None: only what is in the session; `whole`: also what has left it."""

    def __init__(self, conjoin, options=(), hierarchy=None):
        self.conjoin, self.options, self.hierarchy = conjoin, options, hierarchy
        self.whole = hierarchy is not None

    def exec(self, box, *command, options=(), **more):
        return self.conjoin.exec(box, *command, options=[*self.options, *options], **more)


@contextmanager
def v2(conjoin, box):
    yield Way(conjoin, hierarchy="")


@contextmanager
def v1(conjoin, box):
    """Where there is a v2 hierarchy as well none can be made in it."""
    if HAS_V2:
        box.limit("cgroup.max.descendants", "0")
    try:
        freezer = next(name for name in box.cgroups() if "freezer" in name.split(","))
        yield Way(conjoin, hierarchy=freezer)
    finally:
        if HAS_V2:
            box.limit("cgroup.max.descendants", "max")


@contextmanager
def hidden(conjoin, box):
    """Nothing is mounted that cgroups could be made in."""
    yield Way(Host(conjoin, "mount -t tmpfs tmpfs /sys/fs/cgroup"), ["--cgroup", "keep"])


@contextmanager
def read_only(conjoin, box):
    points = {m["point"] for m in proc.cgroup_mounts()}
    script = "\n".join(f"mount -o remount,bind,ro {point}" for point in sorted(points))
    yield Way(Host(conjoin, script), ["--cgroup", "keep"])


WAYS = {**({"v2": v2} if HAS_V2 else {}), **({"v1": v1} if HAS_FREEZER else {}),
        "hidden": hidden, "read-only": read_only}
FINDING = [name for name in WAYS if name in ("v1", "v2")]  # those by which all can be found


def write(path, text):
    with open(path, "w", encoding="ascii") as f:
        f.write(str(text))


def read(path):
    with open(path, encoding="ascii") as f:
        return f.read()


def remove(folder):
    """True when it's gone: a process that has ended holds it for a moment."""
    try:
        os.rmdir(folder)
    except FileNotFoundError:
        pass
    except OSError:
        return False
    return True


def end(pids):
    """Kills them, and waits until they are gone."""
    for pid in pids:
        try:
            os.kill(pid, 9)
        except ProcessLookupError:
            pass
    wait_for(lambda: not any(map(proc.alive, pids)), what=f"end of {pids}")
