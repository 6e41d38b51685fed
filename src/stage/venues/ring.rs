//! Messages routed to a venue, by their numbers, and which of them it has answered.

use crate::model::{Command, CommandKind, Group};
use crate::snapshot::{part, value};

/// A message.
#[derive(Clone, Copy, Debug)]
pub(super) struct Kept {
    pub(super) message: Group<Command>,
    /// The venue has spoken of it, or it is known that it never will.
    pub(super) is_answered: bool,
}
value!(Kept { message, is_answered });

/// The last messages; as many as may be unanswered at once, rounded up.
#[derive(Debug)]
pub(super) struct Ring {
    kept: Box<[Kept]>,
    /// By order number: the message that asked for the order.
    of_order: Box<[u32]>,
    /// By order number: the last message that asked to cancel it.
    of_cancel: Box<[u32]>,
    /// By order number: the last message that asked where it is.
    of_question: Box<[u32]>,
    /// The number of the last message.
    last: u32,
}
part!(Ring { kept, of_order, of_cancel, of_question, last });

impl Ring {
    pub(super) fn new(messages: usize) -> Self {
        let messages = messages.next_power_of_two();
        let message = Group::new(Command::new(CommandKind::Tick));
        Self {
            kept: vec![Kept { message, is_answered: true }; messages].into(),
            of_order: vec![0; messages].into(),
            of_cancel: vec![0; messages].into(),
            of_question: vec![0; messages].into(),
            last: 0,
        }
    }

    /// The number of the last message.
    pub(super) fn last(&self) -> u32 {
        self.last
    }

    /// The number of the oldest message that is kept.
    pub(super) fn oldest(&self) -> u32 {
        self.last.saturating_sub(self.kept.len() as u32 - 1).max(1)
    }

    fn place(&self, number: u32) -> usize {
        number as usize & (self.kept.len() - 1)
    }

    /// Keeps a message.
    pub(super) fn keep(&mut self, message: &Group<Command>) {
        let head = &message.head;
        self.last = head.client_seq;
        let (at, order, target) =
            (self.place(head.client_seq), self.place(head.ordinal), self.place(head.target));
        if let Some(kept) = self.kept.get_mut(at) {
            *kept = Kept { message: *message, is_answered: false };
        }
        let asks = match head.kind() {
            Some(CommandKind::Enter | CommandKind::Replace) => self.of_order.get_mut(order),
            Some(CommandKind::AskStatus) => self.of_question.get_mut(target),
            _ => self.of_cancel.get_mut(target),
        };
        if let Some(asks) = asks {
            *asks = head.client_seq;
        }
    }

    /// The message of a number, if it is kept.
    pub(super) fn get(&self, number: u32) -> Option<&Kept> {
        let kept = self.kept.get(self.place(number))?;
        (kept.message.head.client_seq == number && number != 0).then_some(kept)
    }

    /// The venue will say nothing more of a message.
    pub(super) fn settle(&mut self, number: u32) {
        let at = self.place(number);
        if let Some(kept) = self.kept.get_mut(at)
            && kept.message.head.client_seq == number
        {
            kept.is_answered = true;
        }
    }

    /// Takes a report: what it answers is answered.
    pub(super) fn hear(&mut self, report: &Command) {
        let at = self.place(report.ordinal);
        let order = self.of_order.get(at).copied().unwrap_or(0);
        let cancel = self.of_cancel.get(at).copied().unwrap_or(0);
        let is_about = |kept: Option<&Kept>, number: fn(&Command) -> u32| {
            kept.is_some_and(|kept| number(&kept.message.head) == report.ordinal)
        };
        if report.kind != CommandKind::AwayCancelRejected.code()
            && is_about(self.get(order), |head| head.ordinal)
        {
            self.settle(order);
        }
        let question = self.of_question.get(at).copied().unwrap_or(0);
        if is_about(self.get(question), |head| head.target) {
            self.settle(question);
        }
        let ends = [
            CommandKind::AwayCancelRejected.code(),
            CommandKind::AwayCancelled.code(),
            CommandKind::AwayRejected.code(),
        ];
        if ends.contains(&report.kind) && is_about(self.get(cancel), |head| head.target) {
            self.settle(cancel);
        }
    }
}
