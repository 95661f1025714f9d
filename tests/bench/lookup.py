#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The benchmark of names: what `conjoin exec NAME true` costs beyond `conjoin exec PID true` in the same
container, with real engines, and how much of that is the daemon's own time.

Not here: starting engines (machine.py), the daemon's own time (replay.py), the stopwatch (drive.c).
"""

import argparse
import contextlib
import json
import os
import re
import signal
import statistics
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True  # the source tree stays as it is

import replay
import report
from machine import Unavailable, a_machine
from programs import helper_program, installed

MARKERS = ("<!-- lookup: begin -->", "<!-- lookup: end -->")
BATCH = 5  # rounds of the stopwatch, then as many of the daemons alone, and so on
WANTED_MS = 5
HUNG = ["--engine-timeout", "100ms"]
CROWDS = (0, 10, 100)


def parse_arguments():
    parser = argparse.ArgumentParser(
        prog="tests/bench/lookup.py", description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("build", metavar="BUILD_DIR", help="holds src/cli/conjoin")
    add = parser.add_argument
    add("--json", metavar="FILE", help="write the results there, too")
    add("--markdown", metavar="FILE", help="put the tables into FILE, between its markers")
    add("--rounds", type=int, default=200, metavar="N", help="of each way (default: 200)")
    add("--ps", action="store_true", help="conjoin ps with 0, 10 and 100 containers of docker, too")
    add("--before", metavar="PROGRAM", help="another conjoin, measured beside ours where it can be")
    arguments = parser.parse_args()
    if not 20 <= arguments.rounds <= 5000:
        parser.error("--rounds: from 20 to 5000")
    return arguments


def ms(samples):
    return statistics.median(samples) / 1e6


class Stopwatch:
    """drive.c in the node of the engines."""

    def __init__(self, drive, machine):
        self.drive, self.node, self.seed = drive, machine.node, 0

    def run(self, ways, rounds, warmup=1):
        """{name: [ns]}, that of CPU time with "cpu: " before the names"""
        self.seed += 1
        words = [*self.node.enter, self.drive, str(rounds), str(warmup), str(self.seed)]
        for name, argv in ways.items():
            words += [":::", name, *argv]
        done = self.node.call(*words, timeout=600)
        made = {}
        for each in json.loads(done.stdout)["commands"]:
            made[each["name"]], made["cpu: " + each["name"]] = each["ns"], each["cpu_ns"]
        return made


class Measured:
    """Ways, and conversations that are replayed in turn with them. `samples` holds both, in ns, the
    latter with "daemon: " before their names."""

    def __init__(self, stopwatch, ways, conversations):
        self.stopwatch, self.ways, self.conversations = stopwatch, ways, conversations
        self.root = stopwatch.node.path("")
        self.samples = {}

    def add(self, name, ns):
        self.samples.setdefault(name, []).extend(ns)

    def run(self, rounds):
        for _ in range(-(-rounds // BATCH)):
            for name, ns in self.stopwatch.run(self.ways, BATCH).items():
                self.add(name, ns)
            for turn in range(1 + BATCH):
                for name, conversation in self.conversations.items():
                    took, _ = replay.replay(conversation, self.root)
                    if turn > 0:
                        self.add("daemon: " + name, [took * 1e9])
        return self


def targets_of(machine):
    """{target: PID of the container that it names}"""
    ident, web = machine.run("docker", "web")
    _, shop = machine.run("podman", "shop")
    solo, box = machine.pod("solo"), machine.task("bench-box")
    own = machine.runc_container("bench-own")
    machine.web = web
    return {
        "docker:web": web, f"docker:{ident[:12]}": web, "podman:shop": shop,
        f"cri:{solo.id}": solo.pid, "k8s:solo": solo.pid, "containerd:bench-box": box.pid,
        "oci:bench-own": own, "web": web,
    }


def shown(target):
    """Ids differ from run to run."""
    if target == "web":
        return "web (a bare word)"
    return re.sub("(?<=:)([0-9a-f]{12}|[0-9a-f]{64})$",
                  lambda found: "ID" if len(found[1]) == 64 else "prefix of ID", target)


def measure_names(stopwatch, machine, conjoin, rounds, scratch):
    targets = targets_of(machine)
    ways, conversations = {}, {}
    for target, pid in targets.items():
        ways[f"PID {pid}"] = [conjoin, "exec", str(pid), "true"]
        ways[target] = [conjoin, "exec", target, "true"]
        conversations[target] = replay.record(ways[target], scratch, machine.node.enter)
    samples = Measured(stopwatch, ways, conversations).run(rounds).samples
    rows = []
    for target, pid in targets.items():
        row = {"target": shown(target), "pid": ms(samples[f"PID {pid}"]), "name": ms(samples[target]),
               "daemon": ms(samples["daemon: " + target]),
               "requests": sum(len(parts) for _, parts in conversations[target])}
        row["more"] = row["name"] - row["pid"]
        row["own"] = row["more"] - row["daemon"]
        row["cpu"] = ms(samples["cpu: " + target]) - ms(samples[f"cpu: PID {pid}"])
        rows.append(row)
    return rows


def measure_others(stopwatch, machine, conjoin):
    """The engines' own clients: few rounds are enough to tell 3 ms from 60."""
    ways = {
        "docker exec web": ["/usr/bin/docker", "exec", "web", "true"],
        "podman exec shop": ["/usr/bin/env", *machine.podman_words[1:], "exec", "shop", "true"],
        "conjoin exec docker:web": [conjoin, "exec", "docker:web", "true"],
        "conjoin exec podman:shop": [conjoin, "exec", "podman:shop", "true"],
    }
    return [{"way": name, "ms": ms(ns)} for name, ns in stopwatch.run(ways, 20).items()
            if name in ways]


