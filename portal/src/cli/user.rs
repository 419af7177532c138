//! `sealgate-portal user`.

use clap::{Args, Subcommand, ValueEnum};
use jiff::Timestamp;

use super::{CliError, PlaceArgs, welcome_link};
use crate::desk::{
    NewUser, OpenError, PASSWORD_LINK_HOURS, UserChange, add_user_by_command,
    change_user_by_command, list_users, open_store, reset_user_by_command,
};
use crate::store::Role;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Add one, who chooses a password with a one-time link.
    Add(Add),
    /// List them.
    List {
        #[command(flatten)]
        places: PlaceArgs,
    },
    /// Shut one out at once: sessions end and tokens are refused.
    Disable(OfAddress),
    /// Let one in again.
    Enable(OfAddress),
    /// Take password, authenticator app and sessions away, and print a one-time link.
    Reset {
        #[command(flatten)]
        of: OfAddress,
        /// People's address of the portal, for the link.
        #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8480")]
        public_url: String,
    },
}

#[derive(Debug, Args)]
pub(super) struct OfAddress {
    /// The e-mail address.
    email: String,
    #[command(flatten)]
    places: PlaceArgs,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum StaffRole {
    /// Everything.
    Admin,
    /// What distributors buy.
    Sales,
    /// Failed hardware, re-issues.
    Support,
}

impl From<StaffRole> for Role {
    fn from(role: StaffRole) -> Self {
        match role {
            StaffRole::Admin => Self::Admin,
            StaffRole::Sales => Self::Sales,
            StaffRole::Support => Self::Support,
        }
    }
}

#[derive(Debug, Args)]
pub(super) struct Add {
    /// The e-mail address.
    email: String,
    /// How pages greet them.
    #[arg(long, default_value = "")]
    name: String,
    /// Of vendor staff.
    #[arg(long, value_enum, required_unless_present = "distributor")]
    role: Option<StaffRole>,
    /// The name of the distributor whose user it is.
    #[arg(long, value_name = "NAME", conflicts_with = "role")]
    distributor: Option<String>,
    /// People's address of the portal, for the link.
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8480")]
    public_url: String,
    #[command(flatten)]
    places: PlaceArgs,
}

pub(super) fn run(command: Command) -> Result<(), CliError> {
    match command {
        Command::Add(add) => {
            let (store, _) = open_store(&add.places.places()?)?;
            let new = NewUser {
                email: add.email.clone(),
                name: add.name,
                role: add.role.map(Into::into),
                distributor: None,
            };
            let name = add.distributor.as_deref();
            let token = add_user_by_command(store.as_ref(), new, name, Timestamp::now())?;
            print_link(&add.email, &add.public_url, &token);
        }
        Command::List { places } => {
            let (store, _) = open_store(&places.places()?)?;
            let users = list_users(store.as_ref()).map_err(OpenError::Store)?;
            for user in &users {
                let state = match (user.disabled, &user.password_phc) {
                    (true, _) => "disabled",
                    (false, None) => "has not come yet",
                    (false, Some(_)) => "",
                };
                let line = format!("{:<40} {:<16} {state}", user.email, user.role.label());
                println!("{}", line.trim_end());
            }
            println!("{} users.", users.len());
        }
        Command::Disable(of) => set_disabled(of, true)?,
        Command::Enable(of) => set_disabled(of, false)?,
        Command::Reset { of, public_url } => {
            let (store, _) = open_store(&of.places.places()?)?;
            let token = reset_user_by_command(store.as_ref(), &of.email, Timestamp::now())?;
            print_link(&of.email, &public_url, &token);
        }
    }
    Ok(())
}

fn set_disabled(of: OfAddress, disabled: bool) -> Result<(), CliError> {
    let (store, _) = open_store(&of.places.places()?)?;
    let change = UserChange {
        disabled: Some(disabled),
        ..UserChange::default()
    };
    let user = change_user_by_command(store.as_ref(), &of.email, &change, Timestamp::now())?;
    let state = if disabled {
        "is shut out"
    } else {
        "may sign in"
    };
    println!("{} {state}.", user.email);
    Ok(())
}

fn print_link(email: &str, public_url: &str, token: &str) {
    println!("{email} chooses a password within {PASSWORD_LINK_HOURS} hours at");
    println!("  {}", welcome_link(public_url, token));
}
