//! The clock steps while orders flow: everybody is answered, in the order in which they came. And a
//! clock that is too far from UTC for too long: new orders are refused until it is near again.

#[path = "support/process.rs"]
#[allow(dead_code, unreachable_pub, reason = "every test takes what it needs of this")]
mod process;
mod support;

use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use process::{Appliance, configuration, free_address};
use support::{World, log_of};
use wirematch::journal::LogKind;
use wirematch::model::{Command as Ordered, CommandKind, Nanos, RejectCode};
use wirematch::runtime::{Clock, SystemClock};
use wirematch::topology::journal_folder;

const SECOND: u64 = 1_000_000_000;

/// Log time as a machine has it that stood still for a while, again and again: sessions that are
/// taken for silent come back, and nothing of what they asked is lost or done twice.
#[test]
fn time_that_leaps_costs_no_answer() {
    for seed in 1..=3 {
        let mut world = World::new(seed, 3);
        world.connect();
        for round in 0..60u64 {
            for _ in 0..40 {
                let World { clients, dice, .. } = &mut world;
                clients.iter_mut().for_each(|client| _ = client.send_random(dice));
                world.steps(12);
            }
            world.now.0 += [SECOND / 20, SECOND, 30 * SECOND, 3_600 * SECOND][round as usize % 4];
        }
        world.settle();
        world.check();
        let commands = log_of::<Ordered>(&world.journal());
        let times = || commands.iter().map(|group| (group.head.seq, group.head.timestamp));
        assert!(times().zip(times().skip(1)).all(|(left, right)| left < right));
    }
}

/// What stands between a process and the system's clock: it adds what a file says, in seconds.
const SHIM: &str = r#"
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
static volatile long *step;
__attribute__((constructor)) static void begin(void) {
    int file = open(getenv("WIREMATCH_TEST_STEP"), O_RDONLY);
    void *seen = mmap(0, sizeof(long), PROT_READ, MAP_SHARED, file, 0);
    step = seen == MAP_FAILED ? 0 : seen;
}
int clock_gettime(clockid_t clock, struct timespec *into) {
    static int (*real)(clockid_t, struct timespec *);
    if (!real) real = dlsym(RTLD_NEXT, "clock_gettime");
    int code = real(clock, into);
    if (step && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) into->tv_sec += *step;
    return code;
}
time_t time(time_t *into) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (into) *into = now.tv_sec;
    return now.tv_sec;
}
"#;

/// The shim as a library, and the file that it reads; `None` without a compiler.
fn shim(folder: &Path) -> Option<(String, std::path::PathBuf)> {
    let (source, library) = (folder.join("step.c"), folder.join("step.so"));
    let step = folder.join("step");
    std::fs::write(&source, SHIM).expect("the folder is ours");
    std::fs::write(&step, 0i64.to_ne_bytes()).expect("the folder is ours");
    let mut compiler = Command::new("cc");
    compiler.args(["-shared", "-fPIC", "-o"]).arg(&library).arg(&source).arg("-ldl");
    let made = compiler.status().is_ok_and(|status| status.success());
    made.then(|| (library.display().to_string(), step))
}

