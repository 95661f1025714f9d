/* SPDX-License-Identifier: MIT
 *
 * The test container's command line: one table gives the parser and the help.
 * Not here: doing any of it.
 */
#include "sandbox.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/capability.h>
#include <unistd.h>

struct option_row {
	const char *name, *value; /* value NULL: a flag */
	int (*take)(struct sandbox *box, const struct option_row *row, char *value);
	size_t at;
	long long min, max;
	const char *help;
};

struct word {
	const char *name;
	long long number;
};

static const struct word namespaces[] = {
	{"mnt", CLONE_NEWNS},	 {"uts", CLONE_NEWUTS},	      {"ipc", CLONE_NEWIPC},
	{"pid", CLONE_NEWPID},	 {"net", CLONE_NEWNET},	      {"user", CLONE_NEWUSER},
	{"time", CLONE_NEWTIME}, {"cgroup", CLONE_NEWCGROUP},
};

static const struct word policies[] = {
	{"other", SCHED_OTHER}, {"fifo", SCHED_FIFO}, {"rr", SCHED_RR},
	{"batch", SCHED_BATCH}, {"idle", SCHED_IDLE},
};

static const struct word io_classes[] = {{"none", 0}, {"rt", 1}, {"be", 2}, {"idle", 3}};

static const struct word resources[] = {
	{"as", RLIMIT_AS},
	{"core", RLIMIT_CORE},
	{"cpu", RLIMIT_CPU},
	{"data", RLIMIT_DATA},
	{"fsize", RLIMIT_FSIZE},
	{"locks", RLIMIT_LOCKS},
	{"memlock", RLIMIT_MEMLOCK},
	{"msgqueue", RLIMIT_MSGQUEUE},
	{"nice", RLIMIT_NICE},
	{"nofile", RLIMIT_NOFILE},
	{"nproc", RLIMIT_NPROC},
	{"rss", RLIMIT_RSS},
	{"rtprio", RLIMIT_RTPRIO},
	{"rttime", RLIMIT_RTTIME},
	{"sigpending", RLIMIT_SIGPENDING},
	{"stack", RLIMIT_STACK},
};

const char *namespace_name(size_t i, int *ret_flag)
{
	if (i >= ELEMENTS(namespaces))
		return NULL;
	*ret_flag = (int)namespaces[i].number;
	return namespaces[i].name;
}

int parse_number(const char *text, int base, long long min, long long max, long long *ret)
{
	long long number;
	char *end;

	if (!text[0] || !strchr("-0123456789abcdefABCDEF", text[0]))
		return -EINVAL;
	errno = 0;
	number = strtoll(text, &end, base);
	if (errno || *end)
		return -EINVAL;
	if (number < min || number > max)
		return -ERANGE;
	*ret = number;
	return 0;
}

static int find_word(const struct word *words, size_t n, const char *name, long long *ret)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(words[i].name, name) == 0) {
			*ret = words[i].number;
			return 0;
		}
	return -EINVAL;
}

/* Cuts "a:b" in two; NULL when there is no colon. */
static char *cut(char *text, char at)
{
	char *colon = strchr(text, at);

	if (colon)
		*colon++ = '\0';
	return colon;
}

static int take_flag(struct sandbox *box, const struct option_row *row, char *value)
{
	(void)value;
	*(bool *)((char *)box + row->at) = true;
	return 0;
}

static int take_text(struct sandbox *box, const struct option_row *row, char *value)
{
	*(const char **)((char *)box + row->at) = value;
	return 0;
}

static int take_number(struct sandbox *box, const struct option_row *row, char *value)
{
	return parse_number(value, 10, row->min, row->max, (long long *)((char *)box + row->at));
}

static int take_hex(struct sandbox *box, const struct option_row *row, char *value)
{
	return parse_number(value, 16, row->min, row->max, (long long *)((char *)box + row->at));
}

static int take_octal(struct sandbox *box, const struct option_row *row, char *value)
{
	return parse_number(value, 8, row->min, row->max, (long long *)((char *)box + row->at));
}

/* The namespaces that this kernel has: one built without time namespaces is no reason to fail. */
static long long all_namespaces(void)
{
	long long all = 0;

	for (size_t i = 0; i < ELEMENTS(namespaces); i++) {
		char path[64];

		(void)snprintf(path, sizeof(path), "/proc/self/ns/%s", namespaces[i].name);
		if (access(path, F_OK) == 0)
			all |= namespaces[i].number;
	}
	return all;
}

