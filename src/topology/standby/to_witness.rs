//! Which witness a configuration names, and the line to it.

use crate::replica::{Name, Tenant};
use crate::topology::Config;
use crate::topology::standby::config::WitnessConfig;
use crate::topology::standby::line::{Place, ToWitness};

/// The line to the witness that a configuration names, in one running of this machine; none where
/// it names none.
pub fn to_witness(config: &Config, life: [u8; 16]) -> Option<Box<ToWitness>> {
    let (standby, key) = (&config.standby, config.standby.key.as_bytes());
    let place = match standby.witness.as_ref()? {
        WitnessConfig::Process(address) => Place::Far(*address),
        WitnessConfig::Database(address) => database(config, address),
    };
    let tenant = Tenant::new(Name::new(&standby.name), life);
    Some(Box::new(ToWitness::new(place, key, tenant)))
}

/// PostgreSQL, by a thread of this process. An address that is none is a witness that is away.
#[cfg(feature = "scaled")]
fn database(config: &Config, address: &str) -> Place {
    use crate::topology::standby::database::{DatabaseArbiter, dialer};
    let key = config.standby.key.clone().into_bytes();
    // Both machines know this name, and no other pair does.
    let hash = blake3::derive_key("wirematch 2026 the name of a pair", &key);
    let hash: String = hash.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    let pair = format!("{}-{hash}", config.appliance);
    match DatabaseArbiter::new(address, &pair, config.standby.lease()) {
        Ok(arbiter) => Place::Near(dialer(arbiter, key)),
        Err(_) => Place::Near(Box::new(|| None)),
    }
}

#[cfg(not(feature = "scaled"))]
fn database(_: &Config, _: &str) -> Place {
    Place::Near(Box::new(|| None))
}
