/* SPDX-License-Identifier: MIT
 *
 *	    ld arch
 *	for each architecture that the kernel tells apart:
 *	    jeq ARCH, 0, next
 *	    ld nr
 *	    jset X32_BIT, x32, 0		x86_64 only
 *	    jeq 0, 0, 1				s390 only
 *	    ret ERRNO|ENOSYS
 *	    jgt BOUND, 0, 1			if there is a bound
 *	    ret ERRNO|ENOSYS
 *	    ja its filter
 *	x32:					x86_64 only: the same three
 *	next:
 *	at the end:
 *	    ret KILL_THREAD
 *	    the filters
 *
 * x32 has no AUDIT_ARCH of its own: it is x86_64 with a bit in the number. Where x32 isn't wanted
 * such a number isn't "newer" but of a bad architecture: libseccomp's filter for x86_64 kills it.
 *
 * s390 passes numbers above 255 through call 0, the old setup(2), and leaves 0 there when the
 * kernel doesn't know the number.
 */
#include "lib/seccomp_join.h"

#include <errno.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define X32_BIT 0x40000000U

enum {
	LEG = 3,	       /* a bound and the way to a filter */
	SECTION = 5 + 2 * LEG, /* of one architecture, at most */
	FRONT = 2 + SECCOMP_JOIN_ARCHS * SECTION,
};

/* What is in front of the filters. `target` says to which of them a JA leads, by index. */
struct front {
	struct sock_filter insns[FRONT];
	size_t target[FRONT];
	bool aims[FRONT];
	size_t count;
};

static void put(struct front *front, uint16_t code, uint32_t k, unsigned char jt, unsigned char jf)
{
	front->insns[front->count++] =
		(struct sock_filter){.code = code, .jt = jt, .jf = jf, .k = k};
}

static void put_return(struct front *front, uint32_t action)
{
	put(front, BPF_RET | BPF_K, action, 0, 0);
}

static void put_leg(struct front *front, size_t index, uint32_t bound)
{
	if (bound > 0) {
		put(front, BPF_JMP | BPF_JGT | BPF_K, bound, 0, 1);
		put_return(front, SECCOMP_RET_ERRNO | ENOSYS);
	}
	front->target[front->count] = index;
	front->aims[front->count] = true;
	put(front, BPF_JMP | BPF_JA, 0, 0, 0);
}

static size_t find_token(const struct seccomp_join_arch *archs, size_t n_archs, uint32_t token)
{
	size_t i = 0;

	while (i < n_archs && archs[i].token != token)
		i++;
	return i;
}

static void put_section(struct front *front, const struct seccomp_join_arch *archs, size_t n_archs,
			size_t index)
{
	uint32_t token = archs[index].token;
	size_t begin = front->count, jump, x32;

	put(front, BPF_JMP | BPF_JEQ | BPF_K, token, 0, 0); /* but for x32 it's the AUDIT_ARCH */
	put(front, BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr), 0, 0);
	if (token == SCMP_ARCH_S390 || token == SCMP_ARCH_S390X) {
		put(front, BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 1);
		put_return(front, SECCOMP_RET_ERRNO | ENOSYS);
	}
	jump = front->count;
	if (token == SCMP_ARCH_X86_64)
		put(front, BPF_JMP | BPF_JSET | BPF_K, X32_BIT, 0, 0);
	put_leg(front, index, archs[index].bound);
	if (token == SCMP_ARCH_X86_64) {
		front->insns[jump].jt = (unsigned char)(front->count - jump - 1);
		x32 = find_token(archs, n_archs, SCMP_ARCH_X32);
		if (x32 < n_archs)
			put_leg(front, x32, archs[x32].bound);
		else
			put_leg(front, index, 0);
	}
	front->insns[begin].jf = (unsigned char)(front->count - begin - 1);
}

int seccomp_join(const struct seccomp_join_arch *archs, size_t n_archs, struct seccomp_program *ret)
{
	struct front front = {.count = 0};
	size_t begin[SECCOMP_JOIN_ARCHS], total;
	struct sock_filter *insns;

	if (n_archs > SECCOMP_JOIN_ARCHS)
		return -E2BIG;
	put(&front, BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch), 0, 0);
	for (size_t i = 0; i < n_archs; i++)
		if (archs[i].token != SCMP_ARCH_X32)
			put_section(&front, archs, n_archs, i);
	put_return(&front, SECCOMP_RET_KILL_THREAD);

	total = front.count;
	for (size_t i = 0; i < n_archs; i++) {
		begin[i] = total;
		total += archs[i].count;
	}
	if (total > BPF_MAXINSNS)
		return -E2BIG;
	insns = calloc(total, sizeof(*insns));
	if (!insns)
		return -ENOMEM;
	for (size_t i = 0; i < front.count; i++)
		if (front.aims[i])
			front.insns[i].k = (uint32_t)(begin[front.target[i]] - i - 1);
	memcpy(insns, front.insns, front.count * sizeof(*insns));
	for (size_t i = 0; i < n_archs; i++)
		memcpy(insns + begin[i], archs[i].insns, archs[i].count * sizeof(*insns));
	*ret = (struct seccomp_program){.insns = insns, .count = (unsigned short)total};
	return 0;
}
