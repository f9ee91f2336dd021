use std::{fs, path::PathBuf};

use serde_json::json;

use super::*;
use crate::plan;

/// A valid scenario, which the tests change.
const BASE: &str = "\
name: demo
target: {file: {size: 1GiB, direct: true}}
workload: {block_size: 4KiB, warmup: 300ms, runtime: 1s}
arms:
  sync: {engine: psync}
  uring: {engine: io_uring}
sweep: {depth: [1, 8, 32]}
trials: 3
baseline: sync
expect:
  - \"uring.iops >= 1.5 * sync.iops at depth >= 32\"
";

fn read(text: &str, overrides: &[&str], quick: bool) -> Result<Loaded, ScenarioError> {
    let overrides: Vec<String> = overrides.iter().map(|set| (*set).to_owned()).collect();
    load_text(text.to_owned(), Path::new("demo.yaml"), &overrides, quick)
}

/// The rendered error for the base with one text replaced.
fn refusal(from: &str, to: &str) -> String {
    assert!(BASE.contains(from), "{from}");
    read(&BASE.replacen(from, to, 1), &[], false).expect_err("must be refused").rendered()
}

fn refusal_of_overrides(overrides: &[&str]) -> String {
    read(BASE, overrides, false).expect_err("must be refused").rendered()
}

#[test]
fn reads_the_scenario_as_written() {
    let loaded = read(BASE, &[], false).unwrap();
    let scenario = &loaded.scenario;
    assert_eq!(scenario.arms.keys().collect::<Vec<_>>(), ["sync", "uring"]);
    assert_eq!(scenario.sweep["depth"], [json!(1), json!(8), json!(32)]);
    assert_eq!((scenario.trials, scenario.baseline_arm()), (3, "sync"));
    assert_eq!(loaded.text, BASE);
}

#[test]
fn first_arm_is_the_default_baseline() {
    let loaded = read(&BASE.replace("baseline: sync\n", ""), &[], false).unwrap();
    assert_eq!((loaded.scenario.baseline.as_deref(), loaded.scenario.baseline_arm()), (None, "sync"));
}

#[test]
fn refuses_invalid_yaml() {
    insta::assert_snapshot!(
        "not_yaml",
        refusal("{block_size: 4KiB, warmup: 300ms, runtime: 1s}", "{block_size: 4KiB")
    );
    insta::assert_snapshot!("written_twice", refusal("trials: 3", "trials: 3\ntrials: 4"));
    insta::assert_snapshot!("no_mapping", read("- a\n- b\n", &[], false).unwrap_err().rendered());
    insta::assert_snapshot!("empty", read("", &[], false).unwrap_err().rendered());
}

#[test]
fn refuses_unknown_and_missing_keys() {
    insta::assert_snapshot!("unknown_key", refusal("trials: 3", "trails: 3"));
    insta::assert_snapshot!("unknown_workload_key", refusal("block_size: 4KiB", "blocksize: 4KiB"));
    insta::assert_snapshot!(
        "unknown_arm_key",
        refusal("engine: io_uring", "engine: io_uring, fixed_file: true")
    );
    insta::assert_snapshot!("misplaced_key", refusal("engine: io_uring", "engine: io_uring, threads: 2"));
    insta::assert_snapshot!(
        "shared_ring",
        refusal("engine: io_uring", "engine: io_uring, ring: shared, single_issuer: true")
    );
    insta::assert_snapshot!("unknown_axis", refusal("{depth: [1", "{dept: [1"));
    insta::assert_snapshot!("missing_sections", read("question: why?\n", &[], false).unwrap_err().rendered());
}

#[test]
fn refuses_invalid_values() {
    insta::assert_snapshot!("unit", refusal("block_size: 4KiB", "block_size: 4k"));
    insta::assert_snapshot!(
        "several",
        refusal("4KiB, warmup: 300ms, runtime: 1s", "4k, warmup: 5, threads: many")
    );
    insta::assert_snapshot!("unknown_word", refusal("block_size: 4KiB", "pattern: randm"));
    insta::assert_snapshot!("target_of_two_kinds", refusal("direct: true}", "direct: true}, path: /x"));
    insta::assert_snapshot!("trials", refusal("trials: 3", "trials: 0"));
    insta::assert_snapshot!("name", refusal("name: demo", "name: a/b"));
    insta::assert_snapshot!("trials_open", refusal("trials: 3", "trials: {min: 2, most: 9, until: 2}"));
    insta::assert_snapshot!(
        "trials_least",
        refusal("trials: 3", "trials: {min: 9, max: 5, until: 2%}\nmargin: 0%")
    );
    insta::assert_snapshot!("trials_until", refusal("trials: 3", "trials: {min: 5}"));
    insta::assert_snapshot!("arm_name", refusal("  uring:", "  my.uring:"));
    insta::assert_snapshot!("baseline", refusal("baseline: sync", "baseline: snyc"));
    insta::assert_snapshot!("engine_without_device", refusal("engine: io_uring", "engine: nvme"));
    insta::assert_snapshot!("unknown_engine", refusal("engine: io_uring", "engine: iouring"));
    insta::assert_snapshot!("no_engine", refusal("{engine: io_uring}", "{fixed_files: yes}"));
}

