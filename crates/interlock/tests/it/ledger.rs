//! Exports: written wholly or not at all, and verified offline.

use interlock_ledger::{LogKey, LogSource, TileAt};
use serde_json::json;

use crate::stub::{Reply, Stub};
use crate::world::World;

#[test]
fn an_export_arrives_wholly_or_not_at_all() {
    let whole = Stub::new(|_| Reply::Bytes(vec![7; 300_000], false));
    let world = World::with_server(&whole.url);
    let json = world.run(&["ledger", "export", "out.tar", "--json"]).ok().only_json();
    assert_eq!(json, json!({"file": "out.tar", "bytes": 300_000}));
    assert_eq!(std::fs::read(world.path("out.tar")).unwrap(), vec![7; 300_000]);
    let cut = Stub::new(|_| Reply::Bytes(vec![8; 300_000], true));
    world.says_server(std::process::id(), &cut.url);
    world.run(&["ledger", "export", "out.tar"]).failed(4, "SERVER_UNREACHABLE");
    assert_eq!(std::fs::read(world.path("out.tar")).unwrap(), vec![7; 300_000]);
    let names: Vec<_> =
        std::fs::read_dir(world.path("")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names.len(), 2, "{names:?}");
}

#[test]
fn an_export_goes_only_where_a_file_can_be() {
    let stub = Stub::new(|_| Reply::Bytes(b"abc".to_vec(), false));
    let world = World::with_server(&stub.url);
    world.write("file", "");
    for place in [".", "none/out.tar", "file/out.tar", "/dev/null"] {
        world.run(&["ledger", "export", place]).failed(2, "PATH_UNWRITABLE");
    }
    assert_eq!(world.run(&["ledger", "export", "-"]).ok().out, "abc");
}

#[test]
fn entries_are_listed_with_who_did_what() {
    let stub = Stub::always(
        200,
        json!({"next": 2, "has_more": true, "entries": [{
            "index": 1, "at": "2026-01-02T12:00:00.000Z", "actor": {"name": "anna"}, "operation": "create_thread",
            "events": [{"kind": "thread.created/1"}],
        }]}),
    );
    let ran = World::with_server(&stub.url).run(&["ledger", "entries", "--from", "1"]).ok();
    assert_eq!(
        ran.out,
        "INDEX  AT                        ACTOR  OPERATION      EVENTS\n\
         1      2026-01-02T12:00:00.000Z  anna   create_thread  thread.created/1\nmore with --from 2\n"
    );
}

/// An export of an empty log, and the key that verifies it.
fn empty_export(origin: &str, seed: u8) -> (Vec<u8>, String) {
    let key = LogKey::from_seed([seed; 32]);
    let tree = interlock_ledger::Tree::empty();
    let checkpoint = interlock_ledger::Checkpoint { origin: origin.to_owned(), size: 0, root: tree.root() };
    let note = key.sign_checkpoint(&checkpoint).unwrap();
    let vkey = key.vkey(origin).unwrap();
    (export_of(&note, &vkey), vkey)
}

fn export_of(note: &str, vkey: &str) -> Vec<u8> {
    struct Empty(String);
    impl LogSource for Empty {
        type Error = std::convert::Infallible;
        fn checkpoint(&mut self) -> Result<String, Self::Error> {
            Ok(self.0.clone())
        }
        fn tile(&mut self, _: TileAt) -> Result<Vec<u8>, Self::Error> {
            Ok(Vec::new())
        }
        fn entries(&mut self, _: u64, _: u64) -> Result<Vec<Vec<u8>>, Self::Error> {
            Ok(Vec::new())
        }
    }
    let mut bytes = Vec::new();
    interlock_ledger::write_export(&mut Empty(note.to_owned()), vkey, &mut bytes).unwrap();
    bytes
}

#[test]
fn verifying_says_whose_key_it_was() {
    let (bytes, vkey) = empty_export("interlock.test/ws", 1);
    let (_, other) = empty_export("interlock.test/ws", 2);
    let world = World::new();
    std::fs::write(world.path("out.tar"), &bytes).unwrap();
    let ran = world.run(&["verify", "out.tar", "--json"]).ok();
    assert_eq!(ran.only_json()["key"], "export");
    assert!(ran.err.contains("not whose it is"), "{ran:?}");
    world.write("log.vkey", &format!("{vkey}\n"));
    for key in ["log.vkey", &vkey] {
        let ran = world.run(&["verify", "out.tar", "--key", key, "--json"]).ok();
        assert_eq!(ran.only_json()["key"], "given");
        assert_eq!(ran.err, "");
    }
    world.run(&["verify", "out.tar", "--key", &other]).failed(5, "LEDGER_INVALID");
    world.run(&["verify", "out.tar", "--key", "nonsense"]).failed(2, "PARAMETER_INVALID");
    world.run(&["init"]).ok();
    world.run(&["verify", "out.tar"]).failed(5, "LEDGER_INVALID");
    world.write(".interlock/keys/ledger.vkey", &vkey);
    assert_eq!(world.run(&["verify", "out.tar", "--json"]).ok().only_json()["key"], "instance");
}

#[test]
fn what_is_no_export_does_not_verify() {
    let world = World::new();
    let (mut bytes, _) = empty_export("interlock.test/ws", 1);
    bytes.truncate(bytes.len() / 2);
    std::fs::write(world.path("half.tar"), &bytes).unwrap();
    world.write("empty", "");
    for name in ["half.tar", "empty"] {
        let problem = world.run(&["verify", name, "--json"]).failed(5, "LEDGER_INVALID").only_json();
        assert_eq!(problem["code"], "DATA_LOSS");
    }
    for name in ["none", "."] {
        world.run(&["verify", name]).failed(2, "PARAMETER_INVALID");
    }
}
