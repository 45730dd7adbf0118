//! Types of a kernel's BTF as C, printed by libbpf.

use std::{
    cell::RefCell,
    collections::HashSet,
    ffi::{CString, c_char, c_int, c_void},
    io,
    marker::PhantomData,
    mem,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    ptr::{self, NonNull},
};

use libbpf_rs::libbpf_sys::{
    btf_dump, btf_dump__dump_type, btf_dump__emit_type_decl, btf_dump__free, btf_dump__new,
    btf_dump_emit_type_decl_opts, btf_dump_printf_fn_t,
};

use super::printed::{self, MAX_NAME};
use crate::{
    Error, Result,
    bpf::open::btf_file::{BtfFile, FUNC, FUNC_PROTO, Parsed, RECORD, Types, kind, word},
    file,
    host::messages::listen,
    object::{Btf, Kind, TypeId},
};

/// The types of a kernel, read from a file and checked.
#[derive(Debug)]
pub struct CTypes {
    path: PathBuf,
    parsed: Parsed,
    /// The decoded types.
    pub btf: Btf,
}

/// Types and functions as C.
#[derive(Debug)]
pub struct Printed {
    /// The definitions of the types, each after those that it needs.
    pub types: String,
    /// The declaration of each function, without `extern` and `;`.
    pub functions: Vec<String>,
}

impl CTypes {
    /// Reads a file with the BTF of a kernel, as `/sys/kernel/btf/vmlinux`, or an ELF file with a
    /// section `.BTF`.
    ///
    /// # Errors
    /// [`Error::File`] if the file cannot be read, has no BTF, or has BTF that no kernel has.
    pub fn read(path: &Path) -> Result<Self> {
        let file = BtfFile::read(path)?;
        let not = |why: String| {
            let source = io::Error::new(io::ErrorKind::InvalidData, why);
            Error::File { path: path.to_owned(), source }
        };
        let parsed = file.parse().ok_or_else(|| {
            not("it has no BTF, or only that of a module, which needs the kernel's; name a file such as /sys/kernel/btf/vmlinux, or an ELF \
                 file with a section .BTF".to_owned())
        })?;
        let btf = Btf::parse(parsed.bytes()).map_err(|error| not(error.to_string()))?;
        Types::read(parsed.bytes()).and_then(|types| printed::check(&types)).ok_or_else(|| {
            not("it is not the BTF of a kernel: its types nest too deep or are too large"
                .to_owned())
        })?;
        Ok(Self { path: path.to_owned(), parsed, btf })
    }

    /// Returns the BTF without the ELF file around it.
    pub fn bytes(&self) -> &[u8] {
        self.parsed.bytes()
    }

    /// Returns the types of the result and the parameters of a function, and of those of functions
    /// that they point to. Returns none for a type that is not a function.
    pub fn signature(&self, function: TypeId) -> Vec<TypeId> {
        let mut signature = Vec::new();
        let Some(types) = Types::read(self.bytes()) else { return signature };
        let mut waiting: Vec<TypeId> =
            prototype(&types, function.0).map(|(id, _)| TypeId(id)).into_iter().collect();
        let mut seen = HashSet::new();
        while let Some(id) = waiting.pop() {
            if !seen.insert(id) {
                continue;
            }
            match self.btf.get(id).kind {
                Kind::Pointer { to } | Kind::Modifier { to, .. } => waiting.push(to),
                Kind::Prototype => waiting.extend(parts(&types, id.0).unwrap_or_default()),
                _ => signature.push(id),
            }
        }
        signature
    }

    /// Prints types, with all that they contain by value, and declarations of functions. Types that
    /// they only point to are declared and not defined.
    ///
    /// # Errors
    /// [`Error::File`] with libbpf's message if it cannot print a type.
    pub fn print(&self, types: &[TypeId], functions: &[TypeId]) -> Result<Printed> {
        let (printed, messages) = listen(|| self.printed(types, functions));
        printed.map_err(|error| {
            let said = messages.lines().next().unwrap_or_default();
            let said = said.strip_prefix("libbpf: ").unwrap_or(said);
            let why = format!("libbpf cannot print its types as C: {error} ({said})");
            Error::File { path: self.path.clone(), source: io::Error::new(error.kind(), why) }
        })
    }

    fn printed(&self, types: &[TypeId], functions: &[TypeId]) -> io::Result<Printed> {
        let text = RefCell::new(Text::default());
        let mut printer = Printer::new(&self.parsed, &text)?;
        for id in types {
            printer.define(id.0)?;
        }
        let types = text.take().finish()?;
        let raw = Types::read(self.bytes()).ok_or(io::ErrorKind::InvalidData)?;
        let declared = functions.iter().map(|id| {
            let (prototype, _) = prototype(&raw, id.0).ok_or(io::ErrorKind::InvalidData)?;
            printer.declare(prototype, &self.btf.get(*id).name)?;
            text.take().finish()
        });
        Ok(Printed { types, functions: declared.collect::<io::Result<_>>()? })
    }
}

