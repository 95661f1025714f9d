# SPDX-License-Identifier: MIT
"""Users whose own containers are called as root's are: what root asks for by name is root's, or
it's an error. Not here: names of processes that aren't the user's (test_user_records.py), LXC
(test_lxc_names.py)."""

import os
import shutil

import pytest

from lib.attack import program
from lib.failure import assert_failed
from lib.program import clean_env
from lib.world import HOME, RUNTIME, USER, World

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")

FAILED = 125
TRAP = "ls"
ID = "cafe" + "1" * 60  # of root's container
OTHER = "beef" + "2" * 60  # what the user's has for an id of its own
OWN_USER = ("unshare", "--user", "--map-root-user")
OWN_MOUNTS = ("unshare", "--mount")  # as each container has
HUNG = "/run/hung.sock"


@pytest.fixture
def world(conjoin):
    with World(conjoin) as made:
        yield made


# --- one process that is the user's and root's by turns ---


TRIES = 200
# On one processor, where it comes first whenever it wakes: a change cuts in two what conjoin does.
TOGETHER = ("taskset", "--cpu-list", str(min(os.sched_getaffinity(0))))


def test_what_is_entered_is_what_was_judged(world):
    place = "/run/turncoat"
    users, roots = f"{place}/users", f"{place}/roots"
    world.write(f"{place}/{TRAP}", "#!/bin/sh\n/usr/bin/id -u\n")
    os.chmod(world.path_of(f"{place}/{TRAP}"), 0o755)
    for path, mode in (users, 0o755), (roots, 0o4755):
        shutil.copyfile(program("turncoat"), world.path_of(path))
        os.chmod(world.path_of(path), mode)
    pid = world.start(*TOGETHER, "env", f"PATH={place}", users, users, roots, user=USER)
    unit = f"conjoin-test-{os.getpid()}.service"
    world.put(f"{world.manager}/{unit}", pid)
    ran = refused = 0
    for _ in range(TRIES):
        done = world.run("exec", f"unit:{unit}", TRAP, before=(*TOGETHER, "nice", "-n", "5"))
        if done.returncode == FAILED:
            assert done.stdout == "", done
            refused += "isn't that user's" in done.stderr
        else:
            assert (done.returncode, done.stdout) == (0, f"{USER}\n"), done
            ran += 1
    assert ran and refused, (ran, refused)  # else nothing was tried


# --- root's containers, of which only cgroups tell ---


def roots_container(world):
    """As of a daemon that was killed: its cgroup is all there is."""
    return world.put(f"{world.slice}/docker-{ID}.scope", world.sleep(within=OWN_MOUNTS))


def users_container(world, box_id=OTHER):
    pid = world.sleep(user=USER, within=OWN_USER)
    return world.put(f"{world.manager}/docker-{box_id}.scope", pid)


def users_docker(world, box_id, name, pid, sock="docker.sock"):
    assert world.script("user_docker.py", USER, f"{RUNTIME}/{sock}", box_id, name, pid)


WORDS = (ID, ID[:12], f"docker:{ID}", f"docker:{ID[:12]}", f"docker:{ID[:4]}")


@pytest.mark.parametrize("name", (ID, ID[:12], "web"), ids=("64 digits", "12 digits", "web"))
def test_what_a_user_calls_by_roots_id_is_not_roots(world, name):
    """By a daemon of the user's; "web" has that id, the others are called so."""
    box_id = ID if name == "web" else OTHER
    users_docker(world, box_id, name, users_container(world, box_id))
    pid = roots_container(world)
    for word in WORDS:
        world.assert_enters(word, pid, kind="mnt")


def test_a_cgroup_of_a_users_called_by_roots_id_is_not_roots(world):
    users = users_container(world, ID)
    world.assert_enters(ID, users, kind="user")  # it's what is meant while there's no other
    pid = roots_container(world)
    for word in WORDS:
        world.assert_enters(word, pid, kind="mnt")


