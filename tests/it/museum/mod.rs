//! The ChartMuseum API of `serve`: what the real one answered, replayed; and what it does that the real one cannot.

mod recording;
mod replay;
