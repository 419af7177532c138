//! The style of the repository, checked like any other promise: who may depend on
//! whom, no unsafe code, sizes of files, codes that exist, scripts that explain
//! themselves, and nothing that only makes sense on one person's machine.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use cargo_metadata::MetadataCommand;

#[path = "style/buildroot.rs"]
mod buildroot;

/// Who may depend on whom: the table of ARCHITECTURE.md. Names are without the
/// `sealgate-` in front. `tests` may use anything and so is not listed.
const ARROWS: &[(&str, &[&str])] = &[
    ("license", &[]),
    ("words", &[]),
    ("totp", &[]),
    ("camera", &[]),
    ("base", &[]),
    ("pages", &["words"]),
    ("gate", &["license", "camera"]),
    ("kernel-gate", &["camera", "base"]),
    ("lan", &["camera", "base"]),
    ("tpm", &["license", "base"]),
    ("dongle", &["license", "base"]),
    ("store", &["camera", "license", "base"]),
    ("recorder-link", &["camera"]),
    ("recorder", &["recorder-link", "camera", "base"]),
    ("system", &["base", "license"]),
    ("alerts", &["base", "words"]),
    (
        "web",
        &["pages", "words", "gate", "camera", "license", "base"],
    ),
    ("cli", &["license", "tpm", "words"]),
    ("factory", &["tpm", "license", "base", "words"]),
    (
        "supervisor",
        &[
            "alerts",
            "base",
            "camera",
            "dongle",
            "gate",
            "kernel-gate",
            "lan",
            "license",
            "pages",
            "recorder-link",
            "store",
            "system",
            "totp",
            "tpm",
            "web",
            "words",
        ],
    ),
    ("portal", &["license", "pages", "totp", "words"]),
];

/// A file past this many lines is to be split.
const LONGEST_FILE_LINES: usize = 800;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the tests crate lies below the root")
        .to_owned()
}

/// Every file that is, or is about to be, under version control.
fn files() -> Vec<PathBuf> {
    let output = Command::new("git")
        .args([
            "ls-files",
            "-z",
            "--cached",
            "--others",
            "--exclude-standard",
        ])
        .current_dir(root())
        .output()
        .expect("git runs");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout)
        .expect("paths are UTF-8")
        .split_terminator('\0')
        .map(|path| root().join(path))
        .filter(|path| path.is_file())
        .collect()
}

/// Every text file with its contents.
fn texts() -> Vec<(PathBuf, String)> {
    files()
        .into_iter()
        .filter_map(|path| Some((path.clone(), std::fs::read_to_string(&path).ok()?)))
        .collect()
}

fn extension(path: &Path) -> &str {
    path.extension()
        .and_then(|extension| extension.to_str())
        .unwrap_or_default()
}

fn name(path: &Path) -> String {
    path.strip_prefix(root())
        .unwrap_or(path)
        .display()
        .to_string()
}

fn is_shell(path: &Path, text: &str) -> bool {
    let first = text.lines().next().unwrap_or_default();
    extension(path) == "sh"
        || (first.starts_with("#!") && (first.ends_with("bash") || first.ends_with("/sh")))
}

fn none_found(found: &[String]) {
    assert!(found.is_empty(), "\n{}\n", found.join("\n"));
}

#[test]
fn dependencies_point_the_agreed_way() {
    let metadata = MetadataCommand::new()
        .manifest_path(root().join("Cargo.toml"))
        .no_deps()
        .other_options(vec!["--offline".to_owned()])
        .exec()
        .expect("cargo metadata reads the workspace");
    let allowed: BTreeMap<&str, BTreeSet<&str>> = ARROWS
        .iter()
        .map(|(from, to)| (*from, to.iter().copied().collect()))
        .collect();
    let mut wrong = Vec::new();
    for package in metadata.workspace_packages() {
        let Some(from) = package.name.strip_prefix("sealgate-") else {
            wrong.push(format!("{} is not called sealgate-…", package.name));
            continue;
        };
        if from == "tests" {
            continue;
        }
        let Some(allowed) = allowed.get(from) else {
            wrong.push(format!("{from} has no row in the table of arrows"));
            continue;
        };
        for dependency in &package.dependencies {
            if let Some(to) = dependency.name.strip_prefix("sealgate-")
                && !allowed.contains(to)
            {
                wrong.push(format!("{from} -> {to} is not an agreed arrow"));
            }
        }
    }
    none_found(&wrong);
}

