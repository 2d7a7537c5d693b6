//! When a quota that is used up is given again, as Codex tells it: in its events, or in what it has written down of a turn.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use interlock_core::id::SessionId;
use serde_json::Value;

/// How much of the end of a session's file is looked through.
const TAIL_BYTES_MAX: u64 = 256 * 1024;
/// Folders and files that are looked through for a session's file, the newest days first.
const ENTRIES_MAX: usize = 20_000;

/// When all of what is used up is given again, in seconds: of a service's rate limits, as they are told with these names
/// for the share that is used and for the time. Nothing when nothing is used up.
pub(crate) fn resets_at_s(limits: &Value, used: &str, at: &str) -> Option<u64> {
    let windows = ["primary", "secondary"].into_iter().filter_map(|name| limits.get(name));
    let is_spent =
        |window: &&Value| window.get(used).and_then(Value::as_f64).is_some_and(|used| used >= 100.0);
    windows.filter(is_spent).filter_map(|window| window.get(at)?.as_u64()).max()
}

/// The same from the end of what Codex has written down of a session. Its events of `exec` tell a time of day only, and not
/// in which zone.
pub(crate) fn written_down(home: &Path, session: SessionId) -> Option<u64> {
    let file = find(&home.join("sessions"), &format!("-{}.jsonl", session.to_uuid_text()))?;
    let read = tail(&file);
    if let Err(error) = &read {
        tracing::debug!(file = %file.display(), %error, "quota.unread");
    }
    let text = read.ok()?;
    let mut limits = text.lines().rev().filter_map(|line| {
        let line: Value = serde_json::from_str(line).ok()?;
        line.pointer("/payload/rate_limits").filter(|limits| limits.is_object()).cloned()
    });
    resets_at_s(&limits.next()?, "used_percent", "resets_at")
}

fn tail(file: &Path) -> io::Result<String> {
    let mut file = File::open(file)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(TAIL_BYTES_MAX)))?;
    let mut bytes = Vec::new();
    file.take(TAIL_BYTES_MAX).read_to_end(&mut bytes)?;
    // It may begin in the middle of a line, and of a character.
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// The file whose name ends so, below this folder: of folders for years, months and days the last come first.
fn find(folder: &Path, ending: &str) -> Option<PathBuf> {
    let mut open = vec![folder.to_owned()];
    let mut left = ENTRIES_MAX;
    while let Some(folder) = open.pop() {
        let mut entries: Vec<_> = std::fs::read_dir(folder).ok()?.flatten().take(left).collect();
        left = left.checked_sub(entries.len()).filter(|left| *left > 0)?;
        entries.sort_by_key(std::fs::DirEntry::file_name);
        for entry in entries {
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                open.push(entry.path());
            } else if entry.file_name().to_str().is_some_and(|name| name.ends_with(ending)) {
                return Some(entry.path());
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_used_up_is_waited_for_to_the_last() {
        let window = |used: f64, at: u64| json!({"used_percent": used, "resets_at": at});
        for (limits, wanted) in [
            (json!({"primary": window(100.0, 7), "secondary": null}), Some(7)),
            (json!({"primary": window(100.0, 7), "secondary": window(100.0, 90)}), Some(90)),
            (json!({"primary": window(42.0, 7), "secondary": window(101.5, 90)}), Some(90)),
            (json!({"primary": window(99.9, 7)}), None),
            (json!({"primary": {"used_percent": 100}}), None),
            (json!({"primary": 100}), None),
            (Value::Null, None),
        ] {
            assert_eq!(resets_at_s(&limits, "used_percent", "resets_at"), wanted, "{limits}");
        }
    }

    #[test]
    fn the_last_word_of_a_sessions_file_counts() {
        let home = tempfile::tempdir().unwrap();
        let session = SessionId::from_u128(7);
        assert_eq!(written_down(home.path(), session), None, "there is no such folder");
        let counted = |used: u64, at: u64| {
            let limits = json!({"primary": {"used_percent": used, "resets_at": at}});
            json!({"type": "event_msg", "payload": {"type": "token_count", "rate_limits": limits}})
                .to_string()
        };
        let write = |day: &str, session: SessionId, lines: &[String]| {
            let folder = home.path().join("sessions/2026/11").join(day);
            std::fs::create_dir_all(&folder).unwrap();
            let name = format!("rollout-2026-11-{day}T04-00-00-{}.jsonl", session.to_uuid_text());
            std::fs::write(folder.join(name), lines.join("\n")).unwrap();
        };
        let other = SessionId::from_u128(8);
        write("30", other, &[counted(100, 99)]);
        let noise = [counted(100, 5), "{".into(), json!({"payload": {"rate_limits": null}}).to_string()];
        write("28", session, &noise);
        assert_eq!(
            (written_down(home.path(), session), written_down(home.path(), other)),
            (Some(5), Some(99))
        );
        write("28", session, &[counted(100, 5), counted(3, 6)]);
        assert_eq!(written_down(home.path(), session), None, "by the last of them nothing is used up");
        // However long it is, its end is read.
        let long = "\u{e9}".repeat(usize::try_from(TAIL_BYTES_MAX).unwrap());
        write("28", session, &[counted(100, 5), long, counted(100, 6)]);
        assert_eq!(written_down(home.path(), session), Some(6));
    }
}
