//! What can stand between a box and its dongle.

/// What a failure means, whichever operation met it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DongleErrorKind {
    /// The PC/SC service does not run.
    NoService,
    /// No token is plugged in.
    NoToken,
    /// Tokens are plugged in, and none of them holds the license's key.
    OtherToken,
    /// Another program holds the token.
    Busy,
    /// The service or a token did not answer in time.
    Silent,
    /// An answer that does not follow the specification.
    Garbage,
}

impl DongleErrorKind {
    /// The code in the catalog of words.
    pub fn code(self) -> &'static str {
        match self {
            Self::NoService => "SG-DGL-001",
            Self::NoToken => "SG-DGL-002",
            Self::OtherToken => "SG-DGL-003",
            Self::Busy => "SG-DGL-004",
            Self::Silent => "SG-DGL-005",
            Self::Garbage => "SG-DGL-006",
        }
    }
}

/// An operation that failed.
#[derive(Debug, thiserror::Error)]
pub enum DongleError {
    /// SCardEstablishContext failed.
    #[error("the PC/SC service can't be reached")]
    Connect(#[source] pcsc::Error),
    /// SCardListReaders failed.
    #[error("the readers can't be listed")]
    ListReaders(#[source] pcsc::Error),
    /// SCardConnect failed.
    #[error("the token in {reader:?} can't be opened")]
    Open {
        /// The reader's name.
        reader: String,
        /// The service's answer.
        #[source]
        source: pcsc::Error,
    },
    /// SCardTransmit failed.
    #[error("the token can't be asked to {operation}")]
    Transmit {
        /// What was asked.
        operation: &'static str,
        /// The service's answer.
        #[source]
        source: pcsc::Error,
    },
    /// The token refused with this status word (ISO/IEC 7816-4, 5.6).
    #[error("the token refused to {operation}: status {status:#06x}")]
    Refused {
        /// What was asked.
        operation: &'static str,
        /// SW1 and SW2.
        status: u16,
    },
    /// The answer does not follow the specification.
    #[error("the token's answer is not {what}")]
    Garbage {
        /// What was expected.
        what: &'static str,
    },
    /// No token is plugged in.
    #[error("no token is plugged in")]
    NoToken,
    /// None of the tokens made the answer.
    #[error("none of the {tokens} tokens holds the license's key")]
    OtherToken {
        /// How many there are.
        tokens: usize,
    },
    /// No answer within the time allowed.
    #[error("no answer came within {seconds} s")]
    Silent {
        /// The time allowed.
        seconds: u64,
    },
}

impl DongleError {
    /// What it means.
    pub fn kind(&self) -> DongleErrorKind {
        use pcsc::Error as E;
        match self {
            Self::Connect(source)
            | Self::ListReaders(source)
            | Self::Open { source, .. }
            | Self::Transmit { source, .. } => match source {
                E::NoService | E::ServiceStopped | E::ServerTooBusy => DongleErrorKind::NoService,
                E::SharingViolation => DongleErrorKind::Busy,
                E::NoSmartcard
                | E::RemovedCard
                | E::UnknownReader
                | E::ReaderUnavailable
                | E::NoReadersAvailable => DongleErrorKind::NoToken,
                E::Timeout | E::UnresponsiveCard => DongleErrorKind::Silent,
                E::ResetCard | E::UnpoweredCard | E::CommDataLost | E::NotTransacted => {
                    DongleErrorKind::NoToken
                }
                // Without the service's socket there is nothing to talk to.
                _ if matches!(self, Self::Connect(_)) => DongleErrorKind::NoService,
                _ => DongleErrorKind::Garbage,
            },
            // No PIV, or no P-256 key in slot 9E: not a license's dongle.
            Self::Refused { .. } => DongleErrorKind::OtherToken,
            Self::Garbage { .. } => DongleErrorKind::Garbage,
            Self::NoToken => DongleErrorKind::NoToken,
            Self::OtherToken { .. } => DongleErrorKind::OtherToken,
            Self::Silent { .. } => DongleErrorKind::Silent,
        }
    }

    /// The code in the catalog of words.
    pub fn code(&self) -> &'static str {
        self.kind().code()
    }
}
