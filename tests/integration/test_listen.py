# SPDX-License-Identifier: MIT
"""conjoin listen: what the server is given, signals, and who ends whom. Not here: --inetd
(test_listen_inetd.py), --follow (test_listen_follow.py), servers that others wrote and odd callers
(test_listen_servers.py)."""

import fcntl
import os
import signal
import stat
import subprocess
import termios

import pytest

from lib import proc
from lib.failure import assert_failed
from lib.peers import (Peer, ask, is_refused, listen, listening_ports,  # noqa: F401
                       seen, ss)
from lib.poll import wait_for
from lib.sandbox import Sandbox

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")

TROUBLE, USAGE = 1, 2
ADDRESS = "127.0.0.1:0"


@pytest.fixture(scope="module")
def box(sandbox_program, rootfs):
    made = Sandbox(sandbox_program, rootfs, namespaces="all,-user")
    yield made
    made.stop()


def finished(running):
    status, said = running.end()
    return subprocess.CompletedProcess("listen", status, "", said)


def is_gone(pid):
    wait_for(lambda: not proc.alive(pid), what=f"end of {pid}")


# --- what the server is given ---

def test_it_is_as_a_service_manager_would_have_it(listen, box):
    running = listen(box, "0")
    four, six = running.where(2)
    server = running.server()
    assert server["parent"] == running.pid
    assert server["variables"] == {"LISTEN_PID": str(server["pid"]), "LISTEN_FDS": "2",
                                   "LISTEN_FDNAMES": "conjoin:conjoin"}
    assert sorted(server["files"], key=int) == ["0", "1", "2", "3", "4"]  # none of ours beside them
    assert server["listening"] == [1, 1] and server["blocking"] == [True, True]
    port = four.rpartition(":")[2]
    assert (four, six) == (f"127.0.0.1:{port}", f"[::1]:{port}")
    assert [ask(box, four), ask(box, six)] == [f"{server['pid']} {i}\n".encode() for i in (0, 1)]
    assert running.terminate() == (0, "")


def test_it_listens_there_and_not_here(listen, box):
    running = listen(box, ADDRESS)
    (address, net), = running.places()
    server, port = running.server(), int(address.rpartition(":")[2])
    assert net == box.ns()["net"]
    line, = [line for line in ss(box).splitlines() if f"127.0.0.1:{port} " in line]
    assert f"pid={server['pid']},fd=3" in line
    assert port not in listening_ports("self")
    # the server itself is here
    assert proc.namespaces(server["pid"]) == proc.namespaces("self")
    assert proc.cgroups(server["pid"]) == proc.cgroups("self")


def test_names_and_several_addresses_keep_their_order(listen, box):
    running = listen(box, "web=0", "admin=@names", "/tmp/names", "[::1]:0", "six=tcp6:0")
    addresses = running.where(6)
    server = running.server()
    assert server["variables"]["LISTEN_FDNAMES"] == "web:web:admin:conjoin:conjoin:six"
    assert server["variables"]["LISTEN_FDS"] == "6"
    assert addresses[2:4] == ["unix:@names", "unix:/tmp/names"]
    for i, address in enumerate(addresses):
        assert ask(box, address) == f"{server['pid']} {i}\n".encode()


@pytest.mark.parametrize("written, told", [
    ("{port}", ["127.0.0.1:{port}", "[::1]:{port}"]), ("tcp4:{port}", ["127.0.0.1:{port}"]),
    ("tcp6:{port}", ["[::1]:{port}"]), ("*:{port}", ["[::]:{port}"]), ("[::]:{port}", ["[::]:{port}"]),
    ("0.0.0.0:{port}", ["0.0.0.0:{port}"]), ("n=*:{port}", ["[::]:{port}"]),
])
def test_where_it_listens(listen, sandbox, written, told):
    fresh = sandbox()
    running = listen(fresh, written.format(port=80))
    assert running.where(len(told)) == [one.format(port=80) for one in told]
    running.server()
    assert listening_ports(fresh.pid) == {80}


def test_sixty_four_addresses(listen, box):
    names = [f"n{i}=@many{i}" for i in range(63)]
    running = listen(box, *names, "last=0")
    addresses = running.where(65)
    server = running.server()
    assert server["variables"]["LISTEN_FDNAMES"].split(":") == [
        *(f"n{i}" for i in range(63)), "last", "last"]
    for i in 0, 40, 64:
        assert ask(box, addresses[i]) == f"{server['pid']} {i}\n".encode()


