# SPDX-License-Identifier: MIT
"""Terminals of the caller's, with conjoin on them. Not here: judging what is seen there."""

import fcntl
import os
import select
import struct
import subprocess
import termios
import time

from lib.poll import wait_for

DEADLINE = 15
TTY, PIPE, NULL = "tty", "pipe", "null"


class Terminal:
    """A terminal, and conjoin run on it as a shell would: in a session of its own, the foreground
    group (unless `background`). `fds` says what each of 0 to 2 is: one of the words, or what Popen takes."""

    def __init__(self, conjoin, size=(24, 80)):
        self.conjoin, self.running, self.seen = conjoin, None, b""
        self.master, self.slave = os.openpty()
        self.resize(*size)

    def resize(self, rows, columns):
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def start(self, *args, fds=(TTY, TTY, TTY), background=False, env=None):
        def lead():
            os.setsid()
            fcntl.ioctl(self.slave, termios.TIOCSCTTY, 0)

        command = [self.conjoin.path, "exec", *map(str, args)]
        if background:
            command = ["/bin/sh", "-c", 'set -m; "$@" & wait $!', "sh", *command]
        kinds = {TTY: self.slave, PIPE: subprocess.PIPE, NULL: subprocess.DEVNULL}
        stdio = dict(zip(("stdin", "stdout", "stderr"), (kinds.get(fd, fd) for fd in fds)))
        self.running = subprocess.Popen(
            command, preexec_fn=lead, pass_fds=[self.slave], env=env or dict(os.environ), **stdio,
        )

    def read_until(self, text):
        """What the terminal shows, until it holds `text`."""
        end = time.monotonic() + DEADLINE
        while text not in self.seen:
            left = end - time.monotonic()
            readable = left > 0 and select.select([self.master], [], [], left)[0]
            assert readable, f"waited in vain for {text}: {self.seen}"
            self.seen += os.read(self.master, 65536)
        found, _, self.seen = self.seen.partition(text)
        return found + text

    def read(self, timeout=0.01):
        """Adds what it shows to `seen`."""
        if select.select([self.master], [], [], timeout)[0]:
            self.seen += os.read(self.master, 65536)

    def wait_raw(self, raw=True):
        keys = termios.ICANON | termios.ECHO | termios.ISIG
        wait_for(lambda: (self.mode()[3] & keys == 0) == raw, DEADLINE, f"raw mode: {raw}")

    def type(self, data):
        os.write(self.master, data)

    def wait(self):
        """The exit status. Goes on reading: a terminal that nobody reads is full some day."""
        def ended():
            if select.select([self.master], [], [], 0)[0]:
                self.seen += os.read(self.master, 65536)
            return self.running.poll() is not None

        wait_for(ended, DEADLINE, "end of conjoin")
        while select.select([self.master], [], [], 0)[0]:
            self.seen += os.read(self.master, 65536)
        return self.running.returncode

    def mode(self):
        return termios.tcgetattr(self.slave)

    def device(self):
        return os.fstat(self.slave).st_rdev

    def close(self):
        if self.running:
            self.running.kill()
            self.running.wait()
            for pipe in (self.running.stdin, self.running.stdout, self.running.stderr):
                if pipe:
                    pipe.close()
        os.close(self.master)
        os.close(self.slave)


def command_of(supervisor):
    def find():
        with open(f"/proc/{supervisor}/task/{supervisor}/children", encoding="ascii") as f:
            for pid in f.read().split():
                try:
                    if os.readlink(f"/proc/{pid}/exe").endswith("/busybox"):
                        return int(pid)
                except OSError:
                    pass
        return None
    return wait_for(find, DEADLINE, "the command")
