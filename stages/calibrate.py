"""Calibrate the scores of each method and judge to likelihood ratios, and report their quality."""

from ftlgan import tracking
from ftlgan.errors import one_line_errors, writing
from ftlgan.evaluation import calibrating, judging
from ftlgan.evaluation.provenance import check_photos
from ftlgan.evaluation.tables import DATA, METRICS, read_probes, remove_stale
from ftlgan.params import Params, load_params

CALIBRATION = METRICS / "calibration"


def calibrate(params: Params, run: tracking.Run) -> None:
    import pandas as pd  # this and matplotlib take seconds, so check params first

    from ftlgan import look
    from ftlgan.verification.calibration.plots import calibration_plot

    settings, headline = params.evaluate, params.test.conditions[0]
    photos = check_photos(DATA / "aligned", DATA / "small")
    left_out = photos.copies | photos.without_reference
    found: list[calibrating.Calibrated] = []
    for judge in params.recognition.judges:
        gallery = DATA / "gallery" / judge
        val = calibrating.People(judging.read_embedded(gallery, split="val"), read_probes(params, judge, split="val"))
        test = calibrating.People(judging.read_embedded(gallery, photos.copies), read_probes(params, judge, left_out))
        protocols, draws = params.calibrate.protocols, (settings.replicates, settings.confidence, params.seed)
        found += calibrating.calibrate(judge, val, test, protocols, params.res, *draws)
    teachers = judging.read_teachers(DATA / "restored" / headline, params.models)
    black_box = judging.headline_judge(params.recognition.judges, teachers)
    table = pd.DataFrame(calibrating.calibration_table(found, params.res, teachers))
    shown = {
        f"{look.label(c.method)}, {c.protocol}": c.fitted
        for c in found
        if c.fitted and c.judge == black_box and c.condition in ("", headline)
    }
    with writing(CALIBRATION):
        CALIBRATION.mkdir(parents=True, exist_ok=True)
        table.to_csv(CALIBRATION / "calibration.csv", index=False, lineterminator="\n")
        look.save(calibration_plot(shown), CALIBRATION / "calibration.png")
    for c in found:
        if c.fitted:
            (CALIBRATION / c.file).parent.mkdir(parents=True, exist_ok=True)
            c.fitted[0].save(CALIBRATION / c.file)

    columns = ["condition", "method", "judge", "box", "protocol", "cllr", "cllr_min", "cllr_cal"]
    print(table[columns].to_string(index=False, float_format="%.3f"))
    for c in found:
        if not c.fitted:
            print(f"calibrate: {' '.join([c.condition, c.method]).strip()} before {c.judge}, {c.protocol}: {c.reason}")
    run.log_final(calibrating.calibration_scalars(found, headline))
    run.log_figure(CALIBRATION / "calibration.png")
    run.log_artifact(CALIBRATION / "calibration.csv")


@one_line_errors
def main() -> None:
    params = load_params()
    with tracking.run("calibrate", params.model_dump(by_alias=True)) as run:
        remove_stale(params)
        calibrate(params, run)


if __name__ == "__main__":
    main()
