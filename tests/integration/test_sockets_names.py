# SPDX-License-Identifier: MIT
"""What a name of a host means when it's connected to from a container: by whose files, and by whose
name servers. The server is lib/name_server.py. Not here: hosts(5) itself (tests/unit/test-hosts.c)."""

import os
import shutil
import subprocess

import pytest

from lib.name_server import NameServer
from lib.sandbox import Sandbox
from lib.sockets import (assert_error, connect, helpers, in_net_of, inside, listen,  # noqa: F401
                         mute, need_fuse, unshared)

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")

LOCAL = {"A": ["127.0.0.1"], "AAAA": ["::1"]}
ZONE = {
    "four.example": {"A": ["127.0.0.1"]}, "six.example": {"AAAA": ["::1"]}, "both.example": LOCAL,
    "many.example": {"A": ["127.0.0.9", "127.0.0.8", "127.0.0.1"]},
    "none.example": {}, "fails.example": {"how": "servfail"}, "refuses.example": {"how": "refused"},
    "silent.example": {"how": "silent"}, "garbage.example": {"how": "garbage"},
    "stranger.example": {**LOCAL, "how": "stranger"}, "cut.example": {**LOCAL, "how": "cut"},
    "alias.example": {"how": "alias", "to": "both.example"},
    "half.example": {"A": ["127.0.0.1"]}, "a.b.two.example": LOCAL, "short.two.example": LOCAL,
}
QUICK = ["--timeout", "400"]


class Place:
    """A process whose hosts and resolv.conf are the test's own: they are files of `folder`."""

    def __init__(self, target, folder):
        self.pid, self.folder = target.pid, folder
        self.hosts("127.0.0.1 localhost\n")
        self.resolv("nameserver 127.0.0.1\n")

    def _path(self, name):
        path = os.path.join(self.folder, name)
        if os.path.isdir(path) and not os.path.islink(path):
            os.rmdir(path)
        elif os.path.lexists(path):
            os.unlink(path)
        return path

    def write(self, name, content):
        with open(self._path(name), "wb") as f:
            f.write(content if isinstance(content, bytes) else content.encode())

    def hosts(self, content):
        self.write("hosts", content)

    def resolv(self, content):
        self.write("resolv.conf", content)

    def instead(self, make):
        """resolv.conf, which isn't a file."""
        make(self._path("resolv.conf"))


@pytest.fixture(scope="module")
def folder(session_folder):
    made = os.path.join(session_folder, "names")
    os.mkdir(made)
    yield made
    shutil.rmtree(made)


@pytest.fixture(scope="module")
def box(sandbox_program, rootfs):
    made = Sandbox(sandbox_program, rootfs, namespaces="all,-user")
    in_net_of(made, "ip link set lo up")
    yield made
    made.stop()


@pytest.fixture
def there(box):
    return Place(box, inside(box, "/etc"))


@pytest.fixture(scope="module")
def server(box, folder):
    made = NameServer(box, folder, ZONE)
    yield made
    made.end()


@pytest.fixture
def port(box, listen):
    """Somebody listens there, on both addresses of the loopback and no other."""
    return listen(box, "tcp:0").port


@pytest.fixture
def here(unshared, scratch):
    """The caller's own place: with a net namespace, hosts and resolv.conf that aren't the machine's."""
    made = unshared("-n", "-m")
    in_net_of(made, "ip link set lo up")
    place = Place(made, scratch)
    for name in "hosts", "resolv.conf":
        subprocess.run(["nsenter", f"--mount=/proc/{made.pid}/ns/mnt", "mount", "--bind",
                        f"{scratch}/{name}", f"/etc/{name}"], check=True)
    return place


def assert_connected(done):
    assert (done.status, done.out) == (0, "connected\n"), done


# --- whose files ---

def test_the_hosts_of_the_target_count(box, there, here, port):
    there.hosts("127.0.0.1 web.example\n")
    assert_connected(connect(box, f"tcp:web.example:{port}", within=here.pid))
    assert_error(connect(box, f"tcp:web.example:{port}", "--here", within=here.pid), "EHOSTUNREACH")


