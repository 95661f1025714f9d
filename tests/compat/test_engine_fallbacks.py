# SPDX-License-Identifier: MIT
"""Finding containers by name on a kernel, or under a filter, that lacks a call."""

import contextlib
import os
import socket

import pytest

from lib.failure import assert_failed
from test_fallbacks import Denied

AF_NETLINK, OURS = 16, 125


@pytest.fixture
def monitor():
    """A socket like that of LXC's monitors, at which nobody answers: its name, and the container's."""
    name = f"box-{os.getpid()}"
    address = f"/conjoin-test/{name}/command"
    with contextlib.closing(socket.socket(socket.AF_UNIX)) as listener:
        listener.bind("\0" + address)
        listener.listen()
        yield address, name


@pytest.mark.parametrize("rules", [[], [f"socket[0]={AF_NETLINK}:EPROTONOSUPPORT"],
                                   [f"socket[0]={AF_NETLINK}:EPERM"]])
def test_monitors_of_lxc_are_found_without_sock_diag(conjoin, monitor, rules):
    address, name = monitor
    asked = Denied(conjoin, *rules) if rules else conjoin
    done = asked.run("exec", "--engine-timeout", "200ms", f"lxc:{name}", "true")
    assert_failed(done, OURS, f"ask @{address}: Connection timed out")
