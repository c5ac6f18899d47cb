//! Which addresses are nobody's business to fetch from: the special-use blocks of RFC 6890 and the registries
//! it founded. A pure function of the address; `fetcher` calls it for every address a name resolves to.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The special-use block an address lies in. Meant for the log: a stranger is not told what a name of the
/// internal network resolves to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpecialUse(&'static str);

impl fmt::Display for SpecialUse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

/// The special-use block `address` lies in, or `None` for an address of the public internet.
///
/// IPv6 is judged by what is known to be public: all outside `2000::/3` is refused, and so are the blocks inside
/// it that carry an IPv4 address (6to4, Teredo), whatever that address is. IPv4-mapped, IPv4-compatible and
/// NAT64 addresses lie outside. A network-specific NAT64 prefix (RFC 6052 §2.2) looks like any other public
/// address and is not recognised.
#[must_use]
pub fn special_use(address: IpAddr) -> Option<SpecialUse> {
    match address {
        IpAddr::V4(address) => special_v4(address),
        IpAddr::V6(address) => special_v6(address),
    }
}

/// Whether a company's own network may stand at `address`: private use (RFC 1918), shared space (RFC 6598) and unique
/// local addresses (RFC 4193), without the addresses there at which clouds hand out a machine's own credentials.
pub(crate) fn private_network(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => {
            address != CLOUD_CREDENTIALS_V4 && PRIVATE_V4.iter().any(|block| block.holds(address))
        }
        IpAddr::V6(address) => !CLOUD_CREDENTIALS_V6.contains(&address) && PRIVATE_V6.holds(address),
    }
}

static PRIVATE_V4: [Block4; 4] = [
    v4(10, 0, 0, 0, 8, "10.0.0.0/8"),
    v4(172, 16, 0, 0, 12, "172.16.0.0/12"),
    v4(192, 168, 0, 0, 16, "192.168.0.0/16"),
    v4(100, 64, 0, 0, 10, "100.64.0.0/10"),
];
static PRIVATE_V6: Block6 = v6([0xfc00, 0, 0], 0, 7, "fc00::/7");

/// One cloud's, inside the shared address space; those of others are link local.
const CLOUD_CREDENTIALS_V4: Ipv4Addr = Ipv4Addr::new(100, 100, 100, 200);
const CLOUD_CREDENTIALS_V6: [Ipv6Addr; 3] = [
    Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254),
    Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254),
    Ipv6Addr::new(0xfd00, 0xc1, 0, 0, 0, 0, 0xa9fe, 0xa9fe),
];

struct Block4(Ipv4Addr, u32, SpecialUse);
struct Block6(Ipv6Addr, u32, SpecialUse);

const fn v4(a: u8, b: u8, c: u8, d: u8, length: u32, what: &'static str) -> Block4 {
    Block4(Ipv4Addr::new(a, b, c, d), length, SpecialUse(what))
}

const fn v6(head: [u16; 3], tail: u16, length: u32, what: &'static str) -> Block6 {
    let [a, b, c] = head;
    Block6(Ipv6Addr::new(a, b, c, 0, 0, 0, 0, tail), length, SpecialUse(what))
}

static BLOCKS_V4: [Block4; 20] = [
    v4(0, 0, 0, 0, 8, "0.0.0.0/8, this network, RFC 791"),
    v4(10, 0, 0, 0, 8, "10.0.0.0/8, private use, RFC 1918"),
    v4(100, 64, 0, 0, 10, "100.64.0.0/10, shared address space, RFC 6598"),
    v4(127, 0, 0, 0, 8, "127.0.0.0/8, loopback, RFC 1122"),
    v4(168, 63, 129, 16, 32, "168.63.129.16, the host agent of a cloud"),
    v4(169, 254, 0, 0, 16, "169.254.0.0/16, link local, RFC 3927"),
    v4(172, 16, 0, 0, 12, "172.16.0.0/12, private use, RFC 1918"),
    v4(192, 0, 0, 0, 24, "192.0.0.0/24, protocol assignments, RFC 6890"),
    v4(192, 0, 2, 0, 24, "192.0.2.0/24, documentation, RFC 5737"),
    v4(192, 31, 196, 0, 24, "192.31.196.0/24, AS112, RFC 7535"),
    v4(192, 52, 193, 0, 24, "192.52.193.0/24, multicast tunnels, RFC 7450"),
    v4(192, 88, 99, 0, 24, "192.88.99.0/24, 6to4 relays, RFC 7526"),
    v4(192, 168, 0, 0, 16, "192.168.0.0/16, private use, RFC 1918"),
    v4(192, 175, 48, 0, 24, "192.175.48.0/24, AS112, RFC 7534"),
    v4(198, 18, 0, 0, 15, "198.18.0.0/15, benchmarks, RFC 2544"),
    v4(198, 51, 100, 0, 24, "198.51.100.0/24, documentation, RFC 5737"),
    v4(203, 0, 113, 0, 24, "203.0.113.0/24, documentation, RFC 5737"),
    v4(224, 0, 0, 0, 4, "224.0.0.0/4, multicast, RFC 5771"),
    v4(255, 255, 255, 255, 32, "255.255.255.255, limited broadcast, RFC 919"),
    v4(240, 0, 0, 0, 4, "240.0.0.0/4, reserved, RFC 1112"),
];

