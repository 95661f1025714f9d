# SPDX-License-Identifier: MIT
"""conjoin connect: bytes, ends and back-pressure. Not here: why a connection isn't made, and whatever
0, 1 and 2 may be (test_connect_errors.py)."""

import hashlib
import os
import select
import signal
import socket
import subprocess
import threading

import pytest

from lib import proc
from lib.peers import DEADLINE, Peer, connect, read_to_end, seen  # noqa: F401
from lib.poll import wait_for
from lib.sandbox import Sandbox

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")

MUCH = 16 << 20
ENOUGH = 64 << 20  # more than all buffers of a connection hold
SMALL = 4 << 20    # memory for what it has read and not written
ADDRESSES = ["127.0.0.1:0", "[::1]:0", "unix:/tmp/peer", "unix:@peer"]


@pytest.fixture(scope="module")
def box(sandbox_program, rootfs):
    made = Sandbox(sandbox_program, rootfs, namespaces="all,-user")  # so that we can bind in its /tmp
    yield made
    made.stop()


@pytest.fixture
def peer(box):
    with Peer(box) as made:
        yield made


@pytest.fixture(params=ADDRESSES)
def any_peer(request, box):
    with Peer(box, request.param) as made:
        yield made
    if request.param.startswith("unix:/"):
        os.unlink(seen(box, "/tmp/peer"))


def digest(data):
    return hashlib.sha256(data).hexdigest()


class Sender(threading.Thread):
    """Sends all of it, and then its end."""

    def __init__(self, connection, data):
        super().__init__(daemon=True)
        self.connection, self.data = connection, data
        self.start()

    def run(self):
        self.connection.sendall(self.data)
        self.connection.shutdown(socket.SHUT_WR)


def test_bytes_go_both_ways_at_once(connect, box, any_peer, scratch):
    there, back = os.urandom(MUCH), os.urandom(MUCH)
    with open(os.path.join(scratch, "there"), "w+b") as there_file:
        there_file.write(there)
        there_file.seek(0)
        with open(os.path.join(scratch, "back"), "w+b") as back_file:
            running = connect(box, any_peer.address, stdin=there_file, stdout=back_file)
            with any_peer.accept() as connection:
                sender = Sender(connection, back)
                got = b"".join(iter(lambda: connection.recv(1 << 20), b""))
                assert digest(got) == digest(there)
                sender.join(DEADLINE)
            assert running.end() == (0, "")
            back_file.seek(0)
            assert digest(back_file.read()) == digest(back)


def test_every_byte_passes(connect, box, any_peer):
    data = bytes(range(256)) * 3 + b"\n\r\n\0"
    running = connect(box, any_peer.address, stdin=subprocess.PIPE)
    with any_peer.accept() as connection:
        for one in range(0, len(data), 100):  # as it comes, without waiting for more
            part = data[one:one + 100]
            running.process.stdin.write(part)
            running.process.stdin.flush()
            assert read_to_end(connection, len(part)) == part
            connection.sendall(part)
            assert os.read(running.process.stdout.fileno(), 1000) == part


def test_it_starts_where_the_container_is(connect, box, sandbox):
    """Both have a server on that port, and there is none here."""
    other = sandbox()
    with Peer(box) as first, Peer(other, first.address) as second:
        for target, peer, word in (box, first, b"first"), (other, second, b"second"):
            running = connect(target, peer.address)
            with peer.accept() as connection:
                assert connection.getpeername()[0] == "127.0.0.1"
                connection.sendall(word)
            assert running.process.stdout.read() == word
            assert running.end() == (0, "")


def test_a_program_of_the_container_is_reached(connect, sandbox):
    echo = sandbox("busybox", "nc", "-ll", "-p", "80", "-e", "cat")
    wait_for(lambda: b":0050 " in proc.read(echo.pid, "net/tcp") + proc.read(echo.pid, "net/tcp6"))
    running = connect(echo, "80", stdin=subprocess.PIPE)
    running.process.stdin.write(b"hello\n")
    running.process.stdin.close()
    assert running.process.stdout.read() == b"hello\n"
    assert running.end() == (0, "")


