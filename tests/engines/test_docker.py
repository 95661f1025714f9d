# SPDX-License-Identifier: MIT
"""docker: containers of a real dockerd by name and id, while they restart, and of a dockerd with a user
namespace. Not here: a dockerd that doesn't answer (test_docker_host_daemon.py), conjoin in a
container (test_helper_container.py)."""

import os
import threading

import pytest

from lib import proc
from lib.contract import (KILLED, OURS, Contract, Pausing, Removal, rows, says_hostname,
                          started)
from lib.daemons import a_place, call, need, skip_if_unavailable
from lib.docker import QUIET, Asked, Docker
from lib.failure import assert_failed
from lib.held import Held, differences, portrait
from lib.poll import wait_for
from lib.program import clean_env

ROUNDS = int(os.environ.get("RESTART_ROUNDS", "100"))


class TestDocker(Contract, Pausing, Removal):
    @pytest.fixture(scope="class")
    def engine(self, docker):
        """The first one with the host's network makes a mount that stays as long as dockerd."""
        name = f"first-{os.getpid()}"
        docker.run(name, "true", options=["--network=host"])
        docker.remove(name)
        return docker

    def test_a_whole_id_goes_before_a_name(self, asked, engine, web):
        """podman takes no such name."""
        name = web.id[:63]
        try:
            engine.run(name, options=["--hostname", "other"])
            says_hostname(asked.exec(f"{engine.scheme}:{web.id}", "hostname"), web)
        finally:
            engine.remove(name)

    @pytest.mark.parametrize("option", ["--pid=host", "--network=host", "--cgroupns=private",
                                        "--read-only", "--user=1000:1000"])
    def test_containers_of_other_kinds(self, asked, engine, option):
        name = f"kind-{os.getpid()}"
        box = engine.run(name, options=[option, "--label", "kind=other"])
        try:
            with Held(asked, box.target) as command:
                found = differences(portrait(box.pid), portrait(command.pid))
                found.pop("status Seccomp_filters", None)
                assert found == {}
            assert engine.listed(rows(asked, "--engine", "docker")) == engine.names()
        finally:
            engine.remove(name)

    def test_one_that_crashes_again_and_again(self, asked, engine):
        name = f"crash-{os.getpid()}"
        box = engine.run(name, "false", options=["--restart", "always"])
        try:
            # the pauses get longer: the one after the fifth is 1.6 s
            wait_for(lambda: engine.inspect(box.id)["RestartCount"] >= 5 and
                     box.word() == "restarting", 20, what="a longer pause")
            self.assert_word(asked, box, "restarting")
        finally:
            engine.remove(name)

    def test_one_that_couldnt_be_removed(self, asked, engine):
        name = f"dead-{os.getpid()}"
        box = engine.run(name, "sh", "-c", "touch /file; sleep 1000")
        file = os.path.join(engine.inspect(box.id)["GraphDriver"]["Data"]["UpperDir"], "file")
        wait_for(lambda: os.path.exists(file), what=file)
        with skip_if_unavailable():
            call(["chattr", "+i", file])
        try:
            assert engine.call("rm", "-f", name, check=False).returncode != 0
            assert box.word() == "dead"
            self.assert_word(asked, box, "dead")
        finally:
            call(["chattr", "-i", file])
            engine.remove(name)


class TestAddresses:
    """Where the socket is said to be."""

    @pytest.fixture(scope="class")
    def web(self, docker):
        yield from started(docker, f"addressed-{os.getpid()}")

    @pytest.mark.parametrize("form", ["{}", "unix://{}", "docker={}", "docker=unix://{}"])
    def test_engine_socket(self, conjoin, docker, web, form):
        """It counts, and DOCKER_HOST doesn't any more."""
        done = conjoin.exec(web.target, "hostname", env={
            **clean_env(), "DOCKER_HOST": "unix:///nowhere"}, options=[
            "--engine-socket", form.format(docker.socket)])
        says_hostname(done, web)

    def test_engine_socket_of_ps(self, conjoin, docker, web):
        done = conjoin.run("ps", "--json", "--engine-socket", f"docker={docker.socket}",
                           env=clean_env())
        assert done.returncode == 0 and f'"{web.name}"' in done.stdout

    def test_an_engine_socket_for_another_engine_isnt_asked(self, conjoin, docker, web):
        done = conjoin.exec(web.target, "hostname", env=clean_env(), options=[
            "--engine-socket", f"podman={docker.socket}"])
        assert done.stdout == "" and assert_failed(done, OURS, web.name)

    def test_verbose_says_who_was_asked(self, docker, conjoin, web):
        done = Asked(conjoin, docker).exec(web, "true", options=["-v"])
        assert f"docker: asked {docker.socket}: 1 container\n" in done.stderr

    @pytest.mark.parametrize("address", ["tcp://127.0.0.1:2375", "ssh://host", "unix:///nowhere"])
    def test_a_docker_host_that_is_of_no_use_is_named(self, conjoin, web, address):
        done = conjoin.exec(web.target, "hostname", env={**clean_env(), "DOCKER_HOST": address})
        assert done.stdout == "" and assert_failed(done, OURS, web.name)
        assert address.removeprefix("unix://") in done.stderr


