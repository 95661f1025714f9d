/* SPDX-License-Identifier: MIT */
#include "lib/target.h"

#include <conjoin/process.h>

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/engine.h"
#include "sys/proc.h"

/* A bare number, or a handle, is a process; every other word without a scheme is a name. */
static bool is_process(const char *text)
{
	struct handle handle;
	size_t digits = strspn(text, "0123456789");

	return digits > 0 && (!text[digits] || handle_parse(text, &handle) == 0);
}

static int no_such_name(const char *text, struct cj_error *err)
{
	cj_hint(err, "a PID, or one of pid: pidfile: comm: cgroup:");
	return cj_fail(err, ESRCH, "find \"%s\", which is no PID, and no engine here has that name",
		       text);
}

static int find(const char *text, struct pidref *ret, struct cj_error *err)
{
	const char *colon = strchr(text, ':');
	const struct engine *engine;

	if (is_process(text))
		return engine_pid.find(text, ret, err);
	if (strcmp(text, "self") == 0)
		return pidref_open(getpid(), ret, err);
	if (!colon)
		return no_such_name(text, err);
	engine = engine_find(text, (size_t)(colon - text));
	if (!engine) {
		cj_hint(err, "there are pid: pidfile: comm: cgroup:");
		return cj_fail(err, EINVAL, "find \"%s\", whose scheme is unknown", text);
	}
	return engine->find(colon + 1, ret, err);
}

static int open_target(const char *text, bool may_have_ended, struct cj_target **ret,
		       struct cj_error *err)
{
	struct cj_target *target;
	int r;

	if (!text[0])
		return cj_fail(err, EINVAL, "find \"\", which names no target");
	target = calloc(1, sizeof(*target));
	if (!target)
		return cj_fail(err, ENOMEM, "find %s", text);
	target->ref = (struct pidref)PIDREF_INIT;
	target->text = strdup(text);
	r = target->text ? find(text, &target->ref, err) : cj_fail(err, ENOMEM, "find %s", text);
	if (r == 0 && !may_have_ended && pidref_verify(&target->ref) < 0)
		r = cj_fail(err, ESRCH, "enter process %d, which has ended (it's a zombie)",
			    target->ref.pid);
	if (r == -ESRCH && is_process(text))
		cj_hint(err, "see ps; inside a container PIDs are other ones");
	if (r < 0) {
		cj_target_free(target);
		return r;
	}
	*ret = target;
	return 0;
}

int cj_target_open(const char *text, struct cj_target **ret, struct cj_error *err)
{
	return open_target(text, false, ret, err);
}

int cj_target_open_ended(const char *text, struct cj_target **ret, struct cj_error *err)
{
	return open_target(text, true, ret, err);
}

int target_check_kind(const struct cj_target *target, struct cj_error *err)
{
	struct proc_stat stat;

	if (proc_read_stat(target->ref.proc, &stat) == 0 && stat.kernel_thread)
		return cj_fail(err, EINVAL, "process %d is a kernel thread", target->ref.pid);
	return 0;
}

enum { ENDING_MS = 200 };

int target_explain(const struct cj_target *target, int r, struct cj_error *err)
{
	struct pollfd ended = {.fd = target->ref.fd, .events = POLLIN};
	/* What else ends with a container may do so before its first process is seen to have. */
	int patience = r == -ENOMEM || r == -EINTR ? ENDING_MS : 0;
	struct cj_error step;

	if (r >= 0 || r == -ESRCH || poll(&ended, 1, patience) <= 0)
		return r;
	if (!err)
		return -ESRCH;
	step = *err;
	*err = (struct cj_error)CJ_ERROR_INIT;
	return cj_fail(err, ESRCH, "%s: the target has ended", step.text);
}

void cj_target_free(struct cj_target *target)
{
	if (!target)
		return;
	pidref_done(&target->ref);
	free(target->text);
	free(target);
}

const char *cj_target_text(const struct cj_target *target)
{
	return target->text;
}

pid_t cj_target_pid(const struct cj_target *target)
{
	return target->ref.pid;
}

int cj_target_pidfd(const struct cj_target *target)
{
	return target->ref.fd;
}

size_t cj_target_handle(const struct cj_target *target, char *buf, size_t size)
{
	return pidref_format(&target->ref, buf, size);
}

int cj_target_verify(const struct cj_target *target)
{
	return pidref_verify(&target->ref);
}
