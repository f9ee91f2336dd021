//! SIGKILL: the other process notices it, cleans up and reports it.

use rustix::process::Signal;

use crate::support::{Place, has_open, has_thread, scenario, send, until};

fn text(size: &str, runtime: &str) -> String {
    let target = format!("{{file: {{size: {size}, direct: false}}}}");
    scenario(&target, &format!("warmup: 5ms, runtime: {runtime}"))
}

#[test]
fn reports_a_killed_agent_by_name() {
    let place = Place::new();
    let run = place.start(place.run(&text("64KiB", "400ms")));
    until("a trial is kept", || (place.trials().len() >= 2).then_some(()));
    let agent = place.agent();
    until("the next one runs", || has_thread(agent, "worker-0").then_some(()));
    send(agent, Signal::KILL);
    let ran = run.wait().exits(3);
    let ran =
        ran.says(&["host lost", "the embedded agent was killed by signal 9", "finished trials are kept"]);
    assert!(ran.stdout.contains("IOPS"), "{ran:?}");
    assert!(place.measured("one") + place.measured("two") >= 2, "{:#?}", place.trials());
    assert_eq!(place.summary()["cells"].as_array().unwrap().len(), 2);
    place.assert_clean();
}

#[test]
fn reports_an_agent_killed_while_filling() {
    let place = Place::new();
    let run = place.start(place.run(&text("1GiB", "100ms")));
    let agent = place.agent();
    until("it fills", || has_open(agent, &place.data()).then_some(()));
    send(agent, Signal::KILL);
    run.wait().exits(3).says(&["the embedded agent was killed by signal 9"]);
    place.assert_clean();
}

#[test]
fn an_embedded_agent_ends_with_a_killed_coordinator() {
    for size in ["64KiB", "1GiB"] {
        let place = Place::new();
        let run = place.start(place.run(&text(size, "20s")));
        let agent = place.agent();
        until("it works", || {
            match size {
                "1GiB" => has_open(agent, &place.data()),
                _ => has_thread(agent, "worker-0"),
            }
            .then_some(())
        });
        run.send(Signal::KILL);
        assert_eq!(run.wait().status.code(), None);
        place.assert_clean();
    }
}
