# SPDX-License-Identifier: MIT
"""Containers of the real runc and crun: a command is what the container's first process is, and
what the runtime's own exec makes of one, where that is faithful. Not here: our own sandboxes."""

import json
import os
import shutil
import signal
import subprocess
import time

import pytest

from lib import proc
from lib.fixtures import numbers
from lib.held import Held, differences, portrait, without_own_lines
from lib.oci import DOCKER_CAPS, OciContainer, Runtime
from lib.poll import wait_for
from lib.program import TIMEOUT, clean_env

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")

SETS = ("bounding", "effective", "permitted", "inheritable", "ambient")


def plain(config):
    config["process"]["env"] += ["LONG=" + "x" * 5000, "EMPTY=", "UTF=é"]


def as_a_user(config):
    config["process"]["user"] = {"uid": 1000, "gid": 1001, "additionalGids": [29, 2000],
                                 "umask": 0o027}
    config["process"]["cwd"] = "/home/app"


def with_ambient(config):
    as_a_user(config)
    config["process"]["capabilities"] = {name: ["CAP_NET_BIND_SERVICE", "CAP_KILL"]
                                         for name in SETS}


def without_new_privileges(config):
    as_a_user(config)
    config["process"]["noNewPrivileges"] = True


def without_capabilities(config):
    config["process"]["capabilities"] = {name: [] for name in SETS}


def in_a_user_namespace(config):
    config["linux"]["namespaces"].append({"type": "user"})
    for kind in ("uid", "gid"):
        config["linux"][f"{kind}Mappings"] = [
            {"containerID": 0, "hostID": 100000, "size": 65536}]
    # the namespace owns no network in which sysfs may be mounted anew
    config["mounts"] = [m for m in config["mounts"] if m["type"] not in ("sysfs", "cgroup")]


def limited(config):
    config["process"]["rlimits"] = [{"type": "RLIMIT_NOFILE", "soft": 100, "hard": 200},
                                    {"type": "RLIMIT_CORE", "soft": 0, "hard": 0}]
    config["process"]["oomScoreAdj"] = 250
    config["linux"]["resources"] = {"pids": {"limit": 50}, "memory": {"limit": 64 << 20}}


def without_a_filter(config):
    del config["linux"]["seccomp"]


def sharing_namespaces(config):
    config["linux"]["namespaces"] = [
        one for one in config["linux"]["namespaces"] if one["type"] not in ("network", "ipc")]


def privileged(config):
    every = int(proc.status("self")["CapBnd"], 16)
    names = subprocess.run(["capsh", f"--decode={every:x}"], capture_output=True, text=True,
                           check=False).stdout.strip().partition("=")[2].upper().split(",")
    names = [name for name in names if name.startswith("CAP_")] or DOCKER_CAPS
    config["process"]["capabilities"] = {
        name: names for name in ("bounding", "effective", "permitted")}
    del config["linux"]["seccomp"]


MATRIX = {
    "like Docker's": plain, "a user": as_a_user, "a user with ambient capabilities": with_ambient,
    "no_new_privs": without_new_privileges, "no capabilities": without_capabilities,
    "a user namespace": in_a_user_namespace, "limits": limited, "no filter": without_a_filter,
    "host's network": sharing_namespaces, "privileged": privileged,
}


@pytest.fixture(scope="module", params=["runc", "crun"])
def runtime(request, session_folder):
    if not shutil.which(request.param):
        pytest.skip(f"{request.param} isn't installed")
    return Runtime(request.param, session_folder)


def make(runtime, session_folder, rootfs, change):
    number = next(numbers)
    bundle = os.path.join(session_folder, f"{runtime.name}-{number}")
    os.mkdir(bundle)
    return OciContainer(runtime, f"conjoin-test-{os.getpid()}-{number}", bundle, rootfs, change)


@pytest.fixture(scope="module", params=list(MATRIX))
def box(request, runtime, session_folder, rootfs):
    made = make(runtime, session_folder, rootfs, MATRIX[request.param])
    yield made
    made.delete()
    shutil.rmtree(made.bundle)


@pytest.fixture(scope="module")
def docker(runtime, session_folder, rootfs):
    """One like Docker's whose files may be written to."""

    def writable(config):
        config["root"]["readonly"] = False

    made = make(runtime, session_folder, rootfs, writable)
    yield made
    made.delete()
    shutil.rmtree(made.bundle)


def test_a_command_is_what_the_first_process_is(conjoin, box):
    """Without any option: the filter comes from the bundle, and nobody warns of anything."""
    with Held(conjoin, box) as command:
        found = differences(portrait(box.pid), portrait(command.pid))
        assert command.end() == (0, "")
    # Each builds it from the same profile: one filter, or one and what answers ENOSYS.
    found.pop("status Seccomp_filters", None)
    assert found == {}


