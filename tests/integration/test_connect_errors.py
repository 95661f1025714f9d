# SPDX-License-Identifier: MIT
"""conjoin connect: why a connection isn't made or is lost, and what 0, 1 and 2 may be. Not here: bytes
and ends (test_connect.py), names in all their ways (test_sockets_names.py)."""

import contextlib
import fcntl
import os
import signal
import socket
import struct
import subprocess
import termios
import time

import pytest

from lib.failure import assert_failed
from lib.host import Host
from lib.peers import DEADLINE, Peer, connect, read_to_end, seen, socket_in  # noqa: F401
from lib.poll import wait_for
from lib.sandbox import Sandbox

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")

TROUBLE, USAGE = 1, 2
NOW = struct.pack("ii", 1, 0)  # SO_LINGER: what is closed is reset


@pytest.fixture(scope="module")
def box(sandbox_program, rootfs):
    made = Sandbox(sandbox_program, rootfs, namespaces="all,-user")
    yield made
    made.stop()


@pytest.fixture
def peer(box):
    with Peer(box) as made:
        yield made


def reset(connection):
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NOW)
    connection.close()


def finished(running):
    """What lib.failure judges."""
    status, said = running.end()
    return subprocess.CompletedProcess("connect", status, "", said)


# --- 0, 1 and 2 ---

@pytest.fixture
def things(scratch):
    """things(kind, access): a file of that kind, and a function that gives what was written to it."""
    opened = []

    def keep(*fds):
        opened.extend(fds)
        return fds

    def make(kind, data=b""):
        path = os.path.join(scratch, f"file{len(opened)}")
        if kind == "null":
            return keep(os.open("/dev/null", os.O_RDWR))[0], lambda: None
        if kind == "file":
            with open(path, "wb") as f:
                f.write(data)
            return keep(os.open(path, os.O_RDWR))[0], lambda: open(path, "rb").read()
        if kind == "pipe":
            reader, writer = keep(*os.pipe())
            if data:
                os.write(writer, data)
                os.close(writer)
                opened.remove(writer)
                return reader, None
            return writer, lambda: os.read(reader, 100)
        ours, theirs = socket.socketpair()
        keep(ours.detach() if data else ours.fileno())
        if data:
            os.write(opened[-1], data)
            with socket.socket(fileno=os.dup(opened[-1])) as end:
                end.shutdown(socket.SHUT_WR)
            return keep(theirs.detach())[0], None
        opened[-1] = ours.detach()
        return keep(theirs.detach())[0], lambda: os.read(opened[-2], 100)

    yield make
    for fd in opened:
        os.close(fd)


@pytest.mark.parametrize("kind", ["null", "file", "pipe", "socket"])
def test_whatever_stdin_is(connect, box, peer, things, kind):
    data = b"" if kind == "null" else b"question"
    running = connect(box, peer.address, stdin=things(kind, data)[0])
    with peer.accept() as connection:
        assert read_to_end(connection) == data
        connection.sendall(b"answer")
    assert running.out.rest() == "answer"
    assert running.end() == (0, "")


@pytest.mark.parametrize("kind", ["null", "file", "pipe", "socket"])
def test_whatever_stdout_is(connect, box, peer, things, kind):
    fd, written = things(kind)
    running = connect(box, peer.address, stdout=fd)
    with peer.accept() as connection:
        connection.sendall(b"answer")
    assert running.end() == (0, "")
    assert written() in (None, b"answer")


def closing(number):
    return lambda: os.close(number)


def test_a_stdin_that_is_closed_is_at_its_end(connect, box, peer):
    running = connect(box, peer.address, preexec_fn=closing(0))
    with peer.accept() as connection:
        assert connection.recv(1) == b""
        connection.sendall(b"answer")
    assert running.out.rest() == "answer"
    assert running.end() == (0, "")


def test_a_stdout_that_is_closed_is_trouble_from_the_start(connect, box, peer):
    """Nobody is connected to whose answer would be lost."""
    running = connect(box, peer.address, preexec_fn=closing(1))
    assert_failed(finished(running), TROUBLE, "stdout", "Bad file descriptor")


def test_a_stderr_that_is_closed_is_no_trouble(connect, box, peer):
    running = connect(box, peer.address, preexec_fn=closing(2))
    with peer.accept() as connection:
        connection.sendall(b"answer")
    assert running.out.rest() == "answer"
    assert running.wait() == 0


