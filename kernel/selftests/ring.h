/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A ring by raw system calls: small, without any cleverness, and with all that a test wants to reach: the array
 * of indices, the place of an SQE, the heads and tails.
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
	unsigned tail; /* ours: what was filled, published or not */
	char *sqes, *cqes;
	char *rings;
	size_t sqes_size, rings_size;
	unsigned enter_flags; /* of every call: where fd is an index of registered rings */
};

/* A completion as it was seen. */
struct seen {
	uint64_t data;
	int res;
	unsigned flags;
};

/* Opens a ring or ends the test; with IORING_SETUP_URGENT on a kernel that has none, as absent. */
void ring_open(struct ring *r, unsigned entries, unsigned flags);
/* The same; 0 or what io_uring_setup said. Of *p, cq_entries and the SQ thread's fields are heeded. */
int ring_try(struct ring *r, unsigned entries, unsigned flags, struct io_uring_params *p);
/* All that holds the ring: its descriptor, its memory. */
void ring_close(struct ring *r);
bool kernel_has_urgent(void);

/* The next SQE, zeroed, in its natural place; or in the place of your choice. */
struct io_uring_sqe *ring_sqe(struct ring *r);
struct io_uring_sqe *ring_sqe_in(struct ring *r, unsigned slot);
/* The same with an opcode, flags and user data; nop: a NOP. */
struct io_uring_sqe *ring_op(struct ring *r, unsigned op, unsigned flags, uint64_t data);
void ring_nop(struct ring *r, unsigned flags, uint64_t data);
void ring_rw(struct ring *r, unsigned op, unsigned flags, uint64_t data, int fd, void *to, unsigned len, uint64_t at);
/* Of the SQE that was filled last. */
void ring_set_ioprio(struct ring *r, unsigned short ioprio);

/* Publishes what was filled and submits up to n of it, in one call or, with SQPOLL, by the thread: what the call
 * returned (or -errno). ring_submit_all expects that all was taken. */
int ring_submit(struct ring *r, unsigned n);
void ring_submit_all(struct ring *r);
int ring_enter(struct ring *r, unsigned submit, unsigned complete, unsigned flags);
/* How many are filled, and not yet consumed by the kernel. */
unsigned ring_unconsumed(struct ring *r);

/* Takes what is there, at most n; takes exactly n, waiting; expects that nothing more comes for a while. */
unsigned ring_take(struct ring *r, struct seen *out, unsigned n);
void ring_collect(struct ring *r, struct seen *out, unsigned n);
void ring_expect_quiet(struct ring *r);

/* io_uring_register, or the test ends. */
void ring_register(struct ring *r, unsigned op, void *arg, unsigned n);

/* A number that fdinfo of this ring gives, or -1: the n-th after the key. */
long long ring_fdinfo(struct ring *r, const char *key, unsigned n);

#endif
