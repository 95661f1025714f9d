/* SPDX-License-Identifier: MIT */
#include "unit.h"

#include <jansson.h>
#include <sys/resource.h>

#include "lib/recording.h"

/* A recording into a file without a name, and how to look at it. */
struct tape {
	int fd;
	struct cj_recording *recording;
	json_t *events[4096];
	size_t n;
	json_t *header;
};

static int begin_tape(void **state)
{
	static const char *const env[] = {"TERM=xterm \"\x01\xff", "nothing", NULL};
	struct cj_recording_options options = CJ_RECORDING_OPTIONS_INIT;
	struct tape *tape = calloc(1, sizeof(*tape));

	assert_non_null(tape);
	tape->fd = open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	assert_true(tape->fd >= 0);
	assert_int_equal(write(tape->fd, "old", 3), 3);
	options.fd = dup(tape->fd);
	options.input = 1;
	options.env = env;
	assert_int_equal(cj_recording_new(&options, &tape->recording, NULL), 0);
	*state = tape;
	return 0;
}

static int end_tape(void **state)
{
	struct tape *tape = *state;

	cj_recording_free(tape->recording);
	json_decref(tape->header);
	for (size_t i = 0; i < tape->n; i++)
		json_decref(tape->events[i]);
	close_fd(&tape->fd);
	free(tape);
	return 0;
}

/* Each line is JSON by itself. */
static void play(struct tape *tape)
{
	_cleanup_(bytes_done) struct bytes text = BYTES_INIT;
	char *save = NULL;

	assert_int_equal(lseek(tape->fd, 0, SEEK_SET), 0);
	assert_int_equal(io_read_all(tape->fd, 16 << 20, &text), 0);
	assert_int_equal(strlen(text.data), text.size);
	assert_int_equal(text.data[text.size - 1], '\n');
	for (char *line = strtok_r(text.data, "\n", &save); line;
	     line = strtok_r(NULL, "\n", &save)) {
		json_t *json = json_loads(line, JSON_REJECT_DUPLICATES, NULL);

		assert_non_null(json);
		if (!tape->header)
			tape->header = json;
		else
			tape->events[tape->n++] = json;
	}
}

static const char *field(const struct tape *tape, size_t i, size_t column)
{
	return json_string_value(json_array_get(tape->events[i], column));
}

static void finish(struct tape *tape)
{
	cj_recording_free(tape->recording);
	tape->recording = NULL;
	play(tape);
}

static void the_first_line_tells_what_the_terminal_is(void **state)
{
	struct tape *tape = *state;

	finish(tape);
	assert_int_equal(json_integer_value(json_object_get(tape->header, "version")), 2);
	assert_int_equal(json_integer_value(json_object_get(tape->header, "width")), 80);
	assert_int_equal(json_integer_value(json_object_get(tape->header, "height")), 24);
	assert_true(json_integer_value(json_object_get(tape->header, "timestamp")) > 1700000000);
	assert_string_equal(
		json_string_value(json_object_get(json_object_get(tape->header, "env"), "TERM")),
		"xterm \"\x01\xef\xbf\xbd");
	assert_int_equal(json_object_size(tape->header), 5);
	assert_int_equal(tape->n, 0);
}

static void events_are_what_happened_in_that_order(void **state)
{
	struct tape *tape = *state;
	double before = 0;

	recording_output(tape->recording, "a\"\\\r\n\x1b[0m\x7f", 10);
	recording_input(tape->recording, "\x04", 1);
	recording_resize(tape->recording, 80, 24);
	recording_resize(tape->recording, 132, 43);
	recording_resize(tape->recording, 132, 43);
	recording_resize(tape->recording, 0, 0);
	finish(tape);
	assert_int_equal(tape->n, 3);
	assert_string_equal(field(tape, 0, 1), "o");
	assert_string_equal(field(tape, 0, 2), "a\"\\\r\n\x1b[0m\x7f");
	assert_string_equal(field(tape, 1, 1), "i");
	assert_string_equal(field(tape, 1, 2), "\x04");
	assert_string_equal(field(tape, 2, 1), "r");
	assert_string_equal(field(tape, 2, 2), "132x43");
	for (size_t i = 0; i < tape->n; i++) {
		double at = json_real_value(json_array_get(tape->events[i], 0));

		assert_true(at >= before && at < 60);
		before = at;
	}
}

static void a_character_that_comes_in_pieces_is_put_together(void **state)
{
	static const char euro[] = "\xe2\x82\xac", clef[] = "\xf0\x9d\x84\x9e";
	struct tape *tape = *state;

	for (size_t i = 0; i < 3; i++)
		recording_output(tape->recording, euro + i, 1);
	recording_output(tape->recording, clef, 3);
	recording_input(tape->recording, euro, 2); /* a stream of its own */
	recording_output(tape->recording, clef + 3, 1);
	recording_input(tape->recording, euro + 2, 1);
	finish(tape);
	assert_int_equal(tape->n, 3);
	assert_string_equal(field(tape, 0, 2), euro);
	assert_string_equal(field(tape, 1, 2), clef);
	assert_string_equal(field(tape, 2, 2), euro);
}

