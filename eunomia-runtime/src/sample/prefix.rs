//! [`Prefix`]: a key of a map that finds the longest matching prefix of an address.

use std::{
    error, fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    str::FromStr,
};

use super::Plain;

/// An IP address and its prefix length, as in the keys of a prefix trie (`BPF_MAP_TYPE_LPM_TRIE`).
///
/// Such a key is a struct of a `__u32 prefixlen` in native byte order and an address in network
/// byte order, 4 bytes for IPv4 and 16 for IPv6. [`Self::to_key`] makes a value of any type of that
/// size, such as a generated key, and [`Self::from_key`] reads one.
///
/// ```
/// # use eunomia_runtime::sample::Prefix;
/// let net: Prefix = "10.1.0.0/16".parse()?;
/// let key: [u8; 8] = net.to_key()?;
/// assert_eq!(key[4..], [10, 1, 0, 0]);
/// assert_eq!(Prefix::from_key(&key)?, net);
/// # Ok::<(), eunomia_runtime::sample::NotPrefix>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Prefix {
    address: IpAddr,
    len: u8,
}

/// The error for a prefix or a key that is not valid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotPrefix(String);

impl fmt::Display for NotPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl error::Error for NotPrefix {}

/// Size of `prefixlen` in bytes.
const LEN: usize = size_of::<u32>();

impl Prefix {
    /// Returns the prefix of the first `len` bits of an address; the other bits become 0.
    ///
    /// # Errors
    /// [`NotPrefix`] if the address has fewer bits: 32 for IPv4, 128 for IPv6.
    pub fn new(address: impl Into<IpAddr>, len: u8) -> Result<Self, NotPrefix> {
        let address = address.into();
        let bits = bits(address);
        let unused = u32::from(bits).checked_sub(len.into());
        let Some(unused) = unused else {
            return Err(NotPrefix(format!("{address}/{len}: an address has {bits} bits")));
        };
        let address = match address {
            IpAddr::V4(address) => IpAddr::V4(Ipv4Addr::from_bits(
                address.to_bits() & u32::MAX.checked_shl(unused).unwrap_or(0),
            )),
            IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(
                address.to_bits() & u128::MAX.checked_shl(unused).unwrap_or(0),
            )),
        };
        Ok(Self { address, len })
    }

    /// Returns the address; its bits after the prefix are 0.
    pub fn address(&self) -> IpAddr {
        self.address
    }

    /// Returns the number of bits in the prefix.
    #[allow(clippy::len_without_is_empty, reason = "it is not a collection")]
    pub fn len(&self) -> u8 {
        self.len
    }

    /// Reports whether an address starts with the prefix, as a lookup in the trie does.
    pub fn contains(&self, address: impl Into<IpAddr>) -> bool {
        let address = address.into();
        bits(address) == bits(self.address)
            && Self::new(address, self.len).is_ok_and(|prefix| prefix == *self)
    }

    /// Returns the prefix as a key of a trie.
    ///
    /// # Errors
    /// [`NotPrefix`] if the size of `K` does not match the address: 8 bytes for IPv4, 20 for IPv6.
    pub fn to_key<K: Plain>(&self) -> Result<K, NotPrefix> {
        let mut bytes = u32::from(self.len).to_ne_bytes().to_vec();
        match self.address {
            IpAddr::V4(address) => bytes.extend(address.octets()),
            IpAddr::V6(address) => bytes.extend(address.octets()),
        }
        let key = if bytes.len() == size_of::<K>() { K::read(&bytes) } else { None };
        key.ok_or_else(|| {
            NotPrefix(format!(
                "key of {self} has {} bytes, keys of the map have {}",
                bytes.len(),
                size_of::<K>()
            ))
        })
    }

    /// Reads the prefix in a key of a trie.
    ///
    /// # Errors
    /// [`NotPrefix`] if the key has neither the 8 bytes of IPv4 nor the 20 of IPv6, or its length
    /// exceeds the bits of the address.
    pub fn from_key<K: Plain>(key: &K) -> Result<Self, NotPrefix> {
        let other = || {
            NotPrefix(format!(
                "key has {} bytes, expected 8 for IPv4 or 20 for IPv6",
                size_of::<K>()
            ))
        };
        let (len, address) = key.bytes().split_first_chunk::<LEN>().ok_or_else(other)?;
        let address = match (<[u8; 4]>::try_from(address), <[u8; 16]>::try_from(address)) {
            (Ok(address), _) => IpAddr::from(address),
            (_, Ok(address)) => IpAddr::from(address),
            _ => return Err(other()),
        };
        let len = u32::from_ne_bytes(*len);
        let few = u8::try_from(len).map_err(|_| {
            NotPrefix(format!("{address}/{len}: an address has {} bits", bits(address)))
        })?;
        Self::new(address, few)
    }
}

