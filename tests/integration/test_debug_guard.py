# SPDX-License-Identifier: MIT
"""What the leak guard of debug calls safe never opens, and what it refuses does: inside, a hostile
container (tests/lib/attacker-debug.c) tries all ways to open what debug starts, from its first moment
to its end. DEBUG_ATTACK_ROUNDS=300 is the full form. Not here: the rule itself, case by case
(tests/unit/test-guard.c), attacks on exec (test_attack.py)."""

import os
import re
import secrets
import shutil
import signal
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor

import pytest

from lib import proc
from lib.attack import program
from lib.poll import wait_for
from lib.sandbox import Sandbox

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")

ROUNDS = int(os.environ.get("DEBUG_ATTACK_ROUNDS", "12"))
AT_ONCE = 2
WAYS = 18
EXPOSE = "--expose-host"

VIEW = ["--view", "target"]
NO_USER = {"namespaces": "all,-user"}
HOST_PIDS = {"namespaces": "mnt,uts,ipc,net,cgroup"}
PLAIN = {"uid": 1234, "gid": 1234, "caps": "none", **NO_USER}
NOTHING = {**PLAIN, "no_new_privs": True}


# who may do all, and who has CAP_PERFMON or CAP_SYS_ADMIN only
ALL_WAYS = {"root", "marker", "cwd", "exe", "maps"}
PROFILE = {"environ", "maps"}


class Case:
    """A container, its attackers, and options of debug. `attacker` are options of that, `opens` what
    it opens at least where debug is refused."""

    def __init__(self, box, workers, debug=(), attacker=(), target="first", opens=ALL_WAYS):
        self.box, self.workers, self.debug = box, workers.split(), list(debug)
        self.attacker, self.target, self.opens = list(attacker), target, opens


def docker(caps="", **more):
    return {"caps": "docker" + caps, **NO_USER, **more}


SAFE = {
    "docker": Case(docker(), "as-is uid:1234 uid:0:1234"),
    "docker, another user of it": Case(docker(uid=1000, gid=1000), "as-is exec:/bin/suid-root"),
    "docker, no_new_privs": Case(docker(no_new_privs=True), "as-is uid:1234 exec:/bin/suid-root"),
    "docker, but for one capability": Case(
        docker(), "as-is uid:1234", ["--cap-drop", "sys_module,sys_rawio,sys_ptrace"]),
    "docker, net_admin and sys_rawio": Case(
        {"caps": "docker,net_admin,sys_rawio", **NO_USER}, "as-is uid:1234"),
    "docker, view of the target": Case(docker(), "as-is uid:1234", VIEW),
    "user namespace": Case({"namespaces": "all", "caps": "all"}, "as-is uid:1234"),
    "user namespace, no capabilities": Case(
        {"namespaces": "all", "caps": "all"}, "as-is uid:1234", ["--cap-drop", "all"]),
    "user namespace, a user of it": Case(
        {"namespaces": "all", "caps": "all"}, "as-is uid:1234",
        ["-u", "101234:101234"]),
    "a user without capabilities": Case(PLAIN, "as-is exec:/bin/suid-root"),
    "a user without capabilities, another's command": Case(
        NOTHING, "as-is uid:1235 exec:/bin/suid-root", ["-u", "1235:1235"]),
    "the same uid, another gid": Case(
        NOTHING, "as-is uid:1234:1235 exec:/bin/suid-root", ["-u", "1234:1235"]),
    "root without capabilities": Case(
        {"caps": "none", "no_new_privs": True, **NO_USER}, "as-is exec:/bin/suid-root"),
    "sys_ptrace in the bounding set, no_new_privs": Case(
        {**NOTHING, "bounding": "docker,sys_ptrace"}, "as-is exec:/bin/suid-root"),
    "root with sys_ptrace in the bounding set, no_new_privs": Case(
        {"uid": 0, "caps": "none", "bounding": "docker,sys_ptrace", "no_new_privs": True,
         **NO_USER}, "as-is exec:/bin/suid-root"),
    "setuid alone, no_new_privs": Case(
        {**NOTHING, "caps": "setuid"}, "as-is uid:1235:1235", ["-u", "1235:1235"]),
    "pid namespace of the host": Case(
        {"caps": "docker", **HOST_PIDS}, "as-is uid:1234", attacker=["--host-pids"]),
    "nested, in a user namespace": Case(
        {"namespaces": "all", "caps": "all"}, "inner as-is uid:1234", target="inner"),
    "a nested process, in a user namespace": Case(
        {"namespaces": "all", "caps": "all"}, "nested as-is"),
}

