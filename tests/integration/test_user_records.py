# SPDX-License-Identifier: MIT
"""Users who give processes that aren't theirs the names of containers: what root asks for by name
is never one of these. Not here: what users' files do to who reads them (test_user_files.py)."""

import json
import os
import shutil
import signal
import subprocess

import pytest

from lib import proc
from lib.fixtures import numbers
from lib.poll import wait_for
from lib.program import as_user, clean_env

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")

FAILED = 125
USER = 54321
RUNTIME = f"/run/user/{USER}"
HIERARCHIES = ("", "name=systemd")
TRAP = "ls"
ALONE = ("/usr/bin/unshare", "--user", "--map-root-user", "/usr/bin/sleep", "100000")


@pytest.fixture
def runtime():
    """The user's runtime directory, as pam_systemd makes it."""
    if os.path.exists(RUNTIME):
        pytest.skip(f"{RUNTIME} is somebody's")
    os.makedirs(RUNTIME, mode=0o700)
    os.chown(RUNTIME, USER, USER)
    yield RUNTIME
    shutil.rmtree(RUNTIME)


@pytest.fixture
def places():
    """place(): a directory of the user's own where programs may be setuid."""
    made = []

    def make():
        path = f"/var/tmp/conjoin-test-{os.getpid()}-{next(numbers)}"
        os.mkdir(path, 0o755)
        made.append(path)
        os.chown(path, USER, USER)
        return path

    yield make
    for path in made:
        shutil.rmtree(path)


@pytest.fixture
def start():
    """start(COMMAND, …): a process of the user's, by its number."""
    made = []

    def begin(*command, **more):
        more = {**as_user(USER), "env": clean_env(), **more}
        more = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "cwd": "/", **more}
        child = subprocess.Popen(command, **more)
        made.append(child)
        return child.pid

    yield begin
    for child in made:
        child.kill()
        child.wait()


@pytest.fixture
def setuid_sleep(places, start):
    """A process with the user's uid and environment, and root's euid: (its number, the file that a
    command from the user's PATH would make)."""
    place = places()
    program, mark = os.path.join(place, "sleep"), os.path.join(place, "mark")
    shutil.copyfile("/usr/bin/sleep", program)
    os.chown(program, 0, 0)
    os.chmod(program, 0o4755)
    trap = os.path.join(place, TRAP)
    with open(trap, "w", encoding="ascii") as f:
        f.write(f"#!/bin/sh\nid -u > {mark}\n")
    os.chmod(trap, 0o755)
    pid = start(program, "100000", env={"PATH": place})
    wait_for(lambda: uids(pid) == [USER, 0, 0, 0], what="a setuid process")
    return pid, mark


def uids(pid):
    return [int(word) for word in proc.status(pid)["Uid"].split()]


def record(name, pid):
    """A status of crun's, which the user has written."""
    folder = os.path.join(RUNTIME, "crun", name)
    os.makedirs(folder)
    with open(os.path.join(folder, "status"), "w", encoding="ascii") as f:
        json.dump({"pid": pid, "process-start-time": proc.start_time(pid), "bundle": "/nowhere"}, f)
    for path in (os.path.dirname(folder), folder, os.path.join(folder, "status")):
        os.chown(path, USER, USER)


def a_name():
    return f"conjoin-test-{os.getpid()}-{next(numbers)}"


def refuses(conjoin, target, word=None):
    done = conjoin.run("exec", target, TRAP)
    assert (done.returncode, done.stdout) == (FAILED, ""), done
    if word:
        assert word in done.stderr, done.stderr


@pytest.mark.parametrize("scheme", ("", "oci:"))
def test_a_setuid_process_is_not_its_users(conjoin, runtime, setuid_sleep, scheme):
    pid, mark = setuid_sleep
    name = a_name()
    record(name, pid)
    refuses(conjoin, scheme + name, "isn't that user's")
    assert not os.path.exists(mark)


@pytest.mark.parametrize("scheme", ("", "oci:"))
def test_a_process_of_roots_container_with_that_uid_is_not(conjoin, sandbox, runtime, scheme):
    box = sandbox(uid=USER, namespaces="all,-user")
    assert uids(box.pid) == [USER] * 4
    name = a_name()
    record(name, box.pid)
    refuses(conjoin, scheme + name, "isn't that user's")


@pytest.mark.parametrize("scheme", ("", "oci:"))
def test_an_ordinary_process_of_the_user_is_no_container(conjoin, runtime, start, scheme):
    name = a_name()
    record(name, start("/usr/bin/sleep", "100000"))
    refuses(conjoin, scheme + name, "isn't that user's")


