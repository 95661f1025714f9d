/* SPDX-License-Identifier: MIT */
#include "engine/lxc_api.h"

#include <errno.h>
#include <string.h>

#include "base/cleanup.h"

enum { PID_MAX = 4194304 }; /* PID_MAX_LIMIT of the kernel */

static bool is_name(const char *at, size_t length)
{
	return length > 0 && length <= NAME_MAX && !memchr(at, '/', length) &&
	       !(length == 1 && at[0] == '.') && !(length == 2 && memcmp(at, "..", 2) == 0);
}

static bool is_hash(const char *at, size_t length)
{
	return length == 16 && strspn(at, "0123456789abcdef") == length;
}

int lxc_socket_name(const char *listener, char ret[NAME_MAX + 1])
{
	static const char suffix[] = "/command", hashed[] = "lxc/";
	size_t end = strlen(listener), begin;

	if (end <= strlen(suffix) || strcmp(listener + end - strlen(suffix), suffix) != 0)
		return -ENOENT;
	end -= strlen(suffix);
	for (begin = end; begin > 0 && listener[begin - 1] != '/';)
		begin--;
	if (!is_name(listener + begin, end - begin))
		return -ENOENT;
	if (begin == strlen(hashed) && strncmp(listener, hashed, begin) == 0 &&
	    is_hash(listener + begin, end - begin)) {
		ret[0] = '\0';
		return 0;
	}
	if (listener[0] != '/' || begin < 2) /* LXCPATH is an absolute one */
		return -ENOENT;
	memcpy(ret, listener + begin, end - begin);
	ret[end - begin] = '\0';
	return 0;
}

/* 1: it's there, with what comes behind it. */
static int take_answer(const char *data, size_t size, struct lxc_answer *ret)
{
	struct lxc_answer answer;

	if (size < sizeof(answer))
		return 0;
	memcpy(&answer, data, sizeof(answer));
	if (answer.result < -4095 || answer.result > 0)
		return -EBADMSG;
	if (answer.result < 0)
		return answer.result;
	if (answer.data_size < 0 || answer.data_size > LXC_DATA_MAX)
		return -EBADMSG;
	*ret = answer;
	return 1;
}

int lxc_answer_state(const char *data, size_t size, enum container_state *ret)
{
	/* lxc_state_t */
	static const enum container_state states[] = {
		CONTAINER_STOPPED, /* STOPPED */
		CONTAINER_CREATED, /* STARTING */
		CONTAINER_RUNNING, /* RUNNING */
		CONTAINER_RUNNING, /* STOPPING */
		CONTAINER_STOPPED, /* ABORTING */
		CONTAINER_RUNNING, /* FREEZING */
		CONTAINER_PAUSED,  /* FROZEN */
		CONTAINER_RUNNING, /* THAWED */
	};
	struct lxc_answer answer;
	int r = take_answer(data, size, &answer);

	if (r <= 0)
		return r;
	if (answer.data >= ELEMENTS(states))
		return -EBADMSG;
	*ret = states[answer.data];
	return 1;
}

int lxc_answer_pid(const char *data, size_t size, pid_t *ret)
{
	struct lxc_answer answer;
	int r = take_answer(data, size, &answer);

	if (r <= 0)
		return r;
	if (answer.data == 0 || answer.data > PID_MAX)
		return -EBADMSG;
	*ret = (pid_t)answer.data;
	return 1;
}

int lxc_answer_name(const char *data, size_t size, char ret[NAME_MAX + 1])
{
	struct lxc_answer answer;
	const char *name = data + sizeof(answer);
	size_t length;
	int r = take_answer(data, size, &answer);

	if (r <= 0)
		return r;
	if (size - sizeof(answer) < (size_t)answer.data_size)
		return 0;
	length = strnlen(name, (size_t)answer.data_size);
	if (!is_name(name, length))
		return -EBADMSG;
	memcpy(ret, name, length);
	ret[length] = '\0';
	return 1;
}
