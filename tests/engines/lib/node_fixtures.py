# SPDX-License-Identifier: MIT
"""The fixtures of engines that run in a node of their own (node.py). A module of tests takes them in with
`pytest_plugins = ["lib.node_fixtures"]`: who imports a fixture of the session makes another one for each
module. Where an engine can't run they skip, and say why.

    node            the machine: node.conjoin is the program in it
    containerd      containerd at its default places there
    pods            four pods that the tests share
    stuck           containerd hangs for one test; options with which little time is lost by that
    lxc(name, …)    an LXC container (lxc.py), which ends with the module
    nspawn(name, directory)   one of systemd-nspawn, which ends with the session
"""

import os

import pytest

from lib.containerd import PAUSE, Containerd, Pods, pause_root
from lib.daemons import Unavailable, a_place, need, skip_if_unavailable
from lib.image import write_archive
from lib.lxc import Lxc
from lib.node import Node
from lib.nspawn import Nspawn
from lib.poll import wait_for


@pytest.fixture(scope="session")
def node():
    with a_place(cgroups=[f"conjoin-test-{os.getpid()}-node", "default"]) as place:
        need("unshare", "nsenter", "ip")
        made = Node(place)
        try:
            yield made
        finally:
            made.clean()


@pytest.fixture(scope="session")
def archives(node, rootfs):
    """Files of two images: a pod's, and the one of the tests."""
    with skip_if_unavailable():
        pause, image = node.place / "pause.tar", node.place / "image.tar"
        write_archive(pause_root(str(node.place)), pause, PAUSE, ("/pause",))
        write_archive(rootfs, image)
        return pause, image


@pytest.fixture(scope="session")
def containerd(node, archives):
    with skip_if_unavailable():
        need("containerd", "ctr", "runc")
        if not os.access("/usr/lib/cni/bridge", os.X_OK):
            raise Unavailable("containernetworking-plugins isn't installed")
        made = Containerd(node)
    try:
        with skip_if_unavailable():
            for archive in archives:
                made.load(archive, "k8s.io")
            made.load(archives[1], "default")
        yield made
    finally:
        made.clean()


@pytest.fixture(scope="session")
def pods(containerd):
    return Pods(containerd)  # they end with the engine


@pytest.fixture
def stuck(containerd, pods):
    containerd.daemon.pause()
    yield ["--engine-timeout", "200ms"]
    containerd.daemon.resume()
    wait_for(containerd.answers, what="containerd")


@pytest.fixture(scope="module")
def lxc(node, rootfs):
    yield from factory(lambda name, **more: Lxc(node, name, rootfs, **more), Lxc.remove,
                       "lxc-start", "lxc-info", "lxc-attach")


@pytest.fixture(scope="session")
def nspawn(node, rootfs):
    yield from factory(lambda name, directory: Nspawn(node, name, rootfs, directory), Nspawn.stop,
                       "systemd-nspawn")


def factory(new, end, *programs):
    made = []

    def make(*args, **more):
        with skip_if_unavailable():
            made.append(new(*args, **more))
        return made[-1]

    with skip_if_unavailable():
        need(*programs)
    yield make
    for one in made:
        end(one)
