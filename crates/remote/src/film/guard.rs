//! Addresses that a provider names and that are not its own: a film may lie there, and nothing of this machine or its network may.

use reqwest::Url;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};

/// Why nothing is fetched from an address; `None` when it may be tried. A name is looked at once more when it is resolved.
pub(super) fn refused(url: &Url) -> Option<String> {
    if url.scheme() != "https" {
        return Some(format!("begins with {}:// and not with https://", url.scheme()));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Some("holds a user or a password".to_owned());
    }
    let host = url.host_str().unwrap_or_default();
    let ip = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>().ok();
    match ip {
        Some(ip) if !is_public(ip) => {
            Some(format!("leads to {ip}, which is no address of the public internet"))
        }
        Some(_) => None,
        None if host.eq_ignore_ascii_case("localhost") || host.is_empty() => {
            Some("leads to this machine".to_owned())
        }
        None => None,
    }
}

/// Resolves names to public addresses alone, at the moment at which they are connected to.
pub(super) struct Public;

impl Resolve for Public {
    fn resolve(&self, name: Name) -> Resolving {
        let host = name.as_str().to_owned();
        Box::pin(async move {
            let looked = tokio::task::spawn_blocking(move || {
                // The port is the URL's, which the client puts in.
                let all: Vec<SocketAddr> = (host.as_str(), 0).to_socket_addrs()?.collect();
                let public: Vec<SocketAddr> = all.into_iter().filter(|at| is_public(at.ip())).collect();
                if public.is_empty() {
                    let message = format!("{host} is no name of a public address");
                    return Err(std::io::Error::new(std::io::ErrorKind::PermissionDenied, message));
                }
                Ok(public)
            });
            let public = looked.await??;
            Ok::<Addrs, Box<dyn std::error::Error + Send + Sync>>(Box::new(public.into_iter()))
        })
    }
}

/// Whether an address belongs to the public internet, by the registries of special-purpose addresses (RFC 6890 and its successors).
pub(super) fn is_public(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => public_v4(ip),
        IpAddr::V6(ip) => public_v6(ip),
    }
}

fn public_v4(ip: Ipv4Addr) -> bool {
    let [a, b, c, _] = ip.octets();
    let special = ip.is_private()
        || ip.is_loopback()
        || ip.is_link_local()
        || ip.is_documentation()
        || ip.is_multicast()
        || a == 0
        || a >= 240
        // Shared by providers, reserved for protocols, 6to4 relays, measurements.
        || (a == 100 && (64..128).contains(&b))
        || (a == 192 && b == 0 && c == 0)
        || (a == 192 && b == 88 && c == 99)
        || (a == 198 && (18..20).contains(&b));
    !special
}

fn public_v6(ip: Ipv6Addr) -> bool {
    if let Some(ip) = ip.to_ipv4_mapped() {
        return public_v4(ip);
    }
    let s = ip.segments();
    let of = |high: u16, low: u16| Ipv4Addr::from((u32::from(high) << 16) | u32::from(low));
    match s {
        // Translated and tunnelled addresses of the older internet.
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] | [0x2002, high, low, ..] => public_v4(of(high, low)),
        // Protocols, Teredo, ORCHID; documentation.
        [0x2001, second, ..] if second < 0x200 || second == 0xdb8 => false,
        [0x3fff, second, ..] if second < 0x1000 => false,
        // What is given out at all.
        [first, ..] => (0x2000..0x4000).contains(&first),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn only_public_addresses_are_public() {
        for inside in [
            "127.0.0.1",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "0.0.0.0",
            "100.64.0.1",
            "192.0.0.1",
            "198.18.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "240.0.0.1",
            "192.0.2.1",
            "::1",
            "::",
            "fe80::1",
            "fc00::1",
            "fd12::1",
            "ff02::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "64:ff9b::7f00:1",
            "2002:7f00:1::",
            "2001:db8::1",
            "2001::1",
            "fec0::1",
            "::127.0.0.1",
        ] {
            assert!(!is_public(inside.parse().unwrap()), "{inside}");
        }
        for outside in [
            "1.1.1.1",
            "93.184.216.34",
            "172.32.0.1",
            "100.128.0.1",
            "2606:4700::1111",
            "2a00:1450::1",
            "::ffff:1.1.1.1",
        ] {
            assert!(is_public(outside.parse().unwrap()), "{outside}");
        }
    }

    #[test]
    fn what_does_not_lead_to_the_public_internet_is_refused() {
        for (url, part) in [
            ("http://example.com/film.mp4", "http://"),
            ("ftp://example.com/film.mp4", "ftp://"),
            ("https://joe:pass@example.com/", "user"),
            ("https://127.0.0.1/film.mp4", "127.0.0.1"),
            ("https://2130706433/film.mp4", "127.0.0.1"),
            ("https://0x7f.1/film.mp4", "127.0.0.1"),
            ("https://[::1]/film.mp4", "::1"),
            ("https://169.254.169.254/latest", "169.254"),
            ("https://LOCALHOST/x", "this machine"),
        ] {
            let why = refused(&Url::parse(url).unwrap());
            assert!(why.as_ref().is_some_and(|why| why.contains(part)), "{url}: {why:?}");
        }
        assert_eq!(refused(&Url::parse("https://example.com/film.mp4?x=1").unwrap()), None);
        assert_eq!(refused(&Url::parse("https://1.1.1.1/film.mp4").unwrap()), None);
    }

    #[test]
    fn names_are_resolved_to_public_addresses_alone() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let looked = runtime.block_on(Public.resolve("localhost".parse().unwrap()));
        let error = looked.err().unwrap();
        assert!(error.to_string().contains("localhost is no name of a public address"), "{error}");
    }
}
