# SPDX-License-Identifier: MIT
"""podman, as root at its usual places, and of an ordinary user who is made for the tests. Nothing runs
but its containers and their monitors, unless `service()` starts the socket. Not here: judging."""

import contextlib
import os
import pwd
import shutil
import socket

from lib import proc
from lib.daemons import Unavailable, call, need, parent_of
from lib.docker import Engine
from lib.image import write_archive
from lib.oci import is_hybrid
from lib.poll import wait_for
from lib.program import clean_env

# Limits that podman would raise, which not every root may; a manager of cgroups and a log that need
# no systemd; crun refuses cgroups v1 and v2 side by side.
SETTINGS = """\
[containers]
default_ulimits = ["nofile=1024:1024", "nproc=4096:4096"]
netns = "none"
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
runtime = "{runtime}"
"""
FOLDERS = ("/var/lib/containers", "/run/containers", "/run/libpod", "/run/podman")


def write_settings(place):
    path = place / "containers.conf"
    with open(path, "w", encoding="utf-8") as f:
        f.write(SETTINGS.format(runtime="runc" if is_hybrid() else "crun"))
    return path


class Podman(Engine):
    """`environment` is conjoin's: without a service there's nothing to be told."""

    scheme = "podman"
    mark = FOLDERS[0] + "/"
    removal = ("rm", "-f", "-t", "0")

    def __init__(self, place, rootfs, options=("--storage-driver", "overlay"), user=None):
        need("podman", "conmon", "runc", "catatonit")
        super().__init__(["podman", *options], user=user)
        self.place = place
        self.settings = {**clean_env(), "CONTAINERS_CONF": write_settings(place)}
        self.archive = place / "podman.tar"
        write_archive(rootfs, self.archive)

    def load(self):
        self("load", "-i", self.archive)
        return self

    def call(self, *words, check=True, **more):
        more.setdefault("env", self.settings)
        return call([*self.program, *words], check=check, **more)

    @contextlib.contextmanager
    def service(self, path, tell=True):
        """`podman system service` on that socket; conjoin is told of it, unless it's to find it."""
        words = [*self.program, "system", "service", "--time", "0", "unix://" + path]
        daemon = self.place.start(
            f"service-{self.user or 0}", words, lambda: self.answers(path), env=self.settings,
            **self.identity())
        before = self.environment
        if tell:
            self.environment = {**before, "CONTAINER_HOST": "unix://" + path}
        try:
            yield daemon
        finally:
            self.environment = before
            daemon.stop()
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)

    @staticmethod
    def answers(path):
        """Its HTTP server does."""
        try:
            with socket.socket(socket.AF_UNIX) as s:
                s.settimeout(20)
                s.connect(path)
                s.sendall(b"GET /_ping HTTP/1.0\r\n\r\n")
                return s.recv(12).endswith(b" 200")
        except OSError:
            return False

    def identity(self):
        """Arguments that make subprocess start a process as its user."""
        return {}

    def stop(self):
        self.remove_all()
        self.call("rmi", "-f", "localhost/conjoin-test:1", check=False)


class User:
    """An ordinary user with subordinate ids, a home below `place` and a directory of /run/user."""

    def __init__(self, place):
        need("useradd", "userdel", "newuidmap", "podman")
        self.name = f"conjoin-t{os.getpid()}"
        self.home = place / "home"
        call(["useradd", "-M", "-d", self.home, "-s", "/bin/sh", self.name])
        self.uid = pwd.getpwnam(self.name).pw_uid
        self.gid = pwd.getpwnam(self.name).pw_gid
        self.runtime = f"/run/user/{self.uid}"
        self.made = [self.home, self.runtime]
        if not os.path.isdir("/run/user"):
            os.mkdir("/run/user", 0o755)
            self.made.append("/run/user")
        for path in (self.home, self.runtime):
            os.mkdir(path, 0o700)
            os.chown(path, self.uid, self.gid)
        os.chmod(self.home, 0o711)  # conjoin is copied there
        if not self.has_ids():
            raise Unavailable(f"useradd gave {self.name} no subordinate ids")

    def has_ids(self):
        for name in ("/etc/subuid", "/etc/subgid"):
            with open(name, encoding="utf-8") as f:
                if not any(line.startswith(self.name + ":") for line in f):
                    return False
        return True

    def processes(self):
        """All of this user's uid. Those of the subordinate ids go with the containers."""
        found = []
        for pid in proc.pids():
            try:
                if proc.alive(pid) and os.stat(f"/proc/{pid}").st_uid == self.uid:
                    found.append(pid)
            except OSError:
                pass
        return found

    def remove(self):
        for pid in self.processes():  # podman keeps one that holds the user namespace
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, 9)
        wait_for(lambda: not self.processes(), what=f"end of all that {self.name} runs")
        call(["userdel", self.name], check=False)
        for path in self.made:
            shutil.rmtree(path, ignore_errors=True)


class Rootless(Podman):
    """The user's own podman. `asker` is who runs conjoin: None, root; else the user."""

    def __init__(self, place, rootfs, user, options=("--storage-driver", "overlay")):
        super().__init__(place, rootfs, options)
        self.owner, self.mark = user, user.home + "/"
        self.settings = {**self.settings, "HOME": user.home, "USER": user.name,
                         "XDG_RUNTIME_DIR": user.runtime}

    def identity(self):
        return {"user": self.owner.uid, "group": self.owner.gid, "extra_groups": []}

    def call(self, *words, **more):
        return super().call(*words, **{**self.identity(), "cwd": self.owner.home, **more})

    def as_root(self):
        """The same engine, conjoin being run by root, who is told nothing of the user."""
        return self.asked_by(None, {})

    def as_user(self):
        return self.asked_by(self.owner.uid, {
            "HOME": self.owner.home, "XDG_RUNTIME_DIR": self.owner.runtime})

    def asked_by(self, uid, environment):
        twin = object.__new__(Rootless)
        twin.__dict__.update(self.__dict__)
        twin.user, twin.environment, twin.made = uid, environment, {}
        return twin


def monitor_of(box):
    """PID of the conmon of a container."""
    return parent_of(box.pid)
