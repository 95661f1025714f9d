/* SPDX-License-Identifier: MIT
 *
 * Where the stage goes: into the target's namespaces, its root and its working directory.
 * Not here: mounts of our own (view.c).
 */
#include <errno.h>
#include <limits.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "stage/stage.h"
#include "stage/view.h"
#include "sys/beneath.h"
#include "sys/syscalls.h"

static void close_each(int (*fds)[NAMESPACE_KINDS])
{
	for (int i = 0; i < NAMESPACE_KINDS; i++)
		close_fd(&(*fds)[i]);
}

/* All of them before the first is joined: the mount namespace takes our /proc away. */
static int open_each(const struct orders *orders, int flags, int fds[NAMESPACE_KINDS],
		     struct cj_error *err)
{
	for (int i = 0; i < NAMESPACE_KINDS; i++) {
		if (!(flags & namespace_kinds[i].flag))
			continue;
		fds[i] = namespace_open(orders->target_proc, i);
		if (fds[i] < 0)
			return cj_fail(err, -fds[i], "open %s namespace", namespace_kinds[i].name);
	}
	return 0;
}

/*
 * One by one, by their files, where one call for all isn't possible, and to learn which one it is
 * that fails: all but user first (EPERM is put off: only the user namespace gives the right), then
 * user, then what is left, with nothing put off any more. setns(2)
 */
static int join_each(const struct orders *orders, int flags, struct cj_error *err)
{
	_cleanup_(close_each) int fds[NAMESPACE_KINDS] = {-1, -1, -1, -1, -1, -1, -1, -1};
	bool crosses = flags & CLONE_NEWUSER;
	int r = open_each(orders, flags, fds, err);

	for (int pass = crosses ? 0 : 1; pass < 2 && r == 0; pass++) {
		for (int i = 0; i < NAMESPACE_KINDS; i++) {
			if (fds[i] < 0 || (pass == 0 && i == NAMESPACE_USER))
				continue;
			r = sys_setns(fds[i], namespace_kinds[i].flag);
			if (r == -EPERM && pass == 0)
				continue;
			if (r < 0)
				return cj_fail(err, -r, "join %s namespace",
					       namespace_kinds[i].name);
			close_fd(&fds[i]);
		}
		r = 0;
	}
	return r;
}

static int join_all(const struct orders *orders, int flags, struct cj_error *err)
{
	int r;

	if (!flags)
		return STEP_NOTHING;
	r = sys_setns(orders->target, flags); /* all or none: 5.8 */
	if (r == -ESRCH)
		return cj_fail(err, ESRCH, "join namespaces: the target has ended");
	if (r == -EPERM)
		cj_hint(err, "needs CAP_SYS_ADMIN over each namespace: run as root");
	return r < 0 ? join_each(orders, flags, err) : 0;
}

/*
 * A directory that isn't below the root of our (by now the target's) mount namespace: getcwd(2) says
 * so by a path that doesn't begin with a slash.
 */
static int check_reachable(struct cj_error *err, const char *what, const char *name)
{
	char path[PATH_MAX];
	int r = sys_getcwd(path, sizeof(path));

	if (r < 0)
		return cj_fail(err, -r, "change %s to %s", what, name);
	return path[0] == '/' ? 0 : cj_fail(err, EXDEV, "change %s to %s", what, name);
}

int change_root(const struct orders *orders, struct cj_error *err)
{
	const char *name = orders->root ? orders->root : orders->root_name;
	int fd = orders->root_fd, r;

	if (!orders_have(orders, PART_ROOT))
		return STEP_NOTHING;
	if (orders->root) {
		fd = beneath_open_path(fd, orders->root, O_DIRECTORY);
		if (fd < 0)
			return cj_fail(err, -fd, "open root %s", orders->root);
	}
	if (fchdir(fd) < 0)
		return cj_fail(err, errno, "change root to %s", name);
	/* The target may have changed its mount namespace since it was looked at. */
	r = check_reachable(err, "root", name);
	if (r < 0)
		return r;
	return chroot(".") < 0 ? cj_fail(err, errno, "change root to %s", name) : 0;
}

int change_cwd(const struct orders *orders, struct cj_error *err)
{
	const char *name = orders->cwd ? orders->cwd : orders->cwd_name;
	int r = 0;

	if (!orders_have(orders, PART_CWD))
		return STEP_NOTHING;
	if ((orders->cwd ? chdir(orders->cwd) : fchdir(orders->cwd_fd)) < 0)
		r = cj_fail(err, errno, "change directory to %s", name);
	/* One outside of the root is a way out of the container, or into the host: CVE-2024-21626. */
	if (r == 0)
		r = check_reachable(err, "directory", name);
	if (r < 0)
		cj_hint(err, "-w / begins at the root");
	return r;
}

static bool is_private_copy(const struct orders *orders)
{
	return orders->view.kind != VIEW_PLAIN;
}

int join_namespaces(const struct orders *orders, struct cj_error *err)
{
	const struct order_view *view = &orders->view;
	int flags = orders->join_flags & (view->user_last ? ~CLONE_NEWUSER : ~0);
	_cleanup_fd_ int brought = -EBADF;
	int r = 0;

	if (!is_private_copy(orders))
		return join_all(orders, flags, err);
	/* Without rights here they come with the target's user namespace, and then it's joined first. */
	if (view->n_brought > 0 && flags & CLONE_NEWUSER) {
		r = join_all(orders, CLONE_NEWUSER, err);
		flags &= ~CLONE_NEWUSER;
	}
	if (r == 0 && view->n_brought > 0)
		r = view_gather(view, &brought, err);
	if (r == 0)
		r = join_all(orders, flags, err);
	if (r < 0)
		return r;
	return view->kind == VIEW_HOST ? view_make_host(orders, err)
				       : view_make_target(orders, brought, err);
}

int join_user_last(const struct orders *orders, struct cj_error *err)
{
	if (!orders->view.user_last)
		return STEP_NOTHING;
	return join_all(orders, CLONE_NEWUSER, err);
}
