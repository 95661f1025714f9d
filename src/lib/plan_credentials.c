/* SPDX-License-Identifier: MIT
 *
 * Decides ids, groups, the five capability sets and no_new_privs: credentials(7), capabilities(7).
 */
#include <errno.h>
#include <linux/capability.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/parse.h"
#include "lib/accounts.h"
#include "lib/plan.h"

static bool same_ids(const unsigned int a[4], const unsigned int b[4])
{
	return memcmp(a, b, 4 * sizeof(a[0])) == 0;
}

/* What was read here is in our user namespace's numbers; the stage will be in the target's. */
static int translate(struct planning *p, const char *kind, const struct idmap *map,
		     const unsigned int from[4], unsigned int to[4], struct cj_error *err)
{
	for (int i = 0; i < 4; i++) {
		if (!plan_crosses_users(p->plan)) {
			to[i] = from[i];
		} else if (!idmap_to_inside(map, from[i], &to[i])) {
			cj_hint(err, "-u picks another user, --skip ids goes without");
			return cj_fail(
				err, EINVAL,
				"take on %s %u, which the target's user namespace doesn't map",
				kind, from[i]);
		}
	}
	return 0;
}

static void write_id_rows(struct planning *p, const char *reason)
{
	struct cj_plan *plan = p->plan;

	plan_do(p, PART_IDS,
		plan_text(plan, "uid %u,%u,%u,%u gid %u,%u,%u,%u", plan->uid[0], plan->uid[1],
			  plan->uid[2], plan->uid[3], plan->gid[0], plan->gid[1], plan->gid[2],
			  plan->gid[3]),
		"set", CAP_SETUID, "%s", reason);
}

/* The caller has no number in there; who joins a user namespace is its root. */
static int root_of_namespace(struct planning *p)
{
	memset(p->plan->uid, 0, sizeof(p->plan->uid));
	memset(p->plan->gid, 0, sizeof(p->plan->gid));
	write_id_rows(p, "root of the user namespace");
	return 0;
}

static int ids_of_target(struct planning *p, struct cj_error *err)
{
	const struct proc_status *ours = &p->facts->ours.status, *target = &p->base->status;
	int r;

	if (plan_is_own_identity(p) && plan_crosses_users(p->plan))
		return root_of_namespace(p);
	if (plan_skips(p, PART_IDS)) {
		memcpy(p->plan->uid, ours->uid, sizeof(ours->uid));
		memcpy(p->plan->gid, ours->gid, sizeof(ours->gid));
		return 0;
	}
	r = translate(p, "uid", &p->facts->target.uid_map, target->uid, p->plan->uid, err);
	if (r == 0)
		r = translate(p, "gid", &p->facts->target.gid_map, target->gid, p->plan->gid, err);
	if (r < 0)
		return r;
	if (!plan_crosses_users(p->plan) && same_ids(ours->uid, target->uid) &&
	    same_ids(ours->gid, target->gid)) {
		plan_note(p, PART_IDS, "", "nothing", "uid %u, gid %u: same as ours, nothing to do",
			  target->uid[0], target->gid[0]);
		return 0;
	}
	write_id_rows(p, "the target's (real, effective, saved, file system)");
	return 0;
}

static bool same_groups(const gid_t *a, size_t n_a, const gid_t *b, size_t n_b)
{
	return n_a == n_b && (n_a == 0 || memcmp(a, b, n_a * sizeof(*a)) == 0);
}

/*
 * Groups are set by the numbers of our user namespace before the join where we may: some of the
 * target's can be unmapped in its own (a rootless container keeps those of its user), and there
 * setgroups(2) may be denied for ever.
 */
static bool set_before_join(const struct planning *p)
{
	return plan_crosses_users(p->plan) &&
	       (p->facts->ours.status.effective & CAPABILITY(CAP_SETGID));
}

/* The same groups in the numbers that setgroups(2) will want. */
static int number_groups(struct planning *p, const gid_t *groups, size_t n, bool are_inside,
			 struct cj_error *err)
{
	const struct idmap *map = &p->facts->target.gid_map;
	bool want_inside = !set_before_join(p);
	gid_t *numbers;

