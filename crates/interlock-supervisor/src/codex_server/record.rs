//! What was asked for where: written before a turn is asked for, so that whoever has the wake next can look for the turn,
//! and knows whether it was us who cut it off.

use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use interlock_api::v1::wake::ClaimedWake;
use interlock_core::id::SessionId;

use super::token;

/// The last turn that was asked for in one thread of ours by one agent. The next one takes its place.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Record {
    /// The server's socket.
    pub(crate) socket: PathBuf,
    /// The thread there.
    pub(crate) session_id: SessionId,
    /// Names our message in it.
    pub(crate) client_id: String,
    /// We have asked for its end before it was over by itself.
    #[serde(default)]
    pub(crate) is_cut: bool,
}

/// Where it stands for this agent in this thread of ours.
pub(crate) fn path(state_dir: &Path, claimed: &ClaimedWake) -> PathBuf {
    token::path(state_dir, claimed).with_extension("turn")
}

impl Record {
    /// The record of the message with this name, if there is one.
    pub(crate) fn read(path: &Path, client_id: &str) -> io::Result<Option<Self>> {
        match std::fs::read(path) {
            Ok(bytes) => {
                let record: Self = serde_json::from_slice(&bytes).map_err(io::Error::other)?;
                Ok(Some(record).filter(|record| record.client_id == client_id))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Put it there as a whole, whoever else does so now.
    pub(crate) fn write(&self, path: &Path) -> io::Result<()> {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        let fresh = path.with_extension(format!("{}.new", std::process::id()));
        let mut file =
            std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&fresh)?;
        file.write_all(&serde_json::to_vec(self).map_err(io::Error::other)?)?;
        std::fs::rename(&fresh, path)
    }

    /// It ends by our word: said before that is asked for.
    pub(crate) fn cut(&self, path: &Path) -> io::Result<()> {
        Self { is_cut: true, ..self.clone() }.write(path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_found_by_its_messages_name_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new/a.turn");
        assert_eq!(Record::read(&path, "wak_x.1").unwrap(), None);
        let record = Record {
            socket: "/run/a.sock".into(),
            session_id: SessionId::from_u128(7),
            client_id: "wak_x.1".into(),
            is_cut: false,
        };
        record.write(&path).unwrap();
        assert_eq!(Record::read(&path, "wak_x.1").unwrap(), Some(record.clone()));
        assert_eq!(Record::read(&path, "wak_x.2").unwrap(), None);
        record.cut(&path).unwrap();
        assert_eq!(Record::read(&path, "wak_x.1").unwrap(), Some(Record { is_cut: true, ..record }));
        std::fs::write(&path, "{").unwrap();
        Record::read(&path, "wak_x.1").unwrap_err();
    }
}
