# SPDX-License-Identifier: MIT
"""debug: how a command ends, what it reads and writes, terminals, going on alone, cgroups of its own.
All that exec has, too, and in short: the code is the same. Not here: what it sees (test_debug.py)."""

import os
import signal
import subprocess
import sys

import pexpect
import pytest

from lib import proc
from lib.detached import Detached, reap_all, subreaper  # noqa: F401
from lib.failure import assert_failed
from lib.held import Held
from lib.leaks import cgroups
from lib.poll import wait_for
from lib.sandbox import Sandbox

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")

VIEWS = {"host": [], "target": ["--view", "target"]}
BUSY = '''
import time
kept = b"x" * (64 << 20)
print(len(kept))
'''


@pytest.fixture(scope="module")
def box(sandbox_program, rootfs):
    made = Sandbox(sandbox_program, rootfs, caps="docker")
    yield made
    made.stop()


def own_folders(command):
    ours = proc.cgroups()
    return {proc.cgroup_directory(key, path)
            for key, path in command.cgroups().items() if path != ours[key]}


@pytest.fixture(params=VIEWS)
def view(request):
    return VIEWS[request.param]


# --- how it ends ---

def test_the_status_is_the_commands(conjoin, box, view):
    for status in (0, 1, 7, 255):
        done = conjoin.debug(box, "sh", "-c", f"exit {status}", options=view)
        assert (done.returncode, done.stdout, done.stderr) == (status, "", "")
    for number in (signal.SIGKILL, signal.SIGTERM, signal.SIGSEGV):
        done = conjoin.debug(box, "sh", "-c", f"kill -{int(number)} $$", options=view)
        assert done.returncode == 128 + number


def test_what_cant_be_started_is_told_apart(conjoin, box, view, scratch):
    assert_failed(conjoin.debug(box, "no-such-command", options=view), 127, "no-such-command")
    assert_failed(conjoin.debug(box, "/etc", options=view), 126, "execute /etc")
    assert_failed(conjoin.debug(999999, "true", options=view), 125)
    assert_failed(conjoin.debug("nobody-has-this", "true", options=view), 125)
    assert_failed(conjoin.run("debug", *view), 125, "TARGET")
    assert_failed(conjoin.run("debug", *view, box.pid, "-x"), 125, "options go before TARGET")
    script = os.path.join(scratch, "script")
    with open(script, "w", encoding="ascii") as f:
        f.write("#!/nowhere/at/all\n")
    os.chmod(script, 0o755)
    if not view:
        assert_failed(conjoin.debug(box, script, options=view), 126, script, "interpreter")
        os.chmod(script, 0o644)
        assert_failed(conjoin.debug(box, script, options=view), 126, script)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1])
def test_signals_reach_the_command(number, conjoin, box):
    with Held(conjoin, box, verb="debug") as command:
        os.kill(command.supervisor, number)
        assert command.process.wait(20) == 128 + number


def test_a_killed_supervisor_takes_the_command_along(conjoin, box, view):
    """The cgroup that nobody was left to remove is removed by the next."""
    command = Held(conjoin, box, view, verb="debug")
    folders = own_folders(command)
    os.kill(command.supervisor, signal.SIGKILL)
    command.end()
    wait_for(lambda: not proc.alive(command.pid))
    assert box.alive()

    def next_one():
        assert conjoin.debug(box, "true").returncode == 0
        return not any(map(os.path.exists, folders))

    wait_for(next_one)


def test_several_commands_are_there_at_once(conjoin, box, view):
    """Each can see the other; none is the target's."""
    with Held(conjoin, box, view, verb="debug"):
        done = conjoin.debug(box, "true", options=view)
        assert (done.returncode, done.stderr) == (0, "")


# --- input and output ---

def test_pipes_carry_every_byte(conjoin, box, view):
    data = os.urandom(300000)
    done = conjoin.debug(box, "cat", options=view, input=data, text=False)
    assert (done.returncode, done.stderr, done.stdout == data) == (0, b"", True)
    done = conjoin.debug(box, "sh", "-c", "echo out; echo err >&2", options=view)
    assert (done.stdout, done.stderr) == ("out\n", "err\n")


