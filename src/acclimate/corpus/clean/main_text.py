"""The main text of a page: what its author wrote, without menus, share buttons, related items and comments.

Three steps over the blocks that a page shows, each linear in their number:

1. Elements whose tag, role or name tells of furniture (`nav`, class `share-buttons`) are left out with all in them,
   unless hardly anything would remain; then only `nav`, `footer` and the like; then nothing.
2. A block weighs as much as it has characters outside of links, more where it has marks of sentences. From the root
   one goes down to the child that holds nearly all of the weight, as long as there is one.
3. Of what stands there, lists, tables and groups that are mostly links are left out.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import lru_cache

from acclimate.corpus.clean.html_blocks import Block, Element, Page, read_page


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_FURNITURE_TAGS = frozenset(("nav", "footer", "menu", "aside", "dialog"))
_ROLES = _words("navigation complementary contentinfo search banner menubar dialog")
_FURNITURE = _words(
    "nav navbar navigation subnav topnav mainnav menu submenu megamenu sidebar rail breadcrumb breadcrumbs crumbs "
    "pager paging pagination pagenav toolbar topbar skip footer foot bottombar masthead "
    "comment comments commentlist disqus reply replies respond "
    "share shares sharing sharebar social socials tweet facebook twitter pinterest follow "
    "related recommend recommended recommendation recommendations recirc recirculation trending popular outbrain "
    "taboola readmore "
    "ad ads advert adverts advertisement advertising adsense sponsor sponsored sponsors banner banners promo promos "
    "newsletter subscribe subscription signup signin login register cookie cookies consent gdpr popup modal overlay "
    "copyright legal disclaimer print rss tags taglist tagcloud carousel slideshow hidden visually sr"
)
"""Parts of the names of elements that hold something else than the main text."""
_CONTENT = _words("article articlebody main content body text story")
"""Parts of names that speak for main text, against one of those above."""
_ALWAYS = _words(
    "nav navbar navigation sidebar comment comments disqus share sharing social related recommended footer "
    "breadcrumb breadcrumbs advertisement cookie newsletter"
)
"""Parts that nothing speaks against."""
_PART = re.compile(r"[A-Z]?[a-z]+")
_SENTENCE = re.compile(r"[.!?;:,…][\s”’\"')]|[。！？；：，、…]")
_NO_MARKS = 0.15
"""What a character weighs in a block without marks of sentences: a heading, a label."""
_NEARLY_ALL = 0.8
"""Share of the weight that a child holds where one goes down to it."""
_ENOUGH, _SOMETHING = 0.2, 0.04
"""Shares of the weight that leaving out furniture, and only furniture by its tag, must leave."""
_NEVER_ALONE = _words("p pre blockquote li dt dd h1 h2 h3 h4 h5 h6")
"""Elements that are a part of a text and not the whole of it."""
_SELDOM_ALONE = _words("ul ol dl table tr td th")
_GROUPS = _words("ul ol dl table div section header")
_MOST_LINKS = 0.5


def main_text(html: str) -> str:
    """The main text, a line for each paragraph, heading, list item or cell; empty where the page shows no text."""
    page = read_page(html)
    weights = [_weight(block) for block in page.blocks]
    kept = _without_furniture(page, weights)
    kept = _in_root(page, weights, kept)
    kept = _without_links(page, kept)
    return "\n".join(page.blocks[at].text for at in kept)


def all_text(html: str) -> str:
    """Everything that the page shows, in the same form."""
    return "\n".join(block.text for block in read_page(html).blocks)


def _weight(block: Block) -> float:
    own = len(block.text) - block.linked
    if own <= 0:
        return 0.0
    marks = min(len(_SENTENCE.findall(block.text)), 10)
    return own + 20.0 * marks if marks else _NO_MARKS * own


def _sums(elements: Sequence[Element], owners: Sequence[int], values: Sequence[float]) -> list[float]:
    """For each element the values of it and all below it. Parents stand before their children."""
    sums = [0.0] * len(elements)
    for owner, value in zip(owners, values, strict=True):
        sums[owner] += value
    for number in range(len(elements) - 1, 0, -1):
        sums[elements[number].parent] += sums[number]
    return sums


def _without_furniture(page: Page, weights: list[float]) -> list[int]:
    """The blocks outside of furniture; of less and less of it where too little would be left."""
    everything = list(range(len(page.blocks)))
    total = sum(weights)
    for judge, least in ((_is_furniture, _ENOUGH), (_has_furniture_tag, _SOMETHING)):
        kept = _outside(page, judge, everything)
        if sum(weights[at] for at in kept) >= least * total:
            return kept
    return everything


def _outside(page: Page, judge: Callable[[Element], bool], kept: list[int]) -> list[int]:
    out: list[bool] = []
    for element in page.elements:
        out.append((element.parent >= 0 and out[element.parent]) or judge(element))
    return [at for at in kept if not out[page.blocks[at].element]]


def _has_furniture_tag(element: Element) -> bool:
    return element.tag in _FURNITURE_TAGS


def _is_furniture(element: Element) -> bool:
    if element.tag in _FURNITURE_TAGS:
        return True
    if (
        element.tag in ("html", "body", "article", "main")
        or "articlebody" in element.marks
        or not element.names
    ):
        return False
    return any(map(_names_furniture, element.names.split()))


@lru_cache(maxsize=10_000)
def _names_furniture(name: str) -> bool:
    parts = _PART.findall(name)
    # Names of many words are titles that were made into anchors.
    if len(parts) > 4 or _FURNITURE.isdisjoint(parts):
        return name in _ROLES
    return not _ALWAYS.isdisjoint(parts) or _CONTENT.isdisjoint(parts)


def _in_root(page: Page, weights: list[float], kept: list[int]) -> list[int]:
    """The blocks in the smallest element that still holds nearly all of the weight."""
    elements = page.elements
    sums = _sums(elements, [page.blocks[at].element for at in kept], [weights[at] for at in kept])
    heaviest: dict[int, int] = {}
    for number in range(1, len(elements)):
        parent = elements[number].parent
        if sums[number] > 0 and (parent not in heaviest or sums[number] > sums[heaviest[parent]]):
            heaviest[parent] = number
    root = 0
    while (child := heaviest.get(root)) is not None and elements[child].tag not in _NEVER_ALONE:
        if sums[child] < (0.95 if elements[child].tag in _SELDOM_ALONE else _NEARLY_ALL) * sums[root]:
            break
        root = child
    inside: list[bool] = []
    for number, element in enumerate(elements):
        inside.append(number == root or (element.parent >= 0 and inside[element.parent]))
    return [at for at in kept if inside[page.blocks[at].element]]


def _without_links(page: Page, kept: list[int]) -> list[int]:
    """The blocks outside of groups that are mostly links; all, where most of the text is links."""
    elements = page.elements
    owners = [page.blocks[at].element for at in kept]
    total = _sums(elements, owners, [float(len(page.blocks[at].text)) for at in kept])
    linked = _sums(elements, owners, [float(page.blocks[at].linked) for at in kept])
    out: list[bool] = []
    for number, element in enumerate(elements):
        links = element.tag in _GROUPS and linked[number] > _MOST_LINKS * total[number]
        out.append(
            (element.parent >= 0 and out[element.parent]) or (links and linked[number] < 0.5 * total[0])
        )
    return [at for at in kept if not out[page.blocks[at].element]]
