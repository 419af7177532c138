//! What every store promises of dongles and lists of cameras.

use sealgate_license::binding::DonglePublicKey;
use sealgate_license::entitlements::ListedMac;
use sealgate_portal::store::others::{Dongle, OtherFile, OtherLicense};

use super::*;

/// The generator of P-256 and its double.
fn key(number: usize) -> DonglePublicKey {
    let points = [
        "046b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c2964fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5",
        "047cf27b188d034f7e8a52380304b51ac3c08969e277f21b35a60b48fc4766997807775510db8ed040293d9ac69f7430dbba7dade63ce982299e04b79d227873d1",
    ];
    DonglePublicKey::from_sec1(&hex::decode(points[number]).unwrap()).unwrap()
}

fn dongle(rooms: &Rooms, number: usize, serial: &str) -> Dongle {
    Dongle {
        public_key: key(number),
        serial: serial.to_owned(),
        distributor: rooms.distributor,
        added_utc_s: 5,
        retired_utc_s: None,
    }
}

fn license(rooms: &Rooms, license_number: u64, dongle: Option<DonglePublicKey>) -> OtherLicense {
    OtherLicense {
        license_number,
        server: rooms.server,
        dongle,
        charged: cameras(4),
        files: Vec::new(),
    }
}

fn file(revision: u32, macs: &[&str], term: Term) -> OtherFile {
    let macs: BTreeSet<ListedMac> = macs.iter().map(|mac| mac.parse().unwrap()).collect();
    OtherFile {
        revision,
        counts: cameras(4),
        contested: macs.iter().take(1).copied().collect(),
        macs,
        term,
        text: format!("file {revision}"),
        issued_utc_s: 6,
    }
}

#[test]
fn a_dongle_has_one_key_in_use() {
    on_each(|store| {
        let rooms = rooms(store, "Nordlicht");
        let first = dongle(&rooms, 0, "1949");
        tx(store, |tx| tx.insert_dongle(&first));
        for taken in [dongle(&rooms, 0, "1950"), dongle(&rooms, 1, "1949")] {
            let refused = transact(store, |tx| tx.insert_dongle(&taken));
            assert!(matches!(refused, Err(StoreError::Taken { .. })));
        }
        tx(store, |tx| tx.retire_dongle(&key(0), 7));
        tx(store, |tx| tx.retire_dongle(&key(0), 9));
        let second = dongle(&rooms, 1, "1949");
        tx(store, |tx| tx.insert_dongle(&second));
        let retired = Dongle {
            retired_utc_s: Some(7),
            ..first
        };
        assert_eq!(tx(store, |tx| tx.dongle(&key(0))), Some(retired));
        assert_eq!(tx(store, |tx| tx.dongle_of_serial("1949")), Some(second));
        assert_eq!(tx(store, |tx| tx.dongle_of_serial("1950")), None);
    });
}

#[test]
fn a_license_keeps_its_charge_files_and_list() {
    on_each(|store| {
        let rooms = rooms(store, "Nordlicht");
        tx(store, |tx| tx.insert_dongle(&dongle(&rooms, 0, "1949")));
        let first = tx(store, |tx| tx.next_license_number());
        let mut listed = license(&rooms, first, None);
        tx(store, |tx| tx.put_other_license(&listed));
        assert_eq!(tx(store, |tx| tx.next_license_number()), first + 1);
        let held = license(&rooms, first + 1, Some(key(0)));
        tx(store, |tx| tx.put_other_license(&held));
        // A key has one license.
        let twice = license(&rooms, first + 2, Some(key(0)));
        assert!(transact(store, |tx| tx.put_other_license(&twice)).is_err());
        let unknown = license(&rooms, first + 2, Some(key(1)));
        assert!(transact(store, |tx| tx.put_other_license(&unknown)).is_err());

        let dated = Term::Dated { ends_utc_s: 100 };
        for new in [
            file(
                1,
                &["00:01:bd:05:e1:11", "00:01:bd:05:e1:12"],
                Term::Perpetual,
            ),
            file(2, &["00:01:bd:05:e1:12"], dated),
        ] {
            tx(store, |tx| tx.insert_other_file(first, &new));
            assert!(transact(store, |tx| tx.insert_other_file(first, &new)).is_err());
            listed.files.push(new);
        }
        assert!(transact(store, |tx| tx.insert_other_file(77, &listed.files[0])).is_err());
        listed.charged = cameras(9);
        tx(store, |tx| tx.put_other_license(&listed));
        let charge = tx(store, |tx| tx.project_charge(rooms.project));
        assert!(charge.get("camera") >= 9, "{charge:?}");
        assert_eq!(
            tx(store, |tx| tx.other_license(first)),
            Some(listed.clone())
        );
        assert_eq!(
            tx(store, |tx| tx.license_of_dongle(&key(0))),
            Some(held.clone())
        );
        assert_eq!(
            tx(store, |tx| tx.other_licenses(rooms.server)),
            [listed.clone(), held]
        );
        // Only what is charged and has a file with an end.
        let ending = || tx(store, |tx| tx.ended_licenses(rooms.distributor, 100));
        assert_eq!(ending(), [listed.clone()]);
        assert_eq!(tx(store, |tx| tx.ended_licenses(rooms.distributor, 99)), []);
        listed.charged = Counts::none();
        tx(store, |tx| tx.put_other_license(&listed));
        assert_eq!(ending(), []);
    });
}

#[test]
fn addresses_are_found_with_whose_they_are() {
    on_each(|store| {
        let (north, south) = (rooms(store, "Nordlicht"), rooms(store, "Sur"));
        assert!(!tx(store, |tx| tx.may_list_macs(north.distributor)));
        tx(store, |tx| tx.set_may_list_macs(north.distributor, true));
        assert!(tx(store, |tx| tx.may_list_macs(north.distributor)));
        assert!(!tx(store, |tx| tx.may_list_macs(south.distributor)));

        let mac = "00:01:bd:05:e1:11";
        for (number, rooms) in [(1001, &north), (1002, &south)] {
            tx(store, |tx| {
                tx.put_other_license(&license(rooms, number, None))?;
                tx.insert_other_file(
                    number,
                    &file(1, &[mac, "00:01:bd:05:e1:12"], Term::Perpetual),
                )
            });
        }
        let macs = BTreeSet::from([mac.parse().unwrap()]);
        let whose = |claims: Vec<sealgate_portal::store::others::MacClaim>| -> Vec<_> {
            let pairs = claims
                .into_iter()
                .map(|claim| (claim.mac.to_string(), claim.distributor));
            pairs.collect()
        };
        let both = [
            (mac.to_owned(), north.distributor),
            (mac.to_owned(), south.distributor),
        ];
        assert_eq!(whose(tx(store, |tx| tx.mac_claims(&macs))), both);
        assert_eq!(whose(tx(store, |tx| tx.contested_macs())), both);
        assert_eq!(whose(tx(store, |tx| tx.mac_claims(&BTreeSet::new()))), []);
    });
}
