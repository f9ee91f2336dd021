//! The means by which a ring prefers urgent requests, and those that the host grants.

use std::io;

use proto::{
    knob::{Knob, KnobValue, Priority, URGENT, URGENT_IOPRIO},
    outcome::Lane,
    refusal::{EngineRefusal, KnobFailure, Refusal},
    trial::{Urgent, UrgentBy},
};

use super::{Opcode, Requests, Ring, RingSetup, abi::IOSQE_URGENT, context::Hint};
use crate::{
    engine::Engine as _,
    workload::{Op, OpKind},
};

/// `IOPRIO_PRIO_VALUE`: the class, above 13 bits of which the lowest three are the level; level 0 is the highest.
const REAL_TIME: u16 = 1 << 13;
const BEST_EFFORT: u16 = 2 << 13;

impl<R: Requests> Ring<R> {
    /// Sets up the requested preference of urgent requests, and returns what was granted. `flagged`: the ring accepts
    /// urgent flags.
    pub(super) fn urgent_hint(&mut self, setup: &RingSetup<'_>, flagged: bool) -> Result<Vec<Knob>, Refusal> {
        let Some(urgent) = setup.engine.urgent else { return Ok(Vec::new()) };
        let granted = |by: UrgentBy| Knob::new(URGENT, KnobValue::Urgent(urgent.by), KnobValue::Urgent(by));
        Ok(match urgent.by {
            UrgentBy::None | UrgentBy::SeparateRing => vec![granted(urgent.by)],
            UrgentBy::IosqeUrgent if flagged => {
                self.set_urgent_hint(Hint { flags: IOSQE_URGENT, ioprio: 0 });
                vec![granted(urgent.by)]
            }
            UrgentBy::IosqeUrgent => vec![granted(UrgentBy::None)],
            UrgentBy::Ioprio => {
                let found = KnobValue::Priority(self.find_priority(setup.opcode, urgent)?);
                let priority = Knob::new(URGENT_IOPRIO, KnobValue::Priority(Priority::RealTime), found);
                vec![granted(urgent.by), priority]
            }
        })
    }

    fn set_urgent_hint(&mut self, hint: Hint) {
        self.context.hints[Lane::Urgent as usize] = hint;
        self.requests.settle(&self.context);
    }

    /// Finds the highest permitted priority for reads of the target, by test reads.
    fn find_priority(&mut self, opcode: Opcode, urgent: Urgent) -> Result<Priority, Refusal> {
        debug_assert_eq!(opcode, Opcode::Transfer, "checked with the trial");
        let mut why = None;
        for (class, ioprio) in [(Priority::RealTime, REAL_TIME), (Priority::HighestBestEffort, BEST_EFFORT)] {
            self.set_urgent_hint(Hint { flags: 0, ioprio });
            match self.try_read(urgent) {
                Ok(()) => return Ok(class),
                Err(error) => why = Some(error),
            }
        }
        let error = why.unwrap_or_else(|| io::ErrorKind::Other.into());
        let failure = KnobFailure::IoPriority(error.into());
        Err(EngineRefusal::Knob { knob: "urgent".to_owned(), failure }.into())
    }

