# SPDX-License-Identifier: MIT
"""The other sides of `conjoin connect` and `conjoin listen`: sockets of this process that were made
in a container's net namespace; and the two as they run. Not here: sockets that the library makes
(sockets.py).

    connect(…)     fixture: a running `conjoin connect ARGS…`
    listen(…)      fixture: a running `conjoin listen -v ARGS…`
"""

import contextlib
import ctypes
import json
import os
import re
import select
import signal
import socket
import subprocess
import sys
import time

import pytest

from lib import proc
from lib.poll import wait_for
from lib.program import TIMEOUT, clean_env, pid_of

DEADLINE = 15
CLONE_NEWNET = 0x40000000
ACTIVATED = [sys.executable, "-IS",
             os.path.join(os.path.dirname(os.path.abspath(__file__)), "activated.py")]
LISTENING = re.compile(r"^conjoin: listen (.*): listening on (\S+) in (.*) \(net:\[(\d+)\]\)$")
LISTEN = "0A"  # the state in /proc/net/tcp


# --- sockets there, used from here ---

def sockets_in(target, family=socket.AF_INET, count=1):
    """A process joins the namespace, makes them and passes them back."""
    mine, theirs = socket.socketpair()
    child = os.fork()
    if child == 0:
        try:
            namespace = os.open(f"/proc/{pid_of(target)}/ns/net", os.O_RDONLY)
            if ctypes.CDLL(None).setns(namespace, CLONE_NEWNET) == 0:
                made = [socket.socket(family) for _ in range(count)]
                socket.send_fds(theirs, [b"x"], [one.fileno() for one in made])
        finally:
            os._exit(0)
    theirs.close()
    with mine:
        mine.settimeout(DEADLINE)
        found = socket.recv_fds(mine, 1, count)[1]
        os.waitpid(child, 0)
    assert len(found) == count, f"no socket in the net namespace of {pid_of(target)}"
    made = [socket.socket(fileno=fd) for fd in found]
    for one in made:
        one.settimeout(DEADLINE)
    return made


def socket_in(target, family=socket.AF_INET):
    return sockets_in(target, family)[0]


def seen(target, path):
    """The same file, seen from here."""
    return f"/proc/{pid_of(target)}/root{path}"


def numbers_of(target, address):
    """(family, what bind and connect take) for "127.0.0.1:80", "[::1]:80", "unix:/path", "unix:@name"."""
    if address.startswith("unix:@"):
        return socket.AF_UNIX, "\0" + address[len("unix:@"):]
    if address.startswith("unix:"):
        return socket.AF_UNIX, seen(target, address[len("unix:"):])
    host, _, port = address.rpartition(":")
    if host.startswith("["):
        return socket.AF_INET6, (host[1:-1], int(port))
    return socket.AF_INET, (host, int(port))


class Peer:
    """Somebody who listens in there. `address`: as `conjoin connect` takes it."""

    def __init__(self, target, address="127.0.0.1:0", backlog=8):
        family, name = numbers_of(target, address)
        self.socket = socket_in(target, family)
        self.socket.bind(name)
        self.socket.listen(backlog)
        self.address = address
        if family != socket.AF_UNIX:
            self.port = self.socket.getsockname()[1]
            self.address = f"{address.rpartition(':')[0]}:{self.port}"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def accept(self):
        made, _ = self.socket.accept()
        made.settimeout(DEADLINE)
        return made


def dial(target, address, source=None, made=None):
    """A connection from in there. `made`: a socket of there."""
    family, name = numbers_of(target, address)
    made = made or socket_in(target, family)
    try:
        if source:
            made.bind((source, 0))
        made.connect(name)
    except BaseException:
        made.close()
        raise
    return made


def read_to_end(connection, size=None):
    data, most = b"", 1 << 20 if size is None else size
    while len(data) < most and (more := connection.recv(most - len(data))):
        data += more
    return data


def ask(target, address):
    """What somebody who listens there answers."""
    with dial(target, address) as connection:
        return read_to_end(connection)


def is_refused(target, address):
    try:
        dial(target, address).close()
    except (ConnectionRefusedError, FileNotFoundError):
        return True
    return False


def listening_ports(pid):
    """TCP ports on which somebody listens in the net namespace of a process."""
    lines = proc.read(pid, "net/tcp").splitlines()[1:] + proc.read(pid, "net/tcp6").splitlines()[1:]
    words = (line.decode().split() for line in lines)
    return {int(word[1].rpartition(":")[2], 16) for word in words if word[3] == LISTEN}


