# SPDX-License-Identifier: MIT
"""podman as root: asked by its socket, and read from its storage where no service runs, or one hangs.
Not here: podman of ordinary users (test_podman_rootless.py)."""

import os
import re
import threading

import pytest

from lib.contract import (KILLED, OURS, Contract, Pausing, Removal, rows, says_hostname,
                          started)
from lib.daemons import call, skip_if_unavailable
from lib.docker import Asked, EngineContainer
from lib.held import Held, differences, portrait
from lib.image import NAME
from lib.oci import crun_wrapper, is_hybrid
from lib.program import clean_env

STORAGE = "/var/lib/containers/storage"
ROUNDS = int(os.environ.get("RESTART_ROUNDS", "100")) // 5


class TestWithoutAService(Contract, Pausing, Removal):
    knows_labels = False

    @pytest.fixture(scope="class")
    def engine(self, podman):
        return podman

    def test_verbose_says_what_was_read(self, asked, web):
        done = asked.exec(web, "true", options=["-v"])
        assert re.search(rf"^(conjoin: )?.*podman: .*read {STORAGE}.*: 1 container$", done.stderr,
                         re.MULTILINE), done.stderr

    def test_it_restarts_between_look_up_and_join(self, asked, engine, make):
        box = make(f"restless-{os.getpid()}")
        over, results = threading.Event(), []

        def enter():
            while not over.is_set():
                results.append(asked.exec(box, "hostname"))

        thread = threading.Thread(target=enter)
        thread.start()
        try:
            for _ in range(ROUNDS):
                engine("restart", "-t", "0", box.name)
        finally:
            over.set()
            thread.join()
        for done in results:
            if done.returncode == 0:
                says_hostname(done, box)
            else:
                assert done.returncode in (KILLED, OURS), done
                assert done.stdout in ("", f"host-of-{box.name}\n"), done
        assert any(done.returncode == 0 for done in results)


class TestOnASocket(Contract, Pausing):
    @pytest.fixture(scope="class")
    def engine(self, podman):
        with podman.service(podman.place / "p.sock"):
            yield podman

    def test_verbose_says_who_was_asked(self, asked, engine, web):
        done = asked.exec(web, "true", options=["-v"])
        assert f"podman: asked {engine.place / 'p.sock'}: 1 container\n" in done.stderr


class TestItsUsualSocket:
    """/run/podman/podman.sock, of which nobody tells conjoin."""

    PATH = "/run/podman/podman.sock"

    @pytest.fixture(scope="class")
    def daemon(self, podman):
        if os.path.exists(self.PATH):
            pytest.skip(f"{self.PATH} is somebody else's")
        os.makedirs(os.path.dirname(self.PATH), exist_ok=True)
        with podman.service(self.PATH, tell=False) as daemon:
            yield daemon

    @pytest.fixture(scope="class")
    def box(self, podman, daemon):
        yield from started(podman, f"usual-{os.getpid()}")

    def test_it_is_found(self, conjoin, podman, box):
        done = Asked(conjoin, podman).exec(box, "hostname", options=["-v"])
        assert done.stdout == f"host-of-{box.name}\n"
        assert f"podman: asked {self.PATH}: 1 container\n" in done.stderr

    @pytest.mark.parametrize("form", ["{}", "podman=unix://{}"])
    def test_it_can_be_named(self, conjoin, box, form):
        done = conjoin.exec(box.target, "hostname", env=clean_env(),
                            options=["--engine-socket", form.format(self.PATH)])
        says_hostname(done, box)

    def test_it_hangs(self, conjoin, podman, daemon, box):
        asked = Asked(conjoin, podman)
        daemon.pause()
        try:
            done = asked.exec(box, "hostname", options=["-v", "--engine-timeout", "300ms"])
            found = rows(asked, "--engine", "podman", "--engine-timeout", "300ms")
        finally:
            daemon.resume()
        assert done.stdout == f"host-of-{box.name}\n"
        assert re.search(rf"podman: {self.PATH}: no answer within .*; read {STORAGE}.* instead: "
                         "1 container\n", done.stderr), done.stderr
        assert podman.listed(found) == podman.names()


class TestCrun:
    """podman's own runtime, which keeps other records than runc. With cgroups v1 and v2 side by side it
    needs a mount namespace in which only v1 is."""

    @pytest.fixture(scope="class")
    def box(self, podman, session_folder):
        words = ["podman", *podman.program[1:], "--runtime", "crun", "run", "-d", "--hostname"]
        if is_hybrid():
            words = ["unshare", "-m", "sh", crun_wrapper(session_folder), *words]
        name = f"crun-{os.getpid()}"
        podman.made[name] = True
        with skip_if_unavailable():
            done = call([*words, f"host-of-{name}", "--name", name, NAME], env=podman.settings)
        yield EngineContainer(podman, name, done.stdout.split()[-1])
        podman.remove(name)

    def test_exec(self, conjoin, podman, box):
        asked = Asked(conjoin, podman)
        says_hostname(asked.exec(box, "hostname"), box)
        with Held(asked, box.target) as command:
            found = differences(portrait(box.pid), portrait(command.pid))
            found.pop("status Seccomp_filters", None)
            assert found == {}

    def test_ps(self, conjoin, podman, box):
        row = next(row for row in rows(Asked(conjoin, podman)) if row["pid"] == box.pid)
        assert (row["engine"], row["name"], row["id"]) == ("podman", box.name, box.id)
