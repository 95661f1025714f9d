# SPDX-License-Identifier: MIT
"""usage: tiring_fuse.py DIRECTORY READY-FILE TIRED-FILE HOW
Mounts a file system whose server answers until TIRED-FILE is there, so that a process can be in it by
then; it removes that file. HOW: "ignores" requests from then on, or "takes" them: who waits for those can't
be killed. Ends with its parent. Not a test."""

import ctypes
import errno
import os
import select
import signal
import struct
import sys
import time

PR_SET_PDEATHSIG = 1
LOOKUP, FORGET, GETATTR, INIT, ACCESS = 1, 2, 3, 26, 34
HEADER = struct.Struct("<IIQ")  # length, opcode, unique: linux/fuse.h
ROOT = 1
PAUSE = 0.01


def mount(directory):
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    server = os.open("/dev/fuse", os.O_RDWR)
    options = f"fd={server},rootmode=40000,user_id=0,group_id=0,allow_other"
    if libc.mount(b"tiring", directory.encode(), b"fuse", 0, options.encode()):
        sys.exit(f"mount: {os.strerror(ctypes.get_errno())}")
    return server


def answer(server, request):
    _, opcode, unique = HEADER.unpack_from(request)
    body, error = b"", 0
    if opcode == FORGET:
        return
    if opcode == INIT:
        body = struct.pack("<IIIIHHIIHHI7I", 7, 31, 65536, 0, 12, 10, 65536, 1, 16, 0, 0,
                           *[0] * 7)[:64]
    elif opcode == GETATTR:
        body = struct.pack("<QII", 1, 0, 0) + struct.pack(
            "<6Q10I", ROOT, 0, 0, 0, 0, 0, 0, 0, 0, 0o40755, 2, 0, 0, 0, 4096, 0)
    elif opcode != ACCESS:
        error = -errno.ENOENT
    os.write(server, struct.pack("<IiQ", 16 + len(body), error, unique) + body)


def main():
    directory, ready, tired, how = sys.argv[1:]
    server = mount(directory)
    answer(server, os.read(server, 200000))
    with open(ready, "w", encoding="ascii"):
        pass
    while not os.path.exists(tired):
        if select.select([server], [], [], PAUSE)[0]:
            answer(server, os.read(server, 200000))
    os.unlink(tired)
    while how == "takes":
        os.read(server, 200000)
    while True:
        time.sleep(1000)


if __name__ == "__main__":
    main()
