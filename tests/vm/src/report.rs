//! The results of tests, read from the output of the test program.

use crate::Ended;

/// The result of a test.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The test passed.
    Passed,
    /// The test failed.
    Failed,
    /// The test did not run, for this reason; the reason is empty if the program gave none.
    Ignored(String),
    /// The output does not show the result: the program or its machine ended before the test did,
    /// or the test printed into the line with its result.
    Unknown,
}

/// The tests of a program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The tests and their results, in the order of the program's list.
    pub tests: Vec<(String, Verdict)>,
    /// The result of the whole program if its tests do not show it: no test can be read, or the
    /// program failed and no test did.
    pub whole: Option<Verdict>,
}

impl Report {
    /// Reads the output of libtest or libtest-mimic. `listed` are the tests that the program
    /// listed; it is empty if the program was not asked or does not know `--list`.
    ///
    /// Tests may print between the lines with the results, and even into those of tests that run at
    /// the same time. A result that its line does not show is taken from the list of failures and
    /// the totals at the end.
    pub fn read(listed: &[String], printed: &str, ended: &Ended) -> Report {
        let mut reader = Reader {
            listed,
            tests: listed.iter().map(|name| (name.clone(), None)).collect(),
            open: None,
            failures: None,
            sums: None,
        };
        printed.lines().for_each(|line| reader.line(line));
        let is_harness = reader.sums.is_some();
        let tests = reader.finish();
        let whole = match ended {
            _ if tests.iter().any(|(_, verdict)| verdict.is_failure()) => None,
            Ended::Status(0) if is_harness || !tests.is_empty() => None,
            Ended::Status(0) => Some(Verdict::Passed),
            Ended::NotBooted(_) => Some(Verdict::Unknown),
            Ended::Status(_) | Ended::Died(_) => Some(Verdict::Failed),
        };
        Report { tests, whole }
    }

    /// Reports whether a test or the program failed or has an unknown result.
    pub fn failed(&self) -> bool {
        self.tests.iter().map(|(_, verdict)| verdict).chain(&self.whole).any(Verdict::is_failure)
    }
}

impl Verdict {
    /// Reports whether the result is a failure or unknown.
    pub fn is_failure(&self) -> bool {
        matches!(self, Verdict::Failed | Verdict::Unknown)
    }

    /// Parses the text after `test NAME ... `.
    fn read(text: &str) -> Option<Verdict> {
        let text = text.trim();
        // The time may follow, as `<0.001s>`, or a note that it was exceeded.
        let word = text.split(' ').next().unwrap_or_default();
        let rest = text[word.len()..].trim_start();
        match word {
            "ok" if rest.is_empty() || rest.starts_with('<') => Some(Verdict::Passed),
            "bench:" => Some(Verdict::Passed),
            "FAILED" if rest.is_empty() || rest.starts_with(['<', '(']) => Some(Verdict::Failed),
            "ignored" if rest.is_empty() => Some(Verdict::Ignored(String::new())),
            // libtest-mimic puts the reason in parentheses, libtest after a comma.
            "ignored" => rest
                .strip_prefix('(')
                .map(|why| Verdict::Ignored(why.strip_suffix(')').unwrap_or(why).to_owned())),
            "ignored," => Some(Verdict::Ignored(rest.to_owned())),
            _ => None,
        }
    }
}

struct Reader<'a> {
    listed: &'a [String],
    tests: Vec<(String, Option<Verdict>)>,
    /// The test whose result may still follow on its own line.
    open: Option<usize>,
    /// The names in the list of failures, once that has begun.
    failures: Option<Vec<String>>,
    sums: Option<Sums>,
}

