//! The metrics of the log that the store writes ahead of its file.

use interlock_engine::read::WriteAhead;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;

/// As of now; nothing where the database keeps its log to itself.
pub(super) fn registry(log: Option<WriteAhead>) -> Registry {
    let mut registry = Registry::with_prefix("interlock");
    let Some(WriteAhead { bytes, copies, failures }) = log else { return registry };
    let bytes = ConstGauge::new(i64::try_from(bytes).unwrap_or(i64::MAX));
    registry.register("write_ahead_log_bytes", "Bytes in the write-ahead log after the last commit", bytes);
    for (name, help, count) in [
        ("write_ahead_log_copies", "Times that the write-ahead log was copied into the file", copies),
        ("write_ahead_log_copy_failures", "Times that copying it failed", failures),
    ] {
        registry.register(name, help, ConstCounter::new(count));
    }
    registry
}
