//! A client's connection: sockets, login, the clock, and if asked for an ear on the feed.

use std::net::SocketAddrV4;

use anyhow::{Context, anyhow};

use crate::client::{Listener, Roamer, TraderConfig};
use crate::command::Failure;
use crate::command::client::ClientArguments;
use crate::model::Nanos;
use crate::port::Port;
use crate::port::socket::{SocketConfig, SocketPort};
use crate::runtime::{Clock, SystemClock};
use crate::topology::{DeviceName, DeviceRequest, open_port};
use crate::wire::ouch::{AccountQueryRequest, Appendage, Inbound, MESSAGE_MAX, Outbound};
use crate::wire::session::{ClientEvent, LoginRejectCode};

/// How long a session that ended without a word may still count as connected.
const SILENCE: u64 = 1_000_000_000;

/// A client with its clock and, if asked for, its ear on the feed.
pub(super) struct Connection {
    pub(super) trader: Roamer<Box<dyn Port>>,
    pub(super) listener: Option<Listener<SocketPort>>,
    pub(super) clock: SystemClock,
    pub(super) patience: Nanos,
}

fn socket(
    address: SocketAddrV4,
    groups: Vec<SocketAddrV4>,
) -> Result<(SocketPort, SocketAddrV4), Failure> {
    let config = SocketConfig { address: *address.ip(), ports: vec![address.port()], groups };
    let port = SocketPort::open(&config).map_err(Failure::usage)?;
    let own = port.locals().next().unwrap_or(address);
    Ok((port, own))
}

/// The port that orders go by, and our address on it.
fn entry_port(
    arguments: &ClientArguments,
    clock: &SystemClock,
) -> Result<(Box<dyn Port>, SocketAddrV4), Failure> {
    let device = match &arguments.device {
        DeviceName::Socket => {
            let (port, own) = socket(arguments.address, Vec::new())?;
            return Ok((Box::new(port), own));
        }
        DeviceName::Bypass(device) => DeviceName::Bypass(device.clone().as_client()),
        other => other.clone(),
    };
    if arguments.address.port() == 0 {
        return Err(Failure::usage(format!(
            "--device {device}: there the kernel chooses nothing: say --address ADDRESS:PORT"
        )));
    }
    let address = arguments.address;
    let request = DeviceRequest { device, address, kernel_address: None, record: None };
    Ok((open_port(&request, clock).map_err(Failure::usage)?, address))
}

impl Connection {
    /// Opens the sockets and logs in.
    pub(super) fn open(arguments: &ClientArguments) -> Result<Self, Failure> {
        let listener = match arguments.feed {
            None => None,
            Some(group) if group.ip().is_multicast() => {
                let own = SocketAddrV4::new(*arguments.address.ip(), 0);
                let (port, own) = socket(own, vec![group])?;
                Some(Listener::new(port, own, group, arguments.feed_source))
            }
            Some(group) => {
                let (port, own) = socket(group, Vec::new())?;
                Some(Listener::new(port, own, group, arguments.feed_source))
            }
        };
        let clock = SystemClock::new();
        let (port, address) = entry_port(arguments, &clock)?;
        let Some((gateway, others)) = arguments.gateway.split_first() else {
            return Err(Failure::usage("--gateway: name one at least"));
        };
        let config = TraderConfig {
            address,
            gateway: *gateway,
            session: arguments.session,
            key: arguments.key.clone().into_bytes(),
        };
        let patience = Nanos(arguments.patience.saturating_mul(1_000_000_000));
        let mut trader = Roamer::new(port, config, others);
        trader.session_mut().forget_received();
        let mut connection = Self { trader, listener, clock, patience };
        connection.log_in(arguments)?;
        Ok(connection)
    }

    fn log_in(&mut self, arguments: &ClientArguments) -> Result<(), Failure> {
        let began = self.clock.now();
        let mut outcome = None;
        while outcome.is_none() {
            let now = self.clock.now();
            if now.saturating_sub(began) > self.patience {
                return Err(Failure::from(anyhow!(
                    "no answer from {}: is the appliance running, and is that its address?",
                    arguments
                        .gateway
                        .iter()
                        .map(ToString::to_string)
                        .collect::<Vec<_>>()
                        .join(", ")
                )));
            }
            self.trader.poll(now, &mut |event| match event {
                ClientEvent::LoggedIn { .. } => outcome = Some(Ok(())),
                // Whoever was there before us may just have gone without a word: try again.
                ClientEvent::LoginRejected(Some(LoginRejectCode::ConnectedElsewhere))
                    if now.saturating_sub(began).0 < SILENCE => {}
                ClientEvent::LoginRejected(code) => {
                    let why = code
                        .map_or("for a reason this client does not know".into(), |code| {
                            code.sentence().to_owned()
                        });
                    outcome = Some(Err(Failure::from(anyhow!("the login was refused: {why}"))));
                }
                _ => {}
            });
            self.rest(0);
        }
        outcome.unwrap_or(Ok(()))
    }

    /// Leaves the CPU to others for a moment when there was nothing to do.
    pub(super) fn rest(&self, work: usize) {
        if work == 0 {
            std::thread::yield_now();
        }
    }

    pub(super) fn hear(&mut self, now: Nanos) -> usize {
        self.listener.as_mut().map_or(0, |listener| listener.poll(now, &mut |_| ()))
    }

    pub(super) fn log_out(&mut self) {
        let began = self.clock.now();
        self.trader.log_out(began);
        let mut ended = false;
        while !ended && self.clock.now().saturating_sub(began) < self.patience {
            let now = self.clock.now();
            let work = self.trader.poll(now, &mut |event| {
                ended |= matches!(event, ClientEvent::Ended | ClientEvent::Silent);
            });
            self.rest(work);
        }
    }

    /// The next order number that the gateway says is free.
    pub(super) fn free_number(&mut self) -> Result<u32, Failure> {
        let query = AccountQueryRequest {};
        let mut bytes = [0; MESSAGE_MAX];
        let query = Inbound::AccountQueryRequest(query, Appendage::ABSENT);
        let length = query.encode(&mut bytes).unwrap_or(0);
        self.trader.send(&bytes[..length]).context("cannot ask for the next number")?;
        let began = self.clock.now();
        let mut next = None;
        while next.is_none() && self.clock.now().saturating_sub(began) < self.patience {
            let now = self.clock.now();
            let work = self.trader.poll(now, &mut |event| {
                if let ClientEvent::Message { bytes, .. } = event
                    && let Ok(Outbound::AccountQueryResponse(answer, _)) = Outbound::decode(bytes)
                {
                    next = Some(answer.next_user_ref_num);
                }
            });
            self.rest(work);
        }
        next.ok_or_else(|| Failure::from(anyhow!("the gateway did not say which number is next")))
    }
}
