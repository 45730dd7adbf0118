//! What a skeleton document says, the same for every generation of the format. Nothing is inferred here.

use std::collections::BTreeMap;

use serde_json::{Map as JsonMap, Value as Json};

/// The key of a program in the document that names the section by which a program gets its type.
pub(crate) const TYPE: &str = "type";

/// Keys of an object that the format does not define; kept so that nothing is lost when the document is written back.
pub type Other = JsonMap<String, Json>;

/// A JSON skeleton: the description of a BPF object and, in a package, the object itself.
#[derive(Debug, Clone, PartialEq)]
pub struct Skeleton {
    /// Which generation the document was written in.
    pub format: Format,
    /// `obj_name`: libbpf derives the names of internal maps from it.
    pub name: String,
    /// Texts about the program, from annotations in the C source.
    pub doc: Option<Doc>,
    /// Variables by ELF section.
    pub sections: Vec<Section>,
    /// Maps, internal ones (`.rodata`, `.bss`, ..) included.
    pub maps: Vec<Map>,
    /// Programs.
    pub programs: Vec<Program>,
    /// Types of exported records (`export_types`).
    pub exports: Vec<Export>,
    /// BTF that describes the export types, where the document carries it beside the object (early v1).
    pub export_btf: Option<Vec<u8>>,
    /// `enable_multiple_export_types`: each map names its own type.
    pub multiple_exports: bool,
    /// Settings of the loader.
    pub settings: Settings,
    /// `eunomia_version`: the compiler that wrote the document.
    pub version: Option<String>,
    /// The ELF, decoded, where the document carries it.
    pub object: Option<Vec<u8>>,
    /// Unknown keys beside `bpf_skel`.
    pub other: Other,
    /// Unknown keys inside `bpf_skel`.
    pub skel_other: Other,
    /// Unknown keys beside `bpf_object`.
    pub package_other: Other,
    /// What the records of maps hold where the application says so ([`Skeleton::with_event`]), by the map. No part of the document.
    pub events: BTreeMap<String, EventType>,
    /// What the options of variables begin with where the application says so ([`Skeleton::with_option_prefix`]). No part of the document.
    pub option_prefix: String,
}

/// What the application says of a map's records, with types as C writes them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EventType {
    /// All are of one type.
    One(String),
    /// A member tells what type a record has.
    Tagged {
        /// The member that all types have at one place; `header.kind` is one of a member.
        member: String,
        /// A number or the name of an enum's constant, and the type of the records that have this value.
        types: Vec<(String, String)>,
    },
}

/// The generation of a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// `{bpf_object, bpf_object_size, meta}`.
    Package,
    /// `{bpf_skel, export_types, ..}` without the object.
    Metadata,
    /// Like metadata, with the object in `bpf_skel.data`.
    Inline,
    /// A package whose `export_types` is an object with BTF of its own.
    EarlyV1,
    /// `{name, data, data_sz, maps, progs, ..}`.
    LegacyV0,
    /// No document: made from an object.
    Object,
}

/// Settings of the loader; `None` where the document does not say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settings {
    /// Pages of a perf buffer on each CPU.
    pub perf_buffer_pages: Option<u64>,
    /// Milliseconds a perf buffer may hold events back.
    pub perf_buffer_time_ms: Option<u64>,
    /// Milliseconds of one poll; negative means no limit.
    pub poll_timeout_ms: Option<i64>,
    /// Whether libbpf's debug output is wanted.
    pub debug_verbose: Option<bool>,
    /// Whether text output starts with a header.
    pub print_header: Option<bool>,
}

/// `bpf_skel.doc`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Doc {
    /// Version of the program.
    pub version: Option<String>,
    /// One line.
    pub brief: Option<String>,
    /// Shown behind the options in `--help`.
    pub details: Option<String>,
    /// Shown where `brief` is missing.
    pub description: Option<String>,
    /// Unknown keys.
    pub other: Other,
}

/// Variables of one ELF section.
#[derive(Debug, Clone, PartialEq)]
pub struct Section {
    /// `.rodata`, `.bss`, `.data`, ..
    pub name: String,
    /// Its variables. Sizes and offsets in the JSON are wrong; see [`crate::object::Layouts`].
    pub variables: Vec<Variable>,
    /// Unknown keys.
    pub other: Other,
}

