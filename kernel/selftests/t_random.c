// SPDX-License-Identifier: GPL-2.0
/* Batches at random against the model, and a thread that changes flags while the kernel reads them. */
#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include "model.h"

enum { ENTRIES = 64 };

/* A batch whose requests all complete inline: no ASYNC, no drain, no chain that is cut. */
static struct batch exact_batch(bool urgent)
{
	/* How many in 16 are urgent, linked, failing: batches of different kinds. */
	unsigned u = (unsigned[]){ 0, 1, 4, 8, 15, 16 }[below(6)], l = below(12), bad = below(3);
	struct batch b = { .n = 1 + below(one_in(3) ? ENTRIES : 10) };

	for (unsigned i = 0; i < b.n; i++) {
		struct item *it = &b.item[i];

		it->urgent = urgent && below(16) < u;
		it->skip = one_in(8);
		it->fails = below(16) < bad;
		it->refused = below(24) < bad ? 1 + below(REFUSED_WAYS) : 0;
		if (i + 1 < b.n && below(16) < l) {
			it->hard = one_in(3);
			it->link = !it->hard || one_in(8);
		}
	}
	return b;
}

static void check_exact(bool urgent)
{
	static const unsigned setups[] = {
		0,
		IORING_SETUP_SUBMIT_ALL,
		IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN,
		IORING_SETUP_NO_SQARRAY | IORING_SETUP_SQE128 | IORING_SETUP_CQE32,
		IORING_SETUP_SQPOLL | IORING_SETUP_SUBMIT_ALL,
	};
	struct ring r;

	for (unsigned s = 0; s < sizeof(setups) / sizeof(setups[0]); s++) {
		ring_open(&r, ENTRIES, setups[s] | (urgent ? IORING_SETUP_URGENT : 0));
		for (unsigned i = 0; i < rounds; i++) {
			struct batch b = exact_batch(urgent);

			batch_check(&r, &b, true);
		}
		ring_expect_quiet(&r);
		ring_close(&r);
	}
}

void random_plain(void)
{
	check_exact(false);
}

void random_urgent(void)
{
	check_exact(true);
}

static struct batch loose_batch(bool urgent)
{
	unsigned u = (unsigned[]){ 0, 2, 8, 14 }[below(4)], a = below(6), d = below(4), l = below(10);
	struct batch b = { .n = 1 + below(one_in(3) ? ENTRIES : 10) };

	for (unsigned i = 0; i < b.n; i++) {
		struct item *it = &b.item[i];

		it->urgent = urgent && below(16) < u;
		it->async = below(16) < a;
		it->drain = below(24) < d;
		it->fails = one_in(24);
		it->refused = one_in(32) && !it->drain ? 1 + below(REFUSED_WAYS) : 0;
		if (below(16) < l) {
			it->hard = one_in(3);
			it->link = !it->hard;
		}
	}
	return b;
}

static void check_loose(bool urgent)
{
	static const unsigned setups[] = { 0, IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN, IORING_SETUP_SQPOLL };
	static struct batch b[4];
	struct ring r;

	for (unsigned s = 0; s < sizeof(setups) / sizeof(setups[0]); s++) {
		ring_open(&r, ENTRIES, setups[s] | IORING_SETUP_SUBMIT_ALL | (urgent ? IORING_SETUP_URGENT : 0));
		for (unsigned i = 0; i < rounds / 4; i++) {
			unsigned n = 1;

			/* The SQ thread may take several batches as one, where chains that are cut would go on. */
			if (setups[s] != IORING_SETUP_SQPOLL)
				n += below(3);
			for (unsigned k = 0; k < n; k++)
				b[k] = loose_batch(urgent);
			batches_check_loosely(&r, b, n);
		}
		ring_expect_quiet(&r);
		ring_close(&r);
	}
}

void random_loose_plain(void)
{
	check_loose(false);
}

