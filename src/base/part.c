/* SPDX-License-Identifier: MIT */
#include "base/part.h"

#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/format.h"

static const char *const names[PARTS] = {
	[PART_CGROUPS] = "cgroups",
	[PART_RLIMITS] = "rlimits",
	[PART_OOM] = "oom-score-adj",
	[PART_CORE_FILTER] = "core-filter",
	[PART_SCHEDULER] = "scheduler",
	[PART_NICE] = "nice",
	[PART_IOPRIO] = "ioprio",
	[PART_AFFINITY] = "affinity",
	[PART_LABEL] = "label",
	[PART_NAMESPACES] = "namespaces",
	[PART_ROOT] = "root",
	[PART_CWD] = "cwd",
	[PART_UMASK] = "umask",
	[PART_PERSONALITY] = "personality",
	[PART_TIMER_SLACK] = "timer-slack",
	[PART_KEYRING] = "keyring",
	[PART_CAPABILITIES] = "capabilities",
	[PART_GROUPS] = "groups",
	[PART_IDS] = "ids",
	[PART_SECCOMP] = "seccomp",
	[PART_NO_NEW_PRIVS] = "no-new-privs",
	[PART_ENVIRONMENT] = "environment",
	[PART_COMMAND] = "command",
	[PART_VIEW] = "view",
	[PART_GUARD] = "guard",
};

const char *part_name(enum part part)
{
	return names[part];
}

static int parse_word(const char *word, size_t length, uint32_t *set)
{
	for (int i = 0; i < PART_COMMAND; i++)
		if (strlen(names[i]) == length && memcmp(names[i], word, length) == 0) {
			*set |= UINT32_C(1) << i;
			return 0;
		}
	return -EINVAL;
}

static void list_names(char *buf, size_t size)
{
	size_t n = 0;

	buf[0] = '\0';
	for (int i = 0; i < PART_COMMAND; i++)
		n += format_safe(buf + n, size - n, "%s%s", n ? " " : "", names[i]);
}

int parts_parse(const char *text, uint32_t *ret, struct cj_error *err)
{
	uint32_t set = 0;

	for (;;) {
		size_t length = strcspn(text, ",");

		if (parse_word(text, length, &set) < 0) {
			_cleanup_free_ char *word = strndup(text, length);
			char all[256];

			list_names(all, sizeof(all));
			return cj_fail(err, EINVAL, "skip \"%s\" (there are: %s)", word ? word : "",
				       all);
		}
		if (!text[length])
			break;
		text += length + 1;
	}
	*ret = set;
	return 0;
}
