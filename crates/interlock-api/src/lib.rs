//! interlock-api
