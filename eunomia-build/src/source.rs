//! Compiles BPF C: clang, run by ourselves for what it says, and libbpf's linker.

use std::{
    env,
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use libbpf_rs::{Linker, libbpf_sys};

use crate::{Error, files};

/// A C file and how to compile it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Source {
    pub(crate) path: PathBuf,
    pub(crate) clang: Option<PathBuf>,
    pub(crate) args: Vec<OsString>,
}

/// An object, and every file that went into it.
pub(crate) struct Compiled {
    pub(crate) object: Vec<u8>,
    pub(crate) depends_on: Vec<PathBuf>,
}

impl Source {
    /// What clang says goes to `said`, unless it refuses the source: then that is the error.
    pub(crate) fn compile(&self, said: &mut dyn FnMut(&str)) -> Result<Compiled, Error> {
        let name = self.path.file_name().unwrap_or_default().to_string_lossy();
        if !name.ends_with(".bpf.c") {
            // Of other files clang makes no object, or one for no BPF program.
            let what = format!("cannot compile {}: the name of BPF C ends in `.bpf.c`; rename the file", self.path.display());
            return Err(Error::Config(what));
        }
        let dir = TempDir::new()?;
        let [compiled, object, deps] = ["compiled.o", "object.o", "object.d"].map(|name| dir.0.join(name));
        let headers = dir.0.join("libbpf");
        unpack_headers(&headers)?;
        self.run_clang(&compiled, &self.all_args(&headers, &deps), said)?;
        // libbpf-rs panics where the linker refuses a file, as it does where clang was asked for assembly or LLVM's own code.
        if !is_bpf(&fs::read(&compiled).unwrap_or_default()) {
            return Err(self.failed("clang wrote no BPF object; leave out the argument that asks for something else".to_owned()));
        }
        // Linking drops DWARF, in which paths of this machine stand.
        let linked = Linker::new(&object).and_then(|mut linker| linker.add_file(&compiled).and_then(|()| linker.link()));
        linked.map_err(|error| self.failed(format!("libbpf cannot link its object: {error}")))?;
        let mut depends_on = vec![self.path.clone()];
        let included = dependencies(&String::from_utf8_lossy(&files::read(&deps)?));
        // libbpf's own headers go with us.
        depends_on.extend(included.into_iter().filter(|file| !file.starts_with(&headers)));
        Ok(Compiled { object: files::read(&object)?, depends_on })
    }

    fn run_clang(&self, object: &Path, args: &[OsString], said: &mut dyn FnMut(&str)) -> Result<(), Error> {
        let program = self.clang.as_deref().unwrap_or(Path::new("clang"));
        let mut clang = Command::new(program);
        clang.args(args).args(["-g", "-O2", "-target", "bpf", "-c"]).arg(&self.path).arg("-o").arg(object);
        let output = clang.output().map_err(|source| Error::Clang { path: self.path.clone(), program: program.to_owned(), source })?;
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        if output.status.success() {
            if !text.is_empty() {
                said(&text);
            }
            return Ok(());
        }
        match text.trim().is_empty() {
            true => Err(self.failed(format!("`{}` ended without a word, {}", program.display(), output.status))),
            false => Err(Error::Compile { path: self.path.clone(), message: text }),
        }
    }

    fn failed(&self, message: String) -> Error {
        Error::Toolchain { path: self.path.clone(), message }
    }

    fn all_args(&self, headers: &Path, deps: &Path) -> Vec<OsString> {
        let mut args = self.args.clone();
        // Linux headers include <asm/types.h>, which Debian keeps in a folder that clang leaves out for the target bpf.
        let arch = env::var("CARGO_CFG_TARGET_ARCH").unwrap_or_else(|_| env::consts::ARCH.to_owned());
        args.extend(["-idirafter".into(), format!("/usr/include/{arch}-linux-gnu").into()]);
        // Paths of this machine must not get into BTF line information: equal sources give equal objects.
        let map = |path: &Path, to: &str| {
            let mut map = OsString::from("-ffile-prefix-map=");
            map.push(path);
            map.push(to);
            map
        };
        args.extend(env::current_dir().ok().map(|here| map(&here, "=.")));
        args.extend(["-I".into(), headers.into(), map(headers, "=libbpf")]);
        args.extend(["-MD".into(), "-MF".into(), deps.into()]);
        // BPF has no stack protector, which some distributions turn on for all that clang compiles.
        args.push("-fno-stack-protector".into());
        // What `<bpf/bpf_tracing.h>` asks for.
        if !args.iter().any(|arg| arg.to_string_lossy().contains("__TARGET_ARCH_")) {
            args.push(format!("-D__TARGET_ARCH_{}", kernel_arch(&arch)).into());
        }
        args
    }
}

/// Whether these are the bytes of an ELF file for BPF.
fn is_bpf(bytes: &[u8]) -> bool {
    const EM_BPF: [u8; 2] = 247u16.to_le_bytes();
    bytes.starts_with(b"\x7fELF") && bytes.get(18..20) == Some(&EM_BPF)
}

/// An architecture as the kernel's headers call it.
fn kernel_arch(arch: &str) -> &str {
    match arch {
        "x86" | "x86_64" => "x86",
        "aarch64" => "arm64",
        "powerpc64" => "powerpc",
        "s390x" => "s390",
        "riscv64" => "riscv",
        "loongarch64" => "loongarch",
        "sparc64" => "sparc",
        "mips64" => "mips",
        other => other,
    }
}

/// Writes the headers of libbpf to `folder/bpf`.
fn unpack_headers(folder: &Path) -> Result<(), Error> {
    let folder = folder.join("bpf");
    let write = |path: PathBuf, result: std::io::Result<()>| result.map_err(|source| Error::File { tried: "write", path, source });
    write(folder.clone(), fs::create_dir_all(&folder))?;
    libbpf_sys::API_HEADERS.iter().try_for_each(|(name, text)| write(folder.join(name), fs::write(folder.join(name), text)))
}

/// The files of a dependency list as make reads it: `target: a b \` and so on, spaces in names behind a backslash.
fn dependencies(text: &str) -> Vec<PathBuf> {
    let list = text.split_once(": ").map_or("", |(_, list)| list).replace("\\\n", " ");
    let mut files = Vec::new();
    let mut name = String::new();
    let mut chars = list.chars().chain(['\n']);
    while let Some(c) = chars.next() {
        match c {
            '\\' => name.extend(chars.next()),
            c if c.is_whitespace() => {
                if !name.is_empty() {
                    files.push(PathBuf::from(std::mem::take(&mut name)));
                }
            }
            c => name.push(c),
        }
    }
    files.retain(|file| file.exists());
    files
}

/// A folder of our own that goes with us.
struct TempDir(PathBuf);

impl TempDir {
    fn new() -> Result<Self, Error> {
        let base = env::var_os("OUT_DIR").map_or_else(env::temp_dir, PathBuf::from);
        for attempt in 0u32.. {
            let path = base.join(format!("eunomia-{}-{attempt}", std::process::id()));
            match fs::create_dir(&path) {
                Ok(()) => return Ok(Self(path)),
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
                Err(source) => return Err(Error::File { tried: "write", path, source }),
            }
        }
        Err(Error::Config(format!("no free name for a temporary folder in {}", base.display())))
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dependency_lists_are_read() {
        let here = env::current_dir().unwrap();
        let (a, b) = (here.join("Cargo.toml"), here.join("src/lib.rs"));
        let text = format!("object.o: {} \\\n  {} /nowhere/gone.h\n", a.display(), b.display());
        assert_eq!(dependencies(&text), [a, b]);
    }
}
