# SPDX-License-Identifier: MIT
"""A CRI runtime, or a containerd, that lies, dawdles or is out of its mind: conjoin says so, in time, and
takes no more memory than it should. Not here: parsers (tests/unit, tests/fuzz), runtimes in order (tests/engines)."""

import json
import os
import re
import time

import pytest

from lib.failure import CONTROL, assert_failed
from lib.fake_cri import (END, INTERNAL, OK, SETTINGS, FakeContainerd, FakeCri, RawServer, Refusal,
                          container, frame, in_containerd, knows, listed, literal, number, part, task)
from lib.fake_docker import Numbered
from lib.memory import peak_memory

pytest.importorskip("grpc", reason="python3-grpcio isn't installed")
pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")

HOSTILE = "a\x1b[31m\u202e%s%n\"'\\\n\x9bb"
MIB = 1 << 20
# What a hostile daemon may make conjoin take; a sanitizer takes many times that for itself.
MEMORY = (4000 if "ASAN_OPTIONS" in os.environ else 200) * MIB


@pytest.fixture
def box(sandbox):
    with Numbered(sandbox(), 1) as one:
        yield one


def run(conjoin, server, target, *options, **more):
    return conjoin.run("exec", server.option, *options, target, "hostname", **more)


def refused(conjoin, server, *words, target="cri:app", options=()):
    begin = time.monotonic()
    line = assert_failed(run(conjoin, server, target, *options), 125, *words)
    assert time.monotonic() - begin < 5
    return line


# --- in order ---


@pytest.mark.parametrize("target", [
    "cri:{id}", "cri:{id:.20}", "cri:app", "k8s:cart", "k8s:shop/cart", "k8s:shop/cart/app", "{id}"])
def test_it_is_found_by_each_of_its_names(conjoin, scratch, box, target):
    with FakeCri(scratch, [container(box.id, "app", box.pid)]) as cri:
        done = run(conjoin, cri, target.format(id=box.id))
        assert (done.returncode, done.stderr) == (0, ""), done


def test_an_older_runtime_is_asked_in_its_own_version(conjoin, scratch, box):
    with FakeCri(scratch, [container(box.id, "app", box.pid)], versions=["v1alpha2"]) as cri:
        assert run(conjoin, cri, "k8s:shop/cart/app").returncode == 0
        assert cri.asked == ["v1/ListContainers", "v1alpha2/ListContainers",
                             "v1alpha2/ContainerStatus"]


def test_one_without_cri_knows_nobody(conjoin, scratch):
    with FakeCri(scratch, versions=[]) as cri:
        done = run(conjoin, cri, "cri:app", "-v")
        assert done.returncode == 125
        assert f"cri: asked {cri.path}: 0 containers" in done.stderr, done
        assert cri.asked == ["v1/ListContainers", "v1alpha2/ListContainers"]


def test_a_label_or_an_image_is_told_as_it_is(conjoin, scratch, box):
    one = container(box.id, "app", box.pid, labels={"k": "=a=b=" + "é" * 1000, "%s": "x\ny"})
    one["image"] = "registry/é\x1b:1"
    with FakeCri(scratch, [one]) as cri:
        done = conjoin.run("inspect", "--json", cri.option, f"cri:{box.id}")
        assert done.returncode == 0, done
        text = done.stdout
        assert '"k8s"' in text and "shop/cart/app" in text
        found = find_container(json.loads(text))
        assert found["image"] == "registry/é\x1b:1"
        assert found["labels"]["k"] == "=a=b=" + "é" * 1000
        assert found["labels"]["%s"] == "x\ny"


def find_container(value):
    """The object that has labels."""
    values = value.values() if isinstance(value, dict) else value if isinstance(value, list) else []
    if isinstance(value, dict) and "labels" in value and "image" in value:
        return value
    return next(filter(None, map(find_container, values)), None)


# --- lies ---


def test_a_pid_that_isnt_the_containers_is_refused(conjoin, scratch, box):
    for pid in (os.getpid(), 1, 4194304, 2147483647):
        folder = os.path.join(scratch, str(pid))
        os.mkdir(folder)
        with FakeCri(folder, [container(box.id[:-1] + "0", "app", pid)]) as cri:
            refused(conjoin, cri)


