# SPDX-License-Identifier: MIT
"""--detach-keys: whoever sits at the terminal leaves by them, and the command goes on. Not here: --detach
(test_detach.py)."""

import os
import re
import signal
import time

import pytest

from lib import proc
from lib.failure import assert_failed
from lib.given import is_full
from lib.poll import wait_for
from lib.sandbox import Sandbox
from lib.terminal import NULL, TTY, Terminal, command_of

KEYS = ["--detach-keys", "ctrl-p,ctrl-q"]
LINE = re.compile(rb"\n(\d+:\w+) (\d+)\r\n")


@pytest.fixture(scope="module")
def box(sandbox_program, rootfs):
    box = Sandbox(sandbox_program, rootfs)
    yield box
    box.stop()


@pytest.fixture
def terminal(conjoin):
    one = Terminal(conjoin)
    yield one
    one.close()


class Detached:
    """What the keys have left behind: the handle, the PID inside, who stayed."""

    def __init__(self, terminal, command):
        found = LINE.search(terminal.seen)
        assert found, terminal.seen
        self.handle, self.inside = found.group(1).decode(), int(found.group(2))
        self.command = command
        self.stays = wait_for(lambda: who_holds(command), what="who stays")

    def end(self):
        if proc.alive(self.command):
            os.kill(self.command, signal.SIGKILL)
        wait_for(lambda: not proc.alive(self.command), what="end of the command")
        wait_for(lambda: not proc.alive(self.stays), what="end of who stays")


def who_holds(command):
    """The process of ours that isn't a watchdog and has the command's pidfd open."""
    for pid in proc.pids():
        try:
            if proc.read(pid, "comm") == b"conjoin\n" and holds(pid, command):
                return int(pid)
        except OSError:
            pass
    return None


def holds(pid, command):
    for fd in os.listdir(f"/proc/{pid}/fdinfo"):
        if f"\nPid:\t{command}\n" in proc.read(pid, f"fdinfo/{fd}").decode():
            return True
    return False


def leave(terminal, box, script, *options, keys=b"\x10\x11"):
    terminal.start(*KEYS, *options, box.pid, "sh", "-c", script)
    terminal.read_until(b"ready")
    terminal.wait_raw()
    command = command_of(terminal.running.pid)
    before = terminal.mode()
    terminal.type(keys)
    assert terminal.wait() == 0
    assert terminal.mode() != before
    return Detached(terminal, command)


def test_the_keys_end_us_and_not_the_command(terminal, box, conjoin):
    before = terminal.mode()
    left = leave(terminal, box, "echo ready; while [ ! -e /go ]; do sleep 0.01; done; rm /go")
    try:
        assert terminal.mode() == before
        assert proc.alive(left.command)
        assert conjoin.exec(box, "test", "-d", f"/proc/{left.inside}").returncode == 0
        assert conjoin.run("inspect", left.handle).returncode == 0
        assert conjoin.exec(box, "touch", "/go").returncode == 0
        wait_for(lambda: not proc.alive(left.command))
    finally:
        left.end()


def test_who_stays_is_nobodys_and_holds_nothing_of_ours(terminal, box):
    left = leave(terminal, box, "echo ready; exec sleep 1000")
    try:
        fields = proc.stat_fields(left.stays)
        assert int(fields[3]) == left.stays and int(fields[4]) == 0
        ours = os.fstat(terminal.slave)
        for fd in os.listdir(f"/proc/{left.stays}/fd"):
            held = os.stat(f"/proc/{left.stays}/fd/{fd}")
            assert (held.st_dev, held.st_rdev) != (ours.st_dev, ours.st_rdev)
        assert os.readlink(f"/proc/{left.stays}/cwd") == "/"
    finally:
        left.end()


def test_a_hang_up_of_the_terminal_afterwards_doesnt_reach_the_command(conjoin, box):
    terminal = Terminal(conjoin)
    left = None
    try:
        left = leave(terminal, box, "echo ready; exec sleep 1000")
        terminal.close()
        assert proc.alive(left.command) and proc.alive(left.stays)
    finally:
        if left:
            left.end()


