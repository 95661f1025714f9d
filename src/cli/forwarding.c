/* SPDX-License-Identifier: MIT */
#include "cli/forwarding.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>

#include <conjoin/follow.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/told_file.h"
#include "cli/listeners.h"

enum { RETRY_MS = 200, REMOVE_MS = 2000 };

struct forwarding {
	struct cli *cli;
	const struct forwarding_request *request;
	struct cj_forward *forward;
	struct cj_target *target; /* without --follow */
	struct cj_follow *follow;
	struct told_file ports;
	uint64_t net; /* where it listens, with --reverse */
	int signals;
	bool waiting; /* for an address that isn't there yet */
	int64_t retry;
};

static struct cj_target *target_of(const struct forwarding *f)
{
	return f->follow ? cj_follow_target(f->follow) : f->target;
}

static const struct cj_target *listens_at(const struct forwarding *f)
{
	return f->request->reverse ? target_of(f) : NULL;
}

static const struct cj_target *connects_from(const struct forwarding *f)
{
	return f->request->reverse ? NULL : target_of(f);
}

/* --- listening --- */

static void tell(const struct forwarding *f, const struct one_way *way)
{
	const char *name = cj_target_text(target_of(f));

	for (int i = 0; i < way->n; i++) {
		const char *from = listener_place(way->listeners[i].address);

		if (f->request->reverse)
			(void)printf("forwarding %s in %s (net:[%" PRIu64 "]) -> %s\n", from, name,
				     f->net, way->way.connect);
		else
			(void)printf("forwarding %s -> %s in %s\n", from, way->way.connect, name);
	}
}

/* A port that was any is this one from now on. */
static void keep_port(struct one_way *way)
{
	const char *colon = strrchr(way->listeners[0].address, ':');
	size_t length = strlen(way->way.listen);

	if (strncmp(way->way.listen, "tcp", 3) == 0 && length > 2 && colon &&
	    strcmp(way->way.listen + length - 2, ":0") == 0)
		(void)snprintf(way->way.listen + length - 1, sizeof(way->way.listen) - length + 1,
			       "%s", colon + 1);
}

static int listen_on(struct forwarding *f, struct one_way *way, struct cj_error *err)
{
	int r = cj_listen(listens_at(f), way->way.listen, &f->request->listen, way->listeners, err);

	if (r < 0)
		return r;
	way->n = r;
	keep_port(way);
	for (int i = 0; i < way->n; i++) {
		if (way->number[i] < 0)
			r = cj_forward_add(f->forward, way->listeners[i].fd, connects_from(f),
					   way->way.connect, err);
		else
			r = cj_forward_resume(f->forward, way->number[i], way->listeners[i].fd,
					      connects_from(f), err);
		if (r < 0)
			return r;
		if (way->number[i] < 0)
			way->number[i] = r;
	}
	return 0;
}

static void pause_all(struct forwarding *f)
{
	for (size_t i = 0; i < f->request->n; i++)
		for (int k = 0; k < CJ_LISTENERS_MAX; k++)
			if (f->request->ways[i].number[k] >= 0)
				cj_forward_pause(f->forward, f->request->ways[i].number[k]);
}

static void close_all(struct forwarding *f)
{
	int64_t end = clock_ms() + REMOVE_MS;

	for (size_t i = 0; i < f->request->n; i++) {
		for (int k = 0; k < f->request->ways[i].n; k++)
			listener_close(listens_at(f), &f->request->ways[i].listeners[k], end);
		f->request->ways[i].n = 0;
	}
}

static int listen_all(struct forwarding *f, struct cj_error *err)
{
	int r = 0;

	if (f->request->reverse)
		r = cj_target_namespace(target_of(f), "net", &f->net);
	if (r < 0)
		return cj_fail(err, -r, "read its net namespace");
	for (size_t i = 0; i < f->request->n && r >= 0; i++)
		r = listen_on(f, &f->request->ways[i], err);
	return r < 0 ? r : 0;
}

