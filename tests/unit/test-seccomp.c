/* SPDX-License-Identifier: MIT
 *
 * The interpreter of filters, and that it agrees with the kernel.
 * Not here: copying filters from live processes (test-seccomp-copy.c).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <errno.h>
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_interpreter_agrees_with_the_kernel_on_random_programs),
		cmocka_unit_test(what_the_kernel_would_not_take_is_refused),
		cmocka_unit_test(
			among_several_programs_the_strictest_wins_and_the_newest_among_equals),
		cmocka_unit_test(the_first_forbidden_call_of_a_list_is_named),
		cmocka_unit_test(a_program_that_wants_a_listener_is_recognised),
	};

	return cmocka_run_group_tests_name("seccomp", tests, NULL, NULL);
}
