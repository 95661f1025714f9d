# SPDX-License-Identifier: MIT
"""Which namespaces a command is in, and that it really is in them. Not here: ids (test_users.py),
cgroups (test_cgroups.py)."""

import json
import os
import signal
import subprocess

import pytest

from lib import proc
from lib.held import Held, links
from lib.poll import wait_for
from lib.sandbox import Sandbox

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")

KINDS = [kind for kind in proc.NAMESPACES if os.path.exists(f"/proc/self/ns/{kind}")]
PARTIAL = [
    ("net,pid", {"net", "pid"}),
    ("all,-user", set(KINDS) - {"user"}),
    ("mnt", {"mnt"}),
    ("mount,uts", {"mnt", "uts"}),
    ("net,net,net", {"net"}),
    ("all,-net,net", set(KINDS)),
    ("all,-all,ipc", {"ipc"}),
    ("-net", set()),
    ("user,-user", set()),
    ("uts,ipc,cgroup,time", {"uts", "ipc", "cgroup", "time"} & set(KINDS)),
    ("pid", {"pid"}),
    ("user", {"user"}),
    ("all", set(KINDS)),
]
NONE = ["", ",", "all,", "nett", "Net", "net,,pid", "-", "net pid", "all,-nope", "\033[1m"]


@pytest.fixture(scope="module")
def box(sandbox_program, rootfs):
    made = Sandbox(sandbox_program, rootfs, caps="docker", hostname="inside", monotonic=1000000)
    yield made
    made.stop()


@pytest.fixture(scope="module")
def shared(sandbox_program, rootfs):
    """In our user namespace: the others can then be joined in any selection."""
    made = Sandbox(sandbox_program, rootfs, caps="docker", namespaces="all,-user")
    yield made
    made.stop()


def joined(pid, target):
    """The kinds in which `pid` is where `target` is and we aren't."""
    ours, found, theirs = proc.namespaces(), proc.namespaces(pid), target.ns()
    for kind in KINDS:
        assert found[kind] in (ours[kind], theirs[kind])
    return {kind for kind in KINDS if found[kind] == theirs[kind] != ours[kind]}


def test_every_namespace_is_joined(conjoin, box):
    with Held(conjoin, box) as command:
        assert joined(command.pid, box) == set(KINDS)
        assert links(command.pid, "ns") == links(box.pid, "ns")  # those for children as well


def test_what_the_target_shares_with_us_is_left_alone(conjoin, sandbox):
    box = sandbox(namespaces="mnt,pid,uts", caps="docker")
    with Held(conjoin, box) as command:
        assert links(command.pid, "ns") == links(box.pid, "ns")


def test_a_target_in_our_own_namespaces_has_nothing_to_join(conjoin, sandbox):
    box = sandbox(namespaces="none", no_cgroup=True)
    with Held(conjoin, box) as command:
        assert proc.namespaces(command.pid) == proc.namespaces()
    assert conjoin.exec("self", "echo", "x").stdout == "x\n"


@pytest.mark.parametrize("chosen, expected", PARTIAL)
def test_a_list_says_which_are_joined(conjoin, box, shared, chosen, expected):
    options = ["--namespaces", chosen]
    with Held(conjoin, shared, options) as command:
        assert joined(command.pid, shared) == expected - {"user"}
    with Held(conjoin, box, options) as command:
        assert joined(command.pid, box) == expected


def test_a_list_with_what_is_no_namespace_is_refused(conjoin, box):
    for chosen in NONE:
        done = conjoin.exec(box, "true", options=["--namespaces", chosen])
        assert (done.returncode, done.stdout) == (125, ""), chosen
        assert 'namespace "' in done.stderr and "\033" not in done.stderr
        assert "mnt uts ipc pid net user cgroup time" in done.stderr


def test_skipping_them_all_leaves_the_command_in_ours(conjoin, shared):
    options = ["--skip", "namespaces,cgroups"]
    with Held(conjoin, shared, options) as command:
        assert proc.namespaces(command.pid) == proc.namespaces()


def test_the_supervisor_stays_where_it_was(conjoin, box):
    with Held(conjoin, box) as command:
        assert proc.namespaces(command.supervisor) == proc.namespaces()
        assert proc.cgroups(command.supervisor) == proc.cgroups()


# --- being inside ---


def test_the_command_is_a_process_of_the_containers_pid_namespace(conjoin, box):
    with Held(conjoin, box) as command:
        inside = int(command.status()["NSpid"].split()[-1])
        assert 1 < inside < 1000
        listed = conjoin.exec(box, "ps", "-o", "pid,args").stdout
        assert [str(inside), "cat"] in [line.split() for line in listed.splitlines()]
        assert conjoin.exec(box, "sh", "-c", "echo $$").stdout.strip() not in ("", "1")


def test_it_can_be_killed_from_inside(conjoin, box):
    with Held(conjoin, box) as command:
        inside = command.status()["NSpid"].split()[-1]
        assert conjoin.exec(box, "kill", "-TERM", inside).returncode == 0
        assert command.process.wait(10) == 128 + signal.SIGTERM


def test_it_dies_with_the_containers_first_process(conjoin, sandbox):
    box = sandbox(caps="docker")
    with Held(conjoin, box) as command:
        os.kill(box.pid, signal.SIGKILL)
        assert command.process.wait(10) == 128 + signal.SIGKILL
        wait_for(lambda: not proc.alive(command.pid))


def test_what_it_leaves_behind_goes_to_the_containers_first_process(conjoin, box):
    done = conjoin.exec(box, "sh", "-c", "sleep 1000 >/dev/null 2>&1 & echo $!")
    inside = done.stdout.strip()
    parent = conjoin.exec(box, "sh", "-c", f"grep PPid /proc/{inside}/status; kill -9 {inside}")
    assert parent.stdout.split() == ["PPid:", "1"]


