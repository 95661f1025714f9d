/* SPDX-License-Identifier: MIT
 *
 * Profiles: what the filter that comes out of one does to calls. The interpreter tells; that it
 * agrees with the kernel is test-seccomp.c's business.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "lib/seccomp_profile.h"
#include "lib/seccomp_program.h"
#include "sys/capabilities.h"

#define DATA "tests/unit/data/seccomp/"
#define X32 0x40000000
#define ERRNO(number) (SECCOMP_RET_ERRNO | (number))

static int build_with(const char *json, uint64_t capabilities, const char *kernel,
		      struct seccomp_profile *ret, struct cj_error *err)
{
	const struct seccomp_profile_request request = {.json = json,
							.size = strlen(json),
							.capabilities = capabilities,
							.kernel = kernel};

	return seccomp_profile_build(&request, ret, err);
}

static void build(const char *json, struct seccomp_profile *ret)
{
	struct cj_error err = CJ_ERROR_INIT;
	int r = build_with(json, 0, "6.1.0-13-amd64", ret, &err);

	if (r < 0)
		fail_msg("%s", err.text);
	assert_int_equal(ret->programs.count, 1);
	assert_int_equal(seccomp_program_check(&ret->programs.list[0]), 0);
}

static void build_file(const char *path, uint64_t capabilities, struct seccomp_profile *ret)
{
	_cleanup_(bytes_done) struct bytes text = BYTES_INIT;
	_cleanup_fd_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct cj_error err = CJ_ERROR_INIT;

	assert_true(fd >= 0);
	assert_int_equal(io_read_all(fd, 1 << 20, &text), 0);
	if (build_with(text.data, capabilities, "6.1.0", ret, &err) < 0)
		fail_msg("%s: %s", path, err.text);
}

static uint32_t act(const struct seccomp_profile *profile, const struct seccomp_data *data)
{
	uint32_t action;

	assert_int_equal(seccomp_programs_run(&profile->programs, data, &action), 0);
	return action;
}

static uint32_t act_on(const struct seccomp_profile *profile, uint32_t arch, int nr)
{
	return act(profile, &(struct seccomp_data){.arch = arch, .nr = nr});
}

/* On the native architecture, with two arguments. */
static uint32_t act_with(const struct seccomp_profile *profile, const char *name, uint64_t a,
			 uint64_t b)
{
	return act(profile, &(struct seccomp_data){.arch = seccomp_arch_native(),
						   .nr = seccomp_syscall_resolve_name(name),
						   .args = {a, b}});
}

static void expect_error(const char *json, int code, const char *text)
{
	struct seccomp_profile profile = SECCOMP_PROFILE_INIT;
	struct cj_error err = CJ_ERROR_INIT;

	assert_int_equal(build_with(json, 0, NULL, &profile, &err), -code);
	assert_int_equal(err.code, code);
	if (!strstr(err.text, text))
		fail_msg("\"%s\" isn't in \"%s\"", text, err.text);
	assert_null(profile.programs.list);
	assert_null(profile.unknown);
}

/* Calls, each with arguments at which the profiles below branch. */
static void expect_same_actions(const struct seccomp_profile *a, const struct seccomp_profile *b)
{
	static const uint32_t archs[] = {AUDIT_ARCH_X86_64, AUDIT_ARCH_I386, AUDIT_ARCH_AARCH64};
	static const uint64_t values[] = {0, 8, 40, 131080, 0xffffffff, 0x7e020000, UINT64_MAX};

	for (size_t i = 0; i < ELEMENTS(archs); i++)
		for (int nr = -1; nr < 700; nr++)
			for (size_t j = 0; j < 2 * ELEMENTS(values); j++) {
				uint64_t value = values[j / 2];
				struct seccomp_data data = {.nr = j % 2 ? nr | X32 : nr,
							    .arch = archs[i],
							    .args = {value, value, value}};

				if (act(a, &data) != act(b, &data))
					fail_msg("call %d of %x", data.nr, data.arch);
			}
}

