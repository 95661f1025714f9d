/* SPDX-License-Identifier: MIT
 *
 * Decides what is executed, with which environment, and where it's looked for.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "engine/cgroup_name.h"
#include "lib/accounts.h"
#include "lib/plan.h"
#include "lib/target.h"

/* What a shell falls back on, and runc and docker: the target's environment may have none. */
const char default_path[] = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/* The environment while it's made. The array is the plan's at the end; strings are borrowed. */
struct env {
	const char **entries;
	size_t n, room;
	bool out_of_memory;
};

static void env_append(struct env *env, const char *entry)
{
	if (env->n + 1 >= env->room) {
		size_t more = env->room ? env->room * 2 : 64;
		const char **grown = reallocarray(env->entries, more, sizeof(*grown));

		if (!grown) {
			env->out_of_memory = true;
			return;
		}
		env->entries = grown;
		env->room = more;
	}
	env->entries[env->n++] = entry;
	env->entries[env->n] = NULL;
}

/* Is it an entry of that name? An entry without "=" is nobody's. */
static bool names(const char *entry, const char *name, size_t length)
{
	return strncmp(entry, name, length) == 0 && entry[length] == '=';
}

static const char *env_get(const struct env *env, const char *name)
{
	for (size_t i = 0; i < env->n; i++)
		if (names(env->entries[i], name, strlen(name)))
			return env->entries[i] + strlen(name) + 1;
	return NULL;
}

/* Takes all entries of a name out but the first, which becomes `with` (NULL: goes as well). */
static bool env_replace(struct env *env, const char *name, size_t length, const char *with)
{
	size_t kept = 0;
	bool found = false;

	for (size_t i = 0; i < env->n; i++) {
		const char *entry = env->entries[i];

		if (names(entry, name, length)) {
			if (found || !with)
				continue;
			found = true;
			entry = with;
		}
		env->entries[kept++] = entry;
	}
	env->n = kept;
	if (env->entries)
		env->entries[kept] = NULL;
	return found;
}

/* NAME=VALUE sets, NAME alone takes away. */
static void env_apply(struct env *env, const char *text)
{
	size_t length = strcspn(text, "=");
	const char *with = text[length] ? text : NULL;

	if (!env_replace(env, text, length, with) && with)
		env_append(env, with);
}

/* Entries are ended by NULs; the bytes between them are passed on whatever they are. */
static void env_take(struct env *env, const struct bytes *bytes)
{
	for (const char *at = bytes->data; at && at < bytes->data + bytes->size;
	     at += strlen(at) + 1)
		env_append(env, at);
}

static void env_set_user(struct planning *p, struct env *env, const struct account *account)
{
	const char *home = account->home && account->home[0] ? account->home : "/";

	env_apply(env, plan_text(p->plan, "HOME=%s", home));
	env_apply(env, account->name ? plan_text(p->plan, "USER=%s", account->name) : "USER");
	env_apply(env, account->name ? plan_text(p->plan, "LOGNAME=%s", account->name) : "LOGNAME");
}

/* For prompts and scripts, from names that others choose: nothing that a shell would act on. */
static const char *plain_text(struct planning *p, const char *text)
{
	char *copy = plan_own(p->plan, strdup(text));

	for (char *at = copy; at && *at; at++)
		if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.,:/@+",
			    *at))
			*at = '_';
	return copy ? copy : "";
}

/* The container's, by its cgroup; else the process's. */
static const char *target_name(struct planning *p)
{
	const struct cgroup_list *list = &p->facts->target.cgroups;
	const struct cj_target *target = p->plan->target;
	struct cgroup_name found;

	if (target && target->container.name)
		return plain_text(p, target->container.name);
	for (size_t i = 0; i < list->n; i++)
		if (cgroup_name_find(list->entries[i].path, strlen(list->entries[i].path),
				     &found) &&
		    found.name[0])
			return plain_text(p, found.name);
	return plain_text(p, p->facts->target.status.comm);
}

