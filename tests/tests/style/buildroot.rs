//! The Buildroot tree, as far as it can be checked without Buildroot: options that exist,
//! two configurations that agree, recipes with licences and hashes, files that are there.

use std::collections::BTreeSet;
use std::path::PathBuf;

use sha2::{Digest, Sha256};

use super::{none_found, root};

/// The words in a configuration's line that differ from processor to processor.
const OF_THE_MACHINE: &[&str] = &[
    "BR2_x86",
    "BR2_aarch64",
    "BR2_cortex",
    "BR2_LINUX_KERNEL_IMAGE=",
    "BR2_LINUX_KERNEL_CUSTOM_CONFIG_FILE=",
];

fn external() -> PathBuf {
    root().join("buildroot-external")
}

/// The files of a folder and the folders in it whose name ends so, with their text.
fn texts_of(folder: &str, ending: &str) -> Vec<(PathBuf, String)> {
    let mut folders = vec![external().join(folder)];
    let mut found = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("the folder is there") {
            let path = entry.expect("the folder can be read").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.to_string_lossy().ends_with(ending) {
                let text = std::fs::read_to_string(&path).expect("it is text");
                found.push((path, text));
            }
        }
    }
    assert!(!found.is_empty(), "{folder} has no {ending}");
    found
}

/// The option that a line is about, set or unset.
fn option<'a>(line: &'a str, prefix: &str) -> Option<&'a str> {
    let name = line
        .strip_prefix("# ")
        .and_then(|rest| rest.strip_suffix(" is not set"))
        .or_else(|| line.split_once('=').map(|(name, _)| name))?;
    name.starts_with(prefix).then_some(name)
}

/// A list of `known/`: what it was taken from, and the options.
fn known(list: &str) -> (String, BTreeSet<String>) {
    let text = std::fs::read_to_string(external().join("known").join(list)).expect("the list");
    let mut lines = text.lines();
    let title = lines.next().expect("a first line").to_owned();
    (title, lines.map(str::to_owned).collect())
}

/// A variable of a recipe, continued lines joined.
fn variable(recipe: &str, name: &str) -> Option<String> {
    recipe
        .replace("\\\n", " ")
        .lines()
        .find_map(|line| Some(line.strip_prefix(name)?.strip_prefix(" = ")?.to_owned()))
}

#[test]
fn every_option_is_known() {
    for (list, folder, ending, prefix) in [
        ("buildroot", "configs", "_defconfig", "BR2_"),
        ("linux", "board", ".config", "CONFIG_"),
    ] {
        let set: BTreeSet<String> = texts_of(folder, ending)
            .iter()
            .flat_map(|(_, text)| text.lines())
            .filter_map(|line| option(line, prefix).map(str::to_owned))
            .collect();
        let (_, known) = known(list);
        let differ: Vec<String> = set.symmetric_difference(&known).cloned().collect();
        assert!(
            differ.is_empty(),
            "run buildroot-external/scripts/known-options: {differ:?} in {folder} or known/{list} alone"
        );
    }
}

#[test]
fn options_were_looked_up_in_the_kernel_that_is_built() {
    let (title, _) = known("linux");
    let series = |version: &str| {
        let numbers: Vec<&str> = version.splitn(3, '.').take(2).collect();
        numbers.join(".")
    };
    let looked_up = title
        .split([' ', ','])
        .nth(2)
        .expect("the title names a version");
    for (path, text) in texts_of("configs", "_defconfig") {
        let built = text
            .lines()
            .find_map(|line| line.strip_prefix("BR2_LINUX_KERNEL_CUSTOM_VERSION_VALUE="))
            .expect("the kernel's version is set")
            .trim_matches('"');
        assert_eq!(series(built), series(looked_up), "{}", path.display());
    }
}

