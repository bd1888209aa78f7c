//! The task function as Lambda starts it, and the worker that it starts for its scripts.

use task::sandbox::worker;

fn main() -> Result<(), lambda_runtime::Error> {
    if std::env::args().nth(1).as_deref() == Some(worker::ARGUMENT) {
        return Ok(worker::work()?);
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(shared::lambda::run(task::function))
}
