/* SPDX-License-Identifier: MIT
 *
 * Runs a list of commands round after round and prints how long each took, in nanoseconds: the
 * stopwatch of the benchmark. Its own cost is one vfork and one wait4.
 * Not here: containers, statistics and tables (the Python beside this file).
 *
 *	drive ROUNDS WARMUP SEED ::: NAME PROGRAM [ARG...] [::: NAME PROGRAM [ARG...]]...
 *
 * Every round runs every command once, in an order that is shuffled anew from SEED: what one leaves
 * behind (caches, an RCU grace period under way, work for the kernel's threads) meets each of the
 * others equally often. The first WARMUP rounds aren't counted. A command that fails ends it all: a
 * failure is quick, and would look like a good result.
 *
 * Commands get /dev/null for stdin and stdout, and our stderr. PROGRAM is a path; PATH isn't
 * searched. Output on stdout is one JSON object:
 *
 *	{"driver_rss_kib": N, "commands": [{"name": S, "maxrss_kib": N, "ns": [N, ...],
 *	 "cpu_ns": [N, ...]}, ...]}
 *
 * cpu_ns is the time on a CPU of the command and of those of its children that it waited for: on a busy
 * machine it tells more than the time that passed.
 *
 * maxrss_kib is wait4's ru_maxrss, the largest of all rounds. It covers the command *and those of
 * its children that it waited for*, and begins at our own size: after vfork the command shares our
 * memory until execve, which keeps that high-water mark. So this program is static and small, and
 * prints the least that can be seen, from a child that does nothing, beside the others.
 */
#include <err.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"

#define MAX_COMMANDS 16
#define MAX_ROUNDS 10000
#define SEPARATOR ":::"

struct command {
	const char *name;
	char **argv;
	long maxrss_kib;
	uint64_t ns[MAX_ROUNDS], cpu_ns[MAX_ROUNDS];
};

/* Static and zero: a page of it becomes real with its first sample. */
static struct command commands[MAX_COMMANDS];
static size_t n_commands;

static unsigned long number(const char *text, unsigned long max)
{
	char *end;
	unsigned long n = strtoul(text, &end, 10);

	if (end == text || *end || n > max)
		errx(1, "%s: not a number up to %lu", text, max);
	return n;
}

/* Cuts argv at the separators: each becomes the NULL that ends the command before it. */
static void parse_commands(char **arg)
{
	if (!*arg || strcmp(*arg, SEPARATOR) != 0)
		errx(1, "usage: drive ROUNDS WARMUP SEED " SEPARATOR " NAME PROGRAM [ARG...]...");
	for (; *arg; arg++) {
		struct command *c = &commands[n_commands];

		if (strcmp(*arg, SEPARATOR) != 0)
			continue;
		*arg = NULL;
		if (n_commands++ == MAX_COMMANDS)
			errx(1, "more than %d commands", MAX_COMMANDS);
		if (!arg[1] || !arg[2] || strpbrk(arg[1], "\"\\"))
			errx(1, "expected a plain name and a program after " SEPARATOR);
		c->name = arg[1];
		c->argv = arg + 2;
	}
}

/* Moves our stdout away from the commands, to a descriptor that they don't get. */
static int hide_stdout(void)
{
	_cleanup_fd_ int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	int out = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);

	if (null < 0 || out < 0 || dup2(null, STDIN_FILENO) < 0 || dup2(null, STDOUT_FILENO) < 0)
		err(1, "set up stdin and stdout");
	return out;
}

