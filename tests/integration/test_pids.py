# SPDX-License-Identifier: MIT
"""conjoin pids: which process is which, outside and inside. Not here: forking storms and many processes
(test_pids_storm.py)."""

import json
import os
import re
import subprocess
import sys

import pytest

from lib import proc
from lib.failure import CONTROL, assert_failed, lines_of
from lib.fixtures import NOBODY
from lib.poll import wait_for
from lib.program import TOP, Conjoin, clean_env
from lib.sandbox import Sandbox

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")

# a namespace in it, and one in that
NESTED = """
sleep 1000 & sleep 1001 &
unshare -pf --mount-proc sh -c '
    sleep 2000 &
    unshare -pf --mount-proc sh -c "sleep 3000 & sleep 3001 & wait; :" &
    wait; :' &
wait; :
"""
NAMES = sorted(["sh", "sleep", "sleep", "unshare", "sh", "sleep", "unshare", "sh", "sleep", "sleep"])
NUMBER_CALLS = (0x8004B706, 0x8004B707, 0x8004B708, 0x8004B709)  # NS_GET_PID_FROM_PIDNS to NS_GET_TGID_IN_PIDNS


class WithoutCalls(Conjoin):
    """The program on a kernel before 6.11, without the calls for numbers."""

    def __init__(self, conjoin):
        super().__init__("/usr/bin/python3")
        rules = [f"ioctl[1]={call:#x}:ENOTTY" for call in NUMBER_CALLS]
        self.words = [os.path.join(TOP, "tests/compat/deny.py"), *rules, "--", conjoin.path]

    def run(self, *args, **more):
        return super().run(*self.words, *args, **more)


@pytest.fixture(params=["by calls", "by NSpid"])
def either(request, conjoin):
    return conjoin if request.param == "by calls" else WithoutCalls(conjoin)


def settled(box, names):
    """Waits until the container has those processes: names of all that have a number in it."""
    def now():
        found = [status["Name"] for status in of_namespace(box).values()]
        return sorted(found) == sorted(names)

    wait_for(now, what=f"{names} in {box.pid}")
    return box


def of_namespace(box):
    """{host PID: status} of all that are below the container's first process."""
    found = {}
    for pid in proc.pids():
        try:
            found[pid] = proc.status(pid)
        except (FileNotFoundError, ProcessLookupError):
            pass

    def is_below(pid):
        while pid in found and pid != box.pid:
            pid = int(found[pid]["PPid"])
        return pid == box.pid

    return {pid: status for pid, status in found.items() if is_below(pid)}


@pytest.fixture(scope="module")
def box(sandbox_program, rootfs):
    box = Sandbox(sandbox_program, rootfs, ["sh", "-c", NESTED], namespaces="all,-user")
    try:
        yield settled(box, NAMES)
    finally:
        box.stop()


def as_json(conjoin, target, *options):
    done = conjoin.run("pids", "--json", *options, getattr(target, "pid", target))
    assert (done.returncode, done.stderr) == (0, ""), done
    return json.loads(done.stdout)


def flat(objects, parent=None):
    for one in objects:
        yield one, parent
        yield from flat(one["children"], one["host"])


def table(conjoin, target, *options):
    done = conjoin.run("pids", *options, getattr(target, "pid", target))
    assert (done.returncode, done.stderr) == (0, ""), done
    return done.stdout.splitlines()


def words_of(pid):
    return [word.decode() for word in proc.read(pid, "cmdline").split(b"\0")[:-1]]


def nspid(status):
    return [int(number) for number in status["NSpid"].split()]


# --- what is there ---

def test_every_process_is_there_as_the_kernel_has_it(either, box):
    wanted = of_namespace(box)
    found = list(flat(as_json(either, box)))
    assert {one["host"] for one, _ in found} == wanted.keys()
    assert len(found) == len(wanted)
    for one, parent in found:
        status = wanted[one["host"]]
        assert one["levels"] == nspid(status)
        assert one["inside"] == one["levels"][1]
        assert one["name"] == status["Name"]
        assert one["state"] == status["State"][0]
        assert one["command"] == words_of(one["host"])
        assert parent == (int(status["PPid"]) if one["host"] != box.pid else None)
    assert {len(one["levels"]) for one, _ in found} == {2, 3, 4}


