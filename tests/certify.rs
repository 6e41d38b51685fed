//! Certification of FIX clients: those who do all right pass in every version, whoever made them;
//! each who errs is told the tag, the rule and the way out.

#[path = "support/quickfix_peer.rs"]
mod quickfix_peer;

use std::io::{BufRead, BufReader, Read};
use std::net::TcpListener;
use std::process::{Command, Output, Stdio};

use wirematch::client::certify::{FIX_STEPS, FixCourse, News, Standing};
use wirematch::model::Nanos;
use wirematch::wire::fix::Version;
use wirematch::wire::fix::session::Identity;
use wirematch::wire::fix::value::{Precision, written_timestamp};

const SECOND: u64 = 1_000_000_000;
const START: Nanos = Nanos(1_795_342_272 * SECOND);

/// A course in this process, and a client that says whatever a test likes.
struct Lesson {
    course: FixCourse,
    version: Version,
    now: Nanos,
    seq: u64,
    /// What the course said, with bars for separators.
    heard: Vec<String>,
    mistakes: Vec<String>,
}

impl Lesson {
    fn new(version: Version) -> Self {
        Self::with(version, None, &[])
    }

    fn with(version: Version, password: Option<&str>, without: &[&str]) -> Self {
        let identity = Identity { version, sender: "VENUE".into(), target: "CLIENT".into() };
        let mut course = FixCourse::new(identity, *b"ACME    ", password, without);
        course.connected(START);
        Self { course, version, now: START, seq: 0, heard: vec![], mistakes: vec![] }
    }

    /// A lesson whose client is logged on and has shown that it is alive.
    fn up(version: Version) -> Self {
        let mut lesson = Self::new(version);
        lesson.log_on("");
        lesson.say("0", "");
        lesson.say("0", "112=test request|");
        assert_eq!(lesson.step(), "limit", "{:?}", lesson.mistakes);
        lesson
    }

    /// A lesson that waits for a step; those before it are left out.
    fn at(step: &str, version: Version) -> Self {
        let names = FIX_STEPS.iter().map(|(step, _)| step.name);
        let before: Vec<_> =
            names.take_while(|name| *name != step).filter(|name| *name != "logon").collect();
        let mut lesson = Self::with(version, None, &before);
        lesson.log_on("");
        assert_eq!(lesson.step(), step);
        lesson
    }

    fn log_on(&mut self, more: &str) {
        let version = if self.version == Version::Fix50Sp2 { "1137=9|" } else { "" };
        self.say("A", &format!("98=0|108=30|{version}{more}"));
    }

    fn time(&self) -> String {
        let (text, length) = written_timestamp(self.now, Precision::Millis);
        String::from_utf8_lossy(&text[..length]).into_owned()
    }

    /// Sends a message under the next number.
    fn say(&mut self, kind: &str, body: &str) {
        self.seq += 1;
        let (seq, time) = (self.seq, self.time());
        self.say_raw(kind, &format!("49=CLIENT|56=VENUE|34={seq}|52={time}|{body}"));
    }

    /// Sends a message with this behind its type.
    fn say_raw(&mut self, kind: &str, rest: &str) {
        let rest = format!("35={kind}|{rest}");
        let begin = self.version.begin_string();
        let message = format!("8={begin}|9={}|{rest}", rest.len()).replace('|', "\u{1}");
        let sum = message.bytes().fold(0u8, |sum, byte| sum.wrapping_add(byte));
        self.say_bytes(format!("{message}10={sum:03}\u{1}").as_bytes());
    }

    fn say_bytes(&mut self, bytes: &[u8]) {
        self.course.receive(bytes, self.now);
        self.turn();
    }

    /// Lets the course speak.
    fn turn(&mut self) {
        self.course.poll(self.now);
        let said = String::from_utf8_lossy(self.course.outgoing()).replace('\u{1}', "|");
        self.course.took(usize::MAX);
        self.heard.extend(said.split("8=FIX").skip(1).map(str::to_owned));
        for news in self.course.take_news() {
            if let News::Mistake(what) = news {
                self.mistakes.push(what);
            }
        }
    }

