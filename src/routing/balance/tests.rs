//! The order of tries, with a clock of the test's own: named cases, and thousands of random outages.

use super::Tries;
use super::health::{EndpointHealth, FailureCause};

fn endpoints(count: usize) -> Vec<EndpointHealth> {
    (0..count).map(|n| EndpointHealth::new(&format!("ws://{n}"), n as u64 + 1)).collect()
}

/// The order in which one handshake tries the endpoints if all of them fail without being noted.
fn order(all: &[EndpointHealth], turn: usize, now_ms: u64) -> Vec<usize> {
    let mut tries = Tries::new(all.len(), turn);
    std::iter::from_fn(|| tries.next(|index| all.get(index), now_ms)).collect()
}

#[test]
fn endpoints_are_taken_in_turn() {
    let all = endpoints(3);
    for turn in 0..3 {
        assert_eq!(order(&all, turn, 0), [turn, (turn + 1) % 3, (turn + 2) % 3]);
    }
    assert_eq!(order(&endpoints(1), 0, 0), [0]);
    assert_eq!(order(&[], 0, 0), [0_usize; 0]);
}

#[test]
fn b2_an_endpoint_that_failed_goes_last_until_one_connection_may_try_it() {
    let all = endpoints(3);
    all[0].failed(FailureCause::Refused, 0);
    assert_eq!(order(&all, 0, 100), [1, 2, 0]);
    assert_eq!(order(&all, 2, 100), [2, 1, 0]);
    assert_eq!(order(&all, 0, 1000), [0, 1, 2], "its pause is over: this one tries it");
    assert_eq!(order(&all, 0, 1001), [1, 2, 0], "and no other");
}

#[test]
fn a_further_try_prefers_an_endpoint_that_works() {
    let all = endpoints(3);
    all[1].failed(FailureCause::Refused, 0);
    // The pause of 1 is over, but this client has waited for 0 already.
    assert_eq!(order(&all, 0, 5000), [0, 2, 1]);
}

#[test]
fn where_no_endpoint_works_each_handshake_still_tries_them_in_turn() {
    let all = endpoints(2);
    all.iter().for_each(|health| health.failed(FailureCause::Refused, 0));
    assert_eq!((order(&all, 0, 10), order(&all, 1, 10)), (vec![0, 1], vec![1, 0]));
}

/// A generator of numbers that look random (xorshift64).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}

#[test]
fn b2_whatever_fails_no_handshake_tries_an_endpoint_twice_and_outages_cost_few_first_tries() {
    for seed in 1..3000 {
        let mut numbers = Numbers(seed * 0x9E37_79B9);
        let count = 2 + usize::try_from(numbers.below(4)).unwrap();
        let all = endpoints(count);
        // Endpoint 0 is out for a minute; the others fail now and then.
        let (mut now, mut first_tries_of_0, mut turn) = (0, 0, 0);
        while now < 60_000 {
            let mut tries = Tries::new(count, turn);
            turn = (turn + 1) % count;
            let mut seen = Vec::new();
            let others_work = all[1..].iter().any(EndpointHealth::works);
            while let Some(index) = tries.next(|index| all.get(index), now) {
                assert!(!seen.contains(&index), "seed {seed}: {index} twice");
                seen.push(index);
                first_tries_of_0 += u32::from(index == 0 && seen.len() == 1 && others_work);
                if index == 0 || numbers.below(50) == 0 {
                    all[index].failed(FailureCause::Closed, now);
                } else {
                    all[index].succeeded();
                    break;
                }
            }
            now += 20 + numbers.below(50);
        }
        // Pauses of 1, 2, 4, 8, 16 and 30 s, each up to a quarter shorter.
        assert!((2..=8).contains(&first_tries_of_0), "seed {seed}: {first_tries_of_0} of a minute");
    }
}
