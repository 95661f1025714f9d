# SPDX-License-Identifier: MIT
"""TCP sockets of a target's net namespace, made by the library: cj_socket, cj_listen, cj_connect; and
what is left of who makes them. Not here: UNIX sockets (test_sockets_unix.py), names
(test_sockets_names.py)."""

import os
import signal
import socket
import subprocess
import sys

import pytest

from lib import proc
from lib.leaks import KTHREAD, living
from lib.poll import spin, wait_for
from lib.program import TIMEOUT
from lib.sandbox import Sandbox
from lib.sockets import (USER, Done, assert_error, connect, helpers, in_net_of,  # noqa: F401
                         kill, listen, listening, run, ss, start, unshared)

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")

LOOPBACK = {"127.0.0.1", "[::1]"}
FEW = 40000  # where a small range of ports begins
KILLS = 25


@pytest.fixture(scope="module")
def box(sandbox_program, rootfs):
    made = Sandbox(sandbox_program, rootfs)
    yield made
    made.stop()


@pytest.fixture
def net(unshared):
    """A net namespace that a test may spoil. Its loopback is up."""
    made = unshared("-n")
    in_net_of(made, "ip link set lo up")
    return made


# --- listening ---

def test_it_listens_there_and_not_here(box, listen):
    server = listen(box, "tcp:0")
    assert listening(box, server.port) == LOOPBACK
    assert listening(os.getpid(), server.port) == set()
    lines = [line for line in ss(box, "-tlp") if f":{server.port} " in line]
    assert len(lines) == 2 and all(f"pid={server.pid}," in line for line in lines)


def test_what_it_says_is_where_it_listens(box, listen):
    server = listen(box, "tcp:0")
    assert server.addresses == [f"tcp:127.0.0.1:{server.port}", f"tcp:[::1]:{server.port}"]
    for address in server.addresses:
        done = connect(box, address)
        assert (done.status, done.out) == (0, "connected\n"), done
        server.await_peer()


@pytest.mark.parametrize("runtime", ["runc", "crun"])
def test_containers_of_real_runtimes(request, listen, runtime):
    made = request.getfixturevalue(runtime)()
    in_net_of(made, "ip link set lo up")
    server = listen(made, "tcp:80")
    assert listening(made, 80) == LOOPBACK and 80 not in map(port_of, ss(os.getpid(), "-tl"))
    # a program of the container's own
    done = made.exec("sh", "-c", "echo hello | nc 127.0.0.1 80")
    assert done.stdout == "hello\n"
    server.await_peer()


def port_of(line):
    return int(line.split()[3].rpartition(":")[2])


@pytest.mark.parametrize("address, hosts", [
    ("tcp4:0", {"127.0.0.1"}), ("tcp6:0", {"[::1]"}), ("tcp:*:0", {"*"}), ("tcp:[::]:0", {"*"}),
    ("tcp4:*:0", {"0.0.0.0"}), ("tcp6:*:0", {"[::]"}), ("tcp6:[::]:0", {"[::]"}),
    ("tcp:0.0.0.0:0", {"0.0.0.0"}), ("tcp:127.0.0.2:0", {"127.0.0.2"}), ("tcp:[::1]:0", {"[::1]"}),
])
def test_every_form_of_an_address_is_that_one(box, listen, address, hosts):
    server = listen(box, address)
    assert listening(box, server.port) == hosts
    assert len(server.addresses) == 1


def test_all_addresses_take_both_families(box, listen):
    server = listen(box, "tcp:*:0")
    for address in (f"tcp:127.0.0.1:{server.port}", f"tcp:[::1]:{server.port}"):
        assert connect(box, address).status == 0


@pytest.mark.parametrize("taken", ["tcp4:7001", "tcp6:7001", "tcp:*:7001"])
def test_a_port_that_is_taken_is_told_and_none_is_kept(box, listen, taken):
    server = listen(box, taken)
    before = listening(box, 7001)
    assert_error(run("listen", box, "tcp:7001"), "EADDRINUSE", "tcp:7001")
    assert listening(box, 7001) == before
    server.end()
    assert listening(box, 7001) == set()


def test_a_port_can_be_had_again_at_once(box, listen):
    """Although the kernel still keeps a connection of it that we have ended."""
    server = listen(box, "tcp4:7002")
    with client_in(box, 7002, "s.recv(1)") as client:
        server.await_peer()
        server.kill()
        assert client.wait(TIMEOUT) == 0
    assert [line for line in ss(box, "-ta") if "TIME-WAIT" in line and ":7002 " in line]
    listen(box, "tcp4:7002")


def test_any_port_is_one_that_is_free_in_both_families(net, listen):
    """Of the ports that the kernel gives first (odd ones, of the lower half) one of two is taken in one
    family."""
    in_net_of(net, f"echo {FEW} {FEW + 7} >/proc/sys/net/ipv4/ip_local_port_range")
    listen(net, f"tcp6:{FEW + 1}")
    for _ in range(8):
        server = listen(net, "tcp:0")
        assert listening(net, server.port) == LOOPBACK
        server.end()


