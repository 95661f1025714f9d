# SPDX-License-Identifier: MIT
"""Targets that end, and whose numbers others get, between any two of our steps: the command never
runs in the namespaces of a process that wasn't meant.

Each round makes a target in namespaces of its own, whose host name and environment say who it is.
It lives for a few milliseconds at most; as soon as it is reaped a decoy with another name is born
under the same PID (ns_last_pid of a pid namespace of our own puts it there). Meanwhile conjoin is
on its way to the target. Whatever it managed to run must have seen one process' parts only."""

import collections
import ctypes
import os
import random
import signal
import struct
import subprocess
import sys
import threading

import pytest

from lib import proc

NEWUTS, NEWPID = 0x04000000, 0x20000000
ROUNDS, WORKERS = 2000, 4
OURS = 125
TOLD = struct.Struct("<iQQ")
# a stale handle is one of a target that has long gone; a start time is told in ticks of 10 ms, in
# which a number can change hands, so that it is no proof
KINDS = ("pid", "start", "handle", "handle", "stale")
LAST_PID = "/proc/sys/kernel/ns_last_pid"
root_only = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


def call(result):
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def libc():
    return ctypes.CDLL(None, use_errno=True)


def born_as(name, microseconds, number=None):
    """Forks `busybox usleep` into new pid and uts namespaces with that host name; its PID. In a
    process of its own: unshare(CLONE_NEWPID) works once."""
    encoded = name.encode()
    call(libc().unshare(NEWUTS | NEWPID))
    call(libc().sethostname(encoded, len(encoded)))
    if number:
        with open(LAST_PID, "w", encoding="ascii") as f:
            f.write(str(number - 1))
    pid = os.fork()
    if pid == 0:
        os.execve("/bin/busybox", ["usleep", str(microseconds)], {"WHO": name})
    return pid


def decoy_main(name, reading, writing):
    """Waits to be told whose number to take, lives for a moment, reports whether it got it."""
    number = int.from_bytes(os.read(reading, 4), "little")
    if number:
        got = born_as(name, 3000, number)
        os.write(writing, b"y" if got == number else b"n")
        os.waitpid(got, 0)
    os._exit(0)


def target_main(name, microseconds, writing):
    """The target's parent: tells its number and handles, which are right since it isn't reaped yet;
    reaps it, and lets the decoy have the number."""
    told_r, told_w = os.pipe()
    decoy = os.fork()
    if decoy == 0:
        os.close(told_w)
        decoy_main("decoy-of-" + name, told_r, writing)
    pid = born_as(name, microseconds)
    inode = os.fstat(os.pidfd_open(pid)).st_ino
    os.write(writing, TOLD.pack(pid, inode, proc.start_time(pid)))
    os.waitpid(pid, 0)
    os.write(told_w, pid.to_bytes(4, "little"))
    os.waitpid(decoy, 0)
    os._exit(0)


def one_round(conjoin, name, rng, stale):
    """What came of it, as a word. AssertionError: something ran where it mustn't."""
    reading, writing = os.pipe()
    parent = os.fork()
    if parent == 0:
        try:
            target_main(name, rng.randrange(6000), writing)
        finally:
            os._exit(1)
    os.close(writing)
    pid, inode, start = TOLD.unpack(os.read(reading, TOLD.size))
    stale.append(f"{pid}:{inode}")
    kind = rng.choice(KINDS)
    target = {
        "pid": str(pid), "start": f"{pid}:s{start}", "handle": stale[-1],
        "stale": stale[rng.randrange(max(1, len(stale) - 1))],
    }[kind]
    done = subprocess.run(
        [conjoin, "exec", target, "/bin/busybox", "sh", "-c",
         "read name </proc/sys/kernel/hostname; echo $WHO:$name"],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False,
    )
    took_over = os.read(reading, 1) == b"y"
    os.close(reading)
    os.waitpid(parent, 0)
    return judge(kind, name, done), took_over


def judge(kind, name, done):
    if done.returncode == OURS:
        assert not done.stdout, f"{kind} {name}: failed and ran: {done}"
        return "ended"
    assert done.returncode in (0, 128 + signal.SIGKILL), f"{kind} {name}: {done}"
    if not done.stdout:  # its pid namespace has ended, and it with it
        return "killed"
    who, host = done.stdout.strip().split(":")
    # who is in execve at this moment, or isn't that far yet, has no WHO
    assert who in (host, ""), f"{kind} {name}: two processes' parts: {done}"
    if kind == "handle":
        assert host == name, f"{kind} {name}: ran in {host}"
    assert kind != "stale" or name.endswith("-0"), f"{kind} {name}: ran in {host}"
    return "ran"


