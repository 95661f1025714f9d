/* SPDX-License-Identifier: MIT */
#include "sys/walk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/format.h"
#include "base/grow.h"
#include "base/io.h"
#include "base/parse.h"
#include "sys/proc.h"

enum {
	STATUS_ROOM = 8192,	/* what a process without thousands of groups needs */
	STATUS_LIMIT = 1 << 20, /* 65536 groups */
	CHECK_EVERY = 256,	/* processes; nobody starts 30,000 others meanwhile */
	MARGIN = 64,  /* numbers given out before the walk, to processes not yet in /proc */
	ROUNDS = 200, /* of the second look; each takes some 20 microseconds */
	SECOND_LOOK_MAX = 100000, /* numbers */
	THREADS_TRIES = 20,
};

/* Of the last process. */
struct threads {
	pid_t *list; /* owned */
	size_t n, room, at;
	int tries; /* 0: not yet asked for */
	bool missed;
};

struct walk {
	int root; /* /proc */
	DIR *list;
	int process; /* the last one's directory; -EBADF: not asked for */
	pid_t pid;   /* its number */
	struct threads threads;
	pid_t first; /* the last number that was given out, at the start */
	pid_t last;  /* and when it was asked for last */
	pid_t next;  /* 0: still listing */
	pid_t until; /* of this round of the second look */
	int round;
	unsigned int told;
	bool missed;
	char *status; /* owned: of STATUS_ROOM, or more */
	size_t room;
};

/* Field 5 of /proc/loadavg: the number that our pid namespace gave out last. proc(5) */
static int read_last(const struct walk *walk, pid_t *ret)
{
	char text[128];
	ssize_t n = proc_read_small(walk->root, "loadavg", text, sizeof(text));
	char *at;

	if (n < 0)
		return (int)n;
	if (n > 0 && text[n - 1] == '\n')
		text[n - 1] = '\0';
	at = strrchr(text, ' ');
	return at ? parse_int(at + 1, 0, INT32_MAX, ret) : -EBADMSG;
}

/* EAGAIN: numbers have begun again. */
static int check_numbers(struct walk *walk)
{
	pid_t last;
	int r = read_last(walk, &last);

	if (r < 0)
		return r;
	if (last < walk->last)
		return -EAGAIN;
	walk->last = last;
	return 0;
}

int walk_new(struct walk **ret, struct cj_error *err)
{
	struct walk *walk;
	int r = proc_check_own(err);

	if (r < 0)
		return r;
	walk = calloc(1, sizeof(*walk));
	if (!walk)
		return cj_fail(err, ENOMEM, "look at all processes");
	walk->process = -EBADF;
	walk->room = STATUS_ROOM;
	walk->status = malloc(walk->room);
	walk->root = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	r = walk->root < 0 ? -errno : walk->status ? read_last(walk, &walk->first) : -ENOMEM;
	walk->last = walk->first;
	/* After the number was read: whoever comes now has a greater one. */
	if (r == 0 && !(walk->list = opendir("/proc")))
		r = -errno;
	if (r < 0) {
		walk_free(walk);
		return cj_fail(err, -r, "look at all processes");
	}
	*ret = walk;
	return 0;
}

void walk_free(struct walk *walk)
{
	if (!walk)
		return;
	close_dir(&walk->list);
	free(walk->threads.list);
	close_fd(&walk->process);
	close_fd(&walk->root);
	free(walk->status);
	free(walk);
}

/* The kernel makes the whole file at the first read, so that its pieces belong together. */
static int read_status(struct walk *walk, const char *path)
{
	_cleanup_fd_ int fd = openat(walk->root, path, O_RDONLY | O_CLOEXEC);
	size_t used = 0;
	ssize_t n;

	if (fd < 0)
		return errno == ENOENT ? -ESRCH : -errno;
	while ((n = io_read(fd, walk->status + used, walk->room - 1 - used)) > 0) {
		used += (size_t)n;
		if (used + 1 == walk->room) {
			char *more = walk->room < STATUS_LIMIT
					     ? realloc(walk->status, walk->room * 2)
					     : NULL;

			if (!more)
				return walk->room < STATUS_LIMIT ? -ENOMEM : -EFBIG;
			walk->status = more;
			walk->room *= 2;
		}
	}
	walk->status[used] = '\0';
	return n < 0 ? (int)n : 0;
}

static int tell(struct walk *walk, pid_t pid, struct walk_task *ret)
{
	walk->threads.tries = 0;
	close_fd(&walk->process);
	walk->pid = pid;
	*ret = (struct walk_task){.pid = pid, .again = walk->next != 0};
	return 1;
}

static int next_listed(struct walk *walk, struct walk_task *ret)
{
	const struct dirent *entry;
	pid_t pid;
	int r;

	while ((errno = 0, entry = readdir(walk->list))) {
		if (parse_pid(entry->d_name, &pid) < 0)
			continue;
		r = ++walk->told % CHECK_EVERY == 0 ? check_numbers(walk) : 0;
		return r < 0 ? r : tell(walk, pid, ret);
	}
	return -errno;
}

