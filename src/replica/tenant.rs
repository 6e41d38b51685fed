//! One machine's conversation with the witness: asks for what it wishes, again and again, and knows
//! until when it may believe the last answer.

use crate::model::Nanos;
use crate::replica::{Channel, LinkError, Message, Name, Question};

/// What a machine wants of the witness.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    /// Nothing for now.
    Nothing,
    /// To become primary.
    Acquire,
    /// To stay primary, with this heir, or nobody.
    Hold {
        /// Who may take over.
        heir: Name,
    },
}

/// One machine's conversation with the witness. It outlives connections: a lease does not end with
/// the line it came over.
#[derive(Debug)]
pub struct Tenant {
    name: Name,
    life: [u8; 16],
    channel: Option<Channel>,
    wish: Wish,
    number: u64,
    /// The question on its way, its number and when it was asked.
    asked: Option<(u64, Question, Nanos)>,
    ask_at: Nanos,
    epoch: u32,
    /// Nothing before the first answer in this epoch.
    heir: Option<Name>,
    lease_ends: Nanos,
    /// The epoch is over: somebody else is primary.
    is_deposed: bool,
    /// Who is primary in which epoch, by the last answer.
    holder: Option<(Name, u32)>,
    body: Vec<u8>,
}

/// How often a machine that wants to become primary asks.
const ASK_EVERY: Nanos = Nanos(4_000_000);

/// How long an answer may take. Lines lose nothing: one that is silent for longer is opened anew.
const PATIENCE: Nanos = Nanos(500_000_000);

impl Tenant {
    /// Of a machine in one running of it.
    pub fn new(name: Name, life: [u8; 16]) -> Self {
        Self {
            name,
            life,
            channel: None,
            wish: Wish::Nothing,
            number: 0,
            asked: None,
            ask_at: Nanos::ZERO,
            epoch: 0,
            heir: None,
            lease_ends: Nanos::ZERO,
            is_deposed: false,
            holder: None,
            body: Vec::new(),
        }
    }

    /// A new line to the witness, or none any more.
    pub fn connect(&mut self, channel: Option<Channel>) {
        self.channel = channel;
        self.asked = None;
        self.ask_at = Nanos::ZERO;
    }

    /// The line to the witness.
    pub fn channel(&mut self) -> Option<&mut Channel> {
        self.channel.as_mut()
    }

    /// What is wanted from now on; asked at once where it is something new.
    pub fn wish(&mut self, wish: Wish) {
        if wish != self.wish {
            (self.wish, self.ask_at) = (wish, Nanos::ZERO);
            if !matches!(self.asked, Some((_, Question::Acquire { .. }, _))) {
                // An answer to what was wanted before still counts when it comes.
                self.asked = None;
            }
        }
    }

    /// The epoch in which this machine is primary; 0 while it is not.
    pub fn epoch(&self) -> u32 {
        self.epoch
    }

    /// Until when it may act as primary.
    pub fn lease_ends(&self) -> Nanos {
        self.lease_ends
    }

    /// The heir the witness has on record, once it said so in this epoch.
    pub fn heir(&self) -> Option<Name> {
        self.heir
    }

    /// Who is primary in which epoch, by the last answer.
    pub fn holder(&self) -> Option<(Name, u32)> {
        self.holder
    }

    /// Whether somebody else has become primary.
    pub fn is_deposed(&self) -> bool {
        self.is_deposed
    }

    /// Takes answers, and asks what is due.
    ///
    /// # Errors
    /// A conversation that cannot go on: [`Self::connect`] begins another.
    pub fn step(&mut self, now: Nanos) -> Result<(), LinkError> {
        let mut body = std::mem::take(&mut self.body);
        let outcome = self.step_with(&mut body, now);
        self.body = body;
        outcome
    }

    fn step_with(&mut self, body: &mut Vec<u8>, now: Nanos) -> Result<(), LinkError> {
        while let Some(channel) = &mut self.channel
            && channel.take(body)?
        {
            match Message::decode(body)? {
                Message::Answer { number, granted, epoch, lease, holder } => {
                    self.holder = Some((holder, epoch));
                    self.hear(number, granted, epoch, lease);
                }
                Message::Refuse(refusal) => return Err(LinkError::Refused(refusal)),
                _ => return Err(LinkError::Malformed),
            }
        }
        if self.asked.is_some_and(|(_, _, at)| now.saturating_sub(at) > PATIENCE) {
            return Err(LinkError::Silent);
        }
        self.ask(now);
        Ok(())
    }

    fn hear(&mut self, number: u64, granted: bool, epoch: u32, lease: Nanos) {
        let Some((_, question, asked_at)) = self.asked.take_if(|(n, _, _)| *n == number) else {
            return;
        };
        // Counted from before it was asked, and a little less: clocks do not run alike.
        let ends = asked_at.saturating_add(Nanos(lease.0 - lease.0 / 8));
        self.ask_at = match self.wish {
            Wish::Hold { .. } => asked_at.saturating_add(Nanos(lease.0 / 4)),
            _ => asked_at.saturating_add(ASK_EVERY),
        };
        match question {
            Question::Acquire { .. } if granted => {
                (self.epoch, self.lease_ends, self.is_deposed) = (epoch, ends, false);
                self.heir = None;
                self.wish = Wish::Hold { heir: Name::default() };
                self.ask_at = Nanos::ZERO;
            }
            Question::Renew { heir, .. } if granted => {
                (self.heir, self.lease_ends) = (Some(heir), ends);
            }
            Question::Renew { .. } => {
                (self.is_deposed, self.lease_ends) = (true, Nanos::ZERO);
            }
            _ => {}
        }
    }

    fn ask(&mut self, now: Nanos) {
        let Some(channel) = &mut self.channel else { return };
        if self.asked.is_some() || now < self.ask_at {
            return;
        }
        let Self { name, life, epoch, .. } = *self;
        let question = match self.wish {
            Wish::Nothing => return,
            Wish::Acquire => Question::Acquire { name, life },
            Wish::Hold { heir } => Question::Renew { name, epoch, heir },
        };
        if let Question::Renew { heir, .. } = question
            && self.heir != Some(heir)
        {
            // From now on the witness may have either on record.
            self.heir = None;
        }
        self.number += 1;
        self.asked = Some((self.number, question, now));
        channel.send(&Message::Ask { number: self.number, question }.encode());
    }
}
