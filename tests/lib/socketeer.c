/* SPDX-License-Identifier: MIT
 *
 * Sockets of a target's net namespace by the public API alone, for the tests to look at.
 *
 *	socketeer listen TARGET ADDRESS [--mode OCTAL]
 *	socketeer connect TARGET ADDRESS [--here] [--timeout MS]
 *	socketeer socket TARGET DOMAIN TYPE PROTOCOL
 *	socketeer threads N ROUNDS TARGET ADDRESS
 *
 * TARGET "-" is none: the caller's own place. listen: writes the addresses that it got, a line each, and
 * "listening"; then echoes what each peer says, and writes "peer" for each. At the end of stdin it lets go and
 * writes "done". connect: writes "connected", then what comes. socket: three inodes of net namespaces: the
 * socket's, its own before, and after. threads: N of them listen, connect and make sockets ROUNDS times; writes
 * "ok", or what has changed by it. A failure is "ERRNO: TEXT" on stderr, and 1.
 */
#include <conjoin/conjoin.h>

#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <linux/sockios.h>

enum { THREADS_MAX = 64, LOOK_NS = 500000 };

static int complain(const struct cj_error *err, int r)
{
	const char *name = strerrorname_np(-r);

	(void)fprintf(stderr, "%s: %s\n", name ? name : "?", err->text);
	if (err->hint[0])
		(void)fprintf(stderr, "hint: %s\n", err->hint);
	return 1;
}

static int open_target(const char *text, struct cj_target **ret, struct cj_error *err)
{
	*ret = NULL;
	return strcmp(text, "-") == 0 ? 0 : cj_target_open(text, ret, err);
}

static int number(const char *text)
{
	return (int)strtol(text, NULL, 10);
}

static void say(const char *text)
{
	(void)printf("%s\n", text);
	(void)fflush(stdout);
}

/* --- listen --- */

/* One peer after the other, each to its end. */
static void serve(int listener)
{
	int fd = accept(listener, NULL, NULL);
	char buf[4096];
	ssize_t n;

	if (fd < 0)
		return;
	say("peer");
	while ((n = read(fd, buf, sizeof(buf))) > 0)
		if (send(fd, buf, (size_t)n, MSG_NOSIGNAL) != n)
			break;
	(void)close(fd);
}

static void serve_until_eof(const struct cj_listener *listeners, int n)
{
	struct pollfd fds[1 + CJ_LISTENERS_MAX] = {{.fd = STDIN_FILENO, .events = POLLIN}};

	for (int i = 0; i < n; i++)
		fds[1 + i] = (struct pollfd){.fd = listeners[i].fd, .events = POLLIN};
	for (;;) {
		if (poll(fds, (nfds_t)n + 1, -1) < 0 || fds[0].revents)
			return;
		for (int i = 1; i <= n; i++)
			if (fds[i].revents)
				serve(fds[i].fd);
	}
}

static int do_listen(int argc, char **argv)
{
	struct cj_listen_options options = CJ_LISTEN_OPTIONS_INIT;
	struct cj_listener listeners[CJ_LISTENERS_MAX] = {CJ_LISTENER_INIT, CJ_LISTENER_INIT};
	struct cj_error err = CJ_ERROR_INIT;
	struct cj_target *target;
	int r = open_target(argv[2], &target, &err);

	if (argc > 5 && strcmp(argv[4], "--mode") == 0)
		options.mode = (unsigned int)strtoul(argv[5], NULL, 8);
	if (r == 0)
		r = cj_listen(target, argv[3], &options, listeners, &err);
	for (int i = 0; i < r; i++)
		say(listeners[i].address);
	if (r > 0) {
		say("listening");
		serve_until_eof(listeners, r);
		for (int i = 0; i < CJ_LISTENERS_MAX; i++)
			cj_listener_done(target, &listeners[i]);
		say("done");
	}
	cj_target_free(target);
	return r < 0 ? complain(&err, r) : 0;
}

/* --- connect --- */

static int do_connect(int argc, char **argv)
{
	struct cj_connect_options options = CJ_CONNECT_OPTIONS_INIT;
	struct cj_error err = CJ_ERROR_INIT;
	struct cj_target *target;
	char buf[4096];
	ssize_t n;
	int r;

	for (int i = 4; i < argc; i++) {
		if (strcmp(argv[i], "--here") == 0)
			options.resolve = CJ_RESOLVE_HERE;
		else if (strcmp(argv[i], "--timeout") == 0 && i + 1 < argc)
			options.timeout = strtoll(argv[++i], NULL, 10);
	}
	r = open_target(argv[2], &target, &err);
	if (r == 0)
		r = cj_connect(target, argv[3], &options, &err);
	cj_target_free(target);
	if (r < 0)
		return complain(&err, r);
	say("connected");
	(void)shutdown(r, SHUT_WR);
	while ((n = read(r, buf, sizeof(buf))) > 0)
		if (fwrite(buf, 1, (size_t)n, stdout) != (size_t)n)
			break;
	(void)close(r);
	return fflush(stdout) == 0 && n == 0 ? 0 : 1;
}

/* --- socket --- */

static unsigned long inode_of(int fd)
{
	struct stat st;

	return fstat(fd, &st) < 0 ? 0 : st.st_ino;
}

static unsigned long net_of(const char *path)
{
	struct stat st;

	return stat(path, &st) < 0 ? 0 : st.st_ino;
}

