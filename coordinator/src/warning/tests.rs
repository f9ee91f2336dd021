//! Warnings read back as written.

use std::collections::BTreeSet;

use proto::notice::CpuList;
use serde_json::{Value, json};

use super::*;

fn steal() -> SetWarning {
    let warning = NoiseWarning::Steal { share: 0.25, cpus: CpuList(vec![1]) }.into();
    let trials = Some(InTrials { count: 4, of: 6, worst: "0003-sync".into() });
    SetWarning { host: Some("n1".into()), hosts: Vec::new(), worst: None, warning, trials, more: 2 }
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
fn a_kept_out_trial_affects_verdicts_and_an_audit_does_not() {
    let of = |audit| -> Warning {
        let reasons = vec![KeptOut::NoHost];
        RunWarning::TrialKeptOut { trial: "0007-sync".into(), audit, reasons, refusal: None }.into()
    };
    use proto::notice::Notice as _;
    assert!(of(false).affects_verdicts() && !of(true).affects_verdicts());
    assert!(of(false).weight() > of(true).weight(), "of merged ones, the trial is shown");
    let written = serde_json::to_value(SetWarning { warning: of(true), ..steal() }).unwrap();
    assert_eq!(written["affects_verdicts"], false);
    // A warning of another release counts as affecting verdicts.
    let unknown = json!({"code": "of-tomorrow", "host": null, "message": "m", "remedy": "r"});
    assert!(serde_json::from_value::<SetWarning>(unknown).unwrap().affects_verdicts());
}

#[test]
fn codes_are_unique() {
    let mut codes = BTreeSet::new();
    for entry in Warning::LISTS.iter().flat_map(|subject| subject.entries) {
        assert!(codes.insert(entry.code), "{} twice", entry.code);
        assert!(entry.when.ends_with('.'), "{}: {}", entry.code, entry.when);
    }
}

#[test]
fn warnings_of_many_hosts_are_one_entry() {
    let share = |number: u32| if number == 7 { 0.5 } else { 0.25 };
    let of = |number: u32| {
        let warning = NoiseWarning::Steal { share: share(number), cpus: CpuList(vec![1]) }.into();
        let trials = Some(InTrials { count: number.min(6), of: 6, worst: "0003-sync".into() });
        SetWarning { host: Some(format!("n{number}")), warning, trials, ..steal() }
    };
    let of_run = SetWarning { host: None, warning: RunWarning::QuickRun {}.into(), trials: None, ..steal() };
    let alone = SetWarning { host: Some("n9".into()), warning: HostWarning::LateSwaps {}.into(), ..steal() };
    let joined = SetWarning::joined((1..=32).map(of).chain([of_run.clone(), alone.clone(), of_run.clone()]));
    assert_eq!(joined[1..], [of_run.clone(), alone, of_run]);
    assert_eq!((&joined[0].host, joined[0].place().as_deref()), (&None, Some("n1..n32")));
    assert_eq!(
        joined[0].message(),
        "in 6 of 6 trials on n7, most in 0003-sync: the hypervisor gave 50.0 % of the time of CPU 1 to others (and 2 \
         more like it)"
    );
    let json = serde_json::to_value(&joined[0]).unwrap();
    assert_eq!(
        (&json["host"], &json["hosts"], &json["worst"]),
        (&Value::Null, &json!(["n1..n32"]), &json!("n7"))
    );
    assert_eq!(serde_json::from_value::<SetWarning>(json).unwrap(), joined[0]);
}

#[test]
fn equal_warnings_of_hosts_name_no_worst_host() {
    let of = |host: &str| SetWarning { host: Some(host.into()), trials: None, more: 0, ..steal() };
    let joined = SetWarning::joined([of("n1"), of("n2")]);
    assert_eq!(joined.len(), 1);
    assert_eq!(joined[0].place().as_deref(), Some("n1, n2"));
    assert_eq!(joined[0].message(), "the hypervisor gave 25.0 % of the time of CPU 1 to others");
}
