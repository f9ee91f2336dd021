// SPDX-License-Identifier: GPL-2.0
/* What user space can request, and what is refused. */
#include <errno.h>
#include <string.h>

#include "model.h"

void abi_feature(void)
{
	struct ring plain, urgent;

	ring_open(&plain, 4, 0);
	if (!(plain.p.features & IORING_FEAT_URGENT)) {
		expect(!kernel_has_urgent(), "the kernel accepts IORING_SETUP_URGENT without IORING_FEAT_URGENT");
		absent("no IORING_FEAT_URGENT among the features");
	}
	ring_open(&urgent, 4, IORING_SETUP_URGENT);
	expect(urgent.p.features & IORING_FEAT_URGENT, "expected IORING_FEAT_URGENT, saw features %#x", urgent.p.features);
	expect(urgent.p.flags & IORING_SETUP_URGENT, "expected the flag back, saw flags %#x", urgent.p.flags);
}

/* On every kernel the flag is refused; with SUBMIT_ALL the others complete in order. */
void abi_no_flag(void)
{
	static const unsigned setups[] = { 0, IORING_SETUP_SUBMIT_ALL };
	struct seen seen[4];
	struct ring r;

	for (unsigned s = 0; s < 2; s++) {
		unsigned taken = setups[s] ? 4 : 3;

		ring_open(&r, 4, setups[s]);
		ring_nop(&r, 0, 0);
		ring_nop(&r, 0, 1);
		ring_nop(&r, IOSQE_URGENT, 2);
		ring_nop(&r, 0, 3);
		expect_is("io_uring_enter", taken, ring_submit(&r, 4));
		ring_collect(&r, seen, taken);
		for (unsigned i = 0; i < taken; i++) {
			expect_is("user data", i, (long long)seen[i].data);
			expect_is("result", i == 2 ? -EINVAL : 0, seen[i].res);
		}
		ring_expect_quiet(&r);
		ring_close(&r);
	}
}

void abi_drain(void)
{
	static const char *const words[] = { "u|", "n u| n", "n n u u| u n", "u u u|", "n& u| n u" };
	static const unsigned setups[] = { 0, IORING_SETUP_SUBMIT_ALL };
	struct seen seen[8];
	struct ring r;

	for (unsigned s = 0; s < 2; s++) {
		for (unsigned w = 0; w < sizeof(words) / sizeof(words[0]); w++) {
			struct batch b = batch_of(words[w]);
			unsigned taken = b.n, bad = 0;

			while (!b.item[bad].drain)
				bad++;
			if (!setups[s])
				taken = bad + 1;
			ring_open(&r, 8, IORING_SETUP_URGENT | setups[s]);
			batch_fill(&r, &b, 0, false);
			expect_is("io_uring_enter", taken, ring_submit(&r, b.n));
			ring_collect(&r, seen, taken);
			for (unsigned i = 0; i < taken; i++)
				expect(seen[i].res == (seen[i].data == bad ? -EINVAL : 0), "%s: saw %d for number %llu",
				       words[w], seen[i].res, (unsigned long long)seen[i].data);
			/* No drain is left behind: urgent requests still come first. */
			r.tail -= b.n - taken;
			__atomic_store_n(r.sq_tail, r.tail, __ATOMIC_RELEASE);
			batch_check_order(&r, "n n u", "2 0 1");
			ring_close(&r);
		}
	}
}

void abi_setups(void)
{
	static const unsigned setups[] = {
		IORING_SETUP_IOPOLL, IORING_SETUP_SQPOLL, IORING_SETUP_SQPOLL | IORING_SETUP_SQ_AFF, IORING_SETUP_CLAMP, IORING_SETUP_R_DISABLED,
		IORING_SETUP_SUBMIT_ALL, IORING_SETUP_COOP_TASKRUN, IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG,
		IORING_SETUP_SQE128, IORING_SETUP_CQE32, IORING_SETUP_SINGLE_ISSUER,
		IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN, IORING_SETUP_NO_SQARRAY,
		IORING_SETUP_NO_MMAP, IORING_SETUP_NO_MMAP | IORING_SETUP_REGISTERED_FD_ONLY,
	};
	struct ring r;

	for (unsigned s = 0; s < sizeof(setups) / sizeof(setups[0]); s++) {
		ring_open(&r, 4, setups[s]);
		ring_close(&r);
		ring_open(&r, 4, setups[s] | IORING_SETUP_URGENT);
		ring_close(&r);
	}
	/* Unknown flags are still refused. */
	expect_is("setup with an unknown flag", -EINVAL, ring_try(&r, 4, IORING_SETUP_URGENT | 1U << 30, NULL));
}

void abi_restrict(void)
{
	for (unsigned allowed = 0; allowed < 2; allowed++) {
		struct io_uring_restriction rules[2] = {
			{ .opcode = IORING_RESTRICTION_SQE_OP, .sqe_op = IORING_OP_NOP },
			{ .opcode = IORING_RESTRICTION_SQE_FLAGS_ALLOWED,
			  .sqe_flags = (__u8)(IOSQE_IO_LINK | (allowed ? IOSQE_URGENT : 0)) },
		};
		struct seen seen[2];
		struct ring r;

		ring_open(&r, 4, IORING_SETUP_URGENT | IORING_SETUP_R_DISABLED | IORING_SETUP_SUBMIT_ALL);
		ring_register(&r, IORING_REGISTER_RESTRICTIONS, rules, 2);
		ring_register(&r, IORING_REGISTER_ENABLE_RINGS, NULL, 0);
		ring_nop(&r, 0, 0);
		ring_nop(&r, IOSQE_URGENT, 1);
		ring_submit_all(&r);
		ring_collect(&r, seen, 2);
		for (unsigned i = 0; i < 2; i++)
			expect(seen[i].res == (seen[i].data == 1 && !allowed ? -EACCES : 0),
			       "%s: saw %d for the %s request", allowed ? "allowed" : "not allowed", seen[i].res,
			       seen[i].data ? "urgent" : "other");
		ring_close(&r);
	}
}
