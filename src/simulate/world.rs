//! The world of one seed: machines, witness, clients, wires, time; who is next and what goes wrong
//! are drawn from the seed, and whoever stands outside checks what must be true.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::flow::Dice;
use crate::model::{CommandKind, Nanos, Price, Request, SessionId};
use crate::port::Port;
use crate::replica::ArbiterState;
use crate::simulate::cables::{
    Cables, EXCHANGE, FIX_CLIENTS, Shared, Switchboard, WITNESS, locked,
};
use crate::simulate::check::{Found, check, standing};
use crate::simulate::clients::{Client, FixClient, Who, client_address};
use crate::simulate::exchange::{self, Exchange};
use crate::simulate::hub::Hub;
use crate::simulate::machine::{Machine, PARTS};
use crate::simulate::platter::Platter;
use crate::simulate::trouble::Spoilt;
use crate::simulate::{Fault, Options, Outcome, Sabotage, Struck};
use crate::topology::{
    Catalogue, Config, WitnessOptions, WitnessServer, check as check_config, parse,
};
use crate::wire::fix::Version;

/// When worlds begin.
const BEGIN: Nanos = Nanos(1_767_358_800_000_000_000);

/// Polls without work before time leaps, and how far it leaps at most.
const IDLE_POLLS: u32 = 40;
const LEAP_MAX: u64 = 4_000_000;

/// What both instruments begin with: 300 dollars.
pub(super) const REFERENCE: Price = Price(3_000_000);

/// The witness's lease.
const LEASE: Nanos = Nanos(100_000_000);

/// Clients over UDP; those over FIX have the sessions after theirs.
pub(super) const CLIENTS: u32 = 2;

/// Segments of which a part holds all that can be on the way.
const ROOMY_KIB: u32 = 512;

/// The accounts that clients trade for, one each.
pub(super) const ACCOUNTS: u32 = 4;

/// The world.
pub(super) struct World {
    pub(super) now: Nanos,
    pub(super) dice: Dice,
    pub(super) hub: Hub,
    pub(super) cables: Shared,
    pub(super) machines: [Machine; 2],
    pub(super) witness: Option<WitnessServer>,
    witness_lines: Switchboard,
    pub(super) witness_options: WitnessOptions,
    pub(super) clients: Vec<Client>,
    pub(super) fix_clients: Vec<FixClient>,
    pub(super) exchange: Exchange,
    /// A machine that is not scheduled until then.
    pub(super) paused: [Nanos; 2],
    /// How far each machine's clock is off, and how it runs, in parts of a million.
    pub(super) skew: [(u64, u64); 2],
    /// When each machine is started again.
    pub(super) restart_at: [Option<Nanos>; 2],
    pub(super) witness_at: Option<Nanos>,
    pub(super) heal_at: Nanos,
    pub(super) enabled: Vec<Fault>,
    pub(super) next_fault: Nanos,
    /// What the witness has on record.
    pub(super) record: ArbiterState,
    /// A machine that lost what was in its memory and was not primary since.
    pub(super) forgot: [bool; 2],
    /// What a disk did that its machine must not live with in silence.
    pub(super) spoiled: [Option<Spoilt>; 2],
    /// A machine that was set up anew, of which the witness is to be told.
    pub(super) set_up: Option<usize>,
    /// Power that goes when a disk has lied for long enough.
    pub(super) power_at: [Option<Nanos>; 2],
    pub(super) struck: Struck,
    idle: u32,
    leap: u64,
    pub(super) sabotage: Option<Sabotage>,
}

pub(super) fn gateways() -> [SocketAddrV4; 2] {
    [1, 2].map(|host| SocketAddrV4::new(Ipv4Addr::new(10, 0, 0, host), 9100))
}

