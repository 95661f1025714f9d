/* SPDX-License-Identifier: MIT */
#include "cli/record.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"

enum { LINKS_MAX = 40, TRIES = 100 }; /* path_resolution(7) */

/* A path on its way: what is left of it, from an open directory on. */
struct walk {
	int dir;
	char rest[2 * PATH_MAX];
	char name[NAME_MAX + 1]; /* the component that was taken from it */
	int links;
};

static void walk_done(struct walk *walk)
{
	close_fd(&walk->dir);
}

static int go_to(struct walk *walk, int dir)
{
	if (dir < 0)
		return -errno;
	close_fd(&walk->dir);
	walk->dir = dir;
	return 0;
}

/* Begins with `path`, from the root, if it says so, or from where we are; `rest` is what comes after it. */
static int set_path(struct walk *walk, const char *path, const char *rest)
{
	char whole[sizeof(walk->rest)];
	int n = snprintf(whole, sizeof(whole), "%s%s%s", path, rest[0] ? "/" : "", rest);

	if (n < 0 || (size_t)n >= sizeof(whole))
		return -ENAMETOOLONG;
	memcpy(walk->rest, whole, (size_t)n + 1);
	if (path[0] == '/')
		return go_to(walk, open("/", O_PATH | O_DIRECTORY | O_CLOEXEC));
	return 0;
}

/* Takes the next component. Is it the last one? */
static int take_name(struct walk *walk, bool *ret_last)
{
	char *at = walk->rest + strspn(walk->rest, "/");
	size_t length = strcspn(at, "/");

	if (length > NAME_MAX)
		return -ENAMETOOLONG;
	if (length == 0) /* "", or "dir/" */
		return walk->rest[0] ? -EISDIR : -ENOENT;
	memcpy(walk->name, at, length);
	walk->name[length] = '\0';
	*ret_last = !at[length];
	memmove(walk->rest, at + length, strlen(at + length) + 1);
	return 0;
}

/* As may_follow_link() of the kernel's fs/namei.c has it, where fs.protected_symlinks is set. */
static bool may_follow(int dir, const struct stat *link)
{
	struct stat st;

	if (link->st_uid == geteuid())
		return true;
	if (fstat(dir, &st) < 0)
		return false;
	return (st.st_mode & (S_ISVTX | S_IWOTH)) != (S_ISVTX | S_IWOTH) ||
	       st.st_uid == link->st_uid;
}

static int follow(struct walk *walk, int link, const struct stat *st)
{
	char text[PATH_MAX], rest[sizeof(walk->rest)];
	ssize_t n;

	if (!may_follow(walk->dir, st))
		return -EACCES;
	if (++walk->links > LINKS_MAX)
		return -ELOOP;
	n = readlinkat(link, "", text, sizeof(text) - 1);
	if (n < 0)
		return -errno;
	text[n] = '\0';
	memcpy(rest, walk->rest, sizeof(rest));
	return set_path(walk, text, rest + strspn(rest, "/"));
}

