"""What is rendered is read again, by us and by YAML."""

from decimal import Decimal

import yaml
from doubles.locked_jobs import make_job, read, render
from hypothesis import given
from hypothesis import strategies as st

from pipeline.job import Asset
from pipeline.lockfile import LockHeader
from pipeline.lockfile.values import MAX_TEXT_CHARS
from pipeline.manifest.item_id import check_id
from pipeline.record import replace

SAFE_IDS = st.from_regex(r"[A-Za-z0-9._-]{1,12}(/[A-Za-z0-9._-]{1,8})?", fullmatch=True)


ITEM_IDS = SAFE_IDS.filter(lambda text: check_id(text) is None)


REMOTE_IDS = st.text(min_size=1, max_size=60).filter(
    lambda text: (
        text.isprintable()
        and text.strip(".")
        and not any(char.isspace() or char in "/?#%\\" for char in text)
    )
)


FOREIGN = st.text(
    st.characters(exclude_categories=["Cs"]), min_size=1, max_size=MAX_TEXT_CHARS
)


COUNTS = st.integers(0, 10**7)  # beyond, nothing is written or read


@st.composite
def an_asset(draw, item_id, index):
    return Asset(
        asset_id=draw(REMOTE_IDS),
        output_index=index,
        path=f"{item_id}-{index}.{draw(st.sampled_from(['png', 'jpg', 'bin']))}",
        sha256=draw(st.from_regex(r"[0-9a-f]{64}", fullmatch=True)),
        size_bytes=draw(COUNTS),
        media_type=draw(st.sampled_from(["image/png", "", "image/svg+xml", "on"])),
        width_px=draw(st.none() | COUNTS),
        height_px=draw(st.none() | COUNTS),
        recipe='{"format": "webp", "resize": [9, 9]}' if index % 2 else "",
        original_sha256="a" * 64 if index % 3 else "",
        original_size_bytes=index if index % 3 else 0,
    )


@st.composite
def a_job(draw, item_id):
    indexes = sorted(draw(st.sets(st.integers(1, 9), max_size=3)))
    files = tuple(draw(an_asset(item_id, index)) for index in indexes)
    seed = draw(st.none() | st.integers(-(2**63) + 1, 2**63 - 1))
    return make_job(
        item_id,
        files=files,
        job_key=draw(FOREIGN),
        request_key=draw(st.from_regex(r"[0-9a-f]{64}", fullmatch=True)),
        model_id=draw(FOREIGN),
        seed=seed,
        derived_seed=seed is not None and draw(st.booleans()),
        remote_id=draw(REMOTE_IDS),
        charged=draw(st.none() | st.decimals(0, 10**9, places=3)),
        remote_assets=draw(
            st.just(tuple(asset.asset_id for asset in files))
            | st.lists(REMOTE_IDS, min_size=1, max_size=4).map(tuple)
        ),
    )


MANY = st.sets(ITEM_IDS, max_size=4).flatmap(
    lambda names: st.tuples(*(a_job(name) for name in sorted(names)))
)


def from_yaml(item, service, project):
    files = item.get("assets") or []
    index, assets = 0, []
    for one in files:
        index = one.get("output_index", index + 1)
        assets.append(
            Asset(
                asset_id=one["id"],
                output_index=index,
                path=one["path"],
                sha256=one["sha256"],
                size_bytes=one["size_bytes"],
                media_type=one["media_type"],
                width_px=one.get("width_px"),
                height_px=one.get("height_px"),
                original_sha256=one.get("original_sha256", ""),
                original_size_bytes=one.get("original_size_bytes", 0),
                recipe=one.get("save", ""),
            )
        )
    ids = tuple(item.get("job_asset_ids") or [one["id"] for one in files])
    return make_job(
        item["id"],
        files=tuple(assets),
        remote_assets=ids,
        model_id=item["model"],
        job_key=item["job_key"],
        request_key=item["request_key"],
        remote_id=item["job"],
        seed=item.get("seed", item.get("derived_seed")),
        derived_seed="derived_seed" in item,
        charged=Decimal(item["cost"]) if "cost" in item else None,
        base_url=service,
        project_id=project,
    )


# Both claims in one test: to draw the jobs takes most of its time.
@given(jobs=MANY, service=FOREIGN, project=FOREIGN)
def test_what_is_rendered_is_read_by_us_and_by_yaml(
    tmp_path_factory, jobs, service, project
):
    path = tmp_path_factory.getbasetemp() / "round-trip.lock"
    wanted = [replace(job, base_url=service, project_id=project) for job in jobs]
    text = render(jobs, service, project)

    header, found = read(path, text)

    assert header == LockHeader(service=service, project=project)
    assert found == wanted

    record = yaml.safe_load(text)

    assert record["lock"] == 1
    assert (record["service"], record["project"]) == (service, project)
    items = record["items"] or []
    assert [from_yaml(item, service, project) for item in items] == wanted
