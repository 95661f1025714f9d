# SPDX-License-Identifier: MIT
"""Each part of the identity can be changed by its option, and left out by --skip. Users have a file
of their own (test_users.py). Not here: that without options nothing changes (test_identity.py)."""

import ctypes
import os
import resource

import pytest

from lib import proc
from lib.held import Held, differences, file_or_error, portrait
from lib.sandbox import Sandbox

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")

DOCKER = 0xA80425FB
CHOWN, KILL, NET_ADMIN, SYS_PTRACE = (1 << number for number in (0, 5, 12, 19))
PR_CAPBSET_DROP, CAP_SYS_RESOURCE = 24, 24
libc = ctypes.CDLL(None, use_errno=True)
BE, IDLE = 2 << 13, 3 << 13


@pytest.fixture(scope="module")
def box(sandbox_program, rootfs):
    """Its own user namespace, Docker's capabilities, and nothing as we have it."""
    made = Sandbox(
        sandbox_program, rootfs, caps="docker", cwd="/home/app", umask="027", nice=5, oom=200,
        sched="batch:0", ioprio="be:6", affinity=0, personality="40000", timerslack=123456,
        coredump_filter="7", rlimit=["nofile=64:128", "core=0:0"], groups="29,2000",
        env=["NAME=value", "OTHER=1", "OTHER=2", "PATH=/bin"],
    )
    yield made
    made.stop()


@pytest.fixture(scope="module")
def shared(sandbox_program, rootfs):
    """In our own user namespace, where our own capabilities are what can be given."""
    made = Sandbox(sandbox_program, rootfs, namespaces="all,-user", caps="docker")
    yield made
    made.stop()


@pytest.fixture(scope="module")
def confined(sandbox_program, rootfs):
    made = Sandbox(sandbox_program, rootfs, caps="docker", no_new_privs=True,
                   seccomp="docker-like")
    yield made
    made.stop()


@pytest.fixture
def see(conjoin):
    """see(target, *options): the portrait of a command that was started with them."""

    def look(target, *options):
        with Held(conjoin, target, options, ["/bin/cat"]) as command:
            return portrait(command.pid)

    return look


def without_resource():
    """Runs between fork and exec: root as it is in many a container, without CAP_SYS_RESOURCE."""
    assert libc.prctl(PR_CAPBSET_DROP, CAP_SYS_RESOURCE, 0, 0, 0) == 0


def low_limits():
    """The same, and with limits below those of any container."""
    without_resource()
    resource.setrlimit(resource.RLIMIT_NOFILE, (200, 300))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def limits(seen):
    lines = seen["limits"].decode().splitlines()[1:]
    return {line[:26].strip().lower(): tuple(line[26:].split()[:2]) for line in lines}


NUMBERS = [
    (["--oom-score-adj", "321"], {"oom_score_adj": b"321\n"}),
    (["--nice", "9"], {"nice": 9}),
    (["--nice", "-3"], {"nice": -3}),
    (["--scheduler", "other"], {"scheduler": os.SCHED_OTHER}),
    (["--scheduler", "idle"], {"scheduler": os.SCHED_IDLE}),
    (["--ioprio", "best-effort:1"], {"ioprio": BE | 1}),
    (["--ioprio", "idle"], {"ioprio": IDLE}),
    (["--affinity", "1"], {"affinity": {1}, "status Cpus_allowed": "2",
                           "status Cpus_allowed_list": "1"}),
    (["--umask", "0077"], {"status Umask": "0077"}),
    (["--personality", "20000"], {"personality": b"00020000\n"}),
    (["--timer-slack", "70000"], {"timerslack_ns": b"70000\n"}),
    (["--core-filter", "23"], {"coredump_filter": b"00000023\n"}),
    (["-w", "/tmp"], {"cwd": "/tmp"}),
    (["--no-new-privs", "yes"], {"status NoNewPrivs": "1"}),
]


@pytest.mark.parametrize("options, expected", NUMBERS, ids=lambda value: " ".join(value)
                         if isinstance(value, list) else "")
def test_an_option_changes_its_part_and_nothing_else(box, see, options, expected):
    seen = see(box, *options)
    changed = differences(portrait(box.pid), seen)
    assert {key: new for key, (_, new) in changed.items()} == expected