@pytest.mark.parametrize("info", [
    {}, {"other": "x"}, {"info": ""}, {"info": "{"}, {"info": "[]"}, {"info": '{"pid": "1"}'},
    {"info": '{"pid": -1}'}, {"info": '{"pid": 1.5}'}, {"info": '{"pid": 99999999999999999999}'},
    {"info": '{"pid": 4294967297}'}, {"info": "[" * 100000}, {"info": '{"pid": 0}'},
    {"info": '{"pid": 1, "x": "' + "y" * (2 * MIB) + '"}'}, {"info": "\xff\xfe"},
], ids=map(str, range(14)))
def test_a_pid_that_is_none_is_refused(conjoin, scratch, box, info):
    with FakeCri(scratch, [container(box.id, "app", box.pid, info=info)]) as cri:
        refused(conjoin, cri)


def test_a_process_of_nobody_is_not_taken_for_it(conjoin, scratch):
    for state in (0, 2, 3, 77, (1 << 64) - 1):
        folder = os.path.join(scratch, str(state))
        os.mkdir(folder)
        with FakeCri(folder, [container("ab" * 32, "app", 0, state=state)]) as cri:
            line = refused(conjoin, cri)
            if state in (0, 2):
                assert {0: "created", 2: "stopped"}[state] in line


def test_names_never_reach_a_terminal_as_they_are(conjoin, scratch, box):
    many = [container(f"{i:064x}", "app", os.getpid(), ns=HOSTILE, pod=HOSTILE + "x" * 4000)
            for i in range(40)]
    many += [container(f"{i:064x}", "app", 0, ns="shop", pod=HOSTILE, state=2) for i in range(40, 50)]
    many.append(container(HOSTILE, "app", box.pid))
    with FakeCri(scratch, many) as cri:
        for command in (["exec", cri.option, "-v", "cri:app", "true"], ["ps", cri.option],
                        ["ps", cri.option, "--json"]):
            done = conjoin.run(*command)
            for line in done.stderr.splitlines() + done.stdout.splitlines():
                assert not CONTROL.search(line), line


@pytest.mark.parametrize("box_id", ["", "/", "..", "../../../../etc", "a/b", "x" * 4096, "%s%n", "a\x01b"])
def test_an_id_is_never_a_path(conjoin, scratch, box, box_id):
    with FakeCri(scratch, [container(box_id, "app", box.pid)]) as cri:
        refused(conjoin, cri)


# --- refusals ---


def test_a_refusal_comes_in_the_daemons_words(conjoin, scratch):
    def answer(*_):
        raise Refusal(INTERNAL, "out of order: é\x1b[31m\n100%")

    with FakeCri(scratch, answer=answer) as cri:
        refused(conjoin, cri, "ListContainers", "gRPC status 13: out of order")


def test_a_container_that_is_gone_meanwhile_is_none(conjoin, scratch, box):
    def answer(method, request):
        if method == "ListContainers":
            return part(1, listed(container(box.id, "app", box.pid)))
        raise Refusal(5, "no such container")

    with FakeCri(scratch, answer=answer) as cri:
        refused(conjoin, cri, "knows nothing called")


# --- messages that are none, or too much ---


@pytest.mark.parametrize("message", [
    b"\xff", b"\x0a", b"\x0a\xff\xff\xff\xff\x0f", b"\x0a\x05abc", b"\x0b\x0b\x0b", b"\x00\x00",
    part(1, b"\x0a\xff"), part(1, part(3, b"\x80")), part(1, part(8, part(1, "k") + b"\x12\x7f")),
    b"\xff" * 100000,
], ids=map(str, range(10)))
def test_a_message_that_is_none_is_refused(conjoin, scratch, message):
    with FakeCri(scratch, answer=lambda *_: message) as cri:
        refused(conjoin, cri)


@pytest.mark.parametrize("message", [
    number(9000, 0) * (6 * MIB),               # unknown fields of four bytes
    part(1, b"") * (8 * MIB),                  # containers with nothing in them
    part(1, part(1, "a") * (5 * MIB)),         # one id again and again
    part(1, part(8, b"") * (8 * MIB)),         # labels
    part(1, part(1, "x" * (20 * MIB))),
], ids=["unknown", "empty", "again", "labels", "long"])
def test_a_small_message_doesnt_take_all_memory(conjoin, scratch, message):
    with FakeCri(scratch, answer=lambda *_: message) as cri:
        for command in (["exec", cri.option, "cri:app", "true"], ["ps", cri.option]):
            begin = time.monotonic()
            _, peak = peak_memory(conjoin, *command)
            assert peak < MEMORY, f"{peak >> 20} MiB"
            assert time.monotonic() - begin < 10


