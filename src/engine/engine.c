/* SPDX-License-Identifier: MIT */
#include "engine/engine.h"

#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/format.h"

const struct engine *const engines[] = {
	&engine_pid, &engine_pidfile, &engine_comm, &engine_cgroup, NULL,
};

const struct engine *engine_find(const char *scheme, size_t length)
{
	for (size_t i = 0; engines[i]; i++)
		if (strlen(engines[i]->scheme) == length &&
		    memcmp(engines[i]->scheme, scheme, length) == 0)
			return engines[i];
	return NULL;
}

void matches_add(struct matches *matches, pid_t pid)
{
	size_t kept = matches->n < ELEMENTS(matches->pids) ? matches->n : ELEMENTS(matches->pids);

	for (size_t i = 0; i < kept; i++)
		if (matches->pids[i] == pid)
			return;
	if (matches->n < ELEMENTS(matches->pids))
		matches->pids[matches->n] = pid;
	matches->n++;
}

int matches_open(const struct matches *matches, const char *what, const char *name,
		 struct pidref *ret, struct cj_error *err)
{
	char list[160];
	size_t n = 0;

	if (matches->n == 0)
		return cj_fail(err, ESRCH, "find %s %s", what, name);
	if (matches->n == 1)
		return pidref_open(matches->pids[0], ret, err);
	for (size_t i = 0; i < matches->n && i < ELEMENTS(matches->pids); i++)
		n += format_safe(list + n, sizeof(list) - n, " %d", matches->pids[i]);
	if (matches->n > ELEMENTS(matches->pids))
		(void)format_safe(list + n, sizeof(list) - n, " and more");
	cj_hint(err, "name one of them by its PID");
	return cj_fail(err, ENOTUNIQ, "find %s %s, of which there are several:%s", what, name,
		       list);
}
