"""Every model through the official SDK: submit, wait, read, download, open the file."""

import base64
import io
import json
from typing import Any

import av
import pytest
import trimesh
from PIL import Image, ImageDraw
from scenario_sdk import BadRequestError, NotFoundError, types

TOOLS = {
    "model_birefnet-background-removal",
    "model_photoroom-background-removal",
    "model_recraft-crisp-upscale",
    "model_topaz-image-upscale",
    "model_upscale-v3",
    "model_pixel-snapper",
    "model_patina-material",
}


def apple(width=96, height=64):
    """A red disc on white, as a PNG."""
    image = Image.new("RGB", (width, height), "white")
    box = (width // 4, height // 4, width * 3 // 4, height * 3 // 4)
    ImageDraw.Draw(image).ellipse(box, fill=(200, 20, 30))
    target = io.BytesIO()
    image.save(target, "PNG")
    return target.getvalue()


class Desk:
    """The SDK, a client for downloads, and the clock of the emulator."""

    def __init__(self, sdk, client, clock):
        self.sdk, self.client, self.clock = sdk, client, clock

    async def upload(self, data, name="apple.png"):
        made = await self.sdk.assets.upload(
            name=name, image=base64.b64encode(data).decode()
        )
        return made.asset.id

    async def end(self, model, **inputs):
        """The job of a submit, at its end."""
        made = await self.sdk.generate.run_model(model, body=inputs)
        self.clock.advance(600)
        read = await self.sdk.jobs.retrieve(made.job.job_id)
        assert read.job.job_type == "custom"
        return read.job

    async def make(self, model, **inputs):
        """The assets of a job, each with its bytes."""
        job = await self.end(model, **inputs)
        assert job.status == "success", job.metadata
        return [await self.fetch(name) for name in job.metadata.asset_ids]

    async def fetch(self, asset_id):
        path = f"/assets/{asset_id}?originalAssets=true"
        _, body = await self.client.call("GET", path)
        types.AssetRetrieveResponse.model_validate_json(json.dumps(body), strict=True)
        read = await self.sdk.assets.retrieve(asset_id, original_assets=True)
        status, data, headers = await self.client.download(read.asset.url)
        assert status == 200
        assert len(data) == read.asset.properties.size
        assert headers["Content-Type"] == read.asset.mime_type
        return read.asset, data


@pytest.fixture
async def desk(start, connect, clock):
    async with start() as client, connect(client) as sdk:
        yield Desk(sdk, client, clock)


def opened(data):
    image = Image.open(io.BytesIO(data))
    image.load()
    return image


async def test_every_model_has_the_record_of_the_sdk(desk):
    listed = await desk.sdk.models.list(privacy="public")
    names = [model.id for model in listed.models]
    for name in names:
        _, body = await desk.client.call("GET", f"/models/{name}")
        types.ModelRetrieveResponse.model_validate_json(json.dumps(body), strict=True)
        assert body["model"]["inputs"]
    assert len(names) == len(set(names)) == 20
    assert set(names) > TOOLS


async def test_cutout_is_the_picture_itself_with_alpha(desk):
    source = apple()
    image = await desk.upload(source)

    [(asset, data)] = await desk.make("model_birefnet-background-removal", image=image)

    cut = opened(data)
    assert (asset.kind, asset.mime_type) == ("image", "image/png")
    assert asset.metadata.type == "background-removal"
    assert asset.metadata.parent_id == image
    assert cut.mode == "RGBA"
    assert cut.getpixel((48, 32)) == (200, 20, 30, 254)
    assert cut.getpixel((1, 1))[3] == 0
    assert cut.getchannel("A").getextrema() == (0, 254)
    assert cut.convert("RGB").tobytes() == opened(source).tobytes()


async def test_transformed_copy_of_a_cutout_keeps_its_alpha(desk):
    job = await desk.end(
        "model_birefnet-background-removal", image=await desk.upload(apple())
    )
    read = await desk.sdk.assets.retrieve(job.metadata.asset_ids[0])

    _, data, _ = await desk.client.download(read.asset.url)

    assert "/assets-transform/" in read.asset.url
    assert opened(data).getchannel("A").getextrema() == (0, 254)


async def test_cutout_of_a_plain_colour_is_an_ellipse(desk):
    target = io.BytesIO()
    Image.new("RGB", (40, 40), "teal").save(target, "PNG")
    image = await desk.upload(target.getvalue())

    [(_, data)] = await desk.make("model_birefnet-background-removal", image=image)

    alpha = opened(data).getchannel("A")
    assert alpha.getpixel((20, 20)) == 254
    assert alpha.getpixel((0, 0)) == 0


@pytest.mark.parametrize(
    ("model", "inputs", "factor", "mime_type"),
    [
        ("model_recraft-crisp-upscale", {}, 2, "image/webp"),
        ("model_topaz-image-upscale", {"upscaleFactor": "6x"}, 6, "image/png"),
        ("model_topaz-image-upscale", {}, 2, "image/png"),
        ("model_upscale-v3", {"upscaleFactor": 3}, 3, "image/png"),
    ],
)
async def test_upscale_is_the_input_in_its_new_size(
    desk, model, inputs, factor, mime_type
):
    image = await desk.upload(apple())

    [(asset, data)] = await desk.make(model, image=image, **inputs)

    large = opened(data)
    size = (asset.properties.width, asset.properties.height)
    assert asset.mime_type == mime_type
    assert asset.metadata.type == "upscale"
    assert large.size == size == (96 * factor, 64 * factor)
    red, green, _ = large.convert("RGB").getpixel((48 * factor, 32 * factor))
    assert red > 180
    assert green < 50
    assert min(large.convert("RGB").getpixel((2, 2))) > 240


async def test_pixel_art_is_small_and_has_few_colours(desk):
    image = await desk.upload(apple(512, 512))

    [(asset, data)] = await desk.make("model_pixel-snapper", image=image, colors=8)

    small = opened(data)
    assert small.size == (83, 83) == (asset.properties.width, asset.properties.height)
    assert len(small.getcolors()) <= 8
    assert asset.metadata.type == "pixelization"


async def test_material_is_six_maps_of_the_picture(desk):
    source = apple()
    image = await desk.upload(source)

    made = await desk.make("model_patina-material", image=image)

    assert [asset.metadata.type for asset, _ in made] == [
        "texture-albedo",
        "texture-normal",
        "texture-smoothness",
        "texture-metallic",
        "texture-height",
        "texture-ao",
    ]
    assert {opened(data).size for _, data in made} == {(96, 64)}
    assert len({data for _, data in made}) == 6
    assert opened(made[0][1]).tobytes() == opened(source).tobytes()


async def test_edit_shows_its_references_and_has_the_size_asked_for(desk):
    model = "model_bfl-flux-2-klein-9b"
    inputs = {"prompt": "an oak", "width": 512, "height": 1024, "seed": 5}
    image = await desk.upload(apple())

    plain = await desk.make(model, **inputs, numOutputs=2)
    [(asset, edited)] = await desk.make(model, **inputs, referenceImages=[image])

    assert len(plain) == 2
    assert opened(edited).size == (64, 128)  # pixels_divisor is 8
    assert edited != plain[0][1]
    assert asset.metadata.reference_images == [image]
    assert (asset.metadata.type, plain[0][0].metadata.type) == ("img2img", "txt2img")


async def test_resolution_and_aspect_ratio_give_the_size(desk):
    [(asset, _)] = await desk.make(
        "model_google-gemini-3-1-flash",
        prompt="an oak",
        resolution="2K",
        aspectRatio="16:9",
    )

    width, height = asset.properties.width, asset.properties.height
    assert width / height == pytest.approx(16 / 9, rel=0.02)
    assert width * height == pytest.approx((2048 / 8) ** 2, rel=0.02)


async def test_model_without_a_seed_shows_none(desk):
    job = await desk.end("model_openai-gpt-image-2", prompt="an oak")
    asset, _ = await desk.fetch(job.metadata.asset_ids[0])

    assert "seed" not in job.metadata.input
    assert asset.metadata.seed is None


def decoded(data, kind):
    with av.open(io.BytesIO(data), mode="r") as container:
        return list(container.decode(**{kind: 0}))


async def test_video_has_pictures_of_its_input_and_sound(desk):
    image = await desk.upload(apple())

    [(asset, data)] = await desk.make(
        "model_wan-2-7-i2v", prompt="it rolls", image=image, duration=3
    )

    properties = asset.properties
    frames, sound = decoded(data, "video"), decoded(data, "audio")
    assert (asset.kind, asset.mime_type) == ("video", "video/mp4")
    assert asset.metadata.type == "img2video"
    assert (frames[0].width, frames[0].height) == (256, 176)
    assert (properties.width, properties.height) == (256, 176)
    assert properties.duration == 3
    assert len(frames) == properties.nb_frames == 36
    assert sum(part.samples for part in sound) / 48_000 == pytest.approx(3, abs=0.03)
    red, green, blue = frames[0].to_image().getpixel((128, 88))
    assert abs(red - 200) + abs(green - 20) + abs(blue - 30) < 30
    assert min(frames[0].to_image().getpixel((2, 2))) > 240
    assert bytes(frames[0].planes[0]) != bytes(frames[-1].planes[0])


@pytest.mark.parametrize(
    ("model", "inputs", "duration_s"),
    [
        ("model_mm-audio-2-t2a", {"prompt": "rain"}, 5),
        (
            "model_elevenlabs-sound-effects-v2",
            {"text": "rain", "durationSeconds": 0.5, "loop": True},
            0.5,
        ),
    ],
)
async def test_sound_is_mono_mp3(desk, model, inputs, duration_s):
    [(asset, data)] = await desk.make(model, **inputs)

    with av.open(io.BytesIO(data), mode="r") as container:
        assert container.format.name == "mp3"
        assert container.streams.audio[0].codec_context.channels == 1
    samples = [part.to_ndarray() for part in decoded(data, "audio")]
    assert (asset.kind, asset.mime_type) == ("audio", "audio/mpeg")
    assert asset.metadata.type == "txt2audio"
    assert asset.properties.channels == 1
    assert asset.properties.duration == pytest.approx(duration_s, abs=0.03)
    length = sum(part.shape[1] for part in samples)
    assert length / 48_000 == pytest.approx(duration_s, abs=0.03)
    assert 0.05 < max(abs(part).max() for part in samples) < 1


async def test_sound_follows_the_words(desk):
    [(_, rain)] = await desk.make("model_mm-audio-2-t2a", prompt="rain")
    [(_, wind)] = await desk.make("model_mm-audio-2-t2a", prompt="wind")

    assert rain != wind


async def test_3d_model_wears_the_picture(desk):
    image = await desk.upload(apple())

    [(asset, data)] = await desk.make(
        "model_tripo-p1-image-to-3d", image=image, faceLimit=60
    )

    mesh: Any = trimesh.load(io.BytesIO(data), file_type="glb", force="mesh")
    texture = mesh.visual.material.baseColorTexture
    assert (asset.kind, asset.mime_type) == ("3d", "model/gltf-binary")
    assert asset.metadata.type == "img23d"
    assert 48 <= len(mesh.faces) == asset.properties.face_count <= 60
    assert mesh.volume > 0.05
    mesh.merge_vertices(merge_tex=True)
    assert mesh.is_watertight
    assert texture.convert("RGB").getpixel((48, 32)) == (200, 20, 30)


@pytest.mark.parametrize("by", ["prompt", "images"])
async def test_preview_comes_before_the_3d_model(desk, by):
    if by == "prompt":
        made = await desk.make("model_rodin-hyper3d-v2-5-text-to-3d", prompt="a castle")
    else:
        images = [await desk.upload(apple())]
        made = await desk.make("model_rodin-hyper3d-v2-5", images=images)

    assert [asset.mime_type for asset, _ in made] == ["image/webp", "model/gltf-binary"]
    assert [asset.kind for asset, _ in made] == ["image", "3d"]
    assert opened(made[0][1]).format == "WEBP"
    assert made[1][1].startswith(b"glTF")


async def test_text_is_in_the_job_and_makes_no_asset(desk):
    image = await desk.upload(apple(), name="apple.png")

    job = await desk.end("model_emulated-captioner", image=image)

    assert job.status == "success"
    assert job.metadata.asset_ids == []
    assert job.metadata.output == {"text": "apple.png, in 96 by 64 pixels."}


async def test_outputs_are_inputs_of_the_next_model(desk):
    """A line: generate, cut out, enlarge, snap, animate; each from the last bytes."""
    job = await desk.end("model_wan-2-7-image", prompt="a red apple", size="1K")
    [base] = job.metadata.asset_ids
    job = await desk.end("model_birefnet-background-removal", image=base)
    [cut] = job.metadata.asset_ids
    job = await desk.end("model_upscale-v3", image=cut, upscaleFactor=2)
    [large] = job.metadata.asset_ids
    job = await desk.end("model_pixel-snapper", image=large, colors=16)
    [small] = job.metadata.asset_ids
    [(video, _)] = await desk.make("model_wan-2-7-i2v", prompt="turn", image=small)
    caption = await desk.end("model_emulated-captioner", image=small)

    first, second, third, fourth = [
        opened((await desk.fetch(name))[1]) for name in (base, cut, large, small)
    ]
    assert second.convert("RGB").tobytes() == first.tobytes()
    assert third.mode == "RGBA"
    assert third.size == (first.width * 2, first.height * 2)
    assert fourth.size == (round(third.width * 83 / 512),) * 2
    assert video.metadata.parent_id == small
    assert caption.metadata.output["text"].startswith("a red apple, in 42 by 42")


async def test_unknown_asset_is_404(desk):
    with pytest.raises(NotFoundError):
        await desk.end("model_birefnet-background-removal", image="asset_nobody")


async def test_missing_input_is_400_with_the_words_of_the_record(desk):
    with pytest.raises(BadRequestError, match="image is required"):
        await desk.end("model_birefnet-background-removal")
    with pytest.raises(BadRequestError, match="image or video is required"):
        await desk.end("model_wan-2-7-i2v", prompt="x")


async def test_tool_ignores_accepts_and_charges_what_it_does_not_know(desk):
    image = await desk.upload(apple())

    job = await desk.end(
        "model_birefnet-background-removal", image=image, prompt="x", width=5, seed=1
    )

    assert job.status == "success"
    assert job.billing.cu_cost == 2
    assert job.metadata.input == {
        "image": image,
        "modelId": "model_birefnet-background-removal",
    }


async def test_array_for_a_single_file_is_refused_or_dropped(start, connect, clock):
    for strict in (True, False):
        async with start(strict_scalars=strict) as client, connect(client) as sdk:
            desk = Desk(sdk, client, clock)
            image = await desk.upload(apple())
            if strict:
                with pytest.raises(BadRequestError, match="must be a string"):
                    await desk.end("model_pixel-snapper", image=[image])
                continue
            job = await desk.end("model_pixel-snapper", image=[image])
            assert job.status == "failure"
            assert job.metadata.error == "The input image could not be read"
            assert job.billing.cu_cost == 5


async def test_file_that_is_no_image_fails_the_job_of_a_tool(desk):
    [(sound, _)] = await desk.make("model_mm-audio-2-t2a", prompt="rain")

    job = await desk.end("model_pixel-snapper", image=sound.id)

    assert job.status == "failure"
    assert job.metadata.error == "The input image could not be read"
    assert desk.client.emulator.counters()["refunded_cu"] == 5


async def test_output_that_would_be_huge_fails_the_job(desk):
    image = await desk.upload(apple(1024, 512))

    job = await desk.end("model_upscale-v3", image=image, upscaleFactor=16)

    assert job.status == "failure"
    assert job.metadata.error == "The output would be larger than 64 megapixels"


@pytest.mark.parametrize(
    ("model", "inputs", "price_cu"),
    [
        ("model_birefnet-background-removal", {"image": "IMAGE"}, 2),
        ("model_google-gemini-3-1-flash", {"prompt": "x"}, 12),
        ("model_google-gemini-3-1-flash", {"prompt": "x", "resolution": "4K"}, 28),
        ("model_openai-gpt-image-2", {"prompt": "x", "quality": "high"}, 44),
        ("model_bfl-flux-2-klein-9b", {"prompt": "x", "numOutputs": 4}, 4),
        ("model_wan-2-7-i2v", {"prompt": "x", "image": "IMAGE"}, 25),
        ("model_wan-2-7-i2v", {"prompt": "x", "image": "IMAGE", "duration": 2}, 10),
        (
            "model_kling-v3-i2v-pro",
            {"prompt": "x", "startImage": "IMAGE", "duration": "3"},
            24,
        ),
        (
            "model_tripo-p1-image-to-3d",
            {"image": "IMAGE", "textureQuality": "detailed"},
            105,
        ),
        ("model_patina-material", {"image": "IMAGE"}, 6),
        ("model_rodin-hyper3d-v2-5-text-to-3d", {"prompt": "x"}, 80),
    ],
)
async def test_quote_and_charge_are_the_price_of_the_model(
    desk, model, inputs, price_cu
):
    image = await desk.upload(apple())
    body = {
        name: image if value == "IMAGE" else value for name, value in inputs.items()
    }

    quote = await desk.sdk.generate.run_model(model, body=body, dry_run="true")
    job = await desk.end(model, **body)

    assert quote.creative_units_cost == price_cu == job.billing.cu_cost


async def test_video_takes_longer_than_an_image(desk, clock):
    image = await desk.upload(apple())
    made = await desk.sdk.generate.run_model(
        "model_wan-2-7-i2v", body={"prompt": "x", "image": image}
    )
    other = await desk.sdk.generate.run_model(
        "model_bfl-flux-2-klein-9b", body={"prompt": "x"}
    )

    clock.advance(59)
    video = await desk.sdk.jobs.retrieve(made.job.job_id)
    picture = await desk.sdk.jobs.retrieve(other.job.job_id)
    clock.advance(1)
    done = await desk.sdk.jobs.retrieve(made.job.job_id)

    assert (video.job.status, picture.job.status) == ("finalizing", "success")
    assert done.job.status == "success"


async def test_partial_job_of_two_kinds_has_its_preview_only(desk):
    job = await desk.end(
        "model_rodin-hyper3d-v2-5-text-to-3d", prompt="a castle [partial]"
    )
    [preview] = job.metadata.asset_ids
    asset, _ = await desk.fetch(preview)

    assert job.status == "failure"
    assert asset.mime_type == "image/webp"


async def test_word_for_the_next_job_decides_what_becomes_of_it(desk):
    prompt = "an oak [next:fail-once] [next:next:no-output]"
    job = await desk.end("model_wan-2-7-image", prompt=prompt, size="1K")
    [base] = job.metadata.asset_ids

    first = await desk.end("model_birefnet-background-removal", image=base)
    second = await desk.end("model_birefnet-background-removal", image=base)
    [cut] = second.metadata.asset_ids
    third = await desk.end("model_pixel-snapper", image=cut)

    assert (first.status, second.status) == ("failure", "success")
    assert (third.status, third.metadata.asset_ids) == ("success", [])


async def test_other_kinds_are_downloaded_only_as_they_are_stored(desk):
    [(sound, data)] = await desk.make("model_mm-audio-2-t2a", prompt="rain")

    answer = await desk.sdk.assets.download.request(sound.id, target_format="mp3")
    _, stored, _ = await desk.client.download(answer.url)
    with pytest.raises(BadRequestError, match="Invalid target format"):
        await desk.sdk.assets.download.request(sound.id, target_format="mp4")

    assert answer.mime_type == "audio/mpeg"
    assert stored == data


async def test_uploaded_files_have_their_kinds(desk):
    seen = {}
    for name, media_type, kind in (
        ("a.mp4", "video/mp4", "video"),
        ("a.mp3", "audio/mpeg", "audio"),
        ("a.glb", "model/gltf-binary", "3d"),
    ):
        made = await desk.sdk.uploads.create(
            file_name=name,
            file_size=4,
            content_type=media_type,
            kind=kind,
            parts=1,
        )
        async with desk.client.session.put(
            made.upload.parts[0].url, data=b"data"
        ) as sent:
            assert sent.status == 200
        await desk.sdk.uploads.trigger_action(made.upload.id, action="complete")
        desk.clock.advance(1)
        read = await desk.sdk.uploads.retrieve(made.upload.id)
        asset, stored = await desk.fetch(read.upload.entity_id)
        assert stored == b"data"
        seen[asset.kind] = asset.metadata.type
    assert seen == {
        "video": "uploaded-video",
        "audio": "uploaded-audio",
        "3d": "uploaded-3d",
    }