def test_more_than_a_message_may_have_is_refused(conjoin, scratch):
    with FakeCri(scratch, answer=lambda *_: part(1, b"\0" * (33 * MIB))) as cri:
        refused(conjoin, cri, "too long", options=["--engine-timeout", "4s"])


# --- not even gRPC ---


def sends(*parts, then_waits=False):
    def talk(connection):
        for one in parts:
            connection.sendall(one)
        while then_waits and connection.recv(65536):
            pass
    return talk


@pytest.mark.parametrize("text", [
    b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\0" * 100, b"\xff" * 1000, b"SSH-2.0-x\r\n",
    SETTINGS + frame(1, 4, 1, b"\xff" * 50),
    SETTINGS + frame(1, 4, 1, literal(b":status", b"404")) + END,
    SETTINGS + OK + END,
    SETTINGS + OK + frame(0, 0, 1, b"\1\0\0\0\1x") + END,
    SETTINGS + OK + frame(0, 0, 1, b"\0\0\0\0\1x\0\0\0\0\1x") + END,
    SETTINGS + OK + frame(0, 1, 1, b"\0\0\0\0\1x"),
    SETTINGS + OK + frame(0, 0, 1, b"\0\0\0\0\x7fx") + END,
    SETTINGS + OK + frame(3, 0, 1, b"\0\0\0\x0b"),
    SETTINGS + frame(7, 0, 0, b"\0" * 8),
    SETTINGS + frame(5, 4, 1, b"\0\0\0\2" + literal(b":path", b"/x")),
    SETTINGS + frame(0, 0, 0, b"x"), SETTINGS + frame(0, 0, 3, b"x"),
    SETTINGS + frame(4, 0, 0, b"\0" * 7), frame(4, 1, 0),
    SETTINGS + frame(1, 4, 1, literal(b"grpc-status", b"0") + literal(b":status", b"200")),
    SETTINGS + frame(8, 0, 0, b"\x7f\xff\xff\xff") * 2,
], ids=map(str, range(20)))
@pytest.mark.parametrize("waits", [False, True], ids=["and ends", "and waits"])
def test_what_isnt_grpc_is_found_out(conjoin, scratch, text, waits):
    with RawServer(scratch, sends(text, then_waits=waits)) as server:
        refused(conjoin, server, options=["--engine-timeout", "1s"])


def test_an_end_at_once_is_found_out(conjoin, scratch):
    with RawServer(scratch, lambda connection: None) as server:
        refused(conjoin, server)


