# SPDX-License-Identifier: MIT
"""conjoin in a helper container with the host's pid namespace, as one starts it on a node that one
can't log in to: its own mounts, network and (where asked for) cgroup namespace, the host's files at
/host."""

import json
import os
import subprocess

import pytest

from lib import proc
from lib.contract import hostname_of, started
from lib.docker import PRIVILEGED, inside
from lib.held import differences, portrait
from lib.poll import wait_for
from lib.program import clean_env

# What `docker run --cap-add` has to say beyond Docker's own fourteen. SYS_ADMIN: setns(2), mounts;
# SYS_PTRACE: /proc of others' processes.
NEEDED = ["--cap-add", "SYS_ADMIN", "--cap-add", "SYS_PTRACE"]
KINDS = {
    "every capability": PRIVILEGED,
    "every capability, own cgroup namespace": [*PRIVILEGED, "--cgroupns", "private"],
    "those that are needed": [*NEEDED, "--security-opt", "seccomp=unconfined"],
}


@pytest.fixture(scope="module")
def web(docker):
    yield from started(docker, f"helped-{os.getpid()}")


class Helper:
    """A container in which /conjoin is the program."""

    def __init__(self, engine, name):
        self.engine, self.name = engine, name

    def words(self, *words, interactive=False):
        return [*self.engine.program, "exec", *(["-i"] if interactive else []), self.name,
                "/conjoin", *map(str, words)]

    def run(self, *words):
        return subprocess.run(self.words(*words), stdin=subprocess.DEVNULL, capture_output=True,
                              text=True, timeout=60, check=False, env=clean_env())

    def popen(self, *words):
        return subprocess.Popen(self.words(*words, interactive=True), stdin=subprocess.PIPE,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=clean_env())


@pytest.fixture(scope="module", params=list(KINDS))
def helper(request, docker, conjoin, session_folder):
    name = f"helper-{os.getpid()}"
    docker.run(name, options=["--pid=host", *KINDS[request.param], "-v", "/:/host",
                              "-v", f"{conjoin.path}:/conjoin:ro"])
    yield Helper(docker, name)
    docker.remove(name)


def socket_of(docker):
    return ["--engine-socket", f"docker=/host{docker.socket}"]


def targets(docker, web):
    """By PID it needs no socket."""
    return {"pid": ([], str(web.pid)), "name": (socket_of(docker), web.target),
            "bare name": (socket_of(docker), web.name)}


@pytest.mark.parametrize("how", ["pid", "name", "bare name"])
def test_exec(docker, helper, web, how):
    options, word = targets(docker, web)[how]
    done = helper.run("exec", *options, word, "hostname")
    assert (done.returncode, done.stdout) == (0, hostname_of(web.name) + "\n"), done.stderr


def test_the_command_is_what_the_containers_first_process_is(docker, helper, web):
    """Its cgroups too, all of them, although the helper has only its own mounted."""
    before = set(inside(web.pid))
    process = helper.popen("exec", *socket_of(docker), web.target, "cat")
    try:
        process.stdin.write(b"x\n")
        process.stdin.flush()
        assert process.stdout.readline() == b"x\n", process.communicate()
        new = wait_for(lambda: [pid for pid in set(inside(web.pid)) - before
                                if proc.read(pid, "comm") == b"cat\n"], what="cat")
        found = differences(portrait(web.pid), portrait(new[0]))
        found.pop("status Seccomp_filters", None)
    finally:
        _, stderr = process.communicate(timeout=30)
    assert process.returncode == 0
    assert found == {} and b"seccomp" not in stderr, stderr


@pytest.mark.parametrize("how", ["pid", "name"])
def test_debug(docker, helper, web, how):
    options, word = targets(docker, web)[how]
    done = helper.run("debug", *options, word, "sh", "-c",
                      "for i in pid net; do readlink /proc/self/ns/$i; done; hostname; ls -d /host/etc")
    theirs = proc.namespaces(web.pid)
    assert done.returncode == 0, done.stderr
    pid, net, name, host = done.stdout.splitlines()
    assert (pid, net) == (f"pid:[{theirs['pid']}]", f"net:[{theirs['net']}]")
    assert name != hostname_of(web.name) and host == "/host/etc"  # its files are the helper's


def test_ps(docker, helper, web):
    done = helper.run("ps", "--json", "--engine", "docker", *socket_of(docker))
    assert done.returncode == 0, done.stderr
    found = {row["id"]: row for row in json.loads(done.stdout) if row["type"] == "target"}
    # The container that conjoin runs in is the host there.
    others = {ident: name for ident, name in docker.names().items() if not name.startswith("helper-")}
    assert docker.listed(found.values()) == others
    assert found[web.id]["pid"] == web.pid


def test_inspect_and_pids(docker, helper, web):
    done = helper.run("pids", "--json", "--flat", *socket_of(docker), web.target)
    assert {one["host"] for one in json.loads(done.stdout)} == set(inside(web.pid))
    done = helper.run("inspect", "--json", *socket_of(docker), web.target)
    assert f'"{web.id}"' in done.stdout, done.stderr


def test_a_dockerd_that_hangs(docker, helper, web, conjoin):
    """Its state on disk is at another path here, and reached by way of the daemon's own root.
    docker's exec needs the daemon, so conjoin itself enters the helper, cgroups included."""
    helper_pid = int(docker.inspect(helper.name)["State"]["Pid"])
    docker.daemon.pause()
    try:
        done = subprocess.run(
            [conjoin.path, "exec", str(helper_pid), "/conjoin", "exec", *socket_of(docker),
             "--engine-timeout", "300ms", web.target, "hostname"], stdin=subprocess.DEVNULL,
            capture_output=True, text=True, timeout=60, check=False, env=clean_env())
    finally:
        docker.daemon.resume()
    assert (done.returncode, done.stdout) == (0, hostname_of(web.name) + "\n"), done.stderr