def test_a_process_deep_inside_can_be_the_target(conjoin, box):
    """A pid namespace below the container's: the target there is not its first process."""
    with Held(conjoin, box, ["--privileged"], ["unshare", "-p", "-f", "cat"]) as mid:
        children = f"/proc/{mid.pid}/task/{mid.pid}/children"
        deep = int(wait_for(lambda: open(children, encoding="ascii").read().split())[0])
        with Held(conjoin, deep) as command:
            assert len(command.status()["NSpid"].split()) == 3
            assert links(command.pid, "ns") == links(deep, "ns")


def test_name_network_clock_and_files_are_the_containers(conjoin, box):
    script = "hostname; ls /sys/class/net; cat /etc/hostname; cut -d. -f1 /proc/uptime"
    name, *net, _, uptime = conjoin.exec(box, "sh", "-c", script).stdout.split()
    assert name == "inside"
    assert set(net) <= {"lo", "sandbox"}
    assert int(uptime) > 100000
    done = conjoin.exec(box, "sh", "-c", "cat /proc/self/net/dev | wc -l")
    assert int(done.stdout) == 3  # two of heading, and lo


# --- partly inside ---


def test_without_mnt_the_files_are_the_hosts(conjoin, shared, scratch):
    with open(os.path.join(scratch, "file"), "w", encoding="ascii") as f:
        f.write("of the host\n")
    done = conjoin.exec(shared, "cat", f"{scratch}/file", options=["--namespaces", "all,-mnt"])
    assert (done.returncode, done.stdout) == (0, "of the host\n"), done.stderr
    done = conjoin.exec(shared, "hostname", options=["--namespaces", "all,-mnt"])
    assert done.stdout == "sandbox\n"


def test_without_pid_it_is_a_process_of_ours_only(conjoin, shared):
    with Held(conjoin, shared, ["--namespaces", "all,-pid"]) as command:
        assert len(command.status()["NSpid"].split()) == 1
        listed = conjoin.exec(shared, "ps", "-o", "args").stdout
        assert "cat" not in listed.split()


def test_without_net_the_network_is_ours(conjoin, shared):
    done = conjoin.exec(shared, "cat", "/proc/self/net/dev", options=["--namespaces", "all,-net"])
    with open("/proc/self/net/dev", encoding="ascii") as f:
        ours = [line.split(":")[0].strip() for line in f if ":" in line]
    assert [line.split(":")[0].strip() for line in done.stdout.splitlines() if ":" in line] == ours


def test_without_the_user_namespace_the_command_keeps_the_hosts_numbers(conjoin, box):
    with Held(conjoin, box, ["--namespaces", "all,-user"]) as command:
        status, theirs = command.status(), box.status()
        assert joined(command.pid, box) == set(KINDS) - {"user"}
        assert (status["Uid"], status["Gid"]) == (theirs["Uid"], theirs["Gid"])
        # Capabilities of the container's user namespace would be power over the host's here.
        assert int(status["CapEff"], 16) & ~int(theirs["CapEff"], 16) == 0


# --- the plan says so ---


def test_capabilities_over_its_own_user_namespace_are_none_over_ours(conjoin, sandbox):
    """Taken on without joining it, a container's rights would become rights over the host."""
    wide = "net_admin,sys_admin,dac_override,sys_chroot"
    box = sandbox(uid=1000, gid=1000, caps=wide, bounding=wide, inheritable=wide, ambient=wide)
    assert int(box.status()["CapAmb"], 16)
    for chosen in ("all,-user", "mnt,pid", "net"):
        done = conjoin.exec(box, "cat", "/proc/self/status", options=["--namespaces", chosen])
        assert done.returncode == 0, done
        status = proc.parse_status(done.stdout)
        for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
            assert int(status[name], 16) == 0, (chosen, name)
    done = conjoin.exec(box, "cat", "/proc/self/status",
                        options=["--namespaces", "net", "--cap-add", "net_raw"])
    assert int(proc.parse_status(done.stdout)["CapEff"], 16) == 1 << 13  # asked for


def test_the_plan_has_a_row_for_each_kind_with_its_reason(conjoin, box):
    done = conjoin.exec(box, "true", options=["--dry-run", "--json", "--namespaces", "all,-net"])
    steps = json.loads(done.stdout)["steps"]
    rows = {row["object"]: row for row in steps if row["step"] == "namespaces"}
    assert set(rows) == set(proc.NAMESPACES)
    assert rows["net"]["action"] == "skip"
    assert {rows[kind]["action"] for kind in KINDS if kind != "net"} == {"join"}
    assert str(box.ns()["uts"]) in rows["uts"]["reason"]


def test_same_namespaces_are_nothing_to_do(conjoin):
    done = conjoin.run("exec", "--dry-run", "self", "true")
    assert done.returncode == 0
    assert done.stdout.count("same as ours, nothing to do") >= len(KINDS)


def test_a_user_namespace_below_ours_made_by_unshare_is_entered(conjoin):
    """What is no container of anybody: some namespaces, no cgroup, our own root."""
    made = subprocess.Popen(
        ["unshare", "-U", "--map-root-user", "-n", "cat"], stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    try:
        made.stdin.write(b"x\n")
        made.stdin.flush()
        assert made.stdout.readline() == b"x\n"
        with Held(conjoin, made.pid) as command:
            assert links(command.pid, "ns") == links(made.pid, "ns")
    finally:
        made.communicate()
