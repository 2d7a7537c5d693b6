//! Proofs against `ct-merkle`: what we prove it accepts, hash for hash, and what it rejects we reject.

use interlock_ledger::{
    Checkpoint, Hash, LedgerError, ProofError, TREE_SIZE_MAX, consistency_proof, inclusion_proof,
    verify_consistency, verify_inclusion,
};
use proptest::prelude::*;

use crate::tree::{SIZES, oracle};
use crate::world::{Log, NotStored, ORIGIN, leaf};

fn hashes(proof: &[u8]) -> Vec<Hash> {
    proof.chunks_exact(32).map(|chunk| Hash::from_bytes(chunk.try_into().unwrap())).collect()
}

/// The checkpoint this log had at an earlier size.
fn head_at(size: u64) -> Checkpoint {
    Log::of_leaves(size).head()
}

fn positions(size: u64) -> impl Iterator<Item = u64> {
    let interesting = [0, 1, 127, 128, 254, 255, 256, 257, 511, 512, 65_535, 65_536, size / 2, size - 1];
    interesting.into_iter().filter(move |position| *position < size)
}

#[test]
fn inclusion_equals_the_oracle_at_boundaries() {
    for &size in SIZES {
        let (mut log, oracle) = (Log::of_leaves(size), oracle(size));
        let head = log.head();
        for index in positions(size) {
            let proof = inclusion_proof(&mut log, &head, index).unwrap();
            let expected = oracle.prove_inclusion(usize::try_from(index).unwrap());
            assert_eq!(proof, hashes(expected.as_bytes()), "{index} of {size}");
            assert_eq!(verify_inclusion(&proof, &head, index, leaf(index)), Ok(()));
        }
    }
}

#[test]
fn consistency_equals_the_oracle_at_boundaries() {
    for &size in SIZES {
        let (mut log, oracle) = (Log::of_leaves(size), oracle(size));
        let head = log.head();
        for old_size in positions(size).filter(|old_size| *old_size > 0) {
            let proof = consistency_proof(&mut log, old_size, &head).unwrap();
            let expected = oracle.prove_consistency(usize::try_from(size - old_size).unwrap());
            assert_eq!(proof, hashes(expected.as_bytes()), "{old_size} of {size}");
            assert_eq!(verify_consistency(&proof, &head_at(old_size), &head), Ok(()));
        }
    }
}

#[test]
fn proofs_under_an_older_checkpoint_come_from_wider_tiles() {
    let mut log = Log::of_leaves(1_000);
    let head = head_at(700);
    let proof = inclusion_proof(&mut log, &head, 650).unwrap();
    assert_eq!(verify_inclusion(&proof, &head, 650, leaf(650)), Ok(()));
}

#[test]
fn the_empty_log_begins_every_log() {
    let mut log = Log::of_leaves(5);
    let (empty, head) = (head_at(0), log.head());
    assert_eq!(consistency_proof(&mut log, 0, &head).unwrap(), vec![]);
    assert_eq!(verify_consistency(&[], &empty, &head), Ok(()));
    assert_eq!(verify_consistency(&[], &empty, &empty), Ok(()));
    assert_eq!(verify_consistency(&[leaf(0)], &empty, &head), Err(LedgerError::ProofInvalid));
    let wrong = Checkpoint { root: leaf(0), ..empty };
    assert_eq!(verify_consistency(&[], &wrong, &head), Err(LedgerError::ProofInvalid));
    assert_eq!(verify_consistency(&[], &head, &head), Ok(()));
}

