//! The command `sealgate` against the supervisor's own rooms, desks and TPM.

use std::{path::Path, sync::Arc, time::Duration};

use sealgate_base::{Clock, Shutdown, SystemClock};
use sealgate_kernel_gate::{KernelGate, Nft};
use sealgate_lan::{Lan, LanConfig};
use sealgate_recorder_link::RecorderClient;
use sealgate_store::Store;
use sealgate_supervisor::replacements::Replacements;
use sealgate_supervisor::{
    camera_desk::{self, Desk},
    license_desk::LicenseDesk,
    rooms::{License, People},
    setup_code::SetupCode,
};
use sealgate_web::rooms::{BoxIdentity, LicenseRoom, Recovery};
use sealgate_web::{LocalRooms, serve_local};
use tokio::sync::watch;

use crate::bench::Bench;

/// Runs a command as `sealgate` does; gives its exit status and what it printed.
fn sealgate(socket: &Path, arguments: &[&str]) -> (u8, String, String) {
    let (mut out, mut say) = (Vec::new(), Vec::new());
    let socket = socket.to_str().unwrap();
    let all = ["sealgate", "--socket", socket]
        .into_iter()
        .chain(arguments.iter().copied());
    let status = sealgate_cli::status(all, &mut out, &mut say);
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status, text(out), text(say))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_says_what_the_page_says() {
    let bench = Bench::new();
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("api.sock");
    let (_trigger, shutdown) = Shutdown::new();
    let room = room(&bench, folder.path(), &shutdown);
    let rooms = LocalRooms {
        license: Arc::clone(&room),
        recovery: people(folder.path()),
    };
    tokio::spawn(serve_local(socket.clone(), rooms, shutdown));
    let path = socket.clone();
    let ask = async |arguments: &[&str]| {
        let arguments: Vec<String> = arguments.iter().map(|&word| word.to_owned()).collect();
        let path = path.clone();
        tokio::task::spawn_blocking(move || {
            let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
            sealgate(&path, &arguments)
        })
        .await
        .unwrap()
    };
    // The socket and the first check come some time after the start.
    let deadline = std::time::Instant::now() + Duration::from_secs(60);
    while !ask(&["license", "status"])
        .await
        .1
        .starts_with("SG-STA-007")
    {
        assert!(std::time::Instant::now() < deadline);
        tokio::task::yield_now().await;
    }
    let file = folder.path().join("NVR-0193.req");
    let file = file.to_str().unwrap();
    let (status, said, _) = ask(&["license", "export", "--output", file]).await;
    assert_eq!(status, 0, "{said}");
    let request = std::fs::read_to_string(file).unwrap();
    let license = bench.vendor.issue(&request, 32);
    let lic = folder.path().join("l.lic");
    std::fs::write(&lic, &license.text).unwrap();
    let lic = lic.to_str().unwrap();

    let (status, said, _) = ask(&["license", "import", lic, "--dry-run"]).await;
    assert_eq!(status, 0);
    assert!(said.contains("Nothing has changed yet"), "{said}");
    let (_, said, _) = ask(&["license", "status"]).await;
    assert!(said.starts_with("SG-STA-008"), "{said}");
    let (status, said, _) = ask(&["license", "import", lic]).await;
    assert_eq!(status, 0);
    assert!(said.contains("none -> L-2041, revision 1"), "{said}");

    // Text, JSON and page have the same words.
    let shown = room.status().await;
    let (status, said, _) = ask(&["license", "status"]).await;
    assert_eq!(status, 0);
    for part in [&shown.state.code, &shown.state.cause, &shown.state.cure] {
        assert!(said.contains(part.as_str()), "{said}");
    }
    let (status, json, _) = ask(&["license", "status", "--json"]).await;
    assert_eq!(status, 0);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json, serde_json::to_value(&shown).unwrap());
    assert_eq!(json["state"]["code"], "SG-STA-009");
    assert_eq!(ask(&["license", "confirm-clock"]).await.0, 0);
    let (status, said, _) = ask(&["recover"]).await;
    assert_eq!(status, 0);
    assert!(said.starts_with("Recovery code: ") && said.contains("/recover"));

    // A refusal: its code, cause and cure, and exit status 1.
    std::fs::write(folder.path().join("l.lic"), "{").unwrap();
    let (status, said, refused) = ask(&["license", "import", lic]).await;
    assert_eq!((status, said.as_str()), (1, ""));
    assert!(refused.starts_with("SG-DOC-001"), "{refused}");
    let (status, json, _) = ask(&["license", "import", lic, "--json"]).await;
    assert_eq!(status, 1);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["code"], "SG-DOC-001");

    // What could not be asked is status 2.
    assert_eq!(ask(&["license", "import", "/no/such/file"]).await.0, 2);
    assert_eq!(ask(&["license", "frobnicate"]).await.0, 2);
    assert_eq!(ask(&["--help"]).await.0, 0);
    let nobody = folder.path().join("none.sock");
    let asked = move || sealgate(&nobody, &["license", "status"]);
    let (status, _, said) = tokio::task::spawn_blocking(asked).await.unwrap();
    assert_eq!(status, 2);
    assert!(said.contains("run this as root"), "{said}");
}

