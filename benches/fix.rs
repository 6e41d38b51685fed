//! What does a FIX message cost? A new order from bytes to request, validated; an execution report
//! from its fields to bytes. Beside ours, what others take for less: they neither validate nor
//! decide.
//!
//! All take turns in one run and each is given its quietest turn, so that a busy machine hits them
//! alike and the ratios hold.

#![allow(clippy::disallowed_methods, reason = "a benchmark looks at the clock")]

use std::hint::black_box;
use std::time::Instant;

use wirematch::model::{
    AccountId, InstrumentId, Nanos, OrderType, Price, SelfTrade, SessionId, Side,
};
use wirematch::wire::fix::dictionary::Validator;
use wirematch::wire::fix::frame::{Framing, frame};
use wirematch::wire::fix::order::{Asked, Directory, ExecutionReport, Id, Orders, Sender, decode};
use wirematch::wire::fix::value::Precision;
use wirematch::wire::fix::{Indexer, Reader, Version, Writer};

/// One instrument, one account.
struct Names;

impl Directory for Names {
    #[inline]
    fn instrument(&self, symbol: &[u8]) -> Option<InstrumentId> {
        (symbol == b"MSFT").then_some(InstrumentId(1))
    }

    #[inline]
    fn symbol(&self, _: InstrumentId) -> [u8; 8] {
        *b"MSFT    "
    }

    #[inline]
    fn account(&self, name: &[u8]) -> Option<AccountId> {
        (name == b"ACC12345").then_some(AccountId(7))
    }
}

/// A new order of FIX 4.4: 18 fields, 187 bytes.
fn new_order() -> Vec<u8> {
    let body = "35=D|49=CLIENT12|56=VENUE123|34=123456|52=20261122-10:11:12.345|\
        11=ORD-0000001234|1=ACC12345|21=1|55=MSFT|54=1|60=20261122-10:11:12.345|38=1000|\
        40=2|44=150.25|59=0|"
        .replace('|', "\u{1}");
    let text = format!("8=FIX.4.4\u{1}9={}\u{1}{body}", body.len());
    let sum = text.bytes().fold(0u8, u8::wrapping_add);
    format!("{text}10={sum:03}\u{1}").into_bytes()
}

const SENDER: Sender = Sender {
    session: SessionId(1),
    default_account: AccountId(7),
    self_trade: SelfTrade::CancelNewest,
    client_seq: 123_456,
    received_at: Nanos(1),
};

/// One thing that is measured.
struct Candidate<'a> {
    name: &'static str,
    work: Box<dyn FnMut() -> bool + 'a>,
    quietest: f64,
}

impl<'a> Candidate<'a> {
    fn new(name: &'static str, mut work: impl FnMut() -> bool + 'a) -> Self {
        assert!(work() && work(), "{name} does not do it");
        let rounds = move || (0..REPEATS).all(|_| black_box(work()));
        Self { name, work: Box::new(rounds), quietest: f64::MAX }
    }
}

const REPEATS: u32 = 1_000;
const TURNS: u32 = 1_000;

/// Lets all take turns and prints the quietest of each, beside the first's.
fn compare(title: &str, budget: f64, mut candidates: Vec<Candidate<'_>>) {
    for _ in 0..TURNS {
        for candidate in &mut candidates {
            let begun = Instant::now();
            assert!((candidate.work)(), "{} failed", candidate.name);
            let took = begun.elapsed().as_nanos() as f64 / f64::from(REPEATS);
            candidate.quietest = candidate.quietest.min(took);
        }
    }
    println!("{title} (budget {budget} ns)");
    let first = candidates.first().map_or(1.0, |first| first.quietest);
    for Candidate { name, quietest, .. } in &candidates {
        println!("  {name:<48} {quietest:>7.1} ns  {:>5.2}", quietest / first);
    }
}

