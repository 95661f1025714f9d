/* SPDX-License-Identifier: MIT */
#include <conjoin/pids.h>

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/grow.h"
#include "lib/options.h"
#include "lib/pids_tree.h"
#include "lib/target.h"
#include "sys/pidns.h"
#include "sys/proc.h"

struct numbers {
	pid_t *pids;
	size_t n, room;
};

struct reading {
	struct cj_pids_options options;
	struct pidns ns;
	pid_t target;
	/*
	 * The namespace is ours, so that what belongs to the target is told by parents: the target and
	 * its descendants, by number, as they were before the reading.
	 */
	bool by_parents;
	struct numbers family;
	struct numbers wanted; /* to be looked at, by number */
	struct cj_pids *pids;
	char *command; /* one command line */
};

static void reading_done(struct reading *reading)
{
	pidns_done(&reading->ns);
	free(reading->family.pids);
	free(reading->wanted.pids);
	cj_pids_free(reading->pids);
	free(reading->command);
}

void cj_pids_free(struct cj_pids *pids)
{
	if (!pids)
		return;
	for (size_t i = 0; i < pids->n; i++)
		free(pids->all[i].block);
	free(pids->all);
	free(pids);
}

size_t cj_pids_count(const struct cj_pids *pids)
{
	return pids->n;
}

const struct cj_pid *cj_pids_at(const struct cj_pids *pids, size_t i)
{
	return &pids->all[i].pid;
}

size_t cj_pids_unread(const struct cj_pids *pids)
{
	return pids->unread;
}

/* --- which numbers to look at --- */

static int numbers_add(struct numbers *numbers, pid_t pid)
{
	if (!array_grow((void **)&numbers->pids, sizeof(pid), &numbers->room, numbers->n + 1))
		return -ENOMEM;
	numbers->pids[numbers->n++] = pid;
	return 0;
}

