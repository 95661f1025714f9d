# SPDX-License-Identifier: MIT
"""Runs conjoin forward, and talks through it. Not here: judging what comes of it."""

import os
import select
import signal
import socket
import subprocess

from lib.program import pid_of

PATIENCE = 20


class Forward:
    """`lines`: what it has printed, one for each socket that it listens on."""

    def __init__(self, conjoin, target, *args, **more):
        options, ways = list(args), []
        while options and not options[-1].startswith("-") and not (
                len(options) > 1 and options[-2].startswith("--") and options[-2] not in ("--reverse", "--follow")):
            ways.insert(0, options.pop())
        self.process = conjoin.popen("forward", *options, pid_of(target), *ways,
                                     stdout=subprocess.PIPE, stderr=subprocess.PIPE, **more)
        self._text = b""
        self.lines = self._first_lines()

    def _first_lines(self):
        """They come in one write, before anything is forwarded."""
        assert select.select([self.process.stdout], [], [], PATIENCE)[0], "it says nothing"
        text = os.read(self.process.stdout.fileno(), 1 << 16).decode()
        assert text.endswith("\n"), self.process.communicate()
        return text.splitlines()

    def ports(self):
        """Of each way, in order: both families of a loopback have the same."""
        found = []
        for line in self.lines:
            port = int(line.split()[1].rpartition(":")[2])
            if port not in found:
                found.append(port)
        return found

    @property
    def port(self):
        return self.ports()[0]

    def warning(self):
        """The next line of stderr."""
        while b"\n" not in self._text:
            assert select.select([self.process.stderr], [], [], PATIENCE)[0], "it says nothing"
            more = os.read(self.process.stderr.fileno(), 4096)
            assert more, "it has ended"
            self._text += more
        line, _, self._text = self._text.partition(b"\n")
        return line.decode()

    def rest(self):
        """Of stderr, when it has ended."""
        return (self._text + self.process.stderr.read()).decode()

    def end(self):
        """In order. Can be called again."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        self.process.wait(PATIENCE)
        self.process.stdout.close()
        self.process.stderr.close()


def open_to(port):
    return socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)


def exchange(peer, data):
    """Sends it, ends its own direction, and reads to the other's end meanwhile."""
    got, sent, ended = [], 0, False
    peer.setblocking(False)
    while True:
        readable, writable, _ = select.select([peer], [] if ended else [peer], [], PATIENCE)
        assert readable or writable, "nothing moves"
        if writable:
            sent += peer.send(data[sent:sent + (1 << 16)])
            if sent == len(data):
                peer.shutdown(socket.SHUT_WR)
                ended = True
        if readable:
            got.append(peer.recv(1 << 16))
            if not got[-1]:
                return b"".join(got)


def refused(port):
    """Is a connection closed, or reset, without a byte?"""
    with open_to(port) as peer:
        try:
            return peer.recv(1) == b""
        except ConnectionResetError:
            return True
