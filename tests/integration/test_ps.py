# SPDX-License-Identifier: MIT
"""conjoin ps: what it lists beside what the kernel says. Not here: which processes belong together
(tests/unit/test-list.c), its speed (tests/bench/ps), --watch
(test_ps_watch.py)."""

import json
import os
import re
import shutil
import socket
import subprocess
import threading
import uuid

import pytest

from lib import proc
from lib.failure import CONTROL, assert_failed
from lib.listing import (CLONE_NEWNET, Idle, held, in_namespace, libc, listed, living, own_net,
                         row_of, table)
from lib.poll import wait_for
from lib.program import clean_env

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")

PR_SET_NAME = 15
PF_KTHREAD = 0x200000
HOSTILE = b'a\x1b[31m"\\N&]\xff'


def with_net_only(keep):
    """Makes a net namespace, keeps what `keep` opens in it, and goes back to where it was."""
    def prepare():
        before = os.open("/proc/self/ns/net", os.O_RDONLY)
        inode = own_net()
        kept = keep()
        assert libc.setns(before, CLONE_NEWNET) == 0
        os.close(before)
        return [inode, kept]
    return prepare


# --- targets ---


@pytest.mark.parametrize("runtime", ["runc", "crun"])
def test_a_runtimes_container_is_listed_as_it_is(conjoin, request, runtime):
    box = request.getfixturevalue(runtime)()
    row = row_of(listed(conjoin), box.pid)
    assert (row["engine"], row["id"], row["name"]) == ("oci", box.name, box.name)
    assert row["namespaces"] == box.ns()
    ours = proc.namespaces()
    assert set(row["own"]) == {kind for kind, inode in box.ns().items() if ours[kind] != inode}
    assert row["processes"] == len(in_namespace("pid", box.ns()["pid"]))
    assert row["special"] == []
    assert row["age"] < 60
    # what is listed can be entered
    assert conjoin.exec(row["handle"], "hostname").stdout == "box\n"


def test_a_sandbox_that_no_engine_knows_is_listed(conjoin, sandbox):
    box = sandbox()
    row = row_of(listed(conjoin), box.pid)
    assert row["engine"] is None and row["id"] is None
    assert row["name"] == box.read("comm").rstrip("\n")
    assert row["namespaces"] == box.ns()
    assert row["handle"] == box.handle or box.handle is None


def test_memory_and_time_are_those_of_the_cgroup(conjoin, runc):
    box = runc(lambda config: config["process"].update(args=["sh", "-c", "while :; do :; done"]))
    folders = box.cgroup_dirs()
    cpu = next((p for key, p in folders.items() if "cpuacct" in key.split(",")), None)

    def used():
        if cpu:
            with open(os.path.join(cpu, "cpuacct.usage"), encoding="ascii") as f:
                return int(f.read()) // 1000
        with open(os.path.join(folders[""], "cpu.stat"), encoding="ascii") as f:
            return int(f.readline().split()[1])

    wait_for(lambda: used() > 50000, what="the container to use the processor")
    before = used()
    row = row_of(listed(conjoin), box.pid)
    assert before <= row["cpu"] <= used()
    assert 10000 < row["memory"] < 1 << 30


def test_all_processes_of_a_container_are_one_target(conjoin, sandbox):
    box = sandbox("sh", "-c", "sleep 1000 & sleep 1000 & unshare -m sleep 1000 & wait")
    inode = box.ns()["pid"]
    wait_for(lambda: len(in_namespace("pid", inode)) == 4, what="four processes")
    rows = [row for row in listed(conjoin) if row["namespaces"]["pid"] == inode]
    assert [(row["pid"], row["processes"]) for row in rows] == [(box.pid, 4)]


