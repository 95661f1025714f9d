# SPDX-License-Identifier: MIT
"""A dockerd of the host's that hangs, or is gone: names are looked up on disk, within the time that the
caller gives. Its records may be stale then. Not here: daemons that answer garbage (unit tests)."""

import contextlib
import ctypes
import json
import os
import re
import signal
import struct
import time

import pytest

from lib import proc
from lib.contract import (OURS, find, hostname_of, labels_of, rows, says_hostname, started,
                          unique_prefix)
from lib.daemons import Unavailable, a_place, naming, skip_if_unavailable, stop_process
from lib.docker import USUAL, Asked, Docker, inside
from lib.failure import assert_failed
from lib.poll import wait_for
from lib.program import clean_env

SHORT = ["--engine-timeout", "300ms"]
MARGIN = 1.0  # seconds beyond the engine-timeout
CLONE3 = 435
libc = ctypes.CDLL(None, use_errno=True)


def timed(call_it):
    began = time.monotonic()
    done = call_it()
    return done, time.monotonic() - began


class Hung:
    """Containers of the session's dockerd; then it and, if that's wanted, its containerd stop."""

    def __init__(self, docker):
        self.docker, self.before, self.stopped = docker, {}, []
        self.listing = docker.names()
        self.prefix = {ident: unique_prefix(docker, ident) for ident in self.listing}

    def stop(self, also_containerd):
        daemons = [self.docker.daemon.pid]
        if also_containerd:
            daemons.append(self.docker.containerd())
        for pid in daemons:
            stop_process(pid)
            self.stopped.append(pid)

    def resume(self):
        for pid in self.stopped:
            os.kill(pid, signal.SIGCONT)


@pytest.fixture(scope="module")
def web(docker):
    yield from started(docker, f"hung-web-{os.getpid()}", ["--label", "tier=front"])


@pytest.fixture(scope="class", params=["dockerd hangs", "dockerd and containerd hang"])
def hung(request, docker, web):
    name = f"hung-{os.getpid()}"
    state = Hung(docker)
    boxes = {}
    try:
        boxes["created"] = docker.create(f"{name}-created")
        boxes["stopped"] = docker.run(f"{name}-stopped", "true")
        boxes["stopped"].wait_for_word("exited")
        boxes["paused"] = docker.run(f"{name}-paused")
        docker("pause", f"{name}-paused")
        state = Hung(docker)
        state.boxes, state.web_pid = boxes, web.pid
        state.paused_pid = boxes["paused"].pid
        state.stop("containerd" in request.param)
        yield state
    finally:
        state.resume()
        for box in boxes.values():
            docker.remove(box.name)


