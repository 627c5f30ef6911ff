"""What the verifier's parts have in common: how they refuse, and how JSON is read."""
import json


class Refused(Exception):
    """Something here is not what was signed, or is not of the form that was agreed on."""


def need(holds, where, what):
    if not holds:
        raise Refused(f"{where}: {what}")


def _members(pairs):
    made = dict(pairs)
    if len(made) < len(pairs):
        raise ValueError("a member twice")
    return made


def _constant(name):
    raise ValueError(name)


def read_json(text, where):
    """Strictly: no member twice, no NaN, no byte order mark."""
    try:
        return json.loads(text, object_pairs_hook=_members, parse_constant=_constant)
    except (ValueError, RecursionError) as error:
        raise Refused(f"{where}: no JSON ({error})") from None


def is_whole(value):
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**53
