"""`python -m benchmark.jpeg`, as documented in docs/ingest.md."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from footage.videos import picture, write_video

from benchmark.jpeg import OURS, REFERENCE, ssim

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_every_encoder_is_measured_on_a_video(tmp_path: Path) -> None:
    video, figures = write_video(tmp_path / "a.mp4", 10), tmp_path / "figures.json"
    command = [sys.executable, "-m", "benchmark.jpeg", "--video", str(video), "--every", "2", "--json", str(figures)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    results = json.loads(figures.read_text())
    ways = {row["way"]: row for row in results["ways"]}
    assert results["pictures"] == 5
    assert results["ratio"] == pytest.approx(ways[OURS]["bytes"] / ways[REFERENCE]["bytes"])
    finer, coarser = ways["etle, quantiser 2"], ways["etle, quantiser 8"]
    assert finer["bytes"] > coarser["bytes"] and finer["PSNR dB"] > coarser["PSNR dB"] and finer["SSIM"] > coarser["SSIM"]


def test_ssim_is_one_for_the_same_picture_and_falls_with_noise() -> None:
    grey = picture(1)[:, :, 0]
    noise = np.random.default_rng(1).normal(0, 1, grey.shape)
    some, more = (np.clip(grey + strength * noise, 0, 255).astype(np.uint8) for strength in (3, 12))
    assert ssim(grey, grey) == pytest.approx(1.0)
    assert 1.0 > ssim(grey, some) > ssim(grey, more) > 0.0
