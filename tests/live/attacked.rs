//! Symbol lookup in hostile processes: their user tries to crash or stall this process, or to feed
//! it false names.

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

/// The user `nobody`.
const USER: u32 = 65534;

/// The function that the tests look up.
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

/// Runs the program whose descriptor this process inherited, so that the program sends a stack of
/// this process, and exits.
pub(crate) fn short(program: &str) -> Outcome {
    const BPF_PROG_TEST_RUN: i64 = 10;
    let mut attributes = [0_u32; 32];
    attributes[0] = program.parse()?;
    eunomia_looked_for(1);
    // SAFETY: the attributes name a program of type `raw_tp` and contain no pointers, because all
    // other members are 0. The size is that of the array.
    let run = unsafe {
        libc::syscall(
            libc::SYS_bpf,
            BPF_PROG_TEST_RUN,
            attributes.as_mut_ptr(),
            size_of_val(&attributes),
        )
    };
    assert_eq!(run, 0, "{}", std::io::Error::last_os_error());
    thread::sleep(Duration::from_millis(30));
    Ok(())
}

pub(crate) fn frames_of_ended_processes_are_named() -> Outcome {
    // A library user who knows the address calls `locate` while the process lives.
    let symbols = Symbols::new();
    let mut other = Other::start("attacked-wait", [])?;
    let (_, address) = other.next()?.ok_or("no address")?;
    let located = symbols.locate(other.id(), &[address.parse()?, 8]);
    other.go_on()?;
    other.end()?;
    let frames = symbols.name(located);
    assert!(is_named(&frames[0]) && frames[1].symbols.is_empty(), "{frames:?}");

    // The same for events of several processes, all of which have ended before the first name is
    // looked up.
    let skel = Skeleton::from_file("bpf/profile.json")?.open()?.load()?;
    let mut printer = Printer::new(skel.checked(), Format::Text)?;
    printer.read_kernel();
    let program = skel.object().program("profile")?;
    let fd = program.fd()?;
    rustix::io::fcntl_setfd(fd, FdFlags::empty())?;
    let part = format!("attacked-short {}", fd.as_raw_fd());
    let (mut kept, start) = (Vec::new(), Instant::now());
    thread::scope(|scope| -> Outcome {
        let ended =
            scope.spawn(|| (0..3).try_for_each(|_| Other::start(&part, [])?.end().map(drop)));
        while !ended.is_finished() && start.elapsed() < Duration::from_secs(20) {
            skel.object().poll(Duration::from_millis(10), |map, record| {
                skel.checked().deliver(map, record, |event| {
                    if event.map == "stacks" {
                        kept.push((map, record.to_vec(), printer.locate(&event)));
                    }
                })
            })?;
        }
        ended.join().unwrap_or_else(|_| Err("the thread panicked".into()))
    })?;
    rustix::io::fcntl_setfd(fd, FdFlags::CLOEXEC)?;
    assert_eq!(kept.len(), 3);
    for (map, record, located) in kept {
        let (mut out, mut located) = (Vec::new(), Some(located));
        skel.checked().deliver(map, &record, |event| {
            printer.write_located(&event, located.take().flatten(), &mut out)
        });
        let text = String::from_utf8(out)?;
        let user = text.split("Userspace:").nth(1).ok_or("no user stack")?;
        assert!(user.contains("syscall+0x"), "{text}");
    }
    Ok(())
}

/// Sends the address of its function and waits.
pub(crate) fn waits(_: &str) -> Outcome {
    answer("address", looked_for() + 1);
    wait()
}

/// Copies this program as `nobody`, maps the page of the copy that holds the function, and returns
/// the file and the address of the function.
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
    let words: Vec<&str> =
        line.ok_or("the function is in no mapping")?.split_ascii_whitespace().collect();
    let offset =
        looked_for() - hex(words[0].split('-').next().unwrap_or_default())? + hex(words[2])?;
    let page = offset & !0xfff;
    let flags = ProtFlags::READ | ProtFlags::EXEC;
    // SAFETY: the kernel chooses the address of the new mapping; nothing reads or writes it.
    let mapped =
        unsafe { rustix::mm::mmap(ptr::null_mut(), 4096, flags, MapFlags::PRIVATE, &file, page) }?;
    Ok((file, mapped as u64 + offset - page + 1))
}

