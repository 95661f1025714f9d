# SPDX-License-Identifier: MIT
"""Containers of containerd itself: containerd:[NAMESPACE/]ID, containers that ctr has started, a
containerd at places of its own. Not here: what it is to Kubernetes (test_cri.py, test_k8s.py)."""

import os
import re
import signal

import pytest

from lib.containerd import Containerd, Task
from lib.daemons import parent_of, skip_if_unavailable
from lib.entering import (assert_debug, assert_ends_with_it, assert_engine_sees_it, assert_exec,
                          assert_inspect, assert_not_running, every_row, inspected, listed)
from lib.failure import assert_failed
from lib.image import NAME as IMAGE
from lib.poll import wait_for
from lib.program import Conjoin
from lib.recycle import process_with_pid

pytest_plugins = ["lib.node_fixtures"]


@pytest.fixture
def conjoin(node):
    return node.conjoin


@pytest.fixture(scope="module")
def task(containerd):
    made = Task(containerd, "web-1.test")
    yield made
    made.remove()


@pytest.fixture
def start(containerd):
    """start(name, …): a Task of this test."""
    made = []

    def run(name, **more):
        made.append(Task(containerd, name, **more))
        return made[-1]

    yield run
    for one in made:
        one.remove()


TASKS = "/run/containerd/io.containerd.runtime.v2.task"
TASK_FORMS = ["containerd:default/web-1.test", "containerd:web-1.test", "web-1.test",
              "containerd:default/web-1", "containerd:web-"]
ID_FORMS = ["containerd:k8s.io/{}", "containerd:{}", "containerd:k8s.io/{:.12}",
            "containerd:{:.12}"]


@pytest.mark.parametrize("target", TASK_FORMS)
def test_what_ctr_started_is_entered_by(conjoin, task, target):
    assert_exec(conjoin, target, task)


@pytest.mark.parametrize("form", ID_FORMS)
def test_a_pods_container_is_entered_by(conjoin, pods, form):
    assert_exec(conjoin, form.format(pods.app.id), pods.app)


@pytest.mark.parametrize("target", TASK_FORMS)
def test_with_a_daemon_that_hangs_a_task_is_entered_by(conjoin, task, stuck, target):
    assert_exec(conjoin, target, task, options=stuck)


@pytest.mark.parametrize("form", ID_FORMS)
def test_with_a_daemon_that_hangs_a_pods_is_entered_by(conjoin, pods, stuck, form):
    assert_exec(conjoin, form.format(pods.app.id), pods.app, options=stuck)


def test_all_commands_work_on_a_task(conjoin, task):
    assert_debug(conjoin, "containerd:web-1.test", task)
    assert_inspect(conjoin, "containerd:web-1.test", task, engine="containerd", id="web-1.test",
                   image=IMAGE)
    assert_engine_sees_it(conjoin, "containerd:web-1.test", task)


def test_with_a_daemon_that_hangs_all_commands_work(conjoin, containerd, task, stuck):
    assert_debug(conjoin, "containerd:web-1.test", task, options=stuck)
    assert_inspect(conjoin, "containerd:web-1.test", task, options=stuck, engine="containerd",
                   id="web-1.test")
    assert "web-1.test" in [row["id"] for row in listed(conjoin, "containerd", *stuck)]


def test_the_bundle_is_the_one_that_the_runtime_was_given(conjoin, task, node):
    done = conjoin.run("inspect", "--json", "containerd:web-1.test")
    bundle = re.search(r'"bundle": ?"([^"]*)"', done.stdout)[1]
    assert os.path.basename(bundle) == "web-1.test"
    assert os.path.exists(node.path(bundle) + "/config.json")


def test_the_same_id_in_two_namespaces_is_an_error_that_lists_them(conjoin, containerd, start,
                                                                  archives):
    containerd.load(archives[1], "shop")
    one, two = start("same"), start("same", namespace="shop")
    done = conjoin.exec("containerd:same", "true")
    assert_failed(done, 125)
    assert "default/same" in done.stderr and "shop/same" in done.stderr, done.stderr
    assert_exec(conjoin, "containerd:default/same", one)
    assert_exec(conjoin, "containerd:shop/same", two)


def test_stopping_the_task_ends_the_command(conjoin, start):
    box = start("ending")
    assert_ends_with_it(conjoin, "containerd:ending", box.end)
    assert_not_running(conjoin, "containerd:ending", "stopped")


def test_a_paused_task_is_paused(conjoin, start):
    box = start("pausing")
    box.ctr("tasks", "pause", "pausing")
    try:
        done = conjoin.exec("containerd:pausing", "true")
        assert_failed(done, 125, "paused")
        assert_inspect(conjoin, "containerd:pausing", box, id="pausing")
        assert "pausing" in [row["id"] for row in listed(conjoin, "containerd")]
    finally:
        box.ctr("tasks", "resume", "pausing")
    assert_exec(conjoin, "containerd:pausing", box)


def test_one_without_a_task_doesnt_run(conjoin, containerd):
    """containerd can't tell whether it ever did."""
    containerd.ctr("containers", "create", IMAGE, "idle", "sleep", "100000")
    try:
        assert_not_running(conjoin, "containerd:idle", "(created|stopped)")
    finally:
        containerd.ctr("containers", "rm", "idle")


def check_list(conjoin, containerd, *options):
    rows = listed(conjoin, "containerd", *options)
    containerd.daemon.resume()
    tasks = {(name, pid) for namespace in containerd.namespaces()
             for name, (pid, state) in containerd.tasks(namespace).items() if state != "STOPPED"}
    assert len(tasks) > 4
    assert {(row["id"], row["pid"]) for row in rows} == tasks
    assert all("containerd" in row["engines"] for row in rows)


