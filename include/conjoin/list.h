/* SPDX-License-Identifier: MIT
 *
 * What runs on the machine, as targets: processes that share namespaces and cgroups, with what can be
 * said of each from outside, and the names that engines have for them.
 * Not here: one process in full (inspect.h), entering one (plan.h).
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <conjoin/engine.h>
#include <conjoin/error.h>
#include <conjoin/target.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Where an array has an entry for each kind of namespace. namespaces(7) */
enum cj_namespace_kind {
	CJ_NAMESPACE_USER,
	CJ_NAMESPACE_CGROUP,
	CJ_NAMESPACE_IPC,
	CJ_NAMESPACE_UTS,
	CJ_NAMESPACE_NET,
	CJ_NAMESPACE_PID,
	CJ_NAMESPACE_TIME,
	CJ_NAMESPACE_MNT,
	CJ_NAMESPACE_KINDS,
};

#define CJ_LIST_UNKNOWN UINT64_MAX

/*
 * A target, and the process that stands for it: the first process of its pid namespace, else the
 * oldest one that came from outside. Names come from containers: bytes as they are, NUL-ended, and
 * hostile. All pointers live as long as the list.
 */
struct cj_list_target {
	const char *engine; /* "docker", "host"; conjoin-ps(1) lists them; NULL: unknown */
	const char *name;   /* a name, the short form of `id`, or the first process's */
	const char *id;	    /* NULL: none is known */
	pid_t pid;	    /* of the first process, for people; for programs: */
	const char *handle; /* "4711:8193", taken by cj_target_open() */
	size_t processes;
	uint64_t memory; /* bytes of its cgroup, CJ_LIST_UNKNOWN if it has none of its own */
	uint64_t cpu;	 /* microseconds used, of its cgroup; the same */
	uint64_t age;	 /* seconds since the first process was started */
	const char *const *special; /* "host net", "privileged", "paused", … */
	size_t n_special;
	uint64_t namespaces[CJ_NAMESPACE_KINDS]; /* of the first process; 0: no such kind */
	unsigned int own; /* 1 << kind: namespaces that aren't the caller's */
	int host;	  /* it's what is in no other target */
	/* What the engine that names it tells, as in struct cj_container; NULL: it doesn't. */
	const char *image;
	const char *bundle;
	const char *const *labels;
	const char *const *engines; /* all that know it, NULL-ended; `engine` is the first */
};

/* A namespace without processes, and one thing that keeps it alive. */
enum cj_holder { CJ_HOLDER_FILE, CJ_HOLDER_MOUNT, CJ_HOLDER_SOCKET };

struct cj_list_namespace {
	enum cj_namespace_kind kind;
	uint64_t inode;
	enum cj_holder holder;
	pid_t pid;	     /* who has the file or socket open, or sees the mount; 0: we see it */
	const char *process; /* its name; hostile; NULL where `pid` is 0 */
	int fd;		     /* -1 of mounts */
	const char *path;    /* of mounts, as that process sees it; else NULL; hostile */
};

struct cj_list_options {
	size_t size; /* sizeof(struct cj_list_options) */
	int all;     /* also the host, and namespaces without processes (takes longer) */
	int usage;   /* `memory` and `cpu` are wanted */
	/* Only what has a process in this namespace; an inode of 0: no matter. */
	enum cj_namespace_kind kind;
	uint64_t inode;
	/* How engines are asked for names; NULL: in the usual way. Those that don't answer are left out. */
	const struct cj_engine_options *engines;
};

#define CJ_LIST_OPTIONS_INIT {.size = sizeof(struct cj_list_options)}

struct cj_list;

/*
 * Looks at every process once. The host comes first, then the oldest target. What starts or ends
 * meanwhile may be missing, but no row is ever about two processes.
 *
 *	ENOTSUP	/proc isn't that of our own pid namespace
 *	ENOMEM
 *
 * Free with cj_list_free().
 */
int cj_list_read(const struct cj_list_options *options, struct cj_list **ret, struct cj_error *err);
void cj_list_free(struct cj_list *list);

size_t cj_list_count(const struct cj_list *list);
const struct cj_list_target *cj_list_at(const struct cj_list *list, size_t i);

/* Namespaces without processes, one entry for each holder; with `all`, else there are none. */
const struct cj_list_namespace *cj_list_namespaces(const struct cj_list *list, size_t *ret_count);

/*
 * How many processes' namespaces or cgroups couldn't be read, and the first one's errno (0: none): they
 * are in no target. Mostly EACCES: ptrace(2), PTRACE_MODE_READ.
 */
size_t cj_list_unread(const struct cj_list *list, int *ret_errno);

#ifdef __cplusplus
}
#endif
