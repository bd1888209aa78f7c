//! The mail function on the embedded engines, called as Lambda calls it.

#[cfg(test)]
mod template;
