# SPDX-License-Identifier: MIT
"""The initramfs of a guest: busybox, the static programs under test, a container's root, the
checks. One image does for every kernel and layout.
Not here: what the guest does with it (init, checks.sh)."""

import os
import shutil
import struct
import subprocess

import packages

HERE = os.path.dirname(os.path.abspath(__file__))
MKROOTFS = os.path.join(HERE, "../lib/mkrootfs.sh")
SCRIPTS = ("init", "guest.sh", "checks.sh", "checks-cgroup.sh", "checks-see.sh", "checks-debug.sh",
           "checks-tree.sh", "checks-sockets.sh")
PT_INTERP = 3


def needs_libraries(path):
    """Does the ELF program ask for a dynamic linker? The guest has none."""
    with open(path, "rb") as f:
        header = f.read(64)
        if header[:5] != b"\x7fELF\x02":
            raise SystemExit(f"{path}: not a 64-bit ELF program")
        offset, = struct.unpack_from("<Q", header, 32)
        size, count = struct.unpack_from("<HH", header, 54)
        f.seek(offset)
        table = f.read(size * count)
    return any(struct.unpack_from("<I", table, i * size)[0] == PT_INTERP for i in range(count))


def install(source, root, name):
    target = os.path.join(root, name)
    os.makedirs(os.path.dirname(target), exist_ok=True)
    shutil.copyfile(source, target)
    os.chmod(target, 0o755)


def add_policy(root, cache):
    """The AppArmor policy, or a word on why there is none."""
    try:
        policy = packages.apparmor_policy(os.path.join(HERE, "profile.apparmor"), cache)
    except (packages.Unavailable, OSError, subprocess.TimeoutExpired) as error:
        with open(os.path.join(root, "policy.missing"), "w", encoding="utf-8") as f:
            f.write(f"{error}\n")
        return
    with open(os.path.join(root, "policy"), "wb") as f:
        f.write(policy)


def make(build, cache):
    """Writes CACHE/initramfs.cpio and returns its path."""
    root = os.path.join(cache, "guest")
    shutil.rmtree(root, ignore_errors=True)
    subprocess.run([MKROOTFS, root], check=True)
    subprocess.run([MKROOTFS, os.path.join(root, "rootfs")], check=True)
    with open(os.path.join(root, "rootfs/etc/forbidden"), "w", encoding="utf-8") as f:
        f.write("a file that the AppArmor profile keeps\n")
    for name, path in (("bin/conjoin", "src/cli/conjoin"), ("bin/sandbox", "tests/lib/sandbox"),
                       ("rootfs/bin/brood", "tests/lib/brood")):
        program = os.path.join(build, path)
        if needs_libraries(program):
            raise SystemExit(f"{program}: linked dynamically; a guest needs the static program")
        install(program, root, name)
    for name in SCRIPTS:
        install(os.path.join(HERE, name), root, name)
    add_policy(root, cache)
    names = subprocess.run(["find", ".", "-print0"], cwd=root, check=True, capture_output=True)
    archive = subprocess.run(["cpio", "--null", "--create", "--format=newc", "--owner=0:0",
                              "--quiet"], cwd=root, check=True, input=names.stdout,
                             capture_output=True)
    path = os.path.join(cache, "initramfs.cpio")
    with open(path, "wb") as f:
        f.write(archive.stdout)
    return path
