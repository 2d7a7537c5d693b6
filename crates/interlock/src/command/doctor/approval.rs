//! What a person's own settings of Codex and Claude Code say about approval, and what of it holds for woken agents.

use std::path::Path;

use serde_json::Value;

use super::Check;

/// Settings of Claude Code that a machine's administrator sets for everybody on it.
const MANAGED: &str = "/etc/claude-code/managed-settings.json";
/// Our tools, as rules of Claude Code name them.
const OURS: &str = "mcp__interlock";
/// Its own tools that a woken agent works with.
const NEEDED: [&str; 5] = ["Read", "Grep", "Glob", "Edit", "Write"];
/// Rules that allow every command line.
const ANY_COMMAND: [&str; 4] = ["Bash", "Bash(*)", "Bash(:*)", "*"];

/// Codex: what stands in its `config.toml`.
pub(super) fn codex(name: &'static str, home: &Path) -> Check {
    let file = home.join("config.toml");
    match text(&file) {
        Ok(text) => codex_says(name, text.as_deref(), &file),
        Err(cause) => unreadable(name, &file, &cause),
    }
}

fn codex_says(name: &'static str, text: Option<&str>, file: &Path) -> Check {
    let table: toml::Table = match text.unwrap_or_default().parse() {
        Ok(table) => table,
        Err(error) => {
            let detail = format!("{} cannot be understood: {}", file.display(), error.message());
            return Check::fail(name, detail, "mend it: codex does not start with it, woken or not");
        }
    };
    let said = |key: &str| table.get(key).map_or("codex's own choice".to_owned(), plain);
    let (policy, sandbox) = (said("approval_policy"), said("sandbox_mode"));
    let ours = table.get("mcp_servers").and_then(|servers| servers.get("interlock"));
    let mode = ours.and_then(|ours| ours.get("default_tools_approval_mode")).map_or("auto".to_owned(), plain);
    let detail = format!(
        "woken: never asks, in the agent's sandbox; your own sessions: approval_policy={policy}, sandbox_mode={sandbox}"
    );
    let Some(ours) = ours else { return Check::ok(name, detail) };
    let detail = format!("{detail}, our tools {mode}");
    if ours.get("enabled").and_then(toml::Value::as_bool) == Some(false) {
        let hint =
            format!("your own sessions do not see our tools: set enabled = true in {}", file.display());
        return Check::warn(name, format!("{detail}, switched off"), hint);
    }
    if mode == "prompt" && policy == "never" {
        let hint = format!(
            "your own sessions refuse every call of our tools: nobody is asked, and they want to be; set \
             default_tools_approval_mode = \"auto\" in {}",
            file.display()
        );
        return Check::warn(name, detail, hint);
    }
    Check::ok(name, detail)
}

/// A value as people wrote it; a table by its keys.
fn plain(value: &toml::Value) -> String {
    match value {
        toml::Value::String(text) => text.clone(),
        toml::Value::Table(table) => table.keys().map(String::as_str).collect::<Vec<_>>().join("+"),
        other => other.to_string(),
    }
}

/// Claude Code: what its person and the machine's administrator allow and deny.
pub(super) fn claude(name: &'static str, home: &Path) -> Check {
    let mut all = Rules::default();
    for file in [&home.join("settings.json"), Path::new(MANAGED)] {
        match text(file) {
            Ok(None) => {}
            Ok(Some(text)) => match serde_json::from_str(&text) {
                Ok(settings) => all.add(&settings, file),
                Err(error) => {
                    let detail = format!("{} cannot be understood: {error}", file.display());
                    return Check::fail(name, detail, "mend it: nobody knows which of its rules hold");
                }
            },
            Err(cause) => return unreadable(name, file, &cause),
        }
    }
    all.check(name)
}

/// One rule, and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Rule {
    text: String,
    file: String,
}

/// The rules of all files.
#[derive(Debug, Default)]
struct Rules {
    mode: Option<String>,
    allow: Vec<Rule>,
    /// What is denied, or asked for: with nobody there to be asked that is the same.
    refuse: Vec<Rule>,
}

impl Rules {
    fn add(&mut self, settings: &Value, file: &Path) {
        let file = file.display().to_string();
        let list = |key: &str| -> Vec<Rule> {
            let rules = settings.pointer(&format!("/permissions/{key}")).and_then(Value::as_array);
            let texts = rules.into_iter().flatten().filter_map(Value::as_str);
            texts.map(|text| Rule { text: text.to_owned(), file: file.clone() }).collect()
        };
        self.allow.extend(list("allow"));
        self.refuse.extend(list("deny"));
        self.refuse.extend(list("ask"));
        let mode = settings.pointer("/permissions/defaultMode").and_then(Value::as_str);
        self.mode = mode.map(str::to_owned).or_else(|| self.mode.take());
    }

    fn check(&self, name: &'static str) -> Check {
        let mode = self.mode.as_deref().unwrap_or("default");
        let mut detail = format!(
            "woken: what neither the agent's sandbox and rules nor your own settings allow is refused; your own \
             sessions: defaultMode={mode}"
        );
        if !self.allow.is_empty() {
            let all: Vec<&str> = self.allow.iter().map(|rule| rule.text.as_str()).collect();
            detail = format!("{detail}; your settings allow, here too: {}", shorten(&all));
        }
        if let Some(rule) = self.refuse.iter().find(|rule| is_of(&rule.text, OURS) || rule.text == "*") {
            let hint = format!("woken agents cannot use our tools: take it out of {}", rule.file);
            return Check::fail(name, format!("{detail}; a rule refuses our tools: {}", rule.text), hint);
        }
        if let Some(rule) = self.refuse.iter().find(|rule| NEEDED.contains(&rule.text.as_str())) {
            let hint = format!("woken agents cannot work with files: see {}", rule.file);
            return Check::warn(name, format!("{detail}; a rule refuses {}", rule.text), hint);
        }
        match self.allow.iter().find(|rule| ANY_COMMAND.contains(&rule.text.as_str())) {
            Some(rule) => {
                let hint = format!(
                    "woken agents may run any command, with the sandbox read-only too: narrow `{}` in {}",
                    rule.text, rule.file
                );
                Check::warn(name, detail, hint)
            }
            None => Check::ok(name, detail),
        }
    }
}

/// Whether a rule is for this server's tools: all of them, or one.
fn is_of(rule: &str, server: &str) -> bool {
    rule.strip_prefix(server).is_some_and(|rest| rest.is_empty() || rest.starts_with("__"))
        || rule == "mcp__*"
}

/// The first few, and how many more there are.
fn shorten(all: &[&str]) -> String {
    let shown = all.iter().take(5).copied().collect::<Vec<_>>().join(" ");
    match all.len().saturating_sub(5) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

/// What the file holds; nothing where there is none.
fn text(file: &Path) -> Result<Option<String>, String> {
    match std::fs::read_to_string(file) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(crate::instance::cause(&error)),
    }
}

fn unreadable(name: &'static str, file: &Path, cause: &str) -> Check {
    let detail = format!("{} cannot be read: it {cause}", file.display());
    Check::warn(name, detail, "what it says about approval is not known; make it readable")
}