static void the_three_forms_of_one_profile_give_the_same_filter(void **state)
{
	(void)state;
	_cleanup_(seccomp_profile_done) struct seccomp_profile oci = SECCOMP_PROFILE_INIT;
	_cleanup_(seccomp_profile_done) struct seccomp_profile config = SECCOMP_PROFILE_INIT;
	_cleanup_(seccomp_profile_done) struct seccomp_profile docker = SECCOMP_PROFILE_INIT;

	build_file(DATA "oci.json", 0, &oci);
	build_file(DATA "config.json", 0, &config);
	build_file(DATA "docker-like.json", CAPABILITY(CAP_CHOWN) | CAPABILITY(CAP_SYS_CHROOT),
		   &docker);
	expect_same_actions(&oci, &config);
	expect_same_actions(&oci, &docker);
}

static void a_docker_profile_follows_capabilities_architecture_and_kernel(void **state)
{
	(void)state;
	static const char json[] =
		"{'defaultAction':'SCMP_ACT_ERRNO','archMap':[],'syscalls':["
		"{'name':'mount','action':'SCMP_ACT_ALLOW','includes':{'caps':['CAP_SYS_ADMIN']}},"
		"{'names':['umount2'],'action':'SCMP_ACT_ALLOW','excludes':{'caps':['CAP_SYS_ADMIN']}},"
		"{'names':['read'],'action':'SCMP_ACT_ALLOW','includes':{'arches':['arm','amd64']}},"
		"{'names':['write'],'action':'SCMP_ACT_ALLOW','excludes':{'arches':['amd64']}},"
		"{'names':['ptrace'],'action':'SCMP_ACT_ALLOW','includes':{'minKernel':'4.8'}},"
		"{'names':['chroot'],'action':'SCMP_ACT_ALLOW','includes':{'caps':['CAP_NEVER']}},"
		"{'names':['futex_waitv'],'action':'SCMP_ACT_ALLOW'}]}";
	char text[sizeof(json)];

	if (seccomp_arch_native() != SCMP_ARCH_X86_64)
		skip();
	for (size_t i = 0; i < sizeof(json); i++)
		text[i] = json[i] == '\'' ? '"' : json[i];
	for (int i = 0; i < 4; i++) {
		_cleanup_(seccomp_profile_done) struct seccomp_profile made = SECCOMP_PROFILE_INIT;
		uint64_t capabilities = i & 1 ? CAPABILITY(CAP_SYS_ADMIN) : 0;
		const char *kernel = i & 2 ? "4.7.99-generic" : "4.10.1";

		assert_int_equal(build_with(text, capabilities, kernel, &made, NULL), 0);
		assert_int_equal(act_with(&made, "mount", 0, 0),
				 i & 1 ? SECCOMP_RET_ALLOW : ERRNO(EPERM));
		assert_int_equal(act_with(&made, "umount2", 0, 0),
				 i & 1 ? ERRNO(EPERM) : SECCOMP_RET_ALLOW);
		assert_int_equal(act_with(&made, "read", 0, 0), SECCOMP_RET_ALLOW);
		assert_int_equal(act_with(&made, "write", 0, 0), ERRNO(EPERM));
		assert_int_equal(act_with(&made, "ptrace", 0, 0),
				 i & 2 ? ERRNO(EPERM) : SECCOMP_RET_ALLOW);
		assert_int_equal(act_with(&made, "chroot", 0, 0), ERRNO(EPERM));
	}
}

