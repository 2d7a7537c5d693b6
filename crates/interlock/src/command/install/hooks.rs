//! The hooks by which a person's own program tells what happens at its keyboard, and is told what waits.

use std::path::{Path, PathBuf};

use interlock_api::Problem;
use interlock_core::actor::AgentName;
use serde_json::{Value, json};

use super::place::inside;
use super::{Program, by_hand, parse};

/// The events of each program, with how many seconds its hook may take; ours takes two at most.
const fn events(program: Program) -> &'static [(&'static str, u32)] {
    match program {
        Program::Codex => &[
            ("UserPromptSubmit", 5),
            ("Stop", 5),
            ("Interrupt", 3),
            ("PermissionRequest", 5),
            ("SessionStart", 5),
            ("SessionEnd", 3),
        ],
        Program::Claude => &[
            ("UserPromptSubmit", 5),
            ("Stop", 5),
            ("Notification", 5),
            ("SessionStart", 5),
            ("SessionEnd", 3),
        ],
    }
}

/// Where they stand: with Codex's servers, and for Claude Code in what is a person's own of the folder's settings.
pub(super) fn file(program: Program, servers: &Path) -> PathBuf {
    match program {
        Program::Codex => servers.to_owned(),
        Program::Claude => servers.with_file_name(".claude").join("settings.local.json"),
    }
}

/// Hooks with the commands that they run, one for each event.
#[derive(Debug)]
pub(super) struct Hooks {
    program: Program,
    commands: Vec<String>,
}

impl Hooks {
    /// Those that start this program of ours with these options.
    pub(super) fn new(program: Program, executable: &str, options: &[String]) -> Self {
        let options: Vec<String> = options.iter().map(|word| quoted(word)).collect();
        let (executable, options) = (quoted(executable), options.join(" "));
        // Whatever becomes of the file that is named here: a hook that cannot be started must not stop its person.
        let command = |(event, _): &(&str, u32)| {
            format!("{executable} hook {} {event} {options} || true", program.word())
        };
        Self { program, commands: events(program).iter().map(command).collect() }
    }

    /// Those of this participant that stand in the file, all or none.
    pub(super) fn written(
        program: Program,
        name: &AgentName,
        there: &Value,
        file: &Path,
    ) -> Result<Option<Self>, Problem> {
        let find = |(event, _): &(&str, u32)| {
            let ours = |command: &&str| is_ours(program, name, event, command);
            commands(there, event).into_iter().find(ours).map(str::to_owned)
        };
        let commands: Vec<String> = events(program).iter().filter_map(find).collect();
        match commands.len() {
            0 => Ok(None),
            all if all == events(program).len() => Ok(Some(Self { program, commands })),
            _ => Err(by_hand(file, "holds some of the hooks only")),
        }
    }

    fn all(&self) -> impl Iterator<Item = (&'static str, u32, &String)> {
        events(self.program)
            .iter()
            .zip(&self.commands)
            .map(|((event, seconds), command)| (*event, *seconds, command))
    }

    /// The text that people read, and that is put in where there is nothing of the kind.
    pub(super) fn text(&self) -> String {
        match self.program {
            Program::Codex => self
                .all()
                .map(|(event, seconds, command)| {
                    let command = Value::from(command.as_str());
                    format!(
                        "\n[[hooks.{event}]]\nhooks = [{{ type = \"command\", command = {command}, timeout = {seconds} }}]\n"
                    )
                })
                .collect(),
            Program::Claude => format!("\n  \"hooks\": {{{}\n  }}", self.members()),
        }
    }

    fn members(&self) -> String {
        let all = self.all().map(|(event, seconds, command)| member(event, &group(command, seconds)));
        all.collect::<Vec<_>>().join(",")
    }

