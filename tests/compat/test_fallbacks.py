# SPDX-License-Identifier: MIT
"""What the program does on a kernel, or in a container, that lacks a call: each test takes calls away
with deny.py. Either there is a fall-back, and then nothing may be different; or the failure names the
step. docs/KERNEL.md has a row for each call."""

import json
import os
import re
import resource
import sys

import pytest

from lib import proc
from lib.failure import assert_failed
from lib.fixtures import need_root
from lib.held import Held, differences, portrait
from lib.program import Conjoin
from lib.sandbox import Sandbox

DENY = os.path.join(os.path.dirname(os.path.abspath(__file__)), "deny.py")
MFD_EXEC, NS_GET_OWNER_UID, TIOCGPTPEER = 0x10, 0xB704, 0x5441
# Whole calls are left to LeakSanitizer, which has its own clone and its own ptrace.
CLONE_VM, CLONE_PIDFD = 0x100, 0x1000
PTRACE_SEIZE, PTRACE_SECCOMP_GET_FILTER = 0x4206, 0x420C
KINDS = {
    "mnt": 0x20000, "cgroup": 0x2000000, "uts": 0x4000000, "ipc": 0x8000000, "user": 0x10000000,
    "pid": 0x20000000, "net": 0x40000000, "time": 0x80,
}


class Denied(Conjoin):
    """The program behind deny.py, in the same process."""

    def __init__(self, conjoin, *rules):
        super().__init__(conjoin.path)
        self.before = ["/usr/bin/python3", DENY, *rules, "--", conjoin.path]

    def run(self, *args, **more):
        return Conjoin(self.before[0]).run(*self.before[1:], *args, **more)

    def popen(self, *args, **more):
        return Conjoin(self.before[0]).popen(*self.before[1:], *args, **more)


@pytest.fixture(scope="module", autouse=True)
def as_root():
    need_root()


@pytest.fixture(scope="module")
def box(sandbox_program, rootfs):
    """In all namespaces and cgroups, with a user, keys and limits of its own."""
    box = Sandbox(
        sandbox_program, rootfs, uid=1000, gid=1000, groups="29,2000", caps="none",
        bounding="docker", cwd="/home/app", umask="027", nice=3, rlimit=["nofile=100:200"],
    )
    yield box
    box.stop()


@pytest.fixture(scope="module")
def rooted(sandbox_program, rootfs):
    """In our own user namespace: its root could write to our program."""
    box = Sandbox(sandbox_program, rootfs, namespaces="all,-user")
    yield box
    box.stop()


# Seccomp and Seccomp_filters are deny.py's own filter, which conjoin can't take off.
OF_THE_FILTER = {"status Seccomp", "status Seccomp_filters"}


def assert_takes_on_everything(denied, box):
    with Held(denied, box) as held:
        found = differences(portrait(box.pid), portrait(held.pid))
        assert {key: found[key] for key in found.keys() - OF_THE_FILTER} == {}
        assert held.end()[0] == 0


def all_joined(box):
    ours = proc.namespaces()
    return sum(KINDS[kind] for kind, inode in box.ns().items() if inode != ours[kind])


@pytest.mark.parametrize("rules", [
    ["clone3=ENOSYS"],
    ["clone3=EPERM"],
    ["keyctl=ENOSYS"], ["keyctl=EPERM"],
    [f"ioctl[1]={NS_GET_OWNER_UID:#x}:ENOTTY"],
    ["openat2=ENOSYS"],
    [f"ptrace[0]={PTRACE_SEIZE:#x}:EPERM", "seccomp=ENOSYS"],
], ids=" ".join)
def test_everything_is_taken_on_all_the_same_without(rules, conjoin, box):
    assert_takes_on_everything(Denied(conjoin, *rules), box)


@pytest.mark.parametrize("code", ["EINVAL", "EPERM"])
def test_namespaces_are_joined_one_by_one_where_one_call_cant(code, conjoin, box):
    rule = f"setns[1]={all_joined(box):#x}:{code}"
    assert_takes_on_everything(Denied(conjoin, rule), box)


