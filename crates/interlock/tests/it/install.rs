//! `agent install`: what is put into the configuration of a person's own program, and taken out again as it was put in.

use std::fs;
use std::path::PathBuf;

use serde_json::Value;

use crate::stub::{Reply, Stub};
use crate::world::{Ran, World, finish};

/// An instance, and the configuration of one of the programs.
struct Desk {
    world: World,
    program: &'static str,
}

const BOTH: [&str; 2] = ["codex", "claude"];

impl Desk {
    fn new(program: &'static str) -> Self {
        Self { world: World::with_instance(), program }
    }

    /// With this in the program's file.
    fn with(program: &'static str, text: &[u8]) -> Self {
        let desk = Self::new(program);
        fs::create_dir_all(desk.file().parent().unwrap()).unwrap();
        fs::write(desk.file(), text).unwrap();
        desk
    }

    /// The file that the program itself reads.
    fn file(&self) -> PathBuf {
        self.world.path(if self.program == "codex" { "home/.codex/config.toml" } else { ".mcp.json" })
    }

    fn now(&self) -> Option<Vec<u8>> {
        fs::read(self.file()).ok()
    }

    fn install(&self, more: &[&str]) -> Ran {
        let words = [&["agent", "install", self.program, "anna"], more].concat();
        finish(self.world.command(&words).env("HOME", self.world.path("home")), b"")
    }

    /// The entry that the program finds in its file.
    fn entry(&self) -> Value {
        let text = fs::read_to_string(self.file()).unwrap();
        if self.program == "codex" {
            let table: toml::Table = text.parse().unwrap();
            serde_json::to_value(&table["mcp_servers"]["interlock"]).unwrap()
        } else {
            serde_json::from_str::<Value>(&text).unwrap()["mcpServers"]["interlock"].clone()
        }
    }

    fn is_our_bridge(&self) {
        let entry = self.entry();
        assert_eq!(entry["command"], env!("CARGO_BIN_EXE_interlock"));
        let folder = fs::canonicalize(self.world.path(".interlock")).unwrap();
        assert_eq!(entry["args"], serde_json::json!(["mcp", "--as", "anna", "--instance", folder]));
    }
}

/// Files as people have them, before there is anything of ours.
fn files(program: &str) -> Vec<&'static str> {
    if program == "codex" {
        vec![
            "",
            "\n\n",
            "model = \"o9\"",
            "# mine\nmodel = \"o9\"   # the good one\r\n\r\n[mcp_servers.shop]\ncommand = \"shop\" # keep\n",
            "[mcp_servers]\n",
            "[mcp_servers.interlock_old]\ncommand = 'x'\n[projects.\"/srv\"]\ntrust_level = \"trusted\"\n\n\n",
        ]
    } else {
        vec![
            "{\"mcpServers\":{}}",
            "{ \"mcpServers\" : { } }\n\n",
            "{\n\t\"note\": \"mcpServers are below\",\n\t\"mcpServers\": {\n\t\t\"shop\": {\"command\": \"shop\"}\n\t}\n}",
            "{\r\n  \"mcpServers\": {\"a\": {\"command\": \"a\"}, \"b\": {\"url\": \"http://b\"}},\r\n  \"more\": [1,  2]\r\n}\r\n",
        ]
    }
}

#[test]
fn without_write_the_exact_lines_are_shown_and_nothing_is_written() {
    for program in BOTH {
        let desk = Desk::new(program);
        let shown = desk.install(&[]).ok().out;
        assert_eq!(desk.now(), None, "{program}");
        assert!(!desk.world.path("home").exists(), "not even its folder is made");
        let told = desk.install(&["--json"]).ok().only_json();
        assert_eq!((&told["schema"], &told["done"]), (&"install/1".into(), &"shown".into()));
        assert!(desk.file().ends_with(told["file"].as_str().unwrap()), "{told}");
        let lines = told["block"].as_str().unwrap().trim();
        assert!(shown.contains(lines) && shown.contains("--write puts it there"), "{shown}");
        let written = desk.install(&["--write"]).ok().out;
        assert!(written.contains(lines), "{written}");
        let next = if program == "codex" { "from its next start on" } else { "asks for your approval" };
        assert!(written.contains(next) && !written.contains("INTERLOCK_TOKEN"), "{written}");
        assert!(
            String::from_utf8(desk.now().unwrap()).unwrap().contains(lines),
            "what was shown is what is there"
        );
        desk.is_our_bridge();
    }
}

