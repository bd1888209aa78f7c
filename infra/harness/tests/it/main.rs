//! What the world does, and what `shared` does on its engines.

mod gather;
mod same;
mod world;
