/* SPDX-License-Identifier: MIT */
#include "lib/seccomp_rule.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/parse.h"
#include "engine/json.h"
#include "sys/capabilities.h"

enum { CALL_ARGS = 6, ERRNO_MAX = 0xffff, ERRNO_NAMES = 256 };

int seccomp_rule_wants_listener(struct cj_error *err)
{
	cj_hint(err, "choose another filter, or none, with --seccomp");
	return cj_fail(err, EOPNOTSUPP,
		       "use the seccomp profile: a filter that wants a listener, and here is none");
}

uint32_t seccomp_rule_arch_token(const char *name)
{
	static const char prefix[] = "SCMP_ARCH_";
	char lower[32];
	size_t i;

	if (strncmp(name, prefix, strlen(prefix)) == 0)
		name += strlen(prefix);
	for (i = 0; name[i] && i < sizeof(lower) - 1; i++)
		lower[i] = name[i] >= 'A' && name[i] <= 'Z' ? (char)(name[i] + 'a' - 'A') : name[i];
	lower[i] = '\0';
	if (name[i])
		return 0;
	return strcmp(lower, "native") == 0 ? seccomp_arch_native()
					    : seccomp_arch_resolve_name(lower);
}

/* What Go calls our architecture: the word of "arches" in includes and excludes. */
static const char *native_go_name(void)
{
	static const struct {
		uint32_t token;
		const char *name;
	} names[] = {
		{SCMP_ARCH_X86, "x86"},		{SCMP_ARCH_X86_64, "amd64"},
		{SCMP_ARCH_ARM, "arm"},		{SCMP_ARCH_AARCH64, "arm64"},
		{SCMP_ARCH_MIPS64, "mips64"},	{SCMP_ARCH_MIPS64N32, "mips64n32"},
		{SCMP_ARCH_MIPSEL, "mipsel"},	{SCMP_ARCH_MIPSEL64, "mipsel64"},
		{SCMP_ARCH_PPC, "ppc"},		{SCMP_ARCH_PPC64, "ppc64"},
		{SCMP_ARCH_PPC64LE, "ppc64le"}, {SCMP_ARCH_RISCV64, "riscv64"},
		{SCMP_ARCH_S390, "s390"},	{SCMP_ARCH_S390X, "s390x"},
	};

	for (size_t i = 0; i < ELEMENTS(names); i++)
		if (names[i].token == seccomp_arch_native())
			return names[i].name;
	return "";
}

int seccomp_build_note_unknown(struct seccomp_build *build, const char *name)
{
	struct seccomp_profile *to = build->unknown;
	char **list;

	for (size_t i = 0; i < to->n_unknown; i++)
		if (strcmp(to->unknown[i], name) == 0)
			return 0;
	list = reallocarray(to->unknown, to->n_unknown + 1, sizeof(*list));
	if (!list)
		return -ENOMEM;
	to->unknown = list;
	list[to->n_unknown] = strdup(name);
	if (!list[to->n_unknown])
		return -ENOMEM;
	to->n_unknown++;
	return 0;
}

/* "EPERM", as Podman's profiles have it, or digits. */
static int parse_errno(const char *text, uint64_t *ret)
{
	for (int i = 1; i < ERRNO_NAMES; i++) {
		const char *name = strerrorname_np(i); /* glibc 2.32; NULL for a gap */

		if (name && strcmp(name, text) == 0) {
			*ret = (uint64_t)i;
			return 0;
		}
	}
	return parse_u64(text, 0, ERRNO_MAX, ret);
}

/* The errno that `object` gives by name or by number; EPERM if by neither. */
static int read_errno(const json_t *object, const char *name_key, const char *number_key,
		      uint64_t *ret)
{
	const json_t *name = json_object_get(object, name_key);
	const json_t *number = json_object_get(object, number_key);
	int r = 0;

	*ret = EPERM;
	if (json_is_string(name) && json_string_length(name) > 0)
		r = parse_errno(json_string_value(name), ret);
	else if (number && !json_is_null(number))
		r = json_u64(number, ret);
	return r < 0 ? r : *ret > ERRNO_MAX ? -ERANGE : 0;
}

/* EOPNOTSUPP: it wants a listener. */
static int parse_action(const char *name, uint64_t number, uint32_t *ret)
{
	const struct {
		const char *name;
		uint32_t action;
	} actions[] = {
		{"SCMP_ACT_KILL", SCMP_ACT_KILL_THREAD}, /* as runc and crun do */
		{"SCMP_ACT_KILL_THREAD", SCMP_ACT_KILL_THREAD},
		{"SCMP_ACT_KILL_PROCESS", SCMP_ACT_KILL_PROCESS},
		{"SCMP_ACT_TRAP", SCMP_ACT_TRAP},
		{"SCMP_ACT_ERRNO", SCMP_ACT_ERRNO(number)},
		{"SCMP_ACT_TRACE", SCMP_ACT_TRACE(number)},
		{"SCMP_ACT_LOG", SCMP_ACT_LOG},
		{"SCMP_ACT_ALLOW", SCMP_ACT_ALLOW},
	};

	if (strcmp(name, "SCMP_ACT_NOTIFY") == 0)
		return -EOPNOTSUPP;
	for (size_t i = 0; i < ELEMENTS(actions); i++)
		if (strcmp(name, actions[i].name) == 0) {
			*ret = actions[i].action;
			return 0;
		}
	return -EINVAL;
}