/// Truncates and rewrites the file that it has mapped until it is killed.
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

/// Creates a folder that `nobody` may write to.
fn folder() -> Result<tempfile::TempDir, libtest_mimic::Failed> {
    let folder = tempfile::tempdir()?;
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755))?;
    chown(folder.path(), Some(USER), Some(USER))?;
    Ok(folder)
}

pub(crate) fn truncated_file_does_not_crash_lookup() -> Outcome {
    let folder = folder()?;
    let mut other = Other::start(&format!("attacked-truncates {}", folder.path().display()), [])?;
    let (_, address) = other.next()?.ok_or("no address")?;
    let (address, start, symbols) = (address.parse::<u64>()?, Instant::now(), Symbols::new());
    let mut looks = 0;
    while looks < 200 && start.elapsed() < Duration::from_secs(5) {
        assert_eq!(symbols.symbolize_process(other.id(), &[address])[0].address, address);
        looks += 1;
    }
    assert!(looks > 3, "{looks}");
    other.kill()
}

/// Maps a copy of the program and extends its file to a terabyte, or to 4 GiB.
pub(crate) fn is_huge(folder: &str) -> Outcome {
    let (file, address) = map_copy(Path::new(folder))?;
    // Not all file systems support files of this size.
    answer(
        "size",
        [1 << 40, 1 << 32]
            .into_iter()
            .find(|size| file.set_len(*size).is_ok())
            .ok_or("the file system allows neither size")?,
    );
    answer("address", address);
    wait()?;
    // Claim that the section name table has 2^39 bytes.
    let mut sections = [0; 8];
    file.read_exact_at(&mut sections, 40)?;
    let mut number = [0; 2];
    file.read_exact_at(&mut number, 62)?;
    let names = u64::from_ne_bytes(sections) + 64 * u64::from(u16::from_ne_bytes(number));
    file.write_all_at(&(1_u64 << 39).to_ne_bytes(), names + 32)?;
    answer("changed", "");
    wait()
}

pub(crate) fn huge_file_is_read_within_bounds() -> Outcome {
    let folder = folder()?;
    let mut other = Other::start(&format!("attacked-huge {}", folder.path().display()), [])?;
    other.next()?.ok_or("no size")?;
    let (_, address) = other.next()?.ok_or("no address")?;
    let (address, symbols, start) = (address.parse::<u64>()?, Symbols::new(), Instant::now());
    let frames = symbols.symbolize_process(other.id(), &[address]);
    assert!(is_named(&frames[0]), "{frames:?}");
    // Debug information is not read from a file that other users can change.
    assert_eq!(frames[0].symbols[0].line, None);
    other.go_on()?;
    other.next()?.ok_or("the file was not changed")?;
    assert!(symbols.symbolize_process(other.id(), &[address])[0].symbols.is_empty());
    assert!(start.elapsed() < Duration::from_secs(10));
    other.go_on()?;
    other.end().map(drop)
}

/// Creates nearly as many mappings as a process may have, with a mapping of a program after them.
pub(crate) fn has_many(folder: &str) -> Outcome {
    const PAGES: usize = 60_000;
    // SAFETY: the kernel chooses the address of the new mapping; nothing reads or writes it.
    let start = unsafe {
        rustix::mm::mmap_anonymous(
            ptr::null_mut(),
            PAGES << 12,
            ProtFlags::empty(),
            MapFlags::PRIVATE,
        )
    }?;
    for page in (0..PAGES).step_by(2) {
        // SAFETY: the page lies inside the mapping, and nothing refers to it.
        unsafe {
            rustix::mm::mprotect(
                start.wrapping_byte_add(page << 12),
                4096,
                rustix::mm::MprotectFlags::READ,
            )
        }?;
    }
    let (_file, address) = map_copy(Path::new(folder))?;
    answer("addresses", format!("{} {address}", looked_for() + 1));
    wait()
}

