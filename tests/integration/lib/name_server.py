# SPDX-License-Identifier: MIT
"""usage: name_server.py ZONE LOG
A name server on 127.0.0.1:53, by UDP and TCP. ZONE is JSON: {"web.example": {"A": ["10.0.0.1"]}, …}; a
name may have a "how" as well: see HOW. What is asked is written to LOG, a line each: "udp A web.example".
Writes "ready" and ends with its parent. Also the class that starts it. Not a test."""

import ctypes
import json
import os
import select
import signal
import socket
import struct
import subprocess
import sys

PR_SET_PDEATHSIG = 1
TYPES = {"A": 1, "CNAME": 5, "AAAA": 28}
NAMES = {number: name for name, number in TYPES.items()}
HEADER = struct.Struct(">6H")
SERVFAIL, NXDOMAIN, REFUSED = 2, 3, 5
ANSWER, CUT = 0x8180, 0x0200
POINTER = 0xC00C  # to the name that was asked for
HOW = {  # what it does instead of an answer
    "silent": "nothing", "garbage": "bytes", "stranger": "another number than was asked with",
    "servfail": "fails", "refused": "refuses", "cut": "no more than fits, by UDP",
    "alias": "its CNAME, with what that one has",
}


class NameServer:
    """In the net namespace of a process, until end()."""

    def __init__(self, target, scratch, zone):
        self.log = os.path.join(scratch, f"names-{target.pid}")
        self.process = subprocess.Popen(
            ["nsenter", f"--net=/proc/{target.pid}/ns/net", sys.executable,
             os.path.abspath(__file__), json.dumps(zone), self.log], stdout=subprocess.PIPE)
        assert self.process.stdout.readline() == b"ready\n"

    def asked(self):
        with open(self.log, encoding="utf-8") as f:
            return f.read().splitlines()

    def end(self):
        self.process.kill()
        self.process.communicate()


def encoded(name):
    parts = name.strip(".").split(".")
    return b"".join(bytes([len(part)]) + part.encode() for part in parts) + b"\0"


def question(request):
    """(name, type, where it ends)"""
    labels, at = [], HEADER.size
    while request[at]:
        labels.append(request[at + 1:at + 1 + request[at]].decode(errors="replace"))
        at += 1 + request[at]
    return ".".join(labels).lower(), struct.unpack_from(">H", request, at + 1)[0], at + 5


def record(owner, kind, data):
    return owner + struct.pack(">HHIH", TYPES[kind], 1, 60, len(data)) + data


def addresses(owner, kind, entry):
    family = socket.AF_INET6 if kind == "AAAA" else socket.AF_INET
    return [record(owner, kind, socket.inet_pton(family, text)) for text in entry.get(kind, [])]


def answer(zone, request, way):
    """Bytes, or None."""
    number = HEADER.unpack_from(request)[0]
    name, kind, end = question(request)
    kind, entry = NAMES.get(kind, str(kind)), zone.get(name)
    how = entry.get("how") if entry else None
    owner, code, flags = struct.pack(">H", POINTER), 0, ANSWER
    if how == "silent":
        return kind, name, None
    if how == "garbage":
        return kind, name, request[:2] + b"\xff" * 200
    records = addresses(owner, kind, entry) if entry else []
    if how == "alias":
        alias = encoded(entry["to"])
        records = [record(owner, "CNAME", alias), *addresses(alias, kind, zone[entry["to"]])]
    elif how == "cut" and way == "udp":
        records, flags = [], ANSWER | CUT
    elif how in ("servfail", "refused"):
        records, code = [], SERVFAIL if how == "servfail" else REFUSED
    elif entry is None:
        code = NXDOMAIN
    if how == "stranger":
        number ^= 1
    head = HEADER.pack(number, flags | code, 1, len(records), 0, 0)
    return kind, name, head + request[HEADER.size:end] + b"".join(records)


def serve_stream(zone, peer, note):
    with peer:
        size = peer.recv(2, socket.MSG_WAITALL)
        if len(size) < 2:
            return
        request = peer.recv(struct.unpack(">H", size)[0], socket.MSG_WAITALL)
        kind, name, reply = answer(zone, request, "tcp")
        note(f"tcp {kind} {name}")
        if reply:
            peer.sendall(struct.pack(">H", len(reply)) + reply)
        peer.recv(1)


def main():
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    zone = json.loads(sys.argv[1])
    packets = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    packets.bind(("127.0.0.1", 53))
    stream = socket.create_server(("127.0.0.1", 53))
    with open(sys.argv[2], "w", encoding="utf-8") as log:
        def note(line):
            log.write(line + "\n")
            log.flush()

        print("ready", flush=True)
        while True:
            readable, _, _ = select.select([packets, stream], [], [])
            if packets in readable:
                request, peer = packets.recvfrom(4096)
                kind, name, reply = answer(zone, request, "udp")
                note(f"udp {kind} {name}")
                if reply:
                    packets.sendto(reply, peer)
            if stream in readable:
                serve_stream(zone, stream.accept()[0], note)


if __name__ == "__main__":
    main()
