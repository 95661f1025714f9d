# SPDX-License-Identifier: MIT
"""Starts conjoin with files of ours under chosen numbers, and reads what --status-fd tells."""

import fcntl
import json
import os
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
            return any(proc.read(pid, "comm") == b"conjoin-watch\n" for pid in f.read().split())

    return is_there
