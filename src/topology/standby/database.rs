//! PostgreSQL as the witness: one row per pair of machines, judged by the rules of the arbiter
//! under the row's lock, by the database's clock. A thread of its own asks; whoever waits for its
//! answer sees a witness that answers, or one that is silent.

use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::thread;
use std::time::Duration;

use postgres::{Client, Config, NoTls, Row, Transaction};

use crate::model::Nanos;
use crate::replica::{Arbiter, ArbiterState, Channel, Message, Name, Question};
use crate::runtime::log;
use crate::topology::standby::line::{Line, pump, push};
use crate::topology::standby::pipe::{Pipe, pipe};

/// How long the database may take for anything: a lease is over by then.
const TIMEOUT: Duration = Duration::from_millis(150);

/// How long after it failed it is asked again.
const PAUSE: Duration = Duration::from_millis(20);

/// What both machines ask of; times are nanoseconds since 1970 by the database's clock.
const TABLE: &str = "
    CREATE TABLE IF NOT EXISTS wirematch_witness (
        pair text PRIMARY KEY, epoch bigint NOT NULL, holder bytea NOT NULL, life bytea NOT NULL,
        heir bytea NOT NULL, lease_ends bigint NOT NULL)";

const NOW: &str = "SELECT (extract(epoch FROM clock_timestamp()) * 1000000000)::bigint";

/// A pair of machines in a database.
pub struct DatabaseArbiter {
    config: Config,
    pair: String,
    lease: Nanos,
    client: Option<Client>,
}

/// What the database answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Judged {
    /// Whether it is granted.
    pub granted: bool,
    /// What is on record now.
    pub state: ArbiterState,
}

impl DatabaseArbiter {
    /// Of the pair of this name in the database at an address, which grants for so long.
    ///
    /// # Errors
    /// An address that is none.
    pub fn new(address: &str, pair: &str, lease: Nanos) -> Result<Self, postgres::Error> {
        let mut config: Config = address.parse()?;
        let within = TIMEOUT.as_millis();
        config.connect_timeout(TIMEOUT).tcp_user_timeout(TIMEOUT).options(&format!(
            "-c statement_timeout={within} -c lock_timeout={within} \
             -c idle_in_transaction_session_timeout={within} -c synchronous_commit=on"
        ));
        Ok(Self { config, pair: pair.to_owned(), lease, client: None })
    }

    /// Judges a question, at a time by another clock than the database's where one is told.
    ///
    /// # Errors
    /// A database that is away, slow or not ours: nothing is granted.
    pub fn judge(
        &mut self,
        question: &Question,
        now: Option<Nanos>,
    ) -> Result<Judged, postgres::Error> {
        let outcome = self.try_judge(question, now);
        if outcome.is_err() {
            self.client = None;
        }
        outcome
    }

    fn try_judge(
        &mut self,
        question: &Question,
        now: Option<Nanos>,
    ) -> Result<Judged, postgres::Error> {
        let client = match &mut self.client {
            Some(client) => client,
            none => none.insert(open(&self.config, &self.pair)?),
        };
        let mut transaction = client.transaction()?;
        let row = transaction.query_one(
            "SELECT epoch, holder, life, heir, lease_ends FROM wirematch_witness \
             WHERE pair = $1 FOR UPDATE",
            &[&self.pair],
        )?;
        // Asked for behind the lock: who waited for it knows how long.
        let now = match now {
            Some(now) => now,
            None => nanos(transaction.query_one(NOW, &[])?.get(0)),
        };
        let (before, ends) = state_of(&row);
        let mut arbiter = Arbiter::resume(before, self.lease, ends);
        let granted = arbiter.judge(question, now).granted;
        let state = *arbiter.state();
        if granted {
            store(&mut transaction, &self.pair, &arbiter)?;
        }
        transaction.commit()?;
        Ok(Judged { granted, state })
    }
}

fn open(config: &Config, pair: &str) -> Result<Client, postgres::Error> {
    let mut client = config.connect(NoTls)?;
    let has = client.query_one("SELECT to_regclass('wirematch_witness') IS NOT NULL", &[])?;
    if !has.get::<_, bool>(0) {
        client.batch_execute(TABLE)?;
    }
    let nobody = &Name::default().0[..];
    client.execute(
        "INSERT INTO wirematch_witness VALUES ($1, 0, $2, $2, $2, 0) ON CONFLICT DO NOTHING",
        &[&pair, &nobody],
    )?;
    Ok(client)
}

