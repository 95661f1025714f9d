# SPDX-License-Identifier: MIT
"""docs/CONTAINERS.md, run as it stands there, from the top, by one shell against a real Docker. In a
```console block a line that begins with `$ ` is a command, and what follows is all that it prints,
stderr included. Numbers and ids may be others than on the page, but one that is the same there has to
be the same here. Blanks between words may differ."""

import os
import re
import select
import subprocess
import time

import pytest

from lib import proc
from lib.docker import inside
from lib.image import NAME as IMAGE
from lib.poll import wait_for
from lib.program import TIMEOUT, TOP, clean_env

PAGE = os.path.join(TOP, "docs/CONTAINERS.md")
BLOCK = re.compile(r"^```console\n(.*?)^```$", re.DOTALL | re.MULTILINE)
TOKEN = re.compile(r"\b(?:[0-9a-f]{64}|[0-9a-f]{12}|\d+)\b")
FIXED = {"0", "1", "125", "137", "143", "256", "1000", "2000", "100000"}  # statuses and the like
# docker's of the host's networks, ours of processes that this machine's root may not look at
NOT_OF_THE_PAGE = ("WARNING: ", "conjoin: ps: warning: ")
MARK = "end-of-command-of-the-page"


def page():
    with open(PAGE, encoding="utf-8") as f:
        return f.read()


def commands():
    """[(command, expected output)…]"""
    found = []
    for block in BLOCK.findall(page()):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, output = part.partition("\n")
            found.append((command, output))
    return found


class Names:
    """Which number of the page is which one here: one to one, for the whole page."""

    def __init__(self):
        self.here, self.there = {}, {}

    def translate(self, text):
        """What the page says, with the numbers that are known here."""
        return TOKEN.sub(lambda m: self.here.get(m[0], m[0]), text)

    def same(self, expected, text):
        theirs, ours = TOKEN.findall(expected), TOKEN.findall(text)
        if squeeze(TOKEN.sub("N", expected)) != squeeze(TOKEN.sub("N", text)):
            return False
        return all(self.pair(one, other) for one, other in zip(theirs, ours, strict=True))

    def pair(self, one, other):
        if one in FIXED or other in FIXED:
            return one == other
        return self.here.setdefault(one, other) == other and \
            self.there.setdefault(other, one) == one


def squeeze(text):
    return [" ".join(line.split()) for line in text.splitlines()]


class Shell:
    def __init__(self, folder, environment):
        self.output = b""
        self.process = subprocess.Popen(
            ["bash", "--norc"], cwd=folder, env=environment, stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    def run(self, command):
        """What it prints, without warnings that depend on the machine."""
        self.process.stdin.write(f"{command}\necho {MARK}\n".encode())
        self.process.stdin.flush()
        end, deadline = f"{MARK}\n".encode(), time.monotonic() + TIMEOUT
        while not self.output.endswith(end):
            left = deadline - time.monotonic()
            assert left > 0, f"{command} doesn't end: {self.output}"
            if select.select([self.process.stdout], [], [], left)[0]:
                data = os.read(self.process.stdout.fileno(), 65536)
                assert data, f"the shell has ended: {self.output}"
                self.output += data
        text, self.output = self.output.removesuffix(end).decode(), b""
        return "".join(line + "\n" for line in text.splitlines()
                       if not line.startswith(NOT_OF_THE_PAGE))

    def close(self):
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait(TIMEOUT)


@pytest.fixture
def shell(docker, conjoin, scratch):
    os.symlink(conjoin.path, os.path.join(scratch, "conjoin"))
    environment = {**clean_env(), **docker.environment}
    environment["PATH"] = f"{scratch}:{os.path.dirname(docker.program[0])}:{environment['PATH']}"
    docker("tag", IMAGE, "busybox")
    made = Shell(scratch, environment)
    yield made
    docker.made["web"] = True
    docker.remove("web")
    made.close()
    docker("rmi", "busybox")


def started(docker, command):
    """Waits until what was put into the background is a process of the container."""
    wanted = command.removesuffix("&").split()[3:]

    def is_there():
        pids = inside(int(docker.state_of("web")["Pid"]))
        return any(proc.read(pid, "cmdline").decode().split("\0")[:-1] == wanted for pid in pids)

    wait_for(is_there, what=command)


def test_the_commands_print_what_the_page_says(docker, shell):
    names, wrong = Names(), []
    for command, expected in commands():
        output = shell.run(names.translate(command))
        if not names.same(expected, output):
            wrong.append(f"$ {command}\n{output}instead of\n{expected}")
        if command.endswith("&"):
            started(docker, command)
    assert wrong == [], "\n" + "\n".join(wrong)


@pytest.mark.parametrize("question", [
    "Is the PID the same inside and outside?", "Who sees the process?", "killed from inside?",
    "on pause?", "on restart?", "on stop?", "Which limits count?"])
def test_the_page_answers(question):
    """With at least one command each."""
    parts = page().split("\n## ")
    (part,) = [part for part in parts if question in part.partition("\n")[0]]
    assert BLOCK.search("\n" + part)
