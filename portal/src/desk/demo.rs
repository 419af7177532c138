//! Data to look at: a vendor's distributors with projects, servers and licenses.
//!
//! All of it goes through the desk, as people would enter it, and the licenses are signed
//! and charged like any. They are for dongles and lists of cameras: a license for a box needs
//! a request that its TPM signed.

use p256::elliptic_curve::sec1::ToSec1Point as _;
use sealgate_license::binding::DonglePublicKey;
use sealgate_license::entitlements::kind;

use super::{Actor, Desk, DeskError, DongleOrder, MacOrder, NewServer, NewUser};
use crate::rules::mac::MAC_KIND;
use crate::rules::{Counts, Term};
use crate::store::lists::ServerKind;
use crate::store::{DistributorId, Role, ServerId};

/// What was made.
#[derive(Debug)]
pub struct Demo {
    /// Addresses with the tokens of their one-time links.
    pub links: Vec<(String, String)>,
}

struct Site {
    project: &'static str,
    description: &'static str,
    servers: &'static [Station],
}

struct Station {
    name: &'static str,
    description: &'static str,
    license: License,
}

enum License {
    None,
    /// For so many listed cameras.
    Cameras(u32),
    /// On a dongle with this serial number, for so many channels of each.
    Dongle(&'static str, u32, u32),
}

impl License {
    fn kind(&self) -> ServerKind {
        match self {
            Self::None => ServerKind::Software,
            Self::Cameras(_) => ServerKind::Mac,
            Self::Dongle(..) => ServerKind::Dongle,
        }
    }
}

const HARBOUR: &[Site] = &[
    Site {
        project: "Harbour",
        description: "Quays 1 to 4, contract until 2029.",
        servers: &[
            Station {
                name: "Quay 1",
                description: "Control room, second floor.",
                license: License::Dongle("D-20481", 32, 4),
            },
            Station {
                name: "Quay 2",
                description: "Virtual machine on the port's own hosts.",
                license: License::Cameras(24),
            },
            Station {
                name: "Crane yard",
                description: "Waits for its box.",
                license: License::None,
            },
        ],
    },
    Site {
        project: "Tram depot",
        description: "",
        servers: &[Station {
            name: "Hall A",
            description: "",
            license: License::Cameras(12),
        }],
    },
];

const ISLANDS: &[Site] = &[Site {
    project: "Ferry terminal",
    description: "Served from the mainland.",
    servers: &[Station {
        name: "Terminal",
        description: "",
        license: License::Dongle("D-20507", 8, 0),
    }],
}];

const SOUTH: &[Site] = &[Site {
    project: "Mercado Central",
    description: "Ground floor and car park.",
    servers: &[
        Station {
            name: "Car park",
            description: "",
            license: License::Cameras(16),
        },
        Station {
            name: "Ground floor",
            description: "",
            license: License::None,
        },
    ],
}];

/// Fills a new portal, as the vendor admin of this address.
///
/// # Errors
/// There is something of these names already, or the portal failed.
pub fn fill_demo(desk: &Desk, admin: &str) -> Result<Demo, DeskError> {
    let admin = desk.transact(|tx| {
        let user = tx.user_by_email(admin)?;
        user.ok_or(DeskError::NoSuchAddress)
    })?;
    let admin = Actor::from(&admin);
    let mut filling = Filling {
        desk,
        admin: &admin,
        next_mac: 0x0001_bd05_e100,
        links: Vec::new(),
    };
    let north = filling.distributor(None, "Nordlicht Sicherheit", "anna@nordlicht.example")?;
    let islands = filling.distributor(Some(north), "Nordlicht Inseln", "jan@inseln.example")?;
    let south = filling.distributor(None, "Sur Vigilancia", "lucia@sur.example")?;
    for (distributor, sites) in [(north, HARBOUR), (islands, ISLANDS), (south, SOUTH)] {
        filling.sites(distributor, sites)?;
    }
    for (email, name, role) in [
        ("mina@vendor.example", "Mina", Role::Sales),
        ("theo@vendor.example", "Theo", Role::Support),
    ] {
        let new = NewUser {
            email: email.to_owned(),
            name: name.to_owned(),
            role: Some(role),
            distributor: None,
        };
        let (_, token) = desk.add_user(&admin, &new)?;
        filling.links.push((email.to_owned(), token));
    }
    Ok(Demo {
        links: filling.links,
    })
}

struct Filling<'a> {
    desk: &'a Desk,
    admin: &'a Actor,
    next_mac: u64,
    links: Vec<(String, String)>,
}

impl Filling<'_> {
    fn distributor(
        &mut self,
        parent: Option<DistributorId>,
        name: &str,
        email: &str,
    ) -> Result<DistributorId, DeskError> {
        let (desk, admin) = (self.desk, self.admin);
        let (made, token) = desk.add_distributor_under(admin, parent, name, email, None)?;
        if let Some(token) = token {
            self.links.push((email.to_owned(), token));
        }
        desk.set_may_list_macs(admin, made.id, true)?;
        let bought: Counts = [(kind::CAMERA, 128), (kind::OTHER_BRAND, 32), (MAC_KIND, 64)]
            .into_iter()
            .map(|(kind, count)| (kind.to_owned(), count))
            .collect();
        desk.grant(admin, made.id, &bought, "PO 4711", Some("demo"))?;
        Ok(made.id)
    }

    fn sites(&mut self, distributor: DistributorId, sites: &[Site]) -> Result<(), DeskError> {
        for site in sites {
            let (name, text) = (site.project, site.description);
            let project = (self.desk).add_project(self.admin, Some(distributor), name, text)?;
            for station in site.servers {
                let new = NewServer {
                    name: station.name,
                    description: station.description,
                    kind: station.license.kind(),
                };
                let server = self.desk.add_server(self.admin, project.id, &new)?;
                self.license(distributor, server.id, &station.license)?;
            }
        }
        Ok(())
    }

    fn license(
        &mut self,
        distributor: DistributorId,
        server: ServerId,
        license: &License,
    ) -> Result<(), DeskError> {
        match license {
            License::None => {}
            License::Cameras(count) => {
                let from = self.next_mac;
                self.next_mac += u64::from(*count);
                let rows: Vec<String> = (from..self.next_mac)
                    .map(|mac| format!("{mac:012x}"))
                    .collect();
                let order = MacOrder {
                    server,
                    list: &rows.join("\n"),
                    counts: Counts::none(),
                    term: Term::Perpetual,
                };
                self.desk.issue_mac(self.admin, &order)?;
            }
            License::Dongle(serial, cameras, other_brands) => {
                // A key that nobody keeps: there is no such dongle.
                let secret = p256::SecretKey::from_slice(&rand::random::<[u8; 32]>());
                let secret = secret.map_err(|_| DeskError::DongleKey)?;
                let point = secret.public_key().to_sec1_point(false);
                let key = DonglePublicKey::from_sec1(point.as_bytes());
                let key = key.map_err(|_| DeskError::DongleKey)?;
                self.desk.add_dongle(self.admin, distributor, serial, key)?;
                let counts = Counts::of(kind::CAMERA, *cameras)
                    .plus(&Counts::of(kind::OTHER_BRAND, *other_brands));
                let order = DongleOrder {
                    server,
                    serial,
                    counts,
                    term: Term::Perpetual,
                };
                self.desk.issue_dongle(self.admin, &order)?;
            }
        }
        Ok(())
    }
}