/// A global variable.
#[derive(Debug, Clone, PartialEq)]
pub struct Variable {
    /// The C name.
    pub name: String,
    /// The C type as text.
    pub ty: String,
    /// The value to load with, instead of the object's.
    pub value: Option<Json>,
    /// From the annotation.
    pub description: Option<String>,
    /// Its command line option.
    pub arg: Option<CmdArg>,
    /// Unknown keys, `size` (which is padding, not the size) among them.
    pub other: Other,
}

/// `cmdarg`: how a variable is set on the command line.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct CmdArg {
    /// The default value.
    pub default: Option<Json>,
    /// The long option, without dashes.
    pub long: Option<String>,
    /// The short option, one character.
    pub short: Option<String>,
    /// The help text.
    pub help: Option<String>,
    /// Unknown keys.
    pub other: Other,
}

/// A map.
#[derive(Debug, Clone, PartialEq)]
pub struct Map {
    /// libbpf's name; for an internal map cut to 15 bytes.
    pub name: String,
    /// The C identifier, or `rodata`, `bss`, ..
    pub ident: String,
    /// Whether user space can map its memory.
    pub mmaped: bool,
    /// Where the map is exported by reading it at intervals.
    pub sample: Option<Sample>,
    /// Its export type in multiple mode.
    pub export: ExportConfig,
    /// How exported records are shown.
    pub interpreter: Interpreter,
    /// Unknown keys.
    pub other: Other,
}

/// `sample`: a map that is read at intervals.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// Milliseconds between two readings.
    pub interval: u64,
    /// How the entries are shown.
    pub kind: SampleKind,
    /// Unit of a histogram.
    pub unit: Option<String>,
    /// Whether the map is emptied after each reading.
    pub clear_map: bool,
    /// Unknown keys.
    pub other: Other,
}

/// `sample.type`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum SampleKind {
    /// `log2_hist`.
    Log2Hist,
    /// `linear_hist`.
    LinearHist,
    /// `default_kv`.
    #[default]
    KeyValue,
}

/// `export_config`.
#[derive(Debug, Clone, Default, PartialEq)]
pub enum ExportConfig {
    /// `"no_export"`.
    #[default]
    None,
    /// `"default"`: the map's own value type.
    Default,
    /// `{"btf_type_id": N}`.
    BtfType(u32),
    /// `{"custom_members": [..]}`.
    Custom(Vec<CustomMember>),
}

/// A member of a custom export type.
#[derive(Debug, Clone, PartialEq)]
pub struct CustomMember {
    /// Any text.
    pub name: String,
    /// Bytes from the start of the record.
    pub offset: u32,
    /// Its type in the object's BTF.
    pub type_id: u32,
    /// Unknown keys.
    pub other: Other,
}

/// `intepreter`, as the format spells it.
#[derive(Debug, Clone, Default, PartialEq)]
pub enum Interpreter {
    /// `"default_struct"`.
    #[default]
    Struct,
    /// `{"stack_trace": {..}}`.
    StackTrace {
        /// `field_map` as it stands in the document: which members hold what.
        fields: Option<Other>,
        /// Whether addresses are resolved to symbols.
        with_symbols: Option<bool>,
        /// Unknown keys.
        other: Other,
    },
}

/// A BPF program.
#[derive(Debug, Clone, PartialEq)]
pub struct Program {
    /// Its C function.
    pub name: String,
    /// Its ELF section, for example `tp/sched/sched_process_exec`; early documents leave it out.
    pub attach: Option<String>,
    /// Whether `attach` attaches it; compilers write true.
    pub link: bool,
    /// Parameters such as `ifindex`, `xdpopts`, `tchook`, and unknown keys.
    pub other: Other,
}

/// The type of an exported record.
#[derive(Debug, Clone, PartialEq)]
pub struct Export {
    /// Name of the C struct, without `struct`.
    pub name: String,
    /// Its members in order, where the document lists them.
    pub members: Option<Vec<Member>>,
    /// Its size in bytes.
    pub size: Option<u32>,
    /// Its id in the object's BTF, or in [`Skeleton::export_btf`] where there is one.
    pub type_id: Option<u32>,
    /// Unknown keys.
    pub other: Other,
}

/// A member of an export type.
#[derive(Debug, Clone, PartialEq)]
pub struct Member {
    /// Its name.
    pub name: String,
    /// The C type as text, for example `char[16]`.
    pub ty: String,
    /// Unknown keys.
    pub other: Other,
}