	if (!plan_crosses_users(p->plan) || are_inside == want_inside) {
		p->plan->groups = groups;
		p->plan->n_groups = n;
		return 0;
	}
	numbers = plan_own(p->plan, calloc(n + 1, sizeof(*numbers)));
	for (size_t i = 0; i < n && numbers; i++)
		if (!(want_inside ? idmap_to_inside(map, groups[i], &numbers[i])
				  : idmap_to_outside(map, groups[i], &numbers[i]))) {
			cj_hint(err, "--skip groups goes without");
			return cj_fail(
				err, EINVAL,
				"take on group %u, which the target's user namespace doesn't map",
				groups[i]);
		}
	p->plan->groups = numbers;
	p->plan->n_groups = n;
	return 0;
}

static const char *format_groups(struct planning *p, const gid_t *groups, size_t n)
{
	const char *text = n ? "" : "none";

	for (size_t i = 0; i < n && i < 8; i++)
		text = plan_text(p->plan, "%s%s%u", text, i ? "," : "", groups[i]);
	return n > 8 ? plan_text(p->plan, "%s and %zu more", text, n - 8) : text;
}

static int decide_groups(struct planning *p, const gid_t *groups, size_t n, bool are_inside,
			 const char *reason, struct cj_error *err)
{
	const struct proc_status *ours = &p->facts->ours.status;
	const char *text = format_groups(p, groups, n);
	int r;

	if (plan_skips(p, PART_GROUPS))
		return 0;
	if ((!are_inside || !plan_crosses_users(p->plan)) &&
	    same_groups(groups, n, ours->groups, ours->n_groups)) {
		plan_note(p, PART_GROUPS, text, "nothing", "same as ours, nothing to do");
		return 0;
	}
	if (!set_before_join(p) && plan_crosses_users(p->plan) &&
	    p->facts->target.setgroups_denied) {
		cj_hint(err, "--skip groups goes on with the caller's");
		return cj_fail(err, EPERM,
			       "take on groups %s: setgroups is denied in the target's "
			       "user namespace",
			       text);
	}
	r = number_groups(p, groups, n, are_inside, err);
	if (r < 0)
		return r;
	p->plan->groups_before_join = set_before_join(p);
	plan_do(p, PART_GROUPS, text, "set", CAP_SETGID, "%s", reason);
	return 0;
}

/* --- a user that was asked for --- */

struct asked_user {
	uid_t uid;
	gid_t gid;
	bool has_group;
};

static const char *whose_accounts(const struct planning *p)
{
	return p->facts->view.kind == VIEW_HOST ? "host's" : "target's";
}

static int find_user(struct planning *p, const char *name, struct asked_user *user,
		     struct cj_error *err)
{
	uint64_t n;
	int r;

	if (parse_u64(name, 0, UINT32_MAX - 1, &n) == 0) {
		user->uid = (uid_t)n;
		r = account_by_uid(&p->facts->passwd, user->uid, &p->account);
		if (r == 0)
			user->gid = p->account.gid;
		return r == -ENOENT ? 0 : r; /* a number needs no entry */
	}
	r = name[0] ? account_by_name(&p->facts->passwd, name, &p->account) : -ENOENT;
	if (r < 0)
		return cj_fail(err, r == -ENOENT ? EINVAL : -r,
			       "user \"%s\", whom the %s /etc/passwd doesn't know", name,
			       whose_accounts(p));
	user->uid = p->account.uid;
	user->gid = p->account.gid;
	return 0;
}

static int find_group(struct planning *p, const char *name, gid_t *ret, struct cj_error *err)
{
	uint64_t n;
	int r;

	if (parse_u64(name, 0, UINT32_MAX - 1, &n) == 0) {
		*ret = (gid_t)n;
		return 0;
	}
	r = name[0] ? group_by_name(&p->facts->group, name, ret) : -ENOENT;
	if (r < 0)
		return cj_fail(err, r == -ENOENT ? EINVAL : -r,
			       "group \"%s\", which the %s /etc/group doesn't know", name,
			       whose_accounts(p));
	return 0;
}

