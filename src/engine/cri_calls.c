/* SPDX-License-Identifier: MIT
 *
 * The calls of a conversation with a CRI runtime: what each asks, what its answer tells, and which one
 * comes next.
 *
 *	ListContainers ──► ListPodSandbox, if need be ──► ListImages, for names of images
 *	                                              └─► …Status of each that is meant
 *
 * Not here: the conversation (cri_api.c), what a word means (cri_find.c).
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "engine/cri.pb-c.h"
#include "engine/cri_api.h"
#include "engine/json.h"

enum {
	MAX_STATUSES = 16, /* of what a word may mean; more of them is an error anyway */
	MAX_LABELS = 1024,
};

static const char label_pod[] = "io.kubernetes.pod.name";
static const char label_ns[] = "io.kubernetes.pod.namespace";
static const char label_container[] = "io.kubernetes.container.name";

static const struct cri_call container_status, sandbox_status;

/* --- what is common --- */

static enum container_state container_state_of(int32_t state)
{
	static const enum container_state states[] = {CONTAINER_CREATED, CONTAINER_RUNNING,
						      CONTAINER_STOPPED};

	return state >= 0 && (size_t)state < ELEMENTS(states) ? states[state] : CONTAINER_UNKNOWN;
}

static enum container_state sandbox_state_of(int32_t state)
{
	return state == 0 ? CONTAINER_RUNNING : CONTAINER_STOPPED;
}

static int add_labels(struct container *container, Cri__Pair *const *pairs, size_t n)
{
	int r = 0;

	for (size_t i = 0; i < n && i < MAX_LABELS && r == 0; i++)
		r = container_add_label(container, pairs[i]->key, pairs[i]->value);
	return r;
}

/* "sha256:…", or the digits alone, and not what it was pulled as. */
static bool is_image_id(const char *image)
{
	static const char prefix[] = "sha256:", digits[] = "0123456789abcdef";

	return image && (strncmp(image, prefix, strlen(prefix)) == 0 ||
			 (strlen(image) == 64 && strspn(image, digits) == 64));
}

/* The statuses of what is meant, one after the other. */
void cri_go_to_status(struct cri_talk *talk)
{
	if (talk->next >= talk->list.n || talk->next >= MAX_STATUSES)
		talk->call = NULL;
	else
		talk->call = talk->list.items[talk->next].is_sandbox ? &sandbox_status
								     : &container_status;
}

/* All lists are there. */
static void go_on_listed(struct cri_talk *talk)
{
	cri_list_match(&talk->list, &talk->query);
	if (!talk->query.all) {
		cri_go_to_status(talk);
		return;
	}
	talk->call = NULL;
	for (size_t i = 0; i < talk->list.n && !talk->call; i++)
		if (is_image_id(talk->list.items[i].container.image))
			talk->call = &cri_list_images;
}

/* --- containers --- */

static int begin_containers(struct cri_talk *talk)
{
	const struct cri_query *query = &talk->query;
	Cri__ListContainersRequest request;
	Cri__ContainerFilter filter;
	Cri__State running;
	struct pod_name name = query->pod; /* what is packed isn't const */
	char keys[3][48], id[65];
	Cri__Pair pairs[3], *selector[3];
	const struct {
		const char *key;
		char *value;
	} parts[] = {{label_ns, name.ns}, {label_pod, name.pod}, {label_container, name.container}};

	cri__list_containers_request__init(&request);
	cri__container_filter__init(&filter);
	request.filter = &filter;
	filter.label_selector = selector;
	if (query->all) {
		cri__state__init(&running);
		running.state = 1;
		filter.state = &running;
	} else if (query->ref && strlen(query->ref) == 64) {
		(void)snprintf(id, sizeof(id), "%s", query->ref);
		filter.id = id;
	}
	for (size_t i = 0; i < ELEMENTS(parts) && query->by_pod && !query->ref; i++) {
		Cri__Pair *pair = &pairs[filter.n_label_selector];

		if (!*parts[i].value)
			continue;
		cri__pair__init(pair);
		(void)snprintf(keys[i], sizeof(keys[i]), "%s", parts[i].key);
		pair->key = keys[i];
		pair->value = parts[i].value;
		selector[filter.n_label_selector++] = pair;
	}
	return cri_call_send(talk, &request.base);
}

