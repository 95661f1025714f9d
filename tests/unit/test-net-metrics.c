/* SPDX-License-Identifier: MIT
 *
 * What Prometheus reads: a small parser of its text format that insists on what `promtool check metrics` does.
 */
#include "unit.h"

#include <ctype.h>

#include "net/metrics.h"

enum { NAMES_MAX = 64, SERIES_MAX = 128 };

struct exposition {
	char names[NAMES_MAX][64];
	char types[NAMES_MAX][16];
	size_t n;
	char series[SERIES_MAX][160]; /* name and labels */
	char values[SERIES_MAX][32];
	size_t n_series;
};

static size_t name_length(const char *at)
{
	size_t n = 0;

	assert_true(isalpha((unsigned char)at[0]) || at[0] == '_' || at[0] == ':');
	while (isalnum((unsigned char)at[n]) || at[n] == '_' || at[n] == ':')
		n++;
	return n;
}

/* {name="value",…}: only \\, \" and \n are escaped, and there are no control characters. */
static const char *skip_labels(const char *at)
{
	if (*at != '{')
		return at;
	do {
		at++;
		at += name_length(at);
		assert_memory_equal(at, "=\"", 2);
		for (at += 2; *at != '"'; at++) {
			assert_true((unsigned char)*at >= ' ');
			if (*at == '\\')
				assert_non_null(strchr("\\\"n", *++at));
		}
		at++;
	} while (*at == ',');
	assert_int_equal(*at, '}');
	return at + 1;
}

static void parse_comment(struct exposition *all, const char *line)
{
	const char *name = line + 7;
	size_t length = name_length(name);

	assert_int_equal(name[length], ' ');
	assert_true(strlen(name) > length + 1);
	if (strncmp(line, "# HELP ", 7) == 0) {
		for (size_t i = 0; i < all->n; i++) /* each once */
			assert_false(strlen(all->names[i]) == length &&
				     strncmp(all->names[i], name, length) == 0);
		assert_true(all->n < NAMES_MAX);
		(void)snprintf(all->names[all->n++], 64, "%.*s", (int)length, name);
		return;
	}
	assert_int_equal(strncmp(line, "# TYPE ", 7), 0);
	assert_int_equal(strncmp(all->names[all->n - 1], name, length), 0); /* at once behind it */
	assert_int_equal(all->types[all->n - 1][0], '\0');
	(void)snprintf(all->types[all->n - 1], 16, "%s", name + length + 1);
}

static void parse_sample(struct exposition *all, const char *line)
{
	const char *name = all->names[all->n - 1], *type = all->types[all->n - 1];
	const char *suffix = line + strlen(name);
	const char *value = skip_labels(line + name_length(line));
	char *end;

	assert_int_equal(strncmp(line, name, strlen(name)), 0); /* one name's lie together */
	if (strcmp(type, "histogram") == 0)
		assert_true(strncmp(suffix, "_bucket{le=", 11) == 0 ||
			    strncmp(suffix, "_sum ", 5) == 0 || strncmp(suffix, "_count ", 7) == 0);
	else
		assert_true(*suffix == ' ' || *suffix == '{');
	/* promtool: counters end in _total, and nothing else does. */
	assert_int_equal(strcmp(type, "counter") == 0,
			 strlen(name) > 6 && strcmp(name + strlen(name) - 6, "_total") == 0);
	assert_int_equal(*value, ' ');
	(void)strtod(value + 1, &end);
	assert_true(end > value + 1 && *end == '\0');
	assert_true(all->n_series < SERIES_MAX);
	(void)snprintf(all->series[all->n_series], 160, "%.*s", (int)(value - line), line);
	(void)snprintf(all->values[all->n_series], 32, "%s", value + 1);
	for (size_t i = 0; i < all->n_series; i++)
		assert_string_not_equal(all->series[i], all->series[all->n_series]);
	all->n_series++;
}

static struct exposition *expose(const struct metrics *metrics, const char *version,
				 const char *target)
{
	struct exposition *all = calloc(1, sizeof(*all));
	struct buffer out = BUFFER_INIT;
	char *rest;

	assert_non_null(all);
	metrics_format(&out, metrics, version, target);
	assert_int_equal(out.code, 0);
	assert_int_equal(out.data[out.size - 1], '\n');
	out.data[out.size - 1] = '\0';
	assert_int_equal(strlen(out.data), out.size - 1);
	rest = out.data;
	while (rest) {
		char *line = strsep(&rest, "\n");

		if (line[0] == '#')
			parse_comment(all, line);
		else
			parse_sample(all, line);
	}
	buffer_done(&out);
	return all;
}

static const char *value_of(const struct exposition *all, const char *series)
{
	for (size_t i = 0; i < all->n_series; i++)
		if (strcmp(all->series[i], series) == 0)
			return all->values[i];
	fail_msg("there is no %s", series);
	return NULL;
}

