# SPDX-License-Identifier: MIT
"""containerd with its CRI plugin, a network of its own and two images. Not here: the protocol (cri.py)."""

import contextlib
import itertools
import json
import os
import shutil

from lib.cri import STATES, Cri, Error
from lib.daemons import Unavailable
from lib.image import NAME as IMAGE
from lib.poll import wait_for
from lib.program import BUILD
from lib.sandbox import Container

PAUSE = "localhost/pause:1"
STATE = "/run/containerd"
POD, CONTAINER = 0, 1  # whose namespace it is: NamespaceMode
CONFIG = """
version = 2
root = "{folder}/root"
state = "{state}"
[grpc]
  address = "{state}/containerd.sock"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "localhost/pause:1"
  restrict_oom_score_adj = true
  disable_apparmor = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "{folder}/cni"
"""
NETWORK = {
    "cniVersion": "0.4.0", "name": "conjoin-test",
    "plugins": [{
        "type": "bridge", "bridge": "conjoin-test", "isGateway": True, "ipMasq": False,
        "ipam": {"type": "host-local", "ranges": [[{"subnet": "10.213.7.0/24"}]],
                 "routes": [{"dst": "0.0.0.0/0"}]},
    }],
}
numbers = itertools.count(1)


def pause_root(folder):
    """A root file system with /pause and nothing else."""
    program = os.environ.get("SANDBOX", os.path.join(BUILD, "tests/lib/sandbox"))
    program = os.path.join(os.path.dirname(os.path.abspath(program)), "pause")
    if not os.access(program, os.X_OK):
        raise Unavailable(f"there is no program {program}")
    root = os.path.join(folder, "pause-root")
    os.mkdir(root)
    shutil.copy(program, root)
    return root


class Containerd:
    """`state` is a path as the node sees it."""

    def __init__(self, node, name="containerd", state=STATE):
        self.node, self.socket = node, f"{state}/containerd.sock"
        self.folder = node.place / name
        os.makedirs(os.path.join(self.folder, "cni"))
        config = os.path.join(self.folder, "config.toml")
        with open(config, "w", encoding="utf-8") as f:
            f.write(CONFIG.format(folder=self.folder, state=state))
        with open(os.path.join(self.folder, "cni/10-test.conflist"), "w", encoding="utf-8") as f:
            json.dump(NETWORK, f)
        self._start = lambda: node.start(name, ["containerd", "-c", config], self.answers)
        self.daemon = self._start()
        self.cri = Cri(node.path(self.socket))

    def restart(self):
        """After a kill: containers that live are found again."""
        self.daemon = self._start()
        self.cri.close()
        self.cri = Cri(self.node.path(self.socket))

    def answers(self):
        return self.ctr("version", check=False).returncode == 0

    def ctr(self, *words, namespace="default", **more):
        return self.node.call("ctr", "-a", self.socket, "-n", namespace, *words, **more)

    def load(self, archive, namespace):
        self.ctr("images", "import", archive, namespace=namespace)

    def tasks(self, namespace="default"):
        """{id: (pid, state)}"""
        lines = self.ctr("tasks", "ls", namespace=namespace).stdout.splitlines()[1:]
        return {name: (int(pid), state) for name, pid, state in map(str.split, lines)}

    def namespaces(self):
        return self.ctr("namespaces", "ls", "-q").stdout.split()

    def clean(self):
        """Ends every container; the daemon is stopped by its place."""
        self.daemon.resume()
        with contextlib.suppress(Unavailable, Error):
            for pod in self.cri.ListPodSandbox()["items"]:
                self.cri.StopPodSandbox(pod_sandbox_id=pod["id"])
                self.cri.RemovePodSandbox(pod_sandbox_id=pod["id"])
            for namespace in self.namespaces():
                for name in self.tasks(namespace):
                    self.ctr("tasks", "rm", "-f", name, namespace=namespace, check=False)
        self.cri.close()


