//! No text may cause a crash, an invalid scenario or a scenario that destroys data.

use std::path::Path;

use proptest::prelude::*;
use proto::trial::Target;

use super::*;

fn imported(text: &str) -> Result<Imported, ImportError> {
    let source =
        Source { path: Path::new("job.fio"), variable: &|name| (name == "DEPTH").then(|| "8".into()) };
    import(text, &source, &[])
}

fn loaded(text: &str) -> scenario::Scenario {
    let yaml = imported(text).unwrap().yaml;
    scenario::load_text(yaml, Path::new("job.yaml"), &[], false).unwrap().scenario
}

fn notes(text: &str) -> Vec<String> {
    let notes = match imported(text) {
        Ok(imported) => imported.notes,
        Err(error) => error.notes,
    };
    notes.iter().map(ToString::to_string).collect()
}

#[test]
fn imports_options_as_keys() {
    let scenario = loaded(
        "[global]\nbs=8k,16k\nruntime=2m\n[a]\nioengine=io_uring\nrw=randwrite\niodepth=${DEPTH}\nhipri\ndirect=1\n\
         sqthread_poll=1\nsqthread_poll_cpu=3\nnonvectored=0\nforce_async=1\nrate=16m\nnumjobs=2\nsize=1m\nkb_base=1024\n",
    );
    let engine = &scenario.arms["a"].engine;
    assert_eq!((engine.queue.depth, engine.queue.submit_batch, engine.queue.complete_batch), (8, Some(1), 1));
    assert!(engine.ring.iopoll && engine.ring.vectored && engine.ring.force_async);
    assert_eq!(engine.ring.sqpoll.unwrap().cpu, Some(3));
    let work = &scenario.workload;
    // The second size is for writes. Two jobs at 16 MiB/s each with blocks of 16 KiB.
    assert_eq!(work.block_size.single().unwrap().0, 16384);
    assert_eq!(work.rate.unwrap().per_second, 2048);
    assert_eq!((work.threads, work.read_percent, work.runtime.as_secs_f64()), (2, 0, 120.0));
    let Target::File(file) = scenario.target else { panic!("{:?}", scenario.target) };
    assert_eq!((file.size.0, file.direct), (2 << 20, true));
}

#[test]
fn reads_rates_of_the_matching_direction() {
    let job = "[a]\nioengine=io_uring\nsize=1m\nruntime=1\nrate_iops=100,200\nrw=";
    let rate = |rw: &str| loaded(&format!("{job}{rw}\n")).workload.rate.unwrap().per_second;
    assert_eq!((rate("randread"), rate("randwrite"), rate("randrw")), (100, 200, 300));
    let mixed = loaded("[a]\nsize=1m\nruntime=1\nrw=randrw\nrate_iops=90,10\n").workload;
    assert_eq!((mixed.rate.unwrap().per_second, mixed.read_percent), (100, 90));
    let each = loaded("[a]\nsize=1m\nruntime=1\nrw=randrw\nrwmixread=70\nrate_iops=50\n").workload;
    assert_eq!((each.rate.unwrap().per_second, each.read_percent), (100, 50));
    let listed = notes(&format!("{job}randrw\n")).join("\n");
    assert!(
        listed.contains("line 5: rate_iops=100,200 as rate: 300, read_percent: 33 (fio limits"),
        "{listed}"
    );
    let one = "[a]\nsize=1m\nruntime=1\nrw=randrw\nrate_iops=90,\n";
    assert_eq!(loaded(one).workload.rate, None);
    assert!(notes(one).join("\n").contains("only one direction of a mixed job has a rate"));
}

#[test]
fn ranges_of_sizes_become_distributions() {
    let job = |range: &str| format!("[a]\nsize=64m\nruntime=1\nrw=randread\nbsrange={range}\n");
    let sizes = loaded(&job("24k-250k")).workload.block_size;
    let parts = sizes.parts();
    assert_eq!((parts.len(), parts[0].0.0, sizes.largest().0), (16, 24 << 10, 248 << 10));
    assert!(parts.iter().all(|(_, percent)| (6..=7).contains(percent)));
    let listed = notes(&job("24k-250k")).join("\n");
    assert!(listed.contains("bsrange=24k-250k as block_size: 16 sizes from 24KiB to 248KiB ("), "{listed}");
    assert_eq!(loaded(&job("8k-8k")).workload.block_size.single().map(|size| size.0), Some(8192));
}

#[test]
fn buffered_blocks_of_any_size_are_imported() {
    // The disk check of etcd.
    let etcd = "[a]\nioengine=sync\nrw=write\nfdatasync=1\nsize=22m\nbs=2300\nruntime=1\n";
    let work = loaded(etcd).workload;
    assert_eq!((work.block_size.single().unwrap().0, work.sync.unwrap().every), (2300, 1));
    assert!(imported(&format!("{etcd}direct=1\n")).is_err(), "O_DIRECT needs whole sectors");
}

#[test]
fn imports_jobs_of_synchronous_engines_as_depth() {
    let scenario = loaded(
        "[global]\nrw=randread\nsize=8m\nfilename=x\ndirect=1\nruntime=1\n[one]\nioengine=io_uring\niodepth=4\n[four]\n\
         numjobs=4\n",
    );
    let four = &scenario.arms["four"].engine;
    assert_eq!((four.queue.depth, four.queue.concurrency), (4, proto::trial::Concurrency::Threads));
    assert_eq!((scenario.workload.threads, scenario.arms["one"].engine.queue.depth), (1, 4));
}

