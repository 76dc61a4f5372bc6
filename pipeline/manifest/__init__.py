"""What the user wrote: a YAML manifest → Items, and every fault in it.

source (text → nodes) → schema (nodes → Manifest) → expand (Manifest → Items).
"""

from pipeline.manifest.expand import expand, output_stems
from pipeline.manifest.load import find_profiles, load_manifest, validate_manifest
from pipeline.manifest.manifest import Manifest

__all__ = [
    "Manifest",
    "expand",
    "find_profiles",
    "load_manifest",
    "output_stems",
    "validate_manifest",
]
