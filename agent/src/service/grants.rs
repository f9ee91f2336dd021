//! Decides which of a trial's requested options the target and the engine grant.

use proto::{
    engine::OPTIONS,
    facts::{Device, Scheduler, Setting, TargetFacts},
    knob::{DEPTH, Knob, KnobValue, SQPOLL_CPU},
    refusal::{EngineRefusal, KnobFailure, Refusal},
    trial::{Engine, Fallback, Sqpoll, Trial, UrgentBy},
    warning::{GrantWarning, Warning},
};

/// The requested and the granted depth; an engine without a queue does not grant one.
pub(super) fn depth(trial: &Trial) -> Vec<Knob> {
    let granted = trial.depth_per_worker().saturating_mul(trial.workers() / trial.workload.threads.max(1));
    let requested = KnobValue::Count(trial.engine.queue.depth);
    vec![Knob::new(DEPTH, requested, KnobValue::Count(granted))]
}

/// The CPUs of the threads that poll submission queues, without duplicates.
pub(super) fn poller(sqpoll: Sqpoll, placed: &[u32]) -> Knob {
    let mut cpus = placed.to_vec();
    cpus.sort_unstable();
    cpus.dedup();
    let requested = sqpoll.cpu.map_or(KnobValue::Auto, |cpu| KnobValue::Cpus(vec![cpu]));
    Knob::new(SQPOLL_CPU, requested, KnobValue::Cpus(cpus))
}

/// Decides whether requested polling is granted: by the device behind the target and, for synchronous requests, by the
/// kernel. A ring opens with IOPOLL on any device; only `queue/io_poll` of the block device shows whether it has poll
/// queues.
pub(super) fn polling(engine: &Engine, target: &TargetFacts) -> Result<Vec<Knob>, Refusal> {
    let release = rustix::system::uname().release().to_string_lossy().into_owned();
    polling_on(engine, target, &release)
}

fn polling_on(engine: &Engine, target: &TargetFacts, release: &str) -> Result<Vec<Knob>, Refusal> {
    let Some(option) = engine.set_options().find(|option| option.starts_polling()) else {
        return Ok(Vec::new());
    };
    let name = option.name;
    // The kernel accepts the flag whether or not it polls, so its release has to decide.
    if name == "hipri" && !polls_synchronously(release) {
        return match engine.fallback {
            Fallback::Allow => Ok(vec![Knob::switch(name, false)]),
            Fallback::Refuse => {
                let failure = KnobFailure::HipriIgnored { release: release.to_owned() };
                Err(EngineRefusal::Knob { knob: name.to_owned(), failure }.into())
            }
        };
    }
    // I/O through the page cache never polls. A trial that requests both has been validated to allow this fallback.
    let polls = target.direct.unwrap_or(true) && target.io_poll == Some(Setting(true));
    if !polls && engine.fallback == Fallback::Refuse {
        let device = target.device.as_ref().map(Device::to_string);
        let io_poll = target.io_poll.map(|Setting(polls)| polls);
        let failure = KnobFailure::NoPollQueues { device, io_poll };
        return Err(EngineRefusal::Knob { knob: name.to_owned(), failure }.into());
    }
    let mut knobs = vec![Knob::switch(name, polls)];
    if !polls {
        // Options that refine polling are off too. If the device polls, the ring grants or refuses them.
        let ways = engine.set_options().filter(|option| option.polls && !option.starts_polling());
        knobs.extend(ways.map(|way| Knob::switch(way.name, false)));
    }
    Ok(knobs)
}

/// Whether a kernel polls for preadv2 with RWF_HIPRI: up to 5.19. A release that cannot be parsed counts as newer.
fn polls_synchronously(release: &str) -> bool {
    release.split('.').next().and_then(|major| major.parse::<u32>().ok()).is_some_and(|major| major < 6)
}

