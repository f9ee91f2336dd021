//! Tests of facts and their text.

use super::*;

fn read(map: &[(&str, &str)]) -> TargetFacts {
    let map: BTreeMap<String, String> =
        map.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    let facts = TargetFacts::from(map.clone());
    let json = serde_json::to_string(&facts).unwrap();
    assert_eq!(json, serde_json::to_string(&map).unwrap(), "written as read");
    assert_eq!(serde_json::from_str::<TargetFacts>(&json).unwrap(), facts);
    facts
}

#[test]
fn facts_have_types_and_keep_their_text() {
    let facts = read(&[
        ("anonymous", "yes"),
        ("cache", "cold"),
        ("cached_share", "0.3%"),
        ("device", "259:1 nvme0n1"),
        ("direct", "no"),
        ("file_system", "ext4"),
        ("interrupts", "36 nvme0q1, 37 nvme0q2"),
        ("io_poll", "1"),
        ("made_by", "agent"),
        ("nr_requests", "1023"),
        ("ramdisk", "null_blk"),
        ("scheduler", "mq-deadline"),
        ("size", "1GiB"),
    ]);
    assert_eq!((facts.direct, facts.io_poll), (Some(false), Some(Setting(true))));
    assert_eq!((facts.cache, facts.cached_share), (Some(Cache::Cold), Some(CachedShare::Known(3))));
    assert_eq!((facts.size, facts.made_by), (Some(ByteSize(1 << 30)), Some(MadeBy::Agent)));
    assert_eq!(facts.file_system, Some(FileSystem::Other("ext4".into())));
    assert_eq!(facts.device.unwrap().name.as_deref(), Some("nvme0n1"));
    assert!(facts.scheduler.unwrap().heeds_priority());
    assert_eq!(facts.ramdisk, Some(RamdiskKind::NullBlk));
    let Some(Interrupts::Lines(lines)) = facts.interrupts else { panic!("no lines") };
    assert_eq!((lines.len(), lines[1].number, lines[1].name.as_str()), (2, 37, "nvme0q2"));
    assert_eq!(facts.other.keys().collect::<Vec<_>>(), ["anonymous", "nr_requests"]);
}

#[test]
fn text_that_does_not_parse_is_kept() {
    let texts = [
        ("cached_share", "99.30%"),
        ("device", "259:1 nvme0n1 / 259:2 nvme1n1"),
        ("direct", "no / yes"),
        ("file_system", "ext4 / xfs"),
        ("interrupts", "not told: an older release"),
        ("io_poll", "2"),
        ("scheduler", "none / bfq"),
        ("size", "1024MiB"),
    ];
    let facts = read(&texts);
    assert_eq!(facts.other.len(), texts.len(), "{facts:?}");
    assert!(!facts.is_cached() && !facts.reaches_device());
}

#[test]
fn devices_and_interrupts_need_not_exist() {
    let facts = read(&[("device", "0:25 (no block device)"), ("interrupts", "unavailable: no block device")]);
    assert_eq!(facts.device, Some(Device { major: 0, minor: 25, name: None }));
    assert_eq!(facts.interrupts, Some(Interrupts::Unavailable("no block device".into())));
    let shared = read(&[("interrupts", "16 ehci_hcd:usb1, ahci, 17 snd")]).interrupts;
    let Some(Interrupts::Lines(lines)) = shared else { panic!("no lines") };
    assert_eq!(lines[0].name, "ehci_hcd:usb1, ahci");
}

#[test]
fn only_the_whole_is_a_hundred_percent() {
    let text = |share| CachedShare::of(share).to_string();
    assert_eq!([text(1.0), text(0.999_99), text(0.5), text(0.0)], ["100.0%", "99.9%", "50.0%", "0.0%"]);
}

#[test]
fn files_in_memory_are_recognised() {
    assert!(read(&[("file_system", "tmpfs")]).is_memory_file());
    assert!(read(&[("ramdisk", "tmpfs")]).is_memory_file());
    assert!(!read(&[("file_system", "ext4"), ("ramdisk", "zram")]).is_memory_file());
}

#[test]
fn later_facts_replace_earlier_ones() {
    let mut facts = read(&[("direct", "no"), ("size", "1GiB"), ("model", "a")]);
    facts.extend(read(&[("direct", "yes"), ("model", "b")]));
    assert_eq!((facts.direct, facts.size), (Some(true), Some(ByteSize(1 << 30))));
    assert_eq!(facts.other["model"], "b");
}
