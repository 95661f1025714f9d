# SPDX-License-Identifier: MIT
"""What a command is, as the kernel tells it, is what its target is. Not here: the options that
change a part of it (test_identity_options.py), containers of runtimes (test_runtimes.py)."""

import os
import shutil
import subprocess

import pytest

from lib import proc
from lib.held import Held, differences, portrait, without_own_lines
from lib.program import TOP
from lib.sandbox import Sandbox

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")

RAW_ENTRIES = [b"A=b", b"no equals sign", b"BYTES=\xff\xfe\n\x01", b"", b"A=again", b"=odd",
               b"PATH=/bin:/sbin"]
LIMITS = ["nofile=64:128", "core=0:0", "nproc=500:600", "stack=4194304:8388608",
          "fsize=1000000:2000000", "memlock=65536:65536", "msgqueue=4096:8192", "nice=0:0",
          "rtprio=0:0"]
COPY = ["--seccomp", "copy"]
MATRIX = {
    "root with Docker's capabilities": {"caps": "docker"},
    "a filter and no no_new_privs": {"caps": "docker", "seccomp": "docker-like"},
    "two filters": {"caps": "docker", "seccomp": ["docker-like", "deny:sethostname"]},
    "user with ambient capabilities": {"uid": 1000, "gid": 1001, "groups": "29,2000",
                                       "caps": "docker"},
    "user without": {"uid": 1000, "gid": 1000, "bounding": "docker"},
    "no capabilities at all": {"caps": "none"},
    "inheritable and some ambient": {"caps": "chown,kill", "inheritable": "kill",
                                     "ambient": "kill"},
    "no_new_privs with a filter": {"uid": 1000, "caps": "none", "no_new_privs": True,
                                   "seccomp": "docker-like"},
    "no_new_privs alone": {"no_new_privs": True, "caps": "docker"},
    "no user namespace": {"namespaces": "all,-user", "caps": "docker", "seccomp": "docker-like"},
    "no user namespace, a user": {"namespaces": "all,-user", "uid": 1000, "gid": 1000,
                                  "groups": "29", "caps": "none", "seccomp": "docker-like"},
    "another map": {"map": "200000:1000", "uid": 999, "gid": 998},
    "many groups": {"groups": ",".join(map(str, range(1, 61)))},
    "limits and masks": {"rlimit": LIMITS, "umask": "0137", "oom": 300, "personality": "40000",
                         "timerslack": 123456, "coredump_filter": "5", "caps": "docker"},
    "nice and batch": {"nice": 7, "sched": "batch:0", "ioprio": "be:6", "affinity": 1},
    "real time": {"nice": 6, "sched": "fifo:3", "ioprio": "rt:2", "affinity": 0},
    "idle": {"nice": 4, "sched": "idle:0", "ioprio": "idle:0"},
    "raw environment, other cwd": {"raw": True, "cwd": "/home/app"},
    "chroot inside": {"nested": True, "chroot": "/inner", "cwd": "/tmp", "caps": "docker"},
    "chroot, no user namespace": {"nested": True, "chroot": "/inner",
                                  "namespaces": "all,-user", "caps": "docker"},
    "some namespaces": {"namespaces": "mnt,pid,net", "caps": "docker"},
    "our cgroups": {"no_cgroup": True},
}


@pytest.fixture(scope="module")
def nested(session_folder, rootfs):
    """A root file system with another one below it."""
    folder = os.path.join(session_folder, "nested")
    subprocess.run([os.path.join(TOP, "tests/lib/mkrootfs.sh"), folder], check=True)
    subprocess.run(["cp", "-a", rootfs, os.path.join(folder, "inner")], check=True)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="module", params=list(MATRIX))
def box(request, sandbox_program, rootfs, nested, session_folder):
    options = dict(MATRIX[request.param])
    root = nested if options.pop("nested", False) else rootfs
    if options.pop("raw", False):
        options["env_file"] = os.path.join(session_folder, "raw-environment")
        with open(options["env_file"], "wb") as f:
            f.write(b"\0".join(RAW_ENTRIES) + b"\0")
    made = Sandbox(sandbox_program, root, **options)
    made.how = COPY if "seccomp" in options else []
    made.has_proc = root == rootfs
    yield made
    made.stop()


def test_a_command_is_what_its_target_is(conjoin, box):
    with Held(conjoin, box, box.how) as command:
        found = differences(portrait(box.pid), portrait(command.pid))
    assert found == {}


def test_the_target_is_the_same_after_a_command(conjoin, box):
    before = portrait(box.pid)
    assert conjoin.exec(box, "true", options=box.how).returncode == 0
    assert differences(before, portrait(box.pid)) == {}


def test_what_it_reads_about_itself_is_what_it_reads_about_its_init(conjoin, box):
    if not box.has_proc:
        return  # nothing inside to read
    for name in ("status", "limits", "cgroup", "oom_score_adj", "uid_map", "setgroups"):
        own = conjoin.exec(box, "/bin/cat", f"/proc/self/{name}", options=box.how)
        init = conjoin.exec(box, "/bin/cat", f"/proc/1/{name}", options=box.how)
        assert (own.returncode, init.returncode) == (0, 0), (own.stderr, init.stderr)
        if name == "status":
            own, init = (proc.parse_status(done.stdout) for done in (own, init))
            assert differences(without_own_lines(init), without_own_lines(own)) == {}
        else:
            assert own.stdout == init.stdout