def test_it_shows_what_is_seen_inside(conjoin, box):
    seen = conjoin.exec(box, "sh", "-c", "cat /proc/[0-9]*/status")
    inside = {}
    for text in seen.stdout.split("Name:")[1:]:
        status = proc.parse_status("Name:" + text)
        inside[int(status["Pid"])] = (status["Name"], nspid(status))
    found = {one["inside"]: (one["name"], one["levels"][1:])
             for one, _ in flat(as_json(conjoin, box))}
    assert len(found) == len(NAMES)
    assert {number: inside.get(number) for number in found} == found
    # only what looked was there besides
    assert {inside[number][0] for number in inside.keys() - found.keys()} <= {"sh", "cat"}


def test_what_was_started_from_outside_is_there_too(conjoin, box):
    with conjoin.popen("exec", box.pid, "cat", stdin=subprocess.PIPE) as held:
        def found():
            return [one for one in as_json(conjoin, box) if one["command"] == ["cat"]]

        first = wait_for(found, what="cat in the list")
        assert nspid(proc.status(first[0]["host"])) == first[0]["levels"]
        held.communicate()


def test_any_process_of_the_container_names_it(conjoin, box):
    wanted = list(flat(as_json(conjoin, box)))
    second_level = [one for one, _ in wanted if len(one["levels"]) == 2]
    for one in second_level:
        assert list(flat(as_json(conjoin, one["host"]))) == wanted


def test_of_a_nested_namespace_only_its_own_are_listed(either, box):
    everything = [one for one, _ in flat(as_json(either, box))]
    init = next(one for one in everything if len(one["levels"]) == 3 and one["levels"][-1] == 1)
    found = {one["host"]: one["inside"] for one, _ in flat(as_json(either, init["host"]))}
    assert found == {one["host"]: one["levels"][2] for one in everything if len(one["levels"]) > 2}


def test_another_container_isnt_there(either, box, sandbox):
    other = sandbox(namespaces="all,-user")
    hosts = {one["host"] for one, _ in flat(as_json(either, other))}
    assert hosts == of_namespace(other).keys()
    assert not hosts & of_namespace(box).keys()


def test_without_a_pid_namespace_it_is_the_targets_descendants(either, sandbox):
    box = settled(sandbox("sh", "-c", "sleep 100 & (sleep 101 & wait; :) & wait; :",
                          namespaces="all,-user,-pid"), ["sh", "sh", "sleep", "sleep"])
    wanted = of_namespace(box)
    found = list(flat(as_json(either, box)))
    assert {one["host"]: parent for one, parent in found if parent} == {
        pid: int(status["PPid"]) for pid, status in wanted.items() if pid != box.pid}
    assert found[0][0]["host"] == box.pid and len(found) == 4
    assert all(one["inside"] == one["host"] and one["levels"] == [one["host"]] for one, _ in found)


def test_the_caller_alone_is_himself(conjoin):
    (one,) = as_json(conjoin, "self")
    assert (one["name"], one["children"]) == ("conjoin", [])


def test_a_zombie_has_a_name_in_brackets(conjoin, sandbox):
    box = sandbox("sh", "-c", "true & exec sleep 1000", namespaces="all,-user")
    wait_for(lambda: [s for s in of_namespace(box).values() if s["State"][0] == "Z"])
    (init,) = as_json(conjoin, box)
    (zombie,) = init["children"]
    assert (zombie["state"], zombie["command"], zombie["name"]) == ("Z", [], "sh")
    assert table(conjoin, box)[-1].endswith("└─ [sh]")


# --- one number ---

def lines(done):
    assert (done.returncode, done.stderr) == (0, ""), done
    return [int(line) for line in done.stdout.splitlines()]


def test_each_number_is_translated_both_ways(either, box):
    statuses = of_namespace(box)
    hosts = list(statuses)
    insides = [nspid(statuses[pid])[1] for pid in hosts]

    def options(name, numbers):
        return [word for number in numbers for word in (name, number)]

    assert lines(either.run("pids", *options("--host", hosts), box.pid)) == insides
    assert lines(either.run("pids", *options("--inside", insides), box.pid)) == hosts


def test_a_number_that_nobody_has_is_an_error_and_the_others_are_printed(either, box):
    done = either.run("pids", "--inside", 1, "--inside", 99999, "--inside", 1, box.pid)
    assert done.stdout == f"{box.pid}\n" * 2
    assert_failed(done, 1, f"pids {box.pid}", "PID 99999 inside", "No such process")
    done = either.run("pids", "--host", os.getpid(), "--host", box.pid, box.pid)
    assert done.stdout == "1\n"
    assert_failed(done, 1, f"host PID {os.getpid()}", "No such process")


