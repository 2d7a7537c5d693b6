//! interlock-agents
