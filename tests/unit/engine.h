/* SPDX-License-Identifier: MIT
 *
 * An engine, asked for what lies in a made-up tree of files.
 */
#pragma once

#include <inttypes.h>
#include <limits.h>
#include <sched.h>

#include "unit.h"

#include "engine/engine.h"
#include "engine/source.h"
#include "sys/kin.h"
#include "sys/proc.h"

/* Puts a file into the tree, with the directories above it. */
__attribute__((format(printf, 3, 4))) static inline void
put(const struct tree *tree, const char *path, const char *format, ...)
{
	char full[PATH_MAX];
	va_list args;
	_cleanup_file_ FILE *file = NULL;

	(void)snprintf(full, sizeof(full), "%s%s", tree->path, path);
	for (char *slash = strchr(full + strlen(tree->path) + 1, '/'); slash;
	     slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		assert_true(mkdir(full, 0755) == 0 || errno == EEXIST);
		*slash = '/';
	}
	if (full[strlen(full) - 1] == '/')
		return; /* only the directory */
	file = fopen(full, "we");
	assert_non_null(file);
	va_start(args, format);
	assert_true(vfprintf(file, format, args) >= 0);
	va_end(args);
}

static inline uint64_t start_of(pid_t pid)
{
	_cleanup_fd_ int proc = -EBADF;
	uint64_t start;

	assert_int_equal(proc_open(pid, &proc, NULL), 0);
	assert_int_equal(proc_read_start_time(proc, &start), 0);
	return start;
}

/* A child of ours in a pid namespace of its own, which ends with us. */
static inline pid_t spawn_inside(void)
{
	pid_t pid = (pid_t)syscall(SYS_clone, (unsigned long)CLONE_NEWPID | SIGCHLD, NULL, NULL,
				   NULL, NULL);

	if (pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;)
			pause();
	}
	if (pid < 0)
		skip();
	return pid;
}

/* What is asked, and what came back. */
struct asking {
	struct cj_engine_options options;
	struct engine_request request;
	struct sources sources;
	struct cj_error err;
};

/* `ref` NULL: all. Nothing is found beside what is below the tree and among processes. */
static inline int ask_engine(struct asking *asking, const struct tree *tree,
			     const struct engine *engine, const char *ref)
{
	int r;

	*asking = (struct asking){
		.options = CJ_ENGINE_OPTIONS_INIT,
		.sources = SOURCES_INIT,
		.err = CJ_ERROR_INIT,
	};
	asking->request = (struct engine_request){.options = &asking->options,
						  .ref = ref,
						  .root = tree->path};
	r = engine->sources(&asking->request, &asking->sources, &asking->err);
	return r < 0 ? r : sources_run(&asking->sources, &asking->err);
}

static inline void asking_done(struct asking *asking)
{
	sources_done(&asking->sources);
}

/* All that was found, by all sources; NULL: there's no i-th one. */
static inline const struct container *found(const struct asking *asking, size_t i)
{
	for (size_t n = 0; n < asking->sources.n; n++) {
		const struct containers *containers = &asking->sources.items[n].found;

		if (i < containers->n)
			return &containers->items[i];
		i -= containers->n;
	}
	return NULL;
}

/* The only one, which is there. */
static inline const struct container *only(const struct asking *asking)
{
	assert_non_null(found(asking, 0));
	assert_null(found(asking, 1));
	return found(asking, 0);
}
