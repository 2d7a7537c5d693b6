//! What an engine remembers of supervisors.

use interlock_core::id::WorkspaceId;

use crate::world::World;

/// As `SUPERVISORS_MAX` in docs/limits.md.
const SUPERVISORS_MAX: usize = 256;

#[tokio::test]
async fn the_supervisors_silent_for_longest_are_forgotten() {
    let world = World::new().await;
    for n in 0..=SUPERVISORS_MAX {
        world.engine.heard_again(world.here, &format!("sup-{n:03}"));
    }
    let names: Vec<_> = world.engine.supervisors(world.here).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names.len(), SUPERVISORS_MAX);
    assert!(!names.contains(&"sup-000".to_owned()) && names.contains(&"sup-001".to_owned()));
    assert!(names.contains(&format!("sup-{SUPERVISORS_MAX:03}")));
    // Whoever calls again is no newcomer, and displaces nobody.
    world.engine.heard_again(world.here, "sup-001");
    assert_eq!(world.engine.supervisors(world.here).len(), SUPERVISORS_MAX);
    world.engine.heard_again(WorkspaceId::from_u128(2), "another");
    let names: Vec<_> = world.engine.supervisors(world.here).into_iter().map(|(name, _)| name).collect();
    assert!(names.contains(&"sup-001".to_owned()) && !names.contains(&"sup-002".to_owned()));
}
