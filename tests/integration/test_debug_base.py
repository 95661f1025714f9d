# SPDX-License-Identifier: MIT
"""debug, the host's view: where the target's files are put on hosts of all kinds, what becomes of the
entries that were there; nothing that is mounted shows anywhere else. Each host is a mount namespace of the
test's own. Not here: what the command sees of the target (test_debug.py)."""

import os
import shutil
import time

import pytest

from lib import proc
from lib.held import Held
from lib.host import Host, KeptHost
from lib.sandbox import Sandbox

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")

MANY = 2000
WHERE = 'echo $CONJOIN_ROOT; ls $CONJOIN_ROOT | head -n 1'


@pytest.fixture(scope="module")
def box(sandbox_program, rootfs):
    made = Sandbox(sandbox_program, rootfs, caps="docker")
    yield made
    made.stop()


@pytest.fixture(scope="module")
def shared_box(sandbox_program, rootfs):
    """A container in which mounts spread to whoever is a peer."""
    command = ["sh", "-c", "mount --make-rshared / && exec sleep 100000"]
    made = Sandbox(sandbox_program, rootfs, command)
    yield made
    made.stop()


def where(done):
    assert (done.returncode, done.stderr) == (0, ""), done
    point, first = done.stdout.split("\n")[:2]
    assert first == "bin"
    return point


def covered(mount, *entries):
    """A script: `mount` is an empty file system in memory but for `entries`, lines of shell."""
    return "\n".join([f"mount -t tmpfs -o mode=755 test {mount}", f"cd {mount}", *entries, "cd /"])


# --- which directory ---

def without(*names):
    """A root like ours that lacks some directories: bind mounts of all others."""
    made = ["mount -t tmpfs -o mode=755 root /media", "cd /media"]
    for name in sorted(os.listdir("/")):
        path = "/" + name
        if name in names or name in ("media", "old_root", "lost+found"):
            continue
        if os.path.islink(path):
            made.append(f"ln -s {os.readlink(path)} {name}")
        elif os.path.isdir(path):
            made += [f"mkdir {name}", f"mount --rbind {path} {name}"]
    return "\n".join(made)


AS_ROOT = 'exec chroot /media "$@"'


@pytest.mark.parametrize("lacking, point", [
    ((), "/mnt"), (("mnt",), "/srv"), (("mnt", "srv"), "/run"), (("mnt", "srv", "run"), "/run"),
], ids=str)
def test_it_is_the_first_that_is_there_also_in_a_chroot(lacking, point, conjoin, box):
    """The root of a chroot is no mount point here: a directory of one."""
    script = without(*lacking).replace(
        "root /media\ncd /media", "root /media\nmkdir /media/r\ncd /media/r")
    host = Host(conjoin, f"{script}\ncd /\n" + AS_ROOT.replace("/media", "/media/r"))
    assert where(host.debug(box, "sh", "-c", WHERE)) == f"{point}/conjoin/root"


@pytest.mark.parametrize("lacking, point", [
    (("mnt",), "/srv"), (("mnt", "srv", "run"), "/run")], ids=str)
def test_it_is_the_first_that_is_there_where_the_root_is_a_mount(lacking, point, conjoin, box):
    host = Host(conjoin, f"{without(*lacking)}\ncd /\n{AS_ROOT}")
    assert where(host.debug(box, "sh", "-c", WHERE)) == f"{point}/conjoin/root"
    out = host.debug(box, "ls", "/").stdout.split()
    assert set(out) >= {"bin", "etc", "proc", "usr", "run"} and "mnt" not in out


def test_a_file_isnt_taken_for_a_directory(conjoin, box):
    host = Host(conjoin, f"{without('mnt', 'srv')}\ntouch mnt\nln -s nowhere srv\ncd /\n{AS_ROOT}")
    assert where(host.debug(box, "sh", "-c", WHERE)) == "/run/conjoin/root"


@pytest.mark.parametrize("entry", ["", "mkdir real/volume\nmount -t tmpfs x real/volume"])
def test_a_link_to_a_directory_works_or_isnt_taken(entry, conjoin, box):
    """As where /mnt is a link to var/mnt."""
    script = without("mnt", "srv") + f"\nmkdir real\ntouch real/x\n{entry}\nln -s real mnt"
    host = Host(conjoin, f"{script}\ncd /\n{AS_ROOT}")
    done = host.debug(box, "sh", "-c", WHERE + "; readlink /mnt; ls /mnt/x /real/x")
    assert where(done) in ("/run/conjoin/root", "/mnt/conjoin/root")
    assert done.stdout.split("\n")[2:5] == ["real", "/mnt/x", "/real/x"]


