/* SPDX-License-Identifier: MIT
 *
 * A container of our own, for the tests and the demo: eight new namespaces, its own cgroups and
 * whatever identity a test wants, without a container runtime. The choreography is in sandbox.h.
 * Not here: safety against a hostile ROOTFS. It's our own.
 */
#include "sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#define SEALS (F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL)

#define PIDFS_MAGIC 0x50494446 /* linux/magic.h, PID_FS_MAGIC */

enum message_type { MESSAGE_GO, MESSAGE_UNSHARED, MESSAGE_MADE, MESSAGE_FAILED };

struct message {
	enum message_type type;
	pid_t pid;
	struct failure why;
};

/* What the supervisor holds. */
struct run {
	struct sandbox box;
	struct cgroups groups;
	int control;
	pid_t builder, container;
	int pidfd;
	sigset_t old_signals, signals;
};

int fail(struct failure *why, int code, const char *format, ...)
{
	va_list args;

	if (why->code == 0) {
		why->code = code;
		va_start(args, format);
		(void)vsnprintf(why->text, sizeof(why->text), format, args);
		va_end(args);
	}
	return -code;
}

static int post(int fd, const struct message *message)
{
	return send(fd, message, sizeof(*message), MSG_NOSIGNAL) < 0 ? -errno : 0;
}

/* 0: nobody is there any more. */
static int receive(int fd, struct message *ret)
{
	ssize_t n;

	do
		n = recv(fd, ret, sizeof(*ret), 0);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n == (ssize_t)sizeof(*ret);
}

/* --- between ---------------------------------------------------------------------------------- */

static int wait_for_go(int control)
{
	struct message message;

	return receive(control, &message) == 1 && message.type == MESSAGE_GO ? 0 : -ESRCH;
}

static int build(struct run *run, struct failure *why)
{
	struct message message = {.type = MESSAGE_UNSHARED};
	int r;

	r = wait_for_go(run->control);
	if (r < 0)
		return fail(why, -r, "the supervisor is gone");
	r = identity_outside(&run->box, why);
	if (r < 0)
		return r;
	if (unshare((int)run->box.namespaces) < 0)
		return fail(why, errno, "make namespaces");
	if (post(run->control, &message) < 0 || wait_for_go(run->control) < 0)
		return fail(why, ESRCH, "the supervisor is gone");
	/* CLONE_PARENT: the supervisor's own child, though made by us */
	message.pid = (pid_t)syscall(SYS_clone, CLONE_PARENT | SIGCHLD, 0, 0, 0, 0);
	if (message.pid < 0)
		return fail(why, errno, "make the container's first process");
	if (message.pid == 0)
		return inside_run(&run->box, run->control, &run->old_signals, why);
	message.type = MESSAGE_MADE;
	(void)post(run->control, &message);
	_exit(0);
}

/* --- outside ---------------------------------------------------------------------------------- */

/*
 * A copy that nothing inside can write to: a test's hostile container reaches the file of the init
 * through /proc/1/exe (CVE-2019-5736).
 */
static int copy_self(struct failure *why)
{
	_cleanup_fd_ int from = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	_cleanup_fd_ int to = memfd_create("sandbox", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	ssize_t n;

	if (from < 0 || to < 0)
		return fail(why, errno, "copy this program");
	while ((n = sendfile(to, from, NULL, 1 << 20)) > 0)
		;
	if (n < 0)
		return fail(why, errno, "copy this program");
	/* EBUSY: the kernel has hold of a page for the moment. */
	for (int i = 0; fcntl(to, F_ADD_SEALS, SEALS) < 0; i++) {
		if (errno != EBUSY || i == 100)
			return fail(why, errno, "seal the copy of this program");
		(void)poll(NULL, 0, 10);
	}
	/* above what execute() uses */
	int high = fcntl(to, F_DUPFD_CLOEXEC, 16);

	return high < 0 ? fail(why, errno, "copy this program") : high;
}

static int write_proc(pid_t pid, const char *name, const char *text, struct failure *why)
{
	char path[64];
	int r;

	(void)snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
	r = write_file(path, text);
	return r < 0 ? fail(why, -r, "write %s of the container", name) : 0;
}

static int write_maps(const struct sandbox *box, pid_t pid, struct failure *why)
{
	char uids[96], gids[96];
	int r;

	if (!(box->namespaces & CLONE_NEWUSER))
		return 0;
	if (box->map_self) {
		(void)snprintf(uids, sizeof(uids), "%lld %u 1\n", box->uid, geteuid());
		(void)snprintf(gids, sizeof(gids), "%lld %u 1\n", box->gid, getegid());
		r = write_proc(pid, "setgroups", "deny", why);
		if (r < 0)
			return r;
	} else {
		(void)snprintf(uids, sizeof(uids), "0 %lld %lld\n", box->map_base, box->map_size);
		memcpy(gids, uids, sizeof(gids));
	}
	r = write_proc(pid, "gid_map", gids, why);
	return r < 0 ? r : write_proc(pid, "uid_map", uids, why);
}

static int write_clocks(const struct sandbox *box, pid_t pid, struct failure *why)
{
	char text[128];

	if (!(box->namespaces & CLONE_NEWTIME))
		return 0;
	(void)snprintf(text, sizeof(text), "monotonic %lld 0\nboottime %lld 0\n", box->monotonic,
		       box->boottime);
	return write_proc(pid, "timens_offsets", text, why);
}

static int start_builder(struct run *run, struct failure *why)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return fail(why, errno, "make a socket pair");
	run->builder = fork();
	if (run->builder < 0)
		return fail(why, errno, "fork");
	if (run->builder == 0) {
		struct message message = {.type = MESSAGE_FAILED};

		(void)close(pair[0]);
		run->control = pair[1];
		(void)build(run, &message.why); /* returns only with a failure */
		(void)post(run->control, &message);
		_exit(SANDBOX_FAILED);
	}
	(void)close(pair[1]);
	run->control = pair[0];
	return 0;
}

