//! S002-102: bodies that were right until somebody changed them by chance. Whatever they are now, they are answered, and never
//! with a defect of ours.

use interlock_api::{Method, OPERATIONS};
use serde_json::Value;

use crate::access::allowed;
use crate::ask::{Ask, fresh, sample};
use crate::world::World;

/// Changed bodies of each operation.
const BODIES: u64 = 60;
/// What is put in: what ends texts and objects, numbers at their ends, and bytes that are no UTF-8.
const PIECES: [&[u8]; 16] = [
    b"\"",
    b"\\",
    b"{",
    b"}",
    b"[",
    b"]",
    b",",
    b":",
    b"null",
    b"-1",
    b"1e400",
    b"18446744073709551616",
    b"\\u0000",
    b"\\ud800",
    b"\xff\xfe",
    b"\0",
];

/// The same numbers at every run (the finalizer of SplitMix64).
struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        usize::try_from((mixed ^ (mixed >> 31)) % u64::try_from(limit.max(1)).unwrap()).unwrap()
    }

    /// The same body with one to four places changed.
    fn changed(&mut self, body: &[u8]) -> Vec<u8> {
        let mut body = body.to_vec();
        for _ in 0..=self.below(4) {
            let at = self.below(body.len());
            match self.below(4) {
                0 => body.truncate(at),
                1 => drop(body.splice(at..at, PIECES[self.below(PIECES.len())].iter().copied())),
                2 => {
                    let end = (at + 1 + self.below(8)).min(body.len());
                    body.splice(at..end, PIECES[self.below(PIECES.len())].iter().copied());
                }
                _ => {
                    if let Some(byte) = body.get_mut(at) {
                        *byte ^= 1 << self.below(8);
                    }
                }
            }
        }
        body
    }
}

#[tokio::test]
async fn bodies_changed_by_chance_are_answered_and_break_nothing() {
    let mut chance = Chance(102);
    let mut refused = 0;
    for row in OPERATIONS.iter().filter(|row| row.method == Method::Post) {
        let world = World::new().await;
        let stage = world.stage().await;
        let params = sample(row, &stage);
        let mut rest = params.clone();
        row.path_parameters().for_each(|name| drop(rest.remove(name)));
        let right = Value::Object(rest).to_string();
        let ask = Ask::of(row, &params).token(&world.token(allowed(row)));
        for _ in 0..BODIES {
            let body = chance.changed(right.as_bytes());
            let mut ask = ask.clone().header("content-type", "application/json").body(body.clone());
            if row.mutates {
                ask = ask.key(&fresh("fuzz"));
            }
            let answer = ask.send(&world).await;
            let text = String::from_utf8_lossy(&body);
            assert!(!answer.status.is_server_error(), "`{}` of {text}: {}", row.id, answer.text());
            // A refusal is one of ours, with everything that it needs.
            refused += u64::from(answer.reason().is_some());
        }
        Ask::new("GET", "/ready").send(&world).await.done();
    }
    let rows = OPERATIONS.iter().filter(|row| row.method == Method::Post).count() as u64;
    assert!(refused > rows * BODIES / 3, "only {refused} were refused");
}
