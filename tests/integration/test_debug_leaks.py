# SPDX-License-Identifier: MIT
"""debug leaves nothing behind, whatever happens: a thousand sessions in a row, killed ones among them;
targets that end or freeze meanwhile. DEBUG_SESSIONS says how many. Not here: what others can reach while a
session lasts (test_debug_guard.py)."""

import os
import random
import signal
import subprocess
import time

import pytest

from lib import proc
from lib.detached import Detached, reap_all, subreaper  # noqa: F401
from lib.failure import assert_failed, lines_of
from lib.held import Held
from lib.leaks import orphans, stale_cgroups
from lib.poll import wait_for
from lib.sandbox import Sandbox

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")

SESSIONS = int(os.environ.get("DEBUG_SESSIONS", "1000"))
KILLED = -signal.SIGKILL
TARGET = ["--view", "target"]
# options, command, and the statuses that may come of it; None: killed after a while
KINDS = [
    ([], ["true"], {0}), ([], ["true"], {0}), (TARGET, ["true"], {0}),
    (TARGET, ["true"], {0}), (["--writable"], ["false"], {1}), ([], ["no-such-command"], {127}),
    ([*TARGET, "--bring", "/bin/true"], ["true"], {0}), ([], ["sleep", "1000"], None),
    (TARGET, ["sleep", "1000"], None), ([], ["sh", "-c", "exec sleep 1000"], None),
    (["--namespaces", "net"], ["true"], {0}), (["-w", "/nowhere"], ["true"], {125}),
    (["--memory", "64m"], ["true"], {0}), (["-d"], ["true"], {0}), ([*TARGET, "-d"], ["true"], {0}),
]


@pytest.fixture(scope="module")
def box(sandbox_program, rootfs):
    made = Sandbox(sandbox_program, rootfs, caps="docker")
    yield made
    made.stop()


def in_namespace(box):
    """Whoever is in its pid namespace, zombies included, but for its first process."""
    return proc.in_pid_namespace_of(box.pid, dead=True) - {box.pid}


def whole(box):
    """All that a session could leave: of the host, of this process, of the target."""
    return {
        "mounts": proc.read("self", "mountinfo"), "its mounts": box.read("mountinfo"),
        "files": sorted(os.listdir("/proc/self/fd")),
        "its files": sorted(os.listdir(f"/proc/{box.pid}/fd")),
        "its children": set(proc.children(box.pid)), "its processes": in_namespace(box),
        "its root": sorted(os.listdir(f"/proc/{box.pid}/root")),
        "its run": sorted(os.listdir(f"/proc/{box.pid}/root/run")),
        "its threads": box.status()["Threads"], 
    }


def session(conjoin, box, kind, moment):
    """One, to its end; what was wrong with it, or None."""
    options, command, wanted = kind
    process = conjoin.popen("debug", *options, box.pid, *command, stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, text=True)
    if wanted is None:
        try:
            process.wait(moment)
        except subprocess.TimeoutExpired:
            process.kill()
        wanted = {KILLED}
    try:
        out, err = process.communicate(timeout=30)
    except subprocess.TimeoutExpired:
        process.kill()
        return f"{kind} hung"
    if process.returncode not in wanted or (process.returncode <= 1 and err):
        return f"{kind}: {process.returncode} {out} {err}"
    return None


def storm(conjoin, box, count):
    """Runs so many of all kinds; what was wrong. The same moments each time. The guard takes a command with
    the target's root for one of the target's: the next waits for those to end that nobody waits for."""
    rng, wrong = random.Random(1), []
    for number in range(count):
        kind = KINDS[number % len(KINDS)]
        found = session(conjoin, box, kind, rng.uniform(0, 0.03))
        if found:
            wrong.append(found)
        if kind[2] is None or "-d" in kind[0]:
            wait_for(lambda: (reap_all({box.supervisor}), in_namespace(box) == set())[1])
    return wrong


def test_a_thousand_sessions_leave_nothing(conjoin, box, subreaper):  # noqa: F811
    storm(conjoin, box, len(KINDS))  # what is made once
    before = whole(box)
    assert storm(conjoin, box, SESSIONS) == []
    wait_for(lambda: (reap_all({box.supervisor}), in_namespace(box) == set())[1], 20)

    def removed():
        conjoin.debug(box, "true", options=["--memory", "64m"])
        return stale_cgroups() == set()

    wait_for(removed)
    after = whole(box)
    assert {key: (before[key], after[key]) for key in before if before[key] != after[key]} == {}
    # The watchdogs of those that were killed are ours by now.
    wait_for(lambda: (reap_all({box.supervisor}), set(proc.children(os.getpid())) <= {box.supervisor})[1])
    assert {pid for pid in orphans() if pid not in (box.supervisor, box.pid)} == set()


@pytest.mark.parametrize("options", [[], TARGET, [*TARGET, "--bring", "cat"]], ids=" ".join)
def test_the_end_of_the_target_ends_the_command(options, conjoin, sandbox):
    box = sandbox(caps="docker")
    command = Held(conjoin, box, options, verb="debug")
    os.kill(box.pid, signal.SIGKILL)
    assert command.process.wait(20) == 128 + signal.SIGKILL
    command.end()
    assert not proc.alive(command.pid)
    assert_failed(conjoin.debug(box, "true", options=options), 125)


def test_a_target_that_ends_while_it_starts_is_told_of(conjoin, sandbox, subreaper):  # noqa: F811
    """At ever other moments; whatever comes of it, it's told and nothing is left."""
    seen = set()
    for number in range(24):
        box = sandbox(caps="docker")
        options = (TARGET if number % 2 else [])
        process = conjoin.popen("debug", *options, box.pid, "sleep", "1000", stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, text=True)
        until = time.monotonic() + number * 0.0006
        while time.monotonic() < until:
            pass
        os.kill(box.pid, signal.SIGKILL)
        out, err = process.communicate(timeout=20)
        done = subprocess.CompletedProcess([], process.returncode, out, err)
        seen.add(done.returncode)
        assert done.returncode in (125, 137), done
        if done.returncode == 125:
            assert lines_of(done)[0].startswith("conjoin: debug "), done
        box.stop()
    assert 125 in seen


def test_a_frozen_target_can_be_looked_at(conjoin, sandbox):
    """The command isn't in its cgroup: what the target is doing can be read while it doesn't move."""
    box = sandbox(caps="docker")
    box.freeze()
    try:
        for options in ([], TARGET):
            done = conjoin.debug(box, "cat", "/proc/1/comm", options=options)
            assert (done.returncode, done.stdout) == (0, "sandbox-init\n"), done
        done = conjoin.debug(box, "true", options=["--cgroup", "target"])
        assert_failed(done, 125, "frozen")
    finally:
        box.thaw()


def test_one_that_goes_on_alone_is_ended_with_its_target(conjoin, sandbox, subreaper):  # noqa: F811
    box = sandbox(caps="docker")
    made = [Detached(conjoin.debug(box, "sleep", "1000", options=["-d", *options]).stdout)
            for options in ([], TARGET)]
    os.kill(box.pid, signal.SIGKILL)
    for command in made:
        wait_for(lambda: (reap_all({box.supervisor}), command.has_ended())[1])
    box.stop()

    def removed():
        assert conjoin.exec("self", "true", options=["--cgroup", "own"]).returncode == 0
        return stale_cgroups() == set()

    wait_for(removed)
