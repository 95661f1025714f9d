# SPDX-License-Identifier: MIT
"""systemd-nspawn without machined: machine:NAME, as machinectl would name it. Not here: machines that
are registered (test_machine_unit.py)."""

import pytest

from lib.entering import (assert_debug, assert_ends_with_it, assert_engine_sees_it, assert_exec,
                          assert_inspect, listed)
from lib.failure import assert_failed

pytest_plugins = ["lib.node_fixtures"]


@pytest.fixture
def conjoin(node):
    return node.conjoin


@pytest.fixture(scope="module")
def box(nspawn):
    return nspawn("vm-1.test", "some-directory")


@pytest.fixture(scope="module")
def nameless(nspawn):
    """nspawn takes the directory's name."""
    return nspawn(None, "vm2")


@pytest.mark.parametrize("target", ["machine:vm-1.test", "vm-1.test"])
def test_a_machine_is_entered_by(conjoin, box, target):
    assert_exec(conjoin, target, box)
    assert conjoin.exec(target, "hostname").stdout == "vm-1.test\n"


def test_without_a_name_it_is_the_directorys(conjoin, nameless):
    assert conjoin.exec("machine:vm2", "hostname").stdout == "vm2\n"
    assert_exec(conjoin, "machine:vm2", nameless)


def test_all_commands_work(conjoin, box):
    assert_debug(conjoin, "machine:vm-1.test", box, options=["--expose-host"])
    assert_inspect(conjoin, "machine:vm-1.test", box, engine="machine", name="vm-1.test")
    assert_engine_sees_it(conjoin, "machine:vm-1.test", box)


def test_ps_lists_those_that_run(conjoin, box, nameless):
    rows = {row["name"]: row["pid"] for row in listed(conjoin, "machine")}
    assert rows == {"vm-1.test": box.pid, "vm2": nameless.pid}


def test_its_end_ends_the_command(conjoin, nspawn):
    box = nspawn("vm3", "vm3")
    try:
        assert_ends_with_it(conjoin, "machine:vm3", box.stop)
        assert_failed(conjoin.exec("machine:vm3", "true"), 125)
    finally:
        box.stop()


@pytest.mark.parametrize("word", ["nobody", "vm-1", "../vm2", "some-directory", "%s%n", "a\x1b[31m",
                                  "n" * 4096])
def test_what_isnt_there_is_said_not_to_be(conjoin, box, word):
    done = conjoin.exec(f"machine:{word}", "true")
    assert_failed(done, 125)
    assert "unknown" not in done.stderr
