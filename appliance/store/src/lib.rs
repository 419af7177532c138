//! The supervisor's SQL: settings, users, sessions, channels, audit; migrations.
