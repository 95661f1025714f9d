/* SPDX-License-Identifier: MIT */
#include "engine/container.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/grow.h"

static const struct {
	const char *word;
	enum container_state state;
} words[] = {
	/* The first of each state is the one for people. */
	{"unknown", CONTAINER_UNKNOWN},
	{"created", CONTAINER_CREATED},
	{"running", CONTAINER_RUNNING},
	{"paused", CONTAINER_PAUSED},
	{"restarting", CONTAINER_RESTARTING},
	{"stopped", CONTAINER_STOPPED},
	{"dead", CONTAINER_DEAD},
	{"exited", CONTAINER_STOPPED},
	{"removing", CONTAINER_DEAD},
	{"configured", CONTAINER_CREATED},
	{"initialized", CONTAINER_CREATED},
	{"stopping", CONTAINER_RUNNING},
	{"pausing", CONTAINER_RUNNING},
	{"frozen", CONTAINER_PAUSED},
};

const char *container_state_name(enum container_state state)
{
	for (size_t i = 0; i < ELEMENTS(words); i++)
		if (words[i].state == state)
			return words[i].word;
	return "unknown";
}

enum container_state container_state_parse(const char *word)
{
	for (size_t i = 0; word && i < ELEMENTS(words); i++)
		if (strcmp(words[i].word, word) == 0)
			return words[i].state;
	return CONTAINER_UNKNOWN;
}

void container_done(struct container *container)
{
	for (char **label = container->labels; label && *label; label++)
		free(*label);
	free(container->labels);
	free(container->id);
	free(container->name);
	free(container->image);
	free(container->bundle);
	free(container->cgroup_word);
	*container = (struct container){.scheme = NULL};
}

int container_set(char **field, const char *value)
{
	char *copy = value ? strdup(value) : NULL;

	if (value && !copy)
		return -ENOMEM;
	free(*field);
	*field = copy;
	return 0;
}

void container_complete(struct container *container, struct container *other)
{
	if (container->owner != other->owner)
		return; /* what a user says of somebody else's container, anybody could say */
	if (!container->image)
		container->image = take_ptr(other->image);
	if (!container->bundle)
		container->bundle = take_ptr(other->bundle);
}

int container_add_label(struct container *container, const char *key, const char *value)
{
	size_t n = 0, key_size = strlen(key), value_size = strlen(value);
	char **grown, *label;

	while (container->labels && container->labels[n])
		n++;
	label = malloc(key_size + 1 + value_size + 1);
	grown = label ? reallocarray(container->labels, n + 2, sizeof(*grown)) : NULL;
	if (!grown) {
		free(label);
		return -ENOMEM;
	}
	memcpy(label, key, key_size);
	label[key_size] = '=';
	memcpy(label + key_size + 1, value, value_size + 1);
	grown[n] = label;
	grown[n + 1] = NULL;
	container->labels = grown;
	return 0;
}

const char *container_label(const struct container *container, const char *key)
{
	size_t size = strlen(key);

	for (char **label = container->labels; label && *label; label++)
		if (strncmp(*label, key, size) == 0 && (*label)[size] == '=')
			return *label + size + 1;
	return NULL;
}

struct container *containers_add(struct containers *containers)
{
	void *items = containers->items;

	if (!array_grow(&items, sizeof(*containers->items), &containers->room, containers->n + 1))
		return NULL;
	containers->items = items;
	containers->items[containers->n] = (struct container){.scheme = NULL};
	return &containers->items[containers->n++];
}

int containers_move(struct containers *containers, struct containers *from)
{
	void *items = containers->items;

	if (from->n == 0)
		return 0;
	if (!array_grow(&items, sizeof(*containers->items), &containers->room,
			containers->n + from->n))
		return -ENOMEM;
	containers->items = items;
	memcpy(&containers->items[containers->n], from->items, from->n * sizeof(*from->items));
	containers->n += from->n;
	free(from->items);
	*from = (struct containers)CONTAINERS_INIT;
	return 0;
}

void containers_remove(struct containers *containers, size_t i)
{
	container_done(&containers->items[i]);
	memmove(&containers->items[i], &containers->items[i + 1],
		(containers->n - i - 1) * sizeof(*containers->items));
	containers->n--;
}

void containers_done(struct containers *containers)
{
	for (size_t i = 0; i < containers->n; i++)
		container_done(&containers->items[i]);
	free(containers->items);
	*containers = (struct containers)CONTAINERS_INIT;
}

bool container_id_begins_with(const char *id, const char *ref)
{
	return id && *ref && strncmp(id, ref, strlen(ref)) == 0;
}

static bool is_named(const struct container *container, const char *ref)
{
	return container->name && strcmp(container->name, *ref == '/' ? ref + 1 : ref) == 0;
}

static bool has_id(const struct container *container, const char *ref)
{
	return container->id && strcmp(container->id, ref) == 0;
}

static bool has_id_like(const struct container *container, const char *ref)
{
	return container_id_begins_with(container->id, ref);
}

void containers_match(struct containers *containers, const char *ref)
{
	static bool (*const rules[])(const struct container *, const char *) = {has_id, is_named,
										has_id_like};
	size_t rule = 0, kept = 0;

	for (; rule < ELEMENTS(rules); rule++) {
		size_t i = 0;

		while (i < containers->n && !rules[rule](&containers->items[i], ref))
			i++;
		if (i < containers->n)
			break;
	}
	for (size_t i = 0; i < containers->n; i++) {
		struct container *container = &containers->items[i];

		if (rule == ELEMENTS(rules) || !rules[rule](container, ref))
			container_done(container);
		else
			containers->items[kept++] = *container;
	}
	containers->n = kept;
}
