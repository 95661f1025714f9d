# SPDX-License-Identifier: MIT
"""Containers made by the real runc and crun, from a bundle that is like Docker's."""

import json
import os
import shutil
import subprocess

from lib import proc
from lib.poll import wait_for
from lib.program import clean_env
from lib.sandbox import Container

DOCKER_CAPS = [
    "CAP_" + name
    for name in (
        "CHOWN DAC_OVERRIDE FSETID FOWNER MKNOD NET_RAW SETGID SETUID SETFCAP SETPCAP "
        "NET_BIND_SERVICE SYS_CHROOT KILL AUDIT_WRITE"
    ).split()
]
TIMEOUT = 60


def docker_like(config):
    """Turns what `runc spec` prints into what Docker would ask for, filter included."""
    process = config["process"]
    process["terminal"] = False
    process["args"] = ["sleep", "100000"]
    process["noNewPrivileges"] = False
    process["capabilities"] = {
        key: list(DOCKER_CAPS) for key in ("bounding", "effective", "permitted")
    }
    config["hostname"] = "box"
    config["linux"]["seccomp"] = docker_like_seccomp()


class OciContainer(Container):
    """`change(config)` edits the bundle's config.json before the container is made."""

    def __init__(self, runtime, name, bundle, rootfs, change=None):
        self.runtime, self.name, self.bundle = runtime, name, bundle
        self.config = self._write_bundle(rootfs, change)
        pid_file = os.path.join(bundle, "pid")
        self._made = True
        done = self.call(
            "run", "--detach", "--bundle", bundle, "--pid-file", pid_file, name, check=False
        )
        if done.returncode != 0:
            self.delete()
            raise RuntimeError(f"{runtime.name} run {name}: {done.stderr}")
        with open(pid_file, encoding="ascii") as f:
            self.pid = int(f.read())

    def _write_bundle(self, rootfs, change):
        # runc's template for both: crun's asks for a cgroup mount that hybrid machines don't have
        subprocess.run([self.runtime.template, "spec"], cwd=self.bundle, check=True)
        path = os.path.join(self.bundle, "config.json")
        with open(path, encoding="utf-8") as f:
            config = json.load(f)
        config["root"]["path"] = rootfs
        docker_like(config)
        if change:
            change(config)
        if not config["root"].get("readonly"):  # the shared one must stay as it is
            config["root"]["path"] = os.path.join(self.bundle, "rootfs")
            subprocess.run(["cp", "-a", rootfs, config["root"]["path"]], check=True)
        with open(path, "w", encoding="utf-8") as f:
            json.dump(config, f)
        return config

    def call(self, *args, check=True):
        """Runs `RUNTIME ARGS…`. Its output goes to a file: the container keeps our stdout."""
        output = os.path.join(self.bundle, "output")
        with open(output, "wb") as f:
            done = subprocess.run(
                [*self.runtime.command, *args], cwd=self.bundle, env=clean_env(), timeout=TIMEOUT,
                stdin=subprocess.DEVNULL, stdout=f, stderr=f, check=False,
            )
        with open(output, encoding="utf-8", errors="replace") as f:
            done.stderr = f.read()
        if check and done.returncode != 0:
            raise RuntimeError(f"{self.runtime.name} {' '.join(args)}: {done.stderr}")
        return done

    def exec(self, *command, options=(), text=True):
        """What the runtime's own exec gives: CompletedProcess with stdout and stderr."""
        return subprocess.run(
            [*self.runtime.command, "exec", *options, self.name, *command], cwd=self.bundle,
            env=clean_env(), timeout=TIMEOUT, stdin=subprocess.DEVNULL, capture_output=True,
            text=text, check=False,
        )

    def delete(self):
        """Ends it, whatever state it is in. Can be called again."""
        if not self._made:
            return
        self._made = False
        if self.pid and self.alive():
            try:
                self.thaw()
            except (OSError, KeyError, AssertionError):
                pass  # it has no freezer, or has just ended
        self.call("delete", "--force", self.name, check=False)
        if self.pid:
            wait_for(lambda: not self.alive(), what=f"end of {self.runtime.name} {self.name}")


