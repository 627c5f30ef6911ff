"""The known answers of sections 1.1 and 1.6 of the ledger's standard: what a verifier must be able to do before it is believed."""
import base64
import hashlib
import json
import shutil

import ed25519
import tlog
from refusal import Refused

CT_LEAVES = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
CT_ROOTS = ["6e340b9c", "fac54203", "aeb6bcfe", "d37ee418", "4e3bbb1f", "76e67dad", "ddb89be4"]
CT_ROOT = "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"
LINES = [
    b'{"act":"C","seq":0,"t":"2026-01-01T00:00:00.000Z"}',
    b'{"act":"R","seq":1,"t":"2026-01-01T00:00:00.001Z"}',
    b'{"act":"U","seq":2,"t":"2026-01-01T00:00:00.002Z"}',
]
HASHES = [
    "sHUEnSU6yyFP4PUO26T3hFJsru3ZJn2322pRqcaRqUU=",
    "zhGXWBVLK/McPTibxgk6YAXyH+XGxcJwIVC32sV+hAc=",
    "MG8CnF4tZWG4ZaLMWNfPp/wMPUvF4W5/gEusTD5sje0=",
]
ROOT_OF_2 = base64.b64decode("ONcOM569xPemlpdlA7YZDEQ1rOSwZK/3DdwPCFUpP8E=")
ROOT_OF_3 = base64.b64decode("wgcMK89qG4snbmxttjPe22MX4CErJEK+s1+gvg9GhaA=")
VKEY = "portal.example/audit+9c3973b9+AQOhB7/zzhC+HXDdGOdLwJln5NYwm6UNXx3chmQSVTG4"
BODY = "portal.example/audit\n3\nwgcMK89qG4snbmxttjPe22MX4CErJEK+s1+gvg9GhaA=\n"
SIGNED = "\u2014 portal.example/audit nDlzuRN2DRm3a1JZPtQhpp7NeGLXK0nqhbz+c7/8iIVO+8aXoUltIZzjIT11grXAkHFTbG/zL+4rw6/CSbaUHlyB0QM=\n"
COSIGNED = "\u2014 officer.example/w1 HX6AhwAAAABpVbkAPwZoynyAI8IIi1VHAehRfXXeMioje3FE0367MMXWxJUbtwYu/ml7F/OWFeX7TVPqfNvTyGJVPyqbRv5rySw1DA==\n"
DISCLOSURE = "WyJBQUVDQXdRRkJnY0lDUW9MREEwT0R3IiwibmV0LmlwIiwiMTk4LjUxLjEwMC43Il0"


def _public_of(seed):
    """RFC 8032 section 5.1.5."""
    half = bytearray(hashlib.sha512(seed).digest()[:32])
    half[0] &= 248
    half[31] = half[31] & 63 | 64
    x, y, z, _ = ed25519._times(int.from_bytes(half, "little"), ed25519.BASE)
    inverse = pow(z, ed25519.P - 2, ed25519.P)
    x, y = x * inverse % ed25519.P, y * inverse % ed25519.P
    return (y | (x & 1) << 255).to_bytes(32, "little")


def _cases():
    leaves = [tlog.leaf_hash(bytes.fromhex(one)) for one in CT_LEAVES]
    roots = [tlog.root_of(leaves[:size]).hex() for size in range(1, 9)]
    yield "CT roots", [one[:8] for one in roots[:7]] == CT_ROOTS and roots[7] == CT_ROOT
    yield "root of nothing", base64.b64encode(tlog.root_of([])) == b"47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="
    one, two, three = [tlog.leaf_hash(line) for line in LINES]
    yield "leaf hashes", [base64.b64encode(made).decode() for made in (one, two, three)] == HASHES
    yield "roots", [tlog.root_of([one, two]), tlog.root_of([one, two, three])] == [ROOT_OF_2, ROOT_OF_3]
    yield "inclusion of 1 in 3", tlog.is_included(1, 3, two, [one, three], ROOT_OF_3)
    yield "inclusion of 2 in 3", tlog.is_included(2, 3, three, [ROOT_OF_2], ROOT_OF_3)
    yield "no inclusion elsewhere", not tlog.is_included(0, 3, two, [one, three], ROOT_OF_3)
    yield "consistency of 2 with 3", tlog.is_consistent(2, 3, ROOT_OF_2, ROOT_OF_3, [three])
    yield "no consistency otherwise", not tlog.is_consistent(2, 3, ROOT_OF_3, ROOT_OF_3, [three])
    key = tlog.Key(VKEY)
    yield "key", _public_of(bytes(range(32))) == key.public and key.id.hex() == "9c3973b9"
    witness_blob = b"\x04" + _public_of(bytes([0x77] * 32))
    witness_id = tlog.sha256(b"officer.example/w1\n", witness_blob)[:4].hex()
    witness = tlog.Key(f"officer.example/w1+{witness_id}+{base64.b64encode(witness_blob).decode()}")
    note = (BODY + "\n" + SIGNED + COSIGNED).encode()
    opened = tlog.Checkpoint(note, [key], [witness], "checkpoint")
    yield "checkpoint", (opened.origin, opened.size, opened.root) == ("portal.example/audit", 3, ROOT_OF_3)
    yield "cosignature", opened.witnessed == {"officer.example/w1": 1767225600}
    for name, change in (("size", ("\n3\n", "\n4\n")), ("signature", ("nDlzuRN2", "nDlzuRN3"))):
        try:
            tlog.Checkpoint(note.decode().replace(*change).encode(), [key], [], "checkpoint")
            yield f"checkpoint of another {name}", False
        except Refused:
            yield f"checkpoint of another {name}", True
    signature = base64.b64decode(SIGNED.split(" ")[2])[4:]
    yield "Ed25519 by arithmetic", ed25519.by_arithmetic(key.public, BODY.encode(), signature)
    yield "no Ed25519 by arithmetic", not ed25519.by_arithmetic(key.public, BODY.encode() + b"x", signature)
    if shutil.which("openssl"):
        yield "Ed25519 by openssl", ed25519.by_openssl(key.public, BODY.encode(), signature)
        yield "no Ed25519 by openssl", not ed25519.by_openssl(key.public, BODY.encode() + b"x", signature)
    names = [tlog.tile_path(0, 0, 256), tlog.tile_path(0, 1000, 256), tlog.tile_path(0, 1234067, 256), tlog.tile_path(1, 0, 1)]
    yield "tile names", names == ["tile/0/000", "tile/0/x001/000", "tile/0/x001/x234/067", "tile/1/000.p/1"]
    tiles = tlog.Tiles(["tile/0/000.p/3"], {"tile/0/000.p/3": one + two + three}.get, opened)
    yield "tile", tiles.hashes(0, 0) == [one, two, three]
    bundle = b"".join(len(line).to_bytes(2, "big") + line for line in LINES)
    yield "entry bundle", len(bundle) == 156 and bundle[:10].hex() == "00327b22616374223a22"
    digest = base64.urlsafe_b64encode(tlog.sha256(DISCLOSURE.encode())).decode().rstrip("=")
    told = json.loads(base64.urlsafe_b64decode(DISCLOSURE + "=" * (-len(DISCLOSURE) % 4)))
    yield "disclosure", digest == "IAOKE3Fnr2L_8mX9PwgwIW823-ysq6vu-5V_-wKd9DY" and told[1:] == ["net.ip", "198.51.100.7"]


def run():
    """The names of the cases that fail, and how many there are."""
    done = list(_cases())
    return [name for name, holds in done if not holds], len(done)