LOOK = """
cat /proc/$1/status
for i in limits cgroup oom_score_adj uid_map gid_map setgroups coredump_filter personality \\
         timerslack_ns; do
	echo "$i: $(cat /proc/$1/$i 2>&1)"
done
"""
LOOK_AROUND = LOOK + """
for i in /proc/self/ns/*; do echo "$i: $(readlink $i)"; done
echo "cwd: $(pwd)"; echo "mask: $(umask)"; echo "id: $(id)"
echo "environment: $(tr '\\0' '\\n' </proc/self/environ | grep -v ^HOME= | sort)"
"""


def seen(done):
    """What a script has said, without what is about that very process."""
    assert done.returncode == 0, done.stderr
    text = done.stdout.replace("/proc/1/", "/proc/self/").splitlines()
    first = next(n for n, line in enumerate(text) if line.startswith("limits:"))
    found = without_own_lines(proc.parse_status("\n".join(text[:first])))
    found["rest"] = text[first:]
    return found


def test_what_it_reads_of_itself_is_what_the_first_process_has(conjoin, box):
    own, init = (conjoin.exec(box, "sh", "-c", LOOK, "sh", pid) for pid in ("self", "1"))
    # an own timer slack may be read by anybody, another's only with CAP_SYS_NICE
    own, init = (seen(done) for done in (own, init))
    for one in (own, init):
        one["rest"] = [line for line in one["rest"] if not line.startswith("timerslack")]
    assert differences(init, own) == {}
    done = conjoin.exec(box, "cat", "/proc/self/environ", text=False)
    assert done.stdout == box.read("environ", text=False)


def runtimes_exec(box, *command):
    """The runtime's own exec, told all that its container was told: without that crun's takes
    neither user nor limits from the container."""
    path = os.path.join(box.bundle, "process.json")
    with open(path, "w", encoding="utf-8") as f:
        json.dump({**box.config["process"], "args": list(command)}, f)
    return subprocess.run(
        [*box.runtime.command, "exec", "--process", path, box.name], cwd=box.bundle,
        env=clean_env(), stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=TIMEOUT,
        check=False,
    )


# What the runtime's own exec doesn't take over although it was told (runc 1.1, crun 1.8). Go raises
# its own soft limit of files while runc sets the command's, and which comes last is chance.
UNFAITHFUL = {"runc": ("Umask", "mask:", "Max open files"), "crun": ("oom_score_adj:",)}


def test_it_is_what_the_runtimes_own_exec_makes(conjoin, box):
    unfaithful = UNFAITHFUL[box.runtime.name]
    ours = seen(conjoin.exec(box, "sh", "-c", LOOK_AROUND, "sh", "self"))
    theirs = seen(runtimes_exec(box, "sh", "-c", LOOK_AROUND, "sh", "self"))
    for one in (ours, theirs):
        for key in ("Seccomp_filters", *unfaithful):
            one.pop(key, None)
        one["rest"] = [line for line in one["rest"] if not line.startswith(unfaithful)]
    assert differences(theirs, ours) == {}


# What Docker's profile refuses (EPERM), pretends not to know (ENOSYS), and lets through.
TRIES = ["unshare -n true", "unshare -U true", "mount -t tmpfs x /tmp", "chroot / true",
         "hostname x", "umount /proc", "setarch linux32 uname", "setarch -R true", "swapoff /x",
         "pivot_root / /tmp", "nice -n 5 true", "renice -n -5 $$", "chrt -r 5 true", "rmmod x",
         "mknod /dev/x c 1 3 && rm /dev/x", "ping -c1 -W1 127.0.0.1 >/dev/null",
         "setsid true", "taskset 1 true", "chown 1:1 /dev/shm", "kill -0 1"]


def test_what_is_refused_and_allowed_is_the_same_as_with_the_runtimes_exec(conjoin, box):
    script = "\n".join(f"({text}) </dev/null >/dev/null 2>&1; echo '{text}' $?" for text in TRIES)
    if "CAP_SYS_ADMIN" in box.config["process"]["capabilities"]["effective"]:
        return  # these would really be done
    ours = conjoin.exec(box, "sh", "-c", script)
    assert ours.stdout == runtimes_exec(box, "sh", "-c", script).stdout
    assert ours.stdout.count("\n") == len(TRIES)


@pytest.mark.parametrize("command", [
    ["sh", "-c", "exit 255"], ["sh", "-c", "echo out; echo err >&2; kill -9 $$"],
    ["printf", "%s|", "", "a b", "$x", "-n", "é"],
])
def test_output_and_exit_status_are_those_of_the_runtimes_exec(conjoin, docker, command):
    ours, theirs = conjoin.exec(docker, *command), docker.exec(*command)
    assert (ours.returncode, ours.stdout, ours.stderr) == (
        theirs.returncode, theirs.stdout, theirs.stderr)


@pytest.mark.parametrize("user, option", [("app:app", "1000:1000"), ("7:8", "7:8")])
def test_users_are_those_of_the_runtimes_exec(conjoin, docker, user, option):
    ours = conjoin.exec(docker, "cat", "/proc/self/status", options=["-u", user])
    theirs = docker.exec("cat", "/proc/self/status", options=["--user", option])
    ours, theirs = (without_own_lines(proc.parse_status(done.stdout)) for done in (ours, theirs))
    for one in (ours, theirs):
        one.pop("Seccomp_filters")
    assert differences(theirs, ours) == {}


