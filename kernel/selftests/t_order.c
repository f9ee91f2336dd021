// SPDX-License-Identifier: GPL-2.0
/* The order within a batch. NOPs complete when they are issued, so the order of their CQEs is the order of issue. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "model.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

void order_fifo(void)
{
	struct ring r;

	ring_open(&r, 16, 0);
	batch_check_order(&r, "n", "0");
	batch_check_order(&r, "n n n n n n n n", "0 1 2 3 4 5 6 7");
	batch_check_order(&r, "n n! n", "0 1 2");
	batch_check_order(&r, "n- n n", "0 2 1");
	batch_check_order(&r, "n n* n", "0 1");
	batch_check_order(&r, "n~ n n~! n~", "1 2");
}

static const struct {
	const char *words, *order;
} basic[] = {
	{ "n", "0" },
	{ "u", "0" },
	{ "n n n", "0 1 2" },
	{ "u u u", "0 1 2" },
	{ "u n", "0 1" },
	{ "n u", "1 0" },
	{ "n n u", "2 0 1" },
	{ "u n u n", "0 2 1 3" },
	{ "n u n u n u n", "1 3 5 0 2 4 6" },
	{ "n n n n n n n n n n n n n n n u", "15 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14" },
	{ "n u! n! u", "1 3 0 2" },
};

static void check_basic(struct ring *r)
{
	for (unsigned i = 0; i < COUNT(basic); i++)
		batch_check_order(r, basic[i].words, basic[i].order);
}

void order_basic(void)
{
	struct ring r;

	ring_open(&r, 16, IORING_SETUP_URGENT);
	check_basic(&r);
}

/* The array defines the order, wherever the SQEs are. */
void order_array(void)
{
	unsigned slots[32], urgent, at, n = 32;
	struct seen seen[32];
	struct ring r;

	ring_open(&r, n, IORING_SETUP_URGENT);
	for (unsigned turn = 0; turn < 50; turn++) {
		uint64_t mask = throw_dice();

		for (unsigned i = 0; i < n; i++)
			slots[i] = i;
		for (unsigned i = n - 1; i; i--) {
			unsigned j = below(i + 1), t = slots[i];

			slots[i] = slots[j];
			slots[j] = t;
		}
		for (unsigned i = 0; i < n; i++) {
			struct io_uring_sqe *sqe = ring_sqe_in(&r, slots[i]);

			sqe->opcode = IORING_OP_NOP;
			sqe->user_data = i;
			sqe->flags = mask >> i & 1 ? IOSQE_URGENT : 0;
		}
		ring_submit_all(&r);
		ring_collect(&r, seen, n);
		at = 0;
		for (urgent = 2; urgent-- > 0;)
			for (unsigned i = 0; i < n; i++)
				if ((mask >> i & 1) == urgent)
					expect(seen[at++].data == i, "turn %u: expected %u as number %u, saw %llu", turn,
					       i, at - 1, (unsigned long long)seen[at - 1].data);
	}
	/* The urgent request is in a slot that a scan of consecutive slots would miss. */
	memset(r.sqes, 0, n * r.sqe_size);
	for (unsigned i = 0; i < 3; i++) {
		struct io_uring_sqe *sqe = ring_sqe_in(&r, ((r.tail & r.sq_mask) + 16) & r.sq_mask);

		sqe->opcode = IORING_OP_NOP;
		sqe->user_data = i;
		sqe->flags = i == 2 ? IOSQE_URGENT : 0;
	}
	ring_submit_all(&r);
	ring_collect(&r, seen, 3);
	for (unsigned i = 0; i < 3; i++)
		expect_is("user data of requests in other slots", (i + 2) % 3, (long long)seen[i].data);
	/* One SQE four times, and an urgent one twice. */
	for (unsigned i = 0; i < 6; i++) {
		struct io_uring_sqe *sqe = ring_sqe_in(&r, i % 3 == 2 ? 1 : 0);

		sqe->opcode = IORING_OP_NOP;
		sqe->user_data = i % 3 == 2;
		sqe->flags = i % 3 == 2 ? IOSQE_URGENT : 0;
	}
	ring_submit_all(&r);
	ring_collect(&r, seen, 6);
	for (unsigned i = 0; i < 6; i++)
		expect_is("user data of an SQE that appears twice", i < 2, (long long)seen[i].data);
}

