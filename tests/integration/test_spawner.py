# SPDX-License-Identifier: MIT
"""What a command of cj_spawn() is given and what it isn't, and how it can fail to start. Not here: its cgroup
(test_spawner_cgroups.py), the caller's death (test_spawner_death.py)."""

import errno
import os

import pytest

from lib import proc
from lib.fixtures import need_root
from lib.poll import wait_for
from lib.spawning import MARK, NAMES, has_only_three_files, way_of


@pytest.fixture(autouse=True)
def as_root():
    need_root()


@pytest.fixture(params=NAMES)
def way(request):
    with way_of(request.param) as way:
        yield way


@pytest.fixture
def caller(way):
    return way.start()


@pytest.fixture
def any_way():
    with way_of(NAMES[0]) as way:
        yield way


def output(caller, scratch, *argv):
    """What it writes to stdout and stderr."""
    path = os.path.join(scratch, "out")
    assert caller.order("out", path) == "ok"
    end = caller.run(*argv)
    with open(path, encoding="utf-8") as f:
        return end, f.read()


@pytest.mark.parametrize("code", [0, 1, 7, 126, 127, 255])
def test_an_exit_status_is_told(caller, code):
    assert caller.run("sh", "-c", f"exit {code}") == f"exit {code}"


@pytest.mark.parametrize("number", [1, 9, 11, 15, 64])
def test_a_signal_is_told(caller, number):
    child, pid = caller.spawn("sleep", "1000")
    assert caller.order("signal", child, number) == "0"
    assert caller.finish(child) == f"signal {number}"
    assert not proc.alive(pid)


def test_what_a_child_tells_of_itself(caller):
    child, pid = caller.spawn("sleep", "1000")
    assert caller.order("handle", child).split(":")[0] == str(pid)
    assert caller.order("ready", child) == "0"
    assert caller.order("usage", child) == str(-errno.EBUSY)
    assert caller.order("signal", child, 9) == "0"
    caller.ended(child)
    assert caller.finish(child) == "signal 9"


def write_file(path, text, mode=0o755):
    with open(path, "w", encoding="ascii") as f:
        f.write(text)
    os.chmod(path, mode)
    return str(path)


@pytest.mark.parametrize("command, answer", [
    (["no-such-command"], "error ENOENT 127 execute no-such-command"),
    (["/no/such/file"], "error ENOENT 127 execute /no/such/file"),
    ([""], 'error ENOENT 127 execute ""'),
    (["/etc/passwd/x"], "error ENOENT 127 execute /etc/passwd/x"),
    (["/etc"], "error EISDIR 126 execute /etc"),
    (["/etc/passwd"], "error EACCES 126 execute /etc/passwd"),
])
def test_what_cant_be_executed_is_told_as_exec_does(any_way, command, answer):
    caller = any_way.start()
    before = caller.files()
    assert caller.order("spawn", *command) == answer
    assert caller.files() == before
    assert caller.run("true") == "exit 0"


def test_a_missing_interpreter_and_a_file_of_no_format_are_told_apart(any_way, scratch):
    caller = any_way.start()
    script = write_file(os.path.join(scratch, "script"), "#!/no/such/interpreter\n")
    text = write_file(os.path.join(scratch, "text"), "just words\n")
    assert caller.order("spawn", script) == \
        f"error ENOENT 126 execute {script}, whose interpreter is missing"
    assert caller.order("spawn", text) == f"error ENOEXEC 126 execute {text}"  # no shell gets it


def test_the_first_of_path_that_may_be_executed_is(any_way, scratch):
    caller = any_way.start()
    for name, mode in ("a", 0o644), ("b", 0o755), ("c", 0o755):
        os.mkdir(os.path.join(scratch, name))
        write_file(os.path.join(scratch, name, "which"), f"#!/bin/sh\necho {name}\n", mode)
    caller.order("env", "PATH=" + ":".join(os.path.join(scratch, n) for n in ("none", "a", "b", "c")))
    assert output(caller, scratch, "which") == ("exit 0", "b\n")
    os.chmod(os.path.join(scratch, "b/which"), 0o644)
    os.chmod(os.path.join(scratch, "c/which"), 0o644)
    assert caller.order("spawn", "which") == \
        f"error EACCES 126 execute {os.path.join(scratch, 'c/which')}"


