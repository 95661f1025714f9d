# SPDX-License-Identifier: MIT
"""What the kernel says about a process, parsed. Not here: what it should say."""

import os
import re

NAMESPACES = ("mnt", "uts", "ipc", "pid", "net", "user", "cgroup", "time")
CAP_SETS = ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")


def read(pid, name):
    with open(f"/proc/{pid}/{name}", "rb") as f:
        return f.read()


def parse_status(text):
    """{"Uid": "0\\t0\\t0\\t0", …}: values as they are, without the white space around them."""
    lines = (line.partition(":") for line in text.splitlines())
    return {key: value.strip() for key, colon, value in lines if colon}


def status(pid):
    return parse_status(read(pid, "status").decode(errors="surrogateescape"))


def parse_cgroup(text):
    """{"cpu,cpuacct": "/path", "name=systemd": …, "": the v2 path}"""
    return {
        controllers: path
        for _, controllers, path in (line.split(":", 2) for line in text.splitlines())
    }


def cgroups(pid="self"):
    return parse_cgroup(read(pid, "cgroup").decode())


def namespaces(pid="self"):
    """{"mnt": inode, …} of those that this kernel has."""
    found = {}
    for name in NAMESPACES:
        try:
            found[name] = os.stat(f"/proc/{pid}/ns/{name}").st_ino
        except FileNotFoundError:
            pass
    return found


def namespace(pid, kind):
    """The inode of one of them."""
    return os.stat(f"/proc/{pid}/ns/{kind}").st_ino


def environ(pid):
    """The raw entries, as they are."""
    data = read(pid, "environ")
    return data[:-1].split(b"\0") if data else []


def stat_fields(pid):
    """Fields of stat from number 3 (state) on; index 0 is field 3. The name may hold anything."""
    return read(pid, "stat").decode(errors="replace").rpartition(")")[2].split()


def start_time(pid):
    return int(stat_fields(pid)[19])


def alive(pid):
    """A zombie has ended. A process that left is as dead as one that never was."""
    try:
        return stat_fields(pid)[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def pids():
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def children(pid):
    """Of a process of one thread. One that ends while the kernel makes the list may hide another."""
    return [int(word) for word in read(pid, f"task/{pid}/children").split()]


def in_pid_namespace_of(pid, dead=False):
    """Who lives there, and not below it, as the host numbers them; with `dead` zombies as well."""
    theirs = namespace(pid, "pid")
    found = set()
    for other in pids():
        try:
            if namespace(other, "pid") == theirs and (dead or alive(other)):
                found.add(other)
        except OSError:
            pass  # it has just ended
    return found


def unescape(text):
    """mountinfo writes blanks and their like as octal numbers."""
    return re.sub(r"\\([0-7]{3})", lambda m: chr(int(m[1], 8)), text)


def mounts(pid="self"):
    """[{"id", "root", "point", "type", "options"}…]: super block options, as a set."""
    found = []
    for line in read(pid, "mountinfo").decode(errors="surrogateescape").splitlines():
        left, _, right = line.partition(" - ")
        fields, fs = left.split(), right.split()
        found.append({
            "id": fields[0],
            "root": unescape(fields[3]),
            "point": unescape(fields[4]),
            "type": fs[0],
            "options": set(fs[-1].split(",")),
        })
    return found


def cgroup_mounts():
    """Those of mounts() that are cgroup hierarchies, v1 and v2."""
    return [mount for mount in mounts() if mount["type"] in ("cgroup", "cgroup2")]


def cgroup_directory(controllers, path):
    """Where a line of /proc/PID/cgroup is to be found, None for a hierarchy mounted nowhere."""
    for mount in cgroup_mounts():
        v2 = mount["type"] == "cgroup2"
        if v2 != (controllers == "") or not (v2 or set(controllers.split(",")) <= mount["options"]):
            continue
        root = mount["root"].rstrip("/")
        if path.startswith(root):
            return mount["point"] + path[len(root):]
    return None
