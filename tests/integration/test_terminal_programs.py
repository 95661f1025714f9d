# SPDX-License-Identifier: MIT
"""Programs that want a whole terminal, on a pty that conjoin made: editors, pagers, multiplexers, what asks who
sits there. In a container of busybox, and in one with all of Debian. Not here: what conjoin does with terminals
itself (test_terminal.py)."""

import os
import pathlib
import subprocess

import pytest

from lib import proc
from lib.fixtures import numbers
from lib.listing import in_namespace
from lib.poll import wait_for
from lib.program import clean_env
from lib.sandbox import Sandbox
from lib.terminal import Terminal

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")

ROWS, COLUMNS = 24, 80
TERM = {**clean_env(), "TERM": "xterm"}
# The host's files, and a pid namespace and a devpts of its own.
DEBIAN = """
mount -t tmpfs tmp /tmp
mount -t devpts -o newinstance,ptmxmode=666 devpts /dev/pts
mount --bind /dev/pts/ptmx /dev/ptmx
echo; exec sleep 100000"""


class Debian:
    def __init__(self):
        self.process = subprocess.Popen(
            ["unshare", "--mount", "--pid", "--fork", "--mount-proc", "--kill-child", "--propagation",
             "private", "sh", "-ec", DEBIAN], stdout=subprocess.PIPE, env=TERM)
        assert self.process.stdout.readline() == b"\n"
        with open(f"/proc/{self.process.pid}/task/{self.process.pid}/children",
                  encoding="ascii") as f:
            self.pid = int(f.read())

    def stop(self):
        self.process.kill()
        self.process.communicate()


@pytest.fixture(scope="module")
def busybox(sandbox_program, rootfs):
    made = Sandbox(sandbox_program, rootfs)
    yield made
    made.stop()


@pytest.fixture(scope="module")
def debian():
    made = Debian()
    yield made
    made.stop()


@pytest.fixture(scope="module")
def boxes(busybox, debian):
    return {"busybox": busybox, "debian": debian}


@pytest.fixture(params=["busybox", "debian"])
def box(request, boxes):
    return boxes[request.param]


@pytest.fixture
def start(conjoin):
    made = []

    def run(box, *command):
        made.append(Terminal(conjoin, (ROWS, COLUMNS)))
        made[-1].start(box.pid, *command, env=TERM)
        return made[-1]

    yield run
    for one in made:
        one.close()


def only(box, name):
    """The one process in the box that is called that."""
    found = [pid for pid in in_namespace("pid", proc.namespace(box.pid, "pid"))
             if proc.read(pid, "comm").strip() == name]
    assert len(found) == 1, found
    return found[0]


def inside(box, path):
    return pathlib.Path(f"/proc/{box.pid}/root{path}")


EDITORS = {"busybox": ["vi"], "debian": ["vim.tiny", "-N", "-u", "NONE"]}


@pytest.mark.parametrize("kind", EDITORS)
def test_an_editor_writes_what_is_typed(boxes, start, kind):
    box, file = boxes[kind], f"/tmp/edited-{next(numbers)}"
    terminal = start(box, *EDITORS[kind], file)
    terminal.read_until(b"~")
    terminal.type(b"ihello, \xc3\xa4\x1b")
    terminal.read_until(b"hello, ")
    terminal.type(b":wq\r")
    assert terminal.wait() == 0
    assert inside(box, file).read_text(encoding="utf-8") == "hello, ä\n"


def test_a_pager_shows_a_page_at_a_time(box, start):
    terminal = start(box, "sh", "-c", "seq 100 500 | less")
    shown = terminal.read_until(str(100 + ROWS - 2).encode())
    assert str(100 + ROWS).encode() not in shown + terminal.seen
    terminal.type(b" ")
    terminal.read_until(str(100 + 2 * (ROWS - 1) - 2).encode())
    terminal.type(b"q")
    assert terminal.wait() == 0


def test_a_screenful_follows_the_window(debian, start):
    """What fits into a bigger window comes with it, without a key."""
    terminal = start(debian, "sh", "-c", "seq 100 500 | less")
    terminal.read_until(str(100 + ROWS - 2).encode() + b"\r\n:")
    less = only(debian, b"less")
    wait_for(lambda: proc.stat_fields(less)[0] == "S", what="the pager to wait for a key")
    terminal.resize(50, COLUMNS)
    terminal.read_until(b"148")
    terminal.type(b"q")
    assert terminal.wait() == 0


def test_top_shows_the_containers_processes(box, start):
    terminal = start(box, "top", "-d", "1")
    terminal.read_until(b"PID")
    terminal.read_until(b"top")  # itself
    terminal.type(b"q")
    assert terminal.wait() == 0


# How a session is begun, what shows that it has, how it's left, come back to, and ended.
MULTIPLEXERS = {
    "tmux": ("tmux -L {} start-server ; set -g assume-paste-time 0 ; new-session", b"[0] 0:sh", b"\x02d", "tmux -L {} attach",
             "tmux -L {} kill-server"),
    "screen": ("screen -S {} sh", b"# ", b"\x01d", "screen -r {}", "screen -S {} -X quit")}


@pytest.mark.parametrize("kind", MULTIPLEXERS)
def test_a_multiplexer_can_be_left_and_come_back_to(conjoin, debian, start, kind):
    new, ready, leave, again, end = MULTIPLEXERS[kind]
    name = f"test-{next(numbers)}"
    terminal = start(debian, "env", "SHELL=/bin/sh", *new.format(name).split())
    terminal.read_until(ready)
    terminal.type(b"echo $((123*321))\r")
    terminal.read_until(b"39483")
    terminal.type(leave)
    terminal.read_until(b"detached")
    assert terminal.wait() == 0
    back = start(debian, *again.format(name).split())
    back.read_until(b"39483")
    back.type(b"echo $((123*123))\r")
    back.read_until(b"15129")
    assert conjoin.exec(debian, *end.format(name).split()).returncode == 0
    back.wait()


@pytest.mark.parametrize("words", [
    ["tty"], ["su", "root", "-c", "tty"], ["su", "-s", "/bin/sh", "nobody", "-c", "tty"],
    ["sudo", "-n", "tty"],
], ids=" ".join)
def test_who_asks_for_the_terminal_is_told(debian, start, words):
    terminal = start(debian, *words)
    assert terminal.wait() == 0, terminal.seen
    assert terminal.seen.startswith(b"/dev/pts/"), terminal.seen


def test_the_container_has_no_terminal_left(box, start):
    before = set(os.listdir(inside(box, "/dev/pts")))
    for _ in range(3):
        assert start(box, "tty").wait() == 0
    wait_for(lambda: set(os.listdir(inside(box, "/dev/pts"))) == before, what="ptys to be gone")
