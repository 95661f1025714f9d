# SPDX-License-Identifier: MIT
"""conjoin pids while processes come and go, and among very many. Not here: what it tells (test_pids.py)."""

import json
import os
import subprocess
import sys
import time

import pytest

from lib import proc
from lib.poll import wait_for
from lib.program import TOP, clean_env

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")

NUMBER_CALLS = (0x8004B706, 0x8004B707, 0x8004B708, 0x8004B709)
DENY = ["/usr/bin/python3", os.path.join(TOP, "tests/compat/deny.py"),
        *[f"ioctl[1]={call:#x}:ENOTTY" for call in NUMBER_CALLS], "--"]
MANY = int(os.environ.get("CONJOIN_TEST_PROCESSES", "10000"))
READS = 200

STORM = """
i=0; while [ $i -lt 30 ]; do sleep 1000 & i=$((i+1)); done
while :; do
    for i in 1 2 3 4 5 6 7 8 9; do true & done
    sleep 1000 & last=$!
    kill $oldest 2>/dev/null; oldest=$last
done
"""


def n_children(box):
    with open(f"/proc/{box.pid}/task/{box.pid}/children", encoding="ascii") as f:
        return len(f.read().split())


def ticks():
    """What field 22 of stat counts in."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) * os.sysconf("SC_CLK_TCK")


def numbers_of_the_process(pid, before):
    """NSpid of the process that had the number at `before` and still has it; else None."""
    try:
        numbers = [int(n) for n in proc.status(pid)["NSpid"].split()]
        start = proc.start_time(pid)
    except (FileNotFoundError, ProcessLookupError, KeyError):
        return None
    return numbers if start < before - 1 and numbers else None


@pytest.mark.parametrize("before", [[], DENY], ids=["by calls", "by NSpid"])
def test_no_pair_is_wrong_in_a_forking_storm(before, conjoin, sandbox):
    box = sandbox("sh", "-c", STORM, namespaces="all,-user")
    wait_for(lambda: n_children(box) > 30)
    checked, all_seen = 0, set()
    for _ in range(READS if not before else READS // 4):
        start = ticks()
        done = subprocess.run(
            [*before, conjoin.path, "pids", "--flat", "--noheadings", "-o", "levels", str(box.pid)],
            capture_output=True, text=True, check=False, env=clean_env(), stdin=subprocess.DEVNULL)
        assert (done.returncode, done.stderr) == (0, "")
        rows = [[int(number) for number in row.split(",")] for row in done.stdout.splitlines()]
        assert len({row[0] for row in rows}) == len(rows) == len({row[1] for row in rows})
        assert rows[0] == [box.pid, 1] and len(rows) > 5
        for row in rows:
            all_seen.add(tuple(row))
            numbers = numbers_of_the_process(row[0], start)
            if numbers:
                assert numbers == row
                checked += 1
    assert checked > 5 * READS // 4
    assert len(all_seen) > 100  # there was a storm


# Two containers whose processes get the same few numbers outside over and over, for each writes where
# the next begins. A process has its number inside in its name, so that what doesn't belong together shows.
RECYCLE = """if 1:
    import ctypes, os, signal, subprocess, sys, time
    libc = ctypes.CDLL(None)
    reads, command = int(sys.argv[1]), sys.argv[2:]
    FIRST = 1000

    def rename(name):
        libc.prctl(15, name.encode())

    def container(tag):
        if os.fork():
            return
        libc.unshare(0x20000000)
        inner = os.fork()
        if inner:
            os.waitpid(inner, 0)
            os._exit(0)
        rename(tag + "-init")
        alive = 0
        while True:
            if alive < 8:
                if os.fork() == 0:
                    rename(tag + str(os.getpid()))
                    time.sleep(0.002)
                    os._exit(0)
                alive += 1
            while alive and os.waitpid(-1, 0 if alive == 8 else os.WNOHANG)[0]:
                alive -= 1

    def recycle():
        if os.fork():
            return
        fd = os.open("/proc/sys/kernel/ns_last_pid", os.O_WRONLY)
        while True:
            os.pwrite(fd, str(FIRST).encode(), 0)
            time.sleep(0.0005)

    container("a"); container("b")
    def init_of(tag):
        while True:
            for pid in filter(str.isdigit, os.listdir("/proc")):
                try:
                    status = open(f"/proc/{pid}/status").read().split("\\n")
                except OSError:
                    continue
                numbers = next(line.split()[1:] for line in status if line.startswith("NSpid"))
                if status[0] == f"Name:\\t{tag}-init" and numbers[1:] == ["1"]:
                    return pid
    target = init_of("a")
    recycle()
    pairs = set()
    for _ in range(reads):
        done = subprocess.run([*command, "pids", "--flat", "--noheadings", "-o", "levels,name", target],
                              capture_output=True, text=True)
        if done.returncode or done.stderr:
            sys.exit(f"{done}")
        for row in done.stdout.splitlines():
            levels, name = row.split()
            host, inside = levels.split(",")
            if name == "a-init":
                continue
            if name != "a" + inside:
                sys.exit(f"wrong pair: {row}")
            pairs.add((host, inside))
    print(len(pairs), len({host for host, _ in pairs}), flush=True)
