# SPDX-License-Identifier: MIT
"""A docker daemon that answers whatever a test wants it to. Not here: real ones."""

import json
import os
import socket
import subprocess
import sys
import threading
import urllib.parse

from lib.poll import wait_for

# The peer of a connection is who called listen(2): a process that is called like the daemon.
LISTEN = """
import socket, sys
socket.socket(fileno=int(sys.argv[1])).listen(int(sys.argv[2]))
print(flush=True)
sys.stdin.read()
"""


def container(box_id, name, pid, status="running", image="bb:1", labels=None):
    """What GET /containers/NAME/json answers."""
    return {
        "Id": box_id, "Name": "/" + name, "Image": "sha256:" + "1" * 64,
        "State": {"Status": status, "Running": status == "running", "Pid": pid},
        "Config": {"Image": image, "Labels": labels or {}},
    }


def listed(one):
    """The same as an entry of GET /containers/json."""
    return {
        "Id": one["Id"], "Names": [one["Name"]], "Image": one["Config"]["Image"],
        "Labels": one["Config"]["Labels"], "State": one["State"]["Status"],
    }


def record(one):
    """The same as dockerd keeps it on disk."""
    state = one["State"]
    return {
        "ID": one["Id"], "Name": one["Name"], "Config": one["Config"],
        "State": {
            "Running": state["Running"], "Paused": state["Status"] == "paused",
            "Pid": state["Pid"], "StartedAt": "2026-01-01T00:00:00Z",
        },
    }


def http(body, status="200 OK", *headers):
    """The bytes of an answer; `body` is bytes, or something for JSON."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = [f"HTTP/1.0 {status}", "Content-Type: application/json", *headers, "", ""]
    return "\r\n".join(lines).encode() + data


def chunked(body, size):
    """The same in chunks of `size` bytes."""
    data = json.dumps(body).encode()
    parts = [data[at:at + size] for at in range(0, len(data), size)]
    text = b"".join(b"%x;x=y\r\n%s\r\n" % (len(part), part) for part in parts)
    return (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + text
            + b"0\r\nTrailer: x\r\n\r\n")


def knows(*containers):
    """An `answer` that is in order: of those containers, by name, id or beginning of an id."""
    def find(ref):
        rules = (lambda one: one["Id"] == ref, lambda one: one["Name"] == "/" + ref,
                 lambda one: one["Id"].startswith(ref))
        return next((found for rule in rules if (found := list(filter(rule, containers)))), [])

    def answer(target):
        if target.startswith("/containers/json"):
            return http([listed(one) for one in containers])
        found = find(urllib.parse.unquote(target.split("/")[2]))
        if len(found) > 1:
            return http({"message": "multiple IDs found with provided prefix"}, "400 Bad Request")
        if not found:
            return http({"message": "No such container"}, "404 Not Found")
        return http(found[0])
    return answer


class FakeDocker:
    """Listens on `folder`/docker.sock; `answer` makes the bytes of an answer out of a request's
    target, or is a function of (connection, target) that sends by itself; None: it accepts nobody.
    `data` is its --data-root. `asked` holds the targets so far."""

    def __init__(self, folder, answer=None, send=None, backlog=16):
        self.path = os.path.join(folder, "docker.sock")
        self.data = os.path.join(folder, "data")
        self.option = f"--engine-socket=docker={self.path}"
        self.asked = []
        self.ended = threading.Event()
        self._answer, self._send = answer, send
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.bind(self.path)
        self._listener = subprocess.Popen(
            ["dockerd", "-c", LISTEN, str(self._socket.fileno()), str(backlog), "--data-root",
             self.data],
            executable=sys.executable, pass_fds=[self._socket.fileno()], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert self._listener.stdout.read(1) == b"\n"
        self._thread = None
        if answer or send:
            self._socket.settimeout(0.05)
            self._thread = threading.Thread(target=self._serve)
            self._thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.ended.set()
        if self._thread:
            self._thread.join()
        self._socket.close()
        self._listener.stdin.close()
        self._listener.stdout.close()
        self._listener.wait()

    def keep(self, *containers):
        """Puts their records on disk."""
        for one in containers:
            folder = os.path.join(self.data, "containers", one["Id"])
            os.makedirs(folder)
            with open(os.path.join(folder, "config.v2.json"), "w", encoding="utf-8") as f:
                json.dump(record(one), f)

    def fill(self):
        """Connects until nobody else can; returns what keeps it so."""
        clients = []
        while True:
            clients.append(socket.socket(socket.AF_UNIX))
            clients[-1].setblocking(False)
            try:
                clients[-1].connect(self.path)
            except BlockingIOError:
                return clients

    def _serve(self):
        while not self.ended.is_set():
            try:
                connection, _ = self._socket.accept()
            except TimeoutError:
                continue
            with connection:
                connection.settimeout(10)
                try:
                    self._talk(connection)
                except (BrokenPipeError, ConnectionResetError):
                    pass  # conjoin has had enough

    def _talk(self, connection):
        text = b""
        while not text.endswith(b"\r\n\r\n"):
            more = connection.recv(65536)
            if not more:
                return
            text += more
        self.asked.append(text.split(b" ")[1].decode())
        if self._send:
            self._send(connection, self)
        else:
            connection.sendall(self._answer(self.asked[-1]))


class Numbered:
    """A sandbox with a cgroup whose name is a container's id, in one hierarchy."""

    def __init__(self, box, number):
        self.box, self.pid = box, box.pid
        self.id = f"a{os.getpid():07x}{number:08x}" + "ab" * 24  # never a decimal number
        self.before = sorted(box.cgroup_dirs().values())[0]
        self.folder = os.path.join(self.before, self.id)

    def __enter__(self):
        os.mkdir(self.folder)
        self._move(self.folder)
        return self

    def __exit__(self, *_):
        if self.box.alive():
            self._move(self.before)
        wait_for(self._removed, what=f"an empty {self.folder}")

    def _move(self, folder):
        with open(os.path.join(folder, "cgroup.procs"), "w", encoding="ascii") as f:
            f.write(str(self.pid))

    def _removed(self):
        try:
            os.rmdir(self.folder)
        except OSError:
            return False
        return True
