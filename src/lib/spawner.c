/* SPDX-License-Identifier: MIT
 *
 * Commands of our own: looked for, handed their files, made, watched.
 * Not here: which cgroup one is in (spawner_cgroup.c), what its process does until execve (sys/spawn_command.c), its
 * end (child.c).
 */
#include "lib/spawner.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/cleanup.h"
#include "base/format.h"
#include "lib/options.h"
#include "lib/tree.h"
#include "sys/spawn.h"

enum { TRIES = 4 };

void spawner_warn(struct cj_spawner *spawner, int r)
{
	char text[256];

	if (spawner->has_warned || !spawner->log)
		return;
	spawner->has_warned = true;
	(void)format_safe(text, sizeof(text),
			  "cgroups: none can be made for commands (%s): what leaves a command's "
			  "session can't be found",
			  strerror(-r));
	spawner->log(spawner->log_data, CJ_LOG_WARNING, text);
}

/* --- the spawner --- */

static int open_pipe(struct cj_spawner *spawner)
{
	int fds[2];

	if (pipe2(fds, O_CLOEXEC) < 0)
		return -errno;
	spawner->life_r = fds[0];
	spawner->life_w = fds[1];
	return 0;
}

/* Low ones: as long as a server is young. Above 2: those are what they become. */
static int open_low(struct cj_spawner *spawner)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (null < 0)
		return -errno;
	for (size_t i = 0; i < ELEMENTS(spawner->low); i++)
		spawner->low[i] = fcntl(null, F_DUPFD_CLOEXEC, 3);
	spawner->null = null;
	return spawner->low[SPAWN_STDIO_FDS - 1] < 0 ? -errno : 0;
}

