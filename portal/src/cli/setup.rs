//! `sealgate-portal init`.

use std::path::PathBuf;

use clap::Args;
use jiff::Timestamp;
use zeroize::Zeroizing;

use super::{CliError, FlavourArg, PlaceArgs, welcome_link};
use crate::desk::{FirstAdmin, PASSWORD_LINK_HOURS, initialise};

#[derive(Debug, Args)]
pub(super) struct Init {
    #[command(flatten)]
    places: PlaceArgs,
    /// For whom.
    #[arg(long, value_enum, default_value = "product")]
    flavour: FlavourArg,
    /// The first admin's e-mail address.
    #[arg(long, value_name = "ADDRESS", default_value = "admin@localhost")]
    admin_email: String,
    /// Read the first admin's password from this file's first line, instead of printing a
    /// one-time link. For automation.
    #[arg(long, value_name = "FILE")]
    admin_password_file: Option<PathBuf>,
    /// People's address of the portal, for the link.
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8480")]
    public_url: String,
}

pub(super) fn run(init: Init) -> Result<(), CliError> {
    let first = match &init.admin_password_file {
        None => FirstAdmin::ByLink,
        Some(path) => {
            let text = std::fs::read_to_string(path).map_err(|source| CliError::Io {
                what: format!("reading {}", path.display()),
                source,
            })?;
            let text = Zeroizing::new(text);
            let line = text.lines().next().unwrap_or_default();
            FirstAdmin::WithPassword(Zeroizing::new(line.to_owned()))
        }
    };
    let places = init.places.places()?;
    let made = initialise(
        &places,
        init.flavour.into(),
        &init.admin_email,
        &first,
        Timestamp::now(),
        &mut rand::rng(),
    )?;
    match made.link_token {
        Some(token) => {
            println!("Choose the first admin's password within {PASSWORD_LINK_HOURS} hours at");
            println!("  {}", welcome_link(&init.public_url, &token));
        }
        None => println!("{} signs in with the password given.", init.admin_email),
    }
    println!("A portal was made in {}.", places.data.display());
    Ok(())
}
