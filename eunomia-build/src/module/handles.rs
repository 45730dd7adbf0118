//! The types of the handles of maps, by the kind of map.

use eunomia_runtime::{
    checked::Checked,
    error::{Diagnostic, JsonPath},
    object::{MapDef, MapKind, TypeId},
};
use proc_macro2::{Ident, Span, TokenStream};
use quote::quote;

use super::{exports::Export, types::Types};

/// Returns the type of the handle of a map that delivers records.
pub(crate) fn stream(export: &Export<'_>, def: &MapDef) -> TokenStream {
    let record = export.ty.clone().unwrap_or_else(|| quote!([u8]));
    let record = if export.is_flexible {
        quote!(::eunomia_runtime::sample::Tailed<'static, #record>)
    } else {
        record
    };
    let handle = one(
        if def.kind == MapKind::RINGBUF { "RingBuffer" } else { "PerfEventArray" },
        &quote!('a),
        &record,
    );
    quote!(::eunomia_runtime::bpf::#handle)
}

/// Decides the type of a map's handle by the kind of map.
pub(crate) struct Handles<'m, 'a> {
    pub(crate) checked: &'a Checked,
    pub(crate) types: &'m mut Types<'a>,
    pub(crate) place: &'m JsonPath,
    pub(crate) diagnostics: &'m mut Vec<Diagnostic>,
}

impl Handles<'_, '_> {
    /// Returns the type of the handle with the lifetime `life`.
    pub(crate) fn handle(&mut self, def: &MapDef, life: &TokenStream) -> TokenStream {
        let ty = match def.kind {
            MapKind::HASH
            | MapKind::LRU_HASH
            | MapKind::DEVMAP
            | MapKind::DEVMAP_HASH
            | MapKind::CPUMAP => {
                let (key, value) = (self.key(def), self.value(def));
                quote!(HashMap<#life, #key, #value>)
            }
            MapKind::LPM_TRIE => {
                let (key, value) = (self.key(def), self.value(def));
                quote!(LpmTrie<#life, #key, #value>)
            }
            MapKind::PERCPU_HASH | MapKind::LRU_PERCPU_HASH => {
                let (key, value) = (self.key(def), self.value(def));
                quote!(PerCpuHashMap<#life, #key, #value>)
            }
            MapKind::ARRAY => one("Array", life, &self.value(def)),
            MapKind::PERCPU_ARRAY => one("PerCpuArray", life, &self.value(def)),
            MapKind::QUEUE | MapKind::STACK => one("Queue", life, &self.value(def)),
            MapKind::BLOOM_FILTER => one("BloomFilter", life, &self.value(def)),
            MapKind::TASK_STORAGE
            | MapKind::INODE_STORAGE
            | MapKind::SK_STORAGE
            | MapKind::CGRP_STORAGE => one("Storage", life, &self.value(def)),
            MapKind::STACK_TRACE => quote!(StackTraces<#life>),
            // A perf event array that delivers records has the handle of a stream instead.
            MapKind::PERF_EVENT_ARRAY => quote!(FdMap<#life, u32>),
            MapKind::PROG_ARRAY
            | MapKind::CGROUP_ARRAY
            | MapKind::SOCKMAP
            | MapKind::SOCKHASH
            | MapKind::XSKMAP
            | MapKind::REUSEPORT_SOCKARRAY => one("FdMap", life, &self.key(def)),
            MapKind::ARRAY_OF_MAPS | MapKind::HASH_OF_MAPS => {
                let key = self.key(def);
                // The handle of an inner map owns a file descriptor, so its lifetime is `'static`.
                let inner = def.inner.as_ref().map(|inner| self.handle(inner, &quote!('static)));
                let inner = inner.into_iter();
                quote!(MapOfMaps<#life, #key #(, #inner)*>)
            }
            _ => quote!(Map<#life>),
        };
        quote!(::eunomia_runtime::bpf::#ty)
    }

    fn key(&mut self, def: &MapDef) -> TokenStream {
        self.rust(def, def.key, "key", def.key_size)
    }

    fn value(&mut self, def: &MapDef) -> TokenStream {
        self.rust(def, def.value, "value", def.value_size)
    }

    /// Returns the type of keys or values. Bytes, if they are declared by size alone or the
    /// compiler left their type out of BTF.
    fn rust(&mut self, def: &MapDef, id: Option<TypeId>, what: &str, size: u32) -> TokenStream {
        let id = id.filter(|id| self.checked.layouts.has_values(*id));
        if let Some(id) = id {
            self.types.need(
                id,
                &format!("{}_{what}", def.name),
                &format!("the {what}s of the map `{}`", def.name),
                self.place,
                self.diagnostics,
            );
        }
        self.types.rust_or_bytes(id, size.into(), &quote!(types::))
    }
}

/// Returns the type of a handle with one type parameter.
fn one(handle: &str, life: &TokenStream, ty: &TokenStream) -> TokenStream {
    let handle = Ident::new(handle, Span::call_site());
    quote!(#handle<#life, #ty>)
}
