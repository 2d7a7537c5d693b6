//! What people read in a terminal that has few columns.

use super::super::policy;
use super::*;

fn within(columns: usize) -> Style {
    Style::new(false).within(columns)
}

fn rows() -> [[Cell; 4]; 2] {
    let id = |n: u32| format!("wak_{n:026}");
    [
        [id(1).into(), "clerk".into(), "".into(), "".into()],
        [id(2).into(), "broken".into(), id(3).into(), "the agent's process ended with an error".into()],
    ]
}

const HEADING: [&str; 4] = ["WAKE", "AGENT", "AFTER", "WHY"];

#[test]
fn what_has_no_room_beside_goes_on_below_and_its_text_is_broken_between_words() {
    let expected = "\
WAKE                            AGENT
    AFTER                           WHY
wak_00000000000000000000000001  clerk
wak_00000000000000000000000002  broken
    wak_00000000000000000000000003  the agent's process ended with
                                    an error
";
    assert_eq!(table(within(68), HEADING, &rows()), expected);
    let wide = table(Style::new(false), HEADING, &rows());
    assert_eq!(wide.lines().count(), 3, "what is no terminal is not broken: {wide}");
    assert_eq!(table(within(120), HEADING, &rows()), wide, "nor what fits");
}

#[test]
fn nothing_is_wider_than_the_terminal() {
    let answer = json!({"constants": [
        {"name": "poll_interval_ms", "unit": "ms", "value": 5_000, "default": 5_000, "source": "default",
         "min": 1, "max": 86_400_000, "meaning": "How often due wakes are looked for when no commit announces one."},
    ]});
    for columns in [40, 80, 120] {
        let view = View { style: within(columns), ..view() };
        let shown = [policy::show(view, &of(answer.clone())), wake::show(view, &of(one_wake()))];
        for line in shown.iter().flat_map(|text| text.lines()) {
            assert!(safe::width(line) <= columns, "{columns}: {line}");
        }
    }
}

/// A text in the midst of a row is broken too, and what follows it stands below: nobody has to look for it far on the right.
#[test]
fn a_long_text_in_the_midst_is_followed_below() {
    let rows = [
        ["ok", "lock", "held by process 1200 (interlock up, since the morning)", ""].map(Cell::from),
        ["warn", "threads", "1 blocked thread waits for a person", "see them: interlock status"]
            .map(Cell::from),
    ];
    let expected = [
        "      CHECK    FOUND",
        "    WHAT TO DO",
        "ok    lock     held by process 1200 (interlock up, since",
        "               the morning)",
        "warn  threads  1 blocked thread waits for a person",
        "    see them: interlock status\n",
    ]
    .join("\n");
    assert_eq!(table(within(56), ["", "CHECK", "FOUND", "WHAT TO DO"], &rows), expected);
}

#[test]
fn a_column_that_is_empty_is_left_out() {
    let rows = [["a".into(), "".into(), "c".into()]];
    assert_eq!(table(Style::new(false), ["X", "ON", "Z"], &rows), "X  Z\na  c\n");
    assert_eq!(
        table::<2>(Style::new(false), ["X", "Z"], &[]),
        "X  Z\n",
        "without rows it says what there could be"
    );
}

#[test]
fn an_explanation_hangs_below_its_mark() {
    let answer = json!({"thread_id": THREAD, "status": "active", "participants": [
        {"agent": "late", "role": "participant", "managed": true, "acked_seq": 1, "unread": 1, "because": [
            {"why": "due", "detail": "is due: it waits for a supervisor with room", "wake_id": WAKE, "hops": 1},
        ]},
    ]});
    let expected = "\
late  participant, woken by Interlock, 1 unread
  > is due: it waits for a supervisor with room, 1 hop
    from a person
    wak_00000000000000000000000002
";
    let shown = |columns| explain::show(View { style: within(columns), ..view() }, &of(answer.clone()));
    let narrow = expected.replace(", 1 hop\n    from", ",\n    1 hop from");
    assert_eq!(shown(48), narrow);
    assert_eq!(shown(54), expected.replace("person\n    wak", "person  wak"));
    let wide = shown(120);
    assert!(wide.ends_with("from a person  wak_00000000000000000000000002\n"), "{wide}");
}
