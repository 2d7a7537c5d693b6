//! interlock-testkit
