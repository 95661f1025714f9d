/* SPDX-License-Identifier: MIT
 *
 * What comes up the pipe from inside a container: true reports, forged ones, and garbage.
 */
#include "unit.h"

#include "stage/report.h"

struct ends {
	int in, out;
};

static int make_pipe(void **state)
{
	struct ends *ends = calloc(1, sizeof(*ends));
	int fds[2];

	assert_non_null(ends);
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	*ends = (struct ends){fds[0], fds[1]};
	*state = ends;
	return 0;
}

static int close_pipe(void **state)
{
	struct ends *ends = *state;

	close_fd(&ends->in);
	close_fd(&ends->out);
	free(ends);
	return 0;
}

static void a_report_arrives_as_it_was_sent(void **state)
{
	struct cj_error error = CJ_ERROR_INIT;
	struct ends *ends = *state;
	struct report report;

	(void)cj_fail(&error, EACCES, "join mnt namespace");
	cj_hint(&error, "run as root");
	error.status = 126;
	report_send(ends->out, REPORT_EXECUTE, NULL);
	report_send(ends->out, REPORT_ERROR, &error);
	assert_int_equal(report_receive(ends->in, &report), 1);
	assert_int_equal(report.kind, REPORT_EXECUTE);
	assert_int_equal(report.error.code, 0);
	assert_int_equal(report_receive(ends->in, &report), 1);
	assert_int_equal(report.kind, REPORT_ERROR);
	assert_int_equal(report.error.code, EACCES);
	assert_int_equal(report.error.status, 126);
	assert_string_equal(report.error.text, "join mnt namespace");
	assert_string_equal(report.error.hint, "run as root");
}

static void a_closed_pipe_is_the_end(void **state)
{
	struct ends *ends = *state;
	struct report report;

	close_fd(&ends->out);
	assert_int_equal(report_receive(ends->in, &report), 0);
}

static void texts_without_an_end_get_one(void **state)
{
	struct ends *ends = *state;
	struct report report, forged;

	memset(&forged, 'A', sizeof(forged));
	forged.kind = REPORT_ERROR;
	assert_int_equal(io_write_all(ends->out, &forged, sizeof(forged)), 0);
	assert_int_equal(report_receive(ends->in, &report), 1);
	assert_int_equal(strlen(report.error.text), sizeof(report.error.text) - 1);
	assert_int_equal(strlen(report.error.hint), sizeof(report.error.hint) - 1);
}

static void a_kind_that_does_not_exist_is_refused(void **state)
{
	static const uint32_t kinds[] = {0, REPORT_ERROR + 1, UINT32_MAX, 0x80000001};
	struct ends *ends = *state;
	struct report report;

	for (size_t i = 0; i < ELEMENTS(kinds); i++) {
		const struct report forged = {.kind = kinds[i]};

		assert_int_equal(io_write_all(ends->out, &forged, sizeof(forged)), 0);
		assert_int_equal(report_receive(ends->in, &report), -EBADMSG);
	}
}

static void a_piece_of_a_report_is_refused(void **state)
{
	const struct report whole = {.kind = REPORT_EXECUTE};
	struct ends *ends = *state;
	struct report report;

	assert_int_equal(io_write_all(ends->out, &whole, sizeof(whole) - 1), 0);
	assert_int_equal(report_receive(ends->in, &report), -EBADMSG);
	assert_int_equal(io_write_all(ends->out, "x", 1), 0);
	assert_int_equal(report_receive(ends->in, &report), -EBADMSG);
}

static void a_report_is_written_whole_or_not_at_all(void **state)
{
	(void)state;
	assert_true(sizeof(struct report) <= 4096); /* PIPE_BUF */
}

static void nobody_listening_is_no_failure(void **state)
{
	struct ends *ends = *state;

	assert_true(signal(SIGPIPE, SIG_IGN) != SIG_ERR);
	close_fd(&ends->in);
	report_send(ends->out, REPORT_EXECUTE, NULL);
	report_send(-EBADF, REPORT_EXECUTE, NULL);
}

#define WITH_PIPE(test) cmocka_unit_test_setup_teardown(test, make_pipe, close_pipe)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_PIPE(a_report_arrives_as_it_was_sent),
		WITH_PIPE(a_closed_pipe_is_the_end),
		WITH_PIPE(texts_without_an_end_get_one),
		WITH_PIPE(a_kind_that_does_not_exist_is_refused),
		WITH_PIPE(a_piece_of_a_report_is_refused),
		cmocka_unit_test(a_report_is_written_whole_or_not_at_all),
		WITH_PIPE(nobody_listening_is_no_failure),
	};

	return cmocka_run_group_tests_name("report", tests, NULL, NULL);
}
