/* SPDX-License-Identifier: MIT */
#include "cli/listeners.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "cli/address.h"

/* NAME_MAX_LENGTH: sd_listen_fds(3). REMOVE_MS: for all files together. */
enum { NAME_MAX_LENGTH = 255, REMOVE_MS = 2000 };

const char *listener_split(const char *text, size_t *ret_name)
{
	size_t length = strcspn(text, "=:/@[");

	*ret_name = text[length] == '=' ? length : 0;
	return text[length] == '=' ? text + length + 1 : text;
}

static bool is_tcp(const char *address)
{
	return strncmp(address, "tcp:", 4) == 0;
}

const char *listener_place(const char *address)
{
	return is_tcp(address) ? address + 4 : address;
}

const char *listener_port(const char *address)
{
	return is_tcp(address) ? strrchr(address, ':') + 1 : NULL;
}

int listeners_check(struct cli *cli, char *const *texts, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		char address[CJ_ADDRESS_SIZE];
		struct cj_error err = CJ_ERROR_INIT;
		size_t length;
		const char *rest = listener_split(texts[i], &length);

		for (size_t k = 0; k < length; k++)
			if (texts[i][k] < ' ' || texts[i][k] > '~' || length > NAME_MAX_LENGTH)
				return cli_usage(cli,
						 "the name of \"%s\" isn't printable, or too long",
						 texts[i]);
		if (rest != texts[i] && length == 0)
			return cli_usage(cli, "\"%s\": NAME is missing before =", texts[i]);
		if (!address_complete(rest, address))
			return cli_usage(cli, "an address that is too long");
		if (cj_address_check(address, 1, &err) < 0)
			return cli_usage(cli, "%s", err.text);
	}
	return 0;
}

static int open_one(struct listeners *listeners, const struct cj_target *target, const char *text,
		    const struct cj_listen_options *options, struct cj_error *err)
{
	char address[CJ_ADDRESS_SIZE];
	size_t length;
	const char *rest = listener_split(text, &length);
	int r;

	if (!address_complete(rest, address))
		return cj_fail(err, ENAMETOOLONG, "listen on a longer address");
	r = cj_listen(target, address, options, &listeners->list[listeners->n], err);
	for (int i = 0; i < r; i++) {
		listeners->seconds[listeners->n] = i > 0;
		listeners->names[listeners->n++] = length ? text : "";
	}
	return r < 0 ? r : 0;
}

int listeners_open(struct listeners *listeners, const struct cj_target *target, char *const *texts,
		   size_t n, const struct cj_listen_options *options, struct cj_error *err)
{
	struct listeners made = {
		.list = calloc(n * CJ_LISTENERS_MAX, sizeof(*made.list)),
		.names = calloc(n * CJ_LISTENERS_MAX, sizeof(*made.names)),
		.seconds = calloc(n * CJ_LISTENERS_MAX, sizeof(*made.seconds)),
	};
	int r = made.list && made.names && made.seconds ? 0 : cj_fail(err, ENOMEM, "listen");

	for (size_t i = 0; i < n && r == 0; i++)
		r = open_one(&made, target, texts[i], options, err);
	if (r < 0) {
		listeners_done(&made, target);
		return r;
	}
	*listeners = made;
	return 0;
}

void listeners_tell(const struct cli *cli, const struct listeners *listeners,
		    const struct cj_target *target)
{
	uint64_t net = 0;

	(void)cj_target_namespace(target, "net", &net); /* 0 then: it has just ended */
	for (size_t i = 0; i < listeners->n; i++) {
		const char *address = listener_place(listeners->list[i].address);
		_cleanup_free_ char *line = NULL;

		if (asprintf(&line, "listening on %s in %s (net:[%" PRIu64 "])", address,
			     cj_target_text(target), net) < 0)
			line = NULL;
		if (line)
			cli_log((void *)(uintptr_t)cli, CJ_LOG_STEP, line);
	}
}

int listeners_write_ports(const struct listeners *listeners, struct told_file *file,
			  struct cj_error *err)
{
	_cleanup_free_ char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		return cj_fail(err, ENOMEM, "write the ports");
	for (size_t i = 0; i < listeners->n; i++) {
		const char *port = listener_port(listeners->list[i].address);

		if (port && !listeners->seconds[i])
			(void)fprintf(out, "%s\n", port);
	}
	if (fclose(out) != 0)
		return cj_fail(err, ENOMEM, "write the ports");
	return told_file_write(file, text, err);
}

bool listeners_have_files(const struct listeners *listeners)
{
	for (size_t i = 0; i < listeners->n; i++)
		if (listeners->list[i].inode)
			return true;
	return false;
}

void listener_close(const struct cj_target *target, struct cj_listener *listener, int64_t end)
{
	if (clock_ms() >= end)
		listener->inode = 0;
	cj_listener_done(target, listener);
}

void listeners_done(struct listeners *listeners, const struct cj_target *target)
{
	int64_t end = clock_ms() + REMOVE_MS;

	for (size_t i = 0; i < listeners->n; i++)
		listener_close(target, &listeners->list[i], end);
	free(listeners->list);
	free(listeners->names);
	free(listeners->seconds);
	*listeners = (struct listeners)LISTENERS_INIT;
}
