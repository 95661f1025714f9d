/* SPDX-License-Identifier: MIT
 *
 * The test container's environment: bytes as they are, in the order they came.
 * Not here: anything that looks into an entry but for its name.
 */
#include "sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int environment_add(struct sandbox *box, char *entry)
{
	char **env = realloc(box->env, (box->n_env + 2) * sizeof(*env));

	if (!env)
		return -ENOMEM;
	box->env = env;
	env[box->n_env++] = entry;
	env[box->n_env] = NULL;
	return 0;
}

/* NUL-separated, as /proc/PID/environ has it. */
int environment_read(struct sandbox *box, const char *path)
{
	_cleanup_fd_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	const size_t limit = 4 << 20;
	size_t size = 0;
	ssize_t n;

	if (fd < 0)
		return -errno;
	free(box->env_file);
	box->env_file = calloc(1, limit + 1);
	if (!box->env_file)
		return -ENOMEM;
	while ((n = read(fd, box->env_file + size, limit - size)) > 0)
		size += (size_t)n;
	if (n < 0)
		return -errno;
	for (char *at = box->env_file; at < box->env_file + size; at += strlen(at) + 1)
		if (environment_add(box, at) < 0)
			return -ENOMEM;
	return 0;
}

/* Ours, unless a file was given; an --env of the same name comes in its place. */
int environment_complete(struct sandbox *box, struct failure *why)
{
	static char ours[][72] = {
		"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
		"HOME=/",
		"LANG=C.UTF-8",
		"CONTAINER=sandbox",
	};

	for (size_t i = 0; i < ELEMENTS(ours) && !box->env_file; i++) {
		size_t name = strcspn(ours[i], "=") + 1;
		bool given = false;

		for (size_t n = 0; n < box->n_env; n++)
			given = given || strncmp(box->env[n], ours[i], name) == 0;
		if (!given && environment_add(box, ours[i]) < 0)
			return fail(why, ENOMEM, "environment");
	}
	if (!box->env && !(box->env = calloc(1, sizeof(*box->env))))
		return fail(why, ENOMEM, "environment");
	return 0;
}
