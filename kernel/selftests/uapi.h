/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The kernel interface used by the tests, for build machines with older headers: that of 6.12, and the additions of
 * kernel/patches.
 */
#ifndef UAPI_H
#define UAPI_H

#include <linux/io_uring.h>

#ifndef IORING_SETUP_NO_MMAP
#define IORING_SETUP_NO_MMAP (1U << 14)
#endif
#ifndef IORING_SETUP_REGISTERED_FD_ONLY
#define IORING_SETUP_REGISTERED_FD_ONLY (1U << 15)
#define IORING_REGISTER_USE_REGISTERED_RING (1U << 31)
#endif
#ifndef IORING_SETUP_NO_SQARRAY
#define IORING_SETUP_NO_SQARRAY (1U << 16)
#endif
#ifndef IORING_NOP_INJECT_RESULT
#define IORING_NOP_INJECT_RESULT (1U << 0)
#endif

#ifndef IORING_SETUP_URGENT
#define IORING_SETUP_URGENT (1U << 31)
#endif
#ifndef IORING_FEAT_URGENT
#define IORING_FEAT_URGENT (1U << 31)
#endif
#ifndef IOSQE_URGENT
#define IOSQE_URGENT (1U << 7)
#endif

#endif
