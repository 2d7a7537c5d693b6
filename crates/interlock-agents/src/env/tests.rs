use std::path::PathBuf;

use super::AgentEnv;

const GOOD: [(&str, &str); 5] = [
    ("INTERLOCK_URL", "http://127.0.0.1:7070"),
    ("INTERLOCK_TOKEN", "secret-token"),
    ("INTERLOCK_AGENT", "executor"),
    ("INTERLOCK_THREAD", "thr_00000000000000000000000007"),
    ("INTERLOCK_DEADLINE", "2026-01-02T03:04:05.678Z"),
];

fn parse(missing: &str, wrong: &str) -> Result<AgentEnv, String> {
    let get = |name: &str| {
        let (_, value) = GOOD.iter().find(|(known, _)| *known == name && *known != missing)?;
        Some(if name == wrong { "?!".to_owned() } else { (*value).to_owned() })
    };
    AgentEnv::parse(get, PathBuf::from("/")).map_err(|error| error.to_string())
}

#[test]
fn a_complete_environment_is_read_and_its_token_is_not_shown() {
    let env = parse("", "").unwrap();
    assert_eq!((env.agent.as_str(), env.deadline.as_millis()), ("executor", 1_767_323_045_678));
    assert!(!format!("{env:?}").contains("secret"), "{env:?}");
    assert!(env.left().is_zero() && env.limits().is_over());
}

#[test]
fn what_is_missing_or_wrong_is_named() {
    for (name, _) in GOOD {
        assert!(parse(name, "").unwrap_err().contains(name));
    }
    for name in ["INTERLOCK_AGENT", "INTERLOCK_THREAD", "INTERLOCK_DEADLINE"] {
        assert!(parse("", name).unwrap_err().contains(name));
    }
}
