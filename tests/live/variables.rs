//! Variables of programs, typed and dynamic, with and without a mapping.

use std::{
    os::fd::{AsRawFd as _, BorrowedFd},
    thread,
};

use eunomia_runtime::{
    Error, Skeleton,
    bpf::{Array, Map, MapSpec, Open, ReadOnly, ReadWrite, Section},
    sample::{Bool, CharArray},
};
use eunomia_tests::{
    built::{
        arena,
        kinds::{
            self,
            types::{Level, Point},
        },
    },
    fixture,
};

use super::{
    Outcome, errno,
    given::{self, INNER},
};

pub(crate) fn typed_variables_are_shared_with_program() -> Outcome {
    let mut open = kinds::open()?;
    let rodata = open.rodata()?;
    // The values in the C source.
    assert_eq!(
        (rodata.ro_u8.get()?, rodata.ro_flag.get()?, rodata.ro_level.get()?),
        (200, Bool::TRUE, Level::LOW)
    );
    assert_eq!(
        (rodata.ro_text.get()?, rodata.ro_array.get()?),
        (CharArray::new("hello")?, [1, 2, 3])
    );
    rodata.ro_u8.set(100)?;
    rodata.ro_flag.set(Bool::FALSE)?;
    rodata.ro_level.set(Level::HIGH)?;
    rodata.ro_point.set(Point { x: -20, y: 30, ..Point::default() })?;
    rodata.ro_array.set([1000, 7, 2000])?;
    rodata.ro_text.set(CharArray::new("Ahoy")?)?;
    let data = open.data()?;
    assert_eq!((data.data_i32.get()?, data.data_f32.get()?, data.data_u128.get()?), (-7, 1.5, 9));
    data.data_u128.set(u128::MAX)?;
    data.data_i32.set(50_000)?;

    let skel = open.load()?;
    skel.data_my_sec()?.custom.set(-1)?;
    skel.progs()?.sum.test_run(None, None)?;
    assert_eq!(skel.bss()?.bss_u64.get()?, 100 + 7 - 20 + 30 + 1000 + 2000 + 50_000 - 1);
    assert_eq!(skel.bss()?.bss_text.get()?, "Ah");
    assert_eq!((skel.rodata()?.ro_u8.get()?, skel.data()?.data_u128.get()?), (100, u128::MAX));
    Ok(())
}

pub(crate) fn kconfig_variables_hold_kernel_values() -> Outcome {
    let skel = kinds::open()?.load()?;
    skel.progs()?.sum.test_run(None, None)?;
    let (ours, bss) = (skel.kconfig()?, skel.bss()?);
    assert!(ours.LINUX_KERNEL_VERSION.get()? >= 5 << 16);
    assert_eq!(ours.LINUX_KERNEL_VERSION.get()?, bss.seen_version.get()?);
    assert_eq!(
        (ours.CONFIG_HZ.get()?, ours.CONFIG_BPF_SYSCALL.get()?),
        (bss.seen_hz.get()?, bss.seen_syscall.get()?)
    );

    let mut open = Skeleton::parse(&fixture("kinds"), "kinds")?.open()?;
    let error = open.set("CONFIG_HZ", "1").unwrap_err();
    assert_eq!(
        error.to_string(),
        "variable `CONFIG_HZ`: its value comes from the kernel's configuration"
    );
    let skel = open.load()?;
    assert_eq!(skel.get("LINUX_KERNEL_VERSION")?, ours.LINUX_KERNEL_VERSION.get()?.to_string());
    Ok(())
}

pub(crate) fn program_sees_updates() -> Outcome {
    let skel = kinds::open()?.load()?;
    assert_eq!(skel.data()?.data_i32.update(|value| value * 10)?, -7);
    skel.progs()?.sum.test_run(None, None)?;
    assert_eq!(skel.bss()?.bss_u64.get()?.cast_signed(), 200 + 1 - 5 - 1 + 2 + 1 + 3 - 70 + 11);
    Ok(())
}

