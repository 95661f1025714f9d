/* SPDX-License-Identifier: MIT
 *
 * machine:NAME, as machined keeps them in files. What it wasn't told of (systemd-nspawn --register=no), or
 * doesn't know any more, is found by its unit's cgroup, else by the systemd-nspawn that watches over it.
 */
#include "engine/machine.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/parse.h"
#include "engine/cgroup_tree.h"
#include "engine/engine.h"
#include "engine/first.h"
#include "engine/state.h"

enum { RECORD_LIMIT = 64 << 10, MAX_MACHINES = 16384 };

#define MACHINES "/run/systemd/machines"

/* --- machined's files --- */

static int hex_digit(char c)
{
	const char *digits = "0123456789abcdef", *at = c ? strchr(digits, c | 0x20) : NULL;

	return at ? (int)(at - digits) : -1;
}

/* One character at `*at`, which is moved behind it: "\x20", "\\", "a". */
static char unescape(const char **at, const char *end)
{
	const char *from = *at;

	*at += 1;
	if (*from != '\\' || end - from < 2)
		return *from;
	*at += 1;
	if (from[1] == 'x' && end - from >= 4 && hex_digit(from[2]) >= 0 &&
	    hex_digit(from[3]) >= 0) {
		*at += 2;
		return (char)(hex_digit(from[2]) << 4 | hex_digit(from[3]));
	}
	return from[1];
}

/* A value without its quotes and escapes. False: it doesn't fit, or holds a NUL. */
static bool copy_value(const char *at, const char *end, char *buf, size_t size)
{
	size_t n = 0;

	if (end - at >= 2 && *at == '"' && end[-1] == '"') {
		at++;
		end--;
	}
	while (at < end && n + 1 < size) {
		buf[n] = unescape(&at, end);
		if (buf[n++] == '\0')
			break;
	}
	if (at < end || (n > 0 && buf[n - 1] == '\0')) {
		buf[0] = '\0';
		return false;
	}
	buf[n] = '\0';
	return true;
}

static const struct field {
	const char *key;
	size_t offset, size;
} fields[] = {
	/* What the unit is called depends on the version. */
	{"SCOPE=", offsetof(struct machine_record, unit), NAME_MAX + 1},
	{"UNIT=", offsetof(struct machine_record, unit), NAME_MAX + 1},
	{"CLASS=", offsetof(struct machine_record, kind), 16},
	{"SERVICE=", offsetof(struct machine_record, service), NAME_MAX + 1},
	{"ROOT=", offsetof(struct machine_record, root), PATH_MAX},
};

static void take_line(const char *line, const char *end, struct machine_record *record)
{
	static const char leader[] = "LEADER=", uid[] = "UID=";
	char number[32];
	uint64_t value;

	for (size_t i = 0; i < ELEMENTS(fields); i++) {
		size_t n = strlen(fields[i].key);

		if (strncmp(line, fields[i].key, n) == 0)
			(void)copy_value(line + n, end, (char *)record + fields[i].offset,
					 fields[i].size);
	}
	if (strncmp(line, leader, strlen(leader)) == 0 &&
	    copy_value(line + strlen(leader), end, number, sizeof(number)))
		(void)parse_pid(number, &record->leader);
	if (strncmp(line, uid, strlen(uid)) == 0 &&
	    copy_value(line + strlen(uid), end, number, sizeof(number)) &&
	    parse_u64(number, 0, UINT32_MAX - 1, &value) == 0)
		record->owner = (uid_t)value;
}

int machine_record_parse(const char *text, struct machine_record *ret)
{
	struct machine_record record = {.leader = 0};

	while (*text) {
		size_t length = strcspn(text, "\n");

		take_line(text, text + length, &record);
		text += length + (text[length] == '\n');
	}
	if (record.leader == 0)
		return -EBADMSG;
	*ret = record;
	return 0;
}

/* --- finding them --- */

static bool is_known(const struct source *source, pid_t pid)
{
	for (size_t i = 0; i < source->found.n; i++)
		if (source->found.items[i].pid == pid)
			return true;
	return false;
}

static struct container *add(struct source *source, const char *name, pid_t pid)
{
	struct container *container = containers_add(&source->found);

	if (!container)
		return NULL;
	container->scheme = source->engine->scheme;
	container->state = CONTAINER_RUNNING;
	container->pid = pid;
	return container_set(&container->name, name) < 0 ? NULL : container;
}

static int add_record(struct source *source, const char *name, const struct machine_record *record)
{
	struct container *container = add(source, name, record->leader);
	int r = container ? 0 : -ENOMEM;

	if (r == 0)
		container->owner = record->owner;
	/* The file may be older than the process: that it's in the machine's unit is what counts. */
	if (r == 0)
		r = container_set(&container->cgroup_word, record->unit);
	if (r == 0 && record->kind[0])
		r = container_add_label(container, "class", record->kind);
	if (r == 0 && record->service[0])
		r = container_add_label(container, "service", record->service);
	if (r == 0 && record->root[0])
		r = container_add_label(container, "root", record->root);
	return r;
}

/* ENOENT: machined doesn't know it. */
static int read_record(struct source *source, const char *name)
{
	_cleanup_(bytes_done) struct bytes text = BYTES_INIT;
	struct machine_record record;
	char path[PATH_MAX];
	int r;

	if (snprintf(path, sizeof(path), "%s" MACHINES "/%s", source->request->root, name) >=
	    (int)sizeof(path))
		return -ENAMETOOLONG;
	r = state_read_file(path, RECORD_LIMIT, &text);
	if (r == 0)
		r = machine_record_parse(text.data, &record);
	if (r < 0)
		return r;
	/* The machine that this is, as machined sees it, is no container. */
	return strcmp(record.kind, "host") == 0 ? 0 : add_record(source, name, &record);
}

