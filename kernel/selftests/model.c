// SPDX-License-Identifier: GPL-2.0
/* Batches as a line of text, and a model of what the kernel must do with them; see model.h. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "model.h"

struct batch batch_of(const char *words)
{
	struct batch b = { 0 };

	for (const char *c = words; *c; c++) {
		struct item *it = &b.item[b.n ? b.n - 1 : 0];

		switch (*c) {
		case ' ': break;
		case 'n': b.n++; break;
		case 'u': b.item[b.n++].urgent = true; break;
		case '-': it->link = true; break;
		case '=': it->hard = true; break;
		case '&': it->async = true; break;
		case '|': it->drain = true; break;
		case '~': it->skip = true; break;
		case '!': it->fails = true; break;
		case '*': it->refused++; break;
		default: fail("invalid word in a test: %s", c);
		}
	}
	return b;
}

const char *batch_words(const struct batch *b)
{
	static char text[MODEL_MAX * 12];
	char *c = text;

	text[0] = '\0';
	for (unsigned i = 0; i < b->n; i++) {
		const struct item *it = &b->item[i];

		c += sprintf(c, "%s%c%s%s%s%s%s%s%.*s", i ? " " : "", it->urgent ? 'u' : 'n', it->link ? "-" : "",
			     it->hard ? "=" : "", it->async ? "&" : "", it->drain ? "|" : "", it->skip ? "~" : "",
			     it->fails ? "!" : "", (int)it->refused, "****");
	}
	return text;
}

static int refusal(const struct item *it)
{
	/* URGENT together with DRAIN is refused too. */
	return it->refused == 4 ? -EOPNOTSUPP : -EINVAL;
}

void item_fill(struct io_uring_sqe *sqe, const struct item *it, uint64_t data, bool plain)
{
	sqe->opcode = IORING_OP_NOP;
	sqe->user_data = data;
	sqe->flags = (__u8)((it->urgent && !plain ? IOSQE_URGENT : 0) | (it->link ? IOSQE_IO_LINK : 0) |
			    (it->hard ? IOSQE_IO_HARDLINK : 0) | (it->async ? IOSQE_ASYNC : 0) |
			    (it->drain ? IOSQE_IO_DRAIN : 0) | (it->skip ? IOSQE_CQE_SKIP_SUCCESS : 0));
	if (it->fails) {
		sqe->rw_flags = IORING_NOP_INJECT_RESULT;
		sqe->len = (__u32)-EIO;
	}
	/* Refused before the opcode's own checks, by them, as an unknown opcode, or by an unsupported flag. */
	switch (it->refused) {
	case 1: sqe->ioprio = 1; break;
	case 2: sqe->rw_flags = 1 << 20; break;
	case 3: sqe->opcode = 250; break;
	case 4: sqe->flags |= IOSQE_BUFFER_SELECT; break;
	}
}

void batch_fill(struct ring *r, const struct batch *b, uint64_t base, bool plain)
{
	for (unsigned i = 0; i < b->n; i++)
		item_fill(ring_sqe(r), &b->item[i], base + i, plain);
}

unsigned unit_head(const struct batch *b, unsigned i)
{
	while (i && (b->item[i - 1].link || b->item[i - 1].hard))
		i--;
	return i;
}

/* A unit in progress: its next member, and its state. */
struct unit {
	unsigned next, end;
	bool urgent, refused; /* refused: a member was refused; the head is cancelled or has its own error */
	bool failing, silent; /* the remaining members are cancelled; without CQEs */
};

static void post(struct expected *out, unsigned index, int res)
{
	out->cqe[out->n].index = index;
	out->cqe[out->n++].res = res;
}

static bool refused(const struct item *it, bool urgent)
{
	return it->refused || (urgent && it->urgent && it->drain);
}

