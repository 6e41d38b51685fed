//! Seals against an obvious chain, against logs cut short, changed and changed back, and against
//! superblocks and anchors that are no good themselves.

use std::fs;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::Duration;

use proptest::prelude::*;

use crate::journal::seal::Superblock;
use crate::journal::segment::SegmentFile;
use crate::journal::tests::{append, command, event, open_in, small};
use crate::journal::{
    Anchors, BLOCK, Chain, JournalError, LogKind, Logged, Opened, Seals, Settings, cut_back, scan,
};
use crate::model::{Command, Event, Group};

/// Seals at every step; anchors when asked to.
fn sealing() -> Settings {
    Settings { seal_interval: Duration::ZERO, ..small() }
}

fn log(journal: &Path) -> std::path::PathBuf {
    LogKind::Commands.folder(journal)
}

fn reopen(journal: &Path) -> Result<Opened<Command>, JournalError> {
    open_in(&log(journal), &sealing())
}

fn anchors_file(journal: &Path) -> std::path::PathBuf {
    Anchors::file(&log(journal), LogKind::Commands)
}

/// A journal of three bursts, anchored after each, closed; the folder is the journal's.
fn sealed_journal() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let mut opened = reopen(folder.path()).unwrap();
    for burst in [vec![1, 2], vec![4], vec![3, 1]] {
        append(&mut opened, &[burst]);
        opened.keeper.sync();
    }
    folder
}

/// The chain as its words say it, without buffers.
fn obvious<H: Logged>(messages: &[Group<H>]) -> [u8; 32] {
    let context = format!("wirematch 2026 the chain of the {} log", H::KIND);
    let mut key = blake3::derive_key(&context, &[]);
    let block = |message: &Group<H>| (H::KIND.seq(message.head.id()).saturating_sub(1)) / BLOCK;
    let mut bytes = Vec::new();
    let mut current = 0;
    for message in messages {
        if block(message) != current {
            key = *blake3::keyed_hash(&key, &bytes).as_bytes();
            bytes.clear();
            current = block(message);
        }
        bytes.extend_from_slice(bytemuck::bytes_of(&message.head));
        bytes.extend_from_slice(bytemuck::cast_slice(message.rest()));
    }
    *blake3::keyed_hash(&key, &bytes).as_bytes()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20))]
    #[test]
    fn the_chain_is_what_its_words_say(
        lines in prop::collection::vec(1u8..=4, 1..3_000),
        steps in prop::collection::vec(1u64..700, 1..200),
    ) {
        let commands: Vec<_> = (1..).zip(&lines).map(|(seq, &lines)| command(seq, lines)).collect();
        let mut chain = Chain::new(LogKind::Commands);
        commands.iter().for_each(|command| chain.add(command));
        prop_assert_eq!(chain.seal().head, obvious(&commands));
        let seqs = steps.iter().scan(0, |seq, step| { *seq += step; Some(*seq) });
        let events: Vec<_> = seqs.map(|seq| event(seq, 3)).collect();
        let mut chain = Chain::new(LogKind::Events);
        for event in &events {
            // A look in between changes nothing.
            chain.seal();
            chain.add(event);
        }
        prop_assert_eq!(chain.seal().head, obvious::<Event>(&events));
    }

    #[test]
    fn a_chain_does_not_depend_on_how_messages_were_grouped(
        lines in prop::collection::vec(1u8..=4, 1..400),
        bursts in prop::collection::vec(1usize..40, 1..100),
    ) {
        let heads = [bursts.clone(), vec![1]].map(|bursts| {
            let folder = tempfile::tempdir().unwrap();
            let mut opened = reopen(folder.path()).unwrap();
            let mut rest = &lines[..];
            for &burst in bursts.iter().cycle() {
                let (now, later) = rest.split_at(burst.min(rest.len()));
                append(&mut opened, &[now.to_vec()]);
                rest = later;
                if rest.is_empty() {
                    break;
                }
            }
            opened.keeper.sync();
            Anchors::read(&anchors_file(folder.path()), LogKind::Commands).unwrap().seals().to_vec()
        });
        prop_assert_eq!(heads[0].last(), heads[1].last());
        prop_assert_eq!(heads[0].last().unwrap().id, lines.len() as u64);
    }

    #[test]
    fn any_text_is_read_as_anchors_or_refused(text: String) {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("anchors");
        for text in [text.clone(), format!("wirematch anchors 1 command\n{text}\n")] {
            fs::write(&file, &text).unwrap();
            if let Err(error) = Anchors::read(&file, LogKind::Commands) {
                prop_assert!(matches!(error, JournalError::Anchors { .. }), "{}", error);
            }
        }
    }
}

