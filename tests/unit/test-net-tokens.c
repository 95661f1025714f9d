/* SPDX-License-Identifier: MIT
 *
 * Bearer tokens: the file that names them, the comparison, and the headers in which clients show them.
 */
#include "unit.h"

#include "net/tokens.h"

static struct tokens made_of(const char *text)
{
	struct tokens tokens = TOKENS_INIT;

	assert_int_equal(tokens_parse(&tokens, text, strlen(text), NULL), 0);
	return tokens;
}

static const char *check(const struct tokens *tokens, const char *candidate)
{
	return tokens_check(tokens, candidate, strlen(candidate));
}

/* --- the file --- */

static void names_comments_blank_lines_and_line_ends_of_windows_are_understood(void **state)
{
	struct tokens tokens = made_of("# comment\r\n"
				       "\n"
				       " \t \r\n"
				       "first\n"
				       "  # indented comment\n"
				       "ci  s3cret-._~+/==\r\n"
				       "\tdev\ttoken\t\r\n"
				       "last");

	(void)state;
	assert_int_equal(tokens.n, 4);
	assert_string_equal(tokens_first(&tokens), "first");
	assert_string_equal(check(&tokens, "first"), "");
	assert_string_equal(check(&tokens, "s3cret-._~+/=="), "ci");
	assert_string_equal(check(&tokens, "token"), "dev");
	assert_string_equal(check(&tokens, "last"), "");
	assert_null(check(&tokens, "ci"));
	assert_null(check(&tokens, "#"));
	tokens_done(&tokens);
	tokens_done(&tokens);
}

static void a_bad_line_is_named_and_never_shown(void **state)
{
	static const struct {
		const char *text, *word;
	} bad[] = {
		{"a\nb c SECRET\n", "line 2"},
		{"SECRET!\n", "line 1"},
		{"#\n\nname SECRET\xc3\xa9", "line 3"},
		{"=SECRET", "line 1"},
		{"SE=CRET", "line 1"},
		{"na\xffme SECRET", "line 1: the name"},
		{"SECRET\nSECRET", "line 2"},
		{"a SECRET\nb SECRET", "line 2"},
		{"a SECRET # why", "line 1: more"},
		{"SECRET\rx", "line 1"},
		{"SECRET\vx", "line 1"},
	};

	(void)state;
	for (size_t i = 0; i < ELEMENTS(bad); i++) {
		struct tokens tokens = made_of("old");
		struct cj_error err = CJ_ERROR_INIT;

		assert_int_equal(tokens_parse(&tokens, bad[i].text, strlen(bad[i].text), &err),
				 -EINVAL);
		assert_names(&err, bad[i].word);
		assert_null(strstr(err.text, "SECRET"));
		assert_non_null(check(&tokens, "old"));
		tokens_done(&tokens);
	}
}

static void a_nul_in_the_file_is_no_end_of_it(void **state)
{
	struct tokens tokens = TOKENS_INIT;

	(void)state;
	assert_int_equal(tokens_parse(&tokens, "a\0b\nc\n", 6, NULL), -EINVAL);
	assert_int_equal(tokens.n, 0);
}

static void no_token_at_all_is_an_error_and_keeps_the_old_ones(void **state)
{
	static const char *const empty[] = {"", "\n", "# only this", " \r\n#"};
	struct tokens tokens = made_of("old");

	(void)state;
	for (size_t i = 0; i < ELEMENTS(empty); i++)
		assert_int_equal(tokens_parse(&tokens, empty[i], strlen(empty[i]), NULL), -ENODATA);
	assert_non_null(check(&tokens, "old"));
	assert_int_equal(tokens_parse(&tokens, "new", 3, NULL), 0);
	assert_null(check(&tokens, "old"));
	assert_non_null(check(&tokens, "new"));
	tokens_done(&tokens);
}

