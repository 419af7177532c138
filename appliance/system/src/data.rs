//! The data partition: encrypted at the first boot, opened by the TPM at every other, or by
//! the recovery key.
//!
//! The key is sealed to the TPM under two policies at once: PCR 7 as it is (Secure Boot's
//! state and keys), and PCR 11 as the vendor signed it for each kernel image, so that a new
//! version opens what an older one made. Right after it was asked for, PCR 11 moves on.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::programs::{ProgramError, run};

/// The partition.
const DEVICE: &str = "/dev/disk/by-partlabel/data";
/// What it is called when it is open.
const NAME: &str = "data";
/// Set as LUKS's label when everything about the partition is done: without it, the first
/// boot was cut short and begins again.
const LABEL: &str = "sealgate-data";
/// Where the boot loader's stub's public key for PCR 11 is, by way of the initrd.
const PCR_KEY: &str = "/run/systemd/tpm2-pcr-public-key.pem";
/// How the last attempt went, for the pages.
pub const STATE_FILE: &str = "/run/sealgate-data.json";
/// Where the recovery key is kept: inside what it opens, for an admin to write down.
const RECOVERY_KEY: &str = "lib/sealgate/recovery-key";
/// The supervisor's user and group (sysusers.d/sealgate.conf).
const SUPERVISOR: u32 = 970;

/// How much of the partition is looked at, bytes.
const HEAD_BYTES: usize = 1024 * 1024;

/// What is on the partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content {
    /// Nothing, ever.
    Blank,
    /// LUKS, and a first boot that was cut short.
    Unfinished,
    /// LUKS, ours, complete.
    Encrypted,
    /// An ext4 file system, as the lab's image has it.
    Plain,
    /// Something else: not ours to write over.
    Foreign,
}

/// What the beginning of the partition says.
pub fn content(head: &[u8]) -> Content {
    // LUKS2 On-Disk Format Specification, 2.1: magic, version, ..., label at 24.
    const LUKS: &[u8] = b"LUKS\xba\xbe\x00\x02";
    // The superblock of ext2 and later is at 1024, its magic at 56 in it.
    const EXT: &[u8] = &[0x53, 0xef];
    if head.starts_with(LUKS) {
        let label = head.get(24..72).unwrap_or_default();
        let label = label.split(|byte| *byte == 0).next().unwrap_or_default();
        return if label == LABEL.as_bytes() {
            Content::Encrypted
        } else {
            Content::Unfinished
        };
    }
    if head.get(1080..1082) == Some(EXT) {
        return Content::Plain;
    }
    if head.iter().all(|byte| *byte == 0) {
        return Content::Blank;
    }
    Content::Foreign
}

/// How it went.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DataState {
    /// Whether `/dev/mapper/data` is there.
    pub open: bool,
    /// Whether it is encrypted.
    pub encrypted: bool,
    /// Why it is locked, from the words catalog.
    pub code: Option<String>,
    /// What the failed program said, for support.
    pub detail: Option<String>,
}

/// Why the data partition stays closed.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    /// No partition of that name, or it can't be read.
    #[error("cannot read the data partition")]
    Read(#[source] io::Error),
    /// A product's data is never plain.
    #[error("the data partition holds something else")]
    Foreign,
    /// Its first boot needs what measured boot brings.
    #[error("there is no TPM, or the boot was not measured")]
    NotMeasured,
    /// The TPM does not give the key out.
    #[error("the TPM does not open the data partition")]
    Sealed(#[source] ProgramError),
    /// The recovery key is another.
    #[error("the recovery key does not open the data partition")]
    WrongKey(#[source] ProgramError),
    /// A tool failed.
    #[error("cannot {what}")]
    Tool {
        /// What failed.
        what: &'static str,
        /// Why.
        #[source]
        source: ProgramError,
    },
    /// A file could not be written.
    #[error("cannot write {what}")]
    Write {
        /// Which.
        what: &'static str,
        /// Why.
        #[source]
        source: io::Error,
    },
}

impl DataError {
    /// The code in the words catalog.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Read(_) => "SG-BOO-001",
            Self::Foreign => "SG-BOO-002",
            Self::NotMeasured => "SG-BOO-003",
            Self::Sealed(_) => "SG-BOO-004",
            Self::WrongKey(_) => "SG-BOO-005",
            Self::Tool { .. } | Self::Write { .. } => "SG-BOO-006",
        }
    }
}

