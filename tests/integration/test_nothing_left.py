# SPDX-License-Identifier: MIT
"""Nothing is left: by a supervisor that was killed at any moment, by thousands of commands, where files never
answer. EXEC_ROUNDS and EXEC_AT_ONCE say how many commands (10000 and 200 are the full form). Not here: who
is found and killed (test_tree.py)."""

import gc
import itertools
import os
import signal
import subprocess
import sys
import termios
import time

import pytest

from lib import proc
from lib.attack import program
from lib.brood import BROOD, PROGRAM, Box, write
from lib.leaks import comes_from_us, made_by_others, own_cgroups, stale_cgroups, trees_of
from lib.poll import spin, wait_for

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root"),
    pytest.mark.skipif(not os.path.exists(PROGRAM), reason=f"there is no program {PROGRAM}"),
]

MOMENTS = 60
ROUNDS = int(os.environ.get("EXEC_ROUNDS", "500"))
AT_ONCE = int(os.environ.get("EXEC_AT_ONCE", "50"))
DWELLER = program("dweller")
FUSE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib/tiring_fuse.py")
LATE = 4  # moments when the command runs for certain
ENOUGH = 1.8  # seconds, for a limit of one
LIMITED = ["--cgroup", "own", "--pids-limit", "20"]
SLEEP = ["sleep", "1000"]
FORMS = {
    "plain": ("exec", [], SLEEP), "with a time limit": ("exec", ["--timeout", "1h"], [BROOD, "daemon"]),
    "with a limit": ("exec", LIMITED, [BROOD, "child", "daemon"]), "debug": ("debug", [], SLEEP),
    "with keys to detach by": ("exec", ["-t", "--detach-keys", "ctrl-p"], SLEEP),
    "debug with a time limit": ("debug", ["--timeout", "1h", "--view", "target"], SLEEP),
}


@pytest.fixture(scope="module")
def box(sandbox_program, rootfs):
    made = Box(sandbox_program, rootfs)
    yield made
    made.stop()


def own_folders():
    return {path for mount in proc.cgroup_mounts()
            for path in own_cgroups(os.path.join(mount["point"], "conjoin"))
            if not made_by_others(path)}


def ours(conjoin):
    """Whoever runs conjoin's file, or is named as its helpers are, and comes from us; zombies as well."""
    mark = f"CONJOIN_TEST_RUN={os.getpid()}".encode()
    found = []
    for pid in proc.pids():
        try:
            name = proc.read(pid, "comm")
            if name.startswith(b"conjoin") and (mark in proc.environ(pid) or is_zombie_of_ours(pid)):
                found.append(pid)
        except OSError:
            pass
    return found


def is_zombie_of_ours(pid):
    """Its environment is gone. Of one whose parent has ended it isn't known whose it was."""
    return not proc.alive(pid) and (comes_from_us(pid) or int(proc.stat_fields(pid)[1]) == 1)


def whole_start(start, box, before):
    """What a start takes, in seconds, until the command is there; it's ended again."""
    begin = time.monotonic()
    process = start()
    wait_for(lambda: box.members() - before)
    taken = time.monotonic() - begin
    process.kill()
    process.wait()
    wait_for(lambda: box.members() == before)
    return taken


def everything(conjoin, box):
    return {"processes": box.members(), "ours": ours(conjoin), "trees": box.trees(),
            "cgroups": own_folders()}


def kill_at_all_moments(conjoin, box, start, check=lambda: None):
    """How many of the starts had come to a command."""
    wait_for(lambda: box.members() == {box.pid} and not ours(conjoin), what="the end of those before")
    before, ran = everything(conjoin, box), 0
    whole = whole_start(start, box, before["processes"])
    for number in range(MOMENTS):
        process = start()
        spin(process, whole * number * 1.3 / MOMENTS)
        if number >= MOMENTS - LATE:  # however slow the machine has become meanwhile
            wait_for(lambda: box.members() - before["processes"])
        ran += bool(box.members() - before["processes"]) if number % 4 == 3 else 0
        process.kill()
        process.wait()
        wait_for(lambda: everything(conjoin, box) == before,
                 what=f"{before}, after {number}: {everything(conjoin, box)}")
        check()
    return ran


@pytest.mark.parametrize("form", FORMS)
def test_killed_at_any_moment_it_leaves_nothing(conjoin, box, form):
    verb, options, command = FORMS[form]

    def start():
        return conjoin.popen(verb, *options, box.pid, *command, stdout=subprocess.DEVNULL,
                             stderr=subprocess.DEVNULL)

    assert kill_at_all_moments(conjoin, box, start) > 0


