/* SPDX-License-Identifier: MIT
 *
 * The audit log: what a line says, that nothing breaks it, and one write(2) for each.
 */
#include "unit.h"

#include <jansson.h>
#include <sys/resource.h>

#include "net/audit.h"

static const struct audit_record plain = {
	.time = {.tv_sec = 1706702400, .tv_nsec = 250999999},
	.id = 17,
	.auth = AUDIT_TOKEN,
	.who = "ci",
	.from = "10.0.0.7:4711",
	.target = "web",
	.bytes_in = 1,
	.bytes_out = UINT64_MAX,
	.ms = 4,
};

#define HEAD                                                                                           \
	"{\"time\":\"2024-01-31T12:00:00.250Z\",\"id\":17,\"auth\":\"token\",\"who\":\"ci\",\"from\":" \
	"\"10.0.0.7:4711\",\"target\":\"web\","
#define TAIL ",\"bytes_in\":1,\"bytes_out\":18446744073709551615,\"ms\":4}\n"

static void assert_line(const struct audit_record *record, const char *line)
{
	struct buffer out = BUFFER_INIT;

	audit_format(&out, record);
	buffer_add(&out, "", 1);
	assert_string_equal(out.data, line);
	buffer_done(&out);
}

static void a_line_says_who_what_and_how_it_ended(void **state)
{
	struct audit_record record = plain;

	(void)state;
	record.argv = (const char *const[]){"ls", "-l", NULL};
	assert_line(&record, HEAD "\"argv\":[\"ls\",\"-l\"],\"cut\":false,\"exit_code\":0" TAIL);
	record.argv = NULL;
	record.command = "a | b";
	record.outcome = (struct outcome){.exit_code = 143, .signal = SIGTERM};
	assert_line(&record, HEAD "\"command\":\"a | b\",\"cut\":false,\"signal\":\"TERM\"" TAIL);
	record.command = NULL;
	record.refused = "no token";
	assert_line(&record, HEAD "\"cut\":false,\"refused\":\"no token\"" TAIL);
	record.refused = NULL;
	record.outcome = (struct outcome){.exit_code = 127, .failure = "not found"};
	assert_line(&record, HEAD "\"cut\":false,\"refused\":\"not found\"" TAIL);
}

/* The line, parsed; it must be one, of printable ASCII. */
static json_t *parse_line(const struct audit_record *record)
{
	struct buffer out = {.limit = AUDIT_LINE_MAX};
	json_t *parsed;

	audit_format(&out, record);
	assert_int_equal(out.code, 0);
	for (size_t i = 0; i + 1 < out.size; i++)
		assert_true(out.data[i] >= ' ' && out.data[i] < 0x7f);
	assert_int_equal(out.data[out.size - 1], '\n');
	parsed = json_loadb(out.data, out.size, JSON_REJECT_DUPLICATES, NULL);
	assert_non_null(parsed);
	buffer_done(&out);
	return parsed;
}

static void nothing_in_it_breaks_a_line(void **state)
{
	static const char nasty[] =
		"\n{\"x\":1}\r\t\033[31m\x7f\xff\xc2\x9b\xe2\x80\xa8\xe2\x80\xae\"\\";
	static const char clean[] =
		"\n{\"x\":1}\r\t\033[31m\x7f\xef\xbf\xbd\xc2\x9b\xe2\x80\xa8\xe2\x80\xae\"\\";
	static const char *const members[] = {"who", "from", "target", "command", "refused"};
	struct audit_record record = {.who = nasty,
				      .from = nasty,
				      .target = nasty,
				      .command = nasty,
				      .refused = nasty};
	json_t *parsed = parse_line(&record);

	(void)state;
	for (size_t i = 0; i < ELEMENTS(members); i++)
		assert_string_equal(json_string_value(json_object_get(parsed, members[i])), clean);
	json_decref(parsed);
}

static void what_is_long_is_cut_and_says_so(void **state)
{
	char text[AUDIT_WHAT_MAX + 2], name[AUDIT_TEXT_MAX + 2];
	const char *args[AUDIT_ARGS_MAX + 2] = {NULL};
	struct audit_record record = {.command = text, .who = name};
	json_t *parsed;

	(void)state;
	memset(text, 'x', sizeof(text));
	memset(name, 'n', sizeof(name));
	text[AUDIT_WHAT_MAX] = text[AUDIT_WHAT_MAX + 1] = name[AUDIT_TEXT_MAX + 1] = '\0';
	parsed = parse_line(&record);
	assert_true(json_is_false(json_object_get(parsed, "cut")));
	assert_int_equal(json_string_length(json_object_get(parsed, "who")), AUDIT_TEXT_MAX);
	json_decref(parsed);

	memcpy(text + AUDIT_WHAT_MAX - 1, "\xc3\xa9", 2); /* a character over the border */
	parsed = parse_line(&record);
	assert_true(json_is_true(json_object_get(parsed, "cut")));
	assert_int_equal(json_string_length(json_object_get(parsed, "command")),
			 AUDIT_WHAT_MAX - 1);
	json_decref(parsed);

	for (size_t i = 0; i < AUDIT_ARGS_MAX; i++)
		args[i] = i < 2 ? "12345678" : "";
	record.argv = args;
	parsed = parse_line(&record);
	assert_true(json_is_false(json_object_get(parsed, "cut")));
	json_decref(parsed);
	args[AUDIT_ARGS_MAX] = "";
	parsed = parse_line(&record);
	assert_true(json_is_true(json_object_get(parsed, "cut")));
	assert_int_equal(json_array_size(json_object_get(parsed, "argv")), AUDIT_ARGS_MAX);
	json_decref(parsed);
	args[1] = text;
	parsed = parse_line(&record);
	assert_true(json_is_true(json_object_get(parsed, "cut")));
	assert_int_equal(json_array_size(json_object_get(parsed, "argv")), 2);
	assert_int_equal(json_string_length(json_array_get(json_object_get(parsed, "argv"), 1)),
			 AUDIT_WHAT_MAX - 8); /* all of them together have so much */
	json_decref(parsed);
}

