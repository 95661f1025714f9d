/* SPDX-License-Identifier: MIT */
#include "stage/report.h"

#include <errno.h>

#include "base/io.h"

_Static_assert(sizeof(struct report) <= 4096, "a report must fit PIPE_BUF to arrive whole");

void report_send(int fd, enum report_kind kind, const struct cj_error *error)
{
	struct report report = {.kind = kind};

	if (error)
		report.error = *error;
	(void)io_write_all(fd, &report, sizeof(report));
}

int report_receive(int fd, struct report *ret)
{
	ssize_t n = io_read(fd, ret, sizeof(*ret));

	if (n <= 0)
		return (int)n;
	if (n != sizeof(*ret) || ret->kind < REPORT_STEP || ret->kind > REPORT_ERROR)
		return -EBADMSG;
	ret->error.text[sizeof(ret->error.text) - 1] = '\0';
	ret->error.hint[sizeof(ret->error.hint) - 1] = '\0';
	return 1;
}
