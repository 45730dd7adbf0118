//! The struct `Args` of a generated module.

use eunomia_runtime::args::{Arg, Scalar};
use proc_macro2::{Literal, TokenStream};
use quote::{ToTokens as _, quote};

use super::{
    derive::clone,
    doc::{Doc, code, prose},
};
use crate::module::{Argument, Module, literal};

/// Emits `Args`: a field for each variable that the command line can set, and the description of
/// its options.
pub(super) fn emit(module: &Module<'_>) -> TokenStream {
    if module.args.is_empty() {
        return TokenStream::new();
    }
    let layouts = &module.checked.layouts;
    let fields = module.args.iter().map(|argument| {
        let (field, arg) = (&argument.field, &argument.read.arg);
        let short =
            arg.short.map(|short| format!("{}, ", code(&format!("-{short}")))).unwrap_or_default();
        let doc = Doc(format!(
            "Option {short}{}: {}",
            code(&format!("--{}", arg.long)),
            prose(&arg.help)
        ));
        let declaration =
            Doc(code(&layouts.c_declaration(&argument.read.variable.name, argument.ty())));
        let ty = if argument.is_bool() {
            quote!(bool)
        } else {
            module.types.rust(argument.ty(), &quote!(types::))
        };
        quote! {
            #doc
            ///
            #declaration
            pub #field: #ty,
        }
    });
    let defaults = module.args.iter().map(|argument| {
        let (field, default) = (&argument.field, argument.default(&module.types));
        quote!(#field: #default,)
    });
    let updates = module.args.iter().map(|argument| {
        let (field, long) = (&argument.field, &argument.read.arg.long);
        if argument.is_bool() {
            quote!(self.#field = given.flag(#long).unwrap_or(self.#field);)
        } else {
            quote!(self.#field = given.value(#long).unwrap_or(self.#field);)
        }
    });
    let (command, clone) = (command(module), clone(&quote!(Args)));
    quote! {
        /// The variables that the command line can set. `default()` has the defaults of the
        /// skeleton.
        #[derive(::core::marker::Copy, ::core::fmt::Debug, ::core::cmp::PartialEq)]
        pub struct Args {
            #(#fields)*
        }

        #clone

        impl ::core::default::Default for Args {
            #[inline]
            fn default() -> Self {
                Self { #(#defaults)* }
            }
        }

        ::eunomia_runtime::__args! {
            impl ::eunomia_runtime::args::Args for Args {
                #[inline]
                fn describe() -> ::eunomia_runtime::args::Command {
                    #command
                }

                #[inline]
                fn update(&mut self, given: &::eunomia_runtime::args::Given<'_>) {
                    #(#updates)*
                }
            }
        }
    }
}

fn command(module: &Module<'_>) -> TokenStream {
    let arguments: Vec<_> = module.args.iter().map(|argument| argument.read.clone()).collect();
    let command = module.checked.command(&arguments);
    let name = &command.name;
    let version = command.version.iter().map(|version| quote!(.version(#version)));
    let about = command.about.iter().map(|about| quote!(.about(#about)));
    let after_help = command.after_help.iter().map(|after_help| quote!(.after_help(#after_help)));
    let args = module.args.iter().map(|argument| {
        let arg = arg(&argument.read.arg);
        quote!(.arg(#arg))
    });
    quote! {
        use ::eunomia_runtime::args::{Arg, Command, Scalar};
        Command::new(#name)#(#version)*#(#about)*#(#after_help)*#(#args)*
    }
}

fn arg(arg: &Arg) -> TokenStream {
    let Arg { variable, long, short, help, scalar, constants, default } = arg;
    let (kind, size) = match *scalar {
        Scalar::Bool(size) => (quote!(Bool), size),
        Scalar::Signed(size) => (quote!(Signed), size),
        Scalar::Unsigned(size) => (quote!(Unsigned), size),
        Scalar::Float(size) => (quote!(Float), size),
        Scalar::Text(size) => (quote!(Text), size),
    };
    let size = literal(size.into());
    let long = (long != variable).then(|| quote!(.long(#long)));
    let short = short.map(|short| quote!(.short(#short)));
    let constants = (!constants.is_empty()).then(|| {
        let constants = constants.iter().map(|(name, value)| {
            let value = Literal::i128_unsuffixed(*value);
            quote!((#name, #value))
        });
        quote!(.constants([#(#constants),*]))
    });
    let default = default.iter().map(|default| quote!(.default(#default)));
    quote!(Arg::new(#variable, Scalar::#kind(#size))#long #short .help(#help)#constants #(#default)*)
}

/// Emits the method of `Open` that sets the variables.
pub(super) fn open(module: &Module<'_>) -> Option<TokenStream> {
    if module.args.is_empty() {
        return None;
    }
    let values = module.args.iter().map(|argument| value(module, argument));
    Some(quote! {
        /// Sets each variable whose value in `args` differs from its default. A variable with its
        /// default value keeps what the application set before; a variable that the object
        /// initialises to another value than the default gets the default.
        ///
        /// # Errors
        /// None for the object that this module was generated for.
        #[inline]
        pub fn args(mut self, args: &Args) -> ::eunomia_runtime::Result<Self> {
            let default: Args = ::core::default::Default::default();
            self.0.write_args(&[#(#values),*]).and(::core::result::Result::Ok(self))
        }
    })
}

/// Returns the variable's place and the bytes of its values.
fn value(module: &Module<'_>, argument: &Argument<'_>) -> TokenStream {
    let (field, section, variable) =
        (&argument.field, argument.section, &argument.read.variable.name);
    let offset = literal(argument.read.variable.offset);
    let bytes = |of: TokenStream| {
        let value = if argument.is_bool() {
            let ty = module.types.rust(argument.ty(), &quote!(types::));
            quote!(<#ty as ::core::convert::From<bool>>::from(#of.#field))
        } else {
            quote!(#of.#field)
        };
        quote!(::eunomia_runtime::sample::Plain::bytes(&#value))
    };
    let (value, default) = (bytes(quote!(args)), bytes(quote!(default)));
    let opened = if argument.read.opened == argument.read.default {
        default.clone()
    } else {
        Literal::byte_string(&argument.read.opened).into_token_stream()
    };
    quote!((#section, #variable, #offset, [#value, #default, #opened]))
}
