"""What an item was made from: files, assets of the service, outputs of other items.

An item's references are those that the manifest asks for now; those of a take are the
asset ids of its request, which an index of everything made or uploaded leads back to
files.
"""

from collections.abc import Iterator, Mapping, Sequence

from pipeline.job import AssetId, ItemOutput, ParamValue, ReferenceAsset
from pipeline.manifest.manifest import FindModel
from pipeline.naming import item_of
from pipeline.operations.gallery.links import Links, ShownFile
from pipeline.record import Struct
from pipeline.report.gallery.data import GalleryReference
from pipeline.running.items import ItemRecord, SavedFile
from pipeline.storage.media_type import kind_of
from pipeline.storage.regular_file import RegularFile


class Used(Struct, frozen=True, kw_only=True):
    """One file that a request uses.

    Attributes:
        input: The input that takes it.
        name: As :class:`GalleryReference` has it.
        item: The id of the item that made it, or "".
        content: The file; None if nothing is known but its name.
        sha256: Of the bytes that the service has; "" if they are not known.
    """

    input: str
    name: str
    item: str = ""
    content: ShownFile | None = None
    sha256: str = ""


class ReferenceIndex:
    """Finds the files that requests used; it has to see every item first.

    Args:
        models: Finds a model's inputs by its id.
        uploads: Asset id → SHA-256 of every file that was uploaded.
    """

    def __init__(self, models: FindModel, uploads: Mapping[AssetId, str]) -> None:
        self._models = models
        self._uploads = uploads
        self._files: dict[str, ReferenceAsset] = {}  # by SHA-256
        self._made: dict[str, Used] = {}  # by asset id
        self._outputs: dict[str, dict[int, SavedFile]] = {}  # by item and number
        self._file_inputs: dict[str, frozenset[str]] = {}  # by model

    def learn(self, record: ItemRecord, contents: Mapping[str, ShownFile]) -> None:
        """Take in what an item has made, and the files that it names.

        Args:
            record: The item.
            contents: Path in the output folder → the file that is there now.
        """
        for one in (*record.takes, *record.steps):
            if one.planned is not None:
                for _, value in _leaves(one.planned.item.params):
                    if isinstance(value, ReferenceAsset):
                        self._files[value.sha256] = value
            for job in one.attempts:
                for asset in job.assets:
                    there = contents.get(asset.path)
                    is_same = there is not None and there.sha256 == asset.sha256
                    gone = _gone(asset.sha256, asset.media_type)
                    output = ItemOutput(item_id=one.job_id, index=asset.output_index)
                    self._made[asset.asset_id] = Used(
                        input="",
                        name=output.written,
                        item=record.item_id,
                        content=there if is_same else gone,
                        sha256=asset.content_sha256,
                    )
        self._outputs[record.item_id] = {
            saved.asset.output_index: saved for saved in record.files
        }

    def find_of_steps(self, record: ItemRecord) -> Iterator[Used]:
        """What the steps of an item need besides its own output."""
        for step in record.steps:
            if step.planned is not None:
                item = step.planned.item
                for used in self.find_in(item.params, item.model_id):
                    if used.item != record.item_id:
                        yield used

    def find_in(
        self, params: Mapping[str, ParamValue], model_id: str
    ) -> Iterator[Used]:
        """The files among the inputs of a model, in their order.

        Args:
            params: As the manifest has them, or as they were sent.
            model_id: The model.
        """
        for name, value in _leaves(params):
            if isinstance(value, ReferenceAsset):
                content = content_of(value)
                yield Used(
                    input=name, name=value.name, content=content, sha256=value.sha256
                )
            elif isinstance(value, ItemOutput):
                yield self._output(name, value)
            elif isinstance(value, str):
                used = self._asset(name, value, model_id)
                if used is not None:
                    yield used

    def _output(self, name: str, output: ItemOutput) -> Used:
        item_id = item_of(output.item_id)
        saved = self._outputs.get(item_id, {}).get(output.index)
        made = None if saved is None else self._made.get(saved.asset.asset_id)
        return Used(
            input=name,
            name=output.written,
            item=item_id,
            content=None if made is None else made.content,
            sha256="" if made is None else made.sha256,
        )

    def _asset(self, name: str, asset_id: str, model_id: str) -> Used | None:
        made = self._made.get(asset_id)
        if made is not None:
            return Used(
                input=name,
                name=made.name,
                item=made.item,
                content=made.content,
                sha256=made.sha256,
            )
        sha256 = self._uploads.get(AssetId(asset_id), "")
        if sha256 in self._files:
            file = self._files[sha256]
            return Used(
                input=name, name=file.name, content=content_of(file), sha256=sha256
            )
        if sha256 or name in self._inputs_for_files(model_id):
            gone = _gone(sha256)
            return Used(
                input=name,
                name=asset_id,
                content=gone if sha256 else None,
                sha256=sha256,
            )
        return None

    def _inputs_for_files(self, model_id: str) -> frozenset[str]:
        if model_id not in self._file_inputs:
            schema = self._models(model_id)
            inputs = () if schema is None else schema.inputs.values()
            self._file_inputs[model_id] = frozenset(
                one.name for one in inputs if one.is_file
            )
        return self._file_inputs[model_id]


def content_of(reference: ReferenceAsset) -> ShownFile:
    """A reference as a file of a gallery."""
    return ShownFile(
        content=RegularFile(reference.path),
        path=reference.path,
        sha256=reference.sha256,
        media_type=reference.media_type,
    )


def _gone(sha256: str, media_type: str = "") -> ShownFile:
    return ShownFile(content=None, path=None, sha256=sha256, media_type=media_type)


def show(used: Sequence[Used], links: Links) -> tuple[GalleryReference, ...]:
    """The references for the page."""
    return tuple(
        GalleryReference(
            input=one.input,
            name=one.name,
            item=one.item,
            kind="" if one.content is None else kind_of(one.content.media_type),
            src="" if one.content is None else links.to_file(one.content),
            thumbnail="" if one.content is None else links.to_thumbnail(one.content),
        )
        for one in used
    )


def are_same(one: Sequence[Used], other: Sequence[Used]) -> bool:
    """Whether the same bytes go into the same inputs."""
    return [_key(used) for used in one] == [_key(used) for used in other]


def _key(used: Used) -> tuple[str, str]:
    return used.input, used.sha256 or used.name


def _leaves(
    params: Mapping[str, ParamValue],
) -> Iterator[tuple[str, ParamValue]]:
    """Every value that is neither a list nor a mapping, with the name of its input."""
    for name, value in params.items():
        waiting = [value]
        while waiting:
            one = waiting.pop(0)
            if isinstance(one, list):
                waiting[:0] = one
            elif isinstance(one, dict):
                waiting[:0] = one.values()
            else:
                yield name, one
