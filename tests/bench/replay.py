# SPDX-License-Identifier: MIT
"""What a daemon takes by itself: the requests of a program are recorded once, and sent again by a client
that does nothing but wait for the answers' ends. HTTP/1.0 and gRPC (HTTP/2) over UNIX sockets.

    conversations = record(words, scratch, enter)     a run of the program under strace
    seconds = replay(conversations, root)             from the first connect to the last answer

Not here: how long the program takes (drive.c)."""

import os
import re
import select
import socket
import struct
import subprocess
import time

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, PING = 0, 1, 6  # types of frames: RFC 9113
END_STREAM = 1
TIMEOUT = 10
CALL = re.compile(r'(connect|sendto|write)\((\d+), (?:\{sa_family=AF_UNIX, sun_path=(@?)"([^"]*)"\}'
                  r'|"([^"]*)"), .* = (-?\d+)')


def unescape(text):
    """strace -xx: \\x2f\\x72…"""
    return bytes.fromhex(text.replace("\\x", ""))


def frames(data):
    """(type, flags, stream, bytes) of those that are whole."""
    at = 0
    while at + 9 <= len(data):
        size = int.from_bytes(data[at:at + 3], "big")
        kind, flags, stream = struct.unpack(">BBI", data[at + 3:at + 9])
        if at + 9 + size > len(data):
            return
        yield kind, flags, stream, data[at:at + 9 + size]
        at += 9 + size


def split(sent):
    """[(bytes, the stream whose end is waited for then)]; 0: the end of the connection.

    What isn't of a request goes with the one before: a window that is opened early is open."""
    if not sent.startswith(PREFACE):
        return [(sent, 0)]
    parts, begun = [], PREFACE
    for kind, flags, stream, frame in frames(sent[len(PREFACE):]):
        if kind == PING:  # an answer to a question that isn't asked in each run
            continue
        if kind == HEADERS or (kind == DATA and parts and parts[-1][1] != stream):
            begun += frame
        elif kind == DATA and begun:
            begun += frame
        elif parts and not begun:
            parts[-1] = (parts[-1][0] + frame, parts[-1][1])
        else:
            begun += frame
        if flags & END_STREAM and kind in (HEADERS, DATA):
            parts.append((begun, stream))
            begun = b""
    return parts


def record(words, scratch, enter=()):
    """[(path of the socket, what split() says)] of every connection that took place."""
    path = os.path.join(scratch, "conversation")
    subprocess.run(
        [*enter, "strace", "-f", "-xx", "-s", "1000000", "-e", "trace=connect,sendto,write",
         "-o", path, *words], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL, check=True)
    made, current = [], {}
    with open(path, encoding="ascii", errors="replace") as trace:
        for name, fd, at, address, data, result in CALL.findall(trace.read()):
            if name == "connect":
                current.pop(fd, None)
                if int(result) == 0:
                    current[fd] = [at + unescape(address).decode(), b""]
                    made.append(current[fd])
            elif fd in current and int(result) > 0:
                current[fd][1] += unescape(data)[:int(result)]
    return [(address, split(sent)) for address, sent in made if sent]


class Client:
    def __init__(self, address, parts):
        self.parts, self.data, self.size = list(parts), bytearray(), 0
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(address)
        self.send()

    def send(self):
        data, self.stream = self.parts.pop(0)
        self.socket.sendall(data)

    def has_ended(self):
        """Reads what has come. Bodies aren't looked at."""
        got = self.socket.recv(1 << 20)
        self.size += len(got)
        if self.stream == 0:
            return not got
        if not got:
            raise OSError("the connection ended within an answer")
        self.data += got
        used = 0
        for _, flags, stream, frame in frames(bytes(self.data)):
            used += len(frame)
            kind = frame[3]
            if stream == self.stream and kind in (DATA, HEADERS) and flags & END_STREAM:
                if not self.parts:
                    return True
                self.send()
        del self.data[:used]
        return False


def replay(conversations, root=""):
    """All at the same time, as the program has it: (seconds, bytes that came)."""
    begin = time.perf_counter()
    clients = [Client(root + address, parts) for address, parts in conversations]
    waiting = {client.socket.fileno(): client for client in clients}
    poll = select.poll()
    for fd in waiting:
        poll.register(fd, select.POLLIN)
    while waiting:
        ready = poll.poll(1000 * TIMEOUT)
        if not ready:
            raise TimeoutError("a daemon doesn't answer what was recorded")
        for fd, _ in ready:
            if waiting[fd].has_ended():
                poll.unregister(fd)
                del waiting[fd]
    took = time.perf_counter() - begin
    for client in clients:
        client.socket.close()
    return took, sum(client.size for client in clients)
