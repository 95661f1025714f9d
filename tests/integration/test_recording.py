# SPDX-License-Identifier: MIT
"""--record: an asciicast that holds what the terminal showed, in a file that is nobody else's. Not here: how bytes
become characters (tests/unit/test-recording.c)."""

import json
import os
import shutil
import signal
import stat
import subprocess

import pexpect
import pytest

from lib.failure import assert_failed
from lib.sandbox import Sandbox

PATIENCE = 20
OTHER = 65534


@pytest.fixture(scope="module", name="box")
def make_box(sandbox_program, rootfs):
    box = Sandbox(sandbox_program, rootfs)
    yield box
    box.stop()


@pytest.fixture(name="cast")
def make_cast(scratch):
    return os.path.join(scratch, "session.cast")


def play(path):
    """The header and the events, each line strictly JSON by itself."""
    with open(path, encoding="utf-8", errors="strict", newline="\n") as f:
        text = f.read()
    assert text.endswith("\n")
    header, *events = (json.loads(line) for line in text[:-1].split("\n"))
    assert header["version"] == 2
    before = 0
    for at, kind, data in events:
        assert isinstance(at, float) and at >= before and kind in "ior" and isinstance(data, str)
        before = at
    return header, events


def texts(events, kind="o"):
    return "".join(data for _, code, data in events if code == kind)


def record(conjoin, box, cast, *command, options=(), **more):
    return conjoin.exec(box, *command, options=["-t", "--record", cast, *options], text=False, **more)


class Shown:
    """conjoin on a terminal of its own; all that this showed, as bytes."""

    def __init__(self, conjoin, *args, size=(24, 80), env=None):
        self.log = []
        self.child = pexpect.spawn(conjoin.path, ["exec", *map(str, args)], timeout=PATIENCE,
                                   dimensions=size, env=env)
        self.child.logfile_read = self

    def write(self, data):
        self.log.append(data)

    def flush(self):
        pass

    def end(self):
        self.child.expect(pexpect.EOF)
        self.child.close()
        return self.child.exitstatus

    def shown(self):
        return b"".join(self.log).decode(errors="replace")


def test_what_is_recorded_is_what_was_shown(conjoin, box, cast):
    env = {**os.environ, "TERM": "xterm-256color", "SHELL": "/bin/zsh"}
    shown = Shown(conjoin, "--record", cast, box.pid, "sh", size=(30, 100), env=env)
    shown.child.expect_exact("# ")
    shown.child.sendline("echo $((6 * 7)); printf '\\033[31mred\\033[0m \\377 \\342\\202\\254\\n'")
    shown.child.expect("42.*red.*\n.*# ")
    shown.child.sendline("exit 5")
    assert shown.end() == 5
    header, events = play(cast)
    assert (header["width"], header["height"]) == (100, 30)
    assert header["env"] == {"TERM": "xterm-256color", "SHELL": "/bin/zsh"}
    assert set(header) == {"version", "width", "height", "timestamp", "env"}
    assert texts(events) == shown.shown()
    assert "\ufffd \u20ac" in texts(events) and not texts(events, "i")


def test_a_player_shows_the_same(conjoin, box, cast):
    if not shutil.which("asciinema"):
        pytest.skip("asciinema isn't installed")
    done = record(conjoin, box, cast, "sh", "-c", "for i in 1 2 3; do echo line $i; done; printf '\\303'")
    played = cast + ".played"
    player = pexpect.spawn("/bin/sh", ["-c", 'exec asciinema cat "$1" >"$2"', "sh", cast, played],
                           timeout=PATIENCE, env={**os.environ, "LC_ALL": "C.UTF-8"})
    player.expect(pexpect.EOF)
    player.close()
    assert player.exitstatus == 0
    with open(played, "rb") as f:
        assert f.read().decode() == done.stdout.decode(errors="replace")


def test_what_is_typed_only_if_asked_for(conjoin, box, cast):
    for options, typed in ((["--record-input"], "a \u20ac\n\x04"), ([], "")):
        done = record(conjoin, box, cast, "cat", options=options, input="a \u20ac\n".encode())
        assert done.returncode == 0
        assert texts(play(cast)[1], "i") in (typed, typed[:-1])  # the end of the input is no key
        assert "a \u20ac" in texts(play(cast)[1])


def test_sizes_are_events(conjoin, box, cast):
    shown = Shown(conjoin, "--record", cast, box.pid, "sh", "-c",
                  "trap 'stty size' WINCH; echo ready; while :; do sleep 0.01; done")
    shown.child.expect("ready")
    for rows, columns in ((40, 90), (50, 132)):
        shown.child.setwinsize(rows, columns)
        shown.child.expect(f"{rows} {columns}")
    shown.child.kill(signal.SIGTERM)
    shown.end()
    assert [data for _, code, data in play(cast)[1] if code == "r"] == ["90x40", "132x50"]


