//! Which addresses a user's request may reach.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, UdpSocket};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

/// Special IPv4 ranges, the narrower before the wider.
const REFUSED_V4: [(Ipv4Net, &str); 18] = [
    (v4([0, 0, 0, 0], 8), "an address of this network"),
    (v4([10, 0, 0, 0], 8), "a private address"),
    (v4([100, 64, 0, 0], 10), "a carrier-grade NAT address"),
    (v4([127, 0, 0, 0], 8), "a loopback address"),
    (v4([168, 63, 129, 16], 32), "a metadata address"),
    (v4([169, 254, 169, 254], 32), "a metadata address"),
    (v4([169, 254, 0, 0], 16), "a link-local address"),
    (v4([172, 16, 0, 0], 12), "a private address"),
    (v4([192, 0, 0, 0], 24), "a protocol assignment"),
    (v4([192, 0, 2, 0], 24), "a documentation address"),
    (v4([192, 88, 99, 0], 24), "a 6to4 relay"),
    (v4([192, 168, 0, 0], 16), "a private address"),
    (v4([198, 18, 0, 0], 15), "a benchmarking address"),
    (v4([198, 51, 100, 0], 24), "a documentation address"),
    (v4([203, 0, 113, 0], 24), "a documentation address"),
    (v4([224, 0, 0, 0], 4), "a multicast address"),
    (v4([255, 255, 255, 255], 32), "the broadcast address"),
    (v4([240, 0, 0, 0], 4), "a reserved address"),
];

/// Special IPv6 ranges, the narrower before the wider. What is outside `2000::/3` is refused without a line here.
const REFUSED_V6: [(Ipv6Net, &str); 17] = [
    (v6([0, 0, 0, 0, 0, 0, 0, 0], 128), "the unspecified address"),
    (v6([0, 0, 0, 0, 0, 0, 0, 1], 128), "a loopback address"),
    (v6([0, 0, 0, 0, 0, 0, 0, 0], 96), "an IPv4-compatible address"),
    (v6([0x64, 0xff9b, 0, 0, 0, 0, 0, 0], 96), "a NAT64 address"),
    (v6([0x64, 0xff9b, 1, 0, 0, 0, 0, 0], 48), "a NAT64 address"),
    (v6([0x100, 0, 0, 0, 0, 0, 0, 0], 64), "a discard-only address"),
    (v6([0x2001, 0, 0, 0, 0, 0, 0, 0], 32), "a Teredo address"),
    (v6([0x2001, 2, 0, 0, 0, 0, 0, 0], 48), "a benchmarking address"),
    (v6([0x2001, 0, 0, 0, 0, 0, 0, 0], 23), "a protocol assignment"),
    (v6([0x2001, 0xdb8, 0, 0, 0, 0, 0, 0], 32), "a documentation address"),
    (v6([0x2002, 0, 0, 0, 0, 0, 0, 0], 16), "a 6to4 address"),
    (v6([0x3fff, 0, 0, 0, 0, 0, 0, 0], 20), "a documentation address"),
    (v6([0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254], 128), "a metadata address"),
    (v6([0xfc00, 0, 0, 0, 0, 0, 0, 0], 7), "a unique local address"),
    (v6([0xfe80, 0, 0, 0, 0, 0, 0, 0], 10), "a link-local address"),
    (v6([0xfec0, 0, 0, 0, 0, 0, 0, 0], 10), "a site-local address"),
    (v6([0xff00, 0, 0, 0, 0, 0, 0, 0], 8), "a multicast address"),
];

const GLOBAL_UNICAST: Ipv6Net = v6([0x2000, 0, 0, 0, 0, 0, 0, 0], 3);

/// What speaks against a port of ours.
pub(super) const OWN_ADDRESS: &str = "an address of this server, which listens on that port itself";

/// Whether a connection to this address ends on this machine.
///
/// Only the system knows its addresses, and they change: it lets a socket have one of them, and no other.
pub(super) fn is_of_this_machine(ip: IpAddr) -> bool {
    let ip = ip.to_canonical();
    ip.is_loopback() || ip.is_unspecified() || UdpSocket::bind((ip, 0)).is_ok()
}

/// Whether a request may go to this address.
#[must_use]
pub fn is_allowed(ip: IpAddr, allowed: &[IpNet]) -> bool {
    refusal(ip, allowed).is_none()
}

