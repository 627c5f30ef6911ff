"""
Merkle tree, signed notes and proofs, as sections 1 and 2 of the ledger's standard have them: RFC 6962 section 2.1, C2SP
signed-note, tlog-checkpoint, tlog-cosignature and tlog-tiles.
"""
import base64
import binascii
import hashlib
import re

import ed25519
from refusal import Refused, need

ED25519, COSIGNATURE = 1, 4


def sha256(*parts):
    return hashlib.sha256(b"".join(parts)).digest()


def leaf_hash(line):
    return sha256(b"\x00", line)


def node(left, right):
    return sha256(b"\x01", left, right)


def unbase64(text, where, length=None):
    """Standard alphabet, with padding, and only the one spelling that it has."""
    try:
        made = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise Refused(f"{where}: no base64") from None
    need(base64.b64encode(made).decode() == text, where, "base64 with stray bits")
    need(length is None or len(made) == length, where, f"not {length} bytes")
    return made


class Peaks:
    """A tree that grows at its end: one hash for each bit of its size."""

    def __init__(self):
        self.size = 0
        self.peaks = {}

    def append(self, made):
        level, index = 0, self.size
        while index % 2 == 1:
            made = node(self.peaks.pop(level), made)
            level, index = level + 1, index // 2
        self.peaks[level] = made
        self.size += 1

    def root(self):
        made = None
        for level in sorted(self.peaks):
            made = self.peaks[level] if made is None else node(self.peaks[level], made)
        return sha256() if made is None else made


def root_of(hashes):
    tree = Peaks()
    for one in hashes:
        tree.append(one)
    return tree.root()


def is_included(index, size, leaf, path, root):
    """RFC 9162 section 2.1.3.2."""
    if index >= size:
        return False
    at, last, made = index, size - 1, leaf
    for one in path:
        if last == 0:
            return False
        if at % 2 == 1 or at == last:
            made = node(one, made)
            while at % 2 == 0 and at != 0:
                at, last = at // 2, last // 2
        else:
            made = node(made, one)
        at, last = at // 2, last // 2
    return last == 0 and made == root


def is_consistent(old_size, new_size, old_root, new_root, path):
    """RFC 9162 section 2.1.4.2; from nothing everything follows, and from itself only itself."""
    if old_size > new_size:
        return False
    if old_size == new_size:
        return not path and old_root == new_root
    if old_size == 0:
        return not path and old_root == sha256()
    if not path:
        return False
    path = list(path)
    if old_size & (old_size - 1) == 0:
        path.insert(0, old_root)
    at, last = old_size - 1, new_size - 1
    while at % 2 == 1:
        at, last = at // 2, last // 2
    old = new = path[0]
    for one in path[1:]:
        if last == 0:
            return False
        if at % 2 == 1 or at == last:
            old, new = node(one, old), node(one, new)
            while at % 2 == 0 and at != 0:
                at, last = at // 2, last // 2
        else:
            new = node(new, one)
        at, last = at // 2, last // 2
    return last == 0 and old == old_root and new == new_root


class Key:
    """`<name>+<8 hex>+<base64(type || public key)>`"""

    def __init__(self, text):
        parts = text.strip().split("+", 2)
        need(len(parts) == 3, "verifier key", "not name+id+key")
        self.name, key_id, key = parts
        blob = unbase64(key, "verifier key", 33)
        self.type, self.public = blob[0], blob[1:]
        need(self.type in (ED25519, COSIGNATURE), "verifier key", "of an unknown type")
        self.id = sha256(self.name.encode(), b"\n", blob)[:4]
        need(self.id.hex() == key_id, "verifier key", "its id is not that of its bytes")


class Note:
    """A text and who signed it. A signature of a known key that is wrong refuses the whole."""

    def __init__(self, raw, where):
        self.where, self.raw = where, raw
        try:
            text = raw.decode("utf-8")
        except UnicodeDecodeError:
            raise Refused(f"{where}: not UTF-8") from None
        need(not re.search(r"[\x00-\x09\x0b-\x1f\x7f]", text), where, "control characters")
        end = text.rfind("\n\n")
        need(end >= 0 and text.endswith("\n"), where, "no signed note")
        self.body = text[: end + 1]
        self.signatures = []
        for line in text[end + 2 : -1].split("\n"):
            parts = line.split(" ")
            need(len(parts) == 3 and parts[0] == "\u2014" and parts[1] != "", where, "no signature line")
            blob = unbase64(parts[2], where)
            need(len(blob) > 4, where, "no signature")
            self.signatures.append((parts[1], blob[:4], blob[4:]))

    def times_of(self, key):
        """When this key signed it (0 for a key that does not say); empty: it did not."""
        found = []
        for name, key_id, signature in self.signatures:
            if name != key.name or key_id != key.id:
                continue
            time = None
            message = self.body.encode()
            if key.type == COSIGNATURE:
                need(len(signature) == 72, self.where, "no cosignature")
                time, signature = int.from_bytes(signature[:8], "big"), signature[8:]
                message = f"cosignature/v1\ntime {time}\n".encode() + message
            need(ed25519.verifies(key.public, message, signature), self.where, f"the signature of {name} is wrong")
            found.append(time or 0)
        return found


