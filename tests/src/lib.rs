//! Generated modules of the fixtures, in a crate that denies every lint that an application may
//! deny.
#![forbid(unsafe_code)]
#![deny(warnings, missing_docs, clippy::all, clippy::pedantic)]

pub mod crates;

use std::{fmt::Display, fs, path::Path};

use eunomia_runtime::{
    Error,
    object::{Kind, Layouts, TypeId},
    recording::Replayed,
};

/// Modules that the build script generates. They are included as text, so every lint of this crate
/// applies.
#[deny(
    let_underscore_drop,
    missing_copy_implementations,
    single_use_lifetimes,
    trivial_casts,
    trivial_numeric_casts,
    unused_lifetimes,
    unused_qualifications,
    unused_results,
    variant_size_differences,
    clippy::nursery,
    clippy::restriction
)]
#[expect(clippy::blanket_clippy_restriction_lints, reason = "a crate may deny any of them")]
pub mod built {
    include!(concat!(env!("OUT_DIR"), "/arena.rs"));
    include!(concat!(env!("OUT_DIR"), "/args.rs"));
    include!(concat!(env!("OUT_DIR"), "/bootstrap.rs"));
    include!(concat!(env!("OUT_DIR"), "/congestion.rs"));
    include!(concat!(env!("OUT_DIR"), "/doctor.rs"));
    include!(concat!(env!("OUT_DIR"), "/every.rs"));
    include!(concat!(env!("OUT_DIR"), "/given.rs"));
    include!(concat!(env!("OUT_DIR"), "/header.rs"));
    include!(concat!(env!("OUT_DIR"), "/hooks.rs"));
    include!(concat!(env!("OUT_DIR"), "/kinds.rs"));
    include!(concat!(env!("OUT_DIR"), "/maps.rs"));
    include!(concat!(env!("OUT_DIR"), "/names.rs"));
    include!(concat!(env!("OUT_DIR"), "/newer.rs"));
    include!(concat!(env!("OUT_DIR"), "/picked.rs"));
    include!(concat!(env!("OUT_DIR"), "/plain.rs"));
    include!(concat!(env!("OUT_DIR"), "/profile.rs"));
    include!(concat!(env!("OUT_DIR"), "/programs.rs"));
    include!(concat!(env!("OUT_DIR"), "/refused.rs"));
    include!(concat!(env!("OUT_DIR"), "/sampled.rs"));
    include!(concat!(env!("OUT_DIR"), "/samples.rs"));
    include!(concat!(env!("OUT_DIR"), "/shapes.rs"));
    include!(concat!(env!("OUT_DIR"), "/streams.rs"));
    include!(concat!(env!("OUT_DIR"), "/tables.rs"));
    include!(concat!(env!("OUT_DIR"), "/tagged.rs"));
    include!(concat!(env!("OUT_DIR"), "/tails.rs"));
}

/// Modules that the macro generates, in a place where no name is in scope.
#[no_implicit_prelude]
pub mod included {
    ::eunomia_macros::include_skeleton!("bpf/args.json");
    ::eunomia_macros::include_skeleton!("bpf/args.json", mod = networked, args(prefix = "net-"));
    ::eunomia_macros::include_skeleton!("bpf/bootstrap.json");
    ::eunomia_macros::include_skeleton!("bpf/faults.json");
    ::eunomia_macros::include_skeleton!(
        "bpf/flood.json",
        events(
            smalls = "struct small",
            middles = "struct middle",
            larges = "struct large",
            "events" = "struct large"
        )
    );
    ::eunomia_macros::include_skeleton!("bpf/kinds.json", debug = "../target/kinds.expanded.rs");
    ::eunomia_macros::include_skeleton!("bpf/names.json", mod = match);
    ::eunomia_macros::include_skeleton!("$OUT_DIR/streams.bpf.o", mod = untyped);
    ::eunomia_macros::include_skeleton!("$OUT_DIR/streams.bpf.o", mod = named, events(notes = "struct note", "events" = "struct sample"));
    ::eunomia_macros::include_skeleton!(
        "bpf/tagged.json",
        debug = "../target/tagged.expanded.rs",
        events(
            files = match kind {
                KIND_OPEN => "struct open_event",
                KIND_READ => "struct data_event",
                3 => "struct data_event",
                KIND_CLOSE => "struct unknown",
            },
            "balls" = match header.kind {
                -1 => "struct ping",
                0x1 => "struct pong",
            },
        )
    );
    ::eunomia_macros::include_skeleton!("$OUT_DIR/both.json");
    ::eunomia_macros::include_skeleton!("bpf/tails.json", types("struct line", "struct place"));

