/* SPDX-License-Identifier: MIT */
#include "lib/elsewhere.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "sys/container_file.h"

/* The target's PATH is its own word: bounded. */
enum { PLACES_MAX = 512 };

/* Where to look, in order: what will be tried anyway, then what else there may be. */
struct places {
	struct file_query list[PLACES_MAX];
	char *owned[PLACES_MAX]; /* NULL: borrowed */
	size_t n, n_given;
};

static void places_free(struct places **places)
{
	for (size_t i = 0; *places && i < (*places)->n; i++)
		free((*places)->owned[i]);
	free(*places);
}

static void add(struct places *places, const char *path, char *owned, enum file_wanted wanted)
{
	if (!path || places->n == PLACES_MAX) {
		free(owned);
		return;
	}
	places->owned[places->n] = owned;
	places->list[places->n++] = (struct file_query){path, wanted};
}

static bool begins(const char *path, const char *with)
{
	return strncmp(path, with, strlen(with)) == 0;
}

/* Right in one of the four directories that distributions merge, or not. */
static bool is_system_path(const char *path)
{
	if (begins(path, "/usr/"))
		path += strlen("/usr");
	return (begins(path, "/bin/") || begins(path, "/sbin/")) &&
	       strrchr(path, '/') == strchr(path + 1, '/');
}

static void add_twin(struct places *places, const char *path)
{
	static const char usr[] = "/usr";
	char *twin;

	if (!is_system_path(path))
		return;
	if (begins(path, "/usr/")) {
		add(places, path + strlen(usr), NULL, FILE_EXECUTABLE);
		return;
	}
	twin = malloc(sizeof(usr) + strlen(path));
	if (twin) {
		memcpy(twin, usr, strlen(usr));
		memcpy(twin + strlen(usr), path, strlen(path) + 1);
	}
	add(places, twin, twin, FILE_EXECUTABLE);
}

static const char *own_path(const struct cj_plan *plan)
{
	const struct bytes *bytes = &plan->facts.target.environ;

	for (const char *at = bytes->data; at && at < bytes->data + bytes->size;
	     at += strlen(at) + 1)
		if (begins(at, "PATH="))
			return at + strlen("PATH=");
	return default_path;
}

/* In each directory of the target's own PATH. One that isn't absolute has no place from outside. */
static void add_path(struct places *places, const char *path, const char *name)
{
	for (;;) {
		size_t length = strcspn(path, ":");
		char *file = path[0] == '/' ? malloc(length + strlen(name) + 2) : NULL;

		if (file) {
			memcpy(file, path, length);
			file[length] = '/';
			memcpy(file + length + 1, name, strlen(name) + 1);
		}
		add(places, file, file, FILE_EXECUTABLE);
		if (!path[length])
			return;
		path += length + 1;
	}
}

static struct places *places_of(const struct cj_plan *plan)
{
	const char *slash = strrchr(plan->command, '/');
	const char *name = slash ? slash + 1 : plan->command;
	struct places *places;

	if (!name[0] || (slash && !is_system_path(plan->command)))
		return NULL; /* exactly that is meant */
	places = calloc(1, sizeof(*places));
	if (!places)
		return NULL;
	for (size_t i = 0; i < plan->n_candidates; i++) {
		const char *path = plan->candidates[i].path;

		if (path && path[0] == '/')
			add(places, path, NULL, slash ? FILE_ANY : FILE_REGULAR);
	}
	places->n_given = places->n;
	for (size_t i = 0; i < places->n_given; i++)
		add_twin(places, places->list[i].path);
	add_path(places, own_path(plan), name);
	for (size_t i = places->n_given, n = places->n; i < n; i++)
		add_twin(places, places->list[i].path);
	return places;
}

/* What will be the command's root; -EBADF where we have no way to it. */
static int open_root(const struct cj_plan *plan)
{
	int fd;

	if (!plan_has_step(plan, PART_ROOT) && plan->join[NAMESPACE_MNT])
		return -EBADF;
	fd = plan_has_step(plan, PART_ROOT) ? fcntl(plan->facts.root_fd, F_DUPFD_CLOEXEC, 3)
					    : open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? -EBADF : fd;
}

/* Returns 1 and where it is (the caller's to free), 0: it's there as given, or nowhere. */
static int find(const struct cj_plan *plan, char **ret, struct cj_error *err)
{
	_cleanup_(places_free) struct places *places = plan->command ? places_of(plan) : NULL;
	_cleanup_fd_ int root = places ? open_root(plan) : -EBADF;
	struct cj_error none = CJ_ERROR_INIT;
	size_t found = 0;
	char *path;
	int r;

	if (root < 0)
		return 0;
	r = container_file_find(root, plan->root, places->list, places->n, plan->facts.deadline,
				&found, &none);
	if (r == -ENOENT || (r == 0 && found < places->n_given))
		return 0;
	if (r == 0 && found >= places->n)
		r = -EIO;
	path = r < 0 ? NULL : strdup(places->list[found].path);
	if (!path)
		return cj_fail(err, r < 0 ? -r : ENOMEM, "look for %s beneath the target's root",
			       plan->command);
	*ret = path;
	return 1;
}

int elsewhere_plan(struct cj_plan *plan, const struct cj_exec_options *options,
		   struct cj_error *err)
{
	struct planning p = {.plan = plan, .facts = &plan->facts, .options = options};
	char *path = NULL;
	int r = find(plan, &path, err);

	if (r < 0)
		return r;
	plan->looked_elsewhere = true;
	if (r == 0)
		return 0;
	path = plan_own(plan, path);
	plan_candidate(plan, path, NULL);
	plan_note(&p, PART_COMMAND, plan->command, "choose", "%s, since it isn't there as given",
		  path ? path : "");
	return plan->out_of_memory ? cj_fail(err, ENOMEM, "make the plan") : 0;
}

static bool is_brought(const struct cj_plan *plan)
{
	const struct bring *bring = &plan->facts.view.bring;

	for (size_t i = 0; i < bring->n; i++)
		if (begins(bring->items[i].path, "bin/") &&
		    strcmp(bring->items[i].path + strlen("bin/"), plan->command) == 0)
			return true;
	return false;
}

void elsewhere_hint(const struct cj_plan *plan, struct cj_error *err)
{
	_cleanup_free_ char *path = NULL;

	if (plan->view.kind == VIEW_TARGET && !is_brought(plan))
		cj_hint(err, "--bring %s brings the host's", plan->command);
	if (plan->view.kind != VIEW_PLAIN)
		return;
	if (!plan->looked_elsewhere && find(plan, &path, NULL) == 1)
		cj_hint(err, "%s exists there: use -r", path);
}