pub(crate) fn dynamic_variables_are_shared_with_program() -> Outcome {
    let mut open = Skeleton::parse(&fixture("kinds"), "kinds")?.open()?;
    assert_eq!(open.get("ro_point")?, "x=-1 y=2");
    for (name, text) in [
        ("ro_u8", "0xff"),
        ("ro_flag", "false"),
        ("ro_level", "HIGH"),
        ("data_i32", "-1000"),
        ("ro_text", "Hi!"),
    ] {
        open.set(name, text)?;
    }
    for (name, text, error) in [
        (
            "ro_u8",
            "256",
            "variable `ro_u8`: `256` is not a value of type `const volatile unsigned char`; expected a number from 0 to 255",
        ),
        (
            "ro_level",
            "MIDDLE",
            "variable `ro_level`: `MIDDLE` is not a value of type `const volatile enum level`; expected a number from -2147483648 to \
             2147483647, or one of LOW, HIGH",
        ),
        (
            "ro_text",
            "12345678",
            "variable `ro_text`: 8 bytes of text and a NUL do not fit into `const volatile char[8]`",
        ),
        (
            "ro_point",
            "1",
            "variable `ro_point`: variables of type `const volatile struct point` cannot be set from text",
        ),
    ] {
        assert_eq!(open.set(name, text).unwrap_err().to_string(), error);
    }
    let skel = open.load()?;
    skel.object().program("sum")?.test_run(None, None)?;
    let sum: i64 = 255 + 7 - 1 + 2 + 1 + 3 - 1000 + 11;
    assert_eq!(
        (skel.get("bss_u64")?, skel.get("bss_text")?),
        (sum.cast_unsigned().to_string(), "Hi".to_owned())
    );
    Ok(())
}

pub(crate) fn document_values_are_set() -> Outcome {
    let mut json: serde_json::Value = serde_json::from_str(&fixture("kinds"))?;
    for section in json["meta"]["bpf_skel"]["data_sections"].as_array_mut().unwrap() {
        for variable in section["variables"].as_array_mut().unwrap() {
            match variable["name"].as_str().unwrap() {
                "ro_u8" => variable["value"] = 7.into(),
                "ro_array" => variable["value"] = serde_json::json!([5, -6]),
                "ro_text" => variable["value"] = "value".into(),
                "data_f32" => variable["value"] = 0.25.into(),
                _ => {}
            }
        }
    }
    let mut open = Skeleton::parse(&json.to_string(), "kinds")?.open()?;
    let shown = ["ro_u8", "ro_array", "ro_text", "data_f32"].map(|name| open.get(name).unwrap());
    assert_eq!(shown, ["7", "[5, -6, 0]", "value", "0.25"]);
    Ok(())
}

/// Programs and user space access the same memory, before and after loading.
pub(crate) fn arena_variables_are_shared_with_program() -> Outcome {
    let mut open = arena::open()?;
    let ours = open.arena()?;
    assert_eq!(
        (ours.counter.get()?, ours.corner.get()?.x, ours.ready.get()?),
        (5, -1, Bool::FALSE)
    );
    ours.counter.set(7)?;
    ours.table.set([100; 1000])?;
    let skel = open.load()?;
    let ours = skel.arena()?;
    assert_eq!((ours.counter.get()?, ours.corner.get()?.y, ours.table.get()?), (7, 2, [100; 1000]));
    skel.progs()?.run.test_run(None, None)?;
    assert_eq!((skel.bss()?.seen.get()?, ours.counter.get()?, ours.corner.get()?.x), (7, 17, 1));
    assert_eq!(
        (&ours.table.get()?[998..], ours.ready.get()?, ours.place.get()?.is_null()),
        (&[100, 102][..], Bool::TRUE, false)
    );
    assert_eq!(ours.counter.update(|value| value * 2)?, 17);
    skel.progs()?.run.test_run(None, None)?;
    assert_eq!(
        (skel.bss()?.seen.get()?, ours.counter.get()?, ours.ready.get()?),
        (34, 44, Bool::FALSE)
    );

    let mut open = Skeleton::parse(&fixture("arena"), "arena")?.open()?;
    open.set("counter", "1000")?;
    let skel = open.load()?;
    skel.object().program("run")?.test_run(None, None)?;
    let found = ["seen", "counter", "corner", "ready"].map(|name| skel.get(name).unwrap());
    assert_eq!(found, ["1000", "1010", "x=1 y=2", "true"]);
    let section: Section<'_, ReadWrite> = skel.object().section(".addr_space.1")?;
    section.write("counter", 0, &3u64.to_ne_bytes())?;
    skel.object().program("run")?.test_run(None, None)?;
    assert_eq!(skel.get("seen")?, "3");
    Ok(())
}

