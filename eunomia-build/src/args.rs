use eunomia_runtime::{
    args::Scalar,
    fault::{Fault, Place},
    object::{self, Checked, TypeId},
};
use proc_macro2::{Ident, Literal, Span, TokenStream};
use quote::quote;

use crate::{
    names::{self, Scope, verbatim},
    types::{Types, integer},
};

/// A field of `Args`.
#[derive(Debug)]
pub(crate) struct Argument<'a> {
    pub(crate) field: Ident,
    /// The method that returns the variable's section.
    pub(crate) section: Ident,
    pub(crate) read: object::Argument<'a>,
}

pub(crate) fn decide<'a>(checked: &'a Checked, place: &Place, file: &str, faults: &mut Vec<Fault>) -> Vec<Argument<'a>> {
    let place = place.key("data_sections");
    let mut fields = Scope::new("argument", &[]);
    let arguments = checked.arguments(file).unwrap_or_else(|more| {
        faults.extend(more.faults);
        Vec::new()
    });
    arguments
        .into_iter()
        .map(|read| {
            let field = verbatim(&read.variable.name);
            fields.claim(&field, &read.variable.name, &place, faults);
            let section = Ident::new(&names::section(&read.section.name), Span::call_site());
            Argument { field, section, read }
        })
        .collect()
}

impl Argument<'_> {
    pub(crate) fn ty(&self) -> TypeId {
        self.read.variable.ty
    }

    pub(crate) fn is_bool(&self) -> bool {
        matches!(self.read.arg.scalar, Scalar::Bool(_))
    }

    /// The default as an expression.
    pub(crate) fn default(&self, types: &Types<'_>) -> TokenStream {
        let (arg, bytes) = (&self.read.arg, self.read.default.as_slice());
        match arg.scalar {
            Scalar::Bool(_) => {
                let on = bytes.iter().any(|&byte| byte != 0);
                quote!(#on)
            }
            Scalar::Signed(size) | Scalar::Unsigned(size) => {
                // Decimal text is a literal of Rust.
                let number: TokenStream = arg.scalar.text(bytes, std::iter::empty()).parse().unwrap_or_default();
                let ty = types.rust(self.ty(), &quote!(types::));
                let named = ty.to_string() != integer(size, matches!(arg.scalar, Scalar::Signed(_))).to_string();
                if named { quote!(#ty(#number)) } else { number }
            }
            Scalar::Float(4) => {
                let number = bytes.try_into().map_or(0.0, f32::from_le_bytes);
                let bits = Literal::u32_unsuffixed(number.to_bits());
                finite(number.is_finite(), &format!("{number:?}")).unwrap_or_else(|| quote!(f32::from_bits(#bits)))
            }
            Scalar::Float(_) => {
                let number = bytes.try_into().map_or(0.0, f64::from_le_bytes);
                let bits = Literal::u64_unsuffixed(number.to_bits());
                finite(number.is_finite(), &format!("{number:?}")).unwrap_or_else(|| quote!(f64::from_bits(#bits)))
            }
            Scalar::Text(_) => {
                let bytes = Literal::byte_string(bytes);
                quote!(::core::convert::From::from(*#bytes))
            }
        }
    }
}

/// The literal of a float; infinities and what is no number have none.
fn finite(finite: bool, debug: &str) -> Option<TokenStream> {
    finite.then(|| debug.parse().ok()).flatten()
}