class TestHung:
    @pytest.fixture
    def asked(self, conjoin, docker):
        return Asked(conjoin, docker)

    @pytest.mark.parametrize("how", ["name", "id", "short id", "prefix", "bare name", "bare id"])
    def test_it_is_found_by(self, asked, hung, web, how):
        word = {"name": web.target, "id": f"docker:{web.id}", "short id": f"docker:{web.id[:12]}",
                "prefix": f"docker:{hung.prefix[web.id]}", "bare name": web.name,
                "bare id": web.id}[how]
        done, took = timed(lambda: asked.exec(word, "hostname", options=SHORT))
        says_hostname(done, web)
        assert took < 0.3 + MARGIN

    def test_two_seconds_it_is_waited_for_and_verbose_says_so(self, asked, hung, docker, web):
        done, took = timed(lambda: asked.exec(web, "hostname", options=["-v"]))
        assert done.stdout == hostname_of(web.name) + "\n"
        assert f"docker: {docker.socket}: no answer within 2 s; read {docker.data}/containers " \
            "instead: 1 container\n" in done.stderr
        assert 2 <= took < 2 + MARGIN

    @pytest.mark.parametrize("form", ["{}", "docker=unix://{}"])
    def test_engine_socket(self, conjoin, hung, docker, web, form):
        done = conjoin.exec(web.target, "hostname", env=clean_env(), options=[
            *SHORT, "--engine-socket", form.format(docker.socket)])
        says_hostname(done, web)

    def test_debug(self, asked, hung, web):
        done, took = timed(lambda: asked.debug(
            web, "readlink", "/proc/self/ns/pid", options=SHORT))
        assert done.stdout == f"pid:[{proc.namespaces(hung.web_pid)['pid']}]\n", done.stderr
        assert took < 0.3 + MARGIN

    def test_pids(self, asked, hung, web):
        done = asked.run("pids", "--json", "--flat", *SHORT, web.target)
        assert done.returncode == 0, done.stderr
        assert {one["host"]: one["inside"] for one in json.loads(done.stdout)} == {
            pid: number for pid, (number, _) in inside(hung.web_pid).items()}

    def test_inspect(self, asked, hung, web):
        done = asked.run("inspect", "--json", *SHORT, web.target)
        assert done.returncode == 0, done.stderr
        (one,) = json.loads(done.stdout)
        assert (find(one, "engine"), find(one, "id"), find(one, "pid")) == (
            "docker", web.id, hung.web_pid)
        assert f'"{web.name}"' in done.stdout
        assert labels_of(find(one, "labels")) >= {"tier": "front"}.items()

    def test_ps_lists_the_same(self, asked, hung, web):
        found, took = timed(lambda: rows(asked, "--engine", "docker", *SHORT))
        assert hung.docker.listed(found) == hung.listing
        row = next(row for row in found if row["id"] == web.id)
        assert (row["pid"], row["image"]) == (hung.web_pid, "localhost/conjoin-test:1")
        assert row["labels"]["tier"] == "front"
        assert took < 0.3 + MARGIN

    @pytest.mark.parametrize("word", ["created", "stopped"])
    def test_states(self, asked, hung, word):
        box = hung.boxes[word]
        line = assert_failed(asked.exec(box, "hostname", options=SHORT), OURS)
        assert line == f"conjoin: exec {box.target}: container {box.name} is {word}"

    def test_paused(self, asked, hung):
        box = hung.boxes["paused"]
        assert_failed(asked.exec(box, "hostname", options=SHORT), OURS, "paused")
        done = asked.run("inspect", "--json", *SHORT, box.target)
        assert find(json.loads(done.stdout), "pid") == hung.paused_pid

    @pytest.mark.parametrize("word", ["docker:nosuch", "nosuch"])
    def test_what_isnt_there(self, asked, hung, word):
        done, took = timed(lambda: asked.exec(word, "hostname", options=SHORT))
        assert done.stdout == "" and assert_failed(done, OURS, "nosuch")
        assert took < 0.3 + MARGIN


def remove(path):
    """A cgroup, as soon as nobody is in it."""
    try:
        os.rmdir(path)
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True


def with_number(pid, directories):
    """Makes a process of that number (clone3(2), set_tid) which goes to those cgroups and sleeps."""
    wanted = (ctypes.c_int * 1)(pid)
    arguments = struct.pack("11Q", 0, 0, 0, 0, signal.SIGCHLD, 0, 0, 0, ctypes.addressof(wanted), 1,
                            0)
    files = [os.open(os.path.join(path, "cgroup.procs"), os.O_WRONLY) for path in directories]
    child = libc.syscall(CLONE3, ctypes.create_string_buffer(arguments), len(arguments))
    if child == 0:
        with contextlib.suppress(BaseException):
            for fd in files:
                os.write(fd, b"0")
            os.execv("/bin/sleep", ["sleep", "1000"])
        os._exit(1)
    for fd in files:
        os.close(fd)
    if child < 0:
        raise Unavailable(f"clone3 with a number: {os.strerror(ctypes.get_errno())}")
    wait_for(lambda: proc.read(child, "comm") == b"sleep\n", what="the one with its number")
    return child


class TestRecycled:
    """The record on disk names a process that ended; its number is somebody else's now."""

    @pytest.mark.parametrize("whose", ["the host's", "another container's"])
    @pytest.mark.parametrize("verb", ["exec", "debug", "inspect"])
    def test_the_number_of_another_isnt_taken(self, conjoin, docker, web, whose, verb):
        asked, name = Asked(conjoin, docker), f"stale-{os.getpid()}"
        box = docker.run(name)
        pid, folders = box.pid, list(web.cgroup_dirs().values())
        daemons, impostor = [docker.daemon.pid, docker.containerd()], None
        try:
            for daemon in daemons:
                stop_process(daemon)
            os.kill(pid, signal.SIGKILL)
            wait_for(lambda: not os.path.exists(f"/proc/{pid}"), what=f"end of {pid}")
            with skip_if_unavailable():
                impostor = with_number(pid, folders if whose != "the host's" else [])
            command = ["cat", "/proc/self/cgroup"] if verb != "inspect" else []
            done = asked.run(verb, *SHORT, box.target, *command)
            assert done.stdout.strip() in ("", "[]")
            assert_failed(done, 1 if verb == "inspect" else OURS, name)
            found = rows(asked, "--engine", "docker", *SHORT)
            assert name not in [row["name"] for row in found]
        finally:
            if impostor:
                os.kill(impostor, signal.SIGKILL)
                os.waitpid(impostor, 0)
            for daemon in daemons:
                os.kill(daemon, signal.SIGCONT)
            docker.remove(name)