    fn order(&mut self, more: &str) {
        let id = self.seq + 1;
        let time = self.time();
        let body = format!("11=o{id}|21=1|55=ACME|54=1|60={time}|38=100|40=2|44=299.5|");
        // What stands there already gives way to what a test says.
        let fields = body.split('|').filter(|field| !field.is_empty());
        let mut fields: Vec<String> = fields.map(str::to_owned).collect();
        for field in more.split('|').filter(|field| !field.is_empty()) {
            let tag = field.split('=').next().expect("a tag");
            let is_same = |known: &&mut String| known.split('=').next() == Some(tag);
            match fields.iter_mut().find(is_same) {
                Some(known) => *known = field.to_owned(),
                None => fields.push(field.to_owned()),
            }
        }
        fields.retain(|field| !field.ends_with('='));
        let body = fields.join("|") + "|";
        self.say("D", &body);
    }

    fn step(&self) -> &'static str {
        let lines = self.course.summary();
        let next = lines.iter().find(|line| line.standing == Standing::Outstanding);
        next.map_or("", |line| line.step.name)
    }

    /// The one mistake there was, which has these words.
    #[track_caller]
    fn mistake(&mut self, words: &[&str]) {
        let told = std::mem::take(&mut self.mistakes);
        let has = |what: &String| words.iter().all(|word| what.contains(word));
        assert!(told.iter().any(has), "{words:?} in {told:#?}");
    }

    #[track_caller]
    fn no_mistake(&self) {
        assert!(self.mistakes.is_empty(), "{:#?}", self.mistakes);
    }

    #[track_caller]
    fn hears(&self, fields: &[&str]) {
        let has = |text: &&String| fields.iter().all(|field| text.contains(field));
        assert!(self.heard.iter().any(|text| has(&text)), "{fields:?} in {:#?}", self.heard);
    }
}

#[test]
fn a_logon_that_is_wrong_is_told_what_is_wrong() {
    let one = |rest: &str, words: &[&str]| {
        let mut lesson = Lesson::new(Version::Fix44);
        let time = lesson.time();
        let mut rest = rest.replace("TIME", &time);
        let kind = if rest.starts_with("35=") {
            rest.drain(..5).as_str()[3..4].to_owned()
        } else {
            "A".to_owned()
        };
        lesson.say_raw(&kind, &rest);
        lesson.mistake(words);
        assert_eq!(lesson.step(), "logon");
    };
    let good = "49=CLIENT|56=VENUE|34=1|52=TIME|98=0|108=30|";
    one(&format!("35=D|{good}"), &["first message", "Logon (A)"]);
    one(&good.replace("CLIENT", "SOMEBODY"), &["SenderCompID (49)", "SOMEBODY", "`CLIENT`"]);
    one(&good.replace("VENUE", "ELSE"), &["TargetCompID (56)", "`VENUE`"]);
    one(&good.replace("TIME", "20200101-00:00:00"), &["SendingTime (52)", "UTC"]);
    one(&good.replace("98=0", "98=2"), &["EncryptMethod (98)", "0"]);
    one(&good.replace("98=0|", ""), &["EncryptMethod (98)", "must have it"]);
    one(&good.replace("108=30", "108=x"), &["HeartBtInt (108)", "whole number"]);
    one(&good.replace("108=30", "108=7200"), &["HeartBtInt (108)", "3600"]);
    one(&good.replace("34=1", "34=5").replace("108=30|", "108=30|141=Y|"), &["(141)", "(34) 1"]);
    one(&format!("{good}789=7|"), &["NextExpectedMsgSeqNum (789)", "our next number is 1"]);
    let mut lesson = Lesson::new(Version::Fix44);
    lesson.version = Version::Fix42;
    lesson.log_on("");
    lesson.mistake(&["BeginString (8)", "FIX.4.4"]);
    let mut lesson = Lesson::with(Version::Fix44, Some("secret"), &[]);
    lesson.log_on("553=CLIENT|554=guess|");
    lesson.mistake(&["password is wrong", "Password (554)"]);
    assert!(lesson.course.is_closing() && lesson.heard.is_empty());
    let mut lesson = Lesson::with(Version::Fix44, Some("secret"), &[]);
    lesson.log_on("");
    lesson.mistake(&["password is not there"]);
    for (version, login) in
        [(Version::Fix44, "553=CLIENT|554=secret|"), (Version::Fix42, "95=6|96=secret|")]
    {
        let mut lesson = Lesson::with(version, Some("secret"), &[]);
        lesson.log_on(login);
        lesson.no_mistake();
        assert_eq!(lesson.step(), "heartbeat");
    }
}

