# SPDX-License-Identifier: MIT
"""machine:NAME and unit:NAME where systemd and machined run: in a small Debian, booted. Not here:
systemd-nspawn without them (test_nspawn.py)."""

import json
import re

import pytest

from lib import proc
from lib.daemons import need, skip_if_unavailable
from lib.guest import Guest
from lib.poll import wait_for

pytest_plugins = ["lib.node_fixtures"]

TEMPLATE = """
[Service]
ExecStart=/bin/sleep 10000%i
"""
DELEGATED = """
[Service]
Delegate=yes
ExecStart=/bin/sh -c 'for i in /sys/fs/cgroup/systemd /sys/fs/cgroup/unified /sys/fs/cgroup; do \
  where=$i$(sed -n "s/^0:://p" /proc/self/cgroup); [ ! -e $where/cgroup.procs ] || \
  { mkdir $where/sub; echo $$$$ >$where/sub/cgroup.procs; }; done; sleep 1000 & exec sleep 2000'
"""
CONFINED = """
[Service]
ExecStart=/bin/sleep 3000
User=nobody
PrivateTmp=yes
NoNewPrivileges=yes
"""
SERVICES = {"plain": "[Service]\nExecStart=/bin/sleep 1000\n", "x@": TEMPLATE,
            "delegated": DELEGATED, "confined": CONFINED,
            "ended": "[Service]\nExecStart=/bin/true\n",
            r"odd\x2dname": "[Service]\nExecStart=/bin/sleep 4000\n"}
STARTED = ["plain", "x@1", "x@2", "delegated", "confined", r"odd\x2dname"]
MACHINE = ["systemd-nspawn", "--quiet", "--register=yes", "--private-network", "--read-only",
           "-D", "/srv/{}"]


@pytest.fixture(scope="module")
def guest(node, rootfs):
    with skip_if_unavailable():
        need("mmdebstrap", "systemd-nspawn", "nsenter")
        made = Guest(node, rootfs)
    try:
        with skip_if_unavailable():
            start_all(made)
        yield made
    finally:
        made.clean()


def start_all(guest):
    for name, text in SERVICES.items():
        guest.write(f"/etc/systemd/system/{name}.service", text)
    guest.run("systemctl", "daemon-reload")
    guest.run("systemctl", "start", *(f"{name}.service" for name in STARTED), "ended.service")
    for name, more in (("box-1.test", []), ("kept", ["--keep-unit"])):
        guest.run("cp", "-a", "/srv/rootfs", f"/srv/{name}")
        guest.write(f"/srv/{name}/usr/lib/os-release", "ID=test\n")
        guest.run("systemd-run", "-q", f"--unit=run-{name}", "--property=Delegate=yes",
                  *(word.format(name) for word in MACHINE), "-M", name, *more,
                  "/bin/sleep", "100000")
    wait_for(lambda: len(machines(guest)) == 2, what="two machines")


def machines(guest):
    """{name: leader} by machinectl, PIDs as in the guest."""
    text = guest.run("machinectl", "list", "--no-legend", "--no-pager").stdout
    found = {}
    for line in text.splitlines():
        name = line.split()[0]
        if name != ".host":
            shown = guest.run("machinectl", "show", "--value", "-p", "Leader", name).stdout
            found[name] = int(shown)
    return found


def look_at(guest, target, *options):
    """What a command is that was started in it: {"cgroup", "mnt", "pid", …}, as numbered here."""
    script = ("cat /proc/self/cgroup; cd /proc/self/ns; "
              "for i in mnt pid net uts ipc; do readlink $i; done")
    done = guest.conjoin("exec", *options, target, "sh", "-c", script)
    namespaces = dict(re.findall(r"^(\w+):\[(\d+)\]$", done.stdout, re.M))
    return {key: int(value) for key, value in namespaces.items()}, done.stdout


def assert_exec(guest, target, pid, *options):
    """In the namespaces and cgroups of the process that systemd names."""
    wanted = proc.namespaces(guest.host_pid(pid))
    found, text = look_at(guest, target, *options)
    assert found == {kind: wanted[kind] for kind in found} and len(found) == 5
    theirs = guest.run("cat", f"/proc/{pid}/cgroup").stdout
    inside = wanted["cgroup"] != proc.namespaces(guest.leader)["cgroup"]
    assert inside or text.startswith(theirs), (text, theirs)


