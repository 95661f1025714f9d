# SPDX-License-Identifier: MIT
"""A host of the test's own, in namespaces that hold nothing but what the test puts there: conjoin
sees no engine, no socket and no process of the machine's. Cgroups are the machine's. Not here:
hosts that differ by their mounts alone (lib/host.py)."""

import os
import subprocess

from lib import proc
from lib.fixtures import numbers
from lib.poll import wait_for
from lib.program import TIMEOUT, Conjoin, clean_env

USER = 54321
RUNTIME = f"/run/user/{USER}"
HOME = "/run/home"
HIERARCHIES = ("", "name=systemd")
LIB = os.path.dirname(os.path.abspath(__file__))

EMPTY = f"""
mount -t tmpfs -o mode=755 run /run
mount -t tmpfs -o mode=755 lib /var/lib
for at in /etc/lxc /etc/docker /etc/containers; do
    if [ -d $at ]; then mount -t tmpfs -o mode=755 etc $at; fi
done
mkdir -p {RUNTIME} {HOME}
chown {USER}:{USER} {RUNTIME} {HOME}
chmod 700 {RUNTIME} {HOME}
cp /etc/passwd /run/passwd
echo 'tester:x:{USER}:{USER}::{HOME}:/bin/sh' >>/run/passwd
mount --bind /run/passwd /etc/passwd
"""
# By /proc, which is the world's: a shell that is number 1 somewhere tells which number it has here.
TELL = 'read -r pid rest </proc/self/stat; echo "$pid"; exec "$@"'


class World(Conjoin):
    """A context manager: what was started in it ends with it, and its cgroups go."""

    def __init__(self, conjoin, script=""):
        super().__init__(conjoin.path)
        self.slice = f"conjoin_test_{os.getpid()}_{next(numbers)}.slice"
        self.manager = f"{self.slice}/user@{USER}.service"
        self.started, self.made = [], []
        self.keeper = subprocess.Popen(
            ["unshare", "--mount", "--pid", "--net", "--fork", "--mount-proc", "--propagation",
             "private", "sh", "-ec", f"{EMPTY}{script}\necho\nexec cat"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=clean_env())
        assert self.keeper.stdout.readline() == b"\n"
        self.first = proc.children(self.keeper.pid)[0]
        self.enter = ["--mount", "--pid", "--net", f"--target={self.first}", "--"]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.keeper.stdin.close()
        self.keeper.stdout.close()
        self.keeper.wait(TIMEOUT)
        for child in self.started:
            child.stdout.close()
            child.wait(TIMEOUT)
        for path in reversed(self.made):
            wait_for(lambda path=path: removed(path), what=f"rmdir {path}")

    def run(self, *args, before=(), **more):
        """`before`: a command that conjoin is an argument of."""
        return Conjoin("/usr/bin/nsenter").run(*self.enter, *before, self.path, *args,
                                               **{"env": clean_env(), **more})

    def path_of(self, path):
        """The same file, seen from here."""
        return f"/proc/{self.first}/root{path}"

    def write(self, path, text=""):
        os.makedirs(os.path.dirname(self.path_of(path)), exist_ok=True)
        with open(self.path_of(path), "w", encoding="ascii") as f:
            f.write(text)

    def start(self, *command, user=None, within=()):
        """A process: its number there. `within`: a command that it's an argument of."""
        ids = ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups"] if user else []
        child = subprocess.Popen(
            ["nsenter", *self.enter, *ids, *within, "sh", "-c", TELL, "sh", *map(str, command)],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, env=clean_env())
        self.started.append(child)
        return int(child.stdout.readline())

    def script(self, name, *args, title="python3", **more):
        """Starts lib/NAME by that title: the first line that it writes."""
        self.start("bash", "-c", 'exec -a "$0" /usr/bin/python3 "$@"', title,
                   os.path.join(LIB, name), *args, **more)
        return self.started[-1].stdout.readline().decode()

    def sleep(self, **more):
        return self.start("sleep", "100000", **more)

    def put(self, path, pid):
        """Moves a process into that cgroup of each hierarchy in which units have cgroups."""
        tops = filter(None, (proc.cgroup_directory(name, "/") for name in HIERARCHIES))
        for top in tops:
            full = top
            for part in path.split("/"):
                full = os.path.join(full, part)
                if not os.path.isdir(full):
                    os.mkdir(full)
                    self.made.append(full)
            self.call("sh", "-c", 'echo "$1" >"$2/cgroup.procs"', "sh", str(pid), full)
        return pid

    def call(self, *command):
        """Runs it to its end: what it wrote."""
        return subprocess.run(["nsenter", *self.enter, *command], stdout=subprocess.PIPE, text=True,
                              check=True, timeout=TIMEOUT).stdout

    def namespace(self, pid, kind):
        """As readlink(1) tells it."""
        return self.call("readlink", f"/proc/{pid}/ns/{kind}")

    def assert_enters(self, target, pid, *options, kind="pid", **more):
        """Enters `target`, which has to be that process's namespace."""
        done = self.run("exec", *options, target, "readlink", f"/proc/self/ns/{kind}", **more)
        assert (done.returncode, done.stdout) == (0, self.namespace(pid, kind)), done


def removed(path):
    try:
        os.rmdir(path)
    except OSError:
        return False
    return True
