//! Limits of what callers ask for.

use std::time::Duration;

use interlock_core::Reason;

use super::wait;

#[test]
fn a_wait_beyond_its_limit_is_refused_and_not_cut() {
    assert_eq!(wait(0), Ok(Duration::ZERO));
    assert_eq!(wait(50_000), Ok(Duration::from_secs(50)));
    for too_long in [50_001, u32::MAX] {
        assert_eq!(wait(too_long).map_err(|refusal| refusal.reason), Err(Reason::LimitExceeded));
    }
}