static int take_namespaces(struct sandbox *box, const struct option_row *row, char *value)
{
	(void)row;
	box->namespaces = 0;
	for (char *next; value; value = next) {
		long long flag;

		next = cut(value, ',');
		if (strcmp(value, "all") == 0)
			box->namespaces = all_namespaces();
		else if (strcmp(value, "none") == 0)
			box->namespaces = 0;
		else if (find_word(namespaces, ELEMENTS(namespaces), value + (*value == '-'),
				   &flag))
			return -EINVAL;
		else if (*value == '-')
			box->namespaces &= ~flag;
		else
			box->namespaces |= flag;
	}
	return 0;
}

static int take_map(struct sandbox *box, const struct option_row *row, char *value)
{
	char *size = cut(value, ':');

	if (!size || parse_number(size, 10, 1, row->max, &box->map_size))
		return -EINVAL;
	return parse_number(value, 10, 0, row->max, &box->map_base);
}

static int take_groups(struct sandbox *box, const struct option_row *row, char *value)
{
	for (char *next; value && *value; value = next) {
		long long gid;

		next = cut(value, ',');
		if (box->n_groups == MAX_LIST || parse_number(value, 10, 0, row->max, &gid))
			return -EINVAL;
		box->groups[box->n_groups++] = (gid_t)gid;
	}
	return 0;
}

/* What Docker and Podman's ancestors give by default: CapPrm 00000000a80425fb. */
#define DOCKER_CAPS 0xa80425fbULL

/* `at` is where the mask is; the flag that goes with it is found by row->min, an offset too. */
static int take_caps(struct sandbox *box, const struct option_row *row, char *value)
{
	uint64_t mask = 0;

	for (char *next; value; value = next) {
		cap_value_t cap;
		char name[40];

		next = cut(value, ',');
		(void)snprintf(name, sizeof(name), "%s%s", strncmp(value, "cap_", 4) ? "cap_" : "",
			       value);
		if (strcmp(value, "all") == 0)
			mask = UINT64_MAX;
		else if (strcmp(value, "docker") == 0)
			mask |= DOCKER_CAPS;
		else if (strcmp(value, "none") == 0 || *value == '\0')
			mask |= 0;
		else if (cap_from_name(name, &cap) == 0)
			mask |= 1ULL << cap;
		else
			return -EINVAL;
	}
	*(uint64_t *)((char *)box + row->at) = mask;
	*(bool *)((char *)box + row->min) = true;
	return 0;
}

static int take_seccomp(struct sandbox *box, const struct option_row *row, char *value)
{
	(void)row;
	if (strcmp(value, "none") == 0) {
		box->n_seccomp = 0;
		return 0;
	}
	if (box->n_seccomp == MAX_LIST)
		return -E2BIG;
	box->seccomp[box->n_seccomp++] = value;
	return 0;
}

static int take_env(struct sandbox *box, const struct option_row *row, char *value)
{
	(void)row;
	return environment_add(box, value);
}

static int take_env_file(struct sandbox *box, const struct option_row *row, char *value)
{
	(void)row;
	return environment_read(box, value);
}

static int take_limit_value(const char *text, rlim_t *ret)
{
	long long number;

	if (strcmp(text, "unlimited") == 0) {
		*ret = RLIM_INFINITY;
		return 0;
	}
	if (parse_number(text, 10, 0, LLONG_MAX, &number))
		return -EINVAL;
	*ret = (rlim_t)number;
	return 0;
}

static int take_rlimit(struct sandbox *box, const struct option_row *row, char *value)
{
	char *soft = cut(value, '='), *hard = soft ? cut(soft, ':') : NULL;
	struct sandbox_limit *limit = &box->limits[box->n_limits];
	long long resource;

	(void)row;
	if (!soft || box->n_limits == ELEMENTS(box->limits) ||
	    find_word(resources, ELEMENTS(resources), value, &resource) ||
	    take_limit_value(soft, &limit->value.rlim_cur) ||
	    take_limit_value(hard ? hard : soft, &limit->value.rlim_max))
		return -EINVAL;
	limit->resource = (int)resource;
	box->n_limits++;
	return 0;
}

static int take_sched(struct sandbox *box, const struct option_row *row, char *value)
{
	char *priority = cut(value, ':');

	box->sched_priority = 0;
	if (priority && parse_number(priority, 10, row->min, row->max, &box->sched_priority))
		return -EINVAL;
	return find_word(policies, ELEMENTS(policies), value, &box->sched_policy);
}