@pytest.mark.parametrize("options", [[], ["--cgroup", "keep"], ["--namespaces", "all,-mnt"]])
def test_what_was_entered_counts_as_the_containers(conjoin, runc, options):
    box = runc()
    entered = conjoin.popen("exec", *options, box.pid, "/bin/sleep", "1000",
                            stdout=subprocess.DEVNULL)
    try:
        wait_for(lambda: len(in_namespace("pid", box.ns()["pid"])) == 2, what="the command")
        rows = [row for row in listed(conjoin) if row["namespaces"]["pid"] == box.ns()["pid"]]
        assert [(row["pid"], row["processes"]) for row in rows] == [(box.pid, 2)]
    finally:
        entered.terminate()
        entered.wait()


def join_pod(first):
    """A change of config.json: net, ipc and uts of another container, as in Kubernetes' pods."""
    files = {"network": "net", "ipc": "ipc", "uts": "uts"}

    def change(config):
        for one in config["linux"]["namespaces"]:
            if one["type"] in files:
                one["path"] = f"/proc/{first.pid}/ns/{files[one['type']]}"
        del config["hostname"]

    return change


def test_containers_of_a_pod_are_below_each_other(conjoin, runc):
    pause = runc()
    other = runc()
    app = runc(join_pod(pause))
    rows = listed(conjoin)
    for kind, same in (("net", True), ("ipc", True), ("mnt", False), ("pid", False)):
        a, b = (row_of(rows, box.pid)["namespaces"][kind] for box in (pause, app))
        assert (a == b) is same
    lines = [line for line in table(conjoin, "--tree", "-o", "name,pid,shares")
             if any(box.name in line[0] for box in (pause, other, app))]
    shares = "ipc,uts,net"
    assert lines == [
        [pause.name, str(pause.pid), shares],
        ["└─ " + app.name, str(app.pid), shares],
        [other.name, str(other.pid), "-"],
    ]


def test_a_paused_container_is_told(conjoin, runc):
    box = runc()
    assert "paused" not in row_of(listed(conjoin), box.pid)["special"]
    box.call("pause", box.name)
    assert "paused" in row_of(listed(conjoin), box.pid)["special"]
    box.call("resume", box.name)
    assert "paused" not in row_of(listed(conjoin), box.pid)["special"]


def without(*kinds):
    def change(config):
        config["linux"]["namespaces"] = [
            one for one in config["linux"]["namespaces"] if one["type"] not in kinds
        ]
        if "uts" in kinds:
            del config["hostname"]
    return change


def test_namespaces_of_the_host_are_told(conjoin, runc):
    box = runc(without("network", "ipc"))
    row = row_of(listed(conjoin), box.pid)
    assert row["special"] == ["host net", "host ipc"]
    assert row["namespaces"]["net"] == proc.namespaces()["net"]


def test_a_container_in_the_hosts_pid_namespace_is_one(conjoin, runc):
    box = runc(without("pid"))
    row = row_of(listed(conjoin), box.pid)
    assert (row["engine"], row["name"]) == ("oci", box.name)


def test_privileges_are_told(conjoin, runc):
    def privileged(config):
        names = [f"CAP_{name}" for name in capability_names()]
        config["process"]["capabilities"] = {
            key: names for key in ("bounding", "effective", "permitted")
        }
        del config["linux"]["seccomp"]

    box, other = runc(privileged), runc()
    rows = listed(conjoin)
    assert row_of(rows, box.pid)["special"] == ["privileged"]
    assert row_of(rows, other.pid)["special"] == []


def capability_names():
    """Those that we have."""
    out = subprocess.run(["capsh", "--print"], capture_output=True, text=True, check=True).stdout
    bounding = re.search(r"^Bounding set =(.*)$", out, re.M).group(1)
    return [name.removeprefix("cap_").upper() for name in bounding.split(",")]


def test_a_process_with_one_namespace_of_its_own_says_which(conjoin):
    with Idle(own_net) as box:
        row = row_of(listed(conjoin), box.pid)
        assert row["own"] == ["net"] and row["namespaces"]["net"] == box.answer
        assert row["special"][0] == "own net"
        assert row["processes"] == 1 and row["memory"] is None


