/* SPDX-License-Identifier: MIT */
#include "sys/kin.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/format.h"
#include "base/grow.h"
#include "base/io.h"
#include "base/parse.h"
#include "sys/proc.h"

enum { CHILDREN_LIMIT = 16 << 20 };

struct pids {
	pid_t *pids;
	size_t n, room;
};

/* "PID (NAME) STATE PARENT …": the name may hold anything, the last parenthesis closes it. */
int kin_parse(const char *stat, struct kin *ret)
{
	const char *at = strrchr(stat, ')');
	struct kin kin;
	pid_t *const fields[] = {&kin.parent, &kin.group, &kin.session};

	if (!at || at[1] != ' ' || !at[2] || at[3] != ' ')
		return -EBADMSG;
	kin.ended = memchr("ZXx", at[2], 3) != NULL;
	kin.stopped = at[2] == 'T' || at[2] == 't'; /* the latter by its tracer */
	at += 3;
	for (size_t i = 0; i < ELEMENTS(fields); i++) {
		char *end;
		long value = strtol(at, &end, 10);

		if (end == at || value < 0 || value > INT32_MAX)
			return -EBADMSG;
		*fields[i] = (pid_t)value;
		at = end;
	}
	if (proc_parse_start_time(stat, &kin.start) < 0)
		return -EBADMSG;
	*ret = kin;
	return 0;
}

int kin_read(int proc, struct kin *ret)
{
	char buf[2048];
	ssize_t n = proc_read_small(proc, "stat", buf, sizeof(buf));

	return n < 0 ? (int)n : kin_parse(buf, ret);
}

static int add(struct pids *pids, pid_t pid)
{
	void *grown = pids->pids;

	if (!array_grow(&grown, sizeof(*pids->pids), &pids->room, pids->n + 1))
		return -ENOMEM;
	pids->pids = grown;
	pids->pids[pids->n++] = pid;
	return 0;
}

/* "123 456 " */
static int add_words(char *text, struct pids *pids)
{
	char *save = NULL;
	int r = 0;

	for (char *word = strtok_r(text, " \n", &save); word && r == 0;
	     word = strtok_r(NULL, " \n", &save)) {
		pid_t pid;

		if (parse_pid(word, &pid) == 0)
			r = add(pids, pid);
	}
	return r;
}

/* A kernel without that file: everybody is asked for the parent. */
static int add_by_scan(pid_t parent, struct pids *pids)
{
	struct proc_list *list;
	int r = proc_list_new(&list, NULL);

	if (r < 0)
		return r;
	for (pid_t pid; r == 0 && (pid = proc_list_next(list));) {
		_cleanup_fd_ int proc = -EBADF;
		struct kin kin;

		if (proc_open(pid, &proc, NULL) == 0 && kin_read(proc, &kin) == 0 &&
		    kin.parent == parent)
			r = add(pids, pid);
	}
	proc_list_free(list);
	return r;
}

int kin_children(pid_t pid, pid_t **ret, size_t *ret_n)
{
	_cleanup_(bytes_done) struct bytes text = BYTES_INIT;
	struct pids pids = {.n = 0};
	_cleanup_fd_ int proc = -EBADF;
	char name[48];
	int r = proc_open(pid, &proc, NULL);

	if (r < 0)
		return r;
	(void)format_safe(name, sizeof(name), "task/%d/children", pid);
	r = proc_read(proc, name, CHILDREN_LIMIT, &text);
	if (r == -ENOENT)
		r = add_by_scan(pid, &pids);
	else if (r == 0)
		r = add_words(text.data, &pids);
	if (r < 0) {
		free(pids.pids);
		return r;
	}
	*ret = pids.pids;
	*ret_n = pids.n;
	return 0;
}
