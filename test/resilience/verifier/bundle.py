"""A bundle as it lies there: a ZIP file or a folder. Files are read as they are needed, line by line, never whole."""
import hashlib
import os
import re
import zipfile

from refusal import Refused, need

MOST_SMALL = 4 * 1024 * 1024
LONGEST_LEAF = 65_535
# A line of FHIR carries its leaf in base64, and what it says besides.
LONGEST_LINE = 2 * 1024 * 1024


class Bundle:
    def __init__(self, path):
        self.folder = path if os.path.isdir(path) else None
        if self.folder:
            found = []
            for at, _, names in os.walk(path):
                found += [os.path.relpath(os.path.join(at, name), path).replace(os.sep, "/") for name in names]
        else:
            try:
                self.zip = zipfile.ZipFile(path)
            except (zipfile.BadZipFile, OSError) as error:
                raise Refused(f"{path}: {error}") from None
            found = [one.filename for one in self.zip.infolist() if not one.is_dir()]
        need(len(set(found)) == len(found), path, "a file of one name twice")
        for name in found:
            need(re.fullmatch(r"[A-Za-z0-9._/-]+", name) and ".." not in name and name[0] != "/", name, "a name that no bundle has")
        self.names = set(found)

    def has(self, name):
        return name in self.names

    def open(self, name):
        need(name in self.names, name, "missing")
        return open(os.path.join(self.folder, name), "rb") if self.folder else self.zip.open(name)

    def _pieces(self, file, name, size):
        try:
            while True:
                piece = file.read(size)
                if not piece:
                    return
                yield piece
        except (zipfile.BadZipFile, OSError, EOFError) as error:
            raise Refused(f"{name}: {error}") from None

    def small(self, name):
        with self.open(name) as file:
            content = b"".join(self._pieces(file, name, MOST_SMALL + 1))
        need(len(content) <= MOST_SMALL, name, "too large")
        return content

    def digest(self, names):
        """SHA-256 and length of these files, one behind the other."""
        made, length = hashlib.sha256(), 0
        for name in names:
            with self.open(name) as file:
                for piece in self._pieces(file, name, 1024 * 1024):
                    made.update(piece)
                    length += len(piece)
        return made.hexdigest(), length

    def lines(self, name):
        """Lines without their newline, as bytes: UTF-8, no CR, no byte order mark, none empty, the last one ended."""
        with self.open(name) as file:
            rest = b""
            for piece in self._pieces(file, name, 256 * 1024):
                *whole, rest = (rest + piece).split(b"\n")
                for line in whole:
                    yield self._checked(line, name)
                need(len(rest) <= LONGEST_LINE, name, "a line too long")
            need(rest == b"", name, "cut off within a line")

    @staticmethod
    def _checked(line, name):
        need(line != b"", name, "an empty line")
        need(len(line) <= LONGEST_LINE, name, "a line too long")
        need(b"\r" not in line, name, "a carriage return")
        need(not line.startswith(b"\xef\xbb\xbf"), name, "a byte order mark")
        try:
            line.decode("utf-8")
        except UnicodeDecodeError:
            raise Refused(f"{name}: not UTF-8") from None
        return line
