#!/usr/bin/env python3
"""
Verifies an export of the ledger with nothing but what the ledger's standard tells an outsider (sections 1, 2 and 4.6), Python's
standard library and, where it is there, the openssl program. Shares no code with the portal.

  verify.py <bundle.zip or folder> --key <verifier key> [--key ...] [--witness <key>] [--previous <checkpoint>] [--complete-for <patient>]
  verify.py --self-test

Exit code 0 and VERIFIED, 1 and REFUSED with the reason, 2 where it was called wrongly.
"""
import argparse
import sys

sys.dont_write_bytecode = True

import selftest
import tlog
from bundle import LONGEST_LEAF, Bundle
from forms import Csv, Disclosures, Fhir
from refusal import Refused, is_whole, need, read_json

FIXED = {"README.txt", "manifest.json", "checkpoint", "checkpoint.previous", "consistency.json", "export.tlog-proof"}
LINES = {"events.ndjson", "events.csv", "events.fhir.ndjson", "proofs.ndjson", "disclosures.ndjson"}
# What narrows an export to patients, or to a place where it begins, and to nothing else.
PATIENTS_ONLY = {"patientIds", "patientId", "fromSeq"}


def hashes_of(values, where):
    need(isinstance(values, list) and len(values) <= 64 and all(isinstance(one, str) for one in values), where, "no hashes")
    return [tlog.unbase64(one, where, 32) for one in values]


