# SPDX-License-Identifier: MIT
"""conjoin listen --inetd: a program a connection, how many at a time, and what is left of them. Not
here: one server that accepts by itself (test_listen.py)."""

import os
import resource
import select
import signal
import socket
import subprocess
import sys
import threading

import pytest

from lib import proc
from lib.failure import assert_failed
from lib.given import full_pipe
from lib.peers import (DEADLINE, dial, ask, is_refused, listen, read_to_end,  # noqa: F401
                       seen, sockets_in)
from lib.poll import wait_for
from lib.sandbox import Sandbox

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")

TROUBLE = 1
ADDRESS = "127.0.0.1:0"
MANY = 200
FILES = """
import os
for name in sorted(os.listdir("/proc/self/fd")):
    try:
        print(name, os.readlink(f"/proc/self/fd/{name}"), os.get_blocking(int(name)))
    except OSError:
        pass
"""


@pytest.fixture(scope="module")
def box(sandbox_program, rootfs):
    made = Sandbox(sandbox_program, rootfs, namespaces="all,-user")
    yield made
    made.stop()


@pytest.fixture
def inetd(listen):
    def start(box, *command, address=ADDRESS, options=(), **more):
        running = listen(box, address, options=["--inetd", *options], command=command, **more)
        running.address, = running.where()
        return running

    return start


def talk(connection, word):
    """Through a `cat`."""
    connection.sendall(word)
    return read_to_end(connection, len(word))


def hears_nothing(connection):
    connection.setblocking(False)
    try:
        return connection.recv(1) == b"nothing"
    except BlockingIOError:
        return True
    finally:
        connection.settimeout(DEADLINE)


# --- one connection ---

@pytest.mark.parametrize("address", [ADDRESS, "[::1]:0", "*:0", "/tmp/inetd", "@inetd"])
def test_stdin_and_stdout_are_the_connection(inetd, box, address):
    running = inetd(box, "sh", "-c", "read x; echo got $x; echo told >&2", address=address)
    there = running.address.replace("[::]", "[::1]")
    with dial(box, there) as client:
        client.sendall(b"hello\n")
        assert read_to_end(client) == b"got hello\n"
    assert running.err.next() == "told"
    assert running.terminate() == (0, "")


@pytest.mark.parametrize("address, source", [(ADDRESS, "127.0.0.7"), ("[::1]:0", "::1"),
                                             ("*:0", "127.0.0.8")])
def test_it_is_told_who_connects(inetd, box, address, source):
    """One of IPv4 by that name, also where both come to one socket."""
    running = inetd(box, "sh", "-c", 'echo "$REMOTE_ADDR $REMOTE_PORT"', address=address)
    port = running.address.rpartition(":")[2]
    there = f"127.0.0.1:{port}" if "." in source else f"[::1]:{port}"
    with dial(box, there, source=source) as client:
        assert read_to_end(client).decode() == f"{source} {client.getsockname()[1]}\n"


def test_of_a_unix_peer_there_is_nothing_to_tell(inetd, box):
    """What the caller has under that name isn't about this one."""
    running = inetd(box, "sh", "-c", 'echo "${REMOTE_ADDR-none} ${REMOTE_PORT-none}"',
                    address="@nobody", env={**os.environ, "REMOTE_ADDR": "10.0.0.1",
                                            "REMOTE_PORT": "1"})
    assert ask(box, running.address) == b"none none\n"


def test_it_gets_no_file_but_these(inetd, box):
    """Not the listening socket, nor those of its neighbours; and they block."""
    running = inetd(box, sys.executable, "-ISc", FILES)
    with dial(box, running.address) as other:
        lines = ask(box, running.address).decode().splitlines()
        read_to_end(other)
    words = [line.split() for line in lines]
    assert [word[0] for word in words] == ["0", "1", "2"]
    assert words[0][1] == words[1][1] and words[0][1].startswith("socket:")
    assert words[0][2] == words[1][2] == "True"


def test_variables_of_listening_arent_for_it(inetd, box):
    running = inetd(box, "sh", "-c", "env | grep -c ^LISTEN_", env={
        **os.environ, "LISTEN_FDS": "1", "LISTEN_PID": "1", "LISTEN_FDNAMES": "x"})
    assert ask(box, running.address) == b"0\n"


def test_signals_are_as_by_default(inetd, box):
    """A handler whose client has gone dies of SIGPIPE, as programs expect."""
    running = inetd(box, "grep", "-E", "^Sig(Blk|Ign):", "/proc/self/status")
    words = dict(line.split() for line in ask(box, running.address).decode().splitlines())
    assert int(words["SigBlk:"], 16) == 0
    assert not int(words["SigIgn:"], 16) >> (signal.SIGPIPE - 1) & 1


