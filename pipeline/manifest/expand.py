"""Manifest → Items, lazily: matrix and rows, substitution, files, every check.

Rows are the outer loop and combinations the inner one, so that a file is read once.
Only a digest of each name stays in memory.
"""

from collections.abc import Iterable, Iterator, Mapping

from pipeline.job import PICTURED, PREVIEW_MARK, Item, ItemOutput, ParamValue
from pipeline.manifest.chain import Link, Made, check_links, outputs_in
from pipeline.manifest.combination import Combination, Reporter, combinations
from pipeline.manifest.faults import Faults
from pipeline.manifest.item_id import ILLEGAL, TakenNames, check_id
from pipeline.manifest.item_params import ParamsReader
from pipeline.manifest.item_schema import TAKES_HINT, wrong_takes
from pipeline.manifest.manifest import ItemTemplate, Manifest, Step
from pipeline.manifest.node import Node, unpack_mark
from pipeline.manifest.row_ids import hint_for_rows
from pipeline.manifest.saving import render_saving
from pipeline.manifest.schema import check_model_id, lora_problem, misspelt_model
from pipeline.manifest.slug import slug_of
from pipeline.manifest.steps import find_file_input
from pipeline.manifest.substitution import (
    SLUG,
    LeftOut,
    Scope,
    Template,
    Unbound,
    render_text,
    render_value,
)
from pipeline.manifest.takes import make_take
from pipeline.models.record import shipped_model_ids
from pipeline.models.schema import InputSchema, ModelSchema
from pipeline.models.wording import find_misspelt, shown
from pipeline.naming import TAKE_MARK, split_take, step_id
from pipeline.record import replace
from pipeline.save_spec import CheckSpec, Saving

_NO_NAMES: Mapping[str, str] = {}
_ASSUMED_INPUT = "image"  # of a step whose model's inputs are unknown
_WAS_HINT = "write the id under which the item was made before, or leave `was` out"


def expand(manifest: Manifest, *, was: Mapping[str, str] = _NO_NAMES) -> Iterator[Item]:
    """Yield the items of a manifest in order, each of their takes by itself.

    A faulty item is skipped and the rest continue, so that all faults are found. A
    caller that gets the error at the end must discard the items yielded before it.

    Args:
        manifest: The manifest.
        was: Former ids of items that name none themselves, by item id.

    Raises:
        ManifestError: At the end, with every fault found, or the first hundred.
    """
    faults = Faults(manifest.file, manifest.keys)
    yield from expand_into(manifest, faults, was=was)
    faults.raise_any()


def expand_into(
    manifest: Manifest, faults: Faults, *, was: Mapping[str, str] = _NO_NAMES
) -> Iterator[Item]:
    """Like ``expand``, but collect the faults instead of raising them."""
    expansion = _Expansion(manifest, faults, was)
    for template in manifest.templates:
        for combination in combinations(template, faults):
            item = expansion.build(combination)
            if item is not None:
                yield from expansion.takes_of(item, combination)
            elif faults.is_full:
                return
            if template.steps:
                yield from expansion.build_steps(combination)
    if expansion.links:
        check_links(expansion.links, _find_made(manifest), faults)


def _find_made(manifest: Manifest) -> Iterator[Made]:
    """What every item and every step makes; little is known of those with faults."""
    faults = Faults(manifest.file, manifest.keys)  # they are reported by the main pass
    expansion = _Expansion(manifest, faults, _NO_NAMES)
    for template in manifest.templates:
        for combination in combinations(template, faults):
            item = expansion.build(combination)
            item_id = expansion.item_id_of(combination)
            if item_id is None:
                continue
            last = item
            for last in expansion.build_steps(combination):
                yield _made_by(last, manifest)
            if item is None or last is None:
                yield Made(item_id=item_id, count=None)
                continue
            # The outputs of an item with steps are those of its last one.
            yield replace(
                _made_by(last, manifest),
                item_id=item_id,
                own_kind=manifest.makes(item.model_id),
            )


def _find_input_at(
    schema: ModelSchema, path: tuple[str | int, ...]
) -> InputSchema | None:
    """The input that a path among the params leads to; None if it is not known."""
    found = schema.find_input(str(path[0]))
    if found is not None and found.fields:
        found = found.fields.get(str(path[-1]))
    return found


