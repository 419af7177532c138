//! The lab for a person: what runs, where it is, what to do next.

use std::time::Duration;

use anyhow::Result;

use crate::client::box_api::BoxApi;
use crate::journey::until;
use crate::world::Lab;

/// From power-on to the first answer of the pages, on real hardware.
const PAGES_ANSWER: Duration = Duration::from_secs(60);

/// Switches the box on, waits for its pages, and says how to go on.
///
/// # Errors
/// The box does not start.
pub async fn show(lab: &mut Lab) -> Result<()> {
    eprintln!("Switching the box on");
    let within = PAGES_ANSWER.mul_f64(lab.patience());
    lab.power_on().await?;
    let fingerprint = lab
        .console_says("Sealgate certificate SHA-256:", within)
        .await?;
    let code = lab.console_says("Sealgate set-up code:", within).await?;
    let api = BoxApi::new(&lab.pages_url(), &fingerprint)?;
    until("the pages answer", within, async || {
        Ok(api.is_up().await.then_some(()))
    })
    .await?;
    let portal = lab.portal();
    println!(
        "
The box is running. Everything below is on this machine only.

  Box pages      {pages}
                 the browser will warn: the certificate is the box's own. Its SHA-256 is
                 {fingerprint}
  Set-up code    {code}
  Portal         {portal_url}
                 sign in as {email} with the password {password}
  Cameras        A (192.168.77.11) and B (192.168.77.12), on the box's camera network
  Logs           {folder}

What to do next:
  1. Open the box's pages, enter the set-up code and choose a password. Both cameras are
     found, and neither may stream: there is no license yet.
  2. On the License page, save the request file. On the portal, make a project and a
     server, upload the request, ask for one channel, and save the license file.
  3. Import that file on the License page. On the Cameras page, give camera A the place,
     and watch it live.

Ctrl-C stops everything.",
        pages = lab.pages_url(),
        portal_url = portal.url(),
        email = portal.email(),
        password = portal.password(),
        folder = lab.folder().display(),
    );
    Ok(())
}
