//! null_blk: a block device configured through configfs, with the block layer's queues and no hardware. The only RAM
//! disk that supports polling and a fixed completion time (by a timer).

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use proto::{
    refusal::{KindFailure, RamdiskStep},
    trial::RamdiskTarget,
};

use super::{
    Made, failed, open_exclusively,
    state::{Owner, Record, State},
};

const CONFIG: &str = "/sys/kernel/config/nullb";

/// Directories of the kernel interfaces; replaced in tests.
struct Roots<'a> {
    config: &'a Path,
    block: &'a Path,
    dev: &'a Path,
}

pub(super) fn make(wanted: &RamdiskTarget, state: &State) -> Result<Made, KindFailure> {
    let roots = Roots { config: Path::new(CONFIG), block: Path::new("/sys/block"), dev: Path::new("/dev") };
    make_in(&roots, wanted, state)
}

fn make_in(roots: &Roots<'_>, wanted: &RamdiskTarget, state: &State) -> Result<Made, KindFailure> {
    if !roots.config.is_dir() {
        return Err(KindFailure::NotOffered { path: CONFIG.to_owned() });
    }
    let features = fs::read_to_string(roots.config.join("features")).unwrap_or_default();
    let queues = std::thread::available_parallelism().map_or(1, usize::from);
    let settings = settings(wanted, &features, queues)?;
    let name = free_name(roots.config);
    let dir = roots.config.join(&name);
    let record = Record {
        kind: "null_blk".to_owned(),
        device: name.clone(),
        // The name contains this process's id, so it identifies the device.
        identity: dir.to_string_lossy().into_owned(),
        size: wanted.size.0,
        owner: Owner::this().map_err(|error| failed(RamdiskStep::IdentifyProcess, &error))?,
    };
    state.add(&record).map_err(|error| failed(RamdiskStep::Record, &error))?;
    let made = set_up(roots, &dir, &settings);
    let file = made.inspect_err(|_| {
        let _ = take_down(&record);
        state.remove(&record);
    })?;
    let mut facts = vec![("memory_backed", super::super::yes_no(wanted.memory_backed))];
    if let Some(queues) = wanted.poll_queues {
        facts.push(("poll_queues", queues.to_string()));
    }
    if let Some(completion) = wanted.completion {
        facts.push(("completion", completion.to_string()));
    }
    Ok(Made { file, facts, asynchronous: true, record: Some(record) })
}

/// The attributes in the order in which they are written; `power` follows.
fn settings(
    wanted: &RamdiskTarget,
    features: &str,
    queues: usize,
) -> Result<Vec<(&'static str, String)>, KindFailure> {
    let offered = |name: &str| features.trim().split(',').any(|feature| feature == name);
    let mut settings = vec![
        ("size", (wanted.size.0 >> 20).to_string()),
        ("blocksize", "512".to_owned()),
        // 2: the multi-queue block layer, like real devices.
        ("queue_mode", "2".to_owned()),
        ("submit_queues", queues.to_string()),
        ("hw_queue_depth", "1024".to_owned()),
    ];
    for (needed, name, value) in [
        (wanted.memory_backed, "memory_backed", "1".to_owned()),
        (wanted.poll_queues.is_some(), "poll_queues", wanted.poll_queues.unwrap_or(0).to_string()),
    ] {
        if needed {
            if !offered(name) {
                return Err(KindFailure::NoFeature { feature: name.to_owned() });
            }
            settings.push((name, value));
        }
    }
    // 2: a timer completes each request; 1: a soft interrupt does so immediately.
    match wanted.completion {
        Some(completion) => {
            settings.push(("irqmode", "2".to_owned()));
            settings.push(("completion_nsec", completion.0.to_string()));
        }
        None => settings.push(("irqmode", "1".to_owned())),
    }
    Ok(settings)
}

fn free_name(config: &Path) -> String {
    let own = std::process::id();
    let names = (0u32..).map(|number| format!("ringbench-{own}-{number}"));
    names.into_iter().find(|name| !config.join(name).exists()).unwrap_or_default()
}

fn set_up(
    roots: &Roots<'_>,
    dir: &Path,
    settings: &[(&str, String)],
) -> Result<std::os::fd::OwnedFd, KindFailure> {
    fs::create_dir(dir).map_err(|error| failed(RamdiskStep::CreateNullBlk, &error))?;
    for (name, value) in settings.iter().chain(&[("power", "1".to_owned())]) {
        fs::write(dir.join(name), value).map_err(|error| {
            let (attribute, value) = ((*name).to_owned(), value.clone());
            failed(RamdiskStep::Configure { attribute, value }, &error)
        })?;
    }
    let device = device(roots, dir).ok_or(KindFailure::NoNode)?;
    open_exclusively(&device).map_err(|error| failed(RamdiskStep::OpenNullBlk, &error))
}