def test_the_host_is_listed_with_all_and_counts_the_rest(conjoin, sandbox):
    sandbox()
    assert [row for row in listed(conjoin) if row["engine"] == "host"] == []
    rows = listed(conjoin, "--all")
    assert rows[0]["engine"] == "host" and rows[0]["own"] == []
    ours = proc.namespaces()
    host = set()
    for pid in living():
        try:
            is_kernel_thread = int(proc.stat_fields(pid)[6]) & PF_KTHREAD
            if proc.namespaces(pid) == ours and not is_kernel_thread:
                host.add(pid)
        except OSError:
            pass
    # others start and end processes meanwhile
    assert abs(rows[0]["processes"] - len(host)) <= 10
    assert sum(row["engine"] == "host" for row in rows) == 1
    assert [row["engine"] for row in listed(conjoin, "--engine", "host")] == ["host"]


# --- which ---


def test_filters_choose(conjoin, runc, sandbox):
    box, other = runc(), sandbox()
    ours = {box.pid, other.pid}

    def pids(*options):
        return {row["pid"] for row in listed(conjoin, *options)} & ours

    assert pids() == ours
    assert pids("--engine", "oci") == {box.pid}
    assert pids("--engine", "-") == {other.pid}
    assert pids("--engine", "docker") == set()
    assert pids(box.name) == {box.pid}
    assert pids(box.name[:-1] + "?") == {box.pid}
    assert pids("*" + box.name[3:]) == {box.pid}
    assert pids("sandbox-*") == {other.pid}
    assert pids(f"nothing-{uuid.uuid4()}") == set()
    assert pids("--ns", f"net={box.ns()['net']}") == {box.pid}
    assert pids("--ns", f"mnt={other.ns()['mnt']}") == {other.pid}
    assert pids("--ns", f"mnt={other.ns()['net']}") == set()


def test_a_namespace_of_any_process_finds_the_target(conjoin, sandbox):
    box = sandbox("sh", "-c", "unshare -n sleep 1000 & wait")
    inode = box.ns()["pid"]

    def inner():
        nets = {proc.namespaces(pid)["net"] for pid in in_namespace("pid", inode)}
        return nets - {box.ns()["net"], proc.namespaces()["net"]}

    wait_for(inner, what="the inner namespace")
    rows = listed(conjoin, "--ns", f"net={inner().pop()}")
    assert [row["pid"] for row in rows] == [box.pid]


@pytest.mark.parametrize("arguments, word", [
    (["--ns", "net"], "net"), (["--ns", "net="], "net="), (["--ns", "nat=1"], "nat=1"),
    (["--ns", "net=1x"], "net=1x"), (["--engine", "dokcer"], "dokcer"),
    (["-o", "pid,nothing"], "nothing"), (["-o", ""], "column"), (["-o", "pid,"], "column"),
    (["-o", ",".join(["pid"] * 17)], "columns"),
    (["--watch", "0"], "0"), (["--watch", "x"], "x"), (["--watch", "1e3"], "1e3"),
    (["--json", "--tree"], "--tree"), (["--json", "-o", "pid"], "tables"),
    (["--graph", "--watch", "1"], "watched"), (["a", "b"], "FILTER"), (["--nothing"], "--nothing"),
])
def test_bad_usage_is_status_2(conjoin, arguments, word):
    assert_failed(conjoin.run("ps", *arguments), 2, word, hint="conjoin ps --help")


def test_columns_are_those_asked_for(conjoin, sandbox):
    box = sandbox()
    lines = table(conjoin, "-o", "PID,netns,handle", "sandbox-*")
    assert lines[0] == ["PID", "NETNS", "HANDLE"]
    mine = [line for line in lines if line[0] == str(box.pid)]
    assert len(mine) == 1 and mine[0][1] == str(box.ns()["net"])
    assert table(conjoin, "-o", "PID,netns,handle", "--noheadings", "sandbox-*") == lines[1:]


