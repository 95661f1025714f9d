# SPDX-License-Identifier: MIT
"""Signals that reach the supervisor reach the command, its death takes the command along, and it
stays where it was. Not here: keys of a terminal (test_terminal.py)."""

import os
import select
import signal
import subprocess
import time

import pytest

from lib import proc
from lib.held import is_watchdog
from lib.poll import wait_for
from lib.sandbox import Sandbox
from lib.terminal import NULL, TTY, Terminal, command_of

DEADLINE = 15
ENDLESS = "echo ready; while :; do sleep 0.01; done"
STOPPING = {signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU}
# 32 and 33 are the C library's own
ALL = sorted(set(range(1, signal.SIGRTMAX + 1)) - {signal.SIGKILL, signal.SIGSTOP, 32, 33})


@pytest.fixture(scope="module")
def box(sandbox_program, rootfs):
    box = Sandbox(sandbox_program, rootfs, caps="docker")
    yield box
    box.stop()


class Running:
    """A command that has said "ready". In a group of its own: an orphaned one isn't stopped."""

    def __init__(self, conjoin, box, script, options=(), **more):
        self.process = conjoin.popen("exec", *options, box.pid, "sh", "-c", script,
                                     stdout=subprocess.PIPE, process_group=0, **more)
        self.supervisor, self.options = self.process.pid, options
        assert self.line() == "ready"

    def line(self):
        assert select.select([self.process.stdout], [], [], DEADLINE)[0], "said nothing"
        return self.process.stdout.readline().decode().strip()

    def command(self):
        """Its PID here, once it is the only child of the supervisor: the stage has gone."""
        return wait_for(lambda: only_child(self.supervisor), what="the command alone")

    def send(self, number):
        self.process.send_signal(number)

    def wait(self):
        return self.process.wait(DEADLINE)

    def close(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        if self.process.stdin:
            self.process.stdin.close()


def only_child(pid):
    found = [child for child in proc.children(pid) if not is_watchdog(child)]
    return int(found[0]) if len(found) == 1 else None


@pytest.fixture
def start(conjoin, box):
    made = []

    def run(script, options=(), **more):
        made.append(Running(conjoin, box, script, options, **more))
        return made[-1]

    yield run
    for one in made:
        one.close()


def lasts(running):
    """It's then that SIGCHLD is listened to: every start raises it."""
    wait_for(lambda: hears_of_children(running.supervisor), what="SIGCHLD to be listened to")
    if "-t" not in running.options:
        wait_for(lambda: len(proc.children(running.supervisor)) == 2, what="the watchdog")


def hears_of_children(supervisor):
    for fd in os.listdir(f"/proc/{supervisor}/fdinfo"):
        try:
            _, found, mask = proc.read(supervisor, f"fdinfo/{fd}").partition(b"\nsigmask:\t")
        except OSError:
            continue  # it has just been closed
        if found:
            return bool(int(mask.split()[0], 16) >> (signal.SIGCHLD - 1) & 1)
    return False


# with a pty those that stop are about us: test_job_control.py
@pytest.mark.parametrize("number, options", [(number, []) for number in ALL] + [
    (number, ["-t"]) for number in ALL if number not in STOPPING])
def test_a_signal_that_we_get_reaches_the_command(start, number, options):
    running = start(f"trap 'echo caught; exit 33' {int(number)}; echo ready; "
                    "while :; do read x; done", options, stdin=subprocess.PIPE)
    lasts(running)
    running.send(number)
    if number in STOPPING:
        wait_for(lambda: proc.stat_fields(running.supervisor)[0] == "T")
        running.send(signal.SIGCONT)
    assert running.line() == "caught"
    assert running.wait() == 33


def test_the_end_of_our_own_children_is_nothing_to_the_command(start):
    running = start("trap 'echo caught' CHLD PIPE; echo ready; read x; exit 34",
                    stdin=subprocess.PIPE)
    lasts(running)
    watchdog = [pid for pid in proc.children(running.supervisor) if is_watchdog(pid)]
    os.kill(int(watchdog[0]), signal.SIGKILL)
    running.process.stdin.write(b"x\n")
    running.process.stdin.flush()
    assert running.wait() == 34
    assert running.process.stdout.read() == b""


JOB = """set -m; {before} sh -c 'trap "echo job; exit 35" INT QUIT USR1 TERM HUP RTMIN;
echo ready; while :; do read x; done'; echo ended $?; exit 36"""


@pytest.mark.parametrize("before", ["", ": |", "sh -c 'exec sleep 1000' |"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGQUIT, signal.SIGUSR1, signal.SIGTERM,
                                    signal.SIGRTMIN])
def test_with_a_pty_it_reaches_who_is_in_the_foreground(start, number, before):
    """The whole group, also when its leader has ended and nobody has its number."""
    script = JOB.replace("{before}", before).replace("RTMIN", str(int(signal.SIGRTMIN)))
    if before:
        script = script.replace("while :; do read x", "while :; do read x </dev/tty")
    running = start(f"trap 'echo shell' USR1 TERM; {script}", ["-t"], stdin=subprocess.PIPE)
    lasts(running)
    running.send(number)
    said = []
    while not said or not said[-1].startswith("ended"):
        said.append(running.line())
    assert "job" in said and said[-1] == "ended 35"
    assert len(said) == 2 or "sleep" in before, "that shell says how that one ended"
    assert running.wait() == 36


def test_a_signal_that_comes_as_soon_as_the_command_runs_reaches_it(conjoin, box):
    for _ in range(100):
        running = Running(conjoin, box, f"trap 'exit 33' TERM; {ENDLESS}")
        running.send(signal.SIGTERM)
        status = running.wait()
        running.close()
        assert status == 33


@pytest.mark.parametrize("number", [
    signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGALRM, signal.SIGRTMIN,
])
def test_a_signal_that_ends_the_command_ends_us_in_order(start, number):
    running = start("ulimit -c 0; echo ready; exec sleep 1000")
    wait_for(lambda: proc.read(running.command(), "cmdline").startswith(b"sleep"))
    running.send(number)
    assert running.wait() == 128 + number


def test_signals_arent_lost_though_many_come(start):
    running = start(f"n=0; trap 'n=$((n+1)); echo $n' USR1; {ENDLESS}")
    for number in range(1, 51):
        running.send(signal.SIGUSR1)
        assert running.line() == str(number)
    running.send(signal.SIGTERM)
    assert running.wait() == 128 + signal.SIGTERM


def test_a_signal_goes_to_the_command_and_not_to_its_children(start):
    running = start("trap 'echo mine' USR1; sh -c 'trap \"echo childs\" USR1; "
                    "while :; do sleep 0.01; done' & child=$!; trap 'kill $child; exit 0' TERM;"
                    " echo ready; while :; do sleep 0.01; done")
    running.send(signal.SIGUSR1)
    assert running.line() == "mine"
    running.send(signal.SIGTERM)
    assert running.wait() == 0
    assert running.process.stdout.read() == b""


def test_stopping_us_doesnt_stop_the_command_and_we_can_be_continued(conjoin, start, box):
    running = start("echo ready; while [ ! -e /go ]; do sleep 0.01; done; rm /go; exit 3")
    command = running.command()
    running.send(signal.SIGSTOP)
    wait_for(lambda: proc.stat_fields(running.supervisor)[0] == "T")
    assert conjoin.exec(box, "touch", "/go").returncode == 0
    wait_for(lambda: proc.stat_fields(command)[0] == "Z")
    running.send(signal.SIGCONT)
    assert running.wait() == 3


def test_a_command_that_stops_itself_isnt_taken_for_ended(start):
    running = start("echo ready; kill -STOP $$; exit 5")
    command = running.command()
    wait_for(lambda: proc.stat_fields(command)[0] == "T")
    assert running.process.poll() is None
    os.kill(command, signal.SIGCONT)
    assert running.wait() == 5


@pytest.mark.parametrize("options", [[], ["-u", "app"], ["--namespaces", "all,-pid"],
                                     ["--cgroup", "keep"], ["--no-new-privs", "yes"]])
def test_killing_us_kills_the_command(start, options):
    running = start("trap '' HUP INT TERM PIPE; echo ready; while :; do sleep 0.1; done", options)
    command = running.command()
    running.send(signal.SIGKILL)
    running.wait()
    wait_for(lambda: not proc.alive(command), what="end of the command")


def test_killing_us_kills_a_command_that_leads_a_session_with_children(start, box, conjoin):
    running = start("sh -c 'echo $$ >/child; trap \"\" HUP; while :; do sleep 0.1; done' & "
                    "while [ ! -s /child ]; do sleep 0.01; done; echo ready; wait")
    command = running.command()
    assert int(proc.stat_fields(command)[3]) == command
    running.send(signal.SIGKILL)
    running.wait()
    wait_for(lambda: not proc.alive(command), what="end of the command")
    assert conjoin.exec(box, "sh", "-c", "kill -9 $(cat /child); rm /child; exit 0").returncode == 0


def test_a_command_that_has_stopped_itself_is_ended_by_a_hang_up(start):
    running = start("echo ready; kill -STOP $$; sleep 1000")
    wait_for(lambda: proc.status(running.command())["State"].startswith("T"))
    running.send(signal.SIGHUP)
    assert running.wait() == 128 + signal.SIGHUP


def test_killing_us_kills_a_command_with_a_pty(conjoin, box):
    script = "trap '' HUP; echo ready; sleep 1000"
    running = conjoin.popen("exec", "-t", box.pid, "sh", "-c", script, stdout=subprocess.PIPE)
    assert running.stdout.readline().strip() == b"ready"
    command = wait_for(lambda: only_child(running.pid))
    running.kill()
    running.communicate(timeout=DEADLINE)
    wait_for(lambda: not proc.alive(command), what="end of the command")


def test_our_end_at_any_moment_leaves_nothing_behind(conjoin, box):
    """Killed after a number of steps that differs each time: no_leaks tells what is left."""
    for delay in range(60):
        running = conjoin.popen("exec", box.pid, "sleep", "1000", stderr=subprocess.DEVNULL)
        for _ in range(delay * 40):
            if running.poll() is not None:
                break
        running.kill()
        running.wait()
    wait_for(lambda: b"sleep" not in everything_inside(box), what="end of the commands")


def everything_inside(box):
    found = b""
    for pid in proc.pids():
        try:
            if proc.namespaces(pid).get("pid") == box.ns()["pid"]:
                found += proc.read(pid, "cmdline")
        except OSError:
            pass
    return found


def test_the_supervisor_stays_in_its_own_namespaces_and_cgroups(start, box):
    before = proc.namespaces(), proc.cgroups()
    running = start("echo ready; exec sleep 1000")
    supervisor = proc.namespaces(running.supervisor), proc.cgroups(running.supervisor)
    command = proc.namespaces(running.command()), proc.cgroups(running.command())
    assert supervisor == before
    assert command == (box.ns(), box.cgroups())
    for name in ("root", "cwd"):
        theirs = os.readlink(f"/proc/{running.supervisor}/{name}")
        assert theirs == os.readlink(f"/proc/self/{name}")
    status, ours = proc.status(running.supervisor), proc.status("self")
    for name in ("Uid", "Gid", "Groups", "CapEff", "CapBnd", "NoNewPrivs", "Seccomp"):
        assert status[name] == ours[name]


def test_only_the_supervisor_stays_beside_the_command(start):
    running = start("echo ready; exec sleep 1000")
    command = running.command()
    assert os.listdir(f"/proc/{running.supervisor}/task") == [str(running.supervisor)]
    assert int(proc.stat_fields(command)[1]) == running.supervisor


def test_the_supervisor_survives_the_targets_end_and_reports_the_commands(conjoin, sandbox):
    box = sandbox()
    running = Running(conjoin, box, "trap '' TERM; echo ready; while :; do sleep 0.1; done")
    os.kill(box.pid, signal.SIGKILL)
    try:
        assert running.wait() == 128 + signal.SIGKILL
    finally:
        running.close()


# --- what a signal doesn't mean ---


def test_output_after_a_signal_that_was_survived_arrives_whole(conjoin, box):
    """Whoever reads it takes his time: the pipe is full by then."""
    reader, writer = os.pipe()
    process = conjoin.popen("exec", "-t", box.pid, "sh", "-c",
                            "trap 'seq 1 9000; exit 3' HUP; echo ready; while :; do sleep 0.01; done",
                            stdin=subprocess.DEVNULL, stdout=writer)
    os.close(writer)
    with open(reader, "rb") as output:
        assert output.readline() == b"ready\r\n"
        process.send_signal(signal.SIGHUP)
        wait_for(lambda: is_waiting_for_its_reader(process.pid), what="a full pipe")
        lines = output.read().split()
    assert process.wait(DEADLINE) == 3
    assert lines[-9000:] == [str(number).encode() for number in range(1, 9001)]


def is_waiting_for_its_reader(supervisor):
    """The command has ended, and conjoin hasn't."""
    with open(f"/proc/{supervisor}/task/{supervisor}/children", encoding="ascii") as f:
        return all(is_watchdog(child) or not proc.alive(int(child)) for child in f.read().split())


def test_who_is_waited_for_is_waited_for_after_a_signal_too(start, box):
    running = start("trap 'echo told' USR1 HUP; (setsid sleep 1 &); echo ready; sleep 0.5; sleep 0.3; "
                    "exit 4", ["--wait-all"])
    begin = time.monotonic()
    running.send(signal.SIGUSR1)
    assert running.wait() == 4
    assert time.monotonic() - begin > 0.7


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGINT, signal.SIGQUIT])
def test_what_we_were_told_to_ignore_isnt_passed_on(conjoin, box, number):
    process = conjoin.popen("exec", box.pid, "sh", "-c", "echo ready; read x; exit 5",
                            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                            preexec_fn=lambda: signal.signal(number, signal.SIG_IGN))
    with process:
        assert process.stdout.readline() == b"ready\n"
        process.send_signal(number)
        process.stdin.write(b"\n")
        process.stdin.close()
        assert process.wait(DEADLINE) == 5


