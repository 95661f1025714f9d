# SPDX-License-Identifier: MIT
"""What the caller has and the command must not get: descriptors, signal dispositions, keys, its own
session. Not here: the environment (test_identity_options.py), attacks (test_attack.py)."""

import ctypes
import os
import resource
import signal
import subprocess

import pytest

from lib import proc
from lib.held import Held
from lib.sandbox import Sandbox

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")

libc = ctypes.CDLL(None, use_errno=True)
ADD_KEY, KEYCTL = {"x86_64": (248, 250), "aarch64": (217, 219)}[os.uname().machine]
JOIN_SESSION, SEARCH, SESSION = 1, 10, -3


@pytest.fixture(scope="module", params=["all", "all,-user"])
def box(request, sandbox_program, rootfs):
    made = Sandbox(sandbox_program, rootfs, namespaces=request.param, caps="docker")
    yield made
    made.stop()


def open_many():
    """Runs between fork and exec: descriptors of all sorts without close-on-exec, some high."""
    fds = [os.open("/etc", os.O_RDONLY | os.O_DIRECTORY), os.open("/proc/self", os.O_PATH),
           os.open("/dev/null", os.O_RDWR), os.memfd_create("x"), os.pidfd_open(os.getpid()),
           *os.pipe()]
    for target in (500, 1000):
        os.dup2(fds[0], target)
    for _ in range(300):
        fds.append(os.dup(fds[0]))
    for fd in fds:
        os.set_inheritable(fd, True)


def test_no_descriptor_of_the_caller_but_three_gets_in(conjoin, box):
    with Held(conjoin, box, close_fds=False, preexec_fn=open_many) as command:
        assert sorted(os.listdir(f"/proc/{command.pid}/fd")) == ["0", "1", "2"]
    done = conjoin.exec(box, "ls", "-l", "/proc/self/fd", close_fds=False, preexec_fn=open_many)
    listed = [line.split(" -> ") for line in done.stdout.splitlines() if " -> " in line]
    names = [left.split()[-1] for left, _ in listed]
    assert set(names) - {"3"} == {"0", "1", "2"}  # 3: the directory that ls reads


def test_a_closed_stdin_is_no_descriptor_of_ours(conjoin, box):
    """What conjoin opens first would become 0 and be handed on."""

    def close_all():
        os.close(0)
        os.close(1)

    done = conjoin.exec(box, "sh", "-c", "for i in 0 1; do readlink /proc/self/fd/$i >&2; done",
                        preexec_fn=close_all)
    if done.returncode == 0:
        assert set(done.stderr.split()) <= {"/dev/null", "pipe:"} or "/proc" not in done.stderr
    else:
        assert done.returncode == 125


def test_signals_are_at_their_default_and_none_is_blocked(conjoin, box):
    def ignore_all():
        for number in signal.valid_signals():
            if number not in (signal.SIGKILL, signal.SIGSTOP, signal.SIGCHLD):
                signal.signal(number, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())

    with Held(conjoin, box, restore_signals=False, preexec_fn=ignore_all) as command:
        status = command.status()
        assert {status[key] for key in ("SigIgn", "SigBlk", "SigPnd", "ShdPnd")} == {"0" * 16}


def test_the_command_leads_a_session_of_its_own_without_a_terminal(conjoin, box):
    with Held(conjoin, box) as command:
        _, _, group, session, tty = proc.stat_fields(command.pid)[:5]
        assert (int(group), int(session), int(tty)) == (command.pid, command.pid, 0)


def keyctl(*args):
    result = libc.syscall(KEYCTL, *args)
    if result < 0:
        raise OSError(ctypes.get_errno(), "keyctl")
    return result


def keep_a_key():
    """Runs between fork and exec: a session keyring with a secret in it."""
    keyctl(JOIN_SESSION, None)
    assert libc.syscall(ADD_KEY, b"user", b"conjoin-secret", b"x", 1, SESSION) > 0


PROBE = """
import ctypes, os, sys
libc = ctypes.CDLL(None, use_errno=True)
print(libc.syscall(%d, %d, %d, b"user", b"conjoin-secret", 0), flush=True)
""" % (KEYCTL, SEARCH, SESSION)


@pytest.fixture
def unshared():
    """A target that has our files, so that there is a Python in it to ask with."""
    made = subprocess.Popen(["unshare", "-m", "-n", "-u", "-i", "cat"], stdin=subprocess.PIPE,
                            stdout=subprocess.PIPE)
    made.stdin.write(b"x\n")
    made.stdin.flush()
    assert made.stdout.readline() == b"x\n"
    yield made
    made.communicate(timeout=20)


def test_a_key_of_the_callers_session_is_not_found_inside(conjoin, unshared):
    ask = ["/usr/bin/python3", "-c", PROBE]
    outside = subprocess.run(ask, preexec_fn=keep_a_key, capture_output=True, text=True, check=True)
    assert int(outside.stdout) > 0  # so the probe can find it
    inside = conjoin.exec(unshared, *ask, preexec_fn=keep_a_key)
    assert (inside.returncode, inside.stdout) == (0, "-1\n"), inside.stderr
    left_out = conjoin.exec(unshared, *ask, options=["--skip", "keyring"], preexec_fn=keep_a_key)
    assert int(left_out.stdout) > 0


def test_a_low_limit_of_files_is_taken_on_last(conjoin, sandbox):
    box = sandbox(caps="docker", rlimit=["nofile=4:4"])
    with Held(conjoin, box) as command:
        assert "Max open files            4                    4" in command.read("limits")
    assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] > 4


def test_limits_that_hardly_anything_fits_in_do_not_hinder_the_start(conjoin, sandbox):
    """Set while the stage still works: no limit that the target lives with may break our steps."""
    box = sandbox(caps="docker", rlimit=["fsize=0:0", "sigpending=0:0", "memlock=0:0", "rttime=0:0",
                                         "locks=0:0", "core=0:0"])
    done = conjoin.exec(box, "/bin/true")
    assert (done.returncode, done.stderr) == (0, "")


def test_a_full_limit_of_processes_is_told_and_nothing_runs(conjoin, sandbox):
    box = sandbox(caps="docker", rlimit=["nproc=1:1"], map="400000:65536")
    done = conjoin.exec(box, "/bin/echo", "ran")
    assert (done.returncode, done.stdout) == (125, "")
    assert "make the command's process" in done.stderr
