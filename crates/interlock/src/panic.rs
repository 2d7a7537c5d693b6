//! The last line of defence: a defect ends as the `INTERNAL` problem and exit code 70, never as a backtrace.

use std::panic::PanicHookInfo;

use interlock_api::Problem;
use interlock_core::{Code, Reason};

use crate::output::Output;

/// Make every panic of this process end it with the `INTERNAL` problem.
pub(crate) fn install(output: Output) {
    std::panic::set_hook(Box::new(move |info| {
        output.problem(&problem(info));
        std::process::exit(i32::from(Code::Internal.exit_code()));
    }));
}

/// The place is all that is told: a message may hold what a user typed or a secret.
fn problem(info: &PanicHookInfo<'_>) -> Problem {
    let place = info.location().map_or_else(String::new, |at| format!(" at {}:{}", at.file(), at.line()));
    Problem::new(Reason::Defect, &format!("interlock stopped at a defect of its own{place}"), "")
        .hint("report it with this place and what you typed; the instance itself is not harmed")
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    const CHILD: &str = "INTERLOCK_TEST_PANICS";

    #[test]
    fn a_panic_ends_as_a_problem_without_its_words() {
        if std::env::var_os(CHILD).is_some() {
            install(Output::new(true, true));
            panic!("a secret");
        }
        let name = "panic::tests::a_panic_ends_as_a_problem_without_its_words";
        let mut child = Command::new(std::env::current_exe().unwrap());
        let ran = child.args(["--exact", name, "--nocapture"]).env(CHILD, "1").output().unwrap();
        assert_eq!(ran.status.code(), Some(70));
        let out = String::from_utf8(ran.stdout).unwrap();
        let last = out.lines().last().unwrap();
        let problem: Problem = serde_json::from_str(last.get(last.find('{').unwrap()..).unwrap()).unwrap();
        assert_eq!(problem.reason, "INTERNAL");
        let err = String::from_utf8(ran.stderr).unwrap();
        assert!(err.contains("reason: INTERNAL") && err.contains("panic.rs"), "{err}");
        for word in ["secret", "panicked", "backtrace"] {
            assert!(!err.contains(word) && !out.contains(word), "{out}{err}");
        }
    }
}