/// The warning for a knob that was not granted as requested.
pub(super) fn not_granted(knob: &Knob) -> Warning {
    GrantWarning::KnobNotGranted {
        knob: knob.name.clone(),
        requested: knob.requested.to_string(),
        granted: knob.granted.to_string(),
    }
    .into()
}

/// A warning if the disk's scheduler ignores I/O priorities, as most do.
pub(super) fn unheeded(engine: &Engine, target: &TargetFacts) -> Option<Warning> {
    let asked = engine.urgent.is_some_and(|urgent| urgent.by == UrgentBy::Ioprio);
    let direct = target.direct == Some(true);
    let scheduler = target.scheduler.as_ref().unwrap_or(&Scheduler::None);
    (asked && direct && !scheduler.heeds_priority())
        .then(|| GrantWarning::IoprioUnheeded { scheduler: scheduler.to_string() }.into())
}

/// A copy of the trial that uses interrupts instead of polling.
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
    fn reports_the_cpu_of_a_polling_thread() {
        let knob = |cpu, placed: &[u32]| poller(Sqpoll { cpu, ..Sqpoll::default() }, placed);
        let cpus = |cpus: &[u32]| KnobValue::Cpus(cpus.to_vec());
        assert_eq!(knob(None, &[3, 2, 3]), Knob::new("sqpoll_cpu", KnobValue::Auto, cpus(&[2, 3])));
        assert_eq!(knob(Some(1), &[1, 1]), Knob::new("sqpoll_cpu", cpus(&[1]), cpus(&[1])));
    }

    #[test]
    fn polling_needs_a_device_that_polls() {
        let mut engine = Engine {
            ring: RingOptions { iopoll: true, ..RingOptions::default() },
            ..Engine::new(EngineKind::IoUring)
        };
        let facts = |polls| TargetFacts { io_poll: Some(Setting(polls)), ..TargetFacts::default() };
        assert!(polling(&engine, &facts(true)).unwrap()[0].is_on());
        let refusal = polling(&engine, &facts(false)).unwrap_err();
        assert_eq!(refusal.field(), "engine.iopoll");
        assert!(refusal.message().contains("queue/io_poll = 0") && refusal.remedy().contains("poll_queues"));
        assert!(polling(&engine, &TargetFacts::default()).unwrap_err().message().contains("no block device"));
        engine.fallback = Fallback::Allow;
        assert!(!polling(&engine, &facts(false)).unwrap()[0].is_on());
        engine.ring.hybrid_iopoll = true;
        let knobs = polling(&engine, &facts(false)).unwrap();
        assert_eq!(knobs, [Knob::switch("iopoll", false), Knob::switch("hybrid_iopoll", false)]);
        let cached = TargetFacts { direct: Some(false), ..facts(true) };
        assert!(!polling(&engine, &cached).unwrap()[0].is_on());
        assert!(polling(&Engine::new(EngineKind::IoUring), &facts(false)).unwrap().is_empty());
    }

    #[test]
    fn warns_if_the_scheduler_ignores_io_priority() {
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
            let value = |text: &str| KnobValue::read(name, text.to_owned());
            not_granted(&Knob::new(name, value(requested), value(granted)))
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
    fn refuses_hipri_since_linux_6_0() {
        let mut engine = Engine {
            calls: CallFlags { hipri: true, ..CallFlags::default() },
            ..Engine::new(EngineKind::Pvsync2)
        };
        let facts = TargetFacts { io_poll: Some(Setting(true)), ..TargetFacts::default() };
        let granted =
            |engine: &Engine, release| polling_on(engine, &facts, release).map(|knobs| knobs[0].is_on());
        assert!(granted(&engine, "5.19.17-generic").unwrap());
        let refusal = granted(&engine, "6.12.117-rb-stock").unwrap_err();
        assert_eq!(refusal.field(), "engine.hipri");
        assert!(refusal.remedy().contains("iopoll"), "{}", refusal.remedy());
        engine.fallback = Fallback::Allow;
        assert!(!granted(&engine, "6.0.0").unwrap());
    }
}
