# SPDX-License-Identifier: MIT
"""debug with real tools, in containers of the real runc and crun that hold one static program and nothing
else, and in user namespaces. Not here: how a command is started (test_debug_run.py)."""

import os
import re
import signal
import shutil
import subprocess

import pytest

from lib import proc
from lib.failure import assert_failed
from lib.fixtures import numbers
from lib.held import Held
from lib.host import Host
from lib.leaks import stale_cgroups
from lib.oci import OciContainer, Runtime
from lib.poll import wait_for
from lib.program import clean_env
from lib.sandbox import Container

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")

NOBODY = 65534
# Its first process makes one every 50 ms; another listens.
INIT = "/busybox httpd -p 8080 -h /; while :; do /busybox usleep 50000; done"
FETCH = ["wget", "-q", "-O", "/dev/null", "http://127.0.0.1:8080/busybox"]


def need(name):
    if not shutil.which(name):
        pytest.skip(f"{name} isn't installed")


def with_one_program(config):
    config["process"]["args"] = ["/busybox", "sh", "-c", INIT]
    config["process"]["cwd"] = "/"
    config["root"]["readonly"] = False


def in_a_user_namespace(config):
    with_one_program(config)
    config["linux"]["namespaces"].append({"type": "user"})
    for kind in ("uid", "gid"):
        config["linux"][f"{kind}Mappings"] = [
            {"containerID": 0, "hostID": 100000, "size": 65536}]
    config["mounts"] = [m for m in config["mounts"] if m["type"] not in ("sysfs", "cgroup")]


KINDS = {"runc": ("runc", with_one_program), "crun": ("crun", with_one_program),
         "runc, a user namespace": ("runc", in_a_user_namespace)}


@pytest.fixture(scope="module", params=list(KINDS))
def box(request, session_folder):
    name, change = KINDS[request.param]
    need(name)
    number = next(numbers)
    bundle = os.path.join(session_folder, f"{name}-{number}")
    rootfs = os.path.join(session_folder, f"one-program-{number}")
    for folder in (bundle, rootfs):
        os.mkdir(folder)
    shutil.copy(shutil.which("busybox"), rootfs)
    for folder in ("proc", "dev", "sys"):  # mount points
        os.mkdir(os.path.join(rootfs, folder))
    made = OciContainer(Runtime(name, session_folder), f"conjoin-test-{os.getpid()}-{number}", bundle,
                        rootfs, change)
    yield made
    made.delete()
    shutil.rmtree(bundle)
    shutil.rmtree(rootfs)


@pytest.fixture(scope="module")
def serving(box):
    def listens():
        with open(f"/proc/{box.pid}/net/tcp6", encoding="ascii") as f:
            return ":1F90 " in f.read()  # 8080
    wait_for(listens)
    return box


def ran(done):
    assert done.returncode == 0, done
    return done.stdout


def test_there_is_nothing_to_be_executed_but_one_program(conjoin, box):
    assert conjoin.exec(box, "sh").returncode == 127
    assert sorted(name for name in os.listdir(f"/proc/{box.pid}/root")
                  if os.path.isfile(f"/proc/{box.pid}/root/{name}")) == ["busybox"]


def test_ps_shows_its_processes_and_no_others(conjoin, box):
    lines = ran(conjoin.debug(box, "ps", "-e", "-o", "pid=,args=")).splitlines()
    rows = dict(line.split(None, 1) for line in lines)
    assert rows["1"].startswith("/busybox sh -c")
    assert set(rows.values()) <= {rows["1"], "/busybox httpd -p 8080 -h /",
                                  "/busybox usleep 50000", "ps -e -o pid=,args=", "[busybox] <defunct>",
                                  "[busybox]"}
    assert len(rows) < 8


def test_top_shows_them(conjoin, box):
    out = ran(conjoin.debug(box, "top", "-b", "-n1", "-w", "200"))
    rows = [line.split() for line in out.partition("COMMAND")[2].splitlines() if line.split()]
    assert [row[-1] for row in rows if row[0] == "1"] == ["busybox"]
    assert len(rows) < 8 and "top" in [row[-1] for row in rows]


