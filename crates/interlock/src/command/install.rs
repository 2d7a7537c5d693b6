//! `interlock agent install`: a person's own Codex or Claude Code as a participant: its tools, and its hooks.
//!
//! What is written is one block of text that is shown first and taken out again as it was put in: everything else in the
//! file stays as it is, byte for byte. A file that could not be read back as it must be is left alone.

mod hooks;
mod place;

use std::io::Write as _;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use interlock_api::Problem;
use interlock_api::operations::ListAgents;
use interlock_api::v1::agent::ListAgentsParams;
use interlock_core::Reason;
use interlock_core::actor::AgentName;
use interlock_core::limits::PAGE_ROWS_MAX;
use serde_json::{Value, json};

use self::hooks::Hooks;
use crate::context::Context;
use crate::environment;
use crate::exit::{Answer, End};
use crate::instance::{cause, unwritable};

/// Whose configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Program {
    /// Codex CLI: `config.toml` in CODEX_HOME or ~/.codex.
    Codex,
    /// Claude Code: `.mcp.json` in this folder, for work in it.
    Claude,
}

impl Program {
    /// Its name, as it is typed.
    const fn word(self) -> &'static str {
        match self {
            Self::Codex => "codex",
            Self::Claude => "claude",
        }
    }
}

/// What `agent install` takes.
#[derive(Debug, Args)]
pub(crate) struct Params {
    /// Whose configuration.
    #[arg(value_enum)]
    program: Program,
    /// The participant that its tools act as; registered with: interlock agent add NAME.
    #[arg(value_name = "NAME")]
    name: AgentName,
    /// Write it into the file; without this it is only shown.
    #[arg(long, conflicts_with = "remove")]
    write: bool,
    /// Take it out of the file again.
    #[arg(long)]
    remove: bool,
    /// Another file than the program's own.
    #[arg(long, value_name = "PATH")]
    file: Option<PathBuf>,
    /// Only the tools: without the hooks that tell when you are at work, and you what waits.
    #[arg(long)]
    no_hooks: bool,
}

/// Do it.
pub(crate) async fn run(cx: &Context, params: &Params) -> End {
    let file = match &params.file {
        Some(file) => file.clone(),
        None => own_file(params.program)?,
    };
    let plan = Plan::of(cx, params, file)?;
    let (done, text) = if params.remove {
        plan.remove()?;
        ("removed", format!("taken out of {}\n", plan.files()))
    } else if params.write {
        plan.write()?;
        let next = next(params, cx.remote().is_some());
        let missing = unregistered(cx, &params.name).await.unwrap_or_default();
        let text = format!(
            "written into {}; take it out again with --remove\n\n{}\n\n{next}{missing}",
            plan.files(),
            plan.shown()
        );
        ("written", text)
    } else {
        ("shown", format!("for {}; --write puts it there:\n\n{}\n", plan.files(), plan.shown()))
    };
    let mut json = json!({"schema": "install/1", "file": plan.file.display().to_string(), "done": done, "block": plan.block});
    if let (Some((hooks, file)), Some(fields)) = (&plan.hooks, json.as_object_mut()) {
        fields.insert("hooks".into(), json!({"file": file.display().to_string(), "block": hooks.text()}));
    }
    Ok(Answer::new(&json, text)?)
}

/// What goes where: the entry of the tools, and the hooks.
struct Plan {
    program: Program,
    file: PathBuf,
    block: String,
    hooks: Option<(Hooks, PathBuf)>,
}

impl Plan {
    /// What is taken out is what stands there, whatever has become of the instance and the program it names.
    fn of(cx: &Context, params: &Params, file: PathBuf) -> Result<Self, Problem> {
        let (program, name) = (params.program, &params.name);
        let hooks_file = hooks::file(program, &file);
        let there = if params.remove { written(program, name, &file)? } else { None };
        let is_made = params.remove && there.is_some();
        let block = match there {
            Some(block) => block,
            None => text_of(program, cx, name)?,
        };
        let hooks = match read(&hooks_file)?.filter(|_| params.remove) {
            Some(text) => Hooks::written(program, name, &parse(program, &text, &hooks_file)?, &hooks_file)?,
            // Without a file there is nothing to take out.
            None if params.remove || is_made => None,
            None => Some(Hooks::new(program, &executable()?, &options(cx, name)?)),
        };
        let hooks = hooks.filter(|_| !params.no_hooks).map(|hooks| (hooks, hooks_file));
        Ok(Self { program, file, block, hooks })
    }

