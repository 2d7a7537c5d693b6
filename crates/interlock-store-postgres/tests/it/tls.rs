//! Encrypted connections to a server whose certificate is made at run time.

use std::fs;

use interlock_store::{Heard, Order, Store, StoreError, Word};
use interlock_store_postgres::{Options, PostgresStore};
use interlock_testkit::postgres::OwnServer;
use interlock_testkit::{Sequencer, Story};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};

use crate::made::block_on;

type Authority = CertifiedIssuer<'static, KeyPair>;

fn authority() -> Authority {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

async fn open(url: &str) -> Result<PostgresStore, StoreError> {
    PostgresStore::open(&Options::at(url)).await
}

#[test]
fn encrypted_with_whom_it_should_be() {
    let ours = authority();
    let key = KeyPair::generate().unwrap();
    let certificate =
        CertificateParams::new(vec!["localhost".into()]).unwrap().signed_by(&key, &ours).unwrap();
    let server = OwnServer::with_certificate(
        "encrypted_with_whom_it_should_be",
        &certificate.pem(),
        &key.serialize_pem(),
    );
    let Some(server) = server else { return };
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, authority: &Authority| {
        let path = folder.path().join(name);
        fs::write(&path, authority.pem()).unwrap();
        path.display().to_string()
    };
    let (right, wrong) = (file("right.pem", &ours), file("wrong.pem", &authority()));
    let url = |more: &str| format!("{}?{more}", server.tcp_url("localhost"));
    let verified = url(&format!("sslmode=verify-full&sslrootcert={right}"));
    block_on(async {
        for refused in [
            url("sslmode=disable"),
            server.tcp_url("localhost"),
            url(&format!("sslmode=verify-full&sslrootcert={wrong}")),
            url(&format!("sslmode=require&sslrootcert={wrong}")),
            // The certificate is for another name.
            format!("{}?sslmode=verify-full&sslrootcert={right}", server.tcp_url("127.0.0.1")),
        ] {
            let error = open(&refused).await.err();
            assert!(matches!(error, Some(StoreError::Unavailable(_))), "{refused}: {error:?}");
        }
        open(&url("sslmode=require")).await.unwrap();
        everything_works(open(&verified).await.unwrap()).await;
    });
}

/// Batches, reads, and what servers tell each other.
async fn everything_works(store: PostgresStore) {
    let neighbours = store.neighbours();
    assert_eq!(neighbours.hear().await, Ok(Heard::Anything));
    let store: std::sync::Arc<dyn Store> = std::sync::Arc::new(store);
    let mut tale = Story::begin(Sequencer::new(store.clone(), 1).await).await;
    let (thread, ws) = (tale.open("work").await, tale.sequencer.workspace_id);
    let envelope = tale.say(thread, "ann", "unread on the way");
    tale.sequencer.run(vec![envelope]).await.1.unwrap();
    assert_eq!(store.messages(ws, thread, 0, 10).await.unwrap().len(), 1);
    let word = Word {
        from: 1,
        workspace_id: ws,
        size: 9,
        threads: None,
        supervisors: true,
        workers: false,
        order: Order::Halt,
    };
    neighbours.tell(&word).await.unwrap();
    assert_eq!(neighbours.hear().await, Ok(Heard::Word(word)));
}
