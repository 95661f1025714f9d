/* SPDX-License-Identifier: MIT
 *
 * Kubernetes' channels: messages of clients, and how a command's end is told to them.
 */
#include "unit.h"

#include <jansson.h>

#include "net/channels.h"
#include "net/signals.h"

enum { V4 = CHANNELS_V4, V5 = CHANNELS_V5, V1 = CHANNELS_V1_CONJOIN };

static void the_client_s_first_choice_that_we_speak_wins(void **state)
{
	static const struct {
		const char *offer;
		int r, chosen;
	} offers[] = {
		{"v4.channel.k8s.io", 0, V4},
		{"v5.channel.k8s.io, v4.channel.k8s.io", 0, V5},
		{"v4.channel.k8s.io,v5.channel.k8s.io", 0, V4},
		{"v1.conjoin,v5.channel.k8s.io,v4.channel.k8s.io", 0, V1},
		{" \t,,v6.channel.k8s.io , v4.channel.k8s.io \t,", 0, V4},
		{"base64url.bearer.authorization.k8s.io.YQ,v5.channel.k8s.io", 0, V5},
		{"channel.k8s.io,base64.channel.k8s.io,base64.v4.channel.k8s.io", -ENOENT, 0},
		{"v4.channel.k8s.i", -ENOENT, 0},
		{"v4.channel.k8s.iox", -ENOENT, 0},
		{"V4.CHANNEL.K8S.IO", -ENOENT, 0},
		{"v4.channel.k8s.io v5.channel.k8s.io", -ENOENT, 0},
		{"", -ENOENT, 0},
		{",", -ENOENT, 0},
	};

	(void)state;
	for (size_t i = 0; i < ELEMENTS(offers); i++) {
		enum channel_protocol chosen;

		assert_int_equal(channels_choose(offers[i].offer, strlen(offers[i].offer), &chosen),
				 offers[i].r);
		if (offers[i].r == 0)
			assert_int_equal(chosen, offers[i].chosen);
	}
	assert_string_equal(channels_protocol_name(CHANNELS_V1_CONJOIN), "v1.conjoin");
}

struct sent {
	const char *data;
	size_t size;
	int from; /* the first version that takes it, in the order v4, v5, v1.conjoin; 3: none does */
	enum channel_event event;
	int rows, columns, signal, ended;
};

#define SENT(text) text, sizeof(text) - 1

static const struct sent sents[] = {
	{SENT(""), 0, CHANNEL_NOTHING},
	{SENT("\0"), 0, CHANNEL_NOTHING},
	{SENT("\1"), 0, CHANNEL_NOTHING},
	{SENT("\2"), 0, CHANNEL_NOTHING},
	{SENT("\3"), 0, CHANNEL_NOTHING},
	{SENT("\4"), 0, CHANNEL_NOTHING},
	{SENT("\5"), 2, CHANNEL_NOTHING},
	{SENT("\6"), 3},
	{SENT("\0x\0y"), 0, CHANNEL_INPUT},
	{SENT("\1x"), 3},
	{SENT("\2x"), 3},
	{SENT("\3x"), 3},
	{SENT("\376"), 3},
	{SENT("\4{\"Width\":80,\"Height\":24}"), 0, CHANNEL_SIZE, 24, 80},
	{SENT("\4{\"Height\":1,\"Width\":65535,\"X\":[]} \n"), 0, CHANNEL_SIZE, 1, 65535},
	{SENT("\4{\"Width\":0,\"Height\":24}"), 0, CHANNEL_NOTHING},
	{SENT("\4{\"Width\":0,\"Height\":0}"), 0, CHANNEL_NOTHING},
	{SENT("\4{\"Width\":65536,\"Height\":24}"), 3},
	{SENT("\4{\"Width\":80,\"Height\":-1}"), 3},
	{SENT("\4{\"Width\":80,\"Height\":24.0}"), 3},
	{SENT("\4{\"Width\":80,\"Height\":\"24\"}"), 3},
	{SENT("\4{\"Width\":80}"), 3},
	{SENT("\4{\"Width\":1,\"Width\":1,\"Height\":1}"), 3},
	{SENT("\4[80,24]"), 3},
	{SENT("\4{"), 3},
	{SENT("\4 "), 3},
	{SENT("\5TERM"), 2, CHANNEL_KILL, .signal = SIGTERM},
	{SENT("\5SIGINT"), 2, CHANNEL_KILL, .signal = SIGINT},
	{SENT("\5term"), 3},
	{SENT("\5TERM\0"), 3},
	{SENT("\5TERM "), 3},
	{SENT("\5"
	      "15"),
	 3},
	{SENT("\5NOSUCHSIGNALATALL"), 3},
	{SENT("\377\0"), 1, CHANNEL_END, .ended = CHANNEL_STDIN},
	{SENT("\377\1"), 1, CHANNEL_END, .ended = CHANNEL_STDOUT},
	{SENT("\377\2"), 1, CHANNEL_END, .ended = CHANNEL_STDERR},
	{SENT("\377\3"), 3},
	{SENT("\377\377"), 3},
	{SENT("\377"), 3},
	{SENT("\377\0\0"), 3},
};