#[test]
fn bytes_that_are_no_message_are_explained() {
    let mut lesson = Lesson::up(Version::Fix44);
    let bad = |text: &str| text.replace('|', "\u{1}").into_bytes();
    lesson.say_bytes(&bad("8=FIX.4.4|9=5|35=0|34=4|10=000|"));
    lesson.mistake(&["BodyLength (9) is 5", "10 bytes"]);
    lesson.say_bytes(&bad("8=FIX.4.4|9=10|35=0|34=4|10=000|"));
    lesson.mistake(&["CheckSum (10)", "three digits"]);
    lesson.say_bytes(&bad("8=FIX.4.4|9=10|34=4|35=0|10=168|"));
    lesson.mistake(&["first three fields"]);
    lesson.say_bytes(b"hello there8=FIX");
    lesson.mistake(&["no message", "BeginString (8)"]);
}

#[test]
fn each_field_of_an_order_that_is_wrong_is_named_with_the_rule_and_the_cure() {
    let mut lesson = Lesson::up(Version::Fix44);
    let mut one = |more: &str, words: &[&str]| {
        lesson.order(more);
        lesson.mistake(words);
    };
    one("55=NOPE", &["Symbol (55) is `NOPE`", "not known", "`ACME`"]);
    one("54=9", &["Side (54) is `9`", "`1` Buy"]);
    one("54=Q", &["Side (54)", "373=5"]);
    one("38=0", &["OrderQty (38) is `0`", "at least 1"]);
    one("38=1.5", &["OrderQty (38)", "whole shares"]);
    one("44=0", &["Price (44) is `0`", "above 0"]);
    one("44=", &["Price (44) is not there"]);
    one("44=12x", &["Price (44) is `12x`", "299.5"]);
    one("40=3", &["StopPx (99) is not there"]);
    one("40=J", &["OrdType (40) is `J`", "`2` Limit"]);
    one("59=6", &["ExpireTime (126) is not there", "UTC"]);
    one("59=6|126=20200101-00:00:00", &["ExpireTime (126)", "still to come"]);
    one("59=8", &["TimeInForce (59)", "`0` Day"]);
    one("18=W", &["ExecInst (18)", "`6` PostOnly"]);
    one("21=3", &["HandlInst (21)", "by hand"]);
    one("1=mine", &["Account (1)", "number"]);
    one("100=MARS", &["ExDestination (100)", "HERE"]);
    one("60=", &["TransactTime (60)", "must have it"]);
    one("60=today", &["TransactTime (60)", "20260102-13:00:00.000"]);
    one("9999=1", &["leave it out"]);
    one("150=0", &["NewOrderSingle has no such field"]);
    one(&format!("11={}", "x".repeat(33)), &["ClOrdID (11)", "32 bytes"]);
    assert_eq!(lesson.step(), "limit");
    lesson.order("11=mine");
    lesson.no_mistake();
    lesson.hears(&["|35=8|", "|11=mine|", "|39=1|", "|14=50|"]);
    lesson.order("11=mine");
    lesson.mistake(&["ClOrdID (11) is `mine`", "has not used"]);
    let time = lesson.time();
    lesson.say("F", &format!("41=yours|11=c1|55=ACME|54=1|60={time}|38=100|"));
    lesson.mistake(&["OrigClOrdID (41) is `yours`", "mine"]);
    lesson.say("H", "11=theirs|55=ACME|54=1|");
    lesson.mistake(&["`theirs`", "open are: ", "mine"]);
    lesson.say("G", &format!("41=mine|11=r1|55=ACME|54=1|60={time}|38=50|40=2|44=299.5|"));
    lesson.mistake(&["OrderQty (38) is `50`", "chain's total"]);
    lesson.say("G", &format!("41=mine|11=r2|55=ACME|54=2|60={time}|38=90|40=2|44=299.5|"));
    lesson.mistake(&["Side (54) is `2`", "the order's own"]);
    lesson.say("R", "131=q|146=1|55=ACME|");
    lesson.mistake(&["MsgType (35) is `R`", "380=3", "D, G, F"]);
    lesson.say("D", "11=twice|11=twice|");
    lesson.mistake(&["ClOrdID (11)", "say it once"]);
}