def test_ss_shows_who_listens(conjoin, serving):
    out = ran(conjoin.debug(serving, "ss", "-Hntlp"))
    lines = [line for line in out.splitlines() if ":8080" in line]
    assert len(lines) == 1 and out.count("\n") == 1
    pid = re.search(r'users:\(\("busybox",pid=(\d+),', lines[0])[1]
    assert ran(conjoin.debug(serving, "cat", f"/proc/{pid}/cmdline")).startswith("/busybox\0httpd")


def test_ip_shows_its_network(conjoin, serving):
    box = serving
    assert ran(conjoin.debug(box, "ip", "-o", "addr")).splitlines()[0].split()[1:4] == [
        "lo", "inet", "127.0.0.1/8"]
    assert [line.split()[1] for line in
            ran(conjoin.debug(box, "ip", "-o", "link")).splitlines()] == ["lo:"]
    assert conjoin.debug(box, "busybox", *FETCH).returncode == 0
    assert subprocess.run(["busybox", *FETCH], capture_output=True, check=False).returncode != 0


def children(box):
    """Those that it started itself, not what it inherited."""
    with open(f"/proc/{box.pid}/task/{box.pid}/children", encoding="ascii") as f:
        pids = f.read().split()
    return {pid for pid in pids if b"usleep" in cmdline(pid)}


def cmdline(pid):
    try:
        return proc.read(pid, "cmdline")
    except (FileNotFoundError, ProcessLookupError):
        return b""


