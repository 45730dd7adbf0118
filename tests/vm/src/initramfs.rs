//! The files of a machine: the cpio archive that the kernel unpacks into memory.

use std::{
    collections::BTreeMap,
    ffi::OsStr,
    fs::{self, File},
    io::{self, BufWriter, Write as _},
    os::unix::ffi::OsStrExt as _,
    path::{Path, PathBuf},
    process::Command,
};

use cpio::newc::{Builder, ModeFileType, trailer};

use crate::{Error, Run, command, error::Tried as _, kernel::Cached};

pub(crate) const BUSYBOX: &str = "/bin/busybox";
const INIT: &str = include_str!("init.sh");

/// The files and folders of a machine by path. The order of the map puts a folder before its
/// contents.
#[derive(Default)]
pub(crate) struct Initramfs {
    entries: BTreeMap<PathBuf, Entry>,
}

enum Entry {
    Folder,
    File { bytes: Vec<u8>, mode: u32 },
}

impl Initramfs {
    /// Collects what `run` needs on any kernel: the program, its libraries and files, each at its
    /// path on the host.
    pub(crate) fn new(run: &Run, work: &Path) -> Result<Initramfs, Error> {
        let mut this = Initramfs::default();
        this.add(BUSYBOX.into(), read(Path::new(BUSYBOX))?, 0o755);
        this.add("/init".into(), INIT.into(), 0o755);
        this.add("/test".into(), script(run), 0o644);
        this.add(run.program.clone(), without_debug_info(&run.program, work)?, 0o755);
        for library in libraries(&run.program)? {
            let bytes = read(&library)?;
            this.add(library, bytes, 0o755);
        }
        this.folder(&run.folder);
        run.files.iter().try_for_each(|file| this.copy(file))?;
        Ok(this)
    }

    /// Writes the archive for one kernel.
    pub(crate) fn write(&self, kernel: &Cached, path: &Path) -> Result<(), Error> {
        let mut out =
            BufWriter::new(File::create(path).tried(|| format!("create {}", path.display()))?);
        let mut own = Initramfs::default();
        // libbpf reads it for `__kconfig` variables.
        own.add(
            format!("/boot/config-{}", kernel.release).into(),
            read(&kernel.folder.join("config"))?,
            0o644,
        );
        let folder = kernel.folder.join("modules");
        for module in
            fs::read_dir(&folder).tried(|| format!("read the folder {}", folder.display()))?
        {
            let module = module.tried(|| format!("read the folder {}", folder.display()))?;
            own.add(Path::new("/modules").join(module.file_name()), read(&module.path())?, 0o644);
        }
        let entries = self.entries.iter().chain(&own.entries).filter(|(path, _)| **path != *"/");
        let written = (1..)
            .zip(entries)
            .try_for_each(|(number, (path, entry))| append(&mut out, number, path, entry));
        written
            .and_then(|()| trailer(&mut out)?.flush())
            .tried(|| format!("write {}", path.display()))
    }

    /// Copies a file of the host, or a folder with its contents.
    fn copy(&mut self, path: &Path) -> Result<(), Error> {
        let tried = || format!("copy {} into the machine", path.display());
        if !path.is_dir() {
            self.add(path.to_owned(), read(path)?, 0o755);
            return Ok(());
        }
        self.folder(path);
        fs::read_dir(path)
            .tried(tried)?
            .try_for_each(|entry| self.copy(&entry.tried(tried)?.path()))
    }

    fn add(&mut self, path: PathBuf, bytes: Vec<u8>, mode: u32) {
        path.parent().into_iter().for_each(|parent| self.folder(parent));
        self.entries.insert(path, Entry::File { bytes, mode });
    }

    fn folder(&mut self, path: &Path) {
        for folder in path.ancestors() {
            self.entries.entry(folder.to_owned()).or_insert(Entry::Folder);
        }
    }
}

fn append(out: &mut impl io::Write, number: u32, path: &Path, entry: &Entry) -> io::Result<()> {
    let path = path
        .to_str()
        .ok_or_else(|| io::Error::other(format!("path {} is not UTF-8", path.display())))?;
    let (mode, kind, bytes) = match entry {
        Entry::Folder => (0o755, ModeFileType::Directory, &[][..]),
        Entry::File { bytes, mode } => (*mode, ModeFileType::Regular, bytes.as_slice()),
    };
    let size = u32::try_from(bytes.len())
        .map_err(|_| io::Error::other(format!("{path} is too large for a cpio archive")))?;
    // Each has its own inode number; entries with the same number would be hard links to one file.
    let builder =
        Builder::new(path.trim_start_matches('/')).ino(number).mode(mode).set_mode_file_type(kind);
    let mut writer = builder.write(out, size);
    writer.write_all(bytes)?;
    writer.finish().map(drop)
}

