# SPDX-License-Identifier: MIT
"""-u: whom the target's own passwd and group name, and what a hostile passwd gets. Not here: ids
without -u (test_identity.py)."""

import os
import time

import pytest

from lib import proc
from lib.sandbox import Sandbox

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


@pytest.fixture(scope="module", params=["all", "all,-user"])
def box(request, sandbox_program, rootfs, session_folder):
    path = os.path.join(session_folder, "environment-of-users")
    with open(path, "wb") as f:
        f.write(b"PATH=/bin\0HOME=/elsewhere\0USER=x\0KEPT=1\0")
    made = Sandbox(sandbox_program, rootfs, namespaces=request.param, caps="docker",
                   groups="5,2000", env_file=path)
    yield made
    made.stop()


def who(conjoin, target, user, *options):
    """(uids, gids, groups) as the command sees them."""
    done = conjoin.exec(target, "/bin/cat", "/proc/self/status", options=["-u", user, *options])
    assert done.returncode == 0, done.stderr
    status = proc.parse_status(done.stdout)
    ids = [list(map(int, status[key].split())) for key in ("Uid", "Gid", "Groups")]
    return ids[0], ids[1], sorted(ids[2])


KNOWN = [
    ("app", 1000, 1000, [29, 1000, 2000]),
    ("root", 0, 0, [0]),
    ("nobody", 65534, 65534, [2000, 65534]),
    ("1000", 1000, 1000, [29, 1000, 2000]),
    ("4321", 4321, 0, [0]),
    ("4321:8765", 4321, 8765, []),
    ("app:audio", 1000, 29, []),
    ("app:0", 1000, 0, []),
    ("0:staff", 0, 2000, []),
    ("1000:1000", 1000, 1000, []),
]
UNKNOWN = [
    ("daemon", "daemon"), ("app:video", "video"), ("", '""'), (":app", '""'), ("app:", '""'),
    ("4294967295", "4294967295"), ("-1", "-1"), ("1000x", "1000x"), ("app:1:2", "1:2"),
    ("root:x", '"x"'), ("99999999999999999999", "99999999999999999999"),
]


def test_a_user_is_looked_up_where_the_target_keeps_it(conjoin, box):
    for user, uid, gid, groups in KNOWN:
        assert who(conjoin, box, user) == ([uid] * 4, [gid] * 4, groups), user


def test_a_name_that_the_target_does_not_know_is_refused(conjoin, box):
    """`daemon` and `video` are known to the host, which mustn't matter."""
    for user, part in UNKNOWN:
        done = conjoin.exec(box, "true", options=["-u", user])
        assert (done.returncode, done.stdout) == (125, ""), user
        assert part in done.stderr
        assert len(done.stderr.replace("\nhint:", " hint:").splitlines()) == 1


def environment(conjoin, box, *options):
    done = conjoin.exec(box, "/bin/cat", "/proc/self/environ", options=options)
    assert done.returncode == 0, done.stderr
    return dict(entry.split("=", 1) for entry in done.stdout.split("\0")[:-1])


def test_home_and_names_in_the_environment_are_the_users(conjoin, box):
    assert environment(conjoin, box, "-u", "app") == {
        "PATH": "/bin", "HOME": "/home/app", "USER": "app", "LOGNAME": "app", "KEPT": "1"}
    asked = environment(conjoin, box, "-u", "app", "-e", "HOME=/mine", "-e", "USER=me")
    assert (asked["HOME"], asked["USER"], asked["LOGNAME"]) == ("/mine", "me", "app")


def test_a_user_without_a_name_has_none_in_the_environment(conjoin, box):
    found = environment(conjoin, box, "-u", "4321")
    assert found == {"PATH": "/bin", "HOME": "/", "KEPT": "1"}


def test_another_user_has_no_capabilities_unless_asked(conjoin, box):
    done = conjoin.exec(box, "grep", "Cap[PEA]", "/proc/self/status", options=["-u", "app"])
    assert {line.split()[1] for line in done.stdout.splitlines()} == {"0" * 16}


def test_a_user_may_go_to_his_home_and_not_where_he_must_not(conjoin, box):
    done = conjoin.exec(box, "sh", "-c", "cd && pwd && touch mine && stat -c %u mine",
                        options=["-u", "app"])
    assert done.stdout == "/home/app\n1000\n", done.stderr
    done = conjoin.exec(box, "touch", "/etc/mine", options=["-u", "app"])
    assert done.returncode == 1


def test_root_can_be_had_in_a_container_of_a_user(conjoin, sandbox):
    box = sandbox(uid=1000, gid=1000, bounding="docker")
    uids, gids, groups = who(conjoin, box, "0")
    assert (uids, gids, groups) == ([0] * 4, [0] * 4, [0])


def test_an_id_that_the_target_does_not_map_is_named(conjoin, sandbox):
    box = sandbox(map="300000:1000", caps="docker")
    done = conjoin.exec(box, "true", options=["-u", "1000"])
    assert done.returncode == 125
    assert "1000" in done.stderr
    assert who(conjoin, box, "999:998") == ([999] * 4, [998] * 4, [])


# --- a hostile passwd ---


@pytest.fixture
def hostile(sandbox, conjoin):
    """hostile(script): a container in which `script` has been at work on /etc/passwd."""

    def make(script, **options):
        box = sandbox(caps="docker", **options)
        done = conjoin.exec(box, "sh", "-c", f"cd /etc && {script}")
        assert done.returncode == 0, done.stderr
        return box

    return make