def test_where_nobody_tells_the_id_is_still_in_the_cgroups(conjoin, docker):
    """No daemon, and nobody knows its data root: ps shows ids then, and each of them is a target."""
    name = f"unknown-{os.getpid()}"
    box = docker.run(name, options=["--hostname", hostname_of(name)])
    try:
        options = ["--engine-socket", "docker=/nowhere/d.sock"]
        for word in (f"docker:{box.id[:12]}", f"docker:{box.id}", box.id[:12]):
            done = conjoin.exec(word, "hostname", env=clean_env(), options=options)
            assert (done.returncode, done.stdout) == (0, hostname_of(name) + "\n"), done.stderr
            assert "no OCI bundle of it was found" in done.stderr  # where it is nobody tells, too
        done = conjoin.exec(f"docker:{box.id}", "true", env=clean_env(), options=["-v", *options])
        assert "read the cgroups of all processes instead" in done.stderr
        assert_failed(conjoin.exec(box.target, "true", env=clean_env(), options=options), OURS,
                      "/nowhere/d.sock")
    finally:
        docker.remove(name)


class TestAtItsUsualPlaces:
    """/run/docker.sock and /var/lib/docker, where nobody has to tell conjoin. The tests run in this
    order: dockerd answers, is killed, its socket is removed."""

    @pytest.fixture(scope="class")
    def usual(self, rootfs):
        for path in USUAL[:2]:
            if os.path.lexists(path):
                pytest.skip(f"{path} is somebody else's")
        places = [*USUAL, *(f"{USUAL[2]}/{name}" for name in (
            "containerd", "netns", "runtime-runc", "swarm", "plugins"))]
        with a_place(cgroups=["docker"], folders=places) as place:
            engine = Docker(place, rootfs, usual=True)
            engine.first_processes, engine.cgroups_left = [], []
            try:
                yield engine
            finally:
                engine.daemon.kill()
                left = naming(f"{USUAL[2]}/containerd/")  # containerd and its shims
                for pid in engine.first_processes + left:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
                wait_for(lambda: not naming(f"{USUAL[2]}/containerd/"), what="end of containerd")
                for path in engine.cgroups_left:  # nobody is there who would remove them
                    wait_for(lambda path=path: remove(path), what=f"removal of {path}")

    @pytest.fixture(scope="class")
    def box(self, usual):
        made = usual.run(f"usual-{os.getpid()}",
                         options=["--hostname", hostname_of(f"usual-{os.getpid()}")])
        usual.first_processes, usual.cgroups_left = [made.pid], made.cgroup_dirs().values()
        return made

    @pytest.fixture(scope="class")
    def killed(self, usual, box):
        usual.daemon.kill()

    @pytest.fixture(scope="class")
    def removed(self, usual, killed):
        os.unlink(usual.socket)

    def enters(self, conjoin, box, said):
        for word in (box.target, f"docker:{box.id[:12]}", box.name):
            says_hostname(conjoin.exec(word, "hostname", env=clean_env()), box)
        done = conjoin.exec(box.target, "true", options=["-v"], env=clean_env())
        assert re.search(rf"docker: {said}: 1 container\n", done.stderr), done.stderr
        asked = Asked(conjoin, box.engine)
        assert box.id in [row["id"] for row in rows(asked, "--engine", "docker")]

    def test_it_answers(self, conjoin, usual, box):
        self.enters(conjoin, box, "asked (/var)?/run/docker.sock")

    def test_it_was_killed(self, conjoin, box, killed):
        self.enters(conjoin, box, "(connect to )?(/var)?/run/docker.sock: Connection refused; "
                    "read /var/lib/docker/containers instead")

    def test_its_socket_is_gone(self, conjoin, box, removed):
        self.enters(conjoin, box, "(connect to )?(/var)?/run/docker.sock: No such file or directory; "
                    "read /var/lib/docker/containers instead")

    def test_the_socket_that_is_named_is_of_no_use_either(self, conjoin, box, removed):
        """A data root of its own can't be known then: that's told."""
        done = conjoin.exec(box.target, "true", env=clean_env(),
                            options=["--engine-socket", "/nowhere/d.sock"])
        if done.returncode != 0:
            assert_failed(done, OURS, box.name)
            assert "/nowhere/d.sock" in done.stderr
