/* SPDX-License-Identifier: MIT
 *
 * example-pipe TARGET COMMAND [ARG…]: runs a command and reads what it writes through a pipe of ours.
 * Shows whose the ends of the pipe are, and what the events are that tell of the end.
 * Compile it with -D_GNU_SOURCE, for pipe2(2).
 * Not here: reading and writing at once, which takes poll(2): see <conjoin/session.h>.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <conjoin/conjoin.h>

/* Starts it with the pipe on stdout, and /dev/null on stdin and stderr. */
static int start(const char *name, const char *const *argv, struct cj_plan **plan,
		 struct cj_target **target, int out, struct cj_child **child, struct cj_error *err)
{
	struct cj_exec_options options = CJ_EXEC_OPTIONS_INIT;
	struct cj_launch_options launch = CJ_LAUNCH_OPTIONS_INIT;
	int r;

	options.argv = argv;
	launch.stdio[0] = launch.stdio[2] = -1;
	launch.stdio[1] = out;
	r = cj_target_open(name, target, err);
	if (r == 0)
		r = cj_plan_exec(*target, &options, plan, err);
	return r < 0 ? r : cj_launch(*plan, &launch, child, err);
}

/* Until nobody holds the other end: the command, and whatever it leaves behind. */
static long count_to_end(int fd)
{
	char buf[4096];
	long total = 0;
	ssize_t n;

	while ((n = read(fd, buf, sizeof(buf))) != 0) {
		if (n > 0)
			total += (long)fwrite(buf, 1, (size_t)n, stdout);
		else if (errno != EINTR)
			break;
	}
	return total;
}

int main(int argc, char **argv)
{
	struct cj_error err = CJ_ERROR_INIT;
	struct cj_target *target = NULL;
	struct cj_plan *plan = NULL;
	struct cj_child *child = NULL;
	struct cj_exit end;
	int fds[2], r;

	/* Close-on-exec: the command gets the one end that it was given by name, and not the other. */
	if (argc < 3 || pipe2(fds, O_CLOEXEC) < 0) {
		(void)fprintf(stderr, "usage: %s TARGET COMMAND [ARG…]\n", argv[0]);
		return 125;
	}
	r = start(argv[1], (const char *const *)(argv + 2), &plan, &target, fds[1], &child, &err);
	(void)close(fds[1]); /* ours to close; while we hold it the pipe never ends */
	if (r == 0) {
		long n = count_to_end(fds[0]);

		r = cj_child_wait(child, &end, &err);
		if (r == 0)
			(void)printf("%ld bytes, exit status %d, signal %d\n", n, end.code,
				     end.signal);
	}
	if (r < 0)
		(void)fprintf(stderr, "%s: %s\n", err.text, strerror(err.code));
	(void)close(fds[0]);
	cj_child_free(child);
	cj_plan_free(plan);
	cj_target_free(target);
	return r < 0 ? 125 : 0;
}