@pytest.mark.parametrize("kind", ["pipe", "terminal", "socket"])
def test_what_it_shares_stays_as_it_was(connect, box, peer, kind):
    """O_NONBLOCK is the description's, which others have, too; modes are the terminal's."""
    if kind == "socket":
        fds = [one.detach() for one in socket.socketpair() + socket.socketpair()]
    else:
        fds = [*os.pipe(), *os.pipe()] if kind == "pipe" else [*os.openpty(), *os.openpty()]
    stdin, stdout = (fds[0], fds[3]) if kind == "pipe" else (fds[1], fds[3])
    to_stdin, from_stdout = (fds[1], fds[2]) if kind == "pipe" else (fds[0], fds[2])
    try:
        before = [fcntl.fcntl(fd, fcntl.F_GETFL) for fd in (stdin, stdout)]
        modes = [termios.tcgetattr(fd) for fd in (stdin, stdout) if os.isatty(fd)]
        running = connect(box, peer.address, stdin=stdin, stdout=stdout)
        with peer.accept() as connection:
            os.write(to_stdin, b"question\n")
            assert read_to_end(connection, 9) == b"question\n"
            connection.sendall(b"answer")
            assert os.read(from_stdout, 100) == b"answer"
            assert [fcntl.fcntl(fd, fcntl.F_GETFL) for fd in (stdin, stdout)] == before
            running.send(signal.SIGKILL)
            running.wait()
        assert [fcntl.fcntl(fd, fcntl.F_GETFL) for fd in (stdin, stdout)] == before
        assert [termios.tcgetattr(fd) for fd in (stdin, stdout) if os.isatty(fd)] == modes
    finally:
        for fd in fds:
            os.close(fd)


def test_a_stdout_whose_reader_is_gone_is_trouble(connect, box, peer):
    running = connect(box, peer.address, stdin=subprocess.PIPE)
    with peer.accept() as connection:
        running.process.stdout.close()
        connection.sendall(b"x")
        assert_failed(finished(running), TROUBLE, str(box.pid), "write to stdout", "Broken pipe")
        assert connection.recv(1) == b""


def test_a_stdout_that_is_full_is_trouble(connect, box, peer):
    with open("/dev/full", "wb") as full:
        running = connect(box, peer.address, stdout=full)
        with peer.accept() as connection:
            connection.sendall(b"x")
            assert_failed(finished(running), TROUBLE, "write to stdout", "No space left on device")


def test_a_stdin_that_cant_be_read_is_trouble(connect, box, peer):
    folder = os.open("/", os.O_RDONLY)
    try:
        running = connect(box, peer.address, stdin=folder)
        with peer.accept():
            assert_failed(finished(running), TROUBLE, "read from stdin", "Is a directory")
    finally:
        os.close(folder)


# --- a connection that is lost ---

def test_a_peer_that_resets_is_trouble(connect, box, peer):
    running = connect(box, peer.address, stdin=subprocess.PIPE)
    connection = peer.accept()
    connection.sendall(b"x")
    assert os.read(running.process.stdout.fileno(), 1) == b"x"  # it knows that it's connected
    reset(connection)
    assert_failed(finished(running), TROUBLE, str(box.pid), "read from the connection",
                  "Connection reset by peer")


def test_a_peer_that_resets_while_we_send_is_trouble(connect, box, peer):
    """What was read from stdin is lost, and who called us has to hear of it."""
    with open("/dev/zero", "rb") as zero:
        running = connect(box, peer.address, stdin=zero)
        connection = peer.accept()
        assert connection.recv(1000)
        reset(connection)
        done = finished(running)
    assert_failed(done, TROUBLE, "the connection", "Connection reset by peer")


def test_what_the_peer_didnt_take_isnt_silently_lost(connect, box, peer):
    """It ends at once, and what we send then is answered by a reset."""
    running = connect(box, peer.address, stdin=subprocess.PIPE)
    peer.accept().close()
    with contextlib.suppress(BrokenPipeError):
        running.process.stdin.write(bytes(10_000_000))
        running.process.stdin.close()
    assert_failed(finished(running), TROUBLE, "write to the connection")


def test_what_came_before_the_reset_isnt_lost(connect, box, peer):
    running = connect(box, peer.address, stdin=subprocess.PIPE)
    connection = peer.accept()
    connection.sendall(b"last words")
    assert os.read(running.process.stdout.fileno(), 100) == b"last words"
    reset(connection)
    assert running.wait() == TROUBLE


# --- one that isn't made ---

def test_nobody_listens(conjoin, box, peer):
    peer.socket.close()
    line = assert_failed(conjoin.run("connect", box.pid, peer.port), TROUBLE, "connect")
    assert line == (f"conjoin: connect {box.pid}: connect to tcp:{peer.port}: "
                    "Connection refused")


@pytest.mark.parametrize("address, words", [
    ("10.1.2.3:80", ["tcp:10.1.2.3:80", "Network is unreachable"]),
    ("[2001:db8::1]:80", ["tcp:[2001:db8::1]:80", "unreachable"]),
    ("[fe80::1%nosuch0]:80", ["nosuch0", "No such device"]),
    ("/tmp/nothing", ["unix:/tmp/nothing", "No such file or directory"]),
    ("/no/such/folder", ["unix:/no/such/folder", "No such file or directory"]),
    ("/etc/hostname", ["unix:/etc/hostname", "Socket operation on non-socket"]),
    ("/tmp", ["unix:/tmp", "Socket operation on non-socket"]),
    ("@nobody", ["unix:@nobody", "Connection refused"]),
])
def test_there_is_no_way(conjoin, box, address, words):
    done = conjoin.run("connect", box.pid, address)
    assert_failed(done, TROUBLE, f"connect {box.pid}: ", *words)
    assert done.stdout == ""


