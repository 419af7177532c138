"""An ONVIF device with the quirks that its options name, on 127.0.0.1.

Prints `ready PORT`. `GET /counts` answers with what came in: refused passwords, and
operations. HTTP Digest and UsernameToken are checked by the books, apart from the product.
"""

import argparse
import base64
import calendar
import hashlib
import http.server
import json
import re
import threading
import time
from xml.sax.saxutils import escape

options = argparse.ArgumentParser()
options.add_argument("--auth", choices=["none", "wsse", "digest", "both"], default="none")
options.add_argument("--password", default="right")
options.add_argument("--clock", type=int, default=0, help="seconds its clock is ahead")
options.add_argument("--tells", choices=["utc", "local", "refuses", "nonsense"], default="utc",
                     help="the time it tells: right; local as UTC; none; no date")
options.add_argument("--media", choices=["1", "2", "both"], default="1")
options.add_argument("--no-get-services", action="store_true")
options.add_argument("--sources", type=int, default=1)
options.add_argument("--streams", type=int, default=2)
options.add_argument("--hw", default="02:00:00:00:00:0a")
options.add_argument("--open-information", action="store_true",
                     help="GetDeviceInformation is answered to anyone")
options.add_argument("--operator", action="store_true",
                     help="the user may not ask for network interfaces")
options.add_argument("--prefix", default="x", help="of every element's name")
options.add_argument("--namespace", default="", help="instead of ONVIF's own")
options.add_argument("--hostile", default="",
                     choices=["", "headers", "huge", "deep", "html", "noise", "slow", "redirect", "bomb"])
options.add_argument("--reference", action="store_true",
                     help="subscriptions are told apart by a reference parameter alone")
options.add_argument("--lose-subscription", action="store_true",
                     help="forgets a subscription after its second answer")
options.add_argument("--locks-after", type=int, default=1000, help="refusals that lock the account")
options.add_argument("--rtsp", default="", help="a status to answer RTSP with, instead of all else")
options = options.parse_args()

USER = "admin"
LOCAL_OFFSET = 8 * 3600
NONCE = "dcd98b7102dd2f0e8b11d0f600bfb0c0"
counts = {"refused": 0, "operations": []}
subscriptions = {}
lock = threading.Lock()
X = options.prefix


def clock():
    return time.time() + options.clock


def element(name, body="", attributes=""):
    return f"<{X}:{name}{attributes}>{body}</{X}:{name}>"


def envelope(body):
    namespace = options.namespace or "http://www.onvif.org/ver10/schema"
    return (f'<?xml version="1.0"?><E:Envelope xmlns:E="http://www.w3.org/2003/05/soap-envelope" '
            f'xmlns:{X}="{namespace}" xmlns:wsa5="http://www.w3.org/2005/08/addressing" '
            f'xmlns:mk="http://maker.example/event"><E:Body>{body}</E:Body></E:Envelope>')


def fault(code):
    return 400, envelope(f"<E:Fault><E:Code><E:Value>E:Sender</E:Value><E:Subcode><E:Value>ter:{code}"
                         "</E:Value></E:Subcode></E:Code><E:Reason><E:Text>no</E:Text></E:Reason></E:Fault>")


def token_is_right(request):
    def field(name):
        found = re.search(rf"<(?:\w+:)?{name}(?:\s[^>]*)?>([^<]*)<", request)
        return found.group(1) if found else ""

    if field("Username") != USER:
        return None if not field("Username") else False
    created = field("Created")
    want = hashlib.sha1(base64.b64decode(field("Nonce")) + created.encode()
                        + options.password.encode()).digest()
    moment = calendar.timegm(time.strptime(created, "%Y-%m-%dT%H:%M:%SZ"))
    return base64.b64encode(want).decode() == field("Password") and abs(moment - clock()) < 30


def digest_is_right(header, method, path):
    if not header.startswith("Digest "):
        return None
    given = {k: v.strip('"') for k, v in re.findall(r'(\w+)=("[^"]*"|[^,\s]+)', header)}

    def md5(text):
        return hashlib.md5(text.encode()).hexdigest()

    ha1 = md5(f"{USER}:camera:{options.password}")
    ha2 = md5(f"{method}:{path}")
    want = md5(f"{ha1}:{NONCE}:{given.get('nc')}:{given.get('cnonce')}:auth:{ha2}")
    return given.get("username") == USER and given.get("response") == want