void random_loose_urgent(void)
{
	check_loose(true);
}

/* The thread that flips. */
struct flipper {
	struct ring *r;
	unsigned flags; /* those that it may set */
	bool stop;
};

static void *flip(void *of)
{
	struct flipper *f = of;
	uint64_t x = seed | 1;

	while (!__atomic_load_n(&f->stop, __ATOMIC_RELAXED)) {
		struct io_uring_sqe *sqe;
		unsigned flags;

		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		sqe = (void *)(f->r->sqes + (size_t)(x >> 8 & f->r->sq_mask) * f->r->sqe_size);
		/* Mostly one flag or none: with more of them, nearly all would be refused. */
		flags = (unsigned)(x >> 32) & f->flags;
		if (x >> 60 & 1)
			flags &= (unsigned)(x >> 20);
		if (x >> 61 & 1)
			flags &= (unsigned)(x >> 40);
		__atomic_store_n(&sqe->flags, (__u8)flags, __ATOMIC_RELAXED);
	}
	return NULL;
}

static void race(unsigned setup, unsigned flags)
{
	enum { N = 32 };
	struct flipper f = { .flags = flags };
	struct seen seen[N];
	unsigned results[3] = { 0 };
	pthread_t thread;
	uint64_t until = now_ms() + 1000 * (factor > 3 ? 3 : factor);
	struct ring r;
	int failed;

	ring_open(&r, N, setup | IORING_SETUP_SUBMIT_ALL);
	f.r = &r;
	failed = pthread_create(&thread, NULL, flip, &f);
	expect(!failed, "pthread_create: %s", strerror(failed));
	for (unsigned turn = 0; now_ms() < until || turn < 200; turn++) {
		uint64_t base = (uint64_t)turn * N, mask = 0;
		unsigned n = 1 + below(N);

		for (unsigned i = 0; i < n; i++)
			ring_nop(&r, 0, base + i);
		ring_submit(&r, n);
		ring_collect(&r, seen, n);
		for (unsigned i = 0; i < n; i++) {
			uint64_t bit = 1ULL << (seen[i].data - base);

			expect(seen[i].data - base < n && !(mask & bit), "expected one CQE an SQE, saw number %lld of %u twice",
			       (long long)(seen[i].data - base), n);
			mask |= bit;
			expect(seen[i].res == 0 || seen[i].res == -EINVAL || seen[i].res == -ECANCELED,
			       "expected 0, -EINVAL or -ECANCELED, saw %d", seen[i].res);
			results[seen[i].res ? 1 + (seen[i].res == -ECANCELED) : 0]++;
		}
		while (ring_unconsumed(&r))
			usleep(10);
	}
	__atomic_store_n(&f.stop, true, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
	ring_expect_quiet(&r);
	/* Where URGENT|DRAIN is possible, it must have been met: else the thread raced with nothing. */
	if (flags & IOSQE_URGENT && flags & IOSQE_IO_DRAIN)
		expect(results[1] && results[0], "expected some of both results, saw %u done and %u refused", results[0],
		       results[1]);
}

enum { STOCK_FLAGS = IOSQE_IO_DRAIN | IOSQE_IO_LINK | IOSQE_IO_HARDLINK | IOSQE_ASYNC };

void race_plain(void)
{
	race(0, STOCK_FLAGS);
}

void race_urgent(void)
{
	race(IORING_SETUP_URGENT, IOSQE_URGENT | IOSQE_IO_DRAIN);
	race(IORING_SETUP_URGENT, IOSQE_URGENT | STOCK_FLAGS);
}

void race_sqpoll(void)
{
	race(IORING_SETUP_URGENT | IORING_SETUP_SQPOLL, IOSQE_URGENT | IOSQE_IO_DRAIN | IOSQE_ASYNC);
	race(IORING_SETUP_URGENT | IORING_SETUP_SQPOLL, IOSQE_URGENT | STOCK_FLAGS);
}
