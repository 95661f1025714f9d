# SPDX-License-Identifier: MIT
"""Stopping and going on at the word of the shell that runs us: without a pty the command stops as well, with
one the terminal gets its mode back. Not here: signals that don't stop (test_signals.py)."""

import os
import re
import signal
import subprocess
import termios
import time
import tty

import pexpect
import pytest

from lib import proc
from lib.held import watchdog_of
from lib.poll import wait_for
from lib.sandbox import Sandbox
from lib.terminal import DEADLINE, command_of

PROMPT = "ready> "
SHELLS = {"bash": ["--norc", "--noediting", "-i"], "dash": ["-i"]}


@pytest.fixture(scope="module")
def box(sandbox_program, rootfs):
    box = Sandbox(sandbox_program, rootfs)
    yield box
    box.stop()


class Shell:
    """An interactive shell with job control, on a terminal."""

    def __init__(self, conjoin, name="bash"):
        env = {**os.environ, "PS1": PROMPT, "ENV": "", "CONJOIN": conjoin.path}
        self.shell = pexpect.spawn(
            f"/usr/bin/{name}", SHELLS[name], env=env, encoding="utf-8", timeout=DEADLINE,
            echo=False,
        )
        self.expect(PROMPT)

    def expect(self, text):
        self.shell.expect_exact(text)

    def send(self, line):
        self.shell.sendline(line)

    def exec(self, box, script, options=""):
        self.send(f"$CONJOIN exec {options} {box.pid} sh -c '{script}'")

    def jobs(self):
        """Supervisors: the shell's children that are conjoin."""
        found = []
        with open(f"/proc/{self.shell.pid}/task/{self.shell.pid}/children", encoding="ascii") as f:
            for pid in f.read().split():
                try:
                    if proc.read(pid, "comm") == b"conjoin\n" and proc.alive(pid):
                        found.append(int(pid))
                except OSError:
                    pass
        return found

    def job(self):
        return wait_for(self.jobs, DEADLINE, "the job")[0]

    def status(self):
        self.send("echo status=$?=")
        self.shell.expect(re.compile(r"status=(\d+)="))
        status = int(self.shell.match.group(1))
        self.expect(PROMPT)
        return status

    def close(self):
        self.shell.close(force=True)


@pytest.fixture(params=SHELLS)
def shell(request, conjoin):
    one = Shell(conjoin, request.param)
    yield one
    one.close()


@pytest.fixture
def bash(conjoin):
    one = Shell(conjoin)
    yield one
    one.close()


def session_of(command):
    """States of all processes of the session that it leads."""
    states = []
    for pid in proc.pids():
        try:
            fields = proc.stat_fields(pid)
        except OSError:
            continue
        if int(fields[3]) == command and fields[0] not in "ZX":
            states.append(fields[0])
    return states


def all_stopped(command):
    return set(session_of(command)) == {"T"}


def none_stopped(command):
    return "T" not in session_of(command)


def test_ctrl_z_stops_the_command_and_fg_goes_on(shell, box):
    shell.exec(box, "sh -c \"sleep 1000; :\" & (sleep 1000 &); echo up; while :; do sleep 0.1; done",
               "-T --kill-tree")
    shell.expect("up\r\n")
    command = command_of(shell.job())
    wait_for(lambda: len(session_of(command)) >= 4)
    shell.shell.send("\x1a")
    shell.expect(PROMPT)
    assert all_stopped(command) and proc.stat_fields(shell.job())[0] == "T"
    shell.send("fg")
    wait_for(lambda: none_stopped(command))
    shell.shell.send("\x03")
    shell.expect(PROMPT)
    assert shell.status() == 128 + signal.SIGINT


def test_its_handler_tidies_up_first(shell, box):
    shell.exec(box, "trap \"echo tidy\" TSTP; echo up; while :; do sleep 0.01; done", "-T")
    shell.expect("up\r\n")
    command = command_of(shell.job())
    shell.shell.send("\x1a")
    shell.expect("tidy\r\n")
    shell.expect(PROMPT)
    assert all_stopped(command)


def test_a_handler_that_stops_the_command_isnt_waited_for(bash, box):
    bash.exec(box, "trap \"kill -STOP \\$\\$\" TSTP; echo up; while :; do sleep 0.001; done", "-T")
    bash.expect("up\r\n")
    bash.shell.send("\x1a")
    bash.expect(PROMPT)
    assert all_stopped(command_of(bash.job()))


def test_bg_goes_on_in_the_background(shell, box):
    shell.exec(box, "echo up; while [ ! -e /go ]; do sleep 0.01; done; rm /go; echo fin\"\"ished", "-T")  # the shell shows this line as well
    shell.expect("up\r\n")
    command = command_of(shell.job())
    shell.shell.send("\x1a")
    shell.expect(PROMPT)
    wait_for(lambda: all_stopped(command))
    shell.send("bg")
    wait_for(lambda: none_stopped(command))
    shell.exec(box, ": >/go")
    shell.expect("finished")
    wait_for(lambda: not shell.jobs())