fn tool(what: &'static str) -> impl FnOnce(ProgramError) -> DataError {
    move |source| DataError::Tool { what, source }
}

/// Opens the partition, at the first boot after making it; leaves [`STATE_FILE`].
///
/// # Errors
/// It stays locked.
pub fn open() -> Result<(), DataError> {
    let lab =
        fs::read_to_string("/usr/share/sealgate/flavour").is_ok_and(|text| text.trim() == "lab");
    let result = open_as(lab);
    let state = match &result {
        Ok(encrypted) => DataState {
            open: true,
            encrypted: *encrypted,
            code: None,
            detail: None,
        },
        Err(error) => DataState {
            open: false,
            encrypted: true,
            code: Some(error.code().to_owned()),
            detail: Some(chain(error)),
        },
    };
    write_state(&state)?;
    result.map(drop)
}

/// An error with its causes, in one line.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

fn write_state(state: &DataState) -> Result<(), DataError> {
    let text = serde_json::to_string(state).expect("strings and booleans are JSON");
    fs::write(STATE_FILE, text).map_err(|source| DataError::Write {
        what: "the data partition's state",
        source,
    })
}

/// The firmware says that there is a TPM; its driver may need a while yet.
const TPM_PATIENCE: Duration = Duration::from_secs(60);

#[expect(
    clippy::disallowed_methods,
    reason = "a program that does this alone, and no event tells of a device node"
)]
fn wait_for_tpm() {
    let began = Instant::now();
    while Path::new("/sys/firmware/acpi/tables/TPM2").exists()
        && !Path::new("/dev/tpmrm0").exists()
        && began.elapsed() < TPM_PATIENCE
    {
        sleep(Duration::from_millis(200));
    }
}

fn open_as(lab: bool) -> Result<bool, DataError> {
    let mut head = vec![0; HEAD_BYTES];
    let mut device = File::open(DEVICE).map_err(DataError::Read)?;
    device.read_exact(&mut head).map_err(DataError::Read)?;
    match content(&head) {
        Content::Plain if lab => {
            map_plain(&device)?;
            check_file_system()?;
            Ok(false)
        }
        Content::Plain | Content::Foreign => Err(DataError::Foreign),
        Content::Blank | Content::Unfinished => {
            wait_for_tpm();
            create()?;
            unseal()?;
            Ok(true)
        }
        Content::Encrypted => {
            wait_for_tpm();
            unseal()?;
            check_file_system()?;
            Ok(true)
        }
    }
}

/// Under the same name as an encrypted one, so that one unit mounts both.
fn map_plain(device: &File) -> Result<(), DataError> {
    let mut device = device;
    let end = io::Seek::seek(&mut device, io::SeekFrom::End(0)).map_err(DataError::Read)?;
    let table = format!("0 {} linear {DEVICE} 0", end / 512);
    run("dmsetup", &["create", NAME, "--table", &table], b"")
        .map(drop)
        .map_err(tool("map the data partition"))
}

/// Mends what a power cut left; the journal is replayed at the mount.
fn check_file_system() -> Result<(), DataError> {
    // e2fsck ends with 1 where it mended something.
    let script = "e2fsck -p /dev/mapper/data; test $? -le 1";
    run("sh", &["-c", script], b"")
        .map(drop)
        .map_err(tool("check the data partition's file system"))
}

