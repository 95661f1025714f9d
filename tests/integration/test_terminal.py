# SPDX-License-Identifier: MIT
"""No terminal of the caller's gets into a container: ptys, relays, modes. Each test has a host
terminal of its own, whose other side it holds. Not here: pipes and files (test_stdio.py)."""

import os
import signal
import subprocess
import termios

import pytest

from lib import proc, trace
from lib.failure import assert_failed
from lib.held import watchdog_of
from lib.poll import wait_for
from lib.sandbox import Sandbox
from lib.terminal import DEADLINE, NULL, PIPE, TTY, Terminal, command_of


@pytest.fixture(scope="module")
def box(sandbox_program, rootfs):
    box = Sandbox(sandbox_program, rootfs, env=["TERM=of-the-target"])
    yield box
    box.stop()


@pytest.fixture
def terminal(conjoin):
    one = Terminal(conjoin)
    yield one
    one.close()


def test_a_pty_is_made_when_stdin_and_stdout_are_terminals(terminal, box):
    terminal.start(box.pid, "sh", "-c", "tty; stat -c %F,%t $(tty); exit 7")
    shown = terminal.read_until(b"character special file,88")
    assert b"/dev/pts/" in shown
    assert terminal.wait() == 7


def test_its_device_is_one_of_the_containers_own(terminal, box):
    terminal.start(box.pid, "sh", "-c", "tty; read x")
    name = terminal.read_until(b"\n").strip().decode()
    inside = os.stat(f"/proc/{box.pid}/root{name}")
    command = command_of(terminal.running.pid)
    for fd in range(3):
        found = os.stat(f"/proc/{command}/fd/{fd}")
        assert (found.st_rdev, found.st_dev) == (inside.st_rdev, inside.st_dev)
        assert found.st_dev != os.fstat(terminal.slave).st_dev
    terminal.type(b"\r")
    assert terminal.wait() == 0


def test_the_pty_is_the_controlling_terminal_of_a_new_session(terminal, box):
    terminal.start(box.pid, "sh", "-c", "echo ready >/dev/tty; read x")
    terminal.read_until(b"ready")
    command = command_of(terminal.running.pid)
    session, tty_nr = proc.stat_fields(command)[3:5]
    assert int(session) == command
    assert int(tty_nr) == os.stat(f"/proc/{command}/fd/0").st_rdev
    terminal.type(b"\r")
    assert terminal.wait() == 0


def test_the_ptys_owner_is_the_commands_user(terminal, box):
    script = "stat -c %U $(tty) && echo x >$(tty) && exit 9"
    terminal.start("-u", "app", box.pid, "sh", "-c", script)
    terminal.read_until(b"app")
    assert terminal.wait() == 9


@pytest.mark.parametrize("option, fds, has", [
    ([], (TTY, TTY, NULL), True), ([], (TTY, PIPE, TTY), False), ([], (PIPE, TTY, TTY), False),
    ([], (NULL, TTY, TTY), False), (["-T"], (TTY, TTY, TTY), False),
    (["-i"], (TTY, TTY, TTY), True), (["-i", "-T"], (TTY, TTY, TTY), False),
    (["-t"], (TTY, TTY, TTY), True), (["-it"], (TTY, TTY, TTY), True),
    (["--no-stdin"], (TTY, TTY, TTY), False), (["-t"], (NULL, TTY, TTY), True),
    (["-t", "-T"], (TTY, TTY, TTY), False), (["-T", "-t"], (TTY, TTY, TTY), True),
    (["-t", "--no-stdin"], (TTY, TTY, TTY), True),
])
def test_whether_there_is_a_pty(terminal, box, option, fds, has):
    terminal.start(*option, box.pid, "sh", "-c", "(: </dev/tty) 2>/dev/null; exit $?", fds=fds)
    assert (terminal.wait() == 0) == has


def test_a_pty_also_without_any_terminal_when_asked_for(conjoin, box):
    done = conjoin.exec(box, "sh", "-c", "tty; exit 7", options=["-t"])
    assert done.returncode == 7 and done.stdout.startswith("/dev/pts/")


