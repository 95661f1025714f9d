# SPDX-License-Identifier: MIT
"""debug, the host's view: which namespaces, /proc, /sys, the host's files and the target's, the
environment, who the command is. Not here: where the target's files are put (test_debug_base.py), how
it ends, terminals, cgroups (test_debug_run.py), real tools (test_debug_tools.py)."""

import errno
import json
import os
import pwd
import re
import resource
import secrets
import subprocess

import pytest

from lib import proc
from lib.failure import assert_failed
from lib.held import Held, differences, portrait, status_lines
from lib.host import Host
from lib.program import TOP, Conjoin
from lib.sandbox import Sandbox

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")

PYTHON = "/usr/bin/python3"


@pytest.fixture(scope="module")
def box(sandbox_program, rootfs):
    made = Sandbox(sandbox_program, rootfs, caps="docker", env=["ONLY_IN=the target"])
    yield made
    made.stop()


@pytest.fixture(scope="module")
def rooted(sandbox_program, rootfs):
    """Without a user namespace of its own."""
    made = Sandbox(sandbox_program, rootfs, caps="docker", namespaces="all,-user")
    yield made
    made.stop()


def debugged(conjoin, target, options=(), **more):
    return Held(conjoin, target, options, verb="debug", **more)


def ran(done):
    assert (done.returncode, done.stderr) == (0, ""), done
    return done.stdout


def inside(pid, path):
    """A path of the target's, as the host reads it."""
    return f"/proc/{pid}/root{path}"


# --- namespaces ---

@pytest.mark.parametrize("listed, joined", [
    (None, {"pid", "net"}), ("net", {"net"}), ("pid", {"pid"}), ("uts,ipc", {"uts", "ipc"}),
    ("+ipc,uts", {"pid", "net", "ipc", "uts"}), ("+cgroup", {"pid", "net", "cgroup"}),
    ("+time", {"pid", "net", "time"}), ("+user", {"pid", "net", "user"}),
])
def test_the_namespaces_are_the_ones_that_were_listed(listed, joined, conjoin, box):
    options = ["--namespaces", listed] if listed else []
    with debugged(conjoin, box, options) as command:
        ours, theirs, its = proc.namespaces(), box.ns(), command.ns()
        assert {kind for kind in its if its[kind] == theirs[kind]} == joined
        assert {kind for kind in its if its[kind] == ours[kind]} == its.keys() - joined - {"mnt"}
        assert command.end() == (0, "")


@pytest.mark.parametrize("listed", ["mnt", "pid,mnt", "all", "+mnt"])
def test_the_mount_namespace_is_another_view(listed, conjoin, box):
    assert_failed(conjoin.debug(box, "true", options=["--namespaces", listed]), 125,
                  "join mnt namespace", hint="--view target")


def test_a_view_that_there_is_none_of_is_refused(conjoin, box):
    done = conjoin.debug(box, "true", options=["--view", "both"])
    assert_failed(done, 125, '"both"', "host", "target")


# --- /proc and /sys ---

def test_proc_is_of_the_targets_pid_namespace(conjoin, box):
    with debugged(conjoin, box) as command:
        seen = f"/proc/{command.pid}/root/proc"
        number = proc.status(command.pid)["NSpid"].split()[-1]
        assert {name for name in os.listdir(seen) if name.isdigit()} == {"1", number}
        with open(f"{seen}/1/cmdline", "rb") as f:
            assert f.read() == box.read("cmdline", text=False)
        for name in ("pid", "mnt"):
            assert os.readlink(f"{seen}/{number}/ns/{name}") == os.readlink(
                f"/proc/{command.pid}/ns/{name}")


def test_the_command_finds_itself_there(conjoin, box):
    out = ran(conjoin.debug(box, "sh", "-c", "echo $$; readlink /proc/self; cat /proc/1/comm;"
                            "tr '\\0' ' ' </proc/$$/cmdline"))
    own, other, init, line = out.split("\n")
    assert int(own) > 1 and other.isdigit() and init == "sandbox-init"
    assert line.startswith("sh -c echo")


