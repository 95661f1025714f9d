# SPDX-License-Identifier: MIT
"""exec --detach that is ended, or told to end, while it starts: somebody has been told of a command that runs, or none
runs. Not here: what comes after that (test_detach.py)."""

import os
import signal
import subprocess
import time

import pytest

from lib import proc
from lib.detached import Detached, everybody_in, our_processes, reap_all, subreaper  # noqa: F401
from lib.given import full_pipe
from lib.poll import spin, wait_for
from lib.sandbox import Sandbox

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")

OURS = 125
MODES = {"alone": [], "with one who stays": ["--cgroup", "own", "--memory", "64m"]}


@pytest.fixture(scope="module")
def box(sandbox_program, rootfs):
    made = Sandbox(sandbox_program, rootfs, namespaces="all,-user", caps="docker")
    yield made
    made.stop()


def duration(conjoin, box, options):
    """What a whole run takes, in seconds; its command is ended."""
    begin = time.monotonic()
    done = conjoin.exec(box, "sleep", "1000", options=["-d", *options])
    taken = time.monotonic() - begin
    Detached(done.stdout).end()
    wait_for(lambda: (reap_all({box.supervisor}), everybody_in(box) == [])[1])
    return taken


def moments(whole, enough):
    """Ever later moments, in seconds, of a run that takes about `whole`: 60 at least, then until
    enough() says so. A busy machine takes longer than it did before."""
    for number in range(1000):
        if number >= 60 and enough():
            return
        yield whole * number / 40
    raise AssertionError("a thousand moments weren't enough")


def test_our_end_at_any_moment_leaves_a_running_command_or_nothing(box, conjoin, subreaper):
    ran, rounds = 0, 0
    for delay in moments(duration(conjoin, box, []), lambda: ran):
        process = conjoin.popen("exec", "-d", box.pid, "sleep", "1000", stdout=subprocess.PIPE,
                                stderr=subprocess.DEVNULL)
        spin(process, delay)
        process.kill()
        said = process.communicate()[0].decode()
        # whoever was on its way has become the command by now, or ends
        wait_for(lambda: all(proc.read(pid, "cmdline") == b"sleep\x001000\0"
                             for pid in everybody_in(box) if proc.alive(pid)))
        wait_for(lambda: our_processes(conjoin) == [])
        living = [pid for pid in everybody_in(box) if proc.alive(pid)]
        assert len(living) <= 1
        if said:
            assert living == [Detached(said).pid]
        for pid in living:
            ran += 1
            os.kill(pid, signal.SIGKILL)
        wait_for(lambda: (reap_all({box.supervisor}), everybody_in(box) == [])[1])
        rounds += 1
    assert 0 < ran < rounds


@pytest.mark.parametrize("options", MODES.values(), ids=MODES)
def test_told_to_stop_at_any_moment_it_has_said_who_runs_or_nobody_does(
        box, conjoin, options, subreaper):
    statuses = set()
    for delay in moments(duration(conjoin, box, options), lambda: 0 in statuses):
        process = conjoin.popen("exec", "-d", *options, box.pid, "sleep", "1000",
                                stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        spin(process, delay)
        process.terminate()
        said = process.communicate()[0].decode()
        statuses.add(process.returncode)
        if process.returncode == 0:
            assert [Detached(said).pid] == [pid for pid in everybody_in(box) if proc.alive(pid)]
        else:  # where one stays it may have been said by that one, and we be ended right then
            assert not said or options
        if said:
            Detached(said).end()
        wait_for(lambda: (reap_all({box.supervisor}), everybody_in(box) == [])[1],
                 what=f"nobody after {process.returncode} {said}")
        wait_for(lambda: our_processes(conjoin) == [])
    assert statuses <= {0, OURS, -signal.SIGTERM} and len(statuses) > 1


@pytest.mark.parametrize("mode", MODES)
def test_as_long_as_nobody_takes_the_line_it_can_be_called_off(conjoin, box, mode):
    reader, writer = full_pipe()
    before = proc.in_pid_namespace_of(box.pid)
    process = conjoin.popen("exec", "-d", *MODES[mode], box.pid, "sleep", "777", stdout=writer)
    try:
        wait_for(lambda: any(proc.read(pid, "comm") == b"sleep\n"
                             for pid in proc.in_pid_namespace_of(box.pid) - before))
        process.terminate()
        assert process.wait(15) in (OURS, -signal.SIGTERM)
        wait_for(lambda: proc.in_pid_namespace_of(box.pid) == before)
    finally:
        process.kill()
        process.wait()
        os.close(reader)
        os.close(writer)