static void assert_parsed(const struct sent *sent, int version)
{
	struct channel_message message = {.event = (enum channel_event)77};
	struct cj_error err = CJ_ERROR_INIT;
	int r = channel_parse((enum channel_protocol)version, sent->data, sent->size, &message,
			      &err);

	if (version < sent->from) {
		assert_int_equal(r, -EPROTO);
		assert_names(&err, "message");
		assert_int_equal(message.event, 77);
		return;
	}
	assert_int_equal(r, 0);
	assert_int_equal(message.event, sent->event);
	assert_int_equal(message.rows, sent->rows);
	assert_int_equal(message.columns, sent->columns);
	assert_int_equal(message.signal, sent->signal);
	assert_int_equal(message.ended, sent->ended);
	if (message.event == CHANNEL_INPUT) {
		assert_ptr_equal(message.data, sent->data + 1);
		assert_int_equal(message.size, sent->size - 1);
	}
}

static void each_message_means_one_thing_in_the_versions_that_have_it(void **state)
{
	(void)state;
	for (size_t i = 0; i < ELEMENTS(sents); i++)
		for (int version = V4; version <= V1; version++)
			assert_parsed(&sents[i], version);
}

static void a_size_in_more_words_than_it_needs_is_refused(void **state)
{
	char data[400] = "\4{\"Width\":80,\"Height\":24}";
	struct channel_message message;

	(void)state;
	memset(data + strlen(data), ' ', sizeof(data) - strlen(data));
	assert_int_equal(channel_parse(CHANNELS_V4, data, 257, &message, NULL), 0);
	assert_int_equal(channel_parse(CHANNELS_V4, data, 258, &message, NULL), -EPROTO);
}

