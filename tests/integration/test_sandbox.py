# SPDX-License-Identifier: MIT
"""The containers that all other tests lean on are what they claim to be. Not here: conjoin."""

import errno
import os
import signal
import subprocess

import pytest

from lib import proc
from lib.leaks import Snapshot
from lib.poll import wait_for

DOCKER_CAPS = "00000000a80425fb"
NO_CAPS = "0" * 16
root_only = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


def inside(container, *command):
    """Runs a command in the container's namespaces, by other means than ours."""
    return subprocess.run(
        ["nsenter", "-t", str(container.pid), "-a", *command], capture_output=True, text=True,
        timeout=20, check=False, stdin=subprocess.DEVNULL,
    )


def test_a_sandbox_has_every_namespace_of_its_own(sandbox):
    ours, theirs = proc.namespaces(), sandbox().ns()
    assert set(ours) == set(theirs)
    assert [name for name in ours if ours[name] == theirs[name]] == []


def test_namespaces_can_be_left_out(sandbox):
    ours, theirs = proc.namespaces(), sandbox(namespaces="all,-net,-pid").ns()
    assert sorted(name for name in ours if ours[name] == theirs[name]) == ["net", "pid"]


@root_only
def test_no_namespaces_at_all_is_a_plain_process(sandbox):
    assert sandbox(namespaces="none").ns() == proc.namespaces()


def test_the_ready_line_tells_what_the_kernel_tells(sandbox):
    box = sandbox()
    assert box.ready["ns"] == box.ns()
    assert box.ready["cgroups"] == box.cgroups()
    assert box.status()["Name"] == "sandbox-init"
    if box.handle:
        assert box.handle.split(":")[0] == str(box.pid)


@root_only
def test_a_sandbox_has_a_cgroup_of_its_own_in_every_mounted_hierarchy(sandbox):
    box = sandbox()
    ours, theirs = proc.cgroups(), box.cgroups()
    assert box.ready["cgroup_dirs"]
    for controllers, folder in box.ready["cgroup_dirs"].items():
        assert ours[controllers] != theirs[controllers]
        assert box.cgroup_dirs()[controllers] == folder
    if "memory" in theirs and "pids" in theirs:
        assert theirs["memory"] != theirs["pids"]  # not one path for all


@root_only
def test_its_root_and_files_are_its_own(sandbox, rootfs):
    box = sandbox()
    assert inside(box, "sh", "-c", "echo x > /etc/new && cat /etc/new").stdout == "x\n"
    assert not os.path.exists(os.path.join(rootfs, "etc/new"))
    assert os.listdir(os.path.join(rootfs, "dev")) == []
    assert inside(box, "stat", "-c", "%U", "/bin", "/home/app").stdout.split() == ["root", "app"]
    assert inside(box, "readlink", "/proc/1/exe").returncode == 0
    assert inside(box, "sh", "-c", "echo x > /dev/null").returncode == 0


@root_only
def test_host_name_loopback_and_clocks_are_its_own(sandbox):
    box = sandbox(hostname="box", monotonic=1000000, boottime=1000000)
    assert inside(box, "hostname").stdout.strip() == "box"
    assert "LOOPBACK,UP" in inside(box, "ip", "link", "show", "lo").stdout
    uptime = subprocess.run(  # nsenter doesn't know the time namespace before util-linux 2.38
        ["nsenter", f"--time=/proc/{box.pid}/ns/time", "-t", str(box.pid), "-m", "-p", "cat",
         "/proc/uptime"], capture_output=True, text=True, check=False,
    )
    assert float(uptime.stdout.split()[0]) > 1000000


@root_only
def test_ids_groups_and_maps_are_as_asked(sandbox):
    status = sandbox(uid=1000, gid=1001, groups="29,2000", map="200000:65536").status()
    assert status["Uid"].split() == ["201000"] * 4
    assert status["Gid"].split() == ["201001"] * 4
    assert status["Groups"].split() == ["200029", "202000"]


