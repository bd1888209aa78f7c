//! The records in their tables: every change of a task's state is one conditional write.

pub(crate) mod function;
pub(crate) mod task;

use shared::{Environment, Error};

use self::function::Functions;
use self::task::Tasks;

/// The tables of this Lambda function. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Store {
    pub(crate) tasks: Tasks,
    pub(crate) functions: Functions,
}

impl Store {
    pub(crate) fn new(environment: &Environment) -> Result<Self, Error> {
        Ok(Self { tasks: Tasks::new(environment)?, functions: Functions::new(environment)? })
    }
}
