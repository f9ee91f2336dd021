// SPDX-License-Identifier: GPL-2.0
/* Chains move as a whole, and their internal order does not change. */
#include <errno.h>
#include <linux/time_types.h>
#include <string.h>
#include <unistd.h>

#include "model.h"

struct case_of {
	const char *words, *order;
};

static void check_all(unsigned setup, const struct case_of *cases, unsigned n)
{
	static const unsigned setups[] = { 0, IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN,
					   IORING_SETUP_SUBMIT_ALL, IORING_SETUP_SQPOLL | IORING_SETUP_SUBMIT_ALL };
	struct ring r;

	for (unsigned s = 0; s < 4; s++) {
		ring_open(&r, 16, setup | setups[s]);
		for (unsigned i = 0; i < n; i++)
			batch_check_order(&r, cases[i].words, cases[i].order);
		ring_close(&r);
	}
}

#define CHECK(setup, cases) check_all(setup, cases, sizeof(cases) / sizeof((cases)[0]))

void links_plain(void)
{
	static const struct case_of cases[] = {
		{ "n- n", "0 1" },
		{ "n n- n- n n", "0 1 4 2 3" },
		{ "n- n n= n n", "0 2 4 1 3" },
		{ "n!- n- n n", "0 3 1 2" },
		{ "n!= n- n n", "0 3 1 2" },
		{ "n- n*- n n", "0 3 1 2" },
	};

	CHECK(0, cases);
}

void links_urgent(void)
{
	static const struct case_of cases[] = {
		/* The flag on the head, on a middle member, on the last one, on all members. */
		{ "n u- n n", "1 0 3 2" },
		{ "n n- u- n n", "1 0 4 2 3" },
		{ "n n- n- u n", "1 0 4 2 3" },
		{ "n u- u- u n", "1 0 4 2 3" },
		/* Two chains, one or both of them urgent. */
		{ "n- n n- u n u", "2 5 0 4 3 1" },
		{ "n- u n- u n", "0 2 4 1 3" },
		{ "n u- n n u- n n", "1 4 0 3 6 2 5" },
		/* Held chains stay together behind urgent ones. */
		{ "n- n- n u", "3 0 1 2" },
		{ "n- n- n u u- n", "3 4 0 5 1 2" },
		/* Hard links. */
		{ "n n= u= n n", "1 0 4 2 3" },
		{ "n= n u= n n", "2 0 4 3 1" },
		{ "n u=- n n", "1 0 3 2" },
	};

	CHECK(IORING_SETUP_URGENT, cases);
}

void links_failing(void)
{
	static const struct case_of cases[] = {
		{ "n u!- n- n n", "1 0 4 2 3" },
		{ "n u- n!- n n", "1 0 4 2 3" },
		{ "n!- n n u", "3 0 2 1" },
		{ "n!- n n u!- u", "3 0 2 4 1" },
		/* A hard link continues after a failed member. */
		{ "n u!= n= n! n", "1 0 4 2 3" },
		{ "n!= n n u", "3 0 2 1" },
	};

	CHECK(IORING_SETUP_URGENT, cases);
}

void links_refused(void)
{
	static const struct case_of cases[] = {
		{ "n u- n*- n n", "1 0 4 2 3" },
		{ "n u*- n- n n", "1 0 4 2 3" },
		{ "n n- u*- n n", "1 0 4 2 3" },
		{ "n- n*- n n u", "4 0 3 1 2" },
		{ "n u= n**= n n", "1 0 4 2 3" },
		{ "n- n***- n u", "3 0 1 2" },
		{ "n- n****- n u", "3 0 1 2" },
	};

	CHECK(IORING_SETUP_URGENT, cases);
}

static int result_of(const struct seen *seen, unsigned n, uint64_t data)
{
	for (unsigned i = 0; i < n; i++)
		if (seen[i].data == data)
			return seen[i].res;
	fail("expected a CQE for number %llu, saw none", (unsigned long long)data);
}

