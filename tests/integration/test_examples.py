# SPDX-License-Identifier: MIT
"""The programs in examples/: as the build makes them, and as a user of the installed library would,
with pkg-config, the shared library and the archive."""

import glob
import os
import subprocess

import pytest

from lib import proc
from lib.program import BUILD, TIMEOUT, TOP, clean_env

NAMES = ("enter", "pipe", "plan")


def run(*command, **more):
    more.setdefault("env", clean_env())
    return subprocess.run(
        list(map(str, command)), stdin=subprocess.DEVNULL, capture_output=True, text=True,
        timeout=TIMEOUT, check=False, **more,
    )


def example(name):
    path = os.path.join(BUILD, "examples", f"example-{name}")
    return path if os.path.isabs(path) else os.path.join(TOP, path)


@pytest.fixture
def box(sandbox):
    return sandbox(uid=1000, gid=1000, groups="29", caps="none", cwd="/home/app")


def test_enter_runs_a_command_as_the_target(box):
    done = run(example("enter"), box.pid, "cat", "/proc/self/status")
    assert done.stderr == ""
    inside = proc.parse_status(done.stdout)
    assert inside["Uid"].split() == ["1000"] * 4
    assert inside["Groups"] == "29"
    assert inside["CapBnd"] == box.status()["CapBnd"]


@pytest.mark.parametrize("command, status", [
    (["sh", "-c", "exit 7"], 7), (["sh", "-c", "kill -9 $$"], 137), (["/etc"], 126), (["none"], 127),
])
def test_enter_exits_as_the_command_did(box, command, status):
    assert run(example("enter"), box.pid, *command).returncode == status


def test_enter_names_what_it_cant_find():
    done = run(example("enter"), "pidfile:/nonexistent", "true")
    assert done.returncode == 125
    assert done.stderr == "open pidfile /nonexistent: No such file or directory\n"


def test_plan_prints_a_line_for_each_namespace_and_does_nothing(box):
    before = box.read("cmdline"), proc.cgroups()
    done = run(example("plan"), box.pid)
    assert done.returncode == 0 and done.stderr == ""
    lines = [line.split("\t") for line in done.stdout.splitlines()]
    assert lines[0] == ["target", box.handle]
    joined = {line[1] for line in lines if line[0] == "namespaces" and line[2] == "join"}
    ours = proc.namespaces()
    assert joined == {kind for kind, inode in box.ns().items() if inode != ours[kind]}
    assert (box.read("cmdline"), proc.cgroups()) == before


def test_pipe_reads_all_that_a_command_writes(box):
    done = run(example("pipe"), box.pid, "cat", "/etc/passwd", "/bin/busybox", errors="replace")
    assert done.returncode == 0 and done.stdout.startswith("root:x:0:0:")
    passwd = run(example("enter"), box.pid, "wc", "-c", "/etc/passwd", "/bin/busybox").stdout
    total = passwd.splitlines()[-1].split()[0]
    assert done.stdout.endswith(f"{total} bytes, exit status 0, signal 0\n")


def test_pipe_tells_a_death_by_signal(box):
    done = run(example("pipe"), box.pid, "sh", "-c", "echo last words; kill -TERM $$")
    assert done.stdout == "last words\n11 bytes, exit status -1, signal 15\n"


@pytest.fixture(scope="module")
def release(sandbox_program):
    """The build directory of the programs as released; a sanitized one isn't for installing."""
    folder = os.path.dirname(os.path.dirname(os.path.dirname(sandbox_program)))
    if not os.path.exists(os.path.join(folder, "build.ninja")):
        pytest.skip(f"{folder} is no build directory")
    return folder


@pytest.fixture
def installed(release, scratch):
    """What `make install` puts into DESTDIR."""
    done = run(
        "meson", "install", "--quiet", "--no-rebuild", "-C", release, "--destdir", scratch,
        env=os.environ,
    )
    assert done.returncode == 0, done.stderr
    return scratch


def find(installed, name):
    found = glob.glob(os.path.join(installed, "**", name), recursive=True)
    assert len(found) == 1, found
    return found[0]


def pkg_config(installed, *options):
    env = {
        **clean_env(),
        "PKG_CONFIG_PATH": os.path.dirname(find(installed, "conjoin.pc")),
        "PKG_CONFIG_SYSROOT_DIR": installed,
    }
    done = run("pkg-config", *options, "--cflags", "--libs", "conjoin", env=env)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def compile_example(name, installed, flags):
    path = os.path.join(installed, f"example-{name}")
    source = os.path.join(TOP, "examples", f"{name}.c")
    done = run("gcc", "-Wall", "-Wextra", "-Werror", "-D_GNU_SOURCE", source, "-o", path, *flags)
    assert done.returncode == 0, done.stderr
    return path


@pytest.mark.parametrize("name", NAMES)
def test_example_builds_and_runs_with_the_installed_shared_library(name, installed, box):
    path = compile_example(name, installed, pkg_config(installed))
    folder = os.path.dirname(find(installed, "libconjoin.so.1"))
    env = {**clean_env(), "LD_LIBRARY_PATH": folder}
    arguments = [] if name == "plan" else ["true"]
    done = run(path, box.pid, *arguments, env=env)
    assert done.returncode == 0, done.stderr
    assert "libconjoin.so.1" in run("ldd", path, env=env).stdout


@pytest.mark.parametrize("name", NAMES)
def test_example_builds_and_runs_with_the_installed_archive(name, installed, box):
    path = compile_example(name, installed, ["-static", *pkg_config(installed, "--static")])
    arguments = [] if name == "plan" else ["true"]
    done = run(path, box.pid, *arguments)
    assert done.returncode == 0, done.stderr


def test_the_installed_program_runs_in_place(installed):
    done = run(find(installed, "bin/conjoin"), "exec", "self", "echo", "hello")
    assert (done.returncode, done.stdout, done.stderr) == (0, "hello\n", "")


def test_the_installed_man_pages_and_completions_are_there(installed):
    for name in ("conjoin.1", "conjoin-exec.1", "libconjoin.3", "conjoin.7"):
        assert os.path.getsize(find(installed, f"man{name[-1]}/{name}")) > 500
    for name in ("bash-completion/completions/conjoin", "_conjoin", "conjoin.fish"):
        assert os.path.getsize(find(installed, name)) > 500