static void env_set_debug(struct planning *p, struct env *env)
{
	const struct plan_view *view = &p->plan->view;
	const char *path;

	env_apply(env, plan_text(p->plan, "CONJOIN_TARGET=%s",
				 p->plan->target ? plain_text(p, p->plan->target->text) : ""));
	env_apply(env, plan_text(p->plan, "CONJOIN_NAME=%s", target_name(p)));
	env_apply(env, view->show_root
			       ? plan_text(p->plan, "CONJOIN_ROOT=%s/root", view->base->point)
			       : "CONJOIN_ROOT=/");
	if (p->facts->view.bring.n == 0)
		return;
	path = env_get(env, "PATH");
	env_apply(env, plan_text(p->plan, "CONJOIN_BIN=%s/bin", view->base->point));
	env_apply(env, plan_text(p->plan, "PATH=%s/bin:%s", view->base->point,
				 path ? path : default_path));
}

/*
 * The target's is its own word, and what runs with the caller's rights must not obey it: LD_PRELOAD,
 * BASH_ENV, a HOME with a .bashrc. Only where its programs are is taken from it.
 */
static void env_take_path(struct planning *p, struct env *env)
{
	const struct bytes *bytes = &p->facts->target.environ;
	const char *home = p->plan->view.base ? p->plan->view.base->point : "/";

	for (const char *at = bytes->data; at && at < bytes->data + bytes->size;
	     at += strlen(at) + 1)
		if (names(at, "PATH", strlen("PATH"))) {
			env_append(env, at);
			break;
		}
	env_append(env, plan_text(p->plan, "HOME=%s", home));
}

static int make_env(struct planning *p, struct env *env, const struct account *account,
		    struct cj_error *err)
{
	const struct cj_exec_options *o = p->options;
	bool skip = o->clear_env || plan_skips(p, PART_ENVIRONMENT);

	if (!skip && p->facts->view.kind == VIEW_HOST) {
		/* Copies: a stage that is a copy of the caller wipes the caller's own. */
		for (const char *const *at = p->debug->environment; at && *at; at++) {
			const char *copy = plan_own(p->plan, strdup(*at));

			if (copy)
				env_append(env, copy);
		}
	} else if (!skip && p->debug && plan_is_own_identity(p)) {
		env_take_path(p, env);
	} else if (!skip) {
		int r = plan_wants_read(p, PART_ENVIRONMENT, err);

		if (r < 0)
			return r;
		env_take(env, &p->facts->target.environ);
	}
	env_append(env, "");
	env->entries[--env->n] = NULL; /* there's an array now, also without an entry */
	if (o->user)
		env_set_user(p, env, account);
	if (o->terminal)
		env_apply(env, plan_text(p->plan, "TERM=%s", o->terminal));
	if (p->debug)
		env_set_debug(p, env);
	for (const char *const *at = o->env; at && *at; at++) {
		if ((*at)[0] == '=' || !(*at)[0])
			return cj_fail(err, EINVAL, "environment variable \"%s\" has no name", *at);
		env_apply(env, *at);
	}
	return env->out_of_memory ? cj_fail(err, ENOMEM, "make the environment") : 0;
}

void plan_candidate(struct cj_plan *plan, char *path, char *argv0)
{
	struct candidate *grown =
		reallocarray(plan->candidates, plan->n_candidates + 1, sizeof(*grown));

	if (!grown) {
		plan->out_of_memory = true;
		return;
	}
	plan->candidates = grown;
	plan->candidates[plan->n_candidates++] = (struct candidate){path, argv0};
}

static char *path_in(struct cj_plan *plan, const char *dir, size_t length, const char *name)
{
	char *path = malloc(length + strlen(name) + 3);

	if (path) {
		memcpy(path, dir, length);
		memcpy(path + length, "/", 2);
		memcpy(path + length + 1, name, strlen(name) + 1);
	}
	return plan_own(plan, path);
}

