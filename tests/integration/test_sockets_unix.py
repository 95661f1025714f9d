# SPDX-License-Identifier: MIT
"""UNIX sockets in a container's file system and net namespace: whatever lies in the way, nothing is
made outside. Not here: TCP (test_sockets.py)."""

import os
import shutil
import socket
import stat
import subprocess

import pytest

from lib.poll import wait_for
from lib.program import TIMEOUT
from lib.sandbox import Sandbox
from lib.sockets import (USER, Done, assert_error, connect, helpers, inside, kill,  # noqa: F401
                         listen, mute, need_fuse, of, run, start, unshared)

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")

MAP = "0 100000 65536"
WAITS = b"request_wait_answer"  # for a FUSE server
SECRET = f"conjoin-test-{os.getpid()}"  # the name of what mustn't appear here


@pytest.fixture(scope="module")
def box(sandbox_program, rootfs):
    """No user namespace of its own: what the test writes into its root belongs to its root."""
    made = Sandbox(sandbox_program, rootfs, namespaces="all,-user", caps="all")
    yield made
    made.stop()


@pytest.fixture
def place(box):
    """A directory of this test in the box: its path there."""
    path = "/run/test"
    os.mkdir(inside(box, path))
    yield path
    shutil.rmtree(inside(box, path))


def make_link(box, path, to):
    os.symlink(to, inside(box, path))


def talk(path, text=b"hello"):
    """What comes back, by a socket of the test's own."""
    with socket.socket(socket.AF_UNIX) as peer:
        peer.settimeout(TIMEOUT)
        peer.connect(path)
        peer.sendall(text)
        peer.shutdown(socket.SHUT_WR)
        return peer.makefile("rb").read()


# --- the file ---

def test_its_file_is_there_and_not_here(box, place, listen):
    server = listen(box, f"unix:{place}/s")
    assert server.addresses == [f"unix:{place}/s"]
    found = os.lstat(inside(box, f"{place}/s"))
    assert stat.S_ISSOCK(found.st_mode) and stat.S_IMODE(found.st_mode) == 0o666
    assert not os.path.lexists(f"{place}/s")
    assert talk(inside(box, f"{place}/s")) == b"hello"
    server.await_peer()
    done = connect(box, f"unix:{place}/s")
    assert (done.status, done.out) == (0, "connected\n"), done


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o777, 0o111])
@pytest.mark.parametrize("umask", [0, 0o77])
def test_its_mode_is_as_was_said_whatever_our_umask_is(box, place, listen, mode, umask):
    listen(box, f"unix:{place}/s", "--mode", f"{mode:o}", umask=umask)
    assert stat.S_IMODE(os.lstat(inside(box, f"{place}/s")).st_mode) == mode


def test_it_belongs_to_the_containers_root(sandbox, listen):
    made = sandbox()
    listen(made, "unix:/run/s")
    found = os.lstat(inside(made, "/run/s"))
    assert (found.st_uid, found.st_gid) == (100000, 100000)


@pytest.mark.parametrize("runtime", ["runc", "crun"])
def test_containers_of_real_runtimes(request, listen, runtime):
    made = request.getfixturevalue(runtime)()
    server = listen(made, "unix:/dev/shm/s")
    assert talk(inside(made, "/dev/shm/s")) == b"hello"
    assert made.exec("stat", "-c", "%u:%g %a", "/dev/shm/s").stdout == "0:0 666\n"
    server.end()
    assert made.exec("ls", "/dev/shm").stdout == ""


def test_an_ordinary_users_own_container(sandbox, listen):
    made = sandbox(user=USER, map_self=True)
    server = listen(made, "unix:/run/s", user=USER)
    assert os.lstat(inside(made, "/run/s")).st_uid == USER
    assert connect(made, "unix:/run/s", user=USER).status == 0
    server.end()
    assert not os.path.lexists(inside(made, "/run/s"))