#[test]
fn questions_without_answer_are_refused() {
    let mut log = Log::of_leaves(5);
    let head = log.head();
    let outside = LedgerError::IndexOutsideTree { index: 5, size: 5 };
    assert!(
        matches!(inclusion_proof(&mut log, &head, 5), Err(ProofError::Ledger(error)) if error == outside)
    );
    assert!(
        matches!(consistency_proof(&mut log, 6, &head), Err(ProofError::Ledger(error)) if error == outside)
    );
    assert_eq!(verify_inclusion(&[], &head, 5, leaf(5)), Err(outside));
    let other = Checkpoint { origin: "other.test".to_owned(), ..head.clone() };
    assert!(matches!(
        verify_consistency(&[], &other, &head),
        Err(LedgerError::CheckpointOriginMismatch { .. })
    ));
    for size in [TREE_SIZE_MAX + 1, u64::MAX] {
        let giant = Checkpoint { origin: ORIGIN.to_owned(), size, root: Hash::ZERO };
        assert_eq!(verify_inclusion(&[], &giant, 0, leaf(0)), Err(LedgerError::SizeBeyondLimit(size)));
        assert_eq!(verify_consistency(&[], &head, &giant), Err(LedgerError::SizeBeyondLimit(size)));
        assert_eq!(verify_consistency(&[], &head_at(0), &giant), Err(LedgerError::SizeBeyondLimit(size)));
        assert!(inclusion_proof(&mut log, &giant, 0).is_err());
    }
    let endless = vec![Hash::ZERO; 1_000_000];
    assert_eq!(verify_inclusion(&endless, &head, 0, leaf(0)), Err(LedgerError::ProofInvalid));
    let limit = Checkpoint { origin: ORIGIN.to_owned(), size: TREE_SIZE_MAX, root: Hash::ZERO };
    assert_eq!(
        verify_inclusion(&endless[..53], &limit, TREE_SIZE_MAX - 1, leaf(0)),
        Err(LedgerError::ProofInvalid)
    );
    assert!(matches!(
        inclusion_proof(&mut log, &limit, TREE_SIZE_MAX - 1),
        Err(ProofError::Source(NotStored))
    ));
}

#[test]
fn a_damaged_store_proves_nothing() {
    for size in [300, 777, 66_000] {
        let sound = Log::of_leaves(size);
        let head = sound.head();
        for at in [(0, 0), (0, 1), (0, size / 256), (1, 0)] {
            let mut log = sound.clone();
            let tile = log.tiles.get_mut(&at).unwrap();
            tile.hashes.iter_mut().for_each(|byte| *byte ^= 1);
            let position = if at.0 == 0 { at.1 * 256 + 3 } else { 3 };
            let inclusion = inclusion_proof(&mut log, &head, position);
            let growth = consistency_proof(&mut log, position, &head);
            for result in [inclusion, growth] {
                let is_refused = matches!(result, Err(ProofError::Ledger(LedgerError::TilesInconsistent)));
                assert!(is_refused, "tile {at:?} of {size}: {result:?}");
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn proofs_equal_the_oracle_and_changes_break_them(size in 1_u64..1_500, pick in any::<prop::sample::Index>(), bit in 0_usize..256) {
        let (mut log, oracle) = (Log::of_leaves(size), oracle(size));
        let head = log.head();
        let index = pick.index(usize::try_from(size).unwrap());
        let position = index as u64;

        let proof = inclusion_proof(&mut log, &head, position).unwrap();
        prop_assert_eq!(&proof, &hashes(oracle.prove_inclusion(index).as_bytes()));
        prop_assert_eq!(verify_inclusion(&proof, &head, position, leaf(position)), Ok(()));
        prop_assert!(verify_inclusion(&proof, &head, position, leaf(position + 1)).is_err());

        let old = head_at(position + 1);
        let growth = consistency_proof(&mut log, old.size, &head).unwrap();
        prop_assert_eq!(&growth, &hashes(oracle.prove_consistency(usize::try_from(size - old.size).unwrap()).as_bytes()));
        prop_assert_eq!(verify_consistency(&growth, &old, &head), Ok(()));

        for (proof, is_inclusion) in [(proof, true), (growth, false)] {
            if proof.is_empty() {
                continue;
            }
            let mut changed = proof.clone();
            let at = pick.index(changed.len());
            let mut bytes = *changed[at].as_bytes();
            bytes[bit / 8] ^= 1 << (bit % 8);
            changed[at] = Hash::from_bytes(bytes);
            for wrong in [changed, proof[1..].to_vec(), [proof, vec![leaf(0)]].concat()] {
                let verdict = if is_inclusion {
                    verify_inclusion(&wrong, &head, position, leaf(position))
                } else {
                    verify_consistency(&wrong, &old, &head)
                };
                prop_assert_eq!(verdict, Err(LedgerError::ProofInvalid));
            }
        }
    }
}