@root_only
@pytest.mark.parametrize(
    "options, expected",
    [
        ({"caps": "docker"}, [NO_CAPS, DOCKER_CAPS, DOCKER_CAPS, DOCKER_CAPS, NO_CAPS]),
        ({"caps": "none"}, [NO_CAPS] * 5),
        ({"uid": 1000, "bounding": "docker"}, [NO_CAPS] * 3 + [DOCKER_CAPS, NO_CAPS]),
        ({"uid": 1000, "caps": "docker"}, [DOCKER_CAPS] * 5),
        (
            {"caps": "chown,kill", "inheritable": "kill", "ambient": "kill"},
            [f"{1 << 5:016x}", f"{1 << 5 | 1:016x}", f"{1 << 5 | 1:016x}", f"{1 << 5 | 1:016x}",
             f"{1 << 5:016x}"],
        ),
    ],
)
def test_the_five_capability_sets_are_as_asked(sandbox, options, expected):
    status = sandbox(**options).status()
    assert [status[name] for name in proc.CAP_SETS] == expected


@pytest.mark.parametrize("no_new_privs", [False, True])
def test_a_filter_is_loaded_with_and_without_no_new_privs(sandbox, no_new_privs):
    box = sandbox(seccomp="docker-like", caps="docker", no_new_privs=no_new_privs)
    status = box.status()
    assert (status["Seccomp"], status["NoNewPrivs"]) == ("2", str(int(no_new_privs)))


def test_the_filter_refuses_and_kills_what_it_should(sandbox):
    refused = sandbox("sh", "-c", "hostname x; exit $?", seccomp="deny:sethostname")
    assert refused.wait() != 0
    assert os.strerror(errno.EPERM) in refused.stderr()
    killed = sandbox("sh", "-c", "hostname x; exit $?", seccomp="kill:sethostname")
    assert killed.wait() == 128 + signal.SIGSYS


def test_environment_bytes_and_cwd_are_as_given(sandbox, scratch):
    raw = [b"A=b", b"no equals sign", b"BYTES=\xff\xfe\n", b"", b"A=again"]
    path = os.path.join(scratch, "env")
    with open(path, "wb") as f:
        f.write(b"\0".join(raw) + b"\0")
    box = sandbox(env_file=path, cwd="/home/app")
    assert box.environ() == raw
    assert os.readlink(f"/proc/{box.pid}/cwd") == "/home/app"
    assert b"X=\xff" in sandbox(env=[b"X=\xff"]).environ()


@root_only
def test_scheduling_limits_and_masks_are_as_asked(sandbox):
    box = sandbox(rlimit=["nofile=64:128", "core=0:0"], umask="027", nice=5, oom=300, affinity=0,
                  personality="40000", timerslack=123456, coredump_filter="3", sched="batch:0",
                  chroot="/home")
    assert [line.split()[3:5] for line in box.read("limits").splitlines()
            if line.startswith("Max open files")] == [["64", "128"]]
    assert box.status()["Umask"] == "0027"
    assert box.status()["Cpus_allowed_list"] == "0"
    assert os.getpriority(os.PRIO_PROCESS, box.pid) == 5
    assert os.sched_getscheduler(box.pid) == os.SCHED_BATCH
    assert int(box.read("oom_score_adj")) == 300
    assert int(box.read("personality"), 16) == 0x40000
    assert int(box.read("timerslack_ns")) == 123456
    assert int(box.read("coredump_filter"), 16) == 3
    assert os.readlink(f"/proc/{box.pid}/root") == "/home"


@root_only
def test_it_starts_frozen_thaws_and_freezes(sandbox):
    box = sandbox(freeze=True)
    wait_for(box._frozen)
    box.thaw()
    box.freeze()
    assert box.stop() == 0


def test_it_has_no_descriptors_but_three(sandbox):
    read_end, write_end = os.pipe()
    os.set_inheritable(read_end, True)
    box = sandbox()
    os.close(read_end)
    os.close(write_end)
    wait_for(lambda: sorted(os.listdir(f"/proc/{box.pid}/fd")) == ["0", "1", "2"])


def test_its_exit_status_is_the_commands(sandbox):
    assert sandbox("sh", "-c", "exit 7").wait() == 7
    assert sandbox("sh", "-c", "sleep 1000 & kill -9 $!; wait $!; exit $?").wait() == 137


