/* SPDX-License-Identifier: MIT
 *
 * The interpreter against the kernel, loading, and copying from a live process.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "lib/seccomp_program.h"
#include "sys/seccomp.h"

#define LOAD(field) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define RET(action) BPF_STMT(BPF_RET | BPF_K, action)
#define NO_CALL 4000 /* no kernel has it */
#define PROGRAM(array) ((struct seccomp_program){.insns = (array), .count = ELEMENTS(array)})

/* valgrind makes system calls of its own in our process: a filter would hit it. */
static bool under_valgrind(void)
{
	const char *preload = getenv("LD_PRELOAD");

	return preload && strstr(preload, "vgpreload");
}

/* Copying wants CAP_SYS_ADMIN and a reader that has no filter itself. */
static bool may_copy(void)
{
	return geteuid() == 0 && !under_valgrind() && prctl(PR_GET_SECCOMP) == 0 &&
	       prctl(PR_CAPBSET_READ, 21 /* CAP_SYS_ADMIN */) == 1;
}

static uint32_t random_state = 1;

static uint32_t random_u32(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 17;
	random_state ^= random_state << 5;
	return random_state;
}

static uint32_t random_below(uint32_t limit)
{
	return random_u32() % limit;
}

/* Likely values, so that programs branch; sometimes any. */
static uint32_t random_operand(void)
{
	static const uint32_t values[] = {0,  1,   2,	       7,	   31,
					  32, 255, 0x7fffffff, 0x80000000, 0xffffffff};

	return random_below(4) ? values[random_below(ELEMENTS(values))] : random_u32();
}

/* A word of BPF, most of the time one that seccomp takes in this place. */
static struct sock_filter random_insn(unsigned int left)
{
	static const uint16_t ops[] = {BPF_ADD, BPF_SUB, BPF_MUL, BPF_DIV, BPF_AND, BPF_OR,
				       BPF_XOR, BPF_LSH, BPF_RSH, BPF_NEG, BPF_MOD};
	static const uint16_t jumps[] = {BPF_JEQ, BPF_JGT, BPF_JGE, BPF_JSET};
	static const uint16_t moves[] = {BPF_LD | BPF_IMM,	   BPF_LDX | BPF_IMM,
					 BPF_LD | BPF_W | BPF_LEN, BPF_LDX | BPF_W | BPF_LEN,
					 BPF_MISC | BPF_TAX,	   BPF_MISC | BPF_TXA};
	static const uint16_t memory[] = {BPF_LD | BPF_MEM, BPF_LDX | BPF_MEM, BPF_ST, BPF_STX};
	uint16_t source = random_below(2) ? BPF_X : BPF_K;
	unsigned char jt = (unsigned char)random_below(left + !random_below(40));
	unsigned char jf = (unsigned char)random_below(left + !random_below(40));

	switch (random_below(20)) {
	case 0 ... 5:
		return (struct sock_filter){
			.code = BPF_ALU | ops[random_below(10 + !random_below(20))] | source,
			.k = random_operand()};
	case 6 ... 9:
		return (struct sock_filter)BPF_JUMP(BPF_JMP | jumps[random_below(4)] | source,
						    random_operand(), jt, jf);
	case 10 ... 12:
		return (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
						    4 * random_below(16 + !random_below(40)));
	case 13 ... 15:
		return (struct sock_filter)BPF_STMT(memory[random_below(3) + random_below(2)],
						    random_below(random_below(20) ? 2 : 20));
	case 16 ... 18:
		return (struct sock_filter)BPF_STMT(moves[random_below(6)], random_operand());
	default:
		return (struct sock_filter)BPF_STMT(
			(uint16_t)random_below(random_below(10) ? 8 : 0x200), random_operand());
	}
}

/*
 * Ends with the answer "errno: what the accumulator holds, 8 bits", so that the kernel's result can
 * be seen by whoever makes a call.
 */
static struct seccomp_program random_program(struct sock_filter insns[64])
{
	unsigned int body = 2 + random_below(20), n = 0;

	while (n < body) {
		insns[n] = random_insn(body - n + 1);
		n++;
	}
	insns[n++] = (struct sock_filter)BPF_STMT(BPF_ALU | BPF_AND | BPF_K, 0xff);
	insns[n++] = (struct sock_filter)BPF_STMT(BPF_ALU | BPF_OR | BPF_K, SECCOMP_RET_ERRNO);
	insns[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_A, 0);
	return (struct seccomp_program){.insns = insns, .count = (unsigned short)n};
}

