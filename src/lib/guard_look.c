/* SPDX-License-Identifier: MIT
 *
 * Who is to see the command: what the guard decides from. Reads and changes nothing.
 * Not here: the decision (guard.c), how to miss nobody (sys/walk.h).
 *
 * A process that forks meanwhile: what it was when it was looked at bounds what its children can be.
 */
#include "lib/guard.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "base/cleanup.h"
#include "base/format.h"
#include "base/grow.h"
#include "lib/map.h"
#include "sys/capabilities.h"
#include "sys/pidns.h"
#include "sys/walk.h"

enum {
	TRIES = 3,
	USERS_MAX = 64,
	LEVELS = 34, /* include/linux/user_namespace.h: at most 33 nested, and the initial one */
};

/* HARMLESS: beneath the command's user namespace, or beside it. */
enum { HARMLESS = -1 };

/* A user namespace that was met. Held, so that its number can't become another's. */
struct user_ns {
	uint64_t inode;
	int fd;
	int relation; /* enum guard_relation, or HARMLESS */
	uid_t owner;
};

struct look {
	const struct guard_query *query;
	struct walk *walk;
	struct pidns pidns; /* the outermost that the command will have a number in, below ours */
	bool by_mounts;	    /* in our pid namespace: the target's is its mount namespace */
	struct user_ns users[LEVELS + USERS_MAX]; /* the command's own first, then those above it */
	size_t n_above, n_users;
	struct map known; /* credentials → index in facts.list */
	struct guard_facts facts;
};

static void look_done(struct look *look)
{
	for (size_t i = 0; i < look->n_users; i++)
		close_fd(&look->users[i].fd);
	walk_free(look->walk);
	pidns_done(&look->pidns);
	map_done(&look->known);
	guard_facts_done(&look->facts);
}

/* The command's user namespace, and all above it that can be seen. */
static int open_users(struct look *look, struct cj_error *err)
{
	_cleanup_fd_ int own = -EBADF;
	int proc = look->query->target->ref.proc, fd, r;

	if (!look->query->joins_user) {
		r = proc_open(0, &own, err);
		if (r < 0)
			return r;
		proc = own;
	}
	fd = namespace_open(proc, NAMESPACE_USER);
	if (fd == -ENOENT && !look->query->joins_user)
		return cj_fail(err, ENOTSUP, "look at user namespaces, which this kernel hasn't");
	while (fd >= 0 && look->n_users < LEVELS) {
		struct user_ns *ns = &look->users[look->n_users];

		*ns = (struct user_ns){.fd = fd};
		look->n_users++;
		ns->relation = look->n_users == 1 ? GUARD_SAME : GUARD_ABOVE;
		r = namespace_inode(fd, &ns->inode);
		if (r == 0 && look->n_users > 1)
			r = namespace_owner(ns[-1].fd, &ns->owner);
		if (r < 0)
			return cj_fail(err, -r, "look at the command's user namespace");
		fd = namespace_parent(fd);
	}
	if (look->n_users == 0)
		return cj_fail(err, -fd, "open the command's user namespace");
	look->n_above = look->n_users;
	return 0;
}

/*
 * A process in a pid namespace has a number in all that are above it, and who is in one of those may have
 * mounted its procfs: a container in a container is seen by the outer one.
 */
static int open_pidns(struct look *look, struct cj_error *err)
{
	const struct pidref *ref = &look->query->target->ref;
	struct pidns *ns = &look->pidns;
	int r = pidns_open(ref->pid, ref->proc, ns, err);

	if (r < 0)
		return r;
	while (ns->depth > 1) {
		_cleanup_fd_ int above = namespace_parent(ns->fd);
		struct stat st;

		if (above < 0 || fstat(above, &st) < 0)
			return cj_fail(err, above < 0 ? -above : errno,
				       "open the pid namespace above the target's");
		close_fd(&ns->fd);
		ns->fd = take_fd(&above);
		ns->device = st.st_dev;
		ns->inode = st.st_ino;
		ns->depth--;
	}
	return 0;
}