def strace(conjoin, box, *options):
    """Traces the first process until that has started, and waited for, some others under its eyes."""
    trace = conjoin.popen("debug", box.pid, "strace", *options, "-p", "1",
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        wait_for(lambda: box.status()["TracerPid"] != "0", what="strace to be attached")
        seen, before = set(), children(box)

        def some_are_over():
            seen.update(children(box) - before)
            return len(seen) > 4

        wait_for(some_are_over, what="the first process to do something")
        trace.send_signal(signal.SIGINT)
        out, err = trace.communicate(timeout=30)
        assert trace.returncode in (0, 128 + signal.SIGINT), (out, err)
    finally:
        trace.terminate()
        trace.communicate()
    wait_for(lambda: box.status()["TracerPid"] == "0")


def test_strace_counts_the_calls_of_the_first_process(conjoin, box, scratch):
    path = os.path.join(scratch, "counts")
    strace(conjoin, box, "-c", "-o", path)
    with open(path, encoding="utf-8") as f:
        calls = [line.split()[-1] for line in f if line.split()[:1]]
    assert "wait4" in calls


def test_strace_follows_what_it_starts(conjoin, box, scratch):
    path = os.path.join(scratch, "calls")
    strace(conjoin, box, "-f", "-e", "trace=execve", "-o", path)
    with open(path, encoding="utf-8") as f:
        assert 'execve("/busybox", ["/busybox", "usleep", "50000"]' in f.read()


def test_tcpdump_sees_its_packets(conjoin, serving):
    need("tcpdump")
    dump = conjoin.popen("debug", serving.pid, "tcpdump", "-i", "lo", "-nn", "-c", "1", "tcp", "port",
                         "8080", stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        seen = b""
        while b"listening on lo" not in seen:
            line = dump.stderr.readline()
            assert line, seen
            seen += line
        assert conjoin.exec(serving, "/busybox", *FETCH).returncode == 0
        out, err = dump.communicate(timeout=30)
        assert re.search(rb"IP 127\.0\.0\.1\.\d+ > 127\.0\.0\.1\.8080: Flags \[S\]", out), (out, err)
        assert dump.returncode == 0
    finally:
        dump.terminate()
        dump.communicate()


def test_gdb_attaches_to_the_first_process(conjoin, box):
    need("gdb")
    done = conjoin.debug(box, "gdb", "-nx", "-batch", "-p", "1", "-ex", "info proc", "-ex",
                         "info registers pc", env={**clean_env(), "DEBUGINFOD_URLS": ""})
    assert "process 1\n" in ran(done)
    assert "cmdline = '/busybox sh -c" in done.stdout and "exe = '/busybox'" in done.stdout
    wait_for(lambda: box.status()["TracerPid"] == "0" and box.status()["State"][0] in "SR")
    # A process of gdb's own outlives it by a moment: the next removes the cgroup that it was in.
    wait_for(lambda: conjoin.debug(box, "true").returncode == 0 and not stale_cgroups())


def test_lsof_shows_its_files(conjoin, serving):
    need("lsof")
    out = conjoin.debug(serving, "lsof", "-nP", "-i", "TCP:8080", "-s", "TCP:LISTEN").stdout
    assert len(out.splitlines()) == 2 and "TCP *:8080 (LISTEN)" in out


def test_perf_counts_what_the_first_process_does(conjoin, box):
    need("perf")
    count = ["perf", "stat", "-x,", "-e", "task-clock", "-p"]
    done = conjoin.debug(box, *count, "1", "sleep", "0.4")
    if subprocess.run([*count, str(box.pid), "sleep", "0.01"], capture_output=True,
                      check=False).returncode != 0:
        pytest.skip("this machine doesn't allow perf")
    assert ran(done) == "" and float(done.stderr.split(",")[0]) > 0, done


def test_bpftrace_sees_what_the_first_process_does(conjoin, box):
    """By the host's tracefs, which a /sys of its own would hide."""
    need("bpftrace")
    probe = ("tracepoint:syscalls:sys_enter_wait4 /pid == %d/ { printf(\"waits\\n\"); exit(); }"
             % box.pid)
    tracing = Host(conjoin, "mountpoint -q /sys/kernel/tracing || mount -t tracefs tracefs /sys/kernel/tracing\n"
                            "mount -t debugfs debugfs /sys/kernel/debug")
    if subprocess.run(["bpftrace", "-e", "BEGIN { exit(); }"], capture_output=True,
                      check=False).returncode != 0:
        pytest.skip("this machine doesn't allow bpftrace")
    done = tracing.debug(box, "timeout", "30", "bpftrace", "-e", probe)
    assert "waits\n" in ran(done), done


def test_its_files_are_looked_at(conjoin, box):
    out = ran(conjoin.debug(box, "sh", "-c", "cmp $CONJOIN_ROOT/busybox /usr/bin/busybox && "
                            "find $CONJOIN_ROOT -xdev -type f"))
    assert out.split() == ["/mnt/conjoin/root/busybox"] or "/busybox" in out


def test_a_brought_shell_and_tool_on_its_own_paths(conjoin, box):
    options = ["--view", "target", "--bring", "bash", "--bring", "strace", "--bring", "timeout"]
    script = ("echo /bus*; timeout 30 strace -f -e trace=execve -p 1 2>&1 | "
              "while read -r line; do case $line in *usleep*) echo \"$line\"; break;; esac; done")
    done = conjoin.debug(box, "bash", "-c", script, options=options)
    assert done.stdout.startswith("/busybox\n")
    assert 'execve("/busybox", ["/busybox", "usleep", "50000"]' in done.stdout, done


# --- user namespaces ---

AS_NOBODY = f"setpriv --reuid={NOBODY} --regid={NOBODY} --clear-groups"
MASKED = "mount --bind /dev/null /proc/uptime"


class Unshared(Container):
    """What a user makes with unshare(1), an own network included: it has answered once. `masked`: on a
    host where a part of /proc is hidden, and with no /proc of its own."""

    def __init__(self, masked=False):
        words = ["unshare", "-U", "-r", "-p", "-f", "-m", "-n", *([] if masked else ["--mount-proc"]),
                 "sh", "-c", "echo x; exec cat"]
        script = f'{MASKED if masked else ":"} && exec {AS_NOBODY} "$@"'
        self.process = subprocess.Popen(
            ["unshare", "-m", "sh", "-c", script, "sh", *words], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, env=clean_env(), cwd="/")
        assert self.process.stdout.readline() == b"x\n"
        with open(f"/proc/{self.process.pid}/task/{self.process.pid}/children",
                  encoding="ascii") as f:
            self.pid = int(f.read())

    def end(self):
        self.process.communicate(timeout=20)


@pytest.fixture(scope="module")
def unshared():
    made = Unshared()
    yield made
    made.end()


@pytest.mark.parametrize("options", [[], ["--namespaces", "+user"]], ids=str)
def test_root_looks_into_what_a_user_has_made(options, conjoin, unshared):
    extra = ["--expose-host"] if options else []
    done = conjoin.debug(unshared, "sh", "-c", "ps -e -o pid=,comm=; ls /sys/class/net; ls $CONJOIN_ROOT",
                         options=[*options, *extra])
    rows = [line.split() for line in ran(done).splitlines()]
    assert rows[0] == ["1", "cat"] and ["lo"] in rows and ["etc"] in rows
    assert len([row for row in rows if len(row) == 2]) <= 4


def test_a_command_in_the_targets_user_namespace_has_its_ids_and_no_way_out(conjoin, box):
    options = ["--namespaces", "+user", "--expose-host"]
    with Held(conjoin, box, options, verb="debug") as command:
        assert command.read("uid_map") == box.read("uid_map")
        assert command.ns()["user"] == box.ns()["user"]
        mine = [line.split() for line in command.read("mountinfo").splitlines()]
        assert [line for line in mine if line[4] == "/mnt/conjoin/root"]
    # What was mounted belongs to a user namespace above: in a container's own it can't be changed.
    if box.ns()["user"] != proc.namespaces()["user"]:
        done = conjoin.debug(box, "sh", "-c", "mount -o remount,bind,rw /mnt/conjoin/root || echo no;"
                             "umount -l /mnt/conjoin/root || echo no; umount -l /proc || echo no",
                             options=options)
        assert done.stdout == "no\nno\nno\n", done


def test_an_ordinary_user_debugs_what_is_his(conjoin, unshared):
    """In the user namespace: there he has the rights to mount."""
    options = ["--namespaces", "+user", "--expose-host", "--cgroup", "keep"]
    done = conjoin.debug(unshared, "sh", "-c", "id -u; ps -e -o pid=,comm=; ls /sys/class/net;"
                         "ls -d $CONJOIN_ROOT/etc; touch $CONJOIN_ROOT/tmp/x", options=options,
                         user=NOBODY)
    lines = done.stdout.split("\n")
    assert lines[0] == "0" and lines[1].split() == ["1", "cat"], done
    assert "lo" in lines and "/mnt/conjoin/root/etc" in lines
    assert "Read-only file system" in done.stderr


def test_where_proc_cant_be_mounted_the_rest_is_there(conjoin):
    """The kernel mounts none in a user namespace that could show what is hidden: mount_namespaces(7)."""
    options = ["--namespaces", "+user", "--expose-host", "--cgroup", "keep"]
    host = Host(conjoin, f'{MASKED}\nset -- {AS_NOBODY} "$@"')
    target = Unshared(masked=True)
    try:
        done = host.debug(target, "sh", "-c", "ls -d $CONJOIN_ROOT/etc; ls /sys/class/net; exit 7",
                          options=options)
    finally:
        target.end()
    assert done.returncode == 7, done
    assert done.stdout.startswith("/mnt/conjoin/root/etc\n")
    assert "warning: view: /proc stays the host's" in done.stderr, done


def test_an_ordinary_user_is_told_what_he_may_not(conjoin, unshared, box):
    done = conjoin.debug(unshared, "true", user=NOBODY)
    assert_failed(done, 125)
    assert_failed(conjoin.debug(box, "true", user=NOBODY), 125)