impl Reader<'_> {
    fn line(&mut self, line: &str) {
        if let Some((name, rest)) = self.begun(line) {
            let index = self.index(name);
            // After all results comes the output of failed tests, which may have run tests
            // themselves.
            if self.failures.is_none() || self.tests[index].1.is_none() {
                let verdict = Verdict::read(rest);
                self.open = verdict.is_none().then_some(index);
                self.tests[index].1 = verdict;
            }
        } else if let Some(sums) = Sums::read(line) {
            (self.sums, self.open) = (Some(sums), None);
        } else if line == "failures:" {
            // This title comes twice: before the output of the failed tests and before their names.
            (self.failures, self.open) = (Some(Vec::new()), None);
        } else if let Some(failures) = &mut self.failures
            && let Some(name) = line.strip_prefix("    ")
        {
            failures.push(name.to_owned());
        } else if let Some(open) = self.open
            && let Some(verdict) = Verdict::read(line)
        {
            // The test stays open: the last such line comes from the harness.
            self.tests[open].1 = Some(verdict);
        }
    }

    /// Returns the name of the test that a line reports, and the rest of the line. The output of
    /// another test may come before it.
    fn begun<'l>(&self, line: &'l str) -> Option<(String, &'l str)> {
        line.match_indices("test ").find_map(|(at, test)| {
            let (name, rest) = line[at + test.len()..].split_once(" ... ")?;
            // libtest-mimic pads columns with spaces.
            let name = name.split_whitespace().collect::<Vec<_>>().join(" ");
            let name = name.strip_suffix(" - should panic").unwrap_or(&name);
            let is_test = if self.listed.is_empty() {
                at == 0
            } else {
                self.listed.iter().any(|listed| listed == name)
            };
            is_test.then(|| (name.to_owned(), rest))
        })
    }

    fn index(&mut self, name: String) -> usize {
        self.tests.iter().position(|(known, _)| *known == name).unwrap_or_else(|| {
            self.tests.push((name, None));
            self.tests.len() - 1
        })
    }

    fn finish(mut self) -> Vec<(String, Verdict)> {
        for name in self.failures.take().unwrap_or_default() {
            if let Some((_, verdict)) = self.tests.iter_mut().find(|(known, _)| *known == name) {
                *verdict = Some(Verdict::Failed);
            }
        }
        let passed = self.sums.is_some_and(|sums| sums == Sums::of(&self.tests));
        let unread = if passed { Verdict::Passed } else { Verdict::Unknown };
        self.tests
            .into_iter()
            .map(|(name, verdict)| (name, verdict.unwrap_or_else(|| unread.clone())))
            .collect()
    }
}

/// The totals that a harness prints at the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Sums {
    passed: usize,
    failed: usize,
    ignored: usize,
}

impl Sums {
    /// Parses `test result: ok. 1 passed; 0 failed; 2 ignored; 0 measured; 0 filtered out; finished
    /// in 0.00s`.
    fn read(line: &str) -> Option<Sums> {
        let parts = line.strip_prefix("test result: ")?;
        let count = |what: &str| -> Option<usize> {
            parts
                .split(['.', ';'])
                .find_map(|part| part.trim().strip_suffix(what)?.trim_end().parse().ok())
        };
        Some(Sums {
            passed: count("passed")?.checked_add(count("measured")?)?,
            failed: count("failed")?,
            ignored: count("ignored")?,
        })
    }

    /// Returns the totals, with unknown results counted as passed.
    fn of(tests: &[(String, Option<Verdict>)]) -> Sums {
        let mut sums = Sums { passed: 0, failed: 0, ignored: 0 };
        for (_, verdict) in tests {
            *match verdict {
                None | Some(Verdict::Passed | Verdict::Unknown) => &mut sums.passed,
                Some(Verdict::Failed) => &mut sums.failed,
                Some(Verdict::Ignored(_)) => &mut sums.ignored,
            } += 1;
        }
        sums
    }
}

#[cfg(test)]
mod tests {
    use super::{Report, Verdict};
    use crate::Ended;

    /// Reads a report and shows each test as its name and a word.
    fn read(listed: &str, printed: &str, ended: &Ended) -> String {
        let listed: Vec<_> = listed.split_whitespace().map(str::to_owned).collect();
        let Report { tests, whole } = Report::read(&listed, printed, ended);
        let word = |verdict: &Verdict| match verdict {
            Verdict::Passed => "ok".to_owned(),
            Verdict::Failed => "FAILED".to_owned(),
            Verdict::Ignored(why) => format!("[{why}]"),
            Verdict::Unknown => "?".to_owned(),
        };
        let whole = whole.map(|whole| format!("whole {}", word(&whole)));
        let words =
            tests.iter().map(|(name, verdict)| format!("{name} {}", word(verdict))).chain(whole);
        words.collect::<Vec<_>>().join(", ")
    }

    const PASSED: Ended = Ended::Status(0);
    const FAILED: Ended = Ended::Status(101);

