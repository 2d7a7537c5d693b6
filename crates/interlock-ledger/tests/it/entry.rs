//! Canonical bytes, digests and file names. The digests were computed with Python's `json` and `hashlib`.

use interlock_ledger::{ENTRY_BYTES_MAX, Hash, LedgerError, Resource, TileAt, canonical, leaf_hash};
use serde_json::{Value, json};

use crate::world::envelope;

#[test]
fn canonical_golden() {
    // The example of RFC 8785 3.2.3 and 3.2.4, without the number that has no exact double.
    let value: Value = serde_json::from_str(
        r#"{"numbers":[333333333.33333329,4.50,2e-3,1e-27],"string":"\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/","literals":[null,true,false]}"#,
    )
    .unwrap();
    assert_eq!(
        String::from_utf8(canonical(&value).unwrap()).unwrap(),
        r#"{"literals":[null,true,false],"numbers":[333333333.3333333,4.5,0.002,1e-27],"string":"€$\u000f\nA'B\"\\\\\"/"}"#
    );
}

#[test]
fn envelope_golden() {
    let bytes = envelope(0, &Hash::ZERO);
    assert_eq!(
        String::from_utf8(bytes.clone()).unwrap(),
        concat!(
            r#"{"actor":{"id":"agt_01","kind":"agent"},"at":"2026-01-01T00:00:00Z","events":[{"digest":"#,
            r#""3e7077fd2f66d689e0cee6a7cf5b37bf2dca7c979af356d0a31cbc5c85605c7d","kind":"thread.message_posted/1"}],"#,
            r#""index":0,"operation":"post_message","prev":"#,
            r#""0000000000000000000000000000000000000000000000000000000000000000","v":1,"ws":"ws_01"}"#
        )
    );
    assert_eq!(leaf_hash(&bytes).hex(), "0674a48500d40c174ca3d57e5c3608392c8310258168c84e92ee69f5bff44f24");
}

#[test]
fn keys_sort_by_utf16_units() {
    let value = json!({"\u{fb33}": 1, "\u{1f600}": 2, "a": 3, "A": 4});
    assert_eq!(
        String::from_utf8(canonical(&value).unwrap()).unwrap(),
        "{\"A\":4,\"a\":3,\"\u{1f600}\":2,\"\u{fb33}\":1}"
    );
}

#[test]
fn canonical_refuses_what_it_would_round() {
    let exact = 9_007_199_254_740_991_u64;
    assert_eq!(
        canonical(&json!([exact, "9007199254740993"])).unwrap(),
        br#"[9007199254740991,"9007199254740993"]"#
    );
    for inexact in
        [json!([exact + 1]), json!({"a": exact + 2}), json!(-9_007_199_254_740_993_i64), json!(u64::MAX)]
    {
        assert!(matches!(canonical(&inexact), Err(LedgerError::NumberInexact(_))), "{inexact}");
    }
    assert!(canonical(&f64::NAN).is_err());
    assert_eq!(
        canonical(&json!({"\"": "\\\"9007199254740993"})).unwrap(),
        br#"{"\"":"\\\"9007199254740993"}"#
    );
}

#[test]
fn canonical_refuses_long_entries() {
    let fits = "a".repeat(ENTRY_BYTES_MAX - 2);
    assert_eq!(canonical(&fits).unwrap().len(), ENTRY_BYTES_MAX);
    let bytes = ENTRY_BYTES_MAX + 1;
    assert_eq!(canonical(&format!("{fits}a")), Err(LedgerError::EntryTooLarge { bytes }));
}

#[test]
fn a_file_has_one_name() {
    let tile = |level, index, width| Resource::Tile(TileAt { level, index, width });
    let named = [
        (Resource::Checkpoint, "checkpoint"),
        (tile(0, 0, 256), "tile/0/000"),
        (tile(3, 1_234_067, 256), "tile/3/x001/x234/067"),
        (tile(1, 1_000, 9), "tile/1/x001/000.p/9"),
        (tile(63, u64::MAX, 255), "tile/63/x018/x446/x744/x073/x709/x551/615.p/255"),
        (Resource::Entries { index: 999, width: 1 }, "tile/entries/999.p/1"),
    ];
    for (resource, path) in named {
        assert_eq!(resource.path(), path);
        assert_eq!(Resource::parse(path), Some(resource));
    }
    for path in [
        "",
        "/checkpoint",
        "checkpoint/",
        "tile",
        "tile/",
        "tile/0",
        "tile/0/",
        "tile/0/0",
        "tile/0/0000",
        "tile/64/000",
        "tile/200/000",
        "tile/00/000",
        "tile/-1/000",
        "tile/0/000.p/0",
        "tile/0/000.p/256",
        "tile/0/000.p/01",
        "tile/0/000.p/+1",
        "tile/0/x000/001",
        "tile/0/001/000",
        "tile/0/xx01",
        "tile/data/000",
        "tile/0/x018/x446/x744/x073/x709/x551/616",
        "tile/entries/000.p/1/2",
        "tile/0/../000",
    ] {
        assert_eq!(Resource::parse(path), None, "{path}");
    }
}
