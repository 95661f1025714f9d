# SPDX-License-Identifier: MIT
"""What an ordinary user can do: enter a process of his own in a user namespace of his own, and be
told clearly why he can't enter others. Not here: root (everywhere else)."""

import fcntl
import os
import resource
import select
import signal
import subprocess
import termios

import pytest

from lib import proc
from lib.given import has_run_for_a_while
from lib.held import Held, differences, links, portrait, without_own_lines
from lib.poll import wait_for
from lib.program import as_user, clean_env, without_leaks
from lib.sandbox import Container, Sandbox

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become somebody else")

KINDS = [kind for kind in proc.NAMESPACES if os.path.exists(f"/proc/self/ns/{kind}")]
USERS = [65534, 12345]  # one that passwd knows, one that nobody knows


class Unshared(Container):
    """What a user makes with unshare(1): the process inside has answered once."""

    def __init__(self, uid, *options, then=()):
        self.process = subprocess.Popen(
            ["unshare", *options, *then, "sh", "-c", "echo x; exec cat"], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, env=clean_env(), cwd="/", **as_user(uid),
        )
        readable, _, _ = select.select([self.process.stdout], [], [], 20)
        if not readable or self.process.stdout.readline() != b"x\n":
            self.end()
            raise RuntimeError(f"unshare as {uid} didn't work")
        self.pid = self.process.pid
        if "-f" in options:
            children = f"/proc/{self.pid}/task/{self.pid}/children"
            with open(children, encoding="ascii") as f:
                self.pid = int(f.read())

    def end(self):
        self.process.communicate(timeout=20)


@pytest.fixture(scope="module", params=USERS)
def uid(request):
    return request.param


@pytest.fixture(scope="module")
def unshared(uid):
    made = Unshared(uid, "-U", "-r", "-p", "-f", "-m", "--mount-proc")
    yield made
    made.end()


@pytest.fixture(scope="module")
def box(uid, sandbox_program, rootfs):
    made = Sandbox(sandbox_program, rootfs, user=uid, map_self=True)
    yield made
    made.stop()


@pytest.fixture(scope="module")
def foreign(sandbox_program, rootfs):
    made = Sandbox(sandbox_program, rootfs, caps="docker")
    yield made
    made.stop()


def test_a_process_unshared_by_its_user_is_entered(conjoin, uid, unshared):
    done = conjoin.exec(unshared, "sh", "-c", "id -u; id -g; echo $$; exit 7", user=uid)
    assert done.returncode == 7, done.stderr
    user, group, inside = map(int, done.stdout.split())
    assert (user, group) == (0, 0)
    assert 1 < inside < 100


def test_its_processes_are_seen_and_ours_are_not(conjoin, uid, unshared):
    done = conjoin.exec(unshared, "ps", "-e", "-o", "pid=,args=", user=uid)
    assert done.returncode == 0, done.stderr
    lines = [line.split(None, 1) for line in done.stdout.splitlines()]
    assert lines[0] == ["1", "cat"]
    assert len(lines) <= 3


def test_a_command_is_what_its_target_is(conjoin, uid, unshared, box):
    for target in (unshared, box):
        with Held(conjoin, target, user=uid) as command:
            assert proc.status(command.supervisor)["Uid"].split() == [str(uid)] * 4
            found = differences(portrait(target.pid), portrait(command.pid))
            assert command.end()[0] == 0
        assert found == {}


def test_every_namespace_of_a_rootless_container_is_joined(conjoin, uid, box):
    with Held(conjoin, box, user=uid) as command:
        assert links(command.pid, "ns") == links(box.pid, "ns")
        ours, found = proc.namespaces(), proc.namespaces(command.pid)
        assert [kind for kind in KINDS if ours[kind] == found[kind]] == []


def test_the_rootless_container_works_from_inside(conjoin, uid, box):
    script = "hostname; cat /etc/hostname; echo x > /tmp/x && cat /tmp/x; id -u; ps | wc -l"
    done = conjoin.exec(box, "sh", "-c", script, user=uid)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split()[:4] == ["sandbox", "sandbox", "x", "0"]
    own, init = (proc.parse_status(conjoin.exec(box, "cat", f"/proc/{pid}/status", user=uid).stdout)
                 for pid in ("self", "1"))
    assert differences(without_own_lines(own), without_own_lines(init)) == {}


