//! Warnings read back as written.

use std::collections::BTreeSet;

use proto::notice::CpuList;

use super::*;

fn steal() -> SetWarning {
    let warning = NoiseWarning::Steal { share: 0.25, cpus: CpuList(vec![1]) }.into();
    let trials = Some(InTrials { count: 4, of: 6, worst: "0003-sync".into() });
    SetWarning { host: Some("n1".into()), warning, trials, more: 2 }
}

#[test]
fn warnings_read_back_as_written() {
    let json = serde_json::to_value(steal()).unwrap();
    let message = "in 4 of 6 trials, most in 0003-sync: the hypervisor gave 25.0 % of the time of CPU 1 to others \
                   (and 2 more like it)";
    assert_eq!((&json["code"], &json["message"]), (&"steal".into(), &message.into()));
    assert_eq!(json["facts"]["share"], 0.25);
    assert_eq!(serde_json::from_value::<SetWarning>(json).unwrap(), steal());
}

#[test]
fn warnings_without_facts_keep_their_text() {
    let mut json = serde_json::to_value(steal()).unwrap();
    json.as_object_mut().unwrap().remove("facts");
    let read: SetWarning = serde_json::from_value(json.clone()).unwrap();
    assert_eq!((read.code(), read.message()), ("steal", steal().message()));
    let written = serde_json::to_value(&read).unwrap();
    assert_eq!((&written["message"], &written["remedy"]), (&json["message"], &json["remedy"]));
}

#[test]
fn codes_are_unique() {
    let mut codes = BTreeSet::new();
    for entry in Warning::LISTS.iter().flat_map(|subject| subject.entries) {
        assert!(codes.insert(entry.code), "{} twice", entry.code);
        assert!(entry.when.ends_with('.'), "{}: {}", entry.code, entry.when);
    }
}
