#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""What passes through: `dd` in a container through a pty and through a pipe, beside the same dd on a pty that is
relayed by as little as possible (pty-relay), and on a pipe without anybody in between.

Not here: what a start costs (run), which is part of each figure but nothing beside so many bytes.
"""

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True  # the source tree stays as it is

import containers
import mounts
import report
from programs import helper_program, installed

MARKERS = ("<!-- pty: begin -->", "<!-- pty: end -->")
WARMUP = 1
WANTED = 0.9  # of the throughput of the least relay
RELAY, PTY, RECORDED, DIRECT, PIPE = (
    "pty-relay", "conjoin exec -t", "conjoin exec -t --record", "dd, pipe", "conjoin exec -T, pipe")


def parse_arguments():
    parser = argparse.ArgumentParser(prog="tests/bench/pty.py", description=__doc__.split("\n\n")[0])
    parser.add_argument("build", metavar="BUILD_DIR", help="holds src/cli/conjoin")
    add = parser.add_argument
    add("--json", metavar="FILE", help="write the results there, too")
    add("--markdown", metavar="FILE", help="put the table into FILE, between its markers")
    add("--rounds", type=int, default=15, metavar="N", help="of each way (default: 15)")
    add("--mib", type=int, default=128, metavar="N", help="so much through a pty (default: 128)")
    add("--seed", type=int, default=1, metavar="N", help="of the order within a round")
    arguments = parser.parse_args()
    if not 3 <= arguments.rounds <= 1000 or not 1 <= arguments.mib <= 65536:
        parser.error("--rounds: 3 to 1000; --mib: 1 to 65536")
    return arguments


def dd(busybox, mib):
    return [busybox, "dd", "if=/dev/zero", "bs=1M", f"count={mib}", "status=none"]


def piped(*command):
    return ["/bin/sh", "-c", '"$@" | cat', "sh", *command]


def ways(programs, container, scratch, mib):
    """Words of each, and how many MiB go through. A pipe is faster: more, so that the start doesn't count."""
    here = os.path.join(container.rootfs, "bin", "busybox")
    there, pid = "/bin/busybox", str(container.pid)
    more = 16 * mib
    recording = os.path.join(scratch, "recording.cast")
    conjoin = [programs["conjoin"], "exec"]
    return {
        RELAY: ([programs["pty-relay"], *dd(here, mib)], mib),
        PTY: ([*conjoin, "-t", pid, *dd(there, mib)], mib),
        RECORDED: ([*conjoin, "-t", "--record", recording, pid, *dd(there, max(mib // 8, 1))],
                   max(mib // 8, 1)),
        DIRECT: (piped(*dd(here, more)), more),
        PIPE: (piped(*conjoin, "-T", pid, *dd(there, more)), more),
    }


def measure(drive, compared, arguments):
    """Every way once a round, in a shuffled order; ns of each."""
    command = [drive, str(arguments.rounds), str(WARMUP), str(arguments.seed)]
    for way, (words, _) in compared.items():
        command += [":::", way, *words]
    # stderr is a file: conjoin would have to relay a terminal.
    with tempfile.TemporaryFile() as messages:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=messages, check=False)
        messages.seek(0)
        if done.returncode != 0:
            sys.exit("bench: " + messages.read().decode(errors="replace").strip())
    return {each["name"]: each["ns"] for each in json.loads(done.stdout)["commands"]}


def summarize(compared, ns):
    rows = []
    for way, (_, mib) in compared.items():
        speeds = sorted(mib / (each / 1e9) for each in ns[way])
        rows.append({"way": way, "mib": mib, "mib_per_s": statistics.median(speeds),
                     "least": speeds[0], "most": speeds[-1]})
    against = {PTY: RELAY, RECORDED: RELAY, PIPE: DIRECT}
    speed = {row["way"]: row["mib_per_s"] for row in rows}
    for row in rows:
        other = against.get(row["way"])
        row["against"], row["ratio"] = other, other and speed[row["way"]] / speed[other]
    return rows


def tables(results):
    rows = [["way", "MiB", "MiB/s", "least", "most", "ratio", "to", f"at least {WANTED}"]]
    for row in results["ways"]:
        wanted = row["way"] in (PTY, PIPE)
        verdict = ("ok" if row["ratio"] >= WANTED else "under") if wanted else ""
        rows.append([row["way"], str(row["mib"])]
                    + [f"{row[key]:.0f}" for key in ("mib_per_s", "least", "most")]
                    + [report.number(row["ratio"]), row["against"] or "", verdict])
    yield f"dd if=/dev/zero, medians of {results['rounds']}", rows


def find_programs(build, scratch):
    conjoin = os.path.join(build, "src", "cli", "conjoin")
    if not os.access(conjoin, os.X_OK):
        sys.exit(f"bench: there is no {conjoin}")
    return {"conjoin": installed(conjoin, scratch),
            "pty-relay": installed(helper_program("pty-relay", build, scratch), scratch)}


def bench(arguments, scratch):
    build = os.path.abspath(arguments.build)
    programs = find_programs(build, scratch)
    rootfs = containers.make_rootfs(os.path.join(scratch, "rootfs"))
    with containers.Container("runc", rootfs, scratch) as container:
        compared = ways(programs, container, scratch, arguments.mib)
        ns = measure(helper_program("drive", build, scratch), compared, arguments)
    return {
        **report.describe_run(report.versions(programs["conjoin"])),
        "rounds": arguments.rounds,
        "seed": arguments.seed,
        "ways": summarize(compared, ns),
    }


def main():
    arguments = parse_arguments()
    if os.geteuid() != 0:
        sys.exit("bench: containers need root")
    for number in (signal.SIGTERM, signal.SIGHUP):  # the container's own end must come, too
        signal.signal(number, lambda number, frame: sys.exit(128 + number))
    mounts.enter_private_namespace()
    with tempfile.TemporaryDirectory(prefix="conjoin-bench-") as scratch:
        try:
            results = bench(arguments, scratch)
        finally:
            mounts.detach_below(scratch)
    report.publish(arguments, results, tables(results), MARKERS)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
