/* SPDX-License-Identifier: MIT
 *
 * The conversation with containerd: which namespaces there are, which containers are in each, and their
 * tasks, which is what it calls processes.
 *
 *	one is meant:  Namespaces/List ──► Containers/List in each ──► Tasks/Get of each that is meant
 *	all are:       Namespaces/List ──► Tasks/List, Containers/List in each
 *
 * Docker and CRI tell their containers themselves, and what containerd has to say of a hundred takes it
 * 20 ms. If its files tell which there are, it's asked for the rest alone, which in moby is none:
 *
 *	moby:          nothing
 *	k8s.io:        Containers/List of what CRI doesn't tell
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "engine/containerd.h"
#include "engine/containerd.pb-c.h"
#include "engine/message.h"
#include "engine/state.h"

enum { MAX_NAMESPACES = 1024, MAX_CONTAINERS = 1 << 16, MAX_TASKS = 16, MAX_LABELS = 1024 };

struct talk {
	struct grpc *grpc;
	struct containerd_name name; /* "": all */
	const struct call *call;     /* NULL: all is known */
	char **namespaces;
	size_t n_namespaces;
	size_t at;    /* of the namespaces: that which is asked for */
	size_t first; /* of source->found: of that namespace */
	size_t next;  /* of source->found: whose task is asked for */
	struct containerd_places places;
	bool has_places;
	bool rest; /* only what CRI doesn't tell is asked for in this namespace */
};

/* One call. begin() sends what is asked; take() reads the answer and sets talk->call to the next. */
struct call {
	const char *method;
	int (*begin)(struct source *source);
	int (*take)(struct source *source, const struct bytes *bytes, struct cj_error *err);
};

static const struct call list_namespaces, list_containers, list_tasks, get_task;

static int send(struct source *source, const ProtobufCMessage *request, const char *ns)
{
	struct talk *talk = source->data;

	return message_begin(talk->grpc, talk->call->method, request,
			     ns ? "containerd-namespace" : NULL, ns);
}

/* --- namespaces --- */

