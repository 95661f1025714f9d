/* SPDX-License-Identifier: MIT */
#include "engine/source.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/grow.h"
#include "base/io.h"
#include "engine/engine.h"
#include "engine/shared.h"
#include "engine/users.h"
#include "sys/namespace.h"
#include "sys/proc.h"

enum { TIMEOUT_MS = 2000, FOREIGN_MS = 500 };

int sources_add(struct sources *sources, const struct source_type *type,
		const struct engine *engine, const struct engine_request *request,
		const char *address, uid_t owner)
{
	void *items = sources->items;
	struct source *source;
	char *copy = address ? strdup(address) : NULL;

	if ((address && !copy) ||
	    !array_grow(&items, sizeof(*sources->items), &sources->room, sources->n + 1)) {
		free(copy);
		return -ENOMEM;
	}
	sources->items = items;
	source = &sources->items[sources->n++];
	*source = (struct source){
		.type = type,
		.engine = engine,
		.request = request,
		.address = copy,
		.owner = owner,
		.fd = -EBADF,
		.asking = CJ_ERROR_INIT,
		.error = CJ_ERROR_INIT,
		.found = CONTAINERS_INIT,
	};
	return 0;
}

/* "unix:///run/x.sock", "unix:/run/x.sock" or "/run/x.sock" → the path; NULL: not of a UNIX socket. */
static const char *path_of(const char *address)
{
	static const char scheme[] = "unix:";

	if (strncmp(address, scheme, strlen(scheme)) == 0) {
		address += strlen(scheme);
		if (strncmp(address, "//", 2) == 0)
			address += 2;
	}
	return address[0] == '/' ? address : NULL;
}

static int add_wanted(struct sources *sources, const struct source_type *type,
		      const struct engine *engine, const struct engine_request *request,
		      const char *address, struct cj_error *err)
{
	const char *path = path_of(address);

	if (!path)
		return cj_fail(err, EINVAL, "ask %s at \"%s\", which is no UNIX socket's path",
			       engine->scheme, address);
	if (sources_add(sources, type, engine, request, path, 0) < 0)
		return cj_fail(err, ENOMEM, "ask %s", engine->scheme);
	sources->items[sources->n - 1].wanted = true;
	return 1;
}

/*
 * DOCKER_HOST and its kind may name another machine's daemon (tcp://, ssh://). Who asks that engine shall
 * hear that it can't be; who asks everybody means this machine.
 */
static bool counts(const struct engine_request *request, const char *variable)
{
	return variable && *variable && (path_of(variable) || (request->ref && !request->bare));
}

/* "docker=/run/x" is for docker, "/run/x" for whom TARGET names. NULL: it isn't for this engine. */
static const char *address_for(const struct engine_request *request, const struct engine *engine,
			       const char *socket)
{
	const char *equals = strchr(socket, '=');
	size_t length = strlen(engine->scheme);

	if (!equals || socket[0] == '/')
		return request->bare || !request->ref ? NULL : socket;
	return (size_t)(equals - socket) == length && strncmp(socket, engine->scheme, length) == 0
		       ? equals + 1
		       : NULL;
}

int sources_add_wanted(struct sources *sources, const struct source_type *type,
		       const struct engine *engine, const struct engine_request *request,
		       const char *variable, struct cj_error *err)
{
	const char *const *sockets = request->options->sockets;
	int n = 0;

	for (; sockets && *sockets; sockets++) {
		const char *address = address_for(request, engine, *sockets);
		int r = address ? add_wanted(sources, type, engine, request, address, err) : 0;

		if (r < 0)
			return r;
		n += r;
	}
	if (n == 0 && counts(request, variable))
		n = add_wanted(sources, type, engine, request, variable, err);
	return n;
}

/* In another user's runtime directory it mustn't wait for what is mounted there. */
static int connect_to(const struct source *source, int fd)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	size_t length = strlen(source->address);
	socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length);

	if (source_is_foreign(source) && !source->wanted && source->address[0] == '/')
		return users_connect(source->request, source->owner, source->address, fd);
	if (length >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	memcpy(address.sun_path, source->address, length + 1);
	if (source->address[0] == '@')
		address.sun_path[0] = '\0'; /* the name has no NUL at its end */
	else
		size++;
	return connect(fd, (const struct sockaddr *)&address, size) < 0 ? -errno : 0;
}