/* Goes to the directory that the file lies in, or will lie in; its name there is walk->name. */
static int find_place(struct walk *walk, const char *path)
{
	int r = set_path(walk, path, "");

	if (r == 0 && walk->dir < 0)
		r = go_to(walk, open(".", O_PATH | O_DIRECTORY | O_CLOEXEC));
	while (r == 0) {
		_cleanup_fd_ int fd = -EBADF;
		struct stat st;
		bool last = false;

		r = take_name(walk, &last);
		if (r < 0)
			break;
		fd = openat(walk->dir, walk->name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
		if (fd < 0)
			return last && errno == ENOENT ? 0 : -errno;
		if (fstat(fd, &st) < 0)
			return -errno;
		if (S_ISLNK(st.st_mode))
			r = follow(walk, fd, &st);
		else if (last)
			return 0;
		else
			r = go_to(walk, take_fd(&fd));
	}
	return r;
}

/* One of several names of a file isn't where its owner expects it to be changed. */
static int check_old(const struct stat *st)
{
	if (S_ISDIR(st->st_mode))
		return -EISDIR;
	if (!S_ISREG(st->st_mode))
		return -EINVAL;
	return st->st_uid == geteuid() && st->st_nlink == 1 ? 0 : -EPERM;
}

/* Looked at before as well, since opening acts on devices. */
static int open_old(const struct walk *walk)
{
	_cleanup_fd_ int fd = -EBADF;
	struct stat st;
	int r;

	if (fstatat(walk->dir, walk->name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	r = check_old(&st);
	if (r < 0)
		return r;
	fd = openat(walk->dir, walk->name,
		    O_WRONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	r = check_old(&st);
	return r < 0 ? r : take_fd(&fd);
}

static int open_file(const char *path)
{
	_cleanup_(walk_done) struct walk walk = {.dir = -EBADF};
	int r = find_place(&walk, path);

	for (int i = 0; r == 0 && i < TRIES; i++) { /* it may come and go */
		int fd = openat(walk.dir, walk.name,
				O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_NOCTTY | O_CLOEXEC,
				0600);

		if (fd < 0 && errno != EEXIST)
			return -errno;
		if (fd < 0)
			fd = open_old(&walk);
		if (fd != -ENOENT)
			return fd;
	}
	return r < 0 ? r : -EBUSY;
}

int record_check(const struct cli *cli, const struct record *record, bool pty)
{
	if (record->input && !record->path)
		return cli_usage(cli, "--record-input goes with --record");
	if (record->path && !pty)
		return cli_usage(cli, "--record is for a pty: see --tty");
	return 0;
}

int record_open(struct record *record, struct cj_error *err)
{
	int fd = record->path ? open_file(record->path) : -EBADF;

	if (!record->path)
		return 0;
	if (fd == -EINVAL)
		return cj_fail(err, EINVAL, "record to %s, which is no regular file", record->path);
	if (fd == -EPERM)
		return cj_fail(err, EPERM, "record to %s, which isn't the caller's alone",
			       record->path);
	if (fd < 0)
		return cj_fail(err, -fd, "record to %s", record->path);
	record->fd = fd;
	return 0;
}

static const char *variable(const char *name, char *buf, size_t size)
{
	const char *value = getenv(name);

	if (!value)
		return NULL;
	(void)snprintf(buf, size, "%s=%s", name, value);
	return buf;
}

static void warn(struct cli *cli, const struct record *record, const char *what, int code)
{
	char text[512];

	(void)snprintf(text, sizeof(text), "the recording %s %s: %s", record->path, what,
		       strerror(code));
	cli_log(cli, CJ_LOG_WARNING, text);
}

void record_start(struct cli *cli, struct record *record, struct cj_session_options *session)
{
	struct cj_recording_options options = CJ_RECORDING_OPTIONS_INIT;
	struct cj_error err = CJ_ERROR_INIT;
	struct winsize size = {0};
	char term[256], shell[256];
	const char *env[3] = {NULL};
	size_t n = 0;

	if (record->fd < 0)
		return;
	(void)ioctl(session->pty, TIOCGWINSZ, &size); /* else 0: unknown */
	env[n] = variable("TERM", term, sizeof(term));
	n += env[n] != NULL;
	env[n] = variable("SHELL", shell, sizeof(shell));
	options.env = env;
	options.fd = record->fd;
	options.input = record->input;
	options.columns = size.ws_col;
	options.rows = size.ws_row;
	if (cj_recording_new(&options, &record->recording, &err) < 0) {
		warn(cli, record, "couldn't be begun", err.code);
		close_fd(&record->fd);
		return;
	}
	record->fd = -EBADF;
	session->recording = record->recording;
}

void record_end(struct cli *cli, struct record *record)
{
	int code = record->recording ? cj_recording_failure(record->recording) : 0;

	if (code)
		warn(cli, record, "isn't whole", code);
	cj_recording_free(record->recording);
	record->recording = NULL;
	close_fd(&record->fd);
}