#[test]
fn a_synced_tail_that_is_gone_is_a_loss_and_not_a_torn_tail() {
    let folder = sealed_journal();
    let path = SegmentFile::new(&log(folder.path()), 1).path;
    let found = scan(&log(folder.path()), LogKind::Commands, &mut |_| ()).unwrap();
    let end = found.segments[0].end as u64 * 64;
    // The last frame has two messages of four lines behind its header.
    let zeros = [0; 5 * 64];
    fs::File::options()
        .write(true)
        .open(&path)
        .unwrap()
        .write_all_at(&zeros, end - 5 * 64)
        .unwrap();
    let error = reopen(folder.path()).unwrap_err();
    let JournalError::Lost { last, sealed, seals, .. } = &error else { panic!("{error}") };
    assert_eq!((*last, *sealed), (3, 5));
    assert!(seals.ends_with("superblock") || seals.ends_with("commands.anchors"), "{error}");
    assert!(error.to_string().contains("restore the log from the standby"), "{error}");
}

#[test]
fn what_was_not_synced_may_go_without_a_word() {
    let folder = tempfile::tempdir().unwrap();
    let mut opened = reopen(folder.path()).unwrap();
    append(&mut opened, &[vec![1, 1]]);
    opened.keeper.sync();
    opened.writer.append(&command(3, 4)).unwrap();
    opened.writer.commit();
    drop(opened);
    let found = scan(&log(folder.path()), LogKind::Commands, &mut |_| ()).unwrap();
    let at = (found.segments[0].end as u64 - 5) * 64;
    let path = SegmentFile::new(&log(folder.path()), 1).path;
    fs::File::options().write(true).open(path).unwrap().write_all_at(&[0; 320], at).unwrap();
    assert_eq!(reopen(folder.path()).unwrap().last, 2);
}

/// The same journal with one order's text changed and every checksum made right again, as one
/// with access to the machine could do it.
fn forged() -> tempfile::TempDir {
    let honest = sealed_journal();
    let forged = tempfile::tempdir().unwrap();
    let mut opened = open_in::<Command>(&log(forged.path()), &small()).unwrap();
    let mut other = command(3, 4);
    other.rest_mut()[1].0[3] ^= 1;
    for (seq, lines) in [(1, 1), (2, 2), (3, 4), (4, 3), (5, 1)] {
        let message = if seq == 3 { other } else { command(seq, lines) };
        opened.writer.append(&message).unwrap();
        opened.writer.commit();
        opened.keeper.step(Duration::ZERO);
    }
    drop(opened);
    fs::remove_file(Superblock::path(&log(forged.path()))).unwrap();
    fs::copy(anchors_file(honest.path()), anchors_file(forged.path())).unwrap();
    forged
}

#[test]
fn a_forged_message_with_right_checksums_is_found_between_two_anchors() {
    let folder = forged();
    scan(&log(folder.path()), LogKind::Commands, &mut |_| ()).expect("its checksums are right");
    let error = reopen(folder.path()).unwrap_err();
    let JournalError::Changed { after, sealed, .. } = &error else { panic!("{error}") };
    assert_eq!((*after, *sealed), (2, 3));
    // Without the anchors nobody can tell.
    fs::remove_file(anchors_file(folder.path())).unwrap();
    assert_eq!(reopen(folder.path()).unwrap().last, 5);
}

#[test]
fn anchors_of_another_machine_with_the_same_history_hold() {
    let [one, two] = [sealed_journal(), sealed_journal()];
    let theirs = [anchors_file(two.path())];
    let seals = Seals::read(&log(one.path()), LogKind::Commands, &theirs).unwrap();
    assert_eq!(seals.count(), 4);
    assert_eq!(seals.check::<Command>(None, &mut |_| ()).unwrap().last(), 5);
    seals.check_reach(5).unwrap();
}