@pytest.mark.parametrize("policy, expected", [
    ("rr:2", {"scheduler": os.SCHED_RR, "priority": 2}),
    ("fifo:7", {"scheduler": os.SCHED_FIFO, "priority": 7}),
    ("other", {"scheduler": os.SCHED_OTHER, "priority": 0}),
])
def test_real_time_can_be_changed_and_left(conjoin, sandbox, see, policy, expected):
    """In a container that has a real-time budget: its cgroup decides."""
    box = sandbox(sched="fifo:3", nice=6, caps="docker")
    seen = see(box, "--scheduler", policy)
    assert {key: seen[key] for key in expected} == expected
    assert seen["nice"] == 6


def test_a_limit_is_changed_and_the_others_stay(box, see):
    before = limits(portrait(box.pid))
    after = limits(see(box, "--rlimit", "nofile=32:48", "--rlimit", "fsize=4096"))
    assert differences(before, after) == {
        "max open files": (("64", "128"), ("32", "48")),
        "max file size": (before["max file size"], ("4096", "4096")),
    }


BAD = [*(("--rlimit", text) for text in ("nofile", "nofile=", "nofile=9:8", "files=1", "nofile=1x",
                                            "nofile=-2", "=1", "nofile=1:2:3")),
       ("--oom-score-adj", "1001"), ("--nice", "20"), ("--nice", "x"), ("--scheduler", "fifo"),
       ("--scheduler", "other:1"), ("--scheduler", "fifo:100"), ("--ioprio", "best-effort:8"),
       ("--ioprio", "high"), ("--affinity", ""), ("--affinity", "1-0"), ("--affinity", "a"),
       ("--umask", "1000"), ("--umask", "9"), ("--personality", "xyz"), ("--timer-slack", "0"),
       ("--timer-slack", "1s"), ("--core-filter", "fff"), ("--no-new-privs", "maybe"),
       ("--cap-add", "CAP_FLY"), ("--cap-drop", "chown,"), ("--skip", "face"), ("--skip", ""),
       ("-w", "")]


def test_a_value_that_is_none_is_refused_by_name(conjoin, box):
    for option, value in BAD:
        done = conjoin.exec(box, "true", options=[option, value])
        assert (done.returncode, done.stdout) == (125, ""), (option, value)
        assert done.stderr.startswith("conjoin: exec ")
        assert f'"{value.split(",")[-1]}"' in done.stderr, done.stderr


# --- capabilities ---


def sets(seen):
    return [int(seen[f"status {name}"], 16) for name in proc.CAP_SETS]


@pytest.mark.parametrize("options, expected", [
    (["--cap-add", "net_admin"], [0] + [DOCKER | NET_ADMIN] * 3 + [0]),
    (["--cap-add", "CAP_SYS_PTRACE,NET_ADMIN"], [0] + [DOCKER | SYS_PTRACE | NET_ADMIN] * 3 + [0]),
    (["--cap-drop", "chown,CAP_KILL"], [0] + [DOCKER & ~CHOWN & ~KILL] * 3 + [0]),
    (["--cap-drop", "all"], [0] * 5),
    (["--cap-drop", "all", "--cap-add", "kill"], [0] * 5),  # what is dropped isn't there
])
def test_capabilities_are_added_and_dropped(box, shared, see, options, expected):
    assert sets(see(box, *options)) == expected
    assert sets(see(shared, *options)) == expected


def test_added_capabilities_reach_a_user_other_than_root(conjoin, box, see):
    seen = see(box, "-u", "1000", "--cap-drop", "all")
    assert sets(seen) == [0] * 5
    seen = see(box, "-u", "1000", "--cap-add", "net_admin")
    assert sets(seen)[2] & NET_ADMIN and sets(seen)[4] & NET_ADMIN


def test_all_capabilities_are_those_that_can_be_given(box, shared, see):
    every = int(proc.status("self")["CapPrm"], 16)
    assert sets(see(shared, "--cap-add", "all")) == [0, every, every, every, 0]
    assert sets(see(box, "--cap-add", "all"))[2] & every == every


def test_privileged_has_every_capability_and_no_filter(conjoin, confined, shared, see):
    seen = see(confined, "--privileged")
    assert sets(seen)[1] == sets(seen)[2] == sets(seen)[3] != DOCKER
    assert (seen["status Seccomp"], seen["status NoNewPrivs"]) == ("0", "0")
    every = int(proc.status("self")["CapPrm"], 16)
    assert sets(see(shared, "--privileged")) == [0, every, every, every, 0]


def test_a_capability_that_is_not_ours_cannot_be_given(conjoin, shared):
    done = conjoin.exec(shared, "true", options=["--cap-add", "sys_resource"],
                        preexec_fn=without_resource)
    assert done.returncode == 125
    assert "capabilities SYS_RESOURCE" in done.stderr


