//! Agents that end during a run.

use rustix::process::Signal;

use crate::support::{Agent, Place, has_open, has_thread, scenario, tiny, until};

fn long(size: &str) -> String {
    scenario(&format!("{{file: {{size: {size}, direct: false}}}}"), "warmup: 5ms, runtime: 20s")
}

/// Sends SIGTERM to an agent at a moment of the run: it ends at once and removes its files.
fn terminated(text: &str, moment: impl Fn(&Place, i32) -> bool) -> Place {
    let (place, on) = (Place::new(), Place::new());
    let agent = Agent::start(&on);
    let run = place.start(place.run_on(&agent.address, text));
    until("the moment comes", || moment(&on, agent.process.id()).then_some(()));
    agent.process.send(Signal::TERM);
    agent.process.wait().exits(0);
    let ran = run.wait().exits(3);
    ran.says(&["host lost", &agent.address, "finished trials are kept"]);
    on.assert_clean();
    assert!(place.out().join("summary.json").exists());
    place
}

#[test]
fn sigterm_ends_an_agent_during_a_trial() {
    let place = terminated(&long("64KiB"), |_, agent| has_thread(agent, "worker-0"));
    let trials = place.trials();
    assert!(trials.last().unwrap()["marks"].to_string().contains("host lost"), "{trials:#?}");
}

#[test]
fn sigterm_ends_an_agent_while_filling() {
    terminated(&long("1GiB"), |on, agent| has_open(agent, &on.data()));
}

#[test]
fn killing_an_agent_keeps_finished_trials() {
    let (place, on) = (Place::new(), Place::new());
    let agent = Agent::start(&on);
    let run = place.start(place.run_on(&agent.address, &tiny().replace("60ms", "300ms")));
    until("a trial is kept", || (!place.trials().is_empty()).then_some(()));
    let agent_address = agent.address.clone();
    drop(agent);
    // It was lost during a trial or before the next one.
    run.wait().exits(3).says(&[&agent_address, "the connection ", "finished trials are kept"]);
    assert!(!place.trials().is_empty() && place.out().join("summary.json").exists());
    on.assert_clean();
}

#[test]
fn the_loss_of_one_agent_does_not_stop_the_other() {
    let (place, on, other) = (Place::new(), Place::new(), Place::new());
    let agents = [Agent::start(&on), Agent::start(&other)];
    let text = tiny().replace("two: {engine: psync", "two: {engine: psync, hosts: {role: other}");
    let inventory = format!(
        "hosts:\n  - {{name: first, address: \"{}\"}}\n  - {{name: second, address: \"{}\", labels: {{role: \
         other}}}}\n",
        agents[0].address, agents[1].address
    );
    let inventory = place.write("cluster.yaml", inventory);
    let mut command = place.command(crate::support::bin("coordinator"));
    let text = text.replace("trials: 2", "trials: 6");
    place.run_with(&mut command, &text).arg("--inventory").arg(inventory);
    let run = place.start(command);
    until("a trial is kept", || (!place.trials().is_empty()).then_some(()));
    let [first, second] = agents;
    first.process.send(Signal::TERM);
    // It does not wait for the coordinator, whose run continues.
    first.process.wait().exits(0);
    run.wait().exits(3).says(&["host first", "trials were not run"]);
    let of_two = place.trials().iter().filter(|trial| trial["arm"] == "two").count();
    assert_eq!(of_two, 7, "an audit and six trials");
    drop(second);
}
