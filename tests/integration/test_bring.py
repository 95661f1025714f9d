# SPDX-License-Identifier: MIT
"""Host programs run in a root that has nothing of what they need (lib/bring.h), laid out by
tests/lib/bring-into, and what they find there is compared with what the host's own loader finds."""

import os
import shutil
import subprocess

import pytest

from lib.bringing import (
    HOME, LOADER, SAYS, bring, compile_c, inside, listed, loaders_list, program, refused,
    word_library, write,
)
from lib.program import TIMEOUT, clean_env

SHOW_COMM = "read -r line < /proc/self/comm; echo $line"


@pytest.fixture
def root(scratch):
    if os.geteuid() != 0:
        pytest.skip("needs root")
    folder = os.path.join(scratch, "root")
    os.mkdir(folder)
    return folder


def with_proc(root):
    """A /proc to look at, gone with the mount namespace that it's in."""
    os.mkdir(os.path.join(root, "proc"))
    return ["unshare", "-m", "sh", "-c", 'mount -t proc proc "$0/proc" && exec "$@"', root]


# --- programs of the host in an empty root ---


def test_bash_runs_and_starts_a_brought_program_by_its_name(root):
    shell = 'ls -d /run && type -p strace && strace -V | { read -r line; echo "$line"; }'
    lines = inside(root, ["bash", "strace", "ls"], "bash", "-c", shell).splitlines()
    assert lines[:2] == ["/run", f"{HOME}/bin/strace"]
    assert lines[2].startswith("strace -- version")


def test_a_brought_program_traces_a_brought_program(root):
    options = ["-f", "strace", "-f", "true", root]
    done = bring(*options, "strace", "-e", "trace=execve", "true")
    assert done.returncode == 0
    assert f'execve("{HOME}/bin/true", ["true"]' in done.stderr


@pytest.mark.skipif(not os.path.exists("/usr/bin/python3"), reason="there is no python3")
def test_python_runs_as_far_as_it_needs_no_library(root):
    done = bring("-f", "/usr/bin/python3", root, "python3", "-S", "-V")
    assert done.returncode == 0 and done.stdout.startswith("Python 3.")


def test_a_static_program_is_brought_as_it_is(root):
    assert inside(root, ["/bin/busybox"], "busybox", "echo", "fine") == "fine\n"
    found = listed("-f", "/bin/busybox")
    assert "program" not in found and found["link"] == {"bin/busybox": "../files/busybox"}


def test_a_multi_call_program_goes_by_the_name_it_is_called_by(root, scratch):
    os.symlink(shutil.which("busybox"), os.path.join(scratch, "pwd"))
    assert inside(root, [os.path.join(scratch, "pwd")], "pwd") == "/\n"


def test_argv0_is_the_callers_word(root):
    shell = 'exec -a "other name" bash -c "echo \\$BASH_ARGV0"'
    assert inside(root, ["bash"], "bash", "-c", shell) == "other name\n"


def test_arguments_arrive_as_they_are(root):
    words = ["", "a b", "*", "--argv0", "--library-path", "\\n", "é" * 300]
    shell = 'printf "<%s>" "$@"'
    out = inside(root, ["bash"], "bash", "-c", shell, "name", *words)
    assert out == "".join(f"<{word}>" for word in words)


def test_thousands_of_arguments_arrive(root):
    out = inside(root, ["bash"], "bash", "-c", "echo $#", "name", *map(str, range(20000)))
    assert out == "20000\n"


def test_no_variable_of_a_loader_gets_into_the_environment(root):
    out = inside(root, ["bash", "env"], "bash", "-c", "env")
    assert f"CONJOIN_BIN={HOME}/bin\n" in out
    assert not [line for line in out.splitlines() if line.startswith("LD_")]


def test_exit_status_and_a_missing_command_are_as_usual(root):
    done = bring("-f", "bash", root, "bash", "-c", "no-such; exit 7")
    assert done.returncode == 7
    assert "no-such: command not found" in done.stderr


def test_a_process_is_called_by_the_programs_name(root):
    before = with_proc(root)
    for files, name in ((["bash"], "bash"), (["/bin/busybox", "bash"], "bash")):
        options = [word for file in files for word in ("-f", file)]
        done = subprocess.run(
            [*before, program(), *options, root, name, "-c", SHOW_COMM], capture_output=True,
            text=True, stdin=subprocess.DEVNULL, timeout=TIMEOUT, check=False, env=clean_env(),
        )
        assert (done.returncode, done.stdout) == (0, f"{name}\n"), done.stderr