def test_a_threads_number_is_no_processes(either, tmp_path):
    script = "import threading; threading.Thread(target=input).start(); print(flush=True); input()"
    with subprocess.Popen(
        ["unshare", "-pf", "--kill-child", sys.executable, "-c", script],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=clean_env(),
    ) as made:
        made.stdout.readline()
        with open(f"/proc/{made.pid}/task/{made.pid}/children", encoding="ascii") as f:
            pid = int(f.read())
        thread = max(map(int, os.listdir(f"/proc/{pid}/task")))
        inside = nspid(proc.parse_status(proc.read(thread, "status").decode()))[1]
        assert (thread != pid, inside != 1) == (True, True)
        assert_failed(either.run("pids", "--host", thread, pid), 1, "No such process")
        assert_failed(either.run("pids", "--inside", inside, pid), 1, "No such process")
        assert_failed(either.run("pids", pid, thread), 1, "No such process")
        made.communicate(b"\n\n")


def test_in_our_own_namespace_numbers_are_the_same(conjoin):
    ours = os.getpid()
    assert lines(conjoin.run("pids", "--inside", ours, "--inside", 1, "self")) == [ours, 1]
    assert lines(conjoin.run("pids", "--host", ours, "self")) == [ours]


# --- some of them ---

def test_pids_limit_the_list_to_them(either, box):
    everything = [one for one, _ in flat(as_json(either, box))]
    some = [everything[-1], everything[1], everything[0]]
    done = either.run("pids", "--json", box.pid, *[one["host"] for one in some], some[0]["host"])
    assert (done.returncode, done.stderr) == (0, "")
    found = [one for one, _ in flat(json.loads(done.stdout))]
    assert sorted(one["host"] for one in found) == sorted(one["host"] for one in some)


def test_a_pid_that_isnt_there_is_an_error_and_the_others_are_listed(either, box):
    done = either.run("pids", "--flat", box.pid, box.pid, os.getpid())
    assert_failed(done, 1, f"host PID {os.getpid()}", "No such process")
    assert [line.split()[0] for line in done.stdout.splitlines()] == ["HOST", str(box.pid)]


# --- what it looks like ---

