// SPDX-License-Identifier: GPL-2.0
/* Drained requests wait for all before them, and urgent requests never pass a drain. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "model.h"

static void check_loosely(struct ring *r, const char *words)
{
	struct batch b = batch_of(words);

	batches_check_loosely(r, &b, 1);
}

void drain_plain(void)
{
	static const char *const words[] = { "n n n| n", "n|", "n& n| n", "n- n n| n- n", "n n-| n n", "n n- n| n n" };
	struct ring r;

	ring_open(&r, 16, IORING_SETUP_SUBMIT_ALL);
	for (unsigned i = 0; i < 60; i++)
		check_loosely(&r, words[i % 6]);
	ring_expect_quiet(&r);
}

void drain_urgent(void)
{
	static const char *const words[] = {
		"n n| u n u",	 "n u n| n u",	  "n u n u n n|",    "n| u n u",     "n u n n| n n| u n|",
		"n n-| u n u",	 "n u- n| n u",	  "n u- n n- n| u u- n", "n& u n| u& n", "n u n- n n| u n- u n",
	};
	static const unsigned setups[] = { 0, IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN, IORING_SETUP_SQPOLL };
	struct ring r;

	for (unsigned s = 0; s < 3; s++) {
		ring_open(&r, 16, IORING_SETUP_URGENT | IORING_SETUP_SUBMIT_ALL | setups[s]);
		for (unsigned i = 0; i < 200; i++)
			check_loosely(&r, words[i % 10]);
		ring_expect_quiet(&r);
		/* Afterwards batches without drains are sorted again, once a request has found that no drain waits. */
		check_loosely(&r, "n");
		batch_check_order(&r, "n n u", "2 0 1");
		ring_close(&r);
	}
}

/* A read of an empty pipe keeps a drain waiting while the next batches are submitted. */
void drain_active(void)
{
	struct seen seen[7];
	struct ring r;
	int ends[2];
	char byte;

	ring_open(&r, 8, IORING_SETUP_URGENT);
	expect(pipe(ends) == 0, "pipe: %s", strerror(errno));
	for (unsigned turn = 0; turn < 5; turn++) {
		ring_rw(&r, IORING_OP_READ, 0, 0, ends[0], &byte, 1, 0);
		ring_nop(&r, IOSQE_IO_DRAIN, 1);
		ring_nop(&r, 0, 2);
		ring_nop(&r, IOSQE_URGENT, 3);
		ring_submit_all(&r);
		ring_nop(&r, 0, 4);
		ring_nop(&r, IOSQE_URGENT, 5);
		ring_submit_all(&r);
		ring_nop(&r, IOSQE_URGENT, 6);
		ring_submit_all(&r);
		pause_ms(20);
		ring_enter(&r, 0, 0, IORING_ENTER_GETEVENTS);
		expect(!ring_take(&r, seen, 1), "expected no completion before the drain can start, saw number %llu",
		       (unsigned long long)seen[0].data);
		expect_is("write", 1, write(ends[1], "x", 1));
		ring_collect(&r, seen, 7);
		expect_is("first", 0, (long long)seen[0].data);
		for (unsigned i = 0; i < 7; i++)
			expect_is("result", seen[i].data == 0, seen[i].res);
		ring_expect_quiet(&r);
	}
}

void drain_async(void)
{
	static const char *const words[] = {
		"n& n| u",	"n& n u n| u n",    "n& n& n| u u",   "n& u n n|",	   "u& n| u",	  "n u& n| n& u",
		"n n& n u n| u", "n- n& n| u- n n u", "n&- n n| u u- n", "n& n u n& n| u& n", "n& n&| u", "u& n&| u& n&|",
	};
	static const unsigned setups[] = { 0, IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN, IORING_SETUP_SQPOLL };
	struct ring r;

	for (unsigned s = 0; s < 3; s++) {
		ring_open(&r, 16, IORING_SETUP_URGENT | IORING_SETUP_SUBMIT_ALL | setups[s]);
		for (unsigned i = 0; i < 360; i++)
			check_loosely(&r, words[i % 12]);
		ring_expect_quiet(&r);
		ring_close(&r);
	}
}
