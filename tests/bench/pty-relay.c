/* SPDX-License-Identifier: MIT
 *
 * The least that passes on what a command writes to a pty: one loop of read and write. What conjoin's throughput is
 * compared with.
 * Not here: input, signals, sizes, or a reader that makes it wait.
 *
 *	pty-relay PROGRAM [ARG...]
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"

#define FAILED 125 /* as conjoin's: nothing ran */

static int open_pty(int *ret_slave)
{
	int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC), slave;

	if (master < 0 || unlockpt(master) < 0)
		err(FAILED, "open a pty");
	slave = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (slave < 0)
		err(FAILED, "open the other side of a pty");
	*ret_slave = slave;
	return master;
}

static _Noreturn void run(int slave, char **command)
{
	if (setsid() < 0 || ioctl(slave, TIOCSCTTY, 0) < 0)
		err(FAILED, "take the terminal");
	for (int i = 0; i < 3; i++)
		if (dup2(slave, i) < 0)
			err(FAILED, "place fd %d", i);
	execvp(command[0], command);
	err(errno == ENOENT ? 127 : 126, "run %s", command[0]);
}

static void relay(int master)
{
	static char buf[64 << 10];
	ssize_t n;

	while ((n = read(master, buf, sizeof(buf))) >
	       0) /* EIO: nobody has the other side any more */
		for (ssize_t done = 0, written; done < n; done += written) {
			written = write(1, buf + done, (size_t)(n - done));
			if (written < 0)
				err(FAILED, "write");
		}
}

int main(int argc, char **argv)
{
	int status, slave, master;
	pid_t pid;

	if (argc < 2)
		errx(FAILED, "usage: pty-relay PROGRAM [ARG...]");
	master = open_pty(&slave);
	pid = fork();
	if (pid < 0)
		err(FAILED, "fork");
	if (pid == 0)
		run(slave, argv + 1);
	close_fd(&slave);
	relay(master);
	if (waitpid(pid, &status, 0) < 0)
		err(FAILED, "wait");
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
