//! Whatever is typed, the answer is a result or a problem: never a panic, always an exit code of ours.

use proptest::prelude::*;

use crate::world::World;

const CODES: [i32; 7] = [0, 1, 2, 3, 4, 5, 70];

const KNOWN: &str = "
    init status agent add list thread create show post read ack pause resume tail wake log ledger export entries
    verify token issue doctor --json --instance --server --as --help --version --key --to --with --data --event
    --limit --cursor --wait --after --env --role --name --ttl -- - . 0 -1 99999999999999999999 {} anna operator
    anna:coordinator active thr_00000000000000000000000001 wak_00000000000000000000000001 http://127.0.0.1:1
";

fn word() -> impl Strategy<Value = String> {
    let known = prop::sample::select(KNOWN.split_whitespace().chain([""]).collect::<Vec<_>>());
    let harmless = any::<char>().prop_filter("no way out of the folder", |c| !"\0/.".contains(*c));
    let any = prop::collection::vec(harmless, 0..12);
    prop_oneof![9 => known.prop_map(str::to_owned), 1 => any.prop_map(|chars| chars.into_iter().collect())]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_words_end_in_a_result_or_a_problem(words in prop::collection::vec(word(), 0..7)) {
        let world = World::with_instance();
        let ran = world.run(&words);
        prop_assert!(CODES.contains(&ran.code), "{:?}: {:?}", words, ran);
        prop_assert!(ran.code != 70, "{:?}: {:?}", words, ran);
        let is_json = words.iter().take_while(|word| *word != "--").any(|word| word == "--json");
        if is_json {
            prop_assert!(ran.only_json().is_object());
        }
        if ran.code != 0 && !ran.out.contains("CHECK") && !ran.out.contains("doctor/1") {
            prop_assert!(ran.err.contains("error: ") && ran.err.contains("reason: "), "{:?}: {:?}", words, ran);
        }
        prop_assert!(!ran.err.contains('\u{1b}'), "{:?}: {:?}", words, ran);
    }
}
