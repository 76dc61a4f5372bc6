"""The records of a manifest that has been read: Manifest and ItemTemplate."""

import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

from pipeline.job import JsonValue, ReferenceAsset
from pipeline.manifest.matrix import Matrix
from pipeline.manifest.node import Node
from pipeline.manifest.references import ReferenceFiles
from pipeline.manifest.review import Review
from pipeline.manifest.rows import RowsFile
from pipeline.manifest.substitution import Compiled, Template
from pipeline.models.schema import ModelSchema
from pipeline.naming import MAX_TAKES
from pipeline.record import Struct
from pipeline.save_spec import Saving

FindModel = Callable[[str], ModelSchema | None]
SavingPath = tuple[str, ...]  # such as ("save", "format"), or ("embed",)


class SavingDraft(Struct, frozen=True, kw_only=True):
    """What is written, before its variables are replaced.

    Attributes:
        values: By path, such as ``("save", "format")``.
        nodes: Where each of them is written.
    """

    values: Mapping[SavingPath, Compiled] = {}
    nodes: Mapping[SavingPath, Node] = {}


class Step(Struct, frozen=True, kw_only=True):
    """One entry under ``steps``: a job that is fed the output before it.

    Attributes:
        name: Unique among the steps of an item; by default its number, from 1.
        input: The input that takes the output before it; "" for the model's own.
        keep: Whether its output is saved although another step follows.
        template: Its model and inputs; without an id of its own.
    """

    name: str
    input: str
    keep: bool
    template: "ItemTemplate"


class ItemTemplate(Struct, frozen=True, kw_only=True):
    """One entry under ``items``: one item, or as many as its matrix and rows say.

    Attributes:
        node: The entry; faults about what is missing in it point here.
        item_id: The id and its node, or None if it is broken.
        model: The model and its node, or None if the entry names none.
        params: The entry's own inputs, ``prompt`` among them.
        param_nodes: Where each of them is written.
        variables: From ``vars``; the entry's own override the top level's.
        doubtful: Inputs that a reported fault may concern; not reported as missing.
        count: How many items it makes, steps included.
        foreach: The id of the item for whose outputs it is made, and its node, or None.
        steps: What is done with the item's output, in order.
        keep: Whether the item's own output is saved although steps follow.
        is_step: Whether this is a step: inputs for every item do not concern it.
        takes: How many takes of each item, and its node; None for the top level's.
        was: The former id of the item, and its node; None if it names none.
        saving: How its files are saved; a draft if that has variables.
        chooses: Whether one of the outputs of a job is chosen.
    """

    node: Node
    item_id: tuple[str | Template, Node] | None
    model: tuple[str | Template, Node] | None
    params: Mapping[str, Compiled]
    param_nodes: Mapping[str, Node]
    variables: Mapping[str, Node]
    matrix: Matrix | None
    rows: RowsFile | None
    doubtful: frozenset[str]
    count: int
    foreach: tuple[str | Template, Node] | None = None
    steps: tuple[Step, ...] = ()
    keep: bool = False
    is_step: bool = False
    takes: tuple[Compiled, Node] | None = None
    was: tuple[str | Template, Node] | None = None
    saving: Saving | SavingDraft = Saving()
    chooses: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What the user wrote, checked as far as possible without making the items.

    Attributes:
        name: Names the output folder; letters, digits, ``.``, ``_`` and ``-``. With
            a profile, it ends with the profile's name.
        file: The path as the user gave it.
        path: The absolute path.
        sha256: Hex digest of the file's bytes.
        model_id: For items without a model of their own; "" when each has one.
        item_count: How many items it has, at least 1; each step counts as one too.
        warnings: Sentences for the user; may be empty.
        references: By name: a file, or the id of an asset the service has.
        max_cost: Compute units that all its jobs may cost together, or None.
        store: The URL of the store for its files; "" for the output folder.
        params: The top level's inputs, without variables.
        param_nodes: Where they are written.
        doubtful: Those that a reported fault may concern; not reported as missing.
        templates: The entries under ``items``.
        takes: How many takes of each item that does not say so itself.
        profile: The name of the profile that it is read with, or "".
        profiles: The names of its profiles.
        report: Whether every run writes the gallery.
        review: What was decided about its takes.
        text: The file's text, for finding columns.
        keys: Of a manifest that is not a file: the key of each line.
        files: Reads what ``file:`` names.
        models: Finds a model's inputs by its id.
    """

    name: str
    file: str
    path: Path
    sha256: str
    model_id: str
    item_count: int
    warnings: tuple[str, ...] = ()
    references: Mapping[str, ReferenceAsset | str]
    max_cost: Decimal | None = None
    store: str = ""
    params: Mapping[str, JsonValue] = field(repr=False)
    param_nodes: Mapping[str, Node] = field(repr=False)
    doubtful: frozenset[str] = field(repr=False)
    templates: tuple[ItemTemplate, ...] = field(repr=False)
    takes: int = 1
    profile: str = ""
    profiles: tuple[str, ...] = ()
    report: bool = False
    review: Review = field(default=Review(), repr=False)
    text: str = field(repr=False)
    keys: Sequence[str] = field(default=(), repr=False)
    files: ReferenceFiles = field(repr=False)
    models: FindModel = field(repr=False)

    def makes(self, model_id: str) -> str:
        """The kind of file that a model makes, or "": see ``ModelSchema.makes``."""
        schema = self.models(model_id)
        return "" if schema is None else schema.makes

    @property
    def typed(self) -> str:
        """The manifest as an argument of a command, for hints."""
        profile = ["--profile", self.profile] if self.profile else []
        return shlex.join([self.file, *profile])

    @property
    def compares_pictures(self) -> bool:
        """Whether the picture of any item is compared with those of the others."""
        return any(_compares(template.saving) for template in self.templates)

    @property
    def written_count(self) -> int:
        """How many items the user wrote, without the steps that follow them."""
        return sum(one.count // (1 + len(one.steps)) for one in self.templates)

    @property
    def most_jobs(self) -> int:
        """How many jobs it asks for at most, with every take of every item."""
        return sum(
            template.count * self._most_takes(template) for template in self.templates
        )

    def _most_takes(self, template: ItemTemplate) -> int:
        if template.takes is None:
            return self.takes
        number = template.takes[0]  # or a variable, whose values are not known yet
        return number if isinstance(number, int) else MAX_TAKES


def _compares(saving: Saving | SavingDraft) -> bool:
    if isinstance(saving, SavingDraft):
        return ("checks", "similar_to_another") in saving.values
    return saving.checks.similar_to_another is not None
