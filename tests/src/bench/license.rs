//! `scripts/bench license`: what a license costs, on a software TPM.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use sealgate_license::license_document::SignedLicense;
use sealgate_license::request_document::{EndorsementKey, SignedRequest, UnsignedRequest};
use sealgate_license::vendor::{Flavour, Revocations};
use sealgate_portal::evidence::{EkRoots, check_request, make_credential};
use sealgate_portal::trust::TrustClass;
use sealgate_tpm::{EkKind, Tpm};

use super::peers::{OpensslVerify, PortalPeer, Tpm2Tools};
use super::{Figure, Goal, median_ms, per_second};
use crate::licensing::{FakeTpm, Nvr, World, open_channels};

const ROUNDS: usize = 25;

/// All figures of the license.
///
/// # Errors
/// swtpm or a part of the product fails.
pub fn license() -> Result<Vec<Figure>> {
    let mut world = World::new();
    let seller = world.distributor("North", 1_000_000);
    let (nvr, license) = world.licensed("NVR-0193", &seller, 32);
    let mut figures = on_the_tpm(&world, &nvr)?;

    let roots = world.portal.roots();
    let rate = per_second(|| {
        let license = SignedLicense::parse(&license.text)?;
        license.verify(&roots, &Revocations::none())?;
        Ok(())
    })?;
    let openssl = OpensslVerify::per_second()?;
    figures.push(
        Figure::new("license.verify", rate, "1/s", Goal::AtLeast(10_000.0)).beside(
            "two Ed25519 verifications of openssl speed",
            // One for the issuing key's certificate and one for the license.
            openssl.map(|rate| rate / 2.0),
        ),
    );

    let maker = nvr.tpm.ek_roots()?;
    let mut believed = EkRoots::new(Flavour::Lab);
    believed.add_root(&maker.root, TrustClass::Lab)?;
    believed.add_intermediate(&maker.intermediate)?;
    let peer = PortalPeer::new(&nvr.tpm)?;
    for (name, kind) in [
        ("portal.check_rsa", EkKind::Rsa2048),
        ("portal.check_p384", EkKind::P384),
    ] {
        let request = request_with(&nvr, kind)?;
        let rate = per_second(|| portal_check(&request, &believed))?;
        let figure = Figure::new(name, rate, "1/s", Goal::AtLeast(300.0));
        figures.push(match kind {
            EkKind::Rsa2048 => figure.beside(
                "openssl verify, openssl dgst and tpm2_makecredential",
                peer.as_ref().map(PortalPeer::per_second).transpose()?,
            ),
            _ => figure,
        });
    }
    Ok(figures)
}

/// Chain, attestation, MakeCredential: all that a request costs the portal but its
/// database.
fn portal_check(request: &str, believed: &EkRoots) -> Result<()> {
    let request = SignedRequest::parse(request)?.verify()?;
    let tpm = check_request(&request, believed)?;
    make_credential(&tpm.ek, &tpm.ak_name, &[7; 32], &mut rand::rng())?;
    Ok(())
}

/// The box's request with the endorsement key of this kind.
fn request_with(nvr: &Nvr, kind: EkKind) -> Result<String> {
    let mut tpm = Tpm::open(&nvr.tpm.address())?;
    let identity = tpm.identity_of(kind)?;
    ensure!(identity.ek_certificate.is_some(), "no {kind} certificate");
    let mut payload = SignedRequest::parse(nvr.request(32))?
        .unverified_payload()
        .clone();
    payload.ek = EndorsementKey {
        public: identity.ek_public,
        certificate: identity.ek_certificate,
        chain: identity.ek_chain,
    };
    let request = UnsignedRequest::new(payload);
    let proof = tpm.certify_counter(&request.qualifying_data())?;
    Ok(request.sign(&proof.attest, &proof.signature)?.to_text())
}

/// Request, import and boot check: times as the owner has them, and again with a
/// stopwatch before the TPM, which tells its share.
fn on_the_tpm(world: &World, nvr: &Nvr) -> Result<Vec<Figure>> {
    let plain = Times::take(world, nvr, None)?;
    let stopwatch = FakeTpm::stopwatch(&nvr.tpm.address());
    let watched = Times::take(world, nvr, Some(&stopwatch))?;
    drop(stopwatch);
    let peer = Tpm2Tools::new(nvr.tpm.address())?;
    let mut figures = Vec::new();
    for (names, ours, tpm, goal, peer) in [
        (
            ["license.request", "license.request_tpm_share"],
            plain.request,
            watched.request,
            100.0,
            peer.as_ref().map(Tpm2Tools::request_ms).transpose()?,
        ),
        (
            ["license.import", "license.import_tpm_share"],
            plain.import,
            watched.import,
            150.0,
            peer.as_ref().map(Tpm2Tools::import_ms).transpose()?,
        ),
        (
            ["license.boot_check", "license.boot_check_tpm_share"],
            plain.boot,
            watched.boot,
            50.0,
            peer.as_ref().map(Tpm2Tools::boot_check_ms).transpose()?,
        ),
    ] {
        let [name, share] = names;
        figures.push(
            Figure::new(name, median_ms(ours), "ms", Goal::AtMost(goal))
                .beside("tpm2-tools, the same commands", peer),
        );
        figures.push(Figure::new(share, median_ms(tpm), "ms", Goal::None));
    }
    Ok(figures)
}

#[derive(Default)]
struct Times {
    request: Vec<Duration>,
    import: Vec<Duration>,
    boot: Vec<Duration>,
}

impl Times {
    /// With a stopwatch only the TPM's time counts.
    fn take(world: &World, nvr: &Nvr, stopwatch: Option<&FakeTpm>) -> Result<Self> {
        let address = stopwatch.map_or_else(|| nvr.tpm.address(), FakeTpm::address);
        let mut times = Self::default();
        let clock = || {
            let (began, spent) = (Instant::now(), stopwatch.map(FakeTpm::spent));
            move || match (stopwatch, spent) {
                (Some(stopwatch), Some(spent)) => stopwatch.spent().saturating_sub(spent),
                _ => began.elapsed(),
            }
        };
        for round in 0..ROUNDS {
            let channels = if round % 2 == 0 { 16 } else { 32 };
            let mut license_box = nvr.start_on(address.clone());
            let took = clock();
            let request = license_box.export_request(0, channels)?;
            times.request.push(took());
            let license = world.issue(nvr, &request, channels)?;
            let took = clock();
            license_box.import(license.text.as_bytes(), false)?;
            times.import.push(took());
            // As after a start: nothing is remembered.
            let mut license_box = nvr.start_on(address.clone());
            let took = clock();
            let outcome = license_box.boot();
            times.boot.push(took());
            ensure!(open_channels(&outcome) == channels, "{:?}", outcome.state);
        }
        times.request.first().context("at least one round")?;
        Ok(times)
    }
}
