//! Not public API: what generated modules use in addition to the public types.
//!
//! It changes with the generator.

#[cfg(feature = "clap")]
pub use clap;
#[cfg(feature = "serde")]
pub use serde_core as serde;

pub use crate::{
    plain::{is_shown, line as one_line},
    recording::replay::replay,
    sample::{
        Fields, Padding,
        access::{bits, get, set, set_bits, tag, view, view_mut},
        line::{Fielded, constant, debug, line, numbered},
        outcome::unknown_map,
        plain::{ON_STACK, placed, size, unaligned, unpadded},
        tailed::{Items, parts},
        with_entry, with_event, with_tail,
    },
};

#[cfg(any(feature = "dynamic", feature = "load"))]
pub use crate::file::MOST;
#[cfg(feature = "dynamic")]
#[doc(hidden)]
pub use crate::object::{
    instruction::Instruction,
    sends::{SendCall, send_calls},
};
#[cfg(feature = "dynamic")]
pub use crate::{
    file::{read as read_file, read_any, read_from, refuse_planted},
    suggestion::near,
};

#[cfg(feature = "clap")]
pub use crate::args::parsed::parsed;
#[cfg(feature = "load")]
pub use crate::bpf::loaded::handles::handles;
#[cfg(all(feature = "dynamic", feature = "load"))]
pub use crate::bpf::sys::{
    c_types::{CTypes, Printed},
    linker::link,
};
#[cfg(feature = "columns")]
pub use crate::columns::{Column, Fill, fill};
pub use crate::sample::{Format, Formatted};
#[cfg(feature = "serde")]
pub use crate::sample::{
    serial::{Record, Serial, serialize_enum},
    tailed::SerialTail,
};
#[cfg(feature = "yaml")]
pub use crate::skeleton::{is_yaml, to_yaml};

/// A wrapper that aligns the object for libbpf.
#[derive(Debug)]
#[repr(C, align(8))]
pub struct Aligned<T: ?Sized>(pub T);

/// Expands to its argument if the runtime can load objects, else to nothing, so that a generated
/// module does not depend on the user's own features.
#[cfg(feature = "load")]
#[doc(hidden)]
#[macro_export]
macro_rules! __lifecycle {
    // The argument is tokens: items would be parsed here and again after expansion.
    ($($tokens:tt)*) => { $($tokens)* };
}

/// Expands to an `open` whose error names the feature, if the runtime cannot load objects.
#[cfg(not(feature = "load"))]
#[doc(hidden)]
#[macro_export]
macro_rules! __lifecycle {
    ($($tokens:tt)*) => {
        /// Needs the feature `load` of eunomia-runtime.
        pub fn open()
        where
            for<'a> &'a (): $crate::__private::missing::Load,
        {
        }
    };
}

/// Opens the object of a generated module, which forbids unsafe code of its own. For the generator
/// alone: it has checked the object that it embeds. Everyone else opens a skeleton.
#[cfg(feature = "load")]
#[doc(hidden)]
#[macro_export]
macro_rules! __open {
    ($spec:expr, $kernel:expr) => {
        match ($spec, $kernel) {
            // SAFETY: the generator refuses objects that `Checked::loadable` refuses, which
            // includes what `Checked::bounded` does, and embeds the one that it has checked.
            (spec, kernel) => unsafe { $crate::bpf::Open::new(spec, kernel) },
        }
    };
}

