/* SPDX-License-Identifier: MIT
 *
 * The protocol of text lines: lines however they are cut, and replies byte for byte.
 */
#include "unit.h"

#include "net/text.h"

/* What a reader says to `input`, fed in pieces of `step` bytes: a letter an event, commands in brackets. */
static void say(const char *input, size_t size, size_t step, size_t limit, struct buffer *said)
{
	static const char letters[] = ".C2N#q!";
	struct text_reader reader = {.limit = limit};

	buffer_reset(said);
	for (size_t at = 0; at < size; at += step) {
		const char *data = input + at;
		size_t left = size - at < step ? size - at : step;
		enum text_event event;

		do {
			char *line = NULL;
			size_t length = 0;

			event = text_reader_feed(&reader, &data, &left, &line, &length);
			if (event == TEXT_COMMAND) {
				assert_int_equal(strlen(line), length);
				buffer_print(said, "[%s]", line);
			} else if (event != TEXT_MORE) {
				buffer_add(said, &letters[event], 1);
			}
			free(line);
		} while (event != TEXT_MORE);
		assert_int_equal(left, 0);
	}
	if (reader.form == TEXT_FRAMED)
		buffer_add_text(said, "F");
	if (size > 0 && input[size - 1] == '\n')
		assert_null(reader.line); /* an idle connection costs nothing */
	text_reader_done(&reader);
	buffer_add(said, "", 1);
}

#define INPUT(text) text, sizeof(text) - 1

static const struct {
	const char *input;
	size_t size;
	const char *said;
} lines[] = {
	{INPUT(""), ""},
	{INPUT("ls"), ""}, /* cut off: it isn't run */
	{INPUT("ls\n"), "[ls]"},
	{INPUT("ls\r\n"), "[ls]"},
	{INPUT("ls\r\r\n"), "[ls\r]"},
	{INPUT("a\nb\n\nc"), "[a][b][]"},
	{INPUT("\r\n"), "[]"},
	{INPUT("  a  \n"), "[  a  ]"},
	{INPUT("\xff\x80\n"), "[\xff\x80]"},
	{INPUT("12345678\n"), "[12345678]"},
	{INPUT("12345678\r\n"), "[12345678]"},
	{INPUT("123456789\nb\n"), "2[b]"},
	{INPUT("1234567\r\r\n"), "[1234567\r]"},
	{INPUT("123456789\r\nb\n"), "2[b]"},
	{INPUT("1234567890123456789012345\nb\n1234567890\nc\n"), "2[b]2[c]"},
	{INPUT("123456789012"), "2"}, /* told at once */
	{INPUT("12\0"
	       "456789012\nb\n"),
	 "2[b]"},
	{INPUT("a\0b\nc\n"), "N[c]"},
	{INPUT("\0\n"), "N"},
	{INPUT("ls\0\n"), "N"},
	{INPUT("quit\0\nb\n"), "N[b]"},
	{INPUT("a\nquit\nb\n"), "[a]q"},
	{INPUT("quit\r\nb\n"), "q"},
	{INPUT("quit \n"), "[quit ]"},
	{INPUT("Quit\n"), "[Quit]"},
	{INPUT("quit"), ""},
};

static void lines_are_the_same_however_they_are_cut(void **state)
{
	struct buffer said = BUFFER_INIT;

	(void)state;
	for (size_t i = 0; i < ELEMENTS(lines); i++)
		for (size_t step = 1; step < 30; step++) {
			say(lines[i].input, lines[i].size, step, 8, &said);
			assert_string_equal(said.data, lines[i].said);
		}
	buffer_done(&said);
}

static void the_first_line_alone_asks_for_frames(void **state)
{
	static const struct {
		const char *input, *said;
	} firsts[] = {
		{"#conjoin 1\nls\n", "#[ls]F"},
		{"#conjoin 1\r\nls\n", "#[ls]F"},
		{"#conjoin 2\nls\n", "#[ls]"},
		{"#conjoin 11\n", "#"},
		{"#conjoin \n", "#"},
		{"#conjoin 1 \n", "#"},
		{"#conjoin\n", "[#conjoin]"},
		{"ls\n#conjoin 1\n", "[ls][#conjoin 1]"},
		{"\n#conjoin 1\n", "[][#conjoin 1]"},
		{" #conjoin 1\n", "[ #conjoin 1]"},
		{"#conjoin 1\n#conjoin 1\n", "#[#conjoin 1]F"},
		{"#conjoin 2\n#conjoin 1\n", "#[#conjoin 1]"},
	};
	struct buffer said = BUFFER_INIT;

	(void)state;
	for (size_t i = 0; i < ELEMENTS(firsts); i++) {
		say(firsts[i].input, strlen(firsts[i].input), 3, 64, &said);
		assert_string_equal(said.data, firsts[i].said);
	}
	say("1234567890123\n#conjoin 1\n", 25, 100, 12, &said); /* too long, and the first one */
	assert_string_equal(said.data, "2[#conjoin 1]");
	buffer_done(&said);
}

