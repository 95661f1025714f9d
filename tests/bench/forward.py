#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Forwarding on a loopback: the library's (forward-drive) beside socat and the simplest loop, on one connection and on many.

All in a net namespace of its own, with ports that nobody else has.
Not here: what a container's network costs, which is the same for all of them.
"""

import argparse
import contextlib
import glob
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time

sys.dont_write_bytecode = True  # the source tree stays as it is

import report
from programs import HERE, TOP, helper_program

MARKERS = ("<!-- forward: begin -->", "<!-- forward: end -->")
OURS, LOOP, DIRECT = "conjoin", "copy-loop, 4 KiB", "nobody in between"
SOCAT_SIZES = (8 << 10, 64 << 10, 256 << 10, 1 << 20)
WANTED_SOCAT, WANTED_LOOP = 0.9, 1.5
FIRST_PORT, DEADLINE = 20000, 30


def parse_arguments():
    parser = argparse.ArgumentParser(prog="tests/bench/forward.py", description=__doc__.split("\n\n")[0])
    parser.add_argument("build", metavar="BUILD_DIR", help="holds src/lib/libconjoin.a")
    add = parser.add_argument
    add("--json", metavar="FILE", help="write the results there, too")
    add("--markdown", metavar="FILE", help="put the tables into FILE, between their markers")
    add("--rounds", type=int, default=11, metavar="N", help="of each way (default: 11)")
    add("--mib", type=int, default=512, metavar="N", help="over one connection (default: 512)")
    add("--connections", type=int, default=1000, metavar="N", help="at a time (default: 1000)")
    add("--kib", type=int, default=512, metavar="N", help="over each of them (default: 512)")
    add("--seed", type=int, default=1, metavar="N", help="of the order within a round")
    arguments = parser.parse_args()
    if not 3 <= arguments.rounds <= 1000 or not 1 <= arguments.connections <= 10000:
        parser.error("--rounds: 3 to 1000; --connections: 1 to 10000")
    return arguments


def enter_own_network():
    """The same program, in a net namespace whose loopback is up."""
    if os.environ.get("CONJOIN_BENCH_NET") != "own":
        os.environ["CONJOIN_BENCH_NET"] = "own"
        os.execvp("unshare", ["unshare", "--net", sys.executable, *sys.argv])
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)


def forward_drive(build, scratch):
    """The build's own, if it is as new as its library; else it's compiled for this run."""
    library = os.path.join(build, "src", "lib", "libconjoin.a")
    if not os.path.exists(library):
        sys.exit(f"bench: there is no {library}")
    built = os.path.join(build, "tests", "bench", "forward-drive")
    source = os.path.join(HERE, "forward-drive.c")
    newest = max(os.path.getmtime(path) for path in (library, source))
    if os.path.exists(built) and os.path.getmtime(built) >= newest:
        return built
    names = ("libcap", "libseccomp", "jansson", "libnghttp2", "libprotobuf-c", "libcares")
    flags = subprocess.run(["pkg-config", "--static", "--libs", *names],
                           check=True, capture_output=True, text=True).stdout.split()
    made = os.path.join(scratch, "forward-drive")
    subprocess.run([os.environ.get("CC", "cc"), "-std=gnu17", "-D_GNU_SOURCE", "-O2", "-static",
                    "-I" + os.path.join(TOP, "include"), "-o", made, source, library, *flags],
                   check=True)
    return made


def await_listener(port):
    """Asked of the kernel: who connects to see is a connection."""
    wanted = f"0100007F:{port:04X} 00000000:0000 0A"
    end = time.monotonic() + DEADLINE
    while time.monotonic() < end:
        with open("/proc/self/net/tcp") as file:
            if wanted in file.read():
                return
        time.sleep(0.005)
    sys.exit(f"bench: nobody listens on port {port}")


@contextlib.contextmanager
def running(words, **options):
    process = subprocess.Popen(words, stdin=subprocess.DEVNULL, **options)
    try:
        yield process
    finally:
        for pid in descendants(process.pid)[1:]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, 9)
        process.kill()
        process.wait()
        if process.stdout:
            process.stdout.close()


@contextlib.contextmanager
def telling(words):
    """A program that prints its port."""
    with running(words, stdout=subprocess.PIPE, text=True) as process:
        yield int(process.stdout.readline()), process


class Socat:
    """A port is used once: one that isn't `fork` serves one connection and ends."""
    ports = iter(range(FIRST_PORT, FIRST_PORT + 10000))

    def __init__(self, size, fork):
        self.size, self.fork = size, fork

    @contextlib.contextmanager
    def towards(self, sink):
        port = next(self.ports)
        listen = f"TCP4-LISTEN:{port},bind=127.0.0.1,backlog=4096" + (",fork" if self.fork else "")
        words = ["socat", "-b", str(self.size), listen, f"TCP4:127.0.0.1:{sink}"]
        with running(words) as process:
            await_listener(port)
            yield port, process

    def __str__(self):
        return f"socat -b {self.size >> 10} KiB" + (", fork" if self.fork else "")


def descendants(pid):
    found = [pid]
    for each in found:
        for path in glob.glob(f"/proc/{each}/task/*/children"):
            with contextlib.suppress(OSError), open(path) as file:
                found += map(int, file.read().split())
    return found


