# SPDX-License-Identifier: MIT
"""exec --rootfs: a command that isn't there as given is looked for where it may be instead, beneath the
container's root; without it, the hint of 127 names it."""

import json
import os
import shutil
import subprocess

import pytest

from lib.failure import assert_failed
from lib.sandbox import Sandbox

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")

NOT_FOUND, NOT_EXECUTABLE = 127, 126
SCRIPT = '#!/bin/busybox sh\necho "$0" "$@"\n'
DIRS = ("bin", "sbin", "usr/bin", "usr/sbin", "opt/own", "opt/other")
OWN = "/opt/own:/usr/bin"
# in one of the directories each, and nowhere else
FILES = {"in-bin": "bin", "in-sbin": "sbin", "in-usr": "usr/bin", "in-usr-sbin": "usr/sbin",
         "in-own": "opt/own", "in-other": "opt/other"}


@pytest.fixture(scope="module")
def root(session_folder, rootfs):
    """/bin and /usr/bin are two directories, as before distributions merged them."""
    folder = os.path.join(session_folder, "unmerged")
    subprocess.run(["cp", "-a", rootfs, folder], check=True)
    for name in ("sbin", "usr/bin", "usr/sbin"):
        os.unlink(os.path.join(folder, name))
    for name in DIRS:
        os.makedirs(os.path.join(folder, name), exist_ok=True)
    for name, place in FILES.items():
        write(folder, f"{place}/{name}")
    write(folder, "usr/bin/both")
    write(folder, "bin/both", mode=0o644)
    os.mkdir(os.path.join(folder, "bin/taken"))
    write(folder, "usr/bin/taken")
    write(folder, "usr/bin/plain", mode=0o644)
    os.symlink("/bin/in-bin", os.path.join(folder, "usr/bin/a-link"))
    os.symlink("../" * 12 + "usr/bin/python3", os.path.join(folder, "usr/bin/outside"))
    os.symlink("/proc/self/exe", os.path.join(folder, "usr/bin/magic"))
    os.mkfifo(os.path.join(folder, "usr/bin/fifo"))
    os.makedirs(os.path.join(folder, "srv/inner/usr/bin"))
    write(folder, "srv/inner/usr/bin/deep")
    shutil.copy(os.path.join(folder, "bin/busybox"), os.path.join(folder, "srv/inner/busybox"))
    os.mkdir(os.path.join(folder, "srv/inner/bin"))
    shutil.copy(os.path.join(folder, "bin/busybox"), os.path.join(folder, "srv/inner/bin/busybox"))
    yield folder
    shutil.rmtree(folder)


def write(folder, path, mode=0o755):
    with open(os.path.join(folder, path), "w", encoding="ascii") as f:
        f.write(SCRIPT)
    os.chmod(os.path.join(folder, path), mode)


@pytest.fixture(scope="module")
def box(sandbox_program, root):
    made = Sandbox(sandbox_program, root, caps="docker", namespaces="all,-user",
                   env=[f"PATH={OWN}"])
    yield made
    made.stop()


FOUND = {
    "/bin/in-usr": "/usr/bin/in-usr", "/usr/bin/in-bin": "/bin/in-bin",
    "/sbin/in-usr-sbin": "/usr/sbin/in-usr-sbin", "/usr/sbin/in-sbin": "/sbin/in-sbin",
    "in-bin": "/bin/in-bin", "/bin/in-own": "/opt/own/in-own", "/sbin/in-usr": "/usr/bin/in-usr",
    "/usr/sbin/in-bin": "/bin/in-bin", "/bin/a-link": "/usr/bin/a-link",
}


@pytest.mark.parametrize("command", FOUND)
def test_what_isnt_there_as_given_is_found_elsewhere(conjoin, box, command):
    done = conjoin.exec(box, command, "a b", options=["-r"])
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{FOUND[command]} a b\n", "")


@pytest.mark.parametrize("command", FOUND)
def test_without_it_the_hint_names_what_would_be_found(conjoin, box, command):
    assert_failed(conjoin.exec(box, command), NOT_FOUND, f"execute {command}",
                  hint=f"hint: {FOUND[command]} exists there: use -r")


@pytest.mark.parametrize("command", [
    "/opt/other/in-own", "/nope", "nope", "./in-own", "bin/in-usr", "in-other", "", "/bin/plain",
    "/bin/outside", "/bin/fifo", "/bin/nope/in-usr", "/bin/in-usr/",
])
def test_what_is_nowhere_to_be_looked_for_is_127_with_and_without(conjoin, box, command):
    for options in ([], ["-r"]):
        done = conjoin.exec(box, command, options=options)
        assert_failed(done, NOT_FOUND, "execute")
        assert "use -r" not in done.stderr


def test_the_link_of_a_process_isnt_followed(conjoin, box):
    """From outside /proc/self/exe would be us."""
    done = conjoin.exec(box, "/bin/magic")
    assert_failed(done, NOT_FOUND)
    assert "use -r" not in done.stderr


