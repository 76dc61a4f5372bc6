"""The colours and the subject of a picture, chosen by the words of its prompt."""

import colorsys
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass

Colour = tuple[int, int, int]

BLACK_INK: Colour = (10, 12, 24)
WORD = re.compile(r"[a-z]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sky:
    """The light of a picture.

    Attributes:
        stops: The colours from the zenith to the horizon.
        body: The colour of the sun or moon.
        is_dark: It is night: there are stars and a moon.
        body_height: The height of its centre: 0 is the top, 1 the horizon.
    """

    stops: tuple[Colour, ...]
    body: Colour
    is_dark: bool = False
    body_height: float = 0.4


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """The land of a picture.

    Attributes:
        far: The colour of the hills at the horizon, without haze.
        near: The colour of the ground in front.
        detail: The colour of the details.
        kind: The details: pines, dunes, waves, embers, crystals or grass.
        is_jagged: Mountains rather than hills.
    """

    far: Colour
    near: Colour
    detail: Colour
    kind: str
    is_jagged: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Palette:
    """Everything that the words of the prompt determine.

    Attributes:
        sky: The light.
        ground: The land.
        accent: The colour of the subject.
        motif: The name of the subject, or "" for a landscape alone.
        is_landscape: The words name a place or a time of day.
    """

    sky: Sky
    ground: Ground
    accent: Colour
    motif: str
    is_landscape: bool


SKIES: Mapping[str, Sky] = {
    "day": Sky(
        stops=((64, 140, 206), (128, 190, 226), (222, 238, 232)),
        body=(255, 246, 206),
        body_height=0.32,
    ),
    "dawn": Sky(
        stops=((96, 116, 178), (226, 150, 168), (255, 206, 158), (255, 236, 196)),
        body=(255, 240, 210),
        body_height=0.72,
    ),
    "dusk": Sky(
        stops=((44, 30, 84), (138, 54, 112), (232, 98, 82), (255, 188, 92)),
        body=(255, 226, 150),
        body_height=0.68,
    ),
    "night": Sky(
        stops=((8, 12, 38), (22, 34, 82), (58, 78, 134)),
        body=(240, 240, 220),
        is_dark=True,
        body_height=0.3,
    ),
    "storm": Sky(
        stops=((38, 46, 60), (78, 90, 106), (146, 156, 160)),
        body=(206, 212, 210),
        body_height=0.35,
    ),
    "fire": Sky(
        stops=((30, 10, 20), (96, 22, 24), (206, 70, 26), (255, 168, 60)),
        body=(255, 214, 120),
        body_height=0.6,
    ),
    "space": Sky(
        stops=((6, 4, 22), (38, 16, 74), (92, 34, 110)),
        body=(250, 220, 255),
        is_dark=True,
        body_height=0.35,
    ),
}
GROUNDS: Mapping[str, Ground] = {
    "forest": Ground(
        far=(92, 138, 116), near=(20, 62, 48), detail=(14, 46, 38), kind="pines"
    ),
    "desert": Ground(
        far=(222, 168, 112), near=(176, 98, 52), detail=(60, 104, 66), kind="dunes"
    ),
    "snow": Ground(
        far=(176, 198, 222),
        near=(236, 244, 250),
        detail=(62, 96, 110),
        kind="pines",
        is_jagged=True,
    ),
    "ocean": Ground(
        far=(70, 140, 164), near=(10, 66, 104), detail=(170, 224, 226), kind="waves"
    ),
    "fire": Ground(
        far=(96, 40, 36),
        near=(34, 14, 18),
        detail=(255, 132, 40),
        kind="embers",
        is_jagged=True,
    ),
    "meadow": Ground(
        far=(142, 182, 108), near=(70, 134, 62), detail=(250, 214, 92), kind="grass"
    ),
    "swamp": Ground(
        far=(104, 120, 86), near=(38, 54, 38), detail=(122, 148, 62), kind="grass"
    ),
    "cave": Ground(
        far=(86, 74, 128),
        near=(30, 24, 58),
        detail=(124, 224, 232),
        kind="crystals",
        is_jagged=True,
    ),
    "mountain": Ground(
        far=(126, 140, 164),
        near=(58, 78, 84),
        detail=(36, 58, 60),
        kind="pines",
        is_jagged=True,
    ),
}
SKY_WORDS: Mapping[str, str] = {
    **dict.fromkeys(("day", "noon", "midday", "sunny", "summer", "bright"), "day"),
    **dict.fromkeys(("dawn", "morning", "sunrise", "spring"), "dawn"),
    **dict.fromkeys(("dusk", "evening", "sunset", "autumn", "twilight"), "dusk"),
    **dict.fromkeys(("night", "midnight", "moon", "moonlit", "stars", "dark"), "night"),
    **dict.fromkeys(("storm", "rain", "fog", "foggy", "grey", "gloomy"), "storm"),
    **dict.fromkeys(("fire", "lava", "volcano", "inferno", "burning"), "fire"),
    **dict.fromkeys(("space", "galaxy", "cosmic", "nebula", "alien"), "space"),
}
GROUND_WORDS: Mapping[str, str] = {
    **dict.fromkeys(("forest", "wood", "woods", "jungle", "grove", "pine"), "forest"),
    **dict.fromkeys(("desert", "sand", "dune", "dunes", "savanna", "canyon"), "desert"),
    **dict.fromkeys(
        ("snow", "snowy", "ice", "icy", "winter", "frost", "tundra"), "snow"
    ),
    **dict.fromkeys(
        ("ocean", "sea", "water", "lake", "beach", "river", "ship"), "ocean"
    ),
    **dict.fromkeys(("fire", "lava", "volcano", "inferno", "burning"), "fire"),
    **dict.fromkeys(("meadow", "field", "grass", "plains", "hill", "farm"), "meadow"),
    **dict.fromkeys(("swamp", "marsh", "bog", "poison", "toxic"), "swamp"),
    **dict.fromkeys(("cave", "dungeon", "mine", "crystal", "cavern"), "cave"),
    **dict.fromkeys(("mountain", "mountains", "peak", "cliff", "alps"), "mountain"),
}
MOTIF_WORDS: Mapping[str, str] = {
    **dict.fromkeys(("tree", "oak", "willow", "maple", "birch", "sapling"), "tree"),
    **dict.fromkeys(("sword", "blade", "dagger", "katana", "weapon"), "sword"),
    **dict.fromkeys(("potion", "elixir", "bottle", "flask", "vial", "drink"), "potion"),
    **dict.fromkeys(("shield", "armor", "armour", "guard", "crest"), "shield"),
    **dict.fromkeys(("coin", "coins", "gold", "money", "token"), "coin"),
    **dict.fromkeys(("gem", "ruby", "emerald", "diamond", "jewel", "sapphire"), "gem"),
    **dict.fromkeys(
        ("castle", "tower", "fortress", "keep", "palace", "ruin"), "castle"
    ),
    **dict.fromkeys(("house", "hut", "cottage", "cabin", "tavern", "barn"), "house"),
    **dict.fromkeys(("crown", "king", "queen", "royal", "prince"), "crown"),
    **dict.fromkeys(("key", "lock", "door", "gate"), "key"),
    **dict.fromkeys(("heart", "life", "health", "love"), "heart"),
    **dict.fromkeys(("star", "magic", "spell", "wizard", "wand"), "star"),
    **dict.fromkeys(("mushroom", "fungus", "toadstool", "spore"), "mushroom"),
    **dict.fromkeys(("chest", "treasure", "loot", "crate", "box"), "chest"),
    **dict.fromkeys(("ship", "boat", "sail", "pirate", "galleon"), "ship"),
    **dict.fromkeys(("cactus", "cacti", "succulent"), "cactus"),
}
ACCENTS: Mapping[str, Colour] = {
    "red": (214, 58, 62),
    "ruby": (206, 36, 74),
    "blue": (60, 116, 220),
    "sapphire": (44, 92, 214),
    "green": (72, 172, 88),
    "emerald": (30, 168, 112),
    "gold": (240, 188, 62),
    "golden": (240, 188, 62),
    "yellow": (244, 206, 76),
    "purple": (146, 84, 204),
    "violet": (146, 84, 204),
    "pink": (238, 122, 172),
    "orange": (240, 138, 54),
    "white": (236, 240, 244),
    "black": (58, 60, 76),
    "silver": (182, 194, 208),
}
MOTIF_ACCENTS: Mapping[str, Colour] = {
    "tree": (88, 158, 78),
    "sword": (196, 210, 226),
    "coin": (240, 188, 62),
    "castle": (164, 160, 176),
    "house": (206, 118, 82),
    "crown": (240, 188, 62),
    "key": (232, 180, 72),
    "heart": (222, 62, 84),
    "star": (250, 208, 84),
    "mushroom": (212, 70, 66),
    "chest": (164, 102, 54),
    "ship": (150, 98, 60),
    "cactus": (84, 152, 92),
}
# What these words name is more often the quality of a thing than the thing.
QUALITIES = frozenset(
    [
        "ruby",
        "emerald",
        "sapphire",
        "diamond",
        "gold",
        "jewel",
        "king",
        "queen",
        "royal",
        "prince",
        "magic",
        "spell",
        "life",
        "health",
        "love",
        "pirate",
        "treasure",
        "loot",
        "guard",
        "drink",
        "money",
        "wizard",
    ]
)
FALLBACK_MOTIFS = ("gem", "star", "shield", "potion")


def palette_of(prompt: str) -> Palette:
    """The palette of a prompt, the same for the same words.

    The last words that name a sky and a ground choose the scene. The first word that
    names a thing chooses the subject; words that often describe another thing count
    only if there is no other word.
    """
    words = WORD.findall(prompt.lower())
    digest = hashlib.sha256(" ".join(words).encode()).digest()
    sky = _last_known(words, SKY_WORDS)
    ground = _last_known(words, GROUND_WORDS)
    things = [word for word in words if word not in QUALITIES]
    motif = _first_known(things, MOTIF_WORDS) or _first_known(words, MOTIF_WORDS)
    is_landscape = bool(sky or ground or motif in {"tree", "castle", "house", "ship"})
    if not motif and not is_landscape:
        motif = FALLBACK_MOTIFS[digest[0] % len(FALLBACK_MOTIFS)]
    accent = next((ACCENTS[word] for word in words if word in ACCENTS), None)
    if accent is None:
        accent = MOTIF_ACCENTS.get(motif) or _vivid(digest[1] / 256)
    return Palette(
        sky=SKIES[sky or ("day", "dawn", "dusk", "night")[digest[2] % 4]],
        ground=GROUNDS[ground or ("meadow", "forest", "mountain")[digest[3] % 3]],
        accent=accent,
        motif=motif,
        is_landscape=is_landscape,
    )


def mix(one: Colour, other: Colour, share: float) -> Colour:
    """A colour between two: 0 is the first, 1 the second."""
    red, green, blue = (
        round(a + (b - a) * share) for a, b in zip(one, other, strict=True)
    )
    return red, green, blue


def _vivid(hue: float) -> Colour:
    red, green, blue = colorsys.hls_to_rgb(hue, 0.52, 0.68)
    return round(red * 255), round(green * 255), round(blue * 255)


def _first_known(words: list[str], table: Mapping[str, str]) -> str:
    return next((table[word] for word in words if word in table), "")


def _last_known(words: list[str], table: Mapping[str, str]) -> str:
    return _first_known(words[::-1], table)
