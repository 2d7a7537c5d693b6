//! "Attach your own Codex and Claude Code": every line of the README's blocks, typed into a terminal one after the other,
//! with the real programs.

use interlock_testkit::real;

use crate::readme;
use crate::scripted::Machine;
use crate::terminal::Terminal;

/// What a person sees and does at one line.
struct Step {
    /// How the line begins.
    line: &'static str,
    /// What is typed when this stands on the screen.
    answers: Option<(&'static str, &'static str)>,
    /// What stands there in the end.
    shows: &'static [&'static str],
    /// Its exit code.
    code: i32,
}

const fn step(line: &'static str, shows: &'static [&'static str]) -> Step {
    Step { line, answers: None, shows, code: 0 }
}

const fn asked(line: &'static str, shows: &'static [&'static str]) -> Step {
    Step { line, answers: Some(("Start them like this? [y/N]", "y\n")), shows, code: 0 }
}

/// A look that goes on until Ctrl-C.
const fn tail(until: &'static str, shows: &'static [&'static str]) -> Step {
    Step { line: "interlock thread tail", answers: Some((until, "\u{3}")), shows, code: 130 }
}

/// Types every line of a block in a terminal, and looks whether each does what its step says.
fn walk(machine: &Machine, block: &str, steps: &[Step]) {
    let lines: Vec<&str> = block.lines().collect();
    assert_eq!(lines.len(), steps.len(), "a line has no step, or a step no line:\n{block}");
    // Ctrl-C is for the command in the foreground; the person at the keyboard goes on.
    let mut script = vec!["trap : INT".to_owned()];
    let told = |(number, line)| format!("{line}\nprintf '\\n[line {number}: %s]\\n' $?");
    script.extend(lines.iter().enumerate().map(told));
    script.push("exit 0\n".to_owned());
    let file = machine.site.write("walk.sh", &script.join("\n"));
    let mut terminal = Terminal::start(&mut machine.command("script", &[]), file.to_str().unwrap());
    for (number, (line, step)) in lines.iter().zip(steps).enumerate() {
        assert!(line.starts_with(step.line), "`{line}` is no `{}`", step.line);
        let mut seen = String::new();
        if let Some((question, keys)) = step.answers {
            seen = terminal.shows(question);
            terminal.types(keys);
        }
        seen += &terminal.shows(&format!("[line {number}: "));
        let code = terminal.shows("]");
        assert_eq!(code, format!("{}]", step.code), "{line}\n{seen}");
        for part in step.shows {
            assert!(seen.contains(part), "`{part}` is missing after: {line}\n{seen}");
        }
    }
    assert_eq!(terminal.ends(), Some(0));
}

/// A repository with one commit, as the README's reader has one.
fn shop(machine: &Machine) {
    let script = "git init --quiet ~/work/shop && cd ~/work/shop && echo 'total = 0' > total.txt && git add . && \
                  git -c user.name=Anna -c user.email=anna@example.org commit --quiet -m 'begin'";
    std::fs::create_dir(machine.site.path("person/work")).unwrap();
    assert!(machine.command("sh", &["-c", script]).status().unwrap().success());
}

#[test]
fn your_own_codex_and_claude_are_woken_as_written() {
    let test = "README, woken";
    let (Some(codex), Some(claude)) = (real::codex(test), real::claude(test)) else { return };
    let machine = Machine::new();
    machine.has_codex(&codex);
    machine.has_claude(&claude);
    shop(&machine);
    let server = machine.up();
    let readme = readme::readme();
    let steps = [
        step("interlock doctor runtimes", &["codex approval", "0.169.0", "2.1.329", "/mcp shakes hands"]),
        step("git -C ~/work/shop worktree add", &[]),
        asked(
            "interlock agent add mender",
            &[
                "codex exec --json",
                "shop-mender",
                "workspace-write",
                "registered mender (participant, codex)",
            ],
        ),
        asked(
            "interlock agent add looker",
            &["claude -p", "/shop\n", "read-only", "registered looker (participant, claude)"],
        ),
        step("THREAD=$(interlock thread create", &[]),
        step("interlock thread post", &["posted #1"]),
        tail("is done: triggered", &["mender -> anna", "I have read everything up to #1"]),
        step("interlock thread post", &["posted #3"]),
        // What was shown before is shown again: the second end is the one that is new.
        tail("looker       is done: triggered", &["looker -> anna", "I have read everything up to #3"]),
        step("interlock thread summary", &["the totals are wrong since Monday", "#4, "]),
        step("interlock wake list", &["USED", " USD", "looker", "mender"]),
    ];
    walk(&machine, readme::blocks(&readme, readme::REAL)[0], &steps);
    let wakes = machine.site.ask(&["wake", "list"]);
    for wake in wakes["wakes"].as_array().unwrap() {
        assert_eq!((&wake["result"], &wake["attempts"]), (&"triggered".into(), &1.into()), "{wake}");
        assert!(wake["usage"]["input_tokens"].as_u64() > Some(100), "{wake}");
    }
    // Nothing of the user's configuration was changed for it.
    let home = machine.site.path("person");
    let config = std::fs::read_to_string(home.join(".codex/config.toml")).unwrap_or_default();
    let claude = std::fs::read_to_string(home.join(".claude.json")).unwrap_or_default();
    assert!(!config.contains("interlock") && !claude.contains("interlock\""), "{config} {claude}");
    drop(server);
}

#[test]
fn your_own_terminals_take_part_as_written() {
    let test = "README, your own terminals";
    let (Some(codex), Some(claude)) = (real::codex(test), real::claude(test)) else { return };
    let machine = Machine::new();
    machine.has_codex(&codex);
    machine.has_claude(&claude);
    let _server = machine.up();
    let before = "# mine\nmodel = \"the-good-one\"\n";
    machine.site.write("person/.codex/config.toml", before);
    let readme = readme::readme();
    let block = readme::blocks(&readme, readme::REAL)[1];
    let steps = [
        step("interlock agent add my-codex", &["registered my-codex (participant, unmanaged)"]),
        step("interlock agent install codex", &["--write puts it there", "[mcp_servers.interlock]"]),
        step("interlock agent install codex", &["written into", ".codex/config.toml", "my-codex"]),
        step("codex mcp get interlock", &["enabled: true", "transport: stdio", "mcp --as my-codex"]),
        step("interlock agent install codex", &["taken out of"]),
        step("interlock agent add my-claude", &["registered my-claude (participant, unmanaged)"]),
        step("interlock agent install claude", &["written into .mcp.json", "my-claude"]),
        step("claude mcp get interlock", &["Pending approval", "Type: stdio", "mcp --as my-claude"]),
        step("interlock agent install claude", &["taken out of .mcp.json"]),
    ];
    walk(&machine, block, &steps);
    let after = std::fs::read_to_string(machine.site.path("person/.codex/config.toml")).unwrap();
    assert_eq!(after, before);
    assert!(!machine.site.path(".mcp.json").exists());
}

/// Without an account, whatever the sample: the programs as they are, and the line as it is.
#[test]
fn the_pilot_without_an_account_runs_as_written() {
    let test = "README, pilot without an account";
    let (Some(codex), Some(claude)) = (real::codex(test), real::claude(test)) else { return };
    let machine = Machine::new();
    for (name, program) in [("codex", codex), ("claude", claude)] {
        machine.program(name, &format!("exec '{}' \"$@\"", program.display()));
    }
    let readme = readme::readme();
    let mut quoted = readme.split('`').skip(1).step_by(2);
    let line = quoted.find(|code| code.ends_with("--scripted-model")).expect("the line");
    let output = machine.command("sh", &["-c", line]).output().unwrap();
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && out.contains("\nresolved in "), "{line}\n{out}\n{err}");
    // Nothing of the person's own was read or written.
    for folder in [".codex", ".claude"] {
        assert_eq!(std::fs::read_dir(machine.site.path(&format!("person/{folder}"))).unwrap().count(), 0);
    }
}
