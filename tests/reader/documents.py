"""Reads and checks Sealgate documents. Written from docs/documents.md and nothing else.

    documents.py FOLDER          FOLDER/vendor-roots.json pins the roots; one JSON object on
                                 standard output says, for each other file of FOLDER, what
                                 was read, or why it was refused

Needs Python 3.9 and the 'cryptography' package, which does the curves and nothing more.
"""

import base64
import binascii
import datetime
import hashlib
import hmac
import json
import pathlib
import struct
import sys

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, utils

MAX_BYTES = 1_048_576
PREFIX = "application/vnd.sealgate."
KINDS = {
    f"{PREFIX}{kind}.v1+json": kind
    for kind in ("license", "request", "statement", "vendor-key", "revocation-list")
}
AK_FIXED = bytes.fromhex("0023000b000504720000001000 18000b00030010".replace(" ", ""))
COUNTER_NAME = b"\x00\x0b" + hashlib.sha256(
    bytes.fromhex("01800a10000b2206001400000008")
).digest()
NOT_KINDS = ("mac_list", "packages")


class Refused(Exception):
    """A document that is not what it has to be."""


def need(condition, why):
    if not condition:
        raise Refused(why)


def unique(pairs):
    found = dict(pairs)
    need(len(found) == len(pairs), "a field is named twice")
    return found


def load(text):
    try:
        found = json.loads(text, object_pairs_hook=unique)
    except (ValueError, RecursionError) as error:
        raise Refused("not JSON") from error
    need(isinstance(found, dict), "not an object")
    return found


def get(source, name, kind):
    value = source.get(name)
    # Python counts true and false among the integers.
    need(isinstance(value, kind) and not isinstance(value, bool), f"{name} is missing or another type")
    return value


def integer(source, name, bits):
    value = get(source, name, int)
    need(0 <= value < 2**bits, f"{name} is out of range")
    return value


def unbase64(text, size=None):
    need(isinstance(text, str), "not base64")
    try:
        standard = text.translate(str.maketrans("-_", "+/"))
        data = base64.b64decode(standard, validate=True)
    except (binascii.Error, ValueError) as error:
        raise Refused("not base64") from error
    mixed = any(c in text for c in "+/") and any(c in text for c in "-_")
    need(not mixed and base64.b64encode(data).decode() == standard, "not base64")
    need(size is None or len(data) == size, "the wrong number of bytes")
    return data


def time(text):
    need(isinstance(text, str), "not a time")
    try:
        found = datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError as error:
        raise Refused("not a time") from error
    need(found.tzinfo is not None, "not a time")
    return found


def name(text):
    need(isinstance(text, str), "not a Name")
    try:
        data = bytes.fromhex(text)
    except ValueError as error:
        raise Refused("not a Name") from error
    sizes = {b"\x00\x0b": 34, b"\x00\x0c": 50}
    need(len(data) == sizes.get(data[:2]), "not a Name")
    return data


# Section 1: the envelope.


def pae(kind, payload):
    return b"DSSEv1 %d %s %d %s" % (len(kind), kind.encode(), len(payload), payload)


class Envelope:
    def __init__(self, data, expected=None):
        need(len(data) <= MAX_BYTES, "too large")
        try:
            text = data.decode()
        except UnicodeDecodeError as error:
            raise Refused("not UTF-8") from error
        found = load(text.lstrip("\ufeff").strip())
        self.type = get(found, "payloadType", str)
        need(self.type in KINDS, "not a type of document that is known")
        self.kind = KINDS[self.type]
        need(expected in (None, self.kind), "another type of document")
        payload = unbase64(found.get("payload"))
        signatures = get(found, "signatures", list)
        need(1 <= len(signatures) <= 8, "not one to eight signatures")
        self.signatures = []
        for one in signatures:
            need(isinstance(one, dict), "not a signature")
            cert = one.get("cert")
            cert = None if cert is None else unbase64(cert)
            self.signatures.append((get(one, "keyid", str), unbase64(one.get("sig")), cert))
        self.signed = pae(self.type, payload)
        self.payload = load(payload)
        need(integer(self.payload, "format_version", 64) == 1, "another version of the format")


# Section 2: vendor keys.


def key_id(public):
    return hashlib.sha256(public).digest()[:16].hex()


def ed25519_fits(public, signature, message):
    try:
        ed25519.Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


class Roots:
    def __init__(self, text):
        found = load(text)
        self.flavour = get(found, "flavour", str)
        self.keys = {}
        for root in get(found, "roots", list):
            public = unbase64(root["public_key"], 32)
            need(not (self.flavour == "product" and root["class"] == "lab"), "a lab root")
            self.keys[key_id(public)] = (public, root["class"])

    def vouch(self, envelope, class_):
        need(class_ in ("lab", "product"), "no such class")
        need(not (self.flavour == "product" and class_ == "lab"), "a lab document")
        for keyid, signature, _ in envelope.signatures:
            public, root_class = self.keys.get(keyid, (None, None))
            if public is None or (root_class == "lab" and class_ != "lab"):
                continue
            if ed25519_fits(public, signature, envelope.signed):
                return
        raise Refused("no pinned root signed")