/// Who comes over FIX: two who trade, and one who is told of all orders.
fn whos(dice: &mut Dice) -> [Who; 3] {
    let mut place = 0;
    [CLIENTS + 1, CLIENTS + 2, CLIENTS + 3].map(|session| {
        place += 1;
        let version = Version::ALL[dice.below(Version::ALL.len() as u64) as usize];
        Who {
            session,
            version,
            // The oldest version has no field for it.
            next_expected: dice.percent(30) && version != Version::Fix42,
            is_watcher: place == FIX_CLIENTS.len(),
        }
    })
}

fn settings(
    place: usize,
    (gate, kib, snapshots, abroad): (&str, u32, u64, Version),
    whos: &[Who],
    sabotage: Option<Sabotage>,
    folder: &Path,
) -> Result<(Config, Catalogue), String> {
    let mut text = format!(
        "data = \"{}\"\nrelease = \"{gate}\"\n[entry]\naddress = \"{}\"\nheartbeat_ms = 20\n\
         reply_cache = 1024\n\
         [feed]\naddress = \"10.0.1.{}:9200\"\ngroup = \"239.1.1.1:9201\"\nheartbeat_ms = 100\n\
         rewind_messages = 4096\n[journal]\nsegment_kib = {kib}\n[engine]\norders_max = 2048\n\
         fills_per_command_max = 16\nladder_ticks = 64\nlink_depth = 320\n\
         [standby]\nname = \"{}\"\naddress = \"127.0.0.1:1\"\nwitness = \"10.1.0.{WITNESS}:9400\"\n\
         key = \"simulated\"\ndigest_every = 64\n\
         [[instrument]]\nsymbol = \"ACME\"\nreference_price = \"300.00\"\n\
         [[instrument]]\nsymbol = \"BOLT\"\nreference_price = \"300.00\"\n\
         [[instrument]]\nsymbol = \"{}\"\nreference_price = \"300.00\"\n\
         [[account]]\nfirst = 1\ncount = {ACCOUNTS}\n\
         [snapshots]\nevery_commands = {snapshots}\n\
         [fix]\naddress = \"{}\"\ngrace_s = 60\n\
         orders_per_session = 512\n",
        folder.join(["one", "two"][place]).display(),
        gateways()[place],
        1 + place,
        ["one", "two"][place],
        exchange::SYMBOL,
        gateways()[place]
    );
    text += &format!(
        "[[venue]]\nname = \"{}\"\nsession = 950\nversion = \"{}\"\ninstruments = [\"{}\"]\n\
         failover_s = 3\n[venue.primary]\naddress = \"10.1.0.{EXCHANGE}:9400\"\n\
         sender = \"{}\"\ntarget = \"{}\"\n",
        exchange::NAME,
        abroad.name(),
        exchange::SYMBOL,
        exchange::OUR_NAME,
        exchange::NAME
    );
    for who in whos {
        let accounts = if who.is_watcher { (1, ACCOUNTS) } else { (who.session, who.session) };
        text += &format!(
            "[[fix.session]]\nid = {}\nversion = \"{}\"\ntarget = \"CLIENT{}\"\n\
             first_account = {}\nlast_account = {}\nrate = \"load-test\"\n\
             cancel_on_disconnect = {}\nself_trade = \"allow\"\n\
             next_expected = {}\ndrop_copy = {}\n",
            who.session,
            who.version.name(),
            who.session,
            accounts.0,
            accounts.1,
            !who.is_watcher && who.session.is_multiple_of(2),
            who.next_expected,
            who.is_watcher
        );
    }
    for session in 1..=CLIENTS {
        text += &format!(
            "[[session]]\nid = {session}\nkey = \"the key of session {session}\"\n\
             first_account = {session}\nlast_account = {session}\nrate = \"load-test\"\n\
             cancel_on_disconnect = false\nself_trade = \"allow\"\n"
        );
    }
    let config = parse("simulation", &text).map_err(|error| error.to_string())?;
    let mut catalogue = check_config(&config, "simulation", &text).map_err(|e| e.to_string())?;
    // Clocks are wrong by hours here, and it is not for that that a session may end.
    for spec in catalogue.fix_sessions.iter_mut().flatten() {
        spec.config.clock_tolerance = Nanos::MAX;
        spec.config.resends = sabotage != Some(Sabotage::FixPassOver);
    }
    for line in catalogue.destinations.venues.iter_mut().flat_map(|venue| &mut venue.lines) {
        line.config.clock_tolerance = Nanos::MAX;
        line.config.logon_patience = exchange::PATIENCE;
    }
    Ok((config, catalogue))
}

