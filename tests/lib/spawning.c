/* SPDX-License-Identifier: MIT
 *
 * A caller of cj_spawn() that does what it's told, for the tests to look at: by the public API alone.
 *
 *	spawning [--memory SIZE] [--cpus N] [--pids N] [--sigchld ignore|handle] [--deaf] [--thread]
 *
 * --deaf: every signal is blocked, and ignored. --thread: there is another thread. "ready", or what has failed; then a line of orders from stdin is
 * answered by a line on stdout. Words are parted by tabs; a child is a number from 0 on.
 *
 *	cwd PATH, env NAME=VALUE, out PATH, tty		of the commands to come; env and out as long as they aren't "reset"
 *	stdio A B C			fds that become 0, 1, 2
 *	limit N				RLIMIT_NOFILE
 *	spawn ARG…			"CHILD PID", or "error ERRNO STATUS TEXT"
 *	launch TARGET ARG…		the same for cj_launch(), with a cgroup for its tree
 *	wait, usage, kill, settle, free, tree, handle, ready CHILD
 *	signal CHILD N
 *	rounds N ARG…, crowd N ARG…	N commands after each other, or at once
 *	storm ARG…			commands without end, and all that they leave is killed
 *
 * The end of stdin: everything is freed.
 */
#include <conjoin/conjoin.h>

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum { CHILDREN = 512, WORDS = 64 };

struct caller {
	struct cj_spawner *spawner;
	struct cj_child *children[CHILDREN];
	char *env[WORDS];
	size_t n_env;
	char *cwd;
	int stdio[3], out, master, slave;
};

static void say(const char *text)
{
	(void)printf("%s\n", text);
	(void)fflush(stdout);
}

static int number(const char *text)
{
	return text ? (int)strtol(text, NULL, 10) : -1;
}

static void complain(const struct cj_error *err, int r)
{
	const char *name = strerrorname_np(-r);

	(void)printf("error %s %d %s\n", name ? name : "?", err->status, err->text);
	(void)fflush(stdout);
}

static int start(struct caller *caller, char **argv, struct cj_child **ret, struct cj_error *err)
{
	struct cj_spawn_options options = CJ_SPAWN_OPTIONS_INIT;

	options.argv = (const char *const *)argv;
	options.env = (const char *const *)caller->env;
	options.cwd = caller->cwd;
	options.terminal = caller->slave;
	for (int i = 0; i < 3; i++)
		options.stdio[i] = caller->stdio[i];
	if (caller->out >= 0)
		options.stdio[1] = options.stdio[2] = caller->out;
	return cj_spawn(caller->spawner, &options, ret, err);
}

static int launch(const char *text, char **argv, struct cj_child **ret, struct cj_error *err)
{
	struct cj_launch_options how = CJ_LAUNCH_OPTIONS_INIT;
	struct cj_exec_options what = CJ_EXEC_OPTIONS_INIT;
	struct cj_target *target = NULL;
	struct cj_plan *plan = NULL;
	int r = cj_target_open(text, &target, err);

	what.argv = (const char *const *)argv;
	what.tree = true;
	for (int i = 0; i < 3; i++)
		how.stdio[i] = -1;
	if (r == 0)
		r = cj_plan_exec(target, &what, &plan, err);
	if (r == 0)
		r = cj_launch(plan, &how, ret, err);
	cj_plan_free(plan);
	cj_target_free(target);
	return r;
}

static void spawn_one(struct caller *caller, char **words)
{
	bool spawns = strcmp(words[0], "spawn") == 0;
	struct cj_error err = CJ_ERROR_INIT;
	int i = 0, r;

	while (caller->children[i])
		i++;
	r = spawns ? start(caller, words + 1, &caller->children[i], &err)
		   : launch(words[1], words + 2, &caller->children[i], &err);
	if (r < 0) {
		complain(&err, r);
		return;
	}
	(void)printf("%d %d\n", i, cj_child_pid(caller->children[i]));
	(void)fflush(stdout);
}

static bool finish(struct cj_child *child)
{
	struct cj_error err = CJ_ERROR_INIT;
	struct cj_exit end;
	int r = cj_child_wait(child, &end, &err);

	if (r < 0)
		complain(&err, r);
	else
		while (!cj_child_settle(child))
			(void)poll(NULL, 0, 1);
	cj_child_free(child);
	return r == 0 && end.code == 0;
}