static int by_number(const void *a, const void *b)
{
	const pid_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static void numbers_sort(struct numbers *numbers)
{
	size_t kept = 0;

	if (numbers->n > 0)
		qsort(numbers->pids, numbers->n, sizeof(pid_t), by_number);
	for (size_t i = 0; i < numbers->n; i++)
		if (kept == 0 || numbers->pids[kept - 1] != numbers->pids[i])
			numbers->pids[kept++] = numbers->pids[i];
	numbers->n = kept;
}

static const pid_t *numbers_find(const struct numbers *numbers, pid_t pid)
{
	return numbers->n == 0 ? NULL
			       : bsearch(&pid, numbers->pids, numbers->n, sizeof(pid), by_number);
}

static int list_all(struct numbers *numbers, struct cj_error *err)
{
	struct proc_list *list;
	int r = proc_list_new(&list, err);

	if (r < 0)
		return r;
	for (pid_t pid; r == 0 && (pid = proc_list_next(list));)
		r = numbers_add(numbers, pid);
	proc_list_free(list);
	return r < 0 ? cj_fail(err, -r, "list processes") : 0;
}

enum { UNKNOWN, FAMILY, OTHERS };

/*
 * Goes up from process `i` until somebody is known, and tells it all those on the way. `parents` are
 * numbers that were read one after another, so that there may be circles: these are OTHERS.
 */
static void judge(const struct numbers *all, const pid_t *parents, char *known, size_t i)
{
	size_t at = i;
	char verdict = OTHERS;

	for (;;) {
		const pid_t *parent = numbers_find(all, parents[at]);

		known[at] = OTHERS;
		if (!parent)
			break;
		at = (size_t)(parent - all->pids);
		if (known[at] != UNKNOWN) {
			verdict = known[at];
			break;
		}
	}
	for (at = i; verdict == FAMILY && known[at] != FAMILY;) {
		const pid_t *parent = numbers_find(all, parents[at]);

		known[at] = FAMILY;
		if (!parent)
			break;
		at = (size_t)(parent - all->pids);
	}
}

/* The target and its descendants. Each process is asked once, for its parent. */
static int find_family(struct reading *reading, struct cj_error *err)
{
	struct numbers all = {.n = 0};
	int r = list_all(&all, err);

	numbers_sort(&all);
	_cleanup_free_ pid_t *pids = all.pids;
	_cleanup_free_ pid_t *parents = calloc(all.n + 1, sizeof(*parents));
	_cleanup_free_ char *known = calloc(all.n + 1, 1);
	if (r < 0)
		return r;
	if (!parents || !known)
		return cj_fail(err, ENOMEM, "list processes");
	for (size_t i = 0; i < all.n; i++) {
		if (pids[i] == reading->target)
			known[i] = FAMILY;
		else if (pid_parent_read(pids[i], &parents[i]) < 0)
			known[i] = OTHERS; /* it has ended */
	}
	for (size_t i = 0; i < all.n; i++) {
		if (known[i] == UNKNOWN)
			judge(&all, parents, known, i);
		if (known[i] == FAMILY && numbers_add(&reading->family, pids[i]) < 0)
			return cj_fail(err, ENOMEM, "list processes");
	}
	return 0;
}

/* Before a directory is opened: does it look as if the number were one of those? */
static bool may_belong(const struct reading *reading, pid_t pid)
{
	return reading->by_parents ? numbers_find(&reading->family, pid) != NULL
				   : pidns_holds(&reading->ns, pid, -EBADF) == 1;
}

static int find_wanted(struct reading *reading, struct cj_error *err)
{
	struct numbers *wanted = &reading->wanted;
	size_t kept = 0;
	int r = reading->by_parents ? find_family(reading, err) : 0;

	if (r == 0 && !reading->options.only)
		r = list_all(wanted, err);
	for (size_t i = 0; r == 0 && reading->options.only && i < reading->options.n_only; i++)
		if (numbers_add(wanted, reading->options.only[i]) < 0)
			r = cj_fail(err, ENOMEM, "list processes");
	if (r < 0)
		return r;
	numbers_sort(wanted);
	for (size_t i = 0; i < wanted->n; i++)
		if (may_belong(reading, wanted->pids[i]))
			wanted->pids[kept++] = wanted->pids[i];
	wanted->n = kept;
	return 0;
}

/* --- reading one --- */

/* Words of a command line, each ended by a NUL, the last one perhaps not. */
static size_t count_words(const char *command, size_t size)
{
	size_t n = size > 0 && command[size - 1] != '\0';

	for (size_t i = 0; i < size; i++)
		n += command[i] == '\0';
	return n;
}

/* One block for all that a cj_pid points to: words, then numbers, then texts. */
static int fill(struct process *process, const struct pid_status *status, const char *command,
		size_t size)
{
	struct cj_pid *pid = &process->pid;
	size_t n = count_words(command, size), name = strlen(status->name) + 1;
	size_t levels = status->n_levels * sizeof(pid_t);
	const char **words = malloc((n + 1) * sizeof(*words) + levels + name + size + 1);
	pid_t *numbers;
	char *texts, *text;

	if (!words)
		return -ENOMEM;
	numbers = (pid_t *)(words + n + 1);
	texts = (char *)numbers + levels;
	text = texts + name;
	memcpy(numbers, status->levels, levels);
	memcpy(texts, status->name, name);
	if (size > 0)
		memcpy(text, command, size);
	text[size] = '\0';
	for (size_t i = 0; i < n; i++) {
		words[i] = text;
		text += strlen(text) + 1;
	}
	words[n] = NULL;
	process->block = words;
	pid->levels = numbers;
	pid->n_levels = status->n_levels;
	pid->name = texts;
	pid->command = words;
	pid->n_command = n;
	pid->state = status->state;
	return 0;
}

static int add(struct reading *reading, const struct pid_status *status, ssize_t size)
{
	struct cj_pids *pids = reading->pids;
	bool truncated = size > CJ_PIDS_COMMAND_MAX;
	struct process process = {
		.pid = {.host = status->levels[0],
			.inside = status->levels[reading->ns.depth],
			.parent = CJ_PIDS_NONE,
			.truncated = truncated,
			.unread = size < 0 ? (int)-size : 0},
		.parent = status->parent,
	};
	int r;

	if (!array_grow((void **)&pids->all, sizeof(process), &pids->room, pids->n + 1))
		return -ENOMEM;
	size = size < 0 ? 0 : truncated ? CJ_PIDS_COMMAND_MAX : size;
	r = fill(&process, status, reading->command, (size_t)size);
	if (r == 0)
		pids->all[pids->n++] = process;
	return r;
}

/* Is what was read of the process that the number was asked about, and is it one of those? */
static bool belongs(const struct reading *reading, pid_t pid, const struct pid_status *status)
{
	if (status->levels[0] != pid || status->tgid != pid ||
	    status->n_levels <= reading->ns.depth)
		return false;
	return !reading->by_parents || pid == reading->target ||
	       numbers_find(&reading->family, status->parent);
}

/* 0 too when it isn't one of those, or not any more. */
static int read_process(struct reading *reading, pid_t pid)
{
	_cleanup_fd_ int proc = -EBADF;
	struct pid_status status;
	ssize_t size = 0;
	int r = proc_open(pid, &proc, NULL), held;

	if (r < 0)
		return r;
	/* The directory is open and status is read later: between the two nobody else has the number. */
	held = pidns_holds(&reading->ns, pid, proc);
	if (held == 0)
		return 0;
	r = pid_status_read(proc, &status);
	if (r < 0)
		return r;
	if (!belongs(reading, pid, &status))
		return 0;
	if (held < 0)
		return held;
	if (status.has_memory && !reading->options.no_commands)
		size = pid_command_read(proc, reading->command, CJ_PIDS_COMMAND_MAX + 1);
	return size == -ESRCH ? -ESRCH : add(reading, &status, size);
}

static int read_wanted(struct reading *reading, struct cj_error *err)
{
	for (size_t i = 0; i < reading->wanted.n; i++) {
		int r = read_process(reading, reading->wanted.pids[i]);

		if (r == -EACCES || r == -EPERM)
			reading->pids->unread++;
		else if (r < 0 && r != -ESRCH)
			return cj_fail(err, -r, "read process %d", reading->wanted.pids[i]);
	}
	return 0;
}

/* --- all of it --- */

static int reading_begin(struct reading *reading, const struct cj_target *target,
			 struct cj_error *err)
{
	int r = pidns_open(target->ref.pid, target->ref.proc, &reading->ns, err);

	if (r < 0)
		return target_explain(target, r, err);
	reading->target = target->ref.pid;
	reading->by_parents = reading->ns.depth == 0;
	reading->pids = calloc(1, sizeof(*reading->pids));
	reading->command = malloc(CJ_PIDS_COMMAND_MAX + 1);
	if (!reading->pids || !reading->command)
		return cj_fail(err, ENOMEM, "read processes");
	return 0;
}

/* Who isn't a descendant any more, its parent having ended meanwhile, is left out. */
static int make_tree(struct reading *reading, struct cj_error *err)
{
	bool all = !reading->by_parents || reading->options.only;
	int r = pids_make_tree(reading->pids, all ? 0 : reading->target);

	return r < 0 ? cj_fail(err, -r, "sort processes") : 0;
}

int cj_pids_read(const struct cj_target *target, const struct cj_pids_options *options,
		 struct cj_pids **ret, struct cj_error *err)
{
	_cleanup_(reading_done) struct reading reading = {.ns = PIDNS_INIT};
	int r = 0;

	reading.options = (struct cj_pids_options)CJ_PIDS_OPTIONS_INIT;
	if (options)
		r = options_take(options, &reading.options, sizeof(reading.options), "options",
				 err);
	if (r == 0)
		r = target_check_kind(target, err);
	if (r == 0)
		r = reading_begin(&reading, target, err);
	if (r == 0)
		r = find_wanted(&reading, err);
	if (r == 0)
		r = read_wanted(&reading, err);
	if (r == 0)
		r = make_tree(&reading, err);
	if (r < 0)
		return r;
	if (pidref_verify(&target->ref) < 0)
		return cj_fail(err, ESRCH, "read the processes of %d, which has ended meanwhile",
			       target->ref.pid);
	*ret = take_ptr(reading.pids);
	return 0;
}

/* --- one number --- */

/* In our own namespace a number means itself, if it's a process's. */
static int same(pid_t pid)
{
	_cleanup_fd_ int proc = -EBADF;
	struct pid_status status;
	int r = proc_open(pid, &proc, NULL);

	if (r < 0)
		return r;
	r = pid_status_read(proc, &status);
	if (r < 0)
		return r;
	return status.tgid == pid ? 0 : -ESRCH;
}

/* Where the kernel doesn't answer: every process is looked at, or the one whose number it is. */
static int search(struct reading *reading, pid_t host, pid_t inside, struct cj_pid *ret)
{
	int r;

	reading->options.no_commands = 1;
	reading->options.only = host ? &host : NULL;
	reading->options.n_only = 1;
	r = find_wanted(reading, NULL);
	if (r == 0)
		r = read_wanted(reading, NULL);
	for (size_t i = 0; r == 0 && i < reading->pids->n; i++)
		if (host || reading->pids->all[i].pid.inside == inside) {
			*ret = reading->pids->all[i].pid;
			return 0;
		}
	return r < 0 ? r : reading->pids->unread ? -EACCES : -ESRCH;
}

int cj_pids_inside(const struct cj_target *target, pid_t host, pid_t *ret, struct cj_error *err)
{
	_cleanup_(reading_done) struct reading reading = {.ns = PIDNS_INIT};
	struct cj_pid found = {.inside = host};
	int r = reading_begin(&reading, target, err);

	if (r < 0)
		return r;
	r = reading.by_parents ? same(host) : pidns_to_inside(&reading.ns, host, &found.inside);
	if (r == -EOPNOTSUPP)
		r = search(&reading, host, 0, &found);
	if (r < 0)
		return cj_fail(err, -r, "find host PID %d in the target's pid namespace", host);
	*ret = found.inside;
	return 0;
}

int cj_pids_host(const struct cj_target *target, pid_t inside, pid_t *ret, struct cj_error *err)
{
	_cleanup_(reading_done) struct reading reading = {.ns = PIDNS_INIT};
	struct cj_pid found = {.host = inside};
	int r = reading_begin(&reading, target, err);

	if (r < 0)
		return r;
	r = reading.by_parents ? same(inside) : pidns_to_host(&reading.ns, inside, &found.host);
	if (r == -EOPNOTSUPP)
		r = search(&reading, 0, inside, &found);
	if (r < 0)
		return cj_fail(err, -r, "find PID %d inside the target's pid namespace", inside);
	*ret = found.host;
	return 0;
}