# --- namespaces without a process ---


def test_a_namespace_that_a_bind_mount_holds_is_listed(conjoin):
    name = f"conjoin-test-{os.getpid()}"
    subprocess.run(["ip", "netns", "add", name], check=True)
    try:
        inode = os.stat(f"/run/netns/{name}").st_ino
        assert held(conjoin, inode) == [{
            "type": "namespace", "kind": "net", "inode": inode, "holder": "mount", "pid": None,
            "process": None, "fd": None, "path": f"/run/netns/{name}",
        }]
        assert held(conjoin, inode, "--ns", f"net={inode}") != []
        assert held(conjoin, inode, "--ns", f"mnt={inode}") == []
        assert f"/run/netns/{name}" in conjoin.run("ps", "--all").stdout
        assert str(inode) not in conjoin.run("ps").stdout
        with subprocess.Popen(["ip", "netns", "exec", name, "sleep", "1000"]) as inside:
            wait_for(lambda: inside.pid in in_namespace("net", inode), what="the process")
            assert held(conjoin, inode) == []  # it has a process now
            row_of(listed(conjoin, "--ns", f"net={inode}"), inside.pid)
            inside.kill()
    finally:
        subprocess.run(["ip", "netns", "delete", name], check=True)
    assert held(conjoin, inode) == []


def test_a_namespace_that_a_file_holds_is_listed(conjoin):
    with Idle(with_net_only(lambda: os.open("/proc/self/ns/net", os.O_RDONLY))) as box:
        inode, fd = box.answer
        found = held(conjoin, inode)
        assert [(one["holder"], one["pid"], one["fd"]) for one in found] == [("file", box.pid, fd)]
        assert found[0]["process"] == proc.read(box.pid, "comm").decode().rstrip("\n")
    assert held(conjoin, inode) == []


def test_a_namespace_whose_bind_mount_was_removed_under_an_open_file_is_listed(conjoin):
    name = f"conjoin-test-{os.getpid()}-gone"
    subprocess.run(["ip", "netns", "add", name], check=True)
    fd = os.open(f"/run/netns/{name}", os.O_RDONLY)
    try:
        subprocess.run(["ip", "netns", "delete", name], check=True)
        inode = os.fstat(fd).st_ino
        found = [(one["holder"], one["pid"], one["fd"]) for one in held(conjoin, inode)]
        assert found == [("file", os.getpid(), fd)]
    finally:
        os.close(fd)


def test_a_namespace_that_a_socket_holds_is_listed(conjoin):
    with Idle(with_net_only(lambda: socket.socket().detach())) as box:
        inode, fd = box.answer
        found = [(one["holder"], one["pid"], one["fd"]) for one in held(conjoin, inode)]
        assert found == [("socket", box.pid, fd)]
    assert held(conjoin, inode) == []


# --- for programs ---


def test_the_graph_is_drawn(conjoin, runc):
    if not shutil.which("dot"):
        pytest.skip("graphviz isn't installed")
    pause = runc()
    app = runc(join_pod(pause))
    hostile = named(HOSTILE)
    with hostile:
        for options in ([], ["--all"]):
            done = conjoin.run("ps", "--graph", *options)
            assert done.returncode == 0, done.stderr
            drawn = subprocess.run(["dot", "-Tjson"], input=done.stdout, capture_output=True,
                                   text=True, check=False)
            assert (drawn.returncode, drawn.stderr) == (0, "")
            check_graph(json.loads(drawn.stdout), pause, app, hostile)


