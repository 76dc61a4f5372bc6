"""The data of a gallery page: what its scripts read, with the same names.

From disk the page loads it with a classic script: ``data.js`` assigns the JSON of a
:class:`Gallery` to ``window.GALLERY``. A served page gets the same JSON, and one
:class:`GalleryItem` for each change. Times are UTC, ``2026-10-02T21:20:16Z``; units are
numbers of compute units; URLs are relative to the page.
"""

from collections.abc import Mapping
from typing import Any

from pipeline.record import Struct, field


class _Record(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Left out of the JSON is what has its default: half of a large gallery."""


class GalleryFile(_Record, frozen=True, kw_only=True):
    """One file that was made.

    Attributes:
        src: The URL of the file itself. In a page from disk, which cannot open files in
            a bucket: of a preview, or "".
        name: Its path relative to the output folder, or its name in the store.
        url: Of a file in a bucket: where it is there; else "".
        thumbnail: The URL of a WebP picture of it, or "" if there is none.
        kind: ``image``, ``video``, ``audio``, ``3d``, ``text`` or ``other``.
        embedded: For a GLB from disk: the URL of a classic script that registers its
            bytes, because a page from disk cannot fetch; else "". The script sets
            ``window.GALLERY_MODELS[sha256]`` to their base64.
        output: The number of the output, from 1.
        is_preview: Whether it is a picture that came with a video or a 3D model.
        sha256: Its hex digest.
        original_sha256: That of the file as the service made it; decisions name it.
        size_bytes: Its size.
        media_type: Such as ``image/png``.
        width_px: Or None.
        height_px: Or None.
        checks: By name, what its checks found; "" for one that passed.
        is_missing: Whether the file is not there now.
        text: Of a text result, its beginning.
    """

    src: str
    name: str
    url: str = ""
    thumbnail: str = ""
    kind: str = "image"
    embedded: str = ""
    output: int = 1
    is_preview: bool = False
    sha256: str = ""
    original_sha256: str = ""
    size_bytes: int = 0
    media_type: str = ""
    width_px: int | None = None
    height_px: int | None = None
    checks: Mapping[str, str] = field(default_factory=dict)
    is_missing: bool = False
    text: str = ""


class GalleryDecision(_Record, frozen=True, kw_only=True):
    """A decision about a take.

    Attributes:
        word: ``chosen``, ``approved`` or ``rejected``.
        output: The number of the output with ``choose: one``; else 0.
        by: Who decided, or "".
        at: When, or "".
        note: A text, or "".
    """

    word: str
    output: int = 0
    by: str = ""
    at: str = ""
    note: str = ""


class GalleryReference(_Record, frozen=True, kw_only=True):
    """A picture or file that an item was made from.

    Attributes:
        input: The model's input that takes it.
        name: Its name in the manifest, ``item:ID/N`` for the output of another item, or
            the service's id of an asset.
        item: The id of the other item if it is one of the manifest's; else "".
        kind: As of :class:`GalleryFile`; "" if it is not known.
        src: The URL of the file, or "" if it is not there.
        thumbnail: The URL of a WebP picture of it, or "".
    """

    input: str
    name: str
    item: str = ""
    kind: str = ""
    src: str = ""
    thumbnail: str = ""


class GalleryTake(_Record, frozen=True, kw_only=True):
    """One take of an item, or one of its steps.

    Attributes:
        job_id: Such as ``hero@2`` or ``hero+cutout``.
        number: The number of the take, from 1.
        step: The name of the step, or "" for a take.
        model: The service's id of its model.
        state: See :class:`GalleryItem`.
        reason: Why it is not saved, or "".
        hint: The next step, or "".
        is_chosen: Whether it is the chosen take.
        chosen_output: With ``choose: one``, the output that is chosen if the take is;
            else 0.
        is_wanted: Whether the manifest still wants it.
        seed: The seed that was sent, or None.
        charged: Compute units less refunds.
        attempts: How many times it was submitted.
        submitted_at, finished_at, saved_at: Of its newest attempt, or "".
        decisions: Those about the bytes that it has now.
        prompt: The prompt it was made with if that differs from the item's now; or "".
        references: What it was made from if that differs from the item's now; or empty.
        files: Its files.
    """

    job_id: str
    number: int = 1
    step: str = ""
    model: str = ""
    state: str
    reason: str = ""
    hint: str = ""
    is_chosen: bool = False
    chosen_output: int = 0
    is_wanted: bool = True
    seed: int | None = None
    charged: float = 0
    attempts: int = 0
    submitted_at: str = ""
    finished_at: str = ""
    saved_at: str = ""
    decisions: tuple[GalleryDecision, ...] = ()
    prompt: str = ""
    references: tuple[GalleryReference, ...] = ()
    files: tuple[GalleryFile, ...] = ()


class GalleryItem(_Record, frozen=True, kw_only=True):
    """One item.

    Attributes:
        id: As the user wrote it.
        entry: The ``id`` of the manifest's entry that it comes from: ``tree-${biome}``.
        model: The service's id of the model.
        state: ``saved``, ``failed``, ``blocked``, ``unknown``, ``in_flight``,
            ``not_fetched`` or ``not_submitted``; the worst of its takes and steps.
        reason: Why it is not saved, or "".
        hint: The next step, or "".
        command: The command line for the next step, or that makes it again.
        place: Where it is written: ``manifests/icons.yaml:12``.
        prompt: The text that was asked for, or "".
        params: The other inputs in their order, in a form for people.
        axes: The values of its matrix, by axis.
        variables: Those of its row and of the manifest, by name.
        references: What it was made from.
        parents: Ids of items that it needs.
        children: Ids of items that need it.
        charged: Compute units less refunds, all takes and steps.
        chooses: Whether it says ``choose: one``: each output of a take can be chosen.
        takes: Every take, by number.
        steps: The steps after the chosen take; the last has the item's files.
    """

    id: str
    entry: str = ""
    model: str = ""
    state: str
    reason: str = ""
    hint: str = ""
    command: str = ""
    place: str = ""
    prompt: str = ""
    params: Mapping[str, Any] = field(default_factory=dict)
    axes: Mapping[str, str] = field(default_factory=dict)
    variables: Mapping[str, str] = field(default_factory=dict)
    references: tuple[GalleryReference, ...] = ()
    parents: tuple[str, ...] = ()
    children: tuple[str, ...] = ()
    charged: float = 0
    chooses: bool = False
    takes: tuple[GalleryTake, ...] = ()
    steps: tuple[GalleryTake, ...] = ()


class GalleryVerdict(_Record, frozen=True, kw_only=True):
    """A decision as the review file has it, whether it counts or not.

    Attributes:
        word: ``picked``, ``approved`` or ``rejected``: the file's own key.
        take: The number of the take.
        output: The number of the output with ``choose: one``; else 0.
        sha256: Hex digests of the take's files as they were made, in their order.
        by: Who decided, or "".
        at: When, or "".
        note: A text, or "".
    """

    word: str
    take: int
    output: int = 0
    sha256: tuple[str, ...] = ()
    by: str = ""
    at: str = ""
    note: str = ""


class GalleryReview(_Record, frozen=True, kw_only=True):
    """What the review file has about one item: the base of an export from disk.

    Attributes:
        verdicts: Every decision, in the order of the file.
        added: The lines of the file below ``added:``, word for word without the dash:
            a seed is a 64-bit number, which a script cannot hold.
        kept: The lines below ``kept:``, likewise.
    """

    verdicts: tuple[GalleryVerdict, ...] = ()
    added: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()


class GalleryTotals(_Record, frozen=True, kw_only=True):
    """The sums above the grid.

    Attributes:
        states: Items by state.
        files: How many files there are.
        size_bytes: Their size together.
        charged: Compute units of all jobs of the output folder, less refunds.
        reserved: Reserved for submits whose outcome is unknown.
        left: Of the manifest's budget, or None without one.
    """

    states: Mapping[str, int] = field(default_factory=dict)
    files: int = 0
    size_bytes: int = 0
    charged: float = 0
    reserved: float = 0
    left: float | None = None


class GalleryPoint(_Record, frozen=True, kw_only=True):
    """Spend and jobs at one moment; running sums, for the plot.

    Attributes:
        at: The moment.
        charged: Compute units charged so far.
        jobs: Jobs that have ended so far.
    """

    at: str
    charged: float
    jobs: int


class GalleryServer(_Record, frozen=True, kw_only=True):
    """What the server of a served page offers; absent from disk.

    The page and the server speak JSON over these paths, relative to the page:

    - ``GET events?after=LAST_EVENT``: server-sent events. ``item`` has a
      :class:`GalleryItem`, ``totals`` a :class:`GalleryTotals`, ``review`` a
      ``{"version": …}``, ``run`` an event of ``pipeline run --json`` or, of a run that
      has ended without a word, ``{"event": "silent"}``, ``spend`` a ``{"left": …}``.
    - ``POST decisions``: ``{"item", "take", "output", "word", "note", "sha256",
      "version"}``; ``word`` is ``chosen``, ``approved``, ``rejected``, ``note`` or
      ``none``, ``sha256`` has the original digests that the user sees. Answers
      ``{"item": GalleryItem, "version"}``; 409 with ``{"message", "hint"}`` if the
      bytes or the review file changed meanwhile. ``note`` changes the note of the
      decisions about the take that there are; ``none`` removes them.
    - ``POST price``: ``{"item", "take"}`` → ``{"units", "left", "quote"}``.
    - ``POST redo``: ``{"item", "take", "quote", "units"}`` → 202; the changes follow as
      events. 402 if ``units`` would exceed what is left.

    Every error is ``{"message", "hint"}``. ``GET data.js`` has the newest data: the
    page loads it again when it has lost the events and found them again.

    Attributes:
        can_edit: Whether decisions are taken.
        spend_left: What redo may still spend in this session, or None if it is off.
        version: The version of the review file that the page shows.
        manifests: Name and URL of every manifest that is served.
        last_event: The id of the newest event that the data already has.
        run: The events of a run that goes on, as far as they say where it stands; none
            if there is none.
    """

    can_edit: bool = False
    spend_left: float | None = None
    version: str = ""
    manifests: tuple[tuple[str, str], ...] = ()
    last_event: str = ""
    run: tuple[Mapping[str, Any], ...] = ()


class Gallery(_Record, frozen=True, kw_only=True):
    """One manifest with everything it made.

    Attributes:
        schema: The version of this format.
        name: The manifest's name.
        manifest: Its file, as the user gave it.
        output: The output folder, or the URL of its store.
        profile: The profile, or "".
        is_emulated: Whether everything was made by the emulator.
        made_at: When this was written.
        price: What a unit costs, as the user writes money: ``(0.01, "€")``; or None.
        review_file: The path of the review file, for the export from disk: beside the
            manifest as the user gave it.
        rejected_command: The command line that makes what was rejected and then edited.
        review: What that file has, by item id; a renamed item under its new id.
        axes: The axes of the matrices, with their values in the manifest's order.
        totals: The sums.
        points: For the plot, oldest first; at most some hundreds.
        items: Every item, in the manifest's order.
        server: What the server offers; None from disk.
    """

    schema: str = "scenario-pipeline/gallery/1"
    name: str
    manifest: str = ""
    output: str = ""
    profile: str = ""
    is_emulated: bool = False
    made_at: str = ""
    price: tuple[float, str] | None = None
    review_file: str = ""
    rejected_command: str = ""
    review: Mapping[str, GalleryReview] = field(default_factory=dict)
    axes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    totals: GalleryTotals = GalleryTotals()
    points: tuple[GalleryPoint, ...] = ()
    items: tuple[GalleryItem, ...] = ()
    server: GalleryServer | None = None
