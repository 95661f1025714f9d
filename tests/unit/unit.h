/* SPDX-License-Identifier: MIT
 *
 * What several unit tests need: cmocka with what it wants included before it, files of the data
 * directory, a directory to play in, a process to look at.
 * Not here: made-up facts for plans (plan.h).
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include <conjoin/error.h>

#include "base/cleanup.h"
#include "base/io.h"

/* A text with its length, for parsers that take bytes; freed by bytes_done(). */
static inline struct bytes bytes_of(const char *data, size_t size)
{
	struct bytes bytes = {.data = malloc(size + 1), .size = size};

	assert_non_null(bytes.data);
	memcpy(bytes.data, data, size);
	bytes.data[size] = '\0';
	return bytes;
}

static inline struct bytes text_of(const char *text)
{
	return bytes_of(text, strlen(text));
}

/* A file below tests/unit/data/; freed by bytes_done(). */
static inline struct bytes read_data(const char *name)
{
	struct bytes bytes = BYTES_INIT;
	char path[256];
	int r;

	(void)snprintf(path, sizeof(path), "tests/unit/data/%s", name);
	_cleanup_fd_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	r = fd < 0 ? -errno : io_read_all(fd, 1 << 20, &bytes);
	if (r < 0)
		fail_msg("read %s: %s", path, strerror(-r));
	return bytes;
}

/* --- a directory of our own, gone after the test --- */

struct tree {
	char path[64];
	int fd;
};

static inline int make_tree(void **state)
{
	struct tree *tree = calloc(1, sizeof(*tree));

	assert_non_null(tree);
	(void)snprintf(tree->path, sizeof(tree->path), "/tmp/conjoin-unit-XXXXXX");
	assert_non_null(mkdtemp(tree->path));
	tree->fd = open(tree->path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	assert_true(tree->fd >= 0);
	*state = tree;
	return 0;
}

static inline int remove_entry(const char *path, const struct stat *st, int type, struct FTW *at)
{
	(void)st;
	(void)type;
	(void)at;
	return remove(path);
}

static inline int remove_tree(void **state)
{
	struct tree *tree = *state;
	int r = nftw(tree->path, remove_entry, 8, FTW_DEPTH | FTW_PHYS);

	close_fd(&tree->fd);
	free(tree);
	return r;
}

static inline void make_directory(const struct tree *tree, const char *name)
{
	assert_int_equal(mkdirat(tree->fd, name, 0755), 0);
}

static inline void write_bytes(const struct tree *tree, const char *name, const char *data,
			       size_t size)
{
	_cleanup_fd_ int fd =
		openat(tree->fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	assert_true(fd >= 0);
	assert_int_equal(io_write_all(fd, data, size), 0);
}

static inline void write_text(const struct tree *tree, const char *name, const char *text)
{
	write_bytes(tree, name, text, strlen(text));
}

/* --- programs that can't run everywhere --- */

static inline bool knows_call(long number)
{
	return syscall(number, -1L, 0L, 0L, 0L) >= 0 || errno != ENOSYS;
}

static inline void a_system_call_is_unknown_here(void **state)
{
	(void)state;
	skip();
}

/* In place of a group that needs a call which nobody answers: valgrind 3.19 knows few new ones. */
static inline int run_none(const char *group)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(a_system_call_is_unknown_here)};

	return _cmocka_run_group_tests(group, tests, ELEMENTS(tests), NULL, NULL);
}

/* --- processes --- */

/* A child that does nothing until it's killed, or until the test has ended without doing so. */
static inline pid_t spawn_idle(void)
{
	pid_t pid = fork();

	if (pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;)
			pause();
	}
	assert_true(pid > 0);
	return pid;
}

/* Kills a child and leaves it a zombie. */
static inline void make_zombie(pid_t pid)
{
	siginfo_t info;

	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
}

static inline void end(pid_t pid)
{
	(void)kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

/* The text of an error holds a word, so that it names what went wrong. */
static inline void assert_names(const struct cj_error *err, const char *word)
{
	if (!strstr(err->text, word))
		fail_msg("\"%s\" doesn't name \"%s\"", err->text, word);
}