#[test]
fn what_was_written_is_taken_out_and_every_byte_is_as_before() {
    for program in BOTH {
        for text in files(program) {
            let desk = Desk::with(program, text.as_bytes());
            desk.install(&["--write"]).ok();
            desk.is_our_bridge();
            let once = desk.now();
            desk.install(&["--write"]).ok();
            assert_eq!(desk.now(), once, "a second time changes nothing: {text:?}");
            assert_eq!(desk.install(&["--remove", "--json"]).ok().only_json()["done"], "removed");
            assert_eq!(desk.now().as_deref(), Some(text.as_bytes()), "{text:?}");
        }
    }
}

/// The program was moved and the instance is gone: what stands there is taken out all the same, but not somebody else's.
#[test]
fn what_was_written_is_taken_out_when_what_it_names_is_gone() {
    for (program, before) in [("codex", "model = \"m\"\n"), ("claude", "{\"mcpServers\": {\"a\": {}}}\n")] {
        let desk = Desk::with(program, before.as_bytes());
        desk.install(&["--write"]).ok();
        let text = fs::read_to_string(desk.file()).unwrap();
        fs::write(desk.file(), text.replace(env!("CARGO_BIN_EXE_interlock"), "/opt/former/interlock"))
            .unwrap();
        fs::remove_dir_all(desk.world.path(".interlock")).unwrap();
        let there = desk.now();
        let words = ["agent", "install", program, "berta", "--remove"];
        let ran = finish(desk.world.command(&words).env("HOME", desk.world.path("home")), b"");
        assert_ne!(ran.code, 0, "{ran:?}");
        assert_eq!(desk.now(), there, "it is anna's");
        desk.install(&["--remove"]).ok();
        assert_eq!(desk.now().as_deref(), Some(before.as_bytes()), "{program}");
    }
}

#[test]
fn a_file_that_was_not_there_is_gone_again() {
    for program in BOTH {
        let desk = Desk::new(program);
        desk.install(&["--write"]).ok();
        desk.is_our_bridge();
        desk.install(&["--remove"]).ok();
        assert_eq!(desk.now(), None, "{program}");
    }
}

/// Programs write into their own files too: what they add stays.
#[test]
fn what_others_have_added_meanwhile_stays() {
    let desk = Desk::new("codex");
    desk.install(&["--write"]).ok();
    let added = "\n[projects.\"/srv\"]\ntrust_level = \"trusted\"\n";
    let text = String::from_utf8(desk.now().unwrap()).unwrap();
    fs::write(desk.file(), text + added).unwrap();
    desk.install(&["--remove"]).ok();
    assert_eq!(desk.now().as_deref(), Some(added.as_bytes()));

    let desk = Desk::with("claude", b"{\"mcpServers\": {}}");
    desk.install(&["--write"]).ok();
    let text = String::from_utf8(desk.now().unwrap()).unwrap();
    let at = text.rfind("}}").unwrap();
    let (head, tail) = text.split_at(at);
    fs::write(desk.file(), format!("{head}, \"shop\": {{\"command\": \"shop\"}}{tail}")).unwrap();
    desk.install(&["--remove"]).ok();
    let left: Value = serde_json::from_slice(&desk.now().unwrap()).unwrap();
    assert_eq!(left, serde_json::json!({"mcpServers": {"shop": {"command": "shop"}}}));
}

/// Refused by its name, with a way out, and not a byte is changed.
#[track_caller]
fn refused(program: &'static str, text: &[u8], option: &str) {
    let desk = Desk::with(program, text);
    let ran = desk.install(&[option]).failed(2, "CONFIG_INVALID");
    assert!(ran.err.contains("hint: change it by hand"), "{ran:?}");
    assert_eq!(desk.now().as_deref(), Some(text), "{}", String::from_utf8_lossy(text));
    let folder = fs::read_dir(desk.file().parent().unwrap()).unwrap();
    let drafts =
        folder.filter(|entry| entry.as_ref().unwrap().file_name().to_string_lossy().starts_with(".tmp"));
    assert_eq!(drafts.count(), 0);
}

#[test]
fn files_that_cannot_be_understood_are_left_alone() {
    for text in ["model = ", "[mcp_servers.x\n", "a = 1\na = 2\n"] {
        refused("codex", text.as_bytes(), "--write");
        refused("codex", text.as_bytes(), "--remove");
    }
    for text in ["", "{", "{\"mcpServers\": {},}", "// mine\n{\"mcpServers\": {}}"] {
        refused("claude", text.as_bytes(), "--write");
        refused("claude", text.as_bytes(), "--remove");
    }
    for program in BOTH {
        refused(program, b"# \xFF\xFE", "--write");
    }
}