static void calls_newer_than_the_profile_get_enosys_on_each_of_its_architectures(void **state)
{
	(void)state;
	_cleanup_(seccomp_profile_done) struct seccomp_profile made = SECCOMP_PROFILE_INIT;

	/* fchownat: 260 on x86_64, 298 on i386; accept4 only in the socketcall of old i386 */
	build("{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"architectures\":[\"SCMP_ARCH_X86_64\","
	      "\"SCMP_ARCH_X86\",\"SCMP_ARCH_X32\"],\"syscalls\":[{\"names\":[\"read\",\"fchownat\"],"
	      "\"action\":\"SCMP_ACT_ALLOW\"}]}",
	      &made);
	if (seccomp_arch_native() != SCMP_ARCH_X86_64)
		skip();
	assert_int_equal(act_on(&made, AUDIT_ARCH_X86_64, 260), SECCOMP_RET_ALLOW);
	assert_int_equal(act_on(&made, AUDIT_ARCH_X86_64, 259), ERRNO(EPERM));
	assert_int_equal(act_on(&made, AUDIT_ARCH_X86_64, 261), ERRNO(ENOSYS));
	assert_int_equal(act_on(&made, AUDIT_ARCH_X86_64, -1), ERRNO(ENOSYS) /* bit 30 is set */);
	assert_int_equal(act_on(&made, AUDIT_ARCH_X86_64, X32 | 260), SECCOMP_RET_ALLOW);
	assert_int_equal(act_on(&made, AUDIT_ARCH_X86_64, X32 | 259), ERRNO(EPERM));
	assert_int_equal(act_on(&made, AUDIT_ARCH_X86_64, X32 | 261), ERRNO(ENOSYS));
	assert_int_equal(act_on(&made, AUDIT_ARCH_I386, 298), SECCOMP_RET_ALLOW);
	assert_int_equal(act_on(&made, AUDIT_ARCH_I386, 297), ERRNO(EPERM));
	assert_int_equal(act_on(&made, AUDIT_ARCH_I386, 299), ERRNO(ENOSYS));
	assert_int_equal(act_on(&made, AUDIT_ARCH_AARCH64, 999), SECCOMP_RET_KILL_THREAD);
}

static void an_architecture_that_is_not_listed_is_killed_and_ours_is_always_there(void **state)
{
	(void)state;
	_cleanup_(seccomp_profile_done) struct seccomp_profile made = SECCOMP_PROFILE_INIT;

	build("{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"syscalls\":[{\"names\":[\"read\",\"fchownat\"],"
	      "\"action\":\"SCMP_ACT_ALLOW\"}]}",
	      &made);
	assert_int_equal(act_with(&made, "read", 0, 0), SECCOMP_RET_ALLOW);
	if (seccomp_arch_native() != SCMP_ARCH_X86_64)
		skip();
	assert_int_equal(act_on(&made, AUDIT_ARCH_X86_64, 261), ERRNO(ENOSYS));
	assert_int_equal(act_on(&made, AUDIT_ARCH_X86_64, X32 | 0), SECCOMP_RET_KILL_THREAD);
	assert_int_equal(act_on(&made, AUDIT_ARCH_X86_64, X32 | 999), SECCOMP_RET_KILL_THREAD);
	assert_int_equal(act_on(&made, AUDIT_ARCH_I386, 3), SECCOMP_RET_KILL_THREAD);
}

static void new_calls_get_the_default_action_where_that_is_answer_enough(void **state)
{
	(void)state;
	static const struct {
		const char *action;
		const char *more;
		uint32_t expected;
	} cases[] = {
		{"SCMP_ACT_ALLOW", "", SECCOMP_RET_ALLOW},
		{"SCMP_ACT_LOG", "", SECCOMP_RET_LOG},
		{"SCMP_ACT_TRACE", "", SECCOMP_RET_TRACE | EPERM},
		{"SCMP_ACT_ERRNO", ",\"defaultErrnoRet\":38", ERRNO(ENOSYS)},
		{"SCMP_ACT_ERRNO", ",\"defaultErrno\":\"ENOSYS\",\"defaultErrnoRet\":1",
		 ERRNO(ENOSYS)},
		{"SCMP_ACT_KILL", "", ERRNO(ENOSYS)},
		{"SCMP_ACT_KILL_PROCESS", "", ERRNO(ENOSYS)},
		{"SCMP_ACT_TRAP", "", ERRNO(ENOSYS)},
	};

	/* libseccomp asks the kernel for these; valgrind doesn't let it */
	if (seccomp_api_get() < 3)
		skip();
	for (size_t i = 0; i < ELEMENTS(cases); i++) {
		_cleanup_(seccomp_profile_done) struct seccomp_profile made = SECCOMP_PROFILE_INIT;
		char json[512];

		(void)snprintf(json, sizeof(json),
			       "{\"defaultAction\":\"%s\"%s,\"syscalls\":[{\"names\":[\"write\"],"
			       "\"action\":\"SCMP_ACT_ERRNO\",\"errnoRet\":5}]}",
			       cases[i].action, cases[i].more);
		build(json, &made);
		assert_int_equal(act_on(&made, seccomp_arch_native(), 999), cases[i].expected);
		assert_int_equal(act_with(&made, "write", 0, 0), ERRNO(5));
	}
}