def test_or_those_of_here(box, there, here, port):
    with open(os.path.join(here.folder, "hosts"), "w", encoding="ascii") as f:
        f.write("127.0.0.1 web.example\n")
    there.hosts("127.0.0.99 web.example\n")
    assert_connected(connect(box, f"tcp:web.example:{port}", "--here", within=here.pid))
    assert_error(connect(box, f"tcp:web.example:{port}", within=here.pid), "ECONNREFUSED")


def test_the_name_servers_of_the_target_are_asked_from_there(
        box, there, here, server, scratch, port):
    own = NameServer(here, scratch, {"four.example": {"A": ["127.0.0.99"]}})
    try:
        before = len(server.asked())
        assert_connected(connect(box, f"tcp4:four.example:{port}", within=here.pid))
        assert own.asked() == [] and server.asked()[before:] == ["udp A four.example"]
        done = connect(box, f"tcp4:four.example:{port}", "--here", within=here.pid)
        assert_error(done, "ECONNREFUSED")
        assert own.asked() == ["udp A four.example"] and len(server.asked()) == before + 1
    finally:
        own.end()


def test_without_a_target_it_is_here(here, listen, scratch):
    own = NameServer(here, scratch, {"four.example": {"A": ["127.0.0.1"]}})
    try:
        server = listen(here, "tcp:0")
        assert_connected(connect("-", f"tcp:four.example:{server.port}", within=here.pid))
    finally:
        own.end()


# --- what name servers say ---

@pytest.mark.parametrize("address", [
    "tcp:four.example", "tcp:six.example", "tcp:both.example", "tcp4:both.example",
    "tcp6:both.example", "tcp:alias.example", "tcp:BOTH.Example", "tcp:both.example.", "tcp:many.example",
])
def test_addresses_are_tried_until_one_is_taken(box, there, server, port, address):
    assert_connected(connect(box, f"{address}:{port}"))


@pytest.mark.parametrize("address, error", [
    ("tcp:none.example", "ENOENT"), ("tcp:nosuch.example", "ENOENT"),
    ("tcp6:four.example", "ENOENT"), ("tcp4:six.example", "ENOENT"), ("tcp:fails.example", "EHOSTUNREACH"),
    ("tcp:refuses.example", "EHOSTUNREACH"),
])
def test_what_has_no_address_is_told(box, there, server, address, error):
    done = connect(box, f"{address}:80", "--timeout", "10000")
    assert_error(done, error, address.partition(":")[2])
    assert done.seconds < 1


def test_a_server_with_an_interface_keeps_nobody_from_asking_the_others(box, there, server, port):
    there.resolv("nameserver fe80::1%eth0\nnameserver 127.0.0.1\n")
    assert_connected(connect(box, f"tcp:four.example:{port}"))


@pytest.mark.parametrize("name", ["silent", "garbage", "stranger"])
def test_who_says_nothing_of_use_is_given_up_in_time(box, there, server, name):
    done = connect(box, f"tcp:{name}.example:80", *QUICK)
    assert done.error in ("ETIMEDOUT", "EHOSTUNREACH", "ENOENT"), done
    assert done.seconds < 1.5 and (name == "garbage" or done.error == "ETIMEDOUT"), done


def test_only_one_family_fails(box, there, server, port):
    """That the other is there suffices."""
    assert_connected(connect(box, f"tcp:half.example:{port}"))


def test_what_was_cut_is_asked_for_by_tcp(box, there, server, port):
    before = len(server.asked())
    assert_connected(connect(box, f"tcp4:cut.example:{port}"))
    assert server.asked()[before:] == ["udp A cut.example", "tcp A cut.example"]


def test_nobody_answers_where_nobody_listens(unshared):
    made = unshared("-n", "-m")
    in_net_of(made, "ip link set lo up")
    done = connect(made, "tcp:web.example:80", "--timeout", "10000")
    assert done.error in ("EHOSTUNREACH", "ETIMEDOUT"), done


