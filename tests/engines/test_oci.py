# SPDX-License-Identifier: MIT
"""Containers of runc and crun by oci:ID, of root and of an ordinary user. Not here: entering them by PID
(tests/integration/test_runtimes.py)."""

import json
import os
import shutil
import subprocess

import pytest

from lib import proc
from lib.daemons import Unavailable, need, skip_if_unavailable
from lib.entering import (assert_debug, assert_ends_with_it, assert_engine_sees_it, assert_exec,
                          assert_inspect, assert_not_running, every_row)
from lib.failure import assert_failed
from lib.fixtures import numbers
from lib.oci import OciContainer, Runtime
from lib.poll import wait_for
from lib.program import clean_env
from lib.recycle import process_with_pid

pytest_plugins = ["lib.node_fixtures"]

UID = 12345  # an ordinary user, who needs no name


@pytest.fixture
def conjoin(node):
    return node.conjoin


class Box(OciContainer):
    """In the node."""

    def exec(self, *command, **more):
        done = super().exec(*command, **more)
        return done.returncode, done.stdout

    def stop(self):
        self.call("kill", self.name, "KILL")
        wait_for(lambda: not self.alive(), what=f"end of {self.name}")


@pytest.fixture(scope="module", params=["runc", "crun"])
def runtime(request, node, session_folder):
    with skip_if_unavailable():
        need(request.param)
    made = Runtime(request.param, session_folder)
    made.command = [*node.enter, *made.command]
    return made


def make(runtime, session_folder, rootfs, change=None):
    number = next(numbers)
    bundle = os.path.join(session_folder, f"{runtime.name}-{number}")
    os.mkdir(bundle)
    return Box(runtime, f"box.{number}-{os.getpid()}", bundle, rootfs, change)


@pytest.fixture(scope="module")
def box(runtime, session_folder, rootfs):
    made = make(runtime, session_folder, rootfs)
    yield made
    made.delete()
    shutil.rmtree(made.bundle)


@pytest.fixture
def start(runtime, session_folder, rootfs):
    made = []

    def run(change=None):
        made.append(make(runtime, session_folder, rootfs, change))
        return made[-1]

    yield run
    for one in made:
        one.delete()
        shutil.rmtree(one.bundle)


def test_a_container_is_entered_by_its_id(conjoin, box):
    assert_exec(conjoin, f"oci:{box.name}", box)
    assert_exec(conjoin, box.name, box)


def test_all_commands_work(conjoin, box):
    target = f"oci:{box.name}"
    assert_debug(conjoin, target, box)
    assert_inspect(conjoin, target, box, engine="oci", id=box.name, bundle=box.bundle)
    assert_engine_sees_it(conjoin, target, box)


def test_stopping_it_ends_the_command(conjoin, start):
    box = start()
    assert_ends_with_it(conjoin, f"oci:{box.name}", box.stop)
    assert_not_running(conjoin, f"oci:{box.name}", "stopped")
    box.call("delete", box.name)
    assert_failed(conjoin.exec(f"oci:{box.name}", "true"), 125)


def test_a_paused_one_is_paused(conjoin, start):
    box = start()
    box.call("pause", box.name)
    try:
        assert_failed(conjoin.exec(f"oci:{box.name}", "true"), 125, "paused")
        assert_inspect(conjoin, f"oci:{box.name}", box, id=box.name)
        assert box.name in [row["id"] for row in every_row(conjoin, "oci")]
    finally:
        box.call("resume", box.name)
    assert_exec(conjoin, f"oci:{box.name}", box)


def test_one_that_was_never_started_is_created(conjoin, runtime, box):
    name = f"created-{os.getpid()}"
    box.call("create", "--bundle", box.bundle, name)
    try:
        assert_not_running(conjoin, f"oci:{name}", "created")
        box.call("start", name)
        assert conjoin.exec(f"oci:{name}", "hostname").stdout == "box\n"
    finally:
        box.call("delete", "--force", name)


def test_one_of_that_name_that_is_made_anew_is_the_new_one(conjoin, box):
    name = f"again-{os.getpid()}"
    before = None
    for _ in range(10):
        pid_file = os.path.join(box.bundle, "pid-of-again")
        box.call("run", "--detach", "--bundle", box.bundle, "--pid-file", pid_file, name)
        try:
            with open(pid_file, encoding="ascii") as f:
                pid = int(f.read())
            assert pid != before
            done = conjoin.exec(f"oci:{name}", "readlink", "/proc/self/ns/pid")
            assert done.stdout == f"pid:[{proc.namespaces(pid)['pid']}]\n", done
            before = pid
        finally:
            box.call("delete", "--force", name)
        assert_failed(conjoin.exec(f"oci:{name}", "true"), 125)


def test_another_process_of_that_number_is_never_taken_for_it(conjoin, start):
    """Its state says so for ever, once nobody is there to tidy up."""
    box = start()
    os.kill(box.pid, 9)
    wait_for(lambda: not os.path.exists(f"/proc/{box.pid}"), what="the end of the container")
    with process_with_pid(box.pid) as other:
        assert proc.alive(box.pid)
        assert_not_running(conjoin, f"oci:{box.name}", "stopped")
        done = conjoin.run("inspect", f"oci:{box.name}")
        assert done.returncode == 1, done
        assert other.pid not in [row["pid"] for row in every_row(conjoin, "oci")]
        assert conjoin.exec(str(other.pid), "true").returncode == 0  # it can be entered