static void names_that_nobody_knows_are_skipped_and_told_once(void **state)
{
	(void)state;
	_cleanup_(seccomp_profile_done) struct seccomp_profile made = SECCOMP_PROFILE_INIT;

	build("{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"architectures\":[\"SCMP_ARCH_FUTURE\"],"
	      "\"syscalls\":[{\"names\":[\"read\",\"warp\",\"warp\",\"beam\"],\"action\":"
	      "\"SCMP_ACT_ALLOW\"},{\"names\":[\"warp\"],\"action\":\"SCMP_ACT_LOG\"}]}",
	      &made);
	assert_int_equal(made.n_unknown, 3);
	assert_string_equal(made.unknown[0], "SCMP_ARCH_FUTURE");
	assert_string_equal(made.unknown[1], "warp");
	assert_string_equal(made.unknown[2], "beam");
	assert_int_equal(act_with(&made, "read", 0, 0), SECCOMP_RET_ALLOW);
}

static void conditions_are_anded_unless_two_are_on_one_argument(void **state)
{
	(void)state;
	_cleanup_(seccomp_profile_done) struct seccomp_profile made = SECCOMP_PROFILE_INIT;

	build("{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"syscalls\":["
	      "{\"names\":[\"setpriority\"],\"action\":\"SCMP_ACT_ALLOW\",\"args\":["
	      "{\"index\":0,\"value\":1,\"op\":\"SCMP_CMP_EQ\"},"
	      "{\"index\":1,\"value\":7,\"op\":\"SCMP_CMP_GE\"}]},"
	      "{\"names\":[\"personality\"],\"action\":\"SCMP_ACT_ALLOW\",\"args\":["
	      "{\"index\":0,\"value\":0,\"op\":\"SCMP_CMP_EQ\"},"
	      "{\"index\":0,\"value\":18446744073709551615,\"op\":\"SCMP_CMP_EQ\"}]},"
	      "{\"names\":[\"unshare\"],\"action\":\"SCMP_ACT_ALLOW\",\"args\":["
	      "{\"index\":0,\"value\":240,\"valueTwo\":16,\"op\":\"SCMP_CMP_MASKED_EQ\"}]},"
	      "{\"names\":[\"close\"],\"action\":\"SCMP_ACT_ALLOW\"},"
	      "{\"names\":[\"close\"],\"action\":\"SCMP_ACT_ALLOW\"}]}",
	      &made);
	assert_int_equal(act_with(&made, "setpriority", 1, 7), SECCOMP_RET_ALLOW);
	assert_int_equal(act_with(&made, "setpriority", 1, 6), ERRNO(EPERM));
	assert_int_equal(act_with(&made, "setpriority", 0, 7), ERRNO(EPERM));
	assert_int_equal(act_with(&made, "personality", 0, 0), SECCOMP_RET_ALLOW);
	assert_int_equal(act_with(&made, "personality", UINT64_MAX, 0), SECCOMP_RET_ALLOW);
	assert_int_equal(act_with(&made, "personality", UINT32_MAX, 0), ERRNO(EPERM));
	assert_int_equal(act_with(&made, "unshare", 0x1f, 0), SECCOMP_RET_ALLOW);
	assert_int_equal(act_with(&made, "unshare", 0x2f, 0), ERRNO(EPERM));
	assert_int_equal(act_with(&made, "close", 0, 0), SECCOMP_RET_ALLOW);
}

