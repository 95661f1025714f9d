/* SPDX-License-Identifier: MIT
 *
 * The part of a launch before there is a process: what can be refused is refused here.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/format.h"
#include "lib/seccomp_program.h"
#include "lib/stage_program.h"
#include "lib/starting.h"
#include "lib/target.h"
#include "stage/packed.h"
#include "sys/executable.h"
#include "sys/syscalls.h"

void starting_log(const struct cj_launch_options *options, enum cj_log_level level,
		  const char *format, ...)
{
	char text[1024];
	va_list args;

	if (!options->log || level > options->log_level)
		return;
	va_start(args, format);
	(void)format_safe_v(text, sizeof(text), format, args);
	va_end(args);
	options->log(options->log_data, level, text);
}

void starting_log_plan(const struct cj_plan *plan, const struct cj_launch_options *options)
{
	for (size_t i = 0; i < plan->n_rows; i++) {
		const struct cj_plan_row *row = &plan->rows[i];

		if (strcmp(row->action, "warn") == 0)
			starting_log(options, CJ_LOG_WARNING, "%s%s%s: %s", row->step,
				     row->object[0] ? " " : "", row->object, row->reason);
		else if (strcmp(row->action, "nothing") == 0 || strcmp(row->action, "skip") == 0 ||
			 strcmp(row->action, "choose") == 0)
			starting_log(options, CJ_LOG_STEP, "%s%s%s: %s", row->step,
				     row->object[0] ? " " : "", row->object, row->reason);
	}
}

enum { FIRST_PRESERVED = 3 };

/*
 * One of ours at such a number would be handed over. What is opened after this lies above, since all these
 * are open.
 */
static bool is_ours(const struct cj_plan *plan, int fd)
{
	const int ours[] = {plan->target->ref.fd, plan->target->ref.proc, plan->facts.root_fd,
			    plan->facts.cwd_fd, plan->facts.view.pidns};

	for (size_t i = 0; i < ELEMENTS(ours); i++)
		if (ours[i] == fd)
			return true;
	return false;
}

/* Also one that was hung up, or opened with O_PATH: opened anew by /proc/self/fd it's a terminal again. */
static bool is_terminal(int fd)
{
	struct stat st;

	if (isatty(fd))
		return true;
	return (errno == EIO || errno == EBADF) && fstat(fd, &st) == 0 && S_ISCHR(st.st_mode);
}

static int check_preserved(const struct starting *s, struct cj_error *err)
{
	for (unsigned int i = 0; i < s->options->preserve_fds; i++) {
		int fd = FIRST_PRESERVED + (int)i;

		if (fcntl(fd, F_GETFD) < 0)
			return cj_fail(err, errno, "hand on fd %d", fd);
		if (is_terminal(fd))
			return cj_fail(err, EINVAL, "hand on fd %d, which is a terminal of ours",
				       fd);
		if (is_ours(s->plan, fd))
			return cj_fail(err, EINVAL, "hand on fd %d, which the library has opened",
				       fd);
	}
	return 0;
}

/* What would need somebody who stays. */
static int check_detach(const struct starting *s, struct cj_error *err)
{
	if (!s->options->detach)
		return 0;
	if (s->options->terminal >= 0)
		return cj_fail(err, EINVAL, "detach a command that has a terminal");
	for (size_t i = 0; i < s->plan->n_cgroups; i++)
		if (s->plan->cgroups[i].own || s->plan->cgroups[i].tree)
			return cj_fail(err, EINVAL,
				       "detach a command whose own cgroup somebody has to remove");
	return 0;
}

static int check_capabilities(const struct cj_plan *plan, struct cj_error *err)
{
	char text[256];

	if (!plan->missing_capabilities)
		return 0;
	capabilities_format(plan->missing_capabilities, text, sizeof(text));
	cj_hint(err, "run with more privileges; --cap-drop or --skip capabilities goes without");
	return cj_fail(err, EPERM, "take on capabilities %s, which aren't ours to give", text);
}

static int copy_seccomp(struct starting *s, struct cj_error *err)
{
	const struct pidref *ref = &s->plan->target->ref;
	int r;

	if (!s->plan->copy_seccomp)
		return 0;
	seccomp_programs_done(&s->plan->facts.seccomp);
	r = seccomp_copy(ref->pid, ref->fd, &s->plan->facts.seccomp, err);
	if (r < 0)
		return r;
	starting_log(s->options, CJ_LOG_STEP, "seccomp: filters copied from the target: %zu",
		     s->plan->facts.seccomp.count);
	if (seccomp_programs_want_listener(&s->plan->facts.seccomp)) {
		cj_hint(err, "--seccomp FILE names a profile, --skip seccomp goes without");
		return cj_fail(err, EOPNOTSUPP, "load the target's filter, which wants a listener");
	}
	return plan_check_seccomp(s->plan, err);
}

