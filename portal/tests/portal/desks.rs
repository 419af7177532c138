//! A desk without HTTP, on either store.

use std::sync::Arc;

use sealgate_license::vendor::Flavour;
use sealgate_portal::desk::{
    Actor, Desk, DeskError, EkRootFile, FirstAdmin, Issuance, NewServer, Order, Paging, Places,
    add_ek_roots, initialise_on,
};
use sealgate_portal::rules::{Ask, Counts};
use sealgate_portal::signer;
use sealgate_portal::store::lists::ServerKind;
use sealgate_portal::store::memory::MemoryStore;
use sealgate_portal::store::postgres::PostgresStore;
use sealgate_portal::store::sqlite::SqliteStore;
use sealgate_portal::store::{DistributorId, LicenseFile, Role, ServerId, Store, StoreError};
use sealgate_portal::trust::TrustClass;
use tempfile::TempDir;

use crate::boxes::ROOT;
use crate::cluster::Cluster;
use crate::support::now;
use crate::world::{ADMIN, FakeClock};

pub enum Kind {
    Memory,
    Sqlite,
    Postgres,
}

pub struct OpenDesk {
    pub desk: Desk,
    pub admin: Actor,
    pub distributor: DistributorId,
    pub clock: FakeClock,
    /// Journal and keys, and the database where it is a file.
    _folder: TempDir,
    _cluster: Option<Cluster>,
}

pub fn cameras(count: u32) -> Counts {
    Counts::of("camera", count)
}

impl OpenDesk {
    /// One distributor who bought so many channels; its TPMs are of this class.
    pub fn new(kind: &Kind, class: TrustClass, bought: u32) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let places = Places::in_folder(folder.path());
        let rng = &mut rand::rng();
        let cluster = matches!(kind, Kind::Postgres).then(Cluster::start);
        let store: Box<dyn Store> = match kind {
            Kind::Memory => Box::new(MemoryStore::new()),
            Kind::Sqlite => Box::new(SqliteStore::open(&folder.path().join("portal.db")).unwrap()),
            Kind::Postgres => {
                let address = cluster.as_ref().unwrap().address();
                Box::new(PostgresStore::open(&address).unwrap())
            }
        };
        signer::init(&places.keys, Flavour::Lab, now(), rng).unwrap();
        let store_ref = store.as_ref();
        let first = FirstAdmin::ByLink;
        initialise_on(store_ref, &places, Flavour::Lab, ADMIN, &first, now(), rng).unwrap();
        let root = EkRootFile {
            subject: "swtpm".to_owned(),
            der: ROOT.to_vec(),
        };
        add_ek_roots(store_ref, Flavour::Lab, Some(class), vec![root], now()).unwrap();
        let user = sealgate_portal::store::transact::<_, StoreError>(store_ref, |tx| {
            tx.user_by_email(ADMIN)
        });
        let clock = FakeClock::default();
        let time = clock.clone();
        let desk = Desk::on(store, &places, None, Arc::new(move || time.now())).unwrap();
        let admin = Actor {
            user: user.unwrap().unwrap().id,
            email: ADMIN.to_owned(),
            role: Role::Admin,
            distributor: None,
            request_key: None,
        };
        let (distributor, _) = desk
            .add_distributor(&admin, "Nordlicht", "n@seller.test", None)
            .unwrap();
        desk.grant(&admin, distributor.id, &cameras(bought), "", None)
            .unwrap();
        desk.set_write_off_limit(&admin, distributor.id, &cameras(bought))
            .unwrap();
        Self {
            desk,
            admin,
            distributor: distributor.id,
            clock,
            _folder: folder,
            _cluster: cluster,
        }
    }

    pub fn server(&self, name: &str) -> ServerId {
        let page = self.desk.projects(&self.admin, false, &Paging::default());
        let project = page.unwrap().rows[0].project.id;
        let new = NewServer {
            name,
            description: "",
            kind: ServerKind::Software,
        };
        let server = self.desk.add_server(&self.admin, project, &new);
        server.unwrap().id
    }

    pub fn available(&self) -> i64 {
        let balances = self.desk.balances(&self.admin, self.distributor).unwrap();
        balances[0].available
    }

    pub fn written_off(&self) -> u32 {
        let write_offs = self.desk.write_offs(&self.admin, self.distributor).unwrap();
        write_offs.written_off.get("camera")
    }

    /// What the boxes that stood for a server are charged.
    pub fn charged(&self, server: ServerId) -> u32 {
        let (view, _) = self.desk.server(&self.admin, server).unwrap();
        view.summary.charged.get("camera")
    }

    pub fn issue(
        &self,
        server: ServerId,
        request: &str,
        ask: Ask,
        dry_run: bool,
    ) -> Result<Issuance, DeskError> {
        let order = Order {
            server,
            request: request.as_bytes(),
            ask,
            dry_run,
        };
        self.desk.issue(&self.admin, &order)
    }

    pub fn files(&self, server: ServerId) -> Vec<LicenseFile> {
        let licenses = self.desk.licenses(&self.admin, server).unwrap();
        licenses.files.into_iter().map(|(_, file)| file).collect()
    }
}