fn bits(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

/// Converts a bare address to the prefix of all its bits.
impl<A: Into<IpAddr>> From<A> for Prefix {
    fn from(address: A) -> Self {
        let address = address.into();
        Self { address, len: bits(address) }
    }
}

/// Parses `10.0.0.0/8` or `2001:db8::/32`; a bare address is the prefix of all its bits.
impl FromStr for Prefix {
    type Err = NotPrefix;

    fn from_str(text: &str) -> Result<Self, NotPrefix> {
        let (address, len) =
            text.split_once('/').map_or((text, None), |(address, len)| (address, Some(len)));
        let wrong = || {
            NotPrefix(format!(
                "`{}` is not a prefix, expected one like 10.0.0.0/8 or 2001:db8::/32",
                text.escape_debug()
            ))
        };
        let address: IpAddr = address.parse().map_err(|_| wrong())?;
        match len {
            // Rust's parser would accept a sign.
            Some(len) if len.bytes().all(|byte| byte.is_ascii_digit()) => {
                Self::new(address, len.parse().map_err(|_| wrong())?)
            }
            Some(_) => Err(wrong()),
            None => Ok(address.into()),
        }
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_read_back_as_the_same_prefix() {
        for text in ["0.0.0.0/0", "10.1.0.0/16", "192.168.1.128/25", "1.2.3.4/32"] {
            let prefix: Prefix = text.parse().unwrap();
            assert_eq!(prefix.to_string(), text);
            assert_eq!(Prefix::from_key(&prefix.to_key::<[u8; 8]>().unwrap()), Ok(prefix));
            assert_eq!(Prefix::from_key(&prefix.to_key::<[u32; 2]>().unwrap()), Ok(prefix));
        }
        for text in ["::/0", "2001:db8::/32", "fe80::/10", "::1/128"] {
            let prefix: Prefix = text.parse().unwrap();
            assert_eq!(prefix.to_string(), text);
            let key = prefix.to_key::<[u8; 20]>().unwrap();
            assert_eq!(key[..4], u32::from(prefix.len()).to_ne_bytes());
            assert_eq!(Prefix::from_key(&key), Ok(prefix));
        }
    }

    #[test]
    fn bits_after_prefix_are_ignored() {
        let net = Prefix::new(Ipv4Addr::new(10, 1, 2, 3), 8).unwrap();
        assert_eq!(net.to_string(), "10.0.0.0/8");
        assert!(
            net.contains(Ipv4Addr::new(10, 255, 0, 1)) && !net.contains(Ipv4Addr::new(11, 0, 0, 1))
        );
        assert!(!net.contains(Ipv6Addr::LOCALHOST));
        assert!(Prefix::new(Ipv4Addr::UNSPECIFIED, 0).unwrap().contains(Ipv4Addr::BROADCAST));
        assert_eq!(Prefix::from(Ipv4Addr::LOCALHOST).to_string(), "127.0.0.1/32");
    }

    #[test]
    fn invalid_prefixes_are_refused() {
        let refused = |text: &str| text.parse::<Prefix>().unwrap_err().to_string();
        assert_eq!(refused("10.0.0.0/33"), "10.0.0.0/33: an address has 32 bits");
        assert_eq!(refused("::/129"), "::/129: an address has 128 bits");
        for text in
            ["", "/8", "10.0.0/8", "10.0.0.0/", "10.0.0.0/+8", "10.0.0.0/8/8", "10.0.0.0/256"]
        {
            assert_eq!(
                refused(text),
                format!("`{text}` is not a prefix, expected one like 10.0.0.0/8 or 2001:db8::/32")
            );
        }
        let v4 = Prefix::from(Ipv4Addr::LOCALHOST);
        assert_eq!(
            v4.to_key::<[u8; 20]>().unwrap_err().to_string(),
            "key of 127.0.0.1/32 has 8 bytes, keys of the map have 20"
        );
        assert_eq!(
            Prefix::from_key(&[0u8; 12]).unwrap_err().to_string(),
            "key has 12 bytes, expected 8 for IPv4 or 20 for IPv6"
        );
        assert!(Prefix::from_key(&[0u8; 2]).is_err());
        assert_eq!(
            Prefix::from_key(&[256u32, 0]).unwrap_err().to_string(),
            "0.0.0.0/256: an address has 32 bits"
        );
    }
}