def test_limits_of_our_own_are_nothing_to_the_command(conjoin, box, tmp_path):
    """SIGXFSZ, which the kernel sends to who writes too much: that's conjoin."""
    script = f"ulimit -f 8; exec {conjoin.path} exec -t {box.pid} sh -c 'trap \"\" HUP; yes | head -c 100000; exit 3'"
    with open(tmp_path / "file", "wb") as file:
        done = subprocess.run(["bash", "-c", script], stdin=subprocess.DEVNULL, stdout=file,
                              stderr=subprocess.PIPE, text=True, timeout=30, check=False)
    assert done.returncode == 3
    assert "output was lost: File too large" in done.stderr


@pytest.mark.parametrize("options, fds", [
    (["-t"], [TTY] * 3), (["-T"], [TTY] * 3), (["-T", "-i"], [TTY, NULL, NULL]), (["-T"], [TTY, NULL, NULL])])
def test_a_lost_terminal_ends_who_ignores_that_too(conjoin, box, options, fds):
    terminal = Terminal(conjoin)
    ready = f"/proc/{box.pid}/root/ready"
    try:
        terminal.start("--timeout", "1h", "--grace", "300ms", *options, box.pid, "sh", "-c",
                       "trap '' HUP; sleep 1000 & touch /ready; while :; do sleep 1; done", fds=fds)
        wait_for(lambda: os.path.exists(ready))
        os.unlink(ready)
        command = command_of(terminal.running.pid)
        before = proc.in_pid_namespace_of(box.pid)
        os.close(terminal.master)
        terminal.master = os.open("/dev/null", os.O_RDONLY)
        assert terminal.running.wait(10) == 128 + signal.SIGKILL
        assert not proc.alive(command) and len(before - proc.in_pid_namespace_of(box.pid)) >= 2
    finally:
        terminal.close()


