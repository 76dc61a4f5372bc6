"""An item and the name of an input → the line where that input is written."""

from bisect import bisect_left

from pipeline.job import Item
from pipeline.manifest.manifest import ItemTemplate, Manifest
from pipeline.manifest.node import unpack_mark

MODEL = "model"  # in place of an input's name: the model


def find_line(manifest: Manifest, item: Item, name: str) -> int:
    """The line of an input in the manifest, or the item's line if it has none.

    No index is kept: entries are in line order, so the item's entry is found by
    bisection.

    Args:
        manifest: The manifest that the item was made from.
        item: From ``expand``.
        name: The name of an input, or ``MODEL``.
    """
    template = _find_template(manifest, item)
    if template is None:
        return item.line
    if name == MODEL:
        return item.line if template.model is None else _line_of(template.model[1].mark)
    node = template.param_nodes.get(name) or manifest.param_nodes.get(name)
    return item.line if node is None else _line_of(node.key_mark)


def _find_template(manifest: Manifest, item: Item) -> ItemTemplate | None:
    templates = manifest.templates
    index = bisect_left(templates, item.line, key=_own_line)
    while index < len(templates) and _own_line(templates[index]) == item.line:
        item_id = templates[index].item_id
        if item_id is not None and str(item_id[1].value) == item.template_id:
            return templates[index]
        index += 1
    return None


def _own_line(template: ItemTemplate) -> int:
    return _line_of(template.node.mark)


def _line_of(mark: int) -> int:
    return unpack_mark(mark)[0]
