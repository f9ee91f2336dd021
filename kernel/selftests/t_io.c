// SPDX-License-Identifier: GPL-2.0
/* Urgent requests that do I/O: files, drives, sockets. */
#include <errno.h>
#include <fcntl.h>
#include <linux/nvme_ioctl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "model.h"
#include "trace.h"

enum { BLOCK = 4096, BLOCKS = 16 };

void io_fixed(void)
{
	int fd = open("fixed", O_RDWR | O_CREAT, 0600), files[1] = { fd };
	char *to = aligned(BLOCK * BLOCKS), block[BLOCK];
	struct iovec buffer = { to, BLOCK * BLOCKS };
	struct seen seen[BLOCKS];
	struct ring r;
	unsigned at = 0;

	ring_open(&r, 32, IORING_SETUP_URGENT);
	for (unsigned i = 0; i < BLOCKS; i++) {
		memset(block, 'a' + (int)i, BLOCK);
		expect_is("write of a file", BLOCK, write(fd, block, BLOCK));
	}
	ring_register(&r, IORING_REGISTER_FILES, files, 1);
	ring_register(&r, IORING_REGISTER_BUFFERS, &buffer, 1);
	for (unsigned i = 0; i < BLOCKS; i++)
		ring_rw(&r, IORING_OP_READ_FIXED, IOSQE_FIXED_FILE | (i % 3 ? 0 : IOSQE_URGENT), i, 0, to + i * BLOCK, BLOCK,
			i * BLOCK);
	ring_submit_all(&r);
	ring_collect(&r, seen, BLOCKS);
	for (unsigned i = 0; i < BLOCKS; i++) {
		expect_is("result of a fixed read", BLOCK, seen[i].res);
		memset(block, 'a' + (int)i, BLOCK);
		expect(!memcmp(to + i * BLOCK, block, BLOCK), "block %u does not hold the data written", i);
	}
	for (unsigned urgent = 2; urgent-- > 0;)
		for (unsigned i = 0; i < BLOCKS; i++)
			if ((i % 3 == 0) == urgent)
				expect_is("order of cached reads", i, (long long)seen[at++].data);
}

void io_uring_cmd(void)
{
	char path[64], *to = aligned(BLOCK * BLOCKS);
	struct seen seen[BLOCKS];
	struct ring r;
	int fd, drive;

	ring_open(&r, BLOCKS, IORING_SETUP_URGENT | IORING_SETUP_SQE128 | IORING_SETUP_CQE32);
	drive = blank_nvme_filled(BLOCKS, 1);
	snprintf(path, sizeof(path), "/dev/ng%un1", blank_nvme());
	fd = open(path, O_RDONLY);
	if (fd < 0)
		skip("%s: %s", path, strerror(errno));
	for (unsigned turn = 0; turn < 50; turn++) {
		unsigned urgent = below(1 << BLOCKS);

		memset(to, 0, BLOCK * BLOCKS);
		for (unsigned i = 0; i < BLOCKS; i++) {
			struct io_uring_sqe *sqe =
				ring_op(&r, IORING_OP_URING_CMD, urgent >> i & 1 ? IOSQE_URGENT : 0, i);
			struct nvme_uring_cmd *cmd = (void *)sqe->cmd;

			sqe->fd = fd;
			sqe->cmd_op = NVME_URING_CMD_IO;
			cmd->opcode = 2; /* read */
			cmd->nsid = 1;
			cmd->addr = (uintptr_t)(to + i * BLOCK);
			cmd->data_len = BLOCK;
			cmd->cdw10 = i * (BLOCK / 512);
			cmd->cdw12 = BLOCK / 512 - 1;
		}
		ring_submit_all(&r);
		/* The SQEs are ours again: the kernel must not read them any more. */
		memset(r.sqes, 0xff, BLOCKS * 128);
		ring_collect(&r, seen, BLOCKS);
		for (unsigned i = 0; i < BLOCKS; i++) {
			expect(seen[i].res == 0, "expected 0 for command %llu, saw %d", (unsigned long long)seen[i].data,
			       seen[i].res);
			expect(block_holds(to + i * BLOCK, i, 1), "command %u did not read its block", i);
		}
	}
	close(drive);
}

