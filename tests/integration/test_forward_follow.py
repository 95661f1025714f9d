# SPDX-License-Identifier: MIT
"""conjoin forward --follow: a container that is restarted keeps its name. Not here: conjoin listen's (test_listen_follow.py)."""

import os
import signal
import socket
import subprocess

import pytest

from lib import proc
from lib.failure import assert_failed
from lib.forwarding import Forward, exchange, open_to
from lib.poll import wait_for
from lib.servers import running
from lib.sockets import in_net_of, inside, listening, unshared  # noqa: F401

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")

BACK = "the target is back"
GONE = "the target has ended; it's waited for"


@pytest.fixture
def named(sandbox, scratch):
    """named(): a container, and from then on who is meant by named.target."""
    path = os.path.join(scratch, "pid")

    def point(box):
        with open(path + ".new", "w", encoding="ascii") as f:
            f.write(f"{box.pid}\n")
        os.rename(path + ".new", path)
        return box

    def make():
        return point(sandbox())

    make.point = point
    make.target = f"pidfile:{path}"
    return make


@pytest.fixture
def forward(conjoin, named):
    made = []

    def make(*args):
        made.append(Forward(conjoin, named.target, "--follow", *args))
        return made[-1]

    yield make
    for one in made:
        one.end()


def end(box, run):
    os.kill(box.pid, signal.SIGKILL)
    assert run.warning().endswith(GONE)


def test_who_comes_meanwhile_waits(named, forward):
    box = named()
    with running("echo", box.pid) as port:
        run = forward(f"0:{port}")
        with open_to(run.port) as peer:
            assert exchange(peer, b"first") == b"first"
        end(box, run)
    waiting = open_to(run.port)  # the kernel's queue takes it
    waiting.settimeout(0.3)
    with pytest.raises(TimeoutError):
        waiting.recv(1)
    waiting.close()
    box = named()
    assert run.warning().endswith(BACK)
    with running("echo", box.pid) as port:  # most likely on another port, so on a way of its own
        again = forward(f"0:{port}")
        with open_to(again.port) as peer:
            assert exchange(peer, b"second") == b"second"


def test_the_same_way_leads_to_the_new_one(named, forward, conjoin):
    """One port, as a container has it that is restarted."""
    box = named()
    run = forward("0:80")

    def serve(where):
        assert conjoin.exec(where, "nc", "-ll", "-p", "80", "-e", "cat", options=["-d"]).returncode == 0
        wait_for(lambda: listening(where, 80))

    serve(box)
    with open_to(run.port) as peer:
        assert exchange(peer, b"first") == b"first"
    end(box, run)
    serve(named())
    assert run.warning().endswith(BACK)
    with open_to(run.port) as peer:
        assert exchange(peer, b"second") == b"second"


def test_reverse_listens_there_again_on_the_same_port(named, forward, unshared):
    with socket.create_server(("127.0.0.1", 0)) as server:
        box = named()
        run = forward("--reverse", f"0:{server.getsockname()[1]}")
        port = run.port
        assert listening(box, port)
        end(box, run)
        box = named.point(unshared("-n"))  # whose loopback is down
        assert run.warning().endswith(BACK)
        assert "Cannot assign requested address" in run.warning()  # once, and tried again
        assert run.warning().startswith("hint:")
        in_net_of(box, "ip link set lo up")
        wait_for(lambda: listening(box, port) == {"127.0.0.1", "[::1]"})
        assert run.process.poll() is None


def test_reverse_isnt_deaf_after_a_second_end_on_the_way(named, forward, unshared, sandbox):
    """Listening fails where it came back, which ends as well; then it's back in the same net namespace."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        box = named()
        run = forward("--reverse", f"0:{server.getsockname()[1]}")
        port = run.port
        end(box, run)
        pause = unshared("-n")  # whose loopback is down
        first = named.point(InNet(pause))
        assert run.warning().endswith(BACK)
        assert "Cannot assign requested address" in run.warning()
        assert run.warning().startswith("hint:")
        first.process.kill()
        first.process.wait()
        assert run.warning().endswith(GONE)
        in_net_of(pause, "ip link set lo up")
        second = named.point(InNet(pause))
        assert run.warning().endswith(BACK)
        wait_for(lambda: listening(pause, port) == {"127.0.0.1", "[::1]"})
        second.process.kill()
        second.process.wait()


class InNet:
    """A process in the net namespace of another."""

    def __init__(self, other):
        self.process = subprocess.Popen(["nsenter", f"--net=/proc/{other.pid}/ns/net", "sleep", "1000"])
        self.pid = self.process.pid
        wait_for(lambda: proc.read(self.pid, "comm") == b"sleep\n")


def test_reverse_makes_the_file_again(named, forward):
    with socket.create_server(("127.0.0.1", 0)) as server:
        box = named()
        run = forward("--reverse", f"/run/x.sock:{server.getsockname()[1]}")
        end(box, run)
        box = named()
        assert run.warning().endswith(BACK)
        wait_for(lambda: os.path.exists(inside(box, "/run/x.sock")))
        run.end()
        assert not os.path.exists(inside(box, "/run/x.sock"))


def test_it_can_be_ended_while_it_waits(named, forward):
    box = named()
    run = forward("0:80")
    end(box, run)
    run.process.send_signal(signal.SIGTERM)
    assert run.process.wait(20) == 0


@pytest.mark.parametrize("target", ["1", "pid:1", "self", "1:s1"])
def test_what_never_comes_back_cant_be_followed(conjoin, target):
    done = conjoin.run("forward", "--follow", target, "0:80")
    assert_failed(done, 1, "never comes back")
