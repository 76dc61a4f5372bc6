"""The keys of a manifest, of its items and of a matrix."""

MANIFEST_KEYS = (
    "version",
    "name",
    "model",
    "params",
    "references",
    "vars",
    "steps",
    "takes",
    "items",
    "max_cost",
    "store",
    "save",
    "embed",
    "checks",
    "profiles",
    "report",
)
# Those that a profile may override.
PROFILE_KEYS = (
    "model",
    "params",
    "vars",
    "takes",
    "save",
    "embed",
    "checks",
    "max_cost",
    "store",
)
ITEM_KEYS = (
    "id",
    "prompt",
    "params",
    "matrix",
    "rows",
    "vars",
    "model",
    "foreach",
    "steps",
    "takes",
    "was",
    "choose",
    "keep",
    "save",
    "embed",
    "checks",
)
MATRIX_KEYS = ("include", "exclude")
# Those whose value is one text.
TEXT_KEYS = frozenset({"name", "model", "id", "prompt", "rows"})
REFERENCE_KEYS = ("file", "upright")