int seccomp_rule_read_default(const json_t *profile, struct seccomp_build *build,
			      struct cj_error *err)
{
	const char *name = json_string_value(json_object_get(profile, "defaultAction"));
	int r;

	if (!name)
		return cj_fail(err, EINVAL, "read seccomp profile: no defaultAction");
	r = read_errno(profile, "defaultErrno", "defaultErrnoRet", &build->default_errno);
	if (r < 0)
		return cj_fail(err, EINVAL, "read seccomp profile: defaultErrnoRet is no errno");
	r = parse_action(name, build->default_errno, &build->default_action);
	if (r == -EOPNOTSUPP)
		return seccomp_rule_wants_listener(err);
	if (r < 0)
		return cj_fail(err, EINVAL, "read seccomp profile: unknown action %s", name);
	return 0;
}

static int parse_condition(const json_t *json, struct scmp_arg_cmp *ret)
{
	static const struct {
		const char *name;
		enum scmp_compare op;
	} operators[] = {
		{"SCMP_CMP_NE", SCMP_CMP_NE},
		{"SCMP_CMP_LT", SCMP_CMP_LT},
		{"SCMP_CMP_LE", SCMP_CMP_LE},
		{"SCMP_CMP_EQ", SCMP_CMP_EQ},
		{"SCMP_CMP_GE", SCMP_CMP_GE},
		{"SCMP_CMP_GT", SCMP_CMP_GT},
		{"SCMP_CMP_MASKED_EQ", SCMP_CMP_MASKED_EQ},
	};
	const char *op = json_string_value(json_object_get(json, "op"));
	const json_t *two = json_object_get(json, "valueTwo");
	uint64_t index, value, value_two = 0;

	if (!op || json_u64(json_object_get(json, "index"), &index) < 0 || index >= CALL_ARGS ||
	    json_u64(json_object_get(json, "value"), &value) < 0 ||
	    (two && json_u64(two, &value_two) < 0))
		return -EINVAL;
	for (size_t i = 0; i < ELEMENTS(operators); i++)
		if (strcmp(op, operators[i].name) == 0) {
			*ret = (struct scmp_arg_cmp){.arg = (unsigned int)index,
						     .op = operators[i].op,
						     .datum_a = value,
						     .datum_b = value_two};
			return 0;
		}
	return -EINVAL;
}

/* The conditions of a rule: ANDed, or each for itself when two are on the same argument. */
struct conditions {
	struct scmp_arg_cmp *list; /* owned */
	unsigned int count;
	bool apart;
};

static void conditions_done(struct conditions *conditions)
{
	free(conditions->list);
}

static int read_conditions(const json_t *rule, struct conditions *conditions)
{
	const json_t *args = json_object_get(rule, "args");
	unsigned int seen = 0;

	if (!args || json_is_null(args))
		return 0;
	if (!json_is_array(args))
		return -EINVAL;
	if (json_array_size(args) == 0)
		return 0;
	conditions->list = calloc(json_array_size(args), sizeof(*conditions->list));
	if (!conditions->list)
		return -ENOMEM;
	for (size_t i = 0; i < json_array_size(args); i++) {
		struct scmp_arg_cmp *one = &conditions->list[i];
		int r = parse_condition(json_array_get(args, i), one);

		if (r < 0)
			return r;
		conditions->apart |= seen & 1U << one->arg;
		seen |= 1U << one->arg;
		conditions->count++;
	}
	return 0;
}

static bool arch_is_ours(const char *word, const struct seccomp_build *build)
{
	(void)build;
	return strcmp(word, native_go_name()) == 0;
}

/* A name that we don't know is of a capability that nobody has. */
static bool capability_is_held(const char *word, const struct seccomp_build *build)
{
	uint64_t set;

	return capabilities_parse(word, &set, NULL) == 0 && set != 0 &&
	       (set & ~build->capabilities) == 0;
}

/* "4.8" <= "6.1.0-13-amd64": two numbers count, as in Docker's own code. */
static int kernel_is_at_least(const char *want, const struct seccomp_build *build)
{
	unsigned int major, minor, our_major, our_minor;

	if (sscanf(want, "%u.%u", &major, &minor) != 2 ||
	    sscanf(build->kernel, "%u.%u", &our_major, &our_minor) != 2)
		return -EINVAL;
	return our_major > major || (our_major == major && our_minor >= minor);
}

/* How many words of a list fit us, and how many there are. A missing list has none. */
static int count_hits(const json_t *list, const struct seccomp_build *build,
		      bool (*fits)(const char *, const struct seccomp_build *), size_t *ret_hits)
{
	size_t hits = 0;

	if (list && !json_is_null(list) && !json_is_array(list))
		return -EINVAL;
	for (size_t i = 0; i < json_array_size(list); i++) {
		const char *word = json_string_value(json_array_get(list, i));

		if (!word)
			return -EINVAL;
		hits += fits(word, build);
	}
	*ret_hits = hits;
	return (int)json_array_size(list);
}

