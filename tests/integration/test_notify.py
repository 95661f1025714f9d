# SPDX-License-Identifier: MIT
"""--notify: readiness of a command reaches the service manager of who runs conjoin, and nothing else does. The
manager is a socket of the test's. Not here: which words may pass (tests/unit/test-notify.c)."""

import os
import re
import select
import shutil
import signal
import socket
import struct
import subprocess
import sys

import pytest

from lib import proc
from lib.failure import assert_failed
from lib.given import stderr_is_full
from lib.poll import wait_for
from lib.program import clean_env
from lib.sandbox import Sandbox

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")

PATIENCE = 20
SOCKET = re.compile(r"^@conjoin-notify-[0-9a-f]{32}$")

# What each sender begins with.
SEND = """
import array, os, select, socket, sys
name = sys.argv[1].replace("@", "\\0", 1)
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
def send(data, fds=()):
    rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
    s.sendmsg([data], rights, 0, name)
def settle():
    r, w = os.pipe()
    send(b"BARRIER=1", [w])
    os.close(w)
    assert select.select([r], [], [], 10)[0] and os.read(r, 1) == b""
"""


class Manager:
    """What listens at NOTIFY_SOCKET, as a service manager does."""

    def __init__(self, address):
        self.address = address
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        self.socket.bind(address.replace("@", "\0", 1))
        self.socket.settimeout(PATIENCE)

    def env(self):
        return {**os.environ, "NOTIFY_SOCKET": self.address}

    def receive(self):
        """A message, and the PID of the sender. It never brings a file."""
        data, ancillary, flags, _ = self.socket.recvmsg(65536, 4096)
        kinds = [kind for level, kind, _ in ancillary if level == socket.SOL_SOCKET]
        assert kinds == [socket.SCM_CREDENTIALS] and not flags & socket.MSG_CTRUNC
        return data.decode(), struct.unpack("iii", ancillary[0][2])[0]

    def messages(self):
        """All that are there."""
        found = []
        while select.select([self.socket], [], [], 0)[0]:
            found.append(self.receive()[0])
        return found

    def close(self):
        self.socket.close()


@pytest.fixture(name="manager")
def make_manager(scratch):
    manager = Manager(os.path.join(scratch, "notify"))
    yield manager
    manager.close()


@pytest.fixture(scope="module", name="box")
def make_box(sandbox_program, rootfs):
    box = Sandbox(sandbox_program, rootfs)
    assert box.ns()["net"] != proc.namespaces()["net"]
    yield box
    box.stop()


class Running:
    """A command of conjoin's that waits on its stdin, and tells its NOTIFY_SOCKET first."""

    def __init__(self, conjoin, box, manager, script="cat", options=(), verb="exec", **more):
        more.setdefault("env", manager.env())
        self.process = conjoin.popen(
            verb, "--notify", *options, box.pid, "sh", "-c", f"echo $NOTIFY_SOCKET; {script}",
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **more)
        self.box = box
        self.address = self.process.stdout.readline().decode().strip()

    def outside(self, code):
        """Runs code in the net namespace of the box, not as one of the command's processes."""
        return subprocess.run(
            ["nsenter", f"--net=/proc/{self.box.pid}/ns/net", sys.executable, "-c", SEND + code,
             self.address],
            capture_output=True, text=True, timeout=PATIENCE, check=True)

    def close_stdin(self):
        """The command goes on from where it reads."""
        self.process.stdin.close()
        self.process.stdin = None

    def end(self):
        out, err = self.process.communicate(timeout=PATIENCE)
        return self.process.returncode, out.decode(), err.decode()


@pytest.fixture(name="run")
def make_run(conjoin, box, manager):
    made = []

    def run(*args, **more):
        made.append(Running(conjoin, box, manager, *args, **more))
        return made[-1]

    yield run
    for one in made:
        one.process.kill()
        one.process.communicate()


def python(code, then="settle()"):
    """Words of a shell that run it as a process of the command's: in debug, since the box itself has no Python. Who
    is gone before the message was looked at isn't known any more; so it waits, as systemd-notify does."""
    code += f"\n{then}"
    return f"{sys.executable} -c '{SEND}{code}' \"$NOTIFY_SOCKET\""


