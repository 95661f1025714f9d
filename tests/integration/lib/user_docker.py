# SPDX-License-Identifier: MIT
"""usage: user_docker.py UID SOCKET [ID NAME PID]
A docker daemon of that user's, which knows one container; without ID, NAME and PID it accepts
nobody. "ready" on stdout says that it listens. Not a test."""

import os
import signal
import socket
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from lib.fake_docker import container, knows  # noqa: E402


def main():
    uid, path, *known = sys.argv[1:]
    listener = socket.socket(socket.AF_UNIX)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    listener.bind(path)
    for each in (os.path.dirname(path), path):
        os.chown(each, int(uid), int(uid))
    os.setresgid(int(uid), int(uid), int(uid))
    os.setresuid(int(uid), int(uid), int(uid))
    listener.listen(16)
    print("ready", flush=True)
    if not known:
        signal.pause()
    box_id, name, pid = known
    answer = knows(container(box_id, name, int(pid)))
    while True:
        connection, _ = listener.accept()
        with connection:
            text = b""
            while not text.endswith(b"\r\n\r\n") and (more := connection.recv(65536)):
                text += more
            if text:
                connection.sendall(answer(text.split(b" ")[1].decode()))


main()