/* Letters, digits and "-.", as in a host name; the links "unit:…" beside the files have a colon. */
static bool is_machine_name(const char *name)
{
	size_t n = strlen(name);

	return name[0] != '.' && n <= NAME_MAX && container_id_is_valid(name);
}

static int read_records(struct source *source)
{
	_cleanup_dir_ DIR *dir = NULL;
	const struct dirent *entry;
	char path[PATH_MAX];
	int left = MAX_MACHINES, r = 0;

	if (snprintf(path, sizeof(path), "%s" MACHINES, source->request->root) >= (int)sizeof(path))
		return -ENAMETOOLONG;
	dir = opendir(path);
	while (dir && r != -ENOMEM && (entry = readdir(dir)) && left-- > 0)
		if (is_machine_name(entry->d_name))
			r = read_record(source, entry->d_name);
	return r == -ENOMEM ? r : 0;
}

/* As systemd writes a name into a unit's: systemd-escape(1). False: it doesn't fit. */
static bool escape(const char *name, char *buf, size_t size)
{
	size_t n = 0;

	for (; *name && n + 5 < size; name++) {
		bool plain = strchr(
			"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789:_.", *name);

		n += (size_t)snprintf(buf + n, size - n, plain ? "%c" : "\\x%02x",
				      (unsigned char)*name);
	}
	return !*name;
}

/* The unit of a machine, where systemd and nspawn put it. */
static int look_in_cgroups(struct source *source, const char *name)
{
	static const char *const units[][2] = {{"machine-", ".scope"},
					       {"systemd-nspawn@", ".service"}};
	_cleanup_(cgroup_roots_done) struct cgroup_roots roots = CGROUP_ROOTS_INIT;
	char escaped[NAME_MAX + 1], unit[NAME_MAX + 64], path[PATH_MAX];
	int r = cgroup_roots_read(source->request, &roots);

	for (size_t i = 0; r == 0 && i < roots.n * ELEMENTS(units); i++) {
		const char *const *parts = units[i % ELEMENTS(units)];
		struct container *container;
		struct first first;

		if (!escape(name, escaped, sizeof(escaped)))
			return 0;
		(void)snprintf(unit, sizeof(unit), "%s%s%s", parts[0], escaped, parts[1]);
		if (snprintf(path, sizeof(path), "%s/machine.slice/%s",
			     roots.paths[i / ELEMENTS(units)], unit) >= (int)sizeof(path) ||
		    cgroup_first_init(path, &first) < 0 || is_known(source, first.pid))
			continue;
		container = add(source, name, first.pid);
		r = container ? container_set(&container->cgroup_word, unit) : -ENOMEM;
	}
	return r;
}

static int add_nspawn(const char *name, pid_t init, uint64_t start, void *data)
{
	struct source *source = data;
	const char *ref = source->request->ref;
	struct container *container;

	if ((ref && strcmp(ref, name) != 0) || is_known(source, init))
		return 0;
	container = add(source, name, init);
	if (!container)
		return -ENOMEM;
	container->start = start;
	return container_add_label(container, "service", "systemd-nspawn");
}

static bool is_there(const struct source *source, const char *directory, const char *name)
{
	char path[PATH_MAX];

	return snprintf(path, sizeof(path), "%s/run/systemd/nspawn%s%s", source->request->root,
			directory, name) < (int)sizeof(path) &&
	       faccessat(AT_FDCWD, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

/* nspawn makes directories for each machine: without them a bare word spares a look at all processes. */
static bool nspawn_may_run(const struct source *source)
{
	const struct engine_request *request = source->request;

	if (!request->ref)
		return is_there(source, "", "");
	return !request->bare || is_there(source, "/propagate/", request->ref) ||
	       is_there(source, "/unix-export/", request->ref);
}

static int look(struct source *source, struct cj_error *err)
{
	const char *ref = source->request->ref;
	int r = ref ? read_record(source, ref) : read_records(source);

	if (r == -ENOENT || r == -ENOTDIR)
		r = 0;
	if (r < 0)
		return cj_fail(err, -r, "read " MACHINES "%s%s", ref ? "/" : "", ref ? ref : "");
	if (source->found.n == 0 && ref)
		r = look_in_cgroups(source, ref);
	if (r == 0 && (!ref || source->found.n == 0) && nspawn_may_run(source))
		r = nspawn_visit(add_nspawn, source);
	if (r == 0)
		r = source_read_from(source, MACHINES ", cgroups and systemd-nspawn's processes");
	return r == 0 && source->found.n == 0 && !is_there(source, "", "") ? -ENOENT : r;
}

static const struct source_type disk = {.look = look};

static int add_sources(const struct engine_request *request, struct sources *sources,
		       struct cj_error *err)
{
	if (request->ref && !is_machine_name(request->ref))
		return request->bare
			       ? 0
			       : cj_fail(err, EINVAL, "find \"%s\", which is no machine's name",
					 request->ref);
	return sources_add(sources, &disk, &engine_machine, request, NULL, 0);
}

const struct engine engine_machine = {.scheme = "machine", .sources = add_sources};