def test_it_works_on_a_root_that_is_read_only(conjoin, box):
    host = Host(conjoin, "mount -o remount,bind,ro /")
    done = host.debug(box, "sh", "-c", WHERE + "; touch /x || echo read-only")
    assert done.stdout == "/mnt/conjoin/root\nbin\nread-only\n"


def test_one_with_very_many_entries_is_passed_over(conjoin, box):
    script = covered("/mnt", f"seq -f d%g {MANY} | xargs mkdir")
    done = Host(conjoin, script).debug(box, "sh", "-c", WHERE + "; ls /mnt | wc -l")
    assert where(done) == "/srv/conjoin/root"
    assert done.stdout.split("\n")[2] == str(MANY)


# --- what was there ---

ENTRIES = [
    "mkdir dir", "echo in dir >dir/file", "echo plain >plain", "chmod 600 plain",
    "ln -s dir/file link", "ln -s /nowhere dangling", "mkfifo -m 622 fifo", "mkdir volume",
    "mount -t tmpfs -o mode=711 volume volume", "echo in volume >volume/file",
    "touch onto", "mount --bind /etc/hostname onto", "mknod null c 1 3",
    "/usr/bin/python3 -c 'import socket; socket.socket(1).bind(\"socket\")'",
    "touch 'a b\nc'", "touch .hidden", "mkdir conjoin", "touch conjoin/old",
]
LOOK = ("cd /mnt; stat -c '%n %F %a %d:%i %s' dir dir/file plain fifo volume volume/file onto null socket"
        " .hidden a*; readlink link dangling; cat link volume/file plain onto")


def test_the_entries_that_were_there_are_there(conjoin, box, scratch):
    """By device and inode: they are the same, not copies."""
    outside = f"{covered('/mnt', *ENTRIES)}\nsh -c \"$LOOK\" >{scratch}/outside"
    env = {**os.environ, "LOOK": LOOK}
    done = Host(conjoin, outside).debug(box, "sh", "-c", LOOK, env=env)
    with open(f"{scratch}/outside", encoding="utf-8") as f:
        wanted = f.read()
    assert wanted.count("\n") == 18
    assert (done.returncode, done.stdout) == (0, wanted)
    assert done.stderr.count("\n") == 1 and "/mnt/conjoin: what was there is hidden" in done.stderr


def test_they_are_written_to_as_before_and_nothing_is_added(conjoin, box):
    script = ("cd /mnt; echo changed >plain; touch dir/new volume/new; cat link; touch new; mkdir x;"
              "rm plain; ls conjoin; echo -n x >fifo & cat fifo; echo y >null && wait")
    done = Host(conjoin, covered("/mnt", *ENTRIES)).debug(box, "sh", "-c", script)
    assert done.returncode == 0 and done.stdout == "in dir\nroot\nx"
    assert done.stderr.count("Read-only file system") == 3  # what covers it: touch, mkdir, rm


def test_the_host_keeps_what_was_written(conjoin, box, scratch):
    os.mkdir(f"{scratch}/mnt")
    os.mkdir(f"{scratch}/mnt/dir")
    host = Host(conjoin, f"mount --bind {scratch}/mnt /mnt")
    done = host.debug(box, "sh", "-c", "echo kept >/mnt/dir/file")
    assert (done.returncode, done.stderr) == (0, "")
    assert os.listdir(f"{scratch}/mnt") == ["dir"]
    with open(f"{scratch}/mnt/dir/file", encoding="ascii") as f:
        assert f.read() == "kept\n"


def test_a_directory_beneath_what_is_covered_is_kept(conjoin, box):
    host = Host(conjoin, covered("/mnt", "mkdir -p dir/deep", "touch dir/deep/file")
                + "\ncd /mnt/dir/deep")
    done = host.debug(box, "sh", "-c", "pwd; ls; cd ../..; ls")
    assert done.stdout == "/mnt/dir/deep\nfile\nconjoin\ndir\n"


# --- nothing spreads ---

VIEWS = {"host": [], "writable": ["--writable"], "target": ["--view", "target"],
         "brought": ["--view", "target", "--bring", "cat"]}


