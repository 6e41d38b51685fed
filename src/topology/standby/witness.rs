//! The witness as a server: one state on one small file, written and synced before it is told.

use std::fs::{self, File};
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use crate::model::Nanos;
use crate::port::tcp::{TcpAcceptor, TcpError};
use crate::replica::{Arbiter, ArbiterState, Channel, LinkError, Message, Name, Question};
use crate::topology::standby::line::{Line, Lines, TcpLines, pump, push};

/// What a witness is told at its start.
#[derive(Clone, Debug)]
pub struct WitnessOptions {
    /// Where it listens.
    pub address: SocketAddr,
    /// The secret it shares with both machines.
    pub key: String,
    /// Where it remembers.
    pub data: PathBuf,
    /// For how long it lets somebody be primary without asking again.
    pub lease: Nanos,
    /// Tells people.
    pub say: fn(&str),
}

/// Why a witness cannot serve.
#[derive(Debug, thiserror::Error)]
pub enum WitnessError {
    /// It cannot listen.
    #[error(transparent)]
    Port(#[from] TcpError),
    /// It cannot remember.
    #[error("{}: cannot be {doing}: {source}", file.display())]
    File {
        /// The file.
        file: PathBuf,
        /// What was tried.
        doing: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// What it remembered cannot be read.
    #[error(
        "{}: this is not what a witness wrote. Without it nobody knows who is primary: stop both \
         machines, move the file away, and start the one whose journal is longer first.",
        .0.display()
    )]
    Unreadable(PathBuf),
}

/// Lines at a time, at most.
const LINES_MAX: usize = 16;

/// The witness.
pub struct WitnessServer {
    key: Vec<u8>,
    say: fn(&str),
    memory: Memory,
    arbiter: Arbiter,
    lines: Vec<Asker>,
}

/// Somebody who asks.
struct Asker {
    line: Line,
    channel: Channel,
    /// As whom it holds a lease, in which epoch.
    holds: Option<(Name, u32)>,
}

impl WitnessServer {
    /// Remembers what it knew.
    ///
    /// # Errors
    /// [`WitnessError`].
    pub fn open(options: &WitnessOptions, now: Nanos) -> Result<Self, WitnessError> {
        fs::create_dir_all(&options.data).map_err(failed(&options.data, "made"))?;
        let file = options.data.join("witness");
        let (memory, state) = Memory::open(&file)?;
        Ok(Self {
            key: options.key.clone().into_bytes(),
            say: options.say,
            memory,
            arbiter: Arbiter::new(state, options.lease, now),
            lines: Vec::new(),
        })
    }

    /// Where it listens.
    ///
    /// # Errors
    /// An address that cannot be had.
    pub fn listen(options: &WitnessOptions) -> Result<TcpLines, WitnessError> {
        Ok(TcpLines(Some(TcpAcceptor::open(options.address)?)))
    }

    /// What it remembers.
    pub fn state(&self) -> &ArbiterState {
        self.arbiter.state()
    }

    /// A person says that this machine has all that counts.
    ///
    /// # Errors
    /// A file that cannot be written.
    pub fn force(&mut self, name: Name) -> Result<(), WitnessError> {
        self.arbiter.force(name);
        self.memory.store(self.arbiter.state())
    }

    /// Hears and answers; says how much was done.
    ///
    /// # Errors
    /// A file that cannot be written: a witness that cannot remember must not answer.
    pub fn step(&mut self, now: Nanos, lines: &mut dyn Lines) -> Result<usize, WitnessError> {
        let mut work = 0;
        if let Some(line) = lines.accept() {
            if self.lines.len() == LINES_MAX {
                self.lines.remove(0);
            }
            let channel = Channel::new(&self.key, false, lines.nonce());
            self.lines.push(Asker { line, channel, holds: None });
        }
        let Self { lines, arbiter, memory, say, .. } = self;
        let mut failure = None;
        lines.retain_mut(|asker| match asker.step(arbiter, memory, now, *say) {
            Ok(done) => {
                work += done;
                true
            }
            Err(Ended::Gone) => {
                // Its machine says that its process is no more, or has let go.
                if let Some((name, epoch)) = asker.holds.filter(|_| asker.line.is_ended()) {
                    arbiter.is_gone(name, epoch, now);
                }
                false
            }
            Err(Ended::Broken) => false,
            Err(Ended::Failed(error)) => {
                failure = Some(error);
                false
            }
        });
        failure.map_or(Ok(work), Err)
    }
}

/// How a conversation ended.
enum Ended {
    Gone,
    Broken,
    Failed(WitnessError),
}

impl From<LinkError> for Ended {
    fn from(_: LinkError) -> Self {
        Self::Broken
    }
}