#[test]
fn only_the_tpm_crate_links_the_tpm_library() {
    let metadata = MetadataCommand::new()
        .manifest_path(root().join("Cargo.toml"))
        .no_deps()
        .other_options(vec!["--offline".to_owned()])
        .exec()
        .expect("cargo metadata reads the workspace");
    let linking: Vec<String> = metadata
        .workspace_packages()
        .into_iter()
        .filter(|package| package.name.as_str() != "sealgate-tpm")
        .filter(|package| {
            package
                .dependencies
                .iter()
                .any(|dependency| dependency.name.starts_with("tss-esapi"))
        })
        .map(|package| package.name.to_string())
        .collect();
    none_found(&linking);
}

#[test]
fn no_unsafe_code() {
    let keyword = ["un", "safe"].concat();
    let manifest = std::fs::read_to_string(root().join("Cargo.toml")).expect("root manifest");
    assert!(manifest.contains(&format!("{keyword}_code = \"forbid\"")));
    let mut found = Vec::new();
    for (path, text) in texts() {
        let is_member = name(&path).ends_with("/Cargo.toml") && text.contains("[package]");
        if is_member && !text.contains("[lints]\nworkspace = true") {
            found.push(format!(
                "{}: does not take the workspace's lints",
                name(&path)
            ));
        }
        if extension(&path) != "rs" {
            continue;
        }
        for (number, line) in text.lines().enumerate() {
            let code = line.split("//").next().unwrap_or_default();
            let used = code.match_indices(&keyword).any(|(at, _)| {
                let before = code[..at].chars().next_back();
                let after = code[at + keyword.len()..].trim_start();
                let is_word = before.is_none_or(|c| !c.is_alphanumeric() && c != '_' && c != '"');
                let opens = ["{", "fn ", "impl", "extern", "trait", "("];
                is_word && opens.iter().any(|start| after.starts_with(start))
            });
            if used {
                found.push(format!("{}:{}: {}", name(&path), number + 1, line.trim()));
            }
        }
    }
    none_found(&found);
}

#[test]
fn no_file_is_too_long() {
    let sources = ["rs", "py", "sh", "js", "css", "html", "sql"];
    let found: Vec<String> = texts()
        .into_iter()
        .filter(|(path, text)| sources.contains(&extension(path)) || is_shell(path, text))
        .map(|(path, text)| (path, text.lines().count()))
        .filter(|(_, lines)| *lines > LONGEST_FILE_LINES)
        .map(|(path, lines)| format!("{}: {lines} lines, split it", name(&path)))
        .collect();
    none_found(&found);
}

/// Every `SG-ABC-123` in a text.
fn codes(text: &str) -> impl Iterator<Item = &str> {
    text.match_indices("SG-").filter_map(|(at, _)| {
        let code = text.get(at..at + "SG-ABC-123".len())?;
        let bytes = code.as_bytes();
        let fits = bytes[3..6].iter().all(u8::is_ascii_uppercase)
            && bytes[6] == b'-'
            && bytes[7..10].iter().all(u8::is_ascii_digit);
        // ABC stands for any prefix where the form of a code is explained.
        (fits && &code[3..6] != "ABC").then_some(code)
    })
}

#[test]
fn every_code_is_in_the_catalog() {
    let mut found = BTreeSet::new();
    for (path, text) in texts() {
        if !["rs", "py", "md"].contains(&extension(&path)) {
            continue;
        }
        for code in codes(&text) {
            if sealgate_words::catalog::find(code).is_none() {
                found.insert(format!("{}: {code} is not in the catalog", name(&path)));
            }
        }
    }
    none_found(&found.into_iter().collect::<Vec<_>>());
}

#[test]
fn every_script_explains_itself() {
    let mut found = Vec::new();
    for (path, text) in texts() {
        let script = name(&path);
        let is_ours = ["scripts/", "buildroot-external/scripts/"]
            .iter()
            .any(|folder| script.starts_with(folder));
        if !is_ours || !is_shell(&path, &text) {
            continue;
        }
        // What ends in .sh is sourced by other scripts, not run: a comment will do.
        let is_sourced = extension(&path) == "sh";
        let header = text.lines().find(|line| !line.starts_with("#!"));
        if !header.is_some_and(|line| line.starts_with("# ")) {
            found.push(format!("{script}: does not begin with what it is for"));
        }
        if is_sourced {
            continue;
        }
        if !text.contains("set -euo pipefail") {
            found.push(format!("{script}: lacks set -euo pipefail"));
        }
        let help = Command::new(&path)
            .arg("--help")
            .output()
            .expect("a script is executable");
        let said = String::from_utf8_lossy(&help.stdout).into_owned();
        let own_name = path
            .file_name()
            .and_then(|own_name| own_name.to_str())
            .expect("a script has a name");
        if !help.status.success() || !said.contains(own_name) {
            found.push(format!("{script}: --help does not explain it"));
        }
    }
    none_found(&found);
}

