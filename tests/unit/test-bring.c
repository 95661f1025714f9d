/* SPDX-License-Identifier: MIT
 *
 * What has to be brought for a program, and what can't be: on files made for it and on the machine's own.
 * Not here: whether it runs then (tests/integration/test_bring.py).
 */
#include "unit.h"

#include "lib/bring.h"
#include "lib/runner_program.h"
#include "runner/runner.h"

#define HOME "/run/conjoin"

static char *path_of(const struct tree *tree, const char *name)
{
	char *path = NULL;

	assert_true(asprintf(&path, "%s/%s", tree->path, name) > 0);
	return path;
}

static void make_program(const struct tree *tree, const char *name, const char *text)
{
	write_text(tree, name, text);
	assert_int_equal(fchmodat(tree->fd, name, 0755, 0), 0);
}

static const struct brought *find(const struct bring *bring, const char *path)
{
	for (size_t i = 0; i < bring->n; i++)
		if (strcmp(bring->items[i].path, path) == 0)
			return &bring->items[i];
	fail_msg("there is no %s", path);
	return NULL;
}

static bool has(const struct bring *bring, const char *path)
{
	for (size_t i = 0; i < bring->n; i++)
		if (strcmp(bring->items[i].path, path) == 0)
			return true;
	return false;
}

/* What a list must always be: directories before what's in them, nothing twice, real paths, no way out. */
static void check_list(const struct bring *bring)
{
	for (size_t i = 0; i < bring->n; i++) {
		const struct brought *item = &bring->items[i];
		const char *slash = strrchr(item->path, '/');
		bool parent = !slash;

		assert_true(item->path[0] != '/' && !strstr(item->path, ".."));
		for (size_t k = 0; k < i; k++) {
			const struct brought *other = &bring->items[k];

			assert_string_not_equal(item->path, other->path);
			parent = parent ||
				 (other->kind == BROUGHT_DIRECTORY &&
				  strlen(other->path) == (size_t)(slash - item->path) &&
				  strncmp(item->path, other->path, strlen(other->path)) == 0);
		}
		if (!parent)
			fail_msg("%s has no directory", item->path);
		if (item->kind == BROUGHT_FILE || item->kind == BROUGHT_TREE) {
			_cleanup_free_ char *real = realpath(item->source, NULL);

			assert_string_equal(real, item->source);
		}
		if (item->kind == BROUGHT_LINK)
			assert_true(strncmp(item->source, "../", 3) == 0);
	}
}

static int resolve(const char *const *files, const char *const *dirs, struct bring *ret,
		   struct cj_error *err)
{
	struct bring_request request = {files, dirs, NULL, HOME};
	int r;

	*err = (struct cj_error)CJ_ERROR_INIT;
	r = bring_resolve(&request, ret, err);
	if (r == 0)
		check_list(ret);
	return r;
}

static void check_refused(const char *file, int code, const char *word)
{
	const char *const files[] = {file, NULL};
	struct bring bring = BRING_INIT;
	struct cj_error err;

	assert_int_equal(resolve(files, NULL, &bring, &err), -code);
	assert_int_equal(err.code, code);
	assert_names(&err, word);
	assert_true(strncmp(err.text, "bring \"", 7) == 0);
	assert_int_equal(bring.n, 0);
}

static void a_dynamic_program_gets_a_runner_a_loader_and_its_libraries(void **state)
{
	static const char *const files[] = {"/proc/self/exe", "sh", NULL};
	_cleanup_(bring_done) struct bring bring = BRING_INIT;
	const struct brought *runner;
	const struct runner_orders *orders;
	struct cj_error err;

	(void)state;
	assert_int_equal(resolve(files, NULL, &bring, &err), 0);
	runner = find(&bring, "bin/exe");
	assert_int_equal(runner->kind, BROUGHT_PROGRAM);
	assert_int_equal(runner->size, runner_program_size);
	orders = memmem(runner->bytes, runner->size, RUNNER_MARK, sizeof(RUNNER_MARK));
	assert_non_null(orders);
	assert_string_equal(orders->text, HOME "/start/exe/exe");
	assert_int_equal(find(&bring, "start/exe/exe")->kind, BROUGHT_LINK);
	assert_int_equal(find(&bring, "lib/0/libc.so.6")->kind, BROUGHT_LINK);
	assert_int_equal(find(&bring, "bin/sh")->kind, BROUGHT_PROGRAM);
}

