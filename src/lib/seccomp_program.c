/* SPDX-License-Identifier: MIT
 *
 * Classic BPF as seccomp runs it: net/core/filter.c (bpf_check_classic, bpf_convert_filter) and
 * kernel/seccomp.c (seccomp_check_filter, seccomp_run_filters).
 * Not here: eBPF, packet loads, and everything else that seccomp refuses.
 */
#include "lib/seccomp_program.h"

#include <errno.h>
#include <seccomp.h>
#include <string.h>

#include "base/cleanup.h"

/* K < limit of this opcode, or there is no limit on it. */
static bool operand_fits(const struct sock_filter *insn)
{
	switch (insn->code) {
	case BPF_LD | BPF_W | BPF_ABS:
		return insn->k < sizeof(struct seccomp_data) && insn->k % 4 == 0;
	case BPF_LD | BPF_MEM:
	case BPF_LDX | BPF_MEM:
	case BPF_ST:
	case BPF_STX:
		return insn->k < BPF_MEMWORDS;
	case BPF_ALU | BPF_DIV | BPF_K:
		return insn->k != 0;
	case BPF_ALU | BPF_LSH | BPF_K:
	case BPF_ALU | BPF_RSH | BPF_K:
		return insn->k < 32;
	default:
		return true;
	}
}

/* The opcodes that seccomp takes; no modulo, no packet, no extensions. */
static bool opcode_known(uint16_t code)
{
	static const uint16_t others[] = {
		BPF_LD | BPF_W | BPF_ABS,
		BPF_LD | BPF_W | BPF_LEN,
		BPF_LDX | BPF_W | BPF_LEN,
		BPF_LD | BPF_IMM,
		BPF_LDX | BPF_IMM,
		BPF_LD | BPF_MEM,
		BPF_LDX | BPF_MEM,
		BPF_ST,
		BPF_STX,
		BPF_MISC | BPF_TAX,
		BPF_MISC | BPF_TXA,
		BPF_RET | BPF_K,
		BPF_RET | BPF_A,
		BPF_ALU | BPF_NEG,
		BPF_JMP | BPF_JA,
	};
	static const uint16_t alu[] = {BPF_ADD, BPF_SUB, BPF_MUL, BPF_DIV, BPF_AND,
				       BPF_OR,	BPF_XOR, BPF_LSH, BPF_RSH};
	static const uint16_t jumps[] = {BPF_JEQ, BPF_JGT, BPF_JGE, BPF_JSET};
	uint16_t either = code & ~(uint16_t)BPF_X; /* K or X behind it */

	for (size_t i = 0; i < ELEMENTS(others); i++)
		if (code == others[i])
			return true;
	for (size_t i = 0; i < ELEMENTS(alu); i++)
		if (either == (BPF_ALU | alu[i]))
			return true;
	for (size_t i = 0; i < ELEMENTS(jumps); i++)
		if (either == (BPF_JMP | jumps[i]))
			return true;
	return false;
}

/*
 * Every jump goes forward and stays inside, and scratch memory is written on each path to where it
 * is read. `written[i]` holds the words that are written on every path to instruction i.
 */
static int check_flow(const struct sock_filter *insns, size_t count)
{
	uint16_t written[BPF_MAXINSNS];
	uint16_t now = 0;

	memset(written, 0xff, sizeof(written));
	for (size_t i = 0; i < count; i++) {
		const struct sock_filter *insn = &insns[i];
		size_t left = count - i - 1;

		now &= written[i];
		switch (BPF_CLASS(insn->code)) {
		case BPF_ST:
		case BPF_STX:
			now |= (uint16_t)(1U << insn->k);
			break;
		case BPF_LD:
		case BPF_LDX:
			if (BPF_MODE(insn->code) == BPF_MEM && !(now & 1U << insn->k))
				return -EINVAL;
			break;
		case BPF_JMP:
			if (BPF_OP(insn->code) == BPF_JA) {
				if (insn->k >= left)
					return -EINVAL;
				written[i + 1 + insn->k] &= now;
			} else {
				if (insn->jt >= left || insn->jf >= left)
					return -EINVAL;
				written[i + 1 + insn->jt] &= now;
				written[i + 1 + insn->jf] &= now;
			}
			now = 0xffff; /* what follows is reached through a jump, if at all */
			break;
		}
	}
	return 0;
}

int seccomp_program_check(const struct seccomp_program *program)
{
	size_t count = program->count;

	if (!program->insns || count == 0 || count > BPF_MAXINSNS)
		return -EINVAL;
	for (size_t i = 0; i < count; i++)
		if (!opcode_known(program->insns[i].code) || !operand_fits(&program->insns[i]))
			return -EINVAL;
	if (BPF_CLASS(program->insns[count - 1].code) != BPF_RET)
		return -EINVAL;
	return check_flow(program->insns, count);
}

struct machine {
	uint32_t a, x;
	uint32_t memory[BPF_MEMWORDS];
	bool done; /* ended early, by a division by zero */
};

