"""A finished file → its pixels, or the reason why it is not whole; by media type.

Blocking. What has no check of its own is taken as it is.
"""

from pipeline.assets.checks.glb import GLB, check_glb
from pipeline.assets.checks.image import DECODED_TYPES, measure_image
from pipeline.assets.checks.media import MEDIA_TYPES, can_check_media, check_media
from pipeline.storage.store import Content

CHECKED_TYPES = DECODED_TYPES | MEDIA_TYPES | {GLB}


def check_content(file: Content, media_type: str) -> tuple[int, int] | None:
    """Check a whole file, as deep as the installed libraries allow.

    Args:
        file: The file.
        media_type: By its content.

    Returns:
        Width and height of an image in pixels; None for anything else.

    Raises:
        Damaged: It is not whole.
    """
    if media_type == GLB:
        check_glb(file)
    elif media_type in MEDIA_TYPES and can_check_media():
        check_media(file, media_type)
    return measure_image(file, media_type)
