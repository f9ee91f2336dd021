//! What only the target or the choice of engine can grant, whatever the ring says of itself.

use proto::{
    engine::OPTIONS,
    facts::{Device, Scheduler, Setting, TargetFacts},
    outcome::Knob,
    refusal::{EngineRefusal, KnobFailure, Refusal},
    trial::{Engine, Fallback, Sqpoll, Trial, UrgentBy},
    warning::{GrantWarning, Warning},
};

/// Asked for where the choice is left to the agent.
pub(super) const AUTO: &str = "auto";

/// The depth, which an engine without a queue does not grant.
pub(super) fn depth(trial: &Trial) -> Vec<Knob> {
    let granted = trial.depth_per_worker().saturating_mul(trial.workers() / trial.workload.threads.max(1));
    vec![Knob {
        name: "depth".into(),
        requested: trial.engine.queue.depth.to_string(),
        granted: granted.to_string(),
    }]
}

/// The CPUs of the threads that poll submission queues, each told once.
pub(super) fn poller(sqpoll: Sqpoll, placed: &[u32]) -> Knob {
    let mut cpus = placed.to_vec();
    cpus.sort_unstable();
    cpus.dedup();
    let granted: Vec<String> = cpus.iter().map(u32::to_string).collect();
    Knob {
        name: "sqpoll_cpu".into(),
        requested: sqpoll.cpu.map_or_else(|| AUTO.to_owned(), |cpu| cpu.to_string()),
        granted: granted.join(","),
    }
}

/// Whether polling is granted, where it is asked for: by the device behind the target, and for synchronous requests
/// by the kernel. A ring opens with IOPOLL on any device; only `queue/io_poll` of the block device says whether it
/// has poll queues.
pub(super) fn polling(engine: &Engine, target: &TargetFacts) -> Result<Vec<Knob>, Refusal> {
    let release = rustix::system::uname().release().to_string_lossy().into_owned();
    polling_on(engine, target, &release)
}

fn polling_on(engine: &Engine, target: &TargetFacts, release: &str) -> Result<Vec<Knob>, Refusal> {
    let name = match (engine.ring.iopoll, engine.calls.hipri) {
        (true, _) => "iopoll",
        (_, true) => "hipri",
        _ => return Ok(Vec::new()),
    };
    let knob =
        |granted: bool| Knob { name: name.into(), requested: "true".into(), granted: granted.to_string() };
    // It takes the flag and says nothing: there is nothing to try, but its age.
    if name == "hipri" && !polls_synchronously(release) {
        return match engine.fallback {
            Fallback::Allow => Ok(vec![knob(false)]),
            Fallback::Refuse => {
                let failure = KnobFailure::HipriIgnored { release: release.to_owned() };
                Err(EngineRefusal::Knob { knob: name.to_owned(), failure }.into())
            }
        };
    }
    // Through the page cache nothing is polled for, whatever the device; asked for nevertheless, that was allowed.
    let polls = target.direct.unwrap_or(true) && target.io_poll == Some(Setting(true));
    if !polls && engine.fallback == Fallback::Refuse {
        let device = target.device.as_ref().map(Device::to_string);
        let io_poll = target.io_poll.map(|Setting(polls)| polls);
        let failure = KnobFailure::NoPollQueues { device, io_poll };
        return Err(EngineRefusal::Knob { knob: name.to_owned(), failure }.into());
    }
    let mut knobs = vec![knob(polls)];
    if engine.ring.hybrid_iopoll && !polls {
        // A way of polling goes with it. Where there is polling, the ring says whether it has this way.
        knobs.push(Knob { name: "hybrid_iopoll".into(), ..knob(false) });
    }
    Ok(knobs)
}

/// Whether a kernel polls for preadv2 with RWF_HIPRI: up to 5.19. What has no version that can be read is new.
fn polls_synchronously(release: &str) -> bool {
    release.split('.').next().and_then(|major| major.parse::<u32>().ok()).is_some_and(|major| major < 6)
}

/// What is said of a knob that was not granted, or not as asked.
pub(super) fn not_granted(knob: &Knob) -> Warning {
    let Knob { name: knob, requested, granted } = knob.clone();
    GrantWarning::KnobNotGranted { knob, requested, granted }.into()
}

/// That an I/O priority goes unheeded: only some schedulers of a disk look at it.
pub(super) fn unheeded(engine: &Engine, target: &TargetFacts) -> Option<Warning> {
    let asked = engine.urgent.is_some_and(|urgent| urgent.by == UrgentBy::Ioprio);
    let direct = target.direct == Some(true);
    let scheduler = target.scheduler.as_ref().unwrap_or(&Scheduler::None);
    (asked && direct && !scheduler.heeds_priority())
        .then(|| GrantWarning::IoprioUnheeded { scheduler: scheduler.to_string() }.into())
}