    /// The file with them.
    pub(super) fn with(&self, before: Option<&str>, file: &Path) -> Result<String, Problem> {
        let Some(before) = before else { return Ok(self.alone()) };
        let old = parse(self.program, before, file)?;
        let missing: Vec<_> = self
            .all()
            .filter(|(event, _, command)| !commands(&old, event).contains(&command.as_str()))
            .collect();
        if missing.is_empty() {
            return Ok(before.to_owned());
        }
        let is_new = missing.len() == self.commands.len();
        let after = match self.program {
            Program::Codex if is_new => Some(format!("{before}{}", self.text())),
            Program::Codex => None,
            Program::Claude if old.get("hooks").is_none() => put(before, &[], &self.text()),
            Program::Claude => {
                missing.iter().try_fold(before.to_owned(), |text, (event, seconds, command)| {
                    let group = group(command, *seconds);
                    match inside(&text, &["hooks", event]) {
                        Some(_) => put(&text, &["hooks", event], &format!("\n      {group}")),
                        None => put(&text, &["hooks"], &member(event, &group)),
                    }
                })
            }
        };
        self.checked(after, &old, file, true)
    }

    /// The file without them; `None` when there was none before.
    pub(super) fn without(&self, before: &str, file: &Path) -> Result<Option<String>, Problem> {
        if before == self.alone() {
            return Ok(None);
        }
        let old = parse(self.program, before, file)?;
        let mut after = take(before, &self.text());
        if after.is_none() && self.program == Program::Claude {
            after = self.all().try_fold(before.to_owned(), |text, (event, seconds, command)| {
                let group = group(command, seconds);
                take(&text, &member(event, &group)).or_else(|| take(&text, &format!("\n      {group}")))
            });
        }
        self.checked(after, &old, file, false).map(Some)
    }

    /// A file that holds nothing but what we put there. Codex's has its server above them.
    fn alone(&self) -> String {
        match self.program {
            Program::Codex => self.text().trim_start().to_owned(),
            // Nor as it would stand in a file that was there and empty.
            Program::Claude => format!("{{{}}}\n", self.text().trim_start()),
        }
    }

    /// What somebody else has there must be as it was, and ours there, or not.
    fn checked(
        &self,
        after: Option<String>,
        old: &Value,
        file: &Path,
        is_there: bool,
    ) -> Result<String, Problem> {
        let is_right = |text: &String| {
            let Ok(new) = parse(self.program, text, file) else { return false };
            self.all()
                .all(|(event, _, command)| commands(&new, event).contains(&command.as_str()) == is_there)
                && self.others(&new) == self.others(old)
        };
        after
            .filter(is_right)
            .ok_or_else(|| by_hand(file, "has hooks that are written in a way that this does not understand"))
    }

    /// Everything but our hooks, and but what holds nothing else.
    fn others(&self, value: &Value) -> Value {
        let mut others = value.clone();
        let Some(all) = others.as_object_mut() else { return others };
        let Some(hooks) = all.get_mut("hooks").and_then(Value::as_object_mut) else { return others };
        for (event, _, command) in self.all() {
            let Some(groups) = hooks.get_mut(event).and_then(Value::as_array_mut) else { continue };
            groups.retain(|group| !runs(group).any(|found| found == command));
            if groups.is_empty() {
                hooks.remove(event);
            }
        }
        if hooks.is_empty() {
            all.remove("hooks");
        }
        others
    }
}

/// A word as a shell reads it.
fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "_-./:@%+=,".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', "'\\''"))
}

fn is_ours(program: Program, name: &AgentName, event: &str, command: &str) -> bool {
    let word = program.word();
    command.ends_with(" || true")
        && (command.contains(&format!(" hook {word} {event} --as {name} --instance "))
            || command.contains(&format!(" hook {word} {event} --server ")))
}

fn group(command: &str, seconds: u32) -> Value {
    json!({"hooks": [{"type": "command", "command": command, "timeout": seconds}]})
}

fn member(event: &str, group: &Value) -> String {
    format!("\n    \"{event}\": [\n      {group}\n    ]")
}

/// The commands that a group of hooks runs.
fn runs(group: &Value) -> impl Iterator<Item = &str> {
    let hooks = group.get("hooks").and_then(Value::as_array).into_iter().flatten();
    hooks.filter_map(|hook| hook.get("command").and_then(Value::as_str))
}

/// The commands of all hooks of an event.
fn commands<'a>(there: &'a Value, event: &str) -> Vec<&'a str> {
    let groups = there.get("hooks").and_then(|hooks| hooks.get(event)).and_then(Value::as_array);
    groups.into_iter().flatten().flat_map(runs).collect()
}