/// The path of the device: newer kernels name it after its directory, older ones after its index.
fn device(roots: &Roots<'_>, dir: &Path) -> Option<PathBuf> {
    let own = dir.file_name()?.to_string_lossy().into_owned();
    let index = fs::read_to_string(dir.join("index")).ok().map(|text| format!("nullb{}", text.trim()));
    let name = [Some(own), index].into_iter().flatten().find(|name| roots.block.join(name).exists())?;
    Some(roots.dev.join(name))
}

pub(super) fn take_down(record: &Record) -> io::Result<()> {
    let dir = Path::new(&record.identity);
    let named_by_us = dir.file_name().is_some_and(|name| name.to_string_lossy().starts_with("ringbench-"));
    if !named_by_us || !dir.is_dir() {
        return Ok(());
    }
    // Fails if it was never powered on.
    let _ = fs::write(dir.join("power"), "0");
    fs::remove_dir(dir)
}

#[cfg(test)]
mod tests {
    use proto::{
        trial::RamdiskKind,
        units::{ByteSize, Nanos},
    };

    use super::*;

    const FEATURES: &str = "memory_backed,discard,bandwidth,cache,badblocks,poll_queues\n";

    fn wanted() -> RamdiskTarget {
        RamdiskTarget {
            poll_queues: Some(2),
            completion: Some(Nanos(10_000)),
            ..RamdiskTarget::new(ByteSize(256 << 20), RamdiskKind::NullBlk)
        }
    }

    #[test]
    fn requested_settings_are_made_or_refused() {
        let Ok(all) = settings(&wanted(), FEATURES, 4) else { panic!("refused") };
        let get = |name: &str| all.iter().find(|(key, _)| *key == name).map(|(_, value)| value.as_str());
        for (name, value) in [
            ("size", "256"),
            ("submit_queues", "4"),
            ("memory_backed", "1"),
            ("poll_queues", "2"),
            ("irqmode", "2"),
            ("completion_nsec", "10000"),
        ] {
            assert_eq!(get(name), Some(value), "{name}");
        }
        let Err(failure) = settings(&wanted(), "memory_backed", 1) else { panic!("granted") };
        assert_eq!(failure, KindFailure::NoFeature { feature: "poll_queues".into() });
        let bare = RamdiskTarget { memory_backed: false, poll_queues: None, completion: None, ..wanted() };
        let Ok(all) = settings(&bare, "", 1) else { panic!("refused") };
        assert!(all.contains(&("irqmode", "1".to_owned())));
        assert!(!all.iter().any(|(name, _)| *name == "memory_backed"));
    }

    /// Uses a tree of plain files, because not every host has null_blk.
    #[test]
    fn a_device_is_created_through_its_directory() {
        let root = tempfile::TempDir::new().unwrap();
        let [config, block, dev] = ["nullb", "block", "dev"].map(|name| root.path().join(name));
        let roots = Roots { config: &config, block: &block, dev: &dev };
        let state = State::at(&root.path().join("state"));
        let Err(failure) = make_in(&roots, &wanted(), &state) else { panic!("made without configfs") };
        assert_eq!(failure, KindFailure::NotOffered { path: "/sys/kernel/config/nullb".into() });
        for dir in [&config, &block, &dev] {
            fs::create_dir(dir).unwrap();
        }
        fs::write(config.join("features"), FEATURES).unwrap();
        let name = free_name(&config);
        let Err(failure) = make_in(&roots, &wanted(), &state) else { panic!("opened a missing device") };
        assert_eq!(failure, KindFailure::NoNode);
        assert_eq!(fs::read_to_string(config.join(&name).join("power")).unwrap(), "0", "powered off again");

        let name = free_name(&config);
        fs::create_dir(block.join(&name)).unwrap();
        fs::write(dev.join(&name), "").unwrap();
        let Ok(made) = make_in(&roots, &wanted(), &state) else { panic!("refused") };
        assert!(made.asynchronous && made.record.is_some());
        assert_eq!(fs::read_to_string(config.join(&name).join("completion_nsec")).unwrap(), "10000");
        assert_eq!(fs::read_to_string(config.join(&name).join("power")).unwrap(), "1");
    }
}
