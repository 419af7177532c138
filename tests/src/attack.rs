//! What an unlicensed camera might try, and what came of it.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

use crate::world::namespaces::Namespace;
use crate::world::process::run;

/// The frames that leave the attacking camera.
#[derive(Debug, Clone, Copy)]
pub struct Flood<'a> {
    /// Address the frames come from.
    pub source_ip: &'a str,
    /// The box's hardware address on the camera network.
    pub box_mac: &'a str,
    /// The box's address on the camera network.
    pub box_ip: &'a str,
    /// Packets of each kind: RTP packets, and SYNs to port 443.
    pub count: u32,
    /// How long to listen for answers after the last packet.
    pub listen: Duration,
}

/// What was sent, and what the box sent back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct FloodResult {
    /// RTP packets sent.
    pub rtp_sent: u32,
    /// TCP SYNs sent.
    pub syn_sent: u32,
    /// What came back.
    pub answers: Answers,
}

/// Answers seen on the camera's own wire. Any at all means that a packet got through.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answers {
    /// A listening socket answered.
    pub syn_ack: u32,
    /// The box's TCP answered that nobody listens.
    pub reset: u32,
    /// The box's IP answered, for example 'port unreachable'.
    pub icmp: u32,
}

impl Answers {
    /// Whether the box kept silent.
    pub fn none(self) -> bool {
        self == Self::default()
    }
}

fn script() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("attack/flood.py")
}

fn python(namespace: &Namespace) -> Command {
    let mut command = namespace.command("/usr/bin/python3");
    command.arg(script());
    command
}

/// Sends the flood from a camera's namespace and listens there for answers.
///
/// # Errors
/// The script could not run.
pub fn flood(from: &Namespace, flood: Flood<'_>) -> Result<FloodResult> {
    let said = run(python(from)
        .args(["--source-ip", flood.source_ip])
        .args(["--box-mac", flood.box_mac])
        .args(["--box-ip", flood.box_ip])
        .args(["--count", &flood.count.to_string()])
        .args(["--listen-s", &flood.listen.as_secs_f32().to_string()]))?;
    serde_json::from_str(&said).with_context(|| format!("understand the flood's report: {said}"))
}

/// An open box: UDP and TCP sockets that no gate protects, which show that the flood
/// does arrive, and is answered, where nothing stops it.
#[derive(Debug)]
pub struct Victim {
    child: Child,
}

impl Victim {
    /// Starts listening in `namespace`.
    ///
    /// # Errors
    /// The sockets could not be opened.
    pub fn start(namespace: &Namespace) -> Result<Self> {
        let child = python(namespace)
            .arg("--listen")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("start the control experiment's victim")?;
        let mut victim = Self { child };
        let said = victim.read_line()?;
        if said.trim() != "listening" {
            bail!("the control experiment's victim said {said:?}");
        }
        Ok(victim)
    }

    /// Ends it; how many RTP packets reached its socket.
    ///
    /// # Errors
    /// It ended before it was asked to.
    pub fn received(mut self) -> Result<u32> {
        drop(self.child.stdin.take());
        let said = self.read_line()?;
        let report: serde_json::Value =
            serde_json::from_str(&said).with_context(|| format!("understand {said:?}"))?;
        report["rtp_received"]
            .as_u64()
            .and_then(|count| u32::try_from(count).ok())
            .with_context(|| format!("no count in {said:?}"))
    }

    /// One line, byte by byte: nothing is read ahead, so no buffer has to be kept.
    fn read_line(&mut self) -> Result<String> {
        let pipe = self.child.stdout.as_mut().context("its output is a pipe")?;
        let mut line = Vec::new();
        let mut byte = [0];
        loop {
            pipe.read_exact(&mut byte)
                .context("read from the control experiment's victim")?;
            if byte == *b"\n" {
                return Ok(String::from_utf8_lossy(&line).into_owned());
            }
            line.extend(byte);
        }
    }
}

impl Drop for Victim {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::namespaces::{Port, Switch, bring_up};

    const BOX: Port<'_> = Port {
        interface: "cam0",
        mac: "02:00:00:00:00:01",
        address: Some("192.168.77.1/24"),
    };
    const CAMERA: Port<'_> = Port {
        interface: "eth0",
        mac: "02:00:00:00:00:0b",
        address: Some("192.168.77.12/24"),
    };
    const FLOOD: Flood<'_> = Flood {
        source_ip: "192.168.77.12",
        box_mac: BOX.mac,
        box_ip: "192.168.77.1",
        count: 50,
        listen: Duration::from_secs(1),
    };

    fn network() -> (Switch, Namespace, Namespace) {
        let switch = Switch::create().unwrap();
        let the_box = Namespace::create("box").unwrap();
        let camera = Namespace::create("camera-b").unwrap();
        for (namespace, port) in [(&the_box, BOX), (&camera, CAMERA)] {
            switch.connect(namespace, port).unwrap();
            bring_up(namespace, port).unwrap();
        }
        (switch, the_box, camera)
    }

    #[test]
    fn without_a_gate_every_packet_arrives_and_is_answered() {
        let (_switch, the_box, camera) = network();
        let victim = Victim::start(&the_box).unwrap();
        let result = flood(&camera, FLOOD).unwrap();
        assert_eq!((result.rtp_sent, result.syn_sent), (50, 50));
        // A SYN-ACK may be repeated while nobody completes the handshake.
        assert!(result.answers.syn_ack >= 50, "{result:?}");
        assert_eq!(victim.received().unwrap(), 50);
    }

    #[test]
    fn with_a_gate_the_wire_stays_silent_and_the_drops_are_exact() {
        let (_switch, the_box, camera) = network();
        let rules = "table netdev closed {\nchain ingress {\ntype filter hook ingress device \
                     cam0 priority 0; policy accept; ether type ip counter drop\n}\n}";
        run(the_box.command("nft").arg(rules)).unwrap();
        let victim = Victim::start(&the_box).unwrap();
        let result = flood(&camera, FLOOD).unwrap();
        assert!(result.answers.none(), "{result:?}");
        assert_eq!(victim.received().unwrap(), 0);
        let listed = run(the_box.command("nft").args(["list", "ruleset"])).unwrap();
        assert!(listed.contains("counter packets 100 "), "{listed}");
    }
}
