/* SPDX-License-Identifier: MIT
 *
 * System calls without the C library: where there is none (the stage's program), or where its errno
 * is somebody else's (a process that shares its caller's memory).
 */
#pragma once

#if defined(__x86_64__)
#define HAVE_RAW_CALLS 1

/* The result as the kernel gives it: -4095 to -1 is -errno. syscall(2) */
static inline __attribute__((always_inline)) long raw_call(long nr, long a, long b, long c, long d,
							   long e, long f)
{
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	register long r9 __asm__("r9") = f;
	long r;

	__asm__ volatile("syscall"
			 : "=a"(r)
			 : "a"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return r;
}

/*
 * A system call of the clone family that gives the new process a stack of its own, on which it calls
 * run(data), which must not return. clone(2), clone3(2)
 */
static inline long raw_clone(long nr, long a, long b, long c, void (*run)(void *), void *data)
{
	register void *r12 __asm__("r12") = data;
	register void (*r13)(void *) __asm__("r13") = run;
	register long r10 __asm__("r10") = 0;
	register long r8 __asm__("r8") = 0;
	long r;

	__asm__ volatile("syscall\n\t"
			 "test %%rax, %%rax\n\t"
			 "jnz 1f\n\t"
			 "xor %%ebp, %%ebp\n\t"
			 "mov %%r12, %%rdi\n\t"
			 "call *%%r13\n\t"
			 "ud2\n"
			 "1:"
			 : "=a"(r)
			 : "a"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r12), "r"(r13)
			 : "rcx", "r11", "memory");
	return r;
}

#elif defined(__aarch64__)
#define HAVE_RAW_CALLS 1

static inline __attribute__((always_inline)) long raw_call(long nr, long a, long b, long c, long d,
							   long e, long f)
{
	register long x8 __asm__("x8") = nr;
	register long x0 __asm__("x0") = a;
	register long x1 __asm__("x1") = b;
	register long x2 __asm__("x2") = c;
	register long x3 __asm__("x3") = d;
	register long x4 __asm__("x4") = e;
	register long x5 __asm__("x5") = f;

	__asm__ volatile("svc 0"
			 : "+r"(x0)
			 : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5)
			 : "memory");
	return x0;
}

static inline long raw_clone(long nr, long a, long b, long c, void (*run)(void *), void *data)
{
	register long x8 __asm__("x8") = nr;
	register long x0 __asm__("x0") = a;
	register long x1 __asm__("x1") = b;
	register long x2 __asm__("x2") = c;
	register long x3 __asm__("x3") = 0;
	register long x4 __asm__("x4") = 0;
	register void *x20 __asm__("x20") = data;
	register void (*x21)(void *) __asm__("x21") = run;

	__asm__ volatile("svc 0\n\t"
			 "cbnz x0, 1f\n\t"
			 "mov x29, xzr\n\t"
			 "mov x0, x20\n\t"
			 "blr x21\n\t"
			 "brk 1\n"
			 "1:"
			 : "+r"(x0)
			 : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x20), "r"(x21)
			 : "memory");
	return x0;
}

#else
#define HAVE_RAW_CALLS 0
#endif