static int add_container(struct cri_list *list, const Cri__Container *from)
{
	struct cri_container *item;
	int r = cri_list_add(list, &item);
	struct container *container;

	if (r < 0)
		return r;
	container = &item->container;
	item->created = from->created_at;
	item->attempt = from->metadata ? from->metadata->attempt : 0;
	container->state = container_state_of(from->state);
	r = container_set(&container->id, from->id);
	if (r == 0)
		r = container_set(&item->sandbox, from->pod_sandbox_id);
	if (r == 0 && from->image)
		r = container_set(&container->image, message_text(from->image->image));
	if (r == 0 && from->metadata)
		r = container_set(&item->short_name, message_text(from->metadata->name));
	if (r == 0)
		r = add_labels(container, from->labels, from->n_labels);
	if (r < 0 || !container_label(container, label_container))
		return r;
	r = container_set(&item->ns, container_label(container, label_ns));
	if (r == 0)
		r = container_set(&item->pod, container_label(container, label_pod));
	return r;
}

static int take_containers(struct cri_talk *talk, const struct bytes *bytes, struct cj_error *err)
{
	const struct cri_query *query = &talk->query;
	_cleanup_message_ ProtobufCMessage *message = NULL;
	const Cri__ListContainersResponse *answer;
	int r = message_unpack(&cri__list_containers_response__descriptor, bytes, &message, err);

	if (r < 0)
		return r;
	answer = (const Cri__ListContainersResponse *)message;
	for (size_t i = 0; i < answer->n_containers && r == 0; i++)
		r = add_container(&talk->list, answer->containers[i]);
	if (r < 0)
		return cj_fail(err, -r, "list %lu containers", (unsigned long)answer->n_containers);
	if (query->all || (query->ref && !cri_list_is_named(&talk->list, query)) ||
	    (query->by_pod && query->pod.is_sandbox))
		talk->call = &cri_list_sandboxes;
	else
		go_on_listed(talk);
	return 0;
}

const struct cri_call cri_list_containers = {"RuntimeService", "ListContainers", begin_containers,
					     take_containers};

/* --- sandboxes --- */

static int begin_sandboxes(struct cri_talk *talk)
{
	Cri__ListPodSandboxRequest request;
	Cri__PodSandboxFilter filter;
	Cri__State ready;

	cri__list_pod_sandbox_request__init(&request);
	cri__pod_sandbox_filter__init(&filter);
	cri__state__init(&ready);
	if (talk->query.all) {
		filter.state = &ready;
		request.filter = &filter;
	}
	return cri_call_send(talk, &request.base);
}

static int add_sandbox(struct cri_list *list, const Cri__PodSandbox *from)
{
	struct cri_container *item;
	int r = cri_list_add(list, &item);

	if (r < 0)
		return r;
	item->is_sandbox = true;
	item->created = from->created_at;
	item->container.state = sandbox_state_of(from->state);
	r = container_set(&item->container.id, from->id);
	if (r == 0 && from->metadata) {
		item->attempt = from->metadata->attempt;
		r = container_set(&item->short_name, message_text(from->metadata->name));
		if (r == 0)
			r = container_set(&item->pod, message_text(from->metadata->name));
		if (r == 0)
			r = container_set(&item->ns, message_text(from->metadata->namespace_));
	}
	return r < 0 ? r : add_labels(&item->container, from->labels, from->n_labels);
}

static int take_sandboxes(struct cri_talk *talk, const struct bytes *bytes, struct cj_error *err)
{
	_cleanup_message_ ProtobufCMessage *message = NULL;
	const Cri__ListPodSandboxResponse *answer;
	int r = message_unpack(&cri__list_pod_sandbox_response__descriptor, bytes, &message, err);

	if (r < 0)
		return r;
	answer = (const Cri__ListPodSandboxResponse *)message;
	for (size_t i = 0; i < answer->n_items && r == 0; i++)
		r = add_sandbox(&talk->list, answer->items[i]);
	if (r < 0)
		return cj_fail(err, -r, "list %lu sandboxes", (unsigned long)answer->n_items);
	go_on_listed(talk);
	return 0;
}

const struct cri_call cri_list_sandboxes = {"RuntimeService", "ListPodSandbox", begin_sandboxes,
					    take_sandboxes};

/* --- names of images, where containers have ids --- */

static int begin_images(struct cri_talk *talk)
{
	Cri__ListImagesRequest request;

	cri__list_images_request__init(&request);
	return cri_call_send(talk, &request.base);
}

static const char *digits_of(const char *image)
{
	const char *colon = strchr(image, ':');

	return colon ? colon + 1 : image;
}

