//! What was run, how long it took and how it ended.

use std::fmt::Display;
use std::process::{Command, ExitCode, ExitStatus};
use std::sync::{Mutex, mpsc};
use std::thread;
use std::time::{Duration, Instant};

/// Whether a step that could not be run spoils the whole.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Strictness {
    /// On a person's machine: say so and go on.
    SkippedPasses,
    /// Where a change is accepted: what was not run was not shown to work.
    SkippedFails,
}

/// How a step ended.
pub(crate) enum Outcome {
    /// It did what it should.
    Passed,
    /// It did not, and why.
    Failed(String),
    /// It could not be run, and why.
    Skipped(String),
}

/// The steps so far. A failed step never keeps the next from running.
pub(crate) struct Report {
    strictness: Strictness,
    passed: usize,
    failed: Vec<String>,
    skipped: Vec<String>,
}

impl Report {
    /// A report without steps.
    pub(crate) fn new(strictness: Strictness) -> Self {
        Self { strictness, passed: 0, failed: Vec::new(), skipped: Vec::new() }
    }

    /// Runs a command as a step: it passes when the command exits with success.
    pub(crate) fn command(&mut self, name: &str, command: &mut Command) {
        self.step(name, || run(command));
    }

    /// Runs a step of any kind, printing its name before and its outcome and duration after.
    pub(crate) fn step(&mut self, name: &str, work: impl FnOnce() -> Outcome) {
        println!("\n=== {name}");
        let start = Instant::now();
        let outcome = work();
        self.note(name, outcome, start.elapsed());
    }

    /// Runs a step for each of these, one on each core at a time. What a step says is printed when it ends.
    pub(crate) fn side_by_side<T: Display + Sync>(
        &mut self,
        what: &str,
        of: &[T],
        work: impl Fn(&T) -> (Outcome, String) + Sync,
    ) {
        let cores = thread::available_parallelism().map_or(1, |cores| cores.get());
        let left = Mutex::new(of.iter());
        let next = || left.lock().ok()?.next();
        let (told, ended) = mpsc::channel();
        thread::scope(|scope| {
            for _ in 0..cores {
                let (told, next, work) = (told.clone(), &next, &work);
                scope.spawn(move || {
                    while let Some(one) = next() {
                        let start = Instant::now();
                        let (outcome, said) = work(one);
                        let _only_fails_without_a_report =
                            told.send((one, outcome, said, start.elapsed()));
                    }
                });
            }
            drop(told);
            for (one, outcome, said, took) in ended {
                let name = format!("{what} {one}");
                println!("\n=== {name}\n{}", said.trim_end());
                self.note(&name, outcome, took);
            }
        });
    }

    fn note(&mut self, name: &str, outcome: Outcome, took: Duration) {
        let took = seconds(took);
        match outcome {
            Outcome::Passed => {
                println!("--- {name}: passed in {took}");
                self.passed += 1;
            }
            Outcome::Failed(why) => {
                println!("--- {name}: FAILED after {took}: {why}");
                self.failed.push(format!("{name}: {why}"));
            }
            Outcome::Skipped(why) => {
                println!("--- {name}: skipped: {why}");
                self.skipped.push(format!("{name}: {why}"));
            }
        }
    }

    /// Prints what failed and what was skipped, then the count, and says whether the whole passed.
    pub(crate) fn finish(self) -> ExitCode {
        println!();
        for failed in &self.failed {
            println!("failed: {failed}");
        }
        for skipped in &self.skipped {
            println!("skipped: {skipped}");
        }
        let (passed, failed, skipped) = (self.passed, self.failed.len(), self.skipped.len());
        println!("steps: {passed} passed, {failed} failed, {skipped} skipped");
        let spoiled = failed > 0 || (skipped > 0 && self.strictness == Strictness::SkippedFails);
        if spoiled { ExitCode::FAILURE } else { ExitCode::SUCCESS }
    }
}

/// Prints a command, runs it and judges it by its exit status.
pub(crate) fn run(command: &mut Command) -> Outcome {
    println!("$ {}", spelled(command));
    match command.status() {
        Ok(status) => judged(status),
        Err(error) => Outcome::Failed(format!("could not start: {error}")),
    }
}