static void run_alu(struct machine *m, const struct sock_filter *insn)
{
	uint32_t b = BPF_SRC(insn->code) == BPF_X ? m->x : insn->k;

	switch (BPF_OP(insn->code)) {
	case BPF_ADD:
		m->a += b;
		break;
	case BPF_SUB:
		m->a -= b;
		break;
	case BPF_MUL:
		m->a *= b;
		break;
	case BPF_DIV:
		if (b == 0)
			m->done = true; /* the program returns 0: kill */
		else
			m->a /= b;
		break;
	case BPF_AND:
		m->a &= b;
		break;
	case BPF_OR:
		m->a |= b;
		break;
	case BPF_XOR:
		m->a ^= b;
		break;
	case BPF_LSH:
		m->a <<= b & 31; /* what every JIT and the kernel's interpreter do */
		break;
	case BPF_RSH:
		m->a >>= b & 31;
		break;
	case BPF_NEG:
		m->a = -m->a;
		break;
	}
}

static size_t run_jump(const struct machine *m, const struct sock_filter *insn)
{
	uint32_t b = BPF_SRC(insn->code) == BPF_X ? m->x : insn->k;
	bool taken = false;

	switch (BPF_OP(insn->code)) {
	case BPF_JA:
		return insn->k;
	case BPF_JEQ:
		taken = m->a == b;
		break;
	case BPF_JGT:
		taken = m->a > b;
		break;
	case BPF_JGE:
		taken = m->a >= b;
		break;
	case BPF_JSET:
		taken = m->a & b;
		break;
	}
	return taken ? insn->jt : insn->jf;
}

static uint32_t load(const struct machine *m, const struct sock_filter *insn,
		     const struct seccomp_data *data)
{
	uint32_t word;

	switch (BPF_MODE(insn->code)) {
	case BPF_ABS:
		memcpy(&word, (const char *)data + insn->k, sizeof(word)); /* host byte order */
		return word;
	case BPF_LEN:
		return sizeof(*data);
	case BPF_MEM:
		return m->memory[insn->k];
	default:
		return insn->k;
	}
}

/* Of a program that was checked: so it ends, and nothing is out of bounds. */
static uint32_t run(const struct sock_filter *insns, const struct seccomp_data *data)
{
	struct machine m = {.a = 0};

	for (size_t pc = 0; !m.done; pc++) {
		const struct sock_filter *insn = &insns[pc];

		switch (BPF_CLASS(insn->code)) {
		case BPF_LD:
			m.a = load(&m, insn, data);
			break;
		case BPF_LDX:
			m.x = load(&m, insn, data);
			break;
		case BPF_ST:
			m.memory[insn->k] = m.a;
			break;
		case BPF_STX:
			m.memory[insn->k] = m.x;
			break;
		case BPF_ALU:
			run_alu(&m, insn);
			break;
		case BPF_JMP:
			pc += run_jump(&m, insn);
			break;
		case BPF_RET:
			return BPF_RVAL(insn->code) == BPF_A ? m.a : insn->k;
		case BPF_MISC:
			if (BPF_MISCOP(insn->code) == BPF_TAX)
				m.x = m.a;
			else
				m.a = m.x;
			break;
		}
	}
	return SECCOMP_RET_KILL_THREAD;
}

int seccomp_program_run(const struct seccomp_program *program, const struct seccomp_data *data,
			uint32_t *ret_action)
{
	int r = seccomp_program_check(program);

	if (r < 0)
		return r;
	*ret_action = run(program->insns, data);
	return 0;
}

static int check_all(const struct seccomp_programs *programs)
{
	for (size_t i = 0; i < programs->count; i++)
		if (seccomp_program_check(&programs->list[i]) < 0)
			return -EINVAL;
	return 0;
}

/* The lower, as a signed number, the stricter: that's what the values are chosen for. */
static int32_t rank(uint32_t action)
{
	return (int32_t)(action & SECCOMP_RET_ACTION_FULL);
}

static uint32_t run_all(const struct seccomp_programs *programs, const struct seccomp_data *data)
{
	uint32_t strictest = SECCOMP_RET_ALLOW;

	for (size_t i = programs->count; i-- > 0;) {
		uint32_t action = run(programs->list[i].insns, data);

		if (rank(action) < rank(strictest))
			strictest = action;
	}
	return strictest;
}

int seccomp_programs_run(const struct seccomp_programs *programs, const struct seccomp_data *data,
			 uint32_t *ret_action)
{
	int r = check_all(programs);

	if (r < 0)
		return r;
	*ret_action = run_all(programs, data);
	return 0;
}

int seccomp_programs_forbid(const struct seccomp_programs *programs,
			    const struct seccomp_call *calls, size_t n_calls, size_t *ret_index)
{
	int r = check_all(programs);

	if (r < 0)
		return r;
	for (size_t i = 0; i < n_calls; i++) {
		/* libseccomp's token of a native architecture is the kernel's AUDIT_ARCH_*. */
		struct seccomp_data data = {.nr = calls[i].nr, .arch = seccomp_arch_native()};
		uint32_t action;

		memcpy(data.args, calls[i].args, sizeof(data.args));
		action = run_all(programs, &data) & SECCOMP_RET_ACTION_FULL;
		if (action != SECCOMP_RET_ALLOW && action != SECCOMP_RET_LOG) {
			*ret_index = i;
			return 1;
		}
	}
	return 0;
}

bool seccomp_programs_want_listener(const struct seccomp_programs *programs)
{
	for (size_t i = 0; i < programs->count; i++) {
		const struct seccomp_program *program = &programs->list[i];

		for (size_t j = 0; j < program->count; j++)
			if (program->insns[j].code == (BPF_RET | BPF_K) &&
			    (program->insns[j].k & SECCOMP_RET_ACTION_FULL) ==
				    SECCOMP_RET_USER_NOTIF)
				return true;
	}
	return false;
}
