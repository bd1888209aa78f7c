//! The `hookyard` command: the whole of Hookyard in one process.

mod apps;
mod command;
mod redrive;
mod replay;

use std::process::ExitCode;

use clap::Parser as _;

use crate::command::{Arguments, Command};

/// Many small values are created in one thread and dropped in another, which is slow with the system's allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if let Some(Command::ScriptWorker) = arguments.command {
        return match task::sandbox::worker::work() {
            Ok(()) => ExitCode::SUCCESS,
            Err(_) => ExitCode::FAILURE,
        };
    }
    shared::log::init_text(&arguments.log);
    let outcome = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime.block_on(run(arguments)),
        Err(error) => Err(local::Failure::Start { doing: "start the async runtime", hint: None, cause: error.into() }),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("hookyard: {}", failure.explain());
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: Arguments) -> Result<(), local::Failure> {
    let json = arguments.json;
    let server = arguments.server();
    match arguments.command {
        None | Some(Command::Serve | Command::ScriptWorker) => command::serve(arguments.options()?, json).await,
        Some(Command::Demo) => local::demo::run(json).await,
        Some(Command::Doctor) => command::doctor(arguments.options()?, json).await,
        Some(Command::Openapi) => command::openapi(arguments.options()?).await,
        Some(Command::Apps(arguments)) => apps::apps(server, arguments, json).await,
        Some(Command::Redrive(redriven)) => redrive::redrive(server, redriven, json).await,
        Some(Command::Replay(replayed)) => replay::replay(server, replayed, json).await,
    }
}