struct outcome {
	int load;      /* what the kernel said to the program */
	bool returned; /* the call did, so it wasn't killed */
	long answer;
};

/* In a child, since it's for good. It can't even exit: every call gets the program's answer. */
static void try_in_kernel(const struct seccomp_program *program, const __u64 args[6],
			  struct outcome *shared)
{
	pid_t pid;
	int status;

	*shared = (struct outcome){.load = -ENODATA};
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		const struct rlimit no_core = {0, 0};

		(void)signal(SIGILL, SIG_DFL); /* cmocka would run the other tests in here */
		(void)signal(SIGSYS, SIG_DFL);
		(void)setrlimit(RLIMIT_CORE, &no_core);
		(void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
		shared->load = seccomp_install(program->insns, program->count, 0);
		if (shared->load == 0) {
			long r = syscall(NO_CALL, args[0], args[1], args[2], args[3], args[4],
					 args[5]);

			shared->answer = r < 0 ? errno : r;
			shared->returned = true;
		}
		for (;;)
			__builtin_trap();
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
}

static void the_interpreter_agrees_with_the_kernel_on_random_programs(void **state)
{
	(void)state;
	struct outcome *shared;
	int taken = 0, refused = 0, killed = 0;

	if (under_valgrind())
		skip();
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		      0);
	assert_true(shared != MAP_FAILED);
	for (int i = 0; i < 2000; i++) {
		struct sock_filter insns[64];
		struct seccomp_program program = random_program(insns);
		struct seccomp_data data = {.nr = NO_CALL, .arch = seccomp_arch_native()};
		uint32_t seed = random_state, action = 0;
		int r;

		for (int j = 0; j < 6; j++)
			data.args[j] = (uint64_t)random_operand() << 32 | random_operand();
		try_in_kernel(&program, data.args, shared);
		r = seccomp_program_run(&program, &data, &action);
		if ((r == 0) != (shared->load == 0))
			fail_msg("seed %u: %d, the kernel says %d", seed, r, shared->load);
		if (r < 0) {
			refused++;
			continue;
		}
		taken++;
		/* A program that reads the instruction pointer: we have none to compare with. */
		for (int j = 0; j < program.count; j++)
			if (insns[j].code == (BPF_LD | BPF_W | BPF_ABS) &&
			    (insns[j].k == 8 || insns[j].k == 12))
				r = 1;
		if (r == 1)
			continue;
		killed += action == 0;
		if ((action & SECCOMP_RET_ACTION_FULL) == SECCOMP_RET_ERRNO) {
			assert_true(shared->returned);
			assert_int_equal(shared->answer, action & SECCOMP_RET_DATA);
		} else if (action == SECCOMP_RET_KILL_THREAD) {
			assert_false(shared->returned);
		}
	}
	(void)munmap(shared, sizeof(*shared));
	print_message("%d taken, %d refused, %d that divide by zero\n", taken, refused, killed);
	assert_true(taken > 300 && refused > 100 && killed > 0);
}

static void what_the_kernel_would_not_take_is_refused(void **state)
{
	(void)state;
	struct sock_filter bad[][3] = {
		{LOAD(nr), LOAD(nr), LOAD(nr)},				 /* no end */
		{BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 2), RET(0), RET(0)}, /* unaligned */
		{BPF_STMT(BPF_LD | BPF_W | BPF_ABS, sizeof(struct seccomp_data)), RET(0), RET(0)},
		{BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)SKF_AD_OFF), RET(0), RET(0)},
		{BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 0), RET(0), RET(0)},
		{BPF_STMT(BPF_LD | BPF_W | BPF_IND, 0), RET(0), RET(0)},
		{BPF_STMT(BPF_ALU | BPF_DIV | BPF_K, 0), RET(0), RET(0)},
		{BPF_STMT(BPF_ALU | BPF_MOD | BPF_K, 1), RET(0), RET(0)},
		{BPF_STMT(BPF_ALU | BPF_LSH | BPF_K, 32), RET(0), RET(0)},
		{BPF_STMT(BPF_ST, 16), RET(0), RET(0)},
		{BPF_STMT(BPF_LD | BPF_MEM, 0), RET(0), RET(0)}, /* not written */
		{BPF_STMT(BPF_JMP | BPF_JA, 2), RET(0), RET(0)},
		{BPF_STMT(BPF_JMP | BPF_JA, 0xffffffff), RET(0), RET(0)},
		{BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 2, 0), RET(0), RET(0)},
		{BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 255), RET(0), RET(0)},
	};
	const struct seccomp_program empty = SECCOMP_PROGRAM_INIT;

	for (size_t i = 0; i < ELEMENTS(bad); i++)
		assert_int_equal(seccomp_program_check(&PROGRAM(bad[i])), -EINVAL);
	assert_int_equal(seccomp_program_check(&empty), -EINVAL);
}

