//! The connection against servers of every kind, over real sockets.

use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixListener;

use super::*;
use crate::codex_server::{message, probe};
use interlock_core::id::SessionId;

/// A server that sends these frames to whoever comes, once it has heard something, and then closes.
fn server(frames: Vec<Message>) -> (tempfile::TempDir, std::path::PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("a.sock");
    let listener = UnixListener::bind(&socket).unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let mut socket = tokio_tungstenite::accept_async(stream).await.unwrap();
            let _heard = socket.next().await;
            for frame in frames.clone() {
                // Whoever had enough is gone.
                if socket.send(frame).await.is_err() {
                    break;
                }
            }
            drop(socket.close(None).await);
            // Until the other side has closed too: what it says to a socket that is gone would end it sooner.
            while let Some(Ok(_)) = socket.next().await {}
        }
    });
    (folder, socket)
}

#[tokio::test]
async fn messages_come_whole_and_in_order_and_garbage_between_them_is_noise() {
    let frames = vec![
        Message::text(r#"{"id":1,"result":{}}"#),
        Message::text("not json"),
        Message::binary(vec![0xff, 0x00]),
        Message::Ping(vec![1].into()),
        Message::text(r#"{"method":"turn/started","params":{"later":[1]}}"#),
    ];
    let (_folder, socket) = server(frames);
    let mut wire = Wire::connect(&socket).await.unwrap();
    wire.send(message::notification("initialized")).await.unwrap();
    assert_eq!(wire.next().await, Some(Incoming::Answer { id: 1, result: Ok(json!({})) }));
    assert_eq!(wire.next().await, Some(Incoming::Noise));
    assert_eq!(wire.next().await, Some(Incoming::Noise));
    let told = Incoming::Notice { method: "turn/started".into(), params: json!({"later": [1]}) };
    assert_eq!(wire.next().await, Some(told));
    assert_eq!(wire.next().await, None, "the end is the end");
}

#[tokio::test]
async fn a_message_is_taken_up_to_its_limit_and_not_beyond() {
    for (bytes, is_taken) in [(MESSAGE_BYTES_MAX, true), (MESSAGE_BYTES_MAX + 1, false)] {
        let (_folder, socket) = server(vec![Message::text("x".repeat(bytes))]);
        let mut wire = Wire::connect(&socket).await.unwrap();
        wire.send("{}".into()).await.unwrap();
        assert_eq!(wire.next().await, is_taken.then_some(Incoming::Noise), "{bytes}");
    }
}

/// Nobody there, nobody any more, somebody who speaks something else, somebody who says nothing.
#[tokio::test(start_paused = true)]
async fn a_connection_that_cannot_be_made_says_which_way() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.sock");
    assert_eq!(Wire::connect(&path).await.unwrap_err().kind(), io::ErrorKind::NotFound);
    drop(UnixListener::bind(&path).unwrap());
    assert_eq!(Wire::connect(&path).await.unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
    let other = folder.path().join("b.sock");
    let listener = UnixListener::bind(&other).unwrap();
    let odd = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut asked = [0; 64];
        let _read = stream.read(&mut asked).await.unwrap();
        stream.write_all(b"HTTP/1.1 403 Forbidden\r\n\r\n").await.unwrap();
        listener
    });
    Wire::connect(&other).await.unwrap_err();
    let _listener = odd.await.unwrap();
    let silent = folder.path().join("c.sock");
    let _silence = UnixListener::bind(&silent).unwrap();
    let start = tokio::time::Instant::now();
    assert_eq!(Wire::connect(&silent).await.unwrap_err().kind(), io::ErrorKind::TimedOut);
    assert_eq!(start.elapsed(), CONNECT_MAX);
}

/// A path that is too long for a socket's address is reached through its link.
#[tokio::test]
async fn a_path_may_be_a_link_and_as_long_as_it_likes() {
    let (folder, socket) = server(vec![]);
    let deep = folder.path().join("d".repeat(150));
    std::fs::create_dir(&deep).unwrap();
    std::os::unix::fs::symlink(&socket, deep.join("a.sock")).unwrap();
    Wire::connect(&deep.join("a.sock")).await.unwrap();
}

#[tokio::test]
async fn a_thread_is_loaded_where_its_server_says_so() {
    let thread = SessionId::from_u128(7);
    let answers = |status: &str| {
        let read = json!({"id": 2, "result": {"thread": {"status": {"type": status}}}});
        vec![
            Message::text(r#"{"id":1,"result":{}}"#),
            Message::text("noise"),
            Message::text(read.to_string()),
        ]
    };
    for (status, is_loaded) in
        [("idle", true), ("active", true), ("systemError", true), ("notLoaded", false), ("new", false)]
    {
        let (_folder, socket) = server(answers(status));
        assert_eq!(probe::has_loaded(&socket, thread).await, is_loaded, "{status}");
    }
}

/// Why a server could not be asked is known, and not only that it was not.
#[tokio::test]
async fn a_server_that_cannot_be_asked_is_told_by_its_reason() {
    let thread = SessionId::from_u128(7);
    let refused = |id: u64| Message::text(json!({"id": id, "error": {"message": "too old"}}).to_string());
    let greeted = || Message::text(json!({"id": 1, "result": {}}).to_string());
    for (frames, wanted) in [
        (vec![], Err("it ended the connection before it answered initialize")),
        (vec![refused(1)], Err("it refuses initialize: too old")),
        (vec![greeted()], Err("it ended the connection before it answered thread/read")),
        // A thread that it has not loaded it may not even know.
        (vec![greeted(), refused(2)], Ok(false)),
    ] {
        let (_folder, socket) = server(frames);
        assert_eq!(probe::look(&socket, thread).await, wanted.map_err(str::to_owned));
        assert!(!probe::has_loaded(&socket, thread).await);
    }
    let nowhere = tempfile::tempdir().unwrap().path().join("a.sock");
    let why = probe::look(&nowhere, thread).await.unwrap_err();
    assert!(why.starts_with("it cannot be connected to: "), "{why}");
}

/// People are told how to attach only where somebody listens; what was killed leaves its socket behind.
#[tokio::test]
async fn our_own_server_answers_or_has_left_its_socket_behind() {
    let folder = tempfile::tempdir().unwrap();
    let (state, home) = (folder.path(), folder.path().join("home"));
    assert_eq!(crate::own_server(state, &home).await, None);
    let socket = crate::codex_server::socket(state, &home);
    std::fs::create_dir_all(socket.parent().unwrap()).unwrap();
    let listener = UnixListener::bind(&socket).unwrap();
    let serving = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let mut socket = tokio_tungstenite::accept_async(stream).await.unwrap();
        while let Some(Ok(_)) = socket.next().await {}
    });
    let attach = ["codex", "--remote", &format!("unix://{}", socket.display()), "resume"];
    let attach: Vec<String> = attach.into_iter().map(str::to_owned).collect();
    let server = crate::OwnServer { socket: socket.clone(), answers: true, attach };
    assert_eq!(crate::own_server(state, &home).await, Some(server.clone()));
    serving.await.unwrap();
    let dead = crate::OwnServer { answers: false, ..server };
    assert_eq!(crate::own_server(state, &home).await, Some(dead));
}
