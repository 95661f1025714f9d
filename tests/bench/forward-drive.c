/* SPDX-License-Identifier: MIT
 *
 * The library's forwarding (conjoin/forward.h) and nothing else, from one port of the loopback to an address.
 *
 *	forward-drive ADDRESS	prints its own port
 */
#include <err.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include <conjoin/forward.h>
#include <conjoin/log.h>
#include <conjoin/socket.h>

static void print(void *data, enum cj_log_level level, const char *text)
{
	(void)data;
	if (level == CJ_LOG_WARNING)
		warnx("%s", text);
}

int main(int argc, char **argv)
{
	struct cj_listener listeners[CJ_LISTENERS_MAX] = {CJ_LISTENER_INIT, CJ_LISTENER_INIT};
	struct cj_listen_options listen_options = CJ_LISTEN_OPTIONS_INIT;
	struct cj_forward_options options = CJ_FORWARD_OPTIONS_INIT;
	struct cj_error error = CJ_ERROR_INIT;
	struct cj_forward *forward;
	struct pollfd ready;

	if (argc != 2)
		errx(2, "usage: forward-drive ADDRESS");
	options.log = print;
	if (cj_listen(NULL, "tcp4:0", &listen_options, listeners, &error) < 0 ||
	    cj_forward_new(&options, &forward, &error) < 0 ||
	    cj_forward_add(forward, listeners[0].fd, NULL, argv[1], &error) < 0)
		errx(1, "%s: %s", error.text, strerror(error.code));
	(void)printf("%s\n", strrchr(listeners[0].address, ':') + 1);
	(void)fflush(stdout);
	ready = (struct pollfd){.fd = cj_forward_fd(forward), .events = POLLIN};
	for (;;) {
		(void)poll(&ready, 1, cj_forward_timeout(forward));
		cj_forward_step(forward);
	}
}