impl Asker {
    fn step(
        &mut self,
        arbiter: &mut Arbiter,
        memory: &mut Memory,
        now: Nanos,
        tell: fn(&str),
    ) -> Result<usize, Ended> {
        let Self { line, channel, holds } = self;
        // What came before the end still counts.
        let pumped = pump(line, channel);
        let mut body = Vec::new();
        let mut work = 0;
        while channel.take(&mut body)? {
            let Message::Ask { number, question } = Message::decode(&body)? else {
                return Err(Ended::Broken);
            };
            let before = *arbiter.state();
            let verdict = arbiter.judge(&question, now);
            if verdict.changed {
                memory.store(arbiter.state()).map_err(Ended::Failed)?;
            }
            let state = *arbiter.state();
            if let Some(news) = news(&question, verdict.granted, &before, &state) {
                tell(&news);
            }
            if verdict.granted {
                *holds = Some((state.holder, state.epoch));
            }
            let answer = Message::Answer {
                number,
                granted: verdict.granted,
                epoch: state.epoch,
                holder: state.holder,
                lease: arbiter.lease(),
            };
            channel.send(&answer.encode());
            work += 1;
        }
        let moved = pumped.map_err(|_| Ended::Gone)?;
        Ok(work + moved + push(line, channel).map_err(|_| Ended::Gone)?)
    }
}

/// What changed, for people.
fn news(
    question: &Question,
    granted: bool,
    before: &ArbiterState,
    state: &ArbiterState,
) -> Option<String> {
    match question {
        Question::Acquire { name, .. } if granted => {
            Some(format!("{name} is primary, in epoch {}", state.epoch))
        }
        Question::Renew { name, heir, .. } if granted && before.heir != state.heir => {
            Some(match heir.is_nobody() {
                true => format!("{name} goes on alone"),
                false => format!("{heir} may take over from {name}"),
            })
        }
        _ => None,
    }
}

const MAGIC: &[u8; 8] = b"WMWITN01";

/// Bytes of a slot: a write of one is torn in that one alone.
const SLOT: u64 = 4096;

/// The state as bytes: its number, so that the newer of two is known, and a hash.
fn bytes_of(number: u64, state: &ArbiterState) -> Vec<u8> {
    let ArbiterState { epoch, holder, life, heir } = state;
    let (number, epoch) = (number.to_le_bytes(), epoch.to_le_bytes());
    let body = [&MAGIC[..], &number, &epoch, &holder.0, life, &heir.0].concat();
    let hash = blake3::hash(&body);
    [&body[..], hash.as_bytes()].concat()
}

fn state_of(bytes: &[u8]) -> Option<(u64, ArbiterState)> {
    let rest = bytes.strip_prefix(MAGIC)?;
    let (number, rest) = rest.split_first_chunk::<8>()?;
    let (epoch, rest) = rest.split_first_chunk::<4>()?;
    let (holder, rest) = rest.split_first_chunk::<16>()?;
    let (life, rest) = rest.split_first_chunk::<16>()?;
    let (heir, _) = rest.split_first_chunk::<16>()?;
    let (holder, heir, life) = (Name(*holder), Name(*heir), *life);
    let state = ArbiterState { epoch: u32::from_le_bytes(*epoch), holder, life, heir };
    let number = u64::from_le_bytes(*number);
    bytes.starts_with(&bytes_of(number, &state)).then_some((number, state))
}

/// Where the witness remembers: two slots, written in turn, so that one is always whole.
struct Memory {
    file: File,
    path: PathBuf,
    number: u64,
}

impl Memory {
    fn open(path: &Path) -> Result<(Self, ArbiterState), WitnessError> {
        let file = File::options().read(true).write(true).create(true).truncate(false).open(path);
        let file = file.map_err(failed(path, "opened"))?;
        let mut bytes = vec![0; 2 * SLOT as usize];
        let length = file.metadata().map_err(failed(path, "read"))?.len();
        if length < 2 * SLOT {
            file.write_all_at(&bytes, 0).map_err(failed(path, "written"))?;
            file.sync_all().map_err(failed(path, "written"))?;
        } else {
            file.read_exact_at(&mut bytes, 0).map_err(failed(path, "read"))?;
        }
        let slots = bytes.chunks(SLOT as usize);
        let newest = slots.filter_map(state_of).max_by_key(|(number, _)| *number);
        if newest.is_none() && bytes.iter().any(|byte| *byte != 0) {
            return Err(WitnessError::Unreadable(path.to_owned()));
        }
        let (number, state) = newest.unwrap_or_default();
        Ok((Self { file, path: path.to_owned(), number }, state))
    }

    /// Remembers, for good, before it returns.
    fn store(&mut self, state: &ArbiterState) -> Result<(), WitnessError> {
        let number = self.number + 1;
        let at = number % 2 * SLOT;
        let written = self.file.write_all_at(&bytes_of(number, state), at);
        written.and_then(|()| self.file.sync_data()).map_err(failed(&self.path, "written"))?;
        self.number = number;
        Ok(())
    }
}

fn failed(file: &Path, doing: &'static str) -> impl FnOnce(io::Error) -> WitnessError {
    let file = file.to_owned();
    move |source| WitnessError::File { file, doing, source }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_remembered_comes_back_or_is_refused(
            epoch: u32, names: [[u8; 16]; 3], at: prop::sample::Index, bit in 0u8..8,
        ) {
            let [holder, life, heir] = names;
            let state = ArbiterState { epoch, holder: Name(holder), life, heir: Name(heir) };
            let mut bytes = bytes_of(7, &state);
            prop_assert_eq!(state_of(&bytes), Some((7, state)));
            *at.get_mut(&mut bytes) ^= 1 << bit;
            prop_assert_eq!(state_of(&bytes), None);
        }
    }
}