static void lengths_have_limits(void **state)
{
	char text[TOKEN_NAME_MAX + TOKEN_SIZE_MAX + 8];
	struct tokens tokens = TOKENS_INIT;

	(void)state;
	memset(text, 'x', sizeof(text));
	assert_int_equal(tokens_parse(&tokens, text, TOKEN_SIZE_MAX + 1, NULL), -EINVAL);
	assert_int_equal(tokens_parse(&tokens, text, TOKEN_SIZE_MAX, NULL), 0);
	assert_non_null(tokens_check(&tokens, text, TOKEN_SIZE_MAX));
	assert_null(tokens_check(&tokens, text, TOKEN_SIZE_MAX - 1));
	assert_null(tokens_check(&tokens, text, TOKEN_SIZE_MAX + 1));
	text[TOKEN_SIZE_MAX - 1] = 'y'; /* the last byte counts, too */
	assert_null(tokens_check(&tokens, text, TOKEN_SIZE_MAX));
	text[TOKEN_SIZE_MAX - 1] = 'x';
	text[TOKEN_NAME_MAX + 1] = ' ';
	assert_int_equal(tokens_parse(&tokens, text, TOKEN_NAME_MAX + 4, NULL), -EINVAL);
	text[TOKEN_NAME_MAX + 1] = 'x';
	text[TOKEN_NAME_MAX] = ' ';
	assert_int_equal(tokens_parse(&tokens, text, TOKEN_NAME_MAX + 4, NULL), 0);
	assert_int_equal(strlen(check(&tokens, "xxx")), TOKEN_NAME_MAX);
	tokens_done(&tokens);
}

static void so_many_tokens_and_not_one_more(void **state)
{
	struct tokens tokens = TOKENS_INIT;
	char text[(TOKENS_MAX + 1) * 8], one[8];
	size_t size = 0;

	(void)state;
	for (int i = 0; i <= TOKENS_MAX; i++)
		size += (size_t)snprintf(text + size, sizeof(text) - size, "t%05d\n", i);
	assert_int_equal(tokens_parse(&tokens, text, size, NULL), -EINVAL);
	assert_int_equal(tokens_parse(&tokens, text, size - 7, NULL), 0);
	assert_int_equal(tokens.n, TOKENS_MAX);
	(void)snprintf(one, sizeof(one), "t%05d", TOKENS_MAX - 1);
	assert_non_null(check(&tokens, one));
	(void)snprintf(one, sizeof(one), "t%05d", TOKENS_MAX);
	assert_null(check(&tokens, one));
	tokens_done(&tokens);
}

static void a_file_is_loaded_and_who_may_read_it_is_told(void **state)
{
	const struct tree *tree = *state;
	struct tokens tokens = TOKENS_INIT;
	bool exposed = true;
	char path[96];

	write_text(tree, "tokens", "one\n");
	(void)snprintf(path, sizeof(path), "%s/tokens", tree->path);
	assert_int_equal(chmod(path, 0600), 0);
	assert_int_equal(tokens_load(&tokens, path, &exposed, NULL), 0);
	assert_false(exposed);
	for (unsigned int bit = 0; bit < 6; bit++) {
		assert_int_equal(chmod(path, 0600 | 1U << bit), 0);
		assert_int_equal(tokens_load(&tokens, path, &exposed, NULL), 0);
		assert_true(exposed);
	}
	write_text(tree, "tokens", "!\n");
	assert_int_equal(tokens_load(&tokens, path, &exposed, NULL), -EINVAL);
	assert_non_null(check(&tokens, "one"));
	write_text(tree, "tokens", "two\n");
	assert_int_equal(tokens_load(&tokens, path, &exposed, NULL), 0);
	assert_null(check(&tokens, "one"));
	assert_non_null(check(&tokens, "two"));
	tokens_done(&tokens);
}

