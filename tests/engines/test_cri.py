# SPDX-License-Identifier: MIT
"""Containers of a CRI runtime (containerd) by cri:ID and name. Not here: pods' names (test_k8s.py)."""

import os
import re
import threading
import time

import pytest

from lib.containerd import Pod
from lib.entering import (assert_debug, assert_ends_with_it, assert_engine_sees_it, assert_exec,
                          assert_inspect, assert_not_running, listed)
from lib.failure import assert_failed
from lib.image import NAME as IMAGE
from lib.poll import wait_for
from lib.proc import cgroups

pytest_plugins = ["lib.node_fixtures"]
ROUNDS = 30


@pytest.fixture
def conjoin(node):
    return node.conjoin


def names_of(box):
    return {"id": f"cri:{box.id}", "prefix": f"cri:{box.id[:13]}", "name": f"cri:{box.name}",
            "bare id": box.id, "bare prefix": box.id[:12], "bare name": box.name}


FORMS = ["id", "prefix", "name", "bare id", "bare prefix", "bare name"]


@pytest.mark.parametrize("form", FORMS)
def test_a_container_is_entered_by(conjoin, pods, form):
    assert_exec(conjoin, names_of(pods.app)[form], pods.app)


def test_debug_joins_its_processes_and_network(conjoin, pods):
    assert_debug(conjoin, f"cri:{pods.app.id[:12]}", pods.app)


def test_inspect_tells_what_the_runtime_tells(conjoin, pods):
    """Its name is the one that Kubernetes has for it: who knows it best names it."""
    assert_inspect(
        conjoin, f"cri:{pods.app.id}", pods.app, engine="k8s", name="shop/cart/app",
        id=pods.app.id, image=IMAGE,
        labels={**pods.cart.labels, "io.kubernetes.container.name": "app"},
    )


def test_the_runtimes_exec_sees_the_command_and_can_kill_it(conjoin, pods):
    assert_engine_sees_it(conjoin, f"cri:{pods.app.id}", pods.app)


def test_in_a_pid_namespace_of_the_pod_too(conjoin, containerd):
    pod = Pod(containerd, "shop", "sharing", ["one", "two"], share_pids=True)
    try:
        assert pod["one"].ns()["pid"] == pod.ns()["pid"]
        assert_exec(conjoin, "cri:one", pod["one"])
        assert_engine_sees_it(conjoin, "cri:two", pod["two"])
    finally:
        pod.remove()


def test_stopping_the_container_ends_the_command(conjoin, containerd):
    pod = Pod(containerd, "shop", "short", ["ending"])
    try:
        assert_ends_with_it(conjoin, "cri:ending", pod["ending"].stop)
        assert_not_running(conjoin, f"cri:{pod['ending'].id}", "stopped")
        assert_not_running(conjoin, "cri:ending", "stopped")
    finally:
        pod.remove()


def test_one_that_was_never_started_is_created(conjoin, containerd):
    pod = Pod(containerd, "shop", "early", [])
    try:
        pod.add("waiting", start=False)
        assert pod["waiting"].state() == "created"
        assert_not_running(conjoin, "cri:waiting", "created")
        assert_exec(conjoin, "cri:waiting", pod["waiting"].start())
    finally:
        pod.remove()


def test_a_name_of_two_is_an_error_that_lists_them(conjoin, pods):
    done = conjoin.exec("cri:main", "true")
    assert_failed(done, 125)
    for pod in (pods.east, pods.west):
        assert pod["main"].id[:12] in done.stderr, done.stderr


def test_a_prefix_of_two_is_an_error_that_lists_them(conjoin, containerd, pods):
    ids = sorted([*containerd.cri.running(), *containerd.cri.sandboxes()])
    first = next((a for a, b in zip(ids, ids[1:]) if a[0] == b[0]), None)
    more = []
    while not first:  # 17 ids have a pair
        more.append(Pod(containerd, "shop", f"more{len(more)}", []))
        ids = sorted([*ids, more[-1].id])
        first = next((a for a, b in zip(ids, ids[1:]) if a[0] == b[0]), None)
    try:
        done = conjoin.exec(f"cri:{first[0]}", "true")
        assert_failed(done, 125)
        for one in ids:
            assert (one[:12] in done.stderr) == (one[0] == first[0]), (one, done.stderr)
    finally:
        for pod in more:
            pod.remove()


def test_a_container_that_isnt_there_is_said_not_to_be(conjoin, containerd):
    for word in ("no-such-container", "0" * 64, "f" * 4096, "../../etc", "%s%n", "a\x1b[31m"):
        done = conjoin.exec(f"cri:{word}", "true")
        assert_failed(done, 125)
        assert "unknown" not in done.stderr


def test_ps_lists_what_the_runtime_lists(conjoin, containerd, pods):
    check_list(conjoin, containerd)


def check_list(conjoin, containerd, *options):
    rows = {row["id"]: row for row in listed(conjoin, "cri", *options)}
    cri = containerd.cri
    running, sandboxes = cri.running(), cri.sandboxes()
    assert set(rows) == set(running) | set(sandboxes)
    for key, one in {**running, **sandboxes}.items():
        assert rows[key]["labels"].items() >= one["labels"].items()
        assert "cri" in rows[key]["engines"]
        assert os.path.basename(cgroups(rows[key]["pid"])["pids"]) == key
    for key, one in running.items():
        assert rows[key]["image"] == IMAGE


