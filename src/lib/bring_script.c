/* SPDX-License-Identifier: MIT
 *
 * "#!" lines, as the kernel reads them: load_script() in fs/binfmt_script.c.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "lib/bring_state.h"

enum { LINE_SIZE = 256 }; /* BINPRM_BUF_SIZE */

void script_done(struct script *script)
{
	free(script->interpreter);
	free(script->argument);
	*script = (struct script){.interpreter = NULL};
}

static char *skip_blanks(char *at)
{
	return at + strspn(at, " \t");
}

/* "#!/usr/bin/env NAME": NAME is the interpreter. What else env can do isn't followed. */
static int follow_env(struct script *script, const char **ret_fault)
{
	const char *name = script->argument;

	if (strcmp(script->interpreter, "/usr/bin/env") != 0 &&
	    strcmp(script->interpreter, "/bin/env") != 0)
		return 0;
	if (!name || name[0] == '-' || strpbrk(name, "= \t/")) {
		*ret_fault = "its \"#!\" line gives env more than a name";
		return 0;
	}
	free(script->interpreter);
	script->interpreter = take_ptr(script->argument);
	script->by_env = true;
	return 0;
}

static int take_line(char *line, bool whole, struct script *ret, const char **ret_fault)
{
	char *interpreter = skip_blanks(line), *end = interpreter + strcspn(interpreter, " \t");
	char *argument = skip_blanks(end);

	for (size_t n = strlen(argument); n > 0 && strchr(" \t", argument[n - 1]); n--)
		argument[n - 1] = '\0';
	if (!whole && end[0] == '\0') {
		*ret_fault = "its \"#!\" line is too long for the kernel";
		return 0;
	}
	end[0] = '\0';
	if (interpreter[0] != '/') {
		*ret_fault = interpreter[0] ? "its \"#!\" line names no absolute path"
					    : "its \"#!\" line names no interpreter";
		return 0;
	}
	ret->interpreter = strdup(interpreter);
	if (!ret->interpreter)
		return -ENOMEM;
	if (argument[0] && argument != end) {
		ret->argument = strdup(argument);
		if (!ret->argument)
			return -ENOMEM;
	}
	return follow_env(ret, ret_fault);
}

int script_read(int fd, struct script *ret, const char **ret_fault)
{
	_cleanup_(script_done) struct script script = {.interpreter = NULL};
	char line[LINE_SIZE + 1], *newline;
	bool whole;
	ssize_t n;
	int r;

	do
		n = pread(fd, line, LINE_SIZE, 0);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	line[n] = '\0';
	if (strncmp(line, "#!", 2) != 0)
		return 0;
	*ret_fault = NULL;
	newline = strchr(line, '\n');
	whole = newline || strlen(line) < LINE_SIZE;
	if (newline)
		newline[0] = '\0';
	r = take_line(line + 2, whole, &script, ret_fault);
	if (r < 0)
		return r;
	*ret = script;
	script = (struct script){.interpreter = NULL};
	return 1;
}