def test_brought_to_the_foreground_and_killed_we_leave_the_mode_of_before(bash, box):
    """Its watchdog was made when the terminal was somebody else's."""
    bash.send(f"$CONJOIN exec -t {box.pid} sh -c 'echo u\"\"p; exec sleep 1000' &")
    bash.expect("up")
    job = bash.job()
    before = termios.tcgetattr(bash.shell.child_fd)
    bash.send("fg")
    wait_for(lambda: not termios.tcgetattr(bash.shell.child_fd)[3] & termios.ICANON)
    os.kill(job, signal.SIGKILL)
    wait_for(lambda: termios.tcgetattr(bash.shell.child_fd) == before)


def test_again_and_again(bash, box):
    bash.exec(box, "echo up; while :; do sleep 0.01; done", "-T")
    bash.expect("up\r\n")
    command = command_of(bash.job())
    for _ in range(20):
        bash.shell.send("\x1a")
        bash.expect(PROMPT)
        assert all_stopped(command)
        bash.send("fg")
        wait_for(lambda: none_stopped(command))
    bash.shell.send("\x03")
    bash.expect(PROMPT)


def test_processes_that_are_made_meanwhile_are_stopped_as_well(bash, box):
    bash.exec(box, "echo up; while :; do (:) & (:) & wait; done", "-T")
    bash.expect("up\r\n")
    command = command_of(bash.job())
    for _ in range(10):
        bash.shell.send("\x1a")
        bash.expect(PROMPT)
        assert all_stopped(command)
        bash.send("fg")
        wait_for(lambda: none_stopped(command))


@pytest.mark.parametrize("number", [signal.SIGTTIN, signal.SIGTTOU])
def test_the_other_signals_that_stop_do_the_same(bash, box, number):
    bash.exec(box, "echo up; while :; do sleep 0.01; done", "-T")
    bash.expect("up\r\n")
    job = bash.job()
    command = command_of(job)
    os.kill(job, number)
    bash.expect(PROMPT)
    assert all_stopped(command)
    os.kill(job, signal.SIGCONT)
    wait_for(lambda: none_stopped(command))


def test_time_goes_on_while_stopped(bash, box):
    bash.exec(box, "echo up; while :; do sleep 0.01; done", "-T --timeout 1")
    started = time.monotonic()
    bash.expect("up\r\n")
    job = bash.job()
    bash.shell.send("\x1a")
    bash.expect(PROMPT)
    wait_for(lambda: time.monotonic() - started > 1.2)
    assert proc.stat_fields(job)[0] == "T"
    bash.send("fg")
    begin = time.monotonic()
    bash.expect(PROMPT)
    assert bash.status() == 124 and time.monotonic() - begin < 0.7


def test_who_reads_keys_in_the_background_is_stopped(bash, box):
    bash.send(f"$CONJOIN exec -i -T {box.pid} sh -c 'echo up; read x; echo got $x' &")
    bash.expect("up\r\n")
    job = bash.job()
    bash.send("sleep 1000")  # so that it isn't the shell that reads the next line
    wait_for(lambda: os.tcgetpgrp(bash.shell.child_fd) != os.getpgid(bash.shell.pid))
    bash.send("word")
    wait_for(lambda: proc.stat_fields(job)[0] == "T", what="SIGTTIN")
    bash.shell.send("\x03")  # which throws away what is typed by then
    bash.expect(PROMPT)
    bash.send("fg")
    wait_for(lambda: proc.stat_fields(job)[0] != "T")
    bash.send("word")
    bash.expect("got word")
    bash.expect(PROMPT)


def test_who_writes_in_the_background_is_stopped_if_the_terminal_wants_that(bash, box):
    bash.send("stty tostop")
    bash.expect(PROMPT)
    bash.send(f"$CONJOIN exec -T {box.pid} sh -c 'echo written' &")
    job = bash.job()
    wait_for(lambda: proc.stat_fields(job)[0] == "T", what="SIGTTOU")
    bash.send("fg")
    bash.expect("written\r\n")
    bash.expect(PROMPT)


def test_a_command_that_stops_itself_doesnt_stop_the_job(bash, box):
    bash.exec(box, "echo up; kill -STOP $$; echo on", "-T")
    bash.expect("up\r\n")
    command = command_of(bash.job())
    wait_for(lambda: all_stopped(command))
    assert proc.stat_fields(bash.job())[0] == "S"
    os.kill(command, signal.SIGCONT)
    bash.expect("on\r\n")
    bash.expect(PROMPT)


def raw(shell):
    keys = termios.ICANON | termios.ECHO | termios.ISIG
    return termios.tcgetattr(shell.shell.child_fd)[3] & keys == 0


