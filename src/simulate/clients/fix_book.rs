//! What a FIX client asked for and was told; it notes what must never happen as soon as it does.

use std::collections::BTreeMap;

use crate::simulate::clients::transcript::number;
use crate::wire::fix::session::{Application, Ending, Origin, Reply, Taken};
use crate::wire::fix::{Message, tag};

/// What was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::simulate) enum Wish {
    /// A new order.
    Order,
    /// That an order be cancelled.
    Cancel,
    /// That an order take another's place.
    Replace,
}

/// What a wish was answered with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::simulate) enum Answer {
    /// A report, or that it cannot be done: it is on record.
    Known,
    /// It was refused before it came on record.
    Refused,
}

/// A report of something that happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::simulate) struct Report {
    /// Why (150).
    pub(in crate::simulate) kind: u8,
    /// The shares and the price that traded just now; 0 where nothing did.
    pub(in crate::simulate) traded: (u64, i64),
}

/// What was asked for under one ClOrdID.
#[derive(Clone, Copy, Debug)]
pub(in crate::simulate) struct Asked {
    pub(in crate::simulate) wish: Wish,
    /// The number of the message.
    pub(in crate::simulate) seq: u64,
    pub(in crate::simulate) answer: Option<Answer>,
}

/// What a client knows.
#[derive(Default)]
pub(in crate::simulate) struct FixBook {
    /// By ClOrdID.
    pub(in crate::simulate) asked: BTreeMap<u64, Asked>,
    /// By ExecID.
    pub(in crate::simulate) reports: BTreeMap<u64, Report>,
    /// Orders that were refused because there was no room for them.
    pub(in crate::simulate) refused: u64,
    /// How many wishes have no answer.
    pub(in crate::simulate) open: usize,
    /// Something that must never happen.
    pub(in crate::simulate) wrong: Option<String>,
    /// A number that differs where two runs were told different things.
    pub(in crate::simulate) digest: u64,
}

impl FixBook {
    pub(super) fn ask(&mut self, id: u64, wish: Wish, seq: u64) {
        self.asked.insert(id, Asked { wish, seq, answer: None });
        self.open += 1;
    }

    pub(super) fn is_wrong(&mut self, what: String) {
        self.wrong.get_or_insert(what);
    }

    fn answer(&mut self, id: u64, answer: Answer) {
        match self.asked.get_mut(&id) {
            Some(asked) if asked.answer.is_none() => {
                asked.answer = Some(answer);
                self.open -= 1;
            }
            Some(_) => self.is_wrong(format!("{id} was answered twice")),
            None => self.is_wrong(format!("{id} was answered and not asked")),
        }
    }

    fn take_report(&mut self, message: &Message<'_>) {
        let of = |tag| message.get(tag).map_or(0, number);
        let kind = message.get(tag::EXEC_TYPE).and_then(|text| text.first()).copied();
        // Where an order is, is said unasked when its exchange is not heard any more.
        if kind == Some(b'I') || message.get(tag::EXEC_TRANS_TYPE) == Some(b"3") {
            return;
        }
        let (exec_id, id) = (of(tag::EXEC_ID), of(tag::CL_ORD_ID));
        let Some(kind) = kind.filter(|_| exec_id > 0) else {
            return self.is_wrong(format!("a report of nothing: {message}"));
        };
        let price = message.get(tag::LAST_PX).map_or(0, price);
        let report = Report { kind, traded: (of(tag::LAST_QTY), price) };
        if self.reports.insert(exec_id, report).is_some() {
            self.is_wrong(format!("report {exec_id} was told twice"));
        }
        // A drop copy is told of orders that it did not ask for.
        let Some(asked) = self.asked.get(&id) else { return };
        let is_answer = match asked.wish {
            Wish::Order => matches!(kind, b'0' | b'8'),
            Wish::Cancel => matches!(kind, b'4' | b'C'),
            Wish::Replace => kind == b'5',
        };
        if is_answer {
            self.answer(id, Answer::Known);
        }
    }

    /// A message was refused, without a report.
    fn take_refusal(&mut self, message: &Message<'_>) {
        let seq = message.get(tag::REF_SEQ_NUM).map_or(0, number);
        let found = self.asked.iter().find(|(_, asked)| asked.seq == seq);
        let Some((id, wish)) = found.map(|(id, asked)| (*id, asked.wish)) else {
            return self.is_wrong(format!("a refusal of nothing: {message}"));
        };
        if wish == Wish::Cancel {
            self.is_wrong(format!("cancel {id} was refused: {message}"));
        }
        self.refused += 1;
        self.answer(id, Answer::Refused);
    }

    fn note(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.digest = (self.digest ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }
}

/// A price as text, in ten-thousandths.
fn price(text: &[u8]) -> i64 {
    let text = String::from_utf8_lossy(text);
    let (whole, part) = text.split_once('.').unwrap_or((&text, ""));
    let digits = format!("{whole}{part:0<4}");
    digits.parse().unwrap_or(i64::MIN)
}

impl Application for FixBook {
    fn take(&mut self, message: &Message<'_>, _: Origin, _: &mut dyn Reply) -> Taken {
        self.note(message.bytes());
        match message.kind() {
            b"8" => self.take_report(message),
            b"9" => self.answer(message.get(tag::CL_ORD_ID).map_or(0, number), Answer::Known),
            b"j" => self.take_refusal(message),
            _ => self.is_wrong(format!("unasked: {message}")),
        }
        Taken::Done
    }

    fn down(&mut self, ending: Ending) {
        // Whoever speaks by the rules is not sent away.
        if !matches!(ending, Ending::Line | Ending::NoAnswer | Ending::Silent) {
            self.is_wrong(format!("the session ended: {ending:?}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prices_are_ten_thousandths() {
        assert_eq!([&b"300"[..], b"299.9", b"0.0001"].map(price), [3_000_000, 2_999_000, 1]);
    }
}
