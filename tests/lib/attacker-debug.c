/* SPDX-License-Identifier: MIT
 *
 * A container that tries to reach the host by way of `conjoin debug`: every way to open a process that
 * isn't one of its own, again and again, for as long as that lives. Each worker is somebody else: as the
 * container is, another user, a set-user-ID program, a thread, a process in a nested pid namespace.
 * Not here: whether it should succeed (tests/integration/test_debug_guard.py).
 *
 *	attacker-debug [--marker PATH] [--token WORD] [--init-drops] [--host-pids] WORKER…
 *
 *	as-is           with the rights of the container
 *	uid:UID:GID     after setresgid(2) and setresuid(2), keeping what capabilities it may
 *	exec:FILE       by executing FILE, a copy of this program with the set-user-ID bit
 *	thread          a thread, whose process's main thread is without CAP_SYS_PTRACE
 *	nested          in a pid namespace of its own, by the /proc of the outer one
 *	inner           attacks nobody: a first process of a nested container, to be a target
 *
 * The marker is a file that only the host has, the token a word of the command lines that are started.
 * With --init-drops the first process gives CAP_SYS_PTRACE up once the workers are there.
 *
 * SIGUSR1 makes it stop and write down how often which way was open, and whom each worker saw.
 */
#include "attacker-debug.h"

#include <dirent.h>
#include <fcntl.h>
#include <getopt.h>
#include <linux/capability.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../src/base/cleanup.h"

#define SHARED "/tmp/attacker-debug.shared"

enum { WAYS_MAX = 24, WORKERS_MAX = 8, VICTIMS_MAX = 32, AHEAD = 4, RESYNC = 64 };

/* What all workers count in, set-user-ID programs too: a file. */
struct shared {
	bool begin, stop;
	bool host_pids; /* the pid namespace isn't ours alone: only who has the token is attacked */
	int ready;
	pid_t first; /* the last number that is ours */
	unsigned long opened[WAYS_MAX];
	struct {
		unsigned long victims, tries;
	} of[WORKERS_MAX];
};

static volatile struct shared *shared;
static const char *marker = "/nowhere", *token = "";
static int number; /* of this worker */

/* --- victims --- */

/* Anybody may read stat and cmdline. */
static bool is_alive(const struct victim *v)
{
	_cleanup_fd_ int fd = openat(v->proc, "stat", O_RDONLY | O_CLOEXEC);
	char text[256];
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	const char *at;

	text[n < 0 ? 0 : n] = '\0';
	at = strrchr(text, ')');
	return at && at[1] && at[2] != 'Z' && at[2] != 'X';
}

static bool is_meant(const struct victim *v)
{
	_cleanup_fd_ int fd = openat(v->proc, "cmdline", O_RDONLY | O_CLOEXEC);
	char text[4096];
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text));

	return n > 0 && memmem(text, (size_t)n, token, strlen(token));
}

/* All ways once. They count if it was there before and is there afterwards, or if one was open. */
static void attack(const struct victim *v, bool nested)
{
	static unsigned int turn;
	unsigned long tries = 0, opened = 0;

	turn++; /* what is tried first has the best chances with one that is just born or ending */
	for (size_t i = 0; i < n_ways; i++) {
		size_t k = (i + turn) % n_ways;

		if (ways[k].by_number && nested)
			continue;
		tries++;
		if (ways[k].open(v)) {
			opened++;
			(void)__atomic_add_fetch(&shared->opened[k], 1, __ATOMIC_RELAXED);
		}
	}
	if (opened || is_alive(v))
		shared->of[number].tries += tries;
}

/* The greatest number of /proc: of the pid namespace that this belongs to. */
static pid_t greatest_pid(void)
{
	_cleanup_dir_ DIR *dir = opendir("/proc");
	const struct dirent *entry;
	pid_t last = 0;

	while (dir && (entry = readdir(dir))) {
		pid_t pid = (pid_t)strtol(entry->d_name, NULL, 10);

		last = pid > last ? pid : last;
	}
	return last;
}

