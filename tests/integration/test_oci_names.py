# SPDX-License-Identifier: MIT
"""oci:ID with the real runc and crun: which container is meant, and what is said of one that can't be
entered. Not here: what a command in it is like (test_runtimes.py)."""

import json
import os
import shutil
import signal
import time

import pytest

from lib import proc
from lib.fixtures import numbers
from lib.host import Host
from lib.poll import wait_for

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")

FAILED = 125
RUNTIMES = ("runc", "crun")
USER, OTHER = 54321, 54322
MUTE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib/mute_fuse.py")


@pytest.fixture(params=RUNTIMES)
def factory(request):
    return request.getfixturevalue(request.param)


def pid_ns(conjoin, target, *options):
    """The pid namespace that a command in it is in."""
    done = conjoin.run("exec", *options, target, "readlink", "/proc/self/ns/pid")
    assert done.returncode == 0, done.stderr
    return int(done.stdout.strip()[len("pid:["):-1])


def fails(conjoin, target, *words):
    done = conjoin.run("exec", target, "true")
    assert done.returncode == FAILED
    assert done.stdout == ""
    for word in words:
        assert word in done.stderr, done.stderr
    return done.stderr


@pytest.fixture
def record():
    """record(ID, text): state.json of a container that runc never made."""
    made = []

    def make(name, text):
        folder = os.path.join("/run/runc", name)
        os.makedirs(folder, mode=0o711)
        made.append(folder)
        with open(os.path.join(folder, "state.json"), "w", encoding="ascii") as f:
            f.write(text)

    yield make
    for folder in made:
        shutil.rmtree(folder)


def runc_record(pid, start):
    return json.dumps({"init_process_pid": pid, "init_process_start": start,
                       "config": {"labels": ["bundle=/nowhere"]}})


def unused_name():
    return f"conjoin-test-{os.getpid()}-x{next(numbers)}"


def test_an_id_a_unique_beginning_and_the_bare_word_are_the_container(conjoin, factory):
    box = factory()
    inode = box.ns()["pid"]
    for target in (f"oci:{box.name}", f"oci:{box.name[:-1]}", box.name):
        if target != f"oci:{box.name[:-1]}" or not other_begins_with(box.name[:-1], box.name):
            assert pid_ns(conjoin, target) == inode


def other_begins_with(beginning, name):
    """Records of other tests of this run, which are numbered in the same manner."""
    folders = [f for f in ("/run/runc", "/run/crun") if os.path.isdir(f)]
    return any(one != name and one.startswith(beginning)
               for folder in folders for one in os.listdir(folder))


def test_inspect_tells_the_id_and_the_bundle(conjoin, factory):
    box = factory()
    done = conjoin.run("inspect", "--json", f"oci:{box.name}")
    assert done.returncode == 0, done.stderr
    assert box.name in done.stdout and box.bundle in done.stdout
    json.loads(done.stdout)


def test_several_that_begin_so_are_listed(conjoin, runc):
    one, two = runc(), runc()
    beginning = os.path.commonprefix([one.name, two.name])
    text = fails(conjoin, f"oci:{beginning}", "several", one.name, two.name)
    assert str(one.pid) in text and str(two.pid) in text


def test_the_whole_id_wins_over_a_longer_one(conjoin, runc, record):
    box = runc()
    record(box.name + "0", runc_record(os.getpid(), proc.start_time(os.getpid())))
    assert pid_ns(conjoin, f"oci:{box.name}") == box.ns()["pid"]


def test_one_that_was_not_started_is_created(conjoin, factory):
    box = factory()
    box.call("delete", "--force", box.name)
    wait_for(lambda: not box.alive(), what="its end")
    box.call("create", "--bundle", box.bundle, "--pid-file", os.path.join(box.bundle, "pid"),
             box.name)
    with open(os.path.join(box.bundle, "pid"), encoding="ascii") as f:
        box.pid = int(f.read())
    fails(conjoin, f"oci:{box.name}", "is created")
    box.call("start", box.name)
    assert pid_ns(conjoin, f"oci:{box.name}") == box.ns()["pid"]


def test_one_that_has_ended_is_stopped(conjoin, factory):
    box = factory()
    os.kill(box.pid, signal.SIGKILL)
    wait_for(lambda: not box.alive(), what="its end")
    fails(conjoin, f"oci:{box.name}", "is stopped")


def test_a_paused_one_is_seen_and_not_entered(conjoin, runc):
    box = runc()
    box.call("pause", box.name)
    try:
        fails(conjoin, f"oci:{box.name}", "paused")
        done = conjoin.run("inspect", f"oci:{box.name}")
        assert done.returncode == 0, done.stderr
    finally:
        box.call("resume", box.name)
    assert pid_ns(conjoin, f"oci:{box.name}") == box.ns()["pid"]