/* Opened and written to by us, in our own mount namespace; the stage never touches them. */
static int open_cgroups(struct starting *s, struct cj_error *err)
{
	const struct cj_plan *plan = s->plan;
	int r;

	s->cgroups = calloc(plan->n_cgroups + 1, sizeof(*s->cgroups));
	if (!s->cgroups)
		return cj_fail(err, ENOMEM, "open cgroups");
	s->n_cgroups = plan->n_cgroups;
	for (size_t i = 0; i < plan->n_cgroups; i++)
		s->cgroups[i] = -EBADF;
	for (size_t i = 0; i < plan->n_cgroups; i++) {
		const struct plan_cgroup *cgroup = &plan->cgroups[i];

		if (cgroup->own || cgroup->tree_only)
			continue;
		s->cgroups[i] = cgroup->unified ? cgroup_open(cgroup->directory)
						: cgroup_open_procs(cgroup->directory);
		if (s->cgroups[i] >= 0)
			continue;
		if (!cgroup->try_only) {
			cj_hint(err, "--cgroup keep stays in the caller's cgroups");
			return cj_fail(err, -s->cgroups[i], "join %s cgroup %s", cgroup->name,
				       cgroup->directory);
		}
		starting_log(s->options, CJ_LOG_WARNING,
			     "cgroups %s: left out, %s can't be opened: %s", cgroup->name,
			     cgroup->directory, strerror(-s->cgroups[i]));
	}
	r = own_cgroups_make(plan, s->cgroups, &s->own, err);
	if (r < 0)
		return r;
	if (plan->wants_tree && !own_cgroups_any(&s->own))
		starting_log(
			s->options, CJ_LOG_WARNING,
			"cgroups: none can be made for the command's tree (%s): what leaves its session "
			"can't be found",
			s->own.no_tree ? strerror(s->own.no_tree) : "no hierarchy is within reach");
	if (s->own.left_out)
		starting_log(s->options, CJ_LOG_WARNING,
			     "cgroups: a fresh one can't be made, ours are kept: %s",
			     strerror(s->own.left_out));
	return 0;
}

/* Above 2, whatever of 0 to 2 the caller has closed: the stage puts other things there. */
static int above_stdio(int *fd)
{
	int copy;

	if (*fd > 2)
		return 0;
	copy = fcntl(*fd, F_DUPFD_CLOEXEC, 3);
	if (copy < 0)
		return -errno;
	close_fd(fd);
	*fd = copy;
	return 0;
}

static int make_pipe(int *ret_read, int *ret_write, struct cj_error *err)
{
	int fds[2], r;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return cj_fail(err, errno, "make a pipe");
	*ret_read = fds[0];
	*ret_write = fds[1];
	r = above_stdio(ret_read);
	if (r == 0)
		r = above_stdio(ret_write);
	return r < 0 ? cj_fail(err, -r, "make a pipe") : 0;
}

/* Decides which fd of ours becomes `number` of the command. */
static int place_stdio(struct starting *s, int number, struct cj_error *err)
{
	const struct cj_launch_options *options = s->options;
	bool terminal = options->terminal >= 0;
	int from = terminal ? options->terminal : options->stdio[number];

	if (from < 0) {
		s->dups[number] = open("/dev/null", O_RDWR | O_CLOEXEC);
		if (s->dups[number] < 0)
			return cj_fail(err, errno, "open /dev/null");
		from = s->dups[number];
		s->orders.null[number] = true;
	}
	if (!terminal && is_terminal(from))
		return cj_fail(err, EINVAL, "hand on fd %d, which is a terminal of ours", from);
	if (from != number) {
		int copy = fcntl(from, F_DUPFD_CLOEXEC, 3);

		if (copy < 0)
			return cj_fail(err, errno, "hand on fd %d", from);
		close_fd(&s->dups[number]);
		from = s->dups[number] = copy;
	} else if (fcntl(from, F_GETFD) < 0) {
		return cj_fail(err, errno, "hand on fd %d", from);
	}
	s->orders.stdio[number] = from;
	return 0;
}

int starting_fail_program(int code, const char *what, struct cj_error *err)
{
	switch (code) {
	case EPERM:
	case EACCES:
	case ENOSYS:
	case EINVAL:
	case ENOEXEC:
	case EOPNOTSUPP:
	case EFBIG:
		return cj_fail(err, ENOEXEC, "%s (%s)", what, strerror(code));
	default: /* of the moment: short of files, of memory */
		return cj_fail(err, code, "%s", what);
	}
}

/* By the file of the orders, where it's a program: that can't inherit a mapping. */
static int share_memory(struct starting *s, struct cj_error *err)
{
	void *page;

	if (s->shared) /* with a watchdog, already */
		return 0;
	page = mmap(NULL, sizeof(*s->shared), PROT_READ | PROT_WRITE,
		    MAP_SHARED | (s->shared_fd < 0 ? MAP_ANONYMOUS : 0), s->shared_fd, 0);
	if (page == MAP_FAILED)
		return cj_fail(err, errno, "share memory with the stage process");
	s->shared = s->orders.shared = page;
	return 0;
}

