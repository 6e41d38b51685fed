//! Empty state of all stages, as a configuration wants it: what boot fills by replay, and what
//! replay, benches and tests start from.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::engine::risk::{Feedback, RiskGate};
use crate::engine::{
    Away, AwayOptions, EngineLimits, Fold, SetupError, Shards, SoftwareMatcher,
    events_of_shards_max,
};
use crate::journal::{Meaning, Settings};
use crate::model::{Instrument, Nanos};
use crate::stage::{FeedOptions, FeedState, GatewayOptions, GatewayState};
use crate::topology::{Catalogue, Config};

/// The engine's limits as configured.
pub fn engine_limits(config: &Config, catalogue: &Catalogue) -> EngineLimits {
    EngineLimits {
        orders_max: config.engine.orders_max,
        sessions_max: catalogue.sessions.len() as u32,
        fills_per_command_max: config.engine.fills_per_command_max,
        ladder_ticks: config.engine.ladder_ticks,
        ..EngineLimits::DEFAULT
    }
}

/// Risk and matching before the first command.
///
/// # Errors
/// A limit that the engine refuses, with its cure.
pub fn empty_fold(config: &Config, catalogue: &Catalogue) -> Result<Fold<Shards>, SetupError> {
    let limits = engine_limits(config, catalogue);
    let sharding = &catalogue.sharding;
    let shards = sharding.shards();
    let matcher = |shard| {
        let ladder_ticks = sharding.ladder_ticks(shard).unwrap_or(limits.ladder_ticks);
        let limits = EngineLimits { shard: shard as u8, ladder_ticks, ..limits };
        SoftwareMatcher::new(limits, &sharding.known_to(shard, &catalogue.instruments))
    };
    let matchers = (0..shards).map(matcher).collect::<Result<Vec<_>, _>>()?;
    let risk = &catalogue.risk;
    let destinations = &catalogue.destinations;
    let mut routes = sharding.routes();
    let away = match destinations.is_empty() {
        true => None,
        false => Some(empty_away(
            &destinations.away,
            EngineLimits { shard: shards as u8, ..limits },
            catalogue,
        )?),
    };
    if away.is_some() {
        let sent = destinations.away.accounts.iter().map(|(first, last, _)| (*first, *last));
        routes = routes.with_away(&destinations.instruments()).sending(sent);
    }
    let events = events_of_shards_max(&limits, routes.shards());
    let matcher = Shards::new(matchers, routes, &limits).with_away(away);
    let feedback = Feedback::new(risk.feedback_lag, risk.feedback_window, events);
    Ok(Fold::new(RiskGate::new(risk), feedback, matcher))
}

/// What rests elsewhere before the first command, with books for what meets somebody here first.
fn empty_away(
    options: &AwayOptions,
    limits: EngineLimits,
    catalogue: &Catalogue,
) -> Result<Away, SetupError> {
    let mut away = Away::new(options, &limits);
    if let Some(last) = catalogue.destinations.prices_last {
        away = away.choosing_by_price(last);
    }
    let is_here_first = |listed: &&Instrument| options.here_first.contains(&listed.id);
    let listed: Vec<_> = catalogue.instruments.iter().filter(is_here_first).copied().collect();
    if listed.is_empty() {
        return Ok(away);
    }
    Ok(away.with_books(SoftwareMatcher::new(limits, &listed)?, options))
}

/// Sessions before the first login.
pub fn empty_gateway(config: &Config, catalogue: &Catalogue) -> GatewayState {
    let entry = &config.entry;
    let mut secret = [0; 32];
    // Without randomness tokens could be guessed; a machine without it is not fit to serve.
    getrandom::fill(&mut secret).expect("the system has randomness");
    GatewayState::new(&GatewayOptions {
        address: entry.address,
        instruments: catalogue.instruments.clone(),
        destinations: catalogue.destinations.named(),
        sessions: catalogue.sessions.clone(),
        heartbeat: Nanos(entry.heartbeat_ms as u64 * 1_000_000),
        hold: Nanos(entry.hold_us as u64 * 1_000),
        reply_cache: entry.reply_cache as usize,
        window: entry.window,
        late_answers: !catalogue.destinations.is_empty(),
        secret,
    })
}

