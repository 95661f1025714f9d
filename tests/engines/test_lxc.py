# SPDX-License-Identifier: MIT
"""LXC's containers by lxc:NAME. Not here: LXC below other engines."""

import os
import secrets
import signal

import pytest

from lib.daemons import parent_of, stop_process
from lib.entering import (assert_debug, assert_ends_with_it, assert_engine_sees_it, assert_exec,
                          assert_inspect, assert_not_running, listed)
from lib.failure import assert_failed
from lib.lxc import active

pytest_plugins = ["lib.node_fixtures"]

MARK = secrets.token_hex(4)  # LXC's cgroups bear the names, and others use this machine
BOX = f"box-1.{MARK}"


@pytest.fixture
def conjoin(node):
    return node.conjoin


@pytest.fixture(scope="module")
def box(lxc):
    return lxc(BOX)


@pytest.fixture
def own(lxc):
    """own(name, …): one of this test, which need not be there at its end."""
    made = []

    def make(name, **more):
        made.append(lxc(f"{name}-{MARK}", **more))
        return made[-1]

    yield make
    for one in made:
        one.remove()


@pytest.mark.parametrize("target", [f"lxc:{BOX}", BOX])
def test_a_container_is_entered_by(conjoin, box, target):
    assert_exec(conjoin, target, box)
    assert conjoin.exec(target, "hostname").stdout == BOX + "\n"


def test_debug_joins_its_processes_and_network(conjoin, box):
    """Its root may trace, so the host is exposed to it."""
    assert_failed(conjoin.debug(f"lxc:{BOX}", "true"), 125, "PTRACE")
    assert_debug(conjoin, f"lxc:{BOX}", box, options=["--expose-host"])


def test_inspect_tells_its_name(conjoin, box):
    assert_inspect(conjoin, f"lxc:{BOX}", box, engine="lxc", name=BOX)


def test_lxc_attach_sees_the_command_and_can_kill_it(conjoin, box):
    assert_engine_sees_it(conjoin, f"lxc:{BOX}", box)


def test_stopping_it_ends_the_command(conjoin, own):
    box = own("ending")
    assert_ends_with_it(conjoin, f"lxc:{box.name}", box.stop)
    assert_not_running(conjoin, f"lxc:{box.name}", "stopped")


def test_one_that_was_never_started_is_stopped(conjoin, own):
    box = own("idle", start=False)
    assert box.info("-s") == "STOPPED"
    assert_not_running(conjoin, f"lxc:{box.name}", "stopped")


def test_a_frozen_one_is_paused(conjoin, own):
    box = own("frozen")
    box.call("lxc-freeze")
    assert box.info("-s") == "FROZEN"
    try:
        assert_failed(conjoin.exec(f"lxc:{box.name}", "true"), 125, "paused")
        assert_inspect(conjoin, f"lxc:{box.name}", box, engine="lxc", name=box.name)
        assert box.name in [row["name"] for row in listed(conjoin, "lxc")]
    finally:
        box.call("lxc-unfreeze")
    assert_exec(conjoin, f"lxc:{box.name}", box)


def test_with_a_monitor_that_hangs_all_commands_work(conjoin, box):
    """It is whom one asks: there is no daemon, but one of these for each container."""
    target, options = f"lxc:{BOX}", ["--engine-timeout", "200ms"]
    monitor = parent_of(box.pid)
    stop_process(monitor)
    try:
        assert_exec(conjoin, target, box, options)
        assert_exec(conjoin, BOX, box, options)
        assert_debug(conjoin, target, box, [*options, "--expose-host"])
        assert_inspect(conjoin, target, box, options, engine="lxc", name=BOX)
        assert BOX in [row["name"] for row in listed(conjoin, "lxc", *options)]
    finally:
        os.kill(monitor, signal.SIGCONT)
    assert box.info("-s") == "RUNNING"


def test_one_in_another_folder_is_found(conjoin, node, own):
    """Only those that run are known by something else than the folder."""
    folder = node.place / "lxc-elsewhere"
    box = own("far", folder=folder)
    assert_exec(conjoin, f"lxc:{box.name}", box)
    assert_exec(conjoin, box.name, box)


def test_one_name_in_two_folders_is_an_error_that_lists_them(conjoin, node, own):
    one = own("same")
    two = own("same", folder=node.place / "lxc-elsewhere")
    assert one.pid != two.pid
    done = conjoin.exec(f"lxc:{one.name}", "true")
    assert_failed(done, 125)
    assert str(one.pid) in done.stderr and str(two.pid) in done.stderr, done.stderr


def test_a_restarted_one_is_the_new_one(conjoin, own):
    box = own("again")
    for _ in range(5):
        before = box.pid
        box.stop()
        box.start()
        assert box.pid != before
        assert_exec(conjoin, f"lxc:{box.name}", box)


def test_ps_lists_what_lxc_lists(conjoin, node, box, own):
    others = {own("second").name, own("third").name}
    own("idle", start=False)
    names = active(node)
    assert others | {BOX} <= names
    rows = {row["name"]: row for row in listed(conjoin, "lxc")}
    assert set(rows) == names
    assert rows[BOX]["pid"] == box.pid and rows[BOX]["engine"] == "lxc"


@pytest.mark.parametrize("word", ["nobody", "../lxc/" + BOX, BOX[:5], "%s%n", "a\x1b[31m", ".",
                                  "..", "/", "n" * 4096])
def test_what_isnt_there_is_said_not_to_be(conjoin, box, word):
    done = conjoin.exec(f"lxc:{word}", "true")
    assert_failed(done, 125)
    assert "unknown" not in done.stderr