def worker_main(conjoin, seed, rounds):
    rng, stale, tally = random.Random(seed), [], collections.Counter()
    for number in range(rounds):
        what, took_over = one_round(conjoin, f"t{seed}-{number}", rng, stale)
        tally[what] += 1
        tally["took over"] += took_over
    print(*(f"{key.replace(' ', '-')}={n}" for key, n in tally.items()), flush=True)


def stress_main(conjoin, rounds):
    """The first process of a pid namespace, with a /proc of it."""
    workers = []
    for seed in range(WORKERS):
        pid = os.fork()
        if pid == 0:
            status = 1
            try:
                worker_main(conjoin, seed, rounds // WORKERS)
                status = 0
            except BaseException as error:  # pylint: disable=broad-except
                print("error:", repr(error), flush=True)
            finally:
                os._exit(status)
        workers.append(pid)
    failed = [pid for pid in workers if os.waitpid(pid, 0)[1] != 0]
    return 1 if failed else 0


@root_only
def test_a_recycled_pid_is_never_entered(conjoin):
    if not os.path.exists(LAST_PID):
        pytest.skip("the kernel can't be told the next PID (CONFIG_CHECKPOINT_RESTORE)")
    done = subprocess.run(
        ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child", sys.executable,
         os.path.abspath(__file__), conjoin.path, str(ROUNDS)],
        capture_output=True, text=True, timeout=300, check=False,
        env={**os.environ, "PYTHONPATH": os.path.dirname(os.path.abspath(__file__)),
             "PYTHONDONTWRITEBYTECODE": "1"},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    tally = collections.Counter()
    for word in done.stdout.split():
        key, _, n = word.partition("=")
        tally[key] += int(n)
    assert tally["ran"] + tally["ended"] + tally["killed"] == ROUNDS // WORKERS * WORKERS
    # each has to come often, or it would prove nothing
    assert tally["ran"] > 100 and tally["ended"] > 100 and tally["took-over"] > 500, tally


@root_only
def test_a_target_that_ends_at_any_step_is_told_as_ended(conjoin, sandbox):
    """Killed after a delay that grows: every step gets its turn."""
    words = collections.Counter()
    for step in range(25):
        box = sandbox()
        killer = threading.Timer(step * 0.0002, os.kill, (box.pid, signal.SIGKILL))
        killer.start()
        done = conjoin.exec(box, "sh", "-c", "echo ran; sleep 1000")
        killer.join()
        box.stop()
        if done.returncode == 128 + signal.SIGKILL:
            words["ran"] += 1
            continue
        assert done.returncode == OURS and done.stdout == "", done
        lines = done.stderr.splitlines()
        assert len([line for line in lines if line.startswith("conjoin: ")]) == 1, done
        assert "ended" in done.stderr or "No such process" in done.stderr, done
        words["ended"] += 1
    assert sum(words.values()) == 25


@root_only
def test_a_target_that_executes_another_program_meanwhile_is_one_of_both(conjoin, sandbox):
    """A target that calls execve all the time: its environment is that of before or of after."""
    loop = 'export A=$((A + 1)); export B=$A; exec sh -c "$L"'
    box = sandbox("sh", "-c", loop, env=[f"L={loop}", "A=1", "B=1"])
    for _ in range(50):
        done = conjoin.exec(box, "/bin/sh", "-c", "echo $A $B")
        numbers = done.stdout.split()
        assert done.returncode == 0 and len(numbers) == 2 and numbers[0] == numbers[1], done
    box.stop()


@root_only
def test_many_at_once_dont_get_in_each_others_way(conjoin, sandbox):
    boxes = {f"box-{number}": sandbox(hostname=f"box-{number}") for number in range(4)}
    running = [
        (name, conjoin.popen("exec", box.pid, "sh", "-c", "hostname; cat", stdin=subprocess.PIPE,
                            stdout=subprocess.PIPE))
        for _ in range(8) for name, box in boxes.items()
    ]
    for name, process in running:
        out, _ = process.communicate(b"x", timeout=30)
        assert (process.returncode, out.decode()) == (0, name + "\nx")


if __name__ == "__main__":
    sys.exit(stress_main(sys.argv[1], int(sys.argv[2])))
