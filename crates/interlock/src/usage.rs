//! From words to a command, or to a usage error in the same shape as every other problem.

use std::ffi::OsString;

use clap::Parser as _;
use clap::error::ErrorKind;
use interlock_api::Problem;
use interlock_core::Reason;

use crate::cli::Cli;
use crate::exit::{Answer, End};

/// Whether machines read the output. Looked for before anything is parsed, since an unknown flag must be
/// answered in JSON too. Words after `--` belong to somebody else's command.
pub(crate) fn wants_json(arguments: &[OsString]) -> bool {
    arguments.iter().skip(1).take_while(|word| *word != "--").any(|word| word == "--json")
}

/// Parse the command line; the error is the end of the command: a usage problem, or the help that was asked for.
pub(crate) fn parse(arguments: &[OsString]) -> Result<Cli, End> {
    Cli::try_parse_from(arguments).map_err(|error| end_of(&error))
}

fn end_of(error: &clap::Error) -> End {
    let text = error.render().to_string();
    match error.kind() {
        ErrorKind::DisplayHelp => Answer::new(&serde_json::json!({ "help": text }), text).map_err(Into::into),
        ErrorKind::DisplayVersion => {
            let version = serde_json::json!({ "version": env!("CARGO_PKG_VERSION") });
            Answer::new(&version, text).map_err(Into::into)
        }
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand | ErrorKind::MissingSubcommand => {
            Err(invalid("a subcommand is missing").hint("see them with --help").into())
        }
        _ => Err(usage_problem(&text).into()),
    }
}

/// A usage problem with this sentence.
pub(crate) fn invalid(detail: &str) -> Problem {
    Problem::new(Reason::UsageInvalid, detail, "")
}

/// The parser's text as a problem: its first paragraph says what is wrong, a tip or the usage what to do.
fn usage_problem(text: &str) -> Problem {
    let mut paragraphs = text.split("\n\n").map(|paragraph| {
        let words: Vec<&str> = paragraph.split_whitespace().collect();
        words.join(" ")
    });
    let first = paragraphs.next().unwrap_or_default();
    let detail = first.strip_prefix("error: ").unwrap_or(&first);
    let rest: Vec<String> = paragraphs.collect();
    let tip = rest.iter().find_map(|paragraph| paragraph.strip_prefix("tip: "));
    let usage = rest.iter().find_map(|paragraph| paragraph.strip_prefix("Usage: "));
    let hint = match (tip, usage) {
        (Some(tip), _) => tip.to_owned(),
        (None, Some(usage)) => format!("usage: {usage} (more with --help)"),
        (None, None) => "see what it takes with --help".to_owned(),
    };
    invalid(detail).hint(hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<OsString> {
        text.split(' ').map(OsString::from).collect()
    }

    #[test]
    fn json_is_found_wherever_it_is_ours() {
        assert!(wants_json(&words("interlock thread list --json --what")));
        assert!(!wants_json(&words("interlock agent add a -- cmd --json")));
        assert!(!wants_json(&words("--json")));
    }

    #[test]
    fn the_parsers_text_becomes_sentence_and_hint() {
        let text = "error: unexpected argument '--x' found\n\n  tip: a similar argument exists: '--y'\n\nUsage: z [OPTIONS]\n";
        let problem = usage_problem(text);
        assert_eq!(problem.detail, "unexpected argument '--x' found");
        assert_eq!(problem.hint.as_deref(), Some("a similar argument exists: '--y'"));
        assert_eq!(usage_problem("").detail, "");
    }
}