/* Answers what comes up the socket, until its end says that the container runs. */
static int follow_start(struct run *run, struct failure *why)
{
	struct message message = {.type = MESSAGE_GO}, go = {.type = MESSAGE_GO};
	int r;

	for (;;) {
		r = receive(run->control, &message);
		if (r < 0)
			return fail(why, -r, "talk to the container");
		if (r == 0)
			break;
		switch (message.type) {
		case MESSAGE_UNSHARED:
			r = write_maps(&run->box, run->builder, why);
			if (r == 0)
				r = write_clocks(&run->box, run->builder, why);
			if (r < 0)
				return r;
			(void)post(run->control, &go);
			break;
		case MESSAGE_MADE:
			run->container = message.pid;
			break;
		default:
			*why = message.why;
			return -EIO;
		}
	}
	if (run->container <= 0)
		return fail(why, ECHILD, "the builder ended early");
	(void)waitpid(run->builder, NULL, 0);
	run->builder = 0;
	return 0;
}

static int start(struct run *run, struct failure *why)
{
	const struct message go = {.type = MESSAGE_GO};
	int r;

	if (chdir(run->box.rootfs) < 0)
		return fail(why, errno, "enter %s", run->box.rootfs);
	r = run->box.self_fd = copy_self(why);
	if (r < 0)
		return r;
	r = owners_collect(&run->box, why);
	if (r == 0 && !run->box.no_cgroup)
		r = cgroups_make(&run->box, &run->groups, why);
	if (r == 0)
		r = start_builder(run, why);
	if (r == 0)
		r = cgroups_attach(&run->groups, run->builder, why);
	if (r < 0)
		return r;
	(void)post(run->control, &go);
	r = follow_start(run, why);
	if (r < 0)
		return r;
	run->pidfd = (int)syscall(SYS_pidfd_open, run->container, 0);
	if (run->pidfd < 0)
		return fail(why, errno, "open the container's first process");
	return run->box.freeze ? cgroups_freeze(&run->groups, why) : 0;
}

static void print_string(const char *text)
{
	putchar('"');
	for (; *text; text++)
		if (*text == '"' || *text == '\\')
			printf("\\%c", *text);
		else if ((unsigned char)*text < 0x20)
			printf("\\u%04x", (unsigned char)*text);
		else
			putchar(*text);
	putchar('"');
}

/* PID:INODE where pidfds have inodes of their own (6.9), which nobody can reuse. */
static void print_handle(const struct run *run)
{
	struct statfs fs;
	struct stat st;

	if (fstatfs(run->pidfd, &fs) == 0 && fs.f_type == PIDFS_MAGIC &&
	    fstat(run->pidfd, &st) == 0)
		printf(",\"handle\":\"%d:%ju\"", run->container, (uintmax_t)st.st_ino);
}

