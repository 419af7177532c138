//! Lists of cameras as people keep them: CSV (RFC 4180) in and out. Pure.
//!
//! Columns: address or stream URL, name, user name, password; in this order, or in the
//! order of a first line that names them. Every line gets a verdict, with all that is wrong
//! with it; one bad line stops no other.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use sealgate_camera::StreamUrl;
use url::Url;

use crate::Credentials;
use crate::xml_text::display_text;

/// The longest list that is read.
pub const MAX_LIST_BYTES: usize = 1024 * 1024;
/// The most lines that are read, empty ones aside.
pub const MAX_LIST_ROWS: usize = 1024;
/// Of one field, in characters.
const MAX_FIELD_CHARS: usize = 512;

/// Where a camera is, by hand.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Place {
    /// At this address; its services are to be found.
    Address {
        /// Its address.
        ip: Ipv4Addr,
        /// The port of its device service, if given.
        port: Option<u16>,
    },
    /// Its device service is here.
    Service(String),
    /// Its stream is here, without credentials.
    Stream(String),
}

impl Place {
    /// The camera's address.
    pub fn ip(&self) -> Option<Ipv4Addr> {
        match self {
            Self::Address { ip, .. } => Some(*ip),
            Self::Service(url) | Self::Stream(url) => {
                Url::parse(url).ok()?.host_str()?.parse().ok()
            }
        }
    }
}

/// One camera of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedCamera {
    /// Where it is.
    pub place: Place,
    /// What it is to be called.
    pub name: Option<String>,
    /// How to sign in.
    pub credentials: Option<Credentials>,
}

/// One line of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListRow {
    /// Where it begins in the file, from 1.
    pub line: u64,
    /// The camera, or all that is wrong.
    pub verdict: Result<ListedCamera, Vec<RowProblem>>,
}

/// What is wrong with a line. No text of a problem shows a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RowProblem {
    /// The column is empty.
    #[error("there is no address")]
    NoAddress,
    /// Neither an IPv4 address nor a URL that can be used.
    #[error("{0:?} is no IPv4 address, and no http:// or rtsp:// URL with one")]
    Address(String),
    /// An address that no camera has.
    #[error("{0} is no camera's address")]
    NoHost(Ipv4Addr),
    /// A password for nobody.
    #[error("there is a password, but no user name")]
    PasswordAlone,
    /// More columns than four.
    #[error("there are {0} columns, and at most 4 are read")]
    Columns(usize),
    /// Longer than any that is known.
    #[error("the {0} is longer than 512 characters")]
    TooLong(&'static str),
    /// A line break or the like.
    #[error("the {0} has control characters in it")]
    Control(&'static str),
    /// Not UTF-8.
    #[error("the line is not UTF-8 text: save the list as CSV UTF-8")]
    Encoding,
    /// The same camera is in an earlier line.
    #[error("line {0} has the same camera")]
    Twice(u64),
}

impl RowProblem {
    /// The stable code in the error catalog.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NoAddress | Self::Address(_) | Self::NoHost(_) => "SG-CAM-036",
            Self::Twice(_) => "SG-CAM-037",
            _ => "SG-CAM-038",
        }
    }
}

/// Why a list was not read at all.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ListError {
    /// Longer than [`MAX_LIST_BYTES`].
    #[error("the list is longer than 1 MiB")]
    TooLong,
    /// More lines than [`MAX_LIST_ROWS`].
    #[error("the list has more than 1024 lines")]
    TooManyRows,
}

impl ListError {
    /// The stable code in the error catalog.
    pub fn code(&self) -> &'static str {
        "SG-CAM-039"
    }
}

const COLUMNS: [&str; 4] = ["address", "name", "user name", "password"];

