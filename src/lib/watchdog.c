/* SPDX-License-Identifier: MIT */
#include "lib/watchdog.h"

#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "sys/spawn.h"
#include "sys/syscalls.h"

/* Every signal is blocked, as process_spawn() leaves them: only SIGKILL ends us. */
static _Noreturn void watch(int life, int life_w, int command)
{
	struct pollfd fds[2] = {{.fd = life, .events = 0}, {.fd = command, .events = POLLIN}};

	(void)setsid(); /* the caller's job control isn't about us */
	(void)sys_prctl(PR_SET_NAME, (unsigned long)"conjoin-watch", 0);
	(void)close(life_w); /* held here as well the pipe would never end */
	/* The caller's pipes must end when the caller ends them. */
	(void)sys_close_all_but(0, life, command);
	for (;;) {
		if (poll(fds, 2, -1) < 0)
			continue; /* EINTR, after a stop */
		if (fds[0].revents)
			(void)sys_pidfd_send_signal(command, SIGKILL);
		_exit(0);
	}
}

int watchdog_start(struct cj_child *child, struct cj_error *err)
{
	pid_t pid;

	if (child->watchdog >= 0 || child->ended)
		return 0;
	pid = process_spawn(-1, &child->watchdog);
	if (pid == 0)
		watch(child->life_r, child->life, child->pidfd);
	return pid < 0 ? cj_fail(err, -pid, "make the watchdog process") : 0;
}
