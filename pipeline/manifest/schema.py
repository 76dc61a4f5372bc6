"""Nodes → Manifest: top-level keys, their types and defaults, and every fault."""

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from difflib import get_close_matches
from pathlib import Path

from pipeline.errors import UsageError
from pipeline.job import JsonValue, ReferenceAsset
from pipeline.manifest.faults import Faults
from pipeline.manifest.item_id import is_reserved
from pipeline.manifest.item_schema import MAX_ITEMS, ItemReader, wrong_takes
from pipeline.manifest.keys import MANIFEST_KEYS, REFERENCE_KEYS
from pipeline.manifest.manifest import FindModel, ItemTemplate, Manifest, SavingDraft
from pipeline.manifest.node import Broken, Node
from pipeline.manifest.node_reader import NodeReader
from pipeline.manifest.profiles import (
    Profiles,
    apply_profile,
    find_profile,
    read_profiles,
)
from pipeline.manifest.references import BadPath, ReferenceFiles
from pipeline.manifest.saving import check_draft, read_draft
from pipeline.manifest.steps import ForeachReader, StepReader
from pipeline.manifest.substitution import LeftOut, Scope, Template, render_value
from pipeline.models.checks import ASSET_ID_LENGTH
from pipeline.models.record import load_shipped_model, shipped_model_ids
from pipeline.models.schema import ModelSchema
from pipeline.models.wording import find_misspelt, suggestion
from pipeline.save_spec import Saving
from pipeline.storage.bucket_url import parse_store_url
from pipeline.units import parse_units

VERSION = 1
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_REFERENCE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*")
_UNSAFE_ID = re.compile(r"[\s/?#%]")


