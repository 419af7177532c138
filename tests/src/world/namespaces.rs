//! The lab's network: namespaces of its own, so that neither the host's network nor
//! its firewall can interfere with it, nor it with them.
//!
//! ```text
//!   [owner] ── lan0 [box] cam0 ──┐
//!                                ├── bridge [switch] ──┬── eth0 [camera a]
//!   (or QEMU's second card) ─────┘                     ├── eth0 [camera b]
//!                                                      └── eth0 [control]
//! ```

use std::process::Command;

use anyhow::{Context, Result};

use super::process::run;

/// What the lab's namespaces are called: this, our process id, a dash, their part.
const PREFIX: &str = "sealgate";

/// A network namespace; removing it is part of dropping it.
#[derive(Debug)]
pub struct Namespace {
    name: String,
}

impl Namespace {
    /// A new, empty namespace with only loopback up and IPv6 off: the product refuses
    /// IPv6 on camera ports, and unasked-for neighbour discovery would disturb counts.
    ///
    /// # Errors
    /// No right to make one, or no `ip`.
    pub fn create(part: &str) -> Result<Self> {
        let name = format!("{PREFIX}{}-{part}", std::process::id());
        run(Command::new("ip").args(["netns", "add", &name]))
            .context("make a network namespace (this needs root)")?;
        let namespace = Self { name };
        for scope in ["all", "default"] {
            namespace.set(&format!("net.ipv6.conf.{scope}.disable_ipv6"), "1")?;
        }
        namespace.ip(&["link", "set", "lo", "up"])?;
        Ok(namespace)
    }

    /// Its name, as `ip netns` knows it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A command that runs inside.
    pub fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.name]).arg(program);
        command
    }

    /// `ip` with `arguments`, inside.
    ///
    /// # Errors
    /// `ip` refused.
    pub fn ip(&self, arguments: &[&str]) -> Result<String> {
        run(Command::new("ip").args(["-n", &self.name]).args(arguments))
    }

    /// Sets one kernel parameter of the namespace.
    ///
    /// # Errors
    /// The kernel does not know it.
    pub fn set(&self, parameter: &str, value: &str) -> Result<()> {
        let file = format!("/proc/sys/{}", parameter.replace('.', "/"));
        run(self
            .command("sh")
            .args(["-c", r#"echo "$1" > "$2""#, "sh", value, &file]))
        .map(drop)
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let _ = Command::new("ip")
            .args(["netns", "del", &self.name])
            .output();
    }
}

/// Removes namespaces whose lab was killed before it could clean up.
pub fn remove_orphans() {
    let Ok(list) = run(Command::new("ip").args(["netns", "list"])) else {
        return;
    };
    for name in list.lines().filter_map(|line| line.split(' ').next()) {
        let owner = name
            .strip_prefix(PREFIX)
            .and_then(|rest| rest.split_once('-'))
            .and_then(|(id, _)| id.parse::<u32>().ok());
        if owner.is_some_and(|id| !std::path::Path::new(&format!("/proc/{id}")).exists()) {
            let _ = run(Command::new("ip").args(["netns", "del", name]));
        }
    }
}

/// A plain switch: a bridge alone in its namespace.
#[derive(Debug)]
pub struct Switch {
    namespace: Namespace,
    ports: std::cell::Cell<u32>,
}

/// One end of a cable into the switch.
#[derive(Debug, Clone, Copy)]
pub struct Port<'a> {
    /// What the interface is called in its namespace.
    pub interface: &'a str,
    /// Its hardware address.
    pub mac: &'a str,
    /// Its address with prefix length, if it has one of its own accord.
    pub address: Option<&'a str>,
}

impl Switch {
    /// A switch without any cable.
    ///
    /// # Errors
    /// No right to make it.
    pub fn create() -> Result<Self> {
        let namespace = Namespace::create("switch")?;
        // Snooping would hold back the multicast that discovery lives on.
        namespace.ip(&[
            "link",
            "add",
            "bridge",
            "type",
            "bridge",
            "stp_state",
            "0",
            "forward_delay",
            "0",
            "mcast_snooping",
            "0",
        ])?;
        namespace.ip(&["link", "set", "bridge", "up"])?;
        Ok(Self {
            namespace,
            ports: std::cell::Cell::new(0),
        })
    }

    /// The namespace the bridge is in: a QEMU tap goes there.
    pub fn namespace(&self) -> &Namespace {
        &self.namespace
    }

    /// Connects a namespace; the interface stays down, so that rules can be put in
    /// place first. [`bring_up`] follows.
    ///
    /// # Errors
    /// `ip` refused.
    pub fn connect(&self, to: &Namespace, port: Port<'_>) -> Result<()> {
        let number = self.ports.get();
        self.ports.set(number + 1);
        let ours = format!("port{number}");
        self.namespace.ip(&[
            "link",
            "add",
            &ours,
            "type",
            "veth",
            "peer",
            "name",
            port.interface,
            "address",
            port.mac,
            "netns",
            to.name(),
        ])?;
        self.namespace
            .ip(&["link", "set", &ours, "master", "bridge", "up"])?;
        Ok(())
    }
}

/// Gives an interface its address and brings it up; multicast leaves through it.
///
/// # Errors
/// `ip` refused.
pub fn bring_up(namespace: &Namespace, port: Port<'_>) -> Result<()> {
    if let Some(address) = port.address {
        namespace.ip(&["address", "add", address, "dev", port.interface])?;
    }
    namespace.ip(&["link", "set", port.interface, "up"])?;
    namespace.ip(&["route", "replace", "224.0.0.0/4", "dev", port.interface])?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_namespaces_on_a_switch_reach_each_other_and_are_gone_afterwards() {
        let switch = Switch::create().unwrap();
        let names = {
            let one = Namespace::create("one").unwrap();
            let two = Namespace::create("two").unwrap();
            for (namespace, mac, address) in [
                (&one, "02:00:00:00:00:11", "192.168.77.21/24"),
                (&two, "02:00:00:00:00:12", "192.168.77.22/24"),
            ] {
                let port = Port {
                    interface: "eth0",
                    mac,
                    address: Some(address),
                };
                switch.connect(namespace, port).unwrap();
                bring_up(namespace, port).unwrap();
            }
            // Nobody listens there; only an address that answers can refuse.
            let refused = run(one
                .command("bash")
                .args(["-c", "exec 3<>/dev/tcp/192.168.77.22/9"]))
            .unwrap_err();
            assert!(refused.to_string().contains("refused"), "{refused}");
            [one.name().to_owned(), two.name().to_owned()]
        };
        let left = run(Command::new("ip").args(["netns", "list"])).unwrap();
        assert!(!names.iter().any(|name| left.contains(name)), "{left}");
    }
}
