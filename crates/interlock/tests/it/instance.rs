//! `init`, and the folders it is pointed at.

use std::os::unix::fs::{PermissionsExt as _, symlink};

use crate::world::World;

#[test]
fn an_instance_is_made_once() {
    let world = World::new();
    let made = world.run(&["init", "--json"]).ok().only_json();
    assert!(made["workspace_id"].as_str().unwrap().starts_with("ws_"));
    assert!(made["instance"].as_str().unwrap().ends_with("/.interlock"));
    let bits = std::fs::metadata(world.path(".interlock")).unwrap().permissions().mode();
    assert_eq!(bits & 0o777, 0o700);
    let config = std::fs::read(world.path(".interlock/config.toml")).unwrap();
    let again = world.run(&["init", "--json"]).failed(1, "INSTANCE_EXISTS").only_json();
    assert_eq!(again["code"], "CONFLICT");
    assert_eq!(std::fs::read(world.path(".interlock/config.toml")).unwrap(), config);
}

#[test]
fn two_instances_are_two_workspaces() {
    let world = World::new();
    for name in ["a", "b"] {
        std::fs::create_dir(world.path(name)).unwrap();
    }
    let made = ["a", "b"].map(|name| world.run(&["init", "--json", "--instance", name]).ok().json());
    assert_ne!(made[0]["workspace_id"], made[1]["workspace_id"]);
    assert_ne!(made[0]["instance"], made[1]["instance"]);
}

#[test]
fn folders_that_cannot_hold_an_instance_are_refused() {
    let world = World::new();
    world.write("file", "");
    symlink("ring", world.path("ring")).unwrap();
    for (dir, reason) in [
        ("file", "PATH_UNWRITABLE"),
        ("file/below", "PATH_UNWRITABLE"),
        ("none", "INSTANCE_INVALID"),
        ("ring", "INSTANCE_INVALID"),
    ] {
        let ran = world.run(&["init", "--json", "--instance", dir]).failed(2, reason);
        assert!(ran.only_json()["detail"].as_str().unwrap().contains('`'), "{ran:?}");
    }
}

#[test]
fn the_variable_for_the_folder_is_checked_before_anything_is_written() {
    let world = World::new();
    world.write("file", "");
    symlink("ring", world.path("ring")).unwrap();
    std::fs::create_dir(world.path("home")).unwrap();
    let absolute = |name: &str| world.path(name).into_os_string();
    for (value, reason) in [
        ("home".into(), "INSTANCE_INVALID"),
        (absolute("none"), "INSTANCE_INVALID"),
        (absolute("ring"), "INSTANCE_INVALID"),
        (absolute("file"), "PATH_UNWRITABLE"),
        ("/proc".into(), "PATH_UNWRITABLE"),
    ] {
        world.run_in(&["init", "--json"], "INTERLOCK_INSTANCE", &value).failed(2, reason);
    }
    assert!(!world.path(".interlock").exists() && !world.path("home/.interlock").exists());
    world.run_in(&["init"], "INTERLOCK_INSTANCE", &absolute("home")).ok();
    assert!(world.path("home/.interlock/config.toml").exists());
    // The option wins over the variable, and an empty variable is none.
    world.run_in(&["init", "--instance", "."], "INTERLOCK_INSTANCE", &absolute("none")).ok();
    world.run_in(&["init"], "INTERLOCK_INSTANCE", "".as_ref()).failed(1, "INSTANCE_EXISTS");
}

#[test]
fn a_log_filter_that_is_none_is_refused() {
    let world = World::with_instance();
    world.run_in(&["up"], "INTERLOCK_LOG", "loud=very".as_ref()).failed(2, "CONFIG_INVALID");
}

#[test]
fn without_an_instance_the_way_to_one_is_named() {
    let ran = World::new().run(&["status"]).failed(2, "INSTANCE_INVALID");
    assert!(ran.err.contains("hint: make an instance with: interlock init\n"), "{ran:?}");
}

#[test]
fn a_broken_configuration_is_refused_with_its_place() {
    let world = World::with_instance();
    let config = std::fs::read_to_string(world.path(".interlock/config.toml")).unwrap();
    world.write(".interlock/config.toml", &format!("{config}surprise = 1\n"));
    let line = config.lines().count() + 1;
    let problem = world.run(&["status", "--json"]).failed(2, "CONFIG_INVALID").only_json();
    let detail = problem["detail"].as_str().unwrap();
    assert!(detail.contains(&format!("line {line} column 1: ")), "{detail}");
    assert!(detail.contains("surprise"), "{detail}");
}

#[test]
fn a_working_directory_that_is_gone_is_named() {
    let world = World::new();
    let gone = world.path("gone");
    std::fs::create_dir(&gone).unwrap();
    let mut command = std::process::Command::new("sh");
    let script = format!(
        "cd '{0}' && rmdir '{0}' && exec '{1}' status",
        gone.display(),
        env!("CARGO_BIN_EXE_interlock")
    );
    let ran = crate::world::Ran::of(&command.args(["-c", &script]).output().unwrap());
    ran.failed(2, "INSTANCE_INVALID");
}
