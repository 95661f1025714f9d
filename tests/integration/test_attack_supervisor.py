# SPDX-License-Identifier: MIT
"""What a hostile container does to the processes that enter it can't hurt the one that stays
outside: it doesn't hang, isn't made to lie, and nothing is left. Not here: what is seen inside
(test_attack.py)."""

import os
import pty
import signal
import subprocess
import time

import pytest

from lib import proc
from lib.attack import FULL, ROUNDS, arena, hosts, program, stop_attack  # noqa: F401
from lib.poll import wait_for

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
FEW = max(ROUNDS // 10, 50)
OURS, KILLED = 125, 128 + signal.SIGKILL
RAN = (0, b"ran\n", b"")
CAPS = "docker,sys_ptrace"


def storm(arena, box, rounds, options=(), **more):
    return arena.storm(arena.enter(box.pid, "echo", "ran", options=options), rounds, **more)


def lies(results):
    """Neither ran and said so, nor was killed, nor failed with a word about it."""
    return [
        (status, out, err) for status, out, err in results
        if not (status == 0 and out == b"ran\n" or status == KILLED or status == OURS and err)
    ]


def unprintable(results):
    """Bytes that a terminal would act on."""
    return [err for _, _, err in results
            if any(byte < 32 and byte != 10 or 127 <= byte < 160 for byte in ascii_only(err))]


def ascii_only(text):
    """Without the characters of UTF-8 that are more than a byte: those are spelled right or not."""
    return [ord(c) for c in text.decode(errors="surrogateescape")]


@pytest.mark.parametrize("attack", ["kill", "stop"])
def test_a_command_that_is_signalled_before_it_runs_isnt_reported_as_done(arena, attack):
    box = arena.container(attack, caps=CAPS)
    results = storm(arena, box, FEW)
    _, caught, _ = stop_attack(box)
    assert lies(results) == []
    assert caught > 0
    assert any(status != 0 for status, _, _ in results)


@pytest.fixture
def bystander():
    process = subprocess.Popen(["sleep", "100000"])
    yield process
    process.kill()
    process.wait()


@pytest.mark.parametrize("options", [[], ["--verbose"]])
def test_forged_reports_are_neither_believed_nor_printed_as_they_are(arena, bystander, options):
    """They name processes of the host, too: one that stands by isn't touched."""
    box = arena.container("forge", "forge", caps=CAPS)
    results = storm(arena, box, FEW, options)
    assert bystander.poll() is None
    _, caught, _ = stop_attack(box)
    assert lies(results) == []
    assert unprintable(results) == []
    assert [err for _, _, err in results if b"\nconjoin: all is well" in err] == []
    assert [err for _, _, err in results if b"seal" in err or b"Exec format" in err] == []
    assert caught > 0
    assert any(b"forged" in err for _, _, err in results)  # else none of them came through


def test_a_command_whose_end_is_kept_secret_by_a_tracer_isnt_waited_for_for_ever(arena):
    """Killed and not reaped: the kernel tells its real parent nothing while it's traced."""
    box = arena.container("unreaped", caps=CAPS)
    results = storm(arena, box, 40, deadline=20)
    _, _, traced = stop_attack(box)
    assert traced > 0
    assert [status for status, _, _ in results if status == "hung"] == []
    assert lies(results) == []


def test_a_start_that_is_muted_and_held_by_a_tracer_ends(arena):
    box = arena.container("mute", caps=CAPS)
    for _ in range(40):
        process = arena.popen(arena.enter(box.pid, "echo", "ran"))
        try:
            # held between its last word and execve: to us that's a command that takes its time
            runs = wait_for(lambda: process.poll() is not None or is_watched(process.pid) and "yes",
                            20, what="the end of a muted start") == "yes"
        finally:
            process.kill()
            out, err = process.communicate()
        assert runs or lies([(process.returncode, out, err)]) == []
    assert stop_attack(box)[2] > 0


if FULL:  # as long as the supervisor's own deadline

    # who drains one pipe does nothing else from then on
    @pytest.mark.parametrize("attack, rounds", [("hold", 4), ("drain", 200)])
    def test_a_stolen_report_pipe_costs_the_deadline_at_most(arena, attack, rounds):
        box = arena.container(attack, caps=CAPS)
        results = storm(arena, box, rounds, deadline=50)
        _, caught, _ = stop_attack(box)
        assert caught > 0
        assert [status for status, _, _ in results if status == "hung"] == []
        assert lies(results) == []


def run_at_a_terminal(words, rounds):
    """Runs a command `rounds` times in a session that has a terminal, 0 to 2 being pipes."""
    reader, writer = os.pipe()
    pid, master = pty.fork()
    if pid == 0:
        try:
            null = os.open("/dev/null", os.O_RDONLY)
            os.dup2(writer, 1)
            os.dup2(writer, 2)
            os.dup2(null, 0)
            for _ in range(rounds):
                subprocess.run(words, stdin=subprocess.DEVNULL, close_fds=False, check=False)
        finally:
            os._exit(0)
    os.close(writer)
    with open(reader, "rb") as f:
        out = f.read()
    os.waitpid(pid, 0)
    os.close(master)
    return out


def test_the_callers_terminal_isnt_in_reach_of_a_tracer(arena):
    box = arena.container("look", "trace", caps="all")
    out = run_at_a_terminal(arena.enter(box.pid, "echo", "ran"), FEW)
    found, _, traced = stop_attack(box)
    assert out.count(b"ran") == FEW
    assert traced > 0
    assert [line for line in found if "terminal" in line] == []


def test_self_check_a_terminal_is_in_reach_of_a_tracer_if_the_session_is_kept(arena):
    box = arena.container("look", "trace", caps="all")
    run_at_a_terminal([program("naive"), str(box.pid), "echo", "ran"], 20)
    found = stop_attack(box)[0]
    assert "a process has the caller's terminal" in found
    assert "a traced process can open the caller's terminal" in found


def children(pid):
    """{pid: (name, state)} of those that are there."""
    found = {}
    for word in proc.read(pid, f"task/{pid}/children").split():
        try:
            status = proc.status(int(word))
        except OSError:
            continue
        found[int(word)] = (status["Name"], status["State"][0])
    return found


def is_watched(pid):
    """The watchdog is made when the command runs, from our point of view."""
    try:
        return "conjoin-watch" in [name for name, _ in children(pid).values()]
    except OSError:
        return False


def how_it_fares(process):
    """Held before execve; or missed, or killed, by one that came too late. None: not yet."""
    if process.poll() is not None:
        return "ended"
    for name, state in children(process.pid).values():
        if name == "conjoin" and state == "T":
            return "held"
        if name == "sleep" and state in "ST":
            return "missed"
    return None


def end_it(process, sig):
    """With only execve left the first signal is kept for the command; the second isn't."""
    process.send_signal(sig)
    try:
        return process.wait(1)
    except subprocess.TimeoutExpired:
        process.send_signal(sig)
        return process.wait(10)


@pytest.mark.parametrize("sig", [signal.SIGTERM, signal.SIGINT])
def test_a_start_that_is_held_from_inside_can_be_ended_from_outside(arena, sig):
    box = arena.container("halt", caps=CAPS)
    held = False
    for _ in range(100):
        process = arena.popen(arena.enter(box.pid, "sleep", "100000"))
        try:
            held = wait_for(lambda: how_it_fares(process), what="the command") == "held"
            if held:
                assert end_it(process, sig) in (OURS, 128 + sig)
                break
        finally:
            process.kill()
            process.communicate()
    assert held


def test_nothing_is_left_when_the_container_dies_while_it_is_entered(arena):
    for _ in range(8):
        box = arena.container("look", caps=CAPS)
        entering = [arena.popen(arena.enter(box.pid, "sleep", "100000")) for _ in range(4)]
        deadline = time.monotonic() + 20
        box.stop()
        for process in entering:
            _, err = process.communicate(timeout=max(deadline - time.monotonic(), 1))
            assert process.returncode in (OURS, KILLED), err
