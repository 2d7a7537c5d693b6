//! Where events may be sent. What a person types must not reach what only this machine can reach: addresses are judged
//! when a webhook is made and again when the name was resolved, right before the connection.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use interlock_core::{Reason, Refusal};
use ipnet::IpNet;
use url::{Host, Url};

/// Networks that are no part of the public Internet, IPv4.
const CLOSED_V4: [(Ipv4Addr, u8); 15] = [
    (Ipv4Addr::UNSPECIFIED, 8),
    (Ipv4Addr::new(10, 0, 0, 0), 8),
    (Ipv4Addr::new(100, 64, 0, 0), 10),
    (Ipv4Addr::new(127, 0, 0, 0), 8),
    (Ipv4Addr::new(169, 254, 0, 0), 16),
    (Ipv4Addr::new(172, 16, 0, 0), 12),
    (Ipv4Addr::new(192, 0, 0, 0), 24),
    (Ipv4Addr::new(192, 0, 2, 0), 24),
    (Ipv4Addr::new(192, 88, 99, 0), 24),
    (Ipv4Addr::new(192, 168, 0, 0), 16),
    (Ipv4Addr::new(198, 18, 0, 0), 15),
    (Ipv4Addr::new(198, 51, 100, 0), 24),
    (Ipv4Addr::new(203, 0, 113, 0), 24),
    (Ipv4Addr::new(224, 0, 0, 0), 4),
    (Ipv4Addr::new(240, 0, 0, 0), 4),
];

/// The only part of IPv6 that is public, and what of it is not: special purposes, documentation, and addresses that
/// carry an IPv4 address inside.
const OPEN_V6: (Ipv6Addr, u8) = (Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0), 3);
const CLOSED_V6: [(Ipv6Addr, u8); 4] = [
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23),
    (Ipv6Addr::new(0x2001, 0xDB8, 0, 0, 0, 0, 0, 0), 32),
    (Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16),
    (Ipv6Addr::new(0x3FFF, 0, 0, 0, 0, 0, 0, 0), 20),
];

/// Which addresses may be reached: public ones, and those of these networks.
#[derive(Debug, Clone, Default)]
pub(crate) struct Networks(pub(crate) Vec<IpNet>);

impl Networks {
    /// The networks that a configuration names.
    ///
    /// # Errors
    /// `CONFIG_INVALID` for what is none.
    pub(crate) fn parse(texts: &[String]) -> Result<Self, Refusal> {
        let net = |text: &String| {
            text.parse::<IpNet>().map_err(|_| {
                let detail = format!("`{text}` in `allow_networks` is no network such as 10.0.0.0/8");
                Refusal::new(Reason::ConfigInvalid, detail).hint("mend [webhooks] in config.toml")
            })
        };
        texts.iter().map(net).collect::<Result<_, _>>().map(Self)
    }

    /// Whether this address may be reached.
    pub(crate) fn allow(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|net| net.contains(&address)) || is_public(address)
    }
}

fn is_public(address: IpAddr) -> bool {
    let is_in = |net: IpAddr, length| IpNet::new(net, length).is_ok_and(|net| net.contains(&address));
    match address {
        IpAddr::V4(_) => !CLOSED_V4.iter().any(|(net, length)| is_in(IpAddr::V4(*net), *length)),
        IpAddr::V6(_) => {
            is_in(IpAddr::V6(OPEN_V6.0), OPEN_V6.1)
                && !CLOSED_V6.iter().any(|(net, length)| is_in(IpAddr::V6(*net), *length))
        }
    }
}

/// Where a webhook's events go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) url: Url,
    pub(crate) host: Host<String>,
    pub(crate) port: u16,
    pub(crate) is_tls: bool,
}

impl Target {
    /// The target that an address names.
    ///
    /// # Errors
    /// `WEBHOOK_URL_REFUSED` for what is no address, or none that may be reached.
    pub(crate) fn parse(text: &str, networks: &Networks) -> Result<Self, Refusal> {
        // What stands behind the host is not repeated: it may be what opens a door.
        let refused = |why: &str| {
            Refusal::new(Reason::WebhookUrlRefused, format!("the address {why}"))
                .hint("give https://HOST/PATH of a receiver that can be reached from everywhere")
        };
        let url = Url::parse(text).map_err(|error| refused(&format!("is no URL: {error}")))?;
        let host = url.host().ok_or_else(|| refused("names no host"))?.to_owned();
        let port = url.port_or_known_default().filter(|port| *port > 0);
        let port = port.ok_or_else(|| refused("names no port"))?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(refused("holds a name or a password; signatures say who sends"));
        }
        if url.fragment().is_some() {
            return Err(refused("ends with `#...`, which is never sent"));
        }
        let literal = match &host {
            Host::Ipv4(address) => Some(IpAddr::V4(*address)),
            Host::Ipv6(address) => Some(IpAddr::V6(*address)),
            Host::Domain(_) => None,
        };
        let is_tls = match url.scheme() {
            "https" => true,
            "http" if names_loopback(&host) => false,
            "http" => return Err(refused("begins with `http:`; only `https:` goes over a network")),
            _ => return Err(refused("must begin with `https:`")),
        };
        if let Some(address) = literal.filter(|address| !networks.allow(*address)) {
            return Err(refused(&closed(address)).hint(OPEN_IT));
        }
        let may_loopback = networks.allow(IpAddr::V4(Ipv4Addr::LOCALHOST))
            || networks.allow(IpAddr::V6(Ipv6Addr::LOCALHOST));
        if names_loopback(&host) && !may_loopback {
            return Err(refused("is this machine's own").hint(OPEN_IT));
        }
        Ok(Self { url, host, port, is_tls })
    }

    /// The addresses to connect to, of those that the name stands for.
    ///
    /// # Errors
    /// Why there is none, in words.
    pub(crate) async fn addresses(&self, networks: &Networks) -> Result<Vec<SocketAddr>, String> {
        let all: Vec<SocketAddr> = match &self.host {
            Host::Ipv4(address) => vec![(*address, self.port).into()],
            Host::Ipv6(address) => vec![(*address, self.port).into()],
            Host::Domain(name) => {
                let found = tokio::net::lookup_host((name.as_str(), self.port)).await;
                found.map_err(|error| format!("`{name}` is not found: {error}"))?.collect()
            }
        };
        let may = |address: &SocketAddr| {
            networks.allow(address.ip()) && (self.is_tls || address.ip().to_canonical().is_loopback())
        };
        let (open, shut): (Vec<_>, Vec<_>) = all.into_iter().partition(may);
        match (open.is_empty(), shut.first()) {
            (false, _) => Ok(open),
            (true, Some(address)) => Err(format!("`{}` {}", self.host, closed(address.ip()))),
            (true, None) => Err(format!("`{}` has no address", self.host)),
        }
    }
}

