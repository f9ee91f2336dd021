//! Trials on several hosts.

use serde_json::{Value, json};

use crate::support::{Agent, Lab, rows};

const ARMS: &str = "  sync: {engine: psync}\n  uring: {engine: io_uring, depth: 4}\n";

fn mean(row: &Value) -> f64 {
    row["iops"]["mean"].as_f64().unwrap_or_else(|| panic!("no rate in {row}"))
}

/// Start of the measured window on the coordinator's clock, in nanoseconds, by the recorded offset.
fn begin(host: &Value) -> f64 {
    host["finished"]["begin_ns"].as_f64().unwrap() - host["clock"]["offset_ns"].as_f64().unwrap()
}

#[test]
fn two_hosts_run_the_same_trial_and_their_rates_add_up() {
    let (lab, agents) = (Lab::new(), [Agent::start(), Agent::start()]);
    lab.scenario(2, "300ms", ARMS);
    let both = format!("{},{}", agents[0].address, agents[1].address);
    let ran = lab.run("run", &["--agents", &both]).expect(0);
    let summary: Value = serde_json::from_str(&ran.stdout).expect("nothing but JSON on stdout");
    assert_eq!(summary["cells"], lab.summary("run")["cells"], "what is printed is what is kept");

    let names = [json!(agents[0].address), json!(agents[1].address)];
    for arm in ["sync", "uring"] {
        let rows = rows(&summary, arm);
        let hosts: Vec<&Value> = rows.iter().map(|row| &row["host"]).collect();
        assert_eq!(hosts, [&Value::Null, &names[0], &names[1]], "{arm}");
        assert_eq!(rows[0]["hosts"], json!(names));
        assert_eq!(rows[0]["trials"]["complete"], 2, "{}", ran.stderr);
        let (merged, sum) = (mean(rows[0]), mean(rows[1]) + mean(rows[2]));
        assert!((merged - sum).abs() < merged * 1e-6, "{arm}: {merged} is not {sum}");
    }

    let trials = lab.trials("run");
    assert_eq!(trials.len(), 6, "two arms, an audit and two trials each");
    for trial in &trials {
        let hosts = trial["hosts"].as_array().unwrap();
        assert_eq!(hosts.len(), 2);
        for host in hosts {
            // All hosts share one clock, so the error bound can be checked.
            let (offset, error) = (&host["clock"]["offset_ns"], &host["clock"]["error_ns"]);
            let (offset, error) = (offset.as_i64().unwrap(), error.as_i64().unwrap());
            assert!(error > 0 && offset.abs() <= error, "clock off by {offset} ns, reported bound {error}");
            assert!(host["histograms"].as_str().is_some_and(|path| lab.path("run").join(path).is_file()));
        }
        let skew = (begin(&hosts[0]) - begin(&hosts[1])).abs();
        println!("{}: the hosts began within {:.0} us of each other", trial["id"], skew / 1e3);
        // Much less on a machine with a CPU for each of them.
        assert!(skew < 150e6, "began {skew} ns apart");
    }
}

#[test]
fn compares_kernels_by_host_labels() {
    let (lab, agents) = (Lab::new(), [Agent::start(), Agent::start(), Agent::start()]);
    let text = lab.scenario(
        2,
        "200ms",
        "  stock: {engine: psync, hosts: {kernel: stock}}\n  patched: {engine: psync, hosts: {kernel: patched}}\n",
    );
    lab.inventory(&[
        ("n1", &agents[0], "kernel: patched, rack: a"),
        ("n2", &agents[1], "kernel: stock"),
        ("n3", &agents[2], "kernel: stock"),
    ]);
    lab.run("run", &["--inventory", "cluster.yaml"]).expect(0);
    let summary = lab.summary("run");

    let patched = rows(&summary, "patched");
    assert_eq!(patched.len(), 1, "one host has no parts");
    assert_eq!(patched[0]["hosts"], json!(["n1"]));
    let stock = rows(&summary, "stock");
    let hosts: Vec<&Value> = stock.iter().map(|row| &row["hosts"]).collect();
    assert_eq!(hosts, [&json!(["n2", "n3"]), &json!(["n2"]), &json!(["n3"])]);
    let compared = summary["comparisons"].as_array().unwrap().iter().find(|found| found["metric"] == "iops");
    let compared = compared.expect("rates are compared");
    assert_eq!((&compared["baseline"], &compared["arm"]), (&json!("stock"), &json!("patched")));
    assert!(compared["ratio"].as_f64().is_some_and(|ratio| ratio > 0.0), "{compared}");

    let hosts: Value = serde_json::from_slice(&std::fs::read(lab.path("run/hosts.json")).unwrap()).unwrap();
    let named: Vec<&Value> = hosts.as_array().unwrap().iter().map(|host| &host["name"]).collect();
    assert_eq!(named, ["n1", "n2", "n3"]);
    assert_eq!(hosts[0]["labels"], json!({"kernel": "patched", "rack": "a"}));
    for trial in lab.trials("run") {
        let on: Vec<&Value> = trial["hosts"].as_array().unwrap().iter().map(|host| &host["host"]).collect();
        let expected: &[&str] = if trial["arm"] == "stock" { &["n2", "n3"] } else { &["n1"] };
        assert_eq!(on, expected);
    }

    // Labels that no host has are an error of the scenario, found before the run.
    std::fs::write(lab.path("hosts.yaml"), text.replace("kernel: patched", "kernel: mainline")).unwrap();
    let ran = lab.run("none", &["--inventory", "cluster.yaml"]).expect(2);
    assert!(ran.stderr.contains("mainline") && ran.stderr.contains("n1"), "{}", ran.stderr);
    assert!(!lab.path("none").exists(), "an empty run was left behind");
}
