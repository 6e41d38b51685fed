//! Other appliances of a configuration: which orders go to them, and how we speak with them.
#![allow(missing_docs, reason = "a key is described in config/appliance.toml, beside its default")]

use std::net::{Ipv4Addr, SocketAddrV4};
use std::ops::Range;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use toml::Spanned;

use crate::engine::AwayOptions;
use crate::model::{Instrument, InstrumentId, Nanos, SessionId};
use crate::stage::{PeerSpec, PeersOptions, PeersState, VenueSpec};
use crate::topology::{Catalogue, Config, DeviceName, DeviceRequest, Home, Sharding, Subnet};

/// How we speak with other appliances.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct PeersConfig {
    pub device: DeviceName,
    pub address: SocketAddrV4,
    pub kernel_address: Option<Subnet>,
    pub orders_max: u32,
    pub in_flight_max: u32,
    pub executions_max: u32,
    /// Keeps a capture of what passed.
    pub record: Option<PathBuf>,
    /// The other appliances.
    #[schemars(with = "Vec<PeerConfig>")]
    pub appliance: Vec<Spanned<PeerConfig>>,
}

impl Default for PeersConfig {
    fn default() -> Self {
        Self {
            device: DeviceName::Socket,
            address: SocketAddrV4::new(Ipv4Addr::LOCALHOST, 9300),
            kernel_address: None,
            orders_max: 1 << 16,
            in_flight_max: 1 << 12,
            executions_max: 1 << 16,
            record: None,
            appliance: Vec::new(),
        }
    }
}

/// Another appliance.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PeerConfig {
    pub name: String,
    pub session: u32,
    pub key: String,
    pub gateway: SocketAddrV4,
}

/// Where orders go that are not matched here.
#[derive(Clone, Debug, Default)]
pub struct Destinations {
    /// What the engine is told.
    pub away: AwayOptions,
    /// The other appliances.
    pub peers: Vec<PeerSpec>,
    /// Exchanges.
    pub venues: Vec<VenueSpec>,
    /// For how long an exchange's prices say that orders go there; none where they never do.
    pub prices_last: Option<Nanos>,
}

impl Destinations {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.away.destinations.is_empty()
    }

    /// Who speaks with each destination, by its session: peers first, then venues.
    pub fn speakers(&self) -> Box<[u8]> {
        let end = self.away.destinations.iter().map(|id| id.index() + 1).max().unwrap_or(0);
        let mut speakers = vec![0; end];
        for venue in &self.venues {
            speakers[venue.session.index()] = u8::from(!self.peers.is_empty());
        }
        speakers.into()
    }

    /// The name of the destination that an instrument is sent on to; of several, the first.
    pub fn name_of(&self, instrument: InstrumentId) -> Option<String> {
        let (_, to) = self.away.homes.iter().find(|(id, _)| *id == instrument)?;
        let peer = self.peers.iter().find(|peer| peer.session == *to).map(|peer| &peer.name);
        let venue = || self.venues.iter().find(|venue| venue.session == *to).map(|v| &v.name);
        peer.or_else(venue).cloned()
    }

    /// The destinations that an order may name: exchanges, and our sessions there.
    pub fn named(&self) -> Vec<(String, SessionId)> {
        self.venues.iter().map(|venue| (venue.name.clone(), venue.session)).collect()
    }

    /// Our session at another appliance.
    pub fn session_of(&self, appliance: &str) -> Option<SessionId> {
        self.peers.iter().find(|peer| peer.name == appliance).map(|peer| peer.session)
    }

    /// The instruments that are sent on.
    pub fn instruments(&self) -> Vec<InstrumentId> {
        let mut ids: Vec<_> = self.away.homes.iter().map(|(id, _)| *id).collect();
        ids.sort_unstable();
        ids.dedup();
        ids
    }

    /// Whether an instrument is at several exchanges, of which one may have the better price.
    pub fn has_choice(&self) -> bool {
        self.instruments().len() < self.away.homes.len()
    }

    /// Resolves the tables; `is_client` says which session numbers clients have here.
    ///
    /// # Errors
    /// What does not fit together, with its place and the cure.
    pub(super) fn new(
        config: &Config,
        sharding: &Sharding,
        instruments: &[Instrument],
        is_client: impl Fn(u32) -> bool,
    ) -> Result<Self, (Range<usize>, String)> {
        let keys = &config.peers;
        let mut peers: Vec<PeerSpec> = Vec::new();
        for spanned in &keys.appliance {
            let peer = spanned.get_ref();
            let wrong = |message: String| Err((spanned.span(), message));
            let known = peers.iter().any(|p| p.name == peer.name || p.session.0 == peer.session);
            if known || peer.name == config.appliance {
                return wrong(format!("appliance `{}` stands twice: keep one", peer.name));
            }
            if peer.session == 0 || peer.session > u32::from(u16::MAX) || is_client(peer.session) {
                return wrong(format!(
                    "session {} of appliance `{}` is a client's here: use a number that no \
                     client has, from 1 to 65535, on both sides",
                    peer.session, peer.name
                ));
            }
            if peer.key.len() < 8 {
                return wrong(format!("the key for appliance `{}` is under 8 letters", peer.name));
            }
            peers.push(PeerSpec {
                name: peer.name.clone(),
                session: SessionId(peer.session),
                key: peer.key.clone().into_bytes(),
                gateway: peer.gateway,
            });
        }
        let taken = |id: u32| is_client(id) || peers.iter().any(|peer| peer.session.0 == id);
        let (venues, to_venues, here_first) = venues_of(config, sharding, instruments, taken)?;
        if peers.is_empty() && venues.is_empty() {
            return Ok(Self::default());
        }
        let session_of = |home: &Home| match home {
            Home::Appliance(name) => peers.iter().find(|p| p.name == *name).map(|p| p.session),
            Home::Here(_) => None,
        };
        let homes = sharding.homes().filter_map(|(id, home)| Some((id, session_of(home)?)));
        let sessions = peers.iter().map(|peer| peer.session);
        let away = AwayOptions {
            destinations: sessions.chain(venues.iter().map(|venue| venue.session)).collect(),
            homes: homes.chain(to_venues).collect(),
            here_first,
            asked: venues.iter().map(|venue| venue.session).collect(),
            accounts: Vec::new(),
            orders_max: keys.orders_max,
            in_flight_max: keys.in_flight_max,
            executions_max: keys.executions_max,
        };
        Ok(Self { away, peers, venues, prices_last: None })
    }
}

