//! The policy constants of waking, guarding and jobs, as data with their defaults (S002-122).

use crate::actor::{AgentName, closed_set};
use crate::job::RetryPolicy;
use crate::limits::COMMITS_REMEMBERED_MAX;

closed_set! {
    /// What a constant counts.
    Unit {
        /// Milliseconds.
        Ms = "ms",
        /// Attempts of one wake, or of one job.
        Attempts = "attempts",
        /// Agents that run.
        Agents = "agents",
        /// Finished wakes of one thread.
        Turns = "turns",
        /// Reports of one finding.
        Reports = "reports",
        /// Reminders of one escalation.
        Reminders = "reminders",
        /// Wakes.
        Wakes = "wakes",
        /// Agents' messages that led to one another.
        Hops = "hops",
        /// Messages.
        Messages = "messages",
        /// Tokens of a model, read and written.
        Tokens = "tokens",
        /// Millionths of a US dollar.
        MicroUsd = "micro_usd",
        /// Pauses of one agent.
        Pauses = "pauses",
        /// Commits that were pushed.
        Commits = "commits",
    }
}

/// What is known of one constant, whatever its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Constant {
    /// Its name, as `config.toml` has it.
    pub name: &'static str,
    /// What it counts.
    pub unit: Unit,
    /// Its value where none is set.
    pub default: i64,
    /// The least value that is taken.
    pub min: i64,
    /// The largest value that is taken.
    pub max: i64,
    /// What it is for, in a sentence.
    pub meaning: &'static str,
}

/// One day, in milliseconds: nothing that agents do waits for longer.
const DAY_MS: i64 = 86_400_000;
/// A person may be away for longer.
const WEEK_MS: i64 = 7 * DAY_MS;
/// One year: a session may be kept for as long.
const YEAR_MS: i64 = 365 * DAY_MS;
/// A thread remembers so many, so that none of them counts twice.
#[expect(clippy::cast_possible_wrap, reason = "it is small")]
const COMMITS_MAX: i64 = COMMITS_REMEMBERED_MAX as i64;
/// No guard counts further.
const COUNT_MAX: i64 = 1_000_000;
/// No budget is larger: what JSON's numbers hold exactly everywhere.
const SPENT_MAX: i64 = 1_000_000_000_000_000;
/// No more agents run in one workspace.
const RUNNING_MAX: i64 = 10_000;
/// No backlog is longer: one claim sees that it is.
const BACKLOG_MAX: i64 = 100;
/// No window of dispatches is held against more: so many are remembered.
const DISPATCHES_MAX: i64 = 100;

