/* SPDX-License-Identifier: MIT
 *
 * The plan as orders for the stage, and the orders as a file in memory. The orders point into the
 * plan; nothing here decides.
 */
#include <errno.h>
#include <linux/capability.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/grow.h"
#include "base/io.h"
#include "lib/starting.h"
#include "lib/target.h"
#include "stage/packed.h"
#include "sys/executable.h"

static int order_cgroups(struct starting *s, struct cj_error *err)
{
	const struct cj_plan *plan = s->plan;

	s->orders.cgroups = calloc(plan->n_cgroups + 1, sizeof(*s->orders.cgroups));
	if (!s->orders.cgroups)
		return cj_fail(err, ENOMEM, "start the command");
	s->orders.n_cgroups = plan->n_cgroups;
	for (size_t i = 0; i < plan->n_cgroups; i++)
		s->orders.cgroups[i] = (struct order_cgroup){
			.name = plan->cgroups[i].name,
			.directory = plan->cgroups[i].directory,
			.fd = s->cgroups[i],
			.unified = plan->cgroups[i].unified,
			.try_only = plan->cgroups[i].try_only,
			.own = plan->cgroups[i].own,
		};
	return 0;
}

static void order_process(const struct cj_plan *plan, struct orders *to)
{
	to->limits = plan->limits;
	to->set_limits = plan->set_limits;
	to->own_nofile = plan->facts.ours.limits.of[RLIMIT_NOFILE];
	to->own_fsize = plan->facts.ours.limits.of[RLIMIT_FSIZE];
	to->oom_score_adj = plan->oom_score_adj;
	to->core_filter = plan->core_filter;
	to->sched = plan->sched;
	to->may_schedule = plan->facts.ours.status.effective & CAPABILITY(CAP_SYS_NICE);
	to->nice = plan->nice;
	to->ioprio = plan->ioprio;
	to->affinity = plan->affinity;
	to->label = plan->label;
	to->umask = plan->umask;
	to->personality = plan->personality;
	to->timer_slack = plan->timer_slack;
}

static void order_places(const struct cj_plan *plan, struct orders *to)
{
	const char *root = plan->facts.target.root.path, *cwd = plan->facts.target.cwd.path;

	to->join_flags = plan->join_flags;
	to->root = plan->root;
	to->cwd = plan->cwd;
	to->root_name = root ? root : "/";
	to->cwd_name = cwd ? cwd : "the target's";
	to->root_fd = plan->facts.root_fd;
	to->cwd_fd = plan->facts.cwd_fd;
}

static void order_view(const struct cj_plan *plan, struct orders *to)
{
	const struct plan_view *view = &plan->view;
	const struct view_base *base = view->base;

	to->view = (struct order_view){
		.kind = view->kind,
		.base = base ? base->base : NULL,
		.home = base ? base->home : NULL,
		.point = base ? base->point : NULL,
		.show_root = view->show_root,
		.writable = view->writable,
		.pidns = view->proc_from_outside ? plan->facts.view.pidns : -EBADF,
		.proc_inside = view->proc && !view->proc_from_outside,
		.sys = view->sys,
		.sys_back = plan->facts.view.sys_back,
		.user_last = view->user_last,
		.brought = plan->facts.view.bring.items,
		.n_brought = plan->facts.view.bring.n,
	};
}

static void order_credentials(const struct cj_plan *plan, struct orders *to)
{
	memcpy(to->uid, plan->uid, sizeof(to->uid));
	memcpy(to->gid, plan->gid, sizeof(to->gid));
	to->groups = plan->groups;
	to->n_groups = plan->n_groups;
	to->groups_before_join = plan->groups_before_join;
	to->capabilities = plan->capabilities;
	to->no_new_privs = plan->no_new_privs;
	to->load_seccomp = plan->load_seccomp;
	to->seccomp_last = plan->seccomp_last;
	to->seccomp = plan->facts.seccomp;
}

