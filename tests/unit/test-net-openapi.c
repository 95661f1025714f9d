/* SPDX-License-Identifier: MIT
 *
 * The description that the server gives of itself: it's JSON, it's OpenAPI as far as that can be told without its schema, and it
 * has what the code has.
 */
#include "unit.h"

#include <jansson.h>

#include "net/chunks.h"
#include "net/openapi.h"
#include "net/reply.h"
#include "net/request.h"

static int load(void **state)
{
	size_t size;
	const char *text = openapi_document(&size);

	*state = json_loadb(text, size, JSON_REJECT_DUPLICATES, NULL);
	return *state && strlen(text) == size ? 0 : -1;
}

static int unload(void **state)
{
	json_decref(*state);
	return 0;
}

/* "components/schemas/Request": what's there; a "~1" in a name is a "/". RFC 6901 */
static json_t *find(json_t *at, const char *path)
{
	char copy[256], *rest = copy;

	(void)snprintf(copy, sizeof(copy), "%s", path);
	while (at && rest) {
		char *name = strsep(&rest, "/"), *slash;

		while ((slash = strstr(name, "~1"))) {
			*slash = '/';
			memmove(slash + 1, slash + 2, strlen(slash + 2) + 1);
		}
		at = json_object_get(at, name);
	}
	return at;
}

static void it_is_openapi_3_of_this_version(void **state)
{
	const char *version = json_string_value(find(*state, "info/version"));

	assert_int_equal(strncmp(json_string_value(find(*state, "openapi")), "3.0.", 4), 0);
	assert_non_null(json_string_value(find(*state, "info/title")));
	assert_true(version && version[0] && !strchr(version, '@'));
}

static void each_path_is_there_with_its_method_and_answers(void **state)
{
	static const char *const paths[][2] = {
		{"~1v1~1popen", "post"},  {"~1v1~1exec", "get"},	 {"~1v1~1healthz", "get"},
		{"~1v1~1metrics", "get"}, {"~1v1~1openapi.json", "get"},
	};

	for (size_t i = 0; i < ELEMENTS(paths); i++) {
		char path[128];
		json_t *method, *answers;

		(void)snprintf(path, sizeof(path), "paths/%s/%s", paths[i][0], paths[i][1]);
		method = find(*state, path);
		answers = json_object_get(method, "responses");
		assert_non_null(json_object_get(method, "operationId"));
		assert_true(json_object_get(answers, "200") || json_object_get(answers, "101"));
		assert_non_null(json_object_get(answers, "401")); /* on every endpoint */
	}
	assert_int_equal(json_object_size(find(*state, "paths")), ELEMENTS(paths));
}

static void assert_same_members(json_t *properties, const char *const *members)
{
	size_t n = 0;

	for (; members[n]; n++)
		if (!json_object_get(properties, members[n]))
			fail_msg("%s isn't described", members[n]);
	assert_int_equal(json_object_size(properties), n);
}

static void it_has_every_member_of_requests_and_replies_and_no_other(void **state)
{
	assert_same_members(find(*state, "components/schemas/Request/properties"),
			    net_request_members);
	assert_true(json_is_false(find(*state, "components/schemas/Request/additionalProperties")));
	assert_same_members(find(*state, "components/schemas/Reply/properties"), reply_members);
	assert_string_equal(json_string_value(find(*state, "paths/~1v1~1popen/post/responses/200/"
							   "headers/Trailer/description")),
			    CHUNKS_TRAILER);
}

static void its_limits_are_those_of_the_code(void **state)
{
#define NUMBER(path) json_integer_value(find(*state, "components/schemas/Request/properties/" path))
	assert_int_equal(NUMBER("argv/maxItems"), NET_REQUEST_ARGS_MAX);
	assert_int_equal(NUMBER("env/maxProperties"), NET_REQUEST_ENV_MAX);
	assert_int_equal(NUMBER("cwd/maxLength"), NET_REQUEST_CWD_MAX);
}

/* Each {"$ref": "#/…"} leads somewhere. */
static size_t check_references(json_t *top, json_t *at)
{
	const char *reference = json_string_value(json_object_get(at, "$ref")), *name;
	size_t n = 0, i;
	json_t *value;

	if (reference) {
		assert_int_equal(strncmp(reference, "#/", 2), 0);
		if (!find(top, reference + 2))
			fail_msg("%s leads nowhere", reference);
		return 1;
	}
	json_object_foreach(at, name, value) n += check_references(top, value);
	json_array_foreach(at, i, value) n += check_references(top, value);
	return n;
}

static void references_lead_somewhere(void **state)
{
	assert_true(check_references(*state, *state) > 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_is_openapi_3_of_this_version),
		cmocka_unit_test(each_path_is_there_with_its_method_and_answers),
		cmocka_unit_test(it_has_every_member_of_requests_and_replies_and_no_other),
		cmocka_unit_test(its_limits_are_those_of_the_code),
		cmocka_unit_test(references_lead_somewhere),
	};

	return cmocka_run_group_tests_name("net-openapi", tests, load, unload);
}
