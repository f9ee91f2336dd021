/* SPDX-License-Identifier: GPL-2.0 */
/* Tracepoints through our own tracefs instance, and the drives that tests may use. */
#ifndef TRACE_H
#define TRACE_H

#include "test.h"

/* Starts recording an event such as "block/block_rq_issue"; returns false if the kernel has no such event. Without
 * tracefs the test is skipped. */
bool trace_begin(const char *event);
/* Returns the recorded events as text, in the order of time, and removes the instance. */
char *trace_end(void);

/* Returns the number after a name, as in "nr 4" or "nr=4", or -1 if the line (up to a newline or the end) has none. */
long long trace_field(const char *line, const char *name);

/* Returns the number of the guest's blank NVMe drive, 0 for /dev/nvme0n1; without it the test is skipped. No other drive
 * is ever written to. */
unsigned blank_nvme(void);
/* Opens it with O_DIRECT and fills its first blocks of 4 KiB, each with its number and a salt. */
int blank_nvme_filled(unsigned blocks, unsigned salt);
/* Whether a block has these contents. */
bool block_holds(const void *block, unsigned number, unsigned salt);
/* Allocates memory for O_DIRECT. */
void *aligned(size_t size);

#endif
