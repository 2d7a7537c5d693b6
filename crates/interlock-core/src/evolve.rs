//! What rows become through an event: the only writer of rows.

use crate::event::Event;
use crate::facts::{Corrupt, Facts, Position, RowChange};
use crate::{agent, guard, snapshot, thread, wake, webhook};

/// Apply one event to the facts.
///
/// # Errors
/// [`Corrupt`] when the rows contradict the event; the batch must be aborted.
pub fn evolve(facts: &mut Facts, event: &Event, position: &Position) -> Result<(), Corrupt> {
    agent::evolve(facts, event, position);
    thread::evolve(facts, event, position)?;
    wake::evolve(facts, event, position)?;
    guard::evolve(facts, event, position)?;
    webhook::evolve(facts, event, position)?;
    snapshot::evolve(facts, event, position);
    if let Some(thread_id) = event.thread_id()
        && event.is_on_timeline()
    {
        facts.append(RowChange::Timeline(thread_id, *position, event.clone()));
    }
    Ok(())
}