def memory_kib(pid, key):
    total = 0
    for each in descendants(pid):
        with contextlib.suppress(OSError), open(f"/proc/{each}/smaps_rollup") as file:
            total += sum(int(line.split()[1]) for line in file if line.startswith(key + ":"))
    return total


def peak_kib(pid):
    with open(f"/proc/{pid}/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmHWM:"))


def send(flow, port, connections, size, look=None):
    """ns until all of it has arrived. `look` is called when all connections are there."""
    words = [flow, "source", str(port), str(connections), str(size)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as source:
        source.stdout.readline()
        if look:
            time.sleep(0.5)  # those that fork are still at it
            look()
        source.stdin.write("\n")
        source.stdin.flush()
        line = source.stdout.readline()
    if source.returncode != 0:
        sys.exit("bench: not all bytes arrived")
    return int(line)


def measure_one(programs, sink, arguments):
    """Each way once a round, in a shuffled order, each with a forwarder of its own."""
    ways = {OURS: lambda: telling([programs["forward-drive"], f"tcp4:127.0.0.1:{sink}"]),
            LOOP: lambda: telling([programs["copy-loop"], str(sink)]),
            DIRECT: lambda: contextlib.nullcontext((sink, None))}
    for size in SOCAT_SIZES:
        for fork in (False, True):
            socat = Socat(size, fork)
            ways[str(socat)] = lambda socat=socat: socat.towards(sink)
    speeds = {way: [] for way in ways}
    order = random.Random(arguments.seed)
    for _ in range(arguments.rounds):
        for way in order.sample(list(ways), len(ways)):
            with ways[way]() as (port, _):
                ns = send(programs["flow"], port, 1, arguments.mib << 20)
            speeds[way].append(arguments.mib / (ns / 1e9))
    return speeds


def summarize(speeds):
    median = {way: statistics.median(each) for way, each in speeds.items()}
    best = max((way for way in speeds if way.startswith("socat")), key=median.get)
    rows = [{"way": way, "mib_per_s": median[way], "least": min(each), "most": max(each),
             "to_socat": median[way] / median[best], "to_loop": median[way] / median[LOOP]}
            for way, each in speeds.items()]
    return {"best_socat": best, "ways": sorted(rows, key=lambda row: -row["mib_per_s"])}


def measure_many(programs, sink, arguments):
    ways = {OURS: lambda: telling([programs["forward-drive"], f"tcp4:127.0.0.1:{sink}"]),
            "socat, fork": lambda: Socat(64 << 10, True).towards(sink)}
    rows = []
    for way, start in ways.items():
        seconds, memory = [], {}
        for _ in range(3):
            with start() as (port, process):
                def look():
                    for key in ("Rss", "Pss"):
                        memory[key] = memory_kib(process.pid, key)
                    memory["processes"] = len(descendants(process.pid))
                ns = send(programs["flow"], port, arguments.connections, arguments.kib << 10, look)
                memory["peak"] = peak_kib(process.pid)
            seconds.append(ns / 1e9)
        rows.append({"way": way, "seconds": statistics.median(seconds), **memory})
    return rows


def tables(results):
    one, verdicts = results["one"], {True: "ok", False: "under"}
    rows = [["way", "MiB/s", "least", "most", "/ best socat", "/ copy-loop", "wanted"]]
    for row in one["ways"]:
        held = row["to_socat"] >= WANTED_SOCAT and row["to_loop"] >= WANTED_LOOP
        rows.append([row["way"]] + [f"{row[key]:.0f}" for key in ("mib_per_s", "least", "most")]
                    + [report.number(row[key]) for key in ("to_socat", "to_loop")]
                    + [verdicts[held] if row["way"] == OURS else ""])
    yield (f"{results['mib']} MiB over one connection, medians of {results['rounds']}; wanted: "
           f"{WANTED_SOCAT} of the best socat, {WANTED_LOOP} of copy-loop"), rows
    rows = [["way", "seconds", "MiB/s", "processes", "RSS, KiB", "PSS, KiB", "peak of one, KiB"]]
    mib = results["connections"] * results["kib"] / 1024
    for row in results["many"]:
        rows.append([row["way"], f"{row['seconds']:.2f}", f"{mib / row['seconds']:.0f}"]
                    + [str(row[key]) for key in ("processes", "Rss", "Pss", "peak")])
    yield f"{results['connections']} connections at once, {results['kib']} KiB each", rows


def main():
    arguments = parse_arguments()
    if os.geteuid() != 0:
        sys.exit("bench: a net namespace needs root")
    enter_own_network()
    with tempfile.TemporaryDirectory(prefix="conjoin-bench-") as scratch:
        build = os.path.abspath(arguments.build)
        programs = {name: helper_program(name, build, scratch) for name in ("flow", "copy-loop")}
        programs["forward-drive"] = forward_drive(build, scratch)
        with telling([programs["flow"], "sink"]) as (sink, _):
            one = summarize(measure_one(programs, sink, arguments))
            many = measure_many(programs, sink, arguments)
    socat = subprocess.run(["socat", "-V"], capture_output=True, text=True, check=True).stdout
    results = {
        **report.describe_run({"socat": " ".join(socat.split("\n")[1].split()[:3])}),
        "rounds": arguments.rounds, "mib": arguments.mib, "kib": arguments.kib,
        "connections": arguments.connections, "one": one, "many": many,
    }
    report.publish(arguments, results, tables(results), MARKERS)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