def test_the_callers_own_sockets_arent_passed_on(listen, box):
    """Nor what came to be later: LISTEN_PIDFDID is checked by newer servers."""
    own = {"LISTEN_FDS": "7", "LISTEN_PID": "1", "LISTEN_FDNAMES": "a:b", "LISTEN_PIDFDID": "1234"}
    running = listen(box, "@own", env={**os.environ, **own})
    server = running.server()
    assert server["variables"] == {"LISTEN_PID": str(server["pid"]), "LISTEN_FDS": "1",
                                   "LISTEN_FDNAMES": "conjoin"}


SIGNALS = ["grep", "-E", "^(SigBlk|SigIgn|SigCgt):", "/proc/self/status"]


@pytest.mark.parametrize("blocked", [set(), {signal.SIGUSR2, signal.SIGRTMIN + 3}])
@pytest.mark.parametrize("ignored", [set(), {signal.SIGHUP, signal.SIGUSR1}, {signal.SIGTERM},
                                     {signal.SIGPIPE}])
def test_signals_are_as_the_callers(listen, box, blocked, ignored):
    def change():
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
        for number in signal.SIGHUP, signal.SIGUSR1, signal.SIGPIPE, signal.SIGTERM:
            signal.signal(number, signal.SIG_IGN if number in ignored else signal.SIG_DFL)

    plain = subprocess.run(SIGNALS, stdout=subprocess.PIPE, text=True, check=True,
                           preexec_fn=change, restore_signals=False)
    running = listen(box, "@signals", command=SIGNALS, preexec_fn=change, restore_signals=False)
    assert running.out.rest() == plain.stdout
    assert running.wait() == 0


# --- signals ---

def test_signals_are_passed_on(listen, box):
    running = listen(box, "@sig", flags=["catch=HUP,USR1,USR2,WINCH,RTMIN+5"])
    running.where()
    running.server()
    for number in (signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2, signal.SIGWINCH,
                   signal.SIGRTMIN + 5, signal.SIGHUP):
        running.send(number)
        assert running.event() == {"signal": number}
    assert running.terminate() == (0, "")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGQUIT])
def test_it_ends_with_its_server(listen, box, number):
    running = listen(box, ADDRESS, flags=["catch=INT,QUIT", "deaf"])
    address, = running.where()
    server = running.server()
    running.send(number)
    assert running.event() == {"signal": number}
    assert running.process.poll() is None  # it waits for it
    os.kill(server["pid"], signal.SIGKILL)
    assert running.end() == (0, "")
    assert is_refused(box, address)


def on_terminal(slave, stdin=None):
    def lead():
        os.setsid()
        fcntl.ioctl(slave, termios.TIOCSCTTY, 0)

    return {"stdin": stdin or slave, "preexec_fn": lead, "pass_fds": [slave]}


@pytest.mark.parametrize("stdin", [None, subprocess.DEVNULL])
def test_ctrl_c_comes_once(listen, box, stdin):
    """Neither twice, since the terminal may tell both of us, nor not at all."""
    master, slave = os.openpty()
    try:
        running = listen(box, "@tty", flags=["catch=INT,USR1", "deaf"], options=["--grace", "5s"],
                         **on_terminal(slave, stdin))
        running.where()
        server = running.server()
        running.wait_idle()
        if stdin is None:  # two of them that come together are one: ours is to come later
            running.send(signal.SIGSTOP)
            wait_for(lambda: proc.stat_fields(running.pid)[0] == "T")
        os.write(master, b"\x03")
        assert running.event() == {"signal": signal.SIGINT}
        if stdin is None:
            running.send(signal.SIGCONT)
        running.wait_idle()  # ours is taken: now whatever there is to pass on has been
        os.kill(server["pid"], signal.SIGUSR1)
        assert running.event() == {"signal": signal.SIGUSR1}
        os.kill(server["pid"], signal.SIGKILL)
        assert running.end() == (0, "")
    finally:
        os.close(master)
        os.close(slave)


