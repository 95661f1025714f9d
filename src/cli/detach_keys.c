/* SPDX-License-Identifier: MIT */
#include "cli/detach_keys.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"

/* One of "x", "ctrl-x"; its length. 0: none of them. */
static size_t parse_key(const char *text, size_t length, unsigned char *ret)
{
	static const char with_ctrl[] = "abcdefghijklmnopqrstuvwxyz@[\\]^_";
	static const char ctrl[] = "ctrl-";

	if (length == 1) {
		*ret = (unsigned char)text[0];
		return length;
	}
	if (length != sizeof(ctrl) || memcmp(text, ctrl, sizeof(ctrl) - 1) != 0 ||
	    !strchr(with_ctrl, text[length - 1]))
		return 0;
	*ret = (unsigned char)text[length - 1] & 0x1f;
	return length;
}

int detach_keys_parse(const char *text, struct detach_keys *ret)
{
	struct detach_keys keys = {.n = 0};

	for (const char *at = text; at[0]; at++) {
		size_t length = strcspn(at, ",");

		if (keys.n == DETACH_KEYS_MAX)
			return -E2BIG;
		if (parse_key(at, length, &keys.keys[keys.n++]) == 0)
			return -EINVAL;
		at += length;
		if (!at[0])
			break;
		if (!at[1]) /* it ends with a comma */
			return -EINVAL;
	}
	*ret = keys;
	return 0;
}

/* What the command writes is read, so that it never waits for somebody who has gone. */
static int relay_to_log(const struct detach *detach, struct cj_session_options *session)
{
	_cleanup_fd_ int from = fcntl(session->pty, F_DUPFD_CLOEXEC, 3);
	int to = detach->log >= 0 ? fcntl(detach->log, F_DUPFD_CLOEXEC, 3)
				  : open("/dev/null", O_WRONLY | O_CLOEXEC);

	if (from < 0 || to < 0)
		return -errno;
	/* A full disk is no reason to end it. */
	session->relays[0] = (struct cj_relay){take_fd(&from), to, CJ_RELAY_LOSSY};
	return 0;
}

static _Noreturn void stay(struct detach *detach, struct cj_child *child,
			   struct cj_session_options *session, int ready)
{
	struct told_file pid = detach->pid;
	struct cj_exit end;

	(void)setsid();
	detach->pid = (struct told_file)TOLD_FILE_INIT;
	session->event = NULL;
	session->n_detach_keys = 0;
	session->log = NULL;
	session->terminal = -1;
	if (relay_to_log(detach, session) < 0)
		_exit(EXIT_OURS);
	/* That no watchdog can be made is no reason to end a command that runs. */
	(void)cj_child_inherit(child, NULL);
	(void)io_write_all(ready, "", 1);
	detach_let_go(detach);
	(void)cj_session_run(child, session, &end, NULL); /* nobody listens to how it ended */
	cj_child_free(child);				  /* removes the cgroups */
	told_file_remove(&pid);
	_exit(0); /* what the other one has in buffers is the other's */
}

int detach_keys_leave(struct detach *detach, struct cj_child *child,
		      struct cj_session_options *session, struct cj_error *err)
{
	_cleanup_fd_ int ready_r = -EBADF, ready_w = -EBADF;
	char byte;
	int fds[2];
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return cj_fail(err, errno, "make a pipe");
	ready_r = fds[0];
	ready_w = fds[1];
	pid = fork();
	if (pid < 0)
		return cj_fail(err, errno, "make the process that stays");
	if (pid == 0)
		stay(detach, child, session, ready_w);
	close_fd(&ready_w);
	if (io_read(ready_r, &byte, 1) != 1)
		return cj_fail(err, EPROTO, "hand the command over to the process that stays");
	/* On a line of its own: where the command has left the cursor isn't known. */
	return detach_tell(child, isatty(1) ? "\n" : "", session->signals, err);
}