/// Returns the id and the place of a function's prototype.
fn prototype(types: &Types<'_>, function: u32) -> Option<(u32, usize)> {
    let at = |id: u32| types.starts.get(usize::try_from(id).ok()?).copied();
    let is = |at: usize, of: u32| word(types.bytes, at + 4).is_some_and(|info| kind(info).0 == of);
    let function = at(function).filter(|at| is(*at, FUNC))?;
    let id = word(types.bytes, function + 8)?;
    Some((id, at(id).filter(|at| is(*at, FUNC_PROTO))?))
}

/// Returns the types of the result and the parameters of a prototype.
fn parts(types: &Types<'_>, prototype: u32) -> Option<Vec<TypeId>> {
    let at = *types.starts.get(usize::try_from(prototype).ok()?)?;
    let (_, many) = kind(word(types.bytes, at + 4)?);
    let result = word(types.bytes, at + 8).map(TypeId);
    let parts = (0..many).map(|part| word(types.bytes, at + RECORD + 8 * part + 4).map(TypeId));
    [result].into_iter().chain(parts).collect()
}

/// What libbpf has printed so far.
#[derive(Debug, Default)]
struct Text {
    bytes: Vec<u8>,
    /// Whether something could not be added.
    is_cut: bool,
}

impl Text {
    fn finish(self) -> io::Result<String> {
        if self.is_cut {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        // Names are UTF-8, as was checked when they were decoded; those of parameters were not.
        String::from_utf8(self.bytes).map_err(|_| io::ErrorKind::InvalidData.into())
    }
}

/// libbpf's printer of BTF as C. Dropping it frees it.
struct Printer<'a>(NonNull<btf_dump>, PhantomData<(&'a Parsed, &'a RefCell<Text>)>);

/// `btf_dump_printf_fn_t`. Its last argument is a `va_list`, as in `host/messages.rs`.
type Print = unsafe extern "C" fn(*mut c_void, *const c_char, *mut c_void);

impl<'a> Printer<'a> {
    fn new(btf: &'a Parsed, text: &'a RefCell<Text>) -> io::Result<Self> {
        // SAFETY: the two types differ only in how they spell a `va_list`, which is passed as a
        // pointer.
        let print = unsafe { mem::transmute::<Print, btf_dump_printf_fn_t>(print) };
        let text = ptr::from_ref(text).cast_mut().cast();
        // SAFETY: the BTF and the text outlive the printer, and null means no options.
        let printer = unsafe { btf_dump__new(btf.as_ptr(), print, text, ptr::null()) };
        let printer = NonNull::new(printer).ok_or_else(io::Error::last_os_error)?;
        Ok(Self(printer, PhantomData))
    }

    /// Prints the definition of a type, and of the types that it needs and that were not printed.
    fn define(&mut self, id: u32) -> io::Result<()> {
        // SAFETY: the printer is live until `self` is dropped.
        succeeded(unsafe { btf_dump__dump_type(self.0.as_ptr(), id) })
    }

    /// Prints the declaration of a name of this type.
    fn declare(&mut self, id: u32, name: &str) -> io::Result<()> {
        let name = CString::new(name)?;
        let options = btf_dump_emit_type_decl_opts {
            sz: size_of::<btf_dump_emit_type_decl_opts>() as _,
            field_name: name.as_ptr(),
            ..Default::default()
        };
        // SAFETY: the printer is live until `self` is dropped; the options and the name in them
        // live through the call.
        succeeded(unsafe { btf_dump__emit_type_decl(self.0.as_ptr(), id, &raw const options) })
    }
}

impl Drop for Printer<'_> {
    fn drop(&mut self) {
        // SAFETY: the pointer came from `btf_dump__new`, and nothing uses it after this.
        unsafe { btf_dump__free(self.0.as_ptr()) }
    }
}

fn succeeded(code: c_int) -> io::Result<()> {
    if code == 0 { Ok(()) } else { Err(io::Error::from_raw_os_error(code.saturating_abs())) }
}

/// The size of the buffer for one call of [`print`]. libbpf prints two names at once, at most.
const LINE: usize = 4 * MAX_NAME;

unsafe extern "C" {
    /// `vsnprintf(3)`. The function of the crate vsprintf takes a hundred times as long, and a
    /// kernel's types need half a million calls.
    fn vsnprintf(to: *mut c_char, size: usize, format: *const c_char, args: *mut c_void) -> c_int;
}

/// Adds what libbpf prints to a [`Text`]. A panic must not cross the frames of C.
unsafe extern "C" fn print(text: *mut c_void, format: *const c_char, args: *mut c_void) {
    let _ = catch_unwind(AssertUnwindSafe(|| {
        let mut line = [0_u8; LINE];
        // SAFETY: the buffer has the given size, and the other arguments are those with which
        // libbpf called.
        let len = unsafe { vsnprintf(line.as_mut_ptr().cast(), LINE, format, args) };
        // SAFETY: this is the pointer that `Printer::new` gave to libbpf. The text outlives the
        // printer, and is borrowed nowhere else while libbpf prints.
        let text = unsafe { &*text.cast::<RefCell<Text>>() };
        let mut text = text.borrow_mut();
        let added = usize::try_from(len).ok().filter(|len| *len < LINE);
        match added.and_then(|len| line.get(..len)) {
            Some(line) if text.bytes.len() as u64 <= file::MOST => {
                text.bytes.extend_from_slice(line);
            }
            _ => text.is_cut = true,
        }
    }));
}