/// The narrower block stands before the wider one that holds it, so that the log names the narrower.
static BLOCKS_V6: [Block6; 18] = [
    v6([0, 0, 0], 0, 128, "::, unspecified, RFC 4291"),
    v6([0, 0, 0], 1, 128, "::1, loopback, RFC 4291"),
    Block6(
        Ipv6Addr::new(0, 0, 0, 0, 0, 0xffff, 0, 0),
        96,
        SpecialUse("::ffff:0:0/96, IPv4-mapped, RFC 4291"),
    ),
    v6([0, 0, 0], 0, 96, "::/96, IPv4-compatible, RFC 4291"),
    v6([0x64, 0xff9b, 0], 0, 96, "64:ff9b::/96, NAT64, RFC 6052"),
    v6([0x64, 0xff9b, 1], 0, 48, "64:ff9b:1::/48, NAT64, RFC 8215"),
    v6([0x100, 0, 0], 0, 64, "100::/64, discard only, RFC 6666"),
    v6([0x2001, 0, 0], 0, 32, "2001::/32, Teredo, RFC 4380"),
    v6([0x2001, 0, 0], 0, 23, "2001::/23, protocol assignments, RFC 2928"),
    v6([0x2001, 0xdb8, 0], 0, 32, "2001:db8::/32, documentation, RFC 3849"),
    v6([0x2002, 0, 0], 0, 16, "2002::/16, 6to4, RFC 3056"),
    v6([0x2620, 0x4f, 0x8000], 0, 48, "2620:4f:8000::/48, AS112, RFC 7534"),
    v6([0x3fff, 0, 0], 0, 20, "3fff::/20, documentation, RFC 9637"),
    v6([0x5f00, 0, 0], 0, 16, "5f00::/16, segment routing, RFC 9602"),
    v6([0xfc00, 0, 0], 0, 7, "fc00::/7, unique local, RFC 4193"),
    v6([0xfe80, 0, 0], 0, 10, "fe80::/10, link local, RFC 4291"),
    v6([0xfec0, 0, 0], 0, 10, "fec0::/10, site local, RFC 3879"),
    v6([0xff00, 0, 0], 0, 8, "ff00::/8, multicast, RFC 4291"),
];

/// RFC 4291 §2.4, and the IANA registry: global unicast has been handed out of this block alone.
static GLOBAL_UNICAST: Block6 = v6([0x2000, 0, 0], 0, 3, "outside 2000::/3, not global unicast, RFC 4291");

fn special_v4(address: Ipv4Addr) -> Option<SpecialUse> {
    BLOCKS_V4.iter().find(|block| block.holds(address)).map(|block| block.2)
}

fn special_v6(address: Ipv6Addr) -> Option<SpecialUse> {
    let named = BLOCKS_V6.iter().find(|block| block.holds(address)).map(|block| block.2);
    named.or_else(|| (!GLOBAL_UNICAST.holds(address)).then_some(GLOBAL_UNICAST.2))
}

impl Block4 {
    fn holds(&self, address: Ipv4Addr) -> bool {
        (address.to_bits() ^ self.0.to_bits()).leading_zeros() >= self.1
    }
}

impl Block6 {
    fn holds(&self, address: Ipv6Addr) -> bool {
        (address.to_bits() ^ self.0.to_bits()).leading_zeros() >= self.1
    }
}

/// First and last address of every IPv4 block, for the corpus of spellings.
#[cfg(test)]
pub(crate) fn v4_edges() -> impl Iterator<Item = (Ipv4Addr, Ipv4Addr)> {
    BLOCKS_V4.iter().map(|block| {
        let first = block.0.to_bits();
        let last = first | u32::MAX.checked_shr(block.1).unwrap_or(0);
        (Ipv4Addr::from_bits(first), Ipv4Addr::from_bits(last))
    })
}

/// First and last address of every IPv6 block, for the corpus of spellings.
#[cfg(test)]
pub(crate) fn v6_edges() -> impl Iterator<Item = (Ipv6Addr, Ipv6Addr)> {
    BLOCKS_V6.iter().map(|block| {
        let first = block.0.to_bits();
        let last = first | u128::MAX.checked_shr(block.1).unwrap_or(0);
        (Ipv6Addr::from_bits(first), Ipv6Addr::from_bits(last))
    })
}
