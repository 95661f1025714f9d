# SPDX-License-Identifier: MIT
"""conjoin forward: ports here that lead into a container, and there that lead here. Not here: what one connection does with its
bytes (tests/unit/test-forward.c), a container that comes back (test_forward_follow.py)."""

import os
import re
import signal
import socket
import threading
import time

import pytest

from lib.failure import assert_failed
from lib.forwarding import Forward, exchange, open_to, refused
from lib.sandbox import Sandbox
from lib.servers import running
from lib.sockets import USER, inside, listen, listening  # noqa: F401

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")

MANY = 300
MEGABYTE = os.urandom(1 << 20)


@pytest.fixture(scope="module")
def box(sandbox_program, rootfs):
    made = Sandbox(sandbox_program, rootfs, namespaces="all,-user")
    yield made
    made.stop()


@pytest.fixture(scope="module")
def echo(box):
    """Of a server inside that takes many at a time, the port."""
    with running("echo", box.pid) as port:
        yield port


@pytest.fixture
def forward(conjoin):
    made = []

    def make(*args, **more):
        made.append(Forward(conjoin, *args, **more))
        return made[-1]

    yield make
    for one in made:
        one.end()


# --- the command line ---

@pytest.mark.parametrize("text, way", [
    ("0:80", ("tcp:80", 2)), ("127.0.0.1:0:80", ("tcp:80", 1)), ("0:db:5432", ("tcp:db:5432", 2)),
    ("[::1]:0:[fd00::2]:80", ("tcp:[fd00::2]:80", 1)), ("0:/run/app.sock", ("unix:/run/app.sock", 2)),
    ("0:@name", ("unix:@name", 2)), ("*:0:10.0.0.1:80", ("tcp:10.0.0.1:80", 1)),
    ("@conjoin-test-%d:80", ("tcp:80", 1)),
])
def test_ways(forward, box, text, way):
    run = forward(box, text.replace("%d", str(os.getpid())))
    assert [line.partition(" -> ")[2] for line in run.lines] == [f"{way[0]} in {box.pid}"] * way[1]


def test_without_a_place_to_listen_it_is_the_same_port(forward, box):
    """One that nobody uses here: found by listening."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    assert [line.split(" -> ")[0] for line in forward(box, f"localhost:{port}").lines] == [
        f"forwarding 127.0.0.1:{port}", f"forwarding [::1]:{port}"]


@pytest.mark.parametrize("text", [
    "", ":", "x", "80:", ":80", "a:b", "80:x", "1:2:3:4:5", "65536:80", "80:65536", "80:0", "/path",
    "/a:", "[::1:80", "0:80:", "host:80:x:y", "-1:80", "80:a b:1", "name:80:80", "80:*:80", "1:\t:2",
])
def test_what_is_no_way_is_told(conjoin, text):
    done = conjoin.run("forward", "--", "pid:1", text)
    assert_failed(done, 2)


@pytest.mark.parametrize("args", [
    [], ["pid:1"], ["--mode", "9", "pid:1", "80"], ["--max-connections", "0", "pid:1", "80"],
    ["--resolve", "there", "pid:1", "80"], ["--idle-timeout", "0", "pid:1", "80"],
    ["--connect-timeout", "x", "pid:1", "80"],
])
def test_usage(conjoin, args):
    assert_failed(conjoin.run("forward", *args), 2)


def test_a_port_that_is_taken_here(conjoin, box):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = conjoin.run("forward", box.pid, f"{port}:80")
    assert_failed(done, 1, f"listen on tcp:{port}", "Address already in use")


def test_it_doesnt_lead_to_itself(conjoin):
    """In our own net namespace, as a container on the host's network is."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    for way in f"{port}", f"{port}:127.0.0.1:{port}", f"127.0.0.1:{port}:localhost:{port}":
        done = conjoin.run("forward", "self", way)
        assert_failed(done, 1, "to where it's listened on", "Too many levels")


def test_what_nohup_has_ignored_doesnt_end_it(forward, box, echo):
    run = forward(box, f"0:{echo}", preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN))
    run.process.send_signal(signal.SIGHUP)
    with open_to(run.port) as peer:
        assert exchange(peer, b"hello") == b"hello"
    assert run.process.poll() is None


def test_nothing_is_listened_on_when_the_last_cant_be(conjoin, box):
    path = f"/tmp/conjoin-{os.getpid()}.sock"
    done = conjoin.run("forward", box.pid, f"{path}:80", "/nowhere/x:80")
    assert_failed(done, 1, "/nowhere/x", "No such file")
    assert not os.path.exists(path)


# --- bytes ---

def test_bytes_go_both_ways_and_so_do_ends(forward, box, echo):
    run = forward(box, f"0:{echo}")
    for family, host in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
        with socket.socket(family) as peer:
            peer.connect((host, run.port))
            assert exchange(peer, MEGABYTE) == MEGABYTE


def test_a_name_is_the_targets(forward, box, echo):
    with open(inside(box, "/etc/hosts"), "a", encoding="ascii") as f:
        f.write("127.0.0.1 only-inside\n")
    run = forward(box, f"0:only-inside:{echo}")
    with open_to(run.port) as peer:
        assert exchange(peer, b"hello") == b"hello"
    run = forward(box, "--resolve", "here", f"0:only-inside:{echo}")
    assert refused(run.port)
    assert "only-inside" in run.warning()


