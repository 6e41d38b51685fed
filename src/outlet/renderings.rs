//! What was written for one client, for the next: most clients of an instrument are told the same.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use axum::extract::ws::Message;

use crate::outlet::frame::{Format, Frame};
use crate::outlet::hub::Hub;

/// Renderings kept for each instrument.
const KEPT: usize = 16;

/// The last renderings of each instrument.
#[derive(Debug)]
pub(super) struct Renderings {
    by_place: Vec<Mutex<VecDeque<(Format, Frame, Message)>>>,
}

impl Renderings {
    /// None yet, of so many instruments.
    pub(super) fn new(instruments: usize) -> Self {
        Self { by_place: (0..instruments).map(|_| Mutex::default()).collect() }
    }

    /// The frame as a message, which is shared with whoever was told the same.
    pub(super) fn message(&self, hub: &Hub, format: Format, frame: &Frame) -> Message {
        let render = || match format {
            Format::Json => Message::text(frame.json(hub)),
            Format::Binary => Message::binary(frame.binary(hub)),
        };
        let Some(kept) = frame.place().and_then(|place| self.by_place.get(place)) else {
            return render();
        };
        let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
        let same = kept.iter().rev().find(|(of, other, _)| *of == format && other.is_same(frame));
        if let Some((_, _, message)) = same {
            return message.clone();
        }
        let message = render();
        if kept.len() == KEPT {
            kept.pop_front();
        }
        kept.push_back((format, frame.clone(), message.clone()));
        message
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::outlet::hub::View;

    #[test]
    fn what_is_shared_is_what_would_have_been_written() {
        let (hub, renderings) = (Hub::new(&[]), Renderings::new(1));
        let views: Vec<Arc<View>> =
            (0..40).map(|number| Arc::new(View { number, ..View::default() })).collect();
        for _ in 0..2 {
            for pair in views.windows(2) {
                let (before, view) = (Arc::clone(&pair[0]), Arc::clone(&pair[1]));
                let depth = Frame::Depth { place: 0, before, view: Arc::clone(&view) };
                for frame in [depth, Frame::Top { place: 0, view }] {
                    for _ in 0..3 {
                        let text = renderings.message(&hub, Format::Json, &frame);
                        assert_eq!(text, Message::text(frame.json(&hub)));
                        let bytes = renderings.message(&hub, Format::Binary, &frame);
                        assert_eq!(bytes, Message::binary(frame.binary(&hub)));
                    }
                }
            }
        }
    }
}
