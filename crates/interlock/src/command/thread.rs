//! `interlock thread …`: everything a person or an agent does in a thread.

use std::io::Read as _;

use clap::{Args, Subcommand};
use interlock_api::Problem;
use interlock_api::operations::{
    AckRead, AddParticipant, CancelMessage, CreateThread, ExplainWakes, GetDelivery, GetThread, ListThreads,
    PostMessage, ReadMessages, RemoveParticipant, UpdateThreadStatus,
};
use interlock_api::v1::delivery::{GetDeliveryParams, Step};
use interlock_api::v1::explain::ExplainWakesParams;
use interlock_api::v1::message::{
    AckReadParams, CancelMessageParams, Data, PostMessageParams, ReadMessagesParams,
};
use interlock_api::v1::thread::{
    AddParticipantParams, CreateThreadParams, GetThreadParams, ListThreadsParams, ParticipantParams,
    RemoveParticipantParams, UpdateThreadStatusParams,
};
use interlock_core::Reason;
use interlock_core::actor::AgentName;
use interlock_core::id::ThreadId;
use interlock_core::limits::MESSAGE_BODY_BYTES_MAX;
use interlock_core::thread::{MessageKind, Priority, Status, ThreadKind, ThreadRole};

use super::message_ref::{self, MessageRef};
use super::{KeyParams, PageParams, lead, owner, search, summary, tail, trigger, view};
use crate::context::Context;
use crate::exit::{Answer, End};
use crate::{argument, render};

/// What can be done with threads.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Open a thread; you take part as its coordinator.
    Create(CreateParams),
    /// List threads, newest change first.
    List(ListParams),
    /// Show one thread with its participants and findings.
    Show(ShowParams),
    /// See a thread in short: what is open, what was decided, who has read how far and said what last.
    Summary(summary::Params),
    /// Post a message; managed addressees are woken.
    Post(PostParams),
    /// Take a message back: nobody is woken for it any more.
    Cancel(CancelParams),
    /// Show how far a message got with each addressee, and by which proof.
    Delivery(DeliveryParams),
    /// Find messages by their words, sender, event type and time, newest first.
    Search(search::Params),
    /// Read messages, waiting for the next one when asked to.
    Read(ReadParams),
    /// Acknowledge that you have read everything up to a message.
    Ack(AckParams),
    /// Change a thread's status.
    Status(StatusParams),
    /// Pause a thread: nobody is woken for it until it is resumed.
    Pause(PauseParams),
    /// Make a blocked or resolved thread active again.
    Resume(ResumeParams),
    /// Let somebody take part in a thread.
    Add(AddParams),
    /// End somebody's part in a thread, or your own.
    Remove(RemoveParams),
    /// Wake somebody in a thread without a message.
    Trigger(trigger::Params),
    /// See who must act in a blocked thread, or name somebody else.
    Owner(owner::Params),
    /// Give a participant work, as whoever leads the thread.
    Assign(lead::AssignParams),
    /// Ask participants to look at a commit, as whoever leads the thread.
    RequestReview(lead::ReviewParams),
    /// See who has accepted or rejected what was asked, and who has not said.
    Verdicts(lead::VerdictsParams),
    /// Watch a thread live, over restarts of the server too.
    Tail(tail::Params),
}

/// What `thread create` takes.
#[derive(Debug, Args)]
pub(crate) struct CreateParams {
    /// The title.
    title: String,
    /// Somebody who takes part, with the part unless it is `participant`.
    #[arg(long = "with", value_name = "NAME[:coordinator]", value_parser = argument::participant)]
    participants: Vec<ParticipantParams>,
    /// What it is for.
    #[arg(long, value_name = "KIND", default_value = "workflow", value_parser = argument::thread_kind())]
    kind: ThreadKind,
    #[command(flatten)]
    key: KeyParams,
}

/// What `thread list` takes.
#[derive(Debug, Args)]
pub(crate) struct ListParams {
    /// Only threads with this status.
    #[arg(long, value_name = "STATUS", value_parser = argument::status())]
    status: Option<Status>,
    #[command(flatten)]
    page: PageParams,
}

/// What `thread show` takes.
#[derive(Debug, Args)]
pub(crate) struct ShowParams {
    /// The thread.
    #[arg(value_name = "THREAD")]
    thread_id: ThreadId,
    /// Why each participant is woken, or is not, and what happens next; only this one when it is named.
    #[arg(long, value_name = "AGENT", num_args = 0..=1)]
    #[expect(clippy::option_option, reason = "how clap tells an option without its value from none")]
    why: Option<Option<AgentName>>,
}

