//! Starts `quirky_onvif.py`.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

/// A device with quirks, gone when dropped.
pub struct Quirky {
    process: Child,
    port: u16,
}

impl Quirky {
    /// Starts one that is ready to answer.
    pub fn start(arguments: &[&str]) -> Self {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/quirky_onvif.py");
        let mut process = Command::new("/usr/bin/python3")
            .arg(script)
            .args(arguments)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let mut said = BufReader::new(process.stdout.take().unwrap());
        said.read_line(&mut line).unwrap();
        let port = line.trim().strip_prefix("ready ").unwrap().parse().unwrap();
        Self { process, port }
    }

    /// Where its device service is.
    pub fn service(&self) -> String {
        format!("http://127.0.0.1:{}/onvif/device", self.port)
    }

    /// Its only port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// What came in so far.
    pub async fn counts(&self) -> serde_json::Value {
        let url = format!("http://127.0.0.1:{}/counts", self.port);
        reqwest::get(url).await.unwrap().json().await.unwrap()
    }
}

impl Drop for Quirky {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