def test_it_is_mounted_as_it_should_be(conjoin, box):
    out = ran(conjoin.debug(box, "cat", "/proc/self/mountinfo"))
    lines = [line.split() for line in out.splitlines()]
    for point, kind in (("/proc", "proc"), ("/sys", "sysfs")):
        last = [line for line in lines if line[4] == point][-1]
        assert last[last.index("-") + 1] == kind
        assert {"nosuid", "nodev", "noexec"} <= set(last[5].split(","))
    assert [line for line in lines if any(w.startswith(("shared:", "master:")) for w in line)] == []


def test_without_the_pid_namespace_proc_stays(conjoin, box):
    with debugged(conjoin, box, ["--namespaces", "net"]) as command:
        out = ran(conjoin.debug(box, "cat", f"/proc/{command.pid}/comm",
                                options=["--namespaces", "net"]))
        assert out == "cat\n"


def test_a_target_of_our_own_pid_namespace_is_told_of(conjoin, sandbox):
    box = sandbox(namespaces="mnt,net,uts", caps="docker")
    done = conjoin.debug(box, "true", options=["--dry-run"])
    assert "stays: the target has no pid namespace of its own" in done.stdout
    done = conjoin.debug(box, "cat", f"/proc/{os.getpid()}/comm")
    assert done.returncode == 0 and done.stdout == proc.read("self", "comm").decode()
    assert "no pid namespace of its own" in done.stderr


@pytest.fixture
def link(box):
    """The name of a network device that is the target's alone."""
    name = "t" + secrets.token_hex(5)
    subprocess.run(["nsenter", f"--net=/proc/{box.pid}/ns/net", "ip", "link", "add", name, "type",
                    "veth", "peer", "name", name + "p"], check=True)
    yield name
    subprocess.run(["nsenter", f"--net=/proc/{box.pid}/ns/net", "ip", "link", "delete", name],
                   check=True)


def test_sys_is_of_the_targets_net_namespace(conjoin, box, link):
    assert set(ran(conjoin.debug(box, "ls", "/sys/class/net")).split()) == {
        "lo", link, link + "p"}
    assert link not in os.listdir("/sys/class/net")
    other = conjoin.debug(box, "ls", "/sys/class/net", options=["--namespaces", "pid"])
    assert ran(other).split() == sorted(os.listdir("/sys/class/net"))
    assert f" {link}@" in ran(conjoin.debug(box, "ip", "-o", "link"))


SYS_MOUNTS = {"/sys/kernel/debug": "debugfs", "/sys/kernel/tracing": "tracefs",
              "/sys/fs/bpf": "bpf", "/sys/kernel/security": "securityfs"}


def test_what_the_host_has_mounted_beneath_sys_is_there(conjoin, box, scratch):
    """In one namespace: each mount of bpf is a file system of its own."""
    points = [m["point"] for m in proc.mounts() if m["point"].startswith("/sys/")]
    assert any(point.startswith("/sys/fs/cgroup") for point in points)
    there = [p for p in SYS_MOUNTS if os.path.isdir(p)]
    assert len(there) >= 3
    points += [p for p in there if p not in points]
    script = "".join(f"mountpoint -q {p} || mount -t {SYS_MOUNTS[p]} none {p}\n" for p in there)
    look = "stat -c '%n %d:%i:%t' " + " ".join(points)
    done = Host(conjoin, f"{script}{look} >{scratch}/outside").debug(box, "sh", "-c", look)
    with open(f"{scratch}/outside", encoding="ascii") as f:
        outside = f.read()
    assert ran(done) == outside and len(outside.splitlines()) == len(points)


# --- files ---

def test_the_hosts_files_are_seen_and_are_the_hosts(conjoin, box, scratch):
    path = os.path.join(scratch, "marker")
    with open(path, "w", encoding="ascii") as f:
        f.write("of the host\n")
    assert ran(conjoin.debug(box, "sh", "-c", f"cat {path}; echo more >>{path}")) == "of the host\n"
    with open(path, encoding="ascii") as f:
        assert f.read() == "of the host\nmore\n"
    assert not os.path.exists(inside(box.pid, path))


