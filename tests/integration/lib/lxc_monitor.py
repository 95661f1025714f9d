# SPDX-License-Identifier: MIT
"""usage: lxc_monitor.py {"addresses": […], "uid": 0, "own_user": false, "mute": false, "pid": null}
A monitor of LXC's, which has a container for a child (with "pid" none), and tells its number, as
/proc has it, at these abstract addresses, and on stdout when it listens. What it's called is up to
who starts it. Not a test."""

import ctypes
import json
import os
import selectors
import signal
import socket
import struct
import sys

PR_SET_DUMPABLE, PR_SET_NAME, PR_SET_CHILD_SUBREAPER = 4, 15, 36
CLONE_NEWUSER, CLONE_NEWPID = 0x10000000, 0x20000000
GET_STATE, GET_INIT_PID, RUNNING = 3, 4, 2

libc = ctypes.CDLL(None, use_errno=True)


def check(result):
    if result != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def own_number():
    with open("/proc/self/stat", encoding="ascii") as f:
        return int(f.read().split()[0])


def start_container(own_user):
    """A process that is number 1 in a pid namespace. In between is, for a moment, one that makes
    the namespaces: the monitor itself stays outside."""
    reader, writer = os.pipe()
    between = os.fork()
    if between == 0:
        uid, gid = os.getuid(), os.getgid()
        check(libc.unshare(CLONE_NEWPID | (CLONE_NEWUSER if own_user else 0)))
        maps = {"setgroups": "deny", "uid_map": f"0 {uid} 1", "gid_map": f"0 {gid} 1"}
        for name, text in maps.items() if own_user else ():
            with open(f"/proc/self/{name}", "w", encoding="ascii") as f:
                f.write(text)
        if os.fork() == 0:
            os.write(writer, str(own_number()).encode())
            os.execv("/usr/bin/sleep", ["sleep", "100000"])
        os._exit(0)
    os.close(writer)
    os.waitpid(between, 0)
    with open(reader, "rb") as told:
        return int(told.read())


def listen(addresses):
    """A selector of all; there may be more than select(2) takes."""
    selector = selectors.DefaultSelector()
    for address in addresses:
        listener = socket.socket(socket.AF_UNIX)
        listener.bind("\0" + address)
        listener.listen(16)
        selector.register(listener, selectors.EVENT_READ)
    return selector


def answer(listener, pid):
    """One question a connection, as liblxc does it: src/lxc/commands.c"""
    connection, _ = listener.accept()
    with connection:
        request = connection.recv(16)
        if len(request) == 16:
            command = struct.unpack("=iiQ", request)[0]
            value = {GET_STATE: RUNNING, GET_INIT_PID: pid}[command]
            connection.sendall(struct.pack("=iiQ", 0, 0, value))


def main():
    options = {"uid": 0, "own_user": False, "mute": False, "pid": None, **json.loads(sys.argv[1])}
    if options["uid"]:
        os.setresgid(*[options["uid"]] * 3)
        os.setresuid(*[options["uid"]] * 3)
        check(libc.prctl(PR_SET_DUMPABLE, 1))  # else our own /proc is root's
    check(libc.prctl(PR_SET_NAME, b"lxc-start"))
    check(libc.prctl(PR_SET_CHILD_SUBREAPER, 1))
    pid = options["pid"] or start_container(options["own_user"])
    selector = listen(options["addresses"])
    print(pid, flush=True)
    while options["mute"]:
        signal.pause()
    while True:
        for key, _ in selector.select():
            answer(key.fileobj, pid)


main()
