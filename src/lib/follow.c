/* SPDX-License-Identifier: MIT */
#include <conjoin/follow.h>

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "lib/target.h"
#include "sys/pidref.h"

/* A restart takes a container a second or two; after that somebody has to do something about it. */
enum { FIRST_MS = 50, LAST_MS = 1000 };

struct cj_follow {
	const char *text;
	const struct cj_engine_options *options;
	struct cj_target *target;
	bool gone;
	int wait;     /* milliseconds between the last two looks */
	int64_t next; /* look */
};

int cj_follow_new(const char *text, const struct cj_engine_options *options, struct cj_follow **ret,
		  struct cj_error *err)
{
	_cleanup_free_ struct cj_follow *follow = calloc(1, sizeof(*follow));
	int r;

	if (!follow)
		return cj_fail(err, ENOMEM, "follow %s", text);
	if (!target_has_name(text))
		return cj_fail(err, ENOTNAM, "%s never comes back: only a name can be followed",
			       text);
	follow->text = text;
	follow->options = options;
	r = cj_target_find(text, options, &follow->target, err);
	if (r == 0)
		*ret = take_ptr(follow);
	return r;
}

struct cj_target *cj_follow_target(const struct cj_follow *follow)
{
	return follow->target;
}

int cj_follow_fd(const struct cj_follow *follow)
{
	return follow->gone ? -1 : follow->target->ref.fd;
}

int cj_follow_timeout(const struct cj_follow *follow)
{
	int64_t left = follow->next - clock_ms();

	if (!follow->gone)
		return -1;
	return left < 0 ? 0 : (int)left;
}

static void look_later(struct cj_follow *follow)
{
	follow->wait = follow->wait * 2 < LAST_MS ? follow->wait * 2 : LAST_MS;
	follow->next = clock_ms() + follow->wait;
}

/* An engine may still name the process that has ended, and a file the PID of it. */
static bool is_another(const struct cj_target *one, const struct cj_target *other)
{
	return one->ref.pid != other->ref.pid || one->ref.id != other->ref.id;
}

static enum cj_follow_event look_for_it(struct cj_follow *follow, struct cj_target **ret_before)
{
	struct cj_target *found = NULL, *before = follow->target;

	if (clock_ms() < follow->next)
		return CJ_FOLLOW_NOTHING;
	if (cj_target_find(follow->text, follow->options, &found, NULL) < 0 ||
	    !is_another(found, before)) {
		cj_target_free(found);
		look_later(follow);
		return CJ_FOLLOW_NOTHING;
	}
	follow->target = found;
	follow->gone = false;
	if (ret_before)
		*ret_before = before;
	else
		cj_target_free(before);
	return CJ_FOLLOW_BACK;
}

enum cj_follow_event cj_follow_step(struct cj_follow *follow, struct cj_target **ret_before)
{
	if (follow->gone)
		return look_for_it(follow, ret_before);
	if (pidref_verify(&follow->target->ref) == 0)
		return CJ_FOLLOW_NOTHING;
	follow->gone = true;
	follow->wait = FIRST_MS;
	follow->next = clock_ms() + FIRST_MS;
	return CJ_FOLLOW_GONE;
}

void cj_follow_free(struct cj_follow *follow)
{
	if (!follow)
		return;
	cj_target_free(follow->target);
	free(follow);
}
