/* SPDX-License-Identifier: MIT */
#include "cli/status.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/nowait.h"
#include "base/parse.h"
#include "cli/print_items.h"
#include "cli/signals.h"

enum { PATIENCE_MS = 200 };

int status_open(const struct cli *cli, const char *number, unsigned int preserved,
		struct status *ret)
{
	int fd, flags;

	if (!number)
		return 0;
	if (parse_int(number, 3, INT_MAX, &fd) < 0)
		return cli_usage(cli, "--status-fd \"%s\" (a file descriptor from 3 on)", number);
	if (preserved > 0 && (unsigned int)fd - 3 < preserved)
		return cli_usage(cli, "--status-fd %d is one of --preserve-fds %u", fd, preserved);
	flags = fcntl(fd, F_GETFL);
	if (flags < 0)
		return cli_usage(cli, "--status-fd %d isn't open", fd);
	if ((flags & O_PATH) || (flags & O_ACCMODE) == O_RDONLY)
		return cli_usage(cli, "--status-fd %d isn't open for writing", fd);
	(void)fcntl(fd, F_SETFD, FD_CLOEXEC);
	*ret = (struct status)STATUS_INIT;
	ret->fd = fd;
	return 0;
}

void status_inherit(const struct status *status)
{
	if (status->fd >= 0)
		(void)fcntl(status->fd, F_SETFD, 0);
}

static void free_json(json_t **json)
{
	json_decref(*json);
}

static void warn(struct cli *cli, const struct status *status, const char *event, int code)
{
	char text[128];

	(void)snprintf(text, sizeof(text), "fd %d isn't told of \"%s\": %s", status->fd, event,
		       code == EAGAIN ? "nobody reads it" : strerror(code));
	cli_log(cli, CJ_LOG_WARNING, text);
}

/* Takes the reference. NULL: out of memory. */
static void tell(struct status *status, struct cli *cli, const char *event, json_t *object)
{
	_cleanup_(free_json) json_t *owned = object;
	_cleanup_free_ char *text = NULL;
	size_t size, done;
	int code = 0;

	text = owned ? json_dumps(owned, JSON_COMPACT | JSON_ENSURE_ASCII) : NULL;
	if (!text || status->broken) {
		warn(cli, status, event, text ? EPIPE : ENOMEM);
		return;
	}
	size = strlen(text) + 1;
	text[size - 1] = '\n'; /* in place of the NUL: the line is written by its size */
	done = nowait_write_all(status->fd, text, size, PATIENCE_MS, -1, &code);
	status->broken = done > 0 && done < size;
	if (done < size)
		warn(cli, status, event, code);
}

static void add_cgroup(void *data, const char *controllers, const char *path)
{
	(void)json_object_set_new(data, controllers, json_text(path));
}

void status_started(struct status *status, struct cli *cli, const struct cj_child *child)
{
	json_t *cgroups;
	char handle[48];
	pid_t inside;

	if (status->fd < 0)
		return;
	inside = cj_child_pid_inside(child);
	cgroups = json_object();
	if (cj_child_cgroups(child, add_cgroup, cgroups) < 0) {
		json_decref(cgroups); /* it's quicker than we are */
		cgroups = json_null();
	}
	if (cj_child_handle(child, handle, sizeof(handle)) < 0)
		handle[0] = '\0';
	tell(status, cli, "started",
	     json_pack("{s:s, s:i, s:o, s:o, s:o, s:b}", "event", "started", "pid",
		       cj_child_pid(child), "inside", inside ? json_integer(inside) : json_null(),
		       "handle", handle[0] ? json_string(handle) : json_null(), "cgroup", cgroups,
		       "tree", cj_child_has_tree(child)));
}

static json_int_t microseconds(const struct timeval *time)
{
	return (json_int_t)time->tv_sec * 1000000 + time->tv_usec;
}

static json_t *usage_object(const struct outcome *outcome)
{
	const struct rusage *usage = &outcome->usage;

	if (!outcome->used)
		return json_null();
	return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "user_usec",
			 microseconds(&usage->ru_utime), "system_usec",
			 microseconds(&usage->ru_stime), "maxrss_kib", (json_int_t)usage->ru_maxrss,
			 "minor_faults", (json_int_t)usage->ru_minflt, "major_faults",
			 (json_int_t)usage->ru_majflt, "in_blocks", (json_int_t)usage->ru_inblock,
			 "out_blocks", (json_int_t)usage->ru_oublock, "voluntary_switches",
			 (json_int_t)usage->ru_nvcsw, "involuntary_switches",
			 (json_int_t)usage->ru_nivcsw);
}

void status_exited(struct status *status, struct cli *cli, const struct outcome *outcome)
{
	const struct cj_exit *end = &outcome->end;
	char signal[SIGNAL_NAME_SIZE];

	if (status->fd < 0)
		return;
	if (end->signal)
		signal_name(end->signal, signal, sizeof(signal));
	tell(status, cli, "exited",
	     json_pack("{s:s, s:i, s:o, s:s?, s:b, s:b, s:b, s:s?, s:o}", "event", "exited",
		       "status", outcome->status, "code",
		       end->signal ? json_null() : json_integer(end->code), "signal",
		       end->signal ? signal : NULL, "core", end->core != 0, "timed_out",
		       outcome->timed_out, "oom", outcome->oom, "reason", outcome->reason, "rusage",
		       usage_object(outcome)));
}

void status_failed(struct status *status, struct cli *cli, const struct cj_error *err,
		   int exit_status)
{
	if (status->fd < 0)
		return;
	tell(status, cli, "error",
	     json_pack("{s:s, s:s, s:i, s:s?, s:o, s:o}", "event", "error", "step", status->step,
		       "status", exit_status, "errno", strerrorname_np(err->code), "text",
		       json_text(err->text), "hint",
		       err->hint[0] ? json_text(err->hint) : json_null()));
}