/*
 * Docker's conditions on a whole rule: 1 it is for us, 0 not. Included by one of the architectures,
 * all of the capabilities and the kernel; excluded by any of each.
 */
static int rule_applies(const json_t *rule, const struct seccomp_build *build)
{
	const json_t *in = json_object_get(rule, "includes");
	const json_t *out = json_object_get(rule, "excludes");
	const char *in_kernel = json_string_value(json_object_get(in, "minKernel"));
	const char *out_kernel = json_string_value(json_object_get(out, "minKernel"));
	size_t in_arches = 0, in_caps = 0, out_arches = 0, out_caps = 0;
	int n_arches = count_hits(json_object_get(in, "arches"), build, arch_is_ours, &in_arches);
	int n_caps = count_hits(json_object_get(in, "caps"), build, capability_is_held, &in_caps);
	int newer = in_kernel && *in_kernel ? kernel_is_at_least(in_kernel, build) : 1;
	int too_new = out_kernel && *out_kernel ? kernel_is_at_least(out_kernel, build) : 0;

	if (n_arches < 0 || n_caps < 0 || newer < 0 || too_new < 0 ||
	    count_hits(json_object_get(out, "arches"), build, arch_is_ours, &out_arches) < 0 ||
	    count_hits(json_object_get(out, "caps"), build, capability_is_held, &out_caps) < 0)
		return -EINVAL;
	return (n_arches == 0 || in_arches > 0) && in_caps == (size_t)n_caps && newer &&
	       out_arches == 0 && out_caps == 0 && !too_new;
}

/* The highest number of each architecture counts also where the rule itself is left out. */
static void note_highest(struct seccomp_build *build, const char *name)
{
	for (size_t i = 0; i < build->n_archs; i++) {
		int nr = seccomp_syscall_resolve_name_arch(build->archs[i].token, name);

		if (nr > build->archs[i].highest) /* negative: libseccomp's own, or none */
			build->archs[i].highest = nr;
	}
}

/* libseccomp takes the native number, and finds the architecture's own. */
static int add_to_filter(scmp_filter_ctx filter, int nr, uint32_t action,
			 const struct conditions *conditions)
{
	int r = 0;

	if (!conditions->apart)
		return seccomp_rule_add_array(filter, action, nr, conditions->count,
					      conditions->list);
	for (unsigned int i = 0; i < conditions->count && r == 0; i++)
		r = seccomp_rule_add_array(filter, action, nr, 1, &conditions->list[i]);
	return r;
}

static int add_call(struct seccomp_build *build, const char *name, uint32_t action,
		    const struct conditions *conditions)
{
	int nr = seccomp_syscall_resolve_name(name);
	int r = 0;

	note_highest(build, name);
	if (nr == __NR_SCMP_ERROR)
		return seccomp_build_note_unknown(build, name);
	if (action == build->default_action)
		return 0;
	for (size_t i = 0; i < build->n_archs && r == 0; i++)
		r = add_to_filter(build->archs[i].filter, nr, action, conditions);
	return r;
}

/* "names", or the "name" of older Docker profiles. */
static int add_names(struct seccomp_build *build, const json_t *rule, uint32_t action,
		     const struct conditions *conditions)
{
	const json_t *names = json_object_get(rule, "names");
	const char *name = json_string_value(json_object_get(rule, "name"));

	if (name && *name)
		return json_array_size(names) > 0 ? -EINVAL
						  : add_call(build, name, action, conditions);
	if (!json_is_array(names))
		return -EINVAL;
	for (size_t i = 0; i < json_array_size(names); i++) {
		int r;

		name = json_string_value(json_array_get(names, i));
		r = name ? add_call(build, name, action, conditions) : -EINVAL;
		if (r < 0)
			return r;
	}
	return 0;
}

int seccomp_rule_add_json(struct seccomp_build *build, const json_t *rule, size_t index,
			  struct cj_error *err)
{
	_cleanup_(conditions_done) struct conditions conditions = {.list = NULL};
	const char *name = json_string_value(json_object_get(rule, "action"));
	uint32_t action;
	uint64_t number;
	int r = rule_applies(rule, build);

	if (r == 0)
		return 0;
	if (r > 0)
		r = read_errno(rule, "errno", "errnoRet", &number);
	if (r == 0)
		r = name ? parse_action(name, number, &action) : -EINVAL;
	if (r == -EOPNOTSUPP)
		return seccomp_rule_wants_listener(err);
	if (r == 0)
		r = read_conditions(rule, &conditions);
	if (r == 0)
		r = add_names(build, rule, action, &conditions);
	if (r < 0)
		return cj_fail(err, r == -ENOMEM ? ENOMEM : EINVAL,
			       "read seccomp profile: rule %zu (from 0) is not one", index);
	return 0;
}