#[test]
fn reads_open_trials_and_percentages() {
    let of = |text: &str, set: &[&str], quick: bool| {
        let scenario = read(&BASE.replace("trials: 3", text), set, quick).unwrap().scenario;
        (scenario.trials, scenario.precision, scenario.margin)
    };
    assert_eq!(of("trials: 3", &[], false), (3, None, 0.02));
    let open = |min| Some(Precision { min, until: 0.015 });
    assert_eq!(of("trials: {until: 1.5%}", &[], false), (30, open(5), 0.02));
    let text = "trials: {min: 4, max: 9, until: 1.5%}\nmargin: 0.5%";
    assert_eq!(of(text, &[], false), (9, open(4), 0.005));
    assert_eq!(of(text, &["trials=6", "margin=5%"], false), (6, None, 0.05));
    assert_eq!(of(text, &["trials.max=7"], false), (7, open(4), 0.005));
    assert_eq!(of(text, &[], true), (quick::TRIALS, None, 0.005));
    assert_eq!(of(text, &["trials={max: 7, until: 1.5%}"], true), (7, open(5), 0.005));
}

#[test]
fn refuses_invalid_sweeps() {
    insta::assert_snapshot!("empty_axis", refusal("[1, 8, 32]", "[]"));
    insta::assert_snapshot!("scalar_axis", refusal("[1, 8, 32]", "8"));
    insta::assert_snapshot!("depth_0", refusal("[1, 8, 32]", "[1, 0, 32]"));
    insta::assert_snapshot!("depth_too_large", refusal("[1, 8, 32]", "[1, 32, 1000000]"));
    insta::assert_snapshot!("depth_no_number", refusal("[1, 8, 32]", "[1, 32, 1_000_000]"));
    insta::assert_snapshot!(
        "axis_value",
        refusal("{depth: [1, 8, 32]}", "{depth: [1, 32], block_size: [4KiB, 8k]}")
    );
    insta::assert_snapshot!(
        "twice",
        refusal("{depth: [1, 8, 32]}", "{depth: [32], block_size: [4KiB, 4096]}")
    );
    insta::assert_snapshot!("fixed_and_swept", refusal("engine: io_uring", "engine: io_uring, depth: 4"));
    let depths: Vec<u32> = (1..=20_000).collect();
    let many = read(BASE, &[&format!("sweep.depth={depths:?}")], false).unwrap_err();
    assert_eq!(many.to_string(), "the scenario comes to 160000 trials; at most 100000 are allowed");
}

#[test]
fn refuses_invalid_cells() {
    insta::assert_snapshot!(
        "knob_without_ring",
        refusal("engine: psync", "engine: psync, fixed_files: true")
    );
    insta::assert_snapshot!(
        "defer_alone",
        refusal("engine: io_uring", "engine: io_uring, defer_taskrun: true")
    );
    let text = BASE.replace("psync", "psync, concurrency: threads").replace("[1, 8, 32]", "[1, 32, 2000]");
    insta::assert_snapshot!("too_many_threads", read(&text, &[], false).unwrap_err().rendered());
    insta::assert_snapshot!("block_larger_than_file", refusal("size: 1GiB", "size: 1KiB"));
    insta::assert_snapshot!("odd_block", refusal("block_size: 4KiB", "block_size: 1000"));
}

#[test]
fn refuses_invalid_expectations() {
    insta::assert_snapshot!("expect_metric", refusal("uring.iops", "uring.iop"));
    insta::assert_snapshot!("expect_names", refusal("sync.iops at depth", "snyc.iops at dept"));
    insta::assert_snapshot!("expect_shape", refusal("at depth >= 32", "when depth >= 32"));
}