@pytest.fixture
def marked(box, conjoin):
    """A file of the target's, and one of a volume of its: [name, name]."""
    names = [f"/etc/marker-{secrets.token_hex(4)}", f"/tmp/marker-{secrets.token_hex(4)}"]
    ran(conjoin.exec(box, "sh", "-c", 'for i; do echo of the target >$i; done', "sh", *names))
    yield names
    ran(conjoin.exec(box, "rm", "-f", *names))


@pytest.mark.parametrize("options", [[], ["--namespaces", "net"], ["-u", "daemon"],
                                     ["--namespaces", "+user"], ["--as-target"]], ids=" ".join)
def test_the_targets_files_are_at_conjoin_root(options, conjoin, box, marked):
    script = "".join(f"cat $CONJOIN_ROOT{name};" for name in marked) + "ls /proc/1/root/ >/dev/null"
    done = conjoin.debug(box, "sh", "-c", script, options=options)
    assert done.stdout == "of the target\n" * 2
    if options == ["-u", "daemon"]:
        assert "Permission denied" in done.stderr  # the way that is closed


def test_they_are_read_only_and_harmless(conjoin, box, marked):
    script = ("cd $CONJOIN_ROOT; for i in x etc/x tmp/x dev/shm/x; do touch $i; done; "
              f"rm .{marked[1]}; echo x >dev/null; grep \" $CONJOIN_ROOT\" /proc/self/mountinfo")
    done = conjoin.debug(box, "sh", "-c", script)
    assert done.stderr.count(os.strerror(errno.EROFS)) == 5
    options = [set(line.split()[5].split(",")) for line in done.stdout.splitlines()]
    assert len(options) >= 5
    assert [one for one in options if not {"ro", "nosuid", "nodev"} <= one] == []
    assert os.path.exists(inside(box.pid, marked[1]))


def test_they_can_be_writable(conjoin, box, marked):
    script = f"echo changed >$CONJOIN_ROOT{marked[0]}; rm $CONJOIN_ROOT{marked[1]}"
    ran(conjoin.debug(box, "sh", "-c", script, options=["--writable"]))
    with open(inside(box.pid, marked[0]), encoding="ascii") as f:
        assert f.read() == "changed\n"
    assert not os.path.exists(inside(box.pid, marked[1]))
    out = ran(conjoin.debug(box, "cat", "/proc/self/mountinfo", options=["--writable"]))
    options = [set(line.split()[5].split(",")) for line in out.splitlines()
               if "/conjoin/root" in line]
    assert options and [one for one in options if not {"nosuid", "nodev"} <= one] == []


def test_what_is_mounted_there_later_isnt_seen(conjoin, rooted):
    """A clone, not the tree itself."""
    with debugged(conjoin, rooted) as command:
        mount = ["nsenter", f"--mount=/proc/{rooted.pid}/ns/mnt", f"--root=/proc/{rooted.pid}/root"]
        subprocess.run([*mount, "/bin/mount", "-t", "tmpfs", "later", "/srv"], check=True)
        try:
            assert b" later " in proc.read(rooted.pid, "mountinfo")
            assert b" later " not in proc.read(command.pid, "mountinfo")
        finally:
            subprocess.run([*mount, "/bin/umount", "/srv"], check=True)


def test_they_are_those_of_a_target_with_a_root_of_its_own(conjoin, sandbox):
    box = sandbox(caps="docker", chroot="/home")
    assert ran(conjoin.debug(box, "sh", "-c", "ls $CONJOIN_ROOT")) == "app\n"


# --- environment and directory ---

def variables(done):
    return dict(line.split("=", 1) for line in ran(done).split("\0") if line)


def test_the_environment_is_the_callers_with_a_word_on_the_target(conjoin, box):
    env = {"PATH": os.environ["PATH"], "MINE": "1", "EMPTY": "", "CONJOIN_NAME": "old"}
    found = variables(conjoin.debug(box, "cat", "/proc/self/environ", env=env))
    assert found == {**env, "CONJOIN_TARGET": str(box.pid), "CONJOIN_NAME": "sandbox-init",
                     "CONJOIN_ROOT": "/mnt/conjoin/root"}


