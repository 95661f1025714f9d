# SPDX-License-Identifier: MIT
"""What a root may hold to get its own code into brought programs, which run with rights that it may not
have. Not here: what is found where nobody is hostile (test_bring.py)."""

import os

import pytest

from lib.bringing import bring, compile_c, inside, write

RAN = "/ran"
INTRUDER = f"""
#include <fcntl.h>
#include <unistd.h>
__attribute__((constructor)) static void intrude(void) {{
	close(open("{RAN}", O_CREAT | O_WRONLY, 0644));
}}
"""
NSS = INTRUDER + """
#include <grp.h>
#include <nss.h>
#include <pwd.h>
enum nss_status _nss_evil_getpwnam_r(const char *name, struct passwd *ret, char *buf, size_t n,
				     int *code) {
	(void)name, (void)ret, (void)buf, (void)n, (void)code;
	return NSS_STATUS_NOTFOUND;
}
"""
PLACES = ["lib", "lib64", "usr/lib", "usr/lib64", "lib/x86_64-linux-gnu", "usr/lib/x86_64-linux-gnu",
          "usr/local/lib", "."]


@pytest.fixture
def root(scratch):
    if os.geteuid() != 0:
        pytest.skip("needs root")
    folder = os.path.join(scratch, "root")
    os.makedirs(os.path.join(folder, "etc"))
    return folder


def plant(root, name, code, *flags):
    """The library in every directory where a loader would look by itself."""
    for place in PLACES:
        compile_c(os.path.join(root, place, name), code, "-shared", "-fPIC", *flags)


def ran(root):
    return os.path.exists(root + RAN)


def test_nothing_is_preloaded(root):
    plant(root, "intruder.so", INTRUDER)
    write(os.path.join(root, "etc/ld.so.preload"), "/lib/intruder.so\n", 0o644)
    assert inside(root, ["bash"], "bash", "-c", "echo fine") == "fine\n"
    assert not ran(root)


def test_the_trap_works(root):
    """With a loader that wasn't told to forget, it is preloaded: else the test above couldn't fail."""
    plant(root, "intruder.so", INTRUDER)
    write(os.path.join(root, "etc/ld.so.preload"), "/lib/intruder.so\n", 0o644)
    done = bring("-f", "bash", root, "bash", "-c", "echo fine")
    assert done.returncode == 0
    for name in ("libc.so.6", "libtinfo.so.6", "ld-linux-x86-64.so.2"):
        real = os.path.realpath(os.path.join("/lib/x86_64-linux-gnu", name))
        os.makedirs(os.path.join(root, "own"), exist_ok=True)
        with open(real, "rb") as src, open(os.path.join(root, "own", name), "wb") as dst:
            dst.write(src.read())
    os.chmod(os.path.join(root, "own/ld-linux-x86-64.so.2"), 0o755)
    done = bring("-f", "bash", root, "bash", "-c",
                 "/own/ld-linux-x86-64.so.2 --library-path /own /run/conjoin/files/bash -c :")
    assert done.returncode == 0, done.stderr
    assert ran(root)


def test_no_service_module_of_the_root_is_loaded(root, scratch):
    plant(root, "libnss_evil.so.2", NSS)
    write(os.path.join(root, "etc/nsswitch.conf"), "passwd: evil\ngroup: evil\n", 0o644)
    asks = compile_c(os.path.join(scratch, "asks"),
                     "#include <pwd.h>\n#include <stdio.h>\n"
                     'int main(void) { puts(getpwnam("somebody") ? "found" : "none"); return 0; }')
    assert inside(root, [asks], "asks") == "none\n"
    assert not ran(root)


def test_what_a_program_opens_by_its_name_isnt_the_roots(root, scratch):
    plant(root, "libplugin.so.1", INTRUDER, "-Wl,-soname,libplugin.so.1")
    opens = compile_c(os.path.join(scratch, "opens"),
                      "#include <dlfcn.h>\n#include <stdio.h>\n"
                      'int main(void) { puts(dlopen("libplugin.so.1", RTLD_NOW) ? "opened" : '
                      '"none"); return 0; }')
    assert inside(root, [opens], "opens") == "none\n"
    assert not ran(root)


def test_a_cache_of_the_root_isnt_asked(root, scratch):
    """The loader doesn't read it at all, nor any path of its own."""
    if not os.path.exists("/usr/bin/strace"):
        pytest.skip("there is no strace")
    done = bring("-f", "strace", "-f", "ls", root, "strace", "-f", "-e", "trace=file", "ls", "/")
    opened = [line for line in done.stderr.splitlines() if "open" in line or "access" in line]
    wrong = [line for line in opened if "ld.so" in line or '"/lib' in line or '"/usr/lib' in line]
    assert done.returncode == 0 and opened
    assert [line for line in wrong if "locale" not in line] == []


@pytest.mark.parametrize("files", [["ld.so", "bash"], ["bash", "ld.so"]])
def test_nor_by_a_loader_that_is_brought_for_itself(root, scratch, files):
    plant(root, "intruder.so", INTRUDER)
    write(os.path.join(root, "etc/ld.so.preload"), "/lib/intruder.so\n", 0o644)
    os.symlink(os.path.realpath("/lib64/ld-linux-x86-64.so.2"), os.path.join(scratch, "ld.so"))
    paths = [os.path.join(scratch, name) if name == "ld.so" else name for name in files]
    assert inside(root, paths, "bash", "-c", "echo fine") == "fine\n"
    assert not ran(root)


def test_nor_by_one_in_a_toolbox(root, scratch):
    plant(root, "intruder.so", INTRUDER)
    write(os.path.join(root, "etc/ld.so.preload"), "/lib/intruder.so\n", 0o644)
    box = os.path.join(scratch, "box")
    os.makedirs(f"{box}/bin")
    os.symlink(os.path.realpath("/lib64/ld-linux-x86-64.so.2"), f"{box}/bin/ld.so")
    os.symlink("/bin/ls", f"{box}/bin/ls")
    assert "etc" in inside(root, [], "ls", "/", dirs=[box])
    assert not ran(root)
