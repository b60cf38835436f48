//! Network of a host: this machine, a private network, or the internet. A registry on the internet
//! must not make the client send requests to hosts that only the client can reach.

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use std::{
    io,
    net::{IpAddr, SocketAddr},
};

/// Network of a host that has answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Network {
    /// Loopback network of this machine.
    Loopback,
    /// Private or link-local network.
    Private,
    /// The internet.
    Outer,
    /// Unknown network: a proxy made the connection.
    #[default]
    Unknown,
}

impl Network {
    /// Returns the network of a connection's other end.
    pub(crate) fn of(peer: Option<SocketAddr>) -> Self {
        match peer.map(|peer| peer.ip().to_canonical()) {
            None => Self::Unknown,
            Some(address) if address.is_loopback() || address.is_unspecified() => Self::Loopback,
            Some(address) if is_inner(address) => Self::Private,
            Some(_) => Self::Outer,
        }
    }
}

/// Addresses to which a name may resolve.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) enum Names {
    /// Every address.
    #[default]
    Any,
    /// Addresses outside of this machine and of private networks.
    OuterOnly,
}

/// Returns true if an address belongs to this machine, or to a private or link-local network.
pub(crate) fn is_inner(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(v4) => {
            let shared = v4.octets()[0] == 100 && v4.octets()[1] & 0xc0 == 64;
            v4.is_loopback()
                || v4.is_private()
                || v4.is_link_local()
                || v4.octets()[0] == 0
                // RFC 6598; clouds run their own services at these addresses.
                || shared
        }
        IpAddr::V6(v6) => {
            v6.is_loopback()
                || v6.is_unspecified()
                || v6.is_unique_local()
                || v6.is_unicast_link_local()
        }
    }
}

/// Error for a name that resolves to an address that the client must not use.
#[derive(Debug, thiserror::Error)]
#[error("`{name}` is at {address}, within a private network, and the registry is not")]
pub(crate) struct Inner {
    name: String,
    address: IpAddr,
}

/// Resolver that returns outer addresses only. The client connects to the checked addresses, so a
/// name that changes between two lookups cannot avoid the check.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OuterOnly;

impl Resolve for OuterOnly {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            let found = outer(name.as_str(), found)?;
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

/// Returns the addresses, if all of them are outer ones.
fn outer(name: &str, found: Vec<SocketAddr>) -> Result<Vec<SocketAddr>, io::Error> {
    match found.iter().find(|address| is_inner(address.ip())) {
        None => Ok(found),
        Some(address) => {
            let inner = Inner { name: name.to_owned(), address: address.ip() };
            Err(io::Error::new(io::ErrorKind::PermissionDenied, inner))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> SocketAddr {
        text.parse().expect(text)
    }

    #[test]
    fn an_address_belongs_to_a_network() {
        for (peer, network) in [
            ("127.0.0.9:1", Network::Loopback),
            ("[::1]:1", Network::Loopback),
            ("[::ffff:127.0.0.1]:1", Network::Loopback),
            ("0.0.0.0:1", Network::Loopback),
            ("10.0.0.1:1", Network::Private),
            ("172.31.0.1:1", Network::Private),
            ("169.254.169.254:80", Network::Private),
            ("100.100.100.200:80", Network::Private),
            ("[fd00::1]:1", Network::Private),
            ("[fe80::1]:1", Network::Private),
            ("[::ffff:192.168.1.1]:1", Network::Private),
            ("192.0.2.1:1", Network::Outer),
            ("100.128.0.1:1", Network::Outer),
            ("[2001:db8::1]:1", Network::Outer),
        ] {
            assert_eq!(Network::of(Some(address(peer))), network, "{peer}");
        }
        assert_eq!(Network::of(None), Network::Unknown);
    }

    /// A review of the code found that a name with an inner address passed the guard.
    #[test]
    fn a_name_at_an_inner_address_is_not_asked() {
        let good = vec![address("192.0.2.1:0"), address("[2001:db8::1]:0")];
        assert_eq!(outer("t.example", good.clone()).expect("outer"), good);
        let mixed = vec![address("192.0.2.1:0"), address("10.0.0.5:0")];
        let error = outer("t.example", mixed).expect_err("inner");
        assert_eq!(
            error.to_string(),
            "`t.example` is at 10.0.0.5, within a private network, and the registry is not"
        );
    }
}