def test_it_ends_when_the_keys_to_detach_are_typed(conjoin, box, cast):
    shown = Shown(conjoin, "--record", cast, "--detach-keys", "ctrl-p", "--timeout", "20", box.pid, "sh", "-c",
                  "echo before; cat; echo after")
    shown.child.expect("before\r\n")
    shown.child.send("\x10")
    shown.child.expect(r"\r\n(\d+:\w+) \d+\r\n")
    handle = shown.child.match[1].decode()
    assert shown.end() == 0
    assert conjoin.run("kill", "-s", "HUP", handle).returncode == 0
    conjoin.run("wait", handle)
    assert texts(play(cast)[1]) == "before\r\n"


def test_without_a_terminal_the_size_is_the_usual_one(conjoin, box, cast):
    assert record(conjoin, box, cast, "true").returncode == 0
    header, events = play(cast)
    assert (header["width"], header["height"]) == (80, 24) and not events


def test_the_command_line_isnt_told(conjoin, box, cast):
    secret = "hunter2"
    record(conjoin, box, cast, "true", secret, options=["-e", f"PASSWORD={secret}"],
           env={**os.environ, "SECRET": secret})
    with open(cast, encoding="utf-8") as f:
        assert secret not in f.read()


def test_any_bytes_are_valid_json(conjoin, box, cast):
    done = record(conjoin, box, cast, "sh", "-c", "stty -opost; head -c 300000 /dev/urandom")
    assert done.returncode == 0 and len(done.stdout) == 300000
    assert texts(play(cast)[1]) == done.stdout.decode(errors="replace")


def test_after_sigkill_all_is_there(conjoin, box, cast):
    shown = Shown(conjoin, "--record", cast, box.pid, "sh", "-c", "echo before; read x")
    shown.child.expect("before\r\n")
    shown.child.kill(signal.SIGKILL)
    shown.end()
    assert texts(play(cast)[1]) == "before\r\n"


def test_a_new_file_is_for_the_caller_alone(conjoin, box, cast):
    before = os.umask(0)
    try:
        record(conjoin, box, cast, "true")
    finally:
        os.umask(before)
    assert stat.S_IMODE(os.stat(cast).st_mode) == 0o600


def test_an_old_one_of_the_callers_is_replaced(conjoin, box, cast):
    with open(cast, "w", encoding="ascii") as f:
        f.write("old\n" * 1000)
    record(conjoin, box, cast, "echo", "new")
    assert texts(play(cast)[1]) == "new\r\n"


def test_an_old_one_stays_if_nothing_runs(conjoin, box, cast):
    with open(cast, "w", encoding="ascii") as f:
        f.write("old")
    assert record(conjoin, box, cast, "/no/such/program").returncode == 127
    with open(cast, encoding="ascii") as f:
        assert f.read() == "old"


@pytest.fixture(name="sticky")
def make_sticky(scratch):
    """A directory like /tmp, of nobody that takes part."""
    path = os.path.join(scratch, "tmp")
    os.mkdir(path)
    os.chmod(path, 0o1777)
    yield path


def link(to, path, owner=0):
    os.symlink(to, path)
    os.lchown(path, owner, owner)
    return path


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_others_links_in_a_sticky_directory_lead_nowhere(conjoin, box, sticky, scratch):
    """Where fs.protected_symlinks is set the kernel would see to that as well."""
    precious = os.path.join(scratch, "precious")
    for where in (precious, os.path.join(scratch, "new")):
        for path in (link(where, os.path.join(sticky, "link-" + os.path.basename(where)), OTHER),
                     link(os.path.join(sticky, "link-" + os.path.basename(where)),
                          os.path.join(scratch, "second-" + os.path.basename(where)))):
            with open(precious, "w", encoding="ascii") as f:
                f.write("precious")
            done = record(conjoin, box, path, "true")
            assert done.returncode == 125 and b"Permission denied" in done.stderr
            with open(precious, encoding="ascii") as f:
                assert f.read() == "precious"
            assert not os.path.exists(os.path.join(scratch, "new"))
    directory = link(scratch, os.path.join(sticky, "directory"), OTHER)
    assert record(conjoin, box, os.path.join(directory, "x.cast"), "true").returncode == 125


