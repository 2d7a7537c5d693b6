//! How far a message got.

use interlock_api::v1::delivery::{AddresseeView, DeliveryView};

use super::style::Paint;
use super::table::{Cell, table};
use super::{View, when};

/// A message's addressees with the steps they reached.
pub(crate) fn show(view: View, delivery: &DeliveryView) -> String {
    let ago = when::ago(delivery.stored_at, view.now);
    let head =
        format!("#{} is {}, stored {ago} in entry {}\n", delivery.seq, delivery.state, delivery.ledger_index);
    if delivery.addressees.is_empty() {
        return head + "it is for nobody who takes part\n";
    }
    let rows: Vec<_> = delivery.addressees.iter().map(|addressee| row(view, addressee)).collect();
    head + &table(view.style, ["AGENT", "STANDING", "WOKEN", "ACCEPTED", "SEEN", "ACTED"], &rows)
}

fn row(view: View, addressee: &AddresseeView) -> [Cell; 6] {
    let ago = |at| when::ago(at, view.now);
    let wake = addressee.wake.as_ref();
    let accepted = wake.and_then(|wake| Some((wake.accepted_at?, wake.evidence?)));
    let seen = addressee.seen.map_or_else(String::new, |seen| match (seen.at, seen.no_later_than) {
        (Some(at), _) => ago(at),
        (None, Some(at)) => format!("by {}", ago(at)),
        (None, None) => String::new(),
    });
    let standing = serde_json::to_value(addressee.standing).ok();
    let standing = standing.as_ref().and_then(serde_json::Value::as_str).unwrap_or_default().to_owned();
    [
        Cell::new(addressee.agent.as_str(), Paint::Cyan),
        standing.into(),
        wake.map_or_else(String::new, |wake| ago(wake.requested_at)).into(),
        accepted.map_or_else(String::new, |(at, proof)| format!("{} ({proof})", ago(at))).into(),
        seen.into(),
        addressee.acted.as_ref().map_or_else(String::new, |acted| format!("#{}", acted.seq)).into(),
    ]
}
