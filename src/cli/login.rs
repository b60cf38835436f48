//! `login` and `logout`, also as `registry login` and `registry logout`.

use super::{
    Run,
    exit::Exit,
    output,
    remote::{TransportArgs, password_from_stdin},
};
use crate::{
    Error, ErrorKind, Result,
    client::{Client, Credential, Probe, Removed, Secret},
    oci::Registry,
};
use clap::Args;
use std::io::{self, BufRead, IsTerminal, Write};

#[derive(Debug, Args)]
pub(super) struct LoginArgs {
    /// The registry: `host[:port]`
    #[arg(value_name = "HOST")]
    host: String,
    /// User name
    #[arg(long, short = 'u', value_name = "NAME")]
    username: Option<String>,
    /// Password, or what stands for one
    #[arg(long, short = 'p', value_name = "PASSWORD")]
    password: Option<String>,
    /// Read the password from stdin
    #[arg(long, conflicts_with = "password")]
    password_stdin: bool,
    #[command(flatten)]
    transport: TransportArgs,
}

#[derive(Debug, Args)]
pub(super) struct LogoutArgs {
    /// The registry: `host[:port]`
    #[arg(value_name = "HOST")]
    host: String,
}

pub(super) fn login(run: &Run, args: LoginArgs) -> Result<Exit> {
    let registry = registry(&args.host)?;
    let credential = credential(run, &args)?;
    let client = Client::new(args.transport.options(run)?)?;
    let probe = run.block_on(client.login(&registry, &credential))?;
    if probe == Probe::Unasked {
        run.talk.info(&format!(
            "{registry} asks nobody for credentials, so these were stored without proof"
        ));
    }
    output::println("Login Succeeded").map(|()| Exit::Ok)
}

pub(super) fn logout(run: &Run, args: &LogoutArgs) -> Result<Exit> {
    let registry = registry(&args.host)?;
    let client = Client::new(TransportArgs::default().options(run)?)?;
    let removed = run.block_on(client.logout(&registry))?;
    if removed == Removed::Absent {
        run.talk.info(&format!("there were no credentials for {registry}"));
    }
    output::println(format!("Removing login credentials for {registry}")).map(|()| Exit::Ok)
}

/// A host as people paste it: with a scheme, and with a path that says nothing to a registry.
fn registry(text: &str) -> Result<Registry> {
    let bare = ["oci://", "https://", "http://"]
        .iter()
        .find_map(|scheme| text.strip_prefix(scheme))
        .unwrap_or(text);
    let host = bare.trim_end_matches('/');
    if let Some((host, path)) = host.split_once('/') {
        return Err(Error::usage(format!("`{text}` has a path; a login is for a whole registry"))
            .with_hint(format!("chartferry login {host} (the path is `/{path}`)")));
    }
    host.parse().map_err(Error::from)
}

fn credential(run: &Run, args: &LoginArgs) -> Result<Credential> {
    let username = match &args.username {
        Some(username) => username.clone(),
        None => ask("Username: ", "--username")?,
    };
    let password = match (&args.password, args.password_stdin) {
        (Some(password), _) => {
            run.talk.warn("using --password via the CLI is insecure. Use --password-stdin");
            password.clone()
        }
        (None, true) => password_from_stdin()?,
        (None, false) => ask_secret(if username.is_empty() { "Token: " } else { "Password: " })?,
    };
    if password.is_empty() {
        return Err(Error::usage(if username.is_empty() {
            "token required"
        } else {
            "password required"
        }));
    }
    // As with Helm, a secret without a name is a token to be changed for others.
    Ok(if username.is_empty() {
        Credential::Identity(Secret::new(password))
    } else {
        Credential::Basic { username, password: Secret::new(password) }
    })
}

/// Asks on the terminal; without one nothing is asked.
fn ask(prompt: &str, flag: &str) -> Result<String> {
    let stdin = io::stdin();
    if !stdin.is_terminal() {
        return Err(Error::usage(format!("`{flag}` is needed: there is no terminal to ask on")));
    }
    let fail = |error| Error::new(ErrorKind::Io, "cannot ask on the terminal").with_source(error);
    let mut stderr = io::stderr().lock();
    stderr.write_all(prompt.as_bytes()).and_then(|()| stderr.flush()).map_err(fail)?;
    let mut line = String::new();
    stdin.lock().read_line(&mut line).map_err(fail)?;
    Ok(line.trim_end_matches(['\n', '\r']).to_owned())
}

fn ask_secret(prompt: &str) -> Result<String> {
    if !io::stdin().is_terminal() {
        return Err(Error::usage("a password is needed: there is no terminal to ask on")
            .with_hint("pipe it in with `--password-stdin`"));
    }
    rpassword::prompt_password(prompt)
        .map_err(|error| Error::new(ErrorKind::Io, "cannot ask on the terminal").with_source(error))
}
