//! The primary's end of copying the files beside its journal: what each of them has more goes to
//! the standby in pieces, and counts when that has confirmed it.

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use crate::journal::{Annex, Annexed};
use crate::replica::history::common;
use crate::replica::message::PIECE_MAX;
use crate::replica::{Channel, LinkError, Message};

/// The files beside the journal, as far as one standby has been told of them.
#[derive(Debug)]
pub(super) struct Copying {
    annex: Arc<Annex>,
    /// By place in the annex; nothing before the standby has said what it has.
    files: Vec<Option<Fed>>,
    /// Pieces not confirmed yet: the file, and where they end.
    under_way: VecDeque<(usize, u64)>,
    /// Pieces confirmed.
    confirmed: u64,
}

/// A file that is being copied.
#[derive(Debug)]
struct Fed {
    file: File,
    /// Said up to here.
    at: u64,
    /// What the standby has behind that must go, even where there is nothing more to say.
    cuts: bool,
}

impl Copying {
    pub(super) fn new(annex: Arc<Annex>) -> Self {
        let files = annex.files().iter().map(|_| None).collect();
        Self { annex, files, under_way: VecDeque::new(), confirmed: 0 }
    }

    /// A standby is there of which nothing is known.
    pub(super) fn meet(&self) {
        self.annex.files().iter().for_each(|annexed| annexed.confirm(0));
    }

    /// Whether the standby has said of all files what it has.
    pub(super) fn is_begun(&self) -> bool {
        self.files.iter().all(Option::is_some)
    }

    /// The standby says what it has of a file: that is copied from where both are the same.
    pub(super) fn begin(
        &mut self,
        file: u32,
        length: u64,
        hands: &[(u64, u64)],
    ) -> Result<(), LinkError> {
        let place = file as usize;
        let (Some(annexed), Some(fed)) =
            (self.annex.files().get(place), self.files.get_mut(place).filter(|fed| fed.is_none()))
        else {
            return Err(LinkError::Malformed);
        };
        // Histories are counted from one, bytes from nought.
        let first = |hands: &[(u64, u64)]| -> Vec<(u64, u64)> {
            hands.iter().map(|(hand, at)| (*hand, at.saturating_add(1))).collect()
        };
        let at = common(&first(&annexed.hands), annexed.reach(), &first(hands), length);
        annexed.confirm(at);
        *fed = Some(Fed { file: opened(annexed)?, at, cuts: at < length });
        Ok(())
    }

    /// Says what files have more, as far as there is room; says how many pieces.
    pub(super) fn feed(&mut self, channel: &mut Channel) -> Result<usize, LinkError> {
        let Self { annex, files, under_way, .. } = self;
        let mut work = 0;
        for (place, (annexed, fed)) in annex.files().iter().zip(files).enumerate() {
            let Some(fed) = fed else { continue };
            let reach = annexed.reach();
            while (fed.at < reach || fed.cuts) && !channel.is_full() {
                let count = reach.saturating_sub(fed.at).min(PIECE_MAX as u64) as usize;
                let mut bytes = vec![0; count];
                fed.file.read_exact_at(&mut bytes, fed.at).map_err(|e| failed(annexed, &e))?;
                let (file, at) = (place as u32, fed.at);
                channel.send(&Message::Piece { file, at, bytes }.encode());
                (fed.at, fed.cuts) = (at + count as u64, false);
                under_way.push_back((place, fed.at));
                work += 1;
            }
        }
        Ok(work)
    }

    /// The standby has so many pieces.
    pub(super) fn confirm(&mut self, pieces: u64) {
        while self.confirmed < pieces
            && let Some((place, end)) = self.under_way.pop_front()
        {
            self.confirmed += 1;
            if let Some(annexed) = self.annex.files().get(place) {
                annexed.confirm(end);
            }
        }
    }
}

fn opened(annexed: &Annexed) -> Result<File, LinkError> {
    File::open(&annexed.path).map_err(|error| failed(annexed, &error))
}

fn failed(annexed: &Annexed, error: &io::Error) -> LinkError {
    LinkError::File(format!("{}: {error}", annexed.path.display()))
}