def test_what_it_writes_afterwards_is_in_the_log_and_only_that(terminal, box, tmp_path, conjoin):
    log = tmp_path / "log"
    left = leave(terminal, box, "echo ready; while [ ! -e /go ]; do sleep 0.01; done; rm /go; "
                 "tty; seq 1 20000", "--log", log)
    try:
        assert conjoin.exec(box, "touch", "/go").returncode == 0
        wait_for(lambda: not proc.alive(left.stays))
        lines = log.read_bytes().split(b"\r\n")
        assert lines[0].startswith(b"/dev/pts/")
        assert lines[1:] == [b"%d" % n for n in range(1, 20001)] + [b""]
    finally:
        left.end()


def test_without_a_log_it_never_waits_for_a_reader(terminal, box, conjoin):
    left = leave(terminal, box, "echo ready; while [ ! -e /go ]; do sleep 0.01; done; rm /go; "
                 "seq 1 200000; echo x >/finished; exec sleep 1000")
    try:
        conjoin.exec(box, "touch", "/go")
        wait_for(lambda: conjoin.exec(box, "rm", "/finished").returncode == 0, 30)
    finally:
        left.end()


def test_a_full_disk_for_the_log_ends_nobody(terminal, box, conjoin):
    """What can't be written is thrown away, and the command's terminal stays."""
    left = leave(terminal, box, "trap ': >/hup' HUP; echo ready; while [ ! -e /go ]; do sleep 0.01; done; rm /go; "
                 "seq 1 20000 && echo x >/dev/tty && [ ! -e /hup ] && : >/finished; exec sleep 1000",
                 "--log", "/dev/full")
    try:
        assert conjoin.exec(box, "touch", "/go").returncode == 0
        wait_for(lambda: proc.read(left.command, "cmdline").startswith(b"sleep"))
        assert conjoin.exec(box, "rm", "/finished").returncode == 0
        assert proc.alive(left.stays)
    finally:
        left.end()


def test_a_log_that_nobody_reads_keeps_nobody(terminal, box, tmp_path):
    """A FIFO: what is left when the command ends is lost."""
    fifo = tmp_path / "log"
    os.mkfifo(fifo)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    try:
        left = leave(terminal, box, "echo ready; while :; do echo much; done", "--log", fifo)
        wait_for(lambda: is_full(fifo))
        left.end()
    finally:
        os.close(reader)


def test_a_time_limit_is_taken_over(terminal, box):
    begin = time.monotonic()
    left = leave(terminal, box, "trap '' TERM; echo ready; (setsid sleep 1000 &) ; sleep 1000; sleep 1000",
                 "--timeout", "1", "--grace", "200ms")
    try:
        assert proc.alive(left.command)
        wait_for(lambda: not proc.alive(left.command))
        assert 1 <= time.monotonic() - begin < 5
        wait_for(lambda: not proc.alive(left.stays))
    finally:
        left.end()


def test_a_grace_that_has_begun_goes_on_and_doesnt_begin_anew(terminal, box):
    script = "trap 'echo told' TERM; echo ready; while :; do sleep 0.01; done"
    terminal.start(*KEYS, "--timeout", "300ms", "--grace", "2s", box.pid, "sh", "-c", script)
    terminal.read_until(b"told")
    begin = time.monotonic()
    command = command_of(terminal.running.pid)
    terminal.type(b"\x10\x11")
    assert terminal.wait() == 0
    wait_for(lambda: not proc.alive(command))
    assert 1.5 < time.monotonic() - begin < 2.25


def own_cgroups(pid):
    """Names of cgroups that were made for it."""
    names = {path.rpartition("/")[2] for path in proc.cgroups(pid).values()}
    return {name for name in names if re.fullmatch(r"(conjoin-)?\d+:.*", name)}


