# SPDX-License-Identifier: MIT
"""lxc:NAME and machine:NAME where others call something so: users that listen in a monitor's place,
containers whose root is the host's uid 0, longer names. The monitors are our own
(lib/lxc_monitor.py). Not here: what users' other engines tell (test_user_names.py)."""

import json
import os

import pytest

from lib.failure import assert_failed
from lib.fixtures import numbers
from lib.world import USER, World

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")

FAILED = 125
NAME = "conjoin-test-web"
SHORT = "--engine-timeout=200ms"  # for what doesn't answer
OWN_MOUNTS = ("unshare", "--mount")
INSIDE = ("unshare", "--mount", "--pid", "--fork")
# Root as docker and podman make it by default, if not less: uid 0 of the host, without its rights.
POOR = ("setpriv", "--bounding-set=-all,+setfcap", "--inh-caps=-all")
SOCKETS = 900  # of one process, which may have 1024 files


@pytest.fixture
def world(conjoin):
    with World(conjoin) as made:
        yield made


@pytest.fixture
def staging():
    """A name that begins as an id does."""
    return f"db{os.getpid():08x}{next(numbers) % 256:02x}-staging"


def monitor(world, lxcpath, name=NAME, within=(), sockets=1, **options):
    """Its container's number. `lxcpath` has a {} where there are many sockets."""
    addresses = [f"{lxcpath.format(i)}/{name}/command" for i in range(sockets)]
    return int(world.script("lxc_monitor.py", json.dumps({"addresses": addresses, **options}),
                            title=f"[lxc monitor] {lxcpath} {name}", within=within))


def users_monitor(world, lxcpath, name=NAME, **options):
    pid = monitor(world, lxcpath, name, uid=USER, own_user=True, **options)
    return world.put(f"{world.manager}/lxc.payload.{name}", pid)


# --- users that listen ---


@pytest.mark.parametrize("scheme", ("", "lxc:"))
def test_one_of_roots_that_is_stopped_is_not_the_users(world, scheme):
    word = scheme + NAME
    pid = users_monitor(world, "/home/x")
    world.assert_enters(word, pid)  # it's what is meant while there's no other
    world.write(f"/var/lib/lxc/{NAME}/config")
    assert_failed(world.run("exec", word, "true"), FAILED, f"{NAME} is stopped")


@pytest.mark.parametrize("scheme", ("", "lxc:"))
def test_one_of_roots_whose_socket_is_not_seen_is_not_the_users(world, scheme, staging):
    """Its monitor listens in another network namespace: here there is only its cgroup."""
    users = users_monitor(world, "/home/x", staging)
    world.assert_enters(scheme + staging, users)
    pid = world.put(f"lxc.payload.{staging}", world.sleep(within=INSIDE))
    world.assert_enters(scheme + staging, pid)


@pytest.mark.parametrize("lxcpath, sockets", (("/var/lib/lxc/{}", 400), ("/home/{}", 600)))
def test_many_sockets_of_a_users_do_not_hide_roots(world, lxcpath, sockets):
    """Which ones the kernel tells first hangs on their names: here root's isn't among them."""
    pid = monitor(world, "/srv/containers")
    users_monitor(world, lxcpath, sockets=sockets)
    world.assert_enters(f"lxc:{NAME}", pid)


@pytest.mark.parametrize("limit", ((), ("prlimit", "--nofile=256")), ids=("", "few files"))
def test_thousands_of_mute_sockets_of_a_users_do_not_hide_roots(world, limit):
    pid = monitor(world, "/var/lib/lxc")
    for i in range(3):
        monitor(world, f"/var/lib/lxc/{i}-{{}}", uid=USER, pid=1, mute=True, sockets=SOCKETS)
    world.assert_enters(f"lxc:{NAME}", pid, SHORT, before=limit)


# --- containers whose root is the host's uid 0 ---


HOSTILE = pytest.mark.parametrize("within", ((*INSIDE, *POOR), POOR),
                                  ids=("own PIDs", "the host's PIDs"))


@HOSTILE
def test_a_process_of_a_container_is_no_mute_monitor(world, within):
    """It's called as that of root's, and has been there before."""
    monitor(world, "/srv/lxc", within=within, own_user=True, sockets=0)
    pid = monitor(world, "/srv/lxc", mute=True)
    world.assert_enters(f"lxc:{NAME}", pid, SHORT)


@HOSTILE
def test_a_process_of_a_container_that_listens_is_no_monitor(world, within):
    """With the host's network."""
    monitor(world, "/x", within=within, own_user=True)
    assert_failed(world.run("exec", f"lxc:{NAME}", "true"), FAILED, NAME)
    pid = monitor(world, "/srv/lxc")
    world.assert_enters(f"lxc:{NAME}", pid)


# --- longer names ---


FROM = pytest.mark.parametrize("before", ((), OWN_MOUNTS), ids=("the host", "other mounts"))


def assert_knows_none(world, word, before):
    done = world.run("exec", word, "true", before=before)
    assert_failed(done, FAILED, word.rpartition(":")[2])
    assert "several" not in done.stderr, done


@FROM
def test_the_beginning_of_a_containers_name_is_another_one(world, staging, before):
    pid = world.put(f"lxc.payload.{staging}", world.sleep(within=INSIDE))
    for length in 3, 4, 12:
        assert_knows_none(world, f"lxc:{staging[:length]}", before)
    assert_knows_none(world, staging[:12], before)
    world.assert_enters(f"lxc:{staging}", pid, before=before)


@FROM
def test_the_beginning_of_a_machines_name_is_another_one(world, staging, before):
    """As systemd-nspawn makes its cgroups."""
    unit = "machine-" + staging.replace("-", "\\x2d") + ".scope"
    world.put(f"{world.slice}/{unit}/supervisor", world.sleep())
    world.put(f"{world.slice}/{unit}/payload", world.sleep(within=INSIDE))
    for length in 3, 4, 12:
        assert_knows_none(world, f"machine:{staging[:length]}", before)
    assert_knows_none(world, staging[:12], before)