class Verification:
    def __init__(self, bundle, keys, witnesses, complete_for):
        self.bundle, self.keys, self.complete_for = bundle, keys, complete_for
        self.head = tlog.Checkpoint(bundle.small("checkpoint"), keys, witnesses, "checkpoint")
        self.manifest = read_json(bundle.small("manifest.json"), "manifest.json")
        need(isinstance(self.manifest, dict), "manifest.json", "no object")
        self.tile_names = sorted(name for name in bundle.names if name.startswith("tile/"))
        self.kind = "range" if self.tile_names else "events" if bundle.has("proofs.ndjson") else "log"
        self.counters, self.count, self.first, self.last, self.last_leaf = {}, 0, None, None, None

    def run(self, kept):
        self.check_files()
        self.check_manifest()
        roots = self.check_previous()
        if kept is not None:
            roots.update(self.check_kept(kept))
        self.check_lines(roots)
        self.check_receipt()
        self.check_completeness()

    def check_files(self):
        told = self.manifest.get("files")
        need(isinstance(told, list), "manifest.json", "no list of files")
        names = [one.get("name") for one in told]
        here = {name for name in self.bundle.names if not name.startswith("tile/")} - {"manifest.json"}
        need(here <= FIXED | LINES, "bundle", "a file that no bundle has")
        need(len(set(names)) == len(names) and set(names) == here, "manifest.json", "does not tell of the files that are here")
        for one in told:
            made = self.bundle.digest([one["name"]])
            need(made == (one.get("sha256"), one.get("bytes")), one["name"], "is not the file of the manifest")
        tiles = self.manifest.get("tiles")
        need((tiles is not None) == bool(self.tile_names), "manifest.json", "tiles are there, or are not")

    def check_manifest(self):
        told = self.manifest.get("checkpoint") or {}
        head = self.head
        same = (told.get("origin"), told.get("size")) == (head.origin, head.size)
        need(same and tlog.unbase64(told.get("root", ""), "manifest.json", 32) == head.root, "manifest.json", "tells of another checkpoint")
        need(self.manifest.get("kind") == self.kind, "manifest.json", f"says {self.manifest.get('kind')}, and it is {self.kind}")

    def check_previous(self):
        """Older sizes with their signed roots, still to be met by the lines of a whole log."""
        size = self.manifest.get("previousSize")
        has = self.bundle.has("checkpoint.previous")
        need(has == self.bundle.has("consistency.json") == (size is not None), "checkpoint.previous", "comes with its proof, or not at all")
        if not has:
            return {}
        older = tlog.Checkpoint(self.bundle.small("checkpoint.previous"), self.keys, [], "checkpoint.previous")
        need(older.origin == self.head.origin, "checkpoint.previous", "of another log")
        proof = read_json(self.bundle.small("consistency.json"), "consistency.json")
        need(isinstance(proof, dict), "consistency.json", "no object")
        sizes = (proof.get("oldSize"), proof.get("newSize"))
        need(sizes == (older.size, self.head.size) and size == older.size, "consistency.json", "between other sizes")
        path = hashes_of(proof.get("hashes"), "consistency.json")
        need(tlog.is_consistent(older.size, self.head.size, older.root, self.head.root, path), "consistency.json", "does not lead from the older root to the newer")
        return {older.size: older.root}

    def check_kept(self, kept):
        where = "the checkpoint that was kept"
        need(kept.origin == self.head.origin, where, "of another log")
        need(kept.size <= self.head.size, where, f"had {kept.size} entries, and now there are {self.head.size}: rolled back")
        if kept.size == self.head.size:
            need(kept.root == self.head.root, where, "has another root: a fork")
            return {}
        if self.kind == "log":
            return {kept.size: kept.root}
        older = self.bundle.has("checkpoint.previous") and tlog.Checkpoint(self.bundle.small("checkpoint.previous"), self.keys, [], where)
        need(older and older.size == kept.size, where, "nothing here leads from it: ask the log for /proof/consistency")
        need(older.root == kept.root, where, "has another root than the bundle's: a fork")
        return {}

    def check_lines(self, roots):
        bundle, head = self.bundle, self.head
        csv = Csv(bundle.lines(Csv.name)) if bundle.has(Csv.name) else None
        fhir = Fhir(bundle.lines(Fhir.name)) if bundle.has(Fhir.name) else None
        told = Disclosures(bundle.lines(Disclosures.name)) if bundle.has(Disclosures.name) else None
        proofs = bundle.lines("proofs.ndjson") if self.kind == "events" else None
        tiles = tlog.Tiles(self.tile_names, bundle.small, head) if self.kind == "range" else None
        tree = tlog.Peaks()
        for line in bundle.lines("events.ndjson"):
            where = f"line {self.count + 1}"
            leaf = self.leaf(line, where)
            made = tlog.leaf_hash(line)
            if proofs is not None:
                self.check_proof(next(proofs, None), leaf["i"], made, where)
            elif tiles is not None:
                need(tiles.hashes(0, leaf["i"] // 256)[leaf["i"] % 256] == made, f"events.ndjson {where}", "is not what the tree has there")
            else:
                tree.append(made)
                need(roots.get(tree.size) in (None, tree.root() if tree.size in roots else None), where, "the log was another one when it was signed before")
            self.note(leaf, where)
            opened = told.opened(leaf) if told else set()
            if csv:
                csv.check(line, leaf, where)
            if fhir:
                fhir.check(line, leaf, where, opened)
        for rest in (csv and csv.lines, fhir and fhir.lines, proofs):
            need(rest is None or next(rest, None) is None, "bundle", "a file has more lines than events.ndjson")
        if told:
            told.end()
        if self.kind == "log":
            need(tree.size == head.size, "events.ndjson", f"{tree.size} lines, and {head.size} were signed")
            need(tree.root() == head.root, "events.ndjson", "is not the log that was signed")
        if tiles is not None:
            tiles.require_all_used()
            self.check_tile_digest()

    def check_tile_digest(self):
        # In the order of the bundle: level by level, from the left.
        def place(name):
            _, level, rest = name.split("/", 2)
            return int(level), int(rest.split(".")[0].replace("x", "").replace("/", ""))

        names = sorted(self.tile_names, key=place)
        told = self.manifest["tiles"]
        need(told.get("count") == len(names), "manifest.json", "another number of tiles")
        need(self.bundle.digest(names)[0] == told.get("sha256"), "tile/", "are not the tiles of the manifest")

    @staticmethod
    def leaf(line, where):
        where = f"events.ndjson {where}"
        need(len(line) <= LONGEST_LEAF, where, "longer than a leaf may be")
        leaf = read_json(line, where)
        need(isinstance(leaf, dict) and isinstance(leaf.get("e"), dict) and is_whole(leaf.get("i")), where, "no leaf")
        need(("n" in leaf) == ("pat" in leaf["e"]) and is_whole(leaf.get("n", 0)), where, "a patient without a counter, or a counter without one")
        return leaf

    def note(self, leaf, where):
        """The order of the lines, and each patient's counter."""
        where = f"events.ndjson {where}"
        need(self.last is None or leaf["i"] > self.last, where, "out of order")
        if self.kind != "events":
            wanted = self.manifest.get("firstSeq") if self.last is None else self.last + 1
            need(leaf["i"] == (self.count if self.kind == "log" else wanted), where, "there is a gap before it")
        self.first = leaf["i"] if self.first is None else self.first
        self.last, self.last_leaf = leaf["i"], leaf
        self.count += 1
        patient = leaf["e"].get("pat")
        if patient in self.wanted():
            first, last = self.counters.get(patient, (leaf["n"], leaf["n"] - 1))
            need(leaf["n"] == last + 1, where, f"the counter of {patient} is {leaf['n']} after {last}: an event was left out")
            self.counters[patient] = (first, leaf["n"])
        elif self.wanted():
            need(not self.manifest_patients() or self.complete_for, where, "of nobody who was asked for")

    def manifest_patients(self):
        return {one.get("id") for one in self.manifest.get("completeFor") or []}

    def wanted(self):
        if self.kind == "events":
            return self.manifest_patients() | set(self.complete_for)
        return set()

    def check_proof(self, text, index, made, where):
        need(text is not None, "proofs.ndjson", f"ends before {where}")
        where = f"proofs.ndjson {where}"
        proof = read_json(text, where)
        need(isinstance(proof, dict), where, "no proof")
        need((proof.get("leafIndex"), proof.get("treeSize")) == (index, self.head.size), where, "of another place or tree")
        path = hashes_of(proof.get("hashes"), where)
        need(tlog.is_included(index, self.head.size, made, path, self.head.root), where, "does not lead from the line to the signed root")

    def check_receipt(self):
        """The event of the export itself, which the log has signed: it stands where the manifest says, and is of this export."""
        where = "export.tlog-proof"
        above, _, note = self.bundle.small(where).partition(b"\n\n")
        need(note == self.head.raw, where, "brings another checkpoint")
        lines = above.decode("ascii", "replace").split("\n")
        need(len(lines) >= 3 and lines[0] == "c2sp.org/tlog-proof@v1" and lines[1].startswith("extra ") and lines[2].startswith("index "), where, "no proof")
        asked = self.manifest.get("askedFor") or {}
        need(lines[2] == f"index {asked.get('seq')}", where, "of another place")
        line = tlog.unbase64(lines[1][6:], where)
        path = hashes_of(lines[3:], where)
        need(tlog.is_included(asked["seq"], self.head.size, tlog.leaf_hash(line), path, self.head.root), where, "does not lead to the signed root")
        leaf = self.leaf(line, where)
        e = leaf["e"]
        need(leaf["i"] == asked["seq"] and e.get("sub") == "AuditExport.create" and e.get("out") == 0, where, "no event of an export")
        need(self.manifest.get("id") in [one.get("i") for one in e.get("res", [])], where, "of another export")
        need(e.get("actor", {}).get("id") == asked.get("by"), where, "somebody else asked for it")
        is_closed = "toSeq" in (self.manifest.get("filter") or {}) and self.kind == "range"
        need(is_closed or self.last == leaf["i"], "events.ndjson", "does not end with the event of its own export")

    def check_completeness(self):
        told = self.manifest
        need((told.get("lines"), told.get("firstSeq"), told.get("lastSeq")) == (self.count, self.first, self.last), "manifest.json", "tells of other lines")
        asked = told.get("filter") or {}
        patients = asked.get("patientIds") or asked.get("patientId") or []
        if patients and set(asked) <= PATIENTS_ONLY:
            need(self.manifest_patients() == set(patients), "manifest.json", "an export of patients that does not say to be complete")
        for one in told.get("completeFor") or []:
            need(self.counters.get(one.get("id")) == (one.get("firstN"), one.get("lastN")), "manifest.json", "tells of other counters")
        for patient in self.wanted():
            first, _ = self.counters.get(patient, (None, None))
            need(first is not None, "events.ndjson", f"nothing about {patient}")
            need(first == 1 or "fromSeq" in asked, "events.ndjson", f"the events of {patient} do not begin with the first")
            need(self.last_leaf["e"]["sub"] == "AuditExport.create", "events.ndjson", "newer events may have been left out")

    def words(self):
        head = self.head
        holds = {"log": "the whole log", "range": f"the entries {self.first} to {self.last}", "events": "chosen events"}[self.kind]
        lines = [f"VERIFIED {self.count} lines: {holds} of {head.origin}, {head.size} entries when it was signed, root {head.root.hex()}"]
        lines += [f"seen by {name} at {time}" for name, time in head.witnessed.items()]
        lines += [f"complete for {one}: its events {first} to {last}" for one, (first, last) in sorted(self.counters.items())]
        if self.kind == "events" and not self.counters:
            lines.append("these events are true; that there are no others like them cannot be shown")
        return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle", nargs="?")
    parser.add_argument("--self-test", action="store_true")
    for name in ("--key", "--witness", "--complete-for"):
        parser.add_argument(name, action="append", default=[])
    parser.add_argument("--previous")
    asked = parser.parse_args()
    if asked.self_test:
        failed, count = selftest.run()
        print(f"REFUSED {', '.join(failed)}" if failed else f"VERIFIED {count} known answers")
        return 1 if failed else 0
    if asked.bundle is None or not asked.key:
        parser.error("a bundle and the log's verifier key are needed")
    try:
        keys, witnesses = [tlog.Key(one) for one in asked.key], [tlog.Key(one) for one in asked.witness]
        kept = None
        if asked.previous:
            with open(asked.previous, "rb") as file:
                kept = tlog.Checkpoint(file.read(), keys, [], asked.previous)
        verification = Verification(Bundle(asked.bundle), keys, witnesses, asked.complete_for)
        verification.run(kept)
    except Refused as error:
        print(f"REFUSED {error}")
        return 1
    except (KeyError, TypeError, AttributeError, ValueError, IndexError) as error:
        # A member of another form than was agreed on.
        print(f"REFUSED a file is not of its form: {type(error).__name__} {error}")
        return 1
    print(verification.words())
    return 0


if __name__ == "__main__":
    sys.exit(main())