def test_a_unix_socket_of_somebody_who_has_gone(conjoin, box):
    with Peer(box, "unix:/tmp/left"):
        pass
    try:
        done = conjoin.run("connect", box.pid, "/tmp/left")
        assert_failed(done, TROUBLE, "unix:/tmp/left", "Connection refused")
    finally:
        os.unlink(seen(box, "/tmp/left"))


@pytest.mark.parametrize("address", ["127.0.0.1:0", "unix:@full"])
def test_the_time_limit_is_kept(conjoin, box, address):
    """A queue that is full: SYNs of TCP are dropped then, and connect(2) of a UNIX socket waits."""
    with Peer(box, address, backlog=0) as peer:
        waiting = [socket_in(box, peer.socket.family) for _ in range(3)]
        try:
            for one in waiting:
                one.setblocking(False)
                one.connect_ex(peer.socket.getsockname())
            begin = time.monotonic()
            done = conjoin.run("connect", "--timeout", "300ms", box.pid, peer.address)
            took = time.monotonic() - begin
        finally:
            for one in waiting:
                one.close()
    assert_failed(done, TROUBLE, peer.address, "Connection timed out")
    assert 0.3 <= took < 2


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_waiting(connect, box, number):
    with Peer(box, "unix:@busy", backlog=0) as peer:
        waiting = [socket_in(box, socket.AF_UNIX) for _ in range(2)]
        for one in waiting:
            one.setblocking(False)
            one.connect_ex(peer.socket.getsockname())
        running = connect(box, "@busy")
        wait_for(running.waits, what="the connection to be waited for")
        running.send(number)
        assert running.wait() == -number
        for one in waiting:
            one.close()


def test_there_is_no_such_target(conjoin, sandbox):
    made = sandbox()
    made.stop()
    assert_failed(conjoin.run("connect", made.pid, 80), TROUBLE, f"connect {made.pid}: ")
    assert_failed(conjoin.run("connect", "nobody-has-this-name", 80), TROUBLE, "nobody-has-this")


@pytest.mark.parametrize("args, word", [
    ([], "TARGET and ADDRESS"), (["self"], "TARGET and ADDRESS"), (["self", "80", "x"], "more than"),
    (["self", ""], ""), (["self", "web"], "web"), (["self", "web:http"], "http"),
    (["self", "0"], "0"), (["self", "65536"], "65536"), (["self", "80x"], "80x"),
    (["self", "*:80"], "*"), (["self", "[::1:80"], "[::1:80"), (["self", "unix:"], ""),
    (["self", "unix:relative"], "relative"), (["self", "@"], ""), (["self", "x" * 5000], "too long"),
    (["self", "\x1b[31m:80"], ""),
    (["--timeout", "0", "self", "80"], "--timeout"), (["--timeout", "x", "self", "80"], "--timeout"),
    (["--resolve", "there", "self", "80"], "--resolve"), (["--no-such", "self", "80"], "no-such"),
    (["self", "--timeout", "1s", "80"], ""),
])
def test_usage(conjoin, args, word):
    done = conjoin.run("connect", *args)
    assert_failed(done, USAGE, word)
    assert done.stdout == ""


# --- names ---

def test_whose_hosts_a_name_is_looked_for_in(conjoin, sandbox, rootfs, scratch):
    """There it's the target's, with --resolve here the caller's; no name server answers in either."""
    root = os.path.join(scratch, "root")
    subprocess.run(["cp", "-a", rootfs, root], check=True)
    for path, text in (
            (f"{root}/etc/hosts", "127.0.0.1 there\n"), (f"{scratch}/hosts", "127.0.0.1 ours\n"),
            (f"{root}/etc/resolv.conf", "nameserver 127.0.0.1\n"),
            (f"{scratch}/resolv", "nameserver 127.0.0.1\n")):
        with open(path, "w", encoding="ascii") as f:
            f.write(text)
    host = Host(conjoin, f"mount --bind {scratch}/hosts /etc/hosts\n"
                         f"mount --bind {scratch}/resolv $(readlink -f /etc/resolv.conf)\n")
    made = sandbox(rootfs=root)
    with Peer(made) as peer:
        for options, known, unknown in (((), "there", "ours"), (("--resolve", "target"), "there", "ours"),
                                        (("--resolve", "here"), "ours", "there")):
            for name, status in ((known, 0), (unknown, TROUBLE)):
                running = host.popen("connect", "--timeout", "5s", *options, str(made.pid),
                                     f"{name}:{peer.port}", stdout=subprocess.PIPE,
                                     stderr=subprocess.PIPE)
                if status == 0:
                    with peer.accept() as connection:
                        connection.sendall(b"found")
                out, err = running.communicate(timeout=DEADLINE)
                done = subprocess.CompletedProcess("connect", running.returncode, out, err)
                if status == 0:
                    assert (done.returncode, out, err) == (0, b"found", b"")
                else:
                    assert_failed(done, TROUBLE, f"look for {name}: ")