#[test]
fn numbers_that_are_wrong_are_explained() {
    let mut lesson = Lesson::up(Version::Fix44);
    lesson.seq += 2;
    lesson.order("");
    lesson.mistake(&["MsgSeqNum (34) is 6 and 4 has its turn", "asked for (2)"]);
    lesson.hears(&["|35=2|", "|7=4|"]);
    let time = lesson.time();
    let head = "49=CLIENT|56=VENUE";
    lesson.say_raw("0", &format!("{head}|34=2|43=Y|52={time}|"));
    lesson.mistake(&["OrigSendingTime (122) is not there"]);
    lesson.say_raw("0", &format!("{head}|34=2|43=Y|52={time}|122=20991231-00:00:00|"));
    lesson.mistake(&["OrigSendingTime (122) is later"]);
    let mut lesson = Lesson::up(Version::Fix44);
    lesson.say_raw("4", &format!("{head}|34=4|52={time}|36=9|"));
    lesson.mistake(&["GapFillFlag (123)"]);
    let mut lesson = Lesson::up(Version::Fix44);
    lesson.say("2", "7=9|16=4|");
    lesson.mistake(&["EndSeqNo (16) is 4"]);
    lesson.say("2", "7=400|16=0|");
    lesson.mistake(&["BeginSeqNo (7) is 400"]);
    lesson.say("3", "45=2|371=58|58=no such tag|");
    lesson.mistake(&["you refuse our message 2", "no such tag"]);
    lesson.seq = 1;
    lesson.say("0", "");
    lesson.mistake(&["MsgSeqNum (34) is 2", "used once", "PossDupFlag (43)"]);
    assert!(lesson.course.is_closing());
}

#[test]
fn silence_and_wrong_echoes_are_explained() {
    let mut lesson = Lesson::new(Version::Fix42);
    lesson.log_on("");
    lesson.order("");
    lesson.mistake(&["NewOrderSingle (D) came", "Say nothing"]);
    lesson.now = Nanos(lesson.now.0 + 37 * SECOND);
    lesson.turn();
    lesson.mistake(&["nothing was heard for 1.2 intervals", "every 30 s"]);
    lesson.say("0", "112=TEST|");
    lesson.say("0", "");
    assert_eq!(lesson.step(), "test request");
    lesson.hears(&["|35=1|", "112=test request"]);
    lesson.say("0", "112=TEST|");
    lesson.mistake(&["TestReqID (112)", "`test request`"]);
    lesson.now = Nanos(lesson.now.0 + 2 * SECOND);
    lesson.heard.clear();
    lesson.turn();
    lesson.hears(&["|35=1|", "112=test request"]);
    lesson.say("0", "112=test request|");
    assert_eq!(lesson.step(), "limit");
    lesson.no_mistake();
    lesson.now = Nanos(lesson.now.0 + 73 * SECOND);
    lesson.turn();
    lesson.mistake(&["nothing was heard for 2.4 intervals"]);
    assert!(lesson.course.is_closing());
}

