//! Cameras that are added by hand or by a list, and passwords for many.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use sealgate_camera::{CameraId, MacAddress};
use sealgate_lan::{
    Credentials, ListedCamera, MAX_PASSWORDS, RowProblem, SignInOutcome, read_camera_list,
    read_place, write_list,
};
use sealgate_web::rooms::{
    AddingRoom, AddingView, CameraDetails, CameraRoom as _, CheckView, CheckedRow, FileDownload,
    PasswordVerdict, TypedCamera, TypedPassword,
};
use sealgate_words::Problem;

use crate::camera_facts::{channel_of, service_of};
use crate::channel_settings::SettingsError;
use crate::rooms::by_hand::{SHOWS, shown};
use crate::rooms::cameras::Cameras;
use crate::rooms::pending::Prepared;
use crate::rooms::{blocking, entry};

impl Cameras {
    /// Whether the cameras of a list are seen, and whether there is room for them.
    fn seen_and_room(
        &self,
        listed: &ListedCamera,
        room: &mut Room,
    ) -> Result<CameraId, Box<Problem>> {
        let picture = self.desk.picture();
        let ip = listed.place.ip().unwrap_or(Ipv4Addr::UNSPECIFIED);
        let address = ip.to_string();
        let sighting = picture.sightings.iter().find(|sighting| sighting.ip == ip);
        let mac = sighting
            .ok_or_else(|| Box::new(entry("SG-CAM-060", &[("address", &address)])))?
            .mac
            .ok_or_else(|| Box::new(entry("SG-CAM-003", &[("camera", &address)])))?;
        let camera = CameraId::first_source(mac);
        match self.take_place(camera, room) {
            None => Ok(camera),
            Some(problem) => Err(Box::new(problem)),
        }
    }

    /// Takes a place for a camera that has none yet, besides those that were taken before it;
    /// gives why there is none.
    pub(super) fn take_place(&self, camera: CameraId, room: &mut Room) -> Option<Problem> {
        let picture = self.desk.picture();
        if channel_of(&picture.channels, camera).is_some() || !room.cameras.insert(camera) {
            return None;
        }
        if let Some(problem) = self.without_place(camera) {
            return Some(problem);
        }
        let places = picture.decisions.places;
        if room.taken == places.free {
            let (mac, total) = (camera.mac().to_string(), places.total.to_string());
            return Some(entry("SG-CAM-002", &[("camera", &mac), ("total", &total)]));
        }
        room.taken += 1;
        None
    }
}

/// Places that the lines before take.
#[derive(Default)]
pub(super) struct Room {
    taken: u32,
    /// Who was given one, or would be if there was one.
    cameras: BTreeSet<CameraId>,
    lines: BTreeMap<CameraId, u64>,
}

fn line_problem(problem: &RowProblem, line: u64) -> Problem {
    let (line, text) = (line.to_string(), problem.to_string());
    entry(
        problem.code(),
        &[("line", &line), ("address", &text), ("problem", &text)],
    )
}

/// What is wrong with a name, if something is: as the camera's settings take it.
fn wrong_name(name: Option<&str>) -> Option<Problem> {
    let wrong = |name: &str| name.chars().count() > 64 || name.contains(char::is_control);
    name.filter(|name| wrong(name)).map(|_| {
        let detail = SettingsError::Name.to_string();
        entry("SG-CAM-055", &[("detail", &detail)])
    })
}

fn some(text: &str) -> Option<String> {
    Some(text.trim().to_owned()).filter(|text| !text.is_empty())
}