def test_input_output_and_exit_status_are_passed(conjoin, uid, box):
    done = conjoin.exec(box, "sh", "-c", "cat; echo err >&2; exit 3", user=uid, input="some\n")
    assert (done.returncode, done.stdout, done.stderr) == (3, "some\n", "err\n")
    assert conjoin.exec(box, "sh", "-c", "kill -9 $$", user=uid).returncode == 137
    assert conjoin.exec(box, "no-such-command", user=uid).returncode == 127
    assert conjoin.exec(box, "/etc", user=uid).returncode == 126


def test_it_dies_with_the_container_and_with_its_supervisor(conjoin, uid, sandbox):
    box = sandbox(user=uid, map_self=True)
    command = Held(conjoin, box, user=uid)
    os.kill(command.supervisor, signal.SIGKILL)
    command.end()
    wait_for(lambda: not proc.alive(command.pid))
    with Held(conjoin, box, user=uid) as command:
        os.kill(box.pid, signal.SIGKILL)
        assert command.process.wait(10) == 137


def test_options_work_where_no_privilege_is_needed(conjoin, uid, box):
    options = ["-w", "/tmp", "-e", "A=b", "--umask", "077", "--nice", "5", "--rlimit", "nofile=64",
               "--cap-drop", "all", "--no-new-privs", "yes", "--oom-score-adj", "500"]
    script = ("pwd; echo $A; umask; cut -d ' ' -f 19 /proc/self/stat; ulimit -n; "
              "grep -E 'CapEff|NoNew' /proc/self/status")
    done = conjoin.exec(box, "sh", "-c", script, user=uid, options=options)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["/tmp", "b", "0077", "5", "64", "CapEff:", "0" * 16,
                                   "NoNewPrivs:", "1"]


def test_users_that_are_not_mapped_are_named(conjoin, uid, box):
    done = conjoin.exec(box, "true", options=["-u", "app"], user=uid)
    assert (done.returncode, done.stdout) == (125, "")
    assert len(done.stderr.splitlines()) <= 2
    assert "1000" in done.stderr or "app" in done.stderr or "setgroups" in done.stderr


def test_a_filter_of_a_rootless_container_is_copied(conjoin, uid, sandbox):
    box = sandbox(user=uid, map_self=True, seccomp="docker-like", no_new_privs=True)
    done = conjoin.exec(box, "grep", "Seccomp:", "/proc/self/status", user=uid,
                        options=["--seccomp", "copy"])
    if done.returncode == 0:
        assert done.stdout.split() == ["Seccomp:", "2"]
    else:
        assert done.returncode == 125 and "seccomp" in done.stderr
    done = conjoin.exec(box, "true", user=uid)
    assert done.returncode == 0 and "seccomp" in done.stderr  # no bundle: one warning


def test_own_processes_in_our_namespaces_are_entered(conjoin, uid):
    """The timer slack of another process can be read with CAP_SYS_NICE only: proc(5)."""
    skip = ["--skip", "timer-slack"]
    started = subprocess.Popen(["cat"], stdin=subprocess.PIPE, env={"MARK": "1"}, cwd="/tmp",
                               **as_user(uid))
    try:
        done = conjoin.exec(started.pid, "sh", "-c", "id -u; pwd; echo $MARK", user=uid,
                            options=skip)
        assert (done.returncode, done.stdout) == (0, f"{uid}\n/tmp\n1\n"), done.stderr
        done = conjoin.exec(started.pid, "true", user=uid)
        if done.returncode != 0:
            assert "timer-slack" in done.stderr and "CAP_SYS_NICE" in done.stderr
    finally:
        started.communicate()


# --- when he may have no more processes ---


def allow_no_more(pid, uid):
    """As soon as the process has its first child: as that user, since others may not set its limits."""
    helper = os.fork()
    if helper == 0:
        try:
            os.setresgid(uid, uid, uid)
            os.setresuid(uid, uid, uid)
            path = f"/proc/{pid}/task/{pid}/children"
            with open(path, "rb") as f:
                while proc.alive(pid) and not os.pread(f.fileno(), 64, 0):
                    pass
            resource.prlimit(pid, resource.RLIMIT_NPROC, (0, 0))
        finally:
            os._exit(0)
    os.waitpid(helper, 0)


