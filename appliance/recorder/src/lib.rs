//! RTSP in, fragmented MP4 to disk and to viewers, retention.