# --- the filter ---


def test_the_filter_is_found_in_the_bundle(conjoin, docker):
    done = conjoin.exec(docker, "grep", "Seccomp:", "/proc/self/status", options=["-v"])
    assert done.stdout.split() == ["Seccomp:", "2"]
    plan = conjoin.exec(docker, "true", options=["--dry-run"]).stdout
    own = f"/run/crun/{docker.name}/config.json"  # crun keeps one for itself
    assert f"from the bundle, {docker.bundle}/config.json" in plan or own in plan


def test_the_target_is_not_stopped_for_it(conjoin, docker):
    before = proc.status(docker.pid)
    for _ in range(5):
        assert conjoin.exec(docker, "true").returncode == 0
    after = proc.status(docker.pid)
    assert [after[key] for key in ("State", "TracerPid")] == ["S (sleeping)", "0"]
    key = "voluntary_ctxt_switches"
    assert after[key] == before[key]


@pytest.mark.parametrize("how, filters", [("copy", "2"), ("off", "0")])
def test_how_the_filter_is_had_can_be_chosen(conjoin, docker, how, filters):
    done = conjoin.exec(docker, "grep", "Seccomp:", "/proc/self/status",
                        options=["--seccomp", how])
    assert done.stdout.split()[-1:] == [filters], done.stderr
    assert ("stops the target briefly" in done.stderr) == (how == "copy")


def test_a_bundle_that_is_named_is_used(conjoin, docker, scratch):
    path = os.path.join(scratch, "config.json")
    config = json.loads(json.dumps(docker.config))
    for rule in config["linux"]["seccomp"]["syscalls"]:
        if "umask" in rule["names"]:
            rule["names"].remove("umask")
    with open(path, "w", encoding="utf-8") as f:
        json.dump(config, f)
    for bundle in (path, scratch):
        done = conjoin.exec(docker, "grep", "Seccomp:", "/proc/self/status",
                            options=["--bundle", bundle])
        assert done.stdout.split()[-1:] == ["2"], done.stderr


def test_a_filter_that_is_found_no_more_is_one_warning(conjoin, docker):
    """A bundle without one: something else must have loaded it."""
    path = os.path.join(docker.bundle, "none.json")
    config = json.loads(json.dumps(docker.config))
    del config["linux"]["seccomp"]
    with open(path, "w", encoding="utf-8") as f:
        json.dump(config, f)
    done = conjoin.exec(docker, "grep", "Seccomp:", "/proc/self/status", options=["--bundle", path])
    assert (done.returncode, done.stdout.split()[-1]) == (0, "0")
    assert len(done.stderr.splitlines()) == 1 and "seccomp" in done.stderr


def test_a_bundle_that_is_none_is_named(conjoin, docker, scratch):
    path = os.path.join(scratch, "config.json")
    for content in ("", "{", "[]", '{"linux": {"seccomp": 7}}', '{"linux": []}', "{}\0"):
        with open(path, "w", encoding="utf-8") as f:
            f.write(content)
        done = conjoin.exec(docker, "true", options=["--bundle", scratch])
        assert done.returncode == 125 or (done.returncode == 0 and "seccomp" in done.stderr)
        assert len([line for line in done.stderr.splitlines() if "hint:" not in line]) == 1


# --- life together ---


def test_a_container_paused_by_its_runtime_is_refused_at_once(conjoin, docker):
    docker.call("pause", docker.name)
    try:
        began = time.monotonic()
        done = conjoin.exec(docker, "true")
        assert time.monotonic() - began < 1
        assert done.returncode == 125 and "paused" in done.stderr
    finally:
        docker.call("resume", docker.name)
    assert conjoin.exec(docker, "true").returncode == 0


def test_the_command_is_seen_and_ended_by_the_runtime(conjoin, runtime, session_folder, rootfs):
    box = make(runtime, session_folder, rootfs, plain)
    try:
        with Held(conjoin, box) as command:
            listed = subprocess.run([*runtime.command, "ps", box.name], capture_output=True,
                                    text=True, check=False).stdout
            assert str(command.pid) in listed.split()
            box.call("kill", box.name, "KILL")
            assert command.process.wait(10) == 128 + signal.SIGKILL
        assert "ended" in conjoin.exec(box, "true").stderr or not box.alive()
    finally:
        box.delete()
        shutil.rmtree(box.bundle)


def test_the_runtime_deletes_what_a_command_was_in(conjoin, runtime, session_folder, rootfs):
    """Nothing that we have put there keeps it from removing the container's cgroups."""
    box = make(runtime, session_folder, rootfs, plain)
    folders = list(box.cgroup_dirs().values())
    assert conjoin.exec(box, "sh", "-c", "sleep 1000 >/dev/null 2>&1 &").returncode == 0
    box.delete()
    ours = {proc.cgroup_directory(key, path) for key, path in proc.cgroups().items()}
    wait_for(lambda: not any(os.path.exists(f) for f in folders if f not in ours and
                             os.path.basename(f) == box.name))
    shutil.rmtree(box.bundle)