static int do_socket(int argc, char **argv)
{
	unsigned long before = net_of("/proc/thread-self/ns/net");
	struct cj_error err = CJ_ERROR_INIT;
	struct cj_target *target;
	int r, net;

	if (argc < 6)
		return 2;
	r = open_target(argv[2], &target, &err);
	if (r == 0)
		r = cj_socket(target, number(argv[3]), number(argv[4]), number(argv[5]), &err);
	cj_target_free(target);
	if (r < 0)
		return complain(&err, r);
	net = ioctl(r, SIOCGSKNS);
	if (net < 0) {
		perror("SIOCGSKNS");
		return 1;
	}
	(void)printf("%lu %lu %lu\n", inode_of(net), before, net_of("/proc/thread-self/ns/net"));
	return 0;
}

/* --- threads --- */

struct load {
	const char *target, *address;
	long rounds;
	unsigned long net;
	atomic_int running, strayed;
	struct cj_error err; /* of the first that failed */
	pthread_mutex_t lock;
};

static void keep_error(struct load *load, const struct cj_error *err, int r)
{
	(void)pthread_mutex_lock(&load->lock);
	if (load->err.code == 0) {
		load->err = *err;
		load->err.code = -r;
	}
	(void)pthread_mutex_unlock(&load->lock);
}

static int one_round(struct cj_target *target, const char *address, struct cj_error *err)
{
	struct cj_listener made[CJ_LISTENERS_MAX] = {CJ_LISTENER_INIT, CJ_LISTENER_INIT};
	int n, fd, r = cj_socket(target, AF_INET, SOCK_DGRAM, 0, err);

	if (r < 0)
		return r;
	(void)close(r);
	n = cj_listen(target, address, NULL, made, err);
	if (n < 0)
		return n;
	r = cj_connect(target, made[0].address, NULL, err);
	if (r >= 0) {
		fd = accept(made[0].fd, NULL, NULL);
		(void)close(fd);
		(void)close(r);
	}
	for (int i = 0; i < CJ_LISTENERS_MAX; i++)
		cj_listener_done(target, &made[i]);
	return r;
}

static void *run_thread(void *data)
{
	struct load *load = data;
	struct cj_error err = CJ_ERROR_INIT;
	struct cj_target *target;
	int r = open_target(load->target, &target, &err);

	for (long i = 0; i < load->rounds && r >= 0; i++) {
		r = one_round(target, load->address, &err);
		if (net_of("/proc/thread-self/ns/net") != load->net)
			load->strayed++;
	}
	cj_target_free(target);
	if (r < 0)
		keep_error(load, &err, r);
	load->running--;
	return NULL;
}

/* Those of all our threads, from outside of them. */
static int look_at_threads(const struct load *load)
{
	DIR *dir = opendir("/proc/self/task");
	const struct dirent *entry;
	int strayed = 0;

	while (dir && (entry = readdir(dir)) != NULL) {
		char path[300];
		unsigned long net;

		(void)snprintf(path, sizeof(path), "/proc/self/task/%s/ns/net", entry->d_name);
		net = entry->d_name[0] == '.' ? 0 : net_of(path);
		strayed += net && net != load->net;
	}
	if (dir)
		(void)closedir(dir);
	return strayed;
}

static int open_files(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int n = 0;

	while (dir && readdir(dir))
		n++;
	if (dir)
		(void)closedir(dir);
	return n;
}

static int judge(struct load *load, int files)
{
	bool child = waitpid(-1, NULL, WNOHANG | __WALL) >= 0 || errno != ECHILD;

	if (load->err.code)
		return complain(&load->err, -load->err.code);
	(void)printf("%s%s%s", load->strayed ? "a thread changed its net namespace\n" : "",
		     files != open_files() ? "files are left open\n" : "",
		     child ? "a child is left\n" : "");
	say("ok");
	return 0;
}

static int do_threads(int argc, char **argv)
{
	static struct load load = {.lock = PTHREAD_MUTEX_INITIALIZER};
	const struct timespec pause = {.tv_nsec = LOOK_NS};
	pthread_t threads[THREADS_MAX];
	int n = number(argv[2]), files = open_files();

	if (argc < 6 || n < 1 || n > THREADS_MAX)
		return 2;
	load.rounds = strtol(argv[3], NULL, 10);
	load.target = argv[4];
	load.address = argv[5];
	load.net = net_of("/proc/self/ns/net");
	for (int i = 0; i < n; i++) {
		load.running++;
		if (pthread_create(&threads[i], NULL, run_thread, &load) != 0)
			return 1;
	}
	say("running");
	do {
		load.strayed += look_at_threads(&load);
		(void)nanosleep(&pause, NULL);
	} while (load.running > 0);
	for (int i = 0; i < n; i++)
		(void)pthread_join(threads[i], NULL);
	return judge(&load, files);
}

static const struct verb {
	const char *name;
	int (*run)(int argc, char **argv);
} verbs[] = {
	{"listen", do_listen},
	{"connect", do_connect},
	{"socket", do_socket},
	{"threads", do_threads},
};

int main(int argc, char **argv)
{
	for (size_t i = 0; argc > 3 && i < sizeof(verbs) / sizeof(verbs[0]); i++)
		if (strcmp(argv[1], verbs[i].name) == 0)
			return verbs[i].run(argc, argv);
	(void)fprintf(stderr, "usage: see the top of tests/lib/socketeer.c\n");
	return 2;
}