static int parse_user(struct planning *p, struct asked_user *user, struct cj_error *err)
{
	_cleanup_free_ char *name = strdup(p->options->user);
	char *group;
	int r;

	if (!name)
		return cj_fail(err, ENOMEM, "look up user");
	group = strchr(name, ':');
	if (group)
		*group++ = '\0';
	r = find_user(p, name, user, err);
	if (r == 0 && group) {
		user->has_group = true;
		r = find_group(p, group, &user->gid, err);
	}
	return r;
}

/* As docker exec -u has it: an explicit group comes alone, else all that the user is a member of. */
static int groups_of_user(struct planning *p, const struct asked_user *user, struct cj_error *err)
{
	gid_t *groups = NULL;
	size_t n = 0;
	int r;

	if (!user->has_group) {
		r = groups_of(&p->facts->group, p->account.name, user->gid, &groups, &n);
		if (r < 0)
			return cj_fail(err, -r, "look up the groups of %s", p->options->user);
		if (!plan_own(p->plan, groups))
			return 0;
	}
	return decide_groups(p, groups, n, true, "of the user that was asked for", err);
}

static int ids_of_user(struct planning *p, struct cj_error *err)
{
	struct asked_user user = {.uid = 0};
	int r = parse_user(p, &user, err);

	if (r == 0)
		r = groups_of_user(p, &user, err);
	if (r < 0)
		return r;
	for (int i = 0; i < 4; i++) {
		p->plan->uid[i] = user.uid;
		p->plan->gid[i] = user.gid;
	}
	write_id_rows(p, "the user that was asked for");
	return 0;
}

/* --- capabilities --- */

static int apply_options(struct planning *p, struct capability_sets *sets, struct cj_error *err)
{
	uint64_t add = 0, drop = 0;
	int r = 0;

	/* As setresuid(2) from root has it: execve checks the file by what is effective then. */
	if (p->options->user && p->plan->uid[1] != 0)
		sets->permitted = sets->effective = sets->ambient = 0;
	if (p->options->privileged) {
		/* All that we can give: in the target's own user namespace that is every one. */
		add = plan_crosses_users(p->plan) ? capabilities_all()
						  : p->facts->ours.status.permitted;
		sets->permitted = sets->effective = sets->bounding = add;
		sets->inheritable = sets->ambient = 0;
		add = 0;
	}
	if (p->options->cap_add)
		r = capabilities_parse(p->options->cap_add, &add, err);
	if (r == 0 && p->options->cap_drop)
		r = capabilities_parse(p->options->cap_drop, &drop, err);
	if (r < 0)
		return r;
	if (add == capabilities_all() && !plan_crosses_users(p->plan))
		add = p->facts->ours.status.permitted;
	sets->permitted |= add;
	sets->effective |= add;
	sets->bounding |= add;
	if (p->plan->uid[1] != 0) { /* execve keeps them for root alone, or by the ambient set */
		sets->inheritable |= add;
		sets->ambient |= add;
	}
	sets->inheritable &= ~drop;
	sets->permitted &= ~drop;
	sets->effective &= ~drop;
	sets->bounding &= ~drop;
	sets->ambient &= ~drop;
	return 0;
}

/*
 * At execve uid 0 gets every capability of its bounding and inheritable sets back, unless securebits
 * forbid it, which nobody can read of another process. So a root that gave some up keeps them away
 * from our command only if those two sets are cut as well.
 */
static bool bound_root(struct planning *p, struct capability_sets *sets)
{
	uint64_t regained = (sets->bounding | sets->inheritable) & ~sets->permitted;

	if ((p->plan->uid[0] != 0 && p->plan->uid[1] != 0) || p->options->user || !regained ||
	    p->plan->no_new_privs)
		return false;
	sets->bounding &= sets->permitted;
	sets->inheritable &= sets->permitted;
	return true;
}

static void write_capability_row(struct planning *p, const char *name, uint64_t set, bool cut)
{
	char text[1024] = "";

	if (p->options->explain)
		capabilities_format(set, text, sizeof(text));
	plan_do(p, PART_CAPABILITIES, name, "set", CAP_SETPCAP, "%s%s", text,
		cut ? " (cut to the permitted set: uid 0 would regain the rest at execve)" : "");
}

