// SPDX-License-Identifier: GPL-2.0
/* A ring by raw system calls; see ring.h. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "ring.h"

#define load(p) __atomic_load_n(p, __ATOMIC_ACQUIRE)
#define store(p, v) __atomic_store_n(p, v, __ATOMIC_RELEASE)

/* Maps the kernel's memory of a ring; with fd -1 our own memory, for IORING_SETUP_NO_MMAP. */
static void *map(int fd, size_t size, off_t where)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE | (fd < 0 ? MAP_ANONYMOUS : 0), fd,
		       where);

	expect(p != MAP_FAILED, "mmap of a ring: %s", strerror(errno));
	return p;
}

/* Sets the last field of sq_off and cq_off, `user_addr`; older headers use another name. */
static void set_user_addr(void *offsets, size_t size, const void *to)
{
	uint64_t addr = (uintptr_t)to;

	memcpy((char *)offsets + size - sizeof(addr), &addr, sizeof(addr));
}

int ring_try(struct ring *r, unsigned entries, unsigned flags, struct io_uring_params *wish)
{
	bool ours = flags & IORING_SETUP_NO_MMAP;
	size_t sq, cq;
	char *rings;

	memset(r, 0, sizeof(*r));
	if (wish)
		r->p = *wish;
	r->p.flags = flags | (r->p.cq_entries ? IORING_SETUP_CQSIZE : 0);
	if (ours) {
		/* More than any ring of these tests needs. */
		r->sqes_size = r->rings_size = 1 << 20;
		r->sqes = map(-1, r->sqes_size, 0);
		r->rings = map(-1, r->rings_size, 0);
		set_user_addr(&r->p.sq_off, sizeof(r->p.sq_off), r->sqes);
		set_user_addr(&r->p.cq_off, sizeof(r->p.cq_off), r->rings);
	}
	r->fd = (int)syscall(__NR_io_uring_setup, entries, &r->p);
	if (r->fd < 0)
		return -errno;
	if (flags & IORING_SETUP_REGISTERED_FD_ONLY)
		r->enter_flags = IORING_ENTER_REGISTERED_RING;
	r->sqe_size = flags & IORING_SETUP_SQE128 ? 128 : 64;
	r->cqe_size = flags & IORING_SETUP_CQE32 ? 32 : 16;
	sq = r->p.sq_off.array + r->p.sq_entries * sizeof(unsigned);
	cq = r->p.cq_off.cqes + r->p.cq_entries * r->cqe_size;
	if (!ours) {
		r->rings_size = sq > cq ? sq : cq;
		r->sqes_size = (size_t)r->p.sq_entries * r->sqe_size;
		r->rings = map(r->fd, r->rings_size, IORING_OFF_SQ_RING);
		r->sqes = map(r->fd, r->sqes_size, IORING_OFF_SQES);
	}
	rings = r->rings;
	r->sq_head = (void *)(rings + r->p.sq_off.head);
	r->sq_tail = (void *)(rings + r->p.sq_off.tail);
	r->sq_flags = (void *)(rings + r->p.sq_off.flags);
	r->sq_dropped = (void *)(rings + r->p.sq_off.dropped);
	r->sq_array = flags & IORING_SETUP_NO_SQARRAY ? NULL : (void *)(rings + r->p.sq_off.array);
	r->sq_mask = r->p.sq_entries - 1;
	r->cq_head = (void *)(rings + r->p.cq_off.head);
	r->cq_tail = (void *)(rings + r->p.cq_off.tail);
	r->cq_mask = r->p.cq_entries - 1;
	r->cqes = rings + r->p.cq_off.cqes;
	return 0;
}