void order_setups(void)
{
	static const unsigned setups[] = {
		IORING_SETUP_NO_SQARRAY,
		IORING_SETUP_SQE128,
		IORING_SETUP_SQE128 | IORING_SETUP_NO_SQARRAY,
		IORING_SETUP_CQE32,
		IORING_SETUP_SQE128 | IORING_SETUP_CQE32,
		IORING_SETUP_COOP_TASKRUN,
		IORING_SETUP_SINGLE_ISSUER,
		IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN,
		IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_NO_SQARRAY | IORING_SETUP_SQE128,
		IORING_SETUP_SUBMIT_ALL,
		IORING_SETUP_IOPOLL,
		IORING_SETUP_IOPOLL | IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN,
		IORING_SETUP_SQPOLL,
		IORING_SETUP_SQPOLL | IORING_SETUP_SINGLE_ISSUER,
		IORING_SETUP_SQPOLL | IORING_SETUP_IOPOLL,
		IORING_SETUP_SQPOLL | IORING_SETUP_NO_SQARRAY | IORING_SETUP_CQE32,
		IORING_SETUP_NO_MMAP,
		IORING_SETUP_NO_MMAP | IORING_SETUP_REGISTERED_FD_ONLY,
	};
	struct ring r;

	for (unsigned s = 0; s < COUNT(setups); s++) {
		ring_open(&r, 16, IORING_SETUP_URGENT | setups[s]);
		check_basic(&r);
		if (!(setups[s] & IORING_SETUP_IOPOLL)) {
			batch_check_order(&r, "n n- n n u- n", "4 0 1 3 5 2");
			batch_check_order(&r, "n n- u- n n", "1 0 4 2 3");
		}
		ring_close(&r);
	}
}

/* Rings that share a polling thread: a round takes at most 8 SQEs of each, which form a batch. */
void order_shared(void)
{
	static const unsigned order[] = { 0, 1, 2, 3, 4, 5, 6, 7, 11, 8, 9, 10 };
	struct io_uring_params wish = { .cq_entries = 64 };
	struct ring first, r;
	struct seen seen[12];

	ring_open(&first, 16, IORING_SETUP_URGENT | IORING_SETUP_SQPOLL);
	wish.wq_fd = (unsigned)first.fd;
	expect_is("setup with the thread of the other ring", 0,
		  ring_try(&r, 16, IORING_SETUP_URGENT | IORING_SETUP_SQPOLL | IORING_SETUP_ATTACH_WQ, &wish));
	for (unsigned i = 0; i < 12; i++)
		ring_nop(&r, i == 11 ? IOSQE_URGENT : 0, i);
	ring_submit(&r, 12);
	ring_collect(&r, seen, 12);
	for (unsigned i = 0; i < 12; i++)
		expect_is("number", order[i], (long long)seen[i].data);
}

void order_wrap(void)
{
	struct ring r;

	ring_open(&r, 8, IORING_SETUP_URGENT);
	for (unsigned i = 0; i < 200; i++) {
		static const char *const words[] = { "n n u", "n u n n u", "n n n n n n u", "u n- n- u n u u n" };
		static const char *const order[] = { "2 0 1", "1 4 0 2 3", "6 0 1 2 3 4 5", "0 1 5 6 4 7 2 3" };
		struct batch b = batch_of(words[i % 4]);

		if (i < 4)
			batch_check_order(&r, words[i], order[i]);
		else
			batch_check(&r, &b, true);
	}
}

void order_submit_part(void)
{
	static const unsigned wanted[] = { 1, 0, 2, 3, 4 };
	struct seen seen[5];
	struct ring r;

	ring_open(&r, 8, IORING_SETUP_URGENT);
	for (unsigned i = 0; i < 5; i++)
		ring_nop(&r, i == 1 || i == 4 ? IOSQE_URGENT : 0, i);
	expect_is("io_uring_enter", 3, ring_submit(&r, 3));
	expect_is("remaining SQEs", 2, ring_unconsumed(&r));
	expect_is("io_uring_enter", 1, ring_submit(&r, 1));
	/* More than available. */
	expect_is("io_uring_enter", 1, ring_submit(&r, 100));
	ring_collect(&r, seen, 5);
	for (unsigned i = 0; i < 5; i++)
		expect_is("user data", wanted[i], (long long)seen[i].data);
	ring_expect_quiet(&r);
}