/* A program that returns `action` for call 1 and allows the others. */
#define FOR_CALL_1(action)                                                                         \
	{                                                                                          \
		LOAD(nr), BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 1, 0, 1), RET(action),               \
			RET(SECCOMP_RET_ALLOW)                                                     \
	}

static void among_several_programs_the_strictest_wins_and_the_newest_among_equals(void **state)
{
	(void)state;
	/* strictest first: seccomp(2) */
	static const uint32_t actions[] = {SECCOMP_RET_KILL_PROCESS, SECCOMP_RET_KILL_THREAD,
					   SECCOMP_RET_TRAP,	     SECCOMP_RET_ERRNO | 1,
					   SECCOMP_RET_USER_NOTIF,   SECCOMP_RET_TRACE,
					   SECCOMP_RET_LOG,	     SECCOMP_RET_ALLOW};
	const struct seccomp_data data = {.nr = 1};
	uint32_t action;

	for (size_t i = 0; i < ELEMENTS(actions); i++)
		for (size_t j = 0; j < ELEMENTS(actions); j++) {
			struct sock_filter old[] = FOR_CALL_1(actions[i]);
			struct sock_filter new[] = FOR_CALL_1(actions[j]);
			struct seccomp_program list[] = {PROGRAM(old), PROGRAM(new)};
			const struct seccomp_programs both = {list, 2};

			assert_int_equal(seccomp_programs_run(&both, &data, &action), 0);
			assert_int_equal(action, actions[i < j ? i : j]);
		}

	struct sock_filter old[] = FOR_CALL_1(SECCOMP_RET_ERRNO | 1);
	struct sock_filter new[] = FOR_CALL_1(SECCOMP_RET_ERRNO | 2);
	struct seccomp_program list[] = {PROGRAM(old), PROGRAM(new)};
	const struct seccomp_programs both = {list, 2}, none = SECCOMP_PROGRAMS_INIT;

	assert_int_equal(seccomp_programs_run(&both, &data, &action), 0);
	assert_int_equal(action, SECCOMP_RET_ERRNO | 2);
	assert_int_equal(seccomp_programs_run(&none, &data, &action), 0);
	assert_int_equal(action, SECCOMP_RET_ALLOW);
}

static void the_first_forbidden_call_of_a_list_is_named(void **state)
{
	(void)state;
	static const struct seccomp_call calls[] = {{.name = "zero", .nr = 0},
						    {.name = "one", .nr = 1},
						    {.name = "one again", .nr = 1}};
	struct sock_filter deny[] = FOR_CALL_1(SECCOMP_RET_ERRNO | 1),
			   log[] = FOR_CALL_1(SECCOMP_RET_LOG);
	struct seccomp_program denies = PROGRAM(deny), logs = PROGRAM(log),
			       broken = {.insns = deny, .count = 1};
	size_t index = 99;

	assert_int_equal(
		seccomp_programs_forbid(&(struct seccomp_programs){&logs, 1}, calls, 3, &index), 0);
	assert_int_equal(index, 99);
	assert_int_equal(seccomp_programs_forbid(&(struct seccomp_programs){&broken, 1}, calls, 3,
						 &index),
			 -EINVAL);
	assert_int_equal(seccomp_programs_forbid(&(struct seccomp_programs){&denies, 1}, calls, 3,
						 &index),
			 1);
	assert_string_equal(calls[index].name, "one");
}

static void a_program_that_wants_a_listener_is_recognised(void **state)
{
	(void)state;
	struct sock_filter notify[] = FOR_CALL_1(SECCOMP_RET_USER_NOTIF),
			   log[] = FOR_CALL_1(SECCOMP_RET_LOG);
	struct seccomp_program list[] = {PROGRAM(log), PROGRAM(notify)};

	assert_false(seccomp_programs_want_listener(&(struct seccomp_programs){list, 1}));
	assert_true(seccomp_programs_want_listener(&(struct seccomp_programs){list, 2}));
}

/* Live targets */