/// Put a piece first into what stands at this path.
fn put(text: &str, path: &[&str], piece: &str) -> Option<String> {
    let (head, tail) = text.split_at_checked(inside(text, path)?)?;
    let comma = if tail.trim_start().starts_with(['}', ']']) { "" } else { "," };
    Some(format!("{head}{piece}{comma}{tail}"))
}

/// Take a piece out, with the comma behind it.
fn take(text: &str, piece: &str) -> Option<String> {
    let with_comma = format!("{piece},");
    let found = if text.contains(&with_comma) { with_comma } else { piece.to_owned() };
    text.contains(&found).then(|| text.replacen(&found, "", 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hooks(program: Program) -> Hooks {
        let options = ["--as", "anna", "--instance", "/srv/an na/.interlock"].map(str::to_owned);
        Hooks::new(program, "/opt/interlock", &options)
    }

    /// Whatever hooks somebody has: ours come beside them and go again, and every byte is as before.
    #[test]
    fn what_was_there_is_as_before() {
        let claude = [
            "{}",
            "{\n}\n",
            "{\"model\": \"m\"}",
            "{\"hooks\": {}}",
            "{\"hooks\": {\"Stop\": []}, \"x\": [1,  2]}",
            "{\r\n  \"hooks\": {\r\n    \"PreToolUse\": [{\"matcher\": \"Bash\", \"hooks\": [{\"type\": \"command\", \"command\": \"x\"}]}]\r\n  }\r\n}\r\n",
            "{\"hooks\": {\"Stop\": [{\"hooks\": [{\"type\": \"command\", \"command\": \"say done\"}]}], \"SessionEnd\": []}}",
        ];
        let codex =
            ["", "model = \"m\"", "[[hooks.Stop]]\nhooks = [{type = \"command\", command = \"x\"}]\n"];
        let all = claude.map(|text| (Program::Claude, text)).into_iter();
        for (program, text) in all.chain(codex.map(|text| (Program::Codex, text))) {
            let hooks = hooks(program);
            let file = Path::new("settings");
            let with = hooks.with(Some(text), file).unwrap();
            assert_eq!(hooks.with(Some(&with), file).unwrap(), with, "a second time changes nothing: {text}");
            let there = parse(program, &with, file).unwrap();
            let name = AgentName::parse("anna").unwrap();
            let found = Hooks::written(program, &name, &there, file).unwrap().unwrap();
            assert_eq!(found.commands, hooks.commands, "{text}");
            assert_eq!(found.without(&with, file).unwrap().as_deref(), Some(text), "{with}");
            let berta = AgentName::parse("berta").unwrap();
            assert!(Hooks::written(program, &berta, &there, file).unwrap().is_none());
        }
    }

    #[test]
    fn a_file_of_ours_alone_goes_as_a_whole() {
        for program in [Program::Codex, Program::Claude] {
            let (hooks, file) = (hooks(program), Path::new("settings"));
            let with = hooks.with(None, file).unwrap();
            assert!(parse(program, &with, file).is_ok(), "{with}");
            assert_eq!(hooks.without(&with, file).unwrap(), None);
        }
    }

    #[test]
    fn what_is_not_understood_is_left_alone() {
        let file = Path::new("settings");
        for (program, text) in [
            (Program::Claude, "{\"hooks\": []}"),
            (Program::Claude, "{\"hooks\": {\"Stop\": {}}}"),
            (Program::Claude, "[]"),
            (Program::Codex, "hooks = {}\n"),
            (Program::Codex, "[hooks]\nStop = []\n"),
        ] {
            assert!(hooks(program).with(Some(text), file).is_err(), "{text}");
        }
    }

    #[test]
    fn a_shell_reads_the_words_as_they_are() {
        let hooks = hooks(Program::Claude);
        assert_eq!(
            hooks.commands.first().map(String::as_str),
            Some(
                "/opt/interlock hook claude UserPromptSubmit --as anna --instance '/srv/an na/.interlock' || true"
            )
        );
        assert_eq!(quoted("a'b $x"), "'a'\\''b $x'");
        assert_eq!(quoted(""), "''");
    }
}
