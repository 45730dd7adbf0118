//! A table of test results by kernel, as text or Markdown.

use std::fmt::Write as _;

use eunomia_vm::{Ended, Report, Verdict};

/// The name of the row for a program whose tests do not tell how it ended.
const WHOLE: &str = "(the program)";

/// A table with a row for each test and a column for each kernel.
pub(super) struct Table {
    /// The kernels as the user named them, each with its release.
    kernels: Vec<(String, String)>,
    programs: Vec<Program>,
    /// The reasons for which tests were ignored, without duplicates; the first is number 1.
    reasons: Vec<String>,
    /// The ends of programs and machines whose tests do not tell how they ended.
    ends: Vec<String>,
}

/// A test program: its name, and for each test the results by kernel.
struct Program {
    name: String,
    rows: Vec<(String, Vec<Cell>)>,
}

/// The result of a test on one kernel.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Cell {
    Passed,
    Failed,
    /// Ignored for the reason with this index, if a reason was given.
    Ignored(Option<usize>),
    Unknown,
    Absent,
}

impl Table {
    pub(super) fn new(kernels: impl IntoIterator<Item = (String, String)>) -> Self {
        Self {
            kernels: kernels.into_iter().collect(),
            programs: Vec::new(),
            reasons: Vec::new(),
            ends: Vec::new(),
        }
    }

    /// Adds a program with its outcome on each kernel.
    pub(super) fn add(&mut self, name: &str, outcomes: impl IntoIterator<Item = (Report, Ended)>) {
        let (reports, ends): (Vec<_>, Vec<_>) = outcomes.into_iter().unzip();
        let names = names(&reports);
        let mut rows: Vec<(String, Vec<Cell>)> = Vec::new();
        for test in &names {
            let cells = reports.iter().map(|report| {
                match report.tests.iter().find(|(name, _)| name == test) {
                    Some((_, verdict)) => self.cell(verdict),
                    // The program could not list its tests.
                    None if report.tests.is_empty() && report.failed() => Cell::Unknown,
                    None => Cell::Absent,
                }
            });
            rows.push(((*test).to_owned(), cells.collect()));
        }
        if names.is_empty() && reports.iter().any(|report| report.whole.is_some())
            || reports.iter().any(|report| report.whole.is_some() && !report.tests.is_empty())
        {
            let cells = reports
                .iter()
                .map(|report| report.whole.as_ref().map_or(Cell::Absent, |whole| self.cell(whole)));
            rows.push((WHOLE.to_owned(), cells.collect()));
        }
        for ((kernel, report), ended) in self.kernels.iter().zip(&reports).zip(ends) {
            let unknown = report
                .tests
                .iter()
                .map(|(_, verdict)| verdict)
                .chain(&report.whole)
                .any(|verdict| *verdict == Verdict::Unknown);
            if ended != Ended::Status(0) && (unknown || report.whole.is_some()) {
                self.ends.push(format!("{name} on {}: {ended}", kernel.0));
            }
        }
        // A program without rows had nothing to run.
        if !rows.is_empty() {
            self.programs.push(Program { name: name.to_owned(), rows });
        }
    }

    fn cell(&mut self, verdict: &Verdict) -> Cell {
        match verdict {
            Verdict::Passed => Cell::Passed,
            Verdict::Failed => Cell::Failed,
            Verdict::Unknown => Cell::Unknown,
            Verdict::Ignored(reason) if reason.is_empty() => Cell::Ignored(None),
            Verdict::Ignored(reason) => Cell::Ignored(Some(
                self.reasons.iter().position(|known| known == reason).unwrap_or_else(|| {
                    self.reasons.push(reason.clone());
                    self.reasons.len() - 1
                }),
            )),
        }
    }

    fn cells(&self) -> impl Iterator<Item = Cell> {
        let rows = self.programs.iter().flat_map(|program| &program.rows);
        rows.flat_map(|(_, cells)| cells).copied().filter(|cell| *cell != Cell::Absent)
    }

    /// Returns the number of results.
    pub(super) fn results(&self) -> usize {
        self.cells().count()
    }

    /// Returns the number of results that count as failed.
    pub(super) fn failed(&self) -> usize {
        self.cells().filter(|cell| matches!(cell, Cell::Failed | Cell::Unknown)).count()
    }

