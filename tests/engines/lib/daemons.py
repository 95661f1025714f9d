# SPDX-License-Identifier: MIT
"""Daemons of engines: started by a test, found ready by polling, stopped by their PID, and everything
that they leave behind removed. Not here: what one engine needs (docker.py, podman.py, …).

    place = Place()                          a short folder for sockets, state and logs
    daemon = place.start("dockerd", words, ready)
    daemon.pause(); daemon.resume(); daemon.kill(); daemon.stop()
    place.clean()                            stops what still runs, removes mounts, cgroups, the folder

Where something can't run, `Unavailable` says why; the fixtures make a skip of it."""

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile

import pytest

from lib import proc
from lib.poll import wait_for
from lib.program import clean_env

START = 30  # seconds until a daemon answers
STOP = 30


class Unavailable(Exception):
    """This machine can't run it. The text is one line: what failed, and its last words."""


@contextlib.contextmanager
def skip_if_unavailable():
    try:
        yield
    except Unavailable as error:
        pytest.skip(str(error))


def need(*programs):
    """Each must be installed, and we root."""
    if os.geteuid() != 0:
        raise Unavailable("needs root")
    for program in programs:
        if not shutil.which(program, path=clean_env()["PATH"] + ":/usr/libexec/podman"):
            raise Unavailable(f"{program} isn't installed")


def last_line(text):
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][:300] if lines else "it said nothing"


def call(words, timeout=60, check=True, **more):
    """Runs a command line of an engine to its end: CompletedProcess with text. A failure is
    `Unavailable` unless check=False: a test that expects one, or judges it, says so. The output goes
    through files: what an engine leaves running may keep a pipe open."""
    more.setdefault("env", clean_env())
    more.setdefault("stdin", subprocess.DEVNULL)
    more.setdefault("cwd", "/")
    words = list(map(str, words))
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        done = subprocess.run(words, stdout=out, stderr=err, timeout=timeout, check=False, **more)
        for name, file in (("stdout", out), ("stderr", err)):
            file.seek(0)
            setattr(done, name, file.read().decode(errors="replace"))
    if check and done.returncode != 0:
        raise Unavailable(f"{' '.join(words)[:200]}: {last_line(done.stderr)}")
    return done


class Daemon:
    """One that was started; `ready()` is asked until it's true. `more` goes to Popen."""

    def __init__(self, name, words, ready, log, timeout=START, **more):
        self.name, self.log_path = name, log
        more.setdefault("env", clean_env())
        more.setdefault("cwd", "/")
        with open(log, "ab") as f:
            self._process = subprocess.Popen(
                list(map(str, words)), stdin=subprocess.DEVNULL, stdout=f, stderr=f,
                start_new_session=True, **more)
        self.pid = self._process.pid
        try:
            wait_for(lambda: self._process.poll() is not None or ready(), timeout, what=name)
        except AssertionError:
            self.kill()
            raise Unavailable(f"{name} wasn't ready within {timeout} s: {last_line(self.log())}")
        if self._process.poll() is not None:
            raise Unavailable(f"{name} ended: {last_line(self.log())}")

    def log(self):
        with open(self.log_path, encoding="utf-8", errors="replace") as f:
            return f.read()

    def alive(self):
        return self._process.poll() is None

    def children(self, name=None):
        """PIDs of its children, of those with that comm."""
        with open(f"/proc/{self.pid}/comm", encoding="utf-8"):
            pass  # it has to live
        return [pid for pid in proc.pids()
                if parent_of(pid) == self.pid and name in (None, comm_of(pid))]

    def pause(self):
        """As if it hung: its sockets take connections and nobody answers."""
        stop_process(self.pid)

    def resume(self):
        os.kill(self.pid, signal.SIGCONT)

    def kill(self):
        if self.alive():
            self._process.kill()
        self._process.wait(STOP)

    def stop(self, timeout=STOP):
        """Ends it in order, in the end by force. Can be called again."""
        if self.alive():
            self._process.send_signal(signal.SIGCONT)
            self._process.terminate()
        try:
            self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill()


def stop_process(pid):
    os.kill(pid, signal.SIGSTOP)
    wait_for(lambda: proc.stat_fields(pid)[0] == "T", what=f"stop of {pid}")


def parent_of(pid):
    try:
        return int(proc.stat_fields(pid)[1])
    except OSError:
        return 0


def comm_of(pid):
    try:
        return proc.read(pid, "comm").decode(errors="replace").strip()
    except OSError:
        return ""


def naming(text):
    """PIDs of processes (not our own) that have `text` in their command line."""
    found = []
    for pid in proc.pids():
        try:
            if pid != os.getpid() and text.encode() in proc.read(pid, "cmdline"):
                found.append(pid)
        except OSError:
            pass
    return found


class Cgroups:
    """Parents that engines make in the hierarchies and leave there, as "docker", "libpod_parent".
    clean() removes those that weren't there before and that nobody is in."""

    def __init__(self, *names):
        paths = [os.path.join(mount["point"], name)
                 for mount in proc.cgroup_mounts() for name in names]
        self.paths = [path for path in paths if not os.path.exists(path)]

    def clean(self):
        for path in self.paths:
            for folder, _, _ in os.walk(path, topdown=False):
                with contextlib.suppress(OSError):
                    os.rmdir(folder)


class Folders:
    """Directories that a program makes at fixed places, as "/run/docker". clean() removes those that
    weren't there before, with what is in them."""

    def __init__(self, *paths):
        self.paths = [path for path in paths if not os.path.lexists(path)]

    def clean(self):
        for path in self.paths:
            unmount_below(path)
            if os.path.isdir(path) and not os.path.islink(path):
                shutil.rmtree(path, ignore_errors=True)
            elif os.path.lexists(path):
                os.unlink(path)


def unmount_below(folder):
    """What is mounted at or beneath a folder of ours, the last first."""
    inside = [m["point"] for m in proc.mounts()
              if m["point"] == folder or m["point"].startswith(folder + "/")]
    for point in reversed(inside):
        subprocess.run(["umount", "-l", point], check=False, stderr=subprocess.DEVNULL)


class Place:
    """A short folder (paths of unix sockets are short), which everybody may enter, with all that was
    started in it. `cgroups` and `folders` are what has to go besides."""

    def __init__(self, cgroups=(), folders=()):
        self.path = tempfile.mkdtemp(prefix=f"cj{os.getpid()}-", dir="/tmp")
        os.chmod(self.path, 0o755)
        self._cgroups, self._folders = Cgroups(*cgroups), Folders(*folders)
        self._daemons = []

    def __str__(self):
        return self.path

    def __truediv__(self, name):
        return os.path.join(self.path, name)

    def start(self, name, words, ready, **more):
        """A Daemon, whose log is NAME.log here."""
        daemon = Daemon(name, words, ready, self / f"{name}.log", **more)
        self._daemons.append(daemon)
        return daemon

    def clean(self):
        """Also what isn't ours by birth, as shims and monitors: they have our folder in their command
        lines, and nobody else has."""
        for daemon in reversed(self._daemons):
            daemon.stop()
        for pid in naming(self.path + "/"):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        wait_for(lambda: not naming(self.path + "/"), what=f"end of all that names {self.path}")
        unmount_below(self.path)
        self._cgroups.clean()
        self._folders.clean()
        shutil.rmtree(self.path, ignore_errors=True)


@contextlib.contextmanager
def a_place(**more):
    """A Place for the time of a fixture; what can't run skips the tests, and is cleaned up, too."""
    place = Place(**more)
    try:
        with skip_if_unavailable():
            yield place
    finally:
        place.clean()
