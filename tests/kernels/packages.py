# SPDX-License-Identifier: MIT
"""Kernels of Debian's suites, and apparmor_parser, out of packages that are unpacked and never
installed. They come from the mirror that this machine's own package sources name, and are kept.
Not here: what is done with them."""

import glob
import os
import re
import shutil
import subprocess

META_PACKAGE = "linux-image-cloud-amd64"
CONFIG = """\
Dir::Etc::sourcelist "{state}/sources.list";
Dir::Etc::sourceparts "-";
Dir::State "{state}";
Dir::State::status "{state}/status";
Dir::Cache "{state}/cache";
Acquire::Languages "none";
Acquire::IndexTargets::deb::DEP-11::DefaultEnabled "false";
Acquire::Retries "3";
APT::Sandbox::User "";
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
"""


class Unavailable(Exception):
    """There is no such package to be had; the text says why."""


class Suite:
    """A Debian suite with package lists of its own, beside those of the machine."""

    def __init__(self, name, cache):
        self.state = os.path.abspath(os.path.join(cache, "apt", name))
        self.config = os.path.join(self.state, "apt.conf")
        line = source_line(name)
        for folder in ("lists/partial", "cache/archives/partial"):
            os.makedirs(os.path.join(self.state, folder), exist_ok=True)
        write(os.path.join(self.state, "sources.list"), line)
        write(os.path.join(self.state, "status"), "")
        write(self.config, CONFIG.format(state=self.state))
        self.apt("apt-get", "-q", "update")

    def apt(self, program, *arguments, cwd=None):
        command = [program, "-c", self.config, *arguments]
        done = subprocess.run(command, cwd=cwd, stdin=subprocess.DEVNULL, capture_output=True,
                              text=True, timeout=300, check=False)
        # apt-get update ends with 0 also where a list couldn't be had: the next step tells.
        if done.returncode != 0:
            errors = [line for line in done.stderr.splitlines() if line.startswith("E:")]
            raise Unavailable(errors[0] if errors else f"{program} {arguments[0]} failed")
        return done.stdout

    def depends(self, package, pattern):
        """The one package that `package` depends on whose name fits."""
        shown = self.apt("apt-cache", "show", "--no-all-versions", package)
        found = re.search(r"^Depends:.*?\b(" + pattern + r")", shown, re.M)
        return found.group(1) if found else None

    def unpack(self, package, folder):
        """Downloads the package and unpacks it into `folder`."""
        shutil.rmtree(os.path.join(folder, "root"), ignore_errors=True)
        os.makedirs(folder, exist_ok=True)
        for old in glob.glob(os.path.join(folder, "*.deb")):
            os.unlink(old)
        self.apt("apt-get", "-q", "download", package, cwd=folder)
        deb = glob.glob(os.path.join(folder, "*.deb"))[0]
        subprocess.run(["dpkg-deb", "-x", deb, os.path.join(folder, "root")], check=True)
        os.unlink(deb)


def write(path, text):
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)


def codename():
    with open("/etc/os-release", encoding="utf-8") as f:
        found = re.search(r"^VERSION_CODENAME=\"?([a-z]+)", f.read(), re.M)
    return found.group(1) if found else None


def machine_sources():
    """Each (uri, suites, keyring) of the machine's own lists, in both of their formats."""
    for path in sorted(glob.glob("/etc/apt/sources.list.d/*.sources")):
        with open(path, encoding="utf-8") as f:
            text = "\n".join(line for line in f.read().split("\n") if not line.startswith("#"))
        for stanza in re.split(r"\n\s*\n", text):
            fields = dict(re.findall(r"^([A-Za-z-]+):[ \t]*(.*)$", stanza, re.M))
            for uri in fields.get("URIs", "").split():
                yield uri, fields.get("Suites", "").split(), fields.get("Signed-By", "")
    for path in ["/etc/apt/sources.list", *sorted(glob.glob("/etc/apt/sources.list.d/*.list"))]:
        if not os.path.exists(path):
            continue
        with open(path, encoding="utf-8") as f:
            for options, uri, suite in re.findall(r"^deb\s+(?:\[(.*?)\]\s+)?(\S+)\s+(\S+)",
                                                  f.read(), re.M):
                signed = re.search(r"signed-by=(\S+)", options)
                yield uri, [suite], signed.group(1) if signed else ""


def source_line(suite):
    """A one-line source of `suite`, from the mirror that the machine has its own suite from."""
    own = codename()
    for uri, suites, keyring in machine_sources():
        if own and own in suites:
            option = f"[signed-by={keyring}] " if keyring.startswith("/") else ""
            return f"deb {option}{uri} {suite} main\n"
    raise Unavailable("this machine's package sources name no mirror of its own Debian suite")


def find_image(folder):
    """(image, release): /boot/vmlinuz-RELEASE, in newer suites /usr/lib/modules/RELEASE/vmlinuz."""
    for image in glob.glob(os.path.join(folder, "root/boot/vmlinuz-*")):
        return image, os.path.basename(image).removeprefix("vmlinuz-")
    for image in glob.glob(os.path.join(folder, "root/usr/lib/modules/*/vmlinuz")):
        return image, os.path.basename(os.path.dirname(image))
    return None, None


def kernel(suite_name, cache):
    """The path of vmlinuz-RELEASE, downloaded where it isn't there yet."""
    folder = os.path.join(cache, suite_name)
    kept = sorted(glob.glob(os.path.join(folder, "vmlinuz-*")))
    if kept:
        return kept[-1]
    suite = Suite(suite_name, cache)
    package = suite.depends(META_PACKAGE, r"linux-image-[0-9][^ ,]*")
    if not package:
        raise Unavailable(f"{suite_name} has no {META_PACKAGE}")
    # Newer suites have the image in a package by itself.
    for _ in range(2):
        suite.unpack(package, folder)
        image, release = find_image(folder)
        if image:
            break
        package = suite.depends(package, r"linux-binary-[0-9][^ ,]*") or package
    else:
        raise Unavailable(f"no kernel in {package}")
    kept = os.path.join(folder, f"vmlinuz-{release}")
    os.replace(image, kept)
    shutil.rmtree(os.path.join(folder, "root"))
    return kept


def apparmor_policy(profile, cache):
    """`profile` in the kernel's form. No running kernel is asked: its features come from a file."""
    folder = os.path.join(cache, "apparmor")
    program = os.path.join(folder, "root/sbin/apparmor_parser")
    if not os.path.exists(program):
        Suite(codename(), cache).unpack("apparmor", folder)
    features = os.path.join(folder, "root/etc/apparmor.d/abi/3.0")
    done = subprocess.run([program, "--skip-kernel-load", "--skip-cache", "--stdout",
                           "--features-file", features, profile],
                          stdin=subprocess.DEVNULL, capture_output=True, timeout=60, check=False)
    if done.returncode != 0 or not done.stdout:
        raise Unavailable("apparmor_parser: " + done.stderr.decode(errors="replace").strip())
    return done.stdout