/// The first boot: a key of random bytes for its time, the file system, the TPM's slot, the
/// recovery key's, and the label last.
fn create() -> Result<(), DataError> {
    if !Path::new(PCR_KEY).exists() || !Path::new("/dev/tpmrm0").exists() {
        return Err(DataError::NotMeasured);
    }
    let mut key = Zeroizing::new([0; 64]);
    File::open("/dev/urandom")
        .and_then(|mut random| random.read_exact(&mut key[..]))
        .map_err(DataError::Read)?;
    let key_file = KeyFile::write(&key[..])?;
    let path = key_file.0;
    let format = [
        "luksFormat",
        "--type",
        "luks2",
        "--batch-mode",
        "--sector-size",
        "4096",
        // The key has 512 random bits: stretching it would only cost time.
        "--pbkdf",
        "pbkdf2",
        "--pbkdf-force-iterations",
        "1000",
        "--key-file",
        path,
        DEVICE,
    ];
    run("cryptsetup", &format, b"").map_err(tool("encrypt the data partition"))?;
    run(
        "cryptsetup",
        &["open", "--type", "luks2", "--key-file", path, DEVICE, NAME],
        b"",
    )
    .map_err(tool("open the new data partition"))?;
    let made = fill(path);
    // Closed again in any case: it is the TPM that opens it.
    run("cryptsetup", &["close", NAME], b"").map_err(tool("close the new data partition"))?;
    made?;
    run("systemd-cryptenroll", &["--wipe-slot=0", DEVICE], b"")
        .map_err(tool("remove the first boot's key"))?;
    run("cryptsetup", &["config", "--label", LABEL, DEVICE], b"")
        .map(drop)
        .map_err(tool("label the data partition"))
}

fn fill(key_file: &str) -> Result<(), DataError> {
    seal_to_tpm(key_file, &[])?;
    let unlock = format!("--unlock-key-file={key_file}");
    let recovery = run(
        "systemd-cryptenroll",
        &[&unlock, "--recovery-key", DEVICE],
        b"",
    )
    .map(Zeroizing::new)
    .map_err(tool("make the recovery key"))?;
    run(
        "mkfs.ext4",
        &["-q", "-L", "data", "-m", "0", "/dev/mapper/data"],
        b"",
    )
    .map_err(tool("make the data partition's file system"))?;
    keep_recovery_key(recovery.trim())
}

/// Writes the recovery key into the new file system, for the pages to show.
fn keep_recovery_key(key: &str) -> Result<(), DataError> {
    const MOUNT: &str = "/run/sealgate-new-data";
    let failed = |source| DataError::Write {
        what: "the recovery key",
        source,
    };
    fs::create_dir_all(MOUNT).map_err(failed)?;
    run("mount", &["-t", "ext4", "/dev/mapper/data", MOUNT], b"")
        .map_err(tool("mount the new data partition"))?;
    let path = Path::new(MOUNT).join(RECOVERY_KEY);
    let written = (|| {
        let folder = path.parent().expect("the key is in a folder");
        fs::create_dir_all(folder)?;
        sealgate_base::write_durably(&path, key.as_bytes(), 0o400).map_err(io::Error::other)?;
        let (user, group) = (Some(SUPERVISOR), Some(SUPERVISOR));
        std::os::unix::fs::chown(&path, user, group)?;
        std::os::unix::fs::chown(folder, user, group)
    })();
    run("umount", &[MOUNT], b"").map_err(tool("unmount the new data partition"))?;
    written.map_err(failed)
}

/// A TPM slot for whoever holds the key in `key_file`.
fn seal_to_tpm(key_file: &str, more: &[&str]) -> Result<(), DataError> {
    let unlock = format!("--unlock-key-file={key_file}");
    let public = format!("--tpm2-public-key={PCR_KEY}");
    let mut arguments = vec![
        unlock.as_str(),
        "--tpm2-device=auto",
        &public,
        "--tpm2-public-key-pcrs=11",
        "--tpm2-pcrs=7",
    ];
    arguments.extend(more);
    arguments.push(DEVICE);
    run("systemd-cryptenroll", &arguments, b"")
        .map(drop)
        .map_err(tool("seal the data key to the TPM"))
}