fn store(
    transaction: &mut Transaction<'_>,
    pair: &str,
    arbiter: &Arbiter,
) -> Result<(), postgres::Error> {
    let ArbiterState { epoch, holder, life, heir } = arbiter.state();
    let ends = i64::try_from(arbiter.lease_ends().0).unwrap_or(i64::MAX);
    transaction.execute(
        "UPDATE wirematch_witness SET epoch = $2, holder = $3, life = $4, heir = $5, \
         lease_ends = $6 WHERE pair = $1",
        &[&pair, &i64::from(*epoch), &&holder.0[..], &&life[..], &&heir.0[..], &ends],
    )?;
    Ok(())
}

/// What a row says, and when the lease ends.
fn state_of(row: &Row) -> (ArbiterState, Nanos) {
    let sixteen = |at: usize| -> [u8; 16] {
        let mut sixteen = [0; 16];
        let bytes: &[u8] = row.get(at);
        sixteen.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
        sixteen
    };
    let epoch = u32::try_from(row.get::<_, i64>(0)).unwrap_or(u32::MAX);
    let (holder, life, heir) = (Name(sixteen(1)), sixteen(2), Name(sixteen(3)));
    (ArbiterState { epoch, holder, life, heir }, nanos(row.get(4)))
}

fn nanos(since_1970: i64) -> Nanos {
    Nanos(u64::try_from(since_1970).unwrap_or(0))
}

/// Opens lines to a thread that asks the database; it ends when this is dropped.
pub(super) fn dialer(
    mut arbiter: DatabaseArbiter,
    key: Vec<u8>,
) -> Box<dyn FnMut() -> Option<Line> + Send> {
    let mut lines: Option<Sender<Pipe>> = None;
    let mut waiting = Some(move |lines: &Receiver<Pipe>| serve(&mut arbiter, &key, lines));
    Box::new(move || {
        if let Some(mut serve) = waiting.take() {
            let (sender, receiver) = channel();
            let body = move || serve(&receiver);
            thread::Builder::new().name("witness".into()).spawn(body).ok()?;
            lines = Some(sender);
        }
        let (ours, theirs) = pipe();
        lines.as_ref()?.send(theirs).ok()?;
        Some(Box::new(ours))
    })
}

/// Answers what comes over the last line.
fn serve(arbiter: &mut DatabaseArbiter, key: &[u8], lines: &Receiver<Pipe>) {
    let mut open: Option<(Line, Channel)> = None;
    let mut said = None;
    loop {
        match lines.try_recv() {
            Ok(line) => {
                let mut nonce = [0; 32];
                if getrandom::fill(&mut nonce).is_ok() {
                    open = Some((Box::new(line), Channel::new(key, false, nonce)));
                }
                continue;
            }
            Err(TryRecvError::Disconnected) => return,
            Err(TryRecvError::Empty) => {}
        }
        let answered = match &mut open {
            Some((line, channel)) => answer(arbiter, line, channel),
            None => Ok(0),
        };
        let complaint = answered.as_ref().err().cloned().flatten();
        if answered.is_err() {
            // It is asked again over another line.
            open = None;
            thread::sleep(PAUSE);
        }
        if complaint != said && (complaint.is_some() || matches!(answered, Ok(1..))) {
            match &complaint {
                Some(what) => log::alert(&format!("the witness in PostgreSQL: {what}")),
                None => log::say("the witness in PostgreSQL answers again"),
            }
            said = complaint;
        }
        if matches!(answered, Ok(0)) {
            thread::sleep(Duration::from_micros(200));
        }
    }
}

/// Answers the questions that came; says how many. Nothing said where the line is at its end.
fn answer(
    arbiter: &mut DatabaseArbiter,
    line: &mut Line,
    channel: &mut Channel,
) -> Result<usize, Option<String>> {
    pump(line, channel).map_err(|_| None)?;
    let (mut body, mut count) = (Vec::new(), 0);
    while channel.take(&mut body).map_err(|error| Some(error.to_string()))? {
        let Ok(Message::Ask { number, question }) = Message::decode(&body) else {
            return Err(None);
        };
        let judged = arbiter.judge(&question, None).map_err(|error| Some(sentence(&error)))?;
        let Judged { granted, state } = judged;
        let (epoch, holder, lease) = (state.epoch, state.holder, arbiter.lease);
        channel.send(&Message::Answer { number, granted, epoch, holder, lease }.encode());
        count += 1;
    }
    push(line, channel).map_err(|_| None)?;
    Ok(count)
}

fn sentence(error: &postgres::Error) -> String {
    error.as_db_error().map_or_else(|| error.to_string(), |said| said.message().to_owned())
}
