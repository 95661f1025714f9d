# SPDX-License-Identifier: MIT
"""A small Debian that systemd runs, with machined: a container of systemd-nspawn, booted. Its files are
made once and kept in BUILD/guest; what is written while it runs is lost. Not here: what is run in it."""

import contextlib
import fcntl
import os
import shutil
import signal
import subprocess
import sys

from lib import proc
from lib.daemons import Unavailable, call, last_line
from lib.nspawn import IN_A_CGROUP
from lib.poll import wait_for
from lib.program import BUILD, TOP, clean_env

sys.path.append(os.path.join(TOP, "tests/kernels"))
import packages  # noqa: E402 (which Debian, and from where)

PACKAGES = "systemd-sysv,dbus,systemd-container,libpam-systemd"
MAKING = 300
BOOTING = 60


def make_root():
    """The path of its files."""
    cache = os.path.join(BUILD, "guest")
    root = os.path.join(cache, "root")
    os.makedirs(cache, exist_ok=True)
    with open(os.path.join(cache, "lock"), "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if os.path.isdir(root):
            return root
        try:
            source = packages.source_line(packages.codename()).strip()
        except packages.Unavailable as error:
            raise Unavailable(str(error)) from error
        unfinished = os.path.join(cache, "unfinished")
        shutil.rmtree(unfinished, ignore_errors=True)
        try:
            # what it mounts is nobody else's business
            call(["unshare", "--mount", "--propagation", "private",
                  "mmdebstrap", "--variant=minbase", f"--include={PACKAGES}",
                  packages.codename(), unfinished, source], timeout=MAKING)
        except subprocess.TimeoutExpired as error:
            raise Unavailable(f"mmdebstrap took more than {MAKING} s") from error
        os.rename(unfinished, root)
    return root


class Guest:
    """`leader` is its first process."""

    def __init__(self, node, rootfs):
        self.node, root = node, make_root()
        cgroup = f"{node.cgroup}/guest"
        for mount in proc.cgroup_mounts():
            os.makedirs(mount["point"] + cgroup, exist_ok=True)
        words = ["systemd-nspawn", "--register=no", "--keep-unit", "--capability=all",
                 "--volatile=overlay", "--private-network", "--quiet", "-M", "guest", "-D", root,
                 "--system-call-filter=@keyring",  # nspawn would refuse them, unlike a machine
                 f"--bind-ro={rootfs}:/srv/rootfs", "--console=pipe", "--boot"]
        self.leader = None
        # it would keep /proc/sys and /sys from the machines within
        words = ["env", "SYSTEMD_NSPAWN_API_VFS_WRITABLE=1", *words]
        self.daemon = node.start("guest", ["sh", "-c", IN_A_CGROUP, "sh", cgroup, *words],
                                 self._find)
        try:
            wait_for(self._is_up, BOOTING, what="the guest's systemd")
        except AssertionError as error:
            self.clean()
            raise Unavailable(f"systemd in a container: {last_line(self.daemon.log())}") from error
        program = f"/proc/{self.leader}/root/usr/bin/conjoin"
        shutil.copy(node.program, program)
        os.chmod(program, 0o755)

    def _find(self):
        """The first process of another pid namespace in our cgroup: systemd-nspawn's own child."""
        for pid in proc.pids():
            with contextlib.suppress(OSError):
                if self._is_inside(pid) and inside(pid) == 1 and is_systemd(pid):
                    self.leader = pid
        return self.leader

    def _is_inside(self, pid):
        return any(f"{self.node.cgroup}/guest/" in path for path in proc.cgroups(pid).values())

    def _is_up(self):
        done = self._enter("systemctl", "is-system-running")
        return done.stdout.strip() in ("running", "degraded")

    def _enter(self, *words):
        return subprocess.run(
            ["nsenter", "-t", str(self.leader), "-a", *words], capture_output=True, text=True,
            errors="replace", env=clean_env(), stdin=subprocess.DEVNULL, check=False, timeout=60)

    def run(self, *words, check=True):
        """A command in a service of its own there: CompletedProcess. Who merely enters the guest
        stays in a cgroup that the guest can't see."""
        done = self._enter("systemd-run", "--quiet", "--wait", "--pipe", "--collect",
                           "--setenv=LANG=C.UTF-8", "--property=Delegate=yes", *words)
        if check and done.returncode != 0:
            raise AssertionError(f"{words}: {last_line(done.stderr)}")
        return done

    def conjoin(self, *words, check=True):
        return self.run("/usr/bin/conjoin", *map(str, words), check=check)

    def write(self, path, text):
        path = f"/proc/{self.leader}/root{path}"
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)

    def main_pid(self, unit):
        """By systemd, numbered as in the guest."""
        return int(self.run("systemctl", "show", "--value", "-p", "MainPID", unit).stdout)

    def host_pid(self, pid):
        """The number that a process of the guest has here."""
        depth = len(proc.status(self.leader)["NSpid"].split())
        for one in proc.pids():
            with contextlib.suppress(OSError):
                levels = proc.status(one)["NSpid"].split()
                if levels[depth - 1:depth] == [str(pid)] and self._is_inside(one):
                    return one
        raise AssertionError(f"no process {pid} in the guest")

    def clean(self):
        """A power-off, in the end by force."""
        if self.leader and proc.alive(self.leader):
            os.kill(self.leader, signal.SIGRTMIN + 4)
            with contextlib.suppress(AssertionError):
                wait_for(lambda: not self.daemon.alive(), 20, what="the guest's power-off")
            if proc.alive(self.leader):
                os.kill(self.leader, signal.SIGKILL)
        self.daemon.stop()


def inside(pid):
    return int(proc.status(pid)["NSpid"].split()[-1])


def is_systemd(pid):
    """Already: before that it's systemd-nspawn itself."""
    return os.path.basename(proc.read(pid, "cmdline").split(b"\0")[0]) == b"systemd"
