"""A finished file → its pixels, or the reason why it is not whole; by media type.

Blocking. What has no check of its own is taken as it is.
"""

from pathlib import Path

from pipeline.assets.checks.glb import GLB, check_glb
from pipeline.assets.checks.image import DECODED_TYPES, measure_image
from pipeline.assets.checks.media import MEDIA_TYPES, can_check_media, check_media

CHECKED_TYPES = DECODED_TYPES | MEDIA_TYPES | {GLB}


def check_content(path: Path, media_type: str) -> tuple[int, int] | None:
    """Check a whole file, as deep as the installed libraries allow.

    Args:
        path: The file.
        media_type: By its content.

    Returns:
        Width and height of an image in pixels; None for anything else.

    Raises:
        Damaged: It is not whole.
    """
    if media_type == GLB:
        check_glb(path)
    elif media_type in MEDIA_TYPES and can_check_media():
        check_media(path, media_type)
    return measure_image(path, media_type)
