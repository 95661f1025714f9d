# SPDX-License-Identifier: MIT
"""usage: mute_fuse.py DIRECTORY READY-FILE [UID]
Mounts a file system whose server never answers, as of a host that is down. With UID it's mounted as that
user's, and the server takes every request: who waits for it can't be killed. Ends with its parent. Not a
test."""

import ctypes
import os
import signal
import struct
import sys
import time

PR_SET_PDEATHSIG = 1


def main():
    directory, ready, *user = sys.argv[1:]
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    server = os.open("/dev/fuse", os.O_RDWR)
    uid = user[0] if user else "0"
    options = f"fd={server},rootmode=40000,user_id={uid},group_id={uid},allow_other"
    if libc.mount(b"mute", directory.encode(), b"fuse", 0, options.encode()):
        sys.exit(f"mount: {os.strerror(ctypes.get_errno())}")
    unique = struct.unpack("<IIQ", os.read(server, 200000)[:16])[2]  # FUSE_INIT is answered
    init = struct.pack("<IIIIHHIIHHI7I", 7, 31, 65536, 0, 12, 10, 65536, 1, 16, 0, 0, *[0] * 7)[:64]
    os.write(server, struct.pack("<IiQ", 16 + len(init), 0, unique) + init)
    with open(ready, "w", encoding="ascii"):
        pass
    while user:
        os.read(server, 200000)
    while True:
        time.sleep(1000)


if __name__ == "__main__":
    main()
