# SPDX-License-Identifier: MIT
"""A dockerd of the tests' own, its containers, and conjoin as its user runs it. Not here: judging
(test_docker*.py)."""

import json
import os
import shutil

from lib import proc
from lib.daemons import Unavailable, call, need, parent_of
from lib.image import NAME as IMAGE
from lib.image import write_archive
from lib.poll import wait_for
from lib.program import clean_env
from lib.sandbox import Container

# No network, so that neither links nor rules of a firewall are made.
QUIET = ["--bridge=none", "--iptables=false", "--ip6tables=false", "--ip-forward=false",
         "--ip-masq=false"]
# `--privileged` needs more than root has on some machines.
PRIVILEGED = ["--cap-add", "ALL", "--cap-drop", "SYS_RESOURCE",
              "--security-opt", "seccomp=unconfined"]
USUAL = ("/run/docker.sock", "/var/lib/docker", "/run/docker")


class EngineContainer(Container):
    """One that an engine has made; `pid` is 0 while it doesn't run."""

    def __init__(self, engine, name, ident):
        self.engine, self.name, self.id = engine, name, ident

    @property
    def pid(self):
        return int(self.engine.state_of(self.id)["Pid"])

    @property
    def target(self):
        return f"{self.engine.scheme}:{self.name}"

    def word(self):
        """What the engine calls its state."""
        return self.engine.state_of(self.id)["Status"]

    def wait_for_word(self, *words):
        wait_for(lambda: self.word() in words, 20, what=f"{self.name} to be {words}")

    def exec(self, *command, check=True):
        """What the engine's own exec prints."""
        return self.engine.call("exec", self.name, *command, check=check).stdout


class Engine:
    """What docker's and podman's command lines have in common. `program` is that line's beginning,
    `environment` what tells conjoin where the engine is."""

    scheme = None
    mark = None
    removal = ("rm", "-f")

    def __init__(self, program, environment=None, user=None):
        self.program, self.user = list(program), user
        self.environment = environment or {}
        self.made = {}

    def call(self, *words, check=True, **more):
        return call([*self.program, *words], check=check, **more)

    def __call__(self, *words, **more):
        """What it prints."""
        return self.call(*words, **more).stdout.strip()

    def listed(self, rows):
        """{id: name} of what `conjoin ps` lists, without the containers of other people's engines: the
        parent of a first process, a shim or monitor, has our engine's path in its command line."""
        return {row["id"]: row["name"] for row in rows if not self.is_strange(row["pid"])}

    def is_strange(self, pid):
        try:
            return self.mark.encode() not in proc.read(parent_of(pid), "cmdline")
        except OSError:
            return not proc.alive(pid)  # whoever it was, it has ended since

    def names(self):
        """{id: name} of the running ones, paused ones too, by the engine's own listing."""
        lines = self("ps", "--no-trunc", "--filter", "status=running", "--filter", "status=paused",
                     "--format", "{{.ID}} {{.Names}}").splitlines()
        return dict(line.split(" ", 1) for line in lines)

    def inspect(self, ident):
        return json.loads(self("inspect", "--type", "container", ident))[0]

    def state_of(self, ident):
        return self.inspect(ident)["State"]

    def run(self, name, *command, options=(), image=IMAGE):
        """Starts a container in the background."""
        return self._make(name, "run", "-d", *options, "--name", name, image, *command)

    def create(self, name, *command, options=(), image=IMAGE):
        return self._make(name, "create", *options, "--name", name, image, *command)

    def _make(self, name, *words):
        self.made[name] = True
        box = EngineContainer(self, name, self(*words).splitlines()[-1])
        self.made[name] = box
        return box

    def remove(self, name):
        """Whatever state it is in. Can be called again."""
        if self.made.pop(name, None):
            self.call(*self.removal, name, check=False)

    def remove_all(self):
        for name in list(self.made):
            self.remove(name)

    def popen(self, conjoin, *words, **more):
        return conjoin.popen(*words, **self._settings(more))

    def conjoin(self, conjoin, *words, **more):
        """Runs it as this engine's user would, who has its address in the environment."""
        return conjoin.run(*words, **self._settings(more))

    def _settings(self, more):
        more.setdefault("env", {**clean_env(), **self.environment})
        more.setdefault("cwd", "/")
        if self.user is not None:
            more.setdefault("user", self.user)
        return more


class Asked:
    """conjoin with an engine's environment, where a Conjoin is wanted (lib.held)."""

    def __init__(self, conjoin, engine):
        self.path, self._conjoin, self._engine = conjoin.path, conjoin, engine

    def run(self, *words, **more):
        return self._engine.conjoin(self._conjoin, *words, **more)

    def popen(self, *words, **more):
        return self._engine.popen(self._conjoin, *words, **more)

    def exec(self, target, *command, options=(), **more):
        return self.run("exec", *options, getattr(target, "target", target), *command, **more)

    def debug(self, target, *command, options=(), **more):
        return self.run("debug", *options, getattr(target, "target", target), *command, **more)


class Docker(Engine):
    """A dockerd with all that it has below `place`; `options` are its own. `usual`: its socket and its
    state are where Docker has them, and conjoin isn't told."""

    scheme = "docker"

    def __init__(self, place, rootfs, options=QUIET, usual=False):
        need("dockerd", "containerd", "docker", "runc", "iptables")
        self.socket, self.data, self.run_root = USUAL if usual else (
            place / "d.sock", place / "data", place / "run")
        client = shutil.which("docker", path="/usr/bin") or "docker"
        super().__init__([client, "-H", "unix://" + self.socket],
                         {} if usual else {"DOCKER_HOST": "unix://" + self.socket})
        self.mark = self.run_root + "/"
        self.daemon = place.start("dockerd", [
            "dockerd", "-H", "unix://" + self.socket, "--data-root", self.data,
            "--exec-root", self.run_root, "-p", place / "d.pid", *options,
        ], self._answers)
        archive = place / "image.tar"
        write_archive(rootfs, archive)
        self("load", "-i", archive)

    def _answers(self):
        return os.path.exists(self.socket) and self.call("version", check=False).returncode == 0

    def containerd(self):
        """PID of the containerd below it."""
        found = self.daemon.children("containerd")
        if len(found) != 1:
            raise Unavailable(f"dockerd has {len(found)} containerd")
        return found[0]

    def stop(self):
        self.remove_all()
        self.daemon.stop()


def inside(pid):
    """Who is in a container by the host's kernel: {host pid: (pid inside, comm)} of those in the pid
    namespace of `pid`."""
    own, found = proc.namespaces(pid)["pid"], {}
    for one in proc.pids():
        try:
            if proc.namespaces(one).get("pid") == own:
                status = proc.status(one)
                found[one] = (int(status["NSpid"].split()[-1]), status["Name"])
        except OSError:
            pass  # it has ended
    return found
