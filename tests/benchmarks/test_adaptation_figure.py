from benchmarks.adaptation import MEASURES, picture


def test_each_panel_counts_its_own_sources():
    counts = dict(zip(MEASURES, (1066, 621, 621, 74), strict=True))
    scores = dict.fromkeys(MEASURES, 0.5) | {"n": counts}
    runs = [
        {"seed": 0, "mmd_weight": weight, "test_real": scores, "test_synth": scores}
        for weight in (0.0, 0.2)
    ]
    titles = [axis.get_title() for axis in picture(runs).axes]
    assert titles == [f"1 seeds, n = {count:,}" for count in counts.values()]
