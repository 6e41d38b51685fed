//! What a session is owed: for each of its numbered messages, what the reply echoes and which
//! outbound numbers the replies took. A fold over commands and events, so a replay rebuilds it.

use crate::engine::{IdMap, LATE_ANSWERS_MAX};
use crate::model::{Command, CommandKind, Flags, Group, Nanos};
use crate::snapshot::part;
use crate::wire::ouch::codes::{cross_type, display, time_in_force};

/// What a reply repeats of its request.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Echo {
    pub(super) cl_ord_id: [u8; 14],
    pub(super) firm: [u8; 4],
    pub(super) time_in_force: u8,
    pub(super) display: u8,
    pub(super) cross_type: u8,
    pub(super) flags: Flags,
}
part!(Echo { cl_ord_id, firm, time_in_force, display, cross_type, flags });

/// One numbered message of a client.
#[derive(Clone, Copy, Debug, Default)]
struct Owed {
    client_seq: u32,
    answered: bool,
    echo: Echo,
    received_at: Nanos,
    first_reply: u64,
    replies: u32,
}
part!(Owed { client_seq, answered, echo, received_at, first_reply, replies });

/// The last messages of a session.
#[derive(Clone, Debug)]
pub(super) struct Pending {
    owed: Box<[Owed]>,
    unanswered: u32,
    last_ordinal: u32,
    /// What late answers repeat, where orders are routed to destinations.
    late: Option<Box<Late>>,
}
part!(
    Pending { owed, unanswered, last_ordinal } one { late }
    such |pending| pending.unanswered as usize <= pending.owed.len()
);

/// Echoes of orders that were routed and not answered, by their numbers.
#[derive(Clone, Debug)]
struct Late {
    places: IdMap,
    echoes: Box<[Echo]>,
    free: Vec<u32>,
}
part!(Late { places, echoes, free });

impl Late {
    fn new() -> Self {
        Self {
            places: IdMap::with_capacity(LATE_ANSWERS_MAX),
            echoes: vec![Echo::default(); LATE_ANSWERS_MAX].into(),
            free: (0..LATE_ANSWERS_MAX as u32).rev().collect(),
        }
    }

    fn keep(&mut self, ordinal: u32, echo: Echo) {
        let Some(at) = self.free.pop() else { return };
        if let (Ok(None), Some(place)) =
            (self.places.insert(u64::from(ordinal), at), self.echoes.get_mut(at as usize))
        {
            *place = echo;
        }
    }

    fn take(&mut self, ordinal: u32) -> Option<Echo> {
        let at = self.places.remove(u64::from(ordinal))?;
        self.free.push(at);
        self.echoes.get(at as usize).copied()
    }
}

impl Pending {
    /// Keeps what is owed for at least `window` messages.
    pub(super) fn new(window: usize) -> Self {
        let size = window.next_power_of_two();
        let owed = vec![Owed::default(); size].into();
        Self { owed, unanswered: 0, last_ordinal: 0, late: None }
    }

    /// With room for what late answers repeat.
    pub(super) fn with_late_answers(self, are_some: bool) -> Self {
        Self { late: are_some.then(|| Box::new(Late::new())), ..self }
    }

    /// A message was sent on: what its answer will repeat is kept, for that may come late.
    #[cold]
    pub(super) fn routed(&mut self, client_seq: u32, ordinal: u32) {
        let echo = self.slot(client_seq).filter(|owed| owed.client_seq == client_seq);
        let echo = echo.map(|owed| owed.echo);
        if let (Some(late), Some(echo)) = (&mut self.late, echo) {
            late.keep(ordinal, echo);
        }
    }

    /// What a late answer about an order repeats, if anything was kept for it.
    #[cold]
    pub(super) fn late_echo(&mut self, ordinal: u32) -> Option<Echo> {
        self.late.as_mut()?.take(ordinal)
    }

    /// Messages that may still be taken before some must be answered.
    #[inline]
    pub(super) fn room(&self) -> usize {
        self.owed.len() - self.unanswered as usize
    }

    /// The highest order number the session has used.
    pub(super) fn last_ordinal(&self) -> u32 {
        self.last_ordinal
    }

    #[inline]
    fn slot(&mut self, client_seq: u32) -> Option<&mut Owed> {
        let mask = self.owed.len() - 1;
        self.owed.get_mut(client_seq as usize & mask)
    }

    /// Notes a message on its way in.
    #[inline]
    pub(super) fn remember<H: crate::model::Head>(
        &mut self,
        group: &Group<H>,
        command: &Command,
        received_at: Nanos,
    ) {
        // Bytes that could not be read have no quantity: what seems their number is not used up.
        let names_order = command.quantity.0 != 0;
        if let (Some(CommandKind::Enter | CommandKind::Replace), true) =
            (command.kind(), names_order)
        {
            self.last_ordinal = self.last_ordinal.max(command.ordinal);
        }
        if command.client_seq == 0 {
            return;
        }
        let echo = echo_of(group, command);
        let client_seq = command.client_seq;
        if let Some(owed) = self.slot(client_seq) {
            *owed = Owed { client_seq, echo, received_at, ..Owed::default() };
            self.unanswered += 1;
        }
    }

    /// Lets `tell` write a reply to a message, given what it echoes, and notes the number it says
    /// the reply has. Returns when the message came, if this is its first answer.
    #[inline]
    pub(super) fn answer(
        &mut self,
        client_seq: u32,
        tell: impl FnOnce(&Echo) -> Option<u64>,
    ) -> Option<Nanos> {
        // Numbers begin at 1: what nobody asked for finds no slot.
        let Some(owed) =
            self.slot(client_seq).filter(|owed| owed.client_seq == client_seq && client_seq != 0)
        else {
            tell(&Echo::default());
            return None;
        };
        if let Some(number) = tell(&owed.echo) {
            if owed.replies == 0 {
                owed.first_reply = number;
            }
            owed.replies = (number - owed.first_reply) as u32 + 1;
        }
        let is_first = !std::mem::replace(&mut owed.answered, true);
        let received_at = is_first.then_some(owed.received_at);
        self.unanswered -= is_first as u32;
        received_at
    }

    /// The first reply to a message and how many there are, if it is known and was answered.
    pub(super) fn replies(&mut self, client_seq: u32) -> Option<(u64, u32)> {
        let owed = self.slot(client_seq).filter(|owed| owed.client_seq == client_seq)?;
        (owed.replies > 0).then_some((owed.first_reply, owed.replies))
    }
}

fn echo_of<H: crate::model::Head>(group: &Group<H>, command: &Command) -> Echo {
    let mut echo = Echo {
        cl_ord_id: [b' '; 14],
        firm: [b' '; 4],
        time_in_force: time_in_force::DAY,
        display: display::VISIBLE,
        cross_type: cross_type::CONTINUOUS,
        flags: command.flags,
    };
    if let Some(text) = group.text() {
        echo.cl_ord_id.copy_from_slice(&text.client_order_id[..14]);
        echo.firm = text.firm;
        echo.time_in_force = text.time_in_force;
        echo.display = text.display;
        echo.cross_type = text.cross_type;
    }
    echo
}