OPEN = {
    "all capabilities": Case({"caps": "all", **NO_USER}, "as-is"),
    "user namespace that is joined": Case(
        {"namespaces": "all", "caps": "all"}, "as-is", ["--namespaces", "+user"]),
    "sys_ptrace": Case(docker(",sys_ptrace"), "as-is"),
    "sys_ptrace, no_new_privs": Case(docker(",sys_ptrace", no_new_privs=True), "as-is"),
    "sys_ptrace alone": Case({**NOTHING, "caps": "sys_ptrace"}, "as-is"),
    "sys_ptrace, view of the target": Case(
        docker(",sys_ptrace"), "as-is", VIEW, opens=ALL_WAYS - {"marker"}),
    "sys_admin": Case(docker(",sys_admin"), "as-is", opens=PROFILE),
    "sys_admin, no_new_privs": Case(
        {**NOTHING, "caps": "sys_admin"}, "as-is", ["-u", "1235:1235"], opens={"maps"}),
    "perfmon": Case(docker(",perfmon"), "as-is", opens=PROFILE),
    "sys_ptrace in the bounding set": Case(
        {**PLAIN, "bounding": "docker,sys_ptrace"}, "as-is exec:/bin/suid-root"),
    "docker, a command without capabilities": Case(docker(), "as-is", ["--cap-drop", "all"]),
    "docker, a user's command": Case(docker(), "uid:1234:1234", ["-u", "1234:1234"]),
    "docker, a command as the target": Case(docker(), "as-is", ["--as-target"]),
    "the same ids": Case(NOTHING, "as-is", ["-u", "1234:1234"]),
    "the ids of a set-user-ID program": Case(
        {**PLAIN, "bind": True}, "as-is exec:/bin/suid-1235", ["-u", "1235:1235"]),
    "setuid and setgid, no_new_privs": Case(
        {**NOTHING, "caps": "setuid,setgid"}, "uid:1235:1235", ["-u", "1235:1235"]),
    "not the first process": Case(
        docker(",sys_ptrace"), "as-is uid:1234", attacker=["--init-drops"]),
    "a thread, not the main one": Case(
        docker(",sys_ptrace"), "thread", attacker=["--init-drops"]),
    "a nested process": Case(
        docker(",sys_admin,sys_ptrace"), "nested", attacker=["--init-drops"]),
    "nested, sys_ptrace outside": Case(
        docker(",sys_admin,sys_ptrace"), "inner as-is", target="inner"),
    "pid namespace of the host": Case(
        {"caps": "docker,sys_ptrace", **HOST_PIDS}, "as-is", attacker=["--host-pids"]),
}


class Arena:
    """The host's side: a root file system with the attacker, a file that isn't in it, and copies of
    programs, since an attacker that succeeds opens them for writing."""

    def __init__(self, folder, conjoin, rootfs, sandbox_program):
        self.conjoin, self.sandbox_program = conjoin, sandbox_program
        self.rootfs = os.path.join(folder, "rootfs")
        self.marker = os.path.join(folder, "marker-" + secrets.token_hex(8))
        self.token = "token-" + secrets.token_hex(8)
        self.boxes = []
        self.tools = folder
        for name in ("sh", "sleep"):
            shutil.copy(shutil.which(name), folder)
        with open(self.marker, "w", encoding="ascii") as f:
            f.write("of the host\n")
        shutil.copytree(rootfs, self.rootfs, symlinks=True)
        self.put("attacker-debug", 0, 0o755)
        self.put("suid-root", 0, 0o4755)
        self.put("suid-1235", 1235, 0o6755)

    def put(self, name, owner, mode):
        path = os.path.join(self.rootfs, "bin", name)
        shutil.copy(program("attacker-debug"), path)
        os.chown(path, owner, owner)
        os.chmod(path, mode)

    def start(self, case):
        box = Sandbox(self.sandbox_program, self.rootfs, [
            "/bin/attacker-debug", "--marker", self.marker, "--token", self.token,
            *case.attacker, *case.workers], **case.box)
        self.boxes.append(box)
        wait_for(lambda: "READY" in box.stderr(), what="the attackers")
        return box

    def stop(self):
        while self.boxes:
            self.boxes.pop().stop()

    def debug(self, pid, options):
        tools = "/bin" if VIEW[0] in options else self.tools
        return self.conjoin.run("debug", *options, pid, f"{tools}/sh", "-c",
                                f"{tools}/sleep 0.03; exit 0", self.token)

    def storm(self, pid, options, rounds=ROUNDS):
        # one with less than all doesn't count as the host's for the next one
        with ThreadPoolExecutor(1 if "--cap-drop" in options else AT_ONCE) as pool:
            return list(pool.map(lambda _: self.debug(pid, options), range(rounds)))


