//! Instances made, found and refused.

use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

use interlock_api::Problem;
use interlock_core::id::WorkspaceId;
use interlock_core::policy::Policy;

use super::{Config, FOLDER, Instance};

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

fn refused<T: std::fmt::Debug>(result: Result<T, Problem>) -> (String, String) {
    let problem = result.unwrap_err();
    (problem.reason, problem.detail)
}

fn parse(text: &str) -> Result<Config, Problem> {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("config.toml");
    std::fs::write(&file, text).unwrap();
    Config::read(&file)
}

#[test]
fn a_new_instance_is_closed_to_others_and_has_every_default() {
    let dir = tempfile::tempdir().unwrap();
    let instance = Instance::create(dir.path()).unwrap();
    assert_eq!(instance.folder(), dir.path().canonicalize().unwrap().join(FOLDER));
    assert_eq!(instance.config.policy, Policy::default());
    assert_eq!(instance.config.listen.to_string(), "127.0.0.1:0");
    assert_eq!(std::fs::read_to_string(instance.folder().join(".gitignore")).unwrap(), "*\n");
    for name in ["", "keys", "logs", "logs/wakes", "state", "worktrees"] {
        assert_eq!(mode(&instance.folder().join(name)), 0o700, "{name}");
    }
    assert_eq!(mode(&instance.config_file()), 0o600);
    let left: Vec<_> = std::fs::read_dir(dir.path()).unwrap().collect();
    assert_eq!(left.len(), 1, "nothing but the folder: {left:?}");
    assert_eq!(instance.run().unwrap(), None);
}

#[test]
fn the_template_names_every_constant_with_its_default() {
    let template = Config::template(WorkspaceId::from_u128(7), None);
    let set = template.replace("# poll", "poll").replace("# accept", "accept").replace("# lease", "lease");
    let (set, unset) = (parse(&set).unwrap(), parse(&template).unwrap());
    assert_eq!(set.policy, unset.policy);
    let names: Vec<&str> = set.policy_set.iter().map(String::as_str).collect();
    assert_eq!(names, ["accept_timeout_ms", "lease_ms", "poll_interval_ms"]);
    assert!(unset.policy_set.is_empty());
    let serde_json::Value::Object(policy) = serde_json::to_value(Policy::default()).unwrap() else {
        panic!()
    };
    for name in policy.keys() {
        assert!(template.contains(&format!("# {name} = ")), "{name}");
    }
}

#[test]
fn an_instance_is_found_from_below_and_by_both_of_its_names() {
    let dir = tempfile::tempdir().unwrap();
    let made = Instance::create(dir.path()).unwrap();
    let below = made.folder().join("..").join("a/b");
    std::fs::create_dir_all(&below).unwrap();
    let below = below.canonicalize().unwrap();
    for found in [
        Instance::find_upwards(&below),
        Instance::find(Some(dir.path())),
        Instance::find(Some(made.folder())),
    ] {
        assert_eq!(found.unwrap().folder(), made.folder());
    }
}

#[test]
fn a_second_instance_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let first = Instance::create(dir.path()).unwrap();
    assert_eq!(refused(Instance::create(dir.path())).0, "INSTANCE_EXISTS");
    assert_eq!(refused(Instance::create(first.folder())).0, "INSTANCE_EXISTS");
    let other = tempfile::tempdir().unwrap();
    std::fs::create_dir(other.path().join(FOLDER)).unwrap();
    assert_eq!(refused(Instance::create(other.path())).0, "INSTANCE_INVALID");
    assert_eq!(refused(Instance::find(Some(other.path()))).0, "INSTANCE_INVALID");
}

#[test]
fn paths_that_cannot_be_used_say_why() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    std::fs::write(&file, "").unwrap();
    symlink("ring", dir.path().join("ring")).unwrap();
    let cases = [
        (file.clone(), "PATH_UNWRITABLE", "is not a folder"),
        (file.join("below"), "PATH_UNWRITABLE", "leads through a file"),
        (dir.path().join("none"), "INSTANCE_INVALID", "does not exist"),
        (dir.path().join("ring"), "INSTANCE_INVALID", "in a circle"),
    ];
    for (path, reason, words) in cases {
        let (found, detail) = refused(Instance::create(&path));
        assert_eq!(found, reason, "{detail}");
        assert!(detail.contains(words), "{detail}");
        assert_eq!(refused(Instance::find(Some(&path))).0, "INSTANCE_INVALID");
    }
}

#[test]
fn a_folder_that_is_a_circle_is_named() {
    let dir = tempfile::tempdir().unwrap();
    symlink(FOLDER, dir.path().join(FOLDER)).unwrap();
    let (reason, detail) = refused(Instance::find(Some(dir.path())));
    assert_eq!(reason, "INSTANCE_INVALID");
    assert!(detail.contains("in a circle"), "{detail}");
}

#[test]
fn a_broken_configuration_names_the_place() {
    let id = format!("workspace_id = \"{}\"\n", WorkspaceId::from_u128(7));
    let cases = [
        (format!("{id}listen = 7\n"), "line 2 column 10"),
        (format!("{id}lisden = \"127.0.0.1:0\"\n"), "line 2 column 1"),
        (format!("{id}[policy]\nlease_ms = \"long\"\n"), "line 3 column 12"),
        (format!("{id}[policy]\nlease_ms = 0\n"), "`lease_ms` is 0"),
        (format!("{id}[policy]\nlease = 60000\n"), "line 3 column 1"),
        ("workspace_id = \"nobody\"\n".into(), "line 1 column 16"),
        ("= = =".into(), "line 1"),
        (String::new(), "workspace_id"),
        ("a".repeat(300_000), "larger than"),
    ];
    for (text, words) in cases {
        let (reason, detail) = refused(parse(&text));
        assert_eq!(reason, "CONFIG_INVALID");
        assert!(detail.contains(words), "{detail}");
    }
}

#[test]
fn a_configuration_that_is_no_text_names_the_byte() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("config.toml");
    std::fs::write(&file, b"# a\n# \xFF").unwrap();
    let (reason, detail) = refused(Config::read(&file));
    assert_eq!(reason, "CONFIG_INVALID");
    assert!(detail.contains("line 2 column 3"), "{detail}");
    assert_eq!(refused(Config::read(dir.path())).0, "CONFIG_INVALID");
}

#[test]
fn a_broken_description_of_the_server_is_no_server() {
    let dir = tempfile::tempdir().unwrap();
    let instance = Instance::create(dir.path()).unwrap();
    std::fs::write(instance.folder().join("run.json"), "{").unwrap();
    assert_eq!(refused(instance.run()).0, "INSTANCE_INVALID");
}
