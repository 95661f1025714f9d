/* SPDX-License-Identifier: MIT
 *
 * A tree for fuzzers of what reads files: made once, in memory if there is a /dev/shm.
 */
#pragma once

#include <assert.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "engine/disk.h"
#include "engine/engine.h"

static char files_root[64];

static inline void files_remove(void)
{
	if (fork() == 0)
		execlp("rm", "rm", "-rf", files_root, (char *)NULL);
}

/* Writes a file below the tree, with the directories above it. */
static inline void files_write(const char *path, const void *data, size_t size)
{
	char whole[PATH_MAX];
	int fd;

	if (!files_root[0]) {
		(void)snprintf(files_root, sizeof(files_root), "%s/conjoin-fuzz-XXXXXX",
			       access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
		assert(mkdtemp(files_root));
		(void)atexit(files_remove);
	}
	(void)snprintf(whole, sizeof(whole), "%s/%s", files_root, path);
	fd = open(whole, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	for (char *slash = strchr(whole + strlen(files_root) + 1, '/'); fd < 0 && slash;
	     slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		(void)mkdir(whole, 0755);
		*slash = '/';
	}
	if (fd < 0)
		fd = open(whole, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	assert(fd >= 0);
	assert(io_write_all(fd, data, size) == 0);
	(void)close(fd);
}

/* Has it read by an engine's look(), for a word and for all. */
static inline void files_look(const struct engine *engine, const char *ref,
			      int (*look)(struct source *source, struct cj_error *err))
{
	const struct cj_engine_options options = CJ_ENGINE_OPTIONS_INIT;
	const char *const refs[] = {ref, NULL};

	for (size_t i = 0; i < 2; i++) {
		struct cj_error err = CJ_ERROR_INIT;
		const struct engine_request request = {
			.options = &options,
			.ref = refs[i],
			.root = files_root,
		};
		struct source source = {.engine = engine, .request = &request, .fd = -EBADF};

		(void)look(&source, &err);
		for (size_t n = 0; n < source.found.n; n++) {
			const struct container *one = &source.found.items[n];

			assert(one->id && strlen(one->id) == 64 && one->pid >= 0);
			assert(refs[i] || one->pid > 0);
		}
		containers_done(&source.found);
		free(source.read_from);
	}
}
