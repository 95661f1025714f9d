/* SPDX-License-Identifier: MIT */
#include "engine/engine.h"

#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/format.h"

const struct engine *const engines[] = {
	&engine_pid,	    &engine_pidfile, &engine_comm, &engine_cgroup, &engine_k8s,
	&engine_docker,	    &engine_podman,  &engine_cri,  &engine_lxc,	   &engine_machine,
	&engine_containerd, &engine_oci,     &engine_unit, NULL,
};

const struct engine *engine_by_scheme(const char *scheme, size_t length)
{
	for (size_t i = 0; engines[i]; i++)
		if (strlen(engines[i]->scheme) == length &&
		    memcmp(engines[i]->scheme, scheme, length) == 0)
			return engines[i];
	return NULL;
}

size_t engine_rank(const char *scheme)
{
	size_t i = 0;

	while (engines[i] && strcmp(engines[i]->scheme, scheme) != 0)
		i++;
	return i;
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
