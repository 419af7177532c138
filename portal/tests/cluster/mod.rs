//! A PostgreSQL cluster of the test's own: apt's server in a temporary folder, run by a user
//! without rights, reached by its Unix socket.

use std::os::unix::fs::{MetadataExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use sealgate_portal::store::postgres::PostgresAddress;
use tempfile::TempDir;

/// `nobody` and `nogroup` of Debian: the server refuses to run as root.
const NOBODY: u32 = 65534;

pub struct Cluster {
    folder: TempDir,
    programs: PathBuf,
}

/// Where Debian puts the server's programs, of the newest version there.
fn programs() -> PathBuf {
    let mut found: Vec<PathBuf> = std::fs::read_dir("/usr/lib/postgresql")
        .expect("apt's postgresql is installed (scripts/lib/prerequisites.sh)")
        .map(|version| version.unwrap().path().join("bin"))
        .filter(|bin| bin.join("initdb").exists())
        .collect();
    found.sort();
    found.pop().expect("apt's postgresql has an initdb")
}

impl Cluster {
    pub fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        if folder.path().metadata().unwrap().uid() == 0 {
            chown(folder.path(), Some(NOBODY), Some(NOBODY)).unwrap();
        }
        let cluster = Self {
            folder,
            programs: programs(),
        };
        cluster.run(
            "initdb",
            &["--username=portal", "--auth=trust", "--no-sync"],
        );
        // No port: the socket's folder is the test's own.
        let options = format!(
            "-c listen_addresses= -c unix_socket_directories={} -c fsync=off",
            cluster.folder.path().display()
        );
        cluster.run("pg_ctl", &["--wait", "-o", &options, "--log=log", "start"]);
        cluster
    }

    pub fn address(&self) -> PostgresAddress {
        self.address_text().parse().unwrap()
    }

    /// As it stands in a file for the command line.
    pub fn address_text(&self) -> String {
        format!(
            "host={} user=portal dbname=postgres",
            self.folder.path().display()
        )
    }

    /// Ends the server and starts it again.
    #[allow(
        dead_code,
        reason = "one of the two tests that share this file wants it"
    )]
    pub fn restart(&self) {
        self.run("pg_ctl", &["--wait", "--mode=fast", "--log=log", "restart"]);
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn run(&self, program: &str, arguments: &[&str]) {
        let mut command = Command::new(self.programs.join(program));
        command
            .arg("-D")
            .arg(self.data())
            .args(arguments)
            .current_dir(self.folder.path());
        if self.runs_as_nobody() {
            command.uid(NOBODY).gid(NOBODY);
        }
        // Not piped: the server would keep the pipe open.
        let done = command.stdout(std::process::Stdio::null()).status();
        assert!(done.unwrap().success(), "{program} failed, see {}", {
            std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
        });
    }

    fn runs_as_nobody(&self) -> bool {
        Path::new(self.folder.path()).metadata().unwrap().uid() == NOBODY
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.run("pg_ctl", &["--wait", "--mode=immediate", "stop"]);
    }
}
