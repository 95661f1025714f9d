# SPDX-License-Identifier: MIT
"""What `conjoin ps` lists, and processes made for it to be listed. Not here: judging it."""

import ctypes
import json
import os
import re
import socket

from lib import proc

CLONE_NEWNET = 0x40000000
libc = ctypes.CDLL(None, use_errno=True)


def listed(conjoin, *options, **more):
    """What --json says: targets, without namespaces that have no process."""
    done = conjoin.run("ps", "--json", *options, **more)
    assert done.returncode == 0, done.stderr
    return [one for one in json.loads(done.stdout) if one["type"] == "target"]


def held(conjoin, inode, *options):
    """The rows of --all about one namespace."""
    done = conjoin.run("ps", "--json", "--all", *options)
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)
    return [one for one in rows if one["type"] == "namespace" and one["inode"] == inode]


def row_of(rows, pid):
    found = [row for row in rows if row["pid"] == pid]
    assert len(found) == 1, (pid, rows)
    return found[0]


def table(conjoin, *options):
    """Lines of cells."""
    done = conjoin.run("ps", *options)
    assert done.returncode == 0, done.stderr
    return [re.split(r" {2,}", line.rstrip()) for line in done.stdout.splitlines()]


def living():
    return [pid for pid in proc.pids() if proc.alive(pid)]


def in_namespace(kind, inode):
    """Processes of a namespace, by the kernel."""
    found = set()
    for pid in living():
        try:
            if proc.namespace(pid, kind) == inode:
                found.add(pid)
        except OSError:
            pass  # it has ended, or may not be looked at
    return found


class Idle:
    """A process that runs `prepare` and then waits to be ended; prepare's result is `answer`."""

    def __init__(self, prepare):
        ours, theirs = socket.socketpair()
        self.pid = os.fork()
        if self.pid == 0:
            try:
                ours.close()
                theirs.send(json.dumps(prepare()).encode())
                theirs.recv(1)
            finally:
                os._exit(0)
        theirs.close()
        self.ours = ours
        self.answer = json.loads(ours.recv(4096) or b"null")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.ours.close()
        os.waitpid(self.pid, 0)


def own_net():
    assert libc.unshare(CLONE_NEWNET) == 0, os.strerror(ctypes.get_errno())
    return os.stat("/proc/self/ns/net").st_ino