    /// The files, as they are named to people.
    fn files(&self) -> String {
        let file = self.file.display();
        match &self.hooks {
            Some((_, other)) if *other != self.file => format!("{file} and {}", other.display()),
            _ => file.to_string(),
        }
    }

    fn shown(&self) -> String {
        let hooks = self.hooks.as_ref().map(|(hooks, _)| hooks.text()).unwrap_or_default();
        format!("{}\n{hooks}", self.block.trim()).trim_end().to_owned()
    }

    /// Nothing is written before everything is known to fit.
    fn write(&self) -> Result<(), Problem> {
        let before = read(&self.file)?;
        let mut after = with(self.program, before.as_deref(), &self.block, &self.file)?;
        let mut other = None;
        if let Some((hooks, file)) = &self.hooks {
            if *file == self.file {
                after = hooks.with(Some(&after), file)?;
            } else {
                let there = read(file)?;
                other = Some((file, hooks.with(there.as_deref(), file)?, there));
            }
        }
        store(&self.file, before.as_deref().unwrap_or_default(), Some(&after))?;
        match other {
            Some((file, after, there)) => store(file, there.as_deref().unwrap_or_default(), Some(&after)),
            None => Ok(()),
        }
    }

    fn remove(&self) -> Result<(), Problem> {
        let before = read(&self.file)?.unwrap_or_default();
        let mut left = before.clone();
        let mut other = None;
        if let Some((hooks, file)) = &self.hooks {
            if *file == self.file {
                left = hooks.without(&before, file)?.unwrap_or_default();
            } else {
                let there = read(file)?.unwrap_or_default();
                other = Some((file, hooks.without(&there, file)?, there));
            }
        }
        let after = without(self.program, &left, &self.block, &self.file)?;
        store(&self.file, &before, after.as_deref())?;
        match other {
            Some((file, after, there)) => store(file, &there, after.as_deref()),
            None => Ok(()),
        }
    }
}

/// What its person has to do before the lines work.
fn next(params: &Params, is_remote: bool) -> String {
    let token = if is_remote { "start it with the participant's token in INTERLOCK_TOKEN\n" } else { "" };
    let approval = match params.program {
        Program::Codex => "it is used from its next start on\n",
        Program::Claude => "it asks for your approval when it is next started in this folder\n",
    };
    let review = match params.program {
        Program::Codex if !params.no_hooks => {
            "its hooks run once you have looked at them: type /hooks in it\n"
        }
        _ => "",
    };
    format!("{token}{approval}{review}")
}

/// What is said where nobody goes by this name yet. A server that cannot be asked is no reason to wait with the file.
async fn unregistered(cx: &Context, name: &AgentName) -> Option<String> {
    let server = cx.connect().ok()?;
    let mut request = ListAgentsParams { limit: PAGE_ROWS_MAX, ..ListAgentsParams::default() };
    loop {
        let page = server.read::<ListAgents>(&request).await.ok()?;
        if page.agents.iter().any(|agent| agent.name == *name) {
            return None;
        }
        let Some(next) = page.next_cursor else { break };
        request.cursor = Some(next);
    }
    Some(format!("nobody is called {name} yet: interlock agent add {name}\n"))
}

/// The program's own file.
fn own_file(program: Program) -> Result<PathBuf, Problem> {
    if program == Program::Claude {
        return Ok(PathBuf::from(".mcp.json"));
    }
    let home = environment::text("CODEX_HOME").map(PathBuf::from);
    let home = home.or_else(|| Some(PathBuf::from(environment::text("HOME")?).join(".codex")));
    home.map(|home| home.join("config.toml")).ok_or_else(|| {
        Problem::new(Reason::PathUnwritable, "neither CODEX_HOME nor HOME says where Codex is configured", "")
            .hint("name the file with --file")
    })
}

/// This program's own file.
fn executable() -> Result<String, Problem> {
    Ok(environment::program()?.display().to_string())
}