#[test]
fn configurations_differ_by_the_machine_alone() {
    let shared: Vec<(PathBuf, Vec<String>)> = texts_of("configs", "_defconfig")
        .into_iter()
        .map(|(path, text)| {
            let lines = text
                .lines()
                .filter(|line| option(line, "BR2_").is_some())
                .filter(|line| !OF_THE_MACHINE.iter().any(|word| line.contains(word)))
                .map(str::to_owned)
                .collect();
            (path, lines)
        })
        .collect();
    for pair in shared.windows(2) {
        assert_eq!(
            pair[0].1,
            pair[1].1,
            "{} and {}",
            pair[0].0.display(),
            pair[1].0.display()
        );
    }
}

#[test]
fn files_that_configurations_name_are_there() {
    let mut missing = Vec::new();
    for (path, text) in texts_of("configs", "_defconfig") {
        for named in text.split("$(BR2_EXTERNAL_SEALGATE_PATH)/").skip(1) {
            let named = named.split(['"', ' ']).next().unwrap_or_default();
            if !external().join(named).exists() {
                missing.push(format!("{}: {named}", path.display()));
            }
        }
    }
    none_found(&missing);
}

#[test]
fn recipes_name_licences_and_hashes() {
    let menu = std::fs::read_to_string(external().join("Config.in")).expect("the tree's menu");
    let mut wrong = Vec::new();
    for (path, recipe) in texts_of("package", ".mk") {
        let package = path
            .file_stem()
            .and_then(|stem| stem.to_str())
            .expect("a name");
        let upper = package.to_uppercase().replace('-', "_");
        let wants = |name: &str| variable(&recipe, &format!("{upper}_{name}")).unwrap_or_default();
        let hashes = std::fs::read_to_string(path.with_extension("hash")).unwrap_or_default();
        if !menu.contains(&format!("/package/{package}/Config.in")) {
            wrong.push(format!("{package} is not in the menu"));
        }
        if wants("LICENSE").is_empty() || wants("LICENSE_FILES").is_empty() {
            wrong.push(format!("{package} names no licence, or no file with it"));
        }
        for file in wants("LICENSE_FILES").split_whitespace() {
            let line = hashes
                .lines()
                .find(|line| line.ends_with(&format!("  {file}")));
            let Some(line) = line else {
                wrong.push(format!("{package}.hash has no {file}"));
                continue;
            };
            // Our own are at hand.
            if wants("SITE_METHOD") == "local" {
                let text = std::fs::read(root().join(file)).expect("the licence is there");
                let hash = hex::encode(Sha256::digest(&text));
                if !line.contains(&hash) {
                    wrong.push(format!("{package}.hash has another {file} than {hash}"));
                }
            }
        }
        if wants("SITE_METHOD") != "local" && !hashes.contains(&wants("VERSION")) {
            wrong.push(format!("{package}.hash has no source of its version"));
        }
    }
    none_found(&wrong);
}

#[test]
fn both_flavours_have_the_same_programs() {
    let recipe = std::fs::read_to_string(external().join("package/sealgate/sealgate.mk"))
        .expect("our recipe");
    let lab = std::fs::read_to_string(root().join("scripts/lib/root.sh")).expect("the assembly");
    let lab = lab
        .lines()
        .find_map(|line| {
            line.trim()
                .strip_prefix("for binary in ")?
                .strip_suffix("; do")
        })
        .expect("install_binaries lists the programs");
    assert_eq!(
        variable(&recipe, "SEALGATE_PROGRAMS").as_deref(),
        Some(lab),
        "SEALGATE_PROGRAMS is to be install_binaries' list"
    );
}

#[test]
fn options_are_found_in_lines() {
    assert_eq!(option("BR2_X=y", "BR2_"), Some("BR2_X"));
    assert_eq!(option("# BR2_X is not set", "BR2_"), Some("BR2_X"));
    assert_eq!(option("# BR2_X brings nftables", "BR2_"), None);
    assert_eq!(option("CONFIG_X=y", "BR2_"), None);
}