int sources_add_usual(struct sources *sources, const struct source_type *type,
		      const struct engine *engine, const struct engine_request *request,
		      const char *const *usual)
{
	size_t before = sources->n;
	int r = 0;

	for (; *usual && r == 0; usual++) {
		char path[PATH_MAX];

		if (snprintf(path, sizeof(path), "%s%s", request->root, *usual) <
			    (int)sizeof(path) &&
		    access(path, F_OK) == 0)
			r = sources_add(sources, type, engine, request, path, 0);
	}
	if (r == 0 && sources->n == before)
		r = sources_add(sources, type, engine, request, NULL, 0);
	return r;
}

int source_connect(struct source *source)
{
	struct ucred peer;
	socklen_t peer_size = sizeof(peer);
	int r;

	close_fd(&source->fd);
	source->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (source->fd < 0)
		return -errno;
	r = connect_to(source, source->fd);
	if (r < 0) {
		close_fd(&source->fd);
		return r;
	}
	if (getsockopt(source->fd, SOL_SOCKET, SO_PEERCRED, &peer, &peer_size) == 0)
		source->peer = peer.pid;
	/* Who has the caller name a socket doesn't have the system's word: CONTAINER_HOST under sudo. */
	if (source->wanted && source->peer > 0)
		source->owner = peer.uid;
	return 0;
}

/* False, too, where it can't be told. */
static bool lives_elsewhere(pid_t pid)
{
	_cleanup_fd_ int own = -EBADF, proc = -EBADF;
	uint64_t ours, theirs;

	return proc_open(0, &own, NULL) == 0 && proc_open(pid, &proc, NULL) == 0 &&
	       namespace_read(own, NAMESPACE_MNT, &ours) == 0 &&
	       namespace_read(proc, NAMESPACE_MNT, &theirs) == 0 && ours != theirs;
}

int source_see_as_peer(struct source *source)
{
	struct engine_request *request;
	char *root;

	if (source->peer <= 0 || source->owner != 0 || source->own_request ||
	    source->request->root[0] || !lives_elsewhere(source->peer))
		return 0;
	request = malloc(sizeof(*request));
	if (!request || asprintf(&root, PROC_PATH "/%d/root", source->peer) < 0) {
		free(request);
		return -ENOMEM;
	}
	*request = *source->request;
	request->root = root;
	request->shared = NULL; /* that is about our own mounts */
	source->request = source->own_request = request;
	return 0;
}

int source_read_from(struct source *source, const char *what)
{
	return container_set(&source->read_from, what);
}

/* What an engine's own code says may leave out where it was said. */
static void name_address(struct source *source, int r)
{
	struct cj_error said = source->asking;

	if (said.code && strstr(said.text, source->address))
		return;
	source->asking = (struct cj_error)CJ_ERROR_INIT;
	(void)cj_fail(&source->asking, said.code ? said.code : -r, "ask %s%s%s", source->address,
		      said.code ? ": " : "", said.code ? said.text : "");
}

/* Ends the conversation: with 1 there is an answer, else the daemon is of no use. */
static void finish(struct source *source, int r)
{
	if (source->type->done)
		source->type->done(source);
	else
		free(source->data);
	source->data = NULL;
	close_fd(&source->fd);
	if (r > 0) {
		source->way = SOURCE_ASKED;
		return;
	}
	containers_done(&source->found);
	name_address(source, r);
}

static bool go_on(struct source *source)
{
	int r = source->type->step(source, &source->asking);

	if (r == 0)
		return true;
	finish(source, r);
	return false;
}

/* True: a conversation has begun. */
static bool begin(struct source *source)
{
	int r = source->address ? source_connect(source) : 0;

	if (!source->address)
		return false;
	if (r < 0) {
		if (r == -EAGAIN)
			(void)cj_fail(&source->asking, ETIMEDOUT,
				      "connect to %s, where nobody accepts", source->address);
		(void)cj_fail(&source->asking, -r, "connect to %s", source->address);
		return false;
	}
	return go_on(source);
}

bool source_is_foreign(const struct source *source)
{
	return users_is_foreign(source->owner);
}

int64_t engine_time(const struct cj_engine_options *options)
{
	int64_t ms = options->timeout > 0 ? options->timeout : TIMEOUT_MS;

	return ms > INT_MAX ? INT_MAX : ms;
}

/* Nobody can make others wait for long by a socket that never answers. */
int64_t source_time(const struct source *source)
{
	int64_t ms = engine_time(source->request->options);

	return source_is_foreign(source) && ms > FOREIGN_MS ? FOREIGN_MS : ms;
}