def test_both_halves_of_a_connection(inetd, box):
    running = inetd(box, "sh", "-c", "wc -c")
    with dial(box, running.address) as client:
        client.sendall(bytes(100000))
        client.shutdown(socket.SHUT_WR)
        assert read_to_end(client).strip() == b"100000"


# --- how many ---

def test_the_sixty_fifth_waits_and_is_served_later(inetd, box):
    running = inetd(box, "cat")
    clients = [dial(box, running.address, made=one) for one in sockets_in(box, count=65)]
    try:
        for client in clients[:64]:
            assert talk(client, b"served") == b"served"
        clients[64].sendall(b"later")
        running.wait_idle()
        assert len(running.children()) == 64
        assert hears_nothing(clients[64])
        clients[10].close()
        assert read_to_end(clients[64], 5) == b"later"
        assert len(running.children()) == 64
    finally:
        for client in clients:
            client.close()
    assert running.terminate() == (0, "")


def test_one_at_a_time(inetd, box):
    running = inetd(box, "cat", options=["--max-connections", "1"])
    first, second, third = (dial(box, running.address) for _ in range(3))
    with first, second, third:
        assert talk(first, b"1") == b"1"
        second.sendall(b"2")
        third.sendall(b"3")
        running.wait_idle()
        assert len(running.children()) == 1 and hears_nothing(second) and hears_nothing(third)
        first.close()
        assert read_to_end(second, 1) == b"2" and hears_nothing(third)
        second.close()
        assert read_to_end(third, 1) == b"3"


def test_the_number_is_for_all_addresses_together(listen, box):
    """Also when somebody comes to each at the same moment."""
    running = listen(box, "tcp4:0", "@together", options=["--inetd", "--max-connections", "1"],
                     command=["cat"])
    addresses = running.where(2)
    running.wait_idle()
    running.send(signal.SIGSTOP)
    wait_for(lambda: proc.stat_fields(running.pid)[0] == "T")
    one, other = (dial(box, address) for address in addresses)
    running.send(signal.SIGCONT)
    with one, other:
        one.sendall(b"1")
        other.sendall(b"2")
        wait_for(running.children)
        running.wait_idle()
        assert len(running.children()) == 1
        assert select.select([one, other], [], [], DEADLINE)[0] == [one]
        one.close()
        assert read_to_end(other, 1) == b"2"


def test_who_waits_and_leaves_costs_nothing(inetd, box):
    running = inetd(box, "cat", options=["--max-connections", "1"])
    first = dial(box, running.address)
    with first:
        assert talk(first, b"1") == b"1"
        dial(box, running.address).close()
        running.wait_idle()
    with dial(box, running.address) as last:
        assert talk(last, b"served") == b"served"


def test_so_many_from_one_source(inetd, box):
    running = inetd(box, "cat", options=["--max-per-source", "2"])
    clients = [dial(box, running.address, source="127.0.0.2") for _ in range(2)]
    for client in clients:
        assert talk(client, b"x") == b"x"
    with dial(box, running.address, source="127.0.0.2") as refused:
        assert read_to_end(refused) == b""
    assert "too many connections from 127.0.0.2" in running.err.next()
    with dial(box, running.address, source="127.0.0.3") as other:
        assert talk(other, b"x") == b"x"
    for client in clients:
        client.close()
    wait_for(lambda: running.children() == [], what="the handlers to end")
    with dial(box, running.address, source="127.0.0.2") as again:
        assert talk(again, b"x") == b"x"


def test_a_source_is_the_same_in_both_families_disguises(inetd, box):
    """127.0.0.1 that comes to an IPv6 socket is 127.0.0.1; of a UNIX socket it's the user."""
    running = inetd(box, "cat", options=["--max-per-source", "1"], address="@who")
    with dial(box, running.address) as first:
        assert talk(first, b"x") == b"x"
        assert ask(box, running.address) == b""


# --- what goes wrong ---

def use_up_files(running):
    """From the first number that is free on there are none any more. The limits of before."""
    before = resource.prlimit(running.pid, resource.RLIMIT_NOFILE)
    used = set(map(int, running.files()))
    first = next(number for number in range(before[0]) if number not in used)
    resource.prlimit(running.pid, resource.RLIMIT_NOFILE, (first, before[1]))
    return before