def test_the_next_name_server_is_asked_where_one_isnt_there(box, there, server, port):
    there.resolv("nameserver 127.0.0.98\nnameserver 127.0.0.1\noptions timeout:1\n")
    assert_connected(connect(box, f"tcp4:four.example:{port}"))


def test_names_are_looked_for_in_the_search_list(box, there, server, port):
    there.resolv("nameserver 127.0.0.1\nsearch one.example two.example\n")
    before = len(server.asked())
    assert_connected(connect(box, f"tcp4:short:{port}"))
    assert server.asked()[before:] == ["udp A short.one.example", "udp A short.two.example"]


@pytest.mark.parametrize("ndots, first", [(1, "a.b"), (2, "a.b.two.example")])
def test_how_many_dots_make_a_whole_name(box, there, server, port, ndots, first):
    there.resolv(f"nameserver 127.0.0.1\nsearch two.example\noptions ndots:{ndots}\n")
    before = len(server.asked())
    assert_connected(connect(box, f"tcp4:a.b:{port}"))
    assert server.asked()[before] == f"udp A {first}"


def test_our_environment_isnt_the_targets(box, there, server):
    """LOCALDOMAIN is a search list, of who has set it."""
    there.resolv("nameserver 127.0.0.1\nsearch two.example\n")
    before = len(server.asked())
    connect(box, "tcp4:nosuch:80", env={"LOCALDOMAIN": "ours.example", "RES_OPTIONS": "ndots:9"})
    assert "udp A nosuch.ours.example" not in server.asked()[before:]


def test_the_domain_of_our_host_isnt_the_targets(box, there, server, unshared):
    """Its name servers don't learn it, either."""
    made = unshared("-u")
    subprocess.run(["nsenter", f"--uts=/proc/{made.pid}/ns/uts", "hostname", "host.ours.example"],
                   check=True)
    before = len(server.asked())
    assert_error(connect(box, "tcp4:nosuch:80", within=made.pid), "ENOENT")
    assert server.asked()[before:] == ["udp A nosuch"]


# --- addresses ---

def test_one_that_refuses_is_passed_over(box, there, port):
    there.hosts("127.0.0.2 web\n10.99.99.99 web\n::9 web\n127.0.0.1 web\n")
    assert_connected(connect(box, f"tcp:web:{port}"))
    there.hosts("127.0.0.2 web\n10.99.99.99 web\n")
    assert_error(connect(box, f"tcp:web:{port}"), "ECONNREFUSED", "web")


def test_one_that_never_answers_takes_its_share_of_the_time(unshared, listen, scratch):
    made = unshared("-n", "-m")
    in_net_of(made, "ip link set lo up; ip link add spare type bridge; ip link set spare up;"
              "ip address add 10.0.0.1/24 dev spare; "
              "ip neigh add 10.0.0.9 lladdr 2:0:0:0:0:9 dev spare")
    with open(f"{scratch}/hosts", "w", encoding="ascii") as f:
        f.write("10.0.0.9 web\n127.0.0.1 web\n")
    subprocess.run(["nsenter", f"--mount=/proc/{made.pid}/ns/mnt", "mount", "--bind",
                    f"{scratch}/hosts", "/etc/hosts"], check=True)
    done = connect(made, f"tcp:web:{listen(made, 'tcp:0').port}", "--timeout", "1000")
    assert_connected(done)
    assert done.seconds >= 0.5


def test_no_more_than_sixteen_are_tried(box, there, port):
    others = "".join(f"127.0.1.{number} web\n" for number in range(1, 16))
    there.hosts(others + "127.0.0.1 web\n")
    assert_connected(connect(box, f"tcp:web:{port}"))
    there.hosts(others + "127.0.1.16 web\n127.0.0.1 web\n")
    assert_error(connect(box, f"tcp:web:{port}"), "ECONNREFUSED")


