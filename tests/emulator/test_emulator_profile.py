"""Profile: seven records that can be filled from one flat list of names."""

import dataclasses
import json

import pytest

from pipeline.emulator import EmulatorProfile
from pipeline.emulator.profiles.limits import LimitsProfile


def records_of(profile):
    values = {
        field.name: getattr(profile, field.name)
        for field in dataclasses.fields(profile)
    }
    return {
        name: value for name, value in values.items() if dataclasses.is_dataclass(value)
    }


def test_every_field_has_a_name_of_its_own():
    profile = EmulatorProfile()
    records = records_of(profile)
    names = [field.name for field in dataclasses.fields(profile)]
    for record in records.values():
        names += [field.name for field in dataclasses.fields(record)]

    assert len(records) == 7
    assert len(names) == len(set(names))
    assert profile.flat().keys() == set(names) - set(records)


def test_flat_names_reach_the_records_they_belong_to():
    profile = EmulatorProfile.of(seed=3, ceiling=2, failure_rate=0.5)

    assert (profile.seed, profile.limits.ceiling, profile.jobs.failure_rate) == (
        3,
        2,
        0.5,
    )
    assert profile == EmulatorProfile(
        seed=3,
        limits=LimitsProfile(ceiling=2),
        jobs=dataclasses.replace(EmulatorProfile().jobs, failure_rate=0.5),
    )


def test_profile_goes_through_its_flat_form_unchanged():
    profile = EmulatorProfile.of(cdn_ranges=False, part_status=204, credits_cu=7)
    assert EmulatorProfile.of(**profile.flat()) == profile


def test_profile_can_be_read_from_flat_json():
    text = '{"ceiling": 2, "echo_changes": {"size": "2K"}, "bulk_cap": 3}'
    profile = EmulatorProfile.of(**json.loads(text))
    assert profile.limits.ceiling == 2
    assert profile.listing.echo_changes == {"size": "2K"}
    assert profile.assets.bulk_cap == 3


def test_replaced_profile_keeps_everything_else():
    first = EmulatorProfile.of(ceiling=2, cooldown_s=5.0)
    second = first.replace(ceiling=3)
    assert (second.limits.ceiling, second.limits.cooldown_s) == (3, 5.0)
    assert first.limits.ceiling == 2


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("ceilling", "no field 'ceilling'; did you mean 'ceiling'?"),
        ("limits", "no field 'limits'"),
        ("zzzzzzzz", "no field 'zzzzzzzz'$"),
    ],
)
def test_unknown_field_is_refused_with_the_closest_name(name, text):
    with pytest.raises(TypeError, match=text.replace("?", r"\?")):
        EmulatorProfile.of(**{name: 1})
