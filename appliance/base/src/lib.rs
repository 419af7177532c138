//! Clock, shutdown, durable files and tracing set-up, shared by every process on the box.
