/* SPDX-License-Identifier: MIT
 *
 * Where the stage's program begins. It is executed from a sealed file in memory, so that neither it
 * nor its child has anything of the caller's: no memory, and no file that a container could change by
 * way of /proc/PID/exe (CVE-2019-5736).
 *
 * Failures before the orders are read have no other way than the exit status: an errno.
 * argv[0] is the number of the file that the orders are in. There is no C library here (nolibc.c).
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/prctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/parse.h"
#include "stage/packed.h"
#include "stage/stage.h"
#include "sys/start.h"

PROGRAM_START(stage_start);

_Noreturn void stage_start(long *stack);

static void read_at(int fd, char *to, uint64_t size, uint64_t from)
{
	while (size > 0) {
		ssize_t n = pread(fd, to, size, (off_t)from);

		if (n <= 0)
			_exit(n < 0 ? errno : EIO);
		to += n;
		from += (uint64_t)n;
		size -= (uint64_t)n;
	}
}

/* Into memory of our own: the file itself shall not be mapped in the child. */
static struct orders *unpack(int fd)
{
	struct packed head, *all;
	uint64_t *slots;
	char *base;

	read_at(fd, (char *)&head, sizeof(head), PACKED_AT);
	base = mmap(NULL, head.size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (base == MAP_FAILED)
		_exit(errno);
	read_at(fd, base, head.size, PACKED_AT);
	slots = (uint64_t *)(void *)(base + head.slots);
	for (uint64_t i = 0; i < head.n_slots; i++)
		*(char **)(void *)(base + slots[i]) = base + *(uint64_t *)(void *)(base + slots[i]);
	all = (struct packed *)(void *)base;
	all->orders.shared =
		mmap(NULL, sizeof(struct shared), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (all->orders.shared == MAP_FAILED)
		_exit(errno);
	return &all->orders;
}

/* The stack as execve(2) leaves it: argc, argv… */
__attribute__((used)) _Noreturn void stage_start(long *stack)
{
	const char *number = *(const char **)(void *)(stack + 1);
	uint64_t fd;
	struct orders *orders;

	if (stack[0] < 1 || parse_u64(number, 0, INT32_MAX, &fd) < 0)
		_exit(1); /* somebody else runs us: the command was /proc/self/exe */
	orders = unpack((int)fd);
	(void)close((int)fd);
	/* They had to outlive one execve, and must not outlive the next. */
	(void)fcntl(orders->report, F_SETFD, FD_CLOEXEC);
	(void)fcntl(orders->life, F_SETFD, FD_CLOEXEC);
	(void)sys_prctl(PR_SET_NAME, (unsigned long)"conjoin", 0);
	stage_main(orders);
}
