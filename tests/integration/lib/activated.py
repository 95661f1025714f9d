#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""activated.py [deaf] [exit=N] [catch=NAME,…]: a server that is started with its sockets,
sd_listen_fds(3). It says what it was given, and each signal that it gets, as a line of JSON on stdout;
who connects is told "PID INDEX". SIGTERM ends it unless it's deaf; with exit=N somebody who connects
does, with that status. Not here: judging what it says."""

import json
import os
import select
import signal
import socket
import sys

FIRST = 3


def say(**what):
    os.write(1, (json.dumps(what) + "\n").encode())


def files():
    found = {}
    for name in os.listdir("/proc/self/fd"):
        try:
            found[int(name)] = os.readlink(f"/proc/self/fd/{name}")
        except OSError:
            pass  # the one that lists them
    return found


def introduce(sockets):
    say(pid=os.getpid(), parent=os.getppid(), files=files(), args=sys.argv[1:],
        variables={k: v for k, v in os.environ.items() if k.startswith("LISTEN_")},
        names=[str(one.getsockname()) for one in sockets],
        listening=[one.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN) for one in sockets],
        blocking=[os.get_blocking(one.fileno()) for one in sockets])


def on_signal(number, _):
    say(signal=int(number))
    if number == signal.SIGTERM and "deaf" not in sys.argv:
        os._exit(0)


def main():
    options = dict(word.split("=", 1) for word in sys.argv[1:] if "=" in word)
    for name in [*filter(None, options.get("catch", "").split(",")), "TERM"]:
        offset = int(name.partition("+")[2] or 0)
        signal.signal(getattr(signal, "SIG" + name.partition("+")[0]) + offset, on_signal)
    count = int(os.environ.get("LISTEN_FDS", "0"))
    sockets = [socket.socket(fileno=FIRST + i) for i in range(count)]
    introduce(sockets)
    woken, wake = os.pipe()  # a signal that comes just before select(2) would wait for somebody who connects
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(wake)
    while True:
        for one in select.select([woken, *sockets], [], [])[0]:
            if one == woken:
                os.read(woken, 100)
                continue
            connection, _ = one.accept()
            connection.sendall(f"{os.getpid()} {sockets.index(one)}\n".encode())
            connection.close()
            if "exit" in options:
                os._exit(int(options["exit"]))


main()
