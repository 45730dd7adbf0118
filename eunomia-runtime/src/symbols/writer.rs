//! A writer of ELF files that have only sections, in sealed memory.

use std::{
    fs::File,
    io::{self, Seek as _, Write as _},
    os::unix::fs::FileExt as _,
};

use elf::{
    abi,
    endian::NativeEndian,
    file::{Class, FileHeader},
    section::SectionHeader,
};
use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};

/// A writer of an ELF file that has only sections.
pub(super) struct Writer {
    file: File,
    class: Class,
    kind: (u16, u16),
    names: Vec<u8>,
    headers: Vec<u8>,
    count: u16,
}

/// A state of the writer to return to.
pub(super) struct Mark {
    end: u64,
    names: usize,
    headers: usize,
    count: u16,
}

impl Writer {
    pub(super) fn new(header: &FileHeader<NativeEndian>) -> io::Result<Self> {
        let file = memfd_create("symbols", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?;
        // The copy is an executable or a library. Other kinds have relocations, which are not
        // copied.
        let kind = (
            if header.e_type == abi::ET_EXEC { abi::ET_EXEC } else { abi::ET_DYN },
            header.e_machine,
        );
        let mut writer = Self {
            file: file.into(),
            class: header.class,
            kind,
            names: vec![0],
            headers: Vec::new(),
            count: 0,
        };
        writer.file.write_all(&[0; 64])?;
        // The first section header of every file is the null section.
        writer.header(0, abi::SHT_NULL, 0, 0);
        Ok(writer)
    }

    /// Appends a number in the width of the file's class.
    fn number(&self, number: u64, out: &mut Vec<u8>) {
        match self.class {
            // Files of 32 bits are smaller than that, because their parts are bounded.
            Class::ELF32 => out.extend(u32::try_from(number).unwrap_or(u32::MAX).to_ne_bytes()),
            Class::ELF64 => out.extend(number.to_ne_bytes()),
        }
    }

    fn header(&mut self, name: usize, kind: u32, offset: u64, size: u64) {
        let mut header = Vec::new();
        header.extend(u32::try_from(name).unwrap_or(0).to_ne_bytes());
        header.extend(kind.to_ne_bytes());
        // Flags, address, offset, size; then link and info; then alignment and entry size.
        [0, 0, offset, size].iter().for_each(|number| self.number(*number, &mut header));
        header.extend([0; 8]);
        [8, 0].iter().for_each(|number| self.number(*number, &mut header));
        self.headers.extend(header);
        self.count += 1;
    }

    /// Pads the file and returns the offset of the next section; symbols are read in place and need
    /// alignment.
    fn aligned(&mut self) -> io::Result<u64> {
        let end = self.file.stream_position()?;
        let padding = end.next_multiple_of(8) - end;
        self.file.write_all(&[0; 8][..usize::try_from(padding).unwrap_or(0)])?;
        Ok(end + padding)
    }

    fn named(&mut self, name: &str, kind: u32, offset: u64, size: u64) {
        let at = self.names.len();
        self.names.extend(name.as_bytes());
        self.names.push(0);
        self.header(at, kind, offset, size);
    }

    pub(super) fn section(&mut self, name: &str, kind: u32, bytes: &[u8]) -> io::Result<()> {
        let offset = self.aligned()?;
        self.file.write_all(bytes)?;
        self.named(name, kind, offset, bytes.len() as u64);
        Ok(())
    }

    /// Copies a section unchanged.
    pub(super) fn copy(
        &mut self,
        name: &str,
        header: &SectionHeader,
        from: &File,
    ) -> io::Result<()> {
        let offset = self.aligned()?;
        let mut piece = vec![0; 1 << 16];
        let mut done = 0;
        while done < header.sh_size {
            let size =
                usize::try_from(header.sh_size - done).unwrap_or(usize::MAX).min(piece.len());
            let piece = piece.get_mut(..size).unwrap_or_default();
            from.read_exact_at(
                piece,
                header.sh_offset.checked_add(done).ok_or(io::ErrorKind::InvalidData)?,
            )?;
            self.file.write_all(piece)?;
            done += size as u64;
        }
        self.named(name, header.sh_type, offset, header.sh_size);
        Ok(())
    }

    pub(super) fn mark(&mut self) -> io::Result<Mark> {
        let end = self.file.stream_position()?;
        Ok(Mark { end, names: self.names.len(), headers: self.headers.len(), count: self.count })
    }

    pub(super) fn cut(&mut self, mark: Mark) -> io::Result<()> {
        self.file.set_len(mark.end)?;
        self.file.seek(io::SeekFrom::Start(mark.end))?;
        self.names.truncate(mark.names);
        self.headers.truncate(mark.headers);
        self.count = mark.count;
        Ok(())
    }

    /// Seals the file and returns it with its size.
    pub(super) fn finish(mut self) -> io::Result<(File, u64)> {
        const NAMES: &str = ".shstrtab";
        let offset = self.aligned()?;
        let size = self.names.len() + NAMES.len() + 1;
        self.named(NAMES, abi::SHT_STRTAB, offset, size as u64);
        self.file.write_all(&self.names)?;
        let headers = self.aligned()?;
        self.file.write_all(&self.headers)?;
        let bytes = self.file.stream_position()?;
        self.file.write_all_at(&self.file_header(headers), 0)?;
        fcntl_add_seals(
            &self.file,
            SealFlags::SHRINK | SealFlags::GROW | SealFlags::WRITE | SealFlags::SEAL,
        )?;
        Ok((self.file, bytes))
    }

    fn file_header(&self, sections: u64) -> Vec<u8> {
        let (class, size, section) = match self.class {
            Class::ELF32 => (abi::ELFCLASS32, 52_u16, 40_u16),
            Class::ELF64 => (abi::ELFCLASS64, 64, 64),
        };
        let order =
            if cfg!(target_endian = "little") { abi::ELFDATA2LSB } else { abi::ELFDATA2MSB };
        let mut header =
            [0x7f, b'E', b'L', b'F', class, order, abi::EV_CURRENT, 0, 0, 0, 0, 0, 0, 0, 0, 0]
                .to_vec();
        let (kind, machine) = self.kind;
        [kind, machine].iter().for_each(|number| header.extend(number.to_ne_bytes()));
        header.extend(u32::from(abi::EV_CURRENT).to_ne_bytes());
        // The entry point, program headers and section headers; then flags.
        [0, 0, sections].iter().for_each(|number| self.number(*number, &mut header));
        header.extend([0; 4]);
        [size, 0, 0, section, self.count, self.count - 1]
            .iter()
            .for_each(|number| header.extend(number.to_ne_bytes()));
        header
    }
}
