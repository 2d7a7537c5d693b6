//! What a supervisor logs of each of its rounds (S002-62).

use std::fmt::Debug;
use std::sync::{Arc, Mutex};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

use crate::rig::Rig;
use crate::wait::until_async;

/// Keeps the messages of what is logged.
#[derive(Debug, Clone, Default)]
struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    fn has(&self, message: &str) -> bool {
        self.0.lock().unwrap().iter().any(|line| line == message)
    }
}

impl Visit for Log {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if field.name() == "message" {
            self.0.lock().unwrap().push(format!("{value:?}"));
        }
    }
}

impl Subscriber for Log {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        event.record(&mut self.clone());
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

/// The only test that listens for all threads of its process.
#[tokio::test(flavor = "multi_thread")]
async fn each_round_says_how_it_went() {
    let log = Log::default();
    tracing::subscriber::set_global_default(log.clone()).unwrap();
    let mut rig = Rig::running().await;
    let until = |message: &'static str| {
        let log = log.clone();
        async move { until_async(message, || log.has(message).then_some(())).await }
    };
    until("tick.idle").await;
    assert!(!log.has("tick.completed") && !log.has("tick.failed"));
    rig.wake("executor", 1, "echo here");
    until("tick.completed").await;
    rig.until_reports(&["started", "accepted by output", "exited 0"]).await;
    assert!(!log.has("tick.failed"));
    rig.server.script().is_down = true;
    until("tick.failed").await;
    rig.server.script().is_down = false;
    rig.stop().await.unwrap();
}
