//! interlock-ledger
