# SPDX-License-Identifier: MIT
"""--timeout and --grace: as timeout(1), and the command is really gone. Not here: signals that come from
outside (test_signals.py)."""

import os
import signal
import subprocess
import time

import pytest

from lib import proc
from lib.failure import assert_failed
from lib.given import Watched
from lib.poll import wait_for
from lib.sandbox import Sandbox
from lib.trace import Tracer

DEAF = "trap '' TERM; echo $$; while :; do sleep 0.01; done"


@pytest.fixture(scope="module")
def box(sandbox_program, rootfs):
    made = Sandbox(sandbox_program, rootfs, caps="docker")
    yield made
    made.stop()


def timed(conjoin, box, *command, options):
    begin = time.monotonic()
    done = conjoin.exec(box, *command, options=options)
    return done, time.monotonic() - begin


def test_who_is_done_in_time_isnt_touched(conjoin, box):
    for status in (0, 7, 124):
        done = conjoin.exec(box, "sh", "-c", f"exit {status}", options=["--timeout", "1h"])
        assert (done.returncode, done.stderr) == (status, "")


def test_it_gets_sigterm_and_the_status_is_124(conjoin, box):
    script = "trap 'echo told; exit 3' TERM; while :; do sleep 0.01; done"
    done, took = timed(conjoin, box, "sh", "-c", script, options=["--timeout", "200ms"])
    assert (done.returncode, done.stdout, done.stderr) == (124, "told\n", "")
    assert 0.2 <= took < 9, "the grace was waited for"


def test_a_stopped_command_hears_of_it(conjoin, box):
    done, took = timed(conjoin, box, "sh", "-c", "kill -STOP $$; echo on",
                       options=["--timeout", "0.2"])
    assert (done.returncode, done.stdout) == (124, "")
    assert took < 9


def test_after_the_grace_it_is_killed(conjoin, box):
    before = proc.in_pid_namespace_of(box.pid)
    done, took = timed(conjoin, box, "sh", "-c", DEAF,
                       options=["--timeout", "0.2", "--grace", "300ms"])
    assert done.returncode == 124 and done.stderr == ""
    assert 0.5 <= took < 9
    wait_for(lambda: proc.in_pid_namespace_of(box.pid) <= before, what="the command to be gone")


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_with_a_cgroup_of_its_own_nothing_of_it_is_left(conjoin, box):
    """Also who is in another session, has another parent and is deaf."""
    script = "(setsid sh -c \"trap '' TERM HUP; sleep 777\" >/dev/null 2>&1 &) ; sleep 888"
    before = proc.in_pid_namespace_of(box.pid)
    done = conjoin.exec(box, "sh", "-c", script,
                        options=["--cgroup", "own", "--timeout", "0.3", "--grace", "0.2"])
    assert done.returncode == 124
    wait_for(lambda: proc.in_pid_namespace_of(box.pid) <= before, what="the whole tree to be gone")


def test_with_a_pty_as_well(conjoin, box):
    done = conjoin.exec(box, "sh", "-c", DEAF,
                        options=["-t", "--timeout", "0.2", "--grace", "0.1"])
    assert done.returncode == 124


@pytest.mark.parametrize("text", ["", "x", "-1", "1x", "1e3", "99999999999999999999"])
def test_what_is_no_duration_is_named(conjoin, box, text):
    for options in (["--timeout", text], ["--timeout", "1", "--grace", text]):
        done = conjoin.exec(box, "true", options=options)
        assert_failed(done, 125, f'"{text}"')


def test_what_doesnt_go_together(conjoin, box):
    assert_failed(conjoin.exec(box, "true", options=["--grace", "1"]), 125, "--timeout")
    assert_failed(conjoin.exec(box, "true", options=["-d", "--timeout", "1"]), 125, "--detach")


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_debug_has_it_and_its_own_cgroup_is_emptied(conjoin, box):
    before = proc.in_pid_namespace_of(box.pid)
    done = conjoin.debug(box, "sh", "-c", "trap '' TERM; (setsid sleep 777 &); sleep 888",
                         options=["--timeout", "0.3", "--grace", "0.2"])
    assert (done.returncode, done.stderr) == (124, "")
    wait_for(lambda: proc.in_pid_namespace_of(box.pid) <= before, what="the whole tree to be gone")


def test_who_ended_in_time_but_was_looked_at_late_has_its_own_status(conjoin, box):
    """The supervisor is stopped over the limit: by then the command has long ended."""
    process = conjoin.popen("exec", "--timeout", "1", box.pid, "sh", "-c", "echo; exit 7",
                            stdout=subprocess.PIPE)
    try:
        end = time.monotonic() + 1.5
        assert process.stdout.read(1) == b"\n"
        process.send_signal(signal.SIGSTOP)
        wait_for(lambda: time.monotonic() > end)
        process.send_signal(signal.SIGCONT)
        assert process.wait(30) == 7
    finally:
        process.kill()
        process.communicate()


def test_a_little_is_more_than_nothing(conjoin, box):
    assert conjoin.exec(box, "sleep", "100", options=["--timeout", "0.5ms"]).returncode == 124


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_a_tracer_that_keeps_the_end_from_us_changes_nothing_about_it(conjoin, box):
    """The kernel tells a real parent nothing of a process that has ended, until its tracer has waited for it."""
    watched = Watched(conjoin, "--timeout", "1", "--grace", "0.2", box.pid, "sleep", "1000")
    with Tracer(watched.pid) as tracer:
        tracer.wait_for_its_end()
        status, err, event = watched.end()
        assert proc.stat_fields(watched.pid)[0] == "Z", "it was kept all the time"
    assert (status, event["event"], event["status"]) == (124, "exited", 124), err
    assert event["timed_out"] and event["reason"].endswith("the process that traces it keeps how"), event
