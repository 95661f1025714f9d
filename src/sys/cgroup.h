/* SPDX-License-Identifier: MIT
 *
 * Which cgroups a process is in, in every hierarchy, and where those lie in the file system:
 * cgroups(7), v1, v2 and hybrid.
 * Not here: whether to join (lib/plan.h), cgroups of our own (lib/own_cgroup.h).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include <conjoin/error.h>

/* One line of /proc/PID/cgroup. Owned strings. */
struct cgroup_entry {
	bool unified;	   /* v2 */
	char *controllers; /* "cpu,cpuacct", "name=systemd", "" for v2 */
	char *path;	   /* from the root of the reader's cgroup namespace; may begin "/.." */
};

struct cgroup_list {
	struct cgroup_entry *entries;
	size_t n;
};

#define CGROUP_LIST_INIT {.entries = NULL}

/* EBADMSG: not such a file. */
int cgroup_list_parse(const char *text, struct cgroup_list *ret);
int cgroup_list_read(int proc, struct cgroup_list *ret);
void cgroup_list_done(struct cgroup_list *list);

/* The entry of the same hierarchy as `like`, or NULL. */
const struct cgroup_entry *cgroup_list_find(const struct cgroup_list *list,
					    const struct cgroup_entry *like);

/* The entry that `controller` belongs to ("memory", "name=systemd", "" for v2), or NULL. */
const struct cgroup_entry *cgroup_list_controller(const struct cgroup_list *list,
						  const char *controller);

/* "memory", "cpu,cpuacct", "unified": how a hierarchy is called in what people read. */
const char *cgroup_entry_name(const struct cgroup_entry *entry);

/* One cgroup mount of our mount namespace. Owned strings. */
struct cgroup_mount {
	bool unified;
	char *options; /* the super block's: "rw,cpu,cpuacct", "rw,xattr,name=systemd" */
	char *root;    /* the cgroup that is mounted, mostly "/" */
	char *point;   /* where */
};

struct cgroup_mounts {
	struct cgroup_mount *mounts;
	size_t n;
};

#define CGROUP_MOUNTS_INIT {.mounts = NULL}

int cgroup_mounts_parse(const char *mountinfo, struct cgroup_mounts *ret);
/* Of the mount namespace of a process, by its open /proc/PID. */
int cgroup_mounts_read(int proc, struct cgroup_mounts *ret);
void cgroup_mounts_done(struct cgroup_mounts *mounts);

/*
 * The directory of a cgroup, in a string that the caller frees.
 *
 *	ENODEV	its hierarchy is mounted nowhere
 *	ENOENT	mounted, but not a part that holds this cgroup (a container's view of it)
 *	ENOMEM
 */
int cgroup_directory(const struct cgroup_mounts *mounts, const struct cgroup_entry *entry,
		     char **ret);

/*
 * Is a whole hierarchy to be seen at `path`, of v2 or v1, down from its root? Not one that is cut by a
 * cgroup namespace, or a part of one that is mounted by itself. Without a look at all mounts.
 */
bool cgroup_is_whole(const char *path, bool unified);

/*
 * Where systemd mounts the hierarchies that it makes units' cgroups in, v2 before v1's name=systemd: how many.
 * 0: they aren't all there and whole, and mountinfo has to tell.
 */
size_t cgroup_usual_roots(const char *const **ret);

/* Opens a cgroup's directory (O_PATH), for clone3(2) and for the calls below. Beneath cgroupfs only. */
int cgroup_open(const char *directory);

/* Opens a cgroup's list of processes for cgroup_attach(). Beneath cgroupfs only. */
int cgroup_open_procs(const char *directory);

/* Opens a file of a cgroup to be read. Beneath cgroupfs only. */
int cgroup_open_file(const char *directory, const char *name);

/* The same for a directory that is open already. */
int cgroup_open_procs_at(int directory);

/* Moves a process by writing its number to the open cgroup.procs. */
int cgroup_attach(int procs, pid_t pid);

/* Is it frozen, itself or by one above it? False too when the kernel doesn't tell. */
bool cgroup_text_is_frozen(const char *text, bool unified); /* of cgroup.events or freezer.state */
bool cgroup_is_frozen(const char *directory, bool unified);
