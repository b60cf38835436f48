//! Attacks that a security reading confirmed, a test each, named after the attack. The module's
//! name is the part of the program under attack; each test's comment gives the finding's number.

mod archive;
mod bridge;
mod credentials;
mod drip;
mod files;
mod held;
mod identity;
mod jwt;
mod museum;
mod registry;
mod serve;
mod strangers;
mod terminal;
mod wire;
