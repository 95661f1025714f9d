/* SPDX-License-Identifier: MIT */
#include "sys/capabilities.h"

#include <errno.h>
#include <linux/securebits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/capability.h> /* libcap's: none of our files may have that name */
#include <sys/prctl.h>

#include "base/cleanup.h"
#include "base/format.h"
#include "sys/syscalls.h"

#define NUMBERS 64
#define NAME_CHARACTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_"

uint64_t capabilities_all(void)
{
	cap_value_t n = cap_max_bits();

	return n >= NUMBERS ? UINT64_MAX : CAPABILITY(n) - 1;
}

static int parse_word(const char *word, size_t length, uint64_t *set)
{
	char name[64] = "cap_";
	size_t skip = length > 4 && strncasecmp(word, "cap_", 4) == 0 ? 4 : 0;
	cap_value_t number;

	if (length == 3 && strncasecmp(word, "all", 3) == 0) {
		*set |= capabilities_all();
		return 0;
	}
	if (length - skip >= sizeof(name) - 4)
		return -EINVAL;
	memcpy(name + 4, word + skip, length - skip);
	name[4 + length - skip] = '\0';
	/* libcap would take a name with anything behind it. */
	if (name[4 + strspn(name + 4, NAME_CHARACTERS)] || cap_from_name(name, &number) < 0)
		return -EINVAL;
	*set |= CAPABILITY(number);
	return 0;
}

int capabilities_parse(const char *text, uint64_t *ret, struct cj_error *err)
{
	uint64_t set = 0;

	for (;;) {
		size_t length = strcspn(text, ",");

		if (length == 0 || parse_word(text, length, &set) < 0) {
			_cleanup_free_ char *word = strndup(text, length);

			return cj_fail(err, EINVAL, "capability \"%s\"", word ? word : "");
		}
		if (!text[length])
			break;
		text += length + 1;
	}
	*ret = set;
	return 0;
}

void capability_name(int number, char *buf, size_t size)
{
	char *name = cap_to_name(number);

	if (name && name[0] == 'c')
		(void)format_safe(buf, size, "%s", name);
	else
		(void)format_safe(buf, size, "cap_%d", number);
	cap_free(name);
	for (char *at = buf; *at; at++)
		if (*at >= 'a' && *at <= 'z')
			*at = (char)(*at - 'a' + 'A');
}

void capabilities_format(uint64_t set, char *buf, size_t size)
{
	size_t n = 0;

	if (set == 0 || set == capabilities_all()) {
		(void)format_safe(buf, size, "%s", set ? "all" : "none");
		return;
	}
	for (int i = 0; i < NUMBERS; i++) {
		char name[32];

		if (!(set & CAPABILITY(i)))
			continue;
		capability_name(i, name, sizeof(name));
		n += format_safe(buf + n, size - n, "%s%s", n ? "," : "", name + 4);
	}
}

/* Those of a set that prctl tells one by one. */
static uint64_t ask_each(int option, unsigned long arg2, bool number_is_third)
{
	uint64_t set = 0;

	for (int i = 0; i < NUMBERS; i++) {
		unsigned long number = (unsigned long)i;
		int r = sys_prctl(option, number_is_third ? arg2 : number,
				  number_is_third ? number : 0);

		if (r < 0) /* EINVAL: the kernel knows no more of them */
			break;
		if (r > 0)
			set |= CAPABILITY(i);
	}
	return set;
}

int capabilities_read_own(struct capability_sets *ret)
{
	struct __user_cap_data_struct data[2];
	int r = sys_capget(data);

	if (r < 0)
		return r;
	ret->inheritable = data[0].inheritable | (uint64_t)data[1].inheritable << 32;
	ret->permitted = data[0].permitted | (uint64_t)data[1].permitted << 32;
	ret->effective = data[0].effective | (uint64_t)data[1].effective << 32;
	ret->bounding = ask_each(PR_CAPBSET_READ, 0, false);
	/* Only what is inheritable can be ambient. */
	ret->ambient = ret->inheritable ? ask_each(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, true) : 0;
	return 0;
}

bool capabilities_survive_execve(uid_t euid, const struct capability_sets *sets)
{
	int bits = sys_prctl(PR_GET_SECUREBITS, 0, 0);
	uint64_t afterwards = sets->ambient;

	if (euid == 0 && bits >= 0 && !(bits & SECBIT_NOROOT))
		afterwards |= sets->bounding | sets->inheritable;
	return (sets->permitted & ~afterwards) == 0;
}

int capabilities_set(uint64_t inheritable, uint64_t permitted, uint64_t effective)
{
	struct __user_cap_data_struct data[2];

	for (int i = 0; i < 2; i++) {
		data[i].inheritable = (uint32_t)(inheritable >> 32 * i);
		data[i].permitted = (uint32_t)(permitted >> 32 * i);
		data[i].effective = (uint32_t)(effective >> 32 * i);
	}
	return sys_capset(data);
}

int capabilities_bound(uint64_t keep)
{
	for (int i = 0; i < NUMBERS; i++) {
		int r;

		if (keep & CAPABILITY(i))
			continue;
		r = sys_prctl(PR_CAPBSET_DROP, (unsigned long)i, 0);
		if (r == -EINVAL) /* the kernel knows no more of them */
			return 0;
		if (r == -EPERM && sys_prctl(PR_CAPBSET_READ, (unsigned long)i, 0) == 0)
			continue; /* not ours to drop, and not there either */
		if (r < 0)
			return r;
	}
	return 0;
}

int capabilities_ambient(uint64_t set)
{
	int r = sys_prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0);

	for (int i = 0; i < NUMBERS && r == 0; i++)
		if (set & CAPABILITY(i))
			r = sys_prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, (unsigned long)i);
	return r;
}