class Camera(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 20

    def url(self, path):
        # A host that is not the camera's own.
        return f"http://10.99.99.99:{self.server.server_port}/{path}"

    def reply(self, status, body, kind="application/soap+xml", headers=()):
        body = body if isinstance(body, bytes) else body.encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        for header in headers:
            self.send_header(*header)
        self.end_headers()
        self.wfile.write(body)

    def date_time_string(self, timestamp=None):
        return super().date_time_string(clock())

    def do_GET(self):
        if self.path == "/counts":
            self.reply(200, json.dumps(counts), "application/json")
        elif self.path.startswith("/snap"):
            if options.auth in ("digest", "both") and not self.signed_by_digest():
                return
            self.reply(200, b"\xff\xd8\xff\xe0picture\xff\xd9", "image/jpeg")
        else:
            self.reply(404, "no")

    def signed_by_digest(self):
        right = digest_is_right(self.headers.get("Authorization", ""), self.command, self.path)
        if right:
            return True
        if right is False:
            counts["refused"] += 1
        self.reply(401, "", headers=[(
            "WWW-Authenticate", f'Digest realm="camera", qop="auth", nonce="{NONCE}"')])
        return False

    def do_POST(self):
        request = self.rfile.read(int(self.headers["Content-Length"])).decode()
        operation = re.search(r"Body>\s*<(?:\w+:)?(\w+)", request).group(1)
        counts["operations"].append(operation)
        if options.hostile and self.misbehave():
            return
        time_asked = operation == "GetSystemDateAndTime"
        open_to_all = (time_asked and options.tells != "refuses") or operation == "GetServices" or (
            operation == "GetDeviceInformation" and options.open_information)
        if counts["refused"] >= options.locks_after and not open_to_all:
            self.reply(401, "<html>Account locked. Try later.</html>", "text/html")
            return
        if not open_to_all and options.auth != "none":
            if options.auth == "digest":
                if not self.signed_by_digest():
                    return
            else:
                right = token_is_right(request)
                if not right:
                    counts["refused"] += right is False
                    if options.auth == "wsse":
                        self.reply(*fault("NotAuthorized"))
                        return
                    if not self.signed_by_digest():
                        return
        if operation == "GetNetworkInterfaces" and options.operator:
            self.reply(*fault("NotAuthorized"))
            return
        answer = getattr(self, f"on_{operation}", None)
        if answer is None or (operation == "GetServices" and options.no_get_services):
            self.reply(*fault("ActionNotSupported"))
            return
        body = answer(request)
        if body is None:
            self.reply(*fault("InvalidArgVal"))
            return
        self.reply(200, envelope(element(f"{operation}Response", body)))

    def misbehave(self):
        kind = options.hostile
        if kind == "headers":
            self.wfile.write(b"HTTP/1.1 200 OK\r\n")
            line = b"X-Endless: " + b"a" * 4000 + b"\r\n"
            try:
                while True:
                    self.wfile.write(line)
            except OSError:
                pass
        elif kind == "huge":
            self.wfile.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            chunk = b"10000\r\n" + b" " * 65536 + b"\r\n"
            try:
                while True:
                    self.wfile.write(chunk)
            except OSError:
                pass
        elif kind == "deep":
            self.reply(200, "<a>" * 100000)
        elif kind == "html":
            self.reply(200, "<html><body>Please sign in", "text/html")
        elif kind == "noise":
            self.wfile.write(bytes(range(256)) * 100)
        elif kind == "slow":
            try:
                while True:
                    self.wfile.write(b"H")
                    time.sleep(1)
            except OSError:
                pass
        elif kind == "redirect":
            self.reply(302, "", headers=[("Location", "http://10.99.99.99/elsewhere")])
        elif kind == "bomb":
            self.reply(200, '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;">]>'
                       + envelope(element("GetDeviceInformationResponse",
                                          element("Manufacturer", "&b;") + element("Model", "M"))))
            return True
        self.close_connection = True
        return True

    # -- device ---------------------------------------------------------------------------

    def on_GetSystemDateAndTime(self, _):
        told = time.gmtime(clock() + (LOCAL_OFFSET if options.tells == "local" else 0))
        year = 0 if options.tells == "nonsense" else told.tm_year

        def moment(name, told):
            return element(name, element("Time", element("Hour", told.tm_hour)
                           + element("Minute", told.tm_min) + element("Second", told.tm_sec))
                           + element("Date", element("Year", year) + element("Month", told.tm_mon)
                                     + element("Day", told.tm_mday)))

        return element("SystemDateAndTime", moment("UTCDateTime", told))

    def on_GetDeviceInformation(self, _):
        return (element("Manufacturer", "Quirk &amp; Sons") + element("Model", "Q1")
                + element("FirmwareVersion", "9") + element("SerialNumber", "QS-1"))

    def on_GetNetworkInterfaces(self, _):
        return element("NetworkInterfaces", element("Info", element("Name", "eth0")
                       + element("HwAddress", options.hw)), ' token="eth0"')

    def services(self):
        found = {"http://www.onvif.org/ver10/device/wsdl": "onvif/device",
                 "http://www.onvif.org/ver10/events/wsdl": "onvif/events",
                 "http://www.onvif.org/ver20/ptz/wsdl": "onvif/ptz"}
        if options.media in ("1", "both"):
            found["http://www.onvif.org/ver10/media/wsdl"] = "onvif/media"
        if options.media in ("2", "both"):
            found["http://www.onvif.org/ver20/media/wsdl"] = "onvif/media2"
        return found

    def on_GetServices(self, _):
        return "".join(element("Service", element("Namespace", namespace)
                               + element("XAddr", self.url(path)))
                       for namespace, path in self.services().items())

    def on_GetCapabilities(self, _):
        def service(name, path):
            return element(name, element("XAddr", self.url(path)))

        return element("Capabilities", service("Events", "onvif/events")
                       + service("Media", "onvif/media") + service("PTZ", "onvif/ptz"))

    # -- media ----------------------------------------------------------------------------

    def on_GetVideoSources(self, _):
        if "media2" in self.path:
            return None
        # Listed backwards: the order counts, not the names.
        return "".join(element("VideoSources", "", f' token="source-{n}"')
                       for n in reversed(range(options.sources)))

    def on_GetProfiles(self, _):
        second = "media2" in self.path
        names = (("VideoSource", "VideoEncoder", "AudioEncoder", "PTZ") if second else
                 ("VideoSourceConfiguration", "VideoEncoderConfiguration",
                  "AudioEncoderConfiguration", "PTZConfiguration"))
        out = ""
        for source in range(options.sources):
            # The smallest first.
            for stream in reversed(range(options.streams)):
                codec = ("H265" if second else "H264") if stream == 0 else "H264"
                size = element("Width", 1920 >> stream) + element("Height", 1080 >> stream)
                inner = (element(names[0], element("SourceToken", f"source-{source}"),
                                 f' token="config-{source}"')
                         + element(names[1], element("Encoding", codec) + element("Resolution", size)
                                   + element("RateControl", element("FrameRateLimit", 25)
                                             + element("BitrateLimit", 4096 >> stream)),
                                   f' token="e{source}{stream}"'))
                if stream == 0:
                    inner += element(names[2], "", ' token="a"') + element(names[3], "", ' token="p"')
                inner = element("Configurations", inner) if second else inner
                name = f"{source}-{stream}"
                out += element("Profiles", element("Name", name) + inner, f' token="{name}"')
        return out

    def profile(self, request):
        return re.search(r"ProfileToken>([^<]*)<", request).group(1)

    def on_GetStreamUri(self, request):
        uri = element("Uri", escape(f"rtsp://10.99.99.99:554/{self.profile(request)}?a=1&b=2"))
        return uri if "media2" in self.path else element("MediaUri", uri)

    def on_GetSnapshotUri(self, request):
        uri = element("Uri", self.url(f"snap/{self.profile(request)}.jpg"))
        return uri if "media2" in self.path else element("MediaUri", uri)

    # -- PTZ ------------------------------------------------------------------------------

    def on_ContinuousMove(self, request):
        counts["moved"] = re.findall(r'[xy]="([^"]*)"', request)
        return ""

    def on_Stop(self, _):
        return ""

    def on_GetPresets(self, _):
        return element("Preset", element("Name", "Gate"), ' token="7"')

    def on_GotoPreset(self, request):
        return "" if ">7<" in request else None

    # -- events ---------------------------------------------------------------------------

    def subscription(self, request):
        if options.reference:
            found = re.search(r"SubscriptionId[^>]*>(\w+)<", request)
        else:
            found = re.search(r"/(\w+)$", self.path)
        return found and subscriptions.get(found.group(1))

    def on_CreatePullPointSubscription(self, _):
        with lock:
            number = str(len(subscriptions) + 1)
            subscriptions[number] = {"pulls": 0}
        path = "onvif/subscription" + ("" if options.reference else f"/{number}")
        parameters = f"<mk:SubscriptionId>{number}</mk:SubscriptionId>" if options.reference else ""
        return element("SubscriptionReference", f"<wsa5:Address>{self.url(path)}</wsa5:Address>"
                       + (f"<wsa5:ReferenceParameters>{parameters}</wsa5:ReferenceParameters>"
                          if parameters else ""))

    def on_SetSynchronizationPoint(self, request):
        return "" if self.subscription(request) else None

    def on_Renew(self, request):
        return "" if self.subscription(request) else None

    def on_Unsubscribe(self, request):
        return "" if self.subscription(request) else None

    def on_PullMessages(self, request):
        subscription = self.subscription(request)
        if subscription is None:
            return None
        subscription["pulls"] += 1
        pull = subscription["pulls"]
        if options.lose_subscription and pull > 2:
            return None
        if pull > 3:
            time.sleep(1)
            return ""
        # At rest, then motion at the first source, then none again.
        utc = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(clock()))
        data = element("SimpleItem", "", f' Name="IsMotion" Value="{str(pull == 2).lower()}"')
        source = element("SimpleItem", "", ' Name="VideoSourceConfigurationToken" Value="config-0"')
        kind = "Initialized" if pull == 1 else "Changed"
        return element("NotificationMessage", element(
            "Topic", "tns1:RuleEngine/CellMotionDetector/Motion") + element("Message", element(
                "Message", element("Source", source) + element("Data", data),
                f' UtcTime="{utc}" PropertyOperation="{kind}"')))

    def parse_request(self):
        if options.rtsp:
            self.wfile.write(f"RTSP/1.0 {options.rtsp} x\r\nCSeq: 1\r\n\r\n".encode())
            self.close_connection = True
            return False
        return super().parse_request()

    def log_message(self, *arguments):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Camera)
server.daemon_threads = True
print("ready", server.server_port, flush=True)
server.serve_forever()
