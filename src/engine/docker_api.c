/* SPDX-License-Identifier: MIT */
#include "engine/docker_api.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/escape.h"
#include "engine/engine.h"
#include "engine/http.h"
#include "engine/json.h"

enum {
	PID_LIMIT = 4194304, /* PID_MAX_LIMIT of the kernel */
	MESSAGE_SHOWN = 160,
};

/* filters={"status":["running","paused"]}: podman's own idea of what runs has no paused ones. */
#define WITH_PROCESS                                                                               \
	"/containers/json?filters=%7B%22status%22%3A%5B%22running%22%2C%22paused%22%5D%7D"

bool docker_id_is_valid(const char *id)
{
	return id && strlen(id) == DOCKER_ID_LENGTH &&
	       strspn(id, "0123456789abcdef") == DOCKER_ID_LENGTH;
}

bool docker_ref_is_possible(const char *ref)
{
	size_t length;

	if (*ref == '/')
		ref++;
	length = strlen(ref);
	if (length == 0 || length > DOCKER_REF_MAX || strcmp(ref, ".") == 0 ||
	    strcmp(ref, "..") == 0)
		return false;
	for (; *ref; ref++)
		if ((unsigned char)*ref < ' ' || *ref == 0x7f || *ref == '/')
			return false;
	return true;
}

/* --- answers --- */

static const char *text_of(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text && *text ? text : NULL;
}

int docker_set_labels(struct container *container, const json_t *labels)
{
	size_t n = json_object_size(labels), i = 0;
	char **list = calloc(n + 1, sizeof(*list));
	const char *key;
	json_t *value;

	if (!list)
		return -ENOMEM;
	container->labels = list;
	json_object_foreach((json_t *)(uintptr_t)labels, key, value)
	{
		const char *text = json_string_value(value);

		if (!text)
			continue;
		if (asprintf(&list[i], "%s=%s", key, text) < 0) {
			list[i] = NULL;
			return -ENOMEM;
		}
		i++;
	}
	return 0;
}

/* "/web" → "web" */
static const char *without_slash(const char *name)
{
	return name && *name == '/' ? name + 1 : name;
}

static struct container *add(struct containers *found, const char *id, const char *scheme,
			     uid_t owner, struct cj_error *err)
{
	struct container *container;

	if (!docker_id_is_valid(id)) {
		(void)cj_fail(err, EBADMSG, "read its answer, which has no container's id");
		return NULL;
	}
	container = containers_add(found);
	if (!container || container_set(&container->id, id) < 0) {
		(void)cj_fail(err, ENOMEM, "read its answer");
		return NULL;
	}
	container->scheme = scheme;
	container->owner = owner;
	return container;
}

static int fill(struct container *container, const char *name, const char *image,
		const json_t *labels, const char *state, struct cj_error *err)
{
	container->state = container_state_parse(state);
	if (container_set(&container->name, without_slash(name)) < 0 ||
	    container_set(&container->image, image) < 0 || docker_set_labels(container, labels) < 0)
		return cj_fail(err, ENOMEM, "read its answer");
	return 0;
}

/* A paused one has a process, and one that runs must have. */
static bool has_process(const struct container *container)
{
	return container->state == CONTAINER_RUNNING || container->state == CONTAINER_PAUSED;
}

static int read_pid(const json_t *value, struct container *container, struct cj_error *err)
{
	json_int_t pid = json_integer_value(value);

	if (!json_is_integer(value) || pid < 0 || pid > PID_LIMIT)
		return cj_fail(err, EBADMSG, "read its answer, in which State.Pid is no PID");
	if (pid == 0 && has_process(container))
		return cj_fail(err, EBADMSG,
			       "read its answer, which says of a container that runs no PID");
	container->pid = (pid_t)pid;
	return 0;
}

int docker_parse_container(const char *text, size_t size, const char *scheme, uid_t owner,
			   struct containers *found, struct cj_error *err)
{
	_cleanup_json_ json_t *json = NULL;
	const json_t *config, *state;
	struct container *container;
	struct cj_error why = CJ_ERROR_INIT;
	int r = json_parse_lenient(text, size, &json, &why);

	if (r < 0)
		return cj_fail(err, r == -EINVAL ? EBADMSG : -r, "read its answer: %s", why.text);
	config = json_object_get(json, "Config");
	state = json_object_get(json, "State");
	container = add(found, text_of(json, "Id"), scheme, owner, err);
	if (!container)
		return err && err->code ? -err->code : -EBADMSG;
	r = fill(container, text_of(json, "Name"), text_of(config, "Image"),
		 json_object_get(config, "Labels"), text_of(state, "Status"), err);
	return r < 0 ? r : read_pid(json_object_get(state, "Pid"), container, err);
}

struct listing {
	const char *scheme;
	uid_t owner;
	struct containers *found;
	struct cj_error *err;
};

static int add_listed(const json_t *json, void *data)
{
	const struct listing *listing = data;
	const char *name = json_string_value(json_array_get(json_object_get(json, "Names"), 0));
	struct container *container = add(listing->found, text_of(json, "Id"), listing->scheme,
					  listing->owner, listing->err);

	if (!container)
		return -EBADMSG;
	return fill(container, name, text_of(json, "Image"), json_object_get(json, "Labels"),
		    text_of(json, "State"), listing->err);
}