#[test]
fn a_gap_that_is_not_seen_is_explained() {
    let mut lesson = Lesson::at("gap", Version::Fix44);
    lesson.order("11=lost");
    lesson.turn();
    assert!(!lesson.heard.iter().any(|text| text.contains("35=8")), "{:#?}", lesson.heard);
    lesson.hears(&["|35=1|", "112=gap"]);
    lesson.say("0", "112=gap|");
    lesson.mistake(&["was not asked for", "ResendRequest (2)"]);
    assert_eq!(lesson.step(), "gap");
    lesson.say("2", "7=2|16=0|");
    lesson.no_mistake();
    lesson.hears(&["|35=8|", "|43=Y|", "|11=lost|"]);
    assert_eq!(lesson.step(), "repeat");
}

/// A client that entered an order and is asked for everything: its numbers 1 to 3.
fn asked_for_all() -> Lesson {
    let mut lesson = Lesson::at("gap", Version::Fix44);
    lesson.order("11=first");
    lesson.turn();
    lesson.say("2", "7=2|16=0|");
    lesson.turn();
    lesson.hears(&["|35=2|", "|7=1|16=0|"]);
    lesson.no_mistake();
    lesson
}

#[test]
fn what_is_sent_again_wrongly_is_explained() {
    let again = |lesson: &mut Lesson, kind: &str, seq: u64, rest: &str| {
        let time = lesson.time();
        let head = format!("49=CLIENT|56=VENUE|34={seq}|43=Y|52={time}|122={time}|");
        lesson.say_raw(kind, &format!("{head}{rest}"));
    };
    let order = "11=ID|21=1|55=ACME|54=1|60=20261122-10:00:00|38=100|40=2|44=299.5|";
    let mut lesson = asked_for_all();
    again(&mut lesson, "A", 1, "98=0|108=30|");
    lesson.mistake(&["Logon (A) was sent again", "fill the gap"]);
    let mut lesson = asked_for_all();
    again(&mut lesson, "4", 1, "36=2|123=Y|");
    again(&mut lesson, "D", 2, &order.replace("ID", "another"));
    lesson.mistake(&["message 2 was `D`", "`first`", "`another`", "never changes"]);
    let mut lesson = asked_for_all();
    again(&mut lesson, "D", 2, &order.replace("ID", "first"));
    lesson.mistake(&["MsgSeqNum (34) is 2, and 1 is the next"]);
    let mut lesson = asked_for_all();
    again(&mut lesson, "4", 1, "36=2|123=Y|");
    again(&mut lesson, "D", 2, &order.replace("ID", "first"));
    again(&mut lesson, "4", 3, "36=4|123=Y|");
    lesson.no_mistake();
    assert_eq!(lesson.step(), "duplicate");
    lesson.hears(&["|35=8|", "|43=Y|", "|122="]);
    lesson.hears(&["|35=1|", "112=duplicate"]);
    lesson.say("2", "7=2|16=2|");
    lesson.mistake(&["nothing is missing"]);
    lesson.say("0", "112=duplicate|");
    assert_eq!(lesson.step(), "line");
    lesson.turn();
    assert!(lesson.course.is_closing(), "the line is to break");
    lesson.course.disconnected(lesson.now);
    lesson.course.connected(lesson.now);
    // Whoever begins anew loses what was said meanwhile, and is asked once more.
    lesson.seq = 0;
    lesson.log_on("141=Y|");
    lesson.mistake(&["ResetSeqNumFlag (141)", "lost by"]);
    lesson.order("11=second");
    lesson.turn();
    assert!(lesson.course.is_closing(), "the line is to break again");
    lesson.course.disconnected(lesson.now);
    lesson.course.connected(lesson.now);
    lesson.log_on("");
    lesson.say("2", "7=3|16=0|");
    lesson.no_mistake();
    lesson.hears(&["|43=Y|", "|11=second|", "|150=4|"]);
    assert_eq!(lesson.step(), "logout");
    lesson.say("5", "");
    assert_eq!(lesson.step(), "");
    lesson.no_mistake();
}