/// What `thread post` takes.
#[derive(Debug, Args)]
pub(crate) struct PostParams {
    /// The thread.
    #[arg(value_name = "THREAD")]
    thread_id: ThreadId,
    /// What to say; `-` reads it from standard input.
    #[arg(value_name = "TEXT|-", required_unless_present = "event")]
    text: Option<String>,
    /// Whom it is for; everybody but you unless said otherwise.
    #[arg(long, value_name = "NAME")]
    to: Vec<AgentName>,
    /// The part in the thread that it is for.
    #[arg(long, value_name = "ROLE", value_parser = argument::thread_role())]
    to_role: Option<ThreadRole>,
    /// Make it an event of this type.
    #[arg(long, value_name = "TYPE")]
    event: Option<String>,
    /// The event's data.
    #[arg(long, value_name = "JSON", requires = "event", value_parser = argument::data)]
    data: Option<Data>,
    /// The message it answers: its id, or its number in the thread.
    #[arg(long, value_name = "MESSAGE")]
    in_reply_to: Option<MessageRef>,
    /// Before everything that is not urgent.
    #[arg(long)]
    urgent: bool,
    /// For how long it counts, such as 90s or 12h, or in milliseconds; nobody is woken for it after that.
    #[arg(long, value_name = "DURATION", value_parser = argument::duration_or_ms)]
    expires_in: Option<u64>,
    /// The message that it stands in the place of.
    #[arg(long, value_name = "MESSAGE")]
    instead_of: Option<MessageRef>,
    /// A message that it follows from.
    #[arg(long = "parent", value_name = "MESSAGE")]
    parents: Vec<MessageRef>,
    #[command(flatten)]
    key: KeyParams,
}

/// What `thread cancel` takes.
#[derive(Debug, Args)]
pub(crate) struct CancelParams {
    /// The thread.
    #[arg(value_name = "THREAD")]
    thread_id: ThreadId,
    /// The message: its id, or its number in the thread.
    #[arg(value_name = "MESSAGE")]
    message: MessageRef,
    /// Why, in words.
    #[arg(long, value_name = "TEXT", default_value = "")]
    reason: String,
    #[command(flatten)]
    key: KeyParams,
}

/// What `thread delivery` takes.
#[derive(Debug, Args)]
pub(crate) struct DeliveryParams {
    /// The thread.
    #[arg(value_name = "THREAD")]
    thread_id: ThreadId,
    /// The message: its id, or its number in the thread.
    #[arg(value_name = "MESSAGE")]
    message: MessageRef,
    /// How long to wait until all addressees have seen it, in milliseconds.
    #[arg(long, value_name = "MS", default_value = "0", value_parser = argument::wait_ms())]
    wait: u32,
}

/// What `thread read` takes.
#[derive(Debug, Args)]
pub(crate) struct ReadParams {
    /// The thread.
    #[arg(value_name = "THREAD")]
    thread_id: ThreadId,
    /// Only messages after this one.
    #[arg(long, value_name = "SEQ", default_value = "0")]
    after: u64,
    /// How long to wait for the first message, in milliseconds.
    #[arg(long, value_name = "MS", default_value = "0", value_parser = argument::wait_ms())]
    wait: u32,
    /// Messages at most.
    #[arg(long, value_name = "ROWS", default_value = "50", value_parser = argument::limit())]
    limit: u32,
}

/// What `thread ack` takes.
#[derive(Debug, Args)]
pub(crate) struct AckParams {
    /// The thread.
    #[arg(value_name = "THREAD")]
    thread_id: ThreadId,
    /// The message up to which you have read everything.
    #[arg(value_name = "SEQ")]
    seq: u64,
    #[command(flatten)]
    key: KeyParams,
}

/// What `thread status` takes.
#[derive(Debug, Args)]
pub(crate) struct StatusParams {
    /// The thread.
    #[arg(value_name = "THREAD")]
    thread_id: ThreadId,
    /// The status wanted.
    #[arg(value_name = "STATUS", value_parser = argument::status())]
    status: Status,
    /// Why, in words.
    #[arg(long, value_name = "TEXT", default_value = "")]
    reason: String,
    /// Who must act while it is blocked.
    #[arg(long, value_name = "NAME")]
    owner: Option<AgentName>,
    #[command(flatten)]
    key: KeyParams,
}

/// What `thread pause` takes.
#[derive(Debug, Args)]
pub(crate) struct PauseParams {
    /// The thread.
    #[arg(value_name = "THREAD")]
    thread_id: ThreadId,
    /// Why, in words.
    #[arg(long, value_name = "TEXT", default_value = "")]
    reason: String,
    #[command(flatten)]
    key: KeyParams,
}

/// What `thread resume` takes.
#[derive(Debug, Args)]
pub(crate) struct ResumeParams {
    /// The thread.
    #[arg(value_name = "THREAD")]
    thread_id: ThreadId,
    /// Why, in words; a resolved thread is not reopened without.
    #[arg(long, value_name = "TEXT", default_value = "")]
    reason: String,
    #[command(flatten)]
    key: KeyParams,
}

