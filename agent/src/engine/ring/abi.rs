//! Constants of the kernel's interface that the io-uring crate does not define (include/uapi/linux/io_uring.h; those of
//! urgent requests come from the patches in kernel/). Flags that are engine options are in the table of options.

use proto::engine::setup_flag;

pub(crate) const SETUP_IOPOLL: u32 = setup_flag("iopoll");
pub(crate) const SETUP_SQPOLL: u32 = setup_flag("sqpoll");
pub(crate) const SETUP_SQ_AFF: u32 = 1 << 2;
pub(crate) const SETUP_CQSIZE: u32 = 1 << 3;
pub(crate) const SETUP_ATTACH_WQ: u32 = 1 << 5;
pub(crate) const SETUP_COOP_TASKRUN: u32 = setup_flag("coop_taskrun");
pub(crate) const SETUP_TASKRUN_FLAG: u32 = 1 << 9;
pub(crate) const SETUP_SINGLE_ISSUER: u32 = setup_flag("single_issuer");
pub(crate) const SETUP_DEFER_TASKRUN: u32 = setup_flag("defer_taskrun");
pub(crate) const SETUP_NO_SQARRAY: u32 = setup_flag("no_sqarray");
/// The patched kernel issues requests with [`IOSQE_URGENT`] first, on rings with this flag.
pub(crate) const SETUP_URGENT: u32 = 1 << 31;
/// The feature that a kernel reports if it issues urgent requests first.
pub(crate) const FEAT_URGENT: u32 = 1 << 31;
/// The flag of an urgent request.
pub(crate) const IOSQE_URGENT: u8 = 1 << 7;
/// Registers rings with the calling thread.
pub(super) const REGISTER_RING_FDS: u32 = 20;

/// The remedy if a kernel does not support urgent requests.
pub(crate) const NEEDS_PATCH: &str = proto::patched_kernel!();