void order_overflow(void)
{
	static const unsigned setups[] = { 0, IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN };
	struct io_uring_params wish = { .cq_entries = 8 };
	struct seen seen[64];
	struct ring r;
	int ret;

	if (!kernel_has_urgent())
		absent("io_uring_setup refuses IORING_SETUP_URGENT with EINVAL");
	for (unsigned s = 0; s < 2; s++) {
		ret = ring_try(&r, 8, IORING_SETUP_URGENT | setups[s], &wish);
		expect_is("io_uring_setup", 0, ret);
		for (unsigned i = 0; i < 64; i++) {
			ring_nop(&r, i % 8 >= 6 ? IOSQE_URGENT : 0, i);
			if (i % 8 == 7)
				ring_submit_all(&r);
		}
		ring_collect(&r, seen, 64);
		for (unsigned i = 0; i < 64; i++)
			expect_is("user data after an overflow", i / 8 * 8 + (i % 8 + 6) % 8, (long long)seen[i].data);
		ring_expect_quiet(&r);
		ring_close(&r);
	}
}

void order_skip(void)
{
	struct ring r;

	ring_open(&r, 16, IORING_SETUP_URGENT);
	batch_check_order(&r, "n u~ n u n~", "3 0 2");
	batch_check_order(&r, "n~ n~ u~ u~", "");
	batch_check_order(&r, "n u~- n~- n n~", "0 3");
	batch_check_order(&r, "n u~!- n n", "1 0 3");
	batch_check_order(&r, "n u!- n~ n", "1 0 3 2");
	batch_check_order(&r, "n~! u~! n u", "1 3 0 2");
}

void order_effect(void)
{
	char text[] = "abcUVd", got[7] = "";
	struct seen seen[6];
	struct ring r;
	int ends[2];

	ring_open(&r, 8, IORING_SETUP_URGENT);
	expect(pipe(ends) == 0, "pipe: %s", strerror(errno));
	for (unsigned i = 0; i < 6; i++)
		ring_rw(&r, IORING_OP_WRITE, text[i] < 'a' ? IOSQE_URGENT : 0, i, ends[1], &text[i], 1, 0);
	ring_submit_all(&r);
	ring_collect(&r, seen, 6);
	for (unsigned i = 0; i < 6; i++)
		expect_is("result of a write", 1, seen[i].res);
	expect_is("bytes in the pipe", 6, read(ends[0], got, 6));
	expect(!strcmp(got, "UVabcd"), "expected UVabcd in the pipe, saw %s", got);
}

/* Submits a bulk of cached reads and a small request behind it through the SQ thread. Returns whether, in some turn, the
 * small one's CQE was seen before those of the bulk. */
static bool seen_early(struct ring *r, unsigned flags)
{
	enum { BULK = 24, SIZE = 1 << 20 };
	int fd = open("bulk", O_RDWR | O_CREAT, 0600);
	char *to = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	struct seen seen[BULK + 1];
	bool early = false;

	expect(fd >= 0 && to != MAP_FAILED, "file and mmap: %s", strerror(errno));
	memset(to, 'x', SIZE);
	expect_is("write of a file", SIZE, write(fd, to, SIZE));
	for (unsigned turn = 0; turn < 20 && !early; turn++) {
		unsigned before = *r->cq_tail, n;

		for (unsigned i = 0; i < BULK; i++)
			ring_rw(r, IORING_OP_READ, 0, i, fd, to, SIZE, 0);
		ring_nop(r, flags, BULK);
		ring_submit(r, BULK + 1);
		do
			n = __atomic_load_n(r->cq_tail, __ATOMIC_ACQUIRE) - before;
		while (!n);
		ring_collect(r, seen, BULK + 1);
		for (unsigned i = 0; i < BULK + 1; i++)
			expect_is("result", seen[i].data == BULK ? 0 : SIZE, seen[i].res);
		early = n < BULK + 1;
		expect(!early || seen[0].data == BULK, "expected the urgent one first, saw %llu",
		       (unsigned long long)seen[0].data);
		/* Before the next turn, the thread may or may not become idle. */
		usleep(1000 * below(4));
	}
	return early;
}

void order_visible(void)
{
	struct ring r;

	ring_open(&r, 32, IORING_SETUP_URGENT | IORING_SETUP_SQPOLL);
	expect(seen_early(&r, IOSQE_URGENT),
	       "expected the urgent CQE to be seen alone once in 20 turns, saw it only together with the bulk");
}

void order_invisible(void)
{
	struct ring r;

	ring_open(&r, 32, IORING_SETUP_SQPOLL);
	expect(!seen_early(&r, 0), "expected no CQE before the batch is done, saw one");
}
