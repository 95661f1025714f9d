# SPDX-License-Identifier: MIT
"""Sockets of a container's net namespace where a system call is missing, or denied. Not here: with all of them
(tests/integration/test_connect.py, test_forward.py)."""

import os

import pytest

from lib.failure import assert_failed
from lib.fixtures import need_root
from lib.forwarding import Forward, exchange, open_to
from lib.sandbox import Sandbox
from lib.servers import running
from test_fallbacks import Denied

MEGABYTE = os.urandom(1 << 20)


@pytest.fixture(scope="module", autouse=True)
def as_root():
    need_root()


@pytest.fixture(scope="module")
def box(sandbox_program, rootfs):
    made = Sandbox(sandbox_program, rootfs)
    yield made
    made.stop()


@pytest.fixture(scope="module")
def echo(box):
    with running("echo", box.pid) as port:
        yield port


@pytest.mark.parametrize("rules", [
    ["clone3=ENOSYS"], ["clone3=EPERM"], ["close_range=ENOSYS"], ["close_range=EPERM"],
], ids=" ".join)
def test_they_are_made_all_the_same(conjoin, box, echo, rules):
    done = Denied(conjoin, *rules).run("connect", box.pid, str(echo), input="hello")
    assert (done.returncode, done.stdout, done.stderr) == (0, "hello", "")


@pytest.mark.parametrize("rule, words", [
    ("setns=ENOSYS", ["join the net namespace", "Function not implemented"]),
    ("setns=EPERM", ["join the net namespace", "Operation not permitted"]),
    ("socketpair=EMFILE", ["make a socket pair", "Too many open files"]),
])
def test_else_the_step_is_named(conjoin, box, echo, rule, words):
    assert_failed(Denied(conjoin, rule).run("connect", box.pid, str(echo)), 1, *words)


@pytest.mark.parametrize("address, words", [
    ("/run/x.sock", ["connect to unix:/run/x.sock"]), ("db:80", ["read /etc/hosts"])])
def test_files_take_openat2(conjoin, box, address, words):
    done = Denied(conjoin, "openat2=ENOSYS").run("connect", box.pid, address)
    assert_failed(done, 1, *words, "Function not implemented")


@pytest.mark.parametrize("rules", [
    ["splice=EINVAL"], ["splice=ENOSYS"], ["splice=EPERM"], ["pipe2=EMFILE"],
], ids=" ".join)
def test_bytes_are_copied_where_they_cant_be_spliced(conjoin, box, echo, rules):
    run = Forward(Denied(conjoin, *rules), box, f"0:{echo}")
    try:
        with open_to(run.port) as peer:
            assert exchange(peer, MEGABYTE) == MEGABYTE
    finally:
        run.end()
