# SPDX-License-Identifier: MIT
"""Containers by the names that Kubernetes gives them: k8s:NAMESPACE/POD/CONTAINER and its short forms.
Not here: ids (test_cri.py)."""

import re

import pytest

from lib.containerd import Pod
from lib.entering import (assert_debug, assert_ends_with_it, assert_engine_sees_it, assert_exec,
                          assert_inspect, assert_not_running, inspected, listed)
from lib.failure import assert_failed
from lib.image import NAME as IMAGE

pytest_plugins = ["lib.node_fixtures"]

# what names it, options, what it is in `Pods`
FORMS = [
    ("k8s:solo", [], ("solo", "only")),
    ("k8s:shop/solo", [], ("solo", "only")),
    ("k8s:shop/solo/only", [], ("solo", "only")),
    ("shop/solo/only", [], ("solo", "only")),
    ("k8s:shop/cart/app", [], ("cart", "app")),
    ("k8s:shop/cart/side", [], ("cart", "side")),
    ("k8s:cart", ["-c", "app"], ("cart", "app")),
    ("k8s:cart", ["-n", "shop", "-c", "side"], ("cart", "side")),
    ("k8s:cart", ["--namespace", "shop", "--container", "app"], ("cart", "app")),
    ("k8s:shop/cart", ["-c", "app"], ("cart", "app")),
    ("k8s:east/twin", [], ("east", "main")),
    ("k8s:west/twin", [], ("west", "main")),
    ("k8s:twin", ["-n", "west"], ("west", "main")),
]


@pytest.fixture
def conjoin(node):
    return node.conjoin


def find(pods, path):
    pod, container = path
    return getattr(pods, pod)[container]


@pytest.mark.parametrize("target, options, path", FORMS)
def test_a_container_is_entered_by(conjoin, pods, target, options, path):
    assert_exec(conjoin, target, find(pods, path), options)


@pytest.mark.parametrize("target, options, path", FORMS)
def test_with_a_daemon_that_hangs_it_is_entered_by(conjoin, pods, stuck, target, options, path):
    assert_exec(conjoin, target, find(pods, path), [*options, *stuck])


def test_all_commands_take_the_options_of_kubectl(conjoin, pods):
    options, box = ["-n", "shop", "-c", "app"], pods.app
    assert_debug(conjoin, "k8s:cart", box, options)
    assert_inspect(conjoin, "k8s:cart", box, options, engine="k8s", name="shop/cart/app",
                   id=box.id, image=IMAGE,
                   labels={**pods.cart.labels, "io.kubernetes.container.name": "app"})
    assert_engine_sees_it(conjoin, "k8s:cart", box, options)


def test_diff_takes_two_names(conjoin, pods):
    done = conjoin.run("diff", "--only", "namespaces", "k8s:shop/cart/app", "k8s:shop/cart/side")
    assert done.returncode == 1, done.stderr
    for kind in pods.app.ns():
        word = "SAME" if pods.app.ns()[kind] == pods.cart["side"].ns()[kind] else "DIFFERENT"
        assert re.search(rf"^{word} +namespaces\.{kind}\.inode ", done.stdout, re.M), done.stdout


def test_a_pod_of_several_containers_is_an_error_that_lists_them(conjoin, pods):
    for target, options in (("k8s:cart", []), ("k8s:shop/cart", []), ("k8s:cart", ["-n", "shop"])):
        done = conjoin.exec(target, "true", options=options)
        assert_failed(done, 125)
        assert "shop/cart/app" in done.stderr and "shop/cart/side" in done.stderr, done.stderr


def test_a_pods_name_in_two_namespaces_is_an_error_that_lists_them(conjoin, pods):
    for target, options in (("k8s:twin", []), ("k8s:twin", ["-c", "main"])):
        done = conjoin.exec(target, "true", options=options)
        assert_failed(done, 125)
        assert "east/twin/main" in done.stderr and "west/twin/main" in done.stderr, done.stderr


@pytest.mark.parametrize("target, options", [
    ("k8s:nobody", []), ("k8s:shop/nobody", []), ("k8s:shop/cart/nobody", []),
    ("k8s:east/cart", []), ("k8s:cart", ["-n", "east", "-c", "app"]),
    ("k8s:cart", ["-c", "nobody"]), ("k8s:cart/app", []), ("k8s:solo", ["-c", "app"]),
])
def test_what_isnt_there_is_said_not_to_be(conjoin, pods, target, options):
    done = conjoin.exec(target, "true", options=options)
    assert_failed(done, 125)
    assert "unknown" not in done.stderr