def test_readiness_reaches_the_manager(run, manager):
    one = run(python('send(b"READY=1\\nSTATUS=up\\nMAINPID=1\\nFDSTORE=1")') + "; exit 3",
              verb="debug")
    assert manager.receive() == (f"READY=1\nSTATUS=up\nMAINPID={one.process.pid}\n", one.process.pid)
    assert one.end() == (3, "", "") and not manager.messages()
    assert SOCKET.match(one.address)


def test_a_command_of_exec_does(conjoin, sandbox, manager):
    """In a container that has the host's files, so that there is something to send with."""
    box = sandbox(rootfs="/", bind=True)
    one = Running(conjoin, box, manager, "exec " + python('send(b"READY=1")'))
    assert manager.receive() == ("READY=1\n", one.process.pid)
    assert one.end() == (0, "", "")


def test_an_abstract_address_will_do(conjoin, box):
    manager = Manager(f"@conjoin-test-{os.getpid()}")
    try:
        one = Running(conjoin, box, manager, python('send(b"READY=1")'), verb="debug")
        assert manager.receive() == ("READY=1\n", one.process.pid)
        assert one.end()[0] == 0
    finally:
        manager.close()


def test_a_barrier_is_answered(run, manager):
    """The other end of a pipe has to be closed by the one who receives, when what came before has arrived."""
    one = run(python('send(b"READY=1")', then='settle(); print("answered")'), verb="debug")
    assert one.process.stdout.readline() == b"answered\n"
    assert manager.messages() == ["READY=1\n"]
    assert one.end()[0] == 0


def test_systemd_notify_itself(run, manager):
    if not shutil.which("systemd-notify"):
        pytest.skip("systemd-notify isn't installed")
    one = run("systemd-notify --ready --pid=auto --status=fine && echo done", verb="debug")
    assert one.end() == (0, "done\n", "")
    assert sorted("".join(manager.messages()).splitlines()) == [
        f"MAINPID={one.process.pid}", "READY=1", "STATUS=fine"]


def test_the_last_words_of_a_command_are_heard(run, manager):
    code = 'for i in range(5): send(b"STATUS=%d" % i)'
    for _ in range(10):
        one = run("exec " + python(code, then=""), verb="debug")
        assert one.end()[0] == 0
        assert manager.messages() == [f"STATUS={i}\n" for i in range(5)]


def test_others_in_the_namespace_are_not_heard(run, manager):
    one = run()
    for _ in range(3):
        one.outside('send(b"READY=1")')
    one.close_stdin()
    status, _, err = one.end()
    assert status == 0 and not manager.messages()
    assert err.count("was dropped") == 1 and "isn't one of the command's" in err


@pytest.mark.parametrize("options, status", [(["--timeout", "3", "--grace", "0.2"], 124), ([], 143)],
                         ids=["time", "a signal"])
def test_others_in_the_namespace_cant_make_us_wait_for_who_reads_stderr(run, options, status):
    """The command has filled it, and that something was dropped has no room there."""
    one = run("exec yes >&2", options=options)
    wait_for(lambda: stderr_is_full(one.process))
    one.outside('send(b"READY=1")\nsettle()')  # the second message is taken when we're done with the first
    if not options:
        one.process.terminate()
    assert one.process.wait(PATIENCE) == status


def test_who_left_the_session_is_heard_with_a_tree(run, manager):
    code = 'if os.fork() == 0:\n    os.setsid()\n    send(b"READY=1")\n    settle()\nelse:\n    os.wait()'
    one = run(python(code, then=""), verb="debug", options=["--cgroup", "target"])
    assert one.end()[0] == 0 and not manager.messages()
    one = run(python(code, then=""), verb="debug", options=["--cgroup", "target", "--kill-tree"])
    assert one.end()[0] == 0 and manager.messages() == ["READY=1\n"]
    one = run(python(code, then=""), verb="debug")
    assert one.end()[0] == 0 and manager.messages() == ["READY=1\n"], "a cgroup of its own"


