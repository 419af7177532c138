//! The license portal behind its pages.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;
use sealgate_base::{Clock as _, FakeClock};
use sealgate_license::vendor::{Flavour, VendorRoots, VendorRootsFile};
use sealgate_portal::desk::{
    Actor, Desk, DeskError, EkRootFile, FirstAdmin, FirstStep, Issuance, NewServer, OpenError,
    Order, Places, add_ek_roots, initialise, open_store, restore_without_journal,
};
use sealgate_portal::rules::{Ask, Counts, Term};
use sealgate_portal::signer::{self, ROOTS_FILE};
use sealgate_portal::store::lists::ServerKind;
use sealgate_portal::store::{DistributorId, ServerId};
use sealgate_portal::trust::TrustClass;
use tempfile::TempDir;

use crate::swtpm::EkRoots;

const CAMERA: &str = "camera";
const ADMIN: &str = "admin@vendor.test";
const PASSWORD: &str = "correct horse battery";

/// Who sells licenses.
#[derive(Debug, Clone)]
pub struct Distributor {
    /// At the portal.
    pub id: DistributorId,
    /// Who signs in for it.
    pub actor: Actor,
    /// How many camera channels were bought.
    pub bought: u32,
}

/// A license file as the portal hands it out.
#[derive(Debug, Clone)]
pub struct License {
    /// The file.
    pub text: String,
    /// Its name at the portal.
    pub file_id: String,
    /// The counter that it can be imported from.
    pub from: u64,
    /// The counter that it holds at.
    pub to: u64,
    /// Camera channels.
    pub channels: u32,
    /// It was handed out before.
    pub again: bool,
}

/// Whoever signs in with that address; nobody here has an authenticator app.
fn signed_in(desk: &Desk, email: &str) -> Actor {
    let FirstStep::Begun(session) = desk.sign_in(email, PASSWORD).unwrap() else {
        unreachable!("nobody here has an authenticator app");
    };
    session.actor
}

impl License {
    fn of(issuance: Issuance) -> Self {
        let file = issuance.file.expect("this was no dry run");
        Self {
            channels: file.counts.get(CAMERA),
            text: file.text,
            file_id: file.id.0,
            from: file.from,
            to: file.to,
            again: issuance.again,
        }
    }
}

/// A copy of the portal's database, without the journal.
pub struct Backup(TempDir);

/// The portal, open unless it is being restored.
pub struct Portal {
    folder: TempDir,
    keys: PathBuf,
    desk: Option<Desk>,
    admin: Actor,
    clock: Arc<FakeClock>,
}

impl Portal {
    /// A new portal with new keys.
    pub fn new(flavour: Flavour, clock: Arc<FakeClock>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let places = Places::in_folder(folder.path());
        let now = Timestamp::from_millisecond(clock.utc_ms()).unwrap();
        let mut rng = rand::rng();
        signer::init(&places.keys, flavour, now, &mut rng).unwrap();
        let first = FirstAdmin::WithPassword(PASSWORD.to_owned().into());
        initialise(&places, flavour, ADMIN, &first, now, &mut rng).unwrap();
        let desk = open(&places, &clock).unwrap();
        let admin = signed_in(&desk, ADMIN);
        Self {
            folder,
            keys: places.keys,
            desk: Some(desk),
            admin,
            clock,
        }
    }

    /// The desk.
    pub fn desk(&self) -> &Desk {
        self.desk.as_ref().expect("the portal is open")
    }

    /// Where its files are.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// What boxes pin.
    pub fn roots(&self) -> VendorRoots {
        self.desk().signer().roots().clone()
    }

    /// `sealgate-portal roots add`. A product portal believes no lab root, so there the
    /// software TPM's maker passes for one of discrete TPMs.
    pub fn believe(&self, maker: &EkRoots) {
        self.believe_as(
            maker,
            match self.desk().flavour() {
                Flavour::Lab => TrustClass::Lab,
                Flavour::Product => TrustClass::Hardware,
            },
        );
    }

    /// The same with another class, before the box's first request.
    pub fn believe_as(&self, maker: &EkRoots, class: TrustClass) {
        let (store, flavour) = open_store(&Places::in_folder(self.folder())).unwrap();
        for (class, der) in [(Some(class), &maker.root), (None, &maker.intermediate)] {
            let file = EkRootFile {
                subject: "swtpm".to_owned(),
                der: der.clone(),
            };
            add_ek_roots(&store, flavour, class, vec![file], self.desk().now()).unwrap();
        }
    }

    /// A distributor who bought so many camera channels.
    pub fn distributor(&self, name: &str, channels: u32) -> Distributor {
        let email = format!("{}@seller.test", name.to_lowercase());
        let (distributor, _) = self
            .desk()
            .add_distributor(&self.admin, name, &email, Some(PASSWORD))
            .unwrap();
        let bought = Counts::of(CAMERA, channels);
        self.desk()
            .grant(&self.admin, distributor.id, &bought, "", None)
            .unwrap();
        Distributor {
            id: distributor.id,
            actor: signed_in(self.desk(), &email),
            bought: channels,
        }
    }

    /// A server in a project of its own.
    pub fn server(&self, owner: &Distributor, name: &str) -> ServerId {
        let project = format!("Project {name}");
        let project = self
            .desk()
            .add_project(&owner.actor, None, &project, "")
            .unwrap();
        let new = NewServer {
            name,
            description: "",
            kind: ServerKind::Software,
        };
        let server = self.desk().add_server(&owner.actor, project.id, &new);
        server.unwrap().id
    }

    /// A license of so many camera channels.
    ///
    /// # Errors
    /// The desk refuses.
    pub fn issue(
        &self,
        owner: &Distributor,
        server: ServerId,
        request: &str,
        channels: u32,
    ) -> Result<License, DeskError> {
        let ask = Ask::Issue(Counts::of(CAMERA, channels));
        self.order(owner, server, request, ask)
    }