#[test]
fn a_start_from_a_later_message_carries_the_chain_on() {
    let folder = tempfile::tempdir().unwrap();
    let mut opened = reopen(folder.path()).unwrap();
    append(&mut opened, &vec![vec![1, 2, 3]; 900]);
    opened.keeper.sync();
    drop(opened);
    let mark = Superblock::read(&log(folder.path()), LogKind::Commands).unwrap().unwrap();
    assert_eq!((mark.seal.id, mark.begun.block), (2_700, 2));
    let files = [anchors_file(folder.path())];
    let seals = Seals::read(&log(folder.path()), LogKind::Commands, &files).unwrap();
    let mut read = 0;
    let mut whole = seals.check::<Command>(None, &mut |_| read += 1).unwrap();
    let mut rest = seals.check::<Command>(Some(mark.begun), &mut |_| read += 1).unwrap();
    assert_eq!(read, 2_700 + 652);
    assert_eq!((whole.seal(), whole.begun()), (rest.seal(), rest.begun()));
    let other = crate::journal::Begun { key: [7; 32], ..mark.begun };
    let error = seals.check::<Command>(Some(other), &mut |_| ()).unwrap_err();
    assert!(matches!(error, JournalError::Changed { after: 2_048, .. }), "{error}");
}

#[test]
fn every_flipped_bit_of_a_superblock_leaves_the_slot_before_it() {
    let folder = sealed_journal();
    let path = Superblock::path(&log(folder.path()));
    let good = fs::read(&path).unwrap();
    let newest = Superblock::read(&log(folder.path()), LogKind::Commands).unwrap().unwrap();
    for slot in [0, 4096] {
        for bit in 0..128 * 8 {
            let mut bad = good.clone();
            bad[slot + bit / 8] ^= 1 << (bit % 8);
            fs::write(&path, &bad).unwrap();
            let read = Superblock::read(&log(folder.path()), LogKind::Commands).unwrap().unwrap();
            assert!(read.seal.id <= newest.seal.id && read.seal.id > 0, "slot {slot} bit {bit}");
        }
    }
    fs::write(&path, vec![7; good.len()]).unwrap();
    let error = reopen(folder.path()).unwrap_err();
    assert!(matches!(error, JournalError::Superblock { .. }), "{error}");
    fs::write(&path, &good[..100]).unwrap();
    let error = reopen(folder.path()).unwrap_err();
    assert!(error.to_string().contains("remove this file"), "{error}");
    fs::remove_file(&path).unwrap();
    assert_eq!(reopen(folder.path()).unwrap().last, 5);
}

#[test]
fn a_log_cut_back_on_purpose_goes_on_and_its_anchors_say_so() {
    let folder = sealed_journal();
    cut_back(folder.path(), 3).unwrap();
    let mut opened = reopen(folder.path()).unwrap();
    assert_eq!(opened.last, 3);
    append(&mut opened, &[vec![2, 2, 2]]);
    opened.keeper.sync();
    drop(opened);
    let text = fs::read_to_string(anchors_file(folder.path())).unwrap();
    assert!(text.contains("\ncut 3\n"), "{text}");
    assert_eq!(reopen(folder.path()).unwrap().last, 6);
}

#[test]
fn an_anchor_cut_short_is_written_over() {
    let folder = sealed_journal();
    let path = anchors_file(folder.path());
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, &text[..text.len() - 9]).unwrap();
    let mut opened = reopen(folder.path()).unwrap();
    append(&mut opened, &[vec![1]]);
    opened.keeper.sync();
    let anchors = Anchors::read(&path, LogKind::Commands).unwrap();
    let ids: Vec<u64> = anchors.seals().iter().map(|seal| seal.id).collect();
    assert_eq!(ids, [2, 3, 6]);
}

#[test]
fn a_line_that_is_no_anchor_is_named() {
    let folder = sealed_journal();
    let path = anchors_file(folder.path());
    let good = fs::read_to_string(&path).unwrap();
    for (line, what) in [
        ("9x 2026-11-23T12:00:00Z 00", "id \"9x\""),
        ("9 yesterday 00", "time \"yesterday\""),
        ("9 2026-11-23T12:00:00Z 00", "64 hexadecimal digits"),
        ("cut", "id \"\""),
        ("cut 5 6", "\"6\" is too much"),
    ] {
        fs::write(&path, format!("{good}{line}\n")).unwrap();
        let error = reopen(folder.path()).unwrap_err().to_string();
        assert!(error.contains("line 5") && error.contains(what), "{error}");
    }
}