fn decoding() {
    let bytes = &new_order()[..];
    let dictionary = Version::Fix44.dictionary();
    let framed = |bytes| match frame(bytes) {
        Framing::Whole(framed) => framed,
        other => panic!("{other:?}"),
    };
    let orders = Orders::new(Version::Fix44, 1024, 1);
    let mut whole = Reader::new(*dictionary);
    let mut checked = Reader::new(*dictionary);
    let mut first = (Indexer::new(), Validator::new(dictionary));
    let mut plain = Indexer::plain();
    let mut room = ironfix_tagvalue::FieldIndex::with_capacity(64);
    let candidates = vec![
        Candidate::new("bytes to request, validated", || {
            let bytes = black_box(bytes);
            let Ok(checked) = whole.read(bytes, &framed(bytes)) else { return false };
            let asked = decode(&checked.message, &SENDER, &Names, &orders);
            checked.verdict.is_ok() && matches!(black_box(&asked), Asked::Request(_))
        }),
        Candidate::new("  of it: index and validation", || {
            let bytes = black_box(bytes);
            black_box(checked.read(bytes, &framed(bytes))).is_ok_and(|read| read.verdict.is_ok())
        }),
        Candidate::new("index and validation of a new shape", || {
            let bytes = black_box(bytes);
            let message = first.0.read(bytes, &framed(bytes), dictionary);
            message.is_ok_and(|message| black_box(first.1.check(&message, dictionary)).is_ok())
        }),
        Candidate::new("index of a new shape, without vectors", || {
            let bytes = black_box(bytes);
            black_box(plain.read(bytes, &framed(bytes), dictionary)).is_ok()
        }),
        Candidate::new("ironfix-tagvalue: index", || {
            let mut decoder = ironfix_tagvalue::Decoder::new(black_box(bytes));
            black_box(decoder.decode_into(&mut room)).is_ok()
        }),
    ];
    compare("decode a new order", 120.0, candidates);
}

fn report() -> ExecutionReport {
    ExecutionReport {
        order_id: 1_234_567,
        exec_id: 81_234_567_890,
        id: Id::new(b"ORD-0000001234").expect("short"),
        exec_type: b'F',
        status: b'1',
        instrument: InstrumentId(1),
        side: Side::Buy.code(),
        order_type: OrderType::Limit.code(),
        total: 1000,
        price: Price(1_502_500),
        last: Some((100, Price(1_502_500))),
        leaves: 900,
        executed: 100,
        average: Price(1_502_500),
        time: Nanos(1_795_342_272_345_000_000),
        ..ExecutionReport::default()
    }
}

fn encoding() {
    let report = report();
    let now = Nanos(1_795_342_272_345_000_000);
    let mut buffer = [0; 1024];
    let mut encoder = ironfix_tagvalue::Encoder::with_capacity("FIX.4.4", 1024);
    // Times are text already, which spares it the work of writing them.
    let time = "20261122-10:11:12.345";
    let candidates = vec![
        Candidate::new("fields to bytes", || {
            let report = black_box(&report);
            let mut writer = Writer::new(&mut buffer);
            writer.bytes(35, b"8");
            writer.raw(b"49=VENUE123\x0156=CLIENT12\x01");
            writer.number(34, 123_456);
            writer.time(52, now, Precision::Millis);
            report.write(Version::Fix44, &Names, Precision::Millis, &mut writer);
            let range = writer.seal("FIX.4.4");
            black_box(range.and_then(|range| buffer.get(range))).is_some()
        }),
        Candidate::new("ironfix-tagvalue", || {
            let report = black_box(&report);
            encoder.clear();
            encoder.put_str(35, "8");
            encoder.put_str(49, "VENUE123");
            encoder.put_str(56, "CLIENT12");
            encoder.put_uint(34, 123_456);
            encoder.put_str(52, time);
            encoder.put_uint(37, report.order_id);
            encoder.put_raw(11, report.id.bytes());
            encoder.put_uint(17, report.exec_id);
            encoder.put_char(150, 'F');
            encoder.put_char(39, '1');
            encoder.put_str(55, "MSFT");
            encoder.put_char(54, '1');
            encoder.put_uint(38, report.total.into());
            encoder.put_char(40, '2');
            encoder.put_str(44, "150.25");
            encoder.put_uint(32, 100);
            encoder.put_str(31, "150.25");
            encoder.put_uint(151, report.leaves.into());
            encoder.put_uint(14, report.executed.into());
            encoder.put_str(6, "150.25");
            encoder.put_str(60, time);
            black_box(encoder.finish()).is_ok()
        }),
    ];
    compare("encode an execution report", 100.0, candidates);
}

fn main() {
    decoding();
    encoding();
}
