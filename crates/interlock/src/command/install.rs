//! `interlock agent install`: a person's own Codex or Claude Code as a participant.
//!
//! What is written is one block of text that is shown first and taken out again as it was put in: everything else in the
//! file stays as it is, byte for byte. A file that could not be read back as it must be is left alone.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use interlock_api::Problem;
use interlock_core::Reason;
use interlock_core::actor::AgentName;
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
pub(crate) fn run(cx: &Context, params: &Params) -> End {
    let file = match &params.file {
        Some(file) => file.clone(),
        None => own_file(params.program)?,
    };
    let block = block(params.program, cx, &params.name)?;
    let before = read(&file)?;
    let (done, text) = if params.remove {
        let after = without(params.program, &before, &block, &file)?;
        store(&file, &before, after.as_deref().unwrap_or_default())?;
        ("removed", format!("taken out of {}\n", file.display()))
    } else if params.write {
        let after = with(params.program, &before, &block, &file)?;
        store(&file, &before, &after)?;
        (
            "written",
            format!("written into {}; take it out again with --remove\n\n{}\n", file.display(), block.trim()),
        )
    } else {
        ("shown", format!("for {}; --write puts it there:\n\n{}\n", file.display(), block.trim()))
    };
    let json =
        json!({"schema": "install/1", "file": file.display().to_string(), "done": done, "block": block});
    Ok(Answer::new(&json, text)?)
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
    let command = environment::program()?.display().to_string();
    let mut args = vec!["mcp".to_owned(), "--as".to_owned(), name.to_string()];
    if cx.remote().is_none() {
        args.extend(["--instance".to_owned(), cx.instance()?.folder().display().to_string()]);
    }
    let (command, args) = (Value::from(command), Value::from(args));
    Ok(match program {
        // JSON's strings and arrays are TOML's.
        Program::Codex => {
            format!("\n[mcp_servers.interlock]\ncommand = {command}\nargs = {args}\ntool_timeout_sec = 60\n")
        }
        Program::Claude => {
            format!("\n    \"interlock\": {}", json!({"type": "stdio", "command": command, "args": args}))
        }
    })
}

fn read(file: &Path) -> Result<String, Problem> {
    match std::fs::read_to_string(file) {
        Ok(text) => Ok(text),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(String::new()),
        Err(error) => {
            let detail = format!("`{}` cannot be read: it {}", file.display(), cause(&error));
            Err(Problem::new(Reason::PathUnwritable, &detail, ""))
        }
    }
}

/// A file that only holds what we put there.
const CLAUDE_FILE: (&str, &str) = ("{\n  \"mcpServers\": {", "\n  }\n}\n");

fn with(program: Program, before: &str, block: &str, file: &Path) -> Result<String, Problem> {
    let by_hand = |why: &str| by_hand(file, why);
    if before.contains(block) {
        return Ok(before.to_owned());
    }
    let old = parse(program, before, file)?;
    if entry(program, &old).is_some() {
        return Err(by_hand("holds another entry for `interlock`"));
    }
    let after = match program {
        Program::Codex => format!("{before}{block}"),
        Program::Claude if before.trim().is_empty() => format!("{}{block}{}", CLAUDE_FILE.0, CLAUDE_FILE.1),
        Program::Claude => {
            let Some(at) = servers(before) else { return Err(by_hand("has no `mcpServers` to put it into")) };
            let (head, tail) = before.split_at_checked(at).unwrap_or((before, ""));
            let comma = if tail.trim_start().starts_with('}') { "" } else { "," };
            format!("{head}{block}{comma}{tail}")
        }
    };
    let new = parse(program, &after, file)?;
    let mut rest = new.clone();
    remove_entry(program, &mut rest);
    let is_as_before = rest == old || before.trim().is_empty();
    if entry(program, &new).is_none() || !is_as_before {
        return Err(by_hand("is written in a way that this does not understand"));
    }
    Ok(after)
}

/// The file without the block; `None` when nothing is left of it.
fn without(program: Program, before: &str, block: &str, file: &Path) -> Result<Option<String>, Problem> {
    if program == Program::Claude && before == format!("{}{block}{}", CLAUDE_FILE.0, CLAUDE_FILE.1) {
        return Ok(None);
    }
    let with_comma = format!("{block},");
    let part = if before.contains(&with_comma) { with_comma.as_str() } else { block };
    if !before.contains(part) {
        return Err(by_hand(file, "does not hold what would be taken out"));
    }
    let after = before.replacen(part, "", 1);
    parse(program, &after, file)?;
    Ok(Some(after).filter(|after| !after.is_empty()))
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
        Program::Claude if text.trim().is_empty() => Ok(json!({})),
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

fn remove_entry(program: Program, value: &mut Value) {
    let is_empty = match value.get_mut(table_of(program)).and_then(Value::as_object_mut) {
        Some(servers) => {
            servers.remove("interlock");
            servers.is_empty()
        }
        None => false,
    };
    // A table that only our entry made.
    if let (true, Program::Codex, Some(all)) = (is_empty, program, value.as_object_mut()) {
        all.remove(table_of(program));
    }
}

/// Written beside it and moved into its place; a file that would be empty is removed when it was ours alone.
fn store(file: &Path, before: &str, after: &str) -> Result<(), Problem> {
    if before == after {
        return Ok(());
    }
    if after.is_empty() {
        return std::fs::remove_file(file).map_err(|error| unwritable(file, &error));
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