int starting_order(struct starting *s, struct cj_error *err)
{
	const struct cj_plan *plan = s->plan;
	struct orders *to = &s->orders;

	to->steps = plan->steps;
	to->target = plan->target->ref.fd;
	to->target_proc = plan->target->ref.proc;
	to->report = s->report_w;
	to->report_r = s->report_r;
	to->life = s->life_r;
	to->life_w = s->life_w;
	to->terminal = s->options->terminal >= 0;
	to->threaded = s->options->threaded;
	to->detached = s->options->detach;
	to->preserve_fds = s->options->preserve_fds;
	to->verbose = s->options->log && s->options->log_level >= CJ_LOG_STEP;
	order_process(plan, to);
	order_places(plan, to);
	order_view(plan, to);
	order_credentials(plan, to);
	to->env = plan->env;
	to->argv = plan->argv;
	to->candidates = plan->candidates;
	to->n_candidates = plan->n_candidates;
	to->command = plan->command;
	return order_cgroups(s, err);
}

/* Bytes that grow, and the places of pointers among them. */
struct pack {
	char *bytes;
	size_t size, room;
	uint64_t *slots;
	size_t n_slots, slots_room;
	bool failed; /* out of memory: checked once, at the end */
};

static void pack_done(struct pack *pack)
{
	free(pack->bytes);
	free(pack->slots);
}

/* Returns where they lie. */
static size_t pack_bytes(struct pack *pack, const void *bytes, size_t size)
{
	size_t at = (pack->size + 7) / 8 * 8;

	if (pack->failed || !array_grow((void **)&pack->bytes, 1, &pack->room, at + size)) {
		pack->failed = true;
		return 0;
	}
	memset(pack->bytes + pack->size, 0, at - pack->size);
	if (size > 0)
		memcpy(pack->bytes + at, bytes, size);
	pack->size = at + size;
	return at;
}

/* Makes the pointer at `slot` point to `to`, or to nothing. */
static void pack_pointer(struct pack *pack, size_t slot, size_t to, bool is_null)
{
	uint64_t value = is_null ? 0 : to;

	if (pack->failed || !array_grow((void **)&pack->slots, sizeof(*pack->slots),
					&pack->slots_room, pack->n_slots + 1)) {
		pack->failed = true;
		return;
	}
	memcpy(pack->bytes + slot, &value, sizeof(value));
	if (!is_null)
		pack->slots[pack->n_slots++] = slot;
}

static void pack_text(struct pack *pack, size_t slot, const char *text)
{
	pack_pointer(pack, slot, text ? pack_bytes(pack, text, strlen(text) + 1) : 0, !text);
}

/* A NULL-ended array of strings. */
static void pack_texts(struct pack *pack, size_t slot, char *const *texts)
{
	size_t n = 0, at;

	while (texts[n])
		n++;
	at = pack_bytes(pack, texts, (n + 1) * sizeof(*texts));
	pack_pointer(pack, slot, at, false);
	for (size_t i = 0; i < n; i++)
		pack_text(pack, at + i * sizeof(*texts), texts[i]);
}

#define AT(field) (offsetof(struct packed, orders) + offsetof(struct orders, field))

static void pack_cgroups(struct pack *pack, const struct orders *orders)
{
	size_t at = pack_bytes(pack, orders->cgroups, orders->n_cgroups * sizeof(*orders->cgroups));

	pack_pointer(pack, AT(cgroups), at, false);
	for (size_t i = 0; i < orders->n_cgroups; i++) {
		size_t one = at + i * sizeof(struct order_cgroup);

		pack_text(pack, one + offsetof(struct order_cgroup, name), orders->cgroups[i].name);
		pack_text(pack, one + offsetof(struct order_cgroup, directory),
			  orders->cgroups[i].directory);
	}
}

static void pack_seccomp(struct pack *pack, const struct seccomp_programs *programs)
{
	size_t at = pack_bytes(pack, programs->list, programs->count * sizeof(*programs->list));

	pack_pointer(pack, AT(seccomp.list), at, false);
	for (size_t i = 0; i < programs->count; i++) {
		const struct seccomp_program *one = &programs->list[i];
		size_t insns = pack_bytes(pack, one->insns, one->count * sizeof(*one->insns));

		pack_pointer(pack, at + i * sizeof(*one) + offsetof(struct seccomp_program, insns),
			     insns, false);
	}
}