static void what_is_no_program_is_named(void **state)
{
	struct tree *tree = *state;
	_cleanup_free_ char *text = path_of(tree, "text"), *mode = path_of(tree, "mode"),
			    *fifo = path_of(tree, "fifo"), *cut = path_of(tree, "cut"),
			    *other = path_of(tree, "other");

	make_program(tree, "text", "just words\n");
	write_text(tree, "mode", "#!/bin/sh\n");
	assert_int_equal(mkfifoat(tree->fd, "fifo", 0755), 0);
	write_bytes(tree, "cut", "\177ELF\2\1\1\0\0\0\0\0\0\0\0\0\2\0>\0", 20);
	write_bytes(tree, "other", "\177ELF\2\2\1\0\0\0\0\0\0\0\0\0\0\2\0\26", 20);
	assert_int_equal(fchmodat(tree->fd, "cut", 0755, 0), 0);
	assert_int_equal(fchmodat(tree->fd, "other", 0755, 0), 0);
	check_refused(text, ENOEXEC, "neither an ELF program nor a script");
	check_refused(mode, EACCES, "isn't executable");
	check_refused(fifo, EINVAL, "no regular file");
	check_refused("/dev/null", EINVAL, "no regular file");
	check_refused(tree->path, EISDIR, "open");
	check_refused(cut, EBADMSG, "damaged");
	check_refused(other, ENOEXEC, "another machine");
	check_refused("/nonexistent/x", ENOENT, "/nonexistent/x");
	check_refused("no-such-program", ENOENT, "bring \"no-such-program\": not found in PATH");
	check_refused("", EINVAL, "no name");
}

static void scripts_bring_their_interpreter(void **state)
{
	struct tree *tree = *state;
	_cleanup_(bring_done) struct bring bring = BRING_INIT;
	_cleanup_free_ char *plain = path_of(tree, "plain"), *env = path_of(tree, "env"),
			    *nested = path_of(tree, "nested"), *line = NULL;
	const char *const files[] = {plain, env, nested, NULL};
	struct cj_error err;

	make_program(tree, "plain", "#! /bin/sh -e \t\necho\n");
	make_program(tree, "env", "#!/usr/bin/env sh\n");
	assert_true(asprintf(&line, "#!%s\n", plain) > 0);
	make_program(tree, "nested", line);
	assert_int_equal(resolve(files, NULL, &bring, &err), 0);
	assert_int_equal(find(&bring, "files/plain")->kind, BROUGHT_FILE);
	assert_int_equal(find(&bring, "bin/plain")->kind, BROUGHT_PROGRAM);
	assert_int_equal(find(&bring, "bin/sh")->kind, BROUGHT_PROGRAM);
	assert_int_equal(find(&bring, "bin/nested")->kind, BROUGHT_PROGRAM);
}

static void scripts_that_cant_be_followed_are_named(void **state)
{
	static const struct {
		const char *text;
		int code;
		const char *word;
	} rows[] = {
		{"#!/usr/bin/env -S sh -e\n", ENOTSUP, "gives env more than a name"},
		{"#!/usr/bin/env A=b sh\n", ENOTSUP, "gives env more than a name"},
		{"#!/usr/bin/env\n", ENOTSUP, "gives env more than a name"},
		{"#!/usr/bin/env no-such-program\n", ENOENT, "no-such-program not found in PATH"},
		{"#!sh\n", ENOTSUP, "no absolute path"},
		{"#!\n", ENOTSUP, "names no interpreter"},
		{"#!", ENOTSUP, "names no interpreter"},
		{"#!/nonexistent/sh\n", ENOENT, "the interpreter /nonexistent/sh"},
	};
	struct tree *tree = *state;
	_cleanup_free_ char *path = path_of(tree, "script"), *a = path_of(tree, "a"),
			    *long_line = calloc(1, 400), *line = NULL, *back = NULL;

	for (size_t i = 0; i < ELEMENTS(rows); i++) {
		make_program(tree, "script", rows[i].text);
		check_refused(path, rows[i].code, rows[i].word);
	}
	memset(long_line, 'x', 399);
	memcpy(long_line, "#!/", 3);
	make_program(tree, "script", long_line);
	check_refused(path, ENOTSUP, "too long");
	assert_true(asprintf(&line, "#!%s\n", a) > 0 && asprintf(&back, "#!%s\n", path) > 0);
	make_program(tree, "script", line);
	make_program(tree, "a", back);
	check_refused(path, ELOOP, "the interpreters");
	check_refused(a, ELOOP, "the interpreters");
}

