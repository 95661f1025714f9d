/* SPDX-License-Identifier: MIT
 *
 * What of a message of the command's the service manager gets to see. Not here: who sent it (notify.c).
 */
#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/format.h"
#include "lib/notify.h"

enum value { VALUE_ONE, VALUE_NUMBER, VALUE_TEXT, VALUE_PID };

static const struct variable {
	const char *name;
	enum value value;
} variables[] = {
	{"READY", VALUE_ONE},
	{"RELOADING", VALUE_ONE},
	{"STOPPING", VALUE_ONE},
	{"WATCHDOG", VALUE_ONE}, /* "trigger" would have the service killed */
	{"STATUS", VALUE_TEXT},
	{"ERRNO", VALUE_NUMBER},
	{"EXTEND_TIMEOUT_USEC", VALUE_NUMBER},
	{"MONOTONIC_USEC", VALUE_NUMBER},
	{"MAINPID", VALUE_PID},
};

struct output {
	char *text;
	size_t n;
	unsigned int seen; /* 1 << index of variables */
	bool full;
};

static void put(struct output *out, const char *text, size_t size)
{
	if (size > NOTIFY_TEXT - out->n) {
		out->full = true;
		return;
	}
	memcpy(out->text + out->n, text, size);
	out->n += size;
}

static bool is_number(const char *text, size_t size)
{
	for (size_t i = 0; i < size; i++)
		if (text[i] < '0' || text[i] > '9')
			return false;
	return size > 0 && size <= 20;
}

static bool is_allowed(enum value kind, const char *value, size_t size)
{
	switch (kind) {
	case VALUE_ONE:
		return size == 1 && value[0] == '1';
	case VALUE_NUMBER:
		return is_number(value, size);
	case VALUE_TEXT:
	case VALUE_PID: /* whatever it is */
		return true;
	}
	return false;
}

/* Without C0, DEL and, as UTF-8 writes them, C1: a status is shown on terminals. */
static void put_text(struct output *out, const char *text, size_t size)
{
	for (size_t i = 0; i < size; i++) {
		unsigned char byte = (unsigned char)text[i];

		if (byte == 0xc2 && i + 1 < size && (unsigned char)text[i + 1] >= 0x80 &&
		    (unsigned char)text[i + 1] < 0xa0)
			i++;
		else if (byte >= 0x20 && byte != 0x7f)
			put(out, text + i, 1);
	}
}

static void put_line(struct output *out, size_t index, const char *value, size_t size,
		     pid_t main_pid)
{
	char number[16];

	if (out->seen & 1U << index) /* the first one counts */
		return;
	out->seen |= 1U << index;
	put(out, variables[index].name, strlen(variables[index].name));
	put(out, "=", 1);
	if (variables[index].value == VALUE_PID)
		put(out, number, format_safe(number, sizeof(number), "%d", main_pid));
	else
		put_text(out, value, size);
	put(out, "\n", 1);
}

static void take_line(struct output *out, const char *line, size_t size, pid_t main_pid)
{
	const char *equals = memchr(line, '=', size);
	size_t name = equals ? (size_t)(equals - line) : 0;

	for (size_t i = 0; name > 0 && i < ELEMENTS(variables); i++)
		if (strlen(variables[i].name) == name &&
		    memcmp(line, variables[i].name, name) == 0 &&
		    is_allowed(variables[i].value, equals + 1, size - name - 1))
			put_line(out, i, equals + 1, size - name - 1, main_pid);
}

ssize_t notify_filter(const char *text, size_t size, pid_t main_pid, char *ret)
{
	struct output out = {.text = ret};
	const char *end = text + size;

	while (text < end) {
		const char *newline = memchr(text, '\n', (size_t)(end - text));
		const char *stop = newline ?: end;

		take_line(&out, text, (size_t)(stop - text), main_pid);
		text = stop + 1;
	}
	return out.full ? -EMSGSIZE : (ssize_t)out.n;
}
