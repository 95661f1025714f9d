# SPDX-License-Identifier: MIT
"""`conjoin diff`: the same, different, and who can tell. The values themselves: test_inspect.py."""

import json
import os

import pytest

from lib.failure import assert_failed
from lib.held import Held

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
INSIDE = "namespaces,cgroups,root,cwd,credentials,capabilities,limits,attributes,user"


def diff(conjoin, *arguments, status=None):
    done = conjoin.run("diff", "--json", *arguments)
    assert status is None or done.returncode == status, done
    found = json.loads(done.stdout)
    assert found["same"] == (done.returncode == 0)
    return {".".join(filter(None, (item["section"], item["object"], item["field"]))): item
            for item in found["items"]}


@pytest.mark.parametrize("runtime", ["sandbox", "runc", "crun"])
def test_a_command_really_is_inside(runtime, request, conjoin):
    """What `conjoin diff` is for: nothing of it differs from the container's own process."""
    box = request.getfixturevalue(runtime)()
    with Held(conjoin, box) as held:
        found = diff(conjoin, "--all", "--only", INSIDE, box.pid, held.pid)
        wrong = {name: item["values"] for name, item in found.items() if not item["same"]}
        wrong.pop("credentials.seccomp.filters", None)  # no bundle of the sandbox's to take it from
        wrong.pop("credentials.seccomp.mode", None)
        assert wrong == {}
        assert {"namespaces.pid.inode", "root.inode", "capabilities.bounding"} <= found.keys()
        outside = diff(conjoin, "--only", "namespaces", "self", held.pid, status=1)
        assert not outside["namespaces.pid.inode"]["same"]


def test_nsenter_is_found_out(conjoin, sandbox):
    """A process that only joined some of it differs."""
    box = sandbox(namespaces="all,-user")
    with Held(conjoin, box, options=["--namespaces", "all,-uts", "--cgroup", "keep"]) as held:
        found = diff(conjoin, "--only", "namespaces,cgroups", box.pid, held.pid, status=1)
        assert [name for name, item in found.items()
                if not item["same"] and item["section"] == "namespaces"] == ["namespaces.uts.inode"]
        assert any(not item["same"] for item in found.values() if item["section"] == "cgroups")


def test_the_same_process_is_the_same(conjoin, sandbox):
    box = sandbox()
    done = conjoin.run("diff", box.pid, box.pid)
    assert done.returncode == 0
    lines = done.stdout.splitlines()
    assert lines[-1].startswith("the same in all")
    assert {line.split()[0] for line in lines[1:-1]} == {"SAME"}
    assert sum("namespaces." in line for line in lines) == len(box.ns())
    assert sum("cgroups." in line for line in lines) == len(box.cgroups())


def test_capabilities_are_told_by_name(conjoin, sandbox):
    one, other = sandbox(caps="docker"), sandbox(caps="docker,sys_ptrace")
    done = conjoin.run("diff", "--only", "capabilities", one.pid, other.pid)
    assert done.returncode == 1
    line = next(line for line in done.stdout.splitlines() if "capabilities.effective" in line)
    assert line.split()[0] == "DIFFERENT" and line.endswith("+CAP_SYS_PTRACE")
    assert "CAP_CHOWN" not in done.stdout


def test_values_of_the_environment_only_when_asked_for(conjoin, sandbox):
    one, other = sandbox(env=["TOKEN=secret-1"]), sandbox(env=["TOKEN=secret-2", "MORE=x"])
    only = ["--only", "environment"]
    for form in ([], ["--json"], ["--all"]):
        done = conjoin.run("diff", *form, *only, one.pid, other.pid)
        assert done.returncode == 1 and "secret" not in done.stdout and "TOKEN" in done.stdout
    found = diff(conjoin, "--env-values", *only, one.pid, other.pid, status=1)
    assert found["environment.TOKEN.value"]["values"] == ["secret-1", "secret-2"]
    assert found["environment.MORE.value"]["values"] == [None, "x"]


def test_more_than_two_are_a_matrix(conjoin, sandbox):
    boxes = [sandbox(nice=0), sandbox(nice=0), sandbox(nice=5)]
    done = conjoin.run("diff", "--only", "scheduling,namespaces", *(box.pid for box in boxes))
    assert done.returncode == 1
    heading, *lines = done.stdout.splitlines()
    assert len(heading.split()) == 4
    assert [f"{box.pid}:" in heading for box in boxes] == [True] * 3
    nice = next(line for line in lines if "scheduling.nice" in line)
    assert nice.split() == ["DIFFERENT", "scheduling.nice", "0", "0", "5"]
    mnt = next(line for line in lines if "namespaces.mnt" in line)
    assert mnt.split()[2:] == [str(box.ns()["mnt"]) for box in boxes]


def test_what_cant_be_read_leaves_it_open(conjoin, sandbox):
    box = sandbox()
    done = conjoin.run("diff", "--only", "namespaces", box.pid, box.pid, user=1000)
    assert done.returncode == 2
    assert "unreadable: EACCES" in done.stdout


@pytest.mark.parametrize("arguments, word", [
    ([], "two targets"), (["self"], "two targets"), (["--only", "nothing", "self", "self"], "nothing"),
    (["self", "4194304"], "4194304"), (["--nope", "self", "self"], "--nope"),
    (["self"] * 20, "at most"),
])
def test_trouble_is_2(conjoin, arguments, word):
    assert_failed(conjoin.run("diff", *arguments), 2, word)


def test_a_pod_shares_what_it_shares(conjoin, runc):
    first = runc()

    def join(config):
        for namespace in config["linux"]["namespaces"]:
            name = {"network": "net", "ipc": "ipc"}.get(namespace["type"])
            if name:
                namespace["path"] = f"/proc/{first.pid}/ns/{name}"

    second = runc(change=join)
    found = diff(conjoin, "--only", "namespaces", first.pid, second.pid, status=1)
    same = {item["object"] for item in found.values() if item["same"]}
    assert {"net", "ipc"} <= same
    assert not same & {"pid", "mnt", "uts"}
    theirs = first.ns()
    assert same == {kind for kind, inode in second.ns().items() if inode == theirs[kind]}


def test_sections_beyond_what_fits_are_refused_and_not_left_out(conjoin):
    only = "limits," * 16 + "namespaces"
    assert conjoin.run("diff", "--only", only, "self", "self").returncode == 2


def test_one_that_cant_be_read_hides_no_difference(conjoin, sandbox):
    """To an ordinary user root's process is unreadable; his own two differ."""
    mine = [sandbox(user=1000, namespaces="user,net"), sandbox(user=1000, namespaces="user,net")]
    done = conjoin.run("diff", "--only", "namespaces", *(box.pid for box in mine), os.getpid(),
                       user=1000)
    assert done.returncode == 1, done