static int take_ioprio(struct sandbox *box, const struct option_row *row, char *value)
{
	char *level = cut(value, ':');
	long long class, data = 0;

	if (find_word(io_classes, ELEMENTS(io_classes), value, &class) &&
	    parse_number(value, 10, 0, 3, &class))
		return -EINVAL;
	if (level && parse_number(level, 10, row->min, row->max, &data))
		return -EINVAL;
	box->ioprio = class << 13 | data;
	return 0;
}

static int take_affinity(struct sandbox *box, const struct option_row *row, char *value)
{
	CPU_ZERO(&box->affinity);
	box->have_affinity = true;
	for (char *next; value; value = next) {
		char *last = NULL;
		long long from, to;

		next = cut(value, ',');
		last = cut(value, '-');
		if (parse_number(value, 10, 0, row->max, &from) ||
		    parse_number(last ? last : value, 10, from, row->max, &to))
			return -EINVAL;
		for (; from <= to; from++)
			CPU_SET((size_t)from, &box->affinity);
	}
	return 0;
}

/* The middle of a row: value, function, place, limits. */
#define AT(field) offsetof(struct sandbox, field)
#define FLAG(field) NULL, take_flag, AT(field), 0, 0
#define TEXT(value, field) value, take_text, AT(field), 0, 0
#define NUMBER(field, min, max) "N", take_number, AT(field), min, max
#define CAPS(field) "LIST", take_caps, AT(field), AT(have_##field), 0
#define CALL(value, take, max) value, take, 0, 0, max
#define ID_MAX 4294967294LL

static const struct option_row options[] = {
	{"namespaces", CALL("LIST", take_namespaces, 0), "all (default), none, mnt,pid, all,-user"},
	{"map", CALL("BASE:SIZE", take_map, ID_MAX), "ids of the user namespace (100000:65536)"},
	{"map-self", FLAG(map_self),
	 "map one id: ours; no setgroups. The default of an ordinary user"},
	{"bind", FLAG(bind), "use ROOTFS itself, not a copy of it in memory"},
	{"hostname", TEXT("NAME", hostname), "host name inside (sandbox)"},
	{"comm", TEXT("NAME", comm), "name of the built-in init (sandbox-init)"},
	{"monotonic", NUMBER(monotonic, -1000000000, 1000000000), "offset in seconds (86400)"},
	{"boottime", NUMBER(boottime, -1000000000, 1000000000), "offset in seconds (172800)"},
	{"uid", NUMBER(uid, 0, ID_MAX), "user id inside (0)"},
	{"gid", NUMBER(gid, 0, ID_MAX), "group id inside (0)"},
	{"groups", CALL("LIST", take_groups, ID_MAX), "supplementary groups"},
	{"caps", CAPS(caps),
	 "permitted and effective, and the bounding set: names, all, docker, none"},
	{"bounding", CAPS(bounding), "bounding set; a root that calls execve gets all of it"},
	{"inheritable", CAPS(inheritable), "inheritable set"},
	{"ambient", CAPS(ambient), "ambient set; also --caps of a user other than root"},
	{"no-new-privs", FLAG(no_new_privs), "set no_new_privs"},
	{"seccomp", CALL("RULE", take_seccomp, 0),
	 "none, docker-like, deny:NAME,…, kill:NAME,…; may be repeated"},
	{"env", CALL("ENTRY", take_env, 0), "add to the environment, bytes as they are"},
	{"env-file", CALL("FILE", take_env_file, 0), "NUL-separated entries instead of our own"},
	{"cwd", TEXT("DIR", cwd), "working directory inside (/)"},
	{"chroot", TEXT("DIR", chroot), "root below that of the mount namespace"},
	{"rlimit", CALL("NAME=S:H", take_rlimit, 0), "resource limit: nofile=64:128"},
	{"umask", "OCTAL", take_octal, AT(umask), 0, 0777, "file mode mask (022)"},
	{"nice", NUMBER(nice, -20, 19), "nice value"},
	{"oom", NUMBER(oom, -1000, 1000), "oom_score_adj"},
	{"sched", CALL("POLICY:PRIO", take_sched, 99), "other, batch, idle, fifo:N, rr:N"},
	{"ioprio", CALL("CLASS:LEVEL", take_ioprio, 7), "none, rt, be, idle"},
	{"affinity", CALL("LIST", take_affinity, CPU_SETSIZE - 1), "CPUs: 0,2-3"},
	{"personality", "HEX", take_hex, AT(personality), 0, 0xffffffff, "personality(2)"},
	{"timerslack", NUMBER(timer_slack, 1, LLONG_MAX), "timer slack in ns"},
	{"coredump-filter", "HEX", take_hex, AT(coredump_filter), 0, 0x1ff, "core dump filter"},
	{"freeze", FLAG(freeze), "freeze it once it runs"},
	{"no-cgroup", FLAG(no_cgroup), "stay in our cgroups. The default of an ordinary user"},
	{"no-proc", FLAG(no_proc), "mount no /proc"},
	{"hidepid", NUMBER(hidepid, 0, 4), "option of its /proc"},
	{"until-eof", FLAG(until_eof), "end when our stdin ends"},
	{"cleanup", FLAG(cleanup),
	 "remove cgroups that dead sandboxes have left, and nothing else"},
	{"help", FLAG(help), "this text"},
};

