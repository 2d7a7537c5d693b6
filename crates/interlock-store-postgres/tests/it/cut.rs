//! The connection is cut after every request that is made on it, for every kind of command: asked again, it is done once,
//! and everything is as if nothing had been cut.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use interlock_core::actor::{AgentName, Role};
use interlock_core::agent::{Launch, Runtime};
use interlock_core::command::{
    AckRead, AddParticipant, CancelMessage, ChangeStatus, ClaimWakes, PostMessage, RegisterAgent,
    RemoveParticipant, RenewWakes, Report, ReportWake, TriggerParticipant,
};
use interlock_core::thread::{Status, ThreadRole};
use interlock_core::wake::{Claimant, Door, Evidence, Lane, Outcome};
use interlock_core::{Command, Envelope, Reason};
use interlock_store::{Store, StoreError};
use interlock_store_postgres::{Options, PostgresStore};
use interlock_testkit::{Sequencer, Story};
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream, UnixStream};

use crate::made::{Made, block_on};
use crate::trips::{settle, trips};
use crate::wire::{next_word, pass_back};

/// Requests that still pass before the connection is cut; far below zero while none is to be.
struct Fuse(AtomicI64);

const NEVER: i64 = i64::MIN / 2;

impl Fuse {
    fn arm(&self, requests: i64) {
        self.0.store(requests, Ordering::SeqCst);
    }

    /// Whether one was cut; none is any more.
    fn disarm(&self) -> bool {
        self.0.swap(NEVER, Ordering::SeqCst) < 0
    }

    /// A request passes; says whether it is the last.
    fn burns(&self) -> bool {
        let is_last = self.0.fetch_sub(1, Ordering::SeqCst) == 1;
        if is_last {
            self.0.store(NEVER, Ordering::SeqCst);
        }
        is_last
    }
}

async fn proxy(listener: TcpListener, socket: String, fuse: Arc<Fuse>) {
    loop {
        let (client, _) = listener.accept().await.unwrap();
        let server = UnixStream::connect(&socket).await.unwrap();
        tokio::spawn(pass(client, server, Arc::clone(&fuse)));
    }
}

/// Hands on what the client says, word by word. After the last request that passes the client hears nothing more, and the
/// server finds that it is gone.
async fn pass(client: TcpStream, server: UnixStream, fuse: Arc<Fuse>) {
    let (mut from_client, to_client) = client.into_split();
    let (from_server, mut to_server) = server.into_split();
    let hearing = tokio::spawn(pass_back(from_server, to_client));
    let mut is_first = true;
    loop {
        let Ok(word) = next_word(&mut from_client, std::mem::take(&mut is_first)).await else { break };
        // What a request is made of is done, or undone, when it is complete.
        let is_request = matches!(word.first(), Some(b'Q' | b'S'));
        let is_last = is_request && fuse.burns();
        if is_last {
            hearing.abort();
        }
        if to_server.write_all(&word).await.is_err() || is_last {
            break;
        }
    }
    // What was said is done first; then the server sees that nobody is there.
    drop(to_server.shutdown().await);
}

fn name(text: &str) -> AgentName {
    AgentName::parse(text).unwrap()
}

/// Every kind of command, one after the other, each on what those before it have left.
const KINDS: usize = 20;

fn command(tale: &Story, kind: usize) -> Command {
    let mirror = &tale.sequencer.mirror;
    let thread_id = *mirror.threads.keys().next().unwrap();
    let last = mirror.messages.values().last().map(|stored| stored.message.head.message_id);
    let says = |change: &dyn Fn(&mut PostMessage)| {
        let mut post = Story::chat(thread_id, "some \u{1F980} words", &["ann"]);
        change(&mut post);
        Command::PostMessage(post)
    };
    let lease = || mirror.leases.values().next().unwrap().clone();
    let reports = |report| {
        let lease = lease();
        let (wake_id, incarnation, fence) = (lease.wake_id, lease.incarnation, lease.fence);
        Command::ReportWake(ReportWake { wake_id, incarnation, fence, report })
    };
    let becomes = |status| {
        let (reason, text) = (Reason::ByRequest, "because".to_owned());
        Command::ChangeStatus(ChangeStatus { thread_id, status, reason, text, owner: None })
    };
    let (supervisor, incarnation) = ("sup".to_owned(), "life-1".to_owned());
    match kind {
        0 => Command::RegisterAgent(RegisterAgent {
            name: name("dan"),
            role: Role::Participant,
            runtime: Runtime::Unmanaged,
            launch: Launch::default(),
            on: None,
        }),
        1 => Command::AddParticipant(AddParticipant {
            thread_id,
            agent: name("dan"),
            role: ThreadRole::Participant,
        }),
        2 => says(&|_| {}),
        3 => says(&|post| post.in_reply_to = last),
        4 => says(&|post| {
            post.terms.supersedes = last;
            post.terms.parents = last.into_iter().collect();
            post.terms.expires_in_ms = Some(100_000);
            post.terms.is_urgent = true;
        }),
        5 => {
            Command::CancelMessage(CancelMessage { thread_id, message_id: last.unwrap(), text: "no".into() })
        }
        6 => Command::AckRead(AckRead { thread_id, seq: 1 }),
        7 => becomes(Status::Blocked),
        8 => becomes(Status::Active),
        9 => Command::TriggerParticipant(TriggerParticipant {
            thread_id,
            agent: name("bob"),
            override_reason: None,
        }),
        10 => Command::HaltAgents,
        11 => Command::ResumeAgents { since: None },
        12 => Command::ClaimWakes(ClaimWakes {
            supervisor,
            incarnation,
            limit: 1,
            lane: Lane::Trigger,
            doors: Door::OF_EVERY_SUPERVISOR.to_vec(),
            claimant: Claimant::default(),
        }),
        13 => reports(Report::Started { lane: Lane::Trigger, door: None }),
        14 => reports(Report::Accepted { evidence: Evidence::Output, session_id: None }),
        15 => {
            let lease = lease();
            Command::RenewWakes(RenewWakes {
                supervisor,
                incarnation,
                wakes: vec![(lease.wake_id, lease.fence)],
            })
        }
        16 => Command::NoteCall { wake_id: lease().wake_id },
        17 => reports(Report::Ended {
            outcome: Outcome::Exited { code: 1 },
            usage: None,
            is_session_total: false,
            last_message: None,
        }),
        18 => Command::RemoveParticipant(RemoveParticipant { thread_id, agent: name("dan") }),
        19 => becomes(Status::Resolved),
        other => panic!("there is no kind {other}"),
    }
}