def test_no_file_is_left_for_a_while(inetd, box):
    """It goes on when there are some again, and who came meanwhile is served."""
    running = inetd(box, "cat")
    running.wait_idle()
    before = use_up_files(running)
    with dial(box, running.address) as client:
        client.sendall(b"patient")
        assert "accept a connection: Too many open files" in running.err.next()
        resource.prlimit(running.pid, resource.RLIMIT_NOFILE, before)
        assert read_to_end(client, 7) == b"patient"
    assert running.terminate()[0] == 0


def test_a_lack_of_files_doesnt_keep_it_from_ending(inetd, box):
    running = inetd(box, "cat")
    running.wait_idle()
    use_up_files(running)
    with dial(box, running.address):
        running.err.next()
        assert running.terminate()[0] == 0


def test_a_handler_that_cant_be_executed_is_told_and_the_next_is_tried(inetd, box, scratch):
    path = os.path.join(scratch, "handler")
    running = inetd(box, path)
    assert ask(box, running.address) == b""
    line = running.err.next()
    assert line.startswith("conjoin: listen ") and f"execute {path}: No such file" in line
    with open(path, "w", encoding="ascii") as f:
        f.write("#!/bin/sh\necho here\n")
    os.chmod(path, 0o755)
    assert ask(box, running.address) == b"here\n"
    assert running.terminate() == (0, "")


@pytest.mark.parametrize("script", ["exit 3", "kill -9 $$"])
def test_how_a_handler_ends_is_its_own_business(inetd, box, script):
    running = inetd(box, "sh", "-c", f"echo x; {script}")
    for _ in range(3):
        assert ask(box, running.address) == b"x\n"
    assert running.terminate() == (0, "")


def test_clients_that_leave(inetd, box):
    """Its handler hears of it by its stdin, or by SIGPIPE."""
    running = inetd(box, "sh", "-c", "while echo x; do :; done")
    with dial(box, running.address) as client:
        assert read_to_end(client, 2) == b"x\n"
    wait_for(lambda: running.children() == [], what="the handler to end")
    with dial(box, running.address) as client:
        assert read_to_end(client, 2) == b"x\n"


# --- what is left ---

def test_many_in_a_row_leave_nothing_behind(inetd, box):
    running = inetd(box, "echo", "x")
    assert ask(box, running.address) == b"x\n"
    wait_for(lambda: running.children() == [])
    before = sorted(running.files())
    for one in sockets_in(box, count=MANY):
        with dial(box, running.address, made=one) as client:
            assert read_to_end(client) == b"x\n"
    wait_for(lambda: running.children() == [], what="the last handler, zombies included")
    running.wait_idle()
    assert sorted(running.files()) == before


def test_many_at_once_leave_nothing_behind(inetd, box):
    running = inetd(box, "cat", options=["--max-connections", "20"])
    running.wait_idle()
    before = sorted(running.files())
    clients = [dial(box, running.address, made=one) for one in sockets_in(box, count=100)]
    for client in clients:
        client.sendall(b"x")
        client.shutdown(socket.SHUT_WR)
    for client in clients:
        assert read_to_end(client) == b"x"
        client.close()
    wait_for(lambda: running.children() == [], what="the last handler, zombies included")
    running.wait_idle()
    assert sorted(running.files()) == before


# --- the end ---

def end_within(seconds, pids):
    """Fails, and leaves nobody, if they don't."""
    try:
        for pid in pids:
            wait_for(lambda pid=pid: not proc.alive(pid), seconds, f"end of {pid}")
    finally:
        for pid in filter(proc.alive, pids):
            os.kill(pid, signal.SIGKILL)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_handlers_end_with_us_and_their_children_too(inetd, box, number):
    """A shell's child in the background ignores SIGINT."""
    running = inetd(box, "sh", "-c", "sleep 1000 & echo $! $$; wait", options=["--grace", "200ms"])
    with dial(box, running.address) as client:
        pids = [int(word) for word in client.makefile().readline().split()]
        assert all(map(proc.alive, pids))
        running.send(number)
        assert running.wait() == 0
        end_within(2, pids)
        assert read_to_end(client) == b""
    assert is_refused(box, running.address)


def test_a_deaf_handler_is_killed(inetd, box):
    running = inetd(box, "sh", "-c", "trap '' TERM; echo $$; while :; do sleep 1000; done",
                    options=["--grace", "200ms"])
    with dial(box, running.address) as client:
        pid = int(client.makefile().readline())
        assert running.terminate() == (0, "")
        assert not proc.alive(pid)
        assert read_to_end(client) == b""