fn read(path: &Path) -> Result<Vec<u8>, Error> {
    fs::read(path).tried(|| format!("copy {} into the machine", path.display()))
}

/// Returns the shell script that runs the test.
fn script(run: &Run) -> Vec<u8> {
    let mut text = Vec::new();
    for (name, value) in &run.env {
        text.extend([b"export ", name.as_bytes(), b"=", &quoted(value), b"\n"].concat());
    }
    text.extend([b"cd ", &*quoted(run.folder.as_os_str()), b" || exit\n"].concat());
    let program = quoted(run.program.as_os_str());
    let args: Vec<u8> = run.args.iter().flat_map(|word| [b" ", &*quoted(word)].concat()).collect();
    if run.list {
        // The empty line ends a last line without a newline.
        text.extend(
            [
                b"{ ",
                &*program,
                b" --list",
                &*args,
                b" 2>/dev/null | sed 's/^/list /'; echo; } >/dev/ttyS2\n",
            ]
            .concat(),
        );
    }
    text.extend([b"exec ", &*program, &*args, b"\n"].concat());
    text
}

/// Quotes a word for the shell.
fn quoted(word: &OsStr) -> Vec<u8> {
    let parts: Vec<_> = word.as_bytes().split(|byte| *byte == b'\'').collect();
    [b"'", &*parts.join(&br"'\''"[..]), b"'"].concat()
}

/// Returns the program without its debug information, which is most of the file and would take
/// memory of the machine. Symbols stay, because uprobes look them up. A program that `strip`
/// refuses is returned as it is.
fn without_debug_info(program: &Path, work: &Path) -> Result<Vec<u8>, Error> {
    let stripped = work.join("program");
    let result = command::output(
        Command::new("strip").args(["--strip-debug", "-o"]).args([&stripped, program]),
    );
    read(if result.is_ok() { &stripped } else { program })
}

/// Returns the paths of a program's shared libraries and of its loader.
fn libraries(program: &Path) -> Result<Vec<PathBuf>, Error> {
    match command::text(Command::new("ldd").arg(program).env("LC_ALL", "C")) {
        Ok(text) => parse(&text)
            .map_err(|said| Error::Command { command: format!("ldd {}", program.display()), said }),
        Err(Error::Command { said, .. }) if said.contains("not a dynamic executable") => {
            Ok(Vec::new())
        }
        Err(error) => Err(error),
    }
}

/// Returns the paths in the output of `ldd`.
fn parse(text: &str) -> Result<Vec<PathBuf>, String> {
    let mut paths = Vec::new();
    for line in text.lines() {
        let place = line.split_once(" => ").map_or(line, |(_, place)| place).trim();
        if place.starts_with("not found") {
            return Err(line.trim().to_owned());
        }
        // Other lines name the vDSO, or no library.
        if let Some((path, _)) = place.split_once(" (0x")
            && path.starts_with('/')
        {
            paths.push(path.into());
        }
    }
    Ok(paths)
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::{parse, quoted, script};
    use crate::Run;

    #[test]
    fn ldd_output_is_parsed() {
        let text = "\tlinux-vdso.so.1 (0x00007ffc)\n\tlibelf.so.1 => /lib/x86_64-linux-gnu/libelf.so.1 (0x00007f)\n\
                    \t/lib64/ld-linux-x86-64.so.2 (0x00007f)\n";
        let expected =
            ["/lib/x86_64-linux-gnu/libelf.so.1", "/lib64/ld-linux-x86-64.so.2"].map(PathBuf::from);
        assert_eq!(parse(text), Ok(expected.to_vec()));
        assert_eq!(parse("\tstatically linked\n"), Ok(Vec::new()));
        assert_eq!(parse("\tlibx.so => not found\n"), Err("libx.so => not found".to_owned()));
    }

    #[test]
    fn script_lists_tests_and_runs_program() {
        let mut run = Run::new("/x/live", ["maps::".into()]).unwrap().folder("/x").env("A", "b c");
        run.env.retain(|(name, _)| name == "A");
        assert_eq!(
            String::from_utf8(script(&run)).unwrap(),
            "export A='b c'\ncd '/x' || exit\nexec '/x/live' 'maps::'\n"
        );
        run.list = true;
        assert_eq!(
            String::from_utf8(script(&run)).unwrap(),
            "export A='b c'\ncd '/x' || exit\n\
             { '/x/live' --list 'maps::' 2>/dev/null | sed 's/^/list /'; echo; } >/dev/ttyS2\nexec '/x/live' 'maps::'\n"
        );
    }

    #[test]
    fn shell_words_are_quoted() {
        assert_eq!(quoted("it's $HOME".as_ref()), br"'it'\''s $HOME'");
    }
}
