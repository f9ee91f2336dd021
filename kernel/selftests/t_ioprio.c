// SPDX-License-Identifier: GPL-2.0
/* The block priority of urgent requests: as reported by the block layer's tracepoint, and as used by a scheduler. */
#include <errno.h>
#include <fcntl.h>
#include <linux/ioprio.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "model.h"
#include "trace.h"

enum { BLOCK = 4096, FIRST = 2000, STEP = 16 };

#define PRIO(class, level) (unsigned short)(IOPRIO_CLASS_##class << IOPRIO_CLASS_SHIFT | (level))

/* A read to trace: its flags, the requested priority, and the expected one. */
struct wish {
	unsigned flags;
	unsigned short ioprio;
	const char *wanted;
};

/* When the reading process drops its privileges, and its own priority, if any. */
struct reader {
	enum { KEEPS, DROPS_BEFORE, DROPS_AFTER } privileges; /* before or after it creates the ring */
	unsigned short ioprio;
};

static void drop_privileges(void)
{
	expect(setresgid(65534, 65534, 65534) == 0 && setresuid(65534, 65534, 65534) == 0, "setresuid: %s",
	       strerror(errno));
}

static void read_in_child(unsigned setup, const struct wish *wishes, unsigned n, struct reader reader, int fd)
{
	pid_t pid = fork();
	int status;

	expect(pid >= 0, "fork: %s", strerror(errno));
	if (pid == 0) {
		struct seen seen[8];
		struct ring r;

		if (reader.ioprio)
			expect(syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0, reader.ioprio) == 0, "ioprio_set: %s",
			       strerror(errno));
		if (reader.privileges == DROPS_BEFORE)
			drop_privileges();
		ring_open(&r, 8, setup);
		if (reader.privileges == DROPS_AFTER)
			drop_privileges();
		for (unsigned i = 0; i < n; i++) {
			ring_rw(&r, IORING_OP_READ, wishes[i].flags, i, fd, aligned(BLOCK), BLOCK,
				(uint64_t)(FIRST + STEP * i) * 512);
			ring_set_ioprio(&r, wishes[i].ioprio);
		}
		ring_submit_all(&r);
		ring_collect(&r, seen, n);
		for (unsigned i = 0; i < n; i++)
			expect_is("result of a read", BLOCK, seen[i].res);
		_exit(0);
	}
	expect_is("waitpid", pid, waitpid(pid, &status, 0));
	/* The child has reported the reason. */
	if (status)
		_exit(WIFEXITED(status) ? WEXITSTATUS(status) : 1);
}

static void check_priorities(unsigned setup, const struct wish *wishes, unsigned n, struct reader reader)
{
	struct ring probe;
	char *trace;
	int fd;

	ring_open(&probe, 4, setup);
	fd = blank_nvme_filled(1, 0);
	if (!trace_begin("block/block_rq_issue"))
		skip("this kernel has no event block_rq_issue");
	read_in_child(setup, wishes, n, reader, fd);
	trace = trace_end();
	for (unsigned i = 0; i < n; i++) {
		char sector[32], *at, *end;

		/* "block_rq_issue: 259,0 R 4096 () 2000 + 8 rt,0,4 [urgent-tests]" */
		snprintf(sector, sizeof(sector), " %u + 8 ", FIRST + STEP * i);
		at = strstr(trace, sector);
		expect(at != NULL, "expected an event of sector %u, saw %s", FIRST + STEP * i, trace);
		at += strlen(sector);
		end = strpbrk(at, " \n");
		expect(end && !strncmp(at, wishes[i].wanted, strlen(wishes[i].wanted)),
		       "read %u: expected priority %s, saw %.*s", i, wishes[i].wanted, (int)(end ? end - at : 20), at);
	}
	free(trace);
}

static const struct reader privileged = { KEEPS, 0 };

void ioprio_plain(void)
{
	static const struct wish wishes[] = {
		{ 0, PRIO(RT, 3), "rt,0,3" },
		{ 0, PRIO(BE, 6), "be,0,6" },
		{ 0, PRIO(IDLE, 0), "idle,0,0" },
	};

	check_priorities(0, wishes, 3, privileged);
}

void ioprio_rt(void)
{
	static const struct wish wishes[] = {
		{ IOSQE_URGENT, 0, "rt,0,4" },		  { IOSQE_URGENT, PRIO(BE, 6), "be,0,6" },
		{ IOSQE_URGENT, PRIO(RT, 1), "rt,0,1" },  { 0, PRIO(BE, 5), "be,0,5" },
		{ IOSQE_URGENT | IOSQE_ASYNC, 0, "rt,0,4" },
	};
	/* A request's own flag decides, also within a chain. */
	static const struct wish chain[] = {
		{ IOSQE_IO_LINK, 0, "be," },
		{ IOSQE_IO_LINK | IOSQE_URGENT, 0, "rt,0,4" },
		{ 0, 0, "be," },
	};
	/* A request that is not urgent and has no priority gets that of its task: best effort, from its nice value. */
	static const struct wish nothing[] = { { 0, 0, "be," } };

	check_priorities(IORING_SETUP_URGENT, wishes, 5, privileged);
	check_priorities(IORING_SETUP_URGENT, chain, 3, privileged);
	check_priorities(IORING_SETUP_URGENT, nothing, 1, privileged);
}