const OPEN_IT: &str =
    "name the network in `allow_networks` of [webhooks] in config.toml if it shall be reached";

fn closed(address: IpAddr) -> String {
    format!("is {address}, which is not public")
}

fn names_loopback(host: &Host<String>) -> bool {
    match host {
        Host::Ipv4(address) => address.is_loopback(),
        Host::Ipv6(address) => IpAddr::V6(*address).to_canonical().is_loopback(),
        Host::Domain(name) => name == "localhost" || name.ends_with(".localhost"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn none() -> Networks {
        Networks::default()
    }

    fn loopback() -> Networks {
        Networks::parse(&["127.0.0.0/8".into(), "::1/128".into()]).unwrap()
    }

    #[test]
    fn only_public_addresses_may_be_reached() {
        for open in [
            "1.1.1.1",
            "100.63.255.255",
            "100.128.0.0",
            "172.15.0.1",
            "172.32.0.1",
            "192.167.1.1",
            "2606:4700::1",
        ] {
            assert!(none().allow(open.parse().unwrap()), "{open}");
        }
        for shut in [
            "0.0.0.0",
            "10.1.2.3",
            "100.64.0.1",
            "127.0.0.1",
            "127.255.0.1",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.0.1",
            "192.0.0.8",
            "192.0.2.1",
            "198.18.0.1",
            "203.0.113.9",
            "224.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "fe80::1",
            "fc00::1",
            "fd12::1",
            "ff02::1",
            "2001:db8::1",
            "2002:a00:1::1",
            "64:ff9b::a00:1",
            "::ffff:10.0.0.1",
            "::ffff:127.0.0.1",
            "::ffff:169.254.169.254",
        ] {
            assert!(!none().allow(shut.parse().unwrap()), "{shut}");
        }
        let some = Networks::parse(&["10.1.0.0/16".into()]).unwrap();
        assert!(some.allow("10.1.2.3".parse().unwrap()) && some.allow("::ffff:10.1.2.3".parse().unwrap()));
        assert!(!some.allow("10.2.0.1".parse().unwrap()) && !some.allow("127.0.0.1".parse().unwrap()));
        assert_eq!(Networks::parse(&["10.0.0.0".into()]).unwrap_err().reason, Reason::ConfigInvalid);
    }

    #[test]
    fn what_is_no_address_of_a_receiver_is_refused_and_not_repeated() {
        for good in ["https://example.com", "https://example.com:8443/a?b=c", "https://1.1.1.1/x"] {
            assert!(Target::parse(good, &none()).is_ok(), "{good}");
        }
        for wrong in [
            "",
            "nonsense",
            "ftp://example.com/",
            "file:///etc/passwd",
            "http://example.com/",
            "https://",
            "https://anna:secret@example.com/",
            "https://example.com/#a",
            "https://example.com:0/",
            "https://127.0.0.1/s3cret",
            "https://[::1]/",
            "https://localhost/",
            "https://10.0.0.1/s3cret",
            "https://169.254.169.254/latest",
            "https://0x7f000001/",
            "https://2130706433/",
            "https://127.1/",
            "https://[::ffff:10.0.0.1]/",
            "http://127.0.0.1/",
            "https://0/",
        ] {
            let refusal = Target::parse(wrong, &none()).expect_err(wrong);
            assert_eq!(refusal.reason, Reason::WebhookUrlRefused, "{wrong}");
            assert!(!refusal.to_string().contains("s3cret"), "{refusal}");
        }
        for own in ["http://127.0.0.1:9/", "http://localhost:9/", "http://[::1]:9/", "https://localhost/"] {
            assert!(Target::parse(own, &loopback()).is_ok(), "{own}");
        }
        assert!(
            Target::parse("http://example.com/", &loopback()).is_err(),
            "plain text stays on this machine"
        );
    }

    #[tokio::test]
    async fn a_name_is_judged_by_what_it_stands_for() {
        let target = Target::parse("https://localhost:9/", &loopback()).unwrap();
        assert!(target.addresses(&loopback()).await.unwrap().iter().all(|found| found.ip().is_loopback()));
        // Resolved anew when it is not allowed any more, or when the name's owner turned it round.
        let why = target.addresses(&none()).await.unwrap_err();
        assert!(why.contains("which is not public"), "{why}");
    }
}
