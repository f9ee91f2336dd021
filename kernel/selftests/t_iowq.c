// SPDX-License-Identifier: GPL-2.0
/* io-wq workers. With a single worker that is kept busy, waiting requests are done one by one in a visible order. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "model.h"

enum { KEEPER = 100000 };

/* Whether this process has workers and all of them sleep. */
static bool workers_sleep(void)
{
	DIR *tasks = opendir("/proc/self/task");
	bool any = false, awake = false;
	struct dirent *task;

	expect(tasks != NULL, "/proc/self/task: %s", strerror(errno));
	while ((task = readdir(tasks))) {
		char path[300], *stat, *end;

		snprintf(path, sizeof(path), "/proc/self/task/%s/stat", task->d_name);
		stat = read_text(path);
		/* "1234 (iou-wrk-1200) S ..." */
		end = stat ? strrchr(stat, ')') : NULL;
		if (end && strstr(stat, "(iou-wrk-")) {
			any = true;
			awake |= end[2] != 'S' && end[2] != 'D';
		}
		free(stat);
	}
	closedir(tasks);
	return any && !awake;
}

/* Allows one worker of each kind, and blocks it in the open of a FIFO without a writer. */
static void keep_busy(struct ring *r)
{
	unsigned one_each[2] = { 1, 1 }, asleep = 0;
	struct io_uring_sqe *sqe;

	ring_register(r, IORING_REGISTER_IOWQ_MAX_WORKERS, one_each, 2);
	if (mkfifo("keeper", 0600))
		expect(errno == EEXIST, "mkfifo: %s", strerror(errno));
	sqe = ring_op(r, IORING_OP_OPENAT, IOSQE_ASYNC, KEEPER);
	sqe->fd = AT_FDCWD;
	sqe->addr = (uintptr_t) "keeper";
	sqe->open_flags = O_RDONLY;
	ring_submit_all(r);
	while (asleep < 20) {
		asleep = workers_sleep() ? asleep + 1 : 0;
		usleep(1000);
	}
	ring_expect_quiet(r);
}

static void release(struct ring *r)
{
	struct seen seen;
	int fd = open("keeper", O_WRONLY);

	expect(fd >= 0, "open of the FIFO: %s", strerror(errno));
	ring_collect(r, &seen, 1);
	expect(seen.data == KEEPER && seen.res >= 0, "expected the open of the FIFO first, saw number %llu, res %d",
	       (unsigned long long)seen.data, seen.res);
	close(seen.res);
	close(fd);
}

/* Submits n NOPs for the worker in several batches. */
static void queue(struct ring *r, unsigned n, unsigned flags, unsigned base)
{
	for (unsigned i = 0; i < n; i++) {
		ring_nop(r, IOSQE_ASYNC | flags, base + i);
		if (i % 8 == 7)
			ring_submit_all(r);
	}
	if (ring_unconsumed(r))
		ring_submit_all(r);
}

void iowq_fifo(void)
{
	struct seen seen[30];
	struct ring r;

	ring_open(&r, 32, 0);
	keep_busy(&r);
	queue(&r, 30, 0, 0);
	release(&r);
	ring_collect(&r, seen, 30);
	for (unsigned i = 0; i < 30; i++)
		expect_is("number", i, (long long)seen[i].data);
}

void iowq_urgent(void)
{
	struct seen seen[42];
	unsigned at = 0;
	struct ring r;

	ring_open(&r, 32, IORING_SETUP_URGENT);
	keep_busy(&r);
	queue(&r, 20, 0, 0);
	queue(&r, 6, IOSQE_URGENT, 1000);
	queue(&r, 10, 0, 20);
	queue(&r, 4, IOSQE_URGENT, 1006);
	/* The head of a chain is urgent if any of its members is. The members follow later, by task work. */
	ring_nop(&r, IOSQE_ASYNC | IOSQE_IO_LINK, 1010);
	ring_nop(&r, IOSQE_URGENT, 2000);
	ring_submit_all(&r);
	release(&r);
	ring_collect(&r, seen, 42);
	for (unsigned i = 0; i < 42; i++) {
		if (seen[i].data == 2000) {
			expect(at > 10, "expected the chain's head before its member, saw the member after %u others", at);
			continue;
		}
		expect_is("number", at < 11 ? 1000 + at : at - 11, (long long)seen[i].data);
		at++;
	}
	expect_is("requests other than the member", 41, at);
}

void iowq_bound(void)
{
	enum { OTHERS = 8, URGENT = 60, LIMIT = 16 };
	struct seen seen[OTHERS + URGENT];
	unsigned row = 0, others = 0, urgent = 0;
	struct ring r;

	ring_open(&r, 64, IORING_SETUP_URGENT);
	keep_busy(&r);
	queue(&r, OTHERS, 0, 0);
	queue(&r, URGENT, IOSQE_URGENT, 1000);
	release(&r);
	ring_collect(&r, seen, OTHERS + URGENT);
	for (unsigned i = 0; i < OTHERS + URGENT; i++) {
		if (seen[i].data >= 1000) {
			expect_is("number of an urgent one", 1000 + urgent, (long long)seen[i].data);
			urgent++;
			row++;
			expect(others == OTHERS || row <= LIMIT, "expected at most %d urgent ones in a row, saw %u", LIMIT, row);
		} else {
			expect_is("number of another one", others, (long long)seen[i].data);
			others++;
			expect(urgent == URGENT || row == LIMIT, "expected another one after %d urgent ones, saw it after %u",
			       LIMIT, row);
			row = 0;
		}
	}
}