int docker_parse_list(const char *text, size_t size, const char *scheme, uid_t owner,
		      struct containers *found, struct cj_error *err)
{
	struct cj_error why = CJ_ERROR_INIT;
	struct listing listing = {scheme, owner, found, &why};
	int r = json_parse_list(text, size, add_listed, &listing, &why);

	return r < 0 ? cj_fail(err, r == -EINVAL ? EBADMSG : -r, "%s", why.text) : 0;
}

/* --- the conversation --- */

struct talk {
	struct http *http;
	bool listing; /* all are asked for, since `ref` is the beginning of several ids */
};

void docker_api_done(struct source *source)
{
	struct talk *talk = source->data;

	if (talk)
		http_free(talk->http);
	free_pointer(&source->data);
}

static int begin(struct talk *talk, const char *ref)
{
	char target[sizeof("/containers//json") + 3 * DOCKER_REF_MAX];
	char escaped[3 * DOCKER_REF_MAX + 1];

	http_free(talk->http);
	talk->http = NULL;
	if (!ref || talk->listing)
		return http_new(talk->listing ? "/containers/json?all=1" : WITH_PROCESS,
				&talk->http);
	if (!http_escape(escaped, sizeof(escaped), without_slash(ref)))
		return -ENAMETOOLONG;
	(void)snprintf(target, sizeof(target), "/containers/%s/json", escaped);
	return http_new(target, &talk->http);
}

/* Names what was said other than 200 and 404. */
static int refused(const struct http_answer *answer, struct cj_error *err)
{
	_cleanup_json_ json_t *json = NULL;
	char message[MESSAGE_SHOWN + 1] = "";
	const char *said = NULL;

	if (json_parse_lenient(answer->body.data, answer->body.size, &json, NULL) == 0)
		said = text_of(json, "message");
	if (said)
		(void)text_escape(message, sizeof(message), said);
	return cj_fail(err, EPROTO, "it answers %d%s%s", answer->status, said ? ": " : "", message);
}

/* Docker says 400 to the beginning of several ids, podman 404, 409 or 500. */
static bool is_ambiguous(const struct http_answer *answer)
{
	static const char *const words[] = {"multiple IDs found", "more than one result",
					    "more than one container"};

	if (answer->status < 400)
		return false;
	for (size_t i = 0; i < ELEMENTS(words); i++)
		if (memmem(answer->body.data, answer->body.size, words[i], strlen(words[i])))
			return true;
	return false;
}

/* 1: that's the answer; 0: another question follows. */
static int take_found(struct source *source, struct talk *talk, const struct http_answer *answer,
		      struct cj_error *err)
{
	int r;

	if (is_ambiguous(answer)) {
		talk->listing = true;
		return 0;
	}
	if (answer->status == 404)
		return 1;
	if (answer->status != 200)
		return refused(answer, err);
	r = docker_parse_container(answer->body.data, answer->body.size, source->engine->scheme,
				   source->owner, &source->found, err);
	if (r < 0)
		return r;
	containers_match(&source->found, source->request->ref);
	if (source->found.n == 0)
		return cj_fail(err, EBADMSG, "it tells of another container than it was asked for");
	return 1;
}

/* A daemon may send what wasn't asked for. */
static void leave_those_with_process(struct containers *found)
{
	size_t kept = 0;

	for (size_t i = 0; i < found->n; i++) {
		if (has_process(&found->items[i]))
			found->items[kept++] = found->items[i];
		else
			container_done(&found->items[i]);
	}
	found->n = kept;
}

static int take_listed(struct source *source, const struct http_answer *answer,
		       struct cj_error *err)
{
	int r;

	if (answer->status != 200)
		return refused(answer, err);
	r = docker_parse_list(answer->body.data, answer->body.size, source->engine->scheme,
			      source->owner, &source->found, err);
	if (r < 0)
		return r;
	if (source->request->ref) {
		containers_match(&source->found, source->request->ref);
		return 1;
	}
	leave_those_with_process(&source->found);
	return 1;
}

/* As far as it goes: 1 answered, 0 waits. */
static int talk_on(struct source *source, struct talk *talk, struct cj_error *err)
{
	const char *ref = source->request->ref;

	for (;;) {
		_cleanup_(http_answer_done) struct http_answer answer = HTTP_ANSWER_INIT;
		int r = http_step(talk->http, source->fd, &source->events, &answer, err);

		if (r <= 0)
			return r;
		r = ref && !talk->listing ? take_found(source, talk, &answer, err)
					  : take_listed(source, &answer, err);
		if (r != 0)
			return r;
		r = source_connect(source);
		if (r == 0)
			r = begin(talk, ref);
		if (r < 0)
			return cj_fail(err, -r, "ask it once more");
	}
}

int docker_api_step(struct source *source, struct cj_error *err)
{
	const char *ref = source->request->ref;
	struct cj_error why = CJ_ERROR_INIT;
	int r = 0;

	if (ref && !docker_ref_is_possible(ref))
		return 1;
	if (!source->data) {
		source->data = calloc(1, sizeof(struct talk));
		r = source->data ? begin(source->data, ref) : -ENOMEM;
	}
	if (r == 0)
		r = talk_on(source, source->data, &why);
	return r < 0 ? cj_fail(err, -r, "ask %s: %s", source->address, why.text) : r;
}
