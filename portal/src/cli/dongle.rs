//! `sealgate-portal dongle`.

use clap::{Args, Subcommand};
use jiff::Timestamp;

use super::{CliError, PlaceArgs};
use crate::desk::{add_dongle, open_store, parse_dongle_key};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Register a dongle, so that licenses can be issued for it.
    Add(Add),
}

#[derive(Debug, Args)]
pub(super) struct Add {
    /// The distributor's name.
    #[arg(long, value_name = "NAME")]
    distributor: String,
    /// The serial number that is printed on the dongle.
    #[arg(long)]
    serial: String,
    /// The public key of its slot 9E: 65 bytes (SEC 1, uncompressed) in hexadecimal.
    #[arg(long, value_name = "HEX")]
    public_key: String,
    #[command(flatten)]
    places: PlaceArgs,
}

pub(super) fn run(command: Command) -> Result<(), CliError> {
    let Command::Add(add) = command;
    let key = parse_dongle_key(&add.public_key)?;
    let (store, _) = open_store(&add.places.places()?)?;
    let dongle = add_dongle(&store, &add.distributor, &add.serial, key, Timestamp::now())?;
    println!("Dongle {} is registered.", dongle.serial);
    Ok(())
}