@pytest.mark.parametrize("options, command", [((), ["sleep", "1000"]), (("--inetd",), ["cat"])])
def test_it_ends_with_its_terminal(listen, box, options, command):
    """`ssh -t` and terminal emulators start it as the leader of the session, whom alone the kernel
    tells."""
    master, slave = os.openpty()
    try:
        running = listen(box, "@hangup", options=options, command=command, **on_terminal(slave))
        running.where()
        running.wait_idle()
        children = running.children()
    finally:
        os.close(slave)
        os.close(master)
    try:
        running.wait(5)
    finally:
        for pid in filter(proc.alive, children):
            os.kill(pid, signal.SIGKILL)


def test_a_deaf_server_is_killed(listen, box):
    running = listen(box, "@deaf", flags=["deaf"], options=["--grace", "200ms"])
    running.where()
    server = running.server()
    running.send(signal.SIGTERM)
    assert running.event() == {"signal": signal.SIGTERM}
    assert running.end() == (0, "")
    assert not proc.alive(server["pid"])


def test_who_insists_doesnt_give_a_deaf_server_more_time(listen, box):
    running = listen(box, "@insist", flags=["deaf"], options=["--grace", "1s"])
    running.where()
    server = running.server()

    def ended():
        running.send(signal.SIGTERM)
        return running.process.poll() is not None

    try:
        wait_for(ended, timeout=4, what="end of a deaf server, 1 s after the first SIGTERM")
    finally:
        os.kill(server["pid"], signal.SIGKILL) if proc.alive(server["pid"]) else None


def test_a_stopped_server_hears_of_the_end(listen, box):
    running = listen(box, "@stopped")
    running.where()
    server = running.server()
    os.kill(server["pid"], signal.SIGSTOP)
    wait_for(lambda: proc.stat_fields(server["pid"])[0] == "T")
    assert running.terminate() == (0, "")
    assert running.event() == {"signal": signal.SIGTERM}  # and not SIGKILL, later


# --- who ends first ---

def test_a_server_that_ends_in_order(listen, box):
    running = listen(box, "@order", flags=["exit=0"])
    running.where()
    ask(box, "unix:@order")
    assert running.end() == (0, "")


@pytest.mark.parametrize("status", [1, 3, 255])
def test_a_server_that_fails(listen, box, status):
    running = listen(box, "@fails", flags=[f"exit={status}"])
    running.where()
    ask(box, "unix:@fails")
    assert_failed(finished(running), TROUBLE, f"listen {box.pid}: ", f"ended with status {status}")


def test_a_server_that_is_killed(listen, box):
    running = listen(box, "@killed")
    running.where()
    os.kill(running.server()["pid"], signal.SIGSEGV)
    assert_failed(finished(running), TROUBLE, f"listen {box.pid}: ", "signal 11")


@pytest.mark.parametrize("command, word", [
    (["/no/such/program"], "No such file or directory"), (["no-such-program"], "No such file"),
    (["/etc/passwd"], "Permission denied"), (["/"], "Permission denied"),
])
def test_a_server_that_cant_be_executed(conjoin, box, command, word):
    done = conjoin.run("listen", box.pid, "/tmp/exec", "--", *command)
    assert_failed(done, TROUBLE, f"listen {box.pid}: execute {command[0]}: ", word)
    assert not os.path.exists(seen(box, "/tmp/exec"))


def test_a_server_that_has_its_stderr_and_stdout_and_stdin(listen, box):
    running = listen(box, "@stdio", command=["sh", "-c", "cat; echo out; echo err >&2"],
                     stdin=subprocess.PIPE)
    running.where()
    running.process.stdin.write(b"in\n")
    running.process.stdin.close()
    assert running.out.rest() == "in\nout\n"
    assert running.end() == (0, "err\n")


def test_our_violent_death_ends_the_server(listen, box):
    running = listen(box, ADDRESS)
    address, = running.where()
    server = running.server()
    running.send(signal.SIGKILL)
    assert running.event() == {"signal": signal.SIGTERM}
    is_gone(server["pid"])
    assert is_refused(box, address)


def test_the_end_of_the_target_is_told_and_ends_the_server(listen, sandbox):
    target = sandbox()
    running = listen(target, ADDRESS)
    running.where()
    server = running.server()
    target.stop()
    assert running.event() == {"signal": signal.SIGTERM}
    assert_failed(finished(running), TROUBLE, f"listen {target.pid}: the target has ended")
    assert not proc.alive(server["pid"])


