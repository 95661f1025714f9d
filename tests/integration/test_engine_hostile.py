# SPDX-License-Identifier: MIT
"""A docker daemon that lies, dawdles or is out of its mind: conjoin says so, in time, and looks on
disk. Not here: parsers (tests/unit, tests/fuzz), engines in order (tests/engines)."""

import json
import os
import socket
import time

import pytest

from lib.failure import CONTROL, assert_failed
from lib.fake_docker import FakeDocker, Numbered, chunked, container, http, knows
from lib.memory import peak_memory

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")

HOSTILE = "a\x1b[31m\u202e%s%n\"'\\\n\x9bb"
MIB = 1 << 20
MEMORY = (1000 if "ASAN_OPTIONS" in os.environ else 128) * MIB  # the sanitizer keeps what was freed


@pytest.fixture
def box(sandbox):
    with Numbered(sandbox(), 1) as one:
        yield one


def run(conjoin, docker, name="web", *options, **more):
    return conjoin.run("exec", docker.option, *options, f"docker:{name}", "hostname", **more)


def timed(function):
    begin = time.monotonic()
    result = function()
    return result, time.monotonic() - begin


# --- in order ---


@pytest.mark.parametrize("shape", [
    http,
    lambda body: http(body, "200 OK", f"Content-Length: {len(json.dumps(body))}"),
    lambda body: chunked(body, 7),
    lambda body: chunked(body, 1),
    lambda body: chunked(body, 1 << 20),
    lambda body: b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Hints\r\nA: b\r\n\r\n" + http(body),
    lambda body: http(json.dumps(body).encode() + b" " * (2 * MIB // 3)),
])
def test_an_answer_in_any_shape_is_taken(conjoin, scratch, box, shape):
    with FakeDocker(scratch, lambda _: shape(container(box.id, "web", box.pid))) as docker:
        done = run(conjoin, docker)
        assert (done.returncode, done.stderr) == (0, ""), done
        assert docker.asked == ["/containers/web/json"]


def test_an_answer_a_byte_at_a_time_is_taken(conjoin, scratch, box):
    def send(connection, _):
        for byte in chunked(container(box.id, "web", box.pid), 3):
            connection.sendall(bytes([byte]))

    with FakeDocker(scratch, send=send) as docker:
        assert run(conjoin, docker).returncode == 0


@pytest.mark.parametrize("name", [
    "web", "123456", "-it", "--help", "a%2Fb", "%s%n", "it's \"quoted\"", "\\", "é", "a b",
    "x" * 4000, "self", "pid:1",
])
def test_any_name_reaches_the_daemon_as_it_is(conjoin, scratch, box, name):
    with FakeDocker(scratch, knows(container(box.id, name, box.pid))) as docker:
        done = run(conjoin, docker, name)
        assert (done.returncode, done.stderr) == (0, ""), done
        assert len(docker.asked) == 1 and docker.asked[0].count("/") == 3


@pytest.mark.parametrize("name", [
    "", "a/b", "../json?x=", "..", ".", "a\nb", "\x1b[31m", "x" * 5000,
])
def test_what_no_container_is_called_is_not_asked_for(conjoin, scratch, name):
    with FakeDocker(scratch, knows()) as docker:
        assert_failed(run(conjoin, docker, name), 125)
        assert docker.asked == []


def test_a_beginning_of_several_ids_is_refused_with_their_names(conjoin, scratch, sandbox):
    with Numbered(sandbox(), 1) as a, Numbered(sandbox(), 2) as b:
        known = knows(container(a.id, "first", a.pid), container(b.id, "second", b.pid))
        with FakeDocker(scratch, known) as docker:
            assert_failed(run(conjoin, docker, a.id[:8]), 125, "first", "second")


def test_one_that_is_not_running_gets_that_word(conjoin, scratch):
    for status, word in [("exited", "stopped"), ("created", "created"), ("dead", "dead"),
                         ("restarting", "restarting"), ("removing", "dead")]:
        folder = os.path.join(scratch, status)
        os.mkdir(folder)
        with FakeDocker(folder, knows(container("ab" * 32, "web", 0, status))) as docker:
            assert_failed(run(conjoin, docker), 125, f"container web is {word}")


# --- out of order ---


def broken(text):
    return lambda _: text


WRONG = {
    "garbage": (broken(b"\x1b[31mI am no \xff\x00 HTTP\r\n\r\n"), "isn't HTTP"),
    "nothing": (broken(b""), "cut off"),
    "half a head": (broken(b"HTTP/1.1 200 OK\r\nContent-"), "cut off"),
    "half a body": (broken(http(b'{"Id":', "200 OK", "Content-Length: 99")), "cut off"),
    "half a chunk": (broken(chunked({"Id": "a"}, 5)[:-20]), "cut off"),
    "a chunk that lies": (broken(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                                 b"2\r\n{}{}\r\n0\r\n\r\n"), "isn't HTTP"),
    "half a JSON": (broken(http(b'{"Id":"')), "JSON"),
    "no JSON": (broken(http(b"\x1b[31m\xff\x00")), "JSON"),
    "an empty body": (broken(http(b"")), "JSON"),
    "a list": (broken(http([])), "not an object"),
    "an empty object": (broken(http({})), "no container's id"),
    "depth": (broken(http(b'{"Id":' + b"[" * 500000)), "JSON"),
    "a redirection": (broken(http(b"", "302 Found", "Location: /x")), "302"),
    "an upgrade": (broken(b"HTTP/1.1 101 Switching Protocols\r\n\r\n"), "isn't HTTP"),
    "gzip": (broken(http(b"\x1f\x8b\x08", "200 OK", "Content-Encoding: gzip")), "encoded"),
    "gzip in chunks": (broken(http(b"", "200 OK", "Transfer-Encoding: gzip, chunked")), "encoded"),
    "500": (broken(http({"message": HOSTILE}, "500 Oops")), "500: a\\x1b[31m"),
    "500 without words": (broken(http(b"oops", "500 Oops")), "500"),
    "a great length": (broken(http(b"", "200 OK", "Content-Length: 1073741824")), "too big"),
    "two lengths": (broken(http(b"{}", "200 OK", "Content-Length: 2", "Content-Length: 3")),
                    "isn't HTTP"),
    "an id of no use": (broken(http(container("../../etc", "web", 1))), "no container's id"),
    "a short id": (broken(http(container("ab", "web", 1))), "no container's id"),
    "another container": (broken(http(container("ab" * 32, "webber", 1))), "another container"),
}


@pytest.mark.parametrize("kind", WRONG)
def test_nonsense_is_named(conjoin, scratch, kind):
    answer, word = WRONG[kind]
    with FakeDocker(scratch, answer) as docker:
        done, took = timed(lambda: run(conjoin, docker))
        assert_failed(done, 125, word, docker.path)
        assert took < 2


@pytest.mark.parametrize("kind", [
    "garbage", "nothing", "500", "gzip", "half a JSON", "a great length",
])
def test_after_nonsense_the_disk_is_read(conjoin, scratch, box, kind):
    with FakeDocker(scratch, WRONG[kind][0]) as docker:
        docker.keep(container(box.id, "web", box.pid))
        done = run(conjoin, docker, "web", "-v")
        assert done.returncode == 0, done
        assert f"read {docker.data}/containers instead: 1 container" in done.stderr
        assert CONTROL.search(done.stderr) is None
        assert run(conjoin, docker, box.id[:20]).returncode == 0


def test_a_daemon_that_closes_at_once_is_named(conjoin, scratch):
    with FakeDocker(scratch, send=lambda connection, _: connection.close()) as docker:
        assert_failed(run(conjoin, docker), 125, docker.path)


PIDS = {
    "zero": (0, "PID"), "negative": (-1, "PID"), "2^40": (1 << 40, "PID"),
    "2^64": (1 << 64, "JSON"), "text": ("1", "PID"), "a fraction": (1.5, "PID"),
    "null": (None, "PID"), "true": (True, "PID"), "beyond pid_max": (4194305, "PID"),
    "init": (1, ""), "the test": (os.getpid(), "another one's"),
    "free": (4194303, "No such process"),
}


@pytest.mark.parametrize("kind", PIDS)
def test_a_pid_that_is_not_the_containers_is_not_entered(conjoin, scratch, kind):
    pid, word = PIDS[kind]
    with FakeDocker(scratch, knows(container("ab" * 32, "web", pid))) as docker:
        done = run(conjoin, docker)
        assert_failed(done, 125, word)
        assert done.stdout == ""


def test_another_containers_pid_is_not_entered(conjoin, scratch, sandbox):
    with Numbered(sandbox(), 1) as a, Numbered(sandbox(), 2) as b:
        with FakeDocker(scratch, knows(container(a.id, "web", b.pid))) as docker:
            assert_failed(run(conjoin, docker), 125, "another one's")


def test_a_record_of_another_containers_pid_is_not_entered(conjoin, scratch, sandbox):
    with Numbered(sandbox(), 1) as a, Numbered(sandbox(), 2) as b:
        with FakeDocker(scratch) as docker:
            docker.keep(container(a.id, "web", b.pid))
            assert_failed(run(conjoin, docker, "web", "--engine-timeout=100ms"), 125)


def test_a_stopped_container_of_that_name_is_meant_and_no_id_that_begins_so(conjoin, scratch, box):
    """Of two engines one has a container "abcd…", the other an id that begins with it."""
    name = box.id[:16]
    other = os.path.join(scratch, "other")
    os.mkdir(other)
    stopped = container("0" * 64, name, 0, status="exited")
    with FakeDocker(scratch, knows(stopped)) as docker, \
            FakeDocker(other, knows(container(box.id, "web", box.pid))) as podman:
        sockets = [docker.option, f"--engine-socket=podman={podman.path}"]
        done = conjoin.run("exec", *sockets, name, "hostname")
        assert_failed(done, 125, f"container {name} is stopped")
        assert conjoin.run("exec", *sockets, box.id[:15], "hostname").returncode == 0
        assert conjoin.run("exec", *sockets, "web", "hostname").returncode == 0


def test_a_socket_is_only_named_for_an_engine_that_has_one(conjoin):
    for option in ("lxc=/x", "oci=/x", "unit=/x", "dokcer=/x", "/x"):
        assert_failed(conjoin.run("exec", "--engine-socket", option, "web", "true"), 125,
                      option.split("=")[-1])


@pytest.mark.parametrize("target", ["self", "1", "pid:1", "comm:init", "docker:web", "oci:web"])
def test_a_pods_options_are_for_pods(conjoin, target):
    done = conjoin.run("exec", "-n", "shop", target, "true")
    assert_failed(done, 125, "which only pods (k8s:) have")


# --- time ---


def drip(connection, docker):
    """A byte now and then, for ever."""
    connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n{")
    while not docker.ended.wait(0.1):
        connection.sendall(b" ")


def test_the_deadline_is_for_the_whole_answer(conjoin, scratch):
    with FakeDocker(scratch, send=drip) as docker:
        done, took = timed(lambda: run(conjoin, docker, "web", "--engine-timeout=1s"))
        assert_failed(done, 125, docker.path)
        assert 0.9 < took < 1.5


def test_who_sends_without_end_does_not_stop_the_clock(conjoin, scratch):
    def send(connection, docker):
        connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        part = b"1;" + b"x" * 4000 + b"\r\n \r\n"
        while not docker.ended.is_set():
            connection.sendall(part)

    with FakeDocker(scratch, send=send) as docker:
        done, took = timed(lambda: run(conjoin, docker, "web", "--engine-timeout=500ms"))
        assert_failed(done, 125, docker.path)
        assert took < 1.5


def test_a_socket_that_nobody_accepts_on_is_left_in_time(conjoin, scratch, box):
    with FakeDocker(scratch) as docker:
        done, took = timed(lambda: run(conjoin, docker, "web", "--engine-timeout=300ms"))
        assert_failed(done, 125, docker.path)
        assert 0.2 < took < 1
        docker.keep(container(box.id, "web", box.pid))
        done, took = timed(lambda: run(conjoin, docker, "web", "--engine-timeout=300ms"))
        assert done.returncode == 0 and took < 1, done


def test_a_full_queue_does_not_block(conjoin, scratch):
    with FakeDocker(scratch, backlog=0) as docker:
        clients = docker.fill()
        done, took = timed(lambda: run(conjoin, docker, "web", "--engine-timeout=500ms"))
        assert_failed(done, 125, docker.path)
        assert took < 1.5
        for client in clients:
            client.close()


@pytest.mark.parametrize("what", ["nothing", "a file", "a directory", "nobody", "a long path"])
def test_what_is_no_socket_of_a_daemon_is_named(conjoin, scratch, what):
    path = os.path.join(scratch, "x" * 120 if what == "a long path" else "it")
    if what == "a file":
        open(path, "w", encoding="ascii").close()
    elif what == "a directory":
        os.mkdir(path)
    elif what == "nobody":
        with socket.socket(socket.AF_UNIX) as left:
            left.bind(path)
    done = conjoin.run("exec", f"--engine-socket=docker={path}", "docker:web", "true")
    # what lies on disk may know docker, and not the name
    assert_failed(done, 125, *([] if os.path.exists("/var/lib/docker/containers") else [path]))


def test_a_bare_word_waits_once_for_all(conjoin, scratch):
    folders = [os.path.join(scratch, str(i)) for i in range(3)]
    for folder in folders:
        os.mkdir(folder)
    with FakeDocker(folders[0], send=drip) as a, FakeDocker(folders[1], send=drip) as b, \
            FakeDocker(folders[2], send=drip) as c:
        options = [f"--engine-socket={engine}={fake.path}"
                   for engine, fake in (("docker", a), ("podman", b), ("docker", c))]
        done, took = timed(lambda: conjoin.run(
            "exec", *options, "--engine-timeout=500ms", "no-such-container-here", "true"))
        assert_failed(done, 125)
        assert took < 1.2


# --- size ---


ENDLESS = {
    "a body": (b"HTTP/1.0 200 OK\r\n\r\n", b" " * MIB),
    "chunks": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
               b"100000\r\n" + b" " * MIB + b"\r\n"),
    "a line": (b"HTTP/1.0 200 OK\r\nA: ", b"x" * MIB),
    "lines": (b"HTTP/1.0 200 OK\r\n", b"A: b\r\n" * (MIB // 6)),
    "heads": (b"", b"HTTP/1.1 100 Continue\r\n\r\n" * (MIB // 25)),
    "trailers": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n",
                 b"A: b\r\n" * (MIB // 6)),
}


@pytest.mark.parametrize("kind", ENDLESS)
@pytest.mark.parametrize("command", [["exec", "docker:web", "true"], ["ps"]])
def test_a_gibibyte_is_left_at_the_limit(conjoin, scratch, kind, command):
    begin, part = ENDLESS[kind]
    sent = []

    def send(connection, _):
        connection.sendall(begin)
        while len(sent) < 1024:
            connection.sendall(part)
            sent.append(1)

    with FakeDocker(scratch, send=send) as docker:
        status, memory = peak_memory(conjoin, command[0], docker.option, *command[1:])
    assert status == (125 if command[0] == "exec" else 0)
    assert len(sent) < 64
    assert memory < MEMORY


def test_json_of_many_small_things_takes_bounded_memory(conjoin, scratch):
    one = json.dumps({"Id": "ab" * 32, "x": [[]] * 300000}).encode()
    with FakeDocker(scratch, broken(http(b"[" + b",".join([one] * 25) + b"]"))) as docker:
        status, memory = peak_memory(conjoin, "ps", docker.option)
    assert status == 0
    assert memory < 192 * MIB


# --- what is shown ---


def test_hostile_names_are_shown_escaped(conjoin, scratch, box):
    one = container(box.id, HOSTILE, box.pid, image=HOSTILE, labels={HOSTILE: HOSTILE})
    with FakeDocker(scratch, knows(one)) as docker:
        for args in (["ps", docker.option], ["ps", docker.option, "--tree"],
                     ["inspect", docker.option, f"docker:{box.id}"],
                     ["exec", docker.option, "-v", f"docker:{box.id}", "true"]):
            done = conjoin.run(*args, text=False)
            assert done.returncode == 0, done
            assert CONTROL.search(done.stdout.decode().replace("\t", "")) is None
            assert CONTROL.search(done.stderr.decode()) is None
        done = conjoin.run("ps", docker.option, "--json")
        row = next(row for row in json.loads(done.stdout) if row.get("pid") == box.pid)
        assert (row["engine"], row["id"]) == ("docker", box.id)
        assert row["name"].startswith("a") and row["name"].endswith("b")
        done = conjoin.run("inspect", docker.option, f"docker:{box.id}", "--json")
        assert done.returncode in (0, 1, 2)


def test_ps_goes_without_a_daemon_that_is_out_of_its_mind(conjoin, scratch, box):
    for kind in ("garbage", "a list", "500", "nothing"):
        folder = os.path.join(scratch, kind.replace(" ", "-"))
        os.mkdir(folder)
        answer = broken(http([{"Id": 1}])) if kind == "a list" else WRONG[kind][0]
        with FakeDocker(folder, answer) as docker:
            done = conjoin.run("ps", docker.option, "--json")
            assert done.returncode == 0, done
            assert box.pid in [row.get("pid") for row in json.loads(done.stdout)]


def test_ps_names_what_the_daemon_lists(conjoin, scratch, box):
    one = container(box.id, "web", box.pid, labels={"a": "b"})
    other = container("cd" * 32, "ended", 0, "exited")
    with FakeDocker(scratch, knows(one, other)) as docker:
        done = conjoin.run("ps", docker.option, "--json")
        rows = [row for row in json.loads(done.stdout) if row.get("engine") == "docker"]
        assert [(row["name"], row["pid"], row["image"], row["labels"]) for row in rows
                if row["id"] == box.id] == [("web", box.pid, "bb:1", {"a": "b"})]
        assert "ended" not in [row["name"] for row in rows]
