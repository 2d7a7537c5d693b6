//! interlock-core
