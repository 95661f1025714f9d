/* SPDX-License-Identifier: MIT */
#include "sys/cgroup_usage.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/parse.h"
#include "sys/proc.h"

enum { FILE_ROOM = 4096, NANOSECONDS = 1000 };

enum { MEMORY = 1, PIDS = 2, CPU = 4, CPUACCT = 8 };

static const struct {
	const char *name;
	unsigned int bit;
} told[] = {{"memory", MEMORY}, {"pids", PIDS}, {"cpu", CPU}, {"cpuacct", CPUACCT}};

/* From here on v1 means "no limit": the largest multiple of a page that fits its counter. */
#define V1_MEMORY_UNLIMITED (UINT64_C(1) << 62)

/* One number, or "max". */
static bool read_number(int directory, const char *name, uint64_t *ret)
{
	char text[FILE_ROOM];

	if (proc_read_small(directory, name, text, sizeof(text)) < 0)
		return false;
	text[strcspn(text, "\n")] = '\0';
	if (strcmp(text, "max") == 0) {
		*ret = USAGE_NO_LIMIT;
		return true;
	}
	return parse_u64(text, 0, UINT64_MAX, ret) == 0;
}

/* "usage_usec 123" among lines of that form. */
static bool read_field(int directory, const char *name, const char *field, uint64_t *ret)
{
	char text[FILE_ROOM], *at, *next;
	size_t length = strlen(field);

	if (proc_read_small(directory, name, text, sizeof(text)) < 0)
		return false;
	for (at = text; *at; at = next) {
		next = at + strcspn(at, "\n");
		if (*next)
			*next++ = '\0';
		if (strncmp(at, field, length) == 0 && at[length] == ' ')
			return parse_u64(at + length + 1, 0, UINT64_MAX, ret) == 0;
	}
	return false;
}

/* "max 100000" */
static void add_unified_quota(int directory, struct cgroup_usage *usage)
{
	char text[FILE_ROOM], *period;

	if (proc_read_small(directory, "cpu.max", text, sizeof(text)) < 0)
		return;
	text[strcspn(text, "\n")] = '\0';
	period = strchr(text, ' ');
	if (!period)
		return;
	*period++ = '\0';
	usage->cpu_quota = USAGE_NO_LIMIT;
	usage->has_quota = parse_u64(period, 1, UINT64_MAX, &usage->cpu_period) == 0 &&
			   (strcmp(text, "max") == 0 ||
			    parse_u64(text, 0, UINT64_MAX, &usage->cpu_quota) == 0);
}

static void add_unified(int directory, unsigned int controllers, struct cgroup_usage *usage)
{
	if (controllers & MEMORY)
		usage->has_memory |= read_number(directory, "memory.current", &usage->memory) &&
				     read_number(directory, "memory.max", &usage->memory_limit);
	if (controllers & PIDS)
		usage->has_pids |= read_number(directory, "pids.current", &usage->pids) &&
				   read_number(directory, "pids.max", &usage->pids_limit);
	/* There without the controller as well: then another hierarchy may have told it already. */
	if (!usage->has_cpu)
		usage->has_cpu = read_field(directory, "cpu.stat", "usage_usec", &usage->cpu_used);
	if (controllers & CPU)
		add_unified_quota(directory, usage);
}

static void add_v1_memory(int directory, struct cgroup_usage *usage)
{
	if (!read_number(directory, "memory.usage_in_bytes", &usage->memory) ||
	    !read_number(directory, "memory.limit_in_bytes", &usage->memory_limit))
		return;
	usage->has_memory = true;
	if (usage->memory_limit >= V1_MEMORY_UNLIMITED)
		usage->memory_limit = USAGE_NO_LIMIT;
}

/* -1: no quota */
static void add_v1_quota(int directory, struct cgroup_usage *usage)
{
	char text[64];

	if (!read_number(directory, "cpu.cfs_period_us", &usage->cpu_period) ||
	    proc_read_small(directory, "cpu.cfs_quota_us", text, sizeof(text)) <= 0)
		return;
	text[strcspn(text, "\n")] = '\0';
	usage->cpu_quota = USAGE_NO_LIMIT;
	usage->has_quota = text[0] == '-' || parse_u64(text, 0, UINT64_MAX, &usage->cpu_quota) == 0;
}

static void add_v1(int directory, unsigned int controllers, struct cgroup_usage *usage)
{
	uint64_t used;

	if (controllers & MEMORY)
		add_v1_memory(directory, usage);
	if (controllers & PIDS && read_number(directory, "pids.current", &usage->pids)) {
		usage->has_pids = true;
		if (!read_number(directory, "pids.max", &usage->pids_limit))
			usage->pids_limit = USAGE_NO_LIMIT; /* the root has none */
	}
	if (controllers & CPUACCT && read_number(directory, "cpuacct.usage", &used)) {
		usage->has_cpu = true;
		usage->cpu_used = used / NANOSECONDS;
	}
	if (controllers & CPU)
		add_v1_quota(directory, usage);
}

static void add(const char *directory, const struct cgroup_entry *entry, unsigned int controllers,
		struct cgroup_usage *usage)
{
	_cleanup_fd_ int fd = cgroup_open(directory);

	if (fd < 0) {
		if (fd != -ENOENT) /* removed meanwhile, or above our cgroup namespace */
			usage->unread = -fd;
		return;
	}
	if (entry->unified)
		add_unified(fd, controllers, usage);
	else
		add_v1(fd, controllers, usage);
}

/* Those of an entry that tell something. What a v1 hierarchy has, v2 hasn't. */
static unsigned int controllers_of(const struct cgroup_list *list, const struct cgroup_entry *entry)
{
	unsigned int found = 0;

	for (size_t i = 0; i < ELEMENTS(told); i++) {
		const struct cgroup_entry *of = cgroup_list_controller(list, told[i].name);

		if (of == entry || (!of && entry->unified))
			found |= told[i].bit;
	}
	return found;
}

void cgroup_usage_read(const struct cgroup_list *list, const struct cgroup_mounts *mounts,
		       struct cgroup_usage *ret)
{
	struct cgroup_usage usage = {.has_memory = false};

	for (size_t i = 0; i < list->n; i++) {
		const struct cgroup_entry *entry = &list->entries[i];
		unsigned int controllers = controllers_of(list, entry);
		_cleanup_free_ char *directory = NULL;

		if ((controllers || (entry->unified && !usage.has_cpu)) &&
		    cgroup_directory(mounts, entry, &directory) == 0)
			add(directory, entry, controllers, &usage);
	}
	*ret = usage;
}