def certificate(envelope, roots):
    payload = envelope.payload
    roots.vouch(envelope, payload.get("class"))
    return {
        "name": get(payload, "name", str),
        "key_id": key_id(unbase64(payload.get("public_key"), 32)),
        "public_key": unbase64(payload.get("public_key"), 32).hex(),
        "not_before": payload.get("not_before"),
        "not_after": payload.get("not_after"),
        "covers": (time(payload.get("not_before")), time(payload.get("not_after"))),
    }


def revocation_list(envelope, roots):
    payload = envelope.payload
    roots.vouch(envelope, payload.get("flavour"))
    key_ids = get(payload, "key_ids", list)
    need(all(isinstance(one, str) for one in key_ids), "not key ids")
    time(payload.get("issued_at"))
    return {"sequence": integer(payload, "sequence", 64), "key_ids": key_ids}


# Sections 3 and 4: the license.


def listed_mac(text):
    need(isinstance(text, str), "not a MAC")
    digits = "".join(c for c in text.strip() if c not in ":-.")
    need(len(digits) == 12 and all(c in "0123456789abcdefABCDEF" for c in digits), "not a MAC")
    mac = bytes.fromhex(digits)
    need(any(mac) and not mac[0] & 1, "no camera's MAC")
    return mac.hex(":")


def entitlements(found):
    counts = {kind: integer(found, kind, 32) for kind in found if kind not in NOT_KINDS}
    macs = [listed_mac(text) for text in found.get("mac_list", [])]
    packages = found.get("packages", [])
    need(all(isinstance(one, str) for one in packages), "not packages")
    return {"counts": counts, "mac_list": macs, "packages": packages}


def validity(found):
    dates = [found.get("not_before"), found.get("not_after")]
    first, last = (None if date is None else time(date) for date in dates)
    term = found.get("term")
    need(term in (None, "trial", "dated", "overlap"), "no such term")
    need(term is None or last is not None, "a term without an end")
    need(first is None or last is None or first <= last, "an end before the start")
    return {"not_before": dates[0], "not_after": dates[1], "term": term}


def binding(found):
    kind = get(found, "kind", str)
    if kind == "tpm":
        for field in ("credential_blob", "encrypted_secret"):
            unbase64(found.get(field))
        secret = get(found, "activation_secret_sha256", str)
        need(len(bytes.fromhex(secret)) == 32, "not a digest")
        integer(found, "tpm_clock_at_request_ms", 64)
        return {
            "kind": kind,
            "ak_name": name(found.get("ak_name")).hex(),
            "ek_name": name(found.get("ek_name")).hex(),
            "from": integer(found, "from", 64),
            "to": integer(found, "to", 64),
            "activation_secret_sha256": secret,
        }
    if kind == "dongle":
        point = unbase64(found.get("public_key"), 65)
        need(point[0] == 4, "not an uncompressed point")
        try:
            ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point)
        except ValueError as error:
            raise Refused("not a point of P-256") from error
        nonce = b"\x70" * 32
        digest = hashlib.sha256(b"sealgate dongle challenge v1" + nonce + point)
        return {"kind": kind, "serial": get(found, "serial", str), "challenge": digest.hexdigest()}
    need(kind == "mac", "a kind of binding that is not known")
    return {"kind": kind}


def license_(envelope, roots):
    payload = envelope.payload
    issued_at = time(payload.get("issued_at"))
    signer = None
    for keyid, signature, cert in envelope.signatures:
        if cert is None:
            continue
        try:
            certified = certificate(Envelope(cert, "vendor-key"), roots)
        except Refused:
            continue
        first, last = certified["covers"]
        public = bytes.fromhex(certified["public_key"])
        if (
            keyid == certified["key_id"]
            and ed25519_fits(public, signature, envelope.signed)
            and first <= issued_at <= last
        ):
            signer = keyid
            break
    need(signer is not None, "no issuing key of the vendor signed")
    carried = payload.get("revocation_list")
    if carried is not None:
        carried = revocation_list(Envelope(unbase64(carried), "revocation-list"), roots)
        need(signer not in carried["key_ids"], "its key is revoked")
    return {
        "license_id": get(payload, "license_id", str),
        "revision": integer(payload, "revision", 32),
        "names": [get(payload, one, str) for one in ("server", "project", "distributor")],
        "binding": binding(get(payload, "binding", dict)),
        "entitlements": entitlements(get(payload, "entitlements", dict)),
        "validity": validity(payload.get("validity", {})),
        "issued_at": payload["issued_at"],
        "key_id": signer,
        "revocation_sequence": carried and carried["sequence"],
    }


# Sections 5 and 6: the request and its attestation.


class Bytes:
    def __init__(self, data):
        self.data = data

    def take(self, size):
        need(len(self.data) >= size, "too short")
        head, self.data = self.data[:size], self.data[size:]
        return head

    def number(self, size):
        return int.from_bytes(self.take(size), "big")

    def sized(self):
        return self.take(self.number(2))

    def end(self):
        need(not self.data, "bytes behind the end")


