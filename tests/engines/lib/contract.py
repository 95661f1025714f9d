# SPDX-License-Identifier: MIT
"""What holds for the containers of every engine that has names, ids and images: tests that docker,
podman and rootless podman inherit. A class has the fixture `engine` (lib.docker.Engine) and says what
its engine can't do. Not here: daemons that don't answer (test_docker_host_daemon.py)."""

import json
import os
import re
import signal

import pytest

from lib import proc
from lib.docker import Asked, inside
from lib.failure import assert_failed
from lib.held import Held, differences, portrait
from lib.image import NAME as IMAGE
from lib.poll import wait_for

OURS = 125
KILLED = 128 + signal.SIGKILL
LABELS = {"of-the-image": "yes", "tier": "front", "odd.name/with": "a=b, c \"d\""}


def rows(asked, *options):
    """What `conjoin ps --json` lists."""
    done = asked.run("ps", "--json", *options)
    assert done.returncode == 0, done.stderr
    return [row for row in json.loads(done.stdout) if row["type"] == "target"]


def everything(value):
    """All texts and numbers of a JSON value, keys left out."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        return [one for part in value for one in everything(part)]
    return [value]


def find(value, key):
    """The first value of that key, however deep; None: there is none."""
    if isinstance(value, dict) and key in value:
        return value[key]
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return next((found for found in (find(one, key) for one in parts) if found is not None), None)


def says_hostname(done, box):
    assert (done.returncode, done.stderr) == (0, ""), done
    assert done.stdout == hostname_of(box.name) + "\n"


def hostname_of(name):
    """What the tests' containers have: a host name has an end."""
    return f"host-of-{name}"[:63]


class Names:
    """Which container a word means."""

    @pytest.mark.parametrize("how", ["name", "id", "short id", "prefix", "bare name", "bare id"])
    def test_it_is_found_by(self, asked, engine, web, how):
        word = {"name": f"{engine.scheme}:{web.name}", "id": f"{engine.scheme}:{web.id}",
                "short id": f"{engine.scheme}:{web.id[:12]}",
                "prefix": f"{engine.scheme}:{unique_prefix(engine, web.id)}",
                "bare name": web.name, "bare id": web.id}[how]
        says_hostname(asked.exec(word, "hostname"), web)

    @pytest.mark.parametrize("suffix", ["123456", "a.b-c_d", "x" * 60])
    def test_odd_names(self, asked, engine, make, suffix):
        name = suffix if suffix.isdigit() else f"c-{os.getpid()}-{suffix}"
        box = make(name)
        says_hostname(asked.exec(box, "hostname"), box)

    def test_a_bare_name_of_digits_is_a_pid(self, asked, engine, make):
        name = "4194303"  # one more than a kernel gives, as a rule
        make(name)
        done = asked.exec(name, "hostname")
        assert done.stdout == "" and assert_failed(done, OURS, name)

    def test_a_prefix_of_several_ids_names_none_and_lists_them(self, asked, engine):
        """Of as many ids two begin with the same digit, and no container that runs, which would be the one that's meant."""
        made, running = [], {row["id"][0] for row in rows(asked, "--engine", engine.scheme)}
        try:
            for number in range(100):
                made.append(engine.create(f"twin-{os.getpid()}-{number}", "true"))
                same = [one for one in made if one.id[0] == made[-1].id[0]]
                if len(same) == 2 and same[0].id[0] not in running:
                    break
            done = asked.exec(f"{engine.scheme}:{same[0].id[0]}", "hostname")
            assert (done.returncode, done.stdout) == (OURS, "")
            for one in same:
                assert one.name in done.stderr or one.id[:12] in done.stderr, done.stderr
        finally:
            for one in made:
                engine.remove(one.name)

    def test_a_name_goes_before_the_prefix_of_an_id(self, asked, engine, web, make):
        box = make(web.id[:6])
        says_hostname(asked.exec(box, "hostname"), box)

    def test_after_a_renaming_the_new_name_counts(self, asked, engine, make):
        box = make(f"before-{os.getpid()}")
        new = f"after-{os.getpid()}"
        engine("rename", box.name, new)
        engine.made[new] = engine.made.pop(box.name)
        try:
            assert asked.exec(f"{engine.scheme}:{new}", "hostname").stdout == \
                f"host-of-{box.name}\n"
            done = asked.exec(box, "hostname")
            assert done.stdout == "" and assert_failed(done, OURS, box.name)
        finally:
            engine.remove(new)

    @pytest.mark.parametrize("word", [
        "nosuch", "nosuch%s%n", "../web", "web/..", "-it", "é", "\x1b[2J", "f" * 64,
        pytest.param("n" * 5000, id="5000 bytes")])
    def test_what_isnt_there_is_one_clear_line(self, asked, engine, word):
        done = asked.exec(f"{engine.scheme}:{word}", "hostname")
        assert done.stdout == ""
        assert_failed(done, OURS, engine.scheme)

    def test_nothing_is_no_name(self, asked, engine, web):
        done = asked.exec(f"{engine.scheme}:", "hostname")
        assert done.stdout == "" and assert_failed(done, OURS)