@contextlib.contextmanager
def paused(machine, *names):
    for name in names:
        machine.daemons[name].pause()
    try:
        yield
    finally:
        for name in names:
            machine.daemons[name].resume()


def measure_hung(stopwatch, machine, conjoin):
    rows = []
    for target, names in (("docker:web", ["docker"]), ("podman:shop", ["podman"]),
                          ("k8s:solo", ["containerd"]), ("containerd:bench-box", ["containerd"]),
                          ("web", ["docker", "podman", "containerd"])):
        ways = {"": [conjoin, "exec", *HUNG, target, "true"]}
        with paused(machine, *names):
            samples = stopwatch.run(ways, 20)[""]
        rows.append({"target": shown(target), "hung": ", ".join(names), "ms": ms(samples),
                     "most": max(samples) / 1e6})
    return rows


def measure_ps(stopwatch, machine, conjoin, before, rounds, scratch):
    """Nothing but docker's containers are there."""
    rows, names = [], []
    ways = {"ps": [conjoin, "ps"], **({"before": [before, "ps"]} if before else {})}
    for wanted in CROWDS:
        while len(names) < wanted:
            names.append(f"crowd{len(names)}")
            machine.run("docker", names[-1])
        conversations = {"ps": replay.record(ways["ps"], scratch, machine.node.enter)}
        samples = Measured(stopwatch, ways, conversations).run(rounds).samples
        row = {"containers": wanted, "ps": ms(samples["ps"]), "daemon": ms(samples["daemon: ps"]),
               "requests": sum(len(parts) for _, parts in conversations["ps"])}
        row["own"], row["cpu"] = row["ps"] - row["daemon"], ms(samples["cpu: ps"])
        if before:
            row["before"], row["before_cpu"] = ms(samples["before"]), ms(samples["cpu: before"])
        rows.append(row)
    machine.remove("docker", *names)
    return rows


def table(head, rows, keys):
    return [head] + [[f"{row[key]:.2f}" if isinstance(row[key], float) else str(row[key])
                      for key in keys] for row in rows]


def tables(results):
    names = table(
        ["conjoin exec", "by PID, ms", "by name, ms", "more", "of which the daemon", "own",
         f"at most {WANTED_MS}", "own CPU time", "requests"],
        [{**row, "verdict": "ok" if row["own"] <= WANTED_MS else "over"} for row in results["names"]],
        ["target", "pid", "name", "more", "daemon", "own", "verdict", "cpu", "requests"])
    yield f"true in a running container, medians of {results['rounds']}", names
    yield "Beside the engines' own, medians of 20", table(
        ["way", "ms"], results["others"], ["way", "ms"])
    yield "Daemons that hang, --engine-timeout 100ms, medians of 20", table(
        ["conjoin exec", "hung", "ms", "the slowest"], results["hung"],
        ["target", "hung", "ms", "most"])
    if "ps" in results:
        before = ["before", "before_cpu"] if "before" in results["ps"][0] else []
        yield f"conjoin ps, medians of {results['rounds']}", table(
            ["containers of docker", "ps, ms", "of which the daemons", "own",
             "own CPU time", *(["the other version, ms", "its CPU time"] if before else []),
             "requests"],
            results["ps"], ["containers", "ps", "daemon", "own", "cpu", *before, "requests"])


def versions(conjoin):
    asked = [report.first_line(*words) for words in (
        ["dockerd", "--version"], ["podman", "--version"], ["containerd", "--version"],
        ["runc", "--version"], [conjoin, "--version"])]
    return {str(number): answer for number, answer in enumerate(asked) if answer}


def bench(arguments, machine, scratch):
    build = os.path.abspath(arguments.build)
    conjoin = installed(os.path.join(build, "src", "cli", "conjoin"), scratch)
    before = arguments.before and installed(arguments.before, scratch, "before")
    stopwatch = Stopwatch(helper_program("drive", build, scratch), machine)
    results = {**report.describe_run(versions(conjoin)), "rounds": arguments.rounds}
    if arguments.ps:
        results["ps"] = measure_ps(stopwatch, machine, conjoin, before, arguments.rounds, scratch)
    results["names"] = measure_names(stopwatch, machine, conjoin, arguments.rounds, scratch)
    results["others"] = measure_others(stopwatch, machine, conjoin)
    results["hung"] = measure_hung(stopwatch, machine, conjoin)
    return results


def main():
    arguments = parse_arguments()
    if os.geteuid() != 0:
        sys.exit("bench: engines need root")
    for number in (signal.SIGTERM, signal.SIGHUP):  # the engines' own end must come, too
        signal.signal(number, lambda number, frame: sys.exit(128 + number))
    with tempfile.TemporaryDirectory(prefix="conjoin-bench-") as scratch:
        try:
            with a_machine() as machine:
                results = bench(arguments, machine, scratch)
        except Unavailable as error:
            print(f"bench: names are left out: {error}", file=sys.stderr)
            return
    report.publish(arguments, results, tables(results), MARKERS)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
