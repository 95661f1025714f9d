# SPDX-License-Identifier: MIT
"""debug --view target: the container's own paths in a private copy of its mount namespace, and programs of
the host's brought there, which the container never sees. Not here: which files a program needs
(test_bring.py); how a command ends and terminals of both views (test_debug_run.py)."""

import os
import secrets
import shutil
import subprocess

import pytest

from lib import proc
from lib.failure import assert_failed
from lib.held import Held
from lib.host import Host
from lib.poll import wait_for
from lib.sandbox import Sandbox

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")

TARGET = ["--view", "target"]
BRING = [*TARGET, "--bring", "bash", "--bring", "strace"]


@pytest.fixture(scope="module")
def box(sandbox_program, rootfs):
    made = Sandbox(sandbox_program, rootfs, caps="docker", env=["ONLY_IN=the target", "PATH=/bin"])
    yield made
    made.stop()


def only_one_file(folder, *directories):
    """A root file system that holds one static program, and the directories that are asked for."""
    for name in directories:
        os.makedirs(os.path.join(folder, name))
    os.makedirs(os.path.join(folder, "app"), exist_ok=True)
    shutil.copy(shutil.which("busybox"), os.path.join(folder, "app/busybox"))
    return folder


@pytest.fixture
def bare(sandbox, scratch):
    """bare(*directories, **options): a container of one file."""
    made = []

    def make(*directories, **options):
        folder = os.path.join(scratch, f"root{len(made)}")
        os.mkdir(folder)
        only_one_file(folder, *directories)
        made.append(sandbox("/app/busybox", "sleep", "100000", rootfs=folder, caps="docker",
                            env=["PATH=/app"], **options))
        return made[-1]

    return make


def ran(done):
    assert (done.returncode, done.stderr) == (0, ""), done
    return done.stdout


def held(conjoin, box, options=(), command=("cat",), **more):
    return Held(conjoin, box, [*TARGET, *options], command, verb="debug", **more)


# --- the container's own ---

def test_it_is_a_copy_of_the_targets_mount_namespace(conjoin, box):
    with held(conjoin, box) as command:
        ours, theirs, its = proc.namespaces(), box.ns(), command.ns()
        assert its["mnt"] not in (ours["mnt"], theirs["mnt"])
        assert {kind for kind in its if its[kind] == theirs[kind]} == {"pid", "net"}
        same = [{m["point"]: (m["type"], m["root"]) for m in proc.mounts(pid)}
                for pid in (box.pid, command.pid)]
        assert same[0] == same[1]
        for place in ("root", "cwd"):
            paths = [f"/proc/{pid}/{place}/" for pid in (box.pid, command.pid)]
            assert os.path.samefile(*paths)


def test_it_sees_the_targets_files_and_not_ours(conjoin, box, scratch):
    assert ran(conjoin.debug(box, "cat", "/etc/hostname", options=TARGET)) == "sandbox\n"
    assert ran(conjoin.debug(box, "readlink", "/bin/cat", options=TARGET)) == "busybox\n"
    assert conjoin.debug(box, "ls", scratch, options=TARGET).returncode == 1
    assert ran(conjoin.debug(box, "cat", "/proc/1/comm", options=TARGET)) == "sandbox-init\n"


def test_mounts_that_it_makes_are_its_own_and_go(conjoin, box):
    before = box.read("mountinfo")
    script = ["sh", "-c", "mount -t tmpfs own /srv && mkdir /srv/x && cat"]
    with held(conjoin, box, command=script) as command:
        assert " own " in command.read("mountinfo")
        assert box.read("mountinfo") == before
        assert os.listdir(f"/proc/{box.pid}/root/srv") == []
    assert box.read("mountinfo") == before


def test_files_are_the_containers_own(conjoin, box):
    """It's a copy of the mounts, not of what is in them."""
    name = f"/tmp/{secrets.token_hex(6)}"
    ran(conjoin.debug(box, "mkdir", name, options=TARGET + ["--namespaces", "+user"]))
    assert os.path.isdir(f"/proc/{box.pid}/root{name}")
    ran(conjoin.exec(box, "rmdir", name))