    #[test]
    fn libtest_output_is_read() {
        let printed = "\nrunning 6 tests\n\
                       test b ... ignored, needs a network, and time\n\
                       test c ... ignored\n\
                       test d::e - should panic ... ok\n\
                       test f has been running for over 60 seconds\n\
                       test a ... ok <0.003s>\n\
                       test g ... FAILED\n\
                       test f ... bench:       1,234 ns/iter (+/- 5)\n\
                       \nfailures:\n\n---- g stdout ----\n\
                       test a ... FAILED\n    a\nthread 'g' panicked at src/lib.rs:4:5:\nno\n\n\
                       \nfailures:\n    g\n\n\
                       test result: FAILED. 2 passed; 1 failed; 2 ignored; 1 measured; 3 filtered out; finished in 0.00s\n\n";
        let expected = "a ok, b [needs a network, and time], c [], d::e ok, f ok, g FAILED";
        assert_eq!(read("a b c d::e f g", printed, &FAILED), expected);
        // Without a list, in the order of the lines.
        let expected = "b [needs a network, and time], c [], d::e ok, a ok, g FAILED, f ok";
        assert_eq!(read("", printed, &FAILED), expected);
    }

    #[test]
    fn libtest_mimic_output_is_read() {
        let printed = "\nrunning 4 tests\n\
                       test maps::hash           ... ok\n\
                       test maps::bloom          ... ignored (needs Linux (5.16 or newer))\n\
                       test maps::array_in_place ... libbpf: it says something\n    more of it\n\
                       ok\n\
                       test maps::tries          ... FAILED\n\
                       \nfailures:\n\n---- maps::tries ----\nno\n\n\nfailures:\n    maps::tries\n\n\
                       test result: FAILED. 2 passed; 1 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.50s\n\n";
        let listed = "maps::hash maps::bloom maps::array_in_place maps::tries";
        assert_eq!(
            read(listed, printed, &FAILED),
            "maps::hash ok, maps::bloom [needs Linux (5.16 or newer)], maps::array_in_place ok, maps::tries FAILED"
        );
    }

    const SUMS: &str = "\ntest result: ok. 3 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s\n";

    #[test]
    fn output_between_results_is_tolerated() {
        // Results after the output of another test, and on their own lines.
        let printed = format!(
            "a prints test b ... ok\ntest a ... more of a\nok\ntest c ... \nignored\nok\n{SUMS}"
        );
        assert_eq!(read("a b c", &printed, &PASSED), "a ok, b ok, c ok");
        // A result that runs into the output before it; and results that are dots.
        assert_eq!(
            read(
                "a b c",
                &format!("test a ... hellook\ntest b ... ok\ntest c ... ok\n{SUMS}"),
                &PASSED
            ),
            "a ok, b ok, c ok"
        );
        assert_eq!(
            read("a b c", &format!("running 3 tests\n...\n{SUMS}"), &PASSED),
            "a ok, b ok, c ok"
        );
        // The totals do not show which test was ignored.
        let sums = SUMS.replace("3 passed; 0 failed; 0", "2 passed; 0 failed; 1");
        assert_eq!(
            read(
                "a b c",
                &format!("test a ... hellook\ntest b ... byeignored\ntest c ... ok\n{sums}"),
                &PASSED
            ),
            "a ?, b ?, c ok"
        );
        // The test itself prints `ok`.
        let sums = "\nfailures:\n\nfailures:\n    a\n\ntest result: FAILED. 0 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out\n";
        assert_eq!(read("a", &format!("test a ... ok\nFAILED\n{sums}"), &FAILED), "a FAILED");
        // Lines that only look like results.
        assert_eq!(
            read(
                "a b c",
                &format!("test the water ... ok\nthe test d ... FAILED\n{SUMS}"),
                &PASSED
            ),
            "a ok, b ok, c ok"
        );
    }

    #[test]
    fn tests_of_dead_program_are_unknown() {
        let died = Ended::Died("the machine ended while the test ran".to_owned());
        assert_eq!(
            read("a b c", "\nrunning 3 tests\ntest a ... ok\ntest b ... ", &died),
            "a ok, b ?, c ?"
        );
        assert_eq!(
            read("", "\nrunning 3 tests\ntest a ... ok\ntest b ... ", &Ended::Status(134)),
            "a ok, b ?"
        );
        assert_eq!(
            read("", "", &Ended::NotBooted("the machine was not ready after 30s".to_owned())),
            "whole ?"
        );
        // All tests passed, but the program failed.
        assert_eq!(
            read("a b c", &format!("test a ... ok\n{SUMS}"), &died),
            "a ok, b ok, c ok, whole FAILED"
        );
    }

    #[test]
    fn program_without_tests_is_reported_as_whole() {
        assert_eq!(read("", "hello\n", &PASSED), "whole ok");
        assert_eq!(read("", "hello\n", &FAILED), "whole FAILED");
        // The arguments filter out every test.
        assert_eq!(
            read("", &format!("\nrunning 0 tests\n{}", SUMS.replace('3', "0")), &PASSED),
            ""
        );
    }
}
