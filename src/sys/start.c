/* SPDX-License-Identifier: MIT
 *
 * Where the program begins: it makes sure that a container can't write to it (cj_seal_self() tells
 * why) before even the C library has started. Starting that twice would cost more than all the rest
 * of the sealing: 0.3 of 0.45 ms on a virtual machine, where its CPUID instructions trap.
 *
 * Nothing is set up here: no relocations, no thread pointer (so no stack protector, no errno), no
 * library calls. If anything fails the program starts as usual, and cj_seal_self() does it with all
 * fall-backs, or says why it can't. Only part of the program, never of the library.
 */
#include <fcntl.h>
#include <linux/mount.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>

#define EARLY __attribute__((no_stack_protector))

#if defined(__x86_64__)
/* %rdx is for _start; %rsp points to argc. */
__asm__(".globl conjoin_start\n"
	".hidden conjoin_start\n"
	".type conjoin_start, @function\n"
	"conjoin_start:\n"
	"	mov %rdx, %rbx\n"
	"	mov %rsp, %rdi\n"
	"	call start_seal\n"
	"	mov %rbx, %rdx\n"
	"	jmp _start\n");

EARLY static inline long call(long nr, long a, long b, long c, long d, long e)
{
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	long r;

	__asm__ volatile("syscall"
			 : "=a"(r)
			 : "a"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8)
			 : "rcx", "r11", "memory");
	return r;
}
#elif defined(__aarch64__)
/* x0 is for _start; sp points to argc. */
__asm__(".globl conjoin_start\n"
	".hidden conjoin_start\n"
	".type conjoin_start, %function\n"
	"conjoin_start:\n"
	"	mov x19, x0\n"
	"	mov x0, sp\n"
	"	bl start_seal\n"
	"	mov x0, x19\n"
	"	b _start\n");

EARLY static inline long call(long nr, long a, long b, long c, long d, long e)
{
	register long x8 __asm__("x8") = nr;
	register long x0 __asm__("x0") = a;
	register long x1 __asm__("x1") = b;
	register long x2 __asm__("x2") = c;
	register long x3 __asm__("x3") = d;
	register long x4 __asm__("x4") = e;

	__asm__ volatile("svc 0"
			 : "+r"(x0)
			 : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4)
			 : "memory");
	return x0;
}
#else
#error "meson.build uses this file for x86_64 and aarch64 only"
#endif

/* Commands that put a process into a container. By hand: strcmp may not be usable yet. */
EARLY static bool enters(const char *verb)
{
	return verb && verb[0] == 'e' && verb[1] == 'x' && verb[2] == 'e' && verb[3] == 'c' &&
	       verb[4] == '\0';
}

void start_seal(long *stack);

/* The stack as execve(2) leaves it: argc, argv…, NULL, envp…, NULL. */
EARLY __attribute__((used)) void start_seal(long *stack)
{
	static const char self[] = "/proc/self/exe";
	struct mount_attr read_only = {.attr_set = MOUNT_ATTR_RDONLY};
	char **argv = (char **)(stack + 1), **envp = argv + stack[0] + 1;
	struct statfs fs = {.f_flags = 0};
	long tree;

	if (stack[0] < 2 || !enters(argv[1]))
		return;
	if (call(SYS_statfs, (long)self, (long)&fs, 0, 0, 0) < 0 || (fs.f_flags & ST_RDONLY))
		return;
	tree = call(SYS_open_tree, AT_FDCWD, (long)self, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC, 0, 0);
	if (tree < 0)
		return;
	if (call(SYS_mount_setattr, tree, (long)"", AT_EMPTY_PATH, (long)&read_only,
		 sizeof(read_only)) == 0)
		(void)call(SYS_execveat, tree, (long)"", (long)argv, (long)envp, AT_EMPTY_PATH);
	(void)call(SYS_close, tree, 0, 0, 0, 0);
}
