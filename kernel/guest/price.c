// SPDX-License-Identifier: GPL-2.0
/*
 * What a batch of NOPs costs, in instructions: of io_uring_enter from the call to the return, the kernel's and the
 * few of the call itself. It is the only program of the guests of kernel/price, and ends them. Prints
 *
 *	kernel RELEASE
 *	price RING BATCH MEAN MEDIAN	instructions a batch: of all rounds
 *	price RING absent		a ring that this kernel does not know
 *	done
 *
 * RING is plain (no flag), flag (IORING_SETUP_URGENT, no urgent request) or urgent (the last one of each 32 requests
 * is urgent: the worst place, as it is issued before all the others). A round is 128 requests, in batches of
 * BATCH each, so that one of 32 is urgent where batches are smaller than that, too.
 *
 * The clock is the time stamp counter: under QEMU's `-icount shift=0` it goes on by one with each instruction of the
 * only CPU. That it does is checked first.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/reboot.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "../selftests/ring.h"

/* The first rounds fill caches. Some meet a timer's interrupt: the median does not heed it, the mean does. */
enum { WARMUP = 20, ROUNDS = 401, REQUESTS = 128, EVERY = 32, LOOP = 10000 };

static _Noreturn void end(void)
{
	fflush(stdout);
	if (getpid() == 1)
		reboot(RB_POWER_OFF);
	exit(1);
}

/* What ring.c wants; it calls absent() from ring_open() only. */
void fail(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	printf("failed: ");
	vprintf(format, args);
	va_end(args);
	printf("\n");
	end();
}

void absent(const char *what)
{
	fail("%s", what);
}

static inline uint64_t now(void)
{
	uint32_t low, high;

	asm volatile("rdtsc" : "=a"(low), "=d"(high)::"memory");
	return (uint64_t)high << 32 | low;
}

static int by_size(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static uint64_t median(uint64_t *of, unsigned n)
{
	qsort(of, n, sizeof(*of), by_size);
	return of[n / 2];
}

/* What two readings of the clock are apart with nothing in between. */
static uint64_t clock_cost(void)
{
	uint64_t cost[ROUNDS], begun;

	for (unsigned i = 0; i < ROUNDS; i++) {
		begun = now();
		cost[i] = now() - begun;
	}
	return median(cost, ROUNDS);
}

/* A loop of two instructions must be as many as they are, but for what the compiler puts around it. */
static void check_clock(uint64_t cost)
{
	uint64_t took[ROUNDS], begun;
	long long seen;

	for (unsigned i = 0; i < ROUNDS; i++) {
		uint32_t left;

		begun = now();
		asm volatile("movl %1, %0\n1: decl %0\njnz 1b" : "=&r"(left) : "i"(LOOP) : "cc");
		took[i] = now() - begun;
	}
	seen = (long long)(median(took, ROUNDS) - cost);
	expect(llabs(seen - 2 * LOOP) <= 8,
	       "the clock does not count instructions: %d took %lld. It does under QEMU's -icount shift=0", 2 * LOOP,
	       seen);
}

/* Without the C library, which has instructions of its own. */
static inline long enter(int fd, unsigned n)
{
	register long r10 asm("r10") = 0, r8 asm("r8") = 0, r9 asm("r9") = 0;
	long ret;

	asm volatile("syscall"
		     : "=a"(ret)
		     : "a"((long)__NR_io_uring_enter), "D"((long)fd), "S"((long)n), "d"(0L), "r"(r10), "r"(r8), "r"(r9)
		     : "rcx", "r11", "memory");
	return ret;
}

/* Fills a batch, submits it, and takes what came of it: how many instructions submitting was. */
static uint64_t submit(struct ring *r, unsigned batch, unsigned done, bool urgent)
{
	struct seen seen[REQUESTS];
	uint64_t begun, took;
	long ret;

	for (unsigned i = 0; i < batch; i++)
		ring_nop(r, urgent && (done + i) % EVERY == EVERY - 1 ? IOSQE_URGENT : 0, i);
	__atomic_store_n(r->sq_tail, r->tail, __ATOMIC_RELEASE);
	begun = now();
	ret = enter(r->fd, batch);
	took = now() - begun;
	expect_is("io_uring_enter", batch, ret);
	expect_is("completions", batch, ring_take(r, seen, batch));
	for (unsigned i = 0; i < batch; i++)
		expect_is("the result of a NOP", 0, seen[i].res);
	/* That it was another ring than the plain one is seen by the order. */
	if (batch >= EVERY)
		expect_is("the first completion", urgent ? EVERY - 1 : 0, (long long)seen[0].data);
	return took;
}

/* The same of all batches of a round, with the clock's own. */
static uint64_t round_of(struct ring *r, unsigned batch, bool urgent)
{
	uint64_t took = 0;

	for (unsigned done = 0; done < REQUESTS; done += batch)
		took += submit(r, batch, done, urgent);
	return took;
}

static void measure(const char *name, unsigned flags, bool urgent, unsigned batch, uint64_t cost)
{
	unsigned batches = REQUESTS / batch;
	uint64_t round[ROUNDS], all = 0;
	struct ring r;

	ring_open(&r, REQUESTS, flags);
	for (unsigned i = 0; i < WARMUP; i++)
		round_of(&r, batch, urgent);
	for (unsigned i = 0; i < ROUNDS; i++) {
		round[i] = round_of(&r, batch, urgent) - batches * cost;
		all += round[i];
	}
	ring_close(&r);
	printf("price %s %u %.3f", name, batch, (double)all / ROUNDS / batches);
	printf(" %.3f\n", (double)median(round, ROUNDS) / batches);
}

int main(void)
{
	static const unsigned sizes[] = { 1, 8, 32, 128 };
	static const struct {
		const char *name;
		unsigned flags;
		bool urgent;
	} rings[] = {
		{ "plain", 0, false },
		{ "flag", IORING_SETUP_URGENT, false },
		{ "urgent", IORING_SETUP_URGENT, true },
	};
	uint64_t cost = clock_cost();
	struct utsname name;

	uname(&name);
	/* What the kernel says may have no line's end before it. */
	printf("\nkernel %s\n", name.release);
	check_clock(cost);
	for (unsigned k = 0; k < sizeof(rings) / sizeof(*rings); k++) {
		if (rings[k].flags && !kernel_has_urgent()) {
			printf("price %s absent\n", rings[k].name);
			continue;
		}
		for (unsigned i = 0; i < sizeof(sizes) / sizeof(*sizes); i++)
			measure(rings[k].name, rings[k].flags, rings[k].urgent, sizes[i], cost);
	}
	printf("done\n");
	end();
}