def test_a_deaf_child_of_a_handler_is_killed_too(inetd, box):
    """Its handler hears SIGTERM, and is gone before the time is up."""
    running = inetd(box, "sh", "-c", "(trap '' TERM; exec sleep 1000) & echo $!; exec cat",
                    options=["--grace", "200ms"])
    with dial(box, running.address) as client:
        pid = int(client.makefile().readline())
        wait_for(lambda: int(proc.status(pid)["SigIgn"], 16) >> (signal.SIGTERM - 1) & 1)
        running.send(signal.SIGTERM)
        assert running.wait() == 0
        end_within(2, [pid])


def test_our_violent_death_ends_the_handlers(inetd, box):
    running = inetd(box, "cat")
    with dial(box, running.address) as client:
        assert talk(client, b"x") == b"x"
        pid, = running.children()
        running.send(signal.SIGKILL)
        running.wait()
        wait_for(lambda: not proc.alive(pid), what="end of the handler")
        assert read_to_end(client) == b""
    assert is_refused(box, running.address)


def test_the_end_of_the_target_ends_the_handlers(inetd, sandbox):
    target = sandbox()
    running = inetd(target, "sleep", "1000")
    with dial(target, running.address):
        pid, = wait_for(running.children)
        target.stop()
        status, said = running.end()
        assert_failed(subprocess.CompletedProcess("", status, "", said), TROUBLE,
                      f"listen {target.pid}: the target has ended")
        assert not proc.alive(pid)


def test_signals_reach_every_handler(inetd, box):
    running = inetd(box, "sh", "-c", "trap 'echo caught; exit' USR1; echo ready; "
                                     "while :; do sleep 0.01; done")
    clients = [dial(box, running.address) for _ in range(3)]
    for client in clients:
        assert read_to_end(client, 6) == b"ready\n"
    running.send(signal.SIGUSR1)
    for client in clients:
        assert read_to_end(client) == b"caught\n"
        client.close()


FLOOD = """
import socket
while True:
    with socket.socket(socket.AF_UNIX) as one:
        try:
            one.connect("\\0flood")
        except OSError:
            break
"""


def test_a_flood_of_refused_ones_doesnt_keep_it_from_ending(inetd, box):
    """Clients are the container's, which may be hostile: there is always one more."""
    running = inetd(box, "cat", options=["--max-per-source", "1"], address="@flood",
                    stderr=subprocess.PIPE)
    with dial(box, running.address) as first, open("/dev/null", "r+b") as null:
        assert talk(first, b"x") == b"x"
        drain = threading.Thread(target=drain_of, args=[running], daemon=True)
        drain.start()
        flood = [subprocess.Popen(["nsenter", f"--net=/proc/{box.pid}/ns/net", sys.executable, "-ISc",
                                   FLOOD], stderr=null) for _ in range(3)]
        try:
            wait_for(lambda: cpu_ticks(running.pid) > 30, what="the flood")
            running.send(signal.SIGTERM)
            assert running.wait(3) == 0
        finally:
            for one in flood:
                one.kill()
                one.wait()
            running.process.kill()
            drain.join(DEADLINE)


def cpu_ticks(pid):
    return sum(map(int, proc.stat_fields(pid)[11:13]))


def drain_of(running):
    while os.read(running.process.stderr.fileno(), 1 << 16):
        pass


def test_a_stderr_that_nobody_reads_doesnt_keep_it_from_ending(listen, box):
    """Each warning waits for it for a moment; a hundred of them mustn't."""
    reader, writer = full_pipe()
    try:
        running = listen(box, "@stuck", options=["--inetd", "--max-per-source", "1"],
                         command=["cat"], stderr=writer)
        wait_for(lambda: not is_refused(box, "unix:@stuck"))
        clients = [dial(box, "unix:@stuck", made=one)
                   for one in sockets_in(box, socket.AF_UNIX, 100)]
        wait_for(running.children)
        running.send(signal.SIGTERM)
        assert running.wait(5) == 0
        for client in clients:
            client.close()
    finally:
        os.close(reader)
        os.close(writer)


def test_the_file_goes_at_the_end(inetd, box):
    running = inetd(box, "cat", address="/tmp/inetd-file")
    assert ask_through_cat(box, running.address) == b"x"
    assert running.terminate() == (0, "")
    assert not os.path.exists(seen(box, "/tmp/inetd-file"))


def ask_through_cat(box, address):
    with dial(box, address) as client:
        return talk(client, b"x")