static int write_ports(struct forwarding *f, struct cj_error *err)
{
	_cleanup_free_ char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		return cj_fail(err, ENOMEM, "write the ports");
	for (size_t i = 0; i < f->request->n; i++) {
		const char *port = listener_port(f->request->ways[i].listeners[0].address);

		if (port)
			(void)fprintf(out, "%s\n", port);
	}
	if (fclose(out) != 0)
		return cj_fail(err, ENOMEM, "write the ports");
	return told_file_write(&f->ports, text, err);
}

/* Is the target where we listen? A container on the host's network is. */
static bool is_here(const struct forwarding *f)
{
	struct cj_target *self = NULL;
	uint64_t ours = 0, theirs = 1;

	if (cj_target_open("self", &self, NULL) == 0)
		(void)cj_target_namespace(self, "net", &ours);
	(void)cj_target_namespace(target_of(f), "net", &theirs);
	cj_target_free(self);
	return ours == theirs;
}

static bool is_loopback(const char *address)
{
	static const char *const hosts[] = {"", "127.0.0.1:", "[::1]:", "localhost:"};
	const char *port = strrchr(address, ':');

	for (size_t i = 0; port && i < ELEMENTS(hosts); i++)
		if (strlen(hosts[i]) == (size_t)(port + 1 - listener_place(address)) &&
		    strncmp(listener_place(address), hosts[i], strlen(hosts[i])) == 0)
			return true;
	return strncmp(address, "tcp", 3) == 0 && !strchr(listener_place(address), ':');
}

/* One that leads to where we listen ourselves: each connection would make another one. */
static int check_loops(const struct forwarding *f, struct cj_error *err)
{
	const struct forwarding_request *request = f->request;

	if (!is_here(f))
		return 0;
	for (size_t i = 0; i < request->n; i++)
		for (size_t k = 0; k < request->n; k++) {
			const char *to = request->ways[i].way.connect;
			const char *from = request->ways[k].listeners[0].address;

			if (is_loopback(to) && listener_port(from) &&
			    strcmp(strrchr(to, ':') + 1, listener_port(from)) == 0)
				return cj_fail(err, ELOOP, "forward %s to where it's listened on",
					       listener_place(from));
		}
	return 0;
}

/* --- the target's end and return --- */

static bool has_files(const struct forwarding *f)
{
	for (size_t i = 0; i < f->request->n; i++)
		if (f->request->ways[i].n > 0 && f->request->ways[i].listeners[0].inode)
			return true;
	return false;
}

static int resume_all(struct forwarding *f, struct cj_error *err)
{
	int r = 0;

	for (size_t i = 0; i < f->request->n; i++)
		for (int k = 0; k < f->request->ways[i].n && r == 0; k++)
			r = cj_forward_resume(f->forward, f->request->ways[i].number[k],
					      f->request->ways[i].listeners[k].fd, connects_from(f),
					      err);
	return r;
}

/* Its network may still be on its way. */
static void try_again(struct forwarding *f)
{
	struct cj_error err = CJ_ERROR_INIT;
	uint64_t net = 0;
	int r;

	(void)cj_target_namespace(target_of(f), "net", &net);
	if (f->request->reverse && (net != f->net || has_files(f) || f->waiting)) {
		close_all(f);
		r = listen_all(f, &err);
	} else {
		r = resume_all(f, &err);
	}
	if (r >= 0) {
		f->waiting = false;
		return;
	}
	pause_all(f);
	if (!f->waiting)
		(void)cli_error(f->cli, &err);
	f->waiting = true;
	f->retry = clock_ms() + RETRY_MS;
}

/* False: it's over. */
static bool look_at_target(struct forwarding *f, int *ret_status)
{
	struct cj_error err = CJ_ERROR_INIT;
	struct cj_target *before = NULL;

	if (!f->follow && cj_target_verify(f->target) < 0) {
		(void)cj_fail(&err, ESHUTDOWN, "the target has ended");
		*ret_status = cli_error(f->cli, &err);
		return false;
	}
	switch (f->follow ? cj_follow_step(f->follow, &before) : CJ_FOLLOW_NOTHING) {
	case CJ_FOLLOW_GONE:
		cli_log(f->cli, CJ_LOG_STEP, "the target has ended; it's waited for");
		pause_all(f);
		f->retry = INT64_MAX; /* what isn't listened on stays so until it's back */
		break;
	case CJ_FOLLOW_BACK:
		cli_log(f->cli, CJ_LOG_STEP, "the target is back");
		try_again(f);
		cj_target_free(before);
		break;
	default:
		if (f->waiting && clock_ms() >= f->retry && cj_target_verify(target_of(f)) == 0)
			try_again(f);
	}
	return true;
}

