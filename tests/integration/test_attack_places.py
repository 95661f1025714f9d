# SPDX-License-Identifier: MIT
"""Targets that stand in the wrong place, or whose files are made up: a cwd of the host, a faked
/proc, an /etc/passwd that isn't one. Not here: what changes while it's looked at
(test_attack_swap.py)."""

import os
import shutil
import subprocess

import pytest

from lib import proc
from lib.attack import arena, hosts  # noqa: F401
from lib.poll import wait_for

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
OURS = 125
RAN = (0, b"ran\n", b"")
DEADLINE = 15


@pytest.fixture
def box(arena):
    return arena.start(namespaces="all,-user", caps="all")


def inside(box, script):
    """By other means than ours."""
    subprocess.run(["nsenter", "-a", "-t", str(box.pid), "sh", "-c", script], check=True,
                   stdin=subprocess.DEVNULL, timeout=20)


@pytest.fixture
def stray_process(box):
    """stray_process(*nsenter's options): the pid of a process in the container."""
    made = []

    def make(*words):
        made.append(subprocess.Popen(["nsenter", "-a", "-t", str(box.pid), *words],
                                     stdin=subprocess.DEVNULL))
        return wait_for(lambda: sleeper(made[-1].pid), what="the process")

    yield make
    for one in made:
        pid = sleeper(one.pid)
        if pid:
            os.kill(pid, 9)
        one.wait(20)


def sleeper(pid):
    """The one that nsenter forked, when it has become the command."""
    for word in proc.read(pid, f"task/{pid}/children").split():
        if proc.status(int(word))["Name"] == "sleep":
            return int(word)
    return None


def test_a_target_whose_cwd_is_on_the_host_is_refused(arena, box, stray_process):
    pid = stray_process(f"--wd={arena.cwd}", "sleep", "100000")
    assert os.path.samefile(f"/proc/{pid}/cwd", arena.cwd)  # else it proves nothing
    status, out, err = arena.once(arena.enter(pid, "ls"), DEADLINE)
    assert (status, out) == (OURS, b"")
    assert b"of the root" in err and b"hint: -w /" in err
    assert arena.once(arena.enter(pid, "echo", "ran", options=["-w", "/"]), DEADLINE)[:2] == RAN[:2]


@pytest.mark.parametrize("way", [".", "..", "/proc/self/cwd", "/proc/1/cwd/../../../.."])
def test_no_workdir_leads_from_such_a_cwd_to_the_host(arena, box, stray_process, way):
    pid = stray_process(f"--wd={arena.cwd}", "sleep", "100000")
    name = os.path.basename(arena.marker)
    _, out, _ = arena.once(arena.enter(pid, "ls", "-a", options=["-w", way]), DEADLINE)
    assert name.encode() not in out


def test_a_target_whose_cwd_is_deleted_is_refused(arena, box, stray_process):
    inside(box, "mkdir /tmp/gone")
    pid = stray_process("sh", "-c", "cd /tmp/gone && rmdir /tmp/gone && exec sleep 100000")
    status, out, err = arena.once(arena.enter(pid, "echo", "ran"), DEADLINE)
    assert (status, out) == (OURS, b"")
    assert b"change directory" in err


def test_a_target_that_is_outside_of_its_own_root_is_refused(arena):
    box = arena.start(["/bin/attacker", "--swap", "outside"], namespaces="all,-user", caps="docker")
    target = wait_for(lambda: proc.read(box.pid, f"task/{box.pid}/children").split())[0]
    wait_for(lambda: os.readlink(f"/proc/{int(target)}/root").endswith("jail"))
    status, out, err = arena.once(arena.enter(int(target), "/bin/ls"), DEADLINE)
    assert (status, out) == (OURS, b"")
    assert b"of the root" in err


FAKES = {
    "empty": "true",
    "links": "mkdir -p /proc/self && ln -s / /proc/self/root && ln -s /bin/sh /proc/self/exe",
    "pipes": "mkdir -p /proc/self /proc/self/fd && mkfifo /proc/self/status /proc/self/fd/3"
             " /proc/mounts /proc/self/exe /proc/self/mountinfo",
    "attributes": "mkdir -p /proc/thread-self/attr/apparmor && cd /proc/thread-self/attr"
                  " && touch exec apparmor/exec current && mkfifo keycreate",
    "numbers": "for i in 1 2 3 4 5 6 7 8 9; do mkdir /proc/$i; mkfifo /proc/$i/status; done",
}


@pytest.mark.parametrize("fake", FAKES)
def test_a_faked_proc_inside_isnt_asked(arena, box, fake):
    inside(box, f"mount -t tmpfs none /proc && {FAKES[fake]}")
    for options in ([], ["-u", "app"], ["-w", "/tmp"]):
        words = arena.enter(box.pid, "echo", "ran", options=options)
        assert arena.once(words, DEADLINE) == RAN


PTMX = {
    "a pipe": "mkfifo /dev/pts/ptmx",
    "a file": "echo x > /dev/pts/ptmx",
    "a link": "ln -s /dev/zero /dev/pts/ptmx",
    "the caller's terminal": "mknod /dev/pts/ptmx c 5 0",
    "a console": "mknod /dev/pts/ptmx c 5 1",
    "another device": "mknod /dev/pts/ptmx c 1 5",
    "nothing": "true",
}


@pytest.mark.parametrize("kind", PTMX)
def test_a_faked_ptmx_is_neither_opened_nor_waited_for(arena, box, kind):
    inside(box, f"mount -t tmpfs none /dev/pts && {PTMX[kind]}")
    words = arena.enter(box.pid, "sh", "-c", "test -t 0 && echo ran", options=["-t"])
    assert arena.once(words, DEADLINE)[:2] == (0, b"ran\r\n")


ONLY_ON_THE_HOST = "daemon"
PASSWDS = {
    "a link to the host's": "ln -s {host} {file}",
    "a link that climbs": "ln -s ../../../../../../../../../etc/passwd {file}",
    "a magic link": "ln -s /proc/1/root/etc/passwd {file}",
    "a link to itself": "ln -s {file} {file}",
    "a pipe": "mkfifo {file}",
    "a directory": "mkdir {file}",
    "an endless device": "mknod {file} c 1 5",
    "the kernel's log": "mknod {file} c 1 11",
    "very large": "truncate -s 8G {file}",
    "our own memory": "ln -s /proc/self/mem {file}",
}


@pytest.mark.parametrize("kind", PASSWDS)
def test_users_come_from_no_file_but_a_plain_one_of_the_container(arena, box, kind):
    host = {"/etc/passwd": "/etc/passwd", "/etc/group": arena.marker}
    who = {"/etc/group": f"root:{ONLY_ON_THE_HOST}", "/etc/passwd": ONLY_ON_THE_HOST}
    for file, user in who.items():  # the group first: the user is then still to be found
        inside(box, f"rm -f {file} && " + PASSWDS[kind].format(file=file, host=host[file]))
        words = arena.enter(box.pid, "echo", "ran", options=["-u", user])
        status, out, err = arena.once(words, DEADLINE)
        assert (status, out) == (OURS, b"")
        assert b"of the host" not in err and err.count(b"\n") <= 2


def test_self_check_those_names_exist_on_the_host():
    for file in ("/etc/passwd", "/etc/group"):
        with open(file, encoding="utf-8") as f:
            assert any(line.startswith(ONLY_ON_THE_HOST + ":") for line in f)
    assert shutil.which("nsenter")