@pytest.mark.parametrize("fds", [
    (TTY, TTY, TTY), (TTY, TTY, PIPE), (TTY, PIPE, TTY), (PIPE, TTY, TTY), (TTY, PIPE, PIPE),
    (PIPE, TTY, PIPE), (PIPE, PIPE, TTY),
])
def test_no_terminal_of_ours_is_inside(conjoin, box, fds):
    for option in ([], ["-i"], ["-t"], ["-T"], ["-i", "-T"], ["--no-stdin"]):
        terminal = Terminal(conjoin)
        try:
            terminal.start(*option, box.pid, "sleep", "1000", fds=fds)
            assert_has_no_terminal_of_ours(terminal)
        finally:
            terminal.close()


def assert_has_no_terminal_of_ours(terminal):
    command = command_of(terminal.running.pid)
    ours = (os.fstat(terminal.slave).st_dev, terminal.device())
    for fd in os.listdir(f"/proc/{command}/fd"):
        found = os.stat(f"/proc/{command}/fd/{fd}")
        assert (found.st_dev, found.st_rdev) != ours
        assert found.st_rdev != os.makedev(5, 0)  # /dev/tty, which is the host's as well
    session = int(proc.stat_fields(command)[3])
    assert session == command != os.getsid(terminal.running.pid)


def test_what_is_written_without_a_pty_reaches_the_terminal(terminal, box):
    terminal.start("-T", box.pid, "sh", "-c", "echo out; echo err >&2; test -t 1; exit $?")
    terminal.read_until(b"out\r\n")
    assert terminal.wait() == 1


def test_keys_arent_read_without_a_pty(terminal, box):
    terminal.type(b"typed ahead\n")
    terminal.start("-T", box.pid, "cat")
    assert terminal.wait() == 0
    os.set_blocking(terminal.slave, False)
    assert os.read(terminal.slave, 100) == b"typed ahead\n"


def test_keys_arent_read_when_stdout_is_a_pipe_to_a_pager(terminal, box):
    terminal.type(b"q\n")
    terminal.start(box.pid, "cat", "/etc/hostname", "-", fds=(TTY, PIPE, TTY))
    assert terminal.running.stdout.read() == b"sandbox\n"
    assert terminal.wait() == 0
    os.set_blocking(terminal.slave, False)
    assert os.read(terminal.slave, 100) == b"q\n"


def test_keys_are_read_without_a_pty_when_asked_for(terminal, box):
    terminal.start("-i", "-T", box.pid, "sh", "-c", "read x; echo got $x")
    command_of(terminal.running.pid)
    terminal.type(b"word\n")
    terminal.read_until(b"got word")
    assert terminal.wait() == 0


def test_keys_can_be_read_while_stdout_is_a_pipe_when_asked_for(terminal, box):
    terminal.start("-i", box.pid, "cat", fds=(TTY, PIPE, TTY))
    terminal.type(b"word\n\x04")
    assert terminal.running.stdout.read() == b"word\n"
    assert terminal.wait() == 0


def test_the_mode_is_raw_meanwhile_and_as_before_afterwards(terminal, box):
    before = terminal.mode()
    terminal.start(box.pid, "sh", "-c", "echo ready; read x; exit 3")
    terminal.read_until(b"ready")
    wait_for(lambda: not terminal.mode()[3] & (termios.ICANON | termios.ECHO | termios.ISIG))
    terminal.type(b"\r")
    assert terminal.wait() == 3
    assert terminal.mode() == before


@pytest.mark.parametrize("args, status", [
    (["-w", "/nope", "TARGET", "true"], 125), (["TARGET", "nope"], 127), (["TARGET", "/etc"], 126),
])
def test_the_mode_is_as_before_after_a_failure_and_the_error_is_seen(terminal, box, args, status):
    before = terminal.mode()
    terminal.start(*[box.pid if arg == "TARGET" else arg for arg in args])
    assert terminal.wait() == status
    assert terminal.mode() == before
    assert terminal.seen.startswith(b"conjoin: exec") and terminal.seen.count(b"\r\n") <= 2