@pytest.mark.parametrize("path", ["", ":/nowhere", "/nowhere:", "/nowhere::/nowhere"])
def test_an_empty_element_of_path_is_the_working_directory(any_way, scratch, path):
    caller = any_way.start()
    write_file(os.path.join(scratch, "here"), "#!/bin/sh\npwd\n")
    caller.order("env", f"PATH={path}")
    caller.order("cwd", scratch)
    assert output(caller, scratch, "here") == ("exit 0", f"{scratch}\n")


def test_the_environment_is_what_was_given_and_nothing_else(any_way):
    caller = any_way.start(env={"SECRET": "of the caller"})
    for entry in "A=1", "A=2", "no equals sign", "=x", "":
        caller.order("env", entry)
    child, pid = caller.spawn("/bin/sleep", "1000")
    wait_for(lambda: proc.environ(pid))  # made while it's executed
    assert proc.environ(pid) == [MARK.encode(), b"A=1", b"A=2", b"no equals sign", b"=x", b""]
    caller.order("kill", child)
    caller.finish(child)


def test_a_working_directory_that_isnt_there_is_a_failure_of_its_own(any_way):
    caller = any_way.start()
    caller.order("cwd", "/no/such/place")
    assert caller.order("spawn", "true") == "error ENOENT 0 change to directory /no/such/place"
    caller.order("cwd", "/etc/passwd")
    assert caller.order("spawn", "true") == "error ENOTDIR 0 change to directory /etc/passwd"


def test_no_file_is_handed_on_but_the_three(way, scratch):
    fds = [os.open("/etc/passwd", os.O_RDONLY) for _ in range(5)]
    for fd in fds:
        os.set_inheritable(fd, True)
    caller = way.start(pass_fds=fds)
    child, pid = caller.spawn("sleep", "1000")
    assert has_only_three_files(pid)
    assert [os.readlink(f"/proc/{pid}/fd/{i}") for i in range(3)] == ["/dev/null"] * 3
    assert set(fds) <= set(caller.files())
    caller.order("kill", child)
    caller.finish(child)
    for fd in fds:
        os.close(fd)


def ends_of(pipe, pid):
    return [name for name in os.listdir(f"/proc/{pid}/fd")
            if os.readlink(f"/proc/{pid}/fd/{name}") == pipe]


def test_what_was_handed_on_isnt_kept_open_by_the_caller_a_second_time(way):
    read_end, write_end = os.pipe()
    caller = way.start(pass_fds=[write_end])
    pipe = os.readlink(f"/proc/self/fd/{write_end}")
    caller.order("stdio", -1, write_end, write_end)
    child, pid = caller.spawn("sleep", "1000")
    assert has_only_three_files(pid)
    assert sorted(ends_of(pipe, pid)) == ["1", "2"]
    assert ends_of(pipe, caller.pid) == [str(write_end)]
    caller.order("kill", child)
    caller.finish(child)
    os.close(read_end)
    os.close(write_end)


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1), (1, 2, 0), (0, 0, 0), (2, 2, 1)])
def test_the_callers_own_three_can_change_places(any_way, order):
    caller = any_way.start()
    files = caller.files()
    caller.order("stdio", *order)
    child, pid = caller.spawn("/bin/sleep", "1000")
    assert [os.readlink(f"/proc/{pid}/fd/{i}") for i in range(3)] == [files[i] for i in order]
    assert {fd: caller.files()[fd] for fd in range(3)} == {fd: files[fd] for fd in range(3)}
    caller.order("kill", child)
    caller.finish(child)


def test_a_caller_that_has_closed_its_stderr(any_way):
    """One of its own files takes that number."""
    caller = any_way.start(before=["sh", "-c", 'exec "$@" 2>&-', "closed"])
    assert 2 in caller.files()
    child, pid = caller.spawn("/bin/sleep", "1000")
    assert [os.readlink(f"/proc/{pid}/fd/{i}") for i in range(3)] == ["/dev/null"] * 3
    assert has_only_three_files(pid)
    caller.order("kill", child)
    caller.finish(child)


