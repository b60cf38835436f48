//! Users and their passwords from an htpasswd file: bcrypt hashes only, read again when the file changes.

use crate::{Error, Result, store::blocking};
use sha2::{Digest as _, Sha256};
use std::{
    collections::HashMap,
    fs,
    hash::{BuildHasher, RandomState},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::SystemTime,
};
use tokio::sync::Semaphore;

/// Bytes of an htpasswd file; a line has about 70.
const MAX_FILE: u64 = 16 * 1024 * 1024;

/// Whether a name and a password belong together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// They do.
    Known,
    /// There is no such user, or the password is another.
    Unknown,
}

/// The users of an htpasswd file. Clones are the same.
#[derive(Clone)]
pub struct Htpasswd(Arc<Inner>);

struct Inner {
    path: PathBuf,
    state: Mutex<State>,
    /// bcrypt is slow on purpose; a flood of guesses must not take every processor.
    slots: Semaphore,
    /// Keys the digests of passwords that were verified, so that memory holds nothing to guess from elsewhere.
    key: RandomState,
}

struct State {
    stamp: Stamp,
    hashes: Arc<HashMap<String, String>>,
    /// What was verified, by user: bcrypt takes tens of milliseconds, and every request of a client comes with it.
    verified: HashMap<String, [u8; 32]>,
}

/// What tells one state of the file from the next.
type Stamp = (Option<SystemTime>, u64);

impl std::fmt::Debug for Htpasswd {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Htpasswd").field(&self.0.path).finish()
    }
}

impl Htpasswd {
    /// Reads the file.
    ///
    /// # Errors
    /// `Invalid`, with the number of the line, when one is no `user:hash` or its hash is not bcrypt's.
    pub fn open(path: &Path) -> Result<Self> {
        let stamp = stamp(path)?;
        let hashes = Arc::new(read(path)?);
        Ok(Self(Arc::new(Inner {
            path: path.to_owned(),
            state: Mutex::new(State { stamp, hashes, verified: HashMap::new() }),
            slots: Semaphore::new(std::thread::available_parallelism().map_or(1, usize::from)),
            key: RandomState::new(),
        })))
    }

    /// Judges a name and a password. A password that was right before is recognised at once; any other costs one
    /// bcrypt, also for a user that does not exist, so that time tells nothing.
    pub async fn verify(&self, user: &str, password: &str) -> Verdict {
        self.reload();
        let digest = self.digest(user, password);
        let hashes = {
            let state = self.state();
            if state.verified.get(user).is_some_and(|known| same(known, &digest)) {
                return Verdict::Known;
            }
            Arc::clone(&state.hashes)
        };
        let known = hashes.get(user);
        let Some(hash) = known.or_else(|| hashes.values().next()).cloned() else {
            return Verdict::Unknown;
        };
        let Ok(_slot) = self.0.slots.acquire().await else { return Verdict::Unknown };
        let password = password.to_owned();
        let right = blocking(move || bcrypt::verify(password, &hash).unwrap_or(false)).await;
        if !right || known.is_none() {
            return Verdict::Unknown;
        }
        let mut state = self.state();
        // The file may have changed meanwhile, and the user with it.
        if Arc::ptr_eq(&state.hashes, &hashes) {
            state.verified.insert(user.to_owned(), digest);
        }
        Verdict::Known
    }