def test_what_cannot_be_done_is_told_with_step_and_reason(sandbox):
    with pytest.raises(RuntimeError, match="execute nothing: No such file or directory"):
        sandbox("nothing")
    with pytest.raises(RuntimeError, match="enter /nowhere: No such file or directory"):
        sandbox(rootfs="/nowhere")
    with pytest.raises(RuntimeError, match="option --uid: not N: 12x"):
        sandbox(uid="12x")


def test_the_container_dies_with_its_supervisor(sandbox, sandbox_program):
    box = sandbox()
    box.kill_supervisor()
    wait_for(lambda: not box.alive())
    subprocess.run([sandbox_program, "--cleanup"], check=True, stderr=subprocess.DEVNULL)


@root_only
def test_a_process_from_outside_the_pid_namespace_goes_with_the_cgroup(sandbox):
    box = sandbox()
    stray = subprocess.Popen(["sleep", "1000"])
    for folder in box.cgroup_dirs().values():
        with open(os.path.join(folder, "cgroup.procs"), "w", encoding="ascii") as f:
            f.write(str(stray.pid))
    assert box.stop() == 0
    assert stray.wait(10) == -signal.SIGKILL


@root_only
def test_an_ordinary_user_can_have_one(sandbox):
    box = sandbox(user=65534)
    assert box.status()["Uid"].split() == ["65534"] * 4
    assert box.read("uid_map").split() == ["0", "65534", "1"]
    assert box.read("setgroups").strip() == "deny"
    assert not set(proc.namespaces().items()) & set(box.ns().items())


def test_an_unprivileged_command_has_nothing(unprivileged):
    done = unprivileged(["sh", "-c", "id -u; id -g; grep CapEff /proc/self/status; env | wc -l"])
    uid, gid, caps, n_env = done.stdout.splitlines()
    assert (uid, gid, caps.split()[1]) == ("65534", "65534", NO_CAPS)
    assert int(n_env) <= 4


@pytest.mark.parametrize("runtime", ["runc", "crun"])
def test_real_runtimes_make_containers_like_dockers(request, runtime):
    box = request.getfixturevalue(runtime)()
    status = box.status()
    assert box.alive()
    assert status["NSpid"].split()[1:] == ["1"]
    assert (status["Seccomp"], status["NoNewPrivs"]) == ("2", "0")
    assert [status[name] for name in ("CapPrm", "CapEff", "CapBnd")] == [DOCKER_CAPS] * 3
    ours, theirs = proc.namespaces(), box.ns()
    assert all(ours[name] != theirs[name] for name in ("mnt", "uts", "ipc", "pid", "net"))
    assert box.cgroups() != proc.cgroups()


@pytest.mark.parametrize("runtime", ["runc", "crun"])
def test_a_runtimes_configuration_can_be_changed(request, runtime):
    def change(config):
        config["process"]["user"] = {"uid": 1000, "gid": 1000, "additionalGids": [29]}
        config["process"]["cwd"] = "/home/app"
        config["root"]["readonly"] = False

    box = request.getfixturevalue(runtime)(change)
    assert box.status()["Uid"].split() == ["1000"] * 4
    assert os.readlink(f"/proc/{box.pid}/cwd") == "/home/app"
    assert box.exec("hostname").stdout == "box\n"


def test_a_frozen_container_of_a_runtime_is_removed_as_well(runc):
    runc().freeze()


@root_only
def test_what_a_test_leaves_behind_is_found(scratch):
    before = Snapshot()
    child = subprocess.Popen(["sleep", "1000"])
    orphan = subprocess.run(  # its parent ends at once
        ["sh", "-c", "sleep 1001 >/dev/null & echo $!"], stdout=subprocess.PIPE, text=True,
        check=True,
    ).stdout.strip()
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", scratch], check=True)
    group = os.path.join(proc.cgroup_mounts()[0]["point"], f"conjoin-test-{os.getpid()}-leak")
    os.mkdir(group)
    try:
        found = before.leaks(timeout=0.1)
        for wanted in (f"process {child.pid} ", f"process {orphan} ", scratch, group):
            assert any(wanted in line for line in found), (wanted, found)
    finally:
        os.rmdir(group)
        subprocess.run(["umount", scratch], check=True)
        child.kill()
        child.wait()
        os.kill(int(orphan), signal.SIGKILL)
    assert before.leaks() == []