/*
 * What can't be read although we have CAP_SYS_PTRACE is kept from us by somebody above the target, and
 * is nothing of its own. Without, we look at those who could be in the target's user namespace by their
 * ids; our own non-dumpable processes are among them.
 */
static int may_be_in_mounts(const struct look *look, const struct proc_status *status)
{
	const struct identity *theirs = look->query->theirs;
	uint32_t inside;

	if (look->query->ours->status.effective & CAPABILITY(CAP_SYS_PTRACE))
		return 0;
	return !theirs->uid_map.n || idmap_to_inside(&theirs->uid_map, status->uid[1], &inside);
}

/* Is it one of those that will see the command? 1, 0, or why that can't be told. */
static int is_meant(struct look *look, pid_t pid)
{
	uint64_t mnt;
	int r;

	if (!look->by_mounts)
		return pidns_holds(&look->pidns, pid,
				   look->pidns.asks ? -EBADF : walk_directory(look->walk));
	r = walk_directory(look->walk);
	if (r >= 0)
		r = namespace_read(r, NAMESPACE_MNT, &mnt);
	return r < 0 ? r : mnt == look->query->theirs->namespaces.inode[NAMESPACE_MNT];
}

/* Climbs from a user namespace up to one that the command's has above it, or is. */
static int climb(const struct look *look, int fd)
{
	for (int level = 0; fd >= 0 && level < LEVELS; level++) {
		uint64_t inode;
		int parent, r = namespace_inode(fd, &inode);

		for (size_t i = 0; r == 0 && i < look->n_above; i++)
			if (look->users[i].inode == inode) {
				close_fd(&fd);
				return HARMLESS;
			}
		parent = r < 0 ? r : namespace_parent(fd);
		close_fd(&fd);
		fd = parent;
	}
	return GUARD_UNKNOWN;
}

/* Where its user namespace is. The entry lives until the next call. */
static int find_user(struct look *look, const struct user_ns **ret)
{
	int proc = walk_directory(look->walk), r;
	_cleanup_fd_ int fd = -EBADF;
	struct user_ns *ns;
	uint64_t inode;

	r = proc < 0 ? proc : namespace_read(proc, NAMESPACE_USER, &inode);
	if (r < 0)
		return r;
	for (size_t i = 0; i < look->n_users; i++)
		if (look->users[i].inode == inode) {
			*ret = &look->users[i];
			return 0;
		}
	fd = namespace_open(proc, NAMESPACE_USER);
	r = fd < 0 ? fd : namespace_inode(fd, &inode);
	if (r < 0)
		return r;
	while (look->n_users == ELEMENTS(look->users)) /* a user namespace each: begin anew */
		while (look->n_users > look->n_above)
			close_fd(&look->users[--look->n_users].fd);
	ns = &look->users[look->n_users++];
	*ns = (struct user_ns){.inode = inode, .fd = take_fd(&fd)};
	fd = fcntl(ns->fd, F_DUPFD_CLOEXEC, 0);
	ns->relation = climb(look, take_fd(&fd));
	*ret = ns;
	return 0;
}

/* What the decision rests on: processes alike in it are one entry. */
struct credentials {
	uint64_t permitted, bounding, inheritable;
	uid_t uid[4];
	gid_t gid[4];
	uid_t owner;
	int relation, initial, unread, no_new_privs, at_home;
};

static int note(struct look *look, const struct guard_process *p, bool again)
{
	struct guard_facts *facts = &look->facts;
	struct credentials key;
	size_t known;
	int r;

	memset(&key, 0, sizeof(key)); /* its padding, too */
	key.permitted = p->permitted;
	key.bounding = p->bounding;
	key.inheritable = p->inheritable;
	memcpy(key.uid, p->uid, sizeof(key.uid));
	memcpy(key.gid, p->gid, sizeof(key.gid));
	key.owner = p->owner;
	key.relation = (int)p->relation;
	key.initial = p->initial;
	key.unread = p->unread;
	key.no_new_privs = p->no_new_privs;
	key.at_home = p->at_home;
	known = map_get(&look->known, &key, sizeof(key));
	if (known != MAP_NONE) {
		facts->list[known].count += !again;
		return 0;
	}
	if (!array_grow((void **)&facts->list, sizeof(*p), &facts->room, facts->n + 1))
		return -ENOMEM;
	r = map_put(&look->known, &key, sizeof(key), facts->n);
	if (r < 0)
		return r;
	facts->list[facts->n] = *p;
	facts->list[facts->n++].count = 1;
	return 0;
}