@pytest.mark.parametrize("rule", ["clone3=ENOSYS", "clone3=EPERM"])
def test_a_cgroup_of_its_own_is_joined_where_the_command_cant_be_born_in_it(rule, conjoin, box):
    denied = Denied(conjoin, rule)
    done = denied.exec(box, "cat", "/proc/self/cgroup",
                       options=["--cgroup", "own", "--namespaces", "all,-cgroup"])
    assert done.returncode == 0, done
    unified = next(line for line in done.stdout.splitlines() if line.startswith("0::"))
    assert re.fullmatch(r"0::.*/conjoin/\d+:s?\d+\.\d+\.[0-9a-f]+", unified), unified


def exe_of_supervisor(denied, box):
    with Held(denied, box) as held:
        return os.readlink(f"/proc/{held.supervisor}/exe")


def test_the_program_has_no_need_to_run_from_elsewhere(conjoin, rooted):
    assert exe_of_supervisor(conjoin, rooted) == conjoin.path


NO_PROGRAMS_FROM_MEMORY = [  # the last is what vm.memfd_noexec=2 does
    ["memfd_create=ENOSYS"],
    ["memfd_create=EPERM"],
    [f"memfd_create[1]&{MFD_EXEC:#x}:EACCES"],
    ["clone3=ENOSYS", f"clone[0]={CLONE_VM | CLONE_PIDFD:#x}:EINVAL"],  # as emulators do
]


@pytest.mark.parametrize("rules", NO_PROGRAMS_FROM_MEMORY, ids=" ".join)
def test_the_program_runs_from_a_read_only_clone_of_its_file_without(rules, conjoin, rooted):
    denied = Denied(conjoin, *rules)
    assert exe_of_supervisor(denied, rooted) == "/"
    assert_takes_on_everything(denied, rooted)


@pytest.mark.parametrize("limit", [0, 10000, 61440])
def test_a_limit_on_files_that_the_stages_program_doesnt_fit_does_no_harm(limit, conjoin, box):
    """Writing beyond it is a SIGXFSZ, in memory as well."""
    done = conjoin.exec(box, "echo", "ran", preexec_fn=lambda: resource.setrlimit(
        resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY)))
    assert (done.returncode, done.stdout, done.stderr) == (0, "ran\n", "")


@pytest.mark.parametrize("rule, reason", [
    ("memfd_create=EMFILE", "Too many open files"), ("execveat=ENOMEM", "Cannot allocate memory"),
])
def test_what_fails_for_the_moment_is_no_reason_to_do_without(rule, reason, conjoin, rooted):
    assert_failed(Denied(conjoin, rule).exec(rooted, "true"), 125, reason)


def test_the_stages_program_that_dies_early_says_why(conjoin, box):
    assert_failed(Denied(conjoin, "pread64=EIO").exec(box, "true"), 125, "start the stage process",
                  "Input/output error")


def test_the_stages_program_is_made_where_files_in_memory_have_no_flag_for_it(conjoin, rooted):
    denied = Denied(conjoin, f"memfd_create[1]&{MFD_EXEC:#x}:EINVAL")
    assert exe_of_supervisor(denied, rooted) == conjoin.path
    assert_takes_on_everything(denied, rooted)


@pytest.mark.parametrize("rules", [
    ["execveat=ENOSYS"],
    ["execveat=EPERM"],
    ["open_tree=ENOSYS", "memfd_create=ENOSYS"],
    ["open_tree=EPERM", "memfd_create=ENOSYS"],
    ["mount_setattr=ENOSYS", "memfd_create=EPERM"],
    ["mount_setattr=EINVAL", "memfd_create=EPERM"],
], ids=" ".join)
def test_the_program_enters_nothing_that_could_write_to_it(rules, conjoin, rooted):
    assert_failed(
        Denied(conjoin, *rules).exec(rooted, "true"), 125, "seal our own executable"
    )


@pytest.mark.parametrize("rule", ["execveat=ENOSYS", "memfd_create=EPERM"])
def test_no_seal_is_needed_where_the_programs_owner_isnt_mapped(rule, conjoin, box):
    assert Denied(conjoin, rule).exec(box, "true").returncode == 0


