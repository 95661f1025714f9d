# SPDX-License-Identifier: MIT
"""unit:NAME: cgroups as systemd makes them, made by hand in a slice of our own. Not here: a systemd
that runs."""

import json
import os
import subprocess

import pytest

from lib import proc
from lib.fixtures import numbers
from lib.poll import wait_for
from lib.program import clean_env

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")

FAILED = 125
HIERARCHIES = ("", "name=systemd")


@pytest.fixture(params=HIERARCHIES, ids=("v2", "v1"))
def tree(request):
    """A slice in one hierarchy, gone afterwards with all that is in it."""
    top = proc.cgroup_directory(request.param, "/")
    if not top:
        pytest.skip("there's no such hierarchy here")
    slice_name = f"conjoin_test_{os.getpid()}_{next(numbers)}.slice"
    tree = Tree(os.path.join(top, slice_name))
    yield tree
    tree.remove()


class Tree:
    def __init__(self, path):
        self.path, self.children = path, []
        os.mkdir(path)

    def start(self, cgroup, command=("sleep", "100000"), **more):
        """A process in `cgroup`, which is made where it isn't there."""
        path = os.path.join(self.path, cgroup)
        os.makedirs(path, exist_ok=True)
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL, env=clean_env(), **more)
        self.children.append(child)
        with open(os.path.join(path, "cgroup.procs"), "w", encoding="ascii") as f:
            f.write(str(child.pid))
        return child.pid

    def remove(self):
        for child in self.children:
            child.kill()
            child.wait()
        for path, _, _ in os.walk(self.path, topdown=False):
            wait_for(lambda path=path: removed(path), what=f"rmdir {path}")


def removed(path):
    try:
        os.rmdir(path)
    except OSError:
        return False
    return True


def name(kind="service"):
    return f"conjoin-test-{os.getpid()}-{next(numbers)}.{kind}"


def pid_of(conjoin, target):
    done = conjoin.run("inspect", "--json", target)
    assert done.returncode == 0, done.stderr
    return pids_in(json.loads(done.stdout))


def pids_in(value):
    """The number of the process, wherever the schema has it."""
    if isinstance(value, dict):
        if isinstance(value.get("pid"), int):
            return value["pid"]
        value = list(value.values())
    found = [pids_in(one) for one in value] if isinstance(value, list) else []
    return next((one for one in found if one), None)


def test_a_unit_is_its_first_process(conjoin, tree):
    unit = name()
    pid = tree.start(unit)
    assert pid_of(conjoin, f"unit:{unit}") == pid
    assert pid_of(conjoin, f"unit:{unit.removesuffix('.service')}") == pid
    assert pid_of(conjoin, unit) == pid


@pytest.mark.parametrize("kind", ("service", "scope"))
def test_units_in_slices_of_slices_are_found(conjoin, tree, kind):
    unit = name(kind)
    pid = tree.start(f"a.slice/a-b.slice/{unit}")
    assert pid_of(conjoin, f"unit:{unit}") == pid


def test_an_instance_of_a_template_is_found(conjoin, tree):
    unit = f"conjoin{os.getpid()}@1.service"
    pid = tree.start(unit)
    assert pid_of(conjoin, f"unit:{unit}") == pid


def test_the_parent_comes_before_what_it_started(conjoin, tree):
    unit = name()
    pid = tree.start(unit, ["sh", "-c", "sleep 100000 & echo; wait"], stdout=subprocess.PIPE)
    tree.children[-1].stdout.readline()
    child = next(p for p in proc.pids() if is_child(p, pid))
    with open(os.path.join(tree.path, unit, "cgroup.procs"), "w", encoding="ascii") as f:
        f.write(str(child))
    try:
        assert pid_of(conjoin, f"unit:{unit}") == pid
    finally:
        os.kill(child, 9)
        wait_for(lambda: not proc.alive(child), what="end of the child")


def is_child(pid, parent):
    try:
        return int(proc.stat_fields(pid)[1]) == parent
    except (OSError, ProcessLookupError):
        return False


def test_a_unit_that_delegates_has_its_processes_below(conjoin, tree):
    unit = name()
    pid = tree.start(f"{unit}/init.scope")
    assert pid_of(conjoin, f"unit:{unit}") == pid


def test_a_command_is_run_beside_it(conjoin, tree):
    unit = name()
    pid = tree.start(unit)
    done = conjoin.run("exec", f"unit:{unit}", "cat", "/proc/self/cgroup")
    assert done.returncode == 0, done.stderr
    assert f"/{unit}\n" in done.stdout
    assert proc.parse_cgroup(done.stdout) == proc.cgroups(pid)


def test_one_without_a_process_is_stopped(conjoin, tree):
    unit = name()
    os.mkdir(os.path.join(tree.path, unit))
    done = conjoin.run("exec", f"unit:{unit}", "true")
    assert done.returncode == FAILED
    assert f"{unit} is stopped" in done.stderr


def test_the_same_name_of_two_users_is_listed(conjoin, tree):
    unit = name()
    for uid in (1000, 1001):
        tree.start(f"user-{uid}.slice/user@{uid}.service/app.slice/{unit}", user=uid)
    done = conjoin.run("exec", f"unit:{unit}", "true")
    assert done.returncode == FAILED
    assert "several" in done.stderr
    assert all(str(child.pid) in done.stderr for child in tree.children)


def test_a_user_cannot_pass_anothers_process_off_as_a_unit(conjoin, tree):
    unit = name()
    tree.start(f"user-1000.slice/user@1000.service/{unit}")  # root's, as if it had been moved there
    done = conjoin.run("exec", f"unit:{unit}", "true")
    assert done.returncode == FAILED
    assert "isn't that user's" in done.stderr


def test_a_unit_within_anothers_delegation_is_not_found(conjoin, tree):
    unit = name()
    tree.start(f"conjoin.service/{unit}")
    done = conjoin.run("exec", f"unit:{unit}", "true")
    assert done.returncode == FAILED
    assert unit in done.stderr


@pytest.mark.parametrize("word", ("a.slice", "a.target", "", "a/b", "..", "\x1b[31m.service"))
def test_what_has_no_process_is_refused_in_words(conjoin, word):
    done = conjoin.run("exec", f"unit:{word}", "true")
    assert done.returncode == FAILED
    assert "\x1b" not in done.stderr