static int note_unknown(struct look *look, const struct walk_task *task, int unread)
{
	struct guard_process p = {
		.pid = task->pid,
		.tid = task->pid,
		.comm = "?",
		.relation = GUARD_UNKNOWN,
		.unread = unread,
	};

	return note(look, &p, task->again);
}

/*
 * Is its root directory ours? Each thread may have one of its own. 1 or 0; ESRCH: it has none any more,
 * being about to end. A file system's server isn't asked: it may never answer.
 */
static int is_at_home(struct look *look, const struct walk_task *task)
{
	const struct place *ours = &look->query->ours->root;
	int proc = walk_directory(look->walk);
	char path[32];
	struct statx stx;

	if (proc < 0)
		return proc;
	(void)format_safe(path, sizeof(path), "task/%d/root", task->pid);
	if (statx(proc, path, AT_NO_AUTOMOUNT | AT_STATX_DONT_SYNC, STATX_INO, &stx) < 0)
		return errno == ENOENT || errno == ESRCH ? -ESRCH : 0;
	return ours->inode && stx.stx_ino == ours->inode &&
	       makedev(stx.stx_dev_major, stx.stx_dev_minor) == ours->device;
}

static int note_status(struct look *look, const struct walk_task *task, const struct user_ns *ns,
		       const struct proc_status *status)
{
	int home = is_at_home(look, task);
	struct guard_process p = {
		.pid = status->tgid,
		.tid = task->pid,
		.relation = (enum guard_relation)ns->relation,
		.initial = ns->inode == NAMESPACE_USER_INITIAL,
		.owner = ns->owner,
		.unread = ns->relation == GUARD_UNKNOWN ? EPERM : 0,
		.permitted = status->permitted,
		.bounding = status->bounding,
		.inheritable = status->inheritable,
		.no_new_privs = status->no_new_privs,
		.at_home = home > 0,
	};

	if (home == -ESRCH)
		return 0;
	memcpy(p.comm, status->comm, sizeof(p.comm));
	memcpy(p.uid, status->uid, sizeof(p.uid));
	memcpy(p.gid, status->gid, sizeof(p.gid));
	return note(look, &p, task->again);
}

static int look_at_threads(struct look *look, const struct user_ns *ns)
{
	struct walk_task task;
	const char *text;
	int r;

	while ((r = walk_next_thread(look->walk, &task, &text)) > 0) {
		_cleanup_(proc_status_done) struct proc_status status = PROC_STATUS_INIT;

		r = proc_parse_status(text, &status);
		if (r == 0)
			r = note_status(look, &task, ns, &status);
		if (r < 0)
			break;
	}
	return r;
}

static bool has_ended(const struct proc_status *status)
{
	return status->state == 'X' || (status->state == 'Z' && status->threads <= 1);
}

static bool is_still_there(struct look *look)
{
	_cleanup_(proc_status_done) struct proc_status status = PROC_STATUS_INIT;
	const char *text;

	return walk_status(look->walk, &text) == 0 && proc_parse_status(text, &status) == 0 &&
	       !has_ended(&status);
}

/* One that is meant, or of which that can't be told: `meant` is as is_meant() says. */
static int look_at_status(struct look *look, const struct walk_task *task, const char *text,
			  int meant)
{
	_cleanup_(proc_status_done) struct proc_status status = PROC_STATUS_INIT;
	const struct user_ns *ns = NULL;
	int r = proc_parse_status(text, &status);

	if (r < 0)
		return r;
	if (has_ended(&status))
		return 0;
	if (meant == -ENOENT) /* its main thread has ended, and has no namespaces any more */
		meant = 1;
	if (meant < 0 && look->by_mounts && !may_be_in_mounts(look, &status))
		return 0;
	r = meant < 0 ? meant : find_user(look, &ns);
	if (r == -ENOMEM || r == -EMFILE || r == -ENFILE)
		return r;
	if (r < 0) /* the kernel says EACCES of one that has just ended, too */
		return is_still_there(look) ? note_unknown(look, task, -r) : 0;
	if (ns->relation == HARMLESS)
		return 0;
	r = note_status(look, task, ns, &status);
	/* In the second look threads come by their own numbers. */
	return r == 0 && status.threads > 1 && !task->again ? look_at_threads(look, ns) : r;
}

