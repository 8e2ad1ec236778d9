"""Why an invariant says nothing of a kind of model, or of one family."""

ONLY_WRITING = "compares pictures with texts: it has no sequence and no decoder"
ONLY_SEEING = "reads text alone: it has no eye"
ONLY_READING = "encodes text alone: it writes nothing and has no eye"
OF_TOKENS = ("counted_is_put_out", "a_token_stands_where_it_looks", "wrong_counts_are_refused")
"""What is said of visual tokens in a sequence."""
NO_SEQUENCE = (*OF_TOKENS, "cached_is_uncached", "text_alone_is_the_text_model")
BY_KIND = {
    "contrastive": dict.fromkeys(
        NO_SEQUENCE,
        ONLY_WRITING,
    ),
    "text": dict.fromkeys(
        (*OF_TOKENS, "packed_is_unpacked"),
        ONLY_SEEING,
    ),
    "prefix": {},
    "visual seq2seq": {},
    "cross-attention": {},
    "visual expert": {},
    "vectors": {"cached_is_uncached": "makes a vector of every position: it writes nothing, and its prompt is all of a row"},
    "text encoder": dict.fromkeys(
        (*NO_SEQUENCE, "packed_is_unpacked"),
        ONLY_READING,
    ),
    "volume encoder": dict.fromkeys(
        (*NO_SEQUENCE, "packed_is_unpacked"),
        "makes one vector of a scan: it has no pictures to pack, no sequence and no decoder",
    ),
    "page encoder": dict.fromkeys(
        (*NO_SEQUENCE, "packed_is_unpacked"),
        "encodes the words of a page, and its patches after them, as one row: it writes nothing and splices nothing",
    ),
    "seq2seq": dict.fromkeys(
        (*OF_TOKENS, "packed_is_unpacked", "text_alone_is_the_text_model"),
        ONLY_SEEING,
    ),
    "outlines": dict.fromkeys(
        NO_SEQUENCE,
        "looks at pictures and outlines regions: it has no sequence and no decoder",
    ),
    "detector": dict.fromkeys(
        NO_SEQUENCE,
        "looks for phrases in pictures: it has no sequence and no decoder",
    ),
    "encoder": dict.fromkeys(
        NO_SEQUENCE,
        "looks at pictures and makes vectors: it has no sequence and no decoder",
    ),
}
OF_QUERIES = (
    "openflamingo", "idefics", "idefics2", "qwen-vl", "blip2-opt", "blip2-flan-t5", "instructblip-vicuna",
    "instructblip-flan-t5", "minicpm-v-2.6", "kosmos-2", "videochat2",
)  # fmt: skip
QUERIES = "each visual token is a query that reads all of its view: none has a place"
EXCEPTIONS: dict[tuple[str, str], str] = {
    **{(name, "a_token_stands_where_it_looks"): QUERIES for name in OF_QUERIES},
    ("donut", "text_alone_is_the_text_model"): "writes after a picture alone: without one its decoder has nothing to ask",
}
"""(family, invariant) -> why it cannot be kept."""
