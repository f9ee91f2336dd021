//! Notices read back as written; every one is documented.

use std::collections::BTreeSet;

use super::*;
use crate::{
    refusal::{Refusal, TargetRefusal},
    units::ByteSize,
    warning::{CpuWarning, Warning},
};

fn warning() -> Warning {
    CpuWarning::TooFewCpus { workers: 8, cpus: CpuList(vec![0, 1, 2, 5]), listed: true }.into()
}

#[test]
fn typed_notices_read_back_as_written() {
    let warning = warning();
    let json = serde_json::to_value(&warning).unwrap();
    assert_eq!((&json["code"], &json["facts"]["workers"]), (&"too-few-cpus".into(), &8.into()));
    assert!(json["message"].as_str().unwrap().contains("(0-2,5)"), "{json}");
    assert_eq!(serde_json::from_value::<Warning>(json).unwrap(), warning);

    let size = ByteSize(1);
    let refusal: Refusal = TargetRefusal::FileSizeLimit { needed: size, limit: size }.into();
    let json = serde_json::to_value(&refusal).unwrap();
    assert_eq!(json["field"], "target.file.size");
    assert_eq!(serde_json::from_value::<Refusal>(json).unwrap(), refusal);
}

#[test]
fn notices_of_other_releases_keep_their_text() {
    for json in [
        serde_json::json!({"code": "too-few-cpus", "message": "old text", "remedy": "do it"}),
        serde_json::json!({"code": "of-tomorrow", "message": "new text", "remedy": "", "facts": {"a": 1}}),
        serde_json::json!({"code": "too-few-cpus", "message": "m", "remedy": "r", "facts": {"workers": "many"}}),
    ] {
        let warning: Warning = serde_json::from_value(json.clone()).unwrap();
        assert!(matches!(warning, Warning::Recorded(_)), "{warning:?}");
        assert_eq!(
            (warning.code(), warning.message()),
            (json["code"].as_str().unwrap(), { json["message"].as_str().unwrap().to_owned() })
        );
    }
    assert!(serde_json::from_str::<Refusal>(r#"{"message": "no code", "remedy": ""}"#).is_err());
}

#[test]
fn codes_are_unique_and_documented() {
    for lists in [Warning::LISTS, Refusal::LISTS] {
        let mut codes = BTreeSet::new();
        for entry in lists.iter().flat_map(|subject| subject.entries) {
            assert!(codes.insert(entry.code), "{} twice", entry.code);
            assert!(entry.when.ends_with('.'), "{}: {}", entry.code, entry.when);
            assert!(!entry.code.contains(|c: char| !(c.is_ascii_lowercase() || c == '-')), "{}", entry.code);
        }
    }
}

#[test]
fn facts_are_printed_for_people() {
    assert_eq!(CpuList(vec![0, 1, 2, 3, 8, 9]).to_string(), "0-3,8,9");
    assert_eq!(CpuList(vec![]).to_string(), "");
    assert_eq!(CpuList(vec![u32::MAX, 0]).to_string(), "4294967295,0");
    assert_eq!((plural(1u32, "CPU"), plural(2u32, "CPU")), ("1 CPU".into(), "2 CPUs".into()));
    let sizes = [512, 3 << 20, 20 << 30].map(|size| rough(ByteSize(size)));
    assert_eq!(sizes, ["512B", "3 MiB", "20.0 GiB"]);
}