/* --- replies --- */

static void assert_reply(const struct buffer *out, const char *wanted, size_t size)
{
	assert_int_equal(out->code, 0);
	assert_int_equal(out->size, size);
	assert_memory_equal(out->data, wanted, size);
}

static void reply(struct buffer *out, enum text_form form, const struct outcome *outcome)
{
	buffer_reset(out);
	text_add_head(out, form, "ls \xff", 4);
	text_add_output(out, form, "a\0b\n", 4);
	text_add_output(out, form, "", 0);
	text_add_output(out, form, "c", 1);
	text_add_end(out, form, outcome);
}

static void the_old_form_is_what_it_was(void **state)
{
	static const char old[] =
		"Output from request ls \xff 2>&1:\na\0b\nc\nOutput from request ends.\n";
	static const char truncated[] =
		"Output from request ls \xff 2>&1:\na\0b\nc\nconjoin: the rest of the output was left "
		"out\n\nOutput from request ends.\n";
	static const char refused[] =
		"Output from request (refused) 2>&1:\nconjoin: a\\x1bb\n\nOutput "
		"from request ends.\n";
	struct buffer out = BUFFER_INIT;

	(void)state;
	reply(&out, TEXT_OLD, &(struct outcome){.exit_code = 7});
	assert_reply(&out, old, sizeof(old) - 1);
	reply(&out, TEXT_OLD, &(struct outcome){.exit_code = 0, .truncated = true});
	assert_reply(&out, truncated, sizeof(truncated) - 1);
	buffer_reset(&out);
	text_add_error(&out, TEXT_OLD, "a\033b");
	assert_reply(&out, refused, sizeof(refused) - 1);
	buffer_reset(&out);
	text_add_hello(&out, TEXT_OLD);
	assert_reply(&out, "#conjoin 1 only\n", 16);
	buffer_done(&out);
}

static void frames_can_be_told_from_what_is_in_them(void **state)
{
	static const char framed[] = "4 1\na\0b\n1 1\ncexit 7\n";
	static const char killed[] = "4 1\na\0b\n1 1\ncexit 143 signal=TERM truncated\n";
	struct buffer out = BUFFER_INIT;

	(void)state;
	reply(&out, TEXT_FRAMED, &(struct outcome){.exit_code = 7});
	assert_reply(&out, framed, sizeof(framed) - 1);
	reply(&out, TEXT_FRAMED,
	      &(struct outcome){.exit_code = 143, .signal = SIGTERM, .truncated = true});
	assert_reply(&out, killed, sizeof(killed) - 1);
	buffer_reset(&out);
	text_add_error(&out, TEXT_FRAMED, "a\nexit 0");
	assert_reply(&out, "error a\\x0aexit 0\n", 18);
	buffer_reset(&out);
	text_add_hello(&out, TEXT_FRAMED);
	assert_reply(&out, "#conjoin 1 ok\n", 14);
	buffer_done(&out);
}

static void a_frame_has_a_length_that_a_client_can_rely_on(void **state)
{
	_cleanup_free_ char *data = calloc(1, TEXT_FRAME_MAX + 1);
	struct buffer out = BUFFER_INIT;

	(void)state;
	assert_non_null(data);
	text_add_output(&out, TEXT_FRAMED, data, TEXT_FRAME_MAX + 1);
	assert_memory_equal(out.data, "65536 1\n", 8);
	assert_int_equal(out.size, 8 + TEXT_FRAME_MAX + 4 + 1);
	assert_memory_equal(out.data + 8 + TEXT_FRAME_MAX, "1 1\n", 5);
	buffer_done(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_are_the_same_however_they_are_cut),
		cmocka_unit_test(the_first_line_alone_asks_for_frames),
		cmocka_unit_test(the_old_form_is_what_it_was),
		cmocka_unit_test(frames_can_be_told_from_what_is_in_them),
		cmocka_unit_test(a_frame_has_a_length_that_a_client_can_rely_on),
	};

	return cmocka_run_group_tests_name("net-text", tests, NULL, NULL);
}