static const char *name_of(const Cri__Image *image)
{
	if (image->n_repo_tags > 0)
		return message_text(image->repo_tags[0]);
	return image->n_repo_digests > 0 ? message_text(image->repo_digests[0]) : NULL;
}

static int compare_images(const void *left, const void *right)
{
	const Cri__Image *const *a = left, *const *b = right;

	return strcmp(digits_of((*a)->id), digits_of((*b)->id));
}

static int take_images(struct cri_talk *talk, const struct bytes *bytes, struct cj_error *err)
{
	_cleanup_message_ ProtobufCMessage *message = NULL;
	Cri__ListImagesResponse *answer;
	int r = message_unpack(&cri__list_images_response__descriptor, bytes, &message, err);

	if (r < 0)
		return r;
	answer = (Cri__ListImagesResponse *)message;
	if (answer->n_images > 1)
		qsort(answer->images, answer->n_images, sizeof(Cri__Image *), compare_images);
	for (size_t i = 0; i < talk->list.n && answer->n_images > 0 && r == 0; i++) {
		struct container *container = &talk->list.items[i].container;
		Cri__Image wanted = {.id = container->image};
		const Cri__Image *key = &wanted, **found;

		if (!is_image_id(container->image))
			continue;
		found = bsearch(&key, answer->images, answer->n_images, sizeof(Cri__Image *),
				compare_images);
		if (found && name_of(*found))
			r = container_set(&container->image, name_of(*found));
	}
	talk->call = NULL;
	return r;
}

const struct cri_call cri_list_images = {"ImageService", "ListImages", begin_images, take_images};

/* --- what one of them is --- */

static int begin_status(struct cri_talk *talk)
{
	Cri__StatusRequest request;

	cri__status_request__init(&request);
	request.id = talk->list.items[talk->next].container.id;
	request.verbose = 1;
	return cri_call_send(talk, &request.base);
}

/* info["info"] is JSON, of containerd and CRI-O alike. Others tell no PID. */
static int read_pid(Cri__Pair *const *info, size_t n, pid_t *ret, struct cj_error *err)
{
	for (size_t i = 0; i < n; i++) {
		_cleanup_json_ json_t *json = NULL;
		uint64_t pid;
		int r;

		if (strcmp(info[i]->key, "info") != 0)
			continue;
		r = json_parse(info[i]->value, strlen(info[i]->value), &json, err);
		if (r < 0)
			return r;
		if (json_u64(json_object_get(json, "pid"), &pid) == 0 && pid <= INT_MAX)
			*ret = (pid_t)pid;
		return 0;
	}
	return 0;
}

static int take_container_status(struct cri_talk *talk, const struct bytes *bytes,
				 struct cj_error *err)
{
	struct container *container = &talk->list.items[talk->next].container;
	_cleanup_message_ ProtobufCMessage *message = NULL;
	const Cri__ContainerStatusResponse *answer;
	int r = message_unpack(&cri__container_status_response__descriptor, bytes, &message, err);

	if (r < 0)
		return r;
	answer = (const Cri__ContainerStatusResponse *)message;
	r = read_pid(answer->info, answer->n_info, &container->pid, err);
	if (r == 0 && answer->status) {
		const Cri__ImageSpec *image = answer->status->image;

		container->state = container_state_of(answer->status->state);
		if (image && *image->image && !is_image_id(image->image))
			r = container_set(&container->image, image->image);
	}
	talk->next++;
	cri_go_to_status(talk);
	return r;
}

static int take_sandbox_status(struct cri_talk *talk, const struct bytes *bytes,
			       struct cj_error *err)
{
	struct container *container = &talk->list.items[talk->next].container;
	_cleanup_message_ ProtobufCMessage *message = NULL;
	const Cri__PodSandboxStatusResponse *answer;
	int r = message_unpack(&cri__pod_sandbox_status_response__descriptor, bytes, &message, err);

	if (r < 0)
		return r;
	answer = (const Cri__PodSandboxStatusResponse *)message;
	if (answer->status)
		container->state = sandbox_state_of(answer->status->state);
	r = read_pid(answer->info, answer->n_info, &container->pid, err);
	talk->next++;
	cri_go_to_status(talk);
	return r;
}

static const struct cri_call container_status = {"RuntimeService", "ContainerStatus", begin_status,
						 take_container_status};
static const struct cri_call sandbox_status = {"RuntimeService", "PodSandboxStatus", begin_status,
					       take_sandbox_status};
