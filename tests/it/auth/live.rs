//! Open connections end with the right that they were admitted by, and no other does.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ringway::routing::consumers::{KeyId, Revoked};

use super::set_up::{GOOD, OTHER, application_of, family, hash, key, table, text, usual, with_keys};
use crate::harness::shard::{BOTH, Speaks, TestShard};

fn by_header(key: u8) -> String {
    format!("X-API-Key: {}\r\n", text(key))
}

#[test]
fn a_revocation_ends_the_connections_of_its_key_and_no_other() {
    let application = application_of(GOOD);
    type Revoke = fn(&mut Revoked);
    let cases: [(Revoke, u16, &str, &str, bool); 3] = [
        (|revoked| revoked.key(application_of(GOOD), KeyId(GOOD.into())), 3000, "revoked", "key_revoked", true),
        (|revoked| revoked.application(application_of(GOOD)), 3000, "revoked", "key_revoked", false),
        (
            |revoked| revoked.subscription(application_of(GOOD), family()),
            3003,
            "subscription closed",
            "subscription_closed",
            false,
        ),
    ];
    for (revoke, code, reason, label, other_stays) in cases {
        let shard = TestShard::start(with_keys(usual()));
        let [plain, tls] = BOTH.map(|speaks| shard.open(speaks, "/", &by_header(GOOD)));
        let mut other = shard.open(Speaks::Plain, "/", &by_header(OTHER));
        let (mut revoked, mut keys) = (Revoked::default(), table());
        revoke(&mut revoked);
        match (code, other_stays) {
            (3000, true) => drop(keys.remove(&hash(GOOD))),
            (3000, false) => drop(keys.remove_application(application)),
            _ => {}
        }
        shard.change_keys(Some(keys), revoked);
        plain.ends_with(code, reason);
        tls.ends_with(code, reason);
        for nth in 0..2 {
            assert_eq!(shard.record(nth).end.label(), label);
        }
        if other_stays {
            other.is_alive();
            assert_eq!(shard.refused(Speaks::Tls, "/", &by_header(GOOD)).code(), "credential-invalid");
        } else {
            other.ends_with(code, reason);
        }
    }
}

#[test]
fn a_client_that_is_still_on_its_way_in_is_refused() {
    for speaks in BOTH {
        let shard = TestShard::start(with_keys(usual()));
        let mut client = shard.connect(speaks);
        client.send(crate::harness::client::handshake("/", &by_header(GOOD)).as_bytes());
        let mut server = shard.upstream.accept();
        server.head();
        let mut revoked = Revoked::default();
        revoked.key(application_of(GOOD), KeyId(GOOD.into()));
        shard.change_keys(Some(table()), revoked);
        client.all(crate::harness::wait::PATIENCE).is_refusal(401, "credential-invalid");
        server.ends();
    }
}

#[test]
fn a_connection_ends_when_its_key_expires() {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let mut options = with_keys(usual());
    let mut keys = table();
    keys.insert(hash(GOOD), key(GOOD, "production", Some(now + 4)));
    options.keys = Some(keys);
    let shard = TestShard::start(options);
    let mut other = shard.open(Speaks::Plain, "/", &by_header(OTHER));
    for open in BOTH.map(|speaks| shard.open(speaks, "/", &by_header(GOOD))) {
        open.ends_with(3000, "expired");
    }
    let record = shard.record(0);
    assert_eq!(record.end.label(), "key_expired");
    assert!(record.duration <= Duration::from_secs(6), "{record:?}");
    shard.refused(Speaks::Plain, "/", &by_header(GOOD)).is_refusal(401, "credential-invalid");
    other.is_alive();
}

#[test]
fn a_new_table_touches_nobody_and_an_older_one_changes_nothing() {
    let shard = TestShard::start(with_keys(usual()));
    let mut open = BOTH.map(|speaks| shard.open(speaks, "/", &by_header(GOOD)));
    // The key is not in it, and nothing says that its connections are to end.
    let mut keys = table();
    keys.remove(&hash(GOOD));
    shard.change_keys(Some(keys), Revoked::default());
    open.iter_mut().for_each(|open| open.is_alive());
    shard.refused(Speaks::Plain, "/", &by_header(GOOD)).is_refusal(401, "credential-invalid");
    shard.change_keys(None, Revoked::default());
    open.iter_mut().for_each(|open| open.is_alive());
    shard.refused(Speaks::Plain, "/", &by_header(GOOD)).is_refusal(503, "policy-unavailable");
}