def test_without_ipv6_the_loopback_is_the_other(net, listen):
    in_net_of(net, "echo 1 >/proc/sys/net/ipv6/conf/all/disable_ipv6")
    server = listen(net, "tcp:0")
    assert listening(net, server.port) == {"127.0.0.1"}
    assert server.addresses == [f"tcp:127.0.0.1:{server.port}"]
    assert_error(run("listen", net, "tcp6:0"), "EADDRNOTAVAIL")
    server = listen(net, "tcp:*:0")
    assert connect(net, f"tcp4:{server.port}").status == 0
    assert connect(net, f"tcp:{server.port}").status == 0


def test_without_ipv4_the_loopback_is_the_other(net, listen):
    in_net_of(net, "ip -4 address flush dev lo; ip -4 route flush table local")
    server = listen(net, "tcp:0")
    assert listening(net, server.port) == {"[::1]"}
    assert connect(net, f"tcp:{server.port}").status == 0


def test_without_a_loopback_that_is_told(net):
    in_net_of(net, "ip address flush dev lo; ip link set lo down")
    for address in "tcp:0", "tcp4:0", "tcp6:0":
        assert_error(run("listen", net, address), "EADDRNOTAVAIL", address)
    assert "loopback" in run("listen", net, "tcp:0").said.partition("hint: ")[2]
    assert "hint: " not in run("listen", net, "tcp:10.0.0.2:0").said


def test_a_loopback_may_come_up_later(unshared, listen):
    """That of a new namespace is down. The kernel lets IPv4 be bound all the same, but half of it isn't what was asked for."""
    made = unshared("-n")
    assert_error(run("listen", made, "tcp:0"), "EADDRNOTAVAIL", "loopback")
    server = listen(made, "tcp4:0")
    assert_error(connect(made, f"tcp4:{server.port}"), "ENETUNREACH")
    in_net_of(made, "ip link set lo up")
    assert connect(made, f"tcp4:{server.port}").status == 0
    assert len(listen(made, "tcp:0").addresses) == 2


def test_an_interface_is_the_namespaces_own(net, listen):
    """Its number there is another than here, if there's one of that name here."""
    in_net_of(net, "ip link add name spare index 4711 type bridge; ip link set spare up;"
              "ip -6 address add fe80::17/64 dev spare nodad")
    server = listen(net, "tcp:[fe80::17%spare]:0")
    assert listening(net, server.port) == {"[fe80::17]%spare"}
    assert connect(net, f"tcp:[fe80::17%spare]:{server.port}").status == 0
    assert connect(net, server.addresses[0]).status == 0  # what it says can be used
    assert_error(run("listen", net, "tcp:[fe80::17%other]:0"), "ENODEV", "other")
    assert_error(connect(net, f"tcp:[fe80::17%other]:{server.port}"), "ENODEV", "other")


@pytest.mark.parametrize("text", ["", "tcp:", "tcp:localhost:0", "tcp4:[::1]:80", "unix:x"])
def test_what_is_no_address_is_told(box, text):
    assert_error(run("listen", box, text), "EINVAL", f"address {text}")


# --- whose namespace ---

def test_a_socket_is_of_the_targets_namespace_and_we_stay(box):
    theirs, ours = (proc.namespace(pid, "net") for pid in (box.pid, "self"))
    for domain, kind in ((socket.AF_INET, socket.SOCK_DGRAM), (socket.AF_UNIX, socket.SOCK_STREAM),
                         (socket.AF_NETLINK, socket.SOCK_RAW), (socket.AF_INET6, socket.SOCK_RAW)):
        protocol = socket.IPPROTO_ICMPV6 if domain == socket.AF_INET6 else 0
        done = run("socket", box, int(domain), int(kind), protocol)
        assert done.out.split() == [str(theirs), str(ours), str(ours)], done
    done = run("socket", "-", int(socket.AF_INET), int(socket.SOCK_STREAM), 0)
    assert done.out.split() == [str(ours)] * 3, done
    assert_error(run("socket", box, 4711, 1, 0), "EAFNOSUPPORT")


@pytest.mark.parametrize("whose", ["none", "ourselves", "a sharer", "a user's"])
def test_a_target_in_our_own_net_namespace(listen, unshared, whose):
    target = {"none": lambda: "-", "ourselves": lambda: "self", "a sharer": lambda: unshared("-m"),
              "a user's": lambda: unshared("-m", ids="0 100000 1000")}[whose]()
    server = listen(target, "tcp:0")
    assert listening(os.getpid(), server.port) == LOOPBACK
    assert connect(target, f"tcp:{server.port}").status == 0


@pytest.mark.parametrize("address", ["tcp:0", "tcp:80", "tcp:*:80", "unix:@conjoin-test"])
def test_an_ordinary_users_own_container(sandbox, listen, address):
    made = sandbox(user=USER, map_self=True)
    server = listen(made, address, user=USER)
    assert connect(made, server.addresses[0], user=USER).status == 0
    server.await_peer()
    if address != "unix:@conjoin-test":
        assert listening(made, server.port) and not listening(os.getpid(), server.port)
    net = run("socket", made, int(socket.AF_INET), 1, 0).out.split()[0]
    assert net == str(proc.namespace(made.pid, "net"))


