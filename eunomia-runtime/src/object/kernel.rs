//! The types of a kernel. A kernel has some hundred thousand types, of which few are looked up, so
//! each is decoded on demand.

use btf_rs::Btf as Raw;

use super::{
    btf::{BtfError, Kind, Type, TypeId},
    decode::{check_header, decode},
};

/// The BTF of the kernel, or of a kernel module on top of it.
pub(crate) struct KernelTypes {
    raw: Raw,
    /// The names with a flavor (`name___flavor`), which are few.
    flavored: Vec<String>,
}

/// The maximum number of typedefs and modifiers to follow, since kernel BTF is not checked for
/// cycles.
const MAX_CHAIN: usize = 64;

impl KernelTypes {
    /// Parses the BTF of a kernel.
    ///
    /// # Errors
    /// [`BtfError`] if btf-rs rejects it.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, BtfError> {
        check_header(bytes)?;
        let raw = Raw::from_bytes(bytes).map_err(|error| BtfError(error.to_string()))?;
        Ok(Self { raw, flavored: flavored(bytes) })
    }

    /// Parses the BTF of a kernel module.
    ///
    /// # Errors
    /// The same as [`Self::parse`].
    pub(crate) fn parse_module(&self, bytes: &[u8]) -> Result<Self, BtfError> {
        check_header(bytes)?;
        let raw =
            Raw::from_split_bytes(bytes, &self.raw).map_err(|error| BtfError(error.to_string()))?;
        Ok(Self { raw, flavored: flavored(bytes) })
    }

    /// Returns a type, or `None` if its kind is not supported.
    pub(crate) fn get(&self, id: TypeId) -> Option<Type> {
        decode(&self.raw, id.0).ok()
    }

    /// Follows typedefs and modifiers to the underlying type.
    pub(crate) fn resolve(&self, mut id: TypeId) -> Option<Type> {
        for _ in 0..MAX_CHAIN {
            let ty = self.get(id)?;
            match ty.kind {
                Kind::Typedef { to } | Kind::Modifier { to, .. } => id = to,
                _ => return Some(ty),
            }
        }
        None
    }

    /// Returns the types with this name; for a module, only the module's own types.
    pub(crate) fn named(&self, name: &str) -> Vec<(TypeId, Type)> {
        let section = self.raw.split().unwrap_or(self.raw.base());
        let ids = section.resolve_ids_by_name(name).unwrap_or_default();
        ids.into_iter().filter_map(|id| Some((TypeId(id), self.get(TypeId(id))?))).collect()
    }

    /// Returns the types whose name without its flavor is `name`.
    pub(crate) fn essentially_named(&self, name: &str) -> Vec<(TypeId, Type)> {
        let flavored = self.flavored.iter().filter(|flavored| essential(flavored) == name);
        self.named(name)
            .into_iter()
            .chain(flavored.flat_map(|flavored| self.named(flavored)))
            .collect()
    }
}

/// Returns the strings that have a flavor.
fn flavored(btf: &[u8]) -> Vec<String> {
    // The strings follow the types in BTF. Bytes of the types that look like such a string match no
    // type name.
    let texts =
        btf.split(|byte| *byte == 0).filter(|text| text.windows(3).any(|window| window == b"___"));
    let texts = texts
        .filter_map(|text| std::str::from_utf8(text).ok())
        .filter(|text| essential(text).len() < text.len());
    texts.map(str::to_owned).collect()
}

/// Returns a name without its flavor: the part before the last `___` that has other characters on
/// both sides, as in libbpf.
pub(crate) fn essential(name: &str) -> &str {
    let bytes = name.as_bytes();
    let separator = |window: &[u8]| matches!(window, [before, b'_', b'_', b'_', after] if *before != b'_' && *after != b'_');
    let at = bytes.windows(5).rposition(separator);
    at.and_then(|at| name.get(..at + 1)).unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn essential_strips_flavor() {
        assert_eq!(essential("task_struct___old"), "task_struct");
        assert_eq!(essential("a___b___c"), "a___b");
        assert_eq!(essential("a____b"), "a____b");
        assert_eq!(essential("___b"), "___b");
        assert_eq!(essential("a___"), "a___");
        assert_eq!(essential("ä___ö"), "ä");
        assert_eq!(flavored(b"\0x\0one___two\0a___\0"), ["one___two"]);
    }

    #[test]
    fn parse_rejects_truncated_btf() {
        assert!(KernelTypes::parse(b"").is_err());
        assert!(KernelTypes::parse(&[0x9f, 0xeb, 1, 0]).is_err());
    }
}
