"""Stage simulate: the simulated sky, as files in the surveys' own formats."""

import os
from pathlib import Path

from ojala.sky.sky_config import SkyConfig
from ojala.sky.survey import simulate as make_sky
from pipelines import params, stage

OUT = Path("data/simulated")


def simulate() -> None:
    """Write data/simulated; where the data are real, an empty directory."""
    config = params.section("simulate", SkyConfig)
    if params.section("data", params.DataConfig).source != "simulated":
        OUT.mkdir(parents=True, exist_ok=True)
        stage.report("simulate", {})
        return
    # The sky does not depend on the number of workers.
    counts = make_sky(config, OUT, num_workers=len(os.sched_getaffinity(0)))
    stage.report("simulate", counts)


if __name__ == "__main__":
    stage.run(simulate)