static void one_name_for_two_files_is_an_error_and_for_one_file_isnt(void **state)
{
	struct tree *tree = *state;
	_cleanup_free_ char *one = path_of(tree, "one/tool"), *two = path_of(tree, "two/tool"),
			    *link = path_of(tree, "link");
	const char *const different[] = {one, two, NULL};
	const char *const same[] = {one, link, one, NULL};
	_cleanup_(bring_done) struct bring bring = BRING_INIT;
	struct cj_error err;

	make_directory(tree, "one");
	make_directory(tree, "two");
	make_program(tree, "one/tool", "#!/bin/sh\n");
	make_program(tree, "two/tool", "#!/bin/sh\n");
	assert_int_equal(symlinkat("one/tool", tree->fd, "link"), 0);
	assert_int_equal(resolve(different, NULL, &bring, &err), -EEXIST);
	assert_names(&err, "want the same name");
	assert_int_equal(resolve(same, NULL, &bring, &err), 0);
	assert_true(has(&bring, "bin/tool") && has(&bring, "bin/link"));
	assert_true(has(&bring, "files/tool") && !has(&bring, "files/link"));
}

static void a_toolbox_brings_what_it_can_and_says_what_not(void **state)
{
	struct tree *tree = *state;
	_cleanup_free_ char *box = path_of(tree, "box"), *first = path_of(tree, "tool");
	const char *const files[] = {first, NULL}, *const dirs[] = {box, NULL};
	_cleanup_(bring_done) struct bring bring = BRING_INIT;
	struct cj_error err;

	make_program(tree, "tool", "#!/bin/sh\n");
	make_directory(tree, "box");
	make_directory(tree, "box/bin");
	make_program(tree, "box/bin/tool", "#!/bin/sh\n");
	make_program(tree, "box/bin/other", "#!/bin/sh\n");
	make_program(tree, "box/bin/words", "words\n");
	write_text(tree, "box/bin/readme", "not executable\n");
	assert_int_equal(symlinkat("/nonexistent", tree->fd, "box/bin/nowhere"), 0);
	assert_int_equal(symlinkat("/bin/tool", tree->fd, "box/inside"), 0);
	assert_int_equal(resolve(files, dirs, &bring, &err), 0);
	assert_int_equal(find(&bring, "dir/0")->kind, BROUGHT_TREE);
	assert_true(has(&bring, "bin/other") && has(&bring, "bin/inside"));
	assert_true(!has(&bring, "bin/words") && !has(&bring, "bin/readme"));
	assert_true(has(&bring, "files/tool")); /* that one, and not the toolbox's */
	assert_true(!has(&bring, "files/other"));
	assert_int_equal(bring.n_notes, 2);
	assert_non_null(strstr(bring.notes[0], "box/bin/nowhere: open it: No such file"));
	assert_non_null(strstr(bring.notes[1], "box/bin/words"));
}

static void an_empty_toolbox_is_an_error(void **state)
{
	struct tree *tree = *state;
	_cleanup_free_ char *box = path_of(tree, "box"), *none = path_of(tree, "none");
	const char *const dirs[] = {box, NULL}, *const missing[] = {none, NULL};
	struct bring bring = BRING_INIT;
	struct cj_error err;

	make_directory(tree, "box");
	write_text(tree, "box/file", "text");
	assert_int_equal(resolve(NULL, dirs, &bring, &err), -ENOENT);
	assert_names(&err, "nothing in it can be brought");
	assert_int_equal(resolve(NULL, missing, &bring, &err), -ENOENT);
	assert_names(&err, "none");
}

static void a_home_that_a_loader_would_take_apart_is_refused(void **state)
{
	static const char *const homes[] = {NULL, "", "run", "/run:x", "/run;x", "/$ORIGIN"};
	struct bring bring = BRING_INIT;

	(void)state;
	for (size_t i = 0; i < ELEMENTS(homes); i++) {
		struct bring_request request = {.home = homes[i]};

		assert_int_equal(bring_resolve(&request, &bring, NULL), -EINVAL);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_tree, remove_tree)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(a_dynamic_program_gets_a_runner_a_loader_and_its_libraries),
		TEST(what_is_no_program_is_named),
		TEST(scripts_bring_their_interpreter),
		TEST(scripts_that_cant_be_followed_are_named),
		TEST(one_name_for_two_files_is_an_error_and_for_one_file_isnt),
		TEST(a_home_that_a_loader_would_take_apart_is_refused),
	};
	static const struct CMUnitTest toolboxes[] = {
		TEST(a_toolbox_brings_what_it_can_and_says_what_not),
		TEST(an_empty_toolbox_is_an_error),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);

	if (!knows_call(SYS_openat2))
		return failed + run_none("toolboxes");
	return failed + cmocka_run_group_tests(toolboxes, NULL, NULL);
}
