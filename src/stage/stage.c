/* SPDX-License-Identifier: MIT
 *
 * The stage: in the host's pid namespace to its end, it joins everything and takes on the target's
 * identity, so that the child it makes is born with nothing of the host's.
 *
 * The order of its steps was found by attacking others. Why each is where it is stands beside
 * it; tests/integration/test_attack.py is what tells when it's wrong.
 */
#include "stage/stage.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <stdarg.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/format.h"
#include "base/io.h"
#include "stage/report.h"
#include "stage/view.h"
#include "sys/syscalls.h"

void steps_run(const struct step *steps, size_t n, const struct orders *orders)
{
	for (size_t i = 0; i < n; i++) {
		struct cj_error err = CJ_ERROR_INIT;
		int r = steps[i].run(orders, &err);

		if (r < 0) {
			(void)cj_fail(&err, -r, "%s", steps[i].what);
			report_send(orders->report, REPORT_ERROR, &err);
			_exit(1);
		}
		if (orders->verbose && r != STEP_NOTHING) {
			(void)cj_fail(&err, EINPROGRESS, "%s", steps[i].what);
			report_send(orders->report, REPORT_STEP, &err);
		}
	}
}

__attribute__((format(printf, 4, 0))) static void send_note(const struct orders *orders,
							    enum report_kind kind, int code,
							    const char *format, va_list args)
{
	struct cj_error note = {.code = code};

	(void)format_safe_v(note.text, sizeof(note.text), format, args);
	report_send(orders->report, kind, &note);
}

void step_note(const struct orders *orders, const char *format, ...)
{
	va_list args;

	if (!orders->verbose)
		return;
	va_start(args, format);
	send_note(orders, REPORT_NOTE, 0, format, args);
	va_end(args);
}

void step_warn(const struct orders *orders, int code, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	send_note(orders, REPORT_WARNING, code, format, args);
	va_end(args);
}

void text_wipe(char *text)
{
	for (; *text; text++)
		*(volatile char *)text = '\0';
}

static int follow_supervisor(const struct orders *orders, struct cj_error *err)
{
	char byte;

	(void)err;
	/* Held here as well, neither pipe would ever end. */
	if (orders->life_w >= 0)
		(void)close(orders->life_w);
	if (orders->report_r >= 0)
		(void)close(orders->report_r);
	if (!orders->threaded)
		(void)sys_prctl(PR_SET_PDEATHSIG, SIGKILL, 0);
	if (io_read(orders->life, &byte, 1) == 0)
		_exit(1); /* it's gone */
	return STEP_NOTHING;
}

/* From here on nobody without privileges over us may look into us: CVE-2016-9962. */
static int hide(const struct orders *orders, struct cj_error *err)
{
	(void)orders;
	(void)err;
	return sys_prctl(PR_SET_DUMPABLE, 0, 0) ?: STEP_NOTHING;
}

static int default_signals(const struct orders *orders, struct cj_error *err)
{
	(void)orders;
	(void)err;
	/* Also those that the caller ignores: that would last over execve. All are blocked by now. */
	for (int sig = 1; sig <= SIGNALS; sig++)
		(void)sys_sigaction_default(sig); /* EINVAL for SIGKILL and SIGSTOP */
	return STEP_NOTHING;
}

/*
 * Written here, through the procfs that we know: the target's may be a fake (a directory that takes
 * writes and does nothing). It takes effect at execve; a fork passes it on.
 */
static int set_label(const struct orders *orders, struct cj_error *err)
{
	const struct label *label = &orders->label;
	_cleanup_fd_ int attr = -EBADF;
	int r;

	if (!orders_have(orders, PART_LABEL))
		return STEP_NOTHING;
	attr = label_open_attr();
	r = attr < 0 ? attr : label_set_exec(attr, label);
	return r < 0 ? cj_fail(err, -r, "take on label %s", label->text) : 0;
}

static int set_groups(const struct orders *orders)
{
	return sys_setgroups(orders->n_groups, orders->groups);
}

static int groups_outside(const struct orders *orders, struct cj_error *err)
{
	(void)err;
	if (!orders_have(orders, PART_GROUPS) || !orders->groups_before_join)
		return STEP_NOTHING;
	return set_groups(orders);
}

static int set_small_things(const struct orders *orders, struct cj_error *err)
{
	int r;

	if (orders_have(orders, PART_UMASK))
		(void)umask(orders->umask); /* can't fail */
	if (orders_have(orders, PART_PERSONALITY) && personality(orders->personality) < 0)
		return cj_fail(err, errno, "set personality %lx", orders->personality);
	if (orders_have(orders, PART_TIMER_SLACK)) {
		r = sys_prctl(PR_SET_TIMERSLACK, orders->timer_slack, 0);
		if (r < 0)
			return cj_fail(err, -r, "set timer slack %lu", orders->timer_slack);
	}
	return 0;
}

