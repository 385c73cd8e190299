"""What LSDB and qp find in what was published; run by their own Python, prints JSON.

python reads_published.py hats COLLECTION RA DEC RADIUS_ARCSEC ID
python reads_published.py qp FILE Z...
"""

import json
import sys


def hats(place, ra, dec, radius, name):
    import dask
    import lsdb

    with dask.config.set(scheduler="synchronous"):
        catalogue = lsdb.open_catalog(place)
        cone = catalogue.cone_search(
            ra=float(ra), dec=float(dec), radius_arcsec=float(radius)
        ).compute()
        by_name = catalogue.id_search(values={"TARGETID": int(name)}).compute()
        margin = catalogue.margin.compute()
        everyone = catalogue.compute()
    return {
        "columns": list(everyone.columns),
        "rows": everyone["TARGETID"].tolist(),
        "cone": cone["TARGETID"].tolist(),
        "z": cone["Z_GAL"].tolist(),
        "by_name": by_name["TARGETID"].tolist(),
        "margin": margin["TARGETID"].tolist(),
    }


def qp(path, *grid):
    import numpy as np
    import qp

    ensemble = qp.read(path)
    return {
        "pdf": ensemble.pdf(np.array([float(z) for z in grid])).tolist(),
        "row": ensemble.ancil["row"].tolist(),
        "names": sorted(ensemble.ancil),
    }


if __name__ == "__main__":
    print(json.dumps({"hats": hats, "qp": qp}[sys.argv[1]](*sys.argv[2:])))
