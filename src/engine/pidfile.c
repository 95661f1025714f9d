/* SPDX-License-Identifier: MIT
 *
 * pidfile:/run/nginx.pid
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/io.h"
#include "base/parse.h"
#include "engine/engine.h"

static int find(const char *path, struct pidref *ret, struct cj_error *err)
{
	_cleanup_fd_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	char text[32];
	ssize_t n;
	pid_t pid;

	if (fd < 0)
		return cj_fail(err, errno, "open pidfile %s", path);
	n = io_read_small(fd, text, sizeof(text));
	if (n < 0 && n != -EFBIG)
		return cj_fail(err, (int)-n, "read pidfile %s", path);
	if (n >= 0)
		text[strcspn(text, " \t\r\n")] = '\0'; /* some write a second line */
	if (n < 0 || parse_pid(text, &pid) < 0)
		return cj_fail(err, EINVAL, "find a PID in pidfile %s", path);
	return pidref_open(pid, ret, err);
}

const struct engine engine_pidfile = {.scheme = "pidfile", .find = find};