/// The trial with interrupts instead of polling.
pub(super) fn without_polling(trial: &Trial) -> Trial {
    let mut trial = trial.clone();
    OPTIONS.iter().filter(|option| option.polls).for_each(|option| (option.reset)(&mut trial.engine));
    trial
}

#[cfg(test)]
mod tests {
    use proto::trial::{CallFlags, EngineKind, RingOptions, Share, Urgent};

    use super::*;

    #[test]
    fn the_cpu_of_a_poller_is_said() {
        let told = |cpu, placed: &[u32]| {
            let Knob { name, requested, granted } = poller(Sqpoll { cpu, ..Sqpoll::default() }, placed);
            format!("{name} {requested} {granted}")
        };
        assert_eq!(told(None, &[3, 2, 3]), "sqpoll_cpu auto 2,3");
        assert_eq!(told(Some(1), &[1, 1]), "sqpoll_cpu 1 1");
    }

    #[test]
    fn polling_is_the_devices_to_grant() {
        let mut engine = Engine {
            ring: RingOptions { iopoll: true, ..RingOptions::default() },
            ..Engine::new(EngineKind::IoUring)
        };
        let facts = |polls| TargetFacts { io_poll: Some(Setting(polls)), ..TargetFacts::default() };
        assert_eq!(polling(&engine, &facts(true)).unwrap()[0].granted, "true");
        let refusal = polling(&engine, &facts(false)).unwrap_err();
        assert_eq!(refusal.field(), "engine.iopoll");
        assert!(refusal.message().contains("queue/io_poll = 0") && refusal.remedy().contains("poll_queues"));
        assert!(polling(&engine, &TargetFacts::default()).unwrap_err().message().contains("no block device"));
        engine.fallback = Fallback::Allow;
        assert_eq!(polling(&engine, &facts(false)).unwrap()[0].granted, "false");
        engine.ring.hybrid_iopoll = true;
        let knobs = polling(&engine, &facts(false)).unwrap();
        let granted: Vec<_> = knobs.iter().map(|knob| (knob.name.as_str(), knob.granted.as_str())).collect();
        assert_eq!(granted, [("iopoll", "false"), ("hybrid_iopoll", "false")]);
        let cached = TargetFacts { direct: Some(false), ..facts(true) };
        assert_eq!(polling(&engine, &cached).unwrap()[0].granted, "false");
        assert!(polling(&Engine::new(EngineKind::IoUring), &facts(false)).unwrap().is_empty());
    }

    #[test]
    fn an_io_priority_needs_a_scheduler_that_looks_at_it() {
        let urgent = Urgent { share: Share(10_000), by: UrgentBy::Ioprio, block_size: None };
        let engine = Engine { urgent: Some(urgent), ..Engine::new(EngineKind::IoUring) };
        let facts = |direct, scheduler| TargetFacts {
            direct: Some(direct),
            scheduler: Some(Scheduler::named(scheduler)),
            ..TargetFacts::default()
        };
        assert!(unheeded(&engine, &facts(true, "none")).unwrap().message().contains("none"));
        assert_eq!(unheeded(&engine, &facts(true, "mq-deadline")), None);
        assert_eq!(unheeded(&engine, &facts(false, "none")), None);
        assert_eq!(unheeded(&Engine::new(EngineKind::IoUring), &facts(true, "none")), None);
        let knob = |name: &str, requested: &str, granted: &str| {
            let [name, requested, granted] = [name, requested, granted].map(str::to_owned);
            not_granted(&Knob { name, requested, granted })
        };
        assert!(knob("urgent", "iosqe_urgent", "none").remedy().contains("kernel/lab run patched-6.12"));
        assert!(
            knob("urgent_ioprio", "real-time", "best-effort-0")
                .message()
                .contains("best-effort-0 was granted")
        );
        assert!(knob("vectored", "true", "false").message().contains("ran without it"));
    }

    #[test]
    fn synchronous_polling_ended_with_5_19() {
        let mut engine = Engine {
            calls: CallFlags { hipri: true, ..CallFlags::default() },
            ..Engine::new(EngineKind::Pvsync2)
        };
        let facts = TargetFacts { io_poll: Some(Setting(true)), ..TargetFacts::default() };
        let granted = |engine: &Engine, release| {
            polling_on(engine, &facts, release).map(|knobs| knobs[0].granted.clone())
        };
        assert_eq!(granted(&engine, "5.19.17-generic").unwrap(), "true");
        let refusal = granted(&engine, "6.12.117-rb-stock").unwrap_err();
        assert_eq!(refusal.field(), "engine.hipri");
        assert!(refusal.remedy().contains("iopoll"), "{}", refusal.remedy());
        engine.fallback = Fallback::Allow;
        assert_eq!(granted(&engine, "6.0.0").unwrap(), "false");
    }
}
