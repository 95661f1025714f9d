/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "engine/first.h"
#include "engine/machine.h"
#include "engine/watcher.h"
#include "sys/namespace.h"
#include "sys/proc.h"

enum { CMDLINE_LIMIT = 4 << 20 };

/* Options whose value may be the next argument: systemd-nspawn(1) */
static const char short_with_value[] = "DuLMSZipE";
static const char *const long_with_value[] = {
	"directory",
	"template",
	"image",
	"oci-bundle",
	"root-hash",
	"root-hash-sig",
	"verity-data",
	"pivot-root",
	"chdir",
	"user",
	"kill-signal",
	"notify-ready",
	"suppress-sync",
	"machine",
	"hostname",
	"uuid",
	"slice",
	"property",
	"register",
	"private-users-ownership",
	"network-interface",
	"network-macvlan",
	"network-ipvlan",
	"network-veth-extra",
	"network-bridge",
	"network-zone",
	"network-namespace-path",
	"port",
	"capability",
	"drop-capability",
	"ambient-capability",
	"no-new-privileges",
	"system-call-filter",
	"selinux-context",
	"selinux-apifs-context",
	"rlimit",
	"oom-score-adjust",
	"cpu-affinity",
	"personality",
	"resolv-conf",
	"timezone",
	"link-journal",
	"bind",
	"bind-ro",
	"bind-user",
	"inaccessible",
	"tmpfs",
	"overlay",
	"overlay-ro",
	"setenv",
	"load-credential",
	"set-credential",
	"settings",
	"background",
	"image-policy",
	"restrict-address-families",
	"uid",
	"bind-user-shell",
	"bind-user-group",
};

struct arguments {
	const char *at, *end;
};

static const char *next_argument(struct arguments *arguments)
{
	const char *argument = arguments->at;
	const char *nul;

	if (argument >= arguments->end)
		return NULL;
	nul = memchr(argument, '\0', (size_t)(arguments->end - argument));
	if (!nul) /* cut off */
		return NULL;
	arguments->at = nul + 1;
	return argument;
}

struct options {
	const char *machine, *directory, *image;
	bool ephemeral;
};

static void take_value(const char *name, size_t length, const char *value, struct options *options)
{
	static const struct {
		const char *name;
		size_t offset;
	} wanted[] = {
		{"machine", offsetof(struct options, machine)},
		{"M", offsetof(struct options, machine)},
		{"directory", offsetof(struct options, directory)},
		{"D", offsetof(struct options, directory)},
		{"image", offsetof(struct options, image)},
		{"i", offsetof(struct options, image)},
	};

	for (size_t i = 0; i < ELEMENTS(wanted); i++)
		if (strlen(wanted[i].name) == length && memcmp(wanted[i].name, name, length) == 0)
			*(const char **)(void *)((char *)options + wanted[i].offset) = value;
}

static bool wants_value(const char *name)
{
	for (size_t i = 0; i < ELEMENTS(long_with_value); i++)
		if (strcmp(long_with_value[i], name) == 0)
			return true;
	return false;
}

static void take_long(const char *name, struct arguments *arguments, struct options *options)
{
	const char *equals = strchr(name, '=');
	const char *value = equals		? equals + 1
			    : wants_value(name) ? next_argument(arguments)
						: NULL;

	if (value)
		take_value(name, equals ? (size_t)(equals - name) : strlen(name), value, options);
	else if (strcmp(name, "ephemeral") == 0)
		options->ephemeral = true;
}

/* "-qD/srv/x": letters, up to one that has a value. */
static void take_short(const char *letters, struct arguments *arguments, struct options *options)
{
	for (const char *letter = letters; *letter; letter++) {
		const char *value;

		if (*letter == 'x')
			options->ephemeral = true;
		if (!strchr(short_with_value, *letter))
			continue;
		value = letter[1] ? letter + 1 : next_argument(arguments);
		if (value)
			take_value(letter, 1, value, options);
		return;
	}
}

/* As systemd makes a host name of anything: hostname_cleanup() of its basic/hostname-util.c. */
static void clean_name(const char *text, size_t length, char ret[MACHINE_NAME_MAX + 1])
{
	bool dot = true, hyphen = true;
	size_t n = 0;

	for (size_t i = 0; i < length && n < MACHINE_NAME_MAX; i++) {
		char c = text[i];
		bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
			     (c >= '0' && c <= '9');

		if (c == '.' ? dot || hyphen : c == '-' ? dot : !plain)
			continue;
		dot = c == '.';
		hyphen = c == '-';
		ret[n++] = c;
	}
	while (n > 0 && (ret[n - 1] == '-' || ret[n - 1] == '.'))
		n--;
	ret[n] = '\0';
}