def test_variables_are_set_and_taken_away(conjoin, box):
    env = {"PATH": os.environ["PATH"], "MINE": "1"}
    options = ["-e", "A=b c", "-e", "CONJOIN_NAME=mine", "-e", "MINE"]
    found = variables(conjoin.debug(box, "cat", "/proc/self/environ", options=options, env=env))
    assert (found["A"], found["CONJOIN_NAME"], found["MINE"]) == ("b c", "mine", "1")
    found = variables(conjoin.debug(box, "/bin/cat", "/proc/self/environ", env=env,
                                    options=["--clear-env"]))
    assert found.keys() == {"CONJOIN_TARGET", "CONJOIN_NAME", "CONJOIN_ROOT"}


def test_a_hostile_name_is_made_harmless(conjoin, sandbox):
    box = sandbox(caps="docker", comm="$(x)`\n\x1b[1m")
    found = variables(conjoin.debug(box, "cat", "/proc/self/environ"))
    assert re.fullmatch(r"[A-Za-z0-9_.,:/@+-]*x[A-Za-z0-9_.,:/@+-]*", found["CONJOIN_NAME"])


def test_the_directory_is_the_callers(conjoin, box, scratch):
    assert ran(conjoin.debug(box, "pwd", cwd=scratch)) == scratch + "\n"
    assert ran(conjoin.debug(box, "pwd", cwd="/sys/fs/cgroup")) == "/sys/fs/cgroup\n"
    assert ran(conjoin.debug(box, "ls", cwd="/proc")).split() != os.listdir("/proc")
    assert ran(conjoin.debug(box, "pwd", options=["-w", "/etc"])) == "/etc\n"
    options = ["-w", "/mnt/conjoin/root/home/app"]
    assert ran(conjoin.debug(box, "pwd", options=options)) == options[1] + "\n"
    assert_failed(conjoin.debug(box, "pwd", options=["-w", "/nowhere"]), 125,
                  "change directory to /nowhere")


# --- who the command is ---

def unusual():
    """Run in a process that becomes conjoin, or a plain child."""
    os.setgroups([5, 29, 2000])
    os.umask(0o031)
    os.setpriority(os.PRIO_PROCESS, 0, 4)
    resource.setrlimit(resource.RLIMIT_NOFILE, (321, 654))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with open("/proc/self/oom_score_adj", "w", encoding="ascii") as f:
        f.write("77")
    os.sched_setaffinity(0, {0})


def without_new_privileges():
    from lib.held import libc
    unusual()
    assert libc.prctl(38, 1, 0, 0, 0) == 0


# What the command has of its own: namespaces, cgroup, and the words on the target.
ITS_OWN = {"ns mnt", "ns net", "ns pid", "ns pid_for_children", "cgroup", "environ"}


@pytest.mark.parametrize("prepare", [None, unusual, without_new_privileges])
@pytest.mark.parametrize("target", ["box", "rooted"])
def test_it_is_who_the_caller_is(target, prepare, conjoin, box, rooted):
    box = {"box": box, "rooted": rooted}[target]
    plain = subprocess.Popen(["cat"], stdin=subprocess.PIPE, preexec_fn=prepare, cwd="/")
    try:
        with debugged(conjoin, box, preexec_fn=prepare, cwd="/") as command:
            found = differences(portrait(plain.pid), portrait(command.pid))
            assert found.keys() == ITS_OWN
            assert command.end() == (0, "")
    finally:
        plain.communicate()


def test_a_user_is_one_of_the_hosts(conjoin, box):
    user = pwd.getpwnam("daemon")
    with debugged(conjoin, box, ["-u", "daemon"]) as command:
        status = command.status()
        assert status["Uid"].split() == [str(user.pw_uid)] * 4
        assert status["Gid"].split() == [str(user.pw_gid)] * 4
        assert (int(status["CapEff"], 16), int(status["CapPrm"], 16)) == (0, 0)
        assert f"HOME={user.pw_dir}".encode() in command.environ()
    done = conjoin.debug(box, "id", options=["-u", "app"])
    assert_failed(done, 125, '"app"')
    assert "target" not in done.stderr.splitlines()[0]
    assert ran(conjoin.debug(box, "id", "-u", options=["-u", "1000:1001"])) == "1000\n"


