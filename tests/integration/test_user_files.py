# SPDX-License-Identifier: MIT
"""What users leave where root looks for their engines' containers: it can't hold root up, and root's
rights don't read it. Not here: records that name what isn't theirs (test_user_records.py)."""

import os
import time

import pytest

from lib import proc
from lib.failure import assert_failed
from lib.host import KeptHost

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")

OURS = 125
USER = 54321
RUNTIME = f"/run/user/{USER}"
HOME = "/run/home"  # in the host's own /run
STORAGE = f"{HOME}/.local/share/containers/storage/overlay-containers"
MUTE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib/mute_fuse.py")
SECONDS = 1.5  # half of one for users' sockets, half of one for their files; and the machine's own

# A user with a home and a runtime directory.
LOGGED_IN = f"""
mount -t tmpfs run /run
mkdir -p {RUNTIME} {STORAGE}
mount -t tmpfs -o mode=700,uid={USER} user {RUNTIME}
cp /etc/passwd /run/passwd
echo 'tester:x:{USER}:{USER}::{HOME}:/bin/sh' >>/run/passwd
mount --bind /run/passwd /etc/passwd
"""


@pytest.fixture
def host(conjoin):
    """host(SCRIPT): that, and what the user does."""
    made = []

    def make(script):
        made.append(KeptHost(conjoin, f"{LOGGED_IN}{script}\nchown -R {USER} {RUNTIME}", "private"))
        return made[-1]

    yield make
    for each in made:
        each.__exit__()


def timed(host, *args):
    begin = time.monotonic()
    done = host.run(*args)
    return done, time.monotonic() - begin


def assert_quick(host, *targets):
    for target in targets:
        done, took = timed(host, "exec", target, "true")
        assert_failed(done, OURS)
        assert took < SECONDS, (target, done.stderr)
    done, took = timed(host, "ps")
    assert done.returncode == 0 and took < SECONDS, done.stderr


def test_thousands_of_big_records_cost_half_a_second(host):
    """Hard links of one: they cost the user next to nothing."""
    big = host(f"""/usr/bin/python3 -c '
import json, os
os.makedirs("{RUNTIME}/crun")
with open("{RUNTIME}/one", "w") as f:
    f.write(json.dumps(dict(pid=1, junk=["x" * 50] * 1000)))
for i in range(8000):
    os.mkdir("{RUNTIME}/crun/web%d" % i)
    os.link("{RUNTIME}/one", "{RUNTIME}/crun/web%d/status" % i)
'""")
    assert_quick(big, "nobody-has-this", "oci:nobody-has-this", "oci:web")


def test_a_link_to_roots_file_is_read_with_the_users_rights(host):
    secret = "conjoin-test-secret"
    linked = host(f"""
echo '[{{"id": "{secret}"' >/run/secret
chmod 600 /run/secret
ln -s /run/secret {STORAGE}/containers.json
mkdir -p {RUNTIME}/containers/overlay-containers""")
    done = linked.run("exec", "-v", "podman:web", "true")
    assert done.returncode == OURS and done.stdout == ""
    assert f"read {STORAGE}/containers.json: Permission denied" in done.stderr
    assert secret not in done.stderr


def never_answers(place, *more):
    return f"""
mkdir -p {RUNTIME}/containers/overlay-containers
for i in 1 2 3 4 5 6 7 8; do
    mkdir -p {RUNTIME}/docker/runtime-runc/moby/$(printf %064d $i)
done
/usr/bin/python3 {MUTE} {place} /run/ready {" ".join(map(str, more))} &
until [ -e /run/ready ]; do sleep 0.01; done"""


@pytest.mark.skipif(not os.path.exists("/dev/fuse"), reason="there is no /dev/fuse")
def test_a_home_that_never_answers_costs_half_a_second(host):
    assert_quick(host(never_answers(HOME)), "nobody-has-this", "docker:web", "podman:web")


def of_the_user():
    """Processes with the user's ids."""
    found = []
    for pid in proc.pids():
        try:
            if proc.status(pid)["Uid"].split()[0] == str(USER):
                found.append((pid, proc.read(pid, "comm")))
        except (FileNotFoundError, ProcessLookupError):
            pass
    return found


@pytest.mark.skipif(not os.path.exists("/dev/fuse"), reason="there is no /dev/fuse")
@pytest.mark.parametrize("place", (HOME, f"{HOME}/.local/share", STORAGE))
def test_nobody_waits_in_what_a_user_has_mounted(host, place):
    """As long as the user's server keeps the request nothing would end who waits, root neither."""
    mute = host(never_answers(place, USER))
    assert_quick(mute, "nobody-has-this", "docker:web", "podman:web")
    assert of_the_user() == []
