# SPDX-License-Identifier: MIT
"""A command that conjoin has started and that stays there to be looked at from the host, through
the host's /proc. Not here: judging what is seen, running commands to their end (program.py)."""

import ctypes
import os
import select
import subprocess
import time

from lib import proc
from lib.poll import wait_for
from lib.sandbox import Container

READY_TIMEOUT = 20
# Lines of status that are about this very process, or about what it does just now.
OWN_LINES = frozenset(
    "Name State Tgid Ngid Pid PPid TracerPid FDSize NStgid NSpid NSpgid NSsid Kthread VmPeak "
    "VmSize VmLck VmPin VmHWM VmRSS RssAnon RssFile RssShmem VmData VmStk VmExe VmLib VmPTE VmSwap "
    "HugetlbPages CoreDumping THP_enabled untag_mask Threads SigQ SigPnd ShdPnd SigBlk SigIgn "
    "SigCgt x86_Thread_features x86_Thread_features_locked voluntary_ctxt_switches "
    "nonvoluntary_ctxt_switches".split()
)
libc = ctypes.CDLL(None, use_errno=True)
IOPRIO_GET = {"x86_64": 252, "aarch64": 31}


class Held(Container):
    """`cat`, run by `conjoin exec OPTIONS… TARGET`: it has answered once, so execve is over.
    A context manager; `command` must copy its stdin to its stdout, line by line. `verb`: exec or debug."""

    def __init__(self, conjoin, target, options=(), command=("cat",), verb="exec", **more):
        self.process = conjoin.popen(
            verb, *options, getattr(target, "pid", target), *command, stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, **more,
        )
        self.supervisor = self.process.pid
        self.result = None
        try:
            self.pid = self._started()
        except BaseException:
            self.process.kill()
            self.process.communicate()
            raise

    def _started(self):
        self.process.stdin.write(b"x\n")
        self.process.stdin.flush()
        readable, _, _ = select.select([self.process.stdout], [], [], READY_TIMEOUT)
        if not readable or self.process.stdout.readline() != b"x\n":
            self.process.kill()
            raise RuntimeError(f"no command: {self.process.communicate()[1].decode()}")
        return child_of(self.supervisor)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.end()

    def end(self):
        """Lets it end by itself; (exit status, stderr). Can be called again."""
        if self.result is None:
            try:
                _, stderr = self.process.communicate(timeout=READY_TIMEOUT)  # closes its stdin
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.communicate()
                raise
            self.result = self.process.returncode, stderr.decode(errors="replace")
        return self.result


def watchdog_of(supervisor):
    """The one that is there as soon as there is a cgroup or a pty, else after 20 ms."""
    def find():
        for pid in proc.children(supervisor):
            try:
                if proc.read(pid, "comm") == b"conjoin-watch\n":
                    return pid
            except OSError:
                pass  # the stage, which has ended meanwhile
        return None

    return wait_for(find, READY_TIMEOUT, "the watchdog")


def is_watchdog(pid):
    """A process of ours beside the command: what it gets after 20 ms, or the stage. A list of children that
    is read while one of them ends may leave out another, so being the only one tells nothing."""
    try:
        return proc.read(pid, "comm").startswith(b"conjoin")
    except OSError:
        return True  # it has ended meanwhile, as the stage does


def child_of(pid):
    """The one living child: the stage before it has ended by the time that the command runs."""
    deadline = time.monotonic() + READY_TIMEOUT
    while True:
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as f:
            children = [int(child) for child in f.read().split()]
        living = [child for child in children if proc.alive(child) and not is_watchdog(child)]
        if len(living) == 1:
            return living[0]
        if time.monotonic() > deadline:
            raise AssertionError(f"{pid} has the children {children}")


def status_lines(pid):
    """What status says that a second process with the same identity says as well."""
    return without_own_lines(proc.status(pid))


def without_own_lines(status):
    return {key: value for key, value in status.items() if key not in OWN_LINES}


def file_or_error(pid, name):
    """The bytes, or the errno that reading it gives (attr/current without a security module)."""
    try:
        return proc.read(pid, name)
    except OSError as error:
        return error.errno


def links(pid, folder):
    """{"mnt": "mnt:[4026531841]", …}"""
    path = f"/proc/{pid}/{folder}"
    return {name: os.readlink(os.path.join(path, name)) for name in os.listdir(path)}


def ioprio(pid):
    return libc.syscall(IOPRIO_GET[os.uname().machine], 1, pid)


FILES = ("limits", "oom_score_adj", "coredump_filter", "personality", "timerslack_ns", "environ",
         "cgroup", "setgroups", "uid_map", "gid_map", "projid_map", "attr/current", "attr/exec")


def portrait(pid):
    """All that a process is, as the host's kernel tells it: two with one identity are equal."""
    seen = {f"status {key}": value for key, value in status_lines(pid).items()}
    seen.update({name: file_or_error(pid, name) for name in FILES})
    seen.update({f"ns {name}": link for name, link in links(pid, "ns").items()})
    seen.update({
        "root": os.readlink(f"/proc/{pid}/root"),
        "cwd": os.readlink(f"/proc/{pid}/cwd"),
        "nice": os.getpriority(os.PRIO_PROCESS, pid),
        "scheduler": os.sched_getscheduler(pid),
        "priority": os.sched_getparam(pid).sched_priority,
        "affinity": os.sched_getaffinity(pid),
        "ioprio": ioprio(pid),
    })
    return seen


def differences(one, other):
    """{"what": (in one, in other)} of those that aren't equal."""
    return {
        key: (one.get(key), other.get(key))
        for key in sorted(one.keys() | other.keys()) if one.get(key) != other.get(key)
    }
