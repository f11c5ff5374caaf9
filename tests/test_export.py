"""An exported model: the same forecast elsewhere, by sirve and by others; no trust needed."""

from pathlib import Path

import numpy as np
import pytest
import torch
from test_forecaster import SYSTEMS, fitting, forecaster_of, states

import sirve


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(("model", "system"), fitting())
def test_exported_and_loaded_it_gives_the_same_forecast(
    model: str, system: str, dtype: torch.dtype, tmp_path: Path
) -> None:
    sim, dt = SYSTEMS[system]
    before, context = forecaster_of(model, system), states(sim, dt, count=7)
    before.core.to(dtype)
    before.save(tmp_path / "best.ckpt")
    sirve.export(tmp_path / "best.ckpt", tmp_path / "out")
    after = sirve.load(tmp_path / "out")
    assert np.array_equal(after.forecast(context, 9), before.forecast(context, 9))
    assert after.info == before.info
    assert not after.training
    assert {key: (v.dtype, v.tolist()) for key, v in after.state_dict().items()} == {
        key: (v.dtype, v.tolist()) for key, v in before.state_dict().items()
    }
