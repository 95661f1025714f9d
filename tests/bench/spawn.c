/* SPDX-License-Identifier: MIT
 *
 * What a command of cj_spawn() costs beside posix_spawn(3) and fork(2) with execve(2), which close the same files: from the call to its
 * end, waited for and tidied up. In turns, so that all see the same machine.
 *
 *	spawn [--files N] [--memory MIB] ROUNDS PROGRAM [ARG…]
 *
 * N files are open meanwhile, and MIB of memory in use, as in a server that is busy. A way a line: its median, the tenth and the
 * ninetieth percentile in microseconds, and the median of its ratios to fork's of the same turn.
 */
#include <conjoin/conjoin.h>

#include <err.h>
#include <fcntl.h>
#include <getopt.h>
#include <poll.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

struct job {
	char **argv;
	int null;
	struct cj_spawner *spawner;
};

static void with_fork(const struct job *job)
{
	pid_t pid = fork();

	if (pid == 0) {
		for (int i = 0; i < 3; i++)
			(void)dup2(job->null, i);
		(void)syscall(SYS_close_range, 3U, ~0U, 0U);
		(void)execv(job->argv[0], job->argv);
		_exit(127);
	}
	if (pid < 0 || waitpid(pid, NULL, 0) != pid)
		err(1, "fork");
}

static void with_posix_spawn(const struct job *job)
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	pid_t pid;

	(void)posix_spawn_file_actions_init(&actions);
	(void)posix_spawnattr_init(&attributes);
	for (int i = 0; i < 3; i++)
		(void)posix_spawn_file_actions_adddup2(&actions, job->null, i);
	(void)posix_spawn_file_actions_addclosefrom_np(&actions, 3);
	if (posix_spawn(&pid, job->argv[0], &actions, &attributes, job->argv, environ) ||
	    waitpid(pid, NULL, 0) != pid)
		errx(1, "posix_spawn");
	(void)posix_spawn_file_actions_destroy(&actions);
	(void)posix_spawnattr_destroy(&attributes);
}

static void with_conjoin(const struct job *job)
{
	struct cj_spawn_options options = CJ_SPAWN_OPTIONS_INIT;
	struct cj_error error = CJ_ERROR_INIT;
	struct cj_child *child;
	struct cj_exit end;

	options.argv = (const char *const *)job->argv;
	options.env = (const char *const *)environ;
	for (int i = 0; i < 3; i++)
		options.stdio[i] = job->null;
	if (cj_spawn(job->spawner, &options, &child, &error) < 0 ||
	    cj_child_wait(child, &end, &error) < 0)
		errx(1, "cj_spawn: %s: %s", error.text, strerror(error.code));
	while (!cj_child_settle(child))
		(void)poll(NULL, 0, 1);
	cj_child_free(child);
}

static const struct way {
	const char *name;
	void (*run)(const struct job *job);
} ways[] = {
	{"fork", with_fork},
	{"posix_spawn", with_posix_spawn},
	{"cj_spawn", with_conjoin},
};

enum { WAYS = sizeof(ways) / sizeof(ways[0]), FILES_MAX = 1 << 20 };

static double microseconds(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double part(double *sorted, size_t n, double of)
{
	return sorted[(size_t)((double)(n - 1) * of)];
}

static void report(double *samples[WAYS], size_t rounds)
{
	double *ratios = calloc(rounds, sizeof(*ratios));

	for (size_t w = WAYS; w-- > 0 && ratios;) { /* fork's are sorted last */
		for (size_t i = 0; i < rounds; i++)
			ratios[i] = samples[w][i] / samples[0][i];
		qsort(ratios, rounds, sizeof(*ratios), compare);
		qsort(samples[w], rounds, sizeof(**samples), compare);
		(void)printf("%-12s %8.1f %8.1f %8.1f %6.3f\n", ways[w].name,
			     part(samples[w], rounds, 0.5), part(samples[w], rounds, 0.1),
			     part(samples[w], rounds, 0.9), part(ratios, rounds, 0.5));
	}
	free(ratios);
}

static void measure(const struct job *job, size_t rounds)
{
	double *samples[WAYS];

	for (size_t w = 0; w < WAYS; w++) {
		samples[w] = calloc(rounds, sizeof(**samples));
		if (!samples[w])
			err(1, "calloc");
	}
	for (size_t i = 0; i < rounds; i++)
		for (size_t k = 0; k < WAYS; k++) {
			size_t w = (i + k) % WAYS;
			double start = microseconds();

			ways[w].run(job);
			samples[w][i] = microseconds() - start;
		}
	report(samples, rounds);
	for (size_t w = 0; w < WAYS; w++)
		free(samples[w]);
}

static void open_files(const struct job *job, size_t n)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &limit);
	}
	for (size_t i = 0; i < n && i < FILES_MAX; i++)
		if (fcntl(job->null, F_DUPFD_CLOEXEC, 3) < 0)
			err(1, "open %zu files", n);
}

static void use_memory(size_t mib)
{
	size_t size = mib << 20;
	void *memory =
		mmap(NULL, size + 1, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED)
		err(1, "mmap");
	memset(memory, 1, size);
}

static void warn_of(void *data, enum cj_log_level level, const char *text)
{
	(void)data;
	(void)level;
	(void)fprintf(stderr, "%s\n", text);
}

int main(int argc, char **argv)
{
	static const struct option options[] = {{"files", required_argument, NULL, 'f'},
						{"memory", required_argument, NULL, 'm'},
						{NULL, 0, NULL, 0}};
	struct cj_spawner_options spawner = CJ_SPAWNER_OPTIONS_INIT;
	struct cj_error error = CJ_ERROR_INIT;
	size_t files = 0, memory = 0, rounds;
	struct job job = {.null = open("/dev/null", O_RDWR | O_CLOEXEC)};

	for (int c; (c = getopt_long(argc, argv, "+f:m:", options, NULL)) != -1;)
		*(c == 'f' ? &files : &memory) = strtoul(optarg, NULL, 10);
	if (argc - optind < 2)
		errx(2, "usage: spawn [--files N] [--memory MIB] ROUNDS PROGRAM [ARG...]");
	rounds = strtoul(argv[optind], NULL, 10);
	job.argv = argv + optind + 1;
	spawner.log = warn_of;
	if (rounds == 0 || cj_spawner_new(&spawner, &job.spawner, &error) < 0)
		errx(1, "cj_spawner_new: %s: %s", error.text, strerror(error.code));
	open_files(&job, files);
	use_memory(memory);
	measure(&job, rounds);
	cj_spawner_free(job.spawner);
	return 0;
}