@pytest.mark.parametrize("unit", STARTED)
def test_a_service_is_entered_by_its_name(guest, unit):
    pid = guest.main_pid(f"{unit}.service")
    for target in (f"unit:{unit}.service", f"unit:{unit}", f"{unit}.service"):
        assert_exec(guest, target, pid)


def test_the_identity_is_the_services(guest):
    script = "id -un; grep NoNewPrivs /proc/self/status"
    done = guest.conjoin("exec", "unit:confined", "sh", "-c", script)
    assert done.stdout.split() == ["nobody", "NoNewPrivs:", "1"]


def test_inspect_names_the_main_process(guest):
    for unit in STARTED:
        told = json.loads(guest.conjoin("inspect", "--json", f"unit:{unit}").stdout)[0]
        assert told["process"]["pid"] == guest.main_pid(f"{unit}.service")
        assert told["container"]["engine"] == "unit"
        assert told["container"]["name"] == f"{unit}.service"


@pytest.fixture(scope="module")
def users_unit(guest):
    """mine.service of root's own systemd; its PID as in the guest."""
    env = ["env", "XDG_RUNTIME_DIR=/run/user/0"]
    guest.run("systemctl", "start", "user@0.service")
    guest.run(*env, "systemd-run", "--user", "-q", "--unit=mine.service", "/bin/sleep", "5000")
    return int(guest.run(*env, "systemctl", "--user", "show", "--value", "-p", "MainPID",
                         "mine.service").stdout)


def test_a_unit_of_a_user_is_entered(guest, users_unit):
    pid = users_unit
    assert_exec(guest, "unit:mine.service", pid)
    assert_exec(guest, "unit:mine", pid)
    assert_exec(guest, "unit:user@0.service", guest.main_pid("user@0.service"))


@pytest.mark.parametrize("target", ["unit:ended", "unit:nobody.service", "unit:x@3", "unit:x@",
                                    "unit:../plain", "machine:nobody", "machine:box-1",
                                    "machine:../box-1.test"])
def test_what_doesnt_run_is_said_not_to(guest, target):
    done = guest.conjoin("exec", target, "true", check=False)
    assert done.returncode == 125 and done.stderr.startswith(f"conjoin: exec {target}: "), done


@pytest.mark.parametrize("name", ["box-1.test", "kept"])
def test_a_machine_is_entered_by_its_name(guest, name):
    leader = machines(guest)[name]
    for target in (f"machine:{name}", name):
        assert_exec(guest, target, leader, "--seccomp", "off")
    done = guest.conjoin("exec", "--seccomp", "off", f"machine:{name}", "hostname")
    assert done.stdout == name + "\n"
    told = json.loads(guest.conjoin("inspect", "--json", f"machine:{name}").stdout)[0]
    assert told["process"]["pid"] == leader
    assert (told["container"]["engine"], told["container"]["name"]) == ("machine", name)


def test_debug_joins_a_machines_processes(guest):
    leader = machines(guest)["kept"]
    done = guest.conjoin("debug", "--expose-host", "machine:kept", "readlink", "/proc/self/ns/pid",
                         "/proc/self/ns/net")
    wanted = proc.namespaces(guest.host_pid(leader))
    assert done.stdout.split() == [f"{kind}:[{wanted[kind]}]" for kind in ("pid", "net")]


def test_ps_lists_what_machinectl_lists(guest):
    rows = json.loads(guest.conjoin("ps", "--json", "--engine", "machine").stdout)
    assert {row["name"]: row["pid"] for row in rows} == machines(guest)


def test_ps_lists_units_that_run(guest):
    """Those with a process, as systemd has them; which of them belong to no list is ours to say."""
    rows = json.loads(guest.conjoin("ps", "--json", "--engine", "unit").stdout)
    found = {row["name"]: row["pid"] for row in rows}
    for unit, pid in found.items():
        if unit.endswith(".service") and not unit.startswith("run-"):
            assert pid == guest.main_pid(unit), unit
    assert "confined.service" in found  # with a mount namespace of its own


def test_a_machine_that_ended_is_there_no_more(guest):
    guest.run("machinectl", "terminate", "kept")
    wait_for(lambda: "kept" not in machines(guest), what="end of the machine")
    done = guest.conjoin("exec", "machine:kept", "true", check=False)
    assert done.returncode == 125 and "machine:kept" in done.stderr