def has_pidfd(pid):
    folder = f"/proc/{pid}/fd"
    return any("pidfd" in os.readlink(f"{folder}/{fd}") for fd in os.listdir(folder))


def test_kill_and_wait_take_its_name(docker, conjoin):
    asked = Asked(conjoin, docker)
    for box in started(docker, f"mortal-{os.getpid()}"):
        waiting = asked.popen("wait", box.target)
        wait_for(lambda: has_pidfd(waiting.pid), what="conjoin wait")
        assert asked.run("kill", "-s", "KILL", box.target).returncode == 0
        assert waiting.wait(20) in (137, 1)  # before Linux 6.15 its end isn't told to everybody
        wait_for(lambda: not box.alive(), what="its end")


class TestRestarts:
    def test_between_look_up_and_join_the_container_restarts(self, docker, conjoin):
        """Whatever happens: the right container, or a failure that is told."""
        asked, name = Asked(conjoin, docker), f"restless-{os.getpid()}"
        box = docker.run(name, options=["--hostname", "the-right-one"])
        over, results = threading.Event(), []

        def enter():
            while not over.is_set():
                results.append(asked.exec(box, "hostname"))

        threads = [threading.Thread(target=enter) for _ in range(2)]
        try:
            for thread in threads:
                thread.start()
            for _ in range(ROUNDS):
                docker("restart", "-t", "0", name)
        finally:
            over.set()
            for thread in threads:
                thread.join()
            docker.remove(name)
        right = [done for done in results if done.returncode == 0]
        assert {(done.stdout, done.stderr) for done in right} == {("the-right-one\n", "")}
        for done in results:
            if done.returncode != 0:
                # killed with its container, or not started at all
                assert done.returncode in (KILLED, OURS), done
                assert done.stdout in ("", "the-right-one\n"), done
                if done.returncode == OURS:
                    assert_failed(done, OURS, box.target)
        assert len(right) >= ROUNDS / 2  # it was there most of the time


class TestUserNamespace:
    """dockerd --userns-remap."""

    @pytest.fixture(scope="class")
    def remapped(self, rootfs):
        with a_place(cgroups=["docker"], folders=["/run/docker"]) as place:
            need("useradd", "userdel")
            user = f"conjoin-r{os.getpid()}"
            call(["useradd", "-M", "-s", "/bin/false", user])
            try:
                engine = Docker(place, rootfs, options=[*QUIET, "--userns-remap", user])
                yield engine
                engine.stop()
            finally:
                call(["userdel", user], check=False)

    @pytest.fixture(scope="class")
    def web(self, remapped):
        yield from started(remapped, f"remapped-{os.getpid()}")

    def test_exec(self, conjoin, remapped, web):
        assert proc.read(web.pid, "uid_map").split()[1] != b"0"
        asked = Asked(conjoin, remapped)
        says_hostname(asked.exec(web, "hostname"), web)
        with Held(asked, web.target) as command:
            found = differences(portrait(web.pid), portrait(command.pid))
            found.pop("status Seccomp_filters", None)
            assert found == {}

    def test_debug(self, conjoin, remapped, web):
        done = Asked(conjoin, remapped).debug(web, "readlink", "/proc/self/ns/pid")
        assert done.stdout == f"pid:[{proc.namespaces(web.pid)['pid']}]\n", done.stderr

    def test_ps(self, conjoin, remapped, web):
        found = rows(Asked(conjoin, remapped), "--engine", "docker")
        assert [row["id"] for row in found if row["id"] in remapped.names()] == [web.id]

    def test_exec_from_disk(self, conjoin, remapped, web):
        remapped.daemon.pause()
        try:
            done = Asked(conjoin, remapped).exec(
                web, "hostname", options=["--engine-timeout", "300ms"])
        finally:
            remapped.daemon.resume()
        says_hostname(done, web)
