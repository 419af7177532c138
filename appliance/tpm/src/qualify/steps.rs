//! The trials themselves.

use std::time::{Duration, Instant};

use sealgate_license::attestation::verify_counter;
use sealgate_license::tpm_wire::{
    AK_TEMPLATE, COUNTER_INDEX, COUNTER_SIZE_BYTES, HashAlgorithm, TpmName, TpmPublic,
};
use tss_esapi::{
    Context,
    constants::{CapabilityType, PropertyTag},
    handles::AuthHandle,
    interface_types::{algorithm::HashingAlgorithm, resource_handles::Provision},
    structures::{Auth, CapabilityData, Digest, Name},
};

use super::{Item, Options, Report, TRIAL_INDEX, Timing, Verdict};
use crate::{
    EkKind, Tpm, TpmError, TpmErrorKind, counter,
    ek::{LoadedEk, read_certificate},
    raw,
    tpm::{EMPTY_PASSWORD, NvIndex, create_ak, handles},
};

const EK_ROUNDS: usize = 3;
const ROUNDS: usize = 10;
/// Increments of the trial counter: enough for a median, little for the NV memory.
const INCREMENTS: u64 = 10;
/// Longer than this, a boot check delays the first picture noticeably.
const SLOW_BOOT_CHECK: Duration = Duration::from_secs(5);

/// What a step saw, and what that is worth.
type Seen = Result<(Verdict, String), TpmError>;

pub(super) struct Trial<'a> {
    tpm: Tpm,
    progress: &'a mut dyn FnMut(&str),
    items: Vec<Item>,
    timings: Vec<Timing>,
    resubmissions: u32,
}

impl<'a> Trial<'a> {
    pub(super) fn new(tpm: Tpm, progress: &'a mut dyn FnMut(&str)) -> Self {
        Self {
            tpm,
            progress,
            items: Vec::new(),
            timings: Vec::new(),
            resubmissions: 0,
        }
    }

    pub(super) fn report(self) -> Report {
        Report::new(self.tpm.facts().clone(), self.items, self.timings)
    }

    pub(super) fn run(&mut self, options: Options) {
        let before = self.loaded();
        self.step("maker", Self::maker);
        self.step("hierarchies", Self::hierarchies);
        self.step("pcr_bank", Self::pcr_bank);
        self.step("ek_certificate", Self::ek_certificate);
        self.step("ak_derivation", Self::ak_derivation);
        self.step("activation", Self::activation);
        self.step("nv_space", Self::nv_space);
        self.step("counter_monotone", Self::counter_monotone);
        self.step("no_da", Self::no_da);
        self.step("counter_across_undefine", Self::counter_across_undefine);
        self.step("attested_counter", Self::attested_counter);
        if options.clear {
            self.step("across_clear", Self::across_clear);
        } else {
            self.items.push(Item {
                name: "across_clear",
                verdict: Verdict::NotTried,
                finding: "destroys what the TPM's owner keeps in it: only if asked".to_owned(),
            });
        }
        self.step("retry_codes", Self::retry_codes);
        self.step("nothing_left", |trial| trial.nothing_left(before));
    }

    fn step(&mut self, name: &'static str, trial: impl FnOnce(&mut Self) -> Seen) {
        (self.progress)(name);
        let (verdict, finding) = trial(self).unwrap_or_else(|error| {
            let mut finding = error.to_string();
            let mut source = std::error::Error::source(&error);
            while let Some(error) = source {
                finding = format!("{finding}: {error}");
                source = error.source();
            }
            (Verdict::Unfit, finding)
        });
        self.items.push(Item {
            name,
            verdict,
            finding,
        });
    }

    fn time(&mut self, operation: &'static str, times: Vec<Duration>) -> Duration {
        let timing = Timing::of(operation, times);
        let median = timing.as_ref().map_or(0, |timing| timing.median_us);
        self.timings.extend(timing);
        Duration::from_micros(median)
    }