def test_ps_lists_what_the_runtimes_list(conjoin, node, runtime, box, start):
    start().stop()
    theirs = set()
    for name in ("runc", "crun"):
        text = node.call(name, "list", "--format", "json", check=False).stdout
        theirs |= {(one["id"], one["pid"]) for one in json.loads(text or "null") or []
                   if one["status"] != "stopped"}
    assert (box.name, box.pid) in theirs
    ours = every_row(conjoin, "oci")
    assert {(row["id"], row["pid"]) for row in ours if row["engine"] == "oci"} == theirs


@pytest.mark.parametrize("word", ["nobody", "../runc", ".", "..", "/", "%s%n", "a\x1b[31m",
                                  "n" * 4096])
def test_what_isnt_there_is_said_not_to_be(conjoin, box, word):
    done = conjoin.exec(f"oci:{word}", "true")
    assert_failed(done, 125)
    assert "unknown" not in done.stderr


# --- of an ordinary user ---


def rootless(config):
    """As `runc spec --rootless` has it."""
    config["linux"]["namespaces"] = [{"type": kind} for kind in (
        "pid", "network", "ipc", "uts", "mount", "user")]
    config["linux"]["uidMappings"] = [{"containerID": 0, "hostID": UID, "size": 1}]
    config["linux"]["gidMappings"] = [{"containerID": 0, "hostID": UID, "size": 1}]
    config["linux"].pop("resources", None)
    config["process"]["user"] = {"uid": 0, "gid": 0}
    config["mounts"] = [one for one in config["mounts"]
                        if one["destination"] not in ("/sys", "/sys/fs/cgroup")]
    for mount in config["mounts"]:
        mount["options"] = [word for word in mount.get("options", []) if "gid=" not in word]


class OfAUser:
    """A container of runc that a user has started, its state where runc keeps it for users."""

    def __init__(self, node, folder, rootfs):
        self.node, self.runtime = node, node.path(f"/run/user/{UID}")
        os.makedirs(self.runtime, mode=0o700)
        os.chown(self.runtime, UID, UID)
        bundle = os.path.join(folder, "rootless")
        os.mkdir(bundle)
        subprocess.run(["runc", "spec"], cwd=bundle, check=True)
        with open(os.path.join(bundle, "config.json"), encoding="utf-8") as f:
            config = json.load(f)
        config["process"].update(terminal=False, args=["sleep", "100000"])
        config["root"]["path"], config["hostname"] = rootfs, "of-a-user"
        rootless(config)
        with open(os.path.join(bundle, "config.json"), "w", encoding="utf-8") as f:
            json.dump(config, f)
        os.chown(bundle, UID, UID)
        self.bundle, self.name = bundle, f"rootless-{os.getpid()}"
        self.call("run", "--detach", "--pid-file", "pid", self.name)
        with open(os.path.join(bundle, "pid"), encoding="ascii") as f:
            self.pid = int(f.read())

    def call(self, *words):
        with open(os.path.join(self.bundle, "output"), "w+", encoding="utf-8") as f:
            done = subprocess.run(
                [*self.node.enter, "setpriv", f"--reuid={UID}", f"--regid={UID}", "--clear-groups",
                 "env", "-C", self.bundle, f"XDG_RUNTIME_DIR=/run/user/{UID}", "runc", *words],
                env=clean_env(), stdin=subprocess.DEVNULL, stdout=f, stderr=f, check=False)
            f.seek(0)
            if done.returncode != 0:
                raise Unavailable(f"runc {words[0]} of a user: {f.read().strip()[-300:]}")


@pytest.fixture(scope="module")
def users(node, session_folder, rootfs):
    with skip_if_unavailable():
        need("runc", "setpriv")
        made = OfAUser(node, session_folder, rootfs)
    yield made
    made.call("delete", "--force", made.name)


def test_root_enters_a_users_container(conjoin, users):
    for target in (f"oci:{users.name}", users.name):
        done = conjoin.exec(target, "sh", "-c", "hostname; readlink /proc/self/ns/pid")
        assert (done.returncode, done.stdout.split()) == (
            0, ["of-a-user", f"pid:[{proc.namespaces(users.pid)['pid']}]"]), done


def test_the_user_enters_it_himself(node, users):
    words = [*node.enter, "setpriv", f"--reuid={UID}", f"--regid={UID}", "--clear-groups", "env",
             f"XDG_RUNTIME_DIR=/run/user/{UID}", os.path.abspath(node.program), "exec",
             f"oci:{users.name}", "hostname"]
    done = subprocess.run(words, env=clean_env(), stdin=subprocess.DEVNULL, capture_output=True,
                          text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "of-a-user\n"), done


def test_ps_lists_it(conjoin, users):
    assert (users.name, users.pid) in {(row["id"], row["pid"]) for row in every_row(conjoin, "oci")}


def test_what_a_user_writes_there_is_believed_of_his_own_processes_only(conjoin, node, users):
    """Else he could have root enter somebody else's container by his name for it."""
    state = node.path(f"/run/user/{UID}/runc/forged")
    shutil.copytree(node.path(f"/run/user/{UID}/runc/{users.name}"), state)
    path = os.path.join(state, "state.json")
    with open(path, encoding="utf-8") as f:
        forged = json.load(f)
    pid = node.holder.pid
    forged.update(id="forged", init_process_pid=pid, init_process_start=proc.start_time(pid))
    with open(path, "w", encoding="utf-8") as f:
        json.dump(forged, f)
    for folder, _, files in os.walk(state):
        for name in [folder, *(os.path.join(folder, one) for one in files)]:
            os.chown(name, UID, UID)
    try:
        done = conjoin.exec("oci:forged", "id", options=["--seccomp", "off"])
        assert_failed(done, 125)
        assert pid not in [row["pid"] for row in every_row(conjoin, "oci")]
    finally:
        shutil.rmtree(state)