class Checkpoint:
    """Signed by the log itself, and by each witness that is insisted on."""

    def __init__(self, raw, keys, witnesses, where):
        note = Note(raw, where)
        lines = note.body.split("\n")
        need(len(lines) == 4 and lines[3] == "", where, "not origin, size and root")
        self.origin, size, root = lines[:3]
        need(re.fullmatch(r"0|[1-9][0-9]{0,15}", size), where, "no size")
        self.size, self.root, self.raw = int(size), unbase64(root, where, 32), raw
        by = [key for key in keys if key.type == ED25519 and key.name == self.origin and note.times_of(key)]
        need(by, where, f"{self.origin} is not signed with a key that you trust")
        self.witnessed = {}
        for key in witnesses:
            times = note.times_of(key)
            need(times, where, f"{key.name} has not signed it")
            self.witnessed[key.name] = max(times)


def tile_path(level, number, width):
    digits = str(number)
    digits = digits.rjust((len(digits) + 2) // 3 * 3, "0")
    groups = [digits[at : at + 3] for at in range(0, len(digits), 3)]
    name = "/".join(["x" + one for one in groups[:-1]] + groups[-1:])
    return f"tile/{level}/{name}" + (f".p/{width}" if width < 256 else "")


class Tiles:
    """Hash tiles of a tree of a known root; nothing is believed of them that does not lead to it."""

    def __init__(self, names, read, checkpoint):
        self.size = checkpoint.size
        self.names, self.read, self.known = set(names), read, {}
        self.used = set()
        peaks = []
        level = 0
        while self.size >> (8 * level) > 0:
            total = self.size >> (8 * level)
            if total % 256 > 0:
                edge = self._tile(level, total // 256)
                # From the left, largest first: a peak for each bit of the width.
                at, found = 0, []
                for bit in range(7, -1, -1):
                    if total % 256 >> bit & 1:
                        found.append(root_of(edge[at : at + (1 << bit)]))
                        at += 1 << bit
                peaks = found + peaks
            level += 1
        made = None
        for one in reversed(peaks):
            made = one if made is None else node(one, made)
        need((sha256() if made is None else made) == checkpoint.root, "tile/", "the right edge is not the signed root")

    def _tile(self, level, number):
        total = self.size >> (8 * level)
        width = min(256, total - number * 256)
        path = tile_path(level, number, width)
        need(path in self.names, path, "missing")
        content = self.read(path)
        need(len(content) == 32 * width, path, "not of its length")
        self.used.add(path)
        return [content[at : at + 32] for at in range(0, len(content), 32)]

    def hashes(self, level, number):
        """Those of a tile, once they lead to the root: a full one by its place in the tile above, a partial one as the edge."""
        key = (level, number)
        if key not in self.known:
            made = self._tile(level, number)
            if len(made) == 256:
                above = self.hashes(level + 1, number // 256)
                need(above[number % 256] == root_of(made), tile_path(level, number, 256), "is not what the tile above says")
            if len(self.known) > 4096:
                self.known.clear()
            self.known[key] = made
        return self.known[key]

    def require_all_used(self):
        """A tile that nobody looked at leads nowhere; those of the edge that are full are looked at now."""
        for path in sorted(self.names - self.used):
            parts = re.fullmatch(r"tile/([0-9]+)/((?:x[0-9]{3}/)*[0-9]{3})(?:\.p/([0-9]+))?", path)
            need(parts, path, "no name of a tile")
            level, number = int(parts[1]), int(parts[2].replace("x", "").replace("/", ""))
            need(number < (self.size >> (8 * level)) / 256, path, "of a larger tree")
            self.hashes(level, number)
            need(path in self.used, path, "not the tile that this tree has")