static void run_many(struct caller *caller, size_t n, size_t at_once, char **argv)
{
	struct cj_child *children[CHILDREN];
	struct cj_error err = CJ_ERROR_INIT;

	for (size_t done = 0; done < n;) {
		size_t k = 0;

		for (; k < at_once && k < CHILDREN; k++) {
			int r = start(caller, argv, &children[k], &err);

			if (r < 0) {
				complain(&err, r);
				return;
			}
		}
		for (size_t i = 0; i < k; i++)
			if (!finish(children[i])) {
				say("failed");
				return;
			}
		done += k;
	}
	say("done");
}

/* Three at a time, with all that they leave killed, until we are. */
static void storm(struct caller *caller, char **argv)
{
	struct cj_child *children[3];
	struct cj_error err = CJ_ERROR_INIT;
	struct cj_exit end;

	for (;;) {
		for (int i = 0; i < 3; i++)
			if (start(caller, argv, &children[i], &err) < 0)
				return;
		for (int i = 0; i < 3; i++) {
			(void)cj_child_wait(children[i], &end, &err);
			do
				cj_child_kill(children[i]);
			while (!cj_child_settle(children[i]) && poll(NULL, 0, 1) == 0);
			cj_child_free(children[i]);
		}
	}
}

static void wait_for(struct cj_child *child)
{
	struct cj_error err = CJ_ERROR_INIT;
	struct cj_exit end;
	int r = cj_child_wait(child, &end, &err);

	if (r < 0)
		complain(&err, r);
	else
		(void)printf("%s %d\n", end.signal ? "signal" : "exit",
			     end.signal ? end.signal : end.code);
	(void)fflush(stdout);
}

static void tell(int value)
{
	(void)printf("%d\n", value);
	(void)fflush(stdout);
}

static void tell_handle(struct cj_child *child)
{
	char text[48];
	int r = cj_child_handle(child, text, sizeof(text));

	say(r < 0 ? strerrorname_np(-r) : text);
}

static void do_to(struct caller *caller, char **words)
{
	int i = number(words[1]);
	struct cj_child *child = i >= 0 && i < CHILDREN ? caller->children[i] : NULL;
	struct rusage usage;

	if (!child) {
		say("no such child");
	} else if (strcmp(words[0], "wait") == 0) {
		wait_for(child);
	} else if (strcmp(words[0], "kill") == 0) {
		cj_child_kill(child);
		say("ok");
	} else if (strcmp(words[0], "settle") == 0) {
		tell(cj_child_settle(child));
	} else if (strcmp(words[0], "tree") == 0) {
		tell(cj_child_has_tree(child));
	} else if (strcmp(words[0], "handle") == 0) {
		tell_handle(child);
	} else if (strcmp(words[0], "usage") == 0) {
		tell(cj_child_usage(child, &usage));
	} else if (strcmp(words[0], "signal") == 0) {
		tell(cj_child_signal(child, number(words[2])));
	} else if (strcmp(words[0], "ready") == 0) {
		struct pollfd end = {.fd = cj_child_pidfd(child), .events = POLLIN};

		tell(poll(&end, 1, 0));
	} else if (strcmp(words[0], "free") == 0) {
		cj_child_free(child);
		caller->children[i] = NULL;
		say("ok");
	} else {
		say("no such order");
	}
}

static void open_tty(struct caller *caller)
{
	caller->master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (grantpt(caller->master) == 0 && unlockpt(caller->master) == 0)
		caller->slave = open(ptsname(caller->master), O_RDWR | O_NOCTTY | O_CLOEXEC);
	say(caller->slave < 0 ? "no tty" : "ok");
}

static void limit_files(int n)
{
	struct rlimit limit;

	(void)getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = (rlim_t)n;
	tell(setrlimit(RLIMIT_NOFILE, &limit));
}

