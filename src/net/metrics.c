/* SPDX-License-Identifier: MIT */
#include "net/metrics.h"

#include <inttypes.h>
#include <stdbool.h>
#include <string.h>

#include "net/utf8.h"

static const struct row {
	const char *name, *help;
	bool gauge;
	const char *label, *value; /* NULL: none */
} rows[METRICS] = {
	[METRIC_CONNECTIONS] = {"connections", "Connections that are there now.", .gauge = true},
	[METRIC_CONNECTIONS_TOTAL] = {"connections_total", "Connections that were accepted."},
	[METRIC_CONNECTIONS_REFUSED_NETWORK] = {"connections_refused_total",
						"Connections that were closed at once.",
						.label = "reason", .value = "network"},
	[METRIC_CONNECTIONS_REFUSED_LIMIT] = {"connections_refused_total", NULL, .label = "reason",
					      .value = "limit"},
	[METRIC_ACCEPT_ERRORS] = {"accept_errors_total", "Failures of accept(2)."},
	[METRIC_RUNNING] = {"requests_running", "Requests whose command runs now.", .gauge = true},
	[METRIC_REQUESTS_HTTP] = {"requests_total", "Requests whose command ran.",
				  .label = "protocol", .value = "http"},
	[METRIC_REQUESTS_WEBSOCKET] = {"requests_total", NULL, .label = "protocol",
				       .value = "websocket"},
	[METRIC_REQUESTS_TEXT] = {"requests_total", NULL, .label = "protocol", .value = "text"},
	[METRIC_REFUSED_BAD] = {"requests_refused_total", "Requests that weren't run.",
				.label = "reason", .value = "bad"},
	[METRIC_REFUSED_LIMIT] = {"requests_refused_total", NULL, .label = "reason",
				  .value = "limit"},
	[METRIC_REFUSED_AUTH] = {"requests_refused_total", NULL, .label = "reason",
				 .value = "auth"},
	[METRIC_REFUSED_THROTTLE] = {"requests_refused_total", NULL, .label = "reason",
				     .value = "throttle"},
	[METRIC_FAILURES] = {"failures_total", "Requests whose command couldn't be started."},
	[METRIC_TIMEOUTS] = {"timeouts_total", "Commands that were ended because of their time."},
	[METRIC_TRUNCATED] = {"truncated_total", "Requests with output that was left out."},
	[METRIC_ABANDONED] = {"abandoned_total", "Requests whose client went away."},
	[METRIC_BYTES_IN] = {"received_bytes_total", "Bytes that commands were given."},
	[METRIC_BYTES_OUT] = {"sent_bytes_total", "Bytes that commands wrote to clients."},
	[METRIC_AUDIT_LOST] = {"audit_lost_total", "Lines missing in the audit log."},
};

static const struct {
	uint64_t us;
	const char *text;
} bounds[METRICS_BUCKETS] = {
	{1000, "0.001"},  {2500, "0.0025"}, {5000, "0.005"},  {10000, "0.01"},	  {25000, "0.025"},
	{50000, "0.05"},  {100000, "0.1"},  {250000, "0.25"}, {500000, "0.5"},	  {1000000, "1"},
	{2500000, "2.5"}, {10000000, "10"}, {60000000, "60"}, {600000000, "600"},
};

void metrics_observe(struct metrics *metrics, uint64_t us)
{
	size_t i = 0;

	while (i < METRICS_BUCKETS && us > bounds[i].us)
		i++;
	metrics->buckets[i]++;
	metrics->total_us += us;
}

/* A label's value in quotes; \, " and LF are all that has to be escaped. */
static void add_label(struct buffer *out, const char *text)
{
	size_t left = strlen(text);

	buffer_add_text(out, "\"");
	while (left > 0) {
		uint32_t code;
		size_t n = utf8_decode(text, left, &code);

		if (n == 0)
			buffer_add_text(out, "\xef\xbf\xbd");
		else if (*text == '\n')
			buffer_add_text(out, "\\n");
		else if (*text == '"' || *text == '\\')
			buffer_add(out, (const char[]){'\\', *text}, 2);
		else
			buffer_add(out, text, n);
		text += n ? n : 1;
		left -= n ? n : 1;
	}
	buffer_add_text(out, "\"");
}

static void add_head(struct buffer *out, const char *name, const char *help, const char *type)
{
	buffer_print(out, "# HELP conjoin_%s %s\n# TYPE conjoin_%s %s\n", name, help, name, type);
}

static void add_row(struct buffer *out, const struct row *row, uint64_t value)
{
	if (row->help)
		add_head(out, row->name, row->help, row->gauge ? "gauge" : "counter");
	buffer_print(out, "conjoin_%s", row->name);
	if (row->label) {
		buffer_print(out, "{%s=", row->label);
		add_label(out, row->value);
		buffer_add_text(out, "}");
	}
	buffer_print(out, " %" PRIu64 "\n", value);
}

static void add_histogram(struct buffer *out, const struct metrics *metrics)
{
	static const char name[] = "request_seconds";
	uint64_t n = 0;

	add_head(out, name, "How long requests took.", "histogram");
	for (size_t i = 0; i < METRICS_BUCKETS; i++) {
		n += metrics->buckets[i];
		buffer_print(out, "conjoin_%s_bucket{le=\"%s\"} %" PRIu64 "\n", name,
			     bounds[i].text, n);
	}
	n += metrics->buckets[METRICS_BUCKETS];
	buffer_print(out, "conjoin_%s_bucket{le=\"+Inf\"} %" PRIu64 "\n", name, n);
	buffer_print(out, "conjoin_%s_sum %" PRIu64 ".%06" PRIu64 "\n", name,
		     metrics->total_us / 1000000, metrics->total_us % 1000000);
	buffer_print(out, "conjoin_%s_count %" PRIu64 "\n", name, n);
}

void metrics_format(struct buffer *out, const struct metrics *metrics, const char *version,
		    const char *target)
{
	add_head(out, "build_info", "What serves, and for what.", "gauge");
	buffer_add_text(out, "conjoin_build_info{version=");
	add_label(out, version);
	buffer_add_text(out, ",target=");
	add_label(out, target);
	buffer_add_text(out, "} 1\n");
	for (size_t i = 0; i < METRICS; i++)
		add_row(out, &rows[i], metrics->values[i]);
	add_histogram(out, metrics);
}