#[test]
fn who_leaves_too_early_or_comes_twice_is_told() {
    let mut lesson = Lesson::up(Version::Fix42);
    lesson.course.refuse_second_line();
    lesson.turn();
    lesson.mistake(&["a second line"]);
    lesson.say("5", "");
    lesson.mistake(&["you left", "Enter an order that rests"]);
    let mut lesson = Lesson::up(Version::Fix42);
    lesson.course.disconnected(lesson.now);
    lesson.turn();
    lesson.mistake(&["without a Logout (5)"]);
}

#[test]
fn a_wrong_kind_of_order_is_answered_and_told() {
    let mut lesson = Lesson::at("peg", Version::Fix50Sp2);
    lesson.order("59=3");
    lesson.mistake(&["NewOrderSingle (D) came", "40=P"]);
    lesson.hears(&["|35=8|", "|39=4|"]);
    lesson.order("40=P|18=R");
    lesson.no_mistake();
    assert_eq!(lesson.step(), "short sale");
}

proptest::proptest! {
    /// Whatever comes, in whatever order, nothing panics and every mistake is a sentence.
    #[test]
    fn no_bytes_bring_a_course_down(
        parts in proptest::collection::vec(
            (proptest::sample::select(vec!["A", "0", "1", "2", "3", "4", "5", "D", "F", "G", "H",
                "q", "AF", "DH", "j", "ZZ", ""]),
             proptest::collection::vec((proptest::sample::select(vec![7u32, 11, 16, 34, 36, 38, 40,
                41, 43, 44, 52, 54, 55, 59, 60, 96, 95, 98, 108, 112, 122, 123, 141, 453, 452, 530,
                585, 789, 1137, 2329]), ".{0,12}"), 0..9),
             0u64..3),
            0..24),
        version in proptest::sample::select(Version::ALL.to_vec()),
    ) {
        let mut lesson = Lesson::new(version);
        for (kind, fields, step) in parts {
            let text: String = fields.iter().map(|(tag, value)| format!("{tag}={value}|")).collect();
            match step {
                0 => lesson.say(kind, &text),
                1 => lesson.say_raw(kind, &text),
                _ => lesson.say_bytes(text.as_bytes()),
            }
            lesson.now = Nanos(lesson.now.0 + SECOND);
            lesson.turn();
            if lesson.course.is_closing() {
                lesson.course.disconnected(lesson.now);
                lesson.course.connected(lesson.now);
                lesson.seq = 0;
                lesson.log_on("141=Y|");
            }
        }
        for what in &lesson.mistakes {
            proptest::prop_assert!(what.len() > 20, "{}", what);
        }
    }
}

/// A certifier on a free port, and what a client of its session did.
fn certified(version: &str, more: &[&str], client: impl FnOnce(u16) -> Output) -> (Output, Output) {
    let free = TcpListener::bind("127.0.0.1:0").expect("loopback is there");
    let port = free.local_addr().expect("it is bound").port();
    drop(free);
    let mut certifier = Command::new(env!("CARGO_BIN_EXE_wirematch"))
        .args(["client", "--json", "certify", "--fix", &format!("{version}:VENUE:CLIENT")])
        .args(["--listen", &format!("127.0.0.1:{port}")])
        .args(more)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary starts");
    // It listens when it says what it waits for first; who comes earlier uses up a number.
    let mut said = BufReader::new(certifier.stdout.take().expect("it is piped"));
    let mut told = String::new();
    said.read_line(&mut told).expect("text");
    let client = client(port);
    said.read_to_string(&mut told).expect("text");
    let mut certifier = certifier.wait_with_output().expect("it ends");
    certifier.stdout = told.into_bytes();
    (certifier, client)
}