@pytest.mark.parametrize("options", [["--kill-tree"], ["--cgroup", "own", "--pids-limit", "50"]])
def test_its_cgroups_are_removed_when_it_has_ended(terminal, box, options):
    left = leave(terminal, box, "echo ready; sleep 1000", *options)
    try:
        names = own_cgroups(left.command)
        assert names
    finally:
        left.end()
    for base, folders, _ in os.walk("/sys/fs/cgroup"):
        assert not names & set(folders), base


def test_the_death_of_who_stays_is_the_commands(terminal, box):
    left = leave(terminal, box, "trap '' HUP; echo ready; sleep 1000; sleep 1000")
    os.kill(left.stays, signal.SIGKILL)
    wait_for(lambda: not proc.alive(left.command), what="end of the command")


def test_signals_to_who_stays_go_on_to_the_command(terminal, box, tmp_path):
    log = tmp_path / "log"
    left = leave(terminal, box, "trap 'echo caught; exit' USR1; echo ready; "
                 "while :; do sleep 0.01; done", "--log", log)
    try:
        os.kill(left.stays, signal.SIGUSR1)
        wait_for(lambda: not proc.alive(left.stays))
        assert log.read_bytes().endswith(b"caught\r\n")
    finally:
        left.end()


@pytest.mark.parametrize("typed, arrives", [
    (b"\x10a\r", b"^Pa"), (b"\x10\x10\x10b\r", b"^P^P^Pb"), (b"\x11\r", b"^Q"),
])
def test_a_part_of_the_sequence_goes_to_the_command(terminal, box, typed, arrives):
    script = "stty -ixon; echo ready; read -r x; printf %s $x | cat -v; exit 3"
    terminal.start(*KEYS, box.pid, "sh", "-c", script)
    terminal.read_until(b"ready\r\n")
    terminal.wait_raw()
    terminal.type(typed)
    assert terminal.wait() == 3
    assert terminal.seen.rpartition(b"\n")[2] == arrives


def test_the_sequence_is_found_when_it_comes_key_by_key_and_after_a_false_beginning(terminal, box):
    left = None
    terminal.start("--detach-keys", "a,a,b", box.pid, "sh", "-c", "stty -echo; echo ready; cat")
    terminal.read_until(b"ready\r\n")
    terminal.wait_raw()
    command = command_of(terminal.running.pid)
    for key in b"xaaab":
        terminal.type(bytes([key]))
    assert terminal.wait() == 0
    left = Detached(terminal, command)
    left.end()


def test_without_the_option_no_key_is_special(terminal, box):
    terminal.start(box.pid, "sh", "-c", "stty raw -echo; echo ready; head -c 256 | md5sum")
    terminal.read_until(b"ready")
    terminal.wait_raw()
    terminal.type(bytes(range(256)))
    terminal.read_until(b"e2c865db4162bed963bfaa9ef6ac18f0")
    assert terminal.wait() == 0


@pytest.mark.parametrize("keys", ["ctrl-", "ctrl-1", "ab", "a,,b", "a,", ",", "ctrl-A", "x" * 40,
                                  ",".join("x" * 33)])
def test_what_are_no_keys_is_named(conjoin, box, keys):
    done = conjoin.exec(box, "true", options=["-t", "--detach-keys", keys])
    assert_failed(done, 125, "--detach-keys")


@pytest.mark.parametrize("options", [[], ["-T"], ["-d"], ["-t", "--no-stdin"]])
def test_they_need_a_pty_and_keys(conjoin, box, options):
    assert_failed(conjoin.exec(box, "true", options=[*options, *KEYS]), 125, "a pty")


def test_no_keys_are_none(conjoin, box):
    assert conjoin.exec(box, "true", options=["--detach-keys", ""]).returncode == 0


def test_a_log_needs_a_reason(conjoin, box, tmp_path):
    done = conjoin.exec(box, "true", options=["-t", "--log", tmp_path / "log"])
    assert_failed(done, 125, "--detach-keys")
    assert not (tmp_path / "log").exists()


def test_the_command_ends_before_the_keys_and_its_status_is_ours(terminal, box):
    terminal.start(*KEYS, box.pid, "sh", "-c", "exit 9", fds=(TTY, TTY, NULL))
    assert terminal.wait() == 9
