/* SPDX-License-Identifier: MIT
 *
 * Loading filters and giving them back to the heap. Copying those of a live process is a matter of
 * its own: seccomp_copy.c.
 */
#include "sys/seccomp.h"

#include <linux/seccomp.h>
#include <stdlib.h>

#include "sys/syscalls.h"

void seccomp_program_done(struct seccomp_program *program)
{
	if (!program)
		return;
	free(program->insns);
	*program = (struct seccomp_program)SECCOMP_PROGRAM_INIT;
}

void seccomp_programs_done(struct seccomp_programs *programs)
{
	if (!programs)
		return;
	for (size_t i = 0; i < programs->count; i++)
		seccomp_program_done(&programs->list[i]);
	free(programs->list);
	*programs = (struct seccomp_programs)SECCOMP_PROGRAMS_INIT;
}

int seccomp_install(const struct sock_filter *insns, unsigned short count, unsigned int flags)
{
	/* struct sock_fprog, with the const that it lacks: the kernel only reads. */
	const struct {
		unsigned short len;
		const struct sock_filter *filter;
	} program = {count, insns};

	/* With TSYNC a positive result is the thread that couldn't be brought along. */
	long r = sys_result(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program));

	return r > 0 ? -ESRCH : (int)r;
}

int seccomp_install_all(const struct seccomp_programs *programs)
{
	for (size_t i = 0; i < programs->count; i++) {
		const struct seccomp_program *one = &programs->list[i];
		int r = seccomp_install(one->insns, one->count, one->flags);

		if (r < 0)
			return r;
	}
	return 0;
}