@pytest.mark.parametrize("word", ["{port}", "tcp:{port}", "127.0.0.1:{port}", "tcp4:{port}",
                                  "tcp:127.0.0.1:{port}", "localhost:{port}"])
def test_ways_to_write_it(connect, box, peer, word):
    running = connect(box, word.format(port=peer.port))
    peer.accept().close()
    assert running.end() == (0, "")


@pytest.mark.parametrize("word, name", [("/tmp/ways", "unix:/tmp/ways"), ("@ways", "unix:@ways"),
                                        ("unix:@ways", "unix:@ways")])
def test_ways_to_write_a_unix_socket(connect, box, word, name):
    with Peer(box, name) as peer:
        running = connect(box, word)
        peer.accept().close()
        assert running.end() == (0, "")
    if word.startswith("/"):
        os.unlink(seen(box, word))


# --- ends ---

def test_the_end_of_stdin_is_told_and_the_answer_still_comes(connect, box, any_peer):
    running = connect(box, any_peer.address, stdin=subprocess.PIPE)
    with any_peer.accept() as connection:
        running.process.stdin.write(b"question")
        running.process.stdin.close()
        assert read_to_end(connection) == b"question"
        assert running.process.poll() is None
        connection.sendall(b"answer")
    assert running.process.stdout.read() == b"answer"
    assert running.end() == (0, "")


def test_the_other_sides_end_is_told_and_what_is_sent_still_arrives(connect, box, any_peer):
    running = connect(box, any_peer.address, stdin=subprocess.PIPE)
    with any_peer.accept() as connection:
        connection.sendall(b"bye")
        connection.shutdown(socket.SHUT_WR)
        assert running.out.rest() == "bye"  # to its end
        running.process.stdin.write(b"late")
        running.process.stdin.flush()
        assert connection.recv(10) == b"late"
        assert running.process.poll() is None
        running.process.stdin.write(b"r")
        running.process.stdin.close()
        assert read_to_end(connection) == b"r"
    assert running.end() == (0, "")


def test_who_writes_to_us_learns_that_the_other_side_is_gone(connect, box, any_peer):
    """One that takes nothing any more: stdin is a pipe that stays open."""
    running = connect(box, any_peer.address, stdin=subprocess.PIPE)
    any_peer.accept().close()
    assert running.out.rest() == ""

    def breaks():
        try:
            os.write(running.process.stdin.fileno(), b"x")
        except BrokenPipeError:
            return True
        return False

    wait_for(breaks, what="EPIPE")
    running.wait()


def test_it_ends_by_itself_when_a_unix_peer_is_gone(connect, box):
    """There is no half of it left: stdin needn't end."""
    with Peer(box, "unix:@gone") as peer:
        running = connect(box, peer.address, stdin=subprocess.PIPE)
        peer.accept().close()
        assert running.end() == (0, "")


def test_at_a_terminal_it_ends_when_the_other_side_does(connect, box, peer):
    master, slave = os.openpty()
    try:
        running = connect(box, peer.address, stdin=slave, start_new_session=True)
        with peer.accept() as connection:
            os.write(master, b"typed\n")
            assert read_to_end(connection, 6) == b"typed\n"
            connection.sendall(b"seen\n")
            assert running.out.next() == "seen"
        assert running.end() == (0, "")  # no key was needed
    finally:
        os.close(master)
        os.close(slave)


def test_at_a_terminal_its_end_is_told(connect, box, peer):
    master, slave = os.openpty()
    try:
        running = connect(box, peer.address, stdin=slave, start_new_session=True)
        with peer.accept() as connection:
            os.write(master, b"x\n\x04")
            assert read_to_end(connection) == b"x\n"
            connection.sendall(b"answer")
        assert running.out.rest() == "answer"
        assert running.end() == (0, "")
    finally:
        os.close(master)
        os.close(slave)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_it(connect, box, peer, number):
    running = connect(box, peer.address, stdin=subprocess.PIPE)
    with peer.accept() as connection:
        running.send(number)
        assert running.wait() == -number
        assert connection.recv(1) == b""


# --- as another program's transport ---

