/* SPDX-License-Identifier: MIT
 *
 * Takes the pipes of a process that isn't a command yet, and says into them what it never said; and
 * the plain signals. What the supervisor makes of all this is for the test to see.
 */
#include "attacker.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <time.h>

#include "../../src/stage/report.h"

enum { FDS_MAX = 24, FLOOD = 400 };

static void send_signal(const struct victim *v, int sig)
{
	(void)syscall(SYS_pidfd_send_signal, v->pidfd, sig, NULL, 0);
}

void attack_kill(const struct attacker *a, struct victim *v)
{
	if (is_foreign_exe(a, v->proc))
		(*a->caught)++;
	send_signal(v, SIGKILL);
}

/* Stopped for a moment; then killed, or let go on. */
void attack_stop(const struct attacker *a, struct victim *v)
{
	static const struct timespec moment = {.tv_nsec = 300000};

	send_signal(v, SIGSTOP);
	if (is_foreign_exe(a, v->proc))
		(*a->caught)++;
	(void)nanosleep(&moment, NULL);
	send_signal(v, v->number % 2 ? SIGCONT : SIGKILL);
}

/* Stopped for good, but not what is a command already. */
void attack_halt(const struct attacker *a, struct victim *v)
{
	send_signal(v, SIGSTOP);
	if (is_foreign_exe(a, v->proc))
		(*a->caught)++;
	else
		send_signal(v, SIGKILL);
}

/* The write end of a pipe of it, other than stdio; -EBADF if there is none. */
static int steal_pipe(const struct victim *v)
{
	for (int i = 3; i < FDS_MAX; i++) {
		_cleanup_fd_ int fd = (int)syscall(SYS_pidfd_getfd, v->pidfd, i, 0);
		struct statfs fs;

		if (fd >= 0 && fstatfs(fd, &fs) == 0 && fs.f_type == PIPEFS_MAGIC &&
		    (fcntl(fd, F_GETFL) & O_ACCMODE) == O_WRONLY) {
			/* else a full pipe would hold us */
			(void)fcntl(fd, F_SETFL, O_WRONLY | O_NONBLOCK);
			return take_fd(&fd);
		}
	}
	return -EBADF;
}

/* Colours, a title, a line of our own: none of it may reach a terminal as it is. */
#define CONTROLS                                                                                   \
	"\033[31mforged\033]0;title\007\rconjoin: all is well\n\x9b"                               \
	"2J"

static void say(int fd, uint32_t kind, int code, int status)
{
	struct report report = {.kind = kind, .error = {.code = code, .status = status}};

	(void)snprintf(report.error.text, sizeof(report.error.text), "%s", CONTROLS);
	/* no NUL at the end */
	memset(report.error.hint, '\033', sizeof(report.error.hint));
	(void)!write(fd, &report, sizeof(report));
}

static void flood(int fd, uint32_t kind)
{
	for (int i = 0; i < FLOOD; i++)
		say(fd, kind, 0, 0);
}

void attack_forge(const struct attacker *a, struct victim *v)
{
	_cleanup_fd_ int fd = steal_pipe(v);

	if (fd < 0)
		return;
	(*a->caught)++;
	switch (v->number % 14) {
	case 0:
		(void)!write(fd, "garbage", 7);
		break;
	case 1:
		say(fd, 99, 0, 0);
		break;
	case 2:
		say(fd, 0, 0, 0);
		break;
	case 3:
		say(fd, REPORT_EXECUTE, 0, 0);
		break;
	case 4:
		say(fd, UINT32_MAX, 0, 0);
		break;
	case 5:
		say(fd, REPORT_ERROR, EPERM, 256); /* 0 as an exit status */
		break;
	case 6:
		say(fd, REPORT_ERROR, -5, 77);
		break;
	case 7:
		say(fd, REPORT_ERROR, 0, 0);
		break;
	case 8:
		say(fd, REPORT_ERROR, 1 << 30, -1);
		break;
	case 9:
		flood(fd, REPORT_STEP);
		break;
	case 10:
		flood(fd, REPORT_ERROR);
		break;
	case 11:
		say(fd, REPORT_ERROR, ENOEXEC, 0); /* ours: do it in another way, then */
		break;
	case 12:
		say(fd, REPORT_WARNING, -1, 0);
		break;
	default:
		say(fd, REPORT_EXECUTE, 0, 0);
	}
	send_signal(v, SIGKILL);
}

/* Holds the pipe: its end is what the supervisor waits for. */
void attack_hold(const struct attacker *a, struct victim *v)
{
	if (steal_pipe(v) >= 0) /* leaked on purpose */
		(*a->caught)++;
}

/* Reads what was meant for the supervisor: it must not count on finding what poll(2) announced. */
void attack_drain(const struct attacker *a, struct victim *v)
{
	_cleanup_fd_ int fd = steal_pipe(v), reader = -EBADF;
	char path[32], bytes[4096];

	if (fd < 0)
		return;
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	reader = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (reader < 0)
		return;
	(*a->caught)++;
	for (unsigned int i = 0; !*a->stop; i++) {
		if (i % 16 == 0) /* so that there is something to see for poll(2) */
			say(fd, REPORT_STEP, 0, 0);
		(void)!read(reader, bytes, sizeof(bytes));
	}
}
