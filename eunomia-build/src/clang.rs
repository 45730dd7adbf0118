//! Calls clang for BPF and reads what it writes.

use std::{
    borrow::Cow,
    env,
    ffi::OsString,
    io,
    os::unix::ffi::OsStringExt as _,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{Error, cargo::target_arch, error::lines};

/// The environment variables that change what clang makes of a source: more folders with headers,
/// other arguments, and the time that `__DATE__` and `__TIME__` give.
pub(crate) const ENVIRONMENT: [&str; 4] =
    ["CPATH", "C_INCLUDE_PATH", "CCC_OVERRIDE_OPTIONS", "SOURCE_DATE_EPOCH"];

/// Compiles one file to an object and lists in `deps` the files that clang read. Returns what clang
/// wrote to stderr.
pub(crate) fn run(
    clang: &Path,
    args: &[OsString],
    source: &Path,
    object: &Path,
    deps: &Path,
    target: &Target,
) -> Result<String, Error> {
    let mut command = Command::new(clang);
    command.args(args);
    // The stack protector does not work for BPF.
    command.arg("-fno-stack-protector");
    if !args.iter().any(|arg| arg.to_string_lossy().contains("__TARGET_ARCH_")) {
        command.arg(format!("-D__TARGET_ARCH_{}", target.libbpf_name()));
    }
    command
        .args(["-MD", "-MF"])
        .arg(deps)
        .args(["-g", "-O2", "-target", "bpf", "-c"])
        .arg(operand(source).as_ref())
        .arg("-o")
        .arg(object);
    let (path, program) = (source.to_owned(), clang.to_owned());
    let output = command.output().map_err(|source| {
        let advice = advice(&program, &source);
        Error::Clang { path: path.clone(), program: program.clone(), source, advice }
    })?;
    let stderr = lines(&String::from_utf8_lossy(&output.stderr));
    match output.status.success() {
        true if object.is_file() && deps.is_file() => Ok(stderr),
        true => {
            let message = format!(
                "`{}` wrote no object; remove arguments that make it do something else, such as `--version` and `-###`",
                program.display()
            );
            Err(Error::Toolchain { path, message })
        }
        false if stderr.trim().is_empty() => Err(Error::Toolchain {
            path,
            message: format!(
                "`{}` failed without a message ({})",
                program.display(),
                output.status
            ),
        }),
        false => Err(Error::Compile { path, message: format!("{stderr}{}", missing(&stderr)) }),
    }
}

/// Returns what to do about something that clang does not have.
fn missing(stderr: &str) -> &'static str {
    match stderr {
        text if text.contains("No available targets are compatible with triple") => {
            "This clang was built without the BPF target; install Debian's package clang, or select another with `--clang` or `Config::clang`.\n"
        }
        text if text.contains("unrecognized command-line option \u{2018}-target") => {
            "This compiler is not clang; select one with `--clang` or `Config::clang`.\n"
        }
        // The C library's headers are for the machine's own programs.
        text if text.contains("'gnu/stubs-32.h' file not found") => {
            "A BPF program cannot use the C library, so include <linux/types.h> in place of its headers.\n"
        }
        text if text.contains("'vmlinux.h' file not found") => {
            "`cargo eunomia vmlinux -o vmlinux.h` writes it, and so does `Config::vmlinux` in a build script.\n"
        }
        _ => "",
    }
}

/// Returns a source's path in a form that clang takes as a file. A path that begins with `-` would
/// be an option. A path that begins with `@` names a file of more options, which may make clang
/// load a library.
fn operand(source: &Path) -> Cow<'_, Path> {
    match source.as_os_str().as_encoded_bytes() {
        [b'-' | b'@', ..] => Cow::Owned(Path::new(".").join(source)),
        _ => Cow::Borrowed(source),
    }
}

/// Returns the hint for a clang that was not found. A clang with its version in its name may be
/// installed.
fn advice(program: &Path, error: &io::Error) -> String {
    if error.kind() != io::ErrorKind::NotFound {
        return String::new();
    }
    let folders: Vec<PathBuf> =
        env::var_os("PATH").map(|path| env::split_paths(&path).collect()).unwrap_or_default();
    let is_installed = |name: &String| folders.iter().any(|folder| folder.join(name).is_file());
    match (10..100).rev().map(|version| format!("clang-{version}")).find(is_installed) {
        Some(name) if Path::new(&name) != program => {
            format!("; `{name}` is installed; select it with `.clang(\"{name}\")`")
        }
        _ => "; install the Debian package clang, or select another clang with `.clang(\"..\")`"
            .to_owned(),
    }
}

/// The architecture that a source is compiled for.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    /// The name in Rust (`target_arch`).
    pub(crate) arch: String,
    is_little: bool,
    abi: String,
}

/// The names of architectures in Rust, in `bpf_tracing.h`, and of other tools.
const ARCHITECTURES: [(&str, &str, &[&str]); 8] = [
    ("x86_64", "x86", &["amd64"]),
    ("aarch64", "arm64", &[]),
    ("riscv64", "riscv", &[]),
    ("loongarch64", "loongarch", &[]),
    ("powerpc64", "powerpc", &["powerpc64le", "ppc64le"]),
    ("s390x", "s390", &[]),
    ("sparc64", "sparc", &[]),
    ("mips64", "mips", &[]),
];

impl Target {
    /// Returns the target of the build, or this machine outside of a build script.
    pub(crate) fn of_build() -> Self {
        let is_little = match env::var("CARGO_CFG_TARGET_ENDIAN") {
            Ok(endian) => endian == "little",
            Err(_) => cfg!(target_endian = "little"),
        };
        Self {
            arch: target_arch(),
            is_little,
            abi: env::var("CARGO_CFG_TARGET_ABI").unwrap_or_default(),
        }
    }