def test_with_a_pty_ctrl_z_is_a_key_for_the_command(shell, box):
    shell.exec(box, "stty -isig -icanon; echo up; dd bs=1 count=1 2>/dev/null | od -An -tx1")
    shell.expect("up\r\n")
    wait_for(lambda: raw(shell))
    shell.shell.send("\x1a")
    shell.expect("1a")
    shell.expect(PROMPT)


@pytest.mark.parametrize("number", [signal.SIGTSTP, signal.SIGSTOP])
def test_with_a_pty_the_terminal_is_the_shells_while_we_are_stopped(shell, box, number):
    shell.exec(box, "trap \"echo [\\$(stty size)]\" CONT; echo up; "
                    "while :; do read x && echo got $x; done")
    shell.expect("up\r\n")
    job = shell.job()
    wait_for(lambda: raw(shell))
    os.kill(job, number)
    shell.expect(PROMPT)
    if number == signal.SIGTSTP:
        assert not raw(shell)
        assert shell.status() != 0  # it can be talked to
    shell.shell.setwinsize(33, 99)
    shell.send("fg")
    wait_for(lambda: raw(shell))
    shell.expect("[33 99]")
    shell.shell.send("word\r")
    shell.expect("got word")
    os.kill(job, signal.SIGTERM)
    shell.expect(PROMPT)
    wait_for(lambda: not raw(shell))


def stopped_with_a_pty(bash, box, script):
    bash.exec(box, script)
    bash.expect("up\r\n")
    job = bash.job()
    wait_for(lambda: raw(bash))
    os.kill(job, signal.SIGTSTP)
    bash.expect(PROMPT)
    return job


def test_with_a_pty_in_the_background_it_leaves_the_terminal_alone(bash, box):
    job = stopped_with_a_pty(bash, box, "echo up; while :; do read x && echo got $x; done")
    bash.send("bg")
    bash.expect(PROMPT)
    wait_for(lambda: proc.stat_fields(job)[0] == "S", what="going on")
    bash.send("echo $((12*12))")
    bash.expect("144")
    assert not raw(bash)
    bash.send("fg")
    wait_for(lambda: raw(bash))
    bash.shell.send("word\r")
    bash.expect("got word")


def test_stopped_with_a_pty_it_can_be_killed(bash, box):
    """The shell sends SIGTERM, and SIGCONT after that: not to the foreground."""
    job = stopped_with_a_pty(bash, box, "echo up; sleep 1000")
    bash.send("kill %1")
    wait_for(lambda: not proc.alive(job))
    bash.send("wait %1; echo it was $?.")
    bash.expect("it was 143.")


def test_killed_while_stopped_we_leave_others_raw_mode_alone(bash, box):
    job = stopped_with_a_pty(bash, box, "echo up; exec sleep 1000")
    watchdog = watchdog_of(job)
    bash.send("cat >/dev/null")  # the shell waits, and changes nothing
    wait_for(lambda: proc.children(bash.shell.pid)[-1] != job)
    tty.setraw(bash.shell.child_fd)
    os.kill(job, signal.SIGKILL)
    wait_for(lambda: not proc.alive(watchdog))
    assert raw(bash)


def test_killed_while_stopped_we_leave_the_shells_mode_alone(bash, box):
    bash.exec(box, "echo up; sleep 1000")
    bash.expect("up\r\n")
    job = bash.job()
    command = command_of(job)
    wait_for(lambda: raw(bash))
    os.kill(job, signal.SIGTSTP)
    bash.expect(PROMPT)
    os.kill(job, signal.SIGKILL)
    wait_for(lambda: not proc.alive(command), what="end of the command")
    assert bash.status() == 128 + signal.SIGTSTP


def test_where_nobody_could_continue_us_ctrl_z_means_nothing(conjoin, box):
    """Leader of a session, as beneath ssh -t: an orphaned group, which the kernel doesn't stop either."""
    shell = pexpect.spawn(conjoin.path, ["exec", "-T", str(box.pid), "sh", "-c",
                                         "echo up; sleep 0.5; echo done"], timeout=DEADLINE)
    shell.expect_exact("up")
    shell.send("\x1a")
    shell.expect_exact("done")
    shell.expect(pexpect.EOF)


def test_who_is_continued_at_once_goes_on(conjoin, box):
    for pause in 0, 0.001, 0.01, 0.03:
        process = conjoin.popen("exec", box.pid, "sh", "-c",
                                "trap 'sleep 0.05' TSTP; echo up; sleep 0.3; exit 6",
                                stdout=subprocess.PIPE, process_group=0)
        with process:
            assert process.stdout.readline() == b"up\n"
            process.send_signal(signal.SIGTSTP)
            end = time.monotonic() + pause
            wait_for(lambda end=end: time.monotonic() >= end)
            process.send_signal(signal.SIGCONT)
            assert process.wait(DEADLINE) == 6
