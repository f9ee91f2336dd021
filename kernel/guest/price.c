// SPDX-License-Identifier: GPL-2.0
/*
 * Measures the cost of a batch of NOPs in instructions: io_uring_enter from call to return, in the kernel and for the
 * call itself. It is the only program in the guests of kernel/price, and powers them off. Prints
 *
 *	kernel RELEASE
 *	price RING BATCH MEAN MEDIAN	instructions per batch, over all rounds
 *	price RING absent		this kernel does not support the ring
 *	done
 *
 * RING is plain (no flag), flag (IORING_SETUP_URGENT, no urgent request) or urgent (the last one of each 32 requests
 * is urgent: the worst place, because it is issued before all the others). A round is 128 requests in batches of BATCH,
 * so that one of 32 is urgent also in smaller batches.
 *
 * The clock is the time stamp counter: under QEMU's `-icount shift=0` it advances by one with each instruction of the
 * only CPU. This is checked first.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/reboot.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "../selftests/ring.h"

/* The first rounds fill caches. Some include a timer interrupt, which affects the mean but not the median. */
enum { WARMUP = 20, ROUNDS = 401, REQUESTS = 128, EVERY = 32, LOOP = 10000 };

static _Noreturn void end(void)
{
	fflush(stdout);
	if (getpid() == 1)
		reboot(RB_POWER_OFF);
	exit(1);
}

/* Required by ring.c; it calls absent() only from ring_open(). */
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

/* The difference of two consecutive clock readings. */
static uint64_t clock_cost(void)
{
	uint64_t cost[ROUNDS], begun;

	for (unsigned i = 0; i < ROUNDS; i++) {
		begun = now();
		cost[i] = now() - begun;
	}
	return median(cost, ROUNDS);
}

/* A loop of two instructions must count as that many, apart from instructions added by the compiler. */
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
	       "the clock does not count instructions: %d took %lld; it does under QEMU's -icount shift=0", 2 * LOOP,
	       seen);
}

/* Without the C library, which adds instructions. */
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

/* Fills a batch, submits it, and takes its completions; returns the instructions of the submission. */
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
	/* The order shows that the ring is not the plain one. */
	if (batch >= EVERY)
		expect_is("the first completion", urgent ? EVERY - 1 : 0, (long long)seen[0].data);
	return took;
}

/* The same for all batches of a round, including the cost of the clock. */
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
	/* The last kernel message may lack a newline. */
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
