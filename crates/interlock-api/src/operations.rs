//! The one operation table. A row without handler, schema, permission or page fails a test.

use interlock_core::actor::{Guarded, Permission};

use crate::operation::{Media, Method, Op, Operation};
use crate::v1::{
    agent, delivery, denial, escalation, event, explain, job, ledger, message, policy, review, search,
    session, snapshot, summary, thread, token, wake, webhook, workspace,
};

/// What a row says of its end, or that it says nothing.
macro_rules! announced {
    () => {
        None
    };
    ($deprecated:expr) => {
        Some($deprecated)
    };
}

// A row whose end, or that of some of its fields, is announced says so before its medium:
// `deprecated Deprecation { .. }, deprecated_fields [DeprecatedField { .. }, ..], media Json,`.

macro_rules! operations {
    ($(
        $(#[doc = $summary:literal])+
        $name:ident = $id:literal $method:ident $path:literal
            tool $tool:expr, permission $permission:ident, mutates $mutates:literal,
            $(deprecated $deprecated:expr,)? $(deprecated_fields [$($field:expr),+],)? media $media:ident,
            $params:ty => $response:ty;
    )*) => {
        $(
            $(#[doc = $summary])+
            #[derive(Debug, Clone, Copy)]
            pub struct $name;

            impl Op for $name {
                const ROW: Operation = Operation {
                    id: $id,
                    method: Method::$method,
                    path: $path,
                    tool: $tool,
                    permission: Permission::$permission,
                    mutates: $mutates,
                    since: "1.0",
                    deprecated: announced!($($deprecated)?),
                    deprecated_fields: &[$($($field),+)?],
                    summary: concat!($($summary),+),
                    media: Media::$media,
                    request: |generator| <$params as schemars::JsonSchema>::json_schema(generator),
                    response: |generator| generator.subschema_for::<$response>(),
                };
                type Params = $params;
                type Response = $response;
            }

            impl Guarded for $name {
                const OPERATION: &'static str = $id;
                const PERMISSION: Permission = Permission::$permission;
            }
        )*

        /// Every operation, in the order of the reference.
        pub const OPERATIONS: &[Operation] = &[$($name::ROW),*];
    };
}

operations! {
    /// Open a thread with its first participants.
    CreateThread = "create_thread" Post "/v1/threads"
        tool Some("create_thread"), permission ThreadCreate, mutates true, media Json,
        thread::CreateThreadParams => thread::ThreadView;
    /// List the threads you may see, newest first.
    ListThreads = "list_threads" Get "/v1/threads"
        tool Some("list_threads"), permission ThreadRead, mutates false, media Json,
        thread::ListThreadsParams => thread::ListThreadsResponse;
    /// Read one thread with its participants and findings.
    GetThread = "get_thread" Get "/v1/threads/{thread_id}"
        tool Some("get_thread"), permission ThreadRead, mutates false, media Json,
        thread::GetThreadParams => thread::ThreadView;
    /// Change a thread's status along its graph; for coordinators of the thread and operators.
    UpdateThreadStatus = "update_thread_status" Post "/v1/threads/{thread_id}/status"
        tool Some("update_thread_status"), permission ThreadStatus, mutates true, media Json,
        thread::UpdateThreadStatusParams => thread::ThreadView;
    /// Let somebody take part in a thread, with nothing unread; for coordinators of the thread and operators.
    AddParticipant = "add_participant" Post "/v1/threads/{thread_id}/participants"
        tool Some("add_participant"), permission ThreadMembers, mutates true, media Json,
        thread::AddParticipantParams => thread::ThreadView;
    /// End somebody's part in a thread, or your own; what waits to wake it ends with it.
    RemoveParticipant = "remove_participant" Post "/v1/threads/{thread_id}/participants/remove"
        tool Some("remove_participant"), permission ThreadMembers, mutates true, media Json,
        thread::RemoveParticipantParams => thread::RemoveParticipantResponse;
    /// Sum a thread up: task, open findings, decisions, last word and unread of each participant. By rules, not by a
    /// model.
    SummarizeThread = "summarize_thread" Get "/v1/threads/{thread_id}/summary"
        tool Some("summarize_thread"), permission ThreadRead, mutates false, media Json,
        summary::SummarizeThreadParams => summary::ThreadSummary;
    /// Post a message; managed addressees are woken in the same transaction.
    PostMessage = "post_message" Post "/v1/threads/{thread_id}/messages"
        tool Some("post_message"), permission MessageWrite, mutates true, media Json,
        message::PostMessageParams => message::PostMessageResponse;
    /// Take a message back; for its sender and for coordinators of the thread. Nobody is woken for it any more.
    CancelMessage = "cancel_message" Post "/v1/threads/{thread_id}/messages/cancel"
        tool Some("cancel_message"), permission MessageWrite, mutates true, media Json,
        message::CancelMessageParams => message::MessageView;
    /// Read messages after a seq, waiting for the next one when asked to.
    ReadMessages = "read_messages" Get "/v1/threads/{thread_id}/messages"
        tool Some("read_messages"), permission ThreadRead, mutates false, media Json,
        message::ReadMessagesParams => message::ReadMessagesResponse;
    /// Search messages by words, sender, event type, status and time, newest first, waiting for one when asked to.
    SearchMessages = "search_messages" Get "/v1/messages/search"
        tool Some("search_messages"), permission ThreadRead, mutates false, media Json,
        search::SearchMessagesParams => search::SearchMessagesResponse;
    /// See how far a message got with each addressee, with the proof of each step, waiting for a step when asked to.
    GetDelivery = "get_delivery" Get "/v1/threads/{thread_id}/delivery"
        tool Some("get_delivery"), permission ThreadRead, mutates false, media Json,
        delivery::GetDeliveryParams => delivery::DeliveryView;
    /// Acknowledge that you have read everything up to a seq.
    AckRead = "ack_read" Post "/v1/threads/{thread_id}/ack"
        tool Some("ack_read"), permission MessageWrite, mutates true, media Json,
        message::AckReadParams => message::AckReadResponse;
    /// List the threads in which something is unread for you, waiting for the first when asked to.
    Inbox = "inbox" Get "/v1/inbox"
        tool Some("inbox"), permission ThreadRead, mutates false, media Json,
        message::InboxParams => message::InboxResponse;
    /// Say that you are there, and hear what waits for you. Outside the ledger.
    HeartbeatSession = "heartbeat_session" Post "/v1/sessions/heartbeat"
        tool Some("heartbeat_session"), permission MessageWrite, mutates false, media Json,
        session::HeartbeatSessionParams => session::HeartbeatSessionResponse;
    /// Say what was seen in an agent's session: a person's prompt, a turn's begin and end. The answer names what waits for
    /// the agent, when the session can be told of it. Outside the ledger, but for what becomes of wakes.
    ObserveSession = "observe_session" Post "/v1/sessions/observe"
        tool None, permission SessionObserve, mutates false, media Json,
        session::ObserveSessionParams => session::ObserveSessionResponse;
    /// Wake a participant of a thread without a message; one that is woken already is not woken twice.
    TriggerParticipant = "trigger_participant" Post "/v1/threads/{thread_id}/trigger"
        tool Some("trigger_participant"), permission MessageWrite, mutates true, media Json,
        wake::TriggerParticipantParams => wake::TriggerParticipantResponse;
    /// Give a participant work: an event `task_assigned` that wakes it; for coordinators of the thread and operators.
    AssignTask = "assign_task" Post "/v1/threads/{thread_id}/tasks"
        tool Some("assign_task"), permission MessageWrite, mutates true, media Json,
        review::AssignTaskParams => message::PostMessageResponse;
    /// Ask for a commit to be looked at: an event `re_review_requested`; for coordinators of the thread and operators.
    RequestReview = "request_review" Post "/v1/threads/{thread_id}/reviews"
        tool Some("request_review"), permission MessageWrite, mutates true, media Json,
        review::RequestReviewParams => message::PostMessageResponse;
    /// See who has accepted or rejected what was asked, and who has not said, waiting for the last one when asked to.
    CollectVerdicts = "collect_verdicts" Get "/v1/threads/{thread_id}/verdicts"
        tool Some("collect_verdicts"), permission ThreadRead, mutates false, media Json,
        review::CollectVerdictsParams => review::CollectVerdictsResponse;
    /// See why each participant of a thread was woken, or was not, and what happens next.
    ExplainWakes = "explain_wakes" Get "/v1/threads/{thread_id}/explain"
        tool Some("explain_wakes"), permission ThreadRead, mutates false, media Json,
        explain::ExplainWakesParams => explain::ExplainWakesResponse;
    /// See who must act in a blocked thread, since when and why, waiting for that when asked to.
    GetEscalation = "get_escalation" Get "/v1/threads/{thread_id}/escalation"
        tool Some("get_escalation"), permission ThreadRead, mutates false, media Json,
        escalation::GetEscalationParams => escalation::EscalationView;
    /// Name somebody else who must act in a blocked thread; it is told, and woken where that is possible. For
    /// coordinators of the thread and operators.
    AssignEscalationOwner = "assign_escalation_owner" Post "/v1/threads/{thread_id}/owner"
        tool Some("assign_escalation_owner"), permission ThreadStatus, mutates true, media Json,
        escalation::AssignEscalationOwnerParams => escalation::EscalationView;
    /// Block an active thread from outside, for a reason.
    EscalateThread = "escalate_thread" Post "/v1/threads/{thread_id}/escalate"
        tool None, permission ThreadOperate, mutates true, media Json,
        escalation::EscalateThreadParams => thread::ThreadView;
    /// Let a blocked thread go on, for a reason; for operators, and for coordinators who override what blocked it.
    UnblockThread = "unblock_thread" Post "/v1/threads/{thread_id}/unblock"
        tool None, permission ThreadStatus, mutates true, media Json,
        escalation::UnblockThreadParams => thread::ThreadView;
    /// Close a thread over everything that is open in it; the reason begins with `human_override:`.
    OverrideCloseThread = "override_close_thread" Post "/v1/threads/{thread_id}/override-close"
        tool None, permission ThreadOperate, mutates true, media Json,
        escalation::OverrideCloseThreadParams => thread::ThreadView;
    /// Read what happened in a thread, messages and wakes in one order, waiting for more when asked to.
    ReadTimeline = "read_timeline" Get "/v1/threads/{thread_id}/timeline"
        tool None, permission ThreadRead, mutates false, media Json,
        thread::ReadTimelineParams => thread::ReadTimelineResponse;
    /// Follow what happens in the workspace as server-sent events, from a position on: what you may see of it, each once,
    /// in the ledger's order.
    FollowEvents = "follow_events" Get "/v1/events"
        tool None, permission ThreadRead, mutates false, media EventStream,
        event::FollowEventsParams => event::CloudEvent;
    /// Register an agent, or a person, under a name that nobody had before.
    RegisterAgent = "register_agent" Post "/v1/agents"
        tool None, permission AgentManage, mutates true, media Json,
        agent::RegisterAgentParams => agent::AgentView;
    /// List the registered agents.
    ListAgents = "list_agents" Get "/v1/agents"
        tool None, permission AgentRead, mutates false, media Json,
        agent::ListAgentsParams => agent::ListAgentsResponse;
    /// List wakes, newest first.
    ListWakes = "list_wakes" Get "/v1/wakes"
        tool None, permission WakeRead, mutates false, media Json,
        wake::ListWakesParams => wake::ListWakesResponse;
    /// Read one wake with its ladder of proof.
    GetWake = "get_wake" Get "/v1/wakes/{wake_id}"
        tool None, permission WakeRead, mutates false, media Json,
        wake::GetWakeParams => wake::WakeView;
    /// Ask again for a wake that came to nothing, as a new one that names it, or for one that waits, at once; for
    /// coordinators of its thread and operators.
    RetryWake = "retry_wake" Post "/v1/wakes/{wake_id}/retry"
        tool None, permission WakeManage, mutates true, media Json,
        wake::RetryWakeParams => wake::WakeView;
    /// End a wake: no attempt follows, and a process that runs for it is stopped; for coordinators of its thread and
    /// operators.
    CancelWake = "cancel_wake" Post "/v1/wakes/{wake_id}/cancel"
        tool None, permission WakeManage, mutates true, media Json,
        wake::CancelWakeParams => wake::WakeView;
    /// Take due wakes for a supervisor, waiting for the first when asked to. Outside the ledger: a lease with a fence.
    ClaimWakes = "claim_wakes" Post "/v1/wakes/claim"
        tool None, permission WakeRun, mutates false, media Json,
        wake::ClaimWakesParams => wake::ClaimWakesResponse;
    /// Keep wakes while their processes live. Outside the ledger.
    RenewWakes = "renew_wakes" Post "/v1/wakes/renew"
        tool None, permission WakeRun, mutates false, media Json,
        wake::RenewWakesParams => wake::RenewWakesResponse;
    /// Report what became of a wake's process.
    ReportWake = "report_wake" Post "/v1/wakes/{wake_id}/report"
        tool None, permission WakeRun, mutates true, media Json,
        wake::ReportWakeParams => wake::WakeView;
    /// Give a supervisor a fresh token for the one it calls with, so that it never needs one that holds for long.
    RenewToken = "renew_token" Post "/v1/tokens/renew"
        tool None, permission WakeRun, mutates false, media Json,
        token::RenewTokenParams => token::RenewTokenResponse;
    /// List jobs, the server's own work, newest first: what waits, what is worked on, what is dead.
    ListJobs = "list_jobs" Get "/v1/jobs"
        tool None, permission JobRead, mutates false, media Json,
        job::ListJobsParams => job::ListJobsResponse;
    /// Read one job: its state, its attempts and why the last one failed.
    GetJob = "get_job" Get "/v1/jobs/{job_id}"
        tool None, permission JobRead, mutates false, media Json,
        job::GetJobParams => job::JobView;
    /// Let a dead job try again, with all its attempts, for a reason.
    RequeueJob = "requeue_job" Post "/v1/jobs/{job_id}/requeue"
        tool None, permission JobManage, mutates true, media Json,
        job::RequeueJobParams => job::JobView;
    /// List what callers were not allowed, newest first.
    ListDenials = "list_denials" Get "/v1/denials"
        tool None, permission LedgerRead, mutates false, media Json,
        denial::ListDenialsParams => denial::ListDenialsResponse;
    /// Read what the caller of a request was not allowed; of requests with the same id the newest.
    GetDenial = "get_denial" Get "/v1/denials/{request_id}"
        tool None, permission LedgerRead, mutates false, media Json,
        denial::GetDenialParams => denial::DenialView;
    /// Take a snapshot: count what the workspace has done by a moment that you name, and sign it into the ledger. The
    /// server alone says what is in it.
    TakeSnapshot = "take_snapshot" Post "/v1/snapshots"
        tool Some("take_snapshot"), permission SnapshotTake, mutates true, media Json,
        snapshot::TakeSnapshotParams => snapshot::SnapshotView;
    /// List snapshots, newest first, waiting for the first when asked to.
    ListSnapshots = "list_snapshots" Get "/v1/snapshots"
        tool Some("list_snapshots"), permission WorkspaceRead, mutates false, media Json,
        snapshot::ListSnapshotsParams => snapshot::ListSnapshotsResponse;
    /// Read one snapshot: jobs, messages, threads and wakes as they were counted, with the digest that the ledger holds.
    GetSnapshot = "get_snapshot" Get "/v1/snapshots/{snapshot_id}"
        tool Some("get_snapshot"), permission WorkspaceRead, mutates false, media Json,
        snapshot::GetSnapshotParams => snapshot::SnapshotView;
    /// See what grew between two snapshots, and by how much in a minute.
    CompareSnapshots = "compare_snapshots" Get "/v1/snapshots/{snapshot_id}/compare"
        tool Some("compare_snapshots"), permission WorkspaceRead, mutates false, media Json,
        snapshot::CompareSnapshotsParams => snapshot::CompareSnapshotsResponse;
    /// See the whole workspace at one look: threads, agents, wakes, and what needs a person.
    GetStatus = "get_status" Get "/v1/status"
        tool None, permission WorkspaceRead, mutates false, media Json,
        workspace::GetStatusParams => workspace::StatusView;
    /// See the constants of waking, guarding and jobs: value, source and default of each.
    GetPolicy = "get_policy" Get "/v1/policy"
        tool None, permission WorkspaceRead, mutates false, media Json,
        policy::GetPolicyParams => policy::PolicyView;
    /// Stop every agent at once; supervisors kill what runs and start nothing more until agents are let go on.
    HaltAgents = "halt_agents" Post "/v1/halt"
        tool None, permission WorkspaceHalt, mutates true, media Json,
        workspace::HaltAgentsParams => workspace::HaltAgentsResponse;
    /// Let agents go on after they were stopped; the wakes that wait are handed out then.
    ResumeAgents = "resume_agents" Post "/v1/resume"
        tool None, permission WorkspaceHalt, mutates true, media Json,
        workspace::ResumeAgentsParams => workspace::ResumeAgentsResponse;
    /// Tell a receiver of events over HTTP, each signed. The answer holds the secret that verifies signatures; no other
    /// does.
    CreateWebhook = "create_webhook" Post "/v1/webhooks"
        tool None, permission WebhookManage, mutates true, media Json,
        webhook::CreateWebhookParams => webhook::WebhookSecretView;
    /// List all webhooks, oldest first.
    ListWebhooks = "list_webhooks" Get "/v1/webhooks"
        tool None, permission WebhookRead, mutates false, media Json,
        webhook::ListWebhooksParams => webhook::ListWebhooksResponse;
    /// Read one webhook, with how far it has been told.
    GetWebhook = "get_webhook" Get "/v1/webhooks/{webhook_id}"
        tool None, permission WebhookRead, mutates false, media Json,
        webhook::GetWebhookParams => webhook::WebhookView;
    /// Change where or of what a webhook is told, or pause it and let it go on where it was.
    UpdateWebhook = "update_webhook" Post "/v1/webhooks/{webhook_id}"
        tool None, permission WebhookManage, mutates true, media Json,
        webhook::UpdateWebhookParams => webhook::WebhookView;
    /// Give a webhook another secret; the one before counts beside it for a while.
    RotateWebhookSecret = "rotate_webhook_secret" Post "/v1/webhooks/{webhook_id}/rotate"
        tool None, permission WebhookManage, mutates true, media Json,
        webhook::RotateWebhookSecretParams => webhook::WebhookSecretView;
    /// Tell a webhook no more, and forget it.
    DeleteWebhook = "delete_webhook" Post "/v1/webhooks/{webhook_id}/delete"
        tool None, permission WebhookManage, mutates true, media Json,
        webhook::DeleteWebhookParams => webhook::DeleteWebhookResponse;
    /// Send a webhook's receiver one event that says nothing, now, and hear what it answers. Outside the ledger.
    TestWebhook = "test_webhook" Post "/v1/webhooks/{webhook_id}/test"
        tool None, permission WebhookManage, mutates false, media Json,
        webhook::TestWebhookParams => webhook::TestWebhookResponse;
    /// Read ledger entries: who did what, when, with which result.
    ListEntries = "list_entries" Get "/v1/ledger/entries"
        tool None, permission LedgerRead, mutates false, media Json,
        ledger::ListEntriesParams => ledger::ListEntriesResponse;
    /// Read the newest signed checkpoint and the key that verifies it.
    GetCheckpoint = "get_checkpoint" Get "/v1/ledger/checkpoint"
        tool None, permission LedgerRead, mutates false, media Json,
        ledger::GetCheckpointParams => ledger::GetCheckpointResponse;
    /// Export the ledger: entries, tiles and signed checkpoint, verifiable without a server.
    ExportLedger = "export_ledger" Get "/v1/ledger/export"
        tool None, permission LedgerRead, mutates false, media Tar,
        ledger::ExportLedgerParams => ledger::ExportLedgerResponse;
}

#[cfg(test)]
#[expect(unreachable_pub, reason = "as the table makes them")]
mod tests {
    use interlock_core::actor::{Guarded, Permission};
    use jiff::civil::date;

    use super::{Media, Method, Op, Operation, thread};
    use crate::{DeprecatedField, Deprecation, Side};

    const END: Deprecation =
        Deprecation { since: date(2026, 11, 28), sunset: date(2027, 12, 1), page: "docs/compatibility.md" };

    operations! {
        /// Ends, with a field that ends before it.
        Old = "old" Get "/v1/old"
            tool None, permission ThreadRead, mutates false,
            deprecated END,
            deprecated_fields [DeprecatedField { side: Side::Request, path: "limit", deprecation: END }],
            media Json,
            thread::ListThreadsParams => thread::ListThreadsResponse;
        /// Stays.
        New = "new" Get "/v1/new"
            tool None, permission ThreadRead, mutates false, media Json,
            thread::ListThreadsParams => thread::ListThreadsResponse;
    }

    #[test]
    fn a_row_announces_ends() {
        let told = |row: &Operation, request: serde_json::Value| {
            let notices = row.notices(request.as_object().unwrap());
            notices.iter().map(|notice| notice.field).collect::<Vec<_>>()
        };
        let [old, new] = OPERATIONS else { panic!("two rows") };
        assert_eq!(told(old, serde_json::json!({"limit": 1})), [None, Some("limit")]);
        assert_eq!(told(old, serde_json::json!({"cursor": "x"})), [None]);
        assert_eq!(told(new, serde_json::json!({"limit": 1})), []);
    }
}
