/* SPDX-License-Identifier: MIT
 *
 * Whose rootless engines there may be, and their runtime directories (/run/user/UID), in which nothing
 * that a user does can make us wait.
 * Not here: which files of which engine are there (state.h, podman.c, docker.c).
 */
#pragma once

#include <dirent.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/io.h"
#include "engine/source.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { USERS_MAX = 1024 };

/*
 * The users whose engines may be asked: for root all that have a runtime directory, root among them;
 * for another user only the caller. The array is owned; it may be empty. At most USERS_MAX. ENOMEM
 */
int users_list(const struct engine_request *request, uid_t **ret, size_t *ret_n);

/*
 * The path of a user's runtime directory with `below` behind it ("/docker.sock", or ""): the caller's is
 * options->runtime_dir, if that is given. It's for telling, and for the address of a source.
 *
 *	ENAMETOOLONG
 */
int users_path(const struct engine_request *request, uid_t uid, const char *below, char *buf,
	       size_t size);

/*
 * Opens that directory, for the calls below. The caller closes it.
 *
 *	ENOENT	there is none
 *	EPERM	it isn't that user's
 *	EREMOTE	the user has mounted something there that may never answer
 */
int users_open(const struct engine_request *request, uid_t uid, int *ret_fd);

/*
 * Reads the regular file `path` ("crun/ID/status") below such a directory; the others open a directory,
 * which the caller closes, and any file for its place alone (O_PATH). No link is followed, no mount
 * entered. `path` is not to hold what somebody else may choose unchecked: container_id_is_valid().
 *
 *	EINVAL	no regular file
 *	EFBIG	more than `limit` bytes
 *	ELOOP, EXDEV	a link, a mount
 */
int users_read_file(int fd, const char *path, size_t limit, struct bytes *ret);
int users_opendir(int fd, const char *path, DIR **ret);
int users_open_path(int fd, const char *path);

/*
 * Connects `fd`, a UNIX socket that doesn't block, to `address`, a path that users_path() has made. A plain
 * connect(2) would wait for whatever the user has mounted there.
 *
 *	EINVAL	it isn't below that user's runtime directory
 *	ENOTSOCK	no socket is there
 *	others	of users_open() and connect(2)
 */
int users_connect(const struct engine_request *request, uid_t uid, const char *address, int fd);

/*
 * The home directory of a user, by the host's passwd(5), owned, and the group. What is in there may lie on a
 * file system that never answers, and be a link to what is none of the user's: container_file_read_as().
 *
 *	ENOENT	the file doesn't know the user
 */
int users_home(const struct engine_request *request, uid_t uid, char **ret, gid_t *ret_gid);

/*
 * engine_foreign_time(), to be asked before each record of another user's; tells the log, once a search,
 * when it's up.
 */
int64_t users_time(const struct engine_request *request);
void users_say_late(const struct engine_request *request); /* that */
bool users_is_foreign(uid_t owner); /* neither the system's nor the caller's */

#ifdef __cplusplus
}
#endif
