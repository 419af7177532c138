//! The page about the attacks says what the tests show.

use std::collections::BTreeSet;
use std::path::Path;

/// Every test whose name begins so, by its file's text.
fn tests(begin: &str) -> BTreeSet<String> {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let mut names = BTreeSet::new();
    let here = std::fs::read_dir(tests.join("attacks")).unwrap();
    let here = here.map(|entry| entry.unwrap().path());
    // Those with a dongle need its service, which the tests of that file have.
    for path in here.chain([tests.join("tpm/other_bindings.rs")]) {
        let text = std::fs::read_to_string(path).unwrap();
        for line in text.lines() {
            if let Some(name) = line.strip_prefix("fn ")
                && name.starts_with(begin)
            {
                let (name, _) = name.split_once('(').unwrap();
                names.insert(name.to_owned());
            }
        }
    }
    names
}

fn page() -> String {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/attacks.md");
    std::fs::read_to_string(page).unwrap()
}

/// The cells of each row of the page's table that has a number.
fn rows() -> Vec<Vec<String>> {
    page()
        .lines()
        .filter_map(|line| line.strip_prefix("| ")?.strip_suffix(" |"))
        .map(|line| {
            line.split(" | ")
                .map(|cell| cell.trim().to_owned())
                .collect()
        })
        .filter(|cells: &Vec<String>| cells[0].parse::<u32>().is_ok())
        .collect()
}

#[test]
fn the_table_names_every_test_and_no_other() {
    let rows = rows();
    let numbers: Vec<u32> = rows.iter().map(|row| row[0].parse().unwrap()).collect();
    assert!(numbers.is_sorted_by(|a, b| a < b), "{numbers:?}");
    let mut named = BTreeSet::new();
    for row in &rows {
        assert_eq!(row.len(), 5, "{row:?}");
        let number: u32 = row[0].parse().unwrap();
        for name in row[4].split(", ") {
            let name = name.trim_matches('`');
            assert!(name.starts_with(&format!("attack_{number:02}_")), "{name}");
            named.insert(name.to_owned());
        }
    }
    assert_eq!(named, tests("attack_"));
}

#[test]
fn the_stated_limits_name_their_tests() {
    let page = page();
    let limits = tests("limit_");
    assert!(!limits.is_empty());
    for name in limits {
        assert!(page.contains(&format!("`{name}`")), "{name}");
    }
}