def test_the_mode_is_as_before_after_a_signal_ended_the_command(terminal, box):
    before = terminal.mode()
    terminal.start(box.pid, "sh", "-c", "echo ready; kill -9 $$")
    assert terminal.wait() == 128 + signal.SIGKILL
    assert terminal.mode() == before


def test_a_terminal_isnt_touched_without_a_pty(terminal, box):
    before = terminal.mode()
    terminal.start("-T", box.pid, "sh", "-c", "echo ready; exec sleep 1000")
    terminal.read_until(b"ready")
    assert terminal.mode() == before


def test_the_size_is_ours_and_follows_it(terminal, box):
    terminal.resize(31, 97)
    terminal.start(box.pid, "sh", "-c",
                   "trap 'stty size' WINCH; stty size; while :; do read x && exit 5; done")
    terminal.read_until(b"31 97")
    terminal.resize(45, 120)
    terminal.read_until(b"45 120")
    terminal.type(b"\r")
    assert terminal.wait() == 5


def test_term_is_the_callers_with_a_pty_and_the_targets_without(terminal, box):
    terminal.start(box.pid, "sh", "-c", "echo [$TERM]", env={**os.environ, "TERM": "of-the-caller"})
    terminal.read_until(b"[of-the-caller]")
    terminal.wait()


def test_term_is_the_targets_without_a_pty(conjoin, box):
    done = conjoin.exec(box, "sh", "-c", "echo $TERM", env={**os.environ, "TERM": "of-the-caller"})
    assert done.stdout == "of-the-target\n"


def test_ctrl_c_goes_to_the_foreground_inside_and_not_to_us(terminal, box):
    # a shell that has just forked could lose the signal, so it has to look again and again
    terminal.start(box.pid, "sh", "-c",
                   "trap 'echo caught; exit 4' INT; echo ready; while :; do sleep 0.1; done")
    terminal.read_until(b"ready")
    wait_for(lambda: not terminal.mode()[3] & termios.ISIG)
    terminal.type(b"\x03")
    terminal.read_until(b"caught")
    assert terminal.wait() == 4


def test_ctrl_c_ends_a_command_without_a_pty(terminal, box):
    terminal.start("-T", box.pid, "sh", "-c", "echo ready; exec sleep 1000")
    terminal.read_until(b"ready")
    wait_for(lambda: proc.read(command_of(terminal.running.pid), "cmdline").startswith(b"sleep"))
    os.kill(terminal.running.pid, signal.SIGINT)
    assert terminal.wait() == 128 + signal.SIGINT


def test_a_background_job_gets_no_pty_and_leaves_the_mode_alone(terminal, box):
    before = terminal.mode()
    script = "test -t 0 || test -t 1; exit $((10 + $?))"
    terminal.start(box.pid, "sh", "-c", script, background=True)
    assert terminal.wait() == 11
    assert terminal.mode() == before


def test_bytes_come_through_a_raw_pty_as_they_are(terminal, box):
    terminal.start(box.pid, "sh", "-c", "stty raw -echo; echo ready; head -c 256 | md5sum")
    terminal.read_until(b"ready")
    terminal.type(bytes(range(256)))
    terminal.read_until(b"e2c865db4162bed963bfaa9ef6ac18f0")
    assert terminal.wait() == 0


def test_much_output_arrives_whole_though_the_command_has_ended(terminal, box):
    terminal.start(box.pid, "sh", "-c", "seq 1 50000; exit 6")
    shown = terminal.read_until(b"50000\r\n")
    assert shown.split() == [b"%d" % n for n in range(1, 50001)]
    assert terminal.wait() == 6


def test_much_output_without_a_pty_arrives_whole(terminal, box):
    terminal.start("-T", box.pid, "sh", "-c", "seq 1 50000; exit 6")
    shown = terminal.read_until(b"50000\r\n")
    assert shown.split() == [b"%d" % n for n in range(1, 50001)]
    assert terminal.wait() == 6


