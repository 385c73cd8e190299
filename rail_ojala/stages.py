"""RAIL's stages: an Informer that makes a model of a bundle, an Estimator that answers with it."""

from __future__ import annotations

from typing import Any

import numpy as np
import qp
from ceci.config import StageParameter as Param
from numpy.typing import NDArray
from rail.core.common_params import SharedParams
from rail.core.enums import DistributionType
from rail.estimation.estimator import CatEstimator
from rail.estimation.informer import CatInformer

from ojala.measures.redshift_modes import modes
from ojala.measures.redshift_pdf import RedshiftPdf
from ojala.model.shown import Catalogue
from ojala.vocabulary.quantities import REDSHIFTS
from rail_ojala.informed import Informed, fitted_temperature, of_bundle, tempered
from rail_ojala.survey_columns import SurveyColumns

COLUMNS = {
    name: SharedParams.copy_param(name)
    for name in ("bands", "err_bands", "mag_limits", "nondetect_val", "nonobserved_val")
} | {
    "names": Param(
        list,
        ["", "MAG_G", "MAG_R", "MAG_i", "MAG_Z", ""],
        msg="what OJALA calls each of bands (docs/tables.md), '' for a band that it lacks",
    ),
    "redshift": Param(str, "Z_GAL", msg="Z_GAL: p(z) if a galaxy; Z_QSO: if a quasar"),
}
"""Settings of both stages."""


class OjalaInformer(CatInformer):
    """A model from a trained bundle; of the training table it learns how sure to be, if asked to.

    The network is not trained anew. With ``calibrate`` the redshifts of the training table give
    p(z) a temperature; without, they are not looked at.
    Raises ValueError for columns and marks that do not go together (``SurveyColumns``), a bundle
    that is none, and too few redshifts to calibrate with.
    """

    name = "OjalaInformer"
    config_options = CatInformer.config_options.copy()
    config_options.update(
        **COLUMNS,
        bundle=Param(str, "models/ojala", msg="directory of the trained bundle"),
        calibrate=Param(bool, False, msg="fit the width of p(z) to the redshifts of the table"),
        redshift_col=SharedParams.copy_param("redshift_col"),
    )

    def validate(self) -> None:
        """Check that the columns which are read are there."""
        true = [self.config.redshift_col] if self.config.calibrate else []
        _check_columns(self, true)

    def run(self) -> None:
        """Make the model."""
        model = of_bundle(self.config.bundle)
        if self.config.calibrate:
            group, data = self.config.hdf5_groupname, self.get_data("input")
            table = self._convert_table_format(data[group] if group else data)
            pdf = model.predictor().redshifts(_columns(self).catalogue(table))[_redshift(self)]
            true = np.asarray(table[self.config.redshift_col], dtype=np.float64)
            model = Informed(files=model.files, temperature=fitted_temperature(pdf, true))
            self.log.info(f"{self.name}: p(z) has temperature {model.temperature:.3f}")
        self.model = model
        self.add_data("model", model)


class OjalaEstimator(CatEstimator):
    """p(z) as a histogram of the network's own steps, and the catalogue's redshift as zmode.

    A source that cannot be answered has a p(z) that is flat, zmode NaN, and answered False.
    """

    name = "OjalaEstimator"
    config_options = CatEstimator.config_options.copy()
    config_options.update(**COLUMNS)

    @classmethod
    def default_distribution_type(cls) -> DistributionType:
        """The network's answer is a posterior, under the prior of its training sample."""
        return DistributionType.posterior

    def validate(self) -> None:
        """Check that the columns which are read are there."""
        _check_columns(self, [])

    def open_model(self, tag: str = "model", **kwargs: Any) -> Any:
        """Open the model. Raises ValueError for one that no OjalaInformer has made."""
        model = super().open_model(tag, **kwargs)
        if not isinstance(model, Informed):
            raise ValueError(f"{self.name}: the model is not one that OjalaInformer has made")
        self.predictor = model.predictor()
        return model

    def _process_chunk(self, start: int, end: int, data: Any, first: bool) -> None:
        given = _columns(self).catalogue(self._convert_table_format(data))
        found = self.predictor.redshifts(given)[_redshift(self)]
        unknown = int(np.sum(~found.known))
        if unknown:
            self.log.warning(
                f"{self.name}: {unknown} of {len(found)} sources cannot be answered (no usable "
                "MAG_i, say): their p(z) is flat and their zmode NaN"
            )
        ensemble = ensemble_of(tempered(found, self.model.temperature))
        ensemble.set_ancil({"zmode": self._mode(found, given), "answered": found.known})
        self._do_chunk_output(ensemble, start, end, first, data=data)

    def _mode(self, pdf: RedshiftPdf, given: Catalogue) -> NDArray[np.floating[Any]]:
        """The redshift that the Predictor answers with, (num_sources,)."""
        if self.predictor.model.heads.redshift is not None:
            return modes(pdf).first
        token = _redshift(self)  # the mean of a Gaussian
        return np.asarray(self.predictor.predict(given, [token])[token])


def ensemble_of(pdf: RedshiftPdf) -> qp.Ensemble:
    """p(z) in z as a qp histogram, the probability of every step unchanged."""
    edges = np.expm1(pdf.edges)
    widths = np.diff(edges)
    share = np.where(pdf.known[:, None], pdf.probability, widths / widths.sum())
    return qp.Ensemble(qp.hist, data={"bins": edges, "pdfs": share / widths})


def _columns(stage: Any) -> SurveyColumns:
    given = stage.config
    return SurveyColumns(
        bands=given.bands,
        errors=given.err_bands,
        names=given.names,
        nondetected=given.nondetect_val,
        nonobserved=given.nonobserved_val,
        limits=given.mag_limits,
    )


def _redshift(stage: Any) -> str:
    if stage.config.redshift not in REDSHIFTS:
        raise ValueError(
            f"redshift is {stage.config.redshift!r}, expected {' or '.join(REDSHIFTS)}"
        )
    return str(stage.config.redshift)


def _check_columns(stage: Any, further: list[str]) -> None:
    needed = _columns(stage).needed() + further
    stage._check_column_names(stage.get_handle("input", allow_missing=True), needed)