/// Whose tools and hooks these are, and where the server is.
fn options(cx: &Context, name: &AgentName) -> Result<Vec<String>, Problem> {
    // A server elsewhere knows by the token who calls: it is taken from the environment, never written down.
    if let Some(url) = cx.remote() {
        return Ok(vec!["--server".to_owned(), url]);
    }
    let folder = cx.instance()?.folder().display().to_string();
    Ok(vec!["--as".to_owned(), name.to_string(), "--instance".to_owned(), folder])
}

/// The text that is put in.
fn text_of(program: Program, cx: &Context, name: &AgentName) -> Result<String, Problem> {
    let args: Vec<String> = std::iter::once("mcp".to_owned()).chain(options(cx, name)?).collect();
    Ok(text(program, &Value::from(executable()?), &Value::from(args), cx.remote().is_some()))
}

/// The text of the entry that stands in the file, if it is one of ours for this participant.
fn written(program: Program, name: &AgentName, file: &Path) -> Result<Option<String>, Problem> {
    let Some(before) = read(file)? else { return Ok(None) };
    let parsed = parse(program, &before, file)?;
    let field = |name: &str| entry(program, &parsed).and_then(|entry| entry.get(name));
    let (Some(command), Some(args)) = (field("command"), field("args")) else { return Ok(None) };
    let words: Vec<&str> = args.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    Ok(match words.as_slice() {
        ["mcp", "--server", _] => Some(text(program, command, args, true)),
        ["mcp", "--as", whose, "--instance", _] if *whose == name.as_str() => {
            Some(text(program, command, args, false))
        }
        _ => None,
    })
}

/// The text of an entry.
fn text(program: Program, command: &Value, args: &Value, is_remote: bool) -> String {
    match program {
        // JSON's strings and arrays are TOML's.
        Program::Codex => {
            let token = if is_remote { "env_vars = [\"INTERLOCK_TOKEN\"]\n" } else { "" };
            format!(
                "\n[mcp_servers.interlock]\ncommand = {command}\nargs = {args}\n{token}tool_timeout_sec = 60\n"
            )
        }
        Program::Claude => {
            let mut server = json!({"type": "stdio", "command": command, "args": args});
            if let (true, Some(fields)) = (is_remote, server.as_object_mut()) {
                fields.insert("env".into(), json!({"INTERLOCK_TOKEN": "${INTERLOCK_TOKEN}"}));
            }
            format!("\n    \"interlock\": {server}")
        }
    }
}

/// The file's text; `None` where there is none.
fn read(file: &Path) -> Result<Option<String>, Problem> {
    match std::fs::read_to_string(file) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) if error.kind() == std::io::ErrorKind::InvalidData => {
            Err(by_hand(file, "cannot be understood: it is no UTF-8 text"))
        }
        Err(error) => {
            let detail = format!("`{}` cannot be read: it {}", file.display(), cause(&error));
            Err(Problem::new(Reason::PathUnwritable, &detail, ""))
        }
    }
}

/// A file that holds nothing but what we put there.
fn alone(program: Program, block: &str) -> String {
    match program {
        // Not even the empty line before it: by that it is told from a file that was there and empty.
        Program::Codex => block.trim_start().to_owned(),
        Program::Claude => format!("{{\n  \"mcpServers\": {{{block}\n  }}\n}}\n"),
    }
}

fn with(program: Program, before: Option<&str>, block: &str, file: &Path) -> Result<String, Problem> {
    let ours = alone(program, block);
    let Some(before) = before else { return Ok(ours) };
    let old = parse(program, before, file)?;
    match (entry(program, &old), entry(program, &parse(program, &ours, file)?)) {
        (None, _) => {}
        (Some(there), Some(wanted)) if there == wanted => return Ok(before.to_owned()),
        (Some(_), _) => return Err(by_hand(file, "holds another entry for `interlock`")),
    }
    let after = match program {
        Program::Codex => format!("{before}{block}"),
        Program::Claude => {
            let Some(at) = servers(before) else {
                return Err(by_hand(file, "has no `mcpServers` to put it into"));
            };
            let (head, tail) = before.split_at_checked(at).unwrap_or((before, ""));
            let comma = if tail.trim_start().starts_with('}') { "" } else { "," };
            format!("{head}{block}{comma}{tail}")
        }
    };
    let new = parse(program, &after, file).ok();
    match new.filter(|new| entry(program, new).is_some() && others(program, new) == others(program, &old)) {
        Some(_) => Ok(after),
        None => Err(by_hand(file, "is written in a way that this does not understand")),
    }
}

