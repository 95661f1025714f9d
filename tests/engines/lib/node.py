# SPDX-License-Identifier: MIT
"""A machine of the tests' own, as far as engines care: /run, engines' folders below /var/lib and the
network are its own, processes and cgroups are those of the machine. So engines may have their default
places although others use them, bridges and rules go with it, and nothing but our containers is listed.
Not here: the engines (containerd.py, lxc.py, nspawn.py, …)."""

import contextlib
import os
import signal

from lib import proc
from lib.daemons import Unavailable, call, parent_of
from lib.poll import wait_for
from lib.program import BUILD, Conjoin, clean_env

# It ends with the file, so nothing has to be told to it.
SCRIPT = """
set -e
mount -t tmpfs -o mode=755 run /run
mkdir -p /run/lock /run/user
for name in lxc cni; do
	[ ! -d /var/lib/$name ] || mount -t tmpfs -o mode=755 $name /var/lib/$name
done
ip link set lo up
: >"$1"
exec sleep 1000000
"""


class Node:
    """`conjoin` runs the program (its file is `program`) in it, `call` and `start` other programs.
    `cgroup` is where containers belong whose engine lets one choose."""

    def __init__(self, place):
        self.place = place
        self.cgroup = f"/conjoin-test-{os.getpid()}-node"
        self.mark = f"CONJOIN_TEST_NODE={place}"
        self.env = {**clean_env(), "CONJOIN_TEST_NODE": str(place)}
        for mount in proc.cgroup_mounts():
            os.makedirs(mount["point"] + self.cgroup, exist_ok=True)
        ready = place / "ready"
        self.holder = place.start(
            "node", ["unshare", "--mount", "--net", "--propagation", "private", "sh", "-c", SCRIPT,
                     "node", ready], lambda: os.path.exists(ready), env=self.env)
        self.enter = ["nsenter", f"--mount=/proc/{self.holder.pid}/ns/mnt",
                      f"--net=/proc/{self.holder.pid}/ns/net"]
        self.conjoin = Conjoin(self._program())
        self.conjoin.node = self

    def _program(self):
        """One file that runs conjoin in the node: nothing of it is left when conjoin runs."""
        path = os.environ.get("CONJOIN", os.path.join(BUILD, "src/cli/conjoin"))
        path = self.program = os.path.abspath(path)
        if not os.access(path, os.X_OK):
            raise Unavailable(f"there is no program {path}")
        program = self.place / "conjoin"
        with open(program, "w", encoding="utf-8") as f:
            f.write(f'#!/bin/sh\nexec {" ".join(self.enter)} {path} "$@"\n')
        os.chmod(program, 0o755)
        return program

    def path(self, inside):
        """A file of the node as others may open it."""
        return f"/proc/{self.holder.pid}/root{inside}"

    def call(self, *words, **more):
        return call([*self.enter, *words], env=self.env, **more)

    def start(self, name, words, ready):
        return self.place.start(name, [*self.enter, *words], ready, env=self.env)

    def _has_marked(self, pid):
        """By our environment, or our cgroup."""
        with contextlib.suppress(OSError):
            return self.mark.encode() in proc.environ(pid) or any(
                self.cgroup + "/" in path + "/" for path in proc.cgroups(pid).values())
        return False

    def owns(self, pid):
        """It was started by something of ours: a shim, a monitor, or us."""
        while pid > 1:
            if pid == os.getpid() or self._has_marked(pid):
                return True
            pid = parent_of(pid)
        return False

    def processes(self):
        return {pid for pid in proc.pids()
                if pid != os.getpid() and self._has_marked(pid) and proc.alive(pid)}

    def clean(self):
        """What an engine didn't end any more: its containers, shims, monitors."""
        self.holder.stop()
        for pid in self.processes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        wait_for(lambda: not self.processes(), what="end of the node's processes")

