# SPDX-License-Identifier: MIT
"""A container made by tests/lib/sandbox. Not here: containers of real runtimes (oci.py)."""

import json
import os
import select
import signal
import subprocess
import tempfile

from lib import proc
from lib.poll import wait_for
from lib.program import argument, as_user, clean_env

READY_TIMEOUT = 20


class Container:
    """A running process, its pid seen from the host, and what the kernel says about it."""

    pid = None

    def status(self):
        return proc.status(self.pid)

    def cgroups(self):
        return proc.cgroups(self.pid)

    def ns(self):
        return proc.namespaces(self.pid)

    def environ(self):
        return proc.environ(self.pid)

    def read(self, name, text=True):
        """A file of its /proc/PID."""
        data = proc.read(self.pid, name)
        return data.decode() if text else data

    def alive(self):
        return proc.alive(self.pid)

    def cgroup_dirs(self):
        """{"memory": "/sys/fs/cgroup/memory/…"}, hierarchies that are mounted nowhere left out."""
        paths = self.cgroups().items()
        found = {key: proc.cgroup_directory(key, path) for key, path in paths}
        return {key: path for key, path in found.items() if path}

    def freeze(self):
        self._freezer("FROZEN", "1", lambda: self._frozen())

    def thaw(self):
        self._freezer("THAWED", "0", lambda: not self._frozen())

    def _freezer_file(self):
        dirs = self.cgroup_dirs()
        v1 = next((path for key, path in dirs.items() if "freezer" in key.split(",")), None)
        if v1:
            return os.path.join(v1, "freezer.state"), True
        return os.path.join(dirs[""], "cgroup.freeze"), False

    def _freezer(self, v1, v2, reached):
        path, is_v1 = self._freezer_file()
        with open(path, "w", encoding="ascii") as f:
            f.write(v1 if is_v1 else v2)
        wait_for(reached, what=f"{v1} of {self.pid}")

    def _frozen(self):
        path, is_v1 = self._freezer_file()
        if not is_v1:
            path = os.path.join(os.path.dirname(path), "cgroup.events")
        with open(path, encoding="ascii") as f:
            state = f.read()
        return state.strip() == "FROZEN" if is_v1 else "frozen 1" in state


class Sandbox(Container):
    """The options are those of the program (--help), with _ for -: Sandbox(…, uid=1000,
    caps="docker", no_new_privs=True, env=["A=b", b"raw"]). True is a flag, a list repeats the
    option. `command` empty: the built-in init. `user` is the uid that runs it."""

    def __init__(self, program, rootfs, command=(), user=None, **options):
        self._stderr = tempfile.TemporaryFile()
        self._process = subprocess.Popen(
            [program, *arguments(options), rootfs, "--", *map(argument, command)],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=self._stderr, cwd="/",
            env=clean_env(), **as_user(user),
        )
        self.supervisor = self._process.pid
        try:
            self.ready = json.loads(self._first_line())
        except BaseException:
            self.stop()
            raise
        self.pid = self.ready["pid"]
        self.handle = self.ready.get("handle")

    def _first_line(self):
        readable, _, _ = select.select([self._process.stdout], [], [], READY_TIMEOUT)
        line = self._process.stdout.readline() if readable else b""
        if not line:
            self._process.kill() if not readable else self._process.wait()
            raise RuntimeError(f"sandbox didn't start: {self.stderr()}")
        return line

    def stderr(self):
        """What the supervisor complained about, and what the command wrote: until now, and without
        touching the file's offset, at which the two go on writing."""
        fd = self._stderr.fileno()
        return os.pread(fd, os.fstat(fd).st_size, 0).decode(errors="replace")

    def wait(self, timeout=20):
        """Waits until it ends by itself; its exit status."""
        return self._process.wait(timeout)

    def kill_supervisor(self):
        self._process.kill()
        self._process.wait()

    def stop(self):
        """Ends it and returns the supervisor's exit status. Can be called again."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(20)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
                raise
        self._process.stdout.close()
        return self._process.returncode


def arguments(options):
    found = []
    for name, value in options.items():
        option = "--" + name.replace("_", "-")
        for one in value if isinstance(value, (list, tuple)) else [value]:
            if one is True:
                found.append(option)
            elif one is not False and one is not None:
                found += [option, argument(one)]
    return found