def test_after_a_restart_the_new_one_is_meant(conjoin, factory):
    box = factory()
    before = box.ns()["pid"], box.pid
    box.call("delete", "--force", box.name)
    wait_for(lambda: not box.alive(), what="its end")
    box.call("run", "--detach", "--bundle", box.bundle, "--pid-file",
             os.path.join(box.bundle, "pid"), box.name)
    with open(os.path.join(box.bundle, "pid"), encoding="ascii") as f:
        box.pid = int(f.read())
    assert box.pid != before[1]
    assert pid_ns(conjoin, f"oci:{box.name}") == box.ns()["pid"]


def test_a_recycled_number_is_not_believed(conjoin, sandbox, record):
    box, name = sandbox(), unused_name()
    record(name, runc_record(box.pid, proc.start_time(box.pid) - 1))
    fails(conjoin, f"oci:{name}", "is stopped")


BROKEN = ("", "{", "[]", "{}", '{"init_process_pid": "1"}', '{"init_process_pid": 1}',
          '{"init_process_pid": -1, "init_process_start": 1}',
          '{"init_process_pid": 1099511627776, "init_process_start": 1}')


@pytest.mark.parametrize("text", BROKEN)
def test_a_broken_record_names_nothing(conjoin, record, text):
    name = unused_name()
    record(name, text)
    fails(conjoin, f"oci:{name}", name)


@pytest.mark.parametrize("word", ("", ".", "..", "../x", "a/b", "a b", "\x1b[31mred", "%s%n",
                                  "x" * 4096))
def test_what_is_no_id_is_refused_in_words(conjoin, word):
    text = fails(conjoin, f"oci:{word}")
    assert "\x1b" not in text
    assert text.count("\n") <= 2


def test_nobody_else_may_look(conjoin, runc, unprivileged):
    box = runc()
    done = unprivileged([conjoin.path, "exec", f"oci:{box.name}", "true"])
    assert done.returncode == FAILED
    assert "Permission denied" in done.stderr or "EACCES" in done.stderr


# --- users' containers, in a /run of our own ---


def crun_status(pid, start=None):
    return json.dumps({"pid": pid, "process-start-time": start or proc.start_time(pid),
                       "bundle": "/nowhere"})


def user_host(conjoin, scratch, status, more=""):
    """A host where USER has a container "web", with that status."""
    path = os.path.join(scratch, "status")
    with open(path, "w", encoding="ascii") as f:
        f.write(status)
    runtime = f"/run/user/{USER}"
    return Host(conjoin, f"mount -t tmpfs run /run\nmkdir -p {runtime} /run/user/{OTHER}\n"
                         f"mount -t tmpfs -o mode=700,uid={USER} user {runtime}\n"
                         f"mkdir -p {runtime}/crun/web\ncp {path} {runtime}/crun/web/status\n"
                         f"chown -R {USER} {runtime} /run/user/{OTHER}\n" + more)


def test_root_finds_a_users_container(conjoin, sandbox, scratch):
    box = sandbox(user=USER)
    assert pid_ns(user_host(conjoin, scratch, crun_status(box.pid)), "oci:web") == box.ns()["pid"]


def test_a_user_cannot_name_anothers_process(conjoin, sandbox, scratch):
    box = sandbox()
    fails(user_host(conjoin, scratch, crun_status(box.pid)), "oci:web", "isn't that user's")


@pytest.mark.skipif(not os.path.exists("/dev/fuse"), reason="there is no /dev/fuse")
@pytest.mark.parametrize("place", ("{runtime}", "{runtime}/crun", "{runtime}/crun/web"))
def test_what_a_user_mounts_never_makes_root_wait(conjoin, sandbox, scratch, place):
    box = sandbox(user=USER)
    ready = os.path.join(scratch, "ready")
    place = place.format(runtime=f"/run/user/{USER}")
    host = user_host(conjoin, scratch, crun_status(box.pid),
                     f"/usr/bin/python3 {MUTE} {place} {ready} &\n"
                     f"until [ -e {ready} ]; do sleep 0.01; done")
    begin = time.monotonic()
    fails(host, "oci:web", "web")
    assert time.monotonic() - begin < 10


def test_a_link_of_a_user_is_not_followed(conjoin, sandbox, scratch):
    box = sandbox(user=USER)
    host = user_host(conjoin, scratch, crun_status(box.pid),
                     f"cd /run/user/{USER}/crun/web\nmv status ..\nln -s ../status status")
    fails(host, "oci:web", "web")
