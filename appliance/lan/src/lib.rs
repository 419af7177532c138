//! Finds cameras and ties each to its MAC: WS-Discovery, ONVIF, the kernel's neighbour table.
