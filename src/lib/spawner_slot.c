/* SPDX-License-Identifier: MIT
 *
 * Slots of the commands' cgroup: made, given out, taken back. One is somebody's as long as it isn't empty.
 * Not here: whether a command gets one (spawner_cgroup.c).
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/format.h"
#include "base/io.h"
#include "lib/spawner.h"
#include "sys/cgroup.h"
#include "sys/proc.h"

enum { IDLE_MAX = 64, REMOVE_MS = 20, EMPTY_LINKS = 2 /* of a directory with none below it */ };

static void push(struct spawn_slots *slots, struct spawn_slot *slot)
{
	slot->next = NULL;
	if (!slots->first)
		slots->end = &slots->first;
	*slots->end = slot;
	slots->end = &slot->next;
	slots->n++;
}

static struct spawn_slot *pop(struct spawn_slots *slots)
{
	struct spawn_slot *slot = slots->first;

	if (slot) {
		slots->first = slot->next;
		slots->n--;
	}
	return slot;
}

struct own_cgroups slot_alone(struct spawn_slot *slot)
{
	return (struct own_cgroups){.list = &slot->own, .n = 1};
}

static bool is_empty(struct spawn_slot *slot)
{
	const struct own_cgroups own = slot_alone(slot);

	return own_cgroups_populated(&own) == 0;
}

static int read_file(const struct spawn_slot *slot, const char *file, char *buf, size_t size)
{
	char path[160];

	(void)format_safe(path, sizeof(path), "%s/%s", slot->name, file);
	return (int)proc_read_small(slot->own.base, path, buf, size);
}

int slot_open(const struct spawn_slot *slot)
{
	int fd = openat(slot->own.base, slot->name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

static void thaw(const struct spawn_slot *slot)
{
	char path[160];

	(void)format_safe(path, sizeof(path), "%s/%s", slot->name,
			  slot->own.freezes ? "freezer.state" : "cgroup.freeze");
	(void)proc_write(slot->own.base, path, slot->own.freezes ? "THAWED" : "0");
}

/* Nobody in it, and not frozen: who was in there as root can have done that, and who is put in then would keep us with it. */
static int is_usable(struct spawn_slot *slot)
{
	char text[256];
	int r = read_file(slot, slot->own.freezes ? "freezer.state" : "cgroup.events", text,
			  sizeof(text));

	if (r < 0 || cgroup_text_is_frozen(text, !slot->own.freezes))
		return r < 0 ? r : 0;
	return slot->own.freezes ? is_empty(slot) : !strstr(text, "populated 1");
}

/* What a command has made below it isn't for the next one. */
static bool is_untouched(const struct spawn_slot *slot)
{
	struct stat st;

	return fstatat(slot->own.base, slot->name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	       st.st_nlink == EMPTY_LINKS;
}

void slot_discard(struct cj_spawner *spawner, struct spawn_slot *slot)
{
	int r = own_cgroup_remove(slot->own.base, slot->name, clock_ms() + REMOVE_MS);

	if (r == -EBUSY || r == -ETIMEDOUT)
		push(&spawner->used, slot);
	else
		free(slot);
}

void slot_keep(struct cj_spawner *spawner, struct spawn_slot *slot)
{
	if (spawner->idle.n < IDLE_MAX && !slot->was_killed && is_untouched(slot))
		push(&spawner->idle, slot);
	else
		slot_discard(spawner, slot);
}

/* One of those that were left with somebody in it, the oldest: each has its turn. */
static void look_at_used(struct cj_spawner *spawner)
{
	struct spawn_slot *slot = pop(&spawner->used);

	if (slot && is_empty(slot))
		slot_keep(spawner, slot);
	else if (slot)
		push(&spawner->used, slot);
}

static int make_slot(struct cj_spawner *spawner, struct spawn_slot **ret)
{
	const struct own_cgroup *parent = spawner->parent;
	struct spawn_slot *slot = calloc(1, sizeof(*slot));
	int r;

	if (!slot)
		return -ENOMEM;
	(void)format_safe(slot->name, sizeof(slot->name), "%s/%u", parent->name,
			  ++spawner->numbered);
	slot->own = *parent;
	slot->own.name = slot->name;
	r = mkdirat(parent->base, slot->name, 0755) < 0 ? -errno : 0;
	if (r < 0)
		free(slot);
	else
		*ret = slot;
	return r;
}

/* If it's frozen, itself or by the one above, that's undone. 1, 0, -errno */
static int make_usable(struct cj_spawner *spawner, struct spawn_slot *slot)
{
	struct spawn_slot above = {.own = *spawner->parent};
	int r = is_usable(slot);

	if (r != 0)
		return r;
	(void)format_safe(above.name, sizeof(above.name), "%s", spawner->parent->name);
	thaw(&above);
	thaw(slot);
	return is_usable(slot);
}

/* It isn't the slot's fault. */
bool slot_is_short_of(int r)
{
	return r == -EMFILE || r == -ENFILE || r == -ENOMEM;
}

int slot_take(struct cj_spawner *spawner, struct spawn_slot **ret)
{
	for (;;) {
		bool fresh = spawner->idle.n == 0;
		struct spawn_slot *slot = pop(&spawner->idle);
		int r = fresh ? make_slot(spawner, &slot) : 0;

		if (r == 0)
			r = make_usable(spawner, slot);
		if (r > 0) {
			*ret = slot;
			return 0;
		}
		if (slot && slot_is_short_of(r))
			push(&spawner->idle, slot);
		else if (slot)
			slot_discard(spawner, slot);
		if (fresh || slot_is_short_of(r))
			return r < 0 ? r : -EBUSY;
	}
}

void slot_leave(struct cj_child *child)
{
	child->slot = NULL;
	child->own = (struct own_cgroups)OWN_CGROUPS_INIT;
}

int spawner_settle(struct cj_child *child)
{
	struct cj_spawner *spawner = child->spawner;
	int r = own_cgroups_populated(&child->own);

	/* By us, or perhaps by somebody else: see try_birth(). */
	child->slot->was_killed |= child->own.killed || child->end.signal == SIGKILL;
	if (r > 0)
		return 0;
	if (r == 0)
		slot_keep(spawner, child->slot);
	else
		push(&spawner->used, child->slot);
	slot_leave(child);
	return 1;
}

void spawner_take_back(struct cj_child *child)
{
	struct cj_spawner *spawner = child->spawner;

	if (child->slot) {
		own_cgroups_vacate(&child->own);
		if (!spawner_settle(child)) {
			push(&spawner->used, child->slot);
			slot_leave(child);
		}
	}
	look_at_used(spawner);
	if (child->place)
		*child->place = (struct session_leader){0, 0};
	child->place = NULL;
	child->spawner = NULL;
}

void spawner_free_slots(struct cj_spawner *spawner)
{
	struct spawn_slot *slot;

	while ((slot = pop(&spawner->idle)) || (slot = pop(&spawner->used)))
		free(slot);
}
