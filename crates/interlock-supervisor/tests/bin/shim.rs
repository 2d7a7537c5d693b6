//! The shim and what becomes the agent, as a program for the tests; the product has them in its one binary.

use std::process::ExitCode;

fn main() -> ExitCode {
    let mut args = std::env::args_os().skip(1);
    let first = args.next().unwrap_or_default();
    ExitCode::from(match first.to_str() {
        Some("__shim") => interlock_supervisor::shim_main(),
        Some("__exec") => interlock_supervisor::exec_main(args),
        _ => 2,
    })
}
