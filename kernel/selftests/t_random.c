// SPDX-License-Identifier: GPL-2.0
/* Random batches compared with the model, and a thread that changes flags while the kernel reads them. */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "model.h"

enum { ENTRIES = 64 };

/* A batch whose requests all complete inline: no ASYNC, no drain, no cut chain. */
static struct batch exact_batch(bool urgent)
{
	/* How many in 16 are urgent, linked or failing; varies from batch to batch. */
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

/* With drains or with refusals, never both: a drain depends on the number of CQEs, and 6.12 loses a waiting drain when a
 * later request is refused and therefore completes early. */
static struct batch loose_batch(bool urgent, bool drains)
{
	unsigned u = (unsigned[]){ 0, 2, 8, 14 }[below(4)], a = below(6), d = below(4), l = below(10);
	struct batch b = { .n = 1 + below(one_in(3) ? ENTRIES : 10) };

	for (unsigned i = 0; i < b.n; i++) {
		struct item *it = &b.item[i];

		it->urgent = urgent && below(16) < u;
		it->async = below(16) < a;
		/* URGENT together with DRAIN would be refused. */
		it->drain = drains && !it->urgent && below(24) < d;
		it->fails = one_in(24);
		it->refused = !drains && one_in(32) ? 1 + below(REFUSED_WAYS) : 0;
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
			bool drains = one_in(2);
			unsigned n = 1;

			/* The SQ thread may take several batches as one, in which cut chains would continue. */
			if (setups[s] != IORING_SETUP_SQPOLL)
				n += below(3);
			for (unsigned k = 0; k < n; k++)
				b[k] = loose_batch(urgent, drains);
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

/* A thread that flips flags, but never sets URGENT with DRAIN, which would be refused (see loose_batch). */
struct flipper {
	struct ring *r;
	unsigned flags; /* flags that it may set */
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
		/* Only a few at a time. */
		flags = (unsigned)(x >> 32 & x >> 20) & f->flags;
		if (flags & IOSQE_URGENT)
			flags &= ~(unsigned)IOSQE_IO_DRAIN;
		__atomic_store_n(&sqe->flags, (__u8)flags, __ATOMIC_RELAXED);
	}
	return NULL;
}

static void race(unsigned setup, unsigned flags)
{
	enum { N = 32 };
	struct flipper f = { .flags = flags };
	struct seen seen[N];
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
		snprintf(doing, DOING_SIZE, "turn %u of setup %#x with flags %#x", turn, setup, flags);
		ring_submit(&r, n);
		ring_collect(&r, seen, n);
		for (unsigned i = 0; i < n; i++) {
			uint64_t bit = 1ULL << (seen[i].data - base);

			expect(seen[i].data - base < n && !(mask & bit), "expected one CQE per SQE, saw number %lld of %u twice",
			       (long long)(seen[i].data - base), n);
			mask |= bit;
			expect_is("result", 0, seen[i].res);
		}
		while (ring_unconsumed(&r))
			usleep(10);
	}
	__atomic_store_n(&f.stop, true, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
	ring_expect_quiet(&r);
	if (!(flags & IOSQE_URGENT))
		return;
	/* Without urgent flags seen and a drain while requests were held, there was no race. */
	expect(ring_fdinfo(&r, "SubmitJumped", 0) > 0, "expected some requests to jump, saw none");
	expect(ring_fdinfo(&r, "SubmitDrainFlushes", 0) > 0, "expected some drains while requests were held, saw none");
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