def test_files_are_handed_over(conjoin, box, view, scratch):
    path = os.path.join(scratch, "file")
    with open(path, "w", encoding="ascii") as f:
        done = conjoin.debug(box, "sh", "-c", "echo text", options=view, stdout=f)
    with open(path, encoding="ascii") as f:
        assert (done.returncode, f.read()) == (0, "text\n")


@pytest.fixture
def terminal(conjoin):
    """terminal(args…): `conjoin debug ARGS…` on a terminal of 33 rows and 101 columns."""
    made = []

    def start(*args):
        made.append(pexpect.spawn(conjoin.path, ["debug", *map(str, args)], timeout=20,
                                  dimensions=(33, 101), encoding="utf-8"))
        return made[-1]

    yield start
    for one in made:
        one.close(force=True)


def test_a_shell_runs_on_a_pty(terminal, box, view):
    shell = terminal(*view, box.pid, "sh")
    shell.setecho(False)
    shell.sendline("tty; stty size; exit $((40 + 2))")
    shell.expect(r"/dev/pts/\d+\r\n33 101\r\n")
    shell.expect(pexpect.EOF)
    shell.wait()
    assert shell.exitstatus == 42


def test_the_pty_is_one_of_the_views_own(terminal, box, view):
    run = terminal(*view, box.pid, "sh", "-c", "stat -c %d:%i:%t:%T $(tty); stat -L -c "
                   "%d:%i:%t:%T /proc/self/fd/0; echo >/dev/tty here; read x")
    run.expect(r"(\S+)\r\n(\S+)\r\nhere")
    assert run.match[1] == run.match[2]
    run.sendline("")
    run.expect(pexpect.EOF)


def test_keys_reach_the_foreground(terminal, box, view):
    run = terminal(*view, box.pid, "sh", "-c", "trap 'echo caught; exit 5' INT; echo ready;"
                   "while :; do sleep 1; done")
    run.expect("ready")
    run.sendintr()
    run.expect("caught")
    run.expect(pexpect.EOF)
    run.wait()
    assert run.exitstatus == 5


def test_a_new_size_is_passed_on(terminal, box, view):
    run = terminal(*view, box.pid, "sh", "-c", "trap 'stty size; exit' WINCH; echo ready;"
                   "while :; do sleep 0.1; done")
    run.expect("ready")
    run.setwinsize(20, 70)
    run.expect("20 70")


def test_no_pty_where_none_is_wanted(terminal, conjoin, box, view):
    run = terminal("-T", *view, box.pid, "sh", "-c", "tty; test -t 1 || echo none")
    run.expect("not a tty\r\nnone")
    done = conjoin.debug(box, "sh", "-c", "tty; [ -t 1 ] && echo forced", options=["-t", *view])
    assert "forced" in done.stdout


def test_without_a_command_there_is_a_shell(terminal, box):
    run = terminal(box.pid)
    run.sendline("echo $((6 * 7))-$CONJOIN_NAME")
    run.expect("42-sandbox-init")
    run.sendline("exit 3")
    run.expect(pexpect.EOF)
    run.wait()
    assert run.exitstatus == 3


# --- alone ---

def test_it_goes_on_alone(conjoin, box, view, scratch, subreaper):  # noqa: F811
    options = ["-d", "--log", f"{scratch}/log", "--pid-file", f"{scratch}/pid", *view]
    done = conjoin.debug(box, "sh", "-c", "echo said; exec sleep 1000", options=options)
    assert (done.returncode, done.stderr) == (0, "")
    command = Detached(done.stdout)
    try:
        assert command.ns()["pid"] == box.ns()["pid"]
        assert command.inside == int(proc.status(command.pid)["NSpid"].split()[-1])
        with open(f"{scratch}/pid", encoding="ascii") as f:
            assert f.read() == f"{command.pid}\n"
        wait_for(lambda: os.path.getsize(f"{scratch}/log"))
        with open(f"{scratch}/log", encoding="ascii") as f:
            assert f.read() == "said\n"
        assert conjoin.run("kill", command.handle).returncode == 0
        wait_for(lambda: (reap_all({box.supervisor}), command.has_ended())[1])
    finally:
        command.status = "reaped"
    reap_all({box.supervisor})


