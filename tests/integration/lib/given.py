# SPDX-License-Identifier: MIT
"""Starts conjoin with files of ours under chosen numbers, and reads what --status-fd tells."""

import fcntl
import json
import os
import select
import subprocess

from lib import proc
from lib.program import TIMEOUT, argument

ABOVE = 100  # nobody asks for a number like this


def argv_with(conjoin, files, args):
    """argv, and what it needs to inherit."""
    copies = {number: fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, ABOVE) for number, fd in files.items()}
    moves = [f"{number}<&{copy}" for number, copy in copies.items()]
    closes = [f"{copy}<&-" for copy in copies.values()]
    script = " ".join(['exec "$@"', *moves, *closes])
    program = conjoin.before if hasattr(conjoin, "before") else [conjoin.path]
    return ["bash", "-c", script, "bash", *program, *map(argument, args)], tuple(copies.values())


def start_with(conjoin, files, *args, **more):
    """A Popen of `conjoin ARGS…`, whose fd `number` is our `fd`, for each of `files`."""
    argv, copies = argv_with(conjoin, files, args)
    more.setdefault("stdin", subprocess.DEVNULL)
    more.setdefault("stdout", subprocess.PIPE)
    more.setdefault("stderr", subprocess.PIPE)
    more.setdefault("text", True)
    try:
        return subprocess.Popen(argv, pass_fds=copies, **more)
    finally:
        for copy in copies:
            os.close(copy)


def run_with(conjoin, files, *args, **more):
    process = start_with(conjoin, files, *args, **more)
    try:
        out, err = process.communicate(timeout=TIMEOUT)
    except BaseException:
        process.kill()
        process.communicate()
        raise
    return subprocess.CompletedProcess(args, process.returncode, out, err)


def events(text):
    """The lines, each whole."""
    assert text.endswith("\n") or not text, text
    return [json.loads(line) for line in text.splitlines()]


def has_run_for_a_while(process):
    """There is the watchdog that only commands get that last."""
    path = f"/proc/{process.pid}/task/{process.pid}/children"

    def is_there():
        with open(path, encoding="ascii") as f:
            return any(comm(pid) == b"conjoin-watch\n" for pid in f.read().split())

    def comm(pid):
        try:
            return proc.read(pid, "comm")
        except OSError:
            return None  # the stage, which has ended meanwhile

    return is_there


def full_pipe():
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    try:
        while True:
            os.write(writer, bytes(4096))
    except BlockingIOError:
        os.set_blocking(writer, True)  # that's the description's, and so whose it becomes
    return reader, writer


def is_full(path):
    """A pipe or FIFO: would who writes there wait? Asked by a description of our own."""
    fd = os.open(path, os.O_WRONLY | os.O_NONBLOCK)
    try:
        return not select.select([], [fd], [], 0)[1]
    finally:
        os.close(fd)


def stderr_is_full(process):
    return is_full(f"/proc/{process.pid}/fd/2")


class Watched:
    """A run with --status-fd, and the process of its command."""

    def __init__(self, conjoin, *args, verb="exec", **more):
        reader, writer = os.pipe()
        self.pipe = os.fdopen(reader, encoding="utf-8")
        self.process = start_with(conjoin, {3: writer}, verb, "--status-fd", 3, *args, **more)
        os.close(writer)
        (self.started,) = events(self.pipe.readline())
        self.pid = self.started["pid"]

    def end(self, timeout=30):
        """(status, stderr, the last event)"""
        err = self.process.communicate(timeout=timeout)[1]
        (last,) = events(self.pipe.read())
        self.pipe.close()
        return self.process.returncode, err, last