#[async_trait]
impl AddingRoom for Cameras {
    async fn check_one(&self, typed: TypedCamera) -> Result<CheckView, Problem> {
        let mut row = CheckedRow {
            line: 1,
            address: String::new(),
            name: some(&typed.name),
            problems: Vec::new(),
            camera: None,
            found: None,
        };
        let refused = |row: CheckedRow, problem: Problem| CheckView {
            id: None,
            rows: vec![CheckedRow {
                problems: vec![problem],
                ..row
            }],
        };
        let (place, in_url) = match read_place(&typed.address) {
            Ok(read) => read,
            Err(problem) => {
                let words = entry("SG-CAM-061", &[("detail", &problem.to_string())]);
                return Ok(refused(row, words));
            }
        };
        row.address = shown(&place);
        if let Some(problem) = wrong_name(row.name.as_deref()) {
            return Ok(refused(row, problem));
        }
        let user = some(&typed.user);
        let credentials = user
            .map(|user| Credentials {
                user,
                password: typed.password,
            })
            .or(in_url);
        // Asking makes it show in the neighbour table, so this comes first.
        let known = self.camera_at(&place, Duration::ZERO).await.ok();
        match self.look(&place, credentials.as_ref(), known).await {
            Ok(found) => row.found = found,
            Err(problem) => return Ok(refused(row, problem)),
        }
        match self.camera_at(&place, SHOWS).await {
            Ok(camera) => row.camera = Some(camera),
            Err(problem) => return Ok(refused(row, problem)),
        }
        let prepared = Prepared {
            line: 1,
            place,
            name: row.name.clone(),
            credentials,
        };
        let id = self.pending.keep(vec![prepared], self.clock.monotonic());
        Ok(CheckView {
            id,
            rows: vec![row],
        })
    }

    async fn check_list(&self, list: &[u8]) -> Result<CheckView, Problem> {
        let lines = read_camera_list(list).map_err(|error| entry(error.code(), &[]))?;
        let mut room = Room::default();
        let mut prepared = Vec::new();
        let mut rows = Vec::new();
        for line in lines {
            let mut row = CheckedRow {
                line: line.line,
                address: String::new(),
                name: None,
                problems: Vec::new(),
                camera: None,
                found: None,
            };
            match line.verdict {
                Err(problems) => {
                    let words = problems.iter().map(|what| line_problem(what, line.line));
                    row.problems.extend(words);
                }
                Ok(listed) => {
                    row.address = shown(&listed.place);
                    row.name.clone_from(&listed.name);
                    row.problems.extend(wrong_name(listed.name.as_deref()));
                    match self.seen_and_room(&listed, &mut room) {
                        Err(problem) => row.problems.push(*problem),
                        Ok(camera) => {
                            row.camera = Some(camera);
                            let first = *room.lines.entry(camera).or_insert(line.line);
                            if first != line.line {
                                let twice = RowProblem::Twice(first);
                                row.problems.push(line_problem(&twice, line.line));
                            }
                        }
                    }
                    if row.problems.is_empty() {
                        prepared.push(Prepared {
                            line: line.line,
                            place: listed.place,
                            name: listed.name,
                            credentials: listed.credentials,
                        });
                    }
                }
            }
            rows.push(row);
        }
        let id = self.pending.keep(prepared, self.clock.monotonic());
        Ok(CheckView { id, rows })
    }

    async fn add(&self, check: &str) -> Result<(), Problem> {
        let rows = self.pending.take(check, self.clock.monotonic());
        let rows = rows.ok_or_else(|| entry("SG-CAM-062", &[]))?;
        let job = self.adding.begin(check, rows.len());
        let cameras = self.clone();
        tokio::spawn(async move {
            let added = cameras.add_rows(rows, &job).await;
            job.done(added);
        });
        Ok(())
    }

    async fn added(&self, check: &str, wait: Duration) -> Result<AddingView, Problem> {
        let job = self.adding.find(check);
        let job = job.ok_or_else(|| entry("SG-CAM-062", &[]))?;
        job.view(wait).await
    }

