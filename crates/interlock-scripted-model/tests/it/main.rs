//! The server as programs see it.