    /// Software TPMs keep every promise here, and whoever runs them can copy them.
    fn maker(&mut self) -> Seen {
        let maker = self.tpm.facts().manufacturer.clone();
        Ok(match maker.as_str() {
            "IBM" | "MSFT" | "GOOG" | "VMW" => (
                Verdict::Remark,
                format!("{maker} makes software TPMs: whoever runs one can copy it"),
            ),
            "AMD" => (
                Verdict::Remark,
                "AMD: a firmware TPM is reset when the processor is replaced".to_owned(),
            ),
            _ => (Verdict::Fit, maker),
        })
    }

    fn property(&self, context: &mut Context, tag: PropertyTag) -> Result<u32, TpmError> {
        context
            .get_tpm_property(tag)
            .map_err(TpmError::ReadCapability)
            .map(Option::unwrap_or_default)
    }

    /// TPMA_PERMANENT and TPMA_STARTUP_CLEAR (Part 2, 8.6 and 8.7).
    fn hierarchies(&mut self) -> Seen {
        let mut context = self.tpm.connect()?;
        let permanent = self.property(&mut context, PropertyTag::Permanent)?;
        let startup = self.property(&mut context, PropertyTag::StartupClear)?;
        let mut wrong = Vec::new();
        for (bit, word) in [
            (0, "the owner hierarchy has a password"),
            (1, "the endorsement hierarchy has a password"),
            (9, "the TPM is locked out"),
        ] {
            if permanent & 1 << bit != 0 {
                wrong.push(word);
            }
        }
        for (bit, word) in [
            (1, "the owner hierarchy is switched off"),
            (2, "the endorsement hierarchy is switched off"),
        ] {
            if startup & 1 << bit == 0 {
                wrong.push(word);
            }
        }
        Ok(if !wrong.is_empty() {
            (Verdict::Unfit, wrong.join("; "))
        } else if permanent & 1 << 2 != 0 {
            let finding = "the lockout hierarchy has a password, as some makers set one";
            (Verdict::Remark, finding.to_owned())
        } else {
            (Verdict::Fit, "on, without passwords".to_owned())
        })
    }

    /// The disk is sealed to PCR 7 and 11 of this bank; the license reads none.
    fn pcr_bank(&mut self) -> Seen {
        let mut context = self.tpm.connect()?;
        let (capability, _) = context
            .execute_without_session(|context| {
                context.get_capability(CapabilityType::AssignedPcr, 0, 16)
            })
            .map_err(TpmError::ReadCapability)?;
        let CapabilityData::AssignedPcr(banks) = capability else {
            return Err(TpmError::Garbage {
                what: "another capability than PCR banks",
            });
        };
        let sha256 = banks
            .get_selections()
            .iter()
            .any(|bank| bank.hashing_algorithm() == HashingAlgorithm::Sha256 && !bank.is_empty());
        Ok(if sha256 {
            (Verdict::Fit, "SHA-256 is allocated".to_owned())
        } else {
            let finding = "SHA-256 is not allocated: disks can't be sealed";
            (Verdict::Unfit, finding.to_owned())
        })
    }

    fn ek_certificate(&mut self) -> Seen {
        let mut found = Vec::new();
        let mut derivable = Vec::new();
        for kind in EkKind::ALL {
            let mut context = self.tpm.connect()?;
            let certificate = read_certificate(&mut context, kind)?;
            let mut times = Vec::new();
            for _ in 0..EK_ROUNDS {
                let began = Instant::now();
                match LoadedEk::load(&mut context, kind, certificate.as_deref()) {
                    Ok(ek) => {
                        times.push(began.elapsed());
                        ek.flush(&mut context)?;
                    }
                    // Not every TPM knows every curve.
                    Err(error) if error.kind() == TpmErrorKind::Refused => break,
                    Err(error) => return Err(error),
                }
            }
            if times.is_empty() {
                if certificate.is_some() {
                    let finding = format!("a certificate for {kind}, and no such key");
                    return Ok((Verdict::Unfit, finding));
                }
                continue;
            }
            derivable.push(kind.to_string());
            self.time(
                match kind {
                    EkKind::Rsa2048 => "EK RSA-2048, load or derive",
                    EkKind::P256 => "EK P-256, load or derive",
                    EkKind::P384 => "EK P-384, load or derive",
                },
                times,
            );
            if let Some(certificate) = certificate {
                found.push(format!("{kind} ({} bytes)", certificate.len()));
            }
        }
        let keys = derivable.join(", ");
        Ok(if found.is_empty() {
            let finding = format!("none in NV (keys: {keys}): the portal has to fetch it");
            (Verdict::Remark, finding)
        } else {
            (Verdict::Fit, format!("{} (keys: {keys})", found.join(", ")))
        })
    }