# --- when nobody answers ---


@pytest.mark.parametrize("form", FORMS)
def test_with_a_daemon_that_hangs_it_is_entered_by(conjoin, pods, stuck, form):
    assert_exec(conjoin, names_of(pods.app)[form], pods.app, options=stuck)


def test_a_daemon_that_hangs_costs_the_time_out_and_is_told(conjoin, pods, stuck):
    start = time.monotonic()
    done = conjoin.exec(f"cri:{pods.app.id}", "hostname", options=["-v"])
    assert time.monotonic() - start < 3
    assert (done.returncode, done.stdout) == (0, "cart\n")
    assert re.search(r"cri: /\S*containerd\.sock: no answer within (2 s|2000 ms); "
                     r"read /\S+ instead: 1 container\b", done.stderr), done.stderr


def test_a_bare_word_waits_for_all_engines_at_once(conjoin, pods, stuck):
    """Three of them ask this daemon."""
    start = time.monotonic()
    done = conjoin.exec(pods.app.id, "hostname", options=["--engine-timeout", "1"])
    assert 1 < time.monotonic() - start < 2
    assert (done.returncode, done.stdout) == (0, "cart\n")
    assert_failed(conjoin.exec("nobody", "true", options=stuck), 125, "nobody")


def test_with_a_daemon_that_hangs_all_commands_work(conjoin, containerd, pods, stuck):
    assert_debug(conjoin, "cri:app", pods.app, options=stuck)
    assert_inspect(conjoin, "cri:app", pods.app, options=stuck, engine="k8s", id=pods.app.id,
                   image=IMAGE)
    rows = {row["id"] for row in listed(conjoin, "cri", *stuck)}
    containerd.daemon.resume()
    cri = containerd.cri
    assert rows == set(cri.running()) | set(cri.sandboxes())


def test_asked_it_says_so(conjoin, pods):
    done = conjoin.exec(f"cri:{pods.app.id}", "true", options=["-v"])
    assert re.search(r"cri: asked /run/containerd/containerd\.sock: 1 container\b", done.stderr)


@pytest.mark.parametrize("address", ["{}", "unix://{}", "cri={}", "cri=unix://{}"])
def test_the_socket_can_be_named(conjoin, containerd, pods, address):
    option = address.format(containerd.socket)
    assert_exec(conjoin, "cri:app", pods.app, options=["--engine-socket", option])


def test_the_variable_of_the_runtimes_clients_counts(conjoin, containerd, pods):
    env = {**os.environ, "CONTAINER_RUNTIME_ENDPOINT": f"unix://{containerd.socket}"}
    done = conjoin.exec("cri:app", "hostname", env=env, options=["-v"])
    assert (done.returncode, done.stdout) == (0, "cart\n")
    assert f"cri: asked {containerd.socket}: 1 container" in done.stderr
    env["CONTAINER_RUNTIME_ENDPOINT"] = "unix:///run/nobody.sock"
    assert "/run/nobody.sock" in conjoin.exec("cri:app", "true", env=env, options=["-v"]).stderr


# --- never the wrong one ---


class Churn:
    """Stops, removes and makes a container of one name again and again, in a thread; beside it
    another one of another name. `alive` is [(id, from, to)]."""

    def __init__(self, pod):
        self.pod, self.lives, self.failure = pod, [], None
        self.rounds = 0
        self.thread = threading.Thread(target=self._work)

    def _work(self):
        try:
            for number in range(ROUNDS):
                start = time.monotonic()
                box = self.pod.add("again", attempt=number)
                other = self.pod.add("neighbour", attempt=number)
                wait_for(lambda: box.state() == "running")
                box.remove()
                self.lives.append((box.id, start, time.monotonic()))
                other.remove()
                self.rounds += 1
        except Exception as error:  # noqa: BLE001 (it's told by the test)
            self.failure = error


def test_one_that_is_replaced_meanwhile_is_never_mistaken(conjoin, containerd):
    pod = Pod(containerd, "shop", "churning", [])
    churn, results = Churn(pod), []
    churn.thread.start()
    try:
        while churn.thread.is_alive():
            start = time.monotonic()
            done = conjoin.exec("cri:again", "cat", "/proc/self/cgroup")
            results.append((done, start, time.monotonic()))
    finally:
        churn.thread.join()
        pod.remove()
    assert churn.failure is None and churn.rounds == ROUNDS
    entered = 0
    for done, start, end in results:
        assert done.returncode in (0, 125, 137), done
        if done.returncode == 0:
            found = os.path.basename(re.search(r"^\d+:pids:(.*)$", done.stdout, re.M)[1])
            known = [one for one in churn.lives if one[0] == found]
            assert len(known) == 1, (found, churn.lives)
            assert known[0][1] <= end and start <= known[0][2]
            entered += 1
    assert entered > ROUNDS / 4, [done.stderr for done, _, _ in results]
