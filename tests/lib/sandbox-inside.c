/* SPDX-License-Identifier: MIT
 *
 * What happens in the container's first process, from its birth to execve, and the built-in init
 * behind that.
 * Not here: the mounts (sandbox-root.c) and the identity (sandbox-identity.c) that it takes on.
 */
#include "sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

int inside_init(const char *name)
{
	sigset_t child;

	(void)prctl(PR_SET_NAME, name, 0, 0, 0);
	(void)sigemptyset(&child);
	(void)sigaddset(&child, SIGCHLD);
	(void)sigprocmask(SIG_BLOCK, &child, NULL); /* before the first child can be ours */
	(void)close(CONTROL_FD);		    /* ready */
	for (;;) {
		while (waitpid(-1, NULL, WNOHANG) > 0)
			;
		(void)sigwaitinfo(&child, NULL);
	}
	return 0;
}

static int raise_loopback(struct failure *why)
{
	_cleanup_fd_ int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq request = {.ifr_name = "lo"};

	request.ifr_flags = IFF_UP | IFF_RUNNING;
	if (fd < 0 || ioctl(fd, SIOCSIFFLAGS, &request) < 0)
		return fail(why, errno, "bring up loopback");
	return 0;
}

/* 0 is /dev/null, 1 and 2 are our stderr: our stdout belongs to the ready line. */
static int set_stdio(struct failure *why)
{
	_cleanup_fd_ int null = open("/dev/null", O_RDONLY | O_CLOEXEC);

	if (null < 0 || dup2(null, 0) < 0 || dup2(2, 1) < 0)
		return fail(why, errno, "set up stdin and stdout");
	return 0;
}

/* The kernel tells us when the supervisor ends; it may have ended before we asked for that. */
static int tie_to_supervisor(int control, struct failure *why)
{
	struct pollfd p = {.fd = control};

	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0)
		return fail(why, errno, "set parent death signal");
	if (poll(&p, 1, 0) > 0 && p.revents & POLLHUP)
		return fail(why, ESRCH, "the supervisor is gone");
	return 0;
}

/* Returns only with a failure. */
static int execute(const struct sandbox *box, int control, struct failure *why)
{
	char name[64], option[] = "--init", *const init[] = {name, option, NULL};

	if (box->command) {
		environ = box->env;
		(void)execvpe(box->command[0], box->command, box->env);
		return fail(why, errno, "execute %s", box->command[0]);
	}
	(void)snprintf(name, sizeof(name), "%s", box->comm);
	/* no file of the root file system is needed: the program comes along as an fd */
	if (control != CONTROL_FD && dup2(control, CONTROL_FD) < 0)
		return fail(why, errno, "move the control socket");
	if (fcntl(CONTROL_FD, F_SETFD, 0) < 0)
		return fail(why, errno, "keep the control socket");
	(void)syscall(SYS_execveat, box->self_fd, "", init, box->env, AT_EMPTY_PATH);
	(void)fcntl(CONTROL_FD, F_SETFD, FD_CLOEXEC);
	return fail(why, errno, "execute the built-in init");
}

int inside_run(const struct sandbox *box, int control, const sigset_t *signals, struct failure *why)
{
	int r;

	(void)setsid();
	r = identity_become_root(box, why);
	if (r == 0 && box->namespaces & CLONE_NEWNS)
		r = root_enter(box, why);
	if (r == 0 && box->namespaces & CLONE_NEWUTS &&
	    sethostname(box->hostname, strlen(box->hostname)) < 0)
		r = fail(why, errno, "set host name");
	if (r == 0 && box->namespaces & CLONE_NEWNET)
		r = raise_loopback(why);
	if (r == 0)
		r = set_stdio(why);
	if (r == 0)
		r = identity_apply(box, why);
	if (r == 0)
		r = tie_to_supervisor(control, why);
	(void)sigprocmask(SIG_SETMASK, signals, NULL);
	return r < 0 ? r : execute(box, control, why);
}