def test_root_and_directory_are_the_targets_also_below_its_namespaces_root(conjoin, sandbox):
    box = sandbox(caps="docker", chroot="/home", cwd="/app", env=["PATH=/x"],
                  namespaces="all,-user")
    options = [*TARGET, "--bring", "ls", "--bring", "bash"]
    assert ran(conjoin.debug(box, "bash", "-c", "echo /*; pwd", options=options)) in (
        "/app /run\n/app\n", "/app /proc /run\n/app\n")
    options += ["-w", "/"]
    assert "app" in ran(conjoin.debug(box, "ls", options=options)).split()


def variables(done):
    return dict(line.split("=", 1) for line in ran(done).split("\0") if line)


@pytest.mark.parametrize("options", [["--as-target"], ["-u", "app"], []], ids=" ".join)
def test_what_the_target_says_is_obeyed_only_without_the_callers_rights(options, conjoin, sandbox):
    """Of its environment root takes PATH: LD_PRELOAD and the like are the target's own word."""
    theirs = {"PATH": "/sbin:/bin", "LD_PRELOAD": "/no", "BASH_ENV": "/no", "HOME": "/tmp", "X": "1"}
    box = sandbox(caps="docker", env=[f"{key}={value}" for key, value in theirs.items()])
    ours = {"PATH": os.environ["PATH"], "CALLERS": "1"}
    found = variables(conjoin.debug(box, "cat", "/proc/self/environ", options=[*TARGET, *options],
                                    env=ours))
    words = {"CONJOIN_TARGET": str(box.pid), "CONJOIN_NAME": "sandbox-init", "CONJOIN_ROOT": "/"}
    if options == ["--as-target"]:
        assert found == {**dict(e.decode().split("=", 1) for e in box.environ()), **words}
        assert found["LD_PRELOAD"] == "/no"
    else:
        assert {key: found[key] for key in words} == words and found["PATH"] == "/sbin:/bin"
        assert not found.keys() & {"CALLERS", "LD_PRELOAD", "BASH_ENV", "X"} and found["HOME"] != "/tmp"
    more = variables(conjoin.debug(box, "cat", "/proc/self/environ", env=ours,
                                   options=[*TARGET, *options, "-e", "Y=2", "-e", "CALLERS"]))
    assert (more["Y"], more["CALLERS"]) == ("2", "1")


# --- what is brought ---

def test_a_shell_starts_a_tool_by_name_where_there_is_nothing(conjoin, bare):
    """One static program, and nothing else: no directory of ours, no libc, no /bin/sh."""
    box = bare("proc")
    script = ("strace -f -e trace=execve -o /dev/stdout /app/busybox true | head -n 1; "
              "type strace; echo $BASH_VERSION; echo $CONJOIN_BIN; echo $PATH")
    done = conjoin.debug(box, "bash", "-c", script,
                         options=[*BRING, "--bring", "head", "--namespaces", "+user"])
    lines = done.stdout.splitlines()
    place = lines[3]
    assert done.returncode == 0 and 'execve("/app/busybox", ["/app/busybox", "true"]' in lines[0]
    assert lines[1] == f"strace is {place}/strace" and lines[2][0].isdigit()
    assert lines[4] == f"{place}:/app"


def test_the_containers_programs_keep_their_own_libraries(conjoin, sandbox, scratch, rootfs):
    """Its libc is a file that only it has, beside its program's loader."""
    folder = os.path.join(scratch, "dynamic")
    subprocess.run(["cp", "-a", rootfs, folder], check=True)
    out = subprocess.run(["ldd", "/bin/true"], capture_output=True, text=True, check=True).stdout
    for word in out.split():
        if word.startswith("/"):
            os.makedirs(folder + os.path.dirname(word), exist_ok=True)
            shutil.copy(word, folder + word)
    shutil.copy("/bin/sleep", folder + "/own-sleep")
    box = sandbox(rootfs=folder, caps="docker")
    script = ("env | grep ^LD_; /own-sleep 100000 & while ! grep -q libc /proc/$!/maps; do :; done;"
              "grep -o '/[^ ]*libc[^ ]*' /proc/$!/maps | sort -u; kill $!;"
              "grep -o '/[^ ]*libc[^ ]*' /proc/$$/maps | sort -u")
    done = conjoin.debug(box, "bash", "-c", script, options=BRING)
    own, *brought = done.stdout.splitlines()
    assert "/conjoin/" not in own and own.endswith("/libc.so.6")
    assert brought and all("/run/conjoin/" in path for path in brought)