def test_signals_that_the_caller_blocks_and_ignores_are_the_commands_own_affair(way, scratch):
    caller = way.start("--deaf")
    end, text = output(caller, scratch, "cat", "/proc/self/status")
    assert end == "exit 0"
    status = proc.parse_status(text)
    for key in "SigBlk", "SigIgn", "SigCgt", "SigPnd":
        assert int(status[key], 16) == 0, key


def test_a_command_leads_a_session_and_can_have_a_terminal(way, scratch):
    caller = way.start()
    child, pid = caller.spawn("sleep", "1000")
    assert proc.stat_fields(pid)[2:5] == [str(pid), str(pid), "0"]  # group, session, terminal
    assert caller.order("tty") == "ok"
    other, terminal_pid = caller.spawn("sleep", "1000")
    group, session, terminal = proc.stat_fields(terminal_pid)[2:5]
    assert (group, session) == (str(terminal_pid), str(terminal_pid)) and terminal != "0"
    links = {os.readlink(f"/proc/{terminal_pid}/fd/{i}") for i in range(3)}
    assert len(links) == 1 and links.pop().startswith("/dev/pts/")
    assert has_only_three_files(terminal_pid)
    for number in child, other:
        caller.order("kill", number)
        caller.finish(number)


def test_a_thousand_after_each_other_leave_nothing(caller):
    assert caller.run("true") == "exit 0"
    files, slots = caller.files(), set(caller.place.slots())
    assert caller.order("rounds", 1000, "true") == "done"
    assert caller.files() == files
    assert set(proc.children(caller.pid)) == watchdogs(caller)
    assert set(caller.place.slots()) == slots


def watchdogs(caller):
    return {pid for pid in proc.children(caller.pid)
            if proc.read(pid, "comm") == b"conjoin-watch\n"}


def test_two_hundred_at_once_leave_nothing(caller):
    assert caller.run("true") == "exit 0"
    files = caller.files()
    assert caller.order("crowd", 200, "true") == "done"
    assert caller.files() == files
    assert set(proc.children(caller.pid)) == watchdogs(caller)
    assert len(caller.place.slots()) <= 64
    assert len(watchdogs(caller)) == 1


def test_without_files_or_processes_to_be_had_nothing_is_left_behind(any_way):
    caller = any_way.start()
    assert caller.run("true") == "exit 0"
    before, n = caller.files(), max(caller.files()) + 1
    for left in range(3):
        limit = next(i for i in range(3, n + 8) if i not in before) + left
        assert caller.order("limit", limit) == "0"
        answer = caller.order("spawn", "true")
        assert answer.startswith("error EMFILE 0 ") or answer[0].isdigit(), answer
        if answer[0].isdigit():
            assert left > 0
            caller.finish(answer.split()[0])
        assert caller.order("limit", 100) == "0"
        assert caller.files() == before
    assert caller.run("true") == "exit 0"


def test_a_limit_on_processes_is_told():
    """Root has none: so the caller is somebody else, who may write to no cgroup here."""
    with way_of(NAMES[0]) as way:
        caller = way.start(user=54321, before=["prlimit", "--nproc=3:3"])
        child, _ = caller.spawn("sleep", "1000")  # the third: there is a watchdog
        before = caller.files()
        assert caller.order("spawn", "true") == "error EAGAIN 0 make a process"
        assert caller.files() == before
        assert caller.order("signal", child, 9) == "0"
        assert caller.finish(child) == "signal 9"
        assert caller.run("true") == "exit 0"
        assert "cgroups: none can be made for commands" in caller.end()


def test_a_handler_of_sigchld_does_no_harm(caller, way):
    other = way.start("--sigchld", "handle")
    assert other.order("rounds", 100, "true") == "done"
    assert other.run("sh", "-c", "exit 3") == "exit 3"


def test_who_ignores_sigchld_is_told_so_and_nothing_is_left(way):
    caller = way.start("--sigchld", "ignore")
    child, _ = caller.spawn("true")
    assert wait_for(lambda: caller.order("ready", child) == "1")
    assert caller.order("wait", child).startswith("error ECHILD ")
    assert caller.order("free", child) == "ok"
    caller.end()
