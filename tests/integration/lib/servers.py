# SPDX-License-Identifier: MIT
"""Servers of a container's net namespace: python, with the host's files.

    python servers.py echo      takes many at a time; writes its port and goes on until stdin ends
    python servers.py deaf      one that no connection reaches: its queue is full"""

import contextlib
import selectors
import socket
import subprocess
import sys


def echo(server, selector):
    """What can't be written at once waits, and its sender with it."""
    selector.register(server, selectors.EVENT_READ)
    while True:
        for key, _ in selector.select():
            if key.fileobj is sys.stdin:
                return
            if key.fileobj is server:
                selector.register(server.accept()[0], selectors.EVENT_READ)
                continue
            peer = key.fileobj
            try:
                data = peer.recv(1 << 16)
                peer.sendall(data)
            except OSError:
                data = b""
            if not data:
                selector.unregister(peer)
                peer.close()


def deaf(server, selector):
    others = []
    for _ in range(4):
        other = socket.socket()
        other.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            other.connect(server.getsockname())
        others.append(other)
    selector.select()


def main(kind):
    with socket.create_server(("127.0.0.1", 0), backlog=0 if kind == "deaf" else 1024) as server:
        selector = selectors.DefaultSelector()
        selector.register(sys.stdin, selectors.EVENT_READ)
        print(server.getsockname()[1], flush=True)
        {"echo": echo, "deaf": deaf}[kind](server, selector)


@contextlib.contextmanager
def running(kind, pid):
    """Its port, in the net namespace of process `pid`."""
    with subprocess.Popen(["nsenter", f"--net=/proc/{pid}/ns/net", sys.executable, __file__, kind],
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        yield int(process.stdout.readline())
        process.stdin.close()


if __name__ == "__main__":
    main(sys.argv[1])
