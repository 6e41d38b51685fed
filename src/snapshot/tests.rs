//! What is written is read back; what was changed on the way is refused with a name.

use std::collections::VecDeque;
use std::fs;
use std::path::PathBuf;

use proptest::prelude::*;

use super::*;
use crate::model::{EventId, Nanos, Phase, SeqNo};

#[derive(Clone, Debug, Default, PartialEq)]
struct Row {
    number: u64,
    phase: Option<u32>,
    is_on: bool,
}
part!(Row { number, phase, is_on });

#[derive(Clone, Debug, PartialEq)]
struct Table {
    rows: Box<[Row]>,
    line: VecDeque<(u32, i64)>,
    kept_here: u8,
}
part!(Table { rows, line } kept { kept_here });

impl Table {
    fn empty() -> Self {
        let rows = vec![Row { number: 9, ..Row::default() }; 40].into();
        Self { rows, line: VecDeque::with_capacity(8), kept_here: 7 }
    }
}

fn row() -> impl Strategy<Value = Row> {
    prop_oneof![
        3 => Just(Row::default()),
        1 => any::<(u64, Option<u32>, bool)>()
            .prop_map(|(number, phase, is_on)| Row { number, phase, is_on }),
    ]
}

fn table() -> impl Strategy<Value = Table> {
    let line = prop::collection::vec(any::<(u32, i64)>(), 0..8);
    (prop::collection::vec(row(), 40), line).prop_map(|(rows, line)| Table {
        rows: rows.into(),
        line: line.into(),
        kept_here: 7,
    })
}

fn file(table: &Table) -> Vec<u8> {
    let stand = Stand {
        seq: SeqNo(7),
        timestamp: Nanos(8),
        last_event: EventId(9),
        epochs: vec![(1, 1), (2, 5)],
        ..Stand::default()
    };
    let mut composer = Composer::new(&stand);
    for &section in Section::ALL {
        composer.add(section, |to| {
            if section == Section::Risk {
                table.write(to);
            }
        });
    }
    composer.finish()
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(table in table()) {
        let mut bytes = Vec::new();
        table.write(&mut bytes);
        let mut back = Table::empty();
        let mut from = Source::new(&bytes);
        prop_assert_eq!(back.read(&mut from), Ok(()));
        prop_assert_eq!(from.end(), Ok(()));
        prop_assert_eq!(back, table);
    }

    #[test]
    fn any_bytes_are_read_or_refused_and_never_panic(
        bytes in prop::collection::vec(any::<u8>(), 0..300),
    ) {
        let _ = Table::empty().read(&mut Source::new(&bytes));
        prop_assert!(Container::open(&bytes).is_err());
    }

    #[test]
    fn a_changed_state_is_filled_or_refused_and_never_panics(
        table in table(), at in any::<prop::sample::Index>(), value in any::<u8>(),
    ) {
        let mut bytes = Vec::new();
        table.write(&mut bytes);
        let at = at.index(bytes.len());
        bytes[at] = value;
        let _ = Table::empty().read(&mut Source::new(&bytes));
    }
}

#[test]
fn every_flip_of_a_bit_and_every_truncation_is_refused() {
    let mut table = Table::empty();
    table.rows[3].phase = Some(4);
    table.line.push_back((1, -1));
    let good = file(&table);
    let opened = Container::open(&good).expect("what was written is good");
    let mut back = Table::empty();
    assert_eq!(opened.fill(Section::Risk, &mut back), Ok(()));
    assert_eq!((back, opened.stand.seq), (table, SeqNo(7)));
    for at in 0..good.len() {
        for bit in 0..8 {
            let mut bytes = good.clone();
            bytes[at] ^= 1 << bit;
            assert!(Container::open(&bytes).is_err(), "bit {bit} of byte {at}");
        }
        assert!(Container::open(&good[..at]).is_err(), "cut at {at}");
    }
}

#[test]
fn what_cannot_be_is_refused_by_the_name_of_its_field() {
    let mut bytes = Vec::new();
    Table::empty().write(&mut bytes);
    let refusal = |bytes: &[u8]| {
        Table::empty().read(&mut Source::new(bytes)).expect_err("it cannot be").to_string()
    };
    assert_eq!(refusal(&bytes[..2]), "rows: the bytes end too early");
    let other = [&41u32.to_le_bytes(), &bytes[4..]].concat();
    assert_eq!(refusal(&other), "rows: a table of another size than configured");
    let end = bytes.len() - 4;
    let long = [&bytes[..end], &1_000_000u32.to_le_bytes()].concat();
    assert_eq!(refusal(&long), "line: more than there is room for");
    assert_eq!(Phase::Halt.read(&mut Source::new(&[250])), Err(Bad::new("a code nobody assigned")));
    assert_eq!(
        Container::open(&file(&Table::empty())).expect("good").fill(Section::Feed, &mut 0u8),
        Err(Bad::new("the bytes end too early").at("feed"))
    );
}

/// Lists of fields in all sources, by which two layouts are told apart.
fn layout() -> u64 {
    let mut lists = Vec::new();
    let mut folders = vec![PathBuf::from("src")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("sources are there") {
            let path = entry.expect("sources are there").path();
            if path.is_dir() {
                folders.push(path);
            } else if !path.ends_with("snapshot/tests.rs") && !path.ends_with("snapshot/mod.rs") {
                let text = fs::read_to_string(&path).expect("a source is text");
                for name in ["part!(", "value!(", "wrapped!(", "codes!("] {
                    let found = text.match_indices(name).map(|(at, _)| &text[at..]);
                    let whole = found.filter_map(|from| from.split_once(");"));
                    lists.extend(whole.map(|(list, _)| list.to_owned()));
                }
            }
        }
    }
    lists.sort();
    // What is kept as it is is not written.
    let words = lists
        .iter()
        .flat_map(|list| list.split_whitespace().take_while(|word| *word != "kept"))
        .flat_map(str::bytes);
    words.fold(0xcbf2_9ce4_8422_2325, |sum, byte| {
        (sum ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

/// Whoever changes what is written raises [`FORMAT_VERSION`], so that a start passes over snapshots
/// of before, and writes the new number here.
#[test]
fn a_layout_has_a_version_of_its_own() {
    assert_eq!(
        (FORMAT_VERSION, layout()),
        (4, 13_106_898_609_599_565_184),
        "raise FORMAT_VERSION in container.rs"
    );
}