/* Those that nobody can give the command: neither has ours, nor does the join bring them. */
static uint64_t missing(const struct planning *p, const struct capability_sets *sets)
{
	const struct proc_status *ours = &p->facts->ours.status;

	if (plan_crosses_users(p->plan))
		return 0;
	return (sets->permitted & ~ours->permitted) | (sets->bounding & ~ours->bounding) |
	       (sets->inheritable & ~ours->inheritable & ~ours->permitted);
}

/*
 * Capabilities of a process in another user namespace are rights over that one and nothing of ours.
 * Taken on as they stand without joining it they would become rights over the host.
 */
static bool is_foreign(const struct planning *p)
{
	return !plan_crosses_users(p->plan) &&
	       p->base->namespaces.inode[NAMESPACE_USER] !=
		       p->facts->ours.namespaces.inode[NAMESPACE_USER];
}

static int decide_capabilities(struct planning *p, struct cj_error *err)
{
	const struct proc_status *target = &p->base->status, *ours = &p->facts->ours.status;
	struct capability_sets *sets = &p->plan->capabilities;
	bool cut;
	int r;

	*sets = (struct capability_sets){target->inheritable, target->permitted, target->effective,
					 target->bounding, target->ambient};
	if (plan_skips(p, PART_CAPABILITIES))
		return 0;
	if (is_foreign(p)) {
		*sets = (struct capability_sets){0};
		plan_note(
			p, PART_CAPABILITIES, "", "nothing",
			"the target's count in its user namespace, which isn't joined: none here");
	}
	r = apply_options(p, sets, err);
	if (r < 0)
		return r;
	cut = bound_root(p, sets);
	p->plan->missing_capabilities = missing(p, sets);
	if (!plan_crosses_users(p->plan) && !plan_has_step(p->plan, PART_IDS) &&
	    sets->inheritable == ours->inheritable && sets->permitted == ours->permitted &&
	    sets->effective == ours->effective && sets->bounding == ours->bounding &&
	    sets->ambient == ours->ambient) {
		plan_note(p, PART_CAPABILITIES, "", "nothing", "same as ours, nothing to do");
		return 0;
	}
	write_capability_row(p, "bounding", sets->bounding, cut);
	write_capability_row(p, "permitted", sets->permitted, false);
	write_capability_row(p, "effective", sets->effective, false);
	write_capability_row(p, "inheritable", sets->inheritable, cut);
	write_capability_row(p, "ambient", sets->ambient, false);
	return 0;
}

static int decide_no_new_privs(struct planning *p, struct cj_error *err)
{
	const char *asked = p->options->no_new_privs;
	bool ours = p->facts->ours.status.no_new_privs;
	bool wanted = p->base->status.no_new_privs && !p->options->privileged;

	if (asked) {
		wanted = strcmp(asked, "yes") == 0;
		if (!wanted && strcmp(asked, "no") != 0)
			return cj_fail(err, EINVAL, "no-new-privs \"%s\" (yes or no)", asked);
	} else if (plan_skips(p, PART_NO_NEW_PRIVS)) {
		return 0;
	}
	p->plan->no_new_privs = wanted || ours;
	if (ours && !wanted)
		plan_note(p, PART_NO_NEW_PRIVS, "", "warn",
			  "ours is set, the target's isn't, and nobody can take it back");
	else if (ours == wanted)
		plan_note(p, PART_NO_NEW_PRIVS, "", "nothing", "same as ours, nothing to do");
	else
		plan_do(p, PART_NO_NEW_PRIVS, "", "set", NEEDS_NOTHING, "%s",
			asked ? "asked for" : "the target's");
	return 0;
}

int plan_credentials(struct planning *p, struct cj_error *err)
{
	const struct proc_status *target = &p->base->status;
	int r;

	if (p->options->user) {
		r = ids_of_user(p, err);
	} else {
		r = decide_groups(p, target->groups, target->n_groups, false, "the target's", err);
		if (r == 0)
			r = ids_of_target(p, err);
	}
	if (r == 0)
		r = decide_no_new_privs(p, err);
	if (r == 0)
		r = decide_capabilities(p, err);
	return r;
}
