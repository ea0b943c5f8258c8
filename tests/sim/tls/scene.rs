//! TLS for a scene that was made up in plain text: on one side, on both, or on none.

use super::{Goodbye, Identity, Misdeed, TlsPlan, Version};
use crate::net::DialPlan;
use crate::peer::{Cut, PeerPlan};
use crate::plan::{ConnectionPlan, Outcome, Scene, Tls};
use crate::rng::Rng;
use crate::scene::last_dial;
use crate::script::Style;

/// Percent of the seeds that speak TLS: of those with short messages, and of those with long ones, which take longer.
const SHARE: (usize, usize) = (36, 18);
/// About the size of a handshake in bytes: faults inside it are placed within this many.
const HANDSHAKE_BYTES: usize = 2000;

pub(crate) fn encrypted(mut scene: Scene, style: Style, rng: &mut Rng) -> Scene {
    if rng.chance(if style.small { SHARE.0 } else { SHARE.1 }) {
        scene.tls = match rng.below(3) {
            _ if style.echo => Tls { down: true, up: false },
            0 => Tls { down: true, up: false },
            1 => Tls { down: false, up: true },
            _ => Tls { down: true, up: true },
        };
    }
    for plan in &mut scene.connections {
        if scene.tls.down {
            client(plan, style, rng);
        } else if rng.chance(1) {
            // On a plain port.
            plan.client.tls = Some(TlsPlan::default());
            plan.client.early = 0;
            plan.outcome = Outcome::SpeaksTls;
            plan.client.cut = None;
        }
        if scene.tls.up {
            upstream(plan, style, rng);
        }
    }
    scene
}

fn client(plan: &mut ConnectionPlan, style: Style, rng: &mut Rng) {
    if rng.chance(3) {
        // Plain text, on a TLS port.
        plan.client.valid = false;
        if plan.outcome != Outcome::Open {
            plan.outcome = match plan.outcome {
                // The beginning of a record, and no more.
                Outcome::SpeaksTls => Outcome::Open,
                _ => Outcome::Refused(400, "tls-expected"),
            };
        }
        return;
    }
    // A head that begins as TLS does is no head, in TLS.
    if plan.outcome == Outcome::SpeaksTls {
        plan.outcome = Outcome::Refused(400, "head-malformed");
    }
    let mut tls = peer(&plan.client, style, rng);
    tls.trusts = !rng.chance(3);
    if !tls.trusts {
        plan.client.valid = false;
        plan.outcome = Outcome::Insecure;
    }
    misbehave(&mut tls, &mut plan.outcome, style, rng);
    plan.client.tls = Some(tls);
}

fn upstream(plan: &mut ConnectionPlan, style: Style, rng: &mut Rng) {
    let mut tls = peer(&plan.upstream, style, rng);
    tls.identity = match rng.below(100) {
        0..3 => Identity::Stranger,
        3..6 => Identity::WrongName,
        6..8 => Identity::Expired,
        _ => Identity::Right,
    };
    tls.asks_for_certificate = rng.chance(2);
    if rng.chance(3) {
        tls.misdeed = Some(Misdeed::Banner);
    }
    let refusal = match (tls.misdeed, tls.identity) {
        (Some(_), _) => Some("upstream-not-tls"),
        (_, Identity::Right) => tls.asks_for_certificate.then_some("upstream-tls-refused"),
        (_, Identity::Stranger) => Some("upstream-certificate-untrusted"),
        (_, Identity::WrongName) => Some("upstream-certificate-name"),
        (_, Identity::Expired) => Some("upstream-certificate-expired"),
    };
    let connects = last_dial(&plan.dials);
    let comes_to_it = match &plan.outcome {
        Outcome::Opens | Outcome::Declined(..) => true,
        Outcome::Refused(_, code) => code.starts_with("upstream-"),
        _ => false,
    };
    if let (Some(code), true, Some(DialPlan::Connect(_))) = (refusal, comes_to_it, connects) {
        plan.outcome = Outcome::Refused(502, code);
    }
    misbehave(&mut tls, &mut plan.outcome, style, rng);
    plan.upstream.tls = Some(tls);
}

fn peer(plan: &PeerPlan, style: Style, rng: &mut Rng) -> TlsPlan {
    let record = if style.small {
        rng.pick(&[(1, 1), (1, 40), (100, 1500), (16_384, 16_384)])
    } else {
        rng.pick(&[(700, 4000), (1, 16_384), (16_384, 16_384)])
    };
    let slow = plan.pace.1 > 1;
    TlsPlan {
        version: rng.pick(&[Version::Tls12, Version::Tls13, Version::Tls13, Version::Tls13, Version::Retried]),
        record,
        flight: rng.pick(&[1, 3, 40]),
        fragment: rng.chance(15).then(|| rng.pick(&[1, 40, 200])),
        key_updates: rng.pick(&[0, 0, 5, 50]),
        goodbye: if style.smooth {
            rng.pick(&[Goodbye::Said, Goodbye::UnlessClosed])
        } else {
            rng.pick(&[Goodbye::Said, Goodbye::Said, Goodbye::UnlessClosed, Goodbye::Unsaid])
        },
        ends_at_once: rng.chance(80),
        // Who reads a byte now and then is through with its handshake after all deadlines.
        min_piece: if slow { 4000 } else { rng.pick(&[1, 30]) },
        ..TlsPlan::default()
    }
}

fn misbehave(tls: &mut TlsPlan, outcome: &mut Outcome, style: Style, rng: &mut Rng) {
    if style.smooth || tls.misdeed.is_some() || rng.chance(70) {
        return;
    }
    let within = if rng.chance(60) {
        HANDSHAKE_BYTES
    } else if style.small {
        8000
    } else {
        300_000
    };
    let at = rng.below(within);
    *outcome = Outcome::Open;
    tls.misdeed = Some(match rng.below(3) {
        0 => Misdeed::Forge(at),
        _ => Misdeed::Cut(at, rng.pick(&[Cut::End, Cut::Reset, Cut::Leave, Cut::Stall])),
    });
}
