# SPDX-License-Identifier: MIT
"""How a command's end, and our own failure, are told apart: exit statuses, and the words on stderr.
Not here: which inputs are refused (test_bad_input.py)."""

import os
import signal
import stat

import pytest

from lib.failure import assert_failed
from lib.sandbox import Sandbox

NOT_FOUND, NOT_EXECUTABLE, OURS = 127, 126, 125
REASON = {
    "missing": "No such file or directory", "denied": "Permission denied",
    "format": "Exec format error", "directory": "Is a directory", "loop": "Too many levels",
}


@pytest.fixture(scope="module")
def box(sandbox_program, rootfs):
    """No user namespace of its own: what the test writes into its root belongs to its root."""
    box = Sandbox(sandbox_program, rootfs, namespaces="all,-user", caps="docker")
    yield box
    box.stop()


@pytest.fixture
def put(box):
    """put(path, content, mode): a file inside; its folders are made as well."""

    def write(path, content=b"#!/bin/sh\nexit 42\n", mode=0o755):
        outside = f"/proc/{box.pid}/root{path}"
        os.makedirs(os.path.dirname(outside), exist_ok=True)
        with open(outside, "wb") as f:
            f.write(content)
        os.chmod(outside, mode)
        return path

    return write


def test_the_exit_status_is_the_commands_own(conjoin, box):
    for status in (0, 1, 7, 124, 125, 126, 127, 128, 137, 255):
        done = conjoin.exec(box, "sh", "-c", f"exit {status}")
        assert (done.returncode, done.stdout, done.stderr) == (status, "", "")


def test_a_signal_that_ended_the_command_is_128_plus_its_number(conjoin, box):
    for name in "HUP INT USR1 ABRT KILL SEGV PIPE TERM RTMIN RTMAX".split():
        number = getattr(signal, "SIG" + name)
        done = conjoin.exec(box, "sh", "-c", f"ulimit -c 0; kill -{int(number)} $$")
        assert (done.returncode, done.stderr) == (128 + number, "")


def test_a_command_that_isnt_there_is_127(conjoin, box):
    for command in ("nope", "/nope", "/nope/nope", "./nope", "etc/nope"):
        line = assert_failed(conjoin.exec(box, command), NOT_FOUND)
        assert line == f"conjoin: exec {box.pid}: execute {command}: {REASON['missing']}"


def test_what_cant_be_executed_is_126_and_says_why(conjoin, box, put):
    os.makedirs(f"/proc/{box.pid}/root/opt/dir", exist_ok=True)
    cases = {
        "/opt/dir": "directory",
        put("/opt/plain", mode=0o644): "denied",
        put("/opt/no-format", b"exit 42\n"): "format",
        put("/opt/empty", b""): "format",
        put("/opt/truncated-elf", b"\x7fELF\x02\x01\x01"): "format",
        "/etc/passwd/below": None,  # ENOTDIR: 126 or 127, both are in use
    }
    for path, reason in cases.items():
        done = conjoin.exec(box, path)
        if reason:
            line = assert_failed(done, NOT_EXECUTABLE, path, REASON[reason])
            assert line.startswith(f"conjoin: exec {box.pid}: execute {path}")
        else:
            assert done.returncode in (NOT_FOUND, NOT_EXECUTABLE)


def test_a_script_without_its_interpreter_is_126_and_says_so(conjoin, box, put):
    path = put("/opt/script", b"#!/no/such/interpreter\n")
    assert_failed(conjoin.exec(box, path), NOT_EXECUTABLE, path, "interpreter")


def test_an_interpreter_that_is_missing_is_found_out_by_path_as_well(conjoin, box, put):
    put("/opt/broken/tool", b"#!/no/such/interpreter\n")
    done = conjoin.exec(box, "tool", options=["-e", "PATH=/opt/broken:/bin"])
    assert_failed(done, NOT_EXECUTABLE, "/opt/broken/tool", "interpreter")


def test_a_link_that_leads_nowhere_is_a_command_that_isnt_there(conjoin, box):
    link = f"/proc/{box.pid}/root/opt-dangling"
    os.symlink("/no/such/file", link)
    assert_failed(conjoin.exec(box, "/opt-dangling"), NOT_FOUND, "/opt-dangling")


def test_a_link_to_itself_cant_be_executed(conjoin, box):
    os.symlink("opt-loop", f"/proc/{box.pid}/root/opt-loop")
    assert_failed(conjoin.exec(box, "/opt-loop"), NOT_EXECUTABLE, "/opt-loop", REASON["loop"])


def test_a_name_with_a_slash_is_relative_to_the_commands_cwd(conjoin, box, put):
    put("/opt/here/tool")
    assert conjoin.exec(box, "./tool", options=["-w", "/opt/here"]).returncode == 42
    assert conjoin.exec(box, "here/tool", options=["-w", "/opt"]).returncode == 42
    assert_failed(conjoin.exec(box, "here/tool", options=["-w", "/"]), NOT_FOUND, "here/tool")


def test_an_empty_element_of_path_is_the_cwd(conjoin, box, put):
    put("/opt/cwd/only-here")
    for path in (":/bin", "/bin:", "/bin::/sbin", ""):
        done = conjoin.exec(box, "only-here", options=["-w", "/opt/cwd", "-e", f"PATH={path}"])
        assert done.returncode == 42, path
    done = conjoin.exec(box, "only-here", options=["-w", "/opt/cwd", "-e", "PATH=/bin"])
    assert_failed(done, NOT_FOUND, "only-here")


