# SPDX-License-Identifier: MIT
"""The fixtures. A conftest.py takes them in with `from lib.fixtures import *`.

    conjoin         the program under test (CONJOIN, else BUILD/src/cli/conjoin)
    rootfs          a busybox root file system that everybody may read; never write to it
    sandbox(…)      makes a container of our own: see lib.sandbox.Sandbox
    runc(…)         makes a container with the real runc: see lib.oci.OciContainer
    crun(…)         the same with crun
    unprivileged    runs a program as an ordinary user: unprivileged(["id"])
    scratch         a folder of this test that everybody may enter
    no_leaks        used by every test: fails one that leaves something behind
"""

import itertools
import os
import shutil
import subprocess
import tempfile

import pytest

from lib.leaks import Snapshot
from lib.oci import OciContainer, Runtime
from lib.program import BUILD, TIMEOUT, TOP, Conjoin, as_user, clean_env
from lib.sandbox import Sandbox

__all__ = [
    "conjoin", "crun", "no_leaks", "rootfs", "runc", "sandbox", "sandbox_program", "scratch",
    "session_folder", "unprivileged",
]

NOBODY = 65534
numbers = itertools.count(1)


def need_root():
    if os.geteuid() != 0:
        pytest.skip("needs root")


@pytest.fixture(autouse=True)
def no_leaks():
    os.environ["CONJOIN_TEST_RUN"] = str(os.getpid())  # see lib.leaks.orphans
    before = Snapshot()
    yield
    leaks = before.leaks()
    if leaks:
        pytest.fail("left behind: " + "; ".join(leaks), pytrace=False)


@pytest.fixture(scope="session")
def session_folder():
    """Not pytest's own: nobody else may enter that."""
    folder = tempfile.mkdtemp(prefix=f"conjoin-test-{os.getpid()}-")
    os.chmod(folder, 0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def scratch(session_folder):
    folder = os.path.join(session_folder, str(next(numbers)))
    os.mkdir(folder)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def conjoin():
    path = os.path.abspath(os.environ.get("CONJOIN", os.path.join(BUILD, "src/cli/conjoin")))
    if not os.access(path, os.X_OK):
        pytest.skip(f"there is no program {path}")
    return Conjoin(path)


@pytest.fixture(scope="session")
def sandbox_program():
    path = os.path.abspath(os.environ.get("SANDBOX", os.path.join(BUILD, "tests/lib/sandbox")))
    if not os.access(path, os.X_OK):
        pytest.skip(f"there is no program {path}")
    yield path
    subprocess.run([path, "--cleanup"], check=False, stderr=subprocess.DEVNULL)


@pytest.fixture(scope="session")
def rootfs(session_folder):
    if not shutil.which("busybox"):
        pytest.skip("busybox isn't installed")
    folder = os.path.join(session_folder, "rootfs")
    subprocess.run([os.path.join(TOP, "tests/lib/mkrootfs.sh"), folder], check=True)
    return folder


@pytest.fixture
def sandbox(sandbox_program, rootfs):
    """sandbox(*command, **options); `rootfs=PATH` for another root file system."""
    made = []

    def make(*command, **options):
        root = options.pop("rootfs", rootfs)
        made.append(Sandbox(sandbox_program, root, command, **options))
        return made[-1]

    yield make
    for one in reversed(made):
        one.stop()


def make_factory(name, session_folder, rootfs):
    """runc(change) and crun(change): `change` edits config.json, a dict, in place."""
    need_root()
    if not shutil.which(name):
        pytest.skip(f"{name} isn't installed")
    runtime = Runtime(name, session_folder)
    made = []

    def make(change=None):
        number = next(numbers)
        bundle = os.path.join(session_folder, f"{name}-{number}")
        os.mkdir(bundle)
        unique = f"conjoin-test-{os.getpid()}-{number}"
        made.append(OciContainer(runtime, unique, bundle, rootfs, change))
        return made[-1]

    yield make
    for one in reversed(made):
        one.delete()
        shutil.rmtree(one.bundle)


@pytest.fixture
def runc(session_folder, rootfs):
    yield from make_factory("runc", session_folder, rootfs)


@pytest.fixture
def crun(session_folder, rootfs):
    yield from make_factory("crun", session_folder, rootfs)


@pytest.fixture
def unprivileged():
    """Runs `args` as an ordinary user with a clean environment; CompletedProcess."""

    def run(args, uid=NOBODY, gid=None, **more):
        if "input" not in more:
            more.setdefault("stdin", subprocess.DEVNULL)
        more.setdefault("env", clean_env())
        more.setdefault("text", True)
        return subprocess.run(
            list(map(str, args)), capture_output=True, timeout=TIMEOUT, check=False, cwd="/",
            **as_user(uid, gid), **more,
        )

    return run
