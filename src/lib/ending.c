/* SPDX-License-Identifier: MIT */
#include "lib/ending.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/parse.h"
#include "lib/target.h"
#include "sys/cgroup.h"

/* The kernel ends a container's first process after all the others. */
enum { TARGET_MS = 200, DYING_MS = 1000 };

void ending_init(struct ending *ending, const struct cj_plan *plan, const struct own_cgroups *own)
{
	*ending = (struct ending){.plan = plan,
				  .own = own,
				  .memory = -EBADF,
				  .kills = -1,
				  .pauses = -EBADF};
}

void ending_done(struct ending *ending)
{
	close_fd(&ending->memory);
	close_fd(&ending->pauses);
}

/* Our own entry of the hierarchy in which a controller works; NULL: in none. */
static const struct cgroup_entry *hierarchy(const struct cj_plan *plan, const char *controller)
{
	const struct cgroup_list *ours = &plan->facts.ours.cgroups;

	return cgroup_list_controller(ours, controller) ?: cgroup_list_controller(ours, "");
}

/* What is planned there; NULL: the command is where we are. */
static const struct plan_cgroup *planned(const struct cj_plan *plan,
					 const struct cgroup_entry *entry)
{
	for (size_t i = 0; i < plan->n_cgroups; i++)
		if (strcmp(plan->cgroups[i].name, cgroup_entry_name(entry)) == 0)
			return &plan->cgroups[i];
	return NULL;
}

/* The fresh one that was made there. */
static const struct own_cgroup *made(const struct ending *ending, const struct plan_cgroup *cgroup)
{
	for (size_t i = 0; i < ending->own->n; i++)
		if (ending->own->list[i].name && !ending->own->list[i].tree &&
		    &ending->plan->cgroups[ending->own->list[i].i] == cgroup)
			return &ending->own->list[i];
	return NULL;
}

/* The directory of the cgroup that the command's memory counts in; `*ret_fresh`: only the command's. */
static char *memory_directory(const struct ending *ending, const struct cgroup_entry *entry,
			      bool *ret_fresh)
{
	const struct plan_cgroup *cgroup = planned(ending->plan, entry);
	const struct own_cgroup *own = cgroup ? made(ending, cgroup) : NULL;
	char *directory = NULL;

	*ret_fresh = own;
	if (own)
		return asprintf(&directory, "%s/%s", cgroup->directory, own->name) < 0 ? NULL
										       : directory;
	if (cgroup && !cgroup->own)
		return strdup(cgroup->directory);
	return cgroup_directory(&ending->plan->facts.mounts, entry, &directory) < 0 ? NULL
										    : directory;
}

/* v2: of the next one above in which memory is counted, which isn't the command's alone. */
static int open_counter(char *directory, bool unified, bool *fresh)
{
	int fd;

	if (!unified)
		return cgroup_open_file(directory, "memory.oom_control");
	while ((fd = cgroup_open_file(directory, "memory.events.local")) == -ENOENT) {
		char *slash = strrchr(directory, '/');

		if (!slash || slash == directory)
			break;
		*slash = '\0';
		*fresh = false;
	}
	return fd;
}

int64_t ending_parse_kills(const char *text)
{
	static const char key[] = "oom_kill ";
	char digits[24];
	uint64_t n;

	for (const char *line = text; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (strncmp(line, key, strlen(key)) != 0)
			continue;
		line += strlen(key);
		(void)snprintf(digits, sizeof(digits), "%.*s", (int)strcspn(line, "\n"), line);
		return parse_u64(digits, 0, INT64_MAX, &n) < 0 ? -EBADMSG : (int64_t)n;
	}
	return -EBADMSG;
}

static int64_t count_kills(const struct ending *ending)
{
	char text[512];
	ssize_t n = ending->memory < 0 ? -EBADF : pread(ending->memory, text, sizeof(text) - 1, 0);

	if (n < 0)
		return -EBADF;
	text[n] = '\0';
	return ending_parse_kills(text);
}

/* What a fresh one has counted it has counted of the command. */
static void open_memory(struct ending *ending, bool *ret_fresh)
{
	const struct cgroup_entry *entry = hierarchy(ending->plan, "memory");
	_cleanup_free_ char *directory = entry ? memory_directory(ending, entry, ret_fresh) : NULL;

	if (directory)
		ending->memory = open_counter(directory, entry->unified, ret_fresh);
}

