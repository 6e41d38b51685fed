//! What a WebSocket client asks, read from its text.

use serde::Deserialize;

use crate::outlet::hub::Wants;

/// What a client asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// Instruments it wants to be told of from now on.
    pub subscribe: Vec<String>,
    /// Instruments it wants no more of.
    pub unsubscribe: Vec<String>,
    /// What of those it wants.
    pub wants: Wants,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Text {
    subscribe: Vec<String>,
    unsubscribe: Vec<String>,
    channels: Vec<String>,
}

impl Asked {
    /// Reads a client's text.
    ///
    /// # Errors
    /// What is wrong with it, for the client to read.
    pub fn parse(text: &str) -> Result<Self, String> {
        let Text { subscribe, unsubscribe, channels } =
            serde_json::from_str(text).map_err(|error| format!("this cannot be read: {error}"))?;
        let wants = match channels.is_empty() {
            true => Wants::ALL,
            false => Wants::of(channels.iter().map(String::as_str))
                .ok_or("channels are top, depth, trades and status")?,
        };
        Ok(Self { subscribe, unsubscribe, wants })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Some of the channels, in some order and perhaps twice.
    fn channels() -> impl Strategy<Value = Vec<String>> {
        let names = ["top", "depth", "trades", "status"].map(str::to_owned).to_vec();
        prop::collection::vec(prop::sample::select(names), 0..6)
    }

    proptest! {
        #[test]
        fn what_is_asked_is_what_is_done(
            subscribe in prop::collection::vec(any::<String>(), 0..4),
            unsubscribe in prop::collection::vec(any::<String>(), 0..4),
            channels in channels(),
        ) {
            let text = serde_json::json!({
                "subscribe": subscribe, "unsubscribe": unsubscribe, "channels": channels,
            });
            let asked = Asked::parse(&text.to_string()).unwrap();
            prop_assert_eq!((asked.subscribe, asked.unsubscribe), (subscribe, unsubscribe));
            let has = |name: &str| channels.is_empty() || channels.iter().any(|own| own == name);
            let Wants { top, depth, trades, status } = asked.wants;
            let wanted = ["top", "depth", "trades", "status"].map(has);
            prop_assert_eq!([top, depth, trades, status], wanted);
        }

        #[test]
        fn any_text_is_answered(text in any::<String>()) {
            let is_good = Asked::parse(&text).is_ok();
            prop_assert!(!is_good || text.trim_start().starts_with(['{', '[']), "{}", text);
        }
    }
}