impl World {
    pub(super) fn new(options: &Options, seed: u64, folder: &Path) -> Result<Self, String> {
        let mut dice = Dice::new(seed);
        let mut hub = Hub::new(seed ^ 0x5eed);
        let cables = Cables::new(seed ^ 0xcab1e);
        let sabotage = options.sabotage;
        let gate = if dice.percent(35) { "synced+replicated" } else { "replicated" };
        let kib = if dice.percent(40) { 64 } else { ROOMY_KIB };
        let wants_snapshots = sabotage == Some(Sabotage::SnapshotLacks);
        let snapshots = match dice.percent(40) | wants_snapshots {
            true => 200 + dice.below(1_000),
            false => 0,
        };
        let abroad = Version::ALL[dice.below(Version::ALL.len() as u64) as usize];
        let gate = (gate, kib, snapshots, abroad);
        let whos = whos(&mut dice);
        let settings = |place| settings(place, gate, &whos, sabotage, folder);
        let machines = [settings(0)?, settings(1)?];
        let hides_failure = sabotage == Some(Sabotage::HideFailedSync);
        let mut place = 0;
        let machines = machines.map(|settings| {
            place += 1;
            let disk = Platter::new(seed ^ (0xd15c + place as u64), hides_failure);
            Machine::new(place - 1, settings, cables.clone(), disk, sabotage)
        });
        let clients = (1..=CLIENTS)
            .map(|id| Client::new(hub.connect(client_address(id)), id, gateways()))
            .collect();
        let fix_clients = whos
            .into_iter()
            .zip(FIX_CLIENTS)
            .map(|(who, place)| FixClient::new(who, place, cables.clone()))
            .collect();
        let exchange = Exchange::new(abroad, cables.clone());
        let witness_options = WitnessOptions {
            address: crate::simulate::cables::address(WITNESS),
            key: "simulated".to_owned(),
            data: folder.join("witness"),
            lease: LEASE,
            say: |_| (),
        };
        // Swarm style: each seed has its own few kinds of trouble.
        let needed = sabotage.map_or(&[][..], Sabotage::needs);
        // A start does not read what is before a snapshot: what is spoiled there is not found.
        let mut not_drawn = match snapshots {
            0 => vec![Fault::SnapshotRot],
            _ => vec![Fault::BitRot, Fault::MisdirectedWrite, Fault::DiskLying],
        };
        // The room kept for cancels is a part of a segment, and must hold what is on the way.
        not_drawn.extend((kib < ROOMY_KIB).then_some(Fault::DiskFull));
        let drawn =
            |kind: &Fault| (dice.percent(45) | needed.contains(kind)) && !not_drawn.contains(kind);
        let enabled = Fault::ALL.iter().copied().filter(drawn).collect();
        let mut world = Self {
            now: BEGIN,
            dice,
            hub,
            witness_lines: Switchboard { shared: cables.clone(), place: WITNESS },
            cables,
            machines,
            witness: None,
            witness_options,
            clients,
            fix_clients,
            exchange,
            paused: [Nanos::ZERO; 2],
            skew: [(0, 0); 2],
            restart_at: [Some(BEGIN), Some(BEGIN.saturating_add(Nanos(3_000_000)))],
            witness_at: Some(BEGIN),
            heal_at: Nanos::ZERO,
            enabled,
            next_fault: BEGIN.saturating_add(Nanos(60_000_000)),
            record: ArbiterState::default(),
            forgot: [false; 2],
            spoiled: [None, None],
            set_up: None,
            power_at: [None, None],
            struck: Struck::default(),
            idle: 0,
            leap: 0,
            sabotage,
        };
        world.start_what_is_due().map_err(|found| found.what)?;
        Ok(world)
    }