/// What `thread add` takes.
#[derive(Debug, Args)]
pub(crate) struct AddParams {
    /// The thread.
    #[arg(value_name = "THREAD")]
    thread_id: ThreadId,
    /// Who, with the part unless it is `participant`.
    #[arg(value_name = "NAME[:coordinator]", value_parser = argument::participant)]
    participant: ParticipantParams,
    #[command(flatten)]
    key: KeyParams,
}

/// What `thread remove` takes.
#[derive(Debug, Args)]
pub(crate) struct RemoveParams {
    /// The thread.
    #[arg(value_name = "THREAD")]
    thread_id: ThreadId,
    /// Who.
    #[arg(value_name = "NAME")]
    agent: AgentName,
    #[command(flatten)]
    key: KeyParams,
}

/// Do it.
pub(crate) async fn run(cx: &Context, verb: Verb) -> End {
    match verb {
        Verb::Create(params) => create(cx, params).await,
        Verb::List(params) => list(cx, params).await,
        Verb::Show(params) => show(cx, &params).await,
        Verb::Summary(params) => summary::run(cx, &params).await,
        Verb::Post(params) => post(cx, params).await,
        Verb::Cancel(params) => cancel(cx, params).await,
        Verb::Delivery(params) => delivery(cx, &params).await,
        Verb::Search(params) => search::run(cx, params).await,
        Verb::Read(params) => read(cx, &params).await,
        Verb::Ack(params) => ack(cx, &params).await,
        Verb::Status(params) => {
            let StatusParams { thread_id, status, reason: text, owner, key } = params;
            let reason = Reason::ByRequest;
            change(cx, UpdateThreadStatusParams { thread_id, status, reason, text, owner }, &key).await
        }
        Verb::Pause(PauseParams { thread_id, reason: text, key }) => {
            let (status, reason) = (Status::Blocked, Reason::Paused);
            change(cx, UpdateThreadStatusParams { thread_id, status, reason, text, owner: None }, &key).await
        }
        Verb::Resume(ResumeParams { thread_id, reason: text, key }) => {
            let (status, reason) = (Status::Active, Reason::ByRequest);
            change(cx, UpdateThreadStatusParams { thread_id, status, reason, text, owner: None }, &key).await
        }
        Verb::Add(params) => add(cx, params).await,
        Verb::Remove(params) => remove(cx, params).await,
        Verb::Owner(params) => owner::run(cx, params).await,
        Verb::Assign(params) => lead::assign(cx, params).await,
        Verb::RequestReview(params) => lead::request_review(cx, params).await,
        Verb::Verdicts(params) => lead::verdicts(cx, &params).await,
        Verb::Trigger(params) => trigger::run(cx, params).await,
        Verb::Tail(params) => tail::run(cx, params).await,
    }
}

async fn create(cx: &Context, params: CreateParams) -> End {
    let request =
        CreateThreadParams { title: params.title, kind: params.kind, participants: params.participants };
    let thread = cx.connect()?.change::<CreateThread>(&request, params.key.as_deref()).await?;
    let who: Vec<&str> = thread.participants.iter().map(|one| one.agent.as_str()).collect();
    let text = format!("opened {} with {}\n", thread.thread_id, who.join(", "));
    Ok(Answer::new(&thread, text)?)
}

async fn list(cx: &Context, params: ListParams) -> End {
    let PageParams { limit, cursor } = params.page;
    let request = ListThreadsParams { status: params.status, cursor, limit, wait_ms: 0 };
    let answer = cx.connect()?.read::<ListThreads>(&request).await?;
    Ok(Answer::new(&answer, render::thread::list(view(cx), &answer))?)
}

async fn show(cx: &Context, params: &ShowParams) -> End {
    if let Some(agent) = &params.why {
        return why(cx, params.thread_id, agent.clone()).await;
    }
    let request = GetThreadParams::now(params.thread_id);
    let thread = cx.connect()?.read::<GetThread>(&request).await?;
    Ok(Answer::new(&thread, render::thread::show(view(cx), &thread))?)
}

async fn why(cx: &Context, thread_id: ThreadId, agent: Option<AgentName>) -> End {
    let request = ExplainWakesParams { thread_id, agent, wait_ms: 0 };
    let answer = cx.connect()?.read::<ExplainWakes>(&request).await?;
    Ok(Answer::new(&answer, render::explain::show(view(cx), &answer))?)
}

