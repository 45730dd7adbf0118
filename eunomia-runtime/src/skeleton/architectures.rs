//! Packages that hold one for each architecture: `{"architectures": {"x86_64": {..}, ..}}`. The
//! names are those of `target_arch` in Rust.

use serde_json::{Map as JsonMap, Value as Json};

use super::{Skeleton, read, table::Node};
use crate::{
    error::{Diagnostics, locate},
    plain::quoted,
};

/// The key that holds the packages.
const KEY: &str = "architectures";

impl Skeleton {
    /// Returns the architectures of a document, or none if it serves all.
    #[doc(hidden)]
    pub fn architectures(bytes: &[u8]) -> Vec<String> {
        let text = std::str::from_utf8(bytes).map(locate::without_mark).unwrap_or_default();
        // Other documents need not be read twice.
        if !text.contains(KEY) || read::check_size(text, "").is_err() {
            return Vec::new();
        }
        let json: Json = serde_json::from_str(text).unwrap_or_default();
        let packages = json.get(KEY).and_then(Json::as_object);
        packages.into_iter().flat_map(JsonMap::keys).cloned().collect()
    }

    /// Returns a package that holds other packages, each with the architecture that it is for.
    ///
    /// # Errors
    /// [`Diagnostics`] if one of them is not a JSON document.
    #[doc(hidden)]
    pub fn combined(packages: &[(String, String)]) -> Result<String, Diagnostics> {
        let mut all = JsonMap::new();
        for (arch, package) in packages {
            let json = serde_json::from_str(package)
                .map_err(|error| Diagnostics::one(arch, read::malformed(&error)))?;
            all.insert(arch.clone(), json);
        }
        // Printing a `Value` whose keys are strings cannot fail.
        Ok(format!("{:#}\n", serde_json::json!({ KEY: all })))
    }
}

/// Returns the package for an architecture, or the document itself if it serves all.
pub(super) fn pick<'a>(root: &Node<'a>, arch: &str) -> Option<Node<'a>> {
    let Some(packages) = root.json.get(KEY) else { return Some(root.clone()) };
    let packages = root.below(KEY, packages);
    let table = packages.table()?.keys();
    match table.get(arch) {
        Some(package) => Some(packages.below(arch, package)),
        None => packages.diagnostic(
            format!(
                "the package is for {}, but not for `{arch}`",
                quoted(table.keys().map(String::as_str))
            ),
            format!("build it with `--target-arch {arch}` as well"),
        ),
    }
}
