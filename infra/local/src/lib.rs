//! infra/local
