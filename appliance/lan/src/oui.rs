//! To whom the IEEE gave a MAC address's first bits.
//!
//! From the registration authority's own tables, as Debian's package ieee-data keeps them:
//! read from files, so that a box learns of new makers with its image and not with its
//! program. A box without the files shows no maker.

use std::io;
use std::path::Path;

use sealgate_camera::MacAddress;

use crate::xml_text::display_text;

/// Blocks of 24, 28 and 36 bits (MA-L, MA-M, MA-S), from the largest.
const TABLES: [&str; 3] = ["oui.csv", "mam.csv", "oui36.csv"];
/// The largest table is 3 MB.
const MAX_TABLE_BYTES: u64 = 16 * 1024 * 1024;

/// Assigned blocks by their first bits.
#[derive(Default)]
pub struct OuiTables {
    /// The block's bits at the top, its length, and where its holder's name is; sorted.
    blocks: Vec<(u64, u8, u32, u8)>,
    names: String,
}

impl std::fmt::Debug for OuiTables {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OuiTables")
            .field("blocks", &self.blocks.len())
            .finish_non_exhaustive()
    }
}

impl OuiTables {
    /// Reads the tables in a folder, as `/usr/share/ieee-data`; some hundred milliseconds.
    ///
    /// # Errors
    /// If the first table is not there or can't be read. The others may be missing.
    pub fn read(folder: &Path) -> io::Result<Self> {
        let mut tables = Self::default();
        for name in TABLES {
            let path = folder.join(name);
            match std::fs::metadata(&path).and_then(|table| {
                if table.len() > MAX_TABLE_BYTES {
                    return Err(io::ErrorKind::FileTooLarge.into());
                }
                std::fs::read(&path)
            }) {
                Ok(table) => tables.add(&table),
                Err(error) if name == TABLES[0] => return Err(error),
                Err(_) => {}
            }
        }
        tables.blocks.sort_unstable();
        Ok(tables)
    }

    /// Takes in one table: `Registry,Assignment,Organization Name,..`, the assignment as 6,
    /// 7 or 9 hexadecimal digits. Other lines are left out.
    fn add(&mut self, table: &[u8]) {
        let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(table);
        let mut record = csv::ByteRecord::new();
        let mut last = (String::new(), 0);
        while reader.read_byte_record(&mut record).unwrap_or(false) {
            let field = |place: usize| {
                let bytes = record.get(place).unwrap_or_default();
                String::from_utf8_lossy(bytes).trim().to_owned()
            };
            let digits = field(1);
            let known_length = matches!(digits.len(), 6 | 7 | 9);
            let (Some(bits), Some(name)) = (
                u64::from_str_radix(&digits, 16)
                    .ok()
                    .filter(|_| known_length),
                display_text(&field(2)),
            ) else {
                continue;
            };
            let length = u8::try_from(digits.len() * 4).unwrap_or_default();
            // Holders of many blocks stand once.
            if last.0 != name {
                let Ok(at) = u32::try_from(self.names.len()) else {
                    return;
                };
                self.names.push_str(&name);
                last = (name, at);
            }
            let Ok(name_bytes) = u8::try_from(last.0.len()) else {
                continue;
            };
            self.blocks
                .push((bits << (48 - length), length, last.1, name_bytes));
        }
    }

    /// The holder of the smallest block that the address is in. None for an address that is
    /// administered locally (IEEE 802-2014, 8.4), whatever block it seems to be in.
    pub fn manufacturer(&self, mac: MacAddress) -> Option<&str> {
        let octets = mac.octets();
        if octets[0] & 2 == 2 {
            return None;
        }
        let bits = octets
            .iter()
            .fold(0_u64, |bits, octet| (bits << 8) | u64::from(*octet));
        [36, 28, 24].into_iter().find_map(|length| {
            let block = (bits >> (48 - length) << (48 - length), length);
            let place = self
                .blocks
                .binary_search_by_key(&block, |(bits, length, ..)| (*bits, *length))
                .ok()?;
            let (_, _, at, name_bytes) = self.blocks.get(place)?;
            let from = usize::try_from(*at).ok()?;
            self.names.get(from..from + usize::from(*name_bytes))
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const TABLE: &str = "Registry,Assignment,Organization Name,Organization Address\r\n\
        MA-L,002272,\"American Micro-Fuel, Device Corp.\",2181 Buchanan Loop\r\n\
        MA-L,70B3D5,IEEE Registration Authority,x\r\n\
        MA-S,70B3D5123,Small Maker,x\r\n\
        MA-L,short\r\nMA-L,00zz72,Nobody,x\r\nMA-L,4CBD8F,,x\r\n";

    fn tables() -> OuiTables {
        let mut tables = OuiTables::default();
        tables.add(TABLE.as_bytes());
        tables.blocks.sort_unstable();
        tables
    }

    #[test]
    fn the_smallest_block_counts() {
        let tables = tables();
        let check = |mac: &str, expected: Option<&str>| {
            assert_eq!(tables.manufacturer(mac.parse().unwrap()), expected, "{mac}");
        };
        check(
            "00:22:72:00:00:01",
            Some("American Micro-Fuel, Device Corp."),
        );
        check("70:b3:d5:12:30:01", Some("Small Maker"));
        check("70:b3:d5:12:40:01", Some("IEEE Registration Authority"));
        check("00:22:73:00:00:01", None);
        check("02:22:72:00:00:01", None);
        check("4c:bd:8f:00:00:01", None);
    }

    #[test]
    fn the_kept_tables_are_read() {
        let tables = OuiTables::read(Path::new("/usr/share/ieee-data")).unwrap();
        assert!(tables.blocks.len() > 30_000, "{tables:?}");
        let known = tables.manufacturer("4c:bd:8f:00:00:01".parse().unwrap());
        assert!(known.unwrap().contains("Hikvision"), "{known:?}");
        assert!(OuiTables::read(Path::new("/nowhere")).is_err());
    }
}
