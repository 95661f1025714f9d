/* SPDX-License-Identifier: MIT
 *
 * A caller of the library that lives long: runs a command again and again and says what it has grown by.
 *
 *	dweller ROUNDS PID COMMAND [ARG…]
 *	dweller parent PID COMMAND [ARG…]
 *
 * Of the latter: runs it once, and has a process of its own meanwhile, whose PID it writes: forked, and not executed. Of the
 * former: writes "KIB FDS": by how much the resident memory and the open files are more after ROUNDS than after a
 * tenth of them; that tenth is for what is made once.
 */
#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <conjoin/conjoin.h>

/* Not "VmRSS": that is summed up lazily, and off by some pages a processor. proc(5) */
static long resident_kib(void)
{
	FILE *file = fopen("/proc/self/smaps_rollup", "re");
	char line[256];
	long kib = -1;

	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, "Rss: %ld kB", &kib) == 1)
			break;
	if (file)
		(void)fclose(file);
	return kib;
}

static int open_files(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int n = 0;

	while (dir && readdir(dir))
		n++;
	if (dir)
		(void)closedir(dir);
	return n;
}

/* It has all that we have open. */
static void say_helper(void)
{
	pid_t pid = fork();

	while (pid == 0)
		(void)pause();
	(void)printf("%d\n", pid);
	(void)fflush(stdout);
}

/* With all that a session can have: a tree's cgroup, a time limit. */
static int run_once(const char *target_text, const char *const *argv, bool parent,
		    struct cj_error *err)
{
	struct cj_exec_options options = CJ_EXEC_OPTIONS_INIT;
	struct cj_launch_options launch = CJ_LAUNCH_OPTIONS_INIT;
	struct cj_session_options session = CJ_SESSION_OPTIONS_INIT;
	struct cj_target *target = NULL;
	struct cj_plan *plan = NULL;
	struct cj_child *child = NULL;
	struct cj_exit end;
	int r;

	options.argv = argv;
	options.tree = !parent;
	launch.threaded = parent; /* then there is no parent death signal */
	session.timeout = parent ? 0 : 60000;
	session.kill_tree = !parent;
	r = cj_target_open(target_text, &target, err);
	if (r == 0)
		r = cj_plan_exec(target, &options, &plan, err);
	if (r == 0)
		r = cj_launch(plan, &launch, &child, err);
	if (r == 0 && parent)
		say_helper();
	if (r == 0)
		r = cj_session_run(child, &session, &end, err);
	if (r == 0 && end.code != 0) {
		if (err)
			err->code = EPROTO;
		r = -EPROTO;
	}
	cj_child_free(child);
	cj_plan_free(plan);
	cj_target_free(target);
	return r;
}

int main(int argc, char **argv)
{
	long rounds = argc > 3 ? strtol(argv[1], NULL, 10) : 0, kib = 0;
	int files = 0;

	if (argc > 3 && strcmp(argv[1], "parent") == 0)
		return run_once(argv[2], (const char *const *)(argv + 3), true, NULL) < 0;
	if (rounds < 10)
		return 2;
	for (long i = 0; i < rounds; i++) {
		struct cj_error err = CJ_ERROR_INIT;

		if (run_once(argv[2], (const char *const *)(argv + 3), false, &err) < 0) {
			(void)fprintf(stderr, "%s: %s\n", err.text, strerror(err.code));
			return 1;
		}
		if (i == rounds / 10) {
			kib = resident_kib();
			files = open_files();
		}
	}
	(void)printf("%ld %d\n", resident_kib() - kib, open_files() - files);
	return 0;
}
