//! interlock-engine