/* One step of a unit: its next member runs, or all remaining ones are cancelled. Returns whether members remain. */
static bool step(const struct batch *b, struct unit *u, struct expected *out, unsigned head, bool urgent)
{
	const struct item *it = &b->item[u->next];
	int res = 0;

	if (u->failing) {
		for (; u->next < u->end; u->next++)
			if (!u->silent)
				post(out, u->next,
				     refused(&b->item[u->next], urgent) ? refusal(&b->item[u->next]) : -ECANCELED);
		return false;
	}
	if (u->refused && u->next == head)
		res = refused(it, urgent) ? refusal(it) : -ECANCELED;
	else if (it->fails)
		res = -EIO;
	if (res < 0 && (u->refused || !it->hard)) {
		u->failing = true;
		/* The failing member posts a CQE; its flag decides whether those behind it do. */
		u->silent = it->skip;
	}
	if (res < 0 || !it->skip)
		post(out, u->next, res);
	/* If it fails without breaking a hard link, its flag does not affect the others. */
	return ++u->next < u->end;
}

void model(const struct batch *b, bool urgent, bool submit_all, struct expected *out)
{
	static struct unit queue[MODEL_MAX];
	static unsigned heads[MODEL_MAX];
	unsigned units = 0, order[MODEL_MAX], live = 0;

	memset(out, 0, sizeof(*out));
	for (unsigned i = 0; i < b->n;) {
		struct unit u = { .next = i, .end = i };
		const struct item *it;

		do {
			it = &b->item[u.end++];
			u.urgent |= it->urgent;
			u.refused |= refused(it, urgent);
		} while ((it->link || it->hard) && u.end < b->n);
		heads[units] = i;
		queue[units++] = u;
		out->consumed = i = u.end;
		/* A refusal ends the batch only at the last member of a chain or at a single request. */
		if (refused(it, urgent) && !it->link && !it->hard && !submit_all)
			break;
	}
	for (int pass = 0; pass < 2; pass++)
		for (unsigned i = 0; i < units; i++)
			if ((urgent && queue[i].urgent) == (pass == 0))
				order[live++] = i;
	/* Heads are issued in the batch; the members behind them by task work, round by round. */
	while (live) {
		unsigned left = 0;

		for (unsigned i = 0; i < live; i++)
			if (step(b, &queue[order[i]], out, heads[order[i]], urgent))
				order[left++] = order[i];
		live = left;
	}
}

static void show(char *text, size_t size, const struct seen *seen, unsigned n, uint64_t base)
{
	size_t at = 0;

	text[0] = '\0';
	for (unsigned i = 0; i < n && at + 24 < size; i++)
		at += (size_t)snprintf(text + at, size - at, seen[i].res ? "%s%lld(%d)" : "%s%lld", i ? " " : "",
				       (long long)(seen[i].data - base), seen[i].res);
}

static uint64_t base_of_batch = 1000;

static void compare(const struct batch *b, const struct expected *e, const struct seen *seen, uint64_t base,
		    bool ordered)
{
	static struct seen wanted[MODEL_MAX];
	char want_text[200], seen_text[200];
	unsigned found = 0;

	for (unsigned i = 0; i < e->n; i++)
		wanted[i] = (struct seen){ base + e->cqe[i].index, e->cqe[i].res, 0 };
	for (unsigned i = 0; i < e->n; i++)
		for (unsigned j = ordered ? i : 0; j < (ordered ? i + 1 : e->n); j++)
			found += wanted[i].data == seen[j].data && wanted[i].res == seen[j].res;
	if (found == e->n)
		return;
	show(want_text, sizeof(want_text), wanted, e->n, base);
	show(seen_text, sizeof(seen_text), seen, e->n, base);
	fail("\"%.150s\": expected CQEs %s%s, saw %s", batch_words(b), want_text, ordered ? "" : " in any order",
	     seen_text);
}

static void check(struct ring *r, const struct batch *b, const struct expected *e, bool ordered)
{
	static struct seen seen[MODEL_MAX];
	bool sqpoll = r->p.flags & IORING_SETUP_SQPOLL;
	uint64_t base = base_of_batch;
	int ret;

	base_of_batch += MODEL_MAX;
	snprintf(doing, DOING_SIZE, "\"%.900s\"", batch_words(b));
	batch_fill(r, b, base, !(r->p.flags & IORING_SETUP_URGENT));
	ret = ring_submit(r, b->n);
	if (!sqpoll)
		expect((unsigned)ret == e->consumed, "\"%.150s\": expected io_uring_enter to return %u, saw %d",
		       batch_words(b), e->consumed, ret);
	ring_collect(r, seen, e->n);
	/* The thread posts CQEs before it moves the head. */
	while (sqpoll && ring_unconsumed(r) != b->n - e->consumed)
		usleep(100);
	expect(ring_unconsumed(r) == b->n - e->consumed, "\"%.150s\": expected the head to be %u ahead, saw %u",
	       batch_words(b), e->consumed, b->n - ring_unconsumed(r));
	compare(b, e, seen, base, ordered);
	/* Take back the SQEs that a refusal left in the ring. */
	r->tail -= b->n - e->consumed;
	if (b->n != e->consumed)
		__atomic_store_n(r->sq_tail, r->tail, __ATOMIC_RELEASE);
}