/* As execvp(3): a name with a slash is a path, an empty element of PATH is the cwd. */
static void look_for(struct planning *p, const char *name, const char *path, char *argv0)
{
	struct cj_plan *plan = p->plan;

	if (!name[0]) /* nowhere, instead of each directory of PATH itself */
		return;
	if (strchr(name, '/')) {
		plan_candidate(plan, plan_own(plan, strdup(name)), argv0);
		return;
	}
	for (;;) {
		size_t length = strcspn(path, ":");

		plan_candidate(plan,
			       length ? path_in(plan, path, length, name)
				      : path_in(plan, ".", 1, name),
			       argv0);
		if (!path[length])
			return;
		path += length + 1;
	}
}

/* A shell that logs nobody in isn't what somebody wants who asks for none. */
static bool is_login_shell(const char *shell)
{
	const char *base = shell ? strrchr(shell, '/') : NULL;

	return base && strcmp(base, "/nologin") != 0 && strcmp(base, "/false") != 0;
}

/* The user that was asked for is known by name: more than one can have the number. */
static int find_account(struct planning *p)
{
	int r = p->options->user ? 0
				 : account_by_uid(&p->facts->passwd, p->plan->uid[1], &p->account);

	return r == -ENOENT ? 0 : r;
}

static char **copy_argv(struct cj_plan *plan, const char *const *argv)
{
	size_t n = 0;
	char **copy;

	while (argv[n])
		n++;
	copy = plan_own(plan, calloc(n + 1, sizeof(*copy)));
	for (size_t i = 0; i < n && copy; i++)
		copy[i] = plan_own(plan, strdup(argv[i]));
	return copy;
}

/* Somebody who brings a shell wants that one. */
static void add_brought_shell(struct planning *p)
{
	static const char *const shells[] = {"bash", "zsh", "fish", "ksh", "mksh", "dash", "ash"};
	const struct bring *bring = &p->facts->view.bring;
	struct cj_plan *plan = p->plan;

	for (size_t i = 0; i < bring->n; i++)
		for (size_t k = 0; k < ELEMENTS(shells); k++) {
			const char *path = bring->items[i].path;
			char *found;

			if (strncmp(path, "bin/", 4) != 0 || strcmp(path + 4, shells[k]) != 0)
				continue;
			found = (char *)(uintptr_t)plan_text(plan, "%s/%s", plan->view.base->point,
							     path);
			plan_candidate(plan, found, found);
			return;
		}
}

static void decide_shell(struct planning *p, const struct account *account, const char *path)
{
	struct cj_plan *plan = p->plan;
	char *sh = plan_own(plan, strdup("sh"));

	plan->argv = plan_own(plan, calloc(2, sizeof(*plan->argv)));
	if (!plan->argv || !sh)
		return;
	plan->argv[0] = sh;
	plan->command = "sh";
	if (is_login_shell(account->shell)) {
		char *shell = plan_own(plan, strdup(account->shell));

		if (!shell)
			return;
		plan_candidate(plan, shell, shell);
		plan->argv[0] = shell;
		plan->command = shell;
	}
	add_brought_shell(p);
	look_for(p, "sh", path, sh);
}

int plan_command(struct planning *p, struct cj_error *err)
{
	const char *const *argv = p->options->argv;
	struct env env = {.entries = NULL};
	const char *path;
	int r = find_account(p);

	if (r < 0)
		return cj_fail(err, -r, "look up uid %u", p->plan->uid[1]);
	r = make_env(p, &env, &p->account, err);
	p->plan->env = (char **)plan_own(p->plan, env.entries);
	if (r < 0)
		return r;
	path = env_get(&env, "PATH");
	if (!argv || !argv[0]) {
		decide_shell(p, &p->account, path ? path : default_path);
	} else {
		p->plan->argv = copy_argv(p->plan, argv);
		if (!p->plan->argv)
			return 0; /* noted */
		p->plan->command = p->plan->argv[0];
		look_for(p, argv[0], path ? path : default_path, NULL);
	}
	plan_note(p, PART_ENVIRONMENT, "", "set", "%zu variables", env.n);
	plan_do(p, PART_COMMAND, p->plan->command ? p->plan->command : "", "execute", NEEDS_NOTHING,
		"%s",
		strchr(p->plan->command ? p->plan->command : "/", '/') ? "as given"
		: path ? "looked for in PATH"
		       : "looked for in the default PATH: the target has none");
	return 0;
}