    /// Runs to the end: trouble, then peace, then the last look.
    pub(super) fn run(mut self, trouble: Nanos, folder: &Path) -> Outcome {
        let end = BEGIN.saturating_add(trouble);
        while self.now < end {
            if let Err(found) = self.step(true) {
                return self.outcome(Err(found), folder);
            }
        }
        let settled = self.settle();
        self.outcome(settled, folder)
    }

    fn outcome(mut self, so_far: Result<(), Found>, folder: &Path) -> Outcome {
        let frames = self.hub.struck();
        for (count, kind) in frames.iter().zip([
            Fault::FramesLost,
            Fault::FramesRepeated,
            Fault::FramesReordered,
            Fault::FramesCorrupted,
            Fault::FramesTruncated,
        ]) {
            self.struck.met(kind, *count);
        }
        let turned = locked(&self.cables).turned;
        self.struck.met(Fault::BitsTurned, turned);
        self.struck.refused_for_room =
            self.clients.iter().map(|client| client.book.refused_for_room).sum();
        self.struck.refused_for_room +=
            self.fix_clients.iter().map(|client| client.book.refused).sum::<u64>();
        self.struck.fix_repeats = self.fix_clients.iter().map(|client| client.heard.repeats).sum();
        self.struck.snapshots = self.machines.iter().map(|machine| machine.snapshots).sum();
        self.struck.begun_from_snapshots =
            self.machines.iter().map(|machine| machine.from_snapshots).sum();
        self.struck.takeovers = self.machines.iter().map(|machine| machine.promotions).sum();
        let primary = self.machines.iter().position(Machine::is_primary);
        let so_far = so_far.and_then(|()| {
            let mut machines = self.machines.iter_mut();
            machines.try_for_each(|machine| {
                let journal = machine.journal();
                machine.fold().map_or(Ok(()), |fold| standing(&journal, fold))
            })
        });
        self.machines.iter_mut().for_each(Machine::kill);
        let found = match so_far {
            // Why it does not may be seen in what is on record.
            Err(found) if found.check == "liveness" => match check(&self, primary.unwrap_or(0)) {
                Err(Found { check, what }) => {
                    Err(Found::new(check, format!("{what}; {}", found.what)))
                }
                Ok(_) => Err(found),
            },
            so_far => so_far.and_then(|()| check(&self, primary.unwrap_or(0))),
        };
        let (digest, commands, found) = match found {
            Ok((digest, commands)) => (digest, commands, None),
            Err(found) => (0, 0, Some(found)),
        };
        let _ = std::fs::remove_dir_all(folder);
        let span = self.now.saturating_sub(BEGIN);
        Outcome { digest, commands, found, struck: self.struck, span }
    }

    /// Trouble ends: everybody runs, all that was sent is answered.
    fn settle(&mut self) -> Result<(), Found> {
        self.enabled.clear();
        self.power_at = [None, None];
        self.heal()?;
        // A machine that needs no sync does not end of a disk that fails; a person sees the alert.
        self.machines.iter().for_each(|machine| machine.disk.set_failing(false));
        let mut quiet_since = None;
        for _ in 0..400_000 {
            for place in 0..2 {
                if self.machines[place].is_off() && self.restart_at[place].is_none() {
                    self.restart_at[place] = Some(self.now);
                }
            }
            self.step(false)?;
            let is_calm = self.clients.iter().all(Client::is_settled)
                && self.fix_clients.iter().all(FixClient::is_settled)
                && self.exchange.is_up()
                && self.machines.iter().any(Machine::is_paired);
            match quiet_since {
                _ if !is_calm => quiet_since = None,
                None => quiet_since = Some(self.now),
                Some(since) if self.now.saturating_sub(since).0 > 300_000_000 => return Ok(()),
                Some(_) => {}
            }
        }
        let how = self.machines.each_ref().map(Machine::describe);
        let record =
            (self.record.epoch, self.record.holder.to_string(), self.record.heir.to_string());
        let clients: Vec<_> = self.fix_clients.iter().map(FixClient::describe).collect();
        let exchange = self.exchange.describe();
        let what = format!("it never comes to rest: {how:?}, {record:?}, {clients:?}, {exchange}");
        Err(Found::new("liveness", what))
    }