void options_usage(void)
{
	printf("Usage: sandbox [OPTION…] ROOTFS [-- COMMAND [ARG…]]\n\n"
	       "A throw-away container for tests and the demo. Its first process is COMMAND, or a\n"
	       "built-in init that sleeps and reaps. When it runs, one line of JSON is printed.\n"
	       "It ends with SIGTERM, SIGINT, or its first process. COMMAND reads /dev/null and\n"
	       "writes to our stderr.\n\n");
	for (size_t i = 0; i < ELEMENTS(options); i++) {
		const struct option_row *row = &options[i];
		int used = printf("  --%s%s%s", row->name, row->value ? " " : "",
				  row->value ? row->value : "");

		printf("%*s%s\n", used < 26 ? 26 - used : 1, "", row->help);
	}
}

/* An ordinary user maps one id and can't make cgroups. */
static void options_default(struct sandbox *box)
{
	*box = (struct sandbox){
		.namespaces = all_namespaces(),
		.map_base = 100000,
		.map_size = 65536,
		.map_self = geteuid() != 0,
		.no_cgroup = geteuid() != 0,
		.hostname = "sandbox",
		.comm = "sandbox-init",
		.cwd = "/",
		.umask = 022,
		.monotonic = 86400,
		.boottime = 172800,
		.self_fd = -EBADF,
	};
	long long *unset[] = {&box->nice,	  &box->oom,
			      &box->sched_policy, &box->ioprio,
			      &box->personality,  &box->timer_slack,
			      &box->hidepid,	  &box->coredump_filter};
	for (size_t i = 0; i < ELEMENTS(unset); i++)
		*unset[i] = UNSET;
}

/*
 * Capabilities that weren't given follow from those that were. Root gets what is in its bounding
 * set at execve; anybody else only keeps what is ambient (capabilities(7)).
 */
static void options_complete_caps(struct sandbox *box)
{
	bool others = box->uid != 0;

	if (!box->have_caps)
		box->caps = others ? 0 : box->have_bounding ? box->bounding : UINT64_MAX;
	if (!box->have_bounding)
		box->bounding = box->have_caps ? box->caps : UINT64_MAX;
	if (!box->have_ambient)
		box->ambient = others ? box->caps : 0;
	if (!box->have_inheritable)
		box->inheritable = box->ambient;
}

static int take_option(struct sandbox *box, char **argv, int *i, struct failure *why)
{
	char *name = argv[*i] + 2, *value = cut(name, '=');
	const struct option_row *row = NULL;
	int r;

	for (size_t n = 0; n < ELEMENTS(options) && !row; n++)
		if (strcmp(options[n].name, name) == 0)
			row = &options[n];
	if (!row)
		return fail(why, EINVAL, "unknown option --%s", name);
	if (row->value && !value)
		value = argv[++*i];
	if ((row->value != NULL) != (value != NULL))
		return fail(why, EINVAL, "option --%s %s", name,
			    row->value ? "needs a value" : "takes no value");
	r = row->take(box, row, value);
	if (r < 0)
		return fail(why, -r, "option --%s: not %s: %s", name, row->value, value);
	return 0;
}

int options_parse(struct sandbox *box, int argc, char **argv, struct failure *why)
{
	int i = 1, r;

	options_default(box);
	for (; i < argc && strncmp(argv[i], "--", 2) == 0 && argv[i][2]; i++) {
		r = take_option(box, argv, &i, why);
		if (r < 0)
			return r;
	}
	options_complete_caps(box);
	if (box->cleanup || box->help)
		return 0;
	if (i == argc)
		return fail(why, EINVAL, "ROOTFS is missing, see --help");
	box->rootfs = argv[i++];
	if (i < argc && strcmp(argv[i], "--") == 0)
		i++;
	box->command = i < argc ? argv + i : NULL;
	return environment_complete(box, why);
}