class Task(Container):
    """A container that ctr has started."""

    def __init__(self, engine, name, namespace="default", command=("sleep", "100000")):
        self.engine, self.name, self.namespace = engine, name, namespace
        self.ctr("run", "-d", IMAGE, name, *command)
        self.pid = engine.tasks(namespace)[name][0]

    def ctr(self, *words, **more):
        return self.engine.ctr(*words, namespace=self.namespace, **more)

    def exec(self, *command):
        unique = f"exec-{next(numbers)}"
        done = self.ctr("tasks", "exec", "--exec-id", unique, self.name, *command, check=False)
        return done.returncode, done.stdout

    def end(self):
        """Can be called again."""
        self.ctr("tasks", "kill", "-s", "KILL", self.name, check=False)
        wait_for(lambda: not self.alive(), what=f"end of {self.name}")

    def remove(self):
        self.end()
        self.ctr("tasks", "rm", "-f", self.name, check=False)
        self.ctr("containers", "rm", self.name, check=False)


class CriContainer(Container):
    """One of a pod. `id`, and `pid` while it runs."""

    def __init__(self, pod, name, command=("sleep", "100000"), start=True, attempt=0):
        self.pod, self.name = pod, name
        labels = {**pod.labels, "io.kubernetes.container.name": name}
        self.id = self.cri.CreateContainer(
            pod_sandbox_id=pod.id, sandbox_config=pod.config,
            config={"metadata": {"name": name, "attempt": attempt}, "image": {"image": IMAGE},
                    "command": list(command), "labels": labels,
                    "linux": {"security_context": {
                        "namespace_options": pod.namespaces, "seccomp": {"profile_type": 0}}}},
        )["container_id"]
        if start:
            self.start()

    @property
    def cri(self):
        return self.pod.engine.cri

    def start(self):
        self.cri.StartContainer(container_id=self.id)
        info = self.cri.ContainerStatus(container_id=self.id, verbose=True)["info"]["info"]
        self.pid = json.loads(info)["pid"]
        return self

    def exec(self, *command):
        return self.cri.exec(self.id, *command)

    def state(self):
        return STATES[self.cri.ContainerStatus(container_id=self.id)["status"]["state"]]

    def stop(self):
        self.cri.StopContainer(container_id=self.id, timeout=0)

    def remove(self):
        self.stop()
        self.cri.RemoveContainer(container_id=self.id)

    @property
    def target(self):
        return f"{self.pod.namespace}/{self.pod.name}/{self.name}"


class Pod(Container):
    """A sandbox with containers, as the kubelet makes them. `id` and `pid` are those of the sandbox.
    share_pids: all in one pid namespace."""

    def __init__(self, engine, namespace, name, containers, share_pids=False):
        self.engine, self.namespace, self.name = engine, namespace, name
        self.namespaces = {"pid": POD if share_pids else CONTAINER}
        uid = f"uid-{next(numbers)}"
        self.labels = {"io.kubernetes.pod.name": name, "io.kubernetes.pod.namespace": namespace,
                       "io.kubernetes.pod.uid": uid, "app": name}
        self.config = {
            "metadata": {"name": name, "namespace": namespace, "uid": uid}, "hostname": name,
            "labels": self.labels,
            "linux": {"cgroup_parent": f"{engine.node.cgroup}/kubepods/besteffort/pod{uid}",
                      "security_context": {"namespace_options": self.namespaces}},
        }
        self.id = self.cri.RunPodSandbox(config=self.config)["pod_sandbox_id"]
        info = self.cri.PodSandboxStatus(pod_sandbox_id=self.id, verbose=True)["info"]["info"]
        self.pid = json.loads(info)["pid"]
        self.containers = {one: CriContainer(self, one) for one in containers}

    @property
    def cri(self):
        return self.engine.cri

    def __getitem__(self, name):
        return self.containers[name]

    def add(self, name, **more):
        self.containers[name] = CriContainer(self, name, **more)
        return self.containers[name]

    def remove(self):
        self.cri.StopPodSandbox(pod_sandbox_id=self.id)
        self.cri.RemovePodSandbox(pod_sandbox_id=self.id)


class Pods:
    """What the tests share and leave as it is."""

    def __init__(self, engine):
        self.cart = Pod(engine, "shop", "cart", ["app", "side"])
        self.solo = Pod(engine, "shop", "solo", ["only"])
        self.east = Pod(engine, "east", "twin", ["main"])
        self.west = Pod(engine, "west", "twin", ["main"])
        self.app = self.cart["app"]
        self.all = [self.cart, self.solo, self.east, self.west]

