"""Starts one virtual ONVIF device: device.py LETTER ADDRESS [CLAIMED-SERVICE-ADDRESS].

With TOLD_MAC in its environment it says that this is its MAC address; with SILENT_AT, it answers
no discovery, and has its services at this port.
"""

import os
import pathlib
import sys
import threading

cameras = pathlib.Path(__file__).resolve().parents[3] / "tests" / "cameras"
sys.path.insert(0, str(cameras))
sys.dont_write_bytecode = True

import onvif_device  # noqa: E402

letter, address = sys.argv[1:3]
silent_at = os.environ.get("SILENT_AT")
port = int(silent_at or 80)
device = onvif_device.OnvifDevice(
    letter, address, port, f"rtsp://10.99.99.99:8554/{letter}", 640, 360, 5)
if len(sys.argv) > 3:
    device.device_url = sys.argv[3]
device.mac = os.environ.get("TOLD_MAC", device.mac)
onvif_device.serve_http(device, address, port)
if not silent_at:
    onvif_device.serve_discovery(device, address)
threading.Event().wait()