void ioprio_be(void)
{
	static const struct wish wishes[] = {
		{ IOSQE_URGENT, 0, "be,0,0" },
		{ IOSQE_URGENT, PRIO(BE, 6), "be,0,6" },
		{ 0, PRIO(BE, 5), "be,0,5" },
	};

	check_priorities(IORING_SETUP_URGENT, wishes, 3, (struct reader){ DROPS_BEFORE, 0 });
}

/* The creator of the ring counts; and a task with a better priority than that of urgent requests keeps it. */
void ioprio_own(void)
{
	static const struct wish urgent[] = { { IOSQE_URGENT, 0, "rt,0,4" } };
	static const struct wish better[] = { { IOSQE_URGENT, 0, "rt,0,1" }, { 0, 0, "rt,0,1" } };
	static const struct wish worse[] = { { IOSQE_URGENT, 0, "rt,0,4" }, { 0, 0, "rt,0,6" } };

	check_priorities(IORING_SETUP_URGENT, urgent, 1, (struct reader){ DROPS_AFTER, 0 });
	check_priorities(IORING_SETUP_URGENT, better, 2, (struct reader){ KEEPS, PRIO(RT, 1) });
	check_priorities(IORING_SETUP_URGENT, worse, 2, (struct reader){ KEEPS, PRIO(RT, 6) });
}

static void set(const char *path, const char *value)
{
	if (!write_text(path, value))
		skip("%s does not accept %s", path, value);
}

#define CONFIG "/sys/kernel/config/nullb/urgent"

/* Opens a null_blk that does one request at a time, each in 20 ms, under mq-deadline. */
static int slow_drive(void)
{
	char path[100], *index;
	unsigned number;
	int fd;

	/* Left over from a test that was ended. */
	write_text(CONFIG "/power", "0");
	rmdir(CONFIG);
	if (mkdir(CONFIG, 0700))
		skip("cannot create a null_blk through configfs: %s", strerror(errno));
	set(CONFIG "/size", "64");
	set(CONFIG "/irqmode", "2");
	set(CONFIG "/completion_nsec", "20000000");
	set(CONFIG "/hw_queue_depth", "1");
	set(CONFIG "/submit_queues", "1");
	set(CONFIG "/power", "1");
	index = read_text(CONFIG "/index");
	number = index ? (unsigned)atoi(index) : 0;
	free(index);
	snprintf(path, sizeof(path), "/sys/block/nullb%u/queue/scheduler", number);
	if (!write_text(path, "mq-deadline")) {
		snprintf(path, sizeof(path), "/sys/block/urgent/queue/scheduler");
		set(path, "mq-deadline");
		set("/sys/block/urgent/queue/nr_requests", "64");
		snprintf(path, sizeof(path), "/dev/urgent");
	} else {
		snprintf(path, sizeof(path), "/sys/block/nullb%u/queue/nr_requests", number);
		set(path, "64");
		snprintf(path, sizeof(path), "/dev/nullb%u", number);
	}
	fd = open(path, O_RDONLY | O_DIRECT);
	expect(fd >= 0, "%s: %s", path, strerror(errno));
	return fd;
}

/* Submits 30 reads and, when they wait, one more; checks how many completed before it. */
static void check_deadline(unsigned setup, unsigned flags, unsigned short ioprio)
{
	enum { BULK = 30 };
	struct seen seen[BULK + 1];
	struct ring r;
	unsigned before;
	int fd;

	ring_open(&r, 32, setup);
	fd = slow_drive();
	for (unsigned i = 0; i < BULK; i++)
		ring_rw(&r, IORING_OP_READ, 0, i, fd, aligned(BLOCK), BLOCK, (uint64_t)i << 20);
	ring_submit_all(&r);
	ring_rw(&r, IORING_OP_READ, flags, BULK, fd, aligned(BLOCK), BLOCK, (uint64_t)BULK << 20);
	ring_set_ioprio(&r, ioprio);
	ring_submit_all(&r);
	ring_collect(&r, seen, BULK + 1);
	for (unsigned i = 0; i <= BULK; i++)
		expect_is("result of a read", BLOCK, seen[i].res);
	for (before = 0; seen[before].data != BULK;)
		before++;
	close(fd);
	write_text(CONFIG "/power", "0");
	rmdir(CONFIG);
	/* Those that the drive had begun, some on their way to it, and those done before ours was queued. */
	if (flags || ioprio)
		expect(before <= 8, "expected at most 8 of %d to be done before it, saw %u", BULK, before);
	else
		expect(before >= BULK - 2, "expected all of the others to be done before it, saw %u", before);
}

void deadline_plain(void)
{
	check_deadline(0, 0, PRIO(RT, 4));
	/* Without a priority it waits; otherwise the test would show nothing. */
	check_deadline(0, 0, 0);
}

void deadline_urgent(void)
{
	check_deadline(IORING_SETUP_URGENT, IOSQE_URGENT, 0);
}
