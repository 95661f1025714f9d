# SPDX-License-Identifier: MIT
"""Real engines for the benchmark of names, all in one node of the engines' tests: /run, /var/lib and the
network are its own. Not here: what is measured with them (lookup.py)."""

import contextlib
import json
import os
import subprocess
import sys

from programs import TOP

sys.path.insert(0, os.path.join(TOP, "tests/integration"))

import lib  # noqa: E402

lib.__path__.append(os.path.join(TOP, "tests/engines/lib"))

from lib.containerd import PAUSE, Containerd, Pod, Task  # noqa: E402
from lib.daemons import Place, Unavailable, need  # noqa: E402
from lib.docker import QUIET  # noqa: E402
from lib.image import NAME as IMAGE  # noqa: E402
from lib.image import write_archive  # noqa: E402
from lib.node import Node  # noqa: E402
from lib.podman import write_settings  # noqa: E402

__all__ = ["Machine", "Unavailable", "a_machine"]

PROGRAMS = ("dockerd", "docker", "podman", "conmon", "containerd", "ctr", "runc", "busybox", "strace")


class Machine:
    """docker, podman, containerd run at their usual places in it; `daemons` are theirs."""

    def __init__(self, place):
        need(*PROGRAMS)
        if not os.access("/usr/lib/cni/bridge", os.X_OK):
            raise Unavailable("containernetworking-plugins isn't installed")
        self.place, self.node = place, Node(place)
        os.mkdir(place / "lib")
        self.node.call("mount", "--bind", place / "lib", "/var/lib")
        self.rootfs, archive, pause = place / "rootfs", place / "image.tar", place / "pause.tar"
        subprocess.run([os.path.join(TOP, "tests/lib/mkrootfs.sh"), self.rootfs], check=True)
        write_archive(self.rootfs, archive)
        write_archive(self.rootfs, pause, PAUSE)  # a pod's first process only has to sleep
        self.containerd = Containerd(self.node)
        for each in (pause, archive):
            self.containerd.load(each, "k8s.io")
        self.containerd.load(archive, "default")
        self.daemons = {"containerd": self.containerd.daemon}
        self.podman_words = ["env", f"CONTAINERS_CONF={write_settings(place)}", "podman"]
        self.start_docker(archive)
        self.start_podman(archive)
        self.runc = []

    def start_docker(self, archive):
        # It takes the containerd that is there already, as it does where both are installed.
        self.daemons["docker"] = self.node.start(
            "dockerd", ["dockerd", "-H", "unix:///run/docker.sock", *QUIET],
            lambda: self.node.call("docker", "version", check=False).returncode == 0)
        self.node.call("docker", "load", "-i", archive)

    def start_podman(self, archive):
        self.node.call(*self.podman_words, "load", "-i", archive)
        path = self.node.path("/run/podman/podman.sock")
        self.node.call("mkdir", "-p", "/run/podman")
        self.daemons["podman"] = self.node.start(
            "podman", [*self.podman_words, "system", "service", "--time", "0",
                       "unix:///run/podman/podman.sock"], lambda: os.path.exists(path))

    def run(self, engine, name):
        """A container of docker's or podman's: (id, PID)."""
        words = ["docker"] if engine == "docker" else self.podman_words
        more = ["--network", "none", "--cgroup-parent", f"{self.node.cgroup}/{engine}"]
        ident = self.node.call(*words, "run", "-d", *more, "--name", name, IMAGE).stdout.split()[-1]
        state = self.node.call(*words, "inspect", "--format", "{{.State.Pid}}", ident).stdout
        return ident, int(state)

    def remove(self, engine, *names):
        words = ["docker"] if engine == "docker" else self.podman_words
        self.node.call(*words, "rm", "-f", *names, check=False)

    def pod(self, name):
        """A pod of one container."""
        return Pod(self.containerd, "bench", name, ["only"])["only"]

    def task(self, name):
        return Task(self.containerd, name)

    def runc_container(self, name):
        """Below runc's default root, /run/runc: its PID."""
        bundle = self.place / name
        os.mkdir(bundle)
        subprocess.run(["runc", "spec"], cwd=bundle, check=True)
        with open(os.path.join(bundle, "config.json"), "r+", encoding="utf-8") as file:
            config = json.load(file)
            config["process"].update(terminal=False, args=["sleep", "100000"])
            config["root"] = {"path": self.rootfs, "readonly": True}
            config["linux"]["cgroupsPath"] = f"{self.node.cgroup}/{name}"
            file.seek(0)
            file.truncate()
            json.dump(config, file)
        pid_file = os.path.join(bundle, "pid")
        self.runc.append(name)
        self.node.call("runc", "run", "-d", "--bundle", bundle, "--pid-file", pid_file, name)
        with open(pid_file, encoding="ascii") as file:
            return int(file.read())

    def clean(self):
        for daemon in self.daemons.values():
            daemon.resume()
        for name in self.runc:
            self.node.call("runc", "delete", "-f", name, check=False)
        self.node.call("sh", "-c", "docker rm -f $(docker ps -aq)", check=False)
        self.node.call(*self.podman_words, "rm", "-f", "-a", "-t", "0", check=False)
        self.containerd.clean()


@contextlib.contextmanager
def a_machine():
    place = Place(cgroups=[f"conjoin-test-{os.getpid()}-node", "default"])
    machine = None
    try:
        machine = Machine(place)
        yield machine
    finally:
        if machine:
            machine.clean()
            machine.node.clean()
        place.clean()