def test_one_socket_for_both_as_the_transport_of_a_program(connect, box, peer):
    """socat's EXEC and inetd's children have the same one on 0 and 1."""
    ours, theirs = socket.socketpair()
    with ours:
        ours.settimeout(DEADLINE)
        with theirs:
            running = connect(box, peer.address, stdin=theirs, stdout=theirs)
        with peer.accept() as connection:
            ours.sendall(b"SSH-2.0-x\r\n")
            assert connection.recv(100) == b"SSH-2.0-x\r\n"
            connection.sendall(b"SSH-2.0-y\r\n")
            assert ours.recv(100) == b"SSH-2.0-y\r\n"
            ours.shutdown(socket.SHUT_WR)
            assert connection.recv(1) == b""
        assert ours.recv(1) == b""
        assert running.end() == (0, "")


def test_one_socket_for_both_tells_the_other_sides_end(connect, box, peer):
    """Before ours: who waits for it, and then ends its own, would wait for ever."""
    ours, theirs = socket.socketpair()
    with ours:
        ours.settimeout(DEADLINE / 3)
        with theirs:
            running = connect(box, peer.address, stdin=theirs, stdout=theirs)
        with peer.accept() as connection:
            connection.sendall(b"bye")
        assert read_to_end(ours) == b"bye"
    assert running.end() == (0, "")


# --- back-pressure, and what goes wrong ---

def peak(running):
    return int(proc.status(running.pid)["VmHWM"].split()[0]) << 10


def fill(connection, data):
    """How much of it is taken by who reads nothing."""
    connection.setblocking(False)
    sent = 0
    while sent < len(data):
        if not select.select([], [connection], [], 0.2)[1]:
            break
        sent += connection.send(data[sent:sent + (1 << 20)])
    connection.settimeout(DEADLINE)
    return sent


def test_a_stdout_that_nobody_reads_holds_up_the_other_side(connect, box, any_peer):
    data = os.urandom(1 << 20) * (ENOUGH >> 20)
    running = connect(box, any_peer.address, stdin=subprocess.PIPE)
    with any_peer.accept() as connection:
        before = peak(running)
        sent = fill(connection, data)
        assert sent < len(data)
        Sender(connection, data[sent:])
        got = hashlib.sha256()
        while part := os.read(running.process.stdout.fileno(), 1 << 20):
            got.update(part)
        assert peak(running) - before < SMALL
        running.process.stdin.close()
    assert got.hexdigest() == digest(data)
    assert running.end() == (0, "")


def test_a_peer_that_reads_nothing_holds_up_who_writes(connect, box, any_peer):
    data = os.urandom(1 << 20) * (ENOUGH >> 20)
    running = connect(box, any_peer.address, stdin=subprocess.PIPE)
    with any_peer.accept() as connection:
        stdin = running.process.stdin.fileno()
        before, sent = peak(running), 0
        os.set_blocking(stdin, False)
        while sent < len(data) and select.select([], [stdin], [], 0.2)[1]:
            sent += os.write(stdin, data[sent:sent + 4096])
        os.set_blocking(stdin, True)
        assert sent < len(data)

        def send_rest():
            running.process.stdin.write(data[sent:])
            running.process.stdin.close()

        threading.Thread(target=send_rest, daemon=True).start()
        got = hashlib.sha256()
        while part := connection.recv(1 << 20):
            got.update(part)
        assert peak(running) - before < SMALL
    assert got.hexdigest() == digest(data)
    assert running.end() == (0, "")


def test_one_way_that_is_full_doesnt_hold_up_the_other(connect, box, peer):
    running = connect(box, peer.address, stdin=subprocess.PIPE)
    with peer.accept() as connection:
        assert fill(connection, bytes(ENOUGH)) < ENOUGH
        running.process.stdin.write(b"still here")
        running.process.stdin.flush()
        assert connection.recv(100) == b"still here"


def cpu_ticks(pid):
    return sum(map(int, proc.stat_fields(pid)[11:13]))


def test_waiting_costs_nothing(connect, box, peer):
    """Neither for a full pipe, nor after the end of one way."""
    running = connect(box, peer.address)  # stdin has ended
    with peer.accept() as connection:
        assert connection.recv(1) == b""
        assert fill(connection, bytes(ENOUGH)) < ENOUGH
        before = cpu_ticks(running.pid)
        select.select([], [], [], 0.5)
        assert cpu_ticks(running.pid) - before <= 10  # of 50