def test_root_of_an_ordinary_users_container_is_who_has_number_0(unshared, listen, scratch):
    """Also where the user has another number there, as with podman's keep-id."""
    made = unshared("-n", "-m", ids=f"0 100000 {USER}\n{USER} {USER} 1", user=USER)
    os.chmod(scratch, 0o777)
    server = listen(made, f"unix:{scratch}/s", user=USER)
    assert os.lstat(f"{scratch}/s").st_uid == 100000
    server.end()


def test_it_goes_with_the_listener(box, place, listen):
    listen(box, f"unix:{place}/s").end()
    assert os.listdir(inside(box, place)) == []


@pytest.mark.parametrize("by", ["socket", "file", "directory"])
def test_what_has_taken_its_place_stays(box, place, listen, by):
    path = inside(box, f"{place}/s")
    server = listen(box, f"unix:{place}/s")
    os.unlink(path)
    if by == "directory":
        os.mkdir(path)
    elif by == "file":
        os.mknod(path)
    else:
        socket.socket(socket.AF_UNIX).bind(path)
    before = os.lstat(path).st_ino
    server.end()
    assert os.lstat(path).st_ino == before


def test_it_is_gone_already_is_no_matter(box, place, listen):
    server = listen(box, f"unix:{place}/s")
    os.unlink(inside(box, f"{place}/s"))
    server.end()


# --- links ---

LINKS = {  # what to link, to what, where to listen, where that is
    "absolute": ("/run/test/l", "/srv/d", "/run/test/l/s", "/srv/d/s"),
    "relative": ("/run/test/l", "../../srv/d", "/run/test/l/s", "/srv/d/s"),
    "above the root": ("/run/test/l", "../../../../../srv/d", "/run/test/l/s", "/srv/d/s"),
    "dots above the root": (None, None, "/../../../srv/d/s", "/srv/d/s"),
    "dots": (None, None, "/run/../srv/./d//s", "/srv/d/s"),
    "to a link": ("/run/test/l", "/run/test/m", "/run/test/l/s", "/srv/d/s"),
    "root": ("/run/test/l", "/", "/run/test/l/srv/d/s", "/srv/d/s"),
}


@pytest.mark.parametrize("link, to, path, where", LINKS.values(), ids=LINKS)
def test_links_lead_to_where_they_lead_inside(box, place, listen, link, to, path, where):
    os.mkdir(inside(box, "/srv/d"))
    make_link(box, f"{place}/m", "/srv/d")
    if link:
        make_link(box, link, to)
    try:
        server = listen(box, f"unix:{path}")
        assert stat.S_ISSOCK(os.lstat(inside(box, where)).st_mode)
        assert connect(box, f"unix:{path}").status == 0
        server.end()
        assert os.listdir(inside(box, "/srv/d")) == []
    finally:
        shutil.rmtree(inside(box, "/srv/d"))


@pytest.mark.parametrize("to", ["/proc/1/root/tmp", "/proc/1/cwd", "/proc/1/root"])
def test_a_magic_link_leads_nowhere(box, place, to):
    """Where it may be another root's: ours, if it's a process of ours that the link is of."""
    make_link(box, f"{place}/l", to)
    for verb in "listen", "connect":
        assert_error(run(verb, box, f"unix:{place}/l/{SECRET}"), "ELOOP", SECRET)
    assert not os.path.lexists(f"/tmp/{SECRET}") and not os.path.lexists(f"/{SECRET}")
    assert not os.path.lexists(inside(box, f"/tmp/{SECRET}"))


def test_a_link_to_a_socket_of_ours_leads_to_none(box, place, scratch):
    with socket.socket(socket.AF_UNIX) as ours:
        ours.bind(f"{scratch}/s")
        ours.listen()
        make_link(box, f"{place}/l", f"{scratch}/s")
        assert_error(connect(box, f"unix:{place}/l"), "ENOENT")
        assert_error(run("listen", box, f"unix:{place}/l"), "EADDRINUSE")


def test_a_loop_of_links_is_told(box, place):
    make_link(box, f"{place}/l", "l")
    assert_error(run("listen", box, f"unix:{place}/l/s"), "ELOOP")
    assert_error(connect(box, f"unix:{place}/l"), "ELOOP")