# --- libraries ---


def test_the_same_libraries_are_found_as_by_the_hosts_loader():
    """Every seventh dynamic program of /usr/bin: that's enough to see a rule that is wrong."""
    compared = 0
    for name in sorted(os.listdir("/usr/bin"))[::7]:
        path = os.path.realpath(os.path.join("/usr/bin", name))
        theirs = loaders_list(path)
        if theirs is None:
            continue
        found = listed("-f", path)
        ours = {
            link.split("/", 2)[2]: found["file"][source[len("../../"):]]
            for link, source in found["link"].items() if link.startswith("lib/")
        }
        assert ours == theirs, path
        compared += 1
    assert compared > 10


@pytest.mark.parametrize("tags", ["--enable-new-dtags", "--disable-new-dtags"])
def test_a_library_beside_the_program_is_found(root, scratch, tags):
    library = word_library(os.path.join(scratch, "app/lib"), "origin")
    tool = compile_c(os.path.join(scratch, "app/bin/tool"), SAYS, library,
                     f"-Wl,{tags},-rpath,$ORIGIN/../lib")
    assert inside(root, [tool], "tool") == "origin\n"
    os.symlink(tool, os.path.join(scratch, "link"))
    shutil.rmtree(os.path.join(root, "run"))
    assert inside(root, [os.path.join(scratch, "link")], "link") == "origin\n"


@pytest.mark.parametrize("tags, found", [
    ("--enable-new-dtags", None), ("--disable-new-dtags", "deep"),
])
def test_an_rpath_counts_for_the_libraries_libraries_a_runpath_doesnt(root, scratch, tags, found):
    deep = word_library(os.path.join(scratch, "lib"), "deep")
    middle = compile_c(os.path.join(scratch, "lib/libmiddle.so.1"),
                       "const char *word(void); const char *middle(void) { return word(); }",
                       "-shared", "-fPIC", "-Wl,-soname,libmiddle.so.1", deep)
    tool = compile_c(os.path.join(scratch, "tool"), SAYS.replace("word", "middle"), middle,
                     f"-Wl,{tags},-rpath,{scratch}/lib,-rpath-link,{scratch}/lib,--as-needed")
    if found:
        assert inside(root, [tool], "tool") == f"{found}\n"
    else:
        assert f"library libword.so.1, needed by {middle}" in refused(tool)


def test_an_rpath_doesnt_count_for_a_library_with_a_runpath(scratch):
    deep = word_library(os.path.join(scratch, "lib"), "deep")
    middle = compile_c(os.path.join(scratch, "lib/libmiddle.so.1"),
                       "const char *word(void); const char *middle(void) { return word(); }",
                       "-shared", "-fPIC", "-Wl,-soname,libmiddle.so.1", deep,
                       "-Wl,--enable-new-dtags,-rpath,/nonexistent")
    tool = compile_c(os.path.join(scratch, "tool"), SAYS.replace("word", "middle"), middle,
                     f"-Wl,--disable-new-dtags,-rpath,{scratch}/lib,-rpath-link,{scratch}/lib")
    assert loaders_list(tool) is None  # the loader doesn't find it either
    assert f"library libword.so.1, needed by {middle}" in refused(tool)


@pytest.mark.parametrize("path", ["$ORIGIN/$LIB", "${ORIGIN}/${LIB}/.", "$ORIGIN/$PLATFORM"])
def test_the_loaders_variables_mean_what_they_mean_to_it(root, scratch, path):
    plain = word_library(os.path.join(scratch, "link"), "linked")
    tool = compile_c(os.path.join(scratch, "tool"), SAYS, plain, f"-Wl,-rpath,{path}")
    os.remove(plain)
    for name in ("lib", "lib64", "lib/x86_64-linux-gnu", "x86_64"):
        word_library(os.path.join(scratch, name), name)
    theirs = subprocess.run([tool], capture_output=True, text=True, check=True, timeout=TIMEOUT)
    assert theirs.stdout != "linked\n"
    assert inside(root, [tool], "tool") == theirs.stdout