def test_no_new_privs_is_taken_off_only_when_asked(confined, see):
    assert see(confined, "--seccomp", "copy")["status NoNewPrivs"] == "1"
    seen = see(confined, "--seccomp", "copy", "--no-new-privs", "no")
    assert (seen["status NoNewPrivs"], seen["status Seccomp"]) == ("0", "2")


# --- environment ---


def environment(conjoin, box, *options, **more):
    done = conjoin.exec(box, "/bin/cat", "/proc/self/environ", options=options, text=False, **more)
    assert done.returncode == 0, done.stderr
    return done.stdout.split(b"\0")[:-1]


def test_variables_are_set_in_place_taken_away_and_appended(conjoin, box):
    own = box.environ()
    found = environment(conjoin, box, "-e", "OTHER=x y", "-e", "NEW=\udcff", "-e", "NAME")
    kept = [entry for entry in own if not entry.startswith((b"NAME=", b"OTHER="))]
    assert [entry for entry in found if entry in kept] == kept
    assert sorted(set(found) - set(kept)) == [b"NEW=\xff", b"OTHER=x y"]
    assert len(found) == len(kept) + 2


def test_a_name_alone_takes_the_callers_value(conjoin, box):
    found = environment(conjoin, box, "-e", "FROM_CALLER", "--clear-env",
                        env={**os.environ, "FROM_CALLER": "yes"})
    assert found == [b"FROM_CALLER=yes"]


def test_nothing_of_the_callers_environment_gets_in_unasked(conjoin, box):
    env = {**os.environ, "SECRET_OF_THE_CALLER": "1", "NAME": "the caller's"}
    assert environment(conjoin, box, env=env) == box.environ()


def test_a_cleared_environment_is_empty(conjoin, box):
    assert environment(conjoin, box, "--clear-env") == []
    assert environment(conjoin, box, "--clear-env", "-e", "A=") == [b"A="]
    assert environment(conjoin, box, "--skip", "environment") == []


def test_files_of_variables_are_read_line_by_line(conjoin, box, scratch):
    path = os.path.join(scratch, "env")
    with open(path, "wb") as f:
        f.write(b"# comment\n\nA=1\nB= spaced \nA=2\nC=\"quoted\"\nBYTES=\xfe\nLAST=no newline")
    found = environment(conjoin, box, "--clear-env", "--env-file", path, "-e", "B=option")
    assert found == [b"A=2", b"B=option", b'C="quoted"', b"BYTES=\xfe", b"LAST=no newline"]


@pytest.mark.parametrize("content", [b"=x\n", b"A=1\0B=2\n", None])
def test_a_file_of_variables_that_cannot_be_used_is_named(conjoin, box, scratch, content):
    path = os.path.join(scratch, "env")
    if content is not None:
        with open(path, "wb") as f:
            f.write(content)
    done = conjoin.exec(box, "true", options=["--env-file", path])
    assert done.returncode == 125
    assert path in done.stderr or "has no name" in done.stderr


@pytest.mark.parametrize("text", ["=x", ""])
def test_a_variable_without_a_name_is_refused(conjoin, box, text):
    done = conjoin.exec(box, "true", options=["-e", text])
    assert (done.returncode, done.stdout) == (125, "")


# --- places ---


def test_another_root_lies_beneath_the_targets(conjoin, box):
    assert conjoin.exec(box, "mkdir", "-p", "/srv/r/bin", "/srv/r/tmp").returncode == 0
    assert conjoin.exec(box, "cp", "/bin/busybox", "/srv/r/bin/").returncode == 0
    done = conjoin.exec(box, "/bin/busybox", "ls", "/", options=["--root", "/srv/r"])
    assert (done.returncode, done.stdout) == (0, "bin\ntmp\n")
    done = conjoin.exec(box, "/bin/busybox", "pwd", options=["--root", "/srv/r", "-w", "/tmp"])
    assert done.stdout == "/tmp\n"
    assert conjoin.exec(box, "/bin/busybox", "pwd", options=["--root", "/srv/r"]).stdout == "/\n"


@pytest.mark.parametrize("options", [["--root", "/nowhere"], ["--root", "/etc/passwd"],
                                     ["-w", "/nowhere"], ["-w", "/etc/passwd"]])
def test_a_place_that_is_no_directory_is_named(conjoin, box, options):
    done = conjoin.exec(box, "true", options=options)
    assert done.returncode == 125
    assert options[1] in done.stderr


def test_a_relative_directory_begins_at_the_root(conjoin, box):
    assert conjoin.exec(box, "/bin/pwd", options=["-w", "tmp"]).stdout == "/tmp\n"


