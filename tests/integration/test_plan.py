# SPDX-License-Identifier: MIT
"""--dry-run tells what would be done and does nothing; -v tells what is done. Not here: what the
plan decides for each part of the identity."""

import json
import os
import re

import pytest

from lib import proc
from lib.failure import assert_failed
from lib.leaks import Snapshot
from lib.poll import wait_for
from lib.sandbox import Sandbox

OURS = 125
COLUMNS = ["STEP", "OBJECT", "ACTION", "NEEDS", "REASON"]
KEYS = {"step", "object", "action", "reason", "needs", "lacking"}
ACTIONS = {"join", "set", "nothing", "skip", "warn", "make", "change", "execute"}


@pytest.fixture(scope="module")
def box(sandbox_program, rootfs):
    box = Sandbox(sandbox_program, rootfs, caps="docker", seccomp="docker-like", uid=1000,
                  gid=1000, groups="29", nice=3, umask="027", rlimit="nofile=64:128")
    yield box
    box.stop()


def plan(conjoin, target, *command, options=(), **more):
    done = conjoin.exec(target, *command, options=["--dry-run", "--json", *options], **more)
    assert done.returncode == 0, done
    return json.loads(done.stdout)


def rows(found, step):
    return [row for row in found["steps"] if row["step"] == step]


def machine():
    """What a dry run must leave as it is, beside what no_leaks looks at."""
    return {
        "cgroups": proc.cgroups(), "namespaces": proc.namespaces(),
        "files": sorted(os.listdir("/run")) + sorted(os.listdir("/tmp")),
        "ours": proc.status("self")["Cpus_allowed_list"],
    }


def members(box):
    found = {}
    for controllers, directory in box.cgroup_dirs().items():
        with open(os.path.join(directory, "cgroup.procs"), encoding="ascii") as f:
            found[controllers] = f.read()
    return found


def test_a_dry_run_changes_nothing(conjoin, box):
    before = machine(), members(box), Snapshot()
    inside = f"/proc/{box.pid}/root/ran"
    for options in ([], ["--json"], ["--cgroup", "own", "--memory", "64m"], ["-t"], ["-v"]):
        done = conjoin.exec(box, "touch", "/ran", options=["--dry-run", *options])
        assert done.returncode == 0, done
        assert (machine(), members(box), before[2].new()) == (*before[:2], [])
    assert not os.path.exists(inside)
    assert box.status()["State"].startswith("S")


def test_a_dry_run_doesnt_stop_a_target_whose_filter_would_be_copied(conjoin, box):
    wait_for(lambda: proc.stat_fields(box.pid)[0] == "S", what="its sleep")
    switches = proc.status(box.pid)["voluntary_ctxt_switches"]
    plan(conjoin, box, "true", options=["--seccomp", "copy"])
    assert proc.status(box.pid)["voluntary_ctxt_switches"] == switches


def test_a_dry_run_forks_nothing_and_joins_nothing(conjoin, box):
    """The command isn't even looked for: that would need the target's view."""
    assert conjoin.exec(box, "no-such-command", options=["--dry-run"]).returncode == 0


def test_the_plan_has_a_row_a_step_with_its_reason(conjoin, box):
    done = conjoin.exec(box, "true", options=["--dry-run"])
    lines = done.stdout.splitlines()
    assert lines[0].split() == COLUMNS and done.stderr == ""
    reason = lines[0].index("REASON")
    for line in lines[1:]:
        assert line.startswith("lacking: ") or line[reason:].strip(), line
    found = plan(conjoin, box, "true")
    assert len(found["steps"]) == len([x for x in lines[1:] if not x.startswith("lacking: ")])
    for row in found["steps"]:
        assert set(row) == KEYS and row["action"] in ACTIONS and row["reason"], row
        assert isinstance(row["lacking"], bool) and (row["needs"] or not row["lacking"])


def test_the_json_names_the_target_as_given_and_the_command_word_by_word(conjoin, box):
    found = plan(conjoin, box, "sh", "-c", 'echo "a b"', "")
    assert set(found) >= {"target", "command", "steps"}
    assert found["target"] == str(box.pid)
    assert found["command"] == ["sh", "-c", 'echo "a b"', ""]


def test_the_json_is_valid_whatever_bytes_the_names_have(conjoin, sandbox):
    box = sandbox(env=[b"BYTES=\xff\xfe", b"CONTROL=\x1b[2J"])
    command, options = b"\xff\x1b[31m\"\\", ["--dry-run", "-w", b"/\xfe\n"]
    done = conjoin.exec(box, command, options=["--json", *options], text=False)
    assert json.loads(done.stdout)["steps"]
    done = conjoin.exec(box, command, options=options, text=False)
    assert b"\x1b" not in done.stdout and b"\xff" not in done.stdout


