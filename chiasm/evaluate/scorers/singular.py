"""English singulars by the rules that CHAIR counts objects with (those of the library pattern), mistakes included.

A "bus" becomes a "bu" and a "glass" a "glas": the published numbers rest on it. The tables are that library's facts.
"""

from __future__ import annotations

import re
from functools import cache

from chiasm.evaluate.scorers.tables import pairs, words

_PREPOSITIONS = words(
    """about before during of till above behind except off to across below for on under after beneath from onto until among
    beside in out unto around besides into over upon at between near since with athwart betwixt beyond but by"""
)

_SAME = words("""bison debris headquarters pincers trout bream diabetes herpes pliers tuna breeches djinn high-jinks proceedings
whiting britches eland homework rabies wildebeestcarp elk innings salmon chassis flounder jackanapes scissors christmas gallows
mackerel series clippers georgia measles shears cod graffiti mews species contretemps mumps swine corps news swiss
advice equipment happiness luggage software bread fruit information mathematics progress understanding butter furniture
ketchup mayonnaise research watercheese garbage knowledge meat rice electricity gravel love mustard sand""")
"""Words that have no plural. Two are run together there, and any ending of one counts as the word itself."""

_ENDS = frozenset(word[start:] for word in _SAME for start in range(len(word)))

_IE = tuple(
    f"{word}s"
    for word in words("""alergie cutie hoagie newbie softie veggie auntie doggie hottie nightie sortie weenie beanie eyrie indie
    oldie stoolie yuppie birdie freebie junkie ^pie sweetie zombiebogie goonie laddie pixie techie bombie groupie laramie
    quickie ^tie collie hankie lingerie reverie toughie cookie hippie meanie rookie valkyrie""")
)
"""Plurals that are left as they are."""

_IRREGULAR = pairs(
    """atlantes:atlas atlases:atlas axes:axe beeves:beef brethren:brother children:child corpora:corpus
    corpuses:corpus ephemerides:ephemeris feet:foot ganglia:ganglion geese:goose genera:genus genii:genie graffiti:graffito
    helves:helve kine:cow leaves:leaf loaves:loaf men:man mongooses:mongoose monies:money moves:move mythoi:mythos numena:numen
    occipita:occiput octopodes:octopus opera:opus opuses:opus our:my oxen:ox penes:penis penises:penis people:person sexes:sex
    soliloquies:soliloquy teeth:tooth testes:testis trilbys:trilby turves:turf zoa:zoon"""
)

_RULES = tuple(
    (re.compile(ending), singular)
    for ending, singular in (
        ("(?i)(.)ae$", r"\1a"), ("(?i)(.)itis$", r"\1itis"), ("(?i)(.)eaux$", r"\1eau"), ("(?i)(quiz)zes$", r"\1"),
        ("(?i)(matr)ices$", r"\1ix"), ("(?i)(ap|vert|ind)ices$", r"\1ex"), ("(?i)^(ox)en", r"\1"),
        ("(?i)(alias|status)es$", r"\1"), ("(?i)([octp|vir])i$", r"\1us"), ("(?i)(cris|ax|test)es$", r"\1is"),
        ("(?i)(shoe)s$", r"\1"), ("(?i)(o)es$", r"\1"), ("(?i)(bus)es$", r"\1"), ("(?i)([ml|])ice$", r"\1ouse"),
        ("(?i)(x|ch|ss|sh)es$", r"\1"), ("(?i)(m)ovies$", r"\1ovie"), ("(?i)(.)ombies$", r"\1ombie"),
        ("(?i)(s)eries$", r"\1eries"), ("(?i)([^aeiouy]|qu)ies$", r"\1y"), ("([aeo]l)ves$", r"\1f"),
        ("([^d]ea)ves$", r"\1f"), ("arves$", "arf"), ("erves$", "erve"), ("([nlw]i)ves$", r"\1fe"), ("(?i)([lr])ves$", r"\1f"),
        ("([aeo])ves$", r"\1ve"), ("(?i)(sive)s$", r"\1"), ("(?i)(tive)s$", r"\1"), ("(?i)(hive)s$", r"\1"),
        ("(?i)([^f])ves$", r"\1fe"), ("(?i)(^analy)ses$", r"\1sis"), ("(?i)((a)naly)ses$", r"\1\2sis"),
        ("(?i)(ba|diagno|parenthe|progno|synop|the)ses$", r"\1sis"), ("(?i)(.)opses$", r"\1opsis"),
        ("(?i)(.)yses$", r"\1ysis"), ("(?i)(h|d|r|o|n|b|cl|p)oses$", r"\1ose"),
        ("(?i)(fruct|gluc|galact|lact|ket|malt|rib|sacchar|cellul)ose$", r"\1ose"), ("(?i)(.)oses$", r"\1osis"),
        ("(?i)([ti])a$", r"\1um"), ("(?i)(n)ews$", r"\1ews"), ("(?i)s$", ""),
    )
)  # fmt: skip


@cache
def singular(word: str) -> str:
    """Of a noun; only the first half of a compound like mothers-in-law is turned."""
    if "-" in word:
        head, rest = word.split("-", 1)
        if rest.split("-")[0] in _PREPOSITIONS:
            return f"{singular(head)}-{rest}"
    if word.endswith("'"):
        return singular(word[:-1]) + "'s"
    small = word.lower()
    if not word or small in _ENDS:
        return word
    if small.endswith(_IE):
        return small
    for plural, one in _IRREGULAR.items():
        if small.endswith(plural):
            return word[: -len(plural)] + one
    for ending, one in _RULES:
        if ending.search(word):
            return ending.sub(one, word)
    return word
