//! The content of a skeleton document, in one form for every generation of the format.
//!
//! Nothing is inferred here.

use std::collections::BTreeMap;

use serde_json::{Map as JsonMap, Value as Json};

use super::Source;

/// The key of a program in the document that names the section by which a program gets its type.
pub(crate) const TYPE: &str = "type";

/// Keys of an object that the format does not define.
///
/// They are kept so that nothing is lost when the document is written back.
pub type Other = JsonMap<String, Json>;

/// A JSON skeleton: the description of a BPF object and, in a package, the object itself.
#[derive(Debug, Clone, PartialEq)]
pub struct Skeleton {
    /// The generation of the format that the document was written in.
    #[doc(hidden)]
    pub format: Format,
    /// `obj_name`: libbpf derives the names of internal maps from it.
    pub name: String,
    /// Texts about the program, from annotations in the C source.
    #[doc(hidden)]
    pub doc: Option<Doc>,
    /// Variables by ELF section.
    #[doc(hidden)]
    pub sections: Vec<Section>,
    /// Maps, including internal ones (`.rodata`, `.bss`, ..).
    #[doc(hidden)]
    pub maps: Vec<Map>,
    /// Programs.
    #[doc(hidden)]
    pub programs: Vec<Program>,
    /// Types of exported records (`export_types`).
    #[doc(hidden)]
    pub exports: Vec<Export>,
    /// BTF that describes the export types, if the document carries it apart from the object (early
    /// v1).
    #[doc(hidden)]
    pub export_btf: Option<Vec<u8>>,
    /// `enable_multiple_export_types`: true if each map names its own type.
    #[doc(hidden)]
    pub multiple_exports: bool,
    /// Settings of the loader.
    #[doc(hidden)]
    pub settings: Settings,
    /// `eunomia_version`: the compiler that wrote the document.
    pub version: Option<String>,
    /// The decoded ELF, if the document carries it.
    #[doc(hidden)]
    pub object: Option<Vec<u8>>,
    /// Unknown keys beside `bpf_skel`.
    #[doc(hidden)]
    pub other: Other,
    /// Unknown keys inside `bpf_skel`.
    #[doc(hidden)]
    pub skel_other: Other,
    /// Unknown keys beside `bpf_object`.
    #[doc(hidden)]
    pub package_other: Other,
    /// Types of the records of maps, by map, that the application set ([`Skeleton::with_event`]).
    /// They are not part of the document.
    #[doc(hidden)]
    pub events: BTreeMap<String, EventType>,
    /// C types that the application asks for ([`Skeleton::with_types`]), whether anything uses them
    /// or not. They are not part of the document.
    #[doc(hidden)]
    pub types: Vec<String>,
    /// Prefix of the options of variables that the application set
    /// ([`Skeleton::with_option_prefix`]). It is not part of the document.
    #[doc(hidden)]
    pub option_prefix: String,
    /// The input that it was read from. Faults that are found later have a file and line by it.
    pub(crate) source: Source,
}

/// The type of a map's records in C's spelling, as the application or the document sets it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EventType {
    /// All records have one type.
    One(String),
    /// A member tells the type of each record.
    Tagged {
        /// The member that all types have at the same place; `header.kind` is one inside another.
        member: String,
        /// A number or the name of an enum's constant, and the type of the records with this value.
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
    /// Metadata with the object in `bpf_skel.data`.
    Inline,
    /// A package whose `export_types` is an object with BTF of its own.
    EarlyV1,
    /// `{name, data, data_sz, maps, progs, ..}`.
    LegacyV0,
    /// Not a document: the skeleton was made from an object.
    Object,
}

/// Settings of the loader; `None` for what the document does not set.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settings {
    /// Pages of the perf buffer of each CPU.
    pub perf_buffer_pages: Option<u64>,
    /// The longest time in milliseconds that a perf buffer holds events back.
    pub perf_buffer_time_ms: Option<u64>,
    /// Timeout of one poll in milliseconds; a negative one means no limit.
    pub poll_timeout_ms: Option<i64>,
    /// True to print libbpf's debug output.
    pub debug_verbose: Option<bool>,
    /// True to start text output with a header.
    pub print_header: Option<bool>,
}

/// Texts about the program: `bpf_skel.doc`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Doc {
    /// Version of the program.
    pub version: Option<String>,
    /// Description in one line.
    pub brief: Option<String>,
    /// Text shown after the options in `--help`.
    pub details: Option<String>,
    /// Text shown if `brief` is missing.
    pub description: Option<String>,
    /// Unknown keys.
    pub other: Other,
}

/// Variables of one ELF section.
#[derive(Debug, Clone, PartialEq)]
pub struct Section {
    /// Name of the ELF section: `.rodata`, `.bss`, `.data`, ..
    pub name: String,
    /// Variables of the section. Sizes and offsets in the JSON are wrong; see
    /// [`crate::object::Layouts`].
    pub variables: Vec<Variable>,
    /// Unknown keys.
    pub other: Other,
}

