# SPDX-License-Identifier: MIT
"""Containers for the benchmark, made by the real runc and crun, and gone afterwards: process,
runtime's state and cgroups. Not here: what is measured in them.
"""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys

import mounts

RUNTIMES = ("runc", "crun")


def make_rootfs(directory):
    """A busybox, as small as a container gets."""
    for name in ("bin", "dev", "proc", "sys", "etc", "tmp"):
        os.makedirs(os.path.join(directory, name))
    busybox = shutil.which("busybox")
    if not busybox:
        sys.exit("bench: busybox isn't installed (busybox-static has it)")
    shutil.copy(busybox, os.path.join(directory, "bin", "busybox"))
    for applet in ("sh", "sleep", "true"):
        os.symlink("busybox", os.path.join(directory, "bin", applet))
    with open(os.path.join(directory, "etc", "passwd"), "w") as file:
        file.write("root:x:0:0:root:/root:/bin/sh\n")
    return directory


@contextlib.contextmanager
def signals_put_off():
    """What is half made can't be deleted: a signal waits until the runtime has ended."""
    came, before = [], {}
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        before[number] = signal.signal(number, lambda number, frame: came.append(number))
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        for number in came:
            os.kill(os.getpid(), number)


class Container:
    """Runs while the `with` block does. What `RUNTIME spec` says, but for the names below."""

    def __init__(self, runtime, rootfs, scratch):
        self.runtime = runtime
        self.program = shutil.which(runtime)
        self.rootfs = rootfs
        self.scratch = scratch
        self.name = f"conjoin-bench-{os.getpid()}-{runtime}"
        self.state = os.path.join(scratch, runtime + "-state")
        self.needs_cover = runtime == "crun" and mounts.is_hybrid()
        self.pid = None

    def enter_view(self):
        """Between fork and exec: what this runtime, and all that is compared with it, must see."""
        if self.needs_cover:
            mounts.hide_v2(self.scratch)

    def command(self, *arguments):
        return [self.program, "--root", self.state, *arguments]

    def exec_command(self):
        return self.command("exec", self.name)

    def call(self, *arguments, cwd=None):
        with open(os.path.join(self.scratch, self.runtime + ".log"), "w+") as log:
            # The container keeps these descriptors: a pipe would never reach its end. In a
            # session of its own, the runtime isn't reached by Ctrl-C either.
            with signals_put_off():
                done = subprocess.run(
                    self.command(*arguments),
                    cwd=cwd,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                    preexec_fn=self.enter_view,
                )
            log.seek(0)
            return done.returncode, log.read()

    def make_bundle(self):
        bundle = os.path.join(self.scratch, self.runtime + "-bundle")
        os.mkdir(bundle)
        subprocess.run([self.program, "spec"], cwd=bundle, check=True)
        path = os.path.join(bundle, "config.json")
        with open(path) as file:
            config = json.load(file)
        config["process"]["terminal"] = False
        config["process"]["args"] = ["sleep", "100000"]
        config["root"] = {"path": self.rootfs, "readonly": True}
        config["hostname"] = "bench"
        config["linux"]["cgroupsPath"] = "/" + self.name
        kinds = config["linux"]["namespaces"]
        if not any(kind["type"] == "cgroup" for kind in kinds):
            kinds.append({"type": "cgroup"})
        with open(path, "w") as file:
            json.dump(config, file)
        return bundle

    def __enter__(self):
        bundle = self.make_bundle()
        pid_file = os.path.join(self.scratch, self.runtime + "-pid")
        try:
            status, log = self.call("run", "-d", "--pid-file", pid_file, self.name, cwd=bundle)
            if status != 0:
                sys.exit(f"bench: {self.runtime} run: {log.strip()}")
            with open(pid_file) as file:
                self.pid = int(file.read())
        except BaseException:
            self.delete()
            raise
        return self

    def __exit__(self, *reason):
        self.delete()

    def delete(self):
        status, log = self.call("delete", "-f", self.name)
        if status != 0 and self.pid:
            print(f"bench: {self.runtime} delete: {log.strip()}", file=sys.stderr)
        for kind, point in mounts.cgroup_mounts():  # only our own name, and only if it's empty
            with contextlib.suppress(OSError):
                os.rmdir(os.path.join(point, self.name))
