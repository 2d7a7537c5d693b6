//! Tokens and money, used and allowed.

use interlock_api::v1::thread::BudgetView;
use interlock_core::wake::Usage;

/// Tokens as people say them: `999`, `12.3k`, `4.0M`.
pub(crate) fn tokens(n: u64) -> String {
    match n {
        0..1_000 => n.to_string(),
        1_000..1_000_000 => format!("{}.{}k", n / 1_000, n % 1_000 / 100),
        _ => format!("{}.{}M", n / 1_000_000, n % 1_000_000 / 100_000),
    }
}

/// Millionths of a US dollar as dollars: `1.0500`.
fn dollars(micro: u64) -> String {
    format!("{}.{:04}", micro / 1_000_000, micro % 1_000_000 / 100)
}

/// The price behind the tokens, where it is told.
fn price(usage: Usage) -> String {
    usage.cost_micro_usd.map_or_else(String::new, |micro| format!(", {} USD", dollars(micro)))
}

/// For a column: `12.3k in, 1.1k out, 0.0420 USD`.
pub(crate) fn in_short(usage: Usage) -> String {
    format!("{} in, {} out{}", tokens(usage.input_tokens), tokens(usage.output_tokens), price(usage))
}

/// Tokens and price, as far as the runtime tells.
pub(crate) fn in_full(usage: Usage) -> String {
    let Usage { input_tokens, cached_input_tokens, output_tokens, .. } = usage;
    format!("{input_tokens} tokens in ({cached_input_tokens} cached), {output_tokens} out{}", price(usage))
}

/// What a thread has used of what it may: `12.3k of 100.0k tokens, 0.0420 of 2.0000 USD`; empty where nothing is limited.
pub(crate) fn of_budget(budget: &BudgetView) -> String {
    let spent = budget.spent;
    let of_tokens = budget
        .tokens_max
        .map(|max| format!("{} of {} tokens", tokens(spent.tokens()), tokens(max.unsigned_abs())));
    let of_cost = budget.cost_micro_usd_max.map(|max| {
        format!(
            "{} of {} USD",
            dollars(spent.cost_micro_usd.unwrap_or_default()),
            dollars(max.unsigned_abs())
        )
    });
    of_tokens.into_iter().chain(of_cost).collect::<Vec<_>>().join(", ")
}

/// Whether that is all it may.
pub(crate) fn is_spent(budget: &BudgetView) -> bool {
    let is_over = |spent: u64, max: Option<i64>| max.is_some_and(|max| spent >= max.unsigned_abs());
    is_over(budget.spent.tokens(), budget.tokens_max)
        || is_over(budget.spent.cost_micro_usd.unwrap_or_default(), budget.cost_micro_usd_max)
}