fn client(entry: std::net::SocketAddrV4, task: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_wirematch"));
    command
        .args(["client", "--gateway", &entry.to_string()])
        .args(["--session", "1", "--key", "test-key-1", "--json", "--patience", "20"])
        .args(task)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// The system's clock, stepped by a day and back: log time does not notice.
#[test]
fn a_stepped_clock_changes_neither_order_nor_time() {
    let folder = tempfile::tempdir().expect("a folder");
    let Some((library, step)) = shim(folder.path()) else { return println!("skipped: no cc") };
    let entry = free_address();
    let mut appliance = Appliance::new(configuration(folder.path(), entry, 1));
    appliance.environment = vec![
        ("LD_PRELOAD".into(), library),
        ("WIREMATCH_TEST_STEP".into(), step.display().to_string()),
    ];
    appliance.start();
    let begun = SystemClock::new().now();
    let load = ["load", "--orders", "20000", "--rate", "4000", "--symbols", "ACME"];
    let mut load = client(entry, &load).spawn().expect("the binary starts");
    let day = 86_400i64;
    let mut steps = 0;
    while load.try_wait().expect("it is ours").is_none() {
        let by = [day, 0, -day, 3, -3, 0][steps % 6];
        // In place: the other process has the file mapped.
        let file = std::fs::OpenOptions::new().write(true).open(&step).expect("it is there");
        std::os::unix::fs::FileExt::write_all_at(&file, &by.to_ne_bytes(), 0).expect("a number");
        steps += 1;
        std::thread::sleep(Duration::from_millis(200));
    }
    let Output { status, stdout, stderr } = load.wait_with_output().expect("it has ended");
    let ended = SystemClock::new().now();
    let said = String::from_utf8_lossy(&stderr);
    let report: serde_json::Value = serde_json::from_slice(&stdout).expect("it is JSON");
    assert!(status.success() && report["unanswered"] == 0, "{said}\n{report}");
    assert_eq!(report["trades_as_expected"], true, "price-time order: {report}");
    assert!(steps > 6, "only {steps} steps");
    assert!(appliance.stop().success());
    assert!(appliance.replays());
    let journal = journal_folder(&folder.path().join("data"));
    assert!(LogKind::Commands.folder(&journal).is_dir());
    let commands = log_of::<Ordered>(&journal);
    let times = || commands.iter().map(|group| group.head.timestamp);
    assert!(times().zip(times().skip(1)).all(|(left, right)| left < right));
    let within = begun.saturating_sub(Nanos(60 * SECOND))..ended.saturating_add(Nanos(SECOND));
    assert!(times().all(|time| within.contains(&time)), "log time follows the steps");
}

/// The replies to an order by hand.
fn order(entry: std::net::SocketAddrV4, number: u32) -> String {
    let number = number.to_string();
    let order = ["order", "buy", "1", "ACME", "299.50", "--number", &number];
    let Output { stdout, stderr, .. } = client(entry, &order).output().expect("it starts");
    [stdout, stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat()
}

/// No clock is within a microsecond of UTC, as far as the kernel would swear to.
#[test]
fn a_clock_too_far_from_utc_for_too_long_refuses_orders_until_it_is_near() {
    if wirematch::runtime::utc().is_none_or(|state| state.is_within(1)) {
        return println!("skipped: the kernel does not say how its clock is kept");
    }
    let folder = tempfile::tempdir().expect("a folder");
    let entry = free_address();
    let path = configuration(folder.path(), entry, 1);
    let text = std::fs::read_to_string(&path).expect("it was written");
    let with =
        |bound: u64| format!("{text}[slow]\nutc_bound_us = {bound}\nutc_refuse_after_s = 2\n");
    std::fs::write(&path, with(1)).expect("the folder is ours");
    let mut appliance = Appliance::new(path.clone());
    appliance.start();
    let mut number = 0;
    let mut ask = |entry| {
        number += 1;
        order(entry, number)
    };
    let refused = RejectCode::ClockOff.ouch().to_string();
    let is_refused = |said: &str| said.contains("reject") && said.contains(&refused);
    let mut said = String::new();
    let found = (0..60).any(|_| {
        said = ask(entry);
        std::thread::sleep(Duration::from_millis(200));
        is_refused(&said)
    });
    assert!(found, "orders are taken: {said}");

    // It stays so over a restart, for history says so; and it is lifted when the bound goes.
    assert!(appliance.stop().success());
    appliance.start();
    said = ask(entry);
    assert!(is_refused(&said), "after a restart orders are taken: {said}");
    let data = folder.path().join("data");
    std::fs::write(&path, with(u64::MAX >> 1).replace("utc_refuse_after_s = 2\n", ""))
        .expect("ours");
    assert!(appliance.stop().success());
    appliance.start();
    let taken = (0..60).any(|_| {
        said = ask(entry);
        std::thread::sleep(Duration::from_millis(200));
        said.contains("accepted")
    });
    assert!(taken, "orders are refused for ever: {said}");
    assert!(appliance.stop().success());
    assert!(appliance.replays());
    let kinds = log_of::<Ordered>(&journal_folder(&data));
    let clock = |kind: CommandKind| {
        let of =
            |head: &Ordered| head.kind() == Some(kind) && head.order_type == Ordered::FOR_THE_CLOCK;
        kinds.iter().filter(|group| of(&group.head)).count()
    };
    assert_eq!((clock(CommandKind::Throttle), clock(CommandKind::Unthrottle)), (1, 1));
}
