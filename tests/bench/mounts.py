# SPDX-License-Identifier: MIT
"""Mounts of the benchmark, all of them in a mount namespace of its own, so that they go with it
however it ends. Not here: cgroups that are made (containers.py).
"""

import ctypes
import os

CLONE_NEWNS = 0x00020000
MS_BIND, MS_MOVE = 0x1000, 0x2000
MS_REC, MS_PRIVATE = 0x4000, 0x40000
MNT_DETACH = 2

libc = ctypes.CDLL(None, use_errno=True)


def check(result, what):
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def mount(source, target, kind=None, flags=0):
    texts = [os.fsencode(t) if t else None for t in (source, target, kind)]
    check(libc.mount(*texts, ctypes.c_ulong(flags), None), f"mount {source} on {target}")


def enter_private_namespace():
    check(libc.unshare(CLONE_NEWNS), "make a mount namespace")
    mount("none", "/", flags=MS_REC | MS_PRIVATE)  # nothing that we mount is seen outside


def detach_below(directory):
    for line in open("/proc/self/mountinfo"):
        point = line.split(" ")[4]
        if point.startswith(directory + "/"):
            libc.umount2(os.fsencode(point), MNT_DETACH)  # ours only, and it goes anyway


def cgroup_mounts():
    """(file system, mount point) of each hierarchy that is mounted whole."""
    found = []
    for line in open("/proc/self/mountinfo"):
        front, behind = line.split(" - ", 1)
        kind = behind.split(" ")[0]
        if kind in ("cgroup", "cgroup2") and front.split(" ")[3] == "/":
            found.append((kind, front.split(" ")[4]))
    return found


def is_hybrid():
    return {kind for kind, point in cgroup_mounts()} == {"cgroup", "cgroup2"}


def hide_v2(scratch):
    """Covers /sys/fs/cgroup with a directory that has the v1 hierarchies only.

    crun takes a v2 hierarchy beside v1 that has a controller for one that it must use, and refuses.
    For use between fork and exec, in a child: it's in a mount namespace of its own afterwards.
    """
    enter_private_namespace()
    base = "/sys/fs/cgroup"
    cover = os.path.join(scratch, "cgroup")
    os.makedirs(cover, exist_ok=True)
    mount("tmpfs", cover, "tmpfs")
    for kind, point in cgroup_mounts():
        if kind == "cgroup" and os.path.dirname(point) == base:
            os.mkdir(os.path.join(cover, os.path.basename(point)))
            mount(point, os.path.join(cover, os.path.basename(point)), flags=MS_BIND)
    for name in os.listdir(base):  # cpu -> cpu,cpuacct
        if os.path.islink(os.path.join(base, name)):
            os.symlink(os.readlink(os.path.join(base, name)), os.path.join(cover, name))
    mount(cover, base, flags=MS_MOVE)
