// SPDX-License-Identifier: GPL-2.0
/* Batch counters in fdinfo and in the tracepoint: known batches and their expected counts. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "model.h"
#include "trace.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static void expect_counter(struct ring *r, const char *key, long long wanted)
{
	expect_is(key, wanted, ring_fdinfo(r, key, 0));
}

void counters_plain(void)
{
	static const unsigned sizes[] = { 1, 2, 3, 4, 7, 8, 15, 16, 31, 32, 1, 64, 33 };
	long long batches = 0, requests = 0, histogram[16] = { 0 };
	static struct seen seen[64];
	struct ring r;

	ring_open(&r, 64, IORING_SETUP_SUBMIT_ALL);
	if (ring_fdinfo(&r, "SubmitBatches", 0) < 0)
		absent("fdinfo has no SubmitBatches");
	expect_counter(&r, "SubmitBatches", 0);
	for (unsigned i = 0; i < COUNT(sizes); i++) {
		for (unsigned j = 0; j < sizes[i]; j++)
			ring_nop(&r, 0, j);
		ring_submit_all(&r);
		ring_collect(&r, seen, sizes[i]);
		batches++;
		requests += sizes[i];
		histogram[31 - __builtin_clz(sizes[i])]++;
	}
	/* Requests submission of an empty ring; waiting alone requests nothing. */
	for (unsigned i = 0; i < 3; i++)
		expect_is("io_uring_enter of an empty ring", 0, ring_submit(&r, 5));
	ring_enter(&r, 0, 0, IORING_ENTER_GETEVENTS);
	expect_counter(&r, "SubmitBatches", batches);
	expect_counter(&r, "SubmitRequests", requests);
	expect_counter(&r, "SubmitLargest", 64);
	expect_counter(&r, "SubmitEmpty", 3);
	expect_counter(&r, "SubmitUrgent", 0);
	expect_counter(&r, "SubmitJumped", 0);
	expect_counter(&r, "SubmitDrainFlushes", 0);
	for (unsigned b = 0; b < 16; b++)
		expect(ring_fdinfo(&r, "SubmitHistogram", b) == histogram[b], "bucket %u: expected %lld, saw %lld", b,
		       histogram[b], ring_fdinfo(&r, "SubmitHistogram", b));
	expect_is("a 17th bucket", -1, ring_fdinfo(&r, "SubmitHistogram", 16));
}

/* A batch and its expected counts: urgent requests, units that jumped, units held, drains that released requests. */
static const struct known {
	const char *words;
	unsigned urgent, jumped, held, drains;
} known[] = {
	{ "n n n", 0, 0, 0, 0 },	   { "n n u", 1, 1, 2, 0 },	   { "u n n", 1, 0, 2, 0 },
	{ "u u", 2, 0, 0, 0 },		   { "n u n u", 2, 2, 2, 0 },	   { "n u- n u", 2, 2, 1, 0 },
	{ "n- u n", 1, 0, 1, 0 },	   { "n n- u- n n", 1, 1, 2, 0 },  { "n- n n- n u u", 2, 2, 2, 0 },
	{ "n u n n| n", 1, 1, 2, 1 },	   { "n| u n u", 2, 0, 0, 0 },	   { "u u n| n", 2, 0, 0, 0 },
	/* The next request finds that no drain waits; until then nothing is held. */
	{ "n", 0, 0, 0, 0 },
	/* A chain cut by the end of the batch, urgent and not. */
	{ "n n u-", 1, 1, 2, 0 },	   { "u n n-", 1, 0, 1, 0 },
	{ "n u* n", 1, 1, 2, 0 },	   { "n! u! n", 1, 1, 2, 0 },
};

static void submit(struct ring *r, const struct known *k)
{
	static struct seen seen[16];
	struct batch b = batch_of(k->words);

	batch_fill(r, &b, 0, false);
	ring_submit_all(r);
	ring_collect(r, seen, b.n);
}

void counters_urgent(void)
{
	long long urgent = 0, jumped = 0, drains = 0, requests = 0;
	struct ring r;

	ring_open(&r, 16, IORING_SETUP_URGENT | IORING_SETUP_SUBMIT_ALL);
	for (unsigned i = 0; i < COUNT(known); i++) {
		submit(&r, &known[i]);
		urgent += known[i].urgent;
		jumped += known[i].jumped;
		drains += known[i].drains;
		requests += batch_of(known[i].words).n;
		expect(ring_fdinfo(&r, "SubmitUrgent", 0) == urgent && ring_fdinfo(&r, "SubmitJumped", 0) == jumped &&
			       ring_fdinfo(&r, "SubmitDrainFlushes", 0) == drains,
		       "after \"%s\": expected urgent %lld, jumped %lld, drain flushes %lld, saw %lld, %lld, %lld",
		       known[i].words, urgent, jumped, drains, ring_fdinfo(&r, "SubmitUrgent", 0),
		       ring_fdinfo(&r, "SubmitJumped", 0), ring_fdinfo(&r, "SubmitDrainFlushes", 0));
		expect_counter(&r, "SubmitBatches", i + 1);
		expect_counter(&r, "SubmitRequests", requests);
	}
}