/// Expands to implementations that make a struct the arguments of a module, if the runtime has
/// clap.
#[cfg(feature = "clap")]
#[doc(hidden)]
#[macro_export]
macro_rules! __args {
    (impl ::eunomia_runtime::args::Args for $args:ident { $($item:item)* }) => {
        impl $crate::args::Args for $args { $($item)* }

        impl $args {
            /// Parses the command line of this process.
            ///
            /// If it is wrong, or asks for help or the version, prints the error or the text and
            /// exits.
            pub fn parse() -> Self {
                <Self as $crate::__private::clap::Parser>::parse()
            }

            /// Parses a command line whose first item is the name of the program.
            ///
            /// # Errors
            /// The error, or the requested help or version; its `exit` prints it.
            pub fn try_parse_from<I, T>(line: I) -> ::core::result::Result<Self, $crate::__private::clap::Error>
            where
                I: ::core::iter::IntoIterator<Item = T>,
                T: ::core::convert::Into<::std::ffi::OsString> + ::core::clone::Clone,
            {
                <Self as $crate::__private::clap::Parser>::try_parse_from(line)
            }
        }

        impl $crate::__private::clap::Parser for $args {}

        impl $crate::__private::clap::CommandFactory for $args {
            fn command() -> $crate::__private::clap::Command {
                <Self as $crate::args::Args>::describe().to_clap()
            }

            fn command_for_update() -> $crate::__private::clap::Command {
                <Self as $crate::args::Args>::describe().to_clap()
            }
        }

        impl $crate::__private::clap::Args for $args {
            fn augment_args(command: $crate::__private::clap::Command) -> $crate::__private::clap::Command {
                <Self as $crate::args::Args>::describe().add_to(command)
            }

            fn augment_args_for_update(command: $crate::__private::clap::Command) -> $crate::__private::clap::Command {
                <Self as $crate::args::Args>::describe().add_to(command)
            }
        }

        impl $crate::__private::clap::FromArgMatches for $args {
            fn from_arg_matches(
                matches: &$crate::__private::clap::ArgMatches,
            ) -> ::core::result::Result<Self, $crate::__private::clap::Error> {
                ::core::result::Result::Ok(<Self as $crate::args::Args>::of(matches))
            }

            fn update_from_arg_matches(
                &mut self,
                matches: &$crate::__private::clap::ArgMatches,
            ) -> ::core::result::Result<(), $crate::__private::clap::Error> {
                <Self as $crate::args::Args>::update(self, &$crate::args::Given::of(matches));
                ::core::result::Result::Ok(())
            }
        }
    };
}

/// Expands to functions whose error names the feature, if the runtime has no clap.
#[cfg(not(feature = "clap"))]
#[doc(hidden)]
#[macro_export]
macro_rules! __args {
    (impl ::eunomia_runtime::args::Args for $args:ident { $($item:item)* }) => {
        impl $args {
            /// Needs the feature `clap` of eunomia-runtime.
            pub fn parse() -> Self
            where
                for<'a> &'a Self: $crate::__private::missing::Clap,
            {
                ::core::default::Default::default()
            }

            /// Needs the feature `clap` of eunomia-runtime.
            pub fn try_parse_from<I>(_: I) -> ::core::result::Result<Self, ()>
            where
                for<'a> &'a Self: $crate::__private::missing::Clap,
            {
                ::core::result::Result::Err(())
            }
        }
    };
}

/// Expands to serde's implementations for a type, if the runtime has serde.
#[cfg(feature = "serde")]
#[doc(hidden)]
#[macro_export]
macro_rules! __serde {
    (impl $type:ident { fn serialize(&$this:ident, $serializer:ident: Serializer $(,)?) -> Result { $value:expr } }) => {
        impl $crate::__private::serde::Serialize for $type {
            fn serialize<S: $crate::__private::serde::Serializer>(
                &$this,
                $serializer: S,
            ) -> ::core::result::Result<S::Ok, S::Error> {
                $value
            }
        }

        $crate::__serde!(impl $type {});
    };
    // This arm is for a struct with a flexible array at its end.
    (impl $type:ident { fn serialize(&$this:ident, $serializer:ident: Serializer, $tail:ident: Tail $(,)?) -> Result { $value:expr } }) => {
        impl $crate::__private::SerialTail for $type {
            fn serial_tail<S: $crate::__private::serde::Serializer>(
                &$this,
                $serializer: S,
                $tail: &$crate::__private::Items<'_, Self>,
            ) -> ::core::result::Result<S::Ok, S::Error> {
                $value
            }
        }

        impl $crate::__private::serde::Serialize for $type {
            fn serialize<S: $crate::__private::serde::Serializer>(&self, serializer: S) -> ::core::result::Result<S::Ok, S::Error> {
                $crate::__private::SerialTail::serial_tail(self, serializer, &$crate::__private::Items::NONE)
            }
        }

        $crate::__serde!(impl $type {});
    };
    (impl $type:ident {}) => {
        impl $crate::__private::Serial for $type {
            fn serial<S: $crate::__private::serde::Serializer>(&self, serializer: S) -> ::core::result::Result<S::Ok, S::Error> {
                $crate::__private::serde::Serialize::serialize(self, serializer)
            }
        }
    };
}

/// Expands to nothing, because the runtime has no serde.
#[cfg(not(feature = "serde"))]
#[doc(hidden)]
#[macro_export]
macro_rules! __serde {
    ($($any:tt)*) => {};
}

