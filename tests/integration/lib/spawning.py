# SPDX-License-Identifier: MIT
"""tests/lib/spawning, a caller of cj_spawn() that does as it's told, in cgroups of the test's own; and ways in which
commands can be found there, or can't. Not here: judging what became of them."""

import itertools
import os
import select
import signal
import subprocess
from contextlib import contextmanager

from lib import proc
from lib.attack import program
from lib.brood import HAS_FREEZER, HAS_V2, write
from lib.poll import wait_for
from lib.program import clean_env

PROGRAM = program("spawning")
TIMEOUT = 30
HIDE = 'mount -t tmpfs tmpfs /sys/fs/cgroup; exec "$@"'
numbers = itertools.count(1)


class Place:
    """A cgroup of v2 and one of v1's freezer, below the test's own, for the caller."""

    def __init__(self):
        name = f"conjoin-spawner-{os.getpid()}-{next(numbers)}"
        self.folders = {}
        for key, path in proc.cgroups().items():
            if key == "" or "freezer" in key.split(","):
                folder = proc.cgroup_directory(key, path)
                if folder:
                    self.folders["v1" if key else "v2"] = os.path.join(folder, name)
        for folder in self.folders.values():
            os.mkdir(folder)

    def enter(self):
        """For a process on its way."""
        for folder in self.folders.values():
            write(os.path.join(folder, "cgroup.procs"), 0)

    def parents(self):
        """What a spawner has made."""
        return [os.path.join(folder, name) for folder in self.folders.values()
                for name in os.listdir(folder) if name.startswith("conjoin-")]

    def slots(self):
        """{name: folder}"""
        return {name: os.path.join(parent, name) for parent in self.parents()
                for name in os.listdir(parent) if name.isdigit()}

    def members(self):
        """Everybody in there, and below it."""
        found = set()
        for top in self.folders.values():
            for folder, _, _ in os.walk(top):
                try:
                    with open(os.path.join(folder, "cgroup.procs"), encoding="ascii") as f:
                        found |= set(map(int, f.read().split()))
                except OSError:
                    pass  # gone meanwhile
        return {pid for pid in found if proc.alive(pid)}

    def remove(self):
        for top in self.folders.values():
            for folder, _, _ in os.walk(top, topdown=False):
                wait_for(lambda f=folder: gone(f), what=f"end of {folder}")


def gone(folder):
    try:
        os.rmdir(folder)
    except FileNotFoundError:
        pass
    except OSError:
        return False
    return True


class Spawning:
    """The caller. An order is a line of words, so is the answer."""

    def __init__(self, place, *options, before=(), user=None, wait=True, **more):
        self.place = place
        if user is not None:  # after it has entered the place
            before = [*before, "setpriv", "--reuid", str(user), "--regid", str(user),
                      "--clear-groups"]
        self.process = subprocess.Popen(
            [*before, PROGRAM, *options], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, env={**clean_env(), **more.pop("env", {}), **mark()},
            preexec_fn=place.enter if place else None, **more)
        self.pid = self.process.pid
        self.children = 0
        self.first = self.answer() if wait else None

    def answer(self):
        ready, _, _ = select.select([self.process.stdout], [], [], TIMEOUT)
        assert ready, "no answer"
        return self.process.stdout.readline().decode(errors="surrogateescape").rstrip("\n")

    def send(self, *words):
        self.process.stdin.write("\t".join(map(str, words)).encode() + b"\n")
        self.process.stdin.flush()

    def order(self, *words):
        self.send(*words)
        return self.answer()

    def spawn(self, *argv):
        """(number, pid)"""
        answer = self.order("spawn", *argv)
        assert answer and answer[0].isdigit(), answer
        return tuple(map(int, answer.split()))

    def ended(self, child):
        return wait_for(lambda: self.order("ready", child) == "1", what="end of the command")

    def settled(self, child):
        return wait_for(lambda: self.order("settle", child) == "1", what="an empty cgroup")

    def finish(self, child):
        """How it ended, and it's gone with all."""
        end = self.order("wait", child)
        self.settled(child)
        assert self.order("free", child) == "ok"
        return end

    def run(self, *argv):
        return self.finish(self.spawn(*argv)[0])

    def files(self):
        """{number: what it is}"""
        found = {}
        for name in os.listdir(f"/proc/{self.pid}/fd"):
            try:
                found[int(name)] = os.readlink(f"/proc/{self.pid}/fd/{name}")
            except FileNotFoundError:
                pass
        return found

    def end(self):
        """Its end in order; what it had to warn of."""
        self.process.stdin.close()
        last = self.process.stdout.read()
        warnings = self.process.stderr.read().decode()
        assert self.process.wait(TIMEOUT) == 0, warnings
        assert last.endswith(b"bye\n"), last
        return warnings

    def kill(self):
        self.process.send_signal(signal.SIGKILL)

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(TIMEOUT)
        for file in self.process.stdin, self.process.stdout, self.process.stderr:
            try:
                file.close()
            except BrokenPipeError:
                pass


def has_only_three_files(pid):
    """The loader opens some, for a moment."""
    wait_for(lambda: sorted(os.listdir(f"/proc/{pid}/fd")) == ["0", "1", "2"], what="three files")
    return True


def mark():
    return {"CONJOIN_TEST_RUN": str(os.getpid())}


MARK = f"CONJOIN_TEST_RUN={os.getpid()}"  # for commands: so that those are found that are left


class Way:
    """How commands are found: by slots of that `hierarchy`; None: by their sessions."""

    def __init__(self, name, place, before=()):
        self.name, self.place, self.before = name, place, before
        self.whole = name != "none"
        self.callers = []

    def start(self, *options, **more):
        before = [*self.before, *more.pop("before", ())]
        caller = Spawning(self.place, *options, before=before, **more)
        self.callers.append(caller)
        if caller.first == "ready":
            caller.order("env", MARK)
        return caller


NAMES = [*(["v2"] if HAS_V2 else []), *(["v1"] if HAS_FREEZER else []), "none"]


@contextmanager
def way_of(name):
    place = Place()
    way = Way(name, place, ["unshare", "-m", "sh", "-ec", HIDE, "hidden"] if name == "none" else ())
    if name == "v1" and HAS_V2:
        write(os.path.join(place.folders["v2"], "cgroup.max.descendants"), 0)
    try:
        yield way
    finally:
        for caller in way.callers:
            caller.close()
        place.remove()
