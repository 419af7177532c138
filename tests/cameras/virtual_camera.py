#!/usr/bin/python3
"""A camera without a lens: live H.264 over RTSP, found and described by ONVIF.

    virtual_camera.py --letter A --address 192.168.77.11

serves rtsp://ADDRESS[:PORT]/main, 640 x 360, 10 frames a second, 300 kbit/s, a GOP of 2 s, and
the same smaller at /sub, 320 x 180, 100 kbit/s, made while somebody fetches it. Each
picture carries the strip of frame_code.py: the letter and the moment it was drawn. It answers
WS-Discovery probes on UDP port 3702 and ONVIF over HTTP at http://ADDRESS/onvif/device_service.
With --garbage the RTSP port sends noise instead; discovery and ONVIF stay as they are. With
--h265 the main stream is H.265.

It prints one line beginning with 'ready' once everything listens, and ends on SIGTERM.

Multicast in a network namespace needs a route, which is the caller's to set:
    ip route add 224.0.0.0/4 dev eth0
and the address must be on an interface already. Ports below 1024 need the rights for them.

Needs python3-gi, gir1.2-gst-rtsp-server-1.0, gstreamer1.0-plugins-base, -good, -ugly and, for
H.265, -bad; numpy.
"""

import argparse
import os
import signal
import socket
import sys
import threading
import time

import frame_code
import onvif_device
from picture import Picture

FPS = frame_code.FRAMES_PER_SECOND
WIDTH, HEIGHT = frame_code.WIDTH, frame_code.HEIGHT


H264 = ("x264enc tune=zerolatency speed-preset=ultrafast bitrate={kilobits} threads=1 "
        f"key-int-max={2 * FPS} byte-stream=true "
        "! video/x-h264,profile=baseline "
        "! rtph264pay name=pay0 pt=96 config-interval=-1")
H265 = (f"x265enc tune=zerolatency speed-preset=ultrafast bitrate={{kilobits}} key-int-max={2 * FPS} "
        "option-string=pools=none:frame-threads=1:log-level=none "
        "! h265parse ! rtph265pay name=pay0 pt=96 config-interval=-1")


def pipeline(width, height, kilobits, encoder=H264):
    return (
        "( appsrc name=frames is-live=true do-timestamp=true format=time block=false "
        "max-buffers=4 leaky-type=downstream "
        f"caps=video/x-raw,format=I420,width={WIDTH},height={HEIGHT},framerate={FPS}/1 "
        f"! videoscale ! video/x-raw,width={width},height={height} "
        f"! {encoder.format(kilobits=kilobits)} )")


def serve_rtsp(letter, address, port, main):
    """Serves the picture; returns once listening. Needs a GLib main loop."""
    import gi
    gi.require_version("Gst", "1.0")
    gi.require_version("GstApp", "1.0")
    gi.require_version("GstRtspServer", "1.0")
    from gi.repository import Gst, GstApp, GstRtspServer  # noqa: F401 (GstApp types appsrc)

    Gst.init(None)
    sources, lock = [], threading.Lock()

    def configured(_factory, media):
        source = media.get_element().get_child_by_name("frames")
        with lock:
            sources.append(source)

        def unprepared(_media):
            with lock:
                if source in sources:
                    sources.remove(source)

        media.connect("unprepared", unprepared)

    def feed():
        picture = Picture(letter)
        while True:
            # Frame n is drawn as its tenth of a second begins.
            time.sleep(1 / FPS - time.time() % (1 / FPS))
            with lock:
                current = list(sources)
            if not current:
                continue
            frame = picture.draw(frame_code.frame_number(time.time() + 0.001))
            for source in current:
                source.emit("push-buffer", Gst.Buffer.new_wrapped(frame))

    server = GstRtspServer.RTSPServer()
    server.set_address(address)
    server.set_service(str(port))
    for path, launch in (("/main", pipeline(WIDTH, HEIGHT, 300, main)), ("/sub", pipeline(320, 180, 100))):
        factory = GstRtspServer.RTSPMediaFactory()
        factory.set_launch(launch)
        factory.set_shared(True)
        factory.set_latency(0)
        factory.connect("media-configure", configured)
        server.get_mount_points().add_factory(path, factory)
    if server.attach(None) == 0:
        raise OSError(f"RTSP cannot listen on {address}:{port}")
    threading.Thread(target=feed, daemon=True).start()
    return server


def serve_garbage(address, port):
    """Sends noise to whoever connects, for as long as they listen."""
    listener = socket.create_server((address, port), backlog=8)

    def spill(connection):
        with connection:
            connection.settimeout(5)
            try:
                while True:
                    connection.sendall(os.urandom(1400))
                    time.sleep(0.01)
            except OSError:
                pass  # They had enough.

    def accept():
        while True:
            connection, _ = listener.accept()
            threading.Thread(target=spill, args=(connection,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    return listener


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--letter", required=True, choices=[chr(c) for c in range(65, 91)],
                        metavar="A..Z", help="drawn large, and in the strip")
    parser.add_argument("--address", required=True, help="the camera's IPv4 address")
    parser.add_argument("--port", type=int, default=554, help="of RTSP (default: 554)")
    parser.add_argument("--http-port", type=int, default=80, help="of ONVIF (default: 80; 0: none)")
    parser.add_argument("--no-discovery", action="store_true", help="answer no WS-Discovery probes")
    parser.add_argument("--garbage", action="store_true", help="the RTSP port sends noise")
    parser.add_argument("--h265", action="store_true", help="the main stream is H.265")
    options = parser.parse_args()

    if options.garbage:
        running = serve_garbage(options.address, options.port)
    else:
        main_encoder = H265 if options.h265 else H264
        running = serve_rtsp(options.letter, options.address, options.port, main_encoder)
    port = "" if options.port == 554 else f":{options.port}"
    url = f"rtsp://{options.address}{port}/main"
    device = onvif_device.OnvifDevice(options.letter, options.address, options.http_port, url,
                                      WIDTH, HEIGHT, FPS)
    if options.http_port:
        onvif_device.serve_http(device, options.address, options.http_port)
    if not options.no_discovery:
        onvif_device.serve_discovery(device, options.address)
    print(f"ready: camera {options.letter} at {url}", flush=True)

    from gi.repository import GLib
    loop = GLib.MainLoop()
    for number in (signal.SIGTERM, signal.SIGINT):
        GLib.unix_signal_add(GLib.PRIORITY_HIGH, number, loop.quit)
    loop.run()
    del running
    # Threads of the servers may hold a lock of the interpreter's shutdown.
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    try:
        main()
    except OSError as error:
        sys.exit(f"virtual_camera.py: {error}")