/* False: it isn't one of these. */
static bool set(struct caller *caller, char **words)
{
	if (strcmp(words[0], "cwd") == 0) {
		free(caller->cwd);
		caller->cwd = strdup(words[1]);
	} else if (strcmp(words[0], "env") == 0 && caller->n_env < WORDS - 1) {
		caller->env[caller->n_env++] = strdup(words[1]);
	} else if (strcmp(words[0], "out") == 0) {
		caller->out = open(words[1], O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	} else if (strcmp(words[0], "stdio") == 0) {
		for (int i = 0; i < 3; i++)
			caller->stdio[i] = number(words[1 + i]);
	} else {
		return false;
	}
	say("ok");
	return true;
}

static void obey(struct caller *caller, char **words)
{
	if (strcmp(words[0], "spawn") == 0 || strcmp(words[0], "launch") == 0)
		spawn_one(caller, words);
	else if (strcmp(words[0], "rounds") == 0)
		run_many(caller, (size_t)number(words[1]), 1, words + 2);
	else if (strcmp(words[0], "crowd") == 0)
		run_many(caller, (size_t)number(words[1]), (size_t)number(words[1]), words + 2);
	else if (strcmp(words[0], "storm") == 0)
		storm(caller, words + 1);
	else if (strcmp(words[0], "tty") == 0)
		open_tty(caller);
	else if (strcmp(words[0], "limit") == 0)
		limit_files(number(words[1]));
	else if (!set(caller, words))
		do_to(caller, words);
}

static void listen_to(struct caller *caller)
{
	char *line = NULL;
	size_t size = 0;

	while (getline(&line, &size, stdin) > 0) {
		char *words[WORDS + 1] = {NULL}, *rest = line;

		line[strcspn(line, "\n")] = '\0';
		for (size_t i = 0; i < WORDS && rest; i++)
			words[i] = strsep(&rest, "\t");
		obey(caller, words);
	}
	free(line);
}

static void on_child(int sig)
{
	(void)sig;
}

static void *idle(void *data)
{
	(void)pause();
	return data;
}

static void be_deaf(void)
{
	sigset_t all;

	for (int sig = 1; sig < 65; sig++)
		if (sig != SIGCHLD)
			(void)signal(sig, SIG_IGN);
	(void)sigfillset(&all);
	(void)sigprocmask(SIG_BLOCK, &all, NULL);
}

static void say_warning(void *data, enum cj_log_level level, const char *text)
{
	(void)data;
	(void)level;
	(void)fprintf(stderr, "warning: %s\n", text);
}

static void take_option(int c, struct cj_spawner_options *options)
{
	pthread_t thread;

	if (c == 'm')
		options->memory = optarg;
	else if (c == 'c')
		options->cpus = optarg;
	else if (c == 'p')
		options->pids_limit = optarg;
	else if (c == 's')
		(void)signal(SIGCHLD, strcmp(optarg, "ignore") == 0 ? SIG_IGN : on_child);
	else if (c == 'd')
		be_deaf();
	else if (c == 't')
		(void)pthread_create(&thread, NULL, idle, NULL);
	else
		exit(2);
}

int main(int argc, char **argv)
{
	static const struct option known[] = {
		{"memory", required_argument, NULL, 'm'},
		{"cpus", required_argument, NULL, 'c'},
		{"pids", required_argument, NULL, 'p'},
		{"sigchld", required_argument, NULL, 's'},
		{"deaf", no_argument, NULL, 'd'},
		{"thread", no_argument, NULL, 't'},
		{NULL, 0, NULL, 0},
	};
	struct cj_spawner_options options = CJ_SPAWNER_OPTIONS_INIT;
	struct caller caller = {.stdio = {-1, -1, -1}, .out = -1, .master = -1, .slave = -1};
	struct cj_error err = CJ_ERROR_INIT;
	int r;

	for (int c; (c = getopt_long(argc, argv, "", known, NULL)) != -1;)
		take_option(c, &options);
	options.log = say_warning;
	r = cj_spawner_new(&options, &caller.spawner, &err);
	if (r < 0) {
		complain(&err, r);
		return 1;
	}
	say("ready");
	listen_to(&caller);
	for (size_t i = 0; i < CHILDREN; i++)
		cj_child_free(caller.children[i]);
	cj_spawner_free(caller.spawner);
	for (size_t i = 0; i < caller.n_env; i++)
		free(caller.env[i]);
	free(caller.cwd);
	say("bye");
	return 0;
}