static void signals_have_names_and_names_have_signals(void **state)
{
	char name[SIGNAL_NAME_SIZE];

	(void)state;
	for (int i = 1; i <= SIGRTMAX; i++) {
		(void)signal_to_text(i, name);
		if (i > 31 && i < SIGRTMIN)
			continue;
		assert_int_equal(signal_of(name, strlen(name)), i);
		assert_true(strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZ+0123456789") == strlen(name));
	}
	assert_string_equal(signal_to_text(SIGKILL, name), "KILL");
	assert_string_equal(signal_to_text(SIGRTMIN, name), "RTMIN+0");
	assert_int_equal(signal_of("RTMIN", 5), SIGRTMIN);
	assert_int_equal(signal_of("RTMIN+99", 8), -1);
	assert_int_equal(signal_of("", 0), -1);
	assert_int_equal(signal_of("SIG", 3), -1);
}

/* --- how it ended --- */

static void assert_status(const struct outcome *outcome, const char *json)
{
	struct buffer out = BUFFER_INIT;

	channel_add_status(&out, outcome);
	assert_int_equal(out.code, 0);
	assert_int_equal(out.data[0], 3);
	assert_int_equal(out.size - 1, strlen(json));
	assert_memory_equal(out.data + 1, json, out.size - 1);
	buffer_done(&out);
}

#define NONZERO                                                                                    \
	"{\"metadata\":{},\"status\":\"Failure\",\"message\":\"command terminated with non-zero exit code: exit status "
#define CAUSES                                                                                     \
	"\",\"reason\":\"NonZeroExitCode\",\"details\":{\"causes\":[{\"reason\":\"ExitCode\",\"message\":\""

static void the_end_is_told_in_kubernetes_words(void **state)
{
	(void)state;
	assert_status(&(struct outcome){.exit_code = 0},
		      "{\"metadata\":{},\"status\":\"Success\"}");
	assert_status(&(struct outcome){.exit_code = 7}, NONZERO "7" CAUSES "7\"}]}}");
	assert_status(&(struct outcome){.exit_code = 143, .signal = SIGTERM}, NONZERO
		      "143" CAUSES "143\"},{\"reason\":\"Signal\",\"message\":\"TERM\"}]}}");
	assert_status(
		&(struct outcome){.exit_code = 127, .failure = "\"x\"\n\xff"},
		"{\"metadata\":{},\"status\":\"Failure\",\"message\":\"\\\"x\\\"\\n\xef\xbf\xbd\","
		"\"reason\":\"InternalError\",\"details\":{\"causes\":[{\"reason\":\"ExitCode\","
		"\"message\":\"127\"}]},\"code\":500}");
}

static void a_client_reads_what_the_server_has_told(void **state)
{
	static const struct outcome outcomes[] = {
		{.exit_code = 0},
		{.exit_code = 255},
		{.exit_code = 137, .signal = SIGKILL},
		{.exit_code = 125, .failure = "exec web: \"no\" such thing"},
		{.exit_code = 127, .failure = "not found"},
	};

	(void)state;
	for (size_t i = 0; i < ELEMENTS(outcomes); i++) {
		struct buffer out = BUFFER_INIT;
		struct outcome outcome;
		char text[64];

		channel_add_status(&out, &outcomes[i]);
		assert_int_equal(channel_read_status(out.data + 1, out.size - 1, text, sizeof(text),
						     &outcome, NULL),
				 0);
		assert_int_equal(outcome.exit_code, outcomes[i].exit_code);
		assert_int_equal(outcome.signal, outcomes[i].signal);
		if (outcomes[i].failure)
			assert_string_equal(outcome.failure, outcomes[i].failure);
		else
			assert_null(outcome.failure);
		buffer_done(&out);
	}
}

static void a_status_of_another_server_is_judged_as_well(void **state)
{
	static const struct {
		const char *json;
		int r, code;
		const char *failure;
	} statuses[] = {
		{"{\"status\":\"Success\"}", 0, 0, NULL},
		{"{\"status\":\"Failure\",\"message\":\"m\\u001b\\u0000\"}", 0, 125, "m\\x1b"},
		{"{\"status\":\"Failure\"}", 0, 125, ""},
		{"{\"status\":\"Failure\",\"reason\":\"InternalError\",\"details\":{\"causes\":[{\"reason\":"
		 "\"ExitCode\",\"message\":\"0\"}]}}",
		 0, 125, ""},
		{"{\"status\":\"Failure\",\"reason\":\"NonZeroExitCode\"}", -EPROTO, 0, NULL},
		{"{\"status\":\"Failure\",\"reason\":\"NonZeroExitCode\",\"details\":{\"causes\":[{\"reason\":"
		 "\"ExitCode\",\"message\":\"256\"}]}}",
		 -EPROTO, 0, NULL},
		{"{\"status\":\"Failure\",\"reason\":\"NonZeroExitCode\",\"details\":{\"causes\":[4,{},"
		 "{\"reason\":\"ExitCode\",\"message\":\"9\"}]}}",
		 0, 9, NULL},
		{"{\"status\":3}", -EPROTO, 0, NULL},
		{"{}", -EPROTO, 0, NULL},
		{"[]", -EPROTO, 0, NULL},
		{"", -EPROTO, 0, NULL},
		{"Success", -EPROTO, 0, NULL},
	};

	(void)state;
	for (size_t i = 0; i < ELEMENTS(statuses); i++) {
		struct outcome outcome = {.exit_code = 77};
		char text[64];
		int r = channel_read_status(statuses[i].json, strlen(statuses[i].json), text,
					    sizeof(text), &outcome, NULL);

		assert_int_equal(r, statuses[i].r);
		assert_int_equal(outcome.exit_code, r < 0 ? 77 : statuses[i].code);
		if (r == 0 && statuses[i].failure)
			assert_string_equal(outcome.failure, statuses[i].failure);
	}
}

static void what_a_client_of_ours_sends_is_read_by_the_server(void **state)
{
	struct buffer out = BUFFER_INIT;
	struct channel_message message;

	(void)state;
	channel_add_size(&out, 24, 80);
	assert_int_equal(channel_parse(CHANNELS_V4, out.data, out.size, &message, NULL), 0);
	assert_int_equal(message.event, CHANNEL_SIZE);
	assert_int_equal(message.rows * 1000 + message.columns, 24080);
	buffer_reset(&out);
	channel_add_end(&out, CHANNEL_STDIN);
	assert_int_equal(channel_parse(CHANNELS_V5, out.data, out.size, &message, NULL), 0);
	assert_int_equal(message.event, CHANNEL_END);
	buffer_reset(&out);
	channel_add_signal(&out, SIGRTMIN + 3);
	assert_int_equal(channel_parse(CHANNELS_V1_CONJOIN, out.data, out.size, &message, NULL), 0);
	assert_int_equal(message.signal, SIGRTMIN + 3);
	buffer_reset(&out);
	channel_add(&out, CHANNEL_STDIN, "a\0b", 3);
	assert_int_equal(channel_parse(CHANNELS_V4, out.data, out.size, &message, NULL), 0);
	assert_int_equal(message.size, 3);
	assert_memory_equal(message.data, "a\0b", 3);
	buffer_done(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_client_s_first_choice_that_we_speak_wins),
		cmocka_unit_test(each_message_means_one_thing_in_the_versions_that_have_it),
		cmocka_unit_test(a_size_in_more_words_than_it_needs_is_refused),
		cmocka_unit_test(signals_have_names_and_names_have_signals),
		cmocka_unit_test(the_end_is_told_in_kubernetes_words),
		cmocka_unit_test(a_client_reads_what_the_server_has_told),
		cmocka_unit_test(a_status_of_another_server_is_judged_as_well),
		cmocka_unit_test(what_a_client_of_ours_sends_is_read_by_the_server),
	};

	return cmocka_run_group_tests_name("net-channels", tests, NULL, NULL);
}
