"""``steps`` and ``foreach``: Nodes → what follows an item, and for which outputs."""

import re
from collections.abc import Collection, Mapping, Sequence

from pipeline.manifest.manifest import FindModel, ItemTemplate, Step
from pipeline.manifest.matrix import Matrix
from pipeline.manifest.node import Broken, Node
from pipeline.manifest.node_reader import NodeReader
from pipeline.manifest.substitution import Compiled, Template
from pipeline.models.schema import MOST_OUTPUTS, ModelSchema
from pipeline.record import replace

STEP_KEYS = ("name", "model", "prompt", "params", "input", "keep")
MAX_STEPS = 20
FOREACH_INDEX = "index"  # variables of an item with ``foreach``
FOREACH_OUTPUT = "output"
_PREFIX = "item:"
_NAME = re.compile(r"[A-Za-z0-9_-]{1,40}")


class StepReader:
    """Reads the steps of items.

    Args:
        reader: Reads the manifest's nodes.
        of_all: The top-level ``steps``, for items without steps of their own, or None.
    """

    def __init__(self, reader: NodeReader, of_all: Node | None) -> None:
        self._reader = reader
        self._of_all = of_all

    def read(
        self,
        node: Node | None,
        variables: Mapping[str, Node],
        names: Collection[str],
    ) -> tuple[Step, ...]:
        """The steps of one item.

        Args:
            node: Its own ``steps``, or None.
            variables: From ``vars``.
            names: Every variable that the item has.
        """
        node = node or self._of_all
        if node is None:
            return ()
        elements = self._reader.sequence(node, "steps")
        if elements is not None and len(elements) > MAX_STEPS:
            text = f"an item has at most {MAX_STEPS} steps"
            self._reader.faults.add(node.mark, text)
            return ()
        found: list[Step] = []
        taken: dict[str, Node] = {}
        for number, element in enumerate(elements or (), start=1):
            step = self._step(element, number, variables, names)
            if step is None:
                continue
            if step.name in taken:
                text = f"two steps are called '{step.name}'"
                self._reader.faults.add(element.mark, text, "give one another name")
                continue
            taken[step.name] = element
            found.append(step)
        return tuple(found)

    def _step(
        self,
        node: Node,
        number: int,
        variables: Mapping[str, Node],
        names: Collection[str],
    ) -> Step | None:
        reader, faults = self._reader, self._reader.faults
        entries = reader.mapping(node, "a step")
        if entries is None:
            return None
        reader.unknown_keys(entries, STEP_KEYS, {"id": "a step has a 'name'"})
        name = str(number)
        if (given := entries.get("name")) is not None:
            name = given.text or str(given.value)
            if not isinstance(given.value, str | int) or not _NAME.fullmatch(name):
                hint = "use at most 40 letters, digits, '_' and '-'"
                faults.add(given.mark, f"'{name[:80]}' is not a step name", hint)
        model = self._model(node, entries.get("model"), names)
        params, nodes, broken = read_params(reader, entries, names)
        target = entries.get("input")
        return Step(
            name=name,
            input="" if target is None else reader.string(target, "input") or "",
            keep=read_flag(reader, entries.get("keep"), "keep"),
            template=ItemTemplate(
                node=node,
                item_id=None,
                model=model,
                params=params,
                param_nodes=nodes,
                variables=variables,
                matrix=None,
                rows=None,
                doubtful=broken,
                count=0,
                is_step=True,
            ),
        )

    def _model(
        self, step: Node, node: Node | None, names: Collection[str]
    ) -> tuple[str | Template, Node] | None:
        if node is None:
            text = "the step has no 'model'"
            self._reader.faults.add(step.mark, text, "write model: MODEL_ID")
            return None
        if self._reader.string(node, "model") is None:
            return None
        template = self._reader.template(node, names)
        return None if template is None else (template, node)


def read_params(
    reader: NodeReader, entries: Mapping[str, Node], names: Collection[str]
) -> tuple[dict[str, Compiled], dict[str, Node], frozenset[str]]:
    """The inputs, their nodes, and the names of those that are broken."""
    nodes: dict[str, Node] = {}
    if (params := entries.get("params")) is not None:
        nodes.update(reader.entries(params, "params"))
    if (prompt := entries.get("prompt")) is not None:
        if "prompt" in nodes:
            text = "the prompt is given twice: here and under params"
            reader.faults.add(prompt.key_mark, text, "keep one of the two")
        nodes["prompt"] = prompt
    compiled: dict[str, Compiled] = {}
    broken: set[str] = set()
    for name, node in nodes.items():
        value = reader.value(node, names)
        if isinstance(value, Broken):
            broken.add(name)
        else:
            compiled[name] = value
    return compiled, nodes, frozenset(broken)