/* The number that was given out last: proc_loadavg(5), which tells of the reader's pid namespace. */
static pid_t last_pid(bool nested)
{
	_cleanup_fd_ int fd = open("/proc/loadavg", O_RDONLY | O_CLOEXEC);
	char text[128];
	ssize_t n = fd < 0 || nested ? -1 : read(fd, text, sizeof(text) - 1);
	const char *at;

	if (n <= 0)
		return greatest_pid();
	text[n] = '\0';
	at = strrchr(text, ' ');
	return at ? (pid_t)strtol(at, NULL, 10) : 0;
}

/* Numbers are given out in order: the next ones are asked for again and again. */
static void find_victims(struct victim list[VICTIMS_MAX], pid_t *cursor, bool nested)
{
	static unsigned int round;

	for (pid_t pid = *cursor + 1; pid <= *cursor + AHEAD; pid++) {
		char path[32];
		int fd;

		(void)snprintf(path, sizeof(path), "/proc/%d", pid);
		fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (fd < 0)
			continue;
		*cursor = pid;
		for (int i = 0; i < VICTIMS_MAX; i++)
			if (list[i].proc < 0) {
				list[i] = (struct victim){.pid = pid, .proc = fd, .marker = marker};
				return;
			}
		close_fd(&fd);
	}
	if (++round % RESYNC == 0) {
		pid_t last = last_pid(nested);

		/* too late for some, or the numbers have begun again */
		if (last > *cursor + AHEAD || (last < *cursor && !nested))
			*cursor = last - AHEAD;
	}
}

static void work(bool nested)
{
	struct victim list[VICTIMS_MAX];
	pid_t cursor;

	for (int i = 0; i < VICTIMS_MAX; i++)
		list[i].proc = -EBADF;
	(void)__atomic_add_fetch(&shared->ready, 1, __ATOMIC_SEQ_CST);
	while (!shared->begin)
		(void)sched_yield();
	cursor = shared->first;
	while (!shared->stop) {
		find_victims(list, &cursor, nested);
		for (int i = 0; i < VICTIMS_MAX; i++) {
			struct victim *v = &list[i];

			if (v->proc < 0)
				continue;
			if (!v->meant && is_meant(v)) {
				v->meant = true;
				shared->of[number].victims++;
			}
			if (v->meant || !shared->host_pids)
				attack(v, nested);
			if (!is_alive(v))
				close_fd(&v->proc);
		}
	}
}

/* --- workers --- */

static void drop_ptrace(void)
{
	struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
	struct __user_cap_data_struct data[2];
	const uint32_t bit = 1U << CAP_SYS_PTRACE;

	(void)prctl(PR_CAPBSET_DROP, CAP_SYS_PTRACE, 0, 0, 0);
	if (syscall(SYS_capget, &header, data) < 0)
		_exit(1);
	data[0].permitted &= ~bit;
	data[0].effective &= ~bit;
	data[0].inheritable &= ~bit;
	if (syscall(SYS_capset, &header, data) < 0)
		_exit(1);
}

/* All that is permitted becomes effective again, which setresuid(2) has taken. capabilities(7) */
static void raise_all(void)
{
	struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
	struct __user_cap_data_struct data[2];

	if (syscall(SYS_capget, &header, data) < 0)
		return;
	data[0].effective = data[0].permitted;
	data[1].effective = data[1].permitted;
	(void)syscall(SYS_capset, &header, data);
}

static void work_as(const char *ids)
{
	char *end;
	uid_t uid = (uid_t)strtoul(ids, &end, 10);
	gid_t gid = *end == ':' ? (gid_t)strtoul(end + 1, NULL, 10) : uid;

	(void)prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0);
	(void)!syscall(SYS_setresgid, gid, gid, gid); /* where it may; else it tries as it is */
	(void)!syscall(SYS_setresuid, uid, uid, uid);
	raise_all();
	work(false);
}

