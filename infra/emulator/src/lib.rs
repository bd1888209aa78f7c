//! infra/emulator
