"""Each invariant, stated once; `INVARIANTS` is all of them by name."""

from collections.abc import Callable

from chiasm.model import AnyModel
from invariants.gradients import gradients_reach_every_parameter
from invariants.places import a_token_stands_where_it_looks, counted_is_put_out, wrong_counts_are_refused
from invariants.rows import batch_is_single, cached_is_uncached, packed_is_unpacked, text_alone_is_the_text_model

INVARIANTS: dict[str, Callable[[AnyModel], None]] = {
    check.__name__: check
    for check in (
        batch_is_single,
        cached_is_uncached,
        packed_is_unpacked,
        text_alone_is_the_text_model,
        counted_is_put_out,
        a_token_stands_where_it_looks,
        wrong_counts_are_refused,
        gradients_reach_every_parameter,
    )
}
