//! Go's idea of a scalar.