    /// The same with an end, in seconds since 1970.
    ///
    /// # Errors
    /// The desk refuses.
    pub fn issue_until(
        &self,
        owner: &Distributor,
        server: ServerId,
        request: &str,
        channels: u32,
        ends_utc_s: i64,
    ) -> Result<License, DeskError> {
        let term = Term::Dated { ends_utc_s };
        let ask = Ask::IssueFor(Counts::of(CAMERA, channels), term);
        self.order(owner, server, request, ask)
    }

    /// Support approves that the server's box is lost, for a distributor who may have so
    /// many channels written off.
    ///
    /// # Errors
    /// The desk refuses.
    pub fn write_off(
        &self,
        owner: &Distributor,
        server: ServerId,
        limit: u32,
    ) -> Result<(), DeskError> {
        let limit = Counts::of(CAMERA, limit);
        self.desk()
            .set_write_off_limit(&self.admin, owner.id, &limit)?;
        self.desk()
            .write_off(&self.admin, server, "lost")
            .map(|_| ())
    }

    /// Hardware that was written off has arrived at the vendor, who makes a request on it.
    ///
    /// # Errors
    /// The desk refuses.
    pub fn hardware_back(&self, request: &str) -> Result<(), DeskError> {
        self.desk()
            .hardware_back(&self.admin, request.as_bytes(), "parcel")
            .map(|_| ())
    }

    /// How many channels this distributor has written off.
    pub fn written_off(&self, owner: &Distributor) -> u32 {
        let write_offs = self.desk().write_offs(&self.admin, owner.id).unwrap();
        write_offs.written_off.get(CAMERA)
    }

    /// The license that the box had.
    ///
    /// # Errors
    /// The desk refuses.
    pub fn reissue(
        &self,
        owner: &Distributor,
        server: ServerId,
        request: &str,
    ) -> Result<License, DeskError> {
        self.order(owner, server, request, Ask::Reissue)
    }

    fn order(
        &self,
        owner: &Distributor,
        server: ServerId,
        request: &str,
        ask: Ask,
    ) -> Result<License, DeskError> {
        let order = Order {
            server,
            request: request.as_bytes(),
            ask,
            dry_run: false,
        };
        self.desk().issue(&owner.actor, &order).map(License::of)
    }

    /// What the distributor may still license.
    pub fn available(&self, owner: &Distributor) -> i64 {
        let balances = self.desk().balances(&owner.actor, owner.id).unwrap();
        balances
            .iter()
            .find(|balance| balance.kind == CAMERA)
            .map_or(0, |balance| balance.available)
    }

    /// Copies the database while the portal is closed.
    pub fn backup(&mut self) -> Backup {
        self.desk = None;
        let backup = tempfile::tempdir().unwrap();
        copy_database(self.folder(), backup.path());
        self.open().unwrap();
        Backup(backup)
    }

    /// Puts a copy of the database back; the journal stays as it is.
    ///
    /// # Errors
    /// The portal does not open again.
    pub fn restore(&mut self, backup: &Backup) -> Result<(), OpenError> {
        self.desk = None;
        copy_database(backup.0.path(), self.folder());
        self.open()
    }

    /// Puts a copy of the database back and goes on without the journal, which is gone.
    pub fn restore_without_journal(&mut self, backup: &Backup) {
        self.desk = None;
        std::fs::remove_dir_all(self.places().journal).unwrap();
        let refused = self.restore(backup).unwrap_err();
        assert_eq!(refused.code(), "SG-POR-079", "{refused}");
        let now = Timestamp::from_millisecond(self.clock.utc_ms()).unwrap();
        restore_without_journal(&self.places(), now).unwrap();
        self.open().unwrap();
    }

    fn open(&mut self) -> Result<(), OpenError> {
        self.desk = Some(open(&self.places(), &self.clock)?);
        Ok(())
    }

    fn places(&self) -> Places {
        Places {
            keys: self.keys.clone(),
            ..Places::in_folder(self.folder())
        }
    }

    /// The issuing key was stolen: the root revokes it and certifies the next one, with
    /// which the portal goes on. Gives what the next firmware pins.
    pub fn revoke_issuing_key(&mut self) -> VendorRoots {
        let flavour = self.desk().flavour();
        let now = self.desk().now();
        let stolen = self.desk().signer().key_id();
        let root_folder = Places::in_folder(self.folder()).keys;
        signer::revoke(&root_folder, [stolen], now).unwrap();
        assert!(
            open(&self.places(), &self.clock).is_err(),
            "a portal does not go on with a revoked key"
        );
        let next = self.folder().join("next-keys");
        signer::renew(&root_folder, &next, now, &mut rand::rng()).unwrap();
        self.keys = next;
        self.desk = None;
        self.open().unwrap();
        let file = std::fs::read(root_folder.join(ROOTS_FILE)).unwrap();
        let file = VendorRootsFile::parse(file).unwrap();
        file.for_flavour(flavour).unwrap()
    }
}

fn open(places: &Places, clock: &Arc<FakeClock>) -> Result<Desk, OpenError> {
    let clock = Arc::clone(clock);
    let now = move || Timestamp::from_millisecond(clock.utc_ms()).unwrap();
    Desk::open(places, None, Arc::new(now))
}

fn copy_database(from: &Path, to: &Path) {
    for name in ["portal.db", "portal.db-wal", "portal.db-shm"] {
        let _ = std::fs::remove_file(to.join(name));
        if from.join(name).exists() {
            std::fs::copy(from.join(name), to.join(name)).unwrap();
        }
    }
}
