# SPDX-License-Identifier: MIT
"""What the check-* scripts share: which files there are, C without comments, how to report."""

import os
import re
import sys

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def files(*tops, ext=(".c", ".h")):
    """Paths below the given directories, relative to the top directory, sorted."""
    found = []
    for top in tops:
        for folder, folders, names in os.walk(os.path.join(TOP, top)):
            folders[:] = [f for f in folders if f not in ("build", "data", "__pycache__")]
            found += [
                os.path.relpath(os.path.join(folder, n), TOP) for n in names if n.endswith(ext)
            ]
    return sorted(found)


def scripts():
    """Everything that begins with #!, as (path, interpreter line)."""
    found = []
    for path in files("tools", "tests", "packaging", ".ci", ext=""):
        with open(os.path.join(TOP, path), "rb") as f:
            first = f.readline(200)
        if first.startswith(b"#!"):
            found.append((path, first.decode(errors="replace").strip()))
    return found


def read(path):
    with open(os.path.join(TOP, path), encoding="utf-8") as f:
        return f.read()


TOKEN = re.compile(
    r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.DOTALL
)


def strip_comments(text):
    """The same lines without comments; strings stay."""

    def blank(match):
        token = match.group(0)
        if token.startswith("/"):
            return "\n" * token.count("\n") or " "
        return token

    return TOKEN.sub(blank, text)


def strip_strings(text):
    """Of text without comments: empties what stands in quotes."""
    return TOKEN.sub(lambda m: m.group(0)[0] * 2, text)


def finish(name, faults, note=""):
    """Ends the script: prints "ok" or each fault, one a line."""
    if not faults:
        print(f"ok  {name}" + (f" ({note})" if note else ""))
        sys.exit(0)
    for fault in faults:
        print(fault)
    print(f"FAULTS  {name}: {len(faults)}")
    sys.exit(1)