# --- cgroups ---

def test_by_default_the_cgroup_is_its_own(conjoin, box, view):
    before = cgroups().keys()
    with Held(conjoin, box, view, verb="debug") as command:
        folders = own_folders(command)
        assert folders and all("/conjoin/" in folder for folder in folders)
        theirs = set(box.cgroup_dirs().values())
        assert set(command.cgroup_dirs().values()).isdisjoint(theirs)
        assert command.end() == (0, "")
    wait_for(lambda: not any(map(os.path.exists, folders)))
    assert cgroups().keys() - before <= {os.path.dirname(folder) for folder in folders}


def test_it_can_be_the_targets_or_ours(conjoin, box, view):
    with Held(conjoin, box, [*view, "--cgroup", "target"], verb="debug") as command:
        assert command.cgroups() == box.cgroups()
    with Held(conjoin, box, [*view, "--cgroup", "keep"], verb="debug") as command:
        assert command.cgroups() == proc.cgroups()


def test_a_diagnostic_is_limited_and_the_target_goes_on(conjoin, box):
    options = ["--memory", "24m", "--pids-limit", "20", "--cpus", "0.5"]
    with Held(conjoin, box, options, verb="debug") as command:
        texts = {}
        for folder in own_folders(command):
            for name in ("memory.limit_in_bytes", "memory.max", "pids.max", "cpu.cfs_quota_us",
                         "cpu.max"):
                if os.path.exists(os.path.join(folder, name)):
                    with open(os.path.join(folder, name), encoding="ascii") as f:
                        texts[name] = f.read().split()[0]
        assert set(texts.values()) == {str(24 << 20), "20", "50000"}
    done = conjoin.debug(box, sys.executable, "-c", BUSY, options=options)
    assert (done.returncode, done.stdout) == (128 + signal.SIGKILL, "")
    assert box.alive()
    done = conjoin.debug(box, sys.executable, "-c", BUSY, options=["--memory", "256m"])
    assert (done.returncode, done.stdout) == (0, f"{64 << 20}\n")


def test_what_the_target_has_no_room_for_is_no_limit(conjoin, sandbox):
    """Its cgroup lets nobody else in; a diagnostic that isn't in it doesn't care."""
    box = sandbox(caps="docker")
    folder = next(path for key, path in box.cgroup_dirs().items()
                  if os.path.exists(os.path.join(path, "pids.max")))
    with open(os.path.join(folder, "pids.max"), "w", encoding="ascii") as f:
        f.write("1")
    assert conjoin.debug(box, "true").returncode == 0
    done = conjoin.debug(box, "sh", "-c", "true & wait", options=["--cgroup", "target"])
    assert done.returncode != 0


def test_what_was_left_of_limits_is_refused(conjoin, box):
    done = conjoin.debug(box, "true", options=["--cgroup", "target", "--memory", "64m"])
    assert_failed(done, 125, "limit", hint="--cgroup own")


def test_help_tells_what_the_guard_cant(conjoin):
    done = conjoin.run("debug", "--help")
    assert done.returncode == 0 and done.stderr == ""
    for word in ("--expose-host", "$CONJOIN_ROOT", "$CONJOIN_BIN", "another user", "Command lines"):
        assert word in done.stdout
    assert subprocess.run([conjoin.path, "--help"], capture_output=True, text=True,
                          check=False).stdout.count("debug") >= 1


def test_a_small_limit_of_file_sizes_doesnt_hinder_the_start(conjoin, box):
    done = conjoin.debug(box, "bash", "-c", "ulimit -f", options=[
        "--view", "target", "--bring", "bash", "--rlimit", "fsize=1024"])
    assert (done.returncode, done.stdout, done.stderr) == (0, "1\n", "")


def test_too_little_memory_is_hinted_at(conjoin, box):
    done = conjoin.debug(box, "true", options=["--memory", "1"])
    assert done.returncode == 125 and "hint: --memory may be too little" in done.stderr
