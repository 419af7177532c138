//! Logs go to standard output; the journal keeps them.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

/// The environment variable that overrides the configured filter.
const VARIABLE: &str = "SEALGATE_LOG";

/// Why logs could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum LogsError {
    /// The filter can't be read.
    #[error(
        "the log filter {filter:?} can't be read; write for example \"info,sealgate_web=debug\""
    )]
    Filter {
        /// The text.
        filter: String,
        /// Where it fails.
        #[source]
        source: tracing_subscriber::filter::ParseError,
    },
    /// Something else set up logs in this process already.
    #[error("logs are set up already")]
    Twice(#[source] tracing_subscriber::util::TryInitError),
}

/// Sets up logs for this process. `filter` comes from the configuration, for example
/// `info`; the variable `SEALGATE_LOG` overrides it. Time stamps are left to the journal
/// where systemd runs the process.
///
/// # Errors
/// The filter can't be read, or logs are set up already.
pub fn set_up_logs(filter: &str) -> Result<(), LogsError> {
    use tracing_subscriber::util::SubscriberInitExt;

    let filter = std::env::var(VARIABLE).unwrap_or_else(|_| filter.to_owned());
    let parsed = EnvFilter::try_new(&filter).map_err(|source| LogsError::Filter {
        filter: filter.clone(),
        source,
    })?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(parsed)
        .with_ansi(std::io::stdout().is_terminal());
    if std::env::var_os("JOURNAL_STREAM").is_some() {
        builder.without_time().finish().try_init()
    } else {
        builder.finish().try_init()
    }
    .map_err(LogsError::Twice)
}
