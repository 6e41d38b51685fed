//! The event log on a Kafka broker: accounts' history, keyed by account so that each account's
//! order holds, by an idempotent producer. A record is the event as the journal has it, 64 bytes;
//! where a partition ends tells how far it is, so that nothing is missing there and nothing twice.
#![allow(clippy::disallowed_methods, reason = "time-outs of engines are by this machine's clock")]

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::ClientContext;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::Message;
use rdkafka::producer::{
    BaseProducer, BaseRecord, DeliveryResult, Producer, ProducerContext, PurgeConfig,
};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use rdkafka::util::Timeout;

use crate::journal::{LogKind, Reader};
use crate::model::{Event, EventId, Nanos};
use crate::slow::stores::postgres::is_history;
use crate::slow::stores::{Lag, StoreError};

/// How long the broker may take to answer a question.
const ANSWER: Timeout = Timeout::After(Duration::from_secs(3));

/// Events read at once.
const BATCH: usize = 4 * 1024;

/// How often a broker that is down is tried again.
const PAUSE: Duration = Duration::from_millis(500);

/// Where the log is.
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(deny_unknown_fields)]
pub struct LogPlace {
    /// Brokers, as HOST:PORT,HOST:PORT.
    pub brokers: String,
    /// The topic.
    #[serde(default = "topic")]
    pub topic: String,
    /// Into how many partitions accounts are dealt.
    #[serde(default = "six")]
    pub partitions: i32,
}

fn topic() -> String {
    "wirematch-events".into()
}

fn six() -> i32 {
    6
}

/// What became of records that were sent.
#[derive(Debug, Default)]
struct Delivered {
    /// By partition: the last event that is there.
    last: Vec<u64>,
    /// What the first failure said.
    failed: Option<String>,
    waiting: u64,
}

#[derive(Clone)]
struct Watch(Arc<Mutex<Delivered>>);