static void pack_command(struct pack *pack, const struct orders *orders)
{
	size_t at = pack_bytes(pack, orders->candidates,
			       orders->n_candidates * sizeof(*orders->candidates));

	pack_pointer(pack, AT(candidates), at, false);
	for (size_t i = 0; i < orders->n_candidates; i++) {
		size_t one = at + i * sizeof(struct candidate);

		pack_text(pack, one + offsetof(struct candidate, path), orders->candidates[i].path);
		pack_text(pack, one + offsetof(struct candidate, argv0),
			  orders->candidates[i].argv0);
	}
	pack_texts(pack, AT(env), orders->env);
	pack_texts(pack, AT(argv), orders->argv);
	pack_text(pack, AT(command), orders->command);
}

static void pack_view(struct pack *pack, const struct order_view *view)
{
	static char *const none[] = {NULL};
	size_t at = pack_bytes(pack, view->brought, view->n_brought * sizeof(*view->brought));

	pack_pointer(pack, AT(view.brought), at, false);
	for (size_t i = 0; i < view->n_brought; i++) {
		const struct brought *from = &view->brought[i];
		size_t one = at + i * sizeof(*from);

		pack_text(pack, one + offsetof(struct brought, path), from->path);
		pack_text(pack, one + offsetof(struct brought, source), from->source);
		pack_pointer(pack, one + offsetof(struct brought, bytes),
			     pack_bytes(pack, from->bytes, from->size), !from->bytes);
	}
	pack_text(pack, AT(view.base), view->base);
	pack_text(pack, AT(view.home), view->home);
	pack_text(pack, AT(view.point), view->point);
	pack_texts(pack, AT(view.sys_back), view->sys_back ? view->sys_back : none);
}

static void pack_orders(struct pack *pack, const struct orders *orders)
{
	struct packed head = {.orders = *orders};

	/* Closed by the execve, and addresses of ours. */
	head.orders.report_r = head.orders.life_w = -EBADF;
	head.orders.shared = NULL;
	(void)pack_bytes(pack, &head, sizeof(head));
	pack_cgroups(pack, orders);
	pack_pointer(pack, AT(groups),
		     pack_bytes(pack, orders->groups, orders->n_groups * sizeof(*orders->groups)),
		     false);
	pack_seccomp(pack, &orders->seccomp);
	pack_view(pack, &orders->view);
	pack_text(pack, AT(root), orders->root);
	pack_text(pack, AT(cwd), orders->cwd);
	pack_text(pack, AT(root_name), orders->root_name);
	pack_text(pack, AT(cwd_name), orders->cwd_name);
	pack_command(pack, orders);
	head.n_slots = pack->n_slots;
	head.slots = pack_bytes(pack, pack->slots, pack->n_slots * sizeof(*pack->slots));
	head.size = pack->size;
	if (!pack->failed)
		memcpy(pack->bytes, &head, offsetof(struct packed, orders));
}

int starting_pack(struct starting *s, struct cj_error *err)
{
	_cleanup_(pack_done) struct pack pack = {.bytes = NULL};
	int r;

	pack_orders(&pack, &s->orders);
	if (pack.failed)
		return cj_fail(err, ENOMEM, "start the command");
	r = memory_file(&s->shared_fd, PACKED_AT + pack.size);
	if (r < 0)
		return starting_fail_program(-r, "make a file in memory", err);
	for (size_t done = 0; done < pack.size;) {
		ssize_t n = pwrite(s->shared_fd, pack.bytes + done, pack.size - done,
				   (off_t)(PACKED_AT + done));

		if (n < 0)
			return cj_fail(err, errno, "pass the orders to the stage process");
		done += (size_t)n;
	}
	return 0;
}
