//! Jobs: the server's own work that nobody waits for, done at least once or dead where a person sees it.
//!
//! A job is enqueued in the transaction of whatever asks for it. Its row is operational: who holds it and how often it
//! was tried is nobody's history. That it died, and that a person let it try again, is in the ledger. What became of all of
//! them is counted in the transaction that changes them.

mod decide;
mod model;
mod totals;

pub use decide::{check_kind, enqueue, not_found};
pub(crate) use decide::{claim, enqueue_alone, finish, renew, requeue};
pub use model::{Job, JobLease, JobState, NewJob, Requeued, RetryPolicy};
pub use totals::{JOB_MS_BOUNDS, JobStep, JobTotals, steps};