/// Asks the TPM. PCR 11 says `sysinit` then, which is what the vendor signed for, and moves
/// on to `ready`, so that it answers nobody else until the next start.
fn unseal() -> Result<(), DataError> {
    let extend = |word| {
        run(
            "/usr/lib/systemd/systemd-pcrextend",
            &["--graceful", word],
            b"",
        )
    };
    extend("sysinit").map_err(DataError::Sealed)?;
    let attached = run(
        "systemd-cryptsetup",
        &[
            "attach",
            NAME,
            DEVICE,
            "-",
            "tpm2-device=auto,headless=true,discard",
        ],
        b"",
    );
    extend("ready").map_err(DataError::Sealed)?;
    attached.map(drop).map_err(DataError::Sealed)
}

/// Opens it with the recovery key, and seals it to this TPM and this Secure Boot state anew.
///
/// # Errors
/// The key is wrong, or a tool failed.
pub fn unlock(recovery_key: &str) -> Result<(), DataError> {
    let key = normal_form(recovery_key);
    let key_file = KeyFile::write(key.as_bytes())?;
    let path = key_file.0;
    run(
        "cryptsetup",
        &["open", "--type", "luks2", "--key-file", path, DEVICE, NAME],
        b"",
    )
    .map_err(DataError::WrongKey)?;
    check_file_system()?;
    write_state(&DataState {
        open: true,
        encrypted: true,
        code: None,
        detail: None,
    })?;
    // Without a TPM, or where it fails, the key is asked for at the next start again.
    if Path::new(PCR_KEY).exists()
        && let Err(error) = seal_to_tpm(path, &["--wipe-slot=tpm2"])
    {
        eprintln!("sealgate-system: {}", chain(&error));
    }
    Ok(())
}

/// As systemd writes recovery keys: eight groups of eight letters with dashes between.
/// People type them with spaces, in capitals, or without dashes.
pub fn normal_form(typed: &str) -> Zeroizing<String> {
    let letters: Vec<char> = typed
        .chars()
        .filter(char::is_ascii_alphabetic)
        .map(|letter| letter.to_ascii_lowercase())
        .collect();
    let groups: Vec<String> = letters
        .chunks(8)
        .map(|group| group.iter().collect())
        .collect();
    Zeroizing::new(groups.join("-"))
}

/// A key in a file in memory, gone when dropped.
struct KeyFile(&'static str);

impl KeyFile {
    fn write(key: &[u8]) -> Result<Self, DataError> {
        use std::os::unix::fs::OpenOptionsExt;
        const PATH: &str = "/run/sealgate-data-key";
        let written = fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(PATH)
            .and_then(|mut file| file.write_all(key));
        written.map_err(|source| DataError::Write {
            what: "a key in memory",
            source,
        })?;
        Ok(Self(PATH))
    }
}

impl Drop for KeyFile {
    fn drop(&mut self) {
        let _ = fs::remove_file(self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_never_written_is_blank() {
        let with = |at: usize, bytes: &[u8]| {
            let mut head = vec![0; 4096];
            head[at..at + bytes.len()].copy_from_slice(bytes);
            head
        };
        assert_eq!(content(&with(0, b"")), Content::Blank);
        assert_eq!(content(&with(4000, b"x")), Content::Foreign);
        assert_eq!(content(&with(1080, &[0x53, 0xef])), Content::Plain);
        let mut luks = with(0, b"LUKS\xba\xbe\x00\x02");
        assert_eq!(content(&luks), Content::Unfinished);
        luks[24..37].copy_from_slice(b"sealgate-data");
        assert_eq!(content(&luks), Content::Encrypted);
        luks[37] = b'x';
        assert_eq!(content(&luks), Content::Unfinished);
        assert_eq!(content(b"LUKS\xba\xbe\x00\x02"), Content::Unfinished);
    }

    #[test]
    fn a_recovery_key_is_taken_as_it_is_typed() {
        let key = "abcdefgh-bcdefghi-cdefghij-defghijk";
        for typed in [
            key,
            " ABCDEFGH bcdefghi cdefghij defghijk\r\n",
            "abcdefghbcdefghicdefghijdefghijk",
        ] {
            assert_eq!(normal_form(typed).as_str(), key);
        }
        assert_eq!(normal_form("").as_str(), "");
    }
}