#[test]
fn shellcheck_has_nothing_to_say() {
    let scripts: Vec<PathBuf> = texts()
        .into_iter()
        .filter(|(path, text)| is_shell(path, text))
        .map(|(path, _)| path)
        .collect();
    if scripts.is_empty() {
        return;
    }
    let output = Command::new("shellcheck")
        .args(["--external-sources", "--source-path=."])
        .current_dir(root())
        .args(&scripts)
        .output()
        .expect("shellcheck is installed");
    assert!(
        output.status.success(),
        "\n{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn nothing_belongs_to_one_machine() {
    // Put together here, so that this file does not contain them. Of root's home only
    // what hides there: an initrd may well mount its root at a folder of that name.
    let paths =
        [["", "work", ""], ["", "home", ""], ["", "root", "."]].map(|parts| parts.join("/"));
    let mut found = Vec::new();
    for (path, text) in texts() {
        for (number, line) in text.lines().enumerate() {
            let begins = |at: usize| {
                let before = line[..at].chars().next_back();
                before.is_none_or(|c| !c.is_alphanumeric() && !"_-.}".contains(c))
            };
            let is_local =
                |path: &String| line.match_indices(path.as_str()).any(|(at, _)| begins(at));
            if paths.iter().any(is_local) {
                found.push(format!("{}:{}: {}", name(&path), number + 1, line.trim()));
            }
        }
    }
    none_found(&found);
}

#[test]
fn codes_are_found_in_text() {
    let text = "see SG-TPM-001, SG-ABC-123 and SG-tpm-001; SG-LIC-01 ends early";
    assert_eq!(codes(text).collect::<Vec<_>>(), ["SG-TPM-001"]);
}

/// What may be more exposed than 2.0, in tenths, and why.
const EXPOSED: &[(&str, u32)] = &[
    // Root, for what nobody else can: opens and makes encrypted disks.
    ("sealgate-data.service", 72),
    // Root: writes partitions, unlocks, restarts; takes requests of the supervisor alone.
    ("sealgate-system@.service", 56),
    // Root: reads the kernel's rules and asks for a restart.
    ("sealgate-health.service", 22),
];

#[test]
fn our_services_are_sandboxed() {
    let units: Vec<PathBuf> = files()
        .into_iter()
        .filter(|path| {
            let file = path.file_name().unwrap_or_default().to_string_lossy();
            path.starts_with(root().join("overlay"))
                && file.starts_with("sealgate-")
                && file.ends_with(".service")
                && !path.is_symlink()
        })
        .collect();
    assert!(units.len() > 5, "there are more units than {units:?}");
    for unit in units {
        let file = unit.file_name().unwrap_or_default().to_string_lossy();
        let exposed = EXPOSED.iter().find(|(name, _)| *name == file);
        let tenths = exposed.map_or(20, |(_, tenths)| *tenths);
        let output = Command::new("systemd-analyze")
            .args(["security", "--offline=yes", "--no-pager"])
            .arg(format!("--threshold={tenths}"))
            .arg(&unit)
            .output()
            .expect("systemd-analyze runs (Debian package systemd)");
        assert!(
            output.status.success(),
            "{file} is more exposed than {tenths} tenths:\n{}",
            String::from_utf8_lossy(&output.stdout)
        );
    }
}

#[test]
fn the_products_kernel_has_what_its_units_use() {
    let config = ["linux.config", "x86_64/linux.config"].map(|file| {
        std::fs::read_to_string(root().join("buildroot-external/board").join(file))
            .expect("the kernel's configuration is there")
    });
    let config = config.concat();
    let used = [
        // scripts/lib/initrd/init
        "BLK_DEV_INITRD",
        "TMPFS",
        "DM_VERITY",
        "EROFS_FS_ZIP",
        // efi.mount, systemd-bless-boot.service
        "EFI_STUB",
        "EFIVAR_FS",
        "VFAT_FS",
        "NLS_ASCII",
        "NLS_CODEPAGE_437",
        // sealgate-data.service; the mapper's programs wait for udev by semaphores
        "TCG_CRB",
        "TCG_TIS",
        "DM_CRYPT",
        "CRYPTO_XTS",
        "CRYPTO_USER_API_SKCIPHER",
        "SYSVIPC",
        // sandboxes
        "SECCOMP_FILTER",
        "NAMESPACES",
        "CGROUP_BPF",
    ];
    for option in used {
        let line = format!("CONFIG_{option}=y");
        assert!(
            config.lines().any(|found| found == line),
            "{line} is missing"
        );
    }
}