class Commands:
    """exec, debug, pids, inspect, ps of a running container."""

    def test_a_command_is_what_the_first_process_is(self, asked, web):
        with Held(asked, web.target) as command:
            found = differences(portrait(web.pid), portrait(command.pid))
            assert command.end() == (0, "")
        # each builds it from the same profile: one filter, or one and what answers ENOSYS
        found.pop("status Seccomp_filters", None)
        found = {key: value for key, value in found.items() if key not in self.unlike}
        assert found == {}

    debug_options = ()
    unlike = ()  # parts of a portrait that this engine's containers have of who started them

    def test_the_exit_status_is_the_commands_own(self, asked, web):
        assert asked.exec(web, "sh", "-c", "exit 7").returncode == 7

    def test_debug_is_in_its_pid_and_net_namespaces_and_has_the_hosts_programs(self, asked, web):
        with Held(asked, web.target, self.debug_options, verb="debug") as command:
            theirs, ours, own = (proc.namespaces(pid) for pid in (web.pid, command.pid, "self"))
            assert (ours["pid"], ours["net"]) == (theirs["pid"], theirs["net"])
            assert ours["uts"] == own["uts"]
            assert os.path.samefile(f"/proc/{command.pid}/root/usr/bin/dpkg", "/usr/bin/dpkg")
            assert command.pid in inside(web.pid)
            assert command.end()[0] == 0

    def test_pids_are_those_of_the_kernel(self, asked, engine, web):
        with Held(asked, web.target) as command:
            done = asked.run("pids", "--json", "--flat", web.target)
            assert done.returncode == 0, done.stderr
            listed = {one["host"]: one["inside"] for one in json.loads(done.stdout)}
            assert listed == {pid: number for pid, (number, _) in inside(web.pid).items()}
            assert command.pid in listed
            done = asked.run("pids", "--host", command.pid, web.target)
            assert done.stdout == f"{listed[command.pid]}\n"

    def test_the_command_is_in_the_engines_own_listings(self, asked, engine, web):
        with Held(asked, web.target) as command:
            number, _ = inside(web.pid)[command.pid]
            assert f"\n{number} " in re.sub("\n +", "\n", web.exec("ps"))
            assert command.pid in top(engine, web)
            # nobody is there whom conjoin doesn't know
            done = asked.run("pids", "--json", "--flat", web.target)
            assert {one["host"] for one in json.loads(done.stdout)} >= top(engine, web)

    def test_it_can_be_killed_from_inside(self, asked, web):
        with Held(asked, web.target) as command:
            number, _ = inside(web.pid)[command.pid]
            web.exec("kill", "-9", str(number))
            assert command.end()[0] == KILLED

    @pytest.mark.parametrize("verb", ["exec", "debug"])
    def test_stopping_the_container_ends_the_command_and_is_told(self, asked, engine, make, verb):
        box = make(f"stop-{os.getpid()}-{verb}")
        options = self.debug_options if verb == "debug" else ()
        with Held(asked, box.target, options, verb=verb) as command:
            pid = command.pid
            engine("stop", "-t", "1", box.name)
            status, stderr = command.end()
            assert status == KILLED and not proc.alive(pid)
            assert re.search(rf"^conjoin: {verb} {re.escape(box.target)}: .*(ended|stopped)", stderr,
                             re.MULTILINE), stderr

    def test_inspect_tells_what_the_engine_told(self, asked, engine, web):
        done = asked.run("inspect", "--json", web.target)
        assert done.returncode == 0, done.stderr
        (one,) = json.loads(done.stdout)
        told = everything(one)
        assert find(one, "engine") == engine.scheme
        assert find(one, "pid") == web.pid
        assert find(one, "id") == web.id
        assert web.name in told and IMAGE in told
        if self.knows_labels:
            assert labels_of(find(one, "labels")) >= LABELS.items()
        bundle = find(one, "bundle")
        if bundle is not None:
            with open(os.path.join(bundle, "config.json"), encoding="utf-8") as f:
                assert json.load(f)["hostname"] == f"host-of-{web.name}"

    def test_inspect_for_people_has_it_as_well(self, asked, web):
        done = asked.run("inspect", web.target)
        assert done.returncode == 0, done.stderr
        for word in (web.name, web.id, IMAGE, *(["front"] if self.knows_labels else [])):
            assert word in done.stdout

    def test_diff_takes_names(self, asked, web, other):
        assert asked.run("diff", web.target, str(web.pid)).returncode == 0
        assert asked.run("diff", web.target, other.target).returncode == 1