static void what_is_no_file_of_tokens_is_refused_without_waiting(void **state)
{
	const struct tree *tree = *state;
	struct tokens tokens = TOKENS_INIT;
	struct cj_error err = CJ_ERROR_INIT;
	bool exposed;
	char path[96];
	char *big = malloc(TOKENS_FILE_MAX + 1);

	assert_non_null(big);
	memset(big, '\n', TOKENS_FILE_MAX + 1);
	big[0] = 'x';
	(void)snprintf(path, sizeof(path), "%s/fifo", tree->path);
	assert_int_equal(tokens_load(&tokens, path, &exposed, &err), -ENOENT);
	assert_names(&err, "fifo");
	assert_int_equal(mkfifo(path, 0600), 0);
	(void)alarm(10); /* open(2) of a FIFO would wait for ever */
	assert_int_equal(tokens_load(&tokens, path, &exposed, NULL), -EINVAL);
	(void)alarm(0);
	assert_int_equal(tokens_load(&tokens, tree->path, &exposed, NULL), -EINVAL);
	(void)snprintf(path, sizeof(path), "%s/big", tree->path);
	write_bytes(tree, "big", big, TOKENS_FILE_MAX + 1);
	assert_int_equal(tokens_load(&tokens, path, &exposed, NULL), -EFBIG);
	write_bytes(tree, "big", big, TOKENS_FILE_MAX);
	assert_int_equal(tokens_load(&tokens, path, &exposed, NULL), 0);
	assert_int_equal(tokens.n, 1);
	tokens_done(&tokens);
	free(big);
}

/* --- the comparison --- */

static void only_the_whole_token_is_it(void **state)
{
	static const char *const wrong[] = {"",	      "s",	"secre", "secret2",
					    "Secret", "tecret", "secreu"};
	struct tokens tokens = made_of("n secret\nother\n");

	(void)state;
	for (size_t i = 0; i < ELEMENTS(wrong); i++)
		assert_null(check(&tokens, wrong[i]));
	assert_null(tokens_check(&tokens, "secret\0", 7));
	assert_null(tokens_check(&tokens, "secret\0x", 8));
	assert_null(tokens_check(&tokens, "\0secret", 7));
	assert_string_equal(check(&tokens, "secret"), "n");
	assert_null(tokens_check(&(struct tokens)TOKENS_INIT, "x", 1));
	tokens_done(&tokens);
}

/* Each bit of each byte counts. */
static void a_token_that_differs_in_one_bit_is_another(void **state)
{
	char token[] = "0123456789abcdefghijklmnopqrstuv";
	struct tokens tokens = made_of(token);

	(void)state;
	for (size_t i = 0; i < 8 * strlen(token); i++) {
		token[i / 8] ^= (char)(1 << i % 8);
		assert_null(tokens_check(&tokens, token, 32));
		token[i / 8] ^= (char)(1 << i % 8);
	}
	assert_non_null(check(&tokens, token));
	tokens_done(&tokens);
}

/* --- headers --- */

static void a_bearer_header_holds_a_token(void **state)
{
	static const struct {
		const char *value, *token;
	} values[] = {
		{"Bearer abc", "abc"},
		{"bearer abc", "abc"},
		{"BEARER   a-._~+/9==", "a-._~+/9=="},
		{"Bearer abc \t", "abc"},
		{"Bearer", NULL},
		{"Bearer ", NULL},
		{"Bearerabc", NULL},
		{"Basic abc", NULL},
		{"", NULL},
		{"Bearer a b", NULL},
		{"Bearer a,b", NULL},
		{"Bearer \"a\"", NULL},
		{"Bearer =", NULL},
		{"Bearer a=b", NULL},
		{"Bearer a\x80", NULL},
		{" Bearer abc", NULL},
		{"Bearer\tabc", NULL},
	};

	(void)state;
	for (size_t i = 0; i < ELEMENTS(values); i++) {
		const char *token;
		size_t size;
		int r = bearer_parse(values[i].value, strlen(values[i].value), &token, &size);

		assert_int_equal(r, values[i].token ? 0 : -EINVAL);
		if (r < 0)
			continue;
		assert_int_equal(size, strlen(values[i].token));
		assert_memory_equal(token, values[i].token, size);
	}
	assert_int_equal(bearer_parse("Bearer a\0b", 10, &(const char *){0}, &(size_t){0}),
			 -EINVAL);
}

#define PREFIX "base64url.bearer.authorization.k8s.io."