/* What is waited for: who has a connection, and nobody else, since poll(2) has a bound on files. */
struct waiting {
	struct pollfd *polled;
	struct source **sources;
	nfds_t n;
	int64_t left; /* until the first one's time is up */
};

/* When its time is up. `start`: when the conversations began. */
static int64_t end_of(const struct source *source, int64_t start)
{
	int64_t end = start + source_time(source), until = source->request->until;

	return until && until < end ? until : end;
}

static void prepare(struct sources *sources, int64_t start, struct waiting *ret)
{
	int64_t now = clock_ms();

	ret->n = 0;
	for (size_t i = 0; i < sources->n; i++) {
		struct source *source = &sources->items[i];
		int64_t left = end_of(source, start) - now;

		if (source->fd < 0)
			continue;
		if (ret->n == 0 || left < ret->left)
			ret->left = left > 0 ? left : 0;
		ret->polled[ret->n] = (struct pollfd){.fd = source->fd, .events = source->events};
		ret->sources[ret->n++] = source;
	}
}

/* Drives all conversations until each has ended or its time is up. */
static void converse(struct sources *sources, struct waiting *waiting)
{
	int64_t start = clock_ms();

	for (;;) {
		int n, code;

		prepare(sources, start, waiting);
		if (waiting->n == 0)
			return;
		n = poll(waiting->polled, waiting->n, (int)waiting->left);
		code = errno;
		if (n < 0 && code == EINTR)
			continue;
		for (nfds_t i = 0; i < waiting->n; i++) {
			struct source *source = waiting->sources[i];

			if (n < 0)
				finish(source, -code);
			else if (clock_ms() >= end_of(source, start))
				finish(source, -ETIMEDOUT);
			else if (waiting->polled[i].revents)
				(void)go_on(source);
		}
	}
}

static void look(struct source *source)
{
	int r = source_see_as_peer(source);

	if (r == 0)
		r = source->type->look ? source->type->look(source, &source->error) : -ENOENT;

	if (r == 0) {
		source->way = SOURCE_READ;
		return;
	}
	containers_done(&source->found);
	if (r == -ENOENT && !source->error.code) {
		/* A daemon that is there, and of no use, with nothing on disk, has told nothing. */
		bool absent = !source->asking.code || source->asking.code == ENOENT ||
			      source->asking.code == ECONNREFUSED;

		source->way = absent && !source->wanted ? SOURCE_NOBODY : SOURCE_FAILED;
		source->error = source->asking;
		return;
	}
	source->way = SOURCE_FAILED;
	(void)cj_fail(&source->error, -r, "read what %s keeps on disk", source->engine->scheme);
}

int sources_run(struct sources *sources, struct cj_error *err)
{
	_cleanup_free_ struct pollfd *polled = NULL;
	_cleanup_free_ struct source **connected = NULL;
	struct waiting waiting = {.n = 0};

	if (sources->n == 0)
		return 0;
	polled = calloc(sources->n, sizeof(*polled));
	connected = calloc(sources->n, sizeof(*connected));
	if (!polled || !connected)
		return cj_fail(err, ENOMEM, "ask engines");
	waiting.polled = polled;
	waiting.sources = connected;
	for (size_t i = 0; i < sources->n; i++)
		(void)begin(&sources->items[i]);
	converse(sources, &waiting);
	/* The system's first: what users have may take all the time that there is for them. */
	for (size_t i = 0; i < sources->n; i++)
		if (sources->items[i].way != SOURCE_ASKED && !source_is_foreign(&sources->items[i]))
			look(&sources->items[i]);
	for (size_t i = 0; i < sources->n; i++)
		if (sources->items[i].way != SOURCE_ASKED &&
		    source_is_foreign(&sources->items[i]) &&
		    engine_foreign_time(sources->items[i].request) > 0)
			look(&sources->items[i]);
	return 0;
}

void sources_done(struct sources *sources)
{
	for (size_t i = 0; i < sources->n; i++) {
		struct source *source = &sources->items[i];

		close_fd(&source->fd);
		free(source->address);
		free(source->read_from);
		if (source->own_request)
			free((void *)(uintptr_t)source->own_request->root);
		free(source->own_request);
		containers_done(&source->found);
	}
	free(sources->items);
	*sources = (struct sources)SOURCES_INIT;
}