/* Before 6.11 the status tells whether it's worth asking: one number only, and it's in our namespace. */
static int is_deeper(struct look *look, const char **ret_text)
{
	struct pid_status status;
	int r = walk_status(look->walk, ret_text);

	if (r < 0)
		return r;
	r = pid_status_parse(*ret_text, &status);
	return r < 0 ? r : status.n_levels > 1;
}

static int look_at(struct look *look, const struct walk_task *task)
{
	const char *text = NULL;
	int meant, r;

	if (!look->by_mounts && !look->pidns.asks) {
		r = is_deeper(look, &text);
		if (r == 0 || r == -ESRCH)
			return 0;
		if (r < 0 && r != -EACCES && r != -EPERM)
			return r;
	}
	meant = is_meant(look, task->pid);
	if (meant == 0 || meant == -ESRCH)
		return 0;
	r = text ? 0 : walk_status(look->walk, &text);
	if (r == -EACCES || r == -EPERM) /* hidepid=noaccess */
		return note_unknown(look, task, -r);
	if (r < 0)
		return r == -ESRCH ? 0 : r;
	return look_at_status(look, task, text, meant);
}

/* EAGAIN: as of walk_next(). */
static int look_at_all(struct look *look, struct cj_error *err)
{
	struct walk_task task;
	int r;

	guard_facts_done(&look->facts);
	map_done(&look->known);
	walk_free(take_ptr(look->walk));
	r = walk_new(&look->walk, err);
	if (r < 0)
		return r;
	while ((r = walk_next(look->walk, &task)) > 0) {
		r = look_at(look, &task);
		if (r < 0)
			break;
	}
	if (r < 0 && r != -EAGAIN)
		return cj_fail(err, -r, "look at the target's processes");
	return r;
}

static void note_circumstances(struct look *look)
{
	const struct proc_status *ours = &look->query->ours->status;
	struct guard_facts *facts = &look->facts;

	facts->blind = walk_is_blind(look->walk);
	facts->ptrace_scope = walk_ptrace_scope(look->walk);
	facts->most = look->query->joins_user ? capabilities_all() : ours->permitted;
	facts->our_uid = ours->uid[1];
	facts->our_gid = ours->gid[1];
}

/* Is there anybody who is to see the command? */
static bool is_seen(struct look *look)
{
	const uint64_t *ours = look->query->ours->namespaces.inode;
	const uint64_t *theirs = look->query->theirs->namespaces.inode;

	look->by_mounts = theirs[NAMESPACE_PID] == ours[NAMESPACE_PID];
	if (look->by_mounts)
		return theirs[NAMESPACE_MNT] != ours[NAMESPACE_MNT];
	return look->query->joins_pid;
}

int guard_look(const struct guard_query *query, struct guard_facts *ret, struct cj_error *err)
{
	_cleanup_(look_done) struct look look = {.query = query, .pidns = PIDNS_INIT};
	int r = 0;

	if (!is_seen(&look)) {
		*ret = (struct guard_facts)GUARD_FACTS_INIT;
		return 0;
	}
	r = open_users(&look, err);
	if (r == 0 && !look.by_mounts)
		r = open_pidns(&look, err);
	for (int i = 0; r == 0 || r == -EAGAIN; i++) {
		if (i == TRIES)
			break;
		r = look_at_all(&look, err);
		if (r == 0 && !walk_missed(look.walk))
			break;
	}
	if (r < 0 && r != -EAGAIN)
		return target_explain(query->target, r, err);
	look.facts.restless = r == -EAGAIN;
	note_circumstances(&look);
	*ret = look.facts;
	look.facts = (struct guard_facts)GUARD_FACTS_INIT;
	return 0;
}
