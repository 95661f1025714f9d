/* SPDX-License-Identifier: MIT */
#include "lib/guard.h"

#include <linux/capability.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/format.h"
#include "sys/capabilities.h"

#ifndef CAP_PERFMON
#define CAP_PERFMON 38 /* 5.8 */
#endif

#define PROFILING (CAPABILITY(CAP_PERFMON) | CAPABILITY(CAP_SYS_ADMIN))

/* Those that open other processes by themselves. */
#define OPENING (PROFILING | CAPABILITY(CAP_SYS_PTRACE))

void guard_facts_done(struct guard_facts *facts)
{
	free(facts->list);
	*facts = (struct guard_facts)GUARD_FACTS_INIT;
}

enum reason {
	NO_REASON,
	UNREAD,
	TRACES,	  /* CAP_SYS_PTRACE over the command's user namespace */
	OWNS,	  /* all capabilities there, as its owner: user_namespaces(7) */
	PROFILES, /* CAP_PERFMON or CAP_SYS_ADMIN in the initial user namespace */
	ENTERS,	  /* CAP_SYS_ADMIN there, with which it can be joined: all capabilities, then */
	EQUALS,	  /* the same ids, and no capability less */
	CHANGES,  /* CAP_SYS_ADMIN where the mounts of what is brought belong */
};

static uint64_t potential(const struct guard_process *p)
{
	return p->permitted | (p->no_new_privs ? 0 : p->bounding | p->inheritable);
}

static bool has(uint64_t set, int capability)
{
	return set & CAPABILITY(capability);
}

/* uid_t and gid_t are the same type. */
static bool can_become(const struct guard_process *p, const uid_t own[4], uid_t id, int capability)
{
	if (!p->no_new_privs || has(p->permitted, capability))
		return true;
	for (int i = 0; i < 4; i++)
		if (own[i] == id)
			return true;
	return false;
}

/* Could it have the same by itself? */
static bool has_all(const struct guard_process *p, const struct guard_child *child)
{
	return (child->permitted & ~potential(p)) == 0;
}

static enum reason why_able(const struct guard_process *p, const struct guard_child *child)
{
	if (p->relation == GUARD_UNKNOWN)
		return UNREAD;
	if (has(potential(p), CAP_SYS_PTRACE))
		return TRACES;
	if (p->initial && potential(p) & PROFILING && child->host_view && !child->bare)
		return PROFILES;
	if (p->relation == GUARD_ABOVE) {
		if (can_become(p, p->uid, p->owner, CAP_SETUID))
			return OWNS;
		return has(potential(p), CAP_SYS_ADMIN) ? ENTERS : NO_REASON;
	}
	if (has_all(p, child) && can_become(p, p->uid, child->uid, CAP_SETUID) &&
	    can_become(p, p->gid, child->gid, CAP_SETGID))
		return EQUALS;
	return NO_REASON;
}

/*
 * Another command of the caller's: in the caller's root directory, with all that the caller has, or can have
 * by set-user-ID programs, which are the host's own there. Less than that may be a container which was
 * given the host's root for its own, perhaps read-only.
 */
static bool is_the_hosts(const struct guard_facts *facts, const struct guard_process *p)
{
	return p->at_home && p->relation == GUARD_SAME && (facts->most & ~potential(p)) == 0;
}

static enum reason why_open(const struct guard_facts *facts, const struct guard_process *p,
			    const struct guard_child *child)
{
	enum reason reason = why_able(p, child);

	if (reason == NO_REASON || reason == UNREAD || !has_all(p, child))
		return reason;
	if (is_the_hosts(facts, p))
		return NO_REASON;
	if (child->host_view)
		return reason;
	/* By way of the command it gets into its mount namespace, where read-only is a flag. */
	return child->brings && has(potential(p), CAP_SYS_ADMIN) ? CHANGES : NO_REASON;
}

/* The first who could, and how. */
static const struct guard_process *find(const struct guard_facts *facts,
					const struct guard_child *child, enum reason *ret)
{
	for (size_t i = 0; i < facts->n; i++) {
		*ret = why_open(facts, &facts->list[i], child);
		if (*ret != NO_REASON)
			return &facts->list[i];
	}
	return NULL;
}

static bool is_safe(const struct guard_facts *facts, const struct guard_child *child)
{
	enum reason reason;

	return !facts->restless && !facts->blind && !find(facts, child, &reason);
}

/* Would it be safe if none of them could have these capabilities? */
static bool is_safe_without(const struct guard_facts *facts, const struct guard_child *child,
			    uint64_t set)
{
	for (size_t i = 0; i < facts->n; i++) {
		struct guard_process p = facts->list[i];

		p.permitted &= ~set;
		p.bounding &= ~set;
		p.inheritable &= ~set;
		if (why_open(facts, &p, child) != NO_REASON)
			return false;
	}
	return true;
}

/* Those of the opening ones that the container would have to be without; 0 if that isn't it. */
static uint64_t too_much(const struct guard_facts *facts, const struct guard_child *child)
{
	uint64_t set = 0;

	for (size_t i = 0; i < facts->n; i++)
		set |= potential(&facts->list[i]) & OPENING;
	for (int i = 0; i < 64; i++)
		if (has(set, i) && is_safe_without(facts, child, set & ~CAPABILITY(i)))
			set &= ~CAPABILITY(i);
	return is_safe_without(facts, child, set) ? set : 0;
}

