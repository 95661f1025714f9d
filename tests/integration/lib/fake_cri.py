# SPDX-License-Identifier: MIT
"""A runtime with the Kubernetes Container Runtime Interface that answers whatever a test wants it to.
Not here: real ones.

    with FakeCri(folder, [container(id, "app", pid)]) as cri:       one that is in order
    with FakeCri(folder, answer=lambda method, request: …) as cri:  bytes, or Refusal(status, words)
    with RawServer(folder, lambda connection: …) as server:         not even that"""

import json
import os
import socket
import threading
from concurrent import futures

POD, NS = "io.kubernetes.pod.name", "io.kubernetes.pod.namespace"
CONTAINER = "io.kubernetes.container.name"
UNIMPLEMENTED, NOT_FOUND, INTERNAL = 12, 5, 13


class Refusal(Exception):
    """A gRPC status that isn't OK."""

    def __init__(self, status, words=""):
        super().__init__(words)
        self.status, self.words = status, words


# --- messages: fields by number, https://protobuf.dev/programming-guides/encoding/ ---


def varint(number):
    data = bytearray()
    while number > 0x7F:
        data.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes(data) + bytes([number])


def number(field, value):
    return varint(field << 3) + varint(value)


def part(field, value):
    data = value.encode("utf-8", "surrogateescape") if isinstance(value, str) else value
    return varint(field << 3 | 2) + varint(len(data)) + data


def pairs(field, values):
    return b"".join(part(field, part(1, k) + part(2, v)) for k, v in values.items())


def read_texts(message):
    """{field: [bytes]} of a message's parts, as far as it's made of those."""
    found, at = {}, 0
    while at < len(message):
        key, at = read_varint(message, at)
        size, at = read_varint(message, at)
        if key & 7 == 2:
            found.setdefault(key >> 3, []).append(message[at:at + size])
            at += size
    return found


def read_varint(message, at):
    value = shift = 0
    while True:
        value |= (message[at] & 0x7F) << shift
        shift += 7
        at += 1
        if message[at - 1] < 0x80:
            return value, at


# --- a runtime ---


def container(box_id, name, pid, ns="shop", pod="cart", state=1, image="bb:1", created=1, **more):
    labels = {POD: pod, NS: ns, CONTAINER: name} if ns else {}
    return {"id": box_id, "name": name, "pid": pid, "state": state, "image": image,
            "created": created, "labels": {**labels, **more.get("labels", {})},
            "info": more.get("info", {"info": json.dumps({"pid": pid, "sandboxID": "5" * 64})})}


def listed(one):
    return (part(1, one["id"]) + part(2, "5" * 64) + part(3, part(1, one["name"]))
            + part(4, part(1, one["image"])) + part(5, "sha256:" + "1" * 64)
            + number(6, one["state"]) + number(7, one["created"]) + pairs(8, one["labels"])
            + pairs(9, {"an": "annotation"}))


def status(one):
    inner = (part(1, one["id"]) + number(3, one["state"]) + part(8, part(1, one["image"]))
             + part(14, "unknown to us"))
    return part(1, inner) + pairs(2, one["info"])


def knows(*containers):
    """An `answer` that is in order, but for filters: it has none."""
    def answer(method, request):
        if method == "ListContainers":
            return b"".join(part(1, listed(one)) for one in containers)
        if method in ("ListPodSandbox", "ListImages"):
            return b""
        asked = read_texts(request)[1][0].decode()
        for one in containers:
            if one["id"] == asked:
                return status(one)
        raise Refusal(NOT_FOUND, "no such container")
    return answer


class FakeCri:
    """`asked` holds the methods so far, as "v1/ListContainers"."""

    scheme = "cri"

    def __init__(self, folder, containers=(), answer=None, versions=("v1", "v1alpha2")):
        import grpc  # not every test needs it

        self._grpc = grpc
        self.path = os.path.join(folder, f"{self.scheme}.sock")
        self.option = f"--engine-socket={self.scheme}={self.path}"
        self.asked = []
        self._answer, self._versions = answer or knows(*containers), versions
        self._server = grpc.server(
            futures.ThreadPoolExecutor(4), options=[("grpc.max_send_message_length", -1)])
        self._server.add_generic_rpc_handlers([self._handler()])
        self._server.add_insecure_port(f"unix:{self.path}")
        self._server.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._server.stop(0).wait()

    def _handler(self):
        fake = self

        class Handler(self._grpc.GenericRpcHandler):
            def service(self, details):
                service, method = details.method[1:].split("/")
                version = service.split(".")[1]
                fake.asked.append(f"{version}/{method}")
                if service.startswith("containerd."):
                    method = service.rpartition(".")[2] + "/" + method
                elif version not in fake._versions:
                    return None  # UNIMPLEMENTED
                return fake._grpc.unary_unary_rpc_method_handler(
                    lambda request, context: fake._reply(method, request, context))

        return Handler()

    def _reply(self, method, request, context):
        try:
            return self._answer(method, request)
        except Refusal as refusal:
            codes = {code.value[0]: code for code in self._grpc.StatusCode}
            context.abort(codes[refusal.status], str(refusal))


# --- containerd, by its own interface ---


def task(name, pid, status=2):
    return part(2, name) + number(3, pid) + number(4, status)


def in_containerd(namespaces, containers, tasks):
    """An `answer` that has these in each namespace: containers as {id: image}, tasks as {id: message}."""
    def answer(method, request):
        if method == "Namespaces/List":
            return b"".join(part(1, part(1, name)) for name in namespaces)
        if method == "Containers/List":
            return b"".join(part(1, part(1, name) + part(2, part(1, "k") + part(2, "v"))
                                 + part(3, image)) for name, image in containers.items())
        if method == "Tasks/List":
            return b"".join(part(1, one) for one in tasks.values())
        name = read_texts(request)[1][0].decode()
        if name not in tasks:
            raise Refusal(NOT_FOUND, "no running task found")
        return part(1, tasks[name])
    return answer


class FakeContainerd(FakeCri):
    """Its `answer` gets methods as "Tasks/Get"."""

    scheme = "containerd"


# --- one that doesn't speak it ---


def frame(kind, flags, stream, payload=b""):
    return (len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big")
            + payload)


def literal(name, value):
    return b"\0" + bytes([len(name)]) + name + bytes([len(value)]) + value


SETTINGS = frame(4, 0, 0)
OK = frame(1, 4, 1, literal(b":status", b"200") + literal(b"content-type", b"application/grpc"))
END = frame(1, 5, 1, literal(b"grpc-status", b"0"))


class RawServer:
    """`talk(connection)` sends by itself; None: nobody accepts."""

    def __init__(self, folder, talk):
        self.path = os.path.join(folder, "raw.sock")
        self.option = f"--engine-socket=cri={self.path}"
        self.ended = threading.Event()
        self._talk = talk
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.bind(self.path)
        self._socket.listen(4)
        self._socket.settimeout(0.05)
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.ended.set()
        self._thread.join()
        self._socket.close()

    def _serve(self):
        while not self.ended.is_set():
            if not self._talk:
                self.ended.wait(0.05)
                continue
            try:
                connection, _ = self._socket.accept()
            except TimeoutError:
                continue
            with connection:
                connection.settimeout(10)
                try:
                    self._talk(connection)
                except OSError:
                    pass  # conjoin has had enough
