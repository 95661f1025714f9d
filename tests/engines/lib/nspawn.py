# SPDX-License-Identifier: MIT
"""systemd-nspawn without a machined. Not here: with one, in a guest (guest.py)."""

import os
import shutil
import signal

from lib import proc
from lib.daemons import comm_of, parent_of
from lib.poll import wait_for
from lib.sandbox import Container


# It makes two more in its own one, wherever that is.
IN_A_CGROUP = """
for i in /sys/fs/cgroup/systemd /sys/fs/cgroup/unified /sys/fs/cgroup; do
	[ ! -e $i/cgroup.procs ] || echo $$ >$i$1/cgroup.procs
done
shift
exec "$@"
"""


class Nspawn(Container):
    """`name` None: nspawn takes that of the directory. It has a root of its own: nspawn locks it."""

    def __init__(self, node, name, rootfs, directory):
        self.node, self.root = node, os.path.join(node.place.path, directory)
        shutil.copytree(rootfs, self.root, symlinks=True)
        os.makedirs(os.path.join(self.root, "usr/lib"), exist_ok=True)
        with open(os.path.join(self.root, "usr/lib/os-release"), "w", encoding="ascii") as f:
            f.write("ID=test\n")  # else it isn't taken for a system
        words = ["systemd-nspawn", "--register=no", "--keep-unit", "--private-network", "-q",
                 "-D", self.root]
        words += ["-M", name] if name else []
        self.name = name or directory
        cgroup = f"{node.cgroup}/{directory}"
        for mount in proc.cgroup_mounts():
            os.makedirs(mount["point"] + cgroup, exist_ok=True)
        self.daemon = node.start(
            f"nspawn-{directory}", ["sh", "-c", IN_A_CGROUP, "sh", cgroup, *words, "/bin/sleep",
                                    "100000"], self._find)

    def _find(self):
        """The process that is the first one inside."""
        outer = next((p for p in proc.pids() if self._is_ours(p)), None)
        self.pid = next((p for p in proc.pids() if outer and parent_of(p) == outer
                         and comm_of(p) == "sleep"), None)
        return self.pid

    def _is_ours(self, pid):
        try:
            words = proc.read(pid, "cmdline").split(b"\0")
        except OSError:
            return False
        return words[0].endswith(b"systemd-nspawn") and self.root.encode() in words

    def exec(self, *command):
        """It has none: nsenter stands in for it."""
        done = self.node.call("nsenter", "-t", self.pid, "-a", *command, check=False)
        return done.returncode, done.stdout

    def stop(self):
        """As `machinectl terminate` does. Can be called again."""
        if self.alive():
            os.kill(self.pid, signal.SIGKILL)
        wait_for(lambda: not self.alive() and not self.daemon.alive(), what=f"end of {self.name}")
