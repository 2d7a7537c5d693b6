//! Every limit in one place: named `<thing>_MAX` with its unit, checked in core or at the edge,
//! listed in `docs/limits.md`.

/// Bytes of a request's body.
pub const REQUEST_BYTES_MAX: usize = 64 * 1024;
/// The most that a configuration may make of [`REQUEST_BYTES_MAX`].
pub const REQUEST_BYTES_CEILING: usize = 16 * 1024 * 1024;
/// Bytes of a message's body text.
pub const MESSAGE_BODY_BYTES_MAX: usize = 32 * 1024;
/// Bytes of a message's `data` object as JSON.
pub const MESSAGE_DATA_BYTES_MAX: usize = 16 * 1024;
/// Bytes of a thread's title.
pub const TITLE_BYTES_MAX: usize = 200;
/// Bytes of a reason that a person or an agent gives.
pub const REASON_BYTES_MAX: usize = 2_000;
/// Bytes kept of what an agent said last in a turn; of longer words the beginning.
pub const LAST_MESSAGE_BYTES_MAX: usize = 2_000;
/// Participants of one thread.
pub const PARTICIPANTS_MAX: usize = 64;
/// Addressees named by one message.
pub const ADDRESSEES_MAX: usize = 64;
/// Messages that one message may name as its parents.
pub const PARENTS_MAX: usize = 16;
/// Milliseconds for which a message may be made to count: a year.
pub const EXPIRES_IN_MS_MAX: u64 = 365 * 24 * 60 * 60 * 1_000;
/// Acknowledgements that are remembered of each participant of a thread, with their times.
pub const ACKS_MAX: usize = 8;
/// Messages that one wake remembers having been asked for by; of the others, which end first, it knows the last end.
pub const WAKE_ASKS_MAX: usize = 32;
/// Milliseconds for which an agent that says of itself that it is at work counts as that: three heartbeats.
pub const PRESENT_MS: i64 = 3 * 60 * 1_000;
/// Attempts that one wake remembers: its last ones.
pub const WAKE_ATTEMPTS_KEPT_MAX: usize = 16;
/// Messages that are loaded of those that one wake does not remember: more than the commands of one batch.
pub const ASKS_LOADED_MAX: usize = 1_024;
/// Characters of an agent's name.
pub const AGENT_NAME_CHARS_MAX: usize = 64;
/// Characters of the name of a snapshot's stage.
pub const STAGE_CHARS_MAX: usize = 64;
/// Characters of a label.
pub const LABEL_CHARS_MAX: usize = 64;
/// Labels of one supervisor.
pub const LABELS_MAX: usize = 16;
/// Agents that a claim may name as such that its supervisor cannot run: as many as live wakes are looked at.
pub const CANNOT_RUN_MAX: usize = 512;
/// Claims that a claim may name as known to its supervisor.
pub const HELD_WAKES_MAX: usize = 256;
/// Supervisors that one wake remembers having been declined by.
pub const DECLINES_MAX: usize = 32;
/// Characters of an idempotency key.
pub const IDEMPOTENCY_KEY_CHARS_MAX: usize = 200;
/// Characters of an event type.
pub const EVENT_TYPE_CHARS_MAX: usize = 64;
/// Words of an agent's command line.
pub const COMMAND_WORDS_MAX: usize = 256;
/// Bytes of an agent's launch description as JSON.
pub const LAUNCH_BYTES_MAX: usize = 32 * 1024;
/// Findings one thread may hold.
pub const FINDINGS_MAX: usize = 1_000;
/// Rows of one page.
pub const PAGE_ROWS_MAX: u32 = 200;
/// Rows of one page when the caller names no number.
pub const PAGE_ROWS_DEFAULT: u32 = 50;
/// Milliseconds a long-poll may wait.
pub const WAIT_MS_MAX: u32 = 50_000;
/// Milliseconds for which a renewed token holds: twelve hours.
pub const TOKEN_RENEWED_MS: i64 = 12 * 60 * 60 * 1_000;
/// Wakes handed out by one claim.
pub const CLAIM_WAKES_MAX: u32 = 32;
/// Failed attempts remembered of a participant's session.
pub const SESSION_FAILURES_MAX: usize = 16;
/// Due wakes that one claim asks the guards about.
pub const CLAIM_ASKED_MAX: usize = 128;
/// Of those, wakes of one agent.
pub const CLAIM_ASKED_OF_AGENT_MAX: usize = 4;
/// Events after which one claim begins nothing more that makes some: an entry has a largest size.
pub const CLAIM_EVENTS_MAX: usize = 96;
/// Times of dispatches that are remembered of each participant of a thread and kind of cause.
pub const DISPATCHES_REMEMBERED_MAX: usize = 100;
/// Milliseconds for which a model's quota may put an agent off at once: eight days.
pub const QUOTA_PAUSE_MS_MAX: i64 = 8 * 24 * 60 * 60 * 1_000;
/// Milliseconds for which a wake that waits for its session may go without being looked at; after longer ones it waits anew.
pub const DEFERRAL_GAP_MS_MAX: i64 = 20_000;
/// Commits remembered of a thread, so that announcing one again is no progress.
pub const COMMITS_REMEMBERED_MAX: usize = 64;
/// Agents named of the last hops of a causal chain.
pub const CHAIN_NAMES_MAX: usize = 8;
/// Live wakes looked at by one claim.
pub const LIVE_WAKES_MAX: u32 = 512;
/// Supervisors of a workspace that are remembered; beyond that the one silent for longest is forgotten.
pub const SUPERVISORS_MAX: usize = 256;
/// Sessions of one agent that are remembered; beyond that the one that nobody sits at, or was silent for longest, is
/// forgotten.
pub const SESSIONS_OF_AGENT_MAX: usize = 8;
/// Sessions of a workspace that are remembered; beyond that those that were silent for longest are forgotten.
pub const SESSIONS_MAX: u32 = 4_096;
/// Sessions forgotten at once.
pub const SESSIONS_FORGOTTEN_MAX: u32 = 64;
/// Milliseconds within which a sign of life that says nothing new is not written down again.
pub const SESSION_WRITE_MS: i64 = 5_000;
/// Milliseconds that an observation may lie back: a day.
pub const OBSERVED_AGO_MS_MAX: i64 = 24 * 60 * 60 * 1_000;
/// Threads that a session is told of at once.
pub const SESSION_THREADS_MAX: usize = 8;
/// Threads that one MCP session, or one `subscriptions/listen`, hears of.
pub const SUBSCRIPTIONS_MAX: usize = 256;
/// Subscribers that follow the events of one server at once.
pub const SUBSCRIBERS_MAX: usize = 1_024;
/// Of those, subscribers of one caller.
pub const SUBSCRIBERS_OF_CALLER_MAX: usize = 128;
/// Characters of the beginning of a type that a subscriber asks for.
pub const TYPE_PREFIX_CHARS_MAX: usize = 64;
/// Jobs handed out by one claim.
pub const CLAIM_JOBS_MAX: u32 = 32;
/// Jobs of each state looked at by one claim.
pub const DUE_JOBS_MAX: u32 = 32;
/// Characters of what kind of work a job is.
pub const JOB_KIND_CHARS_MAX: usize = 64;
/// Bytes of a job's name.
pub const JOB_NAME_BYTES_MAX: usize = 200;
/// Bytes of what a job's work needs to know, written as JSON without spaces.
pub const JOB_PAYLOAD_BYTES_MAX: usize = 16_384;
/// Jobs that one server works on at once.
pub const JOBS_AT_ONCE_MAX: u32 = 32;
/// Milliseconds that one attempt of a job may take: five minutes.
pub const JOB_RUN_MS_MAX: i64 = 5 * 60 * 1_000;
/// Bytes kept of why a job's attempt failed.
pub const JOB_ERROR_BYTES_MAX: usize = 1_000;
/// Milliseconds for which a completed job is kept to be looked at: a day.
pub const JOB_KEPT_MS: i64 = 24 * 60 * 60 * 1_000;
/// Webhooks of a workspace.
pub const WEBHOOKS_MAX: usize = 32;
/// Bytes of a webhook's address.
pub const WEBHOOK_URL_BYTES_MAX: usize = 2_000;
/// Beginnings of types that a webhook asks for.
pub const WEBHOOK_TYPES_MAX: usize = 16;
/// Deliveries of one webhook that are under way; while there are more, the ledger keeps the rest.
pub const WEBHOOK_WAITING_MAX: usize = 16;
/// Milliseconds for which a webhook's secret may count beside a newer one: a week.
pub const WEBHOOK_OVERLAP_MS_MAX: u64 = 7 * 24 * 60 * 60 * 1_000;
/// Milliseconds of a `Retry-After` that are waited: an hour.
pub const WEBHOOK_RETRY_AFTER_MS_MAX: i64 = 60 * 60 * 1_000;
/// Milliseconds that a receiver may be given to answer.
pub const WEBHOOK_TIMEOUT_MS_MAX: u64 = 60_000;
/// Attempts that a delivery may be given.
pub const WEBHOOK_ATTEMPTS_MAX: u32 = 100;
/// Denials of a workspace that are remembered: the newest ones.
pub const DENIALS_KEPT_MAX: u32 = 10_000;
/// Denials that wait to be written; what comes on top is counted only.
pub const DENIALS_WAITING_MAX: usize = 1_024;
/// Messages that a thread's summary looks at: its last ones.
pub const SUMMARY_MESSAGES_MAX: u32 = 1_000;
/// Bytes of a text that is searched for.
pub const SEARCH_TEXT_BYTES_MAX: usize = 1_000;
/// Words that are searched for at once.
pub const SEARCH_WORDS_MAX: usize = 32;
/// Characters of a word that an index keeps; what is longer is told apart by the message itself.
pub const SEARCH_WORD_CHARS_MAX: usize = 64;
/// Ledger entries that one search looks at; the next page goes on where it ended.
pub const SEARCH_ENTRIES_MAX: u64 = 5_000;
/// Threads of a reader by which a search narrows down what it looks at.
pub const SEARCH_THREADS_MAX: u32 = 256;
/// Ledger entries that one turn puts into the index of words.
pub const INDEX_ENTRIES_MAX: u64 = 500;
/// The `schema_version` of messages this build writes, and the highest it reads.
pub const SCHEMA_VERSION_MAX: u32 = 1;