/* The watchdog is there before what it has to remove. */
static int start_watchdog(struct cj_spawner *spawner, struct cj_error *err)
{
	struct watch watch = {
		.pidfd = -EBADF,
		.own = spawner->own,
		.terminal = -EBADF,
	};
	void *roll = mmap(NULL, sizeof(*spawner->roll), PROT_READ | PROT_WRITE,
			  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int r;

	if (roll == MAP_FAILED)
		return cj_fail(err, errno, "share memory with the watchdog process");
	watch.roll = spawner->roll = roll;
	watch.life = spawner->life_r;
	watch.life_w = spawner->life_w;
	r = watchdog_spawn(&watch);
	if (r < 0)
		return cj_fail(err, -r, "make the watchdog process");
	spawner->watchdog = r;
	return 0;
}

static int open_files(struct cj_spawner *spawner, struct cj_error *err)
{
	int r = open_low(spawner);

	if (r == 0)
		r = open_pipe(spawner);
	return r < 0 ? cj_fail(err, -r, "make a spawner") : 0;
}

int cj_spawner_new(const struct cj_spawner_options *options, struct cj_spawner **ret,
		   struct cj_error *err)
{
	struct cj_spawner_options own = CJ_SPAWNER_OPTIONS_INIT;
	struct cj_spawner *spawner;
	int r = options_take(options, &own, sizeof(own), "spawner options", err);

	if (r < 0)
		return r;
	spawner = calloc(1, sizeof(*spawner));
	if (!spawner)
		return cj_fail(err, ENOMEM, "make a spawner");
	spawner->watchdog = spawner->life_r = spawner->life_w = spawner->null = -EBADF;
	for (size_t i = 0; i < ELEMENTS(spawner->low); i++)
		spawner->low[i] = -EBADF;
	spawner->log = own.log;
	spawner->log_data = own.log_data;
	r = open_files(spawner, err);
	if (r == 0)
		r = spawner_plan(spawner, &own, err);
	if (r == 0)
		r = start_watchdog(spawner, err);
	if (r == 0 && spawner->limited)
		r = spawner_try_limits(spawner, err);
	else if (r == 0)
		spawner_make_parent(spawner);
	if (r < 0) {
		cj_spawner_free(spawner);
		return r;
	}
	*ret = spawner;
	return 0;
}

static void kill_all(struct cj_spawner *spawner)
{
	const struct tree tree = {.own = &spawner->own, .pidfd = -EBADF};

	if (spawner->parent && own_cgroups_populated(&spawner->own) != 0)
		tree_kill(&tree);
	spawner->own.killed = true; /* nobody is to move up */
	own_cgroups_done(&spawner->own);
}

void cj_spawner_free(struct cj_spawner *spawner)
{
	if (!spawner)
		return;
	kill_all(spawner);
	spawner_free_slots(spawner);
	process_end(&spawner->watchdog); /* before the pipe's end, which is its call to kill */
	close_fd(&spawner->life_r);
	close_fd(&spawner->life_w);
	close_fd(&spawner->null);
	for (size_t i = 0; i < ELEMENTS(spawner->low); i++)
		close_fd(&spawner->low[i]);
	if (spawner->roll)
		(void)munmap(spawner->roll, sizeof(*spawner->roll));
	cj_plan_free(spawner->plan);
	free(spawner);
}

/* --- a command --- */

/* One on its way. */
struct spawning {
	struct cj_spawner *spawner;
	const struct cj_spawn_options *options;
	struct cj_child *child;
	struct spawn_cgroups cgroups;
	struct spawn_command command;
	void *paths; /* command.paths, and their texts behind them */
	const char *one_path[1];
};

static const char *env_path(const char *const *env)
{
	static const char name[] = "PATH=";

	for (; env && *env; env++)
		if (strncmp(*env, name, sizeof(name) - 1) == 0)
			return *env + sizeof(name) - 1;
	return default_path;
}

/* As execvp(3): an empty element of PATH is the working directory. */
static void fill_paths(const char *path, const char *name, const char **ret, char *text)
{
	size_t size = strlen(name) + 1;

	for (;; path++) {
		size_t length = strcspn(path, ":");

		*ret++ = text;
		memcpy(text, length ? path : ".", length ? length : 1);
		text += length ? length : 1;
		*text++ = '/';
		memcpy(text, name, size);
		text += size;
		path += length;
		if (!*path)
			return;
	}
}

static int look_for(struct spawning *s)
{
	const char *name = s->options->argv[0], *path;
	size_t n = 1;

	s->command.paths = s->one_path;
	if (!name[0]) /* nowhere, instead of each directory of PATH itself */
		return 0;
	if (strchr(name, '/')) {
		s->one_path[0] = name;
		s->command.n_paths = 1;
		return 0;
	}
	path = env_path(s->options->env);
	for (const char *at = path; *at; at++)
		n += *at == ':';
	/* A pointer, a "." or nothing, a slash, the name and its NUL for each; the directories. */
	s->paths = malloc(n * (sizeof(char *) + strlen(name) + 3) + strlen(path));
	if (!s->paths)
		return -ENOMEM;
	fill_paths(path, name, s->paths, (char *)((const char **)s->paths + n));
	s->command.paths = s->paths;
	s->command.n_paths = n;
	return 0;
}

/* Gives the places back: held open here, a pipe's end would never come. */
static void clear_low(struct cj_spawner *spawner)
{
	for (size_t i = 0; i < ELEMENTS(spawner->low); i++)
		(void)dup3(spawner->null, spawner->low[i], O_CLOEXEC);
}

static int hand_on(struct spawning *s, int i, int fd, struct cj_error *err)
{
	s->command.stdio[i] = s->spawner->low[i];
	if (fd < 0 || dup3(fd, s->spawner->low[i], O_CLOEXEC) >= 0)
		return 0;
	return cj_fail(err, errno, "hand on fd %d", fd);
}

static int place_stdio(struct spawning *s, struct cj_error *err)
{
	const struct cj_spawn_options *options = s->options;
	int r = 0;

	if (options->terminal >= 0) {
		r = hand_on(s, 0, options->terminal, err);
		s->command.stdio[1] = s->command.stdio[2] = s->command.stdio[0];
		s->command.terminal = true;
		return r;
	}
	for (int i = 0; i < 3 && r == 0; i++)
		r = hand_on(s, i, options->stdio[i], err);
	return r;
}

static void sync_cgroups(struct spawning *s)
{
	s->command.cgroup = s->cgroups.directory;
	s->command.procs = s->cgroups.procs;
	s->command.n_procs = s->cgroups.n_procs;
}

/* Where the cgroup doesn't take it as wanted, another way. */
static int make_process(struct spawning *s)
{
	struct spawn_report *report = s->command.report;
	struct cj_child *child = s->child;
	pid_t pid = -EBADF;

	for (int i = 0; i < TRIES; i++) {
		sync_cgroups(s);
		pid = process_spawn_command(&s->command, &child->pidfd);
		if (pid > 0 || (report->step != SPAWN_FINE && report->step != SPAWN_CGROUP) ||
		    !spawner_place_otherwise(s->spawner, child, &s->cgroups, pid))
			break;
	}
	child->pid = pid > 0 ? pid : 0;
	return pid;
}

/* Of one that no cgroup holds: by its session alone a watchdog finds it. */
static int find_place(struct cj_spawner *spawner, struct cj_child *child)
{
	if (child->own.n > 0)
		return 0;
	for (size_t i = 0; i < ROLL_PLACES; i++)
		if (spawner->roll->places[i].pid == 0) {
			child->place = &spawner->roll->places[i];
			return 0;
		}
	return -EAGAIN;
}

static void take_place(struct cj_child *child)
{
	if (!child->place) /* a cgroup holds it */
		return;
	child_read_start(child);
	child->place->start = child->start;
	__atomic_store_n(&child->place->pid, child->pid, __ATOMIC_RELEASE);
}

static int not_executed(const struct spawning *s, struct cj_error *err)
{
	const struct spawn_report *report = s->command.report;
	const char *name = s->options->argv[0];
	const char *path = report->path < s->command.n_paths ? s->command.paths[report->path]
							     : name;

	if (report->code == ENOENT) {
		if (err && err->code == 0)
			err->status = 127;
		return cj_fail(err, ENOENT, "execute %s", name[0] ? name : "\"\"");
	}
	if (err && err->code == 0)
		err->status = 126;
	return cj_fail(err, report->code == ELIBBAD ? ENOENT : report->code, "execute %s%s", path,
		       report->code == ELIBBAD ? ", whose interpreter is missing" : "");
}

static int explain(const struct spawning *s, int r, struct cj_error *err)
{
	static const char *const steps[] = {
		[SPAWN_FINE] = "make a process",
		[SPAWN_FILES] = "close the caller's files",
		[SPAWN_SESSION] = "make a session",
		[SPAWN_CGROUP] = "join the command's cgroup",
		[SPAWN_STDIO] = "hand on stdin, stdout and stderr",
		[SPAWN_TERMINAL] = "take the terminal",
		[SPAWN_SIGNALS] = "reset signals",
	};
	enum spawn_step step = (enum spawn_step)s->command.report->step;

	if (step == SPAWN_EXECUTE)
		return not_executed(s, err);
	if (step == SPAWN_DIRECTORY)
		return cj_fail(err, -r, "change to directory %s", s->options->cwd);
	return cj_fail(err, -r, "%s", steps[step]);
}

static int spawn(struct spawning *s, struct cj_error *err)
{
	int r = look_for(s);

	if (r < 0)
		return cj_fail(err, -r, "make a command");
	r = spawner_place(s->spawner, s->child, &s->cgroups, err);
	if (r < 0)
		return r;
	if (find_place(s->spawner, s->child) < 0)
		return cj_fail(err, EAGAIN, "make more than %d commands without a cgroup",
			       ROLL_PLACES);
	r = place_stdio(s, err);
	if (r == 0) {
		r = make_process(s);
		if (r < 0)
			r = explain(s, r, err);
	}
	clear_low(s->spawner);
	if (r > 0 && (s->child->place || find_place(s->spawner, s->child) == 0))
		take_place(s->child);
	/* Last: until now that's what the watchdog knows it by. */
	__atomic_store_n(&s->command.report->pid, 0, __ATOMIC_RELEASE);
	return r < 0 ? r : 0;
}

static struct cj_child *new_child(struct cj_spawner *spawner)
{
	struct cj_child *child = calloc(1, sizeof(*child));

	if (!child)
		return NULL;
	child->spawner = spawner;
	child->pidfd = child->life = child->life_r = child->watchdog = -EBADF;
	return child;
}

int cj_spawn(struct cj_spawner *spawner, const struct cj_spawn_options *options,
	     struct cj_child **ret, struct cj_error *err)
{
	static const char *const nothing[] = {NULL};
	struct cj_spawn_options own = CJ_SPAWN_OPTIONS_INIT;
	struct spawning s = {.spawner = spawner, .options = &own, .cgroups = SPAWN_CGROUPS_INIT};
	int r = options_take(options, &own, sizeof(own), "spawn options", err);

	if (r == 0 && (!own.argv || !own.argv[0]))
		r = cj_fail(err, EINVAL, "spawn nothing");
	if (r < 0)
		return r;
	s.child = new_child(spawner);
	if (!s.child)
		return cj_fail(err, ENOMEM, "make a command");
	/* Read only: execve(2) takes them without const. */
	s.command.argv = (char *const *)(uintptr_t)own.argv;
	s.command.env = (char *const *)(uintptr_t)(own.env ? own.env : nothing);
	s.command.cwd = own.cwd;
	s.command.report = &spawner->roll->starting;
	r = spawn(&s, err);
	spawn_cgroups_done(&s.cgroups);
	free(s.paths);
	if (r < 0) {
		s.child->ended = true; /* there is nothing to be killed */
		cj_child_free(s.child);
		return r;
	}
	*ret = s.child;
	return 0;
}
