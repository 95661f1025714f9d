/* SPDX-License-Identifier: MIT
 *
 * pid:4711, pid:4711:8193, pid:4711:s90210
 */
#include <errno.h>
#include <string.h>

#include "base/parse.h"
#include "engine/engine.h"

static int find(const char *ref, struct pidref *ret, struct cj_error *err)
{
	struct handle handle;
	pid_t pid;
	int r;

	if (strchr(ref, ':')) {
		r = handle_parse(ref, &handle);
		return r < 0 ? cj_fail(err, EINVAL, "read \"%s\" as a handle (PID:INODE)", ref)
			     : pidref_open_handle(&handle, ret, err);
	}
	r = parse_pid(ref, &pid);
	return r < 0 ? cj_fail(err, EINVAL, "read \"%s\" as a PID", ref)
		     : pidref_open(pid, ret, err);
}

const struct engine engine_pid = {.scheme = "pid", .find = find};