async fn post(cx: &Context, params: PostParams) -> End {
    // Before anything is read: a person should not type a message that cannot be sent.
    let connection = cx.connect()?;
    let body = match params.text.as_deref() {
        Some("-") => standard_input()?,
        Some(text) => text.to_owned(),
        None => String::new(),
    };
    let thread_id = params.thread_id;
    let in_reply_to = message_ref::ids(params.in_reply_to, &connection, thread_id).await?.pop();
    let supersedes = message_ref::ids(params.instead_of, &connection, thread_id).await?.pop();
    let parents = message_ref::ids(params.parents, &connection, thread_id).await?;
    let request = PostMessageParams {
        kind: if params.event.is_some() { MessageKind::Event } else { MessageKind::Chat },
        event_type: params.event,
        body,
        data: params.data,
        to: params.to,
        to_role: params.to_role,
        in_reply_to,
        priority: if params.urgent { Priority::Urgent } else { Priority::Normal },
        expires_in_ms: params.expires_in,
        supersedes,
        parents,
        ..PostMessageParams::to_all(thread_id)
    };
    let posted = connection.change::<PostMessage>(&request, params.key.as_deref()).await?;
    let text = format!("posted #{} ({})\n", posted.seq, posted.message_id);
    Ok(Answer::new(&posted, text)?)
}

async fn cancel(cx: &Context, params: CancelParams) -> End {
    let CancelParams { thread_id, message, reason: text, key } = params;
    let connection = cx.connect()?;
    let message_id = message.id(&connection, thread_id).await?;
    let request = CancelMessageParams { thread_id, message_id, text };
    let message = connection.change::<CancelMessage>(&request, key.as_deref()).await?;
    Ok(Answer::new(&message, format!("#{} is {}\n", message.seq, message.state))?)
}

async fn delivery(cx: &Context, params: &DeliveryParams) -> End {
    let connection = cx.connect()?;
    let request = GetDeliveryParams {
        thread_id: params.thread_id,
        message_id: params.message.id(&connection, params.thread_id).await?,
        until: Step::Seen,
        wait_ms: params.wait,
    };
    let answer = connection.read::<GetDelivery>(&request).await?;
    Ok(Answer::new(&answer, render::delivery::show(view(cx), &answer))?)
}

/// The message on standard input, as long as a message may be.
fn standard_input() -> Result<String, Problem> {
    let mut bytes = Vec::new();
    let bytes_max = MESSAGE_BODY_BYTES_MAX as u64;
    std::io::stdin().lock().take(bytes_max + 1).read_to_end(&mut bytes).map_err(|error| {
        Problem::new(Reason::ParameterInvalid, &format!("standard input cannot be read: {error}"), "")
    })?;
    if bytes.len() > MESSAGE_BODY_BYTES_MAX {
        let detail =
            format!("standard input holds more than the {MESSAGE_BODY_BYTES_MAX} bytes of a message");
        return Err(Problem::new(Reason::LimitExceeded, &detail, "")
            .hint("post a summary and say where the whole text lies"));
    }
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        let detail = format!("standard input is no UTF-8 text: byte {at} does not belong there");
        Problem::new(Reason::ParameterInvalid, &detail, "")
    })
}

async fn read(cx: &Context, params: &ReadParams) -> End {
    let request = ReadMessagesParams {
        thread_id: params.thread_id,
        after_seq: params.after,
        limit: params.limit,
        wait_ms: params.wait,
    };
    let answer = cx.connect()?.read::<ReadMessages>(&request).await?;
    Ok(Answer::new(&answer, render::message::list(view(cx), &answer))?)
}

async fn ack(cx: &Context, params: &AckParams) -> End {
    let request = AckReadParams { thread_id: params.thread_id, seq: params.seq };
    let answer = cx.connect()?.change::<AckRead>(&request, params.key.as_deref()).await?;
    Ok(Answer::new(&answer, format!("read up to #{}\n", answer.acked_seq))?)
}

async fn add(cx: &Context, params: AddParams) -> End {
    let ParticipantParams { agent, role } = params.participant;
    let request = AddParticipantParams { thread_id: params.thread_id, agent, role };
    let thread = cx.connect()?.change::<AddParticipant>(&request, params.key.as_deref()).await?;
    let text = format!("{} takes part in {} as {role}\n", request.agent, thread.thread_id);
    Ok(Answer::new(&thread, text)?)
}

async fn remove(cx: &Context, params: RemoveParams) -> End {
    let request = RemoveParticipantParams { thread_id: params.thread_id, agent: params.agent };
    let answer = cx.connect()?.change::<RemoveParticipant>(&request, params.key.as_deref()).await?;
    let text = format!("{} takes no part in {} any more\n", answer.agent, answer.thread_id);
    Ok(Answer::new(&answer, text)?)
}

async fn change(cx: &Context, request: UpdateThreadStatusParams, key: &KeyParams) -> End {
    let thread = cx.connect()?.change::<UpdateThreadStatus>(&request, key.as_deref()).await?;
    Ok(Answer::new(&thread, render::thread::stands(&thread))?)
}
