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