    fn ak_derivation(&mut self) -> Seen {
        let mut context = self.tpm.connect()?;
        let mut publics = Vec::new();
        let mut times = Vec::new();
        for _ in 0..ROUNDS {
            let began = Instant::now();
            let ak = create_ak(&mut context)?;
            times.push(began.elapsed());
            publics.push(ak.public.clone());
            ak.flush(&mut context)?;
        }
        self.time("TPM2_CreatePrimary of the AK", times);
        publics.dedup();
        Ok(if publics.len() == 1 {
            (Verdict::Fit, format!("{ROUNDS} times the same key"))
        } else {
            let finding = "one template gives different keys".to_owned();
            (Verdict::Unfit, finding)
        })
    }

    /// The TPM wraps a secret for its own keys and reveals it again.
    fn activation(&mut self) -> Seen {
        const SECRET: [u8; 32] = [0x5e; 32];
        let mut context = self.tpm.connect()?;
        let ak = create_ak(&mut context)?;
        let name = TpmName::of(HashAlgorithm::Sha256, &[&ak.public]);
        ak.flush(&mut context)?;
        let mut tried = Vec::new();
        let mut times = Vec::new();
        drop(context);
        for kind in EkKind::ALL {
            let mut context = self.tpm.connect()?;
            let certificate = read_certificate(&mut context, kind)?;
            if certificate.is_none() && !tried.is_empty() {
                continue;
            }
            let ek = match LoadedEk::load(&mut context, kind, certificate.as_deref()) {
                Ok(ek) => ek,
                Err(error) if error.kind() == TpmErrorKind::Refused => continue,
                Err(error) => return Err(error),
            };
            let ek_name = ek.name();
            let wrapped = wrap(&mut context, &ek, &name, &SECRET);
            ek.flush(&mut context)?;
            let (blob, encrypted) = wrapped?;
            // Not every TPM takes two connections at once.
            drop(context);
            for _ in 0..EK_ROUNDS {
                let began = Instant::now();
                let revealed = self.tpm.activate(&ek_name, &blob, &encrypted)?;
                times.push(began.elapsed());
                if revealed.as_slice() != SECRET {
                    let finding = format!("{kind} reveals another secret");
                    return Ok((Verdict::Unfit, finding));
                }
            }
            tried.push(kind.to_string());
        }
        self.time("activation, with EK and AK", times);
        Ok((Verdict::Fit, format!("with {}", tried.join(", "))))
    }

    /// Room for the trial counter: as large as the license's.
    fn nv_space(&mut self) -> Seen {
        let mut context = self.tpm.connect()?;
        // Of an earlier trial that was cut short.
        undefine_trial(&mut context)?;
        let left = self.property(&mut context, PropertyTag::NvCountersAvail)?;
        counter::define(&mut context, TRIAL_INDEX)?;
        // TPM_PT_NV_COUNTERS_AVAIL of nought means 'as many as there is room for'.
        Ok((
            Verdict::Fit,
            match left {
                0 => "a counter could be made".to_owned(),
                left => format!("a counter could be made; room for {left} more was told"),
            },
        ))
    }