/* A read of a pipe that stays empty with its timeout, and a NOP with its timeout; all combinations of urgent flags. */
void links_timeout(void)
{
	struct __kernel_timespec soon = { .tv_nsec = 20000000 }, late = { .tv_sec = 3600 };
	struct io_uring_sqe *sqe;
	struct seen seen[6];
	struct ring r;
	int ends[2], res;
	char byte;

	ring_open(&r, 8, IORING_SETUP_URGENT);
	expect(pipe(ends) == 0, "pipe: %s", strerror(errno));
	for (unsigned mask = 0; mask < 16; mask++) {
		ring_nop(&r, 0, 0);
		ring_rw(&r, IORING_OP_READ, IOSQE_IO_LINK | (mask & 1 ? IOSQE_URGENT : 0), 1, ends[0], &byte, 1, 0);
		sqe = ring_op(&r, IORING_OP_LINK_TIMEOUT, mask & 2 ? IOSQE_URGENT : 0, 2);
		sqe->addr = (uintptr_t)&soon;
		sqe->len = 1;
		ring_nop(&r, IOSQE_IO_LINK | (mask & 4 ? IOSQE_URGENT : 0), 3);
		sqe = ring_op(&r, IORING_OP_LINK_TIMEOUT, mask & 8 ? IOSQE_URGENT : 0, 4);
		sqe->addr = (uintptr_t)&late;
		sqe->len = 1;
		ring_nop(&r, IOSQE_URGENT, 5);
		ring_submit_all(&r);
		ring_collect(&r, seen, 6);
		res = result_of(seen, 6, 1);
		expect(res == -ECANCELED || res == -EINTR, "mask %u: expected the read to be cancelled, saw %d", mask, res);
		expect_is("timeout that fires", -ETIME, result_of(seen, 6, 2));
		expect_is("NOP with a timeout", 0, result_of(seen, 6, 3));
		expect_is("timeout that does not fire", -ECANCELED, result_of(seen, 6, 4));
		expect_is("urgent NOP", 0, result_of(seen, 6, 5));
		/* Urgent requests come first: number 5 is always urgent, the NOP's chain before it depending on the mask. */
		expect_is("first CQE", mask & 12 ? 3 : 5, (long long)seen[0].data);
	}
	ring_expect_quiet(&r);
}

/* The chain ends with the batch; the next SQE does not belong to it. */
void links_cut(void)
{
	static const struct {
		const char *words;
		unsigned cut, first;
	} cases[] = {
		{ "n u- n- n n", 3, 0 },  { "n n- u- n", 3, 0 },     { "u n- n", 2, 0 },
		{ "n n- n u n- u", 5, 3 }, { "n u n= n= n", 4, 1 }, { "u- u- u", 2, 0 },
	};
	struct seen seen[8];
	struct ring r;

	for (unsigned c = 0; c < sizeof(cases) / sizeof(cases[0]); c++) {
		struct batch b = batch_of(cases[c].words);
		unsigned place[8];

		ring_open(&r, 8, IORING_SETUP_URGENT);
		batch_fill(&r, &b, 0, false);
		expect_is("io_uring_enter", cases[c].cut, ring_submit(&r, cases[c].cut));
		ring_collect(&r, seen, cases[c].cut);
		for (unsigned i = 0; i < cases[c].cut; i++) {
			expect_is("result", 0, seen[i].res);
			expect(seen[i].data < cases[c].cut, "\"%s\": saw number %llu, which was not submitted", cases[c].words,
			       (unsigned long long)seen[i].data);
			place[seen[i].data] = i;
		}
		for (unsigned i = 1; i < cases[c].cut; i++)
			expect(unit_head(&b, i) == i || place[i - 1] < place[i], "\"%s\": the chain's order changed",
			       cases[c].words);
		/* A cut chain goes to a worker; among the others, urgent requests are first. */
		for (unsigned i = 0; i < cases[c].cut; i++)
			expect(unit_head(&b, i) != i || b.item[i].link || b.item[i].hard || b.item[i].urgent ||
				       !b.item[cases[c].first].urgent || place[cases[c].first] < place[i],
			       "\"%s\": number %u before the urgent number %u", cases[c].words, i, cases[c].first);
		ring_submit_all(&r);
		ring_collect(&r, seen, b.n - cases[c].cut);
		ring_expect_quiet(&r);
		ring_close(&r);
	}
}
