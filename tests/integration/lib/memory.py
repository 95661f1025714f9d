# SPDX-License-Identifier: MIT
"""The most memory that a run of the program takes."""

import subprocess
import sys

# Its parent's size would count for a child: so that is a small one.
MEASURE = """
import os, resource, sys
pid = os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ)
status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
print(status, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss << 10)
"""


def peak_memory(conjoin, *args):
    """(exit status, bytes) of a run."""
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, conjoin.path, *args], stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=60, check=True)
    return map(int, done.stdout.split()[-2:])