    /// Returns the target with this name, in the spelling of Rust, of libbpf or of Debian.
    pub(crate) fn named(name: &str) -> Result<Self, Error> {
        let known = ARCHITECTURES.into_iter().find(|(rust, libbpf, others)| {
            [rust, libbpf].contains(&&name) || others.contains(&name)
        });
        let Some((arch, ..)) = known else {
            let known = ARCHITECTURES.map(|(rust, ..)| rust).join(", ");
            return Err(Error::Config(format!("unknown architecture `{name}`, known are {known}")));
        };
        let is_little = !matches!(arch, "s390x" | "sparc64" | "mips64");
        Ok(Self { arch: arch.to_owned(), is_little, abi: String::new() })
    }

    /// Refuses a target whose objects are big-endian: readers and types are for little-endian ones.
    pub(crate) fn check(&self) -> Result<(), Error> {
        match self.is_little {
            true => Ok(()),
            false => Err(Error::Config(format!(
                "cannot compile for {}: it is big-endian, and eunomia reads objects and records of little-endian machines only",
                self.arch
            ))),
        }
    }

    /// Returns the name of the architecture in `bpf_tracing.h`.
    fn libbpf_name(&self) -> &str {
        let known = ARCHITECTURES.into_iter().find(|(rust, ..)| *rust == self.arch);
        known.map_or(&self.arch, |(_, libbpf, _)| libbpf)
    }

    /// Returns the directories with `<asm/types.h>`, which Linux headers include and clang does not
    /// find for the target bpf: those of the target, of its cross compiler, and of this machine.
    pub(crate) fn system_folders(&self) -> Vec<PathBuf> {
        let target = debian_name(&self.arch, self.is_little, &self.abi);
        let host = debian_name(env::consts::ARCH, cfg!(target_endian = "little"), "");
        let mut folders = vec![
            format!("/usr/include/{target}"),
            format!("/usr/{target}/include"),
            format!("/usr/include/{host}"),
        ];
        folders.dedup();
        folders.into_iter().map(PathBuf::from).filter(|folder| folder.is_dir()).collect()
    }
}

/// Returns the Debian name of an architecture.
fn debian_name(arch: &str, little: bool, abi: &str) -> String {
    match (arch, little) {
        ("x86", _) => "i386-linux-gnu".to_owned(),
        ("arm", _) if abi == "eabi" => "arm-linux-gnueabi".to_owned(),
        ("arm", _) => "arm-linux-gnueabihf".to_owned(),
        ("powerpc64", true) => "powerpc64le-linux-gnu".to_owned(),
        ("mips64", true) => "mips64el-linux-gnuabi64".to_owned(),
        ("mips64", false) => "mips64-linux-gnuabi64".to_owned(),
        ("mips", true) => "mipsel-linux-gnu".to_owned(),
        (other, _) => format!("{other}-linux-gnu"),
    }
}

/// Parses a dependency list as clang writes it for make: `target: a b \` and further lines.
///
/// A `$` is doubled. A `#` and a space have a backslash before them; before a space, each backslash
/// of the name is doubled. Other backslashes belong to the name.
pub(crate) fn dependencies(text: &[u8]) -> Vec<PathBuf> {
    let list = text
        .windows(2)
        .position(|pair| pair == b": ")
        .and_then(|at| text.get(at + 2..))
        .unwrap_or_default();
    let (mut files, mut name) = (Vec::new(), Vec::new());
    let mut bytes = list.iter().copied().chain([b'\n']).peekable();
    while let Some(c) = bytes.next() {
        match c {
            b'\\' => {
                let mut count = 1;
                while bytes.next_if_eq(&b'\\').is_some() {
                    count += 1;
                }
                let (kept, literal) = match bytes.peek() {
                    Some(b' ') if count % 2 == 1 => (count / 2, bytes.next()),
                    Some(b'#') => (count - 1, bytes.next()),
                    // The list continues on the next line.
                    Some(b'\n') => (count - 1, None),
                    _ => (count, None),
                };
                name.extend(std::iter::repeat_n(b'\\', kept).chain(literal));
            }
            b'$' => {
                bytes.next_if_eq(&b'$');
                name.push(b'$');
            }
            c if c.is_ascii_whitespace() => {
                if !name.is_empty() {
                    files.push(PathBuf::from(OsString::from_vec(std::mem::take(&mut name))));
                }
            }
            c => name.push(c),
        }
    }
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dependencies_unescapes_names() {
        let text =
            "object.o: a.bpf.c \\\n  /b/limits\\ $$x\\ \\#1.h c\\d.h \\\n e\\\\\\ f.h g\\\\#h.h\n";
        let files: Vec<PathBuf> = ["a.bpf.c", "/b/limits $x #1.h", "c\\d.h", "e\\ f.h", "g\\#h.h"]
            .map(PathBuf::from)
            .into();
        assert_eq!(dependencies(text.as_bytes()), files);
        assert!(dependencies(b"").is_empty());
        assert_eq!(
            dependencies(b"o: \xff.h\n"),
            [PathBuf::from(OsString::from_vec(b"\xff.h".to_vec()))]
        );
    }

    #[test]
    fn debian_name_follows_endianness_and_abi() {
        assert_eq!(debian_name("powerpc64", true, ""), "powerpc64le-linux-gnu");
        assert_eq!(debian_name("arm", true, "eabihf"), "arm-linux-gnueabihf");
        assert_eq!(debian_name("aarch64", true, ""), "aarch64-linux-gnu");
    }
}
