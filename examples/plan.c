/* SPDX-License-Identifier: MIT
 *
 * example-plan TARGET: prints what would be done to run a shell there, a line each, with tabs
 * between step, object, action and reason. Nothing is done, and most of it needs no privileges.
 * Not here: escaping. Names come out of the container; look at them with `cat -v`.
 */
#include <stdio.h>
#include <string.h>

#include <conjoin/conjoin.h>

static void print_rows(const struct cj_plan *plan)
{
	size_t n;
	const struct cj_plan_row *rows = cj_plan_rows(plan, &n);

	for (size_t i = 0; i < n; i++)
		(void)printf("%s\t%s\t%s\t%s%s%s\n", rows[i].step, rows[i].object, rows[i].action,
			     rows[i].reason, rows[i].lacking ? ", lacking " : "",
			     rows[i].lacking ? rows[i].needs : "");
}

int main(int argc, char **argv)
{
	struct cj_error err = CJ_ERROR_INIT;
	struct cj_exec_options options = CJ_EXEC_OPTIONS_INIT;
	struct cj_target *target = NULL;
	struct cj_plan *plan = NULL;
	char handle[48];
	int r;

	if (argc != 2) {
		(void)fprintf(stderr, "usage: %s TARGET\n", argv[0]);
		return 2;
	}
	options.explain = true; /* else there are rows for warnings only */
	r = cj_target_open(argv[1], &target, &err);
	if (r == 0)
		r = cj_plan_exec(target, &options, &plan, &err);
	if (r == 0) {
		(void)cj_target_handle(target, handle, sizeof(handle));
		(void)printf("target\t%s\n", handle);
		print_rows(plan);
	} else {
		(void)fprintf(stderr, "%s: %s\n", err.text, strerror(err.code));
	}
	cj_plan_free(plan);
	cj_target_free(target);
	return r < 0;
}