def test_a_filter_of_the_callers_stays(conjoin, box):
    deny = os.path.join(TOP, "tests/compat/deny.py")
    out = ran(Conjoin(PYTHON).run(deny, "acct=EPERM", "--", conjoin.path, "debug", box.pid, "grep",
                                  "^Seccomp:", "/proc/self/status"))
    assert out.split() == ["Seccomp:", "2"]
    assert ran(conjoin.debug(box, "grep", "^Seccomp:", "/proc/self/status")).split()[1] == "0"


def test_capabilities_can_be_dropped(conjoin, box):
    dropped = 1 << 13 | 1 << 19  # CAP_NET_RAW, CAP_SYS_PTRACE
    ours = proc.status("self")
    with debugged(conjoin, box, ["--cap-drop", "net_raw,sys_ptrace"]) as command:
        its = command.status()
        for name in proc.CAP_SETS:
            assert int(its[name], 16) == int(ours[name], 16) & ~dropped, name
    with debugged(conjoin, box, ["--cap-drop", "all"]) as command:
        its = command.status()
        assert [int(its[name], 16) for name in proc.CAP_SETS] == [0] * 5


def test_it_can_be_who_the_target_is(conjoin, sandbox):
    box = sandbox(caps="docker", uid=1000, gid=1001, groups="29,2000", rlimit=["nofile=99:111"],
                  umask="027", no_new_privs=True, seccomp="deny:acct", nice=3,
                  namespaces="all,-user")
    options = ["--as-target", "--expose-host"]
    with debugged(conjoin, box, [*options, "--seccomp", "off"]
                  if "--seccomp" in conjoin.run("debug", "--help").stdout else options) as command:
        found = differences(status_lines(box.pid), status_lines(command.pid))
        assert found.keys() <= {"Seccomp", "Seccomp_filters"}
        assert command.read("limits") == box.read("limits")
        assert os.getpriority(os.PRIO_PROCESS, command.pid) == 3


def test_what_doesnt_go_together_is_refused(conjoin, box):
    for options, word in ((["--bring", "ls"], "--view target"),
                          (["--bring-dir", "/bin"], "--view target"),
                          (["--view", "target", "--writable"], "writable")):
        assert_failed(conjoin.debug(box, "true", options=options), 125, word)


# --- the plan ---

def test_a_dry_run_says_all_and_does_nothing(conjoin, box, scratch):
    trace = os.path.join(scratch, "trace")
    done = subprocess.run(
        ["strace", "-f", "-o", trace, "-e", "trace=unshare,setns,clone,clone3,fork,vfork,mount,"
         "move_mount,mkdir,mkdirat,execve,umount2,open_tree", conjoin.path, "debug", "--dry-run",
         "--memory", "64m", str(box.pid), "sh"], capture_output=True, text=True, check=False,
        # the leak checker of a sanitized build can't be traced
        env={**os.environ, "ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "") + ":detect_leaks=0"})
    assert (done.returncode, done.stderr) == (0, "")
    with open(trace, encoding="utf-8") as f:
        calls = [line.split()[1].partition("(")[0] for line in f if "(" in line]
    # the second is the process that reads directories, with a deadline
    assert calls in (["execve"], ["execve", "clone3"])
    for word in ("/mnt/conjoin/root", "/proc", "/sys", "net", "pid", "memory", "guard"):
        assert word in done.stdout


def test_the_plan_is_json_too(conjoin, box):
    plan = json.loads(ran(conjoin.debug(box, "sh", options=["--dry-run", "--json"])))
    views = {step["object"]: step["action"] for step in plan["steps"] if step["step"] == "view"}
    assert (views["/proc"], views["/sys"], views["mnt"]) == ("mount", "mount", "copy")


def test_each_step_is_logged(conjoin, box):
    done = conjoin.debug(box, "true", options=["-v"])
    for text in ("view: /proc of the target's pid namespace", "guard", "namespaces"):
        assert text in done.stderr
    assert all(line.startswith(f"conjoin: debug {box.pid}: ") for line in done.stderr.splitlines())
