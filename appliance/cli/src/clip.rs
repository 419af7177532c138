//! Whether a clip is as the box made it. Needs no box: only the clip and its statement.

use std::fs::File;
use std::io::{Read as _, Write};
use std::path::{Path, PathBuf};

use sealgate_license::statement_document::{SignedStatement, Subject};
use sealgate_license::tpm_wire::TpmPublic;
use sha2::{Digest as _, Sha256};

use crate::{CommandError, REFUSED, read};

/// Read at once.
const PIECE_BYTES: usize = 256 * 1024;

/// What `clip verify` is given.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The clip: the MP4 file as it was fetched.
    clip: PathBuf,
    /// Its statement; without it the clip's name with `.sgs` after it.
    statement: Option<PathBuf>,
}

/// Says whether the clip is the one of the statement, and whose statement it is.
pub(crate) fn verify(arguments: &Arguments, out: &mut dyn Write) -> Result<u8, CommandError> {
    let beside = || {
        let mut name = arguments.clip.clone().into_os_string();
        name.push(".sgs");
        PathBuf::from(name)
    };
    let path = arguments.statement.clone().unwrap_or_else(beside);
    let statement = match SignedStatement::parse(read(&path)?) {
        Ok(statement) => statement,
        Err(error) => return refuse(out, &path, error.code(), &error),
    };
    let evidence = match statement.verify() {
        Ok(evidence) => evidence,
        Err(error) => return refuse(out, &path, error.code(), &error),
    };
    let payload = statement.unverified_payload();
    let Subject::Clip {
        camera,
        file,
        from,
        to,
        size_bytes,
        sha256,
    } = &payload.subject
    else {
        writeln!(out, "{}: is about no clip", path.display())?;
        return Ok(REFUSED);
    };
    let (found_bytes, found) = hash(&arguments.clip)?;
    if found_bytes != *size_bytes || found != *sha256 {
        writeln!(
            out,
            "{}: is NOT the clip of this statement ({found_bytes} bytes, of {size_bytes})",
            arguments.clip.display()
        )?;
        return Ok(REFUSED);
    }
    let signer = TpmPublic::parse(&payload.ak_public)
        .map(|ak| ak.name().to_string())
        .unwrap_or_default();
    write!(
        out,
        "{clip}: is as box {serial} made it\n  \
         Camera    {camera}\n  From      {from}\n  To        {to}\n  \
         File      {file}, {size_bytes} bytes\n  Stated    {stated}, license counter {counter}\n  \
         Signed by {signer}\n",
        clip = arguments.clip.display(),
        serial = payload.serial,
        stated = payload.created_at,
        counter = evidence.counter,
    )?;
    Ok(0)
}

fn refuse(
    out: &mut dyn Write,
    path: &Path,
    code: &str,
    error: &dyn std::error::Error,
) -> Result<u8, CommandError> {
    writeln!(out, "{}: {code}: {error}", path.display())?;
    Ok(REFUSED)
}

/// Length and SHA-256 of a file of any size.
fn hash(path: &Path) -> Result<(u64, [u8; 32]), CommandError> {
    let failed = |source| CommandError::ReadFile {
        path: path.to_owned(),
        source,
    };
    let mut file = File::open(path).map_err(failed)?;
    let mut hash = Sha256::new();
    let mut piece = vec![0; PIECE_BYTES];
    let mut length = 0;
    loop {
        let count = file.read(&mut piece).map_err(failed)?;
        if count == 0 {
            return Ok((length, hash.finalize().into()));
        }
        hash.update(&piece[..count]);
        length += u64::try_from(count).expect("a piece has 256 KiB at most");
    }
}
