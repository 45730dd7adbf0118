//! Targets for untrusted files (archives, BTF of kernels, executables) and for the words of a
//! command line.

use std::{
    ffi::OsString,
    fs::{self, File},
    io::{Seek as _, SeekFrom, Write as _},
    os::{
        fd::{AsRawFd as _, OwnedFd},
        unix::ffi::OsStringExt as _,
    },
    path::Path,
    sync::LazyLock,
};

use eunomia_build::Vmlinux;
use eunomia_runtime::{
    bpf,
    cli::{self, Exit},
    doctor::fuzz::examined,
    object::fuzz::minimal_btf,
    symbols::fuzz::executable,
};
use eunomia_tests::{built::args::Args, fixture};
use tempfile::NamedTempFile;

use super::checked;

/// Runs `eunomia check -` on an archive.
pub(super) fn tar(input: &[u8]) -> bool {
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let exit = cli::run(
        ["eunomia", "check", "-"].map(OsString::from),
        &mut &input[..],
        &mut out,
        &mut err,
    );
    assert!(matches!(exit, Exit::Done | Exit::Failed), "{}", String::from_utf8_lossy(&err));
    exit == Exit::Done
}

pub(super) fn archives() -> Vec<Vec<u8>> {
    let package = fixture("args");
    let own = Path::new("btf").join(bpf::archived());
    let entries: [(&Path, &[u8]); 3] = [
        (Path::new("btf/other/1/x86_64/1.2.3.btf"), b"other"),
        (&own, b"own"),
        (Path::new("x/package.json"), package.as_bytes()),
    ];
    let archive = |entries: &[(&Path, &[u8])]| {
        let mut archive = tar::Builder::new(Vec::new());
        for (path, bytes) in entries {
            let mut header = tar::Header::new_gnu();
            header.set_size(bytes.len() as u64);
            header.set_mode(0o600);
            archive.append_data(&mut header, path, *bytes).expect("writing to memory works");
        }
        archive.into_inner().expect("writing to memory works")
    };
    vec![archive(&entries), archive(&entries[2..])]
}

/// Types in the BTF of fixtures; the first byte of an input selects one.
const TYPES: [&str; 6] = ["kinds", "sample", "event", "sched_entity", "timespec", "int"];

/// Minimizes a kernel's BTF as the cache does. Minimizing the result again must not change it.
pub(super) fn btf(input: &[u8]) -> bool {
    let [name, btf @ ..] = input else { return false };
    let name = TYPES[usize::from(*name) % TYPES.len()];
    let Some(minimal) = minimal_btf(btf, name) else { return false };
    assert_eq!(minimal_btf(&minimal, name).as_ref(), Some(&minimal));
    true
}

pub(super) fn btfs() -> Vec<Vec<u8>> {
    let named = |btf: Vec<u8>| (0..TYPES.len()).map(move |name| [&[name as u8], &*btf].concat());
    headers().into_iter().flat_map(named).filter(|seed| btf(seed)).collect()
}

/// Writes the types of a kernel's BTF as a C header.
pub(super) fn vmlinux(input: &[u8]) -> bool {
    static FILE: LazyLock<NamedTempFile> =
        LazyLock::new(|| NamedTempFile::new().expect("the folder for temporary files is writable"));
    fs::write(FILE.path(), input).expect("it can be written");
    Vmlinux::new().btf(FILE.path()).text().is_ok()
}

/// Returns the BTF of fixtures.
pub(super) fn headers() -> Vec<Vec<u8>> {
    let btf = |object: Vec<u8>| {
        let file = elf::ElfBytes::<elf::endian::AnyEndian>::minimal_parse(&object)
            .expect("fixtures are objects");
        let header =
            file.section_header_by_name(".BTF").expect("it has sections").expect("it has BTF");
        file.section_data(&header).expect("it is there").0.to_vec()
    };
    super::objects().into_iter().map(btf).collect()
}

/// Looks up functions and static probes in a program or library, as the doctor does.
pub(super) fn binary(input: &[u8]) -> bool {
    let file = in_memory(input);
    examined(&format!("/proc/self/fd/{}", file.as_raw_fd()), "on_call")
}

fn replace(bytes: &mut [u8], from: &[u8], to: &[u8]) {
    let at =
        bytes.windows(from.len()).position(|window| window == from).expect("the fixture has it");
    bytes[at..at + from.len()].fill(0);
    bytes[at..at + to.len()].copy_from_slice(to);
}

/// Returns BPF objects, which are ELF files with function symbols; in one, a section gets the name
/// of the section for static probes.
pub(super) fn binaries() -> Vec<Vec<u8>> {
    let mut seeds = super::objects();
    let mut probes = checked("doctor").skeleton.object.clone().expect("fixtures have one");
    replace(&mut probes, b"?uprobe//proc/self/exe:eunomia_none", b".note.stapsdt");
    seeds.push(probes);
    seeds
}

/// Copies an executable and reads its function names.
pub(super) fn symbols(input: &[u8]) -> bool {
    executable(&in_memory(input))
}

/// Returns BPF objects, which are small ELF files. The parts of the test program that hold its
/// function names take almost a megabyte.
pub(super) fn executables() -> Vec<Vec<u8>> {
    super::objects()
}

fn in_memory(bytes: &[u8]) -> File {
    let file: OwnedFd = rustix::fs::memfd_create("input", rustix::fs::MemfdFlags::CLOEXEC)
        .expect("there is memory");
    let mut file = File::from(file);
    file.write_all(bytes).expect("there is memory");
    file.seek(SeekFrom::Start(0)).expect("it is a file");
    file
}

/// Parses the words of a command line, each terminated by a zero byte. Typed and dynamic options
/// must accept the same and refuse with the same text.
pub(super) fn arguments(input: &[u8]) -> bool {
    static COMMAND: LazyLock<clap::Command> = LazyLock::new(|| {
        let checked = checked("args");
        checked.command(&checked.setup().expect("it is good").arguments).to_clap()
    });
    let words = || input.split(|byte| *byte == 0).map(|word| OsString::from_vec(word.to_vec()));
    let program = || std::iter::once(OsString::from("args"));
    let typed = Args::try_parse_from(program().chain(words()));
    let dynamic = COMMAND.clone().try_get_matches_from(program().chain(words()));
    match (typed, dynamic) {
        (Ok(_), Ok(_)) => true,
        (Err(typed), Err(dynamic)) => {
            // The two usage texts name the program differently.
            let first = |error: clap::Error| {
                error.to_string().lines().next().unwrap_or_default().to_owned()
            };
            let (kinds, texts) = ((typed.kind(), dynamic.kind()), (first(typed), first(dynamic)));
            assert_eq!(kinds.0, kinds.1);
            assert_eq!(texts.0, texts.1);
            false
        }
        (typed, dynamic) => panic!("{typed:?} {dynamic:?}"),
    }
}

pub(super) fn lines() -> Vec<Vec<u8>> {
    let lines = [
        "--i32 7 --u64=0xff --comm sh",
        "--level HIGH -q --f64 1e3",
        r"--raw \xff --disable-on --i128=-5",
        "--off --label=x",
    ];
    let mut seeds: Vec<_> = lines.map(|line| line.replace(' ', "\0").into_bytes()).to_vec();
    seeds.push(b"-q".to_vec());
    seeds
}