def _made_by(item: Item, manifest: Manifest) -> Made:
    return Made(
        item_id=item.item_id,
        count=_count(item, manifest),
        kind=manifest.makes(item.model_id),
    )


def output_stems(item: Item, schema: ModelSchema | None) -> tuple[str, ...]:
    """The names of an item's files without extensions: ``oak-1``, ``oak-2``.

    Args:
        item: From ``expand``.
        schema: The inputs of its model; None if they are unknown.
    """
    if item.chooses:
        return (item.item_id,)
    return _stems(item.item_id, item.params, schema)


def _count(item: Item, manifest: Manifest) -> int:
    if item.chooses:
        return 1
    return len(output_stems(item, manifest.models(item.model_id)))


def _sendable(
    params: dict[str, ParamValue], schema: ModelSchema | None
) -> dict[str, ParamValue]:
    return params if schema is None else schema.sendable(params)


def _stems(
    item_id: str, params: Mapping[str, ParamValue], schema: ModelSchema | None
) -> tuple[str, ...]:
    count = schema.output_count(params) if schema is not None else 1
    stems = [item_id]
    if count > 1:
        stems = [f"{item_id}-{number}" for number in range(1, count + 1)]
    if schema is not None and schema.makes in PICTURED:
        stems.append(item_id + PREVIEW_MARK)
    return tuple(stems)


def _unchecked(saving: Saving) -> Saving:
    """For an output that a step works on: it is not what the item is for."""
    return replace(saving, checks=CheckSpec())