def test_every_namespace_and_every_cgroup_has_its_row(conjoin, box):
    found = plan(conjoin, box, "true")
    assert {row["object"] for row in rows(found, "namespaces")} == set(proc.namespaces())
    wanted = {key or "unified" for key, path in box.cgroups().items()
              if proc.cgroup_directory(key, path)}
    assert wanted <= {row["object"] for row in rows(found, "cgroups")}
    ours = proc.namespaces()
    for row in rows(found, "namespaces"):
        assert row["action"] == "join"
        assert str(box.ns()[row["object"]]) in row["reason"]
        assert str(ours[row["object"]]) in row["reason"]


def test_what_is_the_same_as_ours_is_nothing_to_do(conjoin):
    found = plan(conjoin, "self", "true")
    for row in rows(found, "namespaces"):
        assert row["action"] == "nothing" and "same as ours" in row["reason"]


def test_what_is_left_out_says_so(conjoin, box):
    found = plan(conjoin, box, "true", options=["--skip", "seccomp,umask", "--cgroup", "keep",
                                                "--namespaces", "all,-net"])
    for step in ("seccomp", "umask"):
        assert [row["action"] for row in rows(found, step)] == ["skip"]
    assert "join" not in {row["action"] for row in rows(found, "cgroups")}
    net = next(row for row in rows(found, "namespaces") if row["object"] == "net")
    assert net["action"] in ("skip", "nothing")


def test_the_whole_identity_is_in_the_plan(conjoin, box):
    steps = {row["step"] for row in plan(conjoin, box, "true")["steps"]}
    assert steps == {
        "namespaces", "cgroups", "root", "cwd", "environment", "ids", "groups", "capabilities",
        "no-new-privs", "seccomp", "label", "rlimits", "oom-score-adj", "nice", "scheduler",
        "ioprio", "affinity", "umask", "personality", "timer-slack", "core-filter", "keyring",
        "command",
    }


def test_root_lacks_nothing_for_a_container_of_its_own(conjoin, box):
    options = ["--cap-drop", "all"] if os.geteuid() else []
    found = plan(conjoin, box, "true", options=options)
    assert [row for row in found["steps"] if row["lacking"]] == []


def test_what_an_ordinary_user_lacks_is_told(conjoin, unprivileged, sandbox):
    """A process of the user's own, in namespaces that root made."""
    box = sandbox(namespaces="uts,net", caps="none", uid=65534, gid=65534, no_cgroup=True)
    done = unprivileged([conjoin.path, "exec", "--dry-run", box.pid, "true"])
    if done.returncode:
        assert_failed(done, OURS, "Permission denied", hint="CAP_SYS_PTRACE")
        return
    assert "lacking: CAP_SYS_ADMIN for namespaces net" in done.stdout.splitlines()
    found = json.loads(unprivileged(
        [conjoin.path, "exec", "--dry-run", "--json", box.pid, "true"]).stdout)
    lacking = {(row["object"], row["needs"]) for row in found["steps"] if row["lacking"]}
    assert {("net", "CAP_SYS_ADMIN"), ("uts", "CAP_SYS_ADMIN")} <= lacking


def test_json_goes_with_a_dry_run_only(conjoin, box):
    assert_failed(conjoin.exec(box, "true", options=["--json"]), OURS, "--json", "--dry-run")


def test_a_plan_that_cant_be_made_is_the_failure_it_would_be(conjoin, box):
    for options in (["--skip", "nope"], ["--umask", "9"], ["--cgroup", "x"], ["-u", "nobody-such"]):
        plain = conjoin.exec(box, "true", options=options)
        dry = conjoin.exec(box, "true", options=["--dry-run", *options])
        assert_failed(dry, OURS)
        assert plain.stderr == dry.stderr and plain.returncode == OURS


@pytest.mark.parametrize("option", ["-v", "-D", "--verbose", "--debug"])
def test_each_step_is_logged_with_its_result(conjoin, box, option):
    done = conjoin.exec(box, "true", options=[option])
    assert done.returncode == 0
    log = [line for line in done.stderr.splitlines() if ": warning: " not in line]
    assert all(line.startswith(f"conjoin: exec {box.pid}: ") for line in log), done
    text = done.stderr
    for step in ("join namespaces: done", "set ids: done", "set capabilities: done", "memory"):
        assert step in text, text
    # in the order in which they were taken
    assert re.search(r"memory.*join namespaces.*set ids", text, re.S)


def test_the_log_of_a_failure_ends_with_the_step_that_failed(conjoin, box):
    done = conjoin.exec(box, "true", options=["-v", "-w", "/nope"])
    errors = [line for line in done.stderr.splitlines() if not line.startswith("hint:")]
    assert done.returncode == OURS and "join namespaces: done" in done.stderr
    assert errors[-1].endswith("change directory to /nope: No such file or directory")
    assert "set ids: done" not in done.stderr


def test_nothing_is_said_without_verbose_when_all_is_well(conjoin, sandbox):
    done = conjoin.exec(sandbox(), "true")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_filter_that_could_not_be_taken_is_one_warning_line(conjoin, box):
    done = conjoin.exec(box, "true")
    assert done.returncode == 0 and done.stderr.count("\n") == 1
    assert ": warning: " in done.stderr and "seccomp" in done.stderr