static void *work_in_thread(void *data)
{
	work(false);
	return data;
}

static void work_threaded(void)
{
	pthread_t id;

	if (pthread_create(&id, NULL, work_in_thread, NULL) != 0)
		_exit(1);
	drop_ptrace();
	(void)pthread_join(id, NULL);
}

static void work_nested(bool attacks)
{
	if (unshare(CLONE_NEWPID) < 0)
		_exit(1);
	if (fork() == 0) {
		if (attacks)
			work(true);
		(void)__atomic_add_fetch(&shared->ready, 1, __ATOMIC_SEQ_CST);
		while (!shared->stop)
			pause();
		_exit(0);
	}
	(void)wait(NULL);
}

static void run_worker(const char *name)
{
	char text[16];

	(void)snprintf(text, sizeof(text), "%d", number);
	if (strncmp(name, "uid:", 4) == 0)
		work_as(name + 4);
	else if (strncmp(name, "exec:", 5) == 0)
		(void)execl(name + 5, "attacker-debug", "--marker", marker, "--token", token,
			    "--worker", text, NULL);
	else if (strcmp(name, "thread") == 0)
		work_threaded();
	else if (strcmp(name, "nested") == 0 || strcmp(name, "inner") == 0)
		work_nested(name[0] == 'n');
	else
		work(false);
}

static void open_shared(bool create)
{
	int fd = open(SHARED, O_RDWR | O_CLOEXEC | (create ? O_CREAT | O_TRUNC : 0), 0666);

	if (fd < 0 || (create && ftruncate(fd, sizeof(*shared)) < 0))
		_exit(1);
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (shared == MAP_FAILED)
		_exit(1);
	close_fd(&fd);
}

static void report(int workers)
{
	for (size_t i = 0; i < n_ways; i++)
		if (shared->opened[i])
			dprintf(2, "OPENED %s %lu\n", ways[i].name, shared->opened[i]);
	for (int i = 0; i < workers; i++)
		dprintf(2, "WORKER %lu %lu\n", shared->of[i].victims, shared->of[i].tries);
	dprintf(2, "DONE\n");
}

/* The first process: whoever appears once all workers are there isn't ours. */
static int lead(char **names, bool drops)
{
	int n = 0, sig;
	sigset_t set;

	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGUSR1);
	(void)sigprocmask(SIG_BLOCK, &set, NULL);
	for (; names[n] && n < WORKERS_MAX; n++) {
		number = n;
		if (fork() == 0) {
			run_worker(names[n]);
			_exit(0);
		}
	}
	if (drops)
		drop_ptrace();
	while (shared->ready < n)
		(void)sched_yield();
	shared->first = last_pid(false);
	shared->begin = true;
	dprintf(2, "READY\n");
	while (sigwait(&set, &sig) == 0 && sig != SIGUSR1)
		;
	shared->stop = true;
	report(n);
	for (;;)
		(void)sigwait(&set, &sig);
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{"marker", required_argument, NULL, 'm'}, {"token", required_argument, NULL, 't'},
		{"init-drops", no_argument, NULL, 'd'},	  {"host-pids", no_argument, NULL, 'h'},
		{"worker", required_argument, NULL, 'w'}, {0},
	};
	bool drops = false, host_pids = false, worker = false;
	int c;

	while ((c = getopt_long(argc, argv, "+", options, NULL)) != -1) {
		if (c == 'm')
			marker = optarg;
		else if (c == 't')
			token = optarg;
		else if (c == 'd')
			drops = true;
		else if (c == 'h')
			host_pids = true;
		else if (c == 'w' && (worker = true))
			number = (int)strtol(optarg, NULL, 10);
		else
			return 2;
	}
	(void)umask(0);
	open_shared(!worker);
	if (n_ways > WAYS_MAX)
		return 1;
	if (worker) {
		work(false);
		return 0;
	}
	shared->host_pids = host_pids;
	return lead(argv + optind, drops);
}