void batch_check(struct ring *r, const struct batch *b, bool ordered)
{
	struct expected e;

	model(b, r->p.flags & IORING_SETUP_URGENT, r->p.flags & IORING_SETUP_SUBMIT_ALL, &e);
	check(r, b, &e, ordered);
}

void batch_check_order(struct ring *r, const char *words, const char *order)
{
	struct batch b = batch_of(words);
	struct expected e, by_model;
	char *end;

	model(&b, r->p.flags & IORING_SETUP_URGENT, r->p.flags & IORING_SETUP_SUBMIT_ALL, &by_model);
	e = by_model;
	for (e.n = 0; *order; order = end) {
		e.cqe[e.n].index = (unsigned)strtoul(order, &end, 10);
		expect(end != order, "a test with an order that is none: %s", order);
		expect(e.cqe[e.n].index == by_model.cqe[e.n].index, "the model and the test disagree: \"%s\"",
		       words);
		e.n++;
	}
	expect_is("number of CQEs in the model", e.n, by_model.n);
	check(r, &b, &e, true);
	ring_expect_quiet(r);
}

void batches_check_loosely(struct ring *r, const struct batch *batches, unsigned n)
{
	static struct expected e;
	static struct seen seen[4 * MODEL_MAX];
	static int result[4 * MODEL_MAX], place[4 * MODEL_MAX];
	bool urgent = r->p.flags & IORING_SETUP_URGENT;
	uint64_t base = base_of_batch;
	unsigned all = 0;

	doing[0] = '\0';
	for (unsigned k = 0; k < n; k++)
		snprintf(doing + strlen(doing), DOING_SIZE / n, "\"%.*s\" ", DOING_SIZE / (int)n - 4, batch_words(&batches[k]));
	for (unsigned k = 0; k < n; all += batches[k++].n) {
		batch_fill(r, &batches[k], base + all, !urgent);
		ring_submit(r, batches[k].n);
		model(&batches[k], urgent, true, &e);
		for (unsigned i = 0; i < e.n; i++)
			result[all + e.cqe[i].index] = e.cqe[i].res;
	}
	base_of_batch += all;
	ring_collect(r, seen, all);
	while (ring_unconsumed(r))
		usleep(100);
	for (unsigned i = 0; i < all; i++)
		place[i] = -1;
	for (unsigned i = 0; i < all; i++) {
		uint64_t index = seen[i].data - base;

		expect(index < all && place[index] < 0, "expected one CQE per SQE, saw number %llu twice or out of range",
		       (unsigned long long)index);
		expect(seen[i].res == result[index], "\"%.200s\" and %u more: expected number %llu to give %d, saw %d",
		       batch_words(batches), n - 1, (unsigned long long)index, result[index], seen[i].res);
		place[index] = (int)i;
	}
	for (unsigned k = 0, first = 0; k < n; first += batches[k++].n) {
		const struct batch *b = &batches[k];

		for (unsigned i = 0; i < b->n; i++) {
			unsigned head = unit_head(b, i);
			bool drains = false, fails = false;

			expect(head == i || place[first + i - 1] < place[first + i],
			       "\"%.300s\": expected number %u of the chain before %u", batch_words(b), i - 1, i);
			for (unsigned j = head; j < b->n && unit_head(b, j) == head; j++) {
				fails |= refused(&b->item[j], urgent);
				drains |= b->item[j].drain;
			}
			/* A chain with a refused member is not run, so it waits for nothing. */
			if (head != i || !drains || fails)
				continue;
			for (unsigned j = 0; j < first + i; j++)
				expect(place[j] < place[first + i],
				       "\"%.300s\" as number %u of %u: expected the drain at %u to come after all before it, saw it before %d",
				       batch_words(b), k, n, i, (int)j - (int)first);
		}
	}
}