@pytest.mark.parametrize("option", [[], ["-T"]])
def test_a_background_process_that_holds_the_output_doesnt_keep_us(terminal, box, option):
    terminal.start(*option, box.pid, "sh", "-c", "trap '' HUP; sleep 1000 & echo =$!=; exit 3")
    assert terminal.wait() == 3
    inside = terminal.read_until(b"=\r\n").split(b"=")[1].decode()
    done = terminal.conjoin.exec(box, "kill", "-9", inside)
    assert done.returncode == 0


@pytest.mark.parametrize("option", [[], ["-T"]])
def test_a_background_process_that_writes_without_end_doesnt_keep_us(terminal, box, option):
    terminal.start(*option, box.pid, "sh", "-c", "trap '' HUP; yes & echo =$!= >/number; exit 3")
    try:
        assert terminal.wait() == 3
    finally:
        terminal.conjoin.exec(box, "sh", "-c", 'kill -9 $(tr -d = </number); exit 0')


def test_keys_cant_be_pushed_into_our_terminal(terminal, box):
    """TIOCSTI wants a terminal that is open inside, or the controlling one: there is neither."""
    terminal.start("-T", box.pid, "sleep", "1000")
    command = command_of(terminal.running.pid)
    held = [os.readlink(f"/proc/{command}/fd/{fd}") for fd in os.listdir(f"/proc/{command}/fd")]
    assert [name for name in held if "pts" in name or "tty" in name] == []
    assert int(proc.stat_fields(command)[4]) == 0  # and no controlling terminal to open /dev/tty by


def test_a_container_without_devpts_has_a_pty_all_the_same(terminal, box):
    assert terminal.conjoin.exec(
        box, "umount", "/dev/pts", options=["--privileged"]).returncode == 0
    try:
        terminal.start(box.pid, "sh", "-c", "test -t 0 && test -t 1 && echo yes; exit 8")
        terminal.read_until(b"yes")
        assert terminal.wait() == 8
    finally:
        terminal.conjoin.exec(
            box, "mount", "-t", "devpts", "-o", "newinstance,ptmxmode=0666,mode=0620", "devpts",
            "/dev/pts", options=["--privileged"])


def test_a_hostile_devpts_is_not_believed(conjoin, sandbox, rootfs):
    box = sandbox()
    script = "umount /dev/pts; rm -f /dev/pts/*; mkfifo /dev/pts/ptmx 2>&1; exit 0"
    assert conjoin.exec(box, "sh", "-c", script, options=["--privileged"]).returncode == 0
    terminal = Terminal(conjoin)
    try:
        terminal.start(box.pid, "sh", "-c", "test -t 0; exit $((20 + $?))")
        assert terminal.wait() == 20
    finally:
        terminal.close()


def test_assert_failed_is_told_on_a_terminal_in_one_line(terminal, box):
    terminal.start("-T", box.pid, "nope", fds=(TTY, PIPE, PIPE))
    _, error = terminal.running.communicate(timeout=DEADLINE)
    terminal.running.stderr = error
    assert_failed(terminal.running, 127, "execute nope")
    terminal.running.stderr = None


def test_a_hundred_sizes_are_followed(terminal, box):
    terminal.start(box.pid, "sh", "-c", "stty -echo; echo ready; while :; do read x; stty size; done")
    terminal.read_until(b"ready")
    terminal.wait_raw()
    for n in range(1, 101):
        terminal.resize(20 + n, 300 - n)
        # a change takes its way: asked until it's there
        wait_for(lambda n=n: said_size(terminal) == b"%d %d" % (20 + n, 300 - n))


def said_size(terminal):
    terminal.type(b"\r")
    return terminal.read_until(b"\r\n").strip()


def test_a_size_that_changes_during_the_start_isnt_missed(terminal, box):
    for n in range(20):
        terminal.resize(20, 80)
        terminal.start(box.pid, "sh", "-c", "echo ready; while ! [ \"$(stty size)\" = \"33 99\" ]; "
                       "do sleep 0.01; done; exit 3")
        wait_for(lambda: b"conjoin" in proc.read(terminal.running.pid, "comm"))
        for _ in range(n * 20):
            terminal.running.poll()
        terminal.resize(33, 99)
        assert terminal.wait() == 3


