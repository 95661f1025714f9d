/* SPDX-License-Identifier: MIT */
#include "cli/env_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/io.h"

enum { FILE_LIMIT = 4 << 20 };

static int add(struct text_list *list, char *entry, struct cj_error *err)
{
	if (!entry)
		return cj_fail(err, ENOMEM, "keep a variable");
	text_list_add(list, entry);
	return 0;
}

int env_option(const char *text, struct text_list *list, struct cj_error *err)
{
	const char *value;
	char *entry = NULL;

	if (!text[0] || text[0] == '=')
		return cj_fail(err, EINVAL, "environment variable \"%s\" has no name", text);
	value = strchr(text, '=') ? NULL : getenv(text);
	if (!value)
		return add(list, strdup(text), err);
	if (asprintf(&entry, "%s=%s", text, value) < 0)
		entry = NULL;
	return add(list, entry, err);
}

static int add_lines(const char *path, char *text, struct text_list *list, struct cj_error *err)
{
	char *save = NULL;

	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		int r = line[0] == '#' ? 0 : env_option(line, list, err);

		if (r < 0) {
			cj_hint(err, "in %s", path);
			return r;
		}
	}
	return 0;
}

int env_file_read(const char *path, struct text_list *list, struct cj_error *err)
{
	_cleanup_fd_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	_cleanup_(bytes_done) struct bytes text = BYTES_INIT;
	int r = fd < 0 ? -errno : io_read_all(fd, FILE_LIMIT, &text);

	if (r < 0)
		return cj_fail(err, -r, "read environment file %s", path);
	if (strlen(text.data) != text.size)
		return cj_fail(err, EINVAL, "read environment file %s, which has a NUL", path);
	return add_lines(path, text.data, list, err);
}

void env_list_done(struct text_list *list)
{
	for (size_t i = 0; i < list->n; i++)
		free((void *)(uintptr_t)list->items[i]);
	text_list_done(list);
}
