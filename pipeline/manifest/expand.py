"""Manifest → Items, lazily: matrix and rows, substitution, files, every check.

Rows are the outer loop and combinations the inner one, so that a file is read once.
Only a digest of each name stays in memory.
"""

from collections.abc import Iterator, Mapping

from pipeline.job import Item, ParamValue
from pipeline.manifest.combination import Combination, Reporter, combinations
from pipeline.manifest.faults import Faults
from pipeline.manifest.item_id import TakenNames, check_id
from pipeline.manifest.item_params import ParamsReader
from pipeline.manifest.manifest import Manifest
from pipeline.manifest.node import unpack_mark
from pipeline.manifest.saving import render_saving
from pipeline.manifest.schema import check_model_id, misspelt_model
from pipeline.manifest.substitution import Scope, Template, Unbound, render_text
from pipeline.models.schema import ModelSchema, shipped_model_ids
from pipeline.models.wording import find_misspelt
from pipeline.save_spec import Saving


def expand(manifest: Manifest) -> Iterator[Item]:
    """Yield the items of a manifest in order, ``item_count`` of them.

    A faulty item is skipped and the rest continue, so that all faults are found. A
    caller that gets the error at the end must discard the items yielded before it.

    Raises:
        ManifestError: At the end, with every fault found, or the first hundred.
    """
    faults = Faults(manifest.file)
    yield from expand_into(manifest, faults)
    faults.raise_any()


def expand_into(manifest: Manifest, faults: Faults) -> Iterator[Item]:
    """Like ``expand``, but collect the faults instead of raising them."""
    expansion = _Expansion(manifest, faults)
    for template in manifest.templates:
        for combination in combinations(template, faults):
            item = expansion.build(combination)
            if item is not None:
                yield item
            elif faults.is_full:
                return


def output_stems(item: Item, schema: ModelSchema | None) -> tuple[str, ...]:
    """The names of an item's files without extensions: ``oak-1``, ``oak-2``.

    Args:
        item: From ``expand``.
        schema: The inputs of its model; None if they are unknown.
    """
    return _stems(item.item_id, item.params, schema)


def _sendable(
    params: dict[str, ParamValue], schema: ModelSchema | None
) -> dict[str, ParamValue]:
    return params if schema is None else schema.sendable(params)


def _stems(
    item_id: str, params: Mapping[str, ParamValue], schema: ModelSchema | None
) -> tuple[str, ...]:
    count = schema.output_count(params) if schema is not None else 1
    if count == 1:
        return (item_id,)
    return tuple(f"{item_id}-{number}" for number in range(1, count + 1))


class _Expansion:
    """The state of one pass over the items."""

    def __init__(self, manifest: Manifest, faults: Faults) -> None:
        self._manifest = manifest
        self._reporter = Reporter(manifest, faults)
        self._params = ParamsReader(manifest, self._reporter)
        self._taken = TakenNames(manifest.item_count)
        self._models: dict[str, ModelSchema | None] = {}
        self._misspelt: dict[str, list[str]] = {}

    def build(self, combination: Combination) -> Item | None:
        """The item of one combination, or None and faults."""
        template = combination.template
        item_id = self._item_id(combination)
        model_id = self._model_id(combination)
        if model_id is None:
            if item_id is not None:
                self._take(item_id, (item_id,), combination)
            self._params.read(combination, None)
            return None
        schema = self._schema(model_id)
        read = self._params.read(combination, schema)
        if item_id is None:
            return None
        stems = _stems(item_id, read.values, schema)
        saving = self._saving(combination)
        is_new = self._take(item_id, stems, combination)
        if not is_new or not read.are_sound or saving is None:
            return None
        assert template.item_id is not None
        return Item(
            item_id=item_id,
            model_id=model_id,
            params=_sendable(read.values, schema),
            template_id=str(template.item_id[1].value),
            file=self._manifest.file,
            line=unpack_mark(template.node.mark)[0],
            former_params=tuple(_sendable(former, schema) for former in read.former),
            saving=saving,
        )

    def _saving(self, combination: Combination) -> Saving | None:
        saving = combination.template.saving
        if isinstance(saving, Saving):
            return saving
        return render_saving(saving, combination, self._reporter)

    def _item_id(self, combination: Combination) -> str | None:
        if combination.template.item_id is None:
            return None
        text, node = combination.template.item_id
        try:
            item_id = render_text(text, combination.scope)
        except Unbound as exc:
            self._reporter.add_unbound(exc, node, combination)
            return None
        wrong = check_id(item_id)
        if wrong is None:
            return item_id
        culprit = _culprit(text, combination.scope)
        self._reporter.add(self._reporter.origin(node, culprit, combination), *wrong)
        return None

    def _take(
        self,
        item_id: str,
        stems: tuple[str, ...],
        combination: Combination,
    ) -> bool:
        assert combination.template.item_id is not None
        line = unpack_mark(combination.template.node.mark)[0]
        for name in dict.fromkeys((item_id, *stems)):
            taken = self._taken.take(name, line, is_output=name != item_id)
            if taken is None:
                continue
            text, node = combination.template.item_id
            is_own = taken[0] == line and isinstance(text, Template)
            where = (
                "by another row or combination here"
                if is_own
                else f"at line {taken[0]}"
            )
            if name != item_id:
                message = f"id '{item_id}' has several outputs; '{name}' is taken "
                message, hint = message + where, "rename one of the two"
            elif taken[1]:
                message = f"id '{item_id}' is already an output's name, {where}"
                hint = "rename one of the two"
            else:
                message = f"id '{item_id}' is already taken {where}"
                hint = "ids must be unique, ignoring case"
                if is_own:
                    hint = "add a variable to the id that tells them apart"
            names = text.names if isinstance(text, Template) else ()
            place = self._reporter.origin(node, names, combination)
            self._reporter.add(place, message, hint)
            return False
        return True

    def _model_id(self, combination: Combination) -> str | None:
        if combination.template.model is None:
            return self._manifest.model_id or None
        text, node = combination.template.model
        try:
            model_id = render_text(text, combination.scope)
        except Unbound as exc:
            self._reporter.add_unbound(exc, node, combination)
            return None
        if wrong := check_model_id(model_id):
            names = text.names if isinstance(text, Template) else ()
            self._reporter.add(self._reporter.origin(node, names, combination), wrong)
            return None
        if self._schema(model_id) is None and (near := self._near(model_id)):
            names = text.names if isinstance(text, Template) else ()
            place = self._reporter.origin(node, names, combination)
            self._reporter.add(place, *misspelt_model(model_id, near))
            return near[0] if len(near) == 1 else None
        return model_id

    def _near(self, model_id: str) -> list[str]:
        if model_id not in self._misspelt:
            self._misspelt[model_id] = find_misspelt(model_id, shipped_model_ids())
        return self._misspelt[model_id]

    def _schema(self, model_id: str) -> ModelSchema | None:
        if model_id not in self._models:
            self._models[model_id] = self._manifest.models(model_id)
        return self._models[model_id]


def _culprit(text: str | Template, scope: Scope) -> tuple[str, ...]:
    """The variables of an id that are invalid by themselves, or all of them."""
    if isinstance(text, str):
        return ()
    return tuple(n for n in text.names if check_id(scope.text(n))) or text.names