@pytest.mark.parametrize("scheme", ("", "oci:"))
def test_a_process_in_a_user_namespace_of_the_user_is(conjoin, runtime, start, scheme):
    pid = start(*ALONE)
    own = proc.namespaces(os.getpid())["user"]
    wait_for(lambda: proc.namespaces(pid)["user"] != own, what="a user namespace")
    wait_for(lambda: proc.read(pid, "comm") == b"sleep\n", what="the command in it")
    name = a_name()
    record(name, pid)
    done = conjoin.run("exec", scheme + name, "readlink", "/proc/self/ns/user")
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"user:[{proc.namespaces(pid)['user']}]\n"


def test_few_files_do_not_make_a_container_stopped(conjoin, runtime, start):
    """What can't be found out is an error, and never said to be something else."""
    pid = start(*ALONE)
    wait_for(lambda: proc.read(pid, "comm") == b"sleep\n", what="the command in it")
    name = a_name()
    record(name, pid)
    few = 0
    for limit in range(4, 40):
        done = subprocess.run(["prlimit", f"--nofile={limit}", conjoin.path, "exec", f"oci:{name}",
                               "true"], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              env=clean_env(), timeout=60)
        if done.returncode == 0:
            break
        assert "isn't that user's" not in done.stderr and "another one" not in done.stderr
        assert "stopped" not in done.stderr, done.stderr
        few += "Too many open files" in done.stderr
    assert done.returncode == 0 and few > 0


# --- a watcher that isn't one ---


FAKE_NSPAWN = r"""
import ctypes, os, signal, sys
CLONE_NEWUSER, CLONE_NEWPID = 0x10000000, 0x20000000
libc = ctypes.CDLL(None, use_errno=True)
child = libc.syscall(56, CLONE_NEWUSER | CLONE_NEWPID | signal.SIGCHLD, None, None, None, None)
if child == 0:
    libc.prctl(1, signal.SIGKILL)
    os.execv("/usr/bin/sleep", ["sleep", "100000"])
for name, text in ("setgroups", "deny"), ("uid_map", f"0 {os.getuid()} 1"), \
        ("gid_map", f"0 {os.getgid()} 1"):
    with open(f"/proc/{child}/{name}", "w") as f:
        f.write(text)
os.execv(sys.argv[1], ["systemd-nspawn", *sys.argv[2:]])
"""


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="the number of clone(2)")
@pytest.mark.parametrize("becomes", ("effective", "wholly"))
def test_a_setuid_program_called_nspawn_is_not_nspawn(conjoin, places, start, becomes):
    """systemd-nspawn is a link to a setuid program, which the user gives a child beforehand."""
    place, name = places(), a_name()
    program, link = os.path.join(place, "program"), os.path.join(place, "systemd-nspawn")
    shutil.copyfile("/usr/bin/python3", program)
    os.chown(program, 0, 0)
    os.chmod(program, 0o4755)
    os.symlink("program", link)
    script = os.path.join(place, "script")
    with open(script, "w", encoding="ascii") as f:
        f.write("import os, sys, time\n"
                "if sys.argv[1] == 'wholly': os.setresuid(0, 0, 0)\n"
                "time.sleep(100000)\n")
    # the first argument is no option, so the name is that of the directory
    folder = os.path.join(place, name)
    os.mkdir(folder)
    pid = start("/usr/bin/python3", "-c", FAKE_NSPAWN, link, script, becomes, cwd=folder)
    wanted = [0] * 4 if becomes == "wholly" else [USER, 0, 0, 0]
    wait_for(lambda: proc.read(pid, "comm") == b"systemd-nspawn\n" and uids(pid) == wanted,
             what="a setuid program")
    wait_for(lambda: proc.children(pid), what="its child")
    try:
        refuses(conjoin, f"machine:{name}", name)
    finally:
        for child in proc.children(pid):
            os.kill(child, signal.SIGKILL)


# --- cgroups that have a container's name ---


@pytest.fixture(params=HIERARCHIES, ids=("v2", "v1"))
def cgroups(request):
    """put(PATH, PID): a process in a cgroup at that path, gone afterwards."""
    top = proc.cgroup_directory(request.param, "/")
    if not top:
        pytest.skip("there's no such hierarchy here")
    made, moved = [], []

    def put(path, pid):
        full = top
        for part in path.split("/"):
            full = os.path.join(full, part)
            if not os.path.isdir(full):
                os.mkdir(full)
                made.append(full)
        with open(os.path.join(full, "cgroup.procs"), "w", encoding="ascii") as f:
            f.write(str(pid))
        moved.append(pid)

    yield put
    for pid in moved:
        with open(os.path.join(top, "cgroup.procs"), "w", encoding="ascii") as f:
            f.write(str(pid))
    for path in reversed(made):
        wait_for(lambda path=path: removed(path), what=f"rmdir {path}")


