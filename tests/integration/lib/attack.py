# SPDX-License-Identifier: MIT
"""A hostile container, and many commands started in it at once. Not here: what counts as an attack
(tests/lib/attacker*.c says what it found), nor what must come of it (test_attack*.py).

What only the host has, and the attacker looks for: a marker file, by its absolute path, which is in
the caller's directory and open in the caller as two stray fds; and a word in its environment."""

import os
import secrets
import shutil
import signal
import subprocess
import tempfile
import threading

import pytest

from lib.poll import wait_for
from lib.program import BUILD, clean_env
from lib.sandbox import Sandbox

ROUNDS = int(os.environ.get("ATTACK_ROUNDS", "1000"))
FULL = ROUNDS >= 10000  # also those that take as long as our own deadlines
THREADS = 4
DEADLINE = 60


def program(name):
    """Beside the sandbox: one build of them serves every variant of conjoin."""
    sandbox = os.environ.get("SANDBOX", os.path.join(BUILD, "tests/lib/sandbox"))
    return os.path.join(os.path.dirname(os.path.abspath(sandbox)), name)


class Arena:
    """The host's side: markers, and a copy of conjoin, so that nothing is lost by writing to it."""

    def __init__(self, folder, conjoin, rootfs, sandbox_program):
        self.folder = folder
        self.sandbox_program = sandbox_program
        self.conjoin = os.path.join(folder, "conjoin")
        shutil.copy(conjoin.path, self.conjoin)
        os.chmod(self.conjoin, 0o755)
        self.rootfs = os.path.join(folder, "rootfs")
        shutil.copytree(rootfs, self.rootfs, symlinks=True)
        shutil.copy(program("attacker"), os.path.join(self.rootfs, "bin/attacker"))
        self.cwd = os.path.join(folder, "cwd")
        os.mkdir(self.cwd)
        self.marker = os.path.join(self.cwd, "marker-" + secrets.token_hex(8))
        with open(self.marker, "w", encoding="ascii") as f:
            f.write("of the host\n")
        self.secret = "secret-" + secrets.token_hex(16)
        self.stray = [os.open(self.marker, os.O_RDWR), os.open(self.cwd, os.O_RDONLY)]
        for fd in self.stray:
            os.set_inheritable(fd, True)
        self.boxes = []

    def close(self):
        for fd in self.stray:
            os.close(fd)

    def container(self, *attacks, confined=False, **options):
        """Runs the attacks in a new container; `options` are the sandbox's."""
        options.setdefault("namespaces", "all,-user")
        words = ["/bin/attacker", "--marker", self.marker, "--secret", self.secret]
        if confined:
            words.append("--confined")
        return self.start(words + list(attacks), **options)

    def start(self, command=(), **options):
        """A container that runs `command`, an attacker; without: one that is quiet."""
        box = Sandbox(self.sandbox_program, self.rootfs, command, **options)
        self.boxes.append(box)
        if command:
            wait_for(lambda: "READY" in box.stderr(), what="the attacker")
        return box

    def stop(self):
        while self.boxes:
            self.boxes.pop().stop()

    def environment(self):
        return {**clean_env(), "CALLERS_SECRET": self.secret,
                "CONJOIN_TEST_RUN": os.environ["CONJOIN_TEST_RUN"]}

    def popen(self, words, **more):
        """Starts one command, with all that mustn't be seen inside."""
        stdin, end = os.pipe()
        os.close(end)
        try:
            more.setdefault("stdout", subprocess.PIPE)
            more.setdefault("stderr", subprocess.PIPE)
            return subprocess.Popen(
                words, stdin=stdin, cwd=self.cwd, env=self.environment(), close_fds=False, **more)
        finally:
            os.close(stdin)

    def enter(self, pid, *command, options=()):
        return [self.conjoin, "exec", *options, str(pid), *command]

    def storm(self, words, rounds, threads=THREADS, deadline=DEADLINE):
        """Runs a command `rounds` times, several at once: a list of (status, stdout, stderr).
        `words` is the command line, or a function that makes one for each round."""
        results, lock = [], threading.Lock()
        left = iter(range(rounds))

        def work():
            while True:
                with lock:
                    number = next(left, None)
                if number is None:
                    return
                results.append(self.once(words() if callable(words) else words, deadline))

        pool = [threading.Thread(target=work) for _ in range(threads)]
        for thread in pool:
            thread.start()
        for thread in pool:
            thread.join()
        return results

    def once(self, words, deadline=DEADLINE):
        process = self.popen(words)
        try:
            out, err = process.communicate(timeout=deadline)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            return "hung", b"", b""
        return process.returncode, out, err


@pytest.fixture(scope="module")
def hosts(session_folder, conjoin, rootfs, sandbox_program):
    for name in ("attacker", "naive"):
        if not os.access(program(name), os.X_OK):
            pytest.skip(f"there is no program {program(name)}")
    folder = tempfile.mkdtemp(prefix="attack-", dir=session_folder)
    os.chmod(folder, 0o755)
    made = Arena(folder, conjoin, rootfs, sandbox_program)
    yield made
    made.close()
    shutil.rmtree(folder)


@pytest.fixture
def arena(hosts):
    yield hosts
    hosts.stop()


def stop_attack(box):
    """Ends the attack: (what it found, how often conjoin was seen, how often traced)."""
    os.kill(box.pid, signal.SIGUSR1)
    wait_for(lambda: "\nDONE " in box.stderr(), 30, what="the attacker's last word")
    lines = box.stderr().splitlines()
    numbers = dict(word.split("=") for word in lines[-1].split()[1:])
    found = sorted({line[8:] for line in lines if line.startswith("FINDING ")})
    return found, int(numbers["caught"]), int(numbers["traced"])