@pytest.mark.parametrize("view", VIEWS)
def test_no_mount_shows_on_the_host_or_in_the_container(view, conjoin, shared_box):
    """Byte by byte: before, during, after. All mounts of both are shared, so it could happen."""
    with KeptHost(conjoin) as host:
        before = host.mountinfo(), shared_box.read("mountinfo", text=False)
        for text in before:
            lines = text.splitlines()
            assert lines and [line for line in lines if b" shared:" not in line] == []
        with Held(host, shared_box, VIEWS[view], verb="debug") as command:
            during = host.mountinfo(), shared_box.read("mountinfo", text=False)
            own = proc.read(command.pid, "mountinfo")
            assert os.stat(f"/proc/{command.supervisor}/ns/mnt").st_ino == host.namespace()
            assert command.ns()["mnt"] not in (host.namespace(), shared_box.ns()["mnt"])
            if view != "target":
                assert b"/conjoin" in own
            assert b" shared:" not in own and b" master:" not in own
            assert command.end() == (0, "")
        after = host.mountinfo(), shared_box.read("mountinfo", text=False)
        assert (before, before) == (during, after)


def test_a_mount_would_show_if_it_spread(conjoin):
    """The test before this one can fail."""
    with KeptHost(conjoin) as host:
        before = host.mountinfo()
        peer = Host(conjoin, propagation="unchanged")
        peer.path = shutil.which("mount")
        with_peer = ["/usr/bin/nsenter", *host.enter, "/usr/bin/unshare", *peer.before, peer.path]
        os.spawnv(os.P_WAIT, with_peer[0], [*with_peer, "-t", "tmpfs", "spread", "/media"])
        assert b" spread " in host.mountinfo() and host.mountinfo() != before


def test_mounts_of_the_command_stay_its_own(conjoin, shared_box):
    with KeptHost(conjoin) as host:
        before = host.mountinfo(), shared_box.read("mountinfo", text=False)
        script = "for i in /media /mnt/conjoin/root/srv; do mount -t tmpfs own $i; done; cat"
        with Held(host, shared_box, ["--writable"], ["sh", "-c", script], verb="debug") as command:
            assert proc.read(command.pid, "mountinfo").count(b" own ") == 2
            assert before == (host.mountinfo(), shared_box.read("mountinfo", text=False))


# --- what never answers ---

MUTE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib/mute_fuse.py")


def mute(directory, ready):
    """Lines of a host script."""
    return (f"mkdir -p {directory}\n/usr/bin/python3 {MUTE} {directory} {ready} &\n"
            f"until [ -e {ready} ]; do sleep 0.01; done")


@pytest.mark.skipif(not os.path.exists("/dev/fuse"), reason="there is no /dev/fuse")
def test_a_dead_mount_in_it_is_no_hindrance(conjoin, box, scratch):
    host = Host(conjoin, "mount -t tmpfs mnt /mnt\n" + mute("/mnt/nfs", f"{scratch}/ready"))
    begin = time.monotonic()
    done = host.debug(box, "sh", "-c", WHERE + "; ls /mnt")
    assert where(done) == "/mnt/conjoin/root" and done.stdout.split()[-2:] == ["conjoin", "nfs"]
    assert time.monotonic() - begin < 10


@pytest.mark.skipif(not os.path.exists("/dev/fuse"), reason="there is no /dev/fuse")
def test_a_dead_mount_isnt_taken(conjoin, box, scratch):
    host = Host(conjoin, mute("/mnt", f"{scratch}/ready"))
    assert where(host.debug(box, "sh", "-c", WHERE)) == "/srv/conjoin/root"


def test_what_was_there_under_our_name_is_hidden_and_that_is_said(conjoin, box):
    host = Host(conjoin, "mount -t tmpfs mnt /mnt\nmkdir /mnt/conjoin\ntouch /mnt/conjoin/x")
    done = host.debug(box, "sh", "-c", "ls /mnt/conjoin")
    assert done.returncode == 0 and done.stdout == "root\n"
    assert "warning: view /mnt/conjoin: what was there is hidden" in done.stderr


def test_a_directory_that_isnt_there_any_more_is_told(conjoin, box):
    done = conjoin.debug(box, "pwd", cwd=f"/proc/{os.getpid()}")
    assert (done.returncode, done.stdout) == (0, "/\n")
    assert f"/proc/{os.getpid()} isn't there, / is the working directory" in done.stderr
