//! The built binary, as people and programs use it.
