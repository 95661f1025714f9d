/* SPDX-License-Identifier: MIT */
#include "lib/target.h"

#include <conjoin/process.h>

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/format.h"
#include "engine/engine.h"
#include "engine/find.h"
#include "lib/options.h"
#include "sys/namespace.h"
#include "sys/proc.h"

/* A bare number, or a handle, is a process; every other word without a scheme is a name. */
static bool is_process(const char *text)
{
	struct handle handle;
	size_t digits = strspn(text, "0123456789");

	return digits > 0 && (!text[digits] || handle_parse(text, &handle) == 0);
}

static int unknown_scheme(const char *text, struct cj_error *err)
{
	char schemes[160];
	size_t n = 0;

	for (size_t i = 0; engines[i]; i++)
		n += format_safe(schemes + n, sizeof(schemes) - n, " %s:", engines[i]->scheme);
	cj_hint(err, "there are%s", schemes);
	return cj_fail(err, EINVAL, "find \"%s\", whose scheme is unknown", text);
}

static int not_of_a_pod(const char *text, struct cj_error *err)
{
	return cj_fail(err, EINVAL,
		       "find %s by a namespace or container, which only pods (k8s:) have", text);
}

/* A PID, a handle, self, or an engine of processes. */
static bool names_process(const char *text, const char *colon)
{
	const struct engine *engine = colon ? engine_by_scheme(text, (size_t)(colon - text)) : NULL;

	return is_process(text) || strcmp(text, "self") == 0 || (engine && engine->find);
}

bool target_has_name(const char *text)
{
	const char *colon = strchr(text, ':');
	const struct engine *engine = colon ? engine_by_scheme(text, (size_t)(colon - text)) : NULL;

	return !is_process(text) && strcmp(text, "self") != 0 && engine != &engine_pid;
}

static int find_in_engines(const struct engine *engine, const char *ref,
			   const struct cj_engine_options *options, struct cj_target *target,
			   struct cj_error *err)
{
	bool of_a_pod = options->pod_namespace || options->container;

	if (!engine && of_a_pod)
		engine = &engine_k8s;
	if (of_a_pod && engine != &engine_k8s)
		return not_of_a_pod(target->text, err);
	return engines_find(engine, ref, options, &target->ref, &target->container, err);
}

static int find(struct cj_target *target, const struct cj_engine_options *options,
		struct cj_error *err)
{
	const char *text = target->text, *colon = strchr(text, ':');
	const struct engine *engine;

	if ((options->pod_namespace || options->container) && names_process(text, colon))
		return not_of_a_pod(text, err);
	if (is_process(text))
		return engine_pid.find(text, &target->ref, err);
	if (strcmp(text, "self") == 0)
		return pidref_open(getpid(), &target->ref, err);
	if (!colon)
		return find_in_engines(NULL, text, options, target, err);
	engine = engine_by_scheme(text, (size_t)(colon - text));
	if (!engine)
		return unknown_scheme(text, err);
	return engine->find ? engine->find(colon + 1, &target->ref, err)
			    : find_in_engines(engine, colon + 1, options, target, err);
}

static void tell(struct cj_target *target)
{
	const struct container *container = &target->container;

	target->told = (struct cj_container){
		.engine = container->scheme,
		.id = container->id,
		.name = container->name,
		.image = container->image,
		.bundle = container->bundle,
		.labels = (const char *const *)container->labels,
		.state = container->state == CONTAINER_UNKNOWN
				 ? NULL
				 : container_state_name(container->state),
	};
}

enum target_life { TARGET_ALIVE, TARGET_ANY };

static int open_target(const char *text, const struct cj_engine_options *options,
		       enum target_life life, struct cj_target **ret, struct cj_error *err)
{
	struct cj_engine_options own = CJ_ENGINE_OPTIONS_INIT;
	struct cj_target *target;
	int r = options ? options_take(options, &own, sizeof(own), "engine options", err) : 0;

	if (r < 0)
		return r;
	if (!text[0])
		return cj_fail(err, EINVAL, "find \"\", which names no target");
	target = calloc(1, sizeof(*target));
	if (!target)
		return cj_fail(err, ENOMEM, "find %s", text);
	target->ref = (struct pidref)PIDREF_INIT;
	target->text = strdup(text);
	r = target->text ? find(target, &own, err) : cj_fail(err, ENOMEM, "find %s", text);
	if (r == 0 && life == TARGET_ALIVE && pidref_verify(&target->ref) < 0)
		r = cj_fail(err, ESRCH, "enter process %d, which has ended (it's a zombie)",
			    target->ref.pid);
	if (r == -ESRCH && is_process(text))
		cj_hint(err, "see ps; inside a container PIDs are other ones");
	if (r < 0) {
		cj_target_free(target);
		return r;
	}
	tell(target);
	*ret = target;
	return 0;
}

int cj_target_open(const char *text, struct cj_target **ret, struct cj_error *err)
{
	return open_target(text, NULL, TARGET_ALIVE, ret, err);
}

int cj_target_find(const char *text, const struct cj_engine_options *options,
		   struct cj_target **ret, struct cj_error *err)
{
	return open_target(text, options, TARGET_ALIVE, ret, err);
}

int cj_target_find_ended(const char *text, const struct cj_engine_options *options,
			 struct cj_target **ret, struct cj_error *err)
{
	return open_target(text, options, TARGET_ANY, ret, err);
}

int cj_target_namespace(const struct cj_target *target, const char *kind, uint64_t *ret)
{
	int number = namespace_index(kind);
	uint64_t inode;
	int r = number < 0 ? number : namespace_read(target->ref.proc, number, &inode);

	if (r == 0)
		r = pidref_verify(&target->ref);
	if (r < 0)
		return r;
	*ret = inode;
	return 0;
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
	/*
	 * What else ends with a container may do so before its first process is seen to have; that one's own root and cwd go
	 * before, too (ENOENT).
	 */
	bool perhaps = r == -ENOMEM || r == -EINTR || (r == -ENOENT && err && !err->status);
	int patience = perhaps ? ENDING_MS : 0;
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
	container_done(&target->container);
	free(target->text);
	free(target);
}

const char *cj_target_text(const struct cj_target *target)
{
	return target->text;
}

const struct cj_container *cj_target_container(const struct cj_target *target)
{
	return target->told.engine ? &target->told : NULL;
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
