"""The table, the FHIR form and the disclosures, each held against the line that it stands for (sections 2, 4.6 and 5.1)."""
import base64
import csv
import ipaddress
import re

import tlog
from refusal import Refused, is_whole, need, read_json

PATIENT = ("http://terminology.hl7.org/CodeSystem/audit-entity-type", "1")
XREQUEST = "XrequestId"


def _at(leaf, pointer):
    value = leaf
    for step in pointer.split("/")[1:]:
        step = step.replace("~1", "/").replace("~0", "~")
        if isinstance(value, dict):
            value = value.get(step)
        elif isinstance(value, list) and re.fullmatch(r"0|[1-9][0-9]*", step):
            value = value[int(step)] if int(step) < len(value) else None
        else:
            return None
    return value


def _cell_of(value):
    if value is None or isinstance(value, (dict, list)):
        return ""
    text = ("true" if value else "false") if isinstance(value, bool) else str(value)
    # What a spreadsheet would run as a formula.
    return "'" + text if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text


def _row(text, where):
    try:
        rows = list(csv.reader([text], strict=True))
    except csv.Error as error:
        raise Refused(f"{where}: {error}") from None
    need(len(rows) == 1, where, "not one row")
    return rows[0]


class Csv:
    """A column whose header is a JSON pointer has what the leaf has there; the column `leaf` is the line."""

    name = "events.csv"

    def __init__(self, lines):
        self.lines = lines
        first = next(lines, None)
        need(first is not None, self.name, "no header")
        self.header = _row(first.decode(), self.name)
        need("leaf" in self.header and len(set(self.header)) == len(self.header), self.name, "no column leaf, or one twice")
        need(all(one == "leaf" or one.startswith("/") for one in self.header), self.name, "a header that is no JSON pointer")

    def check(self, line, leaf, where):
        text = next(self.lines, None)
        need(text is not None, self.name, f"ends before {where}")
        cells = _row(text.decode(), self.name)
        need(len(cells) == len(self.header), self.name, f"{where} has not as many cells as the header")
        for name, cell in zip(self.header, cells):
            if name == "leaf":
                need(cell.encode() == line, self.name, f"{where}: the leaf is another one")
            else:
                need(cell == _cell_of(_at(leaf, name)), self.name, f"{where}: {name} is not what the leaf says")


def _same(found, wanted, where, what):
    need(found == wanted, where, f"{what} is not what the leaf says")


class Fhir:
    """One AuditEvent a line, with the line in the extension audit-leaf; who, whom, what and when as the line has it."""

    name = "events.fhir.ndjson"

    def __init__(self, lines):
        self.lines = lines

    def check(self, line, leaf, where, opened):
        text = next(self.lines, None)
        need(text is not None, self.name, f"ends before {where}")
        where = f"{self.name} {where}"
        event = read_json(text, where)
        need(isinstance(event, dict) and event.get("resourceType") == "AuditEvent", where, "no AuditEvent")
        extension = {one.get("url", "").rsplit("/", 1)[-1]: one for one in event.get("extension", [])}
        carried = tlog.unbase64(extension.get("audit-leaf", {}).get("valueBase64Binary", ""), where)
        need(carried == line, where, "the leaf is another one")
        _same(extension.get("audit-leaf-index", {}).get("valueString"), str(leaf["i"]), where, "the place")
        e = leaf["e"]
        for member, wanted in (("id", e["id"]), ("action", e["act"]), ("recorded", e["t"]), ("outcome", str(e["out"]))):
            _same(event.get(member), wanted, where, member)
        _same(event.get("outcomeDesc"), e.get("err"), where, "outcomeDesc")
        self._agents(event, e, where)
        self._entities(event, e, where)
        self._network(event, opened, where)

    @staticmethod
    def _agents(event, e, where):
        agents = event.get("agent", [])
        who = [one.get("who", {}).get("identifier", {}) for one in agents if "network" not in one]
        account = (e.get("actor") or {}).get("id")
        _same([one.get("value") for one in who], [] if account is None else [account], where, "the user")
        purposes = [two.get("code") for one in agents for use in one.get("purposeOfUse", []) for two in use.get("coding", [])]
        _same(purposes, [e["purp"]] if account is not None and "purp" in e else [], where, "the purpose")

    @staticmethod
    def _entities(event, e, where):
        patients, requests, things = [], [], []
        for one in event.get("entity", []):
            what, kind = one.get("what", {}), one.get("type", {})
            reference = what.get("reference") or what.get("identifier", {}).get("value")
            if (kind.get("system"), kind.get("code")) == PATIENT:
                patients.append(what.get("reference"))
            elif kind.get("code") == XREQUEST:
                requests.append(reference)
            elif "query" not in one:
                things.append(None if reference is None else reference.rsplit("/", 1)[-1])
        _same(patients, [f"Patient/{e['pat']}"] if "pat" in e else [], where, "the patient")
        _same(requests, [e["req"]] if "req" in e else [], where, "the request")
        _same(things, [one["i"] for one in e.get("res", [])], where, "what was touched")

    @staticmethod
    def _network(event, opened, where):
        for one in event.get("agent", []):
            network = one.get("network", {})
            if network.get("type") == "2" and "address" in network:
                need(network["address"] in opened, where, "an address that nothing opens")


def _addresses(value):
    """Whatever stands in an opened value that is an address."""
    if isinstance(value, dict):
        return {one for member in value.values() for one in _addresses(member)}
    try:
        ipaddress.ip_address(value)
        return {value}
    except ValueError:
        return set()


def _digests(value):
    if isinstance(value, dict):
        own = value.get("_sd", [])
        return set(own if isinstance(own, list) else []) | {one for member in value.values() for one in _digests(member)}
    if isinstance(value, list):
        return {one for member in value for one in _digests(member)}
    return set()


class Disclosures:
    """NDJSON `{leafIndex, disclosure}` (RFC 9901 section 4.2) in the order of the lines; none invented, none twice."""

    name = "disclosures.ndjson"

    def __init__(self, lines):
        self.lines = lines
        self.count = 0
        self.waiting = self._next()

    def _next(self):
        text = next(self.lines, None)
        if text is None:
            return None
        read = read_json(text, self.name)
        is_one = isinstance(read, dict) and set(read) == {"leafIndex", "disclosure"} and is_whole(read["leafIndex"])
        need(is_one and isinstance(read["disclosure"], str), self.name, "no disclosure")
        self.count += 1
        return read

    def opened(self, leaf):
        """Addresses that are opened for this line."""
        found, seen, digests = set(), set(), _digests(leaf)
        while self.waiting is not None and self.waiting["leafIndex"] <= leaf["i"]:
            where = f"{self.name}: of {self.waiting['leafIndex']}"
            need(self.waiting["leafIndex"] == leaf["i"], where, "of no line that is here")
            text = self.waiting["disclosure"]
            digest = base64.urlsafe_b64encode(tlog.sha256(text.encode())).decode().rstrip("=")
            need(digest in digests, where, "the line does not commit to it")
            need(digest not in seen, where, "opened twice")
            seen.add(digest)
            found |= _addresses(self._value(text, where))
            self.waiting = self._next()
        return found

    @staticmethod
    def _value(text, where):
        try:
            raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode()
        except ValueError:
            raise Refused(f"{where}: no base64url") from None
        told = read_json(raw, where)
        need(isinstance(told, list) and len(told) == 3 and all(isinstance(one, str) for one in told[:2]), where, "not salt, name and value")
        need(len(told[0]) >= 22, where, "a salt of less than 128 bits")
        return told[2]

    def end(self):
        need(self.waiting is None, self.name, "of no line that is here")
