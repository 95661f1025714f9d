/* SPDX-License-Identifier: MIT
 *
 * usage: bring-into [-p PATH] [-f FILE]… [-d DIR]… [-n | -l] ROOT [COMMAND [ARG…]]
 *
 * Lays out what lib/bring.h says below ROOT/run/conjoin, in a mount namespace of its own, and
 * executes COMMAND with ROOT as its root, CONJOIN_BIN first in PATH. Notes go to stderr. -n: only
 * resolves; -l: prints the list as well.
 * Not here: how the stage does it, which needs no directory in ROOT.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/bring.h"

#define HOME "/run/conjoin"

enum { LIST_MAX = 8000, PATH_SIZE = 8192 };

struct options {
	struct bring_request request;
	const char *files[LIST_MAX], *dirs[100];
	int files_n, dirs_n;
	int resolve_only, list;
};

static _Noreturn void die(const char *what, const char *which)
{
	(void)fprintf(stderr, "bring-into: %s %s: %s\n", what, which, strerror(errno));
	exit(125);
}

static void make_file(const char *path, const struct brought *item)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0555);

	if (fd < 0)
		die("make", path);
	if (item->bytes && write(fd, item->bytes, item->size) != (ssize_t)item->size)
		die("write", path);
	(void)close(fd);
}

static void bind_read_only(const char *from, const char *to)
{
	if (mount(from, to, NULL, MS_BIND, NULL) < 0 ||
	    mount(NULL, to, NULL, MS_BIND | MS_REMOUNT | MS_RDONLY, NULL) < 0)
		die("bind", from);
}

static void make(const char *top, const struct brought *item)
{
	char path[PATH_SIZE];

	(void)snprintf(path, sizeof(path), "%s/%s", top, item->path);
	switch (item->kind) {
	case BROUGHT_DIRECTORY:
	case BROUGHT_TREE:
		if (mkdir(path, 0755) < 0)
			die("make", path);
		if (item->kind == BROUGHT_TREE)
			bind_read_only(item->source, path);
		break;
	case BROUGHT_FILE:
		make_file(path, item);
		bind_read_only(item->source, path);
		break;
	case BROUGHT_PROGRAM:
		make_file(path, item);
		break;
	case BROUGHT_LINK:
		if (symlink(item->source, path) < 0)
			die("link", path);
		break;
	}
}

static void lay_out(const char *root, const struct bring *bring)
{
	char top[PATH_SIZE / 2];

	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		die("unshare", "mounts");
	(void)snprintf(top, sizeof(top), "%s/run", root);
	(void)mkdir(top, 0755);
	if (mount("none", top, "tmpfs", 0, "mode=755") < 0)
		die("mount", top);
	(void)snprintf(top, sizeof(top), "%s" HOME, root);
	if (mkdir(top, 0755) < 0)
		die("make", top);
	for (size_t i = 0; i < bring->n; i++)
		make(top, &bring->items[i]);
}

static void print(const struct bring *bring)
{
	static const char *const kinds[] = {"directory", "file", "tree", "link", "program"};

	for (size_t i = 0; i < bring->n; i++)
		(void)printf("%s\t%s\t%s\n", kinds[bring->items[i].kind], bring->items[i].path,
			     bring->items[i].source ? bring->items[i].source : "");
}

static void parse(int argc, char **argv, struct options *ret)
{
	int option;

	ret->request = (struct bring_request){ret->files, ret->dirs, NULL, HOME};
	while ((option = getopt(argc, argv, "+p:f:d:nl")) != -1) {
		if (option == 'p')
			ret->request.path = optarg;
		else if (option == 'f' && ret->files_n < LIST_MAX - 1)
			ret->files[ret->files_n++] = optarg;
		else if (option == 'd' && ret->dirs_n < 99)
			ret->dirs[ret->dirs_n++] = optarg;
		else if (option == 'n')
			ret->resolve_only = 1;
		else if (option == 'l')
			ret->resolve_only = ret->list = 1;
		else
			exit(125);
	}
	if (argc <= optind + (ret->resolve_only ? -1 : 1))
		exit(125);
}

int main(int argc, char **argv)
{
	static struct options options;
	struct bring bring = BRING_INIT;
	struct cj_error err = CJ_ERROR_INIT;

	parse(argc, argv, &options);
	if (bring_resolve(&options.request, &bring, &err) < 0) {
		(void)fprintf(stderr, "%s: %s\n", err.text, strerror(err.code));
		return 125;
	}
	for (size_t i = 0; i < bring.n_notes; i++)
		(void)fprintf(stderr, "%s\n", bring.notes[i]);
	if (options.list)
		print(&bring);
	if (!options.resolve_only)
		lay_out(argv[optind], &bring);
	bring_done(&bring);
	if (options.resolve_only)
		return 0;
	if (chroot(argv[optind]) < 0 || chdir("/") < 0)
		die("enter", argv[optind]);
	(void)clearenv();
	(void)setenv("PATH", HOME "/bin:/usr/bin:/bin", 1);
	(void)setenv("CONJOIN_BIN", HOME "/bin", 1);
	(void)execvp(argv[optind + 1], argv + optind + 1);
	die("execute", argv[optind + 1]);
}
