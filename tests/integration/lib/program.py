# SPDX-License-Identifier: MIT
"""Runs the program under test. Not here: judging what it did."""

import os
import signal
import subprocess

TOP = os.path.abspath(os.path.join(os.path.dirname(__file__), "../../.."))
BUILD = os.environ.get("BUILD", os.path.join(TOP, "build"))
CLEAN_ENV = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "LANG": "C.UTF-8",
}
# what a sanitized build needs to be told even in a clean environment
KEPT_ENV = ("ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS")
TIMEOUT = 60


def clean_env():
    return {**CLEAN_ENV, **{k: os.environ[k] for k in KEPT_ENV if k in os.environ}}


def without_leaks(env=None):
    """For a sanitized program that can't look for them, since it's traced, or can make no process."""
    env = clean_env() if env is None else env
    return {**env, "ASAN_OPTIONS": env.get("ASAN_OPTIONS", "") + ":detect_leaks=0"}


def as_user(uid, gid=None, groups=()):
    """Arguments that make subprocess start a process as somebody else; {} for ourselves."""
    if uid is None or uid == os.geteuid():
        return {}
    return {"user": uid, "group": uid if gid is None else gid, "extra_groups": list(groups)}


# A shell's job in the background has these ignored, and all that it starts; tests send them.
for _number in signal.SIGINT, signal.SIGQUIT, signal.SIGHUP:
    if signal.getsignal(_number) is signal.SIG_IGN:
        signal.signal(_number, signal.SIG_DFL)


class Conjoin:
    """The program, at `path`. Every call runs it once; nothing is kept between calls."""

    def __init__(self, path):
        self.path = path

    def run(self, *args, text=True, user=None, timeout=TIMEOUT, **more):
        """Runs `conjoin ARGS…` to its end; returns subprocess' CompletedProcess.

        Without `input` or `stdin` stdin is /dev/null. `user` is a uid (then the environment is a
        clean one unless `env` is given). With text=False what comes back is bytes. `more` goes
        to subprocess.run.
        """
        if "input" not in more:
            more.setdefault("stdin", subprocess.DEVNULL)
        more.setdefault("stdout", subprocess.PIPE)
        more.setdefault("stderr", subprocess.PIPE)
        if text:
            more.setdefault("errors", "surrogateescape")
        return subprocess.run(
            [self.path, *map(argument, args)], text=text, timeout=timeout, check=False,
            **self._identity(user, more),
        )

    def popen(self, *args, user=None, **more):
        """Starts it. The caller waits for it."""
        more.setdefault("stdin", subprocess.DEVNULL)
        return subprocess.Popen(
            [self.path, *map(argument, args)], **self._identity(user, more)
        )

    def exec(self, target, *command, options=(), **more):
        """`conjoin exec OPTIONS… TARGET COMMAND…`; `target` is text, a pid or has a .pid."""
        return self.run("exec", *options, pid_of(target), *command, **more)

    def debug(self, target, *command, options=(), **more):
        """The same for `conjoin debug`."""
        return self.run("debug", *options, pid_of(target), *command, **more)

    @staticmethod
    def _identity(user, more):
        if user is not None:
            more.setdefault("env", clean_env())
            more.setdefault("cwd", "/")
        return {**more, **as_user(user)}


def pid_of(target):
    return getattr(target, "pid", target)


def argument(value):
    return value if isinstance(value, (str, bytes)) else str(value)