def removed(path):
    try:
        os.rmdir(path)
    except OSError:
        return False
    return True


def an_id():
    """Of a container that no engine knows."""
    return f"cafe{os.getpid():028x}{next(numbers):032x}"


BELOW = (f"user@{USER}.service/docker-{{}}.scope",
         f"user-{USER}.slice/docker-{{}}.scope",
         f"user@{USER}.service/user@0.service/docker-{{}}.scope",
         "conjoin_test_x.service/docker-{}.scope",
         "conjoin_test_x.service/docker/{}")


@pytest.mark.parametrize("path", BELOW)
def test_a_setuid_process_in_a_cgroup_called_so_is_no_container(conjoin, setuid_sleep, cgroups,
                                                                 path):
    pid, mark = setuid_sleep
    name = an_id()
    cgroups(path.format(name), pid)
    for target in (name, name[:60], f"docker:{name}", f"docker:{name[:60]}"):
        refuses(conjoin, target)
    assert not os.path.exists(mark)


def test_a_unit_of_a_users_manager_may_not_have_more_rights(conjoin, setuid_sleep, cgroups):
    pid, mark = setuid_sleep
    unit = f"{a_name()}.service"
    cgroups(f"user@{USER}.service/{unit}", pid)
    refuses(conjoin, f"unit:{unit}", "isn't that user's")
    assert not os.path.exists(mark)


UNTRACEABLE = ("import ctypes, time; ctypes.CDLL(None).prctl(4, 0); print('', flush=True); "
               "time.sleep(1e5)")


@pytest.mark.parametrize("command", (UNTRACEABLE, UNTRACEABLE.replace("prctl(4, 0)", "getpid()")),
                         ids=("not dumpable", "dumpable"))
def test_a_unit_of_a_users_manager_must_be_what_the_user_can_trace(conjoin, start, cgroups,
                                                                   command):
    """A set-id program that has given its ids up may still hold what it has opened before."""
    reader, writer = os.pipe()
    with open(reader, "rb") as ready:
        pid = start("/usr/bin/python3", "-c", command, stdout=writer)
        os.close(writer)
        assert ready.readline()
    unit = f"{a_name()}.service"
    cgroups(f"user@{USER}.service/{unit}", pid)
    if "prctl" in command:
        refuses(conjoin, f"unit:{unit}", "isn't that user's")
    else:
        done = conjoin.run("exec", f"unit:{unit}", "id", "-u")
        assert (done.returncode, done.stdout) == (0, f"{USER}\n"), done


def test_below_a_container_nothing_is_another_one(conjoin, sandbox, cgroups):
    box = sandbox()
    outer, inner = an_id(), an_id()
    cgroups(f"conjoin_test_x.slice/docker-{outer}.scope/docker-{inner}.scope", box.pid)
    refuses(conjoin, inner)
    done = conjoin.run("exec", outer, "readlink", "/proc/self/ns/pid")
    assert (done.returncode, done.stdout) == (0, f"pid:[{box.ns()['pid']}]\n"), done


def test_what_runs_in_a_users_cgroup_as_the_user_is_found(conjoin, start, cgroups):
    """Of a rootless engine that nobody answers for."""
    pid = start(*ALONE)
    wait_for(lambda: proc.read(pid, "comm") == b"sleep\n", what="the command in it")
    name = an_id()
    cgroups(f"user@{USER}.service/user.slice/libpod-{name}.scope/container", pid)
    for target in (name, f"podman:{name[:60]}"):
        done = conjoin.run("exec", target, "readlink", "/proc/self/ns/user")
        assert done.returncode == 0, done.stderr
        assert done.stdout == f"user:[{proc.namespaces(pid)['user']}]\n"


@pytest.mark.parametrize("digits", (11, 12))
def test_a_bare_word_needs_as_many_digits_as_engines_show(conjoin, sandbox, cgroups, digits):
    box = sandbox()
    name = f"c{os.getpid():06x}{next(numbers):05x}" + "c" * 52
    cgroups(f"conjoin_test_x.slice/docker-{name}.scope", box.pid)
    done = conjoin.run("exec", name[:digits], "true")
    assert done.returncode == (0 if digits == 12 else FAILED), done
