# SPDX-License-Identifier: MIT
"""What a command is, as the kernel tells it, is what its target is. Not here: the options that
change a part of it (test_identity_options.py), containers of runtimes (test_runtimes.py)."""

import json
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


def test_a_command_is_what_its_target_is_and_the_target_stays_so(conjoin, box):
    before = portrait(box.pid)
    with Held(conjoin, box, box.how) as command:
        found = differences(before, portrait(command.pid))
        assert command.end()[0] == 0
    assert found == {}
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


# --- targets that are no container's first process ---


def test_a_process_that_differs_from_its_container_is_a_target_as_well(conjoin, sandbox):
    """One that was itself changed in every part: a command is like it, not like the container."""
    box = sandbox(caps="docker", seccomp="docker-like")
    changed = ["-u", "app", "-w", "/tmp", "--nice", "9", "--umask", "077", "--ioprio", "idle",
               "--affinity", "0", "--oom-score-adj", "400", "--core-filter", "3", "--scheduler",
               "batch", "--personality", "40000", "--rlimit", "nofile=99", "--timer-slack", "7777",
               "--no-new-privs", "yes", "--cap-add", "kill", "--cap-drop", "chown", "--clear-env",
               "-e", "ONLY=this"]
    with Held(conjoin, box, [*changed, *COPY], ["/bin/cat"]) as target:
        assert len(differences(portrait(box.pid), portrait(target.pid))) > 15
        with Held(conjoin, target, COPY, ["/bin/cat"]) as command:
            assert differences(portrait(target.pid), portrait(command.pid)) == {}


class Changed:
    """A process of ours, changed by `change` between fork and exec."""

    def __init__(self, change, *command):
        self.process = subprocess.Popen(
            [*command, "cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, preexec_fn=change)
        self.process.stdin.write(b"x\n")
        self.process.stdin.flush()
        assert self.process.stdout.readline() == b"x\n"
        self.pid = self.process.pid

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.communicate(timeout=20)


@pytest.mark.parametrize("uids, gids", [
    ((1000, 1000), (0, 0)), ((0, 0), (1000, 1000)), ((1000, 0), (5, 6)), ((1000, 2000), (7, 8)),
    ((0, 1000), (0, 1000)),
])
def test_real_and_effective_ids_that_differ_are_both_taken_on(conjoin, uids, gids):
    def change():
        os.setgroups([3, 1, 2])
        os.setresgid(*gids, gids[1])
        os.setresuid(*uids, uids[1])

    with Changed(change) as target, Held(conjoin, target) as command:
        found = differences(portrait(target.pid), portrait(command.pid))
        assert found == {}


def test_a_root_without_capabilities_gives_a_root_without(conjoin):
    """Kept from them by its securebits, which nobody can read of another process."""
    powerless = ["setpriv", "--securebits", "+noroot,+noroot_locked", "--inh-caps", "-all"]
    with Changed(None, *powerless) as target:
        assert proc.status(target.pid)["CapEff"] == "0" * 16
        with Held(conjoin, target) as command:
            status = proc.status(command.pid)
            found = differences(portrait(target.pid), portrait(command.pid))
    assert {status[name] for name in ("CapPrm", "CapEff", "CapAmb")} == {"0" * 16}
    assert set(found) <= {"status CapBnd"}  # cut, so that execve can't give anything back


def test_a_target_with_the_callers_identity_has_nothing_to_take_on(conjoin):
    with Changed(None) as target:
        with Held(conjoin, target) as command:
            assert differences(portrait(target.pid), portrait(command.pid)) == {}
        done = conjoin.exec(target, "true", options=["--dry-run", "--json"])
    steps = {row["step"] for row in json.loads(done.stdout)["steps"] if row["action"] != "nothing"}
    assert steps <= {"umask", "cwd", "keyring", "environment", "command"}


def test_an_environment_of_two_mebibytes_or_none_is_taken_on(conjoin):
    big = {f"V{i}": "x" * 100000 for i in range(15)}
    for env in (big, {}):
        target = subprocess.Popen(["/bin/cat"], stdin=subprocess.PIPE, env=env)
        try:
            done = conjoin.exec(target.pid, "/bin/cat", "/proc/self/environ", text=False)
            assert done.returncode == 0, done.stderr
            assert done.stdout == proc.read(target.pid, "environ")
        finally:
            target.communicate()


def test_what_a_target_has_changed_meanwhile_is_what_counts(conjoin, sandbox):
    """Nothing is kept from one command to the next."""
    box = sandbox(caps="docker")
    for nice in (11, 12):
        os.setpriority(os.PRIO_PROCESS, box.pid, nice)
        with Held(conjoin, box) as command:
            assert os.getpriority(os.PRIO_PROCESS, command.pid) == nice