#[test]
fn reports_sections_that_cannot_be_compared_by_line() {
    let text = "[a]\nrw=read\nsize=1m\nruntime=1\n[b]\nrw=read\nsize=1m\nruntime=1\nioengine=libaio\nstonewall\n[c]\n\
                rw=randwrite\nbs=8k\nsize=1m\nruntime=1\nstonewall\n[d]\nioengine=mmap\n";
    let listed = notes(text).join("\n");
    assert!(
        listed.contains("line 11: [c] (its workload differs (pattern, read_percent, block_size)"),
        "{listed}"
    );
    assert!(
        listed.contains("--section 'c'") && listed.contains("line 18: ioengine=mmap ([d] is left out"),
        "{listed}"
    );
    let source = Source { path: Path::new("job.fio"), variable: &|_| None };
    let only = import(text, &source, &["c".into()]).unwrap();
    assert!(only.sections == ["c"] && only.yaml.contains("block_size: 8KiB"));
    let none = import(text, &source, &["e".into()]).unwrap_err();
    assert!(none.notes[0].to_string().contains("there are: a, b, c, d"));
}

#[test]
fn refusals_of_the_scenario_point_at_the_job_file() {
    let listed = notes("[a]\nsize=64m\nruntime=1\nbs=1000\ndirect=1\n").join("\n");
    assert!(
        listed.starts_with("line 4: block_size") && listed.contains("whole number of sectors"),
        "{listed}"
    );
    assert!(notes("").join("").contains("a job begins with a line such as [job]"));
}

#[test]
fn never_imports_writes_to_devices() {
    let read = loaded("[a]\nrw=randread\nfilename=/dev/sdx\ndirect=1\nruntime=1\n");
    assert!(matches!(read.target, Target::Path(path) if path.path == "/dev/sdx"));
    let nvme = "[a]\nioengine=io_uring_cmd\ncmd_type=nvme\nfilename=/dev/ng0n1\nruntime=1\nrw=";
    let Target::Device(device) = loaded(&format!("{nvme}randread\n")).target else { panic!("no device") };
    assert_eq!((device.path.as_str(), device.destroy), ("/dev/nvme0n1", None));
    assert!(notes(&format!("{nvme}randwrite\n")).join("").contains("destroy: S"));
}

fn line() -> impl Strategy<Value = String> {
    let keys = prop::sample::select(vec![
        "rw",
        "bs",
        "bssplit",
        "iodepth",
        "ioengine",
        "direct",
        "numjobs",
        "filename",
        "size",
        "runtime",
        "ramp_time",
        "rate_iops",
        "rate",
        "fsync",
        "verify",
        "cpus_allowed",
        "cpumask",
        "hipri",
        "rwmixread",
        "rwmixwrite",
        "random_distribution",
        "description",
        "sqthread_poll",
        "sqthread_poll_cpu",
        "stonewall",
        "nrfiles",
        "iodepth_batch",
        "iodepth_batch_complete",
        "kb_base",
        "registerfiles",
        "randseed",
        "include x",
    ]);
    let values = prop_oneof![
        prop::sample::select(vec![
            "read",
            "randwrite",
            "randrw",
            "write",
            "0",
            "1",
            "4k",
            "1m",
            "io_uring",
            "libaio",
            "psync",
            "pvsync2",
            "null",
            "io_uring_cmd",
            "/dev/sda",
            "/dev/ng0n1",
            "a:b",
            "4k/50:8k/50",
            "zipf:1.1",
            "0-3",
            "99999999999",
            "8k,4k",
            "60",
            "-1",
            "1000",
            "${DEPTH}",
            "100%",
            "zipf:1e99",
        ])
        .prop_map(ToOwned::to_owned),
        "\\PC{0,12}",
    ];
    prop_oneof![
        6 => (keys, values).prop_map(|(key, value)| format!("{key}={value}")),
        1 => "\\[[a-z ü:'\"#]{0,8}\\]",
        1 => Just("[global]".to_owned()),
        1 => "\\PC{0,20}",
    ]
}

#[test]
fn sizes_of_zero_do_not_divide_a_rate() {
    for lines in ["bssplit=0", "bssplit=0/50:4k/50", "bs=0", "bsrange=0-4k"] {
        match imported(&format!("[a]\nrate=99999999999\n{lines}")) {
            Ok(imported) => {
                drop(scenario::load_text(imported.yaml, Path::new("job.yaml"), &[], false).unwrap())
            }
            Err(error) => assert!(!error.to_string().is_empty()),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]
    #[test]
    fn any_text_is_imported_or_refused(lines in prop::collection::vec(line(), 0..25), head in any::<bool>()) {
        let text = if head { format!("[a]\n{}", lines.join("\n")) } else { lines.join("\n") };
        match imported(&text) {
            Ok(imported) => {
                prop_assert!(!imported.yaml.contains("destroy:") || imported.yaml.lines()
                    .filter(|line| line.contains("destroy:")).all(|line| line.starts_with('#')
                        || line.contains("description:")));
                let path = Path::new("job.yaml");
                let scenario = scenario::load_text(imported.yaml.clone(), path, &[], false).unwrap().scenario;
                if let Target::Device(device) = &scenario.target {
                    prop_assert!(device.destroy.is_none() && !scenario.workload.writes());
                }
            }
            Err(error) => prop_assert!(!error.notes.is_empty()),
        }
    }

    #[test]
    fn any_bytes_are_parsed(text in any::<String>()) {
        let _ = imported(&text);
    }
}
