/* SPDX-License-Identifier: MIT */
#include "engine/users.h"

#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/grow.h"
#include "base/parse.h"
#include "engine/shared.h"
#include "engine/state.h"
#include "sys/user_tree.h"

enum { PASSWD_LIMIT = 16 << 20 };

static const char *own_directory(const struct engine_request *request, uid_t uid)
{
	const char *path = uid == geteuid() ? request->options->runtime_dir : NULL;

	return path && path[0] == '/' ? path : NULL;
}

static int add_user(uid_t uid, uid_t **uids, size_t *n, size_t *room)
{
	for (size_t i = 0; i < *n; i++)
		if ((*uids)[i] == uid)
			return 0;
	if (!array_grow((void **)uids, sizeof(**uids), room, *n + 1))
		return -ENOMEM;
	(*uids)[(*n)++] = uid;
	return 0;
}

static int read_users(const struct engine_request *request, uid_t **ret, size_t *ret_n)
{
	_cleanup_free_ uid_t *uids = NULL;
	_cleanup_dir_ DIR *dir = NULL;
	size_t n = 0, room = 0;
	const struct dirent *entry;
	char path[PATH_MAX];
	int r = 0;

	if (geteuid() != 0 || own_directory(request, geteuid()))
		r = add_user(geteuid(), &uids, &n, &room);
	if (geteuid() == 0 &&
	    snprintf(path, sizeof(path), "%s/run/user", request->root) < (int)sizeof(path))
		dir = opendir(path);
	while (r == 0 && dir && n < USERS_MAX && (entry = readdir(dir))) {
		uint64_t uid;

		if (parse_u64(entry->d_name, 0, UINT32_MAX - 1, &uid) == 0)
			r = add_user((uid_t)uid, &uids, &n, &room);
	}
	if (r < 0)
		return r;
	*ret = take_ptr(uids);
	*ret_n = n;
	return 0;
}

int users_list(const struct engine_request *request, uid_t **ret, size_t *ret_n)
{
	struct engine_shared *shared = request->shared;
	int r = 0;

	if (!shared)
		return read_users(request, ret, ret_n);
	if (!shared->has_users)
		r = read_users(request, &shared->users, &shared->n_users);
	shared->has_users = r == 0;
	if (r < 0)
		return r;
	*ret = calloc(shared->n_users + 1, sizeof(**ret));
	if (!*ret)
		return -ENOMEM;
	*ret_n = shared->n_users;
	if (*ret_n > 0)
		memcpy(*ret, shared->users, *ret_n * sizeof(**ret));
	return 0;
}

int users_path(const struct engine_request *request, uid_t uid, const char *below, char *buf,
	       size_t size)
{
	const char *own = own_directory(request, uid);
	int n = own ? snprintf(buf, size, "%s%s%s", request->root, own, below)
		    : snprintf(buf, size, "%s/run/user/%u%s", request->root, uid, below);

	return n < 0 || (size_t)n >= size ? -ENAMETOOLONG : 0;
}

int users_open(const struct engine_request *request, uid_t uid, int *ret_fd)
{
	char path[PATH_MAX], run[PATH_MAX];
	int r = users_path(request, uid, "", path, sizeof(path));

	if (r == 0 && snprintf(run, sizeof(run), "%s/run", request->root) >= (int)sizeof(run))
		r = -ENAMETOOLONG;
	return r < 0 ? r : user_tree_open(path, run, uid, ret_fd);
}

int users_read_file(int fd, const char *path, size_t limit, struct bytes *ret)
{
	return user_tree_read(fd, path, limit, ret);
}

int users_opendir(int fd, const char *path, DIR **ret)
{
	return user_tree_opendir(fd, path, ret);
}

int users_open_path(int fd, const char *path)
{
	return user_tree_open_path(fd, path);
}

int users_connect(const struct engine_request *request, uid_t uid, const char *address, int fd)
{
	_cleanup_fd_ int tree = -EBADF;
	char path[PATH_MAX];
	size_t length;
	int r = users_path(request, uid, "/", path, sizeof(path));

	if (r < 0)
		return r;
	length = strlen(path);
	if (strncmp(address, path, length) != 0)
		return -EINVAL;
	r = users_open(request, uid, &tree);
	return r < 0 ? r : user_tree_connect(tree, address + length, fd);
}

/* "+" and "-" begin lines for NIS, which glibc's reader turns into entries of uid 0. */
static bool is_nis(const char *name)
{
	return name[0] == '+' || name[0] == '-';
}

/* fgetpwent_r(3) on a text: a static program has no NSS. */
static int find_home(const struct bytes *passwd, uid_t uid, char **ret, gid_t *ret_gid)
{
	_cleanup_file_ FILE *file = passwd->size > 0 ? fmemopen(passwd->data, passwd->size, "r")
						     : NULL;
	_cleanup_free_ char *buf = malloc(passwd->size + 64); /* no line is longer */
	struct passwd entry, *found;

	if (!buf)
		return -ENOMEM;
	while (file && fgetpwent_r(file, &entry, buf, passwd->size + 64, &found) == 0) {
		if (entry.pw_uid != uid || is_nis(entry.pw_name) || entry.pw_dir[0] != '/')
			continue;
		*ret = strdup(entry.pw_dir);
		*ret_gid = entry.pw_gid;
		return *ret ? 0 : -ENOMEM;
	}
	return -ENOENT;
}

int users_home(const struct engine_request *request, uid_t uid, char **ret, gid_t *ret_gid)
{
	_cleanup_(bytes_done) struct bytes passwd = BYTES_INIT;
	char path[PATH_MAX];
	int r;

	if (snprintf(path, sizeof(path), "%s/etc/passwd", request->root) >= (int)sizeof(path))
		return -ENAMETOOLONG;
	r = state_read_file(path, PASSWD_LIMIT, &passwd);
	return r < 0 ? r : find_home(&passwd, uid, ret, ret_gid);
}

bool users_is_foreign(uid_t owner)
{
	return owner != 0 && owner != geteuid();
}

void users_say_late(const struct engine_request *request)
{
	const struct cj_engine_options *options = request->options;

	if (!options->log || (request->shared && request->shared->foreign_said))
		return;
	if (request->shared)
		request->shared->foreign_said = true;
	options->log(options->log_data, CJ_LOG_STEP,
		     "time for other users' engines is up: the rest is left out");
}

int64_t users_time(const struct engine_request *request)
{
	int64_t left = engine_foreign_time(request);

	if (left <= 0)
		users_say_late(request);
	return left;
}