@pytest.mark.parametrize("target, options", [
    ("k8s:", []), ("k8s:/", []), ("k8s:a/b/c/d", []), ("k8s:shop//app", []), ("k8s:/cart", []),
    ("k8s:shop/cart/app", ["-n", "east"]), ("k8s:shop/cart/app", ["-c", "side"]),
])
def test_what_cant_be_meant_is_refused(conjoin, pods, target, options):
    done = conjoin.exec(target, "true", options=options)
    assert_failed(done, 125)
    assert "unknown" not in done.stderr


# --- the sandbox ---


def test_the_sandbox_is_the_pod_with_a_slash(conjoin, pods):
    assert_inspect(conjoin, "k8s:shop/cart/", pods.cart, engine="k8s", name="shop/cart/",
                   id=pods.cart.id)
    assert_debug(conjoin, "k8s:shop/cart/", pods.cart)
    for target in ("k8s:east/twin/", "k8s:west/twin/"):
        assert inspected(conjoin, target)["process"]["pid"] == \
            (pods.east if "east" in target else pods.west).pid


def test_the_sandbox_has_nothing_to_run(conjoin, pods):
    assert_failed(conjoin.exec("k8s:shop/cart/", "sh"), 127)
    assert conjoin.exec("k8s:shop/cart/", "true", options=["--dry-run"]).returncode == 0


def test_with_a_daemon_that_hangs_the_sandbox_is_found(conjoin, pods, stuck):
    assert inspected(conjoin, "k8s:shop/cart/", stuck)["process"]["pid"] == pods.cart.pid


# --- states ---


def test_a_container_that_ended_is_stopped(conjoin, containerd):
    pod = Pod(containerd, "shop", "short", ["one", "two"])
    try:
        assert_ends_with_it(conjoin, "k8s:shop/short/one", pod["one"].stop)
        assert_not_running(conjoin, "k8s:shop/short/one", "stopped")
        assert_not_running(conjoin, "k8s:short", "stopped", ["-c", "one"])
        assert_exec(conjoin, "k8s:shop/short/two", pod["two"])
    finally:
        pod.remove()


def test_a_restarted_container_is_the_new_one(conjoin, containerd):
    """The kubelet makes another one of the same name; the old one stays for a while."""
    pod = Pod(containerd, "shop", "again", ["box"])
    try:
        old = pod["box"]
        old.stop()
        new = pod.add("box", attempt=1)
        for target in ("k8s:again", "k8s:shop/again/box", "cri:box"):
            assert_exec(conjoin, target, new)
        new.stop()
        assert_not_running(conjoin, "k8s:shop/again/box", "stopped")
    finally:
        pod.remove()


def test_one_that_was_never_started_is_created(conjoin, containerd):
    pod = Pod(containerd, "shop", "early", [])
    try:
        pod.add("waiting", start=False)
        assert_not_running(conjoin, "k8s:shop/early/waiting", "created")
    finally:
        pod.remove()


# --- ps ---


def names(containerd):
    """What the runtime lists, as we name it."""
    found = set()
    for one in containerd.cri.running().values():
        labels = one["labels"]
        found.add((one["id"], "/".join(labels[f"io.kubernetes.{key}.name"] if key != "namespace"
                                       else labels["io.kubernetes.pod.namespace"]
                                       for key in ("namespace", "pod", "container"))))
    for one in containerd.cri.sandboxes().values():
        found.add((one["id"], f"{one['metadata']['namespace']}/{one['metadata']['name']}/"))
    return found


def test_ps_lists_what_the_runtime_lists(conjoin, containerd, pods):
    rows = listed(conjoin, "k8s")
    assert {(row["id"], row["name"]) for row in rows} == names(containerd)
    for row in rows:
        assert row["engine"] == "k8s"
        assert set(row["engines"]) >= {"k8s", "cri", "containerd"}


def test_ps_lists_them_also_when_the_daemon_hangs(conjoin, containerd, pods, stuck):
    rows = {(row["id"], row["name"]) for row in listed(conjoin, "k8s", *stuck)}
    containerd.daemon.resume()
    assert rows == names(containerd)


def test_what_ps_names_can_be_entered(conjoin, pods):
    done = conjoin.run("ps", "--engine", "k8s", "--noheadings", "-o", "name")
    assert done.returncode == 0, done.stderr
    found = re.findall(r"^(\S+[^/\s])\s*$", done.stdout, re.M)
    assert {"shop/cart/app", "east/twin/main"} <= set(found)
    for name in found:
        done = conjoin.exec(f"k8s:{name}", "hostname")
        assert (done.returncode, done.stdout) == (0, name.split("/")[1] + "\n")
