//! interlock-supervisor
