# SPDX-License-Identifier: MIT
"""What a way into a container costs besides time: memory and system calls, and whether it reads a
file twice. Seen from outside, in runs of their own that aren't timed. Not here: the timed runs.
"""

import collections
import os
import re
import subprocess

HOLD = ["/bin/sh", "-c", "echo; read line"]  # tells that it runs, ends when it's told to
COMMAND = "/bin/true"


def peak_rss_kib(group, argv):
    """VmHWM of the process that stays outside, once the command runs.

    Unlike ru_maxrss it's of this one program: not of its children, nor of who called execve.
    """
    holder = subprocess.Popen(
        [*argv, *HOLD],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        preexec_fn=group.container.enter_view,
    )
    try:
        if holder.stdout.readline() != b"\n":
            return None
        with open(f"/proc/{holder.pid}/status") as status:
            return int(re.search(r"^VmHWM:\s+(\d+) kB", status.read(), re.MULTILINE).group(1))
    finally:
        holder.stdin.close()
        holder.stdout.close()
        holder.wait()


def add_peak_rss(group, summary):
    for way, argv in group.ways.items():
        peaks = [peak_rss_kib(group, argv) for _ in range(3)]
        summary[way]["peak_rss_kib"] = None if None in peaks else max(peaks)


def trace_lines(group, argv, output):
    """Yields (pid, line) of each call, put together again where another process interrupted it."""
    subprocess.run(
        ["strace", "-f", "-y", "-s", "4096", "-o", output, *argv, COMMAND],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        preexec_fn=group.container.enter_view,
        check=True,
    )
    begun = {}
    for line in open(output, errors="replace"):
        pid, text = line.rstrip("\n").split(None, 1)
        resumed = re.match(r"<\.\.\. \w+ resumed>", text)
        if text.endswith("<unfinished ...>"):
            begun[pid] = text[: -len("<unfinished ...>")]
        elif resumed:
            yield pid, begun.pop(pid, "") + text[resumed.end() :]
        else:
            yield pid, text
    yield from begun.items()  # those that never returned: exit_group, a pause


def is_read_open(text):
    if not re.match(r"(open|openat|openat2)\(", text):
        return False
    return not re.search(r"O_PATH|O_DIRECTORY|O_WRONLY", text)


def count_calls(lines):
    """Counts system calls, and opens for reading by path, until the command itself begins.

    The path is the one that the kernel gives for the new descriptor, so that /proc/self/cgroup and
    /proc/4711/cgroup are one file. Devices, and what isn't a file (nsfs, pidfds), don't count.
    """
    calls, opens, begun = collections.Counter(), collections.Counter(), set()
    for pid, text in lines:
        name = re.match(r"\w+(?=\()", text)
        if not name or pid in begun:
            continue
        calls[name.group()] += 1
        if re.match(rf'execve(at)?\([^"]*"{COMMAND}".* = 0$', text):
            begun.add(pid)
        opened = re.search(r"= \d+<(/[^>]*)>$", text)
        if opened and is_read_open(text) and not opened.group(1).startswith("/dev/"):
            opens[opened.group(1)] += 1
    return calls, opens


def add_system_calls(group, summary, scratch):
    output = os.path.join(scratch, "trace")
    for way, argv in group.ways.items():
        calls, opens = count_calls(trace_lines(group, argv, output))
        summary[way]["system_calls"] = sum(calls.values())
        summary[way]["most_called"] = dict(calls.most_common(8))
        summary[way]["opened_to_read_more_than_once"] = {
            path: times for path, times in sorted(opens.items()) if times > 1
        }