/// A story up to the command of this kind, which is given back.
async fn told(store: Arc<dyn Store>, workspace: u128, kind: usize) -> (Story, Envelope) {
    let mut tale = Story::begin(Sequencer::new(store, workspace).await).await;
    tale.open("work").await;
    for before in 0..kind {
        let command = command(&tale, before);
        tale.tell("olga", command).await.unwrap_or_else(|| panic!("{before} is refused"));
    }
    let command = command(&tale, kind);
    let envelope = tale.envelope("olga", command);
    (tale, envelope)
}

/// Ask until it is done; says whether the connection was cut on the way.
async fn insist(
    mut sequencer: Sequencer,
    cut: &Arc<dyn Store>,
    envelope: &Envelope,
    fuse: &Fuse,
    requests: i64,
) -> bool {
    fuse.arm(requests);
    for _ in 0..3 {
        match sequencer.run(vec![envelope.clone()]).await {
            (outcomes, Ok(_)) => {
                assert!(outcomes.iter().all(Result::is_ok), "{outcomes:?}");
                return fuse.disarm();
            }
            (_, Err(error)) => assert!(matches!(error, StoreError::Unavailable(_)), "{error:?}"),
        }
        sequencer = sequencer.reopened(cut.clone());
    }
    panic!("never done");
}

/// Where a command is given: to a writer that knows nothing yet, or to one whose last batches have left all that it needs.
#[derive(Clone, Copy, PartialEq)]
enum Way {
    TwoTrips,
    OneTrip,
}

/// A writer behind the proxy that goes on where the story ends, and what to give it.
async fn ready(
    (direct, cut): (&Arc<dyn Store>, &Arc<dyn Store>),
    workspace: u128,
    kind: usize,
    way: Way,
) -> (Sequencer, Envelope) {
    let (mut tale, envelope) = told(direct.clone(), workspace, kind).await;
    if way == Way::TwoTrips {
        return (tale.sequencer.reopened(cut.clone()), envelope);
    }
    tale.sequencer.store = cut.clone();
    settle(&mut tale).await;
    (tale.sequencer, envelope)
}

fn check(test: &str, kinds: impl IntoIterator<Item = usize>, way: Way) {
    let Some(made) = Made::new(test) else { return };
    let Some((socket, name)) = made.socket() else {
        eprintln!("SKIP {test}: the server is not ours");
        return;
    };
    block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let fuse = Arc::new(Fuse(AtomicI64::new(NEVER)));
        tokio::spawn(proxy(listener, socket, Arc::clone(&fuse)));
        let store: Arc<dyn Store> = Arc::new(made.try_open().await.unwrap());
        let url = format!("postgresql://interlock@127.0.0.1:{port}/{name}");
        let options = Options { connections: 1, ..Options::at(url) };
        let cut: Arc<dyn Store> = Arc::new(PostgresStore::open(&options).await.unwrap());
        let mut workspace = 0;
        for kind in kinds {
            workspace += 1;
            let (sequencer, envelope) = ready((&store, &cut), workspace, kind, way).await;
            let (ws, before) = (sequencer.workspace_id, trips(&cut));
            insist(sequencer, &cut, &envelope, &fuse, i64::MAX).await;
            assert_eq!(trips(&cut).one - before.one, u64::from(way == Way::OneTrip), "kind {kind}");
            let whole = store.dump(ws).await.unwrap();
            let (mut requests, mut cuts) = (1, 0);
            loop {
                workspace += 1;
                let (sequencer, envelope) = ready((&store, &cut), workspace, kind, way).await;
                let ws = sequencer.workspace_id;
                let was_cut = insist(sequencer, &cut, &envelope, &fuse, requests).await;
                assert_eq!(
                    store.dump(ws).await.unwrap(),
                    whole,
                    "kind {kind}, cut after {requests} requests"
                );
                if !was_cut {
                    break;
                }
                cuts += 1;
                requests += 1;
            }
            let least = if way == Way::OneTrip { 1 } else { 3 };
            assert!(cuts >= least, "kind {kind} makes only {requests} requests");
        }
    });
}

#[test]
fn a_connection_cut_after_any_request_of_any_command_leaves_no_half_state() {
    check("a_connection_cut_after_any_request_of_any_command_leaves_no_half_state", 0..KINDS, Way::TwoTrips);
}

/// A post and an acknowledgement.
#[test]
fn a_connection_cut_after_any_request_of_a_single_trip_leaves_no_half_state() {
    check("a_connection_cut_after_any_request_of_a_single_trip_leaves_no_half_state", [2, 6], Way::OneTrip);
}
