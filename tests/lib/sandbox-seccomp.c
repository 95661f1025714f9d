/* SPDX-License-Identifier: MIT
 *
 * The test container's system call filter: allowed by default, with a list of refusals.
 * Not here: when it is loaded (sandbox-identity.c).
 */
#include "sandbox.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include <seccomp.h>

/*
 * What Docker's default profile refuses a container without further capabilities. Docker lists
 * what is allowed instead; this way round is shorter, and as good for a test.
 */
static const char docker_denies[] =
	"acct,add_key,bpf,clock_adjtime,clock_settime,create_module,"
	"delete_module,finit_module,fsconfig,fsmount,fsopen,fspick,get_mempolicy,"
	"init_module,ioperm,iopl,kcmp,kexec_file_load,kexec_load,keyctl,"
	"lookup_dcookie,mbind,mount,mount_setattr,move_mount,move_pages,"
	"name_to_handle_at,nfsservctl,open_by_handle_at,open_tree,perf_event_open,"
	"pivot_root,process_madvise,quotactl,quotactl_fd,reboot,request_key,"
	"set_mempolicy,setdomainname,sethostname,setns,settimeofday,stime,"
	"swapoff,swapon,syslog,umount,umount2,unshare,userfaultfd,vhangup";

static int deny(scmp_filter_ctx filter, uint32_t action, const char *name, struct failure *why)
{
	int number = seccomp_syscall_resolve_name(name), r;

	if (number == __NR_SCMP_ERROR)
		return fail(why, EINVAL, "seccomp: unknown system call %s", name);
	r = seccomp_rule_add(filter, action, number, 0);
	return r < 0 && r != -EDOM ? fail(why, -r, "seccomp: rule for %s", name) : 0;
}

static int deny_list(scmp_filter_ctx filter, uint32_t action, const char *list, struct failure *why)
{
	while (*list) {
		char name[64];
		size_t n = strcspn(list, ",");
		int r;

		if (n >= sizeof(name))
			return fail(why, EINVAL, "seccomp: bad name in %s", list);
		memcpy(name, list, n);
		name[n] = '\0';
		r = deny(filter, action, name, why);
		if (r < 0)
			return r;
		list += n + (list[n] == ',');
	}
	return 0;
}

static int deny_like_docker(scmp_filter_ctx filter, struct failure *why)
{
	static const int new_namespaces[] = {
		CLONE_NEWNS,  CLONE_NEWUTS,  CLONE_NEWIPC,    CLONE_NEWPID,
		CLONE_NEWNET, CLONE_NEWUSER, CLONE_NEWCGROUP,
	};
	int r;

	r = deny_list(filter, SCMP_ACT_ERRNO(EPERM), docker_denies, why);
	if (r < 0)
		return r;
	for (size_t i = 0; i < ELEMENTS(new_namespaces); i++) {
		scmp_datum_t flag = (scmp_datum_t)new_namespaces[i];

		r = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(clone), 1,
				     SCMP_A0(SCMP_CMP_MASKED_EQ, flag, flag));
		if (r < 0)
			return fail(why, -r, "seccomp: rule for clone");
	}
	/* its flags are behind a pointer, so it doesn't exist: libc falls back on clone */
	return deny(filter, SCMP_ACT_ERRNO(ENOSYS), "clone3", why);
}

static int add_rule(scmp_filter_ctx filter, const char *rule, struct failure *why)
{
	if (strcmp(rule, "docker-like") == 0)
		return deny_like_docker(filter, why);
	if (strncmp(rule, "deny:", 5) == 0)
		return deny_list(filter, SCMP_ACT_ERRNO(EPERM), rule + 5, why);
	if (strncmp(rule, "kill:", 5) == 0)
		return deny_list(filter, SCMP_ACT_KILL_PROCESS, rule + 5, why);
	return fail(why, EINVAL, "seccomp: unknown rule %s", rule);
}

/* Docker's profile covers the machine's 32 bit and x32 calls too; else they'd be a way round it. */
static void add_sister_architectures(scmp_filter_ctx filter)
{
	if (seccomp_arch_native() != SCMP_ARCH_X86_64)
		return;
	(void)seccomp_arch_add(filter, SCMP_ARCH_X86);
	(void)seccomp_arch_add(filter, SCMP_ARCH_X32);
}

static void release(scmp_filter_ctx *filter)
{
	if (*filter)
		seccomp_release(*filter);
}

/*
 * Loads the filter. Without no_new_privs the kernel wants CAP_SYS_ADMIN for this (seccomp(2)), so
 * the caller still has it; libseccomp would set no_new_privs by itself, which Docker doesn't.
 */
int seccomp_apply(const struct sandbox *box, struct failure *why)
{
	_cleanup_(release) scmp_filter_ctx filter = NULL;
	int r;

	if (box->n_seccomp == 0)
		return 0;
	filter = seccomp_init(SCMP_ACT_ALLOW);
	if (!filter)
		return fail(why, ENOMEM, "seccomp: make filter");
	add_sister_architectures(filter);
	(void)seccomp_attr_set(filter, SCMP_FLTATR_CTL_NNP, 0);
	for (size_t i = 0; i < box->n_seccomp; i++) {
		r = add_rule(filter, box->seccomp[i], why);
		if (r < 0)
			return r;
	}
	r = seccomp_load(filter);
	return r < 0 ? fail(why, -r, "seccomp: load filter") : 0;
}
