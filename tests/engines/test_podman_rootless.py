# SPDX-License-Identifier: MIT
"""podman of an ordinary user, with and without its socket; root asks for the user's containers, and the
user asks himself."""

import os

import pytest

from lib import proc
from lib.contract import OURS, Contract, rows, says_hostname, started
from lib.docker import Asked
from lib.failure import assert_failed
from lib.fixtures import NOBODY


class TestTheUserAsks(Contract):
    knows_labels = False
    # The rights are in the user namespace. There the container's root could be who the user is.
    debug_options = ["--namespaces", "+user", "--expose-host"]

    @pytest.fixture(scope="class")
    def engine(self, rootless):
        return rootless.as_user()


class TestRootAsks(Contract):
    knows_labels = False

    @pytest.fixture(scope="class")
    def engine(self, rootless):
        return rootless.as_root()


class TestTheUsersSocket:
    """The one in the user's directory of /run/user, of which nobody tells conjoin."""

    @pytest.fixture(scope="class")
    def path(self, rootless):
        path = os.path.join(rootless.owner.runtime, "podman", "podman.sock")
        os.mkdir(os.path.dirname(path), 0o700)
        os.chown(os.path.dirname(path), rootless.owner.uid, rootless.owner.gid)
        with rootless.service(path, tell=False) as daemon:
            rootless.daemon = daemon
            yield path

    @pytest.fixture(scope="class", params=["the user", "root"])
    def engine(self, request, rootless, path):
        return rootless.as_user() if request.param == "the user" else rootless.as_root()

    @pytest.fixture(scope="class")
    def box(self, engine):
        yield from started(engine, f"socket-{os.getpid()}")

    @pytest.mark.parametrize("how", ["name", "id", "bare name"])
    def test_it_is_asked(self, conjoin, engine, path, box, how):
        word = {"name": box.target, "id": f"podman:{box.id[:12]}", "bare name": box.name}[how]
        asked = Asked(conjoin, engine)
        says_hostname(asked.exec(word, "hostname"), box)
        done = asked.exec(word, "true", options=["-v"])
        assert f"podman: asked {path}: 1 container\n" in done.stderr

    def test_ps(self, conjoin, engine, box):
        found = rows(Asked(conjoin, engine), "--engine", "podman")
        assert engine.listed(found) == engine.names()

    def test_it_hangs(self, conjoin, engine, rootless, box):
        asked = Asked(conjoin, engine)
        pid = box.pid
        rootless.daemon.pause()
        try:
            done = asked.exec(box, "hostname", options=["--engine-timeout", "300ms"])
            found = rows(asked, "--engine", "podman", "--engine-timeout", "300ms")
        finally:
            rootless.daemon.resume()
        says_hostname(done, box)
        assert (box.name, pid) in [(row["name"], row["pid"]) for row in found]


def test_somebody_else_doesnt_get_in(conjoin, rootless):
    engine = rootless.as_user()
    for box in started(engine, f"private-{os.getpid()}"):
        for word in (box.target, box.name, f"podman:{box.id}"):
            done = conjoin.exec(word, "hostname", user=NOBODY)
            assert done.stdout == "" and assert_failed(done, OURS)


def test_a_name_that_root_has_as_well_is_roots(conjoin, podman, rootless):
    """No user can take a name away from root. The user's is found by its id, and by its user."""
    name = f"both-{os.getpid()}"
    for mine in started(podman, name):
        for theirs in started(rootless.as_root(), name):
            asked = Asked(conjoin, podman)
            for word in (f"podman:{name}", name):
                done = asked.exec(word, "readlink", "/proc/self/ns/pid")
                assert done.stdout.strip() == f"pid:[{proc.namespaces(mine.pid)['pid']}]", done
            for box in (mine, theirs):
                says_hostname(asked.exec(f"podman:{box.id}", "hostname"), box)
            # the user can't ask root's
            says_hostname(Asked(conjoin, rootless.as_user()).exec(theirs, "hostname"), theirs)

