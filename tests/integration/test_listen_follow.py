# SPDX-License-Identifier: MIT
"""conjoin listen --follow: a target that ends and comes back. Not here: what a server is given
(test_listen.py)."""

import os
import signal
import subprocess

import pytest

from lib import proc
from lib.failure import assert_failed
from lib.peers import (DEADLINE, LISTENING, ask, dial, is_refused, listen, read_to_end, seen)  # noqa: F401
from lib.poll import wait_for
from lib.program import clean_env

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")

TROUBLE, USAGE = 1, 2
ADDRESS = "tcp4:80"
THERE = "127.0.0.1:80"
GONE = "the target has ended; it's waited for"
BACK = "the target is back"
SAME = "the target is back, in the same net namespace"


class Place:
    """A process in a net namespace of its own, or in that of another one. The host's files are its files."""

    def __init__(self, beside=None, up=True):
        enter = ["nsenter", f"--net=/proc/{beside.pid}/ns/net"] if beside else ["unshare", "-n"]
        script = f"{'ip link set lo up;' if up and not beside else ''} echo; exec sleep 1000"
        self.process = subprocess.Popen([*enter, "sh", "-ec", script], stdin=subprocess.DEVNULL,
                                        stdout=subprocess.PIPE,
                                        env={**clean_env(), "CONJOIN_TEST_RUN": str(os.getpid())})
        self.pid = self.process.pid
        assert self.process.stdout.readline() == b"\n"

    def ns(self):
        return proc.namespaces(self.pid)

    def stop(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()


@pytest.fixture
def place():
    made = []

    def make(**how):
        made.append(Place(**how))
        return made[-1]

    yield make
    for one in made:
        one.stop()


class Name:
    """What stays the same: `text` is a target, of the process that was named last."""

    def __init__(self, folder):
        self.path = os.path.join(folder, "pid")
        self.text = f"pidfile:{self.path}"

    def names(self, target):
        with open(self.path + ".new", "w", encoding="ascii") as f:
            f.write(f"{target.pid}\n")
        os.rename(self.path + ".new", self.path)

    def names_nobody(self):
        os.unlink(self.path)


@pytest.fixture
def name(scratch):
    return Name(scratch)


@pytest.fixture
def follow(listen, name):
    """follow(target, *addresses): listening there, by its name."""

    def start(target, *addresses, options=(), n=None, **more):
        name.names(target)
        running = listen(name.text, *(addresses or [ADDRESS]), options=["--follow", *options], **more)
        running.told = running.places(len(addresses or [ADDRESS]) if n is None else n)
        return running

    return start


def says(running, text):
    line = running.err.next()
    assert line.startswith("conjoin: listen ") and line.endswith(f": {text}"), line


# --- back ---

def test_it_listens_again_where_the_target_is_then(follow, name, sandbox):
    first = sandbox()
    running = follow(first)
    assert running.told == [(THERE, first.ns()["net"])]
    old = running.server()
    assert ask(first, THERE) == f"{old['pid']} 0\n".encode()
    first.stop()
    says(running, GONE)
    assert running.process.poll() is None and proc.alive(old["pid"])
    second = sandbox()
    name.names(second)
    says(running, BACK)
    assert running.event() == {"signal": signal.SIGTERM}
    assert running.places() == [(THERE, second.ns()["net"])]
    new = running.server()
    assert new["pid"] != old["pid"] and not proc.alive(old["pid"])
    assert new["variables"] == {**old["variables"], "LISTEN_PID": str(new["pid"])}
    assert sorted(new["files"], key=int) == ["0", "1", "2", "3"]
    assert ask(second, THERE) == f"{new['pid']} 0\n".encode()
    assert running.terminate() == (0, "")
    assert is_refused(second, THERE)


def test_again_and_again_nothing_is_left_behind(follow, name, place):
    now = place()
    running = follow(now, ADDRESS, "@again", n=2)
    running.server()
    running.wait_idle()
    files, pids = sorted(running.files()), set()
    for _ in range(6):
        now.stop()
        says(running, GONE)
        now = place()
        name.names(now)
        says(running, BACK)
        running.event()
        running.places(2)
        pids.add(running.server()["pid"])
        assert ask(now, THERE) and ask(now, "unix:@again")
        running.wait_idle()
        assert len(running.files()) == len(files) and len(running.children()) == 1
    assert len(pids) == 6


def test_a_name_that_names_nobody_for_a_while(follow, name, place):
    """Or somebody who has ended, or nonsense."""
    first = place()
    running = follow(first)
    running.server()
    name.names_nobody()
    first.stop()
    says(running, GONE)
    with open(name.path, "w", encoding="ascii") as f:
        f.write("nonsense\n")
    dead = place()
    dead.stop()
    name.names(dead)
    second = place()
    name.names(second)
    says(running, BACK)
    running.event()
    assert running.places() == [(THERE, second.ns()["net"])]


def test_another_that_takes_its_name_while_it_lives_is_nothing_to_us(follow, name, place):
    """As long as it's there, it's the one."""
    first, second = place(), place()
    running = follow(first)
    server = running.server()
    name.names(second)
    assert ask(first, THERE) == f"{server['pid']} 0\n".encode()
    first.stop()
    says(running, GONE)
    says(running, BACK)
    running.event()
    assert running.places() == [(THERE, second.ns()["net"])]


def test_in_the_same_net_namespace_the_server_goes_on(follow, name, place):
    """A pod's container that is restarted: the sockets are where they were."""
    first = place()
    second = place(beside=first)
    running = follow(first)
    server = running.server()
    first.stop()
    says(running, GONE)
    name.names(second)
    says(running, SAME)
    assert ask(second, THERE) == f"{server['pid']} 0\n".encode()
    # and it's followed on
    third = place()
    second.stop()
    says(running, GONE)
    name.names(third)
    says(running, BACK)
    assert running.event() == {"signal": signal.SIGTERM}
    assert running.places() == [(THERE, third.ns()["net"])]
    assert running.server()["pid"] != server["pid"]


def test_a_unix_socket_is_made_again_where_its_files_are(follow, name, sandbox):
    first, second = sandbox(), sandbox()
    running = follow(first, "/tmp/follow")
    running.server()
    first.stop()
    says(running, GONE)
    name.names(second)
    says(running, BACK)
    running.event()
    running.places()
    assert os.path.exists(seen(second, "/tmp/follow"))
    running.server()
    assert running.terminate() == (0, "")
    assert not os.path.exists(seen(second, "/tmp/follow"))


def test_a_unix_socket_is_made_again_even_in_the_same_net_namespace(follow, name, place, scratch):
    """Its files may be others. These aren't: the old one is replaced."""
    first = place()
    second = place(beside=first)
    path = os.path.join(scratch, "socket")
    running = follow(first, path)
    old = running.server()
    before = os.stat(path).st_ino, os.stat(path).st_ctime_ns
    first.stop()
    says(running, GONE)
    name.names(second)
    says(running, BACK)
    running.event()
    running.places()
    new = running.server()
    assert (os.stat(path).st_ino, os.stat(path).st_ctime_ns) != before
    assert ask(second, f"unix:{path}") == f"{new['pid']} 0\n".encode() and new["pid"] != old["pid"]
    assert running.terminate() == (0, "")
    assert not os.path.exists(path)


def test_a_container_that_is_restarted_under_its_name(listen, runc):
    made = runc()
    target = f"oci:{made.name}"
    running = listen(target, ADDRESS, options=["--follow"])
    assert listens_at_last(running) == made.ns()["net"]
    running.server()
    first = made.pid
    made.call("kill", made.name, "KILL")
    says(running, GONE)
    wait_for(lambda: not made.alive())
    made.call("delete", "--force", made.name)
    pid_file = os.path.join(made.bundle, "pid")
    made.call("run", "--detach", "--bundle", made.bundle, "--pid-file", pid_file, made.name)
    with open(pid_file, encoding="ascii") as f:
        made.pid = int(f.read())
    assert made.pid != first
    assert listens_at_last(running) == made.ns()["net"]
    running.event()
    server = running.server()
    done = made.exec("nc", "127.0.0.1", "80")
    assert done.stdout == f"{server['pid']} 0\n"
    assert running.terminate()[0] == 0


def listens_at_last(running):
    """The net namespace, whatever else it tells before: the engine, each time it's asked."""
    while not (match := LISTENING.match(line := running.err.next())):
        assert line and "hint" not in line, line
    assert match[2] == THERE
    return int(match[4])


# --- not yet ---

def in_net_of(target, *command):
    subprocess.run(["nsenter", f"--net=/proc/{target.pid}/ns/net", *command], check=True)


LATE = "10.7.7.7"
ADD_LATE = ["ip", "addr", "add", f"{LATE}/32", "dev", "lo"]


@pytest.fixture
def late(follow, name, place):
    """late(): (a running one whose target is back without its address, that target)"""
    def make():
        first = place()
        in_net_of(first, *ADD_LATE)
        running = follow(first, f"{LATE}:80")
        running.server()
        first.stop()
        says(running, GONE)
        second = place()
        name.names(second)
        says(running, BACK)
        running.event()
        line = running.err.next()
        assert line.endswith(f"listen on tcp:{LATE}:80: Cannot assign requested address"), line
        wait_for(lambda: running.children() == [])
        return running, second

    return make


def test_an_address_that_isnt_there_yet_is_waited_for(late):
    """Its network is set up after it: that's told once."""
    running, second = late()
    in_net_of(second, *ADD_LATE)
    assert running.places() == [(f"{LATE}:80", second.ns()["net"])]
    assert ask(second, f"{LATE}:80") == f"{running.server()['pid']} 0\n".encode()
    assert running.terminate() == (0, "")


def test_it_can_end_before_the_address_is_there(late, name, place):
    """And be followed on."""
    running, second = late()
    second.stop()
    says(running, GONE)
    third = place()
    in_net_of(third, *ADD_LATE)
    name.names(third)
    says(running, BACK)
    assert running.places() == [(f"{LATE}:80", third.ns()["net"])]
    assert ask(third, f"{LATE}:80")


def test_told_to_end_while_the_address_isnt_there(late):
    running, _ = late()
    assert running.terminate() == (0, "")


def test_a_loopback_that_is_down_at_first(follow, name, place):
    """Of IPv6 it has no address until then."""
    first = place()
    running = follow(first, "[::1]:80")
    running.server()
    first.stop()
    says(running, GONE)
    second = place(up=False)
    name.names(second)
    says(running, BACK)
    running.event()
    assert "listen on tcp:[::1]:80: Cannot assign requested address" in running.err.next()
    in_net_of(second, "ip", "link", "set", "lo", "up")
    assert running.places() == [("[::1]:80", second.ns()["net"])]
    assert ask(second, "[::1]:80") == f"{running.server()['pid']} 0\n".encode()


def test_one_that_is_gone_again_before_the_server_has_ended(follow, name, place):
    """It's followed on all the same."""
    first, second = place(), place()
    running = follow(first, flags=["deaf"], options=["--grace", "60s"])
    server = running.server()
    first.stop()
    says(running, GONE)
    name.names(second)
    says(running, BACK)
    assert running.event() == {"signal": signal.SIGTERM}
    second.stop()
    says(running, GONE)
    os.kill(server["pid"], signal.SIGKILL)
    wait_for(lambda: running.children() == [])
    running.wait_idle()
    third = place()
    name.names(third)
    lines = []
    while "listening on" not in (line := running.err.next()):
        assert line, lines
        lines.append(line)
    assert f"net:[{third.ns()['net']}]" in line and lines[-1].endswith(BACK), (lines, line)
    assert ask(third, THERE) == f"{running.server()['pid']} 0\n".encode()


def test_a_deaf_server_is_killed_for_the_next(follow, name, place):
    first, second = place(), place()
    running = follow(first, flags=["deaf"], options=["--grace", "200ms"])
    old = running.server()
    name.names(second)
    first.stop()
    says(running, GONE)
    says(running, BACK)
    assert running.event() == {"signal": signal.SIGTERM}
    running.places()
    assert not proc.alive(old["pid"])
    assert ask(second, THERE) == f"{running.server()['pid']} 0\n".encode()
    running.send(signal.SIGTERM)
    assert running.wait() == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_told_to_end_while_it_waits(follow, name, place, number):
    first = place()
    running = follow(first, flags=["catch=INT"])
    server = running.server()
    first.stop()
    says(running, GONE)
    name.names_nobody()
    running.send(number)
    assert running.event() == {"signal": number}
    if number == signal.SIGINT:
        os.kill(server["pid"], signal.SIGTERM)
    assert running.end() == (0, "")
    assert not proc.alive(server["pid"])


def test_our_violent_death_while_it_waits(follow, place):
    first = place()
    running = follow(first)
    server = running.server()
    first.stop()
    says(running, GONE)
    running.send(signal.SIGKILL)
    wait_for(lambda: not proc.alive(server["pid"]), what="end of the server")


def test_a_server_that_fails_while_the_target_is_gone(follow, place):
    first = place()
    running = follow(first)
    server = running.server()
    first.stop()
    says(running, GONE)
    os.kill(server["pid"], signal.SIGKILL)
    status, said = running.end()
    assert status == TROUBLE and "signal 9" in said


def test_waiting_costs_next_to_nothing(follow, place):
    first = place()
    running = follow(first)
    running.server()
    first.stop()
    says(running, GONE)
    before = sum(map(int, proc.stat_fields(running.pid)[11:13]))
    with pytest.raises(AssertionError):
        running.err.next(timeout=1)
    assert sum(map(int, proc.stat_fields(running.pid)[11:13])) - before <= 20  # of 100


# --- with --inetd ---

def test_each_connection_is_taken_where_the_target_is_then(follow, name, place):
    """Those of before end with the target."""
    first, second = place(), place()
    running = follow(first, options=["--inetd"], command=["cat"])
    with dial(first, THERE) as old:
        old.sendall(b"x")
        assert read_to_end(old, 1) == b"x"
        first.stop()
        says(running, GONE)
        name.names(second)
        says(running, BACK)
        assert running.places() == [(THERE, second.ns()["net"])]
        assert read_to_end(old) == b""
    with dial(second, THERE) as new:
        new.sendall(b"y")
        assert read_to_end(new, 1) == b"y"
    assert running.terminate() == (0, "")


def test_connections_in_the_same_net_namespace_go_on(follow, name, place):
    first = place()
    second = place(beside=first)
    running = follow(first, options=["--inetd"], command=["cat"])
    with dial(first, THERE) as client:
        client.sendall(b"x")
        assert read_to_end(client, 1) == b"x"
        first.stop()
        says(running, GONE)
        name.names(second)
        says(running, SAME)
        client.sendall(b"y")
        assert read_to_end(client, 1) == b"y"


# --- what can't be followed ---

@pytest.mark.parametrize("form", ["{pid}", "pid:{pid}", "self", "{handle}"])
def test_what_never_comes_back_cant_be_followed(conjoin, sandbox, form):
    made = sandbox()
    target = form.format(pid=made.pid, handle=made.handle)
    done = conjoin.run("listen", "--follow", target, "80", "--", "true", timeout=DEADLINE)
    assert_failed(done, TROUBLE, f"{target} never comes back")


def test_the_first_time_it_has_to_be_there(conjoin, name):
    done = conjoin.run("listen", "--follow", name.text, "80", "--", "true", timeout=DEADLINE)
    assert_failed(done, TROUBLE, name.path)