#[test]
fn refuses_invalid_overrides() {
    insta::assert_snapshot!("set_unit", refusal_of_overrides(&["workload.runtime=2"]));
    insta::assert_snapshot!("set_depth", refusal_of_overrides(&["sweep.depth=[0, 1]"]));
    insta::assert_snapshot!("set_arm", refusal_of_overrides(&["arms.urng.depth=1"]));
    insta::assert_snapshot!("set_key", refusal_of_overrides(&["workload.run_time=2s"]));
    insta::assert_snapshot!("set_shape", refusal_of_overrides(&["name.x=1", "trials"]));
}

#[test]
fn overrides_apply_in_order() {
    let loaded = read(
        BASE,
        &[
            "workload.runtime=2s",
            "sweep.depth=[4, 64]",
            "arms.uring.fixed_files=true",
            "trials=2",
            "trials=5",
        ],
        false,
    )
    .unwrap();
    let scenario = &loaded.scenario;
    assert_eq!(scenario.workload.runtime.to_string(), "2s");
    assert_eq!(scenario.sweep["depth"], [json!(4), json!(64)]);
    assert!(scenario.arms["uring"].engine.ring.fixed_files);
    assert_eq!(scenario.trials, 5);
}

#[test]
fn quick_keeps_values_given_with_set() {
    let quick = read(BASE, &[], true).unwrap().scenario;
    assert_eq!((quick.trials, quick.workload.runtime.to_string().as_str()), (2, "200ms"));
    assert_eq!(quick.workload.warmup.to_string(), "50ms");
    assert!(matches!(&quick.target, Target::File(file) if file.size == quick::FILE_SIZE));
    let set =
        read(BASE, &["workload.runtime=3s", "trials=4", "target.file.size=2GiB"], true).unwrap().scenario;
    assert_eq!((set.trials, set.workload.runtime.to_string().as_str()), (4, "3s"));
    assert!(matches!(&set.target, Target::File(file) if file.size.0 == 2 << 30));
}

#[test]
fn sweeps_and_sets_sizes_and_syncs() {
    let axes = "{block_size: [4KiB, {4KiB: 50, 64KiB: 50}], sync: [1, {every: 8, call: fsync}]}";
    let writes = BASE.replace("block_size: 4KiB,", "read_percent: 0,").replace("{depth: [1, 8, 32]}", axes);
    let text = writes.split("expect:").next().unwrap().to_owned();
    let loaded = read(&text, &[], false).unwrap();
    let cells = loaded.cells().unwrap();
    let last = cells.last().unwrap();
    assert_eq!(last.template.workload.block_size.to_string(), "{4KiB: 50, 64KiB: 50}");
    let point = crate::params::point(&last.params);
    assert_eq!(point, "block_size {4KiB: 50, 64KiB: 50}, sync {every: 8, call: fsync}");
    assert_eq!(cells[0].params["sync"], json!(1));

    let set = read(BASE, &["workload.block_size={4KiB: 70, 512B: 30}"], false).unwrap().scenario;
    assert_eq!(set.workload.block_size.unit().0, 512);
    insta::assert_snapshot!("distribution", refusal("block_size: 4KiB", "block_size: {4KiB: 70, 64KiB: 20}"));
    insta::assert_snapshot!(
        "set_distribution",
        refusal_of_overrides(&["workload.block_size={4KiB: 70, 4k: 30}"])
    );
    insta::assert_snapshot!("sync_of_reads", refusal("block_size: 4KiB", "sync: 8"));
    insta::assert_snapshot!("sync_shape", refusal("block_size: 4KiB", "sync: {each: 8}"));
    let verified = BASE.replace("block_size: 4KiB", "verify: true").replace("engine: psync", "engine: null");
    // The engines that the remedy lists are not the subject of this test.
    let message = read(&verified, &[], false).unwrap_err().rendered();
    for part in ["`verify`: null does not write", "demo.yaml:3:20", "remove verify, or use engine: psync"] {
        assert!(message.contains(part), "{message}");
    }
}