    fn try_read(&mut self, urgent: Urgent) -> io::Result<()> {
        let len = urgent.block_size.map_or(self.context.buffers.block(), |size| size.0 as usize) as u32;
        self.queue(std::iter::once((0, Op { lane: Lane::Urgent, ..Op::new(OpKind::Read, 0, len) })));
        let mut result = None;
        while result.is_none() {
            self.commit(1)?;
            self.reap(|completion| result = Some(completion.result));
        }
        match result {
            Some(result) if result < 0 => Err(io::Error::from_raw_os_error(-result)),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use io_uring::squeue;
    use proto::trial::{self, EngineKind, Fallback, Share};

    use super::*;
    use crate::{
        buffers::Buffers,
        engine::{
            Attach,
            ring::{
                Transfers,
                abi::{FEAT_URGENT, SETUP_URGENT},
                setup,
            },
        },
    };

    fn ring(by: UrgentBy, fallback: Fallback) -> Result<(Ring, Vec<Knob>), Refusal> {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&[7; 4096]).unwrap();
        let urgent = Some(Urgent { share: Share(10_000), by, block_size: None });
        let engine = trial::Engine { urgent, fallback, ..trial::Engine::new(EngineKind::IoUring) };
        let setup = RingSetup {
            opcode: Opcode::Transfer,
            depth: 4,
            engine: &engine,
            worker: 0,
            poller: None,
            attach: &Attach::default(),
        };
        Ring::new(&setup, file.into(), Buffers::new(4, 512, 1).unwrap())
    }

    fn forbidden(refusal: &Refusal) -> bool {
        let forbidden = refusal.code() == "ring-refused";
        if forbidden {
            crate::skip::skip(&refusal.message());
        }
        forbidden
    }

    fn texts(knobs: &[Knob]) -> Vec<[String; 3]> {
        let text = |knob: &Knob| [knob.name.clone(), knob.requested.to_string(), knob.granted.to_string()];
        knobs.iter().map(text).collect()
    }

    /// The 64 bytes of a request.
    fn bytes(ring: &mut Ring, kind: OpKind, lane: Lane) -> [u8; 64] {
        let entry = ring.requests.entry(&ring.context, 1, Op { lane, ..Op::new(kind, 512, 512) });
        // SAFETY: both are 64 bytes of plain numbers.
        unsafe { std::mem::transmute::<squeue::Entry, [u8; 64]>(entry) }
    }

    #[test]
    fn urgent_requests_differ_only_in_flags_and_priority() {
        let (mut ring, knobs) = match ring(UrgentBy::None, Fallback::Refuse) {
            Err(refusal) if forbidden(&refusal) => return,
            other => other.unwrap(),
        };
        assert_eq!(texts(&knobs), [["urgent", "none", "none"]]);
        let plain = bytes(&mut ring, OpKind::Read, Lane::Bulk);
        assert_eq!(bytes(&mut ring, OpKind::Read, Lane::Urgent), plain, "without a hint");
        ring.set_urgent_hint(Hint { flags: IOSQE_URGENT, ioprio: REAL_TIME });
        assert_eq!(bytes(&mut ring, OpKind::Read, Lane::Bulk), plain);
        let urgent = bytes(&mut ring, OpKind::Read, Lane::Urgent);
        assert_eq!((urgent[1], u16::from_ne_bytes([urgent[2], urgent[3]])), (0x80, 1 << 13));
        assert_eq!((urgent[0], &urgent[4..]), (plain[0], &plain[4..]));
        ring.context.flags = squeue::Flags::ASYNC;
        ring.set_urgent_hint(Hint { flags: IOSQE_URGENT, ioprio: 0 });
        assert_eq!(bytes(&mut ring, OpKind::Write, Lane::Urgent)[1], 0x90, "in addition to other flags");
        let _: &Transfers = &ring.requests;
    }

    #[test]
    fn finds_the_permitted_priority_by_trying() {
        let (ring, knobs) = match ring(UrgentBy::Ioprio, Fallback::Refuse) {
            Err(refusal) if forbidden(&refusal) => return,
            other => other.unwrap(),
        };
        let [by, priority] = &knobs[..] else { panic!("{knobs:?}") };
        assert_eq!(texts(std::slice::from_ref(by)), [["urgent", "ioprio", "ioprio"]]);
        assert_eq!(priority.requested, KnobValue::Priority(Priority::RealTime));
        let expected = match &priority.granted {
            KnobValue::Priority(Priority::RealTime) => REAL_TIME,
            KnobValue::Priority(Priority::HighestBestEffort) => BEST_EFFORT,
            other => panic!("{other}"),
        };
        assert_eq!(ring.context.hints[Lane::Urgent as usize], Hint { flags: 0, ioprio: expected });
    }

    #[test]
    fn only_patched_kernels_grant_the_urgent_flag() {
        let patched = match setup::open_flagged(SETUP_URGENT, 4) {
            Ok((_, features)) => features & FEAT_URGENT != 0,
            Err(_) => false,
        };
        match ring(UrgentBy::IosqeUrgent, Fallback::Refuse) {
            Err(refusal) if forbidden(&refusal) => return,
            Err(refusal) => {
                assert!(!patched, "{refusal:?}");
                assert_eq!((refusal.code(), &*refusal.field()), ("knob-refused", "engine.urgent"));
                assert!(refusal.remedy().contains("kernel/lab run patched-6.12"), "{refusal:?}");
            }
            Ok((mut ring, knobs)) => {
                assert!(patched);
                assert_eq!(texts(&knobs), [["urgent", "iosqe_urgent", "iosqe_urgent"]]);
                ring.try_read(Urgent { share: Share(1), by: UrgentBy::IosqeUrgent, block_size: None })
                    .unwrap();
            }
        }
        let (ring, knobs) = ring(UrgentBy::IosqeUrgent, Fallback::Allow).unwrap();
        let granted = if patched { "iosqe_urgent" } else { "none" };
        assert_eq!(texts(&knobs), [["urgent", "iosqe_urgent", granted]]);
        assert_eq!(ring.context.hints[Lane::Urgent as usize].flags, if patched { IOSQE_URGENT } else { 0 });
    }
}
