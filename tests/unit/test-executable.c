/* SPDX-License-Identifier: MIT
 *
 * Our own file, run again from where nobody can write to it; and programs made in memory. The test
 * executes itself: what it is started as tells main() what is wanted.
 */
#include "unit.h"

#include <sys/mman.h>
#include <sys/wait.h>

#include "sys/executable.h"

enum { SEALED = 42, WRITABLE = 43 };

static char *const again[] = {"tell-whether-sealed", NULL};
static char *const empty[] = {NULL};

/* What became of a child in which one of the two ways was gone. */
static int end_of(int (*run)(char *const *argv, char *const *envp))
{
	pid_t pid = fork();
	int status;

	if (pid == 0)
		_exit(-run(again, empty)); /* it came back: an errno */
	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void a_program_that_was_linked_just_now_can_be_written_to(void **state)
{
	(void)state;
	assert_int_equal(executable_is_sealed(), 0);
}

static void a_copy_in_memory_is_sealed(void **state)
{
	int end = end_of(executable_run_copy);

	(void)state;
	if (end == ENOENT)
		skip(); /* valgrind's execveat(2) takes an empty path for one */
	assert_int_equal(end, SEALED);
}

static void a_clone_is_sealed(void **state)
{
	int end;

	(void)state;
	end = end_of(executable_run_clone);
	if (end == EPERM || end == ENOSYS)
		skip(); /* no right to clone mounts, or valgrind */
	assert_int_equal(end, SEALED);
}

static void nobody_can_change_a_program_in_memory(void **state)
{
	_cleanup_fd_ int fd = executable_make("content", 7), again_fd = -EBADF;
	char text[32], content[8] = "";

	(void)state;
	assert_true(fd >= 0);
	(void)snprintf(text, sizeof(text), "/proc/self/fd/%d", fd);
	again_fd = open(text, O_RDWR | O_CLOEXEC);
	assert_true(again_fd >= 0);
	assert_true(pwrite(again_fd, "x", 1, 0) < 0);
	assert_true(ftruncate(again_fd, 0) < 0);
	assert_true(ftruncate(again_fd, 100) < 0);
	assert_true(mmap(NULL, 7, PROT_WRITE, MAP_SHARED, again_fd, 0) == MAP_FAILED);
	assert_int_equal(pread(again_fd, content, sizeof(content), 0), 7);
	assert_string_equal(content, "content");
}

int main(int argc, char **argv)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_program_that_was_linked_just_now_can_be_written_to),
		cmocka_unit_test(a_copy_in_memory_is_sealed),
		cmocka_unit_test(a_clone_is_sealed),
		cmocka_unit_test(nobody_can_change_a_program_in_memory),
	};

	if (argc > 0 && strcmp(argv[0], again[0]) == 0)
		return executable_is_sealed() == 1 ? SEALED : WRITABLE;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
