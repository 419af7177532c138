"""A minimal ONVIF device: WS-Discovery answers; device, media, events and PTZ services.

Just enough of ONVIF Core, Media (ver10) and PTZ for a client to find the camera, read its serial
number, MAC address and video source, learn its stream address, fetch a still picture, hear of
motion and steer. No sign-in: a lab camera. Something moves in front of it from
`POST /lens/motion` with the body `true` until one with `false`.
"""

import fcntl
import http.server
import re
import socket
import struct
import threading
import time
import uuid
from xml.sax.saxutils import escape

DISCOVERY_GROUP, DISCOVERY_PORT = "239.255.255.250", 3702
MAX_REQUEST_BYTES = 64 * 1024
SIOCGIFADDR, SIOCGIFHWADDR = 0x8915, 0x8927

NAMESPACES = {
    "s": "http://www.w3.org/2003/05/soap-envelope",
    "tds": "http://www.onvif.org/ver10/device/wsdl",
    "trt": "http://www.onvif.org/ver10/media/wsdl",
    "tt": "http://www.onvif.org/ver10/schema",
    "dn": "http://www.onvif.org/ver10/network/wsdl",
    "ter": "http://www.onvif.org/ver10/error",
    "wsa": "http://schemas.xmlsoap.org/ws/2004/08/addressing",
    "tev": "http://www.onvif.org/ver10/events/wsdl",
    "tptz": "http://www.onvif.org/ver20/ptz/wsdl",
    "tns1": "http://www.onvif.org/ver10/topics",
    "wsnt": "http://docs.oasis-open.org/wsn/b-2",
    "wsa10": "http://www.w3.org/2005/08/addressing",
    "wsd": "http://schemas.xmlsoap.org/ws/2005/04/discovery",
}


def envelope(body, header=""):
    # Those that are used: an answer to a probe has to fit one packet, since fragments are
    # dropped at the gate.
    used = " ".join(f'xmlns:{prefix}="{uri}"' for prefix, uri in NAMESPACES.items()
                    if prefix == "s" or f"{prefix}:" in header + body)
    return (f'<?xml version="1.0" encoding="UTF-8"?><s:Envelope {used}>'
            f"<s:Header>{header}</s:Header><s:Body>{body}</s:Body></s:Envelope>")


def utc_now(later=0):
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + later))


# A grey square of 16 x 16 as JPEG, for who asks for a still picture.
PICTURE = bytes.fromhex(
    "ffd8ffe000104a46494600010200000100010000ffdb00430008040404040405050505050506060606060606"
    "06060606060607070708080807070706060707080808080909090808080809090a0a0a0c0c0b0b0e0e0e1111"
    "14ffc4004b000101000000000000000000000000000000020101000000000000000000000000000000001001"
    "00000000000000000000000000000000110100000000000000000000000000000000ffc00011080010001003"
    "011200021200031200ffda000c03010002110311003f009000001fffd9")