@pytest.mark.parametrize("hosts", ["", "10.99.99.99 web\n"])
@pytest.mark.parametrize("name", ["localhost", "LocalHost", "web.localhost"])
def test_localhost_is_the_loopback_and_nobody_is_asked(box, there, server, port, hosts, name):
    there.hosts(hosts)
    before = server.asked()
    for family in "tcp", "tcp4", "tcp6":
        assert_connected(connect(box, f"{family}:{name}:{port}"))
    assert server.asked() == before


# --- files that are none ---

BAD = {
    "too long": (lambda place: place.resolv("#" * 65537), "EFBIG"),
    "much too long": (lambda place: place.resolv(b"nameserver 127.0.0.1\n" * 50000), "EFBIG"),
    "a fifo": (lambda place: place.instead(os.mkfifo), "EINVAL"),
    "a directory": (lambda place: place.instead(os.mkdir), "EINVAL"),
    "a magic link": (lambda place: place.instead(
        lambda path: os.symlink("/proc/1/root/etc/resolv.conf", path)), "ELOOP"),
    "a loop": (lambda place: place.instead(lambda path: os.symlink("resolv.conf", path)), "ELOOP"),
}


@pytest.mark.parametrize("make, error", BAD.values(), ids=BAD)
def test_a_file_that_isnt_one_is_told_at_once(box, there, server, make, error):
    make(there)
    before = server.asked()
    done = connect(box, "tcp:four.example:80")
    assert_error(done, error, "/etc/resolv.conf")
    assert done.seconds < 1 and server.asked() == before


def test_who_is_in_hosts_needs_no_other_file(box, there, port):
    there.hosts("127.0.0.1 web\n")
    for make, _ in BAD.values():
        make(there)
        for name in "web", "localhost":
            assert_connected(connect(box, f"tcp:{name}:{port}"))


def test_a_link_to_a_file_of_ours_leads_to_none(box, there, server, scratch, port):
    """Without the file it's the loopback that is asked. resolv.conf(5)"""
    with open(f"{scratch}/resolv.conf", "w", encoding="ascii") as f:
        f.write("nameserver 127.0.0.97\n")
    there.instead(lambda path: os.symlink(f"{scratch}/resolv.conf", path))
    assert_connected(connect(box, f"tcp:four.example:{port}"))


@pytest.mark.parametrize("content", [
    b"nameserver 127.0.0.1\n" + b"#" * 4000, b"nameserver 127.0.0.1\n\0\0\0\xff\xfe\n" * 50,
    b"x" * 2000 + b"\nnameserver 127.0.0.1\n",
    b"nameserver 127.0.0.1\r\noptions \0 ndots:-1 timeout:x\n",
    b"nameserver 1.2.3.4.5\nnameserver ::::\nnameserver %s%n\nnameserver 127.0.0.1",
], ids=["4021 bytes", "NULs", "a long line", "odd options", "odd servers"])
def test_odd_files_are_read_as_far_as_they_make_sense(box, there, server, port, content):
    there.resolv(content)
    assert_connected(connect(box, f"tcp4:four.example:{port}"))


def test_a_crowd_of_name_servers_doesnt_take_longer(box, there):
    """None of them can be reached, and each has a process made for its socket."""
    there.resolv("nameserver 10.9.8.7\n" * 200 + "search a b c\n")
    done = connect(box, "tcp:web:80", "--timeout", "1500")
    assert (done.status, done.error in ("EHOSTUNREACH", "ETIMEDOUT")) == (1, True), done
    assert done.seconds < 3
    assert helpers() == []


@need_fuse
def test_a_file_system_that_never_answers_is_given_up(unshared, mute):
    made = unshared("-m")
    mute(made, "/etc")
    done = connect(made, "tcp:web.example:80", *QUICK)
    assert_error(done, "ETIMEDOUT", "/etc/hosts")
    assert 0.4 <= done.seconds < 1.5
    done = connect(made, "tcp:web.example:80")
    assert_error(done, "ETIMEDOUT")
    assert done.seconds < 3
