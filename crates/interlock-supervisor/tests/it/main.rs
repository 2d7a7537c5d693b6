//! Tests with real processes and a scripted server.