def test_what_is_brought_cant_be_changed(conjoin, box):
    script = ("touch $CONJOIN_BIN/x; rm $CONJOIN_BIN/strace; mkdir $CONJOIN_BIN/../x; touch /run/x;"
              "for i in $CONJOIN_BIN/../files/*; do echo >>$i; done; echo status $?")
    done = conjoin.debug(box, "bash", "-c", script, options=BRING)
    assert done.stderr.count("Read-only file system") >= 8, done
    refused = ("Read-only file system", "Text file busy")  # what runs just now
    assert [line for line in done.stderr.splitlines() if not line.endswith(refused)] == []
    out = ran(conjoin.debug(box, "cat", "/proc/self/mountinfo", options=BRING))
    lines = [line.split() for line in out.splitlines() if "/conjoin" in line]
    assert len(lines) >= 5
    for line in lines:
        assert {"ro", "nosuid", "nodev"} <= set(line[5].split(",")), line
        assert [word for word in line if word.startswith(("shared", "master"))] == []


def test_root_of_the_container_cant_remount_it(conjoin, box):
    """Its user namespace doesn't own these mounts."""
    script = ("for i in /run /run/conjoin /run/conjoin/files/bash; do "
              "mount -o remount,bind,rw $i && echo done $i; umount $i && echo gone; done")
    done = conjoin.debug(box, "sh", "-c", script, options=[*BRING, "--namespaces", "+user"])
    assert done.stdout == "", done