#[test]
fn reads_disks_as_targets() {
    let target = "{file: {size: 1GiB, direct: true}}";
    let with = |target_: &str, axes: &str| BASE.replace(target, target_).replace("{depth: [1, 8, 32]}", axes);
    let kinds = with("{ramdisk: {size: 256MiB}}", "{depth: [32], kind: [loop, tmpfs], size: [64MiB, 1GiB]}");
    let loaded = read(&kinds, &[], false).unwrap();
    let sizes: Vec<_> = loaded.cells().unwrap().into_iter().map(|cell| cell.template.target).collect();
    assert!(sizes.iter().any(|target| matches!(
        target,
        Target::Ramdisk(disk) if disk.kind == proto::trial::RamdiskKind::Tmpfs && disk.size.0 == 1 << 30
    )));
    let quick = read(&with("{ramdisk: {size: 256MiB}}", "{depth: [32]}"), &[], true).unwrap().scenario;
    assert!(matches!(&quick.target, Target::Ramdisk(disk) if disk.size == quick::FILE_SIZE));

    let refused = |target_: &str, axes: &str| read(&with(target_, axes), &[], false).unwrap_err().rendered();
    let device = "{device: {path: /dev/nvme0n1, serial: S3R1AL}}";
    let message = refused(device, "{depth: [32], size: [1GiB]}");
    assert!(message.contains("the size of an existing target cannot be swept"), "{message}");
    let message = refused(device, "{depth: [32], read_percent: [0]}");
    assert!(message.contains("is missing: a trial that writes destroys"), "{message}");
    let message = refused("{ramdisk: {size: 1GiB, kind: zram, poll_queues: 1}}", "{depth: [32]}");
    assert!(message.contains("must be null_blk for poll_queues"), "{message}");
    let message = refused("{ramdisk: {size: 1GiB, sizes: 2}}", "{depth: [32]}");
    assert!(
        message.contains("`target.ramdisk` has no key `sizes`") && message.contains("`size`?"),
        "{message}"
    );
    let message = refused("{device: {path: /dev/nvme0n1}}", "{depth: [32]}");
    assert!(message.contains("serial"), "{message}");
}

#[test]
fn bare_null_names_the_engine() {
    let loaded = read(&BASE.replace("engine: psync", "engine: null"), &[], false).unwrap();
    assert_eq!(loaded.scenario.arms["sync"].engine.kind, proto::trial::EngineKind::Null);
    assert!(refusal("engine: psync", "engine: ~").contains("`engine` is empty"));
    assert!(read(BASE, &["arms.sync.engine=null"], false).is_ok());
}

#[test]
fn sweeps_keys_of_every_block() {
    let text = BASE.replace("{depth: [1, 8, 32]}", "{depth: [32], direct: [true, false], size: [1MiB, 2MiB], pattern: [random, sequential], cpus: [auto, [0]], submit_batch: [1]}");
    let text = text.replace("  sync: {engine: psync}\n", "  sync: {engine: nop}\n");
    let plan = plan::plan(&read(&text, &[], false).unwrap(), 1).unwrap();
    let last = plan.cells.last().unwrap();
    assert_eq!(
        json!(last.params).to_string(),
        r#"{"depth":32,"direct":false,"size":"2MiB","pattern":"sequential","cpus":[0],"submit_batch":1}"#
    );
    let shape = json!(last.template.target);
    assert_eq!(shape, json!({"file": {"size": "2MiB", "direct": false, "cache": "warm"}}));
    assert_eq!(plan.cells.len(), 32);
}

#[test]
fn reads_host_labels() {
    let text = BASE
        .replace("engine: io_uring", "engine: io_uring, hosts: {kernel: patched, numa: 2}, description: x");
    let loaded = read(&text, &[], false).unwrap();
    let arm = &loaded.scenario.arms["uring"];
    assert_eq!((arm.hosts["kernel"].as_str(), arm.hosts["numa"].as_str()), ("patched", "2"));
    assert_eq!(arm.description.as_deref(), Some("x"));
}

fn shipped() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios");
    let mut paths: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "yaml"));
    paths.sort();
    paths
}

#[test]
fn shipped_scenarios_load_and_are_short() {
    let paths = shipped();
    assert!(paths.len() >= 4, "{paths:?}");
    for path in paths {
        for quick in [false, true] {
            let loaded = load(&path, &[], quick).unwrap_or_else(|error| panic!("{}", error.rendered()));
            let plan = plan::plan(&loaded, 1).unwrap();
            let limit = if quick { 30 } else { 140 };
            let time = plan.expected_duration();
            assert!(time.as_secs() < limit, "{} takes {time:?}", path.display());
            assert!(loaded.scenario.question.is_some_and(|question| question.ends_with('?')));
            assert_eq!(Some(loaded.scenario.name.as_str()), path.file_stem().and_then(|stem| stem.to_str()));
            for claim in &loaded.scenario.expect {
                assert!(plan.points().iter().any(|point| claim.selects(point)), "{}", claim.text);
            }
        }
    }
}