/// What speaks against this address, as a noun phrase; `None` when nothing does.
///
/// An IPv4 address inside an IPv6 one (`::ffff:a.b.c.d`) is judged as the IPv4 address that the system would connect to.
#[must_use]
pub fn refusal(ip: IpAddr, allowed: &[IpNet]) -> Option<&'static str> {
    let ip = ip.to_canonical();
    if allowed.iter().any(|net| net.contains(&ip)) {
        return None;
    }
    match ip {
        IpAddr::V4(ip) => reason(&REFUSED_V4, |net| net.contains(&ip)),
        IpAddr::V6(ip) => reason(&REFUSED_V6, |net| net.contains(&ip))
            .or_else(|| (!GLOBAL_UNICAST.contains(&ip)).then_some("a reserved address")),
    }
}

fn reason<N>(table: &[(N, &'static str)], holds: impl Fn(&N) -> bool) -> Option<&'static str> {
    table.iter().find(|(net, _)| holds(net)).map(|(_, reason)| *reason)
}

const fn v4(octets: [u8; 4], prefix: u8) -> Ipv4Net {
    let [a, b, c, d] = octets;
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), prefix)
}

const fn v6(segments: [u16; 8], prefix: u8) -> Ipv6Net {
    let [a, b, c, d, e, f, g, h] = segments;
    Ipv6Net::new_assert(Ipv6Addr::new(a, b, c, d, e, f, g, h), prefix)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn special_addresses_are_refused_up_to_their_edges() {
        let refused = "0.0.0.0 0.255.255.255 10.0.0.0 10.255.255.255 100.64.0.0 100.127.255.255 127.0.0.1 \
            127.255.255.255 168.63.129.16 169.254.0.1 169.254.169.254 172.16.0.0 172.31.255.255 \
            192.0.0.1 192.0.0.255 192.0.2.1 192.88.99.1 192.168.0.1 192.168.255.255 198.18.0.1 \
            198.19.255.255 198.51.100.7 203.0.113.9 224.0.0.1 239.255.255.255 240.0.0.1 \
            255.255.255.254 255.255.255.255 :: ::1 ::7f00:1 ::8.8.8.8 ::ffff:127.0.0.1 \
            ::ffff:10.1.2.3 ::ffff:169.254.169.254 64:ff9b::8.8.8.8 64:ff9b::a9fe:a9fe \
            64:ff9b:1::1 100::1 2001::1 2001:0:ffff::1 2001:2::1 2001:10::1 2001:1ff::1 \
            2001:db8::1 2002:7f00:1:: 2002:808:808::1 3fff::1 3fff:fff:ffff::1 4000::1 5f00::1 \
            fc00::1 fd00:ec2::254 fdff::1 fe80::1 febf::1 fec0::1 feff::1 ff02::1 fe00::1";
        for ip in refused.split(' ') {
            assert!(!is_allowed(ip.parse().unwrap(), &[]), "{ip}");
        }
    }

    #[test]
    fn public_addresses_next_to_special_ones_are_allowed() {
        let allowed = "1.1.1.1 9.255.255.255 11.0.0.0 100.63.255.255 100.128.0.0 126.255.255.255 128.0.0.1 \
            168.63.129.17 169.253.255.255 169.255.0.0 172.15.255.255 172.32.0.0 192.0.1.1 \
            192.167.255.255 192.169.0.0 198.17.255.255 198.20.0.0 223.255.255.255 ::ffff:8.8.8.8 \
            2001:200::1 2001:4860:4860::8888 2003::1 2600:1f18::1 2a00:1450::1 3ffe:ffff::1";
        for ip in allowed.split(' ') {
            assert!(is_allowed(ip.parse().unwrap(), &[]), "{ip}");
        }
    }

    #[test]
    fn an_exception_opens_its_own_range_only() {
        let nets = ["127.0.0.0/30".parse().unwrap(), "fd00::/8".parse().unwrap()];
        let check = |ip: &str| is_allowed(ip.parse().unwrap(), &nets);
        assert!(check("127.0.0.1") && check("::ffff:127.0.0.2") && check("fd12::1"));
        assert!(!check("127.0.0.4") && !check("::1") && !check("10.0.0.1") && !check("fc00::1"));
    }

    #[test]
    fn the_reason_names_the_narrowest_range() {
        let check = |ip: &str| refusal(ip.parse().unwrap(), &[]);
        assert_eq!(check("169.254.169.254"), Some("a metadata address"));
        assert_eq!(check("fd00:ec2::254"), Some("a metadata address"));
        assert_eq!(check("::1"), Some("a loopback address"));
        assert_eq!(check("255.255.255.255"), Some("the broadcast address"));
        assert_eq!(check("4000::1"), Some("a reserved address"));
    }
}
