/* SPDX-License-Identifier: MIT
 *
 * Decides which namespaces are joined, and which root and working directory follow from that.
 */
#include <errno.h>
#include <linux/capability.h>
#include <string.h>

#include "base/cleanup.h"
#include "lib/plan.h"

const char namespaces_of_exec[] = "all", namespaces_of_debug[] = "pid,net";

static int parse_word(const char *word, size_t length, bool ret[NAMESPACE_KINDS],
		      struct cj_error *err)
{
	_cleanup_free_ char *copy = strndup(word, length);
	bool add = word[0] != '-';
	const char *name = copy ? copy + !add : "";
	int kind = namespace_index(strcmp(name, "mount") == 0 ? "mnt" : name);

	if (strcmp(name, "all") == 0)
		for (int i = 0; i < NAMESPACE_KINDS; i++)
			ret[i] = add;
	else if (kind >= 0)
		ret[kind] = add;
	else
		return cj_fail(err, EINVAL,
			       "namespace \"%s\" (there are: all mnt uts ipc pid net user "
			       "cgroup time)",
			       name);
	return 0;
}

static int parse_words(const char *text, bool ret[NAMESPACE_KINDS], struct cj_error *err)
{
	for (;;) {
		size_t length = strcspn(text, ",");
		int r = parse_word(text, length, ret, err);

		if (r < 0 || !text[length])
			return r;
		text += length + 1;
	}
}

int namespaces_parse(const char *text, const char *usual, bool ret[NAMESPACE_KINDS],
		     struct cj_error *err)
{
	bool adds = text && text[0] == '+';
	int r = 0;

	memset(ret, 0, NAMESPACE_KINDS * sizeof(*ret));
	if (!text || adds)
		r = parse_words(usual, ret, err);
	return r == 0 && text ? parse_words(text + adds, ret, err) : r;
}

static void decide_kind(struct planning *p, int kind, bool wanted)
{
	uint64_t ours = p->facts->ours.namespaces.inode[kind];
	uint64_t theirs = p->facts->target.namespaces.inode[kind];
	const char *name = namespace_kinds[kind].name;

	if (theirs == 0) {
		plan_note(p, PART_NAMESPACES, name, "nothing",
			  "this kernel has no such namespaces");
	} else if (theirs == ours) {
		plan_note(p, PART_NAMESPACES, name, "nothing", "same as ours, nothing to do");
	} else if (!wanted) {
		plan_note(p, PART_NAMESPACES, name, "skip", "%s",
			  p->debug && kind == NAMESPACE_MNT ? "the command gets one of its own"
			  : p->options->namespaces	    ? "left out as asked (--namespaces)"
							    : "left out");
	} else {
		bool owner = kind == NAMESPACE_USER || plan_crosses_users(p->plan);
		bool ours_to_join = owner && p->facts->ns_owner == p->facts->ours.status.uid[1];

		p->plan->join[kind] = true;
		p->plan->join_flags |= namespace_kinds[kind].flag;
		plan_do(p, PART_NAMESPACES, name, "join",
			ours_to_join ? NEEDS_NOTHING : CAP_SYS_ADMIN, "%llu, ours is %llu",
			(unsigned long long)theirs, (unsigned long long)ours);
	}
}

int plan_namespaces(struct planning *p, struct cj_error *err)
{
	bool wanted[NAMESPACE_KINDS];
	int r = namespaces_parse(p->options->namespaces,
				 p->debug ? namespaces_of_debug : namespaces_of_exec, wanted, err);

	if (r < 0)
		return r;
	if (plan_skips(p, PART_NAMESPACES))
		return 0;
	if (p->facts->view.kind == VIEW_TARGET)
		wanted[NAMESPACE_MNT] = true; /* of which a copy is made */
	for (int i = 0; i < NAMESPACE_KINDS; i++)
		decide_kind(p, i, wanted[i]);
	return 0;
}

static const char *place_text(const struct place *place)
{
	return place->path ? place->path : "";
}

static bool same_place(const struct place *a, const struct place *b)
{
	return a->device == b->device && a->inode == b->inode && a->mount == b->mount;
}

/* Root and cwd are places in the target's mount namespace: they follow only if that is ours, too. */
static bool in_target_view(const struct planning *p)
{
	if (p->facts->view.kind != VIEW_PLAIN)
		return p->facts->view.kind == VIEW_TARGET;
	return p->plan->join[NAMESPACE_MNT] ||
	       p->facts->target.namespaces.inode[NAMESPACE_MNT] ==
		       p->facts->ours.namespaces.inode[NAMESPACE_MNT];
}

static int decide_root(struct planning *p, struct cj_error *err)
{
	const struct place *root = &p->facts->target.root;
	int r;

	if (plan_skips(p, PART_ROOT))
		return 0;
	p->plan->root = p->options->root;
	if (!in_target_view(p) && p->options->root)
		return cj_fail(err, EINVAL,
			       "change root to %s of the target without its mnt namespace",
			       p->options->root);
	if (!in_target_view(p)) {
		plan_note(p, PART_ROOT, "/", "nothing", "%s",
			  p->debug ? "the host's" : "the mnt namespace isn't joined");
		return 0;
	}
	r = plan_wants_read(p, PART_ROOT, err);
	if (r < 0)
		return r;
	if (!p->plan->join[NAMESPACE_MNT] && !p->options->root &&
	    same_place(root, &p->facts->ours.root)) {
		plan_note(p, PART_ROOT, place_text(root), "nothing", "same as ours, nothing to do");
		return 0;
	}
	plan_do(p, PART_ROOT, p->options->root ? p->options->root : place_text(root), "change",
		CAP_SYS_CHROOT, "%s", p->options->root ? "asked for" : "the target's");
	return 0;
}

static int decide_cwd(struct planning *p, struct cj_error *err)
{
	const struct place *cwd = &p->facts->target.cwd;
	int r;

	if (plan_skips(p, PART_CWD)) {
		/* Ours is no choice: it's the host's. */
		p->plan->cwd = "/";
		if (in_target_view(p))
			p->plan->steps |= UINT32_C(1) << PART_CWD;
		return 0;
	}
	if (p->options->cwd) {
		if (!p->options->cwd[0])
			return cj_fail(err, EINVAL, "cwd \"\" is no directory");
		p->plan->cwd = p->options->cwd;
		plan_do(p, PART_CWD, p->plan->cwd, "change", NEEDS_NOTHING, "asked for");
		return 0;
	}
	if (p->options->root) {
		p->plan->cwd = "/";
		plan_do(p, PART_CWD, "/", "change", NEEDS_NOTHING,
			"of the root that was asked for");
		return 0;
	}
	if (!in_target_view(p)) {
		plan_note(p, PART_CWD, "", "nothing", "%s",
			  p->debug ? "ours" : "the mnt namespace isn't joined");
		return 0;
	}
	r = plan_wants_read(p, PART_CWD, err);
	if (r < 0)
		return r;
	plan_do(p, PART_CWD, place_text(cwd), "change", NEEDS_NOTHING, "the target's");
	return 0;
}

int plan_places(struct planning *p, struct cj_error *err)
{
	int r = decide_root(p, err);

	return r < 0 ? r : decide_cwd(p, err);
}