static struct sock_filter first_filter[] = FOR_CALL_1(SECCOMP_RET_ALLOW);
static struct sock_filter second_filter[] = {LOAD(args[3]), RET(SECCOMP_RET_ALLOW)};

static volatile sig_atomic_t usr1_count;

static void count_usr1(int sig)
{
	(void)sig;
	usr1_count++;
}

static void stop_for_ever(void)
{
	for (;;)
		pause();
}

/* Exits with the number of SIGUSR1 it got when SIGTERM comes. */
static void tell_count(int sig)
{
	(void)sig;
	_exit(usr1_count);
}

static void stay_in_vfork(void)
{
	if (vfork() == 0) { /* this child must not return; its parent is in state D until it ends */
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		stop_for_ever();
	}
}

/* A child with `n_filters` filters over it (second_filter has the LOG flag), which then lives on. */
static pid_t spawn_target(int n_filters, void (*live)(void), int *ret_pidfd)
{
	int ready[2];
	char byte;
	pid_t pid;

	assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		(void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
		(void)signal(SIGUSR1, count_usr1);
		(void)signal(SIGTERM, tell_count);
		if (n_filters > 0 && seccomp_install(first_filter, ELEMENTS(first_filter), 0) < 0)
			_exit(1);
		if (n_filters > 1 && seccomp_install(second_filter, ELEMENTS(second_filter),
						     SECCOMP_FILTER_FLAG_LOG) < 0)
			_exit(1);
		(void)!write(ready[1], "", 1);
		live();
		_exit(2);
	}
	assert_int_equal(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	close(ready[1]);
	*ret_pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	assert_true(*ret_pidfd >= 0);
	return pid;
}

static int end_target(pid_t pid, int sig)
{
	int status;

	assert_int_equal(kill(pid, sig), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

/* The state letter of a process; polls until it is one of `wanted`. */
static void wait_for_state(pid_t pid, const char *wanted)
{
	for (int i = 0; i < 5000; i++) {
		char path[64], buf[512], *at;
		_cleanup_file_ FILE *f = NULL;
		size_t n;

		(void)snprintf(path, sizeof(path), "/proc/%d/stat", pid);
		f = fopen(path, "re");
		assert_non_null(f);
		n = fread(buf, 1, sizeof(buf) - 1, f);
		buf[n] = '\0';
		at = strrchr(buf, ')');
		if (at && strchr(wanted, at[2]))
			return;
		(void)nanosleep(&(struct timespec){.tv_nsec = 1000000},
				NULL); /* polling, with a bound */
	}
	fail_msg("process %d never came into state %s", pid, wanted);
}

static void assert_program(const struct seccomp_program *program, const struct sock_filter *insns,
			   size_t count, unsigned int flags)
{
	assert_int_equal(program->count, count);
	assert_memory_equal(program->insns, insns, count * sizeof(*insns));
	assert_int_equal(program->flags, flags);
}

static void live_filters_are_copied_oldest_first_with_the_flag_that_the_kernel_tells(void **state)
{
	(void)state;
	_cleanup_(seccomp_programs_done) struct seccomp_programs copy = SECCOMP_PROGRAMS_INIT;
	_cleanup_fd_ int fd = -EBADF;
	struct cj_error err = CJ_ERROR_INIT;
	sigset_t chld, pending;
	pid_t pid;

	if (!may_copy())
		skip();
	pid = spawn_target(2, stop_for_ever, &fd);
	sigemptyset(&chld);
	sigaddset(&chld, SIGCHLD);
	assert_int_equal(sigprocmask(SIG_BLOCK, &chld, NULL), 0);
	if (seccomp_copy(pid, fd, &copy, &err) < 0)
		fail_msg("%s: %s", err.text, strerror(err.code));
	assert_int_equal(sigpending(&pending), 0);
	assert_false(sigismember(&pending, SIGCHLD));
	assert_int_equal(sigprocmask(SIG_UNBLOCK, &chld, NULL), 0);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), 0); /* the target, and it lives */

	assert_int_equal(copy.count, 2);
	assert_program(&copy.list[0], first_filter, ELEMENTS(first_filter), 0);
	assert_program(&copy.list[1], second_filter, ELEMENTS(second_filter),
		       SECCOMP_FILTER_FLAG_LOG);
	(void)end_target(pid, SIGKILL);
}

static void a_copied_target_loses_no_signal(void **state)
{
	(void)state;
	_cleanup_fd_ int fd = -EBADF;
	int sent = 0, status;
	pid_t pid;

	if (!may_copy())
		skip();
	pid = spawn_target(1, stop_for_ever, &fd);
	for (int i = 0; i < 100; i++) {
		_cleanup_(seccomp_programs_done) struct seccomp_programs copy =
			SECCOMP_PROGRAMS_INIT;

		assert_int_equal(kill(pid, SIGUSR1), 0);
		sent++;
		assert_int_equal(seccomp_copy(pid, fd, &copy, NULL), 0);
		wait_for_state(pid, "S"); /* it has handled it: two at once would count as one */
	}
	status = end_target(pid, SIGTERM);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), sent);
}