def test_the_tree_is_the_one_of_the_parents(conjoin, box):
    statuses = of_namespace(box)
    above = []
    rows = table(conjoin, box)
    assert rows[0].split() == ["HOST", "INSIDE", "LEVELS", "COMMAND"]
    column = rows[0].index("COMMAND")
    for row in rows[1:]:
        host = int(row.split()[0])
        indent = len(row[column:]) - len(row[column:].lstrip("│├└─ "))
        assert indent % 3 == 0
        above[indent // 3:] = [host]
        if host != box.pid:
            assert above[-2] == int(statuses[host]["PPid"])
        assert row.endswith(" ".join(words_of(host)).replace("\n", "\\x0a"))
    assert len(rows) == len(statuses) + 1


def test_levels_are_shown_where_there_are_any(conjoin, sandbox, box):
    plain = sandbox(namespaces="all,-user")
    assert table(conjoin, plain)[0].split() == ["HOST", "INSIDE", "COMMAND"]
    init = next(one for one, _ in flat(as_json(conjoin, box)) if one["levels"][2:] == [1])
    assert f"{init['host']},{init['inside']},1" in table(conjoin, box, "-o", "levels")


def test_columns_are_chosen(conjoin, box):
    rows = table(conjoin, box, "-o", "state,inside,name,host", "--noheadings", "--flat")
    statuses = of_namespace(box)
    assert [row.split() for row in rows] == [
        [s["State"][0], str(nspid(s)[1]), s["Name"], str(pid)]
        for pid, s in ((int(row.split()[-1]), statuses[int(row.split()[-1])]) for row in rows)]
    assert len(rows) == len(statuses)
    with_headings = table(conjoin, box, "--output", "host,host,command")
    assert with_headings[0].split() == ["HOST", "HOST", "COMMAND"]


def test_flat_json_names_the_parent(conjoin, box):
    rows = as_json(conjoin, box, "--flat")
    tree = as_json(conjoin, box)
    assert {row["host"]: row["parent"] for row in rows} == {
        one["host"]: parent for one, parent in flat(tree)}
    assert all("children" not in row for row in rows)
    assert set(tree[0]) == {"host", "inside", "levels", "state", "name", "command", "children"}


def test_a_deep_chain_is_drawn_so_far_and_no_further(conjoin, sandbox):
    depth = 100
    script = 'n=$1; if [ $n -gt 0 ]; then sh -c "$0" "$0" $((n-1)) & fi; wait; read x </tmp/f'
    box = settled(sandbox("sh", "-c", "mkfifo /tmp/f; exec sh -c \"$0\" \"$0\" \"$@\"", script, str(depth),
                          namespaces="all,-user"), ["sh"] * (depth + 1))
    rows = table(conjoin, box, "-o", "name", "--noheadings")
    assert len(rows) == depth + 1
    assert max(map(len, rows)) < 150
    assert rows[-1].endswith("└─ … sh") and rows[5] == "   " * 4 + "└─ sh"
    one = as_json(conjoin, box)
    for _ in range(depth):
        (one,) = one[0]["children"] and [one[0]["children"]]
    assert one[0]["children"] == []


HOSTILE = [b"\x1b[2J\x1b]0;x\x07", b"\xff\xfe", b"a\nb\r", "‮\u2028\u200f\x9b31m".encode(),
           b"", b"%s%n%s%n", b'"},{"host":1', b"\\n", b"x" * 70000]


@pytest.fixture
def hostile(sandbox):
    script = r"""printf '\033]0;\n\\n\377' >/proc/self/comm; mkfifo /tmp/f; read x </tmp/f"""
    box = sandbox("sh", "-c", script, *HOSTILE, namespaces="all,-user")
    wait_for(lambda: b"\x1b" in proc.read(box.pid, "comm"))
    wait_for(lambda: os.path.exists(f"/proc/{box.pid}/root/tmp/f") and not proc.children(box.pid))
    return box


def test_no_name_or_argument_moves_a_terminals_cursor(conjoin, hostile):
    for options in (["-o", "name"], ["-o", "command"], [], ["--flat"], ["--json"]):
        rows = table(conjoin, hostile, *options)
        assert [row for row in rows if CONTROL.search(row)] == []
        assert len(rows) == (3 if options == ["--json"] else 2)
    assert table(conjoin, hostile, "-o", "name")[1] == r"\x1b]0;\x0a\n\xff"
    assert table(conjoin, hostile)[1].endswith(" …")


def test_json_has_command_lines_whole_up_to_64_kib(conjoin, hostile):
    (one,) = as_json(conjoin, hostile)
    command = one["command"][3:]
    assert one["truncated"] is True
    assert command[:1] + command[2:8] == [text.decode() for text in HOSTILE[:1] + HOSTILE[2:8]]
    assert command[1] == r"\xff\xfe"
    assert sum(len(word) + 1 for word in words_whole(hostile.pid)[:-1]) + len(command[-1]) == 65536
    assert set(command[-1]) == {"x"}


def words_whole(pid):
    return proc.read(pid, "cmdline").split(b"\0")[:-1]


FILE_OVER_ARGUMENTS = """if 1:
    import ctypes, os, sys
    libc = ctypes.CDLL(None)
    libc.mmap.restype = ctypes.c_void_p
    start = int(open("/proc/self/stat").read().rpartition(")")[2].split()[45])  # arg_start
    page = (start + 4095) & ~4095
    fd = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT)
    os.ftruncate(fd, 4096)
    at = libc.mmap(ctypes.c_void_p(page), ctypes.c_size_t(4096), 3, 0x12, fd, ctypes.c_long(0))
    print(page - start if at == page else -1, flush=True)
    sys.stdin.read()
"""


def test_a_command_line_in_a_files_memory_is_not_waited_for(conjoin, scratch):
    """A FUSE server that never answers could be behind it: CVE-2018-1120. It ends where the file begins."""
    with subprocess.Popen(
        ["unshare", "-pf", "--kill-child", sys.executable, "-c", FILE_OVER_ARGUMENTS,
         os.path.join(scratch, "file"), "x" * 9000],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=clean_env(),
    ) as made:
        size = int(made.stdout.readline())
        with open(f"/proc/{made.pid}/task/{made.pid}/children", encoding="ascii") as f:
            pid = int(f.read())
        (one,) = as_json(conjoin, pid)
        made.communicate()
    assert 0 <= size < 4096
    whole = [sys.executable, "-c", FILE_OVER_ARGUMENTS, os.path.join(scratch, "file"), "x" * 9000]
    assert "\0".join(one["command"]) == "\0".join(whole)[:size].rstrip("\0")


# --- failures ---

def test_a_target_that_has_ended_has_no_processes(conjoin, sandbox):
    box = sandbox(namespaces="all,-user")
    box.stop()
    assert_failed(conjoin.run("pids", box.pid), 1, f"pids {box.pid}", "No such process")
    assert_failed(conjoin.run("pids", "--inside", 1, box.pid), 1, "No such process")


def test_a_target_that_ends_meanwhile_is_told_or_was_listed(conjoin, sandbox):
    for _ in range(10):
        box = sandbox("sh", "-c", "i=0; while [ $i -lt 50 ]; do sleep 1000 & i=$((i+1)); done; wait",
                      namespaces="all,-user")
        wait_for(lambda: len(of_namespace(box)) > 40)
        running = [conjoin.popen("pids", "-o", "host,inside", box.pid, stdout=subprocess.PIPE,
                                 stderr=subprocess.PIPE, text=True) for _ in range(5)]
        os.kill(box.pid, 9)
        for one in running:
            out, err = one.communicate(timeout=20)
            assert one.returncode in (0, 1)
            assert (one.returncode == 0) == (err == "")
            assert err == "" or (out == "" and "No such process" in err)
        box.wait()


def test_who_may_not_look_is_told_so(conjoin, box):
    for words in (["pids", box.pid], ["pids", "--inside", 1, box.pid],
                  ["pids", "--host", box.pid, box.pid]):
        done = conjoin.run(*words, user=NOBODY)
        assert_failed(done, 1, "pid namespace", str(box.pid), "Permission denied", hint="root")
        assert done.stdout == ""


def test_a_user_sees_his_own_container(either, sandbox):
    box = settled(sandbox("sh", "-c", "sleep 1000 & sleep 1001 & wait; :", user=NOBODY, map_self=True),
                  ["sh", "sleep", "sleep"])
    done = either.run("pids", "--json", box.pid, user=NOBODY)
    assert (done.returncode, lines_of(done)) == (0, [])
    assert {one["host"]: one["levels"] for one, _ in flat(json.loads(done.stdout))} == {
        pid: nspid(status) for pid, status in of_namespace(box).items()}
    assert lines(either.run("pids", "--inside", 1, box.pid, user=NOBODY)) == [box.pid]


def test_who_cant_be_judged_is_counted(conjoin, box, sandbox):
    """Before 6.11: a process of root's, as deep as the target, which the user may not look at."""
    mine = sandbox(user=NOBODY, map_self=True)
    done = WithoutCalls(conjoin).run("pids", mine.pid, user=NOBODY)
    assert done.returncode == 0
    told = re.search(r"warning: (\d+) processes that may be inside: unreadable: EACCES\n", done.stderr)
    assert told and int(told[1]) >= len(NAMES), done  # others may run containers as well
    assert len(done.stdout.splitlines()) == 2


@pytest.mark.parametrize("words, what", [
    ([], "TARGET"),
    (["--nosuch", "self"], "--nosuch"),
    (["self", "x"], '"x"'),
    (["self", "0"], '"0"'),
    (["self", "-1"], "before TARGET"),
    (["self", "--json"], "before TARGET"),
    (["self", "4194305"], '"4194305"'),
    (["--inside", "12x", "self"], '"12x"'),
    (["--inside", "1"], "TARGET"),
    (["--host", "", "self"], "--host"),
    (["--inside", "1", "--host", "1", "self"], "--inside"),
    (["--inside", "1", "self", "2"], "--inside"),
    (["--inside", "1", "--json", "self"], "--inside"),
    (["-o", "pid", "self"], "host,inside,levels,state,name,command"),
    (["-o", "", "self"], "host,inside"),
    (["-o", "host,", "self"], "host,inside"),
    (["-o", ",".join(["host"] * 17), "self"], "host,inside"),
    (["-o", "\x1b[2J", "self"], "host,inside"),
    (["--json", "-o", "host", "self"], "--json"),
])
def test_bad_usage_is_told(conjoin, words, what):
    done = conjoin.run("pids", *words)
    assert_failed(done, 2, what, hint="conjoin pids --help")
    assert done.stdout == ""


def test_what_couldnt_be_printed_is_no_success(conjoin, box):
    with open("/dev/full", "w", encoding="ascii") as full:
        for options in ([], ["--json"], ["--inside", "1"]):
            assert_failed(conjoin.run("pids", *options, box.pid, stdout=full), 1, "stdout")