/// The venues, which instruments go there, and which of those meet somebody here first.
type Routed = (Vec<VenueSpec>, Vec<(InstrumentId, SessionId)>, Vec<InstrumentId>);

fn venues_of(
    config: &Config,
    sharding: &Sharding,
    instruments: &[Instrument],
    taken: impl Fn(u32) -> bool,
) -> Result<Routed, (Range<usize>, String)> {
    let (mut venues, mut homes, mut here_first): Routed = Default::default();
    for spanned in &config.venue {
        let keys = spanned.get_ref();
        let wrong = |message: String| (spanned.span(), format!("venue `{}`: {message}", keys.name));
        let spec = keys.spec().map_err(wrong)?;
        let known = venues.iter().any(|v| v.name == spec.name || v.session == spec.session);
        if keys.session == 0 || keys.session > u32::from(u16::MAX) || known || taken(keys.session) {
            return Err(wrong(format!(
                "its name or its session {} is taken: use a number that nobody has, from 1 to \
                 65535",
                keys.session
            )));
        }
        if venues.iter().any(|other| other.route() == spec.route()) {
            return Err(wrong(
                "another venue's name has the same first four letters, which are all that an \
                 order in OUCH names: use another name"
                    .into(),
            ));
        }
        for symbol in keys.instruments.iter().chain(&keys.remainders) {
            let listed = instruments.iter().find(|listed| listed.symbol.name() == *symbol);
            let id = listed
                .map(|listed| listed.id)
                .ok_or_else(|| wrong(format!("it has `{symbol}`, which is no [[instrument]]")))?;
            if matches!(sharding.home(id), Some(Home::Appliance(_))) {
                return Err(wrong(format!("another appliance has `{symbol}`: keep one of them")));
            }
            if homes.contains(&(id, spec.session)) {
                return Err(wrong(format!("it has `{symbol}` twice: keep one")));
            }
            let (is_first, meets_here) =
                (homes.iter().all(|(other, _)| *other != id), keys.remainders.contains(symbol));
            if !is_first && here_first.contains(&id) != meets_here {
                return Err(wrong(format!(
                    "another venue has `{symbol}` too, where what is left of an order goes and \
                     here the whole, or the other way round: name it in `instruments` of both or \
                     in `remainders` of both"
                )));
            }
            homes.push((id, spec.session));
            if is_first && meets_here {
                here_first.push(id);
            }
        }
        venues.push(spec);
    }
    Ok((venues, homes, here_first))
}

/// What the stage that speaks with other appliances is told.
pub fn peers_options(config: &Config, catalogue: &Catalogue) -> PeersOptions {
    PeersOptions {
        address: config.peers.address,
        instruments: catalogue.instruments.clone(),
        peers: catalogue.destinations.peers.clone(),
        in_flight_max: config.peers.in_flight_max as usize,
    }
}

/// Sessions at other appliances before the first message.
pub fn empty_peers(config: &Config, catalogue: &Catalogue) -> PeersState {
    PeersState::new(&peers_options(config, catalogue))
}

/// The device other appliances are reached by; none where there are none.
pub fn peers_device(config: &Config) -> Option<DeviceRequest> {
    let keys = &config.peers;
    (!keys.appliance.is_empty()).then(|| DeviceRequest {
        device: keys.device.clone(),
        address: keys.address,
        kernel_address: keys.kernel_address,
        record: keys.record.clone(),
    })
}