void io_iopoll(void)
{
	static const unsigned setups[] = { 0, IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN, IORING_SETUP_SQPOLL };
	char *to = aligned(BLOCK * BLOCKS);
	struct seen seen[BLOCKS];
	struct ring r;
	int fd;

	for (unsigned s = 0; s < 3; s++) {
		ring_open(&r, BLOCKS, IORING_SETUP_URGENT | IORING_SETUP_IOPOLL | setups[s]);
		fd = blank_nvme_filled(BLOCKS, s);
		for (unsigned turn = 0; turn < 20; turn++) {
			unsigned urgent = below(1 << BLOCKS), link = below(1 << (BLOCKS - 1)) & below(1 << BLOCKS);

			memset(to, 0, BLOCK * BLOCKS);
			for (unsigned i = 0; i < BLOCKS; i++)
				ring_rw(&r, IORING_OP_READ,
					(urgent >> i & 1 ? IOSQE_URGENT : 0) | (link >> i & 1 ? IOSQE_IO_LINK : 0), i, fd,
					to + i * BLOCK, BLOCK, i * BLOCK);
			ring_submit(&r, BLOCKS);
			ring_collect(&r, seen, BLOCKS);
			while (ring_unconsumed(&r))
				usleep(100);
			for (unsigned i = 0; i < BLOCKS; i++) {
				if (seen[i].res == -EOPNOTSUPP)
					skip("the drive has no poll queue");
				expect(seen[i].res == BLOCK, "expected a read of 4096, saw %d", seen[i].res);
				expect(block_holds(to + i * BLOCK, i, s), "block %u was not read", i);
			}
		}
		ring_close(&r);
		close(fd);
	}
}

/* Finds an event of a sector in a trace. */
static const char *event_of(const char *trace, const char *event, unsigned sector)
{
	char wanted[32];

	snprintf(wanted, sizeof(wanted), " %u + 8 ", sector);
	for (const char *at = trace; (at = strstr(at, event)); at++) {
		const char *end = strchr(at, '\n'), *found = strstr(at, wanted);

		if (found && end && found < end)
			return at;
	}
	return NULL;
}

void io_plug(void)
{
	enum { BULK = 24 };
	char *to = aligned(BLOCK * (BULK + 1)), *trace;
	const char *issued, *queued;
	struct seen seen[BULK + 1];
	struct ring r;
	int fd;

	ring_open(&r, 32, IORING_SETUP_URGENT);
	fd = blank_nvme_filled(1, 0);
	expect(trace_begin("block/block_bio_queue") && trace_begin("block/block_rq_issue"),
	       "this kernel has no block events");
	for (unsigned i = 0; i <= BULK; i++)
		ring_rw(&r, IORING_OP_READ, i == BULK ? IOSQE_URGENT : 0, i, fd, to + i * BLOCK, BLOCK,
			(uint64_t)(1000 + 16 * i) * 512);
	ring_submit_all(&r);
	ring_collect(&r, seen, BULK + 1);
	for (unsigned i = 0; i <= BULK; i++)
		expect_is("result of a read", BLOCK, seen[i].res);
	trace = trace_end();
	issued = event_of(trace, "block_rq_issue:", 1000 + 16 * BULK);
	queued = event_of(trace, "block_bio_queue:", 1000);
	expect(issued && queued, "expected both events in the trace, saw %s", trace);
	expect(issued < queued, "expected the urgent read to be issued before the first of the bulk was queued, saw %.300s",
	       queued);
	free(trace);
}

static void check_poll(struct ring *r)
{
	struct io_uring_sqe *sqe;
	struct seen seen[2];
	int ends[2];
	char byte;

	expect(pipe(ends) == 0, "pipe: %s", strerror(errno));
	ring_nop(r, 0, 0);
	sqe = ring_op(r, IORING_OP_POLL_ADD, IOSQE_URGENT, 1);
	sqe->fd = ends[0];
	sqe->len = IORING_POLL_ADD_MULTI;
	sqe->poll32_events = POLLIN;
	ring_submit_all(r);
	ring_collect(r, seen, 1);
	expect_is("user data of the NOP beside it", 0, (long long)seen[0].data);
	for (unsigned i = 0; i < 3; i++) {
		expect_is("write", 1, write(ends[1], "x", 1));
		ring_collect(r, seen, 1);
		expect(seen[0].data == 1 && seen[0].res & POLLIN && seen[0].flags & IORING_CQE_F_MORE,
		       "expected POLLIN and more to come, saw res %d, flags %#x", seen[0].res, seen[0].flags);
		expect_is("read", 1, read(ends[0], &byte, 1));
	}
	ring_op(r, IORING_OP_POLL_REMOVE, IOSQE_URGENT, 2)->addr = 1;
	ring_submit_all(r);
	ring_collect(r, seen, 2);
	expect_is("end of the poll and its removal", -ECANCELED, seen[0].res + seen[1].res);
}

