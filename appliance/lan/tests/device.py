"""Starts one virtual ONVIF device: device.py LETTER ADDRESS [CLAIMED-SERVICE-ADDRESS].

With TOLD_MAC in its environment it says that this is its MAC address.
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
device = onvif_device.OnvifDevice(
    letter, address, 80, f"rtsp://10.99.99.99:8554/{letter}", 640, 360, 5)
if len(sys.argv) > 3:
    device.device_url = sys.argv[3]
device.mac = os.environ.get("TOLD_MAC", device.mac)
onvif_device.serve_http(device, address, 80)
onvif_device.serve_discovery(device, address)
threading.Event().wait()