#[test]
fn files_that_leave_no_place_for_it_are_left_alone() {
    // Another server of that name, and servers that are no table of their own.
    refused("codex", b"[mcp_servers.interlock]\ncommand = \"mine\"\n", "--write");
    refused("codex", b"mcp_servers = {shop = {command = \"shop\"}}\n", "--write");
    refused("codex", b"[mcp_servers.interlock]\ncommand = \"mine\"\n", "--remove");
    refused("claude", b"{\"mcpServers\": {\"interlock\": {\"command\": \"mine\"}}}", "--write");
    refused("claude", b"{}", "--write");
    refused("claude", b"[]", "--write");
    refused("claude", b"{\"a\": {\"mcpServers\": {}}, \"mcpServers\": {}}", "--write");
    refused("claude", b"{\"mcpServers\": {}}", "--remove");
}

/// A key below our lines belongs to our entry: without them it would belong to whatever stands above.
#[test]
fn an_entry_that_somebody_has_changed_is_left_alone() {
    for added in ["startup_timeout_sec = 30\n", "[mcp_servers.interlock.env]\nA = \"1\"\n"] {
        let desk = Desk::with("codex", b"model = \"o9\"\n");
        desk.install(&["--write"]).ok();
        let text = String::from_utf8(desk.now().unwrap()).unwrap() + added;
        fs::write(desk.file(), &text).unwrap();
        desk.install(&["--remove"]).failed(2, "CONFIG_INVALID");
        assert_eq!(desk.now().as_deref(), Some(text.as_bytes()));
    }
}

#[test]
fn links_and_permissions_stay() {
    use std::os::unix::fs::PermissionsExt as _;
    let desk = Desk::new("codex");
    let real = desk.world.write("real.toml", "# mine\n");
    fs::set_permissions(&real, fs::Permissions::from_mode(0o640)).unwrap();
    fs::create_dir_all(desk.file().parent().unwrap()).unwrap();
    std::os::unix::fs::symlink(&real, desk.file()).unwrap();
    desk.install(&["--write"]).ok();
    assert!(desk.file().is_symlink());
    desk.is_our_bridge();
    assert_eq!(fs::metadata(&real).unwrap().permissions().mode() & 0o777, 0o640);
    desk.install(&["--remove"]).ok();
    assert!(desk.file().is_symlink());
    assert_eq!(fs::read(&real).unwrap(), b"# mine\n");
}

/// A server elsewhere knows by its token who calls; the token is named, never written down.
#[test]
fn a_server_by_its_address_is_reached_with_a_token_from_the_environment() {
    for program in BOTH {
        let desk = Desk::new(program);
        let url = "http://127.0.0.1:7070";
        let words = ["agent", "install", program, "anna", "--server", url, "--write"];
        let mut command = desk.world.command(&words);
        command.env("HOME", desk.world.path("home")).env("INTERLOCK_TOKEN", "a.secret.token");
        let ran = finish(&mut command, b"").ok();
        assert!(ran.out.contains("start it with the participant's token in INTERLOCK_TOKEN"), "{ran:?}");
        let entry = desk.entry();
        assert_eq!(entry["args"], serde_json::json!(["mcp", "--server", url]));
        let token = if program == "codex" { &entry["env_vars"][0] } else { &entry["env"]["INTERLOCK_TOKEN"] };
        assert!(["INTERLOCK_TOKEN", "${INTERLOCK_TOKEN}"].contains(&token.as_str().unwrap()), "{entry}");
        assert!(!format!("{ran:?} {entry}").contains("secret"));
    }
}

#[test]
fn codex_is_found_by_its_own_variable_first_and_a_named_file_before_both() {
    let desk = Desk::new("codex");
    let home = desk.world.path("elsewhere");
    let mut command = desk.world.command(&["agent", "install", "codex", "anna", "--write"]);
    finish(command.env("CODEX_HOME", &home).env("HOME", desk.world.path("home")), b"").ok();
    assert!(home.join("config.toml").is_file() && desk.now().is_none());
    let named = desk.world.path("named.toml");
    let words = ["agent", "install", "codex", "anna", "--write", "--file", named.to_str().unwrap()];
    finish(desk.world.command(&words).env("CODEX_HOME", &home), b"").ok();
    assert_eq!(fs::read(&named).unwrap(), fs::read(home.join("config.toml")).unwrap());
    // Where nothing says where it is, nothing is guessed.
    desk.world.run(&["agent", "install", "codex", "anna"]).failed(2, "PATH_UNWRITABLE");
}

