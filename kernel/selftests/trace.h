/* SPDX-License-Identifier: GPL-2.0 */
/* Tracepoints through an instance of tracefs of our own, and the drives that tests may use. */
#ifndef TRACE_H
#define TRACE_H

#include "test.h"

/* Begins to record an event such as "block/block_rq_issue"; false if this kernel has none of that name. Without
 * tracefs the test is skipped. */
bool trace_begin(const char *event);
/* What was recorded, as text in the order of time; the instance is gone then. */
char *trace_end(void);

/* A number behind a name, as in "nr 4" or "nr=4": -1 if the line, which ends with a newline or the text, has none. */
long long trace_field(const char *line, const char *name);

/* The guest's blank NVMe drive, "0" of /dev/nvme0n1: no other drive is ever written to. Skips the test without it. */
unsigned blank_nvme(void);
/* Opens it, O_DIRECT, and writes to its first blocks of 4 KiB, each full of its number and a salt. */
int blank_nvme_filled(unsigned blocks, unsigned salt);
/* Whether a block is full of that. */
bool block_holds(const void *block, unsigned number, unsigned salt);
/* Memory for O_DIRECT. */
void *aligned(size_t size);

#endif