static void a_rule_that_repeats_the_default_is_no_error(void **state)
{
	(void)state;
	_cleanup_(seccomp_profile_done) struct seccomp_profile made = SECCOMP_PROFILE_INIT;

	build("{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"defaultErrnoRet\":1,\"syscalls\":["
	      "{\"names\":[\"read\"],\"action\":\"SCMP_ACT_ERRNO\"},"
	      "{\"names\":[\"write\"],\"action\":\"SCMP_ACT_ERRNO\",\"errno\":\"EINVAL\"},"
	      "{\"names\":[\"close\"],\"action\":\"SCMP_ACT_ERRNO\",\"errnoRet\":9}]}",
	      &made);
	assert_int_equal(act_with(&made, "read", 0, 0), ERRNO(EPERM));
	assert_int_equal(act_with(&made, "write", 0, 0), ERRNO(EINVAL));
	assert_int_equal(act_with(&made, "close", 0, 0), ERRNO(9));
}

static void flags_are_passed_on_and_default_to_what_runc_sets(void **state)
{
	(void)state;
	static const struct {
		const char *json;
		unsigned int flags;
	} cases[] = {
		{"{\"defaultAction\":\"SCMP_ACT_ALLOW\"}", SECCOMP_FILTER_FLAG_SPEC_ALLOW},
		{"{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"flags\":[]}", 0},
		{"{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"flags\":[\"SECCOMP_FILTER_FLAG_TSYNC\","
		 "\"SECCOMP_FILTER_FLAG_LOG\",\"SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV\"]}",
		 SECCOMP_FILTER_FLAG_LOG | SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV},
	};

	for (size_t i = 0; i < ELEMENTS(cases); i++) {
		_cleanup_(seccomp_profile_done) struct seccomp_profile made = SECCOMP_PROFILE_INIT;

		build(cases[i].json, &made);
		assert_int_equal(made.programs.list[0].flags, cases[i].flags);
	}
}

static void a_filter_that_wants_a_listener_is_refused_by_name(void **state)
{
	(void)state;
	expect_error("{\"defaultAction\":\"SCMP_ACT_NOTIFY\"}", EOPNOTSUPP, "wants a listener");
	expect_error("{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"listenerPath\":\"/run/agent\"}",
		     EOPNOTSUPP, "wants a listener");
	expect_error("{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":[{\"names\":[\"mount\"],"
		     "\"action\":\"SCMP_ACT_NOTIFY\"}]}",
		     EOPNOTSUPP, "wants a listener");
}

static void a_config_without_seccomp_is_told_apart_from_a_bad_one(void **state)
{
	(void)state;
	expect_error("{\"ociVersion\":\"1.0.2\",\"process\":{},\"linux\":{}}", ENODATA,
		     "linux.seccomp");
	expect_error("{\"ociVersion\":\"1.0.2\",\"process\":{}}", ENODATA, "linux.seccomp");
	expect_error("{\"linux\":{\"seccomp\":null}}", ENODATA, "linux.seccomp");
	expect_error("{\"linux\":{\"seccomp\":[]}}", EINVAL, "not an object");
}

#define RULE(rest) "{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"syscalls\":[{" rest "}]}"
#define READ "\"names\":[\"read\"],\"action\":\"SCMP_ACT_ALLOW\""

static void what_is_no_profile_is_refused_with_a_reason(void **state)
{
	(void)state;
	static const char *const bad[] = {
		"",
		"{",
		"[]",
		"12",
		"{}",
		"{\"defaultAction\":1}",
		"{\"defaultAction\":\"ALLOW\"}",
		"{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"defaultErrnoRet\":\"EPERM\"}",
		"{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"defaultErrnoRet\":65536}",
		"{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"defaultErrno\":\"ENONSENSE\"}",
		"{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"flags\":[\"X\"]}",
		"{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"flags\":[1]}",
		"{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"flags\":1}",
		"{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"architectures\":{}}",
		"{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"architectures\":[1]}",
		"{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":{}}",
		"{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":[1]}",
		RULE(""),
		RULE("\"names\":[\"read\"]"),
		RULE("\"action\":\"SCMP_ACT_ALLOW\""),
		RULE("\"names\":[1],\"action\":\"SCMP_ACT_ALLOW\""),
		RULE("\"names\":[\"read\"],\"action\":\"X\""),
		RULE("\"name\":\"write\"," READ),
		RULE(READ ",\"errnoRet\":\"1\""),
		RULE(READ ",\"args\":{}"),
		RULE(READ ",\"args\":[{}]"),
		RULE(READ ",\"args\":[{\"index\":6,\"value\":0,\"op\":\"SCMP_CMP_EQ\"}]"),
		RULE(READ ",\"args\":[{\"index\":-1,\"value\":0,\"op\":\"SCMP_CMP_EQ\"}]"),
		RULE(READ ",\"args\":[{\"index\":0,\"value\":0,\"op\":\"EQ\"}]"),
		RULE(READ ",\"args\":[{\"index\":0,\"value\":0.5,\"op\":\"SCMP_CMP_EQ\"}]"),
		RULE(READ
		     ",\"args\":[{\"index\":0,\"value\":18446744073709551616,\"op\":\"SCMP_CMP_EQ\"}]"),
		RULE(READ ",\"includes\":{\"caps\":\"CAP_KILL\"}"),
		RULE(READ ",\"includes\":{\"arches\":[1]}"),
		RULE(READ ",\"includes\":{\"minKernel\":\"new\"}"),
	};

	for (size_t i = 0; i < ELEMENTS(bad); i++)
		expect_error(bad[i], EINVAL, "");
	expect_error(RULE(READ ",\"args\":[{}]"), EINVAL, "rule 0");
}

