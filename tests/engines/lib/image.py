# SPDX-License-Identifier: MIT
"""An image for engines, made of the busybox root of the tests: a file that `docker load`, `podman load`
and `ctr images import` take. Nothing is pulled. Not here: running it."""

import hashlib
import io
import json
import os
import tarfile

NAME = "localhost/conjoin-test:1"  # localhost/: podman puts it before names without a host anyway
COMMAND = ("/bin/sleep", "100000")


def write_archive(rootfs, path, name=NAME, command=COMMAND, labels=None):
    """Writes the archive (the format of `docker save`) to `path`; returns the image's name."""
    layer = io.BytesIO()
    with tarfile.open(fileobj=layer, mode="w") as tar:
        tar.add(rootfs, arcname=".", filter=of_root_or_app)
    layer = layer.getvalue()
    config = json.dumps({
        "architecture": "amd64", "os": "linux", "created": "2024-01-01T00:00:00Z",
        "config": {
            "Cmd": list(command), "Env": ["PATH=/usr/sbin:/usr/bin:/sbin:/bin"],
            "Labels": labels or {"of-the-image": "yes"},
        },
        "rootfs": {"type": "layers", "diff_ids": ["sha256:" + digest(layer)]},
        "history": [{"created": "2024-01-01T00:00:00Z"}],
    }).encode()
    manifest = json.dumps([{
        "Config": digest(config) + ".json", "RepoTags": [name], "Layers": ["layer.tar"],
    }]).encode()
    with tarfile.open(path, "w") as tar:
        for member, data in ((digest(config) + ".json", config), ("layer.tar", layer),
                             ("manifest.json", manifest)):
            info = tarfile.TarInfo(member)
            info.size, info.mode = len(data), 0o644
            tar.addfile(info, io.BytesIO(data))
    os.chmod(path, 0o644)
    return name


def digest(data):
    return hashlib.sha256(data).hexdigest()


def of_root_or_app(info):
    """Whoever has made the root file system, its files are root's; home/app is its user's."""
    info.uname = info.gname = ""
    info.uid = info.gid = 1000 if info.name == "./home/app" else 0
    return info
