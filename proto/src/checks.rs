//! Limits of a trial that concern sizes, syncs and verification; [`Trial::validate`] asks for all of them.

use crate::{
    trial::{
        EngineKind, MAX_BLOCK, MAX_BUFFERS, MAX_SYNC_EVERY, MAX_VERIFIED, SECTOR, Sharing, Target, Trial,
    },
    units::ByteSize,
};

/// Notes what is wrong: whether it is right, the field, and what to say if not.
pub(crate) type Check<'a> = dyn FnMut(bool, &str, &dyn Fn() -> String) + 'a;

impl Trial {
    pub(crate) fn check_sizes(&self, check: &mut Check<'_>) {
        let (sizes, at) = (&self.workload.block_size, "workload.block_size");
        if let Some(problem) = sizes.problem() {
            check(false, at, &|| problem.clone());
        }
        for (size, _) in sizes.parts() {
            check(size.0 >= SECTOR.0 && size.0.is_multiple_of(SECTOR.0), at, &|| {
                format!("{size} is not a whole number of sectors of {SECTOR}")
            });
            check(*size <= MAX_BLOCK, at, &|| {
                format!("{size} is too large for one operation; at most {MAX_BLOCK}")
            });
        }
        let slots = u128::from(self.workers()) * u128::from(self.depth_per_worker());
        let buffers = slots * u128::from(sizes.largest().0);
        check(buffers <= u128::from(MAX_BUFFERS.0), at, &|| {
            format!("needs {} MiB of buffers; at most {MAX_BUFFERS} are allowed", buffers >> 20)
        });
    }

    pub(crate) fn check_sync(&self, check: &mut Check<'_>) {
        let (work, engine) = (&self.workload, &self.engine);
        if let Some(sync) = work.sync {
            check((1..=MAX_SYNC_EVERY).contains(&sync.every), "workload.sync", &|| {
                format!("every {} is out of range: from 1 to {MAX_SYNC_EVERY} writes", sync.every)
            });
            check(!matches!(engine.engine, EngineKind::Null | EngineKind::Nop), "workload.sync", &|| {
                format!("does not go with engine: {} (it has no file to make durable)", engine.engine)
            });
            check(work.read_percent < 100, "workload.sync", &|| {
                "needs writes to make durable: read_percent below 100".into()
            });
            check(!engine.iopoll, "workload.sync", &|| {
                "does not go with iopoll: a sync cannot be polled for (the kernel refuses it)".into()
            });
        }
        if engine.link_sync {
            let at = "engine.link_sync";
            check(work.sync.is_some(), at, &|| "needs workload.sync: there is no sync to link".into());
            check(matches!(engine.engine, EngineKind::IoUring), at, &|| {
                format!("needs engine: io_uring ({} cannot link requests)", engine.engine)
            });
            check(
                self.depth_per_worker() >= 2 && engine.submit_batch.is_none_or(|batch| batch >= 2),
                at,
                &|| {
                    "needs a depth and a submit_batch of 2 or more: the write and its sync go together".into()
                },
            );
            check(engine.ring == Sharing::PerThread, at, &|| {
                "does not go with a ring that threads share: another's requests may come between a write and its \
                 sync; use `ring: per_thread`"
                    .into()
            });
            check(engine.sqpoll.is_none_or(|sqpoll| !sqpoll.shared), at, &|| {
                "does not go with a shared sqpoll thread: it takes 8 requests at a time, and may part a write \
                 from its sync"
                    .into()
            });
        }
    }

    pub(crate) fn check_verify(&self, check: &mut Check<'_>) {
        let (work, at) = (&self.workload, "workload.verify");
        if !work.verify {
            return;
        }
        check(!matches!(self.engine.engine, EngineKind::Null | EngineKind::Nop), at, &|| {
            format!("does not go with the engine {}: it moves no data", self.engine.engine)
        });
        check(self.engine.engine != EngineKind::Nvme, at, &|| {
            "does not go with the engine nvme: its commands pass by the file that is read back; use io_uring"
                .into()
        });
        check(self.engine.ring == Sharing::PerThread, at, &|| {
            "does not go with a ring that threads share; use `ring: per_thread`".into()
        });
        let size = match &self.target {
            Target::Path(_) => {
                check(false, at, &|| {
                    "does not go with target.path: the contents of a file that exists are not ours to know; \
                     use `target: {file: {size: ..}}`"
                        .into()
                });
                return;
            }
            Target::File(file) => file.size.0,
            Target::Ramdisk(disk) => {
                check(disk.memory_backed, at, &|| {
                    "needs a RAM disk with memory_backed: true: this one keeps no contents".into()
                });
                disk.size.0
            }
            // Checked by the agent, which knows the size.
            Target::Device(_) => return,
        };
        if let Err(why) = self.verifiable(size) {
            check(false, at, &|| why.clone());
        }
    }