def read_flag(reader: NodeReader, node: Node | None, what: str) -> bool:
    """``true`` or ``false``; False if it is not given, or a fault."""
    if node is None or isinstance(node.value, Broken):
        return False
    if not isinstance(node.value, bool):
        reader.faults.add(node.mark, f"'{what}' must be true or false")
        return False
    return node.value


def find_file_input(schema: ModelSchema) -> str:
    """The input that takes the output before it: the first required file, or the first.

    "" if the model takes no file.
    """
    files = [one for one in schema.inputs.values() if one.is_file]
    required = [one for one in files if one.required]
    return next((one.name for one in (*required, *files)), "")


class ForeachReader:
    """Reads ``foreach``: the entry whose outputs it names, and how many they are.

    The number is known without expanding anything: from ``numOutputs`` as it is
    written, or its default.

    Args:
        reader: Reads the manifest's nodes.
        entries: The entries under ``items``.
        steps: The top-level ``steps``, or None.
        params: The top-level ``params``.
        model_id: The manifest's model, or "".
        models: Finds a model's inputs.
    """

    def __init__(
        self,
        reader: NodeReader,
        entries: Sequence[Node],
        *,
        steps: Node | None,
        params: Mapping[str, Node],
        model_id: str,
        models: FindModel,
    ) -> None:
        self._reader = reader
        self._entries = {
            str(item_id.value): entry.value
            for entry in entries
            if isinstance(entry.value, dict)
            and (item_id := entry.value.get("id")) is not None
        }
        self._steps = steps
        self._params = params
        self._model_id = model_id
        self._models = models

    def read(
        self, node: Node, names: Collection[str]
    ) -> tuple[str | Template, Node] | None:
        """The id of the item whose outputs are meant, with this item's variables."""
        text = Node(str(node.value).removeprefix(_PREFIX), node.mark)
        template = self._reader.template(text, names)
        return None if template is None else (template, node)

    def add_axis(self, node: Node, matrix: Matrix | None) -> Matrix | None:
        """The matrix with an axis for the outputs; None and a fault if it is wrong."""
        text = self._reader.string(node, "foreach")
        if text is None:
            return None
        item_id = text.removeprefix(_PREFIX)
        if item_id == text:
            message = "'foreach' must name an item"
            hint = "write foreach: item:ID, with the ID of another entry as it stands"
        elif item_id not in self._entries:
            message = f"foreach: no entry has the id '{item_id[:80]}'"
            hint = "write the id exactly as in the other entry, variables included"
        elif (count := self._find_count(item_id)) is None:
            message = "foreach: it is not known how many outputs there will be"
            hint = f"write numOutputs of '{item_id[:80]}' as a plain number"
        elif matrix is not None and FOREACH_INDEX in matrix.names:
            message = f"'{FOREACH_INDEX}' is the number of the output, and an axis"
            hint = "rename the axis"
        else:
            numbers = tuple(Node(number, node.mark) for number in range(1, count + 1))
            axes = {} if matrix is None else matrix.axes
            every = {**axes, FOREACH_INDEX: numbers}
            return Matrix(every) if matrix is None else replace(matrix, axes=every)
        self._reader.faults.add(node.mark, message, hint)
        return None

    def _find_count(self, item_id: str) -> int | None:
        """How many outputs each item of an entry makes; None if that varies."""
        entry = self._entries[item_id]
        node = entry.get("steps", self._steps)
        params, model_id = dict(self._params), self._model_id
        if node is not None and isinstance(node.value, list) and node.value:
            last = node.value[-1].value
            entry, params = last if isinstance(last, dict) else {}, {}
        own = entry.get("params")
        if own is not None and isinstance(own.value, dict):
            params.update(own.value)
        if (model := entry.get("model")) is not None:
            model_id = str(model.value)
        schema = self._models(model_id) if model_id else None
        given = params.get("numOutputs")
        if given is None:
            return 1 if schema is None else schema.output_count({})
        value = given.value
        if isinstance(value, int) and not isinstance(value, bool):
            return value if 1 <= value <= MOST_OUTPUTS else None
        return None