class SchemaReader:
    """Reads one manifest.

    Args:
        data: The file's bytes.
        text: The same, decoded.
        file: The path as the user gave it.
        path: The absolute path.
        faults: Collects what is wrong.
        allow_outside: Whether files may be outside the manifest's folder.
        models: Finds a model's inputs.
        on_name: Called with the manifest's name before the first model is looked up.
        profile: The name of the profile to use, or "".
    """

    def __init__(
        self,
        *,
        data: bytes,
        text: str,
        file: str,
        path: Path,
        faults: Faults,
        allow_outside: bool,
        models: FindModel,
        on_name: Callable[[str], None],
        profile: str = "",
    ) -> None:
        self._profile = profile
        self._on_name = on_name
        self._data = data
        self._text = text
        self._file = file
        self._path = path
        self._faults = faults
        self._allow_outside = allow_outside
        self._models = models
        self._reader = NodeReader(text, faults)
        self._files = ReferenceFiles(path.parent, allow_outside=allow_outside)
        self._row_notes: list[str] = []

    def read(self, root: Node) -> Manifest | None:
        """The manifest as far as it can be understood; None if nothing can be.

        Raises:
            UsageError: There is no such profile.
        """
        entries = self._reader.mapping(root, "a manifest")
        if entries is None:
            return None
        if "version" not in entries and "items" not in entries:
            text = "this is not a manifest: it has neither 'version' nor 'items'"
            self._faults.add(root.mark, text, "see manifests/quickstart.yaml")
            return None
        name = self._name(entries.get("name"))
        profiles = read_profiles(entries.get("profiles"), self._reader)
        if self._profile:
            chosen = find_profile(profiles, self._profile, self._file)
            entries = apply_profile(entries, chosen)
            name = f"{name}.{self._profile}"
        self._on_name(name)
        hints = {
            "prompt": "a prompt belongs to an item",
            "item": "did you mean 'items'?",
        }
        shipped = load_shipped_model(shipped_model_ids()[0])
        inputs = list(shipped.inputs) if shipped is not None else []
        meant = self._reader.unknown_keys(entries, MANIFEST_KEYS, hints, inputs)
        if "version" not in meant:
            self._version(root, entries.get("version"))
        variables = self._reader.variables(entries.get("vars"), "vars")
        model_id = self._model(_find_model_key(entries, meant), variables)
        params, param_nodes, broken = self._params(entries.get("params"), variables)
        saving = read_draft(self._reader, entries, variables)
        check_draft(saving, self._faults)
        templates = self._items(
            root, entries, meant, variables, model_id=model_id or "", saving=saving
        )
        if model_id is None and "model" not in meant:
            self._check_models(
                root, templates, is_given="model" in entries, profiles=profiles
            )
        return Manifest(
            name=name,
            file=self._file,
            path=self._path,
            sha256=hashlib.sha256(self._data).hexdigest(),
            model_id=model_id or "",
            item_count=sum(template.count for template in templates),
            warnings=self._warnings(model_id, templates),
            references=self._references(entries.get("references")),
            max_cost=self._max_cost(entries.get("max_cost")),
            store=self._store(entries.get("store")),
            params=params,
            param_nodes=param_nodes,
            doubtful=broken,
            templates=templates,
            takes=self._takes(entries.get("takes")),
            profile=self._profile,
            profiles=tuple(profiles),
            report=self._reader.flag(entries.get("report"), "'report'"),
            text=self._text,
            files=self._files,
            models=self._models,
        )

    def _version(self, root: Node, node: Node | None) -> None:
        if node is None:
            text, hint = "'version' is missing", f"begin with `version: {VERSION}`"
            self._faults.add(root.mark, text, hint)
        elif isinstance(node.value, Broken):
            pass
        elif node.value != VERSION or isinstance(node.value, bool):
            text = f"version must be {VERSION}"
            hint = f"write `version: {VERSION}`"
            if isinstance(node.value, int) and node.value > VERSION:
                hint = "a newer release of pipeline may be able to read it"
            self._faults.add(node.mark, text, hint)

    def _name(self, node: Node | None) -> str:
        if node is None:
            return safe_name(self._path.stem)
        name = self._reader.string(node, "name")
        if name is None:
            return safe_name(self._path.stem)
        wrong = ""
        if not _NAME.fullmatch(name):
            wrong = "must be 1 to 64 letters, digits, '.', '_' or '-'"
        elif name.endswith("."):
            wrong = "cannot end with '.'"
        elif name.endswith(".emulated"):
            wrong = "cannot end with '.emulated', which marks emulated output"
        elif is_reserved(name):
            wrong = "is a reserved device name on Windows"
        if wrong:
            hint = f"for example {safe_name(name)}"
            self._faults.add(node.mark, f"name '{name[:80]}' {wrong}", hint)
            return safe_name(name)  # the folder of this name is looked at
        return name

    def _max_cost(self, node: Node | None) -> Decimal | None:
        if node is None or isinstance(node.value, Broken):
            return None
        value = node.value
        if isinstance(value, int | float | str) and not isinstance(value, bool):
            units = parse_units(str(value))
            if units is not None:
                return units
        text = "'max_cost' must be a number of compute units, 0 or more"
        self._faults.add(node.mark, text, "for example max_cost: 500")
        return None

    def _store(self, node: Node | None) -> str:
        if node is None or isinstance(node.value, Broken):
            return ""
        if not isinstance(node.value, str):
            text = "'store' must be the URL of a bucket or a folder"
            self._faults.add(node.mark, text, "for example store: s3://bucket/prefix")
            return ""
        try:
            parse_store_url(node.value, {})
        except UsageError as error:
            self._faults.add(node.mark, f"'store': {error.message}", error.hint)
            return ""
        return node.value

    def _takes(self, node: Node | None) -> int:
        if node is None or isinstance(node.value, Broken):
            return 1
        wrong = wrong_takes(node.value)
        if wrong is None:
            return int(str(node.value))
        self._faults.add(node.mark, wrong, "for example takes: 4")
        return 1

    def _model(self, node: Node | None, variables: Mapping[str, Node]) -> str | None:
        if node is None or self._reader.string(node, "model") is None:
            return None
        compiled = self._reader.template(node, variables)
        if compiled is None:
            return None
        model_id = str(render_value(compiled, Scope(variables, {}), ""))
        if wrong := check_model_id(model_id):
            self._faults.add(node.mark, wrong)
            return None
        schema = self._models(model_id)
        if wrong_use := lora_problem(schema):
            self._faults.add(node.mark, *wrong_use)
            return None
        if schema is None:
            # One letter off a known model is a typo; anything else may be a new model.
            near = find_misspelt(model_id, shipped_model_ids())
            if near:
                self._faults.add(node.mark, *misspelt_model(model_id, near))
                # The inputs are checked for the model that was meant.
                return near[0] if len(near) == 1 else None
        return model_id

    def _check_models(
        self,
        root: Node,
        templates: tuple[ItemTemplate, ...],
        *,
        is_given: bool,
        profiles: Profiles,
    ) -> None:
        without = [template for template in templates if template.model is None]
        if without and not is_given:
            hint = f"write `model: {shipped_model_ids()[0]}`"
            with_model = [name for name, keys in profiles.items() if "model" in keys]
            if with_model and not self._profile:
                hint += f", or use a profile that has one: --profile {with_model[0]}"
            self._faults.add(root.mark, "'model' is missing", hint)

    def _params(
        self, node: Node | None, variables: Mapping[str, Node]
    ) -> tuple[dict[str, JsonValue], Mapping[str, Node], frozenset[str]]:
        nodes = self._reader.entries(node, "params")
        params: dict[str, JsonValue] = {}
        broken: set[str] = set()
        for name, value in nodes.items():
            compiled = self._reader.value(value, variables)
            if isinstance(compiled, Broken):
                broken.add(name)
                continue
            rendered = render_value(compiled, Scope(variables, {}), "")
            assert not isinstance(rendered, LeftOut)
            params[name] = rendered
        return params, nodes, frozenset(broken)

    def _items(
        self,
        root: Node,
        entries: Mapping[str, Node],
        meant: frozenset[str],
        variables: Mapping[str, Node],
        *,
        model_id: str,
        saving: SavingDraft,
    ) -> tuple[ItemTemplate, ...]:
        node = entries.get("items")
        if node is None:
            if "items" not in meant:
                hint = "list what to make: `items: [{id: …, prompt: …}]`"
                self._faults.add(root.mark, "'items' is missing", hint)
            return ()
        elements = self._reader.sequence(node, "items")
        if elements == []:
            self._faults.add(node.mark, "there are no items")
        schema = self._models(model_id) if model_id else None
        items = ItemReader(
            self._reader,
            file=self._file,
            folder=self._path.parent,
            allow_outside=self._allow_outside,
            variables=variables,
            input_names=[n for n in schema.inputs if n != "prompt"] if schema else (),
            steps=StepReader(self._reader, entries.get("steps")),
            foreach=ForeachReader(
                self._reader,
                elements or (),
                steps=entries.get("steps"),
                params=self._reader.entries(entries.get("params"), "params"),
                model_id=model_id,
                models=self._models,
            ),
            saving=saving,
        )
        found: list[ItemTemplate] = []
        for element in elements or ():
            if self._faults.is_full:
                break
            template = items.read(element)
            if template is not None:
                found.append(template)
        self._row_notes = items.notes
        templates = tuple(found)
        total = sum(template.count for template in templates)
        if total > MAX_ITEMS:
            text = f"this makes {total:,} items; at most {MAX_ITEMS:,} are allowed"
            self._faults.add(node.key_mark, text, "split it into several manifests")
            return ()
        return templates

    def _references(self, node: Node | None) -> dict[str, ReferenceAsset | str]:
        entries = self._reader.entries(node, "references")
        found: dict[str, ReferenceAsset | str] = {}
        for name, value in entries.items():
            found[name] = ""  # defined, if broken: no second fault where it is used
            if not _REFERENCE_NAME.fullmatch(name):
                hint = "use letters, digits, '.', '_' and '-'"
                text = f"'{name[:80]}' is not a reference name"
                self._faults.add(value.key_mark, text, hint)
                continue
            found[name] = self._reference(name, value)
        return found

    def _reference(self, name: str, value: Node) -> ReferenceAsset | str:
        """A file or an asset id; "" and a fault if it is neither."""
        what, upright = f"reference '{name}'", False
        if isinstance(value.value, dict):
            entries = value.value
            meant = self._reader.unknown_keys(
                entries, REFERENCE_KEYS, {"path": "did you mean 'file'?"}
            )
            upright = self._reader.flag(entries.get("upright"), f"{what}: 'upright'")
            if "file" not in entries:
                if "file" not in meant:
                    hint = "write {file: PATH, upright: true}"
                    self._faults.add(value.mark, f"{what} has no 'file'", hint)
                return ""
            value = entries["file"]
        text = self._reader.string(value, what)
        if text is None:
            return ""
        if text.startswith("asset_") and "/" not in text:
            wrong = _check_asset_id(text)
            if upright and not wrong:
                wrong = "an asset of the service cannot be turned: name the file"
            if wrong:
                self._faults.add(value.mark, f"{what}: {wrong}")
                return ""
            return text
        try:
            path = text.removeprefix("file:")
            return self._files.load(path, name=name, upright=upright)
        except BadPath as exc:
            self._faults.add(value.mark, f"{what}: {exc.message}", exc.hint)
            return ""

    def _warnings(
        self, model_id: str | None, templates: tuple[ItemTemplate, ...]
    ) -> tuple[str, ...]:
        own = [template.model[0] for template in templates if template.model]
        used = [model_id, *(m for m in own if not isinstance(m, Template))]
        found: list[str] = [*self._row_notes]
        for name in dict.fromkeys(used):
            if name and self._models(name) is None:
                hint = suggestion(name, shipped_model_ids())
                meant = f"; {hint}" if hint.startswith("did") else ""
                text = f"the inputs of {name} are unknown, so they are not checked"
                found.append(text + meant)
        treated = {
            last.model[0] if last.model else model_id
            for template in templates
            for last in [template.steps[-1].template if template.steps else template]
            if template.saving != Saving()
        }
        for name in dict.fromkeys(used):
            schema = self._models(name) if name in treated and name else None
            if schema is not None and not schema.makes_pictures:
                text = f"{name} makes no pictures: 'save', 'embed' and 'checks' do"
                found.append(f"{text} nothing for its files")
        return tuple(found)