/// How long risk may stand still before gateways refuse orders: within a heartbeat, with the second
/// look that they take.
pub fn risk_bound(config: &Config) -> Nanos {
    Nanos(u64::from(config.entry.heartbeat_ms) * 800_000)
}

/// The feed before the first message.
pub fn empty_feed(config: &Config, catalogue: &Catalogue) -> FeedState {
    FeedState::new(&feed_options(config, catalogue))
}

/// What the feed is told.
pub(super) fn feed_options(config: &Config, catalogue: &Catalogue) -> FeedOptions {
    let feed = &config.feed;
    let mut session = [b' '; 10];
    let name = feed.session.as_bytes();
    let length = name.len().min(session.len());
    session[..length].copy_from_slice(&name[..length]);
    FeedOptions {
        address: feed.address,
        group: feed.group,
        group_b: feed.group_b,
        packets_per_second: feed.packets_per_second,
        session,
        instruments: catalogue.instruments.clone(),
        heartbeat: Nanos(feed.heartbeat_ms as u64 * 1_000_000),
        rewind_messages: feed.rewind_messages as usize,
    }
}

/// The values that history depends on, as the journal's headers keep them.
pub fn meaning(config: &Config, catalogue: &Catalogue) -> Meaning {
    Meaning {
        fills_per_command_max: config.engine.fills_per_command_max as u32,
        feedback_window: config.engine.feedback_window,
        feedback_lag: catalogue.risk.feedback_lag,
        config_digest: digest(catalogue),
    }
}

/// SHA-256 over what history depends on: instruments, limits, rights.
fn digest(catalogue: &Catalogue) -> [u8; 32] {
    use sha2::Digest;
    let Catalogue { instruments, sessions, fix_sessions, risk, sharding, .. } = catalogue;
    let away = &catalogue.destinations.away;
    let settings = sessions.iter().flatten().map(|s| (s.id, s.self_trade, s.first_account));
    let fix = fix_sessions.iter().flatten().map(|s| (s.id, s.self_trade, s.default_account()));
    let settings: Vec<_> = settings.chain(fix).collect();
    let text = format!(
        "{instruments:?} {settings:?} {sharding:?} {:?} {:?} {} {} {:?} {:?} {:?}",
        risk.accounts,
        risk.sessions,
        risk.orders_max,
        risk.holdings_max,
        risk.firms,
        risk.settings,
        risk.instruments_of
    );
    let text = if catalogue.destinations.is_empty() { text } else { text + &format!(" {away:?}") };
    let by_price = catalogue.destinations.prices_last.map(|last| format!(" by price {last:?}"));
    let text = text + &by_price.unwrap_or_default();
    sha2::Sha256::digest(text).into()
}

/// The journal's folder below the data folder.
pub fn journal_folder(data: &Path) -> PathBuf {
    data.join("journal")
}

/// How the journal is kept.
pub fn journal_settings(config: &Config) -> Settings {
    let segment_bytes = config.journal.segment_kib as usize * 1024;
    let lines = segment_bytes / 64;
    Settings {
        segment_bytes,
        sync_interval: Duration::from_millis(config.journal.sync_interval_ms as u64),
        anchor_interval: Duration::from_secs(config.journal.anchor_interval_s.into()),
        anchors: config.journal.anchors.clone(),
        plain_segments: config.journal.plain_segments as usize,
        packed: config.journal.packed.clone(),
        // A quarter of a segment is kept for cancels.
        reserve_lines: (lines / 8).min(Settings::default().reserve_lines),
        ..Settings::default()
    }
}