void iowq_cancel(void)
{
	struct seen seen[20];
	struct ring r;
	unsigned cancelled = 0;

	ring_open(&r, 32, IORING_SETUP_URGENT);
	keep_busy(&r);
	queue(&r, 4, 0, 0);
	queue(&r, 5, IOSQE_URGENT, 1000);
	/* Cancel the second, the last and the first urgent request, and one that no longer exists. */
	for (unsigned i = 0; i < 4; i++) {
		static const unsigned targets[] = { 1001, 1004, 1000, 1001 };

		ring_op(&r, IORING_OP_ASYNC_CANCEL, IOSQE_URGENT, 2000 + i)->addr = targets[i];
		ring_submit_all(&r);
		ring_collect(&r, seen, i == 3 ? 1 : 2);
		for (unsigned j = 0; j < (i == 3 ? 1 : 2); j++) {
			if (seen[j].data >= 2000) {
				expect_is("result of a cancel", i == 3 ? -ENOENT : 0, seen[j].res);
			} else {
				expect_is("cancelled request", targets[i], (long long)seen[j].data);
				expect_is("result of the cancelled request", -ECANCELED, seen[j].res);
				cancelled++;
			}
		}
	}
	expect_is("cancelled", 3, cancelled);
	/* A new urgent request is still behind the remaining ones. */
	queue(&r, 1, IOSQE_URGENT, 1005);
	release(&r);
	ring_collect(&r, seen, 7);
	for (unsigned i = 0; i < 7; i++)
		expect_is("number of a remaining request", ((unsigned[]){ 1002, 1003, 1005, 0, 1, 2, 3 })[i], (long long)seen[i].data);
	ring_expect_quiet(&r);
}

void iowq_exit(void)
{
	for (unsigned turn = 0; turn < 4; turn++) {
		pid_t pid;
		int status;

		if (!kernel_has_urgent())
			absent("io_uring_setup refuses IORING_SETUP_URGENT with EINVAL");
		pid = fork();
		expect(pid >= 0, "fork: %s", strerror(errno));
		if (pid == 0) {
			struct ring r;

			ring_open(&r, 64, IORING_SETUP_URGENT);
			keep_busy(&r);
			queue(&r, turn & 1 ? 10 : 0, 0, 0);
			queue(&r, 30, IOSQE_URGENT, 1000);
			if (turn & 2)
				ring_close(&r);
			_exit(0);
		}
		expect_is("waitpid", pid, waitpid(pid, &status, 0));
		expect_is("status of a process that ended with waiting urgent work", 0, status);
	}
}

/* Hashed work: writes to one file are done one after the other, in order, urgent or not. */
void iowq_stress(void)
{
	enum { N = 48 };
	unsigned workers[2] = { 2, 2 };
	static uint64_t value[N];
	struct seen seen[2 * N];
	struct ring r;
	int fd;

	ring_open(&r, N, IORING_SETUP_URGENT);
	ring_register(&r, IORING_REGISTER_IOWQ_MAX_WORKERS, workers, 2);
	fd = open("written", O_RDWR | O_CREAT, 0600);
	expect(fd >= 0, "open: %s", strerror(errno));
	for (unsigned turn = 0; turn < rounds / 5; turn++) {
		unsigned writes = 0, cqes = 0;
		uint64_t got = 0;

		for (unsigned i = 0; i < N; i++) {
			unsigned flags = IOSQE_ASYNC | (one_in(3) ? IOSQE_URGENT : 0);

			switch (below(4)) {
			case 0:
				/* Cancels any request: it may find it or not, and each has its CQE. */
				if (one_in(4)) {
					ring_op(&r, IORING_OP_ASYNC_CANCEL, flags, 2000 + i)->addr = 1000 + below(N);
					break;
				}
				/* fall through */
			case 1:
				ring_nop(&r, flags, 1000 + i);
				break;
			default:
				/* Not urgent: otherwise the order of the last two writes of a batch would differ. */
				value[writes] = (uint64_t)turn << 32 | writes;
				ring_rw(&r, IORING_OP_WRITE, IOSQE_ASYNC, writes, fd, &value[writes], 8, 0);
				writes++;
			}
			cqes++;
			if (one_in(10))
				ring_submit_all(&r);
		}
		if (ring_unconsumed(&r))
			ring_submit_all(&r);
		ring_collect(&r, seen, cqes);
		for (unsigned i = 0; i < cqes; i++)
			expect(seen[i].data >= 1000 || seen[i].res == 8, "expected a write of 8, saw %d", seen[i].res);
		if (writes) {
			expect_is("read", 8, pread(fd, &got, 8, 0));
			expect(got == value[writes - 1], "expected the data of the last write, saw number %u of %u of turn %u",
			       (unsigned)got, writes, (unsigned)(got >> 32));
		}
		/* Urgent writes are hashed too. */
		for (unsigned i = 0; i < 8; i++)
			ring_rw(&r, IORING_OP_WRITE, IOSQE_ASYNC | (i >= 6 ? IOSQE_URGENT : 0), i, fd, &value[0], 8, 8 * i);
		ring_submit_all(&r);
		ring_collect(&r, seen, 8);
		for (unsigned i = 0; i < 8; i++)
			expect_is("result of a write", 8, seen[i].res);
	}
	ring_expect_quiet(&r);
}