def test_a_loader_without_argv0_gets_the_name_in_a_path(root, scratch):
    """Before glibc 2.33; here one that has forgotten the option."""
    with open(LOADER, "rb") as f:
        data = f.read()
    assert data.count(b"--argv0\0") == 1
    loader = os.path.join(scratch, "ld-old.so")
    with open(loader, "wb") as f:
        f.write(data.replace(b"--argv0\0", b"--argvX\0"))
    os.chmod(loader, 0o755)
    text = """
    #include <stdio.h>
    int main(int n, char **v) { printf("%s %s\\n", v[0], v[1]); return n != 2; }
    """
    tool = compile_c(os.path.join(scratch, "tool"), text, f"-Wl,--dynamic-linker,{loader}")
    os.symlink(tool, os.path.join(scratch, "other"))
    files = [tool, os.path.join(scratch, "other"), "bash"]
    out = inside(root, files, "bash", "-c", "tool a; other b")
    assert out == f"{HOME}/start/tool/as/tool a\n{HOME}/start/other/as/other b\n"


def test_two_programs_have_different_libraries_of_one_name(root, scratch):
    tools = []
    for word in ("one", "two"):
        folder = os.path.join(scratch, word)
        library = word_library(folder, word)
        tools.append(compile_c(os.path.join(folder, f"say-{word}"), SAYS, library,
                               "-Wl,-rpath,$ORIGIN"))
    out = inside(root, [*tools, "bash"], "bash", "-c", "say-one; say-two")
    assert out == "one\ntwo\n"


@pytest.mark.parametrize("tags", ["--enable-new-dtags", "--disable-new-dtags"])
def test_the_containers_library_of_the_same_name_and_path_isnt_taken(root, scratch, tags):
    """DT_RPATH comes before --library-path: it has to be put out of force."""
    library = word_library(os.path.join(scratch, "lib"), "the host's")
    tool = compile_c(os.path.join(scratch, "tool"), SAYS, library,
                     f"-Wl,{tags},-rpath,{scratch}/lib")
    word_library(f"{root}{scratch}/lib", "the container's")
    word_library(f"{root}/lib/x86_64-linux-gnu", "the container's")
    assert inside(root, [tool], "tool") == "the host's\n"


def test_the_containers_programs_keep_their_own_libraries(root, scratch):
    """Its loader and C library are copies at other places: the host's aren't there to help it."""
    theirs = word_library(f"{root}/own", "the container's")
    ours = word_library(os.path.join(scratch, "lib"), "the host's")
    tool = compile_c(os.path.join(scratch, "tool"), SAYS, ours, f"-Wl,-rpath,{scratch}/lib")
    compile_c(f"{root}/bin/its-own", SAYS, theirs,
              "-Wl,-rpath,/own,--dynamic-linker,/own/ld.so")
    shutil.copy(LOADER, f"{root}/own/ld.so")
    shutil.copy("/lib/x86_64-linux-gnu/libc.so.6", f"{root}/own/libc.so.6")
    shell = ("tool; its-own; strace -e trace=openat -o /log its-own; "
             "while read -r x; do echo $x; done < /log")
    out = inside(root, ["bash", "strace", tool], "bash", "-c", shell)
    lines = out.splitlines()
    assert lines[:3] == ["the host's", "the container's", "the container's"]
    opened = [line.split('"')[1] for line in lines[3:] if "openat" in line and " = 3" in line]
    assert opened and not [path for path in opened if path.startswith(HOME)]


def test_a_program_of_32_bits_has_its_own_loader(root, scratch):
    if not os.path.exists("/lib32/libc.so.6") or not os.path.exists("/lib/ld-linux.so.2"):
        pytest.skip("there is no C library of 32 bits")
    text = """
    int write(int, const void *, unsigned); void _exit(int);
    void _start(void) { write(1, "small\\n", 6); _exit(0); }
    """
    tool = compile_c(os.path.join(scratch, "tool"), text, "-m32", "-nostdlib", "-fno-pie",
                     "-no-pie", "-fno-stack-protector", "/lib32/libc.so.6")
    assert inside(root, [tool], "tool") == "small\n"


# --- scripts ---


def test_scripts_run_with_their_interpreter_and_its_argument(root, scratch):
    plain = write(f"{scratch}/plain", '#!/bin/bash -e\necho "$0 $1 $-"\nfalse\necho no\n')
    by_env = write(f"{scratch}/by-env", '#!/usr/bin/env bash\necho "$BASH $1"\n')
    nested = write(f"{scratch}/nested", f"#!{plain} word\n")
    static = write(f"{scratch}/static", '#!/bin/busybox ash\necho "static $1"\n')
    shell = "plain one; by-env two; nested three; static four"
    out = inside(root, [plain, by_env, nested, static], "bash", "-c", shell)
    lines = out.splitlines()
    assert lines[0].startswith(f"{HOME}/files/plain one ") and "e" in lines[0].split()[-1]
    assert lines[1] == f"{HOME}/bin/bash two"
    assert lines[2].startswith(f"{HOME}/files/plain word ")
    assert lines[3:] == ["static four"]