    /// One step of somebody, and now and then a fault.
    fn step(&mut self, sends: bool) -> Result<(), Found> {
        if self.now >= self.next_fault {
            self.strike();
        }
        self.take_power_that_is_due();
        if self.heal_at > Nanos::ZERO && self.now >= self.heal_at {
            self.heal()?;
        }
        self.start_what_is_due()?;
        if self.sabotage == Some(Sabotage::Duplicate) {
            self.repeat_an_order();
        }
        locked(&self.cables).now = self.now;
        let who = self.dice.below(16);
        let work = match who {
            0 => self.hub.poll(),
            1 => self.step_witness()?,
            2 | 3 => {
                let Self { clients, dice, now, .. } = self;
                clients.get_mut(who as usize - 2).map_or(0, |c| c.step(*now, dice, sends))
            }
            4..7 => {
                let Self { fix_clients, dice, now, .. } = self;
                fix_clients.get_mut(who as usize - 4).map_or(0, |c| c.step(*now, dice, sends))
            }
            7 => {
                let Self { exchange, dice, now, .. } = self;
                exchange.step(*now, dice, sends)
            }
            _ => self.step_machine((who % 2) as usize)?,
        };
        self.look()?;
        self.now.0 += self.dice.below(4_000);
        self.idle = if work > 0 { 0 } else { self.idle + 1 };
        if work > 0 {
            self.leap = 0;
        } else if self.idle > IDLE_POLLS {
            self.idle = 0;
            self.leap = (2 * self.leap + 50_000).min(LEAP_MAX);
            self.now.0 += self.dice.below(self.leap);
        }
        Ok(())
    }

    /// An order that was answered is asked for again, as if it had come twice.
    fn repeat_an_order(&mut self) {
        let Some(number) = self.clients[0].book.answered.first().copied() else { return };
        if self.dice.below(1_000) > 0 {
            return;
        }
        let mut request = Request::new(CommandKind::Enter, self.now);
        (request.0.session, request.0.ordinal) = (SessionId(1), number);
        self.machines.iter_mut().for_each(|machine| {
            machine.ask_for(&request);
        });
    }

    fn step_witness(&mut self) -> Result<usize, Found> {
        let names = self.machines.each_ref().map(|machine| machine.name);
        let Self { witness, witness_lines, now, sabotage, record, forgot, set_up, .. } = self;
        let Some(server) = witness else { return Ok(0) };
        if *sabotage == Some(Sabotage::WitnessObliges) {
            let heir = crate::replica::Name::new("two");
            let _ = server.force(heir);
        }
        // Somebody tells it, as soon as it hears, that the other machine's journal is gone.
        // What was on its way from there when it ended may have let the other go as heir.
        let emptied = set_up.take();
        if let Some(place) = emptied {
            let told = match [record.holder, record.heir].contains(&names[place]) {
                true => server.force(names[1 - place]),
                false => Ok(()),
            };
            told.map_err(|error| Found::new("witness", error.to_string()))?;
        }
        let work = server.step(*now, witness_lines);
        let now = *server.state();
        for (place, name) in names.iter().enumerate() {
            let is_new_heir = now.heir == *name && record.heir != *name;
            // That somebody else shall take over begins an epoch too, and gives this one nothing.
            let is_new_holder = now.holder == *name && now.epoch != record.epoch;
            if is_new_heir || is_new_holder && emptied != Some(place) {
                forgot[place] = false;
            }
        }
        *record = now;
        work.map_err(|error| Found::new("witness", error.to_string()))
    }

