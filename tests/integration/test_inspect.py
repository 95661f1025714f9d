# SPDX-License-Identifier: MIT
"""What `conjoin inspect` tells is what the kernel's files say. Not here: comparing (test_diff.py)."""

import json
import os
import resource
import stat
import subprocess
import time

import pytest

from lib import proc
from lib.failure import CONTROL, assert_failed
from lib.poll import wait_for
from lib.program import as_user

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


@pytest.fixture
def box(sandbox):
    return sandbox(uid=1000, gid=1000, groups="29,2000", caps="none", bounding="docker", nice=3,
                   cwd="/home/app", umask="027", rlimit=["nofile=100:200"], no_new_privs=True)


def inspect(conjoin, *targets, options=()):
    done = conjoin.run("inspect", "--json", *options, *targets)
    assert (done.returncode, done.stderr) == (0, "")
    return json.loads(done.stdout)


def link(pid, name):
    return os.readlink(f"/proc/{pid}/{name}")


def test_the_process(conjoin, box):
    about = inspect(conjoin, box.pid)[0]["process"]
    status = box.status()
    assert about["pid"] == box.pid
    assert about["inside"] == int(status["NSpid"].split()[-1]) == 1
    assert about["handle"].split(":")[0] == str(box.pid)
    assert about["name"] == status["Name"]
    assert about["state"] == status["State"][0]
    assert about["threads"] == int(status["Threads"])
    assert about["exe"] == link(box.pid, "exe")
    assert about["command"] == [part.decode() for part in
                                proc.read(box.pid, "cmdline").split(b"\0")[:-1]]
    started = time.mktime(time.strptime(about["started"], "%Y-%m-%dT%H:%M:%SZ")) - time.timezone
    up = time.clock_gettime(time.CLOCK_BOOTTIME)
    wanted = time.time() - up + proc.start_time(box.pid) / os.sysconf("SC_CLK_TCK")
    assert abs(started - wanted) <= 2


def test_namespaces_and_who_owns_them(conjoin, box):
    about = inspect(conjoin, box.pid)[0]["namespaces"]
    theirs, ours = box.ns(), proc.namespaces()
    assert {kind: of["inode"] for kind, of in about.items()} == theirs
    assert {kind: of["ours"] for kind, of in about.items()} == {
        kind: inode == ours[kind] for kind, inode in theirs.items()}
    for kind in theirs.keys() - {"user"}:
        if theirs[kind] != ours[kind]:
            assert about[kind]["owner"] == theirs["user"], kind
    assert about["user"]["owner"] == ours["user"]


def test_the_maps_of_its_user_namespace(conjoin, box):
    about = inspect(conjoin, box.pid)[0]["user"]
    for name in ("uid_map", "gid_map"):
        assert [line.split() for line in about[name]] == [
            line.split() for line in box.read(name).splitlines()]


def test_cgroups_and_what_they_use(conjoin, box):
    about = inspect(conjoin, box.pid)[0]
    cgroups = {"" if key == "unified" else key: of for key, of in about["cgroups"].items()}
    assert {key: of["path"] for key, of in cgroups.items()} == box.cgroups()
    assert {key: of["directory"] for key, of in cgroups.items() if of["mounted"]} == \
        box.cgroup_dirs()
    for path in box.cgroup_dirs().values():
        limit = os.path.join(path, "memory.limit_in_bytes")
        if os.path.exists(limit):
            assert 0 < about["usage"]["memory"]["used"] < 1 << 30
            with open(limit, "w", encoding="ascii") as f:
                f.write(str(64 << 20))
            again = inspect(conjoin, box.pid)[0]
            assert again["usage"]["memory"]["limit"] == 64 << 20
        if os.path.exists(os.path.join(path, "pids.max")):
            assert about["usage"]["pids"]["used"] >= 1


def test_a_paused_one_says_so(conjoin, sandbox):
    box = sandbox()
    box.freeze()
    try:
        cgroups = inspect(conjoin, box.pid)[0]["cgroups"]
        assert any(of.get("frozen") for of in cgroups.values())
    finally:
        box.thaw()
    cgroups = inspect(conjoin, box.pid)[0]["cgroups"]
    assert not any(of.get("frozen") for of in cgroups.values())


CAPS = {"inheritable": "CapInh", "permitted": "CapPrm", "effective": "CapEff",
        "bounding": "CapBnd", "ambient": "CapAmb"}