/// Reads a list. Commas or semicolons part the columns, as the first line has it; a byte
/// order mark, and line ends of any system, do no harm.
///
/// # Errors
/// If the list is too long to be one.
pub fn read_camera_list(bytes: &[u8]) -> Result<Vec<ListRow>, ListError> {
    if bytes.len() > MAX_LIST_BYTES {
        return Err(ListError::TooLong);
    }
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let first = bytes
        .split(|byte| *byte == b'\n')
        .next()
        .unwrap_or_default();
    let semicolons = first.contains(&b';') && !first.contains(&b',');
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .delimiter(if semicolons { b';' } else { b',' })
        .from_reader(bytes);
    let mut order = [Some(0), Some(1), Some(2), Some(3)];
    let mut rows: Vec<ListRow> = Vec::new();
    let mut known: BTreeMap<Place, u64> = BTreeMap::new();
    let mut record = csv::ByteRecord::new();
    let mut is_first = true;
    let mut lines = LineCount {
        bytes,
        at: 0,
        line: 1,
    };
    // From memory, and with any number of columns, no record is an error.
    while reader.read_byte_record(&mut record).unwrap_or(false) {
        let line = lines.at(record.position().map_or(0, csv::Position::byte));
        if record.iter().all(|field| field.trim_ascii().is_empty()) {
            continue;
        }
        if std::mem::take(&mut is_first)
            && let Some(named) = header(&record)
        {
            order = named;
            continue;
        }
        if rows.len() == MAX_LIST_ROWS {
            return Err(ListError::TooManyRows);
        }
        let mut verdict = row(&record, order);
        if let Ok(camera) = &verdict {
            let earlier = *known.entry(camera.place.clone()).or_insert(line);
            if earlier != line {
                verdict = Err(vec![RowProblem::Twice(earlier)]);
            }
        }
        rows.push(ListRow { line, verdict });
    }
    Ok(rows)
}

/// Counts lines. The reader's own count stands before the line ends that part a record from
/// the one before it.
struct LineCount<'a> {
    bytes: &'a [u8],
    at: usize,
    line: u64,
}

impl LineCount<'_> {
    /// The line of the record that begins there, or after line ends that do.
    fn at(&mut self, byte: u64) -> u64 {
        let begin = usize::try_from(byte).unwrap_or(usize::MAX);
        while let Some(byte) = self.bytes.get(self.at) {
            if self.at >= begin && !matches!(byte, b'\r' | b'\n') {
                break;
            }
            self.line += u64::from(*byte == b'\n');
            self.at += 1;
        }
        self.line
    }
}

/// Where each column is, if the line names them. A camera may have such a word for a name; then the
/// line has an address as well.
fn header(record: &csv::ByteRecord) -> Option<[Option<usize>; 4]> {
    let names: Vec<String> = record
        .iter()
        .map(|field| String::from_utf8_lossy(field).trim().to_ascii_lowercase())
        .collect();
    if names.iter().any(|name| read_place(name).is_ok()) {
        return None;
    }
    let find = |words: &[&str]| names.iter().position(|name| words.contains(&name.as_str()));
    let address = find(&["address", "ip", "ip address", "url", "host"])?;
    Some([
        Some(address),
        find(&["name", "camera"]),
        find(&["user", "username", "user name", "login"]),
        find(&["password", "pass"]),
    ])
}

fn row(
    record: &csv::ByteRecord,
    order: [Option<usize>; 4],
) -> Result<ListedCamera, Vec<RowProblem>> {
    let mut problems = Vec::new();
    let filled = record
        .iter()
        .rposition(|field| !field.trim_ascii().is_empty());
    let width = filled.map_or(0, |last| last + 1);
    if width > COLUMNS.len() && order == [Some(0), Some(1), Some(2), Some(3)] {
        problems.push(RowProblem::Columns(width));
    }
    let mut fields: [String; 4] = Default::default();
    for ((field, place), column) in fields.iter_mut().zip(order).zip(COLUMNS) {
        let bytes = place
            .and_then(|place| record.get(place))
            .unwrap_or_default();
        let Ok(text) = std::str::from_utf8(bytes) else {
            if !problems.contains(&RowProblem::Encoding) {
                problems.push(RowProblem::Encoding);
            }
            continue;
        };
        // A blank belongs to a password.
        let text = if column == "password" {
            text
        } else {
            text.trim()
        };
        if text.chars().count() > MAX_FIELD_CHARS {
            problems.push(RowProblem::TooLong(column));
        } else if text.chars().any(char::is_control) {
            problems.push(RowProblem::Control(column));
        } else {
            *field = text.to_owned();
        }
    }
    let [address, name, user, password] = fields;
    let place = if address.is_empty() && problems.is_empty() {
        Err(RowProblem::NoAddress)
    } else {
        read_place(&address)
    };
    if user.is_empty() && !password.is_empty() {
        problems.push(RowProblem::PasswordAlone);
    }
    let (place, in_url) = match place {
        Ok(found) => found,
        Err(problem) => {
            if !address.is_empty() || problem == RowProblem::NoAddress {
                problems.insert(0, problem);
            }
            return Err(problems);
        }
    };
    if !problems.is_empty() {
        return Err(problems);
    }
    let given = (!user.is_empty()).then_some(Credentials { user, password });
    Ok(ListedCamera {
        place,
        name: display_text(&name),
        credentials: given.or(in_url),
    })
}

