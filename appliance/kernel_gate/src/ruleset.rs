//! The whole ruleset, as text.

mod inet;
mod netdev;
mod trickle;

use crate::CameraPort;

/// How many cameras the admitted sets hold.
pub(crate) const SET_SIZE: usize = 1024;
/// How many MAC addresses each meter and each list of drops holds. A flood of made-up
/// addresses fills them and is dropped; admitted cameras need no meter.
const METER_SIZE: usize = 4096;

/// What the rules write on a packet that they let in. [`Backstop`](crate::Backstop) lets
/// in nothing without it, so that a packet which met no rules goes nowhere.
pub(crate) const PASSED_MARK: u32 = 0x5ea1;

/// TCP ports that ONVIF services answer from.
const ONVIF_PORTS: &str = "{ 80, 2020, 8000, 8080, 8899 }";

/// The two tables without admitted cameras: the closed gate.
///
/// The rates are per source MAC address. 4 kB/s is 32 kbit/s: a camera can announce
/// itself and answer ONVIF requests, but video needs ten times that at the least.
pub fn ruleset(ports: &[CameraPort], recorder_uid: Option<u32>) -> String {
    Ruleset::new(ports, recorder_uid).with_ports(ports)
}

/// The tables, and the chains of the ports apart from them: a chain needs its interface.
#[derive(Debug)]
pub(crate) struct Ruleset {
    tables: String,
    marker: String,
}

impl Ruleset {
    pub fn new(ports: &[CameraPort], recorder_uid: Option<u32>) -> Self {
        let tables = format!(
            "{}\n{}",
            netdev::table(ports),
            inet::table(ports, recorder_uid)
        );
        let chains: String = ports.iter().map(ingress_table).collect();
        let marker = marker_name(&(tables.clone() + &chains));
        Self {
            tables: tables.replace(MARKER, &format!("counter {marker} {{ }}")),
            marker,
        }
    }

    /// The counter by which a ruleset in the kernel is known as this text and no other:
    /// with other ports, another recorder or another version it has another name.
    pub fn marker(&self) -> &str {
        &self.marker
    }

    /// The whole text, with the chains of these ports.
    pub fn with_ports<'a>(&self, ports: impl IntoIterator<Item = &'a CameraPort>) -> String {
        let chains: String = ports.into_iter().map(ingress_table).collect();
        format!("{}\n{chains}", self.tables)
    }
}

/// One port's chain at its ingress, to add to the table that is there. Before Linux 6.16 it
/// goes when the interface goes, and is put back when the interface comes back.
pub(crate) fn ingress_table(port: &CameraPort) -> String {
    format!(
        "table netdev sealgate {{\n{}}}\n",
        netdev::ingress_chain(port)
    )
}

/// Stands in the text where the marker counter goes.
const MARKER: &str = "@MARKER@";

fn marker_name(body: &str) -> String {
    // FNV-1a: tells our own texts apart, and protects against nothing.
    let digest = body.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("ruleset_{digest:016x}")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn port(name: &str) -> CameraPort {
        CameraPort::new(name).unwrap()
    }

    #[test]
    fn the_marker_tells_rulesets_apart() {
        let marker = |ports: &[CameraPort], uid| Ruleset::new(ports, uid).marker().to_owned();
        let one = marker(&[port("cam0")], None);
        assert_eq!(one.len(), "ruleset_".len() + 16);
        assert_eq!(one, marker(&[port("cam0")], None));
        for other in [
            marker(&[port("cam0"), port("cam1")], None),
            marker(&[port("cam0")], Some(990)),
            marker(&[CameraPort::shared("cam0", 443).unwrap()], None),
        ] {
            assert_ne!(one, other);
        }
        let text = ruleset(&[port("cam0")], None);
        assert_eq!(text.matches(&one).count(), 2);
        assert!(!text.contains(MARKER));
    }

    #[test]
    fn every_port_drops_by_default() {
        let text = ruleset(
            &[port("cam0"), CameraPort::shared("lan0", 443).unwrap()],
            None,
        );
        for name in ["cam0", "lan0"] {
            assert!(text.contains(&format!(
                "type filter hook ingress device \"{name}\" priority -500; policy drop;"
            )));
        }
        assert!(text.contains("iifname \"lan0\" goto lan0_shared"));
        assert!(!text.contains("skuid"));
    }

    #[test]
    fn connections_are_tracked_only_where_a_port_is_shared() {
        let of = |port| ruleset(&[port], Some(971));
        assert!(!of(port("cam0")).contains(" ct "));
        assert!(of(CameraPort::shared("lan0", 443).unwrap()).contains(" ct "));
    }
}
