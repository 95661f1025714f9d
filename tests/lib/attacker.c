/* SPDX-License-Identifier: MIT
 *
 * The test's hostile container: see attacker.h. Options, one process a kind of attack, and what is
 * written out. Findings go to stderr while it runs; SIGUSR1 makes it stop and write DONE.
 */
#include "attacker.h"

#include <getopt.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>

enum { FINDINGS_MAX = 64, WORKERS_MAX = 8 };

static const struct kind {
	const char *name;
	attack *attack;
	void (*finish)(const struct attacker *a);
} kinds[] = {
	{"look", attack_look, NULL},	     {"exe", attack_exe, exe_finish},
	{"trace", attack_trace, NULL},	     {"kill", attack_kill, NULL},
	{"stop", attack_stop, NULL},	     {"forge", attack_forge, NULL},
	{"hold", attack_hold, NULL},	     {"drain", attack_drain, NULL},
	{"unreaped", attack_unreaped, NULL}, {"mute", attack_mute, NULL},
	{"halt", attack_halt, NULL},
};

void finding(const char *format, ...)
{
	static char seen[FINDINGS_MAX][256];
	static size_t n;
	char text[256];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	for (size_t i = 0; i < n; i++)
		if (strcmp(seen[i], text) == 0)
			return;
	if (n == FINDINGS_MAX)
		return;
	memcpy(seen[n++], text, sizeof(text));
	dprintf(2, "FINDING %s\n", text);
}

static void work(const struct attacker *a, const struct kind *kind)
{
	pid_t cursor = 0;
	struct victim v;

	while (!*a->begin)
		(void)sched_yield(); /* else the workers that come after us look like victims */
	while (next_victim(a, &cursor, &v) == 0) {
		kind->attack(a, &v);
		victim_done(&v);
	}
	if (kind->finish)
		kind->finish(a);
}

static const struct kind *find_kind(const char *name)
{
	for (size_t i = 0; i < ELEMENTS(kinds); i++)
		if (strcmp(kinds[i].name, name) == 0)
			return &kinds[i];
	return NULL;
}

static _Noreturn void wait_for_the_end(const struct attacker *a, const sigset_t *set, int workers)
{
	int sig;

	dprintf(2, "READY\n");
	while (sigwait(set, &sig) == 0 && sig != SIGUSR1)
		;
	*a->stop = true;
	for (int i = 0; i < workers; i++)
		(void)wait(NULL);
	dprintf(2, "DONE caught=%u traced=%u\n", *a->caught, *a->traced);
	for (;;)
		(void)sigwait(set, &sig);
}

static int attack_main(struct attacker *a, char **names)
{
	volatile unsigned int *shared =
		mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	const struct kind *chosen[WORKERS_MAX];
	int n = 0;
	sigset_t set;

	if (shared == MAP_FAILED || baseline_read(&a->own) < 0)
		return 1;
	a->caught = &shared[0];
	a->traced = &shared[1];
	a->stop = (volatile bool *)&shared[2];
	a->begin = (volatile bool *)&shared[3];
	for (; names[n] && n < WORKERS_MAX; n++) {
		chosen[n] = find_kind(names[n]);
		if (!chosen[n])
			return 2;
	}
	(void)mknod(TTY, S_IFCHR | 0666, makedev(5, 0)); /* EPERM for some: then there is none */
	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGUSR1);
	(void)sigaddset(&set, SIGCHLD);
	(void)sigprocmask(SIG_BLOCK, &set, NULL);
	for (int i = 0; i < n; i++) {
		if (fork() == 0) {
			work(a, chosen[i]);
			_exit(0);
		}
	}
	*a->begin = true;
	wait_for_the_end(a, &set, n);
}

static const char usage[] =
	"Usage: attacker [--marker PATH] [--secret WORD] [--confined] ATTACK…\n"
	"       attacker --swap KIND\n"
	"       attacker --inspect [--marker PATH] CAPS NAMESPACE…\n"
	"A hostile container, for tests: attacks every process that comes into its pid namespace.\n";

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{"marker", required_argument, NULL, 'm'}, {"secret", required_argument, NULL, 's'},
		{"confined", no_argument, NULL, 'c'},	  {"swap", required_argument, NULL, 'w'},
		{"inspect", no_argument, NULL, 'i'},	  {0},
	};
	struct attacker a = {.marker = NULL};
	bool inspect = false;
	int c;

	while ((c = getopt_long(argc, argv, "+", options, NULL)) != -1) {
		switch (c) {
		case 'm':
			a.marker = optarg;
			break;
		case 's':
			a.secret = optarg;
			break;
		case 'c':
			a.confined = true;
			break;
		case 'w':
			return swap_main(optarg);
		case 'i':
			inspect = true;
			break;
		default:
			return 2;
		}
	}
	if (inspect)
		return inspect_main(&a, argc - optind, argv + optind);
	if (optind == argc) {
		(void)fputs(usage, stderr);
		return 2;
	}
	return attack_main(&a, argv + optind);
}
