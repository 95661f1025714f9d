# SPDX-License-Identifier: MIT
"""Brings host programs into an empty root with tests/lib/bring-into, and makes programs that need
something. Not here: judging what they did there (test_bring.py)."""

import os
import subprocess

import pytest

from lib.program import BUILD, TIMEOUT, TOP, clean_env

HOME = "/run/conjoin"
LOADER = "/lib64/ld-linux-x86-64.so.2"
SAYS = """
#include <stdio.h>
const char *word(void);
int main(void) { puts(word()); return 0; }
"""


def program():
    beside = os.path.dirname(os.environ.get("SANDBOX", os.path.join(BUILD, "tests/lib/sandbox")))
    path = os.path.join(TOP, beside, "bring-into")
    if not os.access(path, os.X_OK):
        pytest.skip(f"there is no program {path}")
    return path


def bring(*arguments, **more):
    return subprocess.run(
        [program(), *map(str, arguments)], stdin=subprocess.DEVNULL, capture_output=True,
        text=True, timeout=TIMEOUT, check=False, env=clean_env(), **more,
    )


def inside(root, files, *command, dirs=()):
    """What the command printed, in a root with these programs."""
    options = [word for file in files for word in ("-f", file)]
    options += [word for folder in dirs for word in ("-d", folder)]
    done = bring(*options, root, *command)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def refused(*files, path=None):
    options = [word for file in files for word in ("-f", file)]
    done = bring(*(["-p", path] if path else []), *options, "-n")
    assert done.returncode == 125 and done.stdout == ""
    return done.stderr


def listed(*arguments):
    """{path: source} of all that is brought, by kind."""
    done = bring("-l", *arguments)
    assert done.returncode == 0, done.stderr
    found = {}
    for line in done.stdout.splitlines():
        kind, path, source = line.split("\t")
        found.setdefault(kind, {})[path] = source
    return found


def write(path, text, mode=0o755):
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)
    os.chmod(path, mode)
    return path


def compile_c(output, text, *flags):
    os.makedirs(os.path.dirname(output), exist_ok=True)
    subprocess.run(
        ["gcc", "-x", "c", "-", "-x", "none", "-o", output, *flags], input=text, text=True,
        check=True, timeout=TIMEOUT,
    )
    return output


def word_library(folder, word, soname="libword.so.1"):
    """A library whose word() is that word, and the flag to link with it."""
    path = os.path.join(folder, soname)
    compile_c(path, f'const char *word(void) {{ return "{word}"; }}', "-shared", "-fPIC",
              f"-Wl,-soname,{soname}")
    return path


def loaders_list(path):
    """{soname: real path} as ld.so --list has it; None: it isn't for this loader."""
    if not os.path.isfile(path) or not os.access(path, os.X_OK):
        return None
    with open(path, "rb") as f:
        if f.read(5) != b"\x7fELF\x02":
            return None
    done = subprocess.run([LOADER, "--list", path], capture_output=True, text=True, check=False,
                          timeout=TIMEOUT, env=clean_env())
    if done.returncode != 0 or "not found" in done.stdout:
        return None
    pairs = [line.strip().rsplit(" (", 1)[0].split(" => ") for line in done.stdout.splitlines()
             if " => " in line]
    return {name: os.path.realpath(where) for name, where in pairs
            if "ld-linux" not in name}