def ss(target):
    """The listening sockets there, with the processes that have them."""
    return subprocess.run(
        ["nsenter", f"--net=/proc/{pid_of(target)}/ns/net", "ss", "-Hntlp"], stdout=subprocess.PIPE,
        text=True, check=True, timeout=TIMEOUT, env=clean_env()).stdout


# --- processes that last ---

class Lines:
    """What comes through a pipe, line by line, with a deadline."""

    def __init__(self, pipe):
        self.pipe, self.buffer = pipe, b""

    def _more(self, deadline):
        left = max(0, deadline - time.monotonic())
        assert select.select([self.pipe], [], [], left)[0], f"waited in vain: {self.buffer}"
        data = os.read(self.pipe.fileno(), 1 << 16)
        self.buffer += data
        return bool(data)

    def next(self, timeout=DEADLINE):
        """"" at the end."""
        deadline = time.monotonic() + timeout
        while b"\n" not in self.buffer and self._more(deadline):
            pass
        line, _, self.buffer = self.buffer.partition(b"\n")
        return line.decode(errors="replace")

    def rest(self, timeout=DEADLINE):
        deadline = time.monotonic() + timeout
        while self._more(deadline):
            pass
        text, self.buffer = self.buffer.decode(errors="replace"), b""
        return text


class Running:
    """A conjoin that lasts. `out`, `err`: its lines, where they are pipes."""

    def __init__(self, conjoin, *args, **more):
        more.setdefault("stdout", subprocess.PIPE)
        more.setdefault("stderr", subprocess.PIPE)
        self.process = conjoin.popen(*args, **more)
        self.out = Lines(self.process.stdout) if self.process.stdout else None
        self.err = Lines(self.process.stderr) if self.process.stderr else None

    @property
    def pid(self):
        return self.process.pid

    def send(self, number):
        self.process.send_signal(number)

    def wait(self, timeout=DEADLINE):
        return self.process.wait(timeout)

    def end(self, timeout=DEADLINE):
        """(exit status, what it said that nobody has read yet)"""
        status = self.process.wait(timeout)
        return status, self.err.rest() if self.err else ""

    def waits(self):
        """In poll(2)."""
        try:
            return proc.read(self.pid, "syscall").split()[0] in (b"7", b"271", b"73")
        except (OSError, IndexError):
            return False

    def files(self):
        return os.listdir(f"/proc/{self.pid}/fd")

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        for pipe in self.process.stdin, self.process.stdout, self.process.stderr:
            if pipe:
                pipe.close()


@pytest.fixture
def connect(conjoin):
    made = []

    def start(target, address, *, options=(), **more):
        made.append(Running(conjoin, "connect", *options, pid_of(target), address, **more))
        return made[-1]

    yield start
    for one in made:
        one.close()


class Listening(Running):
    """`command` empty: lib/activated.py, with `flags`."""

    def __init__(self, conjoin, target, *addresses, options=(), command=None, flags=(), **more):
        command = [*ACTIVATED, *flags] if command is None else command
        super().__init__(conjoin, "listen", "-v", *options, pid_of(target), *addresses, "--",
                         *command, **more)

    def where(self, n=1):
        """The next `n` addresses that it says it listens on, and nothing else."""
        return [address for address, _ in self.places(n)]

    def places(self, n=1):
        """[(address, inode of the net namespace)]"""
        found = []
        for _ in range(n):
            line = self.err.next()
            match = LISTENING.match(line)
            assert match, f"says {line!r}, {self.process.poll()}"
            found.append((match[2], int(match[4])))
        return found

    def server(self):
        """What the next server that is started says of itself."""
        return self.event()

    def event(self):
        return json.loads(self.out.next() or "null")

    def terminate(self):
        """The exit status and what was said, after SIGTERM."""
        self.send(signal.SIGTERM)
        return self.end()

    def children(self):
        return proc.children(self.pid)

    def close(self):
        """Deaf servers would outlive it."""
        for pid in self.children() if self.process.poll() is None else []:
            with contextlib.suppress(ProcessLookupError):  # it has just been reaped
                os.kill(pid, signal.SIGKILL)
        super().close()

    def is_idle(self):
        """It waits, and no signal is left to be taken."""
        try:
            pending = proc.status(self.pid)
        except OSError:
            return False
        return {pending["SigPnd"], pending["ShdPnd"]} == {"0" * 16} and self.waits()

    def wait_idle(self):
        wait_for(self.is_idle, what="conjoin to wait for something")


@pytest.fixture
def listen(conjoin):
    made = []

    def start(*args, **more):
        made.append(Listening(conjoin, *args, **more))
        return made[-1]

    yield start
    for one in made:
        one.close()