def test_ones_own_links_lead_where_they_lead(conjoin, box, sticky, scratch):
    os.mkdir(os.path.join(scratch, "real"))
    link("../real/../real", os.path.join(sticky, "folder"))
    path = link("folder/./x.cast", os.path.join(sticky, "link"))
    assert record(conjoin, box, path, "echo", "x").returncode == 0
    assert texts(play(os.path.join(scratch, "real", "x.cast"))[1]) == "x\r\n"
    os.symlink("self", os.path.join(scratch, "self"))
    assert b"Too many levels" in record(conjoin, box, os.path.join(scratch, "self"), "true").stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
@pytest.mark.parametrize("kind, words", [
    ("fifo", "no regular file"), ("device", "no regular file"), ("directory", "Is a directory"),
    ("others", "isn't the caller's alone"), ("two names", "isn't the caller's alone"),
    ("nowhere", "No such file"), ("slash", "No such file"),
])
def test_anything_else_is_refused_before_anything_runs(conjoin, box, cast, scratch, kind, words):
    path = cast
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "device":
        path = "/dev/null"
    elif kind == "directory":
        os.mkdir(path)
    elif kind == "nowhere":
        path = os.path.join(scratch, "no", "such")
    elif kind == "slash":
        path += "/"
    else:
        with open(path, "w", encoding="ascii") as f:
            f.write("kept")
        if kind == "others":
            os.chown(path, OTHER, OTHER)
        else:
            os.link(path, os.path.join(scratch, "other name"))
    done = conjoin.exec(box, "sh", "-c", "echo ran", options=["-t", "--record", path])
    assert_failed(done, 125, words)
    assert done.stdout == ""
    if kind in ("others", "two names"):
        with open(path, encoding="ascii") as f:
            assert f.read() == "kept"


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_a_full_disk_ends_the_recording_and_nothing_else(conjoin, box, scratch):
    small = os.path.join(scratch, "small")
    os.mkdir(small)
    kept = os.path.join(scratch, "kept")
    # what is in there can only be looked at from within: copied by the shell that ran it
    script = (f"mount -t tmpfs -o size=64k,mode=755 none {small}\n"
              f'"$@" || echo $? >{kept}.status\ncp {small}/x.cast {kept}')
    done = subprocess.run(
        ["/usr/bin/unshare", "-m", "--propagation", "private", "sh", "-ec", script, "host",
         conjoin.path, "exec", "-t", "--record", f"{small}/x.cast", str(box.pid), "sh", "-c",
         "yes | head -n 100000; echo the end; exit 7"],
        stdin=subprocess.DEVNULL, capture_output=True, timeout=PATIENCE, check=True)
    assert done.stdout.endswith(b"the end\r\n") and done.stdout.count(b"y\r\n") == 100000
    with open(kept + ".status", encoding="ascii") as f:
        assert f.read() == "7\n"
    assert done.stderr.decode().count("No space left on device") == 1
    shown = texts(play(kept)[1])
    assert shown and done.stdout.decode().startswith(shown) and os.stat(kept).st_size <= 65536


def test_a_limit_on_files_isnt_the_commands(conjoin, box, cast):
    """Beyond it the kernel sends SIGXFSZ, which mustn't be passed on."""
    done = subprocess.run(
        ["/bin/sh", "-c", 'ulimit -f 64; exec "$@"', "sh", conjoin.path, "exec", "-t", "--record", cast,
         str(box.pid), "sh", "-c", "yes | head -n 10000; exit 3"],
        stdin=subprocess.DEVNULL, capture_output=True, timeout=PATIENCE, check=False)
    assert done.returncode == 3 and b"File too large" in done.stderr
    assert play(cast)[1] and done.stdout.count(b"y") == 10000


@pytest.mark.parametrize("options, words", [
    (["--record", "x"], "pty"), (["-T", "--record", "x"], "pty"), (["-d", "--record", "x"], "pty"),
    (["-t", "--record-input"], "--record"),
])
def test_it_needs_a_pty(conjoin, box, scratch, options, words):
    done = conjoin.exec(box, "true", options=options, cwd=scratch)
    assert_failed(done, 125, words)
    assert os.listdir(scratch) == []


def test_a_dry_run_makes_no_file(conjoin, box, cast):
    assert conjoin.exec(box, "true", options=["--dry-run", "-t", "--record", cast]).returncode == 0
    assert not os.path.exists(cast)


def test_debug_records_as_well(conjoin, box, cast):
    if os.geteuid() != 0:
        pytest.skip("needs root")
    done = conjoin.debug(box, "echo", "x", options=["-t", "--record", cast])
    assert done.returncode == 0 and texts(play(cast)[1]) == "x\r\n"
