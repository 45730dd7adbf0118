//! The search for a static probe (USDT) in a file.

use std::collections::BTreeSet;

use super::{super::similar::similar, Answer, Binary, names::Texts};

/// Bytes of the names of static probes that are kept to be told.
const MOST_SHOWN: usize = 1 << 20;

impl Binary {
    /// Looks up a static probe.
    pub(crate) fn probe(&self, provider: &str, probe: &str) -> Answer {
        let file = match self.parse() {
            Ok(file) => file,
            Err(answer) => return answer,
        };
        let Ok((Some(sections), Some(strings))) = file.section_headers_with_strtab() else {
            return Answer::Untold(format!("cannot read the sections of {}", self.place));
        };
        let mut texts = Texts::new(self, strings);
        let mut named = None;
        for section in sections.iter() {
            match texts.get(section.sh_name) {
                Ok(Some(".note.stapsdt")) => {
                    named = Some(section);
                    break;
                }
                Ok(_) => {}
                Err(answer) => return answer,
            }
        }
        let Some(section) = named else {
            return Answer::NoFile(format!("{} has no static probes", self.place));
        };
        let Ok(notes) = file.section_data_as_notes(&section) else {
            return Answer::Untold(format!("cannot read the notes of {}", self.place));
        };
        let (mut all, mut left) = (BTreeSet::new(), MOST_SHOWN);
        for note in notes {
            let elf::note::Note::Unknown(note) = note else { continue };
            // Three addresses of the file's class, then strings: provider, name, arguments.
            let addresses = if file.ehdr.class == elf::file::Class::ELF64 { 24 } else { 12 };
            let mut texts = note.desc.get(addresses..).unwrap_or_default().split(|byte| *byte == 0);
            let (Some(owner), Some(name)) = (texts.next(), texts.next()) else { continue };
            if owner == provider.as_bytes() && name == probe.as_bytes() {
                return Answer::There(self.place.clone());
            }
            left = left.saturating_sub(owner.len() + name.len() + 1);
            if left > 0 {
                all.insert(format!(
                    "{}:{}",
                    String::from_utf8_lossy(owner),
                    String::from_utf8_lossy(name)
                ));
            }
        }
        let requested = format!("{provider}:{probe}");
        let near = similar(&requested, all.iter().map(String::as_str))
            .into_iter()
            .map(str::to_owned)
            .collect();
        Answer::Missing {
            why: format!("not a static probe of {}", self.place),
            near,
            all: all.into_iter().collect(),
        }
    }
}