def test_a_script_is_called_by_its_own_name(root, scratch):
    script = write(os.path.join(scratch, "script"), f"#!/bin/bash\n{SHOW_COMM}\n")
    done = subprocess.run(
        [*with_proc(root), program(), "-f", script, root, "script"], capture_output=True,
        text=True, stdin=subprocess.DEVNULL, timeout=TIMEOUT, check=False, env=clean_env(),
    )
    assert (done.returncode, done.stdout) == (0, "script\n"), done.stderr


def test_a_loop_of_scripts_is_named(scratch):
    one, two = os.path.join(scratch, "one"), os.path.join(scratch, "two")
    write(one, f"#!{two}\n")
    write(two, f"#!{one}\n")
    assert "the interpreters of" in refused(one)
    assert "gives env more than a name" in refused(
        write(os.path.join(scratch, "three"), "#!/usr/bin/env -S bash -e\n"))


# --- toolboxes ---


def test_a_toolbox_comes_with_its_own_libraries_and_loader(root, scratch):
    """A file system of its own, as a distribution makes it, absolute links included."""
    box = os.path.join(scratch, "box")
    library = word_library(f"{box}/usr/lib", "the toolbox's")
    os.makedirs(f"{box}/lib64")
    shutil.copy(LOADER, f"{box}/usr/lib/ld-own.so")
    os.symlink("/usr/lib/ld-own.so", f"{box}/lib64/ld-linux-x86-64.so.2")
    shutil.copy("/lib/x86_64-linux-gnu/libc.so.6", f"{box}/usr/lib/libc.so.6")
    compile_c(f"{box}/usr/bin/tool", SAYS, library)
    write(f"{box}/usr/bin/script", "#!/usr/bin/env bash\ntool\n")
    os.symlink("/usr/bin/tool", f"{box}/usr/bin/same")
    os.symlink("usr/bin", f"{box}/bin")
    shutil.copy(shutil.which("busybox"), f"{box}/busybox")
    found = listed("-d", box)
    assert found["tree"] == {"dir/0": os.path.realpath(box)}
    assert found["link"]["start/tool/tool"] == "../../files/ld-own.so"
    assert found["link"]["bin/busybox"] == "../dir/0/busybox"
    assert not [path for path in found["file"].values() if path.startswith(box)]
    out = inside(root, [], "bash", "-c", "script; same; busybox echo fine", dirs=[box])
    assert out == "the toolbox's\nthe toolbox's\nfine\n"


def test_what_a_toolbox_cant_bring_is_left_out_and_said(root, scratch):
    box = os.path.join(scratch, "box")
    library = word_library(os.path.join(scratch, "lib"), "gone")
    compile_c(f"{box}/bin/broken", SAYS, library)
    write(f"{box}/bin/fine", "#!/bin/bash\necho fine\n")
    write(f"{box}/bin/notes", "notes\n", 0o644)
    done = bring("-d", box, root, "fine")
    assert (done.returncode, done.stdout) == (0, "fine\n")
    assert done.stderr == (f"left out: {box}/bin/broken: library libword.so.1, needed by "
                           f"{box}/bin/broken: No such file or directory\n")


def test_files_come_before_toolboxes_and_those_in_their_order(root, scratch):
    for name in ("one", "two"):
        os.makedirs(os.path.join(scratch, name, "bin"))
        for tool in ("both", "all", name):
            write(os.path.join(scratch, name, "bin", tool), f"#!/bin/bash\necho {name}\n")
    file = write(os.path.join(scratch, "all"), "#!/bin/bash\necho file\n")
    dirs = [os.path.join(scratch, name) for name in ("one", "two")]
    out = inside(root, [file], "bash", "-c", "all; both; one; two", dirs=dirs)
    assert out == "file\none\none\ntwo\n"


def test_too_many_programs_are_refused(scratch):
    box = os.path.join(scratch, "box")
    os.mkdir(box)
    for number in range(4096):
        os.symlink("/bin/busybox", os.path.join(box, f"tool{number}"))
    assert bring("-d", box, "-n").returncode == 0
    os.symlink("/bin/busybox", os.path.join(box, "one-more"))
    done = bring("-d", box, "-n")
    assert done.returncode == 125 and "more than 4096 programs" in done.stderr


# --- what can't be brought ---


