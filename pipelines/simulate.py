"""Stage simulate: the simulated sky, as files in the surveys' own formats."""

import os

from ojala.sky.sky_config import SkyConfig
from ojala.sky.survey import simulate as make_sky
from pipelines import params, paths, stage


def simulate() -> None:
    """Write the sky; where the data are real, an empty directory."""
    config = params.section("simulate", SkyConfig)
    if params.section("data", params.DataConfig).source != "simulated":
        paths.SIMULATED.mkdir(parents=True, exist_ok=True)
        stage.report("simulate", {})
        return
    # The sky does not depend on the number of workers.
    counts = make_sky(config, paths.SIMULATED, num_workers=len(os.sched_getaffinity(0)))
    stage.report("simulate", counts)


if __name__ == "__main__":
    stage.run(simulate)