def limited_meanwhile(conjoin, uid, box):
    """A command that runs, of a conjoin that may make no process any more. None: we came too early or too late."""
    process = conjoin.popen("exec", "--cgroup", "keep", box.pid, "sh", "-c", "echo ready; read x; echo $x; exit 7",
                            user=uid, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=without_leaks())
    allow_no_more(process.pid, uid)
    if process.stdout.readline() == b"ready\n":
        has_watchdog = has_run_for_a_while(process)
        wait_for(lambda: select.select([process.stderr], [], [], 0)[0] or has_watchdog(), 20)
        if select.select([process.stderr], [], [], 0)[0]:
            return process
    process.kill()
    process.communicate()
    return None


def test_a_command_that_runs_isnt_ended_since_there_can_be_no_watchdog(conjoin, uid, box):
    tries = (limited_meanwhile(conjoin, uid, box) for _ in range(50))
    process = next(filter(None, tries), None)
    assert process, "never in time"
    try:
        out, err = process.communicate(b"more\n", timeout=20)
    finally:
        process.kill()
        process.communicate()
    assert (process.returncode, out) == (7, b"more\n"), err
    line, = err.decode().splitlines()
    assert line.startswith(f"conjoin: exec {box.pid}: warning: no watchdog can be made"), line


@pytest.mark.parametrize("is_his", [True, False], ids=["his session's", "inherited"])
@pytest.mark.parametrize("option", ["-t", "-T"])
def test_a_terminal_of_another_user_that_nobody_reads_keeps_no_limit(conjoin, uid, box, option, is_his):
    """After su(1) it's still root's: he can't open it anew by its name."""
    master, slave = os.openpty()

    def lead():
        os.setsid()
        if is_his:
            fcntl.ioctl(slave, termios.TIOCSCTTY, 0)

    process = subprocess.Popen(
        [conjoin.path, "exec", "--cgroup", "keep", "--timeout", "1", "--grace", "200ms", option,
         str(box.pid), "yes"], stdin=slave, stdout=slave, stderr=slave, env=clean_env(), cwd="/",
        preexec_fn=lead, pass_fds=[slave], **as_user(uid))
    try:
        assert process.wait(20) == 124
    finally:
        process.kill()
        process.wait()
        os.close(slave)
        os.close(master)


# --- what isn't his ---


def refused(done):
    assert (done.returncode, done.stdout) == (125, "")
    message, *hints = done.stderr.splitlines()
    assert message.startswith("conjoin: exec ")
    assert all(hint.startswith("hint: ") for hint in hints) and len(hints) <= 1
    return done.stderr


def test_a_process_of_somebody_else_is_refused_with_the_capability_that_lacks(
        conjoin, uid, foreign):
    text = refused(conjoin.exec(foreign, "true", user=uid))
    assert "CAP_SYS_PTRACE" in text or "CAP_SYS_ADMIN" in text
    text = refused(conjoin.exec(os.getpid(), "true", user=uid))
    assert "CAP_SYS_PTRACE" in text


def test_a_rootless_container_of_another_user_is_refused(conjoin, uid, sandbox):
    other = sandbox(user=4321, map_self=True)
    assert "CAP_" in refused(conjoin.exec(other, "true", user=uid))


def test_a_process_of_his_in_a_namespace_that_is_not_his_is_refused(conjoin, uid):
    """He may look at it, but entering needs the rights of who made the namespaces."""
    drop = ["setpriv", "--reuid", str(uid), "--regid", str(uid), "--clear-groups"]
    made = Unshared(None, "-n", "-u", then=drop)
    try:
        done = conjoin.exec(made, "true", user=uid, options=["--skip", "timer-slack"])
        assert "CAP_SYS_ADMIN" in refused(done)
    finally:
        made.end()


def test_what_only_root_can_give_is_told(conjoin, uid, box):
    for options, word in ((["--nice", "-5"], "CAP_SYS_NICE"),
                          (["--scheduler", "fifo:5"], "CAP_SYS_NICE"),
                          (["--rlimit", "nofile=1000000:1000000"], "CAP_SYS_RESOURCE"),
                          (["--cgroup", "own", "--memory", "64m"], "cgroup")):
        text = refused(conjoin.exec(box, "true", user=uid, options=options))
        assert word in text, options


def test_the_plan_says_beforehand_what_would_lack(conjoin, uid, box):
    done = conjoin.exec(box, "true", user=uid, options=["--dry-run"])
    assert done.returncode == 0, done.stderr
    done = conjoin.exec(box, "true", user=uid, options=["--dry-run", "--nice", "-5"])
    assert done.returncode == 0 and "CAP_SYS_NICE" in done.stdout