class Runtime:
    """One installed runtime. `command` is how it is called on this machine."""

    def __init__(self, name, scratch):
        self.name = name
        self.path = shutil.which(name)
        self.template = shutil.which("runc") or self.path
        self.command = [self.path]
        if name == "crun" and is_hybrid():
            self.command = ["unshare", "-m", "sh", crun_wrapper(scratch), self.path]


def is_hybrid():
    return {mount["type"] for mount in proc.cgroup_mounts()} == {"cgroup", "cgroup2"}


def crun_wrapper(scratch):
    """A script that shows crun the v1 hierarchies only: with a v2 controller beside them it
    refuses. Run in a mount namespace of its own, so the machine's mounts stay as they are."""
    stage = os.path.join(scratch, "cgroup-v1")
    script = os.path.join(scratch, "crun-on-hybrid.sh")
    if os.path.exists(script):
        return script
    os.makedirs(stage, exist_ok=True)
    lines = ["set -e", "mount --make-rprivate /", f"mount -t tmpfs tmpfs {stage}"]
    for mount in proc.cgroup_mounts():
        if mount["type"] == "cgroup":
            point = os.path.join(stage, os.path.basename(mount["point"]))
            lines += [f"mkdir {point}", f"mount --bind {mount['point']} {point}"]
    lines += [f"mount --move {stage} /sys/fs/cgroup", 'exec "$@"']
    with open(script, "w", encoding="utf-8") as f:
        f.write("\n".join(lines) + "\n")
    return script


