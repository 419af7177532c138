//! Step 3: unlicensed means blocked, by the kernel's own count.

use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use super::{Break, Journey, gate_view, must_equal, until};
use crate::attack::{Flood, Victim, flood};
use crate::client::box_api::BoxApi;
use crate::evidence::Evidence;
use crate::world::cameras::CAMERA_B;
use crate::world::namespaces::{Namespace, Port, bring_up};

/// Packets of each of the two kinds.
const COUNT: u32 = 200;

/// The kernel's counts that bear on one flood.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
struct Counts {
    /// Packets of camera B that were dropped.
    dropped: u64,
    /// Packets that no rule lets through and that were seen behind the gate.
    past_the_gate: u64,
}

/// Camera B floods the box. Every packet is counted as dropped, none is seen behind the
/// gate, nothing comes back, and the recorder opens nothing. The same flood at an open
/// box shows that the check would notice. Then the rules are flushed, the supervisor puts
/// them back, and they stop the flood again.
pub async fn floods_are_stopped(journey: &mut Journey<'_>, evidence: &mut Evidence) -> Result<()> {
    evidence.note("control", control(journey)?);

    let api = journey.api()?.clone();
    a_flood_is_stopped(journey, evidence, "").await?;
    journey.lab.flush_gate_rules().await?;
    let within = journey.deadline(Duration::from_secs(5));
    let (_, took) = until("the flushed rules are put back", within, async || {
        let gate = api.gate().await?;
        let mended = gate["counters"]["gate/mended"]["packets"].as_u64();
        Ok((mended >= Some(1)).then_some(()))
    })
    .await?;
    evidence.note("flushed rules back after, ms", took.as_millis());
    a_flood_is_stopped(journey, evidence, " with the rules put back").await?;

    let gate = api.gate().await?;
    must_equal("gate in force", &gate["in_force"], true)?;
    for camera in api.cameras().await? {
        must_equal(
            "recording of an unlicensed camera",
            &camera["recording"],
            Value::Null,
        )?;
    }
    let recordings = api.recordings().await?;
    evidence.note("recordings", &recordings);
    ensure!(
        recordings.is_empty(),
        "{} recordings without a license",
        recordings.len()
    );
    Ok(())
}

/// One flood from camera B.
async fn a_flood_is_stopped(
    journey: &mut Journey<'_>,
    evidence: &mut Evidence,
    when: &str,
) -> Result<()> {
    let api = &journey.api()?.clone();
    let before = settled(api, journey.deadline(Duration::from_secs(20))).await?;
    evidence.note(&format!("before{when}"), before);
    if journey.broken == Some(Break::Gate) {
        journey.lab.keep_flushing_gate_rules().await?;
    }
    let result = flood(
        journey.lab.camera_b().namespace(),
        Flood {
            source_ip: CAMERA_B.ip,
            box_mac: journey.lab.box_camera_mac(),
            box_ip: "192.168.77.1",
            count: COUNT,
            listen: journey.deadline(Duration::from_secs(1)),
        },
    )?;
    evidence.note(&format!("flood{when}"), result);
    ensure!(
        (result.rtp_sent, result.syn_sent) == (COUNT, COUNT),
        "the flood sent {result:?}"
    );
    ensure!(
        result.answers.none(),
        "the box answered the flood: {:?}",
        result.answers
    );
    let after = counts(api).await?;
    evidence.note(&format!("after{when}"), after);
    let expected = Counts {
        dropped: before.dropped + 2 * u64::from(COUNT),
        past_the_gate: before.past_the_gate,
    };
    ensure!(
        after == expected,
        "the kernel counted {after:?}, not {expected:?}"
    );
    Ok(())
}

/// The same flood at an open namespace on the same switch: all of it must arrive and be
/// answered, or the check above proves nothing.
fn control(journey: &mut Journey<'_>) -> Result<Value> {
    let port = Port {
        interface: "eth0",
        mac: "02:00:00:00:00:0c",
        address: Some("192.168.77.13/24"),
    };
    let namespace = Namespace::create("control")?;
    journey.lab.switch().connect(&namespace, port)?;
    bring_up(&namespace, port)?;
    let victim = Victim::start(&namespace)?;
    let result = flood(
        journey.lab.camera_b().namespace(),
        Flood {
            source_ip: CAMERA_B.ip,
            box_mac: port.mac,
            box_ip: "192.168.77.13",
            count: COUNT,
            listen: Duration::from_secs(1),
        },
    )?;
    let received = victim.received()?;
    ensure!(
        received == COUNT && result.answers.syn_ack >= COUNT,
        "without a gate the flood should arrive: {received} of {COUNT} RTP packets, {:?}",
        result.answers
    );
    Ok(json!({ "rtp_received": received, "answers": result.answers }))
}

/// The counts once nothing else adds to them: right after a start the box may still ask
/// cameras more than the trickle lets them answer.
async fn settled(api: &BoxApi, within: Duration) -> Result<Counts> {
    let mut last = counts(api).await?;
    let (settled, _) = until(
        "drops from before the flood have ended",
        within,
        async || {
            tokio::time::sleep(Duration::from_secs(1)).await;
            let now = counts(api).await?;
            let is_quiet = now == last;
            last = now;
            Ok(is_quiet.then_some(now))
        },
    )
    .await?;
    Ok(settled)
}

async fn counts(api: &BoxApi) -> Result<Counts> {
    let gate = api.gate().await?;
    Ok(Counts {
        dropped: gate_view::dropped(&gate, CAMERA_B.mac),
        past_the_gate: gate_view::past_the_gate(&gate)?,
    })
}
