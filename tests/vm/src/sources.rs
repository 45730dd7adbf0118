//! The sources of a Debian suite, derived from those of the host's apt, with the same mirror, proxy
//! and keys.

use std::{fmt::Write as _, fs, path::Path, process::Command};

use crate::{Error, command, error::Tried as _};

/// The names of suites, without suffix.
const SUITES: [&str; 11] = [
    "bullseye",
    "bookworm",
    "trixie",
    "forky",
    "duke",
    "sid",
    "oldoldstable",
    "oldstable",
    "stable",
    "testing",
    "unstable",
];

/// The suffix of a suite of security updates.
const SECURITY: &str = "-security";

/// The fields of a source of packages, with names in lower case, for stanzas and one-line sources
/// alike.
type Fields = Vec<(String, String)>;

/// Returns the configured sources that can have `suite`, as the text of a `.sources` file. If a
/// source that is not Debian's looks like one, apt reports that it has no such suite.
pub(crate) fn of_suite(suite: &str) -> Result<String, Error> {
    let text = derive(&configured()?, suite);
    if text.is_empty() {
        return Err(Error::Usage(
            "apt has no source of the Debian archive with component `main` on this machine"
                .to_owned(),
        ));
    }
    Ok(text)
}

/// Returns all sources in the files that apt reads.
fn configured() -> Result<Vec<Fields>, Error> {
    let places = command::text(Command::new("apt-config").args([
        "shell",
        "F",
        "Dir::Etc::sourcelist/f",
        "D",
        "Dir::Etc::sourceparts/d",
    ]))?;
    let place = |name| {
        places.lines().find_map(|line| {
            Some(line.strip_prefix(name)?.strip_prefix("='")?.strip_suffix('\'')?.to_owned())
        })
    };
    let mut files: Vec<_> = place("F").into_iter().map(Into::into).collect();
    if let Some(folder) = place("D")
        && let Ok(folder) = fs::read_dir(folder)
    {
        files.extend(folder.flatten().map(|entry| entry.path()));
    }
    files.sort();
    let mut all = Vec::new();
    for file in files.iter().filter(|file| file.is_file()) {
        let read = || fs::read_to_string(file).tried(|| format!("read {}", file.display()));
        match Path::extension(file).and_then(|extension| extension.to_str()) {
            Some("sources") => all.extend(stanzas(&read()?)),
            Some("list") => all.extend(read()?.lines().filter_map(line)),
            _ => {}
        }
    }
    Ok(all)
}

/// Parses the stanzas of a `.sources` file.
fn stanzas(text: &str) -> Vec<Fields> {
    let mut all = vec![Fields::new()];
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let stanza = all.last_mut().expect("the list is never empty");
        if line.trim().is_empty() {
            all.push(Fields::new());
        } else if line.starts_with([' ', '\t']) {
            if let Some((_, value)) = stanza.last_mut() {
                _ = write!(value, "\n{line}");
            }
        } else if let Some((name, value)) = line.split_once(':') {
            stanza.push((name.to_lowercase(), value.trim().to_owned()));
        }
    }
    all.retain(|stanza| !stanza.is_empty());
    all
}

/// Parses a one-line source: `deb [option=value ..] uri suite component..`.
fn line(text: &str) -> Option<Fields> {
    let text = text.split('#').next().unwrap_or_default().trim();
    let (kind, rest) = text.split_once(char::is_whitespace)?;
    let rest = rest.trim_start();
    let (options, rest) = match rest.strip_prefix('[') {
        Some(rest) => rest.split_once(']')?,
        None => ("", rest),
    };
    let mut words = rest.split_whitespace();
    let (uri, suite) = (words.next()?, words.next()?);
    let options = options.split_whitespace().filter_map(|option| option.split_once('='));
    let mut fields: Fields =
        options.map(|(name, value)| (name.to_lowercase(), value.replace(',', " "))).collect();
    for (name, value) in [
        ("types", kind),
        ("uris", uri),
        ("suites", suite),
        ("components", &words.collect::<Vec<_>>().join(" ")),
    ] {
        fields.push((name.to_owned(), value.to_owned()));
    }
    Some(fields)
}

