"""SAM (arXiv:2304.02643): points, boxes and rough masks become outlines."""

from chiasm.spec import Family
from chiasm.towers.sam import B16, H16, L16, segment, sized

FAMILIES = (
    Family(
        name="sam",
        title="SAM",
        paper="2304.02643",
        year=2023,
        layout="sam",
        model=segment(B16),
        sizes={"b": {}, "l": sized(L16), "h": sized(H16)},
        reference="SamModel",
    ),
)
