/* SPDX-License-Identifier: MIT
 *
 * The program that stands at CONJOIN_BIN/NAME for a dynamic program or a script. The kernel would
 * take the loader that such a file names, or its interpreter, from the container; the runner
 * executes the one that was brought, with the libraries that were brought. They are named in
 * arguments: an LD_LIBRARY_PATH would go on to the container's own programs.
 * Not here: any choice. The orders are filled in by lib/bring_start.c. No C library
 * (stage/nolibc.c).
 */
#include "runner/runner.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "sys/start.h"

enum { STATUS_NOT_EXECUTABLE = 126, STATUS_NOT_FOUND = 127 };

PROGRAM_START(runner_start);

_Noreturn void runner_start(long *stack);

/* Volatile: the compiler must not believe what it sees here. */
static const volatile struct runner_orders orders = {.mark = RUNNER_MARK};

static void say(const char *text)
{
	(void)write(STDERR_FILENO, text, strlen(text));
}

static _Noreturn void fail(const char *file, int code)
{
	char digits[12];
	size_t at = sizeof(digits) - 1;

	digits[at] = '\0';
	for (unsigned int left = (unsigned int)code; left > 0; left /= 10)
		digits[--at] = (char)('0' + left % 10);
	say("conjoin: execute ");
	say(file);
	say(": error ");
	say(digits + at);
	say("\n");
	_exit(code == ENOENT ? STATUS_NOT_FOUND : STATUS_NOT_EXECUTABLE);
}

/* The stack as execve(2) leaves it: argc, argv, NULL, environment, NULL. */
__attribute__((used)) _Noreturn void runner_start(long *stack)
{
	size_t argc = (size_t)stack[0], n = 0;
	char **own = (char **)(void *)(stack + 1);
	char **envp = own + argc + 1;
	const char *file = (const char *)(size_t)orders.text, *text = file;
	char **argv = mmap(NULL, (orders.arguments + argc + 1) * sizeof(*argv),
			   PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (argv == MAP_FAILED)
		fail(file, errno);
	while (n < orders.arguments) {
		text += strlen(text) + 1;
		argv[n] = (char *)(size_t)text;
		if ((int32_t)n == orders.own_argv0 && argc > 0)
			argv[n] = own[0];
		n++;
	}
	for (size_t i = 1; i < argc; i++)
		argv[n++] = own[i];
	argv[n] = NULL;
	(void)execve(file, argv, envp);
	fail(file, errno);
}