# What Docker's default profile lets through, by subject. Names that a libseccomp doesn't know are
# skipped by the runtimes, and must be skipped by conjoin.
ALLOWED = """
open openat openat2 creat close close_range read write pread64 pwrite64 readv writev preadv pwritev
preadv2 pwritev2 lseek _llseek dup dup2 dup3 fcntl fcntl64 flock fsync fdatasync sync syncfs
sync_file_range truncate truncate64 ftruncate ftruncate64 fallocate fadvise64 fadvise64_64 readahead
sendfile sendfile64 splice tee vmsplice copy_file_range ioctl pipe pipe2 cachestat
stat stat64 lstat lstat64 fstat fstat64 newfstatat fstatat64 statx statfs statfs64 fstatfs fstatfs64
access faccessat faccessat2 readlink readlinkat getdents getdents64 getcwd chdir fchdir mkdir
mkdirat
rmdir rename renameat renameat2 link linkat unlink unlinkat symlink symlinkat mknod mknodat chmod
fchmod fchmodat fchmodat2 chown chown32 fchown fchown32 lchown lchown32 fchownat umask utime utimes
utimensat utimensat_time64 futimesat getxattr lgetxattr fgetxattr setxattr lsetxattr fsetxattr
listxattr llistxattr flistxattr removexattr lremovexattr fremovexattr name_to_handle_at
inotify_init inotify_init1 inotify_add_watch inotify_rm_watch fanotify_mark
mmap mmap2 munmap mremap mprotect madvise msync mincore mlock mlock2 mlockall munlock munlockall brk
remap_file_pages memfd_create memfd_secret membarrier pkey_alloc pkey_free pkey_mprotect
map_shadow_stack
fork vfork execve execveat exit exit_group wait4 waitid waitpid kill tkill tgkill ptrace
process_vm_readv process_vm_writev process_mrelease pidfd_open pidfd_send_signal set_tid_address
set_robust_list get_robust_list futex futex_time64 futex_waitv futex_wake futex_wait futex_requeue
rseq
restart_syscall prctl arch_prctl modify_ldt seccomp capget capset getpid getppid gettid getpgid
getpgrp
getsid setpgid setsid getuid getuid32 geteuid geteuid32 getgid getgid32 getegid getegid32 getresuid
getresuid32 getresgid getresgid32 getgroups getgroups32 setuid setuid32 setgid setgid32 setreuid
setreuid32 setregid setregid32 setresuid setresuid32 setresgid setresgid32 setfsuid setfsuid32
setfsgid
setfsgid32 setgroups setgroups32 set_thread_area get_thread_area
getrlimit ugetrlimit setrlimit prlimit64 getrusage getpriority setpriority ioprio_get ioprio_set
sched_yield sched_getaffinity sched_setaffinity sched_getattr sched_setattr sched_getparam
sched_setparam sched_getscheduler sched_setscheduler sched_get_priority_max sched_get_priority_min
sched_rr_get_interval sched_rr_get_interval_time64 getcpu uname sysinfo getrandom chroot
landlock_create_ruleset landlock_add_rule landlock_restrict_self
rt_sigaction rt_sigprocmask rt_sigpending rt_sigsuspend rt_sigreturn rt_sigqueueinfo
rt_tgsigqueueinfo
rt_sigtimedwait rt_sigtimedwait_time64 sigaltstack sigprocmask sigreturn signalfd signalfd4 pause
alarm
eventfd eventfd2 epoll_create epoll_create1 epoll_ctl epoll_ctl_old epoll_wait epoll_wait_old
epoll_pwait epoll_pwait2 poll ppoll ppoll_time64 select _newselect pselect6 pselect6_time64
io_setup io_destroy io_submit io_cancel io_getevents io_pgetevents io_pgetevents_time64
time times gettimeofday clock_gettime clock_gettime64 clock_getres clock_getres_time64
clock_nanosleep clock_nanosleep_time64 nanosleep clock_adjtime clock_adjtime64 adjtimex getitimer
setitimer timer_create timer_delete timer_getoverrun timer_gettime timer_gettime64 timer_settime
timer_settime64 timerfd_create timerfd_gettime timerfd_gettime64 timerfd_settime timerfd_settime64
socketcall socketpair bind listen accept accept4 connect shutdown getsockname getpeername getsockopt
setsockopt send sendto sendmsg sendmmsg recv recvfrom recvmsg recvmmsg recvmmsg_time64
ipc shmget shmat shmdt shmctl semget semop semtimedop semtimedop_time64 semctl msgget msgsnd msgrcv
msgctl mq_open mq_unlink mq_notify mq_getsetattr mq_timedsend mq_timedsend_time64 mq_timedreceive
mq_timedreceive_time64
""".split()

NEW_NAMESPACES = 0x7E020000  # every CLONE_NEW… of clone(2)
ENOSYS = 38
VSOCK = 40


def docker_like_seccomp():
    """`linux.seccomp` of an OCI config: refused with EPERM unless allowed, like Docker's."""
    rules = [{"names": ALLOWED, "action": "SCMP_ACT_ALLOW"}]
    for persona in (0x0, 0x8, 0x20000, 0x20008, 0xFFFFFFFF):
        rules.append(rule("personality", persona, "SCMP_CMP_EQ"))
    rules.append(rule("socket", VSOCK, "SCMP_CMP_NE"))
    clone = rule("clone", NEW_NAMESPACES, "SCMP_CMP_MASKED_EQ")
    clone["args"][0]["valueTwo"] = 0
    rules.append(clone)
    rules.append({"names": ["clone3"], "action": "SCMP_ACT_ERRNO", "errnoRet": ENOSYS})
    return {
        "defaultAction": "SCMP_ACT_ERRNO",
        "defaultErrnoRet": 1,
        "architectures": ARCHITECTURES.get(os.uname().machine, []),
        "syscalls": rules,
    }


ARCHITECTURES = {
    "x86_64": ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"],
    "aarch64": ["SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM"],
}


def rule(name, value, operator):
    return {
        "names": [name],
        "action": "SCMP_ACT_ALLOW",
        "args": [{"index": 0, "value": value, "op": operator}],
    }