def attested_counter(ak_public, attest, signature, qualifying):
    need(len(ak_public) == 88 and ak_public[:20] == AK_FIXED, "another kind of attestation key")
    need(ak_public[20:22] == ak_public[54:56] == b"\x00\x20", "another kind of attestation key")
    point = b"\x04" + ak_public[22:54] + ak_public[56:]
    reader = Bytes(signature)
    need(reader.take(4) == b"\x00\x18\x00\x0b", "another kind of signature")
    r, s = (int.from_bytes(reader.sized(), "big") for _ in range(2))
    reader.end()
    try:
        key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point)
        key.verify(utils.encode_dss_signature(r, s), attest, ec.ECDSA(hashes.SHA256()))
    except (InvalidSignature, ValueError) as error:
        raise Refused("the attestation's signature does not fit") from error
    ak_name = b"\x00\x0b" + hashlib.sha256(ak_public).digest()
    signer = b"\x00\x0b" + hashlib.sha256(struct.pack(">I", 0x4000000B) + ak_name).digest()
    reader = Bytes(attest)
    need(reader.take(6) == b"\xffTCG\x80\x14", "another kind of attestation")
    need(reader.sized() == signer, "another signer")
    need(reader.sized() == qualifying, "another question")
    clock_ms = reader.number(8)
    reader.take(4 + 4 + 1 + 8)
    need(reader.sized() == COUNTER_NAME, "another index")
    need(reader.number(2) == 0, "another offset")
    contents = reader.sized()
    need(len(contents) == 8, "not a counter")
    reader.end()
    return {"counter": int.from_bytes(contents, "big"), "clock_ms": clock_ms, "ak": ak_name.hex()}


def signed_by_tpm(envelope):
    ak_public = unbase64(envelope.payload.get("ak_public"))
    ak_name = (b"\x00\x0b" + hashlib.sha256(ak_public).digest()).hex()
    signatures = [sig for keyid, sig, _ in envelope.signatures if keyid == ak_name]
    need(signatures, "the attestation key did not sign")
    reader = Bytes(signatures[0])
    attest = reader.sized()
    qualifying = hashlib.sha256(envelope.signed).digest()
    return attested_counter(ak_public, attest, reader.data, qualifying)


def request(envelope, _roots):
    payload = envelope.payload
    found = signed_by_tpm(envelope)
    nonce = unbase64(payload.get("nonce"), 32)
    name(payload.get("epoch_name"))
    time(payload.get("created_at"))
    channels = get(payload, "channels", dict)
    proof = payload.get("proof")
    made = hmac.new(b"\x5e" * 32, b"imported" + nonce, hashlib.sha256).digest()
    return {
        **found,
        "model": get(payload, "model", str),
        "serial": get(payload, "serial", str),
        "firmware": get(payload, "firmware", str),
        "channels": [integer(channels, "used", 32), integer(channels, "wanted", 32)],
        "ek_sha256": hashlib.sha256(unbase64(get(payload, "ek", dict).get("public"))).hexdigest(),
        "proves_the_secret_of_the_example": proof is not None and unbase64(proof) == made,
    }


# Section 7: the statement.


def statement(envelope, _roots):
    payload = envelope.payload
    found = signed_by_tpm(envelope)
    time(payload.get("created_at"))
    subject = get(payload, "subject", dict)
    kind = get(subject, "kind", str)
    if kind == "camera_replaced":
        about = [
            listed_mac(subject.get("old_mac")),
            listed_mac(subject.get("new_mac")),
            integer(subject, "number", 32),
            unbase64(subject.get("previous_sha256"), 32).hex(),
        ]
    else:
        need(kind == "clip", "another subject")
        about = [
            get(subject, "camera", str),
            get(subject, "file", str),
            *(subject.get(end) for end in ("from", "to") if time(subject.get(end))),
            integer(subject, "size_bytes", 64),
            unbase64(subject.get("sha256"), 32).hex(),
        ]
    return {
        **found,
        "box": [get(payload, name, str) for name in ("model", "serial", "firmware")],
        "subject": [kind, *about],
    }


READERS = {
    "license": license_,
    "request": request,
    "statement": statement,
    "vendor-key": certificate,
    "revocation-list": revocation_list,
}


def read(data, roots):
    try:
        envelope = Envelope(data)
        found = READERS[envelope.kind](envelope, roots)
        found.pop("covers", None)
        return {"kind": envelope.kind, **found}
    except Refused as error:
        return {"refused": str(error)}


def main():
    folder = pathlib.Path(sys.argv[1])
    roots = Roots((folder / "vendor-roots.json").read_text())
    files = (path for path in sorted(folder.iterdir()) if path.is_file())
    json.dump(
        {path.name: read(path.read_bytes(), roots) for path in files if path.suffix != ".json"},
        sys.stdout,
        indent=1,
    )


if __name__ == "__main__":
    main()
