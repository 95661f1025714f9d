# SPDX-License-Identifier: MIT
"""Runs tests/lib/socketeer, and asks the kernel about the sockets that come of it. Not here: names
(name_server.py).

    listen(…)      fixture: Listener's arguments; all of them end with the test
    unshared(…)    fixture: a process in new namespaces of its own, on the host's files
"""

import os
import select
import signal
import subprocess
import sys
import time

import pytest

from lib import proc
from lib.attack import program
from lib.leaks import living
from lib.poll import wait_for
from lib.program import TIMEOUT, argument, as_user, clean_env, pid_of
from lib.sandbox import Container

SOCKETEER = program("socketeer")
MUTE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "mute_fuse.py")
USER = 4321
HELPER = b"conjoin-socket\n"

need_fuse = pytest.mark.skipif(not os.path.exists("/dev/fuse"), reason="there is no /dev/fuse")


def environment():
    """With the mark by which lib.leaks finds what has lost its parent."""
    return {**clean_env(), "CONJOIN_TEST_RUN": os.environ.get("CONJOIN_TEST_RUN", "")}


def start(verb, *args, user=None, within=None, **more):
    """`within`: a process in whose net, UTS and mount namespaces it runs."""
    enter = ["nsenter", *(f"--{option}=/proc/{within}/ns/{kind}" for option, kind in
                          (("net", "net"), ("uts", "uts"), ("mount", "mnt")))]
    begun = time.monotonic()
    process = subprocess.Popen(
        [*(enter if within else []), SOCKETEER, verb, *(argument(pid_of(one)) for one in args)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd="/",
        env={**environment(), **more.pop("env", {})}, **as_user(user), **more)
    process.begun = begun
    return process


class Done:
    """How a run ended, and after which time: `error` is its errno's name, "" if there was none."""

    def __init__(self, process):
        out, err = process.communicate(timeout=TIMEOUT)
        self.seconds = time.monotonic() - process.begun
        self.status, self.out = process.returncode, out.decode()
        self.said = err.decode(errors="replace")
        self.error = self.said.partition(":")[0]

    def __repr__(self):
        return f"{self.status} after {self.seconds:.2f} s: {self.out!r} {self.said!r}"


def run(verb, *args, **more):
    return Done(start(verb, *args, **more))


def connect(target, address, *options, **more):
    return run("connect", target, address, *options, **more)


def assert_error(done, name, *words):
    assert (done.status, done.error) == (1, name), done
    assert [word for word in words if word not in done.said] == [], done


class Listener:
    """`addresses`: what it says that it got."""

    def __init__(self, target, address, *options, **more):
        self.process = start("listen", target, address, *options, **more)
        self.addresses = []
        while (line := self._line()) != "listening":
            if not line:
                raise AssertionError(f"listen {address}: {Done(self.process)}")
            self.addresses.append(line)

    def _line(self):
        readable, _, _ = select.select([self.process.stdout], [], [], TIMEOUT)
        assert readable, "socketeer says nothing"
        line = b""
        while not line.endswith(b"\n"):  # unbuffered: select(2) must see what is left
            byte = os.read(self.process.stdout.fileno(), 1)
            if not byte:
                break
            line += byte
        return line.decode(errors="surrogateescape").removesuffix("\n")

    @property
    def pid(self):
        return self.process.pid

    @property
    def port(self):
        """The one, of all addresses."""
        (port,) = {address.rpartition(":")[2] for address in self.addresses}
        return int(port)

    def await_peer(self):
        assert self._line() == "peer"

    def end(self):
        """It lets go of them. Can be called again."""
        if self.process.stdin and not self.process.stdin.closed:
            out, err = self.process.communicate(timeout=TIMEOUT)
            assert out.endswith(b"done\n") and self.process.returncode == 0, err

    def kill(self):
        """It's gone without a word."""
        self.process.kill()
        self.process.communicate()


@pytest.fixture
def listen():
    made = []

    def make(*args, **more):
        made.append(Listener(*args, **more))
        return made[-1]

    yield make
    for one in reversed(made):
        if one.process.poll() is None:
            one.end()


class Unshared(Container):
    """`ids`: lines of its uid_map and gid_map; else it has no user namespace of its own."""

    def __init__(self, *options, ids=None, user=None):
        words = ["unshare", *(["-U"] if ids else []), *options]
        self.process = subprocess.Popen(
            [*words, "sh", "-c", "echo x; read x; echo y; exec sleep 1000"], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, env=environment(), cwd="/", **as_user(user))
        self.pid = self.process.pid
        assert self.process.stdout.readline() == b"x\n"
        if ids:
            for kind in "uid", "gid":
                with open(f"/proc/{self.pid}/{kind}_map", "w", encoding="ascii") as f:
                    f.write(ids)
        self.process.stdin.write(b"\n")
        self.process.stdin.flush()
        assert self.process.stdout.readline() == b"y\n"
        wait_for(lambda: self.read("comm") == "sleep\n")

    def end(self):
        self.process.kill()
        self.process.communicate()


@pytest.fixture
def unshared():
    made = []

    def make(*args, **more):
        made.append(Unshared(*args, **more))
        return made[-1]

    yield make
    for one in made:
        one.end()


@pytest.fixture
def mute(scratch):
    """mute(container, directory): from then on whoever uses a file there waits. `taken`: and can't be
    killed."""
    servers = []

    def mount(container, directory, taken=False):
        ready = os.path.join(scratch, f"ready{len(servers)}")
        servers.append(subprocess.Popen(
            ["nsenter", f"--mount=/proc/{container.pid}/ns/mnt", sys.executable, MUTE, directory,
             ready, *(["0"] if taken else [])], env=environment()))
        wait_for(lambda: os.path.exists(ready) or servers[-1].poll() is not None)
        assert servers[-1].poll() is None
        return servers[-1]

    yield mount
    for one in servers:
        one.kill()
        one.wait()


# --- what the kernel says ---

def ss(target, *options):
    """The lines of ss(8) in the net namespace of a process."""
    done = subprocess.run(
        ["nsenter", f"--net=/proc/{pid_of(target)}/ns/net", "ss", "-Hn", *options],
        stdout=subprocess.PIPE, text=True, check=True, timeout=TIMEOUT, env=clean_env())
    return done.stdout.splitlines()


def listening(target, port):
    """Where somebody listens on a TCP port: {"127.0.0.1", "[::1]"}"""
    places = (line.split()[3].rpartition(":") for line in ss(target, "-tl"))
    return {host for host, _, found in places if found == str(port)}


def in_net_of(target, script):
    """Runs a shell's lines in that net namespace."""
    subprocess.run(["nsenter", f"--net=/proc/{pid_of(target)}/ns/net", "sh", "-ec", script],
                   check=True, timeout=TIMEOUT, env=clean_env())


def inside(container, path):
    """The same file, seen from here."""
    return f"/proc/{container.pid}/root{path}"


def helpers():
    """Processes that make sockets, of this run."""
    mark = f"CONJOIN_TEST_RUN={os.getpid()}".encode()
    return [pid for pid in living() if of(pid, "comm") == HELPER and mark in of(pid, "environ")]


def of(pid, name):
    try:
        return proc.read(pid, name)
    except OSError:
        return b""  # it has ended


def kill(process):
    process.send_signal(signal.SIGKILL)
    process.communicate()