def test_ps_lists_what_ctr_lists(conjoin, containerd, pods, task, start):
    start("over").end()
    check_list(conjoin, containerd)


def test_ps_lists_them_also_when_the_daemon_hangs(conjoin, containerd, pods, task, stuck):
    check_list(conjoin, containerd, *stuck)


@pytest.mark.parametrize("word", [
    "nobody", "default/nobody", "nobody/web-1.test", "k8s.io/web-1.test", "../default/web-1.test",
    "default/../web-1.test", "default/", "/web-1.test", "%s%n", "a\x1b[31m", "w" * 4096,
])
def test_what_isnt_there_is_said_not_to_be(conjoin, task, word):
    done = conjoin.exec(f"containerd:{word}", "true")
    assert_failed(done, 125)
    assert "unknown" not in done.stderr


# --- places of its own ---


@pytest.fixture(scope="module")
def other(node, archives):
    """A second one, whose state lies elsewhere."""
    with skip_if_unavailable():
        made = Containerd(node, "other", state=node.place / "s")
        made.load(archives[1], "default")
    yield made
    made.clean()
    made.daemon.stop()


@pytest.fixture(scope="module")
def far(other):
    made = Task(other, "far")
    yield made
    made.remove()


@pytest.mark.parametrize("form", ["{}", "unix://{}", "containerd={}", "containerd=unix://{}"])
def test_the_socket_can_be_named(conjoin, other, far, form):
    option = ["--engine-socket", form.format(other.socket)]
    assert_exec(conjoin, "containerd:far", far, options=option)
    assert [row["id"] for row in listed(conjoin, "containerd", "--engine-socket",
                                        f"containerd={other.socket}")] == ["far"]


def test_its_state_is_found_although_it_hangs(conjoin, other, far):
    """By the process that listens on the socket: it was told the file of its settings."""
    other.daemon.pause()
    try:
        assert_exec(conjoin, "containerd:far", far, options=[
            "--engine-socket", other.socket, "--engine-timeout", "200ms"])
    finally:
        other.daemon.resume()
        wait_for(other.answers, what="containerd")


# --- of a daemon that lives in other mounts than conjoin ---


@pytest.fixture(params=["containerd", "cri"])
def reached(request, containerd, pods, task, node):
    """(target, box, its place below TASKS, options): all that is to be seen of it is a socket at
    another path, as in a container that it was mounted for."""
    link = node.place / "handed-over.sock"
    os.symlink(node.path(containerd.socket), link)
    target, box, bundle = {
        "containerd": ("containerd:web-1.test", task, "default/web-1.test"),
        "cri": (f"cri:{pods.app.id}", pods.app, f"k8s.io/{pods.app.id}")}[request.param]
    yield target, box, bundle, [
        "--engine-socket", f"{request.param}={link}", "--engine-timeout", "500ms"]
    os.unlink(link)


def elsewhere(node):
    return Conjoin(node.program)


def test_from_other_mounts_its_bundles_are_seen(reached, node):
    target, _, bundle, options = reached
    told = inspected(elsewhere(node), target, options)
    assert os.path.samefile(told["container"]["bundle"], node.path(f"{TASKS}/{bundle}"))


def test_from_other_mounts_its_state_is_found_although_it_hangs(reached, node, stuck):
    target, box, _, options = reached
    assert_exec(elsewhere(node), target, box, options=options)


def test_what_lies_on_disk_of_one_that_has_gone_is_not_believed(conjoin, containerd, start):
    """Killed with its shim: nobody was there to tidy up."""
    box = start("forgotten")
    containerd.daemon.pause()
    try:
        shim = parent_of(box.pid)
        os.kill(shim, signal.SIGKILL)
        os.kill(box.pid, signal.SIGKILL)
        wait_for(lambda: not os.path.exists(f"/proc/{box.pid}"), what="its end")
        options = ["--engine-timeout", "200ms"]
        assert_not_running(conjoin, "containerd:forgotten", "stopped", options)
        with process_with_pid(box.pid) as other:
            assert_not_running(conjoin, "containerd:forgotten", "stopped", options)
            rows = every_row(conjoin, "containerd", *options)
            assert other.pid not in [row["pid"] for row in rows]
    finally:
        containerd.daemon.resume()
        wait_for(containerd.answers, what="containerd")


# --- last in this file: nobody is there to answer ---


@pytest.fixture(scope="module")
def killed(containerd, task, pods):
    """Its containers live on, and so does it in the end."""
    containerd.daemon.kill()
    os.unlink(containerd.node.path(containerd.socket))
    yield
    containerd.restart()


@pytest.mark.parametrize("target", [
    "containerd:default/web-1.test", "containerd:web-1", "web-1.test"])
def test_without_a_daemon_a_task_is_entered_by(conjoin, task, killed, target):
    assert_exec(conjoin, target, task)


def test_without_a_daemon_pods_are_entered(conjoin, pods, killed):
    assert_exec(conjoin, "cri:app", pods.app)
    assert_exec(conjoin, f"cri:{pods.app.id[:12]}", pods.app)
    assert_exec(conjoin, "k8s:shop/solo", pods.solo["only"])


def test_it_is_told_where_it_was_read(conjoin, task, killed):
    done = conjoin.exec("containerd:web-1.test", "true", options=["-v"])
    assert done.returncode == 0
    assert re.search(r"containerd: (/\S+: No such file or directory; )?"
                     r"read /run/containerd/\S+( instead)?: 1 container\b",
                     done.stderr), done.stderr