/// A name that nobody has would be found out only when the first tool is refused.
#[test]
fn a_name_that_nobody_has_is_pointed_out() {
    let agent = |name: &str| {
        serde_json::json!({
            "agent_id": "agt_00000000000000000000000001", "name": name, "role": "participant", "runtime": "unmanaged",
            "command": [], "created_at": "2026-01-02T11:59:55.000Z",
        })
    };
    for (there, is_known) in [("berta", false), ("anna", true)] {
        let second = agent(there);
        let stub = Stub::new(move |asked| {
            let is_first = !asked.target.contains("cursor=");
            let page = if is_first {
                serde_json::json!({"agents": [agent("adam")], "next_cursor": "adam"})
            } else {
                serde_json::json!({"agents": [second]})
            };
            Reply::Json(200, page)
        });
        let world = World::with_server(&stub.url);
        let ran = world.run(&["agent", "install", "claude", "anna", "--write"]).ok();
        assert_eq!(
            !ran.out.contains("nobody is called anna yet: interlock agent add anna"),
            is_known,
            "{}",
            ran.out
        );
        assert_eq!(stub.asked().len(), 2, "every page is looked at");
    }
}

/// Claude Code's hooks stand in what is a person's own of the folder's settings, beside what they have there.
#[test]
fn hooks_of_claude_are_put_beside_what_is_there_and_taken_out_again() {
    let desk = Desk::new("claude");
    let file = desk.world.path(".claude/settings.local.json");
    let before = "{\"permissions\": {\"allow\": []},\n \"hooks\": {\"Stop\": [{\"hooks\": [{\"type\": \"command\", \"command\": \"say done\"}]}]}}\n";
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    fs::write(&file, before).unwrap();
    let told = desk.install(&["--json"]).ok().only_json();
    assert_eq!(told["hooks"]["file"], ".claude/settings.local.json");
    assert!(
        desk.install(&[]).ok().out.contains("hook claude UserPromptSubmit --as anna"),
        "they are shown first"
    );
    assert_eq!(fs::read_to_string(&file).unwrap(), before, "and nothing is written");
    desk.install(&["--write"]).ok();
    let text = fs::read_to_string(&file).unwrap();
    let settings: Value = serde_json::from_str(&text).unwrap();
    let stop = settings["hooks"]["Stop"].as_array().unwrap();
    assert_eq!((stop.len(), &stop[1]["hooks"][0]["command"]), (2, &"say done".into()), "{text}");
    let ours = stop[0]["hooks"][0]["command"].as_str().unwrap();
    assert!(ours.starts_with(env!("CARGO_BIN_EXE_interlock")) && ours.ends_with(" || true"), "{ours}");
    desk.install(&["--write"]).ok();
    assert_eq!(fs::read_to_string(&file).unwrap(), text, "a second time changes nothing");
    desk.install(&["--remove"]).ok();
    assert_eq!(fs::read_to_string(&file).unwrap(), before);
    assert_eq!(desk.now(), None);
}

/// Nothing is written anywhere when one of the files is not understood.
#[test]
fn what_does_not_fit_leaves_both_files_alone() {
    let desk = Desk::new("claude");
    let file = desk.world.write(".claude/settings.local.json", "{\"hooks\": []}");
    desk.install(&["--write"]).failed(2, "CONFIG_INVALID");
    assert_eq!((desk.now(), fs::read_to_string(&file).unwrap().as_str()), (None, "{\"hooks\": []}"));
    desk.install(&["--write", "--no-hooks"]).ok();
    desk.is_our_bridge();
    assert_eq!(fs::read_to_string(&file).unwrap(), "{\"hooks\": []}");
}

/// Codex runs no hook that its person has not looked at; that is said, and never done for them.
#[test]
fn hooks_of_codex_wait_for_their_person() {
    let desk = Desk::with("codex", b"model = \"m\"\n");
    let written = desk.install(&["--write"]).ok().out;
    assert!(written.contains("type /hooks in it"), "{written}");
    let text = String::from_utf8(desk.now().unwrap()).unwrap();
    let config: toml::Table = text.parse().unwrap();
    assert!(config["hooks"].get("state").is_none(), "nothing is trusted for them: {text}");
    // What Codex writes down when they agree stays when ours goes.
    let agreed = "\n[hooks.state.\"x\"]\ntrusted_hash = \"sha256:0\"\n";
    fs::write(desk.file(), format!("{text}{agreed}")).unwrap();
    desk.install(&["--remove"]).ok();
    assert_eq!(String::from_utf8(desk.now().unwrap()).unwrap(), format!("model = \"m\"\n{agreed}"));
    assert!(!desk.install(&["--no-hooks"]).ok().out.contains("[[hooks."));
}
