"""``profiles``: named sets of top-level keys, of which a command uses one.

A value of the profile counts before the top level's and before an item's own. It is
put in their places before anything else is read, so that every later check sees the
manifest that the profile makes, with the positions of what is written in it.
"""

import re
from collections.abc import Mapping

from pipeline.errors import UsageError
from pipeline.manifest.item_schema import wrong_takes
from pipeline.manifest.keys import PROFILE_KEYS
from pipeline.manifest.node import Broken, Node
from pipeline.manifest.node_reader import NodeReader
from pipeline.models.wording import suggestion

PROFILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,31}")
# It would have the emulator's output folder.
_RESERVED = "emulated"
_OF_ITEMS = tuple(
    key for key in PROFILE_KEYS if key not in {"model", "max_cost", "store"}
)

Profiles = Mapping[str, Mapping[str, Node]]


def read_profiles(node: Node | None, reader: NodeReader) -> Profiles:
    """The keys of each profile, by name; what is wrong with them is reported.

    A profile with faults is among them, so that its name is known.

    Args:
        node: The top-level ``profiles``, or None.
        reader: Reads the manifest's nodes.
    """
    found: dict[str, Mapping[str, Node]] = {}
    lowered: dict[str, str] = {}
    for name, profile in reader.entries(node, "profiles").items():
        shown = name[:80]
        if not PROFILE_NAME.fullmatch(name):
            text = f"'{shown}' is not a profile name"
            hint = "use at most 32 letters, digits, '_' and '-'"
            reader.faults.add(profile.key_mark, text, hint)
        elif name.lower() == _RESERVED:
            text = f"a profile cannot be called '{name}', which marks emulated output"
            reader.faults.add(profile.key_mark, text, "choose another name")
        elif (first := lowered.setdefault(name.lower(), name)) != name:
            text = f"the profiles '{first}' and '{name}' would share a folder"
            hint = "names must be different, ignoring case"
            reader.faults.add(profile.key_mark, text, hint)
        found[name] = _read_profile(profile, name, reader)
    return found


def _read_profile(node: Node, name: str, reader: NodeReader) -> Mapping[str, Node]:
    entries = reader.entries(node, f"profile '{name[:80]}'")
    hints = {
        "items": "a profile cannot change items; use vars that it overrides",
        "prompt": "write `params: {prompt: …}`, or use vars that it overrides",
    }
    reader.unknown_keys(entries, PROFILE_KEYS, hints)
    takes = entries.get("takes")
    if takes is not None and not isinstance(takes.value, Broken):
        wrong = wrong_takes(takes.value)
        if wrong is not None:
            reader.faults.add(takes.mark, wrong, "for example takes: 4")
    for key in ("params", "vars"):
        reader.entries(entries.get(key), key)
    return {key: entries[key] for key in PROFILE_KEYS if key in entries}


def find_profile(profiles: Profiles, name: str, file: str) -> Mapping[str, Node]:
    """The keys of a profile.

    Args:
        profiles: From ``read_profiles``.
        name: Its name.
        file: The manifest's path as the user gave it.

    Raises:
        UsageError: There is no such profile.
    """
    if name in profiles:
        return profiles[name]
    hint = "it has no profiles; leave --profile out"
    if profiles:
        hint = "known: " + ", ".join(profiles)
        if (near := suggestion(name, list(profiles))).startswith("did"):
            hint = f"{near} {hint}"
    raise UsageError(f"{file} has no profile '{name[:80]}'", hint=hint)


def apply_profile(
    entries: Mapping[str, Node], profile: Mapping[str, Node]
) -> dict[str, Node]:
    """The manifest's entries with a profile's values in their places."""
    changed = dict(entries)
    for key, node in profile.items():
        changed[key] = _merge(entries[key], node) if key in entries else node
    items = entries.get("items")
    of_items = {key: profile[key] for key in _OF_ITEMS if key in profile}
    if items is not None and isinstance(items.value, list) and of_items:
        elements = [_apply_to_item(item, of_items) for item in items.value]
        changed["items"] = _with_value(items, elements)
    return changed


def _apply_to_item(item: Node, profile: Mapping[str, Node]) -> Node:
    """The item with a profile's values instead of those that it gives itself."""
    if not isinstance(item.value, dict):
        return item
    changed = {
        key: _override(item.value[key], node, keeps_null=key == "params")
        for key, node in profile.items()
        if key in item.value
    }
    if "prompt" in item.value and (params := profile.get("params")) is not None:
        prompts = params.value if isinstance(params.value, dict) else {}
        if "prompt" in prompts:
            changed["prompt"] = prompts["prompt"]
    return _with_value(item, {**item.value, **changed}) if changed else item


def _merge(base: Node, own: Node) -> Node:
    """Two mappings as one; anything else is replaced."""
    if isinstance(base.value, dict):
        if isinstance(own.value, dict):
            return _with_value(own, {**base.value, **own.value})
        return base if own.value is None else own
    is_empty = base.value is None or base.value is False
    # A base of the wrong type is left for the reader to report.
    return base if isinstance(own.value, dict) and not is_empty else own


def _override(given: Node, own: Node, *, keeps_null: bool) -> Node:
    """What an item gives, with the profile's values for the same names.

    An input that an item leaves out with null is not one of its model.
    """
    if not isinstance(given.value, dict):
        return given if isinstance(own.value, dict) else own
    if not isinstance(own.value, dict):
        return given if own.value is None else own
    same = {
        name: own.value[name]
        for name, value in given.value.items()
        if name in own.value and not (keeps_null and value.value is None)
    }
    return _with_value(given, {**given.value, **same})


def _with_value(node: Node, value: dict[str, Node] | list[Node]) -> Node:
    changed = Node(value, node.mark, node.text)
    changed.key_mark = node.key_mark
    return changed
