//! Tests of requested and granted flags.

use proto::trial::{EngineKind, RingOptions, Share, Urgent};

use super::{
    super::{Completion, Op, Opcode, RequestContext, Slot, Transfers},
    *,
};

/// Negotiates a small ring for these requests.
fn negotiated<R: Requests>(engine: &Engine) -> Result<Built<R>, Refusal> {
    let (opcode, attach) = (Opcode::Nop, Attach::default());
    negotiate::<R>(&RingSetup { opcode, depth: 4, engine, worker: 0, poller: None, attach: &attach }, None)
}

#[test]
fn refusals_of_registrations_name_the_remedy() {
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
fn finds_the_flag_that_the_kernel_refuses() {
    // Two flags that the kernel refuses together simulate an unknown flag.
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
    let built = negotiated::<Transfers>(&engine).unwrap();
    let granted = [("single_issuer", true), ("defer_taskrun", true), ("sqpoll", false)];
    assert_eq!(built.knobs, granted.map(|(name, granted)| Knob::switch(name, granted)));
}

/// Simulates a kernel that accepts the urgent flag but does not report the feature.
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
        unreachable!("no request completes")
    }
}

#[test]
fn refuses_an_urgent_flag_that_the_kernel_accepts_but_ignores() {
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
    let built = negotiated::<HalfPatched>(&engine).unwrap();
    assert_eq!((built.knobs, built.urgent), (vec![Knob::switch("single_issuer", true)], false));
}
