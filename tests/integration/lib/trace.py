# SPDX-License-Identifier: MIT
"""A debugger's hand: what only the kernel can do to a process otherwise."""

import ctypes
import os
import signal
import struct

from lib import proc
from lib.poll import wait_for

ATTACH, DETACH, GETSIGINFO, SETSIGINFO = 16, 17, 0x4202, 0x4203
CONT, SEIZE = 7, 0x4206
WALL = 0x40000000  # __WALL
libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]


def ptrace(request, pid, address=None, data=None):
    if libc.ptrace(request, pid, address, data) < 0:
        raise OSError(ctypes.get_errno(), f"ptrace {request:#x}")


def wait_stop(pid):
    _, status = os.waitpid(pid, 0)
    assert os.WIFSTOPPED(status), status
    return os.WSTOPSIG(status)


def make_fault(pid, number):
    """A signal to our child, which comes as if it were told of a fault of its own."""
    ptrace(ATTACH, pid)
    assert wait_stop(pid) == signal.SIGSTOP
    os.kill(pid, number)
    ptrace(CONT, pid)
    assert wait_stop(pid) == number
    info = ctypes.create_string_buffer(128)
    ptrace(GETSIGINFO, pid, None, ctypes.addressof(info))
    struct.pack_into("i", info, 8, 1)  # si_code: the first of its kind, of the kernel's
    ptrace(SETSIGINFO, pid, None, ctypes.addressof(info))
    ptrace(DETACH, pid, None, number)


class Tracer:
    """Traces a process that isn't our child. Each signal stops it, until goes_on(); and of its end its real parent
    hears nothing until let_go(). A context manager."""

    def __init__(self, pid):
        self.pid = pid
        ptrace(SEIZE, pid)

    def goes_on(self):
        """Whatever has stopped it. False: it has ended."""
        state = proc.stat_fields(self.pid)[0]
        if state == "t":
            ptrace(CONT, self.pid, None, wait_stop(self.pid))
        return state != "Z"

    def wait_for_its_end(self):
        wait_for(lambda: proc.stat_fields(self.pid)[0] == "Z", what=f"end of {self.pid}")

    def let_go(self):
        """Of one that has ended."""
        if self.pid:
            os.waitpid(self.pid, WALL)
        self.pid = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.pid:
            os.kill(self.pid, signal.SIGKILL)
        self.let_go()
