/* SPDX-License-Identifier: MIT
 *
 * lxc:NAME, by asking the monitors of running containers at their command sockets. Where a monitor
 * doesn't answer it's its child that counts, and where none can be seen (another network namespace) the
 * container's cgroup. What is defined, and doesn't run, has a directory with a config.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "base/io.h"
#include "engine/engine.h"
#include "engine/lxc_api.h"
#include "engine/lxc_find.h"
#include "engine/state.h"
#include "engine/users.h"
#include "sys/unix_listeners.h"

/*
 * Anybody may listen at such names, and each costs a file: with the usual 1024 there must be some left. What
 * other users have is counted apart.
 */
enum { MAX_NAMED = 16, MAX_FOREIGN = 64, MAX_SOCKETS = 512, CONFIG_LIMIT = 64 << 10 };

#define DEFAULT_PATH "/var/lib/lxc"

/* What a conversation learns, one question after the other. */
struct talk {
	const struct question *question; /* NULL: it has just begun */
	char buf[sizeof(struct lxc_answer) + LXC_DATA_MAX];
	size_t size;
	char name[NAME_MAX + 1];
	enum container_state state;
	pid_t pid;
	uid_t owner; /* of the monitor */
};

static int take_name(struct talk *talk)
{
	return lxc_answer_name(talk->buf, talk->size, talk->name);
}

static int take_state(struct talk *talk)
{
	return lxc_answer_state(talk->buf, talk->size, &talk->state);
}

static int take_pid(struct talk *talk)
{
	return lxc_answer_pid(talk->buf, talk->size, &talk->pid);
}

/* In this order; the first one only where the socket doesn't tell. */
static const struct question {
	enum lxc_command command;
	int (*take)(struct talk *talk);
} questions[] = {
	{LXC_GET_NAME, take_name},
	{LXC_GET_STATE, take_state},
	{LXC_GET_INIT_PID, take_pid},
};

/*
 * Who we are the kernel tells by itself, since the monitor has asked it to: SO_PASSCRED, unix(7). It
 * answers root and its own user.
 */
static int ask(struct source *source, const struct question *question)
{
	struct talk *talk = source->data;
	const struct lxc_request request = {.command = (int32_t)question->command};
	ssize_t n = send(source->fd, &request, sizeof(request), MSG_NOSIGNAL);

	if (n < 0)
		return -errno;
	if (n != sizeof(request)) /* never in parts: the queue is empty */
		return -EIO;
	talk->question = question;
	talk->size = 0;
	source->events = POLLIN;
	return 0;
}

