/* SPDX-License-Identifier: MIT
 *
 * Capability sets as 64 bits each, their names (libcap's), and giving them up and taking them on.
 * Not here: which sets a command gets (lib/plan_credentials.c).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <conjoin/error.h>

struct capability_sets {
	uint64_t inheritable, permitted, effective, bounding, ambient;
};

#define CAPABILITY(number) (UINT64_C(1) << (number))

/* All that the running kernel knows. */
uint64_t capabilities_all(void);

/*
 * Reads "NET_ADMIN,cap_sys_ptrace,all": in either case, with or without "cap_".
 *
 *	EINVAL	the text of the error names the word that is none
 */
int capabilities_parse(const char *text, uint64_t *ret, struct cj_error *err);

/* "CAP_SYS_ADMIN"; "CAP_63" for one without a name. */
void capability_name(int number, char *buf, size_t size);

/* "cap_chown,cap_kill", "none" or "all"; cut where it doesn't fit. */
void capabilities_format(uint64_t set, char *buf, size_t size);

/* The calling thread's. */
int capabilities_read_own(struct capability_sets *ret);

/*
 * Would the calling thread have its permitted set again after an execve of a plain program? Root gets it
 * from the bounding set, others keep what is ambient. capabilities(7), "Transformation"
 */
bool capabilities_survive_execve(uid_t euid, const struct capability_sets *sets);

/* Changing the calling thread's, from here on async-signal-safe: capabilities(7), capset(2), prctl(2). */
int capabilities_set(uint64_t inheritable, uint64_t permitted, uint64_t effective);
/* Takes away from the bounding set what isn't in `keep`. Needs CAP_SETPCAP if anything is. */
int capabilities_bound(uint64_t keep);
/* Makes the ambient set exactly `set`. What is raised has to be permitted and inheritable. */
int capabilities_ambient(uint64_t set);
