//! Two cameras on a switch, each alone in its namespace with a hardware address of its own.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::Result;

use super::namespaces::{Namespace, Port, Switch, bring_up};
use super::process::{Process, run};

/// The box's port on the camera network.
pub const BOX_PORT: Port<'_> = Port {
    interface: "cam0",
    mac: "02:00:00:00:00:01",
    address: Some("192.168.77.1/24"),
};

/// One camera of the lab.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CameraSpec {
    /// Drawn in its picture, and in its name.
    pub letter: char,
    /// Its hardware address.
    pub mac: &'static str,
    /// Its address.
    pub ip: &'static str,
}

impl CameraSpec {
    /// How the product names its only source: MAC without colons, and the number.
    pub fn id(&self) -> String {
        format!("{}-1", self.mac.replace(':', ""))
    }
}

/// The camera that gets the license's only place.
pub const CAMERA_A: CameraSpec = CameraSpec {
    letter: 'A',
    mac: "02:00:00:00:00:0a",
    ip: "192.168.77.11",
};

/// The camera that never gets one.
pub const CAMERA_B: CameraSpec = CameraSpec {
    letter: 'B',
    mac: "02:00:00:00:00:0b",
    ip: "192.168.77.12",
};

/// How long a camera may take to serve its picture.
const START: Duration = Duration::from_secs(20);

/// A camera that runs.
#[derive(Debug)]
pub struct Camera {
    /// Which.
    pub spec: CameraSpec,
    process: Option<Process>,
    namespace: Namespace,
    log: PathBuf,
}

/// What a camera's RTSP port does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Behaviour {
    /// Serves its picture.
    Good,
    /// Serves its picture as H.265; its smaller stream stays H.264.
    H265,
    /// Sends noise to whoever connects.
    Garbage,
}

impl Camera {
    /// Plugs a camera into the switch and starts it.
    ///
    /// # Errors
    /// The namespace, the cable or the server could not be made.
    pub async fn start(switch: &Switch, spec: CameraSpec, logs: &Path) -> Result<Self> {
        let part = format!("camera-{}", spec.letter.to_ascii_lowercase());
        let namespace = Namespace::create(&part)?;
        let address = format!("{}/24", spec.ip);
        let port = Port {
            interface: "eth0",
            mac: spec.mac,
            address: Some(&address),
        };
        switch.connect(&namespace, port)?;
        bring_up(&namespace, port)?;
        let mut camera = Self {
            spec,
            process: None,
            namespace,
            log: logs.join(format!("{part}.log")),
        };
        camera.behave(Behaviour::Good).await?;
        Ok(camera)
    }

    /// Its place on the network, for what else it might send.
    pub fn namespace(&self) -> &Namespace {
        &self.namespace
    }

    /// Starts it again, to behave this way from now on.
    ///
    /// # Errors
    /// The server does not start.
    pub async fn behave(&mut self, behaviour: Behaviour) -> Result<()> {
        self.switch_off();
        let from = std::fs::metadata(&self.log).map_or(0, |log| log.len());
        let mut process = Process::start(
            &format!("camera {}", self.spec.letter),
            &self.command(behaviour),
            &self.log,
        )?;
        process.said("ready", from, START).await?;
        self.process = Some(process);
        Ok(())
    }

    /// Pulls its plug.
    pub fn switch_off(&mut self) {
        self.process = None;
    }

    fn command(&self, behaviour: Behaviour) -> Command {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("cameras/virtual_camera.py");
        // Debian's own interpreter has the GStreamer bindings.
        let mut command = self.namespace.command("/usr/bin/python3");
        command
            .arg(script)
            .args(["--letter", &self.spec.letter.to_string()])
            .args(["--address", self.spec.ip]);
        match behaviour {
            Behaviour::Good => {}
            Behaviour::H265 => {
                command.arg("--h265");
            }
            Behaviour::Garbage => {
                command.arg("--garbage");
            }
        }
        command
    }

    /// Something moves in front of it from now on, or nothing does any more.
    ///
    /// # Errors
    /// The camera does not run.
    pub fn see_motion(&self, moving: bool) -> Result<()> {
        let say = "import sys, urllib.request as r; r.urlopen(sys.argv[1], sys.argv[2].encode())";
        let lens = format!("http://{}/lens/motion", self.spec.ip);
        let mut command = self.namespace.command("/usr/bin/python3");
        command.args(["-c", say, &lens, &moving.to_string()]);
        run(&mut command).map(drop)
    }
}