def open_files(pid):
    return sorted(os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd"))


def listener_of(process):
    def find():
        with open(f"/proc/{process.pid}/task/{process.pid}/children", encoding="ascii") as f:
            for pid in f.read().split():
                with open(f"/proc/{pid}/comm", encoding="ascii") as comm:
                    if comm.read() == "conjoin-notify\n":
                        return int(pid)
        return None
    return wait_for(find, PATIENCE, "the listener")


HOSTILE = """
big = b"STATUS=" + b"x" * 65536
s.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
send(big)
send(b"\\0" * 4096)
send(b"READY=1\\0\\nERRNO=7\\0", [0] * 253)
send(b"MAINPID=1")
send(b"MAINPID=1\\nMAINPID=2\\nSTATUS=\\33[2J\\0x\\200\\n" + b"\\n" * 4000)
send(b"")
send(b"FDSTORE=1\\nFDNAME=x", [0])
send(b"X" * 4096)
send(b"READY=1")
"""


def test_hostile_messages(run, manager):
    one = run(python(HOSTILE) + "; read x", verb="debug")
    listener = listener_of(one.process)
    before = len(open_files(one.process.pid)), open_files(listener)
    pid = one.process.pid
    assert manager.receive()[0] == f"MAINPID={pid}\n"
    assert manager.socket.recv(65536) == f"MAINPID={pid}\nSTATUS=[2Jx\200\n".encode("latin-1")
    assert manager.receive()[0] == "READY=1\n"
    assert open_files(listener) == before[1]
    assert len(open_files(pid)) <= before[0] + 3, "none of the 253; its own watchdog, for one, is new"
    one.close_stdin()
    assert one.end()[0] == 1 and not manager.messages()


def test_a_file_that_lingers_holds_up_nobody(run, manager, box):
    """Closing the last reference to such a socket takes as long as its owner says. The session and its timeout
    don't wait."""
    code = """
import struct
listener = socket.create_server(("127.0.0.1", 0))
lingering = socket.create_connection(listener.getsockname())
other = listener.accept()[0]
lingering.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 1000))
lingering.setblocking(False)
try:
    while True:
        lingering.send(b"x" * 65536)
except BlockingIOError:
    pass
lingering.setblocking(True)
send(b"STATUS=before")
send(b"STATUS=with", [lingering.fileno()])
lingering.close()
send(b"STATUS=after")
import time
time.sleep(1000)
"""
    subprocess.run(["nsenter", f"--net=/proc/{box.pid}/ns/net", "ip", "link", "set", "lo", "up"],
                   check=True)
    one = run(python(code), verb="debug", options=["--timeout", "2", "--grace", "0"])
    assert manager.receive()[0] == "STATUS=before\n"
    listener = listener_of(one.process)
    assert one.process.wait(8) == 124
    assert not proc.alive(listener)
    assert "STATUS=after\n" not in manager.messages(), "it was held up, so this says something"


def test_a_manager_that_doesnt_read_holds_up_nobody(run, manager):
    code = 'for i in range(1000): send(b"STATUS=%d" % i)'
    one = run(python(code), verb="debug", options=["--timeout", "2", "--grace", "0"])
    assert one.process.wait(8) == 124
    found = manager.messages()
    assert found == [f"STATUS={i}\n" for i in range(len(found))] and found


def test_one_that_reads_late_gets_all(run, manager):
    code = 'for i in range(200): send(b"STATUS=%d" % i)'
    one = run(python(code) + "; echo sent", verb="debug")
    found = []
    while len(found) < 200:
        found.append(manager.receive()[0])
    assert found == [f"STATUS={i}\n" for i in range(200)]
    assert one.end() == (0, "sent\n", "")


def test_a_manager_that_is_gone_is_told_once(run, manager):
    manager.close()
    one = run(python('for i in range(3): send(b"READY=1")'), verb="debug")
    status, _, err = one.end()
    assert status == 0 and err.count("notification") == 1 and "Connection refused" in err


def test_a_manager_that_was_started_again_is_found(run, manager, scratch):
    one = run("while read x; do " + python('send(b"READY=1")') + "; echo; done", verb="debug")
    other = None
    try:
        one.process.stdin.write(b"\n")
        one.process.stdin.flush()
        assert manager.receive()[0] == "READY=1\n"
        manager.close()
        os.unlink(manager.address)
        other = Manager(manager.address)
        one.process.stdin.write(b"\n")
        one.process.stdin.flush()
        assert other.receive()[0] == "READY=1\n"
    finally:
        if other:
            other.close()


def test_without_a_manager_nothing_changes(conjoin, box):
    env = {key: value for key, value in os.environ.items() if key != "NOTIFY_SOCKET"}
    for value in (env, {**env, "NOTIFY_SOCKET": ""}):
        done = conjoin.exec(box, "sh", "-c", "echo x$NOTIFY_SOCKET", options=["--notify"], env=value)
        assert (done.returncode, done.stdout, done.stderr) == (0, "x\n", "")
    done = conjoin.exec(box, "true", options=["--notify", "-v"], env=env)
    assert "nobody is told" in done.stderr


def test_our_own_address_never_gets_inside(conjoin, box, manager):
    done = conjoin.exec(box, "sh", "-c", "echo $NOTIFY_SOCKET", env=manager.env())
    assert done.stdout == "\n"
    done = conjoin.exec(box, "sh", "-c", "echo $NOTIFY_SOCKET", options=["--notify"], env=manager.env())
    assert SOCKET.match(done.stdout.strip())
    done = conjoin.exec(box, "sh", "-c", "echo $NOTIFY_SOCKET", env=manager.env(),
                        options=["--notify", "-e", "NOTIFY_SOCKET=/else"])
    assert done.stdout == "/else\n"


@pytest.mark.parametrize("address", ["vsock:2:1", "relative", "@", "/" + "x" * 200])
def test_an_address_of_another_kind_is_named(conjoin, box, address):
    done = conjoin.exec(box, "true", options=["--notify"], env={**os.environ, "NOTIFY_SOCKET": address})
    assert_failed(done, 125, "notify", address[:100])


@pytest.mark.parametrize("options", [["-d"], ["-t", "--detach-keys", "ctrl-p"]])
def test_it_needs_somebody_who_stays(conjoin, box, manager, options):
    done = conjoin.exec(box, "true", options=[*options, "--notify"], env=manager.env())
    assert_failed(done, 125, "--notify")


def names_in(box):
    with open(f"/proc/{box.pid}/net/unix", encoding="ascii") as f:
        return [line.split()[-1] for line in f if "@conjoin-notify" in line]


def test_the_socket_is_in_the_commands_namespace_and_goes_with_it(run, box):
    one = run()
    assert names_in(box) == [one.address]
    listener = listener_of(one.process)
    assert proc.namespaces(listener)["net"] == box.ns()["net"]
    for kind in ("mnt", "pid", "user"):
        assert proc.namespaces(listener)[kind] == proc.namespaces()[kind]
    assert proc.status(listener)["CapEff"] == "0" * 16
    assert proc.namespaces(one.process.pid) == proc.namespaces(), "no thread of the caller entered it"
    one.close_stdin()
    assert one.end()[0] == 0
    assert names_in(box) == [] and not proc.alive(listener)


def test_after_sigkill_the_listener_is_gone(run, box):
    one = run()
    listener = listener_of(one.process)
    one.process.kill()
    one.process.wait()
    wait_for(lambda: not proc.alive(listener) and names_in(box) == [], PATIENCE, "the listener's end")


def test_a_listener_that_was_killed_isnt_missed(run, manager):
    one = run("read x; " + python('\ntry: send(b"READY=1")\nexcept OSError: print("refused")', then=""),
              verb="debug")
    listener = listener_of(one.process)
    os.kill(listener, signal.SIGKILL)
    one.process.stdin.write(b"\n")
    one.close_stdin()
    assert one.end()[:2] == (0, "refused\n") and not manager.messages()


def test_a_namespace_that_isnt_joined_is_ours(run, manager, box):
    one = run("cat", options=["--namespaces", "all,-net"])
    assert one.address in open("/proc/self/net/unix", encoding="ascii").read()
    assert names_in(box) == []
    subprocess.run([sys.executable, "-c", SEND + 'send(b"READY=1")', one.address], check=True)
    one.close_stdin()
    assert one.end()[0] == 0 and not manager.messages()


def test_a_container_of_ones_own_user(conjoin, sandbox, manager, scratch):
    """Its net namespace belongs to a user namespace: that has to be entered as well."""
    os.chmod(manager.address, 0o777)
    box = sandbox(user=65534, map_self=True)
    one = Running(conjoin, box, manager, "cat", options=["--cgroup", "keep"], user=65534,
                  env={**clean_env(), "NOTIFY_SOCKET": manager.address})
    try:
        assert names_in(box) == [one.address]
    finally:
        one.process.kill()
        one.process.communicate()
