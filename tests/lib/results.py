# SPDX-License-Identifier: MIT
"""What became of each test: reads the reports of cmocka and pytest, counts, prints what failed.
Not here: running anything (tests/run)."""

import fnmatch
import glob
import os
import xml.etree.ElementTree as ElementTree

OUTPUT_LIMIT = 20000


class Tally:
    def __init__(self):
        self.results = []

    def add(self, name, outcome, text=""):
        """Files one result, printing a failure at once and in full."""
        self.results.append((name, outcome, text.strip()))
        if outcome == "failed":
            print_block(f"FAILED {name}", text)

    def count(self, outcome):
        return sum(1 for _, o, _ in self.results if o == outcome)

    def close(self, allowed_file, strict):
        """Judges the skips, prints the closing line; returns the exit status."""
        allowed = read_patterns(allowed_file)
        skips = [(n, t) for n, o, t in self.results if o == "skipped"]
        for name, reason in skips:
            if any(fnmatch.fnmatchcase(name, pattern) for pattern in allowed):
                continue
            print(f"skipped: {name}: {first_line(reason)}")
            if strict:
                print("    not in tests/allowed-skips: counts as failed")
                self.results.remove((name, "skipped", reason))
                self.results.append((name, "failed", reason))
        if not self.results:
            self.add("tests/run", "failed", "no test ran")
        passed, failed, skipped = (self.count(o) for o in ("passed", "failed", "skipped"))
        if failed:
            print("failed:")
            for name, outcome, _ in self.results:
                if outcome == "failed":
                    print(f"    {name}")
        closing = f"{passed} passed, {failed} failed"
        print(closing + (f", {skipped} skipped" if skipped else ""), flush=True)
        return 1 if failed else 0


def first_line(text):
    return text.splitlines()[0] if text else "no reason given"


def skip_reason(test, output):
    """cmocka has no room for a reason: a test prints it, best as "TEST: reason"."""
    lines = output.strip().splitlines()
    return next((line for line in lines if test in line), lines[0] if lines else "")


def print_block(heading, text):
    text = text.strip()
    if len(text) > OUTPUT_LIMIT:
        text = text[: OUTPUT_LIMIT // 2] + "\n[...]\n" + text[-OUTPUT_LIMIT // 2:]
    print(heading)
    for line in text.splitlines():
        print(f"    {line}")


def read_patterns(path):
    """Those of tests/allowed-skips or tests/alone: PATTERN<TAB>REASON, # for comments."""
    patterns = []
    with open(path, encoding="utf-8") as f:
        for line in f:
            line = line.rstrip("\n")
            if not line or line.startswith("#"):
                continue
            pattern, tab, reason = line.partition("\t")
            if not tab or not reason.strip():
                raise SystemExit(f"{path}: no reason given for {pattern}")
            patterns.append(pattern)
    return patterns


def outcome_of(case):
    """(outcome, text) of a JUnit <testcase>, which cmocka and pytest write alike."""
    for tag, outcome in (("failure", "failed"), ("error", "failed"), ("skipped", "skipped")):
        found = case.find(tag)
        if found is not None:
            message, body = found.get("message") or "", (found.text or "").strip()
            return outcome, message if outcome == "skipped" else body or message
    return "passed", ""


def read_cmocka(name, folder, status, output):
    """Results of one unit test program: its XML reports, and how it ended."""
    results = []
    for report in sorted(glob.glob(os.path.join(folder, "*.xml"))):
        try:
            root = ElementTree.parse(report).getroot()
        except ElementTree.ParseError as error:
            results.append((name, "failed", f"{report}: {error}\n{output}"))
            continue
        for case in root.iter("testcase"):
            outcome, text = outcome_of(case)
            if outcome == "skipped":
                text = skip_reason(case.get("name"), output)
            results.append((f"{name}/{case.get('name')}", outcome, text))
    if not results:
        results.append((name, "failed", f"exit status {status}, no report\n{output}"))
    elif status != 0 and not any(outcome == "failed" for _, outcome, _ in results):
        results.append((name, "failed", f"exit status {status}\n{output}"))
    elif status != 0 and output.strip():
        print_block(f"output of {name}", output)
    return results


def read_cases(report):
    """The <testcase> of a pytest's report."""
    return list(ElementTree.parse(report).getroot().iter("testcase"))


def print_slowest(reports, count):
    """The files that took longest, of a run that took a minute or more."""
    times = {}
    try:
        cases = [case for report in reports for case in read_cases(report)]
    except (OSError, ElementTree.ParseError):
        return  # told as a failure
    for case in cases:
        file = (case.get("classname") or "").split(".Test")[0].rpartition(".")[2]
        times[file] = times.get(file, 0) + float(case.get("time") or 0)
    if sum(times.values()) >= 60:
        slowest = sorted(times.items(), key=lambda item: -item[1])[:count]
        print("   slowest: " + ", ".join(f"{file} {seconds:.0f} s" for file, seconds in slowest))


def read_pytest(variant, reports, ends, collected):
    """Results of several pytest that shared the tests (workers.py). `ends`: (exit status, output) of each;
    `collected`: how many tests each of them knew of."""
    results, ran = [], set()
    for report, (status, output) in zip(reports, ends):
        try:
            cases = read_cases(report)
        except (OSError, ElementTree.ParseError) as error:
            results.append((f"{variant}/integration", "failed", f"{error}\n{output}"))
            continue
        for case in cases:
            place = (case.get("classname") or "tests.integration").removeprefix("tests.")
            folder, _, file = place.partition(".")
            name = f"{variant}/{folder}/{file}::{case.get('name')}"
            ran.add(name)
            results.append((name, *outcome_of(case)))
        if status not in (0, 1):
            text = f"pytest ended with {status}\n{output}"
            results.append((f"{variant}/integration", "failed", text))
    if not ran or set(collected) != {len(ran)}:
        text = f"{len(ran)} tests ran; the workers knew of {collected}\n{ends[0][1]}"
        results.append((f"{variant}/integration", "failed", text))
    return results
