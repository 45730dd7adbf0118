//! The fields of `Args`: the variables that the command line can set.

use std::collections::HashMap;

use eunomia_runtime::{
    args::Scalar,
    checked,
    object::{TypeId, Variable},
};
use proc_macro2::{Ident, Literal, TokenStream};
use quote::quote;

use super::{
    names::{Scope, verbatim},
    sections::Section,
    types::{Types, integer},
};

/// A field of `Args`.
#[derive(Debug)]
pub(crate) struct Argument<'a> {
    pub(crate) field: Ident,
    /// The section of the variable.
    pub(crate) section: &'a str,
    pub(crate) read: checked::Argument<'a>,
}

/// Decides the fields of `Args`. `arguments` are the variables that the command line can set.
pub(crate) fn decide<'a>(
    arguments: Vec<checked::Argument<'a>>,
    sections: &[Section<'a>],
) -> Vec<Argument<'a>> {
    // Two sections may have variables of the same name; the address of the variable tells them
    // apart.
    let mut places: HashMap<*const Variable, &'a str> = HashMap::new();
    for Section { section, variables, .. } in sections {
        places.extend(
            variables
                .iter()
                .map(|(_, variable)| (std::ptr::from_ref(*variable), section.name.as_str())),
        );
    }
    let mut fields = Scope::default();
    let arguments = arguments.into_iter().filter_map(|read| {
        let section = places.get(&std::ptr::from_ref(read.variable)).copied()?;
        let field = fields.claim(verbatim(&read.variable.name));
        Some(Argument { field, section, read })
    });
    arguments.collect()
}

impl Argument<'_> {
    pub(crate) fn ty(&self) -> TypeId {
        self.read.variable.ty
    }

    pub(crate) fn is_bool(&self) -> bool {
        matches!(self.read.arg.scalar, Scalar::Bool(_))
    }

    /// Returns the default value as an expression.
    pub(crate) fn default(&self, types: &Types<'_>) -> TokenStream {
        let (arg, bytes) = (&self.read.arg, self.read.default.as_slice());
        match arg.scalar {
            Scalar::Bool(_) => {
                let on = bytes.iter().any(|&byte| byte != 0);
                quote!(#on)
            }
            Scalar::Signed(size) | Scalar::Unsigned(size) => {
                // Decimal text is a Rust literal.
                let number: TokenStream =
                    arg.scalar.text(bytes, std::iter::empty()).parse().unwrap_or_default();
                let ty = types.rust(self.ty(), &quote!(types::));
                let named = ty.to_string()
                    != integer(size, matches!(arg.scalar, Scalar::Signed(_))).to_string();
                if named { quote!(#ty(#number)) } else { number }
            }
            Scalar::Float(4) => {
                let number = bytes.try_into().map_or(0.0, f32::from_le_bytes);
                let bits = Literal::u32_unsuffixed(number.to_bits());
                finite(number.is_finite(), &format!("{number:?}"))
                    .unwrap_or_else(|| quote!(f32::from_bits(#bits)))
            }
            Scalar::Float(_) => {
                let number = bytes.try_into().map_or(0.0, f64::from_le_bytes);
                let bits = Literal::u64_unsuffixed(number.to_bits());
                finite(number.is_finite(), &format!("{number:?}"))
                    .unwrap_or_else(|| quote!(f64::from_bits(#bits)))
            }
            Scalar::Text(_) => {
                let bytes = Literal::byte_string(bytes);
                quote!(::core::convert::From::from(*#bytes))
            }
        }
    }
}

/// Returns the literal of a float. Infinities and NaN have none.
fn finite(finite: bool, debug: &str) -> Option<TokenStream> {
    finite.then(|| debug.parse().ok()).flatten()
}