/* Returns the next batch event of a task with this name, from *at on. */
static const char *next_event(const char **at, const char *task)
{
	const char *line = *at, *end;

	for (; *line; line = end + 1) {
		char head[64];

		end = strchr(line, '\n');
		if (!end)
			break;
		snprintf(head, sizeof(head), "%.60s", line);
		if (strstr(head, task) && strstr(line, "io_uring_submit_batch:") &&
		    strstr(line, "io_uring_submit_batch:") < end) {
			*at = end + 1;
			return strstr(line, "io_uring_submit_batch:");
		}
	}
	return NULL;
}

static void expect_event(const char *line, const struct known *k, unsigned asked, unsigned sq_thread)
{
	unsigned n = batch_of(k->words).n;

	expect(line != NULL, "\"%s\": expected an event, saw none", k->words);
	expect(trace_field(line, "nr") == asked && trace_field(line, "avail") == n && trace_field(line, "submitted") == n &&
		       trace_field(line, "urgent") == k->urgent && trace_field(line, "held") == k->held &&
		       trace_field(line, "sq_thread") == sq_thread,
	       "\"%s\": expected nr %u, avail %u, submitted %u, urgent %u, held %u, sq_thread %u, saw %.160s", k->words, asked,
	       n, n, k->urgent, k->held, sq_thread, line);
}

void counters_trace(void)
{
	const char *at, *line;
	char task[32], *trace;
	struct ring r, plain;

	if (!trace_begin("io_uring/io_uring_submit_batch"))
		absent("no event io_uring_submit_batch");
	ring_open(&r, 16, IORING_SETUP_URGENT | IORING_SETUP_SUBMIT_ALL);
	ring_open(&plain, 16, 0);
	for (unsigned i = 0; i < COUNT(known); i++)
		submit(&r, &known[i]);
	/* A plain ring; more requested than available; a batch that is cut. */
	for (unsigned i = 0; i < 3; i++)
		ring_nop(&plain, 0, i);
	expect_is("io_uring_enter", 3, ring_submit(&plain, 10));
	ring_nop(&plain, 0, 3);
	ring_nop(&plain, IOSQE_URGENT, 4);
	ring_nop(&plain, 0, 5);
	expect_is("io_uring_enter", 2, ring_submit(&plain, 3));
	at = trace = trace_end();
	snprintf(task, sizeof(task), "-%d ", (int)getpid());
	for (unsigned i = 0; i < COUNT(known); i++)
		expect_event(next_event(&at, task), &known[i], batch_of(known[i].words).n, 0);
	expect_event(next_event(&at, task), &(struct known){ "n n n", 0, 0, 0, 0 }, 10, 0);
	line = next_event(&at, task);
	expect(line && trace_field(line, "nr") == 3 && trace_field(line, "avail") == 3 && trace_field(line, "submitted") == 2,
	       "expected nr 3, avail 3, submitted 2 for a batch that is cut, saw %.160s", line ? line : "nothing");
	free(trace);
}

void counters_sqpoll(void)
{
	const char *at, *line;
	char *trace;
	struct ring r;

	if (!trace_begin("io_uring/io_uring_submit_batch"))
		absent("no event io_uring_submit_batch");
	ring_open(&r, 16, IORING_SETUP_URGENT | IORING_SETUP_SQPOLL | IORING_SETUP_SUBMIT_ALL);
	for (unsigned i = 0; i < COUNT(known); i++) {
		struct batch b = batch_of(known[i].words);
		struct seen seen[16];

		batch_fill(&r, &b, 0, false);
		ring_submit(&r, b.n);
		ring_collect(&r, seen, b.n);
		while (ring_unconsumed(&r))
			usleep(100);
	}
	/* The event comes after the head has moved. */
	pause_ms(50);
	expect_counter(&r, "SubmitBatches", COUNT(known));
	at = trace = trace_end();
	for (unsigned i = 0; i < COUNT(known); i++) {
		line = next_event(&at, "iou-sqp-");
		expect_event(line, &known[i], batch_of(known[i].words).n, 1);
	}
	free(trace);
}