"""


@pytest.mark.parametrize("before", [[], DENY], ids=["by calls", "by NSpid"])
def test_no_pair_is_wrong_while_numbers_are_used_again_and_again(before, conjoin):
    if not os.path.exists("/proc/sys/kernel/ns_last_pid"):
        pytest.skip("this kernel doesn't let choose numbers")
    reads = READS if not before else READS // 4
    done = subprocess.run(
        ["unshare", "-pf", "--kill-child", "--mount-proc", sys.executable, "-c", RECYCLE, str(reads),
         *before, conjoin.path],
        capture_output=True, text=True, timeout=120, check=False, env=clean_env(),
        stdin=subprocess.DEVNULL)
    assert done.returncode == 0, done
    pairs, hosts = map(int, done.stdout.split())
    assert pairs > reads and pairs > 2 * hosts  # many were seen, and numbers were used again


def listing(conjoin, box):
    """{host: inside} and the seconds that it took: the best of a few, for others use this machine."""
    took = []
    for _ in range(3):
        start = time.monotonic()
        done = conjoin.run("pids", "--json", "--flat", box.pid)
        took.append(time.monotonic() - start)
        assert (done.returncode, done.stderr) == (0, "")
    rows = json.loads(done.stdout)
    pairs = {row["host"]: row["inside"] for row in rows}
    assert len(pairs) == len(rows)
    return pairs, min(took)


def time_of_ps():
    took = []
    for _ in range(3):
        start = time.monotonic()
        subprocess.run(["ps", "-e", "-o", "pid,pidns"], stdout=subprocess.DEVNULL, check=True)
        took.append(time.monotonic() - start)
    return min(took)


def crowd(sandbox, count):
    """A container with so many processes beside its first one."""
    script = f"n={count}; while [ $n -gt 0 ]; do sleep 1000 & n=$((n-1)); done; wait; :"
    box = sandbox("sh", "-c", script, namespaces="all,-user")
    wait_for(lambda: n_children(box) == count, timeout=200, what=f"{count} processes in {box.pid}")
    return box


def test_the_cost_grows_with_the_number_of_processes_and_no_faster(conjoin, sandbox):
    few = crowd(sandbox, MANY // 8)
    pairs, time_of_few = listing(conjoin, few)
    assert len(pairs) == MANY // 8 + 1
    few.stop()
    many = crowd(sandbox, MANY)
    pairs, time_of_many = listing(conjoin, many)
    assert len(pairs) == MANY + 1
    for pid in list(pairs)[::97]:
        assert proc.status(pid)["NSpid"].split() == [str(pid), str(pairs[pid])]
    with_ps = time_of_ps()
    print(f"{MANY // 8}: {time_of_few:.3f} s; {MANY}: {time_of_many:.3f} s; "
          f"ps -e -o pid,pidns {with_ps:.3f} s")
    assert time_of_many < 8 * time_of_few * 2.5  # the square would be 64 times
    assert time_of_many < 2 * with_ps
