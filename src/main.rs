//! The `wirematch` binary: names the commands and turns their outcome into an exit code.

use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};
use wirematch::command::{
    Exit, Outcome, audit, bench, cash, check, client, config, console_password, day, deal, debug,
    feed, fix_echo, fix_password, flow, fpga, history, host, instrument, journal, manual, monitor,
    positions, reconcile, reference, region, replay, risk, run as run_command, simulate, snapshot,
    status, ticker, witness,
};

/// A trading appliance: orders in from the wire, risk-checked, matched, answered.
#[derive(Parser)]
#[command(version, about, max_term_width = 100)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Audit(audit::AuditArguments),
    Bench(bench::BenchArguments),
    Cash(cash::CashArguments),
    Check(check::CheckArguments),
    Client(client::ClientArguments),
    Completions(manual::CompletionsArguments),
    Config(config::ConfigCommand),
    ConsolePassword(console_password::ConsolePasswordArguments),
    Day(day::DayArguments),
    Deal(deal::DealArguments),
    Feed(feed::FeedArguments),
    Debug(debug::DebugArguments),
    FixEcho(fix_echo::FixEchoArguments),
    FixPassword(fix_password::FixPasswordArguments),
    Flow(flow::FlowArguments),
    Fpga(fpga::FpgaArguments),
    Host(host::HostArguments),
    Instrument(instrument::InstrumentArguments),
    Journal(journal::JournalArguments),
    Man(manual::ManArguments),
    Monitor(monitor::MonitorArguments),
    Orders(history::HistoryArguments),
    Positions(positions::PositionsArguments),
    Ready(status::ReadyArguments),
    Reconcile(reconcile::ReconcileArguments),
    Reference(reference::ReferenceArguments),
    Region(region::RegionArguments),
    Replay(replay::ReplayArguments),
    Risk(risk::RiskArguments),
    Run(run_command::RunArguments),
    Simulate(simulate::SimulateArguments),
    Snapshot(snapshot::SnapshotArguments),
    Status(status::StatusArguments),
    Trades(history::HistoryArguments),
    Ticker(ticker::TickerArguments),
    Witness(witness::WitnessArguments),
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(&arguments.command) {
        Ok(()) => Exit::Good.into(),
        Err(failure) => {
            eprintln!("wirematch: {:#}", failure.error);
            failure.exit.into()
        }
    }
}

fn run(command: &Command) -> Outcome {
    match command {
        Command::Audit(arguments) => audit::run(arguments),
        Command::Bench(arguments) => bench::run(arguments),
        Command::Cash(arguments) => cash::run(arguments),
        Command::Check(arguments) => check::run(arguments),
        Command::Client(arguments) => client::run(arguments),
        Command::Completions(arguments) => manual::completions(arguments, Arguments::command()),
        Command::Config(arguments) => config::run(arguments),
        Command::ConsolePassword(arguments) => console_password::run(arguments),
        Command::Day(arguments) => day::run(arguments),
        Command::Deal(arguments) => deal::run(arguments),
        Command::Feed(arguments) => feed::run(arguments),
        Command::Debug(arguments) => debug::run(arguments),
        Command::FixEcho(arguments) => fix_echo::run(arguments),
        Command::FixPassword(arguments) => fix_password::run(arguments),
        Command::Flow(arguments) => flow::run(arguments),
        Command::Fpga(arguments) => fpga::run(arguments),
        Command::Host(arguments) => host::run(arguments),
        Command::Instrument(arguments) => instrument::run(arguments),
        Command::Journal(arguments) => journal::run(arguments),
        Command::Man(arguments) => manual::man(arguments, Arguments::command()),
        Command::Monitor(arguments) => monitor::run(arguments),
        Command::Orders(arguments) => history::run(arguments, false),
        Command::Positions(arguments) => positions::run(arguments),
        Command::Ready(arguments) => status::ready(arguments),
        Command::Reconcile(arguments) => reconcile::run(arguments),
        Command::Reference(arguments) => reference::run(arguments),
        Command::Region(arguments) => region::run(arguments),
        Command::Replay(arguments) => replay::run(arguments),
        Command::Risk(arguments) => risk::run(arguments),
        Command::Run(arguments) => run_command::run(arguments),
        Command::Simulate(arguments) => simulate::run(arguments),
        Command::Snapshot(arguments) => snapshot::run(arguments),
        Command::Status(arguments) => status::status(arguments),
        Command::Trades(arguments) => history::run(arguments, true),
        Command::Ticker(arguments) => ticker::run(arguments),
        Command::Witness(arguments) => witness::run(arguments),
    }
}