class Listing:
    """conjoin ps."""

    def test_it_lists_exactly_what_the_engine_lists(self, asked, engine, web, other):
        found = rows(asked, "--engine", engine.scheme)
        expected = engine.names()
        assert engine.listed(found) == expected
        assert {web.id, other.id} <= expected.keys()
        for row in found:
            if row["id"] not in expected:
                continue
            theirs = engine.inspect(row["id"])
            assert row["engine"] == engine.scheme and engine.scheme in row["engines"]
            assert row["pid"] == theirs["State"]["Pid"]
            assert row["image"] == image_of(theirs)
            if self.knows_labels:
                assert labels_of(row["labels"]) == (theirs["Config"]["Labels"] or {}).items()

    def test_one_container_is_one_row(self, asked, web):
        found = [row for row in rows(asked) if row["pid"] == web.pid]
        assert [(row["name"], row["id"]) for row in found] == [(web.name, web.id)]

    def test_those_that_dont_run_arent_listed(self, asked, engine, created):
        assert created.id not in [row["id"] for row in rows(asked, "--engine", engine.scheme)]

    def test_the_table(self, asked, engine, web):
        done = asked.run("ps", "--engine", engine.scheme)
        assert done.returncode == 0, done.stderr
        head, *lines = done.stdout.splitlines()
        assert head.split()[:4] == ["ENGINE", "NAME", "IMAGE", "PID"]
        (line,) = [line for line in lines if f" {web.name} " in line]
        assert line.split()[:4] == [engine.scheme, web.name, IMAGE, str(web.pid)]


class States:
    """Containers that don't run: exit status 125 and the word."""

    def assert_word(self, asked, box, word):
        for verb in ("exec", "debug"):
            done = getattr(asked, verb)(box.target, "hostname")
            line = assert_failed(done, OURS)
            assert line == f"conjoin: {verb} {box.target}: container {box.name} is {word}"
            assert done.stdout == ""

    def test_created(self, asked, created):
        self.assert_word(asked, created, "created")

    @pytest.mark.parametrize("by", ["id", "prefix", "bare name"])
    def test_created_by(self, asked, engine, created, by):
        word = {"id": f"{engine.scheme}:{created.id}", "bare name": created.name,
                "prefix": f"{engine.scheme}:{unique_prefix(engine, created.id)}"}[by]
        assert "is created" in assert_failed(asked.exec(word, "hostname"), OURS)

    def test_stopped(self, asked, engine, make):
        box = make(f"ended-{os.getpid()}", "true")
        box.wait_for_word("exited", "stopped")
        self.assert_word(asked, box, "stopped")

    def test_gone(self, asked, engine):
        name = f"gone-{os.getpid()}"
        box = engine.run(name)
        engine.remove(name)
        for word in (f"{engine.scheme}:{name}", f"{engine.scheme}:{box.id}"):
            done = asked.exec(word, "hostname")
            assert done.stdout == "" and assert_failed(done, OURS)