# --- what is in the way ---

WAYS = {
    "file": lambda path: os.mknod(path), "directory": os.mkdir, "fifo": os.mkfifo,
    "dangling link": lambda path: os.symlink("nothing", path),
    "link to a file": lambda path: os.symlink("/etc/passwd", path),
    "device": lambda path: os.mknod(path, stat.S_IFCHR | 0o666, os.makedev(1, 3)),
}


@pytest.mark.parametrize("make", WAYS.values(), ids=WAYS)
def test_what_is_no_socket_stays(box, place, make):
    path = inside(box, f"{place}/s")
    make(path)
    before = os.lstat(path)
    assert_error(run("listen", box, f"unix:{place}/s"), "EADDRINUSE", f"{place}/s")
    assert os.lstat(path) == before and os.listdir(inside(box, place)) == ["s"]
    done = connect(box, f"unix:{place}/s")
    assert done.error == ("ENOENT" if make == WAYS["dangling link"] else "ENOTSOCK"), done


def test_one_that_nobody_listens_on_is_replaced(box, place, listen):
    path = inside(box, f"{place}/s")
    listen(box, f"unix:{place}/s").kill()
    stale = os.lstat(path).st_ino
    assert_error(connect(box, f"unix:{place}/s"), "ECONNREFUSED")
    keep = os.open(path, os.O_PATH)  # or the next has its number
    listen(box, f"unix:{place}/s")
    assert os.lstat(path).st_ino != stale
    os.close(keep)
    assert talk(path) == b"hello"


@pytest.mark.parametrize("kind", ["STREAM", "SEQPACKET", "DGRAM"])
def test_one_that_somebody_listens_on_stays(box, place, kind):
    path = inside(box, f"{place}/s")
    with socket.socket(socket.AF_UNIX, getattr(socket, f"SOCK_{kind}")) as theirs:
        theirs.bind(path)
        if kind != "DGRAM":
            theirs.listen(0)
        before = os.lstat(path)
        for _ in range(3):  # and fills its queue
            assert_error(run("listen", box, f"unix:{place}/s"), "EADDRINUSE")
        assert os.lstat(path) == before


def test_who_doesnt_accept_is_waited_for_no_longer_than_was_said(box, place):
    with socket.socket(socket.AF_UNIX) as theirs:
        theirs.bind(inside(box, f"{place}/s"))
        theirs.listen(0)
        before = [start("connect", box, f"unix:{place}/s")]  # and there's no room for another
        assert before[0].stdout.readline() == b"connected\n"
        done = connect(box, f"unix:{place}/s", "--timeout", "300")
        assert_error(done, "ETIMEDOUT")
        assert 0.3 <= done.seconds < 3
        wait_for(lambda: not helpers())
    assert Done(before[0]).error == ""


@pytest.mark.parametrize("path", ["/nosuch/s", "/etc/passwd/s", "/run/nosuch/../s"])
def test_a_directory_that_isnt_one_is_told(box, path):
    done = run("listen", box, f"unix:{path}")
    assert_error(done, "ENOTDIR" if "passwd" in path else "ENOENT", path)
    done = [connect(box, f"unix:{path}") for _ in range(3)]
    assert_error(done[0], "ENOTDIR" if "passwd" in path else "ENOENT", path)
    assert min(one.seconds for one in done) < 0.15  # nobody waits for a target that lives


def test_names_are_as_long_as_the_kernel_takes(box, place, listen):
    name = "n" * 107
    listen(box, f"unix:{place}/{name}")
    assert connect(box, f"unix:{place}/{name}").status == 0
    assert os.listdir(inside(box, place)) == [name]
    assert_error(run("listen", box, f"unix:{place}/{name}n"), "ENAMETOOLONG")
    assert_error(run("listen", box, f"unix:{place}/{256 * 'n'}"), "ENAMETOOLONG")


def test_paths_may_be_much_longer(box, place, listen):
    deep = place + "/directory" * 250
    os.makedirs(inside(box, deep))
    server = listen(box, f"unix:{deep}/s")
    assert server.addresses == [f"unix:{deep}/s"]
    assert connect(box, f"unix:{deep}/s").status == 0
    server.end()
    assert os.listdir(inside(box, deep)) == []