def interface_of(address):
    """(name, MAC address) of the interface that has this IPv4 address."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:

        def ask(what, name):
            return fcntl.ioctl(probe.fileno(), what, struct.pack("256s", name.encode()[:15]))

        for _, name in socket.if_nameindex():
            try:
                found = socket.inet_ntoa(ask(SIOCGIFADDR, name)[20:24])
            except OSError:
                continue  # An interface without an IPv4 address.
            if found == address:
                return name, ask(SIOCGIFHWADDR, name)[18:24].hex(":")
    raise OSError(f"no interface has the address {address}")


class OnvifDevice:
    """What the device says about itself."""

    def __init__(self, letter, address, http_port, stream_url, width, height, frames_per_second):
        self.address, self.stream_url = address, stream_url
        self.width, self.height, self.fps = width, height, frames_per_second
        port = "" if http_port == 80 else f":{http_port}"
        self.device_url = f"http://{address}{port}/onvif/device_service"
        self.media_url = f"http://{address}{port}/onvif/media_service"
        self.events_url = f"http://{address}{port}/onvif/event_service"
        self.ptz_url = f"http://{address}{port}/onvif/ptz_service"
        self.snapshot_url = f"http://{address}{port}/onvif/snapshot"
        # Motion as it is, how often it changed, and what each subscription was told of that.
        self.motion, self.changes, self.told = False, 0, {}
        self.changed = threading.Condition()
        self.model = "Virtual camera"
        self.name = f"Lab camera {letter}"
        self.interface, self.mac = interface_of(address)
        self.serial = f"LAB-{letter}-{self.mac.replace(':', '')}"
        self.endpoint = "urn:uuid:" + str(uuid.uuid5(uuid.NAMESPACE_URL, self.serial))

    # -- SOAP ---------------------------------------------------------------------------

    def answer(self, request):
        """(HTTP status, answer) to a SOAP request."""
        body = re.search(r"<(?:\w+:)?Body[^>]*>\s*<(?:\w+:)?(\w+)", request)
        operation = getattr(self, f"on_{body.group(1)}", None) if body else None
        if operation is None:
            return 400, envelope(
                "<s:Fault><s:Code><s:Value>s:Receiver</s:Value><s:Subcode>"
                "<s:Value>ter:ActionNotSupported</s:Value></s:Subcode></s:Code><s:Reason>"
                '<s:Text xml:lang="en">Not part of this camera</s:Text></s:Reason></s:Fault>')
        asked = (request,) if operation in (self.on_GetStreamUri, self.on_PullMessages) else ()
        return 200, envelope(operation(*asked))

    def on_GetSystemDateAndTime(self):
        now = time.gmtime()
        return ("<tds:GetSystemDateAndTimeResponse><tds:SystemDateAndTime>"
                "<tt:DateTimeType>NTP</tt:DateTimeType><tt:DaylightSavings>false</tt:DaylightSavings>"
                "<tt:TimeZone><tt:TZ>UTC0</tt:TZ></tt:TimeZone><tt:UTCDateTime>"
                f"<tt:Time><tt:Hour>{now.tm_hour}</tt:Hour><tt:Minute>{now.tm_min}</tt:Minute>"
                f"<tt:Second>{now.tm_sec}</tt:Second></tt:Time>"
                f"<tt:Date><tt:Year>{now.tm_year}</tt:Year><tt:Month>{now.tm_mon}</tt:Month>"
                f"<tt:Day>{now.tm_mday}</tt:Day></tt:Date>"
                "</tt:UTCDateTime></tds:SystemDateAndTime></tds:GetSystemDateAndTimeResponse>")

    def on_GetDeviceInformation(self):
        return ("<tds:GetDeviceInformationResponse>"
                "<tds:Manufacturer>Sealgate lab</tds:Manufacturer>"
                f"<tds:Model>{escape(self.model)}</tds:Model>"
                "<tds:FirmwareVersion>1.0</tds:FirmwareVersion>"
                f"<tds:SerialNumber>{escape(self.serial)}</tds:SerialNumber>"
                "<tds:HardwareId>virtual</tds:HardwareId></tds:GetDeviceInformationResponse>")

    def on_GetCapabilities(self):
        return ("<tds:GetCapabilitiesResponse><tds:Capabilities>"
                f"<tt:Device><tt:XAddr>{self.device_url}</tt:XAddr></tt:Device>"
                f"<tt:Media><tt:XAddr>{self.media_url}</tt:XAddr><tt:StreamingCapabilities>"
                "<tt:RTPMulticast>false</tt:RTPMulticast><tt:RTP_TCP>true</tt:RTP_TCP>"
                "<tt:RTP_RTSP_TCP>true</tt:RTP_RTSP_TCP></tt:StreamingCapabilities></tt:Media>"
                f"<tt:Events><tt:XAddr>{self.events_url}</tt:XAddr></tt:Events>"
                f"<tt:PTZ><tt:XAddr>{self.ptz_url}</tt:XAddr></tt:PTZ>"
                "</tds:Capabilities></tds:GetCapabilitiesResponse>")

    def on_GetServices(self):
        services = (("http://www.onvif.org/ver10/device/wsdl", self.device_url),
                    ("http://www.onvif.org/ver10/media/wsdl", self.media_url),
                    ("http://www.onvif.org/ver10/events/wsdl", self.events_url),
                    ("http://www.onvif.org/ver20/ptz/wsdl", self.ptz_url))
        return "<tds:GetServicesResponse>" + "".join(
            f"<tds:Service><tds:Namespace>{namespace}</tds:Namespace><tds:XAddr>{url}</tds:XAddr>"
            "<tds:Version><tt:Major>2</tt:Major><tt:Minor>60</tt:Minor></tds:Version></tds:Service>"
            for namespace, url in services) + "</tds:GetServicesResponse>"

    def on_GetScopes(self):
        return "<tds:GetScopesResponse>" + "".join(
            "<tds:Scopes><tt:ScopeDef>Fixed</tt:ScopeDef>"
            f"<tt:ScopeItem>{scope}</tt:ScopeItem></tds:Scopes>"
            for scope in self.scopes()) + "</tds:GetScopesResponse>"

    def on_GetNetworkInterfaces(self):
        return ('<tds:GetNetworkInterfacesResponse><tds:NetworkInterfaces token="eth0">'
                f"<tt:Enabled>true</tt:Enabled><tt:Info><tt:Name>{escape(self.interface)}</tt:Name>"
                f"<tt:HwAddress>{self.mac}</tt:HwAddress><tt:MTU>1500</tt:MTU></tt:Info>"
                "<tt:IPv4><tt:Enabled>true</tt:Enabled><tt:Config><tt:Manual>"
                f"<tt:Address>{self.address}</tt:Address><tt:PrefixLength>24</tt:PrefixLength>"
                "</tt:Manual><tt:DHCP>false</tt:DHCP></tt:Config></tt:IPv4>"
                "</tds:NetworkInterfaces></tds:GetNetworkInterfacesResponse>")

    def on_GetVideoSources(self):
        return ('<trt:GetVideoSourcesResponse><trt:VideoSources token="source-1">'
                f"<tt:Framerate>{self.fps}</tt:Framerate><tt:Resolution>"
                f"<tt:Width>{self.width}</tt:Width><tt:Height>{self.height}</tt:Height>"
                "</tt:Resolution></trt:VideoSources></trt:GetVideoSourcesResponse>")

    def on_GetProfiles(self):
        return ("<trt:GetProfilesResponse>" + self.profile("main", 1, self.width, self.height, 300)
                + self.profile("sub", 2, self.width // 2, self.height // 2, 100)
                + "</trt:GetProfilesResponse>")

    def profile(self, name, number, width, height, kilobits):
        return (f'<trt:Profiles token="{name}" fixed="true">'
                f"<tt:Name>{name}</tt:Name>"
                '<tt:VideoSourceConfiguration token="source-config-1"><tt:Name>source</tt:Name>'
                "<tt:UseCount>2</tt:UseCount><tt:SourceToken>source-1</tt:SourceToken>"
                f'<tt:Bounds x="0" y="0" width="{self.width}" height="{self.height}"/>'
                "</tt:VideoSourceConfiguration>"
                f'<tt:VideoEncoderConfiguration token="encoder-{number}"><tt:Name>{name}</tt:Name>'
                "<tt:UseCount>1</tt:UseCount><tt:Encoding>H264</tt:Encoding><tt:Resolution>"
                f"<tt:Width>{width}</tt:Width><tt:Height>{height}</tt:Height>"
                "</tt:Resolution><tt:Quality>5</tt:Quality><tt:RateControl>"
                f"<tt:FrameRateLimit>{self.fps}</tt:FrameRateLimit>"
                f"<tt:EncodingInterval>1</tt:EncodingInterval><tt:BitrateLimit>{kilobits}</tt:BitrateLimit>"
                "</tt:RateControl><tt:H264><tt:GovLength>20</tt:GovLength>"
                "<tt:H264Profile>Baseline</tt:H264Profile></tt:H264>"
                "<tt:SessionTimeout>PT60S</tt:SessionTimeout></tt:VideoEncoderConfiguration>"
                '<tt:PTZConfiguration token="ptz-1"><tt:Name>ptz</tt:Name>'
                "<tt:UseCount>2</tt:UseCount><tt:NodeToken>node-1</tt:NodeToken>"
                "</tt:PTZConfiguration></trt:Profiles>")

    def on_GetStreamUri(self, request):
        profile = re.search(r"ProfileToken[^>]*>\s*sub\s*<", request)
        url = self.stream_url.removesuffix("/main") + "/sub" if profile else self.stream_url
        return ("<trt:GetStreamUriResponse><trt:MediaUri>"
                f"<tt:Uri>{escape(url)}</tt:Uri>"
                "<tt:InvalidAfterConnect>false</tt:InvalidAfterConnect>"
                "<tt:InvalidAfterReboot>false</tt:InvalidAfterReboot><tt:Timeout>PT0S</tt:Timeout>"
                "</trt:MediaUri></trt:GetStreamUriResponse>")

    def on_GetSnapshotUri(self):
        return ("<trt:GetSnapshotUriResponse><trt:MediaUri>"
                f"<tt:Uri>{self.snapshot_url}</tt:Uri>"
                "<tt:InvalidAfterConnect>false</tt:InvalidAfterConnect>"
                "<tt:InvalidAfterReboot>false</tt:InvalidAfterReboot><tt:Timeout>PT0S</tt:Timeout>"
                "</trt:MediaUri></trt:GetSnapshotUriResponse>")

    def on_GetPresets(self):
        return ('<tptz:GetPresetsResponse><tptz:Preset token="gate"><tt:Name>Gate</tt:Name>'
                "</tptz:Preset></tptz:GetPresetsResponse>")

    def on_GotoPreset(self):
        return "<tptz:GotoPresetResponse/>"

    def on_ContinuousMove(self):
        return "<tptz:ContinuousMoveResponse/>"

    def on_Stop(self):
        return "<tptz:StopResponse/>"

    # -- Events (ONVIF Core, 9.1: real-time pull-point notification) ---------------------

    def see_motion(self, motion):
        with self.changed:
            if motion != self.motion:
                self.motion, self.changes = motion, self.changes + 1
                self.changed.notify_all()

    @staticmethod
    def subscription(request):
        # The subscription is named by its own address (WS-Addressing 1.0, 3.1).
        found = re.search(r"To[^>]*>\s*([^<\s]*/onvif/subscription/\w+)\s*<", request)
        return found.group(1) if found else ""

    def on_CreatePullPointSubscription(self):
        url = self.events_url.replace("event_service", f"subscription/{uuid.uuid4().hex}")
        with self.changed:
            # The oldest go: a lab camera has few clients.
            for old in list(self.told)[:-15]:
                del self.told[old]
            self.told[url] = -1
        return ("<tev:CreatePullPointSubscriptionResponse><tev:SubscriptionReference>"
                f"<wsa10:Address>{url}</wsa10:Address></tev:SubscriptionReference>"
                f"<wsnt:CurrentTime>{utc_now()}</wsnt:CurrentTime>"
                f"<wsnt:TerminationTime>{utc_now(60)}</wsnt:TerminationTime>"
                "</tev:CreatePullPointSubscriptionResponse>")

    def on_PullMessages(self, request):
        url = self.subscription(request)
        with self.changed:
            self.changed.wait_for(lambda: self.told.get(url) != self.changes, timeout=5)
            told = self.told.get(url)
            news = "" if told == self.changes else self.notification(
                "Initialized" if told == -1 else "Changed")
            if told is not None:
                self.told[url] = self.changes
        return ("<tev:PullMessagesResponse>"
                f"<tev:CurrentTime>{utc_now()}</tev:CurrentTime>"
                f"<tev:TerminationTime>{utc_now(60)}</tev:TerminationTime>"
                f"{news}</tev:PullMessagesResponse>")

    def notification(self, operation):
        return ('<wsnt:NotificationMessage><wsnt:Topic Dialect="http://www.onvif.org/ver10/tev/'
                'topicExpression/ConcreteSet">tns1:VideoSource/MotionAlarm</wsnt:Topic>'
                f'<wsnt:Message><tt:Message UtcTime="{utc_now()}" PropertyOperation="{operation}">'
                '<tt:Source><tt:SimpleItem Name="Source" Value="source-1"/></tt:Source>'
                f'<tt:Data><tt:SimpleItem Name="State" Value="{str(self.motion).lower()}"/></tt:Data>'
                "</tt:Message></wsnt:Message></wsnt:NotificationMessage>")

    def on_SetSynchronizationPoint(self):
        return "<tev:SetSynchronizationPointResponse/>"

    def on_Renew(self):
        return (f"<wsnt:RenewResponse><wsnt:TerminationTime>{utc_now(60)}</wsnt:TerminationTime>"
                "</wsnt:RenewResponse>")

    def on_Unsubscribe(self):
        return "<wsnt:UnsubscribeResponse/>"

    def scopes(self):
        # ONVIF Core, 7.3.3.2: a space is not part of a scope's name.
        name = escape(self.name.replace(" ", "_"))
        model = escape(self.model.replace(" ", "_"))
        base = "onvif://www.onvif.org/"
        return [f"{base}type/video_encoder", f"{base}Profile/Streaming", f"{base}name/{name}",
                f"{base}hardware/{model}", f"{base}location/lab"]

    # -- WS-Discovery (OASIS WS-Discovery draft of April 2005, as ONVIF Core 7.3 asks) --

    def probe_matches(self, probe):
        """The answer to a datagram, or None if it is no probe this device fits."""
        message = re.search(r"<(?:\w+:)?MessageID[^>]*>\s*([^<\s]{1,200})\s*<", probe)
        if not message or not re.search(r"<(?:\w+:)?Probe[\s>/]", probe):
            return None
        types = re.search(r"<(?:\w+:)?Types[^>]*>([^<]*)<", probe)
        wanted = [kind.rsplit(":")[-1] for kind in types.group(1).split()] if types else []
        if any(kind not in ("NetworkVideoTransmitter", "Device") for kind in wanted):
            return None
        header = (f"<wsa:MessageID>urn:uuid:{uuid.uuid4()}</wsa:MessageID>"
                  f"<wsa:RelatesTo>{escape(message.group(1))}</wsa:RelatesTo>"
                  "<wsa:To>http://schemas.xmlsoap.org/ws/2004/08/addressing/role/anonymous</wsa:To>"
                  "<wsa:Action>http://schemas.xmlsoap.org/ws/2005/04/discovery/ProbeMatches</wsa:Action>")
        return envelope(
            "<wsd:ProbeMatches><wsd:ProbeMatch>"
            f"<wsa:EndpointReference><wsa:Address>{self.endpoint}</wsa:Address></wsa:EndpointReference>"
            "<wsd:Types>dn:NetworkVideoTransmitter tds:Device</wsd:Types>"
            f"<wsd:Scopes>{' '.join(self.scopes())}</wsd:Scopes>"
            f"<wsd:XAddrs>{self.device_url}</wsd:XAddrs>"
            "<wsd:MetadataVersion>1</wsd:MetadataVersion></wsd:ProbeMatch></wsd:ProbeMatches>",
            header)


def serve_http(device, address, port):
    """Answers SOAP requests from a thread of its own."""

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = 20

        def do_GET(self):
            known = self.path == "/onvif/snapshot"
            self.send_response(200 if known else 404)
            self.send_header("Content-Type", "image/jpeg" if known else "text/plain")
            self.send_header("Content-Length", str(len(PICTURE) if known else 0))
            self.end_headers()
            if known:
                self.wfile.write(PICTURE)

        def do_POST(self):
            try:
                length = int(self.headers.get("Content-Length", ""))
            except ValueError:
                length = -1
            if not 0 <= length <= MAX_REQUEST_BYTES:
                self.send_error(413)
                return
            request = self.rfile.read(length).decode("utf-8", "replace")
            if self.path == "/lens/motion":
                device.see_motion(request == "true")
                self.send_response(204)
                self.end_headers()
                return
            status, answer = device.answer(request)
            answer = answer.encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/soap+xml; charset=utf-8")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *arguments):
            pass

    server = http.server.ThreadingHTTPServer((address, port), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()


def serve_discovery(device, address):
    """Answers probes from a thread of its own."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    # Every virtual camera of one network namespace hears every probe.
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    listener.bind((DISCOVERY_GROUP, DISCOVERY_PORT))
    group = socket.inet_aton(DISCOVERY_GROUP) + socket.inet_aton(address)
    listener.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, group)
    # Unicast probes arrive at the camera's own address.
    direct = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    direct.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    direct.bind((address, DISCOVERY_PORT))

    def answer(receiver):
        while True:
            probe, sender = receiver.recvfrom(MAX_REQUEST_BYTES)
            matches = device.probe_matches(probe.decode("utf-8", "replace"))
            if matches is not None:
                try:
                    direct.sendto(matches.encode(), sender)
                except OSError:
                    pass  # The asker is gone; the next one may not be.

    for receiver in (listener, direct):
        threading.Thread(target=answer, args=(receiver,), daemon=True).start()