def test_killed_we_leave_the_mode_of_before(terminal, box):
    before = terminal.mode()
    terminal.start(box.pid, "sh", "-c", "echo ready; exec sleep 1000")
    terminal.read_until(b"ready")
    terminal.wait_raw()
    terminal.running.kill()
    wait_for(lambda: terminal.mode() == before)


FAULTS = [signal.SIGSEGV, signal.SIGBUS, signal.SIGILL, signal.SIGFPE, signal.SIGTRAP, signal.SIGSYS]


@pytest.mark.parametrize("number", FAULTS)
def test_a_fault_of_our_own_leaves_the_mode_of_before(terminal, box, number):
    """A debugger makes it one: nobody else may say that the kernel has sent a signal."""
    before = terminal.mode()
    terminal.start(box.pid, "sh", "-c", "echo ready; exec sleep 1000")
    terminal.read_until(b"ready")
    terminal.wait_raw()
    pid = terminal.running.pid
    watchdog = watchdog_of(pid)
    os.kill(watchdog, signal.SIGSTOP)  # it isn't to be the one who does it
    try:
        trace.make_fault(pid, number)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -number
        terminal.running.returncode = -number
        assert terminal.mode() == before
    finally:
        os.kill(watchdog, signal.SIGCONT)


@pytest.mark.parametrize("number", [*FAULTS, signal.SIGABRT, signal.SIGUSR1])
def test_in_raw_mode_too_what_is_sent_is_for_the_command(terminal, box, number):
    terminal.start(box.pid, "sh", "-c", f"trap 'echo caught' {int(number)}; echo ready; "
                   "while :; do read x; done")
    terminal.read_until(b"ready")
    terminal.wait_raw()
    for _ in range(3):
        terminal.running.send_signal(number)
        terminal.read_until(b"caught")


def test_a_pty_of_the_hosts_is_told_when_asked(conjoin, box):
    note = "the target has no devpts: the pty is one of the host's"
    assert note not in conjoin.exec(box, "true", options=["-t", "-v"]).stderr
    assert conjoin.exec(box, "umount", "/dev/pts", options=["--privileged"]).returncode == 0
    try:
        assert note in conjoin.exec(box, "true", options=["-t", "-v"]).stderr
        assert conjoin.exec(box, "true", options=["-t"]).stderr == ""
    finally:
        conjoin.exec(
            box, "mount", "-t", "devpts", "-o", "newinstance,ptmxmode=0666,mode=0620", "devpts",
            "/dev/pts", options=["--privileged"])


def test_input_of_a_file_is_typed_and_its_end_is_the_end(conjoin, box, tmp_path):
    (tmp_path / "in").write_bytes(b"one\ntwo\n")
    with open(tmp_path / "in", "rb") as given:
        done = conjoin.exec(box, "sh", "-c", "stty -echo; cat; exit 5", options=["-t"], stdin=given)
    assert done.returncode == 5 and done.stdout.replace("one\ntwo\n", "", 1) in (
        "one\ntwo\n", "")


def test_output_to_a_file_is_as_a_terminal_has_it(terminal, box, tmp_path):
    """Keys are read raw meanwhile: stdin is a terminal."""
    with open(tmp_path / "out", "wb") as out:
        terminal.start("-t", box.pid, "sh", "-c", "read x; echo got $x; exit 6", fds=(TTY, out, TTY))
        terminal.wait_raw()
        terminal.type(b"word\r")
        assert terminal.wait() == 6
    assert (tmp_path / "out").read_bytes() == b"word\r\ngot word\r\n"


def test_a_pty_with_both_closed_reads_nothing_and_shows_nothing(conjoin, box):
    script = '"$@" <&- >&-'
    done = subprocess.run(
        ["/bin/sh", "-c", script, "sh", conjoin.path, "exec", "-t", str(box.pid), "sh", "-c",
         "test -t 0 && test -t 1 && ! read x && echo lost; exit $((20 + $?))"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=DEADLINE, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (20, b"", b"")