/* Where the command is frozen with its target; NULL: nowhere, or where we would be as well. */
static const char *freezer_directory(const struct cj_plan *plan, const char *controller)
{
	const struct cgroup_entry *entry =
		cgroup_list_controller(&plan->facts.ours.cgroups, controller);
	const struct plan_cgroup *cgroup = entry ? planned(plan, entry) : NULL;

	return cgroup && !cgroup->own ? cgroup->directory : NULL;
}

void ending_begin(struct ending *ending)
{
	const char *directory = ending->plan ? freezer_directory(ending->plan, "") : NULL;
	bool fresh = false;

	if (!ending->plan || ending->memory >= 0)
		return;
	open_memory(ending, &fresh);
	ending->kills = fresh ? 0 : count_kills(ending);
	ending->since = clock_ms();
	if (directory)
		ending->pauses = cgroup_open_file(directory, "cgroup.events");
}

/* It has to be read for the next change to be told. Gone with its cgroup it would be ready for ever. */
static bool read_pauses(struct ending *ending)
{
	char text[256];
	ssize_t n = pread(ending->pauses, text, sizeof(text) - 1, 0);

	if (n < 0) {
		close_fd(&ending->pauses);
		return false;
	}
	text[n] = '\0';
	return cgroup_text_is_frozen(text, true);
}

bool ending_is_paused(struct ending *ending)
{
	const char *v1 = ending->plan ? freezer_directory(ending->plan, "freezer") : NULL;
	const char *v2 = ending->plan ? freezer_directory(ending->plan, "") : NULL;

	if (ending->pauses >= 0 ? read_pauses(ending) : v2 && cgroup_is_frozen(v2, true))
		return true;
	return v1 && cgroup_is_frozen(v1, false);
}

bool ending_oom(struct ending *ending)
{
	return ending->kills >= 0 && count_kills(ending) > ending->kills;
}

enum cj_ending ending_judge(struct ending *ending, const struct cj_exit *end)
{
	struct pollfd target = {.fd = -1, .events = POLLIN};
	bool oom, perhaps = false, fresh = false;

	if (!ending->plan || end->signal != SIGKILL)
		return CJ_ENDING_OWN;
	if (ending->memory < 0) { /* it hasn't run for long */
		open_memory(ending, &fresh);
		ending->kills = fresh ? 0 : -1;
		perhaps = !fresh && count_kills(ending) > 0;
	}
	oom = ending_oom(ending);
	/* One that was killed right before we looked takes a while to be gone. */
	perhaps |= !oom && ending->kills > 0 && ending->since &&
		   clock_ms() - ending->since < DYING_MS;
	target.fd = ending->plan->target->ref.fd;
	if (poll(&target, 1, TARGET_MS) == 1)
		return oom ? CJ_ENDING_TARGET_MEMORY : CJ_ENDING_TARGET;
	return oom ? CJ_ENDING_MEMORY : perhaps ? CJ_ENDING_MEMORY_PERHAPS : CJ_ENDING_OWN;
}

const char *cj_ending_text(enum cj_ending ending)
{
	switch (ending) {
	case CJ_ENDING_OWN:
		return NULL;
	case CJ_ENDING_TARGET:
		return "the target has ended, and the command with it";
	case CJ_ENDING_MEMORY:
		return "the kernel has killed the command for want of memory";
	case CJ_ENDING_TARGET_MEMORY:
		return "the target has ended, and the command with it: the kernel kills there for want of "
		       "memory";
	case CJ_ENDING_MEMORY_PERHAPS:
		return "the command was killed, perhaps for want of memory: the kernel has done so in its "
		       "cgroup before";
	case CJ_ENDING_PAUSED:
		return "the target is paused: the command was killed, and ends when the target is continued";
	case CJ_ENDING_STUCK:
		return "the command was killed and doesn't end: the kernel can't interrupt what it waits for";
	case CJ_ENDING_REFUSED:
		return "the command couldn't be killed: it has rights that we don't have, and goes on";
	case CJ_ENDING_TRACED:
		return "the command has ended, and the process that traces it keeps how";
	}
	return NULL;
}