def test_a_missing_loader_and_a_missing_library_are_named(scratch):
    library = word_library(os.path.join(scratch, "lib"), "gone")
    missing = compile_c(os.path.join(scratch, "missing"), SAYS, library)
    assert refused(missing) == (f'bring "{missing}": library libword.so.1, needed by {missing}: '
                                "No such file or directory\n")
    tool = compile_c(os.path.join(scratch, "tool"), "int main(void) { return 0; }",
                     "-Wl,--dynamic-linker,/nonexistent/ld.so")
    assert refused(tool) == (f'bring "{tool}": its loader /nonexistent/ld.so: '
                             "No such file or directory\n")
    odd = compile_c(os.path.join(scratch, "odd"), "int main(void) { return 0; }",
                    "-Wl,--dynamic-linker,/bin/busybox")
    assert "its loader /usr/bin/busybox takes no --library-path" in refused(odd)


def test_a_library_that_is_named_by_its_path_is_refused(scratch):
    library = compile_c(os.path.join(scratch, "lib/libpath.so"), "int f(void) { return 0; }",
                        "-shared", "-fPIC")
    tool = compile_c(os.path.join(scratch, "tool"), "int f(void); int main(void) { return f(); }",
                     library)
    assert f"needs the library {library} by its path" in refused(tool)


def test_linker_scripts_and_libraries_of_other_machines_are_passed_by(root, scratch):
    library = word_library(os.path.join(scratch, "good"), "good")
    write(os.path.join(scratch, "libword.so.1"), "INPUT(libother.so)\n")
    bad = os.path.join(scratch, "foreign")
    os.mkdir(bad)
    with open(library, "rb") as f:
        data = bytearray(f.read())
    data[18:20] = (183).to_bytes(2, "little")
    with open(os.path.join(bad, "libword.so.1"), "wb") as f:
        f.write(data)
    tool = compile_c(os.path.join(scratch, "tool"), SAYS, library,
                     f"-Wl,-rpath,{scratch}:{bad}:{scratch}/good")
    assert inside(root, [tool], "tool") == "good\n"


def test_what_is_no_program_is_refused(scratch):
    assert "neither an ELF program nor a script" in refused(write(f"{scratch}/text", "words\n"))
    assert "Is a directory" in refused(scratch)
    assert "no-such: not found" not in refused("no-such")
    assert 'bring "no-such": not found in PATH' in refused("no-such")
    assert 'bring "bash": not found in PATH' in refused("bash", path=scratch)
    os.mkfifo(f"{scratch}/fifo", 0o755)
    assert "no regular file" in refused(f"{scratch}/fifo")
    assert "isn't executable" in refused(write(f"{scratch}/script", "#!/bin/sh\n", 0o644))
    assert "no program, but a library" in refused(word_library(scratch, "x"))


@pytest.mark.parametrize("machine, bits", [(183, 2), (8, 1), (40, 1)])
def test_programs_of_other_machines_are_refused(scratch, machine, bits):
    path = os.path.join(scratch, "foreign")
    head = b"\x7fELF" + bytes([bits, 1, 1]) + bytes(9)
    head += (2).to_bytes(2, "little") + machine.to_bytes(2, "little") + bytes(44)
    with open(path, "wb") as f:
        f.write(head)
    os.chmod(path, 0o755)
    assert "is for another machine" in refused(path)


def test_a_truncated_program_is_refused_or_a_shorter_program(scratch):
    """At no length it ends otherwise."""
    with open("/bin/true", "rb") as f:
        data = f.read()
    path = os.path.join(scratch, "cut")
    for size in [*range(0, 1000, 37), *range(1000, len(data), 2999)]:
        with open(path, "wb") as f:
            f.write(data[:size])
        os.chmod(path, 0o755)
        done = bring("-f", path, "-n")
        assert done.returncode in (0, 125), size
        if done.returncode:
            assert "damaged" in done.stderr or "neither an ELF" in done.stderr
    assert bring("-f", "/bin/true", "-n").returncode == 0


def test_a_mount_without_exec_is_named(root, scratch):
    folder = os.path.join(scratch, "noexec")
    os.mkdir(folder)
    shell = ('mount -t tmpfs -o noexec none "$0" && cp /bin/true "$0" && '
             'exec "$1" -f "$0/true" -n')
    done = subprocess.run(
        ["unshare", "-m", "sh", "-c", shell, folder, program()], capture_output=True, text=True,
        stdin=subprocess.DEVNULL, timeout=TIMEOUT, check=False, env=clean_env(),
    )
    assert done.returncode == 125
    assert "is on a mount without exec: Permission denied" in done.stderr