    /// A module next to a type that shadows a primitive type.
    pub mod shadowed {
        /// A type with the name of a primitive type, which Rust does not reserve.
        #[allow(non_camel_case_types, reason = "the name is that of a primitive type")]
        #[derive(::core::fmt::Debug)]
        pub struct u8;

        ::eunomia_macros::include_skeleton!("bpf/faults.json");
    }
}

/// Returns the text of a committed fixture.
///
/// # Panics
/// If the fixture is missing.
#[must_use]
pub fn fixture(name: &str) -> String {
    let path = format!("{}/bpf/{name}.json", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(path).expect("fixtures are committed")
}

/// Returns the id of the struct or union with this C name.
///
/// # Panics
/// If the object has none.
#[must_use]
pub fn struct_id(layouts: &Layouts, c_name: &str) -> TypeId {
    let is_struct =
        |id| matches!(layouts.btf.resolve(id).1.kind, Kind::Struct { .. } | Kind::Union { .. });
    layouts
        .btf
        .iter()
        .map(|(id, _)| id)
        .find(|&id| layouts.c_name(id) == c_name && is_struct(id))
        .expect("the object has the type")
}

/// Replays a recording through a generated module, and returns the text of its events.
///
/// # Errors
/// Those of the module.
pub fn typed_replay(name: &str, recording: &[u8]) -> Result<(Vec<String>, Replayed), Error> {
    let mut lines = Vec::new();
    let mut take = |export: &dyn Display| lines.push(export.to_string());
    let replayed = match name {
        "kinds" => built::kinds::replay(recording, |export| take(&export)),
        "sampled" => built::sampled::replay(recording, |export| take(&export)),
        "shapes" => built::shapes::replay(recording, |export| take(&export)),
        "tagged" => built::tagged::replay(recording, |export| take(&export)),
        _ => built::streams::replay(recording, |export| take(&export)),
    }?;
    Ok((lines, replayed))
}

/// Returns the names of the files in a folder, sorted.
///
/// # Panics
/// If the folder cannot be read.
#[must_use]
pub fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(folder)
        .expect("the folder is ours")
        .map(|file| file.expect("the folder is ours").file_name().into_string())
        .map(|name| name.expect("names are UTF-8"))
        .collect();
    names.sort_unstable();
    names
}

/// The README and the book in `docs/`, whose snippets compile as doc tests.
#[cfg(doctest)]
pub mod book {
    #[doc = include_str!("../../README.md")]
    pub mod readme {}
    #[doc = include_str!("../../docs/first-event.md")]
    pub mod first_event {}
    #[doc = include_str!("../../docs/types.md")]
    pub mod types {}
    #[doc = include_str!("../../docs/events.md")]
    pub mod events {}
    #[doc = include_str!("../../docs/maps.md")]
    pub mod maps {}
    #[doc = include_str!("../../docs/attaching.md")]
    pub mod attaching {}
    #[doc = include_str!("../../docs/options.md")]
    pub mod options {}
    #[doc = include_str!("../../docs/commands.md")]
    pub mod commands {}
    #[doc = include_str!("../../docs/deploying.md")]
    pub mod deploying {}
    #[doc = include_str!("../../docs/errors.md")]
    pub mod errors {}
    #[doc = include_str!("../../docs/testing.md")]
    pub mod testing {}
    #[doc = include_str!("../../docs/migrating.md")]
    pub mod migrating {}
    #[doc = include_str!("../../docs/performance.md")]
    pub mod performance {}
}