/// Expands to the batch type of an event, if the runtime has columns.
#[cfg(feature = "columns")]
#[doc(hidden)]
#[macro_export]
macro_rules! __columns {
    (
        $(#[$about:meta])* struct $batch:ident { $($columns:tt)* }
        fn $row:ident($event:ident: &$of:ty $(,)?) -> $made:ty { $init:ident { $($field:ident: $value:expr),+ $(,)? } }
    ) => {
        $crate::__columns!(@batch $(#[$about])* $batch { $($columns)* } $of {
            type Row<'a> = &'a $of;

            #[inline]
            fn push(&mut self, $event: &$of) {
                $($crate::__private::Fill::add(&mut self.$field, $value);)+
            }

            fn extend(&mut self, events: &[impl ::core::borrow::Borrow<$of>]) {
                $($crate::__private::fill::<$of, _, _>(&mut self.$field, events, |$event| $value);)+
            }
        });
    };
    // This arm is for a struct with a flexible array at its end.
    (
        $(#[$about:meta])* struct $batch:ident { $($columns:tt)* }
        fn $row:ident($event:ident: &$of:ty, $tail:ident: Tail $(,)?) -> $made:ty {
            $init:ident { $($field:ident: $value:expr),+ $(,)? }
        }
    ) => {
        $crate::__columns!(@batch $(#[$about])* $batch { $($columns)* } $of {
            type Row<'a> = $crate::sample::Tailed<'a, $of>;

            #[inline]
            fn push(&mut self, row: $crate::sample::Tailed<'_, $of>) {
                let ($event, $tail) = $crate::__private::parts(row);
                // The struct may have no other members.
                let _ = ($event, $tail);
                $($crate::__private::Fill::add(&mut self.$field, $value);)+
            }

            fn extend(&mut self, events: &[impl ::core::borrow::Borrow<$of>]) {
                let $tail = $crate::__private::Items::<'_, $of>::NONE;
                let _ = $tail;
                $($crate::__private::fill::<$of, _, _>(&mut self.$field, events, |$event| {
                    let _ = $event;
                    $value
                });)+
            }
        });
    };
    (@batch $(#[$about:meta])* $batch:ident { $($(#[$path:meta])* $column:ident: $type:ty),+ $(,)? } $of:ty { $($rows:item)* }) => {
        $(#[$about])*
        #[derive(::core::clone::Clone, ::core::fmt::Debug, ::core::default::Default)]
        pub struct $batch { $($(#[$path])* pub $column: $type,)+ }

        impl $crate::columns::Columns for $batch {
            type Event = $of;

            $($rows)*

            #[inline]
            fn len(&self) -> ::core::primitive::usize {
                [$($crate::__private::Column::rows(&self.$column)),+][0]
            }

            #[inline]
            fn each(&mut self, f: &mut dyn ::core::ops::FnMut(&'static str, &mut dyn $crate::__private::Column)) {
                $(f(::core::stringify!($column), &mut self.$column);)+
            }
        }
    };
}

/// Expands to a type whose error names the feature, if the runtime has no columns.
#[cfg(not(feature = "columns"))]
#[doc(hidden)]
#[macro_export]
macro_rules! __columns {
    ($(#[$about:meta])* struct $batch:ident { $($columns:tt)* } $($row:tt)*) => {
        /// Needs the feature `columns` of eunomia-runtime.
        pub struct $batch(());

        impl $batch {
            /// Needs the feature `columns` of eunomia-runtime.
            pub fn default() -> Self
            where
                for<'a> &'a Self: $crate::__private::missing::Columns,
            {
                Self(())
            }
        }
    };
}

/// Traits that no type implements. They are bounds of items that generated modules have without a
/// feature, so that the error of code that uses such an item names the feature. A bound on a borrow
/// of any lifetime is checked only at the use; otherwise the compiler would refuse the definition.
pub mod missing {
    #[cfg(not(feature = "clap"))]
    #[diagnostic::on_unimplemented(
        message = "the feature `clap` of eunomia-runtime is not enabled",
        label = "needs the feature `clap` of eunomia-runtime",
        note = "`cargo add eunomia-runtime --features clap` enables it"
    )]
    pub trait Clap {}

    #[cfg(not(feature = "columns"))]
    #[diagnostic::on_unimplemented(
        message = "the feature `columns` of eunomia-runtime is not enabled",
        label = "needs the feature `columns` of eunomia-runtime",
        note = "`cargo add eunomia-runtime --features columns` enables it"
    )]
    pub trait Columns {}

    #[cfg(not(feature = "load"))]
    #[diagnostic::on_unimplemented(
        message = "the feature `load` of eunomia-runtime is not enabled",
        label = "needs the feature `load` of eunomia-runtime",
        note = "`cargo add eunomia-runtime --features load` enables it"
    )]
    pub trait Load {}
}