def test_credentials_and_capabilities(conjoin, box):
    about = inspect(conjoin, box.pid)[0]
    status = box.status()
    which = ("real", "effective", "saved", "fs")
    for ids in ("Uid", "Gid"):
        assert [about["credentials"][ids.lower()][name] for name in which] == [
            int(word) for word in status[ids].split()]
    assert about["credentials"]["groups"] == status["Groups"].split()
    assert about["credentials"]["no_new_privs"] == (status["NoNewPrivs"] == "1")
    assert about["credentials"]["seccomp"]["mode"] == ["off", "strict", "filter"][
        int(status["Seccomp"])]
    for name, line in CAPS.items():
        # capsh is libcap's own word for it
        words = subprocess.run(["capsh", "--decode=" + status[line]], check=True,
                               capture_output=True, text=True).stdout
        wanted = words.strip().partition("=")[2]
        assert about["capabilities"][name] == (wanted.upper().split(",") if wanted else [])


def test_limits_scheduling_and_the_rest(conjoin, box):
    about = inspect(conjoin, box.pid)[0]
    soft, hard = resource.prlimit(box.pid, resource.RLIMIT_NOFILE)
    assert about["limits"]["nofile"] == {"soft": soft, "hard": hard}
    data = resource.prlimit(box.pid, resource.RLIMIT_DATA)[1]
    assert about["limits"]["data"]["hard"] == (
        "unlimited" if data == resource.RLIM_INFINITY else data)
    assert about["scheduling"]["nice"] == os.getpriority(os.PRIO_PROCESS, box.pid) == 3
    assert about["scheduling"]["policy"] == "other"
    assert about["attributes"]["umask"] == "0027"
    assert about["attributes"]["oom_score_adj"] == int(box.read("oom_score_adj"))
    assert int(about["attributes"]["core_filter"], 16) == int(box.read("coredump_filter"), 16)
    assert about["cwd"]["inode"] == os.stat(f"/proc/{box.pid}/cwd/").st_ino
    assert about["root"]["inode"] == os.stat(f"/proc/{box.pid}/root/").st_ino


def test_the_environment_only_when_asked_for(conjoin, sandbox):
    box = sandbox(env_file=None, env=["ONE=1", "EMPTY=", "bare", "TWO=a=b"])
    assert "environment" not in inspect(conjoin, box.pid)[0]
    about = inspect(conjoin, box.pid, options=["--env"])[0]["environment"]
    assert about["ONE"] == {"value": "1"}
    assert about["EMPTY"] == {"value": ""}
    assert about["bare"] == {"bare": True}
    assert about["TWO"] == {"value": "a=b"}


def test_the_root_on_the_host_of_a_plain_directory(conjoin, sandbox, rootfs):
    box = sandbox(bind=True)
    about = inspect(conjoin, box.pid)[0]["root"]
    assert os.path.samefile(about["host_path"], rootfs)


def test_the_layers_of_an_overlay(conjoin, sandbox_program, rootfs, scratch):
    from lib.sandbox import Sandbox  # pylint: disable=import-outside-toplevel

    for name in ("upper", "work", "merged", "low:er"):
        os.mkdir(os.path.join(scratch, name))
    merged = os.path.join(scratch, "merged")
    lower = os.path.join(scratch, "low:er").replace(":", "\\:")
    options = f"lowerdir={lower}:{rootfs},upperdir={scratch}/upper,workdir={scratch}/work"
    done = subprocess.run(["mount", "-t", "overlay", "overlay", "-o", options, merged],
                          check=False, capture_output=True, text=True)
    if done.returncode != 0:
        pytest.skip("no overlay file system here: " + done.stderr.strip())
    try:
        box = Sandbox(sandbox_program, merged, bind=True)
        try:
            about = inspect(conjoin, box.pid)[0]["root"]
            assert about["type"] == "overlay"
            assert os.path.samefile(about["host_path"], merged)
            assert about["upper"] == f"{scratch}/upper"
            assert about["work"] == f"{scratch}/work"
            assert about["lower"] == [os.path.join(scratch, "low:er"), rootfs]
        finally:
            box.stop()
    finally:
        subprocess.run(["umount", merged], check=True)


def test_ourselves(conjoin):
    about = inspect(conjoin, "self")[0]
    assert all(of["ours"] for of in about["namespaces"].values())
    assert about["process"]["name"] == "conjoin"
    assert os.path.samefile(about["root"]["host_path"], "/")


@pytest.mark.parametrize("runtime", ["runc", "crun"])
def test_a_container_of_a_runtime(runtime, request, conjoin):
    box = request.getfixturevalue(runtime)()
    about = inspect(conjoin, box.pid)[0]
    assert {kind: of["inode"] for kind, of in about["namespaces"].items()} == box.ns()
    assert about["credentials"]["seccomp"]["mode"] == "filter"
    assert stat.S_ISDIR(os.stat(about["root"]["host_path"]).st_mode)


