/* SPDX-License-Identifier: MIT
 *
 * cj_connect(): one connection from a target's net namespace, for who can wait.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>

#include <conjoin/socket.h>

#include "base/cleanup.h"
#include "lib/options.h"
#include "lib/socket/dial.h"

enum { TIMEOUT_MS = 30000 };

/* What nobody waits for to be over: so that no sum overflows. */
#define AGES_MS (INT64_MAX / 4)

static void free_dial(struct dial **dial)
{
	dial_free(*dial);
}

static int finish(struct dial *dial, struct cj_error *err)
{
	int r, fd;

	while ((r = dial_step(dial, err)) == 0) {
		struct pollfd ready = {.fd = dial_fd(dial), .events = dial_events(dial)};

		(void)poll(&ready, 1, dial_timeout(dial)); /* whatever it says, the step looks */
	}
	if (r < 0)
		return r;
	fd = dial_take(dial);
	(void)fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK);
	return fd;
}

static int connect_there(const struct socket_place *place, const struct socket_place *names_place,
			 const char *text, int64_t deadline, struct cj_error *err)
{
	_cleanup_(socket_pool_done) struct socket_pool pool = SOCKET_POOL_INIT;
	_cleanup_(names_done) struct names names = NAMES_INIT;
	_cleanup_(free_dial) struct dial *dial = NULL;
	struct address address;
	struct dial_request request = {.place = place,
				       .names = &names,
				       .names_place = names_place,
				       .pool = &pool,
				       .address = &address,
				       .text = text,
				       .deadline = deadline};
	int r = address_parse(text, ADDRESS_TO_CONNECT, &address, err);

	if (r == 0 && dial_needs_names(&address))
		r = names_read(names_place, deadline, &names, err);
	if (r == 0)
		r = dial_start(&request, &dial, err);
	return r < 0 ? r : finish(dial, err);
}

int cj_connect(const struct cj_target *target, const char *address,
	       const struct cj_connect_options *given, struct cj_error *err)
{
	_cleanup_(socket_place_done) struct socket_place place = SOCKET_PLACE_INIT;
	_cleanup_(socket_place_done) struct socket_place here = SOCKET_PLACE_INIT;
	struct cj_connect_options options = CJ_CONNECT_OPTIONS_INIT;
	int64_t deadline;
	int r = given ? options_take(given, &options, sizeof(options), "options to connect with",
				     err)
		      : 0;

	if (r < 0)
		return r;
	if (options.timeout < 0)
		return cj_fail(err, EINVAL, "a time limit of less than nothing");
	deadline = clock_ms() + (options.timeout > AGES_MS ? AGES_MS
				 : options.timeout	   ? options.timeout
							   : TIMEOUT_MS);
	r = socket_place_open(target, &place, err);
	if (r == 0 && options.resolve == CJ_RESOLVE_HERE)
		r = socket_place_open(NULL, &here, err);
	if (r == 0)
		r = connect_there(&place, options.resolve == CJ_RESOLVE_HERE ? &here : &place,
				  address, deadline, err);
	return r < 0 ? socket_place_explain(target, r, err) : r;
}
