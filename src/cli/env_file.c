/* SPDX-License-Identifier: MIT */
#include "cli/env_file.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

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

int env_file_read(const char *path, struct text_list *list, struct cj_error *err)
{
	_cleanup_file_ FILE *file = fopen(path, "re");
	_cleanup_free_ char *line = NULL;
	size_t room = 0;
	ssize_t n;

	if (!file)
		return cj_fail(err, errno, "open environment file %s", path);
	while ((n = getline(&line, &room, file)) >= 0) {
		int r;

		if (n > 0 && line[n - 1] == '\n')
			line[--n] = '\0';
		if (strlen(line) != (size_t)n)
			return cj_fail(err, EINVAL, "read environment file %s, which has a NUL",
				       path);
		if (n == 0 || line[0] == '#')
			continue;
		r = env_option(line, list, err);
		if (r < 0)
			return r;
	}
	return ferror(file) ? cj_fail(err, errno, "read environment file %s", path) : 0;
}

void env_list_done(struct text_list *list)
{
	for (size_t i = 0; i < list->n; i++)
		free((void *)(uintptr_t)list->items[i]);
	text_list_done(list);
}
