/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Batches as a line of text, and a model of what the kernel has to do with them.
 *
 * A batch is words, one an SQE, all NOPs: 'n', or 'u' for an urgent one, followed by any of
 *   -  linked to the next        =  hard linked to the next      &  IOSQE_ASYNC
 *   |  IOSQE_IO_DRAIN            ~  IOSQE_CQE_SKIP_SUCCESS
 *   !  fails when it is issued   *  is refused when it is read
 * so that "n u- n n" is four NOPs, of which the second and the third are a chain that is urgent.
 */
#ifndef MODEL_H
#define MODEL_H

#include "ring.h"

enum { MODEL_MAX = 256 };

struct item {
	bool urgent, link, hard, async, drain, skip, fails;
	unsigned refused; /* 0, or in which way */
};

enum { REFUSED_WAYS = 4 };

struct batch {
	unsigned n;
	struct item item[MODEL_MAX];
};

struct batch batch_of(const char *words);
/* The words of a batch: in a buffer that the next call uses again. */
const char *batch_words(const struct batch *b);

/* Puts a batch into a ring, its user data counting from a base; submits nothing. With plain, urgent flags are left out. */
void batch_fill(struct ring *r, const struct batch *b, uint64_t base, bool plain);
void item_fill(struct io_uring_sqe *sqe, const struct item *it, uint64_t data, bool plain);

/* What is expected: how many SQEs are consumed, which CQEs come, in which order if all are issued inline. */
struct expected {
	unsigned consumed, n;
	struct {
		unsigned index;
		int res;
	} cqe[MODEL_MAX];
};

void model(const struct batch *b, bool urgent, bool submit_all, struct expected *out);

/* The units of a batch, single requests or chains: the index of the first item of the unit that has item i. */
unsigned unit_head(const struct batch *b, unsigned i);

/* Submits a batch, collects what is expected and compares: consumed SQEs, head, CQEs; with ordered, their order. */
void batch_check(struct ring *r, const struct batch *b, bool ordered);
/* Submits batches one right after the other, of all of them collects what is expected, and checks what holds however
 * they interleave: each SQE's result, the order within chains, and that a drained unit comes after all before it. For
 * a ring with SUBMIT_ALL. */
void batches_check_loosely(struct ring *r, const struct batch *b, unsigned n);
/* The same with the order written out, as "1 0 2": an order that does not come from the model. */
void batch_check_order(struct ring *r, const char *words, const char *order);

#endif