def test_what_exists_as_given_is_used_as_given(conjoin, box):
    for options in ([], ["-r"]):
        assert conjoin.exec(box, "/bin/in-bin", options=options).stdout == "/bin/in-bin\n"
        assert conjoin.exec(box, "in-usr", options=options).stdout == "/usr/bin/in-usr\n"
        assert_failed(conjoin.exec(box, "/bin/both", options=options), NOT_EXECUTABLE, "/bin/both")
        assert_failed(conjoin.exec(box, "/bin/taken", options=options), NOT_EXECUTABLE,
                      "/bin/taken", "Is a directory")


def test_the_targets_own_path_counts_where_another_was_asked_for(conjoin, box):
    options = ["-e", "PATH=/nowhere"]
    done = conjoin.exec(box, "in-own", options=[*options, "-r"])
    assert (done.returncode, done.stdout) == (0, "/opt/own/in-own\n")
    assert_failed(conjoin.exec(box, "in-own", options=options), NOT_FOUND,
                  hint="/opt/own/in-own exists there")
    given = conjoin.exec(box, "in-other", options=["-e", "PATH=/opt/other", "-r"])
    assert given.stdout == "/opt/other/in-other\n"


def test_a_target_without_a_path_has_the_usual_one(conjoin, sandbox, root, scratch):
    environment = os.path.join(scratch, "environment")
    with open(environment, "wb") as f:
        f.write(b"NOT_PATH=/x\0")
    box = sandbox(rootfs=root, caps="docker", env_file=environment)
    done = conjoin.exec(box, "/sbin/in-usr", options=["-r"])
    assert (done.returncode, done.stdout) == (0, "/usr/bin/in-usr\n")


def test_what_was_chosen_is_logged_and_in_the_plan(conjoin, box):
    done = conjoin.exec(box, "/bin/in-usr", options=["-r", "-v"])
    lines = [line for line in done.stderr.splitlines() if "/usr/bin/in-usr" in line]
    assert lines == [f"conjoin: exec {box.pid}: command /bin/in-usr: /usr/bin/in-usr, since it isn't"
                     " there as given"]
    plan = json.loads(conjoin.exec(box, "/bin/in-usr", options=["-r", "--dry-run", "--json"]).stdout)
    assert ["/usr/bin/in-usr" in step["reason"] for step in plan["steps"]
            if step["action"] == "choose"] == [True]
    as_given = conjoin.exec(box, "/bin/in-bin", options=["-r", "--dry-run"]).stdout
    assert "choose" not in as_given


def test_it_is_looked_for_beneath_the_root_that_was_asked_for(conjoin, box):
    options = ["--root", "/srv/inner"]
    done = conjoin.exec(box, "/bin/deep", options=[*options, "-r"])
    assert (done.returncode, done.stdout, done.stderr) == (0, "/usr/bin/deep\n", "")
    assert_failed(conjoin.exec(box, "/bin/deep", options=options), NOT_FOUND,
                  hint="/usr/bin/deep exists there")
    assert "use -r" not in conjoin.exec(box, "/bin/in-usr", options=options).stderr


def test_a_name_that_would_move_the_cursor_is_escaped(conjoin, sandbox, root):
    evil = "opt/\x1b[31mred\nhint gone"
    os.makedirs(os.path.join(root, evil))
    write(root, f"{evil}/tool")
    box = sandbox(rootfs=root, caps="docker", namespaces="all,-user", env=[f"PATH=/{evil}"])
    try:
        assert_failed(conjoin.exec(box, "/bin/tool"), NOT_FOUND, hint="\\x1b[31mred\\x0ahint")
        assert conjoin.exec(box, "/bin/tool", options=["-r"]).returncode == 0
    finally:
        shutil.rmtree(os.path.join(root, evil))


def test_a_path_without_end_is_bounded(conjoin, sandbox, root):
    box = sandbox(rootfs=root, caps="docker", env=["PATH=" + ":".join(["/d"] * 30000)])
    assert_failed(conjoin.exec(box, "/bin/nope", options=["-r"]), NOT_FOUND)
    assert conjoin.exec(box, "/bin/in-usr", options=["-r"]).stdout == "/usr/bin/in-usr\n"


@pytest.mark.parametrize("runtime", ["runc", "crun"])
def test_in_containers_of_real_runtimes(request, conjoin, root, runtime):
    def change(config):
        config["root"].update(path=root, readonly=True)

    box = request.getfixturevalue(runtime)(change)
    done = conjoin.exec(box, "/bin/in-usr", options=["-r"])
    assert (done.returncode, done.stdout) == (0, "/usr/bin/in-usr\n")
    assert_failed(conjoin.exec(box, "/bin/in-usr"), NOT_FOUND, hint="/usr/bin/in-usr exists there")
    # the runtime's own exec doesn't look further, so there is something to be found
    assert box.exec("/bin/in-usr").returncode != 0