static int begin_round(struct walk *walk)
{
	pid_t from = walk->round == 0 ? walk->first : walk->until;
	int r = check_numbers(walk);

	if (r < 0)
		return r;
	if (walk->round > 0 && walk->last == walk->until)
		return 0; /* nobody has come since the round began */
	if (walk->round++ == ROUNDS || walk->last - from > SECOND_LOOK_MAX)
		return -EAGAIN;
	walk->next = from > MARGIN ? from - MARGIN : 1;
	walk->until = walk->last;
	return 1;
}

/* Much quicker than to look for a file that isn't there. True for threads, too. kill(2) */
static bool is_given(pid_t pid)
{
	return kill(pid, 0) == 0 || errno != ESRCH;
}

int walk_next(struct walk *walk, struct walk_task *ret)
{
	int r = walk->next ? 0 : next_listed(walk, ret);

	if (r != 0)
		return r;
	for (;;) {
		/* 0: the listing has just ended; numbers begin at 1 */
		if (walk->next == 0 || walk->next > walk->until) {
			r = begin_round(walk);
			if (r <= 0)
				return r;
		}
		if (is_given(walk->next++))
			return tell(walk, walk->next - 1, ret);
	}
}

int walk_status(struct walk *walk, const char **ret)
{
	char path[32];
	int r;

	(void)format_safe(path, sizeof(path), "%d/status", walk->pid);
	r = read_status(walk, path);
	if (r == -ESRCH && walk->next == 0)
		walk->missed = true;
	if (r == 0)
		*ret = walk->status;
	return r;
}

int walk_directory(struct walk *walk)
{
	char name[16];

	if (walk->process >= 0)
		return walk->process;
	(void)format_safe(name, sizeof(name), "%d", walk->pid);
	walk->process = openat(walk->root, name, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (walk->process < 0)
		return errno == ENOENT ? -ESRCH : -errno;
	return walk->process;
}

/* ENOENT, ESRCH: the process has ended. */
static int list_threads(struct walk *walk)
{
	struct threads *threads = &walk->threads;
	_cleanup_dir_ DIR *dir = NULL;
	const struct dirent *entry;
	char path[32];
	int fd;

	(void)format_safe(path, sizeof(path), "%d/task", walk->pid);
	fd = openat(walk->root, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	dir = fdopendir(fd);
	if (!dir) {
		close_fd(&fd);
		return -ENOMEM;
	}
	threads->n = threads->at = 0;
	threads->missed = false;
	while ((errno = 0, entry = readdir(dir))) {
		pid_t tid;

		if (parse_pid(entry->d_name, &tid) < 0 || tid == walk->pid)
			continue;
		if (!array_grow((void **)&threads->list, sizeof(tid), &threads->room,
				threads->n + 1))
			return -ENOMEM;
		threads->list[threads->n++] = tid;
	}
	return -errno;
}

/*
 * The kernel goes on with a listing of threads by counting them from the first, so that it leaves out one
 * for each that was listed and has ended: proc_task_readdir() in fs/proc/base.c. Hence the whole list
 * first, and it's whole if all that are in it are still there afterwards.
 */
int walk_next_thread(struct walk *walk, struct walk_task *ret, const char **ret_status)
{
	struct threads *threads = &walk->threads;
	int r;

	for (;;) {
		char path[48];
		pid_t tid;

		if (threads->tries == 0 || (threads->at == threads->n && threads->missed)) {
			if (threads->tries++ == THREADS_TRIES)
				return -EAGAIN;
			r = list_threads(walk);
			if (r < 0)
				return r == -ENOENT || r == -ESRCH ? 0 : r;
		}
		if (threads->at == threads->n)
			return 0;
		tid = threads->list[threads->at++];
		(void)format_safe(path, sizeof(path), "%d/task/%d/status", walk->pid, tid);
		r = read_status(walk, path);
		if (r == 0) {
			*ret = (struct walk_task){.pid = tid, .again = threads->tries > 1};
			*ret_status = walk->status;
			return 1;
		}
		if (r != -ESRCH)
			return r;
		threads->missed = true;
	}
}

bool walk_missed(const struct walk *walk)
{
	return walk->missed;
}

bool walk_is_blind(const struct walk *walk)
{
	return faccessat(walk->root, "1", F_OK, 0) < 0 && errno == ENOENT;
}

int walk_ptrace_scope(const struct walk *walk)
{
	char text[16];
	ssize_t n = proc_read_small(walk->root, "sys/kernel/yama/ptrace_scope", text, sizeof(text));

	return n > 0 && text[0] >= '0' && text[0] <= '9' ? text[0] - '0' : 0;
}