def _find_model_key(entries: Mapping[str, Node], meant: frozenset[str]) -> Node | None:
    """The model's node, even under a misspelt key, so that its inputs are checked."""
    if "model" not in entries and "model" in meant:
        other = [key for key in entries if key not in MANIFEST_KEYS]
        near = get_close_matches("model", other, 1)
        return entries[near[0]] if near else None
    return entries.get("model")


def safe_name(stem: str) -> str:
    """A name for the output folder from any text."""
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", stem).strip("-._")[:64].rstrip("-._")
    if not name or is_reserved(name) or name.endswith(".emulated"):
        return "manifest"
    return name


def check_model_id(model_id: str) -> str:
    """What is wrong with a model's id, or ""."""
    if not model_id:
        return "the model id is empty"
    if len(model_id) > ASSET_ID_LENGTH or _UNSAFE_ID.search(model_id):
        return f"'{model_id[:80]}' is not a model id"
    return ""


def misspelt_model(model_id: str, near: Sequence[str]) -> tuple[str, str]:
    """The message and hint for a misspelt model and the models that it resembles."""
    meant = " or ".join(f"'{one}'" for one in near)
    return f"unknown model '{model_id}'", f"did you mean {meant}?"


def lora_problem(schema: ModelSchema | None) -> tuple[str, str] | None:
    """The message and hint for a LoRA that is used as the model; None for a model.

    The service refuses it. Source: Scenario API sheet, section 17.2.
    """
    if schema is None or schema.lora_of is None:
        return None
    base = f"its base model ({schema.lora_of})" if schema.lora_of else "its base model"
    return (
        f"'{schema.model_id}' is a LoRA, which cannot be run by itself",
        f"use {base}, with params: {{loras: [{schema.model_id}], lorasScale: [1]}}",
    )


def _check_asset_id(asset_id: str) -> str:
    if len(asset_id) > ASSET_ID_LENGTH or _UNSAFE_ID.search(asset_id):
        return f"'{asset_id[:80]}' is not an asset id"
    return ""