@pytest.mark.parametrize("piece", [
    frame(6, 0, 0, b"\0" * 8),                                   # pings
    SETTINGS,
    frame(99, 0, 0, b"\0" * 16000),                              # frames of no known kind
    frame(9, 0, 1, literal(b"x", b"y")),                         # header blocks that go on and on
    frame(1, 4, 1, literal(b":status", b"103") + literal(b"x", b"y")),
    frame(0, 0, 1), frame(8, 0, 1, b"\0\0\0\1"), frame(0, 8, 1, b"\xff" + b"\0" * 255),
], ids=["ping", "settings", "unknown", "continuation", "103", "empty", "window", "padding"])
def test_what_has_no_end_is_ended(conjoin, scratch, piece):
    """Within the time, whatever is sent, and within bounds."""
    begin = SETTINGS + (frame(1, 0, 1, b"") if piece[3] == 9 else OK if piece[3] in (0, 8) else b"")
    block = piece * (1 + 65536 // len(piece))

    def talk(connection):
        connection.sendall(begin)
        while True:
            connection.sendall(block)

    with RawServer(scratch, talk) as server:
        clock = time.monotonic()
        status, peak = peak_memory(
            conjoin, "exec", server.option, "--engine-timeout", "1s", "cri:app", "true")
        assert status == 125
        assert time.monotonic() - clock < 4
        assert peak < MEMORY


@pytest.mark.parametrize("talk", [
    None,
    sends(then_waits=True),
    sends(SETTINGS, then_waits=True),
    sends(SETTINGS + frame(4, 0, 0, b"\0\3\0\0\0\0"), then_waits=True),  # no streams at a time
    sends(SETTINGS + OK, then_waits=True),
], ids=["nobody accepts", "nothing", "settings", "no streams", "headers"])
def test_silence_ends_in_time(conjoin, scratch, talk):
    with RawServer(scratch, talk) as server:
        begin = time.monotonic()
        refused(conjoin, server, "timed out", options=["--engine-timeout", "500ms"])
        assert 0.4 < time.monotonic() - begin < 2


def test_a_byte_now_and_then_ends_in_time(conjoin, scratch):
    def talk(connection):
        for byte in SETTINGS + OK + frame(0, 0, 1, b"\0\0\0\1\0" + b"x" * 256):
            connection.sendall(bytes([byte]))
            time.sleep(0.05)  # that is what it's about

    with RawServer(scratch, talk) as server:
        begin = time.monotonic()
        refused(conjoin, server, "timed out", options=["--engine-timeout", "500ms"])
        assert time.monotonic() - begin < 2


# --- names of targets ---


@pytest.mark.parametrize("target", [
    "k8s:", "k8s:/", "k8s:a/b/c/d", "k8s:A", "k8s:%s", "k8s:a\nb", "k8s:" + "a" * 4096, "k8s:a//b",
    "cri:", "k8s:\x1b[31m",
])
def test_what_no_pod_is_called_is_not_asked_for(conjoin, scratch, target):
    with FakeCri(scratch, answer=knows()) as cri:
        assert_failed(run(conjoin, cri, target), 125)
        assert cri.asked == []


@pytest.mark.parametrize("target", ["cri:%s%n", "cri:..", "cri:a/b", "cri:" + "a" * 4096, "cri:\x1b[31m",
                                    "cri:'\"\\", "cri:-it", "cri:123456", "k8s:..", "k8s:-it"])
def test_odd_names_are_just_not_there(conjoin, scratch, target):
    with FakeCri(scratch, answer=knows()) as cri:
        line = refused(conjoin, cri, target=target)
        assert re.search("knows nothing|find", line)


# --- containerd ---


@pytest.mark.parametrize("target", ["containerd:{id}", "containerd:ns/{id}", "containerd:{id:.16}"])
def test_containerd_is_asked_by_its_own_interface(conjoin, scratch, box, target):
    known = in_containerd(["ns"], {box.id: "bb:1"}, {box.id: task(box.id, box.pid)})
    with FakeContainerd(scratch, answer=known) as containerd:
        done = run(conjoin, containerd, target.format(id=box.id))
        assert (done.returncode, done.stderr) == (0, ""), done


def test_containerds_states_get_their_words(conjoin, scratch):
    box_id = "ab" * 32
    for status, word in ((1, "created"), (3, "stopped"), (None, "stopped")):
        folder = os.path.join(scratch, str(status))
        os.mkdir(folder)
        tasks = {box_id: task(box_id, 0, status)} if status else {}
        known = in_containerd(["ns"], {box_id: "bb:1"}, tasks)
        with FakeContainerd(folder, answer=known) as containerd:
            refused(conjoin, containerd, f"ns/{box_id}", word, target=f"containerd:{box_id}")


def test_containerds_lies_are_found_out(conjoin, scratch, box):
    for i, pid in enumerate((os.getpid(), 1, 4194304, 0xFFFFFFFF)):
        folder = os.path.join(scratch, str(i))
        os.mkdir(folder)
        known = in_containerd(["ns"], {"ab" * 32: "bb:1"}, {"ab" * 32: task("ab" * 32, pid)})
        with FakeContainerd(folder, answer=known) as containerd:
            refused(conjoin, containerd, target="containerd:ab")


@pytest.mark.parametrize("names", [
    ["", "/", "..", "a/b", HOSTILE, "x" * 5000, "a\r\nb: c"], [str(i) for i in range(3000)], []],
    ids=["hostile", "many", "none"])
def test_containerds_names_are_only_names(conjoin, scratch, names):
    known = in_containerd(names, dict.fromkeys(names[:10], HOSTILE),
                          {name: task(name, os.getpid()) for name in names[:10]})
    with FakeContainerd(scratch, answer=known) as containerd:
        for command in (["exec", containerd.option, "-v", "containerd:a", "true"],
                        ["ps", containerd.option], ["ps", containerd.option, "--json"]):
            done = conjoin.run(*command)
            for line in done.stderr.splitlines() + done.stdout.splitlines():
                assert not CONTROL.search(line), line
        assert len(containerd.asked) <= 3 + 5 * 1024  # of a thousand namespaces


@pytest.mark.parametrize("message", [b"\xff", part(1, b"\xff"), part(1, b"\x0a\x7f"), b"\x0b\x0b"],
                         ids=map(str, range(4)))
def test_containerds_garbage_is_refused(conjoin, scratch, message):
    with FakeContainerd(scratch, answer=lambda *_: message) as containerd:
        refused(conjoin, containerd, target="containerd:a")
