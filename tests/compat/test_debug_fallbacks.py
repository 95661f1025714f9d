# SPDX-License-Identifier: MIT
"""debug on kernels, and in containers, that lack what its views are made of: what has a fall-back is the
same without, and what has none is missed, named, and keeps nothing else from working."""

import os
import re

import pytest

from lib import proc
from lib.failure import assert_failed
from lib.fixtures import need_root
from lib.held import Held, differences, portrait
from lib.sandbox import Sandbox
from test_fallbacks import OF_THE_FILTER, Denied

NO_PIDNS = ["fsconfig[1]=5:EINVAL"]  # FSCONFIG_SET_FD: before 6.18
NO_SETATTR = ["mount_setattr=ENOSYS"]  # before 5.12
COPIED = ["memfd_create=ENOSYS"]  # the stage is a fork of ours, no program of its own
TARGET = ["--view", "target"]
LOOK = """
ls /proc | grep -c '^[0-9]'; cat /proc/1/comm; readlink /proc/self | grep -c .
ls /sys/class/net; stat -c %d:%i /sys/fs/cgroup; ls $CONJOIN_ROOT $CONJOIN_ROOT/etc; pwd; id
while read -r _ _ device _ point options _; do echo "$device $point $options"; done \\
    </proc/self/mountinfo | sed 's/^0:[0-9]*/0:x/' | sort
touch $CONJOIN_ROOT/x $CONJOIN_ROOT/tmp/x /mnt/x; mkfifo $CONJOIN_ROOT/dev/shm/x
grep -E '^(Cap|Uid|Gid|Groups|NoNewPrivs)' /proc/self/status
"""


@pytest.fixture(scope="module", autouse=True)
def as_root():
    need_root()


@pytest.fixture(scope="module")
def box(sandbox_program, rootfs):
    made = Sandbox(sandbox_program, rootfs, caps="docker")
    yield made
    made.stop()


def held(conjoin, box, options=()):
    return Held(conjoin, box, options, verb="debug", cwd="/")


@pytest.mark.parametrize("rules", [
    NO_PIDNS, NO_SETATTR, COPIED, NO_PIDNS + NO_SETATTR, NO_PIDNS + NO_SETATTR + COPIED,
    ["clone3=ENOSYS"], [*NO_SETATTR, "clone3=EPERM"],
], ids=" ".join)
def test_all_is_seen_all_the_same_without(rules, conjoin, box):
    wanted = conjoin.debug(box, "sh", "-c", LOOK, cwd="/")
    found = Denied(conjoin, *rules).debug(box, "sh", "-c", LOOK, cwd="/")
    assert wanted.returncode == 0 and wanted.stderr.count("Read-only file system") == 4, wanted
    assert (found.returncode, found.stderr) == (0, wanted.stderr)
    assert found.stdout.splitlines() == wanted.stdout.splitlines()


@pytest.mark.parametrize("rules", [NO_PIDNS, NO_PIDNS + COPIED, NO_PIDNS + NO_SETATTR],
                         ids=" ".join)
@pytest.mark.parametrize("options", [[], ["-u", "1000:1000"], ["--cap-drop", "all"],
                                     ["--as-target"]], ids=" ".join)
def test_it_is_who_it_would_be(options, rules, conjoin, box):
    """Also where it has to have more rights at first, to mount /proc itself."""
    with held(conjoin, box, options) as wanted, held(Denied(conjoin, *rules), box,
                                                     [*options, "--expose-host"]) as found:
        unlike = differences(portrait(wanted.pid), portrait(found.pid))
        assert unlike.keys() - OF_THE_FILTER <= {"ns mnt", "cgroup"}
        assert found.ns()["pid"] == box.ns()["pid"]
        with open(f"/proc/{found.pid}/root/proc/1/comm", encoding="ascii") as f:
            assert f.read() == "sandbox-init\n"


MISSING = {
    "open_tree": ["the target's files aren't there"],
    "fsopen": ["the target's files aren't there"],
    "move_mount": ["the target's files aren't there", "/sys/fs/cgroup can't be shown"],
}


@pytest.mark.parametrize("code", ["ENOSYS", "EPERM"])
@pytest.mark.parametrize("call", MISSING)
def test_what_cant_be_shown_is_said_and_the_rest_is_there(call, code, conjoin, box):
    done = Denied(conjoin, f"{call}={code}").debug(
        box, "sh", "-c", "ls /sys/class/net; cat /proc/1/comm; exit 7")
    assert done.returncode == 7, done
    assert done.stdout.startswith("lo\n")
    lines = done.stderr.splitlines()
    assert lines and all(": warning: " in line for line in lines), done
    text = "\n".join(lines)
    if call != "fsopen":
        assert re.search("target's files|root", text), done
    if "/proc stays" not in text:
        assert done.stdout == "lo\nsandbox-init\n"


@pytest.mark.parametrize("rules, word", [
    (["mount=EPERM"], "make a private mount namespace"),
    ([f"unshare[0]={0x20000:#x}:EPERM"], "make a mount namespace"),
], ids=str)
def test_without_a_namespace_of_its_own_there_is_no_command(rules, word, conjoin, box):
    for options in ([], TARGET):
        assert_failed(Denied(conjoin, *rules).debug(box, "true", options=options), 125, word)


@pytest.mark.parametrize("rules", [NO_SETATTR, NO_PIDNS, COPIED, NO_SETATTR + COPIED], ids=" ".join)
def test_what_is_brought_is_the_same_without(rules, conjoin, box):
    script = "touch $CONJOIN_BIN/x; mkdir /run/x; cat /proc/self/mountinfo; exit 3"
    options = [*TARGET, "--bring", "bash", "--bring", "strace"]
    before = box.read("mountinfo")
    done = Denied(conjoin, *rules).debug(box, "bash", "-c", script, options=options)
    assert done.returncode == 3 and done.stderr.count("Read-only file system") == 2, done
    lines = [line.split() for line in done.stdout.splitlines() if " /run" in line]
    assert len(lines) > 4
    assert [line for line in lines if not {"ro", "nosuid", "nodev"} <= set(line[5].split(","))] == []
    assert " shared:" not in done.stdout and " master:" not in done.stdout
    assert box.read("mountinfo") == before


@pytest.mark.parametrize("call", ["open_tree", "fsopen", "move_mount", "fsconfig", "fsmount"])
def test_nothing_can_be_brought_without_and_that_is_said(call, conjoin, box):
    options = [*TARGET, "--bring", "cat"]
    assert_failed(Denied(conjoin, f"{call}=ENOSYS").debug(box, "true", options=options), 125)
    done = Denied(conjoin, f"{call}=ENOSYS").debug(box, "true", options=TARGET)
    assert (done.returncode, done.stderr) == (0, "")


def test_mounts_spread_nowhere_without(conjoin, box):
    before = proc.read("self", "mountinfo"), box.read("mountinfo")
    with held(Denied(conjoin, *NO_PIDNS, *NO_SETATTR), box) as command:
        assert (proc.read("self", "mountinfo"), box.read("mountinfo")) == before
        own = command.read("mountinfo")
        assert " shared:" not in own and " master:" not in own and "/conjoin/root" in own
    assert (proc.read("self", "mountinfo"), box.read("mountinfo")) == before
    assert os.path.exists(f"/proc/{box.pid}")
