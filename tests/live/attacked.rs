//! Stack traces of processes whose user wants this one to end, to hang, or to say what is not true.

use std::{
    ffi::c_void,
    fs::{self, File},
    io::Write as _,
    os::{
        fd::AsRawFd as _,
        unix::fs::{FileExt as _, PermissionsExt as _, chown},
    },
    path::Path,
    ptr, thread,
    time::{Duration, Instant},
};

use eunomia_runtime::{
    Skeleton,
    output::{Format, Printer},
    symbols::{Frame, Symbols},
};
use rustix::{
    io::FdFlags,
    mm::{MapFlags, ProtFlags},
    thread::CapabilitySet,
};

use super::{
    Outcome,
    child::{Other, answer, wait},
    privileges::become_user,
};

/// `nobody`.
const USER: u32 = 65534;

/// A function whose name is looked for.
#[inline(never)]
pub(crate) extern "C" fn eunomia_looked_for(number: u64) -> u64 {
    std::hint::black_box(number) * std::hint::black_box(7)
}

fn looked_for() -> u64 {
    eunomia_looked_for as extern "C" fn(u64) -> u64 as usize as u64
}

fn is_named(frame: &Frame) -> bool {
    frame.symbols.first().is_some_and(|symbol| symbol.name.ends_with("eunomia_looked_for"))
}

/// Runs the program whose descriptor was left to this process, which then sends a stack of it, and ends.
pub(crate) fn short(program: &str) -> Outcome {
    const BPF_PROG_TEST_RUN: i64 = 10;
    let mut attributes = [0_u32; 32];
    attributes[0] = program.parse()?;
    eunomia_looked_for(1);
    // SAFETY: the attributes name a program of `raw_tp` and no memory: all other members are 0; they are as large as is said.
    let run = unsafe { libc::syscall(libc::SYS_bpf, BPF_PROG_TEST_RUN, attributes.as_mut_ptr(), size_of_val(&attributes)) };
    assert_eq!(run, 0, "{}", std::io::Error::last_os_error());
    thread::sleep(Duration::from_millis(30));
    Ok(())
}

pub(crate) fn processes_that_have_ended_have_names() -> Outcome {
    // As a library user does it who knows the address.
    let symbols = Symbols::new();
    let mut other = Other::start("attacked-wait", [])?;
    let (_, address) = other.next()?.ok_or("it says its address")?;
    let located = symbols.locate(other.id(), &[address.parse()?, 8]);
    other.go_on()?;
    other.end()?;
    let frames = symbols.name(located);
    assert!(is_named(&frames[0]) && frames[1].symbols.is_empty(), "{frames:?}");

    // By the events of many processes, all of which have ended before the first name is looked up.
    let skel = Skeleton::from_file("bpf/profile.json")?.open()?.load()?;
    let mut printer = Printer::new(skel.checked(), Format::Text)?;
    printer.read_kernel();
    let program = skel.object().program("profile")?;
    let fd = program.fd()?;
    rustix::io::fcntl_setfd(fd, FdFlags::empty())?;
    let part = format!("attacked-short {}", fd.as_raw_fd());
    let (mut kept, start) = (Vec::new(), Instant::now());
    thread::scope(|scope| -> Outcome {
        let ended = scope.spawn(|| (0..3).try_for_each(|_| Other::start(&part, [])?.end().map(drop)));
        while !ended.is_finished() && start.elapsed() < Duration::from_secs(20) {
            skel.object().poll(Duration::from_millis(10), |map, record| {
                skel.checked().deliver(map, record, |event| {
                    if event.map == "stacks" {
                        kept.push((map, record.to_vec(), printer.locate(&event)));
                    }
                })
            })?;
        }
        ended.join().unwrap_or_else(|_| Err("it panicked".into()))
    })?;
    rustix::io::fcntl_setfd(fd, FdFlags::CLOEXEC)?;
    assert_eq!(kept.len(), 3);
    for (map, record, located) in kept {
        let (mut out, mut located) = (Vec::new(), Some(located));
        skel.checked().deliver(map, &record, |event| printer.write_located(&event, located.take().flatten(), &mut out));
        let text = String::from_utf8(out)?;
        let user = text.split("Userspace:").nth(1).ok_or("it has a stack")?;
        assert!(user.contains("syscall+0x"), "{text}");
    }
    Ok(())
}

/// Says where its function is, and waits.
pub(crate) fn waits(_: &str) -> Outcome {
    answer("address", looked_for() + 1);
    wait()
}