impl Watch {
    fn with<T>(&self, call: impl FnOnce(&mut Delivered) -> T) -> T {
        call(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl ClientContext for Watch {
    /// What the client says on its own is in the complaint already.
    fn log(&self, _: rdkafka::config::RDKafkaLogLevel, _: &str, _: &str) {}
    fn error(&self, _: KafkaError, _: &str) {}
}

impl ProducerContext for Watch {
    type DeliveryOpaque = Box<(usize, u64)>;

    fn delivery(&self, result: &DeliveryResult<'_>, sent: Self::DeliveryOpaque) {
        let (partition, event) = *sent;
        self.with(|delivered| {
            match result {
                Ok(_) => {
                    delivered.waiting = delivered.waiting.saturating_sub(1);
                    if let Some(last) = delivered.last.get_mut(partition) {
                        *last = (*last).max(event);
                    }
                }
                // It waits on: until it is sent again, it is not there.
                Err((error, _)) => {
                    delivered.failed.get_or_insert_with(|| error.to_string());
                }
            }
        });
    }
}

struct Open {
    producer: BaseProducer<Watch>,
    reader: Reader<Event>,
    /// By partition: the last event that was sent.
    sent: Vec<u64>,
    /// An event that found no room.
    held: Option<Event>,
}

/// Follows the event log into the broker's.
pub struct EventLog {
    place: LogPlace,
    journal: PathBuf,
    open: Option<Open>,
    watch: Watch,
    /// The last event that was read.
    read: EventId,
    /// All up to here is in the broker's log; what is sent again after a loss begins before it.
    settled: EventId,
    /// Since when something waits.
    waits_since: Option<Instant>,
    tried_at: Option<Instant>,
    complaint: Option<String>,
}

impl EventLog {
    /// Not yet connected.
    pub fn new(place: LogPlace, journal: &Path) -> Self {
        Self {
            place,
            journal: journal.to_owned(),
            open: None,
            watch: Watch(Arc::default()),
            read: EventId(0),
            settled: EventId(0),
            waits_since: None,
            tried_at: None,
            complaint: None,
        }
    }

    /// Sends on what is new; says how many events it took in. What the broker does not take waits.
    ///
    /// # Errors
    /// An event log that cannot be read.
    pub fn step(&mut self) -> Result<usize, StoreError> {
        if self.open.is_none() && !self.connect()? {
            return Ok(0);
        }
        let Self { open: Some(open), watch, place, read, .. } = self else { return Ok(0) };
        open.producer.poll(Timeout::After(Duration::ZERO));
        let (mut count, mut is_full) = (0, false);
        while count < BATCH && !is_full {
            let held = open.held.take();
            let next = held.map_or_else(|| open.reader.read_event(), |event| Ok(Some(event)))?;
            let Some(event) = next else { break };
            *read = event.id;
            count += 1;
            if is_history(&event) && !send(open, watch, place, &event)? {
                open.held = Some(event);
                is_full = true;
            }
        }
        let (failed, waiting) =
            watch.with(|delivered| (delivered.failed.take(), delivered.waiting));
        if let Some(what) = failed {
            self.lose(what);
        } else if waiting == 0 && !is_full {
            self.settled = self.settled.max(self.read);
            (self.waits_since, self.complaint) = (None, None);
        } else {
            self.waits_since.get_or_insert_with(Instant::now);
        }
        Ok(if is_full { 0 } else { count })
    }

    /// Begins again where the broker's log ends.
    fn lose(&mut self, what: String) {
        if let Some(open) = self.open.take() {
            open.producer.purge(PurgeConfig::default().queue().inflight());
        }
        // What was on its way is behind again, not there: nobody may take a loss for arrival.
        self.read = self.settled;
        self.watch = Watch(Arc::default());
        self.complaint = Some(format!("kafka {}: {what}", self.place.brokers));
        self.waits_since.get_or_insert_with(Instant::now);
        self.tried_at = Some(Instant::now());
    }

    fn connect(&mut self) -> Result<bool, StoreError> {
        if self.tried_at.is_some_and(|at| at.elapsed() < PAUSE) {
            return Ok(false);
        }
        self.tried_at = Some(Instant::now());
        let last = match ends(&self.place) {
            Ok(last) => last,
            Err(error) => {
                self.lose(error.to_string());
                return Ok(false);
            }
        };
        // A partition without traffic holds nobody up: what was read for another is there too.
        let from = last.iter().copied().min().unwrap_or(0).saturating_add(1);
        let reader = Reader::open(&LogKind::Events.folder(&self.journal), from)?;
        self.watch = Watch(Arc::default());
        self.watch.with(|delivered| delivered.last.clone_from(&last));
        match producer(&self.place, self.watch.clone()) {
            Ok(producer) => {
                self.open = Some(Open { producer, reader, sent: last, held: None });
                Ok(true)
            }
            Err(error) => {
                self.lose(error.to_string());
                Ok(false)
            }
        }
    }

    /// Waits until all that was sent is there, or `most` is over; says whether it is.
    pub fn settle(&mut self, most: Duration) -> bool {
        let begun = Instant::now();
        while begun.elapsed() < most {
            if let Some(open) = &self.open {
                open.producer.poll(Timeout::After(Duration::from_millis(5)));
            }
            if self.watch.with(|delivered| delivered.waiting == 0 && delivered.failed.is_none()) {
                return self.open.is_some();
            }
        }
        false
    }

    /// How far the broker's log is behind.
    pub fn lag(&self, appended: EventId, _: Nanos) -> Lag {
        let waiting = self.watch.with(|delivered| delivered.waiting);
        let read = self.read.max(self.settled);
        let unread = appended.seq().0.saturating_sub(read.seq().0);
        let records = waiting.saturating_add(unread);
        let age = self.waits_since.map_or(0, |since| since.elapsed().as_millis() as u64);
        Lag { records, bytes: records.saturating_mul(64), age_ms: age }
    }

    /// Why nothing is sent, if nothing is.
    pub fn complaint(&self) -> Option<&str> {
        self.complaint.as_deref()
    }
}

/// Sends one event; `false` where there is no room for it now.
fn send(
    open: &mut Open,
    watch: &Watch,
    place: &LogPlace,
    event: &Event,
) -> Result<bool, StoreError> {
    let partition = partition_of(event, place.partitions);
    let at = partition as usize;
    if open.sent.get(at).is_some_and(|last| event.id.0 <= *last) {
        return Ok(true);
    }
    let key = event.account.0.to_be_bytes();
    let record = BaseRecord::with_opaque_to(&place.topic, Box::new((at, event.id.0)))
        .partition(partition)
        .key(&key[..])
        .payload(bytemuck::bytes_of(event));
    match open.producer.send(record) {
        Ok(()) => {
            watch.with(|delivered| delivered.waiting += 1);
            if let Some(last) = open.sent.get_mut(at) {
                *last = event.id.0;
            }
            Ok(true)
        }
        Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), _)) => Ok(false),
        Err((error, _)) => {
            watch.with(|delivered| {
                delivered.failed.get_or_insert_with(|| error.to_string());
            });
            Ok(false)
        }
    }
}