/// Derives the sources of `suite` from the configured ones: the suite and the component are
/// replaced, and all fields about trust and access stay.
fn derive(configured: &[Fields], suite: &str) -> String {
    let security = suite.ends_with(SECURITY);
    let archives =
        |security: bool| configured.iter().filter(move |fields| is_archive(fields, security));
    let mut stanzas: Vec<String> =
        archives(security).map(|fields| stanza(fields, suite, "")).collect();
    if security && stanzas.is_empty() {
        // Testing and sid have no security updates. On mirrors, the security archive is next to the
        // main one.
        stanzas = archives(false).map(|fields| stanza(fields, suite, SECURITY)).collect();
    }
    stanzas.sort();
    stanzas.dedup();
    stanzas.concat()
}

fn words<'a>(fields: &'a Fields, name: &str) -> impl Iterator<Item = &'a str> {
    fields
        .iter()
        .filter(move |(known, _)| known == name)
        .flat_map(|(_, value)| value.split_whitespace())
}

/// Reports whether a source looks like the Debian archive: that of security updates, or the main
/// one.
fn is_archive(fields: &Fields, security: bool) -> bool {
    let is_suite = |suite: &str| {
        if security { suite.strip_suffix(SECURITY).is_some_and(is_known) } else { is_known(suite) }
    };
    words(fields, "types").any(|kind| kind == "deb")
        && words(fields, "components").any(|component| component == "main")
        && words(fields, "suites").any(is_suite)
        && !words(fields, "enabled").any(|word| word == "no")
}

fn is_known(suite: &str) -> bool {
    SUITES.contains(&suite)
}

fn stanza(fields: &Fields, suite: &str, beside: &str) -> String {
    let mut text = format!("types: deb\nsuites: {suite}\ncomponents: main\narchitectures: amd64\n");
    for (name, value) in fields {
        match name.as_str() {
            "types" | "suites" | "components" | "architectures" | "arch" | "enabled" => {}
            "uris" => {
                let uris = value
                    .split_whitespace()
                    .map(|uri| format!(" {}{beside}", uri.trim_end_matches('/')));
                _ = writeln!(text, "uris:{}", uris.collect::<String>());
            }
            _ => _ = writeln!(text, "{name}: {value}"),
        }
    }
    text + "\n"
}

#[cfg(test)]
mod tests {
    use super::{derive, line, stanzas};

    const SOURCES: &str = "\
# All of it.
Types: deb deb-src
URIs: http://mirror.example/debian/
Suites: bookworm bookworm-updates
Components: main contrib
Signed-By:
 -----BEGIN PGP PUBLIC KEY BLOCK-----
 .
 mDME
 -----END PGP PUBLIC KEY BLOCK-----

Enabled: no
Types: deb
URIs: http://other.example/debian
Suites: sid
Components: main

Types: deb
URIs: http://app.example/linux
Suites: bookworm
Components: stable
";

    #[test]
    fn stanzas_are_derived_for_another_suite() {
        let key =
            "-----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n mDME\n -----END PGP PUBLIC KEY BLOCK-----";
        let expected = |suite, uri| {
            format!(
                "types: deb\nsuites: {suite}\ncomponents: main\narchitectures: amd64\nuris: {uri}\nsigned-by: \n {key}\n\n"
            )
        };
        let sources = stanzas(SOURCES);
        assert_eq!(sources.len(), 3);
        assert_eq!(derive(&sources, "sid"), expected("sid", "http://mirror.example/debian"));
        assert_eq!(
            derive(&sources, "bullseye-security"),
            expected("bullseye-security", "http://mirror.example/debian-security")
        );
    }

    #[test]
    fn lines_are_derived_for_another_suite() {
        let list = "\
deb [arch=amd64,arm64 signed-by=/keys/a.gpg] http://mirror.example/debian trixie main non-free # all
deb-src http://mirror.example/debian trixie main
#deb http://mirror.example/debian sid main

deb http://security.example/debian-security trixie-security main
deb [trusted=yes] http://tools.example/ trixie-tools main
deb http://broken.example
";
        let sources: Vec<_> = list.lines().filter_map(line).collect();
        let head = |suite| {
            format!("types: deb\nsuites: {suite}\ncomponents: main\narchitectures: amd64\n")
        };
        assert_eq!(
            derive(&sources, "sid"),
            head("sid") + "signed-by: /keys/a.gpg\nuris: http://mirror.example/debian\n\n"
        );
        assert_eq!(
            derive(&sources, "bookworm-security"),
            head("bookworm-security") + "uris: http://security.example/debian-security\n\n"
        );
        assert_eq!(derive(&[], "sid"), "");
    }
}