class _Expansion:
    """The state of one pass over the items.

    Attributes:
        links: Every use of another item's output so far.
    """

    def __init__(
        self, manifest: Manifest, faults: Faults, was: Mapping[str, str]
    ) -> None:
        self._manifest = manifest
        self._was = was
        self._former: dict[str, int] = {}  # former ids: the line that names each
        self._reporter = Reporter(manifest, faults)
        self._params = ParamsReader(manifest, self._reporter)
        self._taken = TakenNames(manifest.item_count)
        self._hints: dict[tuple[str, str], str] = {}
        self._told: set[tuple[str, int, int]] = set()
        self._models: dict[str, ModelSchema | None] = {}
        self._misspelt: dict[str, list[str]] = {}
        self.links: list[Link] = []

    def build(self, combination: Combination) -> Item | None:
        """The item of one combination, or None and faults."""
        template = combination.template
        item_id = self.item_id_of(combination)
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
        # With steps, the files are those of the last one; of outputs to choose from,
        # one has the item's own name.
        names: tuple[str, ...] = (item_id,)
        if not template.steps and not template.chooses:
            names = (item_id, *_stems(item_id, read.values, schema))
        was = self._former_id(item_id, combination)
        saving = self._saving(combination)
        is_new = self._take(item_id, names, combination)
        if not is_new or not read.are_sound or saving is None:
            return None
        assert template.item_id is not None
        parents = self._link(item_id, read.values, combination, schema)
        return Item(
            item_id=item_id,
            model_id=model_id,
            params=_sendable(read.values, schema),
            template_id=str(template.item_id[1].value),
            file=self._manifest.file,
            line=unpack_mark(template.node.mark)[0],
            key=self._key_of(template.node),
            parents=parents,
            has_steps=bool(template.steps),
            is_saved=template.keep or not template.steps,
            may_be_missing=template.foreach is not None,
            former_params=tuple(_sendable(former, schema) for former in read.former),
            variables=combination.variables,
            saving=_unchecked(saving) if template.steps else saving,
            was=was,
            chooses=template.chooses,
        )

    def takes_of(self, item: Item, combination: Combination) -> Iterator[Item]:
        """The item's takes that are wanted, sorted by number; at least one."""
        count = self._take_count(combination)
        review = self._manifest.review.of(item.item_id)
        if review.is_empty and item.was and TAKE_MARK not in item.was:
            review = self._manifest.review.of(item.was)
            if not review.is_empty:
                item = replace(item, decided_as=item.was)
        if count == 1 and review.is_empty:
            yield item
            return
        schema = self._schema(item.model_id)
        numbers = review.wanted_takes(count or 1)
        if item.has_steps and len(numbers) > 1:  # all are looked at, to choose one
            item = replace(item, is_saved=True)
        for number in numbers:
            yield make_take(item, number, review, schema)

    def _former_id(self, item_id: str, combination: Combination) -> str:
        """The former id of an item, or "" if it has none; or "" and a fault."""
        if combination.template.was is None:
            return self._was.get(item_id, "")
        text, node = combination.template.was
        try:
            was = render_text(text, combination.scope)
        except Unbound as exc:
            self._reporter.add_unbound(exc, node, combination)
            return ""
        names = text.names if isinstance(text, Template) else ()
        place = self._reporter.origin(node, names, combination)
        wrong = check_id(split_take(was)[0])
        line = unpack_mark(combination.template.node.mark)[0]
        if wrong is not None:
            self._reporter.add(place, f"was: {wrong[0]}", wrong[1])
        elif was == item_id:
            self._reporter.add(place, f"'{was}' is the item's own id", _WAS_HINT)
        elif was in self._former:
            said = f"'{was}' is already the former id of the item at line"
            self._reporter.add(place, f"{said} {self._former[was]}", _WAS_HINT)
        else:
            self._former[was] = line
            return was
        return ""

    def _take_count(self, combination: Combination) -> int | None:
        """How many takes an item is to have, or None and a fault."""
        takes = combination.template.takes
        if takes is None:
            return self._manifest.takes
        compiled, node = takes
        try:
            value = render_value(compiled, combination.scope, "number")
        except Unbound as exc:
            self._reporter.add_unbound(exc, node, combination)
            return None
        if isinstance(value, LeftOut):
            return self._manifest.takes
        wrong = wrong_takes(value)
        if wrong is not None:
            names = compiled.names if isinstance(compiled, Template) else ()
            place = self._reporter.origin(node, names, combination)
            self._reporter.add(place, wrong, TAKES_HINT)
            return None
        return int(str(value))

    def build_steps(self, combination: Combination) -> Iterator[Item]:
        """The steps that follow an item, in order; those without faults."""
        item_id = self.item_id_of(combination)
        before = item_id or ""
        steps = combination.template.steps
        saving = self._saving(combination)
        for number, step in enumerate(steps, start=1):
            own = Combination(step.template, combination.scope, combination.row)
            model_id = self._model_id(own)
            schema = None if model_id is None else self._schema(model_id)
            target = step.input
            if model_id is not None and not target:
                target = self._find_input(step, model_id, schema)
            fed = {target: ItemOutput(item_id=before)} if target else {}
            read = self._params.read(own, schema, fed=fed)
            if item_id is None or model_id is None or saving is None:
                continue
            is_last = number == len(steps)
            before = step_id(item_id, step.name)
            if is_last:
                names = [
                    name
                    for name in _stems(item_id, read.values, schema)
                    if name != item_id
                ]
                if not self._take(item_id, names, combination):
                    continue
            if not read.are_sound or not target:
                continue
            assert combination.template.item_id is not None
            written = combination.template.item_id[1].value
            yield Item(
                item_id=before,
                model_id=model_id,
                params=_sendable(read.values, schema),
                template_id=step_id(str(written), step.name),
                file=self._manifest.file,
                line=unpack_mark(step.template.node.mark)[0],
                key=self._key_of(step.template.node),
                parents=self._link(before, read.values, own, schema),
                base_id=item_id,
                is_last_step=is_last,
                is_saved=is_last or step.keep,
                former_params=tuple(_sendable(one, schema) for one in read.former),
                saving=saving if is_last else _unchecked(saving),
            )

    def _key_of(self, node: Node) -> str:
        """Where a node is in a manifest that is not a file; "" in a file."""
        keys = self._manifest.keys
        return keys[unpack_mark(node.mark)[0] - 1] if keys else ""

    def _saving(self, combination: Combination) -> Saving | None:
        saving = combination.template.saving
        if isinstance(saving, Saving):
            return saving
        return render_saving(saving, combination, self._reporter)

    def _find_input(self, step: Step, model_id: str, schema: ModelSchema | None) -> str:
        """The input that takes the output before a step, or "" and a fault."""
        # Without a table, nothing is paid for unless the user insists.
        found = _ASSUMED_INPUT if schema is None else find_file_input(schema)
        if not found:
            text = f"{model_id} takes no file"
            hint = "a step works on the output before it"
            mark = step.template.node.mark
            self._reporter.add((self._manifest.file, *unpack_mark(mark)), text, hint)
        return found

    def _link(
        self,
        item_id: str,
        params: Mapping[str, ParamValue],
        combination: Combination,
        schema: ModelSchema | None,
    ) -> tuple[str, ...]:
        """The items whose outputs an item uses, each use noted for the check."""
        parents: dict[str, None] = {}
        for path, output in outputs_in(params):
            wanted = None if schema is None else _find_input_at(schema, path)
            link = Link(
                child=item_id,
                output=output,
                place=self._reporter.place(path, combination),
                input_name=str(path[0] if wanted is None else wanted.name),
                kind="" if wanted is None else wanted.kind,
            )
            self.links.append(link)
            parents[output.item_id] = None
        return tuple(parents)

    def item_id_of(self, combination: Combination) -> str | None:
        """The rendered id, or None and a fault."""
        if combination.template.item_id is None:
            return None
        text, node = combination.template.item_id
        try:
            item_id = render_text(text, combination.scope)
        except Unbound as exc:
            self._reporter.add_unbound(exc, node, combination)
            return None
        wrong = _check_slugs(text, combination.scope) or check_id(item_id)
        if wrong is None:
            return item_id
        message, hint = wrong
        culprit = _culprit(text, combination.scope)
        place = self._reporter.origin(node, culprit, combination)
        if len(culprit) == 1 and ILLEGAL.search(combination.scope.text(culprit[0])):
            hint += f", or write ${{{SLUG}{culprit[0]}}} in the id"
        # A cell's mistake is one mistake, however many combinations it is part of.
        if place not in self._told:
            self._told.add(place)
            self._reporter.add(place, message, hint)
        return None

    def _take(
        self,
        item_id: str,
        names: Iterable[str],
        combination: Combination,
    ) -> bool:
        """Whether the names of an item's files are free; if not, a fault."""
        assert combination.template.item_id is not None
        line = unpack_mark(combination.template.node.mark)[0]
        for name in dict.fromkeys(names):
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
                several = "has several outputs"
                if name.endswith(PREVIEW_MARK):
                    several = "may come with a preview"
                message = f"id '{item_id}' {several}; '{name}' is taken "
                message, hint = message + where, "rename one of the two"
            elif taken[1]:
                message = f"id '{item_id}' is already an output's name, {where}"
                hint = "rename one of the two"
            else:
                message = f"id '{item_id}' is already taken {where}"
                hint = "ids must be unique, ignoring case"
                if is_own:
                    hint = self._hint_for(combination.template)
            names = text.names if isinstance(text, Template) else ()
            place = self._reporter.origin(node, names, combination)
            self._reporter.add(place, message, hint)
            return False
        return True

    def _hint_for(self, template: ItemTemplate) -> str:
        """What to add to the id of a template whose items share one."""
        hint = "add a variable to the id that tells them apart"
        if template.rows is None or template.matrix is not None:
            return hint
        assert template.item_id is not None
        key = (template.rows.shown, str(template.item_id[1].value))
        if key not in self._hints:
            self._hints[key] = hint_for_rows(key[1], template.rows)
        return self._hints[key]

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
        if why := lora_problem(self._schema(model_id)):
            names = text.names if isinstance(text, Template) else ()
            place = self._reporter.origin(node, names, combination)
            self._reporter.add(place, *why)
            return None
        return model_id

    def _near(self, model_id: str) -> list[str]:
        if model_id not in self._misspelt:
            self._misspelt[model_id] = find_misspelt(model_id, shipped_model_ids())
        return self._misspelt[model_id]

    def _schema(self, model_id: str) -> ModelSchema | None:
        if model_id not in self._models:
            self._models[model_id] = self._manifest.models(model_id)
        return self._models[model_id]


def _check_slugs(text: str | Template, scope: Scope) -> tuple[str, str] | None:
    """What is wrong with the slugs of an id and what to do about it, or None."""
    for variable in text.variables if isinstance(text, Template) else ():
        value = scope.text(variable.name) if variable.is_slug else ""
        if variable.is_slug and not slug_of(value):
            message = f"{shown(value)} has no letter or digit for an id"
            return message, "an id has letters from a to z and digits"
    return None


def _culprit(text: str | Template, scope: Scope) -> tuple[str, ...]:
    """The variables of an id that are invalid by themselves, or all of them."""
    if isinstance(text, str):
        return ()
    wrong = [
        variable.name
        for variable in text.variables
        if check_id(
            slug_of(scope.text(variable.name))
            if variable.is_slug
            else scope.text(variable.name)
        )
    ]
    return tuple(wrong) or text.names