/* The last part of a path. */
static const char *last_part(const char *path, size_t *ret_length)
{
	size_t end = strlen(path), begin;

	while (end > 0 && path[end - 1] == '/')
		end--;
	for (begin = end; begin > 0 && path[begin - 1] != '/';)
		begin--;
	*ret_length = end - begin;
	return path + begin;
}

static int name_by_options(const struct options *options, const char *cwd,
			   char ret[MACHINE_NAME_MAX + 1])
{
	static const char raw[] = ".raw";
	const char *path = options->image ? options->image : options->directory;
	const char *part;
	size_t length;

	if (options->machine) {
		if (strlen(options->machine) > MACHINE_NAME_MAX)
			return -ENOENT;
		(void)snprintf(ret, MACHINE_NAME_MAX + 1, "%s", options->machine);
		return 0;
	}
	if (options->ephemeral)
		return -ENOENT;
	part = last_part(path ? path : cwd, &length);
	if (length == 1 && part[0] == '.')
		part = last_part(cwd, &length);
	if (options->image && length > strlen(raw) &&
	    memcmp(part + length - strlen(raw), raw, strlen(raw)) == 0)
		length -= strlen(raw);
	clean_name(part, length, ret);
	return ret[0] ? 0 : -ENOENT;
}

int nspawn_name(const char *cmdline, size_t size, const char *cwd, char ret[MACHINE_NAME_MAX + 1])
{
	struct arguments arguments = {cmdline, cmdline + size};
	struct options options = {.machine = NULL};
	const char *argument = next_argument(&arguments); /* the program */

	while (argument && (argument = next_argument(&arguments))) {
		if (argument[0] != '-' || !argument[1] || strcmp(argument, "--") == 0)
			break; /* the command begins */
		if (argument[1] == '-')
			take_long(argument + 2, &arguments, &options);
		else
			take_short(argument + 1, &arguments, &options);
	}
	return name_by_options(&options, cwd, ret);
}

static bool is_nspawn(int proc, const struct watcher_place *ours)
{
	char comm[32];

	return proc_read_small(proc, "comm", comm, sizeof(comm)) > 0 &&
	       strcmp(comm, "systemd-nspawn\n") == 0 && watcher_is_roots(proc, ours);
}

/*
 * Is the child in our user namespace, or in one that root made? A program that becomes root wholly may have a
 * child that the user made before, in namespaces of the user's.
 */
static bool is_of_root(pid_t pid, const struct watcher_place *ours)
{
	_cleanup_fd_ int proc = -EBADF, user = -EBADF;
	uint64_t inode;
	uid_t uid;

	if (proc_open(pid, &proc, NULL) < 0)
		return false;
	user = namespace_open(proc, NAMESPACE_USER);
	if (user < 0 || namespace_inode(user, &inode) < 0)
		return false;
	return inode == ours->user || (namespace_owner(user, &uid) == 0 && uid == 0);
}

static int visit_one(pid_t pid, int proc, const struct watcher_place *ours, nspawn_fn fn,
		     void *data)
{
	_cleanup_(bytes_done) struct bytes cmdline = BYTES_INIT;
	char cwd[PATH_MAX], name[MACHINE_NAME_MAX + 1];
	struct first first;

	if (proc_read(proc, "cmdline", CMDLINE_LIMIT, &cmdline) < 0 ||
	    proc_readlink(proc, "cwd", cwd, sizeof(cwd)) < 0 ||
	    nspawn_name(cmdline.data, cmdline.size, cwd, name) < 0 ||
	    first_child_inside(pid, &first) < 0 || !is_of_root(first.pid, ours))
		return 0;
	return fn(name, first.pid, first.start, data);
}

int nspawn_visit(nspawn_fn fn, void *data)
{
	struct watcher_place ours;
	struct proc_list *list;
	int r = watcher_place_read(&ours);

	if (r == 0)
		r = proc_list_new(&list, NULL);
	if (r < 0)
		return r;
	for (pid_t pid; r == 0 && (pid = proc_list_next(list));) {
		_cleanup_fd_ int proc = -EBADF;

		if (proc_open(pid, &proc, NULL) == 0 && is_nspawn(proc, &ours))
			r = visit_one(pid, proc, &ours, fn, data);
	}
	proc_list_free(list);
	return r;
}