/// A process with very many mappings must not delay the lookup of other names.
pub(crate) fn many_mappings_do_not_delay_lookup() -> Outcome {
    let folder = folder()?;
    let mut other = Other::start(&format!("attacked-many {}", folder.path().display()), [])?;
    let (_, addresses) = other.next()?.ok_or("no addresses")?;
    let addresses = addresses.split(' ').map(str::parse).collect::<Result<Vec<u64>, _>>()?;
    let symbols = Symbols::new();
    let frames = symbols.symbolize_process(other.id(), &addresses);
    assert!(frames.iter().all(is_named), "{frames:?}");
    // Of the process's own time, because other processes may keep the CPUs busy.
    let spent = || {
        let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
        Duration::new(time.tv_sec.cast_unsigned(), time.tv_nsec as u32)
    };
    let start = spent();
    (0..50).for_each(|_| drop(symbols.locate(other.id(), &[8])));
    let spent = spent() - start;
    assert!(spent < Duration::from_secs(2), "{spent:?}");
    other.go_on()?;
    other.end().map(drop)
}

/// Maps executable memory that is not backed by a file, and offers a perf map for it: a FIFO, then
/// a file.
pub(crate) fn compiles(_: &str) -> Outcome {
    become_user(CapabilitySet::empty())?;
    let flags = ProtFlags::READ | ProtFlags::EXEC;
    // SAFETY: the kernel chooses the address of the new mapping; nothing reads or writes it.
    let mapped: *mut c_void =
        unsafe { rustix::mm::mmap_anonymous(ptr::null_mut(), 4096, flags, MapFlags::PRIVATE) }?;
    answer("address", mapped as u64 + 8);
    let path = format!("/tmp/perf-{}.map", std::process::id());
    rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, 0o600.into(), 0)?;
    answer("fifo", &path);
    wait()?;
    fs::remove_file(&path)?;
    writeln!(
        File::create(&path)?,
        "{:x} 10 compiled\n{:x} 1 another",
        mapped as u64,
        mapped as u64 + 0x20
    )?;
    answer("file", &path);
    wait()?;
    fs::remove_file(&path)?;
    answer("removed", &path);
    wait()
}

pub(crate) fn only_own_regular_perf_map_is_read() -> Outcome {
    let mut other = Other::start("attacked-compiles", [])?;
    let (_, address) = other.next()?.ok_or("no address")?;
    let address = address.parse::<u64>()?;
    let (_, path) = other.next()?.ok_or("no FIFO")?;
    let (without, with, start) = (Symbols::new(), Symbols::new().with_perf_maps(), Instant::now());
    let name = |symbols: &Symbols| {
        symbols.symbolize_process(other.id(), &[address])[0]
            .symbols
            .first()
            .map(|symbol| symbol.name.clone())
    };
    assert_eq!([name(&without), name(&with)], [None, None]);
    assert!(start.elapsed() < Duration::from_secs(2), "the FIFO was opened");
    other.go_on()?;
    other.next()?.ok_or("no file")?;
    let name = |symbols: &Symbols| {
        symbols.symbolize_process(other.id(), &[address])[0]
            .symbols
            .first()
            .map(|symbol| symbol.name.clone())
    };
    assert_eq!([name(&without), name(&with)], [None, Some("compiled".to_owned())]);
    other.go_on()?;
    other.next()?.ok_or("the file was not removed")?;
    // A perf map that another user owns is not read.
    let target = tempfile::NamedTempFile::new()?;
    fs::write(target.path(), format!("{:x} 10 of_root", address - 8))?;
    let name = || {
        with.symbolize_process(other.id(), &[address])[0]
            .symbols
            .first()
            .map(|symbol| symbol.name.clone())
    };
    fs::copy(target.path(), &path)?;
    let of_root = name();
    fs::remove_file(&path)?;
    assert_eq!(of_root, None);
    other.go_on()?;
    other.end().map(drop)
}