static int begin(struct source *source)
{
	struct talk *talk = calloc(1, sizeof(*talk));
	struct ucred peer;
	socklen_t size = sizeof(peer);

	if (!talk)
		return -ENOMEM;
	source->data = talk;
	if (lxc_socket_name(source->address + 1, talk->name) < 0)
		return -EINVAL;
	/* Its number is of no use: it's that of who has begun to listen, which may have forked since. */
	if (getsockopt(source->fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0)
		return -errno;
	talk->owner = peer.uid;
	source->owner = peer.uid;
	return ask(source, &questions[talk->name[0] ? 1 : 0]);
}

static int add_found(struct source *source, const struct talk *talk)
{
	const struct lxc_process process = {.name = talk->name,
					    .pid = talk->pid,
					    .owner = talk->owner,
					    .state = talk->state};

	if (source->request->ref ? strcmp(talk->name, source->request->ref) != 0 : !talk->pid)
		return 0;
	return lxc_add(source, &process);
}

/* Does what was learnt spare the rest? */
static bool is_enough(const struct source *source, const struct talk *talk)
{
	if (source->request->ref && strcmp(talk->name, source->request->ref) != 0)
		return true;
	return talk->question->command == LXC_GET_INIT_PID || talk->state == CONTAINER_STOPPED ||
	       talk->state == CONTAINER_CREATED;
}

static int step(struct source *source, struct cj_error *err)
{
	struct talk *talk = source->data;
	ssize_t n;
	int r;

	if (!talk) {
		r = begin(source);
		return r < 0 ? cj_fail(err, -r, "ask the monitor at %s", source->address) : 0;
	}
	n = io_read(source->fd, talk->buf + talk->size, sizeof(talk->buf) - talk->size);
	if (n == -EAGAIN)
		return 0;
	if (n <= 0)
		return cj_fail(err, n < 0 ? (int)-n : ECONNRESET, "ask the monitor at %s",
			       source->address);
	talk->size += (size_t)n;
	r = talk->question->take(talk);
	if (r == 0 && talk->size == sizeof(talk->buf))
		r = -EBADMSG;
	if (r < 0)
		return cj_fail(err, -r, "understand the monitor at %s", source->address);
	if (r == 0)
		return 0;
	if (is_enough(source, talk)) {
		r = add_found(source, talk);
		return r < 0 ? r : 1;
	}
	r = source_connect(source); /* one question a connection */
	if (r == 0)
		r = ask(source, talk->question + 1);
	return r < 0 ? cj_fail(err, -r, "ask the monitor at %s", source->address) : 0;
}

/* The monitor is of no use: stopped, say. */
static int look_beneath_monitor(struct source *source, struct cj_error *err)
{
	char name[NAME_MAX + 1];
	int r;

	if (lxc_socket_name(source->address + 1, name) < 0 || !name[0])
		return -ENOENT;
	r = lxc_find_by_monitor(source, name);
	if (r == -ENOENT && source->owner == 0)
		r = lxc_find_by_cgroup(source, name);
	if (r < 0)
		return r == -ENOENT ? r : cj_fail(err, -r, "find the monitor's child");
	return source_read_from(source, "the monitor's process");
}

/* "lxc.lxcpath = /srv/lxc" of /etc/lxc/lxc.conf, lxc.system.conf(5). */
static void read_lxcpath(const char *root, char ret[PATH_MAX])
{
	static const char key[] = "lxc.lxcpath";
	_cleanup_(bytes_done) struct bytes text = BYTES_INIT;
	char path[PATH_MAX];

	(void)snprintf(ret, PATH_MAX, "%s", DEFAULT_PATH);
	(void)snprintf(path, sizeof(path), "%s/etc/lxc/lxc.conf", root);
	if (state_read_file(path, CONFIG_LIMIT, &text) < 0)
		return;
	for (char *save = NULL, *line = strtok_r(text.data, "\n", &save); line;
	     line = strtok_r(NULL, "\n", &save)) {
		line += strspn(line, " \t");
		if (strncmp(line, key, strlen(key)) != 0)
			continue;
		line += strlen(key);
		line += strspn(line, " \t=");
		line[strcspn(line, " \t\r")] = '\0';
		if (line[0] == '/')
			(void)snprintf(ret, PATH_MAX, "%s", line);
	}
}

/* Nobody of ours listens: is it there and doesn't run, or runs where we don't see the socket? */
static int look_for_definition(struct source *source)
{
	const char *ref = source->request->ref;
	const struct lxc_process stopped = {.name = ref, .state = CONTAINER_STOPPED};
	char lxcpath[PATH_MAX], path[2 * PATH_MAX];
	int r = lxc_find_by_cgroup(source, ref);

	if (r != -ENOENT)
		return r < 0 ? r : source_read_from(source, "cgroups");
	read_lxcpath(source->request->root, lxcpath);
	(void)snprintf(path, sizeof(path), "%s%s/%s/config", source->request->root, lxcpath, ref);
	if (faccessat(AT_FDCWD, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0) {
		r = lxc_add(source, &stopped);
		return r < 0 ? r : source_read_from(source, lxcpath);
	}
	(void)snprintf(path, sizeof(path), "%s%s", source->request->root, lxcpath);
	return faccessat(AT_FDCWD, path, F_OK, 0) == 0 ? source_read_from(source, lxcpath)
						       : -ENOENT;
}

static int look(struct source *source, struct cj_error *err)
{
	return source->address ? look_beneath_monitor(source, err) : look_for_definition(source);
}

static const struct source_type monitor = {.step = step, .look = look};

struct discovery {
	const struct engine_request *request;
	struct sources *sources;
	size_t n,
		n_foreign; /* of the system and the caller, or of whom isn't known; of other users */
	bool named;	   /* one of the former has the name that is looked for */
};

static bool is_usual(const char *listener)
{
	return strncmp(listener, DEFAULT_PATH "/", strlen(DEFAULT_PATH "/")) == 0;
}

/* Without a known owner it may be anybody's: then it's by the place. */
static bool is_one_too_many(const struct discovery *discovery, const char *listener, uid_t owner)
{
	size_t few = discovery->request->ref ? MAX_NAMED : MAX_FOREIGN;

	if (owner == UNIX_OWNER_UNKNOWN && !is_usual(listener) && discovery->n >= few)
		return true;
	return users_is_foreign(owner) && owner != UNIX_OWNER_UNKNOWN ? discovery->n_foreign >= few
								      : discovery->n >= MAX_SOCKETS;
}

static int add_listener(const char *listener, uid_t owner, void *data)
{
	struct discovery *discovery = data;
	const char *ref = discovery->request->ref;
	char name[NAME_MAX + 1], address[NAME_MAX + 2];

	if (lxc_socket_name(listener, name) < 0 || (ref && name[0] && strcmp(name, ref) != 0) ||
	    is_one_too_many(discovery, listener, owner))
		return 0;
	(void)snprintf(address, sizeof(address), "@%s", listener);
	for (size_t i = 0; i < discovery->sources->n; i++) {
		const struct source *source = &discovery->sources->items[i];

		if (source->engine == &engine_lxc && source->address &&
		    strcmp(source->address, address) == 0)
			return 0;
	}
	if (owner == UNIX_OWNER_UNKNOWN)
		owner = 0;
	if (users_is_foreign(owner)) {
		discovery->n_foreign++;
	} else {
		discovery->n++;
		discovery->named |= name[0] != '\0';
	}
	return sources_add(discovery->sources, &monitor, &engine_lxc, discovery->request, address,
			   owner);
}

static int add_sources(const struct engine_request *request, struct sources *sources,
		       struct cj_error *err)
{
	struct discovery discovery = {.request = request, .sources = sources};
	const char *ref = request->ref;
	int r;

	if (ref && (strchr(ref, '/') || !ref[0] || strlen(ref) > NAME_MAX ||
		    strcmp(ref, ".") == 0 || strcmp(ref, "..") == 0))
		return request->bare
			       ? 0
			       : cj_fail(err, EINVAL, "find \"%s\", which is no LXC name", ref);
	r = unix_listeners_visit(add_listener, &discovery);
	if (r == -ENOMEM || !ref || discovery.named)
		return r == -ENOMEM ? r : 0;
	return sources_add(sources, &monitor, &engine_lxc, request, NULL, 0);
}

const struct engine engine_lxc = {.scheme = "lxc", .sources = add_sources};
