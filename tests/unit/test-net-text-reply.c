/* SPDX-License-Identifier: MIT
 *
 * What a client makes of a server's text, however it's cut.
 */
#include "unit.h"

#include "net/buffer.h"
#include "net/text_reply.h"

/* What a reader says, output in brackets: <…> a reply's, joined. */
static void say(const char *input, size_t size, size_t step, struct buffer *said)
{
	struct text_reply reply = TEXT_REPLY_INIT;

	buffer_reset(said);
	for (size_t at = 0; at < size; at += step) {
		size_t left = size - at < step ? size - at : step, length = 0;
		const char *data = input + at, *output = NULL;
		enum text_reply_event event;

		do {
			event = text_reply_feed(&reply, &data, &left, &output, &length);
			if (event == TEXT_REPLY_OUTPUT)
				buffer_add(said, output, length);
			else if (event == TEXT_REPLY_READY)
				buffer_print(said, "{%s}",
					     reply.form == TEXT_FRAMED ? "framed" : "old");
			else if (event == TEXT_REPLY_END && reply.outcome.failure)
				buffer_print(said, "<%s>", reply.outcome.failure);
			else if (event == TEXT_REPLY_END)
				buffer_print(said, "<%d %d%s>", reply.outcome.exit_code,
					     reply.outcome.signal,
					     reply.outcome.truncated ? " cut" : "");
		} while (event != TEXT_REPLY_MORE && event != TEXT_REPLY_BROKEN);
		if (event == TEXT_REPLY_BROKEN) {
			buffer_add_text(said, "!");
			break;
		}
		assert_int_equal(left, 0);
	}
	buffer_add(said, "", 1);
}

#define ENDS "\nOutput from request ends.\n"
#define OLD "Output from request #conjoin 1 2>&1:\n" ENDS

static const struct {
	const char *input, *said;
} replies[] = {
	{"", ""},
	{"#conjoin 1 ok\n", "{framed}"},
	{"#conjoin 1 only\n", "{old}"},
	{OLD, "{old}"},
	{"Output from request #conjoin 1 2>&1:\nsh: what?\n" ENDS, "{old}"},
	{"HTTP/1.1 400 Bad Request\r\n", "!"},
	{"#conjoin 2 ok\n", "!"},
	{"\n", "!"},
	/* framed */
	{"#conjoin 1 ok\n3 1\na\nbexit 7\n", "{framed}a\nb<7 0>"},
	{"#conjoin 1 ok\n10 1\n0123456789exit 0\nexit 1\n", "{framed}0123456789<0 0><1 0>"},
	{"#conjoin 1 ok\n7 1\nexit 0\nexit 143 signal=TERM truncated later=1\n",
	 "{framed}exit 0\n<143 15 cut>"},
	{"#conjoin 1 ok\n2 2\nxx1 1\nyexit 0\n", "{framed}y<0 0>"},
	{"#conjoin 1 ok\nerror no \033[31m\nexit 0\n", "{framed}<no \\x1b[31m><0 0>"},
	{"#conjoin 1 ok\n0 1\n", "{framed}!"},
	{"#conjoin 1 ok\n01 1\nx", "{framed}!"},
	{"#conjoin 1 ok\n65537 1\n", "{framed}!"},
	{"#conjoin 1 ok\n3\n", "{framed}!"},
	{"#conjoin 1 ok\n3 256\n", "{framed}!"},
	{"#conjoin 1 ok\nexit\n", "{framed}!"},
	{"#conjoin 1 ok\nexit 256\n", "{framed}!"},
	{"#conjoin 1 ok\nexit 0x\n", "{framed}!"},
	{"#conjoin 1 ok\nerror\n", "{framed}!"},
	{"#conjoin 1 ok\n\n", "{framed}!"},
	/* old */
	{OLD "Output from request ls 2>&1:\na\nb\n" ENDS, "{old}a\nb\n<0 0>"},
	{OLD "Output from request ls 2>&1:\na" ENDS "Output from request x 2>&1:\n" ENDS,
	 "{old}a<0 0><0 0>"},
	{"#conjoin 1 only\nOutput from request x 2>&1:\n\n\n\nOutput from\nOutput from request ends\n" ENDS,
	 "{old}\n\n\nOutput from\nOutput from request ends\n<0 0>"},
	{OLD "what\n", "{old}!"},
	{OLD "#conjoin 1 ok\n", "{old}!"}, /* too late */
	{OLD "Output from request x 2>&1:\nab\nOutput", "{old}ab"},
};

static void replies_are_the_same_however_they_are_cut(void **state)
{
	struct buffer said = BUFFER_INIT;

	(void)state;
	for (size_t i = 0; i < ELEMENTS(replies); i++)
		for (size_t step = 1; step < 100; step++) {
			say(replies[i].input, strlen(replies[i].input), step, &said);
			assert_string_equal(said.data, replies[i].said);
		}
	buffer_done(&said);
}

/* The same bytes through the server's side and the client's, in both forms. */
static void what_the_server_writes_is_what_the_client_reads(void **state)
{
	static const char output[] = "a\0b\n\nOutput from request \nexit 0\n3 1\n\n";
	const struct outcome outcome = {.exit_code = 137, .signal = SIGKILL, .truncated = true};
	struct buffer out = BUFFER_INIT, said = BUFFER_INIT, wanted = BUFFER_INIT;

	(void)state;
	for (int form = TEXT_OLD; form <= TEXT_FRAMED; form++) {
		buffer_reset(&out);
		buffer_reset(&wanted);
		text_add_hello(&out, (enum text_form)form);
		text_add_head(&out, (enum text_form)form, "cmd", 3);
		for (size_t i = 0; i < sizeof(output) - 1; i += 7)
			text_add_output(&out, (enum text_form)form, output + i,
					sizeof(output) - 1 - i < 7 ? sizeof(output) - 1 - i : 7);
		text_add_end(&out, (enum text_form)form, &outcome);
		buffer_add_text(&wanted, form == TEXT_OLD ? "{old}" : "{framed}");
		buffer_add(&wanted, output, sizeof(output) - 1);
		buffer_add_text(&wanted, form == TEXT_OLD
						 ? "\nconjoin: the rest of the output was left "
						   "out\n<0 0>"
						 : "<137 9 cut>");
		buffer_add(&wanted, "", 1);
		for (size_t step = 1; step <= out.size; step++) {
			say(out.data, out.size, step, &said);
			assert_int_equal(said.size, wanted.size);
			assert_memory_equal(said.data, wanted.data, said.size);
		}
	}
	buffer_done(&out);
	buffer_done(&said);
	buffer_done(&wanted);
}

static void a_line_without_an_end_is_given_up(void **state)
{
	char input[8192];
	struct buffer said = BUFFER_INIT;

	(void)state;
	memset(input, 'x', sizeof(input));
	say(input, sizeof(input), 1000, &said);
	assert_string_equal(said.data, "!");
	/* But a command that is repeated may be long. */
	memcpy(input, "#conjoin 1 only\nOutput from request ", 36);
	memcpy(input + 8000, "2>&1:\nout" ENDS, 6 + 3 + 27);
	say(input, 8000 + 6 + 3 + 27, 1000, &said);
	assert_string_equal(said.data, "{old}out<0 0>");
	buffer_done(&said);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(replies_are_the_same_however_they_are_cut),
		cmocka_unit_test(what_the_server_writes_is_what_the_client_reads),
		cmocka_unit_test(a_line_without_an_end_is_given_up),
	};

	return cmocka_run_group_tests_name("net-text-reply", tests, NULL, NULL);
}