    /// Returns the table as text, with a line for each kernel above and one for each reason below.
    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        // Writing to memory cannot fail.
        for (kernel, release) in &self.kernels {
            _ = writeln!(text, "{kernel}: Linux {release}");
        }
        for program in &self.programs {
            let head = std::iter::once(program.name.clone())
                .chain(self.kernels.iter().map(|(kernel, _)| kernel.clone()))
                .collect();
            let rows = program.rows.iter().map(|(name, cells)| {
                std::iter::once(name.clone()).chain(cells.iter().map(Cell::word)).collect()
            });
            text.push('\n');
            text += &columns(&std::iter::once(head).chain(rows).collect::<Vec<_>>());
        }
        if self.programs.is_empty() {
            text += "\nno tests\n";
        }
        if !self.reasons.is_empty() {
            text += "\nignored:\n";
            let reasons = (1..)
                .zip(&self.reasons)
                .map(|(number, reason)| vec![format!("{number}"), reason.clone()]);
            text += &columns(&reasons.collect::<Vec<_>>());
        }
        if !self.ends.is_empty() {
            _ = writeln!(text, "\n{}", self.ends.join("\n"));
        }
        text
    }

    /// Returns the table as Markdown, with the kernels' releases in its head and a list of the
    /// reasons.
    pub(super) fn markdown(&self) -> String {
        let mut text = String::new();
        for program in &self.programs {
            let kernels: String = self
                .kernels
                .iter()
                .map(|(kernel, release)| format!(" {kernel}<br>{release} |"))
                .collect();
            let rule = "---|".repeat(self.kernels.len());
            _ = writeln!(text, "| {} |{kernels}\n|---|{rule}", escaped(&program.name));
            for (name, cells) in &program.rows {
                let cells: String =
                    cells.iter().map(|cell| format!(" {} |", cell.word())).collect();
                // In code only `|` needs a backslash.
                let name = if name == WHOLE {
                    name.clone()
                } else {
                    format!("`{}`", name.replace('|', "\\|"))
                };
                _ = writeln!(text, "| {name} |{cells}");
            }
            text.push('\n');
        }
        if self.programs.is_empty() {
            text += "No tests.\n\n";
        }
        if !self.reasons.is_empty() {
            text += "Ignored:\n\n";
            for (number, reason) in (1..).zip(&self.reasons) {
                _ = writeln!(text, "{number}. {}", escaped(reason));
            }
            text.push('\n');
        }
        for end in &self.ends {
            _ = writeln!(text, "- {}", escaped(end));
        }
        text.truncate(text.trim_end().len());
        text + "\n"
    }
}

/// Returns the tests of all kernels in one order; a test that only some kernels have keeps its
/// place between its neighbours.
fn names(reports: &[Report]) -> Vec<&str> {
    let mut names: Vec<&str> = Vec::new();
    for report in reports {
        let mut place = 0;
        for (name, _) in &report.tests {
            place = 1 + names.iter().position(|known| known == name).unwrap_or_else(|| {
                names.insert(place, name);
                place
            });
        }
    }
    names
}

impl Cell {
    fn word(&self) -> String {
        match self {
            Self::Passed => "ok".to_owned(),
            Self::Failed => "FAILED".to_owned(),
            Self::Ignored(Some(reason)) => (reason + 1).to_string(),
            Self::Ignored(None) => "ignored".to_owned(),
            Self::Unknown => "?".to_owned(),
            Self::Absent => "-".to_owned(),
        }
    }
}

/// Formats rows of words in aligned columns.
fn columns(rows: &[Vec<String>]) -> String {
    let width = |column: usize| {
        rows.iter()
            .filter_map(|row| row.get(column))
            .map(|word| word.chars().count())
            .max()
            .unwrap_or(0)
    };
    let widths: Vec<_> = (0..rows.first().map_or(0, Vec::len)).map(width).collect();
    let line = |row: &Vec<String>| {
        row.iter().zip(&widths).map(|(word, width)| format!("{word:width$}  ")).collect::<String>()
    };
    rows.iter().map(|row| format!("{}\n", line(row).trim_end())).collect()
}

/// Escapes text for Markdown, also inside of tables.
fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for letter in text.chars() {
        if matches!(letter, '\\' | '`' | '*' | '_' | '<' | '[' | '|') {
            escaped.push('\\');
        }
        escaped.push(letter);
    }
    escaped
}

#[cfg(test)]
mod tests {
    use eunomia_vm::{Ended, Report, Verdict};

    use super::Table;

    /// Returns a report of alternating test names and results, separated by spaces.
    fn report(words: &str) -> Report {
        let words: Vec<_> = words.split_whitespace().collect();
        let tests = words.chunks_exact(2).map(|test| {
            let verdict = match test[1] {
                "ok" => Verdict::Passed,
                "FAILED" => Verdict::Failed,
                "?" => Verdict::Unknown,
                why => Verdict::Ignored(why.replace('-', " ")),
            };
            (test[0].to_owned(), verdict)
        });
        Report { tests: tests.collect(), whole: None }
    }

