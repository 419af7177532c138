//! Steering a camera.

use oxvif::soap::XmlNode;

use crate::exchange::{Asker, Exchange};
use crate::xml_text::display_text;
use crate::{Credentials, LanError};

const PTZ: &str = "http://www.onvif.org/ver20/ptz/wsdl";
/// A camera stops by itself after this, should the order to stop be lost.
const MOVE_AT_MOST: &str = "PT5S";
/// The most that any camera stores is 300.
const MAX_PRESETS: usize = 512;

/// A place that a camera finds again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Preset {
    /// What to ask for it by.
    pub token: String,
    /// Its name, for people.
    pub name: Option<String>,
}

/// How fast to turn and to zoom: each from -1 to 1; beyond is cut, and what is no number
/// is 0.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Velocity {
    /// To the right.
    pub pan: f32,
    /// Up.
    pub tilt: f32,
    /// Closer.
    pub zoom: f32,
}

/// The steering of one source of a camera.
pub struct Ptz {
    exchange: Exchange,
    service: String,
    profile: String,
}

impl std::fmt::Debug for Ptz {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ptz")
            .field("service", &self.service)
            .field("profile", &self.profile)
            .finish_non_exhaustive()
    }
}

impl Asker {
    /// Prepares to steer by a profile that has [`crate::StreamProfile::ptz`]. One serves
    /// many orders: it signs in and asks for the camera's clock once.
    ///
    /// # Errors
    /// As for [`Asker::describe`]; or the camera has no PTZ service.
    pub async fn ptz(
        &self,
        xaddr: &str,
        credentials: Option<&Credentials>,
        profile: &str,
    ) -> Result<Ptz, LanError> {
        let mut exchange = self.exchange(xaddr, credentials).await?;
        let host = exchange.host;
        let services = Exchange::in_time(host, exchange.services()).await?;
        let service = services.ptz.ok_or(LanError::NoService {
            host,
            service: "PTZ",
        })?;
        Ok(Ptz {
            exchange,
            service,
            profile: profile.to_owned(),
        })
    }
}

impl Ptz {
    /// Moves until told to stop, and at most 5 s.
    ///
    /// # Errors
    /// As for [`Asker::describe`].
    pub async fn move_on(&mut self, velocity: Velocity) -> Result<(), LanError> {
        let cut = |speed: f32| {
            if speed.is_nan() {
                0.0
            } else {
                speed.clamp(-1.0, 1.0)
            }
        };
        let body = format!(
            concat!(
                r#"<tptz:Velocity><tt:PanTilt x="{}" y="{}"/><tt:Zoom x="{}"/></tptz:Velocity>"#,
                "<tptz:Timeout>{}</tptz:Timeout>"
            ),
            cut(velocity.pan),
            cut(velocity.tilt),
            cut(velocity.zoom),
            MOVE_AT_MOST
        );
        self.order("ContinuousMove", &body).await.map(drop)
    }

    /// Stops all movement.
    ///
    /// # Errors
    /// As for [`Asker::describe`].
    pub async fn stop(&mut self) -> Result<(), LanError> {
        let body = "<tptz:PanTilt>true</tptz:PanTilt><tptz:Zoom>true</tptz:Zoom>";
        self.order("Stop", body).await.map(drop)
    }

    /// The places that the camera has stored.
    ///
    /// # Errors
    /// As for [`Asker::describe`].
    pub async fn presets(&mut self) -> Result<Vec<Preset>, LanError> {
        Ok(presets(&self.order("GetPresets", "").await?))
    }

    /// Goes to a stored place.
    ///
    /// # Errors
    /// As for [`Asker::describe`]; or the camera has no such place.
    pub async fn go_to(&mut self, preset: &str) -> Result<(), LanError> {
        let preset = quick_xml::escape::escape(preset);
        let body = format!("<tptz:PresetToken>{preset}</tptz:PresetToken>");
        self.order("GotoPreset", &body).await.map(drop)
    }

    async fn order(&mut self, operation: &'static str, body: &str) -> Result<XmlNode, LanError> {
        let profile = quick_xml::escape::escape(&self.profile);
        let body = format!(
            "<tptz:{operation}><tptz:ProfileToken>{profile}</tptz:ProfileToken>{body}</tptz:{operation}>"
        );
        let action = format!("{PTZ}/{operation}");
        let asked = self.exchange.ask(&self.service, operation, &action, &body);
        asked.await
    }
}

fn presets(answer: &XmlNode) -> Vec<Preset> {
    answer
        .children_named("Preset")
        .filter_map(|preset| {
            let token = preset.attr("token").filter(|token| !token.is_empty())?;
            Some(Preset {
                token: display_text(token).filter(|shown| shown == token)?,
                name: preset
                    .child("Name")
                    .and_then(|name| display_text(name.text())),
            })
        })
        .take(MAX_PRESETS)
        .collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn presets_without_a_usable_token_are_left_out() {
        let xml = r#"<R><Preset token="1"><Name>Gate</Name></Preset><Preset/><Preset token=" x"/><Preset token="2"/></R>"#;
        let found = presets(&XmlNode::parse(xml).unwrap());
        let seen: Vec<_> = found
            .iter()
            .map(|preset| (preset.token.as_str(), preset.name.as_deref()))
            .collect();
        assert_eq!(seen, [("1", Some("Gate")), ("2", None)]);
    }
}
