//! shared/pattern