class Terminal:
    """A terminal of ours on which conjoin is run as a shell would."""

    def __init__(self):
        self.master, self.slave = os.openpty()
        self.mode = termios.tcgetattr(self.slave)

    def start(self, conjoin, *args):
        def lead():
            os.setsid()
            termios.tcsetattr(self.slave, termios.TCSANOW, self.mode)
            fd = os.open(os.ttyname(self.slave), os.O_RDWR)  # takes it as the controlling one
            os.tcsetpgrp(fd, os.getpid())
            os.close(fd)

        return conjoin.popen(*args, stdin=self.slave, stdout=self.slave, stderr=self.slave,
                             preexec_fn=lead)

    def is_raw(self):
        return not termios.tcgetattr(self.slave)[3] & termios.ICANON

    def close(self):
        os.close(self.master)
        os.close(self.slave)


# With keys to detach by there is no parent death signal.
@pytest.mark.parametrize("options", [[], ["--timeout", "1h"], ["--detach-keys", "ctrl-p"]],
                         ids=["", "with a time limit", "with keys"])
def test_killed_at_any_moment_it_leaves_the_terminal_as_it_was(conjoin, box, options):
    terminal, seen = Terminal(), set()

    def start():
        return terminal.start(conjoin, "exec", "-t", *options, box.pid, *SLEEP)

    def check():
        assert termios.tcgetattr(terminal.slave) == terminal.mode

    try:
        process = start()
        wait_for(terminal.is_raw, what="raw mode")
        process.kill()
        process.wait()
        wait_for(lambda: not terminal.is_raw(), what="the old mode")
        check()
        wait_for(lambda: box.members() == {box.pid})

        def start_and_look():
            process = start()
            seen.add(terminal.is_raw())
            return process

        kill_at_all_moments(conjoin, box, start_and_look,
                            lambda: wait_for(lambda: check_mode(terminal)))
    finally:
        terminal.close()


def check_mode(terminal):
    return termios.tcgetattr(terminal.slave) == terminal.mode


# --- many ---


STORM = [("exec", []), ("exec", ["-t"]), ("exec", ["--timeout", "1h"]), ("exec", LIMITED),
         ("debug", []), ("exec", ["--kill-tree"]), ("exec", ["-u", "app"]), ("exec", ["--wait-all"])]


def machine(conjoin, box):
    """All that could be left: of us, of the machine as far as it's ours, of the box."""
    gc.collect()  # files of tests before
    return {
        **everything(conjoin, box), "files": sorted(os.listdir("/proc/self/fd")),
        "mounts": proc.read("self", "mountinfo"), "its mounts": box.read("mountinfo"),
        "ptys": sorted(os.listdir(f"/proc/{box.pid}/root/dev/pts")),
        "its files": sorted(os.listdir(f"/proc/{box.pid}/fd")),
        "our children": sorted(proc.read(f"self/task/{os.getpid()}", "children").split()),
    }


def assert_same(conjoin, box, before):
    def differences():
        after = machine(conjoin, box)
        return {key: (before[key], after[key]) for key in before if before[key] != after[key]}

    wait_for(lambda: differences() == {}, what=f"no more than before: {differences()}")
    assert stale_cgroups() == set()


def storm(conjoin, box, count):
    return (conjoin.popen(verb, *options, box.pid, "true", stdout=subprocess.DEVNULL,
                          stderr=subprocess.DEVNULL)
            for verb, options in itertools.islice(itertools.cycle(STORM), count))


def test_thousands_one_after_the_other_leave_nothing(conjoin, box):
    before = machine(conjoin, box)
    assert {process.wait(30) for process in storm(conjoin, box, ROUNDS)} == {0}
    assert_same(conjoin, box, before)


def test_many_at_once_leave_nothing(conjoin, box):
    before = machine(conjoin, box)
    started = list(storm(conjoin, box, AT_ONCE))
    assert {process.wait(120) for process in started} == {0}
    assert_same(conjoin, box, before)


