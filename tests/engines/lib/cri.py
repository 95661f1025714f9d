# SPDX-License-Identifier: MIT
"""A client of the Kubernetes Container Runtime Interface: the few calls and fields that tests need,
written down by number. Not here: starting a runtime (containerd.py)."""

import grpc

TIMEOUT = 30
Error = grpc.RpcError
SERVICE = "/runtime.v1.RuntimeService/"
STATES = ("created", "running", "exited", "unknown")

# Messages: {field: (number, type)}; a type is string, int, bool, map (of strings), a message, or one
# of them with a * for a list. Numbers that aren't named here are skipped.
MESSAGES = {
    "Metadata": {"name": (1, "string"), "attempt": (2, "int")},
    "PodMetadata": {"name": (1, "string"), "uid": (2, "string"), "namespace": (3, "string"),
                    "attempt": (4, "int")},
    "NamespaceOptions": {"network": (1, "int"), "pid": (2, "int"), "ipc": (3, "int")},
    "PodSecurity": {"namespace_options": (1, "NamespaceOptions")},
    "PodLinux": {"cgroup_parent": (1, "string"), "security_context": (2, "PodSecurity")},
    "PodConfig": {"metadata": (1, "PodMetadata"), "hostname": (2, "string"),
                  "log_directory": (3, "string"), "labels": (6, "map"), "linux": (8, "PodLinux")},
    "Image": {"image": (1, "string")},
    "Profile": {"profile_type": (1, "int")},
    "Security": {"namespace_options": (3, "NamespaceOptions"), "seccomp": (15, "Profile")},
    "Linux": {"security_context": (2, "Security")},
    "Config": {"metadata": (1, "Metadata"), "image": (2, "Image"), "command": (3, "*string"),
               "args": (4, "*string"), "labels": (9, "map"), "log_path": (11, "string"),
               "linux": (15, "Linux")},
    "Container": {"id": (1, "string"), "pod_sandbox_id": (2, "string"), "metadata": (3, "Metadata"),
                  "image": (4, "Image"), "image_ref": (5, "string"), "state": (6, "int"),
                  "labels": (8, "map")},
    "Status": {"id": (1, "string"), "state": (3, "int"), "exit_code": (7, "int")},
    "Pod": {"id": (1, "string"), "metadata": (2, "PodMetadata"), "state": (3, "int"),
            "labels": (5, "map")},
    "VersionRequest": {}, "VersionResponse": {"runtime_name": (2, "string")},
    "RunPodSandboxRequest": {"config": (1, "PodConfig")},
    "RunPodSandboxResponse": {"pod_sandbox_id": (1, "string")},
    "StopPodSandboxRequest": {"pod_sandbox_id": (1, "string")}, "StopPodSandboxResponse": {},
    "RemovePodSandboxRequest": {"pod_sandbox_id": (1, "string")}, "RemovePodSandboxResponse": {},
    "ListPodSandboxRequest": {}, "ListPodSandboxResponse": {"items": (1, "*Pod")},
    "PodSandboxStatusRequest": {"pod_sandbox_id": (1, "string"), "verbose": (2, "bool")},
    "PodSandboxStatusResponse": {"info": (2, "map")},
    "CreateContainerRequest": {"pod_sandbox_id": (1, "string"), "config": (2, "Config"),
                               "sandbox_config": (3, "PodConfig")},
    "CreateContainerResponse": {"container_id": (1, "string")},
    "StartContainerRequest": {"container_id": (1, "string")}, "StartContainerResponse": {},
    "StopContainerRequest": {"container_id": (1, "string"), "timeout": (2, "int")},
    "StopContainerResponse": {},
    "RemoveContainerRequest": {"container_id": (1, "string")}, "RemoveContainerResponse": {},
    "ListContainersRequest": {}, "ListContainersResponse": {"containers": (1, "*Container")},
    "ContainerStatusRequest": {"container_id": (1, "string"), "verbose": (2, "bool")},
    "ContainerStatusResponse": {"status": (1, "Status"), "info": (2, "map")},
    "ExecSyncRequest": {"container_id": (1, "string"), "cmd": (2, "*string"),
                        "timeout": (3, "int")},
    "ExecSyncResponse": {"stdout": (1, "bytes"), "stderr": (2, "bytes"), "exit_code": (3, "int")},
    "Pair": {"key": (1, "string"), "value": (2, "string")},
}


def varint(number):
    data = bytearray()
    while number > 0x7F:
        data.append(number & 0x7F | 0x80)
        number >>= 7
    data.append(number)
    return bytes(data)


def encode(name, values):
    fields, data = MESSAGES[name], b""
    for key, value in values.items():
        number, kind = fields[key]
        if kind == "map":
            kind, value = "Pair", [{"key": k, "value": v} for k, v in value.items()]
        elif kind.startswith("*"):
            kind = kind[1:]
        else:
            value = [value]
        for one in value:
            data += encode_field(number, kind, one)
    return data


def encode_field(number, kind, value):
    if kind in ("int", "bool"):
        return varint(number << 3) + varint(int(value))
    data = encode(kind, value) if kind in MESSAGES else value.encode()
    return varint(number << 3 | 2) + varint(len(data)) + data


def read_varint(data, at):
    number = shift = 0
    while True:
        byte = data[at]
        number |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return number, at


def wire_fields(data):
    at = 0
    while at < len(data):
        tag, at = read_varint(data, at)
        if tag & 7 == 0:
            value, at = read_varint(data, at)
        elif tag & 7 == 2:
            length, at = read_varint(data, at)
            value, at = data[at:at + length], at + length
        else:
            raise ValueError(f"wire type {tag & 7}")
        yield tag >> 3, value


def empty(kind):
    return {"string": "", "bytes": b"", "int": 0, "bool": False}.get(
        kind, [] if kind.startswith("*") else {})


def decode(name, data):
    by_number = {number: (key, kind) for key, (number, kind) in MESSAGES[name].items()}
    found = {key: empty(kind) for key, (_, kind) in MESSAGES[name].items()}
    for number, value in wire_fields(data):
        if number not in by_number:
            continue
        key, kind = by_number[number]
        if kind == "map":
            pair = decode("Pair", value)
            found[key][pair["key"]] = pair["value"]
        elif kind.startswith("*"):
            found[key].append(decode_value(kind[1:], value))
        else:
            found[key] = decode_value(kind, value)
    return found


def decode_value(kind, value):
    if kind in MESSAGES:
        return decode(kind, value)
    return value.decode() if kind == "string" else value


class Cri:
    """cri.ListContainers(), cri.StopContainer(container_id=…, timeout=0), …: each returns a dict."""

    def __init__(self, path):
        self.channel = grpc.insecure_channel(f"unix:{path}")

    def close(self):
        self.channel.close()

    def __getattr__(self, name):
        call = self.channel.unary_unary(
            SERVICE + name, lambda values: encode(name + "Request", values),
            lambda data: decode(name + "Response", data))
        return lambda **values: call(values, timeout=TIMEOUT, wait_for_ready=True)

    def exec(self, container, *command):
        """What the runtime's own exec gives: (exit status, stdout)."""
        done = self.ExecSync(container_id=container, cmd=list(command), timeout=TIMEOUT)
        return done["exit_code"], done["stdout"].decode()

    def running(self):
        """{id: container} of those that run."""
        every = self.ListContainers()["containers"]
        return {one["id"]: one for one in every if STATES[one["state"]] == "running"}

    def sandboxes(self):
        """{id: pod} of those that are ready."""
        return {one["id"]: one for one in self.ListPodSandbox()["items"] if one["state"] == 0}