@pytest.fixture(scope="module")
def hosts(session_folder, conjoin, rootfs, sandbox_program):
    if not os.access(program("attacker-debug"), os.X_OK):
        pytest.skip(f"there is no program {program('attacker-debug')}")
    folder = tempfile.mkdtemp(prefix="guard-", dir=session_folder)
    os.chmod(folder, 0o755)
    yield Arena(folder, conjoin, rootfs, sandbox_program)
    shutil.rmtree(folder)


@pytest.fixture
def arena(hosts):
    yield hosts
    hosts.stop()


class Report:
    """What the attackers say: {way: how often it was open}, and for each worker whom it saw alive
    and how often it tried."""

    def __init__(self, box):
        os.kill(box.pid, signal.SIGUSR1)
        wait_for(lambda: "\nDONE" in box.stderr(), 30, what="the attackers' last word")
        lines = [line.split() for line in box.stderr().splitlines()]
        self.opened = {line[1]: int(line[2]) for line in lines if line[0] == "OPENED"}
        self.workers = [(int(line[1]), int(line[2])) for line in lines if line[0] == "WORKER"]


def inner_of(box):
    """The first process of the pid namespace that is nested in the box's, as the host numbers it."""
    for pid in proc.pids():
        try:
            numbers = proc.status(pid)["NSpid"].split()
            if len(numbers) == 3 and int(proc.stat_fields(pid)[1]) in tree(box.pid):
                return pid
        except (FileNotFoundError, ProcessLookupError):
            pass
    raise AssertionError("there is none")


def tree(pid):
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as f:
        children = [int(word) for word in f.read().split()]
    return {pid}.union(*map(tree, children))


def target_of(case, box):
    return inner_of(box) if case.target == "inner" else box.pid


def failures(results):
    return {done.stderr for done in results if done.returncode != 0}


def attackers(case, report):
    return [seen for name, seen in zip(case.workers, report.workers) if name != "inner"]


@pytest.mark.parametrize("name", SAFE)
def test_what_is_called_safe_never_opens(arena, name):
    case = SAFE[name]
    for rounds in (ROUNDS, 4 * ROUNDS, 16 * ROUNDS):  # as many as it takes on a busy machine
        box = arena.start(case)
        results = arena.storm(target_of(case, box), case.debug, rounds)
        assert failures(results) == set()
        report = Report(box)
        print("victims and tries of each attacker:", report.workers)
        assert report.opened == {}
        if all(victims >= ROUNDS // 2 and tries >= ROUNDS * WAYS
               for victims, tries in attackers(case, report)):
            return
        arena.stop()
    raise AssertionError(f"an attacker was asleep: {report.workers}")


def is_the_attackers_doing(text):
    """It writes to the program, or, in the host's pid namespace, traces a sanitized conjoin at its end."""
    return "Text file busy" in text or "LeakSanitizer does not work under ptrace" in text


def expose(arena, case, box, rounds):
    """What opens when debug goes on all the same."""
    results = arena.storm(target_of(case, box), [EXPOSE, *case.debug], rounds)
    assert [text for text in failures(results) if not is_the_attackers_doing(text)] == []
    return Report(box).opened


