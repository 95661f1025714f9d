# SPDX-License-Identifier: MIT
"""From samples to figures: summaries, ratios, what is wanted of them, tables for people.
Not here: taking samples.
"""

import datetime
import json
import os
import platform
import re
import statistics
import subprocess

import mounts

MARKERS = ("<!-- figures: begin -->", "<!-- figures: end -->")

# What is measured, against what, and the ratio that is wanted.
WANTED = (
    ("conjoin exec", "floor", 1.4),
    ("conjoin exec", "nsenter -a", 1.0),
    ("conjoin exec", "crun exec", 1 / 3),
    ("conjoin exec", "runc exec", 1 / 8),
)
WANTED_PEAK_RSS_KIB = 2048


def first_line(*command):
    try:
        done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    except OSError:
        return None
    return (done.stdout or done.stderr).split("\n")[0].strip() or None


def find_in(path, pattern):
    try:
        with open(path) as file:
            found = re.search(pattern, file.read(), re.MULTILINE)
    except OSError:
        return None
    return found.group(1).strip() if found else None


def describe_machine():
    kinds = {kind for kind, point in mounts.cgroup_mounts()}
    layout = {("cgroup",): "v1", ("cgroup2",): "v2", ("cgroup", "cgroup2"): "hybrid"}
    return {
        "kernel": platform.release(),
        "architecture": platform.machine(),
        "system": find_in("/etc/os-release", r'^PRETTY_NAME="?([^"\n]*)'),
        "cpu": find_in("/proc/cpuinfo", r"^model name\s*:(.*)$"),
        "cpus": os.cpu_count(),
        "memory_kib": int(find_in("/proc/meminfo", r"^MemTotal:\s+(\d+)") or 0),
        "cgroups": layout.get(tuple(sorted(kinds)), "none"),
        "cgroup_hierarchies": len(mounts.cgroup_mounts()),
    }


def versions(conjoin):
    asked = {tool: first_line(tool, "--version") for tool in ("nsenter", "crun", "runc")}
    asked["conjoin"] = first_line(conjoin, "--version") if conjoin else None
    return {tool: answer for tool, answer in asked.items() if answer}


def describe_run(tools):
    now = datetime.datetime.now(datetime.timezone.utc)
    return {
        "date": now.isoformat(timespec="seconds"),
        "machine": describe_machine(),
        "versions": tools,
    }


def summarize(group, with_samples):
    summary = {}
    for way, samples in group.ns.items():
        tenths = statistics.quantiles(samples, n=10)
        median = statistics.median(samples)
        summary[way] = {
            "samples": len(samples),
            "median_ns": round(median),
            "p10_ns": round(tenths[0]),
            "p90_ns": round(tenths[8]),
            "maxrss_kib": group.maxrss_kib[way],
            "ratios": {
                other: round(median / statistics.median(group.ns[other]), 3)
                for other in group.ns
                if other != way
            },
        }
        if with_samples:
            summary[way]["ns"] = samples
    return summary


def judge(what, group, measured, wanted):
    return {
        "what": what,
        "group": group,
        "wanted": round(wanted, 3),
        "measured": measured,
        "verdict": "ok" if measured <= wanted else "over",
    }


def compare_with_wanted(groups):
    rows = []
    for name, ways in groups.items():
        for way, other, wanted in WANTED:
            if way in ways and other in ways:
                rows.append(judge(f"{way} / {other}", name, ways[way]["ratios"][other], wanted))
        conjoin = ways.get("conjoin exec", {})
        peak = conjoin.get("peak_rss_kib")
        if peak is not None:
            rows.append(judge("supervisor's peak RSS, KiB", name, peak, WANTED_PEAK_RSS_KIB))
        twice = conjoin.get("opened_to_read_more_than_once")
        if twice is not None:
            rows.append(judge("files opened to read more than once", name, len(twice), 0))
    return rows