static void what_is_no_character_is_shown_as_one(void **state)
{
	/* Overlong, surrogate, beyond the last, a lone tail, cut by another: as Unicode 3.9 counts them. */
	static const struct {
		const char *bytes, *shown;
	} cases[] = {
		{"\xff", "?"},		 {"\x80x", "?x"},
		{"\xc0\xaf", "??"},	 {"\xe0\x80\xaf", "???"},
		{"\xed\xa0\x80", "???"}, {"\xf4\x90\x80\x80", "????"},
		{"\xe2\x82x", "?x"},	 {"\xe2\xe2\x82\xac", "?\xe2\x82\xac"},
		{"\xf0\x9d\x84", "?"},	 {"\xf5\x80", "??"},
	};
	struct tape *tape = *state;

	for (size_t i = 0; i < ELEMENTS(cases); i++) {
		recording_output(tape->recording, cases[i].bytes, strlen(cases[i].bytes));
		recording_output(tape->recording, "|", 1);
	}
	finish(tape);

	_cleanup_free_ char *all = calloc(1, 4096);
	size_t at = 0;

	assert_non_null(all);
	for (size_t i = 0; i < tape->n; i++)
		at += (size_t)snprintf(all + at, 4096 - at, "%s", field(tape, i, 2));
	for (size_t i = 0, from = 0; i < ELEMENTS(cases); i++) {
		for (const char *c = cases[i].shown; *c; c++) {
			size_t length = *c == '?' ? 3 : 1;

			assert_memory_equal(all + from, *c == '?' ? "\xef\xbf\xbd" : c, length);
			from += length;
		}
		assert_int_equal(all[from++], '|');
	}
}

static void the_rest_of_a_character_that_never_comes_is_told_at_the_end(void **state)
{
	struct tape *tape = *state;

	recording_output(tape->recording, "\xe2\x82", 2);
	finish(tape);
	assert_int_equal(tape->n, 1);
	assert_string_equal(field(tape, 0, 2), "\xef\xbf\xbd");
}

static void much_at_once_becomes_several_events(void **state)
{
	enum { MUCH = 100000 };
	struct tape *tape = *state;
	_cleanup_free_ char *zeros = calloc(1, MUCH);
	size_t n = 0;

	assert_non_null(zeros);
	memset(zeros, 1, MUCH);
	recording_output(tape->recording, zeros, MUCH);
	finish(tape);
	assert_true(tape->n > 1);
	for (size_t i = 0; i < tape->n; i++)
		n += strlen(field(tape, i, 2));
	assert_int_equal(n, MUCH);
}

static void where_a_line_has_no_room_it_ends_with_a_whole_one(void **state)
{
	struct tape *tape = *state;
	struct rlimit limit, before;

	/* Without the signal: it'd be passed on to a command. setrlimit(2) */
	cj_recording_free(tape->recording);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	limit = before;
	limit.rlim_cur = 4096;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);

	struct cj_recording_options options = CJ_RECORDING_OPTIONS_INIT;

	options.fd = dup(tape->fd);
	assert_int_equal(cj_recording_new(&options, &tape->recording, NULL), 0);
	for (int i = 0; i < 1000; i++)
		recording_output(tape->recording, "0123456789", 10);
	assert_int_equal(cj_recording_failure(tape->recording), EFBIG);
	finish(tape);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	assert_true(tape->n > 50 && tape->n < 400);
}

static void only_a_regular_file_is_taken(void **state)
{
	struct cj_recording_options options = CJ_RECORDING_OPTIONS_INIT;
	struct cj_recording *recording = NULL;
	struct cj_error err = CJ_ERROR_INIT;
	int fds[2];

	(void)state;
	assert_int_equal(pipe(fds), 0);
	options.fd = fds[1];
	assert_int_equal(cj_recording_new(&options, &recording, &err), -EINVAL);
	options.fd = -1;
	assert_int_equal(cj_recording_new(&options, &recording, NULL), -EBADF);
	close_fd(&fds[0]);
	close_fd(&fds[1]);
}

static void without_a_recording_nothing_happens(void **state)
{
	struct cj_session_options options = CJ_SESSION_OPTIONS_INIT;

	(void)state;
	recording_output(NULL, "x", 1);
	recording_input(NULL, "x", 1);
	recording_resize(NULL, 1, 1);
	cj_recording_free(NULL);
	options.recording = (void *)&options;
	assert_ptr_equal(recording_of(&options), &options);
	options.size = offsetof(struct cj_session_options, recording); /* an older header */
	assert_null(recording_of(&options));
}

int main(void)
{
#define TAPE(test) cmocka_unit_test_setup_teardown(test, begin_tape, end_tape)
	const struct CMUnitTest tests[] = {
		TAPE(the_first_line_tells_what_the_terminal_is),
		TAPE(events_are_what_happened_in_that_order),
		TAPE(a_character_that_comes_in_pieces_is_put_together),
		TAPE(what_is_no_character_is_shown_as_one),
		TAPE(the_rest_of_a_character_that_never_comes_is_told_at_the_end),
		TAPE(much_at_once_becomes_several_events),
		TAPE(where_a_line_has_no_room_it_ends_with_a_whole_one),
		cmocka_unit_test(only_a_regular_file_is_taken),
		cmocka_unit_test(without_a_recording_nothing_happens),
	};

	return cmocka_run_group_tests_name("recording", tests, NULL, NULL);
}