static int add_namespace(struct talk *talk, const char *name)
{
	char **grown;

	if (!container_id_is_valid(name) || talk->n_namespaces == MAX_NAMESPACES)
		return 0; /* it becomes a header, and none of containerd's is named so */
	grown = reallocarray(talk->namespaces, talk->n_namespaces + 1, sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	talk->namespaces = grown;
	grown[talk->n_namespaces] = strdup(name);
	if (!grown[talk->n_namespaces])
		return -ENOMEM;
	talk->n_namespaces++;
	return 0;
}

static int compare_ids(const void *left, const void *right)
{
	const struct container *a = left, *b = right;

	return strcmp(a->id, b->id);
}

/* Of the namespace at talk->at, for what is told of each. */
static void sort_found(struct source *source)
{
	const struct talk *talk = source->data;

	if (source->found.n > talk->first)
		qsort(source->found.items + talk->first, source->found.n - talk->first,
		      sizeof(*source->found.items), compare_ids);
}

/* The files tell which containers there are. False: they don't. */
static bool is_on_disk(struct source *source)
{
	struct talk *talk = source->data;

	if (!talk->has_places) {
		if (source_see_as_peer(source) < 0)
			return false;
		containerd_places_find(source, &talk->places);
		talk->has_places = true;
	}
	return containerd_add_tasks(source, &talk->places, talk->namespaces[talk->at]) == 0;
}

/* The first call when all are asked for; NULL: nothing is left to be asked in this namespace. */
static const struct call *first_call(struct source *source)
{
	struct talk *talk = source->data;
	const char *ns = talk->namespaces[talk->at];

	if (strcmp(ns, "moby") == 0)
		return is_on_disk(source) ? NULL : &list_tasks;
	if (strcmp(ns, "k8s.io") != 0 || !is_on_disk(source))
		return &list_tasks;
	talk->rest = true;
	sort_found(source);
	return source->found.n > talk->first ? &list_containers : NULL;
}

/* The first call for the namespace at talk->at, or for one behind it. */
static void go_to_namespace(struct source *source)
{
	struct talk *talk = source->data;

	for (talk->call = NULL; talk->at < talk->n_namespaces; talk->at++) {
		talk->first = source->found.n;
		talk->rest = false;
		talk->call = *talk->name.id ? &list_containers : first_call(source);
		if (talk->call)
			return;
	}
	if (!*talk->name.id)
		return;
	containers_match(&source->found, talk->name.id);
	if (source->found.n > 0)
		talk->call = &get_task;
}

static void go_to_next_namespace(struct source *source)
{
	struct talk *talk = source->data;

	talk->at++;
	go_to_namespace(source);
}

static int begin_namespaces(struct source *source)
{
	Containerd__ListNamespacesRequest request;

	containerd__list_namespaces_request__init(&request);
	return send(source, &request.base, NULL);
}

static int take_namespaces(struct source *source, const struct bytes *bytes, struct cj_error *err)
{
	_cleanup_message_ ProtobufCMessage *message = NULL;
	const Containerd__ListNamespacesResponse *answer;
	int r = message_unpack(&containerd__list_namespaces_response__descriptor, bytes, &message,
			       err);

	if (r < 0)
		return r;
	answer = (const Containerd__ListNamespacesResponse *)message;
	for (size_t i = 0; i < answer->n_namespaces && r == 0; i++)
		r = add_namespace(source->data, answer->namespaces[i]->name);
	if (r == 0)
		go_to_namespace(source);
	return r;
}

static const struct call list_namespaces = {"/containerd.services.namespaces.v1.Namespaces/List",
					    begin_namespaces, take_namespaces};

/* --- containers --- */

static struct container *add_container(struct source *source, const char *id)
{
	const struct talk *talk = source->data;
	struct container *container;
	char name[2 * (CONTAINERD_NAME_MAX + 1)];

	if (source->found.n >= MAX_CONTAINERS)
		return NULL;
	container = containers_add(&source->found);
	if (!container)
		return NULL;
	container->scheme = "containerd";
	container->owner = source->owner;
	(void)snprintf(name, sizeof(name), "%s/%s", talk->namespaces[talk->at], id);
	return container_set(&container->id, id) == 0 && container_set(&container->name, name) == 0
		       ? container
		       : NULL;
}

static int describe(struct container *container, const Containerd__Container *from)
{
	int r = container_set(&container->image, message_text(from->image));

	for (size_t i = 0; i < from->n_labels && i < MAX_LABELS && r == 0; i++)
		r = container_add_label(container, from->labels[i]->key, from->labels[i]->value);
	return r;
}

/* `id~=/^REF/`, with what has a meaning in an expression taken for itself. */
static void write_filter(char *buf, size_t size, const char *ref)
{
	size_t n = (size_t)snprintf(buf, size, "id~=/^");

	for (; *ref && n + 8 < size; ref++)
		n += (size_t)snprintf(buf + n, size - n, strchr(".+", *ref) ? "[%c]" : "%c", *ref);
	(void)snprintf(buf + n, size - n, "/");
}

static int begin_containers(struct source *source)
{
	/* Of sandboxes CRI doesn't tell the image. */
	static const char rest[] = "labels.\"io.cri-containerd.kind\"!=container";
	const struct talk *talk = source->data;
	Containerd__ListContainersRequest request;
	char filter[4 * CONTAINERD_NAME_MAX], *filters[] = {filter};

	containerd__list_containers_request__init(&request);
	if (*talk->name.id)
		write_filter(filter, sizeof(filter), talk->name.id);
	else
		(void)snprintf(filter, sizeof(filter), "%s", rest);
	request.filters = filters;
	request.n_filters = *talk->name.id || talk->rest ? 1 : 0;
	return send(source, &request.base, talk->namespaces[talk->at]);
}

/* What is told of the container goes to its task; when one is meant, there is none yet. */
static int take_container(struct source *source, const Containerd__Container *from)
{
	const struct talk *talk = source->data;
	struct container key = {.id = from->id}, *to;

	if (*talk->name.id) {
		if (!container_id_is_valid(from->id))
			return 0;
		to = add_container(source, from->id);
		return to ? describe(to, from) : -ENOMEM;
	}
	to = bsearch(&key, source->found.items + talk->first, source->found.n - talk->first,
		     sizeof(key), compare_ids);
	return to && !to->image && !to->labels ? describe(to, from) : 0;
}

static int take_containers(struct source *source, const struct bytes *bytes, struct cj_error *err)
{
	_cleanup_message_ ProtobufCMessage *message = NULL;
	const Containerd__ListContainersResponse *answer;
	int r = message_unpack(&containerd__list_containers_response__descriptor, bytes, &message,
			       err);

	if (r < 0)
		return r;
	answer = (const Containerd__ListContainersResponse *)message;
	for (size_t i = 0; i < answer->n_containers && r == 0; i++)
		r = take_container(source, answer->containers[i]);
	if (r == 0)
		go_to_next_namespace(source);
	return r;
}

static const struct call list_containers = {"/containerd.services.containers.v1.Containers/List",
					    begin_containers, take_containers};

/* --- tasks --- */

static void take_process(struct container *container, const Containerd__Process *process)
{
	static const enum container_state states[] = {
		CONTAINER_UNKNOWN, CONTAINER_CREATED, CONTAINER_RUNNING,
		CONTAINER_STOPPED, CONTAINER_PAUSED,  CONTAINER_RUNNING, /* it's being paused */
	};

	if (process->status >= 0 && (size_t)process->status < ELEMENTS(states))
		container->state = states[process->status];
	if (process->pid <= INT_MAX && container->state != CONTAINER_STOPPED)
		container->pid = (pid_t)process->pid;
}

static int begin_tasks(struct source *source)
{
	const struct talk *talk = source->data;
	Containerd__ListTasksRequest request;

	containerd__list_tasks_request__init(&request);
	return send(source, &request.base, talk->namespaces[talk->at]);
}

static int take_tasks(struct source *source, const struct bytes *bytes, struct cj_error *err)
{
	struct talk *talk = source->data;
	_cleanup_message_ ProtobufCMessage *message = NULL;
	const Containerd__ListTasksResponse *answer;
	int r = message_unpack(&containerd__list_tasks_response__descriptor, bytes, &message, err);

	if (r < 0)
		return r;
	answer = (const Containerd__ListTasksResponse *)message;
	for (size_t i = 0; i < answer->n_tasks; i++) {
		const Containerd__Process *process = answer->tasks[i];
		struct container *container;

		if (process->pid == 0 || !container_id_is_valid(process->id) ||
		    process->status == 3 /* stopped */)
			continue;
		container = add_container(source, process->id);
		if (!container)
			return -ENOMEM;
		take_process(container, process);
	}
	if (source->found.n == talk->first) {
		go_to_next_namespace(source);
		return 0;
	}
	sort_found(source);
	talk->call = &list_containers;
	return 0;
}

static const struct call list_tasks = {"/containerd.services.tasks.v1.Tasks/List", begin_tasks,
				       take_tasks};

/* "NS" of "NS/ID" */
static void ns_of(const struct container *container, char ret[CONTAINERD_NAME_MAX + 1])
{
	(void)snprintf(ret, CONTAINERD_NAME_MAX + 1, "%.*s", (int)strcspn(container->name, "/"),
		       container->name);
}

static int begin_task(struct source *source)
{
	const struct talk *talk = source->data;
	const struct container *container = &source->found.items[talk->next];
	Containerd__GetTaskRequest request;
	char ns[CONTAINERD_NAME_MAX + 1];

	ns_of(container, ns);
	containerd__get_task_request__init(&request);
	request.container_id = container->id;
	return send(source, &request.base, ns);
}

static void go_to_next_task(struct talk *talk, size_t n)
{
	talk->next++;
	if (talk->next >= n || talk->next >= MAX_TASKS)
		talk->call = NULL;
}

static int take_task(struct source *source, const struct bytes *bytes, struct cj_error *err)
{
	struct talk *talk = source->data;
	struct container *container = &source->found.items[talk->next];
	_cleanup_message_ ProtobufCMessage *message = NULL;
	const Containerd__GetTaskResponse *answer;
	char ns[CONTAINERD_NAME_MAX + 1];
	int r = message_unpack(&containerd__get_task_response__descriptor, bytes, &message, err);

	if (r < 0)
		return r;
	answer = (const Containerd__GetTaskResponse *)message;
	if (answer->process)
		take_process(container, answer->process);
	go_to_next_task(talk, source->found.n);
	ns_of(container, ns);
	return containerd_bundle(source, ns, container->id, &container->bundle);
}

static const struct call get_task = {"/containerd.services.tasks.v1.Tasks/Get", begin_task,
				     take_task};

/* --- the conversation --- */

static int begin(struct source *source)
{
	const char *ref = source->request->ref;
	struct talk *talk = calloc(1, sizeof(*talk));
	int r;

	if (!talk)
		return -ENOMEM;
	source->data = talk;
	r = ref ? containerd_name_parse(ref, &talk->name, NULL) : 0;
	if (r == 0)
		r = grpc_new(&talk->grpc);
	if (r == 0 && *talk->name.ns)
		r = add_namespace(talk, talk->name.ns);
	if (r < 0)
		return r;
	talk->call = &list_namespaces;
	if (*talk->name.ns)
		go_to_namespace(source);
	return talk->call->begin(source);
}

/* The call has ended without an answer: with what does it go on? */
static int take_refusal(struct source *source, int status, struct cj_error *err)
{
	struct talk *talk = source->data;

	if (status != GRPC_NOT_FOUND || talk->call == &list_namespaces)
		return grpc_fail(talk->grpc, status, talk->call->method, err);
	if (talk->call == &get_task) {
		/* A container without a task: it never had one, or that has ended. */
		source->found.items[talk->next].state = CONTAINER_STOPPED;
		go_to_next_task(talk, source->found.n);
	} else {
		go_to_next_namespace(source); /* it's gone meanwhile */
	}
	return 0;
}

int containerd_step(struct source *source, struct cj_error *err)
{
	int r = source->data ? 0 : begin(source);
	struct talk *talk = source->data;

	if (r < 0)
		return cj_fail(err, -r, "ask %s", source->address);
	while (talk->call) {
		_cleanup_(bytes_done) struct bytes bytes = BYTES_INIT;
		const struct call *call = talk->call;
		int status;

		r = grpc_step(talk->grpc, source->fd, &source->events, &status, &bytes, err);
		if (r <= 0)
			return r;
		r = status == GRPC_OK ? call->take(source, &bytes, err)
				      : take_refusal(source, status, err);
		if (r == 0 && talk->call)
			r = talk->call->begin(source);
		if (r < 0)
			return cj_fail(err, -r, "ask %s", source->address);
	}
	return 1;
}

void containerd_step_done(struct source *source)
{
	struct talk *talk = source->data;

	if (!talk)
		return;
	grpc_free(talk->grpc);
	for (size_t i = 0; i < talk->n_namespaces; i++)
		free(talk->namespaces[i]);
	free(talk->namespaces);
	free(talk);
	source->data = NULL;
}