def align(rows):
    """The first column to the left, the others to the right."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return [
        [row[0].ljust(widths[0])] + [cell.rjust(width) for cell, width in zip(row[1:], widths[1:])]
        for row in rows
    ]


def number(value, form="{:.2f}"):
    return "-" if value is None else form.format(value)


def time_rows(ways):
    against = [way for way in ("floor", "nsenter -a", "crun exec", "runc exec") if way in ways]
    calls = any("system_calls" in ways[way] for way in ways)
    head = ["way", "median ms", "p10", "p90", *("/ " + other for other in against), "peak RSS KiB"]
    rows = [head + ["system calls"] * calls]
    for way, each in sorted(ways.items(), key=lambda item: item[1]["median_ns"]):
        row = [way] + [number(each[key] / 1e6) for key in ("median_ns", "p10_ns", "p90_ns")]
        row += [number(each["ratios"].get(other, 1.0)) for other in against]
        row.append(number(each.get("peak_rss_kib"), "{}"))
        rows.append(row + [number(each.get("system_calls"), "{}")] * calls)
    return rows


def wanted_rows(results):
    rows = [["wanted", "container", "at most", "measured", ""]]
    for row in results["wanted"]:
        figures = [f"{row[key]:g}" for key in ("wanted", "measured")]
        rows.append([row["what"], row["group"], *figures, row["verdict"]])
    return rows


def tables(results):
    """(title, rows) of each."""
    for name, ways in results["groups"].items():
        yield f"/bin/true in a container of {name}, medians of {results['rounds']}", time_rows(ways)
    if results["wanted"]:
        yield "What is wanted", wanted_rows(results)


def read_twice(results):
    for name, ways in results["groups"].items():
        paths = ways.get("conjoin exec", {}).get("opened_to_read_more_than_once", {})
        for path, times in paths.items():
            yield f"conjoin exec ({name}) opened {path} {times} times"


def as_text(titled):
    lines = []
    for title, rows in titled:
        lines += [title, *("  " + "  ".join(row).rstrip() for row in align(rows)), ""]
    return "\n".join(lines).rstrip()


def text_tables(results):
    return "\n".join([as_text(tables(results)), "", *read_twice(results)]).rstrip()


def describe(results):
    machine, tools = results["machine"], results["versions"]
    return (
        f"{results['date'][:10]}, Linux {machine['kernel']} on {machine['architecture']}, "
        f"{machine['cpu']}, {machine['cpus']} CPUs, cgroups {machine['cgroups']} "
        f"({machine['cgroup_hierarchies']} hierarchies), {machine['system']}. "
        + "; ".join(tools.values())
        + "."
    )


def as_markdown(results, titled):
    lines = [describe(results), ""]
    for title, rows in titled:
        aligned = ["| " + " | ".join(row) + " |" for row in align(rows)]
        rule = "|---" + "|--:" * (len(rows[0]) - 1) + "|"
        lines += [f"### {title}", "", aligned[0], rule, *aligned[1:], ""]
    return "\n".join(lines).rstrip()


def replace_between(path, markers, new):
    """Replaces what stands between the markers, and nothing else."""
    with open(path, encoding="utf-8") as file:
        text = file.read()
    begin, end = (text.index(marker) for marker in markers)
    with open(path, "w", encoding="utf-8") as file:
        before = text[: begin + len(markers[0])]
        file.write("\n\n".join((before, new, text[end:])))


def publish(arguments, results, found, markers):
    """Prints the tables that were `found`, and writes the files that --json and --markdown ask for."""
    print(as_text(found))
    if arguments.json:
        with open(arguments.json, "w", encoding="utf-8") as file:
            json.dump(results, file, indent=1)
            file.write("\n")
    if arguments.markdown:
        replace_between(arguments.markdown, markers, as_markdown(results, found))


def update_markdown(path, results):
    lines = [as_markdown(results, tables(results)), "", *(f"- {line}" for line in read_twice(results))]
    replace_between(path, MARKERS, "\n".join(lines).rstrip())
