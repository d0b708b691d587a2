//! `trimtab explain`: how a decision of a policy test was made.

use std::io::Write;

use trimtab_engine::{LogEntry, Policy};
use trimtab_metric::Span;
use trimtab_test::{Host, Step, Test, TestLimits, run_with};

use crate::Exit;
use crate::decide::print_explanation;
use crate::error::CommandError;
use crate::test::args::ExplainArgs;
use crate::test::load_file;

pub(crate) fn run(args: &ExplainArgs, out: &mut dyn Write) -> Result<Exit, CommandError> {
    let file = load_file(&args.file)?;
    let number = args.test.parse::<usize>().ok();
    let found =
        file.tests().find(|(_, test)| Some(test.number) == number || test.name == args.test);
    let Some((_, test)) = found else {
        let names: Vec<String> =
            file.tests().map(|(_, test)| format!("{}: `{}`", test.number, test.name)).collect();
        let message = format!("there is no test `{}` here", args.test);
        return Err(CommandError::in_file(file.source.name(), message)
            .with_help(format!("there are\n{}", names.join("\n"))));
    };
    let at = args.at.unwrap_or(test.offset(test.steps.saturating_sub(1)));
    let mut seer = Seer { number: test.number, at, entries: None, explanation: None };
    let _not_asked = run_with(&file, &mut seer, &TestLimits::default());
    let (Some(explanation), Some(entries)) = (seer.explanation, seer.entries) else {
        let (last, interval) = (test.offset(test.steps.saturating_sub(1)), test.interval);
        let message = format!("the test `{}` has no decision at {at}", test.name);
        return Err(CommandError::in_file(file.source.name(), message)
            .with_help(format!("there is one every {interval} from 0s to {last}")));
    };
    if args.json {
        for entry in entries {
            serde_json::to_writer(&mut *out, &entry)?;
            writeln!(out)?;
        }
    } else {
        print_explanation(&explanation, out)?;
    }
    Ok(Exit::Done)
}

/// Keeps the decision that is asked for.
struct Seer {
    number: usize,
    at: Span,
    entries: Option<[LogEntry; 2]>,
    explanation: Option<String>,
}

impl Host for Seer {
    fn see(&mut self, policy: &Policy, step: Step<'_>) {
        if step.test.offset(step.step) == self.at {
            let decided = LogEntry::Decision(step.record.clone());
            self.entries = Some([LogEntry::Policy(policy.spec().clone()), decided]);
            self.explanation = Some(step.record.decision.explain().to_string());
        }
    }

    fn wants(&mut self, test: &Test) -> bool {
        test.number == self.number
    }
}
