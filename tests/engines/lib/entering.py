# SPDX-License-Identifier: MIT
"""What every engine's containers are held to: conjoin's commands on one side, the kernel and the engine's
own exec on the other. Not here: how targets are named (the engines' tests).

`box` is a container: .pid and what lib.sandbox.Container has, and box.exec(*command), the engine's own
exec, which gives (exit status, stdout)."""

import json
import os
import re
import secrets

from lib import proc
from lib.failure import lines_of
from lib.held import Held


def inside_pid(pid):
    return int(proc.status(pid)["NSpid"].split()[-1])


def ended(command):
    """(exit status, what was said besides warnings)"""
    status, text = command.end()
    return status, "".join(line for line in text.splitlines(True) if ": warning: " not in line)


def assert_exec(conjoin, target, box, options=()):
    """The command is in all of its namespaces and cgroups, on its root, and its output comes back."""
    with Held(conjoin, target, options) as command:
        assert command.ns() == box.ns()
        assert command.cgroups() == box.cgroups()
        assert os.path.samefile(f"/proc/{command.pid}/root", f"/proc/{box.pid}/root")
        assert ended(command) == (0, "")


def assert_debug(conjoin, target, box, options=()):
    """The host's command in its pid and net namespaces."""
    script = "for i in pid net uts; do readlink /proc/self/ns/$i; done"
    done = conjoin.debug(target, "sh", "-c", script, options=options)
    assert (done.returncode, lines_of(done)) == (0, [])
    lines, ns = done.stdout.split(), box.ns()
    assert lines[:2] == [f"pid:[{ns['pid']}]", f"net:[{ns['net']}]"]
    assert lines[2] == f"uts:[{proc.namespaces()['uts']}]"


def inspected(conjoin, target, options=()):
    done = conjoin.run("inspect", "--json", *options, target)
    assert (done.returncode, lines_of(done)) == (0, [])
    return json.loads(done.stdout)[0]


def assert_inspect(conjoin, target, box, options=(), **told):
    """It's that process; `told` is what the engine tells of it: engine, name, id, image, bundle, labels."""
    found = inspected(conjoin, target, options)
    assert found["process"]["pid"] == box.pid
    assert {kind: one["inode"] for kind, one in found["namespaces"].items()} == box.ns()
    container = found["container"]
    container["labels"] = container.get("labels", {})
    assert {key: container.get(key) for key in told} == told


def listed(conjoin, engine, *options, **more):
    """What `ps --engine` lists: targets of --json. Those of others who use this machine are left out:
    the node's own engines don't know them, but conjoin sees from their cgroups what they are."""
    return [row for row in every_row(conjoin, engine, *options, **more)
            if conjoin.node.owns(row["pid"])]


def every_row(conjoin, engine, *options, **more):
    done = conjoin.run("ps", "--json", "--engine", engine, *options, **more)
    assert done.returncode == 0, done.stderr
    return [row for row in json.loads(done.stdout) if row["type"] == "target"]


def assert_engine_sees_it(conjoin, target, box, options=()):
    """In the list of processes that the engine's own exec gives, with the same PID as in `conjoin pids`
    and in the kernel; and a kill there ends it."""
    mark = "mark-" + secrets.token_hex(8)
    with Held(conjoin, target, options, command=("sh", "-c", "cat; true", mark)) as command:
        status, text = box.exec("ps", "-o", "pid,args")
        inside = [int(line.split()[0]) for line in text.splitlines() if mark in line]
        assert (status, inside) == (0, [inside_pid(command.pid)]), text
        done = conjoin.run("pids", *options, "--host", command.pid, target)
        assert (done.returncode, done.stdout.split()) == (0, [str(inside[0])])
        done = conjoin.run("pids", *options, "--inside", inside[0], target)
        assert (done.returncode, done.stdout.split()) == (0, [str(command.pid)])
        assert box.exec("kill", "-KILL", str(inside[0]))[0] == 0
        assert ended(command) == (137, "")


def assert_ends_with_it(conjoin, target, stop, options=()):
    """The engine stops the container: the command is over, and it's said why."""
    with Held(conjoin, target, options) as command:
        stop()
        status, text = command.end()
        assert status == 137
        assert not command.alive()
        assert re.search(r"conjoin: .*(container|target).* (ended|stopped)", text), text


def assert_not_running(conjoin, target, word, options=()):
    """exec says what the container is; nothing was started."""
    done = conjoin.exec(target, "true", options=options)
    lines = lines_of(done)
    assert done.returncode == 125, done
    line = rf"conjoin: exec {re.escape(target)}: container \S+ is {word}(: Not running)?"
    assert re.fullmatch(line, lines[0]), done
