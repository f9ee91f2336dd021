//! What is asked of rings, and what comes of it.

use proto::trial::{EngineKind, RingOptions, Share, Urgent};

use super::{
    super::{Completion, Op, Opcode, RequestContext, Slot, Transfers},
    *,
};

/// What a small ring of such requests is granted.
fn negotiated<R: Requests>(engine: &Engine) -> Result<(Built<R>, Vec<Knob>), Refusal> {
    let (opcode, attach) = (Opcode::Nop, Attach::default());
    negotiate::<R>(&RingSetup { opcode, depth: 4, engine, worker: 0, poller: None, attach: &attach }, None)
}

#[test]
fn what_is_not_registered_is_refused_with_what_would_give_it() {
    let refused = |name: &'static str, errno: i32| {
        let outcome = Err::<(), _>(io::Error::from_raw_os_error(errno));
        let refusal = granted(name, outcome, &Engine::new(EngineKind::IoUring), &mut Vec::new()).unwrap_err();
        assert_eq!(refusal.field(), format!("engine.{name}"));
        refusal.remedy()
    };
    assert!(refused("registered_ring", libc::EINVAL).contains("Linux 5.18"));
    assert!(refused("iowq_workers", libc::EINVAL).contains("Linux 5.15"));
    assert!(refused("fixed_files", libc::EMFILE).contains("ulimit -n"));
    assert!(refused("fixed_buffers", libc::ENOMEM).contains("ulimit -l"));
    assert!(refused("fixed_buffers", libc::EFAULT).starts_with("remove the option"));
}

#[test]
fn an_unknown_flag_is_found_among_known_ones() {
    // Two that the kernel refuses together stand for one that it does not know.
    let mut engine = Engine {
        ring: RingOptions {
            single_issuer: true,
            defer_taskrun: true,
            sqpoll: Some(proto::trial::Sqpoll::default()),
            ..RingOptions::default()
        },
        ..Engine::new(EngineKind::IoUring)
    };
    let refusal = match negotiated::<Transfers>(&engine) {
        Err(refusal) if refusal.code() == "ring-refused" => return crate::skip::skip(&refusal.message()),
        other => other.err().unwrap(),
    };
    assert_eq!((refusal.code(), refusal.field().as_str()), ("knob-refused", "engine.sqpoll"));
    engine.fallback = Fallback::Allow;
    let (_, knobs) = negotiated::<Transfers>(&engine).unwrap();
    let granted: Vec<_> = knobs.iter().map(|knob| (knob.name.as_str(), knob.granted.as_str())).collect();
    assert_eq!(granted, [("single_issuer", "true"), ("defer_taskrun", "true"), ("sqpoll", "false")]);
}

/// Requests on a kernel that takes the flag of urgent ones, but does not issue them first.
struct HalfPatched;

impl Requests for HalfPatched {
    type Sqe = squeue::Entry;
    type Cqe = cqueue::Entry;

    fn open(params: &mut Params, entries: u32) -> io::Result<IoUring> {
        params.flags &= !SETUP_URGENT;
        let ring = open(params, entries);
        params.features &= !FEAT_URGENT;
        ring
    }

    fn moves_data(&self) -> bool {
        false
    }

    fn entry(&mut self, _: &RequestContext, _: Slot, _: Op) -> squeue::Entry {
        unreachable!("no request is made")
    }

    fn completion(_: &cqueue::Entry) -> Completion {
        unreachable!("none comes back")
    }
}

#[test]
fn a_flag_that_is_taken_but_not_heeded_is_refused_like_one_that_is_not_known() {
    let urgent = Urgent { share: Share(10_000), by: UrgentBy::IosqeUrgent, block_size: None };
    let mut engine = Engine {
        ring: RingOptions { single_issuer: true, ..RingOptions::default() },
        urgent: Some(urgent),
        ..Engine::new(EngineKind::IoUring)
    };
    let refusal = match negotiated::<HalfPatched>(&engine) {
        Err(refusal) if refusal.code() == "ring-refused" => return crate::skip::skip(&refusal.message()),
        other => other.err().unwrap(),
    };
    assert_eq!((refusal.code(), refusal.field().as_str()), ("knob-refused", "engine.urgent"));
    assert!(refusal.message().contains("does not grant urgent by: iosqe_urgent"), "{refusal:?}");
    assert!(refusal.remedy().contains("kernel/lab run patched-6.12"), "{refusal:?}");
    engine.fallback = Fallback::Allow;
    let (ring, knobs) = negotiated::<HalfPatched>(&engine).unwrap();
    let granted: Vec<_> = knobs.iter().map(|knob| (knob.name.as_str(), knob.granted.as_str())).collect();
    assert_eq!(granted, [("single_issuer", "true"), (URGENT, "false")]);
    drop(ring);
}