/// Which partition an account's events go to.
pub fn partition_of(event: &Event, partitions: i32) -> i32 {
    (event.account.0 % partitions.max(1) as u32) as i32
}

fn producer(place: &LogPlace, watch: Watch) -> Result<BaseProducer<Watch>, KafkaError> {
    ClientConfig::new()
        .set("bootstrap.servers", &place.brokers)
        .set("enable.idempotence", "true")
        .set("acks", "all")
        .set("linger.ms", "2")
        .set("queue.buffering.max.messages", "200000")
        // It is tried again for ever: what waits is bounded by the lag that is allowed.
        .set("message.timeout.ms", "0")
        .create_with_context(watch)
}

/// The last event of each partition; makes the topic where there is none.
///
/// # Errors
/// What the broker says.
pub fn ends(place: &LogPlace) -> Result<Vec<u64>, KafkaError> {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", &place.brokers)
        .set("group.id", "wirematch-ends")
        .set("enable.auto.commit", "false")
        .create()?;
    make_topic(place, &consumer)?;
    let mut last = Vec::new();
    for partition in 0..place.partitions {
        let (low, high) = consumer.fetch_watermarks(&place.topic, partition, ANSWER)?;
        last.push(if high > low { event_at(place, &consumer, partition, high - 1)? } else { 0 });
    }
    Ok(last)
}

fn event_at(
    place: &LogPlace,
    consumer: &BaseConsumer,
    partition: i32,
    offset: i64,
) -> Result<u64, KafkaError> {
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(&place.topic, partition, Offset::Offset(offset))?;
    consumer.assign(&list)?;
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(5) {
        if let Some(message) = consumer.poll(Timeout::After(Duration::from_millis(100))) {
            let message = message?;
            return Ok(message.payload().and_then(event_of).map_or(0, |event| event.id.0));
        }
    }
    Err(KafkaError::MessageConsumption(RDKafkaErrorCode::OperationTimedOut))
}

/// A record's event.
pub fn event_of(payload: &[u8]) -> Option<Event> {
    (payload.len() == size_of::<Event>()).then(|| bytemuck::pod_read_unaligned(payload))
}

fn make_topic(place: &LogPlace, consumer: &BaseConsumer) -> Result<(), KafkaError> {
    let known = consumer.fetch_metadata(Some(&place.topic), ANSWER)?;
    let partitions = known.topics().first().map_or(0, |topic| topic.partitions().len());
    if partitions >= place.partitions as usize {
        return Ok(());
    }
    let admin: AdminClient<DefaultClientContext> =
        ClientConfig::new().set("bootstrap.servers", &place.brokers).create()?;
    let topic = NewTopic::new(&place.topic, place.partitions, TopicReplication::Fixed(1));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|_| KafkaError::Canceled)?;
    runtime.block_on(admin.create_topics([&topic], &AdminOptions::new())).map(drop)
}

/// Shows every event of a partition, from its beginning, until there are no more.
///
/// # Errors
/// What the broker says.
pub fn read_partition(
    place: &LogPlace,
    partition: i32,
    mut each: impl FnMut(Event),
) -> Result<(), KafkaError> {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", &place.brokers)
        .set("group.id", "wirematch-reader")
        .set("enable.auto.commit", "false")
        .create()?;
    let (low, high) = consumer.fetch_watermarks(&place.topic, partition, ANSWER)?;
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(&place.topic, partition, Offset::Offset(low))?;
    consumer.assign(&list)?;
    let mut next = low;
    let begun = Instant::now();
    while next < high && begun.elapsed() < Duration::from_secs(30) {
        let Some(message) = consumer.poll(Timeout::After(Duration::from_millis(100))) else {
            continue;
        };
        let message = message?;
        next = message.offset() + 1;
        if let Some(event) = message.payload().and_then(event_of) {
            each(event);
        }
    }
    if next < high {
        return Err(KafkaError::MessageConsumption(RDKafkaErrorCode::OperationTimedOut));
    }
    Ok(())
}