    /// Whether a target of `size` bytes can be verified: how many blocks there are, and that each worker has
    /// room in a share of its own.
    ///
    /// # Errors
    /// Why not, and what would help.
    pub fn verifiable(&self, size: u64) -> Result<(), String> {
        let sizes = &self.workload.block_size;
        let blocks = size / sizes.unit().0.max(1);
        if blocks > MAX_VERIFIED {
            return Err(format!(
                "a target of {blocks} blocks of {} is too large to keep count of; at most {MAX_VERIFIED} blocks: \
                 use a smaller target or larger blocks",
                sizes.unit()
            ));
        }
        // Twice the largest holds an aligned block of every size, wherever the share begins.
        let room = if sizes.single().is_some() { 1 } else { 2 };
        let needed = u64::from(self.workers()).saturating_mul(sizes.largest().0).saturating_mul(room);
        if size < needed {
            return Err(format!(
                "each of {} workers verifies a share of its own, which takes {}; use a larger target or fewer \
                 workers",
                self.workers(),
                ByteSize(needed)
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        testing::{refused, trial},
        trial::{
            BlockSizes, DeviceTarget, FileTarget, PathTarget, RamdiskKind, RamdiskTarget, Sqpoll, Sync,
            SyncCall,
        },
    };

    #[test]
    fn sizes_are_each_checked() {
        let mix = |parts: &[(u64, u32)]| {
            let parts = parts.iter().map(|(size, percent)| (ByteSize(*size), *percent)).collect();
            refused(|t| t.workload.block_size = BlockSizes::new(parts))
        };
        assert!(mix(&[(4096, 50), (1000, 50)]).contains("1000B is not a whole number of sectors"));
        assert!(mix(&[(4096, 50), (512, 40)]).contains("adds up to 90 percent"));
        assert!(mix(&[(512, 50), (2 << 20, 50)]).contains("does not hold one block of 2MiB"));
    }

    #[test]
    fn syncs_need_writes_and_links_need_room() {
        let sync = Some(Sync { every: 8, call: SyncCall::Fdatasync });
        assert!(refused(|t| t.workload.sync = sync).contains("needs writes to make durable"));
        let linked = |change: &dyn Fn(&mut Trial)| {
            let mut trial = trial();
            trial.workload.sync = sync;
            trial.workload.read_percent = 0;
            trial.engine.link_sync = true;
            trial.engine.depth = 2;
            change(&mut trial);
            trial.validate().map_err(|errors| errors[0].to_string())
        };
        assert_eq!(linked(&|_| {}), Ok(()));
        let says = |change: &dyn Fn(&mut Trial), text: &str| {
            let error = linked(change).unwrap_err();
            assert!(error.contains(text), "{error}");
        };
        says(&|t| t.workload.sync = None, "needs workload.sync");
        says(&|t| t.engine.depth = 1, "depth and a submit_batch of 2");
        says(&|t| t.engine.submit_batch = Some(1), "depth and a submit_batch of 2");
        says(&|t| t.engine.engine = EngineKind::Libaio, "libaio has no ring, so it cannot have link_sync");
        says(
            &|t| t.engine.ring = Sharing::Combiner,
            "engine.link_sync: does not go with a ring that threads share",
        );
        says(&|t| t.engine.engine = EngineKind::Nop, "workload.sync: does not go with engine: nop");
        says(&|t| t.engine.iopoll = true, "does not go with iopoll");
        says(&|t| t.engine.sqpoll = Some(Sqpoll { shared: true, ..Sqpoll::default() }), "may part a write");
        says(
            &|t| t.workload.sync = Some(Sync { every: 0, call: SyncCall::Fsync }),
            "every 0 is out of range",
        );
    }

    #[test]
    fn what_cannot_be_verified_is_refused() {
        let verified = |change: &dyn Fn(&mut Trial)| {
            let mut trial = trial();
            trial.workload.verify = true;
            change(&mut trial);
            trial.validate().map_err(|errors| errors[0].to_string())
        };
        assert_eq!(verified(&|_| {}), Ok(()));
        let says = |change: &dyn Fn(&mut Trial), text: &str| {
            let error = verified(change).unwrap_err();
            assert!(error.contains(text), "{error}");
        };
        says(&|t| t.engine.engine = EngineKind::Null, "null: it moves no data");
        says(&|t| t.engine.engine = EngineKind::Nop, "nop: it moves no data");
        says(
            &|t| t.engine.ring = Sharing::Shared,
            "workload.verify: does not go with a ring that threads share",
        );
        let path = || Target::Path(PathTarget { path: "/x".into(), direct: true });
        says(&|t| t.target = path(), "workload.verify: does not go with target.path");
        says(&|t| t.workload.threads = 300, "each of 300 workers verifies a share of its own");
        let file = || Target::File(FileTarget::new(ByteSize(1 << 40), true));
        says(&|t| t.target = file(), "too large to keep count of");
        let device = DeviceTarget { path: "/dev/x".into(), serial: "S".into(), destroy: None, direct: true };
        says(&|t| t.target = Target::Device(device.clone()), "target.device.destroy: is missing");
        let disk = RamdiskTarget {
            memory_backed: false,
            ..RamdiskTarget::new(ByteSize(1 << 20), RamdiskKind::NullBlk)
        };
        says(&|t| t.target = Target::Ramdisk(disk.clone()), "keeps no contents");
    }
}
