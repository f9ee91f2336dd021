// SPDX-License-Identifier: GPL-2.0
/* Tracepoints and drives; see trace.h. */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "trace.h"

#define INSTANCE "/sys/kernel/tracing/instances/urgent-tests"

static bool begun;

bool trace_begin(const char *event)
{
	char path[200];

	if (!begun) {
		/* Left over from a test that was ended. */
		rmdir(INSTANCE);
		if (mkdir(INSTANCE, 0700))
			skip("cannot create a tracefs instance: %s", strerror(errno));
		begun = true;
	}
	snprintf(path, sizeof(path), INSTANCE "/events/%s/enable", event);
	return write_text(path, "1");
}

char *trace_end(void)
{
	char *text;

	write_text(INSTANCE "/tracing_on", "0");
	text = read_text(INSTANCE "/trace");
	expect(text != NULL, "the trace cannot be read");
	rmdir(INSTANCE);
	begun = false;
	return text;
}

long long trace_field(const char *line, const char *name)
{
	const char *end = strchr(line, '\n'), *at = line;
	size_t n = strlen(name);

	while ((at = strstr(at, name)) && (!end || at < end)) {
		const char *value = at + n;

		if (at != line && (isalnum((unsigned char)at[-1]) || at[-1] == '_')) {
			at++;
			continue;
		}
		while (*value == ' ' || *value == '=' || *value == ':')
			value++;
		if (value != at + n && isdigit((unsigned char)*value))
			return strtoll(value, NULL, 10);
		at++;
	}
	return -1;
}

unsigned blank_nvme(void)
{
	for (unsigned i = 0; i < 4; i++) {
		char path[64], *serial;
		bool ours;

		snprintf(path, sizeof(path), "/sys/class/nvme/nvme%u/serial", i);
		serial = read_text(path);
		ours = serial && !strncmp(serial, "RINGBENCH0", 10);
		free(serial);
		if (ours)
			return i;
	}
	skip("no NVMe drive with the serial RINGBENCH0, as in kernel/lab");
}

static uint32_t word_of(unsigned number, unsigned salt)
{
	return (number + 1) * 2654435761U ^ salt;
}

bool block_holds(const void *block, unsigned number, unsigned salt)
{
	const uint32_t *words = block;

	for (unsigned i = 0; i < 1024; i++)
		if (words[i] != word_of(number, salt))
			return false;
	return true;
}

void *aligned(size_t size)
{
	void *p = NULL;

	expect(posix_memalign(&p, 4096, size) == 0, "no memory");
	memset(p, 0, size);
	return p;
}

int blank_nvme_filled(unsigned blocks, unsigned salt)
{
	uint32_t *all = aligned((size_t)blocks * 4096);
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/dev/nvme%un1", blank_nvme());
	fd = open(path, O_RDWR | O_DIRECT);
	expect(fd >= 0, "%s: %s", path, strerror(errno));
	for (unsigned i = 0; i < blocks * 1024; i++)
		all[i] = word_of(i / 1024, salt);
	expect_is("write to the drive", blocks * 4096, pwrite(fd, all, (size_t)blocks * 4096, 0));
	free(all);
	return fd;
}
