//! Puts the gate's decision into nftables.