/// The last thing the certifier said: its summary.
fn summary(certifier: &Output) -> serde_json::Value {
    let told = String::from_utf8_lossy(&certifier.stdout);
    let last = told.lines().last().unwrap_or_default();
    serde_json::from_str(last).unwrap_or_else(|error| panic!("{error}: {told}"))
}

fn rehearse(version: &str, port: u16, more: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_wirematch"))
        .args(["client", "--gateway", &format!("127.0.0.1:{port}")])
        .args(["rehearse", "--fix", &format!("{version}:CLIENT:VENUE")])
        .args(more)
        .output()
        .expect("the binary starts")
}

#[test]
fn a_client_of_this_house_is_certified_in_every_version() {
    for version in Version::ALL.map(Version::name) {
        let password = ["--password", "open sesame"];
        let (certifier, client) =
            certified(version, &password, |port| rehearse(version, port, &password));
        let told = String::from_utf8_lossy(&certifier.stdout);
        assert_eq!(client.status.code(), Some(0), "{}", String::from_utf8_lossy(&client.stderr));
        assert_eq!(certifier.status.code(), Some(0), "{told}");
        let summary = summary(&certifier);
        assert_eq!(summary["mistakes"], 0, "{told}");
        assert_eq!(summary["passed"], true);
        let steps = summary["steps"].as_array().expect("a list");
        assert!(steps.len() > 25 && steps.iter().all(|step| step["standing"] == "passed"));
    }
}

#[test]
fn who_stops_half_way_is_told_what_is_outstanding() {
    let more = ["--step-patience", "1", "--without", "peg,auction"];
    let (certifier, _) = certified("FIX.4.4", &more, |port| {
        rehearse("FIX.4.4", port, &["--password", "not asked for"])
    });
    // The pupil does not know that two steps are left out, so it comes to a step of another.
    assert_eq!(certifier.status.code(), Some(3));
    let summary = summary(&certifier);
    assert_eq!(summary["passed"], false);
    let standing = |name: &str| {
        let steps = summary["steps"].as_array().expect("a list");
        let found = steps.iter().find(|step| step["step"] == name).expect("a step");
        found["standing"].as_str().expect("a word").to_owned()
    };
    assert_eq!(standing("market"), "passed");
    assert_eq!(standing("peg"), "left out");
    assert_eq!(standing("logout"), "outstanding");
}

#[test]
fn quickfix_is_certified_in_every_version() {
    let Some(peer) = quickfix_peer::peer() else { return };
    for (version, begin) in
        [("FIX.4.2", "FIX.4.2"), ("FIX.4.4", "FIX.4.4"), ("FIX.5.0SP2", "FIXT.1.1")]
    {
        let folder = tempfile::tempdir().expect("a folder");
        let (certifier, client) = certified(version, &[], |port| {
            Command::new(peer)
                .args(["course", &port.to_string(), begin, "CLIENT", "VENUE"])
                .arg(folder.path())
                .current_dir(folder.path())
                .output()
                .expect("the peer starts")
        });
        let told = String::from_utf8_lossy(&certifier.stdout);
        let said = String::from_utf8_lossy(&client.stdout);
        assert_eq!(certifier.status.code(), Some(0), "{version}: {told}\n{said}");
        let summary = summary(&certifier);
        // Without a dictionary QuickFIX does not know the group of what it sends again, and puts its
        // fields elsewhere: that is found, where a message with a group was sent.
        let told_of = told.lines().filter(|line| line.contains("\"mistake\""));
        let others = told_of.filter(|line| !line.contains("PartyIDSource (447)")).count();
        assert_eq!(others, 0, "{version}: {told}");
        assert!(version == "FIX.5.0SP2" || summary["mistakes"] == 0, "{version}: {told}");
    }
}