/// A global variable.
#[derive(Debug, Clone, PartialEq)]
pub struct Variable {
    /// Name in C.
    pub name: String,
    /// Type in C's spelling.
    pub ty: String,
    /// Value to load with, in place of the object's.
    pub value: Option<Json>,
    /// Description from the annotation.
    pub description: Option<String>,
    /// Command-line option of the variable.
    pub arg: Option<CmdArg>,
    /// Unknown keys, including `size` (which is padding, not the size).
    pub other: Other,
}

/// `cmdarg`: the command-line option of a variable.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct CmdArg {
    /// Default value.
    pub default: Option<Json>,
    /// Long option, without dashes.
    pub long: Option<String>,
    /// Short option, one character.
    pub short: Option<String>,
    /// Help text.
    pub help: Option<String>,
    /// True if the command line cannot set the variable.
    pub hidden: Option<bool>,
    /// Unknown keys.
    pub other: Other,
}

/// A map.
#[derive(Debug, Clone, PartialEq)]
pub struct Map {
    /// Name of the map in libbpf; that of an internal map is cut to 15 bytes.
    pub name: String,
    /// Identifier in C, or `rodata`, `bss`, ..
    pub ident: String,
    /// True if user space can map the map's memory.
    pub mmaped: bool,
    /// Description from the annotation.
    pub description: Option<String>,
    /// Type of the records of the map, in C's spelling. No other tool of the format reads it.
    pub event: Option<EventType>,
    /// How the type was found in the C source, if nobody named it.
    pub found: Option<String>,
    /// Settings for reading the map at intervals, if it is.
    pub sample: Option<Sample>,
    /// Export type of the map in multiple mode.
    pub export: ExportConfig,
    /// Form in which exported records are shown.
    pub interpreter: Interpreter,
    /// Unknown keys.
    pub other: Other,
}

/// `sample`: the settings for reading a map at intervals.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// Milliseconds between two readings.
    pub interval: u64,
    /// Form in which the entries are shown.
    pub kind: SampleKind,
    /// Unit of a histogram.
    pub unit: Option<String>,
    /// True to clear the map after each reading.
    pub clear_map: bool,
    /// Unknown keys.
    pub other: Other,
}

/// `sample.type`: the form in which the entries of a map are shown.
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

/// `export_config`: the type of the records of a map.
#[derive(Debug, Clone, Default, PartialEq)]
pub enum ExportConfig {
    /// `"no_export"`: the map exports nothing.
    #[default]
    None,
    /// `"default"`: the value type of the map.
    Default,
    /// `{"btf_type_id": N}`: a type of the object's BTF.
    BtfType(u32),
    /// `{"custom_members": [..]}`: members listed one by one.
    Custom(Vec<CustomMember>),
}

/// A member of a custom export type.
#[derive(Debug, Clone, PartialEq)]
pub struct CustomMember {
    /// Name of the member; any text.
    pub name: String,
    /// Offset from the start of the record in bytes.
    pub offset: u32,
    /// Id of its type in the object's BTF.
    pub type_id: u32,
    /// Unknown keys.
    pub other: Other,
}

/// `intepreter`, as the format spells it: the form in which exported records are shown.
#[derive(Debug, Clone, Default, PartialEq)]
pub enum Interpreter {
    /// `"default_struct"`: as a struct.
    #[default]
    Struct,
    /// `{"stack_trace": {..}}`: as a stack trace.
    StackTrace {
        /// `field_map` as it is in the document: the members for each role.
        fields: Option<Other>,
        /// True to resolve addresses to symbols.
        with_symbols: Option<bool>,
        /// Unknown keys.
        other: Other,
    },
}

/// A BPF program.
#[derive(Debug, Clone, PartialEq)]
pub struct Program {
    /// Name of its C function.
    pub name: String,
    /// ELF section, for example `tp/sched/sched_process_exec`; early documents leave it out.
    pub attach: Option<String>,
    /// True if `attach` attaches it; compilers write true.
    pub link: bool,
    /// Description from the annotation.
    pub description: Option<String>,
    /// Parameters such as `ifindex`, `xdpopts`, `tchook`, and unknown keys.
    pub other: Other,
}

/// The type of an exported record.
#[derive(Debug, Clone, PartialEq)]
pub struct Export {
    /// Name of the C struct, without `struct`.
    pub name: String,
    /// Members in order, if the document lists them.
    pub members: Option<Vec<Member>>,
    /// Size in bytes.
    pub size: Option<u32>,
    /// Id in the object's BTF, or in [`Skeleton::export_btf`] if the document has it.
    pub type_id: Option<u32>,
    /// Unknown keys.
    pub other: Other,
}

/// A member of an export type.
#[derive(Debug, Clone, PartialEq)]
pub struct Member {
    /// Name of the member.
    pub name: String,
    /// Type in C's spelling, for example `char[16]`.
    pub ty: String,
    /// Unknown keys.
    pub other: Other,
}
