//! Chart to manifest and back.