    async fn export(&self) -> Result<FileDownload, Problem> {
        let cameras = self.list().await?;
        let picture = self.desk.picture();
        let credentials = {
            let store = Arc::clone(&self.store);
            blocking("read the users of cameras", move || store.credentials()).await?
        };
        // Address and name change places with the plain order, so that a line may have
        // more columns than a list needs.
        let head = [
            "name",
            "address",
            "user name",
            "password",
            "mac address",
            "maker",
            "model",
            "serial",
            "state",
        ]
        .map(str::to_owned);
        let mut rows = vec![head];
        for camera in cameras
            .iter()
            .filter(|camera| camera.id.source().get() == 1)
        {
            let by_stream = service_of(&picture.sightings, camera.mac).is_none();
            let stream = camera.stream_url.clone().filter(|_| by_stream);
            let address = stream.or_else(|| camera.ip.map(|ip| ip.to_string()));
            let user = credentials.get(&camera.mac);
            rows.push([
                camera.name.clone().unwrap_or_default(),
                address.unwrap_or_default(),
                user.map(|known| known.user.clone()).unwrap_or_default(),
                String::new(),
                camera.mac.to_string(),
                camera.maker.clone().unwrap_or_default(),
                camera.model.clone().unwrap_or_default(),
                camera.serial.clone().unwrap_or_default(),
                format!("{:?}", camera.state).to_lowercase(),
            ]);
        }
        let rows: Vec<[&str; 9]> = rows
            .iter()
            .map(|row| row.each_ref().map(String::as_str))
            .collect();
        Ok(FileDownload {
            file_name: "cameras.csv".to_owned(),
            content_type: "text/csv; charset=utf-8",
            bytes: write_list(rows.iter().map(|row| &row[..])).into(),
        })
    }

    async fn try_passwords(
        &self,
        cameras: Vec<MacAddress>,
        passwords: Vec<TypedPassword>,
    ) -> Result<Vec<PasswordVerdict>, Problem> {
        let picture = self.desk.picture();
        let passwords: Vec<Credentials> = passwords
            .into_iter()
            .take(MAX_PASSWORDS)
            .map(|typed| Credentials {
                user: typed.user,
                password: typed.password,
            })
            .collect();
        let places: Vec<(MacAddress, Option<&str>)> = cameras
            .into_iter()
            .map(|mac| (mac, service_of(&picture.sightings, mac)))
            .collect();
        let services: Vec<String> = places
            .iter()
            .filter_map(|(_, service)| service.map(str::to_owned))
            .collect();
        let outcomes = self.onvif.try_passwords(&services, &passwords).await;
        let mut outcomes = outcomes.into_iter();
        let mut verdicts = Vec::new();
        for (mac, service) in places {
            let outcome = service.and_then(|_| outcomes.next());
            verdicts.push(self.password_verdict(mac, outcome, &passwords).await?);
        }
        Ok(verdicts)
    }

    async fn details(&self, camera: CameraId) -> Result<CameraDetails, Problem> {
        self.camera_details(camera).await
    }
}

impl Cameras {
    async fn password_verdict(
        &self,
        mac: MacAddress,
        outcome: Option<SignInOutcome>,
        passwords: &[Credentials],
    ) -> Result<PasswordVerdict, Problem> {
        let camera = mac.to_string();
        let refused = |code: &str| Some(entry(code, &[("camera", &camera), ("address", "")]));
        let mut verdict = PasswordVerdict {
            mac,
            accepted_user: None,
            open: false,
            problem: None,
        };
        match outcome {
            None => verdict.problem = refused("SG-CAM-066"),
            Some(SignInOutcome::Open) => verdict.open = true,
            Some(SignInOutcome::Accepted(place)) => {
                if let Some(known) = passwords.get(place) {
                    let credential = Some((known.user.clone(), known.password.clone()));
                    self.set_credential(mac, credential).await?;
                    verdict.accepted_user = Some(known.user.clone());
                }
            }
            Some(SignInOutcome::NoneFits) => verdict.problem = refused("SG-CAM-012"),
            Some(SignInOutcome::Stopped(from)) => {
                let (tried, left) = (from, passwords.len().saturating_sub(from));
                let values = [("tried", tried.to_string()), ("left", left.to_string())];
                let [(t, tried), (l, left)] = &values;
                let words = [("camera", camera.as_str()), (*t, tried), (*l, left)];
                verdict.problem = Some(entry("SG-CAM-063", &words));
            }
            Some(SignInOutcome::Locked) => verdict.problem = refused("SG-CAM-034"),
            Some(SignInOutcome::Failed(error)) => {
                tracing::info!(
                    error = &error as &dyn std::error::Error,
                    %mac,
                    "passwords could not be tried"
                );
                verdict.problem = refused(error.code());
            }
        }
        Ok(verdict)
    }
}
