//! Addresses that a provider names and that are not its own: a film or a picture may lie there, and nothing of this machine or its network may.

use reqwest::Url;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Why nothing is fetched from an address; `None` when it may be tried. A name is looked at once more when it is resolved.
pub(crate) fn refused(url: &Url) -> Option<String> {
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
            Some(format!("leads to {ip}, which is no address of the public network"))
        }
        Some(_) => None,
        None if host.eq_ignore_ascii_case("localhost") || host.is_empty() => {
            Some("leads to this machine".to_owned())
        }
        None if names(proxies(), host) => Some("leads to the proxy itself".to_owned()),
        None => None,
    }
}

/// Resolves names to public addresses alone, at the moment at which they are connected to. A proxy's own name leads wherever it does:
/// what is asked for by way of it is its business.
pub(crate) struct Public {
    proxies: Vec<String>,
}

impl Public {
    /// With the proxies that the environment names.
    pub(crate) fn new() -> Self {
        Self { proxies: proxies().collect() }
    }
}

/// Whether one of some names is a host's.
fn names(mut all: impl Iterator<Item = impl AsRef<str>>, host: &str) -> bool {
    all.any(|name| name.as_ref().eq_ignore_ascii_case(host))
}

/// The hosts of the proxies that lead to addresses with https://.
fn proxies() -> impl Iterator<Item = String> {
    let set = ["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"].into_iter();
    set.filter_map(|name| std::env::var(name).ok()).filter_map(|text| proxy(&text))
}

/// The host of a proxy, which may be written without `http://`.
fn proxy(text: &str) -> Option<String> {
    let text = text.trim();
    let whole = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
    Url::parse(&whole).ok()?.host_str().map(str::to_owned)
}

impl Resolve for Public {
    fn resolve(&self, name: Name) -> Resolving {
        let host = name.as_str().to_owned();
        let leads_on = names(self.proxies.iter(), &host);
        Box::pin(async move {
            // The port is the URL's, which the client puts in.
            let found = tokio::net::lookup_host((host.as_str(), 0)).await?;
            let fine: Vec<_> = found.filter(|at| leads_on || is_public(at.ip())).collect();
            if fine.is_empty() {
                return Err(format!("{host} is no name of a public address").into());
            }
            Ok(Box::new(fine.into_iter()) as Addrs)
        })
    }
}

/// Whether an address belongs to the public network, by the registries of special-purpose addresses (RFC 6890 and its successors).
fn is_public(ip: IpAddr) -> bool {
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
            "100.100.100.200",
            "172.20.1.1",
            "fd00::1",
            "3fff::1",
        ] {
            assert!(!is_public(inside.parse().unwrap()), "{inside}");
        }
        for outside in [
            "1.1.1.1",
            "8.8.8.8",
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
            ("file:///etc/passwd", "file://"),
            ("https://joe:pass@example.com/", "user"),
            ("https://127.0.0.1/film.mp4", "127.0.0.1"),
            ("https://2130706433/film.mp4", "127.0.0.1"),
            ("https://0x7f.1/film.mp4", "127.0.0.1"),
            ("https://[::1]/film.mp4", "::1"),
            ("https://[::ffff:10.0.0.1]/film.mp4", "10.0.0.1"),
            ("https://[64:ff9b::7f00:1]/film.mp4", "64:ff9b::"),
            ("https://10.0.0.7:8080/film.mp4", "10.0.0.7"),
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
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let resolve = |proxies: &[&str]| {
            let public = Public { proxies: proxies.iter().filter_map(|text| proxy(text)).collect() };
            runtime.block_on(public.resolve("localhost".parse().unwrap()))
        };
        for proxies in [&[][..], &["http://10.0.0.1:3128", "proxy.example:3128", ""]] {
            let error = resolve(proxies).err().unwrap();
            assert!(error.to_string().contains("localhost is no name of a public address"), "{error}");
        }
        // The proxy's own name may be one of this network.
        for proxy in ["localhost:3128", "http://LocalHost", "http://u:p@localhost:3128/"] {
            assert!(resolve(&[proxy]).unwrap().all(|at| at.ip().is_loopback()), "{proxy}");
        }
    }

    #[test]
    fn a_name_that_leads_here_is_not_connected_to() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let client = crate::client::outside(&crate::entry::Limits::default()).unwrap();
        let error = runtime.block_on(async { client.get("https://localhost:9/x").send().await.unwrap_err() });
        let why = crate::failure::innermost(&error);
        assert!(why.contains("localhost is no name of a public address"), "{error:?}");
    }
}