/* Keys of the caller's session would be readable inside. Before a filter that denies keyctl. */
static int new_keyring(const struct orders *orders, struct cj_error *err)
{
	(void)err;
	if (!orders_have(orders, PART_KEYRING))
		return STEP_NOTHING;
	return keyring_new_session();
}

static int bound_capabilities(const struct orders *orders, struct cj_error *err)
{
	int r;

	if (!orders_have(orders, PART_CAPABILITIES))
		return STEP_NOTHING;
	r = capabilities_bound(orders->capabilities.bounding);
	if (r == 0) /* setresuid would take them all, those for the filter included */
		r = sys_prctl(PR_SET_KEEPCAPS, 1, 0);
	return r < 0 ? cj_fail(err, -r, "bound capabilities") : 0;
}

static int groups_inside(const struct orders *orders, struct cj_error *err)
{
	(void)err;
	if (!orders_have(orders, PART_GROUPS) || orders->groups_before_join)
		return STEP_NOTHING;
	return set_groups(orders);
}

static int set_ids(const struct orders *orders, struct cj_error *err)
{
	const uid_t *uid = orders->uid;
	const gid_t *gid = orders->gid;
	int r;

	if (!orders_have(orders, PART_IDS))
		return STEP_NOTHING;
	for (int i = 0; i < 3; i++)
		if (uid[i] == (uid_t)-1 || gid[i] == (gid_t)-1)
			return cj_fail(err, EINVAL, "set ids to -1, which would keep ours");
	r = sys_setresgid(gid[0], gid[1], gid[2]);
	if (r < 0)
		return cj_fail(err, -r, "set gid %u", gid[1]);
	r = sys_setresuid(uid[0], uid[1], uid[2]);
	if (r < 0)
		return cj_fail(err, -r, "set uid %u", uid[1]);
	/* They tell no error; the kernel resets them at execve to the effective ids anyhow. */
	(void)sys_setfsgid(gid[3]);
	(void)sys_setfsuid(uid[3]);
	return 0;
}

static bool stage_loads_seccomp(const struct orders *orders)
{
	return orders->load_seccomp && !orders->seccomp_last;
}

/* What loading a filter without no_new_privs wants, and the target may not have. */
static uint64_t extra_capabilities(const struct orders *orders)
{
	return stage_loads_seccomp(orders) && !orders->no_new_privs ? CAPABILITY(CAP_SYS_ADMIN) : 0;
}

static int take_capabilities(const struct orders *orders, struct cj_error *err)
{
	const struct capability_sets *sets = &orders->capabilities;
	uint64_t extra = extra_capabilities(orders);
	int r;

	if (!orders_have(orders, PART_CAPABILITIES))
		return STEP_NOTHING;
	r = capabilities_set(sets->inheritable, sets->permitted | extra, sets->effective | extra);
	if (r == 0)
		r = capabilities_ambient(sets->ambient);
	return r < 0 ? cj_fail(err, -r, "set capabilities") : 0;
}

/*
 * Leaves 0 to 2, those above that were asked for, and the two pipes, which lie above them all and are closed
 * by execve. CVE-2024-21626
 */
static int close_others(const struct orders *orders, struct cj_error *err)
{
	unsigned int first = 3 + orders->preserve_fds;
	int r;

	for (unsigned int i = 3; i < first; i++)
		(void)fcntl((int)i, F_SETFD, 0);
	r = sys_close_all_but(first, orders->report, orders->life);
	return r < 0 ? cj_fail(err, -r, "close the caller's files") : STEP_NOTHING;
}

static int set_limit(const struct orders *orders, int kind, struct cj_error *err)
{
	int r = orders->set_limits >> kind & 1
			? sys_prlimit(0, kind, &orders->limits.of[kind], NULL)
			: 0;

	if (r == -EPERM)
		cj_hint(err, "raising a hard limit needs CAP_SYS_RESOURCE");
	return r < 0 ? cj_fail(err, -r, "set limit %s", limit_kinds[kind].name) : 0;
}

/* Those on files come when no more of them have to be opened and written. */
static int limit_files(const struct orders *orders, struct cj_error *err)
{
	int r = set_limit(orders, RLIMIT_NOFILE, err);

	return r < 0 ? r : set_limit(orders, RLIMIT_FSIZE, err) ?: STEP_NOTHING;
}

int load_seccomp(const struct orders *orders, struct cj_error *err)
{
	int r = seccomp_install_all(&orders->seccomp);

	return r < 0 ? cj_fail(err, -r, "load the seccomp filter") : 0;
}

/* commit_creds() makes us as dumpable as fs.suid_dumpable says. Before a filter may deny prctl. */
static int filter(const struct orders *orders, struct cj_error *err)
{
	int r = sys_prctl(PR_SET_DUMPABLE, 0, 0);

	if (r < 0)
		return cj_fail(err, -r, "hide from other processes");
	if (orders->no_new_privs) {
		r = sys_prctl(PR_SET_NO_NEW_PRIVS, 1, 0);
		if (r < 0)
			return cj_fail(err, -r, "set no_new_privs");
	}
	return stage_loads_seccomp(orders) ? load_seccomp(orders, err) : STEP_NOTHING;
}

