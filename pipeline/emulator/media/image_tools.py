"""What tool models make of a picture: cut-outs, enlargements, pixel art, maps.

Each function takes and gives an image of Pillow. None of them changes its argument.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.Image import Image

MOST_ALPHA = 254  # as the service's background remover: never wholly opaque
UNLIKE, DIFFERENT = 12, 60  # distance from the background at which alpha begins, ends
LEAST_SUBJECT = 0.01
SNAPPED_SHARE = 83 / 512
BLUR_SHARE = 1 / 64
METAL = 200
RELIEF = 0.1  # the smaller, the steeper a slope looks


def cut_out(image: "Image") -> "Image":
    """The subject, in mode RGBA: what differs from the colour of the border.

    If nothing differs enough, it is an ellipse in the middle.
    """
    from PIL import Image, ImageChops, ImageDraw  # noqa: PLC0415 - 60 ms to import

    picture = image.convert("RGB")
    background = Image.new("RGB", picture.size, _border_colour(picture))
    red, green, blue = ImageChops.difference(picture, background).split()
    distance = ImageChops.lighter(ImageChops.lighter(red, green), blue)
    slope = MOST_ALPHA / (DIFFERENT - UNLIKE)
    alpha = distance.point(
        [
            max(0, min(round((level - UNLIKE) * slope), MOST_ALPHA))
            for level in range(256)
        ]
    )
    if sum(alpha.histogram()[MOST_ALPHA:]) < picture.width * picture.height * (
        LEAST_SUBJECT
    ):
        alpha = Image.new("L", picture.size)
        box = (0, 0, picture.width - 1, picture.height - 1)
        ImageDraw.Draw(alpha).ellipse(box, fill=MOST_ALPHA)
    if "A" in image.getbands():
        alpha = ImageChops.darker(alpha, image.getchannel("A"))
    picture.putalpha(alpha)
    return picture


def enlarge(image: "Image", size_px: tuple[int, int]) -> "Image":
    """The same picture in another size, with its alpha."""
    from PIL import Image  # noqa: PLC0415 - 60 ms to import

    return _plain(image).resize(size_px, Image.Resampling.BILINEAR)


def snapped_size(width_px: int, height_px: int) -> tuple[int, int]:
    """The size of the pixel art that is made of a picture."""
    return (
        max(round(width_px * SNAPPED_SHARE), 1),
        max(round(height_px * SNAPPED_SHARE), 1),
    )


def snap_pixels(image: "Image", colours: int) -> "Image":
    """Pixel art: the small picture, in at most so many colours (2 to 256)."""
    from PIL import Image  # noqa: PLC0415 - 60 ms to import

    small = _plain(image).resize(snapped_size(*image.size), Image.Resampling.BOX)
    return small.quantize(colours, Image.Quantize.FASTOCTREE).convert(small.mode)


def make_map(image: "Image", name: str) -> "Image":
    """One of the maps of a material, in the size of the picture.

    Args:
        image: The picture.
        name: One of ``outputs.MAPS``.
    """
    from PIL import Image, ImageChops, ImageFilter, ImageOps  # noqa: PLC0415 - 60 ms

    if name == "albedo":
        return image.convert("RGB")
    light = image.convert("L")
    radius = max(min(image.size) * BLUR_SHARE, 1)
    soft = light.filter(ImageFilter.GaussianBlur(radius))
    if name == "normal":
        right = ImageChops.subtract(soft, ImageChops.offset(soft, 1, 0), RELIEF, 128)
        down = ImageChops.subtract(soft, ImageChops.offset(soft, 0, 1), RELIEF, 128)
        return Image.merge("RGB", (right, down, Image.new("L", image.size, 255)))
    made = {
        "smoothness": light.point([96 + level // 4 for level in range(256)]),
        "metallic": light.point([255 * (level > METAL) for level in range(256)]),
        "height": ImageOps.autocontrast(soft),
        "ao": ImageChops.add(light, ImageChops.invert(soft)),
    }
    return made[name]


def _border_colour(picture: "Image") -> tuple[int, ...]:
    from PIL import Image  # noqa: PLC0415 - 60 ms to import

    width, height = picture.size
    edge = Image.new("RGB", (width * 2 + height * 2, 1))
    edge.paste(picture.crop((0, 0, width, 1)), (0, 0))
    edge.paste(picture.crop((0, height - 1, width, height)), (width, 0))
    sides = (
        picture.crop((0, 0, 1, height)),
        picture.crop((width - 1, 0, width, height)),
    )
    for number, side in enumerate(sides):
        turned = side.transpose(Image.Transpose.ROTATE_90)
        edge.paste(turned, (width * 2 + height * number, 0))
    return tuple(
        sorted(edge.getchannel(band).tobytes())[edge.width // 2] for band in "RGB"
    )


def _plain(image: "Image") -> "Image":
    has_alpha = "A" in image.getbands() or "transparency" in image.info
    return image.convert("RGBA" if has_alpha else "RGB")