macro_rules! constants {
    ($( $(#[doc = $meaning:literal])+ $name:ident: $type:ty = $default:literal $unit:ident $min:literal to $max:expr; )*) => {
        /// What the rules of `wake`, `guard` and `job` are parameterised with. Durations in milliseconds.
        #[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
        #[serde(deny_unknown_fields, default)]
        pub struct Policy {
            $( $(#[doc = $meaning])+ pub $name: $type, )*
            /// Who must act in a blocked thread that no person opened or leads; absent = an agent that does.
            #[serde(skip_serializing_if = "Option::is_none")]
            pub escalation_owner: Option<AgentName>,
        }

        impl Default for Policy {
            fn default() -> Self {
                Self { $( $name: $default, )* escalation_owner: None }
            }
        }

        /// Every constant, in the order of the reference.
        pub const CONSTANTS: &[Constant] = &[
            $( Constant {
                name: stringify!($name),
                unit: Unit::$unit,
                default: $default,
                min: $min,
                max: $max,
                meaning: concat!($($meaning),+),
            }, )*
        ];

        impl Policy {
            /// Every constant with its value here, in the order of the reference.
            pub fn values(&self) -> impl Iterator<Item = (&'static Constant, i64)> {
                CONSTANTS.iter().zip([ $( i64::from(self.$name), )* ])
            }
        }
    };
}

constants! {
    /// How often due wakes are looked for when no commit announces one.
    poll_interval_ms: i64 = 5_000 Ms 1 to DAY_MS;
    /// How long a runtime may take to accept a wake, from the moment the server knows of its start.
    accept_timeout_ms: i64 = 8_000 Ms 1 to DAY_MS;
    /// Retries after the first attempt of a wake.
    wake_retries_max: u32 = 2 Attempts 0 to 100;
    /// The pause before the first retry; it doubles with each further one.
    retry_backoff_ms: i64 = 2_000 Ms 1 to DAY_MS;
    /// Attempts to resume a session that its runtime did not accept; after so many a fresh one is begun.
    resume_attempts_max: u32 = 2 Attempts 1 to 100;
    /// How long one agent process may run for one wake.
    run_ms_max: i64 = 900_000 Ms 1 to DAY_MS;
    /// How long a supervisor holds a wake without renewing it.
    lease_ms: i64 = 60_000 Ms 1 to DAY_MS;
    /// How long another supervisor has to come for a wake that one cannot run.
    placement_wait_ms: i64 = 3_000 Ms 1 to DAY_MS;
    /// How long after its runtime's session was found in use, by another process or a person, a wake is tried again.
    session_recheck_ms: i64 = 5_000 Ms 1 to DAY_MS;
    /// How long a wake waits for such a session, or for a person at work in it, before it goes on in a fresh one.
    session_defer_max_ms: i64 = 60_000 Ms 1 to DAY_MS;
    /// How long after a person's last prompt in an agent's session nobody else enters it.
    human_quiet_ms: i64 = 20_000 Ms 0 to DAY_MS;
    /// How long a person's turn in an agent's session is believed to run when nobody tells of its end.
    human_turn_ms_max: i64 = 900_000 Ms 1 to DAY_MS;
    /// How long an agent may take to acknowledge what its open session was told of, before its wake is due again.
    ack_timeout_ms: i64 = 120_000 Ms 1 to DAY_MS;
    /// A session without a sign of life for longer than this is not resumed.
    session_stale_ms: i64 = 43_200_000 Ms 1 to YEAR_MS;
    /// So many failed attempts in one session, none of them followed by a good one, and it is not resumed.
    crash_loop_failures: u32 = 3 Attempts 1 to 16;
    /// Within how long they count.
    crash_loop_window_ms: i64 = 900_000 Ms 1 to DAY_MS;
    /// How long one agent process may run in a session begun in the place of another.
    fallback_run_ms_max: i64 = 900_000 Ms 1 to DAY_MS;
    /// So many agents at most run in such sessions at once.
    fallbacks_running_max: u32 = 8 Agents 1 to COUNT_MAX;
    /// How long after a lease has run out another supervisor takes the wake over.
    takeover_grace_ms: i64 = 15_000 Ms 100 to DAY_MS;
    /// So many turns without progress block a thread.
    turns_without_progress_max: u32 = 20 Turns 1 to COUNT_MAX;
    /// The same finding, reported or rejected so often, blocks a thread.
    identical_findings_max: u32 = 3 Reports 1 to COUNT_MAX;
    /// How long whoever must act in a blocked thread is given before being told again; 0 = it is told once.
    escalation_reminder_ms: i64 = 14_400_000 Ms 0 to WEEK_MS;
    /// How often it is told again.
    escalation_reminders_max: u32 = 3 Reminders 0 to 100;
    /// How long a wake is due that no supervisor takes, because none is there or none has its label, before somebody is told; 0 = nobody is told.
    stranded_after_ms: i64 = 600_000 Ms 0 to WEEK_MS;
    /// So many pushed commits in a row count as progress, until a finding is verified or a person says something; further ones do not.
    commits_as_progress_max: u32 = 64 Commits 1 to COMMITS_MAX;
    /// So many wakes of one agent are started in one thread within a minute; 0 = any number.
    wakes_per_minute_max: u32 = 10 Wakes 0 to DISPATCHES_MAX;
    /// So many wakes of one agent that agents alone caused are started in one thread within `auto_wake_window_ms` without progress or a person's message; 0 = any number.
    auto_wakes_max: u32 = 10 Wakes 0 to DISPATCHES_MAX;
    /// The window of `auto_wakes_max`.
    auto_wake_window_ms: i64 = 300_000 Ms 1 to DAY_MS;
    /// The least time from one such wake to the next; 0 = none.
    auto_wake_interval_ms: i64 = 0 Ms 0 to DAY_MS;
    /// When so many due wakes that agents alone caused wait, further ones are put off; 0 = any number may wait.
    backlog_wakes_max: u32 = 50 Wakes 0 to BACKLOG_MAX;
    /// How long those are put off.
    backlog_cooldown_ms: i64 = 60_000 Ms 1 to DAY_MS;
    /// A chain of more agents' messages, each of which led to the next, without progress blocks the thread that it has reached.
    causal_hops_max: u32 = 60 Hops 1 to COUNT_MAX;
    /// The same message of one agent, posted so often in a row without progress, blocks the thread.
    identical_messages_max: u32 = 3 Messages 2 to COUNT_MAX;
    /// So many tokens used for one thread block it; 0 = any number.
    thread_tokens_max: i64 = 0 Tokens 0 to SPENT_MAX;
    /// What one thread may cost, where the runtimes tell a price, before it is blocked; 0 = anything.
    thread_cost_micro_usd_max: i64 = 0 MicroUsd 0 to SPENT_MAX;
    /// When one agent has used so many tokens, its wakes wait until a day has passed since the first of them; 0 = any number.
    agent_tokens_per_day_max: i64 = 0 Tokens 0 to SPENT_MAX;
    /// How long an agent waits whose model's service refused it for its quota and named no time.
    quota_pause_ms: i64 = 300_000 Ms 1 to DAY_MS;
    /// So many such pauses of one agent in a row before a refusal counts as failed.
    quota_pauses_max: u32 = 24 Pauses 0 to COUNT_MAX;
    /// So many agents run at once in the workspace.
    agents_running_max: u32 = 64 Agents 1 to RUNNING_MAX;
    /// Attempts of a job in all; after so many it is dead.
    job_attempts_max: u32 = 10 Attempts 1 to 100;
    /// The longest pause after a job's first failed attempt; it doubles with each further one.
    job_backoff_ms: i64 = 2_000 Ms 1 to DAY_MS;
    /// The longest pause between two attempts of a job.
    job_backoff_max_ms: i64 = 600_000 Ms 1 to DAY_MS;
    /// How long a worker holds a job without renewing it.
    job_lease_ms: i64 = 30_000 Ms 1 to DAY_MS;
}

impl Policy {
    /// Why this set makes no sense, or nothing. Checked before a server starts with it.
    pub fn fault(&self) -> Option<String> {
        let outside = self.values().find(|(constant, value)| *value < constant.min || *value > constant.max);
        if let Some((Constant { name, min, max, .. }, value)) = outside {
            return Some(format!("`{name}` is {value}, allowed are {min} to {max}"));
        }
        let ordered = [
            (self.accept_timeout_ms < self.run_ms_max, "`accept_timeout_ms` must be below `run_ms_max`"),
            (
                self.accept_timeout_ms < self.fallback_run_ms_max,
                "`accept_timeout_ms` must be below `fallback_run_ms_max`",
            ),
            (self.poll_interval_ms < self.lease_ms, "`poll_interval_ms` must be below `lease_ms`"),
            (
                self.session_recheck_ms <= self.session_defer_max_ms,
                "`session_recheck_ms` must not be above `session_defer_max_ms`",
            ),
            (
                self.human_quiet_ms <= self.session_defer_max_ms,
                "`human_quiet_ms` must not be above `session_defer_max_ms`",
            ),
            (
                self.auto_wake_interval_ms < self.auto_wake_window_ms,
                "`auto_wake_interval_ms` must be below `auto_wake_window_ms`",
            ),
            (
                self.job_backoff_ms <= self.job_backoff_max_ms,
                "`job_backoff_ms` must not be above `job_backoff_max_ms`",
            ),
        ];
        ordered.iter().find(|(holds, _)| !holds).map(|(_, rule)| (*rule).to_owned())
    }

    /// How often and when a job is tried again that says nothing else.
    pub const fn job_retry(&self) -> RetryPolicy {
        RetryPolicy {
            base_ms: self.job_backoff_ms,
            cap_ms: self.job_backoff_max_ms,
            attempts_max: self.job_attempts_max,
        }
    }

    /// The pause before attempt number `attempt` + 1, when attempt number `attempt` (from 1) has failed.
    pub fn backoff_ms(&self, attempt: u32) -> i64 {
        let doublings = attempt.saturating_sub(1).min(16);
        self.retry_backoff_ms.saturating_mul(1_i64 << doublings)
    }
}
