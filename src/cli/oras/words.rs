//! The words of an ORAS command as chartferry's flags write them: `-u`, `-p` and `-d` are long
//! here, and an identity token is a password without a user name.

use std::ffi::OsString;

/// Returns the words with long flags. `login` reads its own short ones.
pub(in crate::cli) fn own(words: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
    let mut out: Vec<OsString> = Vec::new();
    let mut words = words.into_iter();
    while let Some(word) = words.next() {
        if word == "--" {
            out.push(word);
            out.extend(words);
            break;
        }
        let long = match word.to_str() {
            Some("-u") => "--username",
            Some("-p") => "--password",
            Some("-d") => "--debug",
            Some("-H") => "--header",
            Some("--identity-token") => "--password",
            Some("--identity-token-stdin") => "--password-stdin",
            Some("--no-tty") => continue,
            _ => {
                out.push(word);
                continue;
            }
        };
        out.push(long.into());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_flags_become_long_before_two_dashes() {
        let words = ["push", "-u", "x", "-p", "y", "--no-tty", "-d", "a", "--", "-u"];
        let words = own(words.iter().map(OsString::from));
        let expected = ["push", "--username", "x", "--password", "y", "--debug", "a", "--", "-u"];
        assert_eq!(words, expected.map(OsString::from));
    }
}