def test_a_read_only_file_system_is_told(box, place, conjoin):
    assert conjoin.exec(box, "mount", "-t", "tmpfs", "-o", "ro", "none", place).returncode == 0
    try:
        assert_error(run("listen", box, f"unix:{place}/s"), "EROFS", f"{place}/s")
    finally:
        conjoin.exec(box, "umount", place)


# --- abstract ones ---

def abstract(pid):
    """Those that a net namespace has."""
    with open(f"/proc/{pid}/net/unix", encoding="utf-8", errors="replace") as f:
        return {line.rstrip("\n").partition(" @")[2] for line in f if " @" in line}


@pytest.mark.parametrize("name", ["conjoin-test", "n" * 107, "a/b c", "@"])
def test_an_abstract_one_is_in_the_net_namespace(box, listen, name):
    server = listen(box, f"unix:@{name}")
    assert server.addresses == [f"unix:@{name}"]
    assert name in abstract(box.pid) and name not in abstract("self")
    assert connect(box, f"unix:@{name}").status == 0
    server.await_peer()
    assert_error(run("listen", box, f"unix:@{name}"), "EADDRINUSE")
    assert_error(connect("-", f"unix:@{name}"), "ECONNREFUSED")
    server.end()
    assert name not in abstract(box.pid)


# --- whose file system ---

@pytest.mark.parametrize("options", [["-m"], ["-m", "-n"]], ids=["our net", "a net of its own"])
def test_the_file_system_is_the_targets_whatever_the_net_is(unshared, listen, options):
    made = unshared(*options)
    subprocess.run(["nsenter", f"--mount=/proc/{made.pid}/ns/mnt", "mount", "-t", "tmpfs", "none",
                    "/srv"], check=True)
    server = listen(made, "unix:/srv/s")
    assert stat.S_ISSOCK(os.lstat(inside(made, "/srv/s")).st_mode)
    assert not os.path.lexists("/srv/s")
    server.end()
    assert os.listdir(inside(made, "/srv")) == []


def test_without_a_target_it_is_ours(listen, scratch):
    server = listen("-", f"unix:{scratch}/s")
    assert talk(f"{scratch}/s") == b"hello"
    assert connect("-", f"unix:{scratch}/s").status == 0
    server.end()
    assert os.listdir(scratch) == []


# --- file systems that never answer ---

@need_fuse
@pytest.mark.parametrize("ids", [None, MAP], ids=["root", "a user namespace"])
@pytest.mark.parametrize("taken", [False, True], ids=["ignores", "takes"])
def test_a_file_system_that_never_answers_is_given_up(unshared, mute, scratch, ids, taken):
    made = unshared("-n", "-m", ids=ids)
    os.mkdir(f"{scratch}/mute")
    server = mute(made, f"{scratch}/mute", taken)
    process = start("listen", made, f"unix:{scratch}/mute/s")
    other = connect(made, f"unix:{scratch}/mute/s", "--timeout", "300")
    assert_error(other, "ETIMEDOUT")
    assert 0.3 <= other.seconds < 1.5
    done = Done(process)
    assert_error(done, "ETIMEDOUT")
    assert done.seconds < 3
    kill(server)  # who couldn't be killed can be now
    wait_for(lambda: not helpers())


@need_fuse
@pytest.mark.parametrize("ids", [None, MAP], ids=["root", "a user namespace"])
def test_who_waits_for_it_ends_with_us(unshared, mute, scratch, ids):
    """kill -9 while a process of ours sits in there."""
    made = unshared("-n", "-m", ids=ids)
    os.mkdir(f"{scratch}/mute")
    mute(made, f"{scratch}/mute")
    for verb in "listen", "connect":
        process = start(verb, made, f"unix:{scratch}/mute/s")
        wait_for(lambda: any(of(pid, "wchan") == WAITS for pid in helpers()))
        kill(process)
        wait_for(lambda: not helpers(), what="the process to end with us")
