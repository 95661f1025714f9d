# SPDX-License-Identifier: MIT
"""The fixtures are those of the integration tests, and the engines, each started once a session.

    docker      a dockerd of the tests' own: lib.docker.Docker
    podman      podman as root, at its usual places: lib.podman.Podman
    rootless    podman of an ordinary user who is made for it
"""

import os
import sys

import pytest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "../integration"))

import lib  # noqa: E402

lib.__path__.append(os.path.join(HERE, "lib"))
pytest.register_assert_rewrite("lib.contract")

from lib.daemons import a_place  # noqa: E402
from lib.docker import Docker  # noqa: E402
from lib.fixtures import *  # noqa: E402,F401,F403
from lib.podman import FOLDERS, Podman, Rootless, User  # noqa: E402


@pytest.fixture(scope="session")
def docker(rootfs):
    with a_place(cgroups=["docker"], folders=["/run/docker"]) as place:
        engine = Docker(place, rootfs)
        yield engine
        engine.stop()


@pytest.fixture(scope="session")
def podman(rootfs):
    with a_place(cgroups=["libpod_parent"], folders=FOLDERS) as place:
        engine = Podman(place, rootfs).load()
        yield engine
        engine.stop()


@pytest.fixture(scope="session")
def rootless(rootfs):
    with a_place() as place:
        user = User(place)
        try:
            engine = Rootless(place, rootfs, user).load()
            yield engine
            engine.stop()
        finally:
            user.remove()