/// The file without the block; `None` when there was no file before it.
fn without(program: Program, before: &str, block: &str, file: &Path) -> Result<Option<String>, Problem> {
    let ours = alone(program, block);
    if before == ours {
        return Ok(None);
    }
    let old = parse(program, before, file)?;
    let with_comma = format!("{block},");
    let after = if before.contains(&with_comma) {
        before.replacen(&with_comma, "", 1)
    } else if before.contains(block) {
        before.replacen(block, "", 1)
    } else if let Some(rest) = before.strip_prefix(&ours) {
        rest.to_owned()
    } else {
        return Err(by_hand(file, "does not hold what would be taken out"));
    };
    // What somebody has added to the entry, or around it, must not come to belong to something else.
    let new = parse(program, &after, file).ok();
    match new.filter(|new| entry(program, new).is_none() && others(program, new) == others(program, &old)) {
        Some(_) => Ok(Some(after)),
        None => Err(by_hand(file, "was changed in or around this entry")),
    }
}

fn by_hand(file: &Path, why: &str) -> Problem {
    Problem::new(Reason::ConfigInvalid, &format!("`{}` {why}", file.display()), "")
        .hint("change it by hand; what belongs there is shown without --write and --remove")
}

/// Where the first member of `mcpServers` begins.
fn servers(text: &str) -> Option<usize> {
    let key = "\"mcpServers\"";
    let after = text.find(key)? + key.len();
    let open = text.get(after..)?.find('{')?;
    // Between the key and its value there is a colon and space, or this is something else.
    let between = text.get(after..after + open)?;
    (between.trim() == ":").then_some(after + open + 1)
}

fn parse(program: Program, text: &str, file: &Path) -> Result<Value, Problem> {
    let broken = |error: &dyn std::fmt::Display| by_hand(file, &format!("cannot be understood: {error}"));
    match program {
        Program::Codex => {
            let table: toml::Table =
                text.parse().map_err(|error: toml::de::Error| broken(&error.message()))?;
            serde_json::to_value(table).map_err(|error| broken(&error))
        }
        Program::Claude => serde_json::from_str(text).map_err(|error| broken(&error)),
    }
}

const fn table_of(program: Program) -> &'static str {
    match program {
        Program::Codex => "mcp_servers",
        Program::Claude => "mcpServers",
    }
}

fn entry(program: Program, value: &Value) -> Option<&Value> {
    value.get(table_of(program))?.get("interlock")
}

/// Everything but our entry, and but the table of servers where that holds nothing else.
fn others(program: Program, value: &Value) -> Value {
    let mut others = value.clone();
    if let Some(all) = others.as_object_mut()
        && let Some(servers) = all.get_mut(table_of(program)).and_then(Value::as_object_mut)
    {
        servers.remove("interlock");
        if servers.is_empty() {
            all.remove(table_of(program));
        }
    }
    others
}

/// Written beside it and moved into its place; `None` removes it.
fn store(file: &Path, before: &str, after: Option<&str>) -> Result<(), Problem> {
    let Some(after) = after else {
        return std::fs::remove_file(file).map_err(|error| unwritable(file, &error));
    };
    if before == after {
        return Ok(());
    }
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let fault = |error: std::io::Error| unwritable(file, &error);
    std::fs::create_dir_all(folder).map_err(fault)?;
    // A link stays a link: what it points to is changed.
    let target = std::fs::canonicalize(file).unwrap_or_else(|_| file.to_owned());
    let mut draft = tempfile::NamedTempFile::new_in(target.parent().unwrap_or(folder)).map_err(fault)?;
    draft.write_all(after.as_bytes()).map_err(fault)?;
    if let Ok(metadata) = std::fs::metadata(&target) {
        std::fs::set_permissions(draft.path(), metadata.permissions()).map_err(fault)?;
    }
    draft.persist(&target).map_err(|error| unwritable(file, &error.error))?;
    Ok(())
}
