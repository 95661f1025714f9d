/* SPDX-License-Identifier: MIT
 *
 * Engines' files on disk for unit tests: a tree in place of /, a source that reads there, a process
 * for the records to name.
 */
#pragma once

#include "unit.h"

#include "engine/disk.h"
#include "engine/engine.h"
#include "sys/proc.h"

struct disk {
	struct tree *tree;
	struct cj_engine_options options;
	struct engine_request request;
	struct source source;
	struct cj_error err;
	char said[8192]; /* warnings, a line each */
};

static inline void disk_log(void *data, enum cj_log_level level, const char *text)
{
	struct disk *disk = data;
	size_t n = strlen(disk->said);

	assert_int_equal(level, CJ_LOG_WARNING);
	(void)snprintf(disk->said + n, sizeof(disk->said) - n, "%s\n", text);
}

/* `disk` must not move. */
static inline void disk_open(struct disk *disk, struct tree *tree, const struct engine *engine,
			     const char *ref)
{
	*disk = (struct disk){.tree = tree, .options = CJ_ENGINE_OPTIONS_INIT};
	disk->options.log = disk_log;
	disk->options.log_data = disk;
	disk->request = (struct engine_request){
		.options = &disk->options,
		.ref = ref,
		.root = tree->path,
	};
	disk->source = (struct source){.engine = engine, .request = &disk->request, .fd = -EBADF};
}

static inline void disk_close(struct disk *disk)
{
	containers_done(&disk->source.found);
	free(disk->source.read_from);
}

/* Writes a file below the tree, with the directories above it. */
__attribute__((format(printf, 3, 4))) static inline void
put(const struct tree *tree, const char *path, const char *format, ...)
{
	char name[1024], text[16384];
	va_list args;

	(void)snprintf(name, sizeof(name), "%s", path);
	for (char *slash = strchr(name, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		assert_true(mkdirat(tree->fd, name, 0755) == 0 || errno == EEXIST);
		*slash = '/';
	}
	va_start(args, format);
	(void)vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	write_text(tree, path, text);
}

static inline uint64_t start_of(pid_t pid)
{
	_cleanup_fd_ int proc = -EBADF;
	uint64_t start;

	assert_int_equal(proc_open(pid, &proc, NULL), 0);
	assert_int_equal(proc_read_start_time(proc, &start), 0);
	return start;
}
