//! What the database's errors mean: which may be gone when it is tried again, which come again, and which say that what
//! is stored cannot be trusted.

use std::sync::Arc;

use interlock_store::{Store, StoreError};
use interlock_testkit::{Sequencer, Story};

use crate::made::{Made, block_on};

#[derive(Debug, PartialEq)]
enum Kind {
    Unavailable,
    Rejected,
    Corrupt,
}

const fn kind(error: &StoreError) -> Option<Kind> {
    match error {
        StoreError::Unavailable(_) => Some(Kind::Unavailable),
        StoreError::Rejected(_) => Some(Kind::Rejected),
        StoreError::Corrupt(_) => Some(Kind::Corrupt),
        _ => None,
    }
}

/// Each while a message is written; afterwards the same store takes the same message.
#[test]
fn what_an_error_of_the_database_means() {
    let Some(made) = Made::new("what_an_error_of_the_database_means") else { return };
    block_on(async {
        let store: Arc<dyn Store> = Arc::new(made.try_open().await.unwrap());
        let mut tale = Story::begin(Sequencer::new(store.clone(), 1).await).await;
        let (thread, ws) = (tale.open("work").await, tale.sequencer.workspace_id);
        let cases = [
            // Full disk, no memory, a limit of the administrator, a deadlock, a shutdown, a failing disk, read-only.
            ("53100", Kind::Unavailable),
            ("53200", Kind::Unavailable),
            ("57014", Kind::Unavailable),
            ("40P01", Kind::Unavailable),
            ("57P01", Kind::Unavailable),
            ("58030", Kind::Unavailable),
            ("25006", Kind::Unavailable),
            ("42501", Kind::Unavailable),
            // Whatever the server has no code for: a file that may not grow any more, for one.
            ("XX000", Kind::Unavailable),
            ("22021", Kind::Rejected),
            ("23514", Kind::Rejected),
            ("54000", Kind::Rejected),
            ("XX001", Kind::Corrupt),
            ("XX002", Kind::Corrupt),
            ("42P01", Kind::Corrupt),
        ];
        for (n, (code, expected)) in cases.into_iter().enumerate() {
            made.0.sql(&format!(
                "CREATE FUNCTION fails() RETURNS trigger LANGUAGE plpgsql AS
                 $$ BEGIN RAISE EXCEPTION 'made to fail' USING ERRCODE = '{code}'; END $$;
                 CREATE TRIGGER fails BEFORE INSERT ON message FOR EACH ROW EXECUTE FUNCTION fails()"
            ));
            let before = store.dump(ws).await.unwrap();
            let envelope = tale.say(thread, "ann", &format!("number {n}"));
            let error = tale.sequencer.run(vec![envelope.clone()]).await.1.unwrap_err();
            assert_eq!(kind(&error), Some(expected), "{code}: {error:?}");
            assert_eq!(store.dump(ws).await.unwrap(), before, "{code}");
            made.0.sql("DROP FUNCTION fails CASCADE");
            tale.sequencer = tale.sequencer.reopened(store.clone());
            tale.sequencer.give(envelope).await.unwrap();
        }
        assert_eq!(store.messages(ws, thread, 0, 100).await.unwrap().len(), 15);
    });
}