@pytest.mark.parametrize("rules, step", [
    (["pidfd_open=ENOSYS"], "open process"),
    (["setns=ENOSYS"], "join "),
    (["setns=EPERM"], "join "),
    ([f"setns[1]={KINDS['net']:#x}:EPERM", "setns[1]&0x20000000:EPERM"], "namespace"),
    (["close_range=ENOSYS"], "close the caller's files"),
    (["keyctl[0]=1:EPERM"], "make a session keyring"),
    (["clone3=ENOSYS", f"clone[0]={CLONE_VM | CLONE_PIDFD:#x}:EPERM",
      f"clone[0]={CLONE_PIDFD:#x}:EPERM"], "make the stage process"),
    (["ioprio_get=ENOSYS"], "ioprio"),
    (["statx=ENOSYS"], "read the target's root"),
    (["fstatfs=ENOSYS"], "/proc"),
], ids=lambda value: " ".join(value) if isinstance(value, list) else "")
def test_a_step_that_cant_be_taken_is_named(rules, step, conjoin, box):
    assert_failed(Denied(conjoin, *rules).exec(box, "true"), 125, step)


@pytest.mark.parametrize("rule, part", [
    ("keyctl[0]=1:EPERM", "keyring"), ("ioprio_get=ENOSYS", "ioprio"), ("capset=EPERM", "capabilities"),
])
def test_a_part_that_cant_be_taken_on_can_be_skipped(rule, part, conjoin, box):
    denied = Denied(conjoin, rule)
    assert denied.exec(box, "true").returncode == 125
    done = denied.exec(box, "true", options=["--skip", part])
    assert (done.returncode, done.stderr) == (0, "")


def test_names_arent_looked_up_without_a_safe_way_to_open_a_file(conjoin, box):
    done = Denied(conjoin, "openat2=ENOSYS").exec(box, "true", options=["-u", "app"])
    assert_failed(done, 125, "etc/passwd")


def test_a_user_given_by_number_still_needs_the_containers_accounts(conjoin, box):
    """HOME and the groups come from there."""
    done = Denied(conjoin, "openat2=ENOSYS").exec(box, "true", options=["-u", "1000"])
    assert_failed(done, 125, "etc/passwd")


def test_a_pty_is_ours_where_the_containers_cant_be_opened_safely(conjoin, rooted):
    done = Denied(conjoin, "openat2=ENOSYS").exec(rooted, "test", "-t", "0", options=["-t"])
    assert (done.returncode, done.stderr) == (0, "")


def test_a_pty_without_tiocgptpeer_is_a_named_failure(conjoin, box):
    rule = f"ioctl[1]={TIOCGPTPEER:#x}:ENOTTY"
    assert_failed(Denied(conjoin, rule).exec(box, "true", options=["-t"]), 125, "open a pty")


def test_a_filter_that_cant_be_loaded_is_a_named_failure(conjoin, box, scratch):
    path = os.path.join(scratch, "profile.json")
    with open(path, "w", encoding="ascii") as f:
        json.dump({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
            {"names": ["acct"], "action": "SCMP_ACT_ERRNO"}]}, f)
    done = Denied(conjoin, "seccomp=ENOSYS").exec(box, "true", options=["--seccomp", path])
    assert_failed(done, 125, "load the seccomp filter")


@pytest.mark.parametrize("rules, step", [
    ([f"ptrace[0]={PTRACE_SEIZE:#x}:EPERM"], "attach to process"),
    ([f"ptrace[0]={PTRACE_SECCOMP_GET_FILTER:#x}:EIO"], "read the seccomp filters"),
    (["acct=EPERM"], "read the seccomp filters"),  # any filter: who is under one can't read others
], ids=lambda value: " ".join(value) if isinstance(value, list) else "")
def test_a_live_filter_that_cant_be_read_is_a_named_failure(rules, step, conjoin, sandbox):
    target = sandbox(seccomp="deny:acct")
    done = Denied(conjoin, *rules).exec(target, "true", options=["--seccomp", "copy"])
    assert_failed(done, 125, step)
    assert target.alive() and target.status()["TracerPid"] == "0"


def test_a_handle_with_the_start_time_is_taken_by_every_kernel(conjoin, box):
    handle = f"{box.pid}:s{proc.start_time(box.pid)}"
    assert conjoin.exec(handle, "true").returncode == 0


def test_deny_really_denies():
    code = "import ctypes; print(ctypes.CDLL(None, use_errno=True).acct(None), ctypes.get_errno())"
    done = Conjoin("/usr/bin/python3").run(
        DENY, "acct=ENOSYS", "--", "/usr/bin/python3", "-c", code
    )
    assert done.stdout == "-1 38\n", (done, sys.version)