/// The flag of `uapi/linux/bpf.h`.
const BPF_F_MMAPABLE: u32 = 1 << 10;

/// Prevents all sections from being mapped, as on kernels before 5.5.
fn unmap(open: &mut Open) -> eunomia_runtime::Result<()> {
    for map in ["kinds.bss", "kinds.data", "kinds.rodata", "kinds.kconfig", ".data.my_sec"] {
        let flags = open.map_flags(map)?;
        assert_eq!(flags & BPF_F_MMAPABLE, BPF_F_MMAPABLE);
        open.set_map_flags(map, flags & !BPF_F_MMAPABLE)?;
    }
    Ok(())
}

pub(crate) fn typed_variables_work_without_mmap() -> Outcome {
    let mut open = kinds::open()?;
    open.rodata()?.ro_point.set(Point { x: -20, y: 30, ..Point::default() })?;
    unmap(open.object())?;
    let skel = open.load()?;
    let (rodata, data, custom, bss) =
        (skel.rodata()?, skel.data()?, skel.data_my_sec()?, skel.bss()?);
    assert_eq!(
        (rodata.ro_u8.get()?, rodata.ro_point.get()?.y, rodata.ro_text.get()?),
        (200, 30, CharArray::new("hello")?)
    );
    assert_eq!((data.data_i32.get()?, data.data_f32.get()?, data.data_u128.get()?), (-7, 1.5, 9));
    // The program sees the values that are set, its values are read back, and neighbouring
    // variables keep theirs.
    data.data_i32.set(50_000)?;
    data.data_u128.set(u128::MAX)?;
    assert_eq!(custom.custom.update(|value| value - 12)?, 11);
    assert_eq!(
        (data.data_i32.get()?, data.data_f32.get()?, data.data_u128.get()?),
        (50_000, 1.5, u128::MAX)
    );
    skel.progs()?.sum.test_run(None, None)?;
    assert_eq!(bss.bss_u64.get()?, 200 + 1 - 5 - 20 + 30 + 1 + 3 + 50_000 - 1);
    assert_eq!(
        (bss.bss_text.get()?, bss.seen_version.get()?),
        (CharArray::new("he")?, skel.kconfig()?.LINUX_KERNEL_VERSION.get()?)
    );
    bss.bss_text.set(CharArray::new("changed")?)?;
    skel.progs()?.sum.test_run(None, None)?;
    assert_eq!(&bss.bss_text.get()?.raw()[..8], b"he\0nged\0");
    Ok(())
}

pub(crate) fn dynamic_variables_work_without_mmap() -> Outcome {
    let mut open = Skeleton::parse(&fixture("kinds"), "kinds")?.open()?;
    open.set("data_i32", "-1000")?;
    unmap(open.object())?;
    let skel = open.load()?;
    let section: Section<'_, ReadWrite> = skel.object().section(".data.my_sec")?;
    assert_eq!(section.size(), 4);
    section.write("custom", 0, &5i32.to_ne_bytes())?;
    let outside = section.write("custom", 1, &5i32.to_ne_bytes()).unwrap_err();
    assert_eq!(outside.to_string(), "custom: 4 bytes at 1 do not fit into the section of 4 bytes");
    skel.object().program("sum")?.test_run(None, None)?;
    let sum: i64 = 200 + 1 - 5 - 1 + 2 + 1 + 3 - 1000 + 5;
    assert_eq!(
        (skel.get("bss_u64")?, skel.get("ro_point")?),
        (sum.cast_unsigned().to_string(), "x=-1 y=2".to_owned())
    );
    let frozen = skel.object().section::<ReadWrite>(".rodata").unwrap_err();
    assert_eq!(
        frozen.to_string(),
        ".rodata: the kernel has frozen the section; set it before the object is loaded"
    );
    assert!(skel.object().section::<ReadOnly>(".rodata")?.named::<u64>("ro_text", 4096).is_err());
    Ok(())
}