    fn table() -> Table {
        Table::new(
            [("5.10", "5.10.0-9-cloud-amd64"), ("7.2@sid", "7.2.1-cloud-amd64")]
                .map(|(name, release)| (name.into(), release.into())),
        )
    }

    fn of_two_programs() -> Table {
        let mut table = table();
        let old = report(
            "maps::hash ok maps::bloom needs-bloom_filters types::kprobe::typed FAILED soak needs-|time",
        );
        let new = report(
            "maps::hash ok maps::bloom ok maps::arena ok types::kprobe::typed ok soak needs-|time",
        );
        table.add("live", [(old, Ended::Status(101)), (new, Ended::Status(0))]);
        table.add("none", [(report(""), Ended::Status(0)), (report(""), Ended::Status(0))]);
        let old = Report { tests: Vec::new(), whole: Some(Verdict::Unknown) };
        let new = Report {
            tests: Vec::from([("one".to_owned(), Verdict::Ignored(String::new()))]),
            whole: Some(Verdict::Failed),
        };
        table.add(
            "lib",
            [
                (old, Ended::NotBooted("it was not ready after 30s".into())),
                (new, Ended::Died("it ended".into())),
            ],
        );
        table
    }

    #[test]
    fn text_has_columns_and_reasons() {
        let table = of_two_programs();
        assert_eq!(
            table.text(),
            "5.10: Linux 5.10.0-9-cloud-amd64\n\
             7.2@sid: Linux 7.2.1-cloud-amd64\n\
             \n\
             live                  5.10    7.2@sid\n\
             maps::hash            ok      ok\n\
             maps::bloom           1       ok\n\
             maps::arena           -       ok\n\
             types::kprobe::typed  FAILED  ok\n\
             soak                  2       2\n\
             \n\
             lib            5.10  7.2@sid\n\
             one            ?     ignored\n\
             (the program)  ?     FAILED\n\
             \n\
             ignored:\n\
             1  needs bloom_filters\n\
             2  needs |time\n\
             \n\
             lib on 5.10: NOT TESTED: it was not ready after 30s, 4 times\n\
             lib on 7.2@sid: FAILED: it ended\n"
        );
        assert_eq!((table.failed(), table.results()), (4, 13));
    }

    #[test]
    fn markdown_has_tables_and_reasons() {
        assert_eq!(
            of_two_programs().markdown(),
            "| live | 5.10<br>5.10.0-9-cloud-amd64 | 7.2@sid<br>7.2.1-cloud-amd64 |\n\
             |---|---|---|\n\
             | `maps::hash` | ok | ok |\n\
             | `maps::bloom` | 1 | ok |\n\
             | `maps::arena` | - | ok |\n\
             | `types::kprobe::typed` | FAILED | ok |\n\
             | `soak` | 2 | 2 |\n\
             \n\
             | lib | 5.10<br>5.10.0-9-cloud-amd64 | 7.2@sid<br>7.2.1-cloud-amd64 |\n\
             |---|---|---|\n\
             | `one` | ? | ignored |\n\
             | (the program) | ? | FAILED |\n\
             \n\
             Ignored:\n\
             \n\
             1. needs bloom\\_filters\n\
             2. needs \\|time\n\
             \n\
             - lib on 5.10: NOT TESTED: it was not ready after 30s, 4 times\n\
             - lib on 7.2@sid: FAILED: it ended\n"
        );
    }

    #[test]
    fn table_shows_programs_without_harness_and_no_tests() {
        let mut table = table();
        assert_eq!(
            table.text(),
            "5.10: Linux 5.10.0-9-cloud-amd64\n7.2@sid: Linux 7.2.1-cloud-amd64\n\nno tests\n"
        );
        assert_eq!(table.markdown(), "No tests.\n");
        let whole = |whole| Report { tests: Vec::new(), whole: Some(whole) };
        table.add(
            "own",
            [
                (whole(Verdict::Passed), Ended::Status(0)),
                (whole(Verdict::Failed), Ended::Status(3)),
            ],
        );
        let lines: Vec<_> = table.text().lines().skip(3).map(str::to_owned).collect();
        assert_eq!(
            lines,
            [
                "own            5.10  7.2@sid",
                "(the program)  ok    FAILED",
                "",
                "own on 7.2@sid: FAILED with status 3"
            ]
        );
    }
}