/* A number that none of them has: is it a matter of whose command it is? */
static uid_t stranger(const struct guard_facts *facts)
{
	uid_t id = UINT32_MAX - 2;

	for (size_t i = 0; i < facts->n; i++) {
		const struct guard_process *p = &facts->list[i];

		for (int k = 0; k < 4; k++)
			if (p->uid[k] == id || p->gid[k] == id) {
				id--;
				i = SIZE_MAX; /* from the first again */
				break;
			}
	}
	return id;
}

static void add_hint(struct guard_finding *finding, const char *text)
{
	size_t n = strlen(finding->hint);

	(void)format_safe(finding->hint + n, sizeof(finding->hint) - n, "%s%s", n ? "; " : "",
			  text);
}

/* Only what would help in this very case: each is tried out. */
static void write_hint(const struct guard_facts *facts, const struct guard_child *child,
		       struct guard_finding *finding)
{
	struct guard_child full = *child, other = *child, inside = *child, bare = *child,
			   alone = *child;
	char names[64], text[96];
	uint64_t set = 0;

	full.permitted = facts->most;
	full.uid = facts->our_uid;
	full.gid = facts->our_gid;
	other.uid = other.gid = stranger(facts);
	inside.host_view = false;
	bare.bare = true;
	alone.brings = false;
	if (!facts->restless && !facts->blind)
		set = too_much(facts, child);
	if (set) {
		capabilities_format(set, names, sizeof(names));
		(void)format_safe(text, sizeof(text), "a container without %s", names);
		add_hint(finding, text);
	}
	if (is_safe(facts, &bare))
		add_hint(finding, "--clear-env");
	if (is_safe(facts, &alone))
		add_hint(finding, "without --bring");
	if (is_safe(facts, &full))
		add_hint(finding, "without -u, --cap-drop, --as-target");
	if (is_safe(facts, &other))
		add_hint(finding, "-u another user");
	if (child->host_view && is_safe(facts, &inside))
		add_hint(finding, "--view target");
	add_hint(finding, "--expose-host runs it anyway");
}

static void write_reason(const struct guard_process *p, const struct guard_child *child,
			 enum reason reason, char *buf, size_t size)
{
	const char *code = p->unread ? strerrorname_np(p->unread) : NULL;

	switch (reason) {
	case TRACES:
		(void)format_safe(
			buf, size, "%s",
			has(p->permitted, CAP_SYS_PTRACE)
				? "it has CAP_SYS_PTRACE"
				: "it can gain CAP_SYS_PTRACE, which is in its bounding set");
		break;
	case PROFILES:
		(void)format_safe(buf, size, "it may have %s, which shows it the environment",
				  has(potential(p), CAP_SYS_ADMIN) ? "CAP_SYS_ADMIN"
								   : "CAP_PERFMON");
		break;
	case OWNS:
		(void)format_safe(buf, size,
				  "it can be uid %u, who owns the command's user namespace",
				  p->owner);
		break;
	case CHANGES:
		(void)format_safe(buf, size, "it may have CAP_SYS_ADMIN");
		break;
	case ENTERS:
		(void)format_safe(buf, size,
				  "it may have CAP_SYS_ADMIN above the command's user namespace");
		break;
	case EQUALS:
		(void)format_safe(buf, size,
				  "it can be uid %u and gid %u with all its capabilities",
				  child->uid, child->gid);
		break;
	default:
		(void)format_safe(buf, size, "it can't be looked at: %s", code ?: "unreadable");
	}
}

static void write_text(const struct guard_facts *facts, const struct guard_child *child,
		       const struct guard_process *p, enum reason reason,
		       struct guard_finding *finding)
{
	char why[96], who[96], like[40] = "", yama[80] = "";

	write_reason(p, child, reason, why, sizeof(why));
	if (p->tid != p->pid)
		(void)format_safe(who, sizeof(who), "thread %d of process %d", p->tid, p->pid);
	else
		(void)format_safe(who, sizeof(who), "process %d", p->pid);
	if (p->count > 1)
		(void)format_safe(like, sizeof(like), " and %zu more like it", p->count - 1);
	if (facts->ptrace_scope > 0)
		(void)format_safe(yama, sizeof(yama),
				  "; kernel.yama.ptrace_scope %d keeps nobody from reading",
				  facts->ptrace_scope);
	(void)format_safe(finding->text, sizeof(finding->text),
			  "%s (%s)%s of the target could %s: %s%s", who, p->comm, like,
			  reason == CHANGES  ? "change the host's files that are brought"
			  : child->host_view ? "open what this process of the host has"
					     : "take on what the command may do",
			  why, yama);
}

enum guard_verdict guard_judge(const struct guard_facts *facts, const struct guard_child *child,
			       struct guard_finding *ret)
{
	struct guard_finding finding = {.text = ""};
	enum reason reason = NO_REASON;
	const struct guard_process *p = find(facts, child, &reason);

	if (!p && !facts->restless && !facts->blind)
		return GUARD_SAFE;
	if (p)
		write_text(facts, child, p, reason, &finding);
	else
		(void)format_safe(
			finding.text, sizeof(finding.text), "%s",
			facts->blind
				? "/proc hides processes (hidepid), so not all of the target's "
				  "could be looked at"
				: "processes of the target come and go too fast to look at all "
				  "of them");
	write_hint(facts, child, &finding);
	*ret = finding;
	return GUARD_OPEN;
}
