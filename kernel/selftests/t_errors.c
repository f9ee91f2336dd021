// SPDX-License-Identifier: GPL-2.0
/* Requests refused while a batch is read, and cancels. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "model.h"

/* Each batch goes through a ring with the urgent flags and, without them, through a plain one. The model gives the SQEs
 * consumed and the CQEs for both; they differ only in their order. */
void errors_each(void)
{
	static const char *const patterns[] = { "n n n n n n n n", "u n n n n n n n", "n n n n n n n u", "n u n u n u n u",
						"u u u u u u u u", "n n- n u- n n u n" };

	for (unsigned all = 0; all < 2; all++) {
		unsigned setup = all ? IORING_SETUP_SUBMIT_ALL : 0;
		struct ring urgent, plain;

		ring_open(&urgent, 8, IORING_SETUP_URGENT | setup);
		ring_open(&plain, 8, setup);
		for (unsigned p = 0; p < sizeof(patterns) / sizeof(patterns[0]); p++)
			for (unsigned at = 0; at < 8; at++)
				for (unsigned way = 1; way <= REFUSED_WAYS; way++)
					for (unsigned flip = 0; flip < 2; flip++) {
						struct batch b = batch_of(patterns[p]);

						b.item[at].refused = way;
						b.item[at].urgent ^= flip;
						batch_check(&urgent, &b, true);
						batch_check(&plain, &b, true);
					}
		ring_expect_quiet(&urgent);
		ring_expect_quiet(&plain);
		ring_close(&urgent);
		ring_close(&plain);
	}
}

/* A batch with one index beyond the ring: those before it are done, it is dropped, those behind it stay. */
static void check_index(struct ring *r, unsigned at, unsigned urgent, unsigned dropped)
{
	struct seen seen[8];

	for (unsigned i = 0; i < 8; i++) {
		unsigned slot = r->tail & r->sq_mask;

		ring_nop(r, urgent >> i & 1 ? IOSQE_URGENT : 0, i);
		if (i == at)
			r->sq_array[slot] = 1000000;
	}
	expect_is("io_uring_enter before the bad index", at, ring_submit(r, 8));
	expect_is("head", 7 - at, ring_unconsumed(r));
	expect_is("dropped", dropped, *r->sq_dropped);
	ring_collect(r, seen, at);
	for (unsigned i = 0, n = 0; i < 2; i++)
		for (unsigned j = 0; j < at; j++)
			if ((urgent >> j & 1) != i)
				expect_is("user data before the bad index", j, (long long)seen[n++].data);
	if (at < 7) {
		ring_submit_all(r);
		ring_collect(r, seen, 7 - at);
	}
}

void errors_index(void)
{
	struct ring r;
	unsigned dropped = 0;

	ring_open(&r, 8, IORING_SETUP_URGENT);
	for (unsigned turn = 0; turn < 20; turn++)
		for (unsigned at = 0; at < 8; at++)
			check_index(&r, at, turn ? below(256) : 0, ++dropped);
	ring_expect_quiet(&r);
}

/* Submits a read of an empty pipe and its cancel in one batch; returns the result of the cancel. */
static int cancel_in_batch(struct ring *r, unsigned flags)
{
	struct seen seen[2], late;
	int ends[2], result;
	char byte;

	expect(pipe(ends) == 0, "pipe: %s", strerror(errno));
	ring_rw(r, IORING_OP_READ, 0, 7, ends[0], &byte, 1, 0);
	ring_op(r, IORING_OP_ASYNC_CANCEL, flags, 8)->addr = 7;
	ring_submit_all(r);
	ring_collect(r, seen, 1);
	if (seen[0].data == 7)
		ring_collect(r, seen, 1);
	result = seen[0].res;
	expect_is("user data of the cancel", 8, (long long)seen[0].data);
	if (result == -ENOENT) {
		/* The read is pending nevertheless, and a later cancel finds it. */
		ring_expect_quiet(r);
		ring_op(r, IORING_OP_ASYNC_CANCEL, 0, 9)->addr = 7;
		ring_submit_all(r);
		ring_collect(r, seen, 2);
		late = seen[seen[0].data == 7];
		expect_is("result of the later cancel", 0, late.res);
		late = seen[seen[0].data != 7];
		expect(late.res == -ECANCELED || late.res == -EINTR, "expected the read to be cancelled, saw %d", late.res);
	}
	close(ends[0]);
	close(ends[1]);
	return result;
}

void cancel_plain(void)
{
	struct ring r;

	ring_open(&r, 8, 0);
	expect_is("result of the cancel", 0, cancel_in_batch(&r, 0));
}

void cancel_urgent(void)
{
	struct ring r;

	ring_open(&r, 8, IORING_SETUP_URGENT);
	expect_is("result of an urgent cancel", -ENOENT, cancel_in_batch(&r, IOSQE_URGENT));
	expect_is("result of one that is not urgent", 0, cancel_in_batch(&r, 0));
}