/// Reads an address as people write it: `192.0.2.7`, `192.0.2.7:8000`, the URL of a device
/// service, or a stream's, perhaps with a user name and password in it.
///
/// # Errors
/// If it is none of them.
pub fn read_place(text: &str) -> Result<(Place, Option<Credentials>), RowProblem> {
    let text = text.trim();
    // A password in it is not to be shown.
    let shown = text.rsplit('@').next().unwrap_or_default();
    let wrong = || RowProblem::Address(shown.chars().take(64).collect());
    let host = |ip: Ipv4Addr| {
        let none = ip.is_unspecified() || ip.is_multicast() || ip.is_broadcast();
        if none || ip.is_loopback() {
            Err(RowProblem::NoHost(ip))
        } else {
            Ok(ip)
        }
    };
    if let Ok(ip) = text.parse::<Ipv4Addr>() {
        return Ok((
            Place::Address {
                ip: host(ip)?,
                port: None,
            },
            None,
        ));
    }
    if let Ok(socket) = text.parse::<std::net::SocketAddrV4>() {
        let port = Some(socket.port())
            .filter(|port| *port > 0)
            .ok_or_else(wrong)?;
        let ip = host(*socket.ip())?;
        return Ok((
            Place::Address {
                ip,
                port: Some(port),
            },
            None,
        ));
    }
    let mut url = Url::parse(text).map_err(|_| wrong())?;
    let ip: Ipv4Addr = url
        .host_str()
        .and_then(|host| host.parse().ok())
        .ok_or_else(wrong)?;
    host(ip)?;
    let credentials = (!url.username().is_empty())
        .then(|| Credentials::from_url(url.username(), url.password().unwrap_or_default()));
    // Both fail only for URLs without a host.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    let place = match url.scheme() {
        "http" => Place::Service(url.into()),
        "rtsp" => {
            let stream: StreamUrl = url.as_str().parse().map_err(|_| wrong())?;
            Place::Stream(String::from(stream))
        }
        _ => return Err(wrong()),
    };
    Ok((place, credentials))
}

/// Writes lines for a spreadsheet. A field that a spreadsheet would take for a formula is
/// marked as text: what cameras call themselves is in such lists.
pub fn write_list<'a>(rows: impl IntoIterator<Item = &'a [&'a str]>) -> String {
    let mut out = String::new();
    for row in rows {
        let fields: Vec<String> = row.iter().map(|field| written(field)).collect();
        out.push_str(&fields.join(","));
        out.push_str("\r\n");
    }
    out
}

fn written(field: &str) -> String {
    let is_formula = field.trim_start_matches([' ', '"']).starts_with([
        '=', '+', '-', '@', '\t', '\r', '\n', '\u{ff1d}', '\u{ff0b}', '\u{ff0d}', '\u{ff20}',
    ]);
    let text = if is_formula {
        format!("'{field}")
    } else {
        field.to_owned()
    };
    if text.contains([',', ';', '"', '\r', '\n', '\'']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text
    }
}

#[cfg(test)]
#[path = "camera_list_tests.rs"]
mod tests;