static void hostile_sizes_and_depths_are_refused(void **state)
{
	(void)state;
	size_t size = SECCOMP_PROFILE_MAX + 1;
	_cleanup_free_ char *big = malloc(size + 1);

	assert_non_null(big);
	memset(big, ' ', size);
	big[size] = '\0';
	expect_error(big, EFBIG, "");
	memset(big, '[', size);
	big[size - 1] = '\0';
	expect_error(big, EINVAL, "");
	/* what is inside a string isn't a number, escaped quotes and all */
	expect_error("{\"a\\\"\":\"18446744073709551615\\\\\",\"b\":18446744073709551615}", EINVAL,
		     "defaultAction");
}

static void a_filter_that_is_too_long_for_the_kernel_is_refused(void **state)
{
	(void)state;
	static const char rule[] =
		"{\"names\":[\"socket\"],\"action\":\"SCMP_ACT_ALLOW\",\"args\":["
		"{\"index\":0,\"value\":%d,\"op\":\"SCMP_CMP_EQ\"}]},";
	size_t room = 512 * 1024, used;
	_cleanup_free_ char *json = malloc(room);

	assert_non_null(json);
	used = (size_t)snprintf(json, room, "{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"syscalls\":[");
	for (int i = 0; i < 4200; i++)
		used += (size_t)snprintf(json + used, room - used, rule, i);
	(void)snprintf(json + used - 1, room - used, "]}");
	expect_error(json, E2BIG, "4096");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_three_forms_of_one_profile_give_the_same_filter),
		cmocka_unit_test(a_docker_profile_follows_capabilities_architecture_and_kernel),
		cmocka_unit_test(
			calls_newer_than_the_profile_get_enosys_on_each_of_its_architectures),
		cmocka_unit_test(
			an_architecture_that_is_not_listed_is_killed_and_ours_is_always_there),
		cmocka_unit_test(new_calls_get_the_default_action_where_that_is_answer_enough),
		cmocka_unit_test(names_that_nobody_knows_are_skipped_and_told_once),
		cmocka_unit_test(conditions_are_anded_unless_two_are_on_one_argument),
		cmocka_unit_test(a_rule_that_repeats_the_default_is_no_error),
		cmocka_unit_test(flags_are_passed_on_and_default_to_what_runc_sets),
		cmocka_unit_test(a_filter_that_wants_a_listener_is_refused_by_name),
		cmocka_unit_test(a_config_without_seccomp_is_told_apart_from_a_bad_one),
		cmocka_unit_test(what_is_no_profile_is_refused_with_a_reason),
		cmocka_unit_test(hostile_sizes_and_depths_are_refused),
		cmocka_unit_test(a_filter_that_is_too_long_for_the_kernel_is_refused),
	};

	return cmocka_run_group_tests_name("seccomp profile", tests, NULL, NULL);
}