    fn counter_monotone(&mut self) -> Seen {
        let mut context = self.tpm.connect()?;
        let index = trial_index(&mut context)?;
        counter::increment(&mut context, &index)?;
        let first = counter::read(&mut context, &index)?;
        let mut times = Vec::new();
        for expected in (first + 1..).take(INCREMENTS as usize) {
            let began = Instant::now();
            counter::increment(&mut context, &index)?;
            times.push(began.elapsed());
            let value = counter::read(&mut context, &index)?;
            if value != expected {
                let finding = format!("{value} after {}", expected - 1);
                return Ok((Verdict::Unfit, finding));
            }
        }
        self.time("TPM2_NV_Increment", times);
        Ok((Verdict::Fit, format!("{first} to {}", first + INCREMENTS)))
    }

    /// A wrong password must not count towards lockout: power cuts would add up.
    fn no_da(&mut self) -> Seen {
        let mut context = self.tpm.connect()?;
        let before = self.property(&mut context, PropertyTag::LockoutCounter)?;
        let index = trial_index(&mut context)?;
        Auth::try_from(b"wrong".to_vec())
            .and_then(|wrong| context.tr_set_auth(index.handle.into(), wrong))
            .map_err(TpmError::Increment)?;
        let accepted = counter::increment(&mut context, &index).is_ok();
        let after = self.property(&mut context, PropertyTag::LockoutCounter)?;
        Ok(if accepted {
            (Verdict::Unfit, "a wrong password was accepted".to_owned())
        } else if after > before {
            let finding = "a wrong password counts towards lockout in spite of noDA";
            (Verdict::Unfit, finding.to_owned())
        } else {
            let finding = "a wrong password does not count towards lockout";
            (Verdict::Fit, finding.to_owned())
        })
    }

    /// Removes the trial counter for good.
    fn counter_across_undefine(&mut self) -> Seen {
        let mut context = self.tpm.connect()?;
        let index = trial_index(&mut context)?;
        let before = counter::read(&mut context, &index)?;
        undefine_trial(&mut context)?;
        counter::define(&mut context, TRIAL_INDEX)?;
        let index = trial_index(&mut context)?;
        counter::increment(&mut context, &index)?;
        let after = counter::read(&mut context, &index)?;
        undefine_trial(&mut context)?;
        Ok(never_back(before, after))
    }

    /// The license counter, made as at the first start, under the AK's signature.
    fn attested_counter(&mut self) -> Seen {
        self.tpm.provision()?;
        let value = self.tpm.counter()?;
        let mut times = Vec::new();
        for round in 0..ROUNDS {
            let qualifying = [round as u8; 32];
            let began = Instant::now();
            let certified = raw::nv_certify(
                &self.tpm.address,
                &AK_TEMPLATE,
                COUNTER_INDEX,
                COUNTER_SIZE_BYTES,
                &qualifying,
            )
            .map_err(TpmError::Certify)?;
            times.push(began.elapsed());
            self.resubmissions += certified.resubmissions;
            let ak = TpmPublic::parse(&certified.ak_public).map_err(|_| TpmError::Garbage {
                what: "the public area of the attestation key",
            })?;
            match verify_counter(&ak, &certified.attest, &certified.signature, &qualifying) {
                Ok(evidence) if evidence.counter == value => {}
                Ok(evidence) => {
                    let finding = format!("{} attested, {value} read", evidence.counter);
                    return Ok((Verdict::Unfit, finding));
                }
                Err(error) => return Ok((Verdict::Unfit, error.to_string())),
            }
        }
        let median = self.time("AK and TPM2_NV_Certify", times);
        Ok(if median > SLOW_BOOT_CHECK {
            let finding = format!("right, and slow: {} s for a boot check", median.as_secs());
            (Verdict::Remark, finding)
        } else {
            (Verdict::Fit, format!("{value}, signed and verified"))
        })
    }

