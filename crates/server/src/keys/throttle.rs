//! Slows down who guesses keys: after a few wrong ones an address has to wait, and gets nothing looked up meanwhile but keys that
//! have been right from there before.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Wrong keys that an address may send before it has to wait.
const FREE: u32 = 10;

/// One more is allowed after this long.
const EACH: Duration = Duration::from_secs(6);

/// Addresses remembered at once.
const MOST: usize = 8192;

/// Wrong keys by address.
#[derive(Default)]
pub(crate) struct Throttle(Mutex<HashMap<IpAddr, Peer>>);

struct Peer {
    wrong: u32,
    since: Instant,
    /// Digests of keys that were right from this address, so that a bad neighbour locks out nobody who works already.
    right: Vec<String>,
}

impl Throttle {
    /// Seconds that `peer` has to wait before this key is looked up; `None` when it may be.
    pub(crate) fn wait(&self, peer: IpAddr, digest: &str) -> Option<u64> {
        let mut peers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = peers.get_mut(&block(peer))?;
        known.forget();
        let blocked = known.wrong >= FREE && known.right.iter().all(|d| d != digest);
        blocked.then(|| EACH.saturating_sub(known.since.elapsed()).as_secs().max(1))
    }

    /// A wrong key came from `peer`.
    pub(crate) fn wrong(&self, peer: IpAddr) {
        self.with(peer, |known| {
            if known.wrong == 0 {
                known.since = Instant::now();
            }
            known.wrong = known.wrong.saturating_add(1).min(FREE);
        });
    }

    /// A right key came from `peer`.
    pub(crate) fn right(&self, peer: IpAddr, digest: &str) {
        self.with(peer, |known| {
            if known.right.iter().all(|d| d != digest) {
                if known.right.len() >= 64 {
                    known.right.remove(0);
                }
                known.right.push(digest.to_owned());
            }
        });
    }

    fn with(&self, peer: IpAddr, act: impl FnOnce(&mut Peer)) {
        let mut peers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if peers.len() >= MOST {
            peers.retain(|_, peer| {
                peer.forget();
                peer.wrong > 0
            });
            // Still full of guessers: the memory matters more than any one of them.
            if peers.len() >= MOST {
                peers.clear();
            }
        }
        let new = || Peer { wrong: 0, since: Instant::now(), right: Vec::new() };
        act(peers.entry(block(peer)).or_insert_with(new));
    }
}

impl Peer {
    /// Takes off what time has made good.
    fn forget(&mut self) {
        while self.wrong > 0 && self.since.elapsed() >= EACH {
            self.wrong -= 1;
            self.since += EACH;
        }
    }
}

/// Who has one IPv6 address has its whole /64.
fn block(peer: IpAddr) -> IpAddr {
    match peer {
        IpAddr::V4(_) => peer,
        IpAddr::V6(v6) => match v6.to_ipv4_mapped() {
            Some(v4) => v4.into(),
            None => std::net::Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64).into(),
        },
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_guesser_waits_and_its_neighbour_with_a_key_does_not() {
        let throttle = Throttle::default();
        let peer: IpAddr = "192.0.2.1".parse().unwrap();
        throttle.right(peer, "mine");
        for _ in 0..FREE {
            assert_eq!(throttle.wait(peer, "x"), None);
            throttle.wrong(peer);
        }
        assert!(throttle.wait(peer, "x").is_some_and(|s| (1..=6).contains(&s)));
        assert_eq!(throttle.wait(peer, "mine"), None);
        assert_eq!(throttle.wait("192.0.2.2".parse().unwrap(), "x"), None);
    }

    #[test]
    fn addresses_of_one_network_count_as_one() {
        let (a, b, c) = ("2001:db8::1", "2001:db8::2", "2001:db8:0:1::1");
        assert_eq!(block(a.parse().unwrap()), block(b.parse().unwrap()));
        assert_ne!(block(a.parse().unwrap()), block(c.parse().unwrap()));
    }
}