static void keep(struct starting *s, int fd)
{
	if (fd >= 0)
		s->kept[s->program.n_keep++] = fd;
}

static int make_program(struct starting *s, struct cj_error *err)
{
	int r = executable_make(stage_program, stage_program_size);

	if (r < 0)
		return starting_fail_program(-r, "make the stage program", err);
	s->program.fd = r;
	r = above_stdio(&s->program.fd);
	return r < 0 ? cj_fail(err, -r, "make the stage program") : starting_pack(s, err);
}

static int prepare_program(struct starting *s, struct cj_error *err)
{
	int r = make_program(s, err);

	if (r == 0)
		r = above_stdio(&s->shared_fd);
	if (r < 0)
		return cj_fail(err, -r, "pass the orders to the stage process");
	(void)format_safe(s->program_number, sizeof(s->program_number), "%d", s->shared_fd);
	s->program_argv[0] = s->program_number;
	s->program.argv = s->program_argv;
	s->program.stack = s->stack;
	s->program.stack_size = sizeof(s->stack);
	s->kept = calloc(s->n_cgroups + STARTING_KEPT + s->options->preserve_fds, sizeof(*s->kept));
	if (!s->kept)
		return cj_fail(err, ENOMEM, "start the command");
	s->program.keep = s->kept;
	keep(s, s->shared_fd);
	keep(s, s->report_w);
	keep(s, s->life_r);
	keep(s, s->orders.target);
	keep(s, s->orders.target_proc);
	keep(s, s->orders.root_fd);
	keep(s, s->orders.cwd_fd);
	keep(s, s->orders.view.pidns);
	for (int i = 0; i < 3; i++)
		keep(s, s->orders.stdio[i]);
	for (size_t i = 0; i < s->n_cgroups; i++)
		keep(s, s->cgroups[i]);
	for (unsigned int i = 0; i < s->options->preserve_fds; i++)
		keep(s, FIRST_PRESERVED + (int)i);
	return 0;
}

/* The page that tells who the command is, before its orders are known, which come to lie behind it. */
static int share_with_watchdog(struct starting *s, struct cj_error *err)
{
	int r = s->way == LAUNCH_PROGRAM ? memory_file(&s->shared_fd, PACKED_AT) : 0;

	if (r < 0)
		return starting_fail_program(-r, "make a file in memory", err);
	return share_memory(s, err);
}

/*
 * Where there will be something to put in order the watchdog is there before it: cgroups, the mode of a
 * terminal, a command without a parent death signal.
 */
static int start_watchdog(struct starting *s, struct cj_error *err)
{
	struct watch watch = {
		.life = s->life_r,
		.life_w = s->life_w,
		.pidfd = -EBADF,
		.own = s->own,
		.terminal = s->options->guarded_terminal,
	};
	void *page;
	int r;

	if (s->options->detach || (s->own.n == 0 && watch.terminal < 0 && !s->options->threaded))
		return 0;
	r = share_with_watchdog(s, err);
	if (r < 0)
		return r;
	watch.child = &s->shared->child;
	page = mmap(NULL, sizeof(*s->board), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		    0);
	if (page == MAP_FAILED)
		return cj_fail(err, errno, "share memory with the watchdog process");
	watch.board = s->board = page;
	r = watchdog_spawn(&watch);
	if (r < 0)
		return cj_fail(err, -r, "make the watchdog process");
	s->watchdog = r;
	return 0;
}

static int make_pipes(struct starting *s, struct cj_error *err)
{
	int r = make_pipe(&s->report_r, &s->report_w, err);

	if (r == 0)
		r = make_pipe(&s->life_r, &s->life_w, err);
	/* Somebody inside may drain it between our poll and read. */
	if (r == 0 && (fcntl(s->report_r, F_SETFL, O_NONBLOCK) < 0 ||
		       fcntl(s->life_r, F_SETFL, O_NONBLOCK) < 0))
		r = cj_fail(err, errno, "make a pipe");
	return r;
}

int starting_prepare(struct starting *s, struct cj_error *err)
{
	int r = check_detach(s, err);

	if (r == 0)
		r = check_preserved(s, err);
	if (r == 0)
		r = check_capabilities(s->plan, err);
	if (r == 0)
		r = copy_seccomp(s, err);
	if (r == 0)
		r = make_pipes(s, err);
	if (r == 0)
		r = own_cgroups_name(s->plan, &s->own, err);
	if (r == 0)
		r = start_watchdog(s, err);
	if (r == 0)
		r = open_cgroups(s, err);
	for (int i = 0; i < 3 && r == 0; i++)
		r = place_stdio(s, i, err);
	if (r == 0)
		r = starting_order(s, err);
	if (r == 0 && s->way == LAUNCH_PROGRAM)
		r = prepare_program(s, err);
	return r < 0 ? r : share_memory(s, err);
}