def test_a_label_needs_a_security_module(conjoin, box):
    if isinstance(file_or_error("self", "attr/current"), bytes):
        return  # there is one
    done = conjoin.exec(box, "true", options=["--label", "unconfined"])
    assert done.returncode == 125 and "unconfined" in done.stderr


def test_a_root_cannot_be_reached_by_leaving_the_targets(conjoin, box):
    conjoin.exec(box, "ln", "-sfn", "../../../../../../etc", "/srv/up")
    conjoin.exec(box, "cp", "/bin/busybox", "/etc/")
    done = conjoin.exec(box, "/busybox", "cat", "/hostname", options=["--root", "/srv/up"])
    assert done.stdout == "sandbox\n", done.stderr


# --- leaving parts out ---

SKIPS = {
    "cgroups": ["cgroup"], "rlimits": ["limits"], "oom-score-adj": ["oom_score_adj"],
    "core-filter": ["coredump_filter"], "nice": ["nice"], "ioprio": ["ioprio"],
    "affinity": ["affinity", "status Cpus_allowed", "status Cpus_allowed_list"],
    "scheduler": ["scheduler"], "umask": ["status Umask"], "personality": ["personality"],
    "timer-slack": ["timerslack_ns"], "environment": ["environ"], "groups": ["status Groups"],
    "cwd": ["cwd"],
}


@pytest.mark.parametrize("part", list(SKIPS))
def test_a_part_that_is_skipped_is_as_the_caller_has_it(box, see, part):
    """The caller: every one of these differs from the target's, its cwd and environment aside."""
    ours, theirs, seen = portrait(os.getpid()), portrait(box.pid), see(box, "--skip", part)
    for key in SKIPS[part]:
        assert seen[key] == {"environ": b"", "cwd": "/"}.get(key, ours[key]), key
    left = differences(theirs, seen)
    assert set(left) <= set(SKIPS[part])


def test_several_parts_are_skipped_together(box, see):
    assert set(differences(portrait(box.pid), see(box, "--skip", "nice,umask,cwd"))) == {
        "nice", "status Umask", "cwd"}


def test_skipped_credentials_are_the_callers(confined, see):
    ours, seen = portrait(os.getpid()), see(confined, "--skip", "capabilities,no-new-privs,seccomp")
    assert (seen["status NoNewPrivs"], seen["status Seccomp"]) == ("0", "0")
    assert sets(seen)[2] & DOCKER == DOCKER and sets(seen)[2] != DOCKER
    assert ours["status Seccomp"] == "0"


def test_skipped_ids_are_the_callers(conjoin, sandbox):
    user = sandbox(namespaces="all,-user", uid=1000, gid=1000, groups="29", caps="none")
    with Held(conjoin, user, ["--skip", "ids,groups"]) as command:
        status = command.status()
    ours = proc.status("self")
    assert [status[key] for key in ("Uid", "Gid", "Groups")] == [
        ours[key] for key in ("Uid", "Gid", "Groups")]


def test_the_root_is_skipped(conjoin, sandbox):
    """Then it is that of the mount namespace."""
    box = sandbox(chroot="/home", caps="docker")
    done = conjoin.exec(box, "/bin/ls", "/home", options=["--skip", "root"])
    assert (done.returncode, done.stdout) == (0, "app\n"), done.stderr


# --- what can't be had ---


def test_a_hard_limit_above_ours_is_clamped_with_one_warning(conjoin, sandbox):
    box = sandbox(caps="docker")
    with Held(conjoin, box, preexec_fn=low_limits) as command:
        seen = limits(portrait(command.pid))
        status, stderr = command.end()
    warned = [line for line in stderr.splitlines() if "hard limit" in line]
    assert status == 0
    assert len(warned) == 1 and "nofile" in warned[0] and "core" in warned[0]
    assert seen["max open files"][1] == "300"
    assert seen["max core file size"] == ("0", "0")


def test_a_limit_that_was_asked_for_is_never_clamped(conjoin, box):
    done = conjoin.exec(box, "true", options=["--rlimit", "nofile=400"], preexec_fn=low_limits)
    assert done.returncode == 125
    assert "nofile" in done.stderr and "CAP_SYS_RESOURCE" in done.stderr


def test_an_oom_score_that_cannot_be_lowered_is_told(conjoin, box):
    done = conjoin.exec(box, "true", options=["--oom-score-adj", "-999"],
                        preexec_fn=without_resource)
    assert done.returncode == 125
    assert "oom_score_adj" in done.stderr and "-999" in done.stderr