/* "cgroups": paths as in /proc/PID/cgroup, seen from here; "cgroup_dirs": where they are mounted. */
static void print_cgroups(const struct run *run)
{
	_cleanup_file_ FILE *file = NULL;
	char path[64], line[PATH_MAX + 256];
	const char *comma = "";

	(void)snprintf(path, sizeof(path), "/proc/%d/cgroup", run->container);
	file = fopen(path, "re");
	printf(",\"cgroups\":{");
	while (file && fgets(line, sizeof(line), file)) {
		char *list = strchr(line, ':'), *at = list ? strchr(list + 1, ':') : NULL;

		if (!at)
			continue;
		*at++ = '\0';
		at[strcspn(at, "\n")] = '\0';
		printf("%s", comma);
		print_string(list + 1);
		putchar(':');
		print_string(at);
		comma = ",";
	}
	printf("},\"cgroup_dirs\":{");
	for (size_t i = 0; i < run->groups.n; i++) {
		printf("%s", i ? "," : "");
		print_string(run->groups.list[i].controllers);
		putchar(':');
		print_string(run->groups.list[i].leaf);
	}
	putchar('}');
}

static void print_ready(const struct run *run)
{
	const char *name, *comma = "";
	int flag;

	printf("{\"pid\":%d", run->container);
	print_handle(run);
	print_cgroups(run);
	printf(",\"ns\":{");
	for (size_t i = 0; (name = namespace_name(i, &flag)); i++) {
		struct stat st;
		char path[64];

		(void)snprintf(path, sizeof(path), "/proc/%d/ns/%s", run->container, name);
		if (stat(path, &st) < 0)
			continue;
		printf("%s\"%s\":%ju", comma, name, (uintmax_t)st.st_ino);
		comma = ",";
	}
	printf("}}\n");
	(void)fflush(stdout);
}

/* Until the container ends or somebody wants its end. Returns whether it ended by itself. */
static bool supervise(struct run *run)
{
	_cleanup_fd_ int signals = signalfd(-1, &run->signals, SFD_CLOEXEC);
	struct pollfd p[] = {
		{.fd = run->pidfd, .events = POLLIN},
		{.fd = signals, .events = POLLIN},
		{.fd = run->box.until_eof ? 0 : -1, .events = POLLIN},
	};
	char ignored[4096];

	for (;;) {
		if (poll(p, ELEMENTS(p), -1) < 0 && errno != EINTR)
			return false;
		if (p[0].revents)
			return true;
		if (p[1].revents)
			return false;
		if (p[2].revents && read(0, ignored, sizeof(ignored)) <= 0)
			return false;
	}
}

/* Kills what is left, waits for it, removes the cgroups. Returns the container's wait status. */
static int finish(struct run *run)
{
	int status = 0;

	if (run->container > 0)
		(void)kill(run->container, SIGKILL); /* ours and unreaped: the number is safe */
	if (run->builder > 0) {
		(void)kill(run->builder, SIGKILL);
		(void)waitpid(run->builder, NULL, 0);
	}
	cgroups_thaw(&run->groups); /* a frozen process doesn't die on v1, and we'd wait for ever */
	if (run->container > 0)
		(void)waitpid(run->container, &status, 0);
	(void)cgroups_remove(&run->groups);
	close_fd(&run->pidfd);
	close_fd(&run->control);
	for (size_t i = 0; i < run->box.n_owners; i++)
		free(run->box.owners[i].path);
	free(run->box.owners);
	free(run->box.env);
	free(run->box.env_file);
	return status;
}

static void block_signals(struct run *run)
{
	static const int wanted[] = {SIGTERM, SIGINT, SIGHUP, SIGPIPE};

	(void)sigemptyset(&run->signals);
	for (size_t i = 0; i < ELEMENTS(wanted); i++)
		(void)sigaddset(&run->signals, wanted[i]);
	(void)sigprocmask(SIG_BLOCK, &run->signals, &run->old_signals);
}

static int complain(const struct failure *why)
{
	fprintf(stderr, "sandbox: %s: %s\n", why->text, strerror(why->code));
	return SANDBOX_FAILED;
}

int main(int argc, char **argv)
{
	struct run run = {.control = -EBADF, .pidfd = -EBADF};
	struct failure why = {.code = 0};
	bool by_itself = false;
	int status;

	if (argc == 2 && strcmp(argv[1], "--init") == 0)
		return inside_init(argv[0]);
	if (options_parse(&run.box, argc, argv, &why) < 0)
		return complain(&why);
	if (run.box.help) {
		options_usage();
		return 0;
	}
	if (run.box.cleanup)
		return cgroups_cleanup(&why) < 0 ? complain(&why) : 0;

	/* whatever our caller forgot to close must not show up in the container */
	(void)syscall(SYS_close_range, 3, ~0U, 0);
	block_signals(&run);
	if (start(&run, &why) == 0) {
		print_ready(&run);
		by_itself = supervise(&run);
	}
	status = finish(&run);
	if (why.code)
		return complain(&why);
	if (!by_itself)
		return 0;
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}
