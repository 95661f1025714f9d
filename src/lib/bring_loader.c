/* SPDX-License-Identifier: MIT
 *
 * A loader to be brought: a copy that has forgotten the places where it would look by itself. It is to run in
 * somebody else's root, with rights that those there may not have, and must load nothing that lies there
 * by chance or design: no /etc/ld.so.preload, no library of the same name in /lib, no libnss_x.so.2 that
 * /etc/nsswitch.conf names. No option says so. --library-path is all that's left.
 */
#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "lib/bring_state.h"

enum { LOADER_MAX = 16 << 20 };

static bool begins_with(const char *at, const char *end, const char *text)
{
	size_t n = strlen(text);

	return (size_t)(end - at) >= n && memcmp(at, text, n) == 0;
}

/* A directory of the table of glibc's rtld, elf/dl-load.c: "/lib/", "/usr/lib/x86_64-linux-gnu/". */
static bool is_library_directory(const char *at, const char *end)
{
	const char *nul = memchr(at, '\0', (size_t)(end - at));

	return nul && nul - at < 128 &&
	       (begins_with(at, nul, "/lib") || begins_with(at, nul, "/usr/lib")) && nul[-1] == '/';
}

/*
 * The directory becomes "/", whatever the loader appends: it takes the length from another table, so that
 * a NUL ends the path there. It asserts the slash.
 */
static char *forget_directories(char *at, const char *end)
{
	while (at < end && is_library_directory(at, end)) {
		size_t length = strlen(at);

		memset(at + 1, 0, length - 1);
		at += length + 1;
	}
	return at;
}

/* musl's: ldso/dynlink.c */
static bool is_musl_place(const char *at, const char *end)
{
	return begins_with(at, end, "/lib:/usr/local/lib:/usr/lib") ||
	       begins_with(at, end, "%.*s/etc/ld-musl-") || begins_with(at, end, "/etc/ld-musl-");
}

/* Returns whether anything was there to be forgotten. */
static bool forget_places(char *bytes, size_t size)
{
	const char *end = bytes + size;
	bool directories = false, preload = false, musl = false;

	for (char *at = bytes; at < end;) {
		char *next = memchr(at, '\0', (size_t)(end - at));

		if (is_library_directory(at, end)) {
			directories = true;
			at = forget_directories(at, end);
			continue;
		}
		if (begins_with(at, end, "/etc/ld.so.preload"))
			preload = true;
		if (is_musl_place(at, end))
			musl = true;
		if (begins_with(at, end, "/etc/ld.so.preload") || is_musl_place(at, end))
			at[0] = '\0';
		at = next ? next + 1 : (char *)(size_t)end;
	}
	return musl || (directories && preload);
}

int bring_place_loader(struct bring_state *state, struct piece *loader)
{
	_cleanup_(host_file_done) struct host_file file = HOST_FILE_INIT;
	_cleanup_(bytes_done) struct bytes bytes = BYTES_INIT;
	int r;

	if (loader->place)
		return 0;
	r = host_file_open(-EBADF, loader->path, &file);
	if (r == 0)
		r = io_read_all(file.fd, LOADER_MAX, &bytes);
	if (r < 0)
		return r;
	if (!forget_places(bytes.data, bytes.size))
		return bring_fail(state, ENOTSUP,
				  "its loader %s is of a kind that can't be kept from loading "
				  "what lies in the target",
				  loader->path);
	r = bring_name_place(state, loader);
	if (r == 0)
		r = bring_add_item(state, BROUGHT_PROGRAM, loader->place, NULL);
	if (r < 0)
		return r;
	state->items[state->n_items - 1].size = bytes.size;
	state->items[state->n_items - 1].bytes = take_ptr(bytes.data);
	return 0;
}
