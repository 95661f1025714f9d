/* SPDX-License-Identifier: MIT
 *
 * Where a program without a C library begins (sys/raw.h says for which architectures).
 */
#pragma once

/*
 * Makes `run`, a function that takes a long * and doesn't return, what the kernel enters: with the stack as
 * execve(2) leaves it, argc, argv, NULL, environment, NULL.
 */
#if defined(__x86_64__)
#define PROGRAM_START(run)                                                                         \
	__asm__(".globl _start\n"                                                                  \
		"_start:\n"                                                                        \
		"	xor %ebp, %ebp\n"                                                                \
		"	mov %rsp, %rdi\n"                                                                \
		"	and $-16, %rsp\n"                                                                \
		"	call " #run "\n"                                                           \
		"	ud2\n")
#elif defined(__aarch64__)
#define PROGRAM_START(run)                                                                         \
	__asm__(".globl _start\n"                                                                  \
		"_start:\n"                                                                        \
		"	mov x29, xzr\n"                                                                  \
		"	mov x0, sp\n"                                                                    \
		"	bl " #run "\n"                                                             \
		"	brk 1\n")
#endif