@pytest.mark.parametrize("name", OPEN)
def test_what_is_refused_can_be_opened(arena, name):
    case = OPEN[name]
    box = arena.start(case)
    target = target_of(case, box)
    refused = next(
        result for result in (arena.debug(target, case.debug) for _ in range(50))
        if not is_the_attackers_doing(result.stderr)
    )
    assert refused.returncode == 125
    assert re.search(r"(process|thread) \d+ .* of the target could ", refused.stderr)
    assert "--expose-host runs it anyway" in refused.stderr
    opened = expose(arena, case, box, ROUNDS // 3)
    for rounds in (ROUNDS, 4 * ROUNDS, 16 * ROUNDS):  # each way has its moment
        if case.opens <= opened.keys():
            break
        arena.stop()
        opened = expose(arena, case, arena.start(case), rounds)
    assert case.opens <= opened.keys()


@pytest.mark.parametrize("options", [["--cap-drop", "all"], ["-u", "1234:1234"], ["--as-target"]])
def test_in_the_view_of_the_target_nothing_is_won_by_who_can_have_the_same(arena, options):
    box = arena.start(SAFE["docker"])
    assert failures(arena.storm(box.pid, VIEW + options, 1)) == set()


def test_in_the_view_of_the_target_an_administrator_of_it_sees_no_environment_of_ours(arena):
    box = arena.start(OPEN["sys_admin"])
    assert failures(arena.storm(box.pid, VIEW, 1)) == set()


def test_with_an_empty_environment_an_administrator_sees_nothing_else_of_the_host(arena):
    box = arena.start(OPEN["sys_admin"])
    assert failures(arena.storm(box.pid, ["--clear-env"])) == set()
    report = Report(box)
    assert report.opened.keys() <= PROFILE
    assert all(victims >= ROUNDS // 2 for victims, _ in report.workers)


def test_debugging_twice_at_once_isn_t_taken_for_an_attack(arena):
    box = arena.start(SAFE["docker"])
    first = arena.conjoin.popen("debug", box.pid, "cat", stdin=subprocess.PIPE)
    try:
        wait_for(lambda: len(box_pids(box)) > 1 + len(SAFE["docker"].workers))
        assert failures(arena.storm(box.pid, [], 2)) == set()
    finally:
        first.communicate()


def box_pids(box):
    found = []
    for pid in proc.pids():
        try:
            if os.stat(f"/proc/{pid}/ns/pid").st_ino == box.ns()["pid"]:
                found.append(pid)
        except OSError:
            pass
    return found


# --- a container that was given the host's root ---

DOCKER_CAPS = ("chown,dac_override,fowner,fsetid,kill,setgid,setuid,setpcap,net_bind_service,net_raw,"
               "sys_chroot,mknod,audit_write,setfcap")


@pytest.fixture
def on_the_hosts_root():
    """A process in pid and mount namespaces of its own, on a root directory that is the host's."""
    made = []

    def start(*bounding):
        made.append(subprocess.Popen(
            ["unshare", "-mpnf", "--kill-child", "--mount-proc", "setpriv", *bounding, "sh", "-c",
             "echo; exec cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE))
        assert made[-1].stdout.readline() == b"\n"
        with open(f"/proc/{made[-1].pid}/task/{made[-1].pid}/children", encoding="ascii") as f:
            return f.read().strip()

    yield start
    for process in made:
        process.stdin.close()
        process.stdout.close()
        process.wait()


@pytest.mark.parametrize("options", [["-u", "65534:65534"], ["--cap-drop", "all"], ["--as-target"]])
def test_a_container_on_the_hosts_root_isnt_the_host(conjoin, on_the_hosts_root, options):
    plus = ",".join("+" + name for name in DOCKER_CAPS.split(","))
    pid = on_the_hosts_root("--bounding-set", "-all," + plus)
    assert conjoin.debug(pid, "true").returncode == 0  # of which it hasn't enough to open it
    refused = conjoin.debug(pid, "true", options=options)
    assert refused.returncode == 125 and "of the target could open" in refused.stderr


def test_the_host_is_the_host(conjoin, on_the_hosts_root):
    assert conjoin.debug(on_the_hosts_root(), "true", options=["-u", "65534:65534"]).returncode == 0


def test_what_is_brought_is_kept_from_who_may_mount(conjoin, sandbox_program, rootfs):
    """It could get into the command's mount namespace, and there make it writable."""
    box = Sandbox(sandbox_program, rootfs, caps="all", namespaces="all,-user")
    try:
        assert conjoin.debug(box, "true", options=VIEW).returncode == 0
        refused = conjoin.debug(box, "true", options=[*VIEW, "--bring", "true"])
        assert refused.returncode == 125
        assert "could change the host's files that are brought" in refused.stderr
        assert "without --bring" in refused.stderr
        assert conjoin.debug(box, "true", options=[*VIEW, "--bring", "true", EXPOSE]).returncode == 0
    finally:
        box.stop()