static void a_stopped_target_stays_stopped(void **state)
{
	(void)state;
	_cleanup_(seccomp_programs_done) struct seccomp_programs copy = SECCOMP_PROGRAMS_INIT;
	_cleanup_fd_ int fd = -EBADF;
	int status;
	pid_t pid;

	if (!may_copy())
		skip();
	pid = spawn_target(1, stop_for_ever, &fd);
	assert_int_equal(kill(pid, SIGSTOP), 0);
	wait_for_state(pid, "T");
	assert_int_equal(seccomp_copy(pid, fd, &copy, NULL), 0);
	assert_int_equal(copy.count, 1);
	wait_for_state(pid, "T");
	assert_int_equal(kill(pid, SIGCONT), 0);
	wait_for_state(pid, "S");
	status = end_target(pid, SIGTERM);
	assert_true(WIFEXITED(status));
}

static void a_target_that_cannot_be_stopped_is_let_go_of(void **state)
{
	(void)state;
	struct seccomp_programs copy = SECCOMP_PROGRAMS_INIT;
	struct cj_error err = CJ_ERROR_INIT;
	_cleanup_fd_ int fd = -EBADF;
	char path[64], buf[4096];
	_cleanup_file_ FILE *f = NULL;
	size_t n;
	pid_t pid;

	if (!may_copy())
		skip();
	pid = spawn_target(1, stay_in_vfork, &fd);
	wait_for_state(pid, "D");
	assert_int_equal(seccomp_copy(pid, fd, &copy, &err), -ETIMEDOUT);
	assert_string_not_equal(err.hint, "");
	assert_null(copy.list);
	(void)snprintf(path, sizeof(path), "/proc/%d/status", pid);
	f = fopen(path, "re");
	assert_non_null(f);
	n = fread(buf, 1, sizeof(buf) - 1, f);
	buf[n] = '\0';
	assert_non_null(strstr(buf, "TracerPid:\t0\n"));
	(void)end_target(pid, SIGKILL); /* its child goes with it */
}

static void no_filter_no_process_and_a_wrong_pidfd_are_told_apart(void **state)
{
	(void)state;
	struct seccomp_programs copy = SECCOMP_PROGRAMS_INIT;
	_cleanup_fd_ int plain = -EBADF, dead = -EBADF;
	pid_t pid, gone;

	if (!may_copy())
		skip();
	pid = spawn_target(0, stop_for_ever, &plain);
	gone = spawn_target(1, stop_for_ever, &dead);
	assert_int_equal(seccomp_copy(pid, plain, &copy, NULL), -ENODATA);
	(void)end_target(gone, SIGKILL);
	assert_int_equal(seccomp_copy(gone, dead, &copy, NULL), -ESRCH);
	assert_int_equal(seccomp_copy(pid, dead, &copy, NULL), -ESRCH); /* recycled */
	assert_null(copy.list);
	(void)end_target(pid, SIGKILL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_interpreter_agrees_with_the_kernel_on_random_programs),
		cmocka_unit_test(what_the_kernel_would_not_take_is_refused),
		cmocka_unit_test(
			among_several_programs_the_strictest_wins_and_the_newest_among_equals),
		cmocka_unit_test(the_first_forbidden_call_of_a_list_is_named),
		cmocka_unit_test(a_program_that_wants_a_listener_is_recognised),
		cmocka_unit_test(
			live_filters_are_copied_oldest_first_with_the_flag_that_the_kernel_tells),
		cmocka_unit_test(a_copied_target_loses_no_signal),
		cmocka_unit_test(a_stopped_target_stays_stopped),
		cmocka_unit_test(a_target_that_cannot_be_stopped_is_let_go_of),
		cmocka_unit_test(no_filter_no_process_and_a_wrong_pidfd_are_told_apart),
	};

	return cmocka_run_group_tests_name("seccomp", tests, NULL, NULL);
}