@pytest.mark.parametrize("directories, point", [
    (("run", "mnt", "srv"), "/run"), (("mnt", "srv"), "/mnt"), (("srv",), "/srv"), ((), "/run"),
], ids=str)
@pytest.mark.parametrize("readonly", [False, True], ids=["writable", "read-only"])
def test_the_place_is_the_first_that_is_there(readonly, directories, point, conjoin, bare):
    box = bare("proc", *directories)
    if readonly:
        remount = ["nsenter", "-t", str(box.pid), "-U", "-m", "-p", f"--root=/proc/{box.pid}/root",
                   "/app/busybox", "mount", "-o", "remount,bind,ro", "/"]
        subprocess.run(remount, check=True)
    before = box.read("mountinfo"), os.listdir(f"/proc/{box.pid}/root")
    command = ["bash", "-c", "echo $CONJOIN_BIN; /app/busybox ls /; read x; echo $x"]
    box_sees = ["/app/busybox", "ls", "/"]
    seen = ran(conjoin.exec(box, *box_sees))
    process = conjoin.popen("debug", *BRING, box.pid, *command, stdin=subprocess.PIPE, bufsize=0,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        assert process.stdout.readline() == f"{point}/conjoin/bin\n".encode()
        assert ran(conjoin.exec(box, *box_sees)) == seen
        assert (box.read("mountinfo"), os.listdir(f"/proc/{box.pid}/root")) == before
    finally:
        out, err = process.communicate(b"done\n", timeout=20)
    entries = set(out.decode().split())
    assert process.returncode == 0 and err == b"" and "done" in entries
    assert entries - {"done"} == set(seen.split()) | {point[1:]}


RUN = ["mkdir /run/dir", "echo in dir >/run/dir/file", "ln -s dir/file /run/link",
       "mkfifo /run/fifo", "mkdir /run/volume", "mount -t tmpfs -o mode=711 v /run/volume",
       "echo v >/run/volume/file", "touch /run/onto", "mount --bind /etc/hostname /run/onto",
       "echo plain >/run/plain"]
LOOK = ("cd /run; stat -c '%n %F %a %d:%i' dir dir/file fifo volume volume/file onto plain;"
        " readlink link; cat link volume/file onto plain")


def test_old_entries_of_the_place_stay_as_they_are(conjoin, sandbox):
    box = sandbox("sh", "-c", "; ".join([*RUN, "exec sleep 100000"]))
    wait_for(lambda: os.path.exists(f"/proc/{box.pid}/root/run/plain"))
    wanted = ran(conjoin.exec(box, "sh", "-c", LOOK))
    assert wanted.count("\n") == 12
    assert ran(conjoin.debug(box, "sh", "-c", LOOK, options=BRING)) == wanted
    script = "echo more >>/run/dir/file; echo changed >/run/plain; echo >/run/volume/new; touch /run/n"
    done = conjoin.debug(box, "sh", "-c", script, options=[*BRING, "--namespaces", "+user"])
    assert done.stderr.count("\n") == 1 and "/run/n: Read-only file system" in done.stderr
    check = "cat /run/dir/file /run/plain; ls /run/volume /run/onto"
    assert ran(conjoin.exec(box, "sh", "-c", check)) == (
        "in dir\nmore\nchanged\n/run/onto\n\n/run/volume:\nfile\nnew\n")


def test_what_the_container_writes_meanwhile_is_seen(conjoin, sandbox):
    box = sandbox("sh", "-c", "mkdir /run/dir; exec sleep 100000", caps="docker")
    wait_for(lambda: os.path.exists(f"/proc/{box.pid}/root/run/dir"))
    script = ["bash", "-c", "read x; cat /run/dir/later; ls /srv"]
    process = conjoin.popen("debug", *BRING, box.pid, *script, stdin=subprocess.PIPE,
                            stdout=subprocess.PIPE, text=True)
    ran(conjoin.exec(box, "sh", "-c", "echo late >/run/dir/later; touch /srv/also"))
    assert process.communicate("\n", timeout=20)[0] == "late\nalso\n"


def test_a_directory_of_tools_is_brought(conjoin, bare, scratch):
    box = bare("proc")
    tools = os.path.join(scratch, "tools")
    os.mkdir(tools)
    for name in ("cat", "ls"):
        shutil.copy(f"/bin/{name}", tools)
    shutil.copy(shutil.which("busybox"), f"{tools}/busybox")
    with open(f"{tools}/script", "w", encoding="ascii") as f:
        f.write("#!/bin/bash\necho script $1 $0; cat /proc/self/comm\n")
    os.chmod(f"{tools}/script", 0o755)
    done = conjoin.debug(box, "script", "one", options=[*TARGET, "--bring-dir", tools])
    assert done.returncode == 0, done
    assert done.stdout.startswith("script one ") and done.stdout.endswith("\ncat\n")
    assert ran(conjoin.debug(box, "busybox", "echo", "x",
                             options=[*TARGET, "--bring-dir", tools])) == "x\n"


def test_a_tool_has_its_own_name(conjoin, bare):
    box = bare("proc")
    assert ran(conjoin.debug(box, "cat", "/proc/self/comm",
                             options=[*TARGET, "--bring", "cat"])) == "cat\n"


def test_without_a_command_it_is_the_brought_shell(conjoin, bare):
    box = bare("proc")
    done = conjoin.debug(box, options=BRING, input="echo $BASH_VERSION $0\n")
    assert done.returncode == 0 and done.stdout[0].isdigit() and "bash" in done.stdout


@pytest.mark.parametrize("content, words", [
    (b"just text\n", []), (b"\x7fELF\x02\x01\x01" + b"\0" * 9, []), (b"", []),
    (b"#!/nowhere/interpreter\n", ["/nowhere/interpreter"]), (None, []),
])
def test_what_cant_be_brought_is_named(content, words, conjoin, box, scratch):
    path = os.path.join(scratch, "thing")
    if content is not None:
        with open(path, "wb") as f:
            f.write(content)
        os.chmod(path, 0o755)
    done = conjoin.debug(box, "true", options=[*TARGET, "--bring", path])
    assert_failed(done, 125, f'bring "{path}"', *words)


def test_a_program_whose_loader_is_missing_is_named(conjoin, box, scratch):
    """Its path in the file is changed into one that isn't there."""
    path = os.path.join(scratch, "program")
    with open("/bin/true", "rb") as f:
        data = f.read()
    loader = b"/lib64/ld-linux-x86-64.so.2"
    if loader not in data:
        pytest.skip("the loader has another name here")
    with open(path, "wb") as f:
        f.write(data.replace(loader, loader.replace(b"lib64", b"lib00"), 1))
    os.chmod(path, 0o755)
    assert_failed(conjoin.debug(box, "true", options=[*TARGET, "--bring", path]), 125,
                  f'bring "{path}"', "/lib00/ld-linux-x86-64.so.2")


def test_a_program_on_a_mount_without_exec_is_named(conjoin, box):
    host = Host(conjoin, "mount -t tmpfs -o noexec x /media\ncp /bin/true /media/program")
    done = host.debug(box, "true", options=[*TARGET, "--bring", "/media/program"])
    assert_failed(done, 125, 'bring "/media/program"')