def test_unix_sockets_on_both_sides(forward, box, listen, scratch):
    os.mkdir(inside(box, "/srv/app"))
    listen(box, "unix:/srv/app/a.sock")
    path = os.path.join(scratch, "here.sock")
    run = forward(box, "--mode", "600", f"{path}:/srv/app/a.sock")
    assert os.stat(path).st_mode & 0o777 == 0o600
    with socket.socket(socket.AF_UNIX) as peer:
        peer.connect(path)
        assert exchange(peer, b"x" * 100000) == b"x" * 100000
    run.end()
    assert not os.path.exists(path)


def test_many_at_once(forward, box, echo):
    run = forward(box, f"0:{echo}")
    peers = [open_to(run.port) for _ in range(MANY)]
    for number, peer in enumerate(peers):
        peer.sendall(b"%d\n" % number)
    for number, peer in enumerate(peers):
        assert peer.makefile().readline() == f"{number}\n"
        peer.close()


def test_reverse_listens_there_and_leads_here(conjoin, forward, box):
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(20)
        port = server.getsockname()[1]
        run = forward(box, "--reverse", f"0:{port}")
        inner = run.port
        assert [bool(re.search(r" in \d+ \(net:\[\d+\]\) -> tcp:\d+$", line)) for line in run.lines] == [True] * 2
        assert listening(box, inner) == {"127.0.0.1", "[::1]"} and not listening(os.getpid(), inner)
        answer = []

        def serve():
            peer, _ = server.accept()
            with peer:
                answer.append(peer.makefile().readline())
                peer.sendall(b"from here\n")

        thread = threading.Thread(target=serve)
        thread.start()
        done = conjoin.exec(box, "nc", "127.0.0.1", str(inner), options=["-i"], input="from there\n")
        thread.join()
    assert (answer, done.stdout) == (["from there\n"], "from here\n")


def test_an_ordinary_user_and_a_container_of_his_own(conjoin, sandbox, forward):
    made = sandbox(user=USER, map_self=True)
    done = conjoin.exec(made, "nc", "-ll", "-p", "80", "-e", "cat", options=["-d"], user=USER)
    assert done.returncode == 0
    run = forward(made, "0:80", user=USER)
    with open_to(run.port) as peer:
        assert exchange(peer, b"hello") == b"hello"


# --- limits, failures ---

def test_a_refusal_is_the_clients_and_told_once(forward, box, echo):
    run = forward(box, "0:9", f"0:{echo}")
    assert refused(run.port)
    assert re.search(r"^conjoin: forward \d+: warning: .*tcp:9.*: Connection refused$", run.warning())
    with open_to(run.ports()[-1]) as peer:  # the others go on
        assert exchange(peer, b"hello") == b"hello"


def test_more_than_may_be_wait(forward, box, echo):
    run = forward(box, "--max-connections", "1", f"0:{echo}")
    first, second = open_to(run.port), open_to(run.port)
    first.sendall(b"1\n")
    assert first.makefile().readline() == "1\n"
    second.sendall(b"2\n")
    second.settimeout(0.2)
    with pytest.raises(TimeoutError):
        second.recv(1)
    first.close()
    second.settimeout(20)
    assert second.makefile().readline() == "2\n"
    second.close()


def test_the_other_end_has_to_be_there_in_time(forward, box):
    with running("deaf", box.pid) as port:
        run = forward(box, "--connect-timeout", "300ms", f"0:127.0.0.1:{port}")
        begin = time.monotonic()
        assert refused(run.port)
        assert 0.25 < time.monotonic() - begin < 5
        assert "timed out" in run.warning()


def test_idle_ones_end(forward, box, echo):
    run = forward(box, "--idle-timeout", "200ms", f"0:{echo}")
    with open_to(run.port) as peer:
        peer.sendall(b"x\n")
        assert peer.makefile().readline() == "x\n"
        begin = time.monotonic()
        try:
            assert peer.recv(1) == b""
        except ConnectionResetError:
            pass
        assert 0.1 < time.monotonic() - begin < 5


# --- its end ---

@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_signals_end_it_in_order(forward, box, echo, scratch, number):
    ports = os.path.join(scratch, "ports")
    run = forward(box, "--port-file", ports, f"0:{echo}", "0:80")
    with open(ports, encoding="ascii") as f:
        assert f.read() == "".join(f"{port}\n" for port in run.ports())
    peer = open_to(run.port)
    run.process.send_signal(number)
    assert run.process.wait(20) == 0 and not os.path.exists(ports)
    peer.close()


def test_the_targets_end_is_its_own(forward, sandbox):
    made = sandbox()
    run = forward(made, "0:80")
    os.kill(made.pid, signal.SIGKILL)
    assert run.process.wait(20) == 1
    assert run.rest() == f"conjoin: forward {made.pid}: the target has ended\n"


def test_a_file_that_a_killed_one_has_left_is_replaced(forward, box, echo):
    path = f"/run/conjoin-{os.getpid()}.sock"
    first = forward(box, "--reverse", f"{path}:{echo}")
    first.process.kill()
    first.process.wait()
    assert os.path.exists(inside(box, path))
    second = forward(box, "--reverse", f"{path}:{echo}")
    second.end()
    assert not os.path.exists(inside(box, path))