void io_multishot(void)
{
	struct io_uring_sqe *sqe;
	struct seen seen[2];
	static char buffers[8][16];
	struct ring r;
	int ends[2];

	ring_open(&r, 8, IORING_SETUP_URGENT);
	check_poll(&r);
	expect(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends) == 0, "socketpair: %s", strerror(errno));
	/* The buffers need their own batch: an urgent request that needs them would overtake them. */
	sqe = ring_op(&r, IORING_OP_PROVIDE_BUFFERS, 0, 0);
	sqe->fd = 8;
	sqe->addr = (uintptr_t)buffers;
	sqe->len = sizeof(buffers[0]);
	sqe->buf_group = 5;
	ring_submit_all(&r);
	ring_collect(&r, seen, 1);
	expect(seen[0].res >= 0, "provided buffers: %d", seen[0].res);
	ring_nop(&r, 0, 0);
	sqe = ring_op(&r, IORING_OP_RECV, IOSQE_URGENT | IOSQE_BUFFER_SELECT, 1);
	sqe->fd = ends[0];
	sqe->ioprio = IORING_RECV_MULTISHOT;
	sqe->buf_group = 5;
	ring_submit_all(&r);
	ring_collect(&r, seen, 1);
	for (unsigned i = 0; i < 3; i++) {
		char text[8] = "text .";

		text[5] = (char)('0' + i);
		expect_is("send", 6, send(ends[1], text, 6, 0));
		ring_collect(&r, seen, 1);
		expect(seen[0].data == 1 && seen[0].res == 6 && seen[0].flags & IORING_CQE_F_MORE,
		       "expected 6 bytes and more to come, saw res %d, flags %#x", seen[0].res, seen[0].flags);
		expect(!memcmp(buffers[seen[0].flags >> IORING_CQE_BUFFER_SHIFT & 7], text, 6), "expected %s, saw another text",
		       text);
	}
	close(ends[1]);
	ring_collect(&r, seen, 1);
	expect_is("end of the stream", 0, seen[0].res);
	expect(!(seen[0].flags & IORING_CQE_F_MORE), "expected no more to come");
}

void io_exit(void)
{
	static const unsigned setups[] = { 0, IORING_SETUP_SQPOLL, IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN };
	struct ring probe;

	ring_open(&probe, 4, IORING_SETUP_URGENT);
	for (unsigned turn = 0; turn < 12; turn++) {
		pid_t pid = fork();
		int status;

		expect(pid >= 0, "fork: %s", strerror(errno));
		if (pid == 0) {
			static char byte[16];
			struct ring r;
			int ends[2];

			ring_open(&r, 16, IORING_SETUP_URGENT | setups[turn % 3]);
			expect(pipe(ends) == 0, "pipe: %s", strerror(errno));
			for (unsigned i = 0; i < 16; i++) {
				unsigned flags = (i % 3 ? 0 : IOSQE_URGENT) | (i % 5 ? 0 : IOSQE_ASYNC) |
						 (i % 4 == 1 ? IOSQE_IO_LINK : 0);

				if (i % 2)
					ring_rw(&r, IORING_OP_READ, flags, i, ends[0], byte + i, 1, 0);
				else
					ring_nop(&r, flags, i);
			}
			ring_submit(&r, 16);
			if (turn & 1)
				usleep(2000);
			if (turn & 2)
				ring_close(&r);
			_exit(0);
		}
		expect_is("waitpid", pid, waitpid(pid, &status, 0));
		expect_is("status of a process that ended during its work", 0, status);
	}
}