@pytest.mark.parametrize("target", ("web", "docker:web"))
def test_a_name_that_roots_containers_may_have_is_not_the_users(world, target):
    users = users_container(world)
    users_docker(world, OTHER, "web", users)
    world.assert_enters(target, users, kind="user")
    roots_container(world)
    assert_failed(world.run("exec", target, "true"), FAILED, f"user {USER}",
                  "nobody tells the names of docker's containers of the system")


@pytest.mark.parametrize("sock", ("docker.sock", "podman/podman.sock"))
def test_what_roots_engine_cannot_tell_is_not_the_users(world, sock):
    """It hangs: whether it has one of that name isn't known."""
    users = users_container(world)
    users_docker(world, OTHER, "web", users, sock)
    world.assert_enters("web", users, kind="user")
    assert world.script("user_docker.py", 0, "/run/docker.sock")
    done = world.run("exec", "--engine-timeout=200ms", "web", "true")
    assert_failed(done, FAILED, f"user {USER}", "docker can't tell", "/run/docker.sock")


def test_what_the_socket_that_was_asked_cannot_tell_is_not_the_users(world):
    """The same where root has said which one."""
    users = users_container(world)
    users_docker(world, OTHER, "web", users, "podman/podman.sock")
    world.assert_enters("web", users, kind="user")
    assert world.script("user_docker.py", 0, HUNG)
    done = world.run("exec", "--engine-timeout=200ms", f"--engine-socket=docker={HUNG}", "web",
                     "true")
    assert_failed(done, FAILED, f"user {USER}", "docker can't tell", HUNG)


# --- cgroups of what is no container ---


def test_from_other_mounts_a_process_of_the_host_is_no_container(world):
    """In the eyes of a helper container all that is the host's has mounts of its own."""
    world.put(f"{world.slice}/docker-{ID}.scope", world.sleep())
    for before in (), OWN_MOUNTS:
        done = world.run("exec", f"docker:{ID}", "true", before=before)
        assert_failed(done, FAILED, ID)
    pid = world.put(f"{world.slice}/docker-{OTHER}.scope", world.sleep(within=OWN_MOUNTS))
    for before in (), OWN_MOUNTS:
        world.assert_enters(f"docker:{OTHER}", pid, kind="mnt", before=before)


# --- what users can't change of what is said ---


def test_a_link_at_a_users_socket_changes_nothing(world):
    """A docker of the user's could run; whether it answers is no matter."""
    for folder in ("/var/lib/docker/containers", f"{RUNTIME}/docker/runtime-runc/moby",
                   f"{HOME}/.local/share/docker/containers"):
        os.makedirs(world.path_of(folder))
    said = world.run("exec", "docker:nobody", "true")
    assert_failed(said, FAILED, "docker knows nothing called")
    os.symlink("docker.sock", world.path_of(f"{RUNTIME}/docker.sock"))
    assert world.run("exec", "docker:nobody", "true").stderr == said.stderr


def test_anothers_runtime_directory_changes_nothing(world):
    """As sudo -E and su leave it in the environment."""
    said = world.run("exec", "nobody-has-this", "true")
    assert_failed(said, FAILED, "which is no PID")
    env = {**clean_env(), "XDG_RUNTIME_DIR": RUNTIME}
    assert world.run("exec", "nobody-has-this", "true", env=env).stderr == said.stderr


@pytest.mark.parametrize("place", ("/run/systemd/system", "/run/systemd/transient"))
@pytest.mark.parametrize("of_template", (False, True))
def test_a_unit_of_the_systems_that_is_stopped_is_not_the_users(world, place, of_template):
    """While it doesn't run it has no cgroup."""
    name = f"conjoin-test-{os.getpid()}"
    unit = f"{name}@1.service" if of_template else f"{name}.service"
    world.put(f"{world.manager}/{unit}", world.sleep(user=USER))
    done = world.run("exec", f"unit:{unit}", "id", "-u")
    assert (done.returncode, done.stdout) == (0, f"{USER}\n"), done
    world.write(f"{place}/{unit.replace('@1', '@')}")
    assert_failed(world.run("exec", f"unit:{unit}", "true"), FAILED, f"{unit} is stopped")