def check_graph(graph, pause, app, hostile):
    labels = {one["_gvid"]: one.get("label", "") for one in graph["objects"]}
    edges = {(labels[e["tail"]], labels[e["head"]]) for e in graph["edges"]}
    net = f"net\\n{pause.ns()['net']}"
    boxes = {box.pid: next(text for text in labels.values() if f"pid {box.pid}" in text.split("\\n"))
             for box in (pause, app, hostile)}
    assert {tail for tail, head in edges if head == net} == {boxes[pause.pid], boxes[app.pid]}
    assert not any(head == f"mnt\\n{pause.ns()['mnt']}" for _, head in edges)


def named(name):
    def prepare():
        own_net()
        libc.prctl(PR_SET_NAME, name, 0, 0, 0)
        return None
    return Idle(prepare)


def test_hostile_names_do_no_harm(conjoin):
    with named(HOSTILE) as box:
        assert proc.read(box.pid, "comm") == HOSTILE + b"\n"
        for options in ([], ["--tree"], ["--all"], ["--graph"]):
            done = conjoin.run("ps", *options, text=False)
            text = done.stdout.decode()  # UTF-8, or this fails
            assert done.returncode == 0
            assert CONTROL.search(text.replace("\t", "")) is None
        assert "a\\x1b[31m" in row_of(listed(conjoin), box.pid)["name"]
        lines = [line for line in table(conjoin, "-o", "pid,name") if line[0] == str(box.pid)]
        assert lines == [[str(box.pid), 'a\\x1b[31m"\\N&]\\xff']]


@pytest.mark.parametrize("name", [b"", b"a b", b"a\nb", b") S 1 1", b"\xe2\x80\xae", b"x" * 15])
def test_any_name_is_read(conjoin, name):
    with named(name) as box:
        row = row_of(listed(conjoin), box.pid)
        try:
            assert row["name"] == name.decode()
        except UnicodeDecodeError:
            pytest.fail("the test's names are UTF-8")


# --- while things change ---


def test_a_row_is_never_about_two_processes(conjoin, sandbox):
    box = sandbox("sh", "-c", "while :; do sh -c 'sleep 0 & true' & wait; done")
    namespaces = box.ns()
    stop = threading.Event()

    def storm():
        while not stop.is_set():
            subprocess.run(["unshare", "-n", "true"], check=True)

    thread = threading.Thread(target=storm)
    thread.start()
    try:
        for _ in range(40):
            rows = listed(conjoin)
            row = row_of(rows, box.pid)
            assert row["handle"] == box.handle and row["namespaces"] == namespaces
            assert [r for r in rows if r["namespaces"]["pid"] == namespaces["pid"]] == [row]
            for other in rows:
                assert other["processes"] > 0 and str(other["pid"]) == other["handle"].split(":")[0]
    finally:
        stop.set()
        thread.join()


def test_an_ordinary_user_is_told_what_is_missing(conjoin, sandbox, unprivileged):
    box = sandbox()
    done = unprivileged([conjoin.path, "ps", "--json"])
    assert done.returncode == 0, done
    assert [row for row in json.loads(done.stdout) if row["pid"] == box.pid] == []
    lines = done.stderr.splitlines()
    assert len(lines) == 1, done
    left_out = re.fullmatch(
        r"conjoin: ps: warning: (\d+) processes left out, whose namespaces are unreadable: EACCES",
        lines[0],
    )
    assert left_out and int(left_out[1]) >= len(in_namespace("pid", box.ns()["pid"])) + 1


def test_an_ordinary_user_sees_what_is_theirs(conjoin):
    user = {"user": 65534, "group": 65534, "extra_groups": []}
    with subprocess.Popen(["unshare", "-Ur", "sleep", "1000"], env=clean_env(), cwd="/",
                          **user) as mine:
        try:
            def found():
                rows = listed(conjoin, user=65534)
                return [row for row in rows if row["pid"] == mine.pid and "user" in row["own"]]

            row = wait_for(found, what="the user's sandbox")[0]
            assert row["namespaces"]["user"] == proc.namespaces(mine.pid)["user"]
        finally:
            mine.kill()
