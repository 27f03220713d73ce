from __future__ import annotations

import pytest

from neuronbuild.tasks import all_sizes, config_sizes, dims, frames


def test_a_row_is_one_beam_of_one_sequence():
    assert all_sizes({"batch_size": 3, "num_beams": 4}) == {"batch_size": 3, "num_beams": 4, "rows": 12}


def test_a_shape_without_beams_has_no_rows():
    assert all_sizes({"batch_size": 3, "sequence_length": 8}) == {"batch_size": 3, "sequence_length": 8}


def test_a_dimension_is_a_number_or_an_axis():
    assert dims(("batch_size", 1, "sequence_length"), {"batch_size": 2, "sequence_length": 8}) == [2, 1, 8]


def test_an_axis_without_a_size_is_a_fault():
    with pytest.raises(KeyError):
        dims(("rows",), {"batch_size": 2})


LAYERS = {"conv_kernel": [10, 3, 3, 3, 3, 2, 2], "conv_stride": [5, 2, 2, 2, 2, 2, 2]}
"""wav2vec2's own: 20 milliseconds a frame."""


@pytest.mark.parametrize(("samples", "expected"), [(16000, 49), (400, 1), (399, 0), (10, 0), (1, 0), (80000, 249)])
def test_convolutions_leave_a_frame_of_320_samples(samples, expected):
    assert frames(samples, LAYERS) == expected
    assert all_sizes({"batch_size": 1, "audio_sequence_length": samples}, LAYERS)["frames"] == expected


def test_an_adapter_halves_the_frames_again():
    assert frames(16000, {**LAYERS, "add_adapter": True, "num_adapter_layers": 3, "adapter_stride": 2}) == 7
    assert frames(16000, {**LAYERS, "add_adapter": False, "num_adapter_layers": 3, "adapter_stride": 2}) == 49


@pytest.mark.parametrize(
    "config",
    [
        {},
        {"conv_kernel": [1]},
        {"conv_kernel": 3, "conv_stride": 1},
        {"conv_kernel": ["a"], "conv_stride": [1]},
        {"conv_kernel": [1], "conv_stride": [0]},
    ],
)
def test_without_known_convolutions_there_are_no_frames(config):
    assert frames(100, config) is None
    assert "frames" not in all_sizes({"audio_sequence_length": 100}, config)


@pytest.mark.parametrize(
    ("config", "channels", "height", "width"),
    [
        ({}, 3, 224, 224),
        ({"image_size": 384, "num_channels": 1}, 1, 384, 384),
        ({"image_size": [512, 864]}, 3, 512, 864),
        ({"vision_config": {"image_size": 336}, "image_size": 1}, 3, 336, 336),
        ({"image_size": "large", "num_channels": None}, 3, 224, 224),
        ({"image_size": [1, 2, 3]}, 3, 224, 224),
        ({"image_size": 0}, 3, 224, 224),
    ],
)
def test_the_size_of_images_is_what_the_config_says_or_what_most_models_have(config, channels, height, width):
    assert config_sizes(config) == {"num_channels": channels, "height": height, "width": width}


def test_features_of_sound_have_the_configs_bins_and_frames():
    sizes = config_sizes({"num_mel_bins": 128, "max_length": 1024})
    assert (sizes["num_mel_bins"], sizes["audio_sequence_length"]) == (128, 1024)
