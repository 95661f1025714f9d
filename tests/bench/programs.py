# SPDX-License-Identifier: MIT
"""The programs of the benchmark: the one that is measured, as it's installed, and the stopwatch. Not here:
running them."""

import os
import shutil
import subprocess

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))


def helper_program(name, build, scratch):
    """The build's own, unless it has none or an old one: then one is compiled for this run."""
    source = os.path.join(HERE, name + ".c")
    built = os.path.join(build, "tests", "bench", name)
    if os.path.exists(built) and os.path.getmtime(built) >= os.path.getmtime(source):
        return built
    made = os.path.join(scratch, name)
    flags = ["-std=gnu17", "-D_GNU_SOURCE", "-O2", "-static", "-I" + os.path.join(TOP, "src")]
    subprocess.run([os.environ.get("CC", "cc"), *flags, "-o", made, source], check=True)
    return made


def installed(program, scratch, name=None):
    """A stripped copy, as installing makes one. The page cache of a file that the linker has written is
    in smaller pieces than that of a copied one, which page faults show."""
    copy = os.path.join(scratch, "installed-" + (name or os.path.basename(program)))
    shutil.copy(program, copy)
    subprocess.run(["strip", copy], check=True)
    shutil.copy(copy, copy + ".new")
    os.rename(copy + ".new", copy)
    return copy