def test_path_goes_on_past_a_file_that_may_not_be_executed(conjoin, box, put):
    put("/opt/first/both", mode=0o644)
    put("/opt/second/both")
    search = ["-e", "PATH=/nowhere:/etc/passwd:/opt/first:/opt/second"]
    assert conjoin.exec(box, "both", options=search).returncode == 42
    done = conjoin.exec(box, "both", options=["-e", "PATH=/opt/first:/nowhere"])
    assert_failed(done, NOT_EXECUTABLE, "both", REASON["denied"])


def test_path_goes_on_past_a_folder_with_that_name(conjoin, box, put):
    os.makedirs(f"/proc/{box.pid}/root/opt/third/tool3", exist_ok=True)
    put("/opt/fourth/tool3")
    done = conjoin.exec(box, "tool3", options=["-e", "PATH=/opt/third:/opt/fourth"])
    assert done.returncode == 42


def test_a_file_that_the_kernel_cant_execute_isnt_given_to_a_shell(conjoin, box, put):
    put("/opt/format/tool4", b"exit 42\n")
    done = conjoin.exec(box, "tool4", options=["-e", "PATH=/opt/format:/bin"])
    assert_failed(done, NOT_EXECUTABLE, "tool4", REASON["format"])


def test_path_is_the_final_environments_not_the_callers(conjoin, box, put):
    put("/opt/inside/tool5")
    caller = {**os.environ, "PATH": "/opt/inside"}
    assert_failed(conjoin.exec(box, "tool5", env=caller), NOT_FOUND, "tool5")
    assert conjoin.exec(box, "tool5", options=["-e", "PATH=/opt/inside"]).returncode == 42


def test_without_a_path_the_usual_folders_are_searched(conjoin, box):
    done = conjoin.exec(box, "sh", "-c", "exit 9", options=["--clear-env"])
    assert done.returncode == 9


def test_without_a_command_it_is_the_users_login_shell(conjoin, box):
    done = conjoin.exec(box, options=["-u", "app"], input="id -u; echo $0; exit 5")
    assert (done.returncode, done.stdout) == (5, "1000\n/bin/sh\n")


def test_without_a_shell_that_lets_anybody_in_it_is_sh(conjoin, box):
    done = conjoin.exec(box, options=["-u", "nobody"], input="id -u; echo $0")
    assert (done.returncode, done.stdout) == (0, "65534\nsh\n")


def test_a_command_that_its_user_may_not_execute_is_126(conjoin, box, put):
    path = put("/opt/private", mode=0o700)
    assert conjoin.exec(box, path).returncode == 42
    done = conjoin.exec(box, path, options=["-u", "app"])
    assert_failed(done, NOT_EXECUTABLE, path, REASON["denied"])


def test_a_failure_of_ours_is_125_and_one_line_with_step_object_and_reason(conjoin, box):
    line = assert_failed(conjoin.exec(box, "true", options=["-w", "/nope"]), OURS)
    assert line == (
        f"conjoin: exec {box.pid}: change directory to /nope: No such file or directory"
    )


def test_nothing_runs_when_we_fail(conjoin, box):
    inside = f"/proc/{box.pid}/root/ran"
    done = conjoin.exec(box, "touch", "/ran", options=["-w", "/nope"])
    assert done.returncode == OURS
    assert not os.path.exists(inside)
    assert conjoin.exec(box, "touch", "/ran").returncode == 0
    assert stat.S_ISREG(os.stat(inside).st_mode)
    os.unlink(inside)


@pytest.mark.parametrize("name", [
    "\x1b[2J\x1b[31mred", "two\nlines", "back\bspace", "return\r", "\x9b31m", "\u202ereversed",
    "\udcff\udcfe",
])
def test_control_characters_of_names_are_escaped(conjoin, box, name):
    raw = os.fsencode(name)
    assert_failed(conjoin.exec(box, raw), NOT_FOUND, "\\x")
    assert_failed(conjoin.exec(box, b"./" + raw), NOT_FOUND, "\\x")
    assert_failed(conjoin.exec(box, "true", options=["-w", b"/" + raw]), OURS, "\\x")
    assert_failed(conjoin.exec(box, "true", options=["-u", raw]), OURS, "\\x")
    assert_failed(conjoin.exec(box, "true", options=["--cgroup", raw]), OURS, "\\x")
    assert_failed(conjoin.run("exec", raw, "true"), OURS, "\\x")
    assert_failed(conjoin.run("exec", b"pidfile:/" + raw, "true"), OURS, "\\x")
    assert_failed(conjoin.run("exec", b"--" + raw), OURS, "\\x")
    assert_failed(conjoin.run(raw), OURS, "\\x")


def test_the_exit_status_is_that_of_the_runtimes_own_exec(conjoin, runc):
    box = runc()
    for script in ("exit 0", "exit 7", "exit 255", "kill -9 $$", "kill -15 $$"):
        theirs = box.exec("sh", "-c", script)
        assert conjoin.exec(box, "sh", "-c", script).returncode == theirs.returncode, script


def test_a_hostile_passwd_doesnt_reach_the_terminal(conjoin, box, put):
    evil = b"evil\x1b[2J:x:1000:1000::/:/no/shell\x1b[31m\nroot:x:0:0::/:/bin/sh\n"
    put("/etc/passwd", evil, 0o644)
    done = conjoin.exec(box, options=["-u", "1000"], input="exit 3")
    assert done.returncode == 3 or "\x1b" not in done.stderr
    assert "\x1b" not in conjoin.exec(box, options=["-u", "1000", "--dry-run"]).stdout