class Pausing:
    """Where the engine can pause: podman of an ordinary user can't with cgroups v1."""

    @pytest.fixture(scope="class")
    def paused(self, engine):
        name = f"paused-{os.getpid()}"
        for box in started(engine, name):
            engine("pause", name)
            yield box
            engine("unpause", name)

    def test_paused(self, asked, paused):
        done = asked.exec(paused.target, "hostname")
        assert done.stdout == "" and assert_failed(done, OURS, "paused")

    def test_a_paused_one_can_be_debugged(self, asked, paused):
        """Such a command isn't in the container's cgroups."""
        done = asked.debug(paused.target, "readlink", "/proc/self/ns/pid")
        assert (done.returncode, done.stdout) == (0, f"pid:[{proc.namespaces(paused.pid)['pid']}]\n")

    def test_a_paused_one_can_be_looked_at(self, asked, engine, paused):
        done = asked.run("inspect", "--json", paused.target)
        assert done.returncode == 0, done.stderr
        assert find(json.loads(done.stdout), "id") == paused.id
        done = asked.run("pids", "--json", paused.target)
        assert done.returncode == 0 and json.loads(done.stdout)[0]["host"] == paused.pid

    def test_a_paused_one_is_listed(self, asked, engine, paused):
        found = engine.listed(rows(asked, "--engine", engine.scheme))
        assert found[paused.id] == paused.name and found == engine.names()


class Removal:
    """Where the engine gives its containers cgroups that a command's tree can have one below."""

    def test_the_engine_removes_it_while_a_commands_cgroup_is_below_its_own(self, asked, engine, make):
        box = make(f"removed-{os.getpid()}")
        with Held(asked, box.target, ["--timeout", "1h"]) as command:
            tree = [path for path in command.cgroups().values() if "/conjoin-" in path]
            assert len(tree) == 1 and box.id in tree[0]
            done = engine.call(*engine.removal, box.name, check=False)
            assert done.returncode == 0, done.stderr
            assert box.id not in engine("ps", "-a", "-q", "--no-trunc").split()
            status, stderr = command.end()
        assert status == KILLED
        assert stderr == (f"conjoin: exec {box.target}: warning: the target has ended, and the command "
                          "with it\n")
        wait_for(lambda: cgroups_of(box) == [], what=f"end of the cgroups of {box.id}")


def cgroups_of(box):
    """All that are called after it."""
    return [os.path.join(folder, name) for mount in proc.cgroup_mounts()
            for folder, names, _ in os.walk(mount["point"]) for name in names if box.id in name]


class Contract(Names, Commands, Listing, States):
    """All of it, with the containers that it needs: once a class; `make(name, *command)`: one test."""

    knows_labels = True  # podman has them in a database only, which its service reads

    @pytest.fixture(scope="class")
    def asked(self, conjoin, engine):
        return Asked(conjoin, engine)

    @pytest.fixture(scope="class")
    def web(self, engine):
        yield from started(engine, f"web-{os.getpid()}", [
            word for key, value in LABELS.items() for word in ("--label", f"{key}={value}")])

    @pytest.fixture(scope="class")
    def other(self, engine):
        yield from started(engine, f"other-{os.getpid()}")

    @pytest.fixture(scope="class")
    def created(self, engine):
        name = f"created-{os.getpid()}"
        yield engine.create(name)
        engine.remove(name)

    @pytest.fixture
    def make(self, engine):
        made = []

        def start(name, *command, options=()):
            made.append(name)
            return engine.run(name, *command, options=[
                "--hostname", hostname_of(name), *options])

        yield start
        for name in made:
            engine.remove(name)


def started(engine, name, options=()):
    try:
        yield engine.run(name, options=["--hostname", hostname_of(name), *options])
    finally:
        engine.remove(name)


def unique_prefix(engine, ident):
    """The shortest beginning that no other container's id has, stopped ones included."""
    ids = engine("ps", "-a", "-q", "--no-trunc").split()
    return next(ident[:n] for n in range(1, 65)
                if [one for one in ids if one.startswith(ident[:n])] == [ident])


def top(engine, box):
    """Host PIDs of `docker top`, `podman top`."""
    if engine.scheme == "podman":
        return {int(word) for word in engine("top", box.name, "hpid").splitlines()[1:]}
    lines = engine("top", box.name, "-eo", "pid").splitlines()
    return {int(word) for word in lines[1:]}


def labels_of(value):
    """{…}.items(); inspect may have them as a list of pairs."""
    if isinstance(value, list):
        value = dict(one.split("=", 1) if isinstance(one, str) else (one["name"], one["value"])
                     for one in value)
    return (value or {}).items()


def image_of(theirs):
    return theirs["ImageName"] if "ImageName" in theirs else theirs["Config"]["Image"]
