//! `--fail-if`: what makes a run fail besides what is wrong with it.

use crate::harness::{Server, echo};

const RUN: [&str; 6] = ["--rate", "50", "--duration", "500ms", "--warmup", "1ms"];

fn code_with(conditions: &[&str]) -> (i32, crate::harness::Seen) {
    let server = Server::answering(|socket, _, _, message| {
        // So long that p50 has a lower bound that no host can break.
        std::thread::sleep(std::time::Duration::from_millis(5));
        socket.send(message)
    });
    let mut options = RUN.to_vec();
    for condition in conditions {
        options.extend(["--fail-if", condition]);
    }
    let done = echo(server.address(), &options);
    (done.code, done.report())
}

#[test]
fn a_missed_threshold_ends_with_99() {
    for missed in
        ["p50>1ms", "p99 >= 1ms", "min>4ms", "received>1", "received!=24", "p99.9>100us", "max<1000s", "lost==0"]
    {
        let (code, report) = code_with(&[missed]);
        assert_eq!(code, 99, "{missed}: {report}");
        assert_eq!(report.0["thresholds"][0]["failed"], true, "{report}");
    }
}

#[test]
fn one_missed_threshold_among_kept_ones_is_enough() {
    let (code, report) = code_with(&["lost>0", "p50>1ms", "errors>0"]);
    assert_eq!(code, 99, "{report}");
    let failed: Vec<bool> = (0..3).map(|place| report.0["thresholds"][place]["failed"].as_bool().unwrap()).collect();
    assert_eq!(failed, [false, true, false], "{report}");
}

#[test]
fn kept_thresholds_change_nothing() {
    let (code, report) =
        code_with(&["p99>1000s", "errors>0", "lost>0", "received<25", "handshake.p99>1000s", "busy>1000%"]);
    report.is_sound();
    assert_ne!(code, 99, "{report}");
    assert_eq!(report.0["thresholds"].as_array().unwrap().len(), 6);
    // A host that is busy may make the run void.
    assert_eq!(code, i32::from(report.outcome() == "void"), "{report}");
}

#[test]
fn a_figure_that_was_not_measured_does_not_keep_a_threshold() {
    // No reply comes: there is no p99 that could be below anything.
    let server = Server::answering(|_, _, _, _| Ok(()));
    let done = echo(server.address(), &[&RUN[..], &["--fail-if", "p99>1000s", "--grace", "300ms"]].concat());
    assert_ne!(done.code, 0, "{done:?}");
    done.report().has_failed();
}

#[test]
fn a_bad_condition_is_refused_before_anything_is_connected() {
    for bad in
        ["p99", "p99>", ">5ms", "p99>5", "p999999>1ms", "p101>1ms", "speed>5", "errors>5ms", "p99>-1ms", "p99=>1ms", ""]
    {
        let server = Server::echo();
        let done = echo(server.address(), &["--fail-if", bad]);
        assert_eq!(done.code, 2, "{bad}: {done:?}");
        assert!(done.stderr.contains("--fail-if"), "{bad}: {done:?}");
        assert_eq!(done.stdout, "", "{bad}");
        assert_eq!(server.served(), 0, "{bad}");
    }
}