/// Whom the command can let back in.
fn people(folder: &Path) -> Arc<dyn Recovery> {
    let store = Arc::new(Store::open(&folder.join("people.db")).unwrap());
    let code = SetupCode::read_or_create(folder).unwrap();
    let clock = Arc::new(SystemClock::new());
    Arc::new(People::new(store, clock, code, "NVR-0193").unwrap())
}

/// The license room of a supervisor, with everything real but the kernel's gate, which
/// needs a namespace of its own and is not asked here.
fn room(bench: &Bench, folder: &Path, shutdown: &Shutdown) -> Arc<dyn LicenseRoom> {
    let clock: Arc<dyn Clock> = bench.clock.clone();
    let desk = LicenseDesk::start(
        bench.start_whole(bench.swtpm.address()),
        Duration::from_secs(3600),
    )
    .unwrap();
    let store = Arc::new(Store::open(&folder.join("box.db")).unwrap());
    let (_, sightings) = watch::channel(Vec::new());
    let (_, descriptions) = watch::channel(Arc::default());
    // On no port: it hears nothing.
    let ended = shutdown.clone();
    let lan = Lan::start(LanConfig::new(Vec::new()), Arc::clone(&clock), async move {
        ended.requested().await;
    })
    .unwrap();
    let gate = KernelGate::new(Vec::new(), None).with_nft(Nft {
        program: "/bin/false".into(),
        prefix: Vec::new(),
    });
    let replacements = Arc::new(Replacements::read(folder.join("replacements")));
    let cameras = camera_desk::start(
        Desk {
            store: Arc::clone(&store),
            gate: Arc::new(gate),
            recorder: RecorderClient::new(folder.join("recorder.sock")),
            sightings,
            lan,
            own_brand: None,
            descriptions,
            license: desk.watch(),
            replacements: Arc::clone(&replacements),
            clock: Arc::clone(&clock),
        },
        shutdown.clone(),
    );
    let identity = BoxIdentity {
        name: "NVR-0193".to_owned(),
        model: "NVR-32".to_owned(),
        serial: "NVR-0193".to_owned(),
        firmware: "0.1.0".to_owned(),
        host_names: Vec::new(),
    };
    Arc::new(License::new(
        desk,
        cameras,
        replacements,
        store,
        clock,
        identity,
    ))
}

/// The command speaks with the TPM itself here; nothing else has to run.
#[test]
fn a_tpm_is_qualified_on_the_bench() {
    let swtpm = sealgate_tests::swtpm::Swtpm::start_fresh().unwrap();
    let run = |tpm: &str, more: &[&str]| {
        let mut arguments = vec!["sealgate", "tpm", "qualify", "--tpm", tpm];
        arguments.extend(more);
        let (mut out, mut said) = (Vec::new(), Vec::new());
        let status = sealgate_cli::status(arguments, &mut out, &mut said);
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (status, text(out), text(said))
    };
    let address = swtpm.address().to_string();
    let (status, out, said) = run(&address, &["--json"]);
    let report: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!((status, report["verdict"].as_str()), (0, Some("remark")));
    assert!(said.contains("trying counter_across_undefine"), "{said}");
    let (_, text, _) = run(&address, &[]);
    assert!(text.contains("fit for licenses"), "{text}");

    let (status, out, said) = run("device:/dev/no-such-tpm", &[]);
    assert_eq!((status, out.as_str()), (2, ""));
    assert!(said.contains("SG-TPM-001"), "{said}");
    let (status, _, said) = run("nonsense", &[]);
    assert_eq!(status, 2);
    assert!(said.contains("nonsense"), "{said}");
}