static uint64_t now_ns(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t); /* can't fail with this clock */
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static uint64_t ns_of(struct timeval t)
{
	return ((uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_usec) * 1000;
}

/* Returns how long it took, from before the vfork until it's reaped. */
static uint64_t measure(struct command *c, uint64_t *ret_cpu)
{
	struct rusage usage;
	uint64_t begin = now_ns();
	int status;
	/* The cheapest way to start a program; the child does nothing but execve. */
	pid_t pid = vfork(); // NOLINT(clang-analyzer-security.insecureAPI.vfork)

	if (pid < 0)
		err(1, "vfork");
	if (pid == 0) {
		execv(c->argv[0], c->argv);
		_exit(127);
	}
	if (wait4(pid, &status, 0, &usage) < 0)
		err(1, "wait for %s", c->name);
	uint64_t took = now_ns() - begin;

	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		errx(1, "%s failed: %s %d", c->name, WIFEXITED(status) ? "exit status" : "signal",
		     WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status));
	if (usage.ru_maxrss > c->maxrss_kib)
		c->maxrss_kib = usage.ru_maxrss;
	*ret_cpu = ns_of(usage.ru_utime) + ns_of(usage.ru_stime);
	return took;
}

/* xorshift64: the same order on every machine. `state` is never 0. */
static uint64_t next_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

static void shuffle(size_t *order, uint64_t *state)
{
	for (size_t left = n_commands; left > 1; left--) {
		size_t drawn = next_random(state) % left;
		size_t kept = order[left - 1];

		order[left - 1] = order[drawn];
		order[drawn] = kept;
	}
}

static void run_rounds(size_t rounds, size_t warmup, uint64_t seed)
{
	uint64_t state = (seed + 1) * 0x9e3779b97f4a7c15; /* spreads small seeds over all bits */
	size_t order[MAX_COMMANDS];

	for (size_t i = 0; i < n_commands; i++)
		order[i] = i;
	for (size_t round = 0; round < warmup + rounds; round++) {
		shuffle(order, &state);
		for (size_t i = 0; i < n_commands; i++) {
			struct command *c = &commands[order[i]];
			uint64_t cpu, took = measure(c, &cpu);

			if (round < warmup)
				continue;
			c->ns[round - warmup] = took;
			c->cpu_ns[round - warmup] = cpu;
		}
	}
}

/* Not RUSAGE_SELF: that begins at the size of whoever executed us. */
static long least_rss_kib(void)
{
	struct rusage usage;
	pid_t pid = vfork(); // NOLINT(clang-analyzer-security.insecureAPI.vfork)

	if (pid == 0)
		_exit(0);
	if (pid < 0 || wait4(pid, NULL, 0, &usage) < 0)
		err(1, "start a child");
	return usage.ru_maxrss;
}

static void print_list(FILE *out, const uint64_t *ns, size_t n)
{
	for (size_t i = 0; i < n; i++)
		(void)fprintf(out, "%s%" PRIu64, i ? ", " : "", ns[i]);
}

static void print_results(FILE *out, size_t rounds, long own_rss_kib)
{
	(void)fprintf(out, "{\"driver_rss_kib\": %ld, \"commands\": [", own_rss_kib);
	for (size_t i = 0; i < n_commands; i++) {
		(void)fprintf(out, "%s\n {\"name\": \"%s\", \"maxrss_kib\": %ld, \"ns\": [",
			      i ? "," : "", commands[i].name, commands[i].maxrss_kib);
		print_list(out, commands[i].ns, rounds);
		(void)fprintf(out, "], \"cpu_ns\": [");
		print_list(out, commands[i].cpu_ns, rounds);
		(void)fprintf(out, "]}");
	}
	(void)fprintf(out, "\n]}\n");
}

int main(int argc, char **argv)
{
	size_t rounds;
	long own_rss_kib;

	if (argc < 5)
		errx(1, "usage: drive ROUNDS WARMUP SEED " SEPARATOR " NAME PROGRAM [ARG...]...");
	rounds = number(argv[1], MAX_ROUNDS);
	parse_commands(argv + 4);
	int out = hide_stdout();

	run_rounds(rounds, number(argv[2], MAX_ROUNDS), number(argv[3], UINT32_MAX));
	own_rss_kib = least_rss_kib();

	FILE *results = fdopen(out, "w");

	if (!results)
		err(1, "open the results");
	print_results(results, rounds, own_rss_kib);
	if (fclose(results) != 0)
		err(1, "write the results");
	return 0;
}