static int drop_extra_capabilities(const struct orders *orders, struct cj_error *err)
{
	const struct capability_sets *sets = &orders->capabilities;
	int r;

	if (!orders_have(orders, PART_CAPABILITIES) || !extra_capabilities(orders))
		return STEP_NOTHING;
	r = capabilities_set(sets->inheritable, sets->permitted, sets->effective);
	return r < 0 ? cj_fail(err, -r, "set capabilities") : 0;
}

/*
 * The child has a session of its own from its first moment: in the caller's, somebody who traces it
 * there could open the caller's terminal by /dev/tty, or kill the caller's process group.
 */
static int leave_session(const struct orders *orders, struct cj_error *err)
{
	(void)orders;
	(void)err;
	return setsid() < 0 ? -errno : STEP_NOTHING; /* glibc's is the plain call */
}

/* The memory is a copy of the caller's, and in the child the container may read it till execve. */
static int forget_environment(const struct orders *orders, struct cj_error *err)
{
	(void)orders;
	(void)err;
	for (char **entry = environ; entry && *entry; entry++)
		text_wipe(*entry);
	return STEP_NOTHING;
}

/* Who the child is we tell where the child can't write: it may be made to say anything. */
static int keep_from_child(const struct orders *orders, struct cj_error *err)
{
	(void)err;
	return madvise(orders->shared, sizeof(*orders->shared), MADV_DONTFORK) < 0 ? -errno
										   : STEP_NOTHING;
}

static const struct step first_steps[] = {
	{"reset signals", default_signals},
	{"keep memory from the child", keep_from_child},
	{"forget the caller's environment", forget_environment},
	{"follow the supervisor", follow_supervisor},
};

static int root_as_it_is(const struct orders *orders, struct cj_error *err)
{
	return orders->view.kind == VIEW_TARGET ? STEP_NOTHING : change_root(orders, err);
}

static int cwd_as_it_is(const struct orders *orders, struct cj_error *err)
{
	return orders->view.kind == VIEW_TARGET && !orders->cwd ? STEP_NOTHING
								: change_cwd(orders, err);
}

/* Out there, with the caller's rights and files. */
static const struct step outside_steps[] = {
	{"hide from other processes", hide},
	{"set the label", set_label},	/* through our own /proc, which the join takes away */
	{"set groups", groups_outside}, /* by our numbers, where the target's namespace has none */
	{"join namespaces", join_namespaces},
	{"make a session", leave_session},
};

static const struct step inside_steps[] = {
	{"mount /proc", view_mount_proc},
	{"join user namespace", join_user_last}, /* what was mounted belongs to ours */
	{"change root", root_as_it_is}, /* right after: until then / is the namespace's own root */
	{"change directory", cwd_as_it_is},
	{"set umask, personality, timer slack", set_small_things},
	{"make a session keyring", new_keyring},    /* a filter may deny it later */
	{"bound capabilities", bound_capabilities}, /* wants CAP_SETPCAP, gone after the ids */
	{"set groups", groups_inside},
	{"set ids", set_ids},
	{"set capabilities", take_capabilities},
	{"arrange stdio", arrange_stdio},
	{"close the caller's files",
	 close_others}, /* the child must not have them for an instant */
	{"set limits of files", limit_files},
	{"load the seccomp filter", filter}, /* so that the child is under it for all of its life */
	{"set capabilities", drop_extra_capabilities},
};

static const char *clone_failure(int r)
{
	/* alloc_pid() says ENOMEM in a pid namespace whose init has ended. */
	return r == -ENOMEM ? "make the command's process: the container has ended (or memory has)"
			    : "make the command's process";
}

_Noreturn void stage_main(const struct orders *orders)
{
	struct cj_error err = CJ_ERROR_INIT;
	pid_t pid;

	steps_run(first_steps, ELEMENTS(first_steps), orders);
	steps_run(settle_steps, n_settle_steps, orders);
	steps_run(outside_steps, ELEMENTS(outside_steps), orders);
	if (!orders->view.proc_inside)
		steps_run(inside_steps, ELEMENTS(inside_steps), orders);
	/* Not clone3: Docker's filter answers ENOSYS, older ones EPERM. */
	pid = sys_clone(CLONE_PARENT | CLONE_PARENT_SETTID | SIGCHLD, &orders->shared->child);
	/* Where only somebody inside can mount /proc, the child takes on the rest itself. */
	if (pid == 0 && orders->view.proc_inside)
		steps_run(inside_steps, ELEMENTS(inside_steps), orders);
	if (pid == 0)
		child_main(orders);
	if (pid < 0) {
		if (pid == -EAGAIN)
			cj_hint(&err,
				"a limit of processes is reached: pids.max of a cgroup, or nproc");
		(void)cj_fail(&err, -pid, "%s", clone_failure(pid));
		report_send(orders->report, REPORT_ERROR, &err);
		_exit(1);
	}
	_exit(0);
}
