# SPDX-License-Identifier: MIT
"""Hosts that aren't like this one: conjoin run in a mount namespace of the test's own, which a shell
script changes first. Not here: kernels that lack calls (tests/compat/deny.py)."""

import os
import subprocess

from lib.program import TIMEOUT, Conjoin


class Host(Conjoin):
    """The program, after `script`, of which each line must succeed. Every run has a namespace of its
    own, with that `propagation`; the process stays the same until it is conjoin."""

    def __init__(self, conjoin, script="", propagation="private"):
        super().__init__(conjoin.path)
        self.before = ["-m", "--propagation", propagation, "sh", "-ec",
                       script + '\nexec "$@"', "host"]

    def run(self, *args, **more):
        return Conjoin("/usr/bin/unshare").run(*self.before, self.path, *args, **more)

    def popen(self, *args, **more):
        return Conjoin("/usr/bin/unshare").popen(*self.before, self.path, *args, **more)


class KeptHost(Host):
    """One whose namespace is kept, to be looked at: a context manager. `mountinfo()` is of a process
    that does nothing in it."""

    def __init__(self, conjoin, script="", propagation="shared"):
        super().__init__(conjoin, script, propagation)
        self.keeper = subprocess.Popen(
            ["unshare", *self.before, "sh", "-c", "echo; exec cat"], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE)
        assert self.keeper.stdout.readline() == b"\n"
        self.enter = [f"--mount=/proc/{self.keeper.pid}/ns/mnt", "--"]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.keeper.stdin.close()
        self.keeper.stdout.close()
        self.keeper.wait(TIMEOUT)

    def run(self, *args, **more):
        return Conjoin("/usr/bin/nsenter").run(*self.enter, self.path, *args, **more)

    def popen(self, *args, **more):
        return Conjoin("/usr/bin/nsenter").popen(*self.enter, self.path, *args, **more)

    def mountinfo(self):
        with open(f"/proc/{self.keeper.pid}/mountinfo", "rb") as f:
            return f.read()

    def namespace(self):
        return os.stat(f"/proc/{self.keeper.pid}/ns/mnt").st_ino
