//! Blocks of IP addresses.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A block of IPv4 or IPv6 addresses; an address of the other family is never inside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cidr {
    base: IpAddr,
    /// How many low bits are free.
    free_bits: u32,
}

impl Cidr {
    /// Reads `address/bits`; the error says what is wrong with it.
    ///
    /// A block of one address (`/32`, `/128`) is refused as EventBridge refuses it: that is a plain string.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let (address, bits) = text.split_once('/').ok_or("malformed CIDR, one '/' is required")?;
        let base: IpAddr = address.parse().map_err(|_| "malformed CIDR, the part before '/' is not an IP address")?;
        let width = if base.is_ipv4() { 32 } else { 128 };
        let digits = !bits.is_empty() && bits.bytes().all(|b| b.is_ascii_digit());
        let bits: u32 = bits.parse().ok().filter(|_| digits).ok_or("malformed CIDR, mask bits must be an integer")?;
        if bits >= width {
            return Err(format!("CIDR mask bits must be less than {width}"));
        }
        Ok(Self { base, free_bits: width - bits })
    }

    /// Whether a text is what a block can be asked about.
    pub(crate) fn is_address(text: &str) -> bool {
        text.parse::<IpAddr>().is_ok()
    }

    /// Returns an address of the block.
    pub(crate) fn example(&self) -> String {
        self.base.to_string()
    }

    pub(crate) fn contains(&self, text: &str) -> bool {
        let Ok(address) = text.parse::<IpAddr>() else {
            return false;
        };
        match (self.base, address) {
            (IpAddr::V4(base), IpAddr::V4(address)) => self.same_block(base.to_bits().into(), address.to_bits().into()),
            (IpAddr::V6(base), IpAddr::V6(address)) => self.same_block(base.to_bits(), address.to_bits()),
            _ => false,
        }
    }

    /// The addresses of the block, from the first one on.
    pub(crate) fn addresses(&self) -> impl Iterator<Item = String> + use<> {
        let (base, is_v4) = match self.base {
            IpAddr::V4(base) => (base.to_bits().into(), true),
            IpAddr::V6(base) => (base.to_bits(), false),
        };
        let hosts = u128::MAX.checked_shr(u128::BITS - self.free_bits).unwrap_or(0);
        let first = base & !hosts;
        (0..=hosts).map(move |host| match (is_v4, u32::try_from(first | host)) {
            (true, Ok(bits)) => Ipv4Addr::from_bits(bits).to_string(),
            _ => Ipv6Addr::from_bits(first | host).to_string(),
        })
    }

    /// Whether two blocks have an address in common, so that one contains the other.
    pub(crate) fn meets(&self, other: &Self) -> bool {
        let first = |block: &Self| block.addresses().next().unwrap_or_default();
        self.contains(&first(other)) || other.contains(&first(self))
    }

    fn same_block(&self, a: u128, b: u128) -> bool {
        (a ^ b).checked_shr(self.free_bits).unwrap_or(0) == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_inside_when_the_masked_bits_agree() {
        let check = |block, address, expected| {
            assert_eq!(Cidr::parse(block).unwrap().contains(address), expected, "{address} in {block}");
        };
        check("10.0.0.0/24", "10.0.0.33", true);
        check("10.0.0.77/24", "10.0.0.1", true);
        check("10.0.0.0/24", "10.0.1.0", false);
        check("10.0.0.0/31", "10.0.0.1", true);
        check("10.0.0.0/31", "10.0.0.2", false);
        check("0.0.0.0/0", "255.255.255.255", true);
        check("0.0.0.0/0", "::1", false);
        check("::/0", "10.0.0.1", false);
        check("::/0", "ffff::", true);
        check("2001:db8::/32", "2001:0DB8:1::5", true);
        check("2001:db8::/32", "2001:db9::", false);
        check("2001:db8::/127", "2001:db8::1", true);
        check("10.0.0.0/8", "10.0.0", false);
        check("10.0.0.0/8", "", false);
    }

    #[test]
    fn a_block_that_is_none_is_refused() {
        let check = |block, part: &str| {
            let error = Cidr::parse(block).unwrap_err();
            assert!(error.contains(part), "{block}: {error}");
        };
        check("10.0.0.0", "one '/'");
        check("10.0.0/8", "not an IP address");
        check("host/8", "not an IP address");
        check("10.0.0.0/", "integer");
        check("10.0.0.0/-1", "integer");
        check("10.0.0.0/+8", "integer");
        check("10.0.0.0/8/8", "integer");
        check("10.0.0.0/32", "less than 32");
        check("::1/128", "less than 128");
        check("10.0.0.0/99999999999", "integer");
    }
}