    /// Takes a changed file over. One that cannot be read now leaves the users as they were.
    fn reload(&self) {
        let mut state = self.state();
        let Ok(stamp) = stamp(&self.0.path) else { return };
        if stamp == state.stamp {
            return;
        }
        // Also when it is bad: to say so once.
        state.stamp = stamp;
        match read(&self.0.path) {
            Ok(hashes) => {
                state.hashes = Arc::new(hashes);
                state.verified.clear();
                tracing::info!(path = %self.0.path.display(), "users were read again");
            }
            Err(error) => {
                tracing::warn!(error = error.chain(), "the users stay as they were");
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn digest(&self, user: &str, password: &str) -> [u8; 32] {
        let mut hasher = Sha256::new();
        for salt in 0..4_u8 {
            hasher.update(self.0.key.hash_one(salt).to_le_bytes());
        }
        hasher.update((user.len() as u64).to_le_bytes());
        hasher.update(user);
        hasher.update(password);
        hasher.finalize().into()
    }
}

/// Compares in the same time wherever the two differ.
fn same(a: &[u8; 32], b: &[u8; 32]) -> bool {
    a.iter().zip(b).fold(0, |difference, (a, b)| difference | (a ^ b)) == 0
}

fn stamp(path: &Path) -> Result<Stamp> {
    let metadata =
        fs::metadata(path).map_err(|error| Error::io("read htpasswd file", path, error))?;
    Ok((metadata.modified().ok(), metadata.len()))
}

fn read(path: &Path) -> Result<HashMap<String, String>> {
    let fail = |error| Error::io("read htpasswd file", path, error);
    if fs::metadata(path).map_err(fail)?.len() > MAX_FILE {
        let message = format!("htpasswd file `{}` is too large", path.display());
        return Err(Error::new(crate::ErrorKind::Limit, message));
    }
    let text = fs::read_to_string(path).map_err(fail)?;
    parse(&text).map_err(|(line, reason)| {
        Error::invalid(format!("line {line} of htpasswd file `{}`: {reason}", path.display()))
            .with_hint("make lines with `htpasswd -B`")
    })
}

fn parse(text: &str) -> Result<HashMap<String, String>, (usize, &'static str)> {
    let mut hashes = HashMap::new();
    for (at, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let bad = |reason| (at + 1, reason);
        let (user, hash) = line.split_once(':').ok_or_else(|| bad("expected `user:hash`"))?;
        if user.is_empty() {
            return Err(bad("the user's name is empty"));
        }
        if hash.parse::<bcrypt::HashParts>().is_err() {
            return Err(bad("only bcrypt hashes are taken"));
        }
        hashes.insert(user.to_owned(), hash.to_owned());
    }
    Ok(hashes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_bcrypt_lines_are_users() {
        let hash = bcrypt::hash("secret", 4).expect("hash");
        let users =
            parse(&format!("# people\n\nann:{hash}\r\nbob:{hash}\nann:{hash}")).expect("users");
        assert_eq!(users.len(), 2);
        for (line, reason) in [
            ("ann", "expected `user:hash`"),
            (":x", "the user's name is empty"),
            ("ann:plain", "only bcrypt hashes are taken"),
            ("ann:$apr1$x$y", "only bcrypt hashes are taken"),
            ("ann:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=", "only bcrypt hashes are taken"),
        ] {
            assert_eq!(parse(&format!("ok:{hash}\n{line}\n")), Err((2, reason)), "{line}");
        }
    }

    #[tokio::test]
    async fn users_come_and_go_with_the_file() {
        let directory = tempfile::tempdir().expect("directory");
        let path = directory.path().join("htpasswd");
        let line = |user: &str, password: &str| {
            format!("{user}:{}\n", bcrypt::hash(password, 4).expect("hash"))
        };
        fs::write(&path, line("ann", "one")).expect("file");
        let users = Htpasswd::open(&path).expect("users");
        for _ in 0..2 {
            assert_eq!(users.verify("ann", "one").await, Verdict::Known);
            assert_eq!(users.verify("ann", "two").await, Verdict::Unknown);
            assert_eq!(users.verify("bob", "one").await, Verdict::Unknown);
        }
        // Of another length, so that it differs even within one tick of the file system's clock.
        fs::write(&path, line("robert", "two")).expect("file");
        assert_eq!(users.verify("ann", "one").await, Verdict::Unknown);
        assert_eq!(users.verify("robert", "two").await, Verdict::Known);
        fs::write(&path, "broken").expect("file");
        assert_eq!(users.verify("robert", "two").await, Verdict::Known);
        fs::remove_file(&path).expect("remove");
        assert_eq!(users.verify("robert", "two").await, Verdict::Known);
        assert!(Htpasswd::open(&path).is_err());
    }
}
