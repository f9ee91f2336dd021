/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Batches as a line of text, and a model of what the kernel must do with them.
 *
 * A batch is a list of words, one per SQE, all NOPs: 'n', or 'u' for an urgent one, followed by any of
 *   -  linked to the next        =  hard linked to the next      &  IOSQE_ASYNC
 *   |  IOSQE_IO_DRAIN            ~  IOSQE_CQE_SKIP_SUCCESS
 *   !  fails when it is issued   *  is refused when it is read
 * For example, "n u- n n" is four NOPs, of which the second and the third are an urgent chain.
 */
#ifndef MODEL_H
#define MODEL_H

#include "ring.h"

enum { MODEL_MAX = 256 };

struct item {
	bool urgent, link, hard, async, drain, skip, fails;
	unsigned refused; /* 0, or the kind of refusal */
};

enum { REFUSED_WAYS = 4 };

struct batch {
	unsigned n;
	struct item item[MODEL_MAX];
};

struct batch batch_of(const char *words);
/* Returns the words of a batch, in a buffer that the next call reuses. */
const char *batch_words(const struct batch *b);

/* Puts a batch into a ring, with user data counting from a base; submits nothing. `plain` omits the urgent flags. */
void batch_fill(struct ring *r, const struct batch *b, uint64_t base, bool plain);
void item_fill(struct io_uring_sqe *sqe, const struct item *it, uint64_t data, bool plain);

/* The expected result: number of SQEs consumed, the CQEs, and their order if all are issued inline. */
struct expected {
	unsigned consumed, n;
	struct {
		unsigned index;
		int res;
	} cqe[MODEL_MAX];
};

void model(const struct batch *b, bool urgent, bool submit_all, struct expected *out);

/* A batch consists of units, single requests or chains. Returns the index of the first item of the unit of item i. */
unsigned unit_head(const struct batch *b, unsigned i);

/* Submits a batch, collects the expected CQEs and compares SQEs consumed, head and CQEs; with `ordered`, their order. */
void batch_check(struct ring *r, const struct batch *b, bool ordered);
/* Submits several batches in a row, collects all CQEs, and checks what holds for every interleaving: each SQE's result,
 * the order within chains, and that a drained unit comes after all before it. For a ring with SUBMIT_ALL. */
void batches_check_loosely(struct ring *r, const struct batch *b, unsigned n);
/* The same with the order written out, such as "1 0 2", independent of the model. */
void batch_check_order(struct ring *r, const char *words, const char *order);

#endif