static int timeout_of(const struct forwarding *f)
{
	int64_t left = f->retry - clock_ms();
	int timeout = cj_forward_timeout(f->forward);
	bool is_soon = f->waiting && f->retry != INT64_MAX;

	if (f->follow)
		timeout = timeout_sooner(timeout, cj_follow_timeout(f->follow));
	return is_soon ? timeout_sooner(timeout, left < 0 ? 0 : (int)left) : timeout;
}

static int forward_all(struct forwarding *f)
{
	struct cj_error err = CJ_ERROR_INIT;
	int status = 0;

	for (;;) {
		struct pollfd fds[] = {
			{.fd = f->signals, .events = POLLIN},
			{.fd = f->follow ? cj_follow_fd(f->follow) : cj_target_pidfd(f->target),
			 .events = POLLIN},
			{.fd = cj_forward_fd(f->forward), .events = POLLIN},
		};
		int n = poll(fds, ELEMENTS(fds), timeout_of(f));

		if (n > 0 && fds[0].revents)
			return 0; /* we were told to end */
		if ((n == 0 || (n > 0 && fds[1].revents) || f->waiting ||
		     (f->follow && cj_follow_timeout(f->follow) == 0)) &&
		    !look_at_target(f, &status))
			return status;
		cj_forward_step(f->forward);
		if (cj_forward_lost(f->forward) > 0) {
			(void)cj_fail(&err, ESHUTDOWN, "a socket that listened doesn't any more");
			return cli_error(f->cli, &err);
		}
	}
}

static int open_signals(struct forwarding *f, struct cj_error *err)
{
	static const int ending[] = {SIGTERM, SIGINT, SIGHUP, SIGQUIT};
	struct sigaction before;
	sigset_t set;

	(void)sigemptyset(&set);
	for (size_t i = 0; i < ELEMENTS(ending); i++)
		/* Ignored, as by nohup(1), it stays so: a blocked one would be heard all the same. */
		if (sigaction(ending[i], NULL, &before) == 0 && before.sa_handler != SIG_IGN)
			(void)sigaddset(&set, ending[i]);
	(void)sigprocmask(SIG_BLOCK, &set, NULL);
	f->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return f->signals < 0 ? cj_fail(err, errno, "make a signalfd") : 0;
}

static int run(struct forwarding *f)
{
	const struct forwarding_request *request = f->request;
	struct cj_error err = CJ_ERROR_INIT;
	int r, status = 0;

	f->cli->target = request->target;
	r = request->follow ? cj_follow_new(request->target, request->engines, &f->follow, &err)
			    : cj_target_find(request->target, request->engines, &f->target, &err);
	if (r == 0)
		r = open_signals(f, &err);
	if (r == 0)
		r = told_file_open("port file", request->port_file, &f->ports, &err);
	if (r == 0)
		r = cj_forward_new(&request->options, &f->forward, &err);
	if (r == 0)
		r = listen_all(f, &err);
	if (r == 0)
		r = check_loops(f, &err);
	if (r == 0)
		r = write_ports(f, &err);
	for (size_t i = 0; i < request->n && r == 0; i++)
		tell(f, &request->ways[i]);
	if (r == 0)
		status = cli_finish(f->cli, 0);
	if (r == 0 && status == 0)
		status = forward_all(f);
	cj_forward_free(f->forward);
	close_all(f);
	told_file_remove(&f->ports);
	told_file_done(&f->ports);
	close_fd(&f->signals);
	cj_target_free(f->target);
	cj_follow_free(f->follow);
	return r < 0 ? cli_error(f->cli, &err) : status;
}

int forwarding_run(struct cli *cli, const struct forwarding_request *request)
{
	struct forwarding f = {.cli = cli,
			       .request = request,
			       .ports = TOLD_FILE_INIT,
			       .signals = -EBADF};

	return run(&f);
}