@pytest.mark.parametrize("verb", ["listen", "connect"])
def test_a_container_of_somebody_else_is_refused(box, verb):
    done = run(verb, box, "tcp:7003", user=USER)
    assert (done.status, done.error in ("EPERM", "EACCES")) == (1, True), done


@pytest.mark.parametrize("verb", ["listen", "connect"])
def test_a_target_that_has_ended_is_told(unshared, verb):
    made = unshared("-n")
    os.kill(made.pid, signal.SIGKILL)
    wait_for(lambda: not made.alive())
    assert_error(run(verb, made, "tcp:7003"), "ESRCH")


def test_a_target_that_ends_meanwhile_is_told(unshared):
    """It makes sockets until there's no more target."""
    made = unshared("-n")
    in_net_of(made, "ip link set lo up")
    process = start("threads", 4, 1000000, made, "tcp:0")
    assert process.stdout.readline() == b"running\n"
    os.kill(made.pid, signal.SIGKILL)
    done = Done(process)
    assert_error(done, "ESRCH")
    assert helpers() == []


def test_a_kernel_thread_is_no_target():
    threads = [pid for pid, fields in living().items() if int(fields[6]) & KTHREAD]
    if not threads:
        pytest.skip("there is no kernel thread to be seen")
    assert_error(run("listen", threads[0], "tcp:0"), "EINVAL")


# --- connecting ---

def test_nobody_there_is_refused(box):
    assert_error(connect(box, "tcp:7004"), "ECONNREFUSED", "tcp:7004")
    assert_error(connect(box, "tcp:127.0.0.1:7004"), "ECONNREFUSED")
    assert_error(connect(box, "tcp:10.99.99.99:7004"), "ENETUNREACH")


def test_what_is_here_isnt_there(box):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert_error(connect(box, f"tcp4:{port}"), "ECONNREFUSED")
        process = start("connect", "-", f"tcp4:{port}")
        server.settimeout(TIMEOUT)
        server.accept()[0].close()
        assert Done(process).out == "connected\n"


def test_a_host_that_never_answers_is_given_up_in_time(net):
    in_net_of(net, "ip link add spare type bridge; ip link set spare up;"
              "ip address add 10.0.0.1/24 dev spare; "
              "ip neigh add 10.0.0.9 lladdr 2:0:0:0:0:9 dev spare")
    done = connect(net, "tcp:10.0.0.9:80", "--timeout", "300")
    assert_error(done, "ETIMEDOUT", "tcp:10.0.0.9:80")
    assert 0.3 <= done.seconds < 3


def test_the_second_family_is_tried_when_the_first_refuses(box, listen):
    for family in "tcp4", "tcp6":
        server = listen(box, f"{family}:0")
        assert connect(box, f"tcp:{server.port}").status == 0


def test_a_limit_of_ages_is_none(box, listen):
    server = listen(box, "tcp:0")
    done = connect(box, f"tcp:{server.port}", "--timeout", str(2**63 - 1))
    assert (done.status, done.out) == (0, "connected\n"), done


def test_what_is_echoed_comes_to_its_end(box, listen):
    """Half-closed: what has been sent still comes back."""
    server = listen(box, "tcp:0")
    script = "s.sendall(b'hello'); s.shutdown(1); print(s.makefile().read())"
    with client_in(box, server.port, script) as client:
        assert client.communicate(timeout=TIMEOUT)[0] == b"hello\n"


def client_in(container, port, script):
    """A program of the container's net namespace that is connected as `s`."""
    connected = f"import socket; s = socket.create_connection(('127.0.0.1', {port})); {script}"
    return subprocess.Popen(["nsenter", f"--net=/proc/{container.pid}/ns/net", sys.executable,
                             "-c", connected], stdout=subprocess.PIPE)


# --- threads, and what is left ---

@pytest.mark.parametrize("whose", ["a container's", "a user's", "none"])
def test_no_thread_changes_its_namespace_and_nothing_is_left(box, sandbox, whose):
    target = {"a container's": lambda: box, "none": lambda: "-",
              "a user's": lambda: sandbox(user=USER, map_self=True)}[whose]()
    user = USER if whose == "a user's" else None
    done = run("threads", 8, 25, target, "tcp:0", user=user)
    assert (done.status, done.out) == (0, "running\nok\n"), done
    assert helpers() == []


def test_killed_at_any_moment_it_leaves_nothing(box):
    for number in range(KILLS):
        process = start("threads", 4, 1000000, box, "tcp:0")
        assert process.stdout.readline() == b"running\n"
        spin(process, number * 0.0007)
        kill(process)
    wait_for(lambda: not helpers(), what="those to end that make sockets")
    assert ss(box, "-tl") == []