/// Maps a copy of this program at the place of its function in it, as `nobody`.
fn map_copy(folder: &Path) -> Result<(File, u64), libtest_mimic::Failed> {
    become_user(CapabilitySet::empty())?;
    let path = folder.join("program");
    fs::copy("/proc/self/exe", &path)?;
    let file = File::options().read(true).write(true).open(&path)?;
    let maps = fs::read_to_string("/proc/self/maps")?;
    let hex = |text: &str| u64::from_str_radix(text, 16);
    let line = maps.lines().find(|line| {
        let (start, rest) = line.split_once('-').unwrap_or_default();
        let end = rest.split(' ').next().unwrap_or_default();
        matches!((hex(start), hex(end)), (Ok(start), Ok(end)) if (start..end).contains(&looked_for()))
    });
    let words: Vec<&str> = line.ok_or("it is mapped")?.split_ascii_whitespace().collect();
    let offset = looked_for() - hex(words[0].split('-').next().unwrap_or_default())? + hex(words[2])?;
    let page = offset & !0xfff;
    let flags = ProtFlags::READ | ProtFlags::EXEC;
    // SAFETY: the kernel chooses the place of a new mapping, which nobody reads or writes.
    let mapped = unsafe { rustix::mm::mmap(ptr::null_mut(), 4096, flags, MapFlags::PRIVATE, &file, page) }?;
    Ok((file, mapped as u64 + offset - page + 1))
}

/// Truncates the file that it has mapped, and writes it anew, for as long as it lives.
pub(crate) fn truncates(folder: &str) -> Outcome {
    let (file, address) = map_copy(Path::new(folder))?;
    let bytes = fs::read("/proc/self/exe")?;
    answer("address", address);
    loop {
        for size in [0, 64, bytes.len() / 2] {
            file.set_len(size as u64)?;
            file.write_all_at(&bytes, 0)?;
        }
    }
}

/// A folder that `nobody` may write to.
fn folder() -> Result<tempfile::TempDir, libtest_mimic::Failed> {
    let folder = tempfile::tempdir()?;
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755))?;
    chown(folder.path(), Some(USER), Some(USER))?;
    Ok(folder)
}

pub(crate) fn a_file_that_is_cut_meanwhile() -> Outcome {
    let folder = folder()?;
    let mut other = Other::start(&format!("attacked-truncates {}", folder.path().display()), [])?;
    let (_, address) = other.next()?.ok_or("it says its address")?;
    let (address, start, symbols) = (address.parse::<u64>()?, Instant::now(), Symbols::new());
    let mut looks = 0;
    while looks < 200 && start.elapsed() < Duration::from_secs(5) {
        assert_eq!(symbols.of_process(other.id(), &[address])[0].address, address);
        looks += 1;
    }
    assert!(looks > 3, "{looks}");
    other.kill()
}

/// Maps a copy of the program that says it has a terabyte.
pub(crate) fn is_huge(folder: &str) -> Outcome {
    let (file, address) = map_copy(Path::new(folder))?;
    // Not every file system has files of this size.
    answer("size", [1 << 40, 1 << 32].into_iter().find(|size| file.set_len(*size).is_ok()).ok_or("it can be that large")?);
    answer("address", address);
    wait()?;
    // The names of sections are said to be everywhere.
    let mut sections = [0; 8];
    file.read_exact_at(&mut sections, 40)?;
    let mut number = [0; 2];
    file.read_exact_at(&mut number, 62)?;
    let names = u64::from_ne_bytes(sections) + 64 * u64::from(u16::from_ne_bytes(number));
    file.write_all_at(&(1_u64 << 39).to_ne_bytes(), names + 32)?;
    answer("changed", "");
    wait()
}

pub(crate) fn a_file_that_is_huge() -> Outcome {
    let folder = folder()?;
    let mut other = Other::start(&format!("attacked-huge {}", folder.path().display()), [])?;
    other.next()?.ok_or("it says its size")?;
    let (_, address) = other.next()?.ok_or("it says its address")?;
    let (address, symbols, start) = (address.parse::<u64>()?, Symbols::new(), Instant::now());
    let frames = symbols.of_process(other.id(), &[address]);
    assert!(is_named(&frames[0]), "{frames:?}");
    // Of a file that somebody else can change there is no debug information.
    assert_eq!(frames[0].symbols[0].line, None);
    other.go_on()?;
    other.next()?.ok_or("it has changed it")?;
    assert!(symbols.of_process(other.id(), &[address])[0].symbols.is_empty());
    assert!(start.elapsed() < Duration::from_secs(10));
    other.go_on()?;
    other.end().map(drop)
}