@pytest.mark.skipif(not os.path.exists(DWELLER), reason=f"there is no program {DWELLER}")
def test_a_caller_of_the_library_doesnt_grow(box):
    done = subprocess.run([DWELLER, "1000", str(box.pid), "/bin/true"], stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, timeout=300, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    kib, files = map(int, done.stdout.split())
    assert kib <= 64 and files == 0


@pytest.mark.skipif(not os.path.exists(DWELLER), reason=f"there is no program {DWELLER}")
def test_a_caller_that_is_killed_takes_its_command_along_though_it_has_forked(box):
    """What it has forked has all its files open, the pipe as well by whose end a watchdog could learn of it."""
    process = subprocess.Popen([DWELLER, "parent", str(box.pid), *SLEEP], stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE)
    helper = int(process.stdout.readline())
    try:
        wait_for(lambda: len(box.members()) == 2)
        process.kill()
        process.wait()
        wait_for(lambda: box.members() == {box.pid}, what="the end of the command")
    finally:
        os.kill(helper, signal.SIGKILL)
        process.kill()
        process.communicate()


# --- files that never answer ---


@pytest.fixture
def hung(conjoin, scratch):
    """hung(PLACE, HOW): a process whose PLACE is such a file system; it's in there, for a PLACE of ours."""
    made, before = [], abandoned()

    def make(place, how):
        number = len(made)
        ready, tired = (os.path.join(scratch, f"{name}{number}") for name in ("ready", "tired"))
        os.makedirs(place, exist_ok=True)
        go = f"cd {place}; " if place.startswith(scratch) else ""
        script = (f"'{sys.executable}' '{FUSE}' {place} {ready} {tired} {how} & server=$!\n"
                  f"while [ ! -e {ready} ]; do sleep 0.01; done; {go}echo $server; exec sleep 1000")
        process = subprocess.Popen(["unshare", "-m", "--propagation", "private", "sh", "-ec", script],
                                   stdout=subprocess.PIPE)
        server = int(process.stdout.readline())
        made.append((process, server))
        write(tired, "")
        wait_for(lambda: not os.path.exists(tired), what="the server to be tired")
        return process

    yield make
    for process, server in made:
        os.kill(server, signal.SIGKILL)
        process.kill()
        process.communicate()
    wait_for(lambda: removed_by_the_next(conjoin, before), what="the next one to remove what is left")


def removed_by_the_next(conjoin, before):
    """The cgroups of whom the kernel didn't end as long as the server was there, ours among them."""
    assert conjoin.exec("self", "true", options=["--timeout", "1h"]).returncode == 0
    return not trees_of("self") | (abandoned() - before)


def abandoned():
    """Cgroups below conjoin/ whose maker has ended, whoever is in there."""
    return {path for mount in proc.cgroup_mounts()
            for path in own_cgroups(os.path.join(mount["point"], "conjoin"))
            if not proc.alive(int(os.path.basename(path).partition(":")[0]))}


HOW = ["ignores", "takes"]


def timed(conjoin, scratch, *args):
    """(exit status, stderr, seconds). Into a file: who can't be killed would keep a pipe."""
    with open(os.path.join(scratch, "output"), "w+", encoding="utf-8") as output:
        begin = time.monotonic()
        process = conjoin.popen(*args, stdout=subprocess.DEVNULL, stderr=output)
        try:
            status = process.wait(30)
        finally:
            process.kill()
            process.wait()
        took = time.monotonic() - begin
        output.seek(0)
        return status, output.read(), took


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("options", [[], ["--cgroup", "own"], ["-t"]], ids=" ".join)
def test_a_directory_that_never_answers_holds_nobody_up(conjoin, hung, scratch, how, options):
    target = hung(f"{scratch}/place", how)
    status, said, took = timed(conjoin, scratch, "exec", *options, "--timeout", "1", target.pid,
                               "true")
    assert status == 124 and "in time" in said, said
    assert 1 <= took < ENOUGH


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("args", [["-u", "root", "{}", "true"], ["{}"]], ids=["user", "shell"])
def test_accounts_that_never_answer_hold_nobody_up(conjoin, hung, scratch, how, args):
    target = hung("/etc", how)
    args = [arg.format(target.pid) for arg in args]
    status, said, took = timed(conjoin, scratch, "exec", "--timeout", "1", *args)
    assert status == 124 and "passwd" in said, said
    assert 1 <= took < ENOUGH


@pytest.mark.parametrize("how", HOW)
def test_a_devpts_that_never_answers_holds_nobody_up(conjoin, hung, scratch, how):
    target = hung("/dev", how)
    status, said, took = timed(conjoin, scratch, "exec", "-t", "--timeout", "1", target.pid, "true")
    assert status == 124 and "devpts" in said, said
    assert 1 <= took < ENOUGH


@pytest.mark.parametrize("how", HOW)
def test_a_command_that_waits_for_such_a_file_is_left_behind_at_most(conjoin, hung, scratch, how):
    target = hung(f"{scratch}/place", how)
    status, said, took = timed(conjoin, scratch, "exec", "-w", "/", "--timeout", "0.5", "--grace",
                               "0.2", target.pid, "cat", f"{scratch}/place/file")
    assert status == 124, said
    assert took < 4
    assert (how == "takes") == bool(said), said  # it can't be killed, which is told
