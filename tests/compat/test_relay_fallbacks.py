# SPDX-License-Identifier: MIT
"""Pipes of another user's, which can't be opened anew, on a kernel that can't be asked not to wait for them. Not
here: what is relayed (tests/integration/test_relay.py)."""

import hashlib
import subprocess

import pytest

from lib.fixtures import need_root
from lib.given import is_full
from lib.poll import wait_for
from lib.sandbox import Sandbox
from test_fallbacks import Denied

USER = 65534
SIZE = 300_000
RULES = [[], ["preadv2=EOPNOTSUPP", "pwritev2=EOPNOTSUPP"], ["preadv2=ENOSYS", "pwritev2=ENOSYS"]]


@pytest.fixture(scope="module", autouse=True)
def as_root():
    need_root()


@pytest.fixture(scope="module")
def box(sandbox_program, rootfs):
    box = Sandbox(sandbox_program, rootfs, user=USER, map_self=True)
    yield box
    box.stop()


def start(conjoin, rules, box, *words):
    denied = Denied(conjoin, *rules) if rules else conjoin
    return denied.popen("exec", "--cgroup", "keep", "-t", *words, user=USER, stdin=subprocess.PIPE,
                        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)


@pytest.mark.parametrize("rules", RULES, ids=" ".join)
def test_all_of_it_arrives(conjoin, box, rules):
    script = "stty raw -echo; echo ready; head -c 100000 | md5sum; head -c {} /dev/zero | tr '\\0' x".format(SIZE)
    process = start(conjoin, rules, box, box.pid, "sh", "-c", script)
    try:
        assert process.stdout.readline().strip() == b"ready"
        out, _ = process.communicate(bytes(100000), timeout=60)
        assert process.returncode == 0
        assert out.startswith(hashlib.md5(bytes(100000)).hexdigest().encode()) and out.count(b"x") == SIZE
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("rules", RULES, ids=" ".join)
def test_who_doesnt_read_holds_no_limit_up(conjoin, box, rules):
    process = start(conjoin, rules, box, "--timeout", "1", "--grace", "100ms", box.pid, "yes")
    try:
        wait_for(lambda: is_full(f"/proc/self/fd/{process.stdout.fileno()}"))
        assert process.wait(20) == 124
    finally:
        process.kill()
        process.communicate()
