"""Serves the ONVIF device of the package ipycam, which is somebody else's: its HTTP handler,
its answers and its check of passwords, without the picture, which needs OpenCV.

foreign_ipycam.py FOLDER-OF-THE-PACKAGE [USER PASSWORD]; prints `ready PORT`.
"""

import http.server
import sys
import types

sys.dont_write_bytecode = True
sys.path.insert(0, sys.argv[1])
sys.modules["cv2"] = types.ModuleType("cv2")

from ipycam import CameraConfig, IPCameraHTTPHandler, ONVIFService, PTZController  # noqa: E402

config = CameraConfig()
config.local_ip = "127.0.0.1"
if len(sys.argv) > 2:
    config.username, config.password = sys.argv[2:4]


class Handler(IPCameraHTTPHandler):
    def log_message(self, *arguments):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
config.onvif_port = server.server_port
camera = types.SimpleNamespace(config=config, onvif=None)
camera.onvif = ONVIFService(config, PTZController(config))
Handler.camera = camera
print("ready", server.server_port, flush=True)
server.serve_forever()
