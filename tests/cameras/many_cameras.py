#!/usr/bin/python3
"""Many cameras without a lens: one prepared H.264 or H.265 clip, played live over RTSP again and again.

    many_cameras.py --clip clip.h264 --fps 25 --streams 8 --port 8554

serves rtsp://ADDRESS:PORT/0 to /7, each starting elsewhere in the clip. Pictures leave
at the clip's pace with exact timestamps, whoever watches: a picture that is missing in a recording
was lost on its way. The clip is a raw stream with access unit delimiters (h264_metadata=aud=insert), as
pictures are told apart by them. --audio pcma|pcmu|aac adds a sound track.

It prints one line beginning with 'ready' once it listens, and ends on SIGTERM.

Needs python3-gi, gir1.2-gst-rtsp-server-1.0, gstreamer1.0-plugins-base, -good and -bad.
"""

import argparse
import os
import signal
import threading
import time

import gi
gi.require_version("Gst", "1.0")
gi.require_version("GstApp", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstApp, GstRtspServer  # noqa: E402, F401 (GstApp types appsrc)

DELIMITERS = {"h264": b"\0\0\0\1\x09", "h265": b"\0\0\0\1\x46\1"}
# What follows the delimiter of a picture that needs no other: a parameter set.
PARAMETERS = {"h264": b"\0\1\x67", "h265": b"\0\1\x40\1"}
SOUND = {
    "pcma": "alawenc ! rtppcmapay name=pay1 pt=8",
    "pcmu": "mulawenc ! rtppcmupay name=pay1 pt=0",
    "aac": "voaacenc ! aacparse ! rtpmp4gpay name=pay1 pt=97",
}


def pictures_of(clip, codec):
    """The clip's access units."""
    delimiter = DELIMITERS[codec]
    starts, place = [], clip.find(delimiter)
    while place >= 0:
        starts.append(place)
        place = clip.find(delimiter, place + 1)
    if not starts:
        raise SystemExit("many_cameras.py: the clip has no access unit delimiters")
    return [clip[a:b] for a, b in zip(starts, starts[1:] + [len(clip)])]


class Stream:
    """One path: its media while somebody watches."""

    def __init__(self, first, starts):
        self.next = first
        self.starts = starts
        self.lock = threading.Lock()
        self.source = None
        self.sent = 0

    def configured(self, _factory, media):
        with self.lock:
            self.source, self.sent = media.get_element().get_child_by_name("pictures"), 0
            # A server that has no picture to give yet refuses to play.
            self.next = max((start for start in self.starts if start <= self.next), default=0)
        media.connect("unprepared", self.unprepared)

    def unprepared(self, _media):
        with self.lock:
            self.source = None

    def push(self, pictures, fps):
        """Gives the next picture to whoever watches."""
        with self.lock:
            picture = pictures[self.next]
            self.next = (self.next + 1) % len(pictures)
            source, count = self.source, self.sent
            self.sent += 1
        if source is not None:
            buffer = Gst.Buffer.new_wrapped(picture)
            buffer.pts = buffer.dts = count * Gst.SECOND // fps
            buffer.duration = Gst.SECOND // fps
            source.emit("push-buffer", buffer)


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clip", required=True, help="raw stream with delimiters")
    parser.add_argument("--codec", default="h264", choices=sorted(DELIMITERS))
    parser.add_argument("--fps", type=int, default=25, help="pictures a second (default: 25)")
    parser.add_argument("--streams", type=int, default=1, help="paths (default: 1)")
    parser.add_argument("--address", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=554)
    parser.add_argument("--audio", choices=sorted(SOUND), help="a sound track of this codec")
    options = parser.parse_args()

    Gst.init(None)
    with open(options.clip, "rb") as file:
        pictures = pictures_of(file.read(), options.codec)
    codec = options.codec
    launch = (
        "appsrc name=pictures is-live=true format=time block=false max-bytes=0 "
        f"caps=video/x-{codec},stream-format=byte-stream,alignment=au,framerate={options.fps}/1 "
        f"! {codec}parse ! rtp{codec}pay name=pay0 pt=96 config-interval=-1")
    if options.audio:
        launch += (" audiotestsrc is-live=true wave=ticks samplesperbuffer=320 ! audio/x-raw,channels=1,rate="
                   f"{16000 if options.audio == 'aac' else 8000} ! {SOUND[options.audio]}")
    server = GstRtspServer.RTSPServer()
    server.set_address(options.address)
    server.set_service(str(options.port))
    starts = [place for place, picture in enumerate(pictures) if PARAMETERS[codec] in picture[:64]]
    streams = []
    for number in range(options.streams):
        stream = Stream(number * len(pictures) // options.streams, starts)
        factory = GstRtspServer.RTSPMediaFactory()
        factory.set_launch(f"( {launch} )")
        factory.set_shared(True)
        factory.set_suspend_mode(GstRtspServer.RTSPSuspendMode.NONE)
        factory.connect("media-configure", stream.configured)
        server.get_mount_points().add_factory(f"/{number}", factory)
        streams.append(stream)
    if server.attach(None) == 0:
        raise SystemExit(f"many_cameras.py: cannot listen on {options.address}:{options.port}")

    def feed():
        began, count = time.monotonic(), 0
        while True:
            for stream in streams:
                stream.push(pictures, options.fps)
            count += 1
            time.sleep(max(0, began + count / options.fps - time.monotonic()))

    threading.Thread(target=feed, daemon=True).start()
    print(f"ready: {options.streams} streams of {len(pictures)} pictures", flush=True)
    loop = GLib.MainLoop()
    for number in (signal.SIGTERM, signal.SIGINT):
        GLib.unix_signal_add(GLib.PRIORITY_HIGH, number, loop.quit)
    loop.run()
    # Threads of the server may hold a lock of the interpreter's shutdown.
    os._exit(0)


if __name__ == "__main__":
    main()