fn judged(status: ExitStatus) -> Outcome {
    if status.success() { Outcome::Passed } else { Outcome::Failed(status.to_string()) }
}

/// Runs a command and judges it as [`run`] does; the second is the command and all that it wrote.
pub(crate) fn told(command: &mut Command) -> (Outcome, String) {
    let spelled = spelled(command);
    match command.output() {
        Ok(output) => {
            let [out, err] =
                [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text));
            (judged(output.status), format!("$ {spelled}\n{out}{err}"))
        }
        Err(error) => {
            (Outcome::Failed(format!("could not start: {error}")), format!("$ {spelled}"))
        }
    }
}

/// Runs a command quietly and returns what it wrote to stdout.
pub(crate) fn output(command: &mut Command) -> Result<String, String> {
    let spelled = spelled(command);
    let output =
        command.output().map_err(|error| format!("`{spelled}` could not start: {error}"))?;
    if output.status.success() {
        String::from_utf8(output.stdout)
            .map_err(|error| format!("`{spelled}` wrote invalid UTF-8: {error}"))
    } else {
        let said = String::from_utf8_lossy(&output.stderr);
        Err(format!("`{spelled}`: {}: {}", output.status, said.trim()))
    }
}

/// A command as one would type it.
pub(crate) fn spelled(command: &Command) -> String {
    // The path is long, and says only which copy of a program it was.
    let variables = command.get_envs().filter(|(name, _)| *name != "PATH");
    let variables = variables.filter_map(|(name, value)| {
        Some(format!("{}={}", name.to_string_lossy(), quoted(&value?.to_string_lossy())))
    });
    let program =
        std::path::Path::new(command.get_program()).file_name().unwrap_or(command.get_program());
    let program = std::iter::once(program.to_string_lossy().into_owned());
    let arguments = command.get_args().map(|argument| quoted(&argument.to_string_lossy()));
    variables.chain(program).chain(arguments).collect::<Vec<_>>().join(" ")
}

fn quoted(word: &str) -> String {
    if word.is_empty() || word.contains(char::is_whitespace) {
        format!("\"{word}\"")
    } else {
        word.to_owned()
    }
}

fn seconds(duration: Duration) -> String {
    format!("{:.1} s", duration.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_step_does_not_keep_the_next_from_running() {
        let mut report = Report::new(Strictness::SkippedPasses);
        report.step("first", || Outcome::Failed("on purpose".to_owned()));
        report.step("second", || Outcome::Passed);
        assert_eq!((report.passed, report.failed.len()), (1, 1));
        assert_eq!(report.finish(), ExitCode::FAILURE);
    }

    #[test]
    fn steps_side_by_side_are_all_run_and_told() {
        let numbers: Vec<_> = (0..20).map(|number| number.to_string()).collect();
        let mut report = Report::new(Strictness::SkippedPasses);
        report.side_by_side("step", &numbers, |number| {
            let outcome = match number.as_str() {
                "7" => Outcome::Failed("on purpose".to_owned()),
                _ => Outcome::Passed,
            };
            (outcome, format!("{number} was here"))
        });
        assert_eq!((report.passed, report.failed), (19, vec!["step 7: on purpose".to_owned()]));
    }

    #[test]
    fn a_skipped_step_spoils_only_a_strict_report() {
        for (strictness, expected) in [
            (Strictness::SkippedPasses, ExitCode::SUCCESS),
            (Strictness::SkippedFails, ExitCode::FAILURE),
        ] {
            let mut report = Report::new(strictness);
            report.step("tool", || Outcome::Skipped("not installed".to_owned()));
            assert_eq!(report.finish(), expected);
        }
    }

    #[test]
    fn a_command_is_spelled_as_typed() {
        let mut command = Command::new("/somewhere/bin/cargo");
        command.arg("doc").env("RUSTDOCFLAGS", "-D warnings");
        assert_eq!(spelled(&command), "RUSTDOCFLAGS=\"-D warnings\" cargo doc");
    }
}
