# SPDX-License-Identifier: MIT
"""The README's examples, run as they stand there. In its ```sh blocks a line that begins with `$ ` is a
command for bash, and what follows is all that it prints, stderr included; `…` stands for any text, on a
line of its own for any lines. Blanks between words may differ."""

import os
import re
import subprocess

import pytest

from lib.fixtures import need_root
from lib.program import TIMEOUT, TOP, clean_env
from lib.sandbox import Sandbox

BLOCK = re.compile(r"^```sh\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def readme():
    with open(os.path.join(TOP, "README.md"), encoding="utf-8") as f:
        return f.read()


def examples():
    """[(command, expected output)…]"""
    found = []
    for block in BLOCK.findall(readme()):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, output = part.partition("\n")
            found.append((command, output))
    return found


def squeeze(text):
    return "".join(" ".join(line.split()) + "\n" for line in text.splitlines())


def pattern(expected):
    """A regular expression of what is expected."""
    lines = []
    for line in squeeze(expected).splitlines():
        if line == "…":
            lines.append("(?:.*\n)*")
        else:
            lines.append(re.escape(line).replace("…", ".*") + "\n")
    return "".join(lines)


@pytest.fixture(scope="module")
def web(sandbox_program, rootfs):
    need_root()
    box = Sandbox(
        sandbox_program, rootfs, comm="web", hostname="web", cwd="/home/app", uid=1000, gid=1000,
        groups="29,2000", caps="none", bounding="docker", rlimit=["nofile=256:256"],
        env=["GREETING=hello from the container"],
    )
    yield box
    box.stop()


def shell(command, web, conjoin, folder):
    env = {**clean_env(), "PID": str(web.pid)}
    env["PATH"] = os.path.dirname(conjoin.path) + ":" + env["PATH"]
    with open(os.path.join(folder, "web.pid"), "w", encoding="ascii") as f:
        f.write(f"{web.pid}\n")
    return subprocess.run(
        ["bash", "-c", command], cwd=folder, env=env, stdin=subprocess.DEVNULL, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=TIMEOUT, check=False,
    )


@pytest.mark.parametrize("command, expected", examples(), ids=[c for c, _ in examples()])
def test_example_of_the_readme(command, expected, web, conjoin, scratch):
    done = shell(command, web, conjoin, scratch)
    assert done.returncode == 0
    assert re.fullmatch(pattern(expected), squeeze(done.stdout)), done.stdout


def test_the_readme_has_ten_examples():
    section = readme().partition("## Ten examples")[2].partition("\n## ")[0]
    assert len(BLOCK.findall(section)) == 10


@pytest.mark.parametrize("target", ["demo", "test", "install", "help"])
def test_the_make_commands_of_the_readme_exist(target):
    assert re.search(rf"^    make {target} ", readme(), re.MULTILINE)
    done = subprocess.run(
        ["make", "-n", target, "STAGES=check"], cwd=TOP, capture_output=True, check=False,
        timeout=TIMEOUT,
    )
    assert done.returncode == 0


def test_files_that_the_documents_link_to_exist():
    names = ["README.md", "CONTRIBUTING.md", "SECURITY.md", "NEWS.md"]
    names += ["docs/" + name for name in os.listdir(os.path.join(TOP, "docs"))]
    missing = []
    for name in names:
        with open(os.path.join(TOP, name), encoding="utf-8") as f:
            links = re.findall(r"\]\(([^)#:]+)\)", f.read())
        folder = os.path.dirname(os.path.join(TOP, name))
        missing += [f"{name}: {link}" for link in links
                    if not os.path.exists(os.path.join(folder, link))]
    assert missing == []