static void a_token_among_subprotocols_is_found_and_not_chosen(void **state)
{
	static const struct {
		const char *offer;
		int r;
		const char *token;
	} offers[] = {
		{"v4.channel.k8s.io", -ENOENT, NULL},
		{"", -ENOENT, NULL},
		{PREFIX "c2VjcmV0", 0, "secret"},
		{"v5.channel.k8s.io," PREFIX "c2VjcmV0 , v4.channel.k8s.io", 0, "secret"},
		{PREFIX "fn5-", 0, "~~~"}, /* the digits that differ */
		{PREFIX "YQ", 0, "a"},
		{PREFIX "YQ==", -EINVAL, NULL},
		{PREFIX "YR", -EINVAL, NULL}, /* bits that nobody would have written */
		{PREFIX "Y", -EINVAL, NULL},
		{PREFIX, -EINVAL, NULL},
		{PREFIX "AA", -EINVAL, NULL},	/* a NUL */
		{PREFIX "YSBi", -EINVAL, NULL}, /* "a b" */
		{PREFIX "c2V+", -EINVAL, NULL},
		{PREFIX "c2VjcmV0," PREFIX "c2VjcmV0", -EINVAL, NULL},
		{"x" PREFIX "c2VjcmV0", -ENOENT, NULL},
	};

	(void)state;
	for (size_t i = 0; i < ELEMENTS(offers); i++) {
		char token[TOKEN_SIZE_MAX];
		size_t size;

		assert_int_equal(bearer_from_offer(offers[i].offer, strlen(offers[i].offer), token,
						   &size),
				 offers[i].r);
		if (offers[i].r < 0)
			continue;
		assert_int_equal(size, strlen(offers[i].token));
		assert_memory_equal(token, offers[i].token, size);
	}
	assert_true(bearer_is_subprotocol(PREFIX "x", strlen(PREFIX) + 1));
	assert_false(bearer_is_subprotocol(PREFIX, strlen(PREFIX) - 1));
}

static void the_longest_token_fits_in_an_offer_and_no_longer_one(void **state)
{
	char offer[2048] = PREFIX, token[TOKEN_SIZE_MAX];
	size_t size, digits = strlen(PREFIX);

	(void)state;
	memset(offer + digits, 'a', 2000 - digits); /* "aaaa" is "i\xa6\x9a": no token */
	for (size_t i = 0; i < 170; i++)
		memcpy(offer + digits + 4 * i, "YWFh", 4);
	memcpy(offer + digits + 680, "YWE", 3); /* 510 and 2 */
	assert_int_equal(bearer_from_offer(offer, digits + 683, token, &size), 0);
	assert_int_equal(size, TOKEN_SIZE_MAX);
	memcpy(offer + digits + 680, "YWFh", 4);
	assert_int_equal(bearer_from_offer(offer, digits + 684, token, &size), -EINVAL);
	assert_int_equal(bearer_from_offer(offer, 2000, token, &size), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			names_comments_blank_lines_and_line_ends_of_windows_are_understood),
		cmocka_unit_test(a_bad_line_is_named_and_never_shown),
		cmocka_unit_test(a_nul_in_the_file_is_no_end_of_it),
		cmocka_unit_test(no_token_at_all_is_an_error_and_keeps_the_old_ones),
		cmocka_unit_test(lengths_have_limits),
		cmocka_unit_test(so_many_tokens_and_not_one_more),
		cmocka_unit_test_setup_teardown(a_file_is_loaded_and_who_may_read_it_is_told,
						make_tree, remove_tree),
		cmocka_unit_test_setup_teardown(what_is_no_file_of_tokens_is_refused_without_waiting,
						make_tree, remove_tree),
		cmocka_unit_test(only_the_whole_token_is_it),
		cmocka_unit_test(a_token_that_differs_in_one_bit_is_another),
		cmocka_unit_test(a_bearer_header_holds_a_token),
		cmocka_unit_test(a_token_among_subprotocols_is_found_and_not_chosen),
		cmocka_unit_test(the_longest_token_fits_in_an_offer_and_no_longer_one),
	};

	return cmocka_run_group_tests_name("net-tokens", tests, NULL, NULL);
}
