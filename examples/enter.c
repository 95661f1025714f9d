/* SPDX-License-Identifier: MIT
 *
 * example-enter TARGET COMMAND [ARG…]: runs a command as if the target had started it, with stdin,
 * stdout and stderr of ours, and exits as it did. The shortest use of the library.
 * Not here: terminals and signals. A terminal on 0, 1 or 2 is refused; see <conjoin/session.h>.
 */
#include <stdio.h>
#include <string.h>

#include <conjoin/conjoin.h>

int main(int argc, char **argv)
{
	struct cj_error err = CJ_ERROR_INIT;
	struct cj_exec_options options = CJ_EXEC_OPTIONS_INIT;
	struct cj_launch_options launch = CJ_LAUNCH_OPTIONS_INIT;
	struct cj_target *target = NULL;
	struct cj_plan *plan = NULL;
	struct cj_child *child = NULL;
	struct cj_exit end;
	int r;

	if (argc < 3) {
		(void)fprintf(stderr, "usage: %s TARGET COMMAND [ARG…]\n", argv[0]);
		return 125;
	}
	options.argv = (const char *const *)(argv + 2);
	r = cj_target_open(argv[1], &target, &err);
	if (r == 0)
		r = cj_plan_exec(target, &options, &plan, &err);
	if (r == 0)
		r = cj_launch(plan, &launch, &child, &err);
	if (r == 0)
		r = cj_child_wait(child, &end, &err);
	if (r < 0)
		(void)fprintf(stderr, "%s: %s\n", err.text, strerror(err.code));
	cj_child_free(child);
	cj_plan_free(plan);
	cj_target_free(target);
	if (r < 0)
		return err.status ? err.status : 125;
	return end.signal ? 128 + end.signal : end.code;
}
