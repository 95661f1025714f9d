# SPDX-License-Identifier: MIT
"""LXC's containers, made by its own tools. Not here: judging what conjoin makes of them."""

import os
import shutil

from lib.daemons import Unavailable
from lib.poll import wait_for
from lib.sandbox import Container

DEFAULT = "/var/lib/lxc"
CONFIG = """
lxc.uts.name = {host}
lxc.rootfs.path = dir:{rootfs}
lxc.init.cmd = /bin/sleep 100000
lxc.net.0.type = empty
lxc.apparmor.profile = unconfined
lxc.mount.auto = proc:mixed sys:ro
lxc.autodev = 1
"""


class Lxc(Container):
    """One below `folder`, a path of the node (lxcpath). It is started unless start=False."""

    def __init__(self, node, name, rootfs, folder=DEFAULT, start=True):
        self.node, self.name, self.folder = node, name, folder
        place = os.path.join(node.path(folder), name)
        os.makedirs(place)
        with open(os.path.join(place, "config"), "w", encoding="utf-8") as f:
            f.write(CONFIG.format(host=name[:60], rootfs=rootfs))
        if start:
            self.start()

    def call(self, program, *words, **more):
        return self.node.call(program, "-P", self.folder, "-n", self.name, *words, **more)

    def info(self, option):
        return self.call("lxc-info", "-H", option, check=False).stdout.strip()

    def start(self):
        log = self.node.place / "lxc.log"
        try:
            self.call("lxc-start", "-d", "-o", log, "-l", "ERROR")
        except Unavailable as error:
            with open(log, encoding="utf-8", errors="replace") as f:
                raise Unavailable(f"{error} {f.read()[:600]}") from error
        wait_for(lambda: self.info("-s") == "RUNNING", what=f"{self.name}")
        self.pid = int(self.info("-p"))

    def exec(self, *command):
        done = self.call("lxc-attach", "--", *command, check=False)
        return done.returncode, done.stdout

    def stop(self):
        """Can be called again."""
        self.call("lxc-stop", "-k", check=False)
        wait_for(lambda: self.info("-s") == "STOPPED", what=f"end of {self.name}")

    def remove(self):
        """Can be called again."""
        place = os.path.join(self.node.path(self.folder), self.name)
        if os.path.isdir(place):
            self.call("lxc-unfreeze", check=False)
            self.stop()
            shutil.rmtree(place)


def active(node, folder=DEFAULT):
    """What LXC itself lists."""
    return set(node.call("lxc-ls", "-P", folder, "-1", "--active").stdout.split())
