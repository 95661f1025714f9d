# SPDX-License-Identifier: MIT
"""A plugin of pytest: several pytest, the workers, run the same tests together, each of them once. QUEUE is a
folder that they share, empty at first. A file of tests belongs to the worker that claims it first, so that
what a module's tests share is made once. Not here: starting workers, adding up what they say (tests/run,
results.py).

Tests that tests/alone lists have the machine to themselves: no other worker runs any test meanwhile."""

import fcntl
import fnmatch
import os

import pytest

from results import read_patterns

ALONE = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "alone")
# Groups that take long, longest first: what begins last should be short. Only time depends on it.
LONG = ["clock", "docker", "integration/test_nothing_left.py", "integration/test_detach.py",
        "integration/test_signals.py", "integration/test_runtimes.py"]
# One worker runs them, one after the other: they share an engine, or the places where it belongs; they look
# for whatever a certain user runs; or some keep a processor busy, and others say how long something may take.
TOGETHER = {
    "clock": ["integration/test_attack*.py", "integration/test_debug_guard.py",
              "integration/test_tree*.py", "integration/test_timeout.py",
              "integration/test_races.py", "integration/test_job_control.py",
              "integration/test_*_hostile.py", "integration/test_ending.py"],
    "user": ["integration/test_user_*.py", "integration/test_lxc_names.py",
             "integration/test_oci_names.py"],
    "docker": ["engines/test_docker*.py", "engines/test_helper_container.py",
               "engines/test_containers_page.py", "engines/test_podman*.py"],
    "node": ["engines/test_containerd.py", "engines/test_cri.py", "engines/test_k8s.py",
             "engines/test_lxc.py", "engines/test_nspawn.py"],
}


def group_of(path):
    """Of tests that one worker has to run."""
    name = "/".join(path.parts[-2:])
    for group, patterns in TOGETHER.items():
        if any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns):
            return group
    return name


class Lock:
    """Of one kind for all workers. It belongs to the process: who ends has it no more, whom it has
    started never has it."""

    def __init__(self, path):
        self._file = open(path, "a+b")

    def take(self, how):
        fcntl.lockf(self._file, how)

    def leave(self):
        fcntl.lockf(self._file, fcntl.LOCK_UN)


class Workers:
    def __init__(self, queue):
        self.queue = queue
        self.patterns = read_patterns(ALONE)
        self.turn, self.machine = (Lock(os.path.join(queue, name)) for name in ("turn", "machine"))

    def is_alone(self, item):
        name = f"{item.path.name}::{item.name}"
        return any(fnmatch.fnmatchcase(name, pattern) for pattern in self.patterns)

    def groups(self, items):
        """[(name, tests)…], long ones first. Last what has the machine to itself: to wait until others have
        ended what they are at costs time, too."""
        found = {}
        for item in items:
            name = group_of(item.path) + (" alone" if self.is_alone(item) else "")
            found.setdefault(name, []).append(item)

        def rank(name):
            return name.endswith(" alone"), LONG.index(name) if name in LONG else len(LONG)

        return sorted(found.items(), key=lambda pair: rank(pair[0]))

    def claim(self, group):
        """Whether it's ours: whoever makes the file."""
        try:
            os.close(os.open(os.path.join(self.queue, group.replace("/", ",") + ".claimed"),
                             os.O_CREAT | os.O_EXCL | os.O_WRONLY))
        except FileExistsError:
            return False
        return True

    def pytest_runtestloop(self, session):
        if session.testsfailed:
            return None  # files that can't be read: pytest says so
        with open(os.path.join(self.queue, f"{os.getpid()}.collected"), "w", encoding="ascii") as f:
            f.write(str(len(session.items)))
        groups = self.groups(session.items)
        for number, (name, items) in enumerate(groups):
            if not self.claim(name):
                continue
            # of another file, so that what belongs to this one ends, and what belongs to the session stays
            other = next((one for _, later in groups[number + 1:] for one in later
                          if one.path != items[-1].path), None)
            for item, following in zip(items, [*items[1:], other]):
                item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
                if session.shouldfail or session.shouldstop:
                    raise session.Interrupted(session.shouldfail or session.shouldstop)
        return True

    @pytest.hookimpl(hookwrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self, item):
        """Who wants to be alone keeps the turn, so that nobody begins another test before."""
        self.turn.take(fcntl.LOCK_EX)
        self.machine.take(fcntl.LOCK_EX if self.is_alone(item) else fcntl.LOCK_SH)
        self.turn.leave()
        try:
            yield
        finally:
            self.machine.leave()


def pytest_configure(config):
    if "QUEUE" in os.environ:
        config.pluginmanager.register(Workers(os.environ["QUEUE"]))