    fn step_machine(&mut self, place: usize) -> Result<usize, Found> {
        if self.now < self.paused[place] {
            return Ok(0);
        }
        let part = self.dice.below(PARTS as u64) as usize;
        let now = self.time_of(place);
        let Self { machines, hub, .. } = self;
        let machine = &mut machines[place];
        let mut ports = |place: usize| -> [Box<dyn Port>; 2] {
            let feed = Ipv4Addr::new(10, 0, 1, 1 + place as u8);
            [Box::new(hub.connect(*gateways()[place].ip())), Box::new(hub.connect(feed))]
        };
        let was_up = machine.is_up();
        let outcome = machine.step(part, now, &mut ports);
        let outcome = outcome.and_then(|work| machine.take_snapshot_when_due().map(|()| work));
        if machine.is_up() && !was_up {
            self.came_up(place)?;
        }
        let fallen = match outcome {
            Ok(work) => {
                let machine = &self.machines[place];
                let has_ended = machine.is_off() && self.restart_at[place].is_none();
                if has_ended && locked(&self.cables).is_on[place] {
                    self.struck.syncs_failed += u64::from(machine.disk.is_failing());
                    self.kill(place);
                }
                return Ok(work);
            }
            Err(why) => why,
        };
        self.fell(place, &fallen).map(|()| 1)
    }

    /// A machine's own time.
    fn time_of(&self, place: usize) -> Nanos {
        let (ahead, drift) = self.skew[place];
        let since = self.now.saturating_sub(BEGIN).0;
        Nanos(self.now.0 + ahead + since / 1_000_000 * drift)
    }

    /// What must be true at every moment.
    fn look(&self) -> Result<(), Found> {
        let answering =
            (0..2).filter(|place| self.machines[*place].may_answer(self.time_of(*place))).count();
        if answering > 1 {
            return Err(Found::new("epoch", "two machines may answer at one time".to_owned()));
        }
        if let Some(place) = (0..2).find(|place| self.machines[*place].is_out_of_room()) {
            let what = format!("machine {place} has no room for what it must take");
            return Err(Found::new("room", what));
        }
        let wrong = self.clients.iter().find_map(|client| client.book.wrong.clone());
        let wrong = wrong.or_else(|| self.exchange.market.wrong.first().cloned());
        let wrong = wrong.or_else(|| self.fix_clients.iter().find_map(FixClient::wrong));
        match wrong {
            Some(wrong) => Err(Found::new("client", wrong)),
            None => Ok(()),
        }
    }

    fn start_what_is_due(&mut self) -> Result<(), Found> {
        if self.witness_at.is_some_and(|at| at <= self.now) {
            self.witness_at = None;
            let server = WitnessServer::open(&self.witness_options, self.now);
            let server = server.map_err(|error| Found::new("witness", error.to_string()))?;
            self.witness = Some(server);
            locked(&self.cables).is_on[WITNESS] = true;
        }
        for place in 0..2 {
            if self.restart_at[place].is_some_and(|at| at <= self.now) {
                self.restart_at[place] = None;
                locked(&self.cables).is_on[place] = true;
                if let Err(why) = self.machines[place].start() {
                    self.fell(place, &why)?;
                }
            }
        }
        Ok(())
    }
}

/// A folder for one run, on the memory's own file system where there is one.
pub(super) fn folder(seed: u64) -> PathBuf {
    let memory = Path::new("/dev/shm");
    let root = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
    // Several may run in one process, of one seed too.
    static RUNS: AtomicU64 = AtomicU64::new(0);
    let run = RUNS.fetch_add(1, Ordering::Relaxed);
    root.join(format!("wirematch-simulate-{}-{run}-{seed}", std::process::id()))
}