static void the_worst_line_has_room(void **state)
{
	char text[AUDIT_WHAT_MAX + 1];
	const char *args[AUDIT_ARGS_MAX + 1] = {text};
	struct audit_record record = {.who = text,
				      .from = text,
				      .target = text,
				      .argv = args,
				      .refused = text,
				      .auth = AUDIT_CERTIFICATE};

	(void)state;
	memset(text, '\1', sizeof(text));
	text[AUDIT_WHAT_MAX] = '\0';
	for (size_t i = 1; i < AUDIT_ARGS_MAX; i++)
		args[i] = "";
	json_decref(parse_line(&record));
	memset(text, '\xff', AUDIT_WHAT_MAX);
	json_decref(parse_line(&record));
}

static void each_line_is_appended_with_one_write(void **state)
{
	const struct tree *tree = *state;
	struct audit first = {
		.fd = openat(tree->fd, "log", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600)};
	struct audit second = {.fd = openat(tree->fd, "log", O_WRONLY | O_APPEND | O_CLOEXEC)};
	struct bytes content = BYTES_INIT;
	int fd = openat(tree->fd, "log", O_RDONLY | O_CLOEXEC), packet[2];
	char text[4096];

	for (int i = 0; i < 3; i++) {
		assert_int_equal(audit_write(&first, &plain), 0);
		assert_int_equal(audit_write(&second, &plain), 0);
	}
	assert_int_equal(io_read_all(fd, 1 << 20, &content), 0);
	assert_int_equal(content.size, 6 * strlen(HEAD "\"cut\":false,\"exit_code\":0" TAIL));
	bytes_done(&content);
	/* In a pipe of packets a read gets what one write has given. pipe(2) */
	assert_int_equal(pipe2(packet, O_DIRECT | O_CLOEXEC), 0);
	assert_int_equal(audit_write(&(struct audit){.fd = packet[1]}, &plain), 0);
	assert_int_equal(read(packet[0], text, sizeof(text)),
			 strlen(HEAD "\"cut\":false,\"exit_code\":0" TAIL));
	close_fd(&fd);
	close_fd(&packet[0]);
	close_fd(&packet[1]);
	close_fd(&first.fd);
	close_fd(&second.fd);
}

/* A file may get so big and no bigger: write(2) writes a part, and then nothing. */
static void a_line_that_is_torn_does_not_tear_the_next(void **state)
{
	static const char line[] = HEAD "\"cut\":false,\"exit_code\":0" TAIL;
	const struct tree *tree = *state;
	struct audit audit = {
		.fd = openat(tree->fd, "log", O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600)};
	struct rlimit old, low;
	char text[1024] = "";

	assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
	low = (struct rlimit){.rlim_cur = 20, .rlim_max = old.rlim_max};
	(void)signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &low), 0);
	assert_int_equal(audit_write(&audit, &plain), -ENOSPC);
	assert_int_equal(audit_write(&audit, &plain), -EFBIG);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
	assert_int_equal(audit.lost, 2);
	assert_true(audit.torn);
	assert_int_equal(audit_write(&audit, &plain), 0);
	assert_false(audit.torn);
	assert_int_equal(pread(audit.fd, text, sizeof(text) - 1, 0), 20 + 1 + strlen(line));
	assert_memory_equal(text, line, 20);
	assert_int_equal(text[20], '\n');
	assert_string_equal(text + 21, line);
	close_fd(&audit.fd);
	assert_int_equal(audit_write(&audit, &plain), -EBADF);
	assert_int_equal(audit.lost, 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_line_says_who_what_and_how_it_ended),
		cmocka_unit_test(nothing_in_it_breaks_a_line),
		cmocka_unit_test(what_is_long_is_cut_and_says_so),
		cmocka_unit_test(the_worst_line_has_room),
		cmocka_unit_test_setup_teardown(each_line_is_appended_with_one_write, make_tree,
						remove_tree),
		cmocka_unit_test_setup_teardown(a_line_that_is_torn_does_not_tear_the_next,
						make_tree, remove_tree),
	};

	return cmocka_run_group_tests_name("net-audit", tests, NULL, NULL);
}
