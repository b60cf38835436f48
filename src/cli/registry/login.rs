//! `login` and `logout`, also as `registry login` and `registry logout`.

use crate::cli::{
    Run,
    shell::{
        exit::Exit,
        output,
        remote::{TransportArgs, password_from_stdin},
    },
};
use crate::{
    Error, ErrorKind, Result,
    client::{Client, Credential, Probe, Removed, Secret},
    oci::{Reference, Registry, RepositoryName},
};
use clap::Args;
use std::io::{self, BufRead, IsTerminal, Write};

#[derive(Debug, Args)]
pub(in crate::cli) struct LoginArgs {
    /// Sign in to this registry, `host[:port]`; with a path, to one namespace of it
    #[arg(value_name = "HOST[/PATH]")]
    host: String,
    /// Use this user name; without one, a password is an identity token
    #[arg(long, short = 'u', value_name = "NAME")]
    username: Option<String>,
    /// Use this password or token
    #[arg(long, short = 'p', value_name = "PASSWORD")]
    password: Option<String>,
    /// Read the password from stdin
    #[arg(long, conflicts_with = "password")]
    password_stdin: bool,
    #[command(flatten)]
    transport: TransportArgs,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct LogoutArgs {
    /// Sign out of this registry, `host[:port]`; with a path, of one namespace of it
    #[arg(value_name = "HOST[/PATH]")]
    host: String,
}

pub(in crate::cli) fn login(run: &Run, args: LoginArgs) -> Result<Exit> {
    let (registry, namespace) = place(&args.host)?;
    let credential = credential(run, &args)?;
    let client = Client::new(args.transport.options_to_write(run)?)?;
    let probe = run.block_on(client.login_to(&registry, namespace.as_ref(), &credential))?;
    if probe == Probe::Unasked {
        run.talk.info(&format!(
            "{registry} asks nobody for credentials, so these were stored without proof"
        ));
    }
    output::println("Login Succeeded").map(|()| Exit::Ok)
}

pub(in crate::cli) fn logout(run: &Run, args: &LogoutArgs) -> Result<Exit> {
    let (registry, namespace) = place(&args.host)?;
    let client = Client::new(TransportArgs::default().options(run)?)?;
    let removed = run.block_on(client.logout_from(&registry, namespace.as_ref()))?;
    let name = match namespace {
        None => registry.to_string(),
        Some(namespace) => format!("{registry}/{namespace}"),
    };
    if removed == Removed::Absent {
        // As in Helm, this is not a failure.
        run.talk.info(&format!("no credentials are stored for {name}"));
        return Ok(Exit::Ok);
    }
    output::println(format!("Removing login credentials for {name}")).map(|()| Exit::Ok)
}

/// Parses a pasted host, with or without a scheme, and its namespace. The path of a URL is an API's
/// version.
fn place(text: &str) -> Result<(Registry, Option<RepositoryName>)> {
    let address = ["https://", "http://"].iter().find_map(|scheme| text.strip_prefix(scheme));
    let bare = address.unwrap_or(text).trim_end_matches('/');
    let bare = match bare.strip_suffix("/v2").or_else(|| bare.strip_suffix("/v1")) {
        Some(host) if address.is_some() => host,
        _ => bare,
    };
    Reference::parse_namespace(bare).map_err(Error::from)
}

fn credential(run: &Run, args: &LoginArgs) -> Result<Credential> {
    let username = match &args.username {
        Some(username) => username.clone(),
        None if args.password.is_some() || args.password_stdin => String::new(),
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
    // As in Helm, a secret without a user name is a token that is exchanged for others.
    Ok(if username.is_empty() {
        Credential::Identity(Secret::new(password))
    } else {
        Credential::Basic { username, password: Secret::new(password) }
    })
}

/// Asks on the terminal. Without a terminal, it returns an error.
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

/// Asks on the terminal for a secret, without showing it.
///
/// # Errors
/// `Usage` without a terminal.
pub(in crate::cli) fn ask_secret(prompt: &str) -> Result<String> {
    if !io::stdin().is_terminal() {
        return Err(Error::usage("a password is needed: there is no terminal to ask on")
            .with_hint("pipe it in with `--password-stdin`"));
    }
    rpassword::prompt_password(prompt)
        .map_err(|error| Error::new(ErrorKind::Io, "cannot ask on the terminal").with_source(error))
}