def test_a_lost_terminal_that_isnt_the_controlling_one_ends_it_too(conjoin, box):
    """No SIGHUP comes: its input ends, and that it's gone can be seen."""
    master, slave = os.openpty()
    process = conjoin.popen("exec", "-t", "--timeout", "1h", "--grace", "300ms", box.pid, "sh", "-c",
                            "trap 'echo told >>/told' HUP; : >/told; while :; do sleep 0.01; done",
                            stdin=slave, stdout=slave, stderr=slave, start_new_session=True)
    told = f"/proc/{box.pid}/root/told"
    try:
        wait_for(lambda: os.path.exists(told))
        os.close(slave)
        os.close(master)
        assert process.wait(10) == 128 + signal.SIGKILL
        with open(told, encoding="ascii") as f:
            assert f.read().startswith("told\n")
    finally:
        process.kill()
        process.wait()
        os.unlink(told)


def test_a_hang_up_that_was_only_sent_ends_nobody_who_ignores_it(conjoin, box):
    """The terminal is there: it's a signal like others, by which daemons are told to read their files again."""
    terminal = Terminal(conjoin)
    try:
        terminal.start("--timeout", "1h", "--grace", "100ms", "-t", box.pid, "sh", "-c",
                       "trap 'echo got' HUP; stty -echo; echo ready; while :; do read x && echo $x; done")
        terminal.read_until(b"ready")
        terminal.running.send_signal(signal.SIGHUP)
        terminal.read_until(b"got")
        begin = time.monotonic()
        while time.monotonic() < begin + 0.5:
            terminal.type(b"line\r")
            terminal.read_until(b"line\r\n")
        assert terminal.running.poll() is None
        terminal.running.terminate()
        assert terminal.wait() == 128 + signal.SIGTERM
    finally:
        terminal.close()


def test_a_hang_up_is_about_all_of_the_session(start, box):
    before = proc.in_pid_namespace_of(box.pid)
    running = start("sleep 777 & echo ready; wait")
    running.command()
    running.send(signal.SIGHUP)
    assert running.wait() == 128 + signal.SIGHUP
    wait_for(lambda: proc.in_pid_namespace_of(box.pid) <= before, what="the job to be gone")
