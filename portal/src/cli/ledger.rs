//! `sealgate-portal verify-ledger`.

use clap::Args;

use super::{CliError, PlaceArgs};
use crate::desk::{LedgerFault, LedgerVerdict, OpenError, open_store, verify_ledger};

/// Check that every entry of the ledger is as it was written, by the hash that goes over it
/// and all before it. Fails at the first that is not.
#[derive(Debug, Args)]
pub(super) struct VerifyLedger {
    #[command(flatten)]
    places: PlaceArgs,
    /// A head that an earlier check printed and that was kept elsewhere: then not even
    /// somebody who can write the database can have changed anything up to there.
    #[arg(long, value_name = "NUMBER:HASH")]
    noted: Option<String>,
}

fn parse_head(text: &str) -> Option<(i64, [u8; 32])> {
    let (seq, hash) = text.trim().split_once(':')?;
    let mut sha256 = [0; 32];
    hex::decode_to_slice(hash, &mut sha256).ok()?;
    Some((seq.parse().ok()?, sha256))
}

fn fault_words(fault: LedgerFault) -> &'static str {
    match fault {
        LedgerFault::Changed => "it, or one before it, was changed or removed",
        LedgerFault::Unlinked => "the portal did not write it",
        LedgerFault::Missing => "it was removed",
        LedgerFault::OtherThanNoted => "it is not the one that was noted",
    }
}

pub(super) fn run(command: VerifyLedger) -> Result<(), CliError> {
    let noted = match &command.noted {
        None => None,
        Some(text) => Some(parse_head(text).ok_or(CliError::UnfitHead)?),
    };
    let places = command.places.places()?;
    let (store, _) = open_store(&places)?;
    match verify_ledger(store.as_ref(), noted).map_err(OpenError::Store)? {
        LedgerVerdict::Whole { entries, head } => {
            let head = head.map_or_else(
                || "none".to_owned(),
                |(seq, sha256)| format!("{seq}:{}", hex::encode(sha256)),
            );
            println!("The ledger is whole: {entries} entries, head {head}.");
            Ok(())
        }
        LedgerVerdict::Broken { seq, why } => Err(CliError::LedgerBroken {
            seq,
            fault: fault_words(why),
        }),
    }
}