#[test]
fn shipped_scenarios_match_the_schema() {
    let validator = jsonschema::draft7::new(&scenario_schema()).unwrap();
    for path in shipped() {
        let tree = yaml::parse(&fs::read_to_string(&path).unwrap()).unwrap();
        let errors: Vec<String> = validator.iter_errors(&tree).map(|error| error.to_string()).collect();
        assert!(errors.is_empty(), "{}: {errors:?}", path.display());
    }
    assert!(validator.is_valid(&yaml::parse(BASE).unwrap()));
    for (from, to) in
        [("trials: 3", "trials: 0"), ("4KiB", "4k"), ("engine: psync", "engin: psync"), ("{depth", "{dept")]
    {
        assert!(!validator.is_valid(&yaml::parse(&BASE.replacen(from, to, 1)).unwrap()), "{to}");
    }
}

/// Run with `UPDATE_SCHEMA=1` to write it.
#[test]
fn shipped_schema_is_up_to_date() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios/scenario.schema.json");
    let now = serde_json::to_string_pretty(&scenario_schema()).unwrap() + "\n";
    if std::env::var_os("UPDATE_SCHEMA").is_some() {
        fs::write(&path, &now).unwrap();
    }
    let shipped = fs::read_to_string(&path).unwrap_or_default();
    assert!(shipped == now, "update it with: UPDATE_SCHEMA=1 cargo test -p coordinator schema");
}

#[test]
fn accepts_crlf_and_byte_order_marks() {
    assert!(read(&BASE.replace('\n', "\r\n"), &[], false).is_ok());
    assert!(read(&format!("\u{feff}{BASE}"), &[], false).is_ok());
    assert!(read(&format!("---\n{BASE}"), &[], false).is_ok());
    let text = BASE.replace("[1, 8, 32]", "[1, 0, 32]").replace("demo\n", "demo\r\nquestion: \"µ — ?\"\r\n");
    let message = read(&text, &[], false).unwrap_err().rendered();
    assert!(message.contains("demo.yaml:8:20"), "{message}");
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(300))]

    /// Every text is read or refused with a problem that can be rendered.
    #[test]
    fn reports_problems_of_any_damaged_text(at in 0..BASE.len(), length in 0usize..30, junk in "[\\PC\n{}\\[\\]:,&*!\"' -]{0,6}") {
        let end = (at + length).min(BASE.len());
        let text = format!("{}{junk}{}", &BASE[..at], &BASE[end..]);
        if let Err(error) = read(&text, &[], false) {
            proptest::prop_assert!(!error.problems().is_empty());
            proptest::prop_assert!(!error.rendered().is_empty());
        }
    }
}

#[test]
fn overrides_add_and_remove_values() {
    let loaded = read(BASE, &["arms.tuned={engine: io_uring, fixed_files: true}"], false).unwrap();
    assert_eq!(loaded.scenario.arms.keys().next_back().map(String::as_str), Some("tuned"));
    let loaded = read(BASE, &["sweep={}", "expect=[]", "target={path: /data/x}"], false).unwrap();
    let plan = plan::plan(&loaded, 1).unwrap();
    assert_eq!((plan.cells.len(), plan.points().len()), (2, 1));
    let message = refusal_of_overrides(&["sweep={}"]);
    assert!(message.contains("`depth` is not swept here") && message.contains("remove `at …`"), "{message}");
}

#[test]
fn checks_scenarios_changed_in_memory() {
    let mut loaded = read(BASE, &[], false).unwrap();
    let again = loaded.scenario.arms["uring"].clone();
    loaded.scenario.arms.insert("uring-again".to_owned(), again);
    assert_eq!(plan::plan(&loaded, 1).unwrap().cells.len(), 9);
    loaded.scenario.workload.threads = 0;
    let error = plan::plan(&loaded, 1).unwrap_err();
    assert!(error.rendered().contains("demo.yaml:3:1"), "{}", error.rendered());
}

#[test]
fn noise_policy_defaults_to_mark() {
    let policy = |line: &str, overrides: &[&str], quick| {
        read(&format!("{BASE}{line}"), overrides, quick).unwrap().scenario.noise
    };
    assert_eq!(policy("", &[], false), NoisePolicy::Mark);
    assert_eq!(policy("noise: ignore\n", &[], false), NoisePolicy::Ignore);
    assert_eq!(policy("", &["noise=warn"], false), NoisePolicy::Warn);
    assert_eq!(policy("", &[], true), NoisePolicy::Warn, "--quick does not repeat trials");
    assert_eq!(policy("noise: ignore\n", &[], true), NoisePolicy::Ignore);
    assert_eq!(policy("", &["noise=mark"], true), NoisePolicy::Mark, "--set wins");
    let refused = read(&format!("{BASE}noise: loud\n"), &[], false).unwrap_err().rendered();
    assert!(refused.contains("loud") && refused.contains("mark"), "{refused}");
}
