/* SPDX-License-Identifier: MIT
 *
 * Our own executable file: whether anybody could write to it, and running it again from a clone that
 * nobody can. Not here: when that's needed (lib/seal.c).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>

/*
 * Is the file we run from beyond writing: on a read-only mount, or a memfd sealed against it? Read
 * from the file itself, never from a name or the environment. Returns 1, 0 or -errno.
 */
int executable_is_sealed(void);

/* fstat(2) of it. */
int executable_stat(struct stat *ret);

/*
 * Executes it again from a read-only detached clone of its mount (needs CAP_SYS_ADMIN; 5.12). Returns
 * only when it failed. The fd of the clone is closed by the execve: while it's open the read-only
 * flag could be cleared through it.
 */
int executable_run_clone(char *const *argv, char *const *envp);

/* The same from a copy in memory, sealed. Needs no rights, is slower. */
int executable_run_copy(char *const *argv, char *const *envp);

/* Makes a file in memory of that size, all zero, or gives `*file` that size, if it's open. memfd_create(2) */
int memory_file(int *file, size_t size);

/*
 * Makes an executable file in memory that nobody can change any more, and opens it. vm.memfd_noexec=2
 * forbids that (EACCES).
 */
int executable_make(const void *program, size_t size);
