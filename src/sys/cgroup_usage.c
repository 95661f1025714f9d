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

static void add_unified(int directory, struct cgroup_usage *usage)
{
	char text[FILE_ROOM], *period;

	usage->has_memory |= read_number(directory, "memory.current", &usage->memory) &&
			     read_number(directory, "memory.max", &usage->memory_limit);
	usage->has_pids |= read_number(directory, "pids.current", &usage->pids) &&
			   read_number(directory, "pids.max", &usage->pids_limit);
	/* There without the controller as well: then another hierarchy may have told it already. */
	if (!usage->has_cpu)
		usage->has_cpu = read_field(directory, "cpu.stat", "usage_usec", &usage->cpu_used);
	/* "max 100000" */
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

static void add_v1(int directory, struct cgroup_usage *usage)
{
	uint64_t used;
	char text[64];

	if (read_number(directory, "memory.usage_in_bytes", &usage->memory) &&
	    read_number(directory, "memory.limit_in_bytes", &usage->memory_limit)) {
		usage->has_memory = true;
		if (usage->memory_limit >= V1_MEMORY_UNLIMITED)
			usage->memory_limit = USAGE_NO_LIMIT;
	}
	if (read_number(directory, "pids.current", &usage->pids)) {
		usage->has_pids = true;
		if (!read_number(directory, "pids.max", &usage->pids_limit))
			usage->pids_limit = USAGE_NO_LIMIT; /* the root has none */
	}
	if (read_number(directory, "cpuacct.usage", &used)) {
		usage->has_cpu = true;
		usage->cpu_used = used / NANOSECONDS;
	}
	/* -1: no quota */
	if (read_number(directory, "cpu.cfs_period_us", &usage->cpu_period) &&
	    proc_read_small(directory, "cpu.cfs_quota_us", text, sizeof(text)) > 0) {
		text[strcspn(text, "\n")] = '\0';
		usage->cpu_quota = USAGE_NO_LIMIT;
		usage->has_quota = text[0] == '-' ||
				   parse_u64(text, 0, UINT64_MAX, &usage->cpu_quota) == 0;
	}
}

void cgroup_usage_add(const char *directory, const struct cgroup_entry *entry,
		      struct cgroup_usage *usage)
{
	_cleanup_fd_ int fd = cgroup_open(directory);

	if (fd < 0) {
		if (fd != -ENOENT) /* removed meanwhile, or above our cgroup namespace */
			usage->unread = -fd;
		return;
	}
	if (entry->unified)
		add_unified(fd, usage);
	else
		add_v1(fd, usage);
}

/* v1 hierarchies without any of these have nothing to tell. */
static bool may_tell(const struct cgroup_entry *entry)
{
	return entry->unified || strstr(entry->controllers, "memory") ||
	       strstr(entry->controllers, "cpu") || strstr(entry->controllers, "pids");
}

void cgroup_usage_read(const struct cgroup_list *list, const struct cgroup_mounts *mounts,
		       struct cgroup_usage *ret)
{
	struct cgroup_usage usage = {.has_memory = false};

	for (size_t i = 0; i < list->n; i++) {
		_cleanup_free_ char *directory = NULL;

		if (may_tell(&list->entries[i]) &&
		    cgroup_directory(mounts, &list->entries[i], &directory) == 0)
			cgroup_usage_add(directory, &list->entries[i], &usage);
	}
	*ret = usage;
}