# --- the file of a UNIX socket ---

@pytest.mark.parametrize("options, mode", [((), 0o666), (("--mode", "600"), 0o600),
                                           (("--mode", "0770"), 0o770)])
def test_the_file_has_its_mode_and_goes_at_the_end(listen, box, options, mode):
    running = listen(box, "/tmp/mode", options=options)
    assert running.where() == ["unix:/tmp/mode"]
    running.server()
    found = os.stat(seen(box, "/tmp/mode"))
    assert stat.S_ISSOCK(found.st_mode) and stat.S_IMODE(found.st_mode) == mode
    assert running.terminate() == (0, "")
    assert not os.path.exists(seen(box, "/tmp/mode"))


def test_the_file_belongs_to_the_root_inside(listen, sandbox):
    made = sandbox()
    running = listen(made, "/tmp/owner")
    running.where()
    running.server()
    found = os.stat(seen(made, "/tmp/owner"))
    assert (found.st_uid, found.st_gid) == (100000, 100000)
    assert made.alive() and running.terminate() == (0, "")


def test_what_somebody_else_made_of_it_meanwhile_stays(listen, box):
    running = listen(box, "/tmp/mine")
    running.where()
    running.server()
    os.unlink(seen(box, "/tmp/mine"))
    with Peer(box, "unix:/tmp/mine"):
        assert running.terminate() == (0, "")
        assert os.path.exists(seen(box, "/tmp/mine"))
    os.unlink(seen(box, "/tmp/mine"))


def test_an_address_that_is_taken(conjoin, box):
    with Peer(box) as tcp, Peer(box, "unix:@taken"), Peer(box, "unix:/tmp/taken"):
        for address in f"tcp4:{tcp.port}", "@taken", "/tmp/taken":
            done = conjoin.run("listen", box.pid, "/tmp/first", address, "--", "true")
            assert_failed(done, TROUBLE, f"listen {box.pid}: listen on ", address.lstrip("/@"),
                          "Address already in use")
            assert not os.path.exists(seen(box, "/tmp/first"))  # all of them, or none
        assert os.path.exists(seen(box, "/tmp/taken"))
    os.unlink(seen(box, "/tmp/taken"))


# --- usage ---

@pytest.mark.parametrize("args, word", [
    ([], "TARGET"), (["self"], "ADDRESS"), (["self", "80"], "COMMAND"), (["self", "80", "--"], "COMMAND"),
    (["self", "--", "true"], "ADDRESS"), (["self", "65536", "--", "true"], "65536"),
    (["self", "web:80", "--", "true"], "web"), (["self", "=80", "--", "true"], "NAME"),
    (["self", "a\tb=80", "--", "true"], "name"), (["self", "a" * 256 + "=80", "--", "true"], "name"),
    (["self", "80", "x=/" + "y" * 5000, "--", "true"], "too long"),
    (["--max-connections", "3", "self", "80", "--", "true"], "--inetd"),
    (["--max-per-source", "3", "self", "80", "--", "true"], "--inetd"),
    (["--inetd", "--max-connections", "0", "self", "80", "--", "true"], "--max-connections"),
    (["--inetd", "--max-per-source", "x", "self", "80", "--", "true"], "--max-per-source"),
    (["--mode", "0", "self", "80", "--", "true"], "--mode"),
    (["--mode", "1777", "self", "80", "--", "true"], "--mode"),
    (["--mode", "999", "self", "80", "--", "true"], "--mode"),
    (["--grace", "soon", "self", "80", "--", "true"], "--grace"),
    (["self", *(f"@{i}" for i in range(65)), "--", "true"], "64"),
])
def test_usage(conjoin, args, word):
    done = conjoin.run("listen", *args)
    assert_failed(done, USAGE, word)
    assert done.stdout == ""


def test_the_ports_are_told_one_for_each_address(conjoin, box, scratch):
    """Of a loopback, which has two sockets, once."""
    path = os.path.join(scratch, "ports")
    script = f"cat {path}"
    done = conjoin.run("listen", "--port-file", path, box.pid, "127.0.0.1:9000", "127.0.0.2:9000",
                       "9001", "/run/none.sock", "--", "sh", "-c", script)
    assert (done.returncode, done.stdout) == (0, "9000\n9000\n9001\n")
    assert not os.path.exists(path)
