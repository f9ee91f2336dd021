/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A ring by raw system calls: small and simple, with access to everything a test needs: the index array, the position
 * of an SQE, the heads and tails.
 */
#ifndef RING_H
#define RING_H

#include "test.h"
#include "uapi.h"

struct ring {
	int fd;
	struct io_uring_params p;
	unsigned *sq_head, *sq_tail, *sq_flags, *sq_dropped, *sq_array;
	unsigned *cq_head, *cq_tail;
	unsigned sq_mask, cq_mask, sqe_size, cqe_size;
	unsigned tail; /* ours: SQEs filled, published or not */
	char *sqes, *cqes;
	char *rings;
	size_t sqes_size, rings_size;
	unsigned enter_flags; /* added to every call; needed if fd is an index of registered rings */
};

/* A completion seen by the test. */
struct seen {
	uint64_t data;
	int res;
	unsigned flags;
};

/* Opens a ring or ends the test (as absent, if the kernel lacks a requested IORING_SETUP_URGENT). */
void ring_open(struct ring *r, unsigned entries, unsigned flags);
/* The same; returns the result of io_uring_setup. Of *p, cq_entries and the fields of the SQ thread are used. */
int ring_try(struct ring *r, unsigned entries, unsigned flags, struct io_uring_params *p);
/* Releases the ring: its descriptor and its memory. */
void ring_close(struct ring *r);
bool kernel_has_urgent(void);

/* Returns the next SQE, zeroed, in its natural slot; or in a given slot. */
struct io_uring_sqe *ring_sqe(struct ring *r);
struct io_uring_sqe *ring_sqe_in(struct ring *r, unsigned slot);
/* The same with opcode, flags and user data; as a NOP; as a read or write. */
struct io_uring_sqe *ring_op(struct ring *r, unsigned op, unsigned flags, uint64_t data);
void ring_nop(struct ring *r, unsigned flags, uint64_t data);
void ring_rw(struct ring *r, unsigned op, unsigned flags, uint64_t data, int fd, void *to, unsigned len, uint64_t at);
/* Sets the priority of the last SQE filled. */
void ring_set_ioprio(struct ring *r, unsigned short ioprio);

/* Publishes the filled SQEs and submits up to n of them, in one call or, with SQPOLL, by the thread. Returns the result
 * of the call (or -errno). ring_submit_all expects that all are taken. */
int ring_submit(struct ring *r, unsigned n);
void ring_submit_all(struct ring *r);
int ring_enter(struct ring *r, unsigned submit, unsigned complete, unsigned flags);
/* Number of SQEs filled and not yet consumed by the kernel. */
unsigned ring_unconsumed(struct ring *r);

/* Takes available completions, at most n; waits for exactly n; expects that no more come for a while. */
unsigned ring_take(struct ring *r, struct seen *out, unsigned n);
void ring_collect(struct ring *r, struct seen *out, unsigned n);
void ring_expect_quiet(struct ring *r);

/* Calls io_uring_register; ends the test on failure. */
void ring_register(struct ring *r, unsigned op, void *arg, unsigned n);

/* Returns the n-th number after a key in the fdinfo of this ring, or -1. */
long long ring_fdinfo(struct ring *r, const char *key, unsigned n);

#endif