/// Freezes a map, so that user space cannot write it.
fn freeze(map: BorrowedFd<'_>) {
    const BPF_MAP_FREEZE: libc::c_int = 22;
    let mut attr = [0i32; 32];
    attr[0] = map.as_raw_fd();
    let (attr, size) = (attr.as_ptr(), size_of_val(&attr));
    // SAFETY: the kernel reads the descriptor from the attributes, which outlive the call.
    let result = unsafe { libc::syscall(libc::SYS_bpf, BPF_MAP_FREEZE, attr, size) };
    assert_eq!(result, 0);
}

pub(crate) fn refused_writes_without_mmap_are_errors() -> Outcome {
    let mut open = kinds::open()?;
    unmap(open.object())?;
    let missing = open.object().set_map_flags("kinds.bsss", 0).unwrap_err().to_string();
    assert!(missing.starts_with("no map `kinds.bsss`; known: "), "{missing}");
    let skel = open.load()?;
    freeze(skel.object().map("kinds.data")?.fd());
    let data = skel.data()?;
    let refused = data.data_i32.set(1).unwrap_err();
    assert_eq!(errno(&refused), Some(libc::EPERM));
    assert!(
        refused
            .to_string()
            .starts_with("write to the map `kinds.data`: Operation not permitted (os error 1)"),
        "{refused}"
    );
    assert_eq!(errno(&data.data_i32.update(|_| 1).unwrap_err()), Some(libc::EPERM));
    assert_eq!((data.data_i32.get()?, format!("{:?}", data.data_f32)), (-7, "1.5".to_owned()));
    Ok(())
}

pub(crate) fn large_variables_do_not_overflow_stack() -> Outcome {
    // A thread with Rust's default stack size.
    let read = thread::Builder::new().stack_size(2 << 20).spawn(|| -> Result<(), Error> {
        let mut open = given::open()?;
        let mut values = open.bss()?.big.get_boxed()?;
        values[1 << 17] = 5;
        open.bss()?.big.set_from(&values)?;
        let skel = open.load()?;
        let big = skel.bss()?.big;
        assert_eq!(big.get_boxed()?[1 << 17], 5);
        values.fill(1);
        big.read_into(&mut values)?;
        assert_eq!((values[0], values[1 << 17], values[(1 << 18) - 1]), (0, 5, 0));
        values[7] = 9;
        big.set_from(&values)?;
        let section = skel.object().section::<ReadWrite>(".bss")?;
        assert!(
            section.size() >= 2 << 20 && format!("{big:?}").starts_with("[0, 0, 0, 0, 0, 0, 0, 9")
        );
        let large = Map::create("large", &MapSpec { value_size: 1 << 20, ..INNER })?;
        let large: Array<'_, [u8; 1 << 20]> = large.into_typed()?;
        let mut value = large.get_boxed(1)?.unwrap_or_default_box();
        value[77] = 7;
        large.set(1, &value)?;
        value[77] = 0;
        assert!(
            large.read_into(1, &mut value)? && value[77] == 7 && !large.read_into(2, &mut value)?
        );
        Ok(())
    })?;
    read.join().map_err(|_| "it panicked")??;
    Ok(())
}

/// Unwraps the value of an entry that must exist.
trait Present<T> {
    fn unwrap_or_default_box(self) -> Box<T>;
}

impl<T> Present<T> for Option<Box<T>> {
    fn unwrap_or_default_box(self) -> Box<T> {
        self.expect("the entry is missing")
    }
}