def refused(conjoin, box, *words):
    began = time.monotonic()
    done = conjoin.exec(box, "true", options=["-u", "app"])
    assert done.returncode == 125
    assert time.monotonic() - began < 5
    for word in words:
        assert word in done.stderr
    return done.stderr


def test_a_link_to_a_path_of_the_host_stays_inside(conjoin, hostile, scratch):
    path = os.path.join(scratch, "passwd")
    with open(path, "w", encoding="ascii") as f:
        f.write("app:x:7:7::/:/bin/sh\n")
    box = hostile(f"ln -sf {path} passwd")
    assert "app" in refused(conjoin, box)
    box = hostile("ln -sf ../../../../../../etc/passwd passwd")
    refused(conjoin, box)
    box = hostile("mv passwd other; ln -s /etc/other passwd")
    assert who(conjoin, box, "app:app")[0] == [1000] * 4


def test_a_magic_link_is_not_followed(conjoin, hostile):
    box = hostile("rm passwd; ln -s /proc/self/fd/0 passwd")
    refused(conjoin, box)
    box = hostile("ln -sf /proc/1/root/etc/hosts passwd")
    refused(conjoin, box)


@pytest.mark.parametrize("make", ["mkfifo passwd", "mkdir passwd",
                                  "ln -s /dev/zero passwd", "ln -s passwd passwd"])
def test_what_is_no_file_is_not_read(conjoin, hostile, make):
    refused(conjoin, hostile(f"rm passwd; {make}"), "passwd")


def test_a_file_of_five_mebibytes_is_too_large(conjoin, hostile):
    script = "for i in 1 2 3 4 5; do head -c 1048576 /dev/zero; done | tr '\\0' x >> passwd"
    refused(conjoin, hostile(script), "passwd")


def test_a_missing_passwd_leaves_numbers(conjoin, hostile):
    box = hostile("rm passwd group")
    refused(conjoin, box, "app")
    assert who(conjoin, box, "1000:5")[:2] == ([1000] * 4, [5] * 4)


@pytest.mark.parametrize("content, expected", [
    ("app:x:1234:567:App:/home/app:/bin/sh", (1234, 567)),  # no newline at its end
    ("\\n\\n# c\\n:::\\nx\\napp:x:y:z\\napp:x:12:34::/:/bin/sh\\n", (12, 34)),
    ("%s%n%x:x:1:1::/:/bin/sh\\napp:x:2:3::/:\\n", (2, 3)),
    ("app:x:5:6::/:/bin/sh\\napp:x:0:0::/:/bin/sh\\n", (5, 6)),  # the first one counts
    ("a\\0pp:x:0:0::/:/bin/sh\\napp:x:8:9::/:/bin/sh\\n", (8, 9)),
])
def test_odd_lines_do_no_harm(conjoin, hostile, content, expected):
    box = hostile("printf '%b' '" + content.replace("\\0", "\\0000") + "' > passwd")
    uids, gids, _ = who(conjoin, box, "app")
    assert (uids[0], gids[0]) == expected


@pytest.mark.parametrize("namespaces", ["all", "all,-user"])
@pytest.mark.parametrize("line", [
    "app:x:4294967295:0::/:/bin/sh",  # (uid_t)-1: for setresuid that is "leave it as it is"
    "app:x:0:4294967295::/:/bin/sh",
    "app:x:4294967296:4294967296::/:/bin/sh",  # 0 in 32 bits
    "app:x:-1:-1::/:/bin/sh",
    "app:x:::/:/bin/sh",
    "app",
])
def test_an_entry_with_no_possible_ids_makes_nobody_root(conjoin, hostile, line, namespaces):
    box = hostile(f"echo '{line}' > passwd", namespaces=namespaces)
    done = conjoin.exec(box, "id", "-u", options=["-u", "app"])
    assert done.returncode == 125, done.stdout


@pytest.mark.parametrize("line", ["bad:x:4294967295:", "bad:x:4294967296:", "bad:x:-1:", "bad:x::"])
def test_a_group_with_no_possible_id_is_no_group(conjoin, hostile, line):
    box = hostile(f"echo '{line}' >> group", namespaces="all,-user")
    done = conjoin.exec(box, "id", options=["-u", "app:bad"])
    assert done.returncode == 125, done.stdout


def test_a_membership_of_no_possible_group_does_not_get_in(conjoin, hostile):
    box = hostile("echo 'bad:x:4294967295:app' >> group", namespaces="all,-user")
    done = conjoin.exec(box, "id", "-G", options=["-u", "app"])
    assert done.returncode == 125 or "4294967295" not in done.stdout.split()


def test_format_signs_and_escapes_in_names_are_data(conjoin, hostile):
    box = hostile("printf '%b' '%s%n:x:77:78::/%s%n:/bin/sh\\n' >> passwd")
    assert who(conjoin, box, "%s%n")[0] == [77] * 4
    assert environment(conjoin, box, "-u", "%s%n")["HOME"] == "/%s%n"
    done = conjoin.exec(box, "true", options=["-u", "\033[31mred\n"])
    assert done.returncode == 125
    assert "\033" not in done.stderr


def test_a_group_file_with_thousands_of_members_is_read(conjoin, hostile):
    box = hostile("{ printf 'big:x:4000:'; i=0; while [ $i -lt 20000 ]; do printf 'u%d,' $i; "
                  "i=$((i+1)); done; echo app; } >> group")
    assert 4000 in who(conjoin, box, "app")[2]