def test_the_table_and_columns(conjoin, box):
    done = conjoin.run("inspect", box.pid)
    lines = done.stdout.splitlines()
    assert lines[0].split() == ["SECTION", "OBJECT", "FIELD", "VALUE"]
    assert any(line.split() == ["namespaces", "user", "inode", str(box.ns()["user"])]
               for line in lines)
    done = conjoin.run("inspect", "-o", "pid,namespaces.net.inode,usage.nothing.used", box.pid)
    assert_failed(done, 2, "usage.nothing.used")
    done = conjoin.run("inspect", "-o", "pid,namespaces.net.inode", "--noheadings", box.pid,
                       os.getpid())
    assert [line.split() for line in done.stdout.splitlines()] == [
        [str(box.pid), str(box.ns()["net"])],
        [str(os.getpid()), str(proc.namespaces()["net"])],
    ]


def test_what_cant_be_read_says_so_and_hides_nothing_else(conjoin, box):
    done = conjoin.run("inspect", "--json", os.getpid(), user=1000)
    assert done.returncode == 0 and done.stderr == ""
    about = json.loads(done.stdout)[0]
    assert about["namespaces"]["net"]["inode"] == {"unreadable": "EACCES"}
    assert about["root"]["path"] == {"unreadable": "EACCES"} or \
        about["root"]["inode"] == {"unreadable": "EACCES"}
    assert about["process"]["exe"] == {"unreadable": "EACCES"}
    assert about["credentials"]["uid"]["effective"] == 0
    assert "unreadable: EACCES" in conjoin.run("inspect", os.getpid(), user=1000).stdout


def test_one_that_isnt_there_doesnt_hide_the_others(conjoin, box):
    done = conjoin.run("inspect", "--json", "4194304", box.pid)
    assert done.returncode == 1
    assert [about["process"]["pid"] for about in json.loads(done.stdout)] == [box.pid]
    assert "4194304" in done.stderr


@pytest.mark.parametrize("arguments", [[], ["--json", "-o", "pid", "self"], ["--nope", "self"]])
def test_usage(conjoin, arguments):
    assert conjoin.run("inspect", *arguments).returncode == 2


def test_hostile_names_are_escaped(conjoin):
    process = subprocess.Popen(  # a name and an argument that would move a terminal's cursor
        ["python3", "-c",
         "import ctypes,sys\nctypes.CDLL(None).prctl(15, b'\\x1b[2J\\n', 0, 0, 0)\n"
         "print('ready', flush=True)\nsys.stdin.read()", "\x1b]0;title\x07", b"\xff\xfe"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, **as_user(None))
    try:
        assert process.stdout.readline() == b"ready\n"
        done = conjoin.run("inspect", process.pid)
        assert done.returncode == 0
        assert CONTROL.search(done.stdout.replace("\n", " ")) is None
        about = json.loads(conjoin.run("inspect", "--json", process.pid).stdout)[0]["process"]
        assert "\\xff\\xfe" in about["command"]
    finally:
        process.communicate()


def test_a_map_of_many_ranges_is_whole(conjoin):
    process = subprocess.Popen(["unshare", "-U", "sleep", "1000"])
    try:
        wait_for(lambda: proc.namespaces(process.pid)["user"] != proc.namespaces()["user"])
        lines = [f"{i * 10} {100000 + i * 20} 10" for i in range(40)]
        with open(f"/proc/{process.pid}/uid_map", "w", encoding="ascii") as f:
            f.write("\n".join(lines))
        assert inspect(conjoin, process.pid)[0]["user"]["uid_map"] == lines
    finally:
        process.kill()
        process.wait()


def test_columns_that_a_target_hasnt_got_are_empty(conjoin, box):
    done = conjoin.run("inspect", "--noheadings", "-o",
                       "pid,root.upper,environment.HOME.value,limits.nope.soft", box.pid)
    assert (done.returncode, done.stdout.split()) == (0, [str(box.pid), "-", "-", "-"])
    for name in ("nope", "usage.nothing.used", "root.nope", "namespaces.mnt", "nope.a.b"):
        assert conjoin.run("inspect", "-o", name, box.pid).returncode == 2


def test_json_holds_nothing_that_a_terminal_could_take(conjoin):
    process = subprocess.Popen(["sh", "-c", "echo; read x", "\u009b2J\u202e"],
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        process.stdout.readline()
        done = conjoin.run("inspect", "--json", process.pid)
        assert "2J" in done.stdout and done.stdout.isascii()
    finally:
        process.communicate()


def test_a_closed_stdout_is_no_success(conjoin):
    assert conjoin.run("inspect", "self", preexec_fn=lambda: os.close(1)).returncode == 1