    /// TPM2_Clear (Part 3, 24.6).
    fn across_clear(&mut self) -> Seen {
        let counter = self.tpm.counter()?;
        let before = self.tpm.identity()?;
        let mut context = self.tpm.connect()?;
        context
            .execute_with_session(EMPTY_PASSWORD, |context| context.clear(AuthHandle::Lockout))
            .map_err(TpmError::Clear)?;
        drop(context);
        // A handle that has seen the old key would refuse another one.
        self.tpm = Tpm::open(&self.tpm.address)?;
        let after = self.tpm.identity()?;
        if before.ak_public != after.ak_public {
            let finding = "the attestation key is another one afterwards".to_owned();
            return Ok((Verdict::Unfit, finding));
        }
        if before.ek_public != after.ek_public {
            let finding = "the endorsement key is another one afterwards".to_owned();
            return Ok((Verdict::Unfit, finding));
        }
        self.tpm.provision()?;
        let (verdict, finding) = never_back(counter, self.tpm.counter()?);
        if before.epoch_name == after.epoch_name {
            let finding = format!("{finding}; the owner's hierarchy kept its keys");
            return Ok((verdict.max(Verdict::Remark), finding));
        }
        Ok((verdict, format!("EK and AK stay, the counter: {finding}")))
    }

    fn retry_codes(&mut self) -> Seen {
        let times = self.resubmissions;
        Ok(match times {
            0 => (Verdict::Fit, "never asked to be asked again".to_owned()),
            _ => (
                Verdict::Remark,
                format!("asked {times} times to be asked again"),
            ),
        })
    }

    /// How many keys and sessions are in the TPM's memory.
    fn loaded(&self) -> Option<usize> {
        const TRANSIENT: u32 = 0x8000_0000;
        const LOADED_SESSIONS: u32 = 0x0200_0000;
        let mut context = self.tpm.connect().ok()?;
        let keys = handles(&mut context, TRANSIENT, 64).ok()?;
        let sessions = handles(&mut context, LOADED_SESSIONS, 64).ok()?;
        Some(keys.len() + sessions.len())
    }

    fn nothing_left(&mut self, before: Option<usize>) -> Seen {
        let after = self.loaded();
        Ok(match (before, after) {
            (Some(before), Some(after)) if after <= before => {
                (Verdict::Fit, "no key and no session".to_owned())
            }
            (Some(before), Some(after)) => {
                let more = after - before;
                (Verdict::Unfit, format!("{more} keys or sessions too many"))
            }
            _ => (
                Verdict::Remark,
                "the TPM does not tell what is loaded".to_owned(),
            ),
        })
    }
}

fn never_back(before: u64, after: u64) -> (Verdict, String) {
    let verdict = match after > before {
        true => Verdict::Fit,
        false => Verdict::Unfit,
    };
    (verdict, format!("{before} before, {after} after"))
}

fn trial_index(context: &mut Context) -> Result<NvIndex, TpmError> {
    NvIndex::find(context, TRIAL_INDEX)?.ok_or(TpmError::NotProvisioned)
}

fn undefine_trial(context: &mut Context) -> Result<(), TpmError> {
    let Some(index) = NvIndex::find(context, TRIAL_INDEX)? else {
        return Ok(());
    };
    context
        .execute_with_session(EMPTY_PASSWORD, |context| {
            context.nv_undefine_space(Provision::Owner, index.handle)
        })
        .map_err(TpmError::UndefineTrial)
}

/// TPM2_MakeCredential (Part 3, 12.6) in the TPM itself.
fn wrap(
    context: &mut Context,
    ek: &LoadedEk,
    ak_name: &TpmName,
    secret: &[u8],
) -> Result<(Vec<u8>, Vec<u8>), TpmError> {
    let (blob, encrypted) = Digest::try_from(secret)
        .and_then(|secret| {
            let name = Name::try_from(ak_name.as_bytes().to_vec())?;
            context.execute_without_session(|context| {
                context.make_credential(ek.handle(), secret, name)
            })
        })
        .map_err(TpmError::Activate)?;
    Ok((blob.value().to_vec(), encrypted.value().to_vec()))
}
