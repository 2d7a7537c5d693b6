//! `interlock agent install`: a person's own Codex or Claude Code as a participant.
//!
//! What is written is one block of text that is shown first and taken out again as it was put in: everything else in the
//! file stays as it is, byte for byte. A file that could not be read back as it must be is left alone.

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
}

/// Do it.
pub(crate) async fn run(cx: &Context, params: &Params) -> End {
    let file = match &params.file {
        Some(file) => file.clone(),
        None => own_file(params.program)?,
    };
    // What is taken out is what stands there, whatever has become of the instance and the program it names.
    let there = if params.remove { written(params.program, &params.name, &file)? } else { None };
    let block = match there {
        Some(block) => block,
        None => block(params.program, cx, &params.name)?,
    };
    let shown = block.trim();
    let (done, text) = if params.remove {
        let before = read(&file)?.unwrap_or_default();
        store(&file, &before, without(params.program, &before, &block, &file)?.as_deref())?;
        ("removed", format!("taken out of {}\n", file.display()))
    } else if params.write {
        let before = read(&file)?;
        let after = with(params.program, before.as_deref(), &block, &file)?;
        store(&file, before.as_deref().unwrap_or_default(), Some(&after))?;
        let next = next(params.program, cx.remote().is_some());
        let missing = unregistered(cx, &params.name).await.unwrap_or_default();
        let text = format!(
            "written into {}; take it out again with --remove\n\n{shown}\n\n{next}{missing}",
            file.display()
        );
        ("written", text)
    } else {
        ("shown", format!("for {}; --write puts it there:\n\n{shown}\n", file.display()))
    };
    let json =
        json!({"schema": "install/1", "file": file.display().to_string(), "done": done, "block": block});
    Ok(Answer::new(&json, text)?)
}

/// What its person has to do before the lines work.
fn next(program: Program, is_remote: bool) -> String {
    let token = if is_remote { "start it with the participant's token in INTERLOCK_TOKEN\n" } else { "" };
    let approval = match program {
        Program::Codex => "it is used from its next start on\n",
        Program::Claude => "it asks for your approval when it is next started in this folder\n",
    };
    format!("{token}{approval}")
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

/// The text that is put in.
fn block(program: Program, cx: &Context, name: &AgentName) -> Result<String, Problem> {
    let command = Value::from(environment::program()?.display().to_string());
    let mut args = vec!["mcp".to_owned()];
    // A server elsewhere knows by the token who calls: it is taken from the environment, never written down.
    let is_remote = if let Some(url) = cx.remote() {
        args.extend(["--server".to_owned(), url]);
        true
    } else {
        let folder = cx.instance()?.folder().display().to_string();
        args.extend(["--as".to_owned(), name.to_string(), "--instance".to_owned(), folder]);
        false
    };
    Ok(text(program, &command, &Value::from(args), is_remote))
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