static void each_number_is_where_its_name_says(void **state)
{
	struct metrics metrics = METRICS_INIT;
	struct exposition *all;

	(void)state;
	for (int i = 0; i < METRICS; i++)
		metrics_add(&metrics, (enum metric)i, 1000 + (uint64_t)i);
	metrics_set(&metrics, METRIC_CONNECTIONS, 3);
	metrics_add(&metrics, METRIC_BYTES_OUT, UINT64_MAX - 1000 - METRIC_BYTES_OUT);
	all = expose(&metrics, "0.1.0", "web");
	for (size_t i = 0; i < all->n; i++)
		assert_int_equal(strncmp(all->names[i], "conjoin_", 8), 0);
	for (int i = 1; i < METRICS; i++) { /* each once, all but the gauge */
		char value[32];
		size_t n = 0;

		(void)snprintf(value, sizeof(value), "%d", 1000 + i);
		for (size_t s = 0; s < all->n_series; s++)
			n += strcmp(all->values[s], value) == 0;
		assert_int_equal(n, i == METRIC_BYTES_OUT ? 0 : 1);
	}
	assert_string_equal(value_of(all, "conjoin_connections"), "3");
	assert_string_equal(value_of(all, "conjoin_sent_bytes_total"), "18446744073709551615");
	assert_string_equal(value_of(all, "conjoin_build_info{version=\"0.1.0\",target=\"web\"}"),
			    "1");
	assert_int_equal(strtol(value_of(all, "conjoin_requests_total{protocol=\"text\"}"), NULL,
				10),
			 1000 + METRIC_REQUESTS_TEXT);
	assert_int_equal(strtol(value_of(all, "conjoin_requests_refused_total{reason=\"auth\"}"),
				NULL, 10),
			 1000 + METRIC_REFUSED_AUTH);
	assert_int_equal(
		strtol(value_of(all, "conjoin_connections_refused_total{reason=\"limit\"}"), NULL,
		       10),
		1000 + METRIC_CONNECTIONS_REFUSED_LIMIT);
	free(all);
}

static void buckets_add_up(void **state)
{
	struct metrics metrics = METRICS_INIT;
	struct exposition *all;
	uint64_t before = 0;
	double bound = -1;

	(void)state;
	metrics_observe(&metrics, 0);
	metrics_observe(&metrics, 1000); /* the border is within */
	metrics_observe(&metrics, 1001);
	metrics_observe(&metrics, 999999);
	metrics_observe(&metrics, 600000000);
	metrics_observe(&metrics, 600000001);
	all = expose(&metrics, "", "");
	assert_string_equal(value_of(all, "conjoin_request_seconds_bucket{le=\"0.001\"}"), "2");
	assert_string_equal(value_of(all, "conjoin_request_seconds_bucket{le=\"0.0025\"}"), "3");
	assert_string_equal(value_of(all, "conjoin_request_seconds_bucket{le=\"0.5\"}"), "3");
	assert_string_equal(value_of(all, "conjoin_request_seconds_bucket{le=\"1\"}"), "4");
	assert_string_equal(value_of(all, "conjoin_request_seconds_bucket{le=\"600\"}"), "5");
	assert_string_equal(value_of(all, "conjoin_request_seconds_bucket{le=\"+Inf\"}"), "6");
	assert_string_equal(value_of(all, "conjoin_request_seconds_count"), "6");
	assert_string_equal(value_of(all, "conjoin_request_seconds_sum"), "1201.002001");
	for (size_t i = 0; i < all->n_series; i++) {
		const char *le = strstr(all->series[i], "le=\"");

		if (!le)
			continue;
		assert_true(strtod(le + 4, NULL) > bound); /* +Inf is a number to it, too */
		assert_true(strtoull(all->values[i], NULL, 10) >= before);
		bound = strtod(le + 4, NULL);
		before = strtoull(all->values[i], NULL, 10);
	}
	free(all);
}

static void a_target_s_name_cannot_leave_its_label(void **state)
{
	struct metrics metrics = METRICS_INIT;
	struct exposition *all;

	(void)state;
	all = expose(&metrics, "1", "a\"} 1\nx{y=\"\\z\xff\xc3\xa9");
	assert_string_equal(
		value_of(all, "conjoin_build_info{version=\"1\",target=\"a\\\"} 1\\nx{y=\\\"\\\\z"
			      "\xef\xbf\xbd\xc3\xa9\"}"),
		"1");
	free(all);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_number_is_where_its_name_says),
		cmocka_unit_test(buckets_add_up),
		cmocka_unit_test(a_target_s_name_cannot_leave_its_label),
	};

	return cmocka_run_group_tests_name("net-metrics", tests, NULL, NULL);
}