bool kernel_has_urgent(void)
{
	struct io_uring_params p = { .flags = IORING_SETUP_URGENT };
	int fd = (int)syscall(__NR_io_uring_setup, 1, &p);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

void ring_open(struct ring *r, unsigned entries, unsigned flags)
{
	struct io_uring_params wish = { .cq_entries = 4 * entries, .sq_thread_idle = 50 };
	int ret = ring_try(r, entries, flags, &wish);

	if (ret == -EINVAL && flags & IORING_SETUP_URGENT && !kernel_has_urgent())
		absent("io_uring_setup refuses IORING_SETUP_URGENT with EINVAL");
	expect(ret == 0, "io_uring_setup(%u, flags %#x): %s", entries, flags, strerror(-ret));
}

void ring_close(struct ring *r)
{
	if (r->enter_flags) {
		struct io_uring_rsrc_update it = { .offset = (unsigned)r->fd };

		ring_register(r, IORING_UNREGISTER_RING_FDS | IORING_REGISTER_USE_REGISTERED_RING, &it, 1);
	} else {
		close(r->fd);
	}
	munmap(r->sqes, r->sqes_size);
	munmap(r->rings, r->rings_size);
}

struct io_uring_sqe *ring_sqe_in(struct ring *r, unsigned slot)
{
	struct io_uring_sqe *sqe = (void *)(r->sqes + (size_t)slot * r->sqe_size);

	expect(r->tail - load(r->sq_head) <= r->sq_mask, "the test overruns its own ring");
	memset(sqe, 0, r->sqe_size);
	if (r->sq_array)
		r->sq_array[r->tail & r->sq_mask] = slot;
	r->tail++;
	return sqe;
}

struct io_uring_sqe *ring_sqe(struct ring *r)
{
	return ring_sqe_in(r, r->tail & r->sq_mask);
}

struct io_uring_sqe *ring_op(struct ring *r, unsigned op, unsigned flags, uint64_t data)
{
	struct io_uring_sqe *sqe = ring_sqe(r);

	sqe->opcode = (__u8)op;
	sqe->flags = (__u8)flags;
	sqe->user_data = data;
	sqe->fd = -1;
	return sqe;
}

void ring_nop(struct ring *r, unsigned flags, uint64_t data)
{
	ring_op(r, IORING_OP_NOP, flags, data);
}

void ring_rw(struct ring *r, unsigned op, unsigned flags, uint64_t data, int fd, void *to, unsigned len, uint64_t at)
{
	struct io_uring_sqe *sqe = ring_op(r, op, flags, data);

	sqe->fd = fd;
	sqe->addr = (uintptr_t)to;
	sqe->len = len;
	sqe->off = at;
}

void ring_set_ioprio(struct ring *r, unsigned short ioprio)
{
	struct io_uring_sqe *sqe = (void *)(r->sqes + (size_t)((r->tail - 1) & r->sq_mask) * r->sqe_size);

	sqe->ioprio = ioprio;
}

int ring_enter(struct ring *r, unsigned submit, unsigned complete, unsigned flags)
{
	int ret = (int)syscall(__NR_io_uring_enter, r->fd, submit, complete, flags | r->enter_flags, NULL, 0);

	return ret < 0 ? -errno : ret;
}

int ring_submit(struct ring *r, unsigned n)
{
	store(r->sq_tail, r->tail);
	if (!(r->p.flags & IORING_SETUP_SQPOLL))
		return ring_enter(r, n, 0, 0);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (load(r->sq_flags) & IORING_SQ_NEED_WAKEUP)
		return ring_enter(r, n, 0, IORING_ENTER_SQ_WAKEUP);
	return (int)n;
}

void ring_submit_all(struct ring *r)
{
	unsigned n = ring_unconsumed(r);

	expect_is("SQEs taken by io_uring_enter", n, ring_submit(r, n));
}

unsigned ring_unconsumed(struct ring *r)
{
	return r->tail - load(r->sq_head);
}

unsigned ring_take(struct ring *r, struct seen *out, unsigned n)
{
	unsigned head = *r->cq_head, tail = load(r->cq_tail), got = 0;

	for (; head != tail && got < n; head++, got++) {
		struct io_uring_cqe *cqe = (void *)(r->cqes + (size_t)(head & r->cq_mask) * r->cqe_size);

		out[got] = (struct seen){ cqe->user_data, cqe->res, cqe->flags };
	}
	store(r->cq_head, head);
	return got;
}

void ring_collect(struct ring *r, struct seen *out, unsigned n)
{
	unsigned got = 0;
	int ret;

	while (got += ring_take(r, out + got, n - got), got < n) {
		ret = ring_enter(r, 0, 1, IORING_ENTER_GETEVENTS);
		expect(ret >= 0 || ret == -EINTR, "io_uring_enter to wait: %s", strerror(-ret));
	}
}

void ring_expect_quiet(struct ring *r)
{
	struct seen one;

	for (unsigned i = 0; i < 3; i++) {
		ring_enter(r, 0, 0, IORING_ENTER_GETEVENTS);
		expect(!ring_take(r, &one, 1), "unexpected CQE: user_data %llu, res %d", (unsigned long long)one.data,
		       one.res);
		usleep(1000);
	}
}

void ring_register(struct ring *r, unsigned op, void *arg, unsigned n)
{
	int ret = (int)syscall(__NR_io_uring_register, r->fd, op, arg, n);

	expect(ret >= 0, "io_uring_register(%u): %s", op, strerror(errno));
}

long long ring_fdinfo(struct ring *r, const char *key, unsigned n)
{
	char path[64], *text, *at;
	long long value = -1;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", r->fd);
	text = read_text(path);
	expect(text != NULL, "%s cannot be read", path);
	at = strstr(text, key);
	if (at && (at == text || at[-1] == '\n') && at[strlen(key)] == ':') {
		at += strlen(key) + 1;
		for (unsigned i = 0; i <= n; i++) {
			char *end;

			value = strtoll(at, &end, 10);
			if (end == at) {
				value = -1;
				break;
			}
			at = end;
		}
	}
	free(text);
	return value;
}