/// Has as many mappings as a process may have, nearly, and those of programs behind them.
pub(crate) fn has_many(folder: &str) -> Outcome {
    const PAGES: usize = 60_000;
    // SAFETY: the kernel chooses the place of a new mapping, which nobody reads or writes.
    let start = unsafe { rustix::mm::mmap_anonymous(ptr::null_mut(), PAGES << 12, ProtFlags::empty(), MapFlags::PRIVATE) }?;
    for page in (0..PAGES).step_by(2) {
        // SAFETY: the page is that of the mapping, and nobody has anything of it.
        unsafe { rustix::mm::mprotect(start.wrapping_byte_add(page << 12), 4096, rustix::mm::MprotectFlags::READ) }?;
    }
    let (_file, address) = map_copy(Path::new(folder))?;
    answer("addresses", format!("{} {address}", looked_for() + 1));
    wait()
}

/// Whoever has them does not keep the names of others waiting.
pub(crate) fn a_process_of_many_mappings() -> Outcome {
    let folder = folder()?;
    let mut other = Other::start(&format!("attacked-many {}", folder.path().display()), [])?;
    let (_, addresses) = other.next()?.ok_or("it says its addresses")?;
    let addresses = addresses.split(' ').map(str::parse).collect::<Result<Vec<u64>, _>>()?;
    let symbols = Symbols::new();
    let frames = symbols.of_process(other.id(), &addresses);
    assert!(frames.iter().all(is_named), "{frames:?}");
    let start = Instant::now();
    (0..50).for_each(|_| drop(symbols.locate(other.id(), &[8])));
    assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
    other.go_on()?;
    other.end().map(drop)
}

/// Has code of its own making, and says what it is when it is asked for.
pub(crate) fn compiles(_: &str) -> Outcome {
    become_user(CapabilitySet::empty())?;
    let flags = ProtFlags::READ | ProtFlags::EXEC;
    // SAFETY: the kernel chooses the place of a new mapping, which nobody reads or writes.
    let mapped: *mut c_void = unsafe { rustix::mm::mmap_anonymous(ptr::null_mut(), 4096, flags, MapFlags::PRIVATE) }?;
    answer("address", mapped as u64 + 8);
    let path = format!("/tmp/perf-{}.map", std::process::id());
    rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, 0o600.into(), 0)?;
    answer("fifo", &path);
    wait()?;
    fs::remove_file(&path)?;
    writeln!(File::create(&path)?, "{:x} 10 compiled\n{:x} 1 another", mapped as u64, mapped as u64 + 0x20)?;
    answer("file", &path);
    wait()?;
    fs::remove_file(&path)?;
    answer("removed", &path);
    wait()
}

pub(crate) fn a_fifo_that_is_named_like_a_perf_map() -> Outcome {
    let mut other = Other::start("attacked-compiles", [])?;
    let (_, address) = other.next()?.ok_or("it says its address")?;
    let address = address.parse::<u64>()?;
    let (_, path) = other.next()?.ok_or("it has made a FIFO")?;
    let (without, with, start) = (Symbols::new(), Symbols::new().with_perf_maps(), Instant::now());
    let name = |symbols: &Symbols| symbols.of_process(other.id(), &[address])[0].symbols.first().map(|symbol| symbol.name.clone());
    assert_eq!([name(&without), name(&with)], [None, None]);
    assert!(start.elapsed() < Duration::from_secs(2), "nobody writes to it");
    other.go_on()?;
    other.next()?.ok_or("it has written a file")?;
    let name = |symbols: &Symbols| symbols.of_process(other.id(), &[address])[0].symbols.first().map(|symbol| symbol.name.clone());
    assert_eq!([name(&without), name(&with)], [None, Some("compiled".to_owned())]);
    other.go_on()?;
    other.next()?.ok_or("it has removed it")?;
    // A link to a file, and a file of somebody else, are none of the process.
    let target = tempfile::NamedTempFile::new()?;
    fs::write(target.path(), format!("{:x} 10 of_root", address - 8))?;
    let name = || with.of_process(other.id(), &[address])[0].symbols.first().map(|symbol| symbol.name.clone());
    fs::copy(target.path(), &path)?;
    let of_root = name();
    fs::remove_file(&path)?;
    assert_eq!(of_root, None);
    other.go_on()?;
    other.end().map(drop)
}
